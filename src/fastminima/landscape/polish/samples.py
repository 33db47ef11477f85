"""Distinct inputs, standardised, with merged weights and mean targets: what a walk in float64 looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Samples"]

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Distinct inputs, standardised, with merged weights and mean targets.

    Attributes
    ----------
    x : (m, n) float64
        (x, 1), standardised.
    y : (m,) float64
    w : (m,) float64
    shift, scale : (dx,) float64
        x = shift + scale * standardised.
    """

    x: F64
    y: F64
    w: F64
    shift: F64
    scale: F64

    @classmethod
    def of(cls, X: F64, y: F64, w: F64) -> Samples:
        """Standardise distinct inputs."""
        with np.errstate(over="ignore", invalid="ignore"):
            shift, scale = X.mean(axis=0), X.std(axis=0)
        usable = np.isfinite(shift) & np.isfinite(scale) & (scale > 0.0)
        shift, scale = np.where(usable, shift, 0.0), np.where(usable, scale, 1.0)
        x = np.ones((len(X), X.shape[1] + 1))
        x[:, :-1] = (X - shift) / scale
        return cls(x, y, w, shift, scale)

    def to_standard(self, rows: F64) -> F64:
        """Rows u for inputs as given, as rows for standardised ones."""
        out = rows.copy()
        out[:, -1] += rows[:, :-1] @ self.shift
        out[:, :-1] *= self.scale
        return out

    def to_given(self, rows: F64) -> F64:
        """The inverse of `to_standard`."""
        out = rows.copy()
        out[:, :-1] /= self.scale
        out[:, -1] -= out[:, :-1] @ self.shift
        return out
