"""Jumps between two affine functions, as a place where a search begins."""

from __future__ import annotations

import numpy as np
import pytest

import fastminima as fm
from fastminima.fit.jumps import jumped
from fastminima.fit.scaled_rows import Candidate, ScaledRows


def step(seed, d=2, m=60):
    """An affine function beyond a line, another constant before it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, d))
    return X, np.where(X @ np.arange(1.0, d + 1) > 0.3, 2.0 + X @ rng.normal(size=d), -1.0)


@pytest.mark.parametrize("d", [2, 3, 4])
def test_a_jump_is_found_by_two_units(d):
    X, y = step(d, d)
    data = fm.Dataset(X, y)
    found = fm.fit_network(data, 2, n_starts=12)
    assert found.exact_risk < 1e-3 * fm.least_squares(data).exact.risk


def test_the_same_network_for_any_number_of_workers():
    rng = np.random.default_rng(3)
    data = fm.Dataset(rng.normal(size=(40, 2)), rng.normal(size=40))
    one, two = (fm.fit_network(data, 2, n_starts=7, workers=w) for w in (1, 2))
    assert one.network == two.network
    assert one.exact_risk == two.exact_risk


@pytest.mark.parametrize("slopes", [(1.0, 0.0), (2.0, 0.25), (1.0, -1.0)])
def test_what_two_units_add_is_an_affine_function_beyond_the_threshold(slopes):
    X, y = step(5)
    rows = ScaledRows.of(fm.Dataset(X, y, sample_weight=np.linspace(0.5, 2.0, 60)), slopes)
    nothing = Candidate(np.inf, np.zeros(7), np.ones(2))
    directions = np.array([[1.0, 0.0], [0.0, 0.0], [0.6, 0.8]])
    other = jumped(rows, nothing, (0, 1), directions)
    assert other.sign.tolist() == [1.0, -1.0]
    # h(lambda + T z) - h(T z) less s- lambda/(s+ - s-) is lambda beyond the threshold and 0 before it
    inputs = rows.X / rows.X[:, -1:]
    bend = slopes[0] - slopes[1]
    jump = (other.rows[0] - other.rows[1]) * bend
    added = (rows.residuals(other) - rows.residuals(nothing)) / rows.X[:, -1] - slopes[1] / bend * (inputs @ jump)
    beyond = inputs @ other.rows[1] > 0.0
    assert 0 < beyond.sum() < 60
    scale = np.abs(inputs @ other.rows[1]).max()
    assert added == pytest.approx(np.where(beyond, inputs @ jump, 0.0), abs=1e-12 * scale)
    if slopes[1] == 0.0:
        assert np.square(rows.residuals(other)).sum() < np.square(rows.residuals(nothing)).sum()


def test_where_all_rows_are_at_one_place_there_is_no_jump():
    rows = ScaledRows.of(fm.Dataset(np.ones((5, 2)), np.arange(5.0)), (1.0, 0.0))
    nothing = Candidate(np.inf, np.zeros(7), np.ones(2))
    assert jumped(rows, nothing, (0, 1), np.eye(2)) is nothing
