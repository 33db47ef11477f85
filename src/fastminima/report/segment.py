"""The risk along the straight segment between two networks, such as a minimum and a better point: numbers, and a picture."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import NetworkError
from fastminima.fit.least_squares import least_squares
from fastminima.landscape.excess_risk import excess_risk, padded
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.batched_risk import batched_risk
from fastminima.networks.given import data_of, network_and_data
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.options import as_count
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.minimum import SpuriousMinimum

from .figures import BLUE, RED, new_figure, open_axes, picture_format, save_figure

__all__ = ["Segment", "plot_segment", "segment"]

Array = NDArray[np.float64]

_NAMES = ("spurious minimum", "better point")


@dataclass(frozen=True, eq=False)
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


def segment(low: Any, better: Any, n: int = 401, data: Any = None) -> Segment:
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
    """
    n = as_count(n, "n", 2)
    a, b, samples = _ends(low, better, data)
    # Chebyshev spacing: what distinguishes the two points happens close to them
    t = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, n))

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
        a.activation,  # type: ignore[arg-type]
    )
    if _of_theorem1(low, better):
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
    low: Any, better: Any, path: str | os.PathLike[str], title: str | None = None, data: Any = None
) -> Segment:
    """Draw the segment to a picture file.

    Left: the risk itself, with the barrier between the two points. Right: the excess over the least-squares
    risk, relative to it, on a scale that is linear near zero, so that the flat start and the drop both show.

    Parameters
    ----------
    low, better
        As in `segment`.
    path : path-like
        The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one PNG. Written
        whole or not at all.
    title : str, optional
    data : Dataset, (X, y) or (X, y, sample_weight), optional
        As in `segment`.

    Raises
    ------
    NetworkError, DataTypeError
        As `segment`.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.
    """
    picture_format(path)
    figure = new_figure(10.0, 4.2)
    line = segment(low, better, 401, data)
    first, second = _NAMES if _of_theorem1(low, better) else ("first network", "second network")
    scale = line.level if line.level > 0 else 1.0
    excess = (line.risk - line.level) / scale
    left, right = figure.subplots(1, 2)
    left.plot(line.t, line.risk, color=BLUE, lw=1.8)
    left.axhline(line.level, color="0.55", lw=0.9, ls="--", label="least-squares risk")
    left.set_ylabel("empirical risk")
    left.set_title("Risk along the segment")
    left.legend(frameon=False, loc="best")
    # a minimum of theorem 1 lies at least squares, up to rounding
    start = 0.0 if _of_theorem1(low, better) else float(excess[0])
    end = start - line.drop / scale
    largest = max(abs(start), abs(end))
    right.axhline(0.0, color="0.55", lw=0.9, ls="--")
    right.plot(line.t, excess, color=BLUE, lw=1.8)
    # linear up to the next power of ten above the drop, with room: 0 and the drop are what the picture is about
    linear = 10.0 ** math.ceil(math.log10(largest)) if largest > 1e-300 else 1e-300
    bent = float(np.abs(excess).max()) > linear
    if bent:
        right.set_yscale("symlog", linthresh=linear, linscale=1.5)
    right.set_ylabel("(risk − least squares) / least squares")
    right.set_title("Excess over least squares" + " (linear near 0)" * bent)
    right.annotate(
        f"{second}\n{end:+.3g}".replace("-", "−"),
        (1.0, end),
        xytext=(-150, 4),
        textcoords="offset points",
        ha="right",
        va="center",
        color=RED,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        arrowprops={"arrowstyle": "->", "color": RED},
    )
    for axes, at_0, at_1 in ((left, line.risk[0], line.risk[-1]), (right, start, end)):
        axes.plot([0.0], [at_0], "o", color=BLUE, ms=6, clip_on=False)
        axes.plot([1.0], [at_1], "o", color=RED, ms=6, clip_on=False)
        axes.set_xlabel(f"t: {first} (0) to {second} (1)")
        axes.set_xlim(0.0, 1.0)
        open_axes(axes)
    network, _, samples = _ends(low, better, data)
    words = f"m = {samples.n_samples:,}, dx = {samples.n_features}, {network.activation}"
    save_figure(figure, path, title or words)
    return line
