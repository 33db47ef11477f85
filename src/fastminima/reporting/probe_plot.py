"""A probe as a picture: where the sampled excess risks lie, and how they grow with the radius."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import OptionError
from fastminima.exact.shown import rounded_down
from fastminima.landscape.probe import Probe, ProbeSweep
from fastminima.system.options import as_real, spelled

from .displays import Display, check_target, figure_for, finished
from .figures import BLUE, GREEN, RED, PictureFile, open_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["at_most", "number_text", "plot_probe", "round_ticks"]

Array = NDArray[np.float64]

# Decades of either sign that a symmetric logarithmic axis shows before it turns linear around zero.
_DECADES = 8.0
_BARS = 80


def plot_probe(
    probe: Probe | ProbeSweep,
    path: PictureFile | None = None,
    title: str | None = None,
    *,
    ax: Axes | None = None,
    certified: float | None = None,
) -> Display:
    """Draw a probe.

    One radius: the histogram of the excess risks, logarithmic in either sign with zero marked; lower points are red,
    counted, and the smallest is named. Where they are too few to be seen beside the others, the heights are logarithmic,
    too. Several radii: quantiles of the excess risk against the radius, both logarithmic, with lower points below a marked
    zero; no line joins numbers of different sign.

    Parameters
    ----------
    probe : Probe or ProbeSweep
    path : path-like or binary file, optional
        A picture file. The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one
        PNG. Written whole or not at all.
    title : str, optional
    ax : matplotlib Axes, optional
        To draw on instead of a file; without either a new figure of pyplot.
    certified : float, optional
        A radius within which nothing lower is proved to exist, such as `low.radius`: shaded in the picture of a sweep.

    Returns
    -------
    Display
        `ax_`, `figure_`, and the probe as `numbers`.

    Raises
    ------
    OptionError
        If the probe has no points that could be drawn (n = 0, or all overflow); `path` and `ax` together; a `certified`
        that is not positive, or with one radius, or with normal perturbations, whose length has no bound.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> sweep = fm.probe(low, radius=[0.01, 0.1, 1.0], n=100)
    >>> display = fm.plot_probe(sweep, certified=low.radius)  # doctest: +SKIP
    """
    check_target(path, ax)
    first = probe if isinstance(probe, Probe) else probe[0]
    shown = [probe] if isinstance(probe, Probe) else list(probe)
    if all(p.n == p.n_overflow for p in shown):
        raise OptionError("the probe has no finite excess risk, so there is nothing to draw")
    if certified is not None:
        certified = _certified_radius(certified, probe)
    # a sweep that cannot be drawn is refused before pyplot has a figure of it
    drawn = [] if isinstance(probe, Probe) else _drawable(probe)
    figure = figure_for(path, (4.4, 3.5)) if ax is None else ax.figure
    axes = figure.subplots() if ax is None else ax
    if isinstance(probe, Probe):
        _draw_histogram(axes, probe)
    else:
        _draw_sweep(axes, drawn, certified)
    open_axes(axes)
    network = first.network
    data = f"m = {first.n_samples:,}, dx = {network.n_features}, d1 = {network.width}, {network.activation}"
    return finished(probe, axes, path, title, data, own=ax is None)


def _certified_radius(certified: float, probe: Probe | ProbeSweep) -> float:
    if isinstance(probe, Probe):
        raise OptionError("certified= is a radius in the picture of a sweep; this probe has one radius")
    if probe[0].distribution == "normal":
        raise OptionError(
            "certified= bounds the length of a perturbation, and normal ones have none: probe with"
            " distribution='sphere' or 'ball'"
        )
    radius = as_real(certified)
    if not 0.0 < radius < math.inf:
        raise OptionError(f"certified must be a positive finite radius, got {spelled(certified)}")
    return radius


def _threshold(values: Array) -> float:
    """Where a symmetric logarithmic axis over these values turns linear: at the least size, within reason."""
    sizes = np.abs(values[(values != 0.0) & np.isfinite(values)])
    if not len(sizes):
        return 1.0
    return float(max(sizes.min(), sizes.max() * 10.0**-_DECADES, 1e-300))


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """About `most` round numbers between two positive ones, spread over their logarithms."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits, step in (
        ((1, 2, 3, 4, 5, 6, 8), 1),
        ((1, 2, 5), 1),
        ((1, 3), 1),
        ((1,), 1),
        ((1,), 2),
        ((1,), 3),
    ):
        found = [d * 10.0**k for k in range(first, last + 1, step) for d in digits]
        found = [v for v in found if low <= v <= high]
        if len(found) <= most:
            break
    else:
        step = math.ceil((last - first + 1) / most)
        # counted from the top, so that the last stands at the largest numbers
        found = [10.0**k for k in range(last, first - 1, -step) if low <= 10.0**k <= high]
    return found or [low, high]


