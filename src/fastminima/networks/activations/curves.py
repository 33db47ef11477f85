"""Values and derivatives of the known activations in float64: `curve(order, t)` is h, h' or h'' for order 0, 1, 2.

Each form keeps its relative accuracy far out: 1 - s(t) is s(-t), 1/cosh^2 is a product of logistics, so nothing
cancels or overflows where the derivative itself does not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = [
    "arctan",
    "celu",
    "cosine",
    "elu",
    "erf",
    "exponential",
    "gaussian",
    "gelu",
    "gelu_tanh",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "identity",
    "log_sigmoid",
    "mish",
    "power",
    "relu_squared",
    "sigmoid",
    "silu",
    "sine",
    "snake",
    "softplus",
    "softplus_cut",
    "softshrink",
    "softsign",
    "squareplus",
    "tanh",
    "tanhshrink",
    "threshold",
]

Floats = NDArray[np.float64]


def _bell(t: Floats) -> Floats:
    """s(t) s(-t), the derivative of the logistic function."""
    return scipy.special.expit(t) * scipy.special.expit(-t)


def sigmoid(order: int, t: Floats) -> Any:
    if order == 0:
        return scipy.special.expit(t)
    return _bell(t) if order == 1 else -_bell(t) * np.tanh(t / 2)


def tanh(order: int, t: Floats) -> Any:
    if order == 0:
        return np.tanh(t)
    bell = 4 * _bell(2 * t)
    return bell if order == 1 else -2 * np.tanh(t) * bell


def arctan(order: int, t: Floats) -> Any:
    if order == 0:
        return np.arctan(t)
    with np.errstate(over="ignore"):
        base = 1 / (1 + t * t)
    return base if order == 1 else -2 * (t * base) * base


def power(order: int, t: Floats, n: int) -> Any:
    factor = 1.0
    for k in range(order):
        factor *= n - k
    # an integer exponent: float_power would go through logarithms
    return factor * t ** (n - order) if n >= order else np.zeros(t.shape)


def elu(order: int, t: Floats, alpha: float, scale: float = 1.0) -> Any:
    low = np.minimum(t, 0.0)
    if order == 0:
        return scale * np.where(t > 0, t, alpha * np.expm1(low))
    outside = 1.0 if order == 1 else 0.0
    return scale * np.where(t > 0, outside, alpha * np.exp(low))


def celu(order: int, t: Floats, alpha: float) -> Any:
    with np.errstate(over="ignore"):
        low = np.minimum(t, 0.0) / alpha
    if order == 0:
        return np.where(t > 0, t, alpha * np.expm1(low))
    return np.where(t > 0, 1.0, np.exp(low)) if order == 1 else np.where(t > 0, 0.0, np.exp(low) / alpha)


def softplus(order: int, t: Floats, beta: float) -> Any:
    if order == 0:
        return np.logaddexp(0.0, beta * t) / beta
    return scipy.special.expit(beta * t) if order == 1 else beta * _bell(beta * t)


def softplus_cut(order: int, t: Floats, beta: float, threshold: float) -> Any:
    return np.where(beta * t > threshold, identity(order, t), softplus(order, t, beta))


def squareplus(order: int, t: Floats, b: float) -> Any:
    root = np.hypot(t, math.sqrt(b))
    # one term or its reciprocal: the other cancels
    far = root + np.abs(t)
    if order == 0:
        return np.where(t > 0, far / 2, b / (2 * far))
    if order == 1:
        return np.where(t > 0, far / (2 * root), b / (2 * far) / root)
    return b / (2 * root) / root / root


def gelu(order: int, t: Floats) -> Any:
    if order == 0:
        return t * scipy.special.ndtr(t)
    with np.errstate(over="ignore", under="ignore"):
        density = np.exp(-0.5 * t * t) / math.sqrt(2 * math.pi)
    return scipy.special.ndtr(t) + t * density if order == 1 else density * (2 - np.minimum(t * t, 1e300))


def gelu_tanh(order: int, t: Floats) -> Any:
    c = math.sqrt(8 / math.pi)
    with np.errstate(over="ignore"):
        u = c * (t + 0.044715 * t**3)
    s = scipy.special.expit(u)
    if order == 0:
        return t * s
    # beyond this every derivative of the logistic is 0 in float64
    near = np.clip(t, -40.0, 40.0)
    u, du, ddu = c * (near + 0.044715 * near**3), c * (1 + 3 * 0.044715 * near**2), c * 6 * 0.044715 * near
    bell = _bell(u)
    if order == 1:
        return s + near * du * bell
    return (2 * du + near * ddu - near * du * du * np.tanh(u / 2)) * bell


def silu(order: int, t: Floats, beta: float) -> Any:
    s = scipy.special.expit(beta * t)
    if order == 0:
        return t * s
    bell = _bell(beta * t)
    if order == 1:
        return s + beta * t * bell
    return beta * bell * (2 - beta * t * np.tanh(beta * t / 2))


def mish(order: int, t: Floats) -> Any:
    soft = np.logaddexp(0.0, t)
    w = np.tanh(soft)
    if order == 0:
        return t * w
    s, bell = scipy.special.expit(t), 4 * _bell(2 * soft)
    slope = bell * s
    if order == 1:
        return w + t * slope
    return 2 * slope + t * bell * (_bell(t) - 2 * w * s * s)


def sine(order: int, t: Floats) -> Any:
    return (np.sin(t), np.cos(t), -np.sin(t))[order]


def cosine(order: int, t: Floats) -> Any:
    return (np.cos(t), -np.sin(t), -np.cos(t))[order]


def snake(order: int, t: Floats, a: float) -> Any:
    if order == 0:
        return t + np.sin(a * t) ** 2 / a
    return 1 + np.sin(2 * a * t) if order == 1 else 2 * a * np.cos(2 * a * t)


def erf(order: int, t: Floats) -> Any:
    if order == 0:
        return scipy.special.erf(t)
    with np.errstate(over="ignore", under="ignore"):
        bell = np.exp(-t * t) * (2 / math.sqrt(math.pi))
    return bell if order == 1 else -2 * t * bell


def softsign(order: int, t: Floats) -> Any:
    base = 1 / (1 + np.abs(t))
    if order == 0:
        return t * base
    return base * base if order == 1 else -2 * np.sign(t) * base * base * base


def gaussian(order: int, t: Floats) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        bell = np.exp(-0.5 * t * t)
    if order == 0:
        return bell
    return -t * bell if order == 1 else (np.minimum(t * t, 1e300) - 1) * bell


def hardswish(order: int, t: Floats) -> Any:
    if order == 0:
        return t * np.clip(t + 3, 0.0, 6.0) / 6
    if order == 1:
        return np.where(t > 3, 1.0, np.where(t < -3, 0.0, (2 * t + 3) / 6))
    return np.where(np.abs(t) < 3, 1 / 3, 0.0)


# levels of the continued fraction tanh t = t/(1 + t^2/(3 + t^2/(5 + ...))) that float64 needs for |t| <= 1
_LEVELS = 11


def tanhshrink(order: int, t: Floats) -> Any:
    if order == 0:
        # t - tanh t without cancellation: t c/(1 + c), c = t^2/(3 + t^2/(5 + ...))
        square = np.minimum(np.abs(t), 1.0) ** 2
        rest: Any = 2.0 * _LEVELS + 1
        for k in range(_LEVELS - 1, 0, -1):
            rest = 2.0 * k + 1 + square / rest
        c = square / rest
        return np.where(np.abs(t) < 1, t * (c / (1 + c)), t - np.tanh(t))
    w = np.tanh(t)
    return w * w if order == 1 else 2 * w * 4 * _bell(2 * t)


def softshrink(order: int, t: Floats, lambd: float) -> Any:
    if order == 0:
        return np.where(np.abs(t) > lambd, t - np.copysign(lambd, t), 0.0)
    return np.where(np.abs(t) > lambd, 1.0, 0.0) if order == 1 else np.zeros(t.shape)


def hardshrink(order: int, t: Floats, lambd: float) -> Any:
    return np.where(np.abs(t) > lambd, identity(order, t), 0.0)


def hardtanh(order: int, t: Floats, min_val: float, max_val: float) -> Any:
    if order == 0:
        return np.clip(t, min_val, max_val)
    return np.where((t > min_val) & (t < max_val), 1.0, 0.0) if order == 1 else np.zeros(t.shape)


def hardsigmoid(order: int, t: Floats) -> Any:
    if order == 0:
        return np.clip(t + 3, 0.0, 6.0) / 6
    return np.where(np.abs(t) < 3, 1 / 6, 0.0) if order == 1 else np.zeros(t.shape)


def threshold(order: int, t: Floats, threshold: float, value: float) -> Any:
    return np.where(t > threshold, identity(order, t), value if order == 0 else 0.0)


def relu_squared(order: int, t: Floats) -> Any:
    positive = np.maximum(t, 0.0)
    with np.errstate(over="ignore"):
        return (
            positive * positive if order == 0 else 2 * positive if order == 1 else np.where(t > 0, 2.0, 0.0)
        )


def exponential(order: int, t: Floats) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(t)


def log_sigmoid(order: int, t: Floats) -> Any:
    if order == 0:
        return -np.logaddexp(0.0, -t)
    return scipy.special.expit(-t) if order == 1 else -_bell(t)


def identity(order: int, t: Floats) -> Any:
    return (t.copy(), np.ones(t.shape), np.zeros(t.shape))[order]
