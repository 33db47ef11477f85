"""The same risk in float64, for walking: value, gradient and Hessian. Nothing is claimed from it."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import round_fraction
from fastminima.networks.rational_network import RationalNetwork

from .samples import Samples

__all__ = ["FloatRisk", "length"]

F64 = NDArray[np.float64]


def length(v: F64) -> float:
    """Euclidean norm; inf where its square leaves float64."""
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(v))


class FloatRisk:
    """F on some samples, for networks of one shape; vectors of parameters as in `vector`.

    Parameters
    ----------
    samples : Samples
    network : RationalNetwork
    weight_decay : Fraction
    """

    def __init__(self, samples: Samples, network: RationalNetwork, weight_decay: Fraction) -> None:
        self.samples, self.h = samples, network.activation
        self.n, self.d1 = network.n_features + 1, network.width
        self.decay, self.pure = round_fraction(weight_decay), round_fraction(samples.pure)

    def _split(self, theta: F64) -> tuple[F64, F64]:
        cut = self.d1 * self.n
        return theta[:cut].reshape(self.d1, self.n), theta[cut:-1]

    def residuals(self, theta: F64) -> F64:
        """f(x_g) - ybar_g."""
        u, a = self._split(theta)
        with np.errstate(all="ignore"):
            result: F64 = self.h.value(self.samples.X @ u.T) @ a + theta[-1] - self.samples.y
        return result

    def value(self, theta: F64) -> float:
        """F; inf where float64 ends."""
        e = self.residuals(theta)
        with np.errstate(all="ignore"):
            value = 0.5 * float(self.samples.w @ (e * e) + self.decay * (theta @ theta)) + self.pure
        return value if math.isfinite(value) else math.inf

    def jacobian(self, theta: F64) -> F64:
        """Of the outputs, (n_samples, parameters)."""
        u, a = self._split(theta)
        X = self.samples.X
        with np.errstate(all="ignore"):
            z = X @ u.T
            pushed = (self.h.first(z) * a)[:, :, None] * X[:, None, :]
            ones = np.ones((len(X), 1))
            return np.concatenate([pushed.reshape(len(X), -1), self.h.value(z), ones], axis=1)

    def derivatives(self, theta: F64) -> tuple[F64, F64]:
        """Gradient and Hessian."""
        u, a = self._split(theta)
        X, w, n, d1 = self.samples.X, self.samples.w, self.n, self.d1
        J = self.jacobian(theta)
        with np.errstate(all="ignore"):
            z, G = X @ u.T, w * self.residuals(theta)
            gradient = J.T @ G + self.decay * theta
            H = J.T @ (w[:, None] * J)
            first, second = G[:, None] * self.h.first(z), G[:, None] * self.h.second(z) * a
            for k in range(d1):
                rows = slice(k * n, (k + 1) * n)
                H[rows, rows] += X.T @ (second[:, k : k + 1] * X)
                mixed = X.T @ first[:, k]
                H[rows, d1 * n + k] += mixed
                H[d1 * n + k, rows] += mixed
        H[np.diag_indices(len(H))] += self.decay
        return gradient, H
