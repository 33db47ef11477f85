"""The checker's intervals: rounded outward and no more than that, derivatives and elementary functions by mpmath."""

from __future__ import annotations

import random
from fractions import Fraction as F
from typing import Any

import mpmath
import pytest
from mpmath import mp

from fastminima.proof import check as checker
from precision import decimal_digits
from profiles import examples

UNIT = checker.UNIT
working_digits = decimal_digits(400)

# ---- arithmetic ----------------------------------------------------------------------------------------------------


def outward(low: F, high: F) -> tuple[int, int]:
    """The least interval of multiples of 2^-200 that holds both."""
    return (low * UNIT).__floor__(), (high * UNIT).__ceil__()


def some(rng: random.Random) -> Any:
    """Ends of all sizes and signs, often equal or 0."""
    ends = [
        rng.choice([0, 1, -1, rng.randrange(-9, 9) * UNIT, rng.randrange(-(2**203), 2**203)])
        for _ in range(2)
    ]
    return checker.Interval(min(ends), max(ends))


def test_operations_give_the_least_interval():
    rng = random.Random(1)
    for _ in range(examples(300)):
        x, y, n = some(rng), some(rng), rng.randrange(1, 9)
        a, b = [F(v, UNIT) for v in x], [F(v, UNIT) for v in y]
        products = [p * q for p in a for q in b]
        assert x * y == outward(min(products), max(products))
        assert x + y == outward(a[0] + b[0], a[1] + b[1])
        assert -x == outward(-a[1], -a[0])
        assert x.over(n) == outward(a[0] / n, a[1] / n)
        assert checker.interval(a[0] / n, a[1] / n) == outward(a[0] / n, a[1] / n)
        assert checker.interval(a[0] / n) == outward(a[0] / n, a[0] / n)
        if x.lo > 0 or x.hi < 0:
            assert x.inverse() == outward(1 / a[1], 1 / a[0])
        else:
            with pytest.raises(checker.Reject, match=r"^division by an interval that holds 0$"):
                x.inverse()


def test_powers():
    rng = random.Random(2)
    for _ in range(examples(100)):
        x = some(rng)
        for n in range(8):
            ends = [F(v, UNIT) ** n for v in x]
            low, high = min(ends), max(ends)
            if n % 2 == 0 and n and x.lo < 0 < x.hi:
                low = F(0)
            found = x.power(n)
            assert F(found.lo, UNIT) <= low
            assert high <= F(found.hi, UNIT)
            # a rounding for each product
            slack = F(16, UNIT) * (1 + max(abs(F(v, UNIT)) for v in x)) ** n
            assert F(found.lo, UNIT) >= low - slack or (n % 2 and x.lo < 0 < x.hi)
            assert F(found.hi, UNIT) <= high + slack or (n % 2 and x.lo < 0 < x.hi)
    assert checker.interval(-3, 2).power(2) == checker.interval(0, 9)
    assert checker.interval(-3, -2).power(2) == checker.interval(4, 9)
    assert checker.interval(-3, 2).power(3) == checker.interval(-27, 18)
    assert checker.interval(-3, 2).power(0) == checker.interval(1)


def test_products_have_bounds():
    limit = checker.Interval(2**2000 - 1, 2**2000 - 1)
    assert limit * limit
    assert limit * -limit
    above = checker.Interval(2**2000, 2**2000)
    for x, y in ((above, above), (above, -above), (checker.Interval(-(2**2000), 0), above)):
        with pytest.raises(checker.Reject, match=r"^an interval leaves all bounds$"):
            x * y


def test_rounding_of_decimals():
    assert checker.exp(checker.interval(0)) == checker.interval(1)
    assert checker.log(checker.interval(1)) == checker.interval(0)
    assert checker.sqrt(checker.interval(F(9, 4))) == checker.interval(F(3, 2))
    for t in (1, -1, 30, 300, -300):
        found = checker.exp(checker.interval(t))
        middle = (found.lo + found.hi) // 2
        assert found.hi - found.lo == 2 * ((middle >> 370) + 2)
        assert found.lo + 1 < mp.exp(t) * UNIT < found.hi - 1
    # 1.3e-60 below and above 2 the root is no number of 120 digits, and is not taken for one
    for step in (-1, 1):
        n = 4 * UNIT + step
        found = checker.sqrt(checker.Interval(n, n))
        assert found.lo**2 < n * UNIT < found.hi**2
    assert checker.exp(checker.interval(-(10**6))) == checker.Interval(-2, 2)


