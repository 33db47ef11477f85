"""The data in a centred, power-of-two scaled frame, read block by block.

(a) Frame. Column k is read as x'_k = 2^-e_k x_k - c_k and the target as y' = 2^-e_y y - c_y. The centre c is a float64
    close to the column means, so that an offset (years, 1e8) costs no digits; the exponents e are 0 unless a column
    leaves 2^±200, so that squares neither overflow nor underflow. An affine function of x is one of x' and back,
    with rational coefficients: nothing is lost by the change of frame.
(b) Rounding. fl(x - c) = (x - c)(1 + d), |d| <= u = 2^-53. A sum of n products in any order has error at most
    gamma_n sum|a b|, gamma_n = n u/(1 - n u) (Higham 2002, section 3.1). Where the data are rationals that float64
    cannot hold, every entry carries one more relative error u; `entry_error` is that u, or 0.
(c) Memory. One block of BLOCK rows at a time; X is never copied as a whole.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.exact.dyadic import power_of_two
from fastminima.exact.matrix import dot
from fastminima.exact.roundoff import SLACK, U, gamma_n
from fastminima.system.first_use import cached_property

__all__ = ["BLOCK", "CentredArrays", "CentredData"]

Array = NDArray[np.float64]

BLOCK = 4096
_WIDE = 200


def _exponent(largest: float) -> int:
    """The power of two to divide by: 0 where float64 squares are safe without one."""
    if largest == 0.0 or 2.0**-_WIDE <= largest <= 2.0**_WIDE:
        return 0
    return math.frexp(largest)[1]


def _exact_exponent(column: NDArray[np.object_], scale: Fraction) -> int:
    largest = max((abs(int(v)) for v in column), default=0) * abs(scale)
    if largest == 0:
        return 0
    magnitude = largest.numerator.bit_length() - largest.denominator.bit_length()
    return magnitude if abs(magnitude) > _WIDE else 0


def _scaled_column(column: NDArray[np.object_], scale: Fraction, exponent: int) -> Array:
    factor = scale / Fraction(2) ** exponent
    return np.array([float(Fraction(int(v)) * factor) for v in column], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class CentredData(ABC):
    """The data in the centred, scaled frame, wherever their rows are.

    Attributes
    ----------
    data : Dataset
    centre : (n_features,) float64, centre_y : float
        c and c_y, in scaled units.
    exponents : (n_features,) int, exponent_y : int
        e and e_y.
    entry_error : float
        Relative error of an entry against the exact data: 0, or u for data that are rationals.
    """

    data: Dataset
    centre: Array
    centre_y: float
    exponents: NDArray[np.int64]
    exponent_y: int
    entry_error: float

    # ---- what differs with the place of the rows ---------------------------------------------------------

    @abstractmethod
    def raw_blocks(self) -> Iterator[tuple[slice, Array, Array, Array | None]]:
        """Yield (rows, X, y, weights) in scaled units, not centred."""

    @abstractmethod
    def gather(self, index: NDArray[np.intp] | None) -> Array:
        """X' of the given rows (all rows for None) as one new array."""

    @abstractmethod
    def norms(self, rows: slice, X: Array) -> Array:
        """||(1, x_i)|| of the data as given, for one block of `blocks`; exponents must be 0."""

    @property
    @abstractmethod
    def partition(self) -> tuple[int, int]:
        """(most samples of a block, number of blocks)."""

    @property
    @abstractmethod
    def weighted(self) -> bool:
        """Whether samples carry weights."""

    @property
    @abstractmethod
    def weight_range(self) -> tuple[float, float]:
        """Smallest and largest weight."""

    @property
    @abstractmethod
    def total_weight(self) -> float:
        """Sum of the weights, rounded up; the number of samples without weights."""

    # ---- what does not -----------------------------------------------------------------------------------

    @property
    def n_samples(self) -> int:
        """m."""
        return self.data.n_samples

    @property
    def n_features(self) -> int:
        """dx."""
        return len(self.centre)

    def blocks(self) -> Iterator[tuple[slice, Array, Array, Array | None]]:
        """Yield (rows, X', y', weights); X' is overwritten by the next block.

        X' is in Fortran order: reductions over the samples then run along memory, five times as fast on thin matrices.
        """
        buffer = np.empty((self.n_features, 0))
        for rows, X, y, w in self.raw_blocks():
            if buffer.shape[1] < len(y):
                buffer = np.empty((self.n_features, len(y)))
            into = buffer[:, : len(y)]
            np.subtract(X.T, self.centre[:, None], out=into)
            yield rows, into.T, y - self.centre_y, w

    @cached_property
    def summation(self) -> float:
        """gamma of a sum over all samples made of block sums: a block's terms, then the blocks, plus the roundings
        of the centred entries, of the weight and of the products."""
        block, count = self.partition
        return gamma_n(block + count + 6) * SLACK

    @cached_property
    def exponent_w(self) -> int:
        """The power of two that the weights of `weights` and `blocks` are divided by."""
        return _exponent(self.weight_range[1])

    @cached_property
    def weights(self) -> Array | None:
        """Weights at a size whose products stay in range; where `regular` does not hold, small ones may vanish."""
        weights = self.data.sample_weight
        return weights if weights is None or not self.exponent_w else np.ldexp(weights, -self.exponent_w)

    @cached_property
    def regular(self) -> bool:
        """Whether all weights lie in 2^±200: only then do products with weights keep the relative error of (b).

        Entries differ from 0 by 2^-253 at least, so N_k sqrt(sum w) residual, a term of every bound, is above 2^-860,
        and what underflow takes from a product is below 2^-1074.
        """
        smallest, largest = self.weight_range
        return smallest >= 2.0**-_WIDE and largest <= 2.0**_WIDE

    @cached_property
    def unscaled(self) -> bool:
        """Whether all exponents are 0: then slopes are the same in the frame and in the units of the data."""
        return not (self.exponent_y or self.exponents.any())

    # An affine function has two spellings: exact rationals on the data as given (slopes, intercept), and
    # rationals in the frame, where its constant is the value at the centre minus c_y.

    def to_frame(self, slopes: list[Fraction], intercept: Fraction) -> tuple[list[Fraction], Fraction]:
        """Coefficients of 2^-e_y f(x) - c_y as a function of x', exactly."""
        inside = slopes
        if not self.unscaled:
            unit = power_of_two(-self.exponent_y)
            inside = [
                s * unit * power_of_two(e) for s, e in zip(slopes, self.exponents.tolist(), strict=True)
            ]
            intercept = intercept * unit
        return inside, intercept - Fraction(self.centre_y) + dot(inside, self.centre.tolist())

    def from_frame(self, slopes: list[Fraction], value: Fraction) -> tuple[list[Fraction], Fraction]:
        """The inverse of `to_frame`."""
        intercept = value + Fraction(self.centre_y) - dot(slopes, self.centre.tolist())
        if self.unscaled:
            return slopes, intercept
        unit = power_of_two(self.exponent_y)
        outside = [s * unit * power_of_two(-e) for s, e in zip(slopes, self.exponents.tolist(), strict=True)]
        return outside, intercept * unit

    def risk_to_float(self, risk: float) -> float:
        """A risk of the frame in the units of the data (2^(2e_y + e_w) times it); ±inf where float64 ends."""
        try:
            return math.ldexp(risk, 2 * self.exponent_y + self.exponent_w)
        except OverflowError:
            return math.copysign(math.inf, risk)

    def risk_bound(self, risk: float, side: float) -> float:
        """`risk_to_float` rounded towards `side` (-inf or inf): a bound stays one where float64 ends."""
        exponent = 2 * self.exponent_y + self.exponent_w
        try:
            value = math.ldexp(risk, exponent)
            if math.ldexp(value, -exponent) == risk:
                return value
        except OverflowError:
            value = math.copysign(math.inf, risk)
        return math.nextafter(value, side)


