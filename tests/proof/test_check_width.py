"""`no lower risk at width`: what the checker accepts, against all cuts in rationals; and what `prove` makes of a bracket."""

from __future__ import annotations

import random
from fractions import Fraction as F

import numpy as np
import pytest

import fastminima as fm
from certificates_by_hand import case, rational
from certificates_changed import run, saved, set_in, verdict
from fastminima.errors import DataTypeError, OptionError, ProofError, TargetError
from fastminima.landscape.bracket.lower_bound import lower_bounds
from fastminima.proof import check as checker
from fastminima.proof.certificate import data_rows
from fastminima.proof.claims import least_risk
from pace import at_most
from profiles import examples
from width_by_hand import least, width_cases, width_true

CASES = width_cases()
LINE = [[float(v)] for v in range(-3, 4)]
STEPS = [0.0, 0, 2, 3, -3, -2, 2]


def true(proof, data):
    rows = [list(map(F, row)) for row in data_rows(data)]
    claims = [claim for claim in proof.claims if claim["claim"] == "no lower risk at width"]
    return claims and all(
        width_true(claim, rows, data.n_features, data.sample_weight is not None) for claim in claims
    )


@pytest.mark.parametrize("name", CASES)
def test_the_examples_are_accepted_and_no_more(name):
    made = CASES[name]
    assert verdict(made)
    assert (
        verdict(made)
        .claims[0]
        .startswith(f"no lower risk at width {made.words['claims'][0]['width']} floor~")
    )
    for i, line in enumerate(made.words["claims"][0]["lines"]):
        for factor, holds in ((1 - F(1, 10**6), True), (1 + F(1, 10**6), False)):
            changed = made.copy()
            set_in("claims/0/floor", "0")(changed)
            set_in(f"claims/0/lines/{i}/bound", str(rational(line["bound"]) * factor))(changed)
            found = verdict(changed)
            assert bool(found) is holds
            assert holds or "the risk on a line may fall below its bound" in found.reason


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("claims/0/width", 0, "an integer of at least 1"),
        ("claims/0/width", 10**30, "may fall below its bound"),
        ("claims/0/floor", "-1", "the floor is not reached"),
        ("claims/0/floor", "1000", "the floor is not reached"),
        ("claims/0/lines", {}, "the floor is not reached"),
        ("claims/0/lines/0/first", 99, "there is no such input"),
        ("claims/0/lines/0/first", -1, "an integer of at least 0"),
        ("claims/0/lines/0/second", 5, "a line goes through two inputs"),
        ("claims/0/lines/0/every", 0, "an integer of at least 1"),
        ("claims/0/lines/0/every", 7, "expected a bound above 0, two inputs"),
        ("claims/0/lines/0/bound", "0", "expected a bound above 0, two inputs"),
        ("claims/0/lines/0/joined", 1, "expected a bound above 0, two inputs"),
        ("claims/0/lines/0/more", 1, "expected exactly the fields"),
    ],
)
def test_what_is_refused(path, value, why):
    made = CASES["lines of a lattice"].copy()
    set_in(path, value)(made)
    assert why in verdict(made).reason


def test_an_input_counts_once():
    made = CASES["lines of a lattice"].copy()
    lines = made.words["claims"][0]["lines"]
    set_in("claims/0/lines", [lines[0], lines[0]])(made)
    assert "expected a bound above 0, two inputs" in verdict(made).reason
    # of the second axis 5 inputs are left, or 6 if it comes first: more than it says
    set_in("claims/0/lines", lines[::-1])(made)
    assert not verdict(made)


def largest(points, kinks, joined):
    """What the checker proves, by bisection."""
    table = checker.Table(None, CASES["pieces of a line"].words["data"])
    low, high = F(0), F(1 << 20)
    for _ in range(70):
        table.work, middle = 0, (low + high) / 2
        seen = checker.Points(table, [(t, w, w * y) for t, w, y in points], middle, kinks)
        low, high = (middle, high) if (seen.joined() if joined else seen.apart()) else (low, middle)
    return low


