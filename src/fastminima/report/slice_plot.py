"""The risk on the plane through a bad local minimum and a global one, as numbers and as a picture."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataTypeError, OptionError
from fastminima.exact.shown import rounded_down, shown_exactly
from fastminima.networks.batched_risk import batched_risk
from fastminima.theorems.theorem2.counterexample import CounterExample

from .figures import RED, new_figure, picture_format, save_figure

__all__ = ["RiskSlice", "plot_slice", "risk_slice"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RiskSlice:
    """Risks on a plane: theta(s, t) = minimum + s (global minimum - minimum) + t q.

    Attributes
    ----------
    s, t : ndarrays of shapes (n,), (n,)
    risk : ndarray of shape (n, n)
        risk[i, j] at s[j], t[i].
    distance : ndarray of shape (n, n)
        Euclidean distance from the minimum in weights and hidden biases, the output bias left out.
    direction : ndarray
        q, orthogonal to the first axis and as long, in the order W1, b1, W2, b2.
    """

    s: Array
    t: Array
    risk: Array
    distance: Array
    direction: Array


def risk_slice(pair: CounterExample, n: int = 161) -> RiskSlice:
    """The risk around both points of an example.

    The second axis makes the inputs of the hidden units that are equal at the minimum differ: along it the minimum is a
    valley, not a plain.

    Parameters
    ----------
    pair : CounterExample
    n : int
        Points an axis.

    Raises
    ------
    OptionError
        The example has no points.
    """
    if not isinstance(pair, CounterExample):
        raise DataTypeError(f"pair must be a CounterExample (from counterexample), got {type(pair).__name__}")
    low, best = pair.local_minimum, pair.global_minimum
    if low is None or best is None:
        raise OptionError("there is nothing to draw: " + pair.reason)
    start, end = _flat(*low.parameters()), _flat(*best.parameters())
    d1, dx = low.W1.shape
    # the same network with its units in the order that is nearer
    swapped = _flat(best.W1[::-1], best.b1[::-1], best.W2[::-1], best.b2)
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
    s, t = np.linspace(-0.45, 1.25, n), np.linspace(-0.85, 0.85, n)
    grid_s, grid_t = (axis.ravel() for axis in np.meshgrid(s, t))
    moves = grid_s[:, None] * first + grid_t[:, None] * second
    points = start + moves
    K, cut = len(points), d1 * dx
    risk = batched_risk(
        points[:, :cut].reshape(K, d1, dx),
        points[:, cut : cut + d1],
        points[:, cut + d1 : -1],
        points[:, -1],
        pair.data,
        pair.activation,
    )
    distance = np.linalg.norm(moves[:, :-1], axis=1)
    return RiskSlice(s, t, risk.reshape(n, n), distance.reshape(n, n), second)


def _flat(W1: Array, b1: Array, W2: Array, b2: float) -> Array:
    return np.concatenate([W1.ravel(), b1, W2, [b2]])


def plot_slice(pair: CounterExample, path: str | os.PathLike[str], title: str | None = None) -> None:
    """Draw `risk_slice` to a picture file: colours for the risk, the least-squares level as a line, both points,
    and the certified ball where it meets the plane.

    Parameters
    ----------
    pair : CounterExample
    path : path-like
        The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one PNG. Written
        whole or not at all.
    title : str, optional

    Raises
    ------
    OptionError
        The example has no points.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.
    """
    picture_format(path)
    found = risk_slice(pair)
    figure = new_figure(7.6, 5.6)
    axes = figure.subplots()
    handles = [*_draw_risk(figure, axes, found, pair), *_draw_points(axes, pair)]
    axes.set_xlabel("s: from the local minimum (0) to the global one (1)")
    axes.set_ylabel("t: the inputs of the hidden units drawn apart")
    figure.legend(handles=handles, loc="outside lower center", ncols=2, facecolor="#d9d9d9", frameon=True)
    save_figure(figure, path, title or f"theorem 2, {pair.activation}, {pair.form} form")


def _draw_risk(figure: Any, axes: Any, found: RiskSlice, pair: CounterExample) -> list[Any]:
    """Colours, the line of the least-squares level and the certified ball where it meets the plane, for the legend."""
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
