"""The slow, obvious twins of the kernels in `_forward`: same names, same signatures, NumPy only.

`variant` and `workspace` are taken and not used: the twins know no instruction sets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["fma_peak", "outputs_f64", "sums_f32", "sums_f64"]

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]


def sums_f64(
    W1: F64,
    b1: F64,
    W2: F64,
    b2: F64,
    X: F64,
    y: F64,
    weight: F64,
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: F64,
    sums_out: F64,
) -> None:
    """sums_out[k] = sum_i weight_i (f_k(x_i) - y_i)^2; an empty `weight` means all ones."""
    with np.errstate(all="ignore"):
        for k in range(len(W1)):
            z = X @ W1[k].T + b1[k]
            residual = np.where(z < 0, s_minus, s_plus) * z @ W2[k] + b2[k] - y
            sums_out[k] = np.sum((weight if weight.size else 1.0) * residual**2)


def sums_f32(
    W1: F32,
    b1: F32,
    W2: F32,
    b2: F32,
    X: F64,
    y: F64,
    weight: F64,
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: F32,
    sums_out: F64,
) -> None:
    """The same with outputs and residuals in float32, squared and summed in float64."""
    with np.errstate(all="ignore"):
        x, target = X.astype(np.float32), y.astype(np.float32)
        up, down = np.float32(s_plus), np.float32(s_minus)
        for k in range(len(W1)):
            z = x @ W1[k].T + b1[k]
            residual = np.where(z < 0, down, up) * z @ W2[k] + b2[k] - target
            sums_out[k] = np.sum((weight if weight.size else 1.0) * residual.astype(np.float64) ** 2)


def outputs_f64(
    W1: F64,
    b1: F64,
    W2: F64,
    b2: float,
    X: F64,
    s_plus: float,
    s_minus: float,
    variant: int,
    workspace: F64,
    out: F64,
) -> None:
    """out[i] = f(x_i) of one network."""
    with np.errstate(all="ignore"):
        z = X @ W1.T + b1
        out[:] = np.where(z < 0, s_minus, s_plus) * z @ W2 + b2


def fma_peak(variant: int, item: int, rounds: int, sum_out: F64) -> None:
    """Twelve chains z <- s z + 1/2 in every lane, started at 0..11, and their sum."""
    dtype = np.dtype(np.float32 if item == 4 else np.float64)
    lanes = (item, 16, 32, 64)[variant] // item
    z = np.repeat(np.arange(12).astype(dtype), lanes)
    s, half = sum_out.astype(dtype), np.full(1, 0.5, dtype)
    for _ in range(rounds):
        z = s * z + half
    sum_out[0] = z.sum(dtype=np.float64)
