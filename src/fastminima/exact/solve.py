"""Exact solution of the normal equations of a positive semidefinite integer Gram matrix.

Rank and pivots come out of fraction-free (Bareiss) elimination with diagonal pivots in column order. For a
positive semidefinite matrix a zero on the diagonal of the Schur complement means a zero row, that is a column
depending on the pivots before it; it gets coefficient 0. The target column is carried along: its last Schur
complement is the residual sum of squares.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.system.first_use import first_use

from .dyadic import Ints
from .gram import ExactGram
from .modular import PRIME, echelon, solve_square

__all__ = ["NormalSolution", "solve_normal_equations"]

# below this size Bareiss on Python integers takes less time than loading FLINT
_FLINT_FROM = 24
# from this size on lifting is as fast as FLINT or faster, and a call of FLINT is too long to be interrupted
_LIFT_FROM = 64


@dataclass(frozen=True)
class NormalSolution:
    """Solution of G w = b with coefficient 0 on dependent columns.

    Attributes
    ----------
    rank : int
        Rank of the augmented design (1, x_1, ..., x_dx).
    pivots : tuple of int
        Columns 0 (constant), 1..dx (features) that carry coefficients; the constant first.
    coefficients : list of dx + 1 Fractions
        Intercept first.
    residual_sum_of_squares : Fraction
        y^T y - b^T w, weighted if the Gram matrix is.
    """

    rank: int
    pivots: tuple[int, ...]
    coefficients: list[Fraction]
    residual_sum_of_squares: Fraction

    @property
    def risk(self) -> Fraction:
        """Least-squares risk, half the residual sum of squares."""
        return self.residual_sum_of_squares / 2


def _trim(gram: ExactGram) -> tuple[list[list[int]], list[int]]:
    """Entries divided by a power of two per column, as large as possible, and its exponents."""
    n = len(gram.entries)
    entries = [row.copy() for row in gram.entries]
    shifts = []
    for c in range(n):
        zeros = [(v & -v).bit_length() - 1 for b, v in enumerate(entries[c]) if v and b != c]
        diagonal = entries[c][c]
        shift = 0
        if diagonal:
            shift = min([((diagonal & -diagonal).bit_length() - 1) // 2, *zeros])
        shifts.append(shift)
        if shift:
            for b in range(n):
                entries[c][b] >>= shift
                entries[b][c] >>= shift
    return entries, shifts


def _bareiss(entries: list[list[int]]) -> tuple[list[int], list[int], int, int]:
    """Pivots, numerators q over the common denominator d, d, and the numerator of the residual over d."""
    n = len(entries)
    target = n - 1
    work = [row.copy() for row in entries]
    active = list(range(n))
    pivots: list[int] = []
    previous = 1
    for k in range(target):
        pivot = work[k][k]
        active.remove(k)
        if pivot < 0:
            raise ValueError("the matrix is not positive semidefinite: it is no Gram matrix")
        if pivot == 0:
            continue
        row = work[k]
        for position, i in enumerate(active):
            factor = row[i]
            line = work[i]
            for j in active[position:]:
                line[j] = (pivot * line[j] - factor * row[j]) // previous
        pivots.append(k)
        previous = pivot
    numerators = [0] * len(pivots)
    for i in range(len(pivots) - 1, -1, -1):
        row = work[pivots[i]]
        total = previous * row[target]
        for j in range(i + 1, len(pivots)):
            total -= row[pivots[j]] * numerators[j]
        # Cramer: each numerator is a determinant, so the division leaves no rest
        numerators[i] = total // row[pivots[i]]
    return pivots, numerators, previous, work[target][target]


def _flint(entries: list[list[int]]) -> tuple[list[int], list[int], int, int]:
    """The same through the fraction-free reduced row echelon form of [G | b]."""
    with first_use():
        from flint import fmpz_mat

    target = len(entries) - 1
    reduced, denominator, rank = fmpz_mat(entries[:target]).rref()
    d = int(denominator)
    pivots, numerators = [], []
    column = 0
    for i in range(int(rank)):
        # pivots of the echelon form are the leftmost independent columns; b lies in their span
        while reduced[i, column] == 0:
            column += 1
        pivots.append(column)
        numerators.append(int(reduced[i, target]))
        column += 1
    rest = entries[target][target] * d - sum(
        entries[p][target] * q for p, q in zip(pivots, numerators, strict=True)
    )
    return pivots, numerators, d, rest


def _lifted(entries: list[list[int]]) -> tuple[list[int], list[int], int, int] | None:
    """The same by p-adic lifting (`modular`), which hears an interrupt; None where the prime divides what it should not.

    The pivots found modulo p are independent. Every other column is shown to depend on those before it: its Schur complement
    is 0, which for a positive semidefinite matrix makes its row 0, and its coefficients behind it are 0.
    """
    target = len(entries) - 1
    G: Ints = np.array(entries, dtype=object)
    residues = np.array([[v % PRIME for v in row[:target]] for row in entries[:target]], dtype=np.int64)
    pivots, _ = echelon(residues)
    rest = [j for j in range(target) if j not in set(pivots)]
    found = solve_square(G[np.ix_(pivots, pivots)], G[np.ix_(pivots, [*rest, target])])
    if found is None:
        return None
    Z, denominators = found
    place = np.array(pivots)
    for k, j in enumerate(rest):
        schur = G[j, j] * denominators[k] - (G[j, pivots] * Z[:, k]).sum()
        if schur or Z[place > j, k].any():
            return None
    numerators, d = [int(v) for v in Z[:, -1]], denominators[-1]
    left = entries[target][target] * d - sum(
        entries[p][target] * q for p, q in zip(pivots, numerators, strict=True)
    )
    return pivots, numerators, d, left


def solve_normal_equations(gram: ExactGram, *, use_flint: bool | None = None) -> NormalSolution:
    """Exact least squares of the last column on the others.

    Parameters
    ----------
    gram : ExactGram of (1, x_1, ..., x_dx, y)
    use_flint : bool, optional
        Default: lifting for large matrices, FLINT where it is installed and pays.

    Returns
    -------
    NormalSolution
    """
    entries, shifts = _trim(gram)
    solved = _lifted(entries) if use_flint is None and len(entries) >= _LIFT_FROM else None
    if use_flint is None:
        # speed only: the standard library's integers give the same numbers
        use_flint = len(gram.entries) >= _FLINT_FROM and importlib.util.find_spec("flint") is not None
    if solved is None:
        solved = (_flint if use_flint else _bareiss)(entries)
    pivots, numerators, d, rest = solved
    n_columns = len(entries) - 1
    coefficients = [Fraction(0)] * n_columns
    y_scale = gram.scales[-1]
    for p, q in zip(pivots, numerators, strict=True):
        shift = shifts[-1] - shifts[p]
        factor = Fraction(1 << shift) if shift >= 0 else Fraction(1, 1 << -shift)
        # most of q and d is common; taking it out first keeps the later steps short
        common = math.gcd(q, d)
        coefficients[p] = Fraction(q // common, d // common) * factor * (y_scale / gram.scales[p])
    residual = Fraction(rest, d) * (1 << 2 * shifts[-1]) * y_scale**2 * gram.weight_scale
    return NormalSolution(len(pivots), tuple(pivots), coefficients, residual)
