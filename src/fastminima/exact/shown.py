"""Numbers as text that claim no more than is proved."""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal
from fractions import Fraction

from .dyadic import round_fraction

__all__ = ["digits", "ratio", "rounded_down", "rounded_up", "shown_exactly"]


def rounded_down(radius: float, digits: int) -> str:
    """A radius in a few digits, none of which claims more than is proved."""
    return f"{Context(prec=digits, rounding=ROUND_DOWN).create_decimal(radius).normalize():f}"


def rounded_up(bound: float, digits: int = 2) -> str:
    """An upper bound in a few digits, none of which claims more than is proved."""
    return f"{Context(prec=digits, rounding=ROUND_UP).create_decimal(bound):g}" if bound else "0"


def shown_exactly(level: Fraction) -> str:
    """A rational as it is where that is short, else in six digits."""
    if len(text := ratio(level)) <= 12:
        return text
    number = round_fraction(level)
    # beyond float64 decimals go on
    shown = number if number and math.isfinite(number) else Decimal(level.numerator) / level.denominator
    return f"{shown:.6g}"


def digits(number: int) -> str:
    """An integer in decimal, of any length: Python refuses more than 4,300 digits, decimals do not."""
    try:
        return str(number)
    except ValueError:
        return f"{Decimal(number):f}"


def ratio(value: Fraction) -> str:
    """A rational with every digit: "p/q", or "p"."""
    p, q = digits(value.numerator), digits(value.denominator)
    return p if value.denominator == 1 else f"{p}/{q}"
