"""Theorem 2: both points for every activation, users' functions, failures, the command, the picture, the table."""

from __future__ import annotations

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.cli.main import main
from fastminima.errors import ActivationError, FastMinimaError, MissingDependencyError, OptionError
from fastminima.exact.shown import rounded_down, rounded_up
from fastminima.networks.activations.in_balls import Balls
from fastminima.reporting.example_table import example_table
from fastminima.theorems.theorem2.bending import Bending
from fastminima.theorems.theorem2.global_minimum_search import biased_witnesses, paper_witnesses
from fastminima.theorems.theorem2.local_minimum_search import biased_candidates, paper_candidates
from places import ROOT
from profiles import examples
from theorem2_cases import CASES, RADII, example, perturbed


def test_every_named_activation_is_covered():
    assert {*RADII, "identity"} == {*fm.activations()}


@pytest.mark.parametrize(("name", "form"), CASES)
def test_both_points_are_certified_with_the_radius_known(name, form):
    pair = example(name, form)
    assert pair.certified, pair.reason
    assert pair.status == "certified"
    assert pair.form == form
    assert pair.radius >= RADII[name][form == "bias"]
    assert pair.radius <= (1.02 if pair.case == "mixed" else 1 + 1e-5) * pair.radius_estimate
    assert all(condition.proved for condition in pair.conditions)
    assert {"C2.3", "C2.4, C2.5", "C2.6", "C2.7"} <= {condition.name for condition in pair.conditions}
    assert pair.zero_risk < 1e-28
    assert pair.excess < 1e-25
    assert pair.level == Fraction(1, 3)
    low, best, data = pair.local_minimum, pair.global_minimum, pair.data
    assert data.X.tolist() == [[1, 0], [0, 1], [0.5, 0.5]]
    assert data.y.tolist() == [0, 0, 1]
    np.testing.assert_allclose(best.predict(data), [0, 0, 1], atol=1e-13)
    np.testing.assert_allclose(low.predict(data), 1 / 3, rtol=1e-12)
    flat = pair.witness["flat"]
    assert all(abs(flat[key]) <= 3 for key in ("v1", "v2"))
    assert all(abs(flat[key]) <= 10 for key in ("u1", "u2"))
    if form == "paper":
        assert best.b2 == 0
        # rounding of u1 h(v1) + u2 h(v2), nothing else
        assert abs(low.b2) < 1e-13
        assert not low.b1.any()
        assert not best.b1.any()
    assert np.array_equal(low.W1, [[flat["v1"]] * 2, [flat["v2"]] * 2])
    assert pair.smallest_eigenvalue > -1e-9
    assert f"certified radius {rounded_down(pair.radius, 6)}" in repr(pair)
    assert Fraction(rounded_down(pair.radius, 4)) <= Fraction(pair.radius)
    assert Fraction(rounded_up(pair.excess)) >= Fraction(pair.excess)


@settings(max_examples=examples(6), deadline=None)
@given(
    family=st.sampled_from([("elu", "alpha"), ("celu", "alpha"), ("softplus", "beta"), ("silu", "beta")]),
    value=st.floats(0.2, 4.0).map(lambda x: round(x, 3)),
    form=st.sampled_from(["paper", "bias"]),
)
def test_parameters_are_covered(family, value, form):
    name, key = family
    pair = fm.counterexample(name, form=form, **{key: value})
    assert pair.certified, pair.reason
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(5000, 8))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    risks = fm.batched_risk(*perturbed(pair, pair.radius, directions), pair.data, pair.activation)
    assert risks.min() >= 1 / 3 - 1e-12 * (1 + risks.max())


@pytest.mark.parametrize(
    "formula",
    [
        ["mul", "t", ["sin", "t"]],
        ["div", "t", ["sqrt", ["add", 1, ["mul", "t", "t"]]]],
        ["exp", ["neg", ["mul", "t", "t"]]],
        ["log", ["add", 1, ["mul", "t", "t"]]],
        ["add", ["mul", 3, "t"], ["mul", "1/1000", ["pow", "t", 2]]],
        ["if", ["sub", "t", "1/2"], ["mul", "t", "t"], ["sub", "t", "1/4"]],
        ["atan", ["mul", 5, "t"]],
    ],
)
def test_unknown_activations_with_a_formula_are_certified(formula):
    pair = fm.counterexample(fm.Smooth.from_formula(formula, "mine"))
    assert pair.certified, pair.reason
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(20000, 8))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    risks = fm.batched_risk(*perturbed(pair, pair.radius, directions), pair.data, pair.activation)
    assert risks.min() >= 1 / 3 - 1e-12 * (1 + risks.max())


