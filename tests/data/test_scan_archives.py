"""Sources of a scan: named arrays in npz archives, HDF5 files and Zarr groups."""

from __future__ import annotations

import json
import os
import pickle

import h5py
import numpy as np
import pytest
import zarr

from fastminima.data.sources.open_sources import open_sources
from fastminima.errors import ReadError, TargetError
from scan_tables import A, M, opened, read_all


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
