"""Columns in memory: arrays, frames, and what Arrow hands out.

A missing value becomes NaN among numbers and None among texts; which rows that costs is decided later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import as_array, rational_column
from fastminima.data.excel import read_excel
from fastminima.data.frames import FrameColumn, arrow_content, frame_parts
from fastminima.errors import DataError

from .arrays import ArrayReader, MemoryPart, Part
from .reader import Refusal, file_token
from .values import numeric_dtype, texts

__all__ = ["Table", "arrow_refusal", "excel_reader", "table_of"]


@dataclass(frozen=True)
class Table:
    """Arrays side by side, as `ArrayReader` takes them."""

    names: tuple[str, ...] | None
    parts: tuple[Part, ...]
    refusals: Mapping[int, Refusal] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Columns."""
        return sum(part.shape[1] if len(part.shape) == 2 else 1 for part in self.parts)

    @property
    def arrays(self) -> list[NDArray[Any]]:
        """Of the parts that are in memory; all are, where `table_of` has made them."""
        return [part.array for part in self.parts if isinstance(part, MemoryPart)]


_TEXT = Refusal("text", True)
Column = tuple["NDArray[Any] | None", "Refusal | None"]


def table_of(data: Any, role: str) -> Table:
    """A frame, a series or anything array-like by columns.

    Raises
    ------
    DataTypeError
        Sparse, masked, or nothing that holds numbers.
    DataError
        Neither one- nor two-dimensional.
    """
    parts = frame_parts(data, role)
    if parts is None:
        return _array(data, role)
    if parts.block is not None and parts.block.shape[1]:
        return Table(parts.names, (MemoryPart(parts.block),))
    return _table(parts.names, [_of_frame(column) for column in parts.columns], parts.n_rows)


def excel_reader(path: Path, header: bool | None) -> ArrayReader:
    """The first sheet of an Excel file, which is read at once."""
    names, columns, n_rows, notes = read_excel(path, header)
    table = _table(names, [_of_frame(column) for column in columns], n_rows)
    about = {"header": "; ".join(notes)} if notes else {}
    return ArrayReader(
        str(path), table.parts, table.names, True, refusals=table.refusals, about=about, tag=file_token(path)
    )


def _of_frame(column: FrameColumn) -> Column:
    """A column of a frame, by the rules of a scan."""
    if column.content == "other":
        return None, Refusal(column.kind, False)
    if column.content == "objects":
        return _objects(column.values(), column.absent)
    if column.content == "texts":
        values = column.values()
        # an empty text is a missing one, as in a text file
        values[values == ""] = None
        return values, Refusal(column.what, True)
    values = column.values()
    if values.dtype.kind == "O":
        return _objects(values)
    return (values, None) if numeric_dtype(values.dtype) else (None, Refusal(column.kind, False))


def _table(names: Any, columns: list[Column], m: int) -> Table:
    parts, refusals = [], {}
    for position, (values, refusal) in enumerate(columns):
        if refusal is not None:
            refusals[position] = refusal
        # a refused column keeps its place, not its values
        parts.append(MemoryPart(np.broadcast_to(np.uint8(0), (m,)) if values is None else values))
    return Table(None if names is None else tuple(names), tuple(parts), refusals)


def _array(data: Any, role: str) -> Table:
    array, _ = as_array(data, role)
    if array.ndim not in (1, 2):
        raise DataError(f"{role} must be 2-D (samples, columns), got shape {array.shape}")
    if array.dtype.names is not None:
        if array.ndim != 1:
            raise DataError(f"{role} has fields and shape {array.shape}; expected 1-D")
        return _table(array.dtype.names, [_plain(array[name]) for name in array.dtype.names], len(array))
    if numeric_dtype(array.dtype):
        return Table(None, (MemoryPart(array),))
    columns = [array] if array.ndim == 1 else [array[:, i] for i in range(array.shape[1])]
    return _table(None, [_plain(column) for column in columns], len(array))


def _plain(values: NDArray[Any]) -> Column:
    """A column of a NumPy array."""
    if values.ndim != 1:
        return None, Refusal(f"an array of shape {values.shape[1:]} a row", False)
    if numeric_dtype(values.dtype):
        return values, None
    if values.dtype.kind in "UST":
        return texts(values), _TEXT
    return _objects(values) if values.dtype.kind == "O" else (None, Refusal(str(values.dtype), False))


def _objects(values: NDArray[Any], absent: NDArray[np.bool_] | None = None) -> Column:
    """int, Fraction and Decimal are numbers, str is text, and nothing else is."""
    entries = values.tolist()
    if absent is None:
        absent = np.array([entry is None or entry != entry for entry in entries], dtype=bool)
    present = [entry for entry, gone in zip(entries, absent.tolist(), strict=True) if not gone]
    result = np.empty(len(values), dtype=object)
    if present and all(isinstance(entry, str) for entry in present):
        result[~absent] = [entry or None for entry in present]
        return result, _TEXT
    exact = np.empty(len(present), dtype=object)
    exact[:] = present
    numbers, offence = rational_column(exact, "a column", allow_float=True)
    if numbers is None:
        assert offence is not None
        return None, Refusal(f"objects ({offence[1]!r} in row {np.flatnonzero(~absent)[offence[0]]})", False)
    result[~absent] = numbers
    return result, None


def arrow_refusal(pa: Any, kind: Any, category: bool = False) -> Refusal | None:
    """None for a numeric Arrow type; `category` says that the column was one, whatever it is stored as."""
    content = arrow_content(pa, kind)
    if content == "other":
        return Refusal(str(kind), False)
    if category or (content == "texts" and pa.types.is_dictionary(kind)):
        return Refusal("categories", True)
    return None if content == "numbers" else Refusal("text", True)
