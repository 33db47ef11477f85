"""What the conditions for a local minimum are made of: residual sums of equal inputs, boundary sets, gradients of the units.

With e_i = f(x_i) - y_i, G_g = sum of w_i e_i over the samples of one distinct input x_g, B_k = {g : z_gk = 0, G_g != 0},
alpha = (s+ + s-)/2 and c = (s+ - s-)/2, moving row u_k by v changes the risk at the rate a_k phi_k(v),

    phi_k(v) = <P_k, v> + c sum_{B_k} G_g |<x~_g, v>|,   P_k = sum_{g not in B_k} G_g s_gk x~_g + alpha sum_{B_k} G_g x~_g.

Inputs with G_g = 0 drop out, whatever side they are on. P_k comes from one exact Gram matrix (`exact.masked_gram`);
only inputs on a boundary, and those whose G float64 cannot tell from 0, are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import DataError
from fastminima.exact.affine import Columns, affine_numerators, common_numerators
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.groups import group_ids
from fastminima.exact.masked_gram import MaskedGram
from fastminima.exact.matrix import dot
from fastminima.exact.roundoff import U
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.first_use import cached_property

from .sides import Preactivations, preactivations

__all__ = ["BoundaryInput", "KnownSums", "Stationarity"]

F64 = NDArray[np.float64]
Vector = tuple[Fraction, ...]


@dataclass(frozen=True)
class BoundaryInput:
    """A distinct input with z = 0 at some unit and G != 0.

    Attributes
    ----------
    group : int
    sample : int
        First sample of the group.
    x : tuple of dx + 1 Fractions
        x~ = (x, 1).
    G : Fraction
    """

    group: int
    sample: int
    x: Vector
    G: Fraction


@dataclass(frozen=True)
class KnownSums:
    """Exact sums that stand already, and the sides of all samples that they were made for."""

    positive: NDArray[np.bool_]
    moments: MaskedGram

    def fits(self, sides: NDArray[np.int8]) -> bool:
        """Whether they are those of other sides too: a sample on a boundary has no output there."""
        return np.array_equal(self.positive, sides > 0)


class Stationarity:
    """The sums above for one network on one dataset.

    Parameters
    ----------
    network : RationalNetwork
    data : Dataset
    known : KnownSums, optional
        Sums over the same data, used if they fit.

    Attributes
    ----------
    sides : (n_groups, d1) int8
        Exact signs of z on distinct inputs.
    z : Preactivations
        Of the distinct inputs.
    first : (n_groups,) intp
        First sample of each distinct input.
    """

    def __init__(self, network: RationalNetwork, data: Dataset, known: KnownSums | None = None) -> None:
        if network.n_features != data.n_features:
            raise DataError(f"X has {data.n_features} columns; the network takes {network.n_features} inputs")
        self.network, self.data = network, data
        self.columns = Columns(data)
        self.s_plus, self.s_minus = network.slopes
        self.alpha, self.c = (self.s_plus + self.s_minus) / 2, (self.s_plus - self.s_minus) / 2
        self.ids, self.first = group_ids(self.columns)
        every = preactivations(self.columns, network.rows)
        self._every = every
        self.z = Preactivations(every.value[self.first], every.error[self.first], every.side[self.first])
        self.sides = self.z.side
        self.moments = (
            known.moments
            if known is not None and known.fits(every.side)
            else MaskedGram(self.columns, every.side, self.s_plus, self.s_minus)
        )
        form = self.moments.form(network.rows, network.output, network.bias)
        self._products = self.moments.products(form)
        self.risk = self.moments.gram.quadratic(form) / 2
        self.total = self._products[0]

    @property
    def n_groups(self) -> int:
        """Number of distinct inputs."""
        return len(self.first)

    @cached_property
    def total_weight(self) -> Fraction:
        """Sum of the weights."""
        return self.moments.total_weight

    @cached_property
    def _by_group(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Samples in the order of their groups, and where each group begins."""
        order = np.argsort(self.ids, kind="stable").astype(np.intp)
        sizes = np.bincount(self.ids, minlength=self.n_groups)
        return order, np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)

    def members(self, group: int) -> NDArray[np.intp]:
        """Samples of a distinct input."""
        order, starts = self._by_group
        return order[starts[group] : starts[group + 1]]

    def x(self, group: int) -> Vector:
        """x~ = (x, 1) of a distinct input."""
        row = np.array([self.first[group]])
        values = []
        for j in range(self.columns.n_features):
            integers, scale = self.columns.integers(j, row)
            values.append(int(integers[0]) * scale)
        return (*values, Fraction(1))

    @cached_property
    def _integers(self) -> tuple[list[list[int]], int, Fraction]:
        """Rows a_k u_k and the output bias, as integers over one scale: the largest denominators, met once."""
        network, n = self.network, self.moments.n
        values = [a * v for a, row in zip(network.output, network.rows, strict=True) for v in row]
        integers, scale = common_numerators([*values, network.bias])
        rows = [integers[k * n : (k + 1) * n] for k in range(network.width)]
        return rows, integers[-1], scale

    def exact_G(self, group: int) -> Fraction:
        """Sum of w_i (f(x_i) - y_i) over the samples of one distinct input."""
        x, rows = self.x(group), self.members(group)
        integers, unit = common_numerators(x)
        weights, bias, scale = self._integers
        total = Fraction(bias)
        for side, a, own in zip(self.sides[group].tolist(), self.network.output, weights, strict=True):
            if side and a:
                slope = self.s_plus if side > 0 else self.s_minus
                total = total + slope * sum(u * v for u, v in zip(own, integers, strict=True)) * unit
        output = total * scale
        residual, scale = affine_numerators(
            self.columns, [output, *([Fraction(0)] * (len(x) - 1)), Fraction(-1)], rows
        )
        weight, unit = self.columns.weight_integers(rows)
        return Fraction(int((residual if weight is None else residual * weight).sum())) * scale * unit

    @cached_property
    def G_sides(self) -> NDArray[np.int8]:
        """(n_groups,) exact signs of G: float64 with a bound, integers where it is silent.

        Notes
        -----
        z errs by its bound dz; with slopes s, h(z) errs by s dz + u s (|z| + dz); a product with the rounded a_k and a
        sum of d1 + 2 terms add (d1 + 6) u of all sizes, and sums over a group (size + 4) u. All sizes are summed.
        """
        network, z = self.network, self._every
        s = np.array([float(self.s_plus), float(self.s_minus)])
        a = np.array([round_fraction(v) for v in network.output])
        d1 = network.width
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            slope = np.where(z.value > 0.0, s[0], s[1])
            reach = np.abs(z.value) + z.error
            steep = s.max()
            e = (slope * z.value) @ a + round_fraction(network.bias) - self.columns.y
            size = (steep * reach) @ np.abs(a) + abs(round_fraction(network.bias)) + np.abs(self.columns.y)
            # where the sign of z is not known from the float, h errs by at most its own size there
            unsure = np.where(np.abs(z.value) > z.error, z.error, reach)
            doubt = (steep * unsure) @ np.abs(a) * (1 + 2.0**-20) + (d1 + 10) * U * size
            w = np.ones(len(e)) if self.columns.weight is None else self.columns.weight
            count = np.bincount(self.ids, minlength=self.n_groups)
            total = np.bincount(self.ids, weights=w * e, minlength=self.n_groups)
            slack = np.bincount(self.ids, weights=w * doubt, minlength=self.n_groups)
            slack = slack + (count + 6) * U * np.bincount(self.ids, weights=w * size, minlength=self.n_groups)
            slack = slack * (1 + (count + 8) * 2.0**-50) + count * 2.0**-1060
            sure = np.abs(total) > slack
        sides = np.where(sure, np.sign(np.where(sure, total, 0.0)), 0.0).astype(np.int8)
        for group in np.flatnonzero(~sure).tolist():
            G = self.exact_G(group)
            sides[group] = (G > 0) - (G < 0)
        return sides

    @cached_property
    def all_zero(self) -> bool:
        """Whether every G is 0: no function of x has a lower risk."""
        return not self.G_sides.any()

    @cached_property
    def boundary(self) -> list[list[BoundaryInput]]:
        """B_k for every unit."""
        known: dict[int, BoundaryInput | None] = {}
        found = []
        for k in range(self.network.width):
            inputs = []
            for group in np.flatnonzero(self.sides[:, k] == 0).tolist():
                if group not in known:
                    G = self.exact_G(group)
                    sample = int(self.first[group])
                    known[group] = BoundaryInput(group, sample, self.x(group), G) if G else None
                if (one := known[group]) is not None:
                    inputs.append(one)
            found.append(inputs)
        return found

    @cached_property
    def P(self) -> list[Vector]:
        """P_k for every unit."""
        found = []
        for k, inputs in enumerate(self.boundary):
            sums = self.moments.unit_sums(self._products, k)
            # the masked sums hold boundary samples at the slope s-: alpha - s- = c is missing
            if inputs:
                shares, unit = common_numerators([one.G for one in inputs])
                missing = [
                    sum((t * one.x[j] for t, one in zip(shares, inputs, strict=True)), Fraction(0))
                    for j in range(len(sums))
                ]
                sums = [v + self.c * unit * t for v, t in zip(sums, missing, strict=True)]
            found.append(tuple(sums))
        return found

    def phi(self, unit: int, v: Sequence[Fraction]) -> Fraction:
        """phi_k(v): the rate at which the risk changes with row k along v, divided by a_k."""
        kinks = sum((one.G * abs(dot(one.x, v)) for one in self.boundary[unit]), Fraction(0))
        return dot(self.P[unit], v) + self.c * kinks

    def curvature(self, unit: int, v: Sequence[Fraction]) -> Fraction:
        """sum_i w_i psi_i^2 with psi_i the change of h(z_ik) per step along v, before any sample changes sides."""
        total = self.moments.curvature(unit, v)
        # samples on the boundary stand there at the slope s-
        for group in np.flatnonzero(self.sides[:, unit] == 0).tolist():
            t = dot(self.x(group), v)
            if t > 0:
                weight = self.weight(group)
                total += weight * (self.s_plus**2 - self.s_minus**2) * t * t
        return total

    def weight(self, group: int) -> Fraction:
        """Sum of the weights of one distinct input."""
        rows = self.members(group)
        weight, unit = self.columns.weight_integers(rows)
        return Fraction(len(rows)) if weight is None else int(weight.sum()) * unit
