"""A minimum that is known to lie in a ball: fact 15 on one page.

F is twice continuously differentiable on the ball B about theta~ of radius R, hess F >= mu I there with mu > 0, and
gamma = |grad F(theta~)| < mu R. Let x minimise F on the closed ball. Then <grad F(x), theta~ - x> >= 0, and strong
monotonicity gives mu |x - theta~|^2 <= <grad F(theta~), theta~ - x>, so |x - theta~| <= gamma / mu < R: x lies inside and
is critical. F is strictly convex on B, so x is the only critical point there, a strict local minimum, and
F(theta~) - F(x) <= gamma^2 / (2 mu).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from fastminima.errors import NetworkError
from fastminima.exact.dyadic import round_down, round_fraction, round_up, sqrt_above
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.results import Result

__all__ = ["SmoothMinimum"]


@dataclass(frozen=True, eq=False, repr=False)
class SmoothMinimum(Result):
    """An enclosure of a minimum theta*, whose parameters are no rational numbers.

    Attributes
    ----------
    centre : RationalNetwork
        A point near it.
    error : float
        |theta* - centre| is at most this; rounded up.
    radius : float
        In the ball of this radius about `centre` theta* is the only critical point and a strict local minimum, and no
        point has a lower risk; rounded down. inf where theta* has the lowest risk of all functions; it is then one of
        many.
    gradient : float
        |grad F(centre)| is at most this.
    curvature : float
        The Hessian is at least this, times the identity, in the ball; 0 where the radius is inf.
    risk_bounds : (Fraction, Fraction)
        F(theta*) lies between these.
    weight_decay : float
        lambda of F = 1/2 sum w (f(x) - y)^2 + lambda/2 |theta|^2.

    Examples
    --------
    >>> import fastminima as fm
    >>> start = fm.OneHiddenLayer([[1.0]], [0.1], [0.5], 0.0, "tanh")
    >>> p = fm.polish(start, ([[-1.0], [0.0], [1.0], [2.0]], [0.0, 1.0, 0.5, 0.0]), weight_decay=0.1)
    >>> p.exact.error < 1e-9 < p.exact.radius
    True
    """

    centre: RationalNetwork
    error: float
    radius: float
    gradient: float
    curvature: float
    risk_bounds: tuple[Fraction, Fraction]
    weight_decay: float = 0.0

    @property
    def strict(self) -> bool:
        """Is it the only critical point of its ball, or a point of the lowest risk there is?"""
        return math.isfinite(self.radius)

    @property
    def network(self) -> OneHiddenLayer:
        """`centre` rounded to float64."""
        return self.centre.rounded()

    @property
    def risk(self) -> float:
        """F(theta*), rounded."""
        return round_fraction((self.risk_bounds[0] + self.risk_bounds[1]) / 2)

    def contains(self, other: OneHiddenLayer | RationalNetwork) -> bool:
        """Does a network lie in the ball? Decided exactly.

        Raises
        ------
        NetworkError
            If it has another shape or activation.
        """
        return self.strict is False or self._square(other) <= Fraction(self.radius) ** 2

    def distance(self, other: OneHiddenLayer | RationalNetwork) -> float:
        """A bound on a network's distance from theta*, rounded up; errors as `contains`."""
        return round_up(Fraction(sqrt_above(self._square(other))) + Fraction(self.error))

    def radius_about(self, other: OneHiddenLayer | RationalNetwork) -> float:
        """No network this near to another one has a risk below F(theta*); rounded down, 0 where nothing is left."""
        if not self.strict:
            return self.radius
        return max(0.0, round_down(Fraction(self.radius) - Fraction(sqrt_above(self._square(other)))))

    def _square(self, other: OneHiddenLayer | RationalNetwork) -> Fraction:
        theirs = RationalNetwork.of(other)
        shapes = [(net.width, net.n_features, net.activation) for net in (theirs, self.centre)]
        if shapes[0] != shapes[1]:
            wanted, got = (f"{d1} units, {dx} inputs, {h}" for d1, dx, h in reversed(shapes))
            raise NetworkError(f"the ball is about networks with {wanted}; got {got}")
        return theirs.distance_squared(self.centre)

    def __repr__(self) -> str:
        what = f"radius {self.radius:.3g}" if self.strict else "no function has a lower risk"
        return f"SmoothMinimum(risk {self.risk:.6g}, known to {self.error:.2g}, {what})"