def test_functions_without_a_formula_are_found_and_not_certified():
    pair = fm.counterexample(
        fm.Smooth(np.tanh, lambda t: 1 / np.cosh(t) ** 2, lambda t: -2 * np.tanh(t) / np.cosh(t) ** 2)
    )
    assert pair.status == "not_certified"
    assert "derivatives are your word" in pair.reason
    assert pair.radius == 0
    assert pair.radius_estimate > 0.5
    assert not any(condition.proved for condition in pair.conditions)
    assert pair.local_minimum.risk(pair.data) == pytest.approx(1 / 3, rel=1e-14)
    assert pair.zero_risk < 1e-25
    assert "estimated radius" in repr(pair)
    image = pair.image(scale=2.0)
    assert image.status == "not_certified"
    assert image.radius == 0
    assert image.local_minimum.risk(image.data) == pytest.approx(4 / 3, rel=1e-14)


@pytest.mark.parametrize("form", ["paper", "bias"])
def test_without_ball_arithmetic_nothing_is_certified(form, monkeypatch):
    # what an import meets where python-flint is not installed
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(MissingDependencyError, match="proof"):
        Balls("t")
    pair = fm.counterexample("elu", form=form)
    assert pair.excess < 1e-15
    # grids far from 1, where e^t is 0 or infinite, are left to ball arithmetic
    assert fm.counterexample("exponential", form="paper").status == "no_witness"
    assert pair.status == "not_certified"
    assert pair.reason == "ball arithmetic needs python-flint: install the extra 'proof'"
    assert pair.radius == 0
    np.testing.assert_allclose(pair.global_minimum.predict(pair.data), [0, 0, 1], atol=1e-12)


class Jittered:
    """An activation whose functions are off in their last bits, never twice the same."""

    def __init__(self, h, seed):
        rng = np.random.default_rng(seed)

        def off(curve):
            return lambda t: np.asarray(curve(t)) * (1 + rng.integers(-2, 3, np.shape(t)) * 2.0**-53)

        self.value, self.first, self.second = off(h.value), off(h.first), off(h.second)
        self.formula = h.formula


# made of comparisons and single IEEE operations, so that every processor has the same bits; on their constant pieces a
# change of the last bit would make roots of (C2.1) of it
SAME_EVERYWHERE = ("hardshrink", "hardtanh", "hardsigmoid")


@pytest.mark.parametrize("name", [n for n in RADII if n not in ("celu", "gelu_tanh", *SAME_EVERYWHERE)])
def test_the_search_does_not_depend_on_last_bits(name):
    # mirror images and plateaus tie; another processor's exp or tanh must not choose between them
    h = fm.activation(name)
    one, other = (Jittered(h, seed) for seed in (1, 2))
    for search in (biased_candidates, paper_candidates):
        flats = [search(curves, Bending(curves)) for curves in (one, other)]
        first, second = ([(f.v1, f.v2, f.u1, f.u2, f.estimate) for f in found[:1]] for found in flats)
        assert first == [pytest.approx(flat, rel=1e-9) for flat in second]
    for search in (biased_witnesses, paper_witnesses):
        first, second = (next(iter(search(curves)))[:1] for curves in (one, other))
        assert first == [pytest.approx(zero, rel=1e-9, abs=1e-9) for zero in second]


def test_estimates_without_a_formula_know_kinks():
    # |t| bends up at 0, min(t, 0) down; the value alone says where
    for value, first in ((np.abs, np.sign), (lambda t: np.minimum(t, 0), lambda t: 1.0 * (t < 0))):
        pair = fm.counterexample(fm.Smooth(value, first, lambda t: 0 * t, "mine"), form="bias")
        assert pair.status == "not_certified"
        u = pair.witness["flat"]["u1"]
        assert u == (10 if value is np.abs else -10)
        assert pair.radius_estimate == 10
    steps = Bending(fm.Smooth(lambda t: np.floor(t + 0.05), lambda t: 0 * t, lambda t: 0 * t))
    assert not steps.straight
    assert abs(steps.convex_radius(np.array([0.4]), 1)[0] - 0.45) < 1e-6


