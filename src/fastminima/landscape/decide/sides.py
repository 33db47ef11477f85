"""On which side of its boundary every unit has every sample: exactly, by a float filter and integers where it is silent."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import Columns, affine_numerators
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.roundoff import U

__all__ = ["Preactivations", "preactivations"]

F64 = NDArray[np.float64]


_ROWS = 16_384


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
    With u = 2**-53 and A = |x||w| + |b|: rounding the row costs u A, the float view of exact data u A, dx + 1 terms in
    any order (dx + 1) u A, and the computed A is smaller than A by at most (dx + 2) u A; (dx + 6) u A covers all of
    it while (dx + 6) u < 2**-20. Numbers below the normal range err by 2**-1075 each, times what they meet.
    """
    m, dx = columns.X.shape
    table = np.array([[round_fraction(v) for v in row] for row in rows]).reshape(len(rows), dx + 1)
    value, error = np.empty((m, len(rows))), np.empty((m, len(rows)))
    factor = (dx + 6) * U * (1 + 2.0**-20)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        size = np.abs(table)
        for begin in range(0, m, _ROWS):
            part = slice(begin, begin + _ROWS)
            X = columns.X[part]
            value[part] = X @ table[:, :-1].T + table[:, -1]
            error[part] = factor * (np.abs(X) @ size[:, :-1].T + size[:, -1])
            tiny = (np.abs(X).sum(axis=1)[:, None] + size.sum(axis=1) + dx + 2) * 2.0**-1073
            error[part] += tiny
        sure = np.abs(value) > error
    # inf and NaN compare as not sure
    side = np.where(sure, np.sign(np.where(sure, value, 0.0)), 0.0).astype(np.int8)
    for unit, row in enumerate(rows):
        doubtful = np.flatnonzero(~sure[:, unit])
        if len(doubtful):
            form = [row[-1], *row[:-1], Fraction(0)]
            z, _ = affine_numerators(columns, form, doubtful)
            side[doubtful, unit] = [(n > 0) - (n < 0) for n in z.tolist()]
    return Preactivations(value, error, side)
