"""The escape benchmark: every outcome is held against exact decisions, and the same seed gives the same bits."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataTypeError, NetworkError, OptionError, TargetError
from fastminima.interop import optimisers
from fastminima.interop.escape_runs import Outcome
from fastminima.interop.training import Trainer

torch = pytest.importorskip("torch")


def table(seed=0, m=24, dx=2):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(m, dx))
    return fm.Dataset(X, X[:, 0] + np.abs(X[:, 1]) + 0.1 * rng.normal(size=m))


@pytest.fixture(scope="module")
def data():
    return table()


@pytest.fixture(scope="module")
def found(data):
    return fm.escape_benchmark(
        data, ["adam", "lbfgs"], noise=[0.5, 40.0], starts=2, repeats=2, steps=200, width=3, random_state=1
    )


def flat(network):
    W1, b1, W2, b2 = network.parameters()
    return np.concatenate([W1.ravel(), b1, W2, [b2]])


def test_every_outcome_is_what_exact_decisions_say(data, found):
    assert len(found.runs) == 2 * 2 * 2 * 2
    assert {run.outcome for run in found.runs} >= {Outcome.RETURNED, Outcome.ESCAPED}
    for run in found.runs:
        start = found.starts[run.start]
        again = fm.decide(start.polish.exact, data)
        assert again
        assert again.exact_risk == start.exact_risk
        if run.outcome is Outcome.RETURNED and run.polish is None:
            assert again.region.contains(run.trace.end)
            assert fm.decide(run.trace.end, data).exact_risk >= start.exact_risk
        elif run.outcome is Outcome.DIVERGED:
            assert run.final_risk > run.trace.risk[0]
        else:
            assert not again.region.contains(run.trace.end)
            risk = fm.decide(run.polish.exact, data).exact_risk
            assert run.polish.decision.verdict == "local_minimum"
            end = fm.decide(run.trace.end, data).exact_risk
            assert {
                Outcome.RETURNED: risk == start.exact_risk,
                Outcome.ESCAPED: risk <= end < start.exact_risk,
                Outcome.LEFT: risk < start.exact_risk <= end,
                Outcome.HIGHER: risk > start.exact_risk,
            }[run.outcome]


def test_starts_are_members_with_live_units_and_the_largest_radii_for_their_size(data, found):
    low = fm.spurious_minimum(data, width=3)
    drawn = low.sample(16, np.random.default_rng([1, 0]))
    best = sorted((member.radius_relative for member in drawn), reverse=True)[:2]
    kept = [member for member in drawn if member.radius_relative in best]
    for start in found.starts:
        assert (start.network.W2 != 0).all()
        [member] = [m for m in kept if np.abs(flat(m.network) - flat(start.network)).max() < 1e-9]
        assert start.radius >= member.radius * (1 - 1e-9)
        assert start.risk == pytest.approx(low.risk, rel=1e-12)


def test_noise_has_its_length_and_below_the_radius_nobody_escapes(found):
    for run in found.runs:
        start = found.starts[run.start]
        assert run.distance == run.noise * start.radius
        assert np.linalg.norm(flat(run.begin) - flat(start.network)) == pytest.approx(run.distance, rel=1e-9)
        if run.noise < 1.0:
            assert run.began_in_region
            assert run.outcome is Outcome.RETURNED
            assert run.first_lower is None


def test_optimisers_share_directions_and_the_trace_is_the_risk(data, found):
    for one in found.runs:
        [other] = [
            run
            for run in found.runs
            if (run.start, run.repeat, run.noise) == (one.start, one.repeat, one.noise)
            and run.optimiser == "adam"
        ]
        assert other.begin == one.begin
        assert one.trace.risk[0] == pytest.approx(one.begin.risk(data), rel=1e-12)
        assert one.final_risk == pytest.approx(one.trace.end.risk(data), rel=1e-12)
        assert one.trace.steps[0] == 0
        assert (np.diff(one.trace.steps) > 0).all()
        # a call of L-BFGS is never cut in two
        assert one.steps == 200 if one.optimiser == "adam" else one.steps < 300
        lower = [
            s
            for s, r in zip(one.trace.steps, one.trace.risk, strict=True)
            if r < found.starts[one.start].risk * (1 - 1e-9)
        ]
        assert one.first_lower == (lower[0] if lower else None)


def test_the_same_seed_gives_the_same_bits_and_torch_is_left_as_it_was(data, found):
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    again = fm.escape_benchmark(
        data, ["adam"], noise=[40.0], starts=2, repeats=2, steps=200, width=3, random_state=1
    )
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    same = [run for run in found.runs if run.optimiser == "adam" and run.noise == 40.0]
    for one, two in zip(again.runs, same, strict=True):
        assert one.trace.end == two.trace.end
        assert (one.trace.risk == two.trace.risk).all()
        assert one.outcome is two.outcome


def test_tables_hold_the_runs(found):
    frame, runs = found.table, found.to_frame()
    assert len(frame) == 4
    assert len(runs) == 16
    shares = frame[[str(outcome) for outcome in Outcome]]
    assert shares.sum(axis=1).tolist() == pytest.approx([1.0] * 4)
    for row in found.rows:
        mine = [run for run in found.runs if (run.optimiser, run.noise) == (row["optimiser"], row["noise"])]
        assert row["runs"] == len(mine) == 4
        assert row["escaped"] == sum(run.outcome is Outcome.ESCAPED for run in mine) / 4
        assert row["final"] == np.median([run.final_risk / found.starts[run.start].risk for run in mine])
    assert "over_reference" not in frame
    half = {
        name: (40.0 if found.rows[2 * k + 1]["escaped"] >= 0.5 else None)
        for k, name in enumerate(found.optimisers)
    }
    assert found.half == half
    assert "adam" in str(found)
    assert len(repr(found)) < 200
    assert len(repr(found.runs[0])) < 200


def test_pictures_are_drawn(found, tmp_path):
    from matplotlib.figure import Figure

    ax = found.plot()
    assert [text.get_text() for text in ax.texts] == ["adam", "lbfgs"]
    ax.figure.savefig(tmp_path / "outcomes.png")
    mine = Figure().subplots()
    assert found.plot(mine, noise=40.0) is mine
    # a line a run and the level of the minimum
    assert len(mine.lines) == 9
    with pytest.raises(OptionError, match="no run with noise 3"):
        found.plot(noise=3.0)


def test_optimisers_of_every_spelling(data):
    known = {"starts": 1, "repeats": 1, "noise": 0.0, "steps": 20, "width": 2}
    named = fm.escape_benchmark(data, ("sgd", "momentum", "adamw"), **known)
    assert named.optimisers == ("sgd", "momentum", "adamw")
    assert {run.outcome for run in named.runs} == {Outcome.RETURNED}
    classes = fm.escape_benchmark(data, [torch.optim.Adagrad, "adam"], **known)
    assert classes.optimisers == ("adagrad", "adam")
    own = {"fast": lambda params: torch.optim.SGD(params, lr=1e6)}
    [run] = fm.escape_benchmark(data, own, **(known | {"noise": 0.5, "steps": 50})).runs
    assert run.outcome is Outcome.DIVERGED
    assert run.steps < 50
    assert run.final_risk == math.inf
    assert run.polish is None


def test_batches_weights_and_two_slopes(data):
    weighted = fm.Dataset(data.X, data.y, sample_weight=np.arange(24) % 3 + 1.0)
    known = {
        "noise": [0.5, 4.0],
        "noise_unit": "absolute",
        "starts": 1,
        "repeats": 1,
        "steps": 60,
        "width": 2,
    }
    h = fm.leaky_relu(0.25)
    one = fm.escape_benchmark(weighted, "adam", batch_size=5, activation=h, reference=0.5, **known)
    for run in one.runs:
        assert run.begin.activation == h
        assert run.distance == run.noise
        assert run.final_risk == pytest.approx(run.trace.end.risk(weighted), rel=1e-12)
        assert run.outcome is not Outcome.UNDECIDED
    assert one.table["over_reference"].tolist() == [run.final_risk / 0.5 for run in one.runs]
    full = fm.escape_benchmark(weighted, "adam", activation=h, **known)
    assert full.runs[0].trace.end != one.runs[0].trace.end


def test_starts_of_the_users_own(data):
    rng = np.random.default_rng(3)
    network = fm.OneHiddenLayer(rng.normal(size=(3, 2)), rng.normal(size=3), rng.normal(size=3), 0.0, fm.relu)
    p = fm.polish(network, data)
    starts = [p, p.decision, p.network.to_torch(), fm.spurious_minimum(data, width=3)]
    known = {"noise": 0.5, "repeats": 1, "steps": 30}
    found = fm.escape_benchmark(data, "adam", starts=starts, **known)
    assert [start.exact_risk for start in found.starts[:3]] == [p.decision.exact_risk] * 3
    assert all(run.began_in_region for run in found.runs)
    assert {run.outcome for run in found.runs} == {Outcome.RETURNED}


def test_an_interrupt_hands_back_the_runs_that_ended(data, monkeypatch):
    run, calls = Trainer.run, []

    def stopped(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(self, *arguments)

    monkeypatch.setattr(Trainer, "run", stopped)
    found = fm.escape_benchmark(data, "adam", noise=0.5, starts=1, repeats=4, steps=5, width=2)
    assert found.interrupted
    assert len(found.runs) == 2
    assert "interrupted" in repr(found)


def test_the_curvature_is_that_of_the_mean_loss(data):
    network = fm.spurious_minimum(data, width=2).sample(1, 0)[0].network
    trainer = Trainer(data, fm.relu, 1, None)
    params = trainer._parameters(network)
    loss = lambda v: trainer._loss([v[:4].reshape(2, 2), v[4:6], v[6:8], v[8]], None)  # noqa: E731
    point = torch.cat([p.detach().reshape(-1) for p in params])
    values = np.linalg.eigvalsh(torch.autograd.functional.hessian(loss, point).numpy())
    assert trainer.curvature(network) == pytest.approx(np.abs(values).max(), rel=1e-6)


def test_what_does_not_fit_is_refused_by_name(data):
    for options, message in (
        ({"noise": -1.0}, "noise must be a finite number >= 0"),
        ({"noise": []}, "at least one length"),
        ({"noise": "much"}, "noise must be a finite number"),
        ({"starts": 0}, "starts must be a whole number >= 1"),
        ({"starts": []}, "starts must have at least one"),
        ({"repeats": 0}, "repeats must be a whole number >= 1"),
        ({"steps": 1.5}, "steps must be a whole number >= 1"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1 or None"),
        ({"noise_unit": "metres"}, "noise_unit must be one of"),
        ({"reference": -1.0}, "reference must be a positive risk"),
        ({"random_state": -1}, "random_state must be"),
        ({"optimisers": "newton"}, "an optimiser must be one of"),
        ({"optimisers": []}, "at least one, got none"),
        ({"optimisers": {"none": lambda params: None}}, "returns a torch.optim.Optimizer, got NoneType"),
        ({"starts": [fm.OneHiddenLayer([[0.0, 0.0]], [1.0], [0.0], 0.0, "relu"), 3]}, None),
    ):
        with pytest.raises((OptionError, DataTypeError), match=message):
            fm.escape_benchmark(data, **({"steps": 5, "width": 2, "starts": 1} | options))
    with pytest.raises(DataTypeError, match="takes a Dataset, "):
        fm.escape_benchmark([[0.0]])
    with pytest.raises(DataTypeError, match="a function needs a name"):
        fm.escape_benchmark(data, [lambda params: None])
    with pytest.raises(DataTypeError, match="from a name to a function"):
        fm.escape_benchmark(data, {1: torch.optim.Adam})
    with pytest.raises(NetworkError, match="start 0 has the activation"):
        fm.escape_benchmark(data, starts=[fm.OneHiddenLayer([[0.0, 1.0]], [1.0], [1.0], 0.0, "tanh")])
    with pytest.raises(NetworkError, match="width"):
        fm.escape_benchmark(data, width=0)
    start = fm.OneHiddenLayer([[0.0, 1.0]], [1.0], [1.0], 0.0, "relu")
    with pytest.raises(TargetError, match="escape_benchmark"):
        fm.escape_benchmark(fm.Dataset(data.X, np.column_stack([data.y, data.y])), starts=[start])
    line = fm.Dataset([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    with pytest.raises(OptionError, match="no bad minimum of width 8"):
        fm.escape_benchmark(line)
    zero = fm.OneHiddenLayer([[1.0]], [1.0], [2.0], -1.0, fm.relu)
    with pytest.raises(OptionError, match="start 0 is a global minimum"):
        fm.escape_benchmark(line, starts=[zero])


def test_an_optimiser_that_evaluates_nothing_is_refused(data):
    class Lazy(torch.optim.SGD):
        def step(self, closure=None):
            return None

    with pytest.raises(OptionError, match=r"Lazy.step\(closure\) did not call its closure"):
        fm.escape_benchmark(data, {"lazy": lambda p: Lazy(p, lr=0.1)}, starts=1, width=2, steps=5)


def test_examples_run():
    assert doctest.testmod(optimisers).failed == 0
