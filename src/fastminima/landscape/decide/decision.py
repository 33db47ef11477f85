"""`decide`: is a network at a local minimum of its risk? Yes, no or not known, each with its reason; exact.

A float64 network is first held against one pass in float64 (`first_order`): where that proves that the risk falls, the
verdict needs nothing else, and every exact part is computed at its first use (`evidence`). Otherwise the exact sums decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, overload

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.data.given import DataLike
from fastminima.errors import OptionError
from fastminima.landscape.smooth.decision import SmoothDecision, decide_smooth
from fastminima.landscape.smooth.problem import as_weight_decay
from fastminima.landscape.verdict import OffUnit, Verdict
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.given import NetworkLike, exact_and_data
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.first_use import cached_property
from fastminima.system.options import as_real, spelled

from .escape import Escape
from .evidence import BIAS, Evidence, Kink, Unit, falls_along
from .first_order import first_order
from .leave import Leave, leave
from .region import Region, rounded_radius
from .stationarity import KnownSums

__all__ = ["Decision", "Kink", "OffUnit", "Verdict", "decide", "decide_rational"]


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

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> decision = fm.decide(low)
    >>> bool(decision), str(decision.verdict), decision.radius > 0
    (True, 'local_minimum', True)
    """

    verdict: Verdict
    reason: str
    data: Dataset
    _evidence: Evidence
    # the risk in float64, where the verdict needed no exact one
    _rough: float | None = None
    # the evidence is worked out of the network and the data
    _compared = ("verdict", "reason", "network", "data", "ball")

    def __bool__(self) -> bool:
        return self.verdict is Verdict.LOCAL_MINIMUM

    @property
    def network(self) -> RationalNetwork:
        """The point, exactly."""
        return self._evidence.network

    @property
    def ball(self) -> Fraction | None:
        """The escape lies within this distance, where one was asked for."""
        return self._evidence.ball

    def parts(self) -> dict[str, Any]:
        """What the decision is worked out of, and what it said: enough for `of_parts`."""
        given, evidence = self._evidence.given, self._evidence
        return {
            "verdict": self.verdict, "reason": self.reason, "given": given, "data": self.data, "ball": evidence.ball,
            "rough": self._rough,
        }  # fmt: skip

    @classmethod
    def of_parts(
        cls, verdict: Verdict, reason: str, given: OneHiddenLayer | RationalNetwork, data: Dataset,
        ball: Fraction | None, rough: float | None,
    ) -> Decision:  # fmt: skip
        """A decision that was made before; everything exact about it is worked out again, at first use."""
        return cls(verdict, reason, data, Evidence(given, data, ball), rough)

    @property
    def exact_risk(self) -> Fraction:
        """Its risk 1/2 sum w (f(x) - y)^2."""
        return self._evidence.risk

    @property
    def risk(self) -> float:
        """The exact risk, rounded."""
        return float(self.exact_risk)

    @property
    def kinks(self) -> tuple[Kink, ...]:
        """Samples on boundaries."""
        return self._evidence.kinks

    @property
    def off_units(self) -> dict[int, OffUnit]:
        """Units that are off although some G is not 0."""
        return self._evidence.off_units

    @property
    def region(self) -> Region | None:
        """The cone in which no point is lower; None unless a local minimum."""
        return self._evidence.region

    @property
    def units(self) -> tuple[Unit, ...]:
        """What was decided of each unit."""
        return self._evidence.units

    @property
    def escape(self) -> Escape | None:
        """A strictly better network, proved by exact risks; None unless the point is no local minimum."""
        return self._evidence.escape

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
        # what has been computed, and nothing that would take an exact pass over the data
        known, evidence = self._evidence.known, self._evidence
        rough = self._rough is not None and not known("risk")
        parts = [f"risk {self._rough if rough else self.risk:.6g}"]
        if self:
            parts.append(f"radius {self.radius:.6g}")
        if known("kinks") and evidence.kinks:
            parts.append(f"{len(evidence.kinks)} kinks")
        if known("off_units") and evidence.off_units:
            parts.append(f"{len(evidence.off_units)} units off")
        if known("escape") and evidence.escape is not None:
            parts.append(repr(evidence.escape))
        return f"Decision({self.verdict}: {self.reason}; {', '.join(parts)})"


# for type checkers an activation is piecewise linear unless a weight decay is given
@overload
def decide(
    network: NetworkLike, data: DataLike | None = None, *, ball: float | None = None
) -> Decision: ...


@overload
def decide(
    network: NetworkLike,
    data: DataLike | None = None,
    *,
    ball: float | None = None,
    weight_decay: float,
) -> Decision | SmoothDecision: ...


def decide(
    network: NetworkLike,
    data: DataLike | None = None,
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
    evidence = Evidence(found, dataset, limit)
    if isinstance(found, OneHiddenLayer):
        falls = first_order(found, dataset)
        if falls:
            along = tuple(f"unit {k}" for k in falls.units)
            reason = falls_along((BIAS, *along) if falls.bias else along)
            return Decision(Verdict.NOT_A_MINIMUM, reason, dataset, evidence, falls.risk)
    return _settled(evidence)


def decide_rational(network: RationalNetwork, data: Dataset, known: KnownSums | None = None) -> Decision:
    """`decide` of a rational network with a piecewise linear activation, exact sums at hand."""
    return _settled(Evidence(network, data, None, known))


def _settled(evidence: Evidence) -> Decision:
    verdict, reason = evidence.verdict
    if verdict is Verdict.NOT_A_MINIMUM:
        _ = evidence.risk, evidence.kinks, evidence.off_units
    else:
        evidence.settle()
    return Decision(verdict, reason, evidence.data, evidence)
