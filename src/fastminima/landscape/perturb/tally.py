"""Counts of what perturbations changed: exact histograms and quantiles that merge in any order to the same bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import sealed

__all__ = ["NEAR", "Block", "Histogram", "Tally", "histogram", "quantile"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


NEAR = 64
"""Points too close to 0 to have a sign, of which the first so many are kept by number."""


# A bin is 2^-8 of an octave: its middle is within 2^-9 (0.2 %) of all it holds.
_BITS = 8


_SHIFT = 52 - _BITS


_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)


# key 0 is zero itself, 1 .. _TOP the magnitudes up to the largest float64, negative keys the negative numbers
_TOP = 0x7FF << _BITS


class Histogram(NamedTuple):
    """counts (B,) of excesses in the bins between edges (B + 1,), increasing and the same unit as the risk."""

    counts: I64
    edges: F64

    def __repr__(self) -> str:
        within = f" from {self.edges[0]:.6g} to {self.edges[-1]:.6g}" if len(self.edges) else ""
        return f"Histogram({len(self.counts)} bins{within}, {int(self.counts.sum())} points)"


@dataclass(frozen=True)
class Block:
    """What one block of excesses says; `keys` increase, and `near` are the first of the `n_near` points without sign."""

    n: int
    n_negative: int
    n_overflow: int
    n_changed: int
    smallest: float
    argmin: int
    largest: float
    keys: I64
    counts: I64
    n_near: int = 0
    near: tuple[int, ...] = ()

    @classmethod
    def of(
        cls, excess: F64, n_changed: NDArray[np.integer], first: int, near: NDArray[np.bool_] | None = None
    ) -> Block:
        """Count the excesses of the points `first`, `first` + 1, ...

        What is not finite overflowed: it is made inf in place. `near` says which are too close to 0 to have a sign: they
        are in the bins, and not among the negative ones.
        """
        finite = np.isfinite(excess)
        if not finite.all():
            excess[~finite] = math.inf
            values = excess[finite]
        else:
            values = excess
        magnitude = values.view(np.int64) & _MAGNITUDE
        keys = (magnitude >> _SHIFT) + 1
        keys[magnitude == 0] = 0
        np.negative(keys, out=keys, where=values < 0.0)
        keys, counts = np.unique(keys, return_counts=True)
        position = int(np.argmin(excess)) if len(excess) else 0
        close = np.zeros(0, np.intp) if near is None else np.flatnonzero(near & finite)
        return cls(
            n=len(excess),
            n_negative=int(np.count_nonzero(values < 0.0) - np.count_nonzero(excess[close] < 0.0)),
            n_overflow=len(excess) - len(values),
            n_changed=int(np.count_nonzero(n_changed)),
            smallest=float(excess[position]) + 0.0 if len(excess) else math.nan,
            argmin=first + position,
            largest=float(values.max()) + 0.0 if len(values) else -math.inf,
            keys=keys,
            counts=counts,
            n_near=len(close),
            near=tuple((first + close[:NEAR]).tolist()),
        )


class Tally:
    """Counts and extremes of any number of excesses in bounded memory.

    8 MiB of address space, of which only the pages of bins in use are ever touched.
    """

    def __init__(self) -> None:
        self.n = self.n_negative = self.n_overflow = self.n_changed = self.n_near = 0
        self.near: tuple[int, ...] = ()
        self.smallest = math.nan
        self.argmin: int | None = None
        self.largest = -math.inf
        self._counts = np.zeros(2 * _TOP + 1, np.int64)
        # the keys met, so that nobody looks through all of it
        self._first, self._last = _TOP, -_TOP

    def update(self, block: Block) -> None:
        """Add a block. Of equal smallest excesses the first block's stays, so feed blocks in order."""
        if block.n == 0:
            return
        self.n += block.n
        self.n_negative += block.n_negative
        self.n_overflow += block.n_overflow
        self.n_changed += block.n_changed
        self.n_near += block.n_near
        self.near = (self.near + block.near)[:NEAR]
        if self.argmin is None or (block.smallest, block.argmin) < (self.smallest, self.argmin):
            self.smallest, self.argmin = block.smallest, block.argmin
        self.largest = max(self.largest, block.largest)
        if len(block.keys):
            self._first, self._last = (
                min(self._first, int(block.keys[0])),
                max(self._last, int(block.keys[-1])),
            )
            self._counts[block.keys + _TOP] += block.counts

    def merge(self, other: Tally) -> None:
        """Add what another state has seen."""
        self.update(other.block())

    def block(self) -> Block:
        """The whole state as one block."""
        index = self._first + _TOP + np.flatnonzero(self._counts[self._first + _TOP : self._last + _TOP + 1])
        return Block(
            self.n, self.n_negative, self.n_overflow, self.n_changed, self.smallest,
            -1 if self.argmin is None else self.argmin, self.largest,
            sealed(index - _TOP), sealed(self._counts[index]), self.n_near, self.near,
        )  # fmt: skip


