"""What a fit can say of its samples one by one, wherever they are: fitted values, residuals, splits, nearest samples.

`SamplesInMemory` has arrays of all samples. A scan has an object of the same methods that has none (`scanning.streamed`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .centred_data import CentredData
from .envelope import Envelope
from .running_sums import Residuals

__all__ = [
    "EvaluatedArrays",
    "Samples",
    "SamplesInMemory",
    "evaluate_arrays",
    "exact_total_weight",
    "readonly",
]

Array = NDArray[np.float64]
T = TypeVar("T")


class Samples(Protocol):
    """What a fit asks of its samples. Units are those of the frame."""

    def fitted(self) -> Array:
        """Fitted values less centre_y, (n_samples,)."""

    def residuals(self) -> Array:
        """fitted - y, (n_samples,)."""

    def block_residuals(self, rows: slice, X: Array, y: Array) -> Array:
        """Residuals of one block (rows, X', y') of `CentredData.blocks`."""

    def squared_norm(self) -> float:
        """sum_i w_i r_i^2."""

    def total_weight(self) -> Fraction:
        """Sum of the weights as given: exact, or near enough to choose a push where arrays are not at hand."""

    def search_splits(
        self,
        in_arrays: Callable[[Array, Array, Array | None], T],
        kappa: float,
        reach: float,
        errors: tuple[float, float, float],
    ) -> T:
        """The certified search of theorem 1 for the best split.

        Parameters
        ----------
        in_arrays : callable
            The search over arrays of fitted values, residuals and weights, by whoever knows theorem 1.
        kappa, reach, errors
            What it goes by, for samples that are searched range by range.
        """

    def nearest_samples(self) -> Envelope:
        """The samples that can be nearest to a boundary, where a pass has kept them; else an empty envelope."""


@dataclass(frozen=True, eq=False)
class SamplesInMemory:
    """Samples with an array of fitted values and one of residuals.

    Attributes
    ----------
    frame : CentredData
    fitted_values, residual_values : (n_samples,) float64
        Of the affine function in use, in scaled units.
    """

    frame: CentredData
    fitted_values: Array
    residual_values: Array

    def fitted(self) -> Array:
        """Fitted values less centre_y, (n_samples,)."""
        return self.fitted_values

    def residuals(self) -> Array:
        """fitted - y, (n_samples,)."""
        return self.residual_values

    def block_residuals(self, rows: slice, X: Array, y: Array) -> Array:
        """Residuals of one block (rows, X', y') of `CentredData.blocks`."""
        return self.residual_values[rows]

    def squared_norm(self) -> float:
        """sum_i w_i r_i^2."""
        r, w = self.residual_values, self.frame.weights
        with np.errstate(over="ignore", invalid="ignore"):  # inf says so
            return float(r @ r) if w is None else float((w * r) @ r)

    def total_weight(self) -> Fraction:
        """Sum of the weights as given, exact."""
        return exact_total_weight(self.frame)

    def search_splits(
        self,
        in_arrays: Callable[[Array, Array, Array | None], T],
        kappa: float,
        reach: float,
        errors: tuple[float, float, float],
    ) -> T:
        """The search over the arrays."""
        return in_arrays(self.fitted_values, self.residual_values, self.frame.data.sample_weight)

    def nearest_samples(self) -> Envelope:
        """None are kept: whoever asks has the rows at hand."""
        return Envelope()


@dataclass(frozen=True, eq=False)
class EvaluatedArrays:
    """One pass over the data with given coefficients: its sums, and the arrays, which are empty where none were kept."""

    sums: Residuals
    fitted: Array
    residual: Array


def evaluate_arrays(
    frame: CentredData, slopes: Array, value_at_centre: float, *, keep: bool = True
) -> EvaluatedArrays:
    """Evaluate an affine function of the frame on all samples."""
    m = frame.n_samples if keep else 0
    fitted, residual = np.empty(m), np.empty(m)
    state, centre = Residuals.zero(len(slopes)), (frame.centre, frame.centre_y)
    values, r, norms = np.empty((3, frame.partition[0]))
    for rows, X, y, w in frame.raw_blocks():
        k = len(y)
        into = (fitted[rows], residual[rows]) if keep else (values[:k], r[:k])
        state.update(X, y, w, centre, (slopes, value_at_centre), (*into, norms[:k]))
    return EvaluatedArrays(state, readonly(fitted), readonly(residual))


def exact_total_weight(frame: CentredData) -> Fraction:
    """Sum of the weights as given; the number of samples without weights."""
    weights = frame.data.sample_weight
    if weights is None:
        return Fraction(frame.n_samples)
    return sum(map(Fraction, weights.tolist()), Fraction(0))


def readonly(array: Array) -> Array:
    """The array itself, no longer writable."""
    array.flags.writeable = False
    return array
