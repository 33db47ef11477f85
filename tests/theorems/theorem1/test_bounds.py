"""Float64 claims against exact arithmetic: an enclosure that misses the truth once is a bug."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
import oracle
from fastminima.theorems.theorem1.certify_drop import certify_drop, float_drop
from fastminima.theorems.theorem1.certify_minimum import (
    certify_margin,
    excess_bound,
    float_margin,
    positive_affine,
)
from profiles import examples
from strategies import activations, tables


@st.composite
def networks(draw, n_features, scale):
    width = draw(st.integers(1, 4))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    W1 = rng.normal(size=(width, n_features)) * scale
    if draw(st.booleans()):
        W1[rng.integers(width)] = 0.0
    W2 = rng.normal(size=width)
    if draw(st.booleans()):
        W2[rng.integers(width)] = 0.0
    return W1, rng.normal(size=width), W2, float(rng.normal()), draw(activations)


@given(tables(max_rows=12), st.data())
@settings(max_examples=examples(200), deadline=None)
def test_the_enclosure_of_a_drop_holds_for_any_network(table, data):
    X, y, weight = table
    fit = fm.least_squares(fm.Dataset(X, y, sample_weight=weight))
    network = fm.OneHiddenLayer(*data.draw(networks(X.shape[1], 1.0 / (1.0 + np.abs(X).max(initial=0.0)))))
    truth = oracle.least_squares(X, y, weight)[3] - oracle.network_risk(network, X, y, weight)
    drop = float_drop(network, fit)
    if np.isfinite(drop.lower):
        assert Fraction(drop.lower) <= truth
    if np.isfinite(drop.upper):
        assert truth <= Fraction(drop.upper)
    proved = certify_drop(network, fit)
    assert proved.better == (truth > 0)
    assert Fraction(proved.lower) <= truth <= Fraction(proved.upper)


@given(tables(max_rows=10), st.data())
@settings(max_examples=examples(150), deadline=None)
def test_near_the_minimum_the_sign_of_a_drop_is_exact(table, data):
    """Networks an ulp or so from the minimum: float64 alone cannot tell, the exact route must."""
    X, y, weight = table
    low = fm.spurious_minimum(fm.Dataset(X, y, sample_weight=weight))
    W1, b1, W2, b2 = (np.array(part) for part in low.network.parameters())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    eps = 2.0 ** data.draw(st.integers(-60, -20))
    network = fm.OneHiddenLayer(
        W1 * (1 + eps * rng.normal(size=W1.shape)),
        b1,
        W2 * (1 + eps * rng.normal(size=W2.shape)),
        float(b2),
        fm.relu,
    )
    truth = oracle.least_squares(X, y, weight)[3] - oracle.network_risk(network, X, y, weight)
    proved = certify_drop(network, low.fit)
    assert proved.better == (truth > 0)
    assert Fraction(proved.lower) <= truth <= Fraction(proved.upper)


@given(tables(max_rows=12), st.data())
@settings(max_examples=examples(150), deadline=None)
def test_a_certified_margin_is_never_too_large(table, data):
    X, y, weight = table
    fit = fm.least_squares(fm.Dataset(X, y, sample_weight=weight))
    W1, b1, W2, b2, activation = data.draw(networks(X.shape[1], 1.0 / (1.0 + np.abs(X).max(initial=0.0))))
    network = fm.OneHiddenLayer(W1, b1 + data.draw(st.sampled_from([0.0, 3.0, 8.0])), W2, b2, activation)
    z = oracle.preactivations(network, X)
    quotients = [
        (v, v * abs(v) / (1 + sum(Fraction(t) ** 2 for t in x)))
        for row, x in zip(z, X.tolist(), strict=True)
        for v in row
    ]
    positive = all(v > 0 for v, _ in quotients)
    margin = certify_margin(network, fit)
    assert (margin.radius > 0) == positive
    if positive:
        assert Fraction(margin.radius) ** 2 <= min(q for _, q in quotients)
    assert float_margin(network, fit) <= margin.radius or not positive


@pytest.mark.parametrize("seed", range(6))
def test_a_subnormal_margin_is_rounded_down(seed):
    rng = np.random.default_rng(seed)
    # one repeated input: all slopes are 0, and the radius is b1 / ||(x, 1)||
    X, y = np.full((16, 1), rng.uniform(1e16, 1e18)), rng.normal(size=16)
    low = fm.spurious_minimum((X, y), alpha=1e-300)
    assert 0.0 < low.radius < 1e-310
    z = oracle.preactivations(low.network, X)
    quotients = [
        v * v / (1 + sum(Fraction(t) ** 2 for t in x))
        for row, x in zip(z, X.tolist(), strict=True)
        for v in row
    ]
    assert Fraction(low.radius) ** 2 <= min(quotients)


@given(tables(max_rows=10), st.data())
@settings(max_examples=examples(100), deadline=None)
def test_the_excess_of_an_affine_function_is_bounded(table, data):
    X, y, weight = table
    fit = fm.least_squares(fm.Dataset(X, y, sample_weight=weight))
    W1, b1, W2, b2, activation = data.draw(networks(X.shape[1], 1.0 / (1.0 + np.abs(X).max(initial=0.0))))
    slopes, intercept = positive_affine(fm.OneHiddenLayer(W1, b1, W2, b2, activation))
    rows, targets, weights = oracle.exact_rows(X, y, weight)
    outputs = [intercept + sum(s * v for s, v in zip(slopes, row[1:], strict=True)) for row in rows]
    risk = sum((w * (f - t) ** 2 for f, t, w in zip(outputs, targets, weights, strict=True)), Fraction(0)) / 2
    excess = risk - oracle.least_squares(X, y, weight)[3]
    assert 0 <= excess <= Fraction(excess_bound((slopes, intercept), fit))


def test_large_data_are_proved_in_float64_alone():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 6))
    y = X @ rng.normal(size=6) + rng.normal(size=20_000)
    for shift in (0.0, 1e4, 1e7):
        low = fm.spurious_minimum((X + shift, y + shift))
        better = fm.better_point(low)
        assert (low.fit.method, better.certificate) == ("float", "float")
        assert better.drop_certified == pytest.approx(better.drop, rel=1e-2)


@pytest.mark.parametrize("exponent", [-560, -540, -531, 520, 700])
@pytest.mark.parametrize("slopes", [(1.0, 0.0), (1.0 + 2.0**-52, 1.0)])
def test_bounds_stay_bounds_where_the_risk_leaves_float64(exponent, slopes):
    """A negative lower bound that overflows must not turn into +inf, nor a subnormal one be rounded upwards."""
    X = np.random.default_rng(0).normal(size=(30_000, 2))
    y = np.random.default_rng(1).normal(size=30_000) * 2.0**exponent
    data = fm.Dataset(X[:60], y[:60])
    activation = fm.PiecewiseLinear(*slopes)
    big = fm.spurious_minimum((X, y), activation)
    assert big.fit.method == "float"
    assert excess_bound(big.affine, big.fit) > 0.0
    low = fm.spurious_minimum(data, activation)
    networks = [low.network, *(n for m in ("paper", "kink") if (n := fm.better_point(low, m).network))]
    for network in networks:
        truth = oracle.least_squares(data.X, data.y)[3] - oracle.network_risk(network, data.X, data.y)
        for drop in (float_drop(network, low.fit), certify_drop(network, low.fit)):
            assert drop.better in (truth > 0, None)
            assert drop.lower == -np.inf or Fraction(drop.lower) <= truth
            assert drop.upper == np.inf or Fraction(drop.upper) >= truth
    assert all(fm.better_point(low, m).drop_certified < np.inf for m in ("paper", "kink"))


def test_a_bound_beyond_float64_is_inf_not_an_error():
    rng = np.random.default_rng(0)
    data = fm.Dataset(rng.normal(size=(30_000, 2)), rng.normal(size=30_000))
    fit = fm.least_squares(data)
    network = fm.OneHiddenLayer([[1e200, -1e200], [1.0, 0.0]], [1e201, 0.0], [1.0, 1.0], 0.0, fm.relu)
    assert excess_bound(positive_affine(network), fit) == np.inf
    X = rng.normal(size=(20, 2)) * 2.0**190
    fit = fm.least_squares(fm.Dataset(X, X[:, 0] / 2.0**190 + rng.normal(size=20)))
    drop = certify_drop(fm.OneHiddenLayer([[1e300, 1e300]], [1.0], [1e-300], 0.0, fm.relu), fit)
    assert drop.method == "exact"
