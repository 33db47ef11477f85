"""Tables in every form that a scan reads, and what is read of them, for the tests of its sources."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import zarr

import fastminima as fm
from fastminima.data.sources.open_sources import Unopened, open_sources

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


def write_tables(folder):
    """Write the same table to a folder in every form that is stored."""
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
