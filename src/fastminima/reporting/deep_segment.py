"""The segment from a deep minimum to a better network of the same widths as a picture."""

from __future__ import annotations

import math
import os

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import NetworkError
from fastminima.exact.dyadic import round_fraction
from fastminima.losses.pointwise import Squared
from fastminima.networks.deep_network import DeepNetwork
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint

from .displays import Display, figure_for, finished
from .figures import open_axes
from .segment import Segment, draw_segment, positions, shade_share

__all__ = ["deep_segment", "plot_deep_segment"]

Array = NDArray[np.float64]


def deep_segment(better: DeepBetterPoint, n: int = 201) -> Segment:
    """Losses on the segment from the minimum to the better network, denser towards both ends.

    Raises
    ------
    NetworkError
        If there is no better network.
    """
    low, a, b = better.low, better.low.network, better.network
    if a is None or b is None:
        raise NetworkError(f"there is no better network to walk to: {better.status} ({better.reason})")
    t = positions(n)
    losses = np.empty(n)
    for k, s in enumerate(t.tolist()):
        layers = tuple(
            ((1.0 - s) * W + s * V, (1.0 - s) * p + s * q)
            for (W, p), (V, q) in zip(a.layers, b.layers, strict=True)
        )
        losses[k] = DeepNetwork(layers, a.activations, a.feature_names).loss(low.data, low.objective)
    return Segment(t, losses, round_fraction(low.fits.loss), better.drop)


def plot_deep_segment(better: DeepBetterPoint, path: str | os.PathLike[str], title: str) -> Display:
    """Draw the segment: the excess over the least loss of affine maps, relative to it, the certified part shaded."""
    line = deep_segment(better)
    low, start, end = better.low, better.low.network, better.network
    assert start is not None
    assert end is not None
    figure = figure_for(path, (4.4, 3.3))
    axes = figure.subplots()
    squared = isinstance(low.objective, Squared)
    least, what = ("least squares", "risk") if squared else ("best affine map", "loss")
    draw_segment(axes, line, ("spurious minimum", "better point"), exact_start=True, least=least, what=what)
    if 0.0 < low.radius < math.inf:
        # the radius is one of all hidden layers together
        moves = [
            new - old
            for a, b in zip(start.layers[:-1], end.layers[:-1], strict=True)
            for old, new in zip(a, b, strict=True)
        ]
        shade_share(axes, low.radius, math.sqrt(sum(float(np.sum(move * move)) for move in moves)))
    axes.legend(facecolor="white", edgecolor="none", framealpha=1.0, loc="upper right", fontsize="small")
    open_axes(axes)
    words = f"m = {low.data.n_samples:,}, dx = {low.data.n_features}, {start}"
    return finished(line, axes, path, title, words, own=True)
