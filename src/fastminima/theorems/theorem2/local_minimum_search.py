"""Search for the witnesses of theorem 2's bad minimum in float64: fixed grids, refined around the best, certified elsewhere.

Near the point (v1, v2, u1, u2) the excess risk is at least A a^2 + C ab + B b^2, with alpha = U1 h''(xi1)/12,
P = (U1 h'(zeta1))^2/4, A = alpha + P, likewise beta, Q, B, and C^2 = 4 P Q. So
4AB - C^2 = 4 (alpha beta + alpha Q + beta P):

- both alpha, beta >= 0 (the convex case): always nonnegative;
- alpha < 0 < beta (the mixed case): nonnegative where 3|U1| h'(zeta1)^2/|h''(xi1)| >= 1 + 3|U2| h'(zeta2)^2/|h''(xi2)|;
- both negative: never.

The convex case fails where U changes its sign or h bends the other way, so its radius is
min(|u1|, |u2|, d1/sqrt 2, d2/sqrt 2), d the distance from v to where that begins.

Functions differ in their last bits from processor to processor. Candidates whose scores agree to six digits are therefore
equals, and among equals a fixed order of witnesses decides; grids are multiples of 2^-20.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.networks.activations.activation_protocol import Activation

from .bending import FAR, SPAN, Bending
from .radius_estimates import mixed_radii
from .ranking import rounded_score

__all__ = ["MinimumCandidate", "biased_candidates", "paper_candidates"]

Floats = NDArray[np.float64]

_LARGEST_U = 10.0
"""Witnesses are looked for within |u| <= _LARGEST_U."""
_ROOT2 = math.sqrt(2.0)
# candidates of each kind that are certified
_KEPT = 4
# a convex radius above this ends the search: the mixed case seldom reaches farther
_ENOUGH = 0.5


@dataclass(frozen=True)
class MinimumCandidate:
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


def _ranked(witnesses: Floats, radii: Floats, kept: int) -> NDArray[np.intp]:
    """The first few rows: best radius first; among equals positive numbers before negative ones, then small v."""
    size = np.abs(witnesses)
    keys = (size[:, 1], size[:, 0], *(witnesses < 0).T[::-1], -rounded_score(radii))
    return np.lexsort(keys)[:kept]


def _listed(witnesses: Floats, radii: Floats, case: str) -> list[MinimumCandidate]:
    return [
        MinimumCandidate(v1, v2, u1, u2, case, radius)
        for (v1, v2, u1, u2), radius in zip(witnesses.tolist(), radii.tolist(), strict=True)
    ]


def _best_of_grid(witnesses: Floats, radii: Floats, case: str, kept: int) -> list[MinimumCandidate]:
    order = _ranked(witnesses, radii, kept)
    return _listed(witnesses[order], radii[order], case)


def _best(candidates: list[MinimumCandidate]) -> list[MinimumCandidate]:
    witnesses = np.array([(c.v1, c.v2, c.u1, c.u2) for c in candidates]).reshape(-1, 4)
    order = _ranked(witnesses, np.array([c.estimate for c in candidates]), _KEPT)
    return [candidates[k] for k in order]


def _dyadic(values: Any) -> Floats:
    return np.round(np.asarray(values, dtype=np.float64) * 2.0**20) / 2.0**20


def biased_candidates(h: Activation, bending: Bending) -> list[MinimumCandidate]:
    """Bias form: v1 = v2 = v, u1 = u2 of the sign of h''(v), best radius first."""
    grid = np.linspace(-SPAN, SPAN, 241)
    v, sign, radius = _both_signs(h, bending, lambda sign: np.concatenate([grid, bending.middles(sign)]))
    radius = np.minimum(_LARGEST_U, radius)
    with np.errstate(all="ignore"):
        bent = np.abs(np.asarray(h.second(v), dtype=np.float64))
    # of equal radii the strongest curvature, and away from kinks
    scores = (np.minimum(bending.clear(v), 1.0), bent / bent.max(initial=1e-300), radius)
    order = np.lexsort((sign < 0, v < 0, np.abs(v), *(-rounded_score(score) for score in scores)))[:_KEPT]
    return _listed(
        np.stack([v, v, sign * _LARGEST_U, sign * _LARGEST_U], axis=1)[order], radius[order], "convex"
    )


def _both_signs(
    h: Activation, bending: Bending, grid: Callable[[int], Floats]
) -> tuple[Floats, Floats, Floats]:
    """(v, sign of u, the radius in parameters that keeps sign h convex); where h is straight u may have either sign."""
    parts = []
    for sign in (1, -1):
        v = _dyadic(np.clip(grid(sign), -SPAN, SPAN))
        radii = bending.convex_radius(v, sign)
        with np.errstate(all="ignore"):
            sizes = _LARGEST_U * np.abs([h.value(v), h.first(v), h.second(v)]).max(axis=0)
        # the output bias and the conditions are numbers too
        good = (radii > 0) & (bending.clear(v) > 0) & np.isfinite(sizes)
        parts.append((v[good], np.full(good.sum(), float(sign)), radii[good] / _ROOT2))
    v, signs, radii = (np.concatenate(part) for part in zip(*parts, strict=True))
    return v, signs, radii


def paper_candidates(h: Activation, bending: Bending) -> list[MinimumCandidate]:
    """Paper's form, b2 = 0: u1 h(v1) + u2 h(v2) = 1/3, best radius first."""
    grid = np.linspace(-SPAN, SPAN, 121)
    found = _convex(h, bending, grid, grid)
    for width in (0.05, 0.005, 0.0005):
        if found:
            around = [x + width * np.linspace(-1, 1, 41) for x in (found[0].v1, found[0].v2)]
            found = _best([*_convex(h, bending, *around), *found])
    if found and found[0].estimate > _ENOUGH:
        return found
    return _best(_mixed(h, bending) + found)


