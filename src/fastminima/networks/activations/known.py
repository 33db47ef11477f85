"""What is known of each activation that has a name: what it is called and takes, its float64 curve, its formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastminima.errors import ActivationError
from fastminima.system.options import as_real, spelled

from . import curves as curves
from .formula import Formula, rational
from .piecewise_linear import PiecewiseLinear, leaky_relu, relu
from .smooth import Smooth

__all__ = ["KNOWN", "ActivationInfo"]

Curve = Callable[..., Any]

_LOGISTIC = ["div", 1, ["add", 1, ["exp", ["neg", "t"]]]]
_TANH = ["sub", 1, ["div", 2, ["add", 1, ["exp", ["mul", 2, "t"]]]]]
# PyTorch's SELU constants
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
_QUICK = 1.702


def _scaled(b: Formula) -> Formula:
    return "t" if b == 1 else ["mul", b, "t"]


def _elu(alpha: Formula, scale: Formula = 1) -> Formula:
    return ["if", "t", ["mul", scale, "t"], ["mul", scale, ["mul", alpha, ["sub", ["exp", "t"], 1]]]]


def _softplus(beta: Formula) -> Formula:
    return ["div", ["softplus", _scaled(beta)], beta]


def _between(low: Formula, high: Formula, inside: Formula, below: Formula, above: Formula) -> Formula:
    """`inside` from low to high, other pieces outside."""
    return ["if", ["sub", "t", high], above, ["if", ["sub", "t", low], inside, below]]


def _silu(beta: Formula) -> Formula:
    return ["div", "t", ["add", 1, ["exp", ["neg", _scaled(beta)]]]]


def _gelu_tanh() -> Formula:
    # t / (1 + exp(-2 u)) with u = sqrt(2/pi) (t + 0.044715 t^3), as tanh(u) = 2/(1 + exp(-2u)) - 1
    u = ["mul", ["sqrt", ["div", 8, "pi"]], ["add", "t", ["mul", "44715/1000000", ["pow", "t", 3]]]]
    return ["div", "t", ["add", 1, ["exp", ["neg", u]]]]


def _mish() -> Formula:
    # tanh(log(1 + e^t)) = 1 - 2 / (1 + (1 + e^t)^2)
    square = ["pow", ["add", 1, ["exp", "t"]], 2]
    return ["mul", "t", ["sub", 1, ["div", 2, ["add", 1, square]]]]


@dataclass(frozen=True)
class ActivationInfo:
    """One activation the library knows.

    Attributes
    ----------
    name : str
    parameters : dict of str to float
        With their defaults.
    c2 : bool
        Twice continuously differentiable everywhere? (Theorem 2 needs it near two points only.)
    about : str
    aliases : tuple of str
    """

    name: str
    about: str
    c2: bool = True
    parameters: Mapping[str, float] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    _curve: Curve | None = field(default=None, repr=False)
    _formula: Callable[..., Formula] | None = field(default=None, repr=False)
    _positive: tuple[str, ...] = field(default=(), repr=False)
    _whole: tuple[str, ...] = field(default=(), repr=False)
    _rising: tuple[str, ...] = field(default=(), repr=False)

    def make(self, **parameters: float) -> Smooth | PiecewiseLinear:
        """The activation with these parameters; errors as `activation`."""
        values = {**self.parameters}
        for key, value in parameters.items():
            if key not in values:
                known = ", ".join(values) or "none"
                raise ActivationError(f"{self.name} has no parameter {key!r}; it has: {known}")
            values[key] = self._number(key, value)
        ends = [values[key] for key in self._rising]
        if sorted(set(ends)) != ends:
            raise ActivationError(
                f"{self.name} needs {' < '.join(self._rising)}, got {', '.join(map(repr, ends))}"
            )
        if self.name == "relu":
            return relu
        if self.name in ("leaky_relu", "prelu"):
            return leaky_relu(values["slope"])
        if self.name == "piecewise_linear":
            return PiecewiseLinear(values["s_plus"], values["s_minus"])
        assert self._curve is not None
        assert self._formula is not None
        exact = {key: rational(value) for key, value in values.items()}
        h, dh, ddh = (partial(self._curve, order, **values) for order in range(3))
        return Smooth(h, dh, ddh, self.name, self._formula(**exact), tuple(values.items()))

    def _number(self, key: str, value: float) -> float:
        if not math.isfinite(as_real(value)):
            raise ActivationError(f"{key} of {self.name} must be a finite number, got {spelled(value)}")
        if key in self._whole:
            if value != int(value) or not 2 <= value <= 50:
                raise ActivationError(
                    f"{key} of {self.name} must be a whole number from 2 to 50, got {spelled(value)}"
                )
            return int(value)
        if key in self._positive and value <= 0:
            raise ActivationError(f"{key} of {self.name} must be > 0, got {spelled(value)}")
        return float(value)


KNOWN: tuple[ActivationInfo, ...] = (
    ActivationInfo(
        "sigmoid", "1/(1 + e^-t)", aliases=("logistic",), _curve=curves.sigmoid, _formula=lambda: _LOGISTIC
    ),
    ActivationInfo(
        "tanh",
        "(e^t - e^-t)/(e^t + e^-t)",
        _curve=curves.tanh,
        _formula=lambda: _TANH,
    ),
    ActivationInfo(
        "arctan", "arc tangent", aliases=("atan",), _curve=curves.arctan, _formula=lambda: ["atan", "t"]
    ),
    ActivationInfo(
        "quadratic",
        "t^2",
        aliases=("square",),
        _curve=partial(curves.power, n=2),
        _formula=lambda: ["pow", "t", 2],
    ),
    ActivationInfo("cube", "t^3", _curve=partial(curves.power, n=3), _formula=lambda: ["pow", "t", 3]),
    ActivationInfo(
        "power",
        "t^n",
        parameters={"n": 4},
        _curve=curves.power,
        _formula=lambda n: ["pow", "t", n],
        _whole=("n",),
    ),
    ActivationInfo(
        "elu",
        "t for t > 0, alpha (e^t - 1) for t < 0",
        False,
        {"alpha": 1.0},
        _curve=curves.elu,
        _formula=_elu,
        _positive=("alpha",),
    ),
    ActivationInfo(
        "selu",
        "1.0507 ELU(1.6733)",
        False,
        _curve=partial(curves.elu, alpha=_SELU_ALPHA, scale=_SELU_SCALE),
        _formula=lambda: _elu(rational(_SELU_ALPHA), rational(_SELU_SCALE)),
    ),
    ActivationInfo(
        "celu",
        "t for t > 0, alpha (e^(t/alpha) - 1) for t < 0",
        False,
        {"alpha": 1.0},
        _curve=curves.celu,
        _formula=lambda alpha: ["if", "t", "t", ["mul", alpha, ["sub", ["exp", ["div", "t", alpha]], 1]]],
        _positive=("alpha",),
    ),
    ActivationInfo("relu", "max(t, 0)", False),
    ActivationInfo("leaky_relu", "t for t > 0, slope t for t < 0", False, {"slope": 0.01}),
    ActivationInfo("prelu", "leaky_relu with the slope that PReLU begins with", False, {"slope": 0.25}),
    ActivationInfo(
        "piecewise_linear", "s_plus t for t > 0, s_minus t for t < 0", False, {"s_plus": 1.0, "s_minus": 0.0}
    ),
    ActivationInfo(
        "softplus",
        "log(1 + e^(beta t))/beta",
        parameters={"beta": 1.0},
        _curve=curves.softplus,
        _formula=_softplus,
        _positive=("beta",),
    ),
    ActivationInfo(
        "softplus_cut",
        "softplus, but t where beta t > threshold, as in PyTorch",
        False,
        {"beta": 1.0, "threshold": 20.0},
        _curve=curves.softplus_cut,
        _formula=lambda beta, threshold: ["if", ["sub", _scaled(beta), threshold], "t", _softplus(beta)],
        _positive=("beta",),
    ),
    ActivationInfo(
        "squareplus",
        "(t + sqrt(t^2 + b))/2",
        parameters={"b": 4.0},
        _curve=curves.squareplus,
        _formula=lambda b: ["div", ["add", "t", ["sqrt", ["add", ["mul", "t", "t"], b]]], 2],
        _positive=("b",),
    ),
    ActivationInfo(
        "gelu",
        "t (1 + erf(t/sqrt 2))/2",
        _curve=curves.gelu,
        _formula=lambda: ["mul", ["div", "t", 2], ["add", 1, ["erf", ["div", "t", ["sqrt", 2]]]]],
    ),
    ActivationInfo(
        "gelu_tanh",
        "GELU by its tanh formula",
        aliases=("gelu_new", "gelu_pytorch_tanh"),
        _curve=curves.gelu_tanh,
        _formula=_gelu_tanh,
    ),
    ActivationInfo(
        "quick_gelu",
        "t/(1 + e^(-1.702 t))",
        _curve=partial(curves.silu, beta=_QUICK),
        _formula=lambda: _silu(rational(_QUICK)),
    ),
    ActivationInfo(
        "silu",
        "t/(1 + e^(-beta t))",
        parameters={"beta": 1.0},
        aliases=("swish",),
        _curve=curves.silu,
        _formula=_silu,
        _positive=("beta",),
    ),
    ActivationInfo("mish", "t tanh(softplus(t))", _curve=curves.mish, _formula=_mish),
    ActivationInfo("sine", "sin t", aliases=("sin",), _curve=curves.sine, _formula=lambda: ["sin", "t"]),
    ActivationInfo(
        "cosine",
        "cos t",
        aliases=("cos",),
        _curve=curves.cosine,
        _formula=lambda: ["sin", ["add", "t", ["div", "pi", 2]]],
    ),
    ActivationInfo(
        "snake",
        "t + sin(a t)^2/a",
        parameters={"a": 1.0},
        _curve=curves.snake,
        _formula=lambda a: ["add", "t", ["div", ["pow", ["sin", _scaled(a)], 2], a]],
        _positive=("a",),
    ),
    ActivationInfo("erf", "error function", _curve=curves.erf, _formula=lambda: ["erf", "t"]),
    ActivationInfo(
        "softsign",
        "t/(1 + |t|)",
        False,
        _curve=curves.softsign,
        _formula=lambda: [
            "if",
            "t",
            ["sub", 1, ["div", 1, ["add", 1, "t"]]],
            ["sub", ["div", 1, ["sub", 1, "t"]], 1],
        ],
    ),
    ActivationInfo(
        "gaussian",
        "e^(-t^2/2)",
        _curve=curves.gaussian,
        _formula=lambda: ["exp", ["neg", ["div", ["mul", "t", "t"], 2]]],
    ),
    ActivationInfo(
        "hardswish",
        "t min(max(t + 3, 0), 6)/6",
        False,
        aliases=("hard_swish",),
        _curve=curves.hardswish,
        _formula=lambda: [
            "if",
            ["sub", "t", 3],
            "t",
            ["if", ["add", "t", 3], ["div", ["mul", "t", ["add", "t", 3]], 6], 0],
        ],
    ),
    ActivationInfo(
        "tanhshrink",
        "t - tanh t",
        _curve=curves.tanhshrink,
        _formula=lambda: ["sub", "t", _TANH],
    ),
    ActivationInfo(
        "softshrink",
        "t - lambd for t > lambd, t + lambd for t < -lambd, 0 between",
        False,
        {"lambd": 0.5},
        _curve=curves.softshrink,
        _formula=lambda lambd: _between(["neg", lambd], lambd, 0, ["add", "t", lambd], ["sub", "t", lambd]),
        _positive=("lambd",),
    ),
    ActivationInfo(
        "hardshrink",
        "t for |t| > lambd, 0 between",
        False,
        {"lambd": 0.5},
        _curve=curves.hardshrink,
        _formula=lambda lambd: _between(["neg", lambd], lambd, 0, "t", "t"),
        _positive=("lambd",),
    ),
    ActivationInfo(
        "hardtanh",
        "min(max(t, min_val), max_val)",
        False,
        {"min_val": -1.0, "max_val": 1.0},
        _curve=curves.hardtanh,
        _formula=lambda min_val, max_val: _between(min_val, max_val, "t", min_val, max_val),
        _rising=("min_val", "max_val"),
    ),
    ActivationInfo(
        "relu6",
        "min(max(t, 0), 6)",
        False,
        _curve=partial(curves.hardtanh, min_val=0.0, max_val=6.0),
        _formula=lambda: _between(0, 6, "t", 0, 6),
    ),
    ActivationInfo(
        "hardsigmoid",
        "min(max(t + 3, 0), 6)/6",
        False,
        _curve=curves.hardsigmoid,
        # (t + 3)/6 so that the checker's binary intervals have exactly 1 at 3, where they would not divide 6 by 6
        _formula=lambda: _between(-3, 3, ["sub", 1, ["div", ["sub", 3, "t"], 6]], 0, 1),
    ),
    ActivationInfo(
        "threshold",
        "t for t > threshold, value elsewhere",
        False,
        {"threshold": 0.0, "value": 0.0},
        _curve=curves.threshold,
        _formula=lambda threshold, value: ["if", ["sub", "t", threshold], "t", value],
    ),
    ActivationInfo(
        "relu_squared",
        "max(t, 0)^2",
        False,
        aliases=("squared_relu", "relu2"),
        _curve=curves.relu_squared,
        _formula=lambda: ["if", "t", ["mul", "t", "t"], 0],
    ),
    ActivationInfo(
        "exponential", "e^t", aliases=("exp",), _curve=curves.exponential, _formula=lambda: ["exp", "t"]
    ),
    ActivationInfo(
        "log_sigmoid",
        "-log(1 + e^-t)",
        aliases=("logsigmoid",),
        _curve=curves.log_sigmoid,
        _formula=lambda: ["neg", ["softplus", ["neg", "t"]]],
    ),
    ActivationInfo(
        "identity",
        "t; affine, so theorem 2 does not cover it",
        aliases=("linear",),
        _curve=curves.identity,
        _formula=lambda: "t",
    ),
)
