"""The linear fit every theorem leans on, with what is proved about it.

(a) Float route. Gram matrix of (1, x') over blocks (dsyrk), one solve, then steps of refinement until the gradient
    sum_i w_i r_i x'_i is below its own rounding bound. Safe while the scaled Gram matrix is certified positive
    definite: a Cholesky factorisation of H - cI that runs through proves lambda_min(H) >= c - rounding
    (Rump 2006), and the distance of the float fit to the exact one is then at most
    tau = ||S g|| / sqrt(lambda), because ||X(W - W_LS)||^2 = g' G^-1 g.
(b) Exact route. Rational normal equations (fastminima.exact), then rounded: on request (accuracy="exact"), for data
    that float64 cannot hold, for data with few columns and rows, where it costs a millisecond or two, for rank-deficient
    data, and wherever the certificate of (a) fails. Here tau comes from the exact excess risk of the rounded coefficients.

Either way `LeastSquares` carries one float64 affine function and tau, and everything downstream is the same code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.given import as_dataset
from fastminima.exact.dyadic import round_fraction, sqrt_floor
from fastminima.exact.fit import ExactFit, LazyExactFit
from fastminima.exact.roundoff import SLACK
from fastminima.system.first_use import cached_property
from fastminima.system.results import Result
from fastminima.system.threads import single_threaded_blas

from .bounds import NormalEquations, PassBounds, column_norms
from .centred_data import CentredArrays, CentredData
from .refinement import gradient_rounding, refine
from .running_sums import ExtendedGradient, Moments, Residuals, Sizes
from .samples import EvaluatedArrays, Samples, SamplesInMemory, evaluate_arrays, readonly

__all__ = ["LeastSquares", "exact_fit", "float_fit", "least_squares", "rounded_fit"]

Array = NDArray[np.float64]

# Up to this much work the exact route costs one or two milliseconds and is taken at once.
EXACT_WORK = 400_000


def exact_work(data: Dataset) -> int:
    """What the exact route takes: m (dx + 2)^2 for the Gram matrix, 32 (dx + 2)^4 for the elimination.

    That one takes (dx + 2)^3 / 3 products of integers, which grow to about 100 (dx + 2) bits; 32 was measured.
    """
    columns = data.n_features + 2
    return columns**2 * (data.n_samples + 32 * columns**2)


@dataclass(frozen=True, eq=False, repr=False)
class LeastSquares(Result):
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

    Examples
    --------
    >>> import fastminima as fm
    >>> fit = fm.least_squares(fm.load_demo("diabetes"))
    >>> fit.coef.shape, round(fit.risk, 1), fit.rank
    ((10,), 631992.9, 11)
    """

    data: Dataset
    frame: CentredData
    # the affine function in use, in the frame: what the bounds are about
    slopes: Array
    value_at_centre: float
    # the coefficients handed out, in the frame: where they are one step of refinement ahead, no pass has evaluated them
    refined: tuple[Array, float]
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
    samples: Samples
    lazy_exact: LazyExactFit
    # the bounds and sums follow from these
    _compared = ("data", "slopes", "value_at_centre", "refined", "rank", "method", "tau")

    # ---- the exact affine function this fit is, and its float64 views -------------------------------------

    @cached_property
    def affine(self) -> tuple[list[Fraction], Fraction]:
        """The exact rational slopes and intercept of the float64 affine function in use."""
        return self._outside(self.slopes, self.value_at_centre)

    @cached_property
    def _reported(self) -> tuple[list[Fraction], Fraction]:
        """The affine function whose rounded coefficients are handed out."""
        return self._outside(*self.refined)

    def _outside(self, slopes: Array, value_at_centre: float) -> tuple[list[Fraction], Fraction]:
        return self.frame.from_frame([Fraction(v) for v in slopes.tolist()], Fraction(value_at_centre))

    @cached_property
    def coef(self) -> Array:
        """Slopes, (n_features,) float64."""
        exact = self.lazy_exact.known
        if exact is not None:
            return readonly(exact.coef_float)
        return readonly(np.array([round_fraction(v) for v in self._reported[0]], dtype=np.float64))

    @cached_property
    def intercept(self) -> float:
        """Value of the fit at x = 0."""
        exact = self.lazy_exact.known
        return round_fraction(self._reported[1]) if exact is None else exact.intercept_float

    @property
    def fitted_centred(self) -> Array:
        """Fitted values in scaled units, less centre_y, (n_samples,).

        A scan does not keep them: then they are computed again when first asked for, if they fit in memory.
        """
        return self.samples.fitted()

    @property
    def residual_scaled(self) -> Array:
        """Residuals in scaled units, (n_samples,); see `fitted_centred`."""
        return self.samples.residuals()

    def block_residual(self, rows: slice, X: Array, y: Array) -> Array:
        """Residuals of one block of `frame.blocks()`, within `residual_error`."""
        return self.samples.block_residuals(rows, X, y)

    @cached_property
    def fitted(self) -> Array:
        """Fitted values, (n_samples,) float64."""
        values = self.fitted_centred + self.frame.centre_y
        return readonly(_scale(values, self.frame.exponent_y))

    @cached_property
    def residual(self) -> Array:
        """fitted - y, (n_samples,) float64."""
        return readonly(_scale(self.residual_scaled, self.frame.exponent_y))

    @cached_property
    def squared_norm(self) -> float:
        """sum_i w_i r_i^2 in scaled units."""
        return self.samples.squared_norm()

    @cached_property
    def risk(self) -> float:
        """l_LS, in the units of the data; inf where float64 ends."""
        exact = self.lazy_exact.known
        if exact is not None:
            return round_fraction(exact.risk)
        return self.frame.risk_to_float(self.squared_norm / 2)

    @property
    def total_weight(self) -> float:
        """Sum of the weights; the number of samples without weights."""
        frame = self.frame
        return math.ldexp(frame.total_weight, -frame.exponent_w) if frame.weighted else float(self.data.n_samples)

    @property
    def mean_squared_error(self) -> float:
        """2 risk / `total_weight`, as other libraries measure the fit."""
        return 2.0 * (self.risk / self.total_weight)

    @property
    def exact(self) -> ExactFit:
        """The exact rational fit, computed when first asked for."""
        return self.lazy_exact.solved()

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


