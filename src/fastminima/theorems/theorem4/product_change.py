"""How much the product of a chain of matrices changes when its factors do, without subtracting two products.

With P_k = W_k + E_k, Q_k = P_k ... P_1 and B_k = Q_k - W_k ... W_1 the change telescopes:

    B_k = E_k Q_{k-1} + W_k B_{k-1},   B_0 = 0.

Where the escape of theorem 4 adds H - j* + 2 tiny factors the true change is their product, 1e-36 and far below; the
difference of two products would be rounding alone. Chains small enough are done in integers. Longer ones run in float64 with
a bound for every entry, in units of powers of two of their own so that nothing underflows, and with no error at all where
the factors have so few bits that BLAS cannot round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dd import two_sum
from fastminima.exact.dyadic import bit_span, power_of_two
from fastminima.exact.matrix import RationalMatrix
from fastminima.exact.roundoff import U, gamma_n
from fastminima.losses.base import Change, ProductLoss, ScaledMatrix

__all__ = [
    "change_of_product",
    "loss_change",
    "product",
    "telescoped",
]

Floats = NDArray[np.float64]
# multiplications of integers up to which a chain is done exactly: some 20 ms
EXACT_WORK = 100_000


def _normalised(values: Floats, error: Floats, exponent: int) -> ScaledMatrix:
    """The same with entries below 1 in size (zeros stay)."""
    top = float(np.abs(values).max(initial=0.0)) or float(error.max(initial=0.0))
    shift = int(np.frexp(top)[1])
    if not math.isfinite(top) or shift == 0:
        return ScaledMatrix(values, error, exponent)
    scaled = np.ldexp(values, -shift)
    if shift > 0 and np.any(np.ldexp(scaled, shift) != values):
        return ScaledMatrix(values, error, exponent)
    return ScaledMatrix(
        scaled, np.ldexp(error, -shift) + (2.0**-1074 if shift > 0 and error.any() else 0.0), exponent + shift
    )


def _bits(values: Floats) -> tuple[int, int]:
    low, top = bit_span(values.ravel())
    return top - low, low


def _times(A: ScaledMatrix, B: ScaledMatrix) -> ScaledMatrix:
    """A B with the error of the factors and of the product."""
    n = A.values.shape[1]
    exponent = A.exponent + B.exponent
    C = A.values @ B.values
    size, other = np.abs(A.values), np.abs(B.values)
    (a_bits, a_low), (b_bits, b_low) = _bits(A.values), _bits(B.values)
    # every partial sum is a multiple of 2**(a_low + b_low) of at most 53 bits: no rounding, whatever the order
    exact = a_bits + b_bits + n.bit_length() <= 53 and a_low + b_low > -1074
    rounding = 0.0 if exact else gamma_n(n)
    if exact and not A.error.any() and not B.error.any():
        return _normalised(C, np.zeros(C.shape), exponent)
    error = size @ (B.error + rounding * other) + A.error @ (other + B.error)
    # the bound itself is made of nonnegative terms: n + 4 roundings
    error *= 1.0 + gamma_n(2 * n + 8)
    if a_low + b_low <= -1074:
        error = error + n * 2.0**-1070
    return _normalised(C, error, exponent)


def _plus(A: ScaledMatrix, B: ScaledMatrix) -> ScaledMatrix:
    """A + B in the larger of the two units."""
    if not A.values.any() and not A.error.any():
        return B
    if not B.values.any() and not B.error.any():
        return A
    if A.exponent < B.exponent:
        A, B = B, A
    shift = max(B.exponent - A.exponent, -2000)
    moved = np.ldexp(B.values, shift)
    lost = (
        2.0**-1074
        if np.any(np.ldexp(moved, -shift if shift > -1000 else 1000) != B.values) or shift <= -1000
        else 0.0
    )
    total, low = two_sum(A.values, moved)
    error = (A.error + np.ldexp(B.error, shift)) * (1.0 + 4 * U) + np.abs(low) + lost
    error += 2.0**-1074 if B.error.any() and shift < 0 else 0.0
    return _normalised(total, error, A.exponent)


def _exactly(values: Floats) -> ScaledMatrix:
    return _normalised(values, np.zeros(values.shape), 0)


def _work(weights: Sequence[Floats]) -> int:
    """Integer multiplications of the telescoped change."""
    return 2 * sum(W.size for W in weights) * weights[0].shape[1]


def product(weights: Sequence[Floats]) -> ScaledMatrix:
    """W_{H+1} ... W_1 of [W_1, ..., W_{H+1}] with a bound on its rounding.

    Parameters
    ----------
    weights : sequence of float64 arrays, (d_j, d_{j-1})
    """
    if _work(weights) <= EXACT_WORK:
        return _rounded(reduce(lambda total, W: W @ total, map(RationalMatrix.of_floats, weights)))
    result = _exactly(weights[0])
    for W in weights[1:]:
        result = _times(_exactly(W), result)
    return result


def change_of_product(weights: Sequence[Floats], moved: Sequence[Floats]) -> ScaledMatrix:
    """P_{H+1} ... P_1 - W_{H+1} ... W_1 by telescoping, with a bound on its rounding.

    Parameters
    ----------
    weights, moved : sequences of float64 arrays of the same shapes
        [W_1, ..., W_{H+1}] and [P_1, ..., P_{H+1}].

    Returns
    -------
    ScaledMatrix
        For chains of up to 1e5 multiplications the exact change, rounded once; else float64 with a running bound.
    """
    if _work(weights) <= EXACT_WORK:
        return _rounded(
            telescoped(*([RationalMatrix.of_floats(W) for W in chain] for chain in (weights, moved)))
        )
    zero = np.zeros(weights[0].shape)
    change: ScaledMatrix = ScaledMatrix(zero, zero)
    before: ScaledMatrix | None = None
    for k, (W, P) in enumerate(zip(weights, moved, strict=True)):
        # P - W = E + low exactly (Knuth)
        E, low = two_sum(P, -W)
        step = _normalised(E, np.abs(low), 0)
        if before is None:
            change, before = step, _exactly(P)
            continue
        change = _plus(_times(step, before), _times(_exactly(W), change))
        if k + 1 < len(weights):
            before = _times(_exactly(P), before)
    return change


def telescoped(weights: Sequence[RationalMatrix], moved: Sequence[RationalMatrix]) -> RationalMatrix:
    """The same for rational matrices, exactly."""
    change, before = moved[0] - weights[0], moved[0]
    for W, P in zip(weights[1:], moved[1:], strict=True):
        change = (P - W) @ before + W @ change
        before = P @ before
    return change


def loss_change(weights: Sequence[Floats], loss: ProductLoss, moved: Sequence[Floats]) -> Change:
    """ell(P) - ell(W), enclosed: the telescoped change of the product, then the loss's own change.

    Parameters
    ----------
    weights, moved : sequences of float64 arrays of the same shapes
    loss : ProductLoss
    """
    return loss.change_by(product(weights).unscaled(), change_of_product(weights, moved))


def _rounded(exact: RationalMatrix) -> ScaledMatrix:
    """The matrix as float64 below 1 in size, rounded once."""
    if not exact.any():
        zero = np.zeros(exact.shape)
        return ScaledMatrix(zero, zero)
    values, exponent = exact.normalised()
    scaled = exact.times(power_of_two(-exponent))
    if scaled.is_float64():
        return ScaledMatrix(values, np.zeros(exact.shape), exponent)
    return ScaledMatrix(values, np.abs(values) * U + 2.0**-1074, exponent)
