"""Signs of the eigenvalues of a symmetric integer matrix, by exact symmetric elimination (Sylvester)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .dyadic import Ints

__all__ = ["Inertia", "inertia"]


@dataclass(frozen=True)
class Inertia:
    """How many eigenvalues of a symmetric matrix are negative, zero and positive."""

    negative: int
    zero: int
    positive: int


def inertia(matrix: Ints) -> Inertia:
    """Numbers of negative, zero and positive eigenvalues.

    Parameters
    ----------
    matrix : object array of Python integers, (n, n), symmetric
        Of a rational matrix the numerators: a scale above 0 changes no sign.
    """
    work = matrix
    negative = positive = 0
    total = len(work)
    while len(work):
        diagonal = np.flatnonzero(work.diagonal() != 0)
        if len(diagonal):
            k = int(diagonal[0])
            pivot = int(work[k, k])
            negative, positive = negative + (pivot < 0), positive + (pivot > 0)
            keep = np.arange(len(work)) != k
            row = work[k, keep]
            # |pivot| times the Schur complement
            work = _coprime(
                abs(pivot) * work[np.ix_(keep, keep)] - (1 if pivot > 0 else -1) * np.outer(row, row)
            )
            continue
        off = np.argwhere(work != 0)
        if not len(off):
            break
        # [[0, c], [c, 0]] has one eigenvalue of each sign; eliminate both of its rows at once
        p, q = (int(v) for v in off[0])
        c = int(work[p, q])
        negative, positive = negative + 1, positive + 1
        keep = (np.arange(len(work)) != p) & (np.arange(len(work)) != q)
        x, y = work[p, keep], work[q, keep]
        cross = np.outer(x, y) + np.outer(y, x)
        work = _coprime(abs(c) * work[np.ix_(keep, keep)] - (1 if c > 0 else -1) * cross)
    return Inertia(negative, total - negative - positive, positive)


def _coprime(M: Ints) -> Ints:
    """The matrix over the common divisor of its entries."""
    divisor = math.gcd(*M.ravel().tolist())
    return M // divisor if divisor > 1 else M
