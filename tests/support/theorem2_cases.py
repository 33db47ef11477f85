"""Theorem 2's examples, made once for all tests, and how to walk away from their minima."""

from __future__ import annotations

from functools import cache

import numpy as np

import fastminima as fm

# radii that ball arithmetic reaches, rounded down: (paper's form, output bias free)
RADII = {
    "sigmoid": (2.12, 2.12),
    "tanh": (0.89, 2.12),
    "arctan": (1.06, 2.12),
    "quadratic": (9.99, 10.0),
    "elu": (9.99, 10.0),
    "selu": (2.12, 2.12),
    "relu": (9.99, 10.0),
    "leaky_relu": (9.99, 10.0),
    "prelu": (9.99, 10.0),
    "snake": (0.55, 0.55),
    "softplus": (3.43, 10.0),
    "gelu": (0.97, 1.12),
    "gelu_tanh": (0.98, 1.11),
    "silu": (1.67, 1.69),
    "mish": (1.03, 1.32),
    "sine": (0.89, 1.11),
    "softsign": (0.22, 2.12),
    "erf": (0.67, 2.12),
    "gaussian": (1.31, 1.41),
    "cube": (None, 2.12),
    "power": (9.99, 10.0),
    "celu": (9.99, 10.0),
    "piecewise_linear": (9.99, 10.0),
    "hardswish": (2.09, 2.12),
    "exponential": (None, 10.0),
    "log_sigmoid": (3.43, 10.0),
    "softplus_cut": (3.43, 10.0),
    "squareplus": (0.55, 10.0),
    "quick_gelu": (1.12, 1.12),
    "cosine": (0.89, 1.11),
    "tanhshrink": (0.70, 2.12),
    "softshrink": (1.76, 2.47),
    "hardshrink": (None, 1.76),
    "hardtanh": (1.41, 2.82),
    "relu6": (None, 6.36),
    "hardsigmoid": (None, 4.22),
    "threshold": (None, 10.0),
    "relu_squared": (None, 10.0),
}


CASES = [
    (n, form) for n, radii in RADII.items() for form, r in zip(("paper", "bias"), radii, strict=True) if r
]


@cache
def example(name, form, **parameters):
    return fm.counterexample(name, form=form, **parameters)


def perturbed(pair, scale, directions):
    """Parameters of the minimum plus scale times rows of directions in R^8; the output bias is the best one."""
    low = pair.local_minimum
    d1, dx = low.W1.shape
    K = len(directions)
    move = scale * directions
    W1 = low.W1 + move[:, : d1 * dx].reshape(K, d1, dx)
    b1 = low.b1 + move[:, d1 * dx : d1 * dx + d1]
    W2 = low.W2 + move[:, d1 * dx + d1 :]
    outputs = np.zeros((K, 3))
    for j in range(d1):
        outputs += W2[:, j, None] * low.activation(W1[:, j] @ pair.data.X.T + b1[:, j, None])
    return W1, b1, W2, (pair.data.y - outputs).mean(axis=1)
