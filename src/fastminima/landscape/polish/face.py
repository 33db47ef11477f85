"""A face in float64: samples held on boundaries, sides elsewhere, and the convex quadratic that the risk is there.

Output weights a_k stay; with q_k = |a_k| u_k and sigma_k = sign a_k the outputs are sum_k sigma_k s_ik <q_k, x~_i> + b2,
linear in theta = (q, b2) while no sample changes sides. Inputs are standardised first: sides do not depend on that.
Everything here only chooses; what is claimed is decided in rational numbers afterwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from .quadratic import Quadratic
from .samples import Samples

__all__ = ["Face"]

F64 = NDArray[np.float64]

# singular values of a row relative to the others' span below which an input counts as dependent
_DEPENDENT = 1e-9
# products with an orthonormal basis this small beside the input are rounding
_ROUNDING = 1e-13
# curvatures below this share of their unit's are rounding of the sums they came from
_NO_CURVATURE = 1e-13
# pivots and eigenvalues of the scaled Hessian from which on float64 sums can be trusted to give a direction
_SAFE = 1e-12
# a slope, beside sqrt(curvature * sum w y^2), that the sums cannot tell from 0
_NO_SLOPE = 1e-11


class Face:
    """Where the walk stands.

    Parameters
    ----------
    samples : Samples
    q : (d1, n) float64
    bias : float
    sign : (d1,) float64
        sigma_k; 0 for units that stay as they are (a_k = 0).
    slopes : (s_plus, s_minus)
    up : (m, d1) bool
        Which slope a sample has; for held samples it is of no consequence.

    Attributes
    ----------
    theta : (N,) float64
        (q, bias).
    held : list of d1 lists of sample numbers
        W_k, with independent inputs.
    quadratic : Quadratic
    """

    def __init__(
        self,
        samples: Samples,
        q: F64,
        bias: float,
        sign: F64,
        slopes: tuple[float, float],
        up: NDArray[np.bool_],
    ) -> None:
        self.samples, self.sign, self.slopes, self.up = samples, sign, slopes, np.ascontiguousarray(up)
        self.theta = np.append(q.ravel(), bias)
        self.held: list[list[int]] = [[] for _ in sign]
        # (orthogonal matrix whose first columns span the held inputs, map from a gradient to multipliers)
        self._frames: list[tuple[F64, F64] | None] = [None for _ in sign]
        self.quadratic = Quadratic(samples, sign, slopes, self.up, self.theta)
        self._size = float(np.sqrt(samples.w @ (samples.y * samples.y)))

    @property
    def q(self) -> F64:
        """(d1, n)."""
        return self.theta[:-1].reshape(len(self.sign), -1)

    @property
    def bias(self) -> float:
        """The output bias."""
        return float(self.theta[-1])

    @property
    def gradient(self) -> F64:
        """(N,) of the risk on the cell."""
        return self.quadratic.gradient(self.theta)

    @property
    def reach(self) -> F64:
        """(d1,) preactivations, beside the length of the input, that are no more than rounding."""
        size = np.linalg.norm(self.q, axis=1)
        return np.maximum(_DEPENDENT * size, _ROUNDING * size.max(initial=0.0))

    def risk(self) -> float:
        """Risk without the pure error, from all samples."""
        e = self.quadratic.residual(self.theta, slice(None))
        return 0.5 * float(self.samples.w @ (e * e))

    def hold(self, k: int, sample: int) -> bool:
        """Hold a sample on the boundary of unit k; False where its input depends on those held."""
        x, frame = self.samples.x, self._frames[k]
        rest = x[sample]
        if frame is not None:
            basis = frame[0][:, : len(self.held[k])]
            rest = rest - basis @ (basis.T @ rest)
        if np.linalg.norm(rest) <= _DEPENDENT * np.linalg.norm(x[sample]):
            return False
        self.held[k].append(sample)
        self._frame(k)
        return True

    def release(self, k: int, position: int, up: bool) -> None:
        """Let a held sample go, to one side."""
        sample = self.held[k].pop(position)
        self._frame(k)
        if self.up[sample, k] != up:
            self.quadratic.cross([(sample, k)], self.theta)

    def _frame(self, k: int) -> None:
        rows = self.held[k]
        if not rows:
            self._frames[k] = None
            return
        full, triangle = np.linalg.qr(self.samples.x[rows].T, mode="complete")
        held = len(rows)
        self._frames[k] = full, np.linalg.solve(triangle[:held], full[:, :held].T)

    def move(self, delta: F64, t: float, crossed: list[tuple[int, int]]) -> None:
        """A step along a line, with the samples that change sides on it."""
        self.theta = self.theta + t * delta
        # rounding takes rows off the boundaries of what they hold
        for k, frame in enumerate(self._frames):
            if frame is not None:
                basis, row = frame[0][:, : len(self.held[k])], self.q[k]
                row -= basis @ (basis.T @ row)
        if crossed:
            self.quadratic.cross(crossed, self.theta)

    def step_to_minimum(self) -> F64:
        """Step (N,) to the minimum of the quadratic on this face, a short one where it is flat."""
        n = self.samples.x.shape[1]
        A, g = self.quadratic.hessian.copy(), self.gradient
        free = np.ones(len(g), dtype=bool)
        for k, frame in enumerate(self._frames):
            part = slice(k * n, (k + 1) * n)
            if not self.sign[k]:
                free[part] = False
            elif frame is not None:
                full = frame[0]
                A[part] = full.T @ A[part]
                A[:, part] = A[:, part] @ full
                g[part] = full.T @ g[part]
                free[k * n : k * n + len(self.held[k])] = False
        most = np.append(np.repeat(np.diagonal(A)[:-1].reshape(-1, n).max(axis=1), n), A[-1, -1])
        free &= np.diagonal(A) > _NO_CURVATURE * most
        step = np.zeros(len(g))
        if free.all():
            step = -self._solve(A, g, free)
        else:
            step[free] = -self._solve(A[np.ix_(free, free)], g[free], free)
        return self._unframed(step)

    def _unframed(self, step: F64) -> F64:
        """Coordinates along the frames as a step of (q, bias)."""
        rows = step[:-1].reshape(len(self.sign), -1)
        for k, frame in enumerate(self._frames):
            if frame is not None and self.sign[k]:
                rows[k] = frame[0] @ rows[k]
        return step

    def _solve(self, A: F64, g: F64, free: NDArray[np.bool_]) -> F64:
        """A s = g for A positive semidefinite: its sums where they are safe, all samples where they are not."""
        scale = np.sqrt(np.diagonal(A))
        A = A / scale / scale[:, None]
        g = g / scale
        # LAPACK itself: at this size a wrapper's checks cost as much as the work
        factor, failed = linalg.lapack.dpotrf(A, lower=1)
        if not failed and np.diagonal(factor).min(initial=1.0) ** 2 > _SAFE:
            step = linalg.lapack.dpotrs(factor, g, lower=1)[0]
            step += linalg.lapack.dpotrs(factor, g - A @ step, lower=1)[0]
            return np.asarray(step).reshape(g.shape) / scale
        values, vectors = np.linalg.eigh(A)
        along = vectors.T @ g
        sure = values > _SAFE
        if (np.abs(along[~sure]) > _NO_SLOPE * self._size).any():
            return self._from_samples(free, scale)
        return vectors[:, sure] @ (along[sure] / values[sure]) / scale

    def _from_samples(self, free: NDArray[np.bool_], scale: F64) -> F64:
        """The shortest step by the singular values of the design itself, negated."""
        n, root = self.samples.x.shape[1], np.sqrt(self.samples.w)[:, None]
        design = self.quadratic.design(slice(None))
        for k, frame in enumerate(self._frames):
            if frame is not None and self.sign[k]:
                part = slice(k * n, (k + 1) * n)
                design[:, part] = design[:, part] @ frame[0]
        table = np.empty((len(design), len(scale) + 1))
        np.divide(design[:, free], scale / root, out=table[:, :-1])
        table[:, -1] = root[:, 0] * self.quadratic.residual(self.theta, slice(None))
        if len(table) > 2 * table.shape[1]:
            table = np.asarray(linalg.qr(table, mode="r", check_finite=False)[0])[: table.shape[1]]
        return np.asarray(np.linalg.lstsq(table[:, :-1], table[:, -1], rcond=1e-11)[0]) / scale

    def worst_multiplier(self, touching: NDArray[np.intp]) -> tuple[int, int, float] | None:
        """(unit, position in W_k, multiplier) of the held sample that is farthest beyond its limit; None if none is.

        A multiplier is beyond its limit when it is so by more than rounding: relative to its own size, and to what
        the sums would be for residuals of the size of y (a residual of 0 leaves nothing but noise).

        Parameters
        ----------
        touching : (d1,) intp
            How many samples are on the boundary of each unit. Where they are more than are held (a row of 0 has all of
            them), multipliers are not unique, and the exact decision has to look at them together.
        """
        x, w, y = self.samples.x, self.samples.w, self.samples.y
        n, half = x.shape[1], (self.slopes[0] - self.slopes[1]) / 2.0
        noise = 1e-13 * float(np.abs(w * y).max(initial=0.0)) * np.sqrt(len(w))
        gradient = self.gradient
        worst: tuple[int, int, float] | None = None
        excess = 0.0
        every = np.array([sample for rows in self.held for sample in rows], dtype=np.intp)
        residual = w[every] * self.quadratic.residual(self.theta, every)
        end = 0
        for k, (rows, frame) in enumerate(zip(self.held, self._frames, strict=True)):
            begin, end = end, end + len(rows)
            if frame is None or not self.sign[k] or touching[k] > len(rows):
                continue
            G = self.sign[k] * residual[begin:end]
            # the quadratic has held samples at the slope of one side; their multipliers are about the middle
            own = gradient[k * n : (k + 1) * n] - np.where(self.up[rows, k], half, -half) * G @ x[rows]
            values = frame[1] @ own
            limits = half * G
            beyond = np.abs(values) - limits - noise - 1e-9 * (np.abs(values) + np.abs(limits))
            position = int(np.argmax(beyond))
            if beyond[position] > excess:
                worst, excess = (k, position, float(values[position])), float(beyond[position])
        return worst
