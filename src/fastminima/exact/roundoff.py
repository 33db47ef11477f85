"""The unit roundoff u of float64 and the constants that every rounding bound is made of."""

from __future__ import annotations

__all__ = ["SLACK", "U", "gamma"]

U = 2.0**-53


# Bounds are themselves computed in float64 with a few dozen roundings of non-negative terms: this factor
# covers up to 2^20 of them.
SLACK = 1.0 + 2.0**-32


def gamma(n: int) -> float:
    """gamma_n = n u / (1 - n u), the constant of every bound here (rounded up)."""
    return n * U / (1.0 - n * U) * SLACK
