"""Descent through activation patterns and the best hinge: kernels against twins."""

from __future__ import annotations

import numpy as np
import pytest

from fastminima.kernels import _search, reference_search


def _work(m, n, width):
    size = width * n + 1
    work = np.full(m * (2 * width + 4) + _search.ROWS * size + 2 * size * size + 2 * size, np.nan)
    return work, np.full(m * width + 2, -1, dtype=np.int32), np.full(4 * m * width, np.nan)


def _case(m, dx, width, seed, weighted=True):
    rng = np.random.default_rng(seed)
    root = np.sqrt(rng.uniform(0.2, 1.0, m)) if weighted else np.ones(m)
    X = np.ascontiguousarray(np.column_stack([rng.normal(size=(m, dx)), np.ones(m)]) * root[:, None])
    return (
        X,
        rng.normal(size=m),
        np.where(rng.random(width) < 0.5, -1.0, 1.0),
        rng.normal(size=width * (dx + 1) + 1),
    )


# blocks of 512 rows: one below, at and above; sizes of a BLAS call of every remainder
@pytest.mark.parametrize("m", [70, 90, 511, 512, 513, 1030])
@pytest.mark.parametrize(("dx", "width"), [(1, 1), (2, 3), (5, 2)])
@pytest.mark.parametrize(("plus", "minus"), [(1.0, 0.0), (1.0, 0.25)])
def test_one_step_equals_its_twin(m, dx, width, plus, minus):
    X, y, sign, start = _case(m, dx, width, m)
    start *= 0.3  # no unit is off: the pattern's least-squares point is unique
    start[1:].reshape(width, -1)[:, -1] *= 0.3
    ours, twin = start.copy(), start.copy()
    room = _work(m, dx + 1, width)
    risk, taken = _search.descend(X, y, plus, minus, sign, ours, 1, 1e-6, *room)
    expected, _ = reference_search.descend(X, y, plus, minus, sign, twin, 1, 1e-6, *room)
    assert taken == 1
    assert risk == pytest.approx(expected, rel=1e-6)
    rest = X @ ours[1:].reshape(width, -1).T
    rest = ours[0] * X[:, -1] + (np.where(rest > 0, plus, minus) * rest) @ sign - y
    assert risk == pytest.approx(0.5 * rest @ rest, rel=1e-12)


def test_the_risk_never_rises_and_ends_where_the_gradient_is_small_or_a_kink_holds():
    for seed in range(20):
        X, y, sign, parameters = _case(60, 2, 2, seed)
        room = _work(60, 3, 2)
        last = np.inf
        for _ in range(30):
            risk, _ = _search.descend(X, y, 1.0, 0.0, sign, parameters, 1, 1e-6, *room)
            assert risk <= last * (1 + 1e-12)
            last = risk
        expected, _ = _search.descend(X, y, 1.0, 0.0, sign, parameters, 200, 1e-6, *room)
        assert expected <= last * (1 + 1e-12)
        assert np.isfinite(parameters).all()


def test_units_that_are_zero_and_risk_zero_end_at_once():
    X, y, sign, parameters = _case(40, 2, 2, 0)
    room = _work(40, 3, 2)
    parameters[:] = 0.0
    risk, _ = _search.descend(X, y, 1.0, 0.0, sign, parameters, 50, 1e-6, *room)
    # only the output bias moves
    root = X[:, -1]
    mean = root @ y / (root @ root)
    assert risk == pytest.approx(0.5 * np.sum((y - mean * root) ** 2), rel=1e-10)
    parameters[0] = 0.0
    assert _search.descend(X, np.zeros(40), 1.0, 0.0, sign, parameters, 50, 1e-6, *room) == (0.0, 0)


@pytest.mark.parametrize("m", [2, 3, 5, 47, 49, 200])
@pytest.mark.parametrize("dx", [1, 3])
def test_best_hinge_equals_its_twin(m, dx):
    X, r, _, _ = _case(m, dx, 1, m)
    directions = np.random.default_rng(m).normal(size=(4, dx))
    room = _work(m, dx + 1, 1)
    ours, twin = np.full(4, np.nan), np.full(4, np.nan)
    _search.best_hinge(X, r, directions, *room, ours)
    reference_search.best_hinge(X, r, directions, *room, twin)
    if dx == 1:  # all directions are one, and rounding chooses among them
        assert ours[0] == pytest.approx(twin[0], rel=1e-9)
        ours[2:], twin[2:] = (
            ours[2:] * [1 / directions[int(ours[1]), 0], 0],
            twin[2:] * [1 / directions[int(twin[1]), 0], 0],
        )
        ours[1], twin[1] = 0, 0
    assert ours == pytest.approx(twin, rel=1e-7, abs=1e-12)


def test_ties_and_projections_that_do_not_vary_are_no_knots():
    X = np.column_stack([[0.0, 0, 0, 1, 1, 1, 2, 2], np.ones(8)])
    r = np.array([1.0, 1, 1, -1, -1, -1, 2, 2])
    room = _work(8, 2, 1)
    found = np.full(4, np.nan)
    _search.best_hinge(np.ascontiguousarray(X), r, np.array([[0.0], [1.0]]), *room, found)
    assert found[1] == 1
    assert found[2] in (0.0, 1.0)
    _search.best_hinge(np.ascontiguousarray(X), r, np.array([[0.0]]), *room, found)
    assert not found.any()
