"""Certificates of networks of any depth: by hand against a slow judge, forged, and as `prove` makes them."""

from __future__ import annotations

import random
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from certificates_by_hand import rational, text_of
from certificates_changed import alone, drop, plus, set_in, times, verdict
from fastminima.errors import DataTypeError, OptionError, ProofError
from fastminima.losses.pointwise import Huber
from fastminima.proof import check as checker
from fastminima.proof.certificate import data_rows
from layers_by_hand import Judge, layers_cases, layers_true
from profiles import examples

CASES = layers_cases()
ACTIVATIONS = (
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "relu6",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "softshrink",
)
HAIR = F(1, 10**6)


@pytest.mark.parametrize("name", CASES)
def test_the_examples_are_accepted_and_true(name):
    made = CASES[name]
    found = verdict(made)
    assert found, found.reason
    assert layers_true(made.words, [list(map(F, row)) for row in made.rows])


@pytest.mark.parametrize("name", CASES)
def test_a_hair_more_is_refused(name):
    for number, claim in enumerate(CASES[name].words["claims"]):
        for field, change, why in (
            ("loss", plus(HAIR), "the loss of the map is another number"),
            ("radius", times(1 + HAIR), "a preactivation comes closer"),
            ("excess", plus(-HAIR), "the network's loss exceeds the bound by more"),
            ("drop", plus(F(10)) if name == "elu" else plus(HAIR), "the drop is not reached"),
        ):
            if field in claim:
                made = CASES[name].copy()
                set_in(f"claims/{number}/{field}", change)(made)
                found = verdict(made)
                assert not found
                assert why in found.reason


@pytest.mark.parametrize(
    ("name", "path", "value", "why"),
    [
        ("two layers", "setting/widths", [], "expected the widths of hidden layers"),
        ("two layers", "setting/widths", [2, 0], "an integer of at least 1"),
        ("two layers", "setting/widths", [2, 3], "expected a list of 3"),
        ("two layers", "setting/widths", [2, 2, 2], "expected an activation for each layer"),
        ("two layers", "setting/loss", "logistic", "no such loss"),
        ("two layers", "setting/loss", ["huber", "0"], "delta is not above 0"),
        ("huber", "setting/loss", "squared", "not orthogonal"),
        ("two layers", "setting/activations/0/breaks", ["0", "0"], "the breaks do not increase"),
        ("two layers", "setting/activations/1/breaks", [], "the activation is not affine there"),
        ("two layers", "setting/activations/0/formula", "t" * 2001, "a formula has at most"),
        ("two layers", "claims/1/layers/2/b/0", "100", "exceeds the bound"),
        (
            "two layers",
            "setting/activations/0/formula",
            ["if", "t", "t", ["pow", ["pow", 9, 999], 999]],
            "leaves all bounds",
        ),
        ("two layers", "claims/1/pieces", [1], "expected a piece for each hidden layer"),
        ("two layers", "claims/1/pieces", [1, 2], "the activation is not affine there"),
        ("two layers", "claims/1/pieces", [0, 1], "a preactivation comes closer"),
        ("two layers", "claims/1/radius", "0", "the radius is not above 0"),
        ("two layers", "claims/1/layers", [], "expected layers of the widths"),
        ("two layers", "claims/1/layers/0/b/0", "0", "a preactivation comes closer"),
        ("two layers", "claims/2/drop", "0", "the drop is not reached"),
        ("two layers", "claims/0/coef/0/0", "1", "not orthogonal"),
        ("two layers", "claims/0/intercept", ["1"], "expected a list of 2"),
        ("fittable", "claims/2/claim", "pure error", None),
        ("scattered", "claims/2/claim", "linearly fittable", "is not 0"),
        ("two layers", "claims/2", {"claim": "pure error"}, "do not cancel"),
        ("elu", "claims/1/pieces", [0, 1], "the activation is not affine there"),
    ],
)
def test_what_is_refused(name, path, value, why):
    made = CASES[name].copy()
    set_in(path, value)(made)
    found = verdict(made)
    assert bool(found) is (why is None)
    assert why is None or why in found.reason


