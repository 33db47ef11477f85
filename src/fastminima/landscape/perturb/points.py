"""Sampled excess risks: where the points come from, and what is kept of millions of them.

Point k of a probe is theta + radius * unit_k with unit_k a function of (seed, k, number of parameters,
distribution) alone. What is kept is a state with `update(block)` and `merge(other)`: counts in bins that are
fixed beforehand, and exact extremes. Counts are integers and extremes are exact, so no cut of the points into
blocks and no number of threads can change a bit of it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastminima.kernels._perturb import BEST_VARIANT, perturbations

__all__ = ["DISTRIBUTIONS", "directions", "likely_row_norm", "n_parameters", "split"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

DISTRIBUTIONS = {"sphere": 0, "ball": 1, "normal": 2}


def n_parameters(d1: int, dx: int) -> int:
    """P = d1 (dx + 2) + 1: W1 row-major, b1, W2, b2."""
    return d1 * (dx + 2) + 1


def split(flat: F64, d1: int, dx: int) -> tuple[F64, F64, F64, float]:
    """(W1, b1, W2, b2) of P numbers in the flat order."""
    a, b = d1 * dx, d1 * (dx + 1)
    return flat[:a].reshape(d1, dx), flat[a:b], flat[b : b + d1], float(flat[b + d1])


def directions(seed: int, first: int, distribution: str, radius: float, out: F64) -> None:
    """Fill the rows of `out` (K, P) with radius * unit_k, k = first, ..., first + K - 1; each product rounded once."""
    perturbations(seed, first, DISTRIBUTIONS[distribution], radius, BEST_VARIANT, out)


def likely_row_norm(radius: float, distribution: str, d1: int, dx: int, n: int) -> float:
    """Norm that hardly any change of a hidden row (w_j, b_j) among n points exceeds; a choice, not a bound.

    The norm of dx + 1 normals exceeds sqrt(dx + 1) + t with probability at most exp(-t^2/2); on the sphere and in
    the ball a row has that share of the whole, and at most all of it. The screen lists more samples if one reaches
    farther.
    """
    norm = math.sqrt(dx + 1) + math.sqrt(2.0 * math.log(10.0 * max(1, n) * d1))
    if distribution != "normal":
        norm = min(1.0 + 2.0**-40, norm / math.sqrt(n_parameters(d1, dx)))
    return radius * norm
