"""`decide`: is a network at a local minimum of its risk? Yes, no or not known, each with its reason; exact.

Conditions (notation of `stationarity`), after equal inputs have been merged: theta is a local minimum if and only if

    (A) sum_g G_g = 0;   (B) a_k phi_k >= 0 where a_k != 0;   (C) phi_k = 0 everywhere where a_k = 0.

phi_k vanishes everywhere if and only if B_k is empty and P_k = 0. (B) is a containment of zonotopes (`zonotope`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, overload

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.errors import OptionError
from fastminima.landscape.smooth.decision import SmoothDecision, decide_smooth
from fastminima.landscape.smooth.problem import as_weight_decay
from fastminima.landscape.verdict import OffUnit, Verdict
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.given import exact_and_data
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.first_use import cached_property
from fastminima.system.options import as_real, spelled

from .escape import Escape, escape_by_bias, escape_by_row, escape_by_weight
from .leave import Leave, leave
from .region import Region, region_of, rounded_radius
from .stationarity import Stationarity
from .zonotope import Contained, Escaping, Unknown, decide_unit

__all__ = ["Decision", "Kink", "OffUnit", "Verdict", "decide"]


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


@dataclass(frozen=True, eq=False, repr=False)
class Decision(NextSteps):
    """What `decide` found; truthy at a local minimum.

    Attributes
    ----------
    verdict : Verdict
        "local_minimum", "not_a_minimum" or "undetermined".
    reason : str
    network : RationalNetwork
        The point, exactly.
    risk : float
        Its risk 1/2 sum w (f(x) - y)^2, rounded; `exact_risk` is the rational number.
    radius : float
        Certified Euclidean radius, rounded down: no network nearer has a lower risk. 0 unless a local minimum; inf
        where no function of x has a lower risk.
    region : Region or None
        The cone in which no point is lower; `region.contains(other)`.
    kinks : tuple of Kink
        Samples on boundaries.
    off_units : dict of int to OffUnit
        Units that are off although some G != 0: the minimum is joined at constant risk to a strictly better point.
    leave : Leave or None
        From a minimum with units that are off: the path to a strictly better point.
    escape : Escape or None
        Not a minimum: a strictly better network inside the ball that was asked for.
    units : tuple
        What was decided of each unit, in order: what a certificate is made of.
    """

    verdict: Verdict
    reason: str
    network: RationalNetwork
    data: Dataset
    exact_risk: Fraction
    kinks: tuple[Kink, ...] = ()
    off_units: dict[int, OffUnit] = field(default_factory=dict)
    region: Region | None = None
    escape: Escape | None = None
    units: tuple[Contained | Escaping | Unknown, ...] = ()

    def __bool__(self) -> bool:
        return self.verdict is Verdict.LOCAL_MINIMUM

    @property
    def risk(self) -> float:
        """The exact risk, rounded."""
        return float(self.exact_risk)

    @property
    def radius(self) -> float:
        """Certified radius, rounded down."""
        return 0.0 if self.region is None else rounded_radius(self.region.radius_squared)

    @property
    def multipliers(self) -> list[tuple[int, int, Fraction, Fraction]]:
        """(unit, sample, lambda, limit) of the kinks that have one multiplier."""
        return [(k.unit, k.sample, k.multiplier, k.limit) for k in self.kinks if k.multiplier is not None]

    @cached_property
    def leave(self) -> Leave | None:
        """From a minimum with units that are off, at constant risk, to a strictly better point; None without either.

        Computed at first use.
        """
        if not self or not self.off_units:
            return None
        return leave(self.network, self.data, min(self.off_units))

    def __repr__(self) -> str:
        parts = [f"risk {self.risk:.6g}"]
        if self:
            parts.append(f"radius {self.radius:.6g}")
        if self.kinks:
            parts.append(f"{len(self.kinks)} kinks")
        if self.off_units:
            parts.append(f"{len(self.off_units)} units off")
        if self.escape is not None:
            parts.append(repr(self.escape))
        return f"Decision({self.verdict}: {self.reason}; {', '.join(parts)})"


# for type checkers an activation is piecewise linear unless a weight decay is given
@overload
def decide(
    network: Any, data: Dataset | tuple[Any, ...] | None = None, *, ball: float | None = None
) -> Decision: ...


@overload
def decide(
    network: Any,
    data: Dataset | tuple[Any, ...] | None = None,
    *,
    ball: float | None = None,
    weight_decay: float,
) -> Decision | SmoothDecision: ...


def decide(
    network: Any,
    data: Dataset | tuple[Any, ...] | None = None,
    *,
    ball: float | None = None,
    weight_decay: float = 0.0,
) -> Decision | SmoothDecision:
    """Decide exactly whether a network is at a local minimum of its risk on a dataset.

    Parameters
    ----------
    network : OneHiddenLayer, RationalNetwork, result or torch.nn.Module
        With a `PiecewiseLinear` activation, or a `Smooth` one that has a formula. A float64 network is taken as the
        rational numbers it holds; of a result, its exact network where it has one. Inputs with names are matched with
        the columns by name.
    data : Dataset, (X, y) or (X, y, sample_weight), optional
        Taken exactly, as everywhere in this library. Results that know their data do without.
    ball : float, optional
        The escape lies within this distance of all parameters; anywhere without it.
    weight_decay : float, default 0
        lambda of the risk 1/2 sum w (f(x) - y)^2 + lambda/2 |theta|^2, theta all parameters, biases too.

    Returns
    -------
    Decision
        Decided in rational numbers. `SmoothDecision` for a smooth activation, or with weight decay: in balls, which needs
        python-flint (the extra `proof`).

    Raises
    ------
    DataTypeError
        If `network` or `data` is of another type.
    NetworkError
        If the activation is a function without a formula: nothing can be proved of it.
    DataError
        If the network takes another number of inputs, or inputs of other names.
    TargetError
        If the data have several targets.
    OptionError
        If `ball` is not a positive number, or `weight_decay` not a number >= 0.
    MissingDependencyError
        For smooth activations and weight decay, without python-flint.

    Examples
    --------
    >>> import fastminima as fm
    >>> data = fm.Dataset([[float(x)] for x in range(-3, 4)], [0.0, 0, 2, 3, -3, -2, 2])
    >>> fm.decide(fm.OneHiddenLayer([[2.0]], [-4.0], [1.0], 0.0, fm.relu), data)
    Decision(local_minimum: every condition holds exactly; risk 13, radius 1, 1 kinks)
    """
    found, dataset = exact_and_data(network, data, "decide")
    limit = None
    if ball is not None:
        if not 0.0 < as_real(ball) < math.inf:
            raise OptionError(f"ball must be a positive number, got {spelled(ball)}")
        limit = Fraction(float(ball) if isinstance(ball, np.floating) else ball)
    decay = as_weight_decay(weight_decay)
    if decay or not isinstance(found.activation, PiecewiseLinear):
        return decide_smooth(found, dataset, limit, decay)
    sums = Stationarity(RationalNetwork.of(found), dataset)
    return _decided(sums, limit, isinstance(found, OneHiddenLayer))


def _decided(sums: Stationarity, ball: Fraction | None, floats: bool) -> Decision:
    network = sums.network

    def answer(verdict: Verdict, reason: str, **more: object) -> Decision:
        return Decision(verdict, reason, network, sums.data, sums.risk, **more)  # type: ignore[arg-type]

    if sums.all_zero:
        reason = "no function of the inputs has a lower risk"
        zero = tuple(Contained("zero") for _ in network.rows)
        return answer(Verdict.LOCAL_MINIMUM, reason, region=region_of(sums), units=zero)
    units = tuple(_unit(sums, k) for k in range(network.width))
    kinks = _kinks(sums, units)
    off = _off(sums)
    moving = [k for k, unit in enumerate(units) if isinstance(unit, Escaping)]
    if sums.total or moving:
        escape = _best_escape(sums, units, moving, ball, floats)
        what = (["the output bias: sum of residuals not 0"] if sums.total else []) + [
            f"unit {k}" for k in moving
        ]
        reason = f"the risk falls to first order along {', '.join(what[:4])}" + (
            " ..." if len(what) > 4 else ""
        )
        return answer(Verdict.NOT_A_MINIMUM, reason, kinks=kinks, off_units=off, escape=escape, units=units)
    unknown = [(k, unit) for k, unit in enumerate(units) if isinstance(unit, Unknown)]
    if unknown:
        k, unit = unknown[0]
        reason = (
            f"unit {k}: {unit.n_concave} concave among {unit.n_boundary} boundary inputs of rank {unit.rank}, "
            "beyond the budget"
        )
        return answer(Verdict.UNDETERMINED, reason, kinks=kinks, off_units=off, units=units)
    return answer(
        Verdict.LOCAL_MINIMUM, "every condition holds exactly", kinks=kinks, off_units=off, units=units,
        region=region_of(sums),
    )  # fmt: skip


def _unit(sums: Stationarity, k: int) -> Contained | Escaping | Unknown:
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
    sums: Stationarity, units: tuple[object, ...], moving: list[int], ball: Fraction | None, floats: bool
) -> Escape | None:
    """The largest drop of those at hand; a rational one where float64 holds none."""
    for rounded in (True, False) if floats else (False,):
        found = [escape_by_bias(sums, ball, rounded)]
        for k in moving:
            unit = units[k]
            assert isinstance(unit, Escaping)
            by = escape_by_row if sums.network.output[k] else escape_by_weight
            found.append(by(sums, k, unit.v, ball, rounded))
        escapes = [escape for escape in found if escape is not None]
        if escapes:
            return max(escapes, key=lambda escape: escape.drop)
    return None


def _kinks(sums: Stationarity, units: tuple[object, ...]) -> tuple[Kink, ...]:
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
        if not a:
            found[k] = OffUnit.NO_OUTPUT_WEIGHT
        elif not any(row):
            found[k] = OffUnit.NO_ROW
        elif not sums.s_minus and (sides[:, k] < 0).all():
            found[k] = OffUnit.DEAD
    return found
