"""Search for witnesses of theorem 2 in float64: deterministic grids, refined around the best, certified elsewhere.

Near the flat point (v1, v2, u1, u2) the excess risk is at least A a^2 + C ab + B b^2, with alpha = U1 h''(xi1)/12,
P = (U1 h'(zeta1))^2/4, A = alpha + P, likewise beta, Q, B, and C^2 = 4 P Q. So
4AB - C^2 = 4 (alpha beta + alpha Q + beta P):

- both alpha, beta >= 0 (the convex case): always nonnegative;
- alpha < 0 < beta (the mixed case): nonnegative where 3|U1| h'(zeta1)^2/|h''(xi1)| >= 1 + 3|U2| h'(zeta2)^2/|h''(xi2)|;
- both negative: never.

The convex case fails where U or h'' changes sign, so its radius is min(|u1|, |u2|, d1/sqrt 2, d2/sqrt 2), d the distance
from v to the next sign change of h''.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Flat", "biased_flats", "paper_flats", "zero_biased", "zero_paper"]

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Any]

# witnesses are looked for within |v| <= 3, |u| <= 10
_V, _U = 3.0, 10.0
_ROOT2 = float(np.sqrt(2.0))


@dataclass(frozen=True)
class Flat:
    """A candidate for the bad minimum: units (v1, v1), (v2, v2) with output weights u1, u2.

    `case` is "convex" or "mixed"; in the mixed case unit 1 is the one with u1 h''(v1) < 0. `estimate` is the radius in
    float64, certified by nobody.
    """

    v1: float
    v2: float
    u1: float
    u2: float
    case: str
    estimate: float


def _signs(second: Curve, v: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.sign(np.nan_to_num(np.asarray(second(v), dtype=np.float64)))


def _reaches(second: Curve, v: Floats, mark: Floats) -> Floats:
    """How far from each v h'' keeps the sign `mark`, or is 0."""
    reach = _ROOT2 * _U + 0.01
    step = 1.0 / 256
    grid = np.arange(-_V - reach, _V + reach, step) + step / 3
    sign = _signs(second, grid)
    result = np.empty(len(v))
    for k, (point, own) in enumerate(zip(v.tolist(), mark.tolist(), strict=True)):
        against = grid[sign == -own]
        result[k] = np.abs(against - point).min(initial=reach) - step
    return np.maximum(result, 0.0)


def biased_flats(h: Any, kinks: Floats) -> list[Flat]:
    """Bias form: v1 = v2 = v, u1 = u2 of the sign of h''(v), best radius first."""
    v = np.linspace(-_V, _V, 241)
    sign = _signs(h.second, v)
    sign = np.where(sign == 0, 1.0, sign)
    reach = _short_of(v, _reaches(h.second, v, sign), kinks)
    with np.errstate(all="ignore"):
        bent = np.asarray(h.second(v), dtype=np.float64)
    radius = np.minimum(_U, reach / _ROOT2)
    # of equal radii the strongest curvature
    order = np.lexsort((-np.abs(bent), -np.round(radius, 3)))[:12]
    return [
        Flat(v[k], v[k], sign[k] * _U, sign[k] * _U, "convex", float(radius[k]))
        for k in order
        if radius[k] > 0
    ]


def _short_of(v: Floats, reach: Floats, kinks: Floats) -> Floats:
    """The interval around v must not meet a point where h is not twice differentiable."""
    if not len(kinks):
        return reach
    return np.minimum(reach, np.abs(v[:, None] - kinks[None, :]).min(axis=1))


def paper_flats(h: Any, kinks: Floats) -> list[Flat]:
    """Paper's form, b2 = 0: u1 h(v1) + u2 h(v2) = 1/3, best radius first."""
    found = _convex(h, kinks, np.linspace(-_V, _V, 121), np.linspace(-_V, _V, 121))
    for width in (0.05, 0.005):
        if not found:
            break
        best = found[0]
        around = [np.clip(x + width * np.linspace(-1, 1, 41), -_V, _V) for x in (best.v1, best.v2)]
        found = _convex(h, kinks, around[0], around[1]) + found
        found.sort(key=lambda flat: -flat.estimate)
    if found and found[0].estimate > 0.05:
        return found[:6]
    return (_mixed_search(h, kinks) + found)[:6]


