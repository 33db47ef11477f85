"""The slow, obvious twins of the kernels in `_smooth`: same names, same signatures, NumPy and SciPy only.

`variant` and `workspace` are taken and not used: the twins know no instruction sets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["curve_f32", "curve_f64", "outputs_f64", "sums_f32", "sums_f64"]

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]


def _softplus(t: Any) -> Any:
    return np.logaddexp(0.0, t)


_VALUES: tuple[Any, ...] = (
    lambda t, p, q, r: np.tanh(t),
    lambda t, p, q, r: np.exp(t),
    lambda t, p, q, r: scipy.special.erf(t),
    lambda t, p, q, r: np.log1p(t),
    lambda t, p, q, r: scipy.special.expit(t),
    lambda t, p, q, r: -_softplus(-t),
    lambda t, p, q, r: _softplus(p * t) * q,
    lambda t, p, q, r: np.where(p * t > r, t, _softplus(p * t) * q),
    lambda t, p, q, r: t * scipy.special.ndtr(t),
    lambda t, p, q, r: t * scipy.special.expit(p * t),
    lambda t, p, q, r: t * scipy.special.expit(p * (t + q * t**3)),
    lambda t, p, q, r: np.where(t > 0, p * t, q * np.expm1(r * np.minimum(t, 0.0))),
    lambda t, p, q, r: t * np.tanh(_softplus(t)),
    lambda t, p, q, r: np.exp(-0.5 * t * t),
    lambda t, p, q, r: t * t,
    lambda t, p, q, r: t * t * t,
)


def _value(curve: int, shape: F64, t: Any) -> Any:
    """h(t), in the precision of t."""
    return np.asarray(_VALUES[curve](t, *shape.astype(t.dtype))).astype(t.dtype, copy=False)


def sums_f64(
    W1: F64,
    b1: F64,
    W2: F64,
    b2: F64,
    X: F64,
    y: F64,
    weight: F64,
    curve: int,
    shape: F64,
    variant: int,
    workspace: F64,
    sums_out: F64,
) -> None:
    """sums_out[k] = sum_i weight_i (f_k(x_i) - y_i)^2; an empty `weight` means all ones."""
    with np.errstate(all="ignore"):
        for k in range(len(W1)):
            residual = _value(curve, shape, X @ W1[k].T + b1[k]) @ W2[k] + b2[k] - y
            sums_out[k] = np.sum((weight if weight.size else 1.0) * residual**2)


def sums_f32(
    W1: F32,
    b1: F32,
    W2: F32,
    b2: F32,
    X: F64,
    y: F64,
    weight: F64,
    curve: int,
    shape: F64,
    variant: int,
    workspace: F32,
    sums_out: F64,
) -> None:
    """The same with outputs and residuals in float32, squared and summed in float64."""
    with np.errstate(all="ignore"):
        x, target = X.astype(np.float32), y.astype(np.float32)
        for k in range(len(W1)):
            residual = _value(curve, shape, x @ W1[k].T + b1[k]) @ W2[k] + b2[k] - target
            sums_out[k] = np.sum((weight if weight.size else 1.0) * residual.astype(np.float64) ** 2)


def outputs_f64(
    W1: F64,
    b1: F64,
    W2: F64,
    b2: float,
    X: F64,
    curve: int,
    shape: F64,
    variant: int,
    workspace: F64,
    out: F64,
) -> None:
    """out[i] = f(x_i) of one network."""
    with np.errstate(all="ignore"):
        out[:] = _value(curve, shape, X @ W1.T + b1) @ W2 + b2


def curve_f64(curve: int, shape: F64, x: F64, variant: int, out: F64) -> None:
    """out[i] = h(x_i)."""
    with np.errstate(all="ignore"):
        out[:] = _value(curve, shape, x)


def curve_f32(curve: int, shape: F64, x: F32, variant: int, out: F32) -> None:
    """The same in float32."""
    with np.errstate(all="ignore"):
        out[:] = _value(curve, shape, x)
