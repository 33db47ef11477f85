"""Theorem 2's plane: through its bad local minimum and its global one, as numbers and as a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import OptionError
from fastminima.exact.shown import rounded_down, shown_exactly
from fastminima.theorems.theorem2.counterexample import CounterExample

from .figures import RED
from .plane_risks import risks_at
from .planes import Plane, flat
from .risk_slices import RiskSlice

__all__ = ["draw_pair", "slice_of_pair"]

Array = NDArray[np.float64]

_SPAN = (-0.45, 1.25, -0.85, 0.85)
_LABELS = (
    "s: from the local minimum (0) to the global one (1)",
    "t: the inputs of the hidden units drawn apart",
)


def slice_of_pair(pair: CounterExample, n: int) -> RiskSlice:
    """theta(s, t) = minimum + s (global minimum - minimum) + t q, q orthogonal to the first axis and as long.

    The second axis makes the inputs of the hidden units that are equal at the minimum differ: along it the minimum is a
    valley, not a plain.
    """
    low, best = pair.local_minimum, pair.global_minimum
    if low is None or best is None:
        raise OptionError("there is nothing to draw: " + pair.reason)
    start, end = flat(low), flat(best)
    d1, dx = low.W1.shape
    # the same network with its units in the order that is nearer
    swapped = np.concatenate([best.W1[::-1].ravel(), best.b1[::-1], best.W2[::-1], [best.b2]])
    end = min((end, swapped), key=lambda point: float(np.linalg.norm(point - start)))
    first = end - start
    length = float(np.linalg.norm(first))
    apart = np.zeros(len(start))
    samples = pair.data.X
    for j in range(min(d1, 2)):
        apart[j * dx : (j + 1) * dx] = samples[0] - samples[1]
    second = apart - first * (apart @ first) / length**2
    size = float(np.linalg.norm(second))
    second *= length / size if size else 0.0
    s, t = np.linspace(*_SPAN[:2], n), np.linspace(*_SPAN[2:], n)
    grid_s, grid_t = (axis.ravel() for axis in np.meshgrid(s, t))
    moves = grid_s[:, None] * first + grid_t[:, None] * second
    risk = risks_at(start + moves, low, pair.data).reshape(n, n)
    distance = np.linalg.norm(moves[:, :-1], axis=1).reshape(n, n)
    plane = Plane(start, first, second, _LABELS, _SPAN)
    return RiskSlice(s, t, risk, risk - low.risk(pair.data), distance, plane)


def draw_pair(figure: Any, axes: Any, found: RiskSlice, pair: CounterExample) -> None:
    """Colours for the risk, the least-squares level as a line, both points, the certified ball where it meets the plane."""
    handles = [*_draw_risk(figure, axes, found, pair), *_draw_points(axes, pair)]
    axes.set_xlabel(_LABELS[0], fontsize="small")
    axes.set_ylabel(_LABELS[1], fontsize="small")
    # white lines need a ground to be seen on
    how = {"facecolor": "#d9d9d9", "frameon": True, "fontsize": "small", "handlelength": 1.5, "columnspacing": 1.0}
    figure.legend(handles=handles, loc="outside lower center", ncols=2, **how)


def _draw_risk(figure: Any, axes: Any, found: RiskSlice, pair: CounterExample) -> list[Any]:
    from matplotlib.colors import LogNorm
    from matplotlib.lines import Line2D

    level = float(pair.level)
    low, high = level * 1e-3, level * 1e3
    shown = np.clip(found.risk, low, high)
    image = axes.pcolormesh(
        found.s, found.t, shown, norm=LogNorm(low, high), cmap="cividis", shading="gouraud", rasterized=True
    )
    axes.contour(found.s, found.t, shown, levels=[level], colors="white", linewidths=1.2)
    figure.colorbar(image, ax=axes, label="empirical risk", extend="both")
    squares = f"risk = least squares' {shown_exactly(pair.level)}"
    handles = [Line2D([], [], color="white", markeredgecolor="black", label=squares)]
    if pair.radius and found.distance.max() > pair.radius:
        line: dict[str, Any] = {"linewidths": 1.6, "linestyles": "--"}
        axes.contour(found.s, found.t, found.distance, levels=[pair.radius], colors=RED, **line)
        ball = f"certified radius {rounded_down(pair.radius, 3)}"
        handles.append(Line2D([], [], color=RED, linestyle="--", label=ball))
    return handles


def _draw_points(axes: Any, pair: CounterExample) -> list[Any]:
    """Both points, for the legend."""
    from matplotlib.lines import Line2D

    local: dict[str, Any] = {"marker": "o", "color": RED, "markeredgecolor": "white"}
    best: dict[str, Any] = {"marker": "*", "color": "white", "markeredgecolor": "black"}
    axes.plot([0], [0], linestyle="", markersize=9, **local)
    axes.plot([1], [0], linestyle="", markersize=14, **best)
    return [
        Line2D([], [], linestyle="", label=f"local minimum, risk {shown_exactly(pair.level)}", **local),
        Line2D([], [], linestyle="", label="global minimum, risk 0", **best),
    ]
