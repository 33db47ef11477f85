"""Residuals sorted by fitted value, and their partial sums swept against a rule, by kernels.

`SortedSums` partitions (key, value) records by key into buckets, sorts and sums each, and sweeps the partial
sums against a rule. Buckets, groups and scales depend on the data alone, never on the workers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError
from fastminima.exact.dyadic import largest_magnitude
from fastminima.exact.roundoff import U
from fastminima.kernels import _splits as kernels
from fastminima.system.options import count_workers

from .bucket_plan import BUCKET, Plan
from .sum_scale import CarriedSums, extreme, shift_of

__all__ = ["SortedSums", "Sweep", "require_finite"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_T = TypeVar("_T")
_R = TypeVar("_R")

# Records sorted before they are swept: two groups are still in a second-level cache then.
GROUP = 1 << 15
# From here on records go past the caches, which would not hold them until they are sorted.
STREAM_FROM = 1 << 18
# Memory of this size at most is kept for the next search, of each of three kinds.
KEPT_BYTES = 1 << 22
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


class _Kept:
    """Memory handed from one search to the next: new from the system it costs more than a small search's sorting."""

    def __init__(self) -> None:
        self._arrays: dict[str, Floats] = {}

    def take(self, name: str, size: int) -> Floats:
        """At least `size` numbers that nobody else uses."""
        held = self._arrays.pop(name, None)
        return np.empty(size) if held is None or held.size < size else held

    def give(self, name: str, memory: Floats) -> None:
        """Hand memory back that nobody will look at again."""
        if 0 < memory.nbytes <= KEPT_BYTES:
            self._arrays[name] = memory


_kept = _Kept()


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
        id_memory = _kept.take("ids", 0 if alone else -(-m // 4))
        ids = id_memory.view(np.uint16)[: 0 if alone else m]

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
            self._memory = _kept.take("records", 2 * m + 8)
            # beginning with a cache line
            skip = -self._memory.ctypes.data % 64 // 8
            self.records = self._memory[skip : skip + 2 * m].reshape(m, 2)
            found = pool.map(scatter, range(pool.workers))
        finally:
            pool.close()
        _kept.give("ids", id_memory)
        if not all(map(math.isfinite, found)):
            require_finite(values, "residual")
        if weights is None:
            self._scale(max(found))
        if ordered:
            # any borders will do; these give the workers something to share
            self.starts = np.append(np.arange(0, m, BUCKET), m)
        n_buckets = self.starts.size - 1
        largest_bucket = int(np.diff(self.starts).max(initial=0))
        self._room = _room(self.size, largest_bucket, self._pool_size)
        # every rounding error passes through at most this many additions on its way into a partial sum; (g) of the kernel
        additions = 2 * (largest_bucket // 8) + 2 * n_buckets + 40
        self._before = np.zeros((n_buckets + 1, 3))
        self._own = additions, self.lost
        self.follow(self._carried or CarriedSums(self.mass))
        self._totals = np.zeros((n_buckets, kernels.PARTS))
        self._sorted = self._summed = False

    def _scale(self, largest: float) -> None:
        """Scale the records' values, the largest of which is given, where there are no weights that did."""
        if self._carried is not None:
            self.value_shift = self._carried.value_shift
        elif extreme(largest):
            self.value_shift = shift_of(largest)
        if not self.value_shift:
            return
        for start in range(0, self.size, 1 << 16):
            column = self.records[start : start + (1 << 16), 1]
            scaled = np.ldexp(column, self.value_shift)
            # a value that became subnormal is off by at most 2^-1075
            self.lost += np.count_nonzero(np.ldexp(scaled, -self.value_shift) != column) * 2.0**-1074
            column[:] = scaled

    def follow(self, before: CarriedSums) -> None:
        """Take these records to come after those of `before`, whose mass and shifts were given at the start."""
        self.mass, self._offset = before.mass, before.count
        # errors made before pass through the additions made here too
        self._additions = self._own[0] + before.additions
        self.lost = self._own[1] + before.lost
        self.growth = self._additions * U * (1.0 + 2.0**-16)
        self._before[0] = before.totals
        self._summed = False

    def release(self) -> None:
        """Hand the records' memory on; nobody may look at them afterwards, nor ask for anything that needs them."""
        _kept.give("records", self._memory)
        self._memory, self.records = _EMPTY, np.empty((0, 2))

    def sort(self) -> None:
        """Sort all records; `sweep` does it where it was not done, group by group while they are in the cache."""
        scratch = self._scratch()
        for a, b in pairwise(self._groups()):
            self._sort_group(a, b, scratch)
        _kept.give("scratch", scratch)
        self._sorted = True

    def _scratch(self) -> Floats:
        """Room for records, and 11 counters for each and 512 more."""
        return _kept.take("scratch", 2 * self._room + (11 * self._room + 512 + 1) // 2)

    def _sort_group(self, a: int, b: int, memory: Floats) -> None:
        room = self._room
        scratch, cells = memory[: 2 * room].reshape(room, 2), memory[2 * room :].view(np.uint32)
        kernels.sort_buckets(
            self.records, self.starts, a, b, scratch, cells, self._depth, kernels.BEST_VARIANT, self._totals
        )

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
            try:
                scratch = spare.pop()
            except IndexError:
                scratch = self._scratch()
            self._sort_group(groups[k], groups[k + 1], scratch)
            spare.append(scratch)

        def prefix(k: int) -> None:
            kernels.prefix_buckets(self._totals, groups[k], groups[k + 1], self._before)

        def walk(k: int) -> tuple[Floats, Ints]:
            best, count = np.zeros(2), np.zeros(3, np.int64)
            kernels.sweep_buckets(
                self.records, self.starts, self._before, self._totals, groups[k], groups[k + 1], rule,
                kernels.BEST_VARIANT, marks, best, count,
            )  # fmt: skip
            return best, count

        spare: list[Floats] = []
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
        for scratch in spare[:1]:
            _kept.give("scratch", scratch)
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
            self.release()
            self._order = np.argsort(keys)
        signs, sums = np.empty(positions.size, np.int8), np.empty(positions.size)
        if not rounded:
            kernels.exact_prefix(self.records[:, 1], _EMPTY, _NO_ORDER, positions, 0, sums, signs)
            return signs, sums
        others = _EMPTY if weights is None else weights
        kernels.exact_prefix(values, others, self._order, positions, -self.shift, sums, signs)
        return signs, sums


def _room(size: int, largest_bucket: int, workers: int) -> int:
    """Records of scratch for each worker: the largest bucket, or 4 bytes a sample for all together."""
    return max(1, min(largest_bucket, max(4 * BUCKET, size // (15 * workers))))


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
