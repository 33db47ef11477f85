"""The best affine map under a loss: which of the exact fits it is."""

from __future__ import annotations

from fastminima.data.dataset import Dataset
from fastminima.losses.pointwise import Huber, Logistic, PointwiseLoss, Softmax

from .affine_optimum import AffineOptimum
from .class_fit import classes_fitted
from .huber_fit import HuberFits
from .several_outputs import AffineFits

__all__ = ["best_affine"]


def best_affine(data: Dataset, phi: PointwiseLoss) -> AffineOptimum:
    """Fit a dataset.

    Raises
    ------
    LossError
        The minimiser was not found.
    """
    if isinstance(phi, Huber):
        return HuberFits.of(data, phi)
    if isinstance(phi, Logistic | Softmax):
        return classes_fitted(data, phi)
    return AffineFits.of(data)
