"""Theorem 2's point of risk 0, from float64 witnesses to a network whose exact counterpart is proved to exist.

The same steps serve two kinds of numbers: balls, in which an inequality that comes out true is a theorem, and float64,
in which nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from fastminima.activation import PiecewiseLinear
from fastminima.dataset import Dataset
from fastminima.exact.dyadic import round_up
from fastminima.network import OneHiddenLayer
from fastminima.proof.balls import Balls
from fastminima.proof.zero_risk import enclosed_risk, root_of_c21
from fastminima.theorems.conditions import Condition
from fastminima.theorems.witnesses import zero_biased, zero_paper

__all__ = ["ZERO_RISK", "ZeroPoint", "zero_point"]

ZERO_RISK = 1e-28
"""What the risk of the float64 network must stay below."""


@dataclass(frozen=True, eq=False)
class ZeroPoint:
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


def zero_point(h: Any, curves: Any, data: Dataset, form: str, balls: Balls | None) -> ZeroPoint | None:
    """The first candidate with a risk below 1e-28, else the one with the least; None where there is none.

    Parameters
    ----------
    h : Smooth or PiecewiseLinear
        The network's activation.
    curves : object with value, first, second
    data : Dataset
        The three samples.
    form : "paper" or "bias"
    balls : Balls or None
        None: nothing is proved.
    """
    best: ZeroPoint | None = None
    for found in _candidates(h, curves, data, form, balls):
        if best is None or found.risk < best.risk:
            best = found
        if best.risk < ZERO_RISK:
            break
    return best


def _candidates(h: Any, curves: Any, data: Dataset, form: str, balls: Balls | None) -> Iterable[ZeroPoint]:
    if form == "bias":
        for t, p, q in zero_biased(curves):
            yield from _biased(h, curves, data, t, p, q, balls)
    elif isinstance(h, PiecewiseLinear) and h.s_minus == 0.0:
        yield _appendix_a6(h, data, balls)
    else:
        for v in zero_paper(curves):
            yield from _paper(h, curves, data, v, balls)


def _risk(network: OneHiddenLayer, data: Dataset, balls: Balls | None) -> float:
    return network.risk(data) if balls is None else round_up(enclosed_risk(balls, network, data))


def _biased(
    h: Any, curves: Any, data: Dataset, t: float, p: float, q: float, balls: Balls | None
) -> Iterable[ZeroPoint]:
    # ~h(x) = h(x + t) - h(t):  W2 = [~h(q), -~h(p)]/D, and the output bias takes h(t) away
    numbers = _Floats(curves.value) if balls is None else balls
    ht = numbers.at(t)
    hp, hq, hp2, hq2 = (numbers.at(x + t) - ht for x in (p, q, p / 2, q / 2))
    D = hq * hp2 - hp * hq2
    if not numbers.nonzero(D):
        return
    W2 = np.array([_middle(hq / D), _middle(-hp / D)])
    network = OneHiddenLayer(
        np.array([[p, 0.0], [q, 0.0]]), np.array([t, t]), W2, -_middle(sum(W2.tolist()) * ht), h
    )
    condition = Condition("D", "~h(q)~h(p/2) - ~h(p)~h(q/2) != 0", _shown(D), balls is not None)
    witness = {"t": t, "p": p, "q": q}
    yield ZeroPoint(network, witness, (condition,), balls is not None, _risk(network, data, balls))


def _paper(
    h: Any, curves: Any, data: Dataset, v: tuple[float, float, float, float], balls: Balls | None
) -> Iterable[ZeroPoint]:
    # W2 = [h(v3), -h(v1)]/den
    v1, v2, v3, v4 = v
    numbers = _Floats(curves.value) if balls is None else balls
    h1, h3, low = numbers.at(v1), numbers.at(v3), numbers.at((v1 + v2) / 2)
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
    network = OneHiddenLayer(
        np.array([[v1, v2], [v3, v4]]), np.zeros(2), np.array([_middle(h3 / den), _middle(-h1 / den)]), 0.0, h
    )
    apart = Condition("C2.2", "h(v3)h((v1+v2)/2) != h(v1)h((v3+v4)/2)", _shown(den), balls is not None)
    witness = {"v1": v1, "v2": v2, "v3": v3, "v4": v4}
    yield ZeroPoint(network, witness, (solved, apart), balls is not None, _risk(network, data, balls))


def _appendix_a6(h: PiecewiseLinear, data: Dataset, balls: Balls | None) -> ZeroPoint:
    """s- = 0: the outputs are exactly 0, 0, 1 times s+ (1/s+)."""
    s = 1 / h.s_plus
    network = OneHiddenLayer(np.array([[0.0, 2.0], [-2.0, 1.0]]), np.zeros(2), np.array([s, -2 * s]), 0.0, h)
    text = "W1 = [[0, 2], [-2, 1]], W2 = [1, -2]/s+ outputs 0, 0, 1"
    # h is positively homogeneous, so this is arithmetic of the two slopes; no enclosure is needed
    condition = Condition("A6", text, "an identity", True)
    witness = {"v1": 0.0, "v2": 2.0, "v3": -2.0, "v4": 1.0}
    return ZeroPoint(network, witness, (condition,), True, _risk(network, data, balls))


def _shown(x: Any) -> str:
    return f"{x:.6g}" if isinstance(x, float) else str(x)
