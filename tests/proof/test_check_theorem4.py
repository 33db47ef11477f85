"""The checker on theorem 4: the gradient, and the second order of an escape."""

from __future__ import annotations

from fractions import Fraction as F

import pytest

from certificates_by_hand import all_cases, text_of
from certificates_changed import verdict
from fastminima.proof import check as checker

CASES = all_cases()


@pytest.mark.parametrize("name", ["saddle", "deep saddle", "wide saddle", "half trained", "minimum"])
def test_the_gradient_of_theorem_4(name, monkeypatch):
    made = CASES[name]
    for block in (1, 1 << 14):
        monkeypatch.setattr(checker, "BLOCK", block)
        table = checker.Table(made.read, made.words["data"])
        statement = checker.Theorem4(table, made.words["setting"])
        task = statement.data()
        next(task)
        for part in table.blocks():
            task.send(part)
        assert next(task, True)
        X = [[*map(F, line[: table.dx]), *[F(1)] * made.words["setting"]["bias"]] for line in made.rows]
        Y = [list(map(F, line[table.dx :])) for line in made.rows]
        errors = [
            [sum(a * b for a, b in zip(r, x, strict=True)) - t for r, t in zip(statement.R, y, strict=True)]
            for x, y in zip(X, Y, strict=True)
        ]
        n = len(X[0])
        assert [[sum(x[i] * x[j] for x in X) for j in range(n)] for i in range(n)] == statement.A
        assert [
            [sum(e[i] * x[j] for e, x in zip(errors, X, strict=True)) for j in range(n)]
            for i in range(table.dy)
        ] == statement.G


@pytest.mark.parametrize(
    ("times_optimum", "falls"), [(F(3, 2), True), (F(21, 10), False), (F(-1, 10), False)]
)
def test_the_second_order_of_an_escape_counts(times_optimum, falls):
    """Along one entry of the product the loss is a parabola: it falls up to twice its optimum."""
    made = CASES["saddle"].copy()
    escape = made.words["claims"][1]
    X, Y = [line[:2] for line in made.rows], [line[2:] for line in made.rows]
    a = made.words["claims"][0]["a"]
    best = sum(F(x[0]) * F(y[a]) for x, y in zip(X, Y, strict=True)) / sum(F(x[0]) ** 2 for x in X)
    down = [[[1, 0], [0, 0]], [[0, 0], [0, 0]]]
    down[1][a][0] = best * times_optimum  # type: ignore[call-overload]
    escape.update(down=text_of(down), radius="10")
    assert bool(verdict(made)) is falls
