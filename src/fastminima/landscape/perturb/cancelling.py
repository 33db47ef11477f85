"""Sums over the samples for perturbations whose units move the output by much more than the network moves.

With inputs far from the origin, mu = their mean, unit j moves the output of every sample by about A_j = v'_j (db_j +
dw_j . mu) + dv_j (b_j + w_j . mu), times a slope. Where these cancel between the units, float64 keeps as many digits less
as they are larger than what is left. Here the constant parts are double-double and only what is left is float64:

    D_i = db2 + sum_j s_ij A_j + sum_j s_ij (v'_j dw_j + dv_j w_j) . (x_i - mu)

It is rare (`Direct` says when), and slow: NumPy, some fifty passes over a block for one perturbation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dd import two_product, two_sum

from .base_point import BasePoint
from .stopping import Stop, Stopped

__all__ = ["sums"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_ROWS = 8_192


def _constant_parts(base: BasePoint, dw: F64, db: F64, dv: F64) -> tuple[F64, F64, F64]:
    """Both words of A (d1,), and the biases' changes about the centre (d1,)."""
    B, low = db, np.zeros(len(db))
    for mu, column in zip(base.centre, dw.T, strict=False):
        p, e = two_product(mu, column)
        B, f = two_sum(B, p)
        low = low + (e + f)
    B, low = two_sum(B, low)
    v, v_low = two_sum(base.network.W2, dv)
    p, e = two_product(v, B)
    own, own_low = base.centred_bias
    r, f = two_product(dv, own)
    A, g = two_sum(p, r)
    return A, g + ((e + (v * low + v_low * B)) + (f + dv * own_low)), B


def sums(base: BasePoint, delta: F64, stop: Stop | None = None) -> tuple[F64, F64, I64]:
    """1/2 sum_i w_i (D_i + Delta_i)^2, sum_i w_i e_i Delta_i and the sign changes, for the rows of delta (K, P).

    Raises
    ------
    Stopped
        If `stop` says so between two blocks of samples.
    """
    network, data = base.network, base.data
    d1, dx = network.W1.shape
    s_plus, s_minus = network.slopes
    quadratic, change, changed = np.zeros(len(delta)), np.zeros(len(delta)), np.zeros(len(delta), np.int64)
    with np.errstate(all="ignore"):
        for cut, X, z in base.blocks(_ROWS):
            weight = np.ones(len(X)) if data.sample_weight is None else data.sample_weight[cut]
            centred = base.centred(X)
            slope = np.where(z > 0.0, s_plus, s_minus)
            own = network.W1 @ centred.T
            for k, row in enumerate(delta):
                if stop is not None and stop():
                    raise Stopped
                dw, db = row[: d1 * dx].reshape(d1, dx), row[d1 * dx : d1 * (dx + 1)]
                dv = row[d1 * (dx + 1) : -1]
                A, low, B = _constant_parts(base, dw, db, dv)
                v = network.W2 + dv
                step = dw @ centred.T
                hi, lo = np.full(len(X), row[-1]), np.zeros(len(X))
                for j in range(d1):
                    p, e = two_product(slope[j], np.broadcast_to(A[j], len(X)))
                    hi, f = two_sum(hi, p)
                    lo = lo + (f + (e + slope[j] * low[j]))
                rest = (slope * (v[:, None] * step + dv[:, None] * own)).sum(axis=0)
                moved = z + (B[:, None] + step)
                flips = (moved > 0.0) != (z > 0.0)
                Delta = np.where(flips, (v * (s_plus - s_minus))[:, None] * np.abs(moved), 0.0).sum(axis=0)
                D = hi + (lo + rest) + Delta
                quadratic[k] += 0.5 * np.sum(weight * D * D)
                change[k] += np.sum(weight * base.residual[cut] * Delta)
                changed[k] += np.count_nonzero(flips)
    return quadratic, change, changed
