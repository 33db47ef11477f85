"""The certified radius of theorem 2's bad minimum, by ball arithmetic.

The network has hidden rows (v1, v1), (v2, v2), zero biases, output weights u1, u2; `local_minimum_search` has the form
whose sign decides. In the ball of radius R around its parameters (the output bias may move freely) the preactivations of
unit i stay within sqrt 2 r_i of v_i and U_i within s_i of u_i, with r_1^2 + s_1^2 + r_2^2 + s_2^2 <= R^2: a sample is
(1, 0), (0, 1) or (1/2, 1/2), so with the bias coordinate it has norm at most sqrt 2.

Convex case: u_i h is convex on [v_i - sqrt 2 R, v_i + sqrt 2 R] and R <= |u_i|, for any number of units. Nothing else is
needed of h, not even derivatives: U_i has the sign of u_i or is 0, the third sample is the middle of the other two, so
s >= 0. That is how a kink that bends the right way is harmless (appendix A6).
Mixed case: with m(rho) = min 3(|u1| - s) h'(zeta)^2/max(-sign(u1) h''(xi), 0) over r^2 + s^2 <= rho^2 and
M(rho) = max 3(|u2| + s) h'(zeta)^2/(sign(u2) h''(xi)) it is enough that m(rho_1) >= 1 + M(rho_2) for all
rho_1^2 + rho_2^2 <= R^2; both are monotone, so finitely many arcs of the circle, each with its worst corner, cover all, and
in each quarter disc r^2 + s^2 <= rho^2 finitely many rings, the outer edge of each bounding h' and h'', the inner one s.

Mixed case with the convex unit dealt out among k: minimising over all their b_i leaves
alpha + P/(1 + sum_i Q_i/beta_i) >= 0, so M becomes the largest sum_i 3|U_i| h'(zeta_i)^2/(sign h''(xi_i)). Each ratio is
at most the largest over the widest of their windows, r <= sqrt(rho^2 - sum s_i^2), and sum |U_i| <= |u2| + sqrt k |s|: s
counts sqrt k times.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ActivationError
from fastminima.networks.activations.in_balls import Balls

__all__ = ["certified_radius", "convex_holds", "mixed_holds"]

Floats = NDArray[np.float64]
Range = tuple[float, float]

# sqrt 2 rounded up
_ROOT2 = Fraction(14142135623730951, 10**16)
# float64 evaluation of m and M: six roundings each, and of the coordinates on the circles, four more
_DOWN, _UP = 1 - 2.0**-48, 1 + 2.0**-48
_ARCS = 512
_STEPS = 256
# bisection ends when this part of the radius is left
_CLOSE = {"convex": 2.0**-20, "mixed": 2.0**-11}


def certified_radius(
    balls: Balls,
    v: tuple[float, float],
    u: tuple[float, float],
    case: str,
    estimate: float,
    shares: int = 1,
) -> float:
    """The largest radius that bisection proves; 0.0 where none above 1e-9 `estimate` is proved.

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

    # beyond it an output weight may change its sign
    limit = min(map(abs, u)) if case == "convex" else min(abs(u[0]), abs(u[1]) / shares * _DOWN)
    if not 0 < estimate < math.inf or not 0 < limit < math.inf:
        return 0.0
    close = _CLOSE[case]
    low, high, guess, step = 0.0, math.inf, min(estimate * (1 + close / 4), limit), close
    # from the estimate outward, in growing steps, until one radius holds and another does not
    while not low:
        if guess <= 1e-9 * estimate:
            return 0.0
        if holds(guess):
            low = guess
        else:
            high, guess, step = guess, guess * max(1 - step, 0.25), 8 * step
    while low < limit and high == math.inf:
        guess = min(low * (1 + step), limit)
        if holds(guess):
            low, step = guess, 8 * step
        else:
            high = guess
    while low < limit and high - low > close * low:
        middle = (low + high) / 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def convex_holds(balls: Balls, v: tuple[float, float], u: tuple[float, float], radius: float) -> bool:
    """Is u_i h proved convex on all that a ball of this radius reaches, and R <= |u_i|?"""
    if not all(0.0 < radius <= abs(value) for value in u):
        return False
    moved = Fraction(radius) * _ROOT2
    pairs = {(Fraction(a), 1 if b > 0 else -1) for a, b in zip(v, u, strict=True)}
    return all(balls.bends(a - moved, a + moved, sign) for a, sign in pairs)


