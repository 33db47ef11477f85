"""What a scan is given: which datasets that is, and what is none."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

import fastminima as fm
from fastminima.data.sources.open_sources import Unopened, open_sources
from fastminima.errors import DataError, DataTypeError, MissingFileError, OptionError, ReadError, TargetError
from scan_tables import FRAME, A, opened, read_all


def test_lists_dicts_globs_and_folders(files, tmp_path):
    many = open_sources([A, str(files / "c.npy")])
    assert [source.name for source in many] == ["data[0]", str(files / "c.npy")]
    many = open_sources({"first": A, "second": (A[:, :3], A[:, 3]), "npy": str(files / "c.npy")})
    assert [source.name for source in many] == ["first", "second", "npy"]
    by_glob = open_sources(str(files / "*.npy"))
    assert [os.path.basename(source.name) for source in by_glob] == [
        "big.npy",
        "c.npy",
        "fields.npy",
        "fortran.npy",
    ]
    by_folder = open_sources(files, "y")
    names = [os.path.basename(source.name) for source in by_folder]
    assert names == sorted(names)
    assert {"c.npy", "t.csv", "t.csv.gz", "t.h5", "t.parquet", "t.zarr", "group.zarr"} <= set(names)
    # a dataset that does not open has its error in its place
    assert isinstance(by_folder[names.index("c.npy")], Unopened)
    assert isinstance(by_folder[names.index("c.npy")].error, TargetError)
    assert not isinstance(by_folder[names.index("t.csv")], Unopened)


def test_folder_of_parquet_files(tmp_path):
    FRAME[:10].to_parquet(tmp_path / "a.parquet")
    FRAME[10:30].to_parquet(tmp_path / "b.parquet")
    (source,) = open_sources(tmp_path, "y")
    assert (source.n_rows, source.notes) == (30, {"files": 2})
    assert len(open_sources(str(tmp_path / "*.parquet"), "y")) == 2
    # another table beside them: then every file is a dataset
    FRAME.rename(columns={"a": "other"})[:5].to_parquet(tmp_path / "c.parquet")
    assert [source.n_rows for source in open_sources(tmp_path, "y")] == [10, 20, 5]
    inside = tmp_path / "spark" / "year=2020"
    inside.mkdir(parents=True)
    FRAME[:7].to_parquet(inside / "part-0.parquet")
    (tmp_path / "spark" / "_SUCCESS").touch()
    (source,) = open_sources(tmp_path / "spark", "y")
    assert source.n_rows == 7
    assert source.notes == {"partition columns left out": ["year"]}


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("nothing.csv", MissingFileError, r"there is no file .*nothing.csv"),
        ("*.nothing", MissingFileError, "no file matches"),
        ("empty", ReadError, "holds no file to scan"),
        ("t.csv::x", ReadError, "only HDF5 files and Zarr folders"),
        ("t.h5::nowhere", ReadError, "holds no 'nowhere'; it holds .*'tables/plain'"),
        ("t.h5", ReadError, "holds no arrays; expected X and y.*::"),
        ("zero.csv", ReadError, "is empty"),
        ("header.csv", ReadError, "no data rows"),
        ("rows0.npy", DataError, "has no rows"),
        ("rows0.parquet", ReadError, "no rows"),
        ("cube.npy", DataError, r"shape \(2, 2, 2\)"),
        ("text.npy", TargetError, "target column 'column 1' is text"),
        ("wrong.h5", ReadError, "is not an HDF5 file"),
        ("objects.npy", ReadError, "Python objects"),
    ],
)
def test_named_errors_of_files(files, tmp_path, source, kind, message, monkeypatch):
    folder = tmp_path / "bad"
    (folder / "empty").mkdir(parents=True)
    for name in ("t.csv", "t.h5"):
        os.link(files / name, folder / name)
    (folder / "zero.csv").touch()
    (folder / "header.csv").write_text("a,y\n")
    np.save(folder / "rows0.npy", np.empty((0, 3)))
    FRAME[:0].to_parquet(folder / "rows0.parquet")
    np.save(folder / "cube.npy", np.zeros((2, 2, 2)))
    np.save(folder / "text.npy", np.array([["a", "b"]]))
    (folder / "wrong.h5").write_text("no")
    np.save(folder / "objects.npy", np.array([[{}, 1]]), allow_pickle=True)
    monkeypatch.chdir(folder)
    with pytest.raises(kind, match=message):
        opened(source, "y" if source.endswith("csv") else None).prepare(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "options", "kind", "message"),
    [
        (3, {}, DataTypeError, "cannot scan int"),
        ([3], {}, DataTypeError, r"data\[0\]: cannot scan int.*a list holds several datasets"),
        (sparse.eye(3), {}, DataTypeError, "is a sparse matrix"),
        (pl.LazyFrame({"y": [1]}), {}, DataTypeError, "LazyFrame; call .collect"),
        (np.ma.masked_array(A, A > 2), {}, DataTypeError, "masked"),
        ((A,), {}, DataError, "got 1 items"),
        ((A, A), {}, DataError, "y must have one column, got 4"),
        ((A, A[:5, 0]), {}, DataError, "same samples"),
        ((A[:, 0], A[:, 0]), {}, DataError, "X must be 2-D"),
        ((A, A[:, 0]), {"sample_weight": "w"}, DataError, r"pass \(X, y, weights\)"),
        (np.zeros((3, 0)), {}, DataError, "no columns"),
        (np.zeros(3), {}, DataError, "must be 2-D"),
        (np.zeros((3, 2), complex), {}, TargetError, "complex"),
        (FRAME, {}, TargetError, "which column"),
        (fm.Dataset(A, A[:, 0]), {"target": 0}, TargetError, "its own target"),
        (iter([]), {}, DataError, "no blocks"),
        (iter([A]), {}, DataError, r"expected \(X, y\)"),
        (iter([(A[0], A[0])]), {}, DataError, "X must be 2-D"),
        (iter([(A, A[:5, 0])]), {}, DataError, "same samples"),
    ],
)
def test_named_errors_of_objects(source, options, kind, message):
    with pytest.raises(kind, match=message):
        opened(source, **options)


def test_options_are_checked_at_once():
    with pytest.raises(OptionError, match="missing must be"):
        open_sources(A, missing="ignore")
    with pytest.raises(OptionError, match="categories must be"):
        open_sources(A, categories="hash")
    for empty in ([], {}):
        with pytest.raises(DataError, match="no dataset"):
            open_sources(empty)


def test_blocks_that_change_their_width(tmp_path):
    source = opened(iter([(A[:5, :3], A[:5, 3]), (A[:5, :2], A[:5, 3])]))
    with pytest.raises(DataError, match="block 1 has 3 columns, the first block had 4"):
        source.prepare(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_blocks_of_frames(tmp_path):
    """Texts keep their kind from block to block; what is not used may be anything."""
    first = pd.DataFrame({"c": ["a", "b"], "x": [1.0, 2.0]})
    second = pd.DataFrame({"c": ["a", None], "x": [3.0, 4.0]})
    y = pd.Series([1.0, 2.0], name="price")

    def scanned(*blocks, **options):
        return read_all(iter([(block, y) for block in blocks]), tmp_path, **options)

    prepared, X, _, _ = scanned(first, second, categories="onehot", missing="drop")
    assert prepared.feature_names == ("c=b", "x")
    assert (X.tolist(), prepared.target_name) == ([[0, 1], [1, 2], [0, 3]], "y")
    prepared, X, _, _ = scanned(first, second)
    assert (X.tolist(), prepared.notes) == ([[1], [2], [3], [4]], {"rejected columns": {"c": "text"}})
    numbers = second.assign(c=[1, 2])
    assert len(scanned(first, numbers)[1]) == 4
    with pytest.raises(DataError, match="column 'c' of block 1 is numeric, in the first block it was text"):
        scanned(first, numbers, categories="onehot")
    with pytest.raises(DataError, match="column 'c' of block 1 is text, in the first block it was numeric"):
        scanned(numbers, first)
    nothing = second.assign(c=pd.Series([None, None], dtype=object))
    prepared, X, _, _ = scanned(first, nothing, categories="onehot", missing="drop")
    assert X.tolist() == [[0, 1], [1, 2]]
    assert prepared.notes["rows with missing values left out"] == 2
    texts = {scanned(first.assign(c=[name, "z"]), categories="onehot")[0].token for name in "ab"}
    assert len(texts) == 2


# --- paths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "x" * 300 + ".csv",
        "x" * 300 + "/*.csv",
        "a/" * 3000 + "t.npy",
        "nul\0.csv",
        "nul\0*.csv",
        "lone\ud800.csv",
        "",
        "no such folder/t.csv",
        "none-*.parquet",
        "t.csv/inside.csv",
        "x" * 300 + ".h5::X",
        "x" * 300 + ".zarr",
    ],
    ids=range(12),
)
def test_odd_paths_are_rows_with_named_errors(tmp_path, monkeypatch, path):
    (tmp_path / "t.csv").write_text("a,y\n1,2\n2,1\n4,3\n")
    monkeypatch.chdir(tmp_path)
    good, bad = fm.scan(["t.csv", path], "y")
    assert good.error is None
    assert isinstance(bad.error, ReadError)
    assert isinstance(fm.scan(path, "y")[0].error, ReadError)
    if "\0" not in path and "\ud800" not in path:
        assert isinstance(fm.scan(os.fsencode(path), "y")[0].error, DataError | ReadError)


def test_files_with_odd_names_are_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "a::b.csv",
        "[1].csv",
        "what?.csv",
        "a*b.csv",
        "white  space.csv",
        "~.csv",
        "demo.csv",
        "\udcff.csv",
    ):
        with open(name, "w") as file:
            file.write("a,y\n1,2\n2,1\n4,3\n")
        (row,) = fm.scan(name, "y")
        assert (row.error, row.name) == (None, name)


def test_what_raises_while_it_is_opened_is_a_row():
    class Broken:
        def __array__(self, *_, **__):
            raise RuntimeError("no numbers today")

        def __len__(self):
            return 3

    def blocks():
        raise KeyError("no blocks today")

    good, first, second = fm.scan([A, Broken(), blocks])
    assert good.error is None
    for row in (first, second):
        assert isinstance(row.error, fm.errors.FastMinimaError)
        assert "today" in str(row.error)
