"""The risk on a plane through any network, as numbers and as a picture."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.data.given import DataLike
from fastminima.errors import OptionError
from fastminima.landscape.decide.escape import Escape
from fastminima.landscape.smooth.escape import SmoothEscape
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.given import NetworkLike, exact_and_data
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.options import as_count, as_flag, as_real, spelled
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem2.counterexample import CounterExample

from .displays import Display, check_target, figure_for, finished
from .figures import PictureFile
from .pair_slice import draw_pair, slice_of_pair
from .plane_risks import excess_on, points_an_axis
from .planes import Directions, in_float64, plane_through
from .risk_slices import RiskSlice
from .slice_picture import Shown, draw_slice, size_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RiskSlice", "plot_slice", "risk_slice"]

_PAIR_POINTS = 161
# a way down by less than this share of the risk is not what a picture is laid along
_SEEN = Fraction(1, 10**9)


@dataclass(frozen=True, eq=False)
class _Centre:
    """The network in the middle, and what is known around it."""

    result: Any
    network: OneHiddenLayer
    data: Dataset
    radius: float

    @classmethod
    def of(cls, given: Any, data: Any, radius: Any = None) -> _Centre:
        network, dataset = exact_and_data(given, data, "a slice")
        if radius is None:
            known = getattr(given, "radius", 0.0)
            # a radius with weight decay is of another risk than the one drawn
            shown = isinstance(known, float) and not getattr(given, "weight_decay", 0.0)
            radius = known if shown else 0.0
        elif not as_real(radius) >= 0.0:
            raise OptionError(f"radius must be a number >= 0, got {spelled(radius)}")
        return cls(given, in_float64(network), dataset, float(radius))

    def towards(self, directions: Directions) -> Directions:
        """Directions, or those that a result suggests: where it can be left, or whence it came."""
        if directions is not None:
            return directions
        escape = getattr(self.result, "escape", None)
        # what only rounding leaves below a minimum is nothing to see; a choice
        if isinstance(escape, Escape | SmoothEscape) and escape.drop > _SEEN * self.result.risk:
            return escape
        return self.result.low if isinstance(self.result, BetterPoint) else "random"


def risk_slice(
    network: NetworkLike | CounterExample,
    data: DataLike | None = None,
    n: int | None = None,
    *,
    directions: Directions = None,
    seed: int = 0,
    normalise: Literal["filter"] | None = None,
    span: float | None = None,
) -> RiskSlice:
    """The risk on a plane through a network, as numbers.

    Parameters
    ----------
    network : OneHiddenLayer, RationalNetwork, result or torch.nn.Module
        The middle, rounded to float64. A `CounterExample` is shown in the plane through both its
        points, whatever the options.
    data : Dataset, (X, y) or (X, y, sample_weight), optional
        Results bring their own.
    n : int, optional
        Points an axis: 161, fewer (at least 41) where that would take more than some seconds.
    directions : optional
        - "random": two, drawn with `seed`; what is taken for a network without a suggestion of its own.
        - "gradient": the gradient, and a random direction orthogonal to it.
        - a network, or a result with one: towards it, and a random direction orthogonal to that. This is what is taken
          without `directions` of a `Decision`, towards an escape that lowers the risk by a share of 1e-9 or more, and of a
          `BetterPoint`, towards its minimum.
        - two networks: the plane through all three.
        - two vectors of all parameters: along them.
        - a path (three networks or more, or an array with a row of all parameters for each point, such as a training
          trajectory): its two principal directions about its mean, through the network.

        All parameters means W1 row by row, b1, W2, b2.
    seed : int
    normalise : "filter", optional
        Every unit's part of both directions gets the norm of that unit's own parameters (Li et al. 2018); not for
        networks and paths, which lie where they are.
    span : float, optional
        Half the width of a square around the network, in Euclidean distance of all parameters. Without it a square three
        times as wide as the certified ball, or half the norm of the parameters; with "filter" the length of the first
        direction; for networks and paths a box around them.

    Returns
    -------
    RiskSlice

    Raises
    ------
    OptionError
        Options that are none of those; directions that span no plane; an example without points.
    NetworkError, DataTypeError, DataError, TargetError
        What is no network or result, or does not fit the data; networks of different shapes.

    Notes
    -----
    The axes are orthonormal: distances are those of all parameters. Li, Xu, Taylor, Studer and Goldstein, Visualizing the
    loss landscape of neural nets (NeurIPS 2018), for filter normalisation and planes of trajectories.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 2.0, 1.0]))
    >>> found = fm.risk_slice(low, n=41)
    >>> bool((found.excess[found.distance < low.radius] >= -low.excess).all())
    True
    """
    if isinstance(network, CounterExample):
        # the number of points came second when this was about pairs alone
        return slice_of_pair(network, as_count(_first(n, data, _PAIR_POINTS), "n", 2))
    return _sliced(_Centre.of(network, data), n, directions, _Options(seed, normalise, span))


def _first(*values: Any) -> Any:
    """The first that is given."""
    return next(value for value in values if value is not None)


@dataclass(frozen=True)
class _Options:
    """How a plane is laid."""

    seed: int
    normalise: str | None
    span: float | None

    def __post_init__(self) -> None:
        as_count(self.seed, "seed")
        if self.span is not None and not 0.0 < as_real(self.span) < math.inf:
            raise OptionError(f"span must be a positive number, got {spelled(self.span)}")


def _sliced(centre: _Centre, n: int | None, directions: Directions, options: _Options) -> RiskSlice:
    network, data = centre.network, centre.data
    count = points_an_axis(network, data) if n is None else as_count(n, "n", 2)
    span = None if options.span is None else float(options.span)
    plane = plane_through(
        network, data, centre.towards(directions),
        seed=options.seed, normalise=options.normalise, radius=centre.radius, span=span,
    )  # fmt: skip
    s0, s1, t0, t1 = plane.span
    wide, high = s1 - s0, t1 - t0
    longer = max(wide, high)
    s = np.linspace(s0, s1, max(2, round(count * wide / longer)))
    t = np.linspace(t0, t1, max(2, round(count * high / longer)))
    excess, risk = excess_on(plane, network, data, s, t)
    return RiskSlice(s, t, risk, excess, np.hypot(*np.meshgrid(s, t)), plane)


def plot_slice(
    network: NetworkLike | CounterExample,
    data: DataLike | PictureFile | None = None,
    path: PictureFile | None = None,
    title: str | None = None,
    *,
    ax: Axes | None = None,
    **options: Any,
) -> Display:
    """Draw the risk on a plane through a network.

    Colours show the excess over the network in the middle, in steps that are quantiles of what the plane holds: blue where
    the risk is higher, red where it is lower. The certified ball is a circle. For piecewise linear activations thin lines
    are the boundaries of the cells, on which a unit changes side on a sample: at most 400, the nearest; those through
    samples that the network in the middle holds on a boundary are drawn in black. Both axes have one scale.

    Parameters
    ----------
    network, data
        As in `risk_slice`. A result with a certified radius (`Decision`, `Polish`, `SpuriousMinimum`) shows its ball; a
        `CounterExample` has a picture of its own, of both its points.
    path : path-like or binary file, optional
        A picture file. The suffix says what is drawn: png, pdf, svg, jpg and whatever else matplotlib knows; without one
        PNG. Written whole or not at all. Results may be followed by it at once: ``plot_slice(result, "slice.png")``.
    title : str, optional
    ax : matplotlib Axes, optional
        To draw on, instead of a file; without either a new figure of pyplot.
    **options
        `directions`, `seed`, `normalise`, `span`, `n` as in `risk_slice`; `radius`, a float: of the circle, where no result
        says it; `cells`, a bool: whether to draw the boundaries (default True).

    Returns
    -------
    Display
        `ax_`, `figure_`, and the `RiskSlice` as `numbers`.

    Raises
    ------
    OptionError
        As `risk_slice`; `path` and `ax` together.
    MissingDependencyError
        If matplotlib is not installed (extra `plot`).
    OutputError
        If the suffix is of no known kind (before any work), or the file cannot be written.
    NetworkError, DataTypeError, DataError, TargetError
        As `risk_slice`.

    Examples
    --------
    >>> import fastminima as fm
    >>> low = fm.spurious_minimum(fm.load_demo("diabetes"))
    >>> type(fm.plot_slice(low)).__name__
    'Display'
    """
    if isinstance(data, str | os.PathLike) or hasattr(data, "write"):
        if path is not None and title is None and isinstance(path, str):
            title = path
        data, path = None, data
    check_target(path, ax)
    if isinstance(network, CounterExample):
        return _pair_drawn(network, path, title, ax)
    known = {"directions", "seed", "normalise", "span", "n", "radius", "cells"}
    if unknown := sorted(set(options) - known):
        raise OptionError(f"plot_slice has no option {unknown[0]!r}; its options: {', '.join(sorted(known))}")
    centre = _Centre.of(network, data, options.get("radius"))
    how = _Options(options.get("seed", 0), options.get("normalise"), options.get("span"))
    cells = as_flag(options.get("cells", True), "cells") and isinstance(
        centre.network.activation, PiecewiseLinear
    )
    found = _sliced(centre, options.get("n"), options.get("directions"), how)
    figure = figure_for(path, size_of(found), compressed=True) if ax is None else ax.figure
    axes = figure.add_subplot() if ax is None else ax
    kinks = getattr(getattr(network, "decision", network), "kinks", ())
    shown = Shown(
        found, centre.network, centre.data, centre.radius, cells, frozenset((k.unit, k.sample) for k in kinks)
    )
    draw_slice(axes, shown, own=ax is None)
    return finished(found, axes, path, title, _default_title(centre), own=ax is None)


def _default_title(centre: _Centre) -> str:
    data, network = centre.data, centre.network
    return f"m = {data.n_samples:,}, dx = {data.n_features}, d1 = {network.width}, {network.activation}"


def _pair_drawn(
    pair: CounterExample, path: PictureFile | None, title: str | None, ax: Any
) -> Display:
    found = risk_slice(pair)
    figure = figure_for(path, (4.4, 4.3)) if ax is None else ax.figure
    axes = figure.subplots() if ax is None else ax
    draw_pair(figure, axes, found, pair)
    words = f"theorem 2, {pair.activation}, {pair.form} form"
    return finished(found, axes, path, title, words, own=ax is None)
