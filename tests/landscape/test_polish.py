"""`polish` ends at exact local minima, never climbs, and says honestly where it began."""

from __future__ import annotations

import doctest
import signal
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from children import program
from fastminima.errors import DataTypeError, NetworkError
from fastminima.landscape.decide import decision
from fastminima.landscape.polish import polish as module
from fastminima.landscape.polish import walk
from fastminima.landscape.polish.face import Face
from fastminima.landscape.polish.line_search import LineSearch
from fastminima.landscape.polish.samples import Samples
from fastminima.landscape.polish.walk import Walk
from profiles import examples

F = Fraction


def start(rng, dx, d1, activation):
    return fm.OneHiddenLayer(
        rng.normal(size=(d1, dx)), rng.normal(size=d1), rng.normal(size=d1), 0.0, activation
    )


def check(p, data):
    """Everything a result claims, by exact numbers."""
    assert p.status == "local_minimum"
    again = fm.decide(p.exact, data)
    assert again
    assert again.exact_risk == p.decision.exact_risk
    risks = [step.risk for step in p.path]
    assert all(b <= a * (1 + 1e-9) + 1e-12 for a, b in pairwise(risks))
    near = fm.RationalNetwork.of(p.network)
    assert near.distance_squared(p.exact) <= F(p.distance) ** 2
    excess = fm.decide(p.network, data).exact_risk - p.decision.exact_risk
    assert float(excess) == p.excess
    if np.isfinite(p.radius):
        assert p.radius <= max(0.0, p.decision.radius - p.distance)
    assert p.started_in_region == p.decision.region.contains(p.start)
    if p.started_within_radius:
        assert p.started_in_region


@settings(max_examples=examples(40), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    grid=st.booleans(),
    slopes=st.sampled_from([(1.0, 0.0), (1.0, 0.25), (0.5, 2.0)]),
)
def test_any_start_ends_at_an_exact_local_minimum(seed, grid, slopes):
    rng = np.random.default_rng(seed)
    m, dx, d1 = rng.integers(5, 40), rng.integers(1, 4), rng.integers(1, 5)
    if grid:
        X, y = rng.integers(-2, 3, (m, dx)) / 2, rng.integers(-4, 5, m) / 2
    else:
        X, y = rng.normal(size=(m, dx)), rng.normal(size=m)
    weight = rng.integers(1, 4, m).astype(float) if seed % 2 else None
    data = fm.Dataset(X, y, sample_weight=weight)
    network = start(rng, dx, d1, fm.PiecewiseLinear(*slopes))
    p = fm.polish(network, data)
    check(p, data)
    assert p.decision.exact_risk <= fm.decide(network, data).exact_risk


@pytest.mark.parametrize("seed", [193, 236])
def test_a_row_that_shrank_to_0_is_gone_round_where_it_cannot_be_decided(seed):
    """Then every input is on the boundary, too many of them concave; but the unit moves at constant risk."""
    rng = np.random.default_rng(seed)
    m, dx, d1 = int(rng.integers(10, 61)), int(rng.integers(1, 5)), int(rng.integers(1, 6))
    data = fm.Dataset(rng.normal(size=(m, dx)), rng.normal(size=m))
    p = fm.polish(start(rng, dx, d1, fm.relu), data)
    check(p, data)


def test_the_way_round_a_row_of_0_is_a_strictly_lower_point():
    rng = np.random.default_rng(0)
    data = fm.Dataset(rng.normal(size=(40, 3)), rng.normal(size=40))
    network = fm.OneHiddenLayer(np.zeros((1, 3)), [0.0], [1.0], float(data.y.mean()), fm.relu)
    decision = fm.decide(fm.RationalNetwork.of(network), data)
    path = Walk(decision.network, data)._around(decision)
    assert fm.decide(path.exact, data).exact_risk == decision.exact_risk - path.drop < decision.exact_risk
    still = fm.spurious_minimum(data, width=2)
    assert Walk(fm.RationalNetwork.of(still.network), data)._around(fm.decide(still)) is None


