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


def tilted_candidates(low: SpuriousMinimum, reach: str) -> Iterator[Candidate]:
    """Tilt the fit along v and push the halves of one tied group apart (theorem 1, step 2, case 2).

    Norms and inner products are the paper's first (origin of the inputs), then about the centre of the data, where
    an offset of the inputs no longer dwarfs v'x.
    """
    fit = low.fit
    merged = _distinct_inputs(fit)
    points = fit.frame.gather(merged.rows)
    for origin in (fit.frame.centre, np.zeros(fit.data.n_features)):
        yield from _tilted(low, merged, points, origin, reach)


def _tilted(
    low: SpuriousMinimum, merged: _DistinctInputs, centred: Array, origin: Array, reach: str
) -> Iterator[Candidate]:
    fit, activation, frame = low.fit, low.activation, low.fit.frame
    kappa = activation.kappa
    unit = Fraction(2) ** frame.exponent_y
    points = centred + origin
    star = int(merged.tie[merged.has_residual].min())
    group = np.flatnonzero(merged.tie == star)
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points))
    carriers = group[merged.has_residual[group]]
    j1 = int(carriers[np.argmax(lengths[carriers])])
    if lengths[j1] == 0.0:
        return
    along = points[group] @ points[j1]
    upper_part = (along >= lengths[j1] ** 2) | (group == j1)
    below = group[~upper_part]
    if not len(below):
        return
    j2 = int(below[np.argmax(along[~upper_part])])
    distinct = merged.tied_values
    if len(distinct) > 1:
        step = min(b - a for a, b in pairwise(distinct)) / unit
        g = round_fraction(step) / 4
    else:
        # no other fitted value to respect: any g > 0 will do, at the scale of the residuals
        g = 2.0 * float(np.abs(fit.residual_scaled).max())
    v = points[j1] * (g / (lengths.max() * lengths[j1]))
    push = float(v @ (points[j1] - points[j2])) * float(REACHES[reach])
    rho = math.copysign(push, kappa * merged.R[j1])
    on_L = merged.tie < star
    on_L[group[upper_part]] = True
    # R and the residuals are in scaled units, and so is v'x: the drop below is too
    moved = points @ v + np.where(on_L, kappa * rho, -kappa * rho)
    curvature = float(merged.weight @ (moved * moved))
    linear = 2.0 * kappa * rho * float(merged.R[j1])
    if not (linear > 0.0 and curvature > 0.0 and math.isfinite(curvature)):
        return
    best = linear / curvature if len(distinct) == 1 else min(1.0, linear / curvature)
    slopes, level = frame.to_frame(*fit.affine)
    tied = distinct[star] / unit - Fraction(frame.centre_y)
    for factor in PUSHES:
        alpha = best * float(factor)
        tilt = [Fraction(alpha) * Fraction(s) for s in v.tolist()]
        # q = fit - alpha v'(x' + c - origin'), x' + c the scaled input; the shift is exact
        shift = sum((t * (Fraction(o)) for t, o in zip(tilt, origin.tolist(), strict=True)), Fraction(0))
        q, q0 = frame.from_frame([s - t for s, t in zip(slopes, tilt, strict=True)], level - shift)
        ends = [
            Fraction(a) + Fraction(b) for a, b in zip(points[j1].tolist(), points[j2].tolist(), strict=True)
        ]
        middle = sum((t * e for t, e in zip(tilt, ends, strict=True)), Fraction(0)) / 2
        beta = (tied - middle + Fraction(frame.centre_y)) * unit
        gamma = Fraction(rho) * Fraction(alpha) * unit
        network = pair_network(fit, q, q0, beta, gamma, activation, low.network.width)
        drop = frame.risk_to_float(alpha * (linear - 0.5 * alpha * curvature))
        split = TiedSplit(
            round_fraction(distinct[star]),
            len(group),
            int(merged.rows[j1]),
            int(merged.rows[j2]),
            alpha,
            rho,
            round_fraction(beta),
            round_fraction(gamma),
        )
        yield Candidate(network, drop, split, "paper")
