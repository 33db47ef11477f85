"""Columns of a dataset as one rational matrix."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from .affine import common_numerators
from .dyadic import Floats
from .matrix import RationalMatrix

__all__ = ["exact_inputs", "exact_targets"]


def exact_inputs(data: Any, constant: bool = False) -> RationalMatrix:
    """X of a dataset, (m, dx); with `constant` (1, X)."""
    table = _exact_table(data, data.X, 0)
    if not constant:
        return table
    unit = np.full((len(data.X), 1), table.scale.denominator, dtype=object)
    # numbers in units of 1 / denominator, so that 1 is one of them
    return RationalMatrix(
        np.hstack([unit, table.numerators * table.scale.numerator]), Fraction(1, table.scale.denominator)
    )


def exact_targets(data: Any) -> RationalMatrix:
    """Y of a dataset, (m, dy)."""
    return _exact_table(data, data.Y, data.n_features)


def _exact_table(data: Any, floats: Floats, start: int) -> RationalMatrix:
    if data.exact is None:
        return RationalMatrix.of_floats(floats)
    columns = range(start, start + floats.shape[1])
    if not columns:
        return RationalMatrix(np.zeros(floats.shape, dtype=int).astype(object), Fraction(1))
    factors, unit = common_numerators([Fraction(data.exact.scales[j]) for j in columns])
    parts = [
        np.asarray(data.exact.numerators[j], dtype=object) * f for j, f in zip(columns, factors, strict=True)
    ]
    return RationalMatrix(np.column_stack(parts), unit)
