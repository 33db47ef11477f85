"""The certified radius of theorem 2's bad minimum, by ball arithmetic.

The network has hidden rows (v1, v1), (v2, v2), zero biases, output weights u1, u2; `theorems.witnesses` has the form
whose sign decides. In the ball of radius R around its parameters (the output bias may move freely) the preactivations of
unit i stay within sqrt 2 r_i of v_i and U_i within s_i of u_i, with r_1^2 + s_1^2 + r_2^2 + s_2^2 <= R^2: a sample is
(1, 0), (0, 1) or (1/2, 1/2), so with the bias coordinate it has norm at most sqrt 2.

Convex case: u_i h'' >= 0 on [v_i - sqrt 2 R, v_i + sqrt 2 R] and R <= |u_i|, for any number of units.
Mixed case: with m(rho) = min 3(|u1| - s) h'(zeta)^2/max(-sign(u1) h''(xi), 0) over r^2 + s^2 <= rho^2 and
M(rho) = max 3(|u2| + s) h'(zeta)^2/(sign(u2) h''(xi)) it is enough that m(rho_1) >= 1 + M(rho_2) for all
rho_1^2 + rho_2^2 <= R^2; both are monotone, so finitely many arcs of each circle, each with its worst corner, cover all.

Mixed case with the convex unit dealt out among k: minimising over all their b_i leaves
alpha + P/(1 + sum_i Q_i/beta_i) >= 0, so M becomes the largest sum_i 3|U_i| h'(zeta_i)^2/(sign h''(xi_i)). Each ratio is
at most the largest over the widest of their windows, r <= sqrt(rho^2 - sum s_i^2), and sum |U_i| <= |u2| + sqrt k |s|: s
counts sqrt k times.
"""

from __future__ import annotations

import math
from fractions import Fraction

from fastminima.errors import ActivationError
from fastminima.proof.balls import Balls

__all__ = ["certified_radius", "convex_holds", "mixed_holds"]

# sqrt 2 rounded up
_ROOT2 = Fraction(14142135623730951, 10**16)
# float64 evaluation of m and M: five roundings each, and of the coordinates on the circles, three more
_DOWN, _UP = 1 - 2.0**-48, 1 + 2.0**-48
_ARCS = 128
_STEPS = 128
_BISECTIONS = 14


def certified_radius(
    balls: Balls,
    v: tuple[float, float],
    u: tuple[float, float],
    case: str,
    estimate: float,
    shares: int = 1,
) -> float:
    """The largest radius that bisection proves, at most a little above `estimate`; 0.0 where none is proved.

    Parameters
    ----------
    balls : Balls
    v, u : pairs of float
        (v1, v2) and (u1, u2); in the mixed case unit 1 is the one with u1 h''(v1) < 0.
    case : "convex" or "mixed"
    estimate : float
        Where to look; it proves nothing.
    shares : int
        Units among which unit 2's output weight is dealt out, in the mixed case.
    """

    def holds(radius: float) -> bool:
        if case == "convex":
            return convex_holds(balls, v, u, radius)
        return mixed_holds(balls, v, u, radius, shares)

    high = min(1.02 * estimate, *(abs(value) for value in u))
    if high <= 0 or not math.isfinite(high):
        return 0.0
    if holds(high):
        return high
    low = 0.0
    for start in (0.99, 0.97, 0.9, 0.7, 0.4, 0.1, 0.01, 1e-4, 1e-6):
        if holds(start * estimate):
            low = start * estimate
            break
        high = start * estimate
    if not low:
        return 0.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if high - low < 1e-3 * low:
            break
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def convex_holds(balls: Balls, v: tuple[float, float], u: tuple[float, float], radius: float) -> bool:
    """Is u_i h'' >= 0 proved on all that a ball of this radius reaches, and R <= |u_i|?"""
    if not all(0.0 < radius <= abs(value) for value in u):
        return False
    reach = Fraction(radius) * _ROOT2
    pairs = {(Fraction(a), 1 if b > 0 else -1) for a, b in zip(v, u, strict=True)}
    return all(balls.bends(a - reach, a + reach, sign) for a, sign in pairs)


