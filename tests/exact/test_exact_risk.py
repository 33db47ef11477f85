"""Exact risks and margins of float64 networks agree with rational arithmetic sample by sample."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exact_reference as reference
from fastminima.errors import NetworkError
from fastminima.exact.affine import Columns
from fastminima.exact.fit import ExactFit
from fastminima.exact.margin import exact_margin
from fastminima.exact.risk import exact_network_risk, network_moments
from fastminima.exact.signs import filter_of, preactivation_blocks, signs
from fastminima.exact.stream import PassNetwork
from profiles import examples

SLOPES = [(1.0, 0.0), (1.01, 1.0), (1.0, 1.01), (2.0, 0.5), (1.0000001, 1.0), (0.1, 0.3)]


@st.composite
def networks(draw, dx):
    """Small integers put many samples exactly on a boundary; ordinary numbers put them near."""
    width = draw(st.integers(1, 4))
    numbers = draw(st.sampled_from([reference.SMALL, reference.ORDINARY]))
    W1 = np.array(draw(st.lists(numbers, min_size=width * dx, max_size=width * dx))).reshape(width, dx)
    b1, W2 = (np.array(draw(st.lists(numbers, min_size=width, max_size=width))) for _ in range(2))
    return W1, b1, W2


def exact_preactivations(data, W1, b1):
    X, _, _ = reference.rows_of(data)
    return [
        [
            Fraction(b) + sum(Fraction(w) * v for w, v in zip(row, x, strict=True))
            for row, b in zip(W1.tolist(), b1.tolist(), strict=True)
        ]
        for x in X
    ]


@settings(max_examples=examples(200), deadline=None)
@given(reference.datasets(exact=True), st.sampled_from(SLOPES), reference.ORDINARY, st.data())
def test_risk_bias_and_patterns(data, slopes, b2, draws):
    W1, b1, W2 = draws.draw(networks(data.X.shape[1]))
    expected = reference.risk(data, reference.network_outputs(data, W1, b1, W2, b2, *slopes))
    network = PassNetwork(W1, b1, W2, b2, *slopes)
    assert exact_network_risk(network, data) == expected
    gram = ExactFit.of(data).gram
    assert exact_network_risk(network, data, gram) == expected

    moments = network_moments(network, data)
    assert sum(moments.counts) == len(data.y)
    assert len(moments.pattern_counts) == len(moments.patterns)
    # any output bias, also one that is no float64
    for shift in (Fraction(0), Fraction(-1, 3)):
        bias = Fraction(b2) + shift
        assert moments.risk(bias) == reference.risk(
            data, reference.network_outputs(data, W1, b1, W2, bias, *slopes)
        )


@settings(max_examples=examples(100), deadline=None)
@given(reference.datasets(exact=True), st.data())
def test_preactivation_bounds_and_signs(data, draws):
    W1, b1, _ = draws.draw(networks(data.X.shape[1]))
    exact = exact_preactivations(data, W1, b1)
    columns = Columns(data)
    for block in preactivation_blocks(columns, filter_of(columns, W1, b1)):
        for row, z, error in zip(exact, block.z.tolist(), block.error.tolist(), strict=True):
            for truth, approximation, bound in zip(row, z, error, strict=True):
                assert math.isinf(bound) or abs(truth - Fraction(approximation)) <= Fraction(bound)
    assert signs(columns, W1, b1).tolist() == [[z >= 0 for z in row] for row in exact]


@settings(max_examples=examples(150), deadline=None)
@given(reference.datasets(exact=True), st.booleans(), st.data())
def test_margin_is_the_rounded_minimum(data, lift, draws):
    W1, b1, _ = draws.draw(networks(data.X.shape[1]))
    if lift:
        with np.errstate(all="ignore"):
            reach = np.abs(data.X).max(axis=0, initial=0.0)
            b1 = np.minimum(np.abs(W1) @ reach + np.abs(b1) + 0.5, 1e308)
    X, _, _ = reference.rows_of(data)
    exact = exact_preactivations(data, W1, b1)
    margin = exact_margin(W1, b1, data)
    if any(z <= 0 for row in exact for z in row):
        assert margin == 0.0
        return
    best = min(z * z / (1 + sum(v * v for v in x)) for x, row in zip(X, exact, strict=True) for z in row)
    assert Fraction(margin) ** 2 <= best < Fraction(math.nextafter(margin, math.inf)) ** 2


def test_margin_on_symmetric_data_with_thousands_of_ties():
    data = reference.parity(11, (-1.0, 1.0))
    W1, b1 = np.zeros((2, 11)), np.array([3.0, 5.0])
    margin = exact_margin(W1, b1, data)
    assert Fraction(margin) ** 2 <= Fraction(9, 12) < Fraction(math.nextafter(margin, 2.0)) ** 2
    assert exact_margin(np.zeros((0, 11)), np.zeros(0), data) == math.inf


def test_xor_networks_have_their_closed_form_risks():
    xor = reference.parity(2)
    # x1 + x2 - 2 max(x1 + x2 - 1, 0) is XOR
    ones = np.ones((2, 2))
    two_units = PassNetwork(ones, np.array([0.0, -1.0]), np.array([1.0, -2.0]), 0.0, 1.0, 0.0)
    assert exact_network_risk(two_units, xor) == 0
    # theorem 1, step 2, case 2 with ReLU: fit 1/2, v = (1, 1)/2, rho = 1/4; the drop is 1/56 at alpha = 1/7
    alpha = 1 / 7
    beta, gamma = 0.5 - 0.75 * alpha, alpha / 4
    W1 = -alpha * np.array([[0.5, 0.5], [-0.5, -0.5]])
    b1 = np.array([0.5 - beta + gamma, -0.5 + beta + gamma])
    risk = exact_network_risk(PassNetwork(W1, b1, np.array([1.0, -1.0]), beta, 1.0, 0.0), xor)
    assert abs(risk - (Fraction(1, 2) - Fraction(1, 56))) < Fraction(1, 2**52)


@pytest.mark.parametrize("width", [3, 64, 80, 100])
def test_many_units(width):
    rng = np.random.default_rng(width)
    data = reference.dataset(rng.integers(-3, 4, (40, 3)), rng.normal(size=40))
    W1, b1 = rng.integers(-2, 3, (width, 3)).astype(float), rng.integers(-2, 3, width).astype(float)
    W2 = rng.normal(size=width)
    W2[::5] = 0.0
    W1[1] = 0.0
    expected = reference.risk(data, reference.network_outputs(data, W1, b1, W2, 0.5, 1.0, 0.25))
    moments = network_moments(PassNetwork(W1, b1, W2, 0.5, 1.0, 0.25), data)
    assert moments.risk(0.5) == expected
    exact = exact_preactivations(data, W1, b1)
    counts = {}
    for row in exact:
        pattern = tuple(0 if v == 0 else 1 if z >= 0 else -1 for z, v in zip(row, W2.tolist(), strict=True))
        counts[pattern] = counts.get(pattern, 0) + 1
    assert moments.pattern_counts == counts


def test_dead_units_cost_no_pattern():
    data = reference.dataset([[1.0], [2.0], [-1.0]], [1.0, 0.0, 2.0])
    W1, b1 = np.array([[1.0], [0.0], [5.0]]), np.array([0.0, -1.0, 1.0])
    moments = network_moments(PassNetwork(W1, b1, np.array([1.0, 1.0, 0.0]), 0.0, 1.0, 0.5), data)
    assert moments.pattern_counts == {(1, -1, 0): 2, (-1, -1, 0): 1}


def test_shapes_and_values_are_checked():
    data = reference.dataset([[1.0], [2.0]], [1.0, 0.0])
    one = np.ones((1, 1))
    with pytest.raises(NetworkError, match=r"W1 must be \(d1, 1\)"):
        exact_margin(np.ones((1, 2)), np.ones(1), data)
    with pytest.raises(NetworkError, match="finite"):
        exact_margin(one * np.nan, np.ones(1), data)
    unequal = PassNetwork(one, np.ones(1), np.ones(2), 0.0, 1.0, 0.0)
    with pytest.raises(NetworkError, match="one weight per hidden unit"):
        network_moments(unequal, data)
    infinite = PassNetwork(one, np.ones(1), np.array([np.inf]), 0.0, 1.0, 0.0)
    with pytest.raises(NetworkError, match="W2 must be finite"):
        network_moments(infinite, data)
