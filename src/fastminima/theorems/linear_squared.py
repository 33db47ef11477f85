"""The sharper verdict for squared loss: which part of the data a critical point has learnt, and how strict a saddle is.

With S = X^T X invertible (samples as rows), L = Y^T X S^-1 the least-squares map and Sigma = L S L^T (the matrix of the
fitted values against the targets), a critical product is R = P L, P the orthogonal projection on col R, and P commutes
with Sigma:  A = W_{H+1:2} gives A^T (R - L) S = 0, hence R = P_A L and so R = P_R L; G R^T = 0 gives P Sigma P = Sigma P.
So col R is spanned by eigenvectors of Sigma, those of an index set, and

    ell(W) = 1/2 (|Y|^2 - sum of the eigenvalues in the index set).

No eigenvalue is computed to decide anything. For bases C of col R and D of its complement the matrix

    K = (C^T Sigma C) x (D^T D) - (C^T C) x (D^T Sigma D)      (x: Kronecker)

has the signs of all lambda_i - lambda_j, i learnt and j not, by Sylvester's law: exact elimination counts them.
Where dy > dx the same is done on the side of the inputs, with the form Sigma' = X^T Y Y^T X and the metric S.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import common_numerators
from fastminima.exact.inertia import inertia
from fastminima.exact.nullspace import null_space
from fastminima.losses import SquaredLoss

__all__ = ["SquaredFindings", "analyse_squared"]

Floats = NDArray[np.float64]
Matrix = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SquaredFindings:
    """A critical point of squared loss, by what its product has learnt.

    Attributes
    ----------
    critical_value : Fraction
        ell(W) = 1/2 (|Y|^2 - sum over the index set), exactly.
    rank : int
        r, the rank of the product.
    limit : int
        The largest rank this architecture can have: the smallest width.
    eigenvalues : float64 array
        Of Sigma (of its counterpart on the inputs where dy > dx), descending; rounded, for reading.
    indices : tuple of int or None
        The index set: positions of the learnt eigenvalues, 0 the largest. None where ties or rounding leave it open.
    inversions : int
        Pairs of a learnt and a larger missing eigenvalue, exactly.
    ties : int
        Pairs of a learnt and an equal missing eigenvalue, exactly.
    simple : bool
        Are all eigenvalues distinct and positive, exactly?
    optimal : bool
        Is ell(W) the least of all matrices of rank at most `limit` (Eckart and Young)?
    strict : bool or None
        Does the Hessian have a negative eigenvalue? False for a minimum; None where the eigenvalues are not simple.
    tightened : bool
        For all i > j: W_{i-1:j+1} has rank r, or W_{j-1:1} G^T W_{H+1:i+1} = 0.
    reason : str
    """

    critical_value: Fraction
    rank: int
    limit: int
    eigenvalues: Floats
    indices: tuple[int, ...] | None
    inversions: int
    ties: int
    simple: bool
    optimal: bool
    strict: bool | None
    tightened: bool
    reason: str

    def __str__(self) -> str:
        learnt = "open" if self.indices is None else "{" + ", ".join(map(str, self.indices)) + "}"
        kind = (
            "optimal for its widths"
            if self.optimal
            else {True: "strict saddle", False: "non-strict saddle", None: "saddle"}[self.strict]
        )
        return (
            f"{kind}: rank {self.rank} of at most {self.limit}, learnt {learnt}, "
            f"value {float(self.critical_value):.6g}; {self.reason}"
        )


def _fractions(rows: Sequence[Sequence[Any]]) -> Matrix:
    return np.array([[Fraction(v) for v in row] for row in rows], dtype=object)


def _null(M: Matrix) -> Matrix:
    """Columns: an integer basis of the null space."""
    rows, width = M.shape
    if not rows:
        return _identity(width)
    flat, _ = common_numerators(M.ravel().tolist())
    basis = null_space([flat[i * width : (i + 1) * width] for i in range(rows)], width)
    return _fractions(basis).T if basis else np.empty((width, 0), dtype=object)


def exact_rank(M: Matrix) -> int:
    """Rank of a rational matrix."""
    return int(M.shape[1] - _null(M).shape[1])


def _columns(M: Matrix) -> Matrix:
    """A basis of the column space: what is orthogonal to the left null space."""
    return _null(_null(M.T).T)


def solve(S: Matrix, B: Matrix) -> Matrix | None:
    """S^-1 B for rational matrices, None where S is singular."""
    n, k = len(S), B.shape[1]
    if exact_rank(S) < n:
        return None
    # (u, t) with S u = B t: the columns of S carry all pivots, so t runs through multiples of the unit vectors
    basis = _null(np.hstack([S, -B]))
    return np.stack([basis[:n, c] / basis[n + c, c] for c in range(k)], axis=1)


def _identity(n: int) -> Matrix:
    return _fractions(np.eye(n, dtype=int).tolist())


def _kronecker(A: Matrix, B: Matrix) -> Matrix:
    a, b = len(A), len(B)
    return (A[:, None, :, None] * B[None, :, None, :]).reshape(a * b, a * b)


def _eigenvalues(F: Matrix, M: Matrix) -> Floats:
    """Of M^-1 F in float64, for reading and for ordering what exact signs then confirm."""
    if not len(F):
        return np.empty(0)
    from scipy.linalg import eigh

    values: Floats = eigh(F.astype(np.float64), M.astype(np.float64), eigvals_only=True)
    return values


def _distinct(F: Matrix, M: Matrix) -> bool:
    """Has M^-1 F as many eigenvalues as rows? The Hankel matrix of its power sums has their number as rank."""
    n = len(F)
    step = solve(M, F)
    if step is None:
        return False
    power, sums = _identity(n), []
    for _ in range(2 * n - 1):
        sums.append(sum(np.diag(power).tolist(), Fraction(0)))
        power = power.dot(step)
    hankel = np.array([[sums[i + j] for j in range(n)] for i in range(n)], dtype=object)
    return exact_rank(hankel) == n


def _tightened(chain: list[Matrix], G: Matrix, rank: int) -> bool:
    """For all i > j the block between has the rank of the whole, or G does not couple the two outer ones."""
    count = len(chain)
    before = [_identity(chain[0].shape[1])]
    for W in chain:
        before.append(W.dot(before[-1]))
    # coupling = A_i^T G, A_i the product of the layers above i (counted from 0)
    coupling = G
    for i in range(count - 1, 0, -1):
        between = _identity(chain[i].shape[1])
        for j in range(i - 1, -1, -1):
            if exact_rank(between) != rank and coupling.dot(before[j].T).any():
                return False
            between = between.dot(chain[j])
        coupling = chain[i].T.dot(coupling)
    return True


def _positions(learnt: Floats, missing: Floats, inversions: int, ties: int) -> tuple[int, ...] | None:
    """Positions of the learnt eigenvalues, where float64 orders them as exact arithmetic counted."""
    if ties or int((learnt[:, None] < missing[None, :]).sum()) != inversions:
        return None
    order = np.argsort(-np.concatenate([learnt, missing]), kind="stable")
    return tuple(int(k) for k in np.flatnonzero(order < len(learnt)))


def analyse_squared(weights: Sequence[Floats], loss: SquaredLoss) -> SquaredFindings | None:
    """What an exactly critical point of squared loss has learnt; None where X^T X is singular.

    Parameters
    ----------
    weights : sequence of float64 arrays, [W_1, ..., W_{H+1}]
        Exactly critical; bottlenecks (hidden layers narrower than inputs and outputs) are welcome.
    loss : SquaredLoss

    Returns
    -------
    SquaredFindings or None

    Notes
    -----
    An inversion gives negative curvature without any assumption: rotating the learnt direction towards the missing
    one changes W_{H+1} and W_1 only and lowers ell like (lambda_i - lambda_j) t^2. Without inversions and with rank
    below the limit the point is a saddle, strict exactly when it is not tightened, provided the eigenvalues are
    distinct and positive (second-order analysis of the square loss of deep linear networks).
    """
    chain = [_fractions(W.tolist()) for W in weights]
    R = reduce(lambda P, W: W.dot(P), chain)
    S, C = _fractions(loss.moments.sxx), _fractions(loss.moments.syx)
    on_outputs = len(R) <= R.shape[1]
    inverse = solve(S, C.T)  # S^-1 X^T Y = L^T
    if inverse is None:
        return None
    if on_outputs:
        F, M = C.dot(inverse), _identity(len(R))
        learnt, missing = _columns(R), _null(R.T)
    else:
        F, M = C.T.dot(C), S
        learnt, missing = _columns(R.T), _null(R.dot(S))
    forms = [(B.T.dot(F).dot(B), B.T.dot(M).dot(B)) for B in (learnt, missing)]
    (Fl, Ml), (Fm, Mm) = forms
    signs = inertia(_kronecker(Fl, Mm) - _kronecker(Ml, Fm))
    rank, limit = len(Fl), min(min(W.shape) for W in weights)
    rest = inertia(Fm).positive
    simple = inertia(F).positive == len(F) and _distinct(F, M)
    optimal = not signs.negative and (rank == limit or not rest)
    tight = _tightened(chain, R.dot(S) - C, rank)
    values = _eigenvalues(Fl, Ml), _eigenvalues(Fm, Mm)
    strict: bool | None
    if signs.negative:
        strict, reason = True, f"{signs.negative} learnt eigenvalues are smaller than missing ones"
    elif optimal:
        strict, reason = False, "the largest eigenvalues are learnt, as many as the widths allow"
    elif simple:
        strict = not tight
        reason = "the largest eigenvalues are learnt and rank is left over, " + (
            "tightened" if tight else "not tightened"
        )
    else:
        strict, reason = None, "eigenvalues are not distinct and positive, which the test of strictness needs"
    return SquaredFindings(
        loss.exact_value(R.tolist()),
        rank,
        limit,
        np.sort(np.concatenate(values))[::-1],
        _positions(*values, signs.negative, signs.zero),
        signs.negative,
        signs.zero,
        simple,
        optimal,
        strict,
        tight,
        reason,
    )
