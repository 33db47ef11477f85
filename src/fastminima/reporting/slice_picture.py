"""The picture of a slice: steps of colour, the boundaries of cells, the certified ball, networks and paths in the plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.exact.shown import rounded_down
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .figures import BLUE, RED
from .plane_risks import cells_of
from .probe_plot import number_text
from .risk_slices import RiskSlice

__all__ = ["Shown", "draw_slice", "size_of"]

Array = NDArray[np.float64]

# steps of colour on one side of the network's risk alone, and on either side of it
_STEPS, _STEPS_EACH = 8, 5
# boundaries of cells in one picture, and from how many on they fade
_LINES, _FADE = 400, 30
# an excess of this share of the largest is drawn as none
_FLAT = 1e-12
_SMALL = "small"
# a ball of less than this share of the width hides under the mark of the network
_VISIBLE = 0.008


@dataclass(frozen=True, eq=False)
class Shown:
    """What a picture shows.

    Attributes
    ----------
    found : RiskSlice
    network : OneHiddenLayer
        In the middle.
    data : Dataset
    radius : float
        Of the certified ball; 0 for none.
    cells : bool
        Whether their boundaries are drawn.
    kinks : frozenset of (unit, sample)
        Samples on boundaries of the middle.
    """

    found: RiskSlice
    network: OneHiddenLayer
    data: Dataset
    radius: float
    cells: bool
    kinks: frozenset[tuple[int, int]]


def size_of(found: RiskSlice) -> tuple[float, float]:
    """Inches of a figure that holds the picture without much white around it; still legible at 8 cm of width."""
    s0, s1, t0, t1 = found.plane.span
    return 4.2, 2.75 * (t1 - t0) / max(s1 - s0, t1 - t0) + 1.85


def draw_slice(axes: Any, shown: Shown, own: bool) -> None:
    """Draw it all on these axes, with a legend below: of the figure, if that is its `own`."""
    found = shown.found
    handles = [*_colours(axes, found)]
    if shown.cells:
        handles += _boundaries(axes, shown)
    handles += _ball(axes, shown)
    handles += _points(axes, shown)
    s0, s1, t0, t1 = found.plane.span
    axes.set_xlim(s0, s1)
    axes.set_ylim(t0, t1)
    axes.set_aspect("equal")
    axes.set_xlabel(found.plane.labels[0], fontsize=_SMALL)
    axes.set_ylabel(found.plane.labels[1], fontsize=_SMALL)
    axes.tick_params(labelsize=_SMALL)
    axes.locator_params(nbins=5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set_fontsize(_SMALL)
    style = {
        "handles": handles,
        "frameon": False,
        "fontsize": _SMALL,
        "labelspacing": 0.3,
        "borderaxespad": 0.2,
    }
    if own:
        axes.figure.legend(loc="outside lower center", **style)
    else:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), **style)


def _levels(values: Array, steps: int) -> Array:
    """Borders of steps that hold about equally many of these positive values; every step is a different number."""
    if not len(values):
        return np.empty(0)
    return np.unique(np.quantile(values, np.arange(1, steps + 1) / steps))


def _colours(axes: Any, found: RiskSlice) -> list[Any]:
    """Filled contours of the excess with their scale beside them."""
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.lines import Line2D

    finite = found.excess[np.isfinite(found.excess)]
    largest = float(np.abs(finite).max(initial=0.0))
    if not largest:
        axes.set_facecolor("#dce6f0")
        return [Line2D([], [], linestyle="", label="the risk is the same everywhere here")]
    # a plateau is a plateau, whatever rounding says
    excess = np.where(np.abs(found.excess) <= _FLAT * largest, 0.0, found.excess)
    higher, lower = finite[finite > _FLAT * largest], -finite[finite < -_FLAT * largest]
    steps = _STEPS_EACH if len(higher) and len(lower) else _STEPS
    above, below = _levels(higher, steps), _levels(lower, steps)
    levels = np.concatenate([-below[::-1], [0.0], above])
    blues = colormaps["Blues"](np.linspace(0.12, 0.85, max(len(above), 1)))[: len(above)]
    reds = colormaps["Reds"](np.linspace(0.85, 0.25, max(len(below), 1)))[: len(below)]
    norm, scale = BoundaryNorm(levels, len(levels) - 1), ListedColormap(np.vstack([reds, blues]))
    capped = np.clip(excess, levels[0], levels[-1])
    image = axes.contourf(found.s, found.t, capped, levels=levels, norm=norm, cmap=scale)
    image.set_rasterized(True)
    handles = []
    if len(below):
        axes.contour(found.s, found.t, capped, levels=[0.0], colors="black", linewidths=1.1)
        handles.append(Line2D([], [], color="black", lw=1.1, label="as high as the network (red: lower)"))
    bar = axes.figure.colorbar(image, ax=axes, spacing="uniform", ticks=levels, fraction=0.05, pad=0.03)
    bar.ax.set_yticklabels([number_text(float(f"{level:.2g}")) for level in levels])
    bar.ax.tick_params(labelsize=_SMALL)
    bar.set_label("risk minus risk of the network", fontsize=_SMALL)
    return handles


def _boundaries(axes: Any, shown: Shown) -> list[Any]:
    """Lines where a unit changes side on a sample; those through the network's own kinks in black."""
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    span = shown.found.plane.span
    cells = cells_of(shown.found.plane, shown.network, shown.data, _LINES)
    if not cells.total:
        return []
    segments = cells.segments(span)
    held = np.array(
        [pair in shown.kinks for pair in zip(cells.unit.tolist(), cells.sample.tolist(), strict=True)]
    )
    faint = 0.7 * min(1.0, (_FADE / len(segments)) ** 0.75)
    grey = {"colors": "0.25", "linewidths": 0.4, "alpha": faint, "rasterized": len(segments) > 100}
    axes.add_collection(LineCollection(segments[~held], **grey), autolim=False)
    axes.add_collection(LineCollection(segments[held], colors="black", linewidths=1.0), autolim=False)
    how = f"{cells.total:,}" if cells.total <= _LINES else f"the nearest {_LINES} of {cells.total:,}"
    handles = [
        Line2D([], [], color="0.25", lw=0.8, alpha=max(faint, 0.4), label=f"boundaries of cells: {how}")
    ]
    if held.any():
        handles.append(
            Line2D([], [], color="black", lw=1.0, label=f"kinks of the network: {len(shown.kinks):,} samples")
        )
    return handles


