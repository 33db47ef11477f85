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
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import Ints, power_of_two, round_fraction
from fastminima.exact.inertia import inertia
from fastminima.exact.matrix import RationalMatrix, solve
from fastminima.losses.squared import SquaredLoss
from fastminima.system.first_use import first_use

__all__ = ["SquaredFindings", "analyse_squared"]

# a Mersenne prime
_PRIME = 2**61 - 1

Floats = NDArray[np.float64]
_Form = tuple[RationalMatrix, RationalMatrix]


@dataclass(frozen=True, eq=False, kw_only=True)
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
        Of Sigma (of its counterpart on the inputs where dy > dx), descending; rounded, for reading, nan where float64
        cannot find them.
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
            f"value {round_fraction(self.critical_value):.6g}; {self.reason}"
        )


def _null_columns(M: RationalMatrix) -> RationalMatrix:
    """Columns: an integer basis of the null space."""
    basis = M.null_basis()
    columns = np.empty((M.shape[1], len(basis)), dtype=object)
    for k, vector in enumerate(basis):
        columns[:, k] = vector
    return RationalMatrix(columns, Fraction(1))


def _columns(M: RationalMatrix) -> RationalMatrix:
    """A basis of the column space: what is orthogonal to the left null space."""
    return _null_columns(_null_columns(M.T).T)


def _kronecker(A: RationalMatrix, B: RationalMatrix) -> RationalMatrix:
    n = A.shape[0] * B.shape[0]
    products = A.numerators[:, None, :, None] * B.numerators[None, :, None, :]
    return RationalMatrix(products.reshape(n, n), A.scale * B.scale)


def _eigenvalues(F: RationalMatrix, M: RationalMatrix) -> list[Fraction] | None:
    """Of M^-1 F, descending, as float64 sees them: for reading, and for an order that exact signs then confirm or not."""
    with first_use():
        from scipy.linalg import LinAlgError, eigh

    if not F.shape[0]:
        return []
    (f, f_power), (m, m_power) = F.normalised(), M.normalised()
    try:
        values = eigh(f, m, eigvals_only=True)
    except LinAlgError:
        # a metric that float64 cannot tell from a singular one
        return None
    return [Fraction(float(v)) * power_of_two(f_power - m_power) for v in values[::-1]]


def _distinct(step: RationalMatrix) -> bool:
    """Has a rational matrix as many eigenvalues as rows? The Hankel matrix of its power sums has their number as rank.

    Ranks never grow modulo a prime, so full rank there is a proof and cheap; the integers decide only where it is missed.
    """
    n = step.shape[0]
    residues = _residues(step)
    if residues is not None and _residue_rank(_hankel(residues, _PRIME)) == n:
        return True
    # a scale of the matrix scales all its eigenvalues
    return RationalMatrix(_hankel(step.numerators, 0), Fraction(1)).rank() == n


def _hankel(step: Ints, prime: int) -> Ints:
    """H[i, j] = trace(step^(i+j)), modulo `prime` unless that is 0."""
    n = len(step)
    power, sums = np.eye(n, dtype=int).astype(object), []
    for _ in range(2 * n - 1):
        sums.append(power.trace())
        power = power.dot(step)
        power = power % prime if prime else power
    return np.array([[sums[i + j] for j in range(n)] for i in range(n)], dtype=object)


def _residues(M: RationalMatrix) -> Ints | None:
    """M modulo the prime; None where a denominator is a multiple of it."""
    if not M.scale.denominator % _PRIME:
        return None
    factor = M.scale.numerator * pow(M.scale.denominator, -1, _PRIME)
    residues: Ints = M.numerators * factor % _PRIME
    return residues


