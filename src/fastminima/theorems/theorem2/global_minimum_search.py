"""Search for the witnesses of theorem 2's point of risk 0 in float64: fixed grids, most accurate networks first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.networks.activations.activation_protocol import Activation

from .ranking import rounded_score

__all__ = ["biased_witnesses", "largest_denominator", "paper_witnesses"]

Floats = NDArray[np.float64]

# grids are looked at in this size first, in others for activations that are nearly straight or very steep there
_SCALES = (1.0, 2.0**5, 2.0**-5, 2.0**10, 2.0**-10, 2.0**15, 2.0**20, 2.0**25)
_T = np.array([1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 0.25, -3.0, 3.0])
_P = np.array([-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0])
_V = np.array([-3.0, -2.0, -1.5, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0])
_V4 = np.linspace(-4.0, 4.0, 321) + 1e-3
# a denominator below this part of its terms counts as 0
_NOTHING = 1e-9
_KEPT = 8


def _value(h: Activation, t: Any) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(h.value(np.asarray(t, dtype=np.float64)), dtype=np.float64)


def _ranked(den: Floats, size: Floats, top: Any, keys: list[Floats]) -> NDArray[np.intp]:
    """The first rows by how much rounding there will be, to six digits; among equals small and positive numbers first.

    Output weights are size/den, and they multiply values of h up to `top`.
    """
    with np.errstate(all="ignore"):
        error = size * (1 + top) / np.abs(den)
        good = np.flatnonzero((np.abs(den) > _NOTHING * size * size) & np.isfinite(error) & (error > 0))
    tie = [part for key in reversed(keys) for part in (key[good] < 0, np.abs(key[good]))]
    return good[np.lexsort([*tie, rounded_score(np.log(error[good]))])[:_KEPT]]


def _triples(h: Activation, scale: float) -> tuple[list[Floats], Floats, Floats]:
    """All (t, p, q) of a scale with p < q, D = ~h(q) ~h(p/2) - ~h(p) ~h(q/2), and max(|~h(p)|, |~h(q)|)."""
    t, p, q = (x.ravel() * scale for x in np.meshgrid(_T, _P, _P, indexing="ij"))
    t, p, q = (x[p < q] for x in (t, p, q))
    with np.errstate(all="ignore"):
        hp, hq, hp2, hq2 = (_value(h, x + t) - _value(h, t) for x in (p, q, p / 2, q / 2))
        return [t, p, q], hq * hp2 - hp * hq2, np.maximum(np.abs(hp), np.abs(hq))


def biased_witnesses(h: Activation) -> Iterator[list[tuple[float, float, float]]]:
    """(t, p, q) with D = ~h(q) ~h(p/2) - ~h(p) ~h(q/2) far from 0, ~h(x) = h(x+t) - h(t); the best of every scale."""
    for scale in _SCALES:
        tpq, D, size = _triples(h, scale)
        best = np.stack(tpq, axis=1)[_ranked(D, size, size, tpq)]
        yield [(t, p, q) for t, p, q in best.tolist()]


def _roots_of_c21(h: Activation, scale: float) -> tuple[list[Floats], Floats, Floats, float]:
    """All (v1, v2, v3, v4) of a scale where h(v1) h(v4) - h(v2) h(v3) changes its sign at v4, the denominators of (C2.2),
    max(|h(v1)|, |h(v3)|), and the largest |h| near."""
    grid, fine = _V * scale, _V4 * scale
    value, wide = _value(h, grid), _value(h, fine)
    with np.errstate(all="ignore"):
        gap = value[:, None, None, None] * wide - (value[:, None] * value)[:, :, None]
        i, j, k, n = np.nonzero((gap[..., :-1] * gap[..., 1:] < 0) & (value != 0)[:, None, None, None])
        v1, v2, v3 = grid[i], grid[j], grid[k]
        v4 = _roots(h, value[i], value[j] * value[k], fine[n], fine[n + 1])
        den = value[k] * _value(h, (v1 + v2) / 2) - value[i] * _value(h, (v3 + v4) / 2)
        size = np.maximum(np.abs(value[i]), np.abs(value[k]))
        return [v1, v2, v3, v4], den, size, float(np.abs(wide[np.abs(_V4) < 3]).max())


def _roots(h: Activation, factor: Floats, level: Floats, low: Floats, high: Floats) -> Floats:
    """Where factor h - level changes its sign between low and high, to the last bits."""

    def gap(t: Floats) -> Floats:
        return factor * _value(h, t) - level

    zero = (low <= 0) & (high >= 0) & (gap(np.zeros_like(low)) == 0)
    start = gap(low) < 0
    for _ in range(64):
        middle = (low + high) / 2
        same = (gap(middle) < 0) == start
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    # a root at 0 is met by halving only at the end of the range of float64
    return np.where(zero, 0.0, np.where(np.abs(gap(low)) <= np.abs(gap(high)), low, high))


def paper_witnesses(h: Activation) -> Iterator[list[tuple[float, float, float, float]]]:
    """(v1, v2, v3, v4) with h(v1) h(v4) = h(v2) h(v3) to rounding and den far from 0; the best of every scale."""
    for scale in _SCALES:
        rows, den, size, top = _roots_of_c21(h, scale)
        best = np.stack(rows, axis=1)[_ranked(den, size, top, rows[:3])]
        yield [(v1, v2, v3, v4) for v1, v2, v3, v4 in best.tolist()]


def largest_denominator(h: Activation, form: str) -> tuple[float, int]:
    """(the largest denominator as a part of its terms, how many were looked at) on the grid; evidence of a failure."""
    _, denominator, size, *_ = _roots_of_c21(h, 1.0) if form == "paper" else _triples(h, 1.0)
    with np.errstate(all="ignore"):
        part = np.abs(denominator) / (size * size)
    return float(part.max(initial=0.0, where=np.isfinite(part))), len(part)
