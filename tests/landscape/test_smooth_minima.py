"""Smooth activations and weight decay: what balls claim of critical points, held against other arithmetic."""

from __future__ import annotations

import json
import os
import pickle
import sys
from fractions import Fraction
from itertools import pairwise

import mpmath
import numpy as np
import pytest

import fastminima as fm
from fastminima.cli.main import main
from fastminima.errors import (
    ActivationError,
    DataError,
    DataTypeError,
    MissingDependencyError,
    NetworkError,
    OptionError,
    ProofError,
    TargetError,
)
from fastminima.landscape.smooth import ball_risk, float_risk
from fastminima.landscape.smooth.certify import newton
from fastminima.landscape.smooth.problem import Problem
from fastminima.landscape.smooth.vector import network_of, vector_of
from fastminima.landscape.verdict import OffUnit
from fastminima.networks.activations.formula import evaluate
from fastminima.networks.rational_network import RationalNetwork
from mp_formula import MP

pytest.importorskip("flint")

F = Fraction
SMOOTH = [name for name, info in fm.activations().items() if info.c2]
EVERY = bool(os.environ.get("FASTMINIMA_VERIFY"))


def network(rng, dx, d1, activation, scale=1.0):
    draw = rng.normal(size=(d1, dx)), rng.normal(size=d1), rng.normal(size=d1)
    return fm.OneHiddenLayer(*(scale * part for part in draw), 0.0, activation)


def theory_case(seed, activation):
    """m = 60, three inputs, width 3: sixteen parameters."""
    rng = np.random.default_rng(seed)
    data = fm.Dataset(rng.normal(size=(60, 3)), rng.normal(size=60))
    return network(rng, 3, 3, activation), data


def mp_risk(theta, data, like, weight_decay):
    """F, from the formula, in mpmath."""
    d1, n = like.width, like.n_features + 1
    u, a = theta[: d1 * n], theta[d1 * n : -1]
    total = mpmath.mpf(0)
    weights = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
    for x, y, w in zip(data.X.tolist(), data.y.tolist(), weights.tolist(), strict=True):
        f = theta[-1]
        for k in range(d1):
            z = sum(u[k * n + j] * v for j, v in enumerate([*x, 1.0]))
            f += a[k] * evaluate(like.activation.formula, z, MP())
        total += w * (f - y) ** 2
    return (total + mpmath.mpf(weight_decay) * sum(v * v for v in theta)) / 2


def as_mp(values):
    return [mpmath.mpf(v.numerator) / v.denominator for v in values]


def inside(ball, value):
    """Does a ball hold an mpmath number, up to the error of difference quotients?"""
    middle = mpmath.mpf(ball.mid().str(60, radius=False))
    return abs(middle - value) <= mpmath.mpf(10) ** -20 * (1 + abs(value))


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_and_hessian_are_those_of_the_formula(name):
    """Against difference quotients of another implementation of the risk, at 80 digits."""
    rng = np.random.default_rng(len(name))
    data = fm.Dataset(rng.normal(size=(5, 2)), rng.normal(size=5), sample_weight=[1.0, 2.0, 0.5, 1.0, 3.0])
    problem = Problem.of(network(rng, 2, 2, name), data, F(1, 8))
    theta, risk = vector_of(problem.network), problem.risk
    step = [F(float(v)) for v in rng.normal(size=len(theta))]
    with risk.precisely(160), mpmath.workdps(90):
        point = risk.point(theta)
        gradient, H = risk.gradient(point), risk.hessian(point)
        slope = sum(g * risk.ball(s) for g, s in zip(gradient, step, strict=True))
        bend = sum(H[i, j] * risk.ball(a * b) for i, a in enumerate(step) for j, b in enumerate(step))
        t = mpmath.mpf(10) ** -25
        at, along = as_mp(theta), as_mp(step)
        low, middle, high = (
            mp_risk([a + k * t * b for a, b in zip(at, along, strict=True)], data, problem.network, 0.125)
            for k in (-1, 0, 1)
        )
        assert inside(risk.risk(point), middle)
        assert inside(slope, (high - low) / (2 * t))
        assert inside(bend, (high - 2 * middle + low) / (t * t))


