"""Frames, series and tables taken apart into named columns: pandas, polars, pyarrow.

Taking apart is one thing, deciding is another: `frame_parts` says of every column what its library holds there, numbers,
objects, texts or something else, and what is missing; `frame_columns` takes numbers alone, and names what is not. (Scans
read the same parts with other rules: see `sources.tables_in_memory`.)

None of the three is imported here: an instance of their classes can only exist once the caller has done so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError, DataTypeError

from .arrow_schema import category_columns
from .columns import NumberLabel

__all__ = [
    "EXACT_KINDS",
    "Columns",
    "Content",
    "FrameColumn",
    "FrameParts",
    "arrow_content",
    "arrow_texts",
    "arrow_values",
    "frame_columns",
    "frame_parts",
    "is_frame",
    "is_series",
    "loaded",
    "objects",
    "reject",
]

EXACT_KINDS = "biuf"
"""NumPy kinds that convert to float64 exactly, or whose rounding can be told."""
Content = Literal["numbers", "objects", "texts", "other"]


@dataclass(frozen=True)
class Columns:
    """Named one-dimensional arrays of equal length; what frames and files are taken apart into."""

    names: tuple[str, ...] | None
    arrays: list[NDArray[Any]]


@dataclass(frozen=True)
class FrameColumn:
    """One column of a frame, before anybody decides what missing values and texts are.

    Attributes
    ----------
    kind : str
        Its type, as its library calls it.
    content : {"numbers", "objects", "texts", "other"}
        "objects" are a NumPy column of Python objects, which may be any of the others.
    values : callable
        Makes the array: numbers with NaN or None where they are missing, objects as they are, texts and None.
    absent : ndarray of bool or None
        Where the library says that a value is missing; None where it says so nowhere.
    what : str
        How a reason calls texts: "text", "categories", or the type.
    """

    kind: str
    content: Content
    values: Callable[[], NDArray[Any]]
    absent: NDArray[np.bool_] | None = None
    what: str = "text"

    @property
    def reason(self) -> str:
        """Why it is not numeric."""
        return self.what if self.content == "texts" else self.kind


@dataclass(frozen=True)
class FrameParts:
    """A frame by its columns.

    Attributes
    ----------
    names : tuple of str or None
    n_rows : int
    columns : sequence of FrameColumn
    block : ndarray or None
        All columns at once, where the frame holds one array of float64; then `columns` is empty.
    """

    names: tuple[str, ...] | None
    n_rows: int
    columns: Sequence[FrameColumn] = ()
    block: NDArray[np.float64] | None = None


def loaded(module: str) -> Any:
    """The module if the caller has imported it: an instance of its classes cannot exist otherwise."""
    return sys.modules.get(module)


def reject(role: str, rejected: list[str]) -> DataTypeError:
    """The error that names columns that are not numeric."""
    shown = ", ".join(rejected[:8]) + (f" and {len(rejected) - 8} more" if len(rejected) > 8 else "")
    return DataTypeError(f"{role} has columns that are not numeric: {shown}; select or encode columns first")


def objects(values: Sequence[Any]) -> NDArray[Any]:
    """A column of Python objects."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _nothing() -> NDArray[Any]:
    return np.empty(0)


# --- pandas ---------------------------------------------------------------------------------------------


def _of_pandas(pd: Any, frame: Any) -> FrameParts:
    labels = frame.columns
    # labels that are the positions are none
    unnamed = isinstance(labels, pd.RangeIndex) and labels.equals(pd.RangeIndex(len(labels)))
    names = None if unnamed else tuple(NumberLabel.of(label) for label in labels)
    if all(dtype == np.float64 for dtype in frame.dtypes):
        # one block: pandas hands out its memory, in C order when it was made from a C-ordered array
        return FrameParts(names, len(frame), block=frame.to_numpy())
    columns = [_pandas_column(pd, frame.iloc[:, i]) for i in range(frame.shape[1])]
    return FrameParts(names, len(frame), columns)


