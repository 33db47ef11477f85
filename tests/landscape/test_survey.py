"""What is summed once around a base point: residuals, gradients, margins, the quadratic form."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.landscape.perturb import survey as survey_module
from fastminima.landscape.perturb.base_point import BasePoint
from fastminima.landscape.perturb.screen import Screen
from fastminima.landscape.perturb.survey import survey
from profiles import examples
from screened import Exact, random_problem
from strategies import tables


def test_gradient_and_residuals_are_double_double():
    network, data = random_problem(4, 300, 3, 3, fm.leaky_relu(0.1), weighted=True)
    base, exact = BasePoint(network, data), Exact(network, data)
    wanted = [Fraction(0)] * base.gradient.shape[1]
    sizes = list(wanted)
    for i, (x, z) in enumerate(zip(exact.X, exact.base[1], strict=True)):
        slopes = [exact.slopes[t <= 0] for t in z]
        f = Fraction(network.b2) + sum(
            Fraction(v) * t * s for v, t, s in zip(network.W2.tolist(), z, slopes, strict=True)
        )
        e = f - exact.y[i]
        assert Fraction(base.residual[i]) == pytest.approx(e, rel=2**-52, abs=2**-95)
        phi = [s * v for s in slopes for v in (*x, Fraction(1))] + [Fraction(1)]
        for a, value in enumerate(phi):
            wanted[a] += exact.weight[i] * e * value
            sizes[a] += exact.weight[i] * abs(e * value)
    for a, (hi, lo) in enumerate(base.gradient.T):
        assert abs(Fraction(hi) + Fraction(lo) - wanted[a]) <= Fraction(2) ** -94 * sizes[a]


def listed_signs(network, data, reach):
    near, _ = survey(BasePoint(network, data), reach, quadratic_form=False)
    return [near.start[j + 1] - near.start[j] for j in range(network.width)], near


def test_samples_left_out_keep_their_sign():
    # |z|/||x~|| of the first sample is exactly 0.6 * 5 / 5: the reach equals the margin, the sample must be listed
    X = np.array([[4.0, np.sqrt(8.0)], [0.0, 0.0]])
    network = fm.OneHiddenLayer(np.array([[0.0, 0.0]]), np.array([3.0]), np.array([1.0]), 0.0, fm.relu)
    norm = np.sqrt(1 + (X**2).sum(axis=1))
    for reach in (3.0 / norm[0], np.nextafter(3.0 / norm[0], 0), 3.0 / norm[0] * (1 - 1e-16)):
        counts, _ = listed_signs(network, fm.Dataset(X, np.zeros(2)), reach)
        assert counts == [1] or Fraction(reach) ** 2 * (1 + sum(Fraction(v) ** 2 for v in X[0])) < 9
    # and the bound is tight: a reach a little below lists nothing
    assert listed_signs(network, fm.Dataset(X, np.zeros(2)), 3.0 / norm[0] * (1 - 1e-14))[0] == [0]


def test_margins_count_what_double_double_loses():
    # 1 + 2^-70 - 2^-130 needs 131 bits: z comes out as 2^-120, a thousandth too large
    row = np.array([[1.0, 2.0**-70, -(2.0**-130), -1.0, -(2.0**-70) + 2.0**-120]])
    network = fm.OneHiddenLayer(row, np.zeros(1), np.ones(1), 0.0, fm.relu)
    near, _ = survey(BasePoint(network, fm.Dataset(np.ones((1, 5)), np.zeros(1))), 1.0, quadratic_form=False)
    exact = sum(map(Fraction, row[0].tolist()))
    assert 0 < exact < Fraction(near.rows[0, 8])
    assert Fraction(near.margin[0]) ** 2 * 6 <= exact**2


@settings(max_examples=examples(100))
@given(table=tables(weighted=False), seed=st.integers(0, 2**32 - 1))
def test_margins_are_lower_bounds(table, seed):
    X, y, _ = table
    rng = np.random.default_rng(seed)
    network = fm.OneHiddenLayer(
        rng.normal(size=(2, X.shape[1])), rng.integers(-1, 2, 2), np.ones(2), 0.0, fm.relu
    )
    near, _ = survey(BasePoint(network, fm.Dataset(X, y)), np.inf, quadratic_form=False)
    Z = Exact(network, fm.Dataset(X, y)).base[1]
    squares = [1 + sum((Fraction(v) ** 2 for v in row), Fraction(0)) for row in X.tolist()]
    for j in range(2):
        exact = sorted(z[j] ** 2 / s for z, s in zip(Z, squares, strict=True))
        bounds = near.margin[near.start[j] : near.start[j + 1]]
        assert len(bounds) == len(y)
        assert all(Fraction(b) ** 2 <= e for b, e in zip(bounds, exact, strict=True))


@pytest.mark.parametrize("limit", [0, 40, 10**9])
def test_forms_agree(limit, monkeypatch):
    # many patterns one by one, their sum, or one big Gram matrix
    network, data = random_problem(14, 200, 2, 6, fm.leaky_relu(0.3), weighted=True)
    reference = Screen(BasePoint(network, data), 0.0).form
    monkeypatch.setattr(survey_module, "_PATTERN_ENTRIES", limit)
    monkeypatch.setattr(survey_module, "BLOCK_ROWS", 64)
    other = Screen(BasePoint(network, data), 0.0).form
    assert len(reference.slopes) == len(other.slopes) == 0
    q = network.width * 3 + 1
    first, second = (f.factor.reshape(-1, q).T @ f.factor.reshape(-1, q) for f in (reference, other))
    np.testing.assert_allclose(second, first, rtol=1e-12, atol=1e-12)
    assert (other.n_patterns == 0) == (limit < 10**9 and reference.n_patterns > 16)
