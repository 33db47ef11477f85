"""Logarithms, exponentials and entropies in integers, against mpmath with twice as many digits."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.exact.entropy import cross_entropy, entropy
from fastminima.exact.fixed_point import BITS, EXP_UNITS, LOG_UNITS, exponentials, logarithms
from fastminima.exact.matrix import RationalMatrix
from profiles import examples

ONE = 1 << BITS


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workprec(2 * BITS + 100):
        yield


def objects(values):
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


def real(n):
    return mpmath.mpf(n) / ONE


def edges(bits):
    """Where a leading digit, a shift or a table entry changes."""
    found = [1, 2, 3, ONE, ONE - 1, ONE + 1, ONE // 2, ONE // 2 - 1, ONE // 2 + 1, 3 * ONE, 1000 * ONE + 7]
    for k in range(512, 1025):
        found += [k << (BITS - 10), (k << (BITS - 10)) - 1, ((2 * k + 1) << (BITS - 11)) + 1]
    rng = np.random.default_rng(0)
    return found + [int.from_bytes(rng.bytes(29), "big") % (1 << b) + 1 for b in range(1, bits)]


def test_logarithms_are_as_close_as_said():
    numbers = edges(231)
    for n, found in zip(numbers, logarithms(objects(numbers)).tolist(), strict=True):
        assert abs(found - mpmath.log(real(n)) * ONE) < LOG_UNITS, n


def test_exponentials_are_as_close_as_said():
    far = [n * ONE for n in (100, 154, 155, 156, 157, 700, 10**6, 10**300)]
    numbers = [0, *(-n for n in edges(232) + far)]
    for n, found in zip(numbers, exponentials(objects(numbers)).tolist(), strict=True):
        there = mpmath.exp(real(n)) if real(n) > -10_000 else mpmath.mpf(0)
        assert abs(found - there * ONE) < EXP_UNITS, n


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.integers(1, 1 << 232), min_size=1, max_size=8))
def test_any_numbers(numbers):
    for n, found in zip(numbers, logarithms(objects(numbers)).tolist(), strict=True):
        assert abs(found - mpmath.log(real(n)) * ONE) < LOG_UNITS
    negative = [1 - n for n in numbers]
    for n, found in zip(negative, exponentials(objects(negative)).tolist(), strict=True):
        assert abs(found - mpmath.exp(real(n)) * ONE) < EXP_UNITS


def mp(value):
    return mpmath.mpf(value.numerator) / value.denominator


def simplex(rng, m, K, denominator):
    """Rows of rationals that sum to 1, zeros among them."""
    parts = rng.integers(0, 5, (m, K)).tolist()
    rows = []
    for row in parts:
        row[0] += 1
        tiny = Fraction(1, denominator) if len(row) > 1 and row[1] else 0
        exact = [Fraction(v, sum(row)) for v in row]
        rows.append([exact[0] + tiny, *[v - tiny * (k == 0) for k, v in enumerate(exact[1:])]])
    return rows


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("denominator", [2**256, 3**50, 7])
def test_sums_are_enclosed(weighted, denominator):
    rng = np.random.default_rng(denominator % 1000)
    for m, K in ((1, 2), (6, 3), (9, 5)):
        P = [
            row if min(row) >= 0 else [abs(v) / sum(map(abs, row)) for v in row]
            for row in simplex(rng, m, K, denominator)
        ]
        Z = [[Fraction(int(v), denominator) for v in row] for row in rng.integers(-9999, 9999, (m, K))]
        Z[0] = [v * 10**60 for v in Z[0]]
        w = (rng.integers(0, 9, m) / 8).tolist() if weighted else None
        heavy = [Fraction(1)] * m if w is None else [Fraction(v) for v in w]
        true = sum(
            mp(c) * -sum(mp(p) * mpmath.log(mp(p)) for p in row if p) for c, row in zip(heavy, P, strict=True)
        )
        low, high = entropy(RationalMatrix.of(P), w)
        assert mp(low) <= true <= mp(high)
        assert high - low <= Fraction(m * K * 600, ONE)
        true = mpmath.mpf(0)
        for c, z, t in zip(heavy, Z, P, strict=True):
            top = max(z)
            rest = mpmath.log(sum(mpmath.exp(mp(max(v - top, Fraction(-10_000)))) for v in z))
            true += mp(c) * rest + mp(
                c * (top - sum((a * b for a, b in zip(t, z, strict=True)), Fraction(0)))
            )
        low, high = cross_entropy(RationalMatrix.of(Z), RationalMatrix.of(P), w)
        assert mp(low) <= true <= mp(high)
        assert high - low <= Fraction(m * K * 300, ONE)


def test_blocks_of_rows_add_up():
    P = RationalMatrix(np.full((40_000, 2), 1, dtype=int).astype(object), Fraction(1, 2))
    low, high = entropy(P)
    assert mp(low) <= 40_000 * mpmath.log(2) <= mp(high)
    low, high = cross_entropy(RationalMatrix(0 * P.numerators, Fraction(1)), P)
    assert mp(low) <= 40_000 * mpmath.log(2) <= mp(high)
    assert entropy(RationalMatrix(P.numerators[:0], Fraction(1, 2))) == (0, 0)
    # nothing is below 0
    assert entropy(RationalMatrix.identity(3))[0] == 0
