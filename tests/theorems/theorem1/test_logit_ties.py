"""Ties of classes: where every group of equal inputs has the shares of an affine map, decided in integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.exact.matrix import RationalMatrix
from fastminima.theorems.theorem1.logit_ties import coprime_base, logits_are_affine
from profiles import examples


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.integers(1, 10**6), max_size=8))
def test_a_coprime_base_makes_all_numbers(numbers):
    base = coprime_base(numbers)
    assert all(b > 1 for b in base)
    assert all(math.gcd(a, b) == 1 for k, a in enumerate(base) for b in base[:k])
    for n in numbers:
        for b in base:
            while n % b == 0:
                n //= b
        assert n == 1


def table(x):
    return RationalMatrix.of([[Fraction(1), *map(Fraction, row)] for row in x])


def by_powers(shares, x):
    """The same for one column x of whole numbers, by powers of the ratios themselves."""
    ratios = [[Fraction(v, row[-1]) for v in row[:-1]] for row in shares]
    for j in range(len(ratios[0])):
        for a in range(2, len(x)):
            # (x_1 - x_a) (1, x_0) + (x_a - x_0) (1, x_1) + (x_0 - x_1) (1, x_a) = 0
            powers = [x[1] - x[a], x[a] - x[0], x[0] - x[1]]
            product = Fraction(1)
            for group, power in zip((0, 1, a), powers, strict=True):
                product *= ratios[group][j] ** power
            if product != 1:
                return False
    return True


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_against_powers(data):
    count, K = data.draw(st.integers(2, 5)), data.draw(st.integers(2, 3))
    x = data.draw(st.lists(st.integers(-4, 4), min_size=count, max_size=count, unique=True))
    if data.draw(st.booleans()):
        base = data.draw(st.lists(st.sampled_from([1, 2, 3, 4, 6, 9]), min_size=K, max_size=K))
        rows = [[b ** (v + 4) * 5 for b in base] for v in x]
        if data.draw(st.booleans()):
            rows[-1][0] += 1
    else:
        rows = [[data.draw(st.sampled_from([1, 2, 4, 8, 3])) for _ in range(K)] for _ in x]
    shares = RationalMatrix(np.array(rows, dtype=object), Fraction(1, 7))
    assert logits_are_affine(shares, table([[v] for v in x])) == by_powers(rows, x)


def groups(ratios, x):
    """Rows x with so many samples of each class."""
    X, labels = [], []
    for row, value in zip(ratios, x, strict=True):
        for label, count in enumerate(row):
            X += [value] * count
            labels += [label] * count
    return np.array(X, dtype=float).reshape(len(X), -1), np.array(labels)


@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_more_groups_than_columns(loss):
    # 1:1, 2:1, 4:1, 8:1 at 0, 1, 2, 3: the logits are x ln 2
    data = groups([(1, 1), (2, 1), (4, 1), (8, 1)], [0, 1, 2, 3])
    low = fm.spurious_minimum(data, "relu", (4, 4), loss=loss)
    assert (str(low.status), low.reason.partition(":")[0]) == ("global", "no_better_point")
    assert low.fits.pushed is False
    assert not fm.better_point(low)
    truth = sum(-n * math.log(n / (n + 1)) - math.log(1 / (n + 1)) for n in (1, 2, 4, 8))
    assert low.bound <= truth <= low.bound + low.excess + 1e-12
    proof = fm.prove(low)
    assert fm.check(proof, low.data).accepted
    assert "certificates have no claim of it" in " ".join(proof.open)
    # one sample more, and a better network exists
    for change in ((9, 1), (8, 2)):
        data = groups([(1, 1), (2, 1), (4, 1), change], [0, 1, 2, 3])
        low = fm.spurious_minimum(data, "relu", (4, 4), loss=loss)
        assert low.status == "spurious"
        assert fm.better_point(low)


def test_three_classes_two_columns_and_weights():
    # shares in proportion 1 : 2^a 3^b : 5^b / 2^a, exactly affine logits; weights make the counts
    X, y, w = [], [], []
    for a in range(3):
        for b in range(3):
            for label, weight in enumerate((4, 4 * 2**a * 3**b, 4 // 2**a * 5**b)):
                X.append([a, b])
                y.append(label)
                w.append(float(weight) / 8)
    low = fm.spurious_minimum((X, y, w), "elu", (5,), loss="softmax")
    assert low.reason.startswith("no_better_point")
    w[7] += 2.0**-30
    low = fm.spurious_minimum((X, y, w), "elu", (5,), loss="softmax")
    assert low.fits.pushed is True
    assert low.status == "spurious"


def test_one_output_tied_and_another_not():
    X, first = groups([(1, 1), (2, 1), (4, 1)], [0, 1, 2])
    second = np.array([0, 1, 0, 1, 1, 1, 0, 1, 1, 0])
    low = fm.spurious_minimum((X, np.column_stack([first, second])), "relu", (4,), loss="logistic")
    assert low.status == "spurious"
    # and one constant, one not: both tied
    same = np.array([0, 1, 0, 1, 1, 1, 0, 1, 1, 0])
    X2 = np.vstack([X, X])
    both = np.column_stack([np.tile(first, 2), np.repeat([0, 1], 10)])
    assert len(same) == len(first)
    low = fm.spurious_minimum((X2, both), "relu", (4,), loss="logistic")
    assert low.reason.startswith("no_better_point")


def test_a_group_with_one_class_is_no_tie():
    data = groups([(1, 1), (2, 1), (0, 3), (3, 1)], [0, 1, 2, 3])
    low = fm.spurious_minimum(data, "relu", (4,), loss="logistic")
    assert low.fits.pushed is True
