"""Exact signs of slopes that are no rationals: probabilities against targets, log-odds against rationals.

exp of distinct rationals are linearly independent over the rationals (Lindemann and Weierstrass), so a comparison with
them is an equality only where that shows in the exponents; every other is settled by enough digits. `decimal` rounds
exp and ln correctly, so that each carries an error of one unit in its last digit.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction

import numpy as np

from fastminima.exact.dyadic import Ints
from fastminima.exact.matrix import RationalMatrix, Rationals

__all__ = ["log_odds_signs", "probability_signs"]

Bounds = tuple[Fraction, Fraction]
# digits of the first trial; each next one doubles them
_DIGITS = 20


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)


def _context(digits: int) -> Context:
    return Context(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX)


def _log(value: int, digits: int) -> Bounds:
    """ln of a whole number above 0."""
    centre = Fraction(_context(digits).ln(Decimal(value)))
    error = centre * Fraction(1, 10 ** (digits - 1))
    return centre - error, centre + error


def _exp(t: Fraction, digits: int) -> Bounds:
    """e^t for t <= 0."""
    if not t:
        return Fraction(1), Fraction(1)
    if t < -10 * digits:
        # e^10 > 10^4
        return Fraction(0), Fraction(1, 10 ** (4 * digits))
    context = _context(digits)
    centre = Fraction(context.exp(context.divide(Decimal(t.numerator), Decimal(t.denominator))))
    # the quotient is off by |t| units of its last digit, which e^t - 1 <= 2t (t <= 1) carries on; then its own rounding
    error = centre * (2 * abs(t) + 2) * Fraction(1, 10 ** (digits - 1))
    return max(centre - error, Fraction(0)), centre + error


def log_odds_signs(T: RationalMatrix, tau: Fraction) -> Ints:
    """Signs of t - ln(tau / (1 - tau)) for every entry t, 0 < tau < 1."""
    if 2 * tau == 1:
        return np.sign(T.numerators)
    signs = np.empty(T.shape, dtype=object)
    digits = _DIGITS
    limits = _log_odds(tau, digits)
    for place, row in enumerate(T.rows()):
        for k, t in enumerate(row):
            # t is rational and the logarithm is not
            while limits[0] <= t <= limits[1]:
                digits *= 2
                limits = _log_odds(tau, digits)
            signs[place, k] = 1 if t > limits[1] else -1
    return signs


def _log_odds(tau: Fraction, digits: int) -> Bounds:
    above, below = _log(tau.numerator, digits), _log(tau.denominator - tau.numerator, digits)
    return above[0] - below[1], above[1] - below[0]


def probability_signs(Z: Rationals, Y: Rationals) -> Ints:
    """Signs of p - y for every row, p = exp(z_c) / sum exp(z)."""
    signs = np.empty((len(Z), len(Z[0])), dtype=object)
    for i, (z, y) in enumerate(zip(Z, Y, strict=True)):
        level = len(set(z)) == 1
        for k, target in enumerate(y):
            if level:
                signs[i, k] = _sign(1 - len(z) * target)
            elif target <= 0 or target >= 1:
                # 0 < p < 1 where outputs differ
                signs[i, k] = 1 if target <= 0 else -1
            else:
                signs[i, k] = _probability_sign(z, k, target)
    return signs


def _probability_sign(z: list[Fraction], k: int, target: Fraction) -> int:
    """The sign of exp(z_k) - target sum exp(z), where outputs differ and 0 < target < 1: never 0."""
    top = max(z)
    digits = _DIGITS
    while True:
        terms = [_exp(v - top, digits) for v in z]
        low = terms[k][0] - target * sum(term[1] for term in terms)
        high = terms[k][1] - target * sum(term[0] for term in terms)
        if low > 0 or high < 0:
            return 1 if low > 0 else -1
        digits *= 2
