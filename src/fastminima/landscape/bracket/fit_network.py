"""`fit_network`: the best network of a width that a search finds, with its exact risk."""

from __future__ import annotations

import enum
import math
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from fractions import Fraction
from threading import Lock
from typing import Any

import numpy as np

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.given import DataLike, HasData
from fastminima.errors import NetworkError, OptionError
from fastminima.exact.dyadic import bit_size, power_of_two, round_fraction, round_up
from fastminima.fit.chain import Search, linear_candidate
from fastminima.fit.least_squares import LeastSquares, least_squares
from fastminima.fit.scaled_rows import Candidate, ScaledRows, Workspace
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.decide.stationarity import Stationarity
from fastminima.landscape.polish.polish import Polish, polish
from fastminima.networks.activations.named import ActivationLike, as_piecewise
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, relu
from fastminima.networks.given import own_data
from fastminima.networks.next_steps import NextSteps
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.first_use import cached_property
from fastminima.system.options import as_count, as_generator, as_real, count_workers, spelled
from fastminima.system.progress import Progress, as_progress, bar
from fastminima.system.threads import single_threaded_blas

__all__ = ["NetworkFit", "SearchEnd", "SearchLimits", "fit_network", "refined", "searched", "seed_of"]


class SearchEnd(enum.StrEnum):
    """Why a search ended."""

    STARTS = "all starts done"
    SECONDS = "time is up"
    ZERO_RISK = "risk 0 in float64"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class SearchLimits:
    """When a search ends, on how many threads it runs, and who is told: what the caller gave, checked.

    Attributes
    ----------
    seconds : float or None
        5 where nothing is said of `n_starts` either.
    n_starts : int or None
    workers : int
    progress : bool or callable
    """

    seconds: float | None
    n_starts: int | None
    workers: int
    progress: Progress

    def __post_init__(self) -> None:
        seconds, n_starts = self.seconds, self.n_starts
        if seconds is not None:
            if not 0.0 < as_real(seconds) < math.inf:
                raise OptionError(f"seconds must be a positive number, got {spelled(seconds)}")
            seconds = float(seconds)
        if n_starts is not None:
            n_starts = as_count(n_starts, "n_starts", 1)
        object.__setattr__(self, "progress", as_progress(self.progress))
        object.__setattr__(self, "seconds", 5.0 if seconds is None and n_starts is None else seconds)
        object.__setattr__(self, "n_starts", n_starts)
        object.__setattr__(self, "workers", count_workers(self.workers))


@dataclass(frozen=True, eq=False, repr=False)
class NetworkFit(NextSteps):
    """The best network that a search found.

    Attributes
    ----------
    network : OneHiddenLayer
    data : Dataset
    exact_risk : Fraction
        Of `network` on the data, in rational arithmetic.
    history : tuple of (float, float)
        Seconds since the start of the search, and the least risk found by then, rounded.
    n_starts : int
        Starts that were begun.
    end : SearchEnd

    Examples
    --------
    >>> import fastminima as fm
    >>> fit = fm.fit_network(fm.load_demo("diabetes"), width=3, n_starts=2, random_state=0)
    >>> fit.network.width, fit.n_starts, fit.exact_risk < 631992
    (3, 2, True)
    """

    network: OneHiddenLayer
    data: Dataset
    exact_risk: Fraction
    history: tuple[tuple[float, float], ...]
    n_starts: int
    end: SearchEnd

    @property
    def risk(self) -> float:
        """The exact risk 1/2 sum w (f - y)^2, rounded up."""
        return round_up(self.exact_risk)

    @cached_property
    def polished(self) -> Polish:
        """What `fastminima.polish` makes of the network: the exact local minimum beside it; at first use."""
        return polish(self.network, self.data)

    @property
    def decision(self) -> Decision:
        """The verdict on the exact minimum beside the network (`polished`)."""
        return self.polished.decision

    def __repr__(self) -> str:
        width = len(self.network.W2)
        return f"NetworkFit(width {width}, risk {self.risk:.6g}, {self.n_starts} starts, {self.end})"