@pytest.mark.parametrize("name", ["tanh", "gelu", "softplus", "silu", "sine", "quadratic"])
def test_a_hessian_over_a_ball_holds_those_inside(name):
    rng = np.random.default_rng(1)
    data = fm.Dataset(rng.normal(size=(20, 2)), rng.normal(size=20))
    problem = Problem.of(network(rng, 2, 2, name), data, F(0))
    risk, theta = problem.risk, vector_of(problem.network)
    with risk.precisely():
        around = risk.hessian(risk.point(theta), risk.ball(F(1, 100))).entries()
        widest = max(float(v.rad()) for v in around)
        changes = []
        centre = risk.hessian(risk.point(theta)).entries()
        for _ in range(20):
            step = rng.normal(size=len(theta))
            step *= 0.00999999 / np.linalg.norm(step)
            moved = risk.hessian(
                risk.point([a + F(float(b)) for a, b in zip(theta, step, strict=True)])
            ).entries()
            assert all(a.overlaps(b) for a, b in zip(around, moved, strict=True))
            changes.append(max(float((a - b).abs_upper()) for a, b in zip(centre, moved, strict=True)))
    # no wider than a few times what is seen
    assert widest < 30 * max(changes)


@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_float_and_ball_derivatives_agree(name):
    net, data = theory_case(3, name)
    problem = Problem.of(net, data, F(1, 10))
    at = np.array([float(v) for v in vector_of(problem.network)])
    gradient, H = problem.floats.derivatives(at)
    with problem.risk.precisely():
        point = problem.risk.point(vector_of(problem.network))
        np.testing.assert_allclose(gradient, [float(g) for g in problem.risk.gradient(point)], rtol=1e-10)
        balls = [[float(v) for v in row] for row in problem.risk.hessian(point).tolist()]
        np.testing.assert_allclose(H, balls, rtol=1e-9, atol=1e-9)
        assert problem.floats.value(at) == pytest.approx(float(problem.risk.risk(point)), rel=1e-13)


def check(p):
    """What a certified polish claims, by float64 and by balls that know nothing of how it was found."""
    assert p.status == "local_minimum"
    assert p
    m, data, decay = p.exact, p.data, F(p.weight_decay)
    risks = [step.risk for step in p.path]
    assert all(b <= a * (1 + 1e-9) + 1e-12 for a, b in pairwise(risks))
    assert m.gradient < m.curvature * m.radius
    assert F(m.error) * F(m.curvature) >= F(m.gradient) * F(999, 1000)
    near = RationalNetwork.of(p.network)
    assert near.distance_squared(m.centre) <= F(p.distance) ** 2
    assert p.radius <= m.radius
    assert m.contains(p.network)
    assert m.risk_bounds[0] <= m.risk_bounds[1]
    assert p.decision.verdict == "local_minimum"
    assert p.decision.radius <= m.radius
    rng = np.random.default_rng(0)
    problem = Problem.of(m.centre, data, decay)
    centre = vector_of(m.centre)
    with problem.risk.precisely(212):
        value = problem.risk.risk(problem.risk.point(vector_of(near)))
        assert float((value - problem.risk.ball(m.risk_bounds[0])).abs_upper()) <= p.excess + 1e-24
        for share in (1.0, 0.3):
            step = rng.normal(size=len(centre))
            step *= 0.999 * share * m.radius / np.linalg.norm(step)
            other = [a + F(float(b)) for a, b in zip(centre, step, strict=True)]
            assert m.contains(network_of(other, m.centre))
            # not lower, and no critical point
            assert problem.risk.risk(problem.risk.point(other)) > problem.risk.ball(m.risk_bounds[0])
            assert any(g != 0 for g in problem.risk.gradient(problem.risk.point(other)))
            H = problem.floats.derivatives(np.array([float(v) for v in other]))[1]
            assert np.linalg.eigvalsh(H)[0] >= m.curvature * (1 - 1e-6) - 1e-12 * np.abs(H).max()


