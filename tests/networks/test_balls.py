"""Ball arithmetic and what the shape of a formula says: signs of h'', convexity across kinks, exact jets."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import mpmath
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.networks.activations.formula import freeze, jet, rational
from fastminima.networks.activations.formula_shape import curvature, pieces, polynomial
from fastminima.networks.activations.in_balls import Balls
from fastminima.networks.activations.in_rationals import exact_jet
from mp_formula import MP
from profiles import examples


@settings(max_examples=examples(100), deadline=None)
@given(
    roots=st.lists(st.tuples(st.fractions(-3, 3, max_denominator=6), st.integers(1, 3)), max_size=3),
    factor=st.sampled_from([1, -1, Fraction(2, 3)]),
    low=st.fractions(-3, 2, max_denominator=5),
    width=st.fractions(0, 3, max_denominator=5),
    sign=st.sampled_from([1, -1]),
)
def test_signs_of_polynomial_curvature_are_decided(roots, factor, low, width, sign):
    # h'' = factor prod (t - r)^k, and h from it
    second = [Fraction(factor)]
    for root, multiplicity in roots:
        for _ in range(multiplicity):
            second = [a - root * b for a, b in zip([0, *second], [*second, 0], strict=True)]
    formula = 0
    for k, c in enumerate(second):
        formula = ["add", formula, ["mul", rational(c / ((k + 1) * (k + 2))), ["pow", "t", k + 2]]]
    high = low + width
    orders = {}
    for root, multiplicity in roots:
        orders[root] = orders.get(root, 0) + multiplicity
    inside = [root for root, order in orders.items() if order % 2 and low < root < high]
    # between roots a sign is that of a point
    ends = sorted({low, high, *(root for root in orders if low < root < high)})
    points = [(a + b) / 2 for a, b in pairwise(ends)] or [low]
    values = [sign * sum(c * t**k for k, c in enumerate(second)) for t in points]
    answer = Balls(formula).bends(low, high, sign)
    if low in orders or high in orders:
        # roots are balls: one at an end may be taken for one inside
        assert not answer or min(values) >= 0
    else:
        assert answer == (min(values) >= 0)
        assert not (answer and inside)


@settings(max_examples=examples(80), deadline=None)
@given(
    kinks=st.lists(st.fractions(-2, 2, max_denominator=4), min_size=1, max_size=3, unique=True),
    parts=st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=4, max_size=4),
    joined=st.booleans(),
    flip=st.booleans(),
)
def test_convexity_across_kinks_is_decided_exactly(kinks, parts, joined, flip):
    kinks = sorted(kinks)
    parts = [[Fraction(x) for x in part] for part in parts[: len(kinks) + 1]]
    if joined:
        for left, right, t in zip(parts, parts[1:], kinks, strict=False):
            right[0] += sum((a - b) * t**k for k, (a, b) in enumerate(zip(left, right, strict=True)))
    formula = written(parts[0])
    for t, part in zip(kinks, parts[1:], strict=True):
        # the same piece chosen from either side of the condition
        low, high = formula, written(part)
        formula = (
            ["if", ["sub", rational(t), "t"], low, high]
            if flip
            else ["if", ["sub", "t", rational(t)], high, low]
        )
    joints = zip(parts, parts[1:], kinks, strict=False)
    convex = all(part[2] >= 0 for part in parts) and all(
        value(left, t) == value(right, t) and slope(left, t) <= slope(right, t) for left, right, t in joints
    )
    assert Balls(formula).bends(Fraction(-3), Fraction(3), 1) == convex
    breaks, found = pieces(freeze(formula))
    assert breaks == kinks
    assert [polynomial(piece)[:3] for piece in found] == [list(part) for part in parts]


def written(part):
    return [
        "add",
        rational(part[0]),
        ["add", ["mul", rational(part[1]), "t"], ["mul", rational(part[2]), ["pow", "t", 2]]],
    ]


def value(part, t):
    return part[0] + part[1] * t + part[2] * t * t


def slope(part, t):
    return part[1] + 2 * part[2] * t


@settings(max_examples=examples(150), deadline=None)
@given(
    formula=st.recursive(
        st.sampled_from(["t", 2, -3, "1/2", "pi"]),
        lambda inner: st.one_of(
            st.tuples(st.sampled_from(["add", "sub", "mul", "div"]), inner, inner),
            st.tuples(st.sampled_from(["neg", "exp", "softplus", "sin"]), inner),
            st.tuples(st.just("pow"), inner, st.integers(0, 3)),
        ),
        max_leaves=6,
    )
)
def test_curvature_by_rules_is_the_curvature(formula):
    found = curvature(formula)
    if found is None:
        return
    t = mpmath.linspace(-3, 3, 25)
    with mpmath.workdps(60):
        points = [jet(formula, x, MP()).second for x in t]
    if found == 0:
        assert all(abs(x) < 1e-40 for x in points)
    else:
        assert all(found * x >= -1e-40 for x in points)


def test_rational_jets_are_exact_or_none():
    third = Fraction(1, 3)
    celu = freeze(["mul", 3, ["sub", ["exp", ["div", "t", 3]], 1]])
    assert exact_jet(celu, Fraction(0)) == (0, 1, third)
    assert exact_jet(celu, Fraction(1)) is None
    everything = [
        "add",
        ["sqrt", ["add", 4, "t"]],
        ["add", ["sin", "t"], ["add", ["atan", "t"], ["log", ["add", 1, "t"]]]],
    ]
    assert exact_jet(freeze(everything), Fraction(0)) == (2, Fraction(1, 4) + 3, -Fraction(1, 32) - 1)
    for formula in ("pi", ["sqrt", 2], ["softplus", "t"], ["div", 1, "t"], ["erf", "t"], ["if", "t", 1, 2]):
        assert exact_jet(freeze(formula), Fraction(0)) is None


def test_work_on_hopeless_intervals_ends():
    # h'' = 2 + 2e-9 - 2 cos-like wiggles cannot be decided on wide intervals; the budget ends it
    balls = Balls(["sin", ["mul", 1_000_000, "t"]])
    answers = [balls.bends(Fraction(-k), Fraction(k), 1) for k in range(1, 30)]
    assert not any(answers)
    tight = Balls(["exp", ["neg", ["mul", "t", "t"]]])
    assert tight.bends(Fraction(1), Fraction(10), 1)
    tight._pieces_left[0] = 0
    assert not tight.bends(Fraction(1), Fraction(10), 1)


def test_touching_zero_is_no_change_of_sign():
    fourth = Balls(["pow", "t", 4])
    assert fourth.bends(Fraction(-3), Fraction(3), 1)
    assert not fourth.bends(Fraction(-3), Fraction(3), -1)
    assert not Balls(["pow", "t", 3]).bends(Fraction(-1), Fraction(1), 1)
    assert Balls(["pow", "t", 3]).bends(Fraction(0), Fraction(1), 1)
    assert Balls("t").bends(Fraction(-1), Fraction(1), -1)
