"""Formulas in mpmath's arithmetic."""

from __future__ import annotations

import mpmath


class MP:
    """Formulas in mpmath's arithmetic: the formula's own words, evaluated by somebody else."""

    elementwise = False
    sqrt, exp, log, sin, cos, atan, erf = (
        staticmethod(getattr(mpmath, n)) for n in ("sqrt", "exp", "log", "sin", "cos", "atan", "erf")
    )

    def constant(self, value):
        return mpmath.mpf(value.numerator) / value.denominator

    def pi(self):
        return mpmath.mp.pi()

    def sign(self, x):
        return (x > 0) - (x < 0)

    def softplus(self, x):
        return mpmath.log1p(mpmath.exp(x))

    def either(self, c, a, b):
        assert mpmath.almosteq(a, b)
        return a
