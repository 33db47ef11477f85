"""The risk as a quadratic in (q, bias) while no sample changes sides, kept up to date as samples cross.

With the design phi_i = (s_i1 x~_i, ..., s_id1 x~_i, 1), slopes s with the sign of the output weight, the residuals are
phi_i . theta - y_i for theta = (q_1, ..., q_d1, bias), and the risk has the Hessian H = sum w phi phi^T.

(a) A reference point theta_r and the gradient there, g_r = sum w r phi with r = phi . theta_r - y, give the gradient at
    any theta as g_r + H (theta - theta_r): small numbers, where H theta - b would be a difference of large ones.
(b) A sample that crosses at unit k changes phi by D in the block of k alone: with psi = phi + D/2 the Hessian changes by
    w (D psi^T + psi D^T), n N products, and g_r by w (r D + (D . theta_r) (phi + D)). All other samples need no look.
(c) Rounding adds up with the crossings: from time to time everything is summed anew.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .samples import Samples

__all__ = ["Quadratic"]

F64 = NDArray[np.float64]

# samples whose design is written out at once
_ROWS = 4096
# crossings, as a share of the samples, beyond which summing anew costs less than bringing up to date
_MANY = 0.25


class Quadratic:
    """The quadratic of the cell that the sides stand for.

    Parameters
    ----------
    samples : Samples
    sign : (d1,) float64
        Of the output weights; 0 for units that stay as they are.
    slopes : (s_plus, s_minus)
    up : (m, d1) bool
        Which slope a sample has. `cross` changes it.
    at : (N,) float64
        theta_r.

    Attributes
    ----------
    hessian : (N, N) float64
    n_crossed : int
        Crossings since everything was summed.
    """

    def __init__(
        self, samples: Samples, sign: F64, slopes: tuple[float, float], up: NDArray[np.bool_], at: F64
    ) -> None:
        self.samples, self.sign, self.slopes, self.up = samples, sign, slopes, up
        self.sum_anew(at)

    def slope(self, rows: slice | NDArray[np.intp]) -> F64:
        """Slopes of samples, times the sign of the output weight."""
        return np.where(self.up[rows], self.slopes[0], self.slopes[1]) * self.sign

    def design(self, rows: slice | NDArray[np.intp]) -> F64:
        """phi of some samples."""
        x = self.samples.x[rows]
        out = np.empty((len(x), len(self.sign) * x.shape[1] + 1))
        np.multiply(
            self.slope(rows)[:, :, None], x[:, None, :],
            out=out[:, :-1].reshape(len(x), len(self.sign), x.shape[1]),
        )  # fmt: skip
        out[:, -1] = 1.0
        return out

    def residual(self, theta: F64, rows: slice | NDArray[np.intp]) -> F64:
        """phi . theta - y of some samples."""
        x = self.samples.x[rows]
        z = x @ theta[:-1].reshape(len(self.sign), -1).T
        return np.einsum("ij,ij->i", self.slope(rows), z) + theta[-1] - self.samples.y[rows]

    def sum_anew(self, at: F64) -> None:
        """Hessian and gradient from all samples, at a new reference point."""
        size = len(at)
        self.at, self.n_crossed = at.copy(), 0
        self.hessian, self._gradient = np.zeros((size, size)), np.zeros(size)
        for begin in range(0, len(self.samples.x), _ROWS):
            rows = slice(begin, begin + _ROWS)
            phi = self.design(rows)
            weighted = phi * self.samples.w[rows, None]
            self.hessian += weighted.T @ phi
            self._gradient += (phi @ at - self.samples.y[rows]) @ weighted

    def gradient(self, theta: F64) -> F64:
        """Of the risk at a point of the cell."""
        return self._gradient + self.hessian @ (theta - self.at)

    def cross(self, pairs: list[tuple[int, int]], theta: F64) -> None:
        """Samples change sides at units; `theta` is where, should a sum over all samples be due."""
        if len(pairs) > _MANY * len(self.samples.x):
            table = np.array(pairs)
            self.up[table[:, 0], table[:, 1]] ^= True
            self.sum_anew(theta)
            return
        by_unit: dict[int, list[int]] = {}
        for sample, unit in pairs:
            by_unit.setdefault(unit, []).append(sample)
        for unit, found in by_unit.items():
            self._cross_unit(unit, np.array(found))
        self.n_crossed += len(pairs)

    def _cross_unit(self, unit: int, rows: NDArray[np.intp]) -> None:
        x, w = self.samples.x[rows], self.samples.w[rows]
        n = x.shape[1]
        part = slice(unit * n, (unit + 1) * n)
        jump = np.where(self.up[rows, unit], -1.0, 1.0) * (self.slopes[0] - self.slopes[1]) * self.sign[unit]
        phi, r = self.design(rows), self.residual(self.at, rows)
        D = jump[:, None] * x
        dr = D @ self.at[part]
        weighted = D * w[:, None]
        phi[:, part] += 0.5 * D
        change = weighted.T @ phi
        self.hessian[part] += change
        self.hessian[:, part] += change.T
        phi[:, part] += 0.5 * D
        self._gradient += (w * dr) @ phi
        self._gradient[part] += r @ weighted
        self.up[rows, unit] ^= True
