"""What the checker does with text and numbers that are none, and with certificates made to cost time or memory."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from certificates_by_hand import all_cases, relu
from certificates_changed import nested, set_in, verdict
from fastminima.proof import check as checker
from pace import at_most

CASES = all_cases()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "JSONDecodeError"),
        ("{", "JSONDecodeError"),
        ("[]", "this is no certificate"),
        ('"fastminima certificate"', "this is no certificate"),
        ("1e999999999", "this is no certificate"),
        ("NaN", "this is no certificate"),
        ("9" * 1_000_000, "ValueError"),
        ('{"a": 1, "a": 1}', "a name occurs twice in one object"),
        ('{"b": [{"a": 1, "a": 2}]}', "a name occurs twice in one object"),
        ("[" * 100_000, "RecursionError"),
        ('{"a":' * 100_000, "RecursionError"),
        (" " * ((1 << 24) + 1), "the certificate is longer than 16777216 characters"),
        ("\ufeff{}", "JSONDecodeError"),
    ],
)
def test_malformed_text_is_rejected_at_once(text, reason):
    with at_most(500):
        found = checker.check(text, lambda: pytest.fail("the data were read"))
    assert not found
    assert reason in found.reason


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 1e308, 10**4000, True, {}, [], "1e999999999", "9" * 10**6, [[[]]]]
)
@pytest.mark.parametrize(
    "path",
    ["version", "theorem", "meaning", "data", "data/rows", "setting", "claims", "claims/0", "claims/0/risk"],
)
def test_wrong_types_and_huge_numbers_are_rejected(path, value):
    made = CASES["floats"].copy()
    set_in(path, value)(made)
    assert not verdict(made)


@pytest.mark.parametrize(
    "formula",
    [
        ["exp"] * 100,
        ["exp", ["exp", ["exp", ["exp", ["exp", 30]]]]],
        ["pow", "t", 1001],
        ["pow", "t", -1],
        ["pow", "t", True],
        ["pow", "t"],
        ["pow", "t", 2, 3],
        ["pow", ["pow", ["pow", ["mul", 9, "t"], 1000], 1000], 1000],
        ["mod", "t", 2],
        ["mod", "t"],
        ["neg", "t", "t"],
        ["add", "t", "t", "t"],
        ["div", "t", 1, 1],
        ["div", "t", 0],
        ["log", -1],
        ["log", 0],
        ["sqrt", -1],
        ["sin", 25],
        ["if", "t", 1],
        [],
        ["t"],
        {},
        None,
        True,
        1.5,
        1e22,
        "1.5",
        "x",
        [["t"], "t"],
    ],
)
def test_formulas_that_are_none_are_rejected(formula):
    made = relu()
    made.words["setting"] = formula
    assert not verdict(made)


@pytest.mark.parametrize("name", ["sin", "atan", "erf", "softplus", "neg"])
def test_long_formulas_end(name, monkeypatch):
    """The longest formulas, and as many units as one likes: the work is bounded. WORK itself takes minutes."""
    monkeypatch.setattr(checker, "WORK", 10_000)
    made = relu()
    made.words["setting"] = nested(name, 1990)
    low = made.words["claims"][0]["network"]
    low.update(W1=low["W1"] * 50, b1=low["b1"] * 50, W2=low["W2"] * 50)
    made.words["claims"][0]["excess"] = "1000000"
    with at_most(6_000):
        assert "more work than theorem 2 can need" in verdict(made).reason


def test_memory_does_not_grow_with_the_rows(monkeypatch):
    """6 times the rows, the same peak: blocks are let go of."""
    monkeypatch.setattr(checker, "BLOCK", 1 << 9)
    words = CASES["floats"].words
    words = words | {"data": words["data"] | {"rows": 10**6}, "claims": words["claims"][:3]}
    peaks = []
    for m in (1_000, 6_000):
        rows = ([float(i % 7), float(i * i % 11), float(i % 5)] for i in range(m))
        tracemalloc.start()
        found = checker.check(json.dumps(words), lambda rows=rows: rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert "the digests of their rows differ" in found.reason
    assert peaks[1] < 1.5 * peaks[0]
