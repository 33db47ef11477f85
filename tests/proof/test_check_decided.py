"""Claims about local minima of any network: the true ones are accepted, and what is not is refused for its reason."""

from __future__ import annotations

from fractions import Fraction as F

import pytest

from certificates_by_hand import case, network, text_of
from certificates_changed import drop, plus, set_in, times, verdict
from decided_by_hand import balanced, decided_cases, decided_true, minimum_of
from fastminima.proof import check as checker

CASES = decided_cases()
HAIR = F(1, 2**200)


@pytest.mark.parametrize("name", CASES)
def test_what_was_found_by_hand_is_accepted(name, monkeypatch):
    made = CASES[name]
    assert verdict(made)
    monkeypatch.setattr(checker, "BLOCK", 1)
    assert verdict(made)
    rows = [list(map(F, row)) for row in made.rows]
    assert decided_true(
        made.words["claims"], rows, made.words["data"]["weighted"], tuple(map(F, made.words["setting"]))
    )


BEYOND, BALANCE = "a multiplier is beyond its limit", "the multipliers do not balance"
LEAVES, FALLS = "may leave the cone", "risk changes with unit"
LOW = "claims/0/"
REJECTED = [
    ("kink", set_in(LOW + "risk", plus(HAIR)), "the risk is another number"),
    ("kink", set_in(LOW + "radius_squared", plus(HAIR)), "unit 0 " + LEAVES),
    ("kink", set_in(LOW + "radius_squared", "0"), "expected a radius above 0"),
    ("kink", set_in(LOW + "radius_squared", "-1"), "expected a radius above 0"),
    ("kink", set_in(LOW + "radius_squared", None), "expected a radius above 0"),
    ("kink", set_in(LOW + "radius_squared", 1), "expected a rational"),
    ("kink", set_in(LOW + "units/0/0/0", plus(HAIR)), BALANCE),
    ("kink", set_in(LOW + "units/0/0/0", times(-1)), BALANCE),
    ("kink", set_in(LOW + "units/0/0/0", "9/26"), BALANCE),
    ("kink", set_in(LOW + "units/0/0/0", text_of(F(9, 26) + HAIR)), BEYOND),
    ("kink", set_in(LOW + "units/0/0", []), "expected a list of 1"),
    ("kink", set_in(LOW + "units/0/0", ["-3/26", "0"]), "expected a list of 1"),
    ("kink", set_in(LOW + "units/0", []), "expected multipliers for all signs"),
    ("kink", set_in(LOW + "units/0", [["-3/26"]] * 2), "expected multipliers for all signs"),
    ("kink", set_in(LOW + "units/0", {"0": ["-3/26"]}), "expected multipliers for all signs"),
    ("kink", set_in(LOW + "units/0", "zero"), FALLS),
    ("kink", set_in(LOW + "units/0", "lines"), None),
    ("kink", set_in(LOW + "units", "zero"), "expected what is shown of each unit"),
    ("kink", set_in(LOW + "units", []), "expected what is shown of each unit"),
    ("kink", set_in(LOW + "network/b1/0", plus(HAIR)), "the risk is another number"),
    ("kink", set_in("claims/1/excess", plus(HAIR)), "the excess is another number"),
    ("kink", set_in("claims/1/distance_squared", plus(-HAIR)), "the distance is another number"),
    ("kink", set_in("claims/1/in_ball", 1), "expected where it lies: true or false"),
    ("kink", set_in("claims/1/in_region", "0"), "expected where it lies: true or false"),
    ("kink", lambda made: made.words["claims"][1].update(in_ball=False, in_region=False), "expected where"),
    ("kink", drop("claims/0"), "claim 1, 'near_minimum': AttributeError"),
    ("kink", set_in("claims/2/drop", plus(HAIR)), "the drop is not reached"),
    ("kink", set_in("claims/2/drop", "0"), "the drop is not reached"),
    ("kink", set_in("claims/2/radius", "86/1000"), "the lower point lies farther away"),
    ("kink", set_in("claims/2/radius", "-1"), "the lower point lies farther away"),
    (
        "kink",
        lambda made: made.words["claims"][2].update(lower=made.words["claims"][2]["network"]),
        "the drop is not reached",
    ),
    (
        "kink",
        lambda made: made.words["claims"][2].update(lower=network([[1]] * 2, [0, 0], [0, 0], 0)),
        "the drop is not reached",
    ),
    ("merged", set_in(LOW + "units/1", [[]]), None),
    ("merged", set_in(LOW + "units/1", [["0"]]), "expected a list of 0"),
    ("merged", set_in("claims/1/in_ball", True), "it is no nearer than the radius"),
    ("tie", set_in(LOW + "units/0/0/0", plus(HAIR)), BEYOND),
    ("second difference", set_in(LOW + "units/0/0", lambda v: [*v[1:], v[0]]), BEYOND),
    ("second difference", set_in(LOW + "units/0", lambda v: v[::-1]), BEYOND),
    ("second difference", set_in(LOW + "units/0", lambda v: v[:1]), "expected multipliers for all signs"),
    ("second difference", set_in(LOW + "units/0", lambda v: [v[0], v[0]]), BEYOND),
    ("second difference", set_in(LOW + "radius_squared", text_of(1 + HAIR)), "unit 0 " + LEAVES),
    ("dead", set_in(LOW + "radius_squared", plus(HAIR)), "unit 0 " + LEAVES),
    ("dead", set_in(LOW + "units/1", "lines"), FALLS),
    ("dead", set_in(LOW + "units/1", [[]]), FALLS),
    ("dead", set_in(LOW + "network/b2", "4"), "the risk is another number"),
    ("exact fit", set_in("claims/1/network/W1/0/0", "2"), "the distance is another number"),
]