def _convex(h: Any, kinks: Floats, first: Floats, second: Floats) -> list[Flat]:
    sides = []
    for v in (first, second):
        sign = _signs(h.second, v)
        # u may have either sign where h is straight
        straight = sign == 0
        v = np.concatenate([v, v[straight]])
        sign = np.concatenate([np.where(straight, 1.0, sign), np.full(straight.sum(), -1.0)])
        with np.errstate(all="ignore"):
            value = np.asarray(h.value(v), dtype=np.float64)
        reach = _short_of(v, _reaches(h.second, v, sign), kinks)
        sides.append((v, sign, reach / _ROOT2, sign * value))
    (first, s1, d1, p1), (second, s2, d2, p2) = sides
    p, q = p1[:, None], p2[None, :]
    with np.errstate(all="ignore"):
        equal = 1 / (3 * (p + q))
        # one unit pushes against the other: both can be large
        a = np.minimum(_U, (_U * p - 1 / 3) / -q)
        against = (1 / 3 - a * q) / p
        b = np.minimum(_U, (_U * q - 1 / 3) / -p)
        other = (1 / 3 - b * p) / q
        alone = 1 / (3 * p)
        size1 = np.where(
            (p > 0) & (q > 0), equal, np.where((p > 0) & (q < 0), against, np.where(p > 0, alone, b))
        )
        size2 = np.where((p > 0) & (q > 0), equal, np.where((p > 0) & (q < 0), a, np.where(p > 0, _U, other)))
        good = np.isfinite(size1) & np.isfinite(size2) & (size1 > 0) & (size2 > 0)
        good &= (size1 <= _U) & (size2 <= _U)
        radius = np.minimum(np.minimum(size1, size2), np.minimum(d1[:, None], d2[None, :]))
    radius = np.where(good, radius, 0.0)
    result = []
    for flat in np.argsort(-radius, axis=None, kind="stable")[:6]:
        i, j = np.unravel_index(flat, radius.shape)
        if radius[i, j] > 0:
            result.append(
                Flat(
                    float(first[i]),
                    float(second[j]),
                    float(s1[i] * size1[i, j]),
                    float(s2[j] * size2[i, j]),
                    "convex",
                    float(radius[i, j]),
                )
            )
    return result


# ---- the mixed case ---------------------------------------------------------------------------------------------

_STEPS = 24
_ANGLES = 10


def _mixed_search(h: Any, kinks: Floats) -> list[Flat]:
    v, u = np.linspace(-_V, _V, 61), np.geomspace(0.1, _U, 36)
    box, reach = (v, u, v), 1.2
    best: list[Flat] = []
    for _ in range(4):
        found = _mixed(h, kinks, *box, reach)
        best = sorted(found + best, key=lambda flat: -flat.estimate)[:6]
        if not best:
            return []
        top = best[0]
        steps = [(x[-1] - x[0]) / (len(x) - 1) for x in box]
        near = [1.5 * steps[0], 1.5 * steps[2]]
        ratio = (box[1][-1] / box[1][0]) ** (1.5 / (len(box[1]) - 1))
        box = (
            np.clip(top.v1 + near[0] * np.linspace(-1, 1, 25), -_V, _V),
            np.minimum(abs(top.u1) * ratio ** np.linspace(-1, 1, 25), _U),
            np.clip(top.v2 + near[1] * np.linspace(-1, 1, 25), -_V, _V),
        )
        reach = 1.2 * top.estimate
    return best


