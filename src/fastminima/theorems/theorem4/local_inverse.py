"""Lemma A.6: where the product of a chain can be inverted locally by moving one factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import NetworkError
from fastminima.networks.linear_layers import as_chain
from fastminima.system.options import as_count
from fastminima.system.results import Result

__all__ = ["LocalInverse", "local_inverse"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class LocalInverse(Result):
    """Solves P_{H+1} ... P_1 = R' near R = W_{H+1} ... W_1 by moving factor j* alone.

    Attributes
    ----------
    weights : list of arrays, [W_1, ..., W_{H+1}]
    j_star : int
        Counting from 1.
    product : array, (dy, dx), R
    norm_bound : float
        1 / (smallest singular value of W_{H+1:j*+1} times that of W_{j*-1:1}): no solution this returns has
        |P_{j*} - W_{j*}|_F above norm_bound * |R' - R|_F.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> inverse = fm.local_inverse([np.eye(2), 2.0 * np.eye(2)])
    >>> inverse.j_star, inverse.product.tolist()
    (1, [[2.0, 0.0], [0.0, 2.0]])
    """

    weights: list[Floats]
    j_star: int
    product: Floats
    norm_bound: float
    _right: Floats
    _left: Floats

    def __call__(self, target: NDArray[np.float64]) -> list[Floats]:
        """Factors whose product is `target`, (dy, dx); all but factor j* are the given ones.

        Raises
        ------
        NetworkError
            If the shape of `target` is not the product's.
        """
        goal = np.asarray(target, dtype=np.float64)
        if goal.shape != self.product.shape:
            raise NetworkError(f"target must have the product's shape {self.product.shape}, got {goal.shape}")
        moved = list(self.weights)
        moved[self.j_star - 1] = moved[self.j_star - 1] + self.step(goal - self.product)
        return moved

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.product.shape))
        which = f"factor {self.j_star} of {len(self.weights)}"
        return f"LocalInverse({which}, product {shape}, norm bound {self.norm_bound:.6g})"

    def step(self, change: Floats) -> Floats:
        """What factor j* moves by for the product to change by `change`."""
        return np.asarray(self._right @ change @ self._left)


def local_inverse(weights: Sequence[NDArray[np.float64]], j_star: int | None = None) -> LocalInverse:
    """The local inverse of the product map.

    Parameters
    ----------
    weights : sequence of arrays (d_j, d_{j-1})
    j_star : int, optional
        Counting from 1. W_{H+1:j*+1} must have full row rank and W_{j*-1:1} full column rank. Default: the factor with
        the smallest norm bound.

    Returns
    -------
    LocalInverse

    Raises
    ------
    NetworkError
        Layers that do not chain (the pair is named), NaN or inf; j_star out of range; ranks that are not full (for any j*,
        when none is given).

    Notes
    -----
    Appendix A7, lemma A.6, on which part 3 of theorem 4 rests. With A = W_{H+1:j*+1}, B = W_{j*-1:1} and pseudoinverses
    A A+ = I, B+ B = I, the tuple with W_{j*} + A+ (R' - R) B+ in place of W_{j*} has the product R' exactly, and
    |A+ (R' - R) B+|_F <= |A+| |B+| |R' - R|_F. The float64 result misses R' by rounding.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> rng = np.random.default_rng(0)
    >>> weights = [rng.standard_normal((3, 2)), rng.standard_normal((2, 3))]
    >>> inverse = fm.local_inverse(weights)
    >>> moved = inverse(inverse.product + 1e-3)
    >>> bool(np.allclose(moved[1] @ moved[0], inverse.product + 1e-3))
    True
    """
    given = as_chain(weights)
    count = len(given)
    if j_star is not None:
        j_star = as_count(j_star, "j_star", 1, count, wanted=f"between 1 and {count}", error=NetworkError)
    before = [np.eye(given[0].shape[1])]
    for W in given:
        before.append(W @ before[-1])
    after = [np.eye(given[-1].shape[0])]
    for W in reversed(given):
        after.append(after[-1] @ W)
    after.reverse()  # after[j] = W_{H+1:j+1}
    best: LocalInverse | None = None
    for j in range(1, count + 1) if j_star is None else (j_star,):
        A, B = after[j], before[j - 1]
        if A.shape[1] < A.shape[0] or B.shape[0] < B.shape[1]:
            continue
        a, b = np.linalg.svd(A, compute_uv=False), np.linalg.svd(B, compute_uv=False)
        # below this a singular value is rounding: the chain's own, at most the sum of its widths per product
        floor = sum(W.shape[1] for W in given) * 2.0**-52
        low, other = a[-1] - floor * a[0], b[-1] - floor * b[0]
        if low <= 0.0 or other <= 0.0:
            continue
        bound = float(1.0 / low / other)
        if best is None or bound < best.norm_bound:
            right = np.asarray(np.linalg.pinv(A, rcond=0.0), np.float64)
            left = np.asarray(np.linalg.pinv(B, rcond=0.0), np.float64)
            best = LocalInverse(given, j, before[-1], bound, right, left)
    if best is None:
        which = "no factor j* has" if j_star is None else f"factor {j_star} does not have"
        raise NetworkError(
            f"{which} W_(H+1:j*+1) of full row rank and W_(j*-1:1) of full column rank, so the product map has no local "
            "inverse of this form there"
        )
    return best
