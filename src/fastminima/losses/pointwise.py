"""Losses of one row, phi(z; y): value, slope, curvature and what bounds them. They know no data.

z are the outputs of one row, y its target. phi is convex and differentiable, and separable into outputs unless it says
that it couples them. `per_sample` sums one over the rows of a table; a theorem that asks only for phi, its slope and
its curvature takes one from here.

(a) Floats. A computed slope is within slope_units (|slope| + slope_size) of the true one at a point within
    4 u (|z| + |y|) of z, and a computed curvature within 16 u of its size (`ELEMENTARY`); where outputs are coupled its
    root may miss gamma_{dy+8} max|d| more.
(b) Steps. Along d the curvature q of phi obeys |q'| <= kappa |d| q, so it stays within factors exp(±kappa |d|) of its
    value at z, and never exceeds L d^2. phi(z + d) - phi(z) - phi'(z) d is half a weighted mean of the curvatures on the
    way (Taylor's remainder), which `mean_curvatures` encloses: no two values of phi are ever subtracted.
(c) Signs. The sign of a slope at rational z and y is decided exactly, also where the slope itself is no rational: the
    transcendental ones vanish only where that shows without a computation (`slope_signs`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.errors import LossError
from fastminima.exact.dyadic import Ints
from fastminima.exact.matrix import RationalMatrix
from fastminima.exact.roundoff import U, gamma_n
from fastminima.system.options import as_count, spelled

from .base import Floats
from .elementary import expit, positive
from .slope_signs import log_odds_signs, probability_signs

__all__ = [
    "ELEMENTARY",
    "Huber",
    "LogCosh",
    "Logistic",
    "PointwiseLoss",
    "SmoothedQuantile",
    "Softmax",
    "Squared",
]

# exp, tanh and log1p of NumPy and of the C libraries stay within 4 units in the last place of the true value; the
# slopes and curvatures below are made of at most two of them and four more roundings: 16 units in all
ELEMENTARY = 16 * U
# beyond this exponent exp would overflow before it is capped
_MAX_WOBBLE = 700.0


class PointwiseLoss(ABC):
    """phi(z; y): a convex, differentiable function of the outputs z of one row and its target y.

    Attributes
    ----------
    lipschitz : float
        L: slopes are L-Lipschitz in z (Euclidean norm), so no curvature along d exceeds L |d|^2.
    kappa : float
        The logarithm of a curvature changes by at most this per unit of output (of the range of the outputs' changes,
        where outputs are coupled).
    slope_size : float
        Largest size of the numbers whose difference is a slope (p - y), where a slope may cancel; else 0.
    coupled : bool
        Does phi tie the outputs of a row together (softmax)?
    quadratic : bool
        Is phi a parabola? Then its curvature does not depend on the point.
    rational : bool
        Are values and slopes rational for rational z and y? Then `exact_values` and `exact_slopes` exist.

    Notes
    -----
    Z and Y are (rows, dy): outputs, and targets as `targets` returned them.
    """

    lipschitz: float = 1.0
    kappa: float = 0.0
    slope_size: float = 0.0
    coupled: bool = False
    quadratic: bool = False
    rational: bool = False

    def targets(self, Y: Floats) -> Floats:
        """Y as this loss reads it: class numbers become rows of probabilities, classes signs.

        Raises
        ------
        LossError
            Targets that this loss has no meaning for.
        """
        return Y

    def slope_units(self, outputs: int) -> float:
        """How far roundings may carry a slope of so many outputs, see line (a)."""
        return ELEMENTARY

    @abstractmethod
    def values(self, Z: Floats, Y: Floats) -> Floats:
        """phi, one number per row if coupled, else per output: (rows,) or (rows, dy)."""

    @abstractmethod
    def slopes(self, Z: Floats, Y: Floats) -> Floats:
        """d phi / d z, (rows, dy)."""

    @abstractmethod
    def curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        """The second derivative of phi along d at z: (rows, dy), or (rows,) if coupled."""

    @abstractmethod
    def slope_signs(self, Z: RationalMatrix, Y: RationalMatrix) -> Ints:
        """Signs (-1, 0, 1) of the slopes, exactly, (rows, dy); Y as `targets` returned it."""

    def exact_values(self, Z: RationalMatrix, Y: RationalMatrix) -> RationalMatrix:
        """phi per output, in rationals; LossError where `rational` is False."""
        raise self._irrational()

    def exact_slopes(self, Z: RationalMatrix, Y: RationalMatrix) -> RationalMatrix:
        """The slopes, in rationals; LossError where `rational` is False."""
        raise self._irrational()

    def _irrational(self) -> LossError:
        return LossError(
            f"{type(self).__name__} has no rational values and slopes; its slopes have exact signs (slope_signs)"
        )

    def mean_curvatures(
        self, Z: Floats, Y: Floats, d: Floats, z_error: Floats, d_error: Floats, exponent: int
    ) -> tuple[Floats, Floats]:
        """(low, high) with low/2 <= (phi(z + d) - phi(z) - phi'(z) d) / 4**exponent <= high/2, see line (b).

        Parameters
        ----------
        Z, Y : (rows, dy)
        d : (rows, dy)
            The step, in units of 2**exponent.
        z_error, d_error : (rows, dy) >= 0
            The bounds hold for all z and d within these of the given ones.
        exponent : int

        Returns
        -------
        two arrays, (rows,) if coupled, else (rows, dy)
        """
        unit = 2.0 ** min(exponent, 1023)
        q = np.sqrt(self.curvatures(Z, Y, d))
        if self.coupled:
            # the mean under p is off by a few roundings of the largest |d|
            spread = np.abs(d).max(axis=1)
            off = np.sqrt(self.lipschitz * (d_error * d_error).sum(axis=1)) + gamma_n(d.shape[1] + 8) * spread
            cap = self.lipschitz * ((np.abs(d) + d_error) ** 2).sum(axis=1)
            # exp(z + z_error) changes a ratio of probabilities by at most the range of z_error
            wobble = 2.0 * (z_error.max(axis=1) + (spread + d_error.max(axis=1)) * unit)
            wobble += 16 * U * np.abs(Z).max(axis=1)
        else:
            off = math.sqrt(self.lipschitz) * d_error
            cap = self.lipschitz * (np.abs(d) + d_error) ** 2
            # the last term: z - y, its quotient and exp's argument round too
            wobble = z_error + (np.abs(d) + d_error) * unit + 8 * U * (np.abs(Z) + np.abs(Y))
        factor = np.exp(np.minimum(self.kappa * wobble, _MAX_WOBBLE)) * (1.0 + 4 * ELEMENTARY)
        low = np.maximum(q * (1.0 - 4 * ELEMENTARY) - off, 0.0) ** 2 / factor
        high = np.minimum((q * (1.0 + 4 * ELEMENTARY) + off) ** 2 * factor, cap * (1.0 + 8 * U))
        # where curvatures underflow the lower bound is 0 and the cap holds
        high = np.where(q > 0.0, high, cap * (1.0 + 8 * U)) if self.kappa else high
        return np.minimum(low, high), high


def _signs(M: RationalMatrix) -> Ints:
    return np.sign(M.numerators)


class _OfResiduals(PointwiseLoss):
    """phi is even in z - y, so a slope has the sign of its residual."""

    def slope_signs(self, Z: RationalMatrix, Y: RationalMatrix) -> Ints:
        """Signs of the residuals."""
        return _signs(Z - Y)


@dataclass(frozen=True)
class Squared(_OfResiduals):
    """phi = (z - y)^2 / 2."""

    quadratic = True
    rational = True

    def values(self, Z: Floats, Y: Floats) -> Floats:
        """Half the squared residual."""
        E = Z - Y
        return 0.5 * E * E

    def slopes(self, Z: Floats, Y: Floats) -> Floats:
        """The residual."""
        return Z - Y

    def curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        """d^2."""
        return d * d

    def exact_values(self, Z: RationalMatrix, Y: RationalMatrix) -> RationalMatrix:
        """Half the squared residuals."""
        E = Z - Y
        return RationalMatrix(E.numerators * E.numerators, E.scale * E.scale / 2)

    def exact_slopes(self, Z: RationalMatrix, Y: RationalMatrix) -> RationalMatrix:
        """The residuals."""
        return Z - Y


@dataclass(frozen=True)
class Huber(_OfResiduals):
    """phi = e^2 / 2 where |e| <= delta, else delta (|e| - delta / 2); e = z - y.

    Parameters
    ----------
    delta : float, default 1.0
        Where the parabola turns into its tangents; finite, > 0.

    Raises
    ------
    LossError
        delta is not a finite number above 0.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> phi = fm.Huber(1.0)
    >>> phi.values(np.array([[0.5], [3.0]]), np.zeros((2, 1))).ravel().tolist()
    [0.125, 2.5]
    """

    delta: float = 1.0
    rational = True
    # the curvature jumps at the borders: `mean_curvatures` goes piece by piece
    kappa = math.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", positive(self.delta, "delta"))

    def values(self, Z: Floats, Y: Floats) -> Floats:
        """The parabola up to delta, its tangent beyond."""
        e = np.abs(Z - Y)
        inner = np.minimum(e, self.delta)
        return inner * (e - 0.5 * inner)

    def slopes(self, Z: Floats, Y: Floats) -> Floats:
        """The residual, clipped."""
        return np.clip(Z - Y, -self.delta, self.delta)

    def curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        """d^2 on the parabola, 0 on its tangents."""
        return np.where(np.abs(Z - Y) <= self.delta, d * d, 0.0)

    def mean_curvatures(
        self, Z: Floats, Y: Floats, d: Floats, z_error: Floats, d_error: Floats, exponent: int
    ) -> tuple[Floats, Floats]:
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
        slip = z_error / unit + d_error + self._slip(Z, Y) / unit + 8 * U * size
        off = (size + d_error) * np.minimum(slip, size + d_error)
        high = np.minimum(exact + off, 0.5 * (size + d_error) ** 2) * (1.0 + 2.0**-49)
        return 2.0 * np.maximum(exact - off, 0.0), 2.0 * np.maximum(high, 0.0)

    def _slip(self, Z: Floats, Y: Floats) -> Floats:
        """What four roundings of z - y and of its distance to ±delta may come to."""
        return np.asarray(4 * U * (np.abs(Z) + np.abs(Y) + self.delta))

    def _residuals(self, Z: RationalMatrix, Y: RationalMatrix) -> tuple[Ints, int, Fraction]:
        """Residuals and delta as integers over one unit."""
        E = Z - Y
        # adding 0 * delta brings both to a unit of which delta is a multiple
        delta = RationalMatrix(np.zeros(E.shape, dtype=int).astype(object), Fraction(self.delta))
        E = E + delta
        return E.numerators, int(Fraction(self.delta) / E.scale), E.scale

    def exact_values(self, Z: RationalMatrix, Y: RationalMatrix) -> RationalMatrix:
        """The definition."""
        residuals, delta, unit = self._residuals(Z, Y)
        size = np.abs(residuals)
        inner = np.minimum(size, delta)
        return RationalMatrix(inner * (2 * size - inner), unit * unit / 2)

    def exact_slopes(self, Z: RationalMatrix, Y: RationalMatrix) -> RationalMatrix:
        """The residuals, clipped."""
        residuals, delta, unit = self._residuals(Z, Y)
        return RationalMatrix(np.minimum(np.maximum(residuals, -delta), delta), unit)


@dataclass(frozen=True)
class Logistic(PointwiseLoss):
    """phi = log(1 + exp(-s z)), s = ±1 the class of each output."""

    lipschitz = 0.25
    kappa = 1.0

    def targets(self, Y: Floats) -> Floats:
        """Classes 0 and 1, or -1 and +1, as -1.0 and +1.0; LossError for any other."""
        values = set(np.unique(Y).tolist())
        if not (values <= {0.0, 1.0} or values <= {-1.0, 1.0}):
            shown = ", ".join(f"{v:g}" for v in sorted(values)[:5])
            raise LossError(f"logistic loss needs targets 0 and 1, or -1 and +1; Y holds {shown}")
        return np.asarray(np.where(Y > 0.0, 1.0, -1.0))

    def values(self, Z: Floats, Y: Floats) -> Floats:
        """log(1 + exp(-s z))."""
        return np.asarray(np.logaddexp(0.0, -Y * Z))

    def slopes(self, Z: Floats, Y: Floats) -> Floats:
        """-s p, p the probability of the other class."""
        return -Y * expit(-Y * Z)

    def curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        """p (1 - p) d^2."""
        small = np.exp(-np.abs(Z))
        return d * d * (small / (1.0 + small) ** 2)

    def slope_signs(self, Z: RationalMatrix, Y: RationalMatrix) -> Ints:
        """-s: no probability is 0."""
        return -_signs(Y)


@dataclass(frozen=True)
class Softmax(PointwiseLoss):
    """phi = log sum_c exp(z_c) - sum_c y_c z_c.

    Parameters
    ----------
    n_classes : int, optional
        dy where targets are class numbers; default the largest plus one.

    Notes
    -----
    Adding one number to all outputs of a row changes nothing.
    """

    n_classes: int | None = None
    coupled = True
    slope_size = 1.0
    # the largest eigenvalue of diag(p) - p p^T
    lipschitz = 0.5
    kappa = 1.0

    def targets(self, Y: Floats) -> Floats:
        """Class numbers 0, 1, ... (one column) as one-hot rows; rows of probabilities as they are.

        Raises
        ------
        LossError
            Class numbers that are not 0, 1, ..., or rows that are not probabilities.
        """
        if Y.shape[1] == 1:
            return self._hot(Y[:, 0])
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

    def _hot(self, labels: Floats) -> Floats:
        if (labels < 0).any() or (labels != np.floor(labels)).any():
            raise LossError("class numbers must be 0, 1, 2, ...; or give one row of probabilities per sample")
        count = int(labels.max()) + 1
        if self.n_classes is not None:
            count = as_count(self.n_classes, "n_classes", 1, error=LossError)
        if count <= labels.max() or count * len(labels) > 2**31:
            raise LossError(f"n_classes is {spelled(count)}, but Y holds class {labels.max():.0f}")
        hot = np.zeros((len(labels), count))
        hot[np.arange(len(labels)), labels.astype(np.intp)] = 1.0
        return hot

    def values(self, Z: Floats, Y: Floats) -> Floats:
        """The cross entropy of each row."""
        rows = np.arange(len(Z))
        top = Z.argmax(axis=1)
        shifted = Z - Z[rows, top][:, None]
        others = np.exp(shifted)
        # the largest term is 1: log1p of the others keeps the digits of a loss near 0
        others[rows, top] = 0.0
        return np.asarray(np.log1p(others.sum(axis=1)) - (Y * shifted).sum(axis=1))

    def slope_units(self, outputs: int) -> float:
        """Two exponentials, a quotient and a sum of up to 8 terms are the 16 units; every further term rounds once more."""
        return ELEMENTARY + max(outputs - 8, 0) * U

    @staticmethod
    def probabilities(Z: Floats) -> Floats:
        """p = exp(z_c) / sum exp(z)."""
        p = np.exp(Z - Z.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def slopes(self, Z: Floats, Y: Floats) -> Floats:
        """p - y."""
        return self.probabilities(Z) - Y

    def curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        """The variance of d under p."""
        p = self.probabilities(Z)
        centred = d - (p * d).sum(axis=1, keepdims=True)
        return np.asarray((p * centred * centred).sum(axis=1))

    def slope_signs(self, Z: RationalMatrix, Y: RationalMatrix) -> Ints:
        """Signs of p - y; 0 only where all outputs of a row are equal and y is their number's inverse."""
        return probability_signs(Z.rows(), Y.rows())


@dataclass(frozen=True)
class LogCosh(_OfResiduals):
    """phi = log cosh(z - y): a parabola near 0, the absolute value far from it."""

    kappa = 2.0

    def values(self, Z: Floats, Y: Floats) -> Floats:
        """log cosh of the residual."""
        t = np.abs(Z - Y)
        # log cosh t = log(1 + 2 sinh(t/2)^2): no cancellation near 0; beyond 1 the other form cannot overflow
        near = np.log1p(2.0 * np.sinh(0.5 * np.minimum(t, 1.0)) ** 2)
        return np.where(t < 1.0, near, t + np.log1p(np.exp(-2.0 * t)) - math.log(2.0))

    def slopes(self, Z: Floats, Y: Floats) -> Floats:
        """tanh of the residual."""
        return np.asarray(np.tanh(Z - Y))

    def curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        """d^2 / cosh^2."""
        small = np.exp(-2.0 * np.abs(Z - Y))
        return d * d * (4.0 * small / (1.0 + small) ** 2)


@dataclass(frozen=True)
class SmoothedQuantile(PointwiseLoss):
    """phi = tau e + s log(1 + exp(-e / s)), e = y - z: the pinball loss with a rounded corner.

    Parameters
    ----------
    tau : float, default 0.5
        The quantile, between 0 and 1.
    smoothing : float, default 1.0
        s > 0: how wide the corner is; s to 0 gives the pinball loss max(tau e, (tau - 1) e).

    Raises
    ------
    LossError
        tau outside (0, 1), or smoothing not a finite number above 0.
    """

    tau: float = 0.5
    smoothing: float = 1.0
    slope_size = 1.0

    def __post_init__(self) -> None:
        tau = positive(self.tau, "tau")
        if tau >= 1.0:
            raise LossError(f"tau must be between 0 and 1, got {spelled(self.tau)}")
        object.__setattr__(self, "tau", tau)
        object.__setattr__(self, "smoothing", positive(self.smoothing, "smoothing"))
        # rounded up
        object.__setattr__(self, "lipschitz", 0.25 / self.smoothing * (1.0 + 2.0**-52))
        object.__setattr__(self, "kappa", 1.0 / self.smoothing * (1.0 + 2.0**-52))

    def values(self, Z: Floats, Y: Floats) -> Floats:
        """The definition, by logaddexp."""
        e = Y - Z
        return np.asarray(self.tau * e + self.smoothing * np.logaddexp(0.0, -e / self.smoothing))

    def slopes(self, Z: Floats, Y: Floats) -> Floats:
        """expit((z - y) / s) - tau."""
        return expit((Z - Y) / self.smoothing) - self.tau

    def curvatures(self, Z: Floats, Y: Floats, d: Floats) -> Floats:
        """p (1 - p) d^2 / s."""
        small = np.exp(-np.abs(Z - Y) / self.smoothing)
        return d * d * (small / (1.0 + small) ** 2) / self.smoothing

    def slope_signs(self, Z: RationalMatrix, Y: RationalMatrix) -> Ints:
        """Signs of (z - y) / s - log(tau / (1 - tau)); 0 only for tau = 1/2 at z = y."""
        return log_odds_signs((Z - Y).times(1 / Fraction(self.smoothing)), Fraction(self.tau))