def _convex(h: Activation, bending: Bending, first: Floats, second: Floats) -> list[MinimumCandidate]:
    """|u1| p + |u2| q = 1/3 with p > 0 (the units may change places), and both weights as large as they can be."""
    v1, s1, d1 = _both_signs(h, bending, lambda _: first)
    v2, s2, d2 = _both_signs(h, bending, lambda _: second)
    with np.errstate(all="ignore"):
        p, q = s1 * np.asarray(h.value(v1)), s2 * np.asarray(h.value(v2))
        p, q = p[:, None], q[None, :]
        # one unit pushes against the other: both can be large
        against = np.where(
            q < 0,
            np.minimum(_LARGEST_U, (_LARGEST_U * p - 1 / 3) / -q),
            np.where(3 * _LARGEST_U * p >= 1, _LARGEST_U, 0.0),
        )
        size2 = np.where(q > 0, 1 / (3 * (p + q)), against)
        size1 = np.where(q > 0, size2, (1 / 3 - size2 * q) / p)
        good = (p > 0) & (size1 > 0) & (size2 > 0) & (np.maximum(size1, size2) <= _LARGEST_U * (1 + 1e-9))
        radius = np.minimum(np.minimum(size1, size2), np.minimum(d1[:, None], d2[None, :]))
        radius = np.where(good, np.minimum(radius, _LARGEST_U), 0.0)
    i, j = np.nonzero(radius > 0)
    u1, u2 = (s[k] * np.minimum(size[i, j], _LARGEST_U) for s, k, size in ((s1, i, size1), (s2, j, size2)))
    return _best_of_grid(np.stack([v1[i], v2[j], u1, u2], axis=1), radius[i, j], "convex", _KEPT)


# ---- the mixed case ---------------------------------------------------------------------------------------------

# how many different coarse candidates are refined
_BASINS = 4
# steps of each size, at most
_MOVES = 12


def _mixed(h: Activation, bending: Bending) -> list[MinimumCandidate]:
    grid = np.linspace(-SPAN, SPAN, 61)
    coarse = _mixed_on(h, bending, grid, np.geomspace(0.1, _LARGEST_U, 25), grid, 3.0, 500)
    return [_climbed(h, bending, start) for start in _apart(coarse)]


def _climbed(h: Activation, bending: Bending, candidate: MinimumCandidate) -> MinimumCandidate:
    """The best neighbour, again and again, in ever smaller neighbourhoods."""
    for step in (0.08, 0.03, 0.01, 0.003):
        around = step * np.linspace(-1, 1, 7)
        for _ in range(_MOVES):
            box = (candidate.v1 + around, abs(candidate.u1) * np.exp(3 * around), candidate.v2 + around)
            # the middle of the box is the point itself, so estimates are those of one grid
            found = _mixed_on(h, bending, *box, min(1.4 * candidate.estimate, FAR), 1)
            if not found or (found[0].v1, found[0].u1, found[0].v2) == (
                candidate.v1,
                candidate.u1,
                candidate.v2,
            ):
                break
            candidate = found[0]
    return candidate


def _mixed_on(
    h: Activation, bending: Bending, v1: Floats, u1: Floats, v2: Floats, largest: float, kept: int
) -> list[MinimumCandidate]:
    v1, v2 = (np.unique(_dyadic(np.clip(v, -SPAN, SPAN))) for v in (v1, v2))
    u1 = np.unique(_dyadic(np.minimum(u1, _LARGEST_U)))
    return _best_of_grid(*mixed_radii(h, bending, v1, u1, v2, _LARGEST_U, largest), "mixed", kept)


def _apart(candidates: list[MinimumCandidate]) -> list[MinimumCandidate]:
    """The best few that are no neighbours and no mirror images of better ones."""
    kept: list[MinimumCandidate] = []
    for candidate in candidates:
        place = np.abs([candidate.v1, candidate.v2])
        if all(np.abs(place - np.abs([other.v1, other.v2])).max() > 0.25 for other in kept):
            kept.append(candidate)
        if len(kept) == _BASINS:
            break
    return kept