def _symlog(axis: Any, threshold: float, values: Array) -> None:
    """Symmetric logarithmic scale, a small part of which is linear around zero; ticks at zero and round numbers."""
    from matplotlib import ticker

    sides = [sign * values[sign * values > 0.0] for sign in (-1.0, 1.0)]
    tops = [float(side.max(initial=threshold)) for side in sides]
    decades = sum(math.log10(top / threshold) for top in tops)
    # in units of a decade; the axis may show a tenth of one or three hundred
    scale = {"linthresh": threshold, "linscale": max(0.12 * decades, 0.02)}
    getattr(axis.axes, f"set_{axis.axis_name}scale")("symlog", **scale)
    ticks = [0.0]
    for sign, side, top in zip((-1.0, 1.0), sides, tops, strict=True):
        if len(side):
            low = max(threshold, float(side.min()))
            share = math.log10(top / low) / decades if decades else 1.0
            # numbers that lie close together have room for one: their largest, in one digit
            most = round(6 * share)
            ticks += [sign * v for v in (round_ticks(low, top, most) if most > 1 else [float(f"{top:.0e}")])]
    axis.set_major_locator(ticker.FixedLocator(sorted(ticks)))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: number_text(value)))


def number_text(value: float) -> str:
    if value == 0.0:
        return "0"
    if not math.isfinite(value):
        return str(value)  # a risk that overflows
    mantissa, exponent = f"{value:.2e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    if -3 <= int(exponent) <= 3:
        return f"{float(f'{value:.3g}'):g}".replace("-", "\N{MINUS SIGN}")
    head = {"1": "", "-1": "-"}.get(mantissa, f"{mantissa}\\cdot ")
    return f"${head}10^{{{int(exponent)}}}$"


def _few_lower(density: Array, edges: Array) -> bool:
    """Whether bars of lower points exist and would be too short to be seen beside the tallest."""
    lower = density[edges[:-1] + edges[1:] < 0.0].max(initial=0.0)
    return bool(0.0 < lower < 0.05 * density.max())


def at_most(value: float) -> str:
    """A positive number in three digits, rounded down: what is said to be proved is no more than what is."""
    return number_text(float(rounded_down(value, 3)))


def _draw_histogram(axes: Any, probe: Probe) -> None:
    counts, edges = probe.rebinned(_BARS)
    threshold = _threshold(edges[np.abs(edges) > 5e-324])
    filled = (counts > 0) & (edges[:-1] * edges[1:] > 0.0)
    used = np.concatenate([edges[:-1][filled], edges[1:][filled], [0.0]])
    _symlog(axes.xaxis, threshold, used)
    # bins are parts of octaves, of unequal width on this axis: a density shows the shape, counts would show teeth
    sides = edges[:-1] * edges[1:] > 0.0
    density = np.zeros(len(counts))
    density[sides] = counts[sides] / np.abs(np.log10(edges[1:][sides] / edges[:-1][sides]))
    top = density.max(initial=0.0)
    few = _few_lower(density, edges)
    floor = 0.5 * float(density[density > 0.0].min()) if few else 0.0
    lower = f"{probe.n_negative:,} of {probe.n:,} lower, smallest {number_text(probe.min_excess)}"
    for sign, colour, label in ((-1.0, RED, lower), (1.0, BLUE, "not lower")):
        height = density * (sign * (edges[:-1] + edges[1:]) > 0.0)
        if height.any():
            height = np.maximum(height, floor)
            axes.stairs(height, edges, baseline=floor, fill=True, color=colour, lw=0.0, label=label)
    zeros = int(counts[~sides].sum())
    exactly = f" ({zeros:,} points exactly)" if zeros else ""
    axes.axvline(0.0, color="0.25", lw=1.2, ls="--", label=f"excess 0: the network itself{exactly}")
    low, high = float(used.min()), float(used.max())
    axes.set_xlim(
        2.0 * low if low < 0.0 else -0.35 * threshold, 2.0 * high if high > 0.0 else 0.35 * threshold
    )
    if few:
        axes.set_yscale("log")
        # a third of the height above the bars is for the legend
        axes.set_ylim(floor, top * (top / floor) ** 0.5)
    else:
        axes.set_ylim(0.0, 1.5 * top or 1.0)
    axes.set_xlabel("excess risk over the network")
    axes.set_ylabel("sampled points per decade")
    overflow = f"; {probe.n_overflow:,} overflow, not shown" if probe.n_overflow else ""
    _set_title(axes, f"{probe.finding()}{overflow}\n{probe.describe()}")
    axes.legend(facecolor="white", edgecolor="none", framealpha=1.0, loc="upper left", fontsize="small")


