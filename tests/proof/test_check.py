"""The checker: what it accepts, every reason for which it rejects, files, the command, and the standard library alone."""

from __future__ import annotations

import ast
import csv
import json
import re
import runpy
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction as F
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certificates_by_hand import (
    CUBE,
    RELU,
    Case,
    all_cases,
    case,
    network,
    relu,
    text_of,
    theorem1,
)
from fastminima.proof import check as checker

CASES = all_cases()
PATH = Path(checker.__file__)
Edit = Callable[[Case], Any]


def verdict(made: Case, **arguments: Any) -> Any:
    return checker.check(made.text, made.read, **arguments)


def set_in(path: str, value: Any) -> Edit:
    """Set words at a path such as "claims/0/risk"; a callable changes what stands there."""

    def edit(made: Case) -> None:
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        place: Any = made.words
        for key in parents:
            place = place[key]
        place[last] = value(place[last]) if callable(value) else value

    return edit


def drop(path: str) -> Edit:
    def edit(made: Case) -> None:
        *parents, last = [int(key) if key.isdigit() else key for key in path.split("/")]
        place: Any = made.words
        for key in parents:
            place = place[key]
        del place[last]

    return edit


def row(i: int, j: int, value: Any) -> Edit:
    return lambda made: made.rows[i].__setitem__(j, value)


def plus(amount: Any) -> Callable[[str], str]:
    return lambda text: text_of(F(text) + F(amount))


def times(factor: Any) -> Callable[[str], str]:
    return lambda text: text_of(F(text) * F(factor))


@pytest.mark.parametrize("name", CASES)
def test_true_certificates_are_accepted(name):
    found = verdict(CASES[name])
    assert found
    assert found.reason == "every claim holds"
    assert [line.split("~")[0].rsplit(" ", 1)[0] if "~" in line else line for line in found.claims] == [
        claim["claim"] for claim in CASES[name].words["claims"]
    ]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("-7", F(-7)),
        ("6/4", F(3, 2)),
        ("3/008", F(3, 8)),
        ("-3/2^4", F(-3, 16)),
        ("3/2^0", F(3)),
        ("5/2^9999", F(5, 2**9999)),
        ("3/2^10000", None),
        ("3/2^-1", None),
        ("3/2^", None),
        ("3/3^2", None),
        ("3^2", None),
        ("3/2^4/5", None),
        ("3/0", None),
        ("3/-2", None),
        ("+3", None),
        (" 3", None),
        ("3\n", None),
        ("", None),
    ],
)
def test_words_for_numbers(word, value):
    if value is None:
        with pytest.raises(
            checker.Reject, match=re.escape("expected a rational 'p/q' or 'p/2^k', got " + repr(word))
        ):
            checker.exact(word)
    else:
        assert checker.exact(word) == value


def test_the_numbers_of_a_claim_are_named():
    fit, low, better, _, floor = verdict(CASES["floats"]).claims
    claims = CASES["floats"].words["claims"]
    assert fit.startswith("least squares intercept~")
    assert f"risk~{float(F(claims[0]['risk'])):.6}"[:10] in fit
    assert low.endswith("excess~0")
    assert better.startswith("lower risk drop~")
    assert floor == "pure error floor~1"


@pytest.mark.parametrize("block", [1, 4, 7])
@pytest.mark.parametrize(
    "name", ["floats", "weights", "rationals", "xor", "ties", "a line", "deep saddle", "relu"]
)
def test_the_cut_into_blocks_changes_nothing(name, block, monkeypatch):
    monkeypatch.setattr(checker, "BLOCK", block)
    assert verdict(CASES[name])


