"""Step 2 by greedy kinks: candidates whose bends are fitted to the residuals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from fastminima.fit.kinks import KinkModel, best_kinks
from fastminima.fit.least_squares import LeastSquares

from .candidate import Candidate
from .minimum import SpuriousMinimum
from .rounded_networks import kink_network

__all__ = ["kink_candidates"]

# Coordinates tried one by one when the best direction is lost to rounding.
_AXES = 8


def kink_candidates(
    low: SpuriousMinimum,
    n_kinks: int,
    directions: ArrayLike | None,
    n_directions: int,
    rng: np.random.Generator,
) -> Iterator[Candidate]:
    """Networks with up to `n_kinks` fitted kinks, most first; then single kinks along coordinates."""
    fit = low.fit
    # more kinks first; fewer ones are the fallback should rounding spoil the last
    models = _models(fit, n_kinks, directions, n_directions, rng)[::-1]
    for model in models:
        yield _rounded(low, model)
    if directions is None:
        # the best direction may be one that float64 parameters cannot follow (columns collinear up to rounding)
        for axis in np.eye(fit.data.n_features)[:_AXES]:
            for model in _models(fit, 1, axis, 0, rng):
                yield _rounded(low, model)


def _models(
    fit: LeastSquares, n_kinks: int, directions: ArrayLike | None, n_random: int, rng: np.random.Generator
) -> list[KinkModel]:
    with np.errstate(over="ignore", invalid="ignore"):
        return list(best_kinks(fit, n_kinks=n_kinks, directions=directions, n_random=n_random, rng=rng))


def _rounded(low: SpuriousMinimum, model: KinkModel) -> Candidate:
    network = kink_network(low.fit, model, low.activation, low.network.width)
    return Candidate(network=network, drop=low.fit.frame.risk_to_float(model.drop), method="kink")