def test_the_recursions_are_the_least_of_all_cuts():
    """Positions, weights and values of few and of many digits, large and small."""
    for seed in range(examples(24)):
        draw = random.Random(seed)
        n, kinks = draw.randint(4, 7), draw.randint(1, 3)
        step = draw.choice([1, F(1, 3), F(1 << 90), F(draw.getrandbits(60), 1 << 70)])
        unit = draw.choice([1, F(1, 7), F(1, 1 << 80), F(draw.getrandbits(53), 1 << 50)])
        weights = draw.choice(
            [[1], [1, 2, 3], [F(1, 3), F(5, 1 << 60)], [F(draw.getrandbits(53) + 1, 1 << 40)]]
        )
        times_ = sorted(draw.sample(range(40), n))
        points = [(t, F(draw.choice(weights)), draw.randint(-9, 9) * unit) for t in times_]
        scaled = [(int(t * step.numerator) if isinstance(step, F) else t, w, y) for t, w, y in points]
        for joined in (False, True):
            exact, found = least(points, kinks, joined), largest(scaled, kinks, joined)
            assert found <= exact
            assert exact - found <= exact / 10**9 + F(1, 1 << 45), seed


def test_long_numbers_and_many_points_are_refused_in_time():
    rows = [[float(i), float(i * i % 89)] for i in range(1_000)]
    slow = {"first": 0, "second": 1, "every": 1, "bound": "100000", "joined": True}
    ways = [{**slow, "second": i, "bound": "1"} for i in range(1, 1_000)]
    for width, lines in (
        (1, [slow]),
        (10**9, [{**slow, "bound": "1/" + "7" * 90_000}]),
        (900, [{**slow, "joined": False}]),
        (1, ways),
    ):
        claim = {"claim": "no lower risk at width", "width": width, "floor": "0", "lines": lines}
        made = case(1, rows, (1, 1, False), ["1", "0"], [claim] * 3)
        with at_most(500):
            found = verdict(made)
        assert not found
        assert lines != [slow] or "more work than" in found.reason


# ---- prove ---------------------------------------------------------------------------------------------------------


def test_a_bracket_is_certified_at_both_ends(tmp_path, capsys):
    b = fm.bracket((LINE, STEPS), width=2, n_starts=4)
    proof = fm.prove(b)
    assert proof.checked
    assert proof.open == ()
    assert [claim["claim"] for claim in proof.claims] == [
        "no lower risk at width",
        "least squares",
        "lower risk",
        "no lower risk at width with these slopes",
    ]
    floor, fit, better, cells = proof.claims
    assert b.lower * (1 - 1e-9) <= rational(cells["floor"]) <= F(b.upper)
    assert (floor["width"], floor["lines"][0]["joined"]) == (2, True)
    lines = lower_bounds(b.data, [2])[2].value
    assert lines * (1 - 1e-12) <= rational(floor["floor"]) <= lines < b.lower
    assert rational(fit["risk"]) - rational(better["drop"]) == F(b.upper)
    assert true(proof, b.data)
    assert "one hidden layer" in str(proof)
    assert "no lower risk at width: width 2, floor 0.346" in str(proof)
    proof.save(tmp_path / "proof.json")
    assert fm.check(tmp_path / "proof.json", (LINE, STEPS))
    np.save(tmp_path / "rows.npy", np.column_stack([LINE, STEPS]))
    status, text = run(capsys, tmp_path / "proof.json", tmp_path / "rows.npy")
    assert (status, "holds: no lower risk at width 2 floor~0.34615" in text) == (0, True)
    made = CASES["pieces of a line"].copy()
    set_in("claims/0/width", 3)(made)
    assert run(capsys, saved(made, tmp_path), tmp_path / "rows.npy")[0] == 1


def test_the_ends_of_a_bracket_that_say_little():
    # the affine function is best, and nothing is known below
    flat = fm.bracket(([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0]), width=1, n_starts=1)
    proof = fm.prove(flat)
    assert [claim["claim"] for claim in proof.claims][:2] == ["least squares", "linearly fittable"]
    assert proof.open == ("no floor above 0 of the risks at width 1 is known",)
    with pytest.raises(ProofError, match="no floor above 0 of the risks at width 1 is known"):
        fm.prove(flat.bound, data=flat.data)


