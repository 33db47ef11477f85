"""Certificates of theorem 1 for networks of any depth: the best affine map, a minimum with its radius, a better network."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.errors import ProofError
from fastminima.exact.digest import Digests
from fastminima.exact.dyadic import bit_size, power_of_two, round_down
from fastminima.losses.pointwise import Huber, Logistic, Softmax, Squared
from fastminima.networks.activations.affine_segment import merged_pieces
from fastminima.networks.deep_network import DeepNetwork
from fastminima.proof.certificate import data_words, matrix_words, word
from fastminima.theorems.theorem1.affine_optimum import AffineOptimum
from fastminima.theorems.theorem1.class_fit import ClassFits, SeparatedClasses
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.status import MinimumStatus

from .theorem2 import formula_words

__all__ = ["claims_of", "described", "setting_of"]

# bits of a stated sum of entropies
_DIGITS = 120


def described(data: Dataset) -> dict[str, Any]:
    """What a certificate says of data with any number of targets."""
    digests, weight = Digests(), data.sample_weight
    if data.exact is None:
        digests.update(np.hstack([data.X, data.Y[:, :-1]]), data.Y[:, -1], weight)
    else:
        digests.update_numerators(data.exact.numerators, data.exact.scales, weight)
    shape = data.n_samples, data.n_features, data.n_targets
    return data_words(*shape, weight is not None, data.exact is None, digests.result())


def setting_of(low: DeepMinimum) -> dict[str, Any]:
    """The architecture and the loss."""
    breaks = [p.low for p in merged_pieces(low.activation) if p.low is not None]
    activation = {"formula": formula_words(low.activation), "breaks": [word(t) for t in breaks]}
    return {
        "activations": [activation] * len(low.widths),
        "widths": list(low.widths),
        "loss": _loss_words(low.fits),
        **({} if low.classes is None else {"classes": list(low.classes)}),
    }


def _loss_words(fits: AffineOptimum) -> Any:
    phi = fits.loss_sum.phi
    if isinstance(phi, Squared):
        return "squared"
    if isinstance(phi, Huber):
        return ["huber", word(phi.delta)]
    share = word(getattr(phi, "label_smoothing", 0.0))
    if isinstance(phi, Softmax):
        return ["softmax", fits.loss_sum.n_outputs, share]
    if isinstance(phi, Logistic):
        return ["logistic", share]
    raise ProofError(f"there is no certificate of {phi}")


def _stated(fits: AffineOptimum) -> Fraction:
    """The bound that a certificate states: of cross entropy some digits fewer, as the checker rounds entropies too."""
    if not isinstance(fits, ClassFits):
        return fits.loss
    unit = power_of_two(bit_size(fits.loss) - _DIGITS)
    return unit * (fits.loss // unit - 1)


def _bound(fits: AffineOptimum) -> dict[str, Any]:
    if isinstance(fits, ClassFits):
        return {
            "claim": "affine bound",
            "probabilities": matrix_words(fits.probabilities),
            "loss": word(_stated(fits)),
        }
    return {
        "claim": "affine bound",
        "coef": matrix_words(fits.slopes),
        "intercept": [word(b) for b in fits.intercepts],
        "loss": word(fits.loss),
    }


def claims_of(
    low: DeepMinimum, better: DeepBetterPoint | None
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Claims about a minimum and the point that is better than it, and what is left open.

    Raises
    ------
    ProofError
        No minimum was built.
    """
    if isinstance(low.fits, SeparatedClasses):
        away = {"coef": matrix_words(low.fits.slopes), "intercept": [word(b) for b in low.fits.intercepts]}
        return [{"claim": "not attained", **away, "strict": low.fits.strict}], ()
    if low.network is None or low.segment is None:
        raise ProofError(f"there is nothing to prove: {low.reason}")
    if low.epsilon:
        raise ProofError(f"there is no certificate of a near minimum: {low.reason}")
    if math.isinf(low.radius):
        raise ProofError(
            f"{low.activation} is affine everywhere: its networks are linear, and their minima are global"
        )
    fits, opened = low.fits, []
    less = fits.loss - _stated(fits)
    claims: list[dict[str, Any]] = [
        _bound(fits),
        {
            "claim": "no lower risk within",
            "layers": _words(low.network),
            "pieces": [_piece(low)] * len(low.widths),
            "radius": word(low.radius),
            "excess": word(Fraction(low.excess) + less),
        },
    ]
    if low.status is MinimumStatus.GLOBAL:
        claims += _global(low)
        if claims[-1]["claim"] == "no lower risk within":
            opened.append(f"{low.reason}; certificates have no claim of it")
    elif better is None:
        opened.append("whether a better network exists: give the better point beside the minimum")
    elif better.network is None:
        opened.append(f"better point {better.status}: {better.reason}")
    else:
        drop = Fraction(round_down(Fraction(better.drop_certified) - less))
        claims.append({"claim": "lower risk", "layers": _words(better.network), "drop": word(drop)})
    return claims, tuple(opened)


def _global(low: DeepMinimum) -> list[dict[str, Any]]:
    if low.fits.loss == 0:
        return [{"claim": "linearly fittable"}]
    if not isinstance(low.fits, ClassFits) and not low.fits.any_group:
        return [{"claim": "pure error"}]
    return []


def _piece(low: DeepMinimum) -> int:
    """Which piece of the activation all units are on."""
    assert low.segment is not None
    pieces = merged_pieces(low.activation)
    return next(k for k, p in enumerate(pieces) if (p.low, p.high) == (low.segment.low, low.segment.high))


def _words(network: DeepNetwork) -> list[dict[str, Any]]:
    return [{"W": matrix_words(W.tolist()), "b": [word(v) for v in b.tolist()]} for W, b in network.layers]
