"""The weights of a deep linear network: coerced once, and what is wrong with them said by layer."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import as_matrix
from fastminima.errors import DataError, DataTypeError, NetworkError, ReadError
from fastminima.system.files import open_npz

__all__ = ["as_chain", "read_chain"]

Floats = NDArray[np.float64]


def as_chain(weights: Any, shape: tuple[int, int] | None = None) -> list[Floats]:
    """[W_1, ..., W_{H+1}] as read-only float64 arrays, H >= 1.

    Parameters
    ----------
    weights : sequence of array-likes, W_j of shape (d_j, d_{j-1})
    shape : (dy, dx), optional
        What the loss is a function of.

    Raises
    ------
    NetworkError
        Fewer than two layers, a layer that is not 2-D or of size 0, NaN or inf, numbers float64 cannot hold, neighbours
        that do not chain (the pair is named), or a product of another shape than the loss's.
    """
    if isinstance(weights, (str, bytes, dict)) or not hasattr(weights, "__len__"):
        raise NetworkError(
            f"weights must be a sequence [W1, ..., W(H+1)] of matrices, got {type(weights).__name__}"
        )
    if isinstance(weights, np.ndarray) and weights.ndim == 0:
        raise NetworkError(
            "weights must be a sequence [W1, ..., W(H+1)] of matrices, got an array without dimensions"
        )
    if len(weights) < 2:
        raise NetworkError(f"a deep linear network has at least two layers (H >= 1), got {len(weights)}")
    chain = []
    for j, W in enumerate(weights, 1):
        # parameters of torch modules are tensors that track gradients
        W = W.detach() if callable(getattr(W, "detach", None)) else W
        try:
            table = as_matrix(W, f"W{j}", allow_empty=True)
        except (DataError, DataTypeError) as error:
            raise NetworkError(str(error).replace("(samples, features)", "(outputs, inputs)")) from error
        if table.rounded:
            raise NetworkError(f"W{j} holds numbers that are not float64 numbers; round them first")
        if 0 in table.values.shape:
            raise NetworkError(f"W{j} has shape {table.values.shape}: a layer of size 0 computes nothing")
        chain.append(table.values)
    for j, (below, above) in enumerate(pairwise(chain), 1):
        if above.shape[1] != below.shape[0]:
            raise NetworkError(
                f"W{j} and W{j + 1} do not chain: W{j} has shape {below.shape} and so {below.shape[0]} outputs, "
                f"W{j + 1} has shape {above.shape} and takes {above.shape[1]} inputs"
            )
    ends = (chain[-1].shape[0], chain[0].shape[1])
    if shape is not None and ends != shape:
        raise NetworkError(
            f"the network maps {ends[1]} inputs to {ends[0]} outputs, but the loss's data have {shape[1]} inputs and "
            f"{shape[0]} targets"
        )
    return chain


def read_chain(path: str | os.PathLike[str]) -> list[Floats]:
    """The weights in an npz file: arrays W1, W2, ..., or arr_0, arr_1, ..., or torch's NAME.weight by their numbers.

    Raises
    ------
    MissingFileError
        There is no such file.
    ReadError
        Not an npz file, or arrays whose order is not clear.
    NetworkError
        As `as_chain`.
    """
    source = Path(path)
    instead = "; weights are an npz file with arrays W1, W2, ..."
    with open_npz(source, "is not a file of weights (.npz)", instead) as stored:
        arrays = {name: stored[name] for name in stored.files}
    try:
        return as_chain([arrays[name] for name in _ordered(list(arrays), source)])
    except NetworkError as error:
        raise NetworkError(f"{source}: {error}") from error


def _ordered(names: Sequence[str], source: Path) -> list[str]:
    shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
    expected = "expected W1, W2, ..., or arr_0, arr_1, ..., or NAME.weight with numbers in the names"
    for pattern, first in ((r"W(\d+)", 1), (r"arr_(\d+)", 0)):
        found = {int(match[1]): name for name in names if (match := re.fullmatch(pattern, name))}
        if found:
            if len(found) != len(names) or sorted(found) != list(range(first, first + len(names))):
                raise ReadError(f"{source} holds {shown}: {expected}, without gaps and nothing else")
            return [found[number] for number in sorted(found)]
    biases = [name for name in names if name.endswith("bias")]
    if biases:
        raise ReadError(
            f"{source} holds {biases[0]}: theorem 4 is about layers without biases; put the bias into the first weight as a "
            "last column and classify with a constant input (bias=True, --bias)"
        )
    numbers = {name: tuple(int(n) for n in re.findall(r"\d+", name)) for name in names}
    if not names or not all(name.endswith("weight") and numbers[name] for name in names):
        raise ReadError(f"{source} holds {shown or 'no arrays'}: {expected}")
    if len(set(numbers.values())) != len(names):
        raise ReadError(f"{source} holds {shown}, whose numbers do not order them; name them W1, W2, ...")
    return sorted(names, key=lambda name: numbers[name])
