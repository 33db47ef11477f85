"""The slow, obvious twin of the kernel in `_kinks`: NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["scan_knots"]

F64 = NDArray[np.float64]
_NEGLIGIBLE = 1e-11


def scan_knots(
    projections: F64,
    flat: F64,
    rows: F64,
    wr: F64,
    w: F64,
    stride: int,
    variant: int,
    work: F64,
    orders: NDArray[np.uint64],
    counts: NDArray[np.uint32],
    found_out: F64,
) -> None:
    """The best of all knots, every gap tried: `stride`, `variant` and the scratch arrays are not used."""
    found_out[:] = 0.0
    for d, t in enumerate(projections):
        if len(t) > 1 and np.isfinite(t).all() and flat[d] < np.ptp(t) < np.inf:
            found_out[d] = _best(t, rows, wr, w)


def _best(t: F64, rows: F64, wr: F64, w: F64) -> tuple[float, float]:
    order = np.argsort(-t, kind="stable")
    ts, q, ws = t[order], rows[order], w[order]
    rs = wr[order]
    sums = np.cumsum(np.stack([rs, rs * ts, ws, ws * ts, ws * ts * ts], axis=1), axis=0)[:-1]
    A, B = np.cumsum(q * ts[:, None], axis=0)[:-1], np.cumsum(q, axis=0)[:-1]
    above, below = ts[:-1], ts[1:]
    q_, p, d2, d1, d0 = sums.T
    e0, e1, e2 = d0 - (A * A).sum(axis=1), d1 - (A * B).sum(axis=1), d2 - (B * B).sum(axis=1)
    best, knot = 0.0, 0.0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        stationary = (p * e1 - q_ * e0) / (p * e2 - q_ * e1)
        stationary = np.where(np.isfinite(stationary), stationary, 0.5 * (above + below))
        for c in (np.clip(stationary, below, above), below):
            size = e0 - c * (2.0 * e1 - c * e2)
            whole = d0 - c * (2.0 * d1 - c * d2)
            gain = 0.5 * (p - c * q_) ** 2 / size
            usable = np.isfinite(gain) & (size > _NEGLIGIBLE * np.abs(d0)) & (whole > 0.0) & (above > below)
            gain = np.where(usable, gain, 0.0)
            i = int(np.argmax(gain))
            if gain[i] > best:
                best, knot = float(gain[i]), float(c[i])
    return best, knot
