"""What a construction found as plain values, each under one name; the summary and the row of a scan choose and rename."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastminima.fit.least_squares import LeastSquares
from fastminima.losses.pointwise import Squared

from .better_point import BetterPoint
from .deep_better_point import DeepBetterPoint
from .deep_minimum import DeepMinimum
from .minimum import SpuriousMinimum

__all__ = ["better_values", "deep_better_values", "deep_values", "fit_values", "minimum_values", "renamed"]


def fit_values(fit: LeastSquares) -> dict[str, Any]:
    """Size of the data, rank and risk of the fit, and how it was made."""
    return {
        "n_samples": fit.data.n_samples,
        "n_features": fit.data.n_features,
        "weighted": fit.frame.weighted,
        "rank": fit.rank,
        "risk": fit.risk,
        "mean_squared_error": fit.mean_squared_error,
        "method": fit.method,
    }


def minimum_values(low: SpuriousMinimum) -> dict[str, Any]:
    """Everything about the minimum but its arrays, its notes and the set J."""
    return {
        "status": str(low.status),
        "reason": low.reason,
        "risk": low.risk,
        "excess": low.excess,
        "radius": low.radius,
        "radius_relative": low.radius_relative,
        "width": low.network.width,
        "alpha": low.alpha,
        "eta": low.eta,
    }


def better_values(better: BetterPoint) -> dict[str, Any]:
    """Everything about the better point but its arrays; `split` is a dictionary or None."""
    return {
        "status": str(better.status),
        "reason": better.reason,
        "case": better.case,
        "method": better.method,
        "risk": better.risk,
        "drop": better.drop,
        "relative_drop": better.relative_drop,
        "drop_certified": better.drop_certified,
        "certificate": better.certificate,
        "split": None if better.split is None else asdict(better.split),
    }


def deep_values(low: DeepMinimum) -> dict[str, Any]:
    """A deep minimum in the row of a scan, under the names of its attributes; None where there is nothing to tell."""
    data, built = low.data, low.network is not None
    squared = isinstance(low.objective, Squared)
    total = data.n_samples if data.sample_weight is None else math.fsum(data.sample_weight.tolist())
    return {
        "n_samples": data.n_samples,
        "n_features": data.n_features,
        "n_outputs": low.fits.loss_sum.n_outputs,
        "weighted": data.sample_weight is not None,
        "rank": low.rank,
        "status": str(low.status),
        "reason": low.reason,
        "widths": list(low.widths),
        "width": low.widths[0] if len(low.widths) == 1 else None,
        "activation": str(low.activation),
        "loss_function": repr(low.objective),
        "loss": low.loss if built else None,
        "risk": low.loss if built and squared else None,
        "mean_squared_error": 2.0 * low.loss / total if built and squared else None,
        "bound": low.bound,
        "excess": low.excess if built else None,
        "radius": low.radius if built else None,
        "radius_relative": low.radius_relative if built else None,
        "epsilon": low.epsilon if built else None,
        "least_of_rank": None if low.least_of_rank is None else list(low.least_of_rank),
        "alpha": low.alpha,
        "gain": low.gain,
        "classes": None if low.classes is None else list(low.classes),
    }


def deep_better_values(better: DeepBetterPoint) -> dict[str, Any]:
    """The better point of a deep minimum in the row of a scan."""
    found: dict[str, Any] = {"better": str(better.status), "tried": better.tried}
    if not better:
        return found
    squared, bound = isinstance(better.low.objective, Squared), better.low.bound
    return found | {
        "better_loss": better.loss,
        "better_risk": better.loss if squared else None,
        "drop": better.drop,
        "drop_certified": better.drop_certified,
        "relative_drop": better.drop / bound if bound > 0.0 else None,
        "certificate": better.certificate,
    }


def renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The values that `names` lists, old name to new one, in its order."""
    return {new: values[old] for old, new in names.items()}
