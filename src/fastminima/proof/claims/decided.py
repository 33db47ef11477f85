"""Certificates about any network: a local minimum with its radius, a network near one, a network with a lower risk.

What `decide` and `polish` found, spelled out for the checker, which derives all of it again from the data.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.errors import ProofError
from fastminima.exact.dyadic import round_down, sqrt_above
from fastminima.landscape.decide.decision import Decision, Verdict
from fastminima.landscape.decide.stationarity import Stationarity
from fastminima.landscape.decide.zonotope import Contained
from fastminima.landscape.polish.polish import Polish
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.proof.certificate import matrix_words, word

__all__ = ["exact_risk", "local_minimum", "lower_point", "of_decision", "of_polish", "setting_of"]

# bits of a number that is stated as it is
_SHORT = 256


def setting_of(network: RationalNetwork) -> list[str]:
    """The slopes (s+, s-)."""
    return [word(s) for s in network.slopes]


def of_decision(decision: Decision) -> list[dict[str, Any]]:
    """The claim that belongs to a decision.

    Raises
    ------
    ProofError
        It is undetermined, or no lower point is at hand.
    """
    if decision:
        return [local_minimum(decision)]
    if decision.escape is None:
        raise ProofError(f"there is no certificate of a point that is {decision.verdict}: {decision.reason}")
    lower = decision.escape.exact
    return [lower_point(decision.network, lower, decision.escape.drop)]


def of_polish(polished: Polish) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The local minimum, and which of the rounded network and the start are near it; and what is left open.

    Raises
    ------
    ProofError
        The walk did not end at a local minimum.
    """
    decision = polished.decision
    if decision.verdict is not Verdict.LOCAL_MINIMUM:
        raise ProofError(
            f"there is no certificate of a walk that ended with {polished.status}: {polished.reason}; "
            "prove(p.decision) certifies what is known of its last point"
        )
    claims, opened = [local_minimum(decision)], []
    for name, network in (("the rounded network", polished.network), ("the start", polished.start)):
        claim = _near_minimum(decision, network)
        if claim is None:
            opened.append(f"{name} is neither within the radius of the minimum nor in its region")
        elif claim not in claims:
            claims.append(claim)
    return claims, tuple(opened)


def exact_risk(network: RationalNetwork, data: Dataset) -> Fraction:
    """1/2 sum w (f(x) - y)^2."""
    return Stationarity(network, data).risk


def lower_point(network: RationalNetwork, lower: RationalNetwork, drop: Fraction) -> dict[str, Any]:
    """A network whose risk is lower by `drop` > 0, and how far from the first it lies, if they have one shape."""
    radius = None
    if network.width == lower.width:
        radius = word(sqrt_above(network.distance_squared(lower)))
    # a float64 below the drop is shorter
    short = Fraction(round_down(drop))
    return {
        "claim": "lower_point",
        "network": _words(network),
        "lower": _words(lower),
        "drop": word(short if short > 0 else drop),
        "radius": radius,
    }


def local_minimum(decision: Decision) -> dict[str, Any]:
    """The point of a decision is a local minimum: what is shown of each unit, and the radius."""
    square = _radius_squared(decision)
    return {
        "claim": "local_minimum",
        "network": _words(decision.network),
        "risk": word(decision.exact_risk),
        "radius_squared": None if square is None else word(square),
        "units": [_unit(decision, k) for k in range(decision.network.width)],
    }


def _radius_squared(decision: Decision) -> Fraction | None:
    """R^2, a float64 below it where it is long: the checker multiplies every preactivation by it."""
    assert decision.region is not None
    square = decision.region.radius_squared
    if square is None or square.numerator.bit_length() + square.denominator.bit_length() <= _SHORT:
        return square
    short = Fraction(round_down(square))
    return short if short > 0 else square


def _unit(decision: Decision, k: int) -> Any:
    """ "zero", "lines", or multipliers of all kinks: one list for every choice of signs of the concave ones."""
    shown = decision.units[k]
    assert isinstance(shown, Contained)
    if shown.kind in ("zero", "lines"):
        return shown.kind
    limits = [kink.limit for kink in decision.kinks if kink.unit == k]
    found = []
    for signs, values in zip(
        product((1, -1), repeat=sum(d < 0 for d in limits)), shown.multipliers, strict=True
    ):
        sign, value = iter(signs), iter(values)
        found.append([word(next(value) if d > 0 else next(sign) * d) for d in limits])
    return found


def _near_minimum(decision: Decision, network: OneHiddenLayer | RationalNetwork) -> dict[str, Any] | None:
    """None where the network is neither in the ball nor in the cone."""
    near, region = RationalNetwork.of(network), decision.region
    assert region is not None
    square = near.distance_squared(decision.network)
    radius = _radius_squared(decision)
    within = radius is None or square < radius
    inside = region.contains(near)
    if not within and not inside:
        return None
    excess = exact_risk(near, decision.data) - decision.exact_risk
    return {
        "claim": "near_minimum",
        "network": _words(near),
        "distance_squared": word(square),
        "excess": word(excess),
        "in_ball": within,
        "in_region": inside,
    }


def _words(network: RationalNetwork) -> dict[str, Any]:
    return {
        "W1": matrix_words(row[:-1] for row in network.rows),
        "b1": [word(row[-1]) for row in network.rows],
        "W2": [word(a) for a in network.output],
        "b2": word(network.bias),
    }