def fit_network(
    data: DataLike | HasData,
    width: int = 8,
    *,
    activation: ActivationLike = relu,
    seconds: float | None = None,
    n_starts: int | None = None,
    random_state: int | np.random.Generator | None = 0,
    workers: int = 1,
    progress: Progress = False,
) -> NetworkFit:
    """Search for the network of a width with the least risk.

    Random and greedy starts, a descent through activation patterns with an exact line search, and swaps of units.

    Parameters
    ----------
    data : Dataset, (X, y) or (X, y, sample_weight)
        With one target. A result that knows its data does as well.
    width : int, default 8
        Hidden units.
    activation : PiecewiseLinear, str or torch.nn.Module, default relu
        Piecewise linear, such as "leaky_relu:0.2".
    seconds : float, optional
        The search ends at the first descent that ends after this; 5 if `n_starts` is not given either.
    n_starts : int, optional
        Starts to make. With `n_starts` and without `seconds` the same `random_state` gives the same network for any
        number of workers.
    random_state : int, Generator or None, default 0
    workers : int, default 1
        Threads; -1 for all usable cores.
    progress : bool or callable, default False
        A bar on a terminal or in a notebook, or a function that is told the share that is done.

    Returns
    -------
    NetworkFit
        Its exact risk is never above that of the linear fit by more than rounding.

    Raises
    ------
    DataTypeError, TargetError, OptionError, NetworkError
        For arguments of other kinds, several targets, numbers out of range, and activations that are not piecewise
        linear.

    Examples
    --------
    >>> import fastminima as fm
    >>> data = fm.Dataset([[float(x)] for x in range(-3, 4)], [0.0, 0, 2, 3, -3, -2, 2])
    >>> fm.fit_network(data, width=2, n_starts=2)
    NetworkFit(width 2, risk 3.375, 2 starts, all starts done)
    """
    dataset = own_data(data, "fit_network")
    check_one_target(dataset, "fit_network")
    limits = SearchLimits(seconds, n_starts, workers, progress)
    width, seed = as_count(width, "width", 1), seed_of(random_state)
    return searched(least_squares(dataset), width, as_piecewise(activation, "fit_network"), limits, seed)


def seed_of(random_state: Any) -> int:
    """One number out of what numpy.random.default_rng takes."""
    return int(as_generator(random_state).integers(2**62))


