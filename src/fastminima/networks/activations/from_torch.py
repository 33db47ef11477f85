"""PyTorch's activation modules as names and parameters of ours, each compared with the module itself before it is taken.

Nothing here imports torch: a module can only come from a program that did.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from fastminima.errors import ActivationError

__all__ = ["ROUNDINGS", "TORCH_MODULES", "Module", "compare_with_module", "is_module", "module_name", "named_module"]


class Module(Protocol):
    """A torch.nn.Module, as far as types go: nothing here imports torch."""

    def state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """Its parameters."""


Parameters = dict[str, float]
Reading = Callable[[Any], tuple[str, Parameters]]

# e^t is infinite in float64 from 709.78 on, and so is PyTorch's softplus below a larger threshold
_LARGEST_THRESHOLD = 709.0
# what is compared: around 0, where pieces meet, and far out; multiples of 1/8 are numbers in bfloat16 too, near 0
_GRID = np.unique(np.concatenate([np.arange(-64, 65) / 8.0, np.arange(-60.0, 61.0), [-0.03125, 0.03125]]))
# roundings of the module's own numbers that its value may be away, times 1 + its size
ROUNDINGS = 64


def _reads(name: str, **attributes: str) -> Reading:
    """`name` with our parameter = the number in the module's attribute."""
    return lambda module: (name, {ours: _number(module, theirs) for ours, theirs in attributes.items()})


def _number(module: Any, attribute: str) -> float:
    """A number that a module holds: a float, or a tensor of one entry, in float64 exactly."""
    held: Any = getattr(module, attribute, None)
    # float() of a tensor that tracks gradients warns
    value = held.detach() if callable(getattr(held, "detach", None)) else held
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError, NotImplementedError) as error:
        raise ActivationError(
            f"{attribute} of {module_name(module)} must be one real number, got {str(held)!r:.60}"
        ) from error


def _prelu(module: Any) -> tuple[str, Parameters]:
    slopes = module.weight.numel()
    if slopes != 1:
        raise ActivationError(
            f"this PReLU has {slopes} slopes, one a channel; an activation is one function: use PReLU(1)"
        )
    return "leaky_relu", {"slope": _number(module, "weight")}


def _rrelu(module: Any) -> tuple[str, Parameters]:
    if getattr(module, "training", True):
        raise ActivationError(
            "RReLU draws its slopes at random while it trains, which is no function; call .eval() on it first"
        )
    return "leaky_relu", {"slope": (_number(module, "lower") + _number(module, "upper")) / 2}


def _gelu(module: Any) -> tuple[str, Parameters]:
    names = {"none": "gelu", "tanh": "gelu_tanh"}
    kind = getattr(module, "approximate", "none")
    if kind not in names:
        raise ActivationError(f"GELU knows approximate='none' and 'tanh', this one has {kind!r:.40}")
    return names[kind], {}


def _softplus(module: Any) -> tuple[str, Parameters]:
    found = {key: _number(module, key) for key in ("beta", "threshold")}
    if not found["threshold"] <= _LARGEST_THRESHOLD:
        raise ActivationError(
            f"Softplus(threshold={found['threshold']:g}) overflows in PyTorch where beta t is above 709.78; take a "
            f"threshold of at most {_LARGEST_THRESHOLD:g}, or the name 'softplus', which has none"
        )
    return "softplus_cut", found


def _relu6(module: Any) -> tuple[str, Parameters]:
    ends = {key: _number(module, key) for key in ("min_val", "max_val")}
    return ("relu6", {}) if ends == {"min_val": 0.0, "max_val": 6.0} else ("hardtanh", ends)


TORCH_MODULES: dict[str, Reading] = {
    "CELU": _reads("celu", alpha="alpha"),
    "ELU": _reads("elu", alpha="alpha"),
    "GELU": _gelu,
    "Hardshrink": _reads("hardshrink", lambd="lambd"),
    "Hardsigmoid": _reads("hardsigmoid"),
    "Hardswish": _reads("hardswish"),
    "Hardtanh": _reads("hardtanh", min_val="min_val", max_val="max_val"),
    "Identity": _reads("identity"),
    "LeakyReLU": _reads("leaky_relu", slope="negative_slope"),
    "LogSigmoid": _reads("log_sigmoid"),
    "Mish": _reads("mish"),
    "PReLU": _prelu,
    "RReLU": _rrelu,
    "ReLU": _reads("relu"),
    "ReLU6": _relu6,
    "SELU": _reads("selu"),
    "SiLU": _reads("silu"),
    "Sigmoid": _reads("sigmoid"),
    "Softplus": _softplus,
    "Softshrink": _reads("softshrink", lambd="lambd"),
    "Softsign": _reads("softsign"),
    "Tanh": _reads("tanh"),
    "Tanhshrink": _reads("tanhshrink"),
    "Threshold": _reads("threshold", threshold="threshold", value="value"),
}
"""How a module of `torch.nn` is read, by the name of its class."""


