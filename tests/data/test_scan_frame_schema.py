"""What a frame says of its columns, an index or categories, holds in memory, in Arrow tables and in Parquet files alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fastminima as fm
from fastminima.errors import ReadError, TargetError
from scan_tables import opened, read_all

RNG = np.random.default_rng(11)
M = 24
PLAIN = pd.DataFrame({"a": RNG.normal(size=M), "b": RNG.normal(size=M), "y": RNG.normal(size=M)})


def as_everything(frame, folder, name="t"):
    frame.to_parquet(folder / f"{name}.parquet", row_group_size=7)
    return frame, pa.Table.from_pandas(frame), str(folder / f"{name}.parquet")


INDICES = {
    "named": pd.Index(RNG.permutation(M) * 10, name="id"),
    "unnamed": pd.Index(RNG.permutation(M) * 10),
    "several": pd.MultiIndex.from_arrays([np.arange(M) // 3, np.arange(M) ** 2], names=["id", None]),
    "range": pd.RangeIndex(0, 2 * M, 2, name="id"),
    "dates": pd.date_range("2024-01-01", periods=M, name="id"),
}


@pytest.mark.parametrize("kind", INDICES)
def test_an_index_is_no_input(tmp_path, kind):
    frame = PLAIN.set_index(INDICES[kind])
    want = fm.scan(PLAIN, "y")[0]
    for source in as_everything(frame, tmp_path):
        for target in ("y", 2, -1):  # a position counts the columns that are not the index
            (row,) = fm.scan(source, target)
            assert (row.fit.risk, row.minimum.radius) == (want.fit.risk, want.minimum.radius)
            if isinstance(source, str):
                data = fm.read(source, target)
                assert (data.feature_names, data.X.tolist()) == (
                    ("a", "b"),
                    PLAIN[["a", "b"]].to_numpy().tolist(),
                )
        prepared = opened(source, "y")
        assert prepared.feature_names == ("a", "b")
        left = prepared.notes.get("index columns left out", [])
        stored = {"named": ["id"], "unnamed": ["__index_level_0__"], "dates": ["id"]}
        stored["several"] = ["id", "__index_level_1__"]
        assert left == ([] if source is frame else stored.get(kind, []))


@pytest.mark.parametrize("kind", ["named", "several"])
def test_an_index_asked_for_by_name_is_a_column(tmp_path, kind):
    frame = PLAIN.set_index(INDICES[kind])
    numbers = frame.index.get_level_values("id").to_numpy(dtype=float)
    for source in as_everything(frame, tmp_path):
        prepared, X, y, _ = read_all(source, tmp_path, "y", features=["id", "b"])
        assert prepared.feature_names == ("id", "b")
        assert X.tolist() == np.column_stack([numbers, PLAIN["b"]]).tolist()
        assert "id" not in prepared.notes.get("index columns left out", [])
        _, X, y, _ = read_all(source, tmp_path, "id")
        assert (y.tolist(), X.shape) == (numbers.tolist(), (M, 3))
        assert read_all(source, tmp_path, "y", sample_weight="id", features=["a"])[3].tolist() == [
            n for n in numbers if n
        ]


def test_an_index_that_is_a_range_is_in_no_column(tmp_path):
    for source in as_everything(PLAIN.set_index(INDICES["range"]), tmp_path):
        with pytest.raises(ReadError, match=r"'id' is the index of the frame, a range .*reset_index"):
            opened(source, "y", features=["id"])
    with pytest.raises(TargetError, match="no target column 'other'"):
        opened(PLAIN.set_index(INDICES["named"]), "other")


def test_an_index_may_stand_anywhere_and_in_several_files(tmp_path):
    """Dask writes the index before the columns."""
    table = pa.Table.from_pandas(PLAIN.set_index(INDICES["named"]))
    first = table.select(["id", "a", "b", "y"])
    (tmp_path / "parts").mkdir()
    pq.write_table(first.slice(0, 10), tmp_path / "parts" / "0.parquet")
    pq.write_table(first.slice(10), tmp_path / "parts" / "1.parquet")
    for source in (first, str(tmp_path / "parts")):
        prepared, X, y, _ = read_all(source, tmp_path, 2, features=[0, 1])
        assert (prepared.feature_names, prepared.target_name) == (("a", "b"), "y")
        assert np.column_stack([X, y]).tolist() == PLAIN.to_numpy().tolist()
        assert read_all(source, tmp_path, "y", features=["id"])[1][:, 0].tolist() == list(INDICES["named"])
    X, y, _ = read_all((table.select(["a", "b", "id"]), PLAIN["y"]), tmp_path)[1:]
    assert X.tolist() == PLAIN[["a", "b"]].to_numpy().tolist()


def test_metadata_of_others_are_no_index(tmp_path):
    for said in (b"{", b"[]", b'{"index_columns": 3}', b'{"index_columns": [null, 4, {"kind": "range"}]}'):
        table = pa.Table.from_pandas(PLAIN).replace_schema_metadata({b"pandas": said})
        pq.write_table(table, tmp_path / "t.parquet")
        for source in (table, str(tmp_path / "t.parquet")):
            assert opened(source, "y").feature_names == ("a", "b")


# --- categories -------------------------------------------------------------------------------------------

CATEGORIES = {
    "integers": [7, 1, 10, 1, 7, 1],
    "floats": [0.5, 1.5, 0.5, 2.25, 1.5, 0.5],
    "texts": ["u", "v", "u", "w", "v", "u"],
    "booleans": [True, False, True, True, False, True],
}


def categorical(values, folder):
    rest = {"b": [1.0, 0.0, 4.0, 2.0, 6.0, 3.0], "y": [3.0, 0.0, 1.0, 2.0, 5.0, 4.0]}
    frame = pd.DataFrame({"a": pd.Categorical(values), **rest})
    table = pa.table({"a": pa.array(values).dictionary_encode(), **rest})
    frame.to_parquet(folder / "frame.parquet")
    frame.to_parquet(folder / "pages.parquet", row_group_size=2)
    yield frame
    yield pa.Table.from_pandas(frame)
    yield from (str(folder / f"{name}.parquet") for name in ("frame", "pages"))
    if isinstance(values[0], str):
        pq.write_table(table, folder / "table.parquet")
        yield table
        yield str(folder / "table.parquet")
        yield pl.DataFrame(rest).insert_column(0, pl.Series("a", values, dtype=pl.Categorical))
        levels = pl.Enum(sorted({value for value in values if value is not None}))
        yield pl.DataFrame(rest).insert_column(0, pl.Series("a", values, dtype=levels))
        yield pd.DataFrame({"a": pd.Series(values, dtype=object), **rest})


@pytest.mark.parametrize("kind", CATEGORIES)
def test_categories_are_categories_wherever_they_are(tmp_path, kind):
    values = CATEGORIES[kind]
    levels = sorted({str(value) for value in values})
    for source in categorical(values, tmp_path):
        prepared, X, _, _ = read_all(source, tmp_path, "y")
        assert (prepared.feature_names, X.shape) == (("b",), (6, 1))
        assert list(prepared.notes["rejected columns"]) == ["a"]
        with pytest.raises(
            ReadError, match=r"features that are not numeric: 'a' \((categories|text)\); categories="
        ):
            opened(source, "y", features=["a"])
        with pytest.raises(TargetError, match=r"target column 'a' is (categories|text), not numeric"):
            opened(source, "a")
        prepared, X, _, _ = read_all(source, tmp_path, "y", categories="onehot")
        assert prepared.feature_names == (*(f"a={level}" for level in levels[1:]), "b")
        want = [[float(str(value) == level) for level in levels[1:]] for value in values]
        assert X[:, :-1].tolist() == want
        assert prepared.notes == {"categories": {"a": levels}}
        if isinstance(source, str):
            assert fm.read(source, "y", categories="onehot").X.tolist() == X.tolist()
            assert fm.read(source, "y", categories="reject").feature_names == ("b",)
    risks = {
        fm.scan(source, "y", categories="onehot")[0].fit.risk for source in categorical(values, tmp_path)
    }
    assert len(risks) == 1


@pytest.mark.parametrize("options", [{}, {"categories": "onehot"}])
def test_a_dictionary_of_numbers_is_how_they_are_stored(tmp_path, options):
    """Parquet stores it as numbers; in memory it is the same."""
    for values in ([7, 1, 10, 1, 7, 1], [0.5, 1.5, 0.5, 2.25, 1.5, 0.5]):
        plain = pa.table({"a": values, "y": [3.0, 0.0, 1.0, 2.0, 5.0, 4.0]})
        table = plain.set_column(0, "a", plain["a"].dictionary_encode())
        pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
        want = fm.scan(plain, "y")[0]
        for source in (table, table.to_batches()[0], str(tmp_path / "t.parquet")):
            (row,) = fm.scan(source, "y", **options)
            assert (row.fit.risk, row.notes) == (want.fit.risk, want.notes)


def test_what_categories_lack_is_missing(tmp_path):
    values = ["p", None, "", "q", "q", "p"]
    for source in categorical(values, tmp_path):
        prepared, X, _, _ = read_all(
            source, tmp_path, "y", features=["a"], categories="onehot", missing="drop"
        )
        assert (prepared.feature_names, X.tolist()) == (("a=q",), [[0.0], [1.0], [1.0], [0.0]])
        assert prepared.notes["rows with missing values left out"] == 2
    for source in categorical([5, None, 6, 5, None, 6], tmp_path):
        prepared, X, _, _ = read_all(
            source, tmp_path, "y", features=["a"], categories="onehot", missing="drop"
        )
        assert len(X) == 4
        assert prepared.feature_names in (("a=6",), ("a=6.0",))  # pandas has made them floats


def test_objects_that_are_numbers(tmp_path):
    frame = PLAIN.astype({"a": object})
    assert fm.scan(frame, "y")[0].fit.risk == fm.scan(PLAIN, "y")[0].fit.risk
    with_text = frame.assign(a=[*frame["a"][:-1], "oops"])
    assert "'oops' in row 23" in opened(with_text, "y").notes["rejected columns"]["a"]
