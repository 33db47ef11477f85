"""Which kinds of values become float64, and how many were rounded on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import float_view, rounding
from fastminima.data.frames import EXACT_KINDS

__all__ = ["ROUNDED", "as_floats", "numeric_dtype", "texts"]


def numeric_dtype(dtype: np.dtype[Any]) -> bool:
    """Does a conversion to float64 keep the values, or round them in a way that can be told?"""
    return dtype.kind in EXACT_KINDS and dtype.type is not np.longdouble


def texts(values: NDArray[Any]) -> NDArray[Any]:
    """Strings as objects, None for empty ones."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    result = np.empty(len(values), dtype=object)
    result[:] = [
        (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)) or None
        for value in values.tolist()
    ]
    return result


ROUNDED = "values rounded to float64"


def as_floats(values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Values ready for assignment to float64, and how many integers and decimals are rounded by that.

    None and NaN among objects become NaN.
    """
    kind = values.dtype.kind
    if kind == "O":
        flat = values.reshape(-1)
        absent = np.array([value is None or value != value for value in flat.tolist()], dtype=bool)
        view = np.full(flat.shape, np.nan)
        present = flat[~absent]
        view[~absent] = float_view(present)
        return view.reshape(values.shape), rounding(present, view[~absent])[0]
    if kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return values, 0
    if max(int(values.max()), -int(values.min())) <= 2**53:
        return values, 0
    view = values.astype(np.float64)
    # the float of an integer near the end of its type may lie beyond it
    beyond = view >= 2.0 ** (63 if kind == "i" else 64)
    back = np.where(beyond, 0.0, view).astype(values.dtype)
    return view, int((beyond | (back != values)).sum())