def test_a_formula_of_another_function_is_refused():
    first, second = (lambda t: 1 / np.cosh(t) ** 2), (lambda t: -2 * np.tanh(t) / np.cosh(t) ** 2)
    with pytest.raises(ActivationError, match=r"x is -0.99.* at t = -2.875, but its formula gives -0.26"):
        fm.counterexample(fm.Smooth(np.tanh, first, second, "x", ["sin", "t"]))
    same = ["sub", 1, ["div", 2, ["add", 1, ["exp", ["mul", 2, "t"]]]]]
    assert fm.counterexample(fm.Smooth(np.tanh, first, second, "x", same), form="bias").certified
    # a jump at one of the points that are compared is no contradiction
    assert fm.counterexample(fm.Smooth.from_formula(["if", ["sub", "t", "1/2"], 5, ["exp", "t"]])).certified


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("softplus", {"beta": 1e-6}),
        ("softplus", {"beta": 1e6}),
        ("silu", {"beta": 1e-6}),
        ("celu", {"alpha": 1e8}),
        ("elu", {"alpha": 1e-300}),
        ("elu", {"alpha": 1e300}),
        ("power", {"n": 50}),
        ("piecewise_linear", {"s_plus": 1.0, "s_minus": 1 + 2.0**-20}),
        ("piecewise_linear", {"s_plus": 1e300, "s_minus": 0.0}),
    ],
)
def test_flat_and_steep_activations_are_certified(name, parameters):
    assert fm.counterexample(name, **parameters).certified


def test_what_float64_or_enclosures_cannot_hold():
    tiny = fm.counterexample("piecewise_linear", s_plus=5e-324)
    assert tiny.status == "no_witness"
    assert "A6: W2 = [1, -2]/s+ are no float64 numbers" in tiny.reason
    # h'' touches 0 at 0: no ball shows that it does not cross, so the minimum keeps away from there
    flat = fm.counterexample(
        fm.Smooth.from_formula(["atan", ["exp", ["neg", ["pow", "t", 4]]]]), form="paper"
    )
    assert flat.certified
    assert abs(flat.witness["flat"]["v1"]) > 2 * flat.radius


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("piecewise_linear", {"s_plus": 1.0, "s_minus": 1e308}),
        ("piecewise_linear", {"s_plus": 1.7976931348623157e308, "s_minus": 5e-324}),
        ("elu", {"alpha": 1e308}),
        ("celu", {"alpha": 5e-324}),
        ("hardtanh", {"min_val": -1e308, "max_val": 1e308}),
    ],
)
def test_parameters_at_the_ends_of_float64_have_an_answer_or_a_named_error(name, parameters):
    try:
        pair = fm.counterexample(name, form="bias", **parameters)
    except FastMinimaError:
        return
    assert pair.status in ("certified", "not_certified", "no_witness")
    assert repr(pair)
    assert not pair.smallest_eigenvalue < -1e-9 * abs(parameters.get("s_minus", 1.0))


def test_images_at_the_ends_of_float64_print():
    pair = example("relu", "bias")
    # the square of the scale is no float64 number
    assert "risk 3.33333e+599" in repr(pair.image(scale=1e300))
    assert pair.image([[1e160, 0], [0, 1]]).radius_estimate == pytest.approx(10 * math.sqrt(2) / 1e160)


def test_zero_points_are_exact_where_float64_allows():
    for name, form in (("quadratic", "bias"), ("relu", "paper"), ("relu", "bias"), ("power", "bias")):
        assert example(name, form).zero_risk == 0
    for name, form in CASES:
        near = next(c for c in example(name, form).conditions if c.name == "risk 0")
        assert near.proved
        assert float(near.enclosure.removeprefix("distance at most ")) < 1e-13


def test_named_failures():
    for name in ("identity", fm.Smooth.from_formula(["add", "1/3", ["mul", "1/7", "t"]], "line")):
        pair = fm.counterexample(name)
        assert pair.status == "no_witness"
        assert "linear activation has no bad local minimum" in pair.reason
        assert pair.local_minimum is None
        assert math.isnan(pair.smallest_eigenvalue)
        assert "0 by its formula at" in pair.conditions[0].enclosure
        assert "no_witness" in repr(pair)
        with pytest.raises(OptionError, match="there is no example to map"):
            pair.image()
    own = fm.Smooth(lambda t: 3 * t + 1, lambda t: 0 * t + 3, lambda t: 0 * t)
    assert fm.counterexample(own).status == "no_witness"
    for name in ("exponential", "cube"):
        pair = example(name, "paper")
        assert pair.status == "no_witness"
        assert "denominator of (C2.2) is 0" in pair.reason
        # what was seen: denominators of rounding size at all roots
        (seen,) = pair.conditions
        assert seen.name == "C2.2"
        assert float(seen.enclosure.split()[2]) < 1e-13
        assert int(seen.enclosure.split(" at ")[1].split()[0]) > 1000
        assert fm.counterexample(name).form == "bias"