def _rings(balls: Balls, centre: float, radius: float) -> tuple[list[Range], list[Range]]:
    """Bounds of h' and of h'' over [centre - w_k, centre + w_k], w_k = sqrt 2 radius k/STEPS, k = 1.._STEPS."""
    middle, step = Fraction(centre), Fraction(radius) * _ROOT2 / _STEPS
    result: tuple[list[Range], list[Range]] = ([], [])
    widest = [(math.inf, -math.inf)] * 2
    for k in range(_STEPS):
        for a, b in (
            (middle - (k + 1) * step, middle - k * step),
            (middle + k * step, middle + (k + 1) * step),
        ):
            for order, part in enumerate(balls.jet(a, b)[1:]):
                low, high = balls.float_edges(part)
                widest[order] = (min(low, widest[order][0]), max(high, widest[order][1]))
        for order in range(2):
            result[order].append(widest[order])
    return result


def _squared(bounds: Range) -> Range:
    low, high = bounds
    top = max(abs(low), abs(high))
    bottom = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
    # a lower bound must not overflow to infinity
    return min(bottom, 1e150) ** 2 * _DOWN, top * top * _UP


def mixed_holds(
    balls: Balls, v: tuple[float, float], u: tuple[float, float], radius: float, shares: int = 1
) -> bool:
    """Is m(rho_1) >= 1 + M(rho_2) proved on the whole quarter circle?"""
    if not 0.0 < radius <= min(abs(u[0]), abs(u[1]) / shares * _DOWN):
        return False
    spread = math.sqrt(shares) * _UP
    try:
        (first1, second1), (first2, second2) = (_rings(balls, x, radius) for x in v)
    except ActivationError:
        return False
    sign1, sign2 = math.copysign(1.0, u[0]), math.copysign(1.0, u[1])
    # -sign(u1) h'' from above, sign(u2) h'' from below
    falling = [max(-low if sign1 > 0 else high, 0.0) for low, high in second1]
    rising = [low if sign2 > 0 else -high for low, high in second2]
    if rising[-1] <= 0.0:
        return False
    # where nothing falls the form is convex whatever the slope
    ratio1 = [3 * _squared(s)[0] / f * _DOWN if f else math.inf for s, f in zip(first1, falling, strict=True)]
    ratio2 = [3 * _squared(s)[1] / r * _UP for s, r in zip(first2, rising, strict=True)]
    inner = radius * np.arange(_STEPS) / _STEPS * _DOWN
    # rho_1 in [k, k+1] R/ARCS leaves rho_2 <= R sqrt(1 - (k/ARCS)^2)
    k = np.arange(_ARCS)
    rho1 = radius * (k + 1) / _ARCS * _UP
    rho2 = radius * np.sqrt(_ARCS * _ARCS - k * k) / _ARCS * _UP
    s1, s2 = _spread(rho1, inner), _spread(rho2, inner)
    with np.errstate(over="ignore"):
        left = np.maximum((abs(u[0]) - s1) * _DOWN, 0.0)
        # an infinite ratio and nothing left: the unit is gone
        m = np.where(left > 0, np.array(ratio1) * np.where(left > 0, left, 1.0), 0.0)
        M = np.array(ratio2) * ((abs(u[1]) + spread * s2) * _UP)
    # rings beyond rho are out of reach
    m = np.where(inner <= rho1[:, None], m, np.inf).min(axis=1)
    M = np.where(inner <= rho2[:, None], M, 0.0).max(axis=1)
    return bool((m >= (1 + M) * _UP).all())


def _spread(rho: Floats, inner: Floats) -> Floats:
    """The largest s with r^2 + s^2 <= rho^2 and r at least the inner edge of a ring, rounded up; shape (rho, rings)."""
    return np.sqrt(np.maximum(rho[:, None] ** 2 * _UP - inner**2 * _DOWN, 0.0)) * _UP
