"""What `decide` and `polish` found in balls, of smooth networks or with weight decay, as plain data and as printed rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fastminima.exact.shown import ratio, rounded_down, rounded_up
from fastminima.landscape.smooth.decision import SmoothDecision
from fastminima.landscape.smooth.minimum import SmoothMinimum
from fastminima.landscape.smooth.polish import SmoothPolish

from .decide_summary import size_of
from .plain_names import network_ratios, with_old_names

__all__ = ["smooth_minimum_values", "smooth_rows", "smooth_values", "summarise_smooth"]

Row = tuple[str, str]


def summarise_smooth(result: SmoothDecision | SmoothPolish, squares: float) -> dict[str, Any]:
    """Everything about a decision or a walk in balls; `squares` is the least-squares risk."""
    return with_old_names({**smooth_values(result), "least_squares_risk": squares})


def smooth_values(result: SmoothDecision | SmoothPolish) -> dict[str, Any]:
    """What balls prove of a point, or of a walk's end."""
    common = {
        **size_of(result.data, result.network),
        "reason": result.reason,
        "risk": result.risk,
        "weight_decay": result.weight_decay,
        "radius": result.radius,
    }
    if isinstance(result, SmoothDecision):
        low, high = result.risk_bounds
        escape = result.escape
        return {
            **common,
            "verdict": str(result.verdict),
            "risk_bounds": [ratio(low), ratio(high)],
            "n_off_units": len(result.off_units),
            "off_units": {unit: str(why) for unit, why in sorted(result.off_units.items())},
            "near": None
            if result.near is None
            else smooth_minimum_values(result.near, result.near.distance(result.network)),
            "escape": None
            if escape is None
            else {
                "drop": float(escape.drop),
                "exact_drop": ratio(escape.drop),
                "distance": escape.distance,
                "along": escape.along,
                "exact": network_ratios(escape.exact),
            },
        }
    return {
        **common,
        "status": str(result.status),
        "risk_before": result.path[0].risk,
        "steps": len(result.path) - 1,
        "moved": result.moved,
        "started_within_radius": result.started_within_radius,
        "n_folds": len(result.folds),
        "folds": [str(fold) for fold in result.folds],
        "polished": {"radius": result.radius, "distance": result.distance, "excess": result.excess},
        "minimum": None if result.exact is None else smooth_minimum_values(result.exact, result.distance),
        "path": [{"risk": step.risk, "gradient": step.gradient, "kind": step.kind} for step in result.path],
    }


def smooth_minimum_values(found: SmoothMinimum, distance: float) -> dict[str, Any]:
    """The ball that holds a minimum; `distance` is that of the network asked about, at most."""
    low, high = found.risk_bounds
    return {
        "centre": network_ratios(found.centre),
        "error": found.error,
        "radius": found.radius,
        "curvature": found.curvature,
        "gradient": found.gradient,
        "risk": found.risk,
        "risk_bounds": [ratio(low), ratio(high)],
        "distance": distance,
    }


def smooth_rows(summary: Mapping[str, Any]) -> Iterable[Row]:
    """The printed table of `fastminima decide` and `fastminima polish` where balls decide, as (label, text)."""
    yield "samples m", f"{summary['n_samples']:,}"
    shown = summary["activation"].get("name", "piecewise linear")
    yield "network", f"{summary['n_features']} inputs, {summary['width']} hidden units, {shown}"
    if summary["weight_decay"]:
        yield (
            "weight decay",
            f"{summary['weight_decay']:g}: half of it times all parameters squared is in the risk",
        )
    if "verdict" in summary:
        yield from _decision_rows(summary)
    else:
        yield from _polish_rows(summary)


def _decision_rows(summary: Mapping[str, Any]) -> Iterable[Row]:
    yield "risk", f"{summary['risk']:.10g}"
    yield "least-squares risk", f"{summary['least_squares_risk']:.10g}"
    yield "verdict", summary["verdict"].replace("_", " ")
    yield "why", summary["reason"]
    if summary["verdict"] == "local_minimum":
        yield "certified radius", _radius(summary["radius"])
    off = [f"unit {unit}: {why}" for unit, why in summary["off_units"].items()]
    yield "units off", ", ".join(off[:8]) or "none"
    if (escape := summary["escape"]) is not None:
        yield "escape", f"{escape['distance']:.6g} along the {escape['along']}: a lower network, proved"
        yield "drop of the escape", f"at least {escape['drop']:.6g}"
    if summary["verdict"] != "local_minimum":
        if (near := summary["near"]) is None:
            yield "minimum nearby", "none proved where Newton's method leads to; fastminima polish walks down"
        else:
            yield "minimum nearby", f"risk {near['risk']:.10g}, at most {rounded_up(near['distance'])} away"
            yield "its certified radius", _radius(near["radius"])


def _polish_rows(summary: Mapping[str, Any]) -> Iterable[Row]:
    minimum = summary["status"] == "local_minimum"
    yield (
        "ended at",
        "a local minimum in a certified ball" if minimum else summary["status"].replace("_", " "),
    )
    yield "why", summary["reason"]
    yield "risk before", f"{summary['risk_before']:.10g}"
    yield "risk after", f"{summary['risk']:.10g}"
    yield "least-squares risk", f"{summary['least_squares_risk']:.10g}"
    yield "steps", f"{summary['steps']:,}"
    yield "moved", f"{summary['moved']:.6g} from the start"
    if summary["folds"]:
        yield "units folded", ", ".join(summary["folds"][:8])
    if minimum:
        near = summary["polished"]
        yield "start in its ball", "yes" if summary["started_within_radius"] else "no"
        yield "certified radius", _radius(near["radius"])
        yield "float64 network", f"at most {rounded_up(near['distance'])} from the minimum"
        yield "its excess risk", f"at most {rounded_up(near['excess'])}"


def _radius(radius: float) -> str:
    return "infinite: no function of the inputs is lower" if math.isinf(radius) else rounded_down(radius, 6)
