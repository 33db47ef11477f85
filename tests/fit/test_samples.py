"""A fit and its samples: in memory and streamed they answer the same questions, and no fit has a field for one of them."""

from __future__ import annotations

import dataclasses
import importlib
import pickle
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.exact.fit import ExactFit, LazyExactFit
from fastminima.fit.bounds import NormalEquations
from fastminima.fit.centred_data import CentredArrays, CentredData
from fastminima.fit.refinement import refine
from fastminima.fit.samples import Samples, SamplesInMemory
from fastminima.scanning.streamed import CentredStream, StreamedSamples

large = importlib.import_module("fastminima.scanning.large")
small = importlib.import_module("fastminima.scanning.small")
module = importlib.import_module("fastminima.fit.least_squares")


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(500, 3)) + 10.0
    return fm.Dataset(X, X.sum(axis=1) + rng.normal(size=500), sample_weight=rng.integers(1, 4, 500))


@pytest.fixture
def streamed(data, monkeypatch):
    monkeypatch.setattr(small, "_SMALL", -1)
    monkeypatch.setattr(large, "TASK_ROWS", 64)
    (result,) = fm.scan(data, block_rows=32)
    return result


@pytest.fixture
def in_memory(data, monkeypatch):
    monkeypatch.setattr(module, "EXACT_WORK", 0)
    return fm.least_squares(data)


def test_a_fit_has_no_field_that_may_be_missing():
    fields = {field.name: field for field in dataclasses.fields(fm.LeastSquares)}
    assert not {"search", "envelope", "_fitted", "_residual", "_exact"} & set(fields)
    for name, field in fields.items():
        assert field.default is dataclasses.MISSING, name
        assert "None" not in str(field.type), name


@pytest.mark.parametrize("kind", [SamplesInMemory, StreamedSamples])
def test_both_kinds_of_samples_have_the_methods_a_fit_asks_for(kind):
    asked = {name for name in vars(Samples) if not name.startswith("_")}
    assert {"residuals", "search_splits", "nearest_samples"} <= asked
    assert asked <= set(dir(kind))


def test_samples_on_disk_answer_as_samples_in_memory(data, in_memory, streamed):
    fit = streamed.fit
    assert isinstance(fit.samples, StreamedSamples)
    assert isinstance(in_memory.samples, SamplesInMemory)
    assert isinstance(fit.frame, CentredStream)
    assert isinstance(in_memory.frame, CentredArrays)
    assert isinstance(fit.frame, CentredData)
    assert isinstance(fit.data, fm.Dataset)
    distance = fit.tau + in_memory.tau + fit.residual_error + in_memory.residual_error
    np.testing.assert_allclose(fit.residual, in_memory.residual, atol=2 * distance, rtol=0)
    np.testing.assert_allclose(fit.fitted, in_memory.fitted, atol=2 * distance, rtol=1e-15)
    assert fit.samples.squared_norm() == pytest.approx(in_memory.samples.squared_norm(), rel=1e-13)
    assert (
        fit.samples.total_weight()
        == in_memory.samples.total_weight()
        == sum(map(Fraction, data.sample_weight))
    )
    # the envelope of a pass against the samples themselves, at a few shifts
    nearest = fit.samples.nearest_samples()
    t, norm = fit.samples.fitted(), np.sqrt(1.0 + np.square(data.X).sum(axis=1))
    for shift in (-t.min(), 1.0 - t.min(), 100.0 - t.min()):
        kept = ((nearest.t + shift) / nearest.norm).min()
        assert kept - 1e-9 <= ((t + shift) / norm).min() <= kept + 1e-9
    assert not in_memory.samples.nearest_samples().t.size


def test_records_are_searched_while_they_are_there_and_arrays_afterwards(streamed):
    asked = []

    def in_arrays(fitted, residual, weights):
        asked.append((len(fitted), len(residual), len(weights)))
        return "arrays"

    samples = streamed.fit.samples
    assert samples.search_splits(in_arrays, 1.0, 0.5, (0.0, 0.0, 0.0)) == "arrays"
    assert asked == [(500, 500, 500)]
    running = StreamedSamples(
        streamed.fit.frame,
        (streamed.fit.slopes, streamed.fit.value_at_centre),
        streamed.fit.sums,
        samples.nearest_samples(),
        lambda *rule: rule,
    )
    assert running.search_splits(in_arrays, 0.7, 0.25, (1.0, 2.0, 3.0)) == (0.7, 0.25, (1.0, 2.0, 3.0))
    running.forget_records()
    assert running.search_splits(in_arrays, 1.0, 0.5, (0.0, 0.0, 0.0)) == "arrays"


@pytest.mark.parametrize("which", ["in_memory", "streamed"])
def test_fits_pickle_with_their_samples(which, request):
    fit = request.getfixturevalue(which)
    fit = getattr(fit, "fit", fit)
    back = pickle.loads(pickle.dumps(fit))
    assert type(back.samples) is type(fit.samples)
    assert back.coef.tolist() == fit.coef.tolist()
    assert (back.intercept, back.risk, back.tau) == (fit.intercept, fit.risk, fit.tau)
    assert np.array_equal(back.residual, fit.residual)
    assert back.exact.risk == fit.exact.risk


def test_an_exact_fit_solved_from_a_gram_matrix_looks_at_no_row_before_one_is_asked_for(data):
    truth = ExactFit.of(data)

    class Absent:
        @property
        def X(self):
            raise AssertionError("the rows were looked at")

    found = ExactFit.of(Absent(), truth.gram)
    assert (found.coef, found.intercept, found.risk) == (truth.coef, truth.intercept, truth.risk)
    with pytest.raises(AssertionError, match="looked at"):
        found.residual_numerators()


def test_a_lazy_exact_fit_is_solved_once(data):
    lazy = LazyExactFit(data)
    assert lazy.known is None
    assert lazy.solved() is lazy.solved() is lazy.known
    known = ExactFit.of(data)
    assert LazyExactFit(data, known).solved() is known


@pytest.mark.parametrize(("least_steps", "tolerance", "passes"), [(0, 1e9, 1), (1, 1.0, 2), (0, -1.0, 5)])
def test_refinement_makes_the_steps_it_is_asked_for(data, least_steps, tolerance, passes):
    """And ends after five passes where no gradient is ever small enough; `keep` says which pass may be the last."""
    frame = CentredArrays.of(data)
    reader = module._PassesInMemory(frame)
    kept = []

    class Counted:
        def evaluate(self, slopes, value_at_centre, *, keep):
            kept.append(keep)
            return reader.evaluate(slopes, value_at_centre, keep=keep)

        def extended_gradient(self, slopes, value_at_centre):
            raise AssertionError("these columns are well conditioned")

    moments = reader.moments()
    normal = NormalEquations.of(moments, frame)
    assert normal.well_conditioned
    (slopes, value), found = refine(
        Counted(), frame, moments, normal, least_steps=least_steps, tolerance=tolerance
    )
    assert kept == [k >= least_steps for k in range(passes)]
    assert len(found.residual) == 500
    exact = ExactFit.of(data)
    inside, at_centre = frame.to_frame(exact.coef, exact.intercept)
    np.testing.assert_allclose([*slopes, value], [float(v) for v in (*inside, at_centre)], rtol=1e-12)
