"""Coercion: the only place where foreign arrays, frames and lists become float64, and say when they do not.

What comes out is C-contiguous, aligned, native and read-only, and holds the caller's own memory when that
already was so. Every conversion is exact, or the exact column is kept beside its rounded float64 view.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError, DataTypeError

from .frames import EXACT_KINDS, Columns, frame_columns, is_series, loaded, reject
from .tensors import plain_array

__all__ = [
    "Table",
    "as_array",
    "as_matrix",
    "as_targets",
    "as_vector",
    "check_names",
    "column_label",
    "float_view",
    "rational_column",
    "rounding",
    "sealed",
]

# Integers up to this size are float64 numbers, all of them.
_INTEGER_LIMIT = 2**53
# A decimal is expanded to an integer ratio; "1e999999999" would take a gigabyte of digits, so exponents stop
# far outside float64's range (about 1e-324 to 1e308) but well before memory does.
_MAX_DECIMAL_EXPONENT = 10_000
_BLOCK_ROWS = 16_384
_PACK_ROWS = 4_096


@dataclass(frozen=True)
class Table:
    """Coerced values.

    Attributes
    ----------
    values : ndarray of float64, shape (m, k)
        C-contiguous, read-only.
    names : tuple of str or None
        Column names the source carried.
    rounded : dict of int to ndarray
        The exact column (int64, uint64, or objects int, Fraction, Decimal) of each column that float64 cannot
        hold; its column of `values` is the correctly rounded view.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...] | None
    rounded: dict[int, NDArray[Any]] = field(default_factory=dict)


