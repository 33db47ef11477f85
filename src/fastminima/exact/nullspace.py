"""Ranks and null spaces of integer matrices, decided exactly by fraction-free elimination."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["null_space", "reduced"]

Matrix = Sequence[Sequence[int]]


def reduced(matrix: Matrix, width: int) -> tuple[list[list[int]], list[int], int]:
    """Rows, the pivots' columns among the first `width`, and the diagonal of the reduced form; rows may be longer.

    Bareiss's elimination: after k pivots every pivot row has the same diagonal d, so all divisions are exact and entries
    stay minors of the matrix. The first len(pivots) rows are the pivots' in their order; without pivots d is 1.
    """
    rows = [list(row) for row in matrix]
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
    return rows, pivots, previous


def null_space(matrix: Matrix, width: int) -> list[list[int]]:
    """A basis of the integer vectors v, of length `width`, with matrix v = 0; coprime entries, empty when injective.

    Parameters
    ----------
    matrix : rows of `width` Python integers
    width : int

    Notes
    -----
    rank = width - len(basis).
    """
    rows, pivots, diagonal = reduced([row for row in matrix if any(row)], width)
    basis = []
    for free in (c for c in range(width) if c not in pivots):
        vector = [0] * width
        vector[free] = diagonal
        for k, column in enumerate(pivots):
            vector[column] = -rows[k][free]
        divisor = math.gcd(*vector)
        basis.append([v // divisor for v in vector])
    return basis
