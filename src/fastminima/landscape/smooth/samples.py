"""Exact samples, equal inputs merged, as rationals, balls and floats.

Samples with one input x_g and total weight W_g act like one sample with their weighted mean ybar_g; what is left of the
risk, the pure error 1/2 sum w (y - ybar)^2, is the same for all functions.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.exact.affine import Columns
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.groups import group_ids
from fastminima.system.first_use import cached_property

__all__ = ["Samples"]

F64 = NDArray[np.float64]


class Samples:
    """Distinct inputs of a dataset.

    Parameters
    ----------
    data : Dataset
        With one target.

    Attributes
    ----------
    target, weight : lists of Fractions
        ybar_g and W_g.
    pure : Fraction
        The pure error.
    first : (n,) intp
        First sample of each distinct input.
    X, y, w : float64 arrays, (n, dx + 1), (n,) and (n,)
        (x_g, 1), ybar_g and W_g, rounded.
    """

    def __init__(self, data: Dataset) -> None:
        self.columns = Columns(data)
        ids, self.first = group_ids(self.columns)
        numerators, unit = self.columns.integers(data.n_features)
        y = [int(v) * unit for v in numerators]
        weights, size = self.columns.weight_integers()
        w = [Fraction(1)] * len(y) if weights is None else [int(v) * size for v in weights]
        self.pure = Fraction(0)
        if len(self.first) == len(y):
            self.weight, self.target = w, y
        else:
            self._merge(ids.tolist(), w, y)
        ones = np.ones((len(self.first), 1))
        self.X: F64 = np.concatenate([self.columns.X[self.first], ones], axis=1)
        self.y = np.array([round_fraction(v) for v in self.target])
        self.w = np.array([round_fraction(v) for v in self.weight])

    def _merge(self, ids: list[int], w: list[Fraction], y: list[Fraction]) -> None:
        weight, total = [Fraction(0)] * len(self.first), [Fraction(0)] * len(self.first)
        for g, one, value in zip(ids, w, y, strict=True):
            weight[g] += one
            total[g] += one * value
        self.weight, self.target = weight, [a / b for a, b in zip(total, weight, strict=True)]
        gaps = (value - self.target[g] for g, value in zip(ids, y, strict=True))
        self.pure = sum((one * gap * gap for one, gap in zip(w, gaps, strict=True)), Fraction(0)) / 2

    @cached_property
    def rows(self) -> list[list[Fraction]]:
        """(x_g, 1), exactly."""
        table = []
        for j in range(self.columns.n_features):
            integers, scale = self.columns.integers(j, self.first)
            table.append([int(v) * scale for v in integers])
        return [list(row) for row in zip(*table, [Fraction(1)] * len(self.first), strict=True)]

    def __len__(self) -> int:
        return len(self.first)

    def in_balls(self, flint: Any, rows: slice) -> tuple[Any, list[Any], list[Any]]:
        """((x, 1) as an arb_mat, targets, weights) of some inputs, at the precision that is set."""
        fmpq, arb = flint.fmpq, flint.arb

        def ball(value: Fraction) -> Any:
            return arb(fmpq(value.numerator, value.denominator))

        if self.columns.exact is None:
            table = flint.arb_mat(self.X[rows].tolist())
        else:
            table = flint.arb_mat([[ball(v) for v in row] for row in self.rows[rows]])
        return table, [ball(v) for v in self.target[rows]], [ball(v) for v in self.weight[rows]]
