"""Squared loss behind a bottleneck whose rank is used up: what is learnt, in float64, and the rotation that lowers the loss.

With S = X^T X = K K^T the loss is 1/2 |R K - L K|^2 plus a constant, L the least-squares map, so a critical R K is P L K,
P the projection on col R, and P commutes with Sigma = L K (L K)^T. Where rank is left over the vectors of theorem 4 exist;
where none is, the weights are optimal or have learnt a smaller eigenvalue than one they miss. Let u be learnt with
eigenvalue lambda_u, v missing with lambda_v > lambda_u, Rot the rotation by t in their plane, A = W_{H+1:2} and A+ its
pseudoinverse. Then

    W_{H+1} -> Rot W_{H+1},   W_1 -> W_1 + A+ (Rot^T - 1) L      make      R -> Rot P Rot^T L,

which lowers ell by 1/2 sin(t)^2 (lambda_v - lambda_u). W_{H+1} -> (1 + t) W_{H+1} raises it by 1/2 t^2 |R K|^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from fastminima.losses.squared import SquaredLoss

from .decision import Decision

__all__ = ["Spectrum", "decide_at_full_rank", "decide_narrow", "learnt_spectrum"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Learnt and missing eigenvalues of Sigma at a critical point, in float64.

    Attributes
    ----------
    learnt, missing : float64 arrays, descending
    largest : float
        Of all.
    u, v : (dy,) arrays
        Eigenvectors of the smallest learnt and of the largest missing one; empty where there is none.
    fit : (dy, dx), L
    """

    learnt: Floats
    missing: Floats
    largest: float
    u: Floats
    v: Floats
    fit: Floats


def learnt_spectrum(R: Floats, loss: SquaredLoss, rank: int) -> Spectrum | None:
    """What a product of this rank has learnt; None where X^T X is singular in float64.

    Parameters
    ----------
    R : (dy, dx)
    loss : SquaredLoss
    rank : int
    """
    S, C = loss.X.T @ loss.X, loss.Y.T @ loss.X
    try:
        K = np.linalg.cholesky(S)
    except np.linalg.LinAlgError:
        return None
    scaled = np.linalg.solve(K, C.T).T  # L K
    fit = np.linalg.solve(K.T, scaled.T).T
    U = np.linalg.svd(R @ K)[0]
    (learnt, u), (missing, v) = (_eigen(B.T @ scaled, B) for B in (U[:, :rank], U[:, rank:]))
    largest = float(np.linalg.norm(scaled, 2)) ** 2
    return Spectrum(learnt, missing, largest, u[:, -1:].ravel(), v[:, :1].ravel(), fit)


def _eigen(half: Floats, basis: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues of half half^T, descending, and their vectors in the coordinates of the outputs."""
    values, vectors = np.linalg.eigh(half @ half.T)
    return values[::-1], basis @ vectors[:, ::-1]


def decide_at_full_rank(weights: Sequence[Floats], loss: SquaredLoss, tol: float) -> tuple[str, str] | None:
    """(verdict, reason) at a critical point whose narrowest layer is full; None where X^T X is singular in float64.

    Eigenvalues closer than tol times the largest are not told apart.
    """
    R = reduce(lambda P, W: W @ P, weights)
    width = min(min(W.shape) for W in weights)
    found = learnt_spectrum(R, loss, width)
    if found is None:
        return None
    least, most = float(found.learnt[-1]), float(found.missing[0])
    seen = f"the smallest learnt eigenvalue is {least:.6g}, the largest missing one {most:.6g}"
    if abs(most - least) <= tol * found.largest:
        return "undetermined", f"{seen}: closer than tol times the largest"
    if most > least:
        return "saddle", seen
    return "global_minimum", f"{seen}, and the rank is all that the width {width} allows (Eckart and Young)"


def decide_narrow(narrow: str, at_full_rank: tuple[str, str] | None) -> Decision:
    """A hidden layer narrower than both ends, and full: theorem 4 is silent, squared loss may not be.

    Parameters
    ----------
    narrow : str
        Which layer, in words.
    at_full_rank : (verdict, reason) or None
        What the eigenvalues of squared loss say, exactly or as `decide_at_full_rank` does.
    """
    if at_full_rank is not None:
        verdict, reason = at_full_rank
        return Decision(verdict, "squared loss, matrices of bounded rank", f"{narrow}; {reason}")
    return Decision(
        "width_condition_fails",
        "theorem 4",
        f"{narrow}: theorem 4 says nothing about a critical point with G != 0 there",
        certified=False,
    )
