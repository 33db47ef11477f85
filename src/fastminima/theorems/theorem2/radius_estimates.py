"""Radii of the mixed case of theorem 2 in float64, for a whole grid of candidates: estimates that choose, and prove nothing.

With m(rho) = min 3(|u1| - s) h'^2/|h''| and M(rho) = max 3(|u2| + s) h'^2/|h''| over r^2 + s^2 <= rho^2, h' and h'' within
sqrt 2 r of v, the radius is the least sqrt(rho_1^2 + rho_2^2) with m(rho_1) = 1 + M(rho_2) (see `certify_radius`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.networks.activations.activation_protocol import Activation

from .bending import Bending

__all__ = ["mixed_radii"]

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Any]

_STEPS = 24
_ANGLES = np.linspace(0, np.pi / 2, 10)
# rounding of a cosine must not move a place on the grid
_HAIR = 1e-9


def mixed_radii(
    h: Activation,
    bending: Bending,
    v1: Floats,
    u1: Floats,
    v2: Floats,
    largest_u2: float,
    largest_radius: float,
) -> tuple[Floats, Floats]:
    """Candidates with u1 h''(v1) < 0 < u2 h''(v2) and u1 h(v1) + u2 h(v2) = 1/3, and their radii.

    Parameters
    ----------
    h : Activation
    bending : Bending
        Of h.
    v1, u1, v2 : ndarrays
        The grid; u1 are sizes, the sign follows from h''.
    largest_u2 : float
        The largest |u2|.
    largest_radius : float
        Radii are looked for up to here.

    Returns
    -------
    witnesses : ndarray of shape (n, 4)
        Rows v1, v2, u1, u2.
    radii : ndarray of shape (n,)
        All positive.
    """
    rho = largest_radius * np.arange(_STEPS + 1) / _STEPS
    with np.errstate(all="ignore"):
        sign1, sign2 = (s * np.sign(_at(h.second, v)) for s, v in ((-1, v1), (1, v2)))
        h1, h2 = _at(h.value, v1), _at(h.value, v2)
        low1, _ = _windows(lambda t: _at(h.first, t) ** 2, v1, rho)
        _, high2 = _windows(lambda t: _at(h.first, t) ** 2, v2, rho)
        bend1, bend2 = _windows(h.second, v1, rho), _windows(h.second, v2, rho)
        worst1 = np.maximum(np.abs(bend1[0]), np.abs(bend1[1]))
        low2 = np.where(sign2[:, None] > 0, bend2[0], -bend2[1])
        # no point where h is not twice differentiable may be met
        met1, met2 = (bending.clear(v)[:, None] <= np.sqrt(2) * rho for v in (v1, v2))
        ratio1 = np.where(met1, 0.0, 3 * low1 / worst1)
        ratio2 = np.where(met2 | ~(low2 > 0), np.inf, 3 * high2 / low2)
        spread = rho[:, None] * np.sin(_ANGLES)
        m = _along(ratio1)[:, None] * np.maximum(u1[None, :, None, None] - spread, 0.0)
        left = np.nan_to_num(m.min(axis=3), nan=0.0) - 1
        along2 = _along(ratio2)
        witnesses, radii = [], []
        for k in np.flatnonzero((sign2 != 0) & (h2 != 0)):
            size = sign2[k] * (1 / 3 - sign1[:, None] * u1 * h1[:, None]) / h2[k]
            i, j = np.nonzero(
                (size > 0)
                & (size <= largest_u2)
                & (left[:, :, 0] > ratio2[k, 0] * size)
                & (sign1[:, None] != 0)
            )
            size = size[i, j]
            M = (along2[k] * (size[:, None, None] + spread)).max(axis=2)
            radii.append(np.minimum(_radius(left[i, j], M, rho), size))
            witnesses.append(
                np.stack([v1[i], np.full(len(i), v2[k]), sign1[i] * u1[j], sign2[k] * size], axis=1)
            )
    if not radii:
        return np.empty((0, 4)), np.empty(0)
    radius, rows = np.concatenate(radii), np.concatenate(witnesses)
    good = radius > 0
    return rows[good], radius[good]


def _at(curve: Curve, t: Floats) -> Floats:
    return np.asarray(curve(t), dtype=np.float64)


def _windows(curve: Curve, v: Floats, rho: Floats) -> tuple[Floats, Floats]:
    """The least and the greatest value over [v - sqrt 2 rho, v + sqrt 2 rho] for every v and rho, from 17 points a ring."""
    ends = np.sqrt(2) * rho
    points = np.linspace(ends[:-1], ends[1:], 9)  # (9, rings)
    inside = _at(curve, v[:, None, None] + np.concatenate([points, -points]))  # (v, 18, rings)
    start = _at(curve, v)[:, None]
    low = np.concatenate([start, inside.min(axis=1)], axis=1)
    high = np.concatenate([start, inside.max(axis=1)], axis=1)
    return np.minimum.accumulate(low, axis=1), np.maximum.accumulate(high, axis=1)


def _along(ratio: Floats) -> Floats:
    """Ratios at r = rho cos angle by linear interpolation, shape (v, rho, angle)."""
    place = np.arange(_STEPS + 1)[:, None] * np.cos(_ANGLES)
    below = np.floor(place + _HAIR).astype(int)
    part = place - below
    above = np.minimum(below + 1, _STEPS)
    return np.where(part < _HAIR, ratio[:, below], (1 - part) * ratio[:, below] + part * ratio[:, above])


def _radius(left: Floats, M: Floats, rho: Floats) -> Floats:
    """The least sqrt(rho_1^2 + rho_2^2) with left(rho_1) = M(rho_2), linear between the points of the grid."""
    n = len(rho) - 1
    rows = np.arange(len(left))
    # rho_2 at which M reaches left(rho_1); -1 where it is beyond it from the start
    place = (M[:, None, :] <= left[:, :, None]).sum(axis=2) - 1
    below, above = np.clip(place, 0, n), np.clip(place + 1, 0, n)
    at = rows[:, None]
    part = np.nan_to_num(
        (left - M[at, below]) / (M[at, above] - M[at, below]), nan=0.0, posinf=0.0, neginf=0.0
    )
    other = rho[below] + part * (rho[above] - rho[below])
    fits = np.minimum.accumulate(place >= 0, axis=1)
    radius = np.where(fits, np.hypot(rho, other), np.inf).min(axis=1)
    # and rho_1 at which left falls to M(0)
    last = fits.sum(axis=1) - 1
    after = np.minimum(last + 1, n)
    fall = left[rows, last] - left[rows, after]
    part = np.where(fall > 0, (left[rows, last] - M[:, 0]) / fall, 0.0)
    end = rho[last] + np.clip(part, 0, 1) * (rho[after] - rho[last])
    return np.where(last >= 0, np.minimum(radius, end), 0.0)
