"""Missing values and categories: `read`, `Dataset` and `scan` give the same table the same rows and columns."""

from __future__ import annotations

import gzip
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima import Dataset, read
from fastminima.data import csv_text
from fastminima.errors import DataError, DataTypeError, FastMinimaError, OptionError, ReadError, TargetError
from profiles import examples

FRAME = pd.DataFrame(
    {
        "area": [20.5, 31, None, 44.25, 18, 27, 39],
        "kind": ["flat", "house", "flat", None, "hut", "house", "flat"],
        "floor": [1, 2, 3, 1, 0, 2, 5],
        "day": pd.to_datetime(["2020-01-0" + str(i) for i in range(1, 8)]),
        "rent": [7.0, 9, 8, 12, 5, None, 11],
    }
)
ALL = {"missing": "drop", "categories": "onehot"}


@pytest.fixture
def files(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    FRAME.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    FRAME.to_parquet(tmp_path / "t.parquet")
    return tmp_path


def scanned(source, target, **options):
    (result,) = fm.scan(source, target=target, **options)
    assert result.error is None, result.error
    return result


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
@pytest.mark.parametrize("categories", ["onehot", "reject"])
def test_a_file_is_read_as_it_is_scanned(files, name, categories):
    # in text, days are texts that differ in every row: no category
    data = read(files / name, "rent", missing="drop", categories=categories)
    ours, theirs = (
        fm.spurious_minimum(data),
        scanned(files / name, "rent", missing="drop", categories=categories),
    )
    assert ours.risk == theirs.minimum.risk
    assert ours.fit.coef.tolist() == theirs.fit.coef.tolist()
    assert data.feature_names == theirs.fit.data.feature_names
    assert data.n_missing == theirs.notes["rows with missing values left out"]
    told = " ".join(data.notes)
    assert all(repr(column) in told for column in theirs.notes["rejected columns"])
    assert f"rows with missing values left out: {data.n_missing}" in data.notes
    assert f"{data.n_missing} rows with missing values left out" in repr(data)


def test_onehot_by_hand(files):
    data = read(files / "t.csv", "rent", **ALL)
    assert data.feature_names == ("area", "kind=house", "kind=hut", "floor")
    assert data.X.tolist() == [[20.5, 0, 0, 1], [31, 1, 0, 2], [18, 0, 1, 0], [39, 0, 0, 5]]
    assert data.y.tolist() == [7, 9, 5, 11]
    assert "categories: 'kind' (flat, house, hut)" in data.notes
    named = read(files / "t.csv", "rent", features=["kind", "floor"], **ALL)
    assert named.feature_names == ("kind=house", "kind=hut", "floor")
    with pytest.raises(ReadError, match="not numeric: 'day'"):
        read(files / "t.parquet", "rent", features=["day"], **ALL)


def test_the_same_of_frames_and_arrays():
    X, y = FRAME.drop(columns="rent"), FRAME["rent"]
    wanted = [[20.5, 0, 0, 1], [31, 1, 0, 2], [18, 0, 1, 0], [39, 0, 0, 5]]
    for convert in (lambda f: f, pl.from_pandas, pa.Table.from_pandas):
        data = Dataset(convert(X), y, **ALL)
        assert data.X.tolist() == wanted
        assert data.feature_names == ("area", "kind=house", "kind=hut", "floor")
        assert data.target_name == "rent"
        assert any("'day'" in note for note in data.notes)
    table = np.array([[1.5, np.nan], [2, 3], [4, 5]])
    data = Dataset(table, [1, 2, np.nan], sample_weight=[1, 2, 3], missing="drop")
    assert (data.X.tolist(), data.y.tolist(), data.sample_weight.tolist()) == ([[2, 3]], [2], [2])
    texts = np.array([["u", "1"], ["v", "1"], ["u", "2"]])
    assert Dataset(texts, [1, 2, 3], categories="onehot").feature_names == ("0=v", "1=2")
    with pytest.raises(DataTypeError, match="not numeric"):
        Dataset(X, y)
    with pytest.raises(DataError, match="no row is left"):
        Dataset([[np.nan], [1.0]], [1.0, np.nan], missing="drop")


def test_numbers_stay_exact_beside_what_is_missing(tmp_path, monkeypatch):
    big = 2**53 + 1
    path = tmp_path / "t.csv"
    path.write_text(f"a,b,y\n{big},0.1,1\n,2,2\n3,,3\n{-big},5,4\n")
    for rows in (1, 2, 100):
        monkeypatch.setattr(csv_text, "_CHUNK_ROWS", rows)
        data = read(path, "y", features=["a"], missing="drop")
        assert [data.exact.value(i, 0) for i in range(3)] == [big, 3, -big]
        decimal = read(path, "y", missing="drop", meaning="decimal")
        assert decimal.exact.value(0, 1) == Fraction(1, 10)
        assert decimal.n_samples == 2
    frame = pd.DataFrame({"a": pd.array([big, None, 3], "Int64"), "y": [1.0, 2, 3]})
    data = Dataset(frame[["a"]], frame["y"], missing="drop")
    assert [data.exact.value(i, 0) for i in range(2)] == [big, 3]
    pq.write_table(pa.table({"a": [big, None, 3], "y": [1.0, 2, 3]}), tmp_path / "t.parquet")
    data = read(tmp_path / "t.parquet", "y", missing="drop")
    assert [data.exact.value(i, 0) for i in range(2)] == [big, 3]
    mixed = Dataset([[Decimal("0.1")], [None], [Fraction(1, 3)]], [1, 2, 3], missing="drop")
    assert [mixed.exact.value(i, 0) for i in range(2)] == [Fraction(1, 10), Fraction(1, 3)]


def test_texts_keep_how_they_were_written(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("code,y\nA1,1\n007,2\n7,3\n007,4\nA1,5\n")
    for rows in (1, 2, 100):
        monkeypatch.setattr(csv_text, "_CHUNK_ROWS", rows)
        data = read(path, "y", categories="onehot")
        assert data.feature_names == ("code=7", "code=A1")
        assert data.X.tolist() == [[0, 1], [0, 0], [1, 0], [0, 0], [0, 1]]


def test_words_and_targets(files):
    for wrong in ({"missing": "skip"}, {"categories": "ordinal"}, {"missing": None}, {"categories": True}):
        with pytest.raises(OptionError, match="must be one of"):
            read(files / "t.csv", "rent", **wrong)
        with pytest.raises(OptionError, match="must be one of"):
            Dataset([[1.0]], [1.0], **wrong)
    for name in ("t.csv", "t.parquet"):
        with pytest.raises((ReadError, TargetError), match="'kind'"):
            read(files / name, "kind", features=["floor"], **ALL)
        with pytest.raises(ReadError, match="'kind'"):
            read(files / name, "rent", sample_weight="kind", features=["floor"], **ALL)
        with pytest.raises(ReadError, match=r"categories='(reject|onehot)'"):
            read(files / name, "rent", missing="drop")
        with pytest.raises(ReadError, match=r"no value in .*missing='drop' \(--missing drop\)"):
            read(files / name, "rent", features=["area"])


def test_columns_that_are_empty(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n1,,2\n2,NA,3\n4,,5\n")
    data = read(path, "y", missing="drop")
    assert data.feature_names == ("a",)
    assert data.notes == ("rejected columns: 'b' (empty in every row)",)
    for options in ({}, {"missing": "drop", "features": ["b"]}):
        with pytest.raises(ReadError, match="column 'b' has no value in data row 1"):
            read(path, "y", **options)
    (tmp_path / "u.csv").write_text("a,y\n1,\n,2\n")
    with pytest.raises(ReadError, match="no row is left"):
        read(tmp_path / "u.csv", "y", missing="drop")


CELL = st.sampled_from(["1", "2.5", "-3", "", "NA", "9007199254740993", "0", "1e3"])
TEXT = st.sampled_from(["u", "v", "w w", "", "NA"])


@settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(CELL, TEXT, CELL, CELL), min_size=2, max_size=12),
    st.sampled_from(["fail", "drop"]),
    st.sampled_from(["reject", "onehot"]),
)
def test_any_table_has_one_answer(tmp_path, rows, missing, categories):
    path = tmp_path / "t.csv.gz"
    text = "a,k,b,y\n" + "".join(",".join(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()))
    (theirs,) = fm.scan(path, target="y", missing=missing, categories=categories)
    try:
        data = read(path, "y", missing=missing, categories=categories)
    except FastMinimaError:
        assert theirs.error is not None
        return
    assert theirs.error is None, theirs.error
    their = theirs.fit.data
    assert data.feature_names == their.feature_names
    assert np.array_equal(data.X, their.X)
    assert np.array_equal(data.Y, their.Y)
