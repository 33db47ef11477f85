"""The slow, obvious twins of the kernels in `_rows`: same names, same signatures, NumPy only.

`variant` and `work` are not used. Sums are made in another order, so results agree to rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["evaluate_rows", "moments_rows"]

Floats = NDArray[np.float64]


def evaluate_rows(
    X: Floats,
    y: Floats,
    w: Floats,
    centre: Floats,
    centre_y: float,
    slopes: Floats,
    level: float,
    lines: Floats,
    variant: int,
    work: Floats,
    values_out: Floats,
    residual_out: Floats,
    norm_out: Floats,
    gradient_out: Floats,
    totals_out: Floats,
    lowest_out: Floats,
) -> None:
    """Fitted values, residuals and norms; gradient; sum w r^2, sum w |r|, min t, max t, max |r|; min a t + b n."""
    centred = X - centre
    values_out[:] = centred @ slopes + level
    residual_out[:] = values_out - (y - centre_y)
    norm_out[:] = np.sqrt(1.0 + (X * X).sum(axis=1))
    weighted = residual_out * w if w.size else residual_out
    gradient_out[0] = weighted.sum()
    gradient_out[1:] = centred.T @ weighted
    size = np.abs(residual_out)
    totals_out[:] = [
        weighted @ residual_out,
        np.abs(weighted).sum(),
        values_out.min(),
        values_out.max(),
        size.max(),
    ]
    lowest_out[:] = (lines[:, :1] * values_out + lines[:, 1:] * norm_out).min(axis=1)


def moments_rows(
    X: Floats,
    y: Floats,
    w: Floats,
    centre: Floats,
    centre_y: float,
    variant: int,
    work: Floats,
    products_out: Floats,
    largest_out: Floats,
) -> None:
    """sum_i w_i v_i v_i' and max |v_i| of v = (1, x', y')."""
    v = np.column_stack([np.ones(len(y)), X - centre, y - centre_y])
    products_out[:] = v.T @ (v * w[:, None] if w.size else v)
    largest_out[:] = np.abs(v).max(axis=0)
