"""The exact least-squares fit of a dataset, over the rationals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.system.first_use import cached_property

from .affine import Columns, Rows, affine_numerators, as_index
from .dd import DoubleDouble, evaluate
from .dyadic import Floats, Ints, round_fraction
from .gram import ExactGram, gram_of
from .groups import Groups, find_groups, group_ids
from .solve import solve_normal_equations
from .splits import ExactSplits, find_splits
from .wide import solve_wide

__all__ = ["ExactFit", "LazyExactFit", "exact_affine_excess"]


@dataclass(frozen=True)
class ExactFit:
    """Exact least-squares fit y ~ intercept + coef . x of data taken as exact numbers.

    Build it with `ExactFit.of(data)`.

    Attributes
    ----------
    coef : list of dx Fractions
        0 for columns that depend on earlier ones (the constant column comes first).
    intercept : Fraction
    risk : Fraction
        Least-squares risk, half the (weighted) residual sum of squares.
    rank : int
        Rank of the design with its constant column.
    pivots : tuple of int
        Columns with coefficients: 0 the constant, 1..dx the features.
    known_gram : ExactGram or None
        Of (1, x_1, ..., x_dx, y); None for wide data, which are solved without it. `gram` makes it where it is asked for.
    data : dataset
        As given to `of`.
    """

    coef: list[Fraction]
    intercept: Fraction
    risk: Fraction
    rank: int
    pivots: tuple[int, ...]
    known_gram: ExactGram | None
    data: Any

    @classmethod
    def of(cls, data: Any, gram: ExactGram | None = None) -> ExactFit:
        """Fit a dataset.

        Parameters
        ----------
        data : dataset with X (m, dx), y (m,), sample_weight None | (m,) > 0, exact None | exact columns
        gram : ExactGram, optional
            Of the same data, when it is already known; then no row is looked at before one is asked for.
        """
        solution = None
        if gram is None:
            columns = Columns(data)
            solution = solve_wide(columns)
            if solution is None:
                gram = gram_of(columns)
        if solution is None:
            assert gram is not None
            solution = solve_normal_equations(gram)
        return cls(
            coef=solution.coefficients[1:],
            intercept=solution.coefficients[0],
            risk=solution.risk,
            rank=solution.rank,
            pivots=solution.pivots,
            known_gram=gram,
            data=data,
        )

    @cached_property
    def _columns(self) -> Columns:
        return Columns(self.data)

    @cached_property
    def gram(self) -> ExactGram:
        """Of (1, x_1, ..., x_dx, y)."""
        return gram_of(self._columns) if self.known_gram is None else self.known_gram

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self._columns.n_samples if self.known_gram is None else self.known_gram.n_samples

    @cached_property
    def total_weight(self) -> Fraction:
        """Sum of the weights; the number of samples without weights."""
        if self.known_gram is not None:
            return self.known_gram.total_weight
        weights, scale = self._columns.weight_integers()
        return Fraction(self.n_samples) if weights is None else int(weights.sum()) * scale

    def affine_risk(self, coef: Sequence[Fraction], intercept: Fraction) -> Fraction:
        """Exact risk of an affine function, from the rows."""
        r, scale = affine_numerators(self._columns, [intercept, *coef, Fraction(-1)])
        weights, weight_scale = self._columns.weight_integers()
        squares = r * r if weights is None else weights * r * r
        return int(squares.sum()) * scale * scale * weight_scale / 2

    @property
    def linearly_fittable(self) -> bool:
        """Whether the data are exactly affine: risk 0, theorem 1 does not apply."""
        return self.risk == 0

    @property
    def coef_float(self) -> Floats:
        """(dx,) float64, each the correctly rounded coefficient (+-inf out of range)."""
        return np.array([round_fraction(c) for c in self.coef], dtype=np.float64)

    @property
    def intercept_float(self) -> float:
        """Correctly rounded intercept (+-inf out of range)."""
        return round_fraction(self.intercept)

    @property
    def fitted_form(self) -> list[Fraction]:
        """Fitted value as a form (c_0, c_1, ..., c_dx, c_y) in (1, x, y)."""
        return [self.intercept, *self.coef, Fraction(0)]

    @property
    def residual_form(self) -> list[Fraction]:
        """Residual r = fitted - y as a form in (1, x, y)."""
        return [self.intercept, *self.coef, Fraction(-1)]

    def fitted_numerators(self, index: Rows = None) -> tuple[Ints, Fraction]:
        """Exact fitted values: Python integers (k,) and one scale > 0, value = numerator * scale."""
        return affine_numerators(self._columns, self.fitted_form, as_index(index))

    def residual_numerators(self, index: Rows = None) -> tuple[Ints, Fraction]:
        """Exact residuals r = fitted - y: Python integers (k,) and one scale > 0."""
        return affine_numerators(self._columns, self.residual_form, as_index(index))

    @cached_property
    def _double_double(self) -> tuple[DoubleDouble, DoubleDouble]:
        fitted, residual = evaluate(self._columns, [self.fitted_form, self.residual_form])
        return fitted, residual

    @cached_property
    def _group_ids(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return group_ids(self._columns)

    @cached_property
    def _groups(self) -> Groups:
        by_integers = self._columns.exact is not None or self.linearly_fittable
        residual = None if by_integers else self._double_double[1]
        return find_groups(
            self._columns, self.residual_form, residual, self.linearly_fittable, self._group_ids
        )

    def groups(self) -> Groups:
        """Equal inputs merged exactly, whether their residual sums are zero, and the pure error."""
        return self._groups

    @cached_property
    def _splits(self) -> ExactSplits:
        values = None if self._columns.exact is not None else self._double_double
        return find_splits(
            self._columns,
            self.fitted_form,
            self.residual_form,
            values,
            self.linearly_fittable,
            lambda: self._group_ids,
        )

    def J(self) -> ExactSplits:
        """The exact set J of theorem 1, step 2: sorted order, tie groups and positions.

        Notes
        -----
        Yun, Sra and Jadbabaie (2019), appendix A2: J = { j < m : S_j != 0, fitted_(j) < fitted_(j+1) } with
        S_j the sum of the (weighted) residuals of the j smallest fitted values; positions here are j - 1.
        """
        return self._splits

    def excess(self, coef: Sequence[float | Fraction] | Floats, intercept: float | Fraction) -> Fraction:
        """Exact risk of the affine function coef . x + intercept, minus the least-squares risk (>= 0)."""
        return exact_affine_excess(self, coef, intercept)


class LazyExactFit:
    """The exact fit of a dataset: at hand, or solved when first asked for.

    Parameters
    ----------
    data : dataset
    known : ExactFit, optional
        Its fit, where it is solved already.
    """

    def __init__(self, data: Any, known: ExactFit | None = None) -> None:
        self._data, self.known = data, known

    def solved(self) -> ExactFit:
        """The exact fit."""
        if self.known is None:
            self.known = ExactFit.of(self._data)
        return self.known


def exact_affine_excess(
    fit: ExactFit, coef: Sequence[float | Fraction] | Floats, intercept: float | Fraction
) -> Fraction:
    """Exact excess risk of an affine function over the least-squares risk, d^T G d / 2.

    Parameters
    ----------
    fit : ExactFit
    coef : (dx,) float64 or Fractions, finite
    intercept : float or Fraction

    Returns
    -------
    Fraction >= 0, with d = (intercept, coef) - (fit.intercept, fit.coef); exact by the normal equations.
    """
    given = [Fraction(intercept), *(Fraction(c) for c in coef)]
    best = [fit.intercept, *fit.coef]
    if fit.known_gram is None:
        # fewer rows than columns: the rows themselves are less work than the Gram matrix
        return fit.affine_risk(given[1:], given[0]) - fit.risk
    delta = [a - b for a, b in zip(given, best, strict=True)]
    return fit.gram.quadratic([*delta, Fraction(0)]) / 2
