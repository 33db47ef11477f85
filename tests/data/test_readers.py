"""Readers: every kind of file gives the dataset it holds, or an error that says where it went wrong."""

from __future__ import annotations

import gzip
import io
import sys
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastminima.data.csv_text as csv_module
from fastminima.data.demos import DEMOS, load_demo
from fastminima.data.read import read
from fastminima.errors import (
    FastMinimaError,
    MissingDependencyError,
    MissingFileError,
    ReadError,
    TargetError,
)
from profiles import examples

FRAME = pd.DataFrame(
    {"age": [1.5, 2.5, 3.5], "height": [1, 2, 3], "price": [0.1, 0.2, 0.3], "weight": [1.0, 0.0, 2.0]}
)


@pytest.fixture
def table(tmp_path):
    """The same table in every form, by suffix."""
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    FRAME.to_csv(tmp_path / "t.csv.gz", index=False)
    FRAME.to_csv(tmp_path / "t.TSV", index=False, sep="\t")
    FRAME.to_csv(tmp_path / "t.tsv.gz", index=False, sep="\t")
    FRAME.to_parquet(tmp_path / "t.parquet")
    np.save(tmp_path / "t.npy", FRAME.to_records(index=False))
    return tmp_path


def write(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


TABLES = ["t.csv", "t.csv.gz", "t.TSV", "t.tsv.gz", "t.parquet", "t.npy"]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("target", ["price", 2, "2", -2, "-2", " 2 "])
def test_tables(table, name, target):
    data = read(table / name, target)
    assert data.X.tolist() == FRAME[["age", "height", "weight"]].to_numpy().tolist()
    assert data.y.tolist() == [0.1, 0.2, 0.3]
    assert data.feature_names == ("age", "height", "weight")
    assert data.target_name == "price"
    assert (data.meaning, data.exact, data.notes) == ("binary", None, ())


@pytest.mark.parametrize("name", TABLES)
def test_features_and_weights(table, name):
    data = read(str(table / name), "price", features=["height", 0], sample_weight="weight", accuracy="exact")
    assert data.X.tolist() == [[1, 1.5], [3, 3.5]]
    assert data.feature_names == ("height", "age")
    assert data.sample_weight.tolist() == [1.0, 2.0]
    assert data.n_dropped == 1
    assert data.accuracy == "exact"
    assert read(table / name, "price", sample_weight="weight").feature_names == ("age", "height")
    assert read(table / name, "price", features=[]).X.shape == (3, 0)
    assert read(table / name, "price", features=["age", "age"]).X.tolist() == [
        [1.5] * 2,
        [2.5] * 2,
        [3.5] * 2,
    ]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("Prise", r"has no target column 'Prise'; did you mean 'price'\?"),
        ("HEIGHT", r"did you mean 'height'"),
        ("zzzz", r"columns: 'age', 'height', 'price', 'weight'"),
        (4, r"no target column 4; the 4 columns have positions 0 to 3"),
        ("-5", r"no target column '-5'; the 4 columns"),
    ],
)
def test_missing_target(table, name, target, message):
    with pytest.raises(TargetError, match=message):
        read(table / name, target)


def test_target_must_be_given_where_columns_have_names(table):
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(
            TargetError, match=r"Pass target=...; columns: 'age', 'height', 'price', 'weight'"
        ):
            read(table / name)


@pytest.mark.parametrize("name", TABLES)
def test_bad_selections(table, name):
    with pytest.raises(ReadError, match=r"no feature column 'hight'; did you mean 'height'"):
        read(table / name, "price", features=["hight"])
    with pytest.raises(ReadError, match=r"no sample_weight column 'w'"):
        read(table / name, "price", sample_weight="w")
    with pytest.raises(ReadError, match="sequence of columns"):
        read(table / name, "price", features="age")
    with pytest.raises(TargetError, match="'price' is the target"):
        read(table / name, "price", features=["age", "price"])
    with pytest.raises(ReadError, match="both target and sample_weight"):
        read(table / name, "price", sample_weight="price")
    with pytest.raises(ReadError, match="meaning must be"):
        read(table / name, "price", meaning="hex")


