"""Theorem 2 for every named activation, as a Markdown table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastminima.exact.shown import rounded_down
from fastminima.networks.activations.named import activations
from fastminima.theorems.theorem2.counterexample import CounterExample, counterexample

__all__ = ["example_table"]

_HEAD = (
    "activation",
    "form",
    "zero-risk witness",
    "minimum's witness",
    "certified radius",
    "smallest eigenvalue",
)


def example_table(make: Callable[[str, Any], CounterExample] = counterexample) -> str:
    """One row for every activation and form, with the default parameters.

    Parameters
    ----------
    make : callable
        (name, form) to the example; by default it is computed, which takes about a second a row.
    """
    lines = ["| " + " | ".join(_HEAD) + " |", "| " + " | ".join("---" for _ in _HEAD) + " |"]
    for name, entry in activations().items():
        for form in ("paper", "bias"):
            pair = make(name, form)
            given = ", ".join(f"{key}={value:g}" for key, value in entry.parameters.items())
            cells = [f"{name}({given})" if given else name, form, *_cells(pair)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(pair: CounterExample) -> list[str]:
    if not pair.witness:
        return [f"none: {pair.reason}", "", "", ""]
    best, low = (
        ", ".join(f"{key} = {value:.5g}" for key, value in pair.witness[part].items())
        for part in ("zero", "flat")
    )
    radius = rounded_down(pair.radius, 4) if pair.certified else f"not certified: {pair.reason}"
    # where h is straight around both units the form is 0, up to the rounding of its eigenvalues
    smallest = pair.smallest_eigenvalue
    return [best, low, radius, "0" if abs(smallest) < 1e-12 else f"{smallest:.3g}"]
