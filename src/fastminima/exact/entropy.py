"""Entropies and cross entropies of rational numbers, enclosed by decimals.

`decimal` rounds quotients, exp and ln correctly to 60 digits, so each is right up to u = 10^-59 of its size.

(a) Entropy, -sum p ln p. A term's p is off by u p, its logarithm by u (|ln p| + 2), the product by u more: at most
    8 u (p |ln p| + p), and over a row of K at most 8 u (ln K + 1).
(b) Cross entropy, ln sum_j exp(d_j) - <t, d>, d_j = z_j - max z <= 0. exp(d_j) is off by 2 u (|d_j| + 1) exp(d_j) <= 2 u,
    the sum of K of them, at least 1, by (K + 2) K u, its logarithm by that and u ln K; <t, d> is rational and rounded once.
(c) Weights round once, and a sum of N terms of one sign loses at most N u of itself.
The factor 10 between u and the unit of the bounds below covers their own roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction

from .matrix import RationalMatrix

__all__ = ["cross_entropy", "entropy"]

Bounds = tuple[Fraction, Fraction]

_UNIT = Decimal("1e-58")
_CONTEXT = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX)
# e^-700 < 10^-300 is nothing beside a sum that is at least 1
_FAR = -700


def _quotient(n: int, scale: Fraction) -> Decimal:
    """n * scale, rounded once."""
    return _CONTEXT.divide(Decimal(n * scale.numerator), Decimal(scale.denominator))


def _weighed(rows: Sequence[Decimal], weights: Sequence[float] | None) -> Decimal:
    total = Decimal(0)
    for k, value in enumerate(rows):
        term = value if weights is None else _CONTEXT.multiply(Decimal(weights[k]), value)
        total = _CONTEXT.add(total, term)
    return total


def _bounds(total: Decimal, error: Decimal) -> Bounds:
    centre, off = Fraction(total), Fraction(error)
    return max(centre - off, Fraction(0)), centre + off


def entropy(P: RationalMatrix, weights: Sequence[float] | None = None) -> Bounds:
    """Bounds on sum_i w_i sum_j -p_ij ln p_ij; 0 ln 0 is 0.

    Parameters
    ----------
    P : RationalMatrix, (m, K)
        Numbers from 0 to 1; rows sum to 1.
    weights : m floats >= 0, optional
        Default all 1.
    """
    rows, count = [], P.shape[1]
    for row in P.numerators.tolist():
        value = Decimal(0)
        for n in row:
            p = _quotient(n, P.scale)
            if n:
                value = _CONTEXT.subtract(value, _CONTEXT.multiply(p, _CONTEXT.ln(p)))
        rows.append(value)
    mass = _weighed([Decimal(1)] * len(rows), weights)
    units = Decimal((len(rows) * count + 16) * (count + 1))
    error = _CONTEXT.multiply(_CONTEXT.multiply(_UNIT, units), mass)
    return _bounds(_weighed(rows, weights), error)


def cross_entropy(Z: RationalMatrix, T: RationalMatrix, weights: Sequence[float] | None = None) -> Bounds:
    """Bounds on sum_i w_i (ln sum_j exp(z_ij) - sum_j t_ij z_ij).

    Parameters
    ----------
    Z : RationalMatrix, (m, K)
    T : RationalMatrix, (m, K)
        Rows of numbers >= 0 that sum to 1.
    weights : m floats >= 0, optional
    """
    rows, sizes, count = [], [], Z.shape[1]
    for z, t in zip(Z.numerators.tolist(), T.numerators.tolist(), strict=True):
        top = max(z)
        d = [v - top for v in z]
        mass = Decimal(0)
        for v in d:
            exponent = _quotient(v, Z.scale)
            if exponent > _FAR:
                mass = _CONTEXT.add(mass, _CONTEXT.exp(exponent))
        linear = _quotient(-sum(a * b for a, b in zip(d, t, strict=True)), Z.scale * T.scale)
        rows.append(_CONTEXT.add(_CONTEXT.ln(mass), linear))
        sizes.append(_CONTEXT.add(Decimal(1), linear))
    total = _weighed(rows, weights)
    scale = _CONTEXT.add(total, _weighed(sizes, weights))
    units = Decimal(len(rows) + count * count + 5 * count + 16)
    error = _CONTEXT.multiply(_CONTEXT.multiply(_UNIT, units), scale)
    return _bounds(total, error)
