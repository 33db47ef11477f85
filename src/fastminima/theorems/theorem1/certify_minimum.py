"""Proof of step 1: the certified radius of a spurious minimum, and how far its risk lies above least squares."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.exact.dyadic import round_fraction, round_up, rounded_difference
from fastminima.exact.margin import exact_margin
from fastminima.exact.matrix import dot
from fastminima.exact.roundoff import SLACK, U, gamma_n
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.threads import single_threaded_blas

from .unit_in_frame import unit_in_frame

__all__ = ["Margin", "certify_margin", "excess_bound", "float_margin", "positive_affine"]

# A radius proved in float64 keeps all but a millionth of the distance.
_TIGHT = 1e6


@dataclass(frozen=True)
class Margin:
    """min over units k and samples i of z_k(x_i)/||x~_i||: a proved lower bound (<= 0: not proved positive)."""

    radius: float
    method: str


def certify_margin(network: OneHiddenLayer, fit: LeastSquares) -> Margin:
    """Certified radius of theorem 1, step 1 for the float64 network: its distance to the nearest activation boundary."""
    with single_threaded_blas():
        radius = _envelope_margin(network, fit)
        if radius > 0.0:
            return Margin(radius, "float")
        radius = float_margin(network, fit)
        if radius > 0.0:
            return Margin(radius, "float")
        W1, b1, _, _ = network.parameters()
        exact = exact_margin(W1, b1, fit.data)
    return Margin(max(exact, 0.0), "exact")


def float_margin(network: OneHiddenLayer, fit: LeastSquares) -> float:
    frame = fit.frame
    if frame.entry_error or frame.exponents.any():
        return 0.0  # row norms of the data as given are the exact route's business
    W1, b1, _, _ = network.parameters()
    active = W1.any(axis=1)
    dead = float(b1[~active].min()) if not active.all() else math.inf
    units = [
        unit_in_frame(frame, fit.column_max, row, bias, 0.0)
        for row, bias in zip(W1[active], b1[active].tolist(), strict=True)
    ]
    if any(unit is None for unit in units) or dead <= 0.0:
        return 0.0
    known = [unit for unit in units if unit is not None]
    directions = (
        np.stack([unit.slopes for unit in known], axis=1) if known else np.empty((frame.n_features, 0))
    )
    # lower end of each unit's enclosure, as one shift of its level
    levels = np.array([unit.level for unit in known])
    errors = np.array([unit.error for unit in known])
    smallest, largest_norm, loss = math.inf, 1.0, 0.0
    for rows, X, _, _ in frame.blocks():
        norms = frame.norms(rows, X)
        largest_norm = max(largest_norm, float(norms.max()))
        if known:
            Z = X @ directions + levels
            Z -= errors
            smallest = min(smallest, float((Z.min(axis=1) / norms).min()))
            loss = max(loss, float(errors.max() / norms.min()))
    if not math.isfinite(largest_norm):
        return 0.0
    # ||x~|| is a sum of n + 1 squares under a root: relative error below gamma_{n+4}; the quotient and the
    # subtraction of the error add three roundings
    shrink = (1.0 - gamma_n(frame.n_features + 8) * SLACK) / SLACK
    radius = min(smallest, dead / largest_norm) * shrink
    # below the normal numbers rounding is not relative, and where the bound takes a share of the margin the radius
    # would not be tight: both are the exact route's business
    loose = smallest < loss * _TIGHT
    return radius if radius >= sys.float_info.min and not loose else 0.0


def _envelope_margin(network: OneHiddenLayer, fit: LeastSquares) -> float:
    """The margin of a network whose one live row is a multiple of the fit, from the samples that can attain it.

    Row z = a x' + b is c (t + h) + e with t the fit, c = a_j / slopes_j at its largest coefficient, h = b/c less the
    value of the fit at the centre, and |e| <= sum_j |a_j - c slopes_j| max|x'_j|.
    """
    frame, envelope = fit.frame, fit.samples.nearest_samples()
    W1, b1, _, _ = network.parameters()
    active = np.flatnonzero(W1.any(axis=1))
    unknown = not (envelope.t.size and envelope.t_max < math.inf)
    if unknown or frame.entry_error or frame.exponents.any() or len(active) > 1:
        return 0.0
    fixed = b1[~W1.any(axis=1)]
    dead = float(fixed.min()) if len(fixed) else math.inf
    if dead <= 0.0:
        return 0.0
    smallest = math.inf
    for k in active.tolist():
        a, slopes = [Fraction(v) for v in W1[k].tolist()], [Fraction(v) for v in fit.slopes.tolist()]
        j = int(np.abs(fit.slopes * fit.column_max).argmax())
        if not slopes[j] or a[j] / slopes[j] <= 0:
            return 0.0
        c = a[j] / slopes[j]
        level = Fraction(float(b1[k])) + sum(
            (s * Fraction(v) for s, v in zip(a, frame.centre.tolist(), strict=True)), Fraction(0)
        )
        h = round_fraction(level / c - Fraction(fit.value_at_centre))
        off = sum(
            (
                abs(s - c * w) * Fraction(x)
                for s, w, x in zip(a, slopes, fit.column_max.tolist(), strict=True)
            ),
            Fraction(0),
        )
        # rounding of t and h, what the envelope leaves out, and e
        slip = (fit.dot_error + 4.0 * U * abs(h) + envelope.slack(h) + round_fraction(off / c)) * SLACK
        room = envelope.t + h
        nearest = int(((room - slip) / envelope.norm).argmin())
        # where the bound takes a share of the margin the radius would not be tight
        if room[nearest] < slip * _TIGHT:
            return 0.0
        smallest = float((room[nearest] - slip) / envelope.norm[nearest]) * round_fraction(c)
    if not math.isfinite(envelope.largest_norm):
        return 0.0
    shrink = (1.0 - gamma_n(frame.n_features + 12) * SLACK) / SLACK
    radius = min(smallest, dead / envelope.largest_norm) * shrink
    return radius if radius >= sys.float_info.min else 0.0


def positive_affine(network: OneHiddenLayer) -> tuple[list[Fraction], Fraction]:
    """The affine function of a network all of whose preactivations are positive: exact slopes and intercept."""
    W1, b1, W2, b2 = network.parameters()
    s_plus = Fraction(network.slopes[0])
    # dead units are many where the width is large
    live = W2 != 0.0
    factors = [s_plus * Fraction(weight) for weight in W2[live].tolist()]
    slopes = [dot(factors, column) for column in W1[live].T.tolist()]
    return slopes, Fraction(b2) + dot(factors, b1[live].tolist())


def excess_bound(affine: tuple[list[Fraction], Fraction], fit: LeastSquares) -> float:
    """Proved upper bound on the risk of an affine function minus l_LS, in the units of the data.

    Exact where the fit is; else 1/2 (sum_k |delta_k| N_k + tau)^2, delta the difference to the float fit and
    N_k the column norms (triangle inequality).
    """
    if fit.method == "exact":
        return round_up(fit.exact.excess(*affine))
    slopes, level = fit.frame.to_frame(*affine)
    known = [fit.value_at_centre, *fit.slopes.tolist()]
    delta = [rounded_difference(a, b) for a, b in zip([level, *slopes], known, strict=True)]
    length = sum(abs(d) * n for d, n in zip(delta, fit.column_norm.tolist(), strict=True))
    length += fit.tau
    return fit.frame.risk_bound(0.5 * length * length * SLACK, math.inf)
