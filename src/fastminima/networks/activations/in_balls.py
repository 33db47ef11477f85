"""Ball arithmetic for activations: enclosures of h, h' and h'' over intervals, and what is proved from them.

python-flint's `arb` (the extra `proof`) carries midpoint and radius with outward rounding, so every comparison that comes
out true is a theorem. Over an interval an enclosure widens with every occurrence of t; cutting the interval in halves
until a sign is certain, or too many pieces are, gives decisions that are as sharp as the work allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from fastminima.errors import ActivationError
from fastminima.system.first_use import cached_property
from fastminima.system.packages import import_optional

from .flint_functions import FlintFunctions
from .formula import Formula, evaluate, freeze, jet
from .formula_shape import curvature, pieces, polynomial
from .in_rationals import exact_jet

__all__ = ["Balls"]

# bits of the midpoints
_PRECISION = 106
# pieces of an interval after which a question stays open, and of all intervals together: some seconds
_PIECES = 4_000
_ALL_PIECES = 50_000


class Balls(FlintFunctions):
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
        self._flint = import_optional("flint", extra="proof", purpose="ball arithmetic")
        self.formula = freeze(formula)
        self.precision = precision
        self._pieces_left = [_ALL_PIECES]

    @cached_property
    def _parts(self) -> tuple[list[Fraction], list[Balls]] | None:
        """Where pieces of the formula meet, and the pieces, which share the work that is left."""
        parts = pieces(self.formula)
        if parts is None:
            return None
        found = [Balls(formula, self.precision) for formula in parts[1]]
        for piece in found:
            piece._pieces_left = self._pieces_left
        return parts[0], found

    # ---- the arithmetic that formulas are evaluated in -----------------------------------------------------

    def constant(self, value: Fraction) -> Any:
        return self._flint.arb(value.numerator) / self._flint.arb(value.denominator)

    def pi(self) -> Any:
        return self._flint.arb.pi()

    def sign(self, x: Any) -> int:
        return 1 if x > 0 else -1 if x < 0 else 0

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
        """Is it proved that sign h is convex on [low, high]?

        h'' decides between the points where pieces meet, and at such a point that h is continuous and its slope does not
        fall (rise for sign -1). That makes every second difference nonnegative, twice differentiable or not.
        """
        if self._parts is None:
            return self._bends_smoothly(low, high, sign)
        breaks, smooth = self._parts
        for point, left, right in zip(breaks, smooth, smooth[1:], strict=False):
            if low <= point <= high and not left._meets(right, point, sign):
                return False
        ends = [low, *(min(max(point, low), high) for point in breaks), high]
        return all(
            balls._bends_smoothly(a, b, sign)
            for balls, a, b in zip(smooth, ends, ends[1:], strict=False)
            if a < b or low == high
        )

    def _meets(self, other: Balls, point: Fraction, sign: int) -> bool:
        """Do this piece and the next one meet at a point, and is it certain that the slope, times sign, does not fall?"""
        left, right = exact_jet(self.formula, point), exact_jet(other.formula, point)
        if left is None or right is None:
            left, right = self.jet(point), other.jet(point)
        return bool(left[0] == right[0]) and bool((right[1] - left[1]) * sign >= 0)

    def _bends_smoothly(self, low: Fraction, high: Fraction, sign: int) -> bool:
        """As `bends` where h'' exists: by the rules of convexity, by the roots of a polynomial, else on pieces."""
        if curvature(self.formula) in (0, sign):
            return True
        coefficients = polynomial(self.formula)
        if coefficients is None:
            return self.everywhere(low, high, lambda j: bool(j[2] * sign >= 0))
        bend = self._flint.fmpq_poly([self._flint.fmpq(c.numerator, c.denominator) for c in coefficients])
        bend = bend.derivative().derivative()
        # h'' may touch 0 at roots of even multiplicity
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

        An interval on which it is not proved is halved; at a point, or after 4,000 pieces (50,000 in the life of this
        object), the answer is False.
        """
        stack, looked_at = [(low, high)], 0
        while stack:
            a, b = stack.pop()
            looked_at += 1
            self._pieces_left[0] -= 1
            if looked_at > _PIECES or self._pieces_left[0] < 0:
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

    def edges(self, x: Any) -> tuple[Fraction, Fraction]:
        """Dyadic rationals below and above everything in a ball."""
        if not x.is_finite():
            raise ActivationError("an enclosure has no bounds")
        low, high = x.lower(), x.upper()
        # an edge is itself a ball: its own radius goes outward
        return _rational(low.mid()) - _rational(low.rad()), _rational(high.mid()) + _rational(high.rad())

    def float_edges(self, x: Any) -> tuple[float, float]:
        """Float64 numbers below and above everything in a ball; infinite where it has no bounds."""
        low, high = x.lower(), x.upper()
        if not (x.is_finite() and low.is_exact() and high.is_exact()):
            return -math.inf, math.inf
        # float() of an exact ball is off by less than an ulp, in either direction
        below, above = (
            math.nextafter(float(part), side) for part, side in ((low, -math.inf), (high, math.inf))
        )
        return math.nextafter(below, -math.inf), math.nextafter(above, math.inf)


def _rational(x: Any) -> Fraction:
    """An exact ball (radius 0) as the dyadic number it is."""
    mantissa, exponent = x.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
