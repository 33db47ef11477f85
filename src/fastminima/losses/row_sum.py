"""The sum of a loss over the rows of a dataset, enclosed: from floats with bounds, from rationals, from balls.

(a) Floats. z is known within e; the slopes of phi are bounded, and its own roundings are a few units of the numbers it is
    made of. Squared and Huber losses grow with |z - y|, so the bound is their value at |z - y| + e.
(b) Rationals. Squared and Huber losses are rational. ln sum exp is enclosed (`exact.entropy`): logistic loss is
    that of the two outputs (z, 0) with targets (t, 1 - t).
(c) Balls. The definitions.
Targets are exact: classes, shares of smoothed labels with the float64 number that was given, rows of probabilities divided
by their exact sum, which rounding may have kept from 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from fastminima.errors import LossError
from fastminima.exact.entropy import cross_entropy
from fastminima.exact.matrix import RationalMatrix
from fastminima.exact.roundoff import SLACK, U
from fastminima.exact.tables import exact_targets
from fastminima.system.first_use import cached_property

from .base import Floats
from .pointwise import Huber, Logistic, PointwiseLoss, Softmax, Squared
from .smoothed_labels import SmoothedLogistic, SmoothedSoftmax

__all__ = ["RowSum"]

Bounds = tuple[Fraction, Fraction]


@dataclass(frozen=True, eq=False)
class RowSum:
    """sum_i w_i phi(z_i; y_i) of a dataset, phi squared, Huber, logistic or softmax loss.

    Attributes
    ----------
    phi : PointwiseLoss
    data : dataset
    """

    phi: PointwiseLoss
    data: Any

    def __post_init__(self) -> None:
        if not isinstance(self.phi, Squared | Huber | Logistic | Softmax):
            raise LossError(f"{type(self.phi).__name__} has no enclosed sums")

    @cached_property
    def floats(self) -> Floats:
        """Targets as phi reads them, (m, outputs)."""
        return self.phi.targets(self.data.Y)

    @property
    def n_outputs(self) -> int:
        """Outputs of a network with this loss."""
        return int(self.floats.shape[1])

    @property
    def freedom(self) -> int:
        """Dimension of what the loss sees of the outputs of a row: softmax does not see a number added to all of them."""
        return self.n_outputs - 1 if isinstance(self.phi, Softmax) else self.n_outputs

    @cached_property
    def weights(self) -> list[float] | None:
        """Of the rows; None where each is 1."""
        weight = self.data.sample_weight
        return None if weight is None else weight.tolist()

    @cached_property
    def targets(self) -> RationalMatrix:
        """Exact targets, (m, outputs): y; of logistic loss the probability of class 1, of softmax those of all classes."""
        if isinstance(self.phi, Squared | Huber):
            return exact_targets(self.data)
        share = Fraction(0)
        if isinstance(self.phi, SmoothedLogistic | SmoothedSoftmax):
            share = Fraction(self.phi.label_smoothing)
        if isinstance(self.phi, Logistic):
            hot, count = RationalMatrix.of_floats((self.floats > 0.0).astype(np.float64)), 2
        else:
            hot, count = self._probabilities(), self.n_outputs
        ones = np.ones(hot.shape, dtype=int).astype(object)
        return hot.times(1 - share) + RationalMatrix(ones, Fraction(1)).times(share / count)

    def _probabilities(self) -> RationalMatrix:
        """Rows of class probabilities whose sums are 1."""
        table = exact_targets(self.data)
        if self.data.n_targets == 1:
            return RationalMatrix.of_floats(Softmax(self.n_outputs).targets(self.data.Y))
        sums = table.numerators.sum(axis=1)
        if len(set(sums.tolist())) == 1:
            return RationalMatrix(table.numerators, Fraction(1, int(sums[0])))
        return RationalMatrix.of(
            [
                [Fraction(v, int(s)) for v in row]
                for row, s in zip(table.numerators.tolist(), sums, strict=True)
            ]
        )

    def value(self, Z: Floats) -> float:
        """The sum at outputs Z in plain float64, (m, outputs)."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = self.phi.values(Z, self.floats)
            rows = values if values.ndim == 1 else values.sum(axis=1)
            return float(rows.sum() if self.data.sample_weight is None else self.data.sample_weight @ rows)

    def rows_above(self, Z: Floats, error: Floats, part: slice) -> Floats:
        """Upper bounds on phi of a slice of rows, (rows,), where outputs lie within `error` of Z; see (a)."""
        Y = self.floats[part]
        if isinstance(self.phi, Squared | Huber):
            size = np.abs(Z - Y) * (1.0 + 2 * U) + error * SLACK
            if self.data.exact is not None:
                size = size + np.abs(Y) * (2 * U) + 2.0**-1074
            if isinstance(self.phi, Squared):
                values = 0.5 * size * size
            else:
                inner = np.minimum(size, self.phi.delta)
                # where the difference rounds it is at least half of the size
                values = inner * (size - 0.5 * inner)
            return np.asarray((values * (1.0 + 8 * U) + 2.0**-1060).sum(axis=1))
        values = self.phi.values(Z, Y)
        if isinstance(self.phi, Logistic):
            # |slope| <= 1; two elementary functions, and products of z and shares
            values = values + error * SLACK + 64 * U * (values + np.abs(Z) + 1.0)
            return np.asarray(values.sum(axis=1))
        # slopes p - t have absolute sum at most 2; differences from the largest output round, as do K terms of the sums
        size = np.abs(Z).max(axis=1, initial=0.0)
        count = Z.shape[1]
        return np.asarray(
            values
            + 2.0 * error.max(axis=1, initial=0.0) * SLACK
            + (64 + 8 * count) * U * (values + 2.0 * size + count)
        )

    def exactly(self, Z: RationalMatrix) -> Bounds:
        """Bounds on the sum at rational outputs, equal where it is rational."""
        if isinstance(self.phi, Squared | Huber):
            values = self.phi.exact_values(Z, self.targets)
            rows = values.numerators.sum(axis=1)
            if self.weights is None:
                total = int(rows.sum()) * values.scale
            else:
                total = sum(
                    (Fraction(w) * int(v) for w, v in zip(self.weights, rows, strict=True)), Fraction(0)
                )
                total *= values.scale
            return total, total
        blocks = [(Z, self.targets)]
        if isinstance(self.phi, Logistic):
            blocks = [two_classes(Z, self.targets, k) for k in range(Z.shape[1])]
        low = high = Fraction(0)
        for outputs, targets in blocks:
            below, above = cross_entropy(outputs, targets, self.weights)
            low, high = low + below, high + above
        return low, high

    def in_balls(self, outputs: list[Any], row: int, constant: Callable[[Fraction], Any]) -> Any:
        """phi of one row in balls; `constant` makes a ball of a rational."""
        targets = [constant(int(v) * self.targets.scale) for v in self.targets.numerators[row]]
        if isinstance(self.phi, Softmax):
            return _log_sum(outputs) - sum(
                (t * z for t, z in zip(targets, outputs, strict=True)), constant(Fraction(0))
            )
        total = constant(Fraction(0))
        for z, t in zip(outputs, targets, strict=True):
            if isinstance(self.phi, Logistic):
                total += _log_sum([z, constant(Fraction(0))]) - t * z
            elif isinstance(self.phi, Huber):
                total += _huber(z - t, constant(Fraction(self.phi.delta)))
            else:
                total += (z - t) * (z - t) / 2
        return total


def two_classes(Z: RationalMatrix, T: RationalMatrix, k: int) -> tuple[RationalMatrix, RationalMatrix]:
    """Output k of logistic loss as the two outputs (z, 0) with targets (t, 1 - t)."""
    z, t = Z.numerators[:, k], T.numerators[:, k]
    one = int(1 / T.scale) if (1 / T.scale).denominator == 1 else 0
    unit = T.scale
    if not one:
        t, one, unit = t * T.scale.numerator, T.scale.denominator, Fraction(1, T.scale.denominator)
    return (
        RationalMatrix(np.column_stack([z, np.zeros(len(z), dtype=int).astype(object)]), Z.scale),
        RationalMatrix(np.column_stack([t, one - t]), unit),
    )


def _log_sum(outputs: list[Any]) -> Any:
    """ln sum exp of balls, shifted by the one whose midpoint is largest."""
    top = max(outputs, key=lambda z: float(z.mid()))
    return top + sum(((z - top).exp() for z in outputs), top * 0).log()


def _huber(e: Any, delta: Any) -> Any:
    size = abs(e)
    inner, outer = e * e / 2, delta * (size - delta / 2)
    if size <= delta:
        return inner
    return outer if size >= delta else inner.union(outer)
