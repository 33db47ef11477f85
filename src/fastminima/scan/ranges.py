"""Fitted values and residuals of a scan, kept in ranges of fitted values, in memory or in files; and the search over them.

(a) Records (fitted, residual[, weight]) arrive sorted into ranges, in the order of the rows, and are appended to their
    range. A range is searched alone: 8 bytes a number to keep, and about 50 bytes a record while it is searched.
(b) The search goes through the ranges in order and carries the partial sum from one to the next (`Before`). The last
    record of a range meets the first key of the next one as a record of value 0, so that every gap is looked at once.
(c) A range that came out too large, because the sample that cut the ranges did not tell, is cut again; if all its fitted
    values are equal, it is taken in pieces.
(d) Files are appended with plain writes: a map would count as memory of the process.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .._atomic import writing
from .._sorted_sums import Before, Plan, SortedSums
from ..errors import OutputError
from ..splits import Search
from .passes import sorted_into

__all__ = ["BYTES_TO_SEARCH", "Ranges", "plan_of"]

Array = NDArray[np.float64]

# two pieces read, columns, records sorted, ids, scratch
BYTES_TO_SEARCH = 96
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


@dataclass
class _Range:
    """Records of one range: how many, and the smallest and largest key."""

    count: int = 0
    smallest: float = math.inf
    largest: float = -math.inf


@dataclass
class Kept:
    """What a checkpoint has to know of a file: how long it is, and which records of each portion are of which range."""

    ranges: list[_Range]
    counts: list[NDArray[np.int64]]


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
    """

    def __init__(self, n_ranges: int, width: int, folder: str | None, label: str, room: int) -> None:
        self._width, self._folder, self._label, self._room = width, folder, label, room
        self._most = max(_PIECE, room // BYTES_TO_SEARCH)
        self.ranges = [_Range() for _ in range(n_ranges)]
        self._counts: list[NDArray[np.int64]] = []
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
        present = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[present]
        if len(present):
            smallest = np.minimum.reduceat(records[:, 0], starts)
            largest = np.maximum.reduceat(records[:, 0], starts)
            for index, low, high in zip(present.tolist(), smallest.tolist(), largest.tolist(), strict=True):
                state = self.ranges[index]
                state.count += int(counts[index])
                state.smallest, state.largest = min(state.smallest, low), max(state.largest, high)
        self._counts.append(counts)
        if self._folder is None:
            self._portions.append(records)
            return
        with writing(self._folder, self._label, _REMEDY), open(self._path, "ab", buffering=0) as stream:
            view = _bytes(records)
            while view:
                view = view[stream.write(view) :]

    def state(self) -> Kept:
        """What a checkpoint has to know; what is in the file is on disk then."""
        if self._counts:
            with writing(str(self._folder), self._label, _REMEDY), open(self._path, "rb") as stream:
                os.fsync(stream.fileno())
        return Kept([_Range(r.count, r.smallest, r.largest) for r in self.ranges], list(self._counts))

    def restore(self, kept: Kept) -> None:
        """Go back to a `state`: what was written later is cut off."""
        assert self._folder is not None
        self.ranges, self._counts = kept.ranges, kept.counts
        with writing(self._folder, self._label, _REMEDY), open(self._path, "ab") as stream:
            stream.truncate(8 * self._width * sum(r.count for r in kept.ranges))

    def __getstate__(self) -> dict[str, Any]:
        # the checkpoint has the counts in `state`
        return {**self.__dict__, "_counts": [], "_portions": []}

    def remove(self) -> None:
        """Forget all records and delete their file."""
        self.ranges = [_Range() for _ in self.ranges]
        self._counts, self._portions = [], []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _portions_of(self, index: int) -> Iterator[Array]:
        """The records of a range, portion by portion, in the order of the rows."""
        at = 0
        stream = None if self._folder is None else open(self._path, "rb", buffering=0)  # noqa: SIM115
        try:
            for number, counts in enumerate(self._counts):
                start = int(counts[:index].sum())
                length = int(counts[index])
                if length and stream is None:
                    yield self._portions[number][start : start + length]
                elif length and stream is not None:
                    records = np.empty((length, self._width))
                    stream.seek(8 * self._width * (at + start))
                    view = _bytes(records)
                    while view:
                        got = stream.readinto(view)
                        if not got:
                            raise OutputError(f"{self._label}: the temporary file {self._path} was cut short")
                        view = view[got:]
                    yield records
                at += int(counts.sum())
        finally:
            if stream is not None:
                stream.close()

    # ---- the search ----------------------------------------------------------------------------------------

    def _pieces(self) -> Iterator[tuple[Array, float]]:
        """(records, smallest key of them) in the order of keys, each small enough to search."""
        for index, kept in enumerate(self.ranges):
            if not kept.count:
                continue
            if kept.count <= self._most:
                parts = list(self._portions_of(index))
                yield np.concatenate(parts), kept.smallest
            elif kept.smallest == kept.largest:
                for records in self._portions_of(index):
                    yield records, kept.smallest
            else:
                yield from self._cut(index, kept)

    def _cut(self, index: int, kept: _Range) -> Iterator[tuple[Array, float]]:
        """Cut a range again, by a sample of its own."""
        step = max(1, kept.count // _SAMPLE)
        sample = np.concatenate([records[::step, 0] for records in self._portions_of(index)])
        # 16 or more, so that a value that half of them share is told by several quantiles
        n_ranges = min(1024, max(16, 2 * -(-kept.count // self._most)))
        plan = plan_of(np.append(sample, [kept.smallest, kept.largest]), n_ranges)
        folder = None if self._folder is None else os.path.join(self._folder, f"cut-{index}")
        finer = Ranges(plan.n_buckets, self._width, folder, self._label, self._room)
        try:
            for records in self._portions_of(index):
                finer.append(*sorted_into(plan, np.ascontiguousarray(records.T)))
            yield from finer._pieces()
        finally:
            finer.remove()

    def search(
        self,
        kappa: float,
        reach: float,
        errors: tuple[float, float, float],
        before: Before,
        workers: int,
    ) -> Search:
        """As `splits.search` over all records.

        Parameters
        ----------
        before : Before
            Of no record, with what is known of all.
        """
        best: dict[str, Any] = {"position": None, "S": 0.0, "gap": 0.0, "lower": math.nan, "upper": math.nan}
        drop, certified, undecided = -1.0, 0, 0
        shift = before.value_shift + before.weight_shift
        for records, following in _with_next(self._pieces()):
            taken = len(records)
            if following is not None:
                records = np.vstack([records, [following, 0.0, 1.0][: self._width]])
            columns = [np.ascontiguousarray(records[:, k]) for k in range(self._width)]
            del records
            state = SortedSums(
                columns[0], columns[1], columns[2] if self._width == 3 else None, workers, before
            )
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
        return Search(**best, drop=value, n_certified=certified, n_undecided=undecided)


def _with_next(pieces: Iterator[tuple[Array, float]]) -> Iterator[tuple[Array, float | None]]:
    """Each piece with the smallest key of the next one; one piece is held while the next is read."""
    held: Array | None = None
    for records, smallest in pieces:
        if held is not None:
            yield held, smallest
        held = records
    if held is not None:
        yield held, None
