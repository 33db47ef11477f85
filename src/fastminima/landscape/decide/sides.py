"""On which side of its boundary every unit has every sample: exactly, by a float filter and integers where it is silent."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import Columns, affine_numerators
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.signs import filter_of, preactivation_blocks

__all__ = ["Preactivations", "preactivations"]

F64 = NDArray[np.float64]


class Preactivations(NamedTuple):
    """z_ik = <u_k, x~_i> of every sample and unit.

    Attributes
    ----------
    value, error : (m, d1) float64
        |z - value| <= error.
    side : (m, d1) int8
        The exact sign of z.
    """

    value: F64
    error: F64
    side: NDArray[np.int8]


def preactivations(columns: Columns, rows: Sequence[Sequence[Fraction]]) -> Preactivations:
    """Values, bounds and exact signs of z = <u, (x, 1)> for rational rows u = (w, b).

    Notes
    -----
    `exact.signs.Filter` on the rounded rows. Where a coefficient is rounded below the normal range, or beyond the largest
    number, its unit is decided by integers alone.
    """
    m, dx = columns.X.shape
    table = np.array([[round_fraction(v) for v in row] for row in rows]).reshape(len(rows), dx + 1)
    held = np.array([_within_range(row, floats) for row, floats in zip(rows, table.tolist(), strict=True)])
    table = np.where(held[:, None], table, 0.0)
    value, error = np.empty((m, len(rows))), np.empty((m, len(rows)))
    filter_ = filter_of(columns, table[:, :-1].copy(), table[:, -1].copy(), rounded=True)
    for block in preactivation_blocks(columns, filter_):
        part = slice(block.begin, block.begin + len(block.z))
        value[part], error[part] = block.z, block.error
    error[:, ~held] = np.inf
    sure = np.abs(value) > error
    side = np.where(sure, np.sign(value), 0.0).astype(np.int8)
    for unit, row in enumerate(rows):
        doubtful = np.flatnonzero(~sure[:, unit])
        if len(doubtful):
            form = [row[-1], *row[:-1], Fraction(0)]
            z, _ = affine_numerators(columns, form, doubtful)
            side[doubtful, unit] = [(n > 0) - (n < 0) for n in z.tolist()]
    return Preactivations(value, error, side)


def _within_range(row: Sequence[Fraction], floats: Sequence[float]) -> bool:
    """Whether rounding the row lost no more than half a last bit of each number."""
    return all(
        math.isfinite(x) and (abs(x) >= sys.float_info.min or Fraction(x) == v)
        for x, v in zip(floats, row, strict=True)
    )
