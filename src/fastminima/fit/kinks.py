"""The best single kink: one more unit along any direction, all linear coefficients refitted.

Beyond the paper: its pair of units is a proof device whose drop shrinks with the gaps between fitted values. Here
unit 1 carries an affine function in its positive region and every further unit one kink max(<u, x> - c, 0):

    drop(u, c) = 1/2 <r, phi>^2 / ||phi_perp||^2,      phi_perp = phi less its projection on span(1, X).

(a) Scan. Along u with t = <u, x> sorted downwards, phi_c and its inner products with an orthonormal basis Q of
    span(1, X) are affine in c between neighbours, so the drop is a ratio of two quadratics in c whose maximum has
    a closed form: one cumulative sum over the sorted samples, O(m dx) after the change of basis (the knot search of
    Friedman's MARS, 1991). The loops are `kernels/_kinks.pyx`; directions are dealt to threads in groups.
(b) Which direction. Coordinates, the fit's own direction, sums and differences of two coordinates while they are
    few, and random ones. On more than COARSE_FROM rows they are ranked by every STRIDE-th knot, on more than SUBSET
    rows on a random subset, and only the FINALISTS are scanned at every knot of all rows. Floating point only chooses
    here: whoever uses the result certifies it.
(c) Greedy. Further kinks repeat (a) with the earlier ones in the basis.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import DataError
from fastminima.kernels import _kinks as kernels

from .least_squares import LeastSquares

__all__ = [
    "Kink",
    "KinkModel",
    "KinkScan",
    "KinkState",
    "best_kinks",
    "candidate_directions",
    "scan_directions",
]

Array = NDArray[np.float64]

SUBSET = 20_000
FINALISTS = 3
# where directions are ranked by every STRIDE-th knot
COARSE_FROM = 2_048
STRIDE = 8
_PAIRS_UP_TO = 12
# directions that one thread projects and scans at a time, and the numbers from which threads pay
_GROUP = 8
_THREADS_FROM = 1_000_000
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


def scan_directions(state: KinkState, T: Array, directions: Array, stride: int = 1) -> Array:
    """`KinkScan.best` of a state that is scanned once."""
    return KinkScan.of(state, T).best(directions, stride)


@dataclass(frozen=True)
class KinkScan:
    """A state as the kernel reads it, for any number of scans."""

    X: Array
    size: Array  # |X|
    rows: Array  # w q, (m, a multiple of the kernel's lanes)
    wr: Array
    weights: Array

    @classmethod
    def of(cls, state: KinkState, T: Array) -> KinkScan:
        m, k = len(state.X), T.shape[1]
        weights = np.ones(m) if state.weights is None else np.ascontiguousarray(state.weights)
        rows = np.zeros((m, -(-max(k, 1) // kernels.LANES) * kernels.LANES))
        np.matmul(state.features, T, out=rows[:, :k])
        rows[:, :k] *= weights[:, None]
        return cls(state.X, np.abs(state.X), rows, weights * state.residual, weights)

    def best(self, directions: Array, stride: int = 1) -> Array:
        """Best (drop, knot) along each direction, (d, 2); every `stride`-th knot is tried. 0, 0 where there is none.

        Which threads scan which directions changes nothing: each direction is scanned by itself.
        """
        found = np.zeros((len(directions), 2))
        groups = [slice(start, start + _GROUP) for start in range(0, len(directions), _GROUP)]

        def scan(group: slice) -> None:
            self._scan(directions[group], stride, found[group])

        much = len(self.X) * len(directions) > _THREADS_FROM
        threads = min(len(groups), os.cpu_count() or 1) if much else 1
        if threads == 1:
            for group in groups:
                scan(group)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(scan, groups))
        return found

    def _scan(self, directions: Array, stride: int, found: Array) -> None:
        m = len(self.X)
        projections = directions @ self.X.T
        # collinear columns have directions along which the data do not move: what is left of t is rounding
        flat = _FLAT * (np.abs(directions) @ self.size.T).max(axis=1)
        work = np.empty(m + 2 * self.rows.shape[1])
        orders, counts = np.empty((2, m), dtype=np.uint64), np.empty(kernels.DIGITS, dtype=np.uint32)
        kernels.scan_knots(
            projections,
            flat,
            self.rows,
            self.wr,
            self.weights,
            stride,
            kernels.BEST_VARIANT,
            work,
            orders,
            counts,
            found,
        )


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
            finalists = _best_of(tries, scan_directions(subset, T, tries, STRIDE), FINALISTS)
        T = state.basis()
        scan = KinkScan.of(state, T)
        if subset is None and m > COARSE_FROM:
            finalists = _best_of(tries, scan.best(tries, STRIDE), FINALISTS)
        scanned = scan.best(finalists)
        first = int(np.argmax(scanned[:, 0]))
        (gain, knot), direction = scanned[first].tolist(), finalists[first]
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


def _best_of(directions: Array, scanned: Array, count: int) -> Array:
    return directions[np.argsort(-scanned[:, 0], kind="stable")[:count]]


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
