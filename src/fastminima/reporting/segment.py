"""The risk along the straight segment between two networks, such as a minimum and a better point: numbers, and a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.dataset import Dataset
from fastminima.data.given import DataLike
from fastminima.errors import NetworkError
from fastminima.fit.least_squares import least_squares
from fastminima.landscape.excess_risk import excess_risk, padded
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.batched_risk import batched_risk
from fastminima.networks.given import NetworkLike, data_of, network_and_data
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.options import as_count
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.minimum import SpuriousMinimum

from .displays import Display, check_target, figure_for, finished
from .figures import BLUE, GREEN, RED, PictureFile, open_axes
from .probe_plot import at_most, number_text, round_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Segment", "draw_segment", "plot_segment", "positions", "segment", "shade_share"]

Array = NDArray[np.float64]

_NAMES = ("spurious minimum", "better point")


@dataclass(frozen=True, eq=False, repr=False)
class Segment:
    """Risks on the segment (1 - t) low + t better.

    Attributes
    ----------
    t : (n,) float64 in [0, 1]
    risk : (n,) float64
    level : float
        Least-squares risk.
    drop : float
        Risk of the first network minus risk of the second.
    """

    t: Array
    risk: Array
    level: float
    drop: float

    def __repr__(self) -> str:
        return f"Segment({len(self.t)} points, risk from {self.risk[0]:.6g} to {self.risk[-1]:.6g}, drop {self.drop:.6g})"


def positions(n: int) -> Array:
    """n numbers from 0 to 1 with Chebyshev spacing: what distinguishes the two ends happens close to them."""
    return 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, n))


def segment(low: NetworkLike, better: NetworkLike, n: int = 401, data: DataLike | None = None) -> Segment:
    """Evaluate the risk at `n` points between two networks, denser towards both ends.

    Parameters
    ----------
    low, better : SpuriousMinimum and BetterPoint, or any networks, results or torch modules
        Units that one of them lacks count as zero.
    n : int
    data : Dataset, (X, y) or (X, y, sample_weight), optional
        Results know theirs.

    Raises
    ------
    NetworkError
        If there is no better network, or the two have different activations.
    DataTypeError
        If an argument is of another type.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> line = fm.segment(low, fm.better_point(low), n=5)
    >>> len(line.t), bool(line.risk[-1] < line.risk[0])
    (5, True)
    """
    n = as_count(n, "n", 2)
    a, b, samples = _ends(low, better, data)
    t = positions(n)

    def between(start: ArrayLike, end: ArrayLike) -> Array:
        a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        s = t.reshape((-1,) + (1,) * a.ndim)
        points: Array = (1.0 - s) * a + s * b
        return points

    risk = batched_risk(
        between(a.W1, b.W1),
        between(a.b1, b.b1),
        between(a.W2, b.W2),
        between(a.b2, b.b2),
        samples,
        a.activation,
    )
    if _of_theorem1(low, better):
        assert isinstance(low, SpuriousMinimum)
        assert isinstance(better, BetterPoint)
        return Segment(t, risk, low.fit.risk, better.drop)
    exact = isinstance(a.activation, PiecewiseLinear)
    drop = -excess_risk(a, b, samples) if exact else float(risk[0] - risk[-1])
    return Segment(t, risk, least_squares(samples).risk, drop)


def _of_theorem1(low: Any, better: Any) -> bool:
    return isinstance(low, SpuriousMinimum) and isinstance(better, BetterPoint)


def _ends(low: Any, better: Any, data: Any) -> tuple[OneHiddenLayer, OneHiddenLayer, Dataset]:
    """Both networks, of one width and with their inputs in the order of the columns, and the data."""
    if isinstance(better, BetterPoint) and better.network is None:
        raise NetworkError(f"there is no better point to walk to: {better.status} ({better.reason})")
    samples = data_of(data, "a segment", low, better)
    a, _ = network_and_data(low, samples, "a segment")
    b, _ = network_and_data(better, samples, "a segment")
    if a.activation != b.activation:
        raise NetworkError(
            f"a segment joins networks of one activation, got {a.activation!r} and {b.activation!r}"
        )
    width = max(a.width, b.width)
    return padded(a, width), padded(b, width), samples


def plot_segment(
    low: NetworkLike,
    better: NetworkLike,
    path: PictureFile | None = None,
    title: str | None = None,
    data: DataLike | None = None,
    *,
    ax: Axes | None = None,
) -> Display:
    """Draw the segment: the excess over the least-squares risk, relative to it.

    Start and end are marked. Where the barrier between them is far higher than the drop, the scale is that of the inverse
    hyperbolic sine: logarithmic far from zero and linear near it, without a corner. From a `SpuriousMinimum` the part
    within its certified radius is shaded.

    Parameters
    ----------
    low, better
        As in `segment`.
    path : path-like or binary file, optional
        A picture file. The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one
        PNG. Written whole or not at all.
    title : str, optional
    data : Dataset, (X, y) or (X, y, sample_weight), optional
        As in `segment`.
    ax : matplotlib Axes, optional
        To draw on instead of a file; without either a new figure of pyplot.

    Returns
    -------
    Display
        `ax_`, `figure_`, and the `Segment` as `numbers`.

    Raises
    ------
    NetworkError, DataTypeError
        As `segment`.
    OptionError
        `path` and `ax` together.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("diabetes"))
    >>> fm.plot_segment(low, fm.better_point(low)).ax_.get_ylabel()
    '(risk − least squares) / least squares'
    """
    check_target(path, ax)
    line = segment(low, better, 401, data)
    network, other, samples = _ends(low, better, data)
    figure = figure_for(path, (4.4, 3.3)) if ax is None else ax.figure
    axes = figure.subplots() if ax is None else ax
    # a minimum of theorem 1 lies at least squares, up to rounding
    pair = _of_theorem1(low, better)
    draw_segment(axes, line, _NAMES if pair else ("first network", "second network"), exact_start=pair)
    if isinstance(low, SpuriousMinimum) and 0.0 < low.radius < math.inf:
        _shade_certified(axes, low.radius, network, other)
    axes.legend(facecolor="white", edgecolor="none", framealpha=1.0, loc="upper right", fontsize="small")
    open_axes(axes)
    words = f"m = {samples.n_samples:,}, dx = {samples.n_features}, {network.activation}"
    return finished(line, axes, path, title, words, own=ax is None)


def draw_segment(
    axes: Any,
    line: Segment,
    names: tuple[str, str],
    *,
    exact_start: bool,
    least: str = "least squares",
    what: str = "risk",
) -> None:
    """The excess over the least risk of affine maps, relative to it; start and end are marked and named.

    Parameters
    ----------
    axes : matplotlib Axes
    line : Segment
    names : (str, str)
        Of start and end.
    exact_start : bool
        The start lies at `line.level`, up to rounding.
    least : str
        What `line.level` is called.
    what : str
        What is drawn: risk, or loss.
    """
    scale = line.level if line.level > 0 else 1.0
    excess = (line.risk - line.level) / scale
    start = 0.0 if exact_start else float(excess[0])
    end = start - line.drop / scale
    largest = max(abs(start), abs(end))
    axes.axhline(0.0, color="0.45", lw=0.9, ls="--", label=f"{least}, {what} {line.level:.6g}")
    axes.plot(line.t, excess, color=BLUE, lw=1.8)
    # about linear up to the drop: 0 and the drop are what the picture is about
    low, high = min(end, float(excess.min())), max(0.0, float(excess.max()))
    if float(np.abs(excess).max()) > 10.0 * largest > 1e-290:
        axes.set_yscale("asinh", linear_width=largest)
        ticks = round_ticks(2.0 * largest, high, 4) if high > 2.0 * largest else []
        bottom, top = (math.asinh(v / largest) for v in (low, high))
        room = top - bottom
        # over many decades the labels of the drop and of 0 would lie on each other; the dashed line says where 0 is
        apart = math.asinh(abs(end) / largest) > 0.11 * room
        axes.set_yticks([end, *([0.0] if apart else []), *ticks] if end < 0.0 else [0.0, *ticks])
        axes.set_yticks([], minor=True)
        axes.yaxis.set_major_formatter(lambda value, _: number_text(value))
        axes.set_ylim(*(largest * math.sinh(v) for v in (bottom - 0.08 * room, top + 0.75 * room)))
    elif high > low:
        # above the line is room for the legend
        axes.set_ylim(low - 0.08 * (high - low), high + 0.75 * (high - low))
    axes.plot([0.0], [start], "o", color=BLUE, ms=6, ls="", clip_on=False, label=f"start: {names[0]}")
    worth = number_text(end)
    axes.plot([1.0], [end], "s", color=RED, ms=6, ls="", clip_on=False, label=f"end: {names[1]}, {worth}")
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel("t, from start (0) to end (1)")
    axes.set_ylabel(f"({what} \N{MINUS SIGN} {least}) / {least}")
    axes.yaxis.label.set_fontsize("small")


def _shade_certified(axes: Any, radius: float, start: OneHiddenLayer, end: OneHiddenLayer) -> None:
    """Where no hidden row (W1_k, b1_k) has moved by the certified radius: nothing there is below least squares."""
    moves = np.column_stack([end.W1, end.b1]) - np.column_stack([start.W1, start.b1])
    shade_share(axes, radius, float(np.linalg.norm(moves, axis=1).max()))


def shade_share(axes: Any, radius: float, farthest: float) -> None:
    """Shade the part of the segment within a certified radius, `farthest` being how far the end is from the start."""
    reached = min(1.0, radius / farthest) if farthest > 0.0 else 1.0
    # a line as well: the share of a long segment is narrower than a pixel
    label = f"proved not lower: radius {at_most(radius)}"
    axes.axvspan(0.0, reached, facecolor=(GREEN, 0.2), edgecolor=GREEN, lw=1.5, label=label)