def _scale(values: Array, exponent: int) -> Array:
    if exponent == 0:
        return values
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(values, exponent)


def least_squares(data: Dataset | tuple[ArrayLike, ...]) -> LeastSquares:
    """Fit an affine function to `data`, with proved bounds.

    Parameters
    ----------
    data : Dataset, (X, y) or (X, y, sample_weight)
        `accuracy="exact"` asks for the exactly rounded rational solution.

    Returns
    -------
    LeastSquares

    Raises
    ------
    DataTypeError
        If `data` is none of these.
    TargetError
        If `data` has several targets.

    Examples
    --------
    >>> import fastminima as fm
    >>> fit = fm.least_squares(([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0]))
    >>> fit.coef.tolist(), round(fit.intercept, 12), round(fit.risk, 12)
    ([0.0], 0.333333333333, 0.333333333333)
    """
    data = as_dataset(data, "least_squares")
    check_one_target(data, "least_squares")
    with single_threaded_blas():
        frame = CentredArrays.of(data)
        plain = data.exact is None and data.accuracy != "exact"
        if plain and exact_work(data) > EXACT_WORK and frame.regular:
            fit = _float_route(frame)
            if fit is not None:
                return fit
        # slopes near the ends of float64 take bounds to inf, which says so
        with np.errstate(over="ignore", invalid="ignore"):
            return _exact_route(frame)


class _PassesInMemory:
    """Passes over arrays."""

    def __init__(self, frame: CentredArrays) -> None:
        self._frame = frame

    def moments(self) -> Moments:
        frame = self._frame
        state = Moments.zero(frame.n_features)
        for _, X, y, w in frame.raw_blocks():
            state.update(X, y, w, (frame.centre, frame.centre_y))
        return state

    def evaluate(self, slopes: Array, value_at_centre: float, *, keep: bool) -> EvaluatedArrays:
        return evaluate_arrays(self._frame, slopes, value_at_centre, keep=keep)

    def extended_gradient(self, slopes: Array, value_at_centre: float) -> Array:
        frame = self._frame
        state = ExtendedGradient.zero(len(slopes))
        for _, X, y, w in frame.raw_blocks():
            state.update(X, y, w, (frame.centre, frame.centre_y), slopes, value_at_centre)
        return state.gradient.astype(np.float64)


def _float_route(frame: CentredArrays) -> LeastSquares | None:
    passes = _PassesInMemory(frame)
    moments = passes.moments()
    normal = NormalEquations.of(moments, frame)
    if not normal.safe:
        return None
    affine, found = refine(passes, frame, moments, normal, least_steps=1, tolerance=1.0)
    samples = SamplesInMemory(frame, found.fitted, found.residual)
    return float_fit(frame, moments, normal, affine, found.sums, samples)


def _exact_route(frame: CentredArrays) -> LeastSquares:
    exact = ExactFit.of(frame.data)
    affine = rounded_fit(frame, exact)
    sizes = Sizes.zero(frame.n_features)
    for _, X, y, w in frame.blocks():
        sizes.update(X, y, w)
    found = evaluate_arrays(frame, *affine)
    return exact_fit(
        frame, exact, sizes, affine, found.sums, SamplesInMemory(frame, found.fitted, found.residual)
    )