@pytest.mark.parametrize("t", [1, 5, -5, F(1, 3), F(-7, 2), 24, -24])
def test_the_sine_of_an_interval(t):
    for width in (F(0), F(1, 1000), F(1)):
        found, centre = (
            checker.sin(checker.interval(t - width / 2, t + width / 2)),
            checker.sin(checker.interval(t)),
        )
        assert abs(found.lo - (centre.lo - int(width / 2 * UNIT))) <= 2**60
        assert abs(found.hi - (centre.hi + int(width / 2 * UNIT))) <= 2**60
        assert abs((found.lo + found.hi) - (centre.lo + centre.hi)) <= 2**60


def test_the_sine_ends_at_24():
    for sign in (-1, 1):
        assert checker.sin(checker.interval(sign * 24))
        with pytest.raises(checker.Reject, match=r"^the sine is asked for at \|t\| > 24$"):
            checker.sin(checker.interval(sign * (24 + F(1, 2**100))))


def test_the_sine_of_an_interval_reaches_as_far_as_its_argument():
    middle = 5 * UNIT + 1
    value = checker.series(checker.Interval(middle, middle), lambda i: 2 * i * (2 * i + 1))
    assert checker.sin(checker.Interval(5 * UNIT, 5 * UNIT + 3)) == (value.lo - 2, value.hi + 2)


def test_series_end_where_terms_are_below_a_unit():
    """Of t = 2^-100 the cube is 2^-300: nothing is added but the unit that stands for what is left out."""
    tiny = checker.Interval(1, 1)
    assert checker.series(tiny, lambda i: 2 * i * (2 * i + 1)) == (0, 2)
    assert checker.series(checker.Interval(2, 2), lambda i: 2 * i * (2 * i + 1)) == (0, 3)
    small = checker.Interval(2**100, 2**100)
    assert checker.series(small, lambda i: 2 * i * (2 * i + 1)) == (2**100 - 2, 2**100 + 1)
    half = checker.interval(F(1, 2))
    found = checker.series(half, lambda i: 1, lambda i: 2 * i + 1)
    assert number(found.lo) < mp.atan(mp.mpf(1) / 2) < number(found.hi)
    assert found.hi - found.lo < 1000


# ---- functions -----------------------------------------------------------------------------------------------------


@mp.workdps(100)
def derivatives(h: Any, t: F) -> list[Any]:
    """h, h', h''/2 by difference quotients at 100 digits, right to 45 at least."""
    point, step = mp.mpf(t.numerator) / t.denominator, mp.mpf(10) ** -30
    below, at, above = (h(point + k * step) for k in (-1, 0, 1))
    far_below, far_above = h(point - 2 * step), h(point + 2 * step)
    first = (8 * (above - below) - (far_above - far_below)) / (12 * step)  # error step^4 h^(5)/30
    second = (16 * (above + below) - (far_above + far_below) - 30 * at) / (24 * step**2)
    return [at, first, second]


def number(x: int) -> Any:
    return mp.mpf(x) / mp.mpf(2) ** 200


def assert_encloses(jet: Any, values: list[Any], slack: Any, width: Any = None) -> None:
    for x, value in zip(jet, values, strict=True):
        assert number(x.lo) - slack * (1 + abs(value)) <= value <= number(x.hi) + slack * (1 + abs(value))
        assert width is None or number(x.hi) - number(x.lo) <= width * (1 + abs(value))


OPERATIONS = {
    "neg": lambda a: -a,
    "exp": mp.exp,
    "log": mp.log,
    "sqrt": mp.sqrt,
    "sin": mp.sin,
    "atan": mp.atan,
    "erf": mp.erf,
    "softplus": lambda a: mp.log1p(mp.exp(a)),
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
}


def value(formula: Any, t: Any) -> Any:
    """A formula in mpmath."""
    if formula == "t":
        return t
    if formula == "pi":
        return +mp.pi
    if not isinstance(formula, list):
        constant = F(formula)
        return mp.mpf(constant.numerator) / constant.denominator
    name, *parts = formula
    if name == "if":
        return value(parts[1] if value(parts[0], t) > 0 else parts[2], t)
    if name == "pow":
        return value(parts[0], t) ** parts[1]
    return OPERATIONS[name](*(value(part, t) for part in parts))


def random_formula(rng: random.Random, depth: int) -> Any:
    if depth == 0 or rng.random() < 0.1:
        return rng.choice(["t", "t", "t", rng.randrange(-3, 4), f"{rng.randrange(1, 9)}/7", "pi"])
    name = rng.choice([*OPERATIONS, "pow", "if"])
    inner = [
        random_formula(rng, depth - 1)
        for _ in range(
            {"if": 3, "pow": 1}.get(
                name,
                OPERATIONS[name].__code__.co_argcount
                if name in ("neg", "softplus", "add", "sub", "mul", "div")
                else 1,
            )
        )
    ]
    return [name, *inner, *([rng.randrange(6)] if name == "pow" else [])]