def sealed(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view; the caller's own array keeps its flags."""
    view = array.view()
    view.flags.writeable = False
    return view


def column_label(role: str, column: int, names: Sequence[str] | None, width: int) -> str:
    """How messages call a column: "y", "X column 3" or "X column 3 ('age')"."""
    if names is not None:
        return f"{role} column {column} ({names[column]!r})"
    return role if width == 1 and role != "X" else f"{role} column {column}"


def as_array(data: Any, role: str) -> tuple[NDArray[Any], bool]:
    """Anything that is not a frame as an ndarray, and whether floats among objects are the caller's data."""
    if data is None or isinstance(data, (str, bytes, dict, set, frozenset)):
        hint = "; to read a file use fastminima.read" if isinstance(data, str) else ""
        raise DataTypeError(
            f"{role} must be an array, a frame or a list of numbers, got {type(data).__name__}{hint}"
        )
    sparse = loaded("scipy.sparse")
    if sparse is not None and sparse.issparse(data):
        raise DataTypeError(f"{role} is a sparse matrix; pass {role}.toarray() if it fits in memory")
    if isinstance(data, np.ma.MaskedArray):
        if np.ma.getmaskarray(data).any():
            raise DataTypeError(f"{role} is a masked array with masked values; drop or fill them first")
        data = data.data
    if isinstance(data, np.ndarray):
        return np.asarray(data), False
    try:
        array = plain_array(data)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        kind = DataError if isinstance(data, (list, tuple)) else DataTypeError
        raise kind(f"{role} cannot be read as an array of numbers: {error}") from error
    if array.ndim == 0 and array.dtype.kind == "O":
        raise DataTypeError(
            f"{role} must be an array, a frame or a list of numbers, got {type(data).__name__}"
        )
    if not isinstance(data, (list, tuple)):
        return array, False
    if array.dtype == np.float64:
        # numpy turns a list that mixes integers and floats into float64; only integers from 2**53 on can
        # have been rounded by that, and they come out at least this large
        large = np.abs(array) >= _INTEGER_LIMIT
        if large.any():
            entries = np.array(data, dtype=object)
            if not all(isinstance(entry, float) for entry in entries[large]):
                return entries, True
    return array, True


# --- exact columns --------------------------------------------------------------------------------------


def _beyond_limit(integers: NDArray[Any]) -> bool:
    """Is any integer outside ±2**53, so that it may not be a float64?"""
    if integers.dtype.itemsize < 8 or not integers.size:
        return False
    return int(integers.max()) > _INTEGER_LIMIT or int(integers.min()) < -_INTEGER_LIMIT


def _wide_integers(column: NDArray[Any]) -> bool:
    """Does an int64 or uint64 column hold a value that is not a float64?

    An integer is a float64 (in range) exactly when it has at most 53 bits once its trailing zeros are gone.
    """
    if not _beyond_limit(column):
        return False
    magnitude = column.astype(np.uint64)  # two's complement: wraps negative values to 2**64 - |v|
    if column.dtype.kind == "i":
        magnitude = np.where(column < 0, ~magnitude + np.uint64(1), magnitude)
    lowest_bit = magnitude & (~magnitude + np.uint64(1))
    odd = magnitude // np.maximum(lowest_bit, np.uint64(1))
    return bool((odd >= np.uint64(_INTEGER_LIMIT)).any())


def rational_column(
    column: NDArray[Any], label: str, *, allow_float: bool = False
) -> tuple[NDArray[Any] | None, tuple[int, object] | None]:
    """Objects as exact rationals.

    Parameters
    ----------
    column : ndarray of object, shape (m,)
    label : str
        What messages call the column.
    allow_float : bool
        Take float and NumPy floating scalars as the dyadic rationals they are.

    Returns
    -------
    rationals : ndarray of object or None
        int, Fraction and finite Decimal; each has an exact `as_integer_ratio`.
    offence : (row, value) or None
        The first entry that is not an exact number; then `rationals` is None.

    Raises
    ------
    DataError
        For NaN and infinite entries, and decimals with absurd exponents.
    """
    kinds = set(map(type, column))
    if kinds <= {int, Fraction}:
        return column, None
    floats = (float, np.float16, np.float32, np.float64)
    result = np.empty(len(column), dtype=object)
    for row, value in enumerate(column):
        if isinstance(value, (int, np.integer, np.bool_)):
            result[row] = int(value)
        elif isinstance(value, Fraction):
            result[row] = value
        elif isinstance(value, Decimal):
            if not value.is_finite():
                raise DataError(f"{label} is {value} in row {row} (counting from 0); values must be finite")
            if value and abs(value.adjusted()) > _MAX_DECIMAL_EXPONENT:
                raise DataError(
                    f"{label} holds {value} in row {row} (counting from 0); exact decimals stop at "
                    f"exponents of ±{_MAX_DECIMAL_EXPONENT}"
                )
            result[row] = value
        elif allow_float and isinstance(value, floats):
            if not math.isfinite(value):
                raise DataError(f"{label} is {value} in row {row} (counting from 0); values must be finite")
            result[row] = Fraction(float(value))
        else:
            return None, (row, value)
    return result, None


def float_view(rationals: Iterable[Any]) -> NDArray[np.float64]:
    """Correctly rounded float64 of int, Fraction and Decimal objects; ±inf where they overflow."""
    view = []
    for value in rationals:
        try:
            view.append(float(value))
        except OverflowError:
            view.append(float("inf") if value > 0 else float("-inf"))
    return np.array(view, dtype=np.float64)


def _differs(value: Any, shown: float) -> bool:
    # ratios in lowest terms, because Fraction == float takes ten times as long
    return math.isinf(shown) or bool(value.as_integer_ratio() != shown.as_integer_ratio())


def rounding(exact: NDArray[Any], view: NDArray[np.float64]) -> tuple[int, int, int]:
    """How many entries of a float64 view differ from the exact column: (rounded, overflowed, vanished).

    The first count includes the other two: an overflowed entry is ±inf in the view, a vanished one 0.
    """
    rounded = overflowed = vanished = 0
    for value, shown in zip(exact.tolist(), view.tolist(), strict=True):
        if _differs(value, shown):
            rounded += 1
            overflowed += math.isinf(shown)
            vanished += shown == 0.0
    return rounded, overflowed, vanished


def _exact_column(
    column: NDArray[Any], label: str, allow_float: bool
) -> tuple[NDArray[Any], NDArray[Any] | None, tuple[int, object] | None]:
    """(view or the column itself, the exact column if the view rounds it, offence)."""
    if column.dtype.kind in "iu":
        # sealed copies: the caller may go on to change the original
        return column, column.copy() if _wide_integers(column) else None, None
    rationals, offence = rational_column(column, label, allow_float=allow_float)
    if rationals is None:
        return column, None, offence
    view = float_view(rationals)
    differs = any(map(_differs, rationals, view.tolist()))
    return view, rationals.copy() if differs else None, None


# --- arrays and columns to tables -----------------------------------------------------------------------


def _check_dtype(dtype: np.dtype[Any], label: str) -> None:
    if dtype.type is np.longdouble:
        raise DataTypeError(
            f"{label} is long double, which differs between machines; convert it: {label}.astype('float64')"
        )
    if dtype.kind not in EXACT_KINDS + "O":
        raise DataTypeError(
            f"{label} has dtype {dtype}; expected real numbers (float16 to float64, integers, bool, "
            "or int, Fraction and Decimal objects)"
        )


def _offending(label: str, offence: tuple[int, object]) -> DataTypeError:
    row, value = offence
    return DataTypeError(
        f"{label} is an object column and holds {value!r} ({type(value).__name__}) in row {row} (counting "
        "from 0); object columns may hold int, Fraction and Decimal only; convert other numbers to float64"
    )


def _from_array(
    array: NDArray[Any], role: str, names: tuple[str, ...] | None, allow_float: bool
) -> tuple[NDArray[np.float64], dict[int, NDArray[Any]]]:
    _check_dtype(array.dtype, role)
    rounded: dict[int, NDArray[Any]] = {}
    width = array.shape[1]
    if array.dtype.kind == "O":
        values = np.empty(array.shape)
        for column in range(width):
            label = column_label(role, column, names, width)
            view, exact, offence = _exact_column(array[:, column], label, allow_float)
            if offence is not None:
                raise _offending(label, offence)
            values[:, column] = view
            if exact is not None:
                rounded[column] = exact
        return values, rounded
    if array.dtype.kind in "iu" and _beyond_limit(array):
        wide = [column for column in range(width) if _wide_integers(array[:, column])]
        rounded = {column: array[:, column].copy() for column in wide}
    return np.require(array, np.float64, ["C_CONTIGUOUS", "ALIGNED"]), rounded


def _packed(columns: list[NDArray[Any]], m: int) -> NDArray[np.float64]:
    """Columns of any real dtype and stride as one C-contiguous float64 array.

    A block of rows at a time: the part being filled stays in cache while every column visits it.
    """
    values = np.empty((m, len(columns)))
    for start in range(0, m, _PACK_ROWS):
        rows = slice(start, start + _PACK_ROWS)
        for position, column in enumerate(columns):
            values[rows, position] = column[rows]
    return values


def _from_columns(
    columns: Columns, role: str, allow_float: bool
) -> tuple[NDArray[np.float64], dict[int, NDArray[Any]]]:
    width = len(columns.arrays)
    rounded: dict[int, NDArray[Any]] = {}
    views, rejected = [], []
    for position, array in enumerate(columns.arrays):
        label = column_label(role, position, columns.names, width)
        _check_dtype(array.dtype, label)
        if array.dtype.kind in "iuO":
            array, exact, offence = _exact_column(array, label, allow_float)
            if offence is not None:
                name = str(position) if columns.names is None else repr(columns.names[position])
                row, value = offence
                rejected.append(f"{name} (row {row} holds {value!r}, {type(value).__name__})")
            elif exact is not None:
                rounded[position] = exact
        views.append(array)
    if rejected:
        raise reject(role, rejected)
    m = len(views[0]) if views else 0
    if any(len(view) != m for view in views):
        raise DataError(f"{role} has columns of different lengths: {[len(view) for view in views]}")
    return _packed(views, m), rounded


def _check_finite(
    values: NDArray[np.float64], role: str, names: tuple[str, ...] | None, exact: Iterable[int]
) -> None:
    """Raise at the first NaN or inf; columns in `exact` are finite whatever their view says.

    A sum is NaN or inf when a term is, so one pass of sums settles finite data; a block whose sum is not
    finite is searched, because finite terms may overflow in the sum too.
    """
    skipped = list(exact)
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(values), _BLOCK_ROWS):
            block = values[start : start + _BLOCK_ROWS]
            if np.isfinite(block.sum()):
                continue
            bad = ~np.isfinite(block)
            bad[:, skipped] = False
            if bad.any():
                row, column = divmod(int(bad.argmax()), values.shape[1])
                label = column_label(role, column, names, values.shape[1])
                raise DataError(
                    f"{label} is {block[row, column]} in row {start + row} (counting from 0); "
                    "all values must be finite"
                )