def test_diabetes_ends_where_it_is_known_to():
    data = fm.load_demo("diabetes")
    k, j = np.arange(2)[:, None], np.arange(10)[None, :]
    network = fm.OneHiddenLayer(
        np.cos(1 + 11 * k + j), np.cos(11 + 11 * np.arange(2)), [1.0, -1.0], 0.0, fm.relu
    )
    p = fm.polish(network, data)
    check(p, data)
    assert p.risk == pytest.approx(617460.257393, abs=5e-7)
    ((unit, sample, value, limit),) = p.decision.multipliers
    assert (unit, sample) == (0, 181)
    assert float(abs(value) / limit) == pytest.approx(0.2867, abs=5e-5)
    assert set(p.decision.off_units) == {1}
    better = fm.polish(network, data, leave_off_units=True)
    check(better, data)
    assert better.risk < p.risk
    assert not better.decision.off_units or better.decision.leave is None


def test_theorem_1s_rounded_minimum_is_snapped_to_the_least_squares_risk():
    data = fm.load_demo("diabetes")
    low = fm.spurious_minimum(data)
    assert not fm.decide(low.network, data)
    p = fm.polish(low.network, data)
    check(p, data)
    exact = fm.least_squares(fm.Dataset(data.X, data.y, accuracy="exact"))
    assert p.risk == exact.risk
    assert p.started_in_region


def test_the_same_start_gives_the_same_bits():
    rng = np.random.default_rng(3)
    data = fm.Dataset(rng.normal(size=(40, 3)), rng.normal(size=40))
    network = start(rng, 3, 4, fm.relu)
    first, second = fm.polish(network, data), fm.polish(network, data)
    assert first.exact == second.exact
    assert first.path == second.path


def test_an_interrupt_hands_back_the_best_point(monkeypatch):
    rng = np.random.default_rng(4)
    data = fm.Dataset(rng.normal(size=(40, 3)), rng.normal(size=40))
    network = start(rng, 3, 4, fm.relu)

    def interrupt(self, limit):
        raise KeyboardInterrupt

    monkeypatch.setattr(walk.Walk, "_to_face_minimum", interrupt)
    p = fm.polish(network, data)
    assert (p.status, bool(p)) == ("interrupted", False)
    assert p.exact == fm.RationalNetwork.of(network)


def test_a_guard_ends_the_walk_by_name(monkeypatch):
    rng = np.random.default_rng(5)
    data = fm.Dataset(rng.normal(size=(40, 3)), rng.normal(size=40))
    monkeypatch.setattr(walk, "_STEPS_PER_PARAMETER", 0)
    p = fm.polish(start(rng, 3, 4, fm.relu), data)
    assert p.status == "step_limit"
    assert "no end after 0 steps" in p.reason