@pytest.mark.parametrize("name", ["tanh", "gelu"])
@pytest.mark.parametrize(("decay", "count"), [(0.1, 8), (0.001, 4)])
def test_with_weight_decay_every_walk_ends_in_a_certified_ball(name, decay, count):
    for seed in range(count if EVERY else 1):
        net, data = theory_case(seed, name)
        p = fm.polish(net, data, weight_decay=decay)
        check(p)
        assert p.distance < 1e-11
        assert p.excess < 1e-20
        assert p.exact.error < 1e-20


def test_without_weight_decay_some_are_certified_and_the_others_say_why_not():
    certified = 0
    for seed in range(16 if EVERY else 2):
        net, data = theory_case(seed, ("tanh", "gelu")[seed % 2])
        p = fm.polish(net, data)
        if p:
            certified += 1
            check(p)
        else:
            assert p.status == "undetermined"
            assert p.reason.startswith("no curvature bound: eigenvalues of the Hessian from ")
            assert "weights up to" in p.reason
            assert (p.exact, p.distance, p.excess, p.radius) == (None, np.inf, np.inf, 0.0)
    assert certified >= 1


@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "identity"])
def test_every_activation_that_is_smooth(name):
    """The identity has none: with weight decay too its minima turn into each other."""
    rng = np.random.default_rng(0)
    data = fm.Dataset(rng.normal(size=(30, 2)), rng.normal(size=30))
    p = fm.polish(network(rng, 2, 2, name, 0.5), data, weight_decay=0.5)
    check(p)
    # what Newton's method finds from elsewhere in the ball is the same point
    m, problem = p.exact, Problem.of(p.exact.centre, data, F(1, 2))
    step = rng.normal(size=problem.risk.size)
    step *= 0.5 * m.radius / np.linalg.norm(step)
    with problem.risk.precisely():
        start = [a + F(float(b)) for a, b in zip(vector_of(m.centre), step, strict=True)]
        again = problem.risk.exact(newton(problem.risk, problem.floats, problem.risk.point(start)))
    assert m.distance(network_of(again, m.centre)) < 1e-20


def test_a_polished_network_is_polished_and_results_are_plain_objects():
    net, data = theory_case(1, "gelu")
    p = fm.polish(net, data, weight_decay=0.1)
    assert not p.started_within_radius
    again = fm.polish(p.network, data, weight_decay=0.1)
    assert again.started_within_radius
    assert again.started_in_region
    assert again.moved < 1e-14
    assert p.exact.distance(again.exact.centre) < 1e-24
    assert fm.polish(net, data, weight_decay=0.1).exact.centre == p.exact.centre
    assert pickle.loads(pickle.dumps(p)).exact.centre == p.exact.centre
    assert "local_minimum" in repr(p)
    assert "radius" in repr(p.exact)
    with pytest.raises(NetworkError, match="the ball is about networks with 3 units, 3 inputs, gelu"):
        p.exact.contains(fm.OneHiddenLayer([[1.0, 0, 0]], [0.0], [1.0], 0.0, "gelu"))


def test_a_float64_network_is_refuted_and_what_is_near_is_reported():
    net, data = theory_case(2, "tanh")
    p = fm.polish(net, data, weight_decay=0.1)
    v = fm.decide(p.network, data, weight_decay=0.1, ball=1e-3)
    assert v.verdict == "not_a_minimum"
    assert not v
    assert "the gradient is not 0" in v.reason
    assert (v.radius, v.region, v.kinks, v.multipliers, v.leave) == (0.0, None, (), [], None)
    # the drop is far below what float64 sees of the risk, and proved
    assert 0 < v.escape.drop < F(1, 10**20)
    assert v.escape.distance <= 1e-3
    assert v.near.contains(p.network)
    assert v.near.distance(p.network) <= 1e-14
    with mpmath.workdps(80):
        here, there = (mp_risk(as_mp(vector_of(n)), data, n, 0.1) for n in (v.network, v.escape.exact))
        assert here - there > 0
        assert (
            abs((here - there) / (mpmath.mpf(v.escape.drop.numerator) / v.escape.drop.denominator) - 1) < 1e-9
        )


