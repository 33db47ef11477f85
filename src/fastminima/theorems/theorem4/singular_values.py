"""Singular values of products of layers, how far rounding may have moved them, and what was decided by each.

Layers are scaled by powers of two to entries below 1 first, which changes no null space and avoids underflow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.roundoff import gamma_n

__all__ = ["Margin", "Products", "ScaledChain", "span"]

Floats = NDArray[np.float64]
# backward error of LAPACK's singular values in units of u |A|: a modest multiple of the dimension
_SVD_UNITS = 8


@dataclass(frozen=True)
class Margin:
    """One decision by singular values or norms.

    Attributes
    ----------
    name : str
        What was measured.
    kept : float
        The smallest value above the threshold; inf if there is none.
    dropped : float
        The largest value at or below it; 0 if there is none.
    threshold, error : float
        The threshold, and how far rounding may have moved the values.
    rank : int
        How many values were kept.
    """

    name: str
    kept: float
    dropped: float
    threshold: float
    error: float
    rank: int

    @property
    def clear(self) -> bool:
        """Does no value lie within its rounding error of the threshold?"""
        return self.kept - self.error > self.threshold and self.dropped + self.error <= self.threshold

    def __str__(self) -> str:
        kept = "none" if math.isinf(self.kept) else f"{self.kept:.3g}"
        limit = f"threshold {self.threshold:.3g} ± {self.error:.1g}"
        return f"{self.name}: kept from {kept}, dropped up to {self.dropped:.3g}, {limit}"


class ScaledChain:
    """Layers scaled by powers of two to entries below 1, their norms, and what products of them lose to rounding.

    A float64 product misses A B by at most gamma_n |A|_F |B|_F, and carries an earlier error e on B along as |A|_2 e.
    """

    def __init__(self, weights: Sequence[Floats]) -> None:
        self.powers = [int(np.frexp(np.abs(W).max(initial=0.0))[1]) for W in weights]
        self.weights = [np.ldexp(W, -p) for W, p in zip(weights, self.powers, strict=True)]
        self.frobenius = [float(np.linalg.norm(W)) * (1.0 + gamma_n(W.size + 2)) for W in self.weights]
        self.norms = [_spectral(W) for W in self.weights]

    def unit(self, low: int, high: int) -> float:
        """What turns numbers about the scaled W_{high:low} (layers from 1) into those of W_{high:low}, 1 beyond float64."""
        exponent = sum(self.powers[low - 1 : high])
        return 2.0**exponent if abs(exponent) <= 500 else 1.0

    def times(self, k: int, B: Floats, error: float) -> tuple[Floats, float]:
        """W_k B (k from 0) and the error of it when B is known up to `error`."""
        return self.weights[k] @ B, self._next(k, B, error)

    def transposed_times(self, k: int, B: Floats, error: float) -> tuple[Floats, float]:
        """W_k^T B and its error."""
        return self.weights[k].T @ B, self._next(k, B, error)

    def _next(self, k: int, B: Floats, error: float) -> float:
        if not self.frobenius[k] or not (error or B.any()):
            return 0.0
        n = max(self.weights[k].shape)
        return (self.norms[k] * error + gamma_n(n) * self.frobenius[k] * float(np.linalg.norm(B))) * (
            1.0 + gamma_n(B.size + 8)
        ) + B.size * n * 2.0**-1070


def _spectral(W: Floats) -> float:
    """|W|_2, rounded up by LAPACK's backward error."""
    if not W.any():
        return 0.0
    return float(np.linalg.norm(W, 2)) * (1.0 + gamma_n(_SVD_UNITS * max(W.shape)))


