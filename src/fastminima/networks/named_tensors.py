"""A network from tensors by name, as a state dict or a file of weights has them: two matrices that fit together, and biases.

Which is which is read off the shapes, W1 (d1, dx) and W2 (1, d1), whatever the layers are called; a bias belongs to the
matrix of its layer. Nothing is guessed: a tensor too many is refused by name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.tensors import plain_array
from fastminima.errors import DataTypeError, NetworkError
from fastminima.networks.activations.named import as_activation
from fastminima.system.options import spelled

from .one_hidden_layer import OneHiddenLayer

__all__ = ["Layer", "check_layers", "network_of_tensors", "tensor_values"]

# tensors that a message lists
_SHOWN = 12
# entries of checkpoints that hold the weights themselves
_STATES = ("state_dict", "model_state_dict", "model")


@dataclass(frozen=True)
class Layer:
    """One linear layer: x -> weight x + bias.

    Attributes
    ----------
    name : str
        Where it stands: "0", "net.hidden".
    weight : ndarray of shape (outputs, inputs)
    bias : ndarray of shape (outputs,)
        Zero where the layer has none.
    """

    name: str
    weight: NDArray[Any]
    bias: NDArray[Any]

    def __str__(self) -> str:
        outputs, inputs = self.weight.shape
        return f"Linear({inputs}, {outputs}) {self.name!r}"


def check_layers(layers: Sequence[Layer], source: str) -> list[tuple[Layer, Layer]]:
    """(hidden, output) of the layers of a network with one hidden layer; both ways round where the shapes allow both.

    Raises
    ------
    NetworkError
        They are no such network; the layers are named.
    """
    found = ", ".join(map(str, layers[:_SHOWN])) + (" ..." if len(layers) > _SHOWN else "")
    if len(layers) != 2:
        what = {0: "no linear layer", 1: "one linear layer"}.get(len(layers), f"{len(layers)} linear layers")
        deep = "; fastminima.DeepNetwork.from_torch takes deep networks" if len(layers) > 2 else ""
        raise NetworkError(
            f"{source} is not one hidden layer: it has {what}{f' ({found})' if found else ''}, expected two{deep}"
        )
    pairs = [layers, layers[::-1]]
    fit = [(a, b) for a, b in pairs if len(a.weight) and len(a.weight) == b.weight.shape[1]]
    if not fit:
        raise NetworkError(f"{source} is not one hidden layer: {found} do not fit together in either order")
    if all(len(output.weight) != 1 for _, output in fit):
        raise NetworkError(
            f"{source} has {len(fit[0][1].weight)} outputs ({found}); fastminima.DeepNetwork.from_torch takes several"
        )
    return [(hidden, output) for hidden, output in fit if len(output.weight) == 1]


def tensor_values(value: Any, name: str) -> NDArray[Any]:
    """The numbers of a tensor or an array, exactly: half and single precision become float64.

    Raises
    ------
    NetworkError
        It holds no numbers on this machine (meta, sparse, quantized, complex, texts ...).
    """
    torch: Any = sys.modules.get("torch")
    try:
        if torch is not None and isinstance(value, torch.Tensor):
            if value.device.type == "meta":
                raise NetworkError(
                    f"{name} is on the device 'meta', which holds no numbers: load the weights first"
                )
            value = value.detach().to("cpu")
            if value.is_floating_point():
                value = value.to(torch.float64)
            array: NDArray[Any] = value.numpy()
        else:
            array = plain_array(value)
    except NetworkError:
        raise
    except Exception as error:
        # whatever the conversion of a foreign tensor raises
        raise NetworkError(f"{name} cannot be read as numbers: {error!s:.200}") from error
    if array.dtype.kind not in "fiub":
        raise NetworkError(f"{name} must hold real numbers, got {array.dtype}")
    return array


def network_of_tensors(
    tensors: Mapping[Any, Any],
    activation: Any = None,
    feature_names: Sequence[str] | None = None,
    source: str = "the state dict",
) -> OneHiddenLayer:
    """A network from a state dict or the tensors of a file.

    Parameters
    ----------
    tensors : mapping of str to tensor or array
        NAME.weight and NAME.bias of two layers, whatever NAMEs are, or W1, b1, W2, b2. Without a bias it is zero.
    activation : str, PiecewiseLinear, Smooth or torch.nn module
        Needed: weights do not say it.
    feature_names : sequence of str, optional
    source : str
        What messages call them.

    Raises
    ------
    NetworkError
        Not two matrices that fit together; the layers and what is left over are named. No activation.
    ActivationError
        It is not known.
    """
    _refuse_checkpoint(tensors, source)
    layers = _layers(tensors, source)
    pairs = check_layers(layers, source)
    if len(pairs) > 1:
        # W1 and W2 are (1, 1) both
        pairs = [_by_numbers(layers[0], layers[1], source)]
    if activation is None:
        raise NetworkError(
            f"{source} does not say its activation; give it: activation='relu', or another of fastminima.activations()"
        )
    [(hidden, output)] = pairs
    h = as_activation(activation)
    return OneHiddenLayer(hidden.weight, hidden.bias, output.weight, output.bias, h, feature_names)


def _refuse_checkpoint(tensors: Mapping[Any, Any], source: str) -> None:
    within = [key for key, value in tensors.items() if isinstance(value, Mapping)]
    if within:
        key = next((key for key in _STATES if key in within), within[0])
        raise NetworkError(
            f"{source} is a checkpoint with {_listed(tensors)}; pass the state dict alone: checkpoint[{key!r}]"
        )
    wrong = [key for key in tensors if not isinstance(key, str)]
    if wrong:
        raise DataTypeError(f"{source} must have names for keys, got {spelled(wrong[0])}")


def _layers(tensors: Mapping[str, Any], source: str) -> list[Layer]:
    """The layers, in the order of the mapping."""
    arrays = {key: tensor_values(value, f"{source}: {key}") for key, value in tensors.items()}
    parts: dict[str, dict[str, NDArray[Any]]] = {}
    rest = []
    for key, array in arrays.items():
        layer, kind = _split(key)
        dimensions = {"weight": 2, "bias": 1}.get(kind)
        # b2 may be a single number
        if kind == "bias" and array.ndim == 0:
            array = array.reshape(1)
        # W2 may be a vector
        if kind == "weight" and key == "W2" and array.ndim == 1:
            array = array[None, :]
        if array.ndim == dimensions:
            parts.setdefault(layer, {})[kind] = array
        else:
            rest.append(key)
    rest += [key for key in arrays if _split(key)[0] in parts and "weight" not in parts[_split(key)[0]]]
    layers = [
        Layer(name, part["weight"], part.get("bias", np.zeros(len(part["weight"]))))
        for name, part in parts.items()
        if "weight" in part
    ]
    if rest:
        raise NetworkError(
            f"{source} holds {_listed(dict.fromkeys(rest))} beside {', '.join(map(str, layers[:_SHOWN])) or 'no layer'}: "
            "that is more than one hidden layer; expected the weights and biases of two linear layers and nothing else"
        )
    for found in layers:
        if found.bias.shape != found.weight.shape[:1]:
            raise NetworkError(f"{source}: the bias of {found} has shape {found.bias.shape}")
    return layers


def _split(key: str) -> tuple[str, str]:
    """(layer, "weight" or "bias" or another word) of a name: net.0.weight, or W1 and b1."""
    plain = re.fullmatch(r"([Wb])([12])", key)
    if plain:
        return plain[2], "weight" if plain[1] == "W" else "bias"
    layer, _, part = key.rpartition(".")
    return layer, part


def _by_numbers(first: Layer, second: Layer, source: str) -> tuple[Layer, Layer]:
    """Two layers (1, 1), in the order of the numbers in their names."""
    one, two = (tuple(int(n) for n in re.findall(r"\d{1,9}", layer.name)) for layer in (first, second))
    if one == two:
        raise NetworkError(
            f"{source}: {first} and {second} fit together in either order, and no numbers in their names order them; build "
            "OneHiddenLayer(W1, b1, W2, b2, activation) from them"
        )
    return (first, second) if one < two else (second, first)


def _listed(names: Mapping[Any, Any]) -> str:
    shown = ", ".join(spelled(name) for name in list(names)[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
