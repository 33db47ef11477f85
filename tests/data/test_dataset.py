"""Dataset: every source gives the same exact numbers, or a named error."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastminima.data.dataset import Dataset
from fastminima.errors import DataError, DataTypeError, FastMinimaError, TooLargeError
from profiles import examples

RNG = np.random.default_rng(7)
X = RNG.normal(size=(6, 3))
Y = RNG.normal(size=6)


def bits(array):
    return np.ascontiguousarray(array).view(np.uint64).tolist()


def exact_value(data, row, column):
    """The datum, from `exact` where there is one."""
    if data.exact is not None:
        return data.exact.value(row, column)
    column = data.n_features if column == -1 else column
    return Fraction(float(data.y[row] if column == data.n_features else data.X[row, column]))


# --- arrays ---------------------------------------------------------------------------------------------


def test_contiguous_float64_is_not_copied_and_not_modified():
    x, y = X.copy(), Y.copy()
    data = Dataset(x, y)
    assert np.shares_memory(data.X, x)
    assert np.shares_memory(data.y, y)
    assert x.flags.writeable
    assert y.flags.writeable
    assert not data.X.flags.writeable
    assert not data.y.flags.writeable
    assert (x == X).all()
    assert (y == Y).all()
    with pytest.raises(ValueError, match="read-only"):
        data.X[0, 0] = 1.0


def unaligned(a):
    raw = np.zeros(a.nbytes + 1, dtype=np.uint8)
    result = np.ndarray(a.shape, np.float64, buffer=raw, offset=1)
    assert not result.flags.aligned
    result[...] = a
    return result


def strided(a):
    wide = np.full((2 * a.shape[0], 3 * a.shape[1]), np.nan)
    wide[::2, ::3] = a
    return wide[::2, ::3]


def readonly(a):
    b = a.copy()
    b.flags.writeable = False
    return b


@pytest.mark.parametrize(
    "layout",
    [
        np.asfortranarray,
        strided,
        unaligned,
        readonly,
        lambda a: a[::-1].copy()[::-1],
        lambda a: a[:, ::-1].copy()[:, ::-1],
        lambda a: a.astype(">f8"),
        lambda a: a.astype("<f8"),
        lambda a: np.ma.array(a),
        lambda a: np.ma.array(a, mask=np.zeros(a.shape, bool)),
        lambda a: a.tolist(),
        list,
        lambda a: tuple(map(tuple, a.tolist())),
    ],
)
def test_layouts_give_the_same_bits(layout):
    values = X.copy()
    values[0, 0], values[1, 1], values[2, 2] = -0.0, 5e-324, 1.7e308
    data = Dataset(layout(values), Y)
    assert bits(data.X) == bits(values)
    assert data.X.flags.c_contiguous
    assert data.X.flags.aligned
    assert data.X.dtype == np.float64
    assert data.X.dtype.isnative
    assert (data.meaning, data.exact, data.notes) == ("binary", None, ())


def test_memory_map(tmp_path):
    np.save(tmp_path / "x.npy", X)
    data = Dataset(np.load(tmp_path / "x.npy", mmap_mode="r"), Y)
    assert bits(data.X) == bits(X)


def test_minus_zero_equals_zero():
    data = Dataset([[-0.0], [0.0]], [0.0, -0.0])
    assert (data.X == 0).all()
    assert exact_value(data, 0, 0) == exact_value(data, 1, 0) == 0


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4", ">f4"]
)
def test_small_types_convert_exactly(dtype):
    values = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    if values.dtype.kind == "f":
        values = (values / 3).astype(dtype)
    data = Dataset(values, values[:, 0])
    assert data.meaning == "binary"
    assert data.exact is None
    for (row, column), value in np.ndenumerate(values):
        assert data.X[row, column] == value.item()


@given(
    hnp.arrays(np.int64, (3, 2), elements=st.integers(-(2**63), 2**63 - 1))
    | hnp.arrays(np.uint64, (3, 2), elements=st.integers(0, 2**64 - 1))
)
def test_wide_integers_are_exact(values):
    data = Dataset(values, values[:, 0])
    lossless = all(int(float(v)) == v for v in values.ravel().tolist())
    assert (data.exact is None) == lossless
    assert (data.meaning == "binary") == lossless
    for (row, column), value in np.ndenumerate(values):
        assert exact_value(data, row, column) == int(value)
        assert data.X[row, column] == float(int(value))


@pytest.mark.parametrize(
    ("value", "lossless"),
    [
        (2**53, True),
        (2**53 + 1, False),
        (-(2**53) - 1, False),
        (-(2**53) - 2, True),
        (-(2**63), True),
        (2**63 - 1, False),
        (2**62, True),
        (2**62 + 1024, True),
        (2**62 + 512, False),
    ],
)
def test_integer_edges(value, lossless):
    data = Dataset(np.array([[value], [0]]), [0, 1])
    assert (data.exact is None) is lossless
    if not lossless:
        assert data.notes == ("X column 0: 1 of 2 values are not float64 numbers, the view rounds them",)
        assert data.exact.value(0, 0) == value


def test_large_integers_in_lists_are_not_rounded_unnoticed():
    # numpy makes each of these float64 (the mix with a float, and the signed beside the unsigned)
    data = Dataset([[2**53 + 1, 0.5], [3, 0.25]], [2**63 + 1, -1])
    assert data.meaning == "rational"
    assert [exact_value(data, 0, c) for c in (0, 1, -1)] == [2**53 + 1, Fraction(1, 2), 2**63 + 1]
    assert exact_value(data, 1, -1) == -1
    assert Dataset([[1e300, 2], [3, 0.1]], [0, 1]).meaning == "binary"


numbers = st.one_of(
    st.integers(-(10**30), 10**30),
    st.fractions(),
    st.booleans(),
    st.decimals(allow_nan=False, allow_infinity=False, places=3),
)


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=5))
def test_objects_are_exact(rows):
    table = np.empty((len(rows), 2), dtype=object)
    table[:] = [row[:2] for row in rows]
    data = Dataset(table, [row[2] for row in rows])
    for i, row in enumerate(rows):
        for j in range(3):
            column = j if j < 2 else -1
            assert exact_value(data, i, column) == Fraction(row[j])
            view = data.y[i] if j == 2 else data.X[i, j]
            assert view == float(Fraction(row[j]))
    lossless = all(Fraction(float(Fraction(v))) == Fraction(v) for row in rows for v in row)
    assert (data.exact is None) == lossless == (data.meaning == "binary")
    if data.exact is not None:
        for column, scale in zip(data.exact.numerators, data.exact.scales, strict=True):
            assert all(type(v) is int for v in column)
            assert isinstance(scale, Fraction)
            assert scale > 0


@given(hnp.arrays(np.float64, (4, 2), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_float_columns_beside_exact_ones(values):
    data = Dataset(values, [Fraction(1, 3), 0, 0, 0])
    assert len(data.exact.numerators) == len(data.exact.scales) == 3
    for (row, column), value in np.ndenumerate(values):
        assert data.exact.value(row, column) == Fraction(float(value))
    assert data.exact.value(0, -1) == Fraction(1, 3)


def test_notes_name_what_float64_loses():
    data = Dataset([[Fraction(1, 10**400)], [1]], [10**400, -(10**400)], target_name="price")
    assert data.notes == (
        "X column 0 underflows float64: view is 0 in 1 of 2 rows",
        "y ('price') overflows float64: view is inf in 2 of 2 rows",
    )
    assert data.y.tolist() == [float("inf"), float("-inf")]
    assert data.X[0, 0] == 0.0
    assert data.exact.value(0, 0) == Fraction(1, 10**400)
    assert data.exact.value(1, -1) == -(10**400)


def test_decimal_exponents_are_bounded():
    assert exact_value(Dataset([[Decimal("1E-400")]], [Decimal("0E-99999999")]), 0, 0) == Fraction(1, 10**400)
    with pytest.raises(DataError, match=r"y holds 1E\+99999999 in row 1"):
        Dataset([[0], [1]], [0, Decimal("1E+99999999")])


def test_common_denominator_is_estimated_before_it_is_built(monkeypatch):
    monkeypatch.setattr("fastminima.data.exact_columns.available_bytes", lambda: 2**14)
    data = Dataset(np.arange(50.0)[:, None], [Fraction(1, 2**i * 3) for i in range(50)])
    monkeypatch.setattr("fastminima.data.exact_columns.available_bytes", lambda: 2**10)
    with pytest.raises(TooLargeError, match="one exact column of 50 rows"):
        _ = data.exact
    monkeypatch.setattr("fastminima.data.exact_columns.available_bytes", lambda: 2**20)
    assert data.exact is not None


# --- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 17_000, 39_999])
def test_first_bad_value_is_named(bad, row):
    x = np.zeros((40_000, 3))
    x[row, 2] = x[row:, 1] = bad
    with pytest.raises(DataError, match=rf"X column 1 is {bad} in row {row} \(counting from 0\)"):
        Dataset(x, np.zeros(40_000))
    with pytest.raises(DataError, match=rf"X column 1 \('b'\) is {bad} in row {row} "):
        Dataset(pd.DataFrame(x, columns=["a", "b", "c"]), np.zeros(40_000))
    with pytest.raises(DataError, match=rf"y is {bad} in row {row} "):
        Dataset(np.zeros((40_000, 1)), x[:, 2])
    with pytest.raises(DataError, match=rf"sample_weight is {bad} in row {row} "):
        Dataset(np.zeros((40_000, 1)), np.zeros(40_000), sample_weight=x[:, 2])


def test_finite_values_whose_sum_overflows_are_accepted():
    big = np.full((5, 2), 1.7e308)
    assert Dataset(big, big[:, 0]).n_samples == 5
    mixed = np.array([[1.7e308, 1.7e308], [-1.7e308, -1.7e308]] * 4)
    assert bits(Dataset(mixed, mixed[:, 0]).X) == bits(mixed)
    mixed[5, 1] = np.nan
    with pytest.raises(DataError, match="column 1 is nan in row 5"):
        Dataset(mixed, mixed[:, 0])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.empty((0, 3)), np.empty(0), r"X has no rows \(shape \(0, 3\)\)"),
        ([], [], r"2-D .* got shape \(0,\)"),
        (X, Y[:5], "X has 6 rows and y has 5"),
        (X[:, 0], Y, r"2-D .* got shape \(6,\); for one feature pass X.reshape\(-1, 1\)"),
        (X[None], Y, r"2-D .* got shape \(1, 6, 3\)"),
        (3.0, Y, r"2-D .* got shape \(\)"),
        (X, np.zeros((6, 2, 1)), r"y must have shape \(m,\) or \(m, dy\) with dy >= 1, got \(6, 2, 1\)"),
        (X, np.zeros((6, 0)), r"y must have shape"),
        (X, 1.0, r"y must have shape .* got \(\)"),
        (X, pd.DataFrame({"a": [1.0], "b": [2]}), "X has 6 rows and y has 1"),
        (X, pd.DataFrame({"a": [1] * 6}).iloc[:, :0], "y must have at least one column, got 0"),
        (X, pl.DataFrame(), "y must have at least one column, got 0"),
        (pd.Series(Y), Y, r"2-D .* got a Series; for one feature pass X.to_numpy\(\).reshape\(-1, 1\)"),
        (pl.Series(Y), Y, "got a Series"),
        (pa.array(Y), Y, "got a DoubleArray"),
        ([[1.0, 2.0], [3.0]], [1, 2], "cannot be read as an array"),
        (np.array([[Decimal("NaN")]], dtype=object), [0], "X column 0 is NaN in row 0"),
        ([[Decimal("Infinity")]], [0], "X column 0 is Infinity in row 0"),
        ([[0, 2**70], [float("nan"), 1]], [0, 0], "X column 0 is nan in row 1"),
    ],
)
def test_shapes_and_values_refused(x, y, message):
    with pytest.raises(DataError, match=message) as caught:
        Dataset(x, y)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FastMinimaError)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X.astype(np.longdouble), "long double"),
        (X.astype(complex), "complex128"),
        ([[1j], [2j]], "complex128"),
        ([["1"], ["2"]], "<U1"),
        ([[1, "a"]], "<U"),
        ([[b"1"]], "S1"),
        (np.array([["a"]], dtype=np.dtypes.StringDType()), "StringDType"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), "datetime64"),
        (np.array([[3]], dtype="m8[s]"), "timedelta64"),
        ([[date(2020, 1, 1)]], r"X column 0 .*\(date\) in row 0"),
        ([[1], [None]], r"None \(NoneType\) in row 1"),
        (np.array([[1, 2], [3, 0.5]], dtype=object), r"X column 1 .* 0.5 \(float\) in row 1"),
        (np.array([[1, "x"]], dtype=object), r"X column 1 .* 'x' \(str\) in row 0"),
        (np.array([[Fraction(1, 2), 1j]], dtype=object), r"\(complex\) in row 0"),
        (scipy.sparse.eye(3, format="csr"), r"sparse matrix; pass X.toarray\(\)"),
        (scipy.sparse.coo_array(np.eye(3)), "sparse matrix"),
        (np.ma.array([[1.0, 2.0]], mask=[[False, True]]), "masked values"),
        (None, "got NoneType"),
        ("data.csv", "use fastminima.read"),
        ({"a": [1.0]}, "got dict"),
        (object(), "object"),
        (
            pd.DataFrame({"a": [1.0], "b": ["x"], "c": [pd.Timestamp(0)]}),
            r"not numeric: 'b' \(str\), 'c' \(date",
        ),
        (pd.DataFrame({"a": [1.0], "b": pd.Categorical([1])}), r"not numeric: 'b' \(category\)"),
        (pd.DataFrame({"a": pd.arrays.SparseArray([0.0, 1.0])}), r"not numeric: 'a' \(Sparse"),
        (pd.DataFrame({"a": [1j]}), r"not numeric: 'a' \(complex128\)"),
        (
            pd.DataFrame({"a": np.array([1, "x"], dtype=object), "b": np.array([None, 2], dtype=object)}),
            r"not numeric: 'a' \(row 1 holds 'x', str\), 'b' \(row 0 holds None, NoneType\)",
        ),
        (pl.DataFrame({"a": [1.0], "b": ["x"], "c": [date(2020, 1, 1)]}), r"'b' \(String\), 'c' \(Date\)"),
        (pl.DataFrame({"a": [1.0]}).lazy(), r"call .collect\(\)"),
        (pa.table({"a": [1.0], "b": ["x"], "c": [[1]]}), r"'b' \(string\), 'c' \(list"),
    ],
)
def test_types_refused(x, message):
    with pytest.raises(DataTypeError, match=message) as caught:
        Dataset(x, [0.0])
    assert isinstance(caught.value, TypeError)


def test_types_of_y_and_weights_refused():
    with pytest.raises(DataTypeError, match="y has dtype complex128"):
        Dataset(X, Y.astype(complex))
    with pytest.raises(DataTypeError, match="sample_weight has dtype <U1"):
        Dataset(X, Y, sample_weight=["1"] * 6)


# --- frames ---------------------------------------------------------------------------------------------

COLUMNS = {"f": [0.1, -2.0, 3e300], "i": [1, -2, 2**53 + 1], "b": [True, False, True]}
FRAMES = {
    "pandas": pd.DataFrame(COLUMNS),
    "pandas nullable": pd.DataFrame(COLUMNS).convert_dtypes(),
    "pandas arrow": pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
    "polars": pl.DataFrame(COLUMNS),
    "pyarrow": pa.table(COLUMNS),
    "record batch": pa.RecordBatch.from_pydict(COLUMNS),
    "chunked": pa.concat_tables([pa.table(COLUMNS).slice(0, 1), pa.table(COLUMNS).slice(1)]),
    "structured": np.array(
        list(zip(*COLUMNS.values(), strict=True)), dtype=[("f", "f8"), ("i", ">i8"), ("b", "?")]
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_frames(kind):
    data = Dataset(FRAMES[kind], [1, 2, 3])
    assert data.feature_names == ("f", "i", "b")
    assert data.X.tolist() == [[0.1, 1.0, 1.0], [-2.0, -2.0, 0.0], [3e300, 2.0**53, 1.0]]
    assert data.X.flags.c_contiguous
    assert data.meaning == "rational"
    assert data.exact.value(2, 1) == 2**53 + 1
    assert data.exact.value(0, 0) == Fraction(0.1)
    assert "('i')" in data.notes[0]
    assert Dataset(FRAMES[kind], [1, 2, 3], feature_names=list("xyz")).feature_names == (
        "x",
        "y",
        "z",
    )


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"d": [Decimal("0.1"), Decimal("2.5")]}),
        pd.DataFrame(
            {"d": pd.array([Decimal("0.1"), Decimal("2.5")], dtype=pd.ArrowDtype(pa.decimal128(9, 2)))}
        ),
        pl.DataFrame({"d": [Decimal("0.1"), Decimal("2.5")]}),
        pa.table({"d": pa.array([Decimal("0.1"), Decimal("2.5")])}),
    ],
)
def test_decimal_columns_are_exact(frame):
    data = Dataset(frame, [0, 1])
    assert data.meaning == "rational"
    assert data.exact.value(0, 0) == Fraction(1, 10)
    assert data.exact.value(1, 0) == Fraction(5, 2)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"f": [0.5, 1.5], "i": pd.array([1, None], dtype="Int64")}),
        pd.DataFrame({"f": [0.5, 1.5], "i": pd.array([1.0, None], dtype="float64[pyarrow]")}),
        pl.DataFrame({"f": [0.5, 1.5], "i": [1, None]}),
        pa.table({"f": [0.5, 1.5], "i": [1, None]}),
    ],
)
def test_missing_values_in_frames_are_named(frame):
    with pytest.raises(DataError, match=r"X column 1 \('i'\) has no value in row 1"):
        Dataset(frame, [0, 1])


@pytest.mark.parametrize(
    ("y", "name"),
    [
        (pd.Series([1.0, 2.0], name="t"), "t"),
        (pd.Series([1.0, 2.0]), None),
        (pd.Index([1.0, 2.0], name="t"), "t"),
        (pd.DataFrame({"t": [1.0, 2.0]}), "t"),
        (pl.Series("t", [1.0, 2.0]), "t"),
        (pl.Series([1.0, 2.0]), None),
        (pl.DataFrame({"t": [1.0, 2.0]}), "t"),
        (pa.table({"t": [1.0, 2.0]}), "t"),
        (pa.array([1.0, 2.0]), None),
        (pa.chunked_array([[1.0], [2.0]]), None),
        ([[1.0], [2.0]], None),
        (np.array([[1.0], [2.0]]), None),
    ],
)
def test_targets(y, name):
    data = Dataset([[0.0], [1.0]], y)
    assert data.y.tolist() == [1.0, 2.0]
    assert data.y.shape == (2,)
    assert data.target_name == name
    assert Dataset([[0.0], [1.0]], y, target_name="other").target_name == "other"


def test_pandas_frame_without_names_and_without_copy():
    assert Dataset(pd.DataFrame(X), Y).feature_names is None
    frame = pd.DataFrame(X.copy(), columns=list("abc"), copy=False)
    assert np.shares_memory(Dataset(frame, Y).X, frame.to_numpy())


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a"], "1 names, but there are 3"), ("abc", "single string"), (3, "must be a sequence")],
)
def test_bad_feature_names(names, message):
    with pytest.raises(DataError, match=message):
        Dataset(X, Y, feature_names=names)


# --- weights --------------------------------------------------------------------------------------------


def test_weights():
    w = np.array([1.0, 0.0, 2.5, 0.0, 1.0, 1.0])
    data = Dataset(X, Y, sample_weight=w)
    keep = [0, 2, 4, 5]
    assert data.n_dropped == 2
    assert bits(data.X) == bits(X[keep])
    assert bits(data.y) == bits(Y[keep])
    assert data.sample_weight.tolist() == [1.0, 2.5, 1.0, 1.0]
    assert w.tolist() == [1.0, 0.0, 2.5, 0.0, 1.0, 1.0]
    ones = Dataset(X, Y, sample_weight=np.ones(6, dtype=np.int8))
    assert ones.sample_weight is None
    assert Dataset(X, Y, sample_weight=[2] * 6).sample_weight.tolist() == [2.0] * 6


def test_weights_drop_exact_rows_too():
    data = Dataset([[1], [2], [3]], [Fraction(1, 3), Fraction(1, 7), 5], sample_weight=[0, 1, 2])
    assert data.exact.value(0, -1) == Fraction(1, 7)
    assert data.notes == ("y: 1 of 2 values are not float64 numbers, the view rounds them",)
    only = Dataset([[1], [2], [3]], [Fraction(1, 3), 2, 5], sample_weight=[0, 1, 2])
    assert (only.exact, only.meaning, only.notes) == (None, "binary", ())


@pytest.mark.parametrize(
    ("w", "message"),
    [
        ([1, 1, 1, -0.5, 1, 1], r"sample_weight is -0.5 in row 3"),
        ([0] * 6, "0 in every row"),
        ([-0.0] * 6, "0 in every row"),
        ([1] * 5, "X has 6 rows and sample_weight has 5"),
        ([1, Fraction(1, 3), 1, 1, 1, 1], r"sample_weight is 1/3 in row 1 .* not a float64"),
        ([1, 1, 1, 1, 1, 2**53 + 1], r"sample_weight is 9007199254740993 in row 5"),
        ([1, 1, 1, 1, 1, 10**5000], r"an integer of thousands of digits in row 5"),
        (np.ones((6, 2)), "sample_weight must have shape"),
    ],
)
def test_bad_weights(w, message):
    with pytest.raises(DataError, match=message):
        Dataset(X, Y, sample_weight=w)


# --- the object -----------------------------------------------------------------------------------------


def test_no_features():
    data = Dataset(np.empty((4, 0)), np.arange(4))
    assert (data.n_samples, data.n_features) == (4, 0)
    assert [x.shape for x, _, _ in data.blocks(3)] == [(3, 0), (1, 0)]
    assert Dataset(np.empty((1, 0)), [Fraction(1, 3)]).exact.value(0, -1) == Fraction(1, 3)
    assert Dataset(pd.DataFrame(index=range(4)), np.arange(4)).n_samples == 4


@pytest.mark.parametrize("rows", [1, 4, 5, 6, 7, 4096])
def test_blocks(rows):
    w = np.arange(1.0, 7.0)
    data = Dataset(X, Y, sample_weight=w)
    parts = list(data.blocks(rows))
    assert all(len(x) == len(y) == len(v) <= rows for x, y, v in parts)
    assert np.array_equal(np.concatenate([x for x, _, _ in parts]), X)
    assert np.array_equal(np.concatenate([y for _, y, _ in parts]), Y)
    assert np.array_equal(np.concatenate([v for _, _, v in parts]), w)
    assert all(np.shares_memory(x, X) for x, _, _ in parts)
    assert all(v is None for _, _, v in Dataset(X, Y).blocks(rows))
    with pytest.raises(DataError, match="rows must be at least 1"):
        next(data.blocks(0))


@pytest.mark.parametrize(
    "index",
    [
        [3, 1, 1],
        np.array([-1]),
        slice(1, 6, 2),
        [True, False, True, False, False, True],
        slice(None, None, -1),
    ],
)
def test_take(index):
    w = np.arange(1.0, 7.0)
    data = Dataset(X, Y, sample_weight=w, feature_names=list("abc"), target_name="t", accuracy="exact")
    part = data.take(index)
    rows = index if isinstance(index, slice) else np.asarray(index)
    assert bits(part.X) == bits(X[rows])
    assert bits(part.y) == bits(Y[rows])
    assert part.sample_weight.tolist() == w[rows].tolist()
    assert (part.feature_names, part.target_name, part.accuracy) == (("a", "b", "c"), "t", "exact")
    assert part.X.flags.c_contiguous
    assert not part.X.flags.writeable


def test_take_keeps_exact_values_and_forgets_old_ones():
    data = Dataset([[2**53 + 1], [3], [4]], [Fraction(1, 3), 1, 2])
    assert data.exact.value(0, 0) == 2**53 + 1
    part = data.take([2, 0])
    assert [part.exact.value(i, 0) for i in range(2)] == [4, 2**53 + 1]
    assert part.exact.value(1, -1) == Fraction(1, 3)
    plain = data.take([1, 2])
    assert (plain.exact, plain.notes) == (None, ())
    assert data.exact.value(0, 0) == 2**53 + 1


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([], "no rows"),
        ([False] * 6, "no rows"),
        ([6], "out of bounds"),
        ([True], "6 rows"),
        ([0.5], "float64"),
        ([[1]], r"\(1, 1\)"),
        (slice(0, 0), "no rows"),
    ],
)
def test_bad_take(index, message):
    with pytest.raises(DataError, match=message):
        Dataset(X, Y).take(index)


def test_frozen_identity_and_repr():
    data = Dataset(X, Y, target_name="t", sample_weight=[0, 2, 1, 1, 1, 1], accuracy="exact")
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.X = X
    assert data == data
    assert data != Dataset(X, Y)
    assert len({data, data}) == 1
    assert repr(data) == (
        "Dataset(5 samples x 3 features, target 't', weighted, 1 rows of weight 0 dropped, accuracy exact)"
    )
    assert repr(Dataset(X, [Fraction(1, 3)] * 6)) == "Dataset(6 samples x 3 features, rational)"
    with pytest.raises(DataError, match="accuracy must be"):
        Dataset(X, Y, accuracy="high")


@pytest.mark.parametrize("through", [lambda d: pickle.loads(pickle.dumps(d)), copy.deepcopy])
def test_pickle(through):
    data = Dataset(
        [[1, 2], [3, 2**60 + 1]], [Fraction(1, 3), 2], sample_weight=[1, 2], feature_names=["a", "b"]
    )
    _ = data.exact
    other = through(data)
    assert bits(other.X) == bits(data.X)
    assert bits(other.y) == bits(data.y)
    assert other.sample_weight.tolist() == [1.0, 2.0]
    assert not other.X.flags.writeable
    assert not other.y.flags.writeable
    assert not other.sample_weight.flags.writeable
    assert other.exact.value(0, -1) == Fraction(1, 3)
    assert other.exact.value(1, 1) == 2**60 + 1
    assert (other.meaning, other.notes, other.feature_names) == (data.meaning, data.notes, ("a", "b"))


@settings(max_examples=examples(60))
@given(
    hnp.arrays(
        st.sampled_from(["f2", "f4", "f8", "i4", "u1", "?"]),
        st.tuples(st.integers(1, 5), st.integers(0, 4)),
        elements=None,
    )
)
def test_any_array_is_exact_or_refused(values):
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        with pytest.raises(DataError, match=rf"X column {column} is -?(nan|inf) in row {row} "):
            Dataset(values, np.zeros(len(values)))
        return
    data = Dataset(values, np.zeros(len(values)))
    assert data.X.tolist() == values.astype(float).tolist()
    assert [[Fraction(float(v)) for v in row] for row in values.tolist()] == [
        [exact_value(data, i, j) for j in range(values.shape[1])] for i in range(values.shape[0])
    ]