@pytest.mark.parametrize(("name", "edit", "reason"), REJECTED, ids=range(len(REJECTED)))
def test_what_is_altered_is_rejected_for_its_reason(name, edit, reason):
    made = CASES[name].copy()
    edit(made)
    found = verdict(made)
    if reason is None:
        assert found
    else:
        assert not found
        assert reason in found.reason


def test_ties_are_accepted_and_nothing_beyond():
    for t in (F(0), F(1, 2), F(1)):
        assert verdict(balanced(t))
    for t in (-HAIR, 1 + HAIR):
        found = verdict(balanced(t))
        assert BEYOND in found.reason
    # at 1/2 the multiplier is 0, and no other one will do
    for value in ("1/4", "-1/4"):
        made = balanced(F(1, 2))
        set_in(LOW + "units/0/0/0", value)(made)
        assert BALANCE in verdict(made).reason


def test_a_sample_on_the_other_side_or_merged_wrongly_is_noticed():
    """The parameters of one dataset beside the rows of another, whose risk is stated as it is."""
    made = balanced(F(1, 2))
    rows = [list(row) for row in made.rows]
    # the row at the kink in two that cancel: no kink is left, and its force does not balance
    halves = [[1.0, -1.0], [1.0, 1.0]]
    G = [F(v) for v in (F(-1, 2), 1, -1, -1, F(1, 2))]
    for position, change in ((1, halves),):
        other = [*rows[:position], *change, *rows[position + 1 :]]
        risk = sum(F(g) ** 2 for g in G) / 2
        claim = minimum_of(network([[1]], [-1], [1], 0), risk, F(1, 5), [[["0"]]])
        found = verdict(case(1, other, (1, 1, False), ["1", "0"], [claim]))
        assert not found
    # two rows of one input whose residuals cancel count for nothing, on either side
    more = [*rows, [5.0, 4.0 - 3.0], [5.0, 4.0 + 3.0]]
    claim = made.words["claims"][0] | {"risk": text_of(F(made.words["claims"][0]["risk"]) + 9)}
    assert verdict(case(1, more, (1, 1, False), ["1", "0"], [claim]))
    # but not, if they are told apart by the last bit of the input
    more[-1][0] = 5.000000000000001
    moved = (F(more[-1][0]) - 1 - 7) ** 2 / 2
    claim = claim | {"risk": text_of(F(made.words["claims"][0]["risk"]) + F(9, 2) + moved)}
    assert "the residuals do not add up" in verdict(case(1, more, (1, 1, False), ["1", "0"], [claim])).reason


