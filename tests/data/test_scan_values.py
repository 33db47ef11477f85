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
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.data import cleaning
from fastminima.data.sources import text as sources_text
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
        assert prepared.notes["values rounded to float64"] == 1
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
    monkeypatch.setattr(cleaning, "MANY_LEVELS", 200)
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


BIG = [2**53 + 1 + 2 * i for i in range(2000)]
ODD = len([number for number in BIG if int(float(number)) != number])


def with_big_integers(folder, extra):
    """A column of integers beyond 2^53 and whatever else, in every form that can hold it."""
    column = [*BIG, *extra]
    y = [float(i % 7) for i in range(len(column))]
    (folder / "b.csv").write_text(
        "t,y\n" + "".join(f"{'' if t is None else t},{v}\n" for t, v in zip(column, y, strict=True))
    )
    yield str(folder / "b.csv")
    objects = pd.DataFrame({"t": pd.Series(column, dtype=object), "y": y})
    yield objects
    yield np.column_stack([objects["t"].to_numpy(), np.array(y, dtype=object)])
    yield lambda: [(objects[["t"]][i : i + 300], y[i : i + 300]) for i in range(0, len(y), 300)]
    if not any(isinstance(value, float) for value in extra):
        table = pa.table({"t": pa.array(column, pa.int64()), "y": y})
        pq.write_table(table, folder / "b.parquet", row_group_size=333)
        yield table
        yield str(folder / "b.parquet")
        yield pl.DataFrame({"t": pl.Series(column, dtype=pl.Int64), "y": y})
        yield pd.DataFrame({"t": pd.array(column, dtype="Int64"), "y": y})
    if not extra:
        with h5py.File(folder / "b.h5", "w") as file:
            file["X"], file["y"] = np.array(column).reshape(-1, 1), y
        yield str(folder / "b.h5")


@pytest.mark.parametrize("extra", [[], [0.5], [None], [0.5, None, 2**70 + 1], [1e300, -(2**53) - 1]])
def test_rounded_integers_are_counted_wherever_they_are(tmp_path, monkeypatch, extra):
    """Beside a fraction or a gap, in any chunk and block: the same count."""
    more = sum(isinstance(value, int) for value in extra)
    assert ODD == 2000
    for cells in (1, 1 << 21):
        monkeypatch.setattr(sources_text, "_CHUNK_CELLS", cells)
        for source in with_big_integers(tmp_path, extra):
            held = isinstance(source, (str, np.ndarray)) or callable(source)
            named = (isinstance(source, str) and not source.endswith(".h5")) or not held
            prepared = opened(source, "y" if named else None, missing="drop").prepare(str(tmp_path))
            counts = set()
            before = prepared.notes.get("values rounded to float64", 0)
            for rows in (64, 1000, 5000):
                prepared.counts.clear()
                collected(prepared, rows=rows)
                counts.add(prepared.notes["values rounded to float64"])
            assert counts == {2000 + more}, (type(source), before)


def test_numbers_that_are_written_as_floats_are_not_counted(tmp_path):
    """1e23 is no float64 number, but its float64 is what a program wrote."""
    (tmp_path / "t.csv").write_text("a,y\n1e23,1\n0.1,2\n9007199254740993.5,0\n36028797018963968,4\n")
    prepared, X, _, _ = read_all(str(tmp_path / "t.csv"), tmp_path, "y")
    assert (X[:, 0].tolist(), prepared.notes) == ([1e23, 0.1, 9007199254740993.5, 2.0**55], {})
    (tmp_path / "t.csv").write_text("a,y\n1e23,1\ninf,2\n3,0\n")
    with pytest.raises(DataError, match="column 'a' is inf in data row 2"):
        read_all(str(tmp_path / "t.csv"), tmp_path, "y")
    (tmp_path / "t.csv").write_text("a,y\n1e23,1\n" + "7,2\n" * 2000 + "oops,2\n")
    with pytest.raises(ReadError, match="begins with numbers but holds the text 'oops' in data row 2002"):
        read_all(str(tmp_path / "t.csv"), tmp_path, "y")
