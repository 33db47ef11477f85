"""Ranks and null spaces of integer matrices, decided exactly by fraction-free elimination."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["null_space"]

Matrix = Sequence[Sequence[int]]


def null_space(matrix: Matrix, width: int) -> list[list[int]]:
    """A basis of the integer vectors v, of length `width`, with matrix v = 0; coprime entries, empty when injective.

    Parameters
    ----------
    matrix : rows of `width` Python integers
    width : int

    Notes
    -----
    Bareiss's elimination to reduced form: after k pivots every pivot row has the same diagonal d, so all divisions are
    exact and entries stay minors of the matrix. rank = width - len(basis).
    """
    rows = [list(row) for row in matrix if any(row)]
    pivots: list[int] = []
    previous = 1
    for column in range(width):
        k = len(pivots)
        found = next((i for i in range(k, len(rows)) if rows[i][column]), None)
        if found is None:
            continue
        rows[k], rows[found] = rows[found], rows[k]
        head, pivot = rows[k], rows[k][column]
        for i, row in enumerate(rows):
            if i != k:
                factor = row[column]
                rows[i] = [(pivot * a - factor * b) // previous for a, b in zip(row, head, strict=True)]
        previous = pivot
        pivots.append(column)
    basis = []
    for free in (c for c in range(width) if c not in pivots):
        vector = [0] * width
        vector[free] = previous
        for k, column in enumerate(pivots):
            vector[column] = -rows[k][free]
        divisor = math.gcd(*vector)
        basis.append([v // divisor for v in vector])
    return basis
