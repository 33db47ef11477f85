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
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.errors import DataTypeError
from fastminima.exact.dyadic import round_fraction, sqrt_floor
from fastminima.exact.fit import ExactFit
from fastminima.exact.roundoff import SLACK
from fastminima.system.memory import require_memory
from fastminima.system.threads import single_threaded_blas

from .bounds import Errors, NormalEquations
from .centred_data import Frame
from .envelope import Envelope
from .running_sums import ExtendedGradient, Moments, Residuals, Sizes

__all__ = ["LeastSquares", "exact_fit", "float_fit", "least_squares", "rounded_fit", "rounding_of"]

Array = NDArray[np.float64]

# Up to this many multiplications m (dx + 2)^2 the exact route costs a few milliseconds and is taken at once.
EXACT_WORK = 400_000


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
    defect: float
    column_max: Array
    column_norm: Array
    y_max: float
    sums: Residuals
    dot_error: float
    residual_error: float
    leverage_factor: float
    _fitted: Array | None = field(default=None)
    _residual: Array | None = field(default=None)
    _exact: ExactFit | None = field(default=None)
    # the coefficients after one more step of refinement, which no pass has evaluated
    refined: tuple[Array, float] | None = field(default=None)
    # what a scan has instead of the arrays: its search for splits, and what the radius needs
    search: Callable[..., Any] | None = field(default=None)
    envelope: Envelope | None = field(default=None)

    # ---- the exact affine function this fit is, and its float64 views -------------------------------------

    @cached_property
    def affine(self) -> tuple[list[Fraction], Fraction]:
        """The exact rational slopes and intercept of the float64 affine function in use."""
        return self.frame.from_frame([Fraction(v) for v in self.slopes.tolist()], Fraction(self.level))

    @cached_property
    def _told(self) -> tuple[list[Fraction], Fraction]:
        """The affine function `coef` and `intercept` round."""
        if self.refined is None:
            return self.affine
        slopes, level = self.refined
        return self.frame.from_frame([Fraction(v) for v in slopes.tolist()], Fraction(level))

    @cached_property
    def coef(self) -> Array:
        """Slopes, (n_features,) float64."""
        if self._exact is not None:
            return _readonly(self._exact.coef_float)
        return _readonly(np.array([round_fraction(v) for v in self._told[0]], dtype=np.float64))

    @cached_property
    def intercept(self) -> float:
        """Value of the fit at x = 0."""
        return self._exact.intercept_float if self._exact is not None else round_fraction(self._told[1])

    @property
    def fitted_centred(self) -> Array:
        """Fitted values in scaled units, less centre_y, (n_samples,).

        A scan does not keep them: then they are computed again when first asked for, if they fit in memory.
        """
        self._evaluate()
        assert self._fitted is not None
        return self._fitted

    @property
    def residual_scaled(self) -> Array:
        """Residuals in scaled units, (n_samples,); see `fitted_centred`."""
        self._evaluate()
        assert self._residual is not None
        return self._residual

    def _evaluate(self) -> None:
        if self._fitted is not None:
            return
        m = self.data.n_samples
        require_memory(16 * m, f"fitted values and residuals of {m} samples")
        with single_threaded_blas():
            _, fitted, residual = _residuals(self.frame, self.slopes, self.level, keep=True)
        object.__setattr__(self, "_residual", residual)
        object.__setattr__(self, "_fitted", fitted)

    def block_residual(self, rows: slice, X: Array, y: Array) -> Array:
        """Residuals of one block of `frame.blocks()`, within `residual_error`."""
        if self._residual is not None:
            return self._residual[rows]
        values: Array = X @ self.slopes
        values += self.level
        values -= y
        return values

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
        if self._residual is None:
            return self.sums.squared_norm
        r, w = self._residual, self.frame.weights
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


def _moments(frame: Frame) -> Moments:
    state = Moments.zero(frame.n_features)
    for _, X, y, w in frame.raw_blocks():
        state.update(X, y, w, (frame.centre, frame.centre_y))
    return state


def _residuals(
    frame: Frame, slopes: Array, level: float, *, keep: bool
) -> tuple[Residuals, Array | None, Array | None]:
    m, n = frame.n_samples, len(slopes)
    fitted = np.empty(m) if keep else None
    residual = np.empty(m) if keep else None
    state, centre = Residuals.zero(n), (frame.centre, frame.centre_y)
    values, r, norms = np.empty((3, frame.partition[0]))
    for rows, X, y, w in frame.raw_blocks():
        k = len(y)
        into = (values[:k], r[:k]) if fitted is None or residual is None else (fitted[rows], residual[rows])
        state.update(X, y, w, centre, slopes, level, (*into, norms[:k]))
    if fitted is not None and residual is not None:
        _readonly(fitted), _readonly(residual)
    return state, fitted, residual