def _residue_rank(M: Ints) -> int:
    """Rank modulo the prime."""
    rows, rank = [[int(v) % _PRIME for v in row] for row in M.tolist()], 0
    for column in range(M.shape[1]):
        found = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if found is None:
            continue
        rows[rank], rows[found] = rows[found], rows[rank]
        head, inverse = rows[rank], pow(rows[rank][column], -1, _PRIME)
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] * inverse % _PRIME
            if factor:
                rows[i] = [(a - factor * b) % _PRIME for a, b in zip(rows[i], head, strict=True)]
        rank += 1
    return rank


def _tightened(chain: list[RationalMatrix], G: RationalMatrix, rank: int) -> bool:
    """For all i > j the block between has the rank of the whole, or G does not couple the two outer ones."""
    count = len(chain)
    before = [RationalMatrix.identity(chain[0].shape[1])]
    for W in chain:
        before.append(W @ before[-1])
    # coupling = A_i^T G, A_i the product of the layers above i (counted from 0)
    coupling = G
    for i in range(count - 1, 0, -1):
        between = RationalMatrix.identity(chain[i].shape[1])
        for j in range(i - 1, -1, -1):
            if between.rank() != rank and (coupling @ before[j].T).any():
                return False
            between = between @ chain[j]
        coupling = chain[i].T @ coupling
    return True


def _positions(
    learnt: _Form, missing: _Form, values: tuple[list[Fraction] | None, list[Fraction] | None]
) -> tuple[int, ...] | None:
    """Positions of the learnt among all eigenvalues, where exact signs confirm the order that float64 sees; else None."""
    if values[0] is None or values[1] is None:
        return None
    order = sorted([(v, True) for v in values[0]] + [(v, False) for v in values[1]], reverse=True)
    for k, ((above, kind), (below, other)) in enumerate(pairwise(order), 1):
        if kind == other:
            continue
        # so many of each are larger than a number between the two
        split = (above + below) / 2
        for form, wanted in ((learnt, True), (missing, False)):
            signs = inertia((form[0] - form[1].times(split)).numerators)
            if signs.zero or signs.positive != sum(t == wanted for _, t in order[:k]):
                return None
    return tuple(k for k, (_, kind) in enumerate(order) if kind)


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
    chain = [RationalMatrix.of_floats(W) for W in weights]
    R = reduce(lambda P, W: W @ P, chain)
    S, C = loss.moments.inputs, loss.moments.cross
    on_outputs = R.shape[0] <= R.shape[1]
    inverse = solve(S, C.T)  # S^-1 X^T Y = L^T
    if inverse is None:
        return None
    if on_outputs:
        F, M = C @ inverse, RationalMatrix.identity(R.shape[0])
        bases = _columns(R), _null_columns(R.T)
        step = F
    else:
        F, M = C.T @ C, S
        bases = _columns(R.T), _null_columns(R @ S)
        step = inverse @ C  # S^-1 F
    learnt, missing = ((B.T @ F @ B, B.T @ M @ B) for B in bases)
    signs = inertia((_kronecker(learnt[0], missing[1]) - _kronecker(learnt[1], missing[0])).numerators)
    rank, limit = learnt[0].shape[0], min(min(W.shape) for W in weights)
    rest = inertia(missing[0].numerators).positive
    simple = inertia(F.numerators).positive == F.shape[0] and _distinct(step)
    optimal = not signs.negative and (rank == limit or not rest)
    tight = _tightened(chain, loss.gradient_at(R), rank)
    values = _eigenvalues(*learnt), _eigenvalues(*missing)
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
    known = [v for part in values for v in (part or [])]
    unknown = np.full(F.shape[0] - len(known), np.nan)
    return SquaredFindings(
        critical_value=loss.exact_value(R.rows()),
        rank=rank,
        limit=limit,
        eigenvalues=np.concatenate([[round_fraction(v) for v in sorted(known, reverse=True)], unknown]),
        indices=_positions(learnt, missing, values),
        inversions=signs.negative,
        ties=signs.zero,
        simple=simple,
        optimal=optimal,
        strict=strict,
        tightened=tight,
        reason=reason,
    )
