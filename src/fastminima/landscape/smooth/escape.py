"""The way out of a point that is no local minimum: a network with a risk that balls prove lower, inside any ball.

Floats propose directions (the negative gradient, the step of |H|, a direction of negative curvature) and lengths; what is
claimed is F(theta) - F(theta') > 0 in balls, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ActivationError
from fastminima.exact.dyadic import power_of_two, round_fraction, sqrt_above, sqrt_floor
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

from .ball_risk import PRECISION, BallRisk
from .float_risk import FloatRisk, length
from .vector import network_of

__all__ = ["SmoothEscape", "best_escape"]

F64 = NDArray[np.float64]

_HALVINGS = 120
# halvings of a step on the float64 grid; where the point is nearer to critical than that grid is fine, there are rationals
_ON_GRID = 60
# a fall that float64 sees
_SEEN = 1e-13


@dataclass(frozen=True, eq=False, repr=False)
class SmoothEscape:
    """A strictly better network.

    Attributes
    ----------
    exact : RationalNetwork
    drop : Fraction
        The risk of the point minus the risk of `exact` is at least this, > 0.
    distance_squared : Fraction
        Between the two, over all parameters.
    along : "gradient" | "newton" | "curvature"
    """

    exact: RationalNetwork
    drop: Fraction
    distance_squared: Fraction
    along: str

    @property
    def unit(self) -> None:
        """All parameters move."""

    @property
    def network(self) -> OneHiddenLayer:
        """`exact` as a float64 network; the same numbers unless the drop is too small for the grid of float64."""
        return self.exact.rounded()

    @property
    def distance(self) -> float:
        """Euclidean distance from the point, to float64."""
        return sqrt_floor(self.distance_squared)

    def __repr__(self) -> str:
        drop = round_fraction(self.drop)
        return (
            f"SmoothEscape(drop at least {drop:.6g} at distance {self.distance:.3g}, along the {self.along})"
        )


def _proposals(
    risk: BallRisk, floats: FloatRisk, theta: Sequence[Fraction], gradient: Sequence[Any]
) -> Iterator[tuple[str, F64]]:
    """Directions in which the risk may fall, as steps of a sensible length.

    Where the gradient is not known (a sample on a kink) a parameter stays as it is.
    """
    at = np.array([round_fraction(v) for v in theta])
    g = np.array([float(v.mid()) if v.is_finite() else 0.0 for v in gradient])
    size = float(np.abs(g).max(initial=0.0))
    _, H = floats.derivatives(at)
    if not math.isfinite(size):
        return
    bent = np.isfinite(H).all() and all(v.is_finite() for v in gradient)
    if size:
        if bent:
            w, V = np.linalg.eigh(H)
            lengths = np.maximum(np.abs(w), 1e-13 * np.abs(w).max() + np.finfo(float).tiny)
            yield "newton", -V @ ((V.T @ g) / lengths)
        unit = g / size
        bend = float(unit @ H @ unit) if bent else math.nan
        square = float(unit @ unit)
        yield "gradient", -g * (square / bend) if bend > 0.0 else -unit
    if bent:
        w, V = np.linalg.eigh(H)
        if w[0] < 0.0:
            far = max(1.0, length(at)) / 4
            for sign in (1.0, -1.0):
                yield "curvature", sign * far * V[:, 0]


def _escape_along(
    risk: BallRisk,
    theta: Sequence[Fraction],
    step: Sequence[Fraction],
    along: str,
    ball: Fraction | None,
    floats: bool,
) -> SmoothEscape | None:
    """The first of the halved steps at which the risk is proved lower; None where none is.

    Parameters
    ----------
    risk : BallRisk
    theta, step : sequences of Fractions
    along : str
        What the step is.
    ball : Fraction or None
        Steps that end outside are passed over.
    floats : bool
        Whether a float64 network is wanted; a rational one is taken where that grid is too coarse.
    """
    for rounded, halvings in ((True, _ON_GRID), (False, _HALVINGS)) if floats else ((False, _HALVINGS),):
        for k in range(halvings):
            moved = [v + s / (1 << k) for v, s in zip(theta, step, strict=True)]
            if rounded:
                near = [round_fraction(v) for v in moved]
                if not all(map(math.isfinite, near)):
                    continue
                moved = [Fraction(v) for v in near]
            square = sum(((a - b) ** 2 for a, b in zip(moved, theta, strict=True)), Fraction(0))
            if not square:
                break
            if ball is not None and square > ball * ball:
                continue
            drop = _drop(risk, theta, moved)
            if drop is not None and drop > 0:
                return SmoothEscape(network_of(moved, risk.network), drop, square, along)
    return None


def best_escape(
    risk: BallRisk,
    floats: FloatRisk,
    theta: Sequence[Fraction],
    gradient: Sequence[Any],
    ball: Fraction | None,
    on_grid: bool,
) -> SmoothEscape | None:
    """The largest proved drop of the directions at hand; those that float64 sees falling first."""
    at = np.array([round_fraction(v) for v in theta])
    value = floats.value(at)
    seen: list[tuple[str, list[Fraction]]] = []
    others: list[tuple[str, list[Fraction]]] = []
    for along, step in _proposals(risk, floats, theta, gradient):
        if not (np.isfinite(step).all() and step.any()):
            continue
        exact = _cut(step, ball)
        shown = np.array([round_fraction(v) for v in exact])
        falls = (k for k in range(_ON_GRID) if floats.value(at + shown / 2.0**k) < value * (1 - _SEEN))
        k = next(falls, None)
        (others if k is None else seen).append((along, [v / (1 << (k or 0)) for v in exact]))
    found = [_escape_along(risk, theta, step, along, ball, on_grid) for along, step in seen]
    escapes = [escape for escape in found if escape is not None]
    if escapes:
        return max(escapes, key=lambda escape: escape.drop)
    hidden = (_escape_along(risk, theta, step, along, ball, on_grid) for along, step in others)
    return next((escape for escape in hidden if escape is not None), None)


def _cut(step: F64, ball: Fraction | None) -> list[Fraction]:
    """The step, shortened to end well inside the ball, so that rounding does not take it out again."""
    exact = [Fraction(v) for v in step.tolist()]
    length = Fraction(sqrt_above(sum((v * v for v in exact), Fraction(0))))
    if ball is None or length <= ball:
        return exact
    factor = ball / length * (1 - power_of_two(-10))
    return [factor * v for v in exact]


def _drop(risk: BallRisk, theta: Sequence[Fraction], moved: Sequence[Fraction]) -> Fraction | None:
    """A lower bound on F(theta) - F(moved); None where its sign is not certain."""
    for bits in (PRECISION, 4 * PRECISION):
        with risk.precisely(bits):
            fell = risk.fall(risk.point(theta), risk.point(moved))
            if fell > 0:
                try:
                    return risk.edges(fell)[0]
                except ActivationError:
                    return None
            if fell < 0:
                return None
    return None
