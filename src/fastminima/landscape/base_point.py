"""What a probe needs to know about its base point, summed once.

(a) Residuals e_i = f(x_i) - y_i and the sums g = sum_i w_i e_i phi_i in double-double, phi_i = (s_i1 x~_i, ...,
    1) with x~ = (x, 1) and s_ij the slope of unit j on sample i. At a minimum g is a sum of large terms that
    cancel to nothing: from plain sums an excess risk has no correct digit at radius 1e-8.
(b) Margins. Unit j keeps its sign on sample i while the norm of its own change stays below |z_ij|/||x~_i||. The
    z at hand come from double-double, rounded once: with u = 2^-53 and n = dx + 1 they are wrong by at most u
    |z| + C ||x~_i||, C = (n^2 + 8 n + 8) u^2 ||w~_j|| (the bound of `fastminima.exact.dd`), and ||x~_i|| is
    computed to (n + 3) u. Hence the lower bound |z|/||x~|| (1 - (n + 16) u) - C, or 0 where that is negative.
    Norms of changes are rounded up likewise by the kernel, so a sample left out keeps its sign in exact
    arithmetic.
(c) G = sum_i w_i phi_i phi_i' from one Gram matrix M_p of x~ per sign pattern p: block products, their sums in
    double-double. It is handed out factored, 1/2 c'Gc = 1/2 ||R c||^2, so that nothing negative can come of it.
    With few patterns the factors of the M_p themselves are cheaper and better conditioned: 1/2 sum_p ||R_p
    sum_j s_pj c_j||^2. Inputs that lie far from the origin are centred: else 1/2 c'Gc would lose the square of
    mean over spread in digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from .._memory import require
from .._threads import single_threaded_blas
from ..dataset import Dataset
from ..errors import DataError
from ..exact.dd import two_product, two_sum
from ..kernels import _screen
from ..network import OneHiddenLayer
from .near import Gather, Near, codes

__all__ = ["BasePoint", "Near", "QuadraticForm"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_ROWS = 16_384
# Entries held for the Gram matrices of patterns; beyond it one big Gram matrix is summed instead.
_PATTERN_ENTRIES = 1 << 22
_BLOCK_ENTRIES = 1 << 22
_U = 2.0**-53


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


@dataclass
class _Sum:
    """A running sum of matrices in double-double."""

    hi: F64
    lo: F64

    def add(self, term: F64) -> None:
        self.hi, error = two_sum(self.hi, term)
        self.lo += error

    @property
    def total(self) -> F64:
        return self.hi + self.lo


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
        upper, pivots, rank, _ = lapack.dpstrf(scaled, tol=n * _U, lower=0)
        natural = np.zeros((rank, n))
        natural[:, used[pivots - 1]] = np.triu(upper)[:rank] * scale[pivots - 1]
        rows = np.triu(np.linalg.qr(natural, mode="r"))
    padded = np.zeros((max(4, -(-len(rows) // 4) * 4), n))
    padded[: len(rows)] = rows
    return padded


@dataclass(frozen=True, eq=False, repr=False)
class BasePoint:
    """Base point of a probe: a network, data, and the sums that every perturbation shares.

    Parameters
    ----------
    network : OneHiddenLayer
        With a `PiecewiseLinear` activation.
    data : Dataset
        Its float64 values are the data, also where `data.exact` has more digits.

    Attributes
    ----------
    residual : (n_samples,) float64
        f(x_i) - y_i, from double-double.
    gradient : (2, q) float64
        High and low words of g = sum_i w_i e_i phi_i, q = d1 (dx + 1) + 1, in the order of units, each with its
        bias last, then the output bias. NaN where it overflows.
    own : (2, d1) float64
        High and low words of g_j . (w_j, b_j), the part of unit j in g.
    centre : (dx,) float64
        Point about which changes are evaluated: about the mean of the inputs, or no entries where that is not far
        from the origin.
    centred_bias : (2, d1) float64
        High and low words of b1 + W1 centre.
    steep : (d1,) float64
        Largest slope of each unit on about 4,096 samples at even steps: what chooses between two ways may trust it.
    n_parameters : int
        P = d1 (dx + 2) + 1.

    Raises
    ------
    NetworkError
        If the activation is not piecewise linear.
    DataError
        If network and data differ in dx.

    Notes
    -----
    O(n_samples) memory for `residual`, O(block) beside it. All numbers are the same for every instruction set.
    """

    network: OneHiddenLayer
    data: Dataset
    residual: F64 = field(init=False)
    gradient: F64 = field(init=False)
    own: F64 = field(init=False)
    centre: F64 = field(init=False)
    centred_bias: F64 = field(init=False)
    steep: F64 = field(init=False)

    def __post_init__(self) -> None:
        network, data = self.network, self.data
        s_plus, s_minus = network.slopes
        if data.n_features != network.n_features:
            raise DataError(f"X has {data.n_features} columns; the network takes {network.n_features} inputs")
        d1, n = network.width, network.n_features + 1
        residual = np.empty(data.n_samples)
        sums = np.zeros((d1 + 1, n, 2, _screen.PANEL))
        weight = np.empty(0) if data.sample_weight is None else data.sample_weight
        _screen.base_sums(
            *network.parameters(), data.X, data.y, weight, s_plus, s_minus, _screen.BEST_VARIANT,
            np.empty(_screen.workspace_items(d1, n - 1)), sums, residual,
        )  # fmt: skip
        gradient, own = np.full((2, d1 * n + 1), np.nan), np.full((2, d1), np.nan)
        if np.isfinite(sums).all():
            with np.errstate(over="ignore", invalid="ignore"):
                total = _Sum(sums[..., 0, 0], sums[..., 1, :].sum(axis=-1))
                for part in range(1, _screen.PANEL):
                    total.add(sums[..., 0, part])
                hi, lo = two_sum(total.hi, total.lo)
                # sum over z > 0 at s_plus and the others at s_minus
                down_hi, down_lo = two_sum(hi[0], -hi[1:])
                down_lo = down_lo + (lo[0] - lo[1:])
                p, e = two_product(s_plus, hi[1:])
                r, f = two_product(s_minus, down_hi)
                top, error = two_sum(p, r)
                error += (e + s_plus * lo[1:]) + (f + s_minus * down_lo)
                top, low = two_sum(top, error)
            gradient[0, :-1], gradient[1, :-1] = top.ravel(), low.ravel()
            gradient[:, -1] = hi[0, -1], lo[0, -1]
            own = _own(network, top, low)
        centre = _centre(data.X)
        fields = {
            "residual": residual, "gradient": gradient, "own": own, "centre": centre,
            "centred_bias": _centred_bias(network, centre), "steep": _steepest(network, data.X),
        }  # fmt: skip
        for name, value in fields.items():
            value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def n_parameters(self) -> int:
        """P = d1 (dx + 2) + 1, the length of a perturbation."""
        return self.network.width * (self.network.n_features + 2) + 1

    def blocks(self, rows: int = _ROWS) -> Iterator[tuple[slice, F64, F64]]:
        """Yield (rows, X, z (d1, rows)); z is overwritten by the next block."""
        network, X, y = self.network, self.data.X, self.data.y
        workspace = np.empty(_screen.workspace_items(network.width, network.n_features))
        for start in range(0, len(y), rows):
            cut = slice(start, min(start + rows, len(y)))
            z = np.empty((network.width, cut.stop - start))
            _screen.preactivations(
                *network.parameters(), X[cut], y[cut], *network.slopes, _screen.BEST_VARIANT, workspace, z
            )
            yield cut, X[cut], z

    def centred(self, X: F64) -> F64:
        """Inputs about the centre, each difference rounded once."""
        return X - self.centre if len(self.centre) else X

    def margins(self, X: F64, z: F64) -> tuple[F64, F64]:
        """Lower bounds (d1, rows) of |z|/||x~|| for inputs X and their z (d1, rows), and ||x~||."""
        network = self.network
        n = network.n_features + 1
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            norm = np.sqrt(np.einsum("ij,ij->i", X, X) + 1.0)
            rows = np.sqrt(np.einsum("ij,ij->i", network.W1, network.W1) + network.b1**2)
            floor = (n * n + 8 * n + 8) * _U * _U * 1.01 * rows + n * 2.0**-1060
            margin = np.abs(z)
            margin *= (1.0 - (n + 16) * _U) / norm
            margin -= floor[:, None]
        np.maximum(margin, 0.0, out=margin)
        return margin, norm

    def survey(self, reach: float, form: bool = True) -> tuple[Near, QuadraticForm | None]:
        """One pass over the data: the samples within `reach` of a boundary, and the quadratic form.

        Raises
        ------
        TooLargeError
            If the lists would not fit into memory.
        """
        network = self.network
        d1, n = network.width, network.n_features + 1
        q = d1 * n + 1
        gather = Gather(self, reach)
        grams: dict[int, _Sum] | None = {} if form and d1 <= 64 else None
        cap = max(16, min(4096, _PATTERN_ENTRIES // (n * n)))
        with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for cut, X, z in self.blocks():
                margin, norm = self.margins(X, z)
                gather.add(cut, X, z, margin, norm)
                if grams is not None:
                    self._add_patterns(grams, cut, X, z)
                    if len(grams) > cap:
                        grams = None
            near = gather.finish()
            if not form:
                return near, None
            if grams is None:
                return near, self._one_factor(self._whole_gram(), 0)
            return near, self._pattern_form(grams, q)

    def _add_patterns(self, grams: dict[int, _Sum], cut: slice, X: F64, z: F64) -> None:
        n = X.shape[1] + 1
        pattern = codes(z > 0.0)
        order = np.argsort(pattern, kind="stable")
        pattern = pattern[order]
        extended = np.empty((len(pattern), n))
        extended[:, :-1] = self.centred(X[order])
        extended[:, -1] = 1.0
        weight = self.data.sample_weight
        weighted = extended if weight is None else extended * weight[cut][order, None]
        bounds = [0, *(np.flatnonzero(pattern[1:] != pattern[:-1]) + 1).tolist(), len(pattern)]
        for start, end in pairwise(bounds):
            term = extended[start:end].T @ weighted[start:end]
            code = int(pattern[start])
            if code not in grams:
                grams[code] = _Sum(np.zeros((n, n)), np.zeros((n, n)))
            grams[code].add(term)

    def _whole_gram(self) -> F64:
        """G from blocks of phi."""
        d1, n = self.network.width, self.network.n_features + 1
        q = d1 * n + 1
        require(40 * q * q + 16 * _BLOCK_ENTRIES, f"the quadratic form of {q} effective parameters")
        total = _Sum(np.zeros((q, q)), np.zeros((q, q)))
        s_plus, s_minus = self.network.slopes
        weight = self.data.sample_weight
        for cut, X, z in self.blocks(max(256, min(_ROWS, _BLOCK_ENTRIES // q))):
            phi = np.ones((len(X), q))
            extended = phi[:, :-1].reshape(len(X), d1, n)
            extended[:, :, :-1] = self.centred(X)[:, None, :]
            extended *= np.where(z > 0.0, s_plus, s_minus).T[:, :, None]
            total.add(phi.T @ (phi if weight is None else phi * weight[cut, None]))
        return total.total

    def _one_factor(self, gram: F64, n_patterns: int) -> QuadraticForm:
        R = _factor(gram)
        return QuadraticForm(
            np.empty((0, self.network.width)), R.ravel(), np.array([0, len(R)]), n_patterns, len(R) * len(gram),
        )  # fmt: skip

    def _pattern_form(self, grams: dict[int, _Sum], q: int) -> QuadraticForm:
        d1, n = self.network.width, self.network.n_features + 1
        s_plus, s_minus = self.network.slopes
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
            return self._one_factor(gram, len(patterns))
        factors = [_factor(matrix) for matrix in matrices]
        start = np.cumsum([0, *map(len, factors)])
        return QuadraticForm(
            slopes, np.concatenate(factors).ravel(), start, len(patterns), len(patterns) * d1 * n + int(start[-1]) * n,
        )  # fmt: skip


def _own(network: OneHiddenLayer, hi: F64, lo: F64) -> F64:
    """g_j . (w_j, b_j) in double-double; NaN where it overflows."""
    base = np.column_stack([network.W1, network.b1])
    own = np.full((2, len(base)), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        p, e = two_product(base, hi)
        terms = np.concatenate([p, e + base * lo], axis=1)
    if np.isfinite(terms).all():
        for j, row in enumerate(terms.tolist()):
            own[0, j] = math.fsum(row)
            own[1, j] = math.fsum([*row, -own[0, j]])
    return own


def _centre(X: F64) -> F64:
    """Column means of every step-th sample; none where no column lies farther out than it spreads."""
    head = X[:: -(-len(X) // 4096)]
    with np.errstate(over="ignore", invalid="ignore"):
        mean, spread = head.mean(axis=0), head.std(axis=0)
    if not np.isfinite(mean).all() or not (np.abs(mean) > spread).any():
        return np.empty(0)
    return np.asarray(mean)


def _steepest(network: OneHiddenLayer, X: F64) -> F64:
    with np.errstate(over="ignore", invalid="ignore"):
        active = network.preactivations(X[:: -(-len(X) // 4096)]) > 0.0
    s_plus, s_minus = network.slopes
    up, down = active.any(axis=0), ~active.all(axis=0)
    return np.maximum(np.where(up, s_plus, 0.0), np.where(down, s_minus, 0.0))


def _centred_bias(network: OneHiddenLayer, centre: F64) -> F64:
    """High and low words of b1 + W1 centre; NaN where it overflows."""
    words = np.zeros((2, network.width))
    words[0] = network.b1
    if len(centre):
        with np.errstate(over="ignore", invalid="ignore"):
            p, e = two_product(network.W1, centre)
        words[:] = np.nan
        terms = np.column_stack([network.b1, p, e])
        if np.isfinite(terms).all():
            for j, row in enumerate(terms.tolist()):
                words[0, j] = math.fsum(row)
                words[1, j] = math.fsum([*row, -words[0, j]])
    return words
