"""Probes of networks that are not made of lines: estimates that balls agree with, and signs that balls decide."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import MissingDependencyError, NetworkError, OptionError
from fastminima.landscape.perturb.smooth_direct import SmoothDirect
from fastminima.landscape.smooth.excess import BallExcess
from fastminima.networks.activations.formula import evaluate
from fastminima.networks.rational_network import RationalNetwork
from mp_formula import MP
from probed import case, exact_parameters
from profiles import examples

NAMES = [
    "tanh",
    "sigmoid",
    "gelu",
    "elu",
    "softplus",
    "snake",
    "hardtanh",
    "mish",
    "softsign",
    "relu_squared",
]
DIGITS = 120


def risk_by_definition(parameters, h, data):
    """1/2 sum w (f(x) - y)^2 in 120 digits, by mpmath, parameters being Fractions."""
    W1, b1, W2, b2 = parameters
    dx = data.n_features
    weights = [1.0] * data.n_samples if data.sample_weight is None else data.sample_weight.tolist()
    with mpmath.workdps(DIGITS):

        def number(value):
            return mpmath.mpf(value.numerator) / value.denominator

        total = mpmath.mpf(0)
        for x, y, w in zip(data.X.tolist(), data.y.tolist(), weights, strict=True):
            f = number(b2[0])
            for j, v in enumerate(W2):
                z = b1[j] + sum(
                    (a * Fraction(b) for a, b in zip(W1[j * dx : (j + 1) * dx], x, strict=True)), Fraction(0)
                )
                f += number(v) * evaluate(h.formula, number(z), MP())
            total += mpmath.mpf(w) * (f - mpmath.mpf(y)) ** 2
        return total / 2


def excess_by_definition(probe, k, data):
    """Of the k-th point of a probe, unrounded."""
    theta = exact_parameters(probe.network)
    moved = [
        [a + Fraction(d) for a, d in zip(part, np.ravel(move).tolist(), strict=True)]
        for part, move in zip(theta, probe.delta(k), strict=True)
    ]
    h = probe.network.activation
    with mpmath.workdps(DIGITS):
        return risk_by_definition(moved, h, data) - risk_by_definition(theta, h, data)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("radius", [1e-10, 1e-5, 3e-3, 0.5])
def test_estimates_are_what_the_definition_says(name, radius):
    network, data = case(3, weighted=True, activation=name, d1=3)
    probe = fm.probe(network, data, radius=radius, n=6, keep=True)
    assert probe.method == "direct"
    assert probe.estimated
    exact = [excess_by_definition(probe, k, data) for k in range(6)]
    largest = max(map(abs, exact))
    for ours, theirs in zip(probe.excess, exact, strict=True):
        # relative to what the excesses of the radius are: one may cancel by itself
        assert abs(mpmath.mpf(ours) - theirs) <= 1e-11 * largest
    if not probe.n_undecided:
        assert probe.n_negative == sum(value < 0 for value in exact)


def test_points_have_the_excess_of_the_network_they_are():
    network, data = case(5, activation="gelu")
    probe = fm.probe(network, data, radius=0.3, n=20, keep=True)
    for k in (0, 19):
        assert fm.excess_risk(network, probe.perturbation(k), data) == pytest.approx(
            probe.excess[k], rel=1e-9
        )


@pytest.mark.parametrize("name", ["tanh", "elu", "hardtanh"])
def test_results_do_not_depend_on_workers_or_blocks(name):
    network, data = case(2, m=40, activation=name)
    one = fm.probe(network, data, radius=[1e-4, 0.1, 2.0], n=301, keep=True)
    two = fm.probe(network, data, radius=[1e-4, 0.1, 2.0], n=301, keep=True, workers=2)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.excess, b.excess)
        assert (a.n_negative, a.n_undecided, a.lowest_proved) == (
            b.n_negative,
            b.n_undecided,
            b.lowest_proved,
        )
    direct = SmoothDirect(network, data)
    moves = np.random.default_rng(0).normal(
        size=(7, len(np.concatenate([*map(np.ravel, network.parameters())])))
    )
    whole = direct.excess(moves)
    for k in range(7):
        for part, alone in zip(whole, direct.excess(moves[k : k + 1]), strict=True):
            assert part[k] == alone[0]


def test_xor_with_sigmoids():
    data = fm.load_demo("xor")
    network = fm.OneHiddenLayer([[5, 5], [-5, -5]], [-2, 7], [1, 1], -1, "sigmoid")
    probe = fm.probe(network, data, radius=0.1, n=1000)
    assert 0 < probe.n_negative < 1000
    assert probe.lowest_proved is True
    assert probe.finding().endswith("(float64 estimates; the lowest is proved lower)")
    assert fm.excess_risk(network, probe.perturbation(probe.argmin), data) == pytest.approx(probe.min_excess)


def test_around_a_minimum_that_is_proved_nothing_is_lower():
    data = fm.load_demo("xor")
    low = fm.polish(fm.OneHiddenLayer([[5, 5], [-5, -5]], [-2, 7], [1, 1], -1, "sigmoid"), data)
    assert low.status == "local_minimum"
    for radius in (1e-12, 1e-9, 1e-6, 1e-3):
        probe = fm.probe(low.network, data, radius=radius, n=500)
        assert (probe.n_negative, probe.n_undecided, probe.lowest_proved) == (0, 0, None)
        assert probe.min_excess > 0
        assert probe.finding() == "none of 500 sampled points has a lower risk (float64 estimates)"


def test_signs_that_float64_does_not_have_come_from_balls(monkeypatch):
    """At a radius far below the spacing of the outputs, all excesses are rounding; the balls' signs are the true ones."""
    network, data = case(1, m=8, activation="tanh")
    monkeypatch.setattr("fastminima.landscape.perturb.smooth_direct._ROUNDINGS", 2.0**52)
    probe = fm.probe(network, data, radius=1e-3, n=100)
    exact = [excess_by_definition(probe, k, data) for k in range(100)]
    lower = sum(value < 0 for value in exact)
    assert 10 < lower < 90
    # the first 64 are decided, the others stay open: none is counted on a float's word
    assert probe.n_undecided == 36
    assert probe.n_negative == sum(value < 0 for value in exact[:64])
    assert "36 more are too close to it to tell" in probe.finding()
    monkeypatch.setattr("fastminima.landscape.signs._WORK", 16 * 9)
    few = fm.probe(network, data, radius=1e-3, n=100)
    assert (few.n_undecided, few.n_negative) == (92, sum(value < 0 for value in exact[:8]))
    monkeypatch.setattr("fastminima.landscape.signs._WORK", 15)
    none = fm.probe(network, data, radius=1e-3, n=100)
    assert (none.n_undecided, none.n_negative, none.lowest_proved) == (100, 0, None)


