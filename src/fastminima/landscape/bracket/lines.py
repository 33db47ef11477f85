"""Rows that agree in all inputs but one: straight lines, where every unit bends at most once.

(a) The bounds of disjoint lines add up (`points_on_a_line` has each of them). A line of at most w + 2 distinct points gives
    nothing: w kinks interpolate it.
(b) Integer and categorical columns have many such lines. Which of those that share rows are kept is chosen greedily, the
    largest bound first, each computed anew on the points that are still free; every choice is a bound.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import Columns
from fastminima.exact.dyadic import Ints
from fastminima.exact.groups import group_ids, pure_error
from fastminima.system.first_use import cached_property

from .points_on_a_line import Pieces, PointsOnALine, pieces_bounds, programme

__all__ = ["DistinctInputs", "Line", "bounds_of_lines", "disjoint_lines", "lines_of", "together"]


@dataclass(frozen=True)
class Line:
    """Distinct inputs on a line along one coordinate, with the bound that they give.

    Attributes
    ----------
    column : int
        The input that varies.
    groups : tuple of int
        The distinct inputs, by the position along the line; numbers of `DistinctInputs`.
    bound : Fraction
        No network of the width has a lower risk on them, beyond their pure error.
    joined : bool
        Whether pieces were joined at kinks (`Pieces.joined`).
    """

    column: int
    groups: tuple[int, ...]
    bound: Fraction
    joined: bool


class DistinctInputs:
    """The distinct inputs of a dataset, with the weights and means of their samples as rationals.

    Attributes
    ----------
    ids : (m,) intp
        Distinct input of every sample.
    first : (n,) intp
        First sample of every distinct input.
    weights, means : lists of n Fraction
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.ids, self.first = group_ids(columns)
        y, y_scale = columns.integers(columns.n_features)
        w, w_scale = columns.weight_integers()
        w = np.full(len(y), 1, dtype=object) if w is None else w
        order = np.argsort(self.ids, kind="stable")
        starts = np.flatnonzero(np.diff(self.ids[order], prepend=-1))
        total = np.add.reduceat(w[order], starts).tolist()
        moment = np.add.reduceat((w * y)[order], starts).tolist()
        up, down = w_scale.as_integer_ratio()
        self.weights = [Fraction(int(t) * up, down) for t in total]
        up, down = y_scale.as_integer_ratio()
        self.means = [Fraction(int(s) * up, int(t) * down) for s, t in zip(moment, total, strict=True)]

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def pure_error(self) -> Fraction:
        """What no function of the inputs goes below."""
        size = np.bincount(self.ids, minlength=len(self)).astype(np.intp)
        return pure_error(self.columns, self.ids, size)

    @cached_property
    def _integers(self) -> list[tuple[Ints, Fraction]]:
        return [self.columns.integers(j, self.first) for j in range(self.columns.n_features)]

    @property
    def scales(self) -> list[Fraction]:
        """What the integers of `rows` are times, per column, to be the inputs."""
        return [scale for _, scale in self._integers]

    @cached_property
    def rows(self) -> Ints:
        """(n, dx) integers: the inputs over `scales`."""
        table = np.empty((len(self), len(self._integers)), dtype=object)
        for j, (values, _) in enumerate(self._integers):
            table[:, j] = values
        return table

    def positions(self, column: int) -> list[int]:
        """Integers proportional to one input, per distinct input."""
        return [int(v) for v in self._integers[column][0]]

    def points(self, positions: list[int], groups: list[int]) -> PointsOnALine:
        """Some of them as points on a line, in the order given, which is that of the positions."""
        return PointsOnALine(
            tuple(positions[g] for g in groups),
            tuple(self.weights[g] for g in groups),
            tuple(self.means[g] for g in groups),
        )