# (case, what is changed, what the checker says)
REJECTED: list[tuple[str, Edit, str]] = [
    # the certificate
    ("floats", drop("version"), "expected an integer of at least 1, got None"),
    ("floats", set_in("version", True), "expected an integer of at least 1, got True"),
    ("floats", set_in("version", 2), "this checks version 1, not 2"),
    ("floats", set_in("format", "another"), "the certificate: this is no certificate"),
    (
        "floats",
        set_in("note", ""),
        "expected exactly the fields format, version, theorem, meaning, data, setting, claims",
    ),
    ("floats", drop("meaning"), "expected exactly the fields"),
    ("floats", set_in("meaning", "true"), "no such meaning of data"),
    ("floats", set_in("theorem", 3), "the setting: KeyError"),
    ("floats", set_in("theorem", True), "expected an integer of at least 1, got True"),
    ("floats", set_in("claims", []), "there is no claim"),
    ("floats", set_in("claims", {}), "there is no claim"),
    ("floats", set_in("claims/1", 7), "claim 2: AttributeError"),
    ("floats", set_in("claims/1", ["claim"]), "claim 2: TypeError"),
    ("floats", drop("claims/1/claim"), "claim 2: KeyError"),
    ("floats", set_in("claims/1/claim", ["a"]), "claim 2, ['a']: TypeError"),
    ("floats", set_in("claims/1/claim", "saddle"), "claim 2, 'saddle': KeyError"),
    ("floats", set_in("claims/1/self", "1"), "claim 2, 'no lower risk within': TypeError"),
    ("saddle", set_in("claims/1/self", "1"), "claim 2, 'escape': TypeError"),
    ("floats", set_in("claims/4/more", "1"), "claim 5, 'pure error': TypeError"),
    ("floats", drop("claims/0/risk"), "claim 1, 'least squares': TypeError"),
    # the data
    ("floats", drop("data/rows"), "expected exactly the fields rows, columns"),
    ("floats", set_in("data/weighted", 0), "no such kind of data"),
    ("floats", set_in("data/numbers", "float32"), "no such kind of data"),
    ("floats", set_in("data/rows", 0), "expected an integer of at least 1, got 0"),
    ("floats", set_in("data/columns", -1), "expected an integer of at least 0, got -1"),
    ("floats", set_in("data/targets", 0), "expected an integer of at least 1, got 0"),
    ("floats", set_in("data/columns", 2**20 - 1), "more than a million columns"),
    ("floats", set_in("data/rows", 5), "these are not the data of the certificate: they have more rows"),
    (
        "floats",
        set_in("data/rows", 7),
        "these are not the data of the certificate: the digests of their rows differ",
    ),
    (
        "floats",
        set_in("data/unordered", "0" * 64),
        "these are not the data of the certificate: the digests of their rows differ",
    ),
    ("floats", set_in("data/sha256", "0" * 64), "these are the rows of the certificate in another order"),
    ("floats", row(2, 1, np.nextafter(0.25, 1)), "the data: these are not the data of the certificate"),
    ("floats", lambda made: made.rows.reverse(), "these are the rows of the certificate in another order"),
    (
        "floats",
        lambda made: made.rows.pop(),
        "these are not the data of the certificate: the digests of their rows differ",
    ),
    (
        "floats",
        lambda made: made.rows.clear(),
        "these are not the data of the certificate: the digests of their rows differ",
    ),
    ("floats", lambda made: made.rows[1].pop(), "a row has not the 3 numbers that the certificate says"),
    ("floats", lambda made: made.rows[5].append(1.0), "a row has not the 3 numbers"),
    ("floats", row(0, 0, F(1, 3)), "a number is no float64 number"),
    ("floats", row(0, 0, 2**53 + 1), "a number is no float64 number"),
    ("floats", row(0, 0, float("nan")), "a number is no float64 number"),
    ("floats", row(0, 0, float("inf")), "the data: OverflowError"),
    ("floats", row(0, 0, 10**400), "the data: OverflowError"),
    ("floats", row(0, 0, "1"), "the data: TypeError"),
    ("floats", row(0, 0, Decimal(1)), "the data: TypeError"),
    ("rationals", row(0, 0, float("nan")), "the data: ValueError"),
    ("rationals", row(0, 0, "1/3"), "a number is no"),
    ("weights", row(2, 3, 0.0), "a weight is not positive"),
    ("weights", row(2, 3, -1.0), "a weight is not positive"),
    # numbers
    ("floats", set_in("claims/0/risk", 1), "expected a rational 'p/q' or 'p/2^k', got 1"),
    ("floats", set_in("claims/0/risk", None), "expected a rational 'p/q' or 'p/2^k', got None"),
    ("floats", set_in("claims/0/risk", "1e9"), "expected a rational 'p/q' or 'p/2^k', got '1e9'"),
    ("floats", set_in("claims/0/risk", "1/0"), "expected a rational"),
    ("floats", set_in("claims/0/risk", "1/-2"), "expected a rational"),
    ("floats", set_in("claims/0/risk", "0x1"), "expected a rational"),
    ("floats", set_in("claims/0/risk", "1_000"), "expected a rational"),
    ("floats", set_in("claims/0/risk", "٣"), "expected a rational"),
    ("floats", set_in("claims/0/risk", "1\n"), "expected a rational"),
    ("floats", set_in("claims/0/risk", " 1"), "expected a rational"),
    ("floats", set_in("claims/0/risk", ""), "expected a rational"),
    ("floats", set_in("claims/0/risk", "1" * 100_001), "expected a rational"),
    ("floats", set_in("claims/0/coef", "1"), "expected a list of 2"),
    ("floats", set_in("claims/0/coef", ["1"]), "expected a list of 2"),
    ("floats", set_in("claims/0/coef", ["1", ["1"]]), "expected a rational"),
    ("floats", set_in("claims/1/network/W1/0", ["1", "1", "1"]), "expected a list of 2"),
    ("floats", set_in("claims/1/network/b1", ["1"]), "expected a list of 2"),
    ("floats", set_in("claims/1/network/W2", ["1"]), "expected a list of 2"),
    ("floats", set_in("claims/1/network/b2", ["1"]), "expected a rational"),
    ("floats", set_in("claims/1/network", network([], [], [], 0)), "expected a hidden unit"),
    ("floats", set_in("claims/1/network", []), "expected exactly the fields W1, b1, W2, b2"),
    # theorem 1
    ("floats", set_in("setting", ["0", "1"]), "expected s+ > 0, s- >= 0, s+ != s-"),
    (
        "centred",
        set_in("claims/0/intercept", plus(F(1, 9))),
        "the residuals are not orthogonal to the columns",
    ),
    (
        "no inputs",
        set_in("claims/0/intercept", plus(F(1, 9))),
        "the residuals are not orthogonal to the columns",
    ),
    ("floats", set_in("claims/2/network/W1/0", ["1"]), "expected a list of 2"),
    ("ties", set_in("claims/2/positions", [2]), "J is another set"),
    ("floats", set_in("setting", ["0", "0"]), "the setting: expected s+ > 0, s- >= 0, s+ != s-"),
    ("floats", set_in("setting", ["1", "-1"]), "expected s+ > 0"),
    ("floats", set_in("setting", ["1", "1"]), "expected s+ > 0"),
    ("floats", set_in("setting", ["1"]), "expected a list of 2"),
    ("saddle", lambda made: made.words.update(theorem=1, setting=["1", "0"]), "theorem 1 has one target"),
    (
        "floats",
        set_in("claims/0/coef/0", plus(F(1, 10**30))),
        "claim 1, 'least squares': the residuals are not orthogonal",
    ),
    (
        "floats",
        set_in("claims/0/intercept", plus(F(1, 10**30))),
        "the residuals are not orthogonal to the columns",
    ),
    (
        "weights",
        set_in("claims/0/coef/1", plus(F(-1, 10**30))),
        "the residuals are not orthogonal to the columns",
    ),
    ("floats", set_in("claims/0/risk", plus(F(1, 10**30))), "the risk of the fit is another number"),
    (
        "floats",
        set_in("claims/1/radius", times(F(1001, 1000))),
        "a preactivation comes closer to 0 than the radius",
    ),
    ("floats", set_in("claims/1/radius", "0"), "a preactivation comes closer to 0 than the radius"),
    ("floats", set_in("claims/1/radius", times(-1)), "a preactivation comes closer to 0 than the radius"),
    ("floats", set_in("claims/1/network/b1/1", "0"), "a preactivation comes closer to 0 than the radius"),
    (
        "floats",
        set_in("claims/1/network/b1/1", times(-1)),
        "a preactivation comes closer to 0 than the radius",
    ),
    (
        "floats",
        set_in("claims/1/network/b2", plus(F(1, 10**9))),
        "the network's risk exceeds least squares by more",
    ),
    ("floats", set_in("claims/1/network/W2/1", "1"), "the network's risk exceeds least squares by more"),
    ("floats", set_in("claims/1/excess", "-1/1000000"), "the network's risk exceeds least squares by more"),
    ("floats", set_in("claims/2/drop", plus(F(1, 10**30))), "the drop is not reached"),
    ("floats", set_in("claims/2/drop", "0"), "the drop is not reached"),
    ("floats", set_in("claims/2/drop", "-1"), "the drop is not reached"),
    ("weights", set_in("claims/2/network/W2/0", times(-1)), "the drop is not reached"),
    ("floats", drop("claims/0"), "claim 3, 'set J': AttributeError"),
    (
        "floats",
        lambda made: (
            made.words["claims"].__delitem__(slice(0, 1)) or made.words["claims"].__delitem__(slice(2, 3))
        ),
        "claim 1, 'no lower risk within': AttributeError",
    ),
    ("floats", set_in("claims/3", {"claim": "linearly fittable"}), "the least-squares risk is not 0"),
    ("floats", set_in("claims/3/positions", []), "J is another set"),
    ("floats", set_in("claims/3/positions", lambda p: [*p, p[-1] + 1]), "J is another set"),
    ("floats", set_in("claims/3/positions", lambda p: p[1:]), "J is another set"),
    ("floats", set_in("claims/3/positions", lambda p: [float(j) for j in p]), "J is another set"),
    ("floats", set_in("claims/3/positions", lambda p: [j if j > 1 else True for j in p]), "J is another set"),
    ("xor", set_in("claims/2/positions", {}), "J is another set"),
    ("xor", set_in("claims/2/positions", [4]), "J is another set"),
    ("floats", set_in("claims/4/floor", plus(F(1, 10**30))), "the floor is another number"),
    # theorem 2
    (
        "relu",
        set_in("setting", ["add", "t", "1" * 2000]),
        "the setting: a formula has at most 2000 characters",
    ),
    ("weights", set_in("theorem", 2), "theorem 2 has three samples without weights"),
    ("xor", set_in("theorem", 2), "theorem 2 has three samples without weights"),
    ("relu", set_in("claims/1/risk", "-1"), "the network's risk is larger"),
    ("relu", set_in("claims/1/network/b2", "1/10"), "the network's risk is larger"),
    ("relu", set_in("claims/1/witness", {}), "TypeError"),
    ("cube", set_in("claims/1/network/b1/1", "0"), "the network's risk is larger"),
    ("relu", set_in("claims/0/excess", "-1"), "the network's risk exceeds by more"),
    ("relu", set_in("claims/0/network/b2", "1/10"), "the network's risk exceeds by more"),
    ("relu", set_in("claims/0/radius", "0"), "the radius is not positive, or above an output weight"),
    ("relu", set_in("claims/0/radius", "-1"), "the radius is not positive, or above an output weight"),
    ("relu", set_in("claims/0/radius", "667/1000"), "the radius is not positive, or above an output weight"),
    (
        "relu",
        lambda made: (
            set_in("claims/0/radius", "1/5")(made)
            or set_in("setting", ["if", "t", "t", ["mul", 2, "t"]])(made)
        ),
        "more than one unit may lower the risk",
    ),
    ("cube", set_in("claims/0/network/W2", ["-1/10", "1"]), "the network's risk exceeds by more"),
    ("relu", set_in("claims/0/network/W1/0", ["1"]), "expected a list of 2"),
    ("relu", set_in("claims/1/network/W1/0", ["1"]), "expected a list of 2"),
    # theorem 4
    (
        "floats",
        lambda made: made.words.update(theorem=4, setting=CASES["minimum"].words["setting"]),
        "claim 1, 'least squares': KeyError",
    ),
    ("weights", set_in("theorem", 4), "the setting: expected exactly the fields weights, bias"),
    (
        "weights",
        lambda made: made.words.update(theorem=4, setting=CASES["minimum"].words["setting"]),
        "theorem 4 has no sample weights",
    ),
    ("saddle", set_in("setting/bias", 0), "theorem 4 has no sample weights"),
    (
        "saddle",
        set_in("setting/weights", lambda w: w[:1]),
        "expected two layers or more, the last with a row per target",
    ),
    (
        "saddle",
        set_in("setting/weights/1", lambda w: w[:1]),
        "expected two layers or more, the last with a row per target",
    ),
    ("saddle", set_in("setting/weights", [[], [[], []]]), "a layer is empty"),
    ("saddle", set_in("setting/weights/0/0", ["0"]), "expected a list of 2"),
    ("saddle", set_in("setting/weights/0/0", ["1", "1"]), "claim 1, 'saddle': a gradient is not 0"),
    ("saddle", set_in("setting/weights/1/0", ["1", "1"]), "claim 1, 'saddle': a gradient is not 0"),
    ("minimum", set_in("setting/weights/1/0/0", "3"), "the gradient of the loss at the product is not 0"),
    ("saddle", set_in("claims/0/transposed", 0), "transposed is true or false"),
    ("saddle", set_in("claims/0/a", -1), "expected an integer of at least 0, got -1"),
    ("saddle", set_in("claims/0/b", -1), "expected an integer of at least 0, got -1"),
    ("saddle", set_in("claims/0/a", 2), "claim 1, 'saddle': IndexError"),
    ("saddle", set_in("claims/0/j", 1), "expected an integer of at least 2, got 1"),
    ("saddle", set_in("claims/0/j", 3), "expected j, and vectors for W_{j:2}, ..."),
    ("saddle", set_in("claims/0/left", [["1", "0"]]), "expected j, and vectors for"),
    ("saddle", set_in("claims/0/left", {}), "expected j, and vectors for"),
    ("saddle", set_in("claims/0/v1", ["0", "0"]), "v1 is in the null space of W_{j-1:2} too"),
    ("saddle", set_in("claims/0/v1", ["1"]), "expected a list of 2"),
    ("deep saddle", set_in("claims/0/left/0", ["0", "0", "0"]), "expected a left null vector of W_{2:2}"),
    ("deep saddle", set_in("claims/0/left/0", ["1"]), "expected a list of 3"),
    (
        "deep saddle",
        set_in("claims/0", lambda c: c | {"j": 3, "left": []}),
        "v1 is in the null space of W_{j-1:2} too",
    ),
    ("saddle", set_in("claims/1/up/0", lambda W: W[:1]), "expected layers of the sizes of the weights"),
    (
        "saddle",
        set_in("claims/1/up", lambda layers: layers[:1]),
        "expected layers of the sizes of the weights",
    ),
    ("half trained", set_in("claims/0/a", 1), "G is 0 in that place"),
    ("half trained", set_in("claims/0/v1", ["1", "0"]), "v1 is not in the null space of W_{j:2}"),
    ("wide saddle", set_in("claims/0/transposed", False), "claim 1, 'saddle': IndexError"),
    ("deep saddle", set_in("claims/0/transposed", True), "claim 1, 'saddle': IndexError"),
    ("saddle", set_in("claims/1/up", text_of([[[0, 0]] * 2] * 2)), "the loss does not rise and fall"),
    ("saddle", set_in("claims/1/down", text_of([[[0, 0]] * 2] * 2)), "the loss does not rise and fall"),
    ("saddle", set_in("claims/1/radius", "99/1000"), "a layer moves by more than the radius"),
    ("saddle", set_in("claims/1/radius", "0"), "a layer moves by more than the radius"),
    ("saddle", set_in("claims/1/radius", "-1/10"), "a layer moves by more than the radius"),
    (
        "saddle",
        lambda made: made.words["claims"][1].update(up=made.words["claims"][1]["down"]),
        "the loss does not rise and fall",
    ),
    (
        "saddle",
        lambda made: made.words["claims"][1].update(down=made.words["claims"][1]["up"]),
        "the loss does not rise and fall",
    ),
]


