"""The rows that the search works on: centred, scaled, times the root of their weight; and the way back to the data's units.

f(x) = b + sum_k sigma_k h(<q_k, (z, 1)>), sigma_k = 1 or -1, for z = (x - mean)/scale, in units of the target's own
scatter. Everything here is rounded: what comes back are float64 parameters of a network, which is judged on the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.kernels import _search

__all__ = ["Candidate", "ScaledRows", "Workspace"]

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """A network in scaled units.

    Attributes
    ----------
    risk : float
        On the rows it was fitted to, in their units.
    parameters : (w (dx + 1) + 1,) float64
        b, then the rows q_k, each with its bias last.
    sign : (w,) float64
        1 or -1.
    """

    risk: float
    parameters: F64
    sign: F64

    @property
    def rows(self) -> F64:
        """(w, dx + 1): the q_k, a view."""
        return self.parameters[1:].reshape(len(self.sign), -1)


class Workspace:
    """What the kernels write on: one for each thread, made for a number of samples and a width."""

    def __init__(self, m: int, n: int, width: int) -> None:
        size = width * n + 1
        self.work = np.empty(m * (2 * width + 4) + _search.ROWS * size + 2 * size * size + 2 * size)
        self.counts = np.empty(m * width + 2, dtype=np.int32)
        self.kinks = np.empty(4 * m * width)
        self.found = np.empty(4)


@dataclass(frozen=True)
class ScaledRows:
    """Rows of a dataset in scaled units.

    Attributes
    ----------
    X : (m, dx + 1) float64
        (z, 1) times the root of the weight.
    y : (m,) float64
    centre, scale : (dx,) float64
    level, unit : float
        The target is level + unit times the scaled one.
    slopes : (float, float)
        s+ and s- of h.
    """

    X: F64
    y: F64
    centre: F64
    scale: F64
    level: float
    unit: float
    slopes: tuple[float, float]

    @classmethod
    def of(cls, data: Dataset, slopes: tuple[float, float]) -> ScaledRows:
        """All rows of a dataset; columns that do not vary get scale 1."""
        weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
        with np.errstate(all="ignore"):
            share = weight / weight.max()
            centre, scale = _moments(data.X, share)
            (level,), (unit,) = _moments(data.y[:, None], share)
            Z = np.nan_to_num((data.X - centre) / scale, posinf=0.0, neginf=0.0)
            y = np.nan_to_num((data.y - level) / unit, posinf=0.0, neginf=0.0)
        root = np.sqrt(share)
        X = np.ascontiguousarray(np.column_stack([Z, np.ones(len(y))]) * root[:, None])
        return cls(X, y * root, centre, scale, float(level), float(unit), slopes)

    @property
    def n_samples(self) -> int:
        """m, the number of rows."""
        return len(self.y)

    def take(self, index: NDArray[np.intp]) -> ScaledRows:
        """Some of the rows, in the same units."""
        parts = np.ascontiguousarray(self.X[index]), self.y[index]
        return ScaledRows(*parts, self.centre, self.scale, self.level, self.unit, self.slopes)

    def residuals(self, candidate: Candidate, keep: NDArray[np.bool_] | None = None) -> F64:
        """f - y per row, times the root of its weight, of all units or of some."""
        rows, sign = candidate.rows, candidate.sign
        if keep is not None:
            rows, sign = rows[keep], sign[keep]
        z = self.X @ rows.T
        h = np.where(z > 0.0, *self.slopes) * z
        return np.asarray(candidate.parameters[0] * self.X[:, -1] + h @ sign - self.y)

    def descend(self, candidate: Candidate, room: Workspace, steps: int, tolerance: float) -> Candidate:
        """The candidate after a descent of at most `steps` steps."""
        parameters = candidate.parameters.copy()
        risk, _ = _search.descend(
            self.X, self.y, *self.slopes, candidate.sign, parameters, steps,
            tolerance, room.work, room.counts, room.kinks,
        )  # fmt: skip
        return Candidate(risk, parameters, candidate.sign)

    def inside(self, W1: F64, b1: F64, W2: F64, b2: float) -> Candidate | None:
        """A network in the data's units as a candidate, whose risk is not known; None where float64 cannot hold it."""
        with np.errstate(all="ignore"):
            size = np.abs(W2)[:, None] / self.unit
            rows = np.column_stack([W1 * self.scale, b1 + W1 @ self.centre]) * size
            level = (b2 - self.level) / self.unit
        parameters = np.concatenate([[level], rows.ravel()])
        if not np.isfinite(parameters).all():
            return None
        return Candidate(np.inf, parameters, np.where(W2 < 0.0, -1.0, 1.0))

    def outside(self, candidate: Candidate) -> tuple[F64, F64, F64, float] | None:
        """(W1, b1, W2, b2) of the candidate in the data's units; None where float64 cannot hold it."""
        rows = candidate.rows
        with np.errstate(all="ignore"):
            W1 = rows[:, :-1] / self.scale
            b1 = rows[:, -1] - W1 @ self.centre
            W2 = candidate.sign * self.unit
            b2 = self.level + self.unit * float(candidate.parameters[0])
        if not all(np.isfinite(part).all() for part in (W1, b1, W2, np.array(b2))):
            return None
        return W1, b1, W2, b2


def _moments(X: F64, share: F64) -> tuple[F64, F64]:
    """Weighted means and scatters, safe from overflow; scatter 1 for what does not vary."""
    size = np.abs(X).max(axis=0, initial=0.0)
    size[size == 0.0] = 1.0
    Z = X / size
    mean = share @ Z / share.sum()
    scatter = np.sqrt(share @ np.square(Z - mean) / share.sum())
    scatter[~(scatter > 1e-15)] = 1.0
    return mean * size, scatter * size
