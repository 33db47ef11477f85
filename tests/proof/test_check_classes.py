"""Certificates of logistic and softmax loss: what `prove` makes is accepted, what is forged is refused, mpmath agrees."""

from __future__ import annotations

import copy
from fractions import Fraction as F
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

import fastminima as fm
from certificates_by_hand import text_of
from fastminima.losses.smoothed_labels import SmoothedSoftmax
from fastminima.proof import check as checker
from fastminima.proof.certificate import data_rows
from profiles import examples

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0], [1.0, 3.0], [2.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
TWO = np.array([0, 1, 0, 1, 1, 0, 1, 0])
THREE = np.array([0, 1, 2, 1, 0, 2, 2, 1])
APART = (X[:, 0] > 1.5).astype(int)
# the last two rows tell nothing apart: the first class of each is as high as the second
PARTLY = np.array([0, 0, 1, 1, 0, 1, 0, 1]), np.array([0.0, 1.0, 4.0, 5.0, 0.5, 4.5, 2.0, 2.0])[:, None]


def proved(data, loss, activation="relu", width=(3, 2)):
    low = fm.spurious_minimum(data, activation=activation, width=width, loss=loss)
    return low, fm.prove(low, fm.better_point(low) if low.status == "spurious" else None)


@pytest.fixture(scope="module")
def made():
    cases = {
        "logistic": proved((X, TWO), "logistic"),
        "weighted": proved((X, TWO, np.arange(1.0, 9.0)), "logistic", "leaky_relu"),
        "softmax": proved((X, THREE), "softmax", width=(4, 4)),
        "smoothed": proved((X, APART), SmoothedSoftmax(n_classes=2, label_smoothing=0.25), "elu"),
        "separable": proved((X, APART), "logistic"),
        "partly": proved((PARTLY[1], PARTLY[0]), "logistic"),
    }
    return {name: (low, proof.content, list(data_rows(low.data))) for name, (low, proof) in cases.items()}


def verdict(content, rows):
    return checker.check(fm.Certificate(content).text, lambda: rows)


def changed(content, number, field, change):
    found = copy.deepcopy(content)
    claim = found["claims"][number]
    claim[field] = change(claim[field]) if callable(change) else change
    return found


NAMES = ("logistic", "weighted", "softmax", "smoothed", "separable", "partly")


@pytest.mark.parametrize("name", NAMES)
def test_what_prove_makes_is_accepted(made, name):
    low, content, rows = made[name]
    assert verdict(content, rows)
    names = [claim["claim"] for claim in content["claims"]]
    expected = (
        ["not attained"] if name in ("separable", "partly") else ["affine bound", "no lower risk within"]
    )
    assert names[:2] == expected
    assert str(low.status) == {"separable": "separable", "partly": "quasi_separable"}.get(name, "spurious")


def more(factor):
    return lambda text: text_of(F(checker.exact(text)) * factor)


@pytest.mark.parametrize("name", NAMES[:4])
def test_a_little_more_is_refused(made, name):
    _, content, rows = made[name]
    for number, field, change, why in (
        (0, "loss", more(1 + F(1, 10**9)), "the sum of entropies is smaller"),
        (1, "excess", "-1/1000000", "exceeds the bound by more"),
        (1, "radius", more(1 + F(1, 10**6)), "comes closer to the end"),
        (2, "drop", more(2), "the drop is not reached"),
        (0, "probabilities", lambda p: [*p[1:], p[0]], "not orthogonal"),
        (0, "probabilities", lambda p: p[1:], "expected a list of"),
        (0, "probabilities", lambda p: [["0"] * len(p[0]), *p[1:]], "expected probabilities above 0"),
        (0, "probabilities", lambda p: [["2"] * len(p[0]), *p[1:]], "expected probabilities above 0"),
    ):
        if number < len(content["claims"]):
            found = verdict(changed(content, number, field, change), rows)
            assert not found
            assert why in found.reason


def test_directions_that_prove_nothing_are_refused(made):
    _, strict, rows = made["separable"]
    zero = lambda words: [["0"] * len(row) for row in words]  # noqa: E731
    turned = changed(changed(strict, 0, "coef", zero), 0, "intercept", ["0"])
    assert "as high as its own" in verdict(turned, rows).reason
    assert "tells no classes apart" in verdict(changed(turned, 0, "strict", False), rows).reason
    minus = changed(strict, 0, "intercept", lambda b: [text_of(-checker.exact(b[0]))])
    assert "does not prefer a row's own class" in verdict(minus, rows).reason
    assert verdict(changed(strict, 0, "strict", False), rows)
    _, partly, rows = made["partly"]
    assert "as high as its own" in verdict(changed(partly, 0, "strict", True), rows).reason


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        ("logistic", "no such loss"),
        (["logistic"], "no such loss"),
        (["logistic", "1"], "expected a share"),
        (["logistic", "-1/2"], "expected a share"),
        (["logistic", "1/10"], "not orthogonal"),
        (["logistic", "0", "0"], "expected a share"),
        (["softmax", 1, "0"], "at least 2"),
        (["softmax", 2, "0"], "expected layers"),
        ("squared", "unexpected keyword"),
    ],
)
def test_other_losses_are_refused(made, loss, why):
    _, content, rows = made["logistic"]
    content = copy.deepcopy(content)
    content["setting"]["loss"] = loss
    # without names: what is wrong is the loss
    content["setting"].pop("classes")
    found = verdict(content, rows)
    assert not found
    assert why in found.reason or "expected a list of" in found.reason


