"""Sums of a pointwise loss over samples, w_i phi(R x_i; y_i): sums in blocks, error bounds and changes, once for all.

What phi is stands in `pointwise`, which knows no data; what is known of data and products stands here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastminima.data.coerce import Table, as_matrix, as_vector
from fastminima.errors import DataError, LossError
from fastminima.exact.dyadic import Ints
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.exact.roundoff import U, gamma_n
from fastminima.system.first_use import cached_property
from fastminima.system.options import as_flag

from .base import Change, Floats, ProductLoss, ScaledMatrix, linear_term
from .pointwise import PointwiseLoss

__all__ = ["RowLoss", "Rows"]

Rows = ArrayLike | Sequence[Any]
"""Real numbers by rows: arrays, frames, lists, of any kind that is exact."""

_ROWS = 8192


def _root(squares: Any, terms: int) -> Any:
    """sqrt of a sum of squares, with what the squares of `terms` numbers below 1e-154 may have lost to underflow."""
    return np.sqrt(squares + terms * 2.0**-1073)


def _norms(A: Floats) -> Floats:
    """Norms of the columns, rounded up; 0 for columns of zeros alone."""
    squares = np.einsum("ij,ij->j", A, A)
    norms = _root(squares, len(A)) * (1.0 + gamma_n(len(A) + 8))
    flat = np.flatnonzero(squares == 0.0)
    norms[flat] *= A[:, flat].any(axis=0)
    return np.asarray(norms)


def _dimensions(data: Any) -> int:
    """How many axes the data have; frames have two."""
    known = getattr(data, "ndim", None)
    if known is None and isinstance(data, (list, tuple)):
        return 1 if not any(isinstance(row, (list, tuple, np.ndarray)) for row in data) else 2
    return 2 if known is None else int(known)


def _sampled(X: Any, Y: Any, bias: bool) -> tuple[Table, Table, Floats]:
    """(X as read, Y as read, X with its constant column when `bias`).

    Raises
    ------
    DataError
        No rows or columns, lengths that differ, NaN or inf.
    DataTypeError
        Data without an exact meaning as real numbers.
    """
    bias = as_flag(bias, "bias")
    inputs = as_matrix(X, "X")
    targets = as_vector(Y, "Y") if _dimensions(Y) == 1 else as_matrix(Y, "Y")
    m, width = inputs.values.shape
    if len(targets.values) != m:
        raise DataError(f"X has {m} rows and Y has {len(targets.values)}; they must be the same samples")
    if width + bias == 0:
        raise DataError("X has no columns; a linear network needs at least one input (or bias=True)")
    if targets.values.shape[1] == 0:
        raise DataError("Y has no columns; a loss needs at least one output")
    values = inputs.values
    if bias:
        values = np.hstack([values, np.ones((m, 1))])
        values.flags.writeable = False
    return inputs, targets, values


def _weighed(weights: Any, m: int) -> Floats:
    """Weights as float64, (m,)."""
    given = as_vector(weights, "weights")
    values = given.values[:, 0]
    if len(values) != m:
        raise LossError(f"X has {m} rows and there are {len(values)} weights; pass one weight per sample")
    if given.rounded:
        raise LossError("weights holds numbers that are not float64 numbers; round them first")
    if values.min() < 0.0 or not values.any():
        raise LossError(
            f"weights must be >= 0, one of them above 0; got {values.min():g} to {values.max():g}"
        )
    return values


class RowLoss(ProductLoss):
    """ell0(R) = sum_i w_i phi(R x_i; y_i): a pointwise loss composed with a table.

    Parameters
    ----------
    pointwise : PointwiseLoss
        phi.
    X : array-like, shape (m, dx)
    Y : array-like, shape (m, dy) or (m,)
        As phi reads targets.
    weights : array-like, shape (m,), optional
        float64 numbers w_i >= 0; default all 1.
    bias : bool
        Append a constant input to X: R is then (dy, dx + 1), its last column the bias.

    Raises
    ------
    LossError
        Targets that phi has no meaning for; weights that are not one number >= 0 per sample.
    DataError
        No rows or columns, lengths that differ, NaN or inf.
    DataTypeError
        Data without an exact meaning as real numbers.

    Notes
    -----
    Error of the gradient. z = R x is off by at most (gamma_{dx+4} |R_j| + |R_error_j|) |x_i| (Cauchy-Schwarz), a slope
    by L times that plus 16 units of its last place, and the sum over rows by gamma_{m+4}. In norms:

        |G - G'|_{jk} <= ((gamma_{m+4} + 16 u) |s_j| + L r_j |X|_F + u |Y_j|) |X_k|,  r_j = gamma_{dx+4} |R_j| + |R_error_j|

    with column norms, at the cost of a few vectors, and in the Frobenius norm

        |G - G'|_F <= (16 u |s| + L (gamma_{dx+4} |X| |R| + |X|_2 |R' - R|) + u |Y|) |X|_2 + gamma_{m+4} |s| |X|.

    Sums over m rows run block by block, so gamma_{m+4} is that of a block and of the number of blocks. L bounds the
    curvature of w phi, so it carries the largest weight; slopes s are those of w phi, whose product is one rounding more.
    16 u stands for `PointwiseLoss.slope_units`. The four extra roundings cover columns that are rounded views of rationals.

    Remainder of second order: half a weighted sum of `PointwiseLoss.mean_curvatures`.
    """

    convex = True

    def __init__(
        self, pointwise: PointwiseLoss, X: Any, Y: Any, weights: Any = None, *, bias: bool = False
    ) -> None:
        self.pointwise = pointwise
        self.rational = pointwise.rational
        inputs, targets, self.X = _sampled(X, Y, bias)
        self._exact_inputs, self._exact_targets = inputs.rounded, targets.rounded
        self.bias = bool(bias)
        self.Y = pointwise.targets(targets.values)
        self.weights = None if weights is None else _weighed(weights, len(self.X))
        self.shape = (self.Y.shape[1], self.X.shape[1])
        self._norms: tuple[Floats, Floats, Floats, float] | None = None
        self._largest: float | None = None
        self._known: tuple[Floats, Floats, tuple[Floats, Floats]] | None = None

    @property
    def _heaviest(self) -> float:
        """The largest weight."""
        return 1.0 if self.weights is None else float(self.weights.max())

    @property
    def lipschitz(self) -> float:
        """L of w phi, rounded up."""
        return self._heavier(self.pointwise.lipschitz)

    @property
    def slope_size(self) -> float:
        """Of w phi, rounded up."""
        return self._heavier(self.pointwise.slope_size)

    def _heavier(self, bound: float) -> float:
        """A bound on something of phi as one on that of w phi."""
        if self.weights is None or not bound:
            return bound
        # the tiniest float64 stands for a product that underflowed
        return bound * self._heaviest * (1.0 + 2 * U) + 2.0**-1074

    @property
    def _slope_units(self) -> float:
        """Of w phi: a product more."""
        units = self.pointwise.slope_units(self.Y.shape[1])
        return units if self.weights is None else units + U

    def _weigh(self, rows: slice, terms: Floats) -> Floats:
        """w times numbers per row, or per row and output."""
        if self.weights is None:
            return terms
        w = self.weights[rows]
        return terms * (w if terms.ndim == 1 else w[:, None])

    def _slopes(self, rows: slice, Z: Floats) -> Floats:
        """Slopes of w phi at outputs Z of a block of rows."""
        return self._weigh(rows, self.pointwise.slopes(Z, self.Y[rows]))

    def _blocks(self) -> Iterator[slice]:
        for start in range(0, len(self.X), _ROWS):
            yield slice(start, start + _ROWS)

    def value(self, R: ArrayLike) -> float:
        """sum_i w_i phi(R x_i; y_i)."""
        R = self.matrix(R, "R")
        values = self.pointwise.values
        return float(sum(self._weigh(b, values(self.X[b] @ R.T, self.Y[b])).sum() for b in self._blocks()))

    def gradient(self, R: ArrayLike) -> Floats:
        """sum_i w_i slope_i x_i^T, (dy, dx)."""
        R = self.matrix(R, "R")
        return self._sums(R)[0]

    def _sums(self, R: Floats) -> tuple[Floats, Floats]:
        """(gradient, sum of squared slopes per output)."""
        G, squares = np.zeros(R.shape), np.zeros(len(R))
        for b in self._blocks():
            slopes = self._slopes(b, self._outputs(b, R))
            G += slopes.T @ self.X[b]
            squares += np.einsum("ij,ij->j", slopes, slopes)
        return G, squares

    def _outputs(self, rows: slice, R: Floats) -> Floats:
        return self.X[rows] @ R.T if R.any() else np.zeros((len(self.X[rows]), len(R)))

    def _data_norms(self) -> tuple[Floats, Floats, Floats, float]:
        """Norms of rows of X, columns of X, columns of Y, and of X, rounded up."""
        if self._norms is None:
            rows, columns, targets = _norms(self.X.T), _norms(self.X), _norms(self.Y)
            up = 1.0 + gamma_n(self.X.shape[1] + 4)
            self._norms = rows, columns, targets, float(np.linalg.norm(columns)) * up
        return self._norms

    def _sum_error(self) -> float:
        """gamma of a sum over the rows of one block, then over the blocks."""
        m = len(self.X)
        return gamma_n(min(m, _ROWS) + -(-m // _ROWS) + 4)

    def gradient_ball(self, R: ArrayLike, R_distance: float = 0.0) -> tuple[Floats, float]:
        """(G, e) with |gradient - G|_F <= e; see the class notes."""
        R = self.matrix(R, "R")
        m, dx = self.X.shape
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            G, squares = self._sums(R)
            _, _, targets, whole = self._data_norms()
            still = not R.any() and not R_distance and not squares.any() and self._on_target()
            if (whole == 0.0 and not self._exact_inputs) or still:
                return G, 0.0
            spectral = self._spectral_norm()
            s = float(_root(squares.sum(), m * len(R))) * (1.0 + gamma_n(m + 8))
            outputs = gamma_n(dx + 4) * whole * float(np.linalg.norm(R)) + spectral * R_distance
            slopes = (
                self._slope_units * (s + self.slope_size * math.sqrt(m * len(R))) + self.lipschitz * outputs
            )
            if self._exact_targets:
                slopes += U * self.lipschitz * float(np.linalg.norm(targets))
            error = slopes * spectral + self._sum_error() * s * whole
            lost = (m + dx) * math.sqrt(R.size) * 2.0**-1070 * (1.0 + whole) * (2.0 + self.lipschitz)
        known = math.isfinite(error) and bool(np.isfinite(G).all())
        return G, error * (1.0 + gamma_n(dx + 16)) + lost if known else math.inf

    def _on_target(self) -> bool:
        """Are the slopes at 0 all 0, so that nothing is rounded there?"""
        if self._exact_targets or self.slope_size:
            return False
        return not any(self._slopes(b, np.zeros(self.Y[b].shape)).any() for b in self._blocks())

    def gradient_scale(self, shape: tuple[int, int]) -> float:
        """|slopes at 0|_F |X|: at least |G(0)|, and not 0 where targets happen to be orthogonal to inputs."""
        squares = 0.0
        with np.errstate(over="ignore"):
            for b in self._blocks():
                slopes = self._slopes(b, np.zeros((len(self.X[b]), shape[0])))
                squares += float(np.einsum("ij,ij->", slopes, slopes))
            return math.sqrt(squares) * self._spectral_norm()

    def _spectral_norm(self) -> float:
        """|X|_2, rounded up: the root of the largest absolute row sum of X^T X, or |X|_F where that is as good."""
        if self._largest is None:
            m, dx = self.X.shape
            _, columns, _, whole = self._data_norms()
            self._largest = whole
            if dx > 8 and math.isfinite(whole):
                S = np.zeros((dx, dx))
                for b in self._blocks():
                    S += self.X[b].T @ self.X[b]
                off = self._sum_error() * float(columns.max()) * float(columns.sum())
                bound = (
                    float(np.abs(S).sum(axis=1).max()) * (1.0 + gamma_n(dx + 4)) + off + dx * m * 2.0**-1070
                )
                self._largest = min(whole, math.sqrt(bound) * (1.0 + 4 * U))
        return self._largest

    def _output_error(self, R: Floats, R_error: Floats) -> Floats:
        """r_j: the error of output j on row i is at most r_j |x_i|."""
        dx = R.shape[1]
        r = gamma_n(dx + 4) * np.linalg.norm(R, axis=1) + np.linalg.norm(R_error, axis=1)
        return np.asarray(r * (1.0 + gamma_n(dx + 8)))

    def gradient_enclosure(self, R: ArrayLike, R_error: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """(G, E) with |gradient - G| <= E entry by entry; see the class notes."""
        R = self.matrix(R, "R")
        wide = np.zeros(R.shape) if R_error is None else self.matrix(R_error, "R_error")
        if (
            self._known is not None
            and np.array_equal(R, self._known[0])
            and np.array_equal(wide, self._known[1])
        ):
            # several steps are tried from one point, each of them cheaper than its gradient
            return self._known[2][0].copy(), self._known[2][1].copy()
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            G, squares = self._sums(R)
            _, columns, targets, whole = self._data_norms()
            m, dx = self.X.shape
            r = self._output_error(R, wide)
            if self.pointwise.coupled:
                r = np.full(len(r), np.linalg.norm(r) * (1.0 + gamma_n(len(r) + 2)))
            s = _root(squares, m) * (1.0 + gamma_n(m + 8))
            per_output = (self._sum_error() + self._slope_units) * s + self.lipschitz * r * whole
            per_output += self._slope_units * self.slope_size * math.sqrt(m)
            if self._exact_targets:
                per_output += U * self.lipschitz * targets
            per_output *= 1.0 + gamma_n(m + 8)
            # what underflow may take: 2**-1074 in each of m products, and L |x| times that in each of dx more
            lost = (m + dx) * 2.0**-1070 * (1.0 + whole) * (2.0 + self.lipschitz)
            E = np.outer(per_output, columns) * (1.0 + 4 * U) + lost
        E = np.where(np.isfinite(G) & np.isfinite(E), E, np.inf)
        self._known = R.copy(), wide.copy(), (G, E)
        return G.copy(), E.copy()

    def change_by(self, R: ScaledMatrix, D: ScaledMatrix) -> Change:
        """<G, D> plus the enclosed remainder; see the base class and the class notes."""
        exponent = D.exponent
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            G, E = self.gradient_enclosure(R.values, R.error)
            linear, error = linear_term(G, E, D.values, D.error)
            low, high, phi = 0.0, 0.0, self.pointwise
            r, d_error = self._output_error(R.values, R.error), self._output_error(D.values, D.error)
            norms = self._data_norms()[0]
            for b in self._blocks():
                X = self.X[b]
                below, above = phi.mean_curvatures(
                    self.Y[b] if phi.quadratic else self._outputs(b, R.values),
                    self.Y[b],
                    X @ D.values.T,
                    np.outer(norms[b], r),
                    np.outer(norms[b], d_error),
                    exponent,
                )
                low += 0.5 * float(np.sum(self._weigh(b, below)))
                high += 0.5 * float(np.sum(self._weigh(b, above)))
            # sums over the rows, of nonnegative terms; squares below 1e-308 have lost digits
            lost = (
                self.Y.size * 2.0**-1070 * max(1.0, self._heaviest)
                if D.values.any() or D.error.any()
                else 0.0
            )
            low = max(low * (1.0 - gamma_n(len(self.X) + 8)) - lost, 0.0)
            high = high * (1.0 + gamma_n(len(self.X) + 8)) + lost
            # the remainder is in units of 4**exponent
            unit = 2.0 ** min(max(exponent, -1074), 1023)
            low, high = low * unit, high * unit * (1.0 + 4 * U) + (2.0**-1070 if high else 0.0)
            low = low if exponent > -1000 else 0.0
            value = linear + 0.5 * (low + high)
            bound = (error + 0.5 * (high - low)) * (1.0 + 8 * U) + 4 * U * (abs(linear) + high)
        if not math.isfinite(value) or not math.isfinite(bound):
            return Change(math.nan, math.inf, exponent, proved=False)
        return Change(value, bound, exponent)

    @cached_property
    def _exact_tables(self) -> tuple[RationalMatrix, RationalMatrix]:
        """X and Y as they were given, exactly."""
        tables = []
        for values, exact in ((self.X, self._exact_inputs), (self.Y, self._exact_targets)):
            if not exact:
                tables.append(RationalMatrix.of_floats(values))
                continue
            columns = [
                [Fraction(*v.as_integer_ratio()) for v in (exact[k] if k in exact else values[:, k]).tolist()]
                for k in range(values.shape[1])
            ]
            tables.append(RationalMatrix.of(columns).T)
        return tables[0], tables[1]

    @cached_property
    def _exact_weights(self) -> RationalMatrix | None:
        """The weights as a column."""
        return None if self.weights is None else RationalMatrix.of_floats(self.weights[:, None])

    def _weigh_exactly(self, terms: RationalMatrix) -> RationalMatrix:
        """w times numbers per row and output."""
        w = self._exact_weights
        return terms if w is None else RationalMatrix(terms.numerators * w.numerators, terms.scale * w.scale)

    def _exact_terms(self, terms: Any, R: RationalMatrix) -> RationalMatrix:
        """What phi's `exact_values` or `exact_slopes` say at R, weighted."""
        if not self.rational:
            raise self._irrational()
        X, Y = self._exact_tables
        return self._weigh_exactly(terms(X @ R.T, Y))

    def exact_value(self, R: Rationals) -> Fraction:
        """The sum over samples, in rationals."""
        values = self._exact_terms(self.pointwise.exact_values, RationalMatrix.of(R))
        return int(values.numerators.sum()) * values.scale

    def gradient_at(self, R: RationalMatrix) -> RationalMatrix:
        """Sum of slopes times inputs, in rationals."""
        return self._exact_terms(self.pointwise.exact_slopes, R).T @ self._exact_tables[0]

    def exact_gradient(self, R: Rationals) -> Rationals:
        """Sum of slopes times inputs, in rationals."""
        return self.gradient_at(RationalMatrix.of(R)).rows()

    def exact_change(self, R: Rationals, D: Rationals) -> Fraction:
        """Difference of the exact values: rationals do not cancel."""
        moved = [[r + d for r, d in zip(row, other, strict=True)] for row, other in zip(R, D, strict=True)]
        return self.exact_value(moved) - self.exact_value(R)

    def slope_signs(self, R: Rationals) -> Ints:
        """Signs (-1, 0, 1) of the slopes of phi at the outputs R x_i, exactly, (m, dy); weights do not enter."""
        X, Y = self._exact_tables
        return self.pointwise.slope_signs(X @ RationalMatrix.of(R).T, Y)

    def __repr__(self) -> str:
        dy, dx = self.Y.shape[1], self.X.shape[1]
        inputs = f"{dx} inputs{' with the bias' if self.bias else ''}"
        return f"{type(self).__name__}({len(self.X)} samples, {inputs}, {dy} outputs)"
