"""The activations known by name: accurate in float64, with two derivatives, and as formulas for proofs."""

from __future__ import annotations

import difflib
import json
import math
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ActivationError

from . import curves as curves
from .formula import Formula, freeze, rational
from .piecewise_linear import PiecewiseLinear, leaky_relu, relu
from .smooth import Smooth

__all__ = [
    "ActivationInfo",
    "ActivationTable",
    "activation",
    "activations",
    "as_activation",
    "stored_activation",
]

Floats = NDArray[np.float64]
Curve = Callable[..., Any]

_LOGISTIC = ["div", 1, ["add", 1, ["exp", ["neg", "t"]]]]
# PyTorch's SELU constants
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _scaled(b: Formula) -> Formula:
    return "t" if b == 1 else ["mul", b, "t"]


def _elu(a: Formula, scale: Formula = 1) -> Formula:
    return ["if", "t", ["mul", scale, "t"], ["mul", scale, ["mul", a, ["sub", ["exp", "t"], 1]]]]


def _softplus(b: Formula) -> Formula:
    return ["div", ["softplus", _scaled(b)], b]


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

    def make(self, **parameters: float) -> Smooth | PiecewiseLinear:
        """The activation with these parameters; errors as `activation`."""
        values = {**self.parameters}
        for key, value in parameters.items():
            if key not in values:
                known = ", ".join(values) or "none"
                raise ActivationError(f"{self.name} has no parameter {key!r}; it has: {known}")
            values[key] = self._number(key, value)
        if self.name == "relu":
            return relu
        if self.name == "leaky_relu":
            return leaky_relu(values["slope"])
        if self.name == "piecewise_linear":
            return PiecewiseLinear(values["s_plus"], values["s_minus"])
        assert self._curve is not None
        assert self._formula is not None
        exact = {key: rational(value) for key, value in values.items()}
        h, dh, ddh = (partial(self._curve, order, **values) for order in range(3))
        return Smooth(h, dh, ddh, self.name, self._formula(**exact), tuple(values.items()))

    def _number(self, key: str, value: float) -> float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(float(value)):
            raise ActivationError(f"{key} of {self.name} must be a finite number, got {value!r:.40}")
        if key in self._whole:
            if value != int(value) or not 2 <= value <= 50:
                raise ActivationError(
                    f"{key} of {self.name} must be a whole number from 2 to 50, got {value!r:.40}"
                )
            return int(value)
        if key in self._positive and value <= 0:
            raise ActivationError(f"{key} of {self.name} must be > 0, got {value!r:.40}")
        return float(value)


