"""The columns of a dataset as exact numbers, and exact values of affine forms on its rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError

from .dyadic import Floats, Ints, power_of_two, to_integers

__all__ = ["Columns", "affine_numerators", "as_index", "check_rows", "common_numerators", "common_products"]

Rows = NDArray[Any] | Sequence[int] | None


def as_index(rows: Rows) -> NDArray[np.intp] | None:
    """Row numbers from a boolean mask or an index; None stays None (all rows)."""
    if rows is None:
        return None
    array = np.asarray(rows)
    if array.dtype == np.bool_:
        return np.flatnonzero(array)
    return array.astype(np.intp)


def common_numerators(values: Sequence[Fraction | float]) -> tuple[list[int], Fraction]:
    """Integers n without a common divisor and one scale > 0 with values = n * scale.

    The values are rationals or finite float64 numbers.
    """
    return _over_one_scale([v.as_integer_ratio() for v in values])


def common_products(
    a: Sequence[Fraction | float], b: Sequence[Fraction | float]
) -> tuple[list[int], Fraction]:
    """`common_numerators` of a_i b_i, without a fraction for each."""
    pairs = [(v.as_integer_ratio(), w.as_integer_ratio()) for v, w in zip(a, b, strict=True)]
    return _over_one_scale([(p * r, q * s) for (p, q), (r, s) in pairs])


def _over_one_scale(ratios: list[tuple[int, int]]) -> tuple[list[int], Fraction]:
    denominator = math.lcm(*(q for _, q in ratios))
    numerators = [p * (denominator // q) for p, q in ratios]
    divisor = math.gcd(*numerators)
    if divisor == 0:
        return numerators, Fraction(1)
    return [n // divisor for n in numerators], Fraction(divisor, denominator)


def check_rows(X: Floats, y: Floats, weight: Floats | None, n_features: int | None = None) -> None:
    """Refuse rows whose arrays do not fit together: kernels trust their shapes.

    Raises
    ------
    DataError
        Unless X is (k, n_features), y (k,) and weight, if given, (k,), all float64.
    """
    fits = X.ndim == 2 and y.shape == (len(X),) and (weight is None or weight.shape == y.shape)
    if not fits or (n_features is not None and X.shape[1] != n_features):
        width = "dx" if n_features is None else n_features
        sizes = f"X {X.shape}, y {y.shape}" + ("" if weight is None else f", weights {weight.shape}")
        raise DataError(
            f"rows must come as X (k, {width}), y (k,) and weights (k,) of the same rows, got {sizes}"
        )
    for array in (X, y) if weight is None else (X, y, weight):
        if array.dtype != np.float64:
            raise DataError(f"rows must be float64 numbers, got {array.dtype}; convert them first")


class Columns:
    """Exact access to the columns of a dataset.

    Parameters
    ----------
    data : object with X (m, dx), y (m,), sample_weight None | (m,), exact None | (numerators, scales)
        With `exact` set, column j is numerators[j] * scales[j] (y last) and X, y are rounded views.

    Attributes
    ----------
    n_samples, n_features : int
    X, y : float64 views; the data themselves if `exact` is None
    weight : (m,) float64 or None
    exact : the exact columns, or None
    """

    def __init__(self, data: Any) -> None:
        self.X: Floats = data.X
        self.y: Floats = data.y
        self.weight: Floats | None = data.sample_weight
        self.exact: Any = data.exact
        self.n_samples, self.n_features = self.X.shape

    def take(self, rows: NDArray[np.intp] | slice) -> Columns:
        """The same columns on some rows."""
        exact = self.exact
        if exact is not None:
            numerators = [np.asarray(c, dtype=object)[rows] for c in exact.numerators]
            exact = SimpleNamespace(numerators=numerators, scales=exact.scales)
        weight = None if self.weight is None else self.weight[rows]
        return Columns(SimpleNamespace(X=self.X[rows], y=self.y[rows], sample_weight=weight, exact=exact))

    def floats(self, column: int) -> Floats:
        """Float view of column 0..dx-1 (features) or dx (y)."""
        return self.y if column == self.n_features else self.X[:, column]

    def integers(self, column: int, rows: NDArray[np.intp] | None = None) -> tuple[Ints, Fraction]:
        """Integers n and a scale > 0 with column[rows] = n * scale; column dx is y."""
        if self.exact is not None:
            numerators = np.asarray(self.exact.numerators[column], dtype=object)
            scale = Fraction(self.exact.scales[column])
            return (numerators if rows is None else numerators[rows]), scale
        values = self.floats(column)
        numerators, exponent = to_integers(values if rows is None else values[rows])
        return numerators, power_of_two(exponent)

    def weight_integers(self, rows: NDArray[np.intp] | None = None) -> tuple[Ints | None, Fraction]:
        """Integers and a scale for the weights; (None, 1) without weights."""
        if self.weight is None:
            return None, Fraction(1)
        numerators, exponent = to_integers(self.weight if rows is None else self.weight[rows])
        return numerators, power_of_two(exponent)


def affine_numerators(
    columns: Columns, form: Sequence[Fraction], rows: NDArray[np.intp] | None = None
) -> tuple[Ints, Fraction]:
    """Exact values of c_0 + c_1 x_1 + ... + c_dx x_dx + c_y y on the given rows.

    Parameters
    ----------
    columns : Columns
    form : dx + 2 Fractions (c_0, c_1, ..., c_dx, c_y)
    rows : (k,) index or None for all rows

    Returns
    -------
    numerators : (k,) object array of Python int
    scale : Fraction > 0; value = numerator * scale
    """
    count = columns.n_samples if rows is None else len(rows)
    multipliers = [form[0]]
    factors: list[Ints] = []
    for column in range(columns.n_features + 1):
        if form[column + 1] != 0:
            numerators, scale = columns.integers(column, rows)
            factors.append(numerators)
            multipliers.append(form[column + 1] * scale)
    integers, scale = common_numerators(multipliers)
    total: Ints = np.full(count, integers[0], dtype=object)
    for multiplier, numerators in zip(integers[1:], factors, strict=True):
        total = total + numerators * multiplier
    return total, scale
