"""Floors of the risk at a width, as certificates, and a slow judge of them: all ways to cut a line, in rationals."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction as F
from typing import Any

from certificates_by_hand import Case, case, rational

Point = tuple[F, F, F]  # position, weight, value


def fit(piece: list[Point]) -> tuple[F, Any, Any]:
    """Least risk of an affine function; its value and its leverage as functions, None for a single point."""
    total = sum(w for _, w, _ in piece)
    t_mean, y_mean = sum(w * t for t, w, _ in piece) / total, sum(w * y for _, w, y in piece) / total
    spread = sum(w * (t - t_mean) ** 2 for t, w, _ in piece)
    if not spread:
        return F(0), None, None
    slope = sum(w * (t - t_mean) * (y - y_mean) for t, w, y in piece) / spread

    def value(t: F) -> F:
        return y_mean + slope * (t - t_mean)

    risk = sum(w * (value(t) - y) ** 2 for t, w, y in piece) / 2
    return risk, value, lambda t: 1 / total + (t - t_mean) ** 2 / spread


def penalty(left: list[Point], right: list[Point], halves: tuple[int, int]) -> F:
    """What lines pay that meet between the pieces; `halves` is 2 where a piece has another junction."""
    (_, f, h), (_, g, k) = fit(left), fit(right)
    if f is None or g is None:
        return F(0)
    ends = left[-1][0], right[0][0]
    if (f(ends[0]) - g(ends[0])) * (f(ends[1]) - g(ends[1])) <= 0:
        return F(0)
    return min((f(t) - g(t)) ** 2 / (2 * (halves[0] * h(t) + halves[1] * k(t))) for t in ends)


def cuts(n: int, kinks: int, joined: bool) -> Iterator[tuple[list[int], list[int]]]:
    """Where pieces begin, and what every break costs."""
    stack: list[tuple[list[int], list[int]]] = [([0], [])]
    while stack:
        begins, costs = stack.pop()
        yield begins, costs
        for begin in range(begins[-1] + 1, n):
            for cost in (1, 2) if joined else (1,):
                if sum(costs) + cost <= kinks:
                    stack.append(([*begins, begin], [*costs, cost]))


def least(points: list[Point], kinks: int, joined: bool) -> F:
    """The least of all ways to cut: no function with so many kinks has a lower risk."""
    n, found = len(points), []
    for begins, costs in cuts(n, kinks, joined):
        pieces = [points[i:j] for i, j in zip(begins, [*begins[1:], n], strict=True)]
        total = sum((fit(piece)[0] for piece in pieces), F(0))
        for number, cost in enumerate(costs):
            if joined and cost == 1:
                halves = 1 + (number > 0), 1 + (number + 2 < len(pieces))
                total += penalty(pieces[number], pieces[number + 1], halves)
        found.append(total)
    return min(found)


def inputs_of(rows: list[list[F]], dx: int, weighted: bool) -> dict[tuple[F, ...], list[tuple[F, F]]]:
    """(y, weight) of the rows of each distinct input."""
    groups: dict[tuple[F, ...], list[tuple[F, F]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[:dx]), []).append((row[dx], row[-1] if weighted else F(1)))
    return groups


def taken(line: dict[str, Any], inputs: list[tuple[F, ...]], free: dict[tuple[F, ...], Any]) -> list[Point]:
    """The points of a line, which are free no longer."""
    a, b = inputs[line["first"]], inputs[line["second"]]
    way = [q - p for p, q in zip(a, b, strict=True)]
    size = sum(v * v for v in way)
    on = []
    for x in free:
        step = sum((c - p) * v for c, p, v in zip(x, a, way, strict=True)) / size
        if all(p + step * v == c for c, p, v in zip(x, a, way, strict=True)):
            on.append((step, x))
    points = []
    for step, x in sorted(on, reverse=next(v for v in way if v) < 0)[:: line["every"]]:
        given = free.pop(x)
        weight = sum((w for _, w in given), F(0))
        points.append((step, weight, sum(w * y for y, w in given) / weight))
    return sorted(points)


def scatter(groups: dict[tuple[F, ...], list[tuple[F, F]]]) -> F:
    total = F(0)
    for given in groups.values():
        mean = sum(w * y for y, w in given) / sum(w for _, w in given)
        total += sum(w * (y - mean) ** 2 for y, w in given) / 2
    return total


def width_true(claim: dict[str, Any], rows: list[list[F]], dx: int, weighted: bool) -> bool:
    """Is the floor that of equal inputs and of lines without a common input?"""
    groups = inputs_of(rows, dx, weighted)
    free, total = dict(groups), scatter(groups)
    assert type(claim["width"]) is int
    assert claim["width"] >= 1
    assert set(claim) == {"claim", "width", "floor", "lines"}
    for line in claim["lines"]:
        assert set(line) == {"first", "second", "every", "bound", "joined"}
        assert all(type(line[name]) is int and line[name] >= 0 for name in ("first", "second", "every"))
        points = taken(line, list(groups), free)
        bound = rational(line["bound"])
        if not 0 < bound <= least(points, min(claim["width"], len(points)), line["joined"]):
            return False
        total += bound
    return 0 <= rational(claim["floor"]) <= total


def floors(rows: list[list[Any]], dx: int, weighted: bool, width: int, lines: list[Any]) -> dict[str, Any]:
    """The claim, a little below what the lines prove."""
    exact = [[F(v) for v in row] for row in rows]
    groups = inputs_of(exact, dx, weighted)
    free, total, inputs, found = dict(groups), scatter(groups), list(groups), []
    for (a, b), every, joined in lines:
        line = {"first": inputs.index(a), "second": inputs.index(b), "every": every, "joined": joined}
        bound = least(taken(line, inputs, free), width, joined) * (1 - F(1, 1 << 50))
        found.append({**line, "bound": str(bound)})
        total += bound
    return {"claim": "no lower risk at width", "width": width, "floor": str(total), "lines": found}


def width_cases() -> dict[str, Case]:
    """One input; and a lattice with equal rows, weights, two axes and a diagonal."""
    line = [[float(t), y] for t, y in zip(range(-3, 4), [0.0, 0.0, 2.0, 3.0, -3.0, -2.0, 2.0], strict=True)]
    end = ((F(-3),), (F(3),))
    joined = floors(line, 1, False, 2, [(end, 1, True)])
    apart = floors(line, 1, False, 1, [(end, 1, False)])
    y = [
        1.0,
        -2.0,
        3.5,
        0.25,
        4.0,
        -1.0,
        2.0,
        7.0,
        -3.0,
        1.75,
        -6.5,
        -0.5,
        5.0,
        0.0,
        1.0,
        -2.5,
        3.0,
        0.5,
        1.0,
        2.0,
        -4.0,
        1.0,
    ]
    inputs = (
        [(i, 0) for i in range(6)]
        + [(0, j) for j in range(1, 6)]
        + [(k, k) for k in range(1, 10)]
        + [(2, 0), (0, 3)]
    )
    lattice = [
        [float(a), float(b), v, 1.0 + k % 3] for k, ((a, b), v) in enumerate(zip(inputs, y, strict=True))
    ]
    along = [((F(5), F(0)), (F(1), F(0))), ((F(0), F(1)), (F(0), F(2))), ((F(1), F(1)), (F(9), F(9)))]
    lines = [(along[0], 1, True), (along[1], 1, False), (along[2], 2, False)]
    several = floors(lattice, 2, True, 1, lines[:2])
    return {
        "pieces of a line": case(1, line, (1, 1, False), ["1", "0"], [joined, apart]),
        "lines of a lattice": case(1, lattice, (2, 1, True), ["1", "1/2"], [several]),
        "every other": case(1, lattice, (2, 1, True), ["1", "0"], [floors(lattice, 2, True, 1, [lines[2]])]),
    }