def test_a_missing_minimum_leaves_the_point_of_risk_0():
    # |u| <= 10 cannot reach u1 h(v1) + u2 h(v2) = 1/3
    pair = fm.counterexample(fm.Smooth.from_formula(["mul", "1/1000", ["atan", "t"]], "low"), form="paper")
    assert pair.status == "no_witness"
    assert pair.reason.startswith("(C2.3), (C2.6), (C2.7): of all v1, v2, u1, u2 searched")
    assert pair.global_minimum.risk(pair.data) < 1e-25
    assert {c.name for c in pair.conditions} == {"C2.1", "C2.2", "risk 0"}
    assert "v4" in pair.witness["zero"]


def test_multiplicative_activations_have_no_witness_of_the_papers_form():
    # h(v1)h(v4) = h(v2)h(v3) makes v4 = v2 + v3 - v1 (e^t) or v2 v3/v1 (t^3); the denominator is then 0
    rng = np.random.default_rng(0)
    for v1, v2, v3 in rng.integers(1, 9, size=(50, 3)).tolist():
        v4 = Fraction(v2 * v3, v1)
        assert v3**3 * Fraction(v1 + v2, 2) ** 3 == v1**3 * ((v3 + v4) / 2) ** 3
        exponent = v2 + v3 - v1
        assert v3 + Fraction(v1 + v2, 2) == v1 + Fraction(v3 + exponent, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fm.counterexample("tahn"), ActivationError, "did you mean tanh"),
        (lambda: fm.counterexample("elu", alpha=-1), ActivationError, "alpha of elu must be > 0"),
        (
            lambda: fm.counterexample("tanh", form="both"),
            OptionError,
            "form must be one of auto, paper, bias",
        ),
        (lambda: fm.counterexample(fm.relu, alpha=1), OptionError, "parameters go with a name"),
        (lambda: fm.counterexample(np.tanh), ActivationError, r"wrap a function with Smooth\(value, first"),
        (lambda: example("tanh", "bias").image(scale=0), OptionError, "no difference between the targets"),
        (lambda: example("tanh", "bias").image(width=1), OptionError, "at least 2, got 1"),
        (lambda: example("tanh", "bias").image(width=2.5), OptionError, "at least 2, got 2.5"),
        (lambda: example("tanh", "bias").image([[1, 1], [2, 2]]), OptionError, "samples apart"),
        (lambda: example("tanh", "bias").image([1, 2]), OptionError, r"shape \(n, 2\)"),
        (lambda: example("tanh", "bias").image([["a", 2]]), OptionError, "must be numbers"),
        (lambda: example("tanh", "bias").image(scale=None), OptionError, "must be numbers"),
        (lambda: example("tanh", "bias").image(width=True), OptionError, "at least 2, got True"),
        (lambda: example("tanh", "bias").image(shift=[1e308, 0], A=np.eye(2) * 1e308), OptionError, "sums"),
        (
            lambda: example("tanh", "bias").image(np.eye(2), [1, 2, 3]),
            OptionError,
            r"shift must have shape \(2,\)",
        ),
        (lambda: example("tanh", "bias").image([[math.inf, 0], [0, 1]]), OptionError, "must be finite"),
        (lambda: example("tanh", "bias").image(scale=1e-320, offset=1.0), OptionError, "no difference"),
        (lambda: example("tanh", "bias").image(np.eye(2) * 1e-310), OptionError, "leave the range"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


def command(*words):
    return main(["counterexample", *words])


def test_the_command_writes_what_it_says(tmp_path, capsys):
    out = tmp_path / "deep" / "results"
    assert command("elu", "--param", "alpha=0.5", "--form", "bias", "--out", str(out), "--json", "--full") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["certified"] is True
    assert found["activation"] == {"name": "elu(alpha=0.5)"}
    assert {c["name"] for c in found["conditions"]} >= {"D", "C2.6"}
    assert {Path(f).name for f in found["files"]} == {path.name for path in out.iterdir()}
    assert json.loads((out / "counterexample.json").read_text())["radius"] == found["radius"]
    data = fm.read(out / "data.csv", target="y")
    low, best = (fm.OneHiddenLayer.load(out / f"{name}_minimum.npz") for name in ("local", "global"))
    assert low.risk(data) == pytest.approx(1 / 3, rel=1e-14)
    assert best.risk(data) < 1e-25
    assert (out / "slice.png").read_bytes().startswith(b"\x89PNG")
    assert command("exp", "--form", "paper", "--out", str(out / "none")) == 1
    assert "no_witness" in capsys.readouterr().out
    assert [path.name for path in (out / "none").iterdir()] == ["counterexample.json"]


def test_the_command_prints_both_points(capsys):
    assert command("relu") == 0
    text = capsys.readouterr().out
    assert "certified: no lower risk within it" in " ".join(text.replace("│", " ").split())
    assert "ReLU" in text
    assert command("--list") == 0
    assert "softplus" in capsys.readouterr().out
    assert command("--list", "--json") == 0
    assert json.loads(capsys.readouterr().out)["elu"]["parameters"] == {"alpha": 1.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "which activation"),
        (["tahn"], "did you mean tanh"),
        (["elu", "--param", "alpha"], "KEY=VALUE"),
        (["elu", "--param", "alpha=x"], "KEY=VALUE"),
        (["elu", "--param", "alpha=0"], "alpha of elu must be > 0"),
        (["elu", "--param", "alpha=1", "--param", "alpha=2"], "twice"),
        (["elu", "--list"], "stand alone"),
        (["--list", "--table"], "stand alone"),
        (["tanh", "--out", ""], "empty"),
    ],
)
def test_the_command_refuses(words, message, capsys):
    assert command(*words) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert not captured.out


