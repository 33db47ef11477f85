"""The slow, obvious twin of the kernel in `_first_order`: rational numbers, and its bounds as they are derived."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_order_sums"]

F64 = NDArray[np.float64]


def _exact(values: F64) -> NDArray[Any]:
    out = np.empty(values.size, dtype=object)
    out[:] = [Fraction(v) for v in values.ravel().tolist()]
    return out.reshape(values.shape)


def first_order_sums(
    W1: F64,
    b1: F64,
    W2: F64,
    b2: float,
    X: F64,
    y: F64,
    weight: F64,
    s_plus: float,
    s_minus: float,
    factors: F64,
    variant: int,
    workspace: F64,
    sums_out: F64,
    error_out: F64,
    doubt_out: F64,
    unsure_out: NDArray[np.int64],
    nearest_out: F64,
) -> float:
    """The sums without an error, in the first lane; for every side that a rounded z says."""
    z_factor, e_factor, sum_factor, z_tiny, e_tiny = factors.tolist()
    m = len(X)
    w = np.ones(m) if not len(weight) else weight
    inputs = np.hstack([X, np.ones((m, 1))])
    rows = np.hstack([W1, b1[:, None]])
    z = _exact(inputs) @ _exact(rows).T
    slopes = _exact(np.where(z > 0, s_plus, s_minus))
    e = (slopes * z) @ _exact(W2) + Fraction(b2) - _exact(y)
    terms = (_exact(w) * e)[:, None] * _exact(inputs)
    for k, mask in enumerate([np.ones(m, dtype=np.bool_), *(z > 0).T]):
        totals = terms[mask].sum(axis=0) if mask.any() else np.full(inputs.shape[1], Fraction(0))
        high = totals.astype(np.float64)
        sums_out[k, :, 0, 0] += high
        sums_out[k, :, 1, 0] += (totals - _exact(high)).astype(np.float64)
    residual, reach = e.astype(np.float64), np.abs(rows).max(axis=1)
    length, norm = np.abs(inputs).sum(axis=1), np.sqrt((inputs * inputs).sum(axis=1))
    size = max(abs(s_plus), abs(s_minus)) * (np.abs(W2) * reach).sum() * length + abs(b2) + np.abs(y)
    slack = e_factor * size + e_tiny
    error_out += (sum_factor * np.abs(w * residual) + w * slack + 2.0**-1000) @ np.abs(inputs)
    rounded = np.abs(z.astype(np.float64))
    bound = 4.0 * z_factor * reach * length[:, None] + z_tiny
    unsure = rounded <= bound
    unsure_out += unsure.sum(axis=0)
    doubt_out += unsure.T @ ((w * (np.abs(residual) + slack))[:, None] * np.abs(inputs))
    quotient = np.where(unsure, np.inf, (rounded - bound) / norm[:, None])
    for row, mask in enumerate([residual >= -slack, residual <= slack]):
        nearest_out[row] = np.minimum(nearest_out[row], quotient[mask].min(axis=0, initial=np.inf))
    return float(w @ residual**2)
