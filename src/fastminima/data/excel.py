"""The first sheet of an Excel file, by the rules of text: a line of names, then rows; blank rows are none."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastminima.errors import ReadError
from fastminima.system.files import reading
from fastminima.system.packages import import_optional

from .cleaning import resolved
from .columns import refuse_repeated
from .frames import FrameColumn, objects
from .text_form import header_notes, is_data, without_empty

__all__ = ["read_excel"]


def read_excel(
    path: Path, header: bool | None
) -> tuple[tuple[str, ...] | None, list[FrameColumn], int, tuple[str, ...]]:
    """(names or None, columns, rows, notes) of the first sheet.

    Raises
    ------
    ReadError
        The file is damaged or holds no table, or its first row could be data.
    MissingDependencyError
        pandas or openpyxl is not installed.
    """
    pd = import_optional("pandas", extra="tables", purpose="reading Excel files")
    import_optional("openpyxl", extra="excel", purpose="reading Excel files")
    with reading(path, "is damaged or no Excel file"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions
        frame = pd.read_excel(path, header=None, dtype=object, engine="openpyxl")
    frame = frame[~frame.isna().all(axis=1)]
    if frame.empty:
        raise ReadError(f"{path} is empty: its first sheet holds nothing")
    cells = ["" if pd.isna(cell) else str(cell).strip() for cell in frame.iloc[0]]
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    rows = frame
    if not is_data(path, cells, ".", header, bare=False):
        found = without_empty(cells)
        refuse_repeated(found, str(path))
        names, rows, notes = tuple(found), frame.iloc[1:], tuple(header_notes(found))
        _refuse_nameless(path, rows, len(found))
    if not len(rows):
        raise ReadError(f"{path} has column names but no data rows")
    width = rows.shape[1] if names is None else len(names)
    columns = [_column(rows.iloc[:, i].tolist()) for i in range(width)]
    return names, columns, len(rows), notes


def _refuse_nameless(path: Path, rows: Any, count: int) -> None:
    held = rows.iloc[:, count:].notna().any(axis=0).to_numpy()
    if held.any():
        raise ReadError(
            f"{path}: column {count + int(held.argmax())} holds values but has no name in the first row"
        )


def _column(values: Sequence[Any]) -> FrameColumn:
    column = FrameColumn("objects", "objects", lambda: objects(values))
    settled = resolved(column, True)
    kinds = {type(value) for value in values} - {type(None)}
    if settled.content != "numbers" or not kinds <= {int, float}:
        return settled
    # whole numbers of a sheet are int or float as they happen to be stored
    numbers = settled.values()
    if all(float(value) == value for value in numbers.tolist()):
        floats = np.array([float(value) for value in numbers.tolist()])
        return FrameColumn("number", "numbers", lambda: floats, settled.absent)
    return settled
