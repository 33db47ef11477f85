"""Sources of a scan: Parquet files, by row groups."""

from __future__ import annotations

import gc
import itertools
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.data.sources import parquet as sources_parquet
from profiles import examples
from scan_tables import FRAME, A, M, collected, joined, opened, read_all


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
