"""The slow, obvious twins of the kernels in `_pieces`: float64, no bounds of rounding; `variant` is taken and not used."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["independent", "joined"]

F64 = NDArray[np.float64]


class _Fit(NamedTuple):
    cost: float
    mean_t: float
    mean_r: float
    slope: float
    weight: float
    square: float

    def at(self, t: float) -> tuple[float, float]:
        """Value of the line and leverage."""
        d = t - self.mean_t
        return self.mean_r + self.slope * d, 1.0 / self.weight + d * d / self.square


def _fit(t: F64, w: F64, r: F64) -> _Fit:
    weight = float(w.sum())
    mean_t, mean_r = float(w @ t) / weight, float(w @ r) / weight
    dt, dr = t - mean_t, r - mean_r
    square = float(w @ (dt * dt))
    slope = float(w @ (dt * dr)) / square if len(t) > 1 else 0.0
    rest = dr - slope * dt
    return _Fit(0.5 * float(w @ (rest * rest)) if len(t) > 2 else 0.0, mean_t, mean_r, slope, weight, square)


def independent(
    t_hi: F64, t_lo: F64, w: F64, r: F64, ceiling: float, sums: F64, work: F64, last: NDArray[np.intp], best_out: F64
) -> None:
    """best_out[p, j]: the least risk of the first j points with at most p + 1 affine pieces, and at most `ceiling`."""
    t, n = t_hi + t_lo, len(t_hi)
    best_out[:, 0] = 0.0
    best_out[:, 1:] = ceiling
    for j in range(1, n + 1):
        for i in range(j):
            cost = _fit(t[i:j], w[i:j], r[i:j]).cost
            if i == 0:
                best_out[:, j] = np.minimum(best_out[:, j], cost)
            best_out[1:, j] = np.minimum(best_out[1:, j], best_out[:-1, i] + cost)


def _penalty(p: _Fit, q: _Fit, gap: tuple[float, float], shares: tuple[float, float]) -> float:
    values = [(p.at(t), q.at(t)) for t in gap]
    differences = [a[0] - b[0] for a, b in values]
    if not differences[0] * differences[1] > 0.0:
        return 0.0
    return min(
        0.5 * d * d / (a[1] / shares[0] + b[1] / shares[1])
        for d, (a, b) in zip(differences, values, strict=True)
    )


def joined(
    t_hi: F64,
    t_lo: F64,
    w: F64,
    r: F64,
    ceiling: float,
    sums: F64,
    work: F64,
    variant: int,
    best_out: F64,
) -> None:
    """best_out[k]: the least risk with at most k kinks as the kernel counts it, and at most `ceiling`."""
    t, n, kinks = t_hi + t_lo, len(t_hi), len(best_out) - 1
    fits = {(i, j): _fit(t[i : j + 1], w[i : j + 1], r[i : j + 1]) for i in range(n) for j in range(i, n)}
    risks = np.full((kinks + 1, n, n), math.inf)
    least = np.full((kinks + 1, n), math.inf)  # of the points up to one
    for i in range(n):
        for j in range(i, n):
            q = fits[i, j]
            if i == 0:
                risks[0, 0, j] = q.cost
                continue
            before = np.zeros(i)
            for h in range(i if i < j else 0):
                if h < i - 1:
                    shares = 1.0 if h == 0 else 0.5, 1.0 if j == n - 1 else 0.5
                    before[h] = _penalty(fits[h, i - 1], q, (t[i - 1], t[i]), shares)
            for k in range(1, kinks + 1):
                one = (risks[k - 1, :i, i - 1] + before).min()
                two = least[k - 2, i - 1] if k > 1 else math.inf
                risks[k, i, j] = min(one, two) + q.cost
        for k in range(kinks + 1):
            least[k, i] = min(risks[: k + 1, : i + 1, i].min(), ceiling)
    best_out[:] = least[:, -1]
