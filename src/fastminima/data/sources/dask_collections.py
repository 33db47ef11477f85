"""Dask frames and arrays: partitions are computed one at a time and kept in a temporary file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastminima.data.columns import Request
from fastminima.data.frames import loaded
from fastminima.errors import DataError, DataTypeError

from .iterables import BlocksReader
from .reader import fingerprint
from .tables_in_memory import Table, table_of

__all__ = ["dask_source", "is_dask", "refuse_dask"]


def is_dask(item: Any) -> bool:
    """Is it a frame, a series or an array of Dask, which is computed when it is asked for?"""
    return _is_frame(item) or _is_array(item)


def _is_frame(item: Any) -> bool:
    frames = loaded("dask.dataframe")
    return frames is not None and isinstance(item, frames.DataFrame | frames.Series)


def _is_array(item: Any) -> bool:
    arrays = loaded("dask.array")
    return arrays is not None and isinstance(item, arrays.Array)


def refuse_dask(item: Any, role: str) -> None:
    """Raise `DataTypeError` for something of Dask beside others, whose rows would have to be brought together."""
    if is_dask(item):
        raise DataTypeError(
            f"{role} is a Dask {type(item).__name__}; call .compute() first, or scan the frame with target= its column"
        )


@dataclass(frozen=True)
class _Partitions:
    """Partitions with rows, in order; a class, because functions do not pickle."""

    source: Any

    def __call__(self) -> Iterator[Any]:
        for one in self._lazy():
            block = one.compute()
            if len(block):
                yield block

    def _lazy(self) -> Iterator[Any]:
        if _is_frame(self.source):
            yield from (self.source.get_partition(i) for i in range(self.source.npartitions))
        else:
            # all columns of a run of rows
            yield from (self.source.blocks[i] for i in range(self.source.numblocks[0]))


def _one_table(block: Any, label: str) -> list[Table]:
    return [table_of(block, label)]


def dask_source(name: str, source: Any, request: Request) -> tuple[BlocksReader, Request]:
    """A Dask frame by its names, or a two-dimensional array by positions; the first partition says what columns hold.

    Raises
    ------
    DataError
        No rows, or an array of another shape.
    DataTypeError
        A series, which has no target beside it.
    """
    if not _is_frame(source) and source.ndim != 2:
        raise DataError(f"{name} must be 2-D (samples, columns), got shape {source.shape}")
    if isinstance(source, getattr(loaded("dask.dataframe"), "Series", ())):
        refuse_dask(source, name)
    give = _Partitions(source)
    first = next(give(), None)
    if first is None:
        raise DataError(f"{name} has no rows; at least one sample is needed")
    (table,) = _one_table(first, name)
    if not table.width:
        raise DataError(f"{name} has no columns; a target column is needed")
    if request.target is None and not _is_frame(source):
        request = Request(table.width - 1, request.features, request.weight)
    token = fingerprint(name, table.width, getattr(source, "_name", ""), [part.token for part in table.parts])
    reader = BlocksReader(
        name, table.names, table.width, table.refusals, give, token, tables=_one_table, what="partition"
    )
    return reader, request
