"""Networks of any depth with any number of outputs: frozen layers, outputs, loss, files, PyTorch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.coerce import sealed
from fastminima.data.dataset import Dataset
from fastminima.data.feature_order import input_order
from fastminima.data.given import as_dataset
from fastminima.errors import ActivationError, LossError, NetworkError, ReadError, TargetError
from fastminima.networks.activations.compiled import elementwise
from fastminima.networks.activations.from_torch import Module
from fastminima.networks.activations.in_torch import torch_activation
from fastminima.networks.activations.named import ActivationLike, as_activation, stored_activation
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth
from fastminima.system.files import open_npz, replacing
from fastminima.system.options import spelled
from fastminima.system.packages import import_optional

from .deep_torch import layers_of_torch
from .named_inputs import NamedInputs, activation_name, checked_input_names
from .one_hidden_layer import as_parameter
from .torch_layers import torch_dtype, torch_linear

__all__ = ["DeepNetwork", "Layers"]

F64 = NDArray[np.float64]
Elementwise = Callable[[F64], NDArray[np.floating]]
Layers = tuple[tuple[F64, F64], ...]

_FORMAT = "fastminima.DeepNetwork"
_VERSION = 1
# numbers of a layer that are held at a time
_BLOCK_NUMBERS = 2**19
# rows whose outputs are held at a time
_LOSS_ROWS = 65_536


class LossOfRow(Protocol):
    """What `DeepNetwork.loss` asks of a loss; `fastminima.losses.pointwise` has those of the library."""

    def targets(self, Y: F64, /) -> F64:
        """Targets as the loss reads them, (m, dy)."""

    def values(self, Z: F64, Y: F64, /) -> F64:
        """The loss of outputs Z, (m,) or (m, dy)."""


class _Squared:
    def targets(self, Y: F64, /) -> F64:
        return Y

    def values(self, Z: F64, Y: F64, /) -> F64:
        E = Z - Y
        return np.asarray(0.5 * E * E)


@dataclass(frozen=True, eq=False, repr=False)
class DeepNetwork(NamedInputs):
    """f(x) = W_{H+1} a_H + b_{H+1} with a_0 = x and a_l = h_l(W_l a_{l-1} + b_l), H >= 1.

    Parameters
    ----------
    layers : sequence of pairs (W, b)
        In order: W of shape (outputs, inputs), b of shape (outputs,); the output layer last.
    activation : str, PiecewiseLinear, Smooth, torch.nn module or callable, or a sequence of H of them
        What follows each hidden layer; one stands for all. Kept as a tuple of H activations, `activations`.
    feature_names : sequence of str, optional
        What the dx inputs are called. Where the data have names too, inputs and columns are matched by name.

    Raises
    ------
    NetworkError
        Fewer than two layers, layers that do not chain (both are named), a layer without units, parameters that are no
        finite float64 numbers, another number of activations than of hidden layers, or of names than of inputs.
    ActivationError
        A name or torch module that is not known.

    Notes
    -----
    Parameters are copied and read-only. Two networks are equal when all parameters and activations are; names do not
    count. Outputs have two dimensions, (m, dy), also where dy is 1: those of a torch module.

    Examples
    --------
    >>> import fastminima as fm
    >>> net = fm.DeepNetwork([([[1.0], [-1.0]], [0.0, 0.0]), ([[1.0, 1.0], [2.0, 0.0]], [0.0, 0.5])], "relu")
    >>> net.predict([[-3.0], [2.0]])
    array([[3. , 0.5],
           [2. , 4.5]])
    """

    layers: Layers
    activation: ActivationLike | Sequence[ActivationLike]
    feature_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _as_layers(self.layers))
        object.__setattr__(self, "activation", _as_activations(self.activation, self.depth))
        names = checked_input_names(self.feature_names, self.n_features)
        object.__setattr__(self, "feature_names", names)

    @property
    def activations(self) -> tuple[Elementwise, ...]:
        """h_1, ..., h_H."""
        # what __post_init__ made of it
        return cast(tuple[Elementwise, ...], self.activation)

    @property
    def depth(self) -> int:
        """H, the number of hidden layers."""
        return len(self.layers) - 1

    @property
    def widths(self) -> tuple[int, ...]:
        """(d_1, ..., d_H), the numbers of hidden units."""
        return tuple(len(b) for _, b in self.layers[:-1])

    @property
    def n_features(self) -> int:
        """dx, the number of inputs."""
        return self.layers[0][0].shape[1]

    @property
    def n_outputs(self) -> int:
        """dy, the number of outputs."""
        return len(self.layers[-1][1])

    def in_order_of(self, columns: tuple[str, ...] | None) -> DeepNetwork:
        """The network with its inputs in the order of columns with these names; itself where that is its own order.

        Raises
        ------
        DataError
            Both sides have names, and they are not the same ones.
        """
        order = input_order(self.feature_names, columns)
        if order is None:
            return self
        (W, b), *rest = self.layers
        return replace(self, layers=((W[:, order], b), *rest), feature_names=columns)

    def preactivations(self, X: ArrayLike | Dataset) -> list[F64]:
        """z_l = W_l a_{l-1} + b_l of every hidden layer for every row of X, shapes (m, d_l).

        Raises
        ------
        DataError, DataTypeError
            As `Dataset`, and if the number of columns is not `n_features`, or they have other names than the network's
            inputs. m = 0 is accepted.
        """
        network, a = self.evaluated_on(X)
        found = []
        with np.errstate(over="ignore", invalid="ignore"):
            for (W, b), h in zip(network.layers[:-1], network.activations, strict=True):
                found.append(a @ W.T + b)
                a = np.asarray(h(found[-1]), dtype=np.float64)
        return found

    def predict(self, X: ArrayLike | Dataset) -> F64:
        """Outputs f(x) for every row of X, shape (m, dy); IEEE float64, so inf or NaN where the range ends.

        Raises
        ------
        DataError, DataTypeError
            As `preactivations`.
        """
        network, values = self.evaluated_on(X)
        return network._outputs(values)

    def _outputs(self, values: F64) -> F64:
        out = np.empty((len(values), self.n_outputs))
        hidden = [elementwise(h) for h in self.activations]
        step = max(1, _BLOCK_NUMBERS // max(*self.widths, self.n_features, self.n_outputs))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(values), step):
                a = values[start : start + step]
                for (W, b), h in zip(self.layers[:-1], hidden, strict=True):
                    a = h(a @ W.T + b)
                out[start : start + step] = a @ self.layers[-1][0].T + self.layers[-1][1]
        return out

    def loss(self, data: Dataset | tuple[ArrayLike, ...], loss: LossOfRow | None = None) -> float:
        """sum_i w_i phi(f(x_i); y_i), in plain float64.

        Parameters
        ----------
        data : Dataset, (X, Y) or (X, Y, sample_weight)
        loss : a loss of one row, default half the squared error
            Of `fastminima.losses.pointwise`: Huber(), Logistic(), Softmax() ...

        Raises
        ------
        TargetError
            Another number of targets than of outputs.
        LossError
            `loss` is none of these, or has no meaning for the targets.
        """
        data = as_dataset(data, "loss")
        phi: LossOfRow = _Squared() if loss is None else loss
        if not (hasattr(phi, "targets") and hasattr(phi, "values")):
            raise LossError(
                f"loss must be one of fastminima.losses.pointwise, such as Squared(), got {spelled(loss)}"
            )
        network, _ = self.evaluated_on(data)
        targets = phi.targets(data.Y)
        if targets.shape[1] != self.n_outputs:
            raise TargetError(
                f"the data have {targets.shape[1]} targets; the network has {self.n_outputs} outputs"
            )
        sums = []
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, data.n_samples, _LOSS_ROWS):
                part = slice(start, start + _LOSS_ROWS)
                values = phi.values(network._outputs(data.X[part]), targets[part])
                rows = values if values.ndim == 1 else values.sum(axis=1)
                weight = data.sample_weight
                sums.append(float(rows.sum() if weight is None else weight[part] @ rows))
        try:
            return math.fsum(sums)
        except (OverflowError, ValueError):  # fsum raises where sums are inf
            return math.inf

    def risk(self, data: Dataset | tuple[ArrayLike, ...]) -> float:
        """The paper's empirical risk, half the weighted sum of squared errors over rows and outputs, in plain float64."""
        return self.loss(data)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to an npz file, which appears whole or not at all.

        Parameters
        ----------
        path : path-like
            Used as given; no suffix is added.

        Raises
        ------
        OutputError
            If the file cannot be written there.
        NetworkError
            If an activation has no file form: a function without a formula.
        """
        # json writes floats so that they read back to the last bit
        kinds = json.dumps([_stored(h) for h in self.activations])
        arrays = {f"W{k}": W for k, (W, _) in enumerate(self.layers, 1)}
        arrays |= {f"b{k}": b for k, (_, b) in enumerate(self.layers, 1)}
        names = json.dumps(self.feature_names)
        with replacing(path) as stream:
            np.savez(
                stream,
                format=np.array(_FORMAT),
                version=np.array(_VERSION),
                n_layers=np.array(len(self.layers)),
                activations=np.array(kinds),
                feature_names=np.array(names),
                **arrays,  # type: ignore[arg-type]
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DeepNetwork:
        """Read a network written by `save`, bit for bit.

        Raises
        ------
        MissingFileError
            No such file.
        ReadError
            Not a file of a deep network, damaged, or written by a newer format version.
        """
        source = Path(path)
        instead = ", not a network; it must be written by DeepNetwork.save()"
        with open_npz(source, "is not a network file", instead) as stored:
            fields = {name: stored[name] for name in stored.files if name in _HEAD or name[:1] in "Wb"}
        return _from_fields(cls, fields, source)

    def to_torch(self, dtype: Any = None) -> Any:
        """The network as a torch module.

        Parameters
        ----------
        dtype : {"float64", "float32"} or torch.dtype, default "float64"
            float64 keeps every bit; float32 rounds parameters, and the module computes in float32.

        Returns
        -------
        torch.nn.Sequential
            Linear, activation, Linear, ..., Linear; outputs have shape (m, dy).

        Raises
        ------
        MissingDependencyError
            Without torch.
        NetworkError
            If an activation is a function without a formula, or a parameter overflows float32.
        OptionError
            Another `dtype`.
        """
        torch = import_optional("torch", extra="torch", purpose="to_torch")
        # first: a refusal should come before any layer is made
        activations = [torch_activation(torch, h) for h in self.activations]
        kind = torch_dtype(torch, dtype)
        modules: list[Any] = []
        for (W, b), h in zip(self.layers[:-1], activations, strict=True):
            modules += [torch_linear(torch, W, b, kind), h]
        return torch.nn.Sequential(*modules, torch_linear(torch, *self.layers[-1], kind))

    @classmethod
    def from_torch(
        cls,
        model: Module | Mapping[str, Any],
        activation: ActivationLike | None = None,
        *,
        feature_names: Sequence[str] | None = None,
    ) -> DeepNetwork:
        """A network from a torch module that is a chain of linear layers and activations, or from its state dict.

        Parameters
        ----------
        model : torch.nn.Module, or mapping of names to tensors
            As for `fastminima.from_torch`, with any number of layers and outputs. A state dict's layers stand in its order.
        activation : as for `DeepNetwork`, optional
            Where no module says it: for a state dict, and for functions that `forward` calls.
        feature_names : sequence of str, optional

        Raises
        ------
        NetworkError
            Layers that do not chain, other modules, Dropout in training mode, no activation, or a `forward` that computes
            something else than the layers say: both are called at a grid of points.
        ActivationError
            An activation that is not covered.
        DataTypeError
            Neither a module nor a mapping.
        """
        layers, activations, compare = layers_of_torch(model, activation)
        network = cls(layers, activations, feature_names)  # type: ignore[arg-type]
        compare(network.layers, network.activations)
        return network

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DeepNetwork):
            return NotImplemented
        if self.activations != other.activations or len(self.layers) != len(other.layers):
            return False
        pairs = zip(self.layers, other.layers, strict=True)
        return all(np.array_equal(W, V) and np.array_equal(b, c) for (W, b), (V, c) in pairs)

    def __hash__(self) -> int:
        # through tuples of floats, so that -0.0 and 0.0, which are equal, hash alike
        return hash(tuple((*W.ravel().tolist(), *b.tolist()) for W, b in self.layers))

    def __repr__(self) -> str:
        widths = "-".join(map(str, (self.n_features, *self.widths, self.n_outputs)))
        names = [activation_name(h) for h in self.activations]
        return f"DeepNetwork({widths}, {names[0] if len(set(names)) == 1 else ', '.join(names)})"

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pickles do not carry the read-only flag
        for name, value in state.items():
            whole = tuple((sealed(W), sealed(b)) for W, b in value) if name == "layers" else value
            object.__setattr__(self, name, whole)


_HEAD = ("format", "version", "n_layers", "activations", "feature_names")


def _as_layers(layers: Any) -> Layers:
    if isinstance(layers, str | bytes | Mapping) or not isinstance(layers, Sequence):
        raise NetworkError(f"layers must be a sequence of pairs (W, b), got {type(layers).__name__}")
    if len(layers) < 2:
        raise NetworkError(f"a network has at least two layers (hidden, output), got {len(layers)}")
    result = []
    for k, layer in enumerate(layers, 1):
        if isinstance(layer, str | Mapping) or not hasattr(layer, "__len__") or len(layer) != 2:
            raise NetworkError(f"layer {k} must be a pair (W, b), got {spelled(layer)}")
        W, b = as_parameter(layer[0], f"W of layer {k}", 2), as_parameter(layer[1], f"b of layer {k}", 1)
        if len(W) != len(b) or not len(b):
            raise NetworkError(
                f"layer {k} needs W (outputs, inputs) and b (outputs,) with at least one output, got shapes {W.shape} "
                f"and {b.shape}"
            )
        result.append((W, b))
    for k, ((W, _), (V, _)) in enumerate(pairwise(result), 1):
        if V.shape[1] != len(W):
            raise NetworkError(
                f"layers {k} and {k + 1} do not chain: W of layer {k} has shape {W.shape} and so {len(W)} outputs, W of "
                f"layer {k + 1} has shape {V.shape} and takes {V.shape[1]} inputs"
            )
    return tuple(result)


def _as_activations(value: Any, depth: int) -> tuple[Any, ...]:
    several = isinstance(value, list | tuple)
    found = tuple(as_activation(h) for h in (value if several else [value] * depth))
    if len(found) != depth:
        raise NetworkError(
            f"{depth} hidden layers need {depth} activations, or one for all; got {len(found)}"
        )
    for h in found:
        if not callable(h):
            raise NetworkError(f"activation must be callable, got {type(h).__name__}")
    return found


def _stored(h: Any) -> dict[str, Any]:
    if isinstance(h, PiecewiseLinear):
        return {"slopes": [h.s_plus, h.s_minus]}
    if not isinstance(h, Smooth) or h.formula is None:
        raise NetworkError(
            f"a network with activation {activation_name(h)} has no file form: a function cannot be stored; "
            "use Smooth.from_formula"
        )
    return {"name": h.name, "parameters": h.parameters, "formula": h.formula}


def _read_activation(stored: Any) -> PiecewiseLinear | Smooth:
    if "slopes" in stored:
        s_plus, s_minus = stored["slopes"]
        return PiecewiseLinear(s_plus, s_minus)
    return stored_activation(
        str(stored["name"]), json.dumps(stored["parameters"]), json.dumps(stored["formula"])
    )


def _from_fields(cls: type[DeepNetwork], fields: dict[str, NDArray[Any]], source: Path) -> DeepNetwork:
    if "format" not in fields or str(fields["format"]) != _FORMAT:
        raise ReadError(f"{source} is not a file of a deep network; it must be written by DeepNetwork.save")
    try:
        version, count = int(fields["version"]), int(fields["n_layers"])
        if version > _VERSION:
            raise ReadError(
                f"{source} has format version {version}; this fastminima reads up to {_VERSION}: upgrade it"
            )
        layers = [(fields[f"W{k}"], fields[f"b{k}"]) for k in range(1, min(count, len(fields)) + 1)]
        activations = [_read_activation(stored) for stored in json.loads(str(fields["activations"]))]
        return cls(layers, activations, json.loads(str(fields["feature_names"])))  # type: ignore[arg-type]
    except KeyError as error:
        raise ReadError(f"{source} is damaged: {error} missing") from error
    except (ActivationError, NetworkError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"{source} is damaged: {error}") from error
