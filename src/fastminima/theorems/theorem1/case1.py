"""Step 2 where some split set J has a push (the paper's case 1): units moved apart along eta."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from fastminima.exact.dyadic import bit_size, round_fraction
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.theorems.theorem1.splits.search import SplitSearch

from .candidate import PUSHES, REACHES, Candidate, PushedSplit
from .evidence import certified_splits
from .minimum import SpuriousMinimum
from .rounded_networks import pair_network

__all__ = ["pushed_candidates"]

# Positions of the exact J tried when float64 certifies none.
_EXACT_POSITIONS = 3


def pushed_candidates(low: SpuriousMinimum, reach: str) -> Iterator[Candidate]:
    """W1 = [w; -w], b1 = [w_b - beta + gamma; -w_b + beta + gamma]: outputs fitted -+ kappa gamma."""
    fit, activation = low.fit, low.activation
    kappa = _kappa(activation)
    weight = fit.samples.total_weight()
    for position, S, lower, upper, found in _positions(low, reach):
        limit = REACHES[reach] * (upper - lower)
        best = max(-abs(kappa) * limit, min(abs(kappa) * limit, 2 * S / weight))
        for push in PUSHES:
            u = best * push
            gamma, beta = u / kappa, (lower + upper) / 2
            network = pair_network(
                fit, fit.affine, beta=beta, gamma=gamma, activation=activation, width=low.network.width
            )
            drop = 2 * u * S - weight * u * u / 2
            split = PushedSplit(
                position=position,
                S=round_fraction(S),
                gap=round_fraction(upper - lower),
                beta=round_fraction(beta),
                gamma=round_fraction(gamma),
                u=round_fraction(u),
            )
            yield Candidate(
                network=network, drop=round_fraction(drop), method="paper", split=split, found=found
            )


_Place = tuple[int, Fraction, Fraction, Fraction, SplitSearch | None]


def _positions(low: SpuriousMinimum, reach: str) -> Iterator[_Place]:
    """(position, S, lower, upper, split) to try, best first, as rationals in the units of the data."""
    fit, frame = low.fit, low.fit.frame
    unit, centre = Fraction(2) ** frame.exponent_y, Fraction(frame.centre_y)
    best = low.evidence.best
    if best is not None and reach != "limit":
        best = certified_splits(fit, low.activation, float(REACHES[reach]))
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


def _exact_positions(fit: LeastSquares) -> Iterator[_Place]:
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
        float(np.log2(float(g)) if g < 2**1000 else g.bit_length()) + bit_size(t)
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


def _kappa(activation: PiecewiseLinear) -> Fraction:
    s_plus, s_minus = Fraction(activation.s_plus), Fraction(activation.s_minus)
    return (s_plus - s_minus) / (s_plus + s_minus)
