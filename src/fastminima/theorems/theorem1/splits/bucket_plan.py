"""How keys map to buckets: a plan made from a small sample of them, the same for any number of workers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastminima.kernels import _splits as kernels

__all__ = ["BUCKET", "Plan"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Records a bucket aims at: sorting one (records, scratch, cells) then stays inside a second-level cache.
BUCKET = 4096
# More buckets than this and the lines that collect their records no longer fit a second-level cache.
MAX_BUCKETS = 4096
# Sampled keys a bucket: the relative spread of bucket sizes is then 1/sqrt(16).
SAMPLE = 16
# Linear cells a bucket in the table: the error of cutting at cell borders stays below the sample's.
CELLS = 16

_EMPTY = np.empty(0)


@dataclass(frozen=True)
class Plan:
    """How keys map to buckets.

    By a table of cells, linear in the key or, when shift >= 0, in the bits of its magnitude above those of `floor`; or by
    a tree of splitters when levels > 0.
    """

    n_buckets: int
    lo: float = 0.0
    scale: float = 0.0
    floor: int = 0
    first: int = 0
    shift: int = -1
    table: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(1, np.uint16))
    tree: Floats = field(default_factory=lambda: np.zeros(1))
    levels: int = 0

    @classmethod
    def single(cls) -> Plan:
        """Everything in one bucket."""
        return cls(1)

    def count(self, keys: Floats, ids: NDArray[np.uint16], counts: Ints) -> float:
        """Buckets of `keys` into `ids`, added up in `counts`; returns the largest |key|."""
        return kernels.count_buckets(
            keys, self.lo, self.scale, self.floor, self.first, self.shift,
            self.table, self.tree, self.levels, kernels.BEST_VARIANT, ids, counts,
        )  # fmt: skip

    def sorted_into(self, columns: Floats, ids: NDArray[np.uint16] | None = None) -> tuple[Floats, Ints]:
        """(records (m, 2 or 3) of one bucket after the other, each in the order given; counts (n_buckets,)).

        Parameters
        ----------
        columns : (2 or 3, m) float64
            Keys, values[, weights].
        ids : (m,) uint16, optional
            Memory to work in.
        """
        width, m = columns.shape
        keys = columns[0]
        counts = np.zeros(self.n_buckets, dtype=np.int64)
        records = np.empty((m, width))
        if self.n_buckets == 1 or not m:
            counts[0] = m
            records[:] = columns.T
            return records, counts
        if ids is None:
            ids = np.empty(m, np.uint16)
        self.count(keys, ids, counts)
        starts = np.cumsum(counts) - counts
        pairs = records if width == 2 else np.empty((m, 2))
        kernels.scatter_buckets(keys, columns[1], _EMPTY, ids, 1.0, 1.0, starts.copy(), _EMPTY, pairs)
        if width == 3:
            records[:, :2] = pairs
            kernels.scatter_buckets(keys, columns[2], _EMPTY, ids, 1.0, 1.0, starts.copy(), _EMPTY, pairs)
            records[:, 2] = pairs[:, 1]
        return records, counts

    @classmethod
    def of(cls, keys: Floats) -> Plan:
        """A plan balanced on a fixed pseudo-random sample of `keys`."""
        m = keys.size
        n_buckets = min(MAX_BUCKETS, m // BUCKET)
        if n_buckets < 2:
            return cls.single()
        # one key from each of n equal strata, at a hashed place: no period of the data lines up with it
        n = SAMPLE * n_buckets
        strata = np.arange(n, dtype=np.uint64)
        jitter = (strata * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)
        places = (strata * np.uint64(m) + (jitter * np.uint64(m) >> np.uint64(24))) // np.uint64(n)
        return cls.of_sample(np.sort(keys[places.astype(np.int64)]), n_buckets)

    @classmethod
    def of_sample(cls, sample: Floats, n_buckets: int) -> Plan:
        """A plan balanced on a sorted sample, better with SAMPLE keys or more a bucket."""
        # NaN sorts last; the keys are refused later, when all have been looked at
        if not (math.isfinite(sample[0]) and math.isfinite(sample[-1])) or sample[0] == sample[-1]:
            return cls.single()
        return (
            cls._linear(sample, n_buckets) or cls._by_bits(sample, n_buckets) or cls._tree(sample, n_buckets)
        )

    @classmethod
    def _linear(cls, sample: Floats, n_buckets: int) -> Plan | None:
        n_cells = CELLS * n_buckets
        with np.errstate(over="ignore"):
            lo, scale = float(sample[0]), float(n_cells / (sample[-1] - sample[0]))
        if not 0.0 < scale < math.inf:
            return None
        cells = np.minimum((sample - lo) * scale, n_cells - 1).astype(np.int64)
        table = _table(sample, cells, n_buckets)
        return None if table is None else cls(n_buckets, lo, scale, table=table)

    @classmethod
    def _by_bits(cls, sample: Floats, n_buckets: int) -> Plan | None:
        """Cells close to linear in the logarithm of |key|, on either side of 0."""
        n_cells = CELLS * n_buckets
        bits = np.abs(sample).view(np.int64)
        # keys of smaller magnitude share two cells: half a bucket's share at most
        floor = int(np.partition(bits, SAMPLE // 2)[SAMPLE // 2])
        place = np.maximum(bits - floor, 0)
        place = np.where(sample < 0.0, ~place, place)
        # halved at least, so that a difference of two places fits
        shift = max(1, ((int(place[-1]) - int(place[0])) // n_cells).bit_length())
        place >>= shift
        cells = np.minimum(place - place[0], n_cells - 1)
        table = _table(sample, cells, n_buckets)
        if table is None:
            return None
        return cls(n_buckets, floor=floor, first=int(place[0]), shift=shift, table=table)

    @classmethod
    def _tree(cls, sample: Floats, n_buckets: int) -> Plan:
        parts = n_buckets // 2
        cuts, times = np.unique(sample[(np.arange(1, parts) * sample.size) // parts], return_counts=True)
        # a value at several quantiles is heavy: the next float64 as a splitter leaves it alone in its bucket
        cuts = np.unique(np.concatenate([cuts, np.nextafter(cuts[times > 1], np.inf)]))
        levels = max(1, int(cuts.size).bit_length())
        tree = np.full(1 << levels, np.inf)
        _fill_tree(tree, np.concatenate([cuts, np.full((1 << levels) - 1 - cuts.size, np.inf)]), levels)
        return cls(1 << levels, tree=tree, levels=levels)


def _table(sample: Floats, cells: Ints, n_buckets: int) -> NDArray[np.uint16] | None:
    """Buckets of the cells up to the last one sampled, or None where one holds several buckets' share of different keys."""
    counts = np.bincount(cells)
    ends = np.cumsum(counts)
    # a cell with the share of four buckets is harmless only if it holds one value
    heavy = np.flatnonzero(counts > 4 * SAMPLE)
    if np.any(sample[ends[heavy] - counts[heavy]] != sample[ends[heavy] - 1]):
        return None
    # by the middle of the cell's share: a cell that spans two shares or more gets a bucket of its own
    return (((2 * ends - counts) * n_buckets) // (2 * sample.size)).astype(np.uint16)


def _fill_tree(tree: Floats, cuts: Floats, levels: int) -> None:
    """Lay sorted `cuts` (2^levels - 1 of them) out so that node k has children 2k and 2k + 1."""
    for level in range(levels):
        step = 1 << (levels - level)
        tree[1 << level : 2 << level] = cuts[step // 2 - 1 :: step]
