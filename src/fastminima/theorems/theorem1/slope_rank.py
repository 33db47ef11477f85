"""Is the rank of the best slopes under cross entropy proved to be so large? Floats know them within bounds.

(a) With p the probabilities of the dual point, p^ those of the float map and p* those at the minimum, both sums over i of
    w_i |p_i - p*_i|^2 and w_i |p^_i - p*_i|^2 (| | the sum of sizes) are at most 2 gap, gap the loss of the float map minus
    the bound: L* - bound is the sum of w KL(p | p*), the other loss minus L* that of w KL(p* | p^), and by Pinsker each is
    at least half of its sum. So all lie within e_i = sqrt(2 gap / w_i), and p* and p^ are at least q = p - 2 e.
(b) At row i the log-odds of classes j and K of the two maps differ by at most e_i (1/q_ij + 1/q_iK). The difference is an
    affine function: d independent rows R give its coefficients, off by at most t = |T_R^-1| times those.
(c) k classes and columns whose slopes A, as floats know them, have an inverse M about: ||I - M A|| + || |M| t || < 1 in the
    norm of row sums proves that M A* is invertible, and so that the rank is at least k. All of it in rationals; floats
    choose rows, classes, columns and M.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import scipy
from numpy.typing import NDArray

from fastminima.exact.dyadic import sqrt_above
from fastminima.exact.matrix import RationalMatrix, Rationals, solve

from .dual_point import DualPoint

__all__ = ["coefficient_errors", "rank_is_at_least"]

Floats = NDArray[np.float64]


def coefficient_errors(
    table: RationalMatrix, B: Floats, point: DualPoint, weights: list[float] | None, gap: Fraction
) -> Rationals | None:
    """t of (b), (K - 1, d): how far coefficients of the best map may be from those of the float map; None where unknown.

    Parameters
    ----------
    table : RationalMatrix, (m, d)
        Independent columns.
    B : (m, d)
        Their span in orthonormal columns, in floats.
    point : DualPoint
    weights : list of float or None
    gap : Fraction
        Loss of the float map minus the bound, from above.
    """
    d = table.shape[1]
    p = point.grid.rounded()
    # likely classes at rows that stand apart
    order = scipy.linalg.qr((B * p.min(axis=1, initial=1.0)[:, None]).T, mode="r", pivoting=True)[1][
        :d
    ].tolist()
    square = RationalMatrix(table.numerators[order], table.scale)
    inverse = solve(square, RationalMatrix.identity(d))
    if inverse is None:
        return None
    off: Rationals = []
    for i in order:
        row = point.moved.get(i) or [int(v) * point.grid.scale for v in point.grid.numerators[i]]
        weight = Fraction(1) if weights is None else Fraction(weights[i])
        e = Fraction(sqrt_above(2 * gap / weight))
        q = [v - 2 * e for v in row]
        if min(q) <= 0:
            return None
        off.append([e / v + e / q[-1] for v in q[:-1]])
    size = [[abs(v) for v in row] for row in inverse.rows()]
    return [
        [sum((a * line[j] for a, line in zip(row, off, strict=True)), Fraction(0)) for row in size]
        for j in range(len(off[0]))
    ]


def rank_is_at_least(k: int, slopes: Rationals, errors: Rationals) -> bool:
    """Have all matrices within `errors` of `slopes`, entry by entry, rank k or more? False where that is not proved."""
    if not k:
        return True
    A = np.array([[float(v) for v in row] for row in slopes])
    if min(A.shape) < k:
        return False
    rows = np.sort(scipy.linalg.qr(A.T, mode="r", pivoting=True)[1][:k]).tolist()
    columns = np.sort(scipy.linalg.qr(A[rows], mode="r", pivoting=True)[1][:k]).tolist()
    minor = A[np.ix_(rows, columns)]
    if np.linalg.matrix_rank(minor) < k:
        return False
    M = [[Fraction(v) for v in row] for row in np.linalg.inv(minor).tolist()]
    exact = [[slopes[i][c] for c in columns] for i in rows]
    t = [[errors[i][c] for c in columns] for i in rows]
    for i, row in enumerate(M):
        total = Fraction(0)
        for j in range(k):
            product = sum((a * line[j] for a, line in zip(row, exact, strict=True)), Fraction(0))
            total += abs(product - (i == j)) + sum(
                (abs(a) * line[j] for a, line in zip(row, t, strict=True)), Fraction(0)
            )
        if total >= 1:
            return False
    return True
