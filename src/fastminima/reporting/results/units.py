"""What stands beside numbers: columns and targets by name, the unit of the risk, the mean squared error."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_DOWN, Context

from fastminima.data.dataset import Dataset
from fastminima.exact.shown import rounded_down
from fastminima.fit.least_squares import LeastSquares
from fastminima.losses.pointwise import Squared
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum

from .summary import Summary

__all__ = [
    "COLUMNS",
    "FORMULA",
    "PARAMETERS",
    "Row",
    "about",
    "at_least",
    "mean_squared",
    "quantities",
    "radius",
    "risk_rows",
    "square",
    "total_weight",
]

Row = tuple[str, ...]

COLUMNS = ("quantity", "value", "unit")
FORMULA = "risk: ½ Σ ω (f(x) − y)²; mean squared error: Σ ω (f(x) − y)² / Σ ω = 2 risk / Σ ω"
PARAMETERS = "of the parameters"
# names of columns that a note lists
_MOST = 12


def quantities(title: str, rows: Iterable[Row], notes: Iterable[str]) -> Summary:
    """The table of one result."""
    return Summary(title, COLUMNS, tuple(rows), tuple(notes))


def square(data: Dataset) -> str:
    """The unit of the risk: that of the target, squared."""
    names = data.target_names
    if names is None:
        return "y²"
    if len(names) > 1:
        return "squares of the targets"
    name = names[0]
    return f"{name}²" if name.isidentifier() else f"({name})²"


def total_weight(data: Dataset, fit: LeastSquares | None = None) -> float:
    """Σ ω, the number of samples without weights."""
    if fit is not None:
        # a fit knows it, also where the rows are in files
        return fit.total_weight
    weights = data.sample_weight
    return float(data.n_samples) if weights is None else math.fsum(weights.tolist())


def mean_squared(risk: float, data: Dataset, fit: LeastSquares | None = None) -> float:
    """The mean squared error of a network with this risk, weighted as the risk is."""
    return 2.0 * (risk / total_weight(data, fit))


def risk_rows(
    risk: float, data: Dataset, fit: LeastSquares | None = None, name: str = "risk"
) -> Iterable[Row]:
    """A risk, and the mean squared error that says the same."""
    unit = square(data)
    yield name, f"{risk:.10g}", unit
    yield f"{name}, as mean squared error", f"{mean_squared(risk, data, fit):.10g}", unit


def unit_of(low: DeepMinimum) -> str:
    """The unit of the loss of a deep minimum: that of the risk, and none of losses that are no squares."""
    return square(low.data) if isinstance(low.objective, Squared) else ""


def loss_rows(low: DeepMinimum, loss: float, name: str = "") -> Iterable[Row]:
    """The loss of a deep minimum or of what is better; of squared loss the risk."""
    if isinstance(low.objective, Squared):
        yield from risk_rows(loss, low.data, name=f"risk{name}")
    else:
        yield f"loss{name}", f"{loss:.10g}", ""


def about_deep(low: DeepMinimum, *more: str) -> tuple[str, ...]:
    """What stands below the table of a deep minimum: its data, its loss, and more."""
    squared = isinstance(low.objective, Squared)
    return about(low.data, *more, formula=FORMULA if squared else f"loss: Σ ω φ(f(x); y), φ = {low.objective!r}")


def radius(value: float) -> str:
    """A certified radius in digits that claim no more than is proved."""
    return "infinite" if math.isinf(value) else rounded_down(value, 6)


def about(
    data: Dataset, *more: str, fit: LeastSquares | None = None, formula: str = FORMULA
) -> tuple[str, ...]:
    """What stands below a table: the data with their columns, the formula, and more."""
    # a fit knows it, also where the rows are in files
    weighted = data.sample_weight is not None if fit is None else fit.frame.weighted
    columns = _listed("columns", data.feature_names, data.n_features)
    targets = _listed("targets", data.target_names, data.n_targets)
    rows = f"{data.n_samples:,} rows{', weighted' if weighted else ''}"
    return (f"data: {rows}; {columns}; {targets}", formula, *more)


def _listed(what: str, names: tuple[str, ...] | None, count: int) -> str:
    head = f"{count:,} {what if count != 1 else what[:-1]}"
    if names is None:
        return head
    shown = ", ".join(names[:_MOST])
    return f"{head}: {shown}{f', … {count - _MOST} more' if count > _MOST else ''}"


def at_least(value: float) -> str:
    """A proved lower bound in six digits, none of which claims more than is proved."""
    if not math.isfinite(value):
        return f"{value}"
    return f"{Context(prec=6, rounding=ROUND_DOWN).create_decimal(value).normalize():g}" if value else "0"
