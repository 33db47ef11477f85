"""From a local minimum with a unit that is off, at constant risk, to a strictly better point.

A unit with a_k = 0, with u_k = 0, or dead adds nothing to the output. Slide a_k to 0, then the row to any v: the risk stays.
There the rate of the risk along a_k is s = sum G_g h(<v, x~_g>), and a_k = -s / sum w h^2 lowers it by s^2 / (2 sum w h^2).
Some v has s != 0 as long as some G is not 0. Directions are tried in float64; the drop is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.matrix import dot
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

from .stationarity import Stationarity

__all__ = ["Leave", "leave"]

F64 = NDArray[np.float64]

_DIRECTIONS = 64


@dataclass(frozen=True, eq=False, repr=False)
class Leave:
    """A path at constant risk from a minimum, and the strictly better point at its end.

    Attributes
    ----------
    unit : int
    path : tuple of RationalNetwork
        The minimum, with a_k = 0, and with the new row: all of the same risk, and so is the segment between neighbours.
    exact : RationalNetwork
        The better point: the last of the path with the unit's output weight.
    drop : Fraction
        How much lower its exact risk is.
    """

    unit: int
    path: tuple[RationalNetwork, ...]
    exact: RationalNetwork
    drop: Fraction

    @property
    def network(self) -> OneHiddenLayer:
        """`exact` rounded to float64."""
        return self.exact.rounded()

    def __repr__(self) -> str:
        return f"Leave(unit {self.unit}, drop {float(self.drop):.6g})"


def leave(network: RationalNetwork, data: Dataset, unit: int) -> Leave | None:
    """The way out of a point with a unit that is off; None where no direction tried lowers the risk.

    Parameters
    ----------
    network : RationalNetwork
    data : Dataset
    unit : int
        a_k = 0, u_k = 0, or dead.
    """
    row = _row(Stationarity(network, data))
    if row is None:
        return None
    zero = Fraction(0)
    silent = network.with_unit(unit, network.rows[unit], zero)
    turned = network.with_unit(unit, row, zero)
    other = Stationarity(turned, data)
    # sum G h(z) and sum w h(z)^2 at the new row: exact sums of the masked design
    form = other.moments.unit_form(unit, row)
    products = other.moments.products(form)
    slope = dot(other.moments.form(turned.rows, turned.output, turned.bias), products)
    square = dot(form, products)
    if not slope or not square:
        return None
    weight = Fraction(round_fraction(-slope / square))
    drop = -(weight * slope + weight * weight * square / 2)
    if drop <= 0:
        return None
    return Leave(unit, (network, silent, turned), network.with_unit(unit, row, weight), drop)


def _row(sums: Stationarity) -> tuple[Fraction, ...] | None:
    """The row whose unit lowers the risk most among hinges along axes and random directions, thresholds at all samples."""
    X = sums.columns.X[sums.first]
    G = np.array([float(v) for v in _G(sums)])
    w = np.ones(len(sums.ids)) if sums.columns.weight is None else sums.columns.weight
    w = np.asarray(np.bincount(sums.ids, weights=w), dtype=np.float64)
    s_plus, s_minus = float(sums.s_plus), float(sums.s_minus)
    dx = X.shape[1]
    spread = X.std(axis=0)
    spread = np.where(spread > 0.0, spread, 1.0)
    rng = np.random.default_rng(0)
    directions = np.concatenate([np.eye(dx), -np.eye(dx), rng.standard_normal((_DIRECTIONS, dx))]) / spread
    best, found = 0.0, None
    for direction in directions:
        t = X @ direction
        order = np.argsort(t, kind="stable")
        ts, Gs, ws = t[order], G[order], w[order]
        # h(t - c) at every threshold c between samples, from sums over the samples above and below
        above = [np.cumsum(v[::-1])[::-1] for v in (Gs, Gs * ts, ws, ws * ts, ws * ts * ts)]
        total = [v[0] for v in above]
        cuts = np.concatenate([ts[:1] - 1.0, (ts[:-1] + ts[1:]) / 2.0])
        below = [a - v for a, v in zip(total, above, strict=True)]
        slope = s_plus * (above[1] - cuts * above[0]) + s_minus * (below[1] - cuts * below[0])
        size = s_plus**2 * (above[4] - 2 * cuts * above[3] + cuts**2 * above[2])
        size += s_minus**2 * (below[4] - 2 * cuts * below[3] + cuts**2 * below[2])
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.where(size > 0.0, slope * slope / size, 0.0)
        position = int(np.nanargmax(gain))
        if gain[position] > best:
            best = float(gain[position])
            found = (*map(Fraction, direction.tolist()), Fraction(-float(cuts[position])))
    return found


def _G(sums: Stationarity) -> F64:
    """G of every distinct input, in float64."""
    network, z = sums.network, sums.z
    slopes = np.where(z.value > 0.0, float(sums.s_plus), float(sums.s_minus))
    output = np.array([round_fraction(a) for a in network.output])
    f = (slopes * z.value) @ output + round_fraction(network.bias)
    w = np.ones(len(sums.ids)) if sums.columns.weight is None else sums.columns.weight
    wy = np.bincount(sums.ids, weights=w * sums.columns.y)
    return np.asarray(np.bincount(sums.ids, weights=w) * f - wy)