def test_the_region_is_the_cone_and_no_more():
    made = balanced(F(1, 2))
    rows = [list(map(F, row)) for row in made.rows]
    low = made.words["claims"][0]

    def asked(net, in_ball, in_region):
        square = sum(
            (F(a) - F(b)) ** 2
            for a, b in (
                (net["W1"][0][0], 1),
                (net["b1"][0], -1),
                (net["W2"][0], 1),
                (net["b2"], 0),
            )
        )
        risk = sum(
            (F(net["b2"]) + F(net["W2"][0]) * max(F(net["W1"][0][0]) * x + F(net["b1"][0]), F(0)) - y) ** 2
            for x, y in rows
        )
        claim = {
            "claim": "near_minimum",
            "network": net,
            "distance_squared": text_of(square),
            "excess": text_of(risk / 2 - F(low["risk"])),
            "in_ball": in_ball,
            "in_region": in_region,
        }
        return verdict(case(1, made.rows, (1, 1, False), ["1", "0"], [low, claim])).reason

    true = "every claim holds"
    # x = 2 must stay at z >= 0 and x = 0 at z <= 0; x = 3 and the kink may go anywhere
    assert asked(network([[-3]], [6], [2], 5), False, True).endswith("unit 0 may leave the cone")
    assert asked(network([[3]], [-6], [2], 5), False, True) == true
    assert asked(network([[3]], [-6 - HAIR], [2], 5), False, True).endswith("unit 0 may leave the cone")
    assert asked(network([[2]], [0], [0], 5), False, True) == true
    assert asked(network([[2]], [HAIR], [1], 5), False, True).endswith("unit 0 may leave the cone")
    assert asked(network([[2]], [-2], [-HAIR], 5), False, True).endswith("unit 0 may leave the cone")
    # the ball is open
    edge = network([[1]], [-1], [1], F(447213, 10**6))
    assert asked(edge, True, False) == true
    assert asked(network([[1]], [-1], [1], F(447214, 10**6)), True, False).endswith(
        "no nearer than the radius"
    )
    quarter = balanced(F(1, 2)).words["claims"][0] | {"radius_squared": "1/9"}
    low = quarter
    assert asked(network([[1]], [-1], [1], F(1, 3)), True, False).endswith("no nearer than the radius")
    assert asked(network([[1]], [-1], [1], F(1, 3) - HAIR), True, False) == true


