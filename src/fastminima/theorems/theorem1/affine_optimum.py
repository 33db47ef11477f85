"""The best affine map of a dataset for a convex loss: what of it decides which networks reach it, and which are better.

With g_i the weighted slopes of the loss at the outputs of the best map, sum_i g_i (1, x_i)^T = 0; R_g is their sum over a
group of equal inputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.exact.affine import Columns, common_numerators
from fastminima.exact.dyadic import Ints
from fastminima.exact.groups import group_ids
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.exact.tables import exact_inputs
from fastminima.losses.row_sum import RowSum
from fastminima.system.first_use import cached_property

__all__ = ["AffineOptimum", "rank_of", "weighed"]

Index = NDArray[np.intp]


class AffineOptimum(ABC):
    """A minimiser over affine maps, of data under a loss.

    Attributes
    ----------
    data : Dataset
    loss_sum : RowSum
        The loss and its targets.
    slopes : list of n_outputs lists of dx Fractions
        A, of the best map, or of the float one whose loss `excess` bounds.
    intercepts : list of n_outputs Fractions
    loss : Fraction
        The least loss of an affine map; where `exact` is False a proved lower bound on it.
    exact : bool
        Are slopes, loss and gradients those of the minimum itself, in rationals?
    """

    exact: bool = True

    data: Dataset
    loss_sum: RowSum
    slopes: Rationals
    intercepts: list[Fraction]
    loss: Fraction

    @abstractmethod
    def excess(self, slopes: Rationals, intercepts: list[Fraction]) -> Fraction:
        """Loss of an affine map minus the least one; an upper bound on it where `exact` is False."""

    @property
    def freedom(self) -> int:
        """Dimension of what the loss sees of the outputs."""
        return self.loss_sum.freedom

    @cached_property
    def rank(self) -> int:
        """Of the slopes: the hidden units that carry A x."""
        return rank_of(self.slopes)

    def rank_is_at_least(self, k: int) -> bool:
        """Is the rank of the slopes of every best map proved to be k or more?"""
        return self.rank >= k

    @cached_property
    def outputs(self) -> RationalMatrix:
        """Of the map on the samples, (m, n_outputs)."""
        return self.outputs_of(self.slopes, self.intercepts)

    def outputs_of(self, slopes: Rationals, intercepts: list[Fraction]) -> RationalMatrix:
        """Of another map."""
        forms = RationalMatrix.of([[c, *row] for c, row in zip(intercepts, slopes, strict=True)])
        return self.table @ forms.T

    @cached_property
    def table(self) -> RationalMatrix:
        """(1, x), (m, dx + 1)."""
        return exact_inputs(self.data, constant=True)

    @cached_property
    def gradients(self) -> RationalMatrix:
        """g, (m, n_outputs), with sum_i g_i (1, x_i)^T = 0: the proof that no affine map has less loss (Fenchel, Young)."""
        slopes = self.loss_sum.phi.exact_slopes(self.outputs, self.loss_sum.targets)
        return weighed(slopes, self.loss_sum.weights)

    @cached_property
    def fitted(self) -> list[Ints]:
        """Fitted values of each output as integers, in units of one scale."""
        return list(self.outputs.numerators.T)

    @cached_property
    def weighted_residuals(self) -> list[Ints]:
        """g of each output as integers, in units of one scale."""
        return list(self.gradients.numerators.T)

    @cached_property
    def by_fitted_value(self) -> Index:
        """The group of each sample by its fitted values: samples that the linear part of the network tells apart."""
        seen: dict[tuple[int, ...], int] = {}
        rows = zip(*(values.tolist() for values in self.fitted), strict=True)
        return np.array([seen.setdefault(row, len(seen)) for row in rows], dtype=np.intp)

    @cached_property
    def by_input(self) -> Index:
        """The group of each sample by its input."""
        return group_ids(Columns(self.data.one_target(0)))[0]

    @cached_property
    def any_group(self) -> bool:
        """Is some R_g not 0?"""
        return self.pushes(self.by_input, through=False)

    @property
    def pushed(self) -> bool | None:
        """Is some R_g not 0? None where bounds leave it open."""
        return self.any_group

    def pushes(self, ids: Index, through: bool) -> bool:
        """Is some group's sum R_g of gradients not 0? With `through`: is A^T R_g not 0, for some group?"""
        order = np.argsort(ids, kind="stable")
        starts = np.flatnonzero(np.diff(ids[order], prepend=-1))
        sums = [np.add.reduceat(r[order], starts) for r in self.weighted_residuals]
        return any(bool(v.any()) for v in (self.carried(sums) if through else sums))

    def carried(self, sums: list[Any]) -> list[Any]:
        """A^T R up to positive factors, column by column; R as one integer or array for each output."""
        result = []
        for column in zip(*self.slopes, strict=True):
            factors, _ = common_numerators(column)
            result.append(sum((f * r for f, r in zip(factors, sums, strict=True)), start=0 * sums[0]))
        return result


def rank_of(rows: Rationals) -> int:
    """The rank of a rational matrix, of any shape."""
    return RationalMatrix.of(rows).rank() if rows and rows[0] else 0


def weighed(rows: RationalMatrix, weights: list[float] | None) -> RationalMatrix:
    """Rows times their weights."""
    if weights is None:
        return rows
    column = RationalMatrix.of_floats(np.array(weights)[:, None])
    return RationalMatrix(rows.numerators * column.numerators, rows.scale * column.scale)
