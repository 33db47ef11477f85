"""Entropies and cross entropies of rational numbers, enclosed by integers in units of u = 2^-224 (`fixed_point`).

(a) Entropy, -sum p ln p. p is rounded down by less than u, which changes a term by at most 224 ln 2 u <= 156 u: its slope
    between u and 1 is at most that, and below u the term itself is. The logarithm is off by LOG_UNITS, the product by 1:
    at most 156 + 64 + 1 < 256 u.
(b) Cross entropy, ln sum_j exp(d_j) - <t, d>, d_j = z_j - max z <= 0. d_j is rounded down, so its exponential is off by
    EXP_UNITS + 1, the sum of K of them, at least 1, and so its logarithm, by K (EXP_UNITS + 2) + LOG_UNITS: less than
    (34 K + 66) u with the rounding of <t, d>, which is rational.
(c) The sum over rows, with their weights, is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from .dyadic import Ints, power_of_two, to_integers
from .fixed_point import BITS, EXP_UNITS, LOG_UNITS, exponentials, logarithms
from .matrix import RationalMatrix

__all__ = ["cross_entropy", "entropy"]

Bounds = tuple[Fraction, Fraction]

_UNIT = power_of_two(-BITS)
# of a term, see (a)
_TERM = 192 + LOG_UNITS
# rows at a time: what an integer takes is several times what its bits do
_ROWS = 16_384


def _in_units(numerators: Ints, scale: Fraction) -> Ints:
    """numerators * scale in units, rounded down."""
    factor = scale / _UNIT
    if factor.denominator & (factor.denominator - 1):
        return np.asarray(numerators * factor.numerator // factor.denominator)
    scaled = numerators if factor.numerator == 1 else numerators * factor.numerator
    return np.asarray(scaled >> (factor.denominator.bit_length() - 1))


def _summed(rows: Ints, units: int, weights: Sequence[float] | None) -> Bounds:
    """Bounds on the weighted sum of rows, each off by so many units at most; none is below 0."""
    if weights is None:
        total, mass, unit = int(rows.sum()), len(rows), _UNIT
    else:
        heavy, power = to_integers(np.asarray(weights, dtype=np.float64))
        total, mass, unit = int((heavy * rows).sum()), int(heavy.sum()), _UNIT * power_of_two(power)
    return max(total - mass * units, 0) * unit, (total + mass * units) * unit


def entropy(P: RationalMatrix, weights: Sequence[float] | None = None) -> Bounds:
    """Bounds on sum_i w_i sum_j -p_ij ln p_ij; 0 ln 0 is 0.

    Parameters
    ----------
    P : RationalMatrix, (m, K)
        Numbers from 0 to 1; rows sum to 1.
    weights : m floats >= 0, optional
        Default all 1.
    """
    parts = []
    for start in range(0, P.shape[0], _ROWS):
        p = _in_units(P.numerators[start : start + _ROWS], P.scale)
        logs = logarithms(np.where(p > 0, p, 1))
        parts.append((-(p * logs) >> BITS).sum(axis=1))
    return _summed(_joined(parts), P.shape[1] * _TERM, weights)


def cross_entropy(Z: RationalMatrix, T: RationalMatrix, weights: Sequence[float] | None = None) -> Bounds:
    """Bounds on sum_i w_i (ln sum_j exp(z_ij) - sum_j t_ij z_ij).

    Parameters
    ----------
    Z : RationalMatrix, (m, K)
    T : RationalMatrix, (m, K)
        Rows of numbers >= 0 that sum to 1.
    weights : m floats >= 0, optional
    """
    parts, count = [], Z.shape[1]
    for start in range(0, Z.shape[0], _ROWS):
        z, t = Z.numerators[start : start + _ROWS], T.numerators[start : start + _ROWS]
        d = z - z.max(axis=1)[:, None]
        linear = _in_units(-(d * t).sum(axis=1), Z.scale * T.scale)
        mass = exponentials(_in_units(d, Z.scale)).sum(axis=1)
        parts.append(logarithms(mass) + linear)
    return _summed(_joined(parts), count * (EXP_UNITS + 2) + LOG_UNITS + 2, weights)


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=object)
