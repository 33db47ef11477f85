"""Networks of PyTorch as ours: what a module's layers say, compared with what the module computes before it is taken.

A module is traversed, not trusted: its two linear layers and its activation are read off, and its `forward`, which may be
anything, must agree with the network made of them at every point of a grid, within a bound on the rounding of both.

Nothing here imports torch: a module can only come from a program that did.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ActivationError, DataTypeError, NetworkError
from fastminima.networks.activations.from_torch import ROUNDINGS, Module, is_module, module_name
from fastminima.networks.activations.named import ActivationLike, as_activation
from fastminima.system.options import spelled

from .named_tensors import Layer, check_layers, network_of_tensors, tensor_values
from .one_hidden_layer import OneHiddenLayer

__all__ = ["Parts", "called", "from_torch", "layer_of", "parts_of", "points_through", "refuse_difference"]

F64 = NDArray[np.float64]

_NETWORK = "Linear layers with activations between them"
_PASSED = {"Identity", "Flatten"}
_DROPOUTS = {"Dropout", "AlphaDropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"}
# hidden units whose preactivation is led through the grid, and what it is led through
_UNITS = 24
_GRID = np.concatenate([np.arange(-16, 17) / 2.0, [-24.0, 24.0, -0.03125, 0.03125]])
# numbers that the points, or their hidden layers, hold at most
_NUMBERS = 2**20


def from_torch(
    model: Module | Mapping[str, Any],
    activation: ActivationLike | None = None,
    *,
    feature_names: Sequence[str] | None = None,
) -> OneHiddenLayer:
    """A network with one hidden layer from a torch module or a state dict.

    Parameters
    ----------
    model : torch.nn.Module, or mapping of names to tensors
        `nn.Sequential(nn.Linear(dx, d1), nn.ReLU(), nn.Linear(d1, 1))`, or any module that holds two Linear layers;
        Identity, Flatten, losses, and Dropout in eval mode are passed over. Weights in float32 or float64, which are
        taken as the float64 numbers they are; gradients are left behind. Or a state dict, whatever its prefixes.
    activation : str, PiecewiseLinear, Smooth or torch.nn module, optional
        The activation, where no module says it: for a state dict, and for a function that `forward` calls (`F.relu`).
    feature_names : sequence of str, optional
        What the inputs are called; data with names are then matched by name.

    Returns
    -------
    OneHiddenLayer

    Raises
    ------
    NetworkError
        Not one hidden layer (the layers found are named; `DeepNetwork.from_torch` takes deep ones and more outputs), other
        modules in it, Dropout in training mode, weights that are no numbers, no activation, or a `forward` that computes
        something else than the layers say.
    ActivationError
        An activation that is not covered.
    DataTypeError
        Neither a module nor a mapping.

    Notes
    -----
    The module itself is called, without gradients, on points of all sizes: 0, Gaussian ones, and such as lead units
    through their kinks. What it gives must be the network's value within the rounding of both. That is a comparison at
    points, not a proof about all of `forward`.

    Examples
    --------
    >>> import fastminima as fm
    >>> state = {"0.weight": [[1.0], [-2.0]], "0.bias": [0.0, 1.0], "2.weight": [[3.0, 0.5]], "2.bias": [0.25]}
    >>> fm.from_torch(state, activation="relu").predict([[2.0]])
    array([6.25])
    """
    if isinstance(model, Mapping) and not is_module(model):
        return network_of_tensors(model, activation, feature_names)
    if not is_module(model):
        raise DataTypeError(
            f"from_torch takes a torch.nn.Module or a state dict, got {type(model).__name__}"
            + ("; give an instance, not the class" if isinstance(model, type) else "")
        )
    given = None if activation is None else as_activation(activation)
    parts = parts_of(model, given is not None)
    source = module_name(model)
    pairs = check_layers([layer_of(name, module) for name, module in parts.linear], source)
    h = given if given is not None else _activation(parts, source)
    complaint: NetworkError | None = None
    for hidden, output in pairs:
        network = OneHiddenLayer(hidden.weight, hidden.bias, output.weight, output.bias, h, feature_names)
        try:
            _compare(model, network, parts.linear[0][1].weight)
        except NetworkError as error:
            complaint = complaint or error
        else:
            return network
    assert complaint is not None
    raise complaint


@dataclass
class Parts:
    """What a module is made of, in the order in which it was put together: (name, module)."""

    linear: list[tuple[str, Any]] = field(default_factory=list)
    activations: list[tuple[str, Any]] = field(default_factory=list)
    identities: list[tuple[str, Any]] = field(default_factory=list)


def parts_of(model: Any, activation_given: bool) -> Parts:
    """The linear layers and activations of a module, in order; NetworkError for what is neither nor passed over."""
    torch: Any = sys.modules["torch"]
    parts = Parts()
    inside: list[str] = []
    for name, module in model.named_modules(remove_duplicate=False):
        if any(name.startswith(f"{layer}.") for layer in inside):
            # the parametrization of a layer, which the values of its weight show
            continue
        if isinstance(module, torch.nn.Linear):
            parts.linear.append((name, module))
            inside.append(name)
            continue
        _refuse_own_tensors(name, module)
        if next(iter(module.children()), None) is None:
            _leaf(parts, name, module, activation_given)
    return parts


def _refuse_own_tensors(name: str, module: Any) -> None:
    """Parameters beside those of linear layers and activations are more than such a network has."""
    own = [key for key, _ in module.named_parameters(recurse=False)]
    if own and not _is_activation(module):
        where = f" ({name!r})" if name else ""
        raise NetworkError(
            f"{module_name(module)}{where} holds {', '.join(map(repr, own[:8]))} beside linear layers, which is no part of "
            f"{_NETWORK}{_folded(module)}; for weights alone, pass a state dict: "
            "from_torch(model.state_dict(), activation=...)"
        )


def _folded(module: Any) -> str:
    """How a network without batch norm is made of one with it."""
    if not type(module).__name__.startswith("BatchNorm"):
        return ""
    train = "in training mode it depends on the other rows; " if module.training else ""
    return f" ({train}in eval mode torch.nn.utils.fusion.fuse_linear_bn_eval puts it into the Linear layer before it)"


def _leaf(parts: Parts, name: str, module: Any, activation_given: bool) -> None:
    kind = type(module).__name__
    home = type(module).__module__
    if home.startswith("torch.nn.") and kind in _PASSED:
        if kind == "Identity":
            parts.identities.append((name, module))
    elif home.startswith("torch.nn.") and kind in _DROPOUTS:
        if module.training and module.p:
            raise NetworkError(
                f"{name!r} is {kind} in training mode, which is no function; call model.eval() first"
            )
    elif home == "torch.nn.modules.loss":
        pass
    elif _is_activation(module):
        parts.activations.append((name, module))
    elif home.startswith("torch.") or not activation_given:
        # of somebody's own module the comparison decides, once the activation is given
        known = (
            ""
            if home.startswith("torch.")
            else "; where it computes the activation, name that: activation=..."
        )
        raise NetworkError(
            f"{name!r} is {module_name(module)}, which is no part of {_NETWORK}{_folded(module)}{known}"
        )


def _is_activation(module: Any) -> bool:
    try:
        as_activation(module)
    except ActivationError:
        # a known class whose function is refused must be heard, not passed over
        return type(module).__module__ == "torch.nn.modules.activation"
    return type(module).__name__ != "Identity"


def _activation(parts: Parts, source: str) -> Any:
    found = parts.activations or parts.identities
    if not found:
        raise NetworkError(
            f"{source} has no activation module between its linear layers; name the function its forward calls: "
            "from_torch(model, activation='relu'), or another of fastminima.activations()"
        )
    if len(found) > 1 and parts.activations:
        listed = ", ".join(f"{module_name(module)} {name!r}" for name, module in found[:8])
        raise NetworkError(
            f"{source} is not one hidden layer: it has {len(found)} activations ({listed}), expected one, between the "
            "linear layers; where one of them is not used, say which is: activation=..."
        )
    return as_activation(found[0][1])


def layer_of(name: str, module: Any) -> Layer:
    """The numbers of a Linear layer; NetworkError where it has none of its own yet, or none that float64 holds."""
    torch: Any = sys.modules["torch"]
    weight, bias = module.weight, module.bias
    for what, tensor in (("weight", weight), ("bias", bias)):
        if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
            raise NetworkError(
                f"{name!r} is {type(module).__name__}, whose size is not known: call the model once first"
            )
        if tensor is not None and tensor.dtype not in (torch.float32, torch.float64):
            raise NetworkError(
                f"{what} of {name!r} is {tensor.dtype}, expected float32 or float64: call model.float() or .double(), "
                "which round nothing"
            )
    values = tensor_values(weight, f"{name}.weight")
    if values.ndim != 2:
        raise NetworkError(f"{name}.weight must have shape (outputs, inputs), got {values.shape}")
    return Layer(name, values, np.zeros(len(values)) if bias is None else tensor_values(bias, f"{name}.bias"))


def points_through(W1: F64, b1: F64) -> F64:
    """Inputs at which the module is called: 0, Gaussian ones of several sizes, and lines through the units' kinks."""
    rng, dx = np.random.default_rng(0), W1.shape[1]
    at_most = max(8, _NUMBERS // max(1, dx, len(b1)))
    sizes = np.repeat([0.125, 1.0, 8.0, 64.0], [16, 64, 32, 16])
    blocks = [np.zeros((1, dx)), rng.standard_normal((len(sizes), dx)) * sizes[:, None]]
    chosen = np.unique(np.linspace(0, len(b1) - 1, _UNITS).astype(int))
    for k in chosen if dx else ():
        row, square = W1[k], float(W1[k] @ W1[k])
        blocks.append((_GRID - b1[k])[:, None] * (row / square))
    points = np.vstack(blocks)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) > at_most:
        points = points[np.unique(np.linspace(0, len(points) - 1, at_most).astype(int))]
    return points


