"""Linear algebra modulo one prime: ranks from below, and square systems over the rationals by lifting.

(a) A minor that is not 0 modulo p is not 0: rows or columns that are independent modulo p are independent over the
    rationals. The other way round nothing is proved; whoever needs it checks the dependence exactly.
(b) Dixon (1982): with C = B^-1 modulo p the solution of B z = y comes digit by digit, x_i = C r_i mod p and
    r_(i+1) = (r_i - B x_i)/p, r_0 = y, so that z = x_0 + x_1 p + ... modulo p^k. B and r stay small; no entry of an
    elimination grows. A rational with numerator and denominator below sqrt(p^k/2) is found again from its residue by
    half an extended gcd (Wang 1981), and one denominator serves all entries but a few. With Z = d z modulo p^h the integers
    B Z - d y are multiples of p^h: where n max|B| max|Z| + d max|y| < p^h they are 0, which proves the solution. By Cramer
    and Hadamard's bound that happens once p^k exceeds the square of prod_j ||B_j|| times the largest |y|, and 2^40: the
    work has that bound, m^2 operations a digit.
(c) p = 2^26 - 5: products of residues stay below 2^52, so sums with digits of 16 bits are exact in float64.
    Every step is short, so that an interrupt is heard between two of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dyadic import Floats, Ints, odd_mantissa

__all__ = ["PRIME", "echelon", "float_residues", "integer_residues", "inverse", "solve_square"]

Residues = NDArray[np.int64]

PRIME = 2**26 - 5
_TERMS = 1 << 11
_LIMB = 16


def integer_residues(values: Ints) -> Residues:
    """Python integers modulo p."""
    return np.array([int(v) % PRIME for v in values], dtype=np.int64)


def float_residues(values: Floats) -> Residues:
    """float64 numbers n 2^e modulo p: 2 has an inverse there, so no common exponent is needed."""
    odd, exponent = odd_mantissa(values)
    distinct, place = np.unique(exponent, return_inverse=True)
    powers = np.array([pow(2, int(e), PRIME) for e in distinct], dtype=np.int64)
    return (odd % PRIME) * powers[place] % PRIME


def echelon(A: Residues) -> tuple[list[int], list[int]]:
    """Pivot columns, each the leftmost independent of those before it modulo p, and as many independent rows."""
    work, order = A.copy(), np.arange(len(A))
    pivots: list[int] = []
    for c in range(A.shape[1]):
        r = len(pivots)
        if r == len(work):
            break
        found = np.flatnonzero(work[r:, c])
        if not len(found):
            continue
        k = r + int(found[0])
        if k != r:
            work[[r, k]], order[[r, k]] = work[[k, r]], order[[k, r]]
        row = work[r, c:] * pow(int(work[r, c]), -1, PRIME) % PRIME
        below = work[r + 1 :, c:]
        below -= below[:, :1] * row
        below %= PRIME
        pivots.append(c)
    return pivots, order[: len(pivots)].tolist()


def inverse(B: Residues) -> Residues | None:
    """B^-1 modulo p, None where B is singular there."""
    n = len(B)
    work = np.concatenate([B, np.eye(n, dtype=np.int64)], axis=1)
    for c in range(n):
        found = np.flatnonzero(work[c:, c])
        if not len(found):
            return None
        k = c + int(found[0])
        if k != c:
            work[[c, k]] = work[[k, c]]
        work[c, c:] = work[c, c:] * pow(int(work[c, c]), -1, PRIME) % PRIME
        others = work[:, c].copy()
        others[c] = 0
        # columns left of c are unit vectors already, and those right of n + c still 0 above and below
        work[:, c:] = (work[:, c:] - others[:, None] * work[c, c:]) % PRIME
    return work[:, n:]


class _Limbs:
    """An integer matrix in digits of 16 bits, for exact products with residues in float64.

    Digits below 2^16 times residues below 2^26: sums of 2^11 terms stay within 2^53, whatever their order.
    """

    def __init__(self, B: Ints) -> None:
        sign, parts = np.where(B < 0, -1.0, 1.0), []
        rest: Ints = abs(B)
        while rest.any():
            parts.append((rest & ((1 << _LIMB) - 1)).astype(np.float64) * sign)
            rest = rest >> _LIMB
        self._count, self._stacked = len(parts), np.concatenate([*parts, np.empty((0, B.shape[1]))])

    def _sums(self, x: Residues) -> Iterator[Residues]:
        """Products of all digits with parts of x; their sum is what is wanted."""
        for start in range(0, len(x), _TERMS):
            part = slice(start, start + _TERMS)
            yield (self._stacked[:, part] @ x[part].astype(np.float64)).astype(np.int64)

    def times(self, x: Residues) -> Ints:
        """B x, exact."""
        total: Any = np.zeros((len(x), x.shape[1]), dtype=object)
        for sums in self._sums(x):
            for k, digit in enumerate(np.split(sums, self._count)):
                total = total + (digit.astype(object) << (_LIMB * k))
        return total

    def times_modulo(self, x: Residues) -> Residues:
        """B x modulo p."""
        total = np.zeros((len(x), x.shape[1]), dtype=np.int64)
        for sums in self._sums(x):
            for k, digit in enumerate(np.split(sums, self._count)):
                total = (total + digit % PRIME * pow(2, _LIMB * k, PRIME)) % PRIME
        return total


def solve_square(B: Ints, Y: Ints) -> tuple[Ints, list[int]] | None:
    """Z and denominators d_c > 0 with B Z_c = d_c Y_c exactly, (b); None where B is singular modulo p.

    Parameters
    ----------
    B : (n, n) object array of Python integers
    Y : (n, k) object array of Python integers
    """
    n, k = len(B), Y.shape[1]
    if not n or not k:
        return np.zeros((n, k), dtype=object), [1] * k
    residues = np.array([[int(v) % PRIME for v in row] for row in B], dtype=np.int64)
    C = inverse(residues)
    if C is None:
        return None
    limbs, first, rest = _Limbs(B), _Limbs(C.astype(object)), Y.copy()
    digits: list[Residues] = []
    tried, limit = 4, _most_digits(B, Y)
    while True:
        x = first.times_modulo((rest % PRIME).astype(np.int64))
        digits.append(x)
        rest = (rest - limbs.times(x)) // PRIME
        # a rest of 0 ends the digits: the solution is an integer matrix
        if len(digits) < tried and len(digits) < limit and rest.any():
            continue
        found = _recovered(B, Y, digits)
        if found is not None:
            return found
        if len(digits) > limit:
            raise ArithmeticError(
                "a lifted solution has more digits than Hadamard's bound: a fault of this program"
            )
        tried = max(tried + 1, tried * 3 // 2)


def _most_digits(B: Ints, Y: Ints) -> int:
    """Digits after which recovery cannot fail, (b)."""
    bits = sum(int((column * column).sum()).bit_length() // 2 + 1 for column in B.T)
    target = max(int((column * column).sum()).bit_length() // 2 + 1 for column in Y.T)
    return (2 * (bits + target) + 44) // 25 + 2


def _recovered(B: Ints, Y: Ints, digits: list[Residues]) -> tuple[Ints, list[int]] | None:
    """Z and denominators proved by (b), None where the digits are too few."""
    largest = len(B) * int(abs(B).max())
    # Z itself is half as long as what a rational needs to be found
    half = min(len(digits), len(digits) // 2 + largest.bit_length() // 25 + 2)
    Z, denominators = np.zeros(Y.shape, dtype=object), []
    short: Ints | None = None
    for c in range(Y.shape[1]):
        first = _rational(_entry(digits, 0, c), PRIME ** len(digits))
        if first is None:
            return None
        if short is None:
            short = _joined([d.astype(object) for d in digits[:half]], PRIME)
        target = int(abs(Y[:, c]).max())
        column = _numerators(short[:, c], PRIME**half, PRIME**half // (2 * largest), (digits, c, first[1]))
        if column is None or column[1] * target >= PRIME**half // 2:
            return None
        Z[:, c] = column[0]
        denominators.append(column[1])
    return Z, denominators


def _numerators(
    values: Ints, modulus: int, bound: int, at: tuple[list[Residues], int, int]
) -> tuple[list[int], int] | None:
    """d z with all entries below `bound`, for residues z modulo `modulus`; d grows where an entry needs it."""
    digits, c, d = at
    numerators: list[int] = []
    i = 0
    while i < len(values):
        rest = int(values[i]) * d % modulus
        rest = rest - modulus if rest > modulus // 2 else rest
        if abs(rest) < bound:
            numerators.append(rest)
            i += 1
            continue
        whole = PRIME ** len(digits)
        found = _rational(_entry(digits, i, c) * d % whole, whole)
        if found is None or found[1] == 1:
            return None
        numerators = [n * found[1] for n in numerators]
        d *= found[1]
        if any(abs(n) >= bound for n in numerators):
            return None
    return numerators, d


def _entry(digits: list[Residues], row: int, column: int) -> int:
    return int(_joined([d[row : row + 1, column].astype(object) for d in digits], PRIME)[0])


def _joined(parts: list[Ints], unit: int) -> Ints:
    """sum_i parts_i unit^i, by halves: products of numbers of one length."""
    while len(parts) > 1:
        # a last part without a neighbour
        if len(parts) % 2:
            parts.append(parts[0] * 0)
        parts = [low + high * unit for low, high in zip(parts[::2], parts[1::2], strict=True)]
        unit *= unit
    return parts[0]


def _rational(residue: int, modulus: int) -> tuple[int, int] | None:
    """n, d with n = residue d modulo `modulus`, d > 0, both 20 bits shorter than they might be; None where there are none.

    The spare bits tell residues of digits that are still too few at their first entry: what they are is proved later.
    """
    bound = math.isqrt(modulus >> 40)
    a, b, s, t = modulus, residue, 0, 1
    while b > bound:
        q, rest = divmod(a, b)
        a, b = b, rest
        s, t = t, s - q * t
    if not 0 < abs(t) <= bound:
        return None
    return (b, t) if t > 0 else (-b, -t)
