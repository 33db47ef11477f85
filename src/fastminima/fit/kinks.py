"""The best single kink: one more unit along any direction, all linear coefficients refitted.

Beyond the paper: its pair of units is a proof device whose drop shrinks with the gaps between fitted values. Here
unit 1 carries an affine function in its positive region and every further unit one kink max(<u, x> - c, 0):

    drop(u, c) = 1/2 <r, phi>^2 / ||phi_perp||^2,      phi_perp = phi less its projection on span(1, X).

(a) Scan. Along u with t = <u, x> sorted downwards, phi_c and its inner products with an orthonormal basis Q of
    span(1, X) are affine in c between neighbours, so the drop is a ratio of two quadratics in c whose maximum has
    a closed form: one cumulative sum over the sorted samples, O(m dx) after the change of basis (the knot search of
    Friedman's MARS, 1991).
(b) Which direction. Coordinates, the fit's own direction, sums and differences of two coordinates while they are
    few, and random ones. On more than SUBSET rows the directions are ranked on a random subset, and only the
    FINALISTS are scanned on all rows. Floating point only chooses here: whoever uses the result certifies it.
(c) Greedy. Further kinks repeat (a) with the earlier ones in the basis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import DataError

from .centred_data import BLOCK
from .least_squares import LeastSquares

__all__ = ["Kink", "KinkModel", "KinkState", "best_kinks", "candidate_directions", "scan_direction"]

Array = NDArray[np.float64]

SUBSET = 20_000
FINALISTS = 3
_PAIRS_UP_TO = 12
# a projection residual this small relative to phi is rounding, not a direction to divide by
_NEGLIGIBLE = 1e-11
# t = <u, x> is rounded to about 2^-52 of |u||x|: with less spread than this its order says little
_FLAT = 2.0**-30


@dataclass(frozen=True)
class Kink:
    """One kink max(<direction, x'> - knot, 0) in the frame of the fit, and its output coefficient."""

    direction: Array
    knot: float
    coefficient: float


@dataclass(frozen=True)
class KinkModel:
    """value_at_centre + <slopes, x'> + sum of kinks, in the frame of the fit; `drop` is the closed form in scaled units."""

    slopes: Array
    value_at_centre: float
    kinks: tuple[Kink, ...]
    drop: float


def candidate_directions(
    fit: LeastSquares, directions: ArrayLike | None, n_random: int, rng: np.random.Generator
) -> Array:
    """Directions to try, (k, n_features), in the frame of the fit, each of unit spread over the data.

    Raises
    ------
    DataError
        If `directions` is not (k, n_features), not finite, or holds a zero row.
    """
    n = fit.data.n_features
    spread = np.where(fit.column_norm[1:] > 0.0, fit.column_norm[1:], 1.0)
    # directions have no length: their units matter among the columns only
    unit = fit.frame.exponents - fit.frame.exponents.max(initial=0)
    if directions is not None:
        try:
            given = np.atleast_2d(np.asarray(directions, dtype=np.float64))
        except (TypeError, ValueError) as error:
            raise DataError(f"directions must be real numbers of shape (k, {n}): {error}") from error
        if given.ndim != 2 or given.shape[1] != n or not len(given):
            raise DataError(f"directions must have shape (k, {n}), one row a direction, got {given.shape}")
        if not np.isfinite(given).all() or not given.any(axis=1).all():
            raise DataError("directions must be finite and no row may be zero")
        rows = [np.ldexp(_near_one(given), unit)]
    else:
        rows = [np.eye(n)]
        if fit.slopes.any():
            rows.append(fit.slopes[None, :])
        if 1 < n <= _PAIRS_UP_TO:
            pairs = list(combinations(range(n), 2))
            for sign in (1.0, -1.0):
                block = np.zeros((len(pairs), n))
                for row, (i, j) in enumerate(pairs):
                    block[row, i], block[row, j] = 1.0 / spread[i], sign / spread[j]
                rows.append(block)
        if n > 1:
            rows.append(rng.standard_normal((n_random, n)) / spread)
    stacked = _near_one(np.concatenate(rows))
    length = np.sqrt(np.square(stacked * spread).sum(axis=1, keepdims=True))
    return stacked / np.where(length > 0.0, length, 1.0)


def _near_one(rows: Array) -> Array:
    """Each row times the power of two that brings its largest entry to [1/2, 1)."""
    return np.ldexp(rows, -np.frexp(np.abs(rows).max(axis=1, keepdims=True, initial=0.0))[1])


@dataclass
class KinkState:
    """Residual and basis after the kinks chosen so far, on some rows of the data."""

    X: Array
    residual: Array
    weights: Array | None
    features: Array  # (m, p): 1, x' and the kinks so far

    def basis(self) -> Array:
        """T with features @ T orthonormal in the weighted inner product; dependent directions left out."""
        weighted = self.features if self.weights is None else self.features * self.weights[:, None]
        gram = self.features.T @ weighted
        size = np.sqrt(np.diag(gram))
        size[size == 0.0] = 1.0
        values, vectors = np.linalg.eigh(gram / size[:, None] / size[None, :])
        kept = values > values[-1] * 1e-13
        result: Array = (vectors[:, kept] / np.sqrt(values[kept])) / size[:, None]
        return result


def scan_direction(state: KinkState, T: Array, direction: Array) -> tuple[float, float]:
    """Best (drop, knot) along one direction."""
    t = state.X @ direction
    # collinear columns have directions along which the data do not move: what is left of t is rounding
    if np.ptp(t) <= _FLAT * float((np.abs(state.X) @ np.abs(direction)).max()):
        return 0.0, 0.0
    order = np.argsort(-t, kind="stable")
    k = T.shape[1]
    sums = np.zeros(5)  # sum w r, sum w r t, sum w, sum w t, sum w t^2 over samples above the knot
    A, B = np.zeros(k), np.zeros(k)  # sum w t q, sum w q
    best, knot = 0.0, 0.0
    for start in range(0, len(t) - 1, BLOCK):
        rows = order[start : start + BLOCK]
        ts, rs = t[rows], state.residual[rows]
        ws = np.ones(len(rows)) if state.weights is None else state.weights[rows]
        Q = (state.features[rows] @ T) * ws[:, None]
        terms = np.stack([ws * rs, ws * rs * ts, ws, ws * ts, ws * ts * ts], axis=1)
        running = np.cumsum(terms, axis=0) + sums
        As, Bs = np.cumsum(Q * ts[:, None], axis=0) + A, np.cumsum(Q, axis=0) + B
        sums, A, B = running[-1], As[-1], Bs[-1]
        after = order[start + len(rows)] if start + len(rows) < len(t) else None
        below = np.append(ts[1:], t[after] if after is not None else ts[-1])
        q, p, d2, d1, d0 = running.T
        e0 = d0 - np.einsum("ij,ij->i", As, As)
        e1 = d1 - np.einsum("ij,ij->i", As, Bs)
        e2 = d2 - np.einsum("ij,ij->i", Bs, Bs)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            stationary = (p * e1 - q * e0) / (p * e2 - q * e1)
        middle = 0.5 * (ts + below)
        stationary = np.clip(np.where(np.isfinite(stationary), stationary, middle), below, ts)
        for c in (stationary, below):
            den = e0 - c * (2.0 * e1 - c * e2)
            scale = d0 - c * (2.0 * d1 - c * d2)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                gain = 0.5 * (p - c * q) ** 2 / den
            gain[~(np.isfinite(gain) & (den > _NEGLIGIBLE * np.abs(d0)) & (scale > 0.0) & (ts > below))] = 0.0
            i = int(np.argmax(gain))
            if gain[i] > best:
                best, knot = float(gain[i]), float(c[i])
    return best, knot


def _rows(fit: LeastSquares, index: NDArray[np.intp] | None) -> KinkState:
    """State over all rows, or over a subset given by its row numbers."""
    X, residual = (
        fit.frame.gather(index),
        fit.residual_scaled if index is None else fit.residual_scaled[index],
    )
    weights = fit.frame.weights
    if weights is not None and index is not None:
        weights = weights[index]
    return KinkState(X, residual, weights, np.concatenate([np.ones((len(X), 1)), X], axis=1))


def best_kinks(
    fit: LeastSquares,
    *,
    n_kinks: int = 1,
    directions: ArrayLike | None = None,
    n_random: int = 64,
    rng: np.random.Generator,
) -> Iterator[KinkModel]:
    """Models with 1, 2, ..., `n_kinks` kinks, each the greedy best continuation of the one before.

    Parameters
    ----------
    fit : LeastSquares
    n_kinks : int
    directions : (k, n_features) array_like, optional
        Directions to try instead of the default set.
    n_random : int
        Random directions in the default set.
    rng : numpy.random.Generator

    Yields
    ------
    KinkModel
        Nothing where no direction has a positive drop in float64.
    """
    m, n = fit.data.n_samples, fit.data.n_features
    if n == 0 or m < 2:
        return
    tries = candidate_directions(fit, directions, n_random, rng)
    state = _rows(fit, None)
    subset = None
    if m > SUBSET and len(tries) > FINALISTS:
        subset = _rows(fit, np.sort(rng.choice(m, SUBSET, replace=False)))
    slopes, value, drop = fit.slopes.copy(), fit.value_at_centre, 0.0
    kinks: list[Kink] = []
    for _ in range(n_kinks):
        finalists = tries
        if subset is not None:
            T = subset.basis()
            # the fit of all rows leaves a residual that a subset's own columns still explain in part
            Q = subset.features @ T
            seen = subset.residual if subset.weights is None else subset.residual * subset.weights
            subset.residual = subset.residual - Q @ (Q.T @ seen)
            gains = np.array([scan_direction(subset, T, u)[0] for u in tries])
            finalists = tries[np.argsort(-gains, kind="stable")[:FINALISTS]]
        T = state.basis()
        scanned = [(*scan_direction(state, T, u), u) for u in finalists]
        gain, knot, direction = max(scanned, key=lambda item: item[0])
        if not gain > 0.0:
            return
        coefficients, new = _add(state, T, direction, knot)
        slopes = slopes + coefficients[1 : n + 1]
        value = value + float(coefficients[0])
        kinks = [
            Kink(old.direction, old.knot, old.coefficient + float(c))
            for old, c in zip(kinks, coefficients[n + 1 :], strict=True)
        ]
        kinks.append(Kink(direction, knot, new))
        if subset is not None:
            _follow(subset, kinks[-1], coefficients, new)
        drop += gain
        yield KinkModel(slopes, value, tuple(kinks), drop)


def _add(state: KinkState, T: Array, direction: Array, knot: float) -> tuple[Array, float]:
    """Refit with the new kink; returns the change of the old coefficients and the new one, and updates the state.

    With f = fit + a (phi - P phi) the best a is -<r, phi>/||phi_perp||^2 (r = fit - y).
    """
    phi = np.maximum(state.X @ direction - knot, 0.0)
    weighted = phi if state.weights is None else phi * state.weights
    Q = state.features @ T
    projection = T @ (Q.T @ weighted)
    perpendicular = phi - state.features @ projection
    wp = perpendicular if state.weights is None else perpendicular * state.weights
    a = -float(wp @ state.residual) / float(wp @ perpendicular)
    state.residual = state.residual + a * perpendicular
    state.features = np.concatenate([state.features, phi[:, None]], axis=1)
    return -a * projection, a


def _follow(subset: KinkState, kink: Kink, coefficients: Array, new: float) -> None:
    phi = np.maximum(subset.X @ kink.direction - kink.knot, 0.0)
    subset.residual = subset.residual + subset.features @ coefficients + new * phi
    subset.features = np.concatenate([subset.features, phi[:, None]], axis=1)
