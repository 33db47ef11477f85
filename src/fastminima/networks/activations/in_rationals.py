"""Balls prove inequalities, never equality; where two pieces must meet exactly, rationals decide.

h, h' and h'' at a rational point where all of it is rational.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NoReturn

from fastminima.errors import ActivationError

from .formula import Formula, jet

__all__ = ["exact_jet"]


class _Rationals:
    """Arithmetic of rationals, with the few values of other functions that are rational."""

    elementwise = False

    def constant(self, value: Fraction) -> Fraction:
        return value

    def pi(self) -> NoReturn:
        _irrational()

    def sign(self, x: Fraction) -> int:
        return (x > 0) - (x < 0)

    def sqrt(self, x: Fraction) -> Fraction:
        if x < 0 or any(math.isqrt(part) ** 2 != part for part in (x.numerator, x.denominator)):
            _irrational()
        return Fraction(math.isqrt(x.numerator), math.isqrt(x.denominator))

    def exp(self, x: Fraction) -> Fraction:
        return _only(0, x, 1)

    def log(self, x: Fraction) -> Fraction:
        return _only(1, x, 0)

    def softplus(self, x: Fraction) -> NoReturn:
        _irrational()

    def sin(self, x: Fraction) -> Fraction:
        return _only(0, x, 0)

    def cos(self, x: Fraction) -> Fraction:
        return _only(0, x, 1)

    def atan(self, x: Fraction) -> Fraction:
        return _only(0, x, 0)

    def erf(self, x: Fraction) -> Fraction:
        return _only(0, x, 0)

    def either(self, c: Fraction, a: Fraction, b: Fraction) -> NoReturn:
        _irrational()


def _irrational() -> NoReturn:
    raise ActivationError("the value is not rational, or not known to be")


def _only(point: int, x: Fraction, value: int) -> Fraction:
    if x != point:
        _irrational()
    return Fraction(value)


def exact_jet(formula: Formula, point: Fraction) -> tuple[Fraction, Fraction, Fraction] | None:
    """(h, h', h'') where every step is rational, else None."""
    try:
        found: Any = jet(formula, point, _Rationals())
    except (ActivationError, ZeroDivisionError):
        return None
    return found.value, found.first, found.second
