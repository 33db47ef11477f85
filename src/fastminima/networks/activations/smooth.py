"""Smooth activations: a function with two derivatives, and, where it can be certified, its formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import ActivationError
from fastminima.exact.roundoff import U
from fastminima.system.options import spelled

from .formula import Formula, evaluate, freeze, jet

__all__ = ["Smooth"]

Floats = NDArray[np.float64]
Function = Callable[[Floats], Any]

# where a user's functions are looked at; odd numbers, because at a kink itself difference quotients settle at the mean
_GRID = np.array(
    [-2.9731, -2.1173, -1.3219, -0.8117, -0.4613, -0.2089, 0.1571, 0.4127, 0.7193, 1.2231, 1.9087, 2.8139]
)


@dataclass(frozen=True)
class Smooth:
    """An activation h given by its value and two derivatives.

    Parameters
    ----------
    value, first, second : callable
        h, h' and h'', elementwise on float64 arrays.
    name : str
    formula : nested lists, optional
        h as a formula (see `fastminima.formula`): what ball arithmetic and certificates work with. Without it
        nothing about h is certified, because the derivatives are taken on your word.
    parameters : tuple of (str, float), optional
        For printing and saving.

    Raises
    ------
    ActivationError
        A function that cannot be called, returns NaN or inf, another shape, or derivatives that contradict difference
        quotients of the value (the point is named); a formula that is none.

    Notes
    -----
    Theorem 2 of Yun, Sra and Jadbabaie (2019) needs two derivatives at two points.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> square = fm.Smooth.from_formula(["pow", "t", 2], name="square")
    >>> square(np.array([-1.0, 3.0])).tolist(), square.first(np.array([3.0])).tolist()
    ([1.0, 9.0], [6.0])
    """

    value: Function
    first: Function
    second: Function
    name: str = "smooth"
    formula: Formula = None
    parameters: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for part in ("value", "first", "second"):
            if not callable(getattr(self, part)):
                raise ActivationError(f"{part} must be callable, got {type(getattr(self, part)).__name__}")
        if not isinstance(self.name, str) or not self.name:
            raise ActivationError(f"name must be a word, got {spelled(self.name)}")
        if self.formula is not None:
            object.__setattr__(self, "formula", freeze(self.formula))
        _compare(self)

    @classmethod
    def from_formula(cls, formula: Formula, name: str = "formula") -> Smooth:
        """An activation given by its formula alone; value and derivatives are evaluated from it.

        Parameters
        ----------
        formula : nested lists
            See `fastminima.networks.activations.formula`, for example ["mul", "t", ["sin", "t"]].
        name : str

        Raises
        ------
        ActivationError
            Not a formula, or one that has no finite value and derivatives on [-3, 3].

        Notes
        -----
        Evaluated in float64 as it is written, with the rounding that comes of it; what is certified is the formula.
        """
        frozen = freeze(formula)
        h, dh, ddh = (partial(_part, frozen, order) for order in range(3))
        return cls(h, dh, ddh, name, frozen)

    def __call__(self, t: ArrayLike) -> NDArray[np.floating]:
        """h(t), elementwise, in the floating dtype of `t` (float64 for integers)."""
        array = np.asarray(t)
        if array.dtype.kind != "f":
            array = array.astype(np.float64)
        return np.asarray(self.value(array)).astype(array.dtype, copy=False)

    def __eq__(self, other: object) -> bool:
        """Equal when name, parameters and formula are, or, without a formula, the functions."""
        if not isinstance(other, Smooth):
            return NotImplemented
        if self.formula is not None or other.formula is not None:
            return (self.name, self.parameters, self.formula) == (other.name, other.parameters, other.formula)
        return (self.value, self.first, self.second) == (other.value, other.first, other.second)

    def __hash__(self) -> int:
        return hash((self.name, self.parameters))

    def __repr__(self) -> str:
        inside = ", ".join(f"{key}={value:g}" for key, value in self.parameters)
        return f"{self.name}({inside})" if inside else self.name


class _Arrays:
    """Elementwise NumPy arithmetic for formulas."""

    elementwise = True
    sqrt, exp, log = staticmethod(np.sqrt), staticmethod(np.exp), staticmethod(np.log)
    sin, cos, atan = staticmethod(np.sin), staticmethod(np.cos), staticmethod(np.arctan)

    def constant(self, value: Fraction) -> Any:
        return float(value)

    def pi(self) -> float:
        return math.pi

    def sign(self, x: Any) -> int:
        return 0

    def erf(self, x: Any) -> Any:
        return scipy.special.erf(x)

    def softplus(self, x: Any) -> Any:
        return np.logaddexp(0.0, x)

    def either(self, c: Any, a: Any, b: Any) -> Any:
        return np.where(np.asarray(c) > 0, a, b)


def _part(formula: Formula, order: int, t: Floats) -> Any:
    with np.errstate(all="ignore"):
        if not order:
            return _spread(evaluate(formula, t, _Arrays()), t)
        parts = jet(formula, t, _Arrays())
    return _spread(parts.first if order == 1 else parts.second, t)


def _spread(value: Any, t: Floats) -> Floats:
    """A constant formula is an array too."""
    return np.broadcast_to(np.asarray(value, dtype=t.dtype), t.shape).copy()


def _sample(function: Function, label: str, name: str, points: Floats) -> Floats:
    try:
        values = np.asarray(function(points.copy()), dtype=np.float64)
    except (TypeError, ValueError, AttributeError) as error:
        raise ActivationError(f"{label} of {name} does not take float64 arrays: {error}") from error
    if values.shape != points.shape:
        raise ActivationError(
            f"{label} of {name} must be elementwise: an array of shape {points.shape} gave {values.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ActivationError(
            f"{label} of {name} is {values[bad[0]]} at t = {points[bad[0]]:g}; it must be finite"
        )
    return values


def _compare(h: Smooth) -> None:
    """Each derivative against difference quotients, where these settle down.

    Central differences at steps e and e/2 differ by about three quarters of the first one's error when the function
    is smooth there, and by the rounding of the values, 4 u max|h| / e, in any case. Eight times both together is
    more than the error of the quotient at a smooth point; where a kink is near the quotients do not settle, the
    difference is large, and nothing is concluded.
    """
    with np.errstate(all="ignore"):
        _compare_quotients(h)


def _compare_quotients(h: Smooth) -> None:
    parts = (("value", h.value), ("first", h.first), ("second", h.second))
    values = [_sample(function, label, h.name, _GRID) for label, function in parts]
    for k in (1, 2):
        label, below = parts[k][0], parts[k - 1][1]
        quotients, roundings = [], []
        for step in (2.0**-12, 2.0**-13):
            high = _sample(below, parts[k - 1][0], h.name, _GRID + step)
            low = _sample(below, parts[k - 1][0], h.name, _GRID - step)
            quotients.append((high - low) / (2 * step))
            roundings.append(4 * U * (np.abs(high) + np.abs(low)) / step)
        allowed = 8 * (np.abs(quotients[0] - quotients[1]) + roundings[0] + roundings[1])
        # one ulp-sized floor: a derivative is itself rounded
        allowed += 2.0**-40 * np.abs(values[k])
        wrong = np.flatnonzero(np.abs(quotients[1] - values[k]) > allowed)
        if len(wrong):
            i = int(wrong[0])
            raise ActivationError(
                f"{label} derivative of {h.name} is {values[k][i]:.6g} at t = {_GRID[i]:g}, but difference quotients of "
                f"{'the value' if k == 1 else 'the first derivative'} give {quotients[1][i]:.6g}; correct the derivative"
            )
