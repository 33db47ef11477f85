"""Rational matrices as integers over one scale: products and sums without a fraction per entry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .affine import common_numerators
from .dyadic import Floats, Ints, power_of_two, to_integers
from .nullspace import null_space

__all__ = ["RationalMatrix", "Rationals", "dot"]

Rationals = list[list[Fraction]]
"""A rational matrix as a list of rows."""


def dot(a: Sequence[Fraction | float], b: Sequence[Fraction | float]) -> Fraction:
    """The inner product of two vectors of rationals or finite float64 numbers, exactly.

    One fraction a sum: reducing every product and every partial sum takes ten times as long.
    """
    numerators, denominators = [], []
    for x, y in zip(a, b, strict=True):
        p, q = x.as_integer_ratio()
        r, s = y.as_integer_ratio()
        if p and r:
            numerators.append(p * r)
            denominators.append(q * s)
    common = math.lcm(*denominators)
    return Fraction(sum(n * (common // d) for n, d in zip(numerators, denominators, strict=True)), common)


def _quotient(n: int, d: int) -> float:
    """The float64 nearest to n / d."""
    try:
        # integer true division is correctly rounded, subnormal results included
        return n / d
    except OverflowError:
        return math.inf if n > 0 else -math.inf


@dataclass(frozen=True, eq=False)
class RationalMatrix:
    """numerators * scale.

    Attributes
    ----------
    numerators : (n, k) object array of Python integers
    scale : Fraction > 0
    """

    numerators: Ints
    scale: Fraction

    @staticmethod
    def of(rows: Sequence[Sequence[Fraction]]) -> RationalMatrix:
        """From rows of Fractions, one or more."""
        flat, scale = common_numerators([v for row in rows for v in row])
        numerators = np.empty(len(flat), dtype=object)
        numerators[:] = flat
        return RationalMatrix(numerators.reshape(len(rows), -1), scale)

    @staticmethod
    def of_floats(values: Floats) -> RationalMatrix:
        """From float64 numbers, exactly."""
        integers, power = to_integers(values.ravel())
        return RationalMatrix(integers.reshape(values.shape), power_of_two(power))

    @staticmethod
    def identity(n: int) -> RationalMatrix:
        """Of n rows."""
        return RationalMatrix(np.eye(n, dtype=int).astype(object), Fraction(1))

    @property
    def T(self) -> RationalMatrix:
        """The transpose."""
        return RationalMatrix(self.numerators.T, self.scale)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k)."""
        return self.numerators.shape[0], self.numerators.shape[1]

    def __matmul__(self, other: RationalMatrix) -> RationalMatrix:
        return RationalMatrix(self.numerators.dot(other.numerators), self.scale * other.scale)

    def __add__(self, other: RationalMatrix) -> RationalMatrix:
        a, b = self.scale, other.scale
        if a == b:
            return RationalMatrix(self.numerators + other.numerators, a)
        # the largest unit of which both scales are multiples
        unit = Fraction(
            math.gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator
        )
        left, right = a / unit, b / unit
        return RationalMatrix(self.numerators * left.numerator + other.numerators * right.numerator, unit)

    def __sub__(self, other: RationalMatrix) -> RationalMatrix:
        return self + RationalMatrix(-other.numerators, other.scale)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RationalMatrix) and self.shape == other.shape and not (self - other).any()

    __hash__ = None  # type: ignore[assignment]

    def times(self, factor: Fraction) -> RationalMatrix:
        """factor * self."""
        if factor > 0:
            return RationalMatrix(self.numerators, self.scale * factor)
        # a scale stays above 0
        return RationalMatrix(
            self.numerators * (-1 if factor else 0), self.scale * abs(factor) or Fraction(1)
        )

    def any(self) -> bool:
        """Is an entry not 0?"""
        return bool(self.numerators.any())

    def inner(self, other: RationalMatrix) -> Fraction:
        """<self, other>, the sum of products of entries."""
        return int((self.numerators * other.numerators).sum()) * self.scale * other.scale

    def null_basis(self) -> list[list[int]]:
        """Integer vectors that span the null space."""
        return null_space(self.numerators.tolist(), self.shape[1])

    def rank(self) -> int:
        """The rank."""
        return self.shape[1] - len(self.null_basis())

    def rows(self) -> Rationals:
        """As rows of Fractions."""
        return [[int(v) * self.scale for v in row] for row in self.numerators.tolist()]

    def rounded(self) -> Floats:
        """The float64 numbers nearest to the entries; inf beyond their range."""
        over, under = self.scale.numerator, self.scale.denominator
        flat = [_quotient(v * over, under) for v in self.numerators.ravel().tolist()]
        return np.array(flat, dtype=np.float64).reshape(self.shape)

    def is_float64(self) -> bool:
        """Is every entry a float64 number?"""
        over, under = self.scale.numerator, self.scale.denominator
        power = over.bit_length() - under.bit_length()
        bits = max((abs(v) for v in self.numerators.ravel().tolist()), default=0).bit_length()
        if over & (over - 1) == under & (under - 1) == 0 and -1074 <= power <= 1024 - bits and bits <= 53:
            return True
        values = self.rounded()
        return bool(np.isfinite(values).all()) and RationalMatrix.of_floats(values) == self

    def normalised(self) -> tuple[Floats, int]:
        """(values, exponent): values * 2**exponent rounds the entries, and the largest is between 1/4 and 1 in size."""
        peak = max((abs(v) for v in self.numerators.ravel().tolist()), default=0)
        if not peak:
            return np.zeros(self.shape), 0
        top = peak.bit_length() + self.scale.numerator.bit_length() - self.scale.denominator.bit_length() + 1
        return RationalMatrix(self.numerators, self.scale * power_of_two(-top)).rounded(), top

    def norm(self) -> float:
        """The Frobenius norm to about 16 digits, inf where it leaves the range of float64."""
        if not self.any():
            return 0.0
        square = self.inner(self)
        # an even power of two brings the square to where float64 has all its digits
        power = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
        root = math.sqrt(float(square * power_of_two(-2 * power)))
        try:
            return math.ldexp(root, power)
        except OverflowError:
            return math.inf


def solve(S: RationalMatrix, B: RationalMatrix) -> RationalMatrix | None:
    """S^-1 B, None where S is singular."""
    n, k = S.shape[0], B.shape[1]
    if S.rank() < n:
        return None
    # (u, t) with S u = B t: the columns of S carry all pivots, so t runs through multiples of the unit vectors
    basis = null_space(np.hstack([S.numerators, -B.numerators]).tolist(), n + k)
    rows = [[Fraction(basis[c][i], basis[c][n + c]) for c in range(k)] for i in range(n)]
    return RationalMatrix.of(rows).times(B.scale / S.scale)
