"""The certified radius: the distance of a float64 network from its next activation boundary, rounded down."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from .affine import Columns, affine_numerators, common_numerators
from .dyadic import Floats, Ints, sqrt_floor
from .groups import group_ids
from .signs import filter_of, preactivation_blocks, unit_form, validated_rows

__all__ = ["MarginState", "exact_margin"]

# rows that float64 cannot tell from the minimum are kept up to this number, then decided by integers
_KEPT = 4096
# below, looking for equal rows costs more than it saves
_MANY = 1000


class MarginState:
    """min over rows i and units k of z_k(x_i) / |(x_i, 1)|, exact, over a stream: `offer`, `merge`, `radius`.

    Parameters
    ----------
    W1 : (d1, dx) float64
    b1 : (d1,) float64

    Notes
    -----
    Float64 intervals leave the rows that may attain the minimum; integers decide among them. Memory is bounded:
    when too many rows are left, integers reduce them to one number.
    """

    def __init__(self, W1: Floats, b1: Floats) -> None:
        self._W1, self.b1 = W1, b1
        self._best = math.inf
        self._rows: list[tuple[Floats, Columns]] = []
        # square of the least exact quotient so far, 0 where some preactivation is not positive
        self._least: Fraction | None = None

    def offer(self, columns: Columns, lower: Floats, upper: Floats) -> None:
        """Add rows whose quotients lie between lower and upper."""
        if not len(self.b1) or self._least == 0:
            return
        self._best = min(self._best, float(upper.min(initial=math.inf)))
        rows = np.flatnonzero(lower <= self._best)
        if len(rows):
            self._rows.append((lower[rows], columns.take(rows)))
            self._bound()

    def _bound(self) -> None:
        if sum(len(lower) for lower, _ in self._rows) <= _KEPT and len(self._rows) <= _KEPT // 16:
            return
        kept = [(lower, lower <= self._best, columns) for lower, columns in self._rows]
        self._rows = [
            (lower, columns) if keep.all() else (lower[keep], columns.take(np.flatnonzero(keep)))
            for lower, keep, columns in kept
            if keep.any()
        ]
        if sum(len(lower) for lower, _ in self._rows) > _KEPT // 2 or len(self._rows) > _KEPT // 32:
            self._settle()

    def _settle(self) -> None:
        """Decide among the kept rows by integers."""
        rows, self._rows = self._rows, []
        for lower, columns in rows:
            left = columns.take(np.flatnonzero(lower <= self._best))
            if left.n_samples > _MANY:
                # equal inputs give equal quotients: symmetric data tie by the thousand
                left = left.take(group_ids(left)[1])
            if self._least != 0 and left.n_samples:
                value = _least_square(left, self._W1, self.b1)
                self._least = value if self._least is None else min(value, self._least)
        if self._least is not None:
            self._best = min(self._best, math.nextafter(sqrt_floor(self._least), math.inf))

    def merge(self, other: MarginState) -> None:
        """Add the rows of another state of the same units."""
        self._best = min(self._best, other._best)
        self._rows += other._rows
        if other._least is not None:
            self._least = other._least if self._least is None else min(self._least, other._least)
        self._bound()

    @property
    def positive(self) -> bool:
        """Whether all exact preactivations are positive."""
        self._settle()
        return self._least != 0

    @property
    def radius(self) -> float:
        """The minimum, rounded down; 0.0 where some preactivation is not positive, inf without rows or units."""
        self._settle()
        return math.inf if self._least is None else sqrt_floor(self._least)


def exact_margin(W1: Floats, b1: Floats, data: Any) -> float:
    """Largest float64 not above min over samples i and units k of z_k(x_i) / |(x_i, 1)|.

    For a network whose preactivations are all positive this is the distance to the nearest point where some
    preactivation vanishes.

    Parameters
    ----------
    W1 : (d1, dx) float64
    b1 : (d1,) float64
    data : dataset

    Returns
    -------
    float
        > 0 if all exact preactivations are positive (0.0 if the minimum is below the smallest float64);
        0.0 if some exact preactivation is <= 0; inf without hidden units.
    """
    columns = Columns(data)
    W1, b1 = validated_rows(W1, b1, columns.n_features)
    state = MarginState(W1, b1)
    filter_ = filter_of(columns, W1, b1)
    for block in preactivation_blocks(columns, filter_):
        count = len(block.z)
        part = columns.take(slice(block.begin, block.begin + count))
        state.offer(part, *filter_.margins(block.block, count, 0, len(b1)))
    return state.radius


def _least_square(columns: Columns, W1: Floats, b1: Floats) -> Fraction:
    """min of z_k^2 / |(x, 1)|^2 over rows and units; 0 if some z_k <= 0."""
    norms, norm_scale = _squared_norms(columns)
    least: Fraction | None = None
    for k in range(len(b1)):
        z, z_scale = affine_numerators(columns, unit_form(W1, b1, k))
        if any(v <= 0 for v in z.tolist()):
            return Fraction(0)
        squares = [v * v for v in z.tolist()]
        p, q = squares[0], norms[0]
        for a, b in zip(squares[1:], norms[1:], strict=True):
            if a * q < p * b:
                p, q = a, b
        quotient = Fraction(p, q) * z_scale * z_scale / norm_scale
        least = quotient if least is None else min(least, quotient)
    assert least is not None  # there are units, or no row would be kept
    return least


def _squared_norms(columns: Columns) -> tuple[list[int], Fraction]:
    """1 + |x|^2 as integers on one scale."""
    pairs = [columns.integers(j) for j in range(columns.n_features)]
    # one unit of which 1 and every column's scale are multiples
    unit = common_numerators([Fraction(1), *(scale for _, scale in pairs)])[1]
    total: Ints = np.full(columns.n_samples, int(1 / unit) ** 2, dtype=object)
    for numerators, scale in pairs:
        total = total + (numerators * int(scale / unit)) ** 2
    return total.tolist(), unit * unit
