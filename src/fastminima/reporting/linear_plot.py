"""A saddle of a deep linear network as a picture: how far the loss rises and falls, against the radius of the ball."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataTypeError, OptionError
from fastminima.system.options import spelled
from fastminima.theorems.theorem4.classify import LinearReport

from .displays import Display, check_target, figure_for, finished
from .figures import BLUE, RED, PictureFile, open_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LinearChanges", "plot_linear"]

Array = NDArray[np.float64]

_RADII = np.logspace(-4, 0, 13)


@dataclass(frozen=True, eq=False)
class LinearChanges:
    """The escape pairs of a saddle W at several radii.

    Attributes
    ----------
    radius : (n,) float64, increasing
        No layer moves by more (Frobenius norm).
    up, down : (n,) float64
        ell(P) - ell(W) and ell(W) - ell(Q); nan where no pair was found.
    confirmed : (n,) bool
        Are both differences, of the float64 tuples, proved positive?
    order : int or None
        The power of the radius with which `down` shrinks, where theorem 4 gives it.
    """

    radius: Array
    up: Array
    down: Array
    confirmed: NDArray[np.bool_]
    order: int | None


def _changes(report: LinearReport, radii: Sequence[float] | Array) -> LinearChanges:
    found = np.sort(np.asarray(radii, np.float64).ravel())
    if not len(found) or not np.isfinite(found).all() or found[0] <= 0.0:
        raise OptionError(f"radii must be finite numbers above 0, one at least; got {spelled(radii)}")
    pairs = [report.escape_within(float(r)) for r in found]
    up = [np.nan if pair is None else float(pair.up) for pair in pairs]
    down = [np.nan if pair is None else float(pair.down) for pair in pairs]
    confirmed = [pair is not None and pair.confirmed for pair in pairs]
    return LinearChanges(found, np.array(up), np.array(down), np.array(confirmed), report.escape_order)


def plot_linear(
    report: LinearReport,
    path: PictureFile | None = None,
    title: str | None = None,
    *,
    radii: Sequence[float] | Array | None = None,
    ax: Axes | None = None,
) -> Display:
    """Draw how far the loss rises and falls around a saddle, against the radius of the ball, on logarithmic scales.

    Each point is an escape pair of theorem 4 in that ball. Filled marks are proved for the float64 tuples; empty ones are
    computed only. A dashed line has the slope of the order with which the fall shrinks, where theorem 4 gives it.

    Parameters
    ----------
    report : LinearReport
        From `classify_linear`, of a saddle.
    path : path-like or binary file, optional
        A picture file. The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one
        PNG. Written whole or not at all.
    title : str, optional
    radii : sequence of float, optional
        Default: 13 from 1e-4 to 1.
    ax : matplotlib Axes, optional
        To draw on instead of a file; without either a new figure of pyplot.

    Returns
    -------
    Display
        `ax_`, `figure_`, and the `LinearChanges` as `numbers`.

    Raises
    ------
    DataTypeError
        If `report` is no LinearReport.
    OptionError
        If the weights are no saddle, or no pair was found; radii that are not above 0; `path` and `ax` together.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> loss = fm.SquaredLoss(np.eye(2), np.eye(2))
    >>> report = fm.classify_linear([np.zeros((2, 2)), np.zeros((2, 2))], loss)
    >>> shown = fm.plot_linear(report)
    >>> shown.numbers.order, bool(shown.numbers.confirmed.all())
    (2, True)
    """
    check_target(path, ax)
    if not isinstance(report, LinearReport):
        raise DataTypeError(f"report must be a LinearReport (from classify_linear), got {spelled(report)}")
    numbers = _changes(report, _RADII if radii is None else radii)
    if not ((numbers.up > 0.0) | (numbers.down > 0.0)).any():
        raise OptionError(
            f"there is nothing to draw: {report.verdict.value} ({report.reason}) has no escape pair"
        )
    axes = figure_for(path, (4.2, 3.4)).subplots() if ax is None else ax
    _draw(axes, numbers)
    shapes = " ".join("x".join(map(str, W.shape)) for W in report.weights)
    return finished(numbers, axes, path, title, f"{report.verdict.value}, layers {shapes}", own=ax is None)


def _draw(axes: Any, numbers: LinearChanges) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    sides = (("up: ℓ(P) − ℓ(W)", numbers.up, BLUE, "^"), ("down: ℓ(W) − ℓ(Q)", numbers.down, RED, "v"))
    for label, values, colour, marker in sides:
        shown = values > 0.0
        axes.plot(numbers.radius[shown], values[shown], color=colour, lw=1.0)
        for proved, face in ((True, colour), (False, "white")):
            these = shown & (numbers.confirmed == proved)
            if these.any():
                words = label if proved else f"{label}, not proved"
                axes.plot(
                    numbers.radius[these],
                    values[these],
                    marker,
                    color=colour,
                    mfc=face,
                    ms=5,
                    ls="",
                    label=words,
                )
    _order(axes, numbers)
    axes.set_xlabel("radius: no layer moves by more")
    axes.set_ylabel("change of the loss")
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    open_axes(axes)


def _order(axes: Any, numbers: LinearChanges) -> None:
    """A line of the order's slope, a little below the fall at the smallest radius."""
    shown = np.flatnonzero(numbers.down > 0.0)
    if numbers.order is None or not len(shown):
        return
    first = shown[0]
    line = 0.2 * numbers.down[first] * (numbers.radius / numbers.radius[first]) ** numbers.order
    axes.plot(numbers.radius, line, "--", color="0.45", lw=1.0, label=f"order {numbers.order}")
