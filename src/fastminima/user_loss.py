"""A user's own loss of the product, and the check that its gradient is its value's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._product_loss import Change, Floats, ProductLoss, Rationals, linear_term
from .errors import LossError

__all__ = ["Loss", "check_gradient"]

# a value is trusted to ten bits less than float64 has: sums of thousands of terms in some order
_VALUE_ACCURACY = 2.0**-43
# entries that are checked one by one; larger gradients are checked along random directions
_ENTRIES = 64
_DIRECTIONS = 8


class Loss(ProductLoss):
    """A loss given by functions.

    Parameters
    ----------
    value : callable, R -> float
        ell0 of a product R (dy, dx).
    gradient : callable, R -> array (dy, dx)
        Its gradient. `check_gradient` compares the two.
    convex : bool, default False
        Your word for it; verdicts that rest on it say so.
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
        Both make the loss `rational`: questions about it are then decided exactly.

    Raises
    ------
    LossError
        Something that is not callable, accuracy or L not a number >= 0; later: values of a wrong shape, NaN or inf.
    """

    def __init__(
        self,
        value: Callable[[Floats], float],
        gradient: Callable[[Floats], ArrayLike],
        *,
        convex: bool = False,
        second_order: Callable[[Floats, Floats], float] | float | None = None,
        shape: tuple[int, int] | None = None,
        accuracy: float | None = None,
        critical_is_global: bool | None = None,
        exact_gradient: Callable[[Rationals], Rationals] | None = None,
        exact_change: Callable[[Rationals, Rationals], Any] | None = None,
    ) -> None:
        for name, function in (("value", value), ("gradient", gradient)):
            if not callable(function):
                raise LossError(f"{name} must be a function of the product R, got {type(function).__name__}")
        numbers = {"accuracy": accuracy, "second_order": None if callable(second_order) else second_order}
        for name, number in numbers.items():
            if number is not None and not (isinstance(number, (int, float)) and 0.0 <= number < math.inf):
                raise LossError(f"{name} must be a finite number >= 0, got {number!r}")
        self.shape = None if shape is None else (int(shape[0]), int(shape[1]))
        self.convex = bool(convex)
        self.rational = exact_gradient is not None and exact_change is not None
        self._value, self._gradient = value, gradient
        self._second_order, self._accuracy = second_order, accuracy
        self._global = self.convex if critical_is_global is None else bool(critical_is_global)
        self._exact_gradient, self._exact_change = exact_gradient, exact_change

    @property
    def critical_is_global(self) -> bool:
        """`convex`, or what was declared."""
        return self._global

    @property
    def reason(self) -> str:
        """On whose word `critical_is_global` rests."""
        if self.convex:
            return "ell0 is declared convex; a critical point of a convex differentiable function is a global minimum"
        if self._global:
            return "every critical point of ell0 is declared a global minimum"
        return "ell0 is not declared convex, so a critical point of it may be anything"

    def value(self, R: ArrayLike) -> float:
        """The user's value; LossError if it is not one finite number."""
        result = self._value(self.matrix(R, "R").copy())
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
        result = np.asarray(self._gradient(point.copy()), dtype=np.float64)
        if result.shape != point.shape:
            raise LossError(f"gradient must return an array of shape {point.shape}, got {result.shape}")
        if not np.isfinite(result).all():
            j, k = divmod(int((~np.isfinite(result)).argmax()), result.shape[1])
            raise LossError(f"gradient returned {result[j, k]} at entry [{j}, {k}]; it must be finite")
        return result

    def gradient_enclosure(self, R: ArrayLike, R_error: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """The stated accuracy, and L times the norm of R_error where L is known; infinite where it is needed and is not."""
        G = self.gradient(R)
        E = np.full(G.shape, (self._accuracy or 0.0) * float(np.abs(G).max(initial=0.0)))
        if R_error is not None and np.any(R_error):
            known = self._second_order is not None and not callable(self._second_order)
            E += self._lipschitz * float(np.linalg.norm(R_error)) * (1.0 + 2.0**-40) if known else math.inf
        return G, E

    @property
    def _lipschitz(self) -> float:
        return (
            math.inf
            if self._second_order is None or callable(self._second_order)
            else float(self._second_order)
        )

    def change(
        self,
        R: ArrayLike,
        D: ArrayLike,
        R_error: ArrayLike | None = None,
        D_error: ArrayLike | None = None,
        exponent: int = 0,
    ) -> Change:
        """<G, D> plus `second_order`; proved when an accuracy is stated and L or the function allows a bound."""
        R, D = self.matrix(R, "R"), self.matrix(D, "D")
        loose = np.zeros(D.shape) if D_error is None else self.matrix(D_error, "D_error")
        unit = 2.0 ** min(max(exponent, -1074), 1023)
        proved = self._accuracy is not None
        if callable(self._second_order):
            G, E = self.gradient_enclosure(R)
            # how the user's remainder answers to errors of R and D is not known
            proved &= (
                not loose.any()
                and (R_error is None or not np.any(R_error))
                and bool(np.ldexp(D, exponent).any())
            )
            second = float(self._second_order(R.copy(), np.ldexp(D, exponent)))
            low = high = second / unit
            spread = (self._accuracy or 0.0) * abs(low)
        else:
            G, E = self.gradient_enclosure(R, R_error)
            top = float(np.linalg.norm(np.abs(D) + loose)) ** 2 * unit * (1.0 + 2.0**-40)
            known = math.isfinite(self._lipschitz)
            proved &= known
            # the tiniest float64 stands for a product that underflowed
            high = 0.5 * self._lipschitz * top + 2.0**-1070 if known else 0.0
            low, spread = 0.0 if self.convex else -high, 0.0
        linear, error = linear_term(G, E, D, loose)
        value = linear + 0.5 * (low + high)
        bound = (error + spread + 0.5 * (high - low)) * (1.0 + 2.0**-49) + 2.0**-50 * (
            abs(linear) + abs(high)
        )
        if not math.isfinite(value) or not math.isfinite(bound):
            return Change(math.nan, math.inf, exponent, proved=False)
        return Change(value, bound, exponent, bool(proved))

    def exact_gradient(self, R: Rationals) -> Rationals:
        """The user's exact gradient; LossError if there is none."""
        if self._exact_gradient is None:
            raise self._irrational()
        return self._exact_gradient(R)

    def exact_change(self, R: Rationals, D: Rationals) -> Any:
        """The user's exact change; LossError if there is none."""
        if self._exact_change is None:
            raise self._irrational()
        return self._exact_change(R, D)

    def __repr__(self) -> str:
        kind = "convex" if self.convex else "not declared convex"
        return f"Loss({kind}{'' if self.shape is None else f', product {self.shape}'})"


def check_gradient(loss: ProductLoss, R: ArrayLike, *, seed: int = 0) -> None:
    """Compare a gradient with difference quotients of the value, at R and at a point near it.

    Parameters
    ----------
    loss : ProductLoss
    R : (dy, dx)
        At a critical point a wrong factor does not show, so a second point is looked at too.
    seed : int
        Of the directions.

    Raises
    ------
    LossError
        A directional derivative that lies outside the difference quotient's own error; the entry is named.

    Notes
    -----
    q(h) = (ell0(R + hV) - ell0(R - hV)) / 2h misses the derivative by a h^2 + b h^4 + ... plus the values' rounding,
    2**-43 / 2h of the largest value met. |q(2h) - q(h)| is three times the first term once h is small
    enough for it to lead, so the tolerance is that difference plus twice the rounding at both steps. A gradient is
    called wrong where it is outside the tolerance at both of the two steps with the smallest ones: a correct one fails
    only when the value is not smooth at the scale of these, or less accurate than 43 bits.
    """
    R = loss.matrix(R, "R")
    rng = np.random.default_rng(seed)
    scale = max(float(np.abs(R).max(initial=0.0)), 1.0)
    near = R + 0.25 * scale * rng.standard_normal(R.shape)
    peak = max(abs(loss.value(point)) for point in (R, near, np.zeros(R.shape)))
    for point in (R, near):
        check = _Check(loss, point, loss.gradient(point), scale, peak)
        for V in _directions(R.shape, check.gradient, rng):
            found = check.disagreement(V)
            if found is not None:
                raise LossError(check.message(V, *found))


def _directions(shape: tuple[int, ...], G: Floats, rng: np.random.Generator) -> list[Floats]:
    size = int(np.prod(shape))
    if size <= _ENTRIES:
        return [row.reshape(shape) for row in np.eye(size)]
    random = [rng.standard_normal(shape) for _ in range(_DIRECTIONS)]
    # along the stated gradient a wrong length shows, whatever the random ones see
    return [V / np.linalg.norm(V) for V in ([*random, G] if G.any() else random)]


@dataclass(frozen=True)
class _Check:
    """Stated against measured derivatives at one point."""

    loss: ProductLoss
    point: Floats
    gradient: Floats
    scale: float
    peak: float

    def disagreement(self, V: Floats) -> tuple[float, float] | None:
        """(stated, measured) derivative along V when they differ, else None."""
        stated = float(np.sum(self.gradient * V))
        rounding = 2.0**-40 * float(np.abs(self.gradient).max()) * float(np.linalg.norm(V))
        trials = []
        for power in (-6, -10, -14):
            h = 2.0**power * self.scale
            quotients, noise = [], 0.0
            for step in (h, 2.0 * h):
                above = self.loss.value(self.point + step * V)
                below = self.loss.value(self.point - step * V)
                quotients.append((above - below) / (2.0 * step))
                noise += _VALUE_ACCURACY * max(abs(above) + abs(below), self.peak) / step
            trials.append((abs(quotients[1] - quotients[0]) + noise + rounding, quotients[0]))
        trials.sort()
        if any(abs(stated - measured) <= tolerance for tolerance, measured in trials[:2]):
            return None
        return stated, trials[0][1]

    def message(self, V: Floats, stated: float, measured: float) -> str:
        """Names an entry: V is cut in halves as long as one of them disagrees on its own."""
        entries = np.flatnonzero(V)
        while len(entries) > 1:
            for half in np.array_split(entries, 2):
                part = np.zeros(V.size)
                part[half] = np.sign(V.flat[half])
                found = self.disagreement(part.reshape(V.shape))
                if found is not None:
                    entries, (stated, measured) = half, found
                    break
            else:
                break
        where = f"along {len(entries)} entries its derivative"
        if len(entries) == 1:
            j, k = divmod(int(entries[0]), V.shape[1])
            where = f"entry [{j}, {k}]"
            unit = np.zeros(V.shape)
            unit[j, k] = 1.0
            stated, measured = self.disagreement(unit) or (stated, measured)
        return (
            f"the gradient disagrees with the value: {where} is {stated:.6g}, difference quotients of the value "
            f"give {measured:.6g}; correct one of the two functions"
        )
