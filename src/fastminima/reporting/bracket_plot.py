"""Brackets as pictures: what is proved about the least risk at each width, and how the search came there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataTypeError, OptionError
from fastminima.exact.dyadic import round_down, round_up
from fastminima.landscape.bracket.bracket import Bracket
from fastminima.landscape.bracket.fit_network import NetworkFit
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.theorems.theorem1.better_point import BetterPoint, better_point
from fastminima.theorems.theorem1.minimum import spurious_minimum

from .displays import Display, check_target, figure_for, finished
from .figures import PictureFile, open_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Staircase", "plot_bracket", "plot_trace", "staircase"]

Array = NDArray[np.float64]

_SMALL = "small"
# of Okabe and Ito (2008): told apart by colour-blind readers; the shapes of the marks differ, too
_BLUE, _ORANGE, _GREEN, _PURPLE, _SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
_CYCLE = (_BLUE, _ORANGE, _GREEN, _PURPLE, _SKY, "#E69F00")
# of a picture that is 8 cm wide
_SIZE = (3.15, 2.9)


@dataclass(frozen=True, eq=False, repr=False)
class Staircase:
    """Brackets by width, in shares of the least-squares risk (of 1 where that is 0).

    Attributes
    ----------
    width : ndarray of int, shape (k,)
    lower, upper : ndarray of shape (k,)
        Rounded outward.
    pure_error : float
        What no function of the inputs goes below; rounded down.
    paper, kink : float or None
        What the exact risks of the better points of theorem 1 are at most, by their certificates: the paper's push, and one
        kink. Of networks of width 2 and more; None where there is none.

    Examples
    --------
    >>> import fastminima as fm
    >>> b = fm.bracket(fm.load_demo("xor"), width=2, seconds=0.2, random_state=0)
    >>> steps = fm.staircase(b)
    >>> steps.width.tolist(), bool(steps.lower[0] <= steps.upper[0])
    ([2], True)
    """

    width: NDArray[np.int64]
    lower: Array
    upper: Array
    pure_error: float
    paper: float | None
    kink: float | None

    def __repr__(self) -> str:
        return f"Staircase(widths {self.width.tolist()}, pure error {self.pure_error:.6g})"


def staircase(brackets: Bracket | Sequence[Bracket]) -> Staircase:
    """Brackets of the same data as arrays, with the better points of theorem 1 beside them.

    Parameters
    ----------
    brackets : Bracket or sequence of Bracket

    Raises
    ------
    DataTypeError
        If `brackets` are others.
    OptionError
        If there is none, or they are of different data.

    Examples
    --------
    >>> import fastminima as fm
    >>> b = fm.bracket(fm.load_demo("diabetes"), width=2, seconds=0.2, random_state=0)
    >>> steps = fm.staircase(b)
    >>> steps.pure_error, bool(0 <= steps.lower[0] < steps.upper[0] < 1)
    (0.0, True)
    """
    found = sorted(_all(brackets, Bracket, "a staircase"), key=lambda b: b.width)
    first = found[0]
    if any(b.data is not first.data or b.linear_risk != first.linear_risk for b in found):
        raise OptionError(
            "brackets in one picture must be of the same data: pass what one call of bracket gave"
        )
    unit = first.linear_risk or Fraction(1)
    paper, kink = _better_points(first) if first.linear_risk else (None, None)
    return Staircase(
        np.array([b.width for b in found], np.int64),
        np.array([max(0.0, round_down(b.bound.exact / unit)) for b in found]),
        np.array([round_up(b.found.exact_risk / unit) for b in found]),
        max(0.0, round_down(first.bound.pure_error / unit)),
        paper,
        kink,
    )


def _all(given: Any, kind: Any, purpose: str) -> list[Any]:
    if not isinstance(given, kind | list | tuple):
        raise DataTypeError(f"{purpose} is that of brackets (from bracket), got {type(given).__name__}")
    found = [given] if isinstance(given, kind) else list(given)
    for one in found:
        if not isinstance(one, kind):
            raise DataTypeError(f"{purpose} is that of brackets (from bracket), got one {type(one).__name__}")
    if not found:
        raise OptionError(f"{purpose} needs at least one bracket, got none")
    return found


def _better_points(bracket: Bracket) -> tuple[float | None, float | None]:
    """The shares that the paper's push and one kink leave at most."""
    h = bracket.network.activation
    assert isinstance(h, PiecewiseLinear)
    low = spurious_minimum(bracket.data, h, width=2)
    paper, kink = (better_point(low, method) for method in ("paper", "kink"))

    def left(point: BetterPoint) -> float | None:
        # another construction stands in where the one asked for is lost to rounding
        if point.network is None or point.method != ("paper" if point is paper else "kink"):
            return None
        return max(0.0, round_up(1 - Fraction(point.drop_certified) / bracket.linear_risk))

    return left(paper), left(kink)


