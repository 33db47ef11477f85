"""Columns in memory: arrays, frames, and what Arrow hands out.

A missing value becomes NaN among numbers and None among texts; which rows that costs is decided later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import as_array, rational_column
from fastminima.data.frames import loaded
from fastminima.errors import DataError

from .arrays import MemoryPart
from .reader import Refusal
from .values import numeric_dtype, texts

__all__ = ["Table", "arrow_refusal", "arrow_values", "is_frame", "table_of"]


@dataclass(frozen=True)
class Table:
    """Arrays side by side, as `ArrayReader` takes them."""

    names: tuple[str, ...] | None
    parts: tuple[MemoryPart, ...]
    refusals: Mapping[int, Refusal] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Columns."""
        return sum(part.shape[1] if len(part.shape) == 2 else 1 for part in self.parts)


_TEXT = Refusal("text", True)
Column = tuple["NDArray[Any] | None", "Refusal | None"]


def is_frame(data: Any) -> bool:
    """Is it a table with named columns: pandas, polars or pyarrow?"""
    found = []
    for module, names in (
        ("pandas", ("DataFrame",)),
        ("polars", ("DataFrame",)),
        ("pyarrow", ("Table", "RecordBatch")),
    ):
        package = loaded(module)
        found += [getattr(package, name) for name in names] if package is not None else []
    return isinstance(data, tuple(found))


def table_of(data: Any, role: str) -> Table:
    """A frame, a series or anything array-like by columns.

    Raises
    ------
    DataTypeError
        Sparse, masked, or nothing that holds numbers.
    DataError
        Neither one- nor two-dimensional.
    """
    pd, pl, pa = loaded("pandas"), loaded("polars"), loaded("pyarrow")
    if pd is not None and isinstance(data, pd.Series):
        data = data.to_frame(name=role if data.name is None else data.name)
    if pd is not None and isinstance(data, pd.DataFrame):
        if data.shape[1] and all(dtype == np.float64 for dtype in data.dtypes):
            names = None if isinstance(data.columns, pd.RangeIndex) else tuple(map(str, data.columns))
            return Table(names, (MemoryPart(data.to_numpy()),))
        columns = [_pandas(pd, data.iloc[:, i]) for i in range(data.shape[1])]
        return _table(None if isinstance(data.columns, pd.RangeIndex) else data.columns, columns, len(data))
    if pl is not None and isinstance(data, pl.Series):
        data = data.to_frame()
    if pl is not None and isinstance(data, pl.DataFrame):
        return _table(data.columns, [_polars(pl, series) for series in data.get_columns()], data.height)
    if pa is not None and isinstance(data, (pa.Array, pa.ChunkedArray)):
        data = pa.table({role: data})
    if pa is not None and isinstance(data, (pa.Table, pa.RecordBatch)):
        columns = [_arrow(pa, data.column(i)) for i in range(data.num_columns)]
        return _table(data.schema.names, columns, data.num_rows)
    return _array(data, role)


def _table(names: Any, columns: list[Column], m: int) -> Table:
    parts, refusals = [], {}
    for position, (values, refusal) in enumerate(columns):
        if refusal is not None:
            refusals[position] = refusal
        # a refused column keeps its place, not its values
        parts.append(MemoryPart(np.broadcast_to(np.uint8(0), (m,)) if values is None else values))
    return Table(None if names is None else tuple(map(str, names)), tuple(parts), refusals)


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


def _pandas(pd: Any, series: Any) -> Column:
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and numeric_dtype(dtype):
        return series.to_numpy(), None
    absent = series.isna().to_numpy()
    if isinstance(dtype, np.dtype) and dtype.kind == "O":
        return _objects(series.to_numpy(), absent)
    if isinstance(dtype, (pd.CategoricalDtype, pd.StringDtype)) or pd.api.types.is_string_dtype(dtype):
        values = np.empty(len(series), dtype=object)
        values[~absent] = [str(value) for value in series[~absent]]
        return values, _TEXT if not isinstance(dtype, pd.CategoricalDtype) else Refusal("categories", True)
    numeric = pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
    if isinstance(dtype, (np.dtype, pd.SparseDtype)) or not numeric or dtype.kind not in "biufO":
        return None, Refusal(str(dtype), False)
    if not absent.any():
        return series.to_numpy(dtype=dtype.numpy_dtype), None
    if dtype.kind == "f":
        return series.to_numpy(dtype=np.float64, na_value=np.nan), None
    # integers keep their values beside what is missing
    return _objects(series.to_numpy(dtype=object), absent)


def _polars(pl: Any, series: Any) -> Column:
    dtype = series.dtype
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        values = np.empty(len(series), dtype=object)
        values[:] = series.cast(pl.String).to_list()
        return values, _TEXT
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        return None, Refusal(str(dtype), False)
    large = dtype.is_decimal() or dtype in (pl.Int128, getattr(pl, "UInt128", pl.Int128))
    if large or (series.null_count() and not dtype.is_float()):
        values = np.empty(len(series), dtype=object)
        values[:] = series.to_list()
        return _objects(values)
    return series.to_numpy(), None


def arrow_refusal(pa: Any, kind: Any) -> Refusal | None:
    """None for a numeric Arrow type."""
    types = pa.types
    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    if any(test(kind) for test in tests):
        return None
    inner = kind.value_type if types.is_dictionary(kind) else kind
    strings = (types.is_string, types.is_large_string, getattr(types, "is_string_view", types.is_string))
    return Refusal(str(kind), any(test(inner) for test in strings))


def arrow_values(pa: Any, values: Any) -> NDArray[Any]:
    """An Arrow column as numbers, or as objects str and None."""
    kind = values.type
    if arrow_refusal(pa, kind) is not None or pa.types.is_decimal(kind):
        result = np.empty(len(values), dtype=object)
        result[:] = values.to_pylist()
        return result
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


def _large(numbers: NDArray[Any]) -> bool:
    return bool(len(numbers)) and max(int(numbers.max()), -int(numbers.min())) > 2**53


def _arrow(pa: Any, values: Any) -> Column:
    refusal = arrow_refusal(pa, values.type)
    if refusal is not None and not refusal.encodable:
        return None, refusal
    return arrow_values(pa, values), refusal
