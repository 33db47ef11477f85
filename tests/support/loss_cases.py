"""The named losses of a product, and small problems for them."""

from __future__ import annotations

from fractions import Fraction

import mpmath as mp
import numpy as np
from hypothesis import strategies as st

import fastminima as fm


def rational(M):
    return [[Fraction(float(v)) for v in row] for row in M]


def _softmax(z, y):
    top = max(z)
    return (
        top + mp.log(mp.fsum(mp.exp(a - top) for a in z)) - mp.fsum(a * b for a, b in zip(z, y, strict=True))
    )


def _huber(delta):
    def phi(z, y):
        e = abs(z - y)
        return e * e / 2 if e <= delta else delta * (e - mp.mpf(delta) / 2)

    return phi


# name: (how it is made, phi(z, y) of one entry or of a row)
LOSSES = {
    "squared": (lambda X, Y: fm.SquaredLoss(X, Y), lambda z, y: (z - y) ** 2 / 2),
    "huber": (lambda X, Y: fm.HuberLoss(X, Y, 0.75), _huber(0.75)),
    "logistic": (
        lambda X, Y: fm.LogisticLoss(X, Y > 0),
        lambda z, y: mp.log(1 + mp.exp(-z if y > 0 else z)),
    ),
    "softmax": (lambda X, Y: fm.SoftmaxCrossEntropy(X, np.eye(Y.shape[1])[Y.argmax(axis=1)]), _softmax),
    "log-cosh": (lambda X, Y: fm.LogCoshLoss(X, Y), lambda z, y: mp.log(mp.cosh(z - y))),
    "quantile": (
        lambda X, Y: fm.SmoothedQuantileLoss(X, Y, 0.3, 0.25),
        lambda z, y: mp.mpf(0.3) * (y - z) + mp.mpf(0.25) * mp.log(1 + mp.exp(-(y - z) / mp.mpf(0.25))),
    ),
}


@st.composite
def problems(draw, max_rows: int = 6):
    """(X, Y, R, D): lattices, reals, zero columns, all-zero products, large and small scales."""
    m, dx, dy = draw(st.integers(1, max_rows)), draw(st.integers(1, 3)), draw(st.integers(2, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if draw(st.booleans()):
        X, Y = rng.integers(-2, 3, (m, dx)).astype(float), rng.integers(-2, 3, (m, dy)).astype(float)
    else:
        X, Y = rng.normal(size=(m, dx)), rng.normal(size=(m, dy))
    if draw(st.booleans()):
        X[:, 0] = 0.0
    X *= draw(st.sampled_from([1.0, 1.0, 2.0**-30, 40.0]))
    R = rng.normal(size=(dy, dx)) * draw(st.sampled_from([0.0, 1.0, 1.0, 30.0]))
    D = rng.normal(size=(dy, dx)) * draw(st.sampled_from([1.0, 1e-3, 1e-9, 10.0]))
    return X, Y, R, D
