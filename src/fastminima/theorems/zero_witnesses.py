"""Search for the witnesses of theorem 2's point of risk 0 in float64: fixed grids, most accurate networks first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.theorems.flat_witnesses import rounded_score

__all__ = ["largest_denominator", "zero_biased", "zero_paper"]

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


def _value(h: Any, t: Any) -> Floats:
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


def _triples(h: Any, scale: float) -> tuple[list[Floats], Floats, Floats]:
    """All (t, p, q) of a scale with p < q, D = ~h(q) ~h(p/2) - ~h(p) ~h(q/2), and max(|~h(p)|, |~h(q)|)."""
    t, p, q = (x.ravel() * scale for x in np.meshgrid(_T, _P, _P, indexing="ij"))
    t, p, q = (x[p < q] for x in (t, p, q))
    with np.errstate(all="ignore"):
        hp, hq, hp2, hq2 = (_value(h, x + t) - _value(h, t) for x in (p, q, p / 2, q / 2))
        return [t, p, q], hq * hp2 - hp * hq2, np.maximum(np.abs(hp), np.abs(hq))


def zero_biased(h: Any) -> Iterator[list[tuple[float, float, float]]]:
    """(t, p, q) with D = ~h(q) ~h(p/2) - ~h(p) ~h(q/2) far from 0, ~h(x) = h(x+t) - h(t); the best of every scale."""
    for scale in _SCALES:
        tpq, D, size = _triples(h, scale)
        best = _ranked(D, size, size, tpq)
        yield [(float(t[k]), float(p[k]), float(q[k])) for t, p, q in [tpq] for k in best]


def _roots_of_c21(h: Any, scale: float) -> tuple[list[Floats], Floats, Floats, float]:
    """All (v1, v2, v3, v4) of a scale where h(v1) h(v4) - h(v2) h(v3) changes its sign near v4, the denominators of
    (C2.2), max(|h(v1)|, |h(v3)|), and the largest |h| near."""
    grid, fine = _V * scale, _V4 * scale
    value, wide = _value(h, grid), _value(h, fine)
    with np.errstate(all="ignore"):
        gap = value[:, None, None, None] * wide - (value[:, None] * value)[:, :, None]
        i, j, k, n = np.nonzero((gap[..., :-1] * gap[..., 1:] < 0) & (value != 0)[:, None, None, None])
        low, high = gap[i, j, k, n], gap[i, j, k, n + 1]
        v4 = fine[n] + low / (low - high) * (fine[1] - fine[0])
        v1, v2, v3 = grid[i], grid[j], grid[k]
        den = value[k] * _value(h, (v1 + v2) / 2) - value[i] * _value(h, (v3 + v4) / 2)
        size = np.maximum(np.abs(value[i]), np.abs(value[k]))
        return [v1, v2, v3, v4], den, size, float(np.abs(wide[np.abs(_V4) < 3]).max())


def zero_paper(h: Any) -> Iterator[list[tuple[float, float, float, float]]]:
    """(v1, v2, v3, v4) with h(v1) h(v4) near h(v2) h(v3) and den far from 0; the best of every scale."""
    for scale in _SCALES:
        rows, den, size, top = _roots_of_c21(h, scale)
        step = scale * float(_V4[1] - _V4[0])
        batch = []
        for m in _ranked(den, size, top, rows[:3]):
            v1, v2, v3, near = (float(part[m]) for part in rows)
            h1, h2, h3 = _value(h, [v1, v2, v3]).tolist()
            batch.append((v1, v2, v3, _root(h, h1, h2 * h3, near - step, near + step)))
        yield batch


def largest_denominator(h: Any, form: str) -> tuple[float, int]:
    """(the largest denominator as a part of its terms, how many were looked at) on the grid; evidence of a failure."""
    _, denominator, size, *_ = _roots_of_c21(h, 1.0) if form == "paper" else _triples(h, 1.0)
    with np.errstate(all="ignore"):
        part = np.abs(denominator) / (size * size)
    return float(part.max(initial=0.0, where=np.isfinite(part))), len(part)


def _root(h: Any, factor: float, level: float, low: float, high: float) -> float:
    """Where factor h - level changes its sign, to the last bits; an end where it does not."""

    def gap(t: float) -> float:
        return factor * float(_value(h, [t])[0]) - level

    start = gap(low) < 0
    while high - low > 2.0**-60:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if (gap(middle) < 0) == start:
            low = middle
        else:
            high = middle
    # a root at 0 is met by halving only at the end of the range of float64
    return min(((0.0, low, high) if low <= 0 <= high else (low, high)), key=lambda t: abs(gap(t)))
