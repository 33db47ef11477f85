"""The exact Gram matrix equals the one of rational arithmetic, for any range, weights, blocks and subsets."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exact_reference as reference
import fastminima.exact.digits as digits_module
import fastminima.exact.gram as gram_module
from fastminima.errors import DataError
from fastminima.exact.gram import GramState, gram_of
from fastminima.kernels import _gram
from profiles import examples


def matrix(gram):
    n = len(gram.scales)
    return [[gram.value(a, b) for b in range(n)] for a in range(n)]


@settings(max_examples=examples(150), deadline=None)
@given(reference.datasets(exact=True), st.data())
def test_equals_rational_arithmetic(data, draws):
    m = len(data.y)
    assert matrix(gram_of(data)) == reference.gram(data)
    mask = np.array(draws.draw(st.lists(st.booleans(), min_size=m, max_size=m)))
    part = gram_of(data, mask)
    assert matrix(part) == reference.gram(data, np.flatnonzero(mask).tolist())
    assert part.n_samples == mask.sum()
    rest = gram_of(data) - part
    assert matrix(rest) == reference.gram(data, np.flatnonzero(~mask).tolist())
    assert rest.n_samples == m - mask.sum()


@settings(max_examples=examples(80), deadline=None)
@given(reference.datasets(), st.integers(1, 5), st.integers(0, 14), st.data())
def test_streams_and_merges(data, block, cut, draws):
    m, dx = data.X.shape
    with pytest.MonkeyPatch.context() as patch:
        # tiny blocks and windows reach every path that long streams reach
        patch.setattr(gram_module, "BLOCK", block)
        patch.setattr(gram_module, "MAX_ROWS", draws.draw(st.integers(1, 4)))
        patch.setattr(gram_module, "_FEW", draws.draw(st.integers(1, 3)))
        patch.setattr(digits_module, "_MAX_LABELS", draws.draw(st.sampled_from([8, 60, 512])))
        patch.setattr(digits_module, "_MAX_WINDOW", draws.draw(st.sampled_from([8, 60, 1024])))
        patch.setattr(digits_module, "_MAX_CALLS", draws.draw(st.integers(1, 3)))
        patch.setattr(digits_module, "_MAX_PLANS", draws.draw(st.integers(1, 3)))
        variant = draws.draw(st.integers(0, _gram.BEST_VARIANT))
        states = [GramState(dx, data.sample_weight is not None, variant=variant) for _ in range(2)]
        for state, rows in zip(states, (slice(0, cut), slice(cut, m)), strict=True):
            weight = None if data.sample_weight is None else data.sample_weight[rows]
            state.update(data.X[rows], data.y[rows], weight)
        alone = matrix(states[1].result())
        states[0].merge(states[1])
        assert matrix(states[1].result()) == alone
        merged = states[0].result()
        assert matrix(merged) == reference.gram(data)
    # entries and units, not only values: blocks, merges and instruction sets leave no trace
    assert merged == gram_of(data)


@settings(max_examples=examples(40), deadline=None)
@given(reference.datasets(), st.sampled_from(["F", "strided", "reversed"]), st.data())
def test_memory_layout_and_order_of_rows_leave_no_trace(data, layout, draws):
    m = len(data.y)
    order = draws.draw(st.permutations(range(m))) if layout == "reversed" else list(range(m))
    X, y, weight = data.X[order], data.y[order], data.sample_weight
    weight = None if weight is None else weight[order]
    if layout == "F":
        X = np.asfortranarray(X)
    if layout == "strided":
        X, y = np.repeat(X, 2, axis=0)[::2], np.repeat(y, 2)[::2]
    state = GramState(X.shape[1], weight is not None)
    state.update(X, y, weight)
    assert state.result() == gram_of(data)


@pytest.mark.parametrize("scale", [1e150, 1e-150, 1e-308, 5e-324, 1e300])
@pytest.mark.parametrize("weighted", [False, True])
def test_scales_at_the_ends_of_float64(scale, weighted):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(70, 2)) * [scale, 1.0], rng.normal(size=70) * scale
    weight = rng.random(70) * min(scale, 1e300) + 5e-324 if weighted else None
    data = reference.dataset(X, y, weight)
    assert matrix(gram_of(data)) == reference.gram(data)


def test_one_wild_number_sends_few_rows_to_python_integers(monkeypatch):
    rng = np.random.default_rng(4)
    data = reference.dataset(rng.normal(size=(5000, 1)), rng.normal(size=5000))
    data.X[1234, 0] = 5e-324
    slow = []
    products = gram_module._integer_products
    monkeypatch.setattr(
        gram_module, "_integer_products", lambda n, w: slow.append(len(n[0])) or products(n, w)
    )
    gram = gram_of(data)
    assert 0 < sum(slow) <= gram_module._FEW
    x = data.X[:, 0].tolist()
    assert gram.value(0, 1) == sum(map(Fraction, x))
    assert gram.value(1, 1) == sum(Fraction(v) ** 2 for v in x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (8, 1), (40, 2)])
def test_numbers_that_are_not_finite_are_refused(bad, row, column):
    table = np.ones((41, 3))
    table[row, column] = bad
    with pytest.raises(DataError, match=["X\\[:, 0\\]", "X\\[:, 1\\]", "in y"][column]):
        GramState(2).update(table[:, :2], table[:, 2])


def test_a_weighted_column_that_falls_silent_after_a_change_of_grid(monkeypatch):
    # block by block: a column gets slices, then is zero while another column forces a grid of its own
    monkeypatch.setattr(gram_module, "BLOCK", 1)
    data = reference.dataset([[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]], [0.0, 1e-40, 1e300], [1.0, 3.0, 1e-300])
    state = GramState(2, weighted=True)
    state.update(data.X, data.y, data.sample_weight)
    assert matrix(state.result()) == reference.gram(data)


@pytest.mark.parametrize("weighted", [False, True])
def test_largest_slices_in_a_full_block_stay_exact(weighted):
    # every slice at its largest: 4,096 products of 2**20 (2**21 with weights) and 2**20
    m = 4096 * 2
    value = float(2**53 - 1)
    weight = np.full(m, value) if weighted else None
    data = reference.dataset(np.full((m, 1), value), np.full(m, -value), weight)
    w = Fraction(value) if weighted else 1
    gram = gram_of(data)
    assert gram.value(1, 1) == m * w * Fraction(value) ** 2
    assert gram.value(1, 2) == -gram.value(1, 1)
    assert gram.value(0, 1) == m * w * Fraction(value)


def test_long_streams_do_not_overflow_the_gathered_sums():
    # 2,100 blocks of 2**52 each would pass 2**63
    value = float(2**53 - 1)
    X, y = np.full((4096, 1), value), np.full(4096, value)
    state = GramState(1)
    for _ in range(2100):
        state.update(X, y)
    gram = state.result()
    assert gram.value(1, 2) == 2100 * 4096 * Fraction(value) ** 2
    assert gram.n_samples == 2100 * 4096


@pytest.mark.parametrize("kind", ["plain", "float weights", "integer weights", "outliers"])
def test_many_blocks(kind):
    rng = np.random.default_rng(5)
    m = 3 * 4096 + 17
    X, y = rng.normal(size=(m, 2)), rng.normal(size=m)
    weight = None
    if kind == "float weights":
        weight = rng.random(m) + 1e-3
    if kind == "integer weights":
        weight = rng.integers(1, 9, m).astype(float)
    if kind == "outliers":
        X[5, 0], X[5000, 1], y[9000] = 1e290, 5e-324, 1e40
    data = reference.dataset(X, y, weight)
    # integer sums on one grid: the plainest exact reference that is fast enough for this size
    big = 1100
    columns = [np.array([int(Fraction(v) * 2**big) for v in c.tolist()], dtype=object) for c in (*X.T, y)]
    ones = np.full(m, 2**big, dtype=object)
    w = (
        ones
        if weight is None
        else np.array([int(Fraction(v) * 2**big) for v in weight.tolist()], dtype=object)
    )
    gram = gram_of(data)
    for a, p in enumerate((ones, *columns)):
        for b, q in enumerate((ones, *columns)):
            assert gram.value(a, b) == Fraction(int((p * q * w).sum()), 2 ** (3 * big))


@settings(max_examples=examples(60), deadline=None)
@given(reference.datasets(), st.data())
def test_quadratic_form(data, draws):
    n = data.X.shape[1] + 2
    small = st.fractions(-5, 5, max_denominator=7)
    c = draws.draw(st.lists(small, min_size=n, max_size=n))
    G = reference.gram(data)
    product = [sum(g * v for g, v in zip(row, c, strict=True)) for row in G]
    gram = gram_of(data)
    assert gram.quadratic(c) == sum(a * b for a, b in zip(c, product, strict=True))
    assert gram.total_weight == G[0][0]


def test_weights_must_match_the_state():
    with pytest.raises(ValueError, match="weighted"):
        GramState(1, weighted=True).update(np.ones((2, 1)), np.ones(2))
