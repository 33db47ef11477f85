"""Fitted values and residuals of a scan, kept in ranges of fitted values, in memory or in files; and the search over them.

(a) Records (fitted, residual[, weight]) arrive sorted into ranges, in the order of the rows, and are appended to their
    range. A range is searched alone: 8 bytes a number to keep, and about 50 bytes a record while it is searched.
(b) The search goes through the ranges in order and carries the partial sum from one to the next (`CarriedSums`). The last
    record of a range meets the first key of the next one as a record of value 0, so that every gap is looked at once.
(c) A range that came out too large, because the sample that cut the ranges did not tell, is cut again; if all its fitted
    values are equal, it is taken in pieces.
(d) Files are appended with plain writes: a map would count as memory of the process.
"""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import OutputError
from fastminima.fit.envelope import Envelope
from fastminima.fit.running_sums import Residuals
from fastminima.system.files import writing
from fastminima.theorems.theorem1.splits.bucket_plan import Plan
from fastminima.theorems.theorem1.splits.search import SplitSearch
from fastminima.theorems.theorem1.splits.sorted_sums import SortedSums
from fastminima.theorems.theorem1.splits.sum_scale import CarriedSums

__all__ = ["BYTES_TO_SEARCH", "Kept", "KeptEvaluation", "Ranges", "plan_of"]

Array = NDArray[np.float64]
# the records of a piece in their order, in as many portions as they came
Load = Callable[[], list[Array]]

# records read, columns, records sorted, ids, scratch
BYTES_TO_SEARCH = 80
# Records a range holds at the least before it is cut again.
_PIECE = 1 << 17
_SAMPLE = 4096
_REMEDY = "set TMPDIR to a larger folder, or raise memory="


def plan_of(sample: Array, n_ranges: int) -> Plan:
    """Ranges that share a sample of fitted values evenly."""
    if n_ranges < 2 or not np.isfinite(sample).all() or sample.size < 2:
        return Plan.single()
    ordered = np.sort(sample)
    return Plan.single() if ordered[0] == ordered[-1] else Plan.of_sample(ordered, n_ranges)


def _bytes(records: Array) -> memoryview:
    return memoryview(cast(Any, records)).cast("B") if records.size else memoryview(b"")


def _digest(records: memoryview | bytes) -> str:
    return hashlib.blake2b(records, digest_size=16).hexdigest()


@dataclass
class Kept:
    """How many records each range has, their smallest and largest keys, and how many are of each portion appended.

    With it a checkpoint knows how long the file was, which records of it are of which range, and by a digest of each
    portion whether they are still what was written.
    """

    count: NDArray[np.int64]
    smallest: Array
    largest: Array
    portions: list[NDArray[np.int64]]
    digests: list[str] = field(default_factory=list)

    @classmethod
    def nothing(cls, n_ranges: int) -> Kept:
        """Of no record."""
        return cls(np.zeros(n_ranges, np.int64), np.full(n_ranges, np.inf), np.full(n_ranges, -np.inf), [])

    def copy(self) -> Kept:
        """What later records do not change."""
        return Kept(
            self.count.copy(),
            self.smallest.copy(),
            self.largest.copy(),
            list(self.portions),
            list(self.digests),
        )

    def add(self, keys: Array, counts: NDArray[np.int64]) -> None:
        """A portion of keys sorted into ranges, `counts` of each."""
        present = np.flatnonzero(counts)
        if len(present):
            starts = (np.cumsum(counts) - counts)[present]
            self.count += counts
            low, high = np.minimum.reduceat(keys, starts), np.maximum.reduceat(keys, starts)
            self.smallest[present] = np.minimum(self.smallest[present], low)
            self.largest[present] = np.maximum(self.largest[present], high)
        self.portions.append(counts)


@dataclass
class KeptEvaluation:
    """What a checkpoint holds of a pass over residuals: its sums, and what is needed to trust the file of its records."""

    sums: Residuals
    envelope: Envelope
    records: Kept