def _set_title(axes: Any, text: str) -> None:
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, 58)]
    axes.set_title("\n".join(lines), fontsize="small")


def _drawable(sweep: ProbeSweep) -> list[Probe]:
    """The probes of positive radius with finite excess risks, by radius."""
    order = np.argsort(sweep.radii, kind="stable")
    probes = [
        sweep[int(i)] for i in order if sweep.radii[i] > 0.0 and sweep[int(i)].n > sweep[int(i)].n_overflow
    ]
    if not probes:
        raise OptionError(
            "a sweep is drawn against positive radii with finite excess risks, and there are none"
        )
    return probes


def _broken(radii: Array, values: Array) -> tuple[Array, Array]:
    """A line with a gap wherever neighbours differ in sign: nobody has seen the risk pass through zero there."""
    gaps = np.flatnonzero(values[:-1] * values[1:] < 0.0) + 1
    return np.insert(radii, gaps, np.nan), np.insert(values, gaps, np.nan)


def _draw_sweep(axes: Any, probes: list[Probe], certified: float | None) -> None:
    radii = np.array([p.radius for p in probes])
    levels = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
    table = np.array([p.quantile(levels) for p in probes]).T
    table[~np.isfinite(table)] = np.nan
    axes.set_xscale("log")
    _scale_excess(axes, table[np.isfinite(table)])
    if certified is not None:
        left = min(axes.get_xlim()[0], 0.5 * float(radii[0]), 0.5 * certified)
        label = f"proved: nothing lower to {at_most(certified)}"
        axes.axvspan(left, certified, color=GREEN, alpha=0.16, lw=0.0, label=label)
        axes.set_xlim(left, 2.0 * max(float(radii[-1]), certified))
    axes.fill_between(radii, table[1], table[5], color=BLUE, alpha=0.16, lw=0.0, label="1 % to 99 %")
    axes.fill_between(radii, table[2], table[4], color=BLUE, alpha=0.34, lw=0.0, label="25 % to 75 %")
    axes.plot(*_broken(radii, table[3]), color=BLUE, lw=1.8, marker="o", ms=3.5, label="median")
    axes.plot(*_broken(radii, table[0]), color="0.35", lw=1.1, marker=".", ms=3, label="smallest")
    lower = table[0] < 0.0
    if lower.any():
        at = number_text(float(radii[lower][0]))
        axes.plot(
            radii[lower], table[0][lower], "v", color=RED, ms=6, ls="", label=f"lower, first sampled at {at}"
        )
    axes.set_xlabel(
        "standard deviation of the perturbation"
        if probes[0].distribution == "normal"
        else "radius of the perturbation"
    )
    axes.set_ylabel("excess risk over the network")
    found = int(sum(p.n_negative > 0 for p in probes))
    text = (
        f"lower points found at {found} of {len(probes)} radii"
        if found
        else "no sampled point has a lower risk"
    )
    _set_title(axes, f"{text}\n{probes[0].n:,} sampled points a radius ({probes[0].distribution})")
    axes.legend(frameon=False, loc="best", fontsize="x-small")


def _scale_excess(axes: Any, finite: Array) -> None:
    """The axis of excess risks: logarithmic, in either sign where there are both."""
    if (finite > 0.0).all():
        axes.set_yscale("log")
        return
    sizes = np.abs(finite[finite != 0.0])
    # every magnitude drawn is on the logarithmic part: what is negative stays visible however small
    threshold = float(max(sizes.min(initial=math.inf), 1e-300)) if len(sizes) else 1.0
    _symlog(axes.yaxis, threshold, finite)
    low, high = float(finite.min()), float(finite.max())
    # half a decade, or a little of many: a marker at the lowest point has room
    decades = sum(math.log10(max(abs(end), threshold) / threshold) for end in (low, high))
    room = 10.0 ** max(0.5, 0.04 * decades)
    axes.set_ylim(room * low if low < 0.0 else -threshold, room * high if high > 0.0 else threshold)
    axes.axhline(0.0, color="0.25", lw=1.2, ls="--")
    if low < 0.0:
        axes.axhspan(room * low, 0.0, color=RED, alpha=0.06, lw=0.0)
