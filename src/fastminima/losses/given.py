"""What a caller may name as the loss of a network's rows."""

from __future__ import annotations

from typing import Any, Literal

from fastminima.errors import LossError
from fastminima.system.options import spelled

from .per_sample import RowLoss
from .pointwise import Huber, Logistic, PointwiseLoss, Softmax, Squared
from .smoothed_labels import SmoothedLogistic, SmoothedSoftmax, as_share

__all__ = ["LOSSES", "LossName", "as_row_loss", "loss_in_words"]

LOSSES: dict[str, type[PointwiseLoss]] = {
    "squared": Squared,
    "huber": Huber,
    "logistic": Logistic,
    "softmax": Softmax,
}


LossName = Literal["squared", "huber", "logistic", "softmax"]


def as_row_loss(loss: Any, label_smoothing: float = 0.0) -> PointwiseLoss:
    """A loss of one row from its name, or itself; convex all of them.

    Parameters
    ----------
    loss : "squared", "huber" (delta 1), "logistic", "softmax", or one of `losses.pointwise` such as Huber(50.0)
    label_smoothing : float, default 0.0
        Of logistic and softmax loss.

    Raises
    ------
    LossError
        Another loss, or a share of labels that does not fit it.
    """
    share = as_share(label_smoothing)
    if isinstance(loss, str) and loss in LOSSES:
        phi = LOSSES[loss]()
    elif isinstance(loss, Squared | Huber | Logistic | Softmax):
        phi = loss
    else:
        raise LossError(_refusal(loss))
    if not share:
        return phi
    if isinstance(phi, SmoothedLogistic | SmoothedSoftmax):
        raise LossError(f"{phi!r} has a label smoothing of its own; leave label_smoothing out")
    if isinstance(phi, Logistic):
        return SmoothedLogistic(share)
    if isinstance(phi, Softmax):
        return SmoothedSoftmax(phi.n_classes, share)
    raise LossError(f"label_smoothing is of logistic and softmax loss, not of {phi!r}")


def loss_in_words(phi: PointwiseLoss) -> str:
    """How tables and messages call a loss of one row."""
    if isinstance(phi, Huber):
        return f"Huber loss, delta {phi.delta:g}"
    for name, kind in LOSSES.items():
        if isinstance(phi, kind):
            share = getattr(phi, "label_smoothing", 0.0)
            return f"{name} loss" + (f", label smoothing {share:g}" if share else "")
    return repr(phi)


def _refusal(loss: Any) -> str:
    known = ", ".join(f'"{name}"' for name in LOSSES)
    if isinstance(loss, RowLoss):
        name = type(loss.pointwise).__name__
        return f"{type(loss).__name__} holds data of its own; pass {name} of fastminima.losses.pointwise, or one of {known}"
    if isinstance(loss, PointwiseLoss):
        return f"the best affine map under {type(loss).__name__} has no exact form here; loss must be one of {known}"
    if getattr(loss, "convex", None) is False:
        return f"{spelled(loss)} is not known to be convex, and a local minimum needs that; loss must be one of {known}"
    return f"loss must be one of {known}, or Huber(delta), got {spelled(loss)}"
