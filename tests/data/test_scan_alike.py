"""The same columns in every kind of source: the same risk to the bit, the same radius, the same notes."""

from __future__ import annotations

import io
import itertools

import dask.dataframe as dd
import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

import fastminima as fm
from fastminima.data.text_form import TextOptions
from scan_tables import read_all

RNG = np.random.default_rng(21)
M = 57
BIG = 2**53 + 1
COLUMNS = {
    "a": RNG.normal(size=M),
    "n": np.where(np.arange(M) % 9 == 4, BIG + 2 * np.arange(M), np.arange(M) % 5),
    "f": RNG.integers(-8, 9, size=M) / 4,
    "w": (np.arange(M) % 4) / 2,
    "y": RNG.normal(size=M),
}
FEATURES = ("a", "n", "f")
TABLE = pd.DataFrame(COLUMNS)
NAMED = {"target": "y", "sample_weight": "w"}
EXACT = np.array([column.tolist() for column in COLUMNS.values()], dtype=object).T


def three(convert=np.asarray):
    """X, y and weights; integers keep their values only among objects."""
    return convert(EXACT[:, :3]), COLUMNS["y"], COLUMNS["w"]


def pieces(source, cuts=(0, 10, 11, 40, M)):
    return [source[i:j] for i, j in itertools.pairwise(cuts)]


def records():
    return TABLE.to_records(index=False)


def kinds(folder):
    """(name, source, options): what columns are called where they have names, X, y and weights where not."""
    np.save(folder / "fields.npy", records())
    yield "npy", str(folder / "fields.npy"), NAMED
    np.save(folder / "table.npy", TABLE.to_numpy())
    TABLE.to_csv(folder / "t.csv", index=False)
    yield "csv", str(folder / "t.csv"), NAMED
    TABLE.to_csv(folder / "t.tsv.gz", index=False, sep="\t")
    yield "tsv", str(folder / "t.tsv.gz"), NAMED
    TABLE.to_csv(folder / "semicolons.csv", index=False, sep=";", decimal=",")
    yield (
        "decimal commas",
        str(folder / "semicolons.csv"),
        NAMED | {"text": TextOptions(sep=";", decimal=",")},
    )
    TABLE.to_csv(folder / "bare.csv", index=False, header=False)
    yield "no names", str(folder / "bare.csv"), {"sample_weight": 3, "text": TextOptions(header=False)}
    TABLE.to_parquet(folder / "t.parquet", row_group_size=13)
    yield "parquet", str(folder / "t.parquet"), NAMED
    pq.write_table(pa.table(COLUMNS), folder / "u.parquet", use_dictionary=True, row_group_size=5)
    yield "parquet of arrow", str(folder / "u.parquet"), NAMED
    (folder / "parts").mkdir()
    for number, part in enumerate(pieces(TABLE)):
        part.to_parquet(folder / "parts" / f"{number}.parquet")
    yield "parquet in parts", str(folder / "parts"), NAMED
    with h5py.File(folder / "t.h5", "w") as file:
        file.create_dataset("fields", data=records(), chunks=(7,))
    yield "hdf5", f"{folder / 't.h5'}::fields", NAMED
    yield "pandas", TABLE, NAMED
    yield "pandas with an index", TABLE.set_index(pd.Index(range(5, M + 5), name="id")), NAMED
    yield "objects", TABLE.astype(object), NAMED
    yield "nullable", TABLE.convert_dtypes(), NAMED
    yield "arrow types", TABLE.convert_dtypes(dtype_backend="pyarrow"), NAMED
    yield "polars", pl.from_pandas(TABLE), NAMED
    yield "arrow", pa.Table.from_pandas(TABLE), NAMED
    yield "record batch", pa.Table.from_pandas(TABLE).to_batches()[0], NAMED
    yield "records", records(), NAMED
    yield "dask", dd.from_pandas(TABLE, npartitions=4), NAMED
    yield "array of objects", EXACT, {"sample_weight": 3}
    yield "tuple", three(), {}
    yield "frames", (TABLE[["a", "n", "f"]], TABLE["y"], TABLE["w"]), {}
    yield "dict", dict(zip(("X", "y", "sample_weight"), three(), strict=True)), {}
    yield (
        "lists",
        dict(zip(("X", "y", "sample_weight"), (part.tolist() for part in three()), strict=True)),
        {},
    )
    yield "iterable", list_of_blocks(), {}
    yield "iterator", iter(list_of_blocks()()), {}
    yield (
        "a mapping of columns",
        {"X": TABLE[list(FEATURES)], "y": COLUMNS["y"], "sample_weight": COLUMNS["w"]},
        {},
    )


