"""The slow, obvious twin of the kernel in `_masked`: NumPy and Python integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["masked_products"]

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


def masked_products(
    columns: F64,
    masks: F64,
    count: int,
    first: I32,
    second: I32,
    a: I32,
    b: I32,
    places: I32,
    unit: float,
    variant: int,
    workspace: F64,
    high_out: I64,
    low_out: I64,
) -> None:
    """The digits of every exact product, most significant first, and their sums in the low integers."""
    weight, step = masks[0, :count], int(unit)
    digits = []
    for left, right, depth in zip(a.tolist(), b.tolist(), places.tolist(), strict=True):
        rows = np.zeros((depth, count), dtype=np.int64)
        for i in range(count):
            rest = Fraction(columns[left, i]) * Fraction(columns[right, i])
            for place in range(depth):
                rest *= step
                rows[place, i] = round(rest)
                rest -= round(rest)
        digits.append(rows)
    table = np.concatenate(digits)
    for p, (k, other) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        chosen = weight.copy()
        for mask in {k, other} - {0}:
            chosen = chosen * masks[mask, :count]
        low_out[p] += (table * chosen.astype(np.int64)).sum(axis=1)
