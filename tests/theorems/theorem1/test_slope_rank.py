"""Ranks of best slopes of class losses: what bounds prove, against Newton's steps with 60 digits."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.exact.matrix import RationalMatrix
from fastminima.theorems.theorem1.class_fit import _Columns
from fastminima.theorems.theorem1.float_fit import orthonormal
from fastminima.theorems.theorem1.slope_rank import coefficient_errors, rank_is_at_least
from profiles import examples


def newton(T, y, w, theta):
    """The minimiser of logistic loss in columns T, with 60 digits."""
    for _ in range(8):
        gradient, H = mpmath.zeros(len(theta), 1), mpmath.zeros(len(theta))
        for row, t, c in zip(T, y, w, strict=True):
            p = 1 / (1 + mpmath.exp(-sum(a * b for a, b in zip(row, theta, strict=True))))
            for a in range(len(theta)):
                gradient[a] += c * (p - t) * row[a]
                for b in range(len(theta)):
                    H[a, b] += c * p * (1 - p) * row[a] * row[b]
        step = mpmath.lu_solve(H, gradient)
        theta = [v - step[k] for k, v in enumerate(theta)]
    return theta


@pytest.mark.parametrize("seed", range(6))
def test_coefficients_are_as_near_as_said(seed):
    rng = np.random.default_rng(seed)
    X = np.round(rng.standard_normal((14, 2)), 2) * [1.0, 100.0]
    y = rng.integers(0, 2, 14)
    y[:4], X[2:4] = [0, 1, 1, 0], X[:2]
    w = rng.integers(1, 5, 14) / 2
    low = fm.spurious_minimum((X, y, w), "relu", (3,), loss="logistic", label_smoothing=0.05 * (seed % 2))
    fits = low.fits
    columns = _Columns.of(fits.data)
    B, _ = orthonormal(columns.table.rounded(), w)
    [errors] = coefficient_errors(columns.table, B, fits.points[0], w.tolist(), fits.gap)
    slopes = [v * s for v, s in zip(fits.slopes[0], columns.scale[1:], strict=True)]
    with mpmath.workdps(60):
        T = [[mpmath.mpf(v.numerator) / v.denominator for v in row] for row in columns.table.rows()]
        share = [mpmath.mpf(t.numerator) / t.denominator for (t,) in fits.loss_sum.targets.rows()]
        start = [0.0, *map(float, slopes)]
        best = newton(T, share, w.tolist(), [mpmath.mpf(v) for v in start])
        for k, v in enumerate(slopes):
            assert abs(best[k + 1] - mpmath.mpf(v.numerator) / v.denominator) <= float(errors[k + 1])
    assert max(errors) < 1e-9


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4), st.integers(0, 4))
def test_what_is_proved_of_ranks_holds_for_all_matrices_near(seed, rows, columns, k):
    rng = np.random.default_rng(seed)
    r = int(rng.integers(0, min(rows, columns) + 1))
    A = rng.integers(-3, 4, (rows, r)) @ rng.integers(-3, 4, (r, columns)) * 1.0
    A += 1e-17 * rng.standard_normal(A.shape)
    slopes = [[Fraction(v) for v in row] for row in A.tolist()]
    for size in (0.0, 1e-14, 1e-3, 0.3, 10.0):
        errors = [[Fraction(size)] * columns for _ in range(rows)]
        if not rank_is_at_least(k, slopes, errors):
            continue
        for _ in range(20):
            near = A + size * rng.choice([-1.0, 1.0], A.shape)
            assert RationalMatrix.of_floats(near).rank() >= k
        # the smallest change that lowers the rank is larger than what was allowed
        if k:
            assert np.linalg.svd(A)[1][k - 1] >= size * (1 - 1e-9) - 1e-15


def test_a_clear_rank_is_proved():
    A = [[Fraction(3), Fraction(1)], [Fraction(1), Fraction(2)], [Fraction(0), Fraction(1)]]
    assert rank_is_at_least(2, A, [[Fraction(1, 10)] * 2] * 3)
    assert not rank_is_at_least(2, A, [[Fraction(3)] * 2] * 3)
    assert not rank_is_at_least(3, A, [[Fraction(0)] * 2] * 3)
    assert rank_is_at_least(0, [], [])


def test_a_rank_of_rounding_is_no_bottleneck():
    rng = np.random.default_rng(0)
    # the second column comes with both signs at each value of the first: its slopes are 0, but for rounding
    first = np.repeat(np.round(rng.standard_normal(12), 2), 2)
    X = np.column_stack([first, np.tile([1.0, -1.0], 12) * np.repeat(rng.integers(1, 4, 12), 2)])
    y = np.repeat(rng.integers(0, 3, 12), 2)
    low = fm.spurious_minimum((X, y), "relu", (1,), loss="softmax", label_smoothing=0.1)
    assert (str(low.status), low.reason.partition(":")[0], low.network) == (
        "undecided",
        "rank_in_bounds",
        None,
    )
    better = fm.better_point(low)
    assert (bool(better), str(better.status)) == (False, "undecided")
    assert fm.spurious_minimum((X, y), "relu", (2,), loss="softmax", label_smoothing=0.1).status == "spurious"
    X[0, 1] += 0.01
    low = fm.spurious_minimum((X, y), "relu", (1,), loss="softmax", label_smoothing=0.1)
    assert (str(low.status), low.network) == ("bottleneck", None)
    Y = rng.integers(0, 2, (24, 2))
    assert fm.spurious_minimum((X, Y), "relu", (3, 1), loss="logistic").status == "bottleneck"
