"""Deep minima and their better points in records; the best affine map, which follows from the data, is worked out again."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.losses.pointwise import Huber, Logistic, Softmax, Squared
from fastminima.losses.smoothed_labels import SmoothedLogistic, SmoothedSoftmax
from fastminima.networks.activations.named import stored_activation
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth
from fastminima.networks.deep_network import DeepNetwork
from fastminima.theorems.theorem1.best_affine import best_affine
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.near_minimum import segment_for

from .plain_records import Kind, UnstorableError

__all__ = ["DEEP_KINDS"]

Floats = NDArray[np.float64]
_Activation = PiecewiseLinear | Smooth
_Loss = Squared | Huber | Logistic | Softmax


def _of_smooth(h: Smooth) -> dict[str, Any]:
    if h.formula is None:
        raise UnstorableError(
            f"the activation {h} is a Python function; make it by Smooth.from_formula to keep it in a file"
        )
    return {"name": h.name, "parameters": json.dumps(h.parameters), "formula": json.dumps(h.formula)}


def _of_network(network: DeepNetwork) -> dict[str, Any]:
    return {
        "layers": list(network.layers),
        "activations": list(network.activations),
        "feature_names": network.feature_names,
    }


def _minimum(found: dict[str, Any], told: Any) -> DeepMinimum:
    fits = best_affine(found.pop("data"), found.pop("objective"))
    segment, _ = segment_for(found["activation"], len(found["widths"]))
    return DeepMinimum(**found, fits=fits, segment=segment)


def _check_minimum(low: DeepMinimum) -> str | None:
    network = low.network
    if network is None or network.n_features == low.data.n_features:
        return None
    return f"a network of {network.n_features} inputs for {low.data.n_features} features"


def _of_minimum() -> dict[str, Any]:
    found = get_type_hints(DeepMinimum)
    kept = {f.name: found[f.name] for f in fields(DeepMinimum) if f.name not in ("fits", "segment")}
    return kept | {"activation": _Activation, "data": Dataset, "objective": _Loss}


DEEP_KINDS = [
    Kind(
        Smooth,
        hints={"name": str, "parameters": str, "formula": str},
        take=_of_smooth,
        make=lambda found, told: stored_activation(**found),
    ),
    Kind(
        DeepNetwork,
        hints={
            "layers": list[tuple[Floats, Floats]],
            "activations": list[_Activation],
            "feature_names": tuple[str, ...] | None,
        },
        take=_of_network,
        make=lambda found, told: DeepNetwork(*found.values()),
    ),
    Kind(DeepMinimum, hints=_of_minimum(), make=_minimum, check=_check_minimum),
    *map(Kind, (Squared, Huber, Logistic, Softmax, SmoothedLogistic, SmoothedSoftmax)),
    Kind(DeepBetterPoint),
]
