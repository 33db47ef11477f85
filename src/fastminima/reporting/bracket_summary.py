"""What `bracket` found as plain data and as a table: for JSON files, for `--json`, and for the printed table.

Rational numbers are texts "p/q" with every digit; the floats beside them are rounded, bounds to their safe side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from fastminima.exact.dyadic import round_down, round_up
from fastminima.exact.shown import ratio, rounded_down, rounded_up
from fastminima.landscape.bracket.bracket import Bracket
from fastminima.landscape.bracket.fit_network import SearchEnd

from .plain_names import activation_values, with_old_names

__all__ = ["BRACKET_HEAD", "bracket_rows", "one_bracket", "summarise_brackets"]

# the columns of the printed table
BRACKET_HEAD = ["width", "lower", "upper", "share %", "gap %", "lower proved by", "ended", "starts"]
# eight columns are to fit into a line
_ENDS = {SearchEnd.STARTS: "all done", SearchEnd.ZERO_RISK: "risk 0"}


def summarise_brackets(brackets: Sequence[Bracket]) -> dict[str, Any]:
    """Everything about brackets of the same data, by width."""
    first = brackets[0]
    data, h = first.data, first.network.activation
    pure = first.bound.pure_error
    summary = {
        "n_samples": data.n_samples,
        "n_features": data.n_features,
        "activation": activation_values(h),
        "least_squares_risk": float(first.linear_risk),
        "exact_least_squares_risk": ratio(first.linear_risk),
        "pure_error": max(0.0, round_down(pure)),
        "exact_pure_error": ratio(pure),
        "brackets": [one_bracket(b) | {"starts": b.found.n_starts} for b in brackets],
    }
    return with_old_names(summary)


def one_bracket(b: Bracket) -> dict[str, Any]:
    """What is proved of one width, and how the search ended."""
    return {
        "width": b.width,
        "lower": b.lower,
        "upper": b.upper,
        "exact_lower": ratio(b.bound.exact),
        "exact_upper": ratio(b.found.exact_risk),
        "share": _share(b),
        "gap": list(b.gap),
        "reason": b.reason,
        "slopes": None if b.bound.slopes is None else list(b.bound.slopes),
        "lines": len(b.bound.lines),
        "notes": list(b.notes),
        "end": str(b.end),
        "n_starts": b.found.n_starts,
        "trace": [list(point) for point in b.trace],
    }


def _share(b: Bracket) -> list[float] | None:
    """(lower, upper) over the least-squares risk, rounded outward; None where that is 0."""
    if not b.linear_risk:
        return None
    low, high = (Fraction(v) / b.linear_risk for v in (b.bound.exact, b.found.exact_risk))
    return [max(0.0, round_down(low)), round_up(high)]


def bracket_rows(summary: Mapping[str, Any]) -> Iterable[list[str]]:
    """The printed table, one row a width, rounded outward like the numbers."""
    for b in summary["brackets"]:
        yield [
            str(b["width"]),
            rounded_down(b["lower"], 6),
            rounded_up(b["upper"], 6),
            "-" if b["share"] is None else _percent(b["share"]),
            "-" if b["share"] is None else _percent(b["gap"]),
            b["reason"],
            _ENDS.get(b["end"], b["end"]),
            f"{b['n_starts']:,}",
        ]


def _percent(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{rounded_down(100 * low, 4)} to {rounded_up(100 * high, 4)}"