@dataclass(frozen=True)
class _Solution:
    """What a route knows beside the affine function in use; attributes as of `LeastSquares`."""

    rank: int
    method: str
    tau: float
    leverage_factor: float
    refined: tuple[Array, float]
    exact: LazyExactFit


def float_fit(
    frame: CentredData,
    moments: Moments,
    normal: NormalEquations,
    affine: tuple[Array, float],
    sums: Residuals,
    samples: Samples,
) -> LeastSquares:
    """The fit of the float route from its states, with tau from the gradient of the last pass."""
    slopes, value_at_centre = affine
    sizes, S = moments.sizes(), normal.S
    bound = S * (np.abs(sums.gradient) + gradient_rounding(frame, sizes, affine, sums))
    farthest = S * np.concatenate([[1.0], moments.column_max])
    refined = affine
    if normal.well_conditioned:
        # one more step costs no pass: it has the last digits, and the bounds stay those of the function evaluated.
        # Where a step in extended precision was the last one, the rounding of this gradient would undo it.
        solution = np.append(value_at_centre, slopes) - normal.solve(sums.gradient)
        refined = (solution[1:], float(solution[0]))
    solution_found = _Solution(
        rank=frame.n_features + 1,
        method="float",
        tau=float(np.sqrt(bound @ bound) / math.sqrt(normal.lam)) * SLACK,
        leverage_factor=math.sqrt(float(farthest @ farthest) / normal.lam) * SLACK,
        refined=refined,
        exact=LazyExactFit(frame.data),
    )
    return _fit(frame, sizes, affine, sums, samples, solution_found)


def rounded_fit(frame: CentredData, exact: ExactFit) -> tuple[Array, float]:
    """The exact fit in the frame, rounded: slopes and value at the centre."""
    inside, value_exact = frame.to_frame(exact.coef, exact.intercept)
    slopes = np.array([round_fraction(v) for v in inside], dtype=np.float64).reshape(len(inside))
    value = round_fraction(value_exact)
    if not (np.isfinite(slopes).all() and math.isfinite(value)):
        # coefficients beyond 1e308 even in the scaled frame: keep the frame's view usable, the bound says how far
        slopes, value = (
            np.clip(slopes, -(2.0**1000), 2.0**1000),
            float(np.clip(value, -(2.0**1000), 2.0**1000)),
        )
    return slopes, value


def exact_fit(
    frame: CentredData,
    exact: ExactFit,
    sizes: Sizes,
    rounded: tuple[Array, float],
    sums: Residuals,
    samples: Samples,
) -> LeastSquares:
    """The fit of the exact route from the pass with its rounded coefficients, with tau from their exact excess."""
    slopes, value = rounded
    affine = frame.from_frame([Fraction(v) for v in slopes.tolist()], Fraction(value))
    excess = exact.excess(*affine) / Fraction(4) ** frame.exponent_y
    solution = _Solution(
        rank=exact.rank,
        method="exact",
        # upwards: the square of a tau may underflow
        tau=math.nextafter(sqrt_floor(2 * excess), math.inf) if excess else 0.0,
        leverage_factor=math.inf,
        refined=rounded,
        exact=LazyExactFit(frame.data, exact),
    )
    return _fit(frame, sizes, rounded, sums, samples, solution)


def _fit(
    frame: CentredData,
    sizes: Sizes,
    affine: tuple[Array, float],
    sums: Residuals,
    samples: Samples,
    solution: _Solution,
) -> LeastSquares:
    slopes, value_at_centre = affine
    norms = column_norms(frame, sizes)
    bounds = PassBounds.of(frame, sizes, affine, sums.squared_norm)
    return LeastSquares(
        data=frame.data,
        frame=frame,
        slopes=readonly(slopes),
        value_at_centre=value_at_centre,
        refined=solution.refined,
        rank=solution.rank,
        method=solution.method,
        tau=solution.tau,
        defect=_defect(sums, norms, slopes, value_at_centre),
        column_max=sizes.column_max,
        column_norm=norms,
        y_max=sizes.y_max,
        sums=sums,
        dot_error=bounds.dot,
        residual_error=bounds.residual,
        leverage_factor=solution.leverage_factor,
        samples=samples,
        lazy_exact=solution.exact,
    )


def _defect(sums: Residuals, norms: Array, slopes: Array, value_at_centre: float) -> float:
    """max_k |g_k| / (||x'_k|| s), s = ||r|| + sum_j |w_j| ||x'_j||: the scale at which r itself is rounded."""
    size = math.sqrt(sums.squared_norm) + float(np.abs(np.append(value_at_centre, slopes)) @ norms)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.abs(sums.gradient) / (norms * size)
    return float(np.nan_to_num(relative).max())