def test_enclosures_of_random_formulas():
    rng, seen = random.Random(7), 0
    while seen < examples(60):
        formula, t = (
            random_formula(rng, rng.randrange(1, 4)),
            F(rng.randrange(-(2**12), 2**12) * 2 + 1, 2**11),
        )
        width = F(rng.randrange(1, 64), 2**10)
        for high in (t, t + width):
            try:
                found = checker.jet(formula, checker.interval(t, high))
            except (checker.Reject, ArithmeticError, ValueError):
                break
            if max(abs(x) for part in found for x in part) > 10**12 * 2**200:
                break
            for part in range(1 if high == t else 4):
                point = t + (high - t) * part / 3
                values = derivatives(lambda x, formula=formula: value(formula, x), point)
                if not all(isinstance(v, mpmath.mpf) for v in values):
                    raise AssertionError(f"{formula} has no real value at {point}, but an enclosure")
                assert_encloses(found, values, mp.mpf(10) ** -25)
            seen += 1


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "atan", "erf"])
def test_elementary_functions_are_enclosed_and_sharp(name):
    """To 2^-150, relative above 1; at 0, at the ends of the series, and where decimals run out."""
    function, known = getattr(checker, name), OPERATIONS[name]
    ends = {
        "exp": (-40_000, 9000),
        "log": (0, 10**40),
        "sqrt": (0, 10**40),
        "sin": (-24, 24),
        "atan": (-1000, 1000),
        "erf": (-6, 6),
    }
    low, high = ends[name]
    rng = random.Random(name)
    points = (
        [F(v) for v in (low, high, 1, F(1, 2**200), F(3, 2), 5)]
        + [F(-1)] * (low < 0)
        + [F(0)] * (name != "log")
    )
    points += [
        low + (high - low) * F(rng.randrange(1, 2**40), 2**40) * F(1, 2 ** rng.randrange(40))
        for _ in range(examples(30))
    ]
    for t in points:
        if name == "log" and t == 0:
            continue
        x = checker.interval(t)
        found, values = function(x), [known(mp.mpf(end) / mp.mpf(2) ** 200) for end in x]
        assert number(found.lo) <= min(values)
        assert max(values) <= number(found.hi)
        slope = max(1, abs(float(1 / t))) if name in ("log", "sqrt") and t else 1
        assert number(found.hi) - number(found.lo) <= slope * (1 + max(map(abs, values))) * mp.mpf(2) ** -150
        assert number(checker.PI.lo) < mp.pi < number(checker.PI.hi)


# ---- pieces within pieces ------------------------------------------------------------------------------------------


def stairs(rng: random.Random, breaks: list[int], bend: int) -> tuple[Any, list[Any]]:
    """A function of straight pieces as a tree of case distinctions, cut at any of its breaks first; and its pieces."""
    slopes = [rng.randrange(-3, 4)]
    while len(slopes) <= len(breaks):
        slopes.append(slopes[-1] + (rng.randrange(-2, 3) if bend == 0 else bend * rng.randrange(3)))
    starts = [rng.randrange(-3, 4)]
    for left, right, at in zip(slopes, slopes[1:], breaks, strict=False):
        # pieces meet, seldom not
        starts.append(starts[-1] + (left - right) * at + (rng.random() < 0.1))
    lines = [["add", start, ["mul", slope, "t"]] for start, slope in zip(starts, slopes, strict=True)]

    def tree(low: int, high: int) -> Any:
        if low == high:
            return lines[low]
        cut = rng.randrange(low, high)
        return ["if", ["sub", "t", breaks[cut]], tree(cut + 1, high), tree(low, cut)]

    return tree(0, len(breaks)), list(zip(slopes, starts, strict=True))


def test_convexity_is_shown_through_pieces_within_pieces_and_never_where_it_fails():
    rng, shown = random.Random(2), 0
    for _ in range(examples(300)):
        breaks = sorted(rng.sample(range(-5, 6), rng.randrange(1, 4)))
        bend = rng.choice([-1, 0, 1])
        formula, lines = stairs(rng, breaks, bend)
        low, high = sorted(F(n, 2) for n in rng.sample(range(-12, 13), 2))
        # a place where pieces meet belongs to the one below
        inside = [k for k, b in enumerate(breaks) if low <= b < high]
        values = [
            (lines[k + 1][0] - lines[k][0], *(s * breaks[k] + c for s, c in lines[k : k + 2])) for k in inside
        ]
        for sign in (1, -1):
            convex = all(turn * sign >= 0 and below == above for turn, below, above in values)
            statement = object.__new__(checker.Theorem2)
            statement.work, statement.length, statement.formula = 0, 1, formula
            found = statement.bends(formula, low, high, sign)
            assert not found or convex, (formula, low, high, sign)
            assert found or not convex, (formula, low, high, sign)
            shown += found
    assert shown > 50
