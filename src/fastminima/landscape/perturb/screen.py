"""Excess risks of perturbed networks, exactly screened: cost independent of the number of samples that stay put.

Samples that keep their signs act through one quadratic form in the effective changes of the parameters, summed once
(`base_point`); the others are listed by margin, and each perturbation walks through those its own norms reach. It is the
same function as the direct evaluation, not an approximation. Formulas and loops: `kernels/_screen.pyx`.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import NetworkError, OptionError
from fastminima.kernels import _screen
from fastminima.system.memory import available_bytes
from fastminima.system.options import spelled

from .base_point import BasePoint
from .near_samples import NearSamples
from .survey import QuadraticForm, survey

__all__ = ["Choice", "Screen", "choose"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Perturbations beyond the reach listed are rare where the caller has bounded it; a margin on top avoids listing twice.
_STRETCH = 1.125

# Perturbations that pass the listed samples together: enough that what these cost to read is lost among their work,
# few enough for the second-level cache; and bytes of address space for what they note down, mostly never touched.
_TILE = 64
_TILE_BYTES = 1 << 28

# Seconds, measured on one core of a Zen 4 server (bench/bench_screen.py). They only choose between two ways to
# the same numbers.
_PANEL = 1.0e-8  # per perturbation
_ENTRY = 7.0e-10  # per entry of c
_SQUARE = 4.0e-11  # per multiplication of the form
_FILTER = 4.0e-11  # per walked pair and coordinate
_CHANGE = 1.0e-9  # per changed sample and coordinate
_DIRECT = 4.8e-11  # per sample, unit and coordinate of a direct evaluation
_SUM = 3.5e-9  # set-up: per sample, unit and coordinate
_GRAM = 2.0e-10  # set-up: per sample and entry of a Gram matrix
# pairs within reach of the largest norm that an average perturbation reaches, and how many of those change sign
_WALKED = 0.65
_CHANGED = 0.1


@dataclass(frozen=True)
class Choice:
    """What a probe will cost either way, in seconds on one core; a model, good to a factor of two.

    Attributes
    ----------
    method : {"direct", "screened"}
        The cheaper one.
    direct, screened : float
        Seconds for all perturbations, set-up included, without their random numbers.
    near_share : float
        Estimated share of samples within reach of a boundary.
    """

    method: str
    direct: float
    screened: float
    near_share: float


def _count_near(base: BasePoint, norm: float, rows: int = 4096) -> tuple[float, float, int]:
    """Shares of pairs and of samples within `norm` of a boundary, and the number of patterns, among about `rows` samples."""
    network, data = base.network, base.data
    step = -(-data.n_samples // rows)
    X, y = np.ascontiguousarray(data.X[::step]), np.ascontiguousarray(data.y[::step])
    z = np.empty((network.width, len(y)))
    workspace = np.empty(_screen.workspace_items(network.width, network.n_features))
    _screen.preactivations(*network.parameters(), X, y, *network.slopes, _screen.BEST_VARIANT, workspace, z)
    near = base.margins(X, z)[0] <= norm
    patterns = np.unique(np.packbits(z > 0.0, axis=0), axis=1).shape[1]
    return float(near.mean()), float(near.any(axis=0).mean()), patterns


def choose(base: BasePoint, max_row_norm: float, n: int) -> Choice:
    """Direct or screened: the cheaper way to `n` excess risks at `base`.

    Parameters
    ----------
    base : BasePoint
    max_row_norm : float
        Largest norm of a change (dw_j, db_j) of one unit to expect.
    n : int
        Number of perturbations.

    Returns
    -------
    Choice

    Notes
    -----
    With q = d1 (dx + 1) + 1, direct costs n m d1 (dx + 2). Screened costs n (q + form) once it is set up, the form q^2/2
    or patterns (d1 (dx + 1) + (dx + 1)^2/2), and per pair of sample and unit within reach 0.65 (dx + 2) float32 operations
    of the filter and 0.1 times the work of a changed sample; set-up m d1 (dx + 1), and m (dx + 1)^2 for one Gram
    matrix per pattern or m q^2 for one of all effective changes. Shares and patterns are counted on about 4,096
    samples at even steps. Lists that would not fit into a quarter of the memory rule screening out.
    """
    m, dx, d1 = base.data.n_samples, base.network.n_features, base.network.width
    pairs, samples, patterns = _count_near(base, max_row_norm)
    q = d1 * (dx + 1) + 1
    direct = n * m * d1 * (dx + 2) * _DIRECT
    by_pattern = patterns * (dx + 1) * (d1 + (dx + 1) / 2)
    walked = _WALKED * pairs * m * d1 * (dx + 2)
    each = (
        _PANEL + _ENTRY * q + _SQUARE * min(q * q / 2, by_pattern) + walked * (_FILTER + _CHANGED * _CHANGE)
    )
    # half as many patterns as samples looked at: there are too many to keep apart
    entries = q * q if patterns > 2048 or d1 > 64 else (dx + 1) ** 2
    setup = m * (d1 * (dx + 2) * _SUM + entries * _GRAM) + 1e-9 * q * min(q * q, 1e12)
    screened = n * each + setup
    held = pairs * m * d1 * (12 * (dx + 3) + 100) + 40.0 * q * q
    method = "screened" if screened < direct and held < available_bytes() / 4 else "direct"
    return Choice(method, direct, screened, samples)


def _problem(base: BasePoint, form: QuadraticForm, near: NearSamples) -> _screen.ScreenProblem:
    """What the kernel goes by, with these samples listed."""
    W1, b1, W2, _ = base.network.parameters()
    s_plus, s_minus = base.network.slopes
    return _screen.ScreenProblem(
        W1=W1, b1=b1, W2=W2, s_plus=s_plus, s_minus=s_minus, gradient=base.gradient, own=base.own,
        centre=base.centre, centred_bias=base.centred_bias, slopes=form.slopes, factor=form.factor,
        row_start=form.row_start, near_start=near.start, panel_start=near.panel_start, margin=near.margin,
        rows=near.rows, near_slopes=near.slopes, filter=near.filter, scale=near.scale, shared=near.shared,
        numbers=near.numbers,
    )  # fmt: skip


def _scratch(problem: _screen.ScreenProblem) -> _screen.ScreenScratch:
    """Work space of the kernel's calls for this problem, one at a time."""
    d1, dx = problem.W1.shape
    # what a perturbation of the tile may need for itself: coefficients of every pattern, products
    each = 8 * len(problem.near_slopes) * (dx + 6) + 20 * problem.shared
    tile = max(1, min(_TILE, _TILE_BYTES // max(1, each)))
    tile -= tile % _screen.PANEL if tile > _screen.PANEL else 0
    doubles, floats, longs, ints = _screen.walk_items(problem, tile)
    return _screen.ScreenScratch(
        problem, tile, np.empty(_screen.workspace_items(d1, dx)), np.empty(doubles), np.empty(floats, np.float32),
        np.zeros(longs, np.int64), np.zeros(ints, np.int32),
    )  # fmt: skip


class Screen:
    """Excess risks l(theta + delta) - l(theta) by exact screening.

    Parameters
    ----------
    base : BasePoint
    max_row_norm : float
        Samples are listed up to this norm of a change (dw_j, db_j) of one unit. A perturbation that reaches farther is
        still right: the lists grow, at the cost of one more pass over the data. The results do not depend on it.

    Attributes
    ----------
    near : NearSamples
        The samples listed so far.
    form : QuadraticForm

    Raises
    ------
    OptionError
        If `max_row_norm` is negative or NaN.
    TooLargeError
        If the lists, or the quadratic form, would not fit into memory.

    Notes
    -----
    May be called from several threads; each call has its own work space. Where no sample changes sign an excess has a
    relative error of a few 1e-16, unless linear and quadratic term have opposite signs and nearly cancel (a descent
    direction, at one special length): then the error is that much of the two terms. The linear term alone is right to the
    last bits for any base point and any perturbation. Yun, Sra and Jadbabaie (2019), section 2: the empirical risk;
    weights and screening go beyond it.
    """

    form: QuadraticForm

    def __init__(self, base: BasePoint, max_row_norm: float) -> None:
        listed_up_to = float(max_row_norm)
        if not listed_up_to >= 0.0:
            raise OptionError(f"max_row_norm must be a norm >= 0, got {spelled(max_row_norm)}")
        self.base = base
        self._lock = threading.Lock()
        near, form = survey(base, listed_up_to)
        assert form is not None
        self.form = form
        # in one, so that a thread finds both or neither
        self._listed = near, _problem(base, form, near)
        self._spare: list[_screen.ScreenScratch] = []

    @property
    def near(self) -> NearSamples:
        return self._listed[0]

    def excess(self, delta: F64) -> tuple[F64, I64]:
        """Excess risks of a block of perturbations.

        Parameters
        ----------
        delta : ndarray of shape (K, P), float64
            Changes of all parameters, in the order W1 by rows, b1, W2, b2.

        Returns
        -------
        excess : ndarray of shape (K,), float64
            l(theta + delta_k) - l(theta), in squared units of `y`; inf where it, or a number on the way to it, overflows.
        n_changed : ndarray of shape (K,), int64
            Pairs of sample and unit whose preactivation changes sign.

        Raises
        ------
        NetworkError
            If `delta` has another shape or type.
        """
        delta = np.ascontiguousarray(delta)
        if delta.ndim != 2 or delta.shape[1] != self.base.n_parameters or delta.dtype != np.float64:
            raise NetworkError(
                f"delta must be float64 of shape (K, {self.base.n_parameters}), got {delta.dtype} of shape {delta.shape}"
            )
        excess, changed, norm = np.empty(len(delta)), np.zeros(len(delta), np.int64), np.zeros(1)
        while True:
            near, problem = self._listed
            scratch = self._take(problem)
            _screen.screened_excess(delta, scratch, _screen.BEST_VARIANT, excess, changed, norm)
            self._give_back(scratch)
            if norm[0] <= near.listed_up_to:
                break
            self._extend(float(norm[0]))
        excess[~np.isfinite(excess)] = np.inf
        return excess, changed

    def _take(self, problem: _screen.ScreenProblem) -> _screen.ScreenScratch:
        with self._lock:
            if self._spare and problem is self._listed[1]:
                return self._spare.pop()
        return _scratch(problem)

    def _give_back(self, scratch: _screen.ScreenScratch) -> None:
        with self._lock:
            if scratch.problem is self._listed[1]:
                self._spare.append(scratch)

    def _extend(self, norm: float) -> None:
        with self._lock:
            if self.near.listed_up_to >= norm:
                return
            wider = norm * _STRETCH
            near, _ = survey(self.base, wider if math.isfinite(wider) else math.inf, quadratic_form=False)
            self._spare.clear()
            self._listed = near, _problem(self.base, self.form, near)
