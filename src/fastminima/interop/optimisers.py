"""`escape_benchmark`: do optimisers leave certified bad minima, and where do they end?

A start is a local minimum that is proved. Of one hidden layer no network within its radius has a lower risk, and `decide`'s
region says exactly which other networks cannot be lower; of deep networks none within its radius, or with all units in the
affine segment, has a lower loss. Noise of a known length is added, a torch optimiser runs, and what it ends with is judged
exactly: by the region, by the exact local minimum that `polish` finds beside it, or by a proof that it is lower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.given import DataLike, as_dataset
from fastminima.errors import DataError, DataTypeError, OptionError
from fastminima.losses.given import LossName, as_row_loss
from fastminima.losses.pointwise import Logistic, PointwiseLoss, Softmax
from fastminima.networks.activations.named import ActivationLike
from fastminima.networks.activations.piecewise_linear import relu
from fastminima.networks.given import NetworkLike
from fastminima.system.options import as_count, check_choice, spelled
from fastminima.system.progress import Progress, bar
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.given_classes import labelled, with_classes
from fastminima.theorems.theorem1.minimum import SpuriousMinimum, spurious_minimum
from fastminima.theorems.theorem1.status import MinimumStatus

from .deep_bench import DeepBench, check_deep_start
from .escape_bench import Bench, ClassicBench, EscapeOptions, classic_starts
from .escape_runs import FRESH, EscapeBenchmark, EscapeRun
from .training import NAMED, Builder, named_builder, one_torch_thread, require_torch

__all__ = ["escape_benchmark"]

Optimisers = str | Sequence[str | type] | Mapping[str, Callable[[list[Any]], Any]]


def escape_benchmark(
    data: DataLike,
    optimisers: Optimisers = ("sgd", "momentum", "adam", "lbfgs"),
    *,
    noise: float | Sequence[float] = (0.5, 2.0, 8.0, 32.0),
    starts: int | Sequence[NetworkLike] | None = None,
    repeats: int = 2,
    fresh: int = 0,
    steps: int = 2_000,
    batch_size: int | None = None,
    width: int | Sequence[int] = 8,
    activation: ActivationLike = relu,
    loss: LossName | PointwiseLoss = "squared",
    noise_unit: Literal["radius", "absolute"] = "radius",
    reference: float | None = None,
    random_state: int = 0,
    progress: Progress = False,
) -> EscapeBenchmark:
    """Start optimisers at certified bad minima plus noise, and report where they end, exactly.

    Parameters
    ----------
    data : Dataset, (X, y) or (X, y, sample_weight)
        In the units in which it is to be trained: standardise columns and target first where that is what you do. Several
        targets, or classes for logistic and softmax loss, as `spurious_minimum` takes them.
    optimisers : str, sequence or mapping
        Names ("sgd", "momentum", "adam", "adamw", "lbfgs"), classes of torch.optim (called with their defaults), or
        name -> function of the list of parameters that returns a torch optimiser. "sgd" and "momentum" (0.9) have the
        step 1/curvature, the largest eigenvalue of the mean loss's Hessian at the start; "adam" and "adamw" torch's
        defaults (step 1e-3; "adamw" decays weights, and so minimises another function); "lbfgs" has a strong Wolfe
        line search.
    noise : float or sequence of float, default (0.5, 2, 8, 32)
        Euclidean lengths of the noise over all parameters, along the same random directions.
    starts : int or sequence, optional
        How many members of theorem 1's family to start at, by default 3: of eight times as many draws of
        `spurious_minimum(data, activation, width).sample`, with live units, those with the largest `radius_relative`.
        Or the starts themselves: networks, torch modules, or whatever result has a network; each is polished to the
        exact local minimum beside it. Of deep networks, which are constructed in one way: 1, or a sequence of
        `DeepMinimum` of one loss, with other `alpha`, `gain` or widths.
    repeats : int, default 2
        Directions of the noise at each start.
    fresh : int, default 0
        As a yardstick: runs at each start from PyTorch's default initialisation in its place, judged alike, with noise inf.
    steps : int, default 2,000
        Gradient evaluations a run; a call of an optimiser's `step` is never cut in two (L-BFGS makes up to some dozens).
        A full-batch run in which nothing moves any more ends sooner.
    batch_size : int, optional
        Samples a batch, without replacement until fewer are left; all at once without it.
    width : int or sequence of int, default 8
        Of the constructed starts. Several hidden layers, such as (16, 16), make them deep, as do another loss, several
        targets and an activation that is not made of two slopes.
    activation : PiecewiseLinear, Smooth, str or torch.nn.Module, default ReLU
        Such as "leaky_relu:0.2", "elu", "hardtanh". Of the constructed starts.
    loss : "squared", "huber", "logistic", "softmax" or a loss of one row, default "squared"
        Of the constructed starts; as `spurious_minimum` takes it.
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
        If `width` is out of range, the activation of a start of one hidden layer is not piecewise linear, or a noisy start
        leaves float64.
    MissingDependencyError
        If torch is not installed (extra `torch`).
    TargetError
        If the data have several targets and the starts are networks of one; classes as of `spurious_minimum`.
    DataError
        If starts that are deep belong to other data.
    LossError
        Another loss.

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
    "left" where only it is (a walk may be long: `run.polish.moved`), "higher", or "undecided" without one. Of deep networks:
    "diverged"; all units of all samples in the affine segment (exactly), "returned"; a loss proved below that of the
    best affine map, "escaped"; else "undecided". Interrupted (Ctrl-C), the runs that ended come back.
    """
    options = EscapeOptions(
        noise=noise, starts=starts, repeats=repeats, fresh=fresh, steps=steps, batch_size=batch_size, width=width,
        activation=activation, loss=loss, noise_unit=noise_unit, reference=reference, random_state=random_state,
        progress=progress,
    )  # fmt: skip
    require_torch()
    builders = _builders(optimisers)
    with one_torch_thread():
        bench = _bench(data, options)
    runs: list[EscapeRun] = []
    interrupted = False
    total = len(builders) * bench.count()
    try:
        with one_torch_thread(), bar("escape benchmark", total, progress=progress) as done:
            for run in bench.runs(builders):
                runs.append(run)
                done(len(runs))
    except KeyboardInterrupt:
        interrupted = True
    levels = options.levels + ((FRESH,) if options.fresh else ())
    return EscapeBenchmark(
        bench.starts, tuple(runs), tuple(builders), levels, noise_unit, reference, interrupted
    )


def _bench(data: Any, options: EscapeOptions) -> Bench:
    """The starts, certified, and what runs from them."""
    if isinstance(options.starts, Sequence) and not isinstance(options.starts, str | bytes):
        if not len(options.starts):
            raise OptionError("starts must have at least one, got none")
        if any(isinstance(one, DeepMinimum) for one in options.starts):
            return DeepBench(options, _given(data, options.starts))
        dataset = as_dataset(data, "escape_benchmark")
        check_one_target(dataset, "escape_benchmark")
        return ClassicBench(dataset, options, classic_starts(dataset, options, None))
    if options.starts is not None:
        as_count(
            options.starts, "starts", 1, wanted="a whole number >= 1 or a sequence of minima to start at"
        )
    if not isinstance(as_row_loss(options.loss), Logistic | Softmax):
        data = as_dataset(data, "escape_benchmark")
    low = spurious_minimum(data, options.h, options.width, loss=options.loss)
    if low.status is MinimumStatus.GLOBAL or low.network is None or low.status is MinimumStatus.NEAR_MINIMUM:
        raise OptionError(
            f"there is no bad minimum of width {spelled(options.width)} to start at: {low.reason}"
        )
    if isinstance(low, SpuriousMinimum):
        return ClassicBench(low.data, options, classic_starts(low.data, options, low))
    if options.starts not in (None, 1):
        raise OptionError(
            f"deep networks are constructed in one way, so starts is 1, got {options.starts}: take more repeats, or pass a "
            "sequence of minima with other alpha or gain"
        )
    return DeepBench(options, (low,))


def _given(data: Any, starts: Sequence[Any]) -> tuple[DeepMinimum, ...]:
    """Deep minima of these data, all of one loss.

    Raises
    ------
    DataTypeError, DataError, OptionError
        They are not.
    """
    for number, low in enumerate(starts):
        if not isinstance(low, DeepMinimum):
            raise DataTypeError(
                f"starts are deep minima or networks of one hidden layer, not both: start {number} is a {type(low).__name__}"
            )
        check_deep_start(low, number)
        if low.objective != starts[0].objective:
            raise OptionError(f"starts must have one loss, got {starts[0].objective!r} and {low.objective!r}")
    phi = starts[0].objective
    if isinstance(phi, Logistic | Softmax) and isinstance(data, tuple):
        data = labelled(data)
    dataset, _ = with_classes(as_dataset(data, "escape_benchmark"), phi)
    for number, low in enumerate(starts):
        mine = low.data
        same = np.array_equal(mine.X, dataset.X) and np.array_equal(mine.Y, dataset.Y)
        if not (same and np.array_equal(_weights(mine), _weights(dataset))):
            raise DataError(f"start {number} is a minimum of other data than those given")
    return tuple(starts)


def _weights(data: Dataset) -> NDArray[np.float64]:
    return np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight


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
