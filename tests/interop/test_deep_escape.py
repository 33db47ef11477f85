"""The escape benchmark from deep minima, its outcomes held against rationals and long decimals."""

from __future__ import annotations

import doctest
import json
import math
import re
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataError, DataTypeError, OptionError, TargetError
from fastminima.interop.deep_training import DeepTrainer
from fastminima.interop.escape_runs import FRESH, DeepStart, Outcome

torch = pytest.importorskip("torch")
pytest.importorskip("flint")

RNG = np.random.default_rng(0)
X = np.round(RNG.standard_normal((18, 2)), 2)
WEIGHT = np.arange(18) % 3 + 1.0
TARGETS = {
    "squared": np.column_stack([X[:, 0] ** 2, X[:, 1] + np.abs(X[:, 0])]),
    "huber": np.column_stack([X[:, 0] ** 2, 4.0 * np.abs(X[:, 1])]),
    "logistic": RNG.integers(0, 2, 18),
    "softmax": np.array(list("abc"))[RNG.integers(0, 3, 18)],
}
CASES = [("squared", "relu"), ("huber", "hardtanh"), ("logistic", "elu"), ("softmax", "hardsigmoid")]


@pytest.fixture(scope="module", params=CASES, ids=["-".join(case) for case in CASES])
def case(request):
    loss, h = request.param
    data = (X, TARGETS[loss], WEIGHT)
    found = fm.escape_benchmark(
        data,
        ["sgd", "lbfgs"],
        noise=[0.0, 0.5, 16.0],
        fresh=1,
        steps=60,
        width=(4, 3),
        activation=h,
        loss=loss,
    )
    return data, found


FORMULAS = {
    "ReLU": lambda t: max(t, mpmath.mpf(0)),
    "hardtanh": lambda t: min(max(t, mpmath.mpf(-1)), mpmath.mpf(1)),
    "elu": lambda t: t if t > 0 else mpmath.expm1(t),
    "hardsigmoid": lambda t: min(max(t / 6 + mpmath.mpf(1) / 2, mpmath.mpf(0)), mpmath.mpf(1)),
}


def run_through(network, low):
    """(all preactivations inside the affine piece, loss), with 60 digits."""
    h = FORMULAS[str(low.activation).partition("(")[0]]
    ends = {"ReLU": (0, math.inf), "hardtanh": (-1, 1), "elu": (0, math.inf), "hardsigmoid": (-3, 3)}
    low_end, high_end = ends[str(low.activation).partition("(")[0]]
    inside, total = True, mpmath.mpf(0)
    for x, y, w in zip(
        low.data.X.tolist(), low.data.Y.tolist(), low.data.sample_weight.tolist(), strict=True
    ):
        a = [mpmath.mpf(v) for v in x]
        for k, (W, b) in enumerate(network.layers):
            a = [
                sum(p * q for p, q in zip(row, a, strict=True)) + c
                for row, c in zip(W.tolist(), b.tolist(), strict=True)
            ]
            if k < len(network.layers) - 1:
                inside &= all(low_end < v < high_end for v in a)
                a = [h(v) for v in a]
        total += w * loss_of(type(low.objective).__name__, a, y)
    return inside, total


def loss_of(name, f, y):
    if name == "Softmax":
        return mpmath.log(sum(mpmath.exp(v) for v in f)) - f[int(y[0])]
    if name == "Logistic":
        return sum(mpmath.log1p(mpmath.exp(-v if t else v)) for v, t in zip(f, y, strict=True))
    sizes = [abs(v - t) for v, t in zip(f, y, strict=True)]
    return sum(e * e / 2 if name == "Squared" or e <= 1 else e - mpmath.mpf(1) / 2 for e in sizes)


def test_every_outcome_is_what_long_arithmetic_says(case):
    _, found = case
    assert len(found.runs) == 2 * (3 * 2 + 1)
    [start] = found.starts
    assert isinstance(start, DeepStart)
    low = start.low
    bound = mpmath.mpf(low.fits.loss.numerator) / low.fits.loss.denominator
    with mpmath.workdps(60):
        for run in found.runs:
            inside, loss = run_through(run.begin, low)
            assert run.began_in_region == inside
            assert float(run.trace.risk[0]) == pytest.approx(float(loss), rel=1e-12)
            if run.outcome is Outcome.DIVERGED:
                assert run.final_risk > run.trace.risk[0] or not math.isfinite(run.final_risk)
                continue
            inside, loss = run_through(run.trace.end, low)
            assert run.final_risk == pytest.approx(float(loss), rel=1e-11)
            assert (run.outcome is Outcome.RETURNED) == inside
            if run.outcome is Outcome.ESCAPED:
                assert loss < bound
            elif run.outcome is Outcome.UNDECIDED:
                assert loss > bound * (1 - mpmath.mpf(10) ** -12)
            assert run.polish is None
    # within the radius nothing is lower, and no step on the way up leaves it
    for run in found.runs:
        if run.noise <= 0.5:
            assert run.began_in_region
            assert run.outcome is Outcome.RETURNED
    assert {run.outcome for run in found.runs if run.optimiser == "lbfgs" and run.noise > 1} >= {
        Outcome.ESCAPED
    }


def test_default_initialisations_are_a_yardstick(case):
    _, found = case
    fresh = [run for run in found.runs if run.noise == FRESH]
    assert len(fresh) == 2
    assert fresh[0].begin == fresh[1].begin
    for (W, b), (V, _) in zip(fresh[0].begin.layers, found.starts[0].network.layers, strict=True):
        assert W.shape == V.shape
        most = 1.0 / math.sqrt(W.shape[1])
        assert np.abs(W).max() <= most
        assert np.abs(b).max() <= most
    assert found.noise[-1] == FRESH
    assert "fresh" in str(found)
    assert all(v is None or v < FRESH for v in found.half.values())


