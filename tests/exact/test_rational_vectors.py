"""Sums and differences of rationals and float64 numbers without a fraction a term, against fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.exact.affine import common_numerators, common_products
from fastminima.exact.dyadic import round_fraction, rounded_difference
from fastminima.exact.matrix import dot
from profiles import examples

floats = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.one_of(st.fractions(), floats, st.integers(-(2**70), 2**70))
pairs = st.lists(st.tuples(numbers, numbers), max_size=6)


@settings(max_examples=examples(200), deadline=None)
@given(pairs)
def test_the_inner_product_is_exact(terms):
    a, b = [x for x, _ in terms], [y for _, y in terms]
    assert dot(a, b) == sum((Fraction(x) * Fraction(y) for x, y in terms), Fraction(0))


def test_the_inner_product_of_vectors_of_different_lengths_is_refused():
    with pytest.raises(ValueError, match="zip"):
        dot([1.0, 2.0], [1.0])


@settings(max_examples=examples(200), deadline=None)
@given(pairs)
def test_integers_over_one_scale_have_no_common_divisor(terms):
    a, b = [x for x, _ in terms], [y for _, y in terms]
    for (integers, scale), wanted in (
        (common_numerators(a), [Fraction(x) for x in a]),
        (common_products(a, b), [Fraction(x) * Fraction(y) for x, y in terms]),
    ):
        assert scale > 0
        assert [n * scale for n in integers] == wanted
        assert math.gcd(*integers) in (0, 1)


@settings(max_examples=examples(300), deadline=None)
@given(numbers, numbers)
def test_a_difference_is_rounded_once(a, b):
    assert rounded_difference(a, b) == round_fraction(Fraction(a) - Fraction(b))


def test_differences_out_of_range_are_infinite():
    largest = 1.7976931348623157e308
    assert rounded_difference(largest, -largest) == math.inf
    assert rounded_difference(-largest, largest) == -math.inf
