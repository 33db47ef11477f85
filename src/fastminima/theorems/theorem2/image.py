"""Theorem 2's example elsewhere: affine images of its samples and targets, more inputs, more hidden units.

With x' = A x + c, y' = k y + o, as long as A keeps the first two samples apart: hidden rows and biases are chosen so that
every preactivation is what it was (W1' A = W1, b1' = b1 - W1' c where A has rank 2), U' = k U, b2' = k b2 + o. Outputs are
then k f + o and the risk k^2 times what it was. The proof needs that the third sample is the middle of the other two, that
parameters move a preactivation by at most sqrt 2 r_i, and |U_i - u_i| <= s_i. A ball of radius R' around the new parameters
allows

    r_i = rho r'_i, rho = max_j sqrt(|x'_j|^2 + 1) / sqrt 2,   s_i = s'_i / |k|,

so sum r_i^2 + s_i^2 <= R^2 as long as R' max(rho, 1/|k|) <= R. The float64 parameters are not the exact image; the ball
around them is smaller by their distance from it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import OptionError
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.matrix import dot
from fastminima.networks.one_hidden_layer import OneHiddenLayer

__all__ = ["AffineMap", "MappedSamples", "affine_map", "map_network", "map_samples", "shared_units"]

Floats = NDArray[np.float64]
Row = list[Fraction]


class AffineMap(NamedTuple):
    """x -> A x + shift and y -> scale y + offset."""

    A: Floats
    shift: Floats
    scale: float
    offset: float

    def after(self, first: AffineMap | None) -> AffineMap:
        """This map after another one, multiplied in float64."""
        if first is None:
            return self
        return AffineMap(
            self.A @ first.A,
            self.A @ first.shift + self.shift,
            self.scale * first.scale,
            self.scale * first.offset + self.offset,
        )


def affine_map(
    A: ArrayLike | None, shift: ArrayLike | None, scale: float, offset: float, n_features: int
) -> AffineMap:
    """The map as arrays.

    Raises
    ------
    OptionError
        A of another shape than (n, n_features), a shift of another length, what is not made of finite numbers.
    """
    try:
        matrix = np.eye(n_features) if A is None else np.asarray(A, dtype=np.float64)
        moved = np.zeros(len(matrix)) if shift is None else np.asarray(shift, dtype=np.float64)
        numbers = AffineMap(matrix, moved, float(scale), float(offset))
    except (TypeError, ValueError) as error:
        raise OptionError(f"A, shift, scale and offset must be numbers: {error}") from error
    if matrix.ndim != 2 or not len(matrix) or matrix.shape[1] != n_features:
        raise OptionError(f"A must have shape (n, {n_features}) with n >= 1, got {matrix.shape}")
    if moved.shape != (len(matrix),):
        raise OptionError(f"shift must have shape ({len(matrix)},) to fit A, got {moved.shape}")
    if not all(np.isfinite(part).all() for part in numbers):
        raise OptionError("A, shift, scale and offset must be finite")
    return numbers


class MappedSamples(NamedTuple):
    """The image of the three samples and targets, and how parameters move with them, exactly.

    Attributes
    ----------
    data : Dataset
    rows : list of 2 rows, shape (2, n)
    lift : list of 2 Fractions
        A hidden unit with weights w and bias b becomes one with weights w rows and bias b + w lift.
    scale, offset : Fraction
        k, o.
    rho_squared : Fraction
        rho^2.
    """

    data: Dataset
    rows: list[Row]
    lift: Row
    scale: Fraction
    offset: Fraction
    rho_squared: Fraction


def map_samples(to: AffineMap) -> MappedSamples:
    """The image of the three samples.

    Raises
    ------
    OptionError
        An A that maps the first two samples to one, a scale that leaves no difference between the targets, numbers that
        leave the range.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        first, second = (to.A.T + to.shift).tolist()
        middle, top = (to.A.sum(axis=1) / 2 + to.shift).tolist(), to.scale + to.offset
    if not all(map(math.isfinite, [*first, *second, *middle, top])):
        raise OptionError("A, shift, scale and offset must be finite, and so must their sums")
    first, second = zip(*map(_with_middle, first, second), strict=True)
    samples = np.array([first, second, np.add(first, second) / 2])
    p, q, c = ([Fraction(v) for v in row] for row in (first, second, to.shift.tolist()))
    k = Fraction(top) - Fraction(to.offset)
    if not k:
        raise OptionError(
            f"scale = {to.scale!r} leaves no difference between the targets beside offset = {to.offset!r}"
        )
    rows, lift = _moves(p, q, c)
    data = Dataset(samples, np.array([to.offset, to.offset, top]))
    rho_squared = (max(dot(x, x) for x in ([Fraction(v) for v in row] for row in samples.tolist())) + 1) / 2
    return MappedSamples(data, rows, lift, k, Fraction(to.offset), rho_squared)


