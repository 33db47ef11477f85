"""Activations as PyTorch modules: PyTorch's own where it has one, else the formula on tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from fastminima.errors import NetworkError

from .formula import evaluate
from .named import activation as named
from .piecewise_linear import PiecewiseLinear
from .smooth import Smooth

__all__ = ["torch_activation"]

_OWN: dict[str, Callable[[Any, dict[str, float]], Any]] = {
    "sigmoid": lambda nn, p: nn.Sigmoid(),
    "tanh": lambda nn, p: nn.Tanh(),
    "elu": lambda nn, p: nn.ELU(p["alpha"]),
    "selu": lambda nn, p: nn.SELU(),
    "celu": lambda nn, p: nn.CELU(p["alpha"]),
    "gelu": lambda nn, p: nn.GELU(),
    "gelu_tanh": lambda nn, p: nn.GELU(approximate="tanh"),
    "mish": lambda nn, p: nn.Mish(),
    "softsign": lambda nn, p: nn.Softsign(),
    "hardswish": lambda nn, p: nn.Hardswish(),
    "log_sigmoid": lambda nn, p: nn.LogSigmoid(),
    "identity": lambda nn, p: nn.Identity(),
    "softplus_cut": lambda nn, p: nn.Softplus(p["beta"], p["threshold"]),
    "tanhshrink": lambda nn, p: nn.Tanhshrink(),
    "softshrink": lambda nn, p: nn.Softshrink(p["lambd"]),
    "hardshrink": lambda nn, p: nn.Hardshrink(p["lambd"]),
    "hardtanh": lambda nn, p: nn.Hardtanh(p["min_val"], p["max_val"]),
    "relu6": lambda nn, p: nn.ReLU6(),
    "hardsigmoid": lambda nn, p: nn.Hardsigmoid(),
    "threshold": lambda nn, p: nn.Threshold(p["threshold"], p["value"]),
}


def torch_activation(torch: Any, activation: object) -> Any:
    """A module that computes the activation, differentiable.

    Parameters
    ----------
    torch : module
    activation : PiecewiseLinear or Smooth

    Raises
    ------
    NetworkError
        A function of the user's without a formula, or another callable.
    """
    if isinstance(activation, PiecewiseLinear):
        return _piecewise(torch, activation)
    if isinstance(activation, Smooth):
        own = _OWN.get(activation.name)
        parameters = dict(activation.parameters)
        # a name is a word; the formula says what is computed
        if own is not None and activation == named(activation.name, **parameters):
            return own(torch.nn, parameters)
        if activation.formula is not None:
            return _from_formula(torch, activation)
    raise NetworkError(f"activation {activation!r} has no torch form; give it a formula")


def _piecewise(torch: Any, activation: PiecewiseLinear) -> Any:
    if activation.s_plus == 1.0:
        # LeakyReLU multiplies negative inputs by its slope whatever the slope, also above 1
        return torch.nn.LeakyReLU(activation.s_minus) if activation.s_minus else torch.nn.ReLU()

    class TwoSlopes(torch.nn.Module):
        fastminima_activation = activation

        def forward(self, t: Any) -> Any:
            return torch.where(t > 0, activation.s_plus * t, activation.s_minus * t)

    return TwoSlopes()


class _Tensors:
    """Elementwise tensor arithmetic for formulas."""

    elementwise = True

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def __getattr__(self, name: str) -> Any:
        # sqrt, exp, log, sin, cos, atan, erf
        function = getattr(self._torch, name)
        return lambda x: function(self._torch.as_tensor(x, dtype=self._torch.float64))

    def constant(self, value: Fraction) -> float:
        return float(value)

    def pi(self) -> float:
        return math.pi

    def sign(self, x: Any) -> int:
        return 0

    def softplus(self, x: Any) -> Any:
        # without the cut of torch.nn.functional.softplus
        return self._torch.logaddexp(x, self._torch.zeros_like(x))

    def either(self, c: Any, a: Any, b: Any) -> Any:
        whole = self._torch.as_tensor
        return self._torch.where(c > 0, whole(a, dtype=c.dtype), whole(b, dtype=c.dtype))


def _from_formula(torch: Any, activation: Smooth) -> Any:
    numbers = _Tensors(torch)

    class Formula(torch.nn.Module):
        fastminima_activation = activation

        def forward(self, t: Any) -> Any:
            # functions of the formula are evaluated in float64
            return evaluate(activation.formula, t, numbers).to(t.dtype)

        def extra_repr(self) -> str:
            return repr(activation)

    return Formula()
