"""Huber, logistic, softmax, log-cosh and quantile losses of a deep linear network, as functions of its product.

Each gives phi, its slope and its curvature; sums over the samples, error bounds and changes are `RowLoss`'s.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from fastminima.errors import LossError
from fastminima.exact.dyadic import Ints
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.exact.roundoff import U

from .base import Floats
from .per_sample import RowLoss

__all__ = ["HuberLoss", "LogCoshLoss", "LogisticLoss", "SmoothedQuantileLoss", "SoftmaxCrossEntropy"]


def _slip(Z: Floats, Y: Floats, delta: float) -> Floats:
    """What four roundings of z - y and of its distance to ±delta may come to."""
    return np.asarray(4 * U * (np.abs(Z) + np.abs(Y) + delta))


def _positive(value: float, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise LossError(f"{name} must be a number above 0, got {value!r}") from error
    if not math.isfinite(number) or number <= 0.0:
        raise LossError(f"{name} must be finite and above 0, got {value!r}")
    return number


def _expit(t: Floats) -> Floats:
    """1 / (1 + exp(-t)) to a few units in the last place, on both sides."""
    small = np.exp(-np.abs(t))
    return np.where(t >= 0.0, 1.0, small) / (1.0 + small)


class HuberLoss(RowLoss):
    """ell0(R) = sum over entries e of R x_i - y_i: e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2).

    Parameters
    ----------
    X, Y, bias
        As in `SquaredLoss`.
    delta : float, default 1.0
        Where the parabola turns into its tangents; finite, > 0.

    Raises
    ------
    LossError
        delta is not a finite number above 0.
    DataError, DataTypeError
        As in `SquaredLoss`.
    """

    rational = True

    def __init__(self, X: Any, Y: Any, delta: float = 1.0, *, bias: bool = False) -> None:
        self.delta = _positive(delta, "delta")
        super().__init__(X, Y, bias=bias)

    def _values(self, Z: Floats, Y: Floats) -> Floats:
        e = np.abs(Z - Y)
        inner = np.minimum(e, self.delta)
        return inner * (e - 0.5 * inner)

    def _slopes(self, Z: Floats, Y: Floats) -> Floats:
        return np.clip(Z - Y, -self.delta, self.delta)

    def _curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        return np.where(np.abs(Z - Y) <= self.delta, d * d, 0.0)

    def _remainder(
        self, Z: Floats, Y: Floats, d: Floats, z_error: Floats, d_error: Floats, exponent: int
    ) -> tuple[float, float]:
        """Pieces in closed form. The remainder moves by at most |d| times what z and d move (slopes are 1-Lipschitz)."""
        unit = 2.0 ** min(max(exponent, -1000), 1000)
        # both ends of the segment are measured from the piece's border in the direction of d: by symmetry d >= 0
        e = np.where(d < 0.0, Y - Z, Z - Y)
        # in units of 2**exponent: how far to +delta, how much of the way lies below -delta, how much beyond +delta
        to_top = (self.delta - e) / unit
        size = np.abs(d)
        outside = np.minimum(np.maximum((-self.delta - e) / unit, 0.0), size)
        end = np.minimum(size, np.maximum(to_top, 0.0))
        inside = np.maximum(end - outside, 0.0)
        exact = inside * (0.5 * inside + (size - end))
        # z - y, its distances to +-delta and their differences: 8 roundings of the sizes involved
        slip = z_error / unit + d_error + _slip(Z, Y, self.delta) / unit + 8 * U * size
        off = (size + d_error) * np.minimum(slip, size + d_error)
        high = np.minimum(exact + off, 0.5 * (size + d_error) ** 2) * (1.0 + 2.0**-49)
        return float(np.sum(np.maximum(exact - off, 0.0))), float(np.sum(np.maximum(high, 0.0)))

    def _residuals(self, R: RationalMatrix) -> tuple[Ints, int, Fraction]:
        """Residuals and delta as integers over one unit."""
        X, Y = self._exact_tables
        # adding 0 * delta brings both to a unit of which delta is a multiple
        E = X @ R.T - Y
        delta = RationalMatrix(np.zeros(E.shape, dtype=int).astype(object), Fraction(self.delta))
        E = E + delta
        return E.numerators, int(Fraction(self.delta) / E.scale), E.scale

    def exact_value(self, R: Rationals) -> Fraction:
        """The sum over samples, in rationals."""
        residuals, delta, unit = self._residuals(RationalMatrix.of(R))
        size = np.abs(residuals)
        inner = np.minimum(size, delta)
        return int((inner * (2 * size - inner)).sum()) * unit * unit / 2

    def gradient_at(self, R: RationalMatrix) -> RationalMatrix:
        """Sum of clipped residuals times inputs, in rationals."""
        residuals, delta, unit = self._residuals(R)
        clipped = np.minimum(np.maximum(residuals, -delta), delta)
        return RationalMatrix(clipped, unit).T @ self._exact_tables[0]

    def exact_gradient(self, R: Rationals) -> Rationals:
        """Sum of clipped residuals times inputs, in rationals."""
        return self.gradient_at(RationalMatrix.of(R)).rows()

    def exact_change(self, R: Rationals, D: Rationals) -> Fraction:
        """Difference of the exact values: rationals do not cancel."""
        moved = [[r + d for r, d in zip(row, other, strict=True)] for row, other in zip(R, D, strict=True)]
        return self.exact_value(moved) - self.exact_value(R)


class LogisticLoss(RowLoss):
    """ell0(R) = sum over entries log(1 + exp(-s z)), z an output of R x_i, s = ±1 its class.

    Parameters
    ----------
    X, bias
        As in `SquaredLoss`.
    Y : array-like, shape (m, dy) or (m,)
        Classes 0 and 1, or -1 and +1; each output is a yes-or-no question of its own.

    Raises
    ------
    LossError
        Targets that are neither 0 and 1 nor -1 and +1.
    DataError, DataTypeError
        As in `SquaredLoss`.
    """

    lipschitz = 0.25
    kappa = 1.0

    def _targets(self, Y: Floats) -> Floats:
        values = set(np.unique(Y).tolist())
        if not (values <= {0.0, 1.0} or values <= {-1.0, 1.0}):
            shown = ", ".join(f"{v:g}" for v in sorted(values)[:5])
            raise LossError(f"logistic loss needs targets 0 and 1, or -1 and +1; Y holds {shown}")
        return np.asarray(np.where(Y > 0.0, 1.0, -1.0))

    def _values(self, Z: Floats, Y: Floats) -> Floats:
        return np.asarray(np.logaddexp(0.0, -Y * Z))

    def _slopes(self, Z: Floats, Y: Floats) -> Floats:
        return -Y * _expit(-Y * Z)

    def _curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        small = np.exp(-np.abs(Z))
        return d * d * (small / (1.0 + small) ** 2)


class SoftmaxCrossEntropy(RowLoss):
    """ell0(R) = sum_i log sum_c exp(z_c) - sum_c y_c z_c, z = R x_i.

    Parameters
    ----------
    X, bias
        As in `SquaredLoss`.
    Y : array-like, shape (m, dy), or (m,) of class numbers
        One row of class probabilities (one-hot rows included) per sample, or the classes 0, 1, ... themselves.
    n_classes : int, optional
        dy when Y holds class numbers; default the largest plus one.

    Raises
    ------
    LossError
        Class numbers that are not 0, 1, ..., or rows that are not probabilities.
    DataError, DataTypeError
        As in `SquaredLoss`.

    Notes
    -----
    Adding one number to all outputs of a sample changes nothing, so minima are never isolated.
    """

    coupled = True
    slope_size = 1.0
    # the largest eigenvalue of diag(p) - p p^T
    lipschitz = 0.5
    kappa = 1.0

    def __init__(self, X: Any, Y: Any, n_classes: int | None = None, *, bias: bool = False) -> None:
        self._classes = n_classes
        super().__init__(X, Y, bias=bias)

    def _targets(self, Y: Floats) -> Floats:
        if Y.shape[1] == 1:
            labels = Y[:, 0]
            if (labels < 0).any() or (labels != np.floor(labels)).any():
                raise LossError(
                    "class numbers must be 0, 1, 2, ...; or give one row of probabilities per sample"
                )
            count = int(labels.max()) + 1 if self._classes is None else int(self._classes)
            if count <= labels.max() or count * len(Y) > 2**31:
                raise LossError(f"n_classes is {count}, but Y holds class {labels.max():.0f}")
            hot = np.zeros((len(Y), count))
            hot[np.arange(len(Y)), labels.astype(np.intp)] = 1.0
            return hot
        # a row of dy rounded probabilities sums to 1 up to half a unit each, and the sum rounds dy times
        off = np.abs(Y.sum(axis=1) - 1.0)
        bad = (Y < 0.0).any(axis=1) | (off > 2 * Y.shape[1] * 2.0**-52)
        if bad.any():
            row = int(bad.argmax())
            raise LossError(
                f"row {row} of Y (counting from 0) is not a row of probabilities: it must be >= 0 and sum to 1, "
                f"and sums to {Y[row].sum():.17g}"
            )
        return Y

    def _values(self, Z: Floats, Y: Floats) -> Floats:
        rows = np.arange(len(Z))
        top = Z.argmax(axis=1)
        shifted = Z - Z[rows, top][:, None]
        others = np.exp(shifted)
        # the largest term is 1: log1p of the others keeps the digits of a loss near 0
        others[rows, top] = 0.0
        return np.asarray(np.log1p(others.sum(axis=1)) - (Y * shifted).sum(axis=1))

    @staticmethod
    def _probabilities(Z: Floats) -> Floats:
        p = np.exp(Z - Z.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def _slopes(self, Z: Floats, Y: Floats) -> Floats:
        return self._probabilities(Z) - Y

    def _curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        p = self._probabilities(Z)
        centred = d - (p * d).sum(axis=1, keepdims=True)
        return np.asarray((p * centred * centred).sum(axis=1))


class LogCoshLoss(RowLoss):
    """ell0(R) = sum over entries log cosh(R x_i - y_i): a parabola near 0, the absolute value far from it.

    Parameters and errors are those of `SquaredLoss`.
    """

    kappa = 2.0

    def _values(self, Z: Floats, Y: Floats) -> Floats:
        t = np.abs(Z - Y)
        # log cosh t = log(1 + 2 sinh(t/2)^2): no cancellation near 0; beyond 1 the other form cannot overflow
        near = np.log1p(2.0 * np.sinh(0.5 * np.minimum(t, 1.0)) ** 2)
        return np.where(t < 1.0, near, t + np.log1p(np.exp(-2.0 * t)) - math.log(2.0))

    def _slopes(self, Z: Floats, Y: Floats) -> Floats:
        return np.asarray(np.tanh(Z - Y))

    def _curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        small = np.exp(-2.0 * np.abs(Z - Y))
        return d * d * (4.0 * small / (1.0 + small) ** 2)


class SmoothedQuantileLoss(RowLoss):
    """ell0(R) = sum over entries tau e + s log(1 + exp(-e / s)), e = y - z: the pinball loss with a rounded corner.

    Parameters
    ----------
    X, Y, bias
        As in `SquaredLoss`.
    tau : float, default 0.5
        The quantile, between 0 and 1.
    smoothing : float, default 1.0
        s > 0: how wide the corner is; s to 0 gives the pinball loss max(tau e, (tau - 1) e).

    Raises
    ------
    LossError
        tau outside (0, 1), or smoothing not a finite number above 0.
    DataError, DataTypeError
        As in `SquaredLoss`.
    """

    slope_size = 1.0

    def __init__(
        self, X: Any, Y: Any, tau: float = 0.5, smoothing: float = 1.0, *, bias: bool = False
    ) -> None:
        self.tau = _positive(tau, "tau")
        if self.tau >= 1.0:
            raise LossError(f"tau must be between 0 and 1, got {tau!r}")
        self.smoothing = _positive(smoothing, "smoothing")
        self.lipschitz = 0.25 / self.smoothing * (1.0 + 2.0**-52)
        self.kappa = 1.0 / self.smoothing * (1.0 + 2.0**-52)
        super().__init__(X, Y, bias=bias)

    def _values(self, Z: Floats, Y: Floats) -> Floats:
        e = Y - Z
        return np.asarray(self.tau * e + self.smoothing * np.logaddexp(0.0, -e / self.smoothing))

    def _slopes(self, Z: Floats, Y: Floats) -> Floats:
        return _expit((Z - Y) / self.smoothing) - self.tau

    def _curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        small = np.exp(-np.abs(Z - Y) / self.smoothing)
        return d * d * (small / (1.0 + small) ** 2) / self.smoothing
