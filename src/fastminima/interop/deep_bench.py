"""The same from deep minima: what is proved of where a run ended, and of where it began.

(a) Inside: all preactivations of all samples lie in the open affine segment. The network then is an affine map of the
    inputs, and none has a loss below that of the best one. `certified_radius` proves it by being above 0.
(b) Lower: the loss of the end is proved below that of the best affine map, as for a better point (`certify_deep_drop`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import MissingDependencyError, OptionError, TooLargeError
from fastminima.landscape.polish.polish import Polish
from fastminima.networks.deep_network import DeepNetwork
from fastminima.theorems.theorem1.certify_cell import cell_forms, certified_radius
from fastminima.theorems.theorem1.certify_deep_loss import certify_deep_drop
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.float_fit import fitted
from fastminima.theorems.theorem1.status import MinimumStatus

from .deep_training import DeepTrainer
from .escape_bench import Bench, EscapeOptions
from .escape_runs import DeepStart, Outcome
from .training import Trace

__all__ = ["DeepBench", "check_deep_start"]

F64 = NDArray[np.float64]


def check_deep_start(low: DeepMinimum, number: int) -> None:
    """Refuse what is no certified bad minimum.

    Raises
    ------
    OptionError
        Nothing was built, or no network is better, or the minimum is only near one.
    """
    if low.network is None or low.status is MinimumStatus.NEAR_MINIMUM:
        raise OptionError(f"start {number} is no certified minimum: {low.status}, {low.reason}")
    if low.status is MinimumStatus.GLOBAL:
        raise OptionError(f"start {number} is a global minimum, which nothing can leave: {low.reason}")


class DeepBench(Bench):
    """Deep networks of one dataset and loss."""

    def __init__(self, options: EscapeOptions, lows: tuple[DeepMinimum, ...]) -> None:
        self.options = options
        loss = lows[0].fits.loss_sum
        ones = np.ones((lows[0].data.n_samples, 1))
        self.constant = loss.value(ones @ fitted(loss, ones))
        trainers = [DeepTrainer(low, options.steps, options.batch_size) for low in lows]
        self.starts = tuple(
            DeepStart(low, one.curvature(low.network)) for low, one in zip(lows, trainers, strict=True)
        )
        self._trainers = {id(start): one for start, one in zip(self.starts, trainers, strict=True)}

    def trainer(self, start: DeepStart) -> DeepTrainer:
        """Of its minimum."""
        return self._trainers[id(start)]

    def curvature(self, start: DeepStart) -> float:
        """As it stands in the start."""
        return start.curvature

    def moved(self, network: DeepNetwork, step: F64) -> DeepNetwork:
        """Layer by layer, W before b."""
        layers, at = [], 0
        with np.errstate(over="ignore"):
            for W, b in network.layers:
                cut, end = at + W.size, at + W.size + len(b)
                layers.append((W + step[at:cut].reshape(W.shape), b + step[cut:end]))
                at = end
        return DeepNetwork(tuple(layers), network.activations, network.feature_names)

    def inside(self, start: DeepStart, network: DeepNetwork) -> bool:
        """In the cell, see (a)."""
        low = start.low
        assert low.segment is not None
        forms = cell_forms(network.layers, low.segment)
        return certified_radius(network.layers, forms, low.segment, low.data.one_target(0)) > 0.0

    def outcome(self, start: DeepStart, trace: Trace) -> tuple[Outcome, str, Polish | None]:
        """By (a) and (b)."""
        low, end = start.low, trace.end
        assert isinstance(end, DeepNetwork)
        if self.inside(start, end):
            return (
                Outcome.RETURNED,
                "all units of all samples lie in the affine segment, where no network is lower",
                None,
            )
        if not float(trace.risk[-1]) < start.risk:
            return Outcome.UNDECIDED, "not lower, and outside the cell of the minimum", None
        try:
            drop = certify_deep_drop(end.layers, low.activation, low.data, low.fits.loss, low.fits.loss_sum)
        except (TooLargeError, MissingDependencyError) as error:
            return Outcome.UNDECIDED, f"lower in float64, and not proved: {error}", None
        if drop.better:
            return Outcome.ESCAPED, f"lower than every affine map, proved ({drop.method})", None
        return Outcome.UNDECIDED, "lower in float64, by too little for a proof", None
