"""The first candidate for a better deep network that is proved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import TooLargeError
from fastminima.networks.activations.affine_segment import AffineSegment

from .affine_optimum import AffineOptimum
from .certify_deep_loss import certify_deep_drop
from .deep_candidates import deep_candidates
from .drop import Drop

__all__ = ["Search", "first_better"]

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Search:
    """What was found.

    Attributes
    ----------
    layers : pairs (W, b), or None
        Of a network proved better than the best affine map.
    drop : Drop or None
    tried : int
        Candidates that were looked at.
    closed : str
        Why a proof was not attempted, where one was not.
    """

    layers: tuple[Pair, ...] | None
    drop: Drop | None
    tried: int
    closed: str


def first_better(
    fits: AffineOptimum, segment: AffineSegment, h: Any, widths: tuple[int, ...], rng: np.random.Generator
) -> Search:
    """Candidates in order, until one is proved."""
    tried, closed = 0, ""
    for layers in deep_candidates(fits, segment, h, widths, rng):
        tried += 1
        try:
            drop = certify_deep_drop(layers, h, fits.data, fits.loss, fits.loss_sum)
        except TooLargeError as error:
            closed = str(error)
            continue
        if drop.better:
            return Search(layers, drop, tried, closed)
    return Search(None, None, tried, closed)