@pytest.mark.parametrize(("name", "edit", "reason"), REJECTED, ids=range(len(REJECTED)))
def test_what_is_altered_is_rejected_for_its_reason(name, edit, reason, monkeypatch):
    made = CASES[name].copy()
    edit(made)
    found = verdict(made)
    assert not found
    assert found.reason.startswith(reason) or f": {reason}" in found.reason
    # and in blocks of one row
    monkeypatch.setattr(checker, "BLOCK", 1)
    assert not verdict(made)


def test_the_data_are_spoken_of_before_the_claims():
    made = CASES["floats"].copy()
    made.rows[0][0] = 0.125
    set_in("claims/0/risk", "0")(made)
    assert "these are not the data" in verdict(made).reason


def test_claims_found_true_before_the_first_that_is_not():
    made = CASES["floats"].copy()
    set_in("claims/2/drop", "100")(made)
    found = verdict(made)
    assert found.reason == "claim 3, 'lower risk': the drop is not reached"
    assert [line.split("~")[0] for line in found.claims] == [
        "least squares intercept",
        "no lower risk within radius",
    ]


def test_a_task_that_does_not_end_is_no_proof(monkeypatch):
    def endless(statement):
        while True:
            yield

    monkeypatch.setitem(checker.Theorem1.claims, "linearly fittable", endless)
    assert verdict(CASES["a line"]).reason == "claim 3, 'linearly fittable': it is not decided"


def test_rows_that_can_be_read_once_are_enough():
    made = CASES["floats"]
    assert checker.check(made.text, lambda: iter(made.rows))


@pytest.mark.parametrize("theorem", ["floats", "weights", "saddle"])
def test_the_arrangement_of_the_data_must_be_the_callers(theorem):
    made = CASES[theorem]
    told = made.words["data"]["targets"], made.words["data"]["weighted"]
    assert verdict(made, arranged=told)
    for other in ((told[0] + 1, told[1]), (told[0], not told[1])):
        found = verdict(made, arranged=other)
        assert (
            found.reason == f"the certificate: it is about (targets, weights) = {told}, the data have {other}"
        )


