"""Theorem 2's point of risk 0: the risk of a float64 network enclosed, and the equality (C2.1) solved for certain."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.errors import ActivationError
from fastminima.exact.dyadic import sqrt_above
from fastminima.networks.activations.in_balls import Balls
from fastminima.networks.one_hidden_layer import OneHiddenLayer

__all__ = ["distance_bound", "enclosed_risk", "root_of_c21"]


def enclosed_risk(balls: Balls, network: OneHiddenLayer, data: Dataset) -> Fraction:
    """An upper bound on the exact risk of a float64 network on a few samples without weights.

    Parameters
    ----------
    balls : Balls
        Of the network's activation; it must be continuous where its pieces meet.
    network : OneHiddenLayer
    data : Dataset
    """
    with balls.precisely():
        total = balls.ball(Fraction(0))
        for x, y in zip(data.X.tolist(), data.y.tolist(), strict=True):
            out = balls.ball(Fraction(network.b2) - Fraction(y))
            for row, bias, weight in zip(
                network.W1.tolist(), network.b1.tolist(), network.W2.tolist(), strict=True
            ):
                z = Fraction(bias) + sum(
                    (Fraction(w) * Fraction(part) for w, part in zip(row, x, strict=True)), Fraction(0)
                )
                out += balls.ball(Fraction(weight)) * balls.at(z)
            total += out * out
        return balls.edges(total)[1] / 2


def root_of_c21(balls: Balls, v1: float, v2: float, v3: float, near: float) -> Any | None:
    """A ball around `near` that holds exactly one v4 with h(v1) h(v4) = h(v2) h(v3); None where that is not proved.

    Notes
    -----
    Interval Newton: with g(t) = h(v1) h(t) - h(v2) h(v3), N(V) = m - g(m)/g'(V). If N(V) lies inside V, V holds exactly
    one root, and so does N(V) (Moore 1966).
    """
    h1, h2, h3 = (balls.at(x) for x in (v1, v2, v3))
    middle = Fraction(near)
    value = balls.at(middle)
    for power in (-40, -30, -20):
        width = Fraction(2) ** power * max(abs(middle), Fraction(1))
        try:
            slope = h1 * balls.jet(middle - width, middle + width)[1]
            if not balls.nonzero(slope):
                continue
            step = balls.ball(middle) - (h1 * value - h2 * h3) / slope
            low, high = balls.edges(step)
        except ActivationError:
            continue
        if middle - width < low and high < middle + width:
            return step
    return None


def distance_bound(balls: Balls, pairs: Iterable[tuple[float, Any]]) -> float:
    """How far float64 numbers are, at most, from exact ones that lie in balls; Euclidean, rounded up."""
    with balls.precisely():
        total = balls.ball(Fraction(0))
        for number, exact in pairs:
            gap = balls.ball(Fraction(number)) - exact
            total += gap * gap
        return sqrt_above(balls.edges(total)[1])
