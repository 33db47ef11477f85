"""Exact signs of preactivations: a float filter with a derived bound, integers where it cannot decide."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import NetworkError
from fastminima.exact.affine import Columns, affine_numerators
from fastminima.exact.dyadic import Floats

__all__ = ["Preactivations", "preactivation_blocks", "signs", "unit_form", "validated_rows"]

_ROWS = 16384


class Preactivations(NamedTuple):
    """A block of preactivations: |exact - z| <= error for rows begin, begin + 1, ..."""

    begin: int
    z: Floats
    error: Floats


def validated_rows(W1: Floats, b1: Floats, columns: Columns) -> tuple[Floats, Floats]:
    """W1 (d1, dx) and b1 (d1,) as finite float64 arrays that fit the data."""
    W1, b1 = np.asarray(W1, dtype=np.float64), np.asarray(b1, dtype=np.float64)
    if W1.ndim != 2 or b1.shape != (len(W1),) or W1.shape[1] != columns.n_features:
        raise NetworkError(
            f"W1 must be (d1, {columns.n_features}) and b1 (d1,) for these data, "
            f"got {W1.shape} and {b1.shape}"
        )
    if not (np.isfinite(W1).all() and np.isfinite(b1).all()):
        raise NetworkError("W1 and b1 must be finite")
    return W1, b1


def unit_form(W1: Floats, b1: Floats, unit: int) -> list[Fraction]:
    """Preactivation of a unit as a form (c_0, c_1, ..., c_dx, c_y) in (1, x, y)."""
    return [Fraction(float(b1[unit])), *(Fraction(w) for w in W1[unit].tolist()), Fraction(0)]


def preactivation_blocks(columns: Columns, W1: Floats, b1: Floats) -> Iterator[Preactivations]:
    """z = X W1^T + b1 block by block, with a bound on the error of every entry.

    Notes
    -----
    u = 2**-53, A = |x||w| + |b|, n = dx + 1 terms. In any order of summation, fused or not, z errs by at most
    gamma_n A plus 2**-1075 per product that underflows; the computed A is at least (1 - gamma_n) A less the
    same. (dx + 3) u fl(A) covers both and its own rounding (while n u < 2**-20). The float view of exact data
    errs by u|x| + 2**-1075: one more u A, and 2**-1074 |w| for the underflow. Entries that overflow get an
    infinite bound.
    """
    exact = columns.exact is not None
    dx = columns.n_features
    factor = (dx + (5 if exact else 3)) * 2.0**-53 * (1 + 2.0**-20)
    tiny = (dx + 2) * 2.0**-1072
    absolute = np.abs(W1).T
    with np.errstate(over="ignore", invalid="ignore"):
        view = tiny + (2.0**-1073 * absolute.sum(axis=0) if exact else np.zeros(len(b1)))
    for begin in range(0, columns.n_samples, _ROWS):
        X = columns.X[begin : begin + _ROWS]
        with np.errstate(over="ignore", invalid="ignore"):
            z = X @ W1.T + b1
            error = (np.abs(X) @ absolute + np.abs(b1)) * factor + view
        bad = ~(np.isfinite(z) & np.isfinite(error))
        if bad.any():
            z[bad], error[bad] = 0.0, np.inf
        yield Preactivations(begin, z, error)


def signs(columns: Columns, W1: Floats, b1: Floats) -> NDArray[np.bool_]:
    """Whether the exact preactivation is >= 0: (m, d1) bool. Zero may go with either side: h(0) = 0."""
    out = np.empty((columns.n_samples, len(b1)), dtype=np.bool_)
    doubtful: list[list[NDArray[np.intp]]] = [[] for _ in b1]
    for block in preactivation_blocks(columns, W1, b1):
        rows = slice(block.begin, block.begin + len(block.z))
        out[rows] = block.z >= 0
        unsure = np.abs(block.z) <= block.error
        for unit in np.flatnonzero(unsure.any(axis=0)).tolist():
            doubtful[unit].append(np.flatnonzero(unsure[:, unit]) + block.begin)
    for unit, found in enumerate(doubtful):
        if found:
            index = np.concatenate(found)
            out[index, unit] = affine_numerators(columns, unit_form(W1, b1, unit), index)[0] >= 0
    return out
