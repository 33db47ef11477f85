"""Step 2 where every split's sum vanishes (the paper's case 2): equal fitted values told apart by a tilt."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import round_fraction
from fastminima.fit.least_squares import LeastSquares

from .candidate import PUSHES, REACHES, Candidate, TiedSplit
from .minimum import SpuriousMinimum
from .rounded_networks import pair_network

__all__ = ["tilted_candidates"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _DistinctInputs:
    """Distinct inputs: representative rows, weights, group sums R_g, rank of their tied fitted value."""

    rows: NDArray[np.intp]
    weight: Array
    R: Array
    has_residual: NDArray[np.bool_]
    tie: NDArray[np.intp]
    tied_values: list[Fraction]


def _distinct_inputs(fit: LeastSquares) -> _DistinctInputs:
    groups, splits = fit.exact.groups(), fit.exact.J()
    weights = np.ones(fit.data.n_samples) if fit.frame.weights is None else fit.frame.weights
    tie = np.empty(fit.data.n_samples, dtype=np.intp)
    tie[splits.order] = splits.tie_group
    leaders = splits.order[np.flatnonzero(np.diff(splits.tie_group, prepend=-1))]
    numerators, scale = fit.exact.fitted_numerators(leaders)
    return _DistinctInputs(
        rows=groups.first,
        weight=np.bincount(groups.ids, weights=weights).astype(np.float64),
        R=np.bincount(groups.ids, weights=weights * fit.residual_scaled).astype(np.float64),
        has_residual=groups.has_residual,
        tie=tie[groups.first],
        tied_values=[int(n) * scale for n in numerators],
    )


@dataclass(frozen=True)
class _Cut:
    """The group J* of inputs tied at y*, cut in two: x_j1 and what lies as far along it on one side, x_j2 on the other.

    `points` are the distinct inputs about the origin in use; `longest` and `length` the norms of the longest and of x_j1.
    """

    points: Array
    star: int
    group: NDArray[np.intp]
    upper_part: NDArray[np.bool_]
    j1: int
    j2: int
    # so small, maybe, that their product is 0: NumPy then divides by it, to inf, where a Python float would raise
    longest: np.float64
    length: np.float64


@dataclass(frozen=True)
class _Tilt:
    """The tilt alpha v with the push rho alpha: the drop is alpha linear - alpha^2/2 curvature, largest at `best`."""

    v: Array
    rho: float
    linear: float
    curvature: float
    best: float


def tilted_candidates(low: SpuriousMinimum, reach: str) -> Iterator[Candidate]:
    """Tilt the fit along v and push the halves of one tied group apart (theorem 1, step 2, case 2).

    Norms and inner products are the paper's first (origin of the inputs), then about the centre of the data, where
    an offset of the inputs no longer dwarfs v'x.
    """
    fit = low.fit
    inputs = _distinct_inputs(fit)
    centred = fit.frame.gather(inputs.rows)
    for origin in (fit.frame.centre, np.zeros(fit.data.n_features)):
        cut = _cut(inputs, centred + origin)
        tilt = None if cut is None else _tilt(low, inputs, cut, reach)
        if cut is not None and tilt is not None:
            yield from _candidates(low, inputs, cut, tilt, origin)


def _cut(inputs: _DistinctInputs, points: Array) -> _Cut | None:
    """Of the lowest tied group that hides residuals; None where no input of it lies apart from the longest."""
    star = int(inputs.tie[inputs.has_residual].min())
    group = np.flatnonzero(inputs.tie == star)
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points))
    carriers = group[inputs.has_residual[group]]
    j1 = int(carriers[np.argmax(lengths[carriers])])
    if lengths[j1] == 0.0:
        return None
    along = points[group] @ points[j1]
    upper_part = (along >= lengths[j1] ** 2) | (group == j1)
    below = group[~upper_part]
    if not len(below):
        return None
    j2 = int(below[np.argmax(along[~upper_part])])
    return _Cut(points, star, group, upper_part, j1, j2, lengths.max(), lengths[j1])


def _tilt(low: SpuriousMinimum, inputs: _DistinctInputs, cut: _Cut, reach: str) -> _Tilt | None:
    """The direction v, the relative push rho and the closed form of the drop; None where float64 sees no drop."""
    fit, points, distinct = low.fit, cut.points, inputs.tied_values
    kappa = low.activation.kappa
    if len(distinct) > 1:
        step = min(b - a for a, b in pairwise(distinct)) / Fraction(2) ** fit.frame.exponent_y
        g = round_fraction(step) / 4
    else:
        # no other fitted value to respect: any g > 0 will do, at the scale of the residuals
        g = 2.0 * float(np.abs(fit.residual_scaled).max())
    v = points[cut.j1] * (g / (cut.longest * cut.length))
    push = float(v @ (points[cut.j1] - points[cut.j2])) * float(REACHES[reach])
    R = float(inputs.R[cut.j1])
    rho = math.copysign(push, kappa * R)
    on_L = inputs.tie < cut.star
    on_L[cut.group[cut.upper_part]] = True
    # R and the residuals are in scaled units, and so is v'x: the drop below is too
    moved = points @ v + np.where(on_L, kappa * rho, -kappa * rho)
    curvature = float(inputs.weight @ (moved * moved))
    linear = 2.0 * kappa * rho * R
    if not (linear > 0.0 and curvature > 0.0 and math.isfinite(curvature)):
        return None
    best = linear / curvature if len(distinct) == 1 else min(1.0, linear / curvature)
    return _Tilt(v, rho, linear, curvature, best)


def _candidates(
    low: SpuriousMinimum, inputs: _DistinctInputs, cut: _Cut, tilt: _Tilt, origin: Array
) -> Iterator[Candidate]:
    fit, frame, points = low.fit, low.fit.frame, cut.points
    unit = Fraction(2) ** frame.exponent_y
    slopes, level = frame.to_frame(*fit.affine)
    y_star = inputs.tied_values[cut.star]
    tied = y_star / unit - Fraction(frame.centre_y)
    for factor in PUSHES:
        alpha = tilt.best * float(factor)
        tilted = [Fraction(alpha) * Fraction(s) for s in tilt.v.tolist()]
        # q = fit - alpha v'(x' + c - origin'), x' + c the scaled input; the shift is exact
        shift = sum((t * (Fraction(o)) for t, o in zip(tilted, origin.tolist(), strict=True)), Fraction(0))
        q, q0 = frame.from_frame([s - t for s, t in zip(slopes, tilted, strict=True)], level - shift)
        ends = [
            Fraction(a) + Fraction(b)
            for a, b in zip(points[cut.j1].tolist(), points[cut.j2].tolist(), strict=True)
        ]
        middle = sum((t * e for t, e in zip(tilted, ends, strict=True)), Fraction(0)) / 2
        beta = (tied - middle + Fraction(frame.centre_y)) * unit
        gamma = Fraction(tilt.rho) * Fraction(alpha) * unit
        network = pair_network(
            fit, (q, q0), beta=beta, gamma=gamma, activation=low.activation, width=low.network.width
        )
        drop = frame.risk_to_float(alpha * (tilt.linear - 0.5 * alpha * tilt.curvature))
        split = TiedSplit(
            tied_value=round_fraction(y_star),
            tied=len(cut.group),
            j1=int(inputs.rows[cut.j1]),
            j2=int(inputs.rows[cut.j2]),
            alpha=alpha,
            rho=tilt.rho,
            beta=round_fraction(beta),
            gamma=round_fraction(gamma),
        )
        yield Candidate(network=network, drop=drop, method="paper", split=split)
