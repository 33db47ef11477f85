"""The exact affine minimiser of Huber loss: floats guess which residuals stay within delta, rationals decide.

For fixed sets of residuals within delta and beyond it on either side, the gradient is linear in the coefficients, and its
root is rational. Where sum_i w_i clip(r_i) (1, x_i)^T = 0 holds in rationals with the residuals of that root, the root is a
minimiser, whatever was guessed (convexity). Columns that depend on the others have coefficient 0; columns that depend on
them only where residuals are within delta leave a face of minimisers, and keep the floats' place on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import LossError
from fastminima.exact.fit import ExactFit
from fastminima.exact.matrix import RationalMatrix, Rationals, solve
from fastminima.exact.tables import exact_inputs
from fastminima.losses.pointwise import Huber
from fastminima.losses.row_sum import RowSum
from fastminima.system.first_use import cached_property

from .affine_optimum import AffineOptimum, weighed
from .float_fit import fitted

__all__ = ["HuberFits"]

Floats = NDArray[np.float64]
Signs = NDArray[np.int64]

# how far beyond delta, as a share of it, floats still guess "within"; each is tried
_SLACKS = (1e-9, 0.0, 1e-6, 1e-12, 1e-4)
# guesses that one start leads to
_ROUNDS = 6


@dataclass(frozen=True)
class HuberFits(AffineOptimum):
    """Exact minimisers of Huber loss, one of each target.

    Attributes
    ----------
    data : Dataset
    phi : Huber
    slopes : list of dy lists of dx Fractions
    intercepts : list of dy Fractions
    """

    data: Dataset
    phi: Huber
    slopes: Rationals
    intercepts: list[Fraction]

    @classmethod
    def of(cls, data: Dataset, phi: Huber) -> HuberFits:
        """Fit a dataset.

        Raises
        ------
        LossError
            No guess is confirmed.
        """
        loss = RowSum(phi, data)
        pivots = list(ExactFit.of(data.one_target(0)).pivots)
        table = exact_inputs(data, constant=True)
        chosen = RationalMatrix(table.numerators[:, pivots], table.scale)
        F = chosen.rounded()
        start = fitted(loss, F)
        slopes, intercepts = [], []
        for k in range(data.n_targets):
            y = RationalMatrix(loss.targets.numerators[:, k : k + 1], loss.targets.scale)
            root = _HuberColumn(chosen, F, y, loss.weights, phi).solved(start[:, k])
            if root is None:
                raise LossError(
                    f"the exact minimiser of {phi} was not found for target {k}: "
                    "no set of residuals within delta is confirmed"
                )
            row = [Fraction(0)] * (data.n_features + 1)
            for place, value in zip(pivots, root, strict=True):
                row[place] = value
            intercepts.append(row[0])
            slopes.append(row[1:])
        return cls(data, phi, slopes, intercepts)

    @cached_property
    def loss_sum(self) -> RowSum:  # type: ignore[override]
        """The Huber loss of the data."""
        return RowSum(self.phi, self.data)

    @cached_property
    def loss(self) -> Fraction:  # type: ignore[override]
        """The least loss."""
        return self.loss_sum.exactly(self.outputs)[0]

    def excess(self, slopes: Rationals, intercepts: list[Fraction]) -> Fraction:
        """Exact loss of an affine map minus the least one."""
        return self.loss_sum.exactly(self.outputs_of(slopes, intercepts))[0] - self.loss


@dataclass(frozen=True)
class _HuberColumn:
    """One target: independent columns exactly and as floats, y (m, 1), weights, loss."""

    table: RationalMatrix
    F: Floats
    y: RationalMatrix
    weights: list[float] | None
    phi: Huber

    def solved(self, start: Floats) -> list[Fraction] | None:
        """A minimiser, verified."""
        r = self.F @ start - self.y.rounded()[:, 0]
        delta = self.phi.delta
        for slack in _SLACKS:
            signs = np.where(np.abs(r) <= delta * (1.0 + slack), 0, np.sign(r)).astype(np.int64)
            seen = set()
            for _ in range(_ROUNDS):
                if signs.tobytes() in seen:
                    break
                seen.add(signs.tobytes())
                root = self._root(signs, start)
                if root is None:
                    break
                outputs = self.table @ RationalMatrix.of([[v] for v in root])
                if not (self.table.T @ weighed(self.phi.exact_slopes(outputs, self.y), self.weights)).any():
                    return root
                signs = self._signs(outputs)
        return None

    def _signs(self, outputs: RationalMatrix) -> Signs:
        """0 within delta, else the side."""
        E = outputs - self.y
        most = Fraction(self.phi.delta) / E.scale
        # v > p / q for integers v is v q > p
        values = [int(v) * most.denominator for v in E.numerators[:, 0]]
        return np.array([(v > most.numerator) - (v < -most.numerator) for v in values], dtype=np.int64)

    def _root(self, signs: Signs, start: Floats) -> list[Fraction] | None:
        """Where the gradient of these sets vanishes; columns without a pivot stay at `start`. None where it does nowhere."""
        inside = np.flatnonzero(signs == 0)
        weighted = weighed(self.table, self.weights)
        pushes = RationalMatrix(signs.astype(object)[None, :], Fraction(self.phi.delta)) @ weighted
        within = RationalMatrix(self.table.numerators[inside], self.table.scale)
        heavy = RationalMatrix(weighted.numerators[inside], weighted.scale)
        y = RationalMatrix(self.y.numerators[inside], self.y.scale)
        columns = self._pivots(inside)
        root = [Fraction(float(v)) for v in start]
        for c in columns:
            root[c] = Fraction(0)
        # H c = b in the chosen columns, with the others where they are
        rest = within @ RationalMatrix.of([[v] for v in root]) if len(inside) else None
        b = pushes.T.times(Fraction(-1))
        if rest is not None:
            b = b + heavy.T @ (y - rest)
        if columns:
            H = heavy.T @ within
            part = RationalMatrix(H.numerators[np.ix_(columns, columns)], H.scale)
            found = solve(part, RationalMatrix(b.numerators[columns], b.scale))
            if found is None:
                return None
            for c, (value,) in zip(columns, found.rows(), strict=True):
                root[c] = value
        return root

    def _pivots(self, inside: NDArray[np.intp]) -> list[int]:
        """Columns that are independent on these rows, found in floats."""
        if not len(inside):
            return []
        F = self.F[inside]
        size = np.linalg.norm(F, axis=0)
        _, R, order = scipy.linalg.qr(F / np.where(size > 0.0, size, 1.0), mode="economic", pivoting=True)
        diagonal = np.abs(np.diag(R))
        return sorted(
            int(c) for c in order[: int((diagonal > 1e-11 * max(diagonal.max(initial=0.0), 1e-300)).sum())]
        )
