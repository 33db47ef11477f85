"""Sources of a scan: files that are cut short or damaged, full folders, and packages that are not there."""

from __future__ import annotations

import errno
import gzip
import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fastminima.data.sources import spill as sources_spill
from fastminima.errors import MissingDependencyError, OutputError, ReadError
from scan_tables import FRAME, A, Blocks, collected, opened, read_all


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