def test_lower_bounds_of_every_fact():
    rng = np.random.default_rng(3)
    lattice = rng.integers(0, 7, (60, 2)).astype(float)
    y, weight = rng.integers(-9, 10, 60) / 4.0, rng.integers(1, 4, 60).astype(float)
    t = rng.integers(-8, 9, 40).astype(float)
    bent = np.column_stack([np.ones(40), 1.0 - 3.0 * t, t / 4])
    for data, fact in (
        (fm.Dataset(lattice, y, sample_weight=weight), "lines"),
        (fm.Dataset(np.zeros((3, 1)), [1.0, 2.0, 4.0]), "pure error"),
        (fm.Dataset(bent, y[:40]), "pieces joined at kinks"),
        (fm.Dataset(np.arange(7.0)[:, None] * 0.1, y[:7] * 0.3), "pieces joined at kinks"),
    ):
        bound = lower_bounds(data, [1])[1]
        assert bound.fact == fact
        proof = fm.prove(bound, data=data)
        assert proof.checked
        assert proof.open == ()
        assert abs(rational(proof.claims[0]["floor"]) - bound.exact) <= bound.exact / 10**9
        if len(proof.claims[0]["lines"]) > 1 or fact == "pure error":
            assert proof.content["setting"] == ["1", "0"]
    with pytest.raises(DataTypeError):
        fm.prove(bound)
    with pytest.raises(OptionError, match="nothing beside it"):
        fm.prove(bound, fm.relu, data=data)
    with pytest.raises(OptionError, match="nothing beside it"):
        fm.prove(fm.bracket((LINE, STEPS), width=1, n_starts=1), data=data)
    with pytest.raises(TargetError):
        fm.prove(bound, data=fm.Dataset(np.arange(4.0)[:, None], np.ones((4, 2))))


def test_long_lines_are_cut_to_what_the_checker_may_do(monkeypatch):
    rng = np.random.default_rng(5)
    x = np.sort(rng.standard_normal(90))
    data = fm.Dataset(x[:, None], np.sin(3 * x) + rng.standard_normal(90))
    bound = lower_bounds(data, [2])[2]
    floors = []
    for allowed, joined, every in (
        (checker.ALLOWED, True, [1]),
        (30_000, False, [1]),
        (12_000, False, [2, 1]),
    ):
        monkeypatch.setattr(checker, "ALLOWED", allowed)
        proof = fm.prove(bound, data=data, verify=False)
        monkeypatch.undo()
        lines = proof.claims[0]["lines"]
        assert ([line["joined"] for line in lines], [line["every"] for line in lines]) == (
            [joined] * len(every),
            every,
        )
        assert fm.check(proof, data)
        assert bool(proof.open) is not joined
        floors.append(rational(proof.claims[0]["floor"]))
    assert F(bound.value) >= floors[0] > floors[1] > floors[2] > 0
    assert "more work than the checker may do" in proof.open[0]
    monkeypatch.setattr(checker, "ALLOWED", 10)
    with pytest.raises(ProofError, match="at width 2 is that the checker may verify"):
        fm.prove(bound, data=data, verify=False)


def test_a_bound_that_is_too_high_is_not_accepted(monkeypatch):
    """The checker has the last word, whatever the library computes."""
    data = fm.Dataset(LINE, STEPS)
    monkeypatch.setattr(least_risk, "_below", lambda bound, n: bound * 2)
    with pytest.raises(ProofError, match="checker may verify"):
        fm.prove(lower_bounds(data, [2])[2], data=data)


def test_larger_certificates_of_polished_networks_are_accepted():
    """Ten inputs, eight units, numbers of thousands of digits: well inside the work that a certificate may ask for."""
    datasets = pytest.importorskip("sklearn.datasets")
    X, y = datasets.load_diabetes(return_X_y=True)
    data = fm.Dataset((X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std())
    rng = np.random.default_rng(1)
    start = fm.OneHiddenLayer(
        rng.standard_normal((6, 10)), rng.standard_normal(6), rng.standard_normal(6) / 6, 0.0, fm.relu
    )
    polished = fm.polish(start, data)
    assert polished
    proof = fm.prove(polished)
    assert proof.checked
    assert len(proof.text) > 100_000
