"""Residuals sorted by fitted value, and their partial sums swept against a rule, by kernels.

`SortedSums` partitions (key, value) records by key into buckets, sorts and sums each, and sweeps the partial
sums against a rule. Buckets, groups and scales depend on the data alone, never on the workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError
from fastminima.exact.dyadic import largest_magnitude
from fastminima.exact.roundoff import U
from fastminima.kernels import _splits as kernels
from fastminima.system.options import count_workers

from .sum_scale import CarriedSums, extreme, shift_of

__all__ = ["Plan", "SortedSums", "Sweep", "require_finite"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_T = TypeVar("_T")
_R = TypeVar("_R")

# Records a bucket aims at: sorting one (records, scratch, cells) then stays inside a second-level cache.
BUCKET = 4096
# More buckets than this and the lines that collect their records no longer fit a second-level cache.
MAX_BUCKETS = 4096
# Sampled keys a bucket: the relative spread of bucket sizes is then 1/sqrt(16).
SAMPLE = 16
# Linear cells a bucket in the table: the error of cutting at cell borders stays below the sample's.
CELLS = 16
# Records sorted before they are swept: two groups are still in a second-level cache then.
GROUP = 1 << 15
# From here on records go past the caches, which would not hold them until they are sorted.
STREAM_FROM = 1 << 18
# Below this a second thread costs more than it brings.
THREADS_FROM = 1 << 18
# Inflation that covers the few roundings (below 8 units of 2^-53) in forming and comparing a bound.
UPWARD = 1.0 + 2.0**-48

_EMPTY = np.empty(0)
_NO_ORDER = np.empty(0, np.int64)


def require_finite(values: Floats, name: str) -> None:
    """Raise DataError naming the first NaN or infinity of `values`."""
    for start in range(0, values.size, 1 << 16):
        bad = np.flatnonzero(~np.isfinite(values[start : start + (1 << 16)]))
        if bad.size:
            i = start + int(bad[0])
            raise DataError(
                f"{name} must be finite, got {values[i]} at index {i}; drop or repair that sample"
            )


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
        return cls._linear(sample, n_buckets) or cls._by_bits(sample, n_buckets) or cls._tree(sample, n_buckets)

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


def _aligned(m: int) -> Floats:
    """Memory for m records that begins with a cache line."""
    memory = np.empty(2 * m + 8)
    skip = -memory.ctypes.data % 64 // 8
    return memory[skip : skip + 2 * m].reshape(m, 2)


class _Pool:
    """`map` over tasks, in threads when there are any; results in the order of the tasks."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._threads = ThreadPoolExecutor(workers) if workers > 1 else None

    def map(self, do: Callable[[_T], _R], tasks: Iterable[_T]) -> list[_R]:
        return list(map(do, tasks) if self._threads is None else self._threads.map(do, tasks))

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()


@dataclass(frozen=True)
class Sweep:
    """One sweep in scaled units; position -1 if nothing was certified."""

    position: int
    drop: float
    sum: float
    n_certified: int
    n_undecided: int


