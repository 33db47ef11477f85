"""The slow, obvious twins of the kernels in `_gram`: Python integers. `variant` and `workspace` are not used."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_ends", "columns_of", "digit_products"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_STEP = 24


def columns_of(X: F64, y: F64, weight: F64, out: F64) -> None:
    """out[:, :m] = the columns 1, X, y and, if not empty, weight."""
    parts = [np.ones((1, len(y))), X.T, y[None], *([weight[None]] if weight.size else [])]
    out[:, : len(y)] = np.concatenate(parts)


def column_ends(columns: F64, begin: int, end: int, variant: int, peak_out: F64, low_out: F64) -> None:
    """peak_out[c] = max |v| (inf: some not finite), low_out[c] = least last bit of a nonzero v (inf if there is none)."""
    for c, column in enumerate(columns[:, begin:end].tolist()):
        if not all(map(math.isfinite, column)):
            peak_out[c] = np.inf
            continue
        peak_out[c] = max((abs(v) for v in column), default=0.0)
        bits = []
        for v in column:
            p, q = v.as_integer_ratio()
            if p:
                bits.append(float(Fraction(p & -p, q)))
        low_out[c] = min(bits, default=np.inf)


def _factor(scale: F64) -> Fraction:
    return Fraction(float(scale[0])) * Fraction(float(scale[1]))


def _digits(value: Fraction, depth: int) -> list[int]:
    digits = []
    for _ in range(depth):
        digits.append(round(value))
        value = (value - digits[-1]) * 2**_STEP
    return digits


def digit_products(
    columns: F64,
    begin: int,
    end: int,
    weighted: bool,
    weight_scale: F64,
    left_scale: F64,
    left_first: I64,
    left_place: I64,
    left_owner: I64,
    right_scale: F64,
    right_first: I64,
    right_place: I64,
    right_owner: I64,
    variant: int,
    workspace: F64,
    high_out: I64,
    low_out: I64,
) -> None:
    """Add 2^32 high_out + low_out[place(a, j), place(b, k)] += sum_i (w v_a)[j] v_b[k], columns a <= b.

    A product w v has the digits of its rounded value plus those of the rounding error.
    """
    n = right_scale.shape[1]
    sums: dict[tuple[int, int], int] = {}
    for row in columns[:, begin:end].T.tolist():
        left: list[int] = []
        right: list[int] = []
        for c in range(n):
            scaled = Fraction(row[c]) * _factor(right_scale[:, c])
            right += _digits(scaled, int(right_first[c + 1] - right_first[c]))
            if weighted:
                depth = int(left_first[c + 1] - left_first[c])
                product = scaled * Fraction(row[n]) * _factor(weight_scale)
                rounded = Fraction(float(product))
                parts = [p * _factor(left_scale[:, c]) for p in (rounded, product - rounded)]
                left += [a + b for a, b in zip(*(_digits(p, depth) for p in parts), strict=True)]
        if not weighted:
            left = right
        for a, p in enumerate(left):
            for b, q in enumerate(right):
                if left_owner[a] < right_owner[b] or (
                    left_owner[a] == right_owner[b] and (weighted or a <= b)
                ):
                    sums[a, b] = sums.get((a, b), 0) + p * q
    for (a, b), total in sums.items():
        low_out[left_place[a], right_place[b]] += total % 2**32
        high_out[left_place[a], right_place[b]] += total // 2**32
