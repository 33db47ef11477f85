"""What --json prints: the numbers and verdicts that a script asks for; with --full all that the summary in DIR has."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from fastminima.system.plain_json import json_ready

__all__ = ["add_full_argument", "print_json"]

# what grows with samples, inputs, units, starts or steps, and numbers as text: their floats or counts stand beside them
_LONG = frozenset(
    {
        "coef", "feature_names", "members",
        "kinks", "kinks_per_unit", "off_units", "folds", "path", "trace", "centre", "exact",
        "exact_risk", "exact_drop", "exact_lower", "exact_upper", "exact_least_squares_risk",
        "exact_pure_error", "exact_critical_value", "radius_squared", "risk_bounds",
        "facts", "margins", "text", "eigenvalues", "indices",
        "conditions", "local_minimum", "global_minimum",
        "histogram",
    }
)  # fmt: skip


def add_full_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the option that asks for what is long."""
    parser.add_argument("--full", action="store_true", help=f"with --json: {what}, too")


def print_json(summary: Mapping[str, Any], files: list[str] | None = None, *, full: bool) -> None:
    """Print a summary, short unless `full`, and the files that were written."""
    shown = dict(summary) if full else _short(summary)
    if files:
        shown["files"] = files
    print(json.dumps(json_ready(shown), indent=2, allow_nan=False))


def _short(value: Any) -> Any:
    """The value without what is long: under those names flags and plain numbers are short."""
    if isinstance(value, Mapping):
        return {
            key: _short(inner)
            for key, inner in value.items()
            if key not in _LONG or isinstance(inner, bool | int | float)
        }
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value]
    return value
