"""Step 2 by kinks on fewer columns, where some are collinear up to rounding.

Such columns have least-squares slopes of opposite signs and enormous sizes, and a network's first row rounded to float64
loses more than a kink gains. Without them the linear fit is a little worse and the slopes are ordinary: what a kink gains
then mostly outweighs what was given up. Floating point chooses the columns; whoever uses a candidate certifies it
against the exact least-squares risk of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.dataset import Dataset
from fastminima.fit.kinks import best_kinks
from fastminima.fit.least_squares import LeastSquares, least_squares
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .candidate import Candidate
from .minimum import SpuriousMinimum
from .rounded_networks import kink_network

__all__ = ["collinear_up_to_rounding", "reduced_kink_candidates"]

# Share of its own sum of squares that a column keeps after its regression on those kept, up to which it is left out. A
# Gram matrix in float64 sees no shares below about 1e-15; beyond this one slopes cost few digits. Only a choice.
_COLLINEAR = 1e-10


def reduced_kink_candidates(
    low: SpuriousMinimum,
    n_kinks: int,
    directions: ArrayLike | None,
    n_directions: int,
    rng: np.random.Generator,
) -> Iterator[Candidate]:
    """Networks with up to `n_kinks` kinks on columns that float64 tells apart; none where it does so with all of them.

    Given directions are about all columns: then there are none either.
    """
    fit = low.fit
    if directions is not None or (left := collinear_up_to_rounding(fit)) is None:
        return
    kept = np.flatnonzero(~left)
    data = fit.data
    part = least_squares(Dataset(data.X[:, kept], data.y, sample_weight=data.sample_weight))
    with np.errstate(over="ignore", invalid="ignore"):
        models = list(best_kinks(part, n_kinks=n_kinks, n_random=n_directions, rng=rng))
    for model in models[::-1]:
        narrow = kink_network(part, model, low.activation, low.network.width)
        drop = fit.risk - (part.risk - part.frame.risk_to_float(model.drop))
        yield Candidate(network=_with_all_columns(narrow, kept, data.n_features), drop=drop, method="kink")


def collinear_up_to_rounding(fit: LeastSquares) -> NDArray[np.bool_] | None:
    """The columns to leave out; None where all are needed, or where the ones that are not are exactly dependent."""
    n = fit.data.n_features
    gram = np.zeros((n, n))
    with np.errstate(over="ignore", invalid="ignore"):
        for _, X, _, w in fit.frame.blocks():
            gram += X.T @ (X if w is None else X * w[:, None])
        size = np.sqrt(np.diag(gram))
        size[size == 0.0] = 1.0
        gram /= size[:, None] * size[None, :]
    if n < 2 or not np.isfinite(gram).all():
        return None
    # Cholesky with pivots: the column that the ones before explain least comes next
    rest, left = gram, np.ones(n, dtype=bool)
    for _ in range(n):
        variance = np.where(left, np.diag(rest), 0.0)
        pivot = int(np.argmax(variance))
        if not variance[pivot] > _COLLINEAR:
            break
        left[pivot] = False
        rest = rest - np.outer(rest[:, pivot], rest[pivot]) / variance[pivot]
    return left if 0 < int((~left).sum()) < fit.rank - 1 else None


def _with_all_columns(
    network: OneHiddenLayer | None, kept: NDArray[np.intp], n: int
) -> OneHiddenLayer | None:
    if network is None:
        return None
    narrow, b1, W2, b2 = network.parameters()
    W1 = np.zeros((len(W2), n))
    W1[:, kept] = narrow
    return OneHiddenLayer(W1, b1, W2, b2, network.activation)
