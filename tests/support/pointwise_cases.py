"""Every pointwise loss beside its definition in mpmath."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath as mp

from fastminima.losses.pointwise import (
    Huber,
    LogCosh,
    Logistic,
    PointwiseLoss,
    SmoothedQuantile,
    Squared,
)

U = 2.0**-53


def number(v: float) -> Any:
    return mp.mpf(float(v))


def _log_cosh(z, y):
    t = abs(z - y)
    return t + mp.log1p(mp.exp(-2 * t)) - mp.log(2)


def _softplus(t):
    return mp.log1p(mp.exp(t)) if t < 0 else t + mp.log1p(mp.exp(-t))


def _expit(t):
    return 1 / (1 + mp.exp(-t))


def _huber(delta):
    delta = mp.mpf(delta)
    return (
        lambda z, y: (z - y) ** 2 / 2 if abs(z - y) <= delta else delta * (abs(z - y) - delta / 2),
        lambda z, y: max(min(z - y, delta), -delta),
        lambda z, y: mp.mpf(abs(z - y) <= delta),
    )


def _quantile(tau, s):
    tau, s = mp.mpf(tau), mp.mpf(s)
    return (
        lambda z, y: tau * (y - z) + s * _softplus((z - y) / s),
        lambda z, y: _expit((z - y) / s) - tau,
        lambda z, y: _expit((z - y) / s) * _expit((y - z) / s) / s,
    )


@dataclass
class Case:
    """A loss of ours, and value, slope and curvature of one output in mpmath."""

    loss: PointwiseLoss
    value: Any
    slope: Any
    curvature: Any
    classes: bool = False


CASES = {
    "squared": Case(Squared(), lambda z, y: (z - y) ** 2 / 2, lambda z, y: z - y, lambda z, y: mp.mpf(1)),
    "huber": Case(Huber(0.75), *_huber(0.75)),
    "huber, tiny": Case(Huber(1e-200), *_huber(1e-200)),
    "logistic": Case(
        Logistic(),
        lambda z, y: _softplus(-y * z),
        lambda z, y: -y * _expit(-y * z),
        lambda z, y: _expit(z) * _expit(-z),
        classes=True,
    ),
    "log-cosh": Case(
        LogCosh(),
        _log_cosh,
        lambda z, y: mp.tanh(z - y),
        lambda z, y: 4 * _expit(2 * (z - y)) * _expit(2 * (y - z)),
    ),
    "quantile": Case(SmoothedQuantile(0.3, 0.25), *_quantile(0.3, 0.25)),
    "quantile, sharp": Case(SmoothedQuantile(0.99, 1e-3), *_quantile(0.99, 1e-3)),
    "quantile, wide": Case(SmoothedQuantile(0.5, 300.0), *_quantile(0.5, 300.0)),
}
