"""The walk of `polish` as numbers and as a picture: how the risk falls, step by step, and on which faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataTypeError
from fastminima.landscape.polish.polish import Polish
from fastminima.landscape.smooth.polish import SmoothPolish

from .displays import Display, check_target, figure_for, finished
from .figures import BLUE, RED, PictureFile, open_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Descent", "descent", "plot_descent"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

_SMALL = "small"
# an excess below this share of the final risk, or of the start's, is rounding of the walk's floats
_SEEN = 1e-15
# what is marked, in the order of the legend: steps of these kinds
_MARKED = {
    "exact": ("D", RED, "exact minimum of a face"),
    "escape": ("^", "#e08214", "by an escape"),
    "left": ("v", "#6a3d9a", "left by a unit that is off"),
    "curvature": ("^", "#e08214", "along a direction of negative curvature"),
    "folded": ("v", "#6a3d9a", "units folded"),
    "certified": ("D", RED, "in a certified ball"),
}


@dataclass(frozen=True, eq=False, repr=False)
class Descent:
    """A walk, one entry a step; the start is step 0.

    Attributes
    ----------
    risk : ndarray of shape (k,)
        Empirical risk 1/2 sum w (f(x) - y)^2.
    excess : ndarray of shape (k,)
        Over the risk of the point reached; 0 where floats see no difference.
    held : ndarray of int, shape (k,)
        Samples held on boundaries: the face.
    crossed : ndarray of int, shape (k,)
        Samples that changed sides in the step.
    kinds : tuple of str
        As of `Step.kind`, or `SmoothStep.kind`.
    gradient : ndarray of shape (k,), or None
        Norm of the gradient, of a `SmoothPolish`: its steps have no faces.
    """

    risk: Array
    excess: Array
    held: Counts
    crossed: Counts
    kinds: tuple[str, ...]
    gradient: Array | None = None

    def __repr__(self) -> str:
        return f"Descent({len(self.kinds) - 1} steps, risk {self.risk[0]:.6g} -> {self.risk[-1]:.6g})"


def descent(result: Polish | SmoothPolish) -> Descent:
    """The walk of a `Polish` or `SmoothPolish` as arrays.

    Raises
    ------
    DataTypeError
        If `result` is none.

    Examples
    --------
    >>> import fastminima as fm
    >>> fit = fm.fit_network(fm.load_demo("xor"), width=2, n_starts=1, random_state=0)
    >>> walk = fm.descent(fm.polish(fit))
    >>> len(walk.risk) >= 1
    True
    """
    if not isinstance(result, Polish | SmoothPolish):
        raise DataTypeError(f"a descent is that of a Polish (from polish), got {type(result).__name__}")
    risk = np.array([step.risk for step in result.path])
    excess = risk - result.risk
    excess[excess <= _SEEN * max(risk[0], abs(result.risk))] = 0.0
    held = np.array([step.n_held for step in result.path], np.int64)
    crossed = np.array([step.n_crossed for step in result.path], np.int64)
    gradient = None
    if isinstance(result, SmoothPolish):
        gradient = np.array([step.gradient for step in result.path])
    return Descent(risk, excess, held, crossed, tuple(step.kind for step in result.path), gradient)


def plot_descent(
    result: Polish | SmoothPolish,
    path: PictureFile | None = None,
    title: str | None = None,
    *,
    ax: Axes | None = None,
) -> Display:
    """Draw the walk of `polish`.

    Above: how far the risk still was from that of the point reached, logarithmic, with the exact minima of faces, escapes
    and departures of units that are off marked; a step at the lower edge has the final risk. Below: the face of every
    step, as the number of samples held on boundaries, and how many samples changed sides on the way there; of a smooth
    network, the norm of the gradient.

    Parameters
    ----------
    result : Polish or SmoothPolish
    path : path-like or binary file, optional
        A picture file. The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one
        PNG. Written whole or not at all.
    title : str, optional
    ax : matplotlib Axes, optional
        To draw the upper part on, alone, instead of a file; without either a new figure of pyplot.

    Returns
    -------
    Display
        `ax_`, `figure_`, and the `Descent` as `numbers`.

    Raises
    ------
    DataTypeError
        If `result` is no Polish.
    OptionError
        `path` and `ax` together.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.

    Examples
    --------
    >>> import fastminima as fm
    >>> fit = fm.fit_network(fm.load_demo("diabetes"), width=2, n_starts=1, random_state=0)
    >>> type(fm.plot_descent(fm.polish(fit))).__name__
    'Display'
    """
    check_target(path, ax)
    walk = descent(result)
    if ax is not None:
        _draw_excess(ax, walk)
        ax.set_xlabel("step")
        return finished(walk, ax, path, title, _default_title(result), own=False)
    figure = figure_for(path, (4.2, 4.0))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _draw_excess(upper, walk)
    (_draw_faces if walk.gradient is None else _draw_gradient)(lower, walk)
    return finished(walk, upper, path, title, _default_title(result), own=True)


def _default_title(result: Polish | SmoothPolish) -> str:
    data, network = result.data, result.network
    about = f"m = {data.n_samples:,}, dx = {data.n_features}, d1 = {network.width}, {network.activation}"
    return f"{about}\nrisk {result.path[0].risk:.6g} → {result.risk:.6g}, {result.status.replace('_', ' ')}"


def _draw_excess(axes: Any, walk: Descent) -> None:
    """The excess on a logarithmic axis; what is 0 lies on its lower edge."""
    positive = walk.excess[walk.excess > 0.0]
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (0.1, 1.0)
    floor = low / 10.0 ** max(0.5, 0.12 * np.log10(high / low))
    shown = np.where(walk.excess > 0.0, walk.excess, floor)
    steps = np.arange(len(shown))
    if len(positive):
        axes.set_yscale("log")
    else:
        axes.set_yticks([floor], ["0"])
    axes.plot(steps, shown, color=BLUE, lw=1.3, marker=".", ms=3 if len(steps) < 60 else 0)
    axes.plot([0], shown[:1], "o", color=BLUE, mec="white", ms=6, label="start", clip_on=False, ls="")
    for kind, (shape, colour, label) in _MARKED.items():
        at = np.array([k for k, name in enumerate(walk.kinds) if name == kind], dtype=np.intp)
        if len(at):
            style = {
                "color": colour,
                "mec": "white",
                "mew": 0.6,
                "ms": 6,
                "ls": "",
                "clip_on": False,
                "zorder": 3,
            }
            axes.plot(at, shown[at], shape, label=label, **style)
    axes.set_ylim(floor, high * (high / floor) ** 0.05)
    axes.axhline(floor, color="0.55", lw=0.9, ls="--", label="lower edge: the final risk")
    axes.set_ylabel("risk minus final risk", fontsize=_SMALL)
    axes.tick_params(which="both", labelsize=_SMALL)
    axes.legend(
        fontsize=_SMALL, facecolor="white", edgecolor="none", framealpha=0.85, loc="best", labelspacing=0.3
    )
    open_axes(axes)


def _draw_gradient(axes: Any, walk: Descent) -> None:
    assert walk.gradient is not None
    axes.plot(np.arange(len(walk.gradient)), walk.gradient, color="black", lw=1.2, marker=".", ms=3)
    if (walk.gradient > 0.0).any():
        axes.set_yscale("log")
    axes.set_ylabel("norm of the gradient", fontsize=_SMALL)
    axes.set_xlabel("step", fontsize=_SMALL)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(which="both", labelsize=_SMALL)
    open_axes(axes)


def _draw_faces(axes: Any, walk: Descent) -> None:
    steps = np.arange(len(walk.held))
    axes.bar(steps, walk.crossed, width=1.0, color=BLUE, alpha=0.35, lw=0, label="changed sides in the step")
    axes.step(steps, walk.held, where="mid", color="black", lw=1.2, label="held on boundaries: the face")
    axes.set_ylabel("samples", fontsize=_SMALL)
    axes.set_xlabel("step", fontsize=_SMALL)
    top = int(max(walk.held.max(), walk.crossed.max(), 1))
    # many at first, few later: both are to be seen
    if walk.crossed.max() > 20 * max(int(walk.held.max()), 1):
        axes.set_yscale("symlog", linthresh=max(2.0, float(walk.held.max())))
        axes.set_ylim(0, 4 * top)
    else:
        axes.set_ylim(0, 1.45 * top)
        axes.yaxis.get_major_locator().set_params(integer=True)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=_SMALL)
    axes.legend(fontsize=_SMALL, frameon=False, loc="upper right", labelspacing=0.3)
    open_axes(axes)
