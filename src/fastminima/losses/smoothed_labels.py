"""Logistic and softmax losses of smoothed labels: a sample counts for its class but for a share, which all classes get."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.errors import LossError
from fastminima.exact.dyadic import Ints
from fastminima.exact.matrix import RationalMatrix
from fastminima.system.options import as_real, spelled

from .base import Floats
from .pointwise import Logistic, Softmax
from .slope_signs import log_odds_signs

__all__ = ["SmoothedLogistic", "SmoothedSoftmax", "as_share"]


def as_share(value: float) -> float:
    """A share of labels to be smoothed, 0 <= share < 1; LossError for others."""
    number = as_real(value)
    if not (math.isfinite(number) and 0.0 <= number < 1.0):
        raise LossError(f"label_smoothing must be a number >= 0 and < 1, got {spelled(value)}")
    return number


@dataclass(frozen=True)
class SmoothedLogistic(Logistic):
    """phi = log(1 + exp(-s z)) + (e / 2) s z, s = ±1 the class: the target is 1 - e / 2 or e / 2 for 1 or 0.

    Parameters
    ----------
    label_smoothing : float, default 0.1
        e, 0 <= e < 1.

    Raises
    ------
    LossError
        e outside [0, 1).
    """

    label_smoothing: float = 0.1
    slope_size = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", as_share(self.label_smoothing))

    def values(self, Z: Floats, Y: Floats) -> Floats:
        """The definition, by logaddexp."""
        return np.asarray(super().values(Z, Y) + 0.5 * self.label_smoothing * (Y * Z))

    def slopes(self, Z: Floats, Y: Floats) -> Floats:
        """-s (p - e / 2), p the probability of the other class."""
        return super().slopes(Z, Y) + 0.5 * self.label_smoothing * Y

    def slope_signs(self, Z: RationalMatrix, Y: RationalMatrix) -> Ints:
        """Signs of e / 2 - p, times s: the logarithm of the odds of p is -s z."""
        half = Fraction(self.label_smoothing) / 2
        if not half:
            return super().slope_signs(Z, Y)
        odds = RationalMatrix(-Z.numerators * Y.numerators, Z.scale * Y.scale)
        return np.asarray(-np.sign(Y.numerators) * log_odds_signs(odds, half))


@dataclass(frozen=True)
class SmoothedSoftmax(Softmax):
    """phi = log sum_c exp(z_c) - sum_c t_c z_c with t = (1 - e) y + e / K, as PyTorch's CrossEntropyLoss(label_smoothing=e).

    Parameters
    ----------
    n_classes : int, optional
        As of `Softmax`.
    label_smoothing : float, default 0.1
        e, 0 <= e < 1.

    Raises
    ------
    LossError
        e outside [0, 1).
    """

    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "label_smoothing", as_share(self.label_smoothing))

    def targets(self, Y: Floats) -> Floats:
        """As of `Softmax`, smoothed; errors alike."""
        hot = super().targets(Y)
        return np.asarray((1.0 - self.label_smoothing) * hot + self.label_smoothing / hot.shape[1])
