"""Exact least squares where the design (1, X) has more columns than distinct rows.

(a) Equal rows are one row with the mean of their targets: whatever is fitted, their spread stays. Let d be their number.
(b) Pivots. An echelon form modulo a prime gives columns P, each the leftmost independent of those before it, and rows R: the
    square matrix B of both is invertible modulo p, hence over the rationals, and rank >= |P|. Where |P| = d the rank is
    d and the risk is the spread of equal rows alone, 0 without duplicates: that is proved without another operation.
(c) Where |P| < d the other rows are combinations of R, which is checked: C B = A[others, P] is solved, and
    C A[R, j] = A[others, j] compared for the other columns, exactly. The coefficients are then those of the normal equations
    of the columns P, of which there are fewer than rows.
(d) P is what elimination over the rationals finds unless a column skipped before its last member only depends on
    its predecessors modulo p: B a = A[R, j] is solved for the skipped columns too, and a must be 0 behind j. (In full, and
    for all rows, because every row is a combination of R.)
(e) Work. The echelon form takes d^2 dx operations in int64, the square system d^3 + d^2 k of them with k the digits
    of its solution (`modular`), and no Gram matrix of dx + 2 columns is made. Every loop is short enough to be interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from .affine import Columns, common_numerators
from .dyadic import Ints
from .gram import gram_of
from .groups import group_ids
from .modular import echelon, float_residues, integer_residues, solve_square
from .solve import NormalSolution, solve_normal_equations

__all__ = ["solve_wide"]

Index = NDArray[np.intp]


@dataclass(frozen=True)
class _Design:
    """Distinct rows of (1, X): pivots and the groups of equal rows."""

    columns: Columns
    ids: Index
    first: Index
    pivots: list[int]
    rows: list[int]

    def integers(self, column: int, rows: Index) -> tuple[Ints, Fraction]:
        """Column 0 (the ones) to dx as integers over a scale, on some of the distinct rows."""
        if column:
            return self.columns.integers(column - 1, self.first[rows])
        return np.array([1] * len(rows), dtype=object), Fraction(1)

    def block(self, rows: Index, columns: list[int]) -> Ints:
        """Integers of several columns, whatever their scales, on some of the distinct rows."""
        # one scale a column on all rows, so that rows can be compared
        every = np.arange(len(self.first), dtype=np.intp)
        parts = [self.integers(c, every)[0][rows] for c in columns]
        return np.stack(parts, axis=1) if parts else np.empty((len(rows), 0), dtype=object)

    def scale(self, column: int) -> Fraction:
        """The scale of `block`."""
        return self.integers(column, np.arange(len(self.first), dtype=np.intp))[1]


def solve_wide(columns: Columns) -> NormalSolution | None:
    """The solution of the normal equations, as `solve_normal_equations` gives it.

    None where the design has no more columns than distinct rows, or the prime of `modular` divides what it should not.
    """
    m, n = columns.n_samples, columns.n_features
    if n + 1 <= m:
        return None
    ids, first = group_ids(columns)
    residues = np.empty((len(first), n + 1), dtype=np.int64)
    residues[:, 0] = 1
    if columns.exact is None:
        values = columns.X[first]
        residues[:, 1:] = float_residues(values.ravel()).reshape(values.shape)
    else:
        for j in range(n):
            residues[:, j + 1] = integer_residues(columns.integers(j, first)[0])
    pivots, rows = echelon(residues)
    design = _Design(columns, ids, first, pivots, rows)
    return _full_rank(design) if len(pivots) == len(first) else _deficient(design)


def _skipped(design: _Design) -> list[int]:
    chosen = set(design.pivots)
    return [j for j in range(design.pivots[-1]) if j not in chosen]


def _leftmost(design: _Design, skipped: list[int], Z: Ints) -> bool:
    """(d): no skipped column needs a pivot behind it."""
    pivots = np.array(design.pivots)
    return not any(Z[pivots > j, k].any() for k, j in enumerate(skipped))


def _full_rank(design: _Design) -> NormalSolution | None:
    """(b): every distinct row is fitted exactly."""
    rows = np.array(design.rows, dtype=np.intp)
    means, y_scale, spread = _group_means(design)
    skipped = _skipped(design)
    B = design.block(rows, design.pivots)
    Y = np.concatenate([design.block(rows, skipped), means[rows][:, None]], axis=1)
    found = solve_square(B, Y)
    if found is None or not _leftmost(design, skipped, found[0]):
        return None
    Z, denominators = found
    values = [Fraction(int(z), denominators[-1]) for z in Z[:, -1]]
    return _placed(design, [v * y_scale for v in values], spread)


def _placed(design: _Design, values: list[Fraction], rss: Fraction) -> NormalSolution:
    coefficients = [Fraction(0)] * (design.columns.n_features + 1)
    for c, value in zip(design.pivots, values, strict=True):
        coefficients[c] = value / design.scale(c)
    return NormalSolution(len(design.pivots), tuple(design.pivots), coefficients, rss)


def _group_means(design: _Design) -> tuple[Ints, Fraction, Fraction]:
    """Weighted mean target of every distinct row as integers over a scale, and the spread about them."""
    y, scale = design.columns.integers(design.columns.n_features)
    weights, weight_scale = design.columns.weight_integers()
    w = [1] * len(y) if weights is None else [int(v) for v in weights]
    count = len(design.first)
    total, first, second = [0] * count, [0] * count, [0] * count
    for g, value, weight in zip(design.ids.tolist(), map(int, y), w, strict=True):
        total[g] += weight
        first[g] += weight * value
        second[g] += weight * value * value
    means, unit = common_numerators([Fraction(a, b) for a, b in zip(first, total, strict=True)])
    rest = sum((c - Fraction(a * a, b) for a, b, c in zip(first, total, second, strict=True)), Fraction(0))
    integers = np.empty(count, dtype=object)
    integers[:] = means
    return integers, unit * scale, rest * scale * scale * weight_scale


def _deficient(design: _Design) -> NormalSolution | None:
    """(c): fewer independent rows than distinct ones."""
    rows = np.array(design.rows, dtype=np.intp)
    others = np.setdiff1d(np.arange(len(design.first), dtype=np.intp), rows)
    skipped = _skipped(design)
    B = design.block(rows, design.pivots)
    across = solve_square(B.T.copy(), design.block(others, design.pivots).T.copy())
    found = solve_square(B, design.block(rows, skipped))
    if across is None or found is None or not _leftmost(design, skipped, found[0]):
        return None
    C, denominators = across
    chosen = set(design.pivots)
    d = np.array(denominators, dtype=object)
    for j in range(design.columns.n_features + 1):
        if j in chosen:
            continue
        column = design.block(np.arange(len(design.first), dtype=np.intp), [j])[:, 0]
        if (column[rows].dot(C) - column[others] * d).any():
            return None
    features = [c - 1 for c in design.pivots if c]
    solution = solve_normal_equations(gram_of(_part(design.columns, features)))
    if solution.rank != len(design.pivots):
        return None
    coefficients = [Fraction(0)] * (design.columns.n_features + 1)
    for c, value in zip(design.pivots, solution.coefficients, strict=True):
        coefficients[c] = value
    return NormalSolution(solution.rank, tuple(design.pivots), coefficients, solution.residual_sum_of_squares)


def _part(columns: Columns, features: list[int]) -> Columns:
    """Some of the features."""
    exact = columns.exact
    if exact is not None:
        kept = [*features, columns.n_features]
        exact = SimpleNamespace(
            numerators=[exact.numerators[j] for j in kept], scales=[exact.scales[j] for j in kept]
        )
    X = np.ascontiguousarray(columns.X[:, features])
    return Columns(SimpleNamespace(X=X, y=columns.y, sample_weight=columns.weight, exact=exact))
