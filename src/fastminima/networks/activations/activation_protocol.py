"""What theorems ask of an activation: its value, two derivatives, a name and, where there is one, its formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .formula import Formula

__all__ = ["Activation"]

Floats = NDArray[np.float64]


class Activation(Protocol):
    """An activation h with two derivatives; `PiecewiseLinear` and `Smooth` are the library's two.

    All functions work elementwise. `value`, `first` and `second` take float64 arrays; a call takes any real array and
    keeps its floating dtype.
    """

    def __call__(self, t: ArrayLike) -> NDArray[np.floating]:
        """h(t), elementwise, in the floating dtype of `t` (float64 for integers)."""

    @property
    def value(self) -> Callable[[Floats], Any]:
        """h."""

    @property
    def first(self) -> Callable[[Floats], Any]:
        """h'."""

    @property
    def second(self) -> Callable[[Floats], Any]:
        """h''."""

    @property
    def name(self) -> str:
        """As in `fastminima.activations` where it is known there, else a word of the user's."""

    @property
    def formula(self) -> Formula:
        """h as data, see `fastminima.networks.activations.formula`; None where nothing about h can be certified."""
