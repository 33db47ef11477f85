"""Candidates for a better point, from the closed forms of theorem 1, step 2, rounded to float64 arrays.

Floating point chooses here and decides nothing: every candidate is certified before it is handed out.
Yun, Sra and Jadbabaie (2019), section 2 and appendix A2, cases 1 and 2; the kinks go beyond the paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..activation import PiecewiseLinear
from ..exact.dyadic import round_fraction
from ..landscape.kink import KinkModel, best_kinks
from ..least_squares import LeastSquares
from ..network import OneHiddenLayer
from ..splits import Search
from .pair import kink_network, pair_network
from .split_evidence import find_splits
from .theorem1 import SpuriousMinimum

__all__ = ["REACHES", "Candidate", "PushedSplit", "TiedSplit", "case1", "case2", "kinks"]

Array = NDArray[np.float64]

REACHES = {"limit": Fraction(1, 2), "paper": Fraction(1, 4)}
# A rounded network that is not better is moved: the same construction with smaller pushes.
_PUSHES = (Fraction(1), Fraction(1, 2), Fraction(1, 8), Fraction(1, 64), Fraction(1, 2**12))
# Positions of the exact J tried when float64 certifies none.
_EXACT_POSITIONS = 3
# Coordinates tried one by one when the best direction is lost to rounding.
_AXES = 8


@dataclass(frozen=True)
class PushedSplit:
    """Case 1, in the units of the data.

    Attributes
    ----------
    position : int
        0-based position p in sorted order of the fitted values; the paper's j is p + 1.
    S : float
        S_j, the sum of (weighted) residuals up to it.
    gap, beta : float
        fitted_(j+1) - fitted_(j), and the midpoint.
    gamma, u : float
        The push: outputs move by -u below and +u above, u = kappa gamma.
    """

    position: int
    S: float
    gap: float
    beta: float
    gamma: float
    u: float


@dataclass(frozen=True)
class TiedSplit:
    """Case 2, in the units of the data.

    Attributes
    ----------
    tied_value : float
        y*, the smallest tied fitted value whose group hides nonzero residuals.
    tied : int
        Distinct inputs in that group, J*.
    j1, j2 : int
        Samples that span the cut.
    alpha, rho : float
        Size of the tilt alpha v and relative push, gamma = rho alpha.
    beta, gamma : float
    """

    tied_value: float
    tied: int
    j1: int
    j2: int
    alpha: float
    rho: float
    beta: float
    gamma: float


@dataclass(frozen=True)
class Candidate:
    """A network to be certified, with the closed form of its drop in the units of the data.

    `found` is the certified split the network pushes apart, where there is one.
    """

    network: OneHiddenLayer | None
    drop: float
    split: PushedSplit | TiedSplit | None
    method: str
    found: Search | None = None


# ---- case 1: J is not empty ------------------------------------------------------------------------------


def case1(low: SpuriousMinimum, reach: str) -> Iterator[Candidate]:
    """W1 = [w; -w], b1 = [w_b - beta + gamma; -w_b + beta + gamma]: outputs fitted -+ kappa gamma."""
    fit, activation = low.fit, low.activation
    kappa = _kappa(activation)
    weight = _total_weight(fit)
    for position, S, lower, upper, found in _positions(low, reach):
        limit = REACHES[reach] * (upper - lower)
        best = max(-abs(kappa) * limit, min(abs(kappa) * limit, 2 * S / weight))
        for push in _PUSHES:
            u = best * push
            gamma, beta = u / kappa, (lower + upper) / 2
            network = pair_network(fit, *fit.affine, beta, gamma, activation, low.network.width)
            drop = 2 * u * S - weight * u * u / 2
            split = PushedSplit(position, *(round_fraction(v) for v in (S, upper - lower, beta, gamma, u)))
            yield Candidate(network, round_fraction(drop), split, "paper", found)


_Position = tuple[int, Fraction, Fraction, Fraction, Search | None]


def _positions(low: SpuriousMinimum, reach: str) -> Iterator[_Position]:
    """(position, S, lower, upper, split) to try, best first, as rationals in the units of the data."""
    fit, evidence = low.fit, low.evidence
    assert evidence is not None
    frame = fit.frame
    unit, centre = Fraction(2) ** frame.exponent_y, Fraction(frame.centre_y)
    best = evidence.best
    if best is not None and reach != "limit":
        best = find_splits(fit, low.activation, float(REACHES[reach]))
    if best is not None and best.position is not None and math.isfinite(best.S):
        yield (
            best.position,
            Fraction(best.S) * unit,
            (Fraction(best.lower) + centre) * unit,
            (Fraction(best.upper) + centre) * unit,
            best,
        )
        return
    yield from _exact_positions(fit)


def _exact_positions(fit: LeastSquares) -> Iterator[_Position]:
    """The members of the exact J with the widest gaps and largest sums; float64 only ranks them."""
    splits = fit.exact.J()
    order, positions = splits.order, splits.positions
    fitted, fitted_scale = fit.exact.fitted_numerators()
    residual, residual_scale = fit.exact.residual_numerators()
    ranked = fitted[order]
    weights = fit.data.sample_weight
    terms = residual[order]
    if weights is not None:
        terms = terms * np.array([Fraction(w) for w in weights[order].tolist()], dtype=object)
    sums = np.add.accumulate(terms)
    gaps = [int(ranked[p + 1] - ranked[p]) for p in positions]
    totals = [abs(Fraction(sums[p])) for p in positions]
    merit = [
        float(np.log2(float(g)) if g < 2**1000 else g.bit_length()) + _log2(t)
        for g, t in zip(gaps, totals, strict=True)
    ]
    for k in np.argsort(merit)[::-1][:_EXACT_POSITIONS].tolist():
        p = int(positions[k])
        yield (
            p,
            Fraction(sums[p]) * residual_scale,
            int(ranked[p]) * fitted_scale,
            int(ranked[p + 1]) * fitted_scale,
            None,
        )


def _log2(value: Fraction) -> float:
    return float(value.numerator.bit_length() - value.denominator.bit_length())


def _kappa(activation: PiecewiseLinear) -> Fraction:
    s_plus, s_minus = Fraction(activation.s_plus), Fraction(activation.s_minus)
    return (s_plus - s_minus) / (s_plus + s_minus)


def _total_weight(fit: LeastSquares) -> Fraction:
    if not fit.frame.weighted:
        return Fraction(fit.data.n_samples)
    if fit.search is not None:
        return Fraction(fit.frame.total_weight)  # of a scan: it only chooses the push
    weights = fit.data.sample_weight
    assert weights is not None
    return sum(map(Fraction, weights.tolist()), Fraction(0))


# ---- case 2: J is empty ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Merged:
    """Distinct inputs: representative rows, weights, group sums R_g, rank of their tied fitted value."""

    rows: NDArray[np.intp]
    weight: Array
    R: Array
    has_residual: NDArray[np.bool_]
    tie: NDArray[np.intp]
    tied_values: list[Fraction]


def _merge(fit: LeastSquares) -> _Merged:
    groups, splits = fit.exact.groups(), fit.exact.J()
    weights = np.ones(fit.data.n_samples) if fit.frame.weights is None else fit.frame.weights
    tie = np.empty(fit.data.n_samples, dtype=np.intp)
    tie[splits.order] = splits.tie_group
    leaders = splits.order[np.flatnonzero(np.diff(splits.tie_group, prepend=-1))]
    numerators, scale = fit.exact.fitted_numerators(leaders)
    return _Merged(
        rows=groups.first,
        weight=np.bincount(groups.ids, weights=weights).astype(np.float64),
        R=np.bincount(groups.ids, weights=weights * fit.residual_scaled).astype(np.float64),
        has_residual=groups.has_residual,
        tie=tie[groups.first],
        tied_values=[int(n) * scale for n in numerators],
    )


def case2(low: SpuriousMinimum, reach: str) -> Iterator[Candidate]:
    """Tilt the fit along v and push the halves of one tied group apart (theorem 1, step 2, case 2).

    Norms and inner products are the paper's first (origin of the inputs), then about the centre of the data, where
    an offset of the inputs no longer dwarfs v'x.
    """
    fit = low.fit
    merged = _merge(fit)
    points = fit.frame.gather(merged.rows)
    for origin in (fit.frame.centre, np.zeros(fit.data.n_features)):
        yield from _tilted(low, merged, points, origin, reach)


def _tilted(
    low: SpuriousMinimum, merged: _Merged, centred: Array, origin: Array, reach: str
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
    for factor in _PUSHES:
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


# ---- beyond the paper ------------------------------------------------------------------------------------


def kinks(
    low: SpuriousMinimum,
    n_kinks: int,
    directions: ArrayLike | None,
    n_directions: int,
    rng: np.random.Generator,
) -> Iterator[Candidate]:
    fit = low.fit
    # more kinks first; fewer ones are the fallback should rounding spoil the last
    models = _models(fit, n_kinks, directions, n_directions, rng)[::-1]
    for model in models:
        yield _kink(low, model)
    if directions is None:
        # the best direction may be one that float64 parameters cannot follow (columns collinear up to rounding)
        for axis in np.eye(fit.data.n_features)[:_AXES]:
            for model in _models(fit, 1, axis, 0, rng):
                yield _kink(low, model)


def _models(
    fit: LeastSquares, n_kinks: int, directions: ArrayLike | None, n_random: int, rng: np.random.Generator
) -> list[KinkModel]:
    with np.errstate(over="ignore", invalid="ignore"):
        return list(best_kinks(fit, n_kinks=n_kinks, directions=directions, n_random=n_random, rng=rng))


def _kink(low: SpuriousMinimum, model: KinkModel) -> Candidate:
    network = kink_network(low.fit, model, low.activation, low.network.width)
    return Candidate(network, low.fit.frame.risk_to_float(model.drop), None, "kink")
