"""A user's own loss of the product: functions, and what is known about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastminima.errors import LossError
from fastminima.exact.matrix import Rationals
from fastminima.system.options import as_count, as_flag, spelled

from .base import Change, Extremum, Floats, ProductLoss, ScaledMatrix, linear_term

__all__ = ["Loss", "Stated"]

# a Hessian is measured up to this many entries of the product: four gradients for each
_ENTRIES = 64


@dataclass(frozen=True)
class Stated:
    """What a user states about a loss; the attributes are the parameters of `Loss`.

    Raises
    ------
    LossError
        As `Loss`.
    """

    value: Callable[[Floats], float]
    gradient: Callable[[Floats], ArrayLike]
    convex: bool = False
    concave: bool = False
    second_order: Callable[[Floats, Floats], float] | float | None = None
    shape: tuple[int, int] | None = None
    accuracy: float | None = None
    critical_is_global: bool | None = None
    exact_gradient: Callable[[Rationals], Rationals] | None = None
    exact_change: Callable[[Rationals, Rationals], Any] | None = None

    def __post_init__(self) -> None:
        for name, function in (("value", self.value), ("gradient", self.gradient)):
            if not callable(function):
                raise LossError(f"{name} must be a function of the product R, got {type(function).__name__}")
        second_order = None if callable(self.second_order) else self.second_order
        for name, number in (("accuracy", self.accuracy), ("second_order", second_order)):
            if number is not None and not (isinstance(number, (int, float)) and 0.0 <= number < math.inf):
                raise LossError(f"{name} must be a finite number >= 0, got {spelled(number)}")

    @property
    def lipschitz(self) -> float:
        """L, inf where it is not stated."""
        given = self.second_order
        return math.inf if given is None or callable(given) else float(given)


def _shape(shape: Any) -> tuple[int, int]:
    """(outputs, inputs) as whole numbers."""
    try:
        rows, columns = shape
    except (TypeError, ValueError) as error:
        raise LossError(f"shape must be (outputs, inputs), got {spelled(shape)}") from error
    return as_count(rows, "outputs", 1, error=LossError), as_count(columns, "inputs", 1, error=LossError)


class Loss(ProductLoss):
    """A loss given by functions.

    Parameters
    ----------
    value : callable, R -> float
        ell0 of a product R (dy, dx).
    gradient : callable, R -> array (dy, dx)
        Its gradient; `classify_linear` compares the two.
    convex, concave : bool, default False
        Your word for it; verdicts that rest on it say so. Without it critical points of ell0 are judged by its Hessian,
        measured by differences of `gradient`, and such verdicts are not certified.
    second_order : callable (R, D) -> float, or float, optional
        Computes ell0(R + D) - ell0(R) - <G, D> without cancellation; or a number L such that the gradient is
        L-Lipschitz in the Frobenius norm. Without it no change is proved.
    shape : (dy, dx), optional
        Default: any.
    accuracy : float, optional
        Relative error of the entries of `gradient` (against the largest one) and of `second_order`. Without it
        changes are computed as if these were exact, and are not called proved.
    critical_is_global : bool, optional
        For losses that are not convex but whose critical points are global minima all the same; default `convex`.
    exact_gradient : callable, rows of Fractions -> rows of Fractions, optional
    exact_change : callable (R, D), rows of Fractions -> Fraction, optional
        Both make the loss `rational`: questions about it are then decided exactly. int and Fraction are taken.

    Raises
    ------
    LossError
        Something that is not callable, accuracy or L not a number >= 0; later: values of a wrong shape, NaN or inf.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> loss = fm.Loss(lambda R: float((R**2).sum()), lambda R: 2 * R, convex=True)
    >>> loss.value(np.array([[3.0]]))
    9.0
    """

    def __init__(
        self,
        value: Callable[[Floats], float],
        gradient: Callable[[Floats], ArrayLike],
        *,
        convex: bool = False,
        concave: bool = False,
        second_order: Callable[[Floats, Floats], float] | float | None = None,
        shape: tuple[int, int] | None = None,
        accuracy: float | None = None,
        critical_is_global: bool | None = None,
        exact_gradient: Callable[[Rationals], Rationals] | None = None,
        exact_change: Callable[[Rationals, Rationals], Any] | None = None,
    ) -> None:
        self.stated = Stated(
            value=value,
            gradient=gradient,
            convex=as_flag(convex, "convex"),
            concave=as_flag(concave, "concave"),
            second_order=second_order,
            shape=None if shape is None else _shape(shape),
            accuracy=accuracy,
            critical_is_global=critical_is_global,
            exact_gradient=exact_gradient,
            exact_change=exact_change,
        )
        self.shape = self.stated.shape
        self.convex, self.concave = self.stated.convex, self.stated.concave
        self.rational = exact_gradient is not None and exact_change is not None

    @property
    def critical_is_global(self) -> bool:
        """`convex`, or what was declared."""
        declared = self.stated.critical_is_global
        return self.convex if declared is None else bool(declared)

    @property
    def reason(self) -> str:
        """On whose word `critical_is_global` rests."""
        if self.convex:
            return "ell0 is declared convex; a critical point of a convex differentiable function is a global minimum"
        if self.critical_is_global:
            return "every critical point of ell0 is declared a global minimum"
        if self.concave:
            return "ell0 is declared concave; a critical point of a concave differentiable function is a global maximum"
        return "ell0 is not declared convex, so a critical point of it may be anything"

    def extremum(self, R: ArrayLike) -> Extremum:
        """By what was declared, else by the signs of the Hessian, measured by differences of the gradient."""
        point = self.matrix(R, "R")
        if self.critical_is_global or self.concave or point.size > _ENTRIES:
            return super().extremum(point)
        return _measured(self, point)

    def value(self, R: ArrayLike) -> float:
        """The user's value; LossError if it is not one finite number."""
        result = self.stated.value(self.matrix(R, "R").copy())
        try:
            number = float(result)
        except (TypeError, ValueError) as error:
            raise LossError(f"value must return one number, got {type(result).__name__}") from error
        if not math.isfinite(number):
            raise LossError(f"value returned {number}; a loss must be finite at every product")
        return number

    def gradient(self, R: ArrayLike) -> Floats:
        """The user's gradient; LossError if its shape or entries are not usable."""
        point = self.matrix(R, "R")
        try:
            result = np.asarray(self.stated.gradient(point.copy()), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise LossError(
                f"gradient must return an array of numbers of shape {point.shape}: {error}"
            ) from error
        if result.shape != point.shape:
            raise LossError(f"gradient must return an array of shape {point.shape}, got {result.shape}")
        if not np.isfinite(result).all():
            j, k = divmod(int((~np.isfinite(result)).argmax()), result.shape[1])
            raise LossError(f"gradient returned {result[j, k]} at entry [{j}, {k}]; it must be finite")
        return result

    def gradient_enclosure(self, R: ArrayLike, R_error: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """The stated accuracy, and L times the norm of R_error where L is known; infinite where it is needed and is not."""
        G = self.gradient(R)
        E = np.full(G.shape, (self.stated.accuracy or 0.0) * float(np.abs(G).max(initial=0.0)))
        if R_error is not None and np.any(R_error):
            E += self.stated.lipschitz * float(np.linalg.norm(R_error)) * (1.0 + 2.0**-40)
        return G, E

    def gradient_ball(self, R: ArrayLike, R_distance: float = 0.0) -> tuple[Floats, float]:
        """As in the base class where accuracy and L are stated; what is not stated is left out of the radius."""
        G = self.gradient(R)
        peak = float(np.abs(G).max(initial=0.0))
        lipschitz = self.stated.lipschitz if math.isfinite(self.stated.lipschitz) else 0.0
        return G, (self.stated.accuracy or 0.0) * peak * math.sqrt(G.size) * (
            1.0 + 2.0**-40
        ) + lipschitz * R_distance

    def gradient_scale(self, shape: tuple[int, int]) -> float:
        """|G| at 0, or at one random product of unit size where that is larger: losses of one's own often rest at 0."""
        away = np.random.default_rng(0).standard_normal(shape)
        return max(float(np.linalg.norm(self.gradient(R))) for R in (np.zeros(shape), away))

    def change_by(self, R: ScaledMatrix, D: ScaledMatrix) -> Change:
        """<G, D> plus `second_order`; proved when an accuracy is stated and L or the function allows a bound."""
        exponent, loose = D.exponent, D.error
        unit = 2.0 ** min(max(exponent, -1074), 1023)
        if math.isfinite(self.stated.lipschitz):
            proved = True
            G, E = self.gradient_enclosure(R.values, R.error)
            low, high = self._remainder_bounds(float(np.linalg.norm(np.abs(D.values) + loose)), unit)
            spread = 0.0
        else:
            step = np.ldexp(D.values, exponent)
            # how the user's remainder answers to errors of R and D is not known
            proved = not (R.error.any() or loose.any())
            proved = proved and np.array_equal(np.ldexp(step, -exponent), D.values)
            G, E = self.gradient_enclosure(R.values)
            low = high = self._remainder(R.values, step) / unit
            spread = (self.stated.accuracy or 0.0) * abs(low) + 2.0**-1074 / unit
            proved &= self.stated.second_order is not None
        linear, error = linear_term(G, E, D.values, loose)
        value = linear + 0.5 * (low + high)
        bound = (error + spread + 0.5 * (high - low)) * (1.0 + 2.0**-49)
        bound += 2.0**-50 * (abs(linear) + max(abs(low), abs(high)))
        if not math.isfinite(value) or not math.isfinite(bound):
            return Change(math.nan, math.inf, exponent, proved=False)
        return Change(value, bound, exponent, bool(proved and self.stated.accuracy is not None))

    def _remainder_bounds(self, distance: float, unit: float) -> tuple[float, float]:
        """|remainder| <= L |D|^2 / 2, on one side of 0 where ell0 is convex or concave; in units of the change."""
        # the tiniest float64 stands for a product that underflowed
        size = 0.5 * self.stated.lipschitz * distance**2 * unit * (1.0 + 2.0**-40) + 2.0**-1070
        return 0.0 if self.convex else -size, 0.0 if self.concave else size

    def _remainder(self, R: Floats, step: Floats) -> float:
        """The user's remainder; where there is none 1/2 <G(R + D) - G(R), D>, which misses it by the third order."""
        given = self.stated.second_order
        if not callable(given):
            return 0.5 * float(np.sum((self.gradient(R + step) - self.gradient(R)) * step))
        try:
            return float(given(R.copy(), step))
        except (TypeError, ValueError) as error:
            raise LossError(f"second_order must return one number: {error}") from error

    def exact_gradient(self, R: Rationals) -> Rationals:
        """The user's exact gradient; LossError if there is none, or if it is not rational numbers of R's shape."""
        given = self.stated.exact_gradient
        if given is None:
            raise self._irrational()
        rows = given([list(row) for row in R])
        try:
            G = [[_fraction(v) for v in row] for row in rows]
        except TypeError as error:
            raise LossError(f"exact_gradient must return rows of int or Fraction: {error}") from error
        if [len(row) for row in G] != [len(row) for row in R]:
            raise LossError(
                f"exact_gradient must return {len(R)} rows of {len(R[0])} numbers, got rows of {[len(g) for g in G]}"
            )
        return G

    def exact_change(self, R: Rationals, D: Rationals) -> Fraction:
        """The user's exact change; LossError if there is none, or if it is not a rational number."""
        given = self.stated.exact_change
        if given is None:
            raise self._irrational()
        try:
            return _fraction(given([list(row) for row in R], [list(row) for row in D]))
        except TypeError as error:
            raise LossError(f"exact_change must return an int or a Fraction: {error}") from error

    def __repr__(self) -> str:
        kind = "convex" if self.convex else "not declared convex"
        return f"Loss({kind}{'' if self.shape is None else f', product {self.shape}'})"


def _fraction(value: Any) -> Fraction:
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    raise TypeError(f"got {type(value).__name__}")


def _measured(loss: Loss, R: Floats) -> Extremum:
    """Signs of the Hessian of ell0 at R by central differences of its gradient at two steps.

    The quotients differ by three times the error of the finer one once the step is small enough for its h^2 to lead; what
    they differ by, and how far they are from symmetric, is the error eigenvalues are held against. Not a proof.
    """
    n, scale = R.size, max(float(np.abs(R).max(initial=0.0)), 1.0)
    quotients = []
    for h in (2.0**-11 * scale, 2.0**-12 * scale):
        rows = []
        for unit in np.eye(n).reshape(n, *R.shape):
            rows.append((loss.gradient(R + h * unit) - loss.gradient(R - h * unit)).ravel() / (2.0 * h))
        quotients.append(np.array(rows))
    coarse, fine = quotients
    H = 0.5 * (fine + fine.T)
    peak = float(np.abs(H).max(initial=0.0))
    error = float(np.linalg.norm(fine - coarse) + np.linalg.norm(fine - fine.T)) + 2.0**-36 * peak
    values, vectors = np.linalg.eigh(H)
    low, high = float(values[0]), float(values[-1])
    told = f"the Hessian of ell0, by differences of its gradient, has eigenvalues {low:.6g} to {high:.6g} (± {error:.1g})"
    if low > error or high < -error:
        return Extremum("minimum" if low > 0.0 else "maximum", False, told, certified=False)
    if low < -error and high > error:
        up, down = (vectors[:, k].reshape(R.shape) for k in (-1, 0))
        return Extremum("neither", False, told, False, up, down)
    return Extremum("open", False, f"{loss.reason}; {told}", certified=False)
