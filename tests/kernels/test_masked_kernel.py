"""Masked products: every remainder of a block, every variant, against the twin; Gram matrices against masked columns."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.exact import masked_products as products
from fastminima.exact.affine import Columns
from fastminima.exact.masked_gram import MaskedGram, masked_columns_gram
from fastminima.kernels import _masked as kernels
from fastminima.kernels import reference_masked as twins

VARIANTS = range(kernels.BEST_VARIANT + 1)
F = Fraction


def ran(module, variant, m, seed):
    rng = np.random.default_rng(seed)
    columns = np.vstack([rng.uniform(-1, 1, m), rng.integers(-4, 5, m) / 8.0, np.full(m, 0.5), np.zeros(m)])
    columns[0] *= 2.0 ** -rng.integers(0, 12, m)
    masks = np.vstack([rng.integers(1, 4, m), *(rng.random((2, m)) < 0.5)]).astype(np.float64)
    first, second = (np.array(v, dtype=np.int32) for v in ([0, 0, 1, 1], [0, 2, 1, 2]))
    a, b = (v.astype(np.int32) for v in np.triu_indices(4))
    places = np.array([4, 3, 3, 0, 1, 1, 0, 1, 0, 0], dtype=np.int32)
    out = [np.zeros((4, int(places.sum())), dtype=np.int64) for _ in range(2)]
    work = np.full(kernels.workspace_items(4, int(places.sum())), np.nan)
    module.masked_products(columns, masks, m, first, second, a, b, places, 2.0**41, variant, work, *out)
    digits = out[0].astype(object) * 2**kernels.LOW_BITS + out[1]
    starts = np.concatenate([[0], np.cumsum(places)])
    # the digits of a pair together: those of the twin are others, of the same number
    return [
        [
            sum(F(v) / F(2) ** (41 * (i + 1)) for i, v in enumerate(row[s:e]))
            for s, e in itertools.pairwise(starts)
        ]
        for row in digits.tolist()
    ], digits


@pytest.mark.parametrize("m", [1, 2, 3, 7, 8, 9, 511, 512, 513, 520, 1025])
def test_masked_products_agree_with_their_twin(m):
    truth, _ = ran(twins, 0, m, m)
    first = None
    for variant in VARIANTS:
        ours, digits = ran(kernels, variant, m, m)
        assert ours == truth
        first = digits if first is None else first
        np.testing.assert_array_equal(digits, first)


def case(m, dx, d1, seed, **options):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, dx)) * 10.0 ** rng.integers(-6, 7, dx)
    if dx > 1:
        X[:, 1] = 0.0
    data = fm.Dataset(X, rng.standard_normal(m), **options)
    return Columns(data), rng.integers(-1, 2, (m, d1)).astype(np.int8)


@pytest.mark.parametrize("s_minus", [F(0), F(1, 4)])
@pytest.mark.parametrize("weights", ["none", "counts", "halves", "any"])
@pytest.mark.parametrize(("m", "dx", "d1"), [(1, 1, 1), (40, 2, 3), (60, 5, 1), (9, 1, 4), (5, 4, 5)])
def test_a_masked_gram_is_that_of_the_masked_columns(m, dx, d1, weights, s_minus):
    rng = np.random.default_rng(m)
    w = {
        "none": None,
        "counts": rng.integers(1, 90, m),
        "halves": rng.integers(1, 9, m) / 2,
        "any": rng.random(m),
    }
    columns, sides = case(m, dx, d1, m, sample_weight=w[weights])
    moments = MaskedGram(columns, sides, F(1), s_minus)
    v = [F(2 * j + 1, 3) for j in range(dx + 1)]
    # first without the matrix, where it is the larger, then with it
    ours = [moments.curvature(k, v) for k in range(d1)]
    sums = moments.products(moments.unit_form(0, v))
    plain = masked_columns_gram(columns, sides > 0, s_minus != 0)
    n = len(plain.scales)
    assert [[moments.gram.value(a, b) for b in range(n)] for a in range(n)] == [
        [plain.value(a, b) for b in range(n)] for a in range(n)
    ]
    assert moments.gram.n_samples == plain.n_samples == m
    assert moments.total_weight == plain.total_weight
    assert sums == moments.products(moments.unit_form(0, v))
    for k in range(d1):
        form = moments.unit_form(k, v)
        assert ours[k] == moments.curvature(k, v) == plain.quadratic(form)


def test_what_does_not_fit_goes_the_other_way(monkeypatch):
    columns, sides = case(30, 2, 2, 3)
    far = fm.Dataset(columns.X * np.where(np.arange(30) % 2, 1e200, 1e-200)[:, None], columns.y)
    assert products.masked_products(Columns(far), sides > 0, [(0, 0)]) is None
    big = fm.Dataset([[Fraction(2**80 + 1, 3)], [Fraction(1, 3)]], [1.0, 2.0])
    assert products.masked_products(Columns(big), np.ones((2, 1), dtype=np.bool_), [(0, 0)]) is None
    for data, masks in ((far, sides), (big, np.ones((2, 1), dtype=np.int8))):
        moments = MaskedGram(Columns(data), masks, F(1), F(0))
        plain = masked_columns_gram(Columns(data), masks > 0, False)
        assert moments.gram.entries == plain.entries
        assert moments.curvature(0, [F(1)] * moments.n) == plain.quadratic(
            moments.unit_form(0, [F(1)] * moments.n)
        )
    # thirds that float64 holds as integers go the fast way, and few digits at a time
    thirds = fm.Dataset(
        [[Fraction(k, 3), Fraction(k * k, 7)] for k in range(9)], [Fraction(k, 3) for k in range(9)]
    )
    monkeypatch.setattr(products, "_MOST_DIGITS", 2)
    masks = (np.arange(18).reshape(9, 2) % 3 - 1).astype(np.int8)
    moments, plain = (
        MaskedGram(Columns(thirds), masks, F(1), F(0)),
        masked_columns_gram(Columns(thirds), masks > 0, False),
    )
    n = len(plain.scales)
    assert products.masked_products(Columns(thirds), masks > 0, [(0, 0)]) is not None
    assert all(moments.gram.value(a, b) == plain.value(a, b) for a in range(n) for b in range(n))