def _ball(axes: Any, shown: Shown) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle

    radius = shown.radius
    if not radius > 0.0:
        return []
    if math.isinf(radius):
        return [Line2D([], [], linestyle="", label="no network anywhere has a lower risk")]
    line = {"color": RED, "linestyle": "--", "linewidth": 1.6}
    s0, s1, t0, t1 = shown.found.plane.span
    note = ", too small to see here" if radius < _VISIBLE * max(s1 - s0, t1 - t0) else ""
    if radius < math.hypot(max(abs(s0), abs(s1)), max(abs(t0), abs(t1))):
        axes.add_patch(Circle((0.0, 0.0), radius, fill=False, **line))
    else:
        # not drawn: its dashes, a billion at a span of 1e-9, would all be outside
        note = ", wider than this"
    return [Line2D([], [], **line, label=f"certified ball, radius {rounded_down(radius, 3)}{note}")]  # type: ignore[arg-type]


def _points(axes: Any, shown: Shown) -> list[Any]:
    """The middle, a path and other networks."""
    plane, handles = shown.found.plane, []
    if plane.path is not None:
        style: dict[str, Any] = {"color": "#e08214", "lw": 1.3, "marker": ".", "markersize": 4}
        axes.plot(*plane.path.T, **style)
        handles += axes.plot(
            *plane.path[:1].T, "s", color="#e08214", mec="white", ms=6, label="start of the path"
        )
    for mark, shape in zip(plane.marks, "^v", strict=False):
        label = f"{mark.label}, at distance {math.hypot(mark.s, mark.t):.4g}"
        handles += axes.plot(
            [mark.s], [mark.t], shape, color="#e08214", mec="black", ms=7, ls="", label=label
        )
    handles += axes.plot([0.0], [0.0], "o", color=BLUE, mec="white", ms=7, ls="", label="the network")
    return handles[::-1]