def test_lines_decide_in_three_dimensions():
    """Rows of zeros in dx = 2: residuals that are a second difference along one direction, and one that is none."""
    inputs = [(0.0, 0.0), (1.0, 2.0), (2.0, 4.0), (1.0, 0.0), (1.0, 1.0), (1.0, 3.0), (-1.0, 5.0)]

    def made(G, words):
        rows = [[*x, -g] for x, g in zip(inputs, G, strict=True)]
        low = network([[0, 0]], [0], [1], 0)
        risk = sum(F(g) ** 2 for g in G) / 2
        claim = minimum_of(low, risk, 1, [words])
        return verdict(case(1, rows, (2, 1, False), ["1", "0"], [claim]))

    convex = [1.0, -2.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert made(convex, "lines")
    assert made(convex, [["1/2", "-1", "1/2"], ["-1/2", "1", "-1/2"]])
    # -G: concave along the same line
    assert "the risk falls along a line" in made([-g for g in convex], "lines").reason
    # balanced to first order on the plane, with concave kinks inside the convex ones' zonotope or not
    wide = [1.0, -2.0, 1.0, 1.0, -1.5, 0.5, 0.0]
    assert made(wide, "lines")
    narrow = [-g if i > 2 else g / 8 for i, g in enumerate(wide)]
    assert "the risk falls along a line" in made(narrow, "lines").reason
    # a sum of residuals that is not 0 in the plane: no affine balance, the rate is not one of kinks alone
    assert "do not add up" in made([1.0, -2.0, 1.5, 0.0, 0.0, 0.0, 0.0], "lines").reason


def test_a_rate_that_falls_on_one_line_alone_is_found():
    """sum G |x - t| at t = 0, ..., 4 is 0, 10, -1 or 1, 10, 0: the sign at t = 2 decides."""
    for middle, reason in ((-1, "the risk falls along a line"), (1, "every claim holds")):
        first, second = 5.0, (middle - 20) / 2
        third = (10 - 30 - 4 * second) / 2
        fourth = -(40 + 6 * second + 4 * third) / 2
        G = [first, second, third, fourth, -(first + second + third + fourth)]
        rows = [[float(x), -g] for x, g in enumerate(G)]
        risk = sum(F(g) ** 2 for g in G) / 2
        claim = minimum_of(network([[0]], [0], [1], 0), risk, 1, ["lines"])
        assert reason in verdict(case(1, rows, (1, 1, False), ["1", "0"], [claim])).reason


def test_the_signs_of_weight_and_slopes_say_which_samples_push():
    """A weight below 0 mirrors everything; with s- above s+ the residuals that push have the other sign."""
    made = balanced(F(1, 2))
    for row_of in made.rows:
        row_of[-1] = -row_of[-1]
    claim = made.words["claims"][0]
    claim["network"]["W2"] = ["-1"]
    assert verdict(case(1, made.rows, (1, 1, False), ["1", "0"], [claim]))
    larger = claim | {"radius_squared": text_of(F(1, 5) + HAIR)}
    assert LEAVES in verdict(case(1, made.rows, (1, 1, False), ["1", "0"], [larger])).reason
    # x = 0..3, u = (1, -1), s = (1, 3): d = -G at x = 1, and lambda = (t - 1)/2 for t = G at x = 3
    t = F(1, 5)
    G = [(1 + t) / 4, F(-1), (3 - 5 * t) / 4, t]
    rows = [[F(x), (x - 1 if x > 1 else 3 * F(x - 1)) - g] for x, g in enumerate(G)]
    risk = sum(g * g for g in G) / 2
    low = network([[1]], [-1], [1], 0)
    for square, multiplier, reason in (
        (F(1, 5), (t - 1) / 2, "every claim holds"),
        (F(1, 5) + HAIR, (t - 1) / 2, LEAVES),
        (F(1, 5), (t - 1) / 2 + HAIR, BALANCE),
    ):
        claim = minimum_of(low, risk, square, [[[text_of(multiplier)]]])
        assert reason in verdict(case(1, rows, (1, 1, False), ["1", "3"], [claim])).reason


def test_a_radius_of_whole_numbers_is_compared_too():
    made = balanced(F(1, 2))
    set_in(LOW + "radius_squared", "1")(made)
    assert LEAVES in verdict(made).reason


def test_a_unit_without_weight_may_turn_while_it_has_none():
    made = CASES["dead"]
    low = made.words["claims"][0]
    for weight, row_of, reason in (
        (0, [2, 1], "every claim holds"),
        (F(1, 8), [-2, -1], "every claim holds"),
        (F(1, 8), [2, 1], "unit 1 " + LEAVES),
    ):
        net = network([[-1, -1], row_of], [-1, -1], [1, weight], F(7, 2))
        square = sum((F(a) - b) ** 2 for a, b in zip(row_of, (-2, -1), strict=True)) + F(weight) ** 2
        z = [row_of[0] + row_of[1] * x - 1 for x in (2, 3)]
        errors = [F(7, 2) + F(weight) * max(v, 0) - y for v, y in zip(z, (3, 4), strict=True)]
        claim = {
            "claim": "near_minimum",
            "network": net,
            "distance_squared": text_of(square),
            "excess": text_of(sum(e * e for e in errors) / 2 - F(1, 4)),
            "in_ball": False,
            "in_region": True,
        }
        assert reason in verdict(case(1, made.rows, (2, 1, False), ["1", "0"], [low, claim])).reason


def test_a_lower_point_may_lie_on_the_edge():
    rows = [[0.0, 1.0], [1.0, 1.0]]
    claim = {
        "claim": "lower_point",
        "network": network([[0]], [0], [0], 0),
        "lower": network([[0]], [0], [0], 1),
        "drop": "1",
        "radius": "1",
    }
    assert verdict(case(1, rows, (1, 1, False), ["1", "0"], [claim]))
    claim["radius"] = text_of(1 - HAIR)
    assert "farther away" in verdict(case(1, rows, (1, 1, False), ["1", "0"], [claim])).reason


def test_samples_on_a_line_leave_more_than_a_line():
    """dx = 3: three of the kinks that are tried together may be dependent."""
    inputs = [(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 1, 1), (0, 2, 3), (0, 3, 5)]
    for signs, reason in ((1, "every claim holds"), (-1, "the risk falls along a line")):
        G = [1, -2, 1, signs, -2 * signs, signs]
        rows = [[*map(float, x), -float(g)] for x, g in zip(inputs, G, strict=True)]
        claim = minimum_of(network([[0, 0, 0]], [0], [1], 0), 6, 1, ["lines"])
        assert reason in verdict(case(1, rows, (3, 1, False), ["1", "0"], [claim])).reason


def test_more_lines_than_may_be_asked_for_are_refused():
    rows = [[float(i), float(i * i % 7), float(i**3 % 11), float(i * i)] for i in range(60)]
    total = sum(F(row[-1]) for row in rows) / 60
    risk = sum((F(row[-1]) - total) ** 2 for row in rows) / 2
    claim = minimum_of(network([[0, 0, 0]], [0], [1], total), risk, 1, ["lines"])
    found = verdict(case(1, rows, (3, 1, False), ["1", "0"], [claim]))
    assert "more work than a certificate" in found.reason
    # one kink cannot balance all other samples
    outputs = [F(row[0]) for row in rows]
    b2 = (sum(F(row[-1]) for row in rows) - sum(outputs)) / 60
    risk = sum((f + b2 - F(row[-1])) ** 2 for f, row in zip(outputs, rows, strict=True)) / 2
    claim = minimum_of(network([[1, 0, 0]], [0], [1], b2), risk, 1, ["lines"])
    found = verdict(case(1, rows, (3, 1, False), ["1", "0"], [claim]))
    assert "the rate does not vanish with all kinks" in found.reason