_KNOWN: tuple[ActivationInfo, ...] = (
    ActivationInfo(
        "sigmoid", "1/(1 + e^-t)", aliases=("logistic",), _curve=curves.sigmoid, _formula=lambda: _LOGISTIC
    ),
    ActivationInfo(
        "tanh",
        "(e^t - e^-t)/(e^t + e^-t)",
        _curve=curves.tanh,
        _formula=lambda: ["sub", 1, ["div", 2, ["add", 1, ["exp", ["mul", 2, "t"]]]]],
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
        _formula=lambda alpha: _elu(alpha),
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
    ActivationInfo(
        "piecewise_linear", "s_plus t for t > 0, s_minus t for t < 0", False, {"s_plus": 1.0, "s_minus": 0.0}
    ),
    ActivationInfo(
        "softplus",
        "log(1 + e^(beta t))/beta",
        parameters={"beta": 1.0},
        _curve=curves.softplus,
        _formula=lambda beta: _softplus(beta),
        _positive=("beta",),
    ),
    ActivationInfo(
        "gelu",
        "t (1 + erf(t/sqrt 2))/2",
        _curve=curves.gelu,
        _formula=lambda: ["mul", ["div", "t", 2], ["add", 1, ["erf", ["div", "t", ["sqrt", 2]]]]],
    ),
    ActivationInfo("gelu_tanh", "GELU by its tanh formula", _curve=curves.gelu_tanh, _formula=_gelu_tanh),
    ActivationInfo(
        "silu",
        "t/(1 + e^(-beta t))",
        parameters={"beta": 1.0},
        aliases=("swish",),
        _curve=curves.silu,
        _formula=lambda beta: ["div", "t", ["add", 1, ["exp", ["neg", _scaled(beta)]]]],
        _positive=("beta",),
    ),
    ActivationInfo("mish", "t tanh(softplus(t))", _curve=curves.mish, _formula=_mish),
    ActivationInfo("sine", "sin t", aliases=("sin",), _curve=curves.sine, _formula=lambda: ["sin", "t"]),
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


class ActivationTable(Mapping[str, ActivationInfo]):
    """The known activations by name; prints as a table."""

    def __init__(self) -> None:
        self._entries = {entry.name: entry for entry in _KNOWN}
        self._aliases = {alias: entry.name for entry in self._entries.values() for alias in entry.aliases}

    def __getitem__(self, name: str) -> ActivationInfo:
        return self._entries[self._aliases.get(name, name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, name: str) -> ActivationInfo:
        """By name or alias, upper or lower case; `ActivationError` names the near ones."""
        key = str(name).lower().replace("-", "_")
        names = [*self._entries, *self._aliases]
        if key not in names:
            near = difflib.get_close_matches(key, names, 4, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(self._entries)}"
            raise ActivationError(f"no activation is called {name!r:.40}; {hint}")
        return self[key]

    def __str__(self) -> str:
        rows = [("name", "h(t)", "parameters", "C2")]
        for entry in self._entries.values():
            given = ", ".join(f"{key}={value:g}" for key, value in entry.parameters.items())
            rows.append(
                (
                    "/".join([entry.name, *entry.aliases]),
                    entry.about,
                    given,
                    "yes" if entry.c2 else "piecewise",
                )
            )
        widths = [max(len(row[k]) for row in rows) for k in range(4)]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    __repr__ = __str__


_TABLE = ActivationTable()


def activations() -> ActivationTable:
    """The activations known by name, with their parameters.

    Returns
    -------
    ActivationTable
        A mapping from names to `ActivationInfo`; print it to read it.
    """
    return _TABLE


def activation(name: str, **parameters: float) -> Smooth | PiecewiseLinear:
    """An activation by name.

    Parameters
    ----------
    name : str
        As in `activations`, or an alias.
    **parameters : float
        For example alpha=2.0 for "elu"; float64 numbers, taken exactly.

    Raises
    ------
    ActivationError
        An unknown name (the near ones are listed), an unknown parameter, or one out of its range.
    """
    return _TABLE.find(name).make(**parameters)


def stored_activation(name: str, parameters: str, formula: str) -> Smooth:
    """An activation from the words of a file, parameters and formula in JSON.

    The formula decides: a known name stands for the library's functions only where its formula is the same.

    Raises
    ------
    ActivationError
        What is no JSON, no formula, or has no parameters by name.
    """
    # a formula has at most 500 nodes of 2,000 digits
    if len(formula) > 2_000_000 or len(parameters) > 10_000:
        raise ActivationError("the formula of the activation is longer than a formula can be")
    try:
        exact = freeze(json.loads(formula))
        values = {str(key): float(value) for key, value in json.loads(parameters)}
    except (ValueError, TypeError, RecursionError) as error:
        raise ActivationError(f"the activation's formula or parameters cannot be read: {error}") from error
    if name in _TABLE:
        known = activation(name, **values)
        if isinstance(known, Smooth) and known.formula == exact:
            return known
    return Smooth.from_formula(exact, name)


_TORCH: dict[str, tuple[str, tuple[str, ...]]] = {
    "Sigmoid": ("sigmoid", ()),
    "Tanh": ("tanh", ()),
    "ELU": ("elu", ("alpha",)),
    "SELU": ("selu", ()),
    "CELU": ("celu", ("alpha",)),
    "ReLU": ("relu", ()),
    "SiLU": ("silu", ()),
    "Mish": ("mish", ()),
    "Softsign": ("softsign", ()),
    "Hardswish": ("hardswish", ()),
    "LogSigmoid": ("log_sigmoid", ()),
    "Softplus": ("softplus", ("beta",)),
    "Identity": ("identity", ()),
}


def as_activation(value: Any) -> Any:
    """An activation from a name, an activation, a `torch.nn` module, or any callable (which stays as it is).

    Notes
    -----
    PyTorch's Softplus is linear above its `threshold` (20 by default), 2e-9 away from log(1 + e^t); what comes back
    is the function without that cut.

    Raises
    ------
    ActivationError
        A name or a module that is not known.
    """
    if isinstance(value, str):
        return activation(value)
    kind = type(value)
    if not kind.__module__.startswith("torch.nn."):
        return value
    if kind.__name__ == "LeakyReLU":
        return leaky_relu(float(value.negative_slope))
    if kind.__name__ == "GELU":
        return activation("gelu" if value.approximate == "none" else "gelu_tanh")
    if kind.__name__ not in _TORCH:
        known = ", ".join(sorted([*_TORCH, "LeakyReLU", "GELU"]))
        raise ActivationError(
            f"torch.nn.{kind.__name__} has no counterpart here; known are {known}. "
            "Others can be written with Smooth.from_formula"
        )
    name, keys = _TORCH[kind.__name__]
    return activation(name, **{key: float(getattr(value, key)) for key in keys})
