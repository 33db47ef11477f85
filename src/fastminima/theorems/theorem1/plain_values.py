"""What a construction found as plain values, each under one name; the summary and the row of a scan choose and rename."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastminima.fit.least_squares import LeastSquares

from .better_point import BetterPoint
from .minimum import SpuriousMinimum

__all__ = ["better_values", "fit_values", "minimum_values", "renamed"]


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


def renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The values that `names` lists, old name to new one, in its order."""
    return {new: values[old] for old, new in names.items()}