class Products:
    """Products W_{k:2} of a chain, SVDs of them, and their errors; layers counted from 1."""

    def __init__(self, chain: ScaledChain, tol: float) -> None:
        self.chain = chain
        self.tol = tol
        self._from_two: dict[int, tuple[Floats, float]] = {1: (np.eye(chain.weights[0].shape[0]), 0.0)}
        self._svd: dict[int, tuple[Floats, Floats, Floats]] = {}

    def from_two(self, k: int) -> Floats:
        """W_{k:2}; the identity for k = 1."""
        return self._product(k)[0]

    def _product(self, k: int) -> tuple[Floats, float]:
        if k not in self._from_two:
            self._from_two[k] = self.chain.times(k - 1, *self._product(k - 1))
        return self._from_two[k]

    def svd(self, k: int) -> tuple[Floats, Floats, Floats]:
        """Full SVD of W_{k:2}."""
        if k not in self._svd:
            self._svd[k] = np.linalg.svd(self.from_two(k))
        return self._svd[k]

    @property
    def decomposed(self) -> list[int]:
        """The k whose W_{k:2} has been decomposed."""
        return sorted(self._svd)

    def error(self, k: int) -> float:
        """How far a singular value of W_{k:2} may be off: rounding of the products, then of the SVD."""
        if k == 1:
            return 0.0
        product, error = self._product(k)
        return error + gamma_n(_SVD_UNITS * max(product.shape)) * float(self.svd(k)[1].max(initial=0.0))

    def threshold(self, k: int) -> float:
        """tol times the product of the spectral norms of W_2 .. W_k."""
        return self.tol * math.prod(self.chain.norms[1:k])

    def rank(self, k: int) -> Margin:
        """Which singular values of W_{k:2} are kept."""
        return self._margin(f"W_{{{k}:2}}", k, self.svd(k)[1], self.error(k))

    def _margin(self, name: str, k: int, s: Floats, error: float) -> Margin:
        """Values of W_{k:2} against its threshold, told in the units of the layers as they came where these fit float64."""
        unit = self.chain.unit(2, k)
        return _margin(name, s * unit, self.threshold(k) * unit, error * unit)

    def null(self, k: int) -> Floats:
        """Columns that span null(W_{k:2}) within tolerance."""
        if k == 1:
            return np.zeros((len(self.from_two(1)), 0))
        return np.asarray(self.svd(k)[2][self.rank(k).rank :].T)

    def image_of_null_space(self, k: int, below: int) -> tuple[Margin, Floats]:
        """W_{below:2} on null(W_{k:2}): is it 0 there, and the vector it stretches most."""
        basis = self.null(k)
        name = f"W_{{{below}:2}} on the null space of W_{{{k}:2}}"
        # a rotation of the null space by error / gap moves the image by the same share of its size
        values = self.svd(k)[1]
        limit = self.threshold(k)
        gap = float(values[values > limit].min(initial=math.inf)) - float(
            values[values <= limit].max(initial=0.0)
        )
        tilt = self.error(k) / gap
        error = self.error(below) + tilt * math.prod(self.chain.norms[1:below])
        if not basis.shape[1]:
            return self._margin(name, below, np.zeros(0), error), basis
        _, s, Vt = np.linalg.svd(self.from_two(below) @ basis, full_matrices=False)
        return self._margin(name, below, s, error), basis @ Vt[0]


def _margin(name: str, s: Floats, threshold: float, error: float) -> Margin:
    kept, dropped = s[s > threshold], s[s <= threshold]
    return Margin(
        name,
        float(kept.min()) if len(kept) else math.inf,
        float(dropped.max()) if len(dropped) else 0.0,
        threshold,
        error,
        len(kept),
    )


def span(chain: ScaledChain, low: int, high: int, tol: float) -> Margin:
    """Singular values of W_{high:low}, layers counted from 1, against tol times the product of the spectral norms."""
    product, error = chain.weights[low - 1], 0.0
    for k in range(low, high):
        product, error = chain.times(k, product, error)
    s = np.linalg.svd(product, compute_uv=False)
    error += gamma_n(_SVD_UNITS * max(product.shape)) * float(s.max(initial=0.0))
    unit, threshold = chain.unit(low, high), tol * math.prod(chain.norms[low - 1 : high])
    return _margin(f"W_{{{high}:{low}}}", s * unit, threshold * unit, error * unit)
