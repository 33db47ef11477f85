"""The kernels of the exact pass against their twins: every instruction set, every remainder of their blockings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.kernels import _digest, _gram, _patterns, reference_digest, reference_gram, reference_patterns
from profiles import examples

VARIANTS = range(_gram.BEST_VARIANT + 1)
WILD = st.sampled_from([0.0, -0.0, 5e-324, -2.5e-310, 2.0**-1022, 1.0, -3.0, 0.1, 1e16, 1.7e308])


def test_variants_have_names():
    for kernel in (_gram, _digest, _patterns):
        assert len(kernel.VARIANTS) == kernel.BEST_VARIANT + 1


def run_columns(kernel, X, y, weight):
    out = np.full((X.shape[1] + 2 + (weight.size > 0), len(y) + 3), 7.0)
    kernel.columns_of(X, y, weight, out)
    return out


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dx", [0, 1, 5])
@pytest.mark.parametrize("m", [0, 1, 9])
def test_columns(m, dx, weighted):
    rng = np.random.default_rng(m + dx)
    X, y, weight = rng.normal(size=(m, dx)), rng.normal(size=m), rng.random(m if weighted else 0)
    expected, found = (run_columns(kernel, X, y, weight) for kernel in (reference_gram, _gram))
    assert found.tobytes() == expected.tobytes()


@settings(max_examples=examples(100), deadline=None)
@given(
    st.lists(st.one_of(WILD, st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=40),
    st.data(),
)
def test_ends_of_columns(values, data):
    begin = data.draw(st.integers(0, len(values) - 1))
    columns = np.array([values, [0.0] * len(values), values[::-1]])
    expected = np.empty(3), np.empty(3)
    reference_gram.column_ends(columns, begin, len(values), 0, *expected)
    for variant in VARIANTS:
        found = np.empty(3), np.empty(3)
        _gram.column_ends(columns, begin, len(values), variant, *found)
        assert found[0].tolist() == expected[0].tolist()
        assert found[1].tolist() == expected[1].tolist()


@pytest.mark.parametrize("place", range(19))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_ends_show_what_is_not_finite(place, bad):
    columns = np.ones((1, 19))
    columns[0, place] = bad
    peak, low = np.empty(1), np.empty(1)
    reference_gram.column_ends(columns, 0, 19, 0, peak, low)
    assert peak[0] == np.inf
    for variant in VARIANTS:
        peak[0] = 0.0
        _gram.column_ends(columns, 0, 19, variant, peak, low)
        assert peak[0] == np.inf


def products(kernel, columns, begin, end, weighted, depths, variant):
    """Sums of digit products with depths[c] digits for column c, one more on the weighted side."""
    n = len(depths)
    right = np.array(depths, dtype=np.int64)
    sides = []
    for depth, scale in ((right + (1 if weighted else 0), 2.0), (right, 2.0**23)):
        first = np.concatenate(([0], np.cumsum(depth)))
        owner = np.repeat(np.arange(n), depth)
        # places with a gap before every column: the window may be wider than the block's digits
        sides.append(
            (np.stack([np.full(n, scale), np.full(n, 0.5)]), first, np.arange(first[-1]) + owner, owner)
        )
    shape = tuple(int(side[1][-1]) + n for side in sides)
    high, low = np.full(shape, 3, dtype=np.int64), np.full(shape, 5, dtype=np.int64)
    labels = [len(side[2]) for side in sides]
    workspace = np.empty(_gram.workspace_items(variant, n, *labels, weighted))
    kernel.digit_products(
        columns,
        begin,
        end,
        weighted,
        np.array([2.0, 0.25]),
        *sides[0 if weighted else 1],
        *sides[1],
        variant,
        workspace,
        high,
        low,
    )
    return high, low


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_digit_products_at_every_remainder(variant, weighted):
    rng = np.random.default_rng(variant)
    lanes = (1, 2, 4, 8)[variant]
    panel = lanes * (16 if weighted else 32)
    for labels in range(1, 12):
        n = min(labels, 4)
        depths = [labels // n + (c < labels % n) for c in range(n)]
        # rows around one panel and one vector, and an unaligned start
        count = [1, lanes, lanes + 1, panel - 1, panel, panel + 1, 2 * panel + 3][labels % 7]
        bits = np.array([24 * d - 2 for d in depths])
        columns = rng.integers(-(2**20), 2**20, (n, count + 5)) * 2.0**-20
        columns *= rng.random((n, count + 5)) if min(depths) > 3 else 1.0
        columns = (
            np.round(columns * 2.0 ** np.minimum(bits, 50)[:, None]) / 2.0 ** np.minimum(bits, 50)[:, None]
        )
        if weighted:
            columns = np.vstack([columns, rng.integers(1, 2**20, count + 5) * 2.0**-20])
        expected = products(reference_gram, columns, 3, count + 3, weighted, depths, variant)
        found = products(_gram, columns, 3, count + 3, weighted, depths, variant)
        assert (found[0] == expected[0]).all()
        assert (found[1] == expected[1]).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_largest_digits_fill_a_panel_and_stay_exact(variant, weighted, sign):
    # ties go to even: the digits are 2^23, 2^23, -2^23, and every lane ends at +-2^51 (2^50 with weights)
    largest = (2.0**23 + 0.5 - 2.0**-25) * 2.0**-22
    count = 513
    columns = np.full((2 + weighted, count), largest)
    columns[1] *= sign
    if weighted:
        columns[2] = 2.0
    found = products(_gram, columns, 0, count, weighted, [3, 3], variant)
    expected = products(reference_gram, columns, 0, count, weighted, [3, 3], variant)
    assert (found[0] == expected[0]).all()
    assert (found[1] == expected[1]).all()
    # first digit of column 0 with the last of column 1
    assert (int(found[0][0, 6]) - 3) * 2**32 + int(found[1][0, 6]) - 5 == -sign * count * 2**46


def test_columns_without_digits_and_blocks_without_rows():
    columns = np.zeros((3, 8))
    high, low = products(_gram, columns, 0, 8, False, [0, 0, 0], _gram.BEST_VARIANT)
    assert (high == 3).all()
    assert (low == 5).all()
    high, low = products(_gram, columns, 4, 4, False, [1, 1, 1], _gram.BEST_VARIANT)
    assert (high == 3).all()
    assert (low == 5).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_digests_of_rows_of_every_length(variant):
    rng = np.random.default_rng(0)
    for k in (1, 2, 7, 8, 9, 15, 16, 17, 24, 25):
        for m in (1, 3, 15, 16, 17, 33):
            rows = rng.normal(size=(m, k))
            expected = np.arange(8, dtype=np.uint64)
            found = expected.copy()
            reference_digest.blake2s_sums(rows, 0, expected)
            _digest.blake2s_sums(rows, variant, found)
            assert (found == expected).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dx", [0, 3])
def test_packed_rows(dx, weighted):
    X = np.array([[-0.0] * dx, [5e-324] * dx, [-1.5] * dx]).reshape(3, dx)
    y, weight = np.array([-0.0, 2.0, -5e-324]), np.array([1.0, 0.5, 2.0])[: 3 * weighted]
    out = [np.empty((3, dx + 1 + weighted)) for _ in range(2)]
    reference_digest.packed_rows(X, y, weight, out[0])
    _digest.packed_rows(X, y, weight, out[1])
    assert out[0].tobytes() == out[1].tobytes()
    assert not np.signbit(out[1][0]).any()


def filtered(kernel, columns, count, W1, b1, variant, dx):
    units, width = len(b1), columns.shape[1]
    z, error = np.zeros((units, width)), np.zeros((units, width))
    kernel.preactivations(
        columns, count, W1, b1, (dx + 3) * 2.0**-53, np.full(units, 2.0**-1070), variant, z, error
    )
    lower, upper = np.zeros(width), np.zeros(width)
    kernel.quotients(columns, count, dx, z, error, 1, units, (dx + 8) * 2.0**-53, variant, lower, upper)
    return z, error, lower, upper


@settings(max_examples=examples(60), deadline=None)
@given(
    st.integers(0, 3),
    st.integers(2, 4),
    st.sampled_from([0, 1, 7, 9, 127, 128, 129, 260]),
    st.booleans(),
    st.data(),
)
def test_preactivations_and_quotients(dx, units, count, wild, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    columns = rng.normal(size=(dx + 2, count + 4))
    W1, b1 = rng.normal(size=(units, dx)), rng.normal(size=units)
    if wild:
        columns[rng.random(columns.shape) < 0.2] = data.draw(WILD)
        W1[rng.random(W1.shape) < 0.3] = data.draw(WILD)
    expected = filtered(reference_patterns, columns, count, W1, b1, 0, dx)
    for variant in VARIANTS:
        found = filtered(_patterns, columns, count, W1, b1, variant, dx)
        for a, b in zip(expected, found, strict=True):
            assert a.tolist() == b.tolist()


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(1, 130), st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_keys_and_groups(units, count, kinds, seed):
    rng = np.random.default_rng(seed)
    # few kinds of rows, or every row of its own kind
    source = rng.integers(-1, 2, (units + 1, kinds)).astype(float)
    z = np.ascontiguousarray(source[:, rng.integers(0, kinds, count + 2)])
    error = rng.integers(0, 2, z.shape) * 0.5
    chosen = np.sort(rng.choice(units + 1, units, replace=False)).astype(np.int64)
    columns = rng.normal(size=(3, count + 2))
    answers = []
    for kernel in (reference_patterns, _patterns):
        keys = np.full((-(-units // 64), count + 1), 9, dtype=np.uint64)
        doubtful = np.zeros(count, dtype=np.uint8)
        kernel.sign_keys(z, error, count, chosen, keys, doubtful)
        table = np.empty(1 << (2 * count).bit_length(), dtype=np.int32)
        ids, order = np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.int32)
        first, counts, ends = (np.zeros(count, dtype=np.int64) for _ in range(3))
        found = kernel.equal_keys(keys, count, table, ids, first, counts)
        out = np.zeros((3, count + 5))
        kernel.grouped_columns(columns, count, ids, counts, found, ends, order, out)
        arrays = (keys, doubtful, ids, first[:found], counts[:found], ends[:found], order, out)
        answers.append([found, *(a.tolist() for a in arrays)])
    assert answers[0] == answers[1]
