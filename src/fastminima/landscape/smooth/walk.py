"""Down in float64: a trust-region method that takes |eigenvalues| of the Hessian, so that it leaves saddles.

It chooses where balls look; nothing is claimed from it. The risk never rises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .float_risk import FloatRisk, length

__all__ = ["SmoothStep", "descend"]

F64 = NDArray[np.float64]

# choices of the method, none of which a claim rests on
_STEPS = 1_000
_WHOLE, _POOR, _GOOD = 1e-4, 0.25, 0.75
# eigenvalues below this share of the largest are taken as that
_FLAT = 1e-13
# a fall of less than this share of the risk is rounding
_ROUNDING = 1e-15
# an eigenvalue below minus this share of the largest is negative
_NEGATIVE = 1e-8
_LENGTHS = 12


@dataclass(frozen=True)
class SmoothStep:
    """One step of the walk.

    Attributes
    ----------
    risk : float
    gradient : float
        Norm of the gradient, in float64, where the step began.
    kind : "start" | "folded" | "step" | "curvature" | "certified"
        A step along the gradient's trust region, or along a direction of negative curvature; at the end, the point in
        whose ball the minimum was proved.
    """

    risk: float
    gradient: float
    kind: str

    @property
    def n_held(self) -> int:
        """No sample is held on a boundary."""
        return 0

    @property
    def n_crossed(self) -> int:
        """No sides are counted."""
        return 0


def descend(floats: FloatRisk, theta: F64) -> Iterator[tuple[F64, SmoothStep]]:
    """Points, each lower than the one before, until float64 sees no lower one, or after 1,000 steps."""
    value = floats.value(theta)
    reach = max(1.0, length(theta)) / 4
    for _ in range(_STEPS):
        gradient, H = floats.derivatives(theta)
        if not (math.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(H).all()):
            return
        w, V = np.linalg.eigh(H)
        size = np.maximum(np.abs(w), _FLAT * np.abs(w).max() + np.finfo(float).tiny)
        turned = V.T @ gradient
        lower = None
        while lower is None and reach > np.finfo(float).eps * (1.0 + length(theta)):
            step = -_within(turned, size, reach)
            # what |H| promises
            hoped = -float(step @ turned) - 0.5 * float(size @ (step * step))
            if hoped <= _ROUNDING * value:
                break
            moved = theta + V @ step
            fell = value - floats.value(moved)
            if fell > _WHOLE * hoped:
                lower = moved
                if fell > _GOOD * hoped and length(step) > 0.9 * reach:
                    reach *= 3.0
            if fell < _POOR * hoped:
                reach /= 4.0
        kind = "step"
        if lower is None and w[0] < -_NEGATIVE * np.abs(w).max():
            lower, kind = _along(floats, theta, V[:, 0], value), "curvature"
            reach = max(1.0, length(theta)) / 4
        if lower is None:
            return
        theta, value = lower, floats.value(lower)
        yield theta, SmoothStep(value, length(gradient), kind)


def _within(turned: F64, size: F64, reach: float) -> F64:
    """turned / (size + nu) with the least nu >= 0 that makes it no longer than `reach`."""
    step = turned / size
    if length(step) <= reach:
        return step
    low, high = 0.0, length(turned) / reach
    for _ in range(60):
        nu = 0.5 * (low + high)
        if length(turned / (size + nu)) > reach:
            low = nu
        else:
            high = nu
    result: F64 = turned / (size + high)
    return result


def _along(floats: FloatRisk, theta: F64, v: F64, value: float) -> F64 | None:
    """The lowest of a few points along a direction of negative curvature; None where none is lower."""
    scale = max(1.0, length(theta))
    best, lowest = None, value - _ROUNDING * abs(value)
    for k in range(_LENGTHS):
        for sign in (1.0, -1.0):
            moved = theta + sign * scale * 4.0**-k * v
            if floats.value(moved) < lowest:
                best, lowest = moved, floats.value(moved)
    return best
