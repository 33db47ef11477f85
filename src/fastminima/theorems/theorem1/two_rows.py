"""The minimum of step 1 with its slopes in two hidden rows: high halves and low halves.

(a) Why. Where columns are collinear up to rounding the slopes are huge and cancel on the data: rounding them to float64
    changes the output by a visible share of the residuals, and the float64 point then lies above the least-squares risk
    by as much. A point of step 1 is a minimum because nothing near it is below least squares, so what it lies above is
    room for lower points inside its radius.
(b) The family. Every network with s+ W2 W1 = w, s+ W2 b1 + b2 = w_b and all preactivations positive computes the
    affine function (w, w_b) on an open set of parameters, and is a minimum by theorem 1, step 1. With c the rounded output
    weight of the one-row point and v = w/(s+ c), exact,

        W1 = [fl(v); fl(v - fl(v)); 0],   W2 = [c, c, 0],   b1 = [p; q; dead],   b2 = w_b - s+ c (p + q)

    is a member: s+ W2 W1 = s+ c (fl(v) + fl(v - fl(v))) = w to a relative 2^-106 in each slope, and p, q > 0 are free as
    long as both rows are positive on all samples.
(c) The second row. |fl(v - fl(v)) x| <= sum_j |low_j| max|x_j|, about 2^-53 of the terms of v x: a bias q of four times that
    keeps the row positive. It starts at the bias of the one-row point's dead units, and the radius with it.
(d) The intercept. b2 is rounded to an ulp of itself; what that leaves of the intercept goes into q, whose ulp is finer
    where q is smaller. Where the risk is at the resolution of the targets only a smaller q helps: the caller shrinks it.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import round_fraction
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .certify_minimum import positive_affine

__all__ = ["SHRINKS", "in_two_rows", "with_remainder"]

Array = NDArray[np.float64]
Affine = tuple[list[Fraction], Fraction]

# Factors on the bias of the second row, tried in turn: the first whose excess does not show is taken. Only a choice.
SHRINKS = tuple(Fraction(1, 2**k) for k in (0, 8, 16, 24, 32, 40, 48))


def in_two_rows(
    fit: LeastSquares, affine: Affine, plain: OneHiddenLayer, shrink: Fraction
) -> OneHiddenLayer | None:
    """The member (b) next to the one-row point `plain`; None where float64 cannot hold it or the width is 1.

    Parameters
    ----------
    fit : LeastSquares
    affine : slopes and intercept of the exact least-squares function
    plain : OneHiddenLayer
        Row 0 alone carries the slopes; row 1 is dead and gives its place.
    shrink : Fraction
        Factor on the second bias, (d).
    """
    if plain.width < 2:
        return None
    W1, weight = plain.W1.copy(), float(plain.W2[0])
    factor = Fraction(plain.slopes[0]) * Fraction(weight)
    W1[0] = [round_fraction(v / factor) for v in affine[0]]
    if not np.isfinite(W1[0]).all():
        return None
    hidden = OneHiddenLayer(W1, plain.b1, plain.W2, 0.0, plain.activation)
    return with_remainder(fit, affine, hidden, (1, weight, Fraction(float(plain.b1[1])) * shrink))


def with_remainder(
    fit: LeastSquares, affine: Affine, hidden: OneHiddenLayer, row: tuple[int, float, Fraction]
) -> OneHiddenLayer | None:
    """Give one row what the rounding of the others left of `affine`, (b) to (d), and choose b2.

    Parameters
    ----------
    fit : LeastSquares
    affine : slopes and intercept wanted, exact
    hidden : OneHiddenLayer
        The others, all their preactivations positive on the samples; output weight 0 in the row to fill.
    row : (number, output weight, bias)
        Of the row to fill; its bias is raised where that is needed to keep it positive.
    """
    k, weight, bias = row
    slopes, level = positive_affine(hidden)
    factor = Fraction(hidden.slopes[0]) * Fraction(weight)
    W1, b1, W2 = hidden.W1.copy(), hidden.b1.copy(), hidden.W2.copy()
    W1[k] = [round_fraction((v - have) / factor) for v, have in zip(affine[0], slopes, strict=True)]
    if not np.isfinite(W1[k]).all():
        return None
    W2[k] = weight
    start = Fraction(round_fraction(max(bias, 4 * _reach(fit, W1[k]))))
    rest = affine[1] - level + Fraction(float(hidden.b2)) - factor * start
    b2 = round_fraction(rest)
    if not np.isfinite(b2):
        return None
    b1[k] = round_fraction(start + (rest - Fraction(b2)) / factor)
    return OneHiddenLayer(W1, b1, W2, b2, hidden.activation) if np.isfinite(b1[k]) else None


def _reach(fit: LeastSquares, row: Array) -> Fraction:
    """A bound on |row x| over the samples: sum_j |row_j| (max|x'_j| + |c_j|), each maximum doubled for its rounding."""
    frame = fit.frame
    sizes = (fit.column_max + np.abs(frame.centre)).tolist()
    return sum(
        (
            abs(Fraction(v)) * 2 * Fraction(size) * Fraction(2) ** int(e)
            for v, size, e in zip(row.tolist(), sizes, frame.exponents.tolist(), strict=True)
            if v
        ),
        Fraction(0),
    )
