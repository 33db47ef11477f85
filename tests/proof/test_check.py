"""The checker: what it accepts, and every reason for which it rejects."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from fractions import Fraction as F

import numpy as np
import pytest

from certificates_by_hand import all_cases, network, text_of
from certificates_changed import Edit, drop, plus, row, set_in, times, verdict
from fastminima.proof import check as checker

CASES = all_cases()


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
        set_in("claims/1/network/b1/0", plus(-3)),
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


def test_units_without_weight_count_for_nothing():
    made = CASES["floats"].copy()
    better = made.words["claims"][2]["network"]
    better["W1"].append(["5", "7"])
    better["b1"].append("1")
    better["W2"].append("0")
    assert verdict(made)


def test_a_unit_may_be_negative_on_all_samples():
    """It is affine there too: this one counts for nothing, and is as far from 0 as before."""
    made = CASES["floats"].copy()
    set_in("claims/1/network/b1/1", times(-1))(made)
    assert verdict(made)
    set_in("claims/1/radius", times(100))(made)
    assert "a preactivation comes closer to 0" in verdict(made).reason


def test_a_unit_far_from_0_must_have_one_sign(monkeypatch):
    """Within a block of rows, and from one to the next."""
    made = CASES["floats"].copy()
    set_in("claims/1/network/W1/1", ["100", "0"])(made)
    set_in("claims/1/network/b1/1", "-50")(made)
    assert "a preactivation comes closer to 0" in verdict(made).reason
    monkeypatch.setattr(checker, "BLOCK", 1)
    assert "a preactivation comes closer to 0" in verdict(made).reason


def test_a_network_that_fits_xor():
    """Preactivations of 1 in the data's own integers."""
    made = CASES["xor"].copy()
    point = network([[1, 1], [1, 1]], [0, -1], [1, -2], 0)
    made.words["claims"].append({"claim": "lower risk", "network": point, "drop": "1/2"})
    assert verdict(made)
    made.words["claims"][-1]["drop"] = text_of(F(1, 2) + F(1, 2**99))
    assert "the drop is not reached" in verdict(made).reason


def test_no_field_is_given_in_two_ways():
    text = CASES["xor"].text.replace('"version": 1', '"version": 1, "version": 1')
    found = checker.check(text, CASES["xor"].read)
    assert found.reason == "the certificate: a name occurs twice in one object"
    number = "0" * (checker.LONGEST_NUMBER - 1) + "7"
    assert checker.exact(number) == 7
    with pytest.raises(checker.Reject):
        checker.exact("0" + number)


def test_one_claim_more_is_shown_or_not():
    """`shown` adds a claim to those of a certificate, whose words stay as they are."""
    made = CASES["floats"].copy()
    *before, floor = made.words["claims"]
    words = made.words | {"claims": before}
    text = json.dumps(words)
    found = checker.shown(words, floor, made.rows)
    assert found
    assert found == (True, "every claim holds", None)
    assert not checker.shown(words, floor | {"floor": "2"}, made.rows)
    assert checker.shown(words, floor, made.rows[1:]).reason.startswith("the data: these are not the data")
    assert json.dumps(words) == text
    # what claims rest on must stand among those before
    alone = checker.shown(words | {"claims": []}, before[2], made.rows)
    assert (alone.shown, alone.risk) == (False, None)
    assert alone.reason.startswith("claim 1, 'lower risk': AttributeError")


def test_what_is_shown_of_theorem_2_comes_with_a_bound_of_the_risk():
    """For a claim that holds, and for one that claims too little."""
    made = CASES["exponential"].copy()
    low, zero = made.words["claims"]
    words = made.words | {"claims": []}
    for claim, field, base in ((low, "excess", F(1, 3)), (zero, "risk", F(0))):
        risk = checker.shown(words, claim, made.rows).risk
        assert checker.shown(words, claim | {field: text_of(risk - base)}, made.rows)
        less = checker.shown(words, claim | {field: text_of(risk - base - F(1, 2**300))}, made.rows)
        assert not less
        assert less.risk == risk
        assert risk - base <= F(claim[field])
    assert checker.shown(words, zero | {"network": {}}, made.rows).risk is None
