"""Exact networks rounded to float64 in an order that keeps what they gain.

The drop of a better point can be far below the risk, and offsets in the data can be far above both. So every
network is rounded in three steps: the slopes; then the biases, computed exactly *for the rounded slopes* at the
centre of the data; then b2, computed exactly for everything already rounded. What is left is of second order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import bit_size, round_fraction
from fastminima.exact.matrix import dot
from fastminima.fit.kinks import KinkModel
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer

__all__ = ["EXPONENT_LIMIT", "kink_network", "pair_network", "power_of_two_scale"]

Array = NDArray[np.float64]

# exponents that leave float64 room for sums and roundings on both sides
EXPONENT_LIMIT = 1015


def power_of_two_scale(row: list[Fraction], weight: Fraction) -> Fraction | None:
    """A power of two s so that s*row and weight/s are well inside float64; None where there is none."""
    top = max((bit_size(v) for v in row if v), default=0)
    low = bit_size(weight)
    if abs(top) <= EXPONENT_LIMIT and abs(low) <= EXPONENT_LIMIT:
        return Fraction(1)
    shift = (low - top) // 2
    if max(abs(top + shift), abs(low - shift)) > EXPONENT_LIMIT:
        return None
    return Fraction(2) ** shift


def _centre(fit: LeastSquares) -> Sequence[Fraction | float]:
    """The centre of the frame in the units of the data."""
    frame = fit.frame
    if frame.unscaled:
        centre: list[float] = frame.centre.tolist()
        return centre
    return [
        Fraction(c) * Fraction(2) ** int(e)
        for c, e in zip(frame.centre.tolist(), frame.exponents.tolist(), strict=True)
    ]


def _network(
    W1: Array, b1: Array, W2: Array, b2: float, activation: PiecewiseLinear
) -> OneHiddenLayer | None:
    if all(np.isfinite(part).all() for part in (W1, b1, W2, np.array(b2))):
        return OneHiddenLayer(W1, b1, W2, b2, activation)
    return None


def pair_network(
    fit: LeastSquares,
    affine: tuple[list[Fraction], Fraction],
    *,
    beta: Fraction,
    gamma: Fraction,
    activation: PiecewiseLinear,
    width: int,
) -> OneHiddenLayer | None:
    """Theorem 1, step 2: the pair of units whose output is q(x) -+ kappa gamma below and above q(x) = beta.

    `affine` is q: its slopes and its intercept.

    W1 = [q_x; -q_x; 0], b1 = [q_0 - beta + gamma; -q_0 + beta + gamma; 0], W2 = [1, -1, 0]/(s+ + s-), b2 = beta.

    Returns None where float64 cannot hold it.
    """
    slopes, intercept = affine
    total = Fraction(activation.s_plus) + Fraction(activation.s_minus)
    exact_row = [*slopes, intercept - beta + gamma, -intercept + beta + gamma]
    scale = power_of_two_scale(exact_row, 1 / total)
    if scale is None:
        return None
    centre = _centre(fit)
    row = [round_fraction(v if scale == 1 else scale * v) for v in slopes]
    rounded = dot([v if math.isfinite(v) else 0.0 for v in row], centre)
    at_centre = scale * (intercept + dot(slopes, centre))
    start = at_centre - rounded  # the intercept that suits the rounded slopes
    first = round_fraction(start + scale * (gamma - beta))
    second = round_fraction(-start + scale * (gamma + beta))
    weight = round_fraction(1 / (scale * total))
    if not np.isfinite([*row, first, second, weight]).all():
        return None
    # f(centre) = b2 + weight a (z_1 - z_2) -+ kink, a = (s+ + s-)/2
    difference = 2 * rounded + Fraction(first) - Fraction(second)
    b2 = round_fraction(at_centre / scale - Fraction(weight) * total / 2 * difference)
    n = len(slopes)
    W1, b1, W2 = np.zeros((width, n)), np.zeros(width), np.zeros(width)
    W1[0], W1[1] = row, [-v for v in row]
    b1[0], b1[1] = first, second
    W2[0], W2[1] = weight, -weight
    return _network(W1, b1, W2, b2, activation)


def kink_network(
    fit: LeastSquares, model: KinkModel, activation: PiecewiseLinear, width: int
) -> OneHiddenLayer | None:
    """Unit 1 carries an affine function in its positive region, unit k + 1 the k-th kink (theory of the best kink).

    h(t) = s- t + (s+ - s-) max(t, 0), so a kink of weight a needs a/(s+ - s-) at the output, and its affine part
    a s-/(s+ - s-) t moves into unit 1. Returns None where float64 cannot hold it.
    """
    frame, n = fit.frame, fit.data.n_features
    s_plus, s_minus = Fraction(activation.s_plus), Fraction(activation.s_minus)
    centre = _centre(fit)
    W1, b1, W2 = np.zeros((width, n)), np.zeros(width), np.zeros(width)
    unit = Fraction(2) ** frame.exponent_y
    numbers = [
        model.value_at_centre,
        *model.slopes.tolist(),
        *(v for k in model.kinks for v in (k.knot, k.coefficient)),
    ]
    if not np.isfinite(numbers).all():
        return None
    affine, _ = frame.from_frame(
        [Fraction(v) for v in model.slopes.tolist()], Fraction(model.value_at_centre)
    )
    level = (Fraction(model.value_at_centre) + Fraction(frame.centre_y)) * unit  # value at the centre
    for k, kink in enumerate(model.kinks, start=1):
        raw = [
            Fraction(v) / Fraction(2) ** int(e)
            for v, e in zip(kink.direction.tolist(), frame.exponents.tolist(), strict=True)
        ]
        weight = Fraction(kink.coefficient) * unit / (s_plus - s_minus)
        scale = power_of_two_scale([*raw, dot(raw, centre), Fraction(kink.knot)], weight)
        if scale is None or not weight:
            return None
        row = [round_fraction(scale * v) for v in raw]
        rounded = [Fraction(v) for v in row]
        bias = round_fraction(-scale * Fraction(kink.knot) - dot(rounded, centre))
        out = round_fraction(weight / scale)
        if not np.isfinite([*row, bias, out]).all():
            return None
        W1[k], b1[k], W2[k] = row, bias, out
        share = Fraction(out) * s_minus
        affine = [a - share * v for a, v in zip(affine, rounded, strict=True)]
        level -= share * (dot(rounded, centre) + Fraction(bias))
    # raise unit 1 above zero on all samples by the spread of its own affine function
    inside = [
        round_fraction(a / unit * Fraction(2) ** int(e))
        for a, e in zip(affine, frame.exponents.tolist(), strict=True)
    ]
    # the residuals tell the size of the targets: a larger lift would cost b2 its digits
    reach, size = float(np.abs(inside) @ fit.column_max), float(np.abs(fit.residual_scaled).max())
    if not (np.isfinite(reach) and np.isfinite(size)):
        return None
    lift = (2 * Fraction(reach) + Fraction(size) / 2**20) * unit + abs(level) / 2**20
    scale = power_of_two_scale([*affine, lift, dot(affine, centre)], 1 / s_plus)
    if scale is None:
        return None
    row = [round_fraction(scale * a) for a in affine]
    if not np.isfinite(row).all():
        return None
    rounded = [Fraction(v) for v in row]
    bias, out = round_fraction(scale * lift - dot(rounded, centre)), round_fraction(1 / (scale * s_plus))
    if not np.isfinite([bias, out]).all():
        return None
    W1[0], b1[0], W2[0] = row, bias, out
    b2 = round_fraction(level - Fraction(out) * s_plus * (dot(rounded, centre) + Fraction(bias)))
    return _network(W1, b1, W2, b2, activation)
