"""Can an affine map tell classes apart, so that no cross entropy is reached? Linear programming chooses, rationals decide.

A direction f along which the loss never rises has f_j(x_i) = max f for all classes j with a target t_ij > 0, whose margins
over the other classes are >= 0. The loss is not reached if and only if some such f has a margin > 0. With the sum of
margins, capped at 1 each, as large as can be, all margins that are > 0 in any such direction are; the others are 0 in all of
them. In rationals f is moved to where those are exactly 0, and the rest is checked. The infimum is that of the problem
without the classes that f leaves behind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from fastminima.exact.matrix import RationalMatrix, solve

from .dual_point import Bools, CrossEntropy

__all__ = ["Separation", "separation"]

Floats = NDArray[np.float64]
_DEPENDENT = 1e-9


@dataclass(frozen=True, eq=False)
class Separation:
    """A direction of the columns of a problem.

    Attributes
    ----------
    forms : RationalMatrix, (K, d)
        f of each class; the last one is 0.
    left : (m, K) bool
        Classes whose margin is 0: what remains to choose from.
    """

    forms: RationalMatrix
    left: Bools

    @property
    def strict(self) -> bool:
        """Is one class left to each sample? Then the infimum of the loss is 0."""
        return bool((self.left.sum(axis=1) == 1).all())


def separation(problem: CrossEntropy) -> Separation | None:
    """A verified direction along which the loss falls for ever; None where none was found or verified."""
    support = np.asarray(problem.targets.numerators > 0, dtype=bool)
    reference = support.argmax(axis=1)
    samples, classes = np.nonzero(~_with(support, reference))
    if not len(samples):
        return None
    tied = support[samples, classes]
    found = _program(problem, samples, classes, reference, tied)
    if found is None:
        return None
    eta, slack = found
    apart = np.zeros(len(samples), dtype=bool)
    apart[~tied] = slack > 0.5
    if not apart.any():
        return None
    K = support.shape[1]
    with np.errstate(all="ignore"):
        floats = np.column_stack([problem.C @ eta, np.zeros(len(problem.C))]).T
    if not np.isfinite(floats).all():
        return None
    forms = RationalMatrix.of_floats(np.ascontiguousarray(floats))
    zero = ~apart
    rows = (samples[zero], classes[zero], reference[samples[zero]])
    moved = _projected(problem, forms, rows, K)
    if moved is None:
        return None
    values = (problem.table @ moved.T).numerators
    margins = values[np.arange(len(values)), reference][:, None] - values
    fine = all(v > 0 for v in margins[samples[apart], classes[apart]]) and not margins[rows[0], rows[1]].any()
    left = _with(support, reference)
    left[rows[0], rows[1]] = True
    return Separation(moved, left) if fine else None


def _with(support: Bools, reference: NDArray[np.intp]) -> Bools:
    result = np.zeros(support.shape, dtype=bool)
    result[np.arange(len(support)), reference] = True
    return result


def _program(
    problem: CrossEntropy,
    samples: NDArray[np.intp],
    classes: NDArray[np.intp],
    reference: NDArray[np.intp],
    tied: Bools,
) -> tuple[Floats, Floats] | None:
    """(eta, capped margins of pairs that are not tied)."""
    K, r = problem.targets.shape[1] - 1, problem.B.shape[1]
    margins = np.zeros((len(samples), K + 1, r))
    rows = np.arange(len(samples))
    margins[rows, reference[samples]] += problem.B[samples]
    margins[rows, classes] -= problem.B[samples]
    flat = margins[:, :K].reshape(len(samples), -1)
    free = int((~tied).sum())
    if not free:
        return None
    upper = scipy.sparse.hstack(
        [scipy.sparse.csr_array(-flat[~tied]), scipy.sparse.eye_array(free)], format="csr"
    )
    equal = scipy.sparse.hstack(
        [scipy.sparse.csr_array(flat[tied]), scipy.sparse.csr_array((int(tied.sum()), free))]
    )
    answer = scipy.optimize.linprog(
        np.concatenate([np.zeros(K * r), -np.ones(free)]),
        A_ub=upper,
        b_ub=np.zeros(free),
        A_eq=equal if tied.any() else None,
        b_eq=np.zeros(int(tied.sum())) if tied.any() else None,
        bounds=[(None, None)] * (K * r) + [(0.0, 1.0)] * free,
        method="highs",
    )
    if answer.x is None or not np.isfinite(answer.x).all():
        return None
    return answer.x[: K * r].reshape(K, r).T, answer.x[K * r :]


def _projected(
    problem: CrossEntropy,
    forms: RationalMatrix,
    rows: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]],
    K: int,
) -> RationalMatrix | None:
    """The direction moved to where these margins vanish, in rationals."""
    samples, classes, reference = rows
    if not len(samples):
        return forms
    d = forms.shape[1]
    scale = np.abs(problem.table.rounded()).max(axis=0, initial=0.0)
    scale = np.ldexp(1.0, np.frexp(np.where(scale > 0.0, scale, 1.0))[1])
    table = problem.table @ RationalMatrix.of_floats(np.diag(1.0 / scale))
    normals = np.zeros((len(samples), K, d), dtype=object)
    lines = np.arange(len(samples))
    normals[lines, reference] += table.numerators[samples]
    normals[lines, classes] -= table.numerators[samples]
    flat = RationalMatrix(normals[:, : K - 1].reshape(len(samples), -1), table.scale)
    chosen = _independent(flat.rounded())
    V = RationalMatrix(flat.numerators[chosen], flat.scale)
    # in columns of size 1 the way is orthogonal to the face
    w = RationalMatrix(forms.numerators[: K - 1], forms.scale) @ RationalMatrix.of_floats(np.diag(scale))
    w = RationalMatrix(w.numerators.reshape(-1, 1), w.scale)
    mu = solve(V @ V.T, V @ w)
    if mu is None:
        return None
    moved = w - V.T @ mu
    moved = RationalMatrix(moved.numerators.reshape(K - 1, d), moved.scale) @ RationalMatrix.of_floats(
        np.diag(1.0 / scale)
    )
    zeros = np.zeros((1, d), dtype=int).astype(object)
    return RationalMatrix(np.vstack([moved.numerators, zeros]), moved.scale)


def _independent(rows: Floats) -> NDArray[np.intp]:
    R, order = scipy.linalg.qr(rows.T, mode="r", pivoting=True)
    diagonal = np.abs(np.diag(R))
    return np.asarray(order[: int((diagonal > _DEPENDENT * diagonal.max(initial=0.0)).sum())], dtype=np.intp)