def test_without_a_formula_or_balls_estimates_stay_estimates(monkeypatch):
    network, data = case(1, m=8, activation="tanh")
    tanh = fm.activation("tanh")
    plain = fm.OneHiddenLayer(*network.parameters(), fm.Smooth(tanh.value, tanh.first, tanh.second))
    for theta in (plain, fm.OneHiddenLayer(*network.parameters(), np.tanh)):
        found = fm.probe(theta, data, radius=0.1, n=200)
        expected = fm.probe(network, data, radius=0.1, n=200)
        assert found.n_negative == expected.n_negative
        assert found.min_excess == pytest.approx(expected.min_excess, rel=1e-10)
        assert (found.lowest_proved, found.estimated) == (None, True)
        assert "float64 estimates" in found.finding()
    with pytest.raises(NetworkError, match="formula"):
        fm.excess_risk(plain, plain, data)

    def missing(*_args, **_kwargs):
        raise MissingDependencyError("no flint")

    monkeypatch.setattr("fastminima.landscape.smooth.ball_risk.import_optional", missing)
    assert fm.probe(network, data, radius=0.1, n=200).lowest_proved is None


@pytest.mark.parametrize(("option", "value"), [("method", "screened"), ("dtype", "float32")])
def test_what_lines_alone_have_is_refused(option, value):
    network, data = case(activation="tanh")
    with pytest.raises(
        OptionError, match=f'{option}="{value}" is for piecewise linear activations; the network has tanh'
    ):
        fm.probe(network, data, n=0, **{option: value})


def test_overflow_is_counted():
    network, data = case(1, activation="exponential")
    assert fm.probe(network, data, radius=1e4, n=50).n_overflow > 0
    with pytest.raises(NetworkError, match="outputs of the network overflow"):
        fm.probe(fm.OneHiddenLayer([[1e5, 1e5]], [1e5], [1.0], 0.0, "exponential"), data, n=5)


def test_points_at_which_pieces_change_are_counted():
    network, data = case(1, activation="hardtanh")
    far = fm.probe(network, data, radius=3.0, n=100)
    assert 0 < far.n_changed <= 100
    assert fm.probe(network, data, radius=1e-9, n=100).n_changed == 0
    assert fm.probe(*case(1, activation="tanh"), radius=3.0, n=100).n_changed == 0


# ---- excess_risk -----------------------------------------------------------------------------------------------


@settings(max_examples=examples(20), deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 10**6), st.integers(-40, 2))
def test_excess_risk_is_right_to_the_last_digits(name, seed, size):
    network, data = case(seed, m=6, activation=name)
    rng = np.random.default_rng(seed)
    parts = [np.asarray(p) + 2.0**size * rng.normal(size=np.shape(p)) for p in network.parameters()]
    other = fm.OneHiddenLayer(*parts[:3], float(parts[3]), network.activation)
    h = network.activation
    with mpmath.workdps(DIGITS):
        exact = risk_by_definition(exact_parameters(other), h, data) - risk_by_definition(
            exact_parameters(network), h, data
        )
        found = fm.excess_risk(network, other, data)
        assert abs(found - exact) <= 1e-15 * abs(exact)
    assert fm.excess_risk(other, network, data) == -found


def test_widths_and_activations_may_differ():
    network, data = case(4, activation="tanh")
    wider = fm.OneHiddenLayer(
        np.vstack([network.W1, [[1.0, 2.0]]]), [*network.b1, 0.5], [*network.W2, 0.0], network.b2, "tanh"
    )
    assert fm.excess_risk(network, wider, data) == 0.0
    lines = case(4)[0]
    with mpmath.workdps(DIGITS):
        exact = risk_by_definition(exact_parameters(network), network.activation, data)
        exact -= risk_by_definition(exact_parameters(lines), lines.activation, data)
    assert fm.excess_risk(lines, network, data) == pytest.approx(float(exact), rel=1e-14)
    assert fm.excess_risk(network, network, data) == 0.0


def test_a_sample_where_the_activation_jumps_has_no_excess():
    data = fm.Dataset([[0.0], [1.0]], [0.0, 1.0])
    on, off = (fm.OneHiddenLayer([[1.0]], [b], [1.0], 0.0, "hardshrink") for b in (0.5, 0.6))
    with pytest.raises(NetworkError, match="lies where the activation jumps"):
        fm.excess_risk(on, off, data)


def test_signs_are_proved_or_open():
    network, data = case(2, activation="tanh")
    balls = BallExcess(network, data)
    theta = RationalNetwork.of(network)
    assert balls.sign(theta) is None
    assert balls.value(theta) == 0
