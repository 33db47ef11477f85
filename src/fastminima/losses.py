"""Squared loss and sums of losses of a deep linear network, as functions ell0 of the product R = W_{H+1} ... W_1.

Each is a sum over samples, phi(R x_i; y_i), with samples as rows of X (m, dx) and Y (m, dy); none is divided by m. A loss
says whether every critical point of ell0 is a global minimum, what ell0 changes by from R to R + D without cancellation,
and, where its gradient is rational, all of this exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._product_loss import Change, Extremum, Floats, ProductLoss
from ._row_loss import RowLoss
from .errors import LossError
from .exact.affine import common_numerators
from .exact.dyadic import power_of_two, to_integers
from .exact.gram import gram_of
from .exact.inertia import inertia
from .exact.matrix import RationalMatrix, Rationals

__all__ = [
    "Change",
    "Moments",
    "ProductLoss",
    "SquaredLoss",
    "WeightedSum",
]


# products of integers up to which slices and BLAS cost more than they bring
_SMALL = 20_000


@dataclass(frozen=True)
class Moments:
    """All that squared loss knows of its data, exactly.

    Attributes
    ----------
    inputs : dx x dx, X^T X
    cross : dy x dx, Y^T X
    targets : dy x dy, Y^T Y
    """

    inputs: RationalMatrix
    cross: RationalMatrix
    targets: RationalMatrix

    @cached_property
    def sxx(self) -> Rationals:
        """X^T X as rows of Fractions."""
        return self.inputs.rows()

    @cached_property
    def syx(self) -> Rationals:
        """Y^T X as rows of Fractions."""
        return self.cross.rows()

    @cached_property
    def syy(self) -> Rationals:
        """Y^T Y as rows of Fractions."""
        return self.targets.rows()


class SquaredLoss(RowLoss):
    """ell0(R) = 1/2 sum_i |R x_i - y_i|^2, the loss of the paper's linear networks.

    Parameters
    ----------
    X : array-like, shape (m, dx)
        float64, integers, or objects int, Fraction and Decimal, which are taken exactly.
    Y : array-like, shape (m, dy) or (m,)
    bias : bool, default False
        Append a constant input 1 (the paper's remark): R is then (dy, dx + 1).

    Raises
    ------
    DataError
        No rows or columns, lengths that differ, NaN or inf.
    DataTypeError
        Data without an exact meaning as real numbers.

    Notes
    -----
    Section 4 of the paper: G = (R X - Y) X^T with samples as columns, and
    ell0(R + D) - ell0(R) = <G, D> + 1/2 |D X|^2, exactly.
    """

    rational = True
    quadratic = True

    def _values(self, Z: Floats, Y: Floats) -> Floats:
        E = Z - Y
        return 0.5 * E * E

    def _slopes(self, Z: Floats, Y: Floats) -> Floats:
        return Z - Y

    def _curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        return d * d

    @cached_property
    def moments(self) -> Moments:
        """X^T X, Y^T X and Y^T Y as rationals."""
        dx, dy = self.X.shape[1], self.Y.shape[1]
        if not self._exact_inputs and not self._exact_targets and len(self.X) * (dx + dy) ** 2 <= _SMALL:
            return self._small_moments()
        table = SimpleNamespace(
            X=np.ascontiguousarray(np.hstack([self.X, self.Y[:, :-1]])),
            y=np.ascontiguousarray(self.Y[:, -1]),
            sample_weight=None,
            exact=self.exact_columns(),
        )
        gram = gram_of(table)
        entries = [[gram.value(a, b) for b in range(1, dx + dy + 1)] for a in range(1, dx + dy + 1)]
        return Moments(
            RationalMatrix.of([row[:dx] for row in entries[:dx]]),
            RationalMatrix.of([row[:dx] for row in entries[dx:]]),
            RationalMatrix.of([row[dx:] for row in entries[dx:]]),
        )

    def _small_moments(self) -> Moments:
        """The same without the machinery for long columns: one power of two for X, one for Y."""
        X, Y = RationalMatrix.of_floats(self.X), RationalMatrix.of_floats(self.Y)
        return Moments(X.T @ X, Y.T @ X, Y.T @ Y)

    def exact_columns(self) -> Any:
        """The columns of (X, Y) as integers with one scale each, or None when float64 holds them."""
        if not self._exact_inputs and not self._exact_targets:
            return None
        numerators: list[NDArray[Any]] = []
        scales: list[Fraction] = []
        for view, exact in ((self.X, self._exact_inputs), (self.Y, self._exact_targets)):
            for k in range(view.shape[1]):
                if k in exact:
                    values, scale = common_numerators(
                        [Fraction(*v.as_integer_ratio()) for v in exact[k].tolist()]
                    )
                    integers = np.empty(len(values), dtype=object)
                    integers[:] = values
                else:
                    integers, power = to_integers(view[:, k])
                    scale = power_of_two(power)
                numerators.append(integers)
                scales.append(scale)
        return SimpleNamespace(numerators=numerators, scales=scales)

    def exact_curvature(self) -> Rationals:
        """X^T X."""
        return self.moments.sxx

    def exact_value(self, R: Rationals) -> Fraction:
        """1/2 (tr R Sxx R^T - 2 <R, Syx> + tr Syy)."""
        product, m = RationalMatrix.of(R), self.moments
        trace = int(m.targets.numerators.trace()) * m.targets.scale
        return ((product @ m.inputs).inner(product) - 2 * product.inner(m.cross) + trace) / 2

    def gradient_at(self, R: RationalMatrix) -> RationalMatrix:
        """R Sxx - Syx."""
        return R @ self.moments.inputs - self.moments.cross

    def change_at(self, R: RationalMatrix, D: RationalMatrix) -> Fraction:
        """<G, D> + 1/2 tr D Sxx D^T."""
        return self.gradient_at(R).inner(D) + (D @ self.moments.inputs).inner(D) / 2

    def exact_gradient(self, R: Rationals) -> Rationals:
        """R Sxx - Syx."""
        return self.gradient_at(RationalMatrix.of(R)).rows()

    def exact_change(self, R: Rationals, D: Rationals) -> Fraction:
        """<G, D> + 1/2 tr D Sxx D^T."""
        return self.change_at(RationalMatrix.of(R), RationalMatrix.of(D))


class WeightedSum(ProductLoss):
    """sum_k c_k ell_k(R) of losses of one shape.

    Parameters
    ----------
    losses : sequence of losses
    weights : sequence of numbers, optional
        int, float or Fraction, taken exactly; default all 1. With negative ones the sum is convex or concave where
        its parts and their signs say so, and, at critical points of sums of squared losses, where X^T X sums do.

    Raises
    ------
    LossError
        No losses, shapes that differ, a weight that is not finite, or another number of weights.
    """

    def __init__(self, losses: Sequence[ProductLoss], weights: Sequence[Any] | None = None) -> None:
        self.losses = tuple(losses)
        if not self.losses or not all(isinstance(loss, ProductLoss) for loss in self.losses):
            raise LossError("WeightedSum needs a sequence of one or more losses")
        given = [1] * len(self.losses) if weights is None else list(weights)
        if len(given) != len(self.losses):
            raise LossError(f"WeightedSum has {len(self.losses)} losses and {len(given)} weights")
        try:
            self.weights = tuple(Fraction(w) for w in given)
        except (TypeError, ValueError, OverflowError) as error:
            raise LossError(f"weights must be finite numbers: {error}") from error
        shapes = {loss.shape for loss in self.losses if loss.shape is not None}
        if len(shapes) > 1:
            raise LossError(f"the losses are functions of products of different shapes: {sorted(shapes)}")
        self.shape = shapes.pop() if shapes else None
        used = [(c, loss) for c, loss in zip(self.weights, self.losses, strict=True) if c]
        self.convex = all(loss.convex if c > 0 else loss.concave for c, loss in used)
        self.concave = all(loss.concave if c > 0 else loss.convex for c, loss in used)
        self.rational = all(loss.rational for _, loss in used)
        self._used = used

    def value(self, R: ArrayLike) -> float:
        """sum_k c_k ell_k(R)."""
        return float(sum(float(c) * loss.value(R) for c, loss in self._used))

    def gradient(self, R: ArrayLike) -> Floats:
        """sum_k c_k G_k."""
        return self.gradient_enclosure(R)[0]

    def gradient_enclosure(self, R: ArrayLike, R_error: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Sums of the parts' gradients and of their bounds."""
        shape = self.matrix(R, "R").shape
        G, E, size = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for c, loss in self._used:
            g, e = loss.gradient_enclosure(R, R_error)
            G += float(c) * g
            E += abs(float(c)) * e
            size += abs(float(c)) * np.abs(g)
        # a rounded weight, a product and one addition per part
        n = len(self._used) + 2
        return G, (E + n * 2.0**-53 * size) * (1.0 + (n + 4) * 2.0**-52) + n * 2.0**-1070

    def gradient_ball(self, R: ArrayLike, R_distance: float = 0.0) -> tuple[Floats, float]:
        """Sums of the parts' gradients and of their radii."""
        shape = self.matrix(R, "R").shape
        G, size, radius = np.zeros(shape), 0.0, 0.0
        for c, loss in self._used:
            g, e = loss.gradient_ball(R, R_distance)
            G += float(c) * g
            radius += abs(float(c)) * e
            size += abs(float(c)) * float(np.linalg.norm(g))
        n = len(self._used) + 2
        return G, (radius + n * 2.0**-53 * size) * (1.0 + (n + 8) * 2.0**-52) + G.size * n * 2.0**-1070

    def gradient_scale(self, shape: tuple[int, int]) -> float:
        """Sum of the parts' scales."""
        return float(sum(abs(float(c)) * loss.gradient_scale(shape) for c, loss in self._used))

    def change(
        self,
        R: ArrayLike,
        D: ArrayLike,
        R_error: ArrayLike | None = None,
        D_error: ArrayLike | None = None,
        exponent: int = 0,
    ) -> Change:
        """Sum of the parts' changes and of their bounds."""
        value = error = size = 0.0
        proved = True
        for c, loss in self._used:
            part = loss.change(R, D, R_error, D_error, exponent)
            value += float(c) * part.value
            error += abs(float(c)) * part.error
            size += abs(float(c) * part.value)
            proved &= part.proved
        n = len(self._used) + 2
        return Change(
            value, (error + n * 2.0**-53 * size) * (1.0 + n * 2.0**-50) + n * 2.0**-1070, exponent, proved
        )

    def exact_curvature(self) -> Rationals | None:
        """Sum of the parts' curvatures, None where a part has none."""
        total: NDArray[Any] | int = 0
        for c, loss in self._used:
            part = loss.exact_curvature()
            if part is None:
                return None
            total = total + c * np.array(part, dtype=object)
        return None if isinstance(total, int) else total.tolist()

    def extremum(self, R: ArrayLike) -> Extremum:
        """For sums of squared losses by the exact signs of their curvature, whatever the signs of the weights."""
        if self.convex or self.concave:
            return super().extremum(R)
        form = self.exact_curvature()
        if form is None:
            return super().extremum(R)
        curvature = RationalMatrix.of(form)
        signs = inertia(curvature.numerators)
        told = f"the curvature of ell0 has {signs.negative} negative and {signs.positive} positive directions, exactly"
        if not signs.negative or not signs.positive:
            return Extremum("maximum" if signs.negative else "minimum", True, told)
        vectors = np.linalg.eigh(curvature.normalised()[0])[1]
        shape = self.matrix(R, "R").shape
        up, down = np.zeros(shape), np.zeros(shape)
        up[0], down[0] = vectors[:, -1], vectors[:, 0]
        return Extremum("neither", False, told, up=up, down=down)

    def exact_value(self, R: Rationals) -> Fraction:
        """Sum of the parts' exact values."""
        return sum((c * loss.exact_value(R) for c, loss in self._used), Fraction(0))

    def gradient_at(self, R: RationalMatrix) -> RationalMatrix:
        """Sum of the parts' exact gradients."""
        total = R.times(Fraction(0))
        for c, loss in self._used:
            total = total + loss.gradient_at(R).times(c)
        return total

    def change_at(self, R: RationalMatrix, D: RationalMatrix) -> Fraction:
        """Sum of the parts' exact changes."""
        return sum((c * loss.change_at(R, D) for c, loss in self._used), Fraction(0))

    def exact_gradient(self, R: Rationals) -> Rationals:
        """Sum of the parts' exact gradients."""
        return self.gradient_at(RationalMatrix.of(R)).rows()

    def exact_change(self, R: Rationals, D: Rationals) -> Fraction:
        """Sum of the parts' exact changes."""
        return self.change_at(RationalMatrix.of(R), RationalMatrix.of(D))

    def __repr__(self) -> str:
        return " + ".join(f"{c} * {loss!r}" for c, loss in zip(self.weights, self.losses, strict=True))
