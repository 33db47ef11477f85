"""How much the risk bends upward, at least, in a ball: a bound mu on the smallest eigenvalue of its Hessian.

At the centre by Gershgorin's circles: for V near the eigenvectors (floats choose it) and M = V' H V in balls,

    mu_0 = min_i ( M_ii - sum_j |M_ij| ) / |V'V|,     |V'V| <= 1 + |V'V - I|,

because x = V y gives x'Hx >= mu_0 |V'V| |y|^2 and |x|^2 <= |V'V| |y|^2. Away from it by Weyl: mu(R) = mu_0 - |E|, E the
largest change of each entry in the ball of radius R, |E| at most its Frobenius norm and its largest row sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ActivationError

from .ball_risk import BallRisk

__all__ = ["Curvature"]

F64 = NDArray[np.float64]


class Curvature:
    """Bounds on eigenvalues of the Hessian at and about a point.

    Parameters
    ----------
    risk : BallRisk
    theta : sequence of balls
        Exact parameters.
    vectors : (N, N) float64
        Near the eigenvectors of the Hessian.

    Attributes
    ----------
    at_centre : Fraction or None
        mu_0; None where it is not positive, or not known.
    """

    def __init__(self, risk: BallRisk, theta: Sequence[Any], vectors: F64) -> None:
        self.risk, self.theta = risk, theta
        mat = risk.flint.arb_mat
        self.hessian = risk.hessian(theta)
        V = mat(vectors.tolist())
        across = V.transpose()
        rows = (across * self.hessian * V).tolist()
        circles = [
            row[i] - sum((abs(v) for j, v in enumerate(row) if j != i), risk.flint.arb(0))
            for i, row in enumerate(rows)
        ]
        product = (across * V).tolist()
        for i, row in enumerate(product):
            row[i] -= 1
        least = self._least(circles)
        size = self._row_sum(product)
        self.at_centre = None
        if least is not None and size is not None and least > 0:
            self.at_centre = least / (1 + size)

    def change(self, radius: Fraction) -> Fraction | None:
        """|E|: how far the Hessian is, at most, from the one at the centre; None where nothing is known of it."""
        around = self.risk.hessian(self.theta, self.risk.ball(radius))
        rows = (around - self.hessian).tolist()
        largest = self._row_sum(rows)
        return None if largest is None else min(largest, self.risk.norm([v for row in rows for v in row]))

    def within(self, radius: Fraction) -> Fraction | None:
        """mu(R) > 0, or None where no such bound was found."""
        change = None if self.at_centre is None else self.change(radius)
        if change is None or self.at_centre is None or change >= self.at_centre:
            return None
        return self.at_centre - change

    def _least(self, values: Sequence[Any]) -> Fraction | None:
        try:
            return min(self.risk.edges(value)[0] for value in values)
        except ActivationError:
            return None

    def _row_sum(self, rows: list[list[Any]]) -> Fraction | None:
        """The largest sum of absolute values in a row, which bounds the norm of a symmetric matrix."""
        zero = self.risk.flint.arb(0)
        try:
            return max(self.risk.edges(sum((abs(v) for v in row), zero))[1] for row in rows)
        except ActivationError:
            return None