def _pandas_column(pd: Any, series: Any) -> FrameColumn:
    dtype = series.dtype
    kind, types = str(dtype), pd.api.types
    plain = isinstance(dtype, np.dtype)
    if plain and dtype.kind in EXACT_KINDS:
        return FrameColumn(kind, "numbers", series.to_numpy)
    if plain and dtype.kind == "O":
        return FrameColumn(kind, "objects", series.to_numpy, series.isna().to_numpy())
    if isinstance(dtype, pd.CategoricalDtype):
        # whatever the categories are: their numbers may be codes
        absent = series.isna().to_numpy()
        return FrameColumn(kind, "texts", lambda: _pandas_texts(series, absent), absent, "categories")
    if isinstance(dtype, pd.StringDtype) or types.is_string_dtype(dtype):
        absent = series.isna().to_numpy()
        return FrameColumn(kind, "texts", lambda: _pandas_texts(series, absent), absent)
    numeric = types.is_numeric_dtype(dtype) or types.is_bool_dtype(dtype)
    if plain or isinstance(dtype, pd.SparseDtype) or not numeric or dtype.kind not in EXACT_KINDS + "O":
        return FrameColumn(kind, "other", _nothing)
    absent = series.isna().to_numpy()
    if not absent.any():
        return FrameColumn(kind, "numbers", lambda: series.to_numpy(dtype=dtype.numpy_dtype))
    if dtype.kind == "f":
        return FrameColumn(
            kind, "numbers", lambda: series.to_numpy(dtype=np.float64, na_value=np.nan), absent
        )
    # integers keep their values beside what is missing
    return FrameColumn(kind, "numbers", lambda: _pandas_objects(series, absent), absent)


def _pandas_texts(series: Any, absent: NDArray[np.bool_]) -> NDArray[Any]:
    values = np.empty(len(series), dtype=object)
    values[~absent] = [str(value) for value in series[~absent]]
    return values


def _pandas_objects(series: Any, absent: NDArray[np.bool_]) -> NDArray[Any]:
    values: NDArray[Any] = series.to_numpy(dtype=object, copy=True)
    values[absent] = None
    return values


# --- polars ---------------------------------------------------------------------------------------------


def _of_polars(pl: Any, frame: Any) -> FrameParts:
    columns = [_polars_column(pl, series) for series in frame.get_columns()]
    return FrameParts(tuple(frame.columns), frame.height, columns)


def _polars_column(pl: Any, series: Any) -> FrameColumn:
    dtype, kind = series.dtype, str(series.dtype)
    absent = series.is_null().to_numpy() if series.null_count() else None
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return FrameColumn(kind, "texts", lambda: objects(series.cast(pl.String).to_list()), absent)
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        return FrameColumn(kind, "other", _nothing)
    large = dtype.is_decimal() or dtype in (pl.Int128, getattr(pl, "UInt128", pl.Int128))
    if large or (absent is not None and not dtype.is_float()):
        return FrameColumn(kind, "numbers", lambda: objects(series.to_list()), absent)
    return FrameColumn(kind, "numbers", series.to_numpy, absent)


# --- pyarrow --------------------------------------------------------------------------------------------


def _of_arrow(pa: Any, table: Any) -> FrameParts:
    categories = category_columns(table.schema)
    columns = [_arrow_column(pa, table.column(i), i in categories) for i in range(table.num_columns)]
    return FrameParts(tuple(table.column_names), table.num_rows, columns)


def _arrow_column(pa: Any, values: Any, category: bool) -> FrameColumn:
    kind = str(values.type)
    absent = np.asarray(values.is_null()) if values.null_count else None
    content = arrow_content(pa, values.type)
    if category and content != "other":
        return FrameColumn(kind, "texts", lambda: arrow_texts(values), absent, "categories")
    what = "categories" if pa.types.is_dictionary(values.type) else "text"
    return FrameColumn(kind, content, lambda: arrow_values(pa, values), absent, what)


def arrow_content(pa: Any, kind: Any) -> Content:
    """What an Arrow type holds; a dictionary is a way to store its values, whatever they are."""
    types = pa.types
    if types.is_dictionary(kind):
        return arrow_content(pa, kind.value_type)
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    if any(test(kind) for test in tests):
        return "numbers"
    strings = (types.is_string, types.is_large_string, getattr(types, "is_string_view", types.is_string))
    return "texts" if any(test(kind) for test in strings) else "other"


