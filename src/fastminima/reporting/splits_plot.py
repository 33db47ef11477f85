"""The proof of theorem 1 as a picture: residuals in order of the fitted values, their partial sums, the set J, the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataTypeError
from fastminima.system.options import spelled
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.candidate import PushedSplit

from .displays import Display, check_target, figure_for, finished
from .figures import BLUE, GREEN, RED, PictureFile, open_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PartialSums", "plot_splits"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PartialSums:
    """What the proof looks at, in the order of the fitted values.

    Attributes
    ----------
    fitted, residual, sums : (m,) float64
        Fitted values in increasing order, (weighted) residuals, and their partial sums S_j.
    J : (k,) int64
        0-based positions of the set J, exactly.
    split : int or None
        The position the construction of the paper chose, where it chose one.
    """

    fitted: Array
    residual: Array
    sums: Array
    J: NDArray[np.int64]
    split: int | None


def _partial_sums(better: BetterPoint) -> PartialSums:
    fit, weights = better.low.fit, better.data.sample_weight
    # in the exact order: rounded fitted values may be equal, or the other way round
    exact = fit.exact.J()
    order = exact.order
    terms = fit.residual if weights is None else weights * fit.residual
    positions = np.asarray(exact.positions, np.int64)
    split = better.split.position if isinstance(better.split, PushedSplit) else None
    return PartialSums(fit.fitted[order], terms[order], np.cumsum(terms[order]), positions, split)


def plot_splits(
    better: BetterPoint,
    path: PictureFile | None = None,
    title: str | None = None,
    *,
    ax: Axes | None = None,
) -> Display:
    """Draw how theorem 1 finds a better point.

    Above: residuals of least squares against the fitted values. Below: their partial sums S_j, with the members of J
    (S_j is not 0 and the next fitted value is larger, decided exactly) and the split the paper's construction chose.

    Parameters
    ----------
    better : BetterPoint
        From `better_point`; without a better point J is empty, and the picture says so.
    path : path-like or binary file, optional
        A picture file. The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one
        PNG. Written whole or not at all.
    title : str, optional
    ax : matplotlib Axes, optional
        To draw the lower part on, alone, instead of a file; without either a new figure of pyplot.

    Returns
    -------
    Display
        `ax_`, `figure_`, and the `PartialSums` as `numbers`.

    Raises
    ------
    DataTypeError
        If `better` is no BetterPoint.
    OptionError
        `path` and `ax` together.
    TooLargeError
        If the data are too large for J to be worked out exactly.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("diabetes"))
    >>> type(fm.plot_splits(fm.better_point(low))).__name__
    'Display'
    """
    check_target(path, ax)
    if not isinstance(better, BetterPoint):
        raise DataTypeError(f"better must be a BetterPoint (from better_point), got {spelled(better)}")
    numbers = _partial_sums(better)
    words = f"m = {better.data.n_samples:,}, dx = {better.data.n_features}: {len(numbers.J):,} splits in J"
    if ax is not None:
        _draw_sums(ax, numbers)
        return finished(numbers, ax, path, title, words, own=False)
    figure = figure_for(path, (4.4, 4.4))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
    upper.axhline(0.0, color="0.45", lw=0.9, ls="--")
    upper.plot(numbers.fitted, numbers.residual, ".", color=BLUE, ms=4)
    upper.set_ylabel("residual")
    open_axes(upper)
    _draw_sums(lower, numbers)
    return finished(numbers, lower, path, title, words, own=True)


def _draw_sums(axes: Any, numbers: PartialSums) -> None:
    axes.axhline(0.0, color="0.45", lw=0.9, ls="--")
    # S_j holds from the j-th fitted value to the next
    axes.step(numbers.fitted, numbers.sums, where="post", color=BLUE, lw=1.0, label="partial sums $S_j$")
    J = numbers.J
    if len(J):
        axes.plot(numbers.fitted[J], numbers.sums[J], ".", color=GREEN, ms=4, label=f"J: {len(J):,} splits")
    if numbers.split is not None:
        j = numbers.split
        x = 0.5 * (numbers.fitted[j] + numbers.fitted[j + 1])
        axes.axvline(x, color=RED, lw=1.2, label=f"chosen split, j = {j + 1:,}")
    axes.set_xlabel("fitted value of least squares")
    axes.set_ylabel("partial sum of residuals")
    axes.legend(frameon=False, loc="best", fontsize="small")
    open_axes(axes)
