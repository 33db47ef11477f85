"""Certificates of brackets: no network of a width has a lower risk, and a network that is not far above.

The checker runs the recursions over affine pieces again, on integers (docs/proofs.md): joined at kinks on short lines,
independent on longer ones, and on every so-manieth point of still longer ones. So the floor of a certificate may lie
below that of the bracket, and `open` then says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.exact.affine import Columns
from fastminima.exact.digest import DataDigests
from fastminima.exact.dyadic import round_down
from fastminima.landscape.bracket.bracket import Bracket
from fastminima.landscape.bracket.direction_boxes import first_cells
from fastminima.landscape.bracket.exact_cells import ExactInputs
from fastminima.landscape.bracket.lines import DistinctInputs
from fastminima.landscape.bracket.lower_bound import LowerBound
from fastminima.landscape.bracket.points_on_a_line import PointsOnALine, pieces_bounds
from fastminima.landscape.bracket.scaled_inputs import ScaledInputs
from fastminima.proof import check as checker
from fastminima.proof.certificate import data_words, word

__all__ = ["drop_to", "no_lower"]

# Points of a line up to which the recursion over pairs of pieces is tried: a second of the checker. And the share of the
# checker's work that is left to the lines. Only choices.
_MOST_JOINED, _SHARE = 150, Fraction(17, 20)


def no_lower(bound: LowerBound, data: Dataset) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The claim that no network of the width has a lower risk, if there is a floor above 0; and what is left open."""
    inputs = DistinctInputs(Columns(data))
    # the checker counts distinct inputs by their first samples
    number = {int(g): k for k, g in enumerate(inputs.first.argsort())}
    positions = {column: inputs.positions(column) for column in {line.column for line in bound.lines}}
    total, lines, try_out = inputs.pure_error, [], _TryOut(data.n_samples, bound.width)
    for line in bound.lines:
        points = inputs.points(positions[line.column], list(line.groups))
        ends = {"first": number[line.groups[0]], "second": number[line.groups[-1]]}
        for floor, joined, every in try_out.floors(points):
            lines.append({**ends, "every": every, "bound": word(floor), "joined": joined})
            total += floor
    stated = Fraction(max(0.0, round_down(total)))
    claim = {"claim": "no lower risk at width", "width": bound.width, "floor": word(stated), "lines": lines}
    if not stated:
        known = "that the checker may verify" if bound.value else "known"
        return [], (f"no floor above 0 of the risks at width {bound.width} is {known}",)
    if bound.value > stated * (1 + Fraction(1, 10**9)):
        why = f"no lower risk than {bound.value:.10g}: "
        why += (
            "its cells are more work than the checker may do"
            if bound.tree
            else "on lines of many points that is more work than the checker may do"
        )
        return [claim], (f"{why}; it accepts {float(stated):.10g}",)
    return [claim], ()