def _compare(model: Any, network: OneHiddenLayer, weight: Any) -> None:
    """Does the module compute the network, at the points above and within the rounding of both?

    With delta = (dx + 3) eps (|W1| |x| + |b1|), a bound on the error of a preactivation, h is off by at most its change
    over [z - delta, z + delta] and `ROUNDINGS` eps (1 + |h|) of its own; the output adds (d1 + 3) eps times its terms.
    Twice that: the network rounds too.
    """
    torch: Any = sys.modules["torch"]
    name, limits = module_name(model), torch.finfo(weight.dtype)
    with np.errstate(all="ignore"):
        tensor = torch.tensor(
            points_through(network.W1, network.b1), dtype=weight.dtype, device=weight.device
        )
        X = tensor.to("cpu", torch.float64).numpy().copy()
        values = called(model, tensor, name, 1)[:, 0]
        W1, b1, W2, b2 = network.parameters()
        z, size = X @ W1.T + b1, np.abs(X) @ np.abs(W1).T + np.abs(b1)
        delta = (X.shape[1] + 3) * limits.eps * size
        h, below, above = (
            np.asarray(network.activation(t), dtype=np.float64) for t in (z, z - delta, z + delta)
        )
        slip = np.maximum(np.abs(above - h), np.abs(below - h)) + ROUNDINGS * limits.eps * (1 + np.abs(h))
        terms = np.abs(h) @ np.abs(W2) + abs(b2)
        allowed = 2 * (slip @ np.abs(W2) + (len(W2) + 3) * limits.eps * terms)
        expected = h @ W2 + b2
        # where the module's own numbers overflow, nothing can be compared
        fits = np.isfinite(allowed) & (np.maximum(size.max(axis=1), terms) < limits.max / 4)
        wrong = np.flatnonzero(fits & ~(np.abs(values - expected) <= allowed))
    refuse_difference(
        name, weight.dtype, X, fits, wrong,
        lambda i: f"it gives {values[i]:.9g}, W2 h(W1 x + b1) + b2 with h = {network.activation} gives {expected[i]:.9g}",
    )  # fmt: skip


