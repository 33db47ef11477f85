"""Cells of hidden rows: kernel against twin, and against rational arithmetic on the same numbers."""

from __future__ import annotations

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.kernels import _cones, reference_cones
from profiles import examples


def called(module, table, slopes, sigma, low, high, forced):
    x, y, w = table
    width, d1 = low.shape
    sign, kept = np.full((width, len(y)), 7, np.int8), np.zeros(len(y), np.int32)
    out = np.full(module.REPORT + d1 * (1 + width) + 4 * width, np.nan)
    module.node_bound(x, y, w, *slopes, sigma, low, high, forced, sign, kept, out)
    return sign, kept[: int(out[3])], out


def problem(rng, n, d, width, depth):
    """Rows, and a cell whose boxes were halved so many times."""
    x = np.column_stack([rng.uniform(-1, 1, (n, d)), np.ones(n)])
    table = x, rng.uniform(-1, 1, n), rng.uniform(0.25, 1, n)
    low, high = -np.ones((width, d + 1)), np.ones((width, d + 1))
    for k in range(width):
        face = rng.integers(d + 1)
        low[k, face] = high[k, face] = rng.choice([-1.0, 1.0])
        for _ in range(depth):
            j = rng.choice([j for j in range(d + 1) if j != face])
            middle = (low[k, j] + high[k, j]) / 2
            if rng.random() < 0.5:
                low[k, j] = middle
            else:
                high[k, j] = middle
    forced = np.array(
        [[k, i, rng.choice([-1, 1])] for k in range(width) for i in rng.choice(n, min(n, 2), False)], np.int32
    ).reshape(-1, 3)
    return table, rng.choice([-1.0, 1.0], width), low, high, forced[: rng.integers(0, 2 * width + 1)]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 17, 40])
@pytest.mark.parametrize(("d", "width"), [(1, 1), (1, 2), (2, 1), (3, 1), (2, 2), (1, 4)])
@pytest.mark.parametrize("slopes", [(1.0, 0.0), (1.0, 0.125)])
def test_the_kernel_equals_its_twin(n, d, width, slopes):
    regular = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        given = problem(rng, n, d, width, 2 + seed)
        sign, kept, out = called(_cones, given[0], slopes, *given[1:])
        twin_sign, twin_kept, twin = called(reference_cones, given[0], slopes, *given[1:])
        assert np.array_equal(sign, twin_sign)
        assert np.array_equal(kept, twin_kept)
        assert out[4] == twin[4]
        # where the minimum is at many places the estimate is one, and the bound is of fewer rows
        whole = int(twin[3]) == int((sign != 0).all(axis=0).sum())
        loose = {"rel": 1e-6, "abs": 1e-8} if whole else {"rel": 0.05, "abs": 1e-3}
        assert out[0] == pytest.approx(twin[0], **loose)
        units, twin_units = out[-4 * width :].reshape(width, 4), twin[-4 * width :].reshape(width, 4)
        assert np.array_equal(units[:, 0], twin_units[:, 0])
        regular += whole
        assert 0.0 <= out[1] <= twin[1] + 1e-12
        assert out[1] == pytest.approx(twin[1], rel=1e-6, abs=1e-8)
    assert regular or n < 17


def test_rows_that_a_unit_has_for_itself_are_left_out_where_it_is_not_unique():
    """One unit, positive on two of 12 rows: a plane through two rows is not one plane."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.uniform(-0.9, -0.7, 12), rng.uniform(-1, 1, 12), np.ones(12)])
    x[:2, 0] = 0.8, 0.9
    y, w = rng.uniform(-1, 1, 12), rng.uniform(0.25, 1, 12)
    low, high = np.array([[1.0, -0.125, -0.5]]), np.array([[1.0, 0.125, 0.5]])
    none = np.empty((0, 3), np.int32)
    _, kept, out = called(_cones, (x, y, w), (1.0, 0.0), np.ones(1), low, high, none)
    assert kept.tolist() == list(range(2, 12))
    mean = w[2:] @ y[2:] / w[2:].sum()
    assert out[1] == pytest.approx(w[2:] @ (y[2:] - mean) ** 2 / 2, rel=1e-9)


@settings(max_examples=examples(60), deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 2),
    st.sampled_from([(1.0, 0.0), (1.0, 0.25)]),
)
def test_no_function_of_the_cell_has_a_lower_risk(seed, d, width, slopes):
    """In rationals, for functions whose rows are drawn from the boxes and obey the signs."""
    rng = np.random.default_rng(seed)
    (x, y, w), sigma, low, high, forced = problem(
        rng, int(rng.integers(2, 20)), d, width, int(rng.integers(0, 9))
    )
    _, _, out = called(_cones, (x, y, w), slopes, sigma, low, high, forced)
    for _ in range(6):
        q = rng.uniform(low, high) * rng.exponential(size=(width, 1)) * rng.choice([0.0, 1.0, 1e3])
        z = [
            [sum(F(a) * F(b) for a, b in zip(row, xi, strict=True)) for row in q.tolist()]
            for xi in x.tolist()
        ]
        if any(z[i][k] * s < 0 for k, i, s in forced.tolist()):
            continue
        h = [
            sum(
                F(s) * v * F(slopes[0] if v > 0 else slopes[1])
                for s, v in zip(sigma.tolist(), row, strict=True)
            )
            for row in z
        ]
        rest = [F(b) - a for a, b in zip(h, y.tolist(), strict=True)]
        weights = list(map(F, w.tolist()))
        b = sum(a * c for a, c in zip(weights, rest, strict=True)) / sum(weights)
        assert F(float(out[1])) <= sum(a * (c - b) ** 2 for a, c in zip(weights, rest, strict=True)) / 2


def test_more_inequalities_than_there_is_room_for_are_left_out():
    rng = np.random.default_rng(3)
    table, sigma, low, high, _ = problem(rng, 90, 2, 1, 3)
    forced = np.array([[0, i, 1 if i % 2 else -1] for i in range(90)], np.int32)
    out = called(_cones, table, (1.0, 0.0), sigma, low, high, forced)[2]
    assert forced.shape[0] > _cones.MOST_LIMITS
    assert 0.0 <= out[1] <= out[0] * (1 + 1e-9)
