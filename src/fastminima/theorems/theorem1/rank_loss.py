"""The least squared loss of affine maps of limited rank, enclosed: what a network with a narrow layer can reach on the data.

With A the slopes of the least-squares map and S the weighted scatter of the inputs about their mean, an affine map of rank k
has at least L_k = L* + (lambda_{k+1} + lambda_{k+2} + ...) / 2, lambda the eigenvalues of A S A^T in falling order, and one
has no more (Eckart and Young). Floats guess each eigenvalue; the numbers of eigenvalues of A S A^T - t above 0, exact for
rational t, say on which side of t it lies.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from fastminima.exact.inertia import inertia
from fastminima.exact.matrix import RationalMatrix

from .affine_optimum import AffineOptimum, weighed

__all__ = ["least_of_rank"]

# shares of the largest eigenvalue that a guess may be off; each is tried
_SLACKS = [Fraction(1, 2**k) for k in range(50, 10, -4)]


def least_of_rank(fits: AffineOptimum, rank: int) -> tuple[Fraction, Fraction]:
    """Bounds on L_k, k = `rank` at most that of the least-squares map, of exact fits of squared loss."""
    table = fits.table
    G = table.T @ weighed(table, fits.loss_sum.weights)
    first = RationalMatrix(G.numerators[:1], G.scale)
    centred = G - (first.T @ first).times(1 / (int(G.numerators[0, 0]) * G.scale))
    S = RationalMatrix(centred.numerators[1:, 1:], centred.scale)
    A = RationalMatrix.of(fits.slopes)
    M = A @ S @ A.T
    values, exponent = M.normalised()
    guesses = np.linalg.eigvalsh(values)[::-1]
    unit = Fraction(2) ** exponent
    low = high = fits.loss
    for k in range(rank, fits.rank):
        below, above = _eigenvalue(
            M, k, Fraction(float(guesses[k])) * unit, Fraction(float(guesses[0])) * unit
        )
        low, high = low + below / 2, high + above / 2
    return low, high


def _eigenvalue(M: RationalMatrix, k: int, guess: Fraction, largest: Fraction) -> tuple[Fraction, Fraction]:
    """Bounds on the eigenvalue that k others are not below."""
    for slack in _SLACKS:
        below, above = max(guess - slack * largest, Fraction(0)), guess + slack * largest
        if _above(M, below) > k >= _above(M, above):
            return below, above
    # of a matrix that has no negative eigenvalue, whatever the floats say
    return Fraction(0), sum((int(v) * M.scale for v in M.numerators.diagonal()), Fraction(0))


def _above(M: RationalMatrix, t: Fraction) -> int:
    """How many eigenvalues are above t."""
    return inertia((M - RationalMatrix.identity(M.shape[0]).times(t)).numerators).positive
