"""One feature, one picture: the data, the linear fit, and the functions that networks compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.data.given import DataLike
from fastminima.errors import NetworkError, OptionError
from fastminima.fit.least_squares import least_squares
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.given import NetworkLike, data_of, network_and_data
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.plain_text import printable
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.minimum import SpuriousMinimum

from .displays import Display, check_target, figure_for, finished
from .figures import BLUE, GREEN, RED, PictureFile, open_axes
from .probe_plot import number_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Functions", "plot_functions"]

Array = NDArray[np.float64]

_POINTS = 801
# More samples than this are thinned where they would lie on top of each other.
_DOTS = 5000


@dataclass(frozen=True, eq=False)
class Functions:
    """What is drawn over one feature.

    Attributes
    ----------
    x : (n,) float64
        Where the functions are evaluated, increasing: an even grid over the data, and every kink of a network in it.
    fit, low : (n,) float64
        The least-squares line, and the function of the first network.
    better : (n,) float64 or None
        The function of the second network.
    risk_fit, risk_low : float
        Risks 1/2 sum_i w_i (f(x_i) - y_i)^2.
    risk_better : float or None
    """

    x: Array
    fit: Array
    low: Array
    better: Array | None
    risk_fit: float
    risk_low: float
    risk_better: float | None


def plot_functions(
    low: NetworkLike,
    better: NetworkLike | None = None,
    path: PictureFile | None = None,
    title: str | None = None,
    data: DataLike | None = None,
    *,
    ax: Axes | None = None,
) -> Display:
    """Draw what networks of one input compute: the data, the least-squares line, and the networks' functions.

    A minimum of theorem 1 computes the line itself on the data, so its function is drawn dashed on the line. The axis spans
    the data and 5 % of their range on either side: kinks further out are not seen.

    Parameters
    ----------
    low, better : SpuriousMinimum and BetterPoint, or any networks, results or torch modules
        `better` may be left out.
    path : path-like or binary file, optional
        A picture file. The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one
        PNG. Written whole or not at all.
    title : str, optional
    data : Dataset, (X, y) or (X, y, sample_weight), optional
        Results know theirs.
    ax : matplotlib Axes, optional
        To draw on instead of a file; without either a new figure of pyplot.

    Returns
    -------
    Display
        `ax_`, `figure_`, and the `Functions` as `numbers`.

    Raises
    ------
    NetworkError
        If there is no better network.
    OptionError
        If the data have more than one feature; `path` and `ax` together.
    DataTypeError
        If an argument is of another type, or no data are given.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 1.0, 0.0]))
    >>> display = fm.plot_functions(low, fm.better_point(low))  # doctest: +SKIP
    """
    check_target(path, ax)
    if isinstance(better, BetterPoint) and better.network is None:
        raise NetworkError(f"there is no better network to draw: {better.status} ({better.reason})")
    samples = data_of(data, "plot_functions", low, better)
    if samples.n_features != 1:
        raise OptionError(
            f"a function is drawn over one feature, and the data have {samples.n_features}: plot_segment, plot_splits and"
            " plot_slice draw networks of any number of inputs"
        )
    first, _ = network_and_data(low, samples, "plot_functions")
    second = None if better is None else network_and_data(better, samples, "plot_functions")[0]
    numbers = _functions(first, second, samples)
    figure = figure_for(path, (4.4, 3.5)) if ax is None else ax.figure
    axes = figure.subplots() if ax is None else ax
    pair = isinstance(low, SpuriousMinimum), isinstance(better, BetterPoint)
    _draw(
        axes,
        numbers,
        samples,
        ("minimum" if pair[0] else "first network", "better" if pair[1] else "second network"),
    )
    words = f"m = {samples.n_samples:,}, d1 = {first.width}, {first.activation}"
    return finished(numbers, axes, path, title, words, own=ax is None)


def _kinks(network: OneHiddenLayer, low: float, high: float) -> Array:
    """Where the function may bend within a range: a kink narrower than the grid's step is drawn all the same."""
    if not isinstance(network.activation, PiecewiseLinear):
        return np.empty(0)
    slope = network.W1[:, 0]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        at = -network.b1 / slope
    return np.asarray(at[(at > low) & (at < high)], np.float64)


def _functions(first: OneHiddenLayer, second: OneHiddenLayer | None, samples: Dataset) -> Functions:
    x = samples.X[:, 0]
    # halves first: the range of finite numbers may overflow
    half = 0.5 * float(x.max()) - 0.5 * float(x.min())
    room = 0.1 * half or 0.5 * max(abs(float(x[0])), 1.0)
    low, high = max(float(x.min()) - room, -1.7e308), min(float(x.max()) + room, 1.7e308)
    t = np.linspace(0.0, 1.0, _POINTS)
    grid = (1.0 - t) * low + t * high
    bends = [_kinks(network, low, high) for network in (first, second) if network is not None]
    grid = np.unique(np.concatenate([grid, *bends]))
    fit = least_squares(samples)
    column = grid[:, None]
    return Functions(
        grid,
        fit.intercept + fit.coef[0] * grid,
        first.predict(column),
        None if second is None else second.predict(column),
        fit.risk,
        first.risk(samples),
        None if second is None else second.risk(samples),
    )


def _dots(samples: Dataset) -> NDArray[np.int64]:
    """Samples to draw: all, or evenly many in the order of the feature, with the extremes of either axis."""
    m = samples.n_samples
    if m <= _DOTS:
        return np.arange(m)
    order = np.argsort(samples.X[:, 0], kind="stable")
    spread = order[np.linspace(0, m - 1, _DOTS).astype(np.int64)]
    return np.unique(np.append(spread, [samples.y.argmin(), samples.y.argmax()]))


def _draw(axes: Any, numbers: Functions, samples: Dataset, names: tuple[str, str]) -> None:
    shown = _dots(samples)
    told = f"data ({len(shown):,} of {samples.n_samples:,})" if len(shown) < samples.n_samples else "data"
    axes.plot(samples.X[shown, 0], samples.y[shown], ".", color="0.45", ms=4, label=told)
    width = 4.0  # the line is broad and pale, so that a function on top of it is seen with it
    label = f"linear fit, risk {number_text(numbers.risk_fit)}"
    axes.plot(numbers.x, numbers.fit, color=GREEN, alpha=0.45, lw=width, label=label)
    label = f"{names[0]}, risk {number_text(numbers.risk_low)}"
    axes.plot(numbers.x, numbers.low, color=BLUE, lw=1.4, ls="--", label=label)
    if numbers.better is not None and numbers.risk_better is not None:
        label = f"{names[1]}, risk {number_text(numbers.risk_better)}"
        axes.plot(numbers.x, numbers.better, color=RED, lw=1.6, label=label)
    feature, target = (samples.feature_names or ["x"])[0], samples.target_name or "y"
    axes.set_xlabel(printable(str(feature)).replace("$", r"\$"))
    axes.set_ylabel(printable(str(target)).replace("$", r"\$"))
    axes.set_xlim(numbers.x[0], numbers.x[-1])
    # room for the legend above whatever is drawn
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, top + 0.45 * (top - bottom))
    axes.legend(frameon=False, loc="upper left", fontsize="small", borderaxespad=0.1)
    open_axes(axes)