def list_of_blocks():
    blocks = [(part[list(FEATURES)], part["y"], part["w"]) for part in pieces(TABLE)]
    return lambda: blocks


def stored_as_floats(folder):
    """X of one type: integers beyond 2^53 were rounded before they came."""
    X, y, w = three(lambda values: values.astype(float))
    np.savez(folder / "s.npz", X=X, y=y, sample_weight=w)
    np.savez_compressed(folder / "p.npz", X=X, y=y, sample_weight=w)
    with h5py.File(folder / "f.h5", "w") as file:
        group = zarr.open_group(folder / "f.zarr", mode="w")
        for name, values in (("X", X), ("y", y), ("sample_weight", w)):
            file[name] = values
            group.create_array(name, data=values)
    yield from (str(folder / name) for name in ("s.npz", "p.npz", "f.h5", "f.zarr"))
    yield np.load(folder / "s.npz")
    yield h5py.File(folder / "f.h5")
    yield zarr.open_group(folder / "f.zarr", mode="r")
    stream = io.BytesIO()
    np.savez(stream, X=X, y=y, sample_weight=w)
    yield np.load(io.BytesIO(stream.getvalue()))
    yield X, y, w


def answer(source, options):
    text = options.pop("text", None)
    said = {} if text is None else {name: getattr(text, name) for name in text.given}
    (row,) = fm.scan(source, **options, **said)
    assert row.error is None
    return row.fit.risk, row.minimum.radius, row.fit.rank, row.better and row.better.risk


WANTED = {"rows of weight 0 left out": 15, "values rounded to float64": 6}
KINDS = [
    "npy",
    "csv",
    "tsv",
    "decimal commas",
    "no names",
    "parquet",
    "parquet of arrow",
    "parquet in parts",
    "hdf5",
    "pandas",
    "pandas with an index",
    "objects",
    "nullable",
    "arrow types",
    "polars",
    "arrow",
    "record batch",
    "records",
    "dask",
    "array of objects",
    "tuple",
    "frames",
    "dict",
    "lists",
    "iterable",
    "iterator",
    "a mapping of columns",
]


@pytest.fixture(scope="module")
def want():
    X, y, w = three(lambda values: values.astype(float))
    return answer((X, y, w), {})


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_columns_get_the_same_answer(tmp_path, want, kind):
    found = {name: (source, options) for name, source, options in kinds(tmp_path)}
    assert list(found) == KINDS
    source, options = found[kind]
    if kind != "iterator":
        assert answer(source, dict(options)) == want
    prepared, X, y, w = read_all(source, tmp_path, **options)
    keep = COLUMNS["w"] > 0
    assert X.tolist() == EXACT[keep, :3].astype(float).tolist()
    assert (y.tolist(), w.tolist()) == (COLUMNS["y"][keep].tolist(), COLUMNS["w"][keep].tolist())
    notes = dict(prepared.notes)
    assert notes.pop("files", 4) == 4  # of a table in parts
    assert notes == WANTED
    if prepared.feature_names is not None:
        assert prepared.feature_names == FEATURES


def test_arrays_of_one_type_get_the_same_answer(tmp_path, want):
    for source in stored_as_floats(tmp_path):
        assert answer(source, {}) == want
        assert read_all(source, tmp_path)[0].notes == {"rows of weight 0 left out": 15}