def plot_bracket(
    brackets: Bracket | Sequence[Bracket],
    path: PictureFile | None = None,
    title: str | None = None,
    *,
    ax: Axes | None = None,
) -> Display:
    """Draw brackets against the width: a staircase from the least-squares risk down to the pure error.

    A bar at each width that was asked for. The band between them holds for the widths in between: a wider network is
    never worse, so that an upper end holds to the right of its width and a lower end to the left. Beside them the risks of
    theorem 1's spurious minimum (least squares), of its better point by the paper's push and by one kink.

    Parameters
    ----------
    brackets : Bracket or sequence of Bracket
        Of the same data, as `bracket` gives them.
    path : path-like or binary file, optional
        A picture file. The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one
        PNG. Written whole or not at all.
    title : str, optional
    ax : matplotlib Axes, optional
        To draw on instead of a file; without either a new figure of pyplot.

    Returns
    -------
    Display
        `ax_`, `figure_`, and the `Staircase` as `numbers`.

    Raises
    ------
    DataTypeError
        If `brackets` are others.
    OptionError
        `path` and `ax` together, no bracket, or brackets of different data.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.

    Examples
    --------
    >>> import fastminima as fm
    >>> b = fm.bracket(fm.load_demo("diabetes"), width=2, seconds=0.2, random_state=0)
    >>> fm.plot_bracket(b).ax_.get_xlabel()
    'hidden units'
    """
    check_target(path, ax)
    found = _all(brackets, Bracket, "a staircase")
    numbers = staircase(found)
    axes = _axes_for(path, ax)
    _draw_stairs(axes, numbers, relative=bool(found[0].linear_risk))
    return finished(numbers, axes, path, title, _default_title(found[0]), own=ax is None)


def plot_trace(
    brackets: Bracket | NetworkFit | Sequence[Bracket] | Sequence[NetworkFit],
    path: PictureFile | None = None,
    title: str | None = None,
    *,
    ax: Axes | None = None,
) -> Display:
    """Draw the least risk found by a search against its seconds, a line for each width, with the lower ends beside.

    Parameters
    ----------
    brackets : Bracket, NetworkFit, or sequence of one of these
    path, title, ax
        As for `plot_bracket`.

    Returns
    -------
    Display
        `ax_`, `figure_`, and the traces by position as `numbers`: each of shape (k, 2), seconds and risk.

    Raises
    ------
    DataTypeError, OptionError, MissingDependencyError, OutputError
        As `plot_bracket`, but for data, which may differ.

    Examples
    --------
    >>> import fastminima as fm
    >>> fit = fm.fit_network(fm.load_demo("diabetes"), width=2, n_starts=2, random_state=0)
    >>> fm.plot_trace(fit).ax_.get_xlabel()
    'seconds (dashed: the lower end)'
    """
    check_target(path, ax)
    found = _all(brackets, Bracket | NetworkFit, "a trace")
    axes = _axes_for(path, ax)
    fits = [one.found if isinstance(one, Bracket) else one for one in found]
    traces = [np.array(fit.history, np.float64).reshape(-1, 2) for fit in fits]
    lowers = [one.lower if isinstance(one, Bracket) else None for one in found]
    _draw_traces(axes, traces, [fit.network.width for fit in fits], lowers)
    return finished(traces, axes, path, title, _default_title(found[0]), own=ax is None)