def _extended_gradient(frame: Frame, slopes: Array, level: float) -> Array:
    state = ExtendedGradient.zero(len(slopes))
    for _, X, y, w in frame.raw_blocks():
        state.update(X, y, w, (frame.centre, frame.centre_y), slopes, level)
    return state.gradient.astype(np.float64)


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
    TargetError
        If `data` has several targets.
    """
    if not isinstance(data, Dataset):
        raise DataTypeError(
            f"data must be a fastminima.Dataset, got {type(data).__name__}; use Dataset(X, y)"
        )
    check_one_target(data, "least_squares")
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
    moments = _moments(frame)
    normal = NormalEquations.of(moments, frame)
    if not normal.safe:
        return None
    solution = normal.solve(moments.rhs)
    # refine until the gradient is below its own rounding bound; two passes are enough on safe data
    extended = normal.well_conditioned
    for attempt in range(5):
        slopes, level = solution[1:].copy(), float(solution[0])
        step, fitted, residual = _residuals(frame, slopes, level, keep=attempt > 0)
        _, rounding = rounding_of(frame, moments, slopes, level, step)
        gradient = step.gradient
        if attempt > 0 and ((np.abs(gradient) <= rounding).all() or attempt == 4):
            if extended or attempt == 4:
                break
            gradient, extended = _extended_gradient(frame, slopes, level), True
        solution = solution - normal.solve(gradient)
    return float_fit(data, frame, moments, normal, (slopes, level), step, _fitted=fitted, _residual=residual)


def rounding_of(
    frame: Frame, moments: Moments, slopes: Array, level: float, step: Residuals
) -> tuple[Errors, Array]:
    """Rounding bounds of a pass with these coefficients, and of each of its gradient sums."""
    errors = Errors.of(frame, moments.column_max, moments.y_max, slopes, level, step.squared_norm)
    return errors, _norms(frame, moments) * errors.gradient


def _norms(frame: Frame, moments: Moments) -> Array:
    norms: Array = np.sqrt(np.diag(moments.gram)) * (1.0 + frame.summation) * SLACK
    return norms


def float_fit(
    data: Dataset,
    frame: Frame,
    moments: Moments,
    normal: NormalEquations,
    affine: tuple[Array, float],
    step: Residuals,
    **parts: Any,
) -> LeastSquares:
    """The fit of the float route from its states, with tau from the gradient of the last pass."""
    slopes, level = affine
    errors, rounding = rounding_of(frame, moments, slopes, level, step)
    norms, S = _norms(frame, moments), normal.S
    bound = S * (np.abs(step.gradient) + rounding)
    tau = float(np.sqrt(bound @ bound) / math.sqrt(normal.lam)) * SLACK
    reach = S * np.concatenate([[1.0], moments.column_max])
    refined = None
    if normal.well_conditioned:
        # one more step costs no pass: it has the last digits, and the bounds stay those of the function evaluated.
        # Where a step in extended precision was the last one, the rounding of this gradient would undo it.
        solution = np.append(level, slopes) - normal.solve(step.gradient)
        refined = (solution[1:], float(solution[0]))
    return LeastSquares(
        data=data,
        frame=frame,
        slopes=_readonly(slopes),
        level=level,
        rank=data.n_features + 1,
        method="float",
        tau=tau,
        defect=_defect(step, norms, slopes, level),
        column_max=moments.column_max,
        column_norm=norms,
        y_max=moments.y_max,
        sums=step,
        dot_error=errors.dot,
        residual_error=errors.residual,
        leverage_factor=math.sqrt(float(reach @ reach) / normal.lam) * SLACK,
        refined=refined,
        **parts,
    )


def _exact_route(data: Dataset, frame: Frame) -> LeastSquares:
    exact = ExactFit.of(data)
    slopes, level = rounded_fit(frame, exact)
    sizes = Sizes.zero(data.n_features)
    for _, X, y, w in frame.blocks():
        sizes.update(X, y, w)
    step, fitted, residual = _residuals(frame, slopes, level, keep=True)
    return exact_fit(data, frame, exact, sizes, (slopes, level), step, _fitted=fitted, _residual=residual)


def rounded_fit(frame: Frame, exact: ExactFit) -> tuple[Array, float]:
    """The exact fit in the frame, rounded."""
    inside, level_exact = frame.to_frame(exact.coef, exact.intercept)
    slopes = np.array([round_fraction(v) for v in inside], dtype=np.float64).reshape(len(inside))
    level = round_fraction(level_exact)
    if not (np.isfinite(slopes).all() and math.isfinite(level)):
        # coefficients beyond 1e308 even in the scaled frame: keep the frame's view usable, the bound says how far
        slopes, level = (
            np.clip(slopes, -(2.0**1000), 2.0**1000),
            float(np.clip(level, -(2.0**1000), 2.0**1000)),
        )
    return slopes, level


def exact_fit(
    data: Dataset,
    frame: Frame,
    exact: ExactFit,
    sizes: Sizes,
    rounded: tuple[Array, float],
    step: Residuals,
    **parts: Any,
) -> LeastSquares:
    """The fit of the exact route from the pass with its rounded coefficients, with tau from their exact excess."""
    slopes, level = rounded
    norms = np.sqrt(sizes.squares) * (1.0 + frame.summation) * SLACK
    errors = Errors.of(frame, sizes.column_max, sizes.y_max, slopes, level, step.squared_norm)
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
        defect=_defect(step, norms, slopes, level),
        column_max=sizes.column_max,
        column_norm=norms,
        y_max=sizes.y_max,
        sums=step,
        dot_error=errors.dot,
        residual_error=errors.residual,
        leverage_factor=math.inf,
        _exact=exact,
        **parts,
    )


def _defect(step: Residuals, norms: Array, slopes: Array, level: float) -> float:
    """max_k |g_k| / (||x'_k|| s), s = ||r|| + sum_j |w_j| ||x'_j||: the scale at which r itself is rounded."""
    size = math.sqrt(step.squared_norm) + float(np.abs(np.append(level, slopes)) @ norms)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.abs(step.gradient) / (norms * size)
    return float(np.nan_to_num(relative).max())
