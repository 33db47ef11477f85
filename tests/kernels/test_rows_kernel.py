"""The pass over rows: every remainder of its panels, every variant, strides and weights, against its NumPy twin."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fastminima.kernels import _rows as kernels
from fastminima.kernels import reference_rows as twins

VARIANTS = range(kernels.BEST_VARIANT + 1)


def problem(m, n, seed, weighted, layout):
    rng = np.random.default_rng(seed)
    wide = rng.standard_normal((m, n + 3)) * 10.0 ** rng.integers(-2, 3, n + 3) + 3.0
    X, y = wide[:, 1 : n + 1], wide[:, n + 1]
    w = rng.random((m, 2))[:, 0] + 0.5 if weighted else np.empty(0)
    if layout == "contiguous":
        X, y = np.ascontiguousarray(X), y.copy()
    elif layout == "read only":
        wide.flags.writeable = False
    elif layout == "reversed":
        X, y, w = X[::-1], y[::-1], w[::-1]
    return X, y, w, rng.standard_normal(n), 0.5, rng.standard_normal(n), -0.25


def lines_of(count):
    """(a, b): a t + b n."""
    return np.random.default_rng(count).integers(-3, 4, (count, 2)) * 0.5


def evaluated(module, variant, X, y, w, centre, centre_y, slopes, level, count=3):
    m, n = X.shape
    out = [np.full(m, np.nan) for _ in range(3)]
    out += [np.full(n + 1, np.nan), np.full(kernels.TOTALS, np.nan), np.full(count, np.nan)]
    work = np.full(kernels.evaluate_work(n, count), np.nan)
    module.evaluate_rows(X, y, w, centre, centre_y, slopes, level, lines_of(count), variant, work, *out)
    return out


def moments(module, variant, X, y, w, centre, centre_y):
    n = X.shape[1]
    out = np.full((n + 2, n + 2), np.nan), np.full(n + 2, np.nan)
    module.moments_rows(X, y, w, centre, centre_y, variant, np.full(kernels.moments_work(n), np.nan), *out)
    return out


@pytest.mark.parametrize("layout", ["strided", "contiguous", "read only", "reversed"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 8, 10, 16, 23])
def test_rows_agree_with_their_twins(n, weighted, layout):
    for m in [*range(1, 4 * kernels.PANEL + 2), 100, 257]:
        given = problem(m, n, 31 * m + n, weighted, layout)
        truth = evaluated(twins, 0, *given)
        first = evaluated(kernels, 0, *given)
        size = 1e-13 * (1.0 + sum(float(np.abs(part).max()) for part in truth))
        for ours, theirs in zip(first, truth, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=m * size)
        products = moments(kernels, 0, *given[:5])
        for ours, theirs in zip(products, moments(twins, 0, *given[:5]), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * float(np.abs(theirs).max()))
        np.testing.assert_array_equal(products[0], products[0].T)
        for variant in VARIANTS:
            for ours, theirs in zip(evaluated(kernels, variant, *given), first, strict=True):
                np.testing.assert_array_equal(ours, theirs)
            for ours, theirs in zip(moments(kernels, variant, *given[:5]), products, strict=True):
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("count", [0, 1, 2, 25])
@pytest.mark.parametrize("m", [1, 7, 8, 9, 100])
def test_the_lowest_values_of_lines_are_those_of_the_rows(m, count):
    """No row lies lower, whatever the variant, and one attains each."""
    given = problem(m, 4, m + count, False, "strided")
    for variant in VARIANTS:
        values, _, norms, _, _, lowest = evaluated(kernels, variant, *given, count)
        for (a, b), found in zip(lines_of(count).tolist(), lowest.tolist(), strict=True):
            assert found == (a * values + b * norms).min()


def test_integers_are_summed_exactly():
    rng = np.random.default_rng(0)
    X, y, w = (
        rng.integers(-50, 50, (333, 5)) * 1.0,
        rng.integers(-50, 50, 333) * 1.0,
        rng.integers(1, 9, 333) * 1.0,
    )
    centre, slopes = np.arange(5.0), np.array([1.0, -2.0, 0.5, 0.0, 4.0])
    given = (X, y, w, centre, 3.0, slopes, 0.5)
    for ours, theirs in zip(
        evaluated(kernels, kernels.BEST_VARIANT, *given), evaluated(twins, 0, *given), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(
        moments(kernels, kernels.BEST_VARIANT, *given[:5]), moments(twins, 0, *given[:5]), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_the_rounding_bounds_of_the_fit_hold_for_the_kernel():
    """|t - exact| <= gamma_{n+4} (sum |w| |x'| + |level|), |norm - exact| <= gamma_{n+8} norm."""
    u = Fraction(1, 2**53)
    for seed in range(20):
        X, y, w, centre, centre_y, slopes, level = problem(17, 6, seed, False, "strided")
        X = X + 1e6
        values, _, norms, *_ = evaluated(
            kernels, kernels.BEST_VARIANT, X, y, w, centre + 1e6, centre_y, slopes, level
        )
        for i in range(17):
            x = [
                Fraction(v) - Fraction(c) for v, c in zip(X[i].tolist(), (centre + 1e6).tolist(), strict=True)
            ]
            terms = [a * Fraction(s) for a, s in zip(x, slopes.tolist(), strict=True)]
            bound = 10 * u / (1 - 10 * u) * (sum(map(abs, terms)) + abs(Fraction(level)))
            assert abs(Fraction(float(values[i])) - sum(terms) - Fraction(level)) <= bound
            square = 1 + sum(Fraction(v) ** 2 for v in X[i].tolist())
            assert abs(Fraction(float(norms[i])) ** 2 / square - 1) <= 2 * 14 * u


def test_no_row_and_no_column():
    out = [np.full(1, 7.0), np.full(5, 7.0), np.full(1, 7.0)]
    nothing = np.empty((0, 0)), np.empty(0), np.empty(0), np.empty(0), 0.0
    work = np.empty(100)
    lines, empty = lines_of(1), [np.empty(0) for _ in range(3)]
    kernels.evaluate_rows(*nothing, np.empty(0), 1.0, lines, 0, work, *empty, *out)
    assert out[0].tolist() == out[2].tolist() == [7.0]  # untouched: there is nothing to say
    values, residual, norm, gradient, totals, _ = evaluated(
        kernels, 0, np.empty((3, 0)), np.arange(3.0), np.empty(0), np.empty(0), 1.0, np.empty(0), 2.0
    )
    assert (values.tolist(), residual.tolist(), norm.tolist()) == ([2.0] * 3, [3.0, 2.0, 1.0], [1.0] * 3)
    assert (gradient.tolist(), totals.tolist()) == ([6.0], [14.0, 6.0, 2.0, 2.0, 3.0])


def test_every_variant_is_reached():
    source = Path(kernels.__file__).with_name("_rows.h").read_text()
    assert len(re.findall(r"^FR_VARIANT\(", source, re.M)) == 3
    assert 0 <= kernels.BEST_VARIANT <= 2