def refuse_difference(
    name: str, dtype: Any, X: F64, fits: NDArray[Any], wrong: NDArray[Any], what: Callable[[int], str]
) -> None:
    """NetworkError where no row can be compared (`fits`), or at the first `wrong` one, with `what` both sides give."""
    if not fits.any():
        raise NetworkError(f"the outputs of {name} overflow {dtype} everywhere: there is nothing to compare")
    if len(wrong):
        i = int(wrong[0])
        raise NetworkError(
            f"{name} computes something else than its layers say: at x = {spelled(X[i, :4].tolist())[:-1]}"
            f"{', ...' if X.shape[1] > 4 else ''}] {what(i)}; where forward calls another function, name it: activation=..."
        )


def called(model: Any, inputs: Any, name: str, outputs_wanted: int) -> F64:
    """The module's outputs as float64 numbers of shape (n, outputs_wanted); NetworkError where they are none."""
    torch: Any = sys.modules["torch"]
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # modules may work in place
            outputs = model(inputs.clone())
        if not isinstance(outputs, torch.Tensor):
            raise NetworkError(
                f"{name} gives a {type(outputs).__name__}, not a tensor: it is no plain network"
            )
        values: F64 = outputs.detach().to("cpu", torch.float64).numpy()
    except NetworkError:
        raise
    except Exception as error:
        # whatever the module's own code raises
        raise NetworkError(
            f"{name} does not compute on a tensor of shape {tuple(inputs.shape)}: {error!s:.200}"
        ) from error
    if values.shape != (len(inputs), outputs_wanted) and (values.shape, outputs_wanted) != (
        (len(inputs),),
        1,
    ):
        count = "one output" if outputs_wanted == 1 else f"{outputs_wanted} outputs"
        raise NetworkError(
            f"{name} gives a tensor of shape {values.shape} for inputs of shape {tuple(inputs.shape)}; expected {count} "
            "a row"
        )
    return values.reshape(-1, outputs_wanted)
