"""A scan as a picture: certified radii and drops against the size of the datasets, and how many ended in which status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataTypeError, OptionError
from fastminima.scanning.results import ScanReport
from fastminima.system.options import spelled

from .displays import Display, check_target, figure_for, finished
from .figures import BLUE, GREEN, RED, PictureFile, open_axes
from .probe_plot import number_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ScanSizes", "plot_scan"]

Array = NDArray[np.float64]

# apart by colour and by shape: in grey, and for colour-blind readers
_STATUSES = {
    "spurious": (BLUE, "o"),
    "global": (GREEN, "s"),
    "undecided": ("0.45", "^"),
    "near_minimum": (BLUE, "D"),
    "bottleneck": ("0.25", "v"),
    "separable": ("0.25", "<"),
    "quasi_separable": ("0.25", ">"),
    "no_affine_segment": ("0.25", "+"),
    "error": (RED, "x"),
}


@dataclass(frozen=True, eq=False)
class ScanSizes:
    """What a scan found, by size of the dataset; nan where there is nothing.

    Attributes
    ----------
    rows : (n,) float64
        Samples of each dataset; nan where it could not be read.
    radius : (n,) float64
        Certified radius of the minimum.
    relative_drop : (n,) float64
        Drop of the better network over the least-squares risk, or the least loss of an affine map.
    status : tuple of str
        As `ScanResult.status`.
    """

    rows: Array
    radius: Array
    relative_drop: Array
    status: tuple[str, ...]


def _column(report: ScanReport, name: str) -> Array:
    return np.array([np.nan if v is None else float(v) for v in report.table.column(name)], np.float64)


def plot_scan(
    report: ScanReport,
    path: PictureFile | None = None,
    title: str | None = None,
    *,
    ax: Axes | None = None,
) -> Display:
    """Draw a scan: certified radius (above) and relative drop (below) of every dataset against its rows, by status.

    All scales are logarithmic. The legend counts the statuses of all datasets; what has no number for a part, such as a
    dataset that failed, is counted there and drawn nowhere.

    Parameters
    ----------
    report : ScanReport
        From `scan`.
    path : path-like or binary file, optional
        A picture file. The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one
        PNG. Written whole or not at all.
    title : str, optional
    ax : matplotlib Axes, optional
        To draw the drops on, alone, instead of a file; without either a new figure of pyplot.

    Returns
    -------
    Display
        `ax_`, `figure_`, and the `ScanSizes` as `numbers`.

    Raises
    ------
    DataTypeError
        If `report` is no ScanReport.
    OptionError
        If the scan has no datasets; `path` and `ax` together.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> X = np.arange(8.0)[:, None]
    >>> report = fm.scan({"square": (X, X[:, 0] ** 2), "cube": (X, X[:, 0] ** 3)})
    >>> type(fm.plot_scan(report)).__name__
    'Display'
    """
    check_target(path, ax)
    if not isinstance(report, ScanReport):
        raise DataTypeError(f"report must be a ScanReport (from scan), got {spelled(report)}")
    if not len(report):
        raise OptionError("the scan has no datasets, so there is nothing to draw")
    status = tuple(result.status for result in report)
    numbers = ScanSizes(
        _column(report, "n_samples"), _column(report, "radius"), _column(report, "relative_drop"), status
    )
    words = f"theorem 1 on {len(report):,} dataset{'s' if len(report) != 1 else ''}"
    deep = any(value is not None for value in report.table.column("loss_function"))
    drop = "drop / best affine map" if deep else "drop / least squares"
    if ax is not None:
        _draw(ax, numbers, numbers.relative_drop, drop)
        ax.set_xlabel("rows")
        _legend(ax, numbers)
        return finished(numbers, ax, path, title, words, own=False)
    figure = figure_for(path, (4.4, 4.6))
    upper, lower = figure.subplots(2, 1, sharex=True)
    _draw(upper, numbers, numbers.radius, "certified radius")
    _draw(lower, numbers, numbers.relative_drop, drop)
    lower.set_xlabel("rows")
    _legend(upper, numbers)
    return finished(numbers, upper, path, title, words, own=True)


def _draw(axes: Any, numbers: ScanSizes, values: Array, label: str) -> None:
    from matplotlib import ticker

    with np.errstate(invalid="ignore"):
        shown = (numbers.rows > 0.0) & (values > 0.0) & np.isfinite(values)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for status, (colour, marker) in _STATUSES.items():
        these = shown & np.array([s == status for s in numbers.status])
        if these.any():
            # points of many datasets lie on each other: darker where they do
            axes.plot(
                numbers.rows[these], values[these], marker, color=colour, ms=5, mew=0.8, alpha=0.6, ls=""
            )
    axes.set_ylabel(label)
    for axis, seen in ((axes.xaxis, numbers.rows[shown]), (axes.yaxis, values[shown])):
        if not len(seen):
            axis.set_major_locator(ticker.NullLocator())
        elif float(seen.max()) < 10.0 * float(seen.min()):
            # less than a decade has no power of ten in it, or one
            axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_locator(ticker.NullLocator())
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: number_text(value)))
    if not shown.any():
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color="0.45")
    open_axes(axes)


def _legend(axes: Any, numbers: ScanSizes) -> None:
    from matplotlib.lines import Line2D

    counted = [(name, numbers.status.count(name)) for name in _STATUSES]
    entries = [
        Line2D(
            [], [], color=_STATUSES[name][0], marker=_STATUSES[name][1], ls="", ms=5, label=f"{n:,} {name.replace('_', ' ')}"
        )
        for name, n in counted
        if n
    ]
    axes.legend(
        handles=entries, frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize="small"
    )