class _Best:
    """The best candidate over all starts; ties go to the lower start, so threads do not matter."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.candidate: Candidate | None = None
        self.number = -1
        self.history: list[tuple[float, float]] = []
        self._lock = Lock()

    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def report(self, number: int, candidate: Candidate) -> None:
        with self._lock:
            best = self.candidate
            if best is None or (candidate.risk, number) < (best.risk, self.number):
                if best is None or candidate.risk < best.risk:
                    self.history.append((self.seconds(), candidate.risk))
                self.candidate, self.number = candidate, number


def searched(
    fit: LeastSquares,
    width: int,
    activation: PiecewiseLinear,
    limits: SearchLimits,
    seed: int,
) -> NetworkFit:
    """The search with arguments that have been checked."""
    rows, best = ScaledRows.of(fit.data, (activation.s_plus, activation.s_minus)), _Best()
    best.report(-1, linear_candidate(rows, width))
    stopped = False

    def expired() -> bool:
        return stopped or (limits.seconds is not None and best.seconds() >= limits.seconds)

    search = Search(rows, width, seed, expired, best.report)
    begun, end = 0, SearchEnd.STARTS
    total = float(limits.n_starts or 1) if limits.seconds is None else limits.seconds
    with (
        single_threaded_blas(),
        ThreadPoolExecutor(limits.workers) as pool,
        bar("search", total, progress=limits.progress) as tell,
    ):
        running: set[Future[None]] = set()
        try:
            while True:
                zero = best.candidate is not None and best.candidate.risk == 0.0
                while (
                    not zero and not expired() and len(running) < limits.workers and begun != limits.n_starts
                ):
                    running.add(pool.submit(search.run, begun))
                    begun += 1
                if not running:
                    break
                done, running = wait(running, timeout=0.1, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                share = float(begun - len(running)) if limits.seconds is None else best.seconds()
                tell(min(share, total))
            if best.candidate is not None and best.candidate.risk == 0.0:
                end = SearchEnd.ZERO_RISK
            elif begun != limits.n_starts or (
                limits.seconds is not None and best.seconds() >= limits.seconds
            ):
                end = SearchEnd.SECONDS
        except KeyboardInterrupt:
            stopped, end = True, SearchEnd.INTERRUPTED
    return _result(rows, best, fit, activation, begun, end)


def _result(
    rows: ScaledRows, best: _Best, fit: LeastSquares, activation: PiecewiseLinear, begun: int, end: SearchEnd
) -> NetworkFit:
    assert best.candidate is not None
    parameters = rows.outside(best.candidate)
    if parameters is None:
        raise NetworkError(
            "the best network found has parameters beyond float64: the inputs or the target span too many powers of 2; "
            "scale the columns"
        )
    network = OneHiddenLayer(*parameters, activation, fit.data.feature_names)
    exact = Stationarity(RationalNetwork.of(network), fit.data).risk
    linear = _exact_linear(fit, len(network.W2), activation) if fit.exact.risk < exact else None
    if linear is not None:
        # data that lie on an affine function: what was found is above it by rounding
        risk = Stationarity(RationalNetwork.of(linear), fit.data).risk
        network, exact = (linear, risk) if risk < exact else (network, exact)
    with np.errstate(over="ignore"):
        weight = 1.0 if fit.data.sample_weight is None else float(fit.data.sample_weight.max())
        unit = rows.unit * rows.unit * weight
    history = tuple((seconds, risk * unit) for seconds, risk in best.history)
    return NetworkFit(network, fit.data, exact, history, begun, end)


def _exact_linear(fit: LeastSquares, width: int, activation: PiecewiseLinear) -> OneHiddenLayer | None:
    """The exact linear fit, in units that are positive on all rows or opposite; None where no float64 numbers do."""
    plus, minus, coef = Fraction(activation.s_plus), Fraction(activation.s_minus), fit.exact.coef
    level, nothing = fit.exact.intercept, [Fraction(0)] * len(coef)
    fitted, scale = fit.exact.fitted_numerators()
    reach = max(abs(int(v)) * scale for v in fitted) + abs(level) + 1
    offset = power_of_two(bit_size(reach) + 1)
    # (rows with their biases, output weights, output bias)
    ways = [([[*nothing, Fraction(0)]], [Fraction(0)], level)] if not any(coef) else []
    ways.append(([[*(c / plus for c in coef), (level + offset) / plus]], [Fraction(1)], -offset))
    if width > 1:
        part = [c / (plus + minus) for c in coef]
        ways.append(
            ([[*part, Fraction(0)], [*(-c for c in part), Fraction(0)]], [Fraction(1), Fraction(-1)], level)
        )
    for rows, weights, bias in ways:
        numbers = [*(v for row in rows for v in row), *weights, bias]
        if all(math.isfinite(near := round_fraction(v)) and near == v for v in numbers):
            W, W2 = np.zeros((width, len(coef) + 1)), np.zeros(width)
            W[: len(rows)] = [[float(v) for v in row] for row in rows]
            W2[: len(rows)] = [float(v) for v in weights]
            return OneHiddenLayer(W[:, :-1], W[:, -1], W2, float(bias), activation, fit.data.feature_names)
    return None


def refined(found: NetworkFit, fit: LeastSquares, network: OneHiddenLayer) -> NetworkFit:
    """The search's result, or a network from elsewhere and what a descent makes of it, if that is lower."""
    activation = found.network.activation
    assert isinstance(activation, PiecewiseLinear)
    rows = ScaledRows.of(fit.data, (activation.s_plus, activation.s_minus))
    candidate = rows.inside(*network.parameters())
    others = [network]
    if candidate is not None:
        room = Workspace(rows.n_samples, rows.X.shape[1], len(network.W2))
        with single_threaded_blas():
            parameters = rows.outside(rows.descend(candidate, room, 200, 1e-12))
        if parameters is not None:
            others.append(OneHiddenLayer(*parameters, activation))
    for other in others:
        named = replace(other, feature_names=fit.data.feature_names)
        risk = Stationarity(RationalNetwork.of(named), fit.data).risk
        if risk < found.exact_risk:
            history = (*found.history, (found.history[-1][0], float(risk)))
            found = replace(found, network=named, exact_risk=risk, history=history)
    return found
