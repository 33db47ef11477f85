"""Theorem 2's example in another frame: affine images of its samples and targets, more inputs, more hidden units.

With x' = A x + c, y' = k y + o, W1' A = W1, b1' = b1 - W1' c, U' = k U and b2' = k b2 + o outputs and risk become k f + o
and k^2 times the risk. The proof needs that the third sample is the middle of the other two, that parameters move a
preactivation by at most sqrt 2 r_i, and |U_i - u_i| <= s_i. A ball of radius R' around the new parameters allows

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

from fastminima.dataset import Dataset
from fastminima.errors import OptionError
from fastminima.exact.dyadic import round_fraction
from fastminima.network import OneHiddenLayer

__all__ = ["Frame", "frame", "image", "shared_units"]

Floats = NDArray[np.float64]
Row = list[Fraction]


class Frame(NamedTuple):
    """x' = A x + c and y' = k y + o, as the rounded samples and targets have it, exactly.

    Attributes
    ----------
    data : Dataset
    inverse : list of rows, shape (2, n)
        A left inverse of A.
    shift : list of n Fractions
        c.
    scale, offset : Fraction
        k, o.
    reach : Fraction
        rho^2.
    """

    data: Dataset
    inverse: list[Row]
    shift: Row
    scale: Fraction
    offset: Fraction
    reach: Fraction


def frame(A: ArrayLike | None, shift: ArrayLike | None, scale: float, offset: float) -> Frame:
    """The image of the three samples.

    Raises
    ------
    OptionError
        A of another shape than (n, 2) or of rank below 2, a shift of another length, scale 0, numbers that are not
        finite or leave the range.
    """
    matrix = np.eye(2) if A is None else np.asarray(A, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] < 2 or matrix.shape[1] != 2:
        raise OptionError(f"A must have shape (n, 2) with n >= 2, got {matrix.shape}")
    n = len(matrix)
    moved = np.zeros(n) if shift is None else np.asarray(shift, dtype=np.float64)
    if moved.shape != (n,):
        raise OptionError(f"shift must have shape ({n},) to fit A, got {moved.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        first, second = matrix[:, 0] + moved, matrix[:, 1] + moved
        middle = (first + second) / 2
        top = scale + offset
    if not np.isfinite(np.concatenate([first, second, middle, [scale, offset, top]])).all():
        raise OptionError("A, shift, scale and offset must be finite, and so must their sums")
    ends = np.array([_with_middle(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)])
    c = [Fraction(v) for v in moved.tolist()]
    p, q = ([Fraction(v) - o for v, o in zip(column.tolist(), c, strict=True)] for column in ends.T)
    # (A^T A)^-1 A^T
    pp, pq, qq = (
        sum((a * b for a, b in zip(*pair, strict=True)), Fraction(0)) for pair in ((p, p), (p, q), (q, q))
    )
    det = pp * qq - pq * pq
    if not det:
        raise OptionError("A must have rank 2: otherwise its image is a different dataset")
    inverse = [
        [(qq * a - pq * b) / det for a, b in zip(p, q, strict=True)],
        [(pp * b - pq * a) / det for a, b in zip(p, q, strict=True)],
    ]
    k = Fraction(top) - Fraction(offset)
    if not k:
        raise OptionError(
            f"scale = {scale!r} leaves no difference between the targets beside offset = {offset!r}"
        )
    samples = np.array([*ends.T, ends.mean(axis=1)])
    data = Dataset(samples, np.array([offset, offset, top]))
    sizes = [sum((Fraction(v) ** 2 for v in row), Fraction(0)) for row in samples.tolist()]
    return Frame(data, inverse, c, k, Fraction(offset), (max(sizes) + 1) / 2)


def _with_middle(a: float, b: float) -> tuple[float, float]:
    """a and b, each moved by at most one ulp of the larger, so that float64 has their middle."""
    if Fraction(a / 2 + b / 2) * 2 == Fraction(a) + Fraction(b):
        return a, b
    grid = 2 * math.ulp(max(abs(a), abs(b)))
    return round(Fraction(a) / Fraction(grid)) * grid, round(Fraction(b) / Fraction(grid)) * grid


def image(network: OneHiddenLayer, width: int, to: Frame) -> tuple[OneHiddenLayer, Fraction]:
    """(the network on the image, rounded; the square of its hidden parameters' and output weights' distance from the
    exact image). Units beyond the network's have zero weights."""
    rows = [[Fraction(v) for v in row] for row in network.W1.tolist()]
    W1 = [[a * s + b * t for s, t in zip(*to.inverse, strict=True)] for a, b in rows]
    b1 = [
        Fraction(b) - sum((w * c for w, c in zip(row, to.shift, strict=True)), Fraction(0))
        for b, row in zip(network.b1.tolist(), W1, strict=True)
    ]
    W2 = [Fraction(w) * to.scale for w in network.W2.tolist()]
    extra = width - len(rows)
    exact = [*[v for row in W1 for v in row], *b1, *W2]
    rounded = [round_fraction(v) for v in exact]
    b2 = round_fraction(Fraction(network.b2) * to.scale + to.offset)
    if not all(map(math.isfinite, [*rounded, b2])):
        raise OptionError("the image's parameters leave the range of float64; use a milder map")
    gap = sum(((Fraction(a) - b) ** 2 for a, b in zip(rounded, exact, strict=True)), Fraction(0))
    n, k = len(to.shift), len(rows)
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
