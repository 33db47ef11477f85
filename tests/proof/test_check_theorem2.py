"""The checker on theorem 2: intervals, convexity, the mixed case, and fits of risk 0."""

from __future__ import annotations

from fractions import Fraction as F
from itertools import pairwise
from typing import Any

import pytest

from certificates_by_hand import CUBE, RELU, all_cases, case, network, relu, text_of
from certificates_changed import verdict
from fastminima.proof import check as checker

CASES = all_cases()


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
    statement.network(low["network"])
    low["excess"] = text_of(statement.most - F(1, 3))
    statement.network(zero["network"])
    zero["risk"] = text_of(statement.most)
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