class Ranges:
    """Records by range of fitted values.

    Parameters
    ----------
    n_ranges, width : int
        Numbers a record: 2, or 3 with weights.
    folder : str or None
        Where a file of them goes; None keeps the records in memory.
    label : str
        The dataset, for messages.
    room : int
        Bytes that searching one range may take.
    outlives : bool
        Whether another process may meet the file again, and has to know what was written.
    """

    def __init__(
        self, n_ranges: int, width: int, folder: str | None, label: str, room: int, *, outlives: bool = False
    ) -> None:
        self._width, self._folder, self._label, self._room = width, folder, label, room
        self._outlives = outlives
        self._most = max(_PIECE, room // BYTES_TO_SEARCH)
        self.kept = Kept.nothing(n_ranges)
        self._portions: list[Array] = []
        if folder is not None:
            with writing(folder, label, _REMEDY):
                os.makedirs(folder, exist_ok=True)

    # ---- keeping records -----------------------------------------------------------------------------------

    @property
    def _path(self) -> str:
        assert self._folder is not None
        return os.path.join(self._folder, "records.f8")

    def append(self, records: Array, counts: NDArray[np.int64]) -> None:
        """Add a portion of records sorted into ranges, `counts` of each."""
        self.kept.add(records[:, 0], counts)
        if self._folder is None:
            self._portions.append(records)
            return
        view = _bytes(records)
        if self._outlives:
            self.kept.digests.append(_digest(view))
        with writing(self._folder, self._label, _REMEDY), open(self._path, "ab", buffering=0) as stream:
            while view:
                view = view[stream.write(view) :]

    def state(self) -> Kept:
        """What a checkpoint has to know; what is in the file is on disk then."""
        if self.kept.portions:
            with writing(str(self._folder), self._label, _REMEDY), open(self._path, "rb") as stream:
                os.fsync(stream.fileno())
        return self.kept.copy()

    def restore(self, kept: Kept) -> bool:
        """Go back to a `state`, and cut off what was written later; False where the file does not hold it any more."""
        assert self._folder is not None
        with writing(self._folder, self._label, _REMEDY), open(self._path, "a+b", buffering=0) as stream:
            stream.seek(0)
            for counts, digest in zip(kept.portions, kept.digests, strict=True):
                if _digest(stream.read(8 * self._width * int(counts.sum()))) != digest:
                    return False
            stream.truncate(stream.tell())
        self.kept = kept.copy()
        return True

    def forget(self) -> None:
        """Hold no records, whatever the file holds."""
        self.restore(Kept.nothing(len(self.kept.count)))

    def remove(self) -> None:
        """Forget all records and delete their file."""
        self.kept, self._portions = Kept.nothing(len(self.kept.count)), []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _places(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of portion p and range r: how many records, from which on in the portion; and where the portion begins."""
        counts = np.array(self.kept.portions, dtype=np.int64).reshape(-1, len(self.kept.count))
        lengths = counts.sum(axis=1)
        return counts, np.cumsum(counts, axis=1) - counts, np.cumsum(lengths) - lengths

    def _portions_of(self, index: int) -> Iterator[Array]:
        """The records of a range, portion by portion, in the order of the rows."""
        counts, starts, begins = self._layout
        present = np.flatnonzero(counts[:, index])
        lengths, starts = counts[present, index].tolist(), starts[present, index]
        if self._folder is None:
            for number, start, length in zip(present.tolist(), starts.tolist(), lengths, strict=True):
                yield self._portions[number][start : start + length]
            return
        offsets = (8 * self._width * (begins[present] + starts)).tolist()
        with open(self._path, "rb", buffering=0) as stream:
            for offset, length in zip(offsets, lengths, strict=True):
                records = np.empty((length, self._width))
                stream.seek(offset)
                view = _bytes(records)
                while view:
                    got = stream.readinto(view)
                    if not got:
                        raise OutputError(f"{self._label}: the temporary file {self._path} was cut short")
                    view = view[got:]
                yield records

    # ---- the search ----------------------------------------------------------------------------------------

    def _pieces(self) -> Iterator[tuple[Load, float]]:
        """(what loads the records, smallest key of them) in the order of keys, each small enough to search."""
        self._layout = self._places()
        kept = self.kept
        for index in np.flatnonzero(kept.count).tolist():
            smallest = float(kept.smallest[index])
            if kept.count[index] <= self._most:
                yield partial(self._records_of, index), smallest
            elif smallest == kept.largest[index]:
                for records in self._portions_of(index):
                    yield partial(list, [records]), smallest
            else:
                yield from self._cut(index)

    def _records_of(self, index: int) -> list[Array]:
        return list(self._portions_of(index))

    def _cut(self, index: int) -> Iterator[tuple[Load, float]]:
        """Cut a range again, by a sample of its own."""
        count = int(self.kept.count[index])
        step = max(1, count // _SAMPLE)
        sample = np.concatenate([records[::step, 0] for records in self._portions_of(index)])
        # 16 or more, so that a value that half of them share is told by several quantiles
        n_ranges = min(1024, max(16, 2 * -(-count // self._most)))
        ends = self.kept.smallest[index], self.kept.largest[index]
        plan = plan_of(np.append(sample, ends), n_ranges)
        folder = None if self._folder is None else os.path.join(self._folder, f"cut-{index}")
        finer = Ranges(plan.n_buckets, self._width, folder, self._label, self._room)
        try:
            for records in self._portions_of(index):
                finer.append(*plan.sorted_into(np.ascontiguousarray(records.T)))
            for load, smallest in finer._pieces():
                # now, because the finer file goes when the last piece has been handed out
                yield partial(list, load()), smallest
        finally:
            finer.remove()

    def _sorted(self, before: CarriedSums, workers: int) -> Iterator[tuple[int, SortedSums]]:
        """(records, sums) of all pieces in order; `workers` of them are sorted at once."""

        def prepared(load: Load, following: float | None) -> tuple[int, SortedSums]:
            portions = load()
            taken, at = sum(map(len, portions)), 0
            columns = np.empty((self._width, taken + (following is not None)))
            for records in portions:
                columns[:, at : at + len(records)] = records.T
                at += len(records)
            del portions, records
            if following is not None:
                columns[:, taken] = [following, 0.0, 1.0][: self._width]
            weights = columns[2] if self._width == 3 else None
            state = SortedSums(columns[0], columns[1], weights, 1, before)
            state.sort()
            return taken, state

        pieces = _with_next(self._pieces())
        if workers == 1:
            for load, following in pieces:
                yield prepared(load, following)
            return
        waiting: deque[Future[tuple[int, SortedSums]]] = deque()
        with ThreadPoolExecutor(workers) as pool:
            for load, following in pieces:
                waiting.append(pool.submit(prepared, load, following))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def search(
        self,
        kappa: float,
        reach: float,
        errors: tuple[float, float, float],
        before: CarriedSums,
        workers: int,
    ) -> SplitSearch:
        """As `search_splits` over all records.

        Parameters
        ----------
        before : CarriedSums
            Of no record, with what is known of all.
        """
        best: dict[str, Any] = {"position": None, "S": 0.0, "gap": 0.0, "lower": math.nan, "upper": math.nan}
        drop, certified, undecided = -1.0, 0, 0
        shift = before.value_shift + before.weight_shift
        for taken, state in self._sorted(before, workers):
            state.follow(before)
            found = state.sweep(kappa, reach, errors)
            certified, undecided = certified + found.n_certified, undecided + found.n_undecided
            if found.position >= 0 and found.drop > drop:
                drop = found.drop
                lower, upper = state.beside(found.position)
                best = {
                    "position": before.count + found.position,
                    "S": math.ldexp(found.sum, -shift),
                    "gap": upper - lower,
                    "lower": lower,
                    "upper": upper,
                }
            before = state.after(taken)
        value = math.ldexp(max(drop, 0.0), -shift - before.value_shift)
        return SplitSearch(**best, drop=value, n_certified=certified, n_undecided=undecided)


def _with_next(pieces: Iterator[tuple[Load, float]]) -> Iterator[tuple[Load, float | None]]:
    """Each piece with the smallest key of the next one."""
    held: Load | None = None
    for load, smallest in pieces:
        if held is not None:
            yield held, smallest
        held = load
    if held is not None:
        yield held, None
