"""Open containers are read as their paths are: one dataset with X, y and perhaps weights, or a refusal by name."""

from __future__ import annotations

import io
import os
import pickle

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pytest
import zarr
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.utils import Bunch

import fastminima as fm
from fastminima.data.sources.open_sources import Unopened, open_sources
from fastminima.errors import DataError, DataTypeError, ReadError, TargetError
from scan_tables import opened, read_all

RNG = np.random.default_rng(5)
X = RNG.normal(size=(31, 3))
Y = X[:, 0] ** 2 + RNG.normal(size=31)
W = RNG.integers(1, 4, size=31) / 2
HELD = {"X": X, "y": Y, "sample_weight": W}


def stream_of(save, **arrays):
    stream = io.BytesIO()
    save(stream, **arrays)
    return io.BytesIO(stream.getvalue())


def containers(folder):
    """(what is open, its path or None)"""
    for save in (np.savez, np.savez_compressed):
        path = folder / f"{save.__name__}.npz"
        save(path, **HELD)
        yield np.load(path), str(path)
        yield np.load(stream_of(save, **HELD)), None
    file = h5py.File(folder / "t.h5", "w")
    memory = h5py.File(io.BytesIO(), "w")
    for place in (file.create_group("in/side"), memory.create_group("in/side")):
        for key, values in HELD.items():
            place[key] = values
    yield file["in/side"], f"{folder / 't.h5'}::in/side"  # written, not closed
    yield memory["in/side"], None
    stores = [
        zarr.open_group(folder / "t.zarr", mode="w"),
        zarr.open_group(zarr.storage.MemoryStore(), mode="w"),
    ]
    for group in stores:
        for key, values in HELD.items():
            group.create_array(f"side/{key}", data=values)
    yield stores[0]["side"], f"{folder / 't.zarr'}::side"
    yield stores[1]["side"], None
    yield dict(HELD), None
    yield {"X": X.tolist(), "Y": Y.tolist(), "sample_weight": W.tolist(), "more": "unread"}, None
    yield {"X": pd.DataFrame(X), "y": pl.Series("t", Y), "sample_weight": pd.Series(W)}, None
    yield (
        {"X": file["in/side/X"], "y": stores[0]["side/y"], "sample_weight": memory["in/side/sample_weight"]},
        None,
    )
    yield Bunch(data=X, target=Y, sample_weight=W, DESCR="long " * 999), None


def test_open_containers_are_one_dataset(tmp_path):
    want = fm.spurious_minimum(fm.Dataset(X, Y, sample_weight=W))
    number = 0
    for held, path in containers(tmp_path):
        (row,) = fm.scan(held)
        assert row.error is None, held
        assert (row.fit.risk, row.minimum.radius) == (want.fit.risk, want.radius)
        prepared, rows, targets, weights = read_all(held, tmp_path)
        assert (rows.tolist(), targets.tolist(), weights.tolist()) == (X.tolist(), Y.tolist(), W.tolist())
        if path is not None:
            by_path = opened(path)
            assert (row.name, prepared.token) == (path, by_path.token)
            assert fm.scan(path).table[0]["risk"] == want.fit.risk
        assert pickle.loads(pickle.dumps(prepared)).n_rows == 31
        _, some, _, _ = read_all(held, tmp_path, features=[2, 0])
        assert some.tolist() == X[:, [2, 0]].tolist()
        number += 1
    assert number == 13


def test_weights_and_targets_are_named_as_in_a_file(tmp_path):
    more = {"X": X, "y": Y, "w": W}
    assert read_all(more, tmp_path)[3] is None
    assert read_all(more, tmp_path, sample_weight="w")[3].tolist() == W.tolist()
    assert len(read_all(more, tmp_path, "y")[2]) == 31
    with pytest.raises(ReadError, match="has no array 'v' for sample_weight; arrays: 'X', 'y', 'w'"):
        opened(more, sample_weight="v")
    with pytest.raises(TargetError, match="the target is y"):
        opened(more, "X")


def test_a_bunch_keeps_its_names(tmp_path):
    table = load_diabetes()
    (row,) = fm.scan(table)
    assert row.fit.risk == fm.spurious_minimum(fm.Dataset(table.data, table.target)).fit.risk
    for bunch in (table, load_diabetes(as_frame=True)):
        prepared, rows, _, _ = read_all(bunch, tmp_path, "target", features=["bmi"])
        assert prepared.feature_names == ("bmi",)
        assert rows[:, 0].tolist() == table.data[:, 2].tolist()
    assert opened(Bunch(X=X, y=Y)).n_features == 3
    with pytest.raises(DataError, match="feature_names has 1 names, but there are 3 columns"):
        opened(Bunch(data=X, target=Y, feature_names=["one"]))
    with pytest.raises(DataError, match="y must have one column, got 3; a scan takes one target"):
        opened(load_linnerud())