def test_a_name_wins_over_a_position(tmp_path):
    path = write(tmp_path, "1,0,a\n10,20,30\n")
    assert read(path, "0", header=True).y.tolist() == [20.0]
    assert read(path, 0, header=True).y.tolist() == [10.0]
    assert read(path, "2", header=True).y.tolist() == [30.0]


# --- CSV: numbers ---------------------------------------------------------------------------------------


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40)
        | st.floats(allow_nan=False, allow_infinity=False).map(repr).map(Decimal),
        min_size=1,
        max_size=20,
    )
)
def test_csv_numbers_are_correctly_rounded_or_exact(tmp_path, numbers):
    texts = [str(number) for number in numbers]
    path = write(tmp_path, "x,y\n" + "".join(f"{t},{t}\n" for t in texts))
    binary = read(path, "y")
    if binary.exact is None:
        assert binary.y.tolist() == [float(t) for t in texts]
    else:  # a column of integers stays one
        assert [binary.exact.value(i, -1) for i in range(len(texts))] == [Fraction(t) for t in texts]
    decimal = read(path, "y", meaning="decimal")
    assert decimal.meaning == "decimal"
    for i, text in enumerate(texts):
        value = Fraction(decimal.y[i]) if decimal.exact is None else decimal.exact.value(i, -1)
        assert value == Fraction(text)
        assert decimal.y[i] == float(text)


def test_decimal_meaning(tmp_path):
    path = write(tmp_path, "x,y\n0.1,1\n 2.5e-3 ,0.5\n")
    data = read(path, "y", meaning="decimal")
    assert data.exact.value(0, 0) == Fraction(1, 10)
    assert data.exact.value(1, 0) == Fraction(1, 400)
    assert "X column 0 ('x'): 2 of 2 values are not float64" in data.notes[0]
    assert read(path, "y").exact is None
    whole = read(write(tmp_path, "x,y\n1,2\n", "whole.csv"), "y", meaning="decimal")
    assert (whole.meaning, whole.exact) == ("decimal", None)
    with pytest.raises(ReadError, match=r"sample_weight is 0.1 in row 0"):
        read(path, "y", features=[], sample_weight="x", meaning="decimal")