@pytest.mark.parametrize("ball", [None, 1e-2, 1e-9])
def test_an_escape_is_lower_and_inside_the_ball(ball):
    for seed, decay in ((4, 0.0), (5, 0.25)):
        net, data = theory_case(seed, "gelu")
        v = fm.decide(net, data, ball=ball, weight_decay=decay)
        assert v.verdict == "not_a_minimum"
        other = v.escape.network
        assert RationalNetwork.of(other) == v.escape.exact
        assert ball is None or v.escape.distance_squared <= F(ball) ** 2
        with mpmath.workdps(60):
            fell = mp_risk(as_mp(vector_of(v.network)), data, net, decay) - mp_risk(
                as_mp(vector_of(v.escape.exact)), data, net, decay
            )
            assert fell >= mpmath.mpf(v.escape.drop.numerator) / v.escape.drop.denominator > 0


LINE = fm.Dataset([[-1.0], [0.0], [1.0], [2.0]], [1.0, 2.0, 0.0, 1.0])


def test_where_the_gradient_is_exactly_zero_the_hessian_decides():
    saddle = fm.OneHiddenLayer([[0.0]], [0.0], [0.0], 1.0, "tanh")
    v = fm.decide(saddle, LINE)
    assert v.verdict == "not_a_minimum"
    assert "negative direction" in v.reason
    assert v.escape.along == "curvature"
    assert v.escape.network.risk(LINE) < saddle.risk(LINE)
    assert v.off_units == {0: OffUnit.NO_OUTPUT_WEIGHT}
    centred = fm.Dataset(LINE.X, [1.0, -1.0, 1.0, -1.0])
    strict = fm.decide(fm.OneHiddenLayer([[0.0]], [0.0], [0.0], 0.0, "tanh"), centred, weight_decay=50.0)
    assert strict.verdict == "local_minimum"
    assert strict
    assert strict.radius > 0.01
    assert strict.region.contains(strict.network)
    assert strict.near is strict.minimum
    exact = fm.OneHiddenLayer([[1.0]], [0.0], [2.0], 1.0, "quadratic")
    lowest = fm.decide(exact, fm.Dataset(LINE.X, [3.0, 1.0, 3.0, 9.0]))
    assert lowest.verdict == "local_minimum"
    assert lowest.reason == "no function of the inputs has a lower risk"
    assert lowest.radius == np.inf
    # a cube with output weight 0: the risk is flat to second order, and nothing is said
    flat = fm.decide(fm.OneHiddenLayer([[0.0]], [0.0], [0.0], 1.0, "cube"), LINE)
    assert flat.verdict == "undetermined"
    assert flat.reason.endswith("units 0 are off")


def test_theorem_2s_points():
    """The one of risk 0 is proved to be beside its float64 network; the bad one is not isolated, and float64 rounds it."""
    points = fm.counterexample("softplus")
    p = fm.polish(points.global_minimum, points.data)
    assert p
    assert p.radius == np.inf
    assert p.exact.risk_bounds == (0, 0)
    assert p.distance < 1e-14
    v = fm.decide(points.local_minimum, points.data)
    assert v.verdict == "not_a_minimum"
    assert v.escape.drop < F(1, 10**40)
    assert v.near is None
    assert fm.polish(points.local_minimum, points.data).status == "undetermined"


def test_equal_and_idle_units_are_folded_and_named():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 3))
    data = fm.Dataset(X, 2 * np.tanh(X @ [1.0, -0.5, 0.25] + 0.5) + 0.1 * rng.normal(size=40))
    alone = fm.polish(fm.OneHiddenLayer([[1.0, 0, 0]], [0.0], [1.0], 0.0, "tanh"), data)
    check(alone)
    one = alone.network
    cases = {
        "unit 1 (equal to unit 0)": (one.W1[0], one.b1[0], 0.5, -0.5),
        "unit 1 (the mirror image of unit 0)": (-one.W1[0], -one.b1[0], -0.5, -0.5),
        "unit 1 (off, a_k = 0)": (np.ones(3), 2.0, 0.0, 0.0),
        "unit 1 (constant, w_k = 0)": (np.zeros(3), 0.25, 0.75, 0.0),
    }
    for why, (row, bias, weight, added) in cases.items():
        wide = fm.OneHiddenLayer(
            np.vstack([one.W1, row]), np.append(one.b1, bias), [one.W2[0] + added, weight], one.b2, "tanh"
        )
        p = fm.polish(wide, data)
        assert [str(fold) for fold in p.folds] == [why]
        assert p.network.width == 1
        assert f"of width 1, after {why} had been folded" in p.reason
        check(p)
        if "constant" not in why:
            assert p.moved < 1e-12
            assert p.exact.distance(alone.exact.centre) < 1e-20
        # with weight decay such units cost something, and none is folded
        assert fm.polish(wide, data, weight_decay=0.1).network.width == 2