@settings(max_examples=examples(100), deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_line_search_ends_where_the_risk_turns_up(seed):
    rng = np.random.default_rng(seed)
    m, n, d1 = 12, 3, 3
    x = np.column_stack([rng.normal(size=(m, n - 1)), np.ones(m)])
    samples = Samples(
        x, rng.normal(size=m), rng.integers(1, 4, m).astype(float), np.zeros(n - 1), np.ones(n - 1)
    )
    q = rng.normal(size=(d1, n))
    face = Face(samples, q, 0.3, rng.choice([-1.0, 1.0], d1), (1.0, 0.25), x @ q.T > 0)
    step = face.step_to_minimum()
    delta, bias = step[:-1].reshape(d1, n), step[-1]

    def risk(t):
        z = x @ (q + t * delta).T
        f = (np.where(z > 0, 1.0, 0.25) * z * face.sign).sum(axis=1) + face.bias + t * bias
        return 0.5 * samples.w @ (f - samples.y) ** 2

    stop = LineSearch(face).walk(step)
    assert stop.fell == pytest.approx(risk(0.0) - risk(stop.t), rel=1e-9, abs=1e-9)
    # the risk falls all the way and turns up beyond
    times = np.linspace(0.0, stop.t, 50)
    values = np.array([risk(t) for t in times])
    assert (np.diff(values) <= 1e-9 * values[0]).all()
    if stop.t > 1e-9:
        assert risk(stop.t * (1 + 1e-6)) >= risk(stop.t) - 1e-9 * values[0]
    turned = {(i, k) for i, k in zip(*np.nonzero((x @ (q + stop.t * delta).T > 0) != face.up), strict=True)}
    assert turned <= set(stop.crossed) | {stop.kink}


def test_what_does_not_fit_is_refused_by_name():
    data = fm.Dataset([[0.0], [1.0]], [0.0, 1.0])
    network = fm.OneHiddenLayer([[2.0]], [-4.0], [1.0], 0.0, fm.relu)
    with pytest.raises(DataTypeError, match="polish takes a Dataset"):
        fm.polish(network, [[0.0]])
    with pytest.raises(DataTypeError, match="polish takes a OneHiddenLayer"):
        fm.polish(None, data)
    with pytest.raises(NetworkError, match="PiecewiseLinear"):
        fm.polish(fm.OneHiddenLayer([[2.0]], [-4.0], [1.0], 0.0, np.tanh), data)


def test_trained_networks_end_in_certified_minima():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    for seed in range(12):
        torch.manual_seed(seed)
        m, dx, d1 = int(rng.integers(15, 60)), int(rng.integers(1, 4)), int(rng.integers(1, 5))
        X, y = rng.normal(size=(m, dx)), rng.normal(size=m)
        h = torch.nn.LeakyReLU(0.25) if seed % 2 else torch.nn.ReLU()
        model = torch.nn.Sequential(torch.nn.Linear(dx, d1), h, torch.nn.Linear(d1, 1)).double()
        inputs, targets = torch.tensor(X), torch.tensor(y)[:, None]
        optimiser = torch.optim.LBFGS(model.parameters(), max_iter=200, line_search_fn="strong_wolfe")

        def closure(model=model, inputs=inputs, targets=targets, optimiser=optimiser):
            optimiser.zero_grad()
            loss = 0.5 * ((model(inputs) - targets) ** 2).sum()
            loss.backward()
            return loss

        optimiser.step(closure)
        W1, b1, W2, b2 = (p.detach().numpy() for p in model.parameters())
        activation = fm.leaky_relu(0.25) if seed % 2 else fm.relu
        network = fm.OneHiddenLayer(W1, b1, W2[0], float(b2[0]), activation)
        data = fm.Dataset(X, y)
        # float weights themselves are never exactly critical
        assert fm.decide(network, data).verdict == "not_a_minimum"
        check(fm.polish(network, data), data)


@pytest.mark.parametrize("part", [decision, module])
def test_examples_run(part):
    assert doctest.testmod(part).failed == 0


def test_ctrl_c_in_a_walk_hands_back_the_point_reached():
    """A real SIGINT: the walk answers within seconds, with a point that is better than the start and float64 throughout."""
    code = (
        "import time, signal, numpy as np, fastminima as fm\n"
        # a shell's background jobs ignore it
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "rng = np.random.default_rng(0)\n"
        "X, y = rng.normal(size=(20_000, 10)), rng.normal(size=20_000)\n"
        "net = fm.OneHiddenLayer(rng.normal(size=(8, 10)), rng.normal(size=8), rng.normal(size=8), 0.0, fm.relu)\n"
        "data = fm.Dataset(X, y)\n"
        "fm.polish(net, fm.Dataset(X[:20], y[:20]))\n"
        "from fastminima.landscape.polish import walk\n"
        "step = walk.LineSearch.walk\n"
        "count = []\n"
        "def told(self, delta):\n"
        "    count.append(0)\n"
        "    if len(count) == 20:\n"
        "        print('walking', flush=True)\n"
        "    return step(self, delta)\n"
        "walk.LineSearch.walk = told\n"
        "p = fm.polish(net, data)\n"
        "print(p.status.value, bool(p), p.path[-1].risk < p.path[0].risk, p.distance, p.excess)\n"
        "print(p.decision.verdict.value, len(p.path) >= 20)\n"
    )
    with program([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "walking\n"
        run.send_signal(signal.SIGINT)
        out = run.stdout.read().splitlines()
    assert run.returncode == 0
    assert out == ["interrupted False True 0.0 0.0", "not_a_minimum True"]
