"""Fill values and scale factors of HDF5 and Zarr: applied and told, or refused by name; never read as raw numbers."""

from __future__ import annotations

import base64
import io
import pickle
import struct

import h5py
import numpy as np
import pytest
import zarr

import fastminima as fm
from fastminima.errors import DataError, ReadError
from scan_tables import collected, joined, opened, read_all

RNG = np.random.default_rng(3)
M = 40
RAW = RNG.integers(-100, 100, size=(M, 2)).astype("i2")
Y = RNG.normal(size=M)


def stored(folder, raw=RAW, attributes=None, y=Y, **options):
    """The same group in HDF5 and in Zarr, by path and open."""
    with h5py.File(folder / "t.h5", "w") as file:
        file.create_dataset("X", data=raw, chunks=(7, 2), **options)
        file["y"] = y
        file["X"].attrs.update(attributes or {})
    group = zarr.open_group(folder / "t.zarr", mode="w")
    fill = {"fill_value": options["fillvalue"]} if "fillvalue" in options else {}
    array = group.create_array("X", shape=raw.shape, dtype=raw.dtype, chunks=(7, 2), **fill)
    array[:] = raw
    for name, value in (attributes or {}).items():
        array.attrs[name] = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
    group.create_array("y", data=y)
    yield str(folder / "t.h5")
    yield str(folder / "t.zarr")
    file = h5py.File(folder / "t.h5")
    yield file
    yield file["X"], file["y"]
    yield {"X": zarr.open_group(folder / "t.zarr", mode="r")["X"], "y": y}
    memory = h5py.File(io.BytesIO(), "w")
    file.copy("X", memory)
    memory["y"] = y
    yield memory
    file.close()


def test_scaled_integers(tmp_path):
    attributes = {"scale_factor": np.float64(0.01), "add_offset": np.float32(273.15)}
    want = RAW.astype(float) * 0.01 + float(np.float32(273.15))
    for source in stored(tmp_path, attributes=attributes):
        prepared, X, y, _ = read_all(source, tmp_path)
        assert (X.tolist(), y.tolist()) == (want.tolist(), Y.tolist())
        assert prepared.notes["read by their attributes"] == {
            "X": f"times 0.01, plus {np.float32(273.15).item()!r}"
        }
        copy = pickle.loads(pickle.dumps(prepared))
        assert copy.token == prepared.token
        assert joined(collected(copy, 11, 29, rows=4))[0].tolist() == want[11:29].tolist()
    risk = fm.spurious_minimum(fm.Dataset(want, Y)).fit.risk
    assert {row.fit.risk for row in fm.scan([str(tmp_path / "t.h5"), str(tmp_path / "t.zarr")])} == {risk}


@pytest.mark.parametrize(
    ("attributes", "options"),
    [
        ({"_FillValue": np.int16(-999)}, {}),
        ({"missing_value": np.array([-999], dtype="i2")}, {}),
        ({"missing_value": np.array([-999, 4000], dtype="i2")}, {}),
        ({"valid_min": -500}, {}),
        ({"valid_range": np.array([-500, 500], dtype="i2")}, {}),
        ({"_FillValue": np.int16(-999), "scale_factor": 0.5}, {"fillvalue": -999}),
        ({}, {"fillvalue": -999}),
    ],
)
def test_what_stands_for_nothing_is_missing(tmp_path, attributes, options):
    raw = RAW.copy()
    raw[[3, 30], [0, 1]] = -999
    keep = (raw != -999).all(axis=1)
    scale = attributes.get("scale_factor", 1.0)
    for source in stored(tmp_path, raw, attributes, **options):
        prepared, X, y, _ = read_all(source, tmp_path, missing="drop")
        assert (X.tolist(), y.tolist()) == ((raw[keep] * scale).tolist(), Y[keep].tolist())
        assert prepared.notes["rows with missing values left out"] == 2
        assert "is missing" in prepared.notes["read by their attributes"]["X"]
        with pytest.raises(DataError, match=r"has no value in (data row 4|row 3 )"):
            read_all(source, tmp_path)


