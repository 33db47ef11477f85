"""Exact Gram matrices of float64 columns, streamed block by block.

(a) Formula: G = sum_i w_i v_i v_i^T, v = (1, x_1, ..., x_dx, y), as integers with one power-of-two scale per
    column. Memory is independent of the number of rows.
(b) Digits. Columns are cut into digits of 24 bits, whose products the kernel `_gram` sums as integers (`digits`).
(c) Blocks that do not fit (columns spread over more powers of two than `digits` takes) are halved
    until few rows are left; those use Python integers.
(d) The result is in units of the last bits of the columns, so it does not depend on blocks, threads or the
    instruction set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError
from fastminima.kernels import _gram

from .affine import Columns, Rows, as_index, check_rows, common_numerators, common_products
from .digits import MAX_ROWS, DigitSums, Scratch, ends_of
from .dyadic import Floats, Ints, power_of_two, to_integers

__all__ = ["ExactGram", "GramState", "add_numerators", "gram_of", "into_columns", "rescaled"]

BLOCK = 4096
# columns of a block start in different sets of the cache
PAD = 8
# from here on Python integers take less time than another halving saves
_FEW = 32
# beyond the exponents of float64 and of their products
_FAR = 1 << 14


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

    def quadratic(self, form: Sequence[Fraction]) -> Fraction:
        """c^T G c for a vector of dx + 2 rationals."""
        integers, unit = common_products(form, self.scales)
        total = 0
        for c, row in zip(integers, self.entries, strict=True):
            if c:
                total += c * sum(map(mul, row, integers))
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


class GramState:
    """Exact Gram matrix of a stream of rows: a small state with `update` and `merge`.

    Parameters
    ----------
    n_features : int
    weighted : bool
        Whether `update` gets weights.
    scratch : Scratch, optional
        Work space shared with other states of the same thread.
    variant : int, optional
        Instruction set; default the widest. The result is the same for all.
    """

    def __init__(
        self,
        n_features: int,
        weighted: bool = False,
        scratch: Scratch | None = None,
        variant: int = _gram.BEST_VARIANT,
    ) -> None:
        n = n_features + 2
        self._n = n
        self._weighted = weighted
        self._variant = variant
        self._scratch = Scratch() if scratch is None else scratch
        self.n_samples = 0
        # integers in units 2**(low[a] + low[b] + weight_low)
        self._entries: list[list[int]] = [[0] * n for _ in range(n)]
        self._low = [0] * n
        self._weight_low = 0
        self._sums = DigitSums(n, weighted, variant)
        # last bits of the columns (and of the weights): the units of the result, whatever the blocks
        self._last: list[int | None] = [None] * (n + weighted)

    def update(self, X: Floats, y: Floats, weight: Floats | None = None) -> None:
        """Add rows: X (k, dx), y (k,), weight (k,) > 0 if the state is weighted; all finite float64."""
        if self._weighted != (weight is not None):
            raise ValueError("a weighted GramState takes weights in every update, an unweighted one in none")
        check_rows(X, y, weight, self._n - 2)
        columns = np.empty((self._n + self._weighted, min(len(y), BLOCK) + PAD))
        for begin in range(0, len(y), BLOCK):
            part = slice(begin, begin + BLOCK)
            into_columns(X[part], y[part], None if weight is None else weight[part], columns)
            self.add_columns(columns, 0, len(y[part]))

    def add_columns(self, columns: Floats, begin: int, end: int) -> None:
        """Add rows begin..end of C-contiguous columns 1, x_1, ..., x_dx, y and, if weighted, the weights."""
        self.n_samples += end - begin
        for start in range(begin, end, MAX_ROWS):
            self._add(columns, start, min(start + MAX_ROWS, end))

    def _add(self, columns: Floats, begin: int, end: int) -> None:
        ends = ends_of(columns, begin, end, self._n, self._variant)
        if self._sums.add(columns, begin, end, ends, self._scratch):
            self._seen(ends.low[ends.live].tolist(), np.flatnonzero(ends.live).tolist())
            if self._sums.full:
                self._join()
        elif end - begin > _FEW:
            # one wild number must not make thousands of rows slow
            middle = (begin + end) // 2
            self._add(columns, begin, middle)
            self._add(columns, middle, end)
        else:
            numerators, low = zip(*(to_integers(c[begin:end]) for c in columns), strict=True)
            weight = numerators[self._n] if self._weighted else None
            self._gather_integers(list(numerators[: self._n]), list(low), weight)

    def add_integers(self, numerators: Sequence[Ints], weight: Floats | None = None) -> None:
        """Add rows whose columns are Python integers (1 not among them): numerators[c] (k,), weight (k,) > 0."""
        count = len(numerators[-1])
        self.n_samples += count
        ones: Ints = np.full(count, 1, dtype=object)
        low = [0] * (self._n + self._weighted)
        w = None
        if weight is not None:
            w, low[-1] = to_integers(weight)
        self._gather_integers([ones, *numerators], low, w)

    def _gather_integers(self, numerators: list[Ints], low: list[int], weight: Ints | None) -> None:
        """Add rows with Python integers throughout."""
        every = numerators if weight is None else [*numerators, weight]
        for c, column in enumerate(every):
            together = int(np.bitwise_or.reduce(np.abs(column), initial=0))
            if together:
                self._seen([low[c] + (together & -together).bit_length() - 1], [c])
        n = self._n
        self._take(_integer_products(numerators, weight), low[:n], low[n] if weight is not None else 0)

    def _seen(self, lows: list[int], columns: list[int]) -> None:
        for low, c in zip(lows, columns, strict=True):
            known = self._last[c]
            self._last[c] = low if known is None else min(known, low)

    def merge(self, other: GramState) -> None:
        """Add the rows of another state; the other state keeps its value."""
        self._join()
        other._join()
        self._take(other._entries, other._low, other._weight_low)
        pairs = [(low, c) for c, low in enumerate(other._last) if low is not None]
        self._seen([low for low, _ in pairs], [c for _, c in pairs])
        self.n_samples += other.n_samples

    def result(self) -> ExactGram:
        """The Gram matrix of all rows so far, in the last bits of its columns: the same whatever the blocks."""
        self._join()
        n = self._n
        unit = [0 if low is None else low for low in self._last]
        weight_unit = unit[n] if self._weighted else 0
        entries = [[0] * n for _ in range(n)]
        for a in range(n):
            for b in range(a, n):
                shift = self._low[a] + self._low[b] + self._weight_low - unit[a] - unit[b] - weight_unit
                value = self._entries[a][b]
                entries[a][b] = entries[b][a] = value << shift if shift >= 0 else value >> -shift
        scales = [power_of_two(low) for low in unit[:n]]
        return ExactGram(entries, scales, power_of_two(weight_unit), self.n_samples)

    def _join(self) -> None:
        if not self._sums.empty:
            self._take(*self._sums.drain())

    def to_plain(self) -> dict[str, Any]:
        """What a state is, in plain numbers: `from_plain` makes one of the same value of it."""
        self._join()
        return {
            "n_features": self._n - 2,
            "weighted": self._weighted,
            "n_samples": self.n_samples,
            "entries": [row.copy() for row in self._entries],
            "low": self._low.copy(),
            "weight_low": self._weight_low,
            "last": self._last.copy(),
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> GramState:
        """The state of what `to_plain` told."""
        n, weighted, rows = plain["n_features"] + 2, plain["weighted"], plain["entries"]
        last = [low for low in plain["last"] if low is not None]
        fits = len(rows) == n == len(plain["low"]) and {len(row) for row in rows} == {n}
        # float64 has no bits further out, products of some have
        near = all(abs(low) <= _FAR for low in (*plain["low"], plain["weight_low"], *last))
        if not (fits and near and len(plain["last"]) == n + weighted):
            raise DataError(f"this is no Gram matrix of {n - 2} features")
        state = cls(n - 2, weighted)
        state.n_samples, state._weight_low = plain["n_samples"], plain["weight_low"]
        state._entries, state._low, state._last = rows, plain["low"], plain["last"]
        return state

    def _take(self, entries: list[list[int]], low: list[int], weight_low: int) -> None:
        """Add integers given in units 2**(low[a] + low[b] + weight_low)."""
        n = self._n
        empty = [self._entries[c][c] == 0 for c in range(n)]
        if all(empty):
            self._entries, self._low, self._weight_low = (
                [row.copy() for row in entries],
                low.copy(),
                weight_low,
            )
            return
        new_weight = min(weight_low, self._weight_low)
        # a column that is zero on one side takes the unit of the other
        new = [
            low[c] if empty[c] else self._low[c] if entries[c][c] == 0 else min(low[c], self._low[c])
            for c in range(n)
        ]
        mine = [0 if empty[c] else self._low[c] - new[c] for c in range(n)]
        theirs = [0 if entries[c][c] == 0 else low[c] - new[c] for c in range(n)]
        wm, wt = self._weight_low - new_weight, weight_low - new_weight
        for a in range(n):
            for b in range(a, n):
                self._entries[a][b] = self._entries[b][a] = (
                    self._entries[a][b] << mine[a] + mine[b] + wm
                ) + (entries[a][b] << theirs[a] + theirs[b] + wt)
        self._low, self._weight_low = new, new_weight


def into_columns(X: Floats, y: Floats, weight: Floats | None, columns: Floats) -> None:
    """Write rows as columns 1, x_1, ..., x_dx, y and, if given, the weights, into columns[:, :k]."""
    none = np.empty(0)
    _gram.columns_of(
        np.require(X, None, ["C", "A"]),
        np.require(y, None, ["C", "A"]),
        none if weight is None else np.require(weight, None, ["C", "A"]),
        columns,
    )


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
    weight = columns.weight if index is None or columns.weight is None else columns.weight[index]
    state = GramState(columns.n_features, weight is not None)
    add_numerators(state, [c for c, _ in pairs], weight)
    return rescaled(state.result(), [scale for _, scale in pairs])


def add_numerators(state: GramState, numerators: list[Ints], weight: Floats | None) -> None:
    """Add rows of Python integers, columns x_1, ..., x_dx, y."""
    # integers up to 2**53 are float64 numbers: the fast path applies to them as they are
    if all(min(c, default=0) >= -(2**53) and max(c, default=0) <= 2**53 for c in numerators):
        floats = [c.astype(np.float64) for c in numerators]
        count = len(floats[-1])
        X = np.stack(floats[:-1], axis=1) if len(floats) > 1 else np.empty((count, 0))
        state.update(X, floats[-1], weight)
    else:
        state.add_integers(numerators, weight)


def rescaled(gram: ExactGram, scales: Sequence[Fraction]) -> ExactGram:
    """The Gram matrix of columns scales[j] times those of `gram` (x_1, ..., x_dx, y; the 1 stays)."""
    new = [a * b for a, b in zip(gram.scales, [Fraction(1), *scales], strict=True)]
    return ExactGram(gram.entries, new, gram.weight_scale, gram.n_samples)


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
