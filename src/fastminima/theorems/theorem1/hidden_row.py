"""The arrays of theorem 1, step 1: the slopes in one hidden row, shifted until every preactivation is positive."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import NetworkError
from fastminima.exact.dyadic import bit_size, round_fraction
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .certify_minimum import positive_affine
from .rounded_networks import EXPONENT_LIMIT

__all__ = ["hidden_row_parameters", "least_room", "no_representation", "with_output_bias"]

Array = NDArray[np.float64]

# Below this spread of the target the paper's -1 in eta costs the intercept more than ten of its 53 bits.
_SMALL_SPREAD = 2.0**-10


def hidden_row_parameters(
    fit: LeastSquares, activation: PiecewiseLinear, width: int, alpha: float
) -> tuple[Array, Array, Array, float, float]:
    """W1, b1, W2, eta and the alpha used."""
    frame, n = fit.frame, fit.data.n_features
    unit = Fraction(2) ** frame.exponent_y
    spread = Fraction(fit.y_max) * unit  # |y - c_y|
    one = Fraction(1)
    if 0 < spread < _SMALL_SPREAD:
        one = Fraction(2) ** bit_size(spread)
    lowest = (Fraction(fit.sums.lowest) + Fraction(frame.centre_y)) * unit
    slopes, intercept = fit.affine
    eta = min(-one, 2 * lowest)
    # far from the origin the bias is rounded to an ulp of itself: keep the preactivations well above that
    eta = min(eta, lowest - unit * Fraction(least_room(fit.slopes, fit)))
    row = [*slopes, intercept - eta, -eta]
    used = _representable_alpha(row, alpha, activation.s_plus)
    if math.isinf(round_fraction(eta)):
        raise no_representation("the output bias lies beyond 2^1024")
    factor = Fraction(used)
    W1 = np.zeros((width, n))
    W1[0] = [round_fraction(v if factor == 1 else factor * v) for v in slopes]
    b1 = np.full(width, round_fraction(-factor * eta))
    b1[0] = round_fraction(factor * (intercept - eta))
    W2 = np.zeros(width)
    W2[0] = round_fraction(1 / (factor * Fraction(activation.s_plus)))
    return W1, b1, W2, round_fraction(eta), used


def least_room(slopes: Array, fit: LeastSquares) -> float:
    """32 ulps of the bias of a unit with these slopes, in the frame: the least room above zero worth having."""
    frame = fit.frame
    size = float(np.abs(slopes) @ (np.abs(frame.centre) + fit.column_max)) + abs(frame.centre_y)
    return size * 2.0**-48


def _representable_alpha(row: list[Fraction], alpha: float, s_plus: float) -> float:
    """alpha, times a power of two where alpha*row or 1/(alpha s_plus) would leave the range of float64."""
    top = max(bit_size(v) for v in row if v) + bit_size(Fraction(alpha))
    weight = -bit_size(Fraction(alpha) * Fraction(s_plus))
    if abs(top) <= EXPONENT_LIMIT and abs(weight) <= EXPONENT_LIMIT:
        return alpha
    # a shift by k moves the row up and the output weight down: centre the two
    shift = (weight - top) // 2
    used = Fraction(alpha) * Fraction(2) ** shift
    if max(abs(top + shift), abs(weight - shift), abs(bit_size(used))) > EXPONENT_LIMIT:
        raise no_representation(f"about 2^{top}")
    return float(used)


def no_representation(size: str) -> NetworkError:
    """The error of slopes of such a size."""
    return NetworkError(
        f"the least-squares slopes of these data have no float64 representation ({size}); "
        "rescale columns or target by powers of two"
    )


def with_output_bias(fit: LeastSquares, hidden: OneHiddenLayer) -> OneHiddenLayer:
    """Choose b2 for the rounded W1, b1, W2 of `hidden`."""
    frame = fit.frame
    slopes, intercept = positive_affine(hidden)
    _, level = frame.to_frame(slopes, intercept)
    wanted = (Fraction(fit.value_at_centre) - level) * Fraction(2) ** frame.exponent_y
    b2 = round_fraction(wanted)
    if not math.isfinite(b2):
        raise no_representation("the output bias lies beyond 2^1024")
    return replace(hidden, b2=b2)
