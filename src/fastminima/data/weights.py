"""Sample weights: which rows they keep, and what is no set of weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import DataError

from .coerce import Table, as_vector, sealed

__all__ = ["kept_and_weights"]


def _shown(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return "an integer of thousands of digits"


def kept_and_weights(
    sample_weight: ArrayLike | None, m: int
) -> tuple[NDArray[np.bool_] | None, NDArray[np.float64] | None]:
    """(rows to keep or None for all, weights of all rows or None when each is 1)."""
    if sample_weight is None:
        return None, None
    table: Table = as_vector(sample_weight, "sample_weight")
    if len(table.values) != m:
        raise DataError(
            f"X has {m} rows and sample_weight has {len(table.values)}; they must be the same samples"
        )
    if table.rounded:
        exact = table.rounded[0]
        views = table.values[:, 0].tolist()
        row = next(i for i, value in enumerate(exact.tolist()) if value != views[i])
        raise DataError(
            f"sample_weight is {_shown(exact[row])} in row {row} (counting from 0), which is not a float64 "
            "number; weights must be: scale all of them (the minima do not change) or round them"
        )
    weights = table.values.reshape(-1)
    negative = weights < 0
    if negative.any():
        row = int(negative.argmax())
        raise DataError(
            f"sample_weight is {weights[row]} in row {row} (counting from 0); weights must be >= 0"
        )
    keep = weights > 0
    if keep.all():
        return None, None if (weights == 1.0).all() else sealed(weights)
    if not keep.any():
        raise DataError("sample_weight is 0 in every row; at least one weight must be positive")
    return keep, sealed(weights)