def _moves(p: Row, q: Row, c: Row) -> tuple[list[Row], Row]:
    """Rows and lift where the first two samples are at p and q, and the origin is at c."""
    a, b = ([x - o for x, o in zip(end, c, strict=True)] for end in (p, q))
    aa, ab, bb = dot(a, a), dot(a, b), dot(b, b)
    det = aa * bb - ab * ab
    if det:
        # A = [a b] has rank 2: its left inverse (A^T A)^-1 A^T
        rows = [
            [(bb * x - ab * y) / det for x, y in zip(a, b, strict=True)],
            [(aa * y - ab * x) / det for x, y in zip(a, b, strict=True)],
        ]
        return rows, [-dot(row, c) for row in rows]
    gap = [x - y for x, y in zip(p, q, strict=True)]
    size = dot(gap, gap)
    if not size:
        raise OptionError("A must keep the first two samples apart; this one maps them to one point")
    # weights along the line of the samples, the bias takes what they have in common: w1 at p, w2 at q
    slope = [x / size for x in gap]
    middle = [(x + y) / 2 for x, y in zip(p, q, strict=True)]
    along = dot(slope, middle)
    return [slope, [-x for x in slope]], [Fraction(1, 2) - along, Fraction(1, 2) + along]


def _with_middle(a: float, b: float) -> tuple[float, float]:
    """a and b, each moved by at most one ulp of the larger, so that float64 has their middle."""
    if Fraction(a / 2 + b / 2) * 2 == Fraction(a) + Fraction(b):
        return a, b
    grid = 2 * math.ulp(max(abs(a), abs(b)))
    return round(Fraction(a) / Fraction(grid)) * grid, round(Fraction(b) / Fraction(grid)) * grid


def map_network(network: OneHiddenLayer, width: int, to: MappedSamples) -> tuple[OneHiddenLayer, Fraction]:
    """(the network on the image, rounded; the square of its hidden parameters' and output weights' distance from the
    exact image). Units beyond the network's have zero weights."""
    weights = [[Fraction(v) for v in row] for row in network.W1.tolist()]
    W1 = [[a * s + b * t for s, t in zip(*to.rows, strict=True)] for a, b in weights]
    b1 = [Fraction(b) + dot(row, to.lift) for b, row in zip(network.b1.tolist(), weights, strict=True)]
    W2 = [Fraction(w) * to.scale for w in network.W2.tolist()]
    extra = width - len(weights)
    exact = [*[v for row in W1 for v in row], *b1, *W2]
    rounded = [round_fraction(v) for v in exact]
    b2 = round_fraction(Fraction(network.b2) * to.scale + to.offset)
    if not all(map(math.isfinite, [*rounded, b2])):
        raise OptionError("the image's parameters leave the range of float64; use a milder map")
    gap = sum(((Fraction(a) - b) ** 2 for a, b in zip(rounded, exact, strict=True)), Fraction(0))
    n, k = to.data.n_features, len(weights)
    made = OneHiddenLayer(
        np.vstack([np.reshape(rounded[: n * k], (k, n)), np.zeros((extra, n))]),
        np.concatenate([rounded[n * k : n * k + k], np.zeros(extra)]),
        np.concatenate([rounded[n * k + k :], np.zeros(extra)]),
        b2,
        network.activation,
    )
    return made, gap


def shared_units(network: OneHiddenLayer, width: int, unit: int, *, copy: bool) -> OneHiddenLayer:
    """The local minimum with further units like `unit`, before any map.

    Parameters
    ----------
    network : OneHiddenLayer
    width : int
    unit : int
    copy : bool
        True: they have its output weight too, and the output bias takes up what they add. False: its output weight
        is dealt out among them and itself, in equal parts that are rounded.
    """
    extra = width - network.width
    if not extra:
        return network
    W2 = network.W2.tolist()
    share = W2[unit] if copy else W2[unit] / (extra + 1)
    W2[unit] = share
    b2 = network.b2
    if copy:
        added = float(np.asarray(network.activation(network.W1[unit, :1]))[0]) * share
        b2 -= extra * added
    return OneHiddenLayer(
        np.vstack([network.W1, np.repeat(network.W1[unit : unit + 1], extra, axis=0)]),
        np.concatenate([network.b1, np.zeros(extra)]),
        np.array([*W2, *[share] * extra]),
        b2,
        network.activation,
    )
