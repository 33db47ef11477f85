"""Logarithms and exponentials of many numbers at once, in integers: units of u = 2^-224, errors bounded.

All shifts and divisions of integers round down, by less than 1. Lists of numbers are object arrays, so that NumPy loops over
Python's integers; `decimal` takes 15 times as long.

(a) ln. x is shifted to M in [1/2, 1), but for 2^-54 (a right shift loses 2 u of it). A factor r 2^-10 of 11 bits, chosen by
    the leading 10 bits of M, brings it to 1 + t, |t| < 2^-9: M is off the middle of its interval by 2^-10 of itself, the
    factor by 2^-11. A factor 1 - j 2^-20, j the leading bits of t, brings that to 1 + t', |t'| < 2^-21 + 2^-18.8 < 2^-18.
    ln(1 + t') = 2 artanh s, s = t'/(2 + t'), |s| < 2^-18.9, and the terms up to s^11 leave less than 2^-240. The two
    products round by 1.01 each, s by 1, a power of s by 1.1 and its quotient by 1: 2.5 a term and five of them; what is
    said of s counts twice. The logarithms of the factors are known to 1 u each, the multiple of ln 2 to 1.1:
    2 + 2.1 + 2 + 25 + 2 + 1.1 < 64 u.
(b) exp of d <= 0, d = q ln 2 + r, r in [0, ln 2), where q >= -225 lets r be off by |q| u. r is cut into two leading parts of
    10 bits, whose exponentials stand in tables (to 1.1 u; the first below 2, the second below 1.001), and a rest below
    2^-20, whose Taylor polynomial of degree 11 leaves 2^-240 / 12! and rounds by less than 3. The product of the first two
    is off by 1.2 + 2.2 + 1, that of all three by 5 + 6 + 1, and by 2.1 |q| for r; the shift by q divides this by 2^|q| and
    rounds by 1: at most 13 u < 32 u. Below -224 ln 2 the result is 0, off by 1.1 u.
(c) The tables: series of quotients with 40 bits more, so many terms that what is left is below 2^-264, and rounded once.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from .dyadic import Ints

__all__ = ["BITS", "EXP_UNITS", "LOG_UNITS", "exponentials", "logarithms"]

BITS = 224
"""u = 2^-BITS."""
LOG_UNITS = 64
"""Errors of `logarithms` are below so many u."""
EXP_UNITS = 32
"""Errors of `exponentials` are below so many u."""

_GUARD = 40
_FIRST, _SECOND = 10, 20
# |t| < 2^-9: j stays below
_MOST = 1 << (_SECOND - 9)


def logarithms(x: Ints) -> Ints:
    """ln(x u) in units of u, off by less than LOG_UNITS; x are integers above 0, below 2^1000."""
    size = np.frexp(x.astype(np.float64))[1].astype(np.int64)
    left, right = np.maximum(BITS - size, 0), np.maximum(size - BITS, 0)
    M = x << left.astype(object)
    if right.any():
        M = M >> right.astype(object)
    leading = (M >> (BITS - _FIRST)).astype(np.int64)
    factors, first, second, ln2 = _log_tables()
    one = 1 << BITS
    t = ((M * factors[leading]) >> _FIRST) - one
    j = ((t + (1 << (BITS - _SECOND - 1))) >> (BITS - _SECOND)).astype(np.int64)
    t = (((t + one) * ((1 << _SECOND) - j).astype(object)) >> _SECOND) - one
    powers = ((size - BITS).astype(object) * ln2) >> _GUARD
    return np.asarray(
        powers - first[leading] - second[j + _MOST] + _log_series((t << BITS) // (t + 2 * one), BITS, 6)
    )


def exponentials(d: Ints) -> Ints:
    """exp(d u) in units of u, off by less than EXP_UNITS; d are integers <= 0."""
    first, second, ln2 = _exp_tables()
    result = np.where(d == 0, 1, 0).astype(object) << BITS
    near = (d < 0) & (d >= -BITS * ln2)
    q = d[near] // ln2
    r = d[near] - q * ln2
    i = (r >> (BITS - _FIRST)).astype(np.int64)
    j = ((r >> (BITS - _SECOND)) & ((1 << (_SECOND - _FIRST)) - 1)).astype(np.int64)
    rest = r & ((1 << (BITS - _SECOND)) - 1)
    value = (((first[i] * second[j]) >> BITS) * _exp_series(rest, BITS, 11)) >> BITS
    result[near] = value >> (-q)
    return result


def _log_series(s: Ints, bits: int, terms: int) -> Ints:
    """2 artanh s, in units of 2^-bits."""
    square = (s * s) >> bits
    total, power = s, s
    for k in range(1, terms):
        power = (power * square) >> bits
        total = total + power // (2 * k + 1)
    return np.asarray(2 * total)


def _exp_series(r: Ints, bits: int, degree: int) -> Ints:
    """exp r, in units of 2^-bits, by Horner's rule."""
    one = 1 << bits
    value = r // degree + one
    for k in range(degree - 1, 0, -1):
        value = ((value * r) >> bits) // k + one
    return np.asarray(value)


def _logs_of(above: NDArray[np.int64], below: int) -> Ints:
    """ln(above / below) in units of 2^-(BITS + _GUARD), for quotients from 1/2 to 2: |s| <= 1/3, 3.1 bits a term."""
    bits = BITS + _GUARD
    n = above.astype(object)
    s = ((n - below) << bits) // (n + below)
    largest = int(max(abs(v) for v in s.tolist())) or 1
    gained = 2 * (bits - largest.bit_length())
    return _log_series(s, bits, bits // max(gained, 3) + 2)


@cache
def _log_tables() -> tuple[Ints, Ints, Ints, int]:
    """Factors by leading bits, the logarithms of both factors, and ln 2 with _GUARD more bits."""
    middle = 2 * np.arange((1 << _FIRST) + 1) + 1
    # what stands below 511 is never read
    factors = np.minimum(
        (2 << 2 * _FIRST) // middle + ((2 << 2 * _FIRST) % middle * 2 >= middle), 1 << (_FIRST + 1)
    )
    first = _logs_of(np.maximum(factors, 1 << (_FIRST - 1)), 1 << _FIRST) >> _GUARD
    j = np.arange(-_MOST, _MOST + 1)
    second = _logs_of((1 << _SECOND) - j, 1 << _SECOND) >> _GUARD
    return factors.astype(object), first, second, int(_logs_of(np.array([2]), 1)[0])


@cache
def _exp_tables() -> tuple[Ints, Ints, int]:
    """exp(i 2^-10), exp(j 2^-20), and ln 2."""
    bits = BITS + _GUARD
    i = np.arange(710).astype(object)
    j = np.arange(1 << (_SECOND - _FIRST)).astype(object)
    first = _exp_series(i << (bits - _FIRST), bits, 64) >> _GUARD
    second = _exp_series(j << (bits - _SECOND), bits, 28) >> _GUARD
    return first, second, _log_tables()[3] >> _GUARD