# ---- malformed and hostile files -----------------------------------------------------------------------------------


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
    begin = time.perf_counter()
    found = checker.check(text, lambda: pytest.fail("the data were read"))
    assert not found
    assert reason in found.reason
    assert time.perf_counter() - begin < 5.0


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


def nested(name: str, size: int) -> Any:
    formula: Any = "t"
    while len(json.dumps([name, formula])) <= size:
        formula = [name, formula]
    return formula


@pytest.mark.parametrize("name", ["sin", "atan", "erf", "softplus", "neg"])
def test_long_formulas_end(name, monkeypatch):
    """The longest formulas, and as many units as one likes: the work is bounded. WORK itself takes minutes."""
    monkeypatch.setattr(checker, "WORK", 10_000)
    made = relu()
    made.words["setting"] = nested(name, 1990)
    low = made.words["claims"][0]["network"]
    low.update(W1=low["W1"] * 50, b1=low["b1"] * 50, W2=low["W2"] * 50)
    made.words["claims"][0]["excess"] = "1000000"
    begin = time.perf_counter()
    assert "more work than theorem 2 can need" in verdict(made).reason
    assert time.perf_counter() - begin < 60.0


# ---- theorem 2: intervals ------------------------------------------------------------------------------------------


def test_a_place_where_pieces_meet_belongs_to_the_one_below_and_no_interval_goes_beyond_it():
    step = ["if", "t", 1, "t"]
    assert checker.jet(step, checker.interval(0)) == (checker.ZERO, checker.ONE, checker.ZERO)
    assert checker.jet(step, checker.interval(-1, 0)) == (checker.interval(-1, 0), checker.ONE, checker.ZERO)
    assert checker.jet(step, checker.Interval(1, 2)) == (checker.ONE, checker.ZERO, checker.ZERO)
    for window in (checker.interval(-1, 1), checker.interval(0, 1), checker.Interval(0, 1)):
        with pytest.raises(checker.Reject, match=r"^two pieces of the activation meet in an interval$"):
            checker.jet(RELU, window)


@pytest.mark.parametrize("width", [2, 3])
def test_two_falling_units_or_too_weak_a_slope_are_rejected(width):
    made = CASES["cube"].copy()
    low = made.words["claims"][0]["network"]
    if width == 3:
        low.update(
            network(
                [[1, 1], [-3, -3], [-3, -3]], [0] * 3, [F(1, 10), F(1, 2), F(1, 2)], F(1, 3) - F(1, 10) + 27
            )
        )
        assert "more than one unit may lower the risk" in verdict(made).reason
    else:  # at -1/2 the slope is too small against the bend: m = 4.5/8 < 1 + M
        low.update(network([[1, 1], [F(-1, 2)] * 2], [0, 0], [F(1, 10), 1], F(1, 3) - F(1, 10) + F(1, 8)))
        assert "(C2.7) is not shown somewhere in the ball" in verdict(made).reason


def test_a_rising_unit_must_bend_everywhere_beside_a_falling_one():
    made = CASES["cube"].copy()
    made.words["claims"][0]["network"] = network([[1, 1], [3, 3]], [-1, 0], [F(1, 10), -1], F(1, 3) + 27)
    made.words["setting"] = ["if", "t", CUBE, ["neg", CUBE]]
    # at 0 two pieces meet with slope 0: convex, but the mixed case needs h'' > 0
    assert "two pieces of the activation meet" in verdict(made).reason


def test_a_flat_unit_beside_a_falling_one_is_rejected():
    made = CASES["cube"].copy()
    made.words["setting"] = ["if", ["sub", "t", "-1"], ["mul", 2, "t"], CUBE]
    made.words["claims"][0]["network"] = network(
        [[1, 1], [-3, -3]], [0, 0], [F(1, 10), 1], F(1, 3) - F(2, 10) + 27
    )
    assert "h'' may vanish in the ball" in verdict(made).reason


def bends(formula: Any, low: Any, high: Any, sign: int) -> bool:
    statement = checker.Theorem2(checker.Table(None, relu().words["data"]), formula)
    return statement.bends(formula, F(low), F(high), sign)


@pytest.mark.parametrize(
    ("formula", "low", "high", "sign", "convex"),
    [
        (RELU, -1, 1, 1, True),
        (RELU, -1, 1, -1, False),
        (RELU, -1, 0, 1, True),
        (RELU, 0, 1, 1, True),
        (RELU, 1, 2, -1, True),
        (["if", "t", 0, "t"], -1, 1, -1, True),
        (["if", "t", 0, "t"], -1, 1, 1, False),
        (["if", "t", 1, 0], -1, 1, 1, False),  # a jump
        (["if", "t", 1, 0], F(1, 9), 1, 1, True),
        (["if", ["sub", "t", 3], ["sub", "t", 3], 0], 2, 4, 1, True),
        (["if", ["add", "t", "3"], ["add", "t", 3], 0], -4, -2, 1, True),
        (["if", ["sub", "t", 3], ["add", "t", 3], 0], 2, 4, 1, False),
        (["if", ["neg", "t"], 0, "t"], -1, 1, 1, False),  # convex, but of a form that is not looked into
        (["if", ["mul", "t", 2], "t", 0], F(1, 9), 1, 1, True),
        (["if", ["sub", "t", "1/3"], ["sub", "t", "1/3"], 0], 0, 1, 1, False),  # 1/3 is no multiple of 2^-200
        (
            ["if", ["sub", "t", 1], ["if", ["sub", "t", 2], ["sub", ["mul", 2, "t"], 3], ["sub", "t", 1]], 0],
            0,
            3,
            1,
            True,
        ),
        (["if", ["sub", "t", 1], ["if", ["sub", "t", 2], 1, ["sub", "t", 1]], 0], 0, 3, 1, False),
        (["if", "t", "t", ["sub", ["exp", "t"], 1]], -1, 1, 1, True),
        (["if", "t", "t", ["mul", 2, ["sub", ["exp", "t"], 1]]], -1, 1, 1, False),
        (["pow", "t", 4], -1, 1, 1, True),
        (["if", "t", "t", ["sub", ["pow", "t", 4], ["div", ["pow", "t", 2], 8]]], -1, 1, 1, False),
        (["pow", "t", 3], -1, 1, 1, False),
        (["sub", ["pow", "t", 4], ["div", ["pow", "t", 2], 8]], -1, 1, 1, False),
        (["sub", ["pow", "t", 4], ["div", ["pow", "t", 2], 8]], F(1, 6), 1, 1, True),
        (["log", "t"], F(1, 9), 1, -1, True),
        (["log", ["sub", "t", "1/9"]], F(1, 9), 1, -1, False),
        (["exp", ["mul", 9000, ["pow", "t", 2]]], F(1, 9), 8, 1, False),  # beyond the range of decimals
        ("t", 1, 1, 1, True),
    ],
)
def test_convexity_on_an_interval(formula, low, high, sign, convex):
    assert bends(formula, low, high, sign) is convex


def test_the_error_function_beyond_six():
    for t, low, high in ((7, 1 - F(1, 2**55), 1), (-7, -1, F(1, 2**55) - 1)):
        assert checker.erf(checker.interval(t)) == checker.interval(low, high)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.25, 1.0]],
            "the third input is not halfway between the others",
        ),
        ([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 1.0]], "expected x1 != x2 and y1 = y2 != y3"),
        ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5], [0.5, 0.5, 1.0]], "expected x1 != x2 and y1 = y2 != y3"),
        ([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.5, 0.5, 1.0]], "expected x1 != x2 and y1 = y2 != y3"),
    ],
)
def test_the_three_samples_of_theorem_2(rows, reason):
    made = relu()
    found = verdict(case(2, rows, (2, 1, False), RELU, made.words["claims"]))
    assert found.reason == f"the setting: {reason}"


