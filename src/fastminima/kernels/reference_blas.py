"""The slow, obvious twins of the words in `_blas`: NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["dgemm", "dsyrk", "sgemm"]

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]


def _product(
    a: NDArray[Any],
    b: NDArray[Any],
    out: NDArray[Any],
    alpha: float,
    beta: float,
    transpose_a: bool,
    transpose_b: bool,
) -> None:
    product = alpha * ((a.T if transpose_a else a) @ (b.T if transpose_b else b))
    out[...] = product if beta == 0 else product + beta * out


def dgemm(
    a: F64,
    b: F64,
    out: F64,
    alpha: float = 1.0,
    beta: float = 0.0,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> None:
    """out = alpha op(a) op(b) + beta out; beta = 0 writes over anything."""
    _product(a, b, out, alpha, beta, transpose_a, transpose_b)


def sgemm(
    a: F32,
    b: F32,
    out: F32,
    alpha: float = 1.0,
    beta: float = 0.0,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> None:
    """The same in float32."""
    _product(a, b, out, alpha, beta, transpose_a, transpose_b)


def dsyrk(a: F64, out: F64, alpha: float = 1.0, beta: float = 0.0, transpose: bool = False) -> None:
    """The upper triangle of out = alpha a a^T + beta out, of a^T a with `transpose`."""
    product = np.empty_like(out)
    dgemm(a, a, product, alpha, 0.0, transpose, not transpose)
    upper = np.triu_indices(len(out))
    out[upper] = product[upper] if beta == 0 else product[upper] + beta * out[upper]
