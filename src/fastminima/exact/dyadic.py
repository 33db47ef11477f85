"""float64 numbers as integers on a power-of-two grid, and rationals rounded back.

A finite float64 is n * 2**e with integers n, e. Everything exact in this package starts from that.
"""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[Any]
"""Object array of Python integers."""

__all__ = [
    "Floats",
    "Ints",
    "bit_size",
    "bit_span",
    "largest_magnitude",
    "next_above",
    "next_below",
    "odd_mantissa",
    "power_of_two",
    "round_down",
    "round_fraction",
    "round_towards",
    "round_up",
    "rounded_difference",
    "short_above",
    "sqrt_above",
    "sqrt_floor",
    "to_integers",
]


def power_of_two(exponent: int) -> Fraction:
    """2**exponent as a Fraction."""
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)


def bit_size(value: Fraction) -> int:
    """An exponent e with 2**(e - 1) < abs(value) < 2**(e + 1), for `value` != 0."""
    return value.numerator.bit_length() - value.denominator.bit_length()


def largest_magnitude(values: Floats) -> float:
    """max |value|, 0.0 of none, without a temporary of the size of `values`."""
    return max(float(values.max()), -float(values.min())) if values.size else 0.0


def odd_mantissa(values: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Odd integers n and exponents e with values = n * 2**e; n = 0, e = 0 for zeros.

    Parameters
    ----------
    values : (m,) float64, finite

    Returns
    -------
    mantissa, exponent : (m,) int64
    """
    fraction, exponent = np.frexp(values)
    # frexp normalises subnormals too, so 2**53 * fraction is an integer for every finite float64
    mantissa = (fraction * 2.0**53).astype(np.int64)
    lowest = mantissa & -mantissa
    # the lowest set bit is a power of two up to 2**53: exact in float64, and frexp reads its exponent
    zeros = np.frexp(lowest.astype(np.float64))[1].astype(np.int64) - 1
    nonzero = mantissa != 0
    zeros[~nonzero] = 0
    odd = mantissa >> zeros
    shift = exponent.astype(np.int64) - 53 + zeros
    shift[~nonzero] = 0
    return odd, shift


def bit_span(values: Floats) -> tuple[int, int]:
    """Exponents (low, top): values are multiples of 2**low below 2**top in size; (0, 0) if all are zero."""
    odd, exponent = odd_mantissa(values)
    nonzero = odd != 0
    if not nonzero.any():
        return 0, 0
    return int(exponent[nonzero].min()), int(np.frexp(np.abs(values).max())[1])


def to_integers(values: Floats) -> tuple[Ints, int]:
    """Python integers n and one exponent e with values = n * 2**e exactly, e as large as possible.

    Parameters
    ----------
    values : (m,) float64, finite

    Returns
    -------
    numerators : (m,) object array of Python int
    exponent : int
    """
    odd, exponent = odd_mantissa(values)
    nonzero = odd != 0
    if not nonzero.any():
        return np.zeros(len(values), dtype=np.int64).astype(object), 0
    low = int(exponent[nonzero].min())
    shift = np.where(nonzero, exponent - low, 0)
    bits = np.frexp(np.abs(odd).astype(np.float64))[1] + shift
    if int(bits.max()) <= 62:
        return (odd << shift).astype(object), low
    return odd.astype(object) << shift.astype(object), low


def round_fraction(value: Fraction) -> float:
    """The float64 nearest to `value`, ties to even; +-inf when out of range."""
    try:
        # integer true division is correctly rounded, subnormal results included
        return value.numerator / value.denominator
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def rounded_difference(a: Fraction | float, b: Fraction | float) -> float:
    """The float64 nearest to a - b, without a fraction of it; +-inf when out of range."""
    p, q = a.as_integer_ratio()
    r, s = b.as_integer_ratio()
    top = p * s - r * q
    try:
        return top / (q * s)
    except OverflowError:
        return math.inf if top > 0 else -math.inf


def round_towards(value: Fraction, side: float) -> float:
    """The float64 nearest to `value` among those on the given side of it, itself included.

    Parameters
    ----------
    value : Fraction
    side : math.inf or -math.inf
        inf: not below `value`; -inf: not above. Where all finite ones lie on the other side, the infinity.
    """
    number = round_fraction(value)
    if math.isinf(number) or (Fraction(number) > value if side < 0 else Fraction(number) < value):
        number = math.nextafter(number, side)
    return number


def round_up(value: Fraction) -> float:
    """The least float64 that is not below `value`; inf where it is above them all."""
    return round_towards(value, math.inf)


def round_down(value: Fraction) -> float:
    """The largest float64 that is not above `value`; -inf where it is below them all."""
    return round_towards(value, -math.inf)


def next_above(value: Fraction) -> float:
    """The float64 after the one nearest to `value`: strictly above it, without a comparison of rationals."""
    return math.nextafter(round_fraction(value), math.inf)


def next_below(value: Fraction) -> float:
    """The float64 before the one nearest to `value`: strictly below it, without a comparison of rationals."""
    return math.nextafter(round_fraction(value), -math.inf)


def short_above(value: Fraction) -> Fraction:
    """A number not below `value` >= 0 with an odd part of at most 11 bits, at most one part in 500 above."""
    if not value:
        return value
    unit = power_of_two(bit_size(value) - 10)
    return math.ceil(value / unit) * unit


def sqrt_floor(value: Fraction) -> float:
    """The largest float64 whose square does not exceed `value` >= 0 (the largest finite one at most)."""
    if value <= 0:
        return 0.0
    p, q = value.numerator, value.denominator
    # bring the radicand to 128..130 bits: its integer root then carries 64 correct leading bits
    half = (130 - p.bit_length() + q.bit_length()) // 2
    root = math.isqrt((p << 2 * half) // q) if half >= 0 else math.isqrt(p // (q << -2 * half))
    result = min(round_fraction(root * power_of_two(-half)), sys.float_info.max)
    while Fraction(result) ** 2 > value:
        result = math.nextafter(result, 0.0)
    while result < sys.float_info.max and Fraction(math.nextafter(result, math.inf)) ** 2 <= value:
        result = math.nextafter(result, math.inf)
    return result


def sqrt_above(value: Fraction) -> float:
    """The float64 after `sqrt_floor`: above the root of `value` > 0; 0.0 for 0."""
    return math.nextafter(sqrt_floor(value), math.inf) if value else 0.0