def _rings(balls: Balls, centre: float, radius: float, order: int) -> list[tuple[float, float]]:
    """Bounds of h^(order) over [centre - w_k, centre + w_k], w_k = sqrt 2 radius k/STEPS, k = 1.._STEPS."""
    middle, step = Fraction(centre), Fraction(radius) * _ROOT2 / _STEPS
    result: list[tuple[float, float]] = []
    low, high = math.inf, -math.inf
    for k in range(_STEPS):
        for a, b in (
            (middle - (k + 1) * step, middle - k * step),
            (middle + k * step, middle + (k + 1) * step),
        ):
            below, above = balls.bounds(a, b, order, 1)
            low = min(low, math.nextafter(float(below), -math.inf))
            high = max(high, math.nextafter(float(above), math.inf))
        result.append((low, high))
    return result


def _square_range(bounds: tuple[float, float]) -> tuple[float, float]:
    low, high = bounds
    top = max(abs(low), abs(high))
    bottom = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    return bottom * bottom * _DOWN, top * top * _UP


def mixed_holds(
    balls: Balls, v: tuple[float, float], u: tuple[float, float], radius: float, shares: int = 1
) -> bool:
    """Is m(rho_1) >= 1 + M(rho_2) proved on the whole quarter circle?"""
    if not 0.0 < radius <= min(abs(u[0]), abs(u[1]) / shares * _DOWN):
        return False
    spread = math.sqrt(shares) * _UP
    try:
        slopes = [[_square_range(b) for b in _rings(balls, x, radius, 1)] for x in v]
        bends = [_rings(balls, x, radius, 2) for x in v]
    except ActivationError:
        return False
    sign1, sign2 = math.copysign(1.0, u[0]), math.copysign(1.0, u[1])
    # -sign(u1) h'' from above, sign(u2) h'' from below
    falling = [max(-low if sign1 > 0 else high, 0.0) for low, high in bends[0]]
    rising = [low if sign2 > 0 else -high for low, high in bends[1]]
    if rising[-1] <= 0.0:
        return False
    # where nothing falls the form is convex whatever the slope
    ratio1 = [3 * s[0] / f * _DOWN if f else math.inf for s, f in zip(slopes[0], falling, strict=True)]
    ratio2 = [3 * s[1] / r * _UP for s, r in zip(slopes[1], rising, strict=True)]
    m = [_extreme(ratio1, abs(u[0]), radius, k, -1, 1.0) for k in range(_ARCS + 1)]
    M = [_extreme(ratio2, abs(u[1]), radius, k, 1, spread) for k in range(_ARCS + 1)]
    # rho_1 in [k, k+1] R/ARCS leaves rho_2 <= R sqrt(1 - (k/ARCS)^2), rounded up to the grid
    for k in range(_ARCS):
        rest = math.sqrt(max(_ARCS * _ARCS - k * k, 0))
        other = min(math.ceil(rest * _UP), _ARCS)
        if not m[k + 1] >= (1 + M[other]) * _UP:
            return False
    return True


def _extreme(ratio: list[float], size: float, radius: float, k: int, side: int, spread: float) -> float:
    """Worst ratio * (size -+ spread s) over r^2 + s^2 <= rho^2, rho = k/ARCS of the radius: min for side -1, max for +1."""
    rho = radius * k / _ARCS * _UP
    worst = math.inf if side < 0 else 0.0
    steps = min(math.ceil(k * _STEPS / _ARCS), _STEPS)
    for step in range(max(steps, 1)):
        # r between step and step + 1 rings: the outer ring bounds h, the inner one leaves most for s
        r = radius * step / _STEPS * _DOWN
        s = math.sqrt(max(rho * rho - r * r, 0.0)) * _UP
        if side < 0:
            left = max((size - spread * s * _UP) * _DOWN, 0.0)
            value = ratio[step] * left if left else 0.0
            worst = min(worst, value)
        else:
            worst = max(worst, ratio[step] * (size + spread * s) * _UP)
    return worst
