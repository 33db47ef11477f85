"""The four pictures of an atlas: gaps, brackets against the width, their length, and what of a gap is recovered."""

from __future__ import annotations

from typing import Any

import numpy as np

from .atlas_numbers import Array, AtlasNumbers, shares
from .figures import BLUE, GREEN, RED, new_figure, open_axes

__all__ = ["ATLAS_PICTURES", "draw_atlas"]

_SMALL = 7
_GREY = "0.75"
_COLOURS = (BLUE, RED, GREEN, "#8a6d1c", "0.35")
# of a picture that is 8 cm wide
_WIDE = 3.15

ATLAS_PICTURES = {
    "gaps": "One line a table: the gap of its spurious minimum lies there, as a share of the least-squares risk. Sorted "
    "by the middle, for each width anew; first those with a lower end above 0, then (grey) those without.",
    "widths": "Medians over the tables of the lower and the upper end of the least risk, from least squares (no hidden "
    "unit) to the pure error (any number), with quartiles shaded.",
    "lengths": "Length of the bracket against the number of inputs, and against distinct inputs over rows.",
    "recovered": "Of how many tables a construction recovers at least this share of the gap: the paper's push, one kink "
    "and the search, at the smallest width. The gap is taken as the largest that is possible.",
}


def draw_atlas(numbers: AtlasNumbers, kind: str) -> Any:
    """A matplotlib figure, 8 cm wide.

    Parameters
    ----------
    numbers : AtlasNumbers
        With a bracket of one table at least.
    kind : str
        Of `ATLAS_PICTURES`.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    """
    return {"gaps": _gaps, "widths": _widths, "lengths": _lengths, "recovered": _recovered}[kind](numbers)


def _label(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=_SMALL)
    axes.set_ylabel(y, fontsize=_SMALL)
    axes.tick_params(which="both", labelsize=_SMALL)
    open_axes(axes)


def _segments(axes: Any, left: Array, right: Array, height: Array, **style: Any) -> None:
    """Horizontal lines as one path: hundreds of paths would make a page large."""
    x = np.column_stack([left, right, np.full(len(left), np.nan)]).ravel()
    axes.plot(x, np.repeat(height, 3), **style)


def _dots(axes: Any, x: Array, y: Array, colour: str) -> None:
    """Points as one path: lines of hardly any length with round ends."""
    _segments(axes, x, x * (1 + 1e-3), y, color=colour, lw=2.4, alpha=0.5, solid_capstyle="round")


def _gaps(numbers: AtlasNumbers) -> Any:
    figure = new_figure(_WIDE, 3.4)
    panels = figure.subplots(1, len(numbers.widths), sharey=True, squeeze=False)[0]
    for axes, width in zip(panels, numbers.widths, strict=True):
        least, most = numbers.column(f"gap_least_{width}"), numbers.column(f"gap_most_{width}")
        order = np.lexsort((least + most, most == 1.0))
        at = np.arange(1.0, len(order) + 1)
        proved = (most < 1.0)[order]
        # a gap that is known to the last digit is a line of no length: it is given the width of a dot
        for shown, colour in ((~proved, _GREY), (proved, BLUE)):
            low, high = least[order][shown], most[order][shown]
            ends = (low, np.maximum(high, low + 0.004))
            _segments(
                axes, *ends, at[shown], color=colour, lw=max(0.25, 150 / len(order)), solid_capstyle="butt"
            )
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0, len(order) + 1)
        axes.set_xticks([0.0, 0.5, 1.0], ["0", ".5", "1"])
        axes.set_title(f"width {width}", fontsize=_SMALL)
        _label(axes, "gap", "tables" if axes is panels[0] else "")
    return figure


