"""Parquet: one file, or the files of a folder as one table; row groups are decoded as a pass reaches them."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .._optional import require
from .._reading import reading
from .._selection import listed
from ..errors import ReadError
from ..readers import STORED_INDEX
from .sources_array import file_token
from .sources_base import Piece, Refusal, Tell, fingerprint, silent
from .sources_frame import arrow_refusal, arrow_values

__all__ = ["ParquetReader", "parquet_reader", "same_columns"]

_BATCH_CELLS = 1 << 19
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
    """

    name: str
    names: tuple[str, ...]
    paths: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    refusals: Mapping[int, Refusal]
    hidden: frozenset[int]
    about: Mapping[str, Any]
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
    def token(self) -> str:
        """Of every file."""
        return fingerprint([file_token(path) for path in self.paths])

    @cached_property
    def _groups(self) -> tuple[list[tuple[int, int]], list[int]]:
        """(file, row group) in order, and the row each begins with."""
        groups, starts, at = [], [], 0
        for file, lengths in enumerate(self.rows):
            for group, length in enumerate(lengths):
                groups.append((file, group))
                starts.append(at)
                at += length
        return groups, starts

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
        """Batches of row groups; a pass that starts inside a group decodes the group from its first row."""
        pa = require("pyarrow", extra="tables", purpose="reading Parquet files")
        parquet = require("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
        groups, starts = self._groups
        stop = self.n_rows if stop is None else min(stop, self.n_rows)
        if start >= stop:
            return
        wanted = [self.names[column] for column in columns]
        once = list(dict.fromkeys(wanted))
        batch_rows = max(1024, min(65_536, _BATCH_CELLS // len(once)))
        first, last = bisect.bisect_right(starts, start) - 1, bisect.bisect_left(starts, stop)
        at = starts[first]
        for file in range(groups[first][0], groups[last - 1][0] + 1):
            own = [group for index, group in groups[first:last] if index == file]
            if not own:
                continue
            path = self.paths[file]
            with reading(path, _DAMAGED), parquet.ParquetFile(path, pre_buffer=False) as opened:
                for batch in opened.iter_batches(batch_rows, row_groups=own, columns=once, use_threads=False):
                    low, high = max(start - at, 0), min(stop - at, len(batch))
                    at += len(batch)
                    if low >= high:
                        continue
                    values = {
                        name: arrow_values(pa, batch.column(name).slice(low, high - low)) for name in once
                    }
                    yield [values[name] for name in wanted]
        if at < stop:
            raise ReadError(f"{self.name} has changed: it holds fewer rows than when it was opened")


def parquet_reader(name: str, paths: Sequence[Path]) -> ParquetReader:
    """Read the footers of the files.

    Raises
    ------
    ReadError
        A file is damaged, or its columns are not those of the first.
    """
    pa = require("pyarrow", extra="tables", purpose="reading Parquet files")
    parquet = require("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
    rows, names = [], None
    refusals: dict[int, Refusal] = {}
    for path in paths:
        with reading(path, _DAMAGED), parquet.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            own = tuple(schema.names)
            if names is None:
                names = own
                twice = sorted({column for column in own if own.count(column) > 1})
                if twice:
                    raise ReadError(f"{path} has more than one column called {listed(twice)}; rename them")
            if own != names:
                raise ReadError(
                    f"{path} has the columns {listed(own)}, {paths[0]} has {listed(names)}; files of one table must "
                    "have the same; pass a glob to scan each file by itself"
                )
            for column in range(len(own)):
                refusal = arrow_refusal(pa, schema.field(column).type)
                if refusal is not None and (column not in refusals or refusals[column].encodable):
                    refusals[column] = refusal
            rows.append(tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)))
    names = names or ()
    if not sum(map(sum, rows)):
        raise ReadError(f"{name} has column names but no rows")
    hidden = frozenset(i for i, column in enumerate(names) if STORED_INDEX.fullmatch(column))
    about = {"files": len(paths)} if len(paths) > 1 else {}
    return ParquetReader(name, names, tuple(map(str, paths)), tuple(rows), refusals, hidden, about)


def same_columns(paths: Sequence[Path]) -> bool:
    """Are the files parts of one table?"""
    parquet = require("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
    found = set()
    for path in paths:
        with reading(path, _DAMAGED):
            found.add(tuple(parquet.read_schema(path).names))
        if len(found) > 1:
            return False
    return True
