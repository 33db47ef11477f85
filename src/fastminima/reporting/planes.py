"""Planes in the space of all parameters: through a network along random directions, its gradient, other networks, a path.

A network is a vector of P = d1 (dx + 2) + 1 numbers: W1 row by row, b1, W2, b2, the order of `probe`'s perturbations and
of `torch.nn.utils.parameters_to_vector` for Linear, activation, Linear. The two axes of a plane are orthonormal, so that a
distance in the picture is the Euclidean distance of all parameters, and a ball around the network is a circle.

Filter-normalised directions (Li, Xu, Taylor, Studer and Goldstein, NeurIPS 2018) give every unit's part the norm of that
unit's own parameters: hidden unit k has (W1_k, b1_k), the output has (W2, b2). The plane is the one they span; its axes
are orthonormal like all others, and half its width is the length of their first direction, which is their interval [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import NetworkError, OptionError
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.activations.smooth import Smooth
from fastminima.networks.given import as_exact_network
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.options import check_choice, spelled

__all__ = ["DIRECTIONS", "Directions", "Mark", "Plane", "flat", "in_float64", "plane_through"]

Array = NDArray[np.float64]
# "random", "gradient", a network, two networks, two vectors, or a path
Directions = Any

DIRECTIONS = ("random", "gradient")
# a component this small beside its vector is what rounding left of nothing
_NOTHING = 1e-9
# a certified ball takes this share of the half-width of a picture around it
_BALL = 1.0 / 3.0
# room around points that a plane was laid through, as a share of their extent
_ROOM = 0.25
# the shorter side of a picture of points that lie nearly on a line, as a share of the longer
_LEAST_SIDE = 0.6


@dataclass(frozen=True)
class Mark:
    """A network that lies in the plane.

    Attributes
    ----------
    s, t : float
    label : str
    """

    s: float
    t: float
    label: str


@dataclass(frozen=True, eq=False)
class Plane:
    """theta(s, t) = centre + s first + t second.

    Attributes
    ----------
    centre, first, second : ndarrays of shape (P,)
    labels : (str, str)
        What the axes are.
    span : (float, float, float, float)
        The part that is looked at: least and largest s, then t.
    marks : tuple of Mark
        Other networks in the plane.
    path : ndarray of shape (k, 2) or None
        A path, projected.
    explained : (float, float) or None
        Shares of the path's variance about its mean along both axes.
    """

    centre: Array
    first: Array
    second: Array
    labels: tuple[str, str]
    span: tuple[float, float, float, float]
    marks: tuple[Mark, ...] = ()
    path: Array | None = None
    explained: tuple[float, float] | None = None


def flat(network: OneHiddenLayer) -> Array:
    """All parameters as one vector: W1 row by row, b1, W2, b2."""
    W1, b1, W2, b2 = network.parameters()
    return np.concatenate([W1.ravel(), b1, W2, [b2]])


def in_float64(network: OneHiddenLayer | RationalNetwork) -> OneHiddenLayer:
    """The network, rounded where it is rational."""
    return network.rounded() if isinstance(network, RationalNetwork) else network


@dataclass(frozen=True, eq=False)
class _Asked:
    """What a plane was asked for, checked once."""

    network: OneHiddenLayer
    data: Dataset
    seed: int
    filters: bool
    radius: float

    @property
    def centre(self) -> Array:
        return flat(self.network)

    def random(self) -> Array:
        """One direction, the same for the same seed."""
        return np.random.default_rng(self.seed).standard_normal(len(self.centre))

    def vector(self, value: Any, name: str) -> Array:
        """The parameters of a network of this shape, or a vector of as many numbers."""
        if isinstance(value, np.ndarray | list | tuple):
            try:
                array = np.asarray(value, dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise OptionError(f"{name} must hold real numbers: {error}") from error
            if array.shape != self.centre.shape or not np.isfinite(array).all():
                raise OptionError(
                    f"{name} must be {len(self.centre)} finite numbers (W1 row by row, b1, W2, b2), got shape {array.shape}"
                )
            return array
        other = in_float64(as_exact_network(value, name).in_order_of(self.data.feature_names))
        if other.W1.shape != self.network.W1.shape:
            raise NetworkError(
                f"{name} has W1 of shape {other.W1.shape}, the network in the middle {self.network.W1.shape}: no plane "
                "holds both"
            )
        return flat(other)


def plane_through(
    network: OneHiddenLayer,
    data: Dataset,
    directions: Directions,
    *,
    seed: int = 0,
    normalise: str | None = None,
    radius: float = 0.0,
    span: float | None = None,
) -> Plane:
    """The plane that `plot_slice` was asked for; its documentation has the parameters.

    Raises
    ------
    OptionError
        `directions` or `normalise` is none of those, or the plane is none: two equal points, parallel directions, a
        gradient that is 0 up to rounding.
    NetworkError
        A network of another shape.
    DataTypeError
        What is no network and has none.
    """
    if normalise is not None:
        check_choice(normalise, "normalise", ("filter",))
    asked = _Asked(network, data, seed, normalise == "filter", radius)
    if isinstance(directions, str):
        check_choice(directions, "directions", DIRECTIONS)
        return _along(asked, _named(asked, directions), _NAMES[directions], span)
    points, is_path = _points(asked, directions)
    if is_path:
        return _along_path(asked, points, span)
    if isinstance(directions, list | tuple) and all(_is_vector(one) for one in directions):
        return _along(asked, (points[0], points[1]), ("first direction", "second direction"), span)
    given = directions if isinstance(directions, list | tuple) else (directions,)
    names = [_CALLED.get(type(one).__name__, "another network") for one in given]
    if len(names) == 2 and names[0] == names[1]:
        names = [f"{names[0]} (1)", f"{names[1]} (2)"]
    return _through(asked, points, names, span)


_NAMES = {
    "random": ("a random direction", "another, orthogonal"),
    "gradient": ("the gradient (the risk rises to the right)", "a random direction, orthogonal"),
}


# by the names of classes: what stands in the plane may come from any room
_CALLED = {
    "BetterPoint": "the better point",
    "Decision": "the network decided",
    "Escape": "the escape",
    "Leave": "the point left for",
    "Polish": "the polished network",
    "SmoothDecision": "the network decided",
    "SmoothEscape": "the escape",
    "SmoothPolish": "the polished network",
    "SpuriousMinimum": "the spurious minimum",
}


def _is_vector(value: Any) -> bool:
    return isinstance(value, np.ndarray | list | tuple)


def _points(asked: _Asked, directions: Any) -> tuple[list[Array], bool]:
    """The vectors that `directions` names, and whether they are a path."""
    wanted = (
        'directions must be "random", "gradient", a network, two networks, two vectors of all parameters, or a path: three '
        f"networks or more, or an array with a row for each point; got {spelled(directions)}"
    )
    if isinstance(directions, np.ndarray):
        if directions.ndim != 2 or len(directions) < 2:
            raise OptionError(wanted)
        return [asked.vector(row, f"point {k} of the path") for k, row in enumerate(directions)], True
    if isinstance(directions, Sequence):
        if len(directions) < 2:
            raise OptionError(wanted)
        name = "point {} of the path" if len(directions) > 2 else "direction {}"
        found = [asked.vector(one, name.format(k)) for k, one in enumerate(directions)]
        return found, len(directions) > 2
    return [asked.vector(directions, "directions")], False


def _named(asked: _Asked, name: str) -> tuple[Array, Array]:
    rng = np.random.default_rng(asked.seed)
    first, second = rng.standard_normal((2, len(asked.centre)))
    return (_gradient(asked.network, asked.data) if name == "gradient" else first), second


def _gradient(network: OneHiddenLayer, data: Dataset) -> Array:
    """The gradient in float64, by the sides of its own preactivations; OptionError where rounding is all of it."""
    h = network.activation
    if not isinstance(h, PiecewiseLinear | Smooth):
        raise OptionError(f'directions="gradient" needs an activation with a derivative, not {h!r}')
    total = np.zeros(network.width * (network.n_features + 2) + 1)
    size = np.zeros_like(total)
    with np.errstate(over="ignore", invalid="ignore"):
        for X, y, weight in data.blocks(16_384):
            z = X @ network.W1.T + network.b1
            value = h(z)
            slope = np.where(z > 0.0, h.s_plus, h.s_minus) if isinstance(h, PiecewiseLinear) else h.first(z)
            e = value @ network.W2 + network.b2 - y
            e = e if weight is None else weight * e
            D = e[:, None] * slope * network.W2
            total += np.concatenate([(D.T @ X).ravel(), D.sum(axis=0), e @ value, [e.sum()]])
            E = np.abs(D)
            parts = [(E.T @ np.abs(X)).ravel(), E.sum(axis=0), np.abs(e) @ np.abs(value), [np.abs(e).sum()]]
            size += np.concatenate(parts)
    if not np.isfinite(total).all():
        raise OptionError("the gradient leaves the range of float64 here: choose other directions")
    # a choice: what is left of terms that cancel to a millionth of a millionth is their rounding
    if np.linalg.norm(total) <= 1e-12 * np.linalg.norm(size):
        raise OptionError('the gradient is 0 up to rounding here: choose directions="random" or others')
    return total


def _filtered(direction: Array, network: OneHiddenLayer) -> Array:
    """Every unit's part of a direction, scaled to the norm of that unit's parameters."""
    d1, dx = network.W1.shape
    centre, scaled = flat(network), direction.copy()
    hidden = [np.r_[k * dx : (k + 1) * dx, d1 * dx + k] for k in range(d1)]
    for part in (*hidden, np.r_[d1 * (dx + 1) : len(centre)]):
        length = float(np.linalg.norm(direction[part]))
        scaled[part] *= float(np.linalg.norm(centre[part])) / length if length else 0.0
    return scaled


def _axes(first: Array, second: Array) -> tuple[Array, Array]:
    """Orthonormal vectors that span the same plane, the first along the first."""
    length = float(np.linalg.norm(first))
    if not length:
        raise OptionError("the first direction is 0: there is no plane along it")
    unit = first / length
    # twice: what the first pass leaves along the axis is rounding
    rest = second - unit * (unit @ second)
    rest -= unit * (unit @ rest)
    size = float(np.linalg.norm(rest))
    if size <= _NOTHING * float(np.linalg.norm(second)):
        raise OptionError("the two directions are parallel: they span no plane")
    return unit, rest / size


def _along(asked: _Asked, pair: tuple[Array, Array], labels: tuple[str, str], span: float | None) -> Plane:
    """A plane along two directions, a square around the network."""
    first, second = pair
    if asked.filters:
        first, second = _filtered(first, asked.network), _filtered(second, asked.network)
        labels = (f"{labels[0]}, filter-normalised", f"{labels[1]}, filter-normalised")
    half = _half(asked, first, span)
    return Plane(asked.centre, *_axes(first, second), labels, (-half, half, -half, half))


def _half(asked: _Asked, first: Array, span: float | None) -> float:
    """Half the width of a square around the network."""
    if span is not None:
        return span
    if asked.filters:
        return float(np.linalg.norm(first))
    if 0.0 < asked.radius < math.inf:
        return asked.radius / _BALL
    return 0.5 * float(np.linalg.norm(asked.centre)) or 1.0


def _refuse_filters(asked: _Asked, what: str) -> None:
    if asked.filters:
        raise OptionError(f'normalise="filter" is for directions, and {what}')


def _through(asked: _Asked, points: list[Array], names: list[str], span: float | None) -> Plane:
    """The plane through the network and one or two others; with one, along a random direction."""
    _refuse_filters(asked, "other networks lie where they are")
    first = points[0] - asked.centre
    second = asked.random() if len(points) == 1 else points[1] - asked.centre
    if not first.any():
        raise OptionError("the other network is the one in the middle: there is no plane through both")
    unit, other = _axes(first, second)
    offsets = [point - asked.centre for point in points]
    marks = tuple(Mark(float(v @ unit), float(v @ other), n) for v, n in zip(offsets, names, strict=True))
    labels = (f"towards {names[0]}", "a random direction, orthogonal")
    if len(points) == 2:
        labels = (labels[0], f"towards {names[1]}, orthogonal")
    at = np.array([[0.0, 0.0], *((mark.s, mark.t) for mark in marks)])
    return Plane(asked.centre, unit, other, labels, _around(at, span), marks)


def _along_path(asked: _Asked, points: list[Array], span: float | None) -> Plane:
    """The plane through the network along the two principal directions of a path about its mean."""
    _refuse_filters(asked, "a path lies where it is")
    table = np.array(points)
    _, sizes, vectors = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    variance = sizes * sizes
    if not variance[0]:
        raise OptionError("the points of the path are all the same: there is no plane along it")
    first, second = vectors[0], vectors[1]
    if sizes[1] <= _NOTHING * sizes[0]:
        second = asked.random()
    unit, other = _axes(first, second)
    # the later points to the right of and above the earlier ones
    ends = table[-1] - table[0]
    unit, other = (axis if axis @ ends >= 0.0 else -axis for axis in (unit, other))
    moves = table - asked.centre
    path = np.column_stack([moves @ unit, moves @ other])
    shares = (variance[:2] / variance.sum()).tolist()
    labels = tuple(f"principal direction {k + 1} ({share:.1%} of variance)" for k, share in enumerate(shares))
    box = _around(np.vstack([path, [0.0, 0.0]]), span)
    return Plane(asked.centre, unit, other, (labels[0], labels[1]), box, (), path, (shares[0], shares[1]))


def _around(points: Array, span: float | None) -> tuple[float, float, float, float]:
    """A box around points with some room, not too long; or a square of half-width `span` around the network."""
    if span is not None:
        return (-span, span, -span, span)
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    half = half + _ROOM * half.max()
    half = np.maximum(half, _LEAST_SIDE * half.max())
    (s0, t0), (s1, t1) = (middle - half).tolist(), (middle + half).tolist()
    return s0, s1, t0, t1