@dataclass(frozen=True, eq=False)
class CentredArrays(CentredData):
    """Rows in memory.

    Attributes
    ----------
    X : (n_samples, n_features) float64, y : (n_samples,) float64
        Those of the data; data that are rationals are scaled already, before they become float64.
    """

    X: Array
    y: Array

    @classmethod
    def of(cls, data: Dataset) -> CentredArrays:
        """Choose centre and exponents for `data` (one cheap pass)."""
        n = data.n_features
        if data.exact is not None:
            columns, scales = data.exact.numerators, data.exact.scales
            powers = [_exact_exponent(c, s) for c, s in zip(columns, scales, strict=True)]
            views = [_scaled_column(c, s, e) for c, s, e in zip(columns, scales, powers, strict=True)]
            X = np.ascontiguousarray(np.stack(views[:-1], axis=1)) if n else np.empty((data.n_samples, 0))
            y = views[-1]
            exponents, exponent_y = np.array(powers[:-1], dtype=np.int64), powers[-1]
            error = U
        else:
            X, y = data.X, data.y
            largest = np.zeros(n)
            for start in range(0, data.n_samples, BLOCK):
                block = X[start : start + BLOCK]
                np.maximum(
                    largest,
                    np.maximum(block.max(axis=0, initial=0.0), -block.min(axis=0, initial=0.0)),
                    out=largest,
                )
            exponents = np.array([_exponent(float(v)) for v in largest], dtype=np.int64)
            exponent_y = _exponent(float(np.abs(y).max()))
            error = 0.0
        frame = cls(data, np.zeros(n), 0.0, exponents, exponent_y, error, X, y)
        # every step-th row: a file sorted by time or by target has no typical first block
        head, head_y = frame._scaled(slice(None, None, -(-data.n_samples // BLOCK)))
        return replace(frame, centre=head.mean(axis=0), centre_y=float(head_y.mean()))

    def _scaled(self, rows: slice) -> tuple[Array, Array]:
        X, y = self.X[rows], self.y[rows]
        if self.data.exact is None:  # rationals were scaled when they became float64
            if self.exponents.any():
                X = np.ldexp(X, -self.exponents)
            if self.exponent_y:
                y = np.ldexp(y, -self.exponent_y)
        return X, y

    def raw_blocks(self) -> Iterator[tuple[slice, Array, Array, Array | None]]:
        """Yield (rows, X, y, weights) in scaled units, not centred."""
        weights = self.weights
        for start in range(0, len(self.y), BLOCK):
            rows = slice(start, start + BLOCK)
            X, y = self._scaled(rows)
            yield rows, X, y, None if weights is None else weights[rows]

    def gather(self, index: NDArray[np.intp] | None) -> Array:
        """X' of the given rows (all rows for None) as one new array."""
        if index is None:
            result = np.empty(self.X.shape)
            for rows, X, _, _ in self.blocks():
                result[rows] = X
            return result
        X = self.X[index]
        if self.data.exact is None and self.exponents.any():
            X = np.ldexp(X, -self.exponents)
        centred: Array = X - self.centre
        return centred

    def norms(self, rows: slice, X: Array) -> Array:
        """||(1, x_i)|| of the data as given, for one block of `blocks`; exponents must be 0."""
        raw = self.X[rows]
        norms: Array = np.sqrt(1.0 + np.einsum("ij,ij->i", raw, raw))
        return norms

    @property
    def partition(self) -> tuple[int, int]:
        """(most samples of a block, number of blocks)."""
        m = len(self.y)
        return min(m, BLOCK), -(-m // BLOCK)

    @property
    def weighted(self) -> bool:
        """Whether samples carry weights."""
        return self.data.sample_weight is not None

    @cached_property
    def weight_range(self) -> tuple[float, float]:
        """Smallest and largest weight."""
        weights = self.data.sample_weight
        return (1.0, 1.0) if weights is None else (float(weights.min()), float(weights.max()))

    @cached_property
    def total_weight(self) -> float:
        """Sum of the weights, rounded up; the number of samples without weights."""
        weights = self.data.sample_weight
        try:
            return float(len(self.y)) if weights is None else math.fsum(weights) * SLACK
        except OverflowError:
            return math.inf
