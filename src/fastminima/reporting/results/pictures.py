"""Pictures of results as inline SVG: without comments, metadata, scripts, and names from the network."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fastminima.errors import FastMinimaError
from fastminima.landscape.bracket.bracket import Bracket, Brackets
from fastminima.landscape.decide.decision import Decision
from fastminima.landscape.polish.polish import Polish
from fastminima.landscape.probe import Probe, ProbeSweep
from fastminima.landscape.smooth.decision import SmoothDecision
from fastminima.landscape.smooth.polish import SmoothPolish
from fastminima.reporting.atlas_numbers import AtlasNumbers, atlas_numbers
from fastminima.reporting.atlas_plots import ATLAS_PICTURES, draw_atlas
from fastminima.reporting.bracket_plot import plot_bracket
from fastminima.reporting.descent_plot import plot_descent
from fastminima.reporting.figures import save_figure
from fastminima.reporting.functions_plot import plot_functions
from fastminima.reporting.probe_plot import plot_probe
from fastminima.reporting.scan_plot import plot_scan
from fastminima.reporting.segment import plot_segment
from fastminima.reporting.slice_plot import plot_slice
from fastminima.reporting.splits_plot import plot_splits
from fastminima.scanning.atlas import Atlas
from fastminima.scanning.results import ScanReport
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem2.counterexample import CounterExample

__all__ = ["Picture", "pictures"]

# (what it shows, the SVG or why there is none)
Picture = tuple[str, str | None, str]

_SLICE = "The risk on a plane through the network, with the certified ball."
# what is no part of the drawing, or names another place
_LEFT_OUT = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|\sxmlns(:\w+)?=\"[^\"]*\"", re.S
)


def pictures(results: Sequence[Any]) -> Iterator[Picture]:
    """(what it shows, SVG or None, why there is none) of everything that can be drawn."""
    import matplotlib

    for number, (words, draw) in enumerate(_drawings(results)):
        try:
            # names that no other picture of the page has, and the same in every run
            with matplotlib.rc_context({"svg.hashsalt": f"fastminima-{number}", "svg.fonttype": "path"}):
                yield words, _svg(draw), ""
        except FastMinimaError as error:
            yield words, None, str(error)


def _drawings(results: Sequence[Any]) -> Iterator[tuple[str, Callable[[Path], Any]]]:
    lows = [one for one in results if isinstance(one, SpuriousMinimum)]
    certified = lows[0].radius if lows else None
    for one in results:
        if isinstance(one, BetterPoint) and one:
            low = one.low
            yield (
                "The risk along the straight line from the minimum to the better network.",
                partial(plot_segment, one.low, one),
            )
            if low.data.n_features == 1:
                yield (
                    "The data, the best affine function, and the functions of both networks.",
                    partial(plot_functions, one.low, one),
                )
            if one.case == 1:
                yield (
                    "The proof: residuals sorted by fitted value, their partial sums, and the chosen split.",
                    partial(plot_splits, one),
                )
        elif isinstance(one, Probe | ProbeSweep) and _drawable(one):
            about = isinstance(one, ProbeSweep) and lows and one[0].network == lows[0].network
            radius = certified if about else None
            yield (
                "Excess risks of sampled points around the network." + (" Shaded: proved." if radius else ""),
                partial(plot_probe, one, certified=radius),
            )
        elif isinstance(one, Polish | SmoothPolish):
            yield "The walk: how the risk fell, step by step.", partial(plot_descent, one)
        elif isinstance(one, Bracket | Brackets):
            yield "Both ends of the least risk by width.", partial(plot_bracket, one)
        elif isinstance(one, Atlas) and (numbers := atlas_numbers(one)).bracketed:
            yield ATLAS_PICTURES["widths"], partial(_of_atlas, numbers)
        elif isinstance(one, ScanReport):
            yield (
                "Certified radii and drops by the size of the datasets.",
                partial(plot_scan, one),
            )
        elif isinstance(one, CounterExample) and one.local_minimum is not None:
            yield (
                "The plane through both networks of theorem 2.",
                partial(_slice, one),
            )
        elif isinstance(one, Decision | SmoothDecision):
            yield _SLICE, partial(_slice, one)


def _slice(result: Any, path: Path) -> None:
    plot_slice(result, path=path)


def _of_atlas(numbers: AtlasNumbers, path: Path) -> None:
    save_figure(draw_atlas(numbers, "widths"), path)


def _drawable(probe: Probe | ProbeSweep) -> bool:
    several = [probe] if isinstance(probe, Probe) else list(probe)
    return any(p.n > p.n_overflow and p.radius > 0.0 for p in several)


def _svg(draw: Callable[[Path], Any]) -> str:
    """What a function draws into a file, as an element of a page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture.svg")
        draw(path)
        text = path.read_text(encoding="utf-8")
    bare = _LEFT_OUT.sub("", text)
    head, _, rest = bare.partition(">")
    # the page says how large it is
    head = re.sub(r'\s(width|height)="[^"]*"', "", head)
    return f'{head} role="img">{rest}'.strip()
