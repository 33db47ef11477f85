"""Double-double arithmetic on arrays, and affine forms evaluated with a proved error bound.

An unevaluated sum hi + lo with hi = fl(hi + lo) carries about 106 bits. The building blocks are error-free
in the absence of overflow and of underflow (Knuth's TwoSum, Dekker's TwoProduct); callers scale first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .affine import Columns, affine_numerators
from .dyadic import Floats, bit_size, power_of_two, round_fraction

F64 = NDArray[np.float64]

__all__ = ["DoubleDouble", "DoubleDoubleSum", "evaluate", "split_fraction", "two_product", "two_sum"]

# 4,096 rows of a dozen temporaries stay in the second-level cache
_ROWS = 4096
_SPLITTER = 2.0**27 + 1.0


class DoubleDouble(NamedTuple):
    """Values |value_i - (hi_i + lo_i) * 2**exponent| <= bound * 2**exponent, one bound for all rows."""

    hi: Floats
    lo: Floats
    bound: float
    exponent: int


def two_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """s = fl(a + b) and e with s + e = a + b exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Floats | float, b: Floats) -> tuple[Floats, Floats]:
    """p = fl(a b) and e with p + e = a b exactly (Dekker), for |a|, |b| <= 1 and products above 2**-968."""
    p = a * b
    t = a * _SPLITTER
    a1 = t - (t - a)
    a2 = a - a1
    t = b * _SPLITTER
    b1 = t - (t - b)
    b2 = b - b1
    return p, a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)


def split_fraction(value: Fraction) -> tuple[float, float]:
    """hi = fl(value), lo = fl(value - hi); the rest is at most 2**-106 |value| for values in mid-range."""
    hi = round_fraction(value)
    if not np.isfinite(hi):
        return hi, 0.0
    return hi, round_fraction(value - Fraction(hi))


def _exact_rows(columns: Columns, form: Sequence[Fraction]) -> DoubleDouble:
    """The same from integers: for exact data, whose float view need not be the data."""
    numerators, scale = affine_numerators(columns, form)
    peak = max((abs(n) for n in numerators.tolist()), default=0)
    if peak == 0:
        zero = np.zeros(len(numerators))
        return DoubleDouble(zero, zero.copy(), 0.0, 0)
    top = peak.bit_length() + scale.numerator.bit_length() - scale.denominator.bit_length() + 1
    unit = scale * power_of_two(-top)
    pairs = [split_fraction(int(n) * unit) for n in numerators]
    hi = np.array([p[0] for p in pairs])
    lo = np.array([p[1] for p in pairs])
    # lo may have been rounded up to half a unit of hi
    hi, lo = two_sum(hi, lo)
    # |value| < 1 after scaling: two roundings leave at most 2**-106, plus the smallest subnormal
    return DoubleDouble(hi, lo, 2.0**-105, top)


def evaluate(columns: Columns, forms: Sequence[Sequence[Fraction]]) -> list[DoubleDouble]:
    """Affine forms on all rows in double-double with a uniform error bound; float64 data: one exponent.

    Parameters
    ----------
    columns : Columns
    forms : list of dx + 2 Fractions each (c_0, c_1, ..., c_dx, c_y)

    Returns
    -------
    list of DoubleDouble with (m,) arrays, normalised (hi = fl(hi + lo))

    Notes
    -----
    Columns are scaled by powers of two to |x| <= 1 and the forms to |c| <= 1. With u = 2**-53, n terms and
    A = sum |c_j| max|x_j|: a coefficient is ch + cl with error 2u^2|c|; t = fl(cl x + e) after
    TwoProduct(ch, x) = p + e has error <= (1 + 2) u^2 |c x| (1 + 2u): at most 6 u^2 A over all terms.
    The running sum is kept by TwoSum exactly but for the low word, which after j terms is at most
    (j + 3) u A; its additions cost u times that per term: n (n + 7) u^2 A in all. Hence

        |error| <= (n^2 + 8 n + 8) u^2 A (1 + 2**-30),

    and scaling and products that underflow add less than 16 n 2**-1074, far below u^2 A since A >= 1/2.
    """
    m = columns.n_samples
    if columns.exact is not None:
        return [_exact_rows(columns, form) for form in forms]
    used = [j for j in range(columns.n_features + 1) if any(form[j + 1] != 0 for form in forms)]
    tops = {}
    for j in used:
        values = columns.floats(j)
        tops[j] = int(np.frexp(max(values.max(initial=0.0), -values.min(initial=0.0)))[1])
    magnitudes = [abs(form[0]) for form in forms]
    magnitudes += [abs(form[j + 1]) * power_of_two(tops[j]) for form in forms for j in used]
    peak = max(magnitudes, default=Fraction(0))
    if peak == 0:
        return [DoubleDouble(np.zeros(m), np.zeros(m), 0.0, 0) for _ in forms]
    exponent = bit_size(peak) + 1
    unit = power_of_two(-exponent)
    results = []
    plans = []
    for form in forms:
        terms = [(j, *split_fraction(form[j + 1] * power_of_two(tops[j]) * unit)) for j in used]
        terms = [t for t in terms if t[1] != 0.0]
        start = split_fraction(form[0] * unit)
        n = len(terms) + 1
        size = abs(start[0]) + sum(abs(t[1]) for t in terms)
        bound = (n * n + 8 * n + 8) * 2.0**-106 * max(size, 0.5) * (1 + 2.0**-20)
        results.append(DoubleDouble(np.empty(m), np.empty(m), bound, exponent))
        plans.append((start, terms))
    for begin in range(0, m, _ROWS):
        end = min(begin + _ROWS, m)
        rows = {j: np.ldexp(columns.floats(j)[begin:end], -tops[j]) for j in used}
        for result, (start, terms) in zip(results, plans, strict=True):
            hi = np.full(end - begin, start[0])
            lo = np.full(end - begin, start[1])
            for j, ch, cl in terms:
                x = rows[j]
                p, e = two_product(ch, x)
                hi, e2 = two_sum(hi, p)
                e += cl * x
                e += e2
                lo += e
            result.hi[begin:end], result.lo[begin:end] = two_sum(hi, lo)
    return results


@dataclass
class DoubleDoubleSum:
    """A running sum of matrices in double-double."""

    hi: F64
    lo: F64

    def add(self, term: F64) -> None:
        self.hi, error = two_sum(self.hi, term)
        self.lo += error

    @property
    def total(self) -> F64:
        return self.hi + self.lo
