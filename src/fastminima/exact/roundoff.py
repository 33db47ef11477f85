"""The unit roundoff u of float64 and the constants that every rounding bound is made of."""

from __future__ import annotations

import math

__all__ = ["SLACK", "U", "gamma_n"]

U = 2.0**-53


# Bounds are themselves computed in float64 with a few dozen roundings of non-negative terms: this factor
# covers up to 2^20 of them.
SLACK = 1.0 + 2.0**-32


def gamma_n(n: float) -> float:
    """gamma_n = n u / (1 - n u): the relative error of n roundings in any order; inf where n u >= 1/2.

    It is itself rounded: a bound made of it is widened, by `SLACK` or by a factor 1 + gamma_k.
    """
    return n * U / (1.0 - n * U) if n * U < 0.5 else math.inf
