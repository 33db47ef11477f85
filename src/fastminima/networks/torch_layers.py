"""Linear layers of PyTorch with given numbers, without a draw from its generator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import NetworkError, OptionError
from fastminima.system.options import spelled

__all__ = ["torch_dtype", "torch_linear"]


def torch_dtype(torch: Any, dtype: Any) -> Any:
    """float64 or float32 of torch; OptionError for another."""
    kinds = {"float64": torch.float64, "float32": torch.float32} if dtype is not None else {}
    for name, kind in kinds.items():
        if dtype is kind or (isinstance(dtype, str) and dtype == name):
            return kind
    if dtype is None:
        return torch.float64
    raise OptionError(f'dtype must be "float64", "float32" or torch\'s of these, got {spelled(dtype)}')


def torch_linear(torch: Any, weight: NDArray[np.float64], bias: NDArray[np.float64], dtype: Any) -> Any:
    """A Linear layer with these numbers; NetworkError where one overflows the dtype."""
    # skip_init: the random start values would be overwritten, and drawing them moves torch's global generator
    layer = torch.nn.utils.skip_init(torch.nn.Linear, weight.shape[1], weight.shape[0], dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight, dtype=torch.float64))
        layer.bias.copy_(torch.tensor(bias, dtype=torch.float64))
        if not (layer.weight.isfinite().all() and layer.bias.isfinite().all()):
            raise NetworkError(f"a parameter overflows {dtype}; use float64, or rescale the network")
    return layer
