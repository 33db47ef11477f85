"""The parts a probe is put together from: the generator, the direct kernel, the base point, the screen."""

from __future__ import annotations

from typing import Any

from . import _standin

_perturb: Any
try:
    from ..kernels import _perturb
except ImportError:
    _perturb = _standin
perturbations = _perturb.perturbations
PERTURB_VARIANT: int = _perturb.BEST_VARIANT

try:
    from .base_point import BasePoint
    from .screen import Screen, choose
except ImportError:
    from ._standin import BasePoint, Screen, choose  # type: ignore[assignment]

__all__ = ["PERTURB_VARIANT", "BasePoint", "Screen", "_perturb", "choose", "perturbations"]
