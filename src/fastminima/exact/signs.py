"""Exact signs of preactivations: a float filter with a derived bound, integers where it cannot decide."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import NetworkError
from fastminima.kernels import _patterns

from .affine import Columns, affine_numerators
from .dyadic import Floats
from .gram import PAD, into_columns
from .roundoff import U

__all__ = [
    "Filter",
    "Preactivations",
    "block_rows",
    "filter_of",
    "preactivation_blocks",
    "signs",
    "unit_form",
    "validated_rows",
]

# a block's columns, z and bounds stay within this many bytes, near the processor
_BYTES = 1 << 21


def validated_rows(W1: Any, b1: Any, n_features: int) -> tuple[Floats, Floats]:
    """W1 (d1, dx) and b1 (d1,) as finite C-contiguous float64 arrays that fit the data."""
    W1, b1 = np.require(W1, np.float64, ["C", "A"]), np.require(b1, np.float64, ["C", "A"])
    if W1.ndim != 2 or b1.shape != (len(W1),) or W1.shape[1] != n_features:
        raise NetworkError(
            f"W1 must be (d1, {n_features}) and b1 (d1,) for these data, got {W1.shape} and {b1.shape}"
        )
    if not (np.isfinite(W1).all() and np.isfinite(b1).all()):
        raise NetworkError("W1 and b1 must be finite")
    return W1, b1


def unit_form(W1: Floats, b1: Floats, unit: int) -> list[Fraction]:
    """Preactivation of a unit as a form (c_0, c_1, ..., c_dx, c_y) in (1, x, y)."""
    return [Fraction(float(b1[unit])), *(Fraction(w) for w in W1[unit].tolist()), Fraction(0)]


def block_rows(columns: int, units: int) -> int:
    """Rows of a block for so many columns and units."""
    return int(np.clip(_BYTES // (8 * (columns + 2 * units)) // 512 * 512, 512, 1 << 14))


class Filter:
    """Preactivations of blocks of columns, each with a bound on its error.

    Parameters
    ----------
    W1 : (d1, dx) float64, C-contiguous
    b1 : (d1,) float64
    rational : bool
        Whether the columns are rounded views of exact data.
    rows : int
        Most rows of a block.
    variant : int, optional
        Instruction set; the numbers are the same for all.
    rounded : bool, optional
        Whether W1 and b1 are rational numbers rounded to float64, exactly where they are below the normal range.

    Notes
    -----
    u = 2**-53, A = |x||w| + |b|, n = dx + 1 terms. In any order of summation, fused or not, z errs by at most
    gamma_n A plus 2**-1075 per product that underflows; the computed A is at least (1 - gamma_n) A less the
    same. (dx + 3) u fl(A) covers both and its own rounding (while n u < 2**-20). The float view of exact data
    errs by u|x| + 2**-1075: one more u A, and 2**-1074 |w| for the underflow; a rounded coefficient errs by u of itself,
    one more u A. Entries that overflow get an infinite bound.
    """

    def __init__(
        self,
        W1: Floats,
        b1: Floats,
        rational: bool,
        rows: int,
        variant: int = _patterns.BEST_VARIANT,
        rounded: bool = False,
    ) -> None:
        units, dx = W1.shape
        self.W1, self.b1 = W1, b1
        self._variant = variant
        self._factor = (dx + 3 + (2 if rational else 0) + (1 if rounded else 0)) * U * (1 + 2.0**-20)
        with np.errstate(over="ignore"):
            view = 2.0**-1073 * np.abs(W1).sum(axis=1) if rational else np.zeros(units)
        self._tiny = (dx + 2) * 2.0**-1072 + view
        self.z, self.error = np.empty((units, rows)), np.empty((units, rows))
        # norm: dx + 1 squares and sums, one root, and the float view of exact data: (dx + 6) u in all
        self._slack = (dx + 8) * U
        self._lower, self._upper = np.empty(rows), np.empty(rows)

    def evaluate(self, block: Floats, count: int) -> None:
        """z[:, :count] and error[:, :count] of a block of columns 1, x_1, ..., x_dx, ..."""
        _patterns.preactivations(
            block, count, self.W1, self.b1, self._factor, self._tiny, self._variant, self.z, self.error
        )

    def margins(self, block: Floats, count: int, begin: int, end: int) -> tuple[Floats, Floats]:
        """Bounds of min_k z_k / |(x, 1)| over the units begin <= k < end, row by row; after `evaluate`."""
        _patterns.quotients(
            block,
            count,
            self.W1.shape[1],
            self.z,
            self.error,
            begin,
            end,
            self._slack,
            self._variant,
            self._lower,
            self._upper,
        )
        return self._lower[:count], self._upper[:count]

    def keys(
        self,
        columns: Columns,
        units: NDArray[np.int64],
        keys: NDArray[np.uint64],
        doubtful: NDArray[np.uint8],
    ) -> None:
        """Exact signs of some units on the rows of the block, one bit each; after `evaluate`.

        Bit k % 64 of keys[k // 64, i] says z_k(x_i) >= 0. Zero may go with either side: h(0) = 0.
        """
        count = columns.n_samples
        _patterns.sign_keys(self.z, self.error, count, units, keys, doubtful)
        rows = np.flatnonzero(doubtful[:count])
        if not len(rows):
            return
        for k, unit in enumerate(units.tolist()):
            unsure = rows[np.abs(self.z[unit, rows]) <= self.error[unit, rows]]
            if len(unsure):
                z, _ = affine_numerators(columns, unit_form(self.W1, self.b1, unit), unsure)
                bit = np.uint64(1 << k % 64)
                word = keys[k // 64]
                word[unsure] = np.where(z >= 0, word[unsure] | bit, word[unsure] & ~bit)


class Preactivations(NamedTuple):
    """A block of preactivations: |exact - z| <= error for rows begin, begin + 1, ...

    z and error are (rows, d1) views, `block` the columns 1, x_1, ..., x_dx, y; valid until the next block.
    """

    begin: int
    z: Floats
    error: Floats
    block: Floats


def preactivation_blocks(columns: Columns, filter_: Filter) -> Iterator[Preactivations]:
    """z = X W1^T + b1 block by block, with a bound on the error of every entry."""
    rows = filter_.z.shape[1]
    block = np.empty((columns.n_features + 2, rows + PAD))
    for begin in range(0, columns.n_samples, rows):
        part = slice(begin, begin + rows)
        into_columns(columns.X[part], columns.y[part], None, block)
        count = len(columns.y[part])
        filter_.evaluate(block, count)
        yield Preactivations(begin, filter_.z[:, :count].T, filter_.error[:, :count].T, block)


def filter_of(columns: Columns, W1: Floats, b1: Floats, rounded: bool = False) -> Filter:
    """The filter for a dataset in memory."""
    rows = min(block_rows(columns.n_features + 2, len(b1)), max(columns.n_samples, 1))
    return Filter(W1, b1, columns.exact is not None, rows, rounded=rounded)


def signs(columns: Columns, W1: Floats, b1: Floats) -> NDArray[np.bool_]:
    """Whether the exact preactivation is >= 0: (m, d1) bool. Zero may go with either side: h(0) = 0."""
    W1, b1 = validated_rows(W1, b1, columns.n_features)
    out = np.empty((columns.n_samples, len(b1)), dtype=np.bool_)
    filter_ = filter_of(columns, W1, b1)
    doubtful: list[list[NDArray[np.intp]]] = [[] for _ in b1]
    for block in preactivation_blocks(columns, filter_):
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