def test_fill_values_of_floats(tmp_path):
    """As float32 writes them, as xarray writes them for Zarr, and NaN, which is missing anyway."""
    raw = RNG.normal(size=(M, 2)).astype("f4")
    raw[5, 1] = 1e20
    for value in (np.float32(1e20), 1e20):
        for source in stored(tmp_path, raw, {"_FillValue": value}):
            assert len(read_all(source, tmp_path, missing="drop")[1]) == M - 1
    group = zarr.open_group(tmp_path / "x.zarr", mode="w")
    group.create_array("X", data=raw).attrs["_FillValue"] = base64.b64encode(struct.pack("<d", 1e20)).decode()
    group.create_array("y", data=Y)
    assert len(read_all(str(tmp_path / "x.zarr"), tmp_path, missing="drop")[1]) == M - 1
    raw[5, 1] = np.nan
    for source in stored(tmp_path, raw, {"_FillValue": np.float32("nan")}, fillvalue=np.nan):
        prepared, X, _, _ = read_all(source, tmp_path, missing="drop")
        assert (len(X), "read by their attributes" in prepared.notes) == (M - 1, False)


def test_integers_beside_a_fill_value_keep_their_values(tmp_path):
    raw = RAW.astype("i8")
    raw[0, 0], raw[1, 1] = 2**53 + 1, -1
    for source in stored(tmp_path, raw, fillvalue=-1):
        prepared, X, _, _ = read_all(source, tmp_path, missing="drop")
        gone = (raw == -1).any(axis=1)
        assert X.tolist() == raw[~gone].astype(float).tolist()
        assert prepared.notes["values rounded to float64"] == 1


def test_zero_and_what_was_never_written(tmp_path):
    """0 is a number like others, and chunks that are not there are told; a chosen fill value is missing there too."""
    raw = RAW.copy()
    raw[8] = 0
    for source in stored(tmp_path, raw, fillvalue=0):
        prepared, X, _, _ = read_all(source, tmp_path)
        assert (X.tolist(), prepared.notes) == (raw.astype(float).tolist(), {})
    with h5py.File(tmp_path / "u.h5", "w") as file:
        file.create_dataset("chosen", (M, 3), chunks=(10, 3), dtype="f4", fillvalue=-7)[:20] = 1.0
        file.create_dataset("bare", (M, 3), dtype="f8")
    what = "chunks not in the file, read as their fill value"
    prepared, X, _, _ = read_all(f"{tmp_path / 'u.h5'}::chosen", tmp_path, missing="drop")
    assert (len(X), prepared.notes[what]) == (20, 2)
    assert opened(f"{tmp_path / 'u.h5'}::bare").notes == {what: 1}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"scale_factor": "a tenth"}, r"::/?X: its attribute scale_factor is 'a tenth', which is no number"),
        ({"scale_factor": np.array([1.0, 2.0])}, "scale_factor must be one number, got 2"),
        ({"add_offset": np.inf}, "must be finite"),
        ({"valid_range": np.array([1, 2, 3])}, "valid_range must be two numbers, got 3"),
        ({"_Unsigned": "true"}, "_Unsigned says that integers wrap around"),
    ],
)
def test_attributes_that_cannot_be_applied(tmp_path, attributes, message):
    for source in stored(tmp_path, attributes=attributes):
        with pytest.raises(ReadError, match=message):
            opened(source)


def test_attributes_of_tables_with_fields_are_refused(tmp_path):
    table = np.zeros(5, dtype=[("a", "i2"), ("y", "f8")])
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["t"] = table
        file["t"].attrs["scale_factor"] = 0.1
        file["t"].attrs["units"] = "K"
    with pytest.raises(ReadError, match="has named fields and the attributes scale_factor"):
        opened(str(tmp_path / "t.h5"))
