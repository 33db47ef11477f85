"""Networks with one hidden layer: frozen parameters, outputs, risk, files."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.coerce import as_matrix, sealed
from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.feature_order import input_order
from fastminima.data.given import as_dataset
from fastminima.data.tensors import plain_array
from fastminima.errors import (
    ActivationError,
    DataError,
    DataTypeError,
    NetworkError,
    ReadError,
)
from fastminima.networks.activations.compiled import compiled_curve
from fastminima.networks.activations.in_torch import torch_activation
from fastminima.networks.activations.named import ActivationLike, as_activation, stored_activation
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth
from fastminima.system.files import open_npz, replacing
from fastminima.system.packages import import_optional

from .batched_risk import predict
from .named_inputs import NamedInputs, activation_name, checked_input_names
from .torch_layers import torch_dtype, torch_linear

__all__ = ["OneHiddenLayer", "as_parameter"]

Elementwise = Callable[[NDArray[np.float64]], NDArray[np.floating]]

_FORMAT = "fastminima.OneHiddenLayer"
# 1: piecewise linear; 2: smooth, with a formula; 3: names of the inputs. Each file has the lowest version that can hold it.
_VERSION = 3
_FIELDS = ("format", "version", "W1", "b1", "W2", "b2", "activation")
_OF_KIND = {"PiecewiseLinear": ("slopes",), "Smooth": ("name", "parameters", "formula")}
# rows of X whose hidden layer is held at a time
_BLOCK_ROWS = 4_096
# rows whose outputs are held at a time
_RISK_ROWS = 65_536


def as_parameter(value: ArrayLike, name: str, dimensions: int) -> NDArray[np.float64]:
    """A float64 C-ordered read-only copy; parameters are float64 numbers, so anything rounded is refused.

    W2 and b2 may have one dimension more, of size 1: what layers with one output hold.
    """
    if dimensions == 0 and isinstance(value, float) and math.isfinite(value):
        return sealed(np.array(value, dtype=np.float64))
    plain = type(value) is np.ndarray and value.dtype == np.float64 and value.ndim == dimensions
    if plain and np.isfinite(value).all():
        return sealed(np.array(value, order="C"))
    try:
        array = plain_array(value)
        if name in ("W2", "b2") and array.ndim == dimensions + 1 and len(array) == 1:
            array = array[0, ...]
        flat = as_matrix(array.reshape(-1, 1), name, allow_empty=True)
    except (DataTypeError, DataError, ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise NetworkError(f"{name} must hold finite real numbers: {error}") from error
    if flat.rounded:
        raise NetworkError(f"{name} holds numbers that float64 cannot represent; round them first")
    if array.ndim != dimensions:
        raise NetworkError(f"{name} must have {dimensions} dimensions, got shape {array.shape}")
    return sealed(flat.values.reshape(array.shape).copy())


@dataclass(frozen=True, eq=False, repr=False)
class OneHiddenLayer(NamedInputs):
    """f(x) = W2 h(W1 x + b1) + b2.

    Parameters
    ----------
    W1 : array-like, shape (d1, dx)
        Hidden weights.
    b1 : array-like, shape (d1,)
        Hidden biases.
    W2 : array-like, shape (d1,) or (1, d1)
        Output weights; kept as (d1,).
    b2 : float, or array-like of shape (1,)
        Output bias.
    activation : str, PiecewiseLinear, Smooth, torch.nn module or callable
        h: a name as in `fastminima.activations`, an activation, or any function applied elementwise to arrays.
        `PiecewiseLinear` for theorem 1.
    feature_names : sequence of str, optional
        What the dx inputs are called. Where the data have names too, inputs and columns are matched by name.

    Raises
    ------
    NetworkError
        Shapes that do not fit together (all are named), no hidden unit, parameters that are not finite
        float64 numbers, an activation that cannot be called, another number of names than of inputs.
    ActivationError
        A name or torch module that is not known.

    Notes
    -----
    Parameters are copied and read-only. Two networks are equal when all parameters and the activation are; names do not
    count.
    The paper's network (Yun, Sra and Jadbabaie 2019, section 2) with dy = 1.

    Examples
    --------
    >>> import fastminima as fm
    >>> network = fm.OneHiddenLayer([[1.0], [-1.0]], [0.0, 0.0], [1.0, 1.0], 0.0, fm.relu)  # |x|
    >>> network.predict([[-2.0], [3.0]]).tolist()
    [2.0, 3.0]
    >>> network.risk(([[-2.0], [3.0]], [2.0, 2.0]))
    0.5
    """

    W1: NDArray[np.float64]
    b1: NDArray[np.float64]
    W2: NDArray[np.float64]
    b2: float
    activation: Elementwise
    feature_names: tuple[str, ...] | None = None

    if TYPE_CHECKING:
        # what may be given, of which the fields are what is kept
        def __init__(
            self,
            W1: ArrayLike,
            b1: ArrayLike,
            W2: ArrayLike,
            b2: ArrayLike,
            activation: ActivationLike,
            feature_names: Sequence[str] | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        W1, b1, W2 = (
            as_parameter(self.W1, "W1", 2),
            as_parameter(self.b1, "b1", 1),
            as_parameter(self.W2, "W2", 1),
        )
        b2 = as_parameter(self.b2, "b2", 0)
        if not len(W1) == len(b1) == len(W2):
            raise NetworkError(
                "W1 (d1, dx), b1 (d1,) and W2 (d1,) must agree on the width d1, got shapes "
                f"W1 {W1.shape}, b1 {b1.shape}, W2 {W2.shape}"
            )
        if len(W1) == 0:
            raise NetworkError("the network has no hidden unit; the width d1 must be at least 1")
        activation = as_activation(self.activation)
        if not callable(activation):
            raise NetworkError(f"activation must be callable, got {type(activation).__name__}")
        object.__setattr__(self, "activation", activation)
        for name, value in (("W1", W1), ("b1", b1), ("W2", W2), ("b2", float(b2))):
            object.__setattr__(self, name, value)
        names = checked_input_names(self.feature_names, self.n_features)
        object.__setattr__(self, "feature_names", names)

    @property
    def width(self) -> int:
        """d1, the number of hidden units."""
        return self.W1.shape[0]

    @property
    def n_features(self) -> int:
        """dx, the number of inputs."""
        return self.W1.shape[1]

    @property
    def slopes(self) -> tuple[float, float]:
        """(s_plus, s_minus) of the activation.

        Raises
        ------
        NetworkError
            If the activation is not piecewise linear: theorem 1 and its proofs are about h_{s+,s-}.
        """
        if not isinstance(self.activation, PiecewiseLinear):
            raise NetworkError(
                f"this needs a PiecewiseLinear activation, the network has {self.activation!r}"
            )
        return self.activation.s_plus, self.activation.s_minus

    def parameters(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
        """(W1, b1, W2, b2)."""
        return self.W1, self.b1, self.W2, self.b2

    def in_order_of(self, columns: tuple[str, ...] | None) -> OneHiddenLayer:
        """The network with its inputs in the order of columns with these names; itself where that is its own order.

        Raises
        ------
        DataError
            Both sides have names, and they are not the same ones.
        """
        order = input_order(self.feature_names, columns)
        return self if order is None else replace(self, W1=self.W1[:, order], feature_names=columns)

    def preactivations(self, X: ArrayLike | Dataset) -> NDArray[np.float64]:
        """W1 x + b1 for every row of X, shape (m, d1).

        Raises
        ------
        DataError, DataTypeError
            As `Dataset`, and if the number of columns is not `n_features`, or they have other names than the network's
            inputs. m = 0 is accepted.
        """
        network, values = self.evaluated_on(X)
        with np.errstate(over="ignore", invalid="ignore"):
            result: NDArray[np.float64] = values @ network.W1.T + network.b1
        return result

    def predict(self, X: ArrayLike | Dataset) -> NDArray[np.float64]:
        """Outputs f(x) for every row of X, shape (m,); IEEE float64, so inf or NaN where the range ends.

        Raises
        ------
        DataError, DataTypeError
            As `preactivations`.
        """
        network, values = self.evaluated_on(X)
        return network._outputs(values)

    def _outputs(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        h = self.activation
        compiled = h if isinstance(h, PiecewiseLinear) else compiled_curve(h)
        if compiled is not None:
            return predict(self.W1, self.b1, self.W2, self.b2, values, compiled)
        out = np.empty(len(values))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(values), _BLOCK_ROWS):
                rows = slice(start, start + _BLOCK_ROWS)
                out[rows] = h(values[rows] @ self.W1.T + self.b1) @ self.W2 + self.b2
        return out

    def risk(self, data: Dataset | tuple[ArrayLike, ...]) -> float:
        """The paper's empirical risk ½ Σ ω_i (f(x_i) − y_i)², in plain float64.

        Of a `Dataset`, (X, y) or (X, y, sample_weight). Computed from the float64 views when the data are exact numbers.
        """
        data = as_dataset(data, "risk")
        check_one_target(data, "risk")
        network, _ = self.evaluated_on(data)
        sums = []
        with np.errstate(over="ignore", invalid="ignore"):
            for X, y, weight in data.blocks(_RISK_ROWS):
                e = network._outputs(X) - y
                sums.append(float(np.dot(e, e) if weight is None else np.dot(weight * e, e)))
        try:
            return 0.5 * math.fsum(sums)
        except OverflowError:  # fsum raises where a sum of squares is inf
            return math.inf

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
            If the activation has no file form: a function without a formula.
        """
        stored = self._stored_activation()
        version = 1 if "slopes" in stored else 2
        if self.feature_names is not None:
            version, stored["feature_names"] = 3, np.array(json.dumps(self.feature_names))
        with replacing(path) as stream:
            np.savez(
                stream,
                format=np.array(_FORMAT),
                version=np.array(version),
                W1=self.W1,
                b1=self.b1,
                W2=self.W2,
                b2=np.array(self.b2),
                **stored,
            )

    def _stored_activation(self) -> dict[str, Any]:
        h = self.activation
        if isinstance(h, PiecewiseLinear):
            return {
                "activation": np.array("PiecewiseLinear"),
                "slopes": np.array([h.s_plus, h.s_minus]),
            }
        if not isinstance(h, Smooth) or h.formula is None:
            raise NetworkError(
                f"a network with activation {activation_name(h)} has no file form: a function cannot be stored; "
                "use Smooth.from_formula"
            )
        return {
            "activation": np.array("Smooth"),
            "name": np.array(h.name),
            # json writes floats so that they read back to the last bit
            "parameters": np.array(json.dumps(h.parameters)),
            "formula": np.array(json.dumps(h.formula)),
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> OneHiddenLayer:
        """Read a network written by `save`, bit for bit.

        Raises
        ------
        MissingFileError
            No such file.
        ReadError
            Not a network file, damaged, or written by a newer format version.
        """
        source = Path(path)
        wanted = {*_FIELDS, "feature_names", *(name for names in _OF_KIND.values() for name in names)}
        instead = ", not a network; it must be written by save()"
        with open_npz(source, "is not a network file", instead) as stored:
            fields = {name: stored[name] for name in wanted if name in stored}
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
            Linear(dx, d1), activation, Linear(d1, 1); outputs have shape (m, 1).

        Raises
        ------
        MissingDependencyError
            Without torch.
        NetworkError
            If the activation is a function without a formula, or a parameter overflows float32.
        OptionError
            Another `dtype`.
        """
        torch = import_optional("torch", extra="torch", purpose="to_torch")
        # first: a refusal should come before any layer is made
        activation = torch_activation(torch, self.activation)
        kind = torch_dtype(torch, dtype)
        hidden = torch_linear(torch, self.W1, self.b1, kind)
        output = torch_linear(torch, self.W2[None, :], np.array([self.b2]), kind)
        return torch.nn.Sequential(hidden, activation, output)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OneHiddenLayer):
            return NotImplemented
        return (
            self.activation == other.activation
            and self.b2 == other.b2
            and all(np.array_equal(getattr(self, name), getattr(other, name)) for name in ("W1", "b1", "W2"))
        )

    def __hash__(self) -> int:
        # through tuples of floats, so that -0.0 and 0.0, which are equal, hash alike
        return hash((self.W1.shape, *self.W1.ravel().tolist(), *self.b1.tolist(), *self.W2.tolist(), self.b2))

    def __repr__(self) -> str:
        return f"OneHiddenLayer({self.n_features} inputs, {self.width} hidden units, {activation_name(self.activation)})"

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pickles do not carry the read-only flag
        for name, value in state.items():
            object.__setattr__(self, name, sealed(value) if isinstance(value, np.ndarray) else value)


def _from_fields(cls: type[OneHiddenLayer], fields: dict[str, NDArray[Any]], source: Path) -> OneHiddenLayer:
    absent = [name for name in _FIELDS if name not in fields]
    if "format" in absent or str(fields["format"]) != _FORMAT:
        raise ReadError(f"{source} is not a network file; it must be written by OneHiddenLayer.save")
    try:
        version = int(fields["version"]) if "version" not in absent else 0
    except (TypeError, ValueError) as error:
        raise ReadError(f"{source} has a damaged format version") from error
    if version > _VERSION:
        raise ReadError(
            f"{source} has format version {version}; this fastminima reads up to {_VERSION}: upgrade it"
        )
    if absent or version < 1:
        raise ReadError(f"{source} is damaged: {', '.join(absent) or 'a valid version'} missing")
    kind = str(fields["activation"])
    if kind not in _OF_KIND or (
        kind == "PiecewiseLinear" and fields.get("slopes", np.empty(2)).shape != (2,)
    ):
        raise ReadError(f"{source} has an unknown activation {kind!r}, or slopes of a wrong shape")
    absent = [name for name in _OF_KIND[kind] if name not in fields]
    if absent:
        raise ReadError(f"{source} is damaged: {', '.join(absent)} missing")
    try:
        activation: PiecewiseLinear | Smooth
        if kind == "PiecewiseLinear":
            activation = PiecewiseLinear(*fields["slopes"].tolist())
        else:
            activation = stored_activation(*(str(fields[name]) for name in _OF_KIND[kind]))
        names = json.loads(str(fields["feature_names"])) if "feature_names" in fields else None
        return cls(fields["W1"], fields["b1"], fields["W2"], fields["b2"], activation, names)
    except (ActivationError, NetworkError, ValueError, RecursionError) as error:
        raise ReadError(f"{source} is damaged: {error}") from error
