"""The least risk of few kinks on points of one input, from below, proved.

(a) On a straight line in input space every unit bends at most once, so there a network of width w is a function of one
    variable with at most w kinks. The kernel `_pieces` bounds the risk of all of those from below.
(b) What is rounded before it is called. The position of a point counts up to affine maps: integers, exact as a sum of
    two float64 numbers. Weights are rounded down, which lowers every risk. Subtracting an affine function from the
    values changes no risk; the rest is rounded to float64, by eps_i <= u |r_i|: the root of twice the risk is a distance
    to a set of functions, so it changes by at most (sum w eps^2)^(1/2), which is taken off.
(c) What it takes for n points and k kinks, by the recursions of the kernel. Joined: 7 + k numbers of 8 bytes for each of the
    n (n + 1)/2 pieces, and as many steps for each of their n (n + 1)(n + 2)/6 pairs. Independent: k + 1 numbers for
    each of n + 1 ends, and k + 8 steps for each of the n (n + 1)/2 pieces.
(d) Where the second is too much as well, the points are cut into stretches of s consecutive ones: each has at most k
    kinks, so the bounds of the stretches add up: n s (k + 8)/2 steps. Pieces of two
    points cost nothing: with s <= 2 k + 2 all bounds are 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import common_numerators
from fastminima.exact.dyadic import Floats, power_of_two
from fastminima.exact.roundoff import U
from fastminima.kernels import _pieces

__all__ = ["MOST_JOINED", "Pieces", "PointsOnALine", "Programme", "joined_bytes", "pieces_bounds", "programme"]

# Only choices: points up to which pieces are joined, a second or two for few kinks; bytes for either recursion; steps of
# the second, some seconds; points beyond which a line is left alone.
MOST_JOINED, MOST_BYTES, MOST_STEPS, MOST_POINTS = 1_200, 1 << 29, 8 * 10**8, 100_000


@dataclass(frozen=True)
class Programme:
    """How the points of a line are bounded, and what the sharpest way would take: (c), (d).

    Attributes
    ----------
    joined : bool
    stretch : int
        Points that are bounded together; 0 where nothing but 0 would come of it.
    n_bytes, n_steps : int
        Of pieces joined at kinks, whether that is done or not.
    """

    joined: bool
    stretch: int
    n_bytes: int
    n_steps: int


def joined_bytes(n: int, kinks: int) -> int:
    """Memory of the recursion over joined pieces: (c)."""
    return 8 * ((7 + min(kinks, max(n - 2, 0))) * (n * (n + 1) // 2) + n)


def programme(n: int, kinks: int) -> Programme:
    """The way that is affordable for n points and so many kinks."""
    most = min(kinks, max(n - 2, 0))
    n_bytes, n_steps = joined_bytes(n, kinks), (7 + most) * (n * (n + 1) * (n + 2) // 6)
    if n <= MOST_JOINED and n_bytes <= MOST_BYTES:
        return Programme(True, n, n_bytes, n_steps)
    stretch = min(n, 2 * MOST_STEPS // (n * (most + 8)), MOST_BYTES // (8 * (most + 1)) - 1)
    return Programme(False, stretch if n <= MOST_POINTS and stretch > 2 * most + 2 else 0, n_bytes, n_steps)


@dataclass(frozen=True)
class PointsOnALine:
    """Distinct points of one input with the weights and weighted means of their samples, sorted.

    Attributes
    ----------
    positions : tuple of n int
        Increasing; the input up to an affine map.
    weights, means : tuples of n Fraction
        Sum of the weights of the samples at a point, > 0, and the weighted mean of their targets.
    """

    positions: tuple[int, ...]
    weights: tuple[Fraction, ...]
    means: tuple[Fraction, ...]

    @property
    def n_points(self) -> int:
        """n, the number of distinct points."""
        return len(self.positions)

    def part(self, begin: int, end: int) -> PointsOnALine:
        """Some consecutive ones."""
        at = slice(begin, end)
        return PointsOnALine(self.positions[at], self.weights[at], self.means[at])


@dataclass(frozen=True)
class Pieces:
    """Lower bounds for 0, 1, ..., w kinks.

    Attributes
    ----------
    bounds : tuple of w + 1 Fraction
        ``bounds[k]``: no function with at most k kinks has a lower risk on the points.
    joined : bool
        Whether kinks that have to join their pieces are counted as such; otherwise the pieces are independent.
    """

    bounds: tuple[Fraction, ...]
    joined: bool


def pieces_bounds(points: PointsOnALine, kinks: int, join: bool = True) -> Pieces | None:
    """Lower bounds of the risk of functions with at most `kinks` kinks; None where the points are too many or too close.

    The risk is 1/2 sum w (f - mean)^2 over the points: what their samples have beyond it no function removes. Pieces are
    joined at kinks if that is asked for, and affordable: `programme`.
    """
    way, n = programme(points.n_points, kinks), points.n_points
    if way.joined or way.stretch == n:
        return _bounds(points, kinks, join and way.joined)
    if not way.stretch:
        return None
    # of about the same size each
    parts = -(-n // way.stretch)
    edges = [n * k // parts for k in range(parts + 1)]
    total = [Fraction(0)] * (kinks + 1)
    for begin, end in pairwise(edges):
        found = _bounds(points.part(begin, end), kinks, False)
        if found is not None:
            total = [a + b for a, b in zip(total, found.bounds, strict=True)]
    return Pieces(tuple(total), False)


def _bounds(points: PointsOnALine, kinks: int, joined: bool) -> Pieces | None:
    """Of all points together."""
    n = points.n_points
    most = min(kinks, max(n - 2, 0))  # n - 2 kinks interpolate
    prepared = _prepared(points)
    if prepared is None:
        return None
    (high, low, w, r), unit = prepared
    sums = np.empty((n + 1, 12))
    if joined:
        work = np.empty((7 + most) * (n * (n + 1) // 2) + n)
        best = np.empty(most + 1)
        _pieces.joined(high, low, w, r, math.inf, sums, work, _pieces.BEST_VARIANT, best)
    else:
        table = np.empty((most + 1, n + 1))
        work, last = np.empty(8 * (n + 1)), np.empty(most + 1, dtype=np.intp)
        _pieces.independent(high, low, w, r, math.inf, sums, work, last, table)
        best = table[:, -1]
    # (1 + n u) covers the rounding of this norm itself
    shift = U * math.sqrt(float(w @ (r * r))) * (1.0 + (n + 4) * U)
    bounds = [_after_rounding(float(v), shift) * unit for v in best]
    return Pieces(tuple(bounds + [Fraction(0)] * (kinks - most)), joined)


def _after_rounding(risk: float, shift: float) -> Fraction:
    """A lower bound of (sqrt(2 risk) - shift)^2 / 2, or 0: risk - shift sqrt(2 risk) is one."""
    if not 0.0 < risk < math.inf:
        return Fraction(0)
    root = math.sqrt(2.0 * risk) * (1.0 + 4.0 * U)
    return max(Fraction(0), Fraction(risk) - Fraction(shift) * Fraction(root))


def _prepared(points: PointsOnALine) -> tuple[tuple[Floats, Floats, Floats, Floats], Fraction] | None:
    """Positions (high, low), weights and values at most 1 in size, and the unit of a risk in them."""
    centre = points.positions[points.n_points // 2]
    pairs = _pairs([p - centre for p in points.positions])
    if pairs is None:
        return None
    high, low = pairs
    weights = [v.as_integer_ratio() for v in points.weights]
    top = _power_above(weights)
    w = np.array([_rounded_down(*pair) for pair in _scaled(weights, top)])
    rest = _less_affine(points, high, w)
    size = _power_above(rest)
    return (high, low, w, _floats(rest, size)), power_of_two(2 * size + top)


# Ratios n / d, d > 0, that need not be in lowest terms: reducing each would take longer than all else.
Ratio = tuple[int, int]


def _power_above(values: list[Ratio]) -> int:
    """An exponent e with all |n / d| < 2^e, within 2 of the least; 0 if all are 0."""
    return max((n.bit_length() - d.bit_length() + 1 for n, d in values if n), default=0)


def _scaled(values: list[Ratio], exponent: int) -> list[Ratio]:
    """The values over 2^exponent."""
    up, down = max(exponent, 0), max(-exponent, 0)
    return [(n << down, d << up) for n, d in values]


def _floats(values: list[Ratio], exponent: int) -> Floats:
    """The float64 numbers nearest to the values over 2^exponent, which are below 1."""
    # integer true division is correctly rounded
    return np.array([n / d for n, d in _scaled(values, exponent)], dtype=np.float64)


def _rounded_down(n: int, d: int) -> float:
    """The largest float64 that is not above n / d < 1."""
    nearest = n / d
    p, q = nearest.as_integer_ratio()
    return nearest if p * d <= n * q else math.nextafter(nearest, -math.inf)


def _pairs(positions: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Integers as high + low, divided by a power of two so that they are at most 1; None where two words do not do."""
    top = max(abs(positions[0]), abs(positions[-1])).bit_length()
    if top > 1000:
        return None
    high = [float(p) for p in positions]
    low = [float(p - int(h)) for p, h in zip(positions, high, strict=True)]
    if any(p != int(h) + int(v) for p, h, v in zip(positions, high, low, strict=True)):
        return None
    return np.ldexp(np.array(high), -top), np.ldexp(np.array(low), -top)


def _less_affine(points: PointsOnALine, t: Floats, w: Floats) -> list[Ratio]:
    """The means less about their best affine function of t: an exact affine function, whatever it is."""
    means = [v.as_integer_ratio() for v in points.means]
    size = _power_above(means)
    y = _floats(means, size)
    total = float(w.sum())
    if not y.any() or not total > 0.0:
        return means
    centre = float(w @ t) / total
    spread = float(w @ (t - centre) ** 2)
    slope = float(w @ ((t - centre) * y)) / spread if spread > 0.0 else 0.0
    level = float(w @ y) / total - slope * centre
    middle, first, last = points.positions[len(t) // 2], points.positions[0], points.positions[-1]
    reach = max(abs(first - middle), abs(last - middle)).bit_length()
    # a + b (p - middle) = (A + B (p - middle)) unit
    (A, B), unit = common_numerators(
        [Fraction(level) * power_of_two(size), Fraction(slope) * power_of_two(size - reach)]
    )
    up, down = unit.as_integer_ratio()
    return [
        (n * down - d * up * (A + B * (p - middle)), d * down)
        for (n, d), p in zip(means, points.positions, strict=True)
    ]