class _TryOut:
    """Which floors of lines the checker accepts with the work that it may do."""

    def __init__(self, m: int, width: int) -> None:
        words = data_words(m, 0, 1, False, True, DataDigests("", ""))
        self.table, self.width, self.most_joined = checker.Table(None, words), width, _MOST_JOINED
        self.table.seen = int(_SHARE * (1_000 + m)) - 1_000

    def floors(self, points: PointsOnALine) -> Iterator[tuple[Fraction, bool, int]]:
        """(floor, joined, every): of every so-manieth of the points left by those before; whether joined at kinks."""
        n = points.n_points
        if n <= self.most_joined:
            floor = self._accepted(points, True)
            if floor:
                yield floor, True, 1
                return
            self.most_joined = n - 1
        rest = list(range(n))
        for every in range(self._parts(points), 0, -1):
            floor = self._accepted(_taken(points, rest[::every]), False)
            if not floor:
                return
            yield floor, False, every
            rest = [i for k, i in enumerate(rest) if k % every]

    def _parts(self, points: PointsOnALine) -> int:
        """How many the line is cut into, so that all starts and ends of a piece may be looked at."""
        before, n = self.table.work, points.n_points
        try:
            work = self._seen(points, Fraction(1)).work * n * n
        except checker.TooMuch:
            return 0
        finally:
            self.table.work = before
        left = checker.ALLOWED * (1_000 + self.table.seen) - before
        return min(n, max(1, int(-(-work // (2 * max(left, 1))))))

    def _seen(self, points: PointsOnALine, floor: Fraction) -> Any:
        sums = [w * y for w, y in zip(points.weights, points.means, strict=True)]
        triples = list(zip(points.positions, points.weights, sums, strict=True))
        return checker.Points(self.table, triples, floor, self.width)

    def _accepted(self, points: PointsOnALine, joined: bool) -> Fraction:
        """0 if nothing is."""
        before = self.table.work
        pieces = pieces_bounds(points, self.width, joined)
        floor = Fraction(0) if pieces is None else _below(pieces.bounds[self.width], points.n_points)
        if floor > 0:
            try:
                seen = self._seen(points, floor)
                if seen.joined() if joined else seen.apart():
                    return floor
            except checker.TooMuch:
                self.table.work = before
        return Fraction(0)


def _taken(points: PointsOnALine, index: list[int]) -> PointsOnALine:
    return PointsOnALine(
        tuple(points.positions[i] for i in index),
        tuple(points.weights[i] for i in index),
        tuple(points.means[i] for i in index),
    )


def _below(bound: Fraction, n: int) -> Fraction:
    """A float64 that the checker reaches: it counts in units of 2^-64 of it, and loses few of them a point."""
    return Fraction(max(0.0, round_down(bound * (1 - Fraction(8 * n + 8, 1 << 63)))))


def in_cells(bound: LowerBound, data: Dataset) -> dict[str, Any] | None:
    """The claim that a search of cells makes, with the slopes of the bound: cuts, and for each leaf its equations.

    None where it has too many leaves, or nothing above 0 to say.
    """
    tree, slopes = bound.tree, bound.slopes
    if tree is None or slopes is None:
        return None
    inputs = DistinctInputs(Columns(data))
    scaled = ScaledInputs.of(inputs, tree.columns)
    exact = ExactInputs(inputs, scaled, (Fraction(slopes[0]), Fraction(slopes[1])))
    number = {int(g): k for k, g in enumerate(inputs.first.argsort())}
    aim = (bound.exact - inputs.pure_error) / scaled.risk_unit * (1 - Fraction(1, 1 << 40))
    goal, least, leaves = round_down(aim), None, 0
    cuts: list[list[int]] = []
    stack = list(enumerate(first_cells(tree.width, len(tree.columns) + 1)))[::-1]
    while stack:
        at, cell = stack.pop()
        if at in tree.cuts and tree.bounds[at] < goal:
            cut, after = tree.cuts[at]
            cuts.append([1, cut.unit, number[cut.at]] if cut.by_row else [0, cut.unit, cut.at])
            stack += [(after + k, part) for k, part in enumerate(cell.parts(cut))][::-1]
            continue
        leaves += 1
        if leaves > checker.LEAVES:
            return None
        if cell.empty:
            cuts.append([2, -1])
            continue
        found = exact.bound(cell)
        least = found.value if least is None else min(least, found.value)
        cuts.append([2, *(v for limit in found.limits for v in limit)])
    floor = Fraction(max(0.0, round_down(inputs.pure_error + (least or 0) * (1 - Fraction(1, 1 << 60)))))
    forms, back = scaled.affine_maps(data.n_features, inputs)
    if not floor:
        return None
    return {
        "claim": "no lower risk at width with these slopes",
        "width": tree.width,
        "floor": word(floor),
        "forms": [[word(v) for v in form] for form in forms],
        "back": [[word(v) for v in row] for row in back],
        "cells": cuts,
    }


def drop_to(bracket: Bracket) -> Fraction:
    """How far at least the network found lies below least squares, such that its risk is at most `upper`; 0 if not."""
    drop = bracket.linear_risk - bracket.found.exact_risk
    rounded = bracket.linear_risk - Fraction(bracket.upper) if math.isfinite(bracket.upper) else drop
    return rounded if rounded > 0 else drop