def arrow_values(pa: Any, values: Any) -> NDArray[Any]:
    """An Arrow column as numbers (NaN or None where missing), or as objects str and None."""
    if pa.types.is_dictionary(values.type):
        if arrow_content(pa, values.type) != "numbers":
            return arrow_texts(values)
        values = values.cast(values.type.value_type)
    kind = values.type
    if pa.types.is_decimal(kind) or arrow_content(pa, kind) != "numbers":
        return objects(values.to_pylist())
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    if values.null_count and pa.types.is_integer(values.type):
        absent = np.asarray(values.is_null())
        numbers: NDArray[Any] = np.asarray(values.fill_null(0))
        if values.type.bit_width < 64 or not _large(numbers):
            floats = numbers.astype(np.float64)
            floats[absent] = np.nan
            return floats
        result = numbers.astype(object)
        result[absent] = None
        return result
    return np.asarray(values)


def arrow_texts(values: Any) -> NDArray[Any]:
    """An Arrow column of texts or categories as objects str and None; an empty text is None, as in a text file."""
    return objects([None if value is None else str(value) or None for value in values.to_pylist()])


def _large(numbers: NDArray[Any]) -> bool:
    return bool(len(numbers)) and max(int(numbers.max()), -int(numbers.min())) > 2**53


# --- any of them ----------------------------------------------------------------------------------------


def frame_parts(data: Any, role: str) -> FrameParts | None:
    """A frame, series or table by its columns; None for anything else.

    Parameters
    ----------
    data : object
    role : str
        What messages call it; the name of a series without one.

    Raises
    ------
    DataTypeError
        A polars LazyFrame.
    """
    pd, pl, pa = loaded("pandas"), loaded("polars"), loaded("pyarrow")
    if pd is not None and isinstance(data, pd.Series | pd.Index):
        data = data.to_frame(name=role if data.name is None else data.name)
    if pd is not None and isinstance(data, pd.DataFrame):
        return _of_pandas(pd, data)
    if pl is not None and isinstance(data, pl.LazyFrame):
        raise DataTypeError(f"{role} is a polars LazyFrame; call .collect() first")
    if pl is not None and isinstance(data, pl.Series):
        data = data.to_frame()
    if pl is not None and isinstance(data, pl.DataFrame):
        return _of_polars(pl, data)
    if pa is not None and isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if pa is not None and isinstance(data, pa.Array | pa.ChunkedArray):
        data = pa.table({role: data})
    return _of_arrow(pa, data) if pa is not None and isinstance(data, pa.Table) else None


def frame_columns(data: Any, role: str) -> Columns | NDArray[Any] | None:
    """The numbers of a frame, series or table; None for anything else.

    Raises
    ------
    DataError
        A value is missing.
    DataTypeError
        Columns are not numeric; all of them are named.
    """
    parts = frame_parts(data, role)
    if parts is None:
        return None
    if parts.block is not None:
        return parts.block if parts.names is None else Columns(parts.names, [parts.block])
    return Columns(parts.names, list(_numbers(parts, role)))


def _numbers(parts: FrameParts, role: str) -> Iterator[NDArray[Any]]:
    rejected = []
    for position, column in enumerate(parts.columns):
        name = str(position) if parts.names is None else parts.names[position]
        if column.content in ("texts", "other"):
            rejected.append(f"{name!r} ({column.kind})")
        elif column.content == "numbers" and column.absent is not None:
            row = int(column.absent.argmax())
            raise DataError(
                f"{role} column {position} ({name!r}) has no value in row {row} (counting from 0); "
                "drop or fill rows with missing values first"
            )
        else:
            yield column.values()
    if rejected:
        raise reject(role, rejected)


def _instance(data: Any, classes: Sequence[tuple[str, Sequence[str]]]) -> bool:
    found = []
    for module, names in classes:
        package = loaded(module)
        found += [getattr(package, name) for name in names] if package is not None else []
    return isinstance(data, tuple(found))


def is_series(data: Any) -> bool:
    """Is it a one-dimensional column of a frame library?"""
    kinds = (("pandas", ("Series", "Index")), ("polars", ("Series",)), ("pyarrow", ("Array", "ChunkedArray")))
    return _instance(data, kinds)


def is_frame(data: Any) -> bool:
    """Is it a table with named columns: pandas, polars or pyarrow?"""
    kinds = (("pandas", ("DataFrame",)), ("polars", ("DataFrame",)), ("pyarrow", ("Table", "RecordBatch")))
    return _instance(data, kinds)
