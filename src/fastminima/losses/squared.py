"""The squared loss of a linear map, summed over samples: from rows in float64, from exact moments in rationals."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import common_numerators
from fastminima.exact.dyadic import power_of_two, to_integers
from fastminima.exact.gram import gram_of
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.system.first_use import cached_property

from .per_sample import RowLoss, Rows
from .pointwise import Squared

__all__ = ["Moments", "SquaredLoss"]

# products of integers up to which slices and BLAS cost more than they bring
SMALL = 20_000


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

    Examples
    --------
    >>> import fastminima as fm
    >>> loss = fm.SquaredLoss([[1.0], [2.0]], [[1.0], [1.0]])
    >>> float(loss.value([[1.0]]))
    0.5
    """

    def __init__(self, X: Rows, Y: Rows, *, bias: bool = False) -> None:
        super().__init__(Squared(), X, Y, bias=bias)

    @cached_property
    def moments(self) -> Moments:
        """X^T X, Y^T X and Y^T Y as rationals."""
        dx, dy = self.X.shape[1], self.Y.shape[1]
        if not self._exact_inputs and not self._exact_targets and len(self.X) * (dx + dy) ** 2 <= SMALL:
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