def _magnitude(keys: I64) -> F64:
    """Lower edges of the bins of these positive keys; the upper edge of the last is the largest float64."""
    bits = np.minimum(keys - 1, _TOP) << _SHIFT
    # the first bin holds no zero: it starts at the smallest positive number
    return np.clip(bits, 1, np.int64(0x7FEF_FFFF_FFFF_FFFF)).view(np.float64)


def quantile(block: Block, levels: Sequence[float]) -> F64:
    """The ceil(q n)-th smallest excess for each level q, exact at both ends, else the middle of its bin.

    The middle is within 2^-9 of the excess, relative. Overflowed excesses rank last, as inf. NaN when n = 0.
    """
    ends = np.cumsum(block.counts)
    finite = int(ends[-1]) if len(ends) else 0
    result = np.empty(len(levels))
    for i, level in enumerate(levels):
        rank = max(1, math.ceil(Fraction(level) * block.n))
        if block.n == 0:
            result[i] = math.nan
        elif rank > finite:
            result[i] = math.inf
        elif rank == 1:
            result[i] = block.smallest
        elif rank == finite:
            result[i] = block.largest
        else:
            key = block.keys[np.searchsorted(ends, rank)]
            low, high = _magnitude(np.array([abs(key), abs(key) + 1], np.int64)) if key else (0.0, 0.0)
            middle = math.copysign(low + 0.5 * (high - low), key)
            result[i] = min(max(middle, block.smallest), block.largest)
    return result


def histogram(block: Block, most: int = 256) -> Histogram:
    """Counts in at most about `most` bins: octaves of either sign in equal parts, or several at a time, and one
    bin around 0.

    The overflowed excesses are in no bin. Bins are unions of the state's own bins, so the counts are exact;
    a bin on an edge belongs to the larger magnitude.
    """
    keys, counts = block.keys, block.counts
    sides = {sign: (sign * keys[sign * keys > 0], counts[sign * keys > 0]) for sign in (-1, 1)}
    step = 1
    while sum(int(k.max()) // step - int(k.min()) // step + 1 for k, _ in sides.values() if len(k)) > most:
        step *= 2
    parts: dict[int, Histogram] = {}
    for sign, (side, number) in sides.items():
        if not len(side):
            continue
        bins = (side - 1) // step
        first, last = int(bins.min()), int(bins.max())
        total = np.zeros(last - first + 1, np.int64)
        np.add.at(total, bins - first, number)
        edges = _magnitude(np.arange(first, last + 2, dtype=np.int64) * step + 1)
        parts[sign] = Histogram(total, edges)
    zeros = int(counts[keys == 0].sum())
    if not parts:
        tiny = 5e-324
        return Histogram(*map(sealed, (np.array([zeros] if zeros else [], np.int64),
                                       np.array([-tiny, tiny] if zeros else [0.0]))))  # fmt: skip
    totals: list[I64] = []
    where: list[F64] = []
    if -1 in parts:
        totals.append(parts[-1].counts[::-1])
        where.append(-parts[-1].edges[::-1])
    if zeros or len(parts) == 2:
        totals.append(np.array([zeros]))
        if -1 not in parts:
            where.append(np.zeros(1))
        if 1 not in parts:
            where.append(np.zeros(1))
    if 1 in parts:
        totals.append(parts[1].counts)
        where.append(parts[1].edges)
    return Histogram(sealed(np.concatenate(totals)), sealed(np.concatenate(where)))
