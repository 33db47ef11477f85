"""The linear fit every theorem leans on, with what is proved about it.

(a) Float route. Gram matrix of (1, x') over blocks (dsyrk), one solve, then steps of refinement until the gradient
    sum_i w_i r_i x'_i is below its own rounding bound. Safe while the scaled Gram matrix is certified positive
    definite: a Cholesky factorisation of H - cI that runs through proves lambda_min(H) >= c - rounding
    (Rump 2006), and the distance of the float fit to the exact one is then at most
    tau = ||S g|| / sqrt(lambda), because ||X(W - W_LS)||^2 = g' G^-1 g.
(b) Exact route. Rational normal equations (fastminima.exact), then rounded: on request (accuracy="exact"), for data
    that float64 cannot hold, for small data where it costs milliseconds, for rank-deficient data, and wherever
    the certificate of (a) fails. Here tau comes from the exact excess risk of the rounded coefficients.

Either way `LeastSquares` carries one float64 affine function and tau, and everything downstream is the same code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ._passes import SLACK, Frame, U, gamma
from ._threads import single_threaded_blas
from .dataset import Dataset
from .errors import DataTypeError
from .exact.dyadic import round_fraction, sqrt_floor
from .exact.fit import ExactFit

__all__ = ["LeastSquares", "least_squares"]

Array = NDArray[np.float64]

# Up to this many multiplications m (dx + 2)^2 the exact route costs a few milliseconds and is taken at once.
EXACT_WORK = 400_000
# Refinement contracts by about gamma_BLOCK / lambda a step: below this lambda it would stall.
_SAFE_LAMBDA = 2.0**-24
# Above this lambda (of columns scaled to norms near one) float64 residuals already give every digit of the fit.
_WELL_CONDITIONED = 2.0**-8
# Absolute floor against underflow: entries are scaled to 2^±200, so any product lost to underflow is below 2^-1022.
_FLOOR = 2.0**-900


@dataclass(frozen=True, eq=False, repr=False)
class LeastSquares:
    """Least-squares fit of an affine function, W = (coef, intercept).

    Attributes
    ----------
    coef : (n_features,) float64
        Slopes of the fit. Where columns depend on each other, later ones get 0.
    intercept : float
    rank : int
        Exact rank of (1, X).
    risk : float
        l_LS = 1/2 sum_i w_i (fitted_i - y_i)^2, the paper's risk (no 1/m).
    residual : (n_samples,) float64
        r = fitted - y (the paper's sign).
    defect : float
        max_k |sum_i w_i r_i x'_ik| / (||x'_k|| (||r|| + sum_j |w_j| ||x'_j||)) over the columns of (1, x - centre): how
        far the computed residual is from orthogonal to the columns, at the scale of its own rounding.
    method : "float" or "exact"
    tau : float
        Proved bound on the weighted 2-norm between this fit and the exact least-squares fit, on the data.

    Notes
    -----
    Theorem 1, step 1 of Yun, Sra and Jadbabaie (2019) starts from this fit.
    """

    data: Dataset
    frame: Frame
    slopes: Array
    level: float
    rank: int
    method: str
    tau: float
    fitted_centred: Array
    residual_scaled: Array
    defect: float
    column_max: Array
    column_norm: Array
    dot_error: float
    residual_error: float
    leverage_factor: float
    _exact: ExactFit | None = field(default=None)

    # ---- the exact affine function this fit is, and its float64 views -------------------------------------

    @cached_property
    def affine(self) -> tuple[list[Fraction], Fraction]:
        """The exact rational slopes and intercept of the float64 affine function in use."""
        return self.frame.from_frame([Fraction(v) for v in self.slopes.tolist()], Fraction(self.level))

    @cached_property
    def coef(self) -> Array:
        """Slopes, (n_features,) float64."""
        if self._exact is not None:
            return _readonly(self._exact.coef_float)
        return _readonly(np.array([round_fraction(v) for v in self.affine[0]], dtype=np.float64))

    @cached_property
    def intercept(self) -> float:
        """Value of the fit at x = 0."""
        return self._exact.intercept_float if self._exact is not None else round_fraction(self.affine[1])

    @cached_property
    def fitted(self) -> Array:
        """Fitted values, (n_samples,) float64."""
        values = self.fitted_centred + self.frame.centre_y
        return _readonly(_scale(values, self.frame.exponent_y))

    @cached_property
    def residual(self) -> Array:
        """fitted - y, (n_samples,) float64."""
        return _readonly(_scale(self.residual_scaled, self.frame.exponent_y))

    @cached_property
    def squared_norm(self) -> float:
        """sum_i w_i r_i^2 in scaled units."""
        r, w = self.residual_scaled, self.frame.weights
        return float(r @ r) if w is None else float((w * r) @ r)

    @cached_property
    def risk(self) -> float:
        """l_LS, in the units of the data; inf where float64 ends."""
        if self._exact is not None:
            return round_fraction(self._exact.risk)
        return self.frame.risk_to_float(self.squared_norm / 2)

    @property
    def exact(self) -> ExactFit:
        """The exact rational fit, computed when first asked for."""
        if self._exact is None:
            object.__setattr__(self, "_exact", ExactFit.of(self.data))
        assert self._exact is not None
        return self._exact

    # ---- proved bounds, in scaled units ------------------------------------------------------------------

    @cached_property
    def fitted_error(self) -> float:
        """Bound on |fitted_centred_i - exact least-squares value at i|, for every sample.

        |x~' (W - W_LS)| <= sqrt(w_i^-1) tau, and with the leverage bound of the Gram matrix also
        <= ||S x~'|| / sqrt(lambda) tau.
        """
        smallest = self.frame.weight_range[0]
        return (self.dot_error + self.tau * min(self.leverage_factor, 1.0 / math.sqrt(smallest))) * SLACK

    @cached_property
    def sum_error(self) -> float:
        """Bound on the part of |S_j - exact S_j| that does not grow with j: sqrt(sum w) tau."""
        if self.tau == 0.0:
            return 0.0
        return math.nextafter(math.sqrt(self.frame.total_weight) * self.tau * SLACK, math.inf)

    @property
    def term_error(self) -> float:
        """Bound on |w_i r_i - w_i r_i(exact affine function)| for every sample."""
        return math.nextafter(self.residual_error * self.frame.weight_range[1] * SLACK, math.inf)

    def __repr__(self) -> str:
        m, n = self.data.n_samples, self.data.n_features
        return (
            f"LeastSquares({m} x {n}, rank {self.rank}, risk {self.risk:.10g}, "
            f"defect {self.defect:.1e}, {self.method})"
        )


def _readonly(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _scale(values: Array, exponent: int) -> Array:
    if exponent == 0:
        return values
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(values, exponent)


@dataclass
class _Moments:
    """What the float route sums over the data: Gram matrix and right-hand side of (1, x'), column maxima."""

    gram: Array
    rhs: Array
    column_max: Array
    y_max: float

    @classmethod
    def of(cls, frame: Frame) -> _Moments:
        n = frame.X.shape[1]
        state = cls(np.zeros((n + 1, n + 1)), np.zeros(n + 1), np.zeros(n), 0.0)
        for _, X, y, w in frame.blocks():
            # 1 and X apart: numpy turns X.T @ X into dsyrk, half the work
            if w is None:
                gram, sums, right, total, right0 = X.T @ X, X.sum(axis=0), X.T @ y, float(len(y)), y.sum()
            else:
                weighted = X * w[:, None]
                gram, sums, right = X.T @ weighted, weighted.sum(axis=0), weighted.T @ y
                total, right0 = w.sum(), float(w @ y)
            state.gram[1:, 1:] += gram
            state.gram[0, 1:] += sums
            state.gram[0, 0] += total
            state.rhs[1:] += right
            state.rhs[0] += right0
            np.maximum(state.column_max, np.abs(X).max(axis=0, initial=0.0), out=state.column_max)
            state.y_max = max(state.y_max, float(np.abs(y).max()))
        state.gram[1:, 0] = state.gram[0, 1:]
        return state


@dataclass
class _Gradient:
    """One pass with given coefficients: residuals, and the gradient sums g = sum_i w_i r_i (1, x'_i)."""

    fitted: Array | None
    residual: Array | None
    gradient: Array
    squared_norm: float

    @classmethod
    def of(cls, frame: Frame, slopes: Array, level: float, *, keep: bool) -> _Gradient:
        m, n = frame.X.shape
        fitted = np.empty(m) if keep else None
        residual = np.empty(m) if keep else None
        gradient, squared = np.zeros(n + 1), 0.0
        for rows, X, y, w in frame.blocks():
            values = X @ slopes
            values += level
            r = values - y
            weighted = r if w is None else w * r
            gradient[1:] += X.T @ weighted
            gradient[0] += weighted.sum()
            squared += float(weighted @ r)
            if fitted is not None and residual is not None:
                fitted[rows], residual[rows] = values, r
        return cls(fitted, residual, gradient, squared)


def _extended_gradient(frame: Frame, slopes: Array, level: float) -> Array:
    """The gradient sums with residuals and products in extended precision (64 bits where the machine has them).

    One more step with it gives correlated columns the digits that the rounding of r takes from the solution.
    """
    wide = np.longdouble
    gradient = np.zeros(len(slopes) + 1, dtype=wide)
    for _, X, y, w in frame.blocks():
        Z = X.astype(wide)
        r = Z @ slopes.astype(wide) + wide(level) - y
        weighted = r if w is None else w * r
        gradient[1:] += Z.T @ weighted
        gradient[0] += weighted.sum()
    return gradient.astype(np.float64)


def _eigenvalue_bound(moments: _Moments, frame: Frame) -> tuple[Array, float]:
    """Power-of-two scaling S and a proved lower bound on lambda_min(S G S), G the exact Gram matrix of (1, x').

    lambda_min(H) >= c - gamma_{n+1}/(1 - gamma_{n+1}) tr(H - cI) when the Cholesky factorisation of H - cI runs
    through (Rump 2006), less the formation of H - cI (u per diagonal entry), less the rounding of the Gram
    matrix itself: |E_jk| <= gamma N_j N_k, so ||S E S||_2 <= gamma sum_k (S_k N_k)^2.
    """
    diagonal = np.diag(moments.gram)
    n = len(diagonal)
    if not (diagonal > 0.0).all():
        return np.ones(n), 0.0
    S = np.exp2(-np.round(np.log2(diagonal) / 2))
    H = moments.gram * S[:, None] * S[None, :]
    c = 0.75 * float(np.linalg.eigvalsh(H)[0])
    if c <= 0.0:
        return S, 0.0
    shifted = H - c * np.eye(n)
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return S, 0.0
    trace = float(np.trace(H)) * SLACK
    lost = gamma(n + 2) * 1.001 * trace + U * trace + frame.summation * 1.001 * trace
    return S, (c - lost * SLACK) / SLACK


def least_squares(data: Dataset) -> LeastSquares:
    """Fit an affine function to `data`, with proved bounds.

    Parameters
    ----------
    data : Dataset
        `accuracy="exact"` asks for the exactly rounded rational solution.

    Returns
    -------
    LeastSquares

    Raises
    ------
    DataTypeError
        If `data` is no Dataset.
    """
    if not isinstance(data, Dataset):
        raise DataTypeError(
            f"data must be a fastminima.Dataset, got {type(data).__name__}; use Dataset(X, y)"
        )
    with single_threaded_blas():
        frame = Frame.of(data)
        work = data.n_samples * (data.n_features + 2) ** 2
        if data.exact is None and data.accuracy != "exact" and work > EXACT_WORK and frame.regular:
            fit = _float_route(data, frame)
            if fit is not None:
                return fit
        # slopes near the ends of float64 take bounds to inf, which says so
        with np.errstate(over="ignore", invalid="ignore"):
            return _exact_route(data, frame)


def _float_route(data: Dataset, frame: Frame) -> LeastSquares | None:
    moments = _Moments.of(frame)
    S, lam = _eigenvalue_bound(moments, frame)
    if lam < _SAFE_LAMBDA:
        return None
    H = moments.gram * S[:, None] * S[None, :]
    solution = np.linalg.solve(H, S * moments.rhs) * S
    norms = np.sqrt(np.diag(moments.gram)) * (1.0 + frame.summation) * SLACK
    # refine until the gradient is below its own rounding bound; two passes are enough on safe data
    extended = lam > _WELL_CONDITIONED
    for attempt in range(5):
        slopes, level = solution[1:].copy(), float(solution[0])
        step = _Gradient.of(frame, slopes, level, keep=attempt > 0)
        errors = _Errors.of(frame, moments.column_max, moments.y_max, slopes, level, step.squared_norm)
        rounding = norms * errors.gradient
        gradient = step.gradient
        if attempt > 0 and ((np.abs(gradient) <= rounding).all() or attempt == 4):
            if extended or attempt == 4:
                break
            gradient, extended = _extended_gradient(frame, slopes, level), True
        solution = solution - np.linalg.solve(H, S * gradient) * S
    assert step.fitted is not None
    assert step.residual is not None
    bound = S * (np.abs(step.gradient) + rounding)
    tau = float(np.sqrt(bound @ bound) / math.sqrt(lam)) * SLACK
    reach = S * np.concatenate([[1.0], moments.column_max])
    return LeastSquares(
        data=data,
        frame=frame,
        slopes=_readonly(slopes),
        level=level,
        rank=data.n_features + 1,
        method="float",
        tau=tau,
        fitted_centred=_readonly(step.fitted),
        residual_scaled=_readonly(step.residual),
        defect=_defect(step, norms, slopes, level),
        column_max=moments.column_max,
        column_norm=norms,
        dot_error=errors.dot,
        residual_error=errors.residual,
        leverage_factor=math.sqrt(float(reach @ reach) / lam) * SLACK,
    )


def _exact_route(data: Dataset, frame: Frame) -> LeastSquares:
    exact = ExactFit.of(data)
    inside, level_exact = frame.to_frame(exact.coef, exact.intercept)
    slopes = np.array([round_fraction(v) for v in inside], dtype=np.float64).reshape(data.n_features)
    level = round_fraction(level_exact)
    if not (np.isfinite(slopes).all() and math.isfinite(level)):
        # coefficients beyond 1e308 even in the scaled frame: keep the frame's view usable, the bound says how far
        slopes, level = (
            np.clip(slopes, -(2.0**1000), 2.0**1000),
            float(np.clip(level, -(2.0**1000), 2.0**1000)),
        )
    column_max, y_max, norms = _sizes(frame)
    step = _Gradient.of(frame, slopes, level, keep=True)
    assert step.fitted is not None
    assert step.residual is not None
    errors = _Errors.of(frame, column_max, y_max, slopes, level, step.squared_norm)
    affine = frame.from_frame([Fraction(v) for v in slopes.tolist()], Fraction(level))
    excess = exact.excess(*affine) / Fraction(4) ** frame.exponent_y
    # upwards: the square of a tau may underflow
    tau = math.nextafter(sqrt_floor(2 * excess), math.inf) if excess else 0.0
    return LeastSquares(
        data=data,
        frame=frame,
        slopes=_readonly(slopes),
        level=level,
        rank=exact.rank,
        method="exact",
        tau=tau,
        fitted_centred=_readonly(step.fitted),
        residual_scaled=_readonly(step.residual),
        defect=_defect(step, norms, slopes, level),
        column_max=column_max,
        column_norm=norms,
        dot_error=errors.dot,
        residual_error=errors.residual,
        leverage_factor=math.inf,
        _exact=exact,
    )


def _sizes(frame: Frame) -> tuple[Array, float, Array]:
    n = frame.X.shape[1]
    column_max, y_max, squares = np.zeros(n), 0.0, np.zeros(n + 1)
    for _, X, y, w in frame.blocks():
        np.maximum(column_max, np.abs(X).max(axis=0, initial=0.0), out=column_max)
        y_max = max(y_max, float(np.abs(y).max()))
        squares[0] += len(y) if w is None else float(w.sum())
        squares[1:] += np.einsum("ij,ij->j", X, X) if w is None else np.einsum("i,ij,ij->j", w, X, X)
    return column_max, y_max, np.sqrt(squares) * (1.0 + frame.summation) * SLACK


def _defect(step: _Gradient, norms: Array, slopes: Array, level: float) -> float:
    """max_k |g_k| / (||x'_k|| s), s = ||r|| + sum_j |w_j| ||x'_j||: the scale at which r itself is rounded."""
    size = math.sqrt(step.squared_norm) + float(np.abs(np.append(level, slopes)) @ norms)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.abs(step.gradient) / (norms * size)
    return float(np.nan_to_num(relative).max())


@dataclass
class _Errors:
    """Rounding bounds of one pass, in scaled units (see _passes for the conventions).

    dot : |computed fitted - exact affine function| <= gamma_{n+4} (sum|w||x'|max + |level|), plus the entry error.
    residual : the same for r = fitted - y', plus u(|y'| + |r|).
    gradient : factor f with |computed g_k - exact g_k| <= f N_k, N_k = ||x'_k||:
        sum w|x'||dr| <= N_k sqrt(sum w) residual and gamma sum w|x'||r| <= gamma N_k ||r|| (Cauchy-Schwarz).
    """

    dot: float
    residual: float
    gradient: float

    @classmethod
    def of(
        cls, frame: Frame, column_max: Array, y_max: float, slopes: Array, level: float, squared: float
    ) -> _Errors:
        dot = affine_error(frame, column_max, slopes, level)
        size = math.sqrt(squared) * (1.0 + frame.summation)
        largest = y_max + float(np.abs(slopes) @ column_max) + abs(level)
        y_error = frame.entry_error * (y_max + abs(frame.centre_y))
        residual = (dot + y_error + 3.0 * U * (largest + dot)) * SLACK + _FLOOR
        total = math.sqrt(frame.total_weight)
        gradient = (total * residual + frame.summation * (size + total * residual)) * SLACK
        return cls(dot, residual, gradient)


def affine_error(frame: Frame, column_max: Array, slopes: Array, level: float) -> float:
    """Bound on the rounding of x' @ slopes + level over all samples, in scaled units."""
    n = len(slopes)
    weights = np.abs(slopes)
    terms = float(weights @ column_max) + abs(level)
    entries = frame.entry_error * float(weights @ (column_max + np.abs(frame.centre)))
    return (gamma(n + 4) * terms * (1.0 + 4.0 * U) + 2.0 * entries) * SLACK + _FLOOR * (
        1.0 + float(weights.sum())
    )
