"""Massive random perturbation: exact small cases, same bits however it is cut, honest answers."""

from __future__ import annotations

import inspect
import math
import pickle
import signal
import threading
import time
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
import oracle
from fastminima.errors import DataTypeError, NetworkError, OptionError, TooLargeError
from fastminima.landscape.excess_risk import excess_risk
from fastminima.landscape.perturb import evaluate as deal
from fastminima.landscape.perturb.options import ProbeOptions
from fastminima.landscape.probe import Probe, ProbeSweep, probe
from pace import fixed_work
from probed import METHODS, case, exact_excess, exact_parameters, exact_risk
from profiles import examples
from strategies import activations, tables

DISTRIBUTIONS = ["sphere", "ball", "normal"]


def same(a: Probe, b: Probe):
    assert a.n == b.n
    assert a.argmin == b.argmin
    assert np.float64(a.min_excess).tobytes() == np.float64(b.min_excess).tobytes()
    assert (a.n_negative, a.n_overflow, a.n_changed) == (b.n_negative, b.n_overflow, b.n_changed)
    assert a.quantile(a.levels).tobytes() == b.quantile(b.levels).tobytes()
    for left, right in zip(a.histogram, b.histogram, strict=True):
        assert left.tobytes() == right.tobytes()
    if a.excess is not None and b.excess is not None:
        assert a.excess.tobytes() == b.excess.tobytes()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("radius", [1e-2, 1e-6, 1e-12])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_excess_is_the_exact_risk_difference(method, radius, weighted):
    network, data = case(weighted=weighted, activation=fm.leaky_relu(0.1))
    result = probe(network, data, radius=radius, n=20, keep=True, method=method)
    scale = max(abs(v) for v in result.excess.tolist())
    for k in range(result.n):
        assert abs(Fraction(result.excess[k]) - exact_excess(result, data, k)) <= Fraction(1e-13 * scale)
    assert result.min_excess == result.excess.min() == result.excess[result.argmin]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("share", [0.9, 1e-6, 1e-11])
def test_at_a_minimum_the_excess_keeps_its_digits(method, share):
    _, data = case(m=30, dx=3, weighted=True)
    low = fm.spurious_minimum(data, width=2)
    for member in [low, *low.sample(2, rng=1)]:
        result = probe(member.network, data, radius=share * member.radius, n=15, keep=True, method=method)
        for k in range(result.n):
            want = exact_excess(result, data, k)
            assert abs(Fraction(result.excess[k]) - want) <= Fraction(1e-13) * abs(want)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("distribution", ["sphere", "ball"])
def test_inside_the_certified_radius_no_point_is_lower(method, distribution):
    """Theorem 1, step 1: no parameters whose hidden rows move by less than the radius beat least squares."""
    for seed in range(4):
        _, data = case(seed, m=40, dx=1 + seed)
        low = fm.spurious_minimum(data, width=3, activation=fm.leaky_relu(0.25 * seed))
        for member in [low, *low.sample(2, rng=seed)]:
            sweep = probe(
                member.network,
                data,
                radius=[0.999 * member.radius, 1e-2 * member.radius],
                n=1500,
                distribution=distribution,
                method=method,
            )
            for result in sweep:
                # the float64 minimum itself lies up to `excess` above the least-squares risk
                assert result.min_excess >= -member.excess
                assert result.n_changed == 0
            assert sweep[0].n_negative == 0


@pytest.mark.parametrize("method", METHODS)
def test_lower_points_are_found_where_there_are_some(method):
    # a better point of the paper's construction is no critical point: half the directions go down from it
    _, data = case(m=40)
    low = fm.spurious_minimum(data)
    better = fm.better_point(low)
    result = probe(better.network, data, radius=1e-9, n=2000, method=method)
    assert 700 < result.n_negative < 1300
    k = result.argmin
    moved = result.perturbation(k)
    assert oracle.network_risk(moved, data.X, data.y) < oracle.network_risk(better.network, data.X, data.y)
    # and a saddle with decrease in it: W2 = 0, all units dead but for the kink at the samples
    flat = fm.OneHiddenLayer(np.zeros((2, 2)), np.zeros(2), np.zeros(2), float(data.y.mean()), fm.relu)
    assert probe(flat, data, radius=1e-1, n=2000, method=method).n_negative > 0