@pytest.mark.parametrize("meaning", ["binary", "decimal"])
def test_large_integers_in_csv_are_exact(tmp_path, meaning):
    values = [2**53 + 1, 2**64 - 1, -7, 10**40]
    long = read(write(tmp_path, f"x,y\n1{'0' * 5000},1\n2,3\n", "long.csv"), "y", meaning=meaning)
    assert long.exact.value(0, 0) == 10**5000
    for rows in (values, values[:2], values[:3], values[2:]):
        path = write(tmp_path, "x,y\n" + "".join(f"{v},{i}\n" for i, v in enumerate(rows)))
        data = read(path, "y", meaning=meaning)
        assert [data.exact.value(i, 0) for i in range(len(rows))] == rows


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_chunks_do_not_change_the_data(tmp_path, monkeypatch, chunk):
    texts = {
        "wide": ["9007199254740993", "-1", "18446744073709551615", "4"],
        "huge": ["1", "1180591620717411303424", "3", "4"],
        "mixed": ["9007199254740993", "0.5", "1180591620717411303424", "4"],
        "flag": ["True", "False", "True", "True"],
    }
    frame = pd.DataFrame({**texts, "y": ["1", "2", "3", "4"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for meaning in ("binary", "decimal"):
        features = ["wide", "huge", "mixed", *(["flag"] if meaning == "binary" else [])]
        monkeypatch.setattr(csv_module, "_CHUNK_ROWS", 100)
        whole = read(tmp_path / "t.csv", "y", features=features, meaning=meaning)
        monkeypatch.setattr(csv_module, "_CHUNK_ROWS", chunk)
        data = read(tmp_path / "t.csv", "y", features=features, meaning=meaning)
        assert data.X.tolist() == whole.X.tolist()
        assert [data.exact.value(i, 0) for i in range(4)] == [int(t) for t in texts["wide"]]
        assert [data.exact.value(i, 1) for i in range(4)] == [int(t) for t in texts["huge"]]
        assert data.notes == whole.notes
        exact = [Fraction(t) if meaning == "decimal" else Fraction(float(t)) for t in texts["mixed"]]
        assert [data.exact.value(i, 2) for i in range(4)] == exact
    mixed = write(tmp_path, "x,y\nTrue,1\nFalse,2\nTrue,3\n5,4\n")
    with pytest.raises(ReadError, match=r"mixes True/False with numbers|holds the text"):
        read(mixed, "y")


def test_byte_order_mark_blank_lines_quotes_and_spaces(tmp_path):
    path = write(tmp_path, '\ufeff\n"a, b" , y\r\n\r\n"1" , 2\r\n \r\n3,4\r\n\r\n')
    data = read(path, "y")
    assert data.feature_names == ("a, b",)
    assert data.X.tolist() == [[1.0], [3.0]]
    for meaning in ("binary", "decimal"):
        path = write(tmp_path, "x,y,\n1,2,\n3,4,\n")
        assert read(path, "y", meaning=meaning).X.tolist() == [[1.0], [3.0]]
        with pytest.raises(ReadError, match="column 2 holds values but has no name"):
            read(write(tmp_path, "x,y,\n1,2,\n3,4,5\n"), "y", meaning=meaning)


def test_a_stored_row_index_is_noted(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv")
    data = read(tmp_path / "t.csv", "price")
    assert data.feature_names == ("", "age", "height", "weight")
    assert "column 0 has no name" in data.notes[0]
    assert read(tmp_path / "t.csv", "price", features=["age"]).X.tolist() == [[1.5], [2.5], [3.5]]


# --- CSV: trouble ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("meaning", ["binary", "decimal"])
@pytest.mark.parametrize("chunk", [1, 100])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n3,4\nabc,5\n", r"column 'x' holds the text 'abc' in data row 3 \(line 4 of the file\)"),
        (
            "x,y\n\n1,2\n\n3,4\n3,5 kg\n",
            r"column 'y' holds the text '5 kg' in data row 3 \(line 6 of the file\)",
        ),
        ('x,z,y\n1,"a\nb",2\nq,c,4\n', r"column 'x' holds the text 'q' in data row 2 \(line 4 of the file\)"),
        ("x,y\n1,2\n3,\n", r"column 'y' has no value in data row 2 \(line 3 of the file\)"),
        ("x,y\n1,2\n3\n", r"column 'y' has no value in data row 2 \(line 3 of the file\)"),
        ("x,y\n1,2\nNA,3\n", r"column 'x' has no value in data row 2 \(line 3"),
        ("x,y\n1,2\nnan,3\n", r"column 'x' has no value in data row 2 \(line 3"),
        ("x,y\n1,2\n1_0,3\n", r"column 'x' holds the text '1_0' in data row 2"),
        ("x,y\n1,2\n0x10,3\n", r"column 'x' holds the text '0x10' in data row 2"),
        ("x,y\n1,2\n1,3,4\n", r"damaged or truncated: Expected 2 fields in line 3, saw 3"),
        ('x,y\n1,2\n1,"3\n', r"damaged or truncated"),
        ("x,y\n1,2,3\n", r"rows have more fields than the first line|Expected 2 fields"),
        ("x,y\n", r"no data rows"),
        ("\n\n", r"is empty"),
        ("", r"is empty"),
        ("x,x,y\n1,2,3\n", r"more than one column called 'x'"),
        ("0.5,1\n2,3\n", r"first line holds numbers \('0.5', '1'\), not column names"),
        ("1,1\n2,3\n", r"first line holds numbers"),
        ("x;y\n1;2\n", r"one column, 'x;y'; a comma must separate"),
    ],
)
def test_csv_trouble(tmp_path, monkeypatch, text, message, chunk, meaning):
    monkeypatch.setattr(csv_module, "_CHUNK_ROWS", chunk)
    features = ["x"] if "x,z" in text else None
    for name, content in (("t.csv", text), ("t.csv.gz", gzip.compress(text.encode()))):
        with pytest.raises(ReadError, match=message) as caught:
            read(
                write(tmp_path, content, name), "y" if "y" in text else 0, features=features, meaning=meaning
            )
        assert isinstance(caught.value, FastMinimaError)


def test_long_rows_are_refused_without_a_warning_filter(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ReadError, match="rows have more fields than the first line"):
            read(write(tmp_path, "x,y\n1,2,3\n4,5,6\n"), "y")


def test_text_columns_are_named_together(tmp_path):
    path = write(tmp_path, "city,x,day,y\nRome,1,2020-01-01,2\nOslo,3,2020-01-02,4\n")
    for meaning in ("binary", "decimal"):
        with pytest.raises(ReadError, match=r"columns 'city', 'day' hold text.*features=\['x'\]"):
            read(path, "y", meaning=meaning)
        assert read(path, "y", features=["x"], meaning=meaning).X.tolist() == [[1.0], [3.0]]
        with pytest.raises(ReadError, match=r"column 'city' holds the text 'Rome' in data row 1"):
            read(path, "city", features=["x"], meaning=meaning)


def test_infinite_text(tmp_path):
    with pytest.raises(ReadError, match=r"t.csv: X column 0 \('x'\) is inf in row 1"):
        read(write(tmp_path, "x,y\n1,2\ninf,3\n"), "y")
    with pytest.raises(ReadError, match=r"X column 0 \('x'\) is inf in row 1"):
        read(write(tmp_path, "x,y\n1.5,2\n1e400,3\n"), "y")
    with pytest.raises(ReadError, match=r"holds the text 'inf' in data row 2"):
        read(write(tmp_path, "x,y\n1,2\ninf,3\n"), "y", meaning="decimal")
    assert read(write(tmp_path, "x,y\n1,2\n1e400,3\n"), "y", meaning="decimal").exact.value(1, 0) == 10**400
    with pytest.raises(ReadError, match="exponents of"):
        read(write(tmp_path, "x,y\n1,2\n1e400000000,3\n"), "y", meaning="decimal")


def test_integer_column_names_are_noted(tmp_path):
    data = read(write(tmp_path, "1,2\n3,4\n"), 1, header=True)
    assert data.notes == ("the first line, '1', '2', was read as column names",)


# --- files that are not what they say -------------------------------------------------------------------


def contents():
    npy, npz, parquet = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, np.eye(3))
    np.savez(npz, X=np.eye(3), y=np.ones(3))
    FRAME.to_parquet(parquet)
    return {
        ".npy": npy.getvalue(),
        ".npz": npz.getvalue(),
        ".parquet": parquet.getvalue(),
        ".csv": b"x,y\n1,2\n",
        ".csv.gz": gzip.compress(b"x,y\n1,2\n"),
    }


SUFFIXES = [".csv", ".tsv", ".csv.gz", ".npy", ".npz", ".parquet"]


@pytest.mark.parametrize(
    ("suffix", "inside"),
    [(s, i) for s in SUFFIXES for i in (*SUFFIXES, "junk") if i != ".tsv" and s.replace("tsv", "csv") != i],
)
def test_content_must_fit_the_suffix(tmp_path, suffix, inside):
    junk = bytes(range(255, 0, -1)) + b"\0\1\2"
    path = write(tmp_path, contents().get(inside, junk), "file" + suffix)
    with pytest.raises(ReadError, match=rf"as its suffix {suffix} says"):
        read(path, 0)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".csv.gz"])
