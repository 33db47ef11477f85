"""Iterative refinement of the normal equations: the same steps for data in memory and for data that stream past.

A step solves G d = g for the gradient g of the last pass. Where columns are correlated the rounding of the residuals takes
digits from g that one pass in extended precision gives back: it is made once, when float64 has done what it can.
"""

from __future__ import annotations

from itertools import count
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .bounds import NormalEquations, PassBounds, column_norms
from .centred_data import CentredData
from .running_sums import Moments, Residuals, Sizes

__all__ = ["Evaluated", "Passes", "gradient_rounding", "refine"]

Array = NDArray[np.float64]

# Passes of one refinement; on data whose normal equations are safe two are enough.
_MOST_PASSES = 5


class Evaluated(Protocol):
    """What a pass with given coefficients found."""

    @property
    def sums(self) -> Residuals:
        """Its gradient sums, norms and ranges."""


E = TypeVar("E", bound=Evaluated)
E_co = TypeVar("E_co", bound=Evaluated, covariant=True)


class Passes(Protocol[E_co]):
    """Who reads the data."""

    def evaluate(self, slopes: Array, value_at_centre: float, *, keep: bool) -> E_co:
        """One pass with these coefficients; `keep` says that it may be the last one."""

    def extended_gradient(self, slopes: Array, value_at_centre: float) -> Array:
        """The gradient in extended precision, rounded."""


def refine(
    passes: Passes[E],
    frame: CentredData,
    moments: Moments,
    normal: NormalEquations,
    *,
    least_steps: int,
    tolerance: float,
) -> tuple[tuple[Array, float], E]:
    """Solve the normal equations and refine until the gradient is near its own rounding.

    Parameters
    ----------
    passes : Passes
    frame, moments, normal
        Of the data; the normal equations must be `safe`.
    least_steps : int
        Steps that are made in any case.
    tolerance : float
        How many times its rounding bound the gradient may be at the end.

    Returns
    -------
    ((slopes, value at the centre), what the last pass found)
    """
    solution, sizes = normal.solve(moments.rhs), moments.sizes()
    extended = normal.well_conditioned
    for attempt in count():
        affine = solution[1:].copy(), float(solution[0])
        keep, last = attempt >= least_steps, attempt == _MOST_PASSES - 1
        found = passes.evaluate(*affine, keep=keep)
        gradient = found.sums.gradient
        near = np.abs(gradient) <= tolerance * gradient_rounding(frame, sizes, affine, found.sums)
        if last or (keep and near.all()):
            if extended or last:
                break
            gradient, extended = passes.extended_gradient(*affine), True
        solution = solution - normal.solve(gradient)
    return affine, found


def gradient_rounding(
    frame: CentredData, sizes: Sizes, affine: tuple[Array, float], sums: Residuals
) -> Array:
    """Rounding bounds of each gradient sum of a pass with these coefficients."""
    return column_norms(frame, sizes) * PassBounds.of(frame, sizes, affine, sums.squared_norm).gradient