def _windows(curve: Curve, v: Floats, widths: Floats, pick: Any, start: float) -> Floats:
    """pick over [v - w, v + w] for every v and every w (ascending), from 33 points a step."""
    result = np.full((len(v), len(widths)), start)
    last = np.zeros(1)
    for k, w in enumerate(widths):
        ring = np.linspace(last[-1], w, 9)
        with np.errstate(all="ignore"):
            values = np.asarray(
                curve(np.concatenate([v[:, None] - ring, v[:, None] + ring], axis=1)), dtype=float
            )
        now = pick(values, axis=1)
        result[:, k] = now if k == 0 else pick(np.stack([result[:, k - 1], now], axis=1), axis=1)
        last = np.array([w])
    return result


def _mixed(h: Any, kinks: Floats, v1: Floats, u1: Floats, v2: Floats, reach: float) -> list[Flat]:
    rho = reach * np.arange(1, _STEPS + 1) / _STEPS
    widths = _ROOT2 * rho
    low1 = _windows(lambda t: np.asarray(h.first(t)) ** 2, v1, widths, np.min, np.inf)
    high2 = _windows(lambda t: np.asarray(h.first(t)) ** 2, v2, widths, np.max, -np.inf)
    with np.errstate(all="ignore"):
        bend1, bend2 = np.asarray(h.second(v1), dtype=float), np.asarray(h.second(v2), dtype=float)
        h1, h2 = np.asarray(h.value(v1), dtype=float), np.asarray(h.value(v2), dtype=float)
    sign1, sign2 = -np.sign(bend1), np.sign(bend2)  # of u1 and u2
    worst1 = _windows(lambda t: np.abs(np.asarray(h.second(t))), v1, widths, np.max, -np.inf)
    weak2 = _windows(lambda t: np.asarray(h.second(t)), v2, widths, np.min, np.inf)
    strong2 = _windows(lambda t: -np.asarray(h.second(t)), v2, widths, np.min, np.inf)
    low2 = np.where(sign2[:, None] > 0, weak2, strong2)
    if len(kinks):
        low1 = np.where(np.abs(v1[:, None, None] - kinks).min(axis=2) > widths, low1, 0.0)
        low2 = np.where(np.abs(v2[:, None, None] - kinks).min(axis=2) > widths, low2, -1.0)
    angle = np.linspace(0, np.pi / 2, _ANGLES)
    index = (
        np.minimum(np.ceil(np.arange(1, _STEPS + 1)[:, None] * np.cos(angle)[None, :]).astype(int), _STEPS)
        - 1
    )
    index = np.maximum(index, 0)
    spread = rho[:, None] * np.sin(angle)[None, :]
    with np.errstate(all="ignore"):
        ratio1 = (3 * low1 / worst1)[:, index]  # (v1, rho, angle)
        m1 = np.min(ratio1[:, None] * np.maximum(u1[None, :, None, None] - spread, 0.0), axis=3)
        ratio2 = np.where(low2 > 0, 3 * high2 / low2, np.inf)[:, index]
    flats = []
    for k in range(len(v2)):
        if not sign2[k] or not h2[k]:
            continue
        size2 = (1 / 3 - sign1[:, None] * u1[None, :] * h1[:, None]) / h2[k] * sign2[k]
        rows, columns = np.nonzero((size2 > 0) & (size2 <= _U) & (m1[:, :, 0] > 1))
        if not len(rows):
            continue
        sizes = size2[rows, columns]
        with np.errstate(all="ignore"):
            M2 = np.max(ratio2[k][None] * (sizes[:, None, None] + spread), axis=2)  # (candidates, rho)
        left = m1[rows, columns]  # (candidates, rho)
        fits = (left[:, :, None] - 1 >= M2[:, None, :]).sum(axis=2)  # steps of rho2 that still fit
        beyond = np.minimum(fits, _STEPS - 1)
        radius = np.sqrt((rho - rho[0]) ** 2 + np.where(fits > 0, rho[beyond] - rho[0], 0.0) ** 2)
        radius = np.where(left > 1, radius, rho - rho[0]).min(axis=1)
        radius = np.where(left[:, 0] - 1 > M2[:, 0], radius, 0.0)
        # past U2 = 0 both curvatures would be negative
        radius = np.minimum(radius, sizes)
        for c in np.argsort(-radius)[:2]:
            if radius[c] > 0:
                i, j = rows[c], columns[c]
                flats.append(
                    Flat(
                        float(v1[i]),
                        float(v2[k]),
                        float(sign1[i] * u1[j]),
                        float(sign2[k] * sizes[c]),
                        "mixed",
                        float(radius[c]),
                    )
                )
    return sorted(flats, key=lambda flat: -flat.estimate)[:6]


