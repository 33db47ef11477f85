"""Parquet: one file, or the files of a folder as one table; row groups are decoded as a pass reaches them."""

from __future__ import annotations

import bisect
import os
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fastminima.data.arrow_schema import category_columns, index_columns, index_last, range_indices
from fastminima.data.columns import listed, refuse_repeated
from fastminima.data.frames import arrow_texts, arrow_values
from fastminima.errors import ReadError
from fastminima.system.files import reading
from fastminima.system.first_use import cached_property
from fastminima.system.packages import import_optional

from .reader import Piece, Refusal, Tell, file_token, fingerprint, silent
from .tables_in_memory import arrow_refusal

__all__ = ["ParquetReader", "parquet_reader", "same_columns"]

_BATCH_CELLS = 1 << 19
# columns are read by so much at a time: by default all of a row group is, which may be gigabytes
_PAGE_BYTES = 1 << 18
_DAMAGED = "is damaged or truncated"


@dataclass(frozen=True)
class ParquetReader:
    """Files with the same columns, one after the other.

    Attributes
    ----------
    paths : tuple of str
    rows : tuple of tuple of int
        Rows of each row group of each file.
    refusals : mapping of int to Refusal
    hidden : frozenset of int
        The index of a frame, after all other columns, wherever it lies in the files: a position counts the others.
    token : str
        Of every file, as it was when its footer was read.
    categories : frozenset of int
        Columns that were categories, stored as what they hold: texts here.
    ranges : frozenset of str
        Names of an index that is a range, without a column.
    """

    name: str
    names: tuple[str, ...]
    paths: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    refusals: Mapping[int, Refusal]
    hidden: frozenset[int]
    about: Mapping[str, Any]
    token: str
    categories: frozenset[int] = frozenset()
    ranges: frozenset[str] = frozenset()
    seekable: bool = True
    levels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def n_columns(self) -> int:
        """In every file."""
        return len(self.names)

    @property
    def n_rows(self) -> int:
        """Of all files."""
        return sum(map(sum, self.rows))

    @property
    def size_bytes(self) -> int:
        """Of the files."""
        return sum(os.path.getsize(path) for path in self.paths)

    @cached_property
    def groups(self) -> list[tuple[int, int]]:
        """(file, row group) in order; empty groups are left out."""
        return [
            (file, group)
            for file, lengths in enumerate(self.rows)
            for group, length in enumerate(lengths)
            if length
        ]

    @cached_property
    def begins(self) -> list[int]:
        """The row each group begins with."""
        return list(accumulate((self.rows[file][group] for file, group in self.groups[:-1]), initial=0))

    def group_before(self, row: int) -> int:
        """Position in `groups` of the group that holds a row."""
        return bisect.bisect_right(self.begins, row) - 1

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return self.paths

    def refused(self, column: int) -> Refusal | None:
        """By its Arrow type."""
        return self.refusals.get(column)

    def prepare(self, folder: str, columns: Sequence[int], texts: bool, tell: Tell = silent) -> ParquetReader:
        """Nothing to settle."""
        return self

    def where(self, row: int) -> str:
        """By its number, and in which of several files."""
        if len(self.paths) == 1:
            return f"data row {row + 1:,}"
        for path, lengths in zip(self.paths, self.rows, strict=True):
            if row < sum(lengths):
                return f"data row {row + 1:,} of {path}"
            row -= sum(lengths)
        raise IndexError(row)

    def pieces(self, columns: Sequence[int], start: int, stop: int | None, rows: int) -> Iterator[Piece]:
        """Batches of row groups; a pass in slices goes on where the last slice ended."""
        stop = self.n_rows if stop is None else min(stop, self.n_rows)
        if start >= stop:
            return
        cursor, keep = _cursor(self, tuple(self.names[column] for column in columns), start), False
        try:
            while cursor.at < stop:
                batch = cursor.take(start, stop)
                if batch is not None:
                    yield batch
            keep = stop < self.n_rows
        finally:
            if keep:
                _kept.cursor = cursor
            else:
                cursor.close()


_kept = threading.local()


def _cursor(reader: ParquetReader, names: tuple[str, ...], start: int) -> _Cursor:
    """The cursor this thread's last slice left behind, when it is the nearest way to row `start`; else a new one.

    A row group can be decoded only from its first row, and groups of a million rows are common: slices that
    each began anew would decode a group many times over.
    """
    kept: _Cursor | None = getattr(_kept, "cursor", None)
    _kept.cursor = None
    begin = reader.group_before(start)
    if kept is not None and kept.key == (reader.token, names) and reader.begins[begin] <= kept.at <= start:
        return kept
    if kept is not None:
        kept.close()
    return _Cursor(reader, names, begin)


