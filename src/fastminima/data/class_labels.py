"""Labels as class numbers 0, 1, ..., in the order of the labels."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError, FastMinimaError, TargetError
from fastminima.system.options import spelled

from .cleaning import LABEL_HINT, raw_columns
from .frames import Columns, is_frame, is_series

__all__ = ["Label", "class_column", "class_numbers", "label_hint", "label_of", "one_column", "ordered"]

Label = str | int | bool
# more classes than this are no classes any more: a measured quantity, or an identifier
_MOST = 10_000
_CURE = "missing='drop' (--missing drop) leaves such rows out"


def class_numbers(labels: Any, role: str = "y") -> tuple[NDArray[np.float64], tuple[Label, ...]]:
    """Numbers of the classes, and the classes in order.

    Parameters
    ----------
    labels : array-like or series, shape (m,)
        Texts, whole numbers (also as floats) or bools, all of one kind.
    role : str
        What messages call them.

    Returns
    -------
    numbers : ndarray of float64, shape (m,)
    classes : tuple of str, int or bool
        Class k is `classes[k]`; ascending.

    Raises
    ------
    DataError
        A missing label (the row is named), no rows, or several columns.
    TargetError
        Labels that are not classes: numbers that are not whole, kinds that are mixed, too many of them.
    DataTypeError
        What is no array of labels.
    """
    values = _values(labels, role)
    found = [label_of(value, role, f"row {k} (counting from 0)") for k, value in enumerate(values)]
    classes = ordered(set(found), role)
    place = {label: k for k, label in enumerate(classes)}
    return np.array([place[v] for v in found], dtype=np.float64), classes


def ordered(labels: set[Label], role: str) -> tuple[Label, ...]:
    """The classes of a set of labels, ascending; errors as `class_numbers`."""
    kinds = {type(v) for v in labels}
    if len(kinds) > 1:
        names = " and ".join(sorted(k.__name__ for k in kinds))
        raise TargetError(f"{role} mixes {names}; the labels of classes must be of one kind")
    if len(labels) > _MOST:
        raise TargetError(
            f"{role} holds {len(labels)} different values; classes are at most {_MOST}: is it a measured quantity?"
        )
    return tuple(sorted(labels))


def _values(labels: Any, role: str) -> list[Any]:
    if isinstance(labels, Columns) and len(labels.arrays) == 1:
        labels = labels.arrays[0]
    plain = isinstance(labels, list | tuple) and not any(
        isinstance(v, list | tuple | np.ndarray) for v in labels
    )
    if plain or (isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.names is None):
        values: list[Any] = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    else:
        _, columns, _ = raw_columns(labels, role)
        if len(columns) != 1:
            raise DataError(f"{role} must be one column of labels, got {len(columns)} columns")
        if columns[0].content == "other":
            raise TargetError(
                f"{role} is {columns[0].reason}; labels of classes are texts, whole numbers or bools"
            )
        values = columns[0].values().tolist()
    if not values:
        raise DataError(f"{role} has no rows; at least one sample is needed")
    return values


def label_of(value: Any, role: str, where: str) -> Label:
    """A label as a plain str, int or bool; errors as `class_numbers`, with `where` it is."""
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value == "":
        raise DataError(f"{role} has no label in {where}; {_CURE}")
    if isinstance(value, float | Decimal) and value != value:
        raise DataError(f"{role} has no label in {where}; {_CURE}")
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    if isinstance(value, Fraction | Decimal) and value == value.__floor__():
        return int(value)
    raise TargetError(
        f"{role} holds {_told(value)} in {where}, which is no class: labels are texts, whole numbers or bools; a measured "
        'quantity takes loss="squared" or loss="huber"'
    )


def _told(value: Any) -> str:
    return str(value) if isinstance(value, Fraction | Decimal) else spelled(value)


def class_column(labels: Any, name: str | None) -> tuple[NDArray[np.float64], tuple[Label, ...], str | None]:
    """(class numbers, classes, name of the column) of labels; `name` is the caller's. Errors as `class_numbers`."""
    name = _column_name(labels) if name is None else str(name)
    numbers, classes = class_numbers(labels, "y" if name is None else f"y ({name!r})")
    return numbers, classes, name


def _column_name(labels: Any) -> str | None:
    """The name of a series or of a frame of one column; None of what has none."""
    if isinstance(labels, Columns):
        return labels.names[0] if labels.names is not None and len(labels.names) == 1 else None
    if is_series(labels):
        name = getattr(labels, "name", None)
        return None if name is None or name == "" else str(name)
    if not is_frame(labels):
        return None
    names, columns, _ = raw_columns(labels, "y")
    return names[0] if names is not None and len(columns) == 1 else None


def label_hint(y: Any) -> str:
    """What an error says beside that y is not numeric, where it could be labels."""
    try:
        class_numbers(y)
    except FastMinimaError:
        return ""
    return f"{LABEL_HINT}, and Dataset(X, y, labels=True)"


def one_column(labels: Any) -> bool:
    """Are these labels of one target, rather than several columns?"""
    shape = getattr(labels, "shape", None)
    if isinstance(shape, tuple):
        return len(shape) < 2 or shape[1] == 1
    return not (
        isinstance(labels, list | tuple)
        and any(isinstance(v, list | tuple | np.ndarray) and len(v) != 1 for v in labels)
    )
