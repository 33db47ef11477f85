"""The layers and activations of a torch module of any depth, and the comparison of what it computes with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataTypeError, NetworkError
from fastminima.networks.activations.from_torch import ROUNDINGS, is_module, module_name
from fastminima.networks.activations.named import as_activation
from fastminima.system.options import spelled

from .named_tensors import tensor_values
from .torch_modules import called, layer_of, parts_of, points_through, refuse_difference

__all__ = ["layers_of_torch"]

F64 = NDArray[np.float64]
Pairs = tuple[tuple[F64, F64], ...]
Compare = Callable[[Pairs, tuple[Any, ...]], None]


def layers_of_torch(model: Any, activation: Any = None) -> tuple[list[tuple[Any, Any]], Any, Compare]:
    """Pairs (weight, bias) in order, the activation or activations, and a comparison with the module.

    Raises
    ------
    NetworkError, ActivationError, DataTypeError
        As `DeepNetwork.from_torch`.
    """
    if isinstance(model, Mapping) and not is_module(model):
        if activation is None:
            raise NetworkError("a state dict does not say its activation; name it: activation='relu'")
        return _of_state(model), activation, _nothing
    if not is_module(model):
        raise DataTypeError(
            f"from_torch takes a torch.nn.Module or a state dict, got {type(model).__name__}"
            + ("; give an instance, not the class" if isinstance(model, type) else "")
        )
    parts = parts_of(model, activation is not None)
    source, hidden = module_name(model), len(parts.linear) - 1
    if hidden < 1:
        raise NetworkError(f"{source} has {hidden + 1} linear layers; a network has at least two")
    layers = [layer_of(name, module) for name, module in parts.linear]
    if activation is None:
        found = [as_activation(module) for _, module in parts.activations or parts.identities]
        if len(found) not in (1, hidden):
            raise NetworkError(
                f"{source} has {hidden} hidden layers and {len(found)} activation modules; name the activations: "
                "activation='relu', or one for each hidden layer"
            )
        activation = found if len(found) == hidden else found[0]
    weight = parts.linear[0][1].weight
    return [(layer.weight, layer.bias) for layer in layers], activation, partial(_compare, model, weight)


def _nothing(layers: Pairs, activations: tuple[Any, ...]) -> None:
    """A state dict computes nothing that could be compared."""


def _of_state(state: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Matrices in the order of the mapping, each with the bias of its name."""
    values = {str(name): tensor_values(value, str(name)) for name, value in state.items()}
    layers, used = [], set()
    for name, value in values.items():
        if value.ndim != 2:
            continue
        bias = name.removesuffix("weight") + "bias"
        layers.append((value, values.get(bias, np.zeros(len(value)))))
        used |= {name, bias}
    left = sorted(set(values) - used)
    if left:
        raise NetworkError(f"{left[0]!r} is neither a matrix nor the bias of one")
    return layers


def _compare(model: Any, weight: Any, layers: Pairs, activations: tuple[Any, ...]) -> None:
    """Does the module compute the network, at points of all sizes and within the rounding of both?

    As for one hidden layer: a preactivation is off by delta = (inputs + 3) eps (|W||a| + |b|) + |W| (error of a), h by
    its change over [z - delta, z + delta] and `ROUNDINGS` eps (1 + |h|). Twice the result: the network rounds too.
    """
    torch: Any = sys.modules["torch"]
    name, limits = module_name(model), torch.finfo(weight.dtype)
    with np.errstate(all="ignore"):
        points = points_through(*layers[0])
        tensor = torch.tensor(points, dtype=weight.dtype, device=weight.device)
        X = tensor.to("cpu", torch.float64).numpy().copy()
        values = called(model, tensor, name, len(layers[-1][1]))
        a, error, largest = X, np.zeros_like(X), np.zeros(len(X))
        for k, (W, b) in enumerate(layers):
            size = np.abs(a) @ np.abs(W).T + np.abs(b)
            error = (a.shape[1] + 3) * limits.eps * size + error @ np.abs(W).T
            largest = np.maximum(largest, size.max(axis=1))
            a = a @ W.T + b
            if k < len(activations):
                h = activations[k]
                here, low, high = (np.asarray(h(t), dtype=np.float64) for t in (a, a - error, a + error))
                error = np.maximum(np.abs(high - here), np.abs(low - here))
                error += ROUNDINGS * limits.eps * (1 + np.abs(here))
                a = here
        # where the module's own numbers overflow, nothing can be compared
        fits = np.isfinite(error).all(axis=1) & (largest < limits.max / 4)
        wrong = np.flatnonzero(fits & ~(np.abs(values - a) <= 2 * error).all(axis=1))
    refuse_difference(
        name, weight.dtype, X, fits, wrong,
        lambda i: f"it gives {spelled(values[i, :4].tolist())}, the layers in order give {spelled(a[i, :4].tolist())}",
    )  # fmt: skip