class _Cursor:
    """Decodes row groups one after the other.

    Attributes
    ----------
    at : int
        The row after the last one handed out or passed over.
    """

    def __init__(self, reader: ParquetReader, names: tuple[str, ...], group: int) -> None:
        self.key = (reader.token, names)
        self.at = reader.begins[group]
        self._reader, self._names, self._once = reader, names, list(dict.fromkeys(names))
        self._pa = import_optional("pyarrow", extra="tables", purpose="reading Parquet files")
        self._batches = _batches(reader, self._once, group)
        self._batch: Any = None
        self._texts = frozenset(
            reader.names[column]
            for column, refusal in reader.refusals.items()
            if refusal.encodable or column in reader.categories
        )

    def close(self) -> None:
        """Give back the memory of the row group."""
        self._batches.close()

    def take(self, start: int, stop: int) -> Piece | None:
        """The next rows that are at hand, from `start` on and up to `stop`; None where they were passed over."""
        if self._batch is None or not len(self._batch):
            self._batch = next(self._batches, None)
            if self._batch is None:
                raise ReadError(
                    f"{self._reader.name} has changed: it holds fewer rows than when it was opened"
                )
        passed = min(max(start - self.at, 0), len(self._batch))
        length = min(stop - self.at, len(self._batch)) - passed
        batch = self._batch.slice(passed, length)
        self._batch = self._batch.slice(passed + length)
        self.at += passed + length
        if not length:
            return None
        values = {name: self._values(name, batch.column(name)) for name in self._once}
        return [values[name] for name in self._names]

    def _values(self, name: str, column: Any) -> NDArray[Any]:
        if name in self._texts:
            return arrow_texts(column)
        return arrow_values(self._pa, column)


def _batches(reader: ParquetReader, names: list[str], first: int) -> Generator[Any, None, None]:
    """Record batches from a row group on."""
    parquet = import_optional("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
    batch_rows = max(1024, min(65_536, _BATCH_CELLS // len(names)))
    groups = reader.groups[first:]
    for file in sorted({file for file, _ in groups}):
        path, own = reader.paths[file], [group for index, group in groups if index == file]
        with (
            reading(path, _DAMAGED),
            parquet.ParquetFile(path, pre_buffer=False, buffer_size=_PAGE_BYTES) as opened,
        ):
            yield from opened.iter_batches(batch_rows, row_groups=own, columns=names, use_threads=False)


def parquet_reader(name: str, paths: Sequence[Path]) -> ParquetReader:
    """Read the footers of the files.

    Raises
    ------
    ReadError
        A file is damaged, or its columns are not those of the first.
    """
    pa = import_optional("pyarrow", extra="tables", purpose="reading Parquet files")
    parquet = import_optional("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
    rows, names = [], None
    refusals: dict[int, Refusal] = {}
    hidden: frozenset[int] = frozenset()
    categories: frozenset[int] = frozenset()
    ranges: frozenset[str] = frozenset()
    for path in paths:
        with reading(path, _DAMAGED), parquet.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            own = tuple(schema.names)
            if names is None:
                names = own
                refuse_repeated(own, str(path))
            if own != names:
                raise ReadError(
                    f"{path} has the columns {listed(own)}, {paths[0]} has {listed(names)}; files of one table must "
                    "have the same; pass a glob to scan each file by itself"
                )
            encoded = category_columns(schema)
            for column in range(len(own)):
                refusal = arrow_refusal(pa, schema.field(column).type, column in encoded)
                if refusal is not None and (column not in refusals or refusals[column].encodable):
                    refusals[column] = refusal
            hidden, categories = hidden | index_columns(schema), categories | encoded
            ranges |= range_indices(schema)
            rows.append(tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)))
    names = names or ()
    if not sum(map(sum, rows)):
        raise ReadError(f"{name} has column names but no rows")
    # columns are read by name, so the index may stand behind the others
    order = index_last(len(names), hidden)
    place = {column: position for position, column in enumerate(order)}
    return ParquetReader(
        name,
        tuple(names[column] for column in order),
        tuple(map(str, paths)),
        tuple(rows),
        {place[column]: refusal for column, refusal in refusals.items()},
        frozenset(place[column] for column in hidden),
        {"files": len(paths)} if len(paths) > 1 else {},
        fingerprint([file_token(path) for path in paths]),
        frozenset(place[column] for column in categories),
        ranges - set(names),
    )


def same_columns(paths: Sequence[Path]) -> bool:
    """Are the files parts of one table?"""
    parquet = import_optional("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
    found = set()
    for path in paths:
        with reading(path, _DAMAGED):
            found.add(tuple(parquet.read_schema(path).names))
        if len(found) > 1:
            return False
    return True
