"""Sources of a scan: every kind of file, array, frame and iterable gives the same blocks, or names what is wrong."""

from __future__ import annotations

import errno
import gc
import gzip
import io
import itertools
import json
import os
import pickle
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import fastminima as fm
from fastminima.data.sources import (
    parquet as sources_parquet,
)
from fastminima.data.sources import (
    spill as sources_spill,
)
from fastminima.data.sources import (
    table_source as sources_table,
)
from fastminima.data.sources import (
    text as sources_text,
)
from fastminima.data.sources.open_sources import Unopened, open_sources
from fastminima.errors import (
    DataError,
    DataTypeError,
    MissingDependencyError,
    MissingFileError,
    OptionError,
    OutputError,
    ReadError,
    TargetError,
)
from profiles import examples

M = 1003
A = np.random.default_rng(0).normal(size=(M, 4))
FRAME = pd.DataFrame(A, columns=["a", "b", "c", "y"])


def opened(source, target=None, **options):
    (found,) = open_sources(source, target, **options)
    if isinstance(found, Unopened):
        raise found.error
    return found


def collected(source, *arguments, **options):
    """All blocks of a pass, copied, because a block is valid until the next is asked for."""
    blocks = [
        (X.copy(), y.copy(), None if w is None else w.copy())
        for X, y, w in source.blocks(*arguments, **options)
    ]
    for X, y, w in blocks:
        assert X.dtype == y.dtype == np.float64
        assert y.flags.c_contiguous
        assert X.shape == (len(y), source.n_features)
        assert (w is not None) == source.weighted
        assert w is None or len(w) == len(y)
    return blocks


def joined(blocks):
    X = np.concatenate([X for X, _, _ in blocks])
    y = np.concatenate([y for _, y, _ in blocks])
    weighted = blocks[0][2] is not None
    return X, y, np.concatenate([w for _, _, w in blocks]) if weighted else None


