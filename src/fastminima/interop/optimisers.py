"""`escape_benchmark`: do optimisers leave certified bad minima, and where do they end?

A start is a local minimum that is proved: no network within its radius has a lower risk, and `decide`'s region says
exactly which other networks cannot be lower. Noise of a known length is added, a torch optimiser runs, and what it ends
with is judged exactly: by the start's region, or by the exact local minimum that `polish` finds beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import InitVar, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.given import DataLike, as_dataset
from fastminima.errors import DataTypeError, NetworkError, OptionError
from fastminima.landscape.excess_risk import excess_risk
from fastminima.landscape.polish.polish import Polish, PolishStatus, polish
from fastminima.networks.activations.named import ActivationLike, as_piecewise
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, relu
from fastminima.networks.given import NetworkLike, as_exact_network
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.options import (
    as_count,
    as_real,
    check_choice,
    check_count,
    check_radius,
    spelled,
)
from fastminima.system.progress import Progress, as_progress, bar
from fastminima.theorems.theorem1.minimum import spurious_minimum
from fastminima.theorems.theorem1.status import MinimumStatus

from .escape_runs import EscapeBenchmark, EscapeRun, EscapeStart, Outcome
from .training import NAMED, Builder, Trace, Trainer, named_builder, one_torch_thread, require_torch

__all__ = ["escape_benchmark"]

Optimisers = str | Sequence[str | type] | Mapping[str, Callable[[list[Any]], Any]]

# members drawn for each that is kept, the largest for their size
_DRAWS = 8
# a recorded risk below the start's by this share is called lower: float64 sums of squares agree to far less
_LOWER = 1e-9
# `excess_risk` proves this share of what it returns
_DIGITS = 1e-12


@dataclass(frozen=True, kw_only=True)
class EscapeOptions:
    """The options of `escape_benchmark`, with its names; what everything behind it takes.

    Raises
    ------
    OptionError
        An option is none of its values or out of its range.
    """

    noise: InitVar[float | Sequence[float]]
    starts: int | Sequence[NetworkLike]
    repeats: int
    steps: int
    batch_size: int | None
    width: int
    activation: InitVar[ActivationLike]
    noise_unit: Literal["radius", "absolute"]
    reference: float | None
    random_state: int
    progress: Progress
    levels: tuple[float, ...] = field(init=False)
    h: PiecewiseLinear = field(init=False)

    def __post_init__(self, noise: float | Sequence[float], activation: ActivationLike) -> None:
        many = isinstance(noise, Sequence | Set) and not isinstance(noise, str | bytes)
        values = list(noise) if many else np.ravel(np.asarray(noise, dtype=object)).tolist()  # type: ignore[arg-type]
        object.__setattr__(self, "levels", tuple(dict.fromkeys(_length(value) for value in values)))
        if not self.levels:
            raise OptionError("noise must have at least one length, got none")
        object.__setattr__(self, "h", as_piecewise(activation, "escape_benchmark"))
        as_count(self.repeats, "repeats", 1, wanted="a whole number >= 1 (directions of the noise a start)")
        as_count(self.steps, "steps", 1, wanted="a whole number >= 1 (gradient evaluations a run)")
        if self.batch_size is not None:
            as_count(self.batch_size, "batch_size", 1, wanted="a whole number >= 1 or None (all samples)")
        check_choice(self.noise_unit, "noise_unit", ("radius", "absolute"))
        if self.reference is not None and not 0.0 < as_real(self.reference) < math.inf:
            raise OptionError(
                f"reference must be a positive risk (an upper bound on the least one), got {spelled(self.reference)}"
            )
        check_count(self.random_state, "random_state", 2**63)
        as_progress(self.progress)


def _length(value: Any) -> float:
    try:
        return check_radius(value)
    except OptionError:
        raise OptionError(
            f"noise must be a finite number >= 0 or a sequence of such, got {spelled(value)}"
        ) from None


def escape_benchmark(
    data: DataLike,
    optimisers: Optimisers = ("sgd", "momentum", "adam", "lbfgs"),
    *,
    noise: float | Sequence[float] = (0.5, 2.0, 8.0, 32.0),
    starts: int | Sequence[NetworkLike] = 3,
    repeats: int = 2,
    steps: int = 2_000,
    batch_size: int | None = None,
    width: int = 8,
    activation: ActivationLike = relu,
    noise_unit: Literal["radius", "absolute"] = "radius",
    reference: float | None = None,
    random_state: int = 0,
    progress: Progress = False,
) -> EscapeBenchmark:
    """Start optimisers at certified bad minima plus noise, and report where they end, exactly.

    Parameters
    ----------
    data : Dataset, (X, y) or (X, y, sample_weight)
        In the units in which it is to be trained: standardise columns and target first where that is what you do.
    optimisers : str, sequence or mapping
        Names ("sgd", "momentum", "adam", "adamw", "lbfgs"), classes of torch.optim (called with their defaults), or
        name -> function of the list of parameters that returns a torch optimiser. "sgd" and "momentum" (0.9) have the
        step 1/curvature, the largest eigenvalue of the mean loss's Hessian at the start; "adam" and "adamw" torch's
        defaults (step 1e-3; "adamw" decays weights, and so minimises another function); "lbfgs" has a strong Wolfe
        line search.
    noise : float or sequence of float, default (0.5, 2, 8, 32)
        Euclidean lengths of the noise over all parameters, along the same random directions.
    starts : int or sequence, default 3
        How many members of theorem 1's family to start at: of eight times as many draws of
        `spurious_minimum(data, activation, width).sample`, with live units, those with the largest `radius_relative`.
        Or the starts themselves: networks, torch modules, or whatever result has a network; each is polished to the
        exact local minimum beside it.
    repeats : int, default 2
        Directions of the noise at each start.
    steps : int, default 2,000
        Gradient evaluations a run; a call of an optimiser's `step` is never cut in two (L-BFGS makes up to some dozens).
        A full-batch run in which nothing moves any more ends sooner.
    batch_size : int, optional
        Samples a batch, without replacement until fewer are left; all at once without it.
    width : int, default 8
    activation : PiecewiseLinear, str or torch.nn.Module, default ReLU
        Piecewise linear, such as "leaky_relu:0.2". Both of the drawn starts.
    noise_unit : {"radius", "absolute"}
        Whether `noise` is in multiples of each start's certified radius, or a length as it stands.
    reference : float, optional
        An upper bound on the least risk of such networks, if you have one: the table then has a column over it.
    random_state : int, default 0
        Members, directions and batches depend on it alone. The same for all optimisers.
    progress : bool or callable, default False
        A bar on a terminal.

    Returns
    -------
    EscapeBenchmark

    Raises
    ------
    DataTypeError
        If `data`, `activation`, an optimiser or a start is of another type.
    OptionError
        An option out of its range; an unknown optimiser; a start that is no certified minimum, or that no network beats.
    NetworkError
        If `width` is out of range, a start's activation is not piecewise linear, or a noisy start leaves float64.
    MissingDependencyError
        If torch is not installed (extra `torch`).
    TargetError
        If the data have several targets.

    Examples
    --------
    >>> import fastminima as fm
    >>> found = fm.escape_benchmark(fm.load_demo("xor"), "lbfgs", noise=0.5, starts=1, width=2, steps=100)
    >>> found
    EscapeBenchmark(2 runs of lbfgs from 1 certified minima: 0 escaped)
    >>> [run.outcome.value for run in found.runs]
    ['returned', 'returned']

    Notes
    -----
    Deterministic: float64, one thread, random numbers from `random_state`. A run is, in this order: "diverged"; in the
    start's region (exactly), "returned"; and outside of it, by the certified minimum to which `polish` descends from the
    end: "returned" where its risk is exactly the start's, "escaped" where both it and the end itself are lower,
    "left" where only it is (a walk may be long: `run.polish.moved`), "higher", or "undecided" without one. Interrupted
    (Ctrl-C), the runs that ended come back.
    """
    options = EscapeOptions(
        noise=noise, starts=starts, repeats=repeats, steps=steps, batch_size=batch_size, width=width,
        activation=activation, noise_unit=noise_unit, reference=reference, random_state=random_state,
        progress=progress,
    )  # fmt: skip
    require_torch()
    builders = _builders(optimisers)
    dataset = as_dataset(data, "escape_benchmark")
    check_one_target(dataset, "escape_benchmark")
    bench = _Bench(dataset, options, _starts(dataset, options))
    runs: list[EscapeRun] = []
    interrupted = False
    total = len(builders) * len(bench.starts) * options.repeats * len(options.levels)
    try:
        with one_torch_thread(), bar("escape benchmark", total, progress=progress) as done:
            for run in bench.runs(builders):
                runs.append(run)
                done(len(runs))
    except KeyboardInterrupt:
        interrupted = True
    return EscapeBenchmark(
        bench.starts, tuple(runs), tuple(builders), options.levels, noise_unit, reference, interrupted
    )


def _builders(optimisers: Optimisers) -> dict[str, Builder]:
    """Name -> function of (parameters, curvature)."""
    if isinstance(optimisers, str):
        optimisers = [optimisers]
    if isinstance(optimisers, Mapping):
        for name, make in optimisers.items():
            if not (isinstance(name, str) and callable(make)):
                raise DataTypeError(
                    "optimisers as a mapping go from a name to a function of the parameters, got "
                    f"{spelled(name)}: {type(make).__name__}"
                )
        found = {name: _of_function(make) for name, make in optimisers.items()}
    elif isinstance(optimisers, Sequence):
        found = dict(map(_listed, optimisers))
    else:
        raise DataTypeError(
            f"optimisers must be names, classes of torch.optim, or a mapping, got {type(optimisers).__name__}"
        )
    if not found:
        raise OptionError("optimisers must have at least one, got none")
    return found


def _listed(one: Any) -> tuple[str, Builder]:
    if isinstance(one, type):
        return one.__name__.lower(), _of_function(one)
    if not isinstance(one, str):
        raise DataTypeError(
            f"a list of optimisers has names and classes of torch.optim, got {spelled(one)}; a function needs a name: "
            "pass a mapping"
        )
    check_choice(one, "an optimiser", tuple(NAMED))
    return one, named_builder(one)


def _of_function(make: Callable[[list[Any]], Any]) -> Builder:
    return lambda params, curvature: make(params)


def _starts(data: Dataset, options: EscapeOptions) -> tuple[EscapeStart, ...]:
    """The starts, certified."""
    given: Sequence[Any]
    if isinstance(options.starts, Sequence) and not isinstance(options.starts, str | bytes):
        given = options.starts
    else:
        count = as_count(
            options.starts, "starts", 1, wanted="a whole number >= 1 or a sequence of minima to start at"
        )
        low = spurious_minimum(data, options.h, options.width)
        if low.status is MinimumStatus.GLOBAL:
            raise OptionError(
                f"there is no bad minimum of width {low.network.width} to start at: {low.reason}"
            )
        drawn = low.sample(_DRAWS * count, np.random.default_rng([options.random_state, 0]))
        given = sorted(drawn, key=lambda member: -member.radius_relative)[:count]
    if not given:
        raise OptionError("starts must have at least one, got none")
    return tuple(_start(one, number, data, options) for number, one in enumerate(given))


def _start(one: Any, number: int, data: Dataset, options: EscapeOptions) -> EscapeStart:
    network = as_exact_network(one, f"start {number}")
    if not isinstance(network.activation, PiecewiseLinear):
        raise NetworkError(
            f"start {number} has the activation {network.activation!r}; the benchmark's regions and exact risks are about "
            "piecewise linear ones"
        )
    found = polish(network, data)
    if found.status is PolishStatus.INTERRUPTED:
        raise KeyboardInterrupt
    if not found:
        raise OptionError(f"start {number} is beside no certified minimum: {found.status}, {found.reason}")
    if found.decision.radius == math.inf:
        raise OptionError(
            f"start {number} is a global minimum, which nothing can leave: {found.decision.reason}"
        )
    if options.noise_unit == "radius" and not found.radius > 0.0:
        raise OptionError(
            f"the certified radius of start {number} is lost in float64's rounding (distance {found.distance:.3g}): "
            'pass noise_unit="absolute"'
        )
    return EscapeStart(found.network, found)


class _Bench:
    """Data, options and starts, and the runs from them."""

    def __init__(self, data: Dataset, options: EscapeOptions, starts: tuple[EscapeStart, ...]) -> None:
        self.data, self.options, self.starts = data, options, starts
        weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
        spread = data.y - np.average(data.y, weights=weight)
        # of the best constant, to float64's rounding: it only names what has diverged
        self.constant = 0.5 * float(weight @ (spread * spread))

    def runs(self, builders: Mapping[str, Builder]) -> Iterator[EscapeRun]:
        """Every run, optimiser by optimiser."""
        options = self.options
        activations = [start.network.activation for start in self.starts]
        trainers = {
            h: Trainer(self.data, h, options.steps, options.batch_size)
            for h in activations
            if isinstance(h, PiecewiseLinear)
        }
        curvatures = [
            trainers[h].curvature(start.network)
            for h, start in zip(activations, self.starts, strict=True)
            if isinstance(h, PiecewiseLinear)
        ]
        for name, build in builders.items():
            for number, (start, curvature) in enumerate(zip(self.starts, curvatures, strict=True)):
                trainer = trainers[start.network.activation]  # type: ignore[index]
                for repeat in range(options.repeats):
                    # directions and batches are the same for every optimiser
                    direction, seed = self._direction(number, repeat)
                    for noise in options.levels:
                        distance = noise * (start.radius if options.noise_unit == "radius" else 1.0)
                        begin = _moved(start.network, distance * direction, noise)
                        trace = trainer.run(begin, lambda params, b=build, c=curvature: b(params, c), seed)  # type: ignore[misc]
                        yield self._judged(
                            {
                                "optimiser": name, "start": number, "noise": noise, "distance": distance,
                                "repeat": repeat, "begin": begin, "trace": trace,
                            }
                        )  # fmt: skip

    def _direction(self, start: int, repeat: int) -> tuple[NDArray[np.float64], int]:
        """A point of the unit sphere of all parameters, and a seed."""
        rng = np.random.default_rng([self.options.random_state, 1, start, repeat])
        d1, dx = self.starts[start].network.W1.shape
        v = rng.standard_normal(d1 * (dx + 2) + 1)
        return v / np.linalg.norm(v), int(rng.integers(2**62))

    def _judged(self, known: dict[str, Any]) -> EscapeRun:
        start, trace = self.starts[known["start"]], known["trace"]
        outcome, reason, found = self._outcome(start, trace)
        lower = np.flatnonzero(trace.risk < start.risk * (1.0 - _LOWER))
        region = start.polish.decision.region
        return EscapeRun(
            **known, outcome=outcome, reason=reason, polish=found,
            began_in_region=region is not None and region.contains(known["begin"]),
            first_lower=int(trace.steps[lower[0]]) if len(lower) else None,
        )  # fmt: skip

    def _outcome(self, start: EscapeStart, trace: Trace) -> tuple[Outcome, str, Polish | None]:
        risk = float(trace.risk[-1])
        if trace.end is None or not math.isfinite(risk):
            return Outcome.DIVERGED, "parameters or risk left float64", None
        if risk > max(float(trace.risk[0]), self.constant):
            return (
                Outcome.DIVERGED,
                "the risk ended above that of the noisy start and of the best constant",
                None,
            )
        region = start.polish.decision.region
        if region is not None and region.contains(trace.end):
            return Outcome.RETURNED, "in the start's region, where no network is lower", None
        found = polish(trace.end, self.data)
        if found.status is PolishStatus.INTERRUPTED:
            raise KeyboardInterrupt
        if not found:
            return Outcome.UNDECIDED, f"{found.status}: {found.reason}", found
        risk_there = found.decision.exact_risk
        if risk_there == start.exact_risk:
            return Outcome.RETURNED, "beside a certified minimum of exactly the start's risk", found
        if risk_there < start.exact_risk:
            if self._is_lower(start, trace.end):
                return Outcome.ESCAPED, "lower, and beside a certified minimum of lower risk", found
            return (
                Outcome.LEFT,
                "not lower, but a descent from there ends at a certified lower minimum",
                found,
            )
        return Outcome.HIGHER, "beside a certified minimum of higher risk", found

    def _is_lower(self, start: EscapeStart, end: OneHiddenLayer) -> bool:
        """Is the network's risk below that of the start's exact minimum? Proved: 13 digits of the difference are."""
        change = excess_risk(start.network, end, self.data)
        return change * (1.0 - _DIGITS) + start.polish.excess < 0.0


def _moved(network: OneHiddenLayer, step: NDArray[np.float64], noise: float) -> OneHiddenLayer:
    W1, b1, W2, b2 = network.parameters()
    cut = W1.size
    with np.errstate(over="ignore"):
        parts = (
            W1 + step[:cut].reshape(W1.shape), b1 + step[cut : cut + len(b1)], W2 + step[cut + len(b1) : -1],
            b2 + step[-1],
        )  # fmt: skip
    try:
        return OneHiddenLayer(*parts, network.activation)
    except NetworkError as error:
        raise NetworkError(f"noise of {noise:g} leaves float64: {error}") from error
