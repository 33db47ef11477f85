"""Dask frames and arrays: names are kept, and partitions are computed one at a time."""

from __future__ import annotations

import pickle

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import fastminima as fm
from fastminima.errors import DataError, DataTypeError, ReadError, TargetError
from scan_tables import FRAME, A, M, check_blocks, opened, read_all

MIXED = pd.DataFrame(
    {
        "a": [1.5, 2.5, None, 4.0, 5.0, 7.0],
        "n": pd.array([2**53 + 1, 2, 3, None, 5, 6], dtype="Int64"),
        "colour": ["red", None, "blue", "green", "red", "blue"],
        "kind": pd.Categorical(["p", "q", "p", "p", "q", "q"]),
        "w": [1.0, 1.0, 2.0, 1.0, 2.0, 3.0],
        "y": [3.0, 0.0, 1.0, 2.0, 8.0, 1.0],
    }
)


@pytest.mark.parametrize("partitions", [1, 3, 11])
def test_a_frame_keeps_its_names(tmp_path, partitions):
    frame = dd.from_pandas(FRAME, npartitions=partitions)
    check_blocks(opened(frame, "y"), tmp_path)
    prepared, X, _, _ = read_all(frame, tmp_path, "b", features=["y", "a"])
    assert (prepared.feature_names, prepared.target_name) == (("y", "a"), "b")
    assert X.tolist() == A[:, [3, 0]].tolist()
    assert fm.scan(frame, "y")[0].fit.risk == fm.scan(FRAME, "y")[0].fit.risk
    assert pickle.loads(pickle.dumps(opened(frame, "y").prepare(str(tmp_path)))).n_rows == M
    with pytest.raises(TargetError, match="no target column 'z'; columns: 'a', 'b', 'c', 'y'"):
        opened(frame, "z")
    with pytest.raises(TargetError, match="which column is the target"):
        opened(frame)


@pytest.mark.parametrize("options", [{}, {"categories": "onehot"}, {"sample_weight": "w", "features": ["n"]}])
def test_it_is_scanned_as_the_frame_it_stands_for(tmp_path, options):
    lazy = dd.from_pandas(MIXED, npartitions=3)
    theirs, *ours = (read_all(source, tmp_path, "y", missing="drop", **options) for source in (MIXED, lazy))
    (ours,) = ours
    assert ours[0].feature_names == theirs[0].feature_names
    for one, other in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_array_equal(one, other)
    assert ours[0].notes == theirs[0].notes
    with pytest.raises(DataError, match="has no value in row 2 "):
        read_all(lazy, tmp_path, "y", features=["a"])


def test_partitions_are_computed_one_after_the_other(tmp_path):
    computed = []

    def made(number):
        computed.append(number)
        return FRAME[number * 100 : (number + 1) * 100]

    lazy = dd.from_map(made, range(10), meta=FRAME[:0])
    with dask.config.set(scheduler="synchronous"):
        source = opened(lazy, "y")
        assert computed == [0]
        for number, _ in enumerate(source.blocks(rows=100), start=1):
            # the block that is cut, and none beyond it
            assert computed == [0, *range(number)]
        prepared = source.prepare(str(tmp_path))
    assert prepared.n_rows == 1000


def test_empty_partitions_have_no_rows(tmp_path):
    lazy = dd.from_pandas(FRAME.assign(place=range(M)), npartitions=5)
    some = lazy[lazy["a"] > 1.0][list("abcy")]
    keep = A[A[:, 0] > 1.0]
    assert (
        read_all(lazy[lazy["place"] >= 900][list("abcy")], tmp_path, "y")[2].tolist() == A[900:, 3].tolist()
    )
    assert read_all(some, tmp_path, "y")[2].tolist() == keep[:, 3].tolist()
    with pytest.raises(DataError, match="has no rows"):
        opened(lazy[lazy["a"] > 1e9], "y")


def test_arrays_go_by_position(tmp_path):
    for chunks in ((100, 4), (333, 3), M):
        check_blocks(opened(da.from_array(A, chunks=chunks)), tmp_path)
    unknown = da.from_array(A, chunks=(100, 4))
    assert read_all(unknown[unknown[:, 0] > 0], tmp_path, 0)[2].tolist() == A[A[:, 0] > 0, 0].tolist()
    with pytest.raises(DataError, match="must be 2-D"):
        opened(da.ones(5))


def test_pieces_of_dask_are_refused(tmp_path):
    """X and y of their own would have to be brought together row by row."""
    lazy = dd.from_pandas(FRAME, npartitions=2)
    for source in (
        (lazy[["a"]], lazy["y"]),
        lazy["y"],
        {"X": lazy[["a"]], "y": lazy["y"]},
        (A, da.from_array(A[:, 0])),
    ):
        with pytest.raises(DataTypeError, match=r"Dask .*\.compute\(\)"):
            opened(source)


def test_frames_of_other_kinds_are_refused():
    class Other:
        columns = ("a", "y")

        def __array__(self, *_, **__):
            return A[:, :2]

    with pytest.raises(
        DataTypeError, match=r"frame of another kind \(.*Other\), whose columns would lose their names"
    ):
        opened(Other(), "y")


def test_a_partition_of_another_kind_is_named(tmp_path):
    parts = [pd.DataFrame({"a": [1, 2], "y": [1.0, 2.0]}), pd.DataFrame({"a": ["u", "v"], "y": [1.0, 2.0]})]
    lazy = dd.from_map(lambda number: parts[number], range(2), meta=parts[0][:0])
    with pytest.raises(
        (DataError, ReadError), match="column 'a' of partition 1 is text, in the first partition it was"
    ):
        read_all(lazy, tmp_path, "y")
