"""Sources of a scan: every kind of file, array, frame and iterable gives the same blocks."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from fractions import Fraction

import h5py
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import DataError, ReadError, TargetError
from profiles import examples
from scan_tables import (
    FRAME,
    NAMED,
    STORED,
    A,
    M,
    check_blocks,
    collected,
    in_memory,
    joined,
    opened,
    read_all,
)


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


def test_the_dataset_keeps_its_names_weights_and_notes(tmp_path):
    data = fm.Dataset(FRAME[["a", "b"]], FRAME["y"], sample_weight=np.arange(M) + 1.0)
    prepared, *_, w = read_all(data, tmp_path)
    assert (prepared.feature_names, prepared.target_name) == (("a", "b"), "y")
    np.testing.assert_array_equal(w, np.arange(M) + 1.0)
    assert read_all(data, tmp_path, features=["b"])[1].tolist() == A[:, [1]].tolist()
    exact = fm.Dataset([[Fraction(1, 3)], [Fraction(2, 3)]], [1, 2])
    assert opened(exact).notes["data"] == list(exact.notes)


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