def lines_of(inputs: DistinctInputs, shortest: int) -> list[tuple[int, list[int]]]:
    """(column, groups by position) of all lines with at least `shortest` distinct inputs."""
    dx, n = inputs.columns.n_features, len(inputs)
    if n < shortest:
        return []
    values = [_labels(inputs.positions(j)) for j in range(dx)]
    before, after = [np.zeros(n, dtype=np.intp)], [np.zeros(n, dtype=np.intp)]
    for j in range(dx - 1):
        before.append(_joint(before[-1], values[j]))
        after.append(_joint(after[-1], values[dx - 1 - j]))
    found = []
    for j in range(dx):
        others = _joint(before[j], after[dx - 1 - j])
        size = np.bincount(others)
        order = np.lexsort((values[j], others))
        order = order[size[others[order]] >= shortest]
        edges = np.flatnonzero(np.diff(others[order])) + 1
        found += [(j, part.tolist()) for part in np.split(order, edges) if len(part)]
    return found


def _labels(positions: list[int]) -> NDArray[np.intp]:
    """Ranks of the values: equal numbers, equal ranks."""
    rank = {v: k for k, v in enumerate(sorted(set(positions)))}
    return np.array([rank[v] for v in positions], dtype=np.intp)


def _joint(a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.intp]:
    """Labels of pairs of labels."""
    pairs = a * (int(b.max(initial=0)) + 1) + b
    return np.unique(pairs, return_inverse=True)[1].reshape(-1).astype(np.intp)


def disjoint_lines(
    inputs: DistinctInputs, lines: list[tuple[int, list[int]]], width: int, bound: Bound | None = None
) -> list[Line]:
    """Lines without a common input whose bounds for `width` kinks add up, by (b); `bound` is for that width too."""
    bound = bounds_of_lines(inputs, [width]) if bound is None else bound
    free = np.ones(len(inputs), dtype=np.bool_)
    heap: list[tuple[Fraction, int, bool, tuple[int, ...]]] = []
    for column, members in lines:
        _push(heap, bound, column, tuple(members), width)
    kept = []
    while heap:
        negative, column, joined, groups = heapq.heappop(heap)
        left = tuple(g for g in groups if free[g])
        if len(left) < len(groups):
            _push(heap, bound, column, left, width)
            continue
        free[list(groups)] = False
        kept.append(Line(column, groups, -negative, joined))
    return kept


# of a line along a column, for a width: the bound, and whether its pieces were joined at kinks
Bound = Callable[[int, tuple[int, ...], int], tuple[Fraction, bool]]


def bounds_of_lines(inputs: DistinctInputs, widths: Sequence[int]) -> Bound:
    """The bounds of lines for these widths, each computed once: one recursion has those of all widths it is meant for."""
    positions: dict[int, list[int]] = {}
    known: dict[tuple[int, tuple[int, ...], int], Pieces | None] = {}

    def bound(column: int, groups: tuple[int, ...], width: int) -> tuple[Fraction, bool]:
        if column not in positions:
            positions[column] = inputs.positions(column)
        kinks = together(len(groups), widths)[width]
        line = column, groups, kinks
        if line not in known:
            known[line] = pieces_bounds(inputs.points(positions[column], list(groups)), kinks)
        pieces = known[line]
        return (Fraction(0), False) if pieces is None else (pieces.bounds[width], pieces.joined)

    return bound


def together(n: int, widths: Sequence[int]) -> dict[int, int]:
    """For each width the largest of those for which a line of n points is bounded in the same way."""
    ways = {width: programme(n, width) for width in widths}
    return {
        width: max(other for other, its in ways.items() if (its.joined, its.stretch) == (way.joined, way.stretch))
        for width, way in ways.items()
    }


def _push(
    heap: list[tuple[Fraction, int, bool, tuple[int, ...]]],
    bound: Bound,
    column: int,
    groups: tuple[int, ...],
    width: int,
) -> None:
    if len(groups) < width + 3:
        return
    value, joined = bound(column, groups, width)
    if value > 0:
        heapq.heappush(heap, (-value, column, joined, groups))