@settings(max_examples=examples(25))
@given(tables(max_rows=8, max_features=2), activations, st.integers(0, 2**64 - 1), st.sampled_from(METHODS))
def test_any_data_any_sides(table, activation, seed, method):
    """Ties, duplicates, offsets and scales; radii at which samples change sides."""
    X, y, weight = table
    data = fm.Dataset(X, y, sample_weight=weight)
    rng = np.random.default_rng(seed)
    W1 = rng.integers(-2, 3, (2, X.shape[1])).astype(float)
    network = fm.OneHiddenLayer(W1, rng.integers(-1, 2, 2), rng.normal(size=2), 0.5, activation)
    result = probe(network, data, radius=1.5, n=6, seed=seed, keep=True, method=method)
    theta = exact_parameters(network)
    risk = exact_risk(theta, network.slopes, data)
    # terms of the sum, whose rounding is what float64 owes
    size = 1.0 + float(np.abs(X).max(initial=0.0))
    largest = max(float(risk), float(np.abs(result.excess).max()))
    steep = max(1.0, activation.s_plus, activation.s_minus)
    for k in range(result.n):
        want = exact_excess(result, data, k)
        # |e| is at most sqrt(2 risk); a side decided wrongly is off by the rounding of z in its output
        slack = 1e-12 * (largest + size**2 * steep**2 * 1e3 + math.sqrt(2.0 * largest) * size * steep * 1e2)
        assert abs(float(Fraction(result.excess[k]) - want)) <= slack


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("method", METHODS)
def test_any_workers_and_any_cut_give_the_same_bits(monkeypatch, distribution, method):
    network, data = case(m=300)
    options = {"radius": [0.3, 1e-5], "n": 3001, "seed": 11, "distribution": distribution, "method": method}
    whole = probe(network, data, keep=True, **options)
    for points, workers in ((1000, 1), (7, 3), (64, 2), (3001, 2)):
        monkeypatch.setattr(deal, "_BLOCK_POINTS", points)
        monkeypatch.setattr(deal, "_MIN_UNITS", 1)
        for left, right in zip(
            whole, probe(network, data, workers=workers, keep=True, **options), strict=True
        ):
            same(left, right)
    assert whole[0].n_changed > 0


def test_a_point_does_not_depend_on_n_and_only_on_its_own_seed():
    network, data = case()
    long = probe(network, data, n=50, seed=2**64 - 1, keep=True, method="direct")
    short = probe(network, data, n=9, seed=2**64 - 1, keep=True, method="direct")
    assert long.excess[:9].tobytes() == short.excess.tobytes()
    other = probe(network, data, n=9, seed=1, keep=True, method="direct")
    assert not np.isin(other.excess, short.excess).any()


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_delta_is_what_was_evaluated_bit_for_bit(monkeypatch, distribution):
    network, data = case(d1=3)
    seen = {}

    class Spy(deal.RadiusPlan):
        def __init__(self, radius, method, evaluate, kept):
            def spying(delta):
                for row in delta:
                    seen[len(seen)] = row.tobytes()
                return evaluate(delta)

            super().__init__(radius, method, spying, kept)

    monkeypatch.setattr("fastminima.landscape.perturb.plans.RadiusPlan", Spy)
    result = probe(network, data, radius=0.1, n=70, seed=5, distribution=distribution)
    assert len(seen) == 70
    for k in (0, 1, 33, 69):
        W1, b1, W2, b2 = result.delta(k)
        assert (W1.shape, b1.shape, W2.shape) == ((3, 2), (3,), (3,))
        assert np.concatenate([W1.ravel(), b1, W2, [b2]]).tobytes() == seen[k]
        moved = result.perturbation(k)
        assert np.array_equal(moved.W1, network.W1 + W1)
        assert moved.b2 == network.b2 + b2
        assert moved.activation == network.activation
    if distribution != "normal":
        norm = math.sqrt(sum(v**2 for part in result.delta(3) for v in np.ravel(part).tolist()))
        assert norm <= 0.1 * (1 + 1e-14)
        assert distribution == "ball" or norm == pytest.approx(0.1, rel=1e-14)


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_a_sweep_equals_its_probes_one_by_one(method):
    network, data = case(m=200)
    radii = np.array([1e-4, 1.0, 0.0, 1e-2])
    sweep = probe(network, data, radius=radii, n=500, keep=True, method=method)
    assert isinstance(sweep, ProbeSweep)
    assert sweep.radii.tolist() == radii.tolist()
    for value, part in zip(radii.tolist(), sweep, strict=True):
        same(part, probe(network, data, radius=value, n=500, keep=True, method=method))
    assert sweep.quantiles[0.5].tolist() == [p.quantiles[0.5] for p in sweep.probes]
    assert sweep.min_excess.tolist() == [p.min_excess for p in sweep]
    assert sweep.n_negative.sum() == sum(p.n_negative for p in sweep)
    # radius 0 is the point itself
    assert sweep[2].min_excess == sweep[2].max_excess == 0.0
    assert sweep[2].histogram.counts.tolist() == [500]


