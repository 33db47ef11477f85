"""The way out of a point that is no local minimum: a network whose exact risk is proved lower, inside any ball.

(a) sum G_g = s != 0: b2 + t lowers the risk by -(t s + t^2 W / 2), W the total weight; best t = -s / W.
(b) a_k phi_k(v) < 0 with a_k != 0: the row u_k + t v, before any sample changes sides, changes the risk by
        t a_k phi_k(v) + t^2 a_k^2 sum w psi^2 / 2,
    both from the sums at hand.
(c) a_k = 0 and phi_k(v) != 0 somewhere: the row u_k + t v and then a_k = -sign(...) epsilon, which changes the risk by
        epsilon sum G h(z) + epsilon^2 sum w h(z)^2 / 2,    sum G h(z) = phi_k(u_k) + t phi_k(v).
The step is a power of two or rounded to float64, whichever the network holds; the claim is the exact inequality of the
two risks and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from fastminima.exact.affine import Columns
from fastminima.exact.dyadic import power_of_two, round_fraction, sqrt_floor
from fastminima.exact.matrix import dot
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

from .sides import preactivations
from .stationarity import Stationarity

__all__ = ["Escape", "escape_by_bias", "escape_by_row", "escape_by_weight"]

Vector = Sequence[Fraction]

# halvings of a step after which no lower float64 network is looked for
_HALVINGS = 200


@dataclass(frozen=True, eq=False, repr=False)
class Escape:
    """A strictly better network.

    Attributes
    ----------
    exact : RationalNetwork
    drop : Fraction
        Exact risk of the point minus the exact risk of `exact`, > 0.
    distance_squared : Fraction
        Between the two, over all parameters.
    unit : int or None
        The hidden unit that moved; None for the output bias.
    """

    exact: RationalNetwork
    drop: Fraction
    distance_squared: Fraction
    unit: int | None

    @property
    def network(self) -> OneHiddenLayer:
        """`exact` as a float64 network: the same numbers where the point itself was one.

        Raises
        ------
        NetworkError
            If a parameter leaves float64's range.
        """
        return self.exact.rounded()

    @property
    def distance(self) -> float:
        """Euclidean distance from the point, to float64."""
        return sqrt_floor(self.distance_squared)

    def __repr__(self) -> str:
        where = "output bias" if self.unit is None else f"unit {self.unit}"
        return f"Escape(drop {float(self.drop):.6g} at distance {self.distance:.3g}, {where})"


def escape_by_bias(sums: Stationarity, ball: Fraction | None, floats: bool) -> Escape | None:
    """(a): None where sum G = 0."""
    s, total = sums.total, sums.total_weight
    if not s:
        return None
    network = sums.network
    step = -s / total
    if ball is not None:
        step = max(-ball, min(ball, step)) if abs(step) > ball else step
    for _ in range(_HALVINGS):
        bias = network.bias + step
        if floats:
            bias = Fraction(round_fraction(bias)) if math.isfinite(round_fraction(bias)) else network.bias
        moved = bias - network.bias
        drop = -(moved * s + moved * moved * total / 2)
        if drop > 0 and (ball is None or abs(moved) <= ball):
            exact = replace(network, bias=bias)
            return Escape(exact, drop, moved * moved, None)
        step /= 2
    return None


def escape_by_row(
    sums: Stationarity, unit: int, v: Vector, ball: Fraction | None, floats: bool
) -> Escape | None:
    """(b): along v, with a_k phi_k(v) < 0; None where no step of float64 numbers is lower (only with `floats`)."""
    network = sums.network
    a, row = network.output[unit], network.rows[unit]
    v = _shortened(v)
    rate, bend = a * sums.phi(unit, v), a * a * sums.curvature(unit, v)
    longest = _least([_kink_free(sums, unit, v), None if not bend else -rate / bend, _length(ball, v)])

    def at(t: Fraction) -> Escape | None:
        moved = _row(row, t, v, floats)
        step = [new - old for new, old in zip(moved, row, strict=True)]
        if not any(step) or not _keeps_sides(sums, unit, moved):
            return None
        drop = -(a * sums.phi(unit, step) + a * a * sums.curvature(unit, step) / 2)
        square = dot(step, step)
        if drop <= 0 or (ball is not None and square > ball * ball):
            return None
        return Escape(network.with_unit(unit, moved, a), drop, square, unit)

    return _first_that_stands(at, longest)


def escape_by_weight(
    sums: Stationarity, unit: int, v: Vector, ball: Fraction | None, floats: bool
) -> Escape | None:
    """(c): unit off (a_k = 0), phi_k(v) != 0; None as for (b)."""
    network = sums.network
    row = network.rows[unit]
    v = _shortened(v)
    longest = _least([_kink_free(sums, unit, v), _length(None if ball is None else ball / 2, v)])

    def at(t: Fraction) -> Escape | None:
        moved = _row(row, t, v, floats)
        step = [new - old for new, old in zip(moved, row, strict=True)]
        if not _keeps_sides(sums, unit, moved):
            return None
        # sum G h(z) is linear along the step while sides are kept
        slope = sums.phi(unit, row) + sums.phi(unit, step)
        # no boundary sample has a part of the old row in its z, so these are the changes per step along the new one
        square = sums.curvature(unit, moved)
        if not slope or not square:
            return None
        size = abs(slope) / square
        if ball is not None:
            size = min(size, ball / 2)
        weight = power_of_two(_exponent(size)) * (-1 if slope > 0 else 1)
        drop = -(weight * slope + weight * weight * square / 2)
        distance = dot(step, step) + weight * weight
        if drop <= 0 or (ball is not None and distance > ball * ball):
            return None
        return Escape(network.with_unit(unit, moved, weight), drop, distance, unit)

    return _first_that_stands(at, longest)


def _first_that_stands(at: Callable[[Fraction], Escape | None], longest: Fraction) -> Escape | None:
    exponent = _exponent(longest)
    for halving in range(_HALVINGS):
        found = at(power_of_two(exponent - halving))
        if found is not None:
            return found
    return None


def _shortened(v: Vector) -> tuple[Fraction, ...]:
    """A direction near v with entries of float64, the largest near 1: an open condition, so it holds there too."""
    top = max(abs(t) for t in v)
    return tuple(Fraction(round_fraction(t / top)) for t in v)


def _exponent(value: Fraction) -> int:
    """The largest e with 2^e <= value."""
    e = value.numerator.bit_length() - value.denominator.bit_length()
    return e if power_of_two(e) <= value else e - 1


def _least(steps: Sequence[Fraction | None]) -> Fraction:
    return min((t for t in steps if t is not None), default=Fraction(1))


def _length(ball: Fraction | None, v: Vector) -> Fraction | None:
    """A step whose length is at most `ball`."""
    return None if ball is None else ball / sum(map(abs, v))


def _row(row: Vector, t: Fraction, v: Vector, floats: bool) -> tuple[Fraction, ...]:
    moved = [old + t * step for old, step in zip(row, v, strict=True)]
    if not floats:
        return tuple(moved)
    near = [round_fraction(value) for value in moved]
    return tuple(Fraction(x) if math.isfinite(x) else old for x, old in zip(near, row, strict=True))


def _kink_free(sums: Stationarity, unit: int, v: Vector) -> Fraction | None:
    """A step before which, by float64, no sample changes sides; None where none ever does."""
    value, side = sums.z.value[:, unit], sums.sides[:, unit]
    columns = sums.columns
    table = np.array([round_fraction(t) for t in v])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        speed = columns.X[sums.first] @ table[:-1] + table[-1]
        times = np.where((side != 0) & (value * speed < 0.0), -value / speed, math.inf)
    least = float(times.min(initial=math.inf))
    return Fraction(least) if math.isfinite(least) and least > 0.0 else None


def _keeps_sides(sums: Stationarity, unit: int, row: Vector) -> bool:
    """No sample with z != 0 stands on the other side of its boundary at the new row."""
    new = preactivations(_distinct(sums), [row]).side[:, 0]
    return not (new * sums.sides[:, unit] < 0).any()


def _distinct(sums: Stationarity) -> Columns:
    return sums.columns.take(sums.first)