def named_module(value: Any) -> tuple[str, Parameters] | None:
    """The name and the parameters of a `torch.nn` module; None for what does not come from PyTorch.

    A subclass is its base, as long as it computes by its base's `forward`.

    Raises
    ------
    ActivationError
        A module that is not known, one whose `forward` is its own or whose calls are hooked, one that is no function
        (RReLU in training, PReLU with a slope for each channel), parameters that are no numbers, a class or a function of
        PyTorch's in the place of a module.
    """
    kind = type(value)
    if not _of_torch(value):
        if str(getattr(value, "__module__", None)).partition(".")[0] == "torch" and callable(value):
            raise ActivationError(
                f"{getattr(value, '__name__', value)!s:.60} of PyTorch is no module: give one, such as torch.nn.Tanh(), "
                f"or a name of fastminima.activations; {_known()}"
            )
        return None
    base = next((k for k in kind.__mro__ if k.__module__.startswith("torch.nn.")), kind)
    if base.__name__ not in TORCH_MODULES:
        raise ActivationError(f"{module_name(value)} has no counterpart here; {_known()}")
    own = [k for k in kind.__mro__[: kind.__mro__.index(base)] if {"forward", "__call__"} & set(vars(k))]
    if own or "forward" in vars(value):
        raise ActivationError(
            f"{module_name(value)} has a forward of its own, so it need not be {base.__name__}'s function; {_known()}"
        )
    if getattr(value, "_forward_hooks", None) or getattr(value, "_forward_pre_hooks", None):
        raise ActivationError(
            f"{module_name(value)} has forward hooks, which may change what it computes; remove them first"
        )
    return TORCH_MODULES[base.__name__](value)


def compare_with_module(module: Any, h: Any) -> None:
    """Is the module's function h, on a grid and to rounding?

    Raises
    ------
    ActivationError
        It is not (the point is named), or the module does not compute on a plain tensor.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or not is_module(module):
        return  # it has the class of a module and nothing to call
    held = next(iter(module.parameters()), None)
    kind, place = (torch.float64, "cpu") if held is None else (held.dtype, held.device)
    try:
        with torch.no_grad():
            points = torch.tensor(_GRID, dtype=kind, device=place)
            # modules may work in place
            values = module(points.clone()).to("cpu", torch.float64).numpy()
            points, eps = points.to("cpu", torch.float64).numpy(), float(torch.finfo(kind).eps)
    except Exception as error:
        raise ActivationError(
            f"{module_name(module)} does not compute on a tensor: {error!s:.200}"
        ) from error
    if values.shape != points.shape:
        raise ActivationError(
            f"{module_name(module)} is not elementwise: {points.shape} numbers gave a tensor of shape {values.shape}"
        )
    with np.errstate(all="ignore"):
        exact = np.asarray(h(points), dtype=np.float64)
        # false where either is NaN, too
        close = np.abs(values - exact) <= ROUNDINGS * eps * (1 + np.abs(exact))
    wrong = np.flatnonzero(~(close | (values == exact)))
    if len(wrong):
        i = int(wrong[0])
        raise ActivationError(
            f"{module_name(module)} gives {values[i]:.9g} at t = {points[i]:g}, but {h} is {exact[i]:.9g} there; "
            "what is proved would be about another function"
        )


def module_name(module: Any) -> str:
    """What messages call a module: its class."""
    kind = type(module)
    return f"torch.nn.{kind.__name__}" if kind.__module__.startswith("torch.nn.") else kind.__qualname__


def is_module(value: Any) -> bool:
    """Is it an instance of `torch.nn.Module`? Without importing torch."""
    base = getattr(getattr(sys.modules.get("torch"), "nn", None), "Module", None)
    return base is not None and isinstance(value, base)


def _of_torch(value: Any) -> bool:
    return type(value).__module__.startswith("torch.nn.") or is_module(value)


def _known() -> str:
    return f"known are {', '.join(sorted(TORCH_MODULES))}. Others can be written with Smooth.from_formula"
