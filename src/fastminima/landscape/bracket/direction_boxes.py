"""Cells of the space of hidden rows: for every unit a sign of its output weight and a box of directions.

(a) With q_k = |a_k| (w_k, b_k) a network is f(x) = b + sum_k sigma_k h(<q_k, x~>), sigma_k the sign of a_k. Every q is a
    multiple t z, t >= 0, of a direction z on the surface of the cube |z_j| <= 1: on one of its faces z_f = 1 or z_f = -1.
(b) A cell is a list of (sigma, f, side of the face), a box low <= z <= high on each face, and signs that <q_k, x~_i> has for
    some rows. The list is sorted, as units may be exchanged. Where two neighbours have the same entry, their first
    coordinates off the face may be taken in ascending order: a cell that has no such pair is empty.
(c) A cell is cut at the middle of one side of a box, or by the sign of a row at a unit. The two parts cover it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, pairwise, product

import numpy as np

from fastminima.exact.dyadic import Floats

__all__ = ["Cell", "Cut", "first_cells"]

# sigma, face, side of the face
Start = tuple[int, int, int]


@dataclass(frozen=True)
class Cut:
    """How a cell is cut: at the middle of side `at` of the box of a unit, or by the sign of row `at` at it.

    Attributes
    ----------
    unit, at : int
    by_row : bool
    """

    unit: int
    at: int
    by_row: bool


@dataclass(frozen=True, eq=False)
class Cell:
    """Hidden rows of w units on n columns, by (b).

    Attributes
    ----------
    starts : tuple of w (sigma, face, side)
    low, high : (w, n) float64
        Multiples of 2^-depth; 1 or -1, and equal, on the face.
    rows : tuple of (unit, row, sign)
    """

    starts: tuple[Start, ...]
    low: Floats
    high: Floats
    rows: tuple[tuple[int, int, int], ...] = ()

    @property
    def sigma(self) -> Floats:
        """(w,): signs of the output weights."""
        return np.array([float(start[0]) for start in self.starts])

    def parts(self, cut: Cut) -> tuple[Cell, Cell]:
        """The two that cover it: of lower and of higher coordinates, or of positive and negative sign."""
        if cut.by_row:
            first, second = ((*self.rows, (cut.unit, cut.at, sign)) for sign in (1, -1))
            return replace(self, rows=first), replace(self, rows=second)
        low, high, at = self.low.copy(), self.high.copy(), (cut.unit, cut.at)
        low[at] = high[at] = (self.low[at] + self.high[at]) / 2.0
        return replace(self, high=high), replace(self, low=low)

    @property
    def empty(self) -> bool:
        """Whether no pair of equal entries is in order, by (b)."""
        for k, (one, other) in enumerate(pairwise(self.starts)):
            if one == other and self.low.shape[1] > 1:
                first = 1 if one[1] == 0 else 0
                if self.high[k + 1, first] < self.low[k, first]:
                    return True
        return False


def first_cells(width: int, n: int) -> Iterator[Cell]:
    """Cells that cover all hidden rows of a width on n columns, in the order in which certificates have them."""
    kinds = list(product((1, -1), range(n), (1, -1)))
    for starts in combinations_with_replacement(kinds, width):
        low, high = np.full((width, n), -1.0), np.ones((width, n))
        for k, (_, face, side) in enumerate(starts):
            low[k, face] = high[k, face] = side
        yield Cell(starts, low, high)