def test_claims_beside_the_bound_need_it():
    for name in CASES:
        made = CASES[name].copy()
        drop("claims/0")(made)
        assert not verdict(made)


def test_a_jump_is_refused_where_a_unit_is_at_it_alone():
    step = ["if", "t", ["add", "t", 1], "t"]
    made = CASES["two layers"].copy()
    for k in (0, 1):
        set_in(f"setting/activations/{k}/formula", step)(made)
    # on its upper piece the unit is one more: the cell's network is another map
    found = verdict(made)
    assert not found
    drop("claims/1")(made)
    found = verdict(made)
    assert not found
    assert "a unit is at a jump" in found.reason


def test_altered_numbers_are_true_or_refused():
    """Every number of every example, changed a little or a lot: the slow judge confirms what is still accepted."""
    rng, kept, refused = random.Random(3), 0, 0
    for made in CASES.values():
        for path in places(made.words["claims"], "claims"):
            if rng.random() < 0.5:
                continue
            changed = made.copy()
            amount = rng.choice([F(1, 10**9), F(-1, 10**9), F(1, 8), F(-3)])
            set_in(path, plus(amount))(changed)
            if verdict(changed):
                kept += 1
                assert layers_true(changed.words, [list(map(F, row)) for row in changed.rows]), path
            else:
                refused += 1
    assert kept > 10
    assert refused > 50


def places(words, path):
    if isinstance(words, str):
        try:
            F(words)
        except ValueError:
            return []
        return [path]
    items = words.items() if isinstance(words, dict) else enumerate(words) if isinstance(words, list) else ()
    return [place for key, part in items for place in places(part, f"{path}/{key}")]


@pytest.mark.parametrize("name", ["two layers", "clipped", "weighted", "three layers"])
def test_nothing_within_the_radius_leaves_the_cell(name):
    """Random moves of all hidden layers by R, in rationals: every unit stays on its piece, whatever the checker did."""
    made, rng = CASES[name], random.Random(1)
    judge = Judge(made.words, [list(map(F, row)) for row in made.rows])
    claim = made.words["claims"][1]
    net, R = judge.layers(claim["layers"]), rational(claim["radius"])
    for _ in range(40):
        moves = [
            ([[F(rng.gauss(0, 1)) for _ in row] for row in W], [F(rng.gauss(0, 1)) for _ in b])
            for W, b in net[:-1]
        ]
        size = sum(v * v for W, b in moves for row in (*W, b) for v in row)
        step = R / F(float(size) ** 0.5 * (1 + 1e-12))
        moved = [
            ([[a + step * v for a, v in zip(*rows, strict=True)] for rows in zip(W, V, strict=True)],
             [a + step * v for a, v in zip(b, c, strict=True)])
            for (W, b), (V, c) in zip(net, moves, strict=False)
        ]  # fmt: skip
        for x, _, _ in judge.rows:
            _, z, _ = judge.forward([*moved, net[-1]], x)
            for k, row in enumerate(z):
                low, high = [None, *judge.breaks[k], None][claim["pieces"][k] : claim["pieces"][k] + 2]
                assert all((low is None or t > low) and (high is None or t < high) for t in row)


tables = st.integers(2, 9).flatmap(
    lambda m: st.tuples(
        st.lists(st.lists(st.integers(-4, 4), min_size=2, max_size=2), min_size=m, max_size=m),
        st.lists(st.lists(st.integers(-6, 6), min_size=2, max_size=2), min_size=m, max_size=m),
        st.one_of(st.none(), st.lists(st.integers(1, 3), min_size=m, max_size=m)),
    )
)


