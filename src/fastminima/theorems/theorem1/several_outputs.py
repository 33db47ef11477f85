"""The exact least-squares fit of several targets, and what of it decides which networks reach it.

Targets share inputs and weights, so one exact Gram matrix of (1, x, y_1, ..., y_dy) holds the normal equations of all of
them. The loss is the sum of theirs. The rank of the fitted slopes A is the number of hidden units that carry A x: on
dependent columns the exact fit has coefficient 0, the others move freely on the data, and so no other minimiser has
slopes of lower rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.exact.affine import Columns, common_numerators
from fastminima.exact.dyadic import Ints
from fastminima.exact.fit import ExactFit
from fastminima.exact.gram import ExactGram, gram_of
from fastminima.exact.matrix import Rationals
from fastminima.losses.pointwise import Squared
from fastminima.losses.row_sum import RowSum
from fastminima.system.first_use import cached_property

from .affine_optimum import AffineOptimum

__all__ = ["AffineFits"]

Index = NDArray[np.intp]


@dataclass(frozen=True)
class AffineFits(AffineOptimum):
    """Exact least-squares fits of all targets of a dataset.

    Attributes
    ----------
    data : Dataset
    fits : tuple of dy ExactFit
    """

    data: Dataset
    fits: tuple[ExactFit, ...]

    @classmethod
    def of(cls, data: Dataset) -> AffineFits:
        """Fit a dataset."""
        targets = [data.one_target(k) for k in range(data.n_targets)]
        if len(targets) == 1 or data.n_samples <= data.n_features:
            # fewer rows than columns are solved without a Gram matrix
            return cls(data, tuple(map(ExactFit.of, targets)))
        gram = _joint_gram(data)
        fits = (ExactFit.of(target, _of_target(gram, data, k)) for k, target in enumerate(targets))
        return cls(data, tuple(fits))

    @cached_property
    def loss(self) -> Fraction:  # type: ignore[override]
        """Half the weighted sum of squared residuals of all targets."""
        return sum((fit.risk for fit in self.fits), Fraction(0))

    @cached_property
    def loss_sum(self) -> RowSum:  # type: ignore[override]
        """Half the squared errors."""
        return RowSum(Squared(), self.data)

    @cached_property
    def slopes(self) -> Rationals:  # type: ignore[override]
        """A, (dy, dx): on dependent columns 0, so no other minimiser has slopes of lower rank on the data."""
        return [list(fit.coef) for fit in self.fits]

    @cached_property
    def intercepts(self) -> list[Fraction]:  # type: ignore[override]
        """Of each output."""
        return [fit.intercept for fit in self.fits]

    @cached_property
    def any_group(self) -> bool:
        """Is there a group of equal inputs whose residuals do not sum to 0, for some target?"""
        return any(bool(fit.groups().has_residual.any()) for fit in self.fits)

    def excess(self, slopes: Rationals, intercepts: list[Fraction]) -> Fraction:
        """Exact loss of an affine map minus the least-squares loss."""
        parts = zip(self.fits, slopes, intercepts, strict=True)
        return sum((fit.excess(row, intercept) for fit, row, intercept in parts), Fraction(0))

    @cached_property
    def fitted(self) -> list[Ints]:
        """Fitted values of each target as integers, in units of one scale."""
        return _one_scale([fit.fitted_numerators() for fit in self.fits])

    @cached_property
    def weighted_residuals(self) -> list[Ints]:
        """w_i r_i of each target as integers, in units of one scale."""
        weights, _ = Columns(self.data.one_target(0)).weight_integers()
        found = _one_scale([fit.residual_numerators() for fit in self.fits])
        return found if weights is None else [weights * r for r in found]

    @cached_property
    def by_input(self) -> Index:
        """The group of each sample by its input."""
        return self.fits[0].groups().ids


def _joint_gram(data: Dataset) -> ExactGram:
    """Of (1, x, y_1, ..., y_dy): all targets but the last one stand as inputs."""
    X = np.ascontiguousarray(np.hstack([data.X, data.Y[:, :-1]]))
    y = np.ascontiguousarray(data.Y[:, -1])
    return gram_of(SimpleNamespace(X=X, y=y, sample_weight=data.sample_weight, exact=data.exact))


def _of_target(gram: ExactGram, data: Dataset, k: int) -> ExactGram:
    """The part of (1, x, y_k)."""
    chosen = [*range(data.n_features + 1), data.n_features + 1 + k]
    entries = [[gram.entries[a][b] for b in chosen] for a in chosen]
    return ExactGram(entries, [gram.scales[c] for c in chosen], gram.weight_scale, gram.n_samples)


def _one_scale(values: list[tuple[Ints, Fraction]]) -> list[Ints]:
    factors, _ = common_numerators([scale for _, scale in values])
    return [numerators * factor for (numerators, _), factor in zip(values, factors, strict=True)]
