"""Sums of products of digits: the gathering part of an exact Gram matrix, in two int64 numbers per pair of digits.

(a) A column c of float64 numbers has digits d_j of 24 bits, v = sum_j d_j 2**(offset_c - 24 j), |d_j| <= 2**23, on
    a grid that stays for the whole stream; j runs over as many places as a block needs, left and right.
(b) The kernel `_gram` adds sum_i (w_i v_a)[j] v_b[k] of a block exactly, as 2**32 high + low with 0 <= low < 2**32
    a call: int64 holds 2**31 calls. Nothing is carried before the end.
(c) A block that needs more places widens the window of kept sums once and burdens no later block: that one takes
    the places it needs itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError
from fastminima.kernels import _gram

from .dyadic import Floats

__all__ = ["MAX_ROWS", "DigitSums", "Ends", "Scratch", "ends_of"]

Places = NDArray[np.int64]

MAX_ROWS: int = _gram.MAX_ROWS
_STEP: int = _gram.STEP
# the largest digit is 2**(_STEP - 1)
_FIRST = _STEP - 1
# digits of all columns in one block: their pairs' sums stay within 16 MiB
_MAX_LABELS = 512
# the same over a stream
_MAX_WINDOW = 1024
_MAX_CALLS = 2**31
# scaled to 2**23, a column must stay above 2**-1000
_SPAN = 1000
# w v and its rounding error must stay above 2**-1000 with both scaled to about 1
_WEIGHTED_SPAN = 480
_MAX_PLANS = 64


class Scratch:
    """Work space of the kernel, grown on demand; one per thread."""

    def __init__(self) -> None:
        self._items = np.empty(0)

    def items(self, count: int) -> Floats:
        """At least `count` float64 numbers."""
        if count > len(self._items):
            self._items = np.empty(count)
        return self._items


class Ends(NamedTuple):
    """Exponents of the columns of a block: multiples of 2**low below 2**top in size; `live` where not all 0."""

    top: Places
    low: Places
    live: NDArray[np.bool_]

    @property
    def in_range(self) -> bool:
        """Whether scaling by powers of two loses nothing."""
        return bool((self.top - self.low)[self.live].max(initial=0) <= _SPAN)


def ends_of(columns: Floats, begin: int, end: int, n: int, variant: int) -> Ends:
    """Exponents of columns[:, begin:end], of which the first n are 1, x_1, ..., x_dx, y.

    Raises
    ------
    DataError
        If a number is not finite.
    """
    peak, low = np.zeros(len(columns)), np.empty(len(columns))
    _gram.column_ends(columns, begin, end, variant, peak, low)
    if not np.isfinite(peak).all():
        names = ["1", *(f"X[:, {j}]" for j in range(n - 2)), "y", "the weights"]
        column = int(np.flatnonzero(~np.isfinite(peak))[0])
        raise DataError(
            f"rows must be finite numbers, got NaN or inf in {names[column]}; drop or repair them first"
        )
    live = peak > 0
    low[~live] = 0.5
    return Ends(np.frexp(peak)[1].astype(np.int64), np.frexp(low)[1].astype(np.int64) - 1, live)


@dataclass
class _Side:
    """One side of the products: where its grid lies, and the window of places kept so far (first..last)."""

    offset: Places
    first: Places
    last: Places

    @classmethod
    def empty(cls, n: int) -> _Side:
        return cls(np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.full(n, -1, dtype=np.int64))

    @property
    def depth(self) -> Places:
        return self.last - self.first + 1

    @property
    def start(self) -> Places:
        return np.concatenate(([0], np.cumsum(self.depth)))

    def places(self, ends: Ends) -> tuple[Places, Places]:
        """First and last place a block needs; last < first for columns without digits."""
        first = (self.offset - ends.top + _FIRST) // _STEP
        last = -((ends.low - self.offset) // _STEP)
        return np.where(ends.live, first, 0), np.where(ends.live, last, -1)

    def labels(self, first: Places, last: Places) -> tuple[Places, Places, Places]:
        """Labels before each column, and the column and the row in the window of each label."""
        depth = last - first + 1
        before = np.concatenate(([0], np.cumsum(depth)))
        owner = np.repeat(np.arange(len(depth), dtype=np.int64), depth)
        place = np.arange(before[-1]) - (before[:-1] - (self.start[:-1] + first - self.first))[owner]
        return before, owner, place.astype(np.int64)

    def widened(self, first: Places, last: Places) -> tuple[_Side, Places]:
        """A window that covers these places too, and where the rows of the old one go."""
        none, new = self.depth == 0, last >= first
        lower = np.where(none, first, np.where(new, np.minimum(self.first, first), self.first))
        upper = np.where(none, last, np.where(new, np.maximum(self.last, last), self.last))
        wide = _Side(self.offset, lower, upper)
        return wide, wide.labels(self.first, self.last)[2]


class _Plan(NamedTuple):
    """What the kernel needs to know of one choice of places."""

    weight_scale: Floats
    left: tuple[Floats, Places, Places, Places]
    right: tuple[Floats, Places, Places, Places]
    items: int


class DigitSums:
    """Exact sums of products of the digits of n columns.

    Parameters
    ----------
    n : int
        Columns, without the weights.
    weighted : bool
        Whether a last column holds weights.
    variant : int
        Instruction set; the sums are the same for all.
    """

    def __init__(self, n: int, weighted: bool, variant: int) -> None:
        self._n, self._weighted, self._variant = n, weighted, variant
        self._clear()

    def _clear(self) -> None:
        n = self._n
        self._placed = np.zeros(n, dtype=np.bool_)
        self._weight_offset: int | None = None
        self._right = _Side.empty(n)
        self._left = _Side.empty(n) if self._weighted else self._right
        self._high = np.zeros((0, 0), dtype=np.int64)
        self._low = np.zeros((0, 0), dtype=np.int64)
        self._calls = 0
        self._plans: dict[tuple[bytes, int], _Plan] = {}

    @property
    def empty(self) -> bool:
        """Whether there is nothing to drain."""
        return self._calls == 0

    @property
    def full(self) -> bool:
        """Whether it is time to drain."""
        return self._calls >= _MAX_CALLS or max(self._high.shape) > _MAX_WINDOW

    def add(self, columns: Floats, begin: int, end: int, ends: Ends, scratch: Scratch) -> bool:
        """Add rows begin..end (at most MAX_ROWS) of the columns; False, and nothing added, if they do not fit."""
        n = self._n
        if not ends.in_range:
            return False
        block = Ends(ends.top[:n], ends.low[:n], ends.live[:n])
        weight_top = int(ends.top[n]) if self._weighted else 0
        weight_low = int(ends.low[n]) if self._weighted else 0
        if self._weighted:
            span = (block.top - block.low)[block.live].max(initial=0)
            if not ends.live[n] or max(span, weight_top - weight_low) > _WEIGHTED_SPAN:
                # no positive weight: nothing to add
                return not bool(ends.live[n])
        self._place(block, weight_top)
        first, last = self._right.places(block)
        both = [first, last]
        if self._weighted:
            product = Ends(block.top + weight_top, block.low + weight_low, block.live)
            both += self._left.places(product)
        key = (np.concatenate(both).tobytes(), weight_top)
        plan = self._plans.get(key)
        if plan is None:
            labels = [int((b - a + 1).sum()) for a, b in zip(both[::2], both[1::2], strict=True)]
            if max(labels) > _MAX_LABELS:
                return False
            self._widen(both)
            plan = self._plan(both, weight_top)
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            self._plans[key] = plan
        _gram.digit_products(
            columns,
            begin,
            end,
            self._weighted,
            plan.weight_scale,
            *plan.left,
            *plan.right,
            self._variant,
            scratch.items(plan.items),
            self._high,
            self._low,
        )
        self._calls += 1
        return True

    def _place(self, block: Ends, weight_top: int) -> None:
        """Put the grid of columns seen for the first time one bit above them."""
        new = block.live & ~self._placed
        if not new.any():
            return
        if self._weight_offset is None:
            self._weight_offset = weight_top + 1 if self._weighted else 0
        self._right.offset[new] = block.top[new] + 1 - _FIRST
        if self._weighted:
            self._left.offset[new] = self._right.offset[new] + self._weight_offset
        self._placed |= new

    def _widen(self, both: list[Places]) -> None:
        right, columns = self._right.widened(both[0], both[1])
        left, rows = self._left.widened(both[2], both[3]) if self._weighted else (right, columns)
        shape = (int(left.depth.sum()), int(right.depth.sum()))
        if shape != self._high.shape:
            high, low = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
            into = np.ix_(rows, columns)
            high[into], low[into] = self._high, self._low
            self._high, self._low = high, low
            # their rows have moved
            self._plans.clear()
        self._right, self._left = right, left

    def _plan(self, both: list[Places], weight_top: int) -> _Plan:
        first, last = both[:2]
        before, owner, place = self._right.labels(first, last)
        unit = self._right.offset - _STEP * first
        empty = last < first
        right = (_powers(np.where(empty, 0, -unit)), before, place, owner)
        left = right
        if self._weighted:
            product_first, product_last = both[2:]
            before, owner, place = self._left.labels(product_first, product_last)
            shift = unit + weight_top - (self._left.offset - _STEP * product_first)
            left = (_powers(np.where(empty, 0, shift)), before, place, owner)
        items = _gram.workspace_items(self._variant, self._n, len(left[2]), len(right[2]), self._weighted)
        return _Plan(_powers(np.array([-weight_top]))[:, 0].copy(), left, right, items)

    def drain(self) -> tuple[list[list[int]], list[int], int]:
        """The sums as integers in units 2**(low[a] + low[b] + weight_low), low and weight_low; all empty after."""
        n = self._n
        left, right = self._left, self._right
        low_r = (right.offset - _STEP * right.last).tolist()
        low_l = (left.offset - _STEP * left.last).tolist()
        big = (self._high.astype(object) << 32) + self._low
        if not self._weighted and big.size:
            # only pairs of digits in order were formed
            big = big + np.triu(big, 1).T
        entries = [[0] * n for _ in range(n)]
        present = np.flatnonzero(right.depth > 0).tolist()
        weight_low = min((low_l[c] - low_r[c] for c in present), default=0)
        if present:
            shift_l, shift_r = _up(left), _up(right)
            big = big << np.add.outer(shift_l, shift_r).astype(object)
            rows = np.add.reduceat(big, left.start[:-1][present], axis=0)
            sums = np.add.reduceat(rows, right.start[:-1][present], axis=1)
            for i, a in enumerate(present):
                extra = low_l[a] - low_r[a] - weight_low
                for j, b in enumerate(present[i:], i):
                    entries[a][b] = entries[b][a] = int(sums[i, j]) << extra
        low = [low_r[c] if right.depth[c] > 0 else 0 for c in range(n)]
        self._clear()
        return entries, low, weight_low


def _up(side: _Side) -> Places:
    """How far each row of a window lies above the last place of its column, in bits."""
    owner = np.repeat(np.arange(len(side.depth)), side.depth)
    return _STEP * (side.start[1:][owner] - 1 - np.arange(len(owner)))


def _powers(exponents: Places) -> Floats:
    """(2, n): powers of two as products of two, which reach from the largest number to the smallest."""
    half = exponents // 2
    exponents = np.stack([half, exponents - half])
    # ldexp takes C ints; where long has 32 bits it refuses int64
    return np.ldexp(1.0, exponents.astype(np.intc))
