"""The risk along the straight segment from the minimum to the better point, as numbers and as a picture."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import DataTypeError, NetworkError
from fastminima.networks.batched_risk import batched_risk
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.minimum import SpuriousMinimum

from .figures import BLUE, RED, new_figure, open_axes, picture_format, save_figure

__all__ = ["Segment", "plot_segment", "segment"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Segment:
    """Risks on the segment (1 - t) minimum + t better.

    Attributes
    ----------
    t : (n,) float64 in [0, 1]
    risk : (n,) float64
    level : float
        Least-squares risk.
    drop : float
        Risk of the minimum minus risk of the better point.
    """

    t: Array
    risk: Array
    level: float
    drop: float


def segment(low: SpuriousMinimum, better: BetterPoint, n: int = 401) -> Segment:
    """Evaluate the risk at `n` points between the minimum and the better point, denser towards both ends.

    Raises
    ------
    NetworkError
        If there is no better network.
    """
    if not isinstance(better, BetterPoint):
        raise DataTypeError(f"better must be a BetterPoint (from better_point), got {type(better).__name__}")
    if better.network is None:
        raise NetworkError(f"there is no better point to walk to: {better.status} ({better.reason})")
    # Chebyshev spacing: what distinguishes the two points happens close to them
    t = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, n))

    def between(start: ArrayLike, end: ArrayLike) -> Array:
        a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        s = t.reshape((-1,) + (1,) * a.ndim)
        points: Array = (1.0 - s) * a + s * b
        return points

    a, b = low.network, better.network
    risk = batched_risk(
        between(a.W1, b.W1),
        between(a.b1, b.b1),
        between(a.W2, b.W2),
        between(a.b2, b.b2),
        low.data,
        low.activation,
    )
    return Segment(t, risk, low.fit.risk, better.drop)


def plot_segment(
    low: SpuriousMinimum, better: BetterPoint, path: str | os.PathLike[str], title: str | None = None
) -> Segment:
    """Draw the segment to a picture file.

    Left: the risk itself, with the barrier between the two points. Right: the excess over the least-squares
    risk, relative to it, on a scale that is linear near zero, so that the flat start and the drop both show.

    Parameters
    ----------
    low : SpuriousMinimum
    better : BetterPoint
    path : path-like
        The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one PNG. Written
        whole or not at all.
    title : str, optional

    Raises
    ------
    NetworkError
        If there is no better network.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.
    """
    picture_format(path)
    figure = new_figure(10.0, 4.2)
    line = segment(low, better)
    scale = line.level if line.level > 0 else 1.0
    excess = (line.risk - line.level) / scale
    left, right = figure.subplots(1, 2)
    left.plot(line.t, line.risk, color=BLUE, lw=1.8)
    left.axhline(line.level, color="0.55", lw=0.9, ls="--", label="least-squares risk")
    left.set_ylabel("empirical risk")
    left.set_title("Risk along the segment")
    left.legend(frameon=False, loc="best")
    relative = line.drop / scale
    right.axhline(0.0, color="0.55", lw=0.9, ls="--")
    right.plot(line.t, excess, color=BLUE, lw=1.8)
    # linear up to the next power of ten above the drop, with room: 0 and the drop are what the picture is about
    linear = 10.0 ** math.ceil(math.log10(relative)) if relative > 1e-300 else 1e-300
    right.set_yscale("symlog", linthresh=linear, linscale=1.5)
    right.set_ylabel("(risk − least squares) / least squares")
    right.set_title("Excess over least squares (linear near 0)")
    right.annotate(
        f"better point\n−{relative:.3g}",
        (1.0, -relative),
        xytext=(-150, 4),
        textcoords="offset points",
        ha="right",
        va="center",
        color=RED,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        arrowprops={"arrowstyle": "->", "color": RED},
    )
    for axes, start, end in ((left, line.risk[0], line.risk[-1]), (right, 0.0, -relative)):
        axes.plot([0.0], [start], "o", color=BLUE, ms=6, clip_on=False)
        axes.plot([1.0], [end], "o", color=RED, ms=6, clip_on=False)
        axes.set_xlabel("t: spurious minimum (0) to better point (1)")
        axes.set_xlim(0.0, 1.0)
        open_axes(axes)
    data = f"m = {low.data.n_samples:,}, dx = {low.data.n_features}, {low.activation}"
    save_figure(figure, path, title or data)
    return line