@settings(max_examples=examples(20))
@given(
    table=tables,
    activation=st.sampled_from(ACTIVATIONS),
    widths=st.lists(st.integers(2, 4), min_size=1, max_size=3),
    loss=st.sampled_from(["squared", "huber", Huber(0.75)]),
)
def test_what_prove_makes_is_accepted_and_true(table, activation, widths, loss):
    X, Y, weight = table
    data = fm.Dataset(X, Y, sample_weight=weight)
    low = fm.spurious_minimum(data, activation=activation, width=tuple(widths), loss=loss)
    better = fm.better_point(low) if low.status == "spurious" else None
    proof = fm.prove(low, better)
    assert proof.checked
    assert not fm.check(proof, fm.Dataset(X, np.array(Y) + np.array([1.0, 0.0]), sample_weight=weight))
    names = {claim["claim"] for claim in proof.claims}
    assert ("lower risk" in names) == bool(better)
    if low.status == "global":
        assert names & {"linearly fittable", "pure error"}
    # the radius is as large as the inequality allows, so a little more is refused
    content = proof.content | {"claims": proof.claims}
    content["claims"][1]["radius"] = text_of(F(low.radius) * (1 + HAIR))
    rows = list(data_rows(low.data))
    assert not checker.check(fm.Certificate(content).text, lambda: rows)
    if activation in ("relu", "leaky_relu"):
        assert layers_true(proof.content, [list(map(F, row)) for row in rows])


def test_exact_data_and_files(tmp_path):
    """Decimals of a file, several targets by name: the library and the program alone read the same rows."""
    table = tmp_path / "t.csv"
    table.write_text("a,b,u,v\n" + "".join(f"0.{i},{i * i % 7}.1,{i % 3}.2,{-i}.7\n" for i in range(1, 9)))
    data = fm.read(table, target=["u", "v"], meaning="decimal")
    low = fm.spurious_minimum(data, activation="relu", width=(3, 3))
    proof = fm.prove(low, fm.better_point(low))
    proof.save(tmp_path / "p.json")
    assert proof.checked
    assert fm.check(tmp_path / "p.json", table, target=["u", "v"])
    status, out, _ = alone("p.json", "t.csv", "--target", "u,v", cwd=tmp_path)
    assert (status, out.splitlines()[-1]) == (0, "accepted: every claim holds")
    assert not fm.check(proof, table, target=["v", "u"])
    status, out, _ = alone("p.json", "t.csv", "--target", "v,u", cwd=tmp_path)
    assert status == 1


def test_what_prove_refuses():
    X = np.arange(6.0)[:, None]
    low = fm.spurious_minimum(fm.Dataset(X, X**2), activation="relu", width=(2, 2))
    better = fm.better_point(low)
    with pytest.raises(OptionError, match="knows its data"):
        fm.prove(low, better, data=(X, X**2))
    with pytest.raises(DataTypeError, match="DeepMinimum"):
        fm.prove(low, fm.better_point(fm.spurious_minimum(fm.Dataset(X, X[:, 0] ** 2))))
    with pytest.raises(DataTypeError, match="DeepMinimum"):
        fm.prove(None, better)
    with pytest.raises(ProofError, match="another minimum"):
        fm.prove(fm.spurious_minimum(fm.Dataset(X, X**3), activation="relu", width=(2, 2)), better)
    nothing = fm.spurious_minimum(fm.Dataset(X, X**2), activation="tanh", width=(2, 2))
    with pytest.raises(ProofError, match="affine on no interval"):
        fm.prove(nothing)


def test_breaks_of_the_formulas_of_all_activations_are_seen_by_the_checker():
    """The library's pieces are the checker's: where the library says "a line", the checker finds that line."""
    from fastminima.networks.activations.affine_segment import affine_segment, merged_pieces

    seen = 0
    for name in fm.activations():
        h = fm.activation(name)
        if getattr(h, "formula", None) is None:
            continue
        for p in merged_pieces(h):
            found = checker.line(checker.json.loads(checker.json.dumps(h.formula)), p.low, p.high)
            assert found == p.line
            seen += found is not None
        assert affine_segment(h) is None or any(p.line for p in merged_pieces(h))
    assert seen > 20
