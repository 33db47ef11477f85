"""How many directions of negative curvature a deep linear network's squared loss has, counted exactly.

With A_i = W_{H+1:i+1}, B_i = W_{i-1:1}, M = W_{i-1:j+1}, S = X^T X and G the gradient of ell0, the second derivative by
entry (a, b) of W_i and entry (c, d) of W_j, i >= j, is

    (A_i^T A_j)[a, c] (B_i S B_j^T)[b, d]  +  (A_i^T G B_j^T)[a, d] M[b, c]  (the last term for i > j only).

All of it is rational; the signs of its pivots under symmetric elimination are those of its eigenvalues (Sylvester).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import TooLargeError
from fastminima.exact.inertia import Inertia, inertia
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.losses.base import ProductLoss
from fastminima.losses.squared import SquaredLoss

__all__ = ["curvature_signs", "hessian_inertia", "squared_hessian"]

# elimination in rationals takes about a minute from here on
_MAX_PARAMETERS = 200
# and about a second up to here, which a verdict may cost without being asked for
_BRIEF_PARAMETERS = 48


def squared_hessian(weights: Sequence[Rationals], loss: SquaredLoss) -> NDArray[Any]:
    """The Hessian of ell(W) = ell0(W_{H+1} ... W_1) for squared loss, exactly.

    Parameters
    ----------
    weights : sequence of rational matrices (lists of rows of Fractions), [W_1, ..., W_{H+1}]
    loss : SquaredLoss

    Returns
    -------
    object array of Fractions, (n, n)
        Parameters in the order of W_1, ..., W_{H+1}, each row by row.

    Raises
    ------
    TooLargeError
        With more than 200 parameters.
    """
    W = [np.array(rows, dtype=object) for rows in weights]
    sizes = [M.size for M in W]
    n = sum(sizes)
    if n > _MAX_PARAMETERS:
        raise TooLargeError(f"the exact Hessian stops at {_MAX_PARAMETERS} parameters; this network has {n}")
    count = len(W)
    S = np.array(loss.moments.sxx, dtype=object)
    before = [_identity(W[0].shape[1])]
    for M in W:
        before.append(M.dot(before[-1]))
    after = [_identity(len(W[-1]))]
    for M in reversed(W):
        after.append(after[-1].dot(M))
    after = after[::-1][1:]  # after[i] = W_{H+1:i+1}, layers counted from 0
    G = np.array(loss.exact_gradient(before[-1].tolist()), dtype=object)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    H = np.empty((n, n), dtype=object)
    for i in range(count):
        between = _identity(W[i].shape[1])
        for j in range(i, -1, -1):
            # axes (a, b, c, d): entry (a, b) of W_i, entry (c, d) of W_j
            left = after[i].T.dot(after[j])
            right = before[i].dot(S).dot(before[j].T)
            block = left[:, None, :, None] * right[None, :, None, :]
            if j < i:
                cross = after[i].T.dot(G).dot(before[j].T)
                block = block + cross[:, None, None, :] * between[None, :, :, None]
                between = between.dot(W[j])
            flat = block.reshape(sizes[i], sizes[j])
            H[starts[i] : starts[i + 1], starts[j] : starts[j + 1]] = flat
            H[starts[j] : starts[j + 1], starts[i] : starts[i + 1]] = flat.T
    return H


def _identity(n: int) -> NDArray[Any]:
    eye = np.zeros((n, n), dtype=object)
    eye[:] = Fraction(0)
    eye[np.arange(n), np.arange(n)] = Fraction(1)
    return eye


def hessian_inertia(weights: Sequence[Rationals], loss: SquaredLoss) -> Inertia:
    """Numbers of negative, zero and positive eigenvalues of the Hessian; parameters and errors of `squared_hessian`."""
    return inertia(RationalMatrix.of(squared_hessian(weights, loss).tolist()).numerators)


def curvature_signs(
    weights: Sequence[NDArray[np.float64]], loss: ProductLoss, tol: float | None = None
) -> Inertia | None:
    """Signs of the Hessian's eigenvalues where they are to be had in about a second, else None.

    Parameters
    ----------
    weights : sequence of float64 arrays, [W_1, ..., W_{H+1}]
    loss : ProductLoss
        The answer is None for any but squared loss, and for more than 48 parameters.
    tol : float, optional
        Count as 0 what is at most tol times the largest eigenvalue in size, in float64: rounded weights turn eigenvalues
        that would be 0 into 1e-17 of either sign, which says nothing. Default: exactly.
    """
    if not isinstance(loss, SquaredLoss) or sum(W.size for W in weights) > _BRIEF_PARAMETERS:
        return None
    exact = [[[Fraction(v) for v in row] for row in W.tolist()] for W in weights]
    if tol is None:
        return hessian_inertia(exact, loss)
    try:
        eigenvalues = np.linalg.eigvalsh(squared_hessian(exact, loss).astype(np.float64))
    except (OverflowError, np.linalg.LinAlgError):
        return None
    limit = tol * float(np.abs(eigenvalues).max())
    negative, positive = int((eigenvalues < -limit).sum()), int((eigenvalues > limit).sum())
    return Inertia(negative, len(eigenvalues) - negative - positive, positive)
