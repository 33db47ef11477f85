"""The risk on a plane through a network, and the cells of the plane: numbers without a picture.

For a piecewise linear activation the excess over the network in the middle is evaluated as `probe` does it, without
cancellation: a picture of radius 1e-9 is as right as one of radius 1. For other activations it is the difference of two
risks, with their rounding. In a cell all samples keep their sides; its boundaries are the lines z_ik = 0, straight because
z_ik is affine in the hidden rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.landscape.perturb.base_point import BasePoint
from fastminima.landscape.perturb.direct import Direct
from fastminima.landscape.perturb.smooth_direct import SmoothDirect
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.batched_risk import batched_risk
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .planes import Plane, flat

__all__ = ["Cells", "cells_of", "excess_on", "points_an_axis", "risks_at"]

Array = NDArray[np.float64]

# numbers of the parameters of one block of points
_BLOCK = 1 << 21
# a picture is worth some ten seconds, and at least so many points an axis
_WORK = 3e10
_MOST_POINTS, _LEAST_POINTS = 161, 41
# samples whose lines are found at a time
_ROWS = 16_384


def points_an_axis(network: OneHiddenLayer, data: Dataset) -> int:
    """161 points an axis, fewer where that takes long, and 41 in any case."""
    flops = 2.0 * data.n_samples * network.width * (network.n_features + 2)
    return int(min(_MOST_POINTS, max(_LEAST_POINTS, (_WORK / flops) ** 0.5)))


def risks_at(points: Array, network: OneHiddenLayer, data: Dataset) -> Array:
    """Risks of the networks with these parameters, (K, P), of the shape and activation of `network`."""
    K, (d1, dx) = len(points), network.W1.shape
    cut = d1 * dx
    W1, b1, W2, b2 = np.split(points, [cut, cut + d1, cut + 2 * d1], axis=1)
    return batched_risk(W1.reshape(K, d1, dx), b1, W2, b2[:, 0], data, network.activation)


def excess_on(
    plane: Plane, network: OneHiddenLayer, data: Dataset, s: Array, t: Array
) -> tuple[Array, Array]:
    """(excess, risk) on the grid of s and t, shapes (len(t), len(s)); the excess is over the network in the middle."""
    shape = (len(t), len(s))
    grid_s, grid_t = (axis.ravel() for axis in np.meshgrid(s, t))
    lines = isinstance(network.activation, PiecewiseLinear)
    direct = Direct(BasePoint(network, data)) if lines else SmoothDirect(network, data)
    level = float(risks_at(plane.centre[None], network, data)[0])
    excess = np.empty(len(grid_s))
    step = max(1, _BLOCK // len(plane.centre))
    for start in range(0, len(grid_s), step):
        cut = slice(start, start + step)
        moves = grid_s[cut, None] * plane.first + grid_t[cut, None] * plane.second
        excess[cut], *_ = direct.excess(moves)
    excess[np.isnan(excess)] = np.inf
    with np.errstate(over="ignore"):
        return excess.reshape(shape), (level + excess).reshape(shape)


@dataclass(frozen=True, eq=False)
class Cells:
    """Lines on which a unit changes side on a sample.

    Attributes
    ----------
    lines : ndarray of shape (n, 3)
        a + s b + t c = 0, those nearest to the middle first.
    unit, sample : ndarrays of shape (n,)
    total : int
        How many cross the part that was asked for; n of them are kept.
    """

    lines: Array
    unit: NDArray[np.intp]
    sample: NDArray[np.intp]
    total: int

    def distance(self) -> Array:
        """Of each line from the middle."""
        return np.abs(self.lines[:, 0]) / np.hypot(self.lines[:, 1], self.lines[:, 2])

    def segments(self, span: tuple[float, float, float, float]) -> Array:
        """Both ends of the part of each line in the box, shape (n, 2, 2)."""
        s0, s1, t0, t1 = span
        a, b, c = self.lines.T
        size = np.hypot(b, c)
        # the foot of the perpendicular from the middle, and as far as the box reaches to both sides
        foot = np.column_stack([-a * b, -a * c]) / (size * size)[:, None]
        along = np.column_stack([-c, b]) / size[:, None]
        reach = 2.0 * np.hypot(max(abs(s0), abs(s1)), max(abs(t0), abs(t1)))
        return np.stack([foot - reach * along, foot + reach * along], axis=1)


def cells_of(plane: Plane, network: OneHiddenLayer, data: Dataset, most: int) -> Cells:
    """The boundaries of cells that cross the plane's span, the nearest `most` of them.

    Lines that several samples share stand once, under the first.
    """
    d1, dx = network.W1.shape
    s0, s1, t0, t1 = plane.span
    found: list[Array] = []
    for start in range(0, data.n_samples, _ROWS):
        X = data.X[start : start + _ROWS]
        forms = []
        for vector in (flat(network), plane.first, plane.second):
            W1, b1 = vector[: d1 * dx].reshape(d1, dx), vector[d1 * dx : d1 * (dx + 1)]
            forms.append(X @ W1.T + b1)
        a, b, c = forms
        middle = a + b * (s0 + s1) / 2.0 + c * (t0 + t1) / 2.0
        room = np.abs(b) * (s1 - s0) / 2.0 + np.abs(c) * (t1 - t0) / 2.0
        with np.errstate(over="ignore", invalid="ignore"):
            crosses = (np.abs(middle) <= room) & (room > 0.0)
        row, unit = np.nonzero(crosses)
        found.append(np.column_stack([a[row, unit], b[row, unit], c[row, unit], unit, row + start]))
    table = np.concatenate(found)
    slope = np.hypot(table[:, 1], table[:, 2])
    table[:, :3] /= slope[:, None]
    # equal inputs have equal lines
    _, once = np.unique(table[:, :4], axis=0, return_index=True)
    table = table[np.sort(once)]
    order = np.argsort(np.abs(table[:, 0]), kind="stable")
    kept = table[order[:most]]
    return Cells(kept[:, :3], kept[:, 3].astype(np.intp), kept[:, 4].astype(np.intp), len(table))