@pytest.mark.parametrize("seed", range(3))
def test_float32_agrees_to_its_own_precision(seed):
    network, data = case(seed, m=500, dx=5, d1=4)
    exact = probe(network, data, radius=1e-2, n=200, keep=True, method="direct")
    quick = probe(network, data, radius=1e-2, n=200, keep=True, method="direct", dtype="float32")
    assert np.abs(quick.excess - exact.excess).max() <= 1e-4 * np.abs(exact.excess).max()
    assert [part.tobytes() for part in map(np.asarray, quick.delta(7))] == [
        part.tobytes() for part in map(np.asarray, exact.delta(7))
    ]


def test_keeping_nothing_keeps_memory_bounded():
    network, data = case(m=3)
    result = probe(network, data, n=20_000, radius=2.0)
    assert result.excess is None
    assert len(pickle.dumps(result)) < 100_000
    again = pickle.loads(pickle.dumps(result))
    same(result, again)
    with pytest.raises(TooLargeError, match="keeping"):
        probe(network, data, n=2**62, keep=True)


def test_perturbation_and_excess_risk_agree_with_the_probe():
    network, data = case()
    result = probe(network, data, radius=0.5, n=100, keep=True)
    for k in (0, 50, result.argmin):
        assert excess_risk(network, result.perturbation(k), data) == pytest.approx(
            result.excess[k], rel=1e-11
        )


# ---- degenerate and bad input


def test_no_points_is_a_valid_empty_answer():
    network, data = case()
    result = probe(network, data, n=0, keep=True)
    assert (result.n, result.argmin, result.n_negative, result.n_overflow) == (0, None, 0, 0)
    assert math.isnan(result.min_excess)
    assert result.excess.shape == (0,)
    assert result.histogram.counts.shape == (0,)
    assert all(math.isnan(v) for v in result.quantiles.values())
    assert "no points" in str(result)
    assert len(probe(network, data, n=0, radius=[1.0, 2.0])) == 2
    with pytest.raises(OptionError, match="k must be"):
        result.delta(0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("radius", [1e120, 1e200, 1.7e308])
def test_overflow_is_inf_and_counted(method, distribution, radius):
    network, data = case()
    result = probe(network, data, n=64, radius=radius, distribution=distribution, method=method, keep=True)
    assert result.n_overflow == np.isinf(result.excess).sum()
    assert result.n_overflow == 64 or radius == 1e120
    assert not np.isnan(result.excess).any()
    assert result.n_negative == 0
    assert result.histogram.counts.sum() == 64 - result.n_overflow
    if result.n_overflow == 64:
        assert result.min_excess == result.quantiles[0.5] == math.inf
        assert result.argmin == 0
        assert "overflow" in str(result)


def test_a_network_whose_own_risk_overflows_is_named():
    network, data = case()
    huge = fm.OneHiddenLayer(1e200 * network.W1, network.b1, 1e200 * network.W2, 0.0, network.activation)
    with pytest.raises(NetworkError, match="overflow"):
        probe(huge, data, n=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"radius": -1.0}, "radius"),
        ({"radius": math.nan}, "nan"),
        ({"radius": math.inf}, "inf"),
        ({"radius": [1.0, -2.0]}, "-2.0"),
        ({"radius": []}, "at least one"),
        ({"radius": "1e-3"}, "radius"),
        ({"radius": None}, "radius"),
        ({"n": -1}, "n must be"),
        ({"n": 2.5}, "n must be"),
        ({"n": True}, "n must be"),
        ({"n": 2**63}, "n must be"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"workers": 0}, "workers"),
        ({"workers": 1.5}, "workers"),
        ({"dtype": "float16"}, '"float32"'),
        ({"distribution": "cube"}, '"sphere"'),
        ({"method": "fast"}, '"screened"'),
        ({"quantiles": [1.5]}, "1.5"),
        ({"quantiles": 0.5}, "sequence"),
        ({"quantiles": [math.nan]}, "nan"),
    ],
)
def test_bad_options_are_named(options, words):
    network, data = case(m=4)
    with pytest.raises(OptionError, match=words):
        probe(network, data, **{"n": 5, **options})


