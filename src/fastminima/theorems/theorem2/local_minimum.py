"""Theorem 2's bad local minimum, from float64 witnesses to a network with the radius in which it is proved."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from fastminima.exact.shown import rounded_down
from fastminima.networks.activations.activation_protocol import Activation
from fastminima.networks.activations.in_balls import Balls
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .bending import Bending
from .certify_radius import certified_radius, convex_holds, mixed_holds
from .conditions import Condition
from .local_minimum_search import MinimumCandidate, biased_candidates, paper_candidates

__all__ = ["LocalMinimum", "find_local_minimum", "known_local_minimum"]

# a candidate must be better by more than bisection leaves open
_HAIR = 2.0**-10
# estimates of the mixed case may be this much too low
_LOW = 1.05


@dataclass(frozen=True, eq=False, kw_only=True)
class LocalMinimum:
    """A network of risk 1/3, up to the rounding of its output bias.

    Attributes
    ----------
    network : OneHiddenLayer
    witness : dict of str to float
        v1, v2, u1, u2.
    conditions : tuple of Condition
    case : "convex" or "mixed"
    radius : float
        Certified; 0.0 where nothing is.
    estimate : float
        The radius in float64.
    """

    network: OneHiddenLayer
    witness: dict[str, float]
    conditions: tuple[Condition, ...]
    case: str
    radius: float
    estimate: float


def find_local_minimum(
    h: Activation, bending: Bending, form: str, balls: Balls | None
) -> LocalMinimum | None:
    """The candidate with the largest certified radius; None where the search has none.

    Parameters
    ----------
    h : Activation
    bending : Bending
        Of h.
    form : "paper" or "bias"
    balls : Balls or None
        None: nothing is proved, and the best estimate is taken.
    """
    search = paper_candidates if form == "paper" else biased_candidates
    candidates = search(h, bending)
    if not candidates:
        return None
    best, radius = candidates[0], 0.0
    if balls is not None:
        best, radius = _certified(candidates, balls)
        if not radius:
            # with new balls: the work that went into these is spent
            clear_of_zero = search(h, Bending(h, strict=True))
            best, radius = _certified([*clear_of_zero, best], Balls(balls.formula, balls.precision))
    return _at(h, best, balls, form, radius)


def known_local_minimum(
    h: Activation, candidate: MinimumCandidate, radius: float, form: str, balls: Balls
) -> LocalMinimum | None:
    """The minimum of a witness that somebody found before, with its radius, if that is proved here; else None."""
    holds = convex_holds if candidate.case == "convex" else mixed_holds
    if not holds(balls, (candidate.v1, candidate.v2), (candidate.u1, candidate.u2), radius):
        return None
    return _at(h, candidate, balls, form, radius)


def _at(h: Activation, best: MinimumCandidate, balls: Balls | None, form: str, radius: float) -> LocalMinimum:
    return LocalMinimum(
        network=_network(h, best, balls),
        witness={"v1": best.v1, "v2": best.v2, "u1": best.u1, "u2": best.u2},
        conditions=_conditions(h, best, balls, form, radius),
        case=best.case,
        radius=radius,
        estimate=best.estimate,
    )


def _certified(candidates: list[MinimumCandidate], balls: Balls) -> tuple[MinimumCandidate, float]:
    """The candidate with the largest certified radius, and that; those that cannot win are left out."""
    best, radius = candidates[0], 0.0
    for candidate in candidates:
        if candidate.estimate * (1.0 if candidate.case == "convex" else _LOW) <= radius:
            continue
        found = certified_radius(
            balls,
            (candidate.v1, candidate.v2),
            (candidate.u1, candidate.u2),
            candidate.case,
            candidate.estimate,
        )
        if found > radius * (1 + _HAIR):
            best, radius = candidate, found
    return best, radius


def _network(h: Activation, candidate: MinimumCandidate, balls: Balls | None) -> OneHiddenLayer:
    """Its output bias takes up what rounding leaves of (C2.3), so the paper's 0 may be 1e-17."""
    v, u = np.array([candidate.v1, candidate.v2]), np.array([candidate.u1, candidate.u2])
    if balls is None:
        b2 = 1 / 3 - float(np.asarray(h.value(v), dtype=np.float64) @ u)
    else:
        output = sum(
            balls.at(a) * balls.ball(Fraction(b)) for a, b in zip(v.tolist(), u.tolist(), strict=True)
        )
        b2 = float((balls.ball(Fraction(1, 3)) - output).mid())
    return OneHiddenLayer(np.stack([v, v], axis=1), np.zeros(2), u, b2, h)


def _conditions(
    h: Activation, candidate: MinimumCandidate, balls: Balls | None, form: str, radius: float
) -> tuple[Condition, ...]:
    rows: list[tuple[Any, Any]] = []
    for v, u in ((candidate.v1, candidate.u1), (candidate.v2, candidate.u2)):
        if balls is None:
            point = np.array([v])
            rows.append((u * float(h.first(point)[0]), u * float(h.second(point)[0]) / 3))
        else:
            _, slope, bend = balls.jet(Fraction(v))
            rows.append((balls.ball(Fraction(u)) * slope, balls.ball(Fraction(u) / 3) * bend))
    (s1, c1), (s2, c2) = rows
    convex = bool(c1 >= 0 and c2 >= 0)

    def strict(name: str, statement: str, value: Any) -> Condition:
        if convex and not value > 0:
            statement += " is not needed: u_i h''(v_i) >= 0"
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        return Condition(name, statement, shown, balls is not None and (convex or bool(value > 0)))

    return (
        Condition(
            "C2.3",
            "u1 h(v1) + u2 h(v2) = 1/3, the output bias taking up the rounding"
            if form == "paper"
            else "replaced: b2 = 1/3 - u1 h(v1) - u2 h(v2)",
            "0 by the choice of b2",
            balls is not None,
        ),
        Condition(
            "C2.4, C2.5",
            "h is twice differentiable at v1 and v2, and on all that the ball reaches u1 h and u2 h are convex"
            if candidate.case == "convex"
            else "h is twice differentiable on all that the ball reaches",
            f"radius {rounded_down(radius, 6)}",
            balls is not None and radius > 0,
        ),
        strict("C2.6", "(u1 h'(v1))^2 + u1 h''(v1)/3 > 0", s1 * s1 + c1),
        strict("C2.6", "(u2 h'(v2))^2 + u2 h''(v2)/3 > 0", s2 * s2 + c2),
        strict(
            "C2.7",
            "(u1 h'(v1) u2 h'(v2))^2 < the product of both",
            c1 * c2 + c1 * s2 * s2 + c2 * s1 * s1,
        ),
    )