@pytest.mark.parametrize(
    "classes",
    [["a"], ["a", "b", "c"], ["a", "a"], ["a", 1], [0.5, 1.5], [None, "a"], "ab", 3, {"a": 0, "b": 1}, [["a"], ["b"]], None],
    ids=repr,
)
def test_names_that_are_none_are_refused(made, classes):
    _, content, rows = made["logistic"]
    content = copy.deepcopy(content)
    content["setting"]["classes"] = classes
    found = verdict(content, rows)
    assert not found
    assert found.reason.startswith("the setting: ")
    content["setting"]["classes"] = ["no", "yes"]
    assert verdict(content, rows)
    content["setting"]["loss"] = "squared"
    assert "expected a name for each class" in verdict(content, rows).reason


def test_targets_that_are_no_classes_are_refused():
    setting = {"activations": [{"formula": "t", "breaks": []}], "widths": [1], "loss": ["logistic", "0"]}
    table = SimpleNamespace(dx=1, dy=1, spend=lambda work: None)
    logistic = checker.Classes(table, setting)
    with pytest.raises(checker.Reject, match="expected classes 0 and 1"):
        logistic.targets([5, 1, 2, 1], 1)
    softmax = checker.Classes(table, setting | {"loss": ["softmax", 3, "0"]})
    for y in (3, -1, F(1, 2)):
        with pytest.raises(checker.Reject, match="expected a class number"):
            softmax.targets([5, 1, y, 1], 1)
    with pytest.raises(checker.Reject, match="a column for each class"):
        checker.Classes(SimpleNamespace(dx=1, dy=2, spend=print), setting | {"loss": ["softmax", 3, "0"]})
    shares = checker.Classes(
        SimpleNamespace(dx=1, dy=2, spend=print), setting | {"loss": ["softmax", 2, "1/2"]}
    )
    assert shares.targets([5, 1, 3, 1, 1], 1) == [[F(3, 8) + F(1, 4), F(1, 8) + F(1, 4)]]
    with pytest.raises(checker.Reject, match="expected probabilities"):
        shares.targets([5, 1, 0, 0, 1], 1)


numbers = st.fractions(-60, 60, max_denominator=64)


@settings(max_examples=examples(60))
@given(z=st.lists(numbers, min_size=3, max_size=3), y=st.integers(0, 2), share=st.sampled_from(["0", "1/8"]))
def test_cross_entropy_from_above_and_entropy_from_below(z, y, share):
    setting = {"activations": [{"formula": "t", "breaks": []}], "widths": [1], "loss": ["softmax", 3, share]}
    judge = checker.Classes(SimpleNamespace(dx=1, dy=1, spend=lambda work: None), setting)
    found = judge.above([checker.interval(v) for v in z], [0, 1, y, 2], 1, int) / 4
    (t,) = judge.targets([0, 1, y, 2], 1)
    with mp.workdps(80):
        values = [mp.mpf(v.numerator) / v.denominator for v in z]
        chosen = sum(v * a.numerator / a.denominator for v, a in zip(values, t, strict=True))
        true = mp.log(sum(map(mp.exp, values))) - chosen
        above = mp.mpf(found.numerator) / found.denominator
        assert true <= above <= true + mp.mpf(10) ** -50
        p = [mp.exp(v) / sum(map(mp.exp, values)) for v in values]
        for v in p:
            exact = F(int(mp.floor(v * 2**180)), 2**180)
            if exact:
                held = mp.mpf(exact.numerator) / exact.denominator
                low = mp.mpf(judge.entropy(exact)) / checker.UNIT
                assert -held * mp.log(held) - mp.mpf(10) ** -50 <= low <= -held * mp.log(held)


@settings(max_examples=examples(15))
@given(
    rows=st.lists(
        st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(0, 2)), min_size=5, max_size=9
    ),
    activation=st.sampled_from(["relu", "elu", "hardtanh"]),
)
def test_tables_with_ties_and_repeats(rows, activation):
    inputs, labels = np.array(rows)[:, :2], np.array(rows)[:, 2]
    classes = np.unique(labels)
    if len(classes) < 2:
        return
    low, proof = proved((inputs, labels), "softmax", activation, (3, 3))
    assert proof.checked
    claims = {claim["claim"] for claim in proof.claims}
    assert claims == {"not attained"} if not low else claims >= {"affine bound", "no lower risk within"}