def read_all(source, folder, target=None, **options):
    prepared = opened(source, target, **options).prepare(str(folder))
    return (prepared, *joined(collected(prepared)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same table in every form that is stored."""
    folder = tmp_path_factory.mktemp("files")
    np.save(folder / "c.npy", A)
    np.save(folder / "fortran.npy", np.asfortranarray(A))
    np.save(folder / "big.npy", A.astype(">f8"))
    np.save(folder / "fields.npy", FRAME.to_records(index=False))
    np.savez(folder / "stored.npz", X=A[:, :3], y=A[:, 3])
    np.savez(folder / "alone.npz", A)
    np.savez_compressed(folder / "packed.npz", X=np.asfortranarray(A[:, :3]), y=A[:, 3:])
    for name, separator in (("t.csv", ","), ("t.csv.gz", ","), ("t.tsv", "\t"), ("t.tsv.gz", "\t")):
        FRAME.to_csv(folder / name, index=False, sep=separator)
    FRAME.to_parquet(folder / "t.parquet", row_group_size=97)
    (folder / "parts").mkdir()
    FRAME[:400].to_parquet(folder / "parts" / "0.parquet")
    FRAME[400:].to_parquet(folder / "parts" / "1.parquet")
    with h5py.File(folder / "t.h5", "w") as file:
        file["tables/plain"] = A
        group = file.create_group("chunked")
        group.create_dataset("X", data=A[:, :3], chunks=(111, 2), compression="gzip")
        group["y"] = A[:, 3:]
    zarr.save_array(folder / "t.zarr", A)
    group = zarr.open_group(folder / "group.zarr", mode="w")
    group.create_array("X", data=A[:, :3], chunks=(100, 3))
    group.create_array("y", data=A[:, 3], chunks=(77,))
    return folder


STORED = [
    "c.npy",
    "fortran.npy",
    "big.npy",
    "fields.npy",
    "stored.npz",
    "alone.npz",
    "packed.npz",
    "t.csv",
    "t.csv.gz",
    "t.tsv",
    "t.tsv.gz",
    "t.parquet",
    "parts",
    "t.h5::tables/plain",
    "t.h5::chunked",
    "t.zarr",
    "group.zarr",
]
NAMED = ["fields.npy", "t.csv", "t.csv.gz", "t.tsv", "t.tsv.gz", "t.parquet", "parts"]


class Blocks:
    """What can be iterated over again."""

    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter([(A[i : i + self.rows, :3], A[i : i + self.rows, 3]) for i in range(0, M, self.rows)])


def blocks_of_one_row():
    return Blocks(1)


def in_memory():
    yield "array", A, None
    yield "fortran", np.asfortranarray(A), None
    yield "reversed", A[::-1][::-1], None
    yield "fields", FRAME.to_records(index=False), None
    yield "objects", A.astype(object), None
    yield "tuple", (A[:, :3], A[:, 3]), None
    yield "lists", (A[:, :3].tolist(), A[:, 3].tolist()), None
    yield "frames", (FRAME[["a", "b", "c"]], FRAME["y"]), None
    yield "dataset", fm.Dataset(A[:, :3], A[:, 3]), None
    yield "pandas", FRAME, "y"
    yield "polars", pl.from_pandas(FRAME), "y"
    yield "arrow", pa.Table.from_pandas(FRAME), "y"
    yield "iterator", iter(Blocks(100)), None
    yield "iterable", Blocks(17), None
    yield "function", blocks_of_one_row, None
    yield "zarr", zarr.array(A), None


def check_blocks(source, folder):
    """Blocks are cut by rows alone, start anywhere, and survive the way to another process."""
    prepared = source.prepare(str(folder))
    assert prepared.prepare(str(folder)) is prepared
    assert (prepared.n_rows, prepared.seekable, prepared.n_features) == (M, True, 3)
    copy = pickle.loads(pickle.dumps(prepared))
    assert copy.token == prepared.token
    for rows in (1, 64, M, 5000):
        blocks = collected(prepared, rows=rows)
        assert [len(y) for _, y, _ in blocks] == [min(rows, M - at) for at in range(0, M, rows)]
        X, y, _ = joined(blocks)
        assert X.tobytes() == np.ascontiguousarray(A[:, :3]).tobytes()
        assert y.tobytes() == np.ascontiguousarray(A[:, 3]).tobytes()
    for start, stop in ((0, 1), (500, 777), (M - 1, M), (990, None), (990, M + 50)):
        X, y, _ = joined(collected(copy, start, stop, rows=100))
        np.testing.assert_array_equal(np.column_stack([X, y]), A[start:stop])
    assert collected(copy, 5, 5) == []


@pytest.mark.parametrize("name", STORED)
def test_stored_tables(files, name, tmp_path):
    source = opened(str(files / name), "y" if name in NAMED else None)
    assert source.name == str(files / name)
    check_blocks(source, tmp_path)
    prepared = source.prepare(str(tmp_path))
    assert prepared.token == source.token
    if name in NAMED:
        assert (prepared.feature_names, prepared.target_name) == (("a", "b", "c"), "y")
    assert prepared.size_bytes > 5000
    assert source.size_bytes > 5000


def test_chunks_that_are_not_there_are_told(tmp_path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        half = file.create_dataset("half", (100, 3), chunks=(10, 2), dtype="f8")
        half[:50] = 1.0
        file.create_dataset("g/X", data=np.ones((100, 3)), chunks=(30, 3))
        file["g/y"] = np.ones(100)
    array = zarr.create_array(tmp_path / "t.zarr", shape=(100, 3), chunks=(30, 3), dtype="f8")
    array[:30] = 1.0
    what = "chunks not in the file, read as their fill value"
    assert opened(f"{tmp_path / 't.h5'}::half").notes == {what: 10}
    assert opened(f"{tmp_path / 't.h5'}::g").notes == {}
    assert opened(str(tmp_path / "t.zarr")).notes == {what: 3}
    assert (
        opened(zarr.create_array(tmp_path / "full.zarr", data=A, shards=(500, 4), chunks=(50, 4))).notes == {}
    )
    assert opened(str(tmp_path / "full.zarr")).notes == {}


def test_archives_with_weights(tmp_path):
    X, y, w = A[:, :3], A[:, 3], np.arange(M) % 3 / 2
    np.savez(tmp_path / "w.npz", X=X, y=y, sample_weight=w, other=w + 1)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, values in (("X", X), ("y", y), ("sample_weight", w), ("other", w + 1)):
            file[f"g/{name}"] = values
    group = zarr.open_group(tmp_path / "w.zarr", mode="w")
    for name, values in (("X", X), ("y", y), ("sample_weight", w), ("other", w + 1)):
        group.create_array(name, data=values)
    for path in ("w.npz", "w.h5::g", "w.zarr"):
        prepared, rows, _, weights = read_all(str(tmp_path / path), tmp_path)
        np.testing.assert_array_equal(weights, w[w > 0])
        np.testing.assert_array_equal(rows, X[w > 0])
        assert prepared.notes == {"rows of weight 0 left out": int((w == 0).sum())}
        other = read_all(str(tmp_path / path), tmp_path, sample_weight="other", features=[2])
        np.testing.assert_array_equal(other[3], w + 1)
        np.testing.assert_array_equal(other[1], X[:, [2]])
        with pytest.raises(ReadError, match="has no array 'nothing' for sample_weight"):
            opened(str(tmp_path / path), sample_weight="nothing")
        with pytest.raises(TargetError, match="the target is y"):
            opened(str(tmp_path / path), "X")


def test_archives_with_objects(tmp_path):
    names = np.array(["a", None], dtype=object)
    np.savez(tmp_path / "t.npz", X=A[:, :3], y=A[:, 3], names=names, allow_pickle=True)
    assert len(read_all(str(tmp_path / "t.npz"), tmp_path)[1]) == M
    np.savez(tmp_path / "u.npz", X=A[:2, :3], y=names, allow_pickle=True)
    with pytest.raises(ReadError, match="'y' holds Python objects"):
        opened(str(tmp_path / "u.npz"))


@pytest.mark.parametrize(("source", "target"), [pytest.param(s, t, id=i) for i, s, t in in_memory()])
def test_tables_in_memory(source, target, tmp_path):
    check_blocks(opened(source, target), tmp_path)


@pytest.mark.parametrize(("source", "target"), [pytest.param(s, t, id=i) for i, s, t in in_memory()])
def test_slices_for_other_processes(source, target, tmp_path):
    prepared = opened(source, target).prepare(str(tmp_path))
    part = pickle.loads(pickle.dumps(prepared.slice(300, 420)))
    whole = joined(collected(prepared, 300, 420, rows=50))
    for ours, theirs in zip(joined(collected(part, 300, 420, rows=50)), whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (part.n_rows, part.n_features) == (M, 3)
    if prepared.in_memory:
        assert len(pickle.dumps(part)) < len(pickle.dumps(prepared)) / 3


def test_a_source_as_a_dataset(files, tmp_path):
    data = fm.Dataset([[Fraction(1, 3)], [2]], [1, 2])
    assert opened(data).prepare(str(tmp_path)).dataset() is data
    X, y, w = A[:, :3].copy(), A[:, 3].copy(), np.arange(M) / 2
    data = opened((X, y)).prepare(str(tmp_path)).dataset()
    assert np.shares_memory(data.X, X)
    assert np.shares_memory(data.y, y)
    weighted = opened((X, y, w)).prepare(str(tmp_path)).dataset()
    assert weighted.X.tolist() == X[1:].tolist()
    assert weighted.sample_weight.tolist() == w[1:].tolist()
    for name in NAMED:
        data = opened(str(files / name), "y").prepare(str(tmp_path)).dataset()
        assert (data.feature_names, data.target_name) == (("a", "b", "c"), "y")
        assert data.X.tobytes() == X.tobytes()
    with pytest.raises(DataError, match="no row is left"):
        opened((X, y, w * 0)).prepare(str(tmp_path)).dataset()


def test_the_same_numbers_give_the_same_scan(files):
    """Whatever holds them: one row, to the bit."""
    stored = fm.scan([str(files / name) for name in STORED if name not in NAMED])
    named = fm.scan([str(files / name) for name in NAMED], target="y")
    held = [fm.scan(source, target) for _, source, target in in_memory()]
    rows = [row for report in (stored, named, *held) for row in report.table]
    assert len(rows) == len(STORED) + len(held)
    differing = {"dataset", "notes", "seconds"}
    assert len({repr([value for key, value in row.items() if key not in differing]) for row in rows}) == 1
    low = fm.spurious_minimum(fm.Dataset(A[:, :3], A[:, 3]))
    assert (rows[0]["status"], rows[0]["risk"], rows[0]["radius"]) == (low.status, low.fit.risk, low.radius)


def test_open_handles_and_memory_maps(files, tmp_path):
    with h5py.File(files / "t.h5") as file:
        check_blocks(opened(file["tables/plain"]), tmp_path)
    check_blocks(opened(zarr.open_array(files / "t.zarr", mode="r")), tmp_path)
    for name in ("c.npy", "fortran.npy"):
        mapped = np.load(files / name, mmap_mode="r")
        source = opened(mapped)
        check_blocks(source, tmp_path)
        # a map is read from its file: the source is small
        assert len(pickle.dumps(source)) < 2000
    part = np.load(files / "c.npy", mmap_mode="r")[100:]
    assert joined(collected(opened(part).prepare(str(tmp_path))))[1].tolist() == A[100:, 3].tolist()


@pytest.mark.parametrize("name", NAMED)
def test_columns_by_name_and_position(files, name, tmp_path):
    path = str(files / name)
    prepared, X, y, w = read_all(path, tmp_path, "a", features=["c", 1], sample_weight=None, missing="drop")
    assert (prepared.feature_names, prepared.target_name, w) == (("c", "b"), "a", None)
    np.testing.assert_array_equal(X, A[:, [2, 1]])
    np.testing.assert_array_equal(y, A[:, 0])
    with pytest.raises(TargetError, match=r"no target column 'yy'; did you mean 'y'"):
        opened(path, "yy")
    with pytest.raises(ReadError, match="no feature column 'zzz'"):
        opened(path, "y", features=["zzz"])
    if name != "fields.npy":
        with pytest.raises(TargetError, match="which column is the target"):
            opened(path)


@given(
    st.integers(1, 40),
    st.integers(0, 4),
    st.integers(1, 50),
    st.sampled_from(["<f8", ">f8", "<f4", "<i2", "<u8", "?"]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=examples(60))
def test_any_array_by_blocks_is_the_array(tmp_path_factory, m, dx, rows, dtype, fortran, seed):
    """Shapes, types, orders and block sizes; from memory and from a file."""
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 2 if dtype == "?" else 100, size=(m, dx + 1)).astype(dtype)
    table = np.asfortranarray(table) if fortran else table
    target = int(rng.integers(0, dx + 1))
    folder = tmp_path_factory.mktemp("any")
    np.save(folder / "t.npy", table)
    rest = [column for column in range(dx + 1) if column != target]
    for source in (table, str(folder / "t.npy")):
        prepared = opened(source, target).prepare(str(folder))
        X, y, _ = joined(collected(prepared, rows=rows))
        np.testing.assert_array_equal(X, table[:, rest].astype(float))
        np.testing.assert_array_equal(y, table[:, target].astype(float))


# --- several datasets -----------------------------------------------------------------------------------


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


# --- files that are cut short or change ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["c.npy", "stored.npz", "packed.npz", "t.parquet", "t.csv", "t.csv.gz", "t.h5::chunked"]
)
def test_a_file_cut_short_is_a_named_error(files, tmp_path, name):
    file, _, inner = name.partition("::")
    content = (files / file).read_bytes()
    path = tmp_path / file
    target = "y" if name.startswith("t.csv") or name.endswith("parquet") else None
    for kept in (len(content) * 2 // 3, len(content) - 70):
        cut = content[:kept]
        if file == "t.csv":
            cut = cut[: cut.rindex(b",")]  # the middle of a row
        path.write_bytes(cut)
        with pytest.raises(ReadError, match=r"cut short|damaged|truncated|no value"):
            collected(opened(f"{path}::{inner}" if inner else str(path), target).prepare(str(tmp_path)))


def test_a_file_cut_while_it_is_read(tmp_path):
    path = tmp_path / "t.npy"
    np.save(path, A)
    source = opened(str(path))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ReadError, match="is cut short: it ends at byte"):
        collected(source, rows=100)


@pytest.mark.parametrize("rows", [10, 3000])
def test_a_column_that_turns_into_text(tmp_path, rows):
    path = tmp_path / "t.csv"
    lines = [f"{i},{i / 7!r},{i % 5}" for i in range(rows)]
    lines[rows - 2] = f"{rows},oops,1"
    path.write_text("\n".join(["a,b,y", *lines]) + "\n")
    message = rf"column 'b' begins with numbers but holds the text 'oops' in data row {rows - 1} \(line {rows} of the file\)"
    for options in ({}, {"categories": "onehot"}, {"features": ["b"]}):
        with pytest.raises(ReadError, match=message):
            opened(str(path), "y", **options).prepare(str(tmp_path))
    assert [name for name in os.listdir(tmp_path) if name != "t.csv"] == []
    prepared, X, _, _ = read_all(str(path), tmp_path, "y", features=["a"])
    assert (len(X), prepared.notes) == (rows, {})


def test_a_column_of_text_is_rejected_and_named(tmp_path, monkeypatch):
    """Whatever follows its first value: tickets that look like numbers are tickets."""
    monkeypatch.setattr(sources_text, "_CHUNK_CELLS", 1)
    path = tmp_path / "t.csv"
    cells = ["A1", "22"] + ["7"] * 3000 + ["B2"]
    path.write_text("a,b,e,y\n" + "".join(f"{i},{cell},,{i % 3}\n" for i, cell in enumerate(cells)))
    prepared, X, _, _ = read_all(str(path), tmp_path, "y")
    assert prepared.feature_names == ("a",)
    assert prepared.notes == {
        "rejected columns": {"b": "text ('A1' in data row 1)", "e": "empty in every row"}
    }
    assert X[:, 0].tolist() == list(range(3003))
    with pytest.raises(ReadError, match=r"features that are not numeric: 'b' \(text"):
        opened(str(path), "y", features=["a", "b"]).prepare(str(tmp_path))
    with pytest.raises(TargetError, match="target column 'b' is text"):
        opened(str(path), "b").prepare(str(tmp_path))
    # as categories the texts are what the file says, also where a whole chunk looked like numbers
    prepared, X, _, _ = read_all(str(path), tmp_path, "y", features=["b"], categories="onehot")
    assert prepared.feature_names == ("b=7", "b=A1", "b=B2")
    assert X.sum(axis=0).tolist() == [3000, 1, 1]


# --- preprocessing --------------------------------------------------------------------------------------


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


def test_the_dataset_keeps_its_names_weights_and_notes(tmp_path):
    data = fm.Dataset(FRAME[["a", "b"]], FRAME["y"], sample_weight=np.arange(M) + 1.0)
    prepared, *_, w = read_all(data, tmp_path)
    assert (prepared.feature_names, prepared.target_name) == (("a", "b"), "y")
    np.testing.assert_array_equal(w, np.arange(M) + 1.0)
    assert read_all(data, tmp_path, features=["b"])[1].tolist() == A[:, [1]].tolist()
    exact = fm.Dataset([[Fraction(1, 3)], [Fraction(2, 3)]], [1, 2])
    assert opened(exact).notes["data"] == list(exact.notes)


def test_text_with_quotes_blank_lines_booleans_and_gaps(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text('a,"b, c",flag,y\n1, "2",True,3\n\n4,,False,6\n7,8,,9\n10,11,True,12')
    prepared, X, y, _ = read_all(str(path), tmp_path, "y", missing="drop")
    assert prepared.feature_names == ("a", "b, c", "flag")
    assert (X.tolist(), y.tolist()) == ([[1, 2, 1], [10, 11, 1]], [3, 12])
    with pytest.raises(DataError, match=r"column 'b, c' has no value in data row 2 \(line 4 of the file\)"):
        read_all(str(path), tmp_path, "y")
    path.write_text("a,y\nTrue,1\n2,2\n")
    with pytest.raises(ReadError, match=r"not numeric: 'a' \(text \('True' in data row 1\)\)"):
        read_all(str(path), tmp_path, "y", features=["a"])
    monkeypatch.setattr(sources_text, "_CHUNK_CELLS", 1)
    path.write_text("a,y\n" + "True,1\n" * 1024 + "2,2\n")
    with pytest.raises(ReadError, match="column 'a' mixes True/False with numbers"):
        read_all(str(path), tmp_path, "y")


# --- temporary files, tokens, missing extras ----------------------------------------------------------------


def test_tokens_change_with_data_and_selection(files, tmp_path):
    path = tmp_path / "t.npy"
    np.save(path, A)
    tokens = {
        opened(str(path)).token,
        opened(str(path), 0).token,
        opened(str(path), features=[0]).token,
        opened(str(path), missing="drop").token,
        opened(str(path), categories="onehot").token,
    }
    assert len(tokens) == 5
    first = opened(str(path)).token
    assert opened(str(path)).token == first
    os.utime(path, ns=(1, 1))
    assert opened(str(path)).token != first
    assert opened(A).token == opened(A.copy()).token != opened(A + 1e-12).token
    changed = A.copy()
    changed[-1, -1] += 1.0
    one, two = (opened(iter([(B[:9, :3], B[:9, 3]), (B[9:, :3], B[9:, 3])])) for B in (A, changed))
    assert one.prepare(str(tmp_path)).token != two.prepare(str(tmp_path)).token


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_temporary_folder_is_a_named_error(files, tmp_path, monkeypatch, code):
    class Full(io.FileIO):
        def write(self, _):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(sources_spill.os, "fdopen", lambda handle, *a, **k: Full(handle, "w"))
    for name, target in (("t.csv", "y"), ("packed.npz", None)):
        with pytest.raises(OutputError, match=rf"{name}.*cannot write a temporary file .*TMPDIR"):
            opened(str(files / name), target).prepare(str(tmp_path))
        assert os.listdir(tmp_path) == []
    with pytest.raises(OutputError, match="cannot write a temporary file"):
        opened(iter(Blocks(9))).prepare(str(tmp_path))


def test_a_temporary_folder_that_is_not_there(files, tmp_path):
    with pytest.raises(OutputError, match="No such file or directory; set TMPDIR"):
        opened(str(files / "t.csv"), "y").prepare(str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("t.h5::chunked", "h5py", "scan"),
        ("t.zarr", "zarr", "scan"),
        ("t.csv", "pandas", "tables"),
        ("t.parquet", "pyarrow", "tables"),
    ],
)
def test_missing_extras_are_named(files, tmp_path, monkeypatch, name, module, extra):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"needs {module}, .*fastminima\[{extra}\]"):
        opened(str(files / name), "y" if name[2:] in ("csv", "parquet") else None).prepare(str(tmp_path))


def test_gzip_that_is_damaged(tmp_path):
    content = bytearray(gzip.compress(FRAME.to_csv(index=False).encode()))
    content[len(content) // 2] ^= 255
    (tmp_path / "t.csv.gz").write_bytes(content)
    with pytest.raises(ReadError, match=r"t\.csv\.gz"):
        read_all(str(tmp_path / "t.csv.gz"), tmp_path, "y")


def test_parquet_pages_that_are_damaged(tmp_path):
    pq.write_table(
        pa.table({"a": A[:, 0], "y": A[:, 3]}),
        tmp_path / "t.parquet",
        compression="snappy",
        use_dictionary=False,
    )
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    content[4:60] = bytes(56)
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(ReadError, match=r"t\.parquet is damaged or truncated"):
        read_all(str(tmp_path / "t.parquet"), tmp_path, "y")


def test_a_pass_takes_the_memory_of_blocks(tmp_path):
    """A file of 32 MB in blocks of 1000 rows, which are 80 kB."""
    table = np.zeros((400_000, 10))
    np.save(tmp_path / "c.npy", table)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(table))
    np.savez(tmp_path / "stored.npz", X=table, y=table[:, 0])
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file.create_dataset("t", data=table, chunks=(5000, 10))
    zarr.create_array(tmp_path / "t.zarr", data=table, chunks=(5000, 10))
    del table
    for name in ("c.npy", "fortran.npy", "stored.npz", "t.h5", "t.zarr"):
        source = opened(str(tmp_path / name)).prepare(str(tmp_path))
        next(source.blocks())  # imports, and what libraries keep
        tracemalloc.start()
        rows = sum(len(y) for _, y, _ in source.blocks(rows=1000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert rows == 400_000
        # HDF5 and Zarr hold about two windows of 1 MB, one being replaced by the other
        assert peak < (4e6 if name.startswith("t.") else 5e5), name


@given(
    st.lists(st.integers(0, 200), min_size=2, max_size=9),
    st.lists(st.integers(9, 80), min_size=1, max_size=3),
    st.booleans(),
)
@settings(max_examples=examples(30))
def test_parquet_slices_in_any_order(tmp_path_factory, cuts, groups, forward):
    """A slice goes on where the thread's last one ended, or begins anew, and holds the same rows."""
    folder = tmp_path_factory.mktemp("parquet")
    table = pa.Table.from_pandas(FRAME[:200], preserve_index=False)
    with pq.ParquetWriter(folder / "t.parquet", table.schema) as writer:
        at = 0
        for size in itertools.cycle(groups):
            writer.write_table(table.slice(at, size))
            at += size
            if at >= 200:
                break
    source = opened(str(folder / "t.parquet"), "y")
    slices = list(itertools.pairwise(sorted(cuts) if forward else cuts))
    held = [source.blocks(a, b, rows=10) for a, b in slices]  # none has begun
    for (a, b), blocks in zip(slices, held, strict=True):
        rows = [np.column_stack([X, y]) for X, y, _ in blocks]
        assert np.concatenate([*rows, np.empty((0, 4))]).tolist() == A[a:b].tolist()
    assert len(joined(collected(source))[1]) == 200


def test_parquet_takes_the_memory_of_batches_and_gives_it_back(tmp_path):
    """One row group of 16 MB, of which a pass holds some pages and a batch."""
    values = np.random.default_rng(0).normal(size=500_000)
    table = {name: values + shift for shift, name in enumerate("abcy")}
    pq.write_table(pa.table(table), tmp_path / "t.parquet", compression="none", use_dictionary=False)
    source = opened(str(tmp_path / "t.parquet"), "y")
    gc.collect()
    before, most = pa.total_allocated_bytes(), 0
    for start in range(0, 500_000, 100_000):
        for _ in source.blocks(start, start + 100_000):
            most = max(most, pa.total_allocated_bytes() - before)
    assert 1e6 < most < 10e6
    assert pa.total_allocated_bytes() - before < 1e6
    for _ in source.blocks(0, 300_000):
        pass
    next(source.blocks(200_000))  # an end that is not reached
    gc.collect()
    assert pa.total_allocated_bytes() - before < 1e6


def test_parquet_types(tmp_path):
    """Every numeric type by its numbers; dotted names, stored indices and nested columns."""
    table = pa.table(
        {
            "h.alf": pa.array(np.array([1.5, 2.5], dtype=np.float16)),
            "b": pa.array([True, None]),
            "u": pa.array([2**64 - 1, None], pa.uint64()),
            "i8": pa.array([-1, None], pa.int8()),
            "d": pa.array([Decimal("0.10"), None], pa.decimal128(5, 2)),
            "s": pa.array([{"x": 1}, {"x": 2}]),
            "l": pa.array([[1], [2]]),
            "k": pa.array(["p", "q"]).dictionary_encode(),
            "n": pa.nulls(2),
            "__index_level_0__": pa.array([7, 8]),
            "y": pa.array([1, 2]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    for source in (str(tmp_path / "t.parquet"), table):
        prepared, X, y, _ = read_all(
            source, tmp_path, "y", features=["h.alf", "b", "u", "i8", "d"], missing="drop"
        )
        assert (X.tolist(), y.tolist()) == ([[1.5, 1.0, 2.0**64, -1.0, 0.1]], [1.0])
        assert prepared.notes["values rounded to float64"] == 2
        rejected = opened(source, "y").notes["rejected columns"]
        assert set(rejected) == {"s", "l", "k", "n"}
        prepared = opened(source, "y", features=["k"], categories="onehot").prepare(str(tmp_path))
        assert prepared.feature_names == ("k=q",)
    assert "__index_level_0__" not in opened(str(tmp_path / "t.parquet"), "y").feature_names


def test_slices_do_not_decode_a_row_group_again(tmp_path, monkeypatch):
    FRAME.to_parquet(tmp_path / "t.parquet", row_group_size=M)
    source, begun = opened(str(tmp_path / "t.parquet"), "y"), []
    original = sources_parquet._batches
    monkeypatch.setattr(sources_parquet, "_batches", lambda *a: begun.append(a) or original(*a))
    for _ in range(2):
        for start in range(0, M, 100):
            assert sum(len(y) for _, y, _ in source.blocks(start, min(start + 100, M))) == min(100, M - start)
    assert len(begun) == 2


def test_progress_is_told_while_text_is_parsed(files, tmp_path, monkeypatch):
    monkeypatch.setattr(sources_text, "_CHUNK_CELLS", 1)
    (tmp_path / "t.csv").write_text("y\n" + "1\n" * 5000)
    told = []
    opened(str(tmp_path / "t.csv"), "y").prepare(str(tmp_path), lambda *what: told.append(what))
    assert [done for done, _ in told] == [1024, 2048, 3072, 4096, 5000]
    assert all(done <= total for done, total in told)
    assert told[-1] == (5000, 5000)


def test_a_zarr_array_of_pickles_is_refused_without_opening_one(tmp_path):
    """Whatever the library that reads it thinks of them."""

    class Executes:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "mark"),)

    store = tmp_path / "store.zarr"
    store.mkdir()
    array = {
        "zarr_format": 2,
        "shape": [4, 3],
        "chunks": [4, 3],
        "dtype": "|O",
        "order": "C",
        "fill_value": "",
    }
    filters = [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}]
    (store / ".zarray").write_text(json.dumps({**array, "compressor": None, "filters": filters}))
    (store / "0.0").write_bytes(pickle.dumps(Executes()))
    for path in (store, f"{store}::"):
        (source,) = open_sources(path, 2, categories="onehot")
        assert "holds its chunks as pickles, which are never opened" in str(source.error)
    assert not (tmp_path / "mark").exists()