def test_truncated_files(tmp_path, suffix):
    whole = contents()[suffix]
    for size in {8, len(whole) // 2, len(whole) - 5}:
        with pytest.raises(ReadError, match=r"damaged|truncated|empty"):
            read(write(tmp_path, whole[:size], "file" + suffix), 0)
    with pytest.raises(ReadError, match="is empty"):
        read(write(tmp_path, b"", "file" + suffix), 0)


@pytest.mark.parametrize("meaning", ["binary", "decimal"])
def test_text_encodings(tmp_path, meaning):
    with pytest.raises(ReadError, match="UTF-16 text"):
        read(write(tmp_path, "x,y\n1,2\n".encode("utf-16")), "y")
    for text in ("prix,°\n1,2\n", "x,y\n" + "1,2\n" * 70_000 + "°,2\n"):
        with pytest.raises(ReadError, match=r"not UTF-8 text .*save it as UTF-8"):
            read(write(tmp_path, text.encode("latin-1")), 1, meaning=meaning)


def test_missing_file_folder_and_suffix(table):
    with pytest.raises(MissingFileError, match=r"there is no file .*/tt.csv; did you mean 't.csv'") as caught:
        read(table / "tt.csv", "price")
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, ReadError)
    with pytest.raises(MissingFileError, match=r"the folder .*/no does not exist"):
        read(table / "no" / "t.csv", "price")
    with pytest.raises(ReadError, match="is a folder"):
        read(table, "price")
    with pytest.raises(ReadError, match="cannot read"):
        read(table / "t.csv" / "x.csv", "price")
    with pytest.raises(ReadError, match=r"unknown suffix; expected one of .csv"):
        read(write(table, "x,y\n1,2\n", "t.txt"), "y")