def _table(source: Columns | NDArray[Any], role: str, allow_float: bool, *, allow_empty: bool) -> Table:
    names = source.names if isinstance(source, Columns) else None
    if isinstance(source, Columns):
        if len(source.arrays) == 1 and source.arrays[0].ndim == 2:
            values, rounded = _from_array(source.arrays[0], role, names, allow_float)
        else:
            values, rounded = _from_columns(source, role, allow_float)
    else:
        values, rounded = _from_array(source, role, names, allow_float)
    if not allow_empty and values.shape[0] == 0:
        raise DataError(f"{role} has no rows (shape {values.shape}); at least one sample is needed")
    _check_finite(values, role, names, rounded)
    return Table(sealed(values), names, {column: sealed(exact) for column, exact in rounded.items()})


def as_matrix(data: Any, role: str, *, allow_empty: bool = False) -> Table:
    """Coerce a table of numbers.

    Parameters
    ----------
    data : array-like, frame or Columns, shape (m, k)
    role : str
        What messages call it ("X").
    allow_empty : bool, default False
        Accept m = 0.

    Raises
    ------
    DataError
        Not two-dimensional, no rows, NaN or inf (first row and column named), missing values.
    DataTypeError
        A type without an exact meaning as real numbers.
    """
    if is_series(data):
        raise DataError(
            f"{role} must be 2-D (samples, features), got a {type(data).__name__}; for one feature pass "
            f"{role}.to_numpy().reshape(-1, 1)"
        )
    source, allow_float = _source(data, role)
    if not isinstance(source, Columns) and source.ndim != 2:
        _check_dtype(source.dtype, role)
        hint = f"; for one feature pass {role}.reshape(-1, 1)" if source.ndim == 1 else ""
        raise DataError(f"{role} must be 2-D (samples, features), got shape {source.shape}{hint}")
    return _table(source, role, allow_float, allow_empty=allow_empty)


