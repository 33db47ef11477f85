"""Activations as the curves of the compiled kernels: which one, and the numbers that shape it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.kernels import _forward, _smooth

from . import curves
from .smooth import Smooth

__all__ = ["Curve", "compiled_curve", "elementwise"]

F64 = NDArray[np.float64]
# a curve by name and its numbers; None where the kernels have none
Shape = tuple[str, tuple[float, ...]] | None

# numbers that shape a curve, and their reciprocals, are normal numbers in float32 too
_LEAST, _MOST = 1e-30, 1e30


@dataclass(frozen=True)
class Curve:
    """A curve of `fastminima.kernels._smooth`.

    Attributes
    ----------
    number : int
        Its place in CURVES.
    shape : ndarray of shape (3,)
        The numbers it depends on, filled up with zeros.
    """

    number: int
    shape: F64

    def __call__(self, t: F64) -> F64:
        """h(t), elementwise, for a float64 array; one in C order is overwritten."""
        flat = np.ascontiguousarray(t).reshape(-1)
        _smooth.curve_f64(self.number, self.shape, flat, _forward.BEST_VARIANT, flat)
        return flat.reshape(t.shape)


def _plain(name: str) -> Callable[[], Shape]:
    return lambda: (name, ())


def _power(n: int) -> Shape:
    return {2: ("square", ()), 3: ("cube", ())}.get(n)


def _elu(alpha: float, scale: float = 1.0) -> Shape:
    return "elu", (scale, scale * alpha, 1.0)


_CURVES: dict[Callable[..., Any], Callable[..., Shape]] = {
    curves.tanh: _plain("tanh"),
    curves.exponential: _plain("exp"),
    curves.erf: _plain("erf"),
    curves.sigmoid: _plain("sigmoid"),
    curves.log_sigmoid: _plain("log_sigmoid"),
    curves.gelu: _plain("gelu"),
    curves.mish: _plain("mish"),
    curves.gaussian: _plain("gaussian"),
    curves.softplus: lambda beta: ("softplus", (beta, 1 / beta)),
    curves.softplus_cut: lambda beta, threshold: ("softplus_cut", (beta, 1 / beta, threshold)),
    curves.silu: lambda beta: ("silu", (beta,)),
    curves.gelu_tanh: lambda: ("gelu_tanh", (math.sqrt(8 / math.pi), 0.044715)),
    curves.elu: _elu,
    curves.celu: lambda alpha: ("elu", (1.0, alpha, 1 / alpha)),
    curves.power: _power,
}


def compiled_curve(h: Any) -> Curve | None:
    """The kernels' curve of an activation of the library; None for any other function, and for curves they do not have.

    What a `Smooth` computes decides, not its name: one with functions of the user's own has no curve here.
    """
    value = h.value if isinstance(h, Smooth) else None
    if not isinstance(value, partial) or value.args != (0,) or value.func not in _CURVES:
        return None
    found = _CURVES[value.func](**value.keywords)
    if found is None or not all(number == 0 or _LEAST <= abs(number) <= _MOST for number in found[1]):
        return None
    name, numbers = found
    shape = np.zeros(3)
    shape[: len(numbers)] = numbers
    return Curve(_smooth.CURVES.index(name), shape)


def elementwise(h: Callable[[F64], Any]) -> Callable[[F64], F64]:
    """h for float64 arrays, which it may overwrite: compiled where there is a curve."""
    curve = compiled_curve(h)
    return curve if curve is not None else lambda t: np.asarray(h(t), dtype=np.float64)
