"""A hidden unit as an affine form of the centred inputs, with a bound for its rounding."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import round_fraction
from fastminima.exact.matrix import dot
from fastminima.exact.roundoff import SLACK
from fastminima.fit.bounds import affine_error
from fastminima.fit.centred_data import CentredData

__all__ = ["UnitInFrame", "unit_in_frame"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class UnitInFrame:
    """One hidden unit in the frame: z = x' @ slopes + level, rounded, with its bound and its output weight."""

    slopes: Array
    level: float
    weight: float
    error: float
    largest: float


def unit_in_frame(
    frame: CentredData, column_max: Array, row: Array, bias: float, weight: float
) -> UnitInFrame | None:
    """The unit in scaled inputs; None where float64 cannot hold it."""
    with np.errstate(over="ignore", under="ignore"):
        slopes = np.ldexp(row, frame.exponents)
        if not np.isfinite(slopes).all() or not np.array_equal(np.ldexp(slopes, -frame.exponents), row):
            return None
    rounded = round_fraction(dot([bias, *slopes.tolist()], [1.0, *frame.centre.tolist()]))
    try:
        scaled_weight = math.ldexp(weight, -frame.exponent_y)
    except OverflowError:
        return None
    if not math.isfinite(rounded) or math.ldexp(scaled_weight, frame.exponent_y) != weight:
        return None
    # the level is a rounded rational: one more relative error u, inside gamma_{n+4} of affine_error
    with np.errstate(over="ignore", invalid="ignore"):
        error = affine_error(frame, column_max, slopes, rounded)
        largest = (float(np.abs(slopes) @ column_max) + abs(rounded)) * SLACK + error
    return UnitInFrame(slopes, rounded, scaled_weight, error, largest) if math.isfinite(largest) else None
