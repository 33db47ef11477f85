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
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import DataError
from fastminima.exact.dd import DoubleDoubleSum, two_product, two_sum
from fastminima.exact.roundoff import U
from fastminima.kernels import _screen
from fastminima.networks.one_hidden_layer import OneHiddenLayer

__all__ = ["BLOCK_ROWS", "BasePoint"]

F64 = NDArray[np.float64]

# samples of a block in a pass over the data
BLOCK_ROWS = 16_384


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
        Largest slope of each unit on about 4,096 samples at even steps. An estimate: good enough to choose a method, never
        part of a proof.
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
                total = DoubleDoubleSum(sums[..., 0, 0], sums[..., 1, :].sum(axis=-1))
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

    def blocks(self, rows: int = BLOCK_ROWS) -> Iterator[tuple[slice, F64, F64]]:
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
            floor = (n * n + 8 * n + 8) * U * U * 1.01 * rows + n * 2.0**-1060
            margin = np.abs(z)
            margin *= (1.0 - (n + 16) * U) / norm
            margin -= floor[:, None]
        np.maximum(margin, 0.0, out=margin)
        return margin, norm


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
