"""Networks from PyTorch and to it.

`from_torch` is what functions that take a network call when they are handed a module; so it stands with networks.
"""

from __future__ import annotations

from typing import Any

from fastminima.networks.deep_network import DeepNetwork
from fastminima.networks.given import as_network
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.torch_modules import from_torch

__all__ = ["from_torch", "to_torch"]


def to_torch(network: OneHiddenLayer | DeepNetwork, dtype: Any = None) -> Any:
    """A network as a torch module that can be trained on.

    Parameters
    ----------
    network : OneHiddenLayer or DeepNetwork, or a result with a network
    dtype : {"float64", "float32"} or torch.dtype, default "float64"
        float64 keeps every bit.

    Returns
    -------
    torch.nn.Sequential
        Linear(dx, d1), activation, ..., Linear(dH, dy); outputs have shape (m, dy).

    Raises
    ------
    MissingDependencyError
        Without torch (extra `torch`).
    DataTypeError
        `network` is something else.
    NetworkError
        The activation is a function without a formula, or a parameter overflows float32.
    OptionError
        Another `dtype`.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> fm.to_torch(low.network)
    Sequential(
      (0): Linear(in_features=2, out_features=2, bias=True)
      (1): ReLU()
      (2): Linear(in_features=2, out_features=1, bias=True)
    )
    """
    deep = getattr(network, "network", network)
    if isinstance(deep, DeepNetwork):
        return deep.to_torch(dtype)
    return as_network(network, "to_torch").to_torch(dtype)
