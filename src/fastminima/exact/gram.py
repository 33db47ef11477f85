"""Exact Gram matrices of float64 columns through BLAS, streamed block by block.

(a) Formula: G = sum_i w_i v_i v_i^T, v = (1, x_1, ..., x_dx, y), as integers with one power-of-two scale per
    column. Memory is independent of the number of rows.
(b) Slices. In a block of at most 4,096 rows every column is scaled by a power of two to |v| < 1 and cut into
    integers: rint(2**20 v), then rint(2**21 rest), ... All are at most 2**20 in size, so a product of two
    summed over the block is at most 2**52: every partial sum dgemm may form is an exact integer, in any order
    of summation, with or without fused multiply-add.
(c) Weights: w v = hi + lo exactly (TwoProduct). hi and lo are cut on one grid and added slice by slice, at
    most 2**21 in size, so sums stay at or below 2**53. Small-integer weights lengthen a column by a few bits.
(d) All slices of all columns go through one product; results gather in int64 while grid and number of slices
    stay the same, and are joined to Python integers when these change, or after 500 blocks
    (500 * 2**53 < 2**62).
(e) A grid that once covered a block is kept while it covers the next, so it changes a few times per stream.
(f) Columns spread over more than 500 bits inside one block, or beyond the range of scaled arithmetic, use
    Python integers for that block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import Columns, Rows, as_index, common_numerators
from fastminima.exact.dd import two_product
from fastminima.exact.dyadic import Floats, Ints, power_of_two, to_integers

__all__ = ["ExactGram", "GramState", "gram_of"]

BLOCK = 4096
_FIRST, _NEXT = 20, 21
_MAX_SLICES = 24
# a product ends within twice the bits
_MAX_PRODUCT_SLICES = 48
_MAX_BLOCKS = 500


@dataclass(frozen=True)
class ExactGram:
    """Exact Gram matrix of (1, x_1, ..., x_dx, y).

    Attributes
    ----------
    entries : (dx + 2) x (dx + 2) Python integers, symmetric
    scales : dx + 2 Fractions > 0, one per column
    weight_scale : Fraction > 0
    n_samples : number of rows

    Notes
    -----
    G[a][b] = entries[a][b] * scales[a] * scales[b] * weight_scale.
    """

    entries: list[list[int]]
    scales: list[Fraction]
    weight_scale: Fraction
    n_samples: int

    def value(self, a: int, b: int) -> Fraction:
        """Entry (a, b) as a rational."""
        return self.entries[a][b] * self.scales[a] * self.scales[b] * self.weight_scale

    @property
    def total_weight(self) -> Fraction:
        """Sum of the weights (the number of rows without weights)."""
        return self.value(0, 0)

    def times(self, form: Sequence[Fraction]) -> list[Fraction]:
        """G c for a vector of dx + 2 rationals."""
        integers, unit = common_numerators([c * s for c, s in zip(form, self.scales, strict=True)])
        unit *= self.weight_scale
        return [
            sum(g * c for g, c in zip(row, integers, strict=True)) * unit * scale
            for row, scale in zip(self.entries, self.scales, strict=True)
        ]

    def quadratic(self, form: Sequence[Fraction]) -> Fraction:
        """c^T G c for a vector of dx + 2 rationals."""
        integers, unit = common_numerators([c * s for c, s in zip(form, self.scales, strict=True)])
        total = 0
        for c, row in zip(integers, self.entries, strict=True):
            if c:
                total += c * sum(g * d for g, d in zip(row, integers, strict=True) if d)
        return total * unit * unit * self.weight_scale

    def __sub__(self, other: ExactGram) -> ExactGram:
        """Gram matrix of the rows of self that are not rows of other."""
        n = len(self.scales)
        scales = [common_numerators([s, t])[1] for s, t in zip(self.scales, other.scales, strict=True)]
        weight = common_numerators([self.weight_scale, other.weight_scale])[1]
        # self.scale / common scale is an integer, so entries stay integers
        mine = [int(s / c) for s, c in zip(self.scales, scales, strict=True)]
        theirs = [int(s / c) for s, c in zip(other.scales, scales, strict=True)]
        wm, wt = int(self.weight_scale / weight), int(other.weight_scale / weight)
        entries = [
            [
                self.entries[a][b] * mine[a] * mine[b] * wm - other.entries[a][b] * theirs[a] * theirs[b] * wt
                for b in range(n)
            ]
            for a in range(n)
        ]
        return ExactGram(entries, scales, weight, self.n_samples - other.n_samples)


class _Slices:
    """Integer slices of scaled rows, kept in one buffer.

    Row r of `matrix` is slice `level[r]` of column `column[r]`; its unit is 2**(grid - 20 - 21 level).
    """

    def __init__(self, buffer: Floats, column: NDArray[np.intp], depth: NDArray[np.intp]) -> None:
        self.matrix = buffer
        self.column = column
        self.depth = depth  # slices per column

    @property
    def level(self) -> NDArray[np.intp]:
        seen: dict[int, int] = {}
        levels = []
        for c in self.column.tolist():
            levels.append(seen.get(c, 0))
            seen[c] = levels[-1] + 1
        return np.array(levels, dtype=np.intp)


def _cut(parts: list[Floats], depth: NDArray[np.intp], limit: int, buffer: list[Floats]) -> _Slices | None:
    """Cut rows (sums of parts, |part| <= 1) into slices, at least `depth` per row; None if over `limit`."""
    n, length = parts[0].shape
    live = np.arange(n)
    rest = parts
    level = 0
    columns = []
    used = 0
    result_depth = np.zeros(n, dtype=np.intp)
    while True:
        keep = depth[live] > level
        for part in rest:
            keep |= part.any(axis=1)
        if not keep.all():
            live = live[keep]
            rest = [part[keep] for part in rest]
        if not len(live):
            break
        if level == limit:
            return None
        if used + len(live) > len(buffer[0]):
            grown = np.empty((2 * (used + len(live)), BLOCK))
            grown[:used] = buffer[0][:used]
            buffer[0] = grown
        factor = 2.0**_FIRST if level == 0 else 2.0**_NEXT
        target = buffer[0][used : used + len(live), :length]
        for i, part in enumerate(rest):
            part *= factor
            if i == 0:
                np.rint(part, out=target)
                part -= target
            else:
                head = np.rint(part)
                part -= head
                target += head
        columns.append(live)
        result_depth[live] = level + 1
        used += len(live)
        level += 1
    column = np.concatenate(columns) if columns else np.zeros(0, dtype=np.intp)
    return _Slices(buffer[0][:used, :length], column, result_depth)


def _scaled(rows: Floats, grid: NDArray[np.int64]) -> Floats | None:
    """rows * 2**-grid, or None where that would lose a bit silently."""
    # ldexp takes C ints; where long has 32 bits it refuses int64
    exponent = (-grid).astype(np.intc)[:, None]
    scaled = rows * np.ldexp(1.0, exponent) if np.abs(grid).max() <= 1000 else np.ldexp(rows, exponent)
    # a value rounded to a nonzero subnormal leaves a remainder that no slice reaches and is found there;
    # one rounded to zero is found here
    if grid.max() > 0 and np.count_nonzero(scaled) != np.count_nonzero(rows):
        return None
    return scaled


class GramState:
    """Exact Gram matrix of a stream of rows: a small state with `update` and `merge`.

    Parameters
    ----------
    n_features : int
    weighted : bool
        Whether `update` gets weights.
    """

    def __init__(self, n_features: int, weighted: bool = False) -> None:
        n = n_features + 2
        self._n = n
        self._weighted = weighted
        self.n_samples = 0
        # joined part: integers in units 2**(low[a] + low[b] + weight_low)
        self._entries: list[list[int]] = [[0] * n for _ in range(n)]
        self._low = [0] * n
        self._weight_low = 0
        # gathering part: int64 sums of slice products on one grid
        self._grid = np.full(n, -(2**20), dtype=np.int64)
        self._depth = np.zeros(n, dtype=np.intp)
        self._weight_grid = 0
        self._weight_depth = np.zeros(n, dtype=np.intp)
        self._pending: NDArray[np.int64] | None = None
        self._left: _Slices | None = None
        self._right: _Slices | None = None
        self._blocks = 0
        self._buffer = [np.empty((0, BLOCK))]
        self._weight_buffer = [np.empty((0, BLOCK))]

    def update(self, X: Floats, y: Floats, weight: Floats | None = None) -> None:
        """Add rows: X (k, dx), y (k,), weight (k,) > 0 if the state is weighted; all finite float64."""
        if self._weighted != (weight is not None):
            raise ValueError("a weighted GramState takes weights in every update, an unweighted one in none")
        for begin in range(0, len(y), BLOCK):
            part = slice(begin, begin + BLOCK)
            self._block(X[part], y[part], None if weight is None else weight[part])

    def merge(self, other: GramState) -> None:
        """Add the rows of another state; the other state keeps its value."""
        self._join()
        other._join()
        self._add(other._entries, other._low, other._weight_low)
        self.n_samples += other.n_samples

    def result(self) -> ExactGram:
        """The Gram matrix of all rows so far."""
        self._join()
        scales = [power_of_two(low) for low in self._low]
        entries = [row.copy() for row in self._entries]
        return ExactGram(entries, scales, power_of_two(self._weight_low), self.n_samples)

    def _block(self, X: Floats, y: Floats, weight: Floats | None) -> None:
        rows = np.empty((self._n, len(y)))
        rows[0] = 1.0
        rows[1:-1] = X.T
        rows[-1] = y
        peak = np.maximum(rows.max(axis=1), -rows.min(axis=1))
        self.n_samples += len(y)
        top = np.where(peak > 0, np.frexp(peak)[1].astype(np.int64), self._grid)
        kept = np.maximum(top, self._grid)
        # a block with a huge value must not burden all later ones: two slices above the need, then a new grid
        near = bool((kept - top <= 2 * _NEXT).all())
        if near and self._sliced(rows, kept, weight, keep=True):
            return
        if self._sliced(rows, np.where(peak > 0, top, 0), weight, keep=False):
            return
        self._integers(rows, weight)

    def _sliced(self, rows: Floats, grid: NDArray[np.int64], weight: Floats | None, *, keep: bool) -> bool:
        """Try the block on the given grid; False if it needs too many slices.

        With `keep`, at least as many slices as before and a weight grid no finer, so that sums can go on.
        """
        # both sides start from the same columns: one that has slices on one side has some on the other
        none = np.zeros(self._n, dtype=np.intp)
        depth, weight_depth = (self._depth, self._weight_depth) if keep else (none, none)
        # a column that has been zero so far has no grid yet; any will do
        grid = np.where(grid < -(2**19), 0, grid)
        scaled = _scaled(rows, grid)
        if scaled is None:
            return False
        uncut = scaled.copy() if weight is not None else scaled
        right = _cut([scaled], depth, _MAX_SLICES, self._buffer)
        if right is None:
            return False
        left = right
        weight_grid = 0
        if weight is not None:
            weight_grid = int(np.frexp(weight.max())[1])
            if keep and self._left is not None:
                weight_grid = max(weight_grid, self._weight_grid)
            w = np.ldexp(weight, -weight_grid)
            # products stay exact when the weight, too, ends within 500 bits: their last bit is above 2**-1010
            fine = np.ldexp(w, 500)
            if not (w > 0).all() or (fine != np.rint(fine)).any():
                return False
            product = list(two_product(w, uncut))
            cut = _cut(product, weight_depth, _MAX_PRODUCT_SLICES, self._weight_buffer)
            if cut is None:
                return False
            left = cut
        same = (
            self._left is not None
            and self._right is not None
            and self._blocks < _MAX_BLOCKS
            and weight_grid == self._weight_grid
            and bool((grid == self._grid).all())
            and len(left.column) == len(self._left.column)
            and bool((left.depth == self._left.depth).all())
            and bool((right.depth == self._right.depth).all())
        )
        if not same:
            self._join()
            self._left, self._right = left, right
            self._grid, self._weight_grid = grid, weight_grid
            self._depth, self._weight_depth = right.depth, left.depth
        product_sum = (left.matrix @ right.matrix.T).astype(np.int64)
        self._pending = product_sum if self._pending is None else self._pending + product_sum
        self._blocks += 1
        return True

    def _join(self) -> None:
        """Turn the gathered int64 sums into Python integers."""
        pending, left, right = self._pending, self._left, self._right
        self._pending, self._blocks = None, 0
        if pending is None or left is None or right is None:
            return
        n = self._n
        order_l = np.lexsort((left.level, left.column))
        order_r = np.lexsort((right.level, right.column))
        shift_l = _NEXT * (left.depth[left.column] - 1 - left.level)[order_l]
        shift_r = _NEXT * (right.depth[right.column] - 1 - right.level)[order_r]
        big: Ints = pending[np.ix_(order_l, order_r)].astype(object)
        if big.size:
            big = big << np.add.outer(shift_l, shift_r).astype(object)
            present_l, first_l = np.unique(left.column[order_l], return_index=True)
            present_r, first_r = np.unique(right.column[order_r], return_index=True)
            big = np.add.reduceat(np.add.reduceat(big, first_l, axis=0), first_r, axis=1)
        low_r = [int(g) - _FIRST - _NEXT * (int(d) - 1) for g, d in zip(self._grid, right.depth, strict=True)]
        low_l = [
            int(g) + self._weight_grid - _FIRST - _NEXT * (int(d) - 1)
            for g, d in zip(self._grid, left.depth, strict=True)
        ]
        # the weighted side has its own finest unit per column: bring both to low_r[column] + one weight unit
        present = [c for c in range(n) if right.depth[c]]
        weight_low = min((low_l[c] - low_r[c] for c in present), default=0)
        entries = [[0] * n for _ in range(n)]
        if big.size:
            for i, a in enumerate(present_l.tolist()):
                extra = low_l[a] - low_r[a] - weight_low
                for j, b in enumerate(present_r.tolist()):
                    entries[a][b] = int(big[i, j]) << extra
        low = [low_r[c] if right.depth[c] else self._low[c] for c in range(n)]
        self._add(entries, low, weight_low)

    def _integers(self, rows: Floats, weight: Floats | None) -> None:
        """One block with Python integers throughout."""
        numerators, low = zip(*(to_integers(row) for row in rows), strict=True)
        w, weight_low = (None, 0) if weight is None else to_integers(weight)
        self._add(_integer_products(list(numerators), w), list(low), weight_low)

    def _add(self, entries: list[list[int]], low: list[int], weight_low: int) -> None:
        """Add integers given in units 2**(low[a] + low[b] + weight_low)."""
        n = self._n
        empty = [self._entries[c][c] == 0 for c in range(n)]
        new_weight = weight_low if all(empty) else min(weight_low, self._weight_low)
        # a column that is zero on one side takes the unit of the other
        new = [
            low[c] if empty[c] else self._low[c] if entries[c][c] == 0 else min(low[c], self._low[c])
            for c in range(n)
        ]
        mine = [0 if empty[c] else self._low[c] - new[c] for c in range(n)]
        theirs = [0 if entries[c][c] == 0 else low[c] - new[c] for c in range(n)]
        wm, wt = (0 if all(empty) else self._weight_low - new_weight), weight_low - new_weight
        for a in range(n):
            for b in range(n):
                self._entries[a][b] = (self._entries[a][b] << mine[a] + mine[b] + wm) + (
                    entries[a][b] << theirs[a] + theirs[b] + wt
                )
        self._low, self._weight_low = new, new_weight


def _integer_products(numerators: list[Ints], weight: Ints | None) -> list[list[int]]:
    """Gram matrix of integer columns with Python integers."""
    n = len(numerators)
    left = numerators if weight is None else [c * weight for c in numerators]
    entries = [[0] * n for _ in range(n)]
    for a in range(n):
        for b in range(a, n):
            entries[a][b] = entries[b][a] = int(np.dot(left[a], numerators[b]))
    return entries


def _gram_of_exact(columns: Columns, index: NDArray[np.intp] | None) -> ExactGram:
    """Gram matrix of data given as integers with scales."""
    pairs = [columns.integers(j, index) for j in range(columns.n_features + 1)]
    count = columns.n_samples if index is None else len(index)
    scales = [Fraction(1), *(scale for _, scale in pairs)]
    numerators = [c for c, _ in pairs]
    # integers below 2**53 are float64 numbers: the fast path applies to them as they are
    if all(min(c, default=0) >= -(2**53) and max(c, default=0) <= 2**53 for c in numerators):
        floats = [c.astype(np.float64) for c in numerators]
        state = GramState(columns.n_features, columns.weight is not None)
        X = np.stack(floats[:-1], axis=1) if columns.n_features else np.empty((count, 0))
        weight = columns.weight if index is None or columns.weight is None else columns.weight[index]
        state.update(X, floats[-1], weight)
        gram = state.result()
        scaled = [a * b for a, b in zip(gram.scales, scales, strict=True)]
        return ExactGram(gram.entries, scaled, gram.weight_scale, count)
    w, weight_scale = columns.weight_integers(index)
    ones: Ints = np.full(count, 1, dtype=object)
    return ExactGram(_integer_products([ones, *numerators], w), scales, weight_scale, count)


def gram_of(data: Any, rows: Rows = None) -> ExactGram:
    """Exact Gram matrix of (1, x_1, ..., x_dx, y), weighted if the data are.

    Parameters
    ----------
    data : dataset with X (m, dx), y (m,), sample_weight, exact
    rows : boolean mask (m,), row numbers, or None for all rows

    Returns
    -------
    ExactGram
    """
    columns = data if isinstance(data, Columns) else Columns(data)
    index = as_index(rows)
    if columns.exact is not None:
        return _gram_of_exact(columns, index)
    weight = columns.weight
    state = GramState(columns.n_features, weight is not None)
    if index is None:
        state.update(columns.X, columns.y, weight)
        return state.result()
    for begin in range(0, len(index), BLOCK):
        part = index[begin : begin + BLOCK]
        state.update(columns.X[part], columns.y[part], None if weight is None else weight[part])
    return state.result()
