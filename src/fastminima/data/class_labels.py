"""Labels as class numbers 0, 1, ..., in the order of the labels."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError, TargetError
from fastminima.system.options import spelled

from .cleaning import raw_columns

__all__ = ["Label", "class_numbers", "one_column"]

Label = str | int | bool
# more classes than this are no classes any more: a measured quantity, or an identifier
_MOST = 10_000


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
    found = [_label(value, k, role) for k, value in enumerate(values)]
    kinds = {type(v) for v in found}
    if len(kinds) > 1:
        names = " and ".join(sorted(k.__name__ for k in kinds))
        raise TargetError(f"{role} mixes {names}; the labels of classes must be of one kind")
    classes = tuple(sorted(set(found)))
    if len(classes) > _MOST:
        raise TargetError(
            f"{role} holds {len(classes)} different values; classes are at most {_MOST}: is it a measured quantity?"
        )
    place = {label: k for k, label in enumerate(classes)}
    return np.array([place[v] for v in found], dtype=np.float64), classes


def _values(labels: Any, role: str) -> list[Any]:
    plain = isinstance(labels, list | tuple) and not any(
        isinstance(v, list | tuple | np.ndarray) for v in labels
    )
    if plain or (isinstance(labels, np.ndarray) and labels.ndim == 1 and labels.dtype.names is None):
        values: list[Any] = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    else:
        _, columns, _ = raw_columns(labels, role)
        if len(columns) != 1:
            raise DataError(f"{role} must be one column of labels, got {len(columns)} columns")
        values = columns[0].values().tolist()
    if not values:
        raise DataError(f"{role} has no rows; at least one sample is needed")
    return values


def _label(value: Any, row: int, role: str) -> Label:
    """A label as a plain str, int or bool."""
    where = f"in row {row} (counting from 0)"
    if value is None or (isinstance(value, float) and value != value):
        raise DataError(f"{role} has no label {where}")
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return int(value)
    raise TargetError(
        f"{role} holds {spelled(value)} {where}, which is no class: labels are texts, whole numbers or bools"
    )


def one_column(labels: Any) -> bool:
    """Are these labels of one target, rather than several columns?"""
    shape = getattr(labels, "shape", None)
    if isinstance(shape, tuple):
        return len(shape) < 2 or shape[1] == 1
    return not (
        isinstance(labels, list | tuple)
        and any(isinstance(v, list | tuple | np.ndarray) and len(v) != 1 for v in labels)
    )
