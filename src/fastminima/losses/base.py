"""What every loss of a matrix product offers: value, gradient, and changes that no cancellation spoils.

ell0(R) is a function of the product R = W_{H+1} ... W_1 of shape (dy, dx) alone. How ell0 changes from R to R + D is
never taken as a difference of two values: it is <G, D> plus a remainder of second order, each with a bound on its
rounding, and the whole carries a power of two of its own, so that changes far below 1e-308 keep their sign.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import LossError
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.exact.roundoff import U, gamma_n

__all__ = ["Change", "Extremum", "Floats", "ProductLoss", "ScaledMatrix", "linear_term"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """ell0(R + D) - ell0(R), enclosed: |truth - value * 2**exponent| <= error * 2**exponent.

    Attributes
    ----------
    value, error : float
    exponent : int
        Kept apart, because a change may be far smaller than the smallest float64.
    proved : bool
        Is `error` a proved bound? False for a user's loss that states no accuracy of its own.
    """

    value: float
    error: float
    exponent: int = 0
    proved: bool = True

    @property
    def rises(self) -> bool:
        """Is the change above its error, proved or not?"""
        return self.value > self.error

    @property
    def positive(self) -> bool:
        """Is the change proved to be > 0?"""
        return self.proved and self.rises

    @property
    def negative(self) -> bool:
        """Is the change proved to be < 0?"""
        return self.proved and -self.value > self.error

    def __neg__(self) -> Change:
        return Change(-self.value, self.error, self.exponent, self.proved)

    def __float__(self) -> float:
        return math.ldexp(self.value, self.exponent) if math.isfinite(self.value) else self.value

    def __str__(self) -> str:
        size = abs(self.value)
        if not math.isfinite(size) or size == 0.0:
            return f"{self.value:g} ± {self.error:.1e}"
        digits = math.log10(size) + self.exponent * math.log10(2.0)
        power = math.floor(digits)
        shown = f"{10.0 ** (digits - power):.6f}"
        if shown.startswith("10"):
            shown, power = "1.000000", power + 1
        sign = "-" if self.value < 0 else ""
        return f"{sign}{shown}e{power:+03d} (relative error {self.error / size:.1e})"


@dataclass(frozen=True)
class ScaledMatrix:
    """A matrix known up to a bound per entry: |truth - values * 2**exponent| <= error * 2**exponent."""

    values: Floats
    error: Floats
    exponent: int = 0

    def unscaled(self) -> ScaledMatrix:
        """The same in units of 1, with what leaving the range of float64 costs added to the error."""
        with np.errstate(over="ignore", under="ignore"):
            # ldexp is exact unless the result is subnormal
            values, error = (
                np.ldexp(self.values, self.exponent),
                np.ldexp(self.error, self.exponent) * (1 + U),
            )
        lost = 2.0**-1074 if self.exponent < 0 and (self.values.any() or self.error.any()) else 0.0
        return ScaledMatrix(values, error + lost)


@dataclass(frozen=True, eq=False)
class Extremum:
    """What ell0 has at one of its critical points.

    Attributes
    ----------
    kind : "minimum", "maximum", "neither" or "open"
    everywhere : bool
        Is the minimum (maximum) one over all products? Else over those near.
    reason : str
    certified : bool
        False where floating-point numbers decided.
    up, down : (dy, dx) arrays or None
        With "neither": changes of the product along which ell0 rises and falls.
    """

    kind: str
    everywhere: bool
    reason: str
    certified: bool = True
    up: Floats | None = None
    down: Floats | None = None


class ProductLoss(ABC):
    """A differentiable function ell0 of the product R, (dy, dx).

    Attributes
    ----------
    shape : (dy, dx) or None
        None for a loss that accepts any shape.
    convex, concave : bool
        As far as is known.
    critical_is_global : bool
        Is every critical point of ell0 a global minimum? Corollary 5 asks for this.
    reason : str
        Why, or why that is not known.
    rational : bool
        Are gradient and changes rational for rational R? Then the exact methods exist.
    """

    shape: tuple[int, int] | None
    convex: bool
    concave: bool = False
    rational: bool = False

    @property
    def critical_is_global(self) -> bool:
        """Is every critical point of ell0 a global minimum?"""
        return self.convex

    @property
    def reason(self) -> str:
        """Why `critical_is_global` is what it is."""
        if self.convex:
            return "ell0 is convex and differentiable, so every critical point of it is a global minimum"
        if self.concave:
            return "ell0 is concave and differentiable, so every critical point of it is a global maximum"
        return "ell0 is not known to be convex, so a critical point of it may be anything"

    def extremum(self, R: ArrayLike) -> Extremum:
        """What ell0 has at R, where its gradient is 0."""
        if self.critical_is_global:
            return Extremum("minimum", True, self.reason)
        if self.concave:
            return Extremum("maximum", True, self.reason)
        return Extremum("open", False, self.reason)

    def exact_curvature(self) -> Rationals | None:
        """M, (dx, dx), with <G, D> + 1/2 tr D M D^T the change of ell0 by D everywhere; None where there is none."""
        return None

    @abstractmethod
    def value(self, R: ArrayLike) -> float:
        """ell0(R)."""

    @abstractmethod
    def gradient(self, R: ArrayLike) -> Floats:
        """The gradient G of ell0 at R, (dy, dx)."""

    @abstractmethod
    def gradient_enclosure(self, R: ArrayLike, R_error: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """(G, E): the true gradient at any R' with |R' - R| <= R_error is within E of G, entry by entry."""

    def gradient_ball(self, R: ArrayLike, R_distance: float = 0.0) -> tuple[Floats, float]:
        """(G, e): the true gradient at any R' with |R' - R|_F <= R_distance is within e of G, Frobenius norm."""
        R = self.matrix(R, "R")
        G, E = self.gradient_enclosure(R, np.full(R.shape, R_distance) if R_distance else None)
        return G, float(np.linalg.norm(E)) * (1.0 + gamma_n(E.size + 2))

    def gradient_scale(self, shape: tuple[int, int]) -> float:
        """What a gradient is small or large against: |G(0)|_F, or a bound on it that does not vanish with it."""
        return float(np.linalg.norm(self.gradient(np.zeros(shape))))

    def change(
        self,
        R: ArrayLike,
        D: ArrayLike,
        R_error: ArrayLike | None = None,
        D_error: ArrayLike | None = None,
        exponent: int = 0,
    ) -> Change:
        """ell0(R' + D') - ell0(R') for every |R' - R| <= R_error and |D' - D 2**exponent| <= D_error 2**exponent.

        Parameters
        ----------
        R, D : (dy, dx)
        R_error, D_error : (dy, dx) >= 0, optional
            Bounds on what R and D are known to; none means that they are exact.
        exponent : int
            D is given in units of 2**exponent.

        Raises
        ------
        LossError
            A matrix of another shape than this loss's.
        """
        return self.change_by(self._enclosed(R, R_error, "R"), self._enclosed(D, D_error, "D", exponent))

    @abstractmethod
    def change_by(self, R: ScaledMatrix, D: ScaledMatrix) -> Change:
        """`change` for matrices of this loss's shape, R in units of 1 (`ScaledMatrix.unscaled`)."""

    def _enclosed(
        self, values: ArrayLike, error: ArrayLike | None, role: str, exponent: int = 0
    ) -> ScaledMatrix:
        centre = self.matrix(values, role)
        bound = np.zeros(centre.shape) if error is None else self.matrix(error, f"{role}_error")
        return ScaledMatrix(centre, bound, exponent)

    def exact_value(self, R: Rationals) -> Fraction:
        """ell0(R) as a rational; LossError where `rational` is False or the values are not."""
        raise self._irrational()

    def exact_gradient(self, R: Rationals) -> Rationals:
        """The gradient as rationals; LossError where `rational` is False."""
        raise self._irrational()

    def exact_change(self, R: Rationals, D: Rationals) -> Fraction:
        """ell0(R + D) - ell0(R) as a rational; LossError where `rational` is False."""
        raise self._irrational()

    def gradient_at(self, R: RationalMatrix) -> RationalMatrix:
        """`exact_gradient` for integers over one scale."""
        return RationalMatrix.of(self.exact_gradient(R.rows()))

    def change_at(self, R: RationalMatrix, D: RationalMatrix) -> Fraction:
        """`exact_change` for integers over one scale."""
        return self.exact_change(R.rows(), D.rows())

    def _irrational(self) -> LossError:
        return LossError(
            f"{type(self).__name__} has no rational gradient, so nothing about it can be decided exactly; "
            "use tol= instead of exact=True"
        )

    def matrix(self, R: ArrayLike, role: str) -> Floats:
        """R as a float64 array of this loss's shape.

        Raises
        ------
        LossError
            Of another shape, or not numbers.
        """
        result = np.asarray(R, dtype=np.float64)
        if result.ndim != 2 or (self.shape is not None and result.shape != self.shape):
            raise LossError(f"{role} must have shape {self.shape or '(dy, dx)'}, got {result.shape}")
        return result


def linear_term(G: Floats, G_error: Floats, D: Floats, D_error: Floats) -> tuple[float, float]:
    """<G, D> and a bound on its distance from <G', D'> for all G', D' in the enclosures."""
    size = np.abs(G)
    # every term below is nonnegative, so one factor covers the rounding of the bound itself
    slack = float(
        np.sum(G_error * (np.abs(D) + D_error))
        + np.sum(size * D_error)
        + gamma_n(G.size) * np.sum(size * np.abs(D))
    )
    return float(np.sum(G * D)), slack * (1.0 + gamma_n(G.size + 8)) + G.size * 2.0**-1070
