"""Signs of the eigenvalues of a symmetric rational matrix, by exact symmetric elimination (Sylvester)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Inertia", "inertia"]


@dataclass(frozen=True)
class Inertia:
    """How many eigenvalues of a symmetric matrix are negative, zero and positive."""

    negative: int
    zero: int
    positive: int


def inertia(matrix: NDArray[Any]) -> Inertia:
    """Numbers of negative, zero and positive eigenvalues.

    Parameters
    ----------
    matrix : object array of Fractions, (n, n), symmetric
    """
    work = matrix
    negative = positive = 0
    total = len(work)
    while len(work):
        diagonal = np.array([bool(work[k, k]) for k in range(len(work))])
        if diagonal.any():
            k = int(diagonal.argmax())
            pivot = work[k, k]
            negative, positive = negative + (pivot < 0), positive + (pivot > 0)
            keep = np.arange(len(work)) != k
            row = work[k, keep]
            work = work[np.ix_(keep, keep)] - np.outer(row, row / pivot)
            continue
        off = np.argwhere(work != 0)
        if not len(off):
            break
        # [[0, c], [c, 0]] has one eigenvalue of each sign; eliminate both of its rows at once
        p, q = (int(v) for v in off[0])
        c = work[p, q]
        negative, positive = negative + 1, positive + 1
        keep = (np.arange(len(work)) != p) & (np.arange(len(work)) != q)
        x, y = work[p, keep], work[q, keep]
        work = work[np.ix_(keep, keep)] - (np.outer(x, y) + np.outer(y, x)) / c
    return Inertia(negative, total - negative - positive, positive)