def test_many_containers_are_many_datasets():
    both = {"first": {"X": X, "y": Y}, "second": np.load(stream_of(np.savez, X=X, y=-Y))}
    assert [row.name for row in fm.scan(both)] == ["first", "second"]
    assert len({row.fit.risk for row in fm.scan([dict(HELD), load_diabetes()])}) == 2
    # paths under these names are sources like others
    assert [source.name for source in open_sources({"X": "no.csv", "y": "no.npy"})] == ["X", "y"]


def nested(path):
    file = h5py.File(path, "w")
    file["one/X"], file["one/y"], file["two/X"], file["two/a"] = X, Y, X, Y
    file["kind"] = np.dtype("f8")
    return file


def test_other_containers_are_refused_with_what_they_hold(tmp_path):
    """What the path says, the open container says."""
    group = zarr.open_group(tmp_path / "t.zarr", mode="w")
    group.create_array("one/X", data=X)
    group.create_array("two", data=X)
    group.create_array("three", data=X)
    closed = np.load(stream_of(np.savez, X=X, y=Y))
    closed.close()
    names = np.array([None, "b"], dtype=object)
    with nested(tmp_path / "t.h5") as file:
        gone = file["one"]
        for item, path, message in (
            (
                file,
                "t.h5",
                r"holds no arrays; expected X and y, or .*the groups 'one', 'two'; name one as '.*::one/X'",
            ),
            (file["two"], "t.h5::two", r"holds the arrays 'X', 'a'; expected X and y"),
            (file["kind"], "t.h5::kind", r"is a Datatype; expected|cannot scan Datatype"),
            (
                group,
                "t.zarr",
                r"holds the arrays 'three', 'two'; expected X and y, .*the groups 'one'; name one as",
            ),
        ):
            for source in (item, f"{tmp_path}/{path}"):
                with pytest.raises((ReadError, DataTypeError), match=message):
                    opened(source)
    for item, kind, message in (
        (gone, ReadError, "belongs to an HDF5 file that has been closed"),
        ((X, gone), DataTypeError, "y"),
        (closed, ReadError, "npz archive that has been closed"),
        (np.load(stream_of(np.savez, A=X, B=Y)), ReadError, "holds the arrays 'A', 'B'; expected X and y"),
        (
            np.load(stream_of(np.savez, X=X, y=names), allow_pickle=True),
            ReadError,
            "'y' holds Python objects",
        ),
        (
            Bunch(words=["a"], DESCR="b"),
            ReadError,
            "is a Bunch that holds 'words', 'DESCR'; expected arrays data",
        ),
        (
            Bunch(data=["a text", "another"], target=Y[:2]),
            ReadError,
            "holds 'data', 'target'; expected arrays",
        ),
        ({"X": X, "y": None}, DataTypeError, "got NoneType"),
        ({"a": Y, "b": Y.tolist()}, DataTypeError, r"is a dict of columns 'a', 'b'; .*pandas\.DataFrame"),
    ):
        with pytest.raises(kind, match=message):
            opened(item)
    memory = h5py.File(io.BytesIO(), "w")
    memory["a"], memory["b"] = X, Y
    with pytest.raises(ReadError, match="expected X and y, or one array alone; pass one of its arrays"):
        opened(memory)


def test_a_file_in_memory_is_not_looked_for_on_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("same.h5", "w") as file:
        file["X"], file["y"] = X, -Y
    memory = h5py.File("same.h5", "w", driver="core", backing_store=False)
    memory["X"], memory["y"] = X, Y
    assert read_all(memory, tmp_path)[2].tolist() == Y.tolist()
    assert read_all("same.h5", tmp_path)[2].tolist() == (-Y).tolist()
    # an archive whose file was replaced is still the one that was opened
    np.savez("t.npz", X=X, y=Y)
    held = np.load("t.npz")
    np.savez("u.npz", X=X, y=-Y)
    os.replace("u.npz", "t.npz")
    assert read_all(held, tmp_path)[2].tolist() == Y.tolist()


def test_open_containers_in_a_list_have_their_own_rows():
    found = open_sources([dict(HELD), {"X": X, "y": Y[:3]}])
    assert not isinstance(found[0], Unopened)
    with pytest.raises(DataError, match="must be the same samples"):
        raise found[1].error