def _axes_for(path: PictureFile | None, ax: Any) -> Any:
    return figure_for(path, _SIZE).subplots() if ax is None else ax


def _default_title(one: Bracket | NetworkFit) -> str:
    return f"m = {one.data.n_samples:,}, dx = {one.data.n_features}, {one.network.activation}"


def _draw_stairs(axes: Any, numbers: Staircase, *, relative: bool) -> None:
    width, lower, upper = numbers.width.astype(np.float64), numbers.lower, numbers.upper
    axes.set_xscale("log", base=2)
    # before anything is drawn: the scale of one width alone would be none
    axes.set_xlim(width[0] / 2**0.35, width[-1] * 2**0.35)
    if relative:
        axes.axhline(1.0, color="black", lw=1.0, label="least squares")
    if len(width) > 1:
        # between two widths: an upper end holds to the right, a lower end to the left
        at = np.repeat(width, 2)[1:-1]
        axes.fill_between(
            at, np.repeat(lower[1:], 2), np.repeat(upper[:-1], 2), color=_SKY, alpha=0.35, lw=0, zorder=1
        )
    bars = axes.vlines(width, lower, upper, color=_BLUE, lw=5, zorder=2)
    bars.set_capstyle("butt")
    axes.plot(width, lower, "_", color=_BLUE, ms=13, mew=1.4, zorder=3, label="lower end, proved")
    axes.plot(width, upper, "o", color=_BLUE, mec="white", mew=0.6, ms=5.5, zorder=5, label="search")
    wide = width[width >= 2] if (width >= 2).any() else np.array([])
    for share, shape, colour, label in (
        (numbers.paper, "s", _PURPLE, "paper's push"),
        (numbers.kink, "^", _ORANGE, "one kink"),
    ):
        if share is not None and len(wide):
            axes.plot(
                wide, np.full(len(wide), share), shape, color=colour, mec="white", mew=0.6, ms=5.5, zorder=4,
                label=label, ls="",
            )  # fmt: skip
    axes.axhline(numbers.pure_error, color=_GREEN, lw=1.2, ls="--", label="pure error", zorder=1.5)
    top = max(1.0 if relative else 0.0, float(upper.max())) or 1.0
    axes.set_ylim(min(-0.03 * top, 0.0), 1.05 * top)
    axes.set_xticks(width, [f"{w:g}" for w in width])
    axes.minorticks_off()
    axes.set_xlabel("hidden units", fontsize=_SMALL)
    axes.set_ylabel("risk / least-squares risk" if relative else "risk", fontsize=_SMALL)
    axes.tick_params(labelsize=_SMALL)
    axes.legend(fontsize="x-small", frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=2)
    open_axes(axes)


def _draw_traces(axes: Any, traces: list[Array], widths: list[int], lowers: list[float | None]) -> None:
    last = max((float(trace[-1, 0]) for trace in traces if len(trace)), default=1.0)
    firsts = [float(t) for trace in traces for t in trace[:, 0] if t > 0.0]
    start = min(firsts, default=last / 10.0)
    axes.set_xscale("log")
    axes.set_xlim(start / 1.5, 1.2 * max(last, 2.0 * start))
    for k, (trace, width, lower) in enumerate(zip(traces, widths, lowers, strict=True)):
        colour = _CYCLE[k % len(_CYCLE)]
        seconds = np.append(np.maximum(trace[:, 0], start), last)
        risk = np.append(trace[:, 1], trace[-1, 1])
        label = f"{width} unit{'s' if width != 1 else ''}"
        axes.step(seconds, risk, where="post", color=colour, lw=1.4, label=label)
        if lower is not None:
            axes.axhline(lower, color=colour, lw=0.9, ls=(0, (4, 1.5 + k)))
    axes.set_xlabel("seconds (dashed: the lower end)", fontsize=_SMALL)
    axes.set_ylabel("least risk found", fontsize=_SMALL)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.tick_params(which="both", labelsize=_SMALL)
    axes.legend(fontsize="x-small", frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=3)
    open_axes(axes)