def test_targets_may_be_any_and_fall():
    """o, o, o + k with k < 0: the signs of the output weights turn."""
    rows = [[1.0, 0.0, 2.0], [0.0, 1.0, 2.0], [0.5, 0.5, 1.0]]
    low = network([[F(1, 4), F(1, 4)]] * 2, [0, 0], [F(-2, 3)] * 2, 2)
    zero = network([[0, 2], [-2, 1]], [0, 0], [-1, 2], 2)
    made = relu()
    made.words["claims"][0]["network"], made.words["claims"][1]["network"] = low, zero
    assert verdict(case(2, rows, (2, 1, False), ["softplus", "t"], made.words["claims"][:1])).reason.endswith(
        "exceeds by more"
    )
    assert verdict(case(2, rows, (2, 1, False), RELU, made.words["claims"]))
    made.words["setting"] = ["pow", "t", 2]
    bowl = [dict(made.words["claims"][0], network=network([[1, 1]], [0], [F(-1, 3)], 2))]
    assert verdict(case(2, rows, (2, 1, False), ["pow", "t", 2], bowl))
    bowl[0]["network"] = network([[F(1, 9)] * 2], [0], [F(1, 3)], F(5, 3) - F(1, 243))
    assert "(C2.7)" in verdict(case(2, rows, (2, 1, False), ["pow", "t", 2], bowl)).reason


# ---- files and the command -----------------------------------------------------------------------------------------


def alone(*arguments: Any, cwd: Path | None = None) -> tuple[int, str, str]:
    """The file on its own: no site packages, no environment, no user directory."""
    command = [sys.executable, "-I", "-S", str(PATH), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_it_imports_nothing_but_the_standard_library():
    tree = ast.parse(PATH.read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).split(".")[0])
    assert imported <= sys.stdlib_module_names
    assert not [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("exec", "eval", "__import__")
    ]


def saved(made: Case, folder: Path) -> Path:
    path = folder / "proof.json"
    path.write_text(made.text, encoding="utf-8")
    return path


