"""A face in float64: samples held on boundaries, sides elsewhere, and the convex quadratic that the risk is there.

Output weights a_k stay; with q_k = |a_k| u_k and sigma_k = sign a_k the outputs are sum_k sigma_k s_ik <q_k, x~_i> + b2,
linear in (q, b2) while no sample changes sides. Inputs are standardised first: sides do not depend on that.
Everything here only chooses; what is claimed is decided in rational numbers afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

__all__ = ["Face", "Samples"]

F64 = NDArray[np.float64]

# singular values of a row relative to the others' span below which an input counts as dependent
_DEPENDENT = 1e-9
# products with an orthonormal basis this small beside the input are rounding
_ROUNDING = 1e-13


@dataclass(frozen=True)
class Samples:
    """Distinct inputs, standardised, with merged weights and mean targets.

    Attributes
    ----------
    x : (m, n) float64
        (x, 1), standardised.
    y : (m,) float64
    w : (m,) float64
    shift, scale : (dx,) float64
        x = shift + scale * standardised.
    """

    x: F64
    y: F64
    w: F64
    shift: F64
    scale: F64

    @classmethod
    def of(cls, X: F64, y: F64, w: F64) -> Samples:
        """Standardise distinct inputs."""
        with np.errstate(over="ignore", invalid="ignore"):
            shift, scale = X.mean(axis=0), X.std(axis=0)
        usable = np.isfinite(shift) & np.isfinite(scale) & (scale > 0.0)
        shift, scale = np.where(usable, shift, 0.0), np.where(usable, scale, 1.0)
        x = np.ones((len(X), X.shape[1] + 1))
        x[:, :-1] = (X - shift) / scale
        return cls(x, y, w, shift, scale)

    def to_standard(self, rows: F64) -> F64:
        """Rows u for inputs as given, as rows for standardised ones."""
        out = rows.copy()
        out[:, -1] += rows[:, :-1] @ self.shift
        out[:, :-1] *= self.scale
        return out

    def to_given(self, rows: F64) -> F64:
        """The inverse of `to_standard`."""
        out = rows.copy()
        out[:, :-1] /= self.scale
        out[:, -1] -= out[:, :-1] @ self.shift
        return out


@dataclass
class Face:
    """Where the walk stands.

    Attributes
    ----------
    samples : Samples
    q : (d1, n) float64
    bias : float
    sign : (d1,) float64
        sigma_k; 0 for units that stay as they are (a_k = 0).
    slopes : (s_plus, s_minus)
    up : (m, d1) bool
        Which slope a sample has; for held samples it is of no consequence.
    held : list of d1 lists of sample numbers
        W_k, with independent inputs.
    """

    samples: Samples
    q: F64
    bias: float
    sign: F64
    slopes: tuple[float, float]
    up: NDArray[np.bool_]
    held: list[list[int]] = field(default_factory=list)

    @property
    def z(self) -> F64:
        """(m, d1) preactivations times |a_k|; exactly 0 on held samples."""
        z = self.samples.x @ self.q.T
        for k, rows in enumerate(self.held):
            z[rows, k] = 0.0
        return z

    def slope(self) -> F64:
        """(m, d1) slopes of h, times sigma_k."""
        return np.where(self.up, self.slopes[0], self.slopes[1]) * self.sign

    def residual(self, z: F64 | None = None) -> F64:
        """(m,) f - y."""
        z = self.z if z is None else z
        return (self.slope() * z).sum(axis=1) + self.bias - self.samples.y

    def risk(self) -> float:
        """Risk without the pure error."""
        e = self.residual()
        return 0.5 * float(self.samples.w @ (e * e))

    def free(self) -> list[F64]:
        """An orthonormal basis (n, r_k) of the rows orthogonal to the held inputs, per unit."""
        n = self.samples.x.shape[1]
        bases = []
        for k, rows in enumerate(self.held):
            if not self.sign[k]:
                bases.append(np.zeros((n, 0)))
            elif rows:
                full = linalg.qr(self.samples.x[rows].T, mode="full")[0]
                bases.append(full[:, len(rows) :])
            else:
                bases.append(np.eye(n))
        return bases

    def step_to_minimum(self) -> tuple[F64, float]:
        """Step (d1, n) of q and of the bias to the minimum of the quadratic on this face, the shortest one."""
        x, w = self.samples.x, self.samples.w
        slope, root = self.slope(), np.sqrt(w)
        bases = self.free()
        length = np.linalg.norm(x, axis=1)[:, None]
        blocks = []
        for k, basis in enumerate(bases):
            inputs = x
            if basis.shape[1] < x.shape[1]:
                inputs = x @ basis
                # inputs in the span of those held leave rounding, which scaling would blow up
                inputs[np.abs(inputs) <= _ROUNDING * length] = 0.0
            blocks.append(slope[:, k, None] * inputs)
        design = np.concatenate([*blocks, np.ones((len(x), 1))], axis=1) * root[:, None]
        target = -root * self.residual()
        step = _least_squares(design, target)
        out, at = np.zeros_like(self.q), 0
        for k, basis in enumerate(bases):
            part = step[at : at + basis.shape[1]]
            out[k] = part if basis.shape[1] == x.shape[1] else basis @ part
            at += basis.shape[1]
        return out, float(step[-1])

    def hold(self, k: int, sample: int) -> bool:
        """Hold a sample on the boundary of unit k; False where its input depends on those held."""
        x = self.samples.x
        rows = self.held[k]
        rest = x[sample].copy()
        if rows:
            basis = linalg.qr(x[rows].T, mode="economic")[0]
            rest -= basis @ (basis.T @ rest)
        if np.linalg.norm(rest) <= _DEPENDENT * np.linalg.norm(x[sample]):
            return False
        rows.append(sample)
        return True

    def worst_multiplier(self) -> tuple[int, int, float] | None:
        """(unit, position in W_k, multiplier) of the held sample that is farthest beyond its limit; None if none is.

        A multiplier is beyond its limit when it is so by more than rounding: relative to its own size, and to what
        the sums would be for residuals of the size of y (a residual of 0 leaves nothing but noise).
        """
        x, w, y = self.samples.x, self.samples.w, self.samples.y
        e = self.residual()
        G = w * e
        middle, c = sum(self.slopes) / 2.0, (self.slopes[0] - self.slopes[1]) / 2.0
        noise = 1e-13 * float(np.abs(w * y).max(initial=0.0))
        worst: tuple[int, int, float] | None = None
        excess = 0.0
        z, length, size = np.abs(x @ self.q.T), np.linalg.norm(x, axis=1), np.linalg.norm(self.q, axis=1)
        for k, rows in enumerate(self.held):
            # more samples on the boundary than are held (a row of 0 has all of them): multipliers are not unique,
            # and the exact decision has to look at them together
            reach = max(_DEPENDENT * float(size[k]), _ROUNDING * float(size.max())) * length
            if not rows or not self.sign[k] or np.count_nonzero(z[:, k] <= reach) > len(rows):
                continue
            slope = np.where(self.up[:, k], *self.slopes)
            slope[rows] = middle
            gradient = self.sign[k] * ((G * slope) @ x)
            values = np.linalg.lstsq(x[rows].T, gradient, rcond=None)[0]
            limits = self.sign[k] * c * G[rows]
            floor = noise * np.sqrt(len(w)) + 1e-9 * (np.abs(values) + np.abs(limits))
            beyond = np.abs(values) - limits - floor
            position = int(np.argmax(beyond))
            if beyond[position] > excess:
                worst, excess = (k, position, float(values[position])), float(beyond[position])
        return worst


def _least_squares(design: F64, target: F64) -> F64:
    """The shortest least-squares solution: normal equations where they are safe, singular values where they are not."""
    size = np.sqrt(np.einsum("ij,ij->j", design, design))
    scale = np.where(size > 0.0, size, 1.0)
    if len(design) > 4 * design.shape[1]:
        scaled = design / scale
        gram = scaled.T @ scaled
        live = size > 0.0
        try:
            factor = linalg.cho_factor(gram[np.ix_(live, live)])
            if np.diagonal(factor[0]).min(initial=1.0) > 1e-4:
                step = np.zeros(design.shape[1])
                for _ in range(2):
                    rest = target - scaled @ step
                    step[live] += linalg.cho_solve(factor, (scaled.T @ rest)[live])
                return step / scale
        except linalg.LinAlgError:
            pass
    return np.linalg.lstsq(design / scale, target, rcond=1e-11)[0] / scale
