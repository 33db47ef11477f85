"""The best affine map under a loss: which of the exact fits it is."""

from __future__ import annotations

from fastminima.data.dataset import Dataset
from fastminima.errors import LossError
from fastminima.losses.pointwise import Huber, PointwiseLoss, Squared

from .affine_optimum import AffineOptimum
from .huber_fit import HuberFits
from .several_outputs import AffineFits

__all__ = ["best_affine"]


def best_affine(data: Dataset, phi: PointwiseLoss) -> AffineOptimum:
    """Fit a dataset.

    Raises
    ------
    LossError
        The minimiser was not found, or the loss is not covered.
    """
    if isinstance(phi, Huber):
        return HuberFits.of(data, phi)
    if not isinstance(phi, Squared):
        raise LossError(f'loss {phi!r} is not supported yet by spurious_minimum; "squared" and "huber" are')
    return AffineFits.of(data)
