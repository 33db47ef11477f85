"""The parts a probe is put together from: the generator, the direct kernel, the base point, the screen."""

from __future__ import annotations

from . import _standin

try:
    from ..kernels import _perturb

    perturbations = _perturb.perturbations
    PERTURB_VARIANT = _perturb.BEST_VARIANT
except ImportError:
    perturbations = _standin.perturbations
    PERTURB_VARIANT = 0
    _perturb = _standin

try:
    from .base_point import BasePoint
    from .screen import Screen, choose
except ImportError:
    from ._standin import BasePoint, Screen, choose

__all__ = ["PERTURB_VARIANT", "BasePoint", "Screen", "_perturb", "choose", "perturbations"]
