"""Rows that are equal become one row of their summed weight, in sorted order.

The risk 1/2 sum w (f(x) - y)^2 is the same sum either way. A search draws its starts by the numbers of rows, so without
this a row of weight 2 and the same row twice, or the same rows in another order, would end in different networks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset

__all__ = ["merged"]


def merged(
    X: NDArray[np.float64], y: NDArray[np.float64], sample_weight: NDArray[np.float64] | None
) -> Dataset:
    """The dataset of distinct rows (x, y), sorted, with the sum of the weights of each.

    Parameters
    ----------
    X : ndarray of float64, shape (m, dx)
    y : ndarray of float64, shape (m,)
    sample_weight : ndarray of float64, shape (m,), or None
        Rows of weight 0 are left out, where any other row is there; sums are rounded to float64, and counts are exact.

    Returns
    -------
    Dataset
        Without names of columns: the estimator holds these.
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    used = weight != 0.0
    if not used.any():
        used = np.ones(len(y), dtype=bool)  # `Dataset` says that all weights are 0
    # adding 0.0 turns -0.0 into 0.0, which is the same number and would sort as it happens to come
    rows = np.column_stack([X, y])[used] + 0.0
    distinct, number = np.unique(rows, axis=0, return_inverse=True)
    sums = np.bincount(number.ravel(), weights=weight[used], minlength=len(distinct))
    # a negative weight must reach `Dataset`, which refuses it, and not vanish in a sum
    if (weight < 0.0).any():
        return Dataset(X, y, sample_weight=weight)
    return Dataset(distinct[:, :-1], distinct[:, -1], sample_weight=sums)