def test_more_parameters_than_samples_a_point_of_least_risk_nearby():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(8, 2))
    net = network(rng, 2, 4, "tanh")
    p = fm.polish(net, fm.Dataset(X, rng.normal(size=8)))
    assert p
    assert p.reason == "no function of the inputs has a lower risk"
    assert p.radius == np.inf
    assert p.exact.risk_bounds == (0, 0)
    assert p.distance < 1e-12
    assert p.network.risk(p.data) <= p.excess * (1 + 1e-9) + 1e-28
    # an independent solve from the centre ends within the error that is claimed
    with mpmath.workdps(50):
        assert mp_risk(as_mp(vector_of(p.exact.centre)), p.data, net, 0) < 1e-50
    twice = fm.Dataset(
        np.repeat(X, 2, axis=0), rng.normal(size=16), sample_weight=rng.integers(1, 4, 16) * 1.0
    )
    p = fm.polish(net, twice)
    assert p
    w, y = twice.sample_weight.reshape(8, 2), twice.y.reshape(8, 2)
    mean = (w * y).sum(1) / w.sum(1)
    assert p.risk == pytest.approx(0.5 * (w * (y - mean[:, None]) ** 2).sum(), rel=1e-14)
    # weight decay makes no such point
    assert fm.polish(net, twice, weight_decay=0.1).radius < np.inf


def test_rational_data_and_weights_are_taken_exactly():
    third = F(1, 3)
    X = [[third, F(2, 7)], [F(1, 5), F(1)], [F(2), F(3, 11)], [F(-1), F(1, 9)], [third, F(2, 3)]]
    data = fm.Dataset(X, [third, F(1), F(2, 7), F(0), F(5, 9)])
    p = fm.polish(fm.OneHiddenLayer([[1.0, 2]], [0.3], [1.0], 0.0, "softplus"), data, weight_decay=0.01)
    check(p)
    rounded = fm.polish(p.network, fm.Dataset(data.X, data.y), weight_decay=0.01)
    gap = p.exact.distance(rounded.exact.centre)
    assert 1e-20 < gap < 1e-13


def test_kinks_are_named_and_where_sides_are_kept_balls_serve():
    v = fm.decide(fm.OneHiddenLayer([[1.0]], [0.0], [0.0], 1.0, "elu"), LINE)
    assert v.verdict == "not_a_minimum"
    still = fm.decide(fm.OneHiddenLayer([[0.0]], [0.0], [0.0], 1.0, "selu"), LINE)
    assert still.verdict == "undetermined"
    assert "sample 0 lies where two pieces of selu meet at unit 0: there is no gradient" in still.reason
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    data = fm.Dataset(X, np.maximum(X @ [1.0, 2.0, -1.0] + 0.5, 0) + 0.1 * rng.normal(size=60))
    net = fm.OneHiddenLayer([[1.0, 1, 1]], [0.5], [1.0], 0.0, "relu")
    ends = [fm.polish(net, data, weight_decay=decay) for decay in (1.0, 0.5, 0.25, 0.125)]
    certified = [p for p in ends if p]
    assert certified
    for p in certified:
        check(p)
        # a^2 = |u|^2 at such a minimum
        u, a = [*p.network.W1[0], *p.network.b1], p.network.W2[0]
        assert a * a == pytest.approx(float(np.dot(u, u)), rel=1e-12)
    for p in ends:
        assert p or "lies where two pieces of ReLU meet" in p.reason
    hard = fm.polish(network(rng, 3, 2, "hardtanh"), data, weight_decay=0.1)
    assert hard or "two pieces of hardtanh" in hard.reason


