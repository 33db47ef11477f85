"""The activations of theorem 1: h(t) = max(s_plus t, 0) + min(s_minus t, 0)."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import ActivationError
from fastminima.system.options import spelled

from .formula import Formula, rational

__all__ = ["PiecewiseLinear", "leaky_relu", "relu"]


def _slope(value: float, name: str) -> float:
    # strings have a float() too, but are no slopes
    if not isinstance(value, numbers.Real | Decimal | np.floating | np.integer):
        raise ActivationError(f"{name} must be a real number, got {spelled(value)}")
    try:
        number = float(value)
    except OverflowError as error:
        raise ActivationError(f"{name} must be a float64, got {spelled(value)}") from error
    if not math.isfinite(number):
        raise ActivationError(f"{name} must be finite, got {number}")
    if not isinstance(value, np.floating) and Fraction(value) != Fraction(number):
        raise ActivationError(
            f"{name} = {value!r:.60} is not a float64; give a slope that is, such as {number!r}"
        )
    return number


def _short(value: float) -> str:
    """At most six digits where they say it all, else as many as it takes."""
    text = f"{value:g}"
    return text if float(text) == value else repr(value)


@dataclass(frozen=True)
class PiecewiseLinear:
    """Piecewise linear activation with one kink at the origin, h_{s+,s-} of the paper.

    Parameters
    ----------
    s_plus : float
        Slope for positive inputs, s_plus > 0.
    s_minus : float
        Slope for negative inputs, s_minus >= 0, different from `s_plus`.

    Raises
    ------
    ActivationError
        If a slope is not finite, `s_plus` <= 0, `s_minus` < 0, or both are equal (h would be linear, and a
        linear network has no spurious minimum).

    Notes
    -----
    Yun, Sra and Jadbabaie (2019), section 2: the activations h_{s+,s-} of theorem 1.
    h(t) = a t + c |t| with a = (s_plus + s_minus)/2 and c = (s_plus - s_minus)/2.

    Examples
    --------
    >>> import fastminima as fm
    >>> h = fm.PiecewiseLinear(1.0, 0.25)
    >>> h([-4.0, 2.0]).tolist(), h == fm.leaky_relu(0.25)
    ([-1.0, 2.0], True)
    """

    s_plus: float = 1.0
    s_minus: float = 0.0

    def __post_init__(self) -> None:
        s_plus = _slope(self.s_plus, "s_plus")
        s_minus = _slope(self.s_minus, "s_minus")
        if s_plus <= 0.0:
            raise ActivationError(f"s_plus must be > 0, got {s_plus}; for a falling h, flip the sign of W2")
        if s_minus < 0.0:
            raise ActivationError(
                f"s_minus must be >= 0, got {s_minus}; theorem 1 covers slopes s_minus >= 0"
            )
        if s_plus == s_minus:
            raise ActivationError(
                f"s_plus and s_minus are both {s_plus}: h is linear and has no spurious minimum; "
                "give two different slopes, for example PiecewiseLinear(1.0, 0.0)"
            )
        object.__setattr__(self, "s_plus", s_plus)
        # -0.0 equals 0.0: one spelling keeps h(t) and the printed form the same
        object.__setattr__(self, "s_minus", s_minus + 0.0)

    @property
    def kappa(self) -> float:
        """Strength of the kink, (s_plus - s_minus)/(s_plus + s_minus), in (-1, 1]."""
        # scaled first: the sum of two slopes may overflow or their halves vanish, the quotient is the same
        shift = 1 - math.frexp(max(self.s_plus, self.s_minus))[1]
        s_plus, s_minus = math.ldexp(self.s_plus, shift), math.ldexp(self.s_minus, shift)
        return (s_plus - s_minus) / (s_plus + s_minus)

    def __call__(self, t: ArrayLike) -> NDArray[np.floating]:
        """h(t), elementwise, in the floating dtype of `t` (float64 for integers)."""
        array = np.asarray(t)
        if not np.issubdtype(array.dtype, np.floating):
            array = array.astype(np.float64)
        s_plus, s_minus = array.dtype.type(self.s_plus), array.dtype.type(self.s_minus)
        result: NDArray[np.floating] = np.where(array > 0, s_plus, s_minus) * array
        return result

    value = __call__

    def first(self, t: ArrayLike) -> NDArray[np.float64]:
        """h'(t), elementwise; s_minus at 0."""
        return np.where(np.asarray(t) > 0, self.s_plus, self.s_minus)

    def second(self, t: ArrayLike) -> NDArray[np.float64]:
        """h''(t) = 0, elementwise."""
        return np.zeros(np.shape(t))

    @property
    def name(self) -> str:
        """Its name in `fastminima.activations`: relu, leaky_relu where s_plus is 1, else piecewise_linear."""
        if self.s_plus != 1.0:
            return "piecewise_linear"
        return "leaky_relu" if self.s_minus else "relu"

    @property
    def formula(self) -> Formula:
        """h as data, see `fastminima.networks.activations.formula`."""
        return ("if", "t", ("mul", rational(self.s_plus), "t"), ("mul", rational(self.s_minus), "t"))

    def __str__(self) -> str:
        if (self.s_plus, self.s_minus) == (1.0, 0.0):
            return "ReLU"
        if self.s_plus == 1.0 and self.s_minus < 1.0:
            return f"LeakyReLU({_short(self.s_minus)})"
        return f"PiecewiseLinear({_short(self.s_plus)}, {_short(self.s_minus)})"


relu = PiecewiseLinear(1.0, 0.0)
"""ReLU, h_{1,0}."""


def leaky_relu(slope: float = 0.01) -> PiecewiseLinear:
    """Leaky ReLU with the given slope for negative inputs, h_{1,slope}.

    Parameters
    ----------
    slope : float, default 0.01
        PyTorch's default. Must be >= 0 and not 1.

    Examples
    --------
    >>> import fastminima as fm
    >>> fm.leaky_relu(0.2)([-1.0, 0.0, 1.0]).tolist()
    [-0.2, 0.0, 1.0]
    """
    return PiecewiseLinear(1.0, slope)
