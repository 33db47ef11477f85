"""What losses of one row are made of: parameters above 0, and the logistic function."""

from __future__ import annotations

import math

import numpy as np

from fastminima.errors import LossError
from fastminima.system.options import spelled

from .base import Floats

__all__ = ["expit", "positive"]


def positive(value: float, name: str) -> float:
    """A finite parameter above 0; LossError for others."""
    try:
        number = float(value)
    except Exception as error:
        raise LossError(f"{name} must be a number above 0, got {spelled(value)}") from error
    if not math.isfinite(number) or number <= 0.0:
        raise LossError(f"{name} must be finite and above 0, got {spelled(value)}")
    return number


def expit(t: Floats) -> Floats:
    """1 / (1 + exp(-t)) to a few units in the last place, on both sides."""
    small = np.exp(-np.abs(t))
    return np.where(t >= 0.0, 1.0, small) / (1.0 + small)
