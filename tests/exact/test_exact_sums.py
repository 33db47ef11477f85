"""Prefix sums, their signs and zeros, agree with rational arithmetic; rounding is correct."""

import math
from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import exact_reference as reference
from fastminima.exact.dyadic import (
    bit_size,
    next_above,
    next_below,
    round_down,
    round_fraction,
    round_towards,
    round_up,
    short_above,
    sqrt_above,
    sqrt_floor,
    to_integers,
)
from fastminima.exact.sums import prefix_sums
from profiles import examples

FLOATS = st.one_of(
    reference.SMALL, reference.WILD, st.floats(allow_nan=False, allow_infinity=False), reference.SHIFTED
)


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(FLOATS, max_size=20), st.data())
@example([1.7e308, 1.7e308, -1.7e308, -1.7e308, 5e-324], None)
@example([1.7e308, 1.7e308, -1.7e308, -1.7e308], None)
def test_sums(values, draws):
    if draws is not None and values:
        # opposite terms in another order make true zeros
        values = values + draws.draw(st.permutations([-v for v in values]))
    exact = list(accumulate(Fraction(v) for v in values))
    array, positions = np.array(values, dtype=float), np.arange(len(values))
    sums, exponent = prefix_sums(array, positions)
    assert [(n > 0) - (n < 0) for n in sums] == [(s > 0) - (s < 0) for s in exact]
    assert [n * Fraction(2) ** exponent for n in sums] == exact
    integers, exponent = to_integers(array)
    assert [n * Fraction(2) ** exponent for n in integers] == [Fraction(v) for v in values]


def test_long_prefix_sums():
    rng = np.random.default_rng(3)
    half = rng.normal(size=5000) * 10.0 ** rng.integers(-20, 20, 5000)
    values = np.concatenate([half, -half[::-1], half, -half])
    exact = list(accumulate(Fraction(v) for v in values.tolist()))
    zero = prefix_sums(values, np.arange(len(values)))[0] == 0
    assert zero.tolist() == [s == 0 for s in exact]
    assert zero.sum() == 2


@settings(max_examples=examples(300), deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.fractions(-1, 1))
def test_round_fraction_is_nearest_even(value, part):
    assert round_fraction(Fraction(value)) == value
    above = math.nextafter(value, math.inf)
    if math.isinf(above):
        return
    gap = Fraction(above) - Fraction(value)
    got = round_fraction(Fraction(value) + gap * abs(part))
    even = value if np.float64(value).view(np.int64) % 2 == 0 else above
    middle = Fraction(1, 2)
    assert got == (value if abs(part) < middle else above if abs(part) > middle else even)


def test_round_fraction_overflows_to_infinity():
    assert round_fraction(Fraction(10) ** 400) == math.inf
    assert round_fraction(-(Fraction(10) ** 400)) == -math.inf
    assert round_fraction(Fraction(1, 10**400)) == 0.0


@settings(max_examples=examples(200), deadline=None)
@given(st.fractions(0), st.integers(-1000, 900))
@example(Fraction(1), -2200)
@example(Fraction(1), 2100)
def test_sqrt_floor(value, exponent):
    value *= Fraction(2) ** exponent
    root = sqrt_floor(value)
    assert Fraction(root) ** 2 <= value
    above = math.nextafter(root, math.inf)
    assert math.isinf(above) or Fraction(above) ** 2 > value


def test_sqrt_floor_of_squares():
    for v in (1.0, 3.0, 0.1, 5e-324, 1.7e308):
        assert sqrt_floor(Fraction(v) ** 2) == v
    with pytest.raises(TypeError):
        sqrt_floor("2")  # type: ignore[arg-type]


def exactly(value):
    """A float64 with its infinities in order around the rationals."""
    return value if math.isinf(value) else Fraction(value)


@settings(max_examples=examples(300), deadline=None)
@given(st.fractions(-2, 2), st.integers(-1100, 1024))
@example(Fraction(2) - Fraction(1, 2**60), 1023)
@example(Fraction(-3, 2), 1024)
@example(Fraction(1, 3), -1080)
@example(Fraction(0), 0)
@example(Fraction(1), 5)
def test_rounding_outward_is_outward_and_next_to_the_rational(value, exponent):
    value *= Fraction(2) ** exponent
    low, high = round_down(value), round_up(value)
    assert exactly(low) <= value <= exactly(high)
    assert high == low if exactly(low) == value else high == math.nextafter(low, math.inf)
    assert (round_towards(value, -math.inf), round_towards(value, math.inf)) == (low, high)
    # strictly outward, and no more than one float64 further
    assert exactly(next_below(value)) < value < exactly(next_above(value))
    assert math.nextafter(low, -math.inf) <= next_below(value) <= low
    assert high <= next_above(value) <= math.nextafter(high, math.inf)


def test_rounding_outward_beyond_float64():
    huge, largest = Fraction(10) ** 400, 1.7976931348623157e308
    assert (round_down(huge), round_up(huge)) == (largest, math.inf)
    assert (round_down(-huge), round_up(-huge)) == (-math.inf, -largest)
    assert (round_down(1 / huge), round_up(1 / huge)) == (0.0, 5e-324)


@settings(max_examples=examples(200), deadline=None)
@given(st.fractions(0), st.integers(-1000, 900))
def test_roots_and_short_numbers_above(value, exponent):
    value *= Fraction(2) ** exponent
    short = short_above(value)
    if not value:
        assert (short, sqrt_above(value)) == (0, 0.0)
        return
    assert Fraction(2) ** (bit_size(value) - 1) < value < Fraction(2) ** (bit_size(value) + 1)
    assert value <= short <= value * Fraction(513, 512)
    odd = short.numerator >> (short.numerator & -short.numerator).bit_length() - 1
    assert odd < 2**11
    assert Fraction(sqrt_above(value)) ** 2 > value
    assert sqrt_above(value) == math.nextafter(sqrt_floor(value), math.inf)