def _source(data: Any, role: str) -> tuple[Columns | NDArray[Any], bool]:
    """Foreign data as columns or an array, and whether floats among objects are the caller's data."""
    source = data if isinstance(data, Columns) else frame_columns(data, role)
    if source is not None:
        return source, True  # floats among the objects of a frame are numbers, as those of a list are
    array, allow_float = as_array(data, role)
    if array.dtype.names is not None and array.ndim == 1:
        return Columns(array.dtype.names, [array[name] for name in array.dtype.names]), allow_float
    return array, allow_float


def _beside(data: Any, role: str, most: int | None, expected: str) -> Table:
    """Numbers that stand beside samples: at least one column, at most `most`; (m,) is one column."""
    source, allow_float = _source(data, role)
    if isinstance(source, Columns):
        block = source.arrays[0] if len(source.arrays) == 1 else None
        width = block.shape[1] if block is not None and block.ndim == 2 else len(source.arrays)
        if not 1 <= width <= (most or width):
            wanted = "one column" if most == 1 else "at least one column"
            raise DataError(f"{role} must have {wanted}, got {width}")
    else:
        if source.ndim == 1:
            source = source.reshape(-1, 1)
        if source.ndim != 2 or not 1 <= source.shape[1] <= (most or source.shape[1]):
            _check_dtype(source.dtype, role)
            raise DataError(f"{role} must have shape (m,) or {expected}, got {source.shape}")
    table = _table(source, role, allow_float, allow_empty=False)
    if is_series(data) and getattr(data, "name", None) in (None, ""):
        return Table(table.values, None, table.rounded)  # a series without a name was called by its role
    return table


def as_vector(data: Any, role: str) -> Table:
    """Coerce numbers of shape (m,) or (m, 1) to a Table with one column; errors as `as_matrix`."""
    return _beside(data, role, 1, "(m, 1)")


def as_targets(data: Any, role: str) -> Table:
    """Coerce numbers of shape (m,) or (m, dy), dy >= 1, to a Table with dy columns; errors as `as_matrix`."""
    return _beside(data, role, None, "(m, dy) with dy >= 1")


def check_names(names: Any, count: int, role: str) -> tuple[str, ...]:
    """Column names as a tuple of `count` strings."""
    if isinstance(names, (str, bytes)):
        raise DataError(f"{role} must be a sequence of {count} names, got the single string {names!r}")
    try:
        result = tuple(str(name) for name in names)
    except (TypeError, ValueError) as error:
        raise DataError(f"{role} must be a sequence of names, got {type(names).__name__}") from error
    if len(result) != count:
        raise DataError(f"{role} has {len(result)} names, but there are {count} columns")
    return result