def test_flat_symmetries_are_named():
    rng = np.random.default_rng(2)
    data = fm.Dataset(rng.normal(size=(30, 2)), rng.normal(size=30))
    for name, what in (("cube", "h(ct)"), ("exponential", "h(t + c)"), ("identity", "h is affine")):
        p = fm.polish(network(rng, 2, 1, name, 0.5), data)
        assert p.status == "undetermined"
        assert what in p.reason


def test_an_interrupted_walk_hands_back_the_best_point(monkeypatch):
    net, data = theory_case(0, "tanh")
    calls = []
    derivatives = float_risk.FloatRisk.derivatives

    def interrupted(self, theta):
        calls.append(theta)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return derivatives(self, theta)

    monkeypatch.setattr(float_risk.FloatRisk, "derivatives", interrupted)
    p = fm.polish(net, data, weight_decay=0.1)
    assert p.status == "interrupted"
    assert not p
    assert len(p.path) > 3
    assert p.risk == p.path[-1].risk < p.path[0].risk


def test_what_does_not_fit_is_refused_by_name(monkeypatch):
    net, data = theory_case(0, "tanh")
    for bad in (-1.0, float("nan"), float("inf"), "0.1", None, True):
        for ask in (fm.decide, fm.polish):
            with pytest.raises(OptionError, match="weight_decay must be a finite number >= 0"):
                ask(net, data, weight_decay=bad)
    with pytest.raises(OptionError, match="ball must be a positive number"):
        fm.decide(net, data, ball=0.0)
    with pytest.raises(OptionError, match="leave_off_units"):
        fm.polish(net, data, leave_off_units="yes")
    words = fm.Smooth(
        np.tanh, lambda t: 1 - np.tanh(t) ** 2, lambda t: -2 * np.tanh(t) * (1 - np.tanh(t) ** 2)
    )
    for activation, what in (
        (words, "no formula; use Smooth.from_formula"),
        (np.tanh, "PiecewiseLinear or Smooth"),
    ):
        for ask in (fm.decide, fm.polish):
            with pytest.raises(NetworkError, match=what):
                ask(fm.OneHiddenLayer(net.W1, net.b1, net.W2, 0.0, activation), data)
    with pytest.raises(DataError, match="the network takes 3 inputs"):
        fm.decide(net, LINE)
    with pytest.raises(DataTypeError, match="decide takes a Dataset"):
        fm.decide(net, [[0.0]])
    with pytest.raises(TargetError):
        fm.polish(net, fm.Dataset(data.X, data.X))
    with pytest.raises(NetworkError, match="beyond the numbers that balls hold"):
        fm.decide(fm.OneHiddenLayer([[1e300, 1, 1]], [1.0], [1e300], 0.0, "exponential"), data)
    huge = fm.polish(fm.OneHiddenLayer([[1e300, 1, 1]], [1.0], [1e300], 0.0, "gelu"), data)
    assert huge.reason == "no curvature bound: the Hessian leaves the range of float64"
    monkeypatch.setitem(sys.modules, "flint", None)
    for ask in (fm.decide, fm.polish):
        with pytest.raises(MissingDependencyError, match=r"pip install 'fastminima\[proof\]'"):
            ask(net, data)


def test_samples_in_several_blocks(monkeypatch):
    net, data = theory_case(3, "tanh")
    whole = fm.polish(net, data, weight_decay=0.1)
    monkeypatch.setattr(ball_risk, "_ROWS", 17)
    p = fm.polish(net, data, weight_decay=0.1)
    check(p)
    assert p.exact.distance(whole.exact.centre) < 1e-22
    problem = Problem.of(net, data, F(0))
    with problem.risk.precisely():
        assert [len(block.y) for block in problem.risk.held.blocks] == [17, 17, 17, 9]
        assert len(problem.risk.jacobian(problem.risk.point(vector_of(problem.network)))) == 60