def _widths(numbers: AtlasNumbers) -> Any:
    figure = new_figure(_WIDE, 2.4)
    panels = figure.subplots(1, 2, sharey=True)
    d = numbers.column("d")
    steps = [0, *numbers.widths]
    places = np.arange(len(steps) + 1)
    for axes, name, inside in ((panels[0], "one input", d == 1), (panels[1], "several inputs", d > 1)):
        axes.set_title(f"{name} ({int(inside.sum()):,})", fontsize=_SMALL)
        axes.set_xlim(-0.1, len(steps) + 0.1)
        axes.set_ylim(0.0, 1.05)
        axes.set_xticks(places, ["0", *map(str, numbers.widths), "∞"])
        _label(axes, "hidden units", "risk / least squares" if axes is panels[0] else "")
        if not inside.any():
            continue
        ends = [numbers.column("pure_error")[inside]]
        for end, colour in (("upper", RED), ("lower", BLUE)):
            found = [
                np.ones(int(inside.sum())),
                *(numbers.column(f"{end}_{w}")[inside] for w in numbers.widths),
                *ends,
            ]
            quartiles = np.array([np.quantile(v, (0.25, 0.5, 0.75)) for v in found])
            # an upper end holds for more units, a lower one for fewer
            where = "post" if end == "upper" else "pre"
            axes.fill_between(
                places, quartiles[:, 0], quartiles[:, 2], step=where, color=colour, alpha=0.15, lw=0
            )
            axes.step(places, quartiles[:, 1], where=where, color=colour, lw=1.4, label=f"{end} end")
    handles = next(axes.get_legend_handles_labels()[0] for axes in panels if axes.lines)
    figure.legend(handles=handles, fontsize=_SMALL, frameon=False, loc="outside upper center", ncols=2)
    return figure


def _lengths(numbers: AtlasNumbers) -> Any:
    figure = new_figure(_WIDE, 2.4)
    panels = figure.subplots(1, 2, sharey=True)
    d, n, m = (numbers.column(name) for name in ("d", "n", "m"))
    for k, width in enumerate(numbers.widths):
        length = numbers.column(f"gap_most_{width}") - numbers.column(f"gap_least_{width}")
        colour = _COLOURS[k % len(_COLOURS)]
        # side by side: points of the widths would lie on each other
        _dots(panels[0], d * 1.12 ** (k - 1), length, colour)
        _dots(panels[1], n / m, length, colour)
        panels[0].plot([], [], "o", color=colour, ms=3.5, ls="", label=f"width {width}")
    panels[0].set_xscale("log")
    ticks = [t for t in (1, 2, 5, 10, 20, 50, 100) if t <= d.max()]
    panels[0].set_xticks(ticks, list(map(str, ticks)))
    panels[0].minorticks_off()
    panels[0].set_xlim(0.8, 1.2 * float(d.max()))
    panels[1].set_xlim(-0.03, 1.03)
    panels[0].set_ylim(-0.03, 1.03)
    _label(panels[0], "inputs", "length of the bracket")
    _label(panels[1], "distinct inputs / rows", "")
    figure.legend(fontsize=_SMALL, frameon=False, loc="outside upper center", ncols=len(numbers.widths))
    return figure


def _recovered(numbers: AtlasNumbers) -> Any:
    figure = new_figure(_WIDE, 2.5)
    axes = figure.subplots()
    width = next((w for w in numbers.widths if w >= 2), numbers.widths[0])
    names = (("paper's push", "paper_drop", RED, "--"), ("one kink", "kink_drop", GREEN, "-"))
    search = ("search", f"search_drop_{width}", BLUE, "-")
    for label, drop, colour, line in (*names, search):
        found = shares(numbers, drop, width)
        if not len(found):
            continue
        left = 1.0 - np.arange(len(found)) / len(found)
        axes.step(
            [1e-6, *np.maximum(found, 1e-6)],
            [1.0, *left],
            where="pre",
            color=colour,
            ls=line,
            lw=1.4,
            label=label,
        )
    axes.set_xscale("log")
    axes.set_xlim(1e-5, 1.0)
    axes.set_ylim(0.0, 1.02)
    axes.minorticks_off()
    _label(axes, f"share of the gap at width {width}, at least", "share of the tables")
    axes.legend(fontsize=_SMALL, frameon=False, loc="lower left")
    return figure