def test_tables_files_and_pictures(case, tmp_path):
    _, found = case
    assert len(found.to_frame()) == len(found.runs)
    rows = {(row["optimiser"], row["noise"]): row for row in found.rows}
    assert len(rows) == 8
    for row in rows.values():
        assert sum(row[str(o)] for o in Outcome) == pytest.approx(1.0)
        assert row["lower"] >= row["escaped"]
    assert found.plot().get_xticklabels()[3].get_text() == "fresh"
    assert len(found.plot(noise=FRESH).lines) == 3
    path = tmp_path / "found.npz"
    fm.save_result(found, path)
    back = fm.load_result(path)
    assert back == found
    assert back.starts[0].low == found.starts[0].low
    assert str(back) == str(found)
    assert len(json.loads(json.dumps(found.to_dict()))["runs"]) == len(found.runs)
    assert "fresh" in found.summary().as_text()


def test_the_curvature_and_the_loss_are_those_of_torch():
    for loss in ("squared", "huber", "logistic", "softmax"):
        low = fm.spurious_minimum((X, TARGETS[loss], WEIGHT), "selu", (3, 3), loss=loss)
        trainer = DeepTrainer(low, 1, None)
        params = trainer._parameters(low.network)
        assert trainer.risk(params) == pytest.approx(low.loss, rel=1e-13)
        shapes, sizes = [p.shape for p in params], [p.numel() for p in params]

        def value(flat, trainer=trainer, shapes=shapes, sizes=sizes):
            return trainer._loss([p.reshape(s) for p, s in zip(flat.split(sizes), shapes, strict=True)], None)

        H = torch.autograd.functional.hessian(value, torch.cat([p.detach().reshape(-1) for p in params]))
        assert trainer.curvature(low.network) == pytest.approx(
            float(torch.linalg.eigvalsh(H).max()), rel=1e-3
        )


def test_minima_of_the_users_own_and_batches():
    data = (X, TARGETS["softmax"], WEIGHT)
    lows = [
        fm.spurious_minimum(data, "relu", (4, 4), alpha=a, loss="softmax", label_smoothing=0.1)
        for a in (2.0, 8.0)
    ]
    known = {"noise": 0.25, "repeats": 1, "steps": 20, "batch_size": 6}
    found = fm.escape_benchmark(data, "adam", starts=lows, **known)
    assert [start.low for start in found.starts] == lows
    assert found.starts[1].radius > found.starts[0].radius
    assert {run.outcome for run in found.runs} == {Outcome.RETURNED}
    again = fm.escape_benchmark(data, "adam", starts=lows, **known)
    for one, two in zip(found.runs, again.runs, strict=True):
        assert one.trace.end == two.trace.end
        assert Fraction(one.distance) == Fraction(two.distance)


def test_one_hidden_layer_has_default_initialisations_too():
    data = fm.Dataset(X, X[:, 0] + np.abs(X[:, 1]))
    found = fm.escape_benchmark(data, "lbfgs", starts=1, repeats=1, noise=0.5, fresh=2, width=3, steps=40)
    assert [run.noise for run in found.runs] == [0.5, FRESH, FRESH]
    assert all(run.outcome in (Outcome.ESCAPED, Outcome.LEFT, Outcome.HIGHER) for run in found.runs[1:])


def test_what_does_not_fit_is_refused_by_name():
    two = (X, TARGETS["squared"])
    low = fm.spurious_minimum(two, "relu", (4, 4))
    known = {"steps": 5, "noise": 0.5}
    whole = np.round(8.0 * X)
    line = (whole, whole @ [[1.0], [2.0]])
    flat = fm.spurious_minimum(line, "relu", (2, 2))
    for options, message, error in (
        ({"data": two, "starts": 2, "width": (3, 3)}, "constructed in one way", OptionError),
        ({"data": two, "starts": [low, low.network]}, "not both: start 1 is a DeepNetwork", DataTypeError),
        ({"data": (X + 1.0, TARGETS["squared"]), "starts": [low]}, "other data", DataError),
        ({"data": (*two, WEIGHT), "starts": [low]}, "other data", DataError),
        ({"data": line, "starts": [flat]}, "start 0 is a global minimum", OptionError),
        ({"data": line, "width": (2, 2)}, "no bad minimum", OptionError),
        ({"data": two, "activation": "tanh"}, "no bad minimum of width 8 to start at: tanh", OptionError),
        (
            {"data": (X, X[:, 0] ** 2), "activation": "gelu"},
            "no bad minimum of width 8 .*near_minimum",
            OptionError,
        ),
        ({"data": (X, TARGETS["logistic"]), "loss": "logistic", "width": (0, 2)}, "width", None),
        ({"data": (X, np.zeros(18)), "loss": "logistic"}, "one class", TargetError),
        ({"data": two, "fresh": -1}, "fresh must be a whole number >= 0", OptionError),
    ):
        with pytest.raises(error or Exception, match=message):
            fm.escape_benchmark(**(known | options))
    near = fm.spurious_minimum((X, X[:, 0] ** 2), "gelu", (3,))
    with pytest.raises(OptionError, match="start 0 is no certified minimum: near_minimum"):
        fm.escape_benchmark((X, X[:, 0] ** 2), starts=[near], **known)


def test_the_page_is_true():
    page = Path(__file__).parents[2] / "docs" / "escape.md"
    text = "".join(re.findall(r"```pycon\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    session = doctest.DocTestParser().get_doctest(text, {"fm": fm}, "escape.md", str(page), 0)
    found = doctest.DocTestRunner().run(session)
    assert (found.failed, found.attempted >= 6) == (0, True)
