"""Sums of losses of one product, with weights of either sign: what is known of the parts decides about the sum."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.errors import LossError
from fastminima.exact.inertia import inertia
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.exact.roundoff import U

from .base import Change, Extremum, Floats, ProductLoss, ScaledMatrix

__all__ = ["WeightedSum"]


def _sequence(values: Any, name: str) -> tuple[Any, ...]:
    try:
        return tuple(values)
    except (TypeError, ValueError) as error:  # a closed file raises the latter
        raise LossError(f"WeightedSum needs a sequence of {name}, got {type(values).__name__}") from error


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

    Examples
    --------
    >>> import fastminima as fm
    >>> parts = [fm.SquaredLoss([[1.0]], [[0.0]]), fm.HuberLoss([[1.0]], [[0.0]])]
    >>> float(fm.WeightedSum(parts, [1.0, 2.0]).value([[1.0]]))
    1.5
    """

    def __init__(self, losses: Sequence[ProductLoss], weights: Sequence[float | Fraction] | None = None) -> None:
        self.losses = _sequence(losses, "losses")
        if not self.losses or not all(isinstance(loss, ProductLoss) for loss in self.losses):
            raise LossError("WeightedSum needs a sequence of one or more losses")
        given = [1] * len(self.losses) if weights is None else list(_sequence(weights, "weights"))
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
        return G, (E + n * U * size) * (1.0 + (n + 4) * 2.0**-52) + n * 2.0**-1070

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
        return G, (radius + n * U * size) * (1.0 + (n + 8) * 2.0**-52) + G.size * n * 2.0**-1070

    def gradient_scale(self, shape: tuple[int, int]) -> float:
        """Sum of the parts' scales."""
        return float(sum(abs(float(c)) * loss.gradient_scale(shape) for c, loss in self._used))

    def change_by(self, R: ScaledMatrix, D: ScaledMatrix) -> Change:
        """Sum of the parts' changes and of their bounds."""
        value = error = size = 0.0
        proved = True
        for c, loss in self._used:
            part = loss.change_by(R, D)
            value += float(c) * part.value
            error += abs(float(c)) * part.error
            size += abs(float(c) * part.value)
            proved &= part.proved
        n = len(self._used) + 2
        return Change(
            value, (error + n * U * size) * (1.0 + n * 2.0**-50) + n * 2.0**-1070, D.exponent, proved
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
