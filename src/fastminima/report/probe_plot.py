"""A probe as a picture: where the sampled excess risks lie, and how they grow with the radius."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import OptionError
from fastminima.landscape.probe import Probe, ProbeSweep

from .figures import BLUE, RED, new_figure, open_axes, picture_format, save_figure

__all__ = ["number_text", "plot_probe", "round_ticks"]

Array = NDArray[np.float64]

# Decades of either sign that a symmetric logarithmic axis shows before it turns linear around zero.
_DECADES = 8.0
_BARS = 80


def plot_probe(probe: Probe | ProbeSweep, path: str | os.PathLike[str], title: str | None = None) -> None:
    """Draw a probe to a picture file.

    One radius: the histogram of the excess risks, logarithmic in either sign with zero marked. Several: quantiles of
    the excess risk against the radius, both logarithmic, with lower points below a marked zero.

    Parameters
    ----------
    probe : Probe or ProbeSweep
    path : path-like
        The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one PNG. Written
        whole or not at all.
    title : str, optional

    Raises
    ------
    OptionError
        If the probe has no points that could be drawn (n = 0, or all overflow).
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.
    """
    picture_format(path)
    first = probe if isinstance(probe, Probe) else probe[0]
    shown = [probe] if isinstance(probe, Probe) else list(probe)
    if all(p.n == p.n_overflow for p in shown):
        raise OptionError("the probe has no finite excess risk, so there is nothing to draw")
    figure = new_figure(8.4, 4.8)
    axes = figure.subplots()
    if isinstance(probe, Probe):
        _draw_histogram(axes, probe)
    else:
        _draw_sweep(axes, probe)
    open_axes(axes)
    network = first.network
    data = f"m = {first.n_samples:,}, dx = {network.n_features}, d1 = {network.width}, {network.activation}"
    save_figure(figure, path, title or data)


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
            share = math.log10(top / threshold) / decades if decades else 1.0
            low = max(threshold, float(side.min()))
            ticks += [sign * v for v in round_ticks(low, top, max(3, round(7 * share)))]
    axis.set_major_locator(ticker.FixedLocator(sorted(ticks)))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: number_text(value)))


def number_text(value: float) -> str:
    if value == 0.0:
        return "0"
    mantissa, exponent = f"{value:.2e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    if -3 <= int(exponent) <= 3:
        return f"{float(f'{value:.3g}'):g}".replace("-", "\N{MINUS SIGN}")
    head = {"1": "", "-1": "-"}.get(mantissa, f"{mantissa}\\cdot ")
    return f"${head}10^{{{int(exponent)}}}$"


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
    for sign, colour, label in ((1.0, BLUE, "not lower"), (-1.0, RED, "lower risk")):
        height = density * (sign * (edges[:-1] + edges[1:]) > 0.0)
        if height.any():
            axes.stairs(height, edges, fill=True, color=colour, alpha=0.85, lw=0.0, label=label)
    zeros = int(counts[~sides].sum())
    exactly = f" ({zeros:,} points exactly)" if zeros else ""
    axes.axvline(0.0, color="0.25", lw=1.2, ls="--", label=f"excess 0: the network itself{exactly}")
    low, high = float(used.min()), float(used.max())
    axes.set_xlim(
        2.0 * low if low < 0.0 else -0.35 * threshold, 2.0 * high if high > 0.0 else 0.35 * threshold
    )
    axes.set_ylim(0.0, 1.22 * density.max(initial=0.0) or 1.0)
    axes.set_xlabel("excess risk over the network (logarithmic in either sign)")
    axes.set_ylabel("sampled points per decade")
    overflow = f"; {probe.n_overflow:,} overflow, not shown" if probe.n_overflow else ""
    axes.set_title(f"{probe.describe()}\n{probe.finding()}{overflow}", fontsize=10)
    axes.legend(facecolor="white", edgecolor="none", framealpha=0.9, loc="upper left", ncols=3, fontsize=9)


def _draw_sweep(axes: Any, sweep: ProbeSweep) -> None:
    order = np.argsort(sweep.radii, kind="stable")
    probes = [
        sweep[int(i)] for i in order if sweep.radii[i] > 0.0 and sweep[int(i)].n > sweep[int(i)].n_overflow
    ]
    if not probes:
        raise OptionError(
            "a sweep is drawn against positive radii with finite excess risks, and there are none"
        )
    radii = np.array([p.radius for p in probes])
    levels = (0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0)
    table = np.array([p.quantile(levels) for p in probes]).T
    table[~np.isfinite(table)] = np.nan
    finite = table[np.isfinite(table)]
    axes.set_xscale("log")
    if (finite > 0.0).all():
        axes.set_yscale("log")
    else:
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
    axes.fill_between(radii, table[1], table[5], color=BLUE, alpha=0.16, lw=0.0, label="1 % to 99 %")
    axes.fill_between(radii, table[2], table[4], color=BLUE, alpha=0.34, lw=0.0, label="25 % to 75 %")
    axes.plot(radii, table[3], color=BLUE, lw=1.8, marker="o", ms=3.5, label="median")
    axes.plot(radii, table[0], color="0.35", lw=1.1, label="smallest")
    lower = table[0] < 0.0
    if lower.any():
        axes.plot(radii[lower], table[0][lower], "v", color=RED, ms=6, label="smallest, a lower risk")
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
    axes.set_title(f"{probes[0].n:,} sampled points a radius ({probes[0].distribution}): {text}", fontsize=10)
    axes.legend(frameon=False, loc="best", fontsize=9)
