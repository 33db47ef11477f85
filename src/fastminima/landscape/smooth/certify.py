"""From a point near a minimum to the ball in which it is proved: Newton in balls, then fact 15 (see `minimum`)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ActivationError
from fastminima.exact.dyadic import bit_size, power_of_two, round_down, round_fraction, round_up

from .ball_risk import PRECISION, BallRisk
from .curvature import Curvature
from .float_risk import FloatRisk
from .minimum import SmoothMinimum
from .vector import network_of

__all__ = ["ball_about", "certified_minimum", "newton"]

F64 = NDArray[np.float64]

# a step of Newton's method is the last when it leaves more than this share of the gradient
_STALLED = 0.5
_STEPS = 40
# exponents of radii: of the first that is tried, and of the largest
_PROBED = -24
_LARGEST = 8
# precisions in turn, each for points at which the one before was too coarse
_PRECISIONS = (PRECISION, 2 * PRECISION)


def newton(risk: BallRisk, floats: FloatRisk, theta: Sequence[Any]) -> list[Any]:
    """A point with a smaller gradient, as exact balls; floats choose the step, balls its gradient.

    It need not be a minimum, and may be the point itself.
    """
    best = [risk.middle(v) for v in theta]
    least = _size(risk, best)
    for _ in range(_STEPS):
        at = np.array([float(v) for v in best])
        _, H = floats.derivatives(at)
        residual = risk.gradient(best)
        # gradients far below the range of float64's squares are scaled first
        scale = max((abs(v) for v in (float(g.mid()) for g in residual)), default=0.0)
        if not (scale > 0.0 and np.isfinite(H).all() and np.isfinite(scale)):
            break
        step = np.linalg.lstsq(H, np.array([float(g.mid()) / scale for g in residual]), rcond=1e-15)[0]
        moved = [risk.middle(v - scale * risk.flint.arb(s)) for v, s in zip(best, step.tolist(), strict=True)]
        size = _size(risk, moved)
        if size is None or (least is not None and size >= least):
            break
        stalled = least is not None and size > _STALLED * least
        best, least = moved, size
        if stalled:
            break
    return best


def _size(risk: BallRisk, theta: Sequence[Any]) -> Fraction | None:
    """A bound on the norm of the gradient; None where none is known."""
    try:
        return risk.norm(risk.gradient(theta))
    except ActivationError:
        return None


def certified_minimum(risk: BallRisk, floats: FloatRisk, start: Sequence[Fraction]) -> SmoothMinimum | None:
    """The minimum that Newton's method leads to from a point, with its ball; None where nothing is proved."""
    for bits in _PRECISIONS:
        with risk.precisely(bits):
            theta = newton(risk, floats, risk.point(start))
            gamma = _size(risk, theta)
            if gamma is None:
                return None
            found = ball_about(risk, floats, theta, gamma)
            if found is not None:
                return found
            start = risk.exact(theta)
    return None


def ball_about(
    risk: BallRisk, floats: FloatRisk, theta: Sequence[Any], gamma: Fraction
) -> SmoothMinimum | None:
    """Fact 15 at exact parameters whose gradient is no longer than `gamma`; None where it does not hold."""
    _, H = floats.derivatives(np.array([float(v) for v in theta]))
    if not np.isfinite(H).all():
        return None
    curvature = Curvature(risk, theta, np.linalg.eigh(H)[1])
    if curvature.at_centre is None:
        return None
    found = _largest_ball(curvature, gamma)
    return None if found is None else _minimum(risk, theta, gamma, *found)


def _largest_ball(curvature: Curvature, gamma: Fraction) -> tuple[Fraction, Fraction] | None:
    """(R, mu) with the largest R = 2^k for which mu(R) > gamma / R, as far as the search sees."""

    def holds(exponent: int) -> Fraction | None:
        mu = curvature.within(power_of_two(exponent))
        return mu if mu is not None and gamma < mu * power_of_two(exponent) else None

    assert curvature.at_centre is not None
    # below this no radius can do
    needed = gamma / curvature.at_centre
    lowest = bit_size(needed) - 1 if needed else -1074
    if lowest > 0:
        # far from critical, and functions of balls that wide cost much to enclose
        return None
    exponent = max(_PROBED, lowest)
    change = curvature.change(power_of_two(exponent))
    if change:
        # small changes grow like the radius
        exponent = min(_LARGEST, exponent + bit_size(curvature.at_centre / change) - 1)
    mu, stride = holds(exponent), 1
    while mu is None:
        exponent, stride = exponent - stride, 2 * stride
        if exponent < lowest:
            return None
        mu = holds(exponent)
    while exponent < _LARGEST:
        larger = holds(exponent + 1)
        if larger is None:
            break
        exponent, mu = exponent + 1, larger
    return power_of_two(exponent), mu


def _minimum(
    risk: BallRisk, theta: Sequence[Any], gamma: Fraction, radius: Fraction, mu: Fraction
) -> SmoothMinimum:
    low, high = risk.edges(risk.risk(theta))
    return SmoothMinimum(
        centre=network_of(risk.exact(theta), risk.network),
        error=round_up(gamma / mu),
        radius=round_down(radius),
        gradient=round_up(gamma),
        curvature=round_down(mu),
        risk_bounds=(low - gamma * gamma / (2 * mu), high),
        weight_decay=round_fraction(risk.weight_decay),
    )
