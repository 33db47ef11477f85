"""What is proved about one pass over the data: the rounding of its sums, and the conditioning of the Gram matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.roundoff import SLACK, U, gamma_n

from .centred_data import CentredData
from .running_sums import Moments, Sizes

__all__ = ["NormalEquations", "PassBounds", "affine_error", "column_norms"]

Array = NDArray[np.float64]

# Refinement contracts by about gamma_BLOCK / lambda a step: below this lambda it would stall.
_SAFE_LAMBDA = 2.0**-24
# Above this lambda (of columns scaled to norms near one) float64 residuals already give every digit of the fit.
_WELL_CONDITIONED = 2.0**-8
# Absolute floor against underflow: entries are scaled to 2^±200, so any product lost to underflow is below 2^-1022.
_FLOOR = 2.0**-900


@dataclass(frozen=True)
class NormalEquations:
    """The Gram matrix scaled by powers of two S, with a proved lower bound on lambda_min(S G S), G the exact one.

    lambda_min(H) >= c - gamma_{n+1}/(1 - gamma_{n+1}) tr(H - cI) when the Cholesky factorisation of H - cI runs
    through (Rump 2006), less the formation of H - cI (u per diagonal entry), less the rounding of the Gram
    matrix itself: |E_jk| <= gamma N_j N_k, so ||S E S||_2 <= gamma sum_k (S_k N_k)^2.
    """

    H: Array
    S: Array
    lam: float

    @classmethod
    def of(cls, moments: Moments, frame: CentredData) -> NormalEquations:
        """Scale and bound; `lam` is 0 where nothing can be proved."""
        diagonal = np.diag(moments.gram)
        n = len(diagonal)
        if not (diagonal > 0.0).all():
            return cls(moments.gram, np.ones(n), 0.0)
        S = np.exp2(-np.round(np.log2(diagonal) / 2))
        H = moments.gram * S[:, None] * S[None, :]
        c = 0.75 * float(np.linalg.eigvalsh(H)[0])
        if c <= 0.0:
            return cls(H, S, 0.0)
        shifted = H - c * np.eye(n)
        try:
            np.linalg.cholesky(shifted)
        except np.linalg.LinAlgError:
            return cls(H, S, 0.0)
        trace = float(np.trace(H)) * SLACK
        lost = gamma_n(n + 2) * SLACK * 1.001 * trace + U * trace + frame.summation * 1.001 * trace
        return cls(H, S, (c - lost * SLACK) / SLACK)

    @property
    def safe(self) -> bool:
        """Whether refinement contracts."""
        return self.lam >= _SAFE_LAMBDA

    @property
    def well_conditioned(self) -> bool:
        """Whether float64 residuals give every digit of the solution."""
        return self.lam > _WELL_CONDITIONED

    def solve(self, right: Array) -> Array:
        """G^-1 right."""
        solution: Array = np.linalg.solve(self.H, self.S * right) * self.S
        return solution


@dataclass(frozen=True)
class PassBounds:
    """Rounding bounds of one pass, in scaled units (see `centred_data` for the conventions).

    dot : |computed fitted - exact affine function| <= gamma_{n+4} (sum|w||x'|max + |value at the centre|), plus the
        entry error.
    residual : the same for r = fitted - y', plus u(|y'| + |r|).
    gradient : factor f with |computed g_k - exact g_k| <= f N_k, N_k = ||x'_k||:
        sum w|x'||dr| <= N_k sqrt(sum w) residual and gamma sum w|x'||r| <= gamma N_k ||r|| (Cauchy-Schwarz).
    """

    dot: float
    residual: float
    gradient: float

    @classmethod
    def of(
        cls, frame: CentredData, sizes: Sizes, affine: tuple[Array, float], squared_norm: float
    ) -> PassBounds:
        """Of a pass with the slopes and the value at the centre `affine`, which found this sum_i w_i r_i^2."""
        slopes, value_at_centre = affine
        dot = affine_error(frame, sizes.column_max, slopes, value_at_centre)
        size = math.sqrt(squared_norm) * (1.0 + frame.summation)
        largest = sizes.y_max + float(np.abs(slopes) @ sizes.column_max) + abs(value_at_centre)
        y_error = frame.entry_error * (sizes.y_max + abs(frame.centre_y))
        residual = (dot + y_error + 3.0 * U * (largest + dot)) * SLACK + _FLOOR
        total = math.sqrt(frame.total_weight)
        gradient = (total * residual + frame.summation * (size + total * residual)) * SLACK
        return cls(dot, residual, gradient)


def column_norms(frame: CentredData, sizes: Sizes) -> Array:
    """N_k = ||x'_k|| over the columns of (1, x'), rounded up."""
    norms: Array = np.sqrt(sizes.squares) * (1.0 + frame.summation) * SLACK
    return norms


def affine_error(frame: CentredData, column_max: Array, slopes: Array, value_at_centre: float) -> float:
    """Bound on the rounding of x' @ slopes + value_at_centre over all samples, in scaled units."""
    n = len(slopes)
    weights = np.abs(slopes)
    terms = float(weights @ column_max) + abs(value_at_centre)
    entries = frame.entry_error * float(weights @ (column_max + np.abs(frame.centre)))
    return (gamma_n(n + 4) * SLACK * terms * (1.0 + 4.0 * U) + 2.0 * entries) * SLACK + _FLOOR * (
        1.0 + float(weights.sum())
    )
