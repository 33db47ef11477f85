"""Frames, series and tables taken apart into named columns: pandas, polars, pyarrow.

None of the three is imported here: an instance of their classes can only exist once the caller has done so.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError, DataTypeError

__all__ = [
    "EXACT_KINDS",
    "Columns",
    "frame_columns",
    "from_arrow",
    "is_series",
    "loaded",
    "objects",
    "reject",
]

EXACT_KINDS = "biuf"
"""NumPy kinds that convert to float64 exactly, or whose rounding can be told."""


@dataclass(frozen=True)
class Columns:
    """Named one-dimensional arrays of equal length; what frames and files are taken apart into."""

    names: tuple[str, ...] | None
    arrays: list[NDArray[Any]]


def loaded(module: str) -> Any:
    """The module if the caller has imported it: an instance of its classes cannot exist otherwise."""
    return sys.modules.get(module)


def _missing(role: str, column: int, name: str, row: int) -> DataError:
    return DataError(
        f"{role} column {column} ({name!r}) has no value in row {row} (counting from 0); "
        "drop or fill rows with missing values first"
    )


def reject(role: str, rejected: list[str]) -> DataTypeError:
    shown = ", ".join(rejected[:8]) + (f" and {len(rejected) - 8} more" if len(rejected) > 8 else "")
    return DataTypeError(f"{role} has columns that are not numeric: {shown}; select or encode columns first")


def _from_pandas(pd: Any, frame: Any, role: str) -> Columns | NDArray[Any]:
    if all(dtype == np.float64 for dtype in frame.dtypes):
        # one block: pandas hands out its memory, in C order when it was made from a C-ordered array
        arrays: Any = frame.to_numpy()
    else:
        arrays, rejected = [], []
        for column in range(frame.shape[1]):
            series, name = frame.iloc[:, column], str(frame.columns[column])
            dtype = series.dtype
            if isinstance(dtype, np.dtype) and dtype.kind in EXACT_KINDS + "O":
                arrays.append(series.to_numpy())
            elif (
                not isinstance(dtype, (np.dtype, pd.SparseDtype))
                and (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype))
                and dtype.kind in EXACT_KINDS + "O"
            ):
                absent = series.isna().to_numpy()
                if absent.any():
                    raise _missing(role, column, name, int(absent.argmax()))
                arrays.append(series.to_numpy(dtype=dtype.numpy_dtype))
            else:
                rejected.append(f"{name!r} ({dtype})")
        if rejected:
            raise reject(role, rejected)
    if isinstance(frame.columns, pd.RangeIndex):
        return arrays if isinstance(arrays, np.ndarray) else Columns(None, arrays)
    names = tuple(str(name) for name in frame.columns)
    if isinstance(arrays, np.ndarray):
        return Columns(names, [arrays])
    return Columns(names, arrays)


def _from_polars(pl: Any, frame: Any, role: str) -> Columns:
    arrays, rejected = [], []
    for column, series in enumerate(frame.get_columns()):
        if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
            rejected.append(f"{series.name!r} ({series.dtype})")
            continue
        if series.null_count():
            raise _missing(role, column, series.name, series.is_null().arg_max())
        if series.dtype.is_decimal() or series.dtype in (pl.Int128, getattr(pl, "UInt128", pl.Int128)):
            arrays.append(objects(series.to_list()))
        else:
            arrays.append(series.to_numpy())
    if rejected:
        raise reject(role, rejected)
    return Columns(tuple(frame.columns), arrays)


def from_arrow(pa: Any, table: Any, role: str) -> Columns:
    """The columns of a pyarrow Table; non-numeric ones and missing values are named."""
    arrays, rejected = [], []
    types = pa.types
    for column, name in enumerate(table.column_names):
        chunks = table.column(column)
        kind = chunks.type
        tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
        if not any(test(kind) for test in tests):
            rejected.append(f"{name!r} ({kind})")
            continue
        if chunks.null_count:
            absent = np.asarray(chunks.is_null())
            raise _missing(role, column, name, int(absent.argmax()))
        arrays.append(objects(chunks.to_pylist()) if types.is_decimal(kind) else chunks.to_numpy())
    if rejected:
        raise reject(role, rejected)
    return Columns(tuple(table.column_names), arrays)


def objects(values: Sequence[Any]) -> NDArray[Any]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def frame_columns(data: Any, role: str) -> Columns | NDArray[Any] | None:
    """Frames, series and tables by columns; None for anything else."""
    pd = loaded("pandas")
    if pd is not None:
        if isinstance(data, pd.DataFrame):
            return _from_pandas(pd, data, role)
        if isinstance(data, (pd.Series, pd.Index)):
            return _from_pandas(pd, data.to_frame(name=role if data.name is None else data.name), role)
    pl = loaded("polars")
    if pl is not None:
        if isinstance(data, pl.DataFrame):
            return _from_polars(pl, data, role)
        if isinstance(data, pl.LazyFrame):
            raise DataTypeError(f"{role} is a polars LazyFrame; call .collect() first")
        if isinstance(data, pl.Series):
            return _from_polars(pl, data.to_frame(), role)
    pa = loaded("pyarrow")
    if pa is not None:
        if isinstance(data, pa.RecordBatch):
            data = pa.Table.from_batches([data])
        if isinstance(data, (pa.Array, pa.ChunkedArray)):
            data = pa.table({role: data})
        if isinstance(data, pa.Table):
            return from_arrow(pa, data, role)
    return None


def is_series(data: Any) -> bool:
    """Is it a one-dimensional column of a frame library?"""
    found = []
    for module, names in (
        ("pandas", ("Series", "Index")),
        ("polars", ("Series",)),
        ("pyarrow", ("Array", "ChunkedArray")),
    ):
        package = loaded(module)
        found += [getattr(package, name) for name in names] if package is not None else []
    return isinstance(data, tuple(found))
