"""The search: never above the linear fit, the same for any number of workers, honest about when it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from children import program
from fastminima.errors import DataTypeError, NetworkError, OptionError, TargetError
from fastminima.fit import chain
from fastminima.fit.chain import linear_candidate
from fastminima.fit.scaled_rows import ScaledRows
from fastminima.landscape.bracket.fit_network import SearchEnd
from fastminima.landscape.bracket.lower_bound import lower_bounds
from profiles import examples

SLOPES = [fm.relu, fm.leaky_relu(0.25), fm.PiecewiseLinear(3.0, 0.5)]


def _table(m, dx, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, dx))
    return fm.Dataset(X, np.abs(X[:, 0]) + np.sin(2 * X.sum(axis=1)) + 0.1 * rng.normal(size=m))


@settings(max_examples=examples(25), deadline=None)
@given(
    st.integers(1, 12), st.integers(0, 3), st.integers(1, 3), st.integers(0, 2**32 - 1), st.sampled_from(SLOPES),
    st.booleans(),
)  # fmt: skip
def test_between_the_lower_bound_and_the_linear_fit(m, dx, width, seed, activation, weighted):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(-3, 4, size=(m, dx)).astype(float), rng.integers(-9, 10, size=m).astype(float)
    w = rng.choice([0.5, 1.0, 4.0], size=m) if weighted else None
    data = fm.Dataset(X, y, sample_weight=w)
    found = fm.fit_network(data, width, activation=activation, n_starts=2)
    fit = fm.least_squares(data)
    assert found.exact_risk <= fit.exact.risk * (1 + Fraction(1, 10**9)) + Fraction(1, 10**18)
    assert lower_bounds(data, [width])[width].exact <= found.exact_risk
    assert Fraction(found.risk) >= found.exact_risk
    assert found.network.W1.shape == (width, dx)
    assert found.history[-1][1] == pytest.approx(float(found.exact_risk), rel=1e-6, abs=1e-9)


def test_the_same_network_for_any_number_of_workers_and_another_for_another_seed():
    data = _table(80, 3, 0)
    one = fm.fit_network(data, 4, n_starts=4, random_state=3)
    two = fm.fit_network(data, 4, n_starts=4, random_state=3, workers=3)
    assert np.array_equal(one.network.W1, two.network.W1)
    assert one.exact_risk == two.exact_risk
    assert one.n_starts == two.n_starts == 4
    assert one.end is SearchEnd.STARTS
    other = fm.fit_network(data, 4, n_starts=4, random_state=4)
    assert not np.array_equal(one.network.W1, other.network.W1)
    risks = [risk for _, risk in one.history]
    assert risks == sorted(risks, reverse=True)


def test_more_starts_are_not_worse_and_it_beats_one_greedy_kink():
    data = _table(120, 2, 1)
    few, many = fm.fit_network(data, 3, n_starts=1), fm.fit_network(data, 3, n_starts=6)
    assert many.exact_risk <= few.exact_risk
    better = fm.better_point(fm.spurious_minimum(data, width=3), method="kink")
    assert many.exact_risk < better.risk


def test_a_planted_network_is_found():
    rng = np.random.default_rng(2)
    planted = fm.OneHiddenLayer([[1.0, -1.0], [0.5, 1.0]], [0.25, -0.5], [1.0, -2.0], 0.5, fm.relu)
    X = rng.normal(size=(200, 2))
    found = fm.fit_network(fm.Dataset(X, planted.predict(X)), 2, n_starts=20)
    assert float(found.exact_risk) < 1e-20 * 200


def test_many_rows_are_searched_on_a_part_and_refined_on_all(monkeypatch):
    monkeypatch.setattr(chain, "_ROWS", 60)
    monkeypatch.setattr(chain, "_ROWS_PER_PARAMETER", 4)
    data = _table(2000, 2, 3)
    found = fm.fit_network(data, 3, n_starts=4)
    assert float(found.exact_risk) < 0.6 * fm.least_squares(data).risk
    assert found.exact_risk == fm.fit_network(data, 3, n_starts=4, workers=2).exact_risk


def test_seconds_end_it_and_progress_is_told():
    data, told = _table(300, 5, 4), []
    found = fm.fit_network(data, 6, seconds=0.3, progress=told.append)
    assert found.end is SearchEnd.SECONDS
    assert found.history[-1][0] < 10
    assert told[-1] == 1.0
    assert all(0 <= share <= 1 for share in told)


def test_the_verdict_is_that_of_the_minimum_beside_it():
    data = _table(40, 2, 5)
    found = fm.fit_network(data, 2, n_starts=3)
    assert found.decision.verdict == "local_minimum"
    assert found.decision.exact_risk <= found.exact_risk


def test_the_linear_candidate_is_the_linear_fit_for_every_slope():
    data = _table(50, 3, 6)
    risk = fm.least_squares(data).risk
    for activation in SLOPES:
        rows = ScaledRows.of(data, (activation.s_plus, activation.s_minus))
        parameters = rows.outside(linear_candidate(rows, 2))
        assert parameters is not None
        network = fm.OneHiddenLayer(*parameters, activation)
        assert fm.decide(network, data).risk == pytest.approx(risk, rel=1e-9)


def test_large_small_and_constant_columns():
    rng = np.random.default_rng(7)
    X = np.column_stack([1e300 * rng.normal(size=40), 1e-300 * rng.normal(size=40), np.full(40, 7.0)])
    data = fm.Dataset(X, rng.normal(size=40) + np.abs(X[:, 0]) / 1e300)
    found = fm.fit_network(data, 2, n_starts=2)
    assert float(found.exact_risk) <= fm.least_squares(data).risk


def test_bad_arguments_are_named():
    data = _table(10, 1, 8)
    for width in (0, -1, 2.5, "a"):
        with pytest.raises(OptionError, match="width"):
            fm.fit_network(data, width)
    for seconds in (0, -1.0, float("nan"), float("inf"), "a"):
        with pytest.raises(OptionError, match="seconds"):
            fm.fit_network(data, seconds=seconds)
    for name in ("n_starts", "workers"):
        with pytest.raises(OptionError, match=name):
            fm.fit_network(data, **{name: 0})
    with pytest.raises(OptionError, match="random_state"):
        fm.fit_network(data, random_state="a")
    with pytest.raises(DataTypeError, match="Dataset"):
        fm.fit_network([[1.0]])
    with pytest.raises(NetworkError, match="PiecewiseLinear"):
        fm.fit_network(data, activation=fm.activation("tanh"))
    with pytest.raises(TargetError):
        fm.fit_network(fm.Dataset([[0.0], [1.0]], [[0.0, 1], [1, 1]]))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupt_returns_the_best_so_far():
    code = """
        import numpy as np, signal, fastminima as fm
        signal.signal(signal.SIGINT, signal.default_int_handler)
        rng = np.random.default_rng(0)
        data = fm.Dataset(rng.normal(size=(400, 6)), rng.normal(size=400))
        told = lambda share: print("running", flush=True)
        found = fm.fit_network(data, 8, seconds=60, progress=told)
        print(found.end, found.risk < fm.least_squares(data).risk)
    """
    with program([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True) as run:
        for _ in range(20):
            assert run.stdout.readline().strip() == "running"
        run.send_signal(signal.SIGINT)
        out, _ = run.communicate(timeout=60)
    assert out.splitlines()[-1] == "interrupted True"
