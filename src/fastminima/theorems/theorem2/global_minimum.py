"""Theorem 2's point of risk 0, from float64 witnesses to a network whose exact counterpart is proved to exist.

The same steps serve two kinds of numbers: balls, in which an inequality that comes out true is a theorem, and float64,
in which nothing is claimed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.exact.dyadic import round_up
from fastminima.exact.shown import rounded_up
from fastminima.networks.activations.activation_protocol import Activation
from fastminima.networks.activations.in_balls import Balls
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .certify_zero_risk import distance_bound, enclosed_risk, root_of_c21
from .conditions import Condition
from .global_minimum_search import biased_witnesses, largest_denominator, paper_witnesses

__all__ = [
    "ZERO_RISK",
    "GlobalMinimum",
    "find_global_minimum",
    "known_global_minimum",
    "why_no_global_minimum",
]

ZERO_RISK = 1e-28
"""What the risk of the float64 network must stay below."""


@dataclass(frozen=True, eq=False, kw_only=True)
class GlobalMinimum:
    """A network whose outputs on the three samples are 0, 0, 1 up to the rounding of its parameters.

    Attributes
    ----------
    network : OneHiddenLayer
    witness : dict of str to float
        v1..v4 (paper) or t, p, q (bias).
    conditions : tuple of Condition
    proved : bool
        Were the conditions proved?
    risk : float
        A bound on the network's exact risk where proved, else its float64 risk.
    """

    network: OneHiddenLayer
    witness: dict[str, float]
    conditions: tuple[Condition, ...]
    proved: bool
    risk: float


class _Floats:
    """Float64 in the place of balls: the same words, no claims."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def at(self, point: float) -> float:
        with np.errstate(all="ignore"):
            return float(np.asarray(self._value(np.array([point])), dtype=np.float64)[0])

    def nonzero(self, x: float) -> bool:
        return x != 0


def _middle(x: Any) -> float:
    return x if isinstance(x, float) else float(x.mid())


def find_global_minimum(h: Activation, data: Dataset, form: str, balls: Balls | None) -> GlobalMinimum | None:
    """The most accurate candidate of the first scale that has one with a risk below 1e-28; None where there is none.

    "Most accurate" is one with risk 0 exactly, else the first below 1e-28 as the search ranks them; where all are above, the
    one with the least risk.

    Parameters
    ----------
    h : Activation
    data : Dataset
        The three samples.
    form : "paper" or "bias"
    balls : Balls or None
        None: nothing is proved.
    """
    least: GlobalMinimum | None = None
    for batch in _batches(h, data, form, balls):
        below: GlobalMinimum | None = None
        for found in batch:
            if balls is not None and found.risk == 0:
                return found
            if below is None and found.risk < ZERO_RISK:
                below = found
            if least is None or found.risk < least.risk:
                least = found
        if below is not None:
            return below
    return least


def known_global_minimum(
    h: Activation, data: Dataset, form: str, witness: tuple[float, ...], balls: Balls
) -> GlobalMinimum | None:
    """The point of a witness that somebody found before, proved here as a searched one is; None where that fails."""
    if form == "bias":
        t, p, q = witness
        points = _biased(h, data, t, p, q, balls)
    elif isinstance(h, PiecewiseLinear) and h.s_minus == 0.0:
        points = _appendix_a6(h, data, balls)
    else:
        v1, v2, v3, v4 = witness
        points = _paper(h, data, (v1, v2, v3, v4), balls)
    found = next(iter(points), None)
    return found if found is not None and found.proved and found.risk < ZERO_RISK else None


def why_no_global_minimum(h: Activation, form: str) -> tuple[str, Condition]:
    """Why there is no point of risk 0, and what was seen."""
    if form == "paper" and isinstance(h, PiecewiseLinear) and h.s_minus == 0.0:
        text = "W2 = [1, -2]/s+ are float64 numbers"
        return f"A6: {text.replace('are', 'are no')}", Condition("A6", text, f"s+ = {h.s_plus!r}", False)
    part, count = largest_denominator(h, form)
    if form == "paper":
        text = "h(v3)h((v1+v2)/2) != h(v1)h((v3+v4)/2)"
        seen = f"at most {part:.2g} of its terms at {count} roots of (C2.1) on the grid"
        reason = (
            "(C2.1)-(C2.2): wherever h(v1)h(v4) = h(v2)h(v3) on the grid, the denominator of (C2.2) is 0 too, "
            "as it is for every multiplicative h such as e^t and t^3"
            if count
            else "(C2.1): no v1..v4 on the grid with h(v1)h(v4) = h(v2)h(v3), h(v1) != 0"
        )
        return reason, Condition("C2.2", text, seen, False)
    text = "~h(q)~h(p/2) - ~h(p)~h(q/2) != 0"
    seen = f"at most {part:.2g} of its terms at {count} triples t, p, q on the grid"
    return f"no t, p, q with D = {text.removesuffix(' != 0')} away from 0", Condition("D", text, seen, False)


def _batches(
    h: Activation, data: Dataset, form: str, balls: Balls | None
) -> Iterator[Iterable[GlobalMinimum]]:
    # far from 1, overflow and underflow make equalities of their own; only ball arithmetic sees through them
    scales = None if balls is not None else 1
    if form == "bias":
        for triples in islice(biased_witnesses(h), scales):
            yield (point for tpq in triples for point in _biased(h, data, *tpq, balls))
    elif isinstance(h, PiecewiseLinear) and h.s_minus == 0.0:
        yield _appendix_a6(h, data, balls)
    else:
        for quadruples in islice(paper_witnesses(h), scales):
            yield (point for v in quadruples for point in _paper(h, data, v, balls))


