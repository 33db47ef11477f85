"""What the linear fit sums over the data: small states with `update(block)` and `merge(other)`.

In memory, from disk and across machines the same states are filled by the same code; only who calls `merge` differs.
A block is (X, y, w) with the centre of a frame (see `centred_data`): X (k, n), y (k,) in scaled units, w (k,) or None;
x' = x - c and y' = y - c_y.

(a) `Moments`: Gram matrix and right-hand side of (1, x'), column maxima, range of the weights.
(b) `Residuals`: with given coefficients, the gradient sums g = sum_i w_i r_i (1, x'_i), norms and ranges.
(c) `ExtendedGradient`: the gradient sums in extended precision.
(d) `Envelope`: which samples can be nearest to an activation boundary, whatever the shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import largest_magnitude
from fastminima.kernels import _rows as kernels

__all__ = ["ExtendedGradient", "Moments", "Residuals", "Sizes"]

Array = NDArray[np.float64]
Centre = tuple[Array, float]

_EMPTY = np.empty(0)
_NO_LINES = np.empty((0, 2))


def _adjacent(X: Array) -> Array:
    """X with the entries of a row side by side."""
    rows = X.flags.aligned and (X.shape[1] < 2 or X.strides[1] == 8)
    return X if rows else np.require(X, None, ["C", "A"])


def _column_max(X: Array) -> Array:
    # without a temporary |X|
    return np.maximum(X.max(axis=0, initial=0.0), -X.min(axis=0, initial=0.0))


@dataclass
class Sizes:
    """Column maxima and squared norms of (1, x'), and how many samples there are."""

    column_max: Array
    squares: Array
    y_max: float = 0.0
    count: int = 0

    @classmethod
    def zero(cls, n: int) -> Sizes:
        """Of no sample."""
        return cls(np.zeros(n), np.zeros(n + 1))

    def update(self, X: Array, y: Array, w: Array | None) -> None:
        """Add a block."""
        np.maximum(self.column_max, _column_max(X), out=self.column_max)
        self.y_max = max(self.y_max, largest_magnitude(y))
        self.count += len(y)
        self.squares[0] += len(y) if w is None else float(w.sum())
        self.squares[1:] += np.einsum("ij,ij->j", X, X) if w is None else np.einsum("i,ij,ij->j", w, X, X)


@dataclass
class Moments:
    """Gram matrix and right-hand side of (1, x'), column maxima, and the range of the weights."""

    gram: Array
    rhs: Array
    column_max: Array
    y_max: float = 0.0
    count: int = 0
    weight_range: tuple[float, float] = (np.inf, 0.0)

    @classmethod
    def zero(cls, n: int) -> Moments:
        """Of no sample."""
        return cls(np.zeros((n + 1, n + 1)), np.zeros(n + 1), np.zeros(n))

    def update(self, X: Array, y: Array, w: Array | None, centre: Centre) -> None:
        """Add a block."""
        n = X.shape[1]
        if n <= kernels.MOST_COLUMNS:
            products, largest = np.empty((n + 2, n + 2)), np.empty(n + 2)
            weights, work = _EMPTY if w is None else w, np.empty(kernels.moments_work(n))
            kernels.moments_rows(
                _adjacent(X), y, weights, *centre, kernels.BEST_VARIANT, work, products, largest
            )
            self.gram += products[:-1, :-1]
            self.rhs += products[:-1, -1]
            np.maximum(self.column_max, largest[1:-1], out=self.column_max)
            self.y_max = max(self.y_max, float(largest[-1]))
        else:
            self._update_wide(X, y, w, centre)
        self.count += len(y)
        if w is None:
            self.weight_range = (1.0, 1.0)
        else:
            low, high = self.weight_range
            self.weight_range = (min(low, float(w.min())), max(high, float(w.max())))

    def _update_wide(self, X: Array, y: Array, w: Array | None, centre: Centre) -> None:
        """The same through BLAS. The centred block is transposed: reductions then run along memory."""
        X, y = np.subtract(X.T, centre[0][:, None], order="C").T, y - centre[1]
        # 1 and X apart: numpy turns X.T @ X into dsyrk, half the work
        if w is None:
            gram, sums, right, total, right0 = X.T @ X, X.sum(axis=0), X.T @ y, float(len(y)), y.sum()
        else:
            weighted = X * w[:, None]
            gram, sums, right = X.T @ weighted, weighted.sum(axis=0), weighted.T @ y
            total, right0 = w.sum(), float(w @ y)
        self.gram[1:, 1:] += gram
        self.gram[0, 1:] += sums
        self.gram[1:, 0] = self.gram[0, 1:]
        self.gram[0, 0] += total
        self.rhs[1:] += right
        self.rhs[0] += right0
        np.maximum(self.column_max, _column_max(X), out=self.column_max)
        self.y_max = max(self.y_max, largest_magnitude(y))

    def sizes(self) -> Sizes:
        """Column maxima and squared norms, as `Sizes` has them: what bounds ask for."""
        return Sizes(self.column_max, np.diag(self.gram).copy(), self.y_max, self.count)

    def merge(self, other: Moments) -> None:
        """Add the samples of another state."""
        self.gram += other.gram
        self.rhs += other.rhs
        np.maximum(self.column_max, other.column_max, out=self.column_max)
        self.y_max = max(self.y_max, other.y_max)
        self.count += other.count
        (low, high), (low2, high2) = self.weight_range, other.weight_range
        self.weight_range = (min(low, low2), max(high, high2))


@dataclass
class Residuals:
    """One pass with given coefficients: gradient sums, norms, and ranges of fitted values and residuals."""

    gradient: Array
    squared_norm: float = 0.0
    absolute: float = 0.0
    lowest: float = np.inf
    highest: float = -np.inf
    largest: float = 0.0
    count: int = 0

    @classmethod
    def zero(cls, n: int) -> Residuals:
        """Of no sample."""
        return cls(np.zeros(n + 1))

    def update(
        self,
        X: Array,
        y: Array,
        w: Array | None,
        centre: Centre,
        affine: tuple[Array, float],
        into: tuple[Array, Array, Array],
        lines: Array = _NO_LINES,
    ) -> tuple[float, Array]:
        """Add a block; its fitted values t, residuals and norms n = ||(1, x_i)|| are written `into` three arrays (k,).

        Parameters
        ----------
        affine : (slopes, value at the centre)
        lines : (c, 2) float64, optional
            What an `Envelope` compares t and n with.

        Returns
        -------
        largest : float
            max |t|; inf where residuals leave float64.
        lowest : (c,) float64
            min_i (a t_i + b n_i) for each line (a, b).
        """
        n, c = len(affine[0]), len(lines)
        gradient, totals, least = np.empty(n + 1), np.empty(kernels.TOTALS), np.empty(c)
        weights, work = _EMPTY if w is None else w, np.empty(kernels.evaluate_work(n, c))
        variant = kernels.BEST_VARIANT
        kernels.evaluate_rows(
            _adjacent(X), y, weights, *centre, *affine, lines, variant, work, *into, gradient, totals, least
        )
        squared, absolute, lowest, highest, largest = totals.tolist()
        self.gradient += gradient
        self.squared_norm += squared
        self.absolute += absolute
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        self.largest = max(self.largest, largest)
        self.count += len(y)
        # a comparison overlooks NaN, a sum does not
        return (max(highest, -lowest) if absolute < np.inf else np.inf), least

    def merge(self, other: Residuals) -> None:
        """Add the samples of another state."""
        self.gradient += other.gradient
        self.squared_norm += other.squared_norm
        self.absolute += other.absolute
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)
        self.largest = max(self.largest, other.largest)
        self.count += other.count


@dataclass
class ExtendedGradient:
    """The gradient sums with residuals and products in extended precision (64 bits where the machine has them).

    One more step with it gives correlated columns the digits that the rounding of r takes from the solution.
    """

    gradient: NDArray[Any]

    @classmethod
    def zero(cls, n: int) -> ExtendedGradient:
        """Of no sample."""
        return cls(np.zeros(n + 1, dtype=np.longdouble))

    def update(
        self, X: Array, y: Array, w: Array | None, centre: Centre, slopes: Array, value_at_centre: float
    ) -> None:
        """Add a block."""
        wide = np.longdouble
        # centred in the wide format too: entries rounded before would be other data
        Z = X.astype(wide) - centre[0]
        r = Z @ slopes.astype(wide) + wide(value_at_centre) - (y.astype(wide) - wide(centre[1]))
        weighted = r if w is None else w * r
        self.gradient[1:] += Z.T @ weighted
        self.gradient[0] += weighted.sum()

    def merge(self, other: ExtendedGradient) -> None:
        """Add the samples of another state."""
        self.gradient += other.gradient