@pytest.mark.parametrize(("name", "module"), [("t.csv", "pandas"), ("t.parquet", "pyarrow")])
def test_missing_packages_are_named(table, monkeypatch, name, module):
    for loaded in [key for key in sys.modules if key.partition(".")[0] == module]:
        monkeypatch.setitem(sys.modules, loaded, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fastminima\[tables\]'") as caught:
        read(table / name, "price")
    assert isinstance(caught.value, ImportError)


# --- NumPy files ----------------------------------------------------------------------------------------


def test_npy_defaults_to_the_last_column(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    for stored in (array, np.asfortranarray(array), array.astype(">f4"), array.astype(np.int64)):
        np.save(tmp_path / "a.npy", stored)
        data = read(tmp_path / "a.npy")
        assert data.X.tolist() == array[:, :3].tolist()
        assert data.y.tolist() == array[:, 3].tolist()
        assert data.feature_names is data.target_name is None
        assert read(tmp_path / "a.npy", 0).X.tolist() == array[:, 1:].tolist()
        assert read(tmp_path / "a.npy", "1").X.tolist() == array[:, [0, 2, 3]].tolist()
        data = read(tmp_path / "a.npy", 0, features=[2, 1], sample_weight=-1)
        assert data.X.tolist() == array[:, [2, 1]].tolist()
        assert data.sample_weight.tolist() == array[:, 3].tolist()
        with pytest.raises(TargetError, match="columns have no names"):
            read(tmp_path / "a.npy", "price")
        with pytest.raises(TargetError, match="positions 0 to 3"):
            read(tmp_path / "a.npy", 4)


def test_npy_structured_without_target(table):
    assert read(table / "t.npy").target_name == "weight"


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(3.0), r"shape \(3,\); expected 2-D"),
        (np.zeros((2, 2, 2)), "expected 2-D"),
        (np.zeros((2, 0)), "a target column is needed"),
        (np.zeros((0, 2)), r"X has no rows"),
        (np.array([[1.0, np.nan]]), "y is nan in row 0"),
        (np.array([["a", "b"]]), "dtype <U1"),
        (np.array([[1, Fraction(1, 3)]], dtype=object), "damaged or holds Python objects"),
        (np.zeros((2, 2), dtype=[("a", "f8")]), "structured array of shape"),
    ],
)
def test_bad_npy(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ReadError, match=message):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(3, 3)", b"(3, 3 "),
        (b"'descr'", b"b'desc'"),
        (b"(3, 3)", b"(9, 9)"),
        (b"{'", b"\0'"),
        (b"f8", b"O8"),
    ],
)
def test_damaged_npy_headers(tmp_path, old, new):
    whole = contents()[".npy"]
    assert old in whole
    with pytest.raises(ReadError, match="is damaged or holds Python objects"):
        read(write(tmp_path, whole.replace(old, new), "a.npy"))
    python2 = whole.replace(b"(3, 3), ", b"(3L, 3),")
    assert read(write(tmp_path, python2, "b.npy")).y.tolist() == [0.0, 0.0, 1.0]