def _exact_nearby(balls: Balls | None, pairs: list[tuple[float, Any]]) -> tuple[Condition, ...]:
    """The condition that says how near an exact solution is; nothing without ball arithmetic."""
    if balls is None:
        return ()
    text = "some parameters this near to the float64 ones output 0, 0, 1 exactly"
    return (Condition("risk 0", text, f"distance at most {rounded_up(distance_bound(balls, pairs))}", True),)


def _finite(*numbers: float) -> bool:
    return all(map(math.isfinite, numbers))


def _risk(network: OneHiddenLayer, data: Dataset, balls: Balls | None) -> float:
    return network.risk(data) if balls is None else round_up(enclosed_risk(balls, network, data))


def _biased(
    h: Activation, data: Dataset, t: float, p: float, q: float, balls: Balls | None
) -> Iterable[GlobalMinimum]:
    # ~h(x) = h(x + t) - h(t):  W2 = [~h(q), -~h(p)]/D, and the output bias takes h(t) away
    numbers = _Floats(h.value) if balls is None else balls
    ht = numbers.at(t)
    hp, hq, hp2, hq2 = (numbers.at(x + t) - ht for x in (p, q, p / 2, q / 2))
    D = hq * hp2 - hp * hq2
    if not numbers.nonzero(D):
        return
    exact = [hq / D, -hp / D, (hp - hq) * ht / D]
    W2 = [_middle(part) for part in exact[:2]]
    b2 = -_middle(sum(W2) * ht)
    if not _finite(*W2, b2):
        return
    network = OneHiddenLayer(np.array([[p, 0.0], [q, 0.0]]), np.array([t, t]), np.array(W2), b2, h)
    condition = Condition("D", "~h(q)~h(p/2) - ~h(p)~h(q/2) != 0", _shown(D), balls is not None)
    near = _exact_nearby(balls, list(zip([*W2, b2], exact, strict=True)))
    yield GlobalMinimum(
        network=network,
        witness={"t": t, "p": p, "q": q},
        conditions=(condition, *near),
        proved=balls is not None,
        risk=_risk(network, data, balls),
    )


def _paper(
    h: Activation, data: Dataset, v: tuple[float, float, float, float], balls: Balls | None
) -> Iterable[GlobalMinimum]:
    # W2 = [h(v3), -h(v1)]/den
    v1, v2, v3, v4 = v
    numbers = _Floats(h.value) if balls is None else balls
    h1, h3, low = numbers.at(v1), numbers.at(v3), numbers.at((v1 + v2) / 2)
    root: Any = v4
    if balls is None:
        high = numbers.at((v3 + v4) / 2)
        solved = Condition(
            "C2.1",
            "h(v1)h(v4) = h(v2)h(v3)",
            _shown(h1 * numbers.at(v4) - numbers.at(v2) * h3),
            False,
        )
    else:
        root = root_of_c21(balls, v1, v2, v3, v4)
        if root is None:
            return
        # the exact v4 is somewhere in the ball, and so is the half sum
        high = balls.over((balls.ball(Fraction(v3)) + root) / 2)
        solved = Condition("C2.1", "h(v1)h(v4) = h(v2)h(v3), by interval Newton in v4", f"v4 in {root}", True)
    den = h3 * low - h1 * high
    if not numbers.nonzero(den):
        return
    exact = [h3 / den, -h1 / den]
    W2 = [_middle(part) for part in exact]
    if not _finite(*W2):
        return
    network = OneHiddenLayer(np.array([[v1, v2], [v3, v4]]), np.zeros(2), np.array(W2), 0.0, h)
    apart = Condition("C2.2", "h(v3)h((v1+v2)/2) != h(v1)h((v3+v4)/2)", _shown(den), balls is not None)
    witness = {"v1": v1, "v2": v2, "v3": v3, "v4": v4}
    near = _exact_nearby(balls, list(zip([v4, *W2], [root, *exact], strict=True)))
    yield GlobalMinimum(
        network=network,
        witness=witness,
        conditions=(solved, apart, *near),
        proved=balls is not None,
        risk=_risk(network, data, balls),
    )


def _appendix_a6(h: PiecewiseLinear, data: Dataset, balls: Balls | None) -> Iterable[GlobalMinimum]:
    """s- = 0: the outputs are exactly 0, 0, 1 times s+ (1/s+)."""
    W2 = [1 / h.s_plus, -2 / h.s_plus]
    if not _finite(*W2):
        return
    network = OneHiddenLayer(np.array([[0.0, 2.0], [-2.0, 1.0]]), np.zeros(2), np.array(W2), 0.0, h)
    text = "W1 = [[0, 2], [-2, 1]], W2 = [1, -2]/s+ outputs 0, 0, 1"
    # h is positively homogeneous, so this is arithmetic of the two slopes; no enclosure is needed
    condition = Condition("A6", text, "an identity", True)
    near: tuple[Condition, ...] = ()
    if balls is not None:
        exact = [balls.ball(k / Fraction(h.s_plus)) for k in (1, -2)]
        near = _exact_nearby(balls, list(zip(W2, exact, strict=True)))
    witness = {"v1": 0.0, "v2": 2.0, "v3": -2.0, "v4": 1.0}
    yield GlobalMinimum(
        network=network,
        witness=witness,
        conditions=(condition, *near),
        proved=True,
        risk=_risk(network, data, balls),
    )


def _shown(x: Any) -> str:
    return f"{x:.6g}" if isinstance(x, float) else str(x)
