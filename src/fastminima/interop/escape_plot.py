"""The picture of an escape benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import OptionError
from fastminima.system.first_use import first_use
from fastminima.system.packages import import_optional

__all__ = ["draw_outcomes", "draw_risks", "noise_words"]

_COLOURS = {
    "returned": "#1f4e79",
    "escaped": "#d98f2b",
    "left": "#f0cf9c",
    "higher": "#7d6b91",
    "diverged": "#b0413e",
    "undecided": "#b8b8b8",
}
# of runs, one an optimiser; told apart by people who do not tell red from green
_LINES = ("#1f4e79", "#d98f2b", "#5b9aa0", "#b0413e", "#7d6b91", "#444444", "#8c9c3f")


def noise_words(noise: float) -> str:
    """A length of noise as tables show it; inf stands for a default initialisation."""
    return f"{noise:g}" if noise < float("inf") else "fresh"


def _axes(ax: Any, width: float, height: float) -> Any:
    import_optional("matplotlib", extra="plot", purpose="drawing pictures")
    if ax is not None:
        return ax
    with first_use():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.subplots()


def draw_outcomes(ax: Any, rows: Sequence[Mapping[str, Any]], outcomes: Sequence[str], unit: str) -> Any:
    """Stacked shares of the outcomes: a group of bars an optimiser, a bar a noise.

    Raises
    ------
    OptionError
        If there are no rows.
    """
    if not rows:
        raise OptionError("there is no run to draw")
    names = list(dict.fromkeys(row["optimiser"] for row in rows))
    ax = _axes(ax, max(5.0, 1.0 + 0.42 * (len(rows) + len(names))), 3.6)
    places, middles, at = [], [], 0.0
    for name in names:
        count = sum(row["optimiser"] == name for row in rows)
        places += [at + k for k in range(count)]
        middles.append(at + (count - 1) / 2)
        at += count + 1.0
    base = np.zeros(len(rows))
    for outcome in outcomes:
        share = np.array([row[outcome] for row in rows])
        if share.any():
            ax.bar(places, share, 0.86, bottom=base, color=_COLOURS[outcome], label=outcome, lw=0.0)
        base += share
    ax.set_xticks(places, [noise_words(row["noise"]) for row in rows], fontsize=8)
    ax.set_xlabel(f"length of the noise ({unit})")
    ax.set_yticks([0.0, 0.5, 1.0], ["0", "50 %", "100 %"])
    ax.set_ylabel("share of the runs")
    ax.set_ylim(0.0, 1.0)
    ax.set_xlim(-0.8, max(places) + 0.8)
    for name, middle in zip(names, middles, strict=True):
        ax.annotate(
            name,
            (middle, 1.0),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
        )
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def draw_risks(
    ax: Any, lines: Sequence[tuple[str, NDArray[np.int64], NDArray[np.float64]]], noise: float, unit: str
) -> Any:
    """Risk over the start's against the steps, a line a run, coloured by optimiser.

    Raises
    ------
    OptionError
        If there are no lines.
    """
    if not lines:
        raise OptionError(f"there is no run with noise {noise_words(noise)} to draw")
    ax = _axes(ax, 8.0, 4.0)
    names = list(dict.fromkeys(name for name, _, _ in lines))
    colours = {name: _LINES[k % len(_LINES)] for k, name in enumerate(names)}
    seen: set[str] = set()
    for name, steps, ratio in lines:
        shown = np.where(np.isfinite(ratio), ratio, np.nan)
        label = None if name in seen else name
        seen.add(name)
        # the start has no place on a logarithmic axis of steps: it is drawn at half a step
        ax.plot(np.maximum(steps, 0.5), shown, color=colours[name], lw=1.0, alpha=0.75, label=label)
    ax.axhline(1.0, color="0.25", lw=1.0, ls="--", label="the certified bad minimum")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("gradient evaluations (the start at 0.5)")
    ax.set_ylabel("risk over that of the bad minimum")
    ax.set_title(
        f"noise {noise:g} ({unit})" if noise < float("inf") else "from default initialisations", fontsize=10
    )
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
