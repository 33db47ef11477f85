"""One result as plain data: for JSON files, for `--json`, and for the printed table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem1.plain_values import better_values, fit_values, minimum_values, renamed

__all__ = ["rows", "summarise"]


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
    fit, data = low.fit, low.data
    certified, undecided = low.evidence.size()
    size = renamed(fit_values(fit), {"n_samples": "m", "n_features": "dx", "rank": "rank"})
    result: dict[str, Any] = {
        "source": source,
        **size,
        "meaning": data.meaning,
        "least_squares": {
            "risk": fit.risk,
            "coef": fit.coef.tolist(),
            "intercept": fit.intercept,
            "defect": fit.defect,
            "method": fit.method,
        },
        "activation": {"s_plus": low.activation.s_plus, "s_minus": low.activation.s_minus},
        "minimum": minimum_values(low),
        "J": {"certified": certified, "undecided": undecided},
        "notes": list(low.notes),
        "seconds": dict(seconds),
    }
    if better is not None:
        values = better_values(better)
        result["better"] = renamed(
            values, {name: name for name in values} | {"relative_drop": "drop_relative"}
        )
    return result


def rows(summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """The printed table, as (label, text)."""
    minimum, fit, J = summary["minimum"], summary["least_squares"], summary["J"]
    yield "samples m", f"{summary['m']:,}"
    yield "features dx", f"{summary['dx']:,}"
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
        yield "drop, relative", f"{better['drop_relative']:.6g}"
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
