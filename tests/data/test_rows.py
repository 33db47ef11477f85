"""A dataset and where its rows are: arrays, or whatever has them when they are asked for."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

import fastminima as fm
from fastminima.data.rows import RowsInMemory
from fastminima.data.sources.open_sources import open_sources
from fastminima.errors import TooLargeError
from fastminima.scanning.streamed import RowsOnDemand

RNG = np.random.default_rng(3)
X, Y, W = RNG.normal(size=(40, 3)), RNG.normal(size=40), RNG.integers(1, 5, 40).astype(float)


@pytest.fixture(params=[None, W], ids=["plain", "weighted"])
def held(request):
    return fm.Dataset(X, Y, sample_weight=request.param, feature_names=("a", "b", "c"), target_name="t")


@pytest.fixture
def rows(held):
    (source,) = open_sources(held)
    return RowsOnDemand(source, 40, 10**9)


def loaded(rows):
    return "arrays" in vars(rows)


def test_nothing_is_loaded_before_a_number_is_asked_for(held, rows):
    data = rows.dataset()
    assert type(data) is fm.Dataset
    assert (data.n_samples, data.n_features, data.n_targets) == (40, 3, 1)
    assert (data.feature_names, data.target_name, data.exact) == (("a", "b", "c"), "t", None)
    assert data.label(1) == held.label(1)
    assert not loaded(rows)
    for name in ("X", "Y", "y", "sample_weight"):
        ours, theirs = getattr(data, name), getattr(held, name)
        assert (ours is None) == (theirs is None), name
        if ours is not None:
            assert np.array_equal(ours, theirs), name
            assert not ours.flags.writeable
    assert loaded(rows)
    assert repr(data) == repr(held)
    assert data.X is data.X


def test_rows_are_not_pickled_but_what_reads_them_is(held, rows):
    data = rows.dataset()
    assert np.array_equal(data.X, held.X)
    back = pickle.loads(pickle.dumps(data))
    assert not loaded(back._rows)
    assert np.array_equal(back.X, held.X)
    kept = pickle.loads(pickle.dumps(held))
    assert not kept.X.flags.writeable
    assert not kept.Y.flags.writeable


def test_rows_taken_are_arrays(held, rows):
    part = rows.dataset().take([3, 1])
    assert isinstance(part._rows, RowsInMemory)
    assert np.array_equal(part.X, held.X[[3, 1]])
    assert np.array_equal(part.y, held.y[[3, 1]])


def test_rows_that_do_not_fit_are_refused_when_they_are_asked_for(rows):
    small = RowsOnDemand(rows.source, 40, 1000).dataset()
    assert small.n_samples == 40
    with pytest.raises(TooLargeError, match="this needs its 40 rows in memory"):
        _ = small.X


@pytest.mark.parametrize("name", ["X", "Y", "sample_weight", "n_samples"])
def test_numbers_cannot_be_exchanged(held, name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(held, name, None)
