"""What a scan does to values: missing ones, categories, weights, rounding."""

from __future__ import annotations

import pickle
from decimal import Decimal
from fractions import Fraction

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.data.sources import table_source as sources_table
from fastminima.errors import DataError, ReadError
from profiles import examples
from scan_tables import A, M, collected, joined, opened, read_all

HOLES = pd.DataFrame(
    {
        "a": [1.0, np.nan, 3.0, 4.0, 5.0],
        "n": pd.array([2**53 + 1, 2, None, 4, 5], dtype="Int64"),
        "colour": ["red", "blue", None, "red", "green"],
        "when": pd.date_range("2020-01-01", periods=5),
        "w": [1.0, 1.0, 1.0, 0.0, 2.0],
        "y": [1.0, 2.0, 3.0, 4.0, np.nan],
    }
)


def holes(tmp_path):
    HOLES.to_parquet(tmp_path / "h.parquet")
    HOLES.to_csv(tmp_path / "h.csv", index=False)
    yield HOLES
    yield pl.from_pandas(HOLES)
    yield pa.Table.from_pandas(HOLES)
    yield str(tmp_path / "h.parquet")
    yield str(tmp_path / "h.csv")


def test_rejected_columns_missing_rows_and_weights(tmp_path):
    for source in holes(tmp_path):
        prepared, X, y, w = read_all(source, tmp_path, "y", sample_weight="w", missing="drop")
        # row 1 lacks a, row 2 lacks n, row 3 has weight 0, row 4 lacks y
        assert (X.tolist(), y.tolist(), w.tolist()) == ([[1.0, 2.0**53]], [1.0], [1.0])
        assert prepared.n_rows == 5
        assert set(prepared.notes["rejected columns"]) == {"colour", "when"}
        assert prepared.notes["rows with missing values left out"] == 3
        assert prepared.notes["rows of weight 0 left out"] == 1
        # a CSV column of integers with a gap arrives as float64 numbers already
        rounded = prepared.notes.get("values rounded to float64", 0)
        assert rounded == (0 if str(source).endswith(".csv") else 1)
        copy = pickle.loads(
            pickle.dumps(opened(source, "y", sample_weight="w", missing="drop").prepare(str(tmp_path)))
        )
        collected(copy, 0, 2)
        first = dict(copy.counts)
        copy.counts.clear()
        collected(copy, 2, 5)
        copy.add_counts(first)
        assert copy.notes == prepared.notes


def test_a_missing_value_is_named(tmp_path):
    for source in holes(tmp_path):
        place = {True: "data row 2", False: "row 1 "}[isinstance(source, str)]
        with pytest.raises(DataError, match=rf"column 'a' has no value in {place}.*missing='drop'"):
            read_all(source, tmp_path, "y", features=["w", "a"])
        with pytest.raises(DataError, match="target column 'y' has no value in "):
            read_all(source, tmp_path, "y", features=["w"])
        with pytest.raises(DataError, match="sample_weight column 'n' has no value in "):
            read_all(source, tmp_path, "w", features=[], sample_weight="n")


def test_categories(tmp_path):
    for source in holes(tmp_path):
        prepared, X, _, _ = read_all(
            source, tmp_path, "w", features=["colour"], categories="onehot", missing="drop"
        )
        assert prepared.feature_names == ("colour=green", "colour=red")
        assert X.tolist() == [[0, 1], [0, 0], [0, 1], [1, 0]]
        assert prepared.notes["categories"] == {"colour": ["blue", "green", "red"]}
        assert prepared.notes["rows with missing values left out"] == 1
        with pytest.raises(DataError, match="column 'colour' has no value in "):
            read_all(source, tmp_path, "w", features=["colour"], categories="onehot")
        with pytest.raises(ReadError, match=r"'colour' \(.*\); categories='onehot' encodes text"):
            read_all(source, tmp_path, "w", features=["colour"])
        if not str(source).endswith(".csv"):  # where a date is a text like others
            with pytest.raises(ReadError, match=r"features that are not numeric: 'when' \("):
                read_all(source, tmp_path, "w", features=["when"], categories="onehot")


@given(
    st.lists(st.tuples(st.sampled_from("pqrs"), st.integers(-3, 3)), min_size=1, max_size=30),
    st.integers(1, 12),
)
@settings(max_examples=examples(40))
def test_encoded_categories_span_what_pandas_dummies_span(tmp_path_factory, rows, size):
    """[1, X] has the column space of all indicators, and full rank where they have."""
    frame = pd.DataFrame(rows, columns=["c", "y"])
    folder = tmp_path_factory.mktemp("levels")
    prepared = opened(frame, "y", features=["c"], categories="onehot").prepare(str(folder))
    X, y, _ = joined(collected(prepared, rows=size))
    full = pd.get_dummies(frame["c"]).sort_index(axis=1).to_numpy(dtype=float)
    np.testing.assert_array_equal(X, full[:, 1:])
    np.testing.assert_array_equal(y, frame["y"])
    ours = np.column_stack([np.ones(len(X)), X])
    assert (
        np.linalg.matrix_rank(ours) == ours.shape[1] == np.linalg.matrix_rank(np.column_stack([ours, full]))
    )


