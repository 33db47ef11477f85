"""One result as plain data: for JSON files, for `--json`, and for the printed table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem1.plain_values import better_values, fit_values, minimum_values

from .plain_names import activation_values, data_values, with_old_names

__all__ = ["construction_values", "rows", "summarise"]


def summarise(
    low: SpuriousMinimum, better: BetterPoint | None, seconds: Mapping[str, float], source: str | None = None
) -> dict[str, Any]:
    """Everything `fastminima construct` says, as a dictionary.

    Parameters
    ----------
    low : SpuriousMinimum
    better : BetterPoint or None
        None where width 1 rules a better point of the same width out.
    seconds : mapping of str to float
        Wall time per stage.
    source : str, optional
        Where the data came from.
    """
    summary: dict[str, Any] = {
        "source": source,
        **construction_values(low),
        "minimum": minimum_values(low),
        "seconds": dict(seconds),
    }
    if better is not None:
        summary["better"] = better_values(better)
    return with_old_names(summary)


def construction_values(low: SpuriousMinimum) -> dict[str, Any]:
    """The data, their fit, and what is known about the set J."""
    fit = low.fit
    certified, undecided = low.evidence.size()
    size = fit_values(fit)
    return {
        **data_values(low.data),
        "rank": size["rank"],
        "least_squares": {
            "risk": fit.risk,
            "mean_squared_error": size["mean_squared_error"],
            "coef": fit.coef.tolist(),
            "intercept": fit.intercept,
            "defect": fit.defect,
            "method": fit.method,
        },
        "activation": activation_values(low.activation),
        "J": {"certified": certified, "undecided": undecided},
        "notes": list(low.notes),
    }


def rows(summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """The printed table, as (label, text)."""
    minimum, fit, J = summary["minimum"], summary["least_squares"], summary["J"]
    yield "samples m", f"{summary['n_samples']:,}"
    yield "features dx", f"{summary['n_features']:,}"
    yield "rank of (1, X)", f"{summary['rank']:,}"
    yield "least-squares risk", f"{fit['risk']:.10g}"
    yield "minimum", f"{minimum['status']} (width {minimum['width']})"
    yield (
        "certified radius",
        f"{minimum['radius']:.6g} ({minimum['radius_relative']:.3g} of all parameters' norm)",
    )
    better = summary.get("better")
    # with one unit the status is no consequence of J
    if minimum["status"] == "global" or minimum["width"] == 1:
        yield "why", minimum["reason"]
    if minimum["status"] != "global":
        size = f"{J['certified']:,}"
        if J["undecided"]:
            size = f"at least {size} ({J['undecided']:,} positions undecided in float64)"
        yield "size of J", size
    if better is None:
        yield "better point", "not sought: it needs width >= 2"
    elif better["status"] == "better":
        yield "better point", f"case {better['case']}, method {better['method']}"
        yield "risk of better point", f"{better['risk']:.10g}"
        yield "drop", f"{better['drop']:.6g}"
        yield "drop, relative", f"{better['relative_drop']:.6g}"
        yield (
            "drop, certified at least",
            f"{better['drop_certified']:.6g} ({better['certificate']} certificate)",
        )
    elif better["status"] == "undecided":
        yield "better point", f"undecided: {better['reason']}"
    for note in summary["notes"]:
        yield "note", note
    for stage, seconds in summary["seconds"].items():
        yield f"time, {stage}", f"{seconds:.3f} s"