def test_exponents_without_end_fill_no_memory():
    """e^(-t^2) and its inverse reach 2 to the 10^15 on these; as rationals that would be all the memory there is."""
    far = fm.OneHiddenLayer([[3e7]], [2e7], [1.0], 0.0, "gaussian")
    data = fm.Dataset([[1.0], [2.0]], [1.0, 1.0])
    v = fm.decide(far, data)
    assert v.verdict == "not_a_minimum"
    assert v.risk == 1.0
    # the least risk is approached and not proved: the gaussian is never 0, and b2 alone does not fit two samples
    assert fm.polish(far, data).status == "undetermined"
    flat = fm.decide(fm.OneHiddenLayer([[3e7]], [2e7], [1.0], 1.0, "gaussian"), data)
    assert flat.reason.startswith("the gradient is 0 to 1696 bits")
    assert flat.near is None
    problem = Problem.of(far, data, F(0))
    with problem.risk.precisely():
        arb = problem.risk.flint.arb
        low, high = problem.risk.edges(arb(-(10**12)).exp())
        assert low == 0 < high < F(1, 2**4000)
        low, high = problem.risk.edges(-arb(-(10**12)).exp())
        assert high == 0 > low
        assert problem.risk.edges(arb(0.5)) == (F(1, 2), F(1, 2))
        with pytest.raises(ActivationError, match="no bounds"):
            problem.risk.edges(arb(10**12).exp())
    # far from critical, with weights that have run away
    rng = np.random.default_rng(0)
    wide = fm.Dataset(50 * rng.normal(size=(30, 2)), rng.normal(size=30))
    assert fm.polish(network(rng, 2, 3, "gelu", 30.0), wide).status in ("undetermined", "local_minimum")


def test_results_lead_on_with_their_own_weight_decay(tmp_path):
    pytest.importorskip("matplotlib")
    net, data = theory_case(1, "gelu")
    p = fm.polish(net, data, weight_decay=0.1)
    v = p.decide()
    assert v.weight_decay == 0.1
    assert v.near.contains(p.network)
    assert v.polish().exact.distance(p.exact.centre) < 1e-20
    walk = fm.descent(p)
    assert walk.gradient is not None
    assert walk.kinds[0] == "start"
    assert walk.kinds[-1] == "certified"
    assert not walk.held.any()
    p.plot(tmp_path / "descent.png")
    v.plot(tmp_path / "plane.png", n=11)
    assert (tmp_path / "descent.png").stat().st_size > 10_000
    # the ball is that of the risk with weight decay, which the picture of the data's risk must not show
    assert p.radius > 0
    for result in (p, v):
        with pytest.raises(ProofError, match="has no certificate"):
            fm.prove(result)


def test_the_commands_decide_and_polish_in_balls(tmp_path, capsys):
    net, data = theory_case(1, "gelu")
    net.save(tmp_path / "net.npz")
    table = np.column_stack([data.X, data.y])
    text = "\n".join(["a,b,c,y", *(",".join(map(repr, row)) for row in table.tolist())])
    (tmp_path / "data.csv").write_text(text)
    where = [str(tmp_path / "net.npz"), str(tmp_path / "data.csv"), "--target", "y"]
    assert main(["polish", *where, "--weight-decay", "0.1", "--json", "--full"]) == 0
    summary = json.loads(capsys.readouterr().out)
    p = fm.polish(net, data, weight_decay=0.1)
    assert summary["status"] == "local_minimum"
    assert summary["minimum"]["radius"] == p.exact.radius
    assert summary["polished"]["distance"] == p.distance
    assert summary["path"][-1]["kind"] == "certified"
    # the answer is no
    assert main(["decide", *where, "--ball", "0.01"]) == 1
    shown = capsys.readouterr().out
    assert "not a minimum" in shown
    assert "a lower network, proved" in shown
    assert "minimum nearby" in shown
    reached = bool(fm.polish(net, data))
    assert main(["polish", *where]) == (0 if reached else 1)
    assert "local minimum" in capsys.readouterr().out or not reached
