"""A place where a start may begin: a jump between two affine functions.

(a) Two kinks make a jump: with T > max |lambda|/|z| over the rows, max(lambda + T z, 0) - max(T z, 0) is the affine function
    lambda where z > 0 and 0 where z < 0. h_{s+,s-}(t) = s- t + (s+ - s-) max(t, 0): with any slopes it is that over s+ - s-,
    but for an affine function.
(b) The best jump along a direction: beyond a threshold, what an affine function fitted there alone takes off the risk,
    g'G^-1 g/2 for the Gram matrix G of the rows beyond and g = -(rows)'(residuals), from sums over the rows between few
    thresholds, which lie between rows that are neighbours along the direction.
All of this only proposes; a descent follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .scaled_rows import Candidate, ScaledRows

__all__ = ["jumped"]

F64 = NDArray[np.float64]

# only choices
_CUTS, _RIDGE, _STEEP = 24, 1e-10, 2.0


@dataclass(frozen=True)
class _Cuts:
    """A direction, thresholds along it, and sums over the rows before each of them.

    Attributes
    ----------
    direction : (dx,) float64
    thresholds : (c,) float64
    gram, moment : (c + 2, n, n), (c + 2, n)
        Of no rows, of those before each threshold, and of all.
    """

    direction: F64
    thresholds: F64
    gram: F64
    moment: F64


def _cuts(rows: ScaledRows, residuals: F64, direction: F64) -> _Cuts | None:
    """None where all rows are at one place along the direction."""
    X = rows.X
    along = X[:, :-1] @ direction / X[:, -1]
    order = np.argsort(along, kind="stable")
    place = along[order]
    edges = np.flatnonzero(np.diff(place) > 0.0) + 1
    if not len(edges):
        return None
    wanted = np.linspace(0, len(along), _CUTS + 2)[1:-1]
    edges = np.unique(edges[np.minimum(np.searchsorted(edges, wanted), len(edges) - 1)])
    thresholds = (place[edges - 1] + place[edges]) / 2.0
    bounds = np.array([0, *edges.tolist(), len(along)])
    n = X.shape[1]
    gram, moment = np.zeros((len(bounds), n, n)), np.zeros((len(bounds), n))
    Z, r = X[order], residuals[order]
    for k in range(1, len(bounds)):
        part = Z[bounds[k - 1] : bounds[k]]
        gram[k] = gram[k - 1] + part.T @ part
        moment[k] = moment[k - 1] - part.T @ r[bounds[k - 1] : bounds[k]]
    return _Cuts(direction, thresholds, gram, moment)


def _fits(gram: F64, moment: F64) -> tuple[F64, F64]:
    """Drops of the risk by affine functions on parts of the rows, and the functions."""
    size = np.trace(gram, axis1=-2, axis2=-1)[..., None, None]
    eye = np.eye(gram.shape[-1])
    functions = np.linalg.solve(gram + (_RIDGE * size + 1e-300) * eye, moment[..., None])[..., 0]
    return 0.5 * (functions * moment).sum(axis=-1), functions


def _pair(rows: ScaledRows, function: F64, direction: F64, threshold: float) -> tuple[F64, F64] | None:
    """(a): two hidden rows, of which the second counts -1; None where float64 cannot hold them."""
    bend = rows.slopes[0] - rows.slopes[1]
    X = rows.X / rows.X[:, -1:]
    z = np.append(direction, -threshold)
    with np.errstate(all="ignore"):
        steep = _STEEP * float(np.max(np.abs(X @ function) / np.abs(X @ z), initial=0.0))
        first, second = (function + steep * z) / bend, steep * z / bend
    if bend == 0.0 or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return None
    return first, second


def jumped(rows: ScaledRows, best: Candidate, units: tuple[int, int], directions: F64) -> Candidate:
    """The candidate with the best jump at two units that are 0 before."""
    residuals = rows.residuals(best)
    found: tuple[float, F64, F64, float] | None = None
    for direction in directions:
        cuts = _cuts(rows, residuals, direction)
        if cuts is None:
            continue
        before = cuts.gram[1:-1], cuts.moment[1:-1]
        beyond = cuts.gram[-1] - before[0], cuts.moment[-1] - before[1]
        for side, sums in ((1.0, beyond), (-1.0, before)):
            drops, functions = _fits(*sums)
            k = int(np.argmax(drops))
            if np.isfinite(drops[k]) and (found is None or drops[k] > found[0]):
                found = float(drops[k]), functions[k], side * direction, side * float(cuts.thresholds[k])
    pair = None if found is None else _pair(rows, *found[1:])
    if pair is None:
        return best
    parameters, sign = best.parameters.copy(), best.sign.copy()
    other = Candidate(np.inf, parameters, sign)
    for unit, row, s in zip(units, pair, (1.0, -1.0), strict=True):
        other.rows[unit], sign[unit] = row, s
    return other
