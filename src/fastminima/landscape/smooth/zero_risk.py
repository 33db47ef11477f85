"""More parameters than samples and a risk near its least: a point nearby at which no function has a lower risk.

The system f(x_g) = ybar_g is solved in as many parameters as there are distinct inputs, the others fixed, by Krawczyk's
operator: with C near the inverse of the Jacobian J in those parameters, and r = f - ybar at the centre, the map
t -> t - C r(theta + t) takes the box |t_j| <= rho into itself when

    |C r|_j + ( |I - C J(box)| rho )_j < rho    for all j,

and then has a fixed point (Brouwer), which solves the system if C is invertible; that |I - C J(box)| < 1 in some norm says
so. At such a point the gradients of all outputs vanish: the risk is the pure error alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from fastminima.errors import ActivationError
from fastminima.exact.dyadic import power_of_two, round_fraction, round_up, short_above, sqrt_above

from .ball_risk import PRECISION, BallRisk
from .float_risk import FloatRisk
from .minimum import SmoothMinimum
from .vector import network_of

__all__ = ["certified_zero"]

F64 = NDArray[np.float64]

_STEPS = 20
# rho over |C r|, from the least that could do
_LARGER = (2, 16, 1024)


def certified_zero(risk: BallRisk, floats: FloatRisk, start: Sequence[Fraction]) -> SmoothMinimum | None:
    """A point of the least risk of all functions near `start`; None where none is proved, or with weight decay."""
    count = len(risk.samples)
    if risk.weight_decay or count > risk.size:
        return None
    J = floats.jacobian(np.array([round_fraction(v) for v in start]))
    if not np.isfinite(J).all():
        return None
    chosen = scipy.linalg.qr(J, mode="r", pivoting=True)[1][:count]
    try:
        inverse = np.linalg.inv(J[:, chosen])
    except np.linalg.LinAlgError:
        return None
    with risk.precisely():
        C = risk.flint.arb_mat(inverse.tolist())
        theta, step = _solved(risk, C, risk.point(start), chosen.tolist())
        try:
            # a residual that is 0 exactly leaves room for any box
            least = max(max(risk.edges(abs(v))[1] for v in step), power_of_two(-PRECISION))
            for factor in _LARGER:
                rho = short_above(least * factor)
                if _maps_into_itself(risk, C, theta, step, chosen.tolist(), rho):
                    return _minimum(risk, theta, rho, count)
        except ActivationError:
            return None
    return None


def _solved(risk: BallRisk, C: Any, theta: list[Any], chosen: list[int]) -> tuple[list[Any], list[Any]]:
    """Newton's method with one inverse: the point, and the step C r there."""
    step = _step(risk, C, theta)
    for _ in range(_STEPS):
        moved = list(theta)
        for j, s in zip(chosen, step, strict=True):
            moved[j] = risk.middle(moved[j] - s)
        after = _step(risk, C, moved)
        if not max(abs(v.mid()) for v in after) < max(abs(v.mid()) for v in step):
            break
        theta, step = moved, after
    return theta, step


def _step(risk: BallRisk, C: Any, theta: Sequence[Any]) -> list[Any]:
    gaps = risk.residuals(theta)
    found: list[Any] = (C * risk.flint.arb_mat(len(gaps), 1, gaps)).entries()
    return found


def _maps_into_itself(
    risk: BallRisk, C: Any, theta: Sequence[Any], step: Sequence[Any], chosen: list[int], rho: Fraction
) -> bool:
    count = len(chosen)
    # the box lies in the Euclidean ball of radius rho sqrt(count)
    around = Fraction(sqrt_above(count * rho * rho))
    J = risk.jacobian(theta, risk.ball(around))
    product = (C * risk.flint.arb_mat([[row[j] for j in chosen] for row in J])).tolist()
    for i, row in enumerate(product):
        row[i] -= 1
        shrinks = sum((abs(v) for v in row), risk.flint.arb(0))
        if not (shrinks < 1 and abs(step[i]) + shrinks * risk.ball(rho) < risk.ball(rho)):
            return False
    return True


def _minimum(risk: BallRisk, theta: Sequence[Any], rho: Fraction, count: int) -> SmoothMinimum:
    return SmoothMinimum(
        centre=network_of(risk.exact(theta), risk.network),
        error=round_up(Fraction(sqrt_above(count * rho * rho))),
        radius=math.inf,
        gradient=round_up(risk.norm(risk.gradient(theta))),
        curvature=0.0,
        risk_bounds=(risk.samples.pure, risk.samples.pure),
    )