def test_options_are_checked_once_and_bear_the_names_of_the_call():
    given = {name: p.default for name, p in inspect.signature(probe).parameters.items()}
    options = ProbeOptions(
        **{name: value for name, value in given.items() if name not in ("network", "data")}
    )
    assert (options.radii, options.is_sweep, options.threads) == ((1e-3,), False, 1)
    assert options.levels == given["quantiles"]
    sweep = replace(options, radius=[1, np.float64(0.5)], n=np.int64(7), workers=2, quantiles=[0])
    assert (sweep.radii, sweep.is_sweep, sweep.n, sweep.threads, sweep.levels) == ((1, 0.5), True, 7, 2, (0,))
    assert type(sweep.n) is int
    with pytest.raises(FrozenInstanceError):
        sweep.n = 8
    with pytest.raises(OptionError, match="method"):
        replace(options, radius=1.0, workers=1, quantiles=[], method="slow")
    # network and data are looked at first
    with pytest.raises(NetworkError, match="3 inputs"):
        probe(case(dx=3)[0], case()[1], n=-1)


def test_networks_and_data_that_do_not_fit_are_named():
    network, data = case()
    without_formula = fm.OneHiddenLayer(network.W1, network.b1, network.W2, 0.0, lambda t: np.tanh(t) * t)
    with pytest.raises(NetworkError, match="PiecewiseLinear or Smooth"):
        excess_risk(network, without_formula, data)
    for call in (lambda n, d: probe(n, d, n=5), lambda n, d: excess_risk(network, n, d)):
        with pytest.raises(NetworkError, match="3 inputs"):
            call(case(dx=3)[0], data)
        with pytest.raises(DataTypeError, match="Dataset"):
            call(network, [data.X, data.y])
        with pytest.raises(DataTypeError, match="OneHiddenLayer"):
            call(np.zeros(3), data)
    with pytest.raises(NetworkError, match="finite"):
        fm.OneHiddenLayer([[math.nan]], [0.0], [1.0], 0.0, fm.relu)


def test_what_is_printed_claims_no_more_than_the_sample():
    network, data = case()
    low = fm.spurious_minimum(data)
    text = str(probe(low.network, data, radius=0.5 * low.radius, n=1234))
    assert "none of 1,234 sampled points" in text
    assert "minimum" not in text
    text = str(probe(network, data, radius=0.1, n=500))
    assert "of 500 sampled points have a lower risk" in text
    sweep = probe(network, data, radius=[0.1, 1e-3], n=500)
    assert len(str(sweep).splitlines()) == 4
    assert "Probe(" in repr(sweep[0])
    assert "ProbeSweep(2 radii" in repr(sweep)


# ---- Ctrl-C


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_ends_a_probe_within_a_second_and_leaves_no_thread(workers, method):
    import _thread

    network, data = case(m=2000, dx=3, d1=3)
    start = time.perf_counter()
    probe(network, data, radius=1.0, n=1, method=method)
    base = time.perf_counter() - start
    before = threading.active_count()
    # a shell that starts the tests in the background has them ignore Ctrl-C
    before_signal = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    start = time.perf_counter()
    try:
        with pytest.raises(KeyboardInterrupt):
            probe(network, data, radius=1.0, n=10**12, workers=workers, method=method)
    finally:
        signal.signal(signal.SIGINT, before_signal)
    timer.join()
    # half a second until the interrupt, and one to end in
    assert time.perf_counter() - start < base + 150 * fixed_work(time.perf_counter)
    assert threading.active_count() == before


def test_a_failure_in_a_thread_reaches_the_caller_and_stops_the_others(monkeypatch):
    network, data = case()
    before = threading.active_count()

    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(deal, "directions", broken)
    with pytest.raises(RuntimeError, match="broken"):
        probe(network, data, n=100_000, workers=3)
    assert threading.active_count() == before
