"""K networks of one shape in four stacked arrays, and what they are evaluated on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.tensors import plain_array
from fastminima.errors import NetworkError

__all__ = ["Block", "Samples", "StackedNetworks", "check_finite", "check_shape", "real_array"]

F64 = NDArray[np.float64]
Block = tuple[NDArray[np.generic], ...]

# of parameters looked at for inf and nan at a time
_READ_BYTES = 1 << 21
_NAMES = ("W1", "b1", "W2", "b2")


class Samples(Protocol):
    """What a risk is a sum over: `X` (m, dx), `y` (m,) and `sample_weight`, None or (m,)."""

    @property
    def X(self) -> F64: ...
    @property
    def y(self) -> F64: ...
    @property
    def sample_weight(self) -> F64 | None: ...


def real_array(value: ArrayLike, name: str) -> NDArray[np.generic]:
    """An array of real numbers of at most 64 bits, as it comes; NetworkError for anything else."""
    try:
        array = plain_array(value)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise NetworkError(f"{name} must be an array of real numbers: {error}") from error
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise NetworkError(f"{name} must hold float64, float32 or integers, got dtype {array.dtype}")
    if np.ma.is_masked(value):
        raise NetworkError(f"{name} is a masked array with masked entries; fill them first")
    return array


def check_shape(array: NDArray[np.generic], name: str, letters: str, shape: tuple[int, ...]) -> None:
    """NetworkError where `array` has another shape than W1 asks for."""
    if array.shape != shape:
        raise NetworkError(f"{name} must have shape {letters} = {shape} to fit W1, got {array.shape}")


def _rows(array: NDArray[np.generic]) -> Iterator[tuple[int, NDArray[np.generic]]]:
    step = max(1, _READ_BYTES * len(array) // max(1, array.nbytes)) if len(array) else 1
    for start in range(0, len(array), step):
        yield start, array[start : start + step]


def check_finite(array: NDArray[np.generic], name: str, offset: int = 0) -> None:
    """NetworkError that names the first entry that is inf or nan; `offset` is the number of the first row."""
    if array.dtype.kind != "f":
        return
    for start, block in _rows(array):
        bad = ~np.isfinite(block)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            index = ", ".join(str(i) for i in (where[0] + start + offset, *where[1:]))
            raise NetworkError(f"{name}[{index}] is {block[where]}; parameters must be finite")


@dataclass(frozen=True, eq=False, repr=False)
class StackedNetworks:
    """K networks f(x) = W2 h(W1 x + b1) + b2 of one shape, in the caller's arrays, of any real dtype and order.

    Attributes
    ----------
    W1, b1, W2, b2 : ndarrays of shapes (K, d1, dx), (K, d1), (K, d1), (K,)
        Given, W2 may be (K, 1, d1) and b2 (K, 1).

    Raises
    ------
    NetworkError
        If shapes do not fit each other, or an array does not hold real numbers. Whether these are finite is not looked
        at here: see `check_finite`.
    """

    W1: NDArray[np.generic]
    b1: NDArray[np.generic]
    W2: NDArray[np.generic]
    b2: NDArray[np.generic]

    def __post_init__(self) -> None:
        for name in _NAMES:
            object.__setattr__(self, name, real_array(getattr(self, name), name))
        if self.W1.ndim != 3 or self.W1.shape[1] < 1:
            raise NetworkError(f"W1 must have shape (K, d1, dx) with d1 >= 1, got {self.W1.shape}")
        K, d1, _ = self.W1.shape
        # layers with one output hold W2 as (1, d1) and b2 as (1,)
        if self.W2.shape == (K, 1, d1):
            object.__setattr__(self, "W2", self.W2[:, 0, :])
        if self.b2.shape == (K, 1):
            object.__setattr__(self, "b2", self.b2[:, 0])
        check_shape(self.b1, "b1", "(K, d1)", (K, d1))
        check_shape(self.W2, "W2", "(K, d1)", (K, d1))
        check_shape(self.b2, "b2", "(K,)", (K,))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(K, d1, dx)."""
        K, d1, dx = self.W1.shape
        return K, d1, dx

    def arrays(self) -> Block:
        """(W1, b1, W2, b2)."""
        return self.W1, self.b1, self.W2, self.b2

    def block(self, networks: slice, dtype: np.dtype[Any]) -> Block:
        """The arrays of some of the networks, contiguous and of this dtype; a copy only where one is needed."""
        with np.errstate(all="ignore"):
            return tuple(
                np.require(array[networks], dtype, ["C_CONTIGUOUS", "ALIGNED"]) for array in self.arrays()
            )

    def check_finite(self, networks: slice = slice(None)) -> None:
        """NetworkError that names the first parameter of these networks that is inf or nan."""
        for array, name in zip(self.arrays(), _NAMES, strict=True):
            check_finite(array[networks], name, networks.start or 0)