class SortedSums:
    """Records sorted by key with the bounds that go with their partial sums.

    In scaled units values are 2^value_shift, sums 2^shift, the mass 2^(shift - value_shift) and drops
    2^(shift + value_shift) times those of the input. With `before`, the records are those of one range of keys.
    """

    def __init__(
        self,
        keys: Floats,
        values: Floats,
        weights: Floats | None,
        workers: int,
        before: CarriedSums | None = None,
    ) -> None:
        self._inputs = (keys, values, weights)
        self._order = _NO_ORDER
        self.size = keys.size
        self._pool_size = (
            count_workers(workers) if self.size >= THREADS_FROM else min(count_workers(workers), 1)
        )
        self.value_shift = self.weight_shift = 0
        self.lost = 0.0
        self.mass = float(self.size)
        self._carried = before
        if before is not None and weights is not None:
            self.value_shift, self.weight_shift = before.value_shift, before.weight_shift
        if weights is not None:
            self._weigh(values, weights)
        self._partition(keys, values, weights)

    @property
    def shift(self) -> int:
        return self.value_shift + self.weight_shift

    def _weigh(self, values: Floats, weights: Floats) -> None:
        if self._carried is None:
            self.value_shift = shift_of(largest_magnitude(values))
            self.weight_shift = shift_of(largest_magnitude(weights))
        self.mass = 0.0
        errors = np.zeros(2)
        scale = 2.0**self.weight_shift
        for start in range(0, self.size, 1 << 16):
            stop = start + (1 << 16)
            self.mass += float((weights[start:stop] * scale).sum())
            kernels.product_errors(
                values[start:stop], weights[start:stop], 2.0**self.value_shift, scale, errors
            )
        # sum of the magnitudes in float64: relative error below (m + 2) 2^-53
        self.lost = float(errors[0]) * (1.0 + (self.size + 2) * 2.0**-52) + float(errors[1]) * 2.0**-1072

    def _partition(self, keys: Floats, values: Floats, weights: Floats | None) -> None:
        m, pool = self.size, _Pool(self._pool_size)
        others = _EMPTY if weights is None else weights
        cuts = [m * k // pool.workers for k in range(pool.workers + 1)]
        ordered = kernels.is_ordered(keys)
        if ordered and m and not np.isfinite(keys[[0, -1]]).all():
            require_finite(keys, "fitted")
        plan = Plan.single() if ordered else Plan.of(keys)
        self._depth = 1 if plan.levels or plan.shift >= 0 else 0
        counts = np.zeros((pool.workers, plan.n_buckets), np.int64)
        # one bucket is copied as it stands
        alone = plan.n_buckets == 1
        ids = np.empty(0 if alone else m, np.uint16)

        def count(k: int) -> float:
            a, b = cuts[k], cuts[k + 1]
            return plan.count(keys[a:b], ids[a:b], counts[k])

        def scatter(k: int) -> float:
            a, b = cuts[k], cuts[k + 1]
            lines = _EMPTY if alone or m < STREAM_FROM else np.empty(17 * plan.n_buckets + 8)
            return kernels.scatter_buckets(
                keys[a:b], values[a:b], others[a:b], ids[a:b],
                2.0**self.value_shift, 2.0**self.weight_shift, at[k], lines, self.records,
            )  # fmt: skip

        try:
            if alone:
                counts[:, 0] = np.diff(cuts)
                if not ordered:
                    require_finite(keys, "fitted")
            elif not all(map(math.isfinite, pool.map(count, range(pool.workers)))):
                require_finite(keys, "fitted")
            self.starts = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
            # part k of a bucket begins after the parts of the chunks before: input order, whoever writes it
            at = self.starts[:-1] + np.cumsum(counts, axis=0) - counts
            self.records = _aligned(m)
            found = pool.map(scatter, range(pool.workers))
        finally:
            pool.close()
        if not all(map(math.isfinite, found)):
            require_finite(values, "residual")
        largest = max(found)
        if weights is None and (self._carried is not None or extreme(largest)):
            self.value_shift = shift_of(largest) if self._carried is None else self._carried.value_shift
        if weights is None and self.value_shift:
            for start in range(0, m, 1 << 16):
                column = self.records[start : start + (1 << 16), 1]
                scaled = np.ldexp(column, self.value_shift)
                # a value that became subnormal is off by at most 2^-1075
                self.lost += np.count_nonzero(np.ldexp(scaled, -self.value_shift) != column) * 2.0**-1074
                column[:] = scaled
        if ordered:
            # any borders will do; these give the workers something to share
            self.starts = np.append(np.arange(0, m, BUCKET), m)
        n_buckets = self.starts.size - 1
        # every rounding error passes through at most this many additions on its way into a partial sum; (g) of the kernel
        additions = 2 * (int(np.diff(self.starts).max(initial=0)) // 8) + 2 * n_buckets + 40
        self._before = np.zeros((n_buckets + 1, 3))
        self._own = additions, self.lost
        self.follow(self._carried or CarriedSums(self.mass))
        self._totals = np.zeros((n_buckets, kernels.PARTS))
        self._sorted = self._summed = False

    def follow(self, before: CarriedSums) -> None:
        """Take these records to come after those of `before`, whose mass and shifts were given at the start."""
        self.mass, self._offset = before.mass, before.count
        # errors made before pass through the additions made here too
        self._additions = self._own[0] + before.additions
        self.lost = self._own[1] + before.lost
        self.growth = self._additions * U * (1.0 + 2.0**-16)
        self._before[0] = before.totals
        self._summed = False

    def sort(self) -> None:
        """Sort all records; `sweep` does it where it was not done, group by group while they are in the cache."""
        scratch, cells = self._scratch()
        groups = self._groups()
        for a, b in pairwise(groups):
            kernels.sort_buckets(self.records, self.starts, a, b, scratch, cells, self._depth, kernels.BEST_VARIANT, self._totals)
        self._sorted = True

    def _scratch(self) -> tuple[Floats, NDArray[np.uint32]]:
        room = self._room()
        return np.empty((room, 2)), np.empty(11 * room + 512, np.uint32)

    def sweep(
        self,
        kappa: float,
        reach: float,
        errors: tuple[float, float, float] = (0.0, 0.0, 0.0),
        status: NDArray[np.uint8] | None = None,
    ) -> Sweep:
        """Best certified position, counts and (into `status`) the verdict on each position.

        `errors` = (eps_gap, base, rate) in the units of the input.
        """
        rule = self._rule(kappa, reach, errors)
        marks = np.empty(0, np.uint8) if status is None else status
        groups = self._groups()

        def sort(k: int) -> None:
            a, b = groups[k], groups[k + 1]
            try:
                scratch, cells = spare.pop()
            except IndexError:
                scratch, cells = self._scratch()
            kernels.sort_buckets(self.records, self.starts, a, b, scratch, cells, self._depth, kernels.BEST_VARIANT, self._totals)
            spare.append((scratch, cells))

        def prefix(k: int) -> None:
            kernels.prefix_buckets(self._totals, groups[k], groups[k + 1], self._before)

        def walk(k: int) -> tuple[Floats, Ints]:
            best, count = np.zeros(2), np.zeros(3, np.int64)
            kernels.sweep_buckets(
                self.records, self.starts, self._before, self._totals, groups[k], groups[k + 1], rule,
                kernels.BEST_VARIANT, marks, best, count,
            )  # fmt: skip
            return best, count

        spare: list[tuple[Floats, NDArray[np.uint32]]] = []
        tasks = range(len(groups) - 1)
        pool = _Pool(self._pool_size)
        try:
            if self._sorted or pool.workers > 1:
                if not self._sorted:
                    pool.map(sort, tasks)
                if not self._summed:
                    for k in tasks:
                        prefix(k)
                parts = pool.map(walk, tasks)
            else:
                # one group ahead: the sweep of a group reads the first record of the next one
                parts = []
                for k in tasks:
                    sort(k)
                    prefix(k)
                    if k:
                        parts.append(walk(k - 1))
                parts.extend(walk(k) for k in tasks[-1:])
        finally:
            pool.close()
        self._sorted = self._summed = True
        return _merge(parts)

    def _rule(self, kappa: float, reach: float, errors: tuple[float, float, float]) -> Floats:
        """The seven numbers that the kernel holds every position to."""
        base, rate = (self._scaled_up(e) for e in errors[1:])
        base += rate * self._offset
        return np.array(
            [
                errors[0],
                (base + self.lost) * UPWARD,
                rate * UPWARD,
                self.growth,
                2.0 / max(self.mass, 1e-300),
                self.mass / 2,
                self.wall(kappa, reach),
            ]
        )

    def after(self, taken: int) -> CarriedSums:
        """What the next range of keys has to know, once these are swept; `taken` of the records count."""
        hi, lo, lost = self._before[-1].tolist()
        return CarriedSums(
            self.mass,
            self.value_shift,
            self.weight_shift,
            (hi, lo, lost),
            self._offset + taken,
            self.lost,
            self._additions,
        )

    def _scaled_up(self, bound: float) -> float:
        """`bound` in scaled units, not below its exact value."""
        try:
            scaled = math.ldexp(bound, self.shift)
            return scaled if math.ldexp(scaled, -self.shift) == bound else math.nextafter(scaled, math.inf)
        except OverflowError:
            return math.inf

    def _groups(self) -> list[int]:
        """Bucket borders of the groups; every group holds at least one record."""
        aims = np.arange(0, self.size, GROUP)
        borders = np.unique(np.searchsorted(self.starts, aims, side="right") - 1)
        return [*borders.tolist(), self.starts.size - 1] if self.size else [0]

    def _room(self) -> int:
        """Records of scratch for each worker: the largest bucket, or 4 bytes a sample for all together."""
        most = int(np.diff(self.starts).max(initial=0))
        return max(1, min(most, max(4 * BUCKET, self.size // (8 * self._pool_size))))

    def wall(self, kappa: float, reach: float) -> float:
        """Factor from a gap to the bound on |u|, in scaled units."""
        return math.ldexp(abs(kappa) * reach, self.value_shift)

    def beside(self, position: int) -> tuple[float, float]:
        """The keys at `position` and after it."""
        if self._order.size:
            keys = self._inputs[0]
            return float(keys[self._order[position]]), float(keys[self._order[position + 1]])
        return float(self.records[position, 0]), float(self.records[position + 1, 0])

    def push(self, position: int, total: float, kappa: float, reach: float) -> tuple[float, float]:
        """Best push and its drop at `position` with partial sum `total`, all in scaled units."""
        u = min(2.0 / self.mass * abs(total), self.limit(position, self.wall(kappa, reach)))
        return math.copysign(u, total), u * (2.0 * abs(total) - self.mass / 2 * u)

    def limit(self, position: int, factor: float) -> float:
        """`factor` times the gap after `position`."""
        lower, upper = self.beside(position)
        gap = upper - lower
        # only a gap that overflows is halved first: halving subnormal keys would round
        return gap * factor if gap < math.inf else (upper / 2 - lower / 2) * (2.0 * factor)

    def exact_sum(self, position: int) -> tuple[float, float]:
        """The partial sum at `position` in scaled units and in those of the input, each to 2^-52 relative."""
        keys, values, weights = self._inputs
        others = _EMPTY if weights is None else weights
        lower, views = self.beside(position)[0], np.empty((2, 1))
        # two sums, because a subnormal view cannot be scaled back
        kernels.exact_below(keys, values, others, lower, -self.shift, views[0])
        kernels.exact_below(keys, values, others, lower, 0, views[1])
        return float(views[0, 0]), float(views[1, 0])

    def exact_sums(self, positions: Ints) -> tuple[NDArray[np.int8], Floats]:
        """Exact signs of the partial sums at increasing `positions`, and their scaled float views."""
        keys, values, weights = self._inputs
        rounded = self.lost > 0.0
        if rounded:
            # scaling or weighing has rounded the records: back to the inputs; an order takes their place
            self.records = np.empty((0, 2))
            self._order = np.argsort(keys)
        signs, sums = np.empty(positions.size, np.int8), np.empty(positions.size)
        if not rounded:
            kernels.exact_prefix(self.records[:, 1], _EMPTY, _NO_ORDER, positions, 0, sums, signs)
            return signs, sums
        others = _EMPTY if weights is None else weights
        kernels.exact_prefix(values, others, self._order, positions, -self.shift, sums, signs)
        return signs, sums


def _merge(parts: list[tuple[Floats, Ints]]) -> Sweep:
    best = Sweep(-1, -1.0, 0.0, 0, 0)
    certified = undecided = 0
    for (drop, total), (position, n_certified, n_undecided) in ((f.tolist(), c.tolist()) for f, c in parts):
        certified += n_certified
        undecided += n_undecided
        # groups come in order: a later one must be strictly better
        if position >= 0 and drop > best.drop:
            best = Sweep(position, drop, total, 0, 0)
    return Sweep(best.position, best.drop, best.sum, certified, undecided)
