"""The estimators keep scikit-learn's contract, and what they fit is what the library finds."""

from __future__ import annotations

import doctest
import pickle

import numpy as np
import pytest

import fastminima as fm

pytest.importorskip("sklearn")

from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from fastminima.sklearn import ReLURegressor, SpuriousMinimumRegressor, estimators

MODELS = [
    ReLURegressor(width=2, n_starts=1),
    ReLURegressor(width=2, method="search", n_starts=1),
    ReLURegressor(width=2, method="kink"),
    SpuriousMinimumRegressor(),
]
NAMES = ["best", "search", "kink", "spurious"]


def tent(m=24, dx=2):
    """Rows that a bend fits much better than a plane."""
    X = np.random.default_rng(5).normal(size=(m, dx))
    return X, np.abs(X[:, 0]) + 0.1 * X[:, -1]


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_scikit_learns_own_checks(model):
    done = check_estimator(model, on_skip=None)
    assert {log["check_name"] for log in done if log["status"] != "passed"} <= {"check_array_api_input"}
    assert len(done) > 40


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_weights_are_repeated_rows_to_the_bit_and_order_does_not_matter(model):
    X, y = tent()
    counts = np.arange(len(y)) % 4
    weighted = model.fit(X, y, sample_weight=counts).predict(X)
    order = np.random.default_rng(0).permutation(counts.sum())
    repeated = model.fit(np.repeat(X, counts, axis=0)[order], np.repeat(y, counts)[order]).predict(X)
    assert np.array_equal(weighted, repeated)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_certificates_are_accepted_and_the_estimator_survives_pickling(model):
    X, y = tent()
    model.fit(X, y)
    assert fm.check(model.certificate_, model.data_)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(X), model.predict(X))
    assert model.risk_ == pytest.approx(0.5 * np.sum((model.predict(X) - y) ** 2), rel=1e-9, abs=1e-12)


def test_the_spurious_minimum_is_the_linear_fit_and_the_others_are_below_it():
    X, y = tent()
    bad = SpuriousMinimumRegressor().fit(X, y)
    affine = np.column_stack([X, np.ones(len(y))])
    assert np.allclose(bad.predict(X), affine @ np.linalg.lstsq(affine, y, rcond=None)[0])
    risks = [model.fit(X, y).risk_ for model in MODELS[:3]]
    assert max(risks) < bad.risk_
    # polished, from the same search; a network that fits is off by rounding alone
    assert risks[0] <= risks[1] * (1 + 1e-12) + 1e-28 * (y @ y)


def test_the_examples_in_the_docstrings_run():
    done = doctest.testmod(estimators)
    assert (done.failed, done.attempted) == (0, 7)


def test_the_same_random_state_finds_what_fit_network_finds():
    X, y = tent()
    order = np.lexsort(np.column_stack([X, y]).T[::-1])  # the estimator fits the rows in sorted order
    found = fm.fit_network((X[order], y[order]), 2, n_starts=1, random_state=3)
    model = ReLURegressor(2, method="search", n_starts=1, random_state=3).fit(X, y)
    assert model.network_ == found.network


def test_the_bracket_holds_the_risk_of_the_fit():
    X, y = tent(dx=1)
    model = ReLURegressor(width=2, method="search", n_starts=2).fit(X, y)
    found = model.bracket_
    assert found.width == 2
    assert found.lower <= model.risk_ * (1 + 1e-12)


def test_grid_search_over_a_pipeline_with_names():
    pandas = pytest.importorskip("pandas")
    X, y = tent()
    frame = pandas.DataFrame(X, columns=["a", "b"])
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), ReLURegressor(n_starts=1))
    grid = GridSearchCV(pipeline, {"reluregressor__width": [1, 2]}, cv=3).fit(frame, y)
    assert grid.best_params_ == {"reluregressor__width": 2}
    assert list(grid.best_estimator_[-1].feature_names_in_) == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        grid.best_estimator_[-1].predict(frame.rename(columns={"a": "c"}))


def test_what_is_refused():
    X, y = tent()
    with pytest.raises(fm.errors.OptionError, match="best, kink, search"):
        ReLURegressor(method="adam").fit(X, y)
    with pytest.raises(fm.errors.DataError):
        SpuriousMinimumRegressor().fit(X, y, sample_weight=np.where(np.arange(len(y)) == 3, -1.0, 1.0))
