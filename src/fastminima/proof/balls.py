"""Ball arithmetic for activations: enclosures of h, h' and h'' over intervals, and what is proved from them.

python-flint's `arb` (the extra `proof`) carries midpoint and radius with outward rounding, so every comparison that comes
out true is a theorem. Over an interval an enclosure widens with every occurrence of t; cutting the interval in halves
until a sign is certain, or too many pieces are, gives decisions that are as sharp as the work allows.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from fastminima._optional import require
from fastminima.errors import ActivationError
from fastminima.formula import Formula, evaluate, jet, polynomial

__all__ = ["Balls", "Interval"]

Interval = tuple[Fraction, Fraction]
# bits of the midpoints
_PRECISION = 106
# pieces of an interval after which a question stays open
_PIECES = 4_000


class Balls:
    """An activation's formula in ball arithmetic.

    Parameters
    ----------
    formula : Formula
    precision : int
        Bits.

    Raises
    ------
    MissingDependencyError
        Without python-flint.
    """

    def __init__(self, formula: Formula, precision: int = _PRECISION) -> None:
        self._flint = require("flint", extra="proof", purpose="ball arithmetic")
        self.formula = formula
        self.precision = precision

    # ---- the arithmetic that formulas are evaluated in -----------------------------------------------------

    def constant(self, value: Fraction) -> Any:
        return self._flint.arb(value.numerator) / self._flint.arb(value.denominator)

    def pi(self) -> Any:
        return self._flint.arb.pi()

    def sign(self, x: Any) -> int:
        return 1 if x > 0 else -1 if x < 0 else 0

    def sqrt(self, x: Any) -> Any:
        return x.sqrt()

    def exp(self, x: Any) -> Any:
        return x.exp()

    def log(self, x: Any) -> Any:
        return x.log()

    def sin(self, x: Any) -> Any:
        return x.sin()

    def cos(self, x: Any) -> Any:
        return x.cos()

    def atan(self, x: Any) -> Any:
        return x.atan()

    def erf(self, x: Any) -> Any:
        return x.erf()

    def softplus(self, x: Any) -> Any:
        return (self.constant(Fraction(1)) + x.exp()).log()

    def either(self, c: Any, a: Any, b: Any) -> Any:
        return a.union(b)

    elementwise = False

    def nonzero(self, x: Any) -> bool:
        """Is 0 certainly outside?"""
        return bool(x != 0)

    def precisely(self) -> Any:
        """A context in which the results of arithmetic between balls carry this precision."""
        return self._flint.ctx.workprec(self.precision)

    # ---- enclosures ------------------------------------------------------------------------------------------

    def ball(self, low: Fraction, high: Fraction | None = None) -> Any:
        """A ball that holds [low, high]."""
        with self.precisely():
            if high is None or low == high:
                return self.constant(low)
            return self.constant(low).union(self.constant(high))

    def at(self, point: Fraction | float) -> Any:
        """h at a rational point; where two pieces meet, both values are inside."""
        return self.over(self.ball(Fraction(point)))

    def over(self, t: Any) -> Any:
        """h over a ball; where two pieces meet, both are inside."""
        with self.precisely():
            return evaluate(self.formula, t, self)

    def jet(self, low: Fraction, high: Fraction | None = None) -> tuple[Any, Any, Any]:
        """(h, h', h'') over [low, high]."""
        with self.precisely():
            result = jet(self.formula, self.ball(low, high), self)
        return result.value, result.first, result.second

    def bends(self, low: Fraction, high: Fraction, sign: int) -> bool:
        """Is sign h'' >= 0 proved on all of [low, high]?

        Polynomials, whose h'' may touch 0, are decided by the roots of odd multiplicity of h''; others on pieces.
        """
        coefficients = polynomial(self.formula)
        if coefficients is None:
            return self.everywhere(low, high, lambda j: bool(j[2] * sign >= 0))
        bend = self._flint.fmpq_poly([self._flint.fmpq(c.numerator, c.denominator) for c in coefficients])
        bend = bend.derivative().derivative()
        if bend.degree() < 0:
            return True
        for factor, multiplicity in bend.factor_squarefree()[1]:
            if multiplicity % 2:
                for root, _ in factor.complex_roots():
                    a, b = self.edges(root.real)
                    if root.imag.contains(0) and not (b <= low or a >= high):
                        return False
        # no change of sign inside: any point of the interval where h'' is not 0 has the sign of all
        points = (low + (high - low) * Fraction(k, bend.degree() + 2) for k in range(1, bend.degree() + 2))
        values = (bend(self._flint.fmpq(x.numerator, x.denominator)) for x in points)
        return all(value * sign >= 0 for value in values)

    def everywhere(
        self, low: Fraction, high: Fraction, holds: Callable[[tuple[Any, Any, Any]], bool]
    ) -> bool:
        """Is `holds` proved on pieces that cover [low, high]?

        An interval on which it is not proved is halved; at a point, or after 4,000 pieces, the answer is False.
        """
        stack, pieces = [(low, high)], 0
        while stack:
            a, b = stack.pop()
            pieces += 1
            if pieces > _PIECES:
                return False
            try:
                if holds(self.jet(a, b)):
                    continue
            except ActivationError:
                pass
            middle = (a + b) / 2
            # a piece that cannot be decided at its own middle will not be decided in halves
            try:
                at_middle = holds(self.jet(middle))
            except ActivationError:
                at_middle = False
            if not at_middle or a == b:
                return False
            stack += [(a, middle), (middle, b)]
        return True

    def bounds(
        self, low: Fraction, high: Fraction, order: int, pieces: int = 16
    ) -> tuple[Fraction, Fraction]:
        """Rational bounds (below, above) of h^(order) over [low, high], from `pieces` equal parts.

        Raises
        ------
        ActivationError
            Where a piece of the activation ends inside, or the enclosure is unbounded.
        """
        step = (high - low) / pieces
        below: Fraction | None = None
        above: Fraction | None = None
        for k in range(pieces if step else 1):
            a, b = self.edges(self.jet(low + k * step, low + (k + 1) * step)[order])
            below = a if below is None else min(below, a)
            above = b if above is None else max(above, b)
        assert below is not None
        assert above is not None
        return below, above

    def edges(self, x: Any) -> tuple[Fraction, Fraction]:
        """Dyadic rationals below and above everything in a ball."""
        if not x.is_finite():
            raise ActivationError("an enclosure has no bounds")
        low, high = x.lower(), x.upper()
        # an edge is itself a ball: its own radius goes outward
        return _rational(low.mid()) - _rational(low.rad()), _rational(high.mid()) + _rational(high.rad())


def _rational(x: Any) -> Fraction:
    """An exact ball (radius 0) as the dyadic number it is."""
    mantissa, exponent = x.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
