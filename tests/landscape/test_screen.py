"""Screened excess risks: the cancellation-free form, and what its results may not depend on."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import DataError, NetworkError, OptionError
from fastminima.kernels import _screen, reference_screen
from fastminima.landscape.perturb import screen
from fastminima.landscape.perturb.base_point import BasePoint
from fastminima.landscape.perturb.screen import Screen, choose
from profiles import examples
from screened import Exact, check, deltas, random_problem
from strategies import activations, tables

SIZES = [
    (20, 3, 2, False),
    (33, 2, 4, True),
    (12, 0, 2, True),
    (9, 5, 3, False),
    (1, 1, 1, False),
    (17, 1, 7, True),
]


@pytest.mark.parametrize(("m", "dx", "d1", "weighted"), SIZES)
@pytest.mark.parametrize("radius", [1e-2, 1e-5, 1e-8, 1e-12])
def test_relative_error_at_random_networks(m, dx, d1, weighted, radius):
    network, data = random_problem(m, m, dx, d1, fm.leaky_relu(0.1), weighted)
    check(network, data, deltas(1, network, 12, radius), radius)


@pytest.mark.parametrize(
    ("m", "dx", "d1", "weighted"), [(20, 3, 2, False), (33, 2, 4, True), (9, 5, 1, False)]
)
@pytest.mark.parametrize("radius", [1e-2, 1e-5, 1e-8, 1e-12])
def test_relative_error_at_spurious_minima(m, dx, d1, weighted, radius):
    # the sums of the gradient cancel to rounding: the naive difference of risks is off by 1e6 at 1e-12
    _, data = random_problem(m + 1, m, dx, d1, fm.relu, weighted)
    found = fm.spurious_minimum(data, width=d1)
    rng = np.random.default_rng(2)
    for network in (found.network, found.sample(1, rng)[0].network):
        excess, changed = check(network, data, deltas(3, network, 12, radius), 0.0)
        assert changed.any() or (excess > 0.0).all()


@settings(max_examples=examples(60))
@given(
    table=tables(max_rows=10),
    act=activations,
    d1=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([1e-9, 1e-3, 1.0, 30.0]),
    reach=st.sampled_from([0.0, 1e-3, 10.0, np.inf]),
)
def test_excess_is_the_difference_of_exact_risks(table, act, d1, seed, size, reach):
    X, y, weight = table
    rng = np.random.default_rng(seed)
    # integers, so that many preactivations are 0; dead units; repeated units
    W1, b1 = rng.integers(-1, 2, (d1, X.shape[1])).astype(float), rng.integers(-1, 2, d1).astype(float)
    network = fm.OneHiddenLayer(W1, b1, rng.integers(-1, 2, d1).astype(float), 0.5, act)
    data = fm.Dataset(X, y, sample_weight=weight)
    delta = deltas(seed, network, 3, size)
    delta[1, : W1.size] = 0.0
    base = BasePoint(network, data)
    excess, _ = Screen(base, reach).excess(delta)
    exact = Exact(network, data)
    for value, row in zip(excess, delta, strict=True):
        want, _ = exact.excess(row)
        # the terms an excess is made of: |e D| + D^2, by the triangle inequality over all parameters
        reachable = bound_of_terms(exact, row)
        assert abs(Fraction(value) - want) <= Fraction(2e-14) * reachable


def bound_of_terms(exact, row):
    steep = max(exact.slopes)
    n = exact.W1.shape[1]
    d1 = len(exact.b1)
    d = [abs(Fraction(v)) for v in row.tolist()]
    total = Fraction(0)
    for x, y, w, z in zip(exact.X, exact.y, exact.weight, exact.base[1], strict=True):
        units = zip(exact.W2.tolist(), z, strict=True)
        f = Fraction(exact.b2) + sum(Fraction(v) * t * exact.slopes[t <= 0] for v, t in units)
        D = d[-1]
        for j in range(d1):
            step = d[d1 * n + j] + sum((d[j * n + a] * abs(x[a]) for a in range(n)), Fraction(0))
            size = abs(Fraction(exact.b1[j])) + sum(
                (abs(Fraction(exact.W1[j, a])) * abs(x[a]) for a in range(n)), Fraction(0)
            )
            D += steep * (
                (abs(Fraction(exact.W2[j])) + d[d1 * (n + 1) + j]) * step + d[d1 * (n + 1) + j] * size
            )
        total += w * (abs(f - y) * D + D * D)
    return total


@pytest.mark.parametrize("offset", [30.0, 1e3, 1e6])
def test_inputs_far_from_the_origin(offset):
    # without centring the quadratic term loses the square of the offset: 1e-11 at 1e3
    rng = np.random.default_rng(7)
    data = fm.Dataset(rng.normal(size=(60, 4)) + offset, rng.normal(size=60))
    member = fm.spurious_minimum(data, width=3)
    # a change of output biases and first weights whose parts cancel at the mean
    delta = deltas(4, member.network, 6, 1e-9)
    delta[3:, 12:15] = -(delta[3:, :12].reshape(3, 3, 4).sum(axis=2) * offset)
    delta[3:, 15:] = 0.0
    exact = Exact(member.network, data)
    excess, changed = Screen(BasePoint(member.network, data), 0.0).excess(delta)
    for value, count, row in zip(excess, changed, delta, strict=True):
        want, crossings = exact.excess(row)
        assert count == crossings == 0
        assert abs(Fraction(value) - want) <= Fraction(1e-14) * want


@pytest.mark.parametrize("offset", [1e3, 1e6])
@pytest.mark.parametrize("seed", range(3))
def test_units_that_cancel_far_from_the_origin(offset, seed, monkeypatch):
    # every unit moves the output by offset * radius, the network by radius: a float64 sum of units keeps the ratio less
    rng = np.random.default_rng(7 + seed)
    data = fm.Dataset(rng.normal(size=(60, 4)) + offset, rng.normal(size=60))
    network = fm.spurious_minimum(data, width=3).sample(1, rng=seed)[0].network
    W2 = network.W2
    delta = deltas(4 + seed, network, 8, 1e-9)
    rows = delta[:, :12].reshape(8, 3, 4)
    rows[:4, 1] = -rows[:4, 0] * (W2[0] / W2[1])
    rows[:4, 2] = delta[:4, 15:] = 0.0
    delta[4:, 18] = -(rows[4:].sum(axis=2) * offset + delta[4:, 12:15]) @ W2
    excess, changed = check(network, data, delta, 0.0)
    assert not changed.any()
    centred = Screen(BasePoint(network, data), 0.0)
    assert len(centred.base.centre) == 4
    assert len(centred.form.slopes) > 0
    for variant in range(_screen.BEST_VARIANT + 1):
        monkeypatch.setattr(_screen, "BEST_VARIANT", variant)
        np.testing.assert_array_equal(centred.excess(delta)[0], excess)
    monkeypatch.setattr(_screen, "screened_excess", reference_screen.screened_excess)
    np.testing.assert_array_equal(centred.excess(delta)[0], excess)


def test_one_sample_changes_in_several_units_at_once():
    # every unit has its boundary through the first sample
    data = fm.Dataset(np.array([[1.0, 0.0], [3.0, 1.0], [-2.0, 1.0]]), np.array([1.0, -1.0, 0.5]))
    network = fm.OneHiddenLayer(
        np.array([[1.0, 1.0], [-2.0, 0.0], [0.5, 1.0]]), np.array([-1.0, 2.0, -0.5]), np.array([1.0, -3.0, 0.0]), 0.1,
        fm.leaky_relu(0.25),
    )  # fmt: skip
    _, changed = check(network, data, deltas(5, network, 40, 1e-3), 0.0)
    assert changed.max() == 3


def test_results_do_not_depend_on_block_reach_or_order():
    network, data = random_problem(11, 400, 4, 3, fm.leaky_relu(0.1), weighted=True)
    base = BasePoint(network, data)
    delta = deltas(2, network, 37, 0.05)
    whole, changed = Screen(base, 0.01).excess(delta)
    assert changed.min() > 0
    wide = Screen(base, 2.0)
    for step in (1, 5, 8, 36):
        parts = [wide.excess(delta[k : k + step]) for k in range(0, 37, step)]
        np.testing.assert_array_equal(np.concatenate([p[0] for p in parts]), whole)
        np.testing.assert_array_equal(np.concatenate([p[1] for p in parts]), changed)
    np.testing.assert_array_equal(wide.excess(delta[::-1])[0], whole[::-1])


def test_lists_grow_when_a_perturbation_reaches_farther():
    network, data = random_problem(12, 60, 2, 2)
    grown = Screen(BasePoint(network, data), 0.0)
    assert grown.near.n_samples == 0
    delta = deltas(1, network, 9, 0.5)
    excess, _ = grown.excess(delta)
    assert grown.near.n_samples > 0
    np.testing.assert_array_equal(excess, Screen(BasePoint(network, data), 10.0).excess(delta)[0])


def test_threads_share_a_screen():
    from concurrent.futures import ThreadPoolExecutor

    network, data = random_problem(13, 500, 3, 3)
    shared = Screen(BasePoint(network, data), 0.0)
    delta = deltas(1, network, 400, 0.01)
    delta[200:] *= 20.0
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda k: shared.excess(delta[k : k + 20])[0], range(0, 400, 20)))
    np.testing.assert_array_equal(np.concatenate(parts), Screen(shared.base, 9.0).excess(delta)[0])


def test_wide_networks_and_rank_deficient_data():
    # 70 units: signs no longer fit one number; one sample and constant columns: Gram matrices of rank 1
    for m, dx, d1 in ((3, 2, 70), (1, 2, 3)):
        network, data = random_problem(m, m, dx, d1, fm.leaky_relu(0.1))
        check(network, data, deltas(1, network, 3, 1e-6), 1e-3)
    X = np.column_stack([np.full(8, 2.0), np.arange(8.0), np.arange(8.0)])
    network, _ = random_problem(1, 1, 3, 2)
    check(network, fm.Dataset(X, np.arange(8.0) ** 2), deltas(1, network, 5, 1e-6), 0.0)


def test_overflow_is_inf_without_warnings():
    network, data = random_problem(15, 30, 2, 3)
    for radius in (1e70, 1e160, 1e300):
        excess, _ = Screen(BasePoint(network, data), 1.0).excess(deltas(1, network, 9, radius))
        assert (excess == np.inf).all() if radius > 1e100 else np.isfinite(excess).all()
    huge = fm.OneHiddenLayer(network.W1, network.b1, np.full(3, 1e308), 0.0, fm.relu)
    excess, _ = Screen(BasePoint(huge, data), 1.0).excess(deltas(1, huge, 9, 1e-3))
    assert (excess == np.inf).all()


def test_denormal_changes_and_zero_preactivations():
    # squares of the changes vanish, the norm must not
    data = fm.Dataset(np.array([[1.0], [2.0]]), np.array([0.5, 1.0]))
    network = fm.OneHiddenLayer(np.array([[1.0]]), np.array([-1.0]), np.array([1.0]), 0.0, fm.relu)
    delta = np.zeros((2, 4))
    delta[0, 1], delta[1, 1] = 1e-200, -1e-200
    _, changed = Screen(BasePoint(network, data), 0.0).excess(delta)
    assert changed.tolist() == [1, 0]


def test_bad_input_is_named():
    network, data = random_problem(16, 10, 2, 2)
    with pytest.raises(DataError, match="takes 2 inputs"):
        BasePoint(network, fm.Dataset(np.zeros((3, 1)), np.zeros(3)))
    with pytest.raises(NetworkError, match="PiecewiseLinear"):
        BasePoint(fm.OneHiddenLayer(network.W1, network.b1, network.W2, 0.0, np.tanh), data)
    base = BasePoint(network, data)
    for reach in (-1.0, np.nan):
        with pytest.raises(OptionError, match="max_row_norm"):
            Screen(base, reach)
    for delta in (np.zeros((2, 3)), np.zeros(9), np.zeros((2, 9), np.float32)):
        with pytest.raises(NetworkError, match=r"\(K, 9\)"):
            Screen(base, 1.0).excess(delta)
    with pytest.raises(ValueError, match="read-only"):
        base.gradient[0, 0] = 1.0


def test_memory_is_asked_for_before_it_is_taken(monkeypatch):
    network, data = random_problem(17, 100, 2, 2)
    monkeypatch.setattr("fastminima.system.memory.available_bytes", lambda: 1000)
    with pytest.raises(fm.errors.TooLargeError, match="near a boundary"):
        Screen(BasePoint(network, data), 100.0)


def test_choice_follows_the_costs(monkeypatch):
    network, data = random_problem(18, 5000, 3, 3)
    base = BasePoint(network, data)
    assert choose(base, 1e-6, 10**6).method == "screened"
    # one perturbation is not worth the set-up, and a few samples not the form
    assert choose(base, 1e-6, 1).method == "direct"
    wide, few = random_problem(19, 20, 20, 20)
    assert choose(BasePoint(wide, few), 1e-6, 10**6).method == "direct"
    near, far = choose(base, 1e-6, 10**6), choose(base, 0.1, 10**6)
    assert near.near_share < far.near_share
    assert near.screened < far.screened
    assert near.direct == far.direct
    # lists that memory cannot hold
    monkeypatch.setattr(screen, "available_bytes", lambda: 1000)
    assert choose(base, 0.1, 10**6).method == "direct"
