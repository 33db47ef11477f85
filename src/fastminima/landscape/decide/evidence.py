"""What a decision rests on, each part computed at its first use: exact sums, units, kinks, the region, the way out.

Conditions (notation of `stationarity`), after equal inputs have been merged: theta is a local minimum if and only if

    (A) sum_g G_g = 0;   (B) a_k phi_k >= 0 where a_k != 0;   (C) phi_k = 0 everywhere where a_k = 0.

phi_k vanishes everywhere if and only if B_k is empty and P_k = 0. (B) is a containment of zonotopes (`zonotope`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.landscape.verdict import OffUnit, Verdict, why_off
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.first_use import cached_property

from .escape import Escape, escape_by_bias, escape_by_row, escape_by_weight
from .region import Region, region_of
from .stationarity import KnownSums, Stationarity
from .zonotope import Contained, Escaping, Unknown, decide_unit

__all__ = ["BIAS", "Evidence", "Kink", "Unit", "falls_along"]

Unit = Contained | Escaping | Unknown

BIAS = "the output bias: sum of residuals not 0"


@dataclass(frozen=True)
class Kink:
    """A sample on the boundary of a unit, with G != 0.

    Attributes
    ----------
    unit : int
    sample : int
        First sample with this input.
    limit : Fraction
        d = a_k c G: the multiplier's limit; < 0 for a concave kink.
    multiplier : Fraction or None
        lambda, |lambda| <= d at a minimum; None where concave kinks need one for every vertex.
    """

    unit: int
    sample: int
    limit: Fraction
    multiplier: Fraction | None


class Evidence:
    """The parts of a decision about one network on one dataset.

    Parameters
    ----------
    given : OneHiddenLayer or RationalNetwork
    data : Dataset
    ball : Fraction, optional
        The escape lies within this distance.
    known : KnownSums, optional
        Exact sums over the same data that stand already.
    """

    def __init__(
        self,
        given: OneHiddenLayer | RationalNetwork,
        data: Dataset,
        ball: Fraction | None = None,
        known: KnownSums | None = None,
    ) -> None:
        self.given, self.data, self.ball, self._known_sums = given, data, ball, known

    @cached_property
    def network(self) -> RationalNetwork:
        """The point, exactly."""
        return RationalNetwork.of(self.given)

    @cached_property
    def sums(self) -> Stationarity:
        """Exact sums; let go as soon as all else is known."""
        return Stationarity(self.network, self.data, self._known_sums)

    @cached_property
    def risk(self) -> Fraction:
        """The exact risk."""
        return self.sums.risk

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """What is decided of each unit."""
        if self.sums.all_zero:
            return tuple(Contained("zero") for _ in self.network.rows)
        return tuple(_unit(self.sums, k) for k in range(self.network.width))

    @cached_property
    def kinks(self) -> tuple[Kink, ...]:
        """Samples on boundaries."""
        return () if self.sums.all_zero else _kinks(self.sums, self.units)

    @cached_property
    def off_units(self) -> dict[int, OffUnit]:
        """Units that are off although some G is not 0."""
        return {} if self.sums.all_zero else _off(self.sums)

    @cached_property
    def moving(self) -> tuple[str, ...]:
        """What the risk falls along, to first order; none at a local minimum."""
        if self.sums.all_zero:
            return ()
        units = tuple(f"unit {k}" for k, unit in enumerate(self.units) if isinstance(unit, Escaping))
        return (BIAS, *units) if self.sums.total else units

    @cached_property
    def verdict(self) -> tuple[Verdict, str]:
        """The answer and its reason."""
        if self.sums.all_zero:
            return Verdict.LOCAL_MINIMUM, "no function of the inputs has a lower risk"
        if self.moving:
            return Verdict.NOT_A_MINIMUM, falls_along(self.moving)
        for k, unit in enumerate(self.units):
            if isinstance(unit, Unknown):
                return Verdict.UNDETERMINED, (
                    f"unit {k}: {unit.n_concave} concave among {unit.n_boundary} boundary inputs of rank {unit.rank}, "
                    "beyond the budget"
                )
        return Verdict.LOCAL_MINIMUM, "every condition holds exactly"

    @cached_property
    def region(self) -> Region | None:
        """The cone of a local minimum."""
        return region_of(self.sums) if self.verdict[0] is Verdict.LOCAL_MINIMUM else None

    @cached_property
    def escape(self) -> Escape | None:
        """The way out of a point that is no local minimum."""
        if self.verdict[0] is not Verdict.NOT_A_MINIMUM:
            return None
        found = _best_escape(self.sums, self.units, self.ball, isinstance(self.given, OneHiddenLayer))
        self.settle()
        return found

    def settle(self) -> None:
        """Compute everything but the escape, and let go of the sums, which are as large as the data."""
        _ = self.risk, self.kinks, self.off_units, self.verdict, self.region
        self.__dict__.pop("sums", None)
        self._known_sums = None

    def known(self, name: str) -> bool:
        """Whether a part has been computed."""
        return name in self.__dict__


def falls_along(what: tuple[str, ...]) -> str:
    """The reason why a point is no local minimum."""
    return f"the risk falls to first order along {', '.join(what[:4])}" + (" ..." if len(what) > 4 else "")


def _unit(sums: Stationarity, k: int) -> Unit:
    a, inputs = sums.network.output[k], sums.boundary[k]
    if a:
        d = [a * sums.c * one.G for one in inputs]
        return decide_unit(tuple(a * v for v in sums.P[k]), [one.x for one in inputs], d)
    if not inputs and not any(sums.P[k]):
        return Contained("zero")
    return Escaping(_rising(sums, k))


def _rising(sums: Stationarity, k: int) -> tuple[Fraction, ...]:
    """A direction with phi_k(v) != 0, which does not vanish everywhere."""
    candidates = [sums.P[k], tuple(-v for v in sums.P[k]), sums.network.rows[k]]
    candidates += [one.x for one in sums.boundary[k]]
    n = len(sums.P[k])
    candidates += [tuple(Fraction(s * int(i == j)) for i in range(n)) for j in range(n) for s in (1, -1)]
    rates = [(abs(sums.phi(k, v)) / sum(map(abs, v)), v) for v in candidates if any(v)]
    best, v = max(rates, key=lambda pair: pair[0])
    if best:
        return v
    # phi_k is piecewise linear and not 0: random integer directions meet it off a set of measure 0
    rng = np.random.default_rng(0)
    while True:
        v = tuple(map(Fraction, rng.integers(-(2**20), 2**20, size=n).tolist()))
        if any(v) and sums.phi(k, v):
            return v


def _best_escape(
    sums: Stationarity, units: tuple[Unit, ...], ball: Fraction | None, floats: bool
) -> Escape | None:
    """The largest drop of those at hand; a rational one where float64 holds none."""
    for rounded in (True, False) if floats else (False,):
        found = [escape_by_bias(sums, ball, rounded)]
        for k, unit in enumerate(units):
            if isinstance(unit, Escaping):
                by = escape_by_row if sums.network.output[k] else escape_by_weight
                found.append(by(sums, k, unit.v, ball, rounded))
        escapes = [escape for escape in found if escape is not None]
        if escapes:
            return max(escapes, key=lambda escape: escape.drop)
    return None


def _kinks(sums: Stationarity, units: tuple[Unit, ...]) -> tuple[Kink, ...]:
    found = []
    for k, (inputs, unit) in enumerate(zip(sums.boundary, units, strict=True)):
        limits = [sums.network.output[k] * sums.c * one.G for one in inputs]
        values: list[Fraction | None] = [None] * len(inputs)
        if isinstance(unit, Contained) and unit.kind == "multipliers":
            values = list(unit.multipliers[0])
        found += [
            Kink(k, one.sample, limit, value)
            for one, limit, value in zip(inputs, limits, values, strict=True)
        ]
    return tuple(found)


def _off(sums: Stationarity) -> dict[int, OffUnit]:
    network, sides = sums.network, sums.sides
    found = {}
    for k, (row, a) in enumerate(zip(network.rows, network.output, strict=True)):
        if why := why_off(row, a):
            found[k] = why
        elif not sums.s_minus and (sides[:, k] < 0).all():
            found[k] = OffUnit.DEAD
    return found
