"""What `decide` and `polish` found as plain data: for JSON files, for `--json`, and for the printed tables.

Rational numbers are texts "p/q" with every digit; the floats beside them are rounded, bounds to their safe side.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.exact.shown import ratio, rounded_down, rounded_up
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.decide.escape import Escape
from fastminima.landscape.decide.leave import Leave
from fastminima.landscape.polish.polish import Polish
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

from .plain_names import activation_values, network_ratios, with_old_names

__all__ = [
    "decide_rows",
    "decision_values",
    "polish_rows",
    "polish_values",
    "size_of",
    "summarise_decision",
    "summarise_polish",
]

Row = tuple[str, str]


def summarise_decision(decision: Decision, squares: float) -> dict[str, Any]:
    """Everything about a decision, in names of `plain_names`; `squares` is the least-squares risk."""
    return with_old_names({**decision_values(decision), "least_squares_risk": squares})


def decision_values(decision: Decision) -> dict[str, Any]:
    """Beside the verdict: every kink with its limit and multiplier, the units that are off, and the ways out."""
    return {
        **size_of(decision.data, decision.network),
        "verdict": str(decision.verdict),
        "reason": decision.reason,
        "risk": decision.risk,
        "exact_risk": ratio(decision.exact_risk),
        **_around(decision),
        "escape": None if decision.escape is None else _escape(decision.escape),
        "leave": None if decision.leave is None else _leave(decision.leave),
    }


def summarise_polish(result: Polish, squares: float) -> dict[str, Any]:
    """Everything about a walk and where it ended; `squares` is the least-squares risk."""
    return with_old_names({**polish_values(result), "least_squares_risk": squares})


def polish_values(result: Polish) -> dict[str, Any]:
    """Where a walk ended, what is around it, and every step."""
    decision = result.decision
    kinds = Counter(step.kind for step in result.path)
    return {
        **size_of(result.data, decision.network),
        "status": str(result.status),
        "reason": result.reason,
        "verdict": str(decision.verdict),
        "risk_before": result.path[0].risk,
        "risk": result.risk,
        "exact_risk": ratio(decision.exact_risk),
        "steps": len(result.path) - 1,
        "exact_points": kinds["exact"],
        "moved": result.moved,
        "started_in_region": result.started_in_region,
        "started_within_radius": result.started_within_radius,
        **_around(decision),
        "exact_radius": decision.radius,
        "polished": {"radius": result.radius, "distance": result.distance, "excess": result.excess},
        "leave": None if decision.leave is None else _leave(decision.leave),
        "exact": network_ratios(result.exact),
        "path": [
            {"risk": step.risk, "held": step.n_held, "crossed": step.n_crossed, "kind": step.kind}
            for step in result.path
        ],
    }


def size_of(data: Dataset, network: OneHiddenLayer | RationalNetwork) -> dict[str, Any]:
    """Numbers of samples, inputs and units, and the activation."""
    return {
        "n_samples": data.n_samples,
        "n_features": network.n_features,
        "width": network.width,
        "activation": activation_values(network.activation),
    }


def _around(decision: Decision) -> dict[str, Any]:
    """What is known of a point's surroundings."""
    square = None if decision.region is None else decision.region.radius_squared
    counted = Counter(kink.unit for kink in decision.kinks)
    return {
        "radius": decision.radius,
        "radius_squared": None if square is None else ratio(square),
        "kinks_per_unit": [counted[k] for k in range(decision.network.width)],
        "n_kinks": len(decision.kinks),
        "ties": sum(_is_tie(kink.multiplier, kink.limit) for kink in decision.kinks),
        "kinks": [
            {
                "unit": kink.unit,
                "sample": kink.sample,
                "limit": ratio(kink.limit),
                "multiplier": None if kink.multiplier is None else ratio(kink.multiplier),
            }
            for kink in decision.kinks
        ],
        "n_off_units": len(decision.off_units),
        "off_units": {unit: str(why) for unit, why in sorted(decision.off_units.items())},
    }


def _is_tie(multiplier: Fraction | None, limit: Fraction) -> bool:
    return multiplier is not None and abs(multiplier) == limit


def _escape(escape: Escape) -> dict[str, Any]:
    return {
        "unit": escape.unit,
        "drop": float(escape.drop),
        "exact_drop": ratio(escape.drop),
        "distance": escape.distance,
        "exact": network_ratios(escape.exact),
    }


def _leave(way: Leave) -> dict[str, Any]:
    return {
        "unit": way.unit,
        "drop": float(way.drop),
        "exact_drop": ratio(way.drop),
        "exact": network_ratios(way.exact),
    }