# ---- points of zero risk ------------------------------------------------------------------------------------------


def zero_biased(h: Any) -> list[tuple[float, float, float]]:
    """(t, p, q) with D = ~h(q) ~h(p/2) - ~h(p) ~h(q/2) far from 0, ~h(x) = h(x+t) - h(t); best first."""
    ts = (1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 0.25, -3.0, 3.0)
    ps = (-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0)
    scored = []
    for t in ts:
        for p in ps:
            for q in ps:
                if p >= q:
                    continue
                with np.errstate(all="ignore"):
                    hp, hq, hp2, hq2 = np.asarray(
                        h.value(np.array([p, q, p / 2, q / 2]) + t), dtype=float
                    ) - np.asarray(h.value(np.array([t])), dtype=float)
                D = hq * hp2 - hp * hq2
                size = max(abs(hp), abs(hq))
                if np.isfinite(D) and abs(D) > 1e-9 * max(size * size, 1e-300):
                    # output weights and their products with h set the size of rounding
                    scored.append((size * (1 + size) / abs(D), abs(t), t, p, q))
    scored.sort()
    return [(t, p, q) for _, _, t, p, q in scored[:8]]


def zero_paper(h: Any) -> list[tuple[float, float, float, float]]:
    """(v1, v2, v3, v4) with h(v1) h(v4) near h(v2) h(v3) and den far from 0; best first."""
    grid = np.array([-3.0, -2.0, -1.5, -1.0, -0.5, -0.25, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0])
    fine = np.linspace(-4.0, 4.0, 321) + 1e-3
    with np.errstate(all="ignore"):
        value = np.asarray(h.value(grid), dtype=float)
        wide = np.asarray(h.value(fine), dtype=float)
    scored = []
    for i, v1 in enumerate(grid.tolist()):
        if not value[i]:
            continue
        for j, v2 in enumerate(grid.tolist()):
            for k, v3 in enumerate(grid.tolist()):
                gap = value[i] * wide - value[j] * value[k]
                for root in np.flatnonzero(gap[:-1] * gap[1:] < 0):
                    v4 = float(_root(h, value[i], value[j] * value[k], fine[root], fine[root + 1]))
                    with np.errstate(all="ignore"):
                        half = np.asarray(h.value(np.array([(v1 + v2) / 2, (v3 + v4) / 2])), dtype=float)
                    den = value[k] * half[0] - value[i] * half[1]
                    size = max(abs(value[i]), abs(value[k]))
                    if abs(den) > 1e-6 * size * size:
                        scored.append(
                            (
                                size
                                * (1 + float(np.abs(wide).max(initial=0, where=np.abs(fine) < 3)))
                                / abs(den),
                                v1,
                                v2,
                                v3,
                                v4,
                            )
                        )
    scored.sort()
    return [tuple(row[1:]) for row in scored[:8]]


def _root(h: Any, factor: float, level: float, low: float, high: float) -> float:
    from scipy.optimize import brentq

    def gap(t: float) -> float:
        return float(factor * np.asarray(h.value(np.array([t])), dtype=float)[0] - level)

    return float(brentq(gap, low, high, xtol=1e-15, rtol=8.9e-16))
