"""One pass over the data around a base point: the samples near a boundary, and the quadratic form of the rest.

G = sum_i w_i phi_i phi_i' from one Gram matrix M_p of x~ per sign pattern p: block products, their sums in
double-double. It is handed out factored, 1/2 c'Gc = 1/2 ||R c||^2, so that nothing negative can come of it.
With few patterns the factors of the M_p themselves are cheaper and better conditioned: 1/2 sum_p ||R_p
sum_j s_pj c_j||^2. Inputs that lie far from the origin are centred: else 1/2 c'Gc would lose the square of
mean over spread in digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from fastminima.exact.dd import DoubleDoubleSum
from fastminima.exact.roundoff import U
from fastminima.system.memory import require_memory
from fastminima.system.threads import single_threaded_blas

from .base_point import BLOCK_ROWS, BasePoint
from .near_samples import NearSampleCollector, NearSamples, sign_codes

__all__ = ["QuadraticForm", "survey"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


# Entries held for the Gram matrices of patterns; beyond it one big Gram matrix is summed instead.
_PATTERN_ENTRIES = 1 << 22
_BLOCK_ENTRIES = 1 << 22


@dataclass(frozen=True, eq=False, repr=False)
class QuadraticForm:
    """1/2 c'Gc as half a sum of squares.

    Attributes
    ----------
    slopes : (n_patterns, d1)
        Slopes of the units in each sign pattern; no rows where one factor serves all.
    factor : (rows * n,)
        Rows of R, or of R_p one pattern after another, n = q or dx + 1 numbers each, upper trapezoidal.
    row_start : (n_patterns + 1,) or (2,)
        Row numbers where patterns begin; multiples of 4.
    n_patterns : int
        Sign patterns met in the data, 0 where they were too many to keep apart.
    flops : int
        Multiplications for one perturbation.
    """

    slopes: F64
    factor: F64
    row_start: I64
    n_patterns: int
    flops: int


def survey(
    base: BasePoint, listed_up_to: float, quadratic_form: bool = True
) -> tuple[NearSamples, QuadraticForm | None]:
    """One pass over the data: the samples within `listed_up_to` of a boundary, and the quadratic form of all.

    Raises
    ------
    TooLargeError
        If the lists would not fit into memory.
    """
    network = base.network
    d1, n = network.width, network.n_features + 1
    q = d1 * n + 1
    collector = NearSampleCollector(base, listed_up_to)
    grams: dict[int, DoubleDoubleSum] | None = {} if quadratic_form and d1 <= 64 else None
    cap = max(16, min(4096, _PATTERN_ENTRIES // (n * n)))
    with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for cut, X, z in base.blocks():
            margin, norm = base.margins(X, z)
            collector.add(cut, X, z, margin, norm)
            if grams is not None:
                _add_patterns(base, grams, cut, X, z)
                if len(grams) > cap:
                    grams = None
        near = collector.finish()
        if not quadratic_form:
            return near, None
        if grams is None:
            return near, _one_factor(base, _whole_gram(base), 0)
        return near, _pattern_form(base, grams, q)


def _add_patterns(base: BasePoint, grams: dict[int, DoubleDoubleSum], cut: slice, X: F64, z: F64) -> None:
    n = X.shape[1] + 1
    pattern = sign_codes(z > 0.0)
    order = np.argsort(pattern, kind="stable")
    pattern = pattern[order]
    extended = np.empty((len(pattern), n))
    extended[:, :-1] = base.centred(X[order])
    extended[:, -1] = 1.0
    weight = base.data.sample_weight
    weighted = extended if weight is None else extended * weight[cut][order, None]
    bounds = [0, *(np.flatnonzero(pattern[1:] != pattern[:-1]) + 1).tolist(), len(pattern)]
    for start, end in pairwise(bounds):
        term = extended[start:end].T @ weighted[start:end]
        code = int(pattern[start])
        if code not in grams:
            grams[code] = DoubleDoubleSum(np.zeros((n, n)), np.zeros((n, n)))
        grams[code].add(term)


def _whole_gram(base: BasePoint) -> F64:
    """G from blocks of phi."""
    d1, n = base.network.width, base.network.n_features + 1
    q = d1 * n + 1
    require_memory(40 * q * q + 16 * _BLOCK_ENTRIES, f"the quadratic form of {q} effective parameters")
    total = DoubleDoubleSum(np.zeros((q, q)), np.zeros((q, q)))
    s_plus, s_minus = base.network.slopes
    weight = base.data.sample_weight
    for cut, X, z in base.blocks(max(256, min(BLOCK_ROWS, _BLOCK_ENTRIES // q))):
        phi = np.ones((len(X), q))
        extended = phi[:, :-1].reshape(len(X), d1, n)
        extended[:, :, :-1] = base.centred(X)[:, None, :]
        extended *= np.where(z > 0.0, s_plus, s_minus).T[:, :, None]
        total.add(phi.T @ (phi if weight is None else phi * weight[cut, None]))
    return total.total


def _one_factor(base: BasePoint, gram: F64, n_patterns: int) -> QuadraticForm:
    R = _factor(gram)
    return QuadraticForm(
        np.empty((0, base.network.width)), R.ravel(), np.array([0, len(R)]), n_patterns, len(R) * len(gram),
    )  # fmt: skip


def _pattern_form(base: BasePoint, grams: dict[int, DoubleDoubleSum], q: int) -> QuadraticForm:
    d1, n = base.network.width, base.network.n_features + 1
    s_plus, s_minus = base.network.slopes
    patterns = sorted(grams)
    slopes = np.array([[s_plus if code >> j & 1 else s_minus for j in range(d1)] for code in patterns])
    matrices = np.stack([grams[code].total for code in patterns])
    if len(patterns) * n * (d1 + n / 2) > q * q / 2:
        pairs = (slopes[:, :, None] * slopes[:, None, :]).reshape(len(patterns), -1)
        gram = np.empty((q, q))
        square = (pairs.T @ matrices.reshape(len(patterns), -1)).reshape(d1, d1, n, n)
        gram[:-1, :-1] = square.transpose(0, 2, 1, 3).reshape(q - 1, q - 1)
        gram[:-1, -1] = gram[-1, :-1] = (slopes.T @ matrices[:, :, -1]).ravel()
        gram[-1, -1] = matrices[:, -1, -1].sum()
        return _one_factor(base, gram, len(patterns))
    factors = [_factor(matrix) for matrix in matrices]
    start = np.cumsum([0, *map(len, factors)])
    return QuadraticForm(
        slopes, np.concatenate(factors).ravel(), start, len(patterns), len(patterns) * d1 * n + int(start[-1]) * n,
    )  # fmt: skip


def _factor(gram: F64) -> F64:
    """R (rows, n) upper trapezoidal with R'R = gram, rows a multiple of 4; rank-deficient matrices too.

    Scaled to unit diagonal first; pivots below n u are rounding of the Gram matrix itself and are dropped.
    """
    n = len(gram)
    diagonal = np.diagonal(gram)
    if not np.isfinite(gram).all():
        return np.full((4, n), np.nan)
    used = np.flatnonzero(diagonal > 0.0)
    scale = np.sqrt(diagonal[used])
    rows = np.zeros((0, n))
    if used.size:
        scaled = gram[np.ix_(used, used)] / scale / scale[:, None]
        upper, pivots, rank, _ = lapack.dpstrf(scaled, tol=n * U, lower=0)
        natural = np.zeros((rank, n))
        natural[:, used[pivots - 1]] = np.triu(upper)[:rank] * scale[pivots - 1]
        rows = np.triu(np.linalg.qr(natural, mode="r"))
    padded = np.zeros((max(4, -(-len(rows) // 4) * 4), n))
    padded[: len(rows)] = rows
    return padded