def decide_rows(summary: Mapping[str, Any]) -> Iterable[Row]:
    """The printed table of `fastminima decide`, as (label, text)."""
    yield from _size_rows(summary)
    yield "risk", f"{summary['risk']:.10g}{_against(summary['risk'], summary['least_squares_risk'])}"
    yield "least-squares risk", f"{summary['least_squares_risk']:.10g}"
    yield "verdict", _words(summary["verdict"])
    yield "why", summary["reason"]
    minimum = summary["verdict"] == "local_minimum"
    if minimum:
        yield "certified radius", _radius(summary["radius"])
    yield from _around_rows(summary)
    if (escape := summary["escape"]) is not None:
        unit = "the output bias" if escape["unit"] is None else f"unit {escape['unit']}"
        yield "escape", f"{unit} moves by {escape['distance']:.6g}: a lower network, proved"
        yield "drop of the escape", f"{escape['drop']:.6g}{_share(escape['drop'], summary['risk'])}"
    yield from _leave_rows(summary)
    if summary["verdict"] == "not_a_minimum":
        yield "next", "float64 weights are hardly ever exactly critical: fastminima polish finds what is near"


def polish_rows(summary: Mapping[str, Any]) -> Iterable[Row]:
    """The printed table of `fastminima polish`, as (label, text)."""
    yield from _size_rows(summary)
    yield "ended at", _ENDS.get(summary["status"], _words(summary["status"]))
    if summary["status"] != "local_minimum":
        yield "why", summary["reason"]
    squares = summary["least_squares_risk"]
    yield "risk before", f"{summary['risk_before']:.10g}{_against(summary['risk_before'], squares)}"
    yield "risk after", f"{summary['risk']:.10g}{_against(summary['risk'], squares)}"
    yield "least-squares risk", f"{squares:.10g}"
    n = summary["exact_points"]
    yield "steps", f"{summary['steps']:,}, {n:,} exact minim{'um' if n == 1 else 'a'} of faces among them"
    yield "moved", f"{summary['moved']:.6g} from the start"
    if summary["status"] == "local_minimum":
        yield "start in its region", _yes(summary["started_in_region"])
        yield "start within radius", _yes(summary["started_within_radius"])
        yield "certified radius", _radius(summary["radius"])
        near = summary["polished"]
        yield (
            "radius in float64",
            f"{_radius(near['radius'])}, at most {rounded_up(near['distance'])} from the minimum",
        )
    yield from _around_rows(summary)
    yield from _leave_rows(summary)


_ENDS = {
    "local_minimum": "an exact local minimum",
    "undetermined": "a point that is undetermined",
    "step_limit": "the limit on steps",
    "interrupted": "an interruption: the best point so far",
}


def _size_rows(summary: Mapping[str, Any]) -> Iterable[Row]:
    yield "samples m", f"{summary['n_samples']:,}"
    h = summary["activation"]
    shown = h["name"] if "name" in h else str(PiecewiseLinear(h["s_plus"], h["s_minus"]))
    yield "network", f"{summary['n_features']} inputs, {summary['width']} hidden units, {shown}"


def _around_rows(summary: Mapping[str, Any]) -> Iterable[Row]:
    counts = summary["kinks_per_unit"]
    if sum(counts):
        held = [f"unit {k}: {count}" for k, count in enumerate(counts) if count]
        ties = f" ({summary['ties']} exact ties)" if summary["ties"] else ""
        yield "kinks", f"{sum(counts):,}{ties}; {_some(held)}"
    else:
        yield "kinks", "none: no sample on a boundary"
    off = [f"unit {unit}: {why}" for unit, why in summary["off_units"].items()]
    yield "units off", _some(off) or "none"


def _leave_rows(summary: Mapping[str, Any]) -> Iterable[Row]:
    if (way := summary["leave"]) is not None:
        drop = f"{way['drop']:.6g}{_share(way['drop'], summary['risk'])}"
        yield "way out", f"unit {way['unit']} leaves at constant risk to a point that is lower by {drop}"


def _some(texts: list[str], most: int = 8) -> str:
    """Some of them, and how many are left out."""
    more = f", and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _words(name: str) -> str:
    return name.replace("_", " ")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _radius(radius: float) -> str:
    return "infinite: no network anywhere is lower" if math.isinf(radius) else rounded_down(radius, 6)


def _against(risk: float, squares: float) -> str:
    """A risk beside that of least squares."""
    if not squares > 0.0:
        return ""
    times = f"{risk / squares:.6g}"
    return " (least squares' to six digits)" if times == "1" else f" ({times} of least squares')"


def _share(drop: float, risk: float) -> str:
    return f" ({drop / risk:.3g} of the risk)" if risk > 0.0 else ""
