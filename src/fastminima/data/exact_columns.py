"""Data as exact rationals: a column is Python integers times one positive fraction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import TooLargeError
from fastminima.exact.dyadic import bit_span, power_of_two, to_integers
from fastminima.system.memory import available_bytes

from .coerce import rounding, sealed

__all__ = ["ExactColumns", "exact_columns", "rounding_note"]


@dataclass(frozen=True, eq=False, repr=False)
class ExactColumns:
    """Data as rationals: value[i] of column j is ``numerators[j][i] * scales[j]``.

    Attributes
    ----------
    numerators : list of ndarray of object, each shape (m,)
        Python integers; the columns of X in order, then those of Y.
    scales : list of Fraction
        One per column, positive.
    """

    numerators: list[NDArray[Any]]
    scales: list[Fraction]

    def value(self, row: int, column: int) -> Fraction:
        """One entry; column -1 is the last target."""
        return int(self.numerators[column][row]) * self.scales[column]

    def __repr__(self) -> str:
        rows = len(self.numerators[0]) if self.numerators else 0
        return f"ExactColumns({rows} rows x {len(self.numerators)} columns)"


def _dyadic(column: NDArray[np.float64]) -> tuple[NDArray[Any], Fraction]:
    """Float64 as integers times one power of two."""
    low, top = bit_span(column)
    _guard(len(column), max(53, top - low))
    numerators, exponent = to_integers(column)
    return numerators, power_of_two(exponent)


def _common_scale(column: NDArray[Any]) -> tuple[NDArray[Any], Fraction]:
    """int, Fraction and Decimal as integers times gcd of the numerators / lcm of the denominators."""
    ratios = [value.as_integer_ratio() for value in column.tolist()]
    denominator = 1
    for _, below in ratios:
        if denominator % below:
            denominator = math.lcm(denominator, below)
            _guard(len(ratios), denominator.bit_length())
    numerators = [above * (denominator // below) for above, below in ratios]
    common = math.gcd(*numerators) or 1
    result = np.empty(len(ratios), dtype=object)
    result[:] = [number // common for number in numerators]
    return result, Fraction(common, denominator)


def _guard(rows: int, bits: int) -> None:
    needed = rows * bits // 8
    if needed > available_bytes() // 4:
        raise TooLargeError(
            f"one exact column of {rows} rows would take about {needed / 2**30:.0f} GiB, because its values "
            f"share no denominator shorter than {bits} bits; rescale or round the column first"
        )


def rounding_note(label: str, exact: NDArray[Any], view: NDArray[np.float64]) -> str | None:
    """What float64 loses of an exact column, or None."""
    rounded, overflowed, vanished = rounding(exact, view)
    if not rounded:
        return None
    text = f"{label}: {rounded} of {len(view)} values are not float64 numbers, the view rounds them"
    if overflowed:
        text = f"{label} overflows float64: view is inf in {overflowed} of {len(view)} rows"
    elif vanished:
        text = f"{label} underflows float64: view is 0 in {vanished} of {len(view)} rows"
    return text


def exact_columns(columns: Sequence[NDArray[Any]]) -> ExactColumns:
    """Columns of float64, integers, or objects int, Fraction and Decimal as `ExactColumns`.

    Raises
    ------
    TooLargeError
        If a common denominator would not fit in memory.
    """
    numerators, scales = [], []
    for column in columns:
        if column.dtype.kind == "f":
            integers, scale = _dyadic(column)
        elif column.dtype.kind in "iu":
            integers, scale = column.astype(object), Fraction(1)
        else:
            integers, scale = _common_scale(column)
        numerators.append(sealed(integers))
        scales.append(scale)
    return ExactColumns(numerators, scales)