def test_npz(tmp_path):
    X, y, w = np.arange(6.0).reshape(3, 2), np.arange(3.0), np.array([1.0, 2.0, 3.0])
    np.savez(tmp_path / "a.npz", X=X, y=y, sample_weight=w, other=2 * w)
    data = read(tmp_path / "a.npz")
    assert data.X.tolist() == X.tolist()
    assert data.y.tolist() == y.tolist()
    assert data.sample_weight.tolist() == w.tolist()
    assert read(tmp_path / "a.npz", "y", sample_weight="other").sample_weight.tolist() == [2.0, 4.0, 6.0]
    assert read(tmp_path / "a.npz", features=[1]).X.tolist() == X[:, [1]].tolist()
    assert read(tmp_path / "a.npz", features=[-1, "0"]).X.tolist() == X[:, [1, 0]].tolist()
    with pytest.raises(ReadError, match="no feature column 2; the 2 columns have positions 0 to 1"):
        read(tmp_path / "a.npz", features=[2])
    with pytest.raises(TargetError, match="the target is y"):
        read(tmp_path / "a.npz", 0)
    with pytest.raises(ReadError, match="no array 'v' for sample_weight"):
        read(tmp_path / "a.npz", sample_weight="v")
    np.savez_compressed(tmp_path / "b.npz", X)
    assert read(tmp_path / "b.npz").y.tolist() == X[:, 1].tolist()
    np.savez(tmp_path / "c.npz", a=X, b=y)
    with pytest.raises(ReadError, match="holds the arrays 'a', 'b'; expected X and y"):
        read(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", X=np.array([[None]]), y=y)
    with pytest.raises(ReadError, match="damaged or holds Python objects"):
        read(tmp_path / "d.npz")
    with pytest.raises(ReadError, match=r"meaning='decimal' is for numbers written as text"):
        read(tmp_path / "a.npz", meaning="decimal")


# --- Parquet --------------------------------------------------------------------------------------------


def test_parquet_types(tmp_path):
    table = pa.table(
        {
            "flag": [True, False],
            "wide": [2**60 + 1, 3],
            "half": np.array([0.5, 1.5], np.float16),
            "money": pa.array([Decimal("0.10"), Decimal("7.25")]),
            "y": [1.0, 2.0],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=1)
    data = read(tmp_path / "t.parquet", "y")
    assert data.meaning == "rational"
    assert data.X.tolist() == [[1, 2.0**60, 0.5, 0.1], [0, 3, 1.5, 7.25]]
    assert data.exact.value(0, 1) == 2**60 + 1
    assert data.exact.value(0, 3) == Fraction(1, 10)


def test_parquet_trouble(tmp_path):
    pq.write_table(
        pa.table({"s": ["a"] * 9, "d": [None] * 9, "n": [1, None] * 4 + [3], "y": [1.0] * 9}),
        tmp_path / "t.parquet",
    )
    with pytest.raises(ReadError, match=r"not numeric: 's' \(string\), 'd' \(null\); .*features=\['n'\]"):
        read(tmp_path / "t.parquet", "y")
    with pytest.raises(ReadError, match=r"column 'n' has no value in data rows 2, 4, 6, 8; drop"):
        read(tmp_path / "t.parquet", "y", features=["n"])
    with pytest.raises(TargetError, match="target column 's' is string"):
        read(tmp_path / "t.parquet", "s", features=["n"])
    pq.write_table(
        pa.table({"x": pa.array([], pa.float64()), "y": pa.array([], pa.float64())}), tmp_path / "e.parquet"
    )
    with pytest.raises(ReadError, match="has no rows"):
        read(tmp_path / "e.parquet", "y")


def test_damaged_parquet_names(tmp_path):
    whole = contents()[".parquet"]
    for bad in (b"ag\xcc", b"ag\0"):
        with pytest.raises(ReadError, match=r"t\.parquet"):
            read(write(tmp_path, whole.replace(b"age", bad), "t.parquet"), "price", features=["age"])


def test_parquet_leaves_a_stored_index_out(tmp_path):
    FRAME.set_axis(["a", "b", "c"]).to_parquet(tmp_path / "t.parquet")
    FRAME.set_axis([5, 7, 9]).to_parquet(tmp_path / "u.parquet")
    for name in ("t", "u"):
        assert read(tmp_path / f"{name}.parquet", "price").feature_names == ("age", "height", "weight")
    assert read(tmp_path / "u.parquet", "price", features=["__index_level_0__"]).X.tolist() == [[5], [7], [9]]


# --- progress -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
def test_progress_is_silent_when_piped(table, name, capfd):
    read(table / name, "price", progress=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "[red]t.csv"])
def test_progress_on_a_terminal(table, name, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    (table / "t.csv").with_name("[red]t.csv").write_bytes((table / "t.csv").read_bytes())
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    data = read(table / name, "price", progress=True)
    assert data.n_samples == 3
    assert f"reading {name}" in screen.getvalue()
    monkeypatch.setattr(sys, "stderr", quiet := Terminal())
    read(table / name, "price")
    assert quiet.getvalue() == ""


# --- demos ----------------------------------------------------------------------------------------------


def test_diabetes():
    data = load_demo("diabetes")
    assert (data.n_samples, data.n_features) == (442, 10)
    assert data.feature_names[:3] == ("age", "sex", "bmi")
    # theory: the least-squares risk of this table
    A = np.column_stack([data.X, np.ones(442)])
    residual = A @ np.linalg.lstsq(A, data.y)[0] - data.y
    assert 0.5 * residual @ residual == pytest.approx(631992.8928, abs=1e-4)


@pytest.mark.parametrize("n", range(1, 13))
@pytest.mark.parametrize("kind", ["parity", "pmparity"])
def test_parity(kind, n):
    data = load_demo(f"{kind}{n}", accuracy="exact")
    assert data.X.shape == (2**n, n)
    assert len({tuple(row) for row in data.X.tolist()}) == 2**n
    bits = data.X if kind == "parity" else (1 - data.X) / 2
    assert set(data.X.ravel().tolist()) == ({0.0, 1.0} if kind == "parity" else {-1.0, 1.0})
    assert data.y.tolist() == (bits.sum(axis=1) % 2).tolist()
    assert data.accuracy == "exact"


def test_xor_and_unknown_demos():
    assert load_demo("xor").X.tolist() == load_demo("parity2").X.tolist()
    assert load_demo("xor").y.tolist() == [0, 1, 1, 0]
    assert len(DEMOS) == 26
    for name, near in (("diabetis", "diabetes"), ("parity13", "parity1"), ("zzz", "known: diabetes")):
        with pytest.raises(ReadError, match=near):
            load_demo(name)


def test_diabetes_is_that_of_scikit_learn_and_does_without_it(monkeypatch):
    theirs = pytest.importorskip("sklearn.datasets").load_diabetes()
    for loaded in [key for key in sys.modules if key.partition(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, loaded, None)
    data = load_demo("diabetes")
    assert data.X.shape == (442, 10)
    assert data.X.flags.c_contiguous
    assert data.X.tobytes() == theirs.data.tobytes()
    assert data.y.tobytes() == theirs.target.tobytes()
    assert list(data.feature_names) == theirs.feature_names
    assert data.target_name == "progression"


def test_reading_leaves_warning_filters_alone(table):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read(table / "t.csv", "price")
    assert caught == []