def test_identifiers_are_no_categories(tmp_path):
    frame = pd.DataFrame({"id": [f"k{i}" for i in range(300)], "y": range(300)})
    prepared, X, _, _ = read_all(pd.concat([frame, frame]), tmp_path, "y", categories="onehot")
    assert X.shape == (600, 0)
    assert prepared.notes["rejected columns"] == {"id": "more than 256 different texts, no category"}
    prepared, X, _, _ = read_all(frame[:9], tmp_path, "y", categories="onehot")
    assert X.shape == (9, 0)
    assert prepared.notes["rejected columns"] == {"id": "a different text in every row, no category"}
    prepared, X, _, _ = read_all(frame, tmp_path, "y", features=["id"], categories="onehot")
    assert X.shape == (300, 299)


def test_texts_that_do_not_vary(tmp_path, monkeypatch):
    """A constant has no column, so what it lacks costs no row; named, an empty column is an error."""
    frame = pd.DataFrame({"k": ["a", None, "a"], "e": pd.Series([None] * 3, dtype="str"), "y": [1.0, 2, 3]})
    prepared, X, _, _ = read_all(frame, tmp_path, "y", categories="onehot")
    assert X.shape == (3, 0)
    assert prepared.notes == {
        "rejected columns": {
            "e": "no text in any row, no category",
            "k": "the same text in every row, no category",
        }
    }
    assert read_all(frame, tmp_path, "y", features=["k"], categories="onehot")[1].shape == (3, 0)
    with pytest.raises(ReadError, match="column 'e' holds no text in any row"):
        read_all(frame, tmp_path, "y", features=["e"], categories="onehot")
    many = pd.DataFrame({"id": [f"k{i}" for i in range(300)], "y": range(300)})
    monkeypatch.setattr(sources_table, "_MANY_LEVELS", 200)
    with pytest.raises(ReadError, match="column 'id' holds more than 200 different texts"):
        read_all(many, tmp_path, "y", features=["id"], categories="onehot")


def test_texts_in_arrays_and_files(tmp_path):
    table = np.array([("u", 1.0), ("v", 2.0), ("", 3.0)], dtype=[("s", "U3"), ("y", "f8")])
    np.save(tmp_path / "s.npy", table)
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["t"] = table.astype([("s", h5py.string_dtype()), ("y", "f8")])
    for source in (table, str(tmp_path / "s.npy"), str(tmp_path / "s.h5")):
        assert opened(source).notes == {"rejected columns": {"s": "text"}}
        prepared, X, y, _ = read_all(source, tmp_path, features=["s"], categories="onehot", missing="drop")
        assert (prepared.feature_names, X.tolist(), y.tolist()) == (("s=v",), [[0.0], [1.0]], [1.0, 2.0])


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_values_are_errors_whatever_missing_says(tmp_path, bad):
    table = A.copy()
    table[7, 1] = bad
    np.save(tmp_path / "t.npy", table)
    for source, place in ((table, "row 7 "), (str(tmp_path / "t.npy"), "data row 8")):
        with pytest.raises(DataError, match=rf"column 'column 1' is -?inf in {place}"):
            read_all(source, tmp_path, missing="drop")


def test_negative_weights_are_errors(tmp_path):
    w = np.ones(M)
    w[500] = -1.0
    with pytest.raises(DataError, match=r"sample_weight is -1.0 in row 500 \(counting"):
        read_all((A[:, :3], A[:, 3], w), tmp_path)


def test_sums_that_overflow_are_finite_data(tmp_path):
    table = np.full((9, 3), 1.7e308)
    assert read_all(table, tmp_path)[1].tolist() == table[:, :2].tolist()


def test_numbers_that_float64_rounds_are_counted(tmp_path):
    table = np.array([[2**53 + 1, 1], [2**63 - 1, 2], [-(2**63), 3], [5, 2**60 + 1]])
    assert read_all(table, tmp_path)[0].notes == {"values rounded to float64": 3}
    wide = np.array([[2**64 - 1, 0], [2**63, 0]], dtype=np.uint64)
    assert read_all(wide, tmp_path)[0].notes == {"values rounded to float64": 1}
    exact = np.array([[Fraction(1, 3), 1], [Decimal("0.5"), 2]], dtype=object)
    prepared, X, _, _ = read_all(exact, tmp_path)
    assert (X.tolist(), prepared.notes) == ([[1 / 3], [0.5]], {"values rounded to float64": 1})
    (tmp_path / "t.csv").write_text(f"a,y\n{2**53 + 1},1\n{2**80},2\n")
    assert read_all(str(tmp_path / "t.csv"), tmp_path, "y")[0].notes == {"values rounded to float64": 1}
