"""Runs of optimisers from certified minima, and what is proved of where they end.

`Bench` deals starts, directions and runs out; `ClassicBench` judges networks of one hidden layer by the region of their
minimum and by `polish`, `deep_bench.DeepBench` deep ones.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import InitVar, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import NetworkError, OptionError
from fastminima.landscape.excess_risk import excess_risk
from fastminima.landscape.polish.polish import Polish, PolishStatus, polish
from fastminima.networks.activations.named import ActivationLike, as_activation
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.given import NetworkLike, as_exact_network
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.options import as_count, as_real, check_choice, check_count, check_radius, spelled
from fastminima.system.progress import Progress, as_progress
from fastminima.theorems.theorem1.minimum import SpuriousMinimum

from .escape_runs import FRESH, EscapeRun, EscapeStart, Outcome
from .training import Builder, Trace, Trainer

__all__ = ["Bench", "ClassicBench", "EscapeOptions", "classic_starts"]

F64 = NDArray[np.float64]

# members drawn for each that is kept, the largest for their size
_DRAWS = 8
# a recorded risk below the start's by this share is called lower: float64 sums of squares agree to far less
_LOWER = 1e-9
# `excess_risk` proves this share of what it returns
_DIGITS = 1e-12
_WANTED = "noise must be a finite number >= 0 or a sequence of such, got {}"


@dataclass(frozen=True, kw_only=True)
class EscapeOptions:
    """The options of `escape_benchmark`, with its names; what everything behind it takes.

    Raises
    ------
    OptionError
        An option is none of its values or out of its range.
    """

    noise: InitVar[float | Sequence[float]]
    starts: int | Sequence[NetworkLike] | None
    repeats: int
    steps: int
    batch_size: int | None
    fresh: int
    width: int | Sequence[int]
    activation: InitVar[ActivationLike]
    loss: Any
    noise_unit: Literal["radius", "absolute"]
    reference: float | None
    random_state: int
    progress: Progress
    levels: tuple[float, ...] = field(init=False)
    h: Any = field(init=False)

    def __post_init__(self, noise: float | Sequence[float], activation: ActivationLike) -> None:
        values = _listed(noise)
        object.__setattr__(self, "levels", tuple(dict.fromkeys(_length(value) for value in values)))
        if not self.levels:
            raise OptionError("noise must have at least one length, got none")
        object.__setattr__(self, "h", as_activation(activation))
        as_count(self.repeats, "repeats", 1, wanted="a whole number >= 1 (directions of the noise a start)")
        as_count(self.steps, "steps", 1, wanted="a whole number >= 1 (gradient evaluations a run)")
        as_count(self.fresh, "fresh", 0, wanted="a whole number >= 0 (runs from default initialisations)")
        if self.batch_size is not None:
            as_count(self.batch_size, "batch_size", 1, wanted="a whole number >= 1 or None (all samples)")
        check_choice(self.noise_unit, "noise_unit", ("radius", "absolute"))
        if self.reference is not None and not 0.0 < as_real(self.reference) < math.inf:
            raise OptionError(
                f"reference must be a positive risk (an upper bound on the least one), got {spelled(self.reference)}"
            )
        check_count(self.random_state, "random_state", 2**63)
        as_progress(self.progress)


def _listed(noise: Any) -> list[Any]:
    if isinstance(noise, Sequence | Set) and not isinstance(noise, str | bytes):
        return list(noise)
    try:
        return list(np.ravel(np.asarray(noise, dtype=object)).tolist())
    except Exception:  # what an array of another library raises is its own
        raise OptionError(_WANTED.format(spelled(noise))) from None


def _length(value: Any) -> float:
    try:
        return check_radius(value)
    except OptionError:
        raise OptionError(_WANTED.format(spelled(value))) from None


def classic_starts(
    data: Dataset, options: EscapeOptions, low: SpuriousMinimum | None
) -> tuple[EscapeStart, ...]:
    """The starts of one hidden layer, certified: those given, or members of the family of `low`."""
    given: Sequence[NetworkLike]
    if low is None:
        assert isinstance(options.starts, Sequence)
        given = list(options.starts)
    else:
        count = 3 if options.starts is None else int(options.starts)  # type: ignore[arg-type]
        drawn = low.sample(_DRAWS * count, np.random.default_rng([options.random_state, 0]))
        given = sorted(drawn, key=lambda member: -member.radius_relative)[:count]
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


class Bench(ABC):
    """Data, options and starts, and the runs from them.

    `constant` is about the loss of the best constant: it only names what has diverged.
    """

    options: EscapeOptions
    starts: tuple[Any, ...]
    constant: float

    @abstractmethod
    def trainer(self, start: Any) -> Trainer:
        """What trains networks like that of a start."""

    @abstractmethod
    def curvature(self, start: Any) -> float:
        """The largest curvature of the mean loss at a start."""

    @abstractmethod
    def moved(self, network: Any, step: F64) -> Any:
        """A network whose parameters, in one order, are moved."""

    @abstractmethod
    def inside(self, start: Any, network: Any) -> bool:
        """Does a network lie in the region of a start? Decided exactly."""

    @abstractmethod
    def outcome(self, start: Any, trace: Trace) -> tuple[Outcome, str, Polish | None]:
        """Of a run that ended with finite numbers and has not diverged."""

    def shapes(self, network: Any) -> list[tuple[int, int]]:
        """(inputs, numbers) of each parameter array, in that order."""
        return [(W.shape[1], size) for W, b in network.layers for size in (W.size, len(b))]

    def runs(self, builders: Mapping[str, Builder]) -> Iterator[EscapeRun]:
        """Every run, optimiser by optimiser."""
        curvatures = [self.curvature(start) for start in self.starts]
        for name, build in builders.items():
            for number, (start, curvature) in enumerate(zip(self.starts, curvatures, strict=True)):
                trainer = self.trainer(start)
                for noise, repeat, begin, distance, seed in self._begins(number):
                    trace = trainer.run(begin, lambda params, b=build, c=curvature: b(params, c), seed)  # type: ignore[misc]
                    known = {
                        "optimiser": name, "start": number, "noise": noise, "distance": distance, "repeat": repeat,
                        "begin": begin, "trace": trace,
                    }  # fmt: skip
                    yield self._judged(known)

    def count(self) -> int:
        """Runs of one optimiser."""
        options = self.options
        return len(self.starts) * (options.repeats * len(options.levels) + options.fresh)

    def _begins(self, number: int) -> Iterator[tuple[float, int, Any, float, int]]:
        """(noise, repeat, network, distance, seed): directions and batches are the same for every optimiser."""
        options, start = self.options, self.starts[number]
        shapes = self.shapes(start.network)
        size = sum(n for _, n in shapes)
        for repeat in range(options.repeats):
            # a point of the unit sphere of all parameters
            rng = np.random.default_rng([options.random_state, 1, number, repeat])
            v = rng.standard_normal(size)
            v, seed = v / np.linalg.norm(v), int(rng.integers(2**62))
            for noise in options.levels:
                distance = noise * (start.radius if options.noise_unit == "radius" else 1.0)
                yield noise, repeat, self._begin(start, distance * v, noise), distance, seed
        for repeat in range(options.fresh):
            # PyTorch's default: weights and biases uniform within the root of 1 / inputs
            rng = np.random.default_rng([options.random_state, 2, number, repeat])
            values = np.concatenate(
                [rng.uniform(-1.0, 1.0, n) / math.sqrt(max(inputs, 1)) for inputs, n in shapes]
            )
            step = values - self.flat(start.network)
            yield (
                FRESH,
                repeat,
                self._begin(start, step, FRESH),
                float(np.linalg.norm(step)),
                int(rng.integers(2**62)),
            )

    def flat(self, network: Any) -> F64:
        """All parameters, in the order of `moved`."""
        return np.concatenate([part.ravel() for layer in network.layers for part in layer])

    def _begin(self, start: Any, step: F64, noise: float) -> Any:
        try:
            return self.moved(start.network, step)
        except NetworkError as error:
            raise NetworkError(f"noise of {noise:g} leaves float64: {error}") from error

    def _judged(self, known: dict[str, Any]) -> EscapeRun:
        start, trace = self.starts[known["start"]], known["trace"]
        risk = float(trace.risk[-1])
        found: Polish | None = None
        if trace.end is None or not math.isfinite(risk):
            outcome, reason = Outcome.DIVERGED, "parameters or risk left float64"
        elif risk > max(float(trace.risk[0]), self.constant):
            outcome, reason = (
                Outcome.DIVERGED,
                "the risk ended above that of the noisy start and of the best constant",
            )
        else:
            outcome, reason, found = self.outcome(start, trace)
        lower = np.flatnonzero(trace.risk < start.risk * (1.0 - _LOWER))
        return EscapeRun(
            **known, outcome=outcome, reason=reason, polish=found, began_in_region=self.inside(start, known["begin"]),
            first_lower=int(trace.steps[lower[0]]) if len(lower) else None,
        )  # fmt: skip


class ClassicBench(Bench):
    """Networks of one hidden layer and one output."""

    def __init__(self, data: Dataset, options: EscapeOptions, starts: tuple[EscapeStart, ...]) -> None:
        self.data, self.options, self.starts = data, options, starts
        weight = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
        spread = data.y - np.average(data.y, weights=weight)
        self.constant = 0.5 * float(weight @ (spread * spread))
        self._trainers: dict[Any, Trainer] = {}

    def trainer(self, start: EscapeStart) -> Trainer:
        """One for each activation."""
        h = start.network.activation
        if h not in self._trainers:
            self._trainers[h] = Trainer(self.data, h, self.options.steps, self.options.batch_size)
        return self._trainers[h]

    def curvature(self, start: EscapeStart) -> float:
        """By autograd."""
        return self.trainer(start).curvature(start.network)

    def moved(self, network: OneHiddenLayer, step: F64) -> OneHiddenLayer:
        """In the order W1, b1, W2, b2."""
        W1, b1, W2, b2 = network.parameters()
        cut = W1.size
        with np.errstate(over="ignore"):
            return OneHiddenLayer(
                W1 + step[:cut].reshape(W1.shape), b1 + step[cut : cut + len(b1)], W2 + step[cut + len(b1) : -1],
                b2 + step[-1], network.activation,
            )  # fmt: skip

    def shapes(self, network: OneHiddenLayer) -> list[tuple[int, int]]:
        """Of W1, b1, W2, b2."""
        d1, dx = network.W1.shape
        return [(dx, d1 * dx), (dx, d1), (d1, d1), (d1, 1)]

    def flat(self, network: OneHiddenLayer) -> F64:
        """W1, b1, W2, b2."""
        return np.concatenate([np.ravel(part) for part in network.parameters()])

    def inside(self, start: EscapeStart, network: OneHiddenLayer) -> bool:
        """In the region of `decide`."""
        region = start.polish.decision.region
        return region is not None and region.contains(network)

    def outcome(self, start: EscapeStart, trace: Trace) -> tuple[Outcome, str, Polish | None]:
        """By the region, and by `polish` outside of it."""
        assert isinstance(trace.end, OneHiddenLayer)
        if self.inside(start, trace.end):
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