def test_the_file_runs_on_its_own(tmp_path):
    proof = saved(CASES["floats"], tmp_path)
    np.save(tmp_path / "data.npy", np.array(CASES["floats"].rows))
    status, out, err = alone(proof, tmp_path / "data.npy", "--target", "2", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "accepted: every claim holds"
    assert out.startswith("holds: least squares ")
    np.save(tmp_path / "other.npy", np.array(CASES["floats"].rows) + 1.0)
    status, out, err = alone(proof, tmp_path / "other.npy")
    assert (status, err) == (1, "")
    assert "rejected: the data: these are not the data of the certificate" in out


def run(capsys, *arguments: Any) -> tuple[int, str]:
    status = checker.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"])
def test_npy_files_of_every_kind_of_number(kind, order, tmp_path, capsys):
    rng = np.random.default_rng(3)
    table = (
        rng.integers(0, 2, (7, 3)).astype(kind) if kind[0] != "f" else rng.normal(size=(7, 3)).astype(kind)
    )
    made = theorem1([[float(v) for v in line] for line in table.tolist()], False, (1, 0))
    np.save(tmp_path / "data.npy", np.asarray(table, order=order))
    assert run(capsys, saved(made, tmp_path), tmp_path / "data.npy")[0] == 0


def test_npy_files_that_cannot_be_read(tmp_path, capsys):
    proof, table = saved(CASES["floats"], tmp_path), np.array(CASES["floats"].rows)
    for name, array, reason in (
        ("big", table.astype(">f8"), "expected little-endian numbers, got >f8"),
        ("half", table.astype("f2"), "expected little-endian numbers, got <f2"),
        ("flat", table.ravel(), "ValueError"),
    ):
        np.save(tmp_path / f"{name}.npy", array)
        status, out = run(capsys, proof, tmp_path / f"{name}.npy")
        assert status == 1
        assert reason in out
    np.save(tmp_path / "short.npy", table)
    content = (tmp_path / "short.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(content[:-8])
    assert "the file is cut short" in run(capsys, proof, tmp_path / "short.npy")[1]
    (tmp_path / "short.npy").write_bytes(content[:-3])
    assert "rejected: the data: TypeError" in run(capsys, proof, tmp_path / "short.npy")[1]
    (tmp_path / "short.npy").write_bytes(b"")
    assert "rejected: the data: ValueError" in run(capsys, proof, tmp_path / "short.npy")[1]
    assert "rejected: the data: FileNotFoundError" in run(capsys, proof, tmp_path / "none.npy")[1]


def test_the_second_version_of_npy_headers(tmp_path, capsys):
    table = np.array(CASES["floats"].rows)
    with open(tmp_path / "data.npy", "wb") as stream:
        np.lib.format.write_array(stream, table, version=(2, 0))
    assert run(capsys, saved(CASES["floats"], tmp_path), tmp_path / "data.npy")[0] == 0


def write_csv(path: Path, names: list[str], rows: list[list[Any]], delimiter: str = ",") -> None:
    with open(path, "w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([names, *rows])


def test_columns_are_chosen_by_name_and_number(tmp_path, capsys):
    made = CASES["weights"]
    proof = saved(made, tmp_path)
    rows = [["word", y, f" {w} ", b, a] for a, b, y, w in made.rows]
    rows.insert(2, ["word", "9", "0", "1e9999", "2"])  # of weight 0: no row of the data
    write_csv(tmp_path / "data.tsv", ["note", "y", "w", " b ", "a"], rows, "\t")
    chosen = ["--features", "a,b", "--target", "y", "--sample-weight", "w"]
    assert run(capsys, proof, tmp_path / "data.tsv", *chosen)[0] == 0
    numbers = ["--features=-1,3", "--target", "-4", "--sample-weight", "2"]
    assert run(capsys, proof, tmp_path / "data.tsv", *numbers)[0] == 0
    assert run(capsys, proof, tmp_path / "data.tsv", "--features", "b,a", *chosen[2:])[0] == 1
    _, out = run(capsys, proof, tmp_path / "data.tsv", *chosen[:-1], "weight")
    assert "rejected: the data: KeyError('weight')" in out
    _, out = run(capsys, proof, tmp_path / "data.tsv", *chosen[:4])
    assert "it is about (targets, weights) = (1, True), the data have (1, False)" in out
    _, out = run(capsys, proof, tmp_path / "data.tsv", "--features", "note,b", *chosen[2:])
    assert "rejected: the data: no number: 'word'" in out


def test_the_last_column_is_the_target_and_the_others_the_inputs(tmp_path, capsys):
    proof = saved(CASES["floats"], tmp_path)
    write_csv(tmp_path / "data.csv", ["a", "b", "y"], CASES["floats"].rows)
    assert run(capsys, proof, tmp_path / "data.csv")[0] == 0
    several = saved(CASES["wide saddle"], tmp_path)
    write_csv(tmp_path / "data.csv", ["a", "p", "q", "r"], CASES["wide saddle"].rows)
    assert run(capsys, several, tmp_path / "data.csv", "--target", "p,q,r")[0] == 0
    assert run(capsys, several, tmp_path / "data.csv")[0] == 1


def test_decimals_are_read_as_written_and_binary_ones_as_float64(tmp_path, capsys):
    text = [["0.1", "0.3"], ["0.2", "1e-1"], ["0.3", ".7"], ["+4E2", "-1."]]
    decimal = theorem1(
        [[F("0.1"), F("0.3")], [F("0.2"), F("0.1")], [F("0.3"), F("0.7")], [F(400), F(-1)]], False, (1, 0)
    )
    binary = theorem1([[float(v) for v in line] for line in text], False, (1, 0))
    write_csv(tmp_path / "data.csv", ["x", "y"], text)
    assert not run(capsys, saved(binary, tmp_path), tmp_path / "data.csv")[0]
    for meaning, status in (("decimal", 0), ("rational", 0), ("binary", 1)):
        decimal.words["meaning"] = meaning
        assert run(capsys, saved(decimal, tmp_path), tmp_path / "data.csv")[0] == status
    # the word in another place does not count, and another spelling of it does
    path = saved(decimal, tmp_path)
    path.write_text(path.read_text().replace('"meaning": "binary"', '"mean\\u0069ng":\n"decimal"'))
    assert run(capsys, path, tmp_path / "data.csv")[0] == 0


@pytest.mark.parametrize(
    "cell", ["1e999999999", "1e-99999", "nan", "inf", "1_0", "1/3", "0x1", "", "true", "1 2", "٣", "e5", "."]
)
def test_cells_that_are_no_numbers(cell, tmp_path, capsys):
    made = CASES["rationals"].copy()
    made.words["meaning"] = "decimal"
    write_csv(tmp_path / "data.csv", ["a", "b", "y"], [[cell, "1", "2"]])
    begin = time.perf_counter()
    status, out = run(capsys, saved(made, tmp_path), tmp_path / "data.csv")
    assert status == 1
    assert f"no number: {cell!r}" in out
    assert time.perf_counter() - begin < 5.0


def test_integers_beyond_float64_stay_integers(tmp_path, capsys):
    rows = [[2**60 + 1, 1], [2**60 + 3, 2], [5, 4]]
    made = theorem1([[F(v) for v in line] for line in rows], False, (1, 0))
    assert made.words["data"]["numbers"] == "rational"
    made.words["meaning"] = "binary"
    write_csv(tmp_path / "data.csv", ["x", "y"], rows)
    assert run(capsys, saved(made, tmp_path), tmp_path / "data.csv")[0] == 0


def test_certificates_that_cannot_be_read(tmp_path, capsys):
    status, out = run(capsys, tmp_path / "none.json", tmp_path / "data.npy")
    assert status == 2
    assert "cannot read the certificate" in out
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    assert run(capsys, tmp_path / "bytes.json", tmp_path / "data.npy")[0] == 2
    (tmp_path / "cut.json").write_text(CASES["floats"].text[:100])
    status, out = run(capsys, tmp_path / "cut.json", tmp_path / "data.npy")
    assert status == 1
    assert "rejected: the certificate: JSONDecodeError" in out


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


def test_units_without_weight_count_for_nothing():
    made = CASES["floats"].copy()
    better = made.words["claims"][2]["network"]
    better["W1"].append(["5", "7"])
    better["b1"].append("1")
    better["W2"].append("0")
    assert verdict(made)


def test_the_file_is_a_program(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check.py", str(tmp_path / "none.json"), "data.npy"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(PATH), run_name="__main__")
    assert ended.value.code == 2


def test_headers_of_npy_files_may_be_long(tmp_path, capsys):
    """Up to 65,535 bytes in the first version: no signed number holds the length."""
    np.save(tmp_path / "data.npy", np.array(CASES["floats"].rows))
    content = (tmp_path / "data.npy").read_bytes()
    size = int.from_bytes(content[8:10], "little")
    header = content[10 : 10 + size].rstrip(b"\n").ljust(39_999) + b"\n"
    (tmp_path / "data.npy").write_bytes(
        content[:8] + (40_000).to_bytes(2, "little") + header + content[10 + size :]
    )
    assert run(capsys, saved(CASES["floats"], tmp_path), tmp_path / "data.npy")[0] == 0


def test_names_and_cells_in_quotation_marks(tmp_path, capsys):
    text = 'a, "b\n", y\n' + "".join(f'{a}, "{b}", {y}\n\n' for a, b, y in CASES["floats"].rows)
    (tmp_path / "data.csv").write_text(text)
    assert run(capsys, saved(CASES["floats"], tmp_path), tmp_path / "data.csv", "--features", "a,b")[0] == 0


@pytest.mark.parametrize("name", ["saddle", "deep saddle", "wide saddle", "half trained", "minimum"])
def test_the_gradient_of_theorem_4(name, monkeypatch):
    made = CASES[name]
    for block in (1, 1 << 14):
        monkeypatch.setattr(checker, "BLOCK", block)
        table = checker.Table(made.read, made.words["data"])
        statement = checker.Theorem4(table, made.words["setting"])
        task = statement.data()
        next(task)
        for part in table.blocks():
            task.send(part)
        assert next(task, True)
        X = [[*map(F, line[: table.dx]), *[F(1)] * made.words["setting"]["bias"]] for line in made.rows]
        Y = [list(map(F, line[table.dx :])) for line in made.rows]
        errors = [
            [sum(a * b for a, b in zip(r, x, strict=True)) - t for r, t in zip(statement.R, y, strict=True)]
            for x, y in zip(X, Y, strict=True)
        ]
        n = len(X[0])
        assert [[sum(x[i] * x[j] for x in X) for j in range(n)] for i in range(n)] == statement.A
        assert [
            [sum(e[i] * x[j] for e, x in zip(errors, X, strict=True)) for j in range(n)]
            for i in range(table.dy)
        ] == statement.G


@pytest.mark.parametrize(
    ("times_optimum", "falls"), [(F(3, 2), True), (F(21, 10), False), (F(-1, 10), False)]
)
def test_the_second_order_of_an_escape_counts(times_optimum, falls):
    """Along one entry of the product the loss is a parabola: it falls up to twice its optimum."""
    made = CASES["saddle"].copy()
    escape = made.words["claims"][1]
    X, Y = [line[:2] for line in made.rows], [line[2:] for line in made.rows]
    a = made.words["claims"][0]["a"]
    best = sum(F(x[0]) * F(y[a]) for x, y in zip(X, Y, strict=True)) / sum(F(x[0]) ** 2 for x in X)
    down = [[[1, 0], [0, 0]], [[0, 0], [0, 0]]]
    down[1][a][0] = best * times_optimum  # type: ignore[call-overload]
    escape.update(down=text_of(down), radius="10")
    assert bool(verdict(made)) is falls


def test_a_network_that_fits_xor():
    """Preactivations of 1 in the data's own integers."""
    made = CASES["xor"].copy()
    point = network([[1, 1], [1, 1]], [0, -1], [1, -2], 0)
    made.words["claims"].append({"claim": "lower risk", "network": point, "drop": "1/2"})
    assert verdict(made)
    made.words["claims"][-1]["drop"] = text_of(F(1, 2) + F(1, 2**99))
    assert "the drop is not reached" in verdict(made).reason


def statement_of(formula: Any) -> Any:
    made = checker.Theorem2(checker.Table(None, relu().words["data"]), formula)
    data = made.data()
    next(data)
    data.send(checker.Block(relu().rows, [], [], 1))
    assert next(data, None) is None
    return made


def test_risks_and_excesses_may_be_met_exactly():
    made = CASES["exponential"].copy()
    statement, (low, zero) = statement_of(made.words["setting"]), made.words["claims"]
    low["excess"] = text_of(statement.network(low["network"])[3] - F(1, 3))
    zero["risk"] = text_of(statement.network(zero["network"])[3])
    assert verdict(made)
    for claim, field in ((low, "excess"), (zero, "risk")):
        word = claim[field]
        claim[field] = text_of(F(word) - F(1, 2**300))
        assert not verdict(made)
        claim[field] = word


SQUARE = ["pow", "t", 2]


@pytest.mark.parametrize(
    ("formula", "rows", "fits"),
    [
        (RELU, [[0, 2], [-2, 1]], True),
        (RELU, [[0, 2], [0, 2]], False),  # the same unit twice
        (RELU, [[0, 2], [0, 2], [-2, 1]], True),
        (RELU, [[-2, 1], [0, 2], [0, 2]], True),
        (RELU, [[0, 2]], False),
        (RELU, [[-1, -2], [-2, -1]], False),  # all values are 0
        (RELU, [[-1, 1], [1, -1]], True),  # 0, 1, 0 and 1, 0, 0: less the middle one, (0, 1) and (1, 0)
        (SQUARE, [[1, -1]], True),  # 1, 1, 0: one unit is enough
        (SQUARE, [[-1, 1], [1, 1]], True),
        (SQUARE, [[1, 1], [1, -1]], True),
        (SQUARE, [[1, 1], [2, 2]], False),  # constants
        (SQUARE, [[1, F(1, 2)], [F(1, 2), F(1, 4)]], False),  # multiples of one another
        (SQUARE, [[1, F(1, 2)], [F(1, 2), F(-1, 4)]], True),
        ("t", [[1, 2], [-3, 4]], False),
        (["exp", "t"], [[1, -1]], False),
        (["exp", "t"], [[1, -1], [1, 2]], True),
        (["exp", "t"], [[1, -1], [0, -2]], False),  # multiples, which rounding cannot tell
        (["add", ["mul", "pi", SQUARE], 1], [[1, -1]], False),  # 1, 1, but rounded: not shown to be the same
    ],
)
def test_two_units_that_fit_exactly_with_other_output_weights(formula, rows, fits):
    statement = statement_of(formula)
    point = network(rows, [0] * len(rows), [0] * len(rows), 0)
    if fits:
        statement.zero_risk(point, "1/2")
    else:
        with pytest.raises(checker.Reject, match=r"^no two units are shown to fit exactly$"):
            statement.zero_risk(point, "1/2")
    with pytest.raises(checker.Reject, match=r"^the network's risk is larger$"):
        statement.zero_risk(point, text_of(F(1, 2) - F(1, 2**99)))


@pytest.mark.parametrize(("slack", "fits"), [(0, True), (1, False)])
def test_the_determinant_must_not_hold_0(slack, fits):
    """Values (1, 0, 0) and (0, 0, c): the determinant is c."""
    for sign in (1, -1):
        statement = statement_of("t")
        values = {1: checker.ONE, 2: checker.ZERO, F(3, 2): checker.ZERO}
        values |= {10: checker.ZERO, 30: checker.ZERO}
        ends = sorted([sign, 0 if slack else sign])
        values[20] = checker.Interval(*(end * checker.UNIT for end in ends))
        statement.jet = lambda t, values=values: (values[t],)
        point = network([[1, 2], [10, 30]], [0, 0], [0, 0], 0)
        if fits:
            statement.zero_risk(point, "1/2")
        else:
            with pytest.raises(checker.Reject, match=r"^no two units"):
                statement.zero_risk(point, "1/2")


@pytest.mark.parametrize(
    "formula", [["if", "t", "t", ["mul", 2, "t"]], ["if", ["sub", "t", "1/2"], ["div", "t", 2], "t"]]
)
def test_the_radius_ends_at_the_concave_kink(formula):
    """A quarter away from 1/4, on either side; the inputs' norms with the bias are up to the root of 2."""
    made = relu()
    made.words["setting"], made.words["claims"] = formula, made.words["claims"][:1]
    for radius, accepted in (("1767/10000", True), ("1768/10000", False)):
        made.words["claims"][0]["radius"] = radius
        assert bool(verdict(made)) is accepted


@pytest.mark.parametrize(
    ("weight", "accepted"), [(F(1), True), (F(9, 10), True), (F(45, 100), False), (F(1, 3), False)]
)
def test_the_mixed_case_is_sharp(weight, accepted):
    """t^3 at 1 and -1: where the rows move the falling unit needs a weight of 0.51, where nothing moves 0.33."""
    made = CASES["cube"].copy()
    point = network([[1, 1], [-1, -1]], [0, 0], [F(1, 10), weight], F(1, 3) - F(1, 10) + weight)
    made.words["claims"] = [dict(made.words["claims"][0], network=point)]
    assert bool(verdict(made)) is accepted
    mirrored = network([[-1, -1], [1, 1]], [0, 0], [F(-1, 10), -weight], F(1, 3) - F(1, 10) + weight)
    made.words["claims"][0]["network"] = mirrored
    assert bool(verdict(made)) is accepted


def test_roots_from_above():
    for x in (F(0), F(1), F(2), F(1, 128), F(127, 128), F(10**12 + 1, 7)):
        root = checker.root_above(x)
        assert root**2 > x
        assert x == 0 or (root - F(1, 2**60)) ** 2 <= x


def test_parts_cover_their_interval():
    found = statement_of(["pow", "t", 2]).enclosed(F(1), F(3))
    assert len(found) == checker.WINDOW
    assert found[0][0].lo == 4 * checker.UNIT
    assert found[-1][0].hi == 36 * checker.UNIT
    assert all(a[0].hi == b[0].lo for a, b in pairwise(found))
    assert {bend for _, bend in found} == {checker.ONE}


def test_ratios_of_slope_and_bend():
    ratio, U = statement_of("t").ratio, checker.UNIT
    found = [
        (checker.Interval(4 * U, 9 * U), checker.Interval(U, 2 * U)),
        (checker.Interval(5 * U, 16 * U), checker.Interval(3 * U, 4 * U)),
    ]
    opposite = [(s, -b) for s, b in found]
    assert ratio(found, 1, max) == F(3 * 16, 2 * 1)
    assert ratio(opposite, -1, max) == F(3 * 16, 2 * 1)
    assert ratio(opposite, 1, min) == F(3 * 4, 2 * 4)
    assert ratio(found, -1, min) == F(3 * 4, 2 * 4)
    assert ratio(found, 1, min) == F(3 * 4 * U, 2)
    least = [(checker.Interval(1, 1), checker.Interval(1, 1))]
    assert ratio(least, 1, max) == F(3, 2)
    for bend in ((0, 1), (-1, 1)):
        with pytest.raises(checker.Reject, match=r"^h'' may vanish in the ball$"):
            ratio([(checker.Interval(1, 1), checker.Interval(*bend))], 1, max)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        (["pow", "t", 1001], r"^a power above 1,000$"),
        (["add", "t", "t", "t"], r"^no such operation: 'add'$"),
        (["mod", "t", 2], r"^no such operation: 'mod'$"),
    ],
)
def test_formulas_are_refused_by_themselves(formula, reason):
    with pytest.raises(checker.Reject, match=reason):
        checker.jet(formula, checker.interval(0))


def test_powers_constants_and_kinks_in_formulas():
    one = checker.interval(1)
    assert checker.jet(["pow", "t", 1000], one) == (one, checker.interval(1000), checker.interval(499_500))
    assert checker.jet(["pow", "t", 0], one) == (one, checker.ZERO, checker.ZERO)
    assert checker.jet("pi", one) == (checker.PI, checker.ZERO, checker.ZERO)


@pytest.mark.parametrize(("operation", "corner"), [("sub", 3), ("add", -3)])
def test_corners_are_found_where_they_are(operation, corner):
    concave = ["if", [operation, "t", 3], 0, ["sub", "t", corner]]
    assert not bends(concave, corner - 1, corner + 1, 1)
    assert bends(concave, corner - 1, corner + 1, -1)
    assert bends(concave, corner, corner + 1, 1) is False  # a corner at the end counts


@pytest.mark.parametrize(
    ("v1", "v2", "weight", "accepted"),
    [
        (1, -30, F(11, 100), True),
        (1, -30, F(1, 10), False),  # the falling unit's weight may vanish in the ball
        (30, -10, F(6), True),
        (30, -10, F(4), False),  # the rising unit's weight may double in the ball
    ],
)
def test_weights_move_in_the_mixed_case(v1, v2, weight, accepted):
    made = CASES["cube"].copy()
    outputs = F(1, 10) * v1**3 + weight * v2**3
    point = network([[v1, v1], [v2, v2]], [0, 0], [F(1, 10), weight], F(1, 3) - outputs)
    made.words["claims"] = [dict(made.words["claims"][0], network=point)]
    found = verdict(made)
    assert found if accepted else found.reason.endswith("': (C2.7) is not shown somewhere in the ball")


def test_what_lies_between_the_samples_counts():
    """Preactivations -3.5, -2.5 and -3: pieces that meet at -3 are met without any move."""
    made = CASES["cube"].copy()
    made.words["setting"] = ["if", ["add", "t", 3], CUBE, CUBE]
    point = network([[1, 1], [F(-7, 2), F(-5, 2)]], [0, 0], [F(1, 10), 1], 27)
    made.words["claims"] = [dict(made.words["claims"][0], network=point, radius="1/1000", excess="10000")]
    assert "two pieces of the activation meet" in verdict(made).reason
    made.words["setting"] = CUBE
    assert verdict(made)


def test_halves_are_halves():
    statement = statement_of(["mul", "t", ["exp", "t"]])  # h'' = 2 e^t + t e^t
    asked, jet = [], statement.jet
    statement.jet = lambda low, high, formula: asked.append((low, high)) or jet(low, high, formula)
    assert statement.bends(statement.formula, F(-3, 2), F(1), 1)
    assert asked[0] == (F(-3, 2), F(1))
    assert len(asked) > 2
    halves = {half for a, b in asked for half in ((a, (a + b) / 2), ((a + b) / 2, b))}
    assert set(asked[1:]) <= halves


@pytest.mark.parametrize("spread", [0, 1])
def test_windows_hold_those_before_them(spread):
    """h' and h'' may be taken at different places, so all parts found count together, without a gap."""
    statement, sizes, spans = statement_of(CUBE), [], []
    ratio, enclosed = statement.ratio, statement.enclosed
    statement.ratio = lambda found, *rest: sizes.append(len(found)) or ratio(found, *rest)
    statement.enclosed = lambda *span: spans.append(span) or enclosed(*span)
    point = network([[-3 - spread, -3 + spread]], [0], [1], F(1, 3) + 27)
    statement.local_minimum(point, "1/1000", "10000")
    assert sizes == [checker.WINDOW * (3 + 2 * n) for n in range(checker.PARTS)]
    (low, high), *added = spans
    assert (low, high) == pytest.approx((-3 - spread, -3 + spread), abs=1e-8)
    assert low <= -3 - spread <= -3 + spread <= high
    for left, right in zip(added[::2], added[1::2], strict=True):
        assert left[0] < left[1] == low
        assert high == right[0] < right[1]
        low, high = left[0], right[1]
    assert -low - 3 - spread == pytest.approx(2**0.5 / 1000) == high + 3 - spread


@pytest.mark.parametrize(
    ("condition", "low", "high", "above", "jumps"),
    [
        # slope 1 at the lower end alone: -1/4 is the value at 0, the pieces meet where t + t^2 = 1/4
        (["sub", ["add", "t", ["pow", "t", 2]], "1/4"], 0, 1, "1/4", True),
        # t - 1/2 on the interval, but not at 0
        (["if", ["sub", "t", "1/4"], ["sub", "t", "1/2"], "-3/4"], "3/8", 1, "3/4", True),
        (["if", ["add", "t", "1/4"], "3/4", ["add", "t", "1/2"]], -1, "-3/8", "-3/4", True),
        (["sub", "t", "1/4"], 0, 1, "1/4", False),
    ],
)
def test_a_condition_must_be_t_less_a_number_wherever_it_is_used(condition, low, high, above, jumps):
    assert bends(["if", condition, ["sub", "t", above], 0], low, high, 1) is not jumps


def test_what_the_command_prints(tmp_path, capsys, monkeypatch):
    np.save(tmp_path / "data.npy", np.array(CASES["xor"].rows))
    proof = saved(CASES["xor"], tmp_path)
    command = [str(proof), str(tmp_path / "data.npy")]
    assert checker.main(command) == 0
    held = verdict(CASES["xor"]).claims
    assert len(held) > 2
    assert capsys.readouterr() == (
        "".join(f"holds: {claim}\n" for claim in held) + "accepted: every claim holds\n",
        "",
    )
    np.save(tmp_path / "data.npy", np.array(CASES["xor"].rows) + 1.0)
    assert checker.main(command) == 1
    assert capsys.readouterr().out.startswith(
        "\nrejected: the data: these are not the data of the certificate"
    )
    np.save(tmp_path / "data.npy", np.array(CASES["xor"].rows).ravel()[:-1])
    assert checker.main(command) == 1
    proof.unlink()
    capsys.readouterr()
    assert checker.main(command) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("cannot read the certificate: ")
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        checker.main(["--help"])
    words = capsys.readouterr().out
    for text in (
        "\nChecks a certificate of fastminima against a data file.\n",
        " .npy, or .csv or .tsv with a line of column names\n",
        " column, or A,B,...; default: the last\n",
        " A,B,...; default: all others\n",
        " column of weights\n",
    ):
        assert text in words


def test_a_file_may_have_the_longest_size_and_no_more(tmp_path, capsys):
    np.save(tmp_path / "data.npy", np.array(CASES["xor"].rows))
    proof = saved(CASES["xor"], tmp_path)
    text = proof.read_text(encoding="utf-8")
    for extra, status in ((0, 0), (1, 1)):
        proof.write_text(text + " " * (checker.LONGEST_FILE + extra - len(text)), encoding="utf-8")
        assert checker.main([str(proof), str(tmp_path / "data.npy")]) == status
    longer = f"rejected: the certificate: the certificate is longer than {checker.LONGEST_FILE} characters\n"
    assert capsys.readouterr().out.endswith(longer)


def test_no_field_is_given_in_two_ways():
    text = CASES["xor"].text.replace('"version": 1', '"version": 1, "version": 1')
    found = checker.check(text, CASES["xor"].read)
    assert found.reason == "the certificate: a name occurs twice in one object"
    number = "0" * (checker.LONGEST_NUMBER - 1) + "7"
    assert checker.exact(number) == 7
    with pytest.raises(checker.Reject):
        checker.exact("0" + number)