@pytest.mark.parametrize("case", [("tanh", "paper"), ("quadratic", "bias")])
def test_the_slice_is_the_risk(case):
    pair = example(*case)
    found = fm.risk_slice(pair, 35)
    i, j = 17, int(np.abs(found.s).argmin())
    assert abs(found.t[i]) < 1e-12
    # along t = 0 it is the straight line between the points, in one order of the units
    low, best = pair.local_minimum, pair.global_minimum
    for order in (slice(None), slice(None, None, -1)):
        parts = [(a, b[order]) for a, b in zip(low.parameters()[:3], best.parameters()[:3], strict=True)]
        line = [
            fm.OneHiddenLayer(
                *(a + s * (b - a) for a, b in parts), low.b2 + s * (best.b2 - low.b2), pair.activation
            ).risk(pair.data)
            for s in found.s
        ]
        if np.allclose(line, found.risk[i], rtol=1e-6, atol=1e-9):
            break
    else:
        pytest.fail("the first axis is not the line between the two points")
    assert found.distance[i, j] == found.distance.min()
    assert found.risk[found.distance < pair.radius].min(initial=1) >= 1 / 3 - 1e-9
    with pytest.raises(OptionError, match="nothing to draw"):
        fm.risk_slice(example("identity", "bias"))


def test_the_table_in_the_documentation_is_what_the_command_makes():
    page = (ROOT / "docs" / "counterexamples.md").read_text(encoding="utf-8")
    written = page.split("<!-- table -->")[1].split("<!-- end of table -->")[0].strip().splitlines()
    made = example_table(example).splitlines()
    assert len(written) == len(made) == 2 + 2 * len(fm.activations())
    for ours, theirs in zip(made, written, strict=True):
        a, b = ([cell.strip() for cell in line.split("|")[1:-1]] for line in (ours, theirs))
        assert a == b


@pytest.mark.parametrize("value", ["relu", "elu", "tanh"])
def test_torch_modules_are_taken(value):
    torch = pytest.importorskip("torch")
    module = {"relu": torch.nn.ReLU(), "elu": torch.nn.ELU(0.5), "tanh": torch.nn.Tanh()}[value]
    pair = fm.counterexample(module, form="bias")
    assert pair.certified
    outputs = pair.local_minimum.to_torch()(torch.tensor(pair.data.X))
    np.testing.assert_allclose(outputs.detach().numpy()[:, 0], 1 / 3, rtol=1e-12)
