"""Numbers that label the columns of a frame are names, never positions."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

import fastminima as fm
from fastminima import Dataset
from fastminima.errors import ReadError, TargetError

TABLE = np.array([[4.0, 1, 7, 2], [2, 8, 1, 3], [9, 5, 3, 3], [1, 1, 6, 8], [3, 7, 4, 1], [6, 2, 2, 5]])


def fit(source, target, **options):
    (result,) = fm.scan(source, target=target, **options)
    if result.error is not None:
        raise result.error
    return result.fit


def wanted(target, features):
    return fm.spurious_minimum(Dataset(TABLE[:, features], TABLE[:, target])).fit.risk


@pytest.mark.parametrize("kind", [int, np.int64, np.int8, np.uint16, str, float])
@pytest.mark.parametrize("labels", [(1, 2, 3, 4), (3, 0, 2, 1), (2019, 2020, 2021, 2022), (4, -1, 0, 7)])
def test_a_number_is_the_label(kind, labels):
    if kind in (np.int8, np.uint16) and (max(labels) > 127 or min(labels) < 0):
        pytest.skip("too large for the type")
    frame = pd.DataFrame(TABLE, columns=list(labels))
    for column, label in enumerate(labels):
        asked = str(label) if kind is str else kind(label)
        others = [c for c in range(4) if c != column]
        assert fit(frame, asked).risk == wanted(column, others)
        two = [kind(labels[c]) if kind is not str else str(labels[c]) for c in others[::-1][:2]]
        chosen = fit(frame, asked, features=two)
        assert chosen.risk == wanted(column, others[::-1][:2])
    weighted = fit(frame, labels[0], sample_weight=labels[3], features=[labels[2]])
    by_hand = Dataset(TABLE[:, [2]], TABLE[:, 0], sample_weight=TABLE[:, 3])
    assert weighted.risk == fm.spurious_minimum(by_hand).fit.risk


@pytest.mark.parametrize("absent", [-1, 0, 5, np.int64(0), "0"])
def test_a_number_that_labels_nothing_is_no_position(absent):
    frame = pd.DataFrame(TABLE, columns=[1, 2, 3, 4])
    with pytest.raises(
        TargetError, match=r"numbers label its columns, so .* not for a position; columns: '1', '2'"
    ):
        fit(frame, absent)
    with pytest.raises(ReadError, match="numbers label its columns"):
        fit(frame, 1, features=[absent])
    with pytest.raises(ReadError, match="numbers label its columns"):
        fit(frame, 1, sample_weight=absent)


def test_ranges_of_labels():
    frame = pd.DataFrame(TABLE)
    for target in (2, -2):
        assert fit(frame, target).risk == wanted(2, [0, 1, 3])
    for order in ([2, 0, 1, 3], [3, 2, 1, 0]):
        assert fit(frame[order], 3).risk == pytest.approx(wanted(3, [0, 1, 2]), rel=1e-12)
    tail = frame.iloc[:, 1:]  # a range that begins at 1
    assert fit(tail, 1).risk == wanted(1, [2, 3])
    assert fit(frame.iloc[:, ::2], 2).risk == wanted(2, [0])
    assert Dataset(tail, TABLE[:, 0]).feature_names == ("1", "2", "3")
    assert Dataset(frame, TABLE[:, 0]).feature_names is None


def test_mixed_and_repeated_labels():
    frame = pd.DataFrame(TABLE, columns=["y", 1, "b", 3])
    assert fit(frame, "y", features=[3, "b"]).risk == wanted(0, [3, 2])
    with pytest.raises(TargetError, match="numbers label"):
        fit(frame, 0)
    twice = pd.DataFrame(TABLE, columns=["a", "a", "b", "y"])
    with pytest.raises(TargetError, match="'a' alone: 2 columns are called so"):
        fit(twice, "a")
    both = pd.DataFrame(TABLE, columns=[1, "1", "b", "y"])
    with pytest.raises(TargetError, match="'1' alone: 2 columns"):
        fit(both, "1")
    assert fit(both, 1, features=["b"]).risk == wanted(0, [2])


def test_a_number_beyond_the_columns_of_a_file_may_be_a_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("2019,2020\n1,2\n3,5\n")
    assert fm.read(path, 2020, header=True).y.tolist() == [2, 5]
    assert fm.read(path, 1, header=True).y.tolist() == [2, 5]
    data = Dataset(pd.DataFrame(TABLE, columns=[1, 2, 3, 4]), TABLE[:, 0])
    assert pickle.loads(pickle.dumps(data)).feature_names == ("1", "2", "3", "4")
    assert {type(name) for name in data.feature_names} == {str}


def test_a_weight_is_no_feature(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,w,y\n1,2,1\n3,5,2\n")
    with pytest.raises(ReadError, match="'w' is sample_weight and cannot be a feature too"):
        fm.read(path, "y", features=["a", "w"], sample_weight="w")


@pytest.mark.parametrize(
    "values", [[True, False, True], [1, 2, 1], [1.5, 2.5, 1.5], ["u", "v", "u"], [None, True, False]]
)
def test_categories_are_categories_whatever_they_are_of(values):
    from fastminima.errors import DataTypeError

    frame = pd.DataFrame({"c": pd.Categorical(values), "b": [1.0, 2, 5]})
    with pytest.raises(DataTypeError, match=r"not numeric: 'c' \(category\)"):
        Dataset(frame, [3.0, 0, 1])
    data = Dataset(frame, [3.0, 0, 1], categories="onehot", missing="drop")
    assert data.feature_names[0].startswith("c=")


# --- columns that are numbers in whatever way they are kept, and containers -------------------------------------


def test_object_columns_of_floats_are_read_exactly():
    big = 2**60 + 1
    frame = pd.DataFrame({"a": pd.Series([0.5, big, np.float32(0.1), 7], dtype=object)})
    data = Dataset(frame, [3.0, 0, 1, 2])
    assert data.exact.value(1, 0) == big
    assert data.exact.value(2, 0) == np.float64(np.float32(0.1))
    with pytest.raises(fm.errors.DataError, match="is nan in row 1"):
        Dataset(pd.DataFrame({"a": pd.Series([0.5, float("nan")], dtype=object)}), [1.0, 2])


def test_arrow_dictionaries_of_numbers_are_numbers(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"n": [7, 7, None, 2], "f": [0.5, 1.5, 0.5, 2.5], "y": [1.0, 2, 4, 3]}
    table = pa.table({name: pa.array(values).dictionary_encode() for name, values in columns.items()})
    pq.write_table(table, tmp_path / "t.parquet")
    held = Dataset(table.select(["n", "f"]), table["y"], missing="drop")
    read = fm.read(tmp_path / "t.parquet", "y", missing="drop")
    assert held.X.tolist() == read.X.tolist() == [[7, 0.5], [7, 1.5], [2, 2.5]]
    assert Dataset(table.select(["f"]), table["y"]).X.ravel().tolist() == columns["f"]


@pytest.mark.parametrize("names", [("X", "y"), ("X", "Y"), ("data", "target")])
def test_a_dict_of_inputs_and_targets(names):
    held = {
        names[0]: TABLE[:, :3],
        names[1]: TABLE[:, 3],
        "DESCR": "long " * 999,
        "feature_names": ["a", "b", "c"],
    }
    data = Dataset(held)
    assert data.X.tolist() == TABLE[:, :3].tolist()
    assert data.y.tolist() == TABLE[:, 3].tolist()
    assert data.feature_names == ("a", "b", "c")
    weighted = Dataset({**held, "sample_weight": np.arange(1.0, 7)})
    assert weighted.sample_weight.tolist() == [1, 2, 3, 4, 5, 6]
    with pytest.raises(fm.errors.DataTypeError, match="y is missing"):
        Dataset({"inputs": TABLE})
    with pytest.raises(fm.errors.DataTypeError, match="y is missing"):
        Dataset(TABLE)
    with pytest.raises(fm.errors.DataTypeError, match="expected the path of a file, got dict"):
        fm.read(held)


def test_a_bunch_of_scikit_learn():
    from sklearn.datasets import load_diabetes

    for options in ({}, {"as_frame": True}):
        data = Dataset(load_diabetes(**options))
        assert (data.n_samples, data.n_features) == (442, 10)
        assert data.feature_names[2] == "bmi"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x" * 300 + ".csv",
        "a\0b.csv",
        "/dev/null",
        "/dev/zero",
        "/",
        ".",
        "no/such.csv",
        "\udcff.csv",
        b"",
        b"\xff.csv",
    ],
)
def test_odd_paths_are_named_errors(path):
    with pytest.raises(fm.errors.ReadError) as caught:
        fm.read(path, "y")
    str(caught.value).encode()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("path", [None, 3, ["t.csv"], {"a": 1}, 2.5, open])
def test_what_is_no_path(path):
    with pytest.raises(fm.errors.DataTypeError, match="expected the path of a file"):
        fm.read(path, "y")


def test_a_pipe_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ReadError, match="a device or a pipe"):
        fm.read(tmp_path / "pipe.csv", "y")


def test_a_field_of_several_numbers_is_named(tmp_path):
    array = np.zeros(3, dtype=[("a", "f8"), ("pair", "f4", 2), ("y", "i4")])
    np.save(tmp_path / "s.npy", array)
    with pytest.raises(ReadError, match=r"not numeric: 'pair' \(an array of shape \(2,\) a row\)"):
        fm.read(tmp_path / "s.npy", "y")
    assert fm.read(tmp_path / "s.npy", "y", features=["a"]).n_features == 1
    left = fm.read(tmp_path / "s.npy", "y", categories="reject")
    assert left.feature_names == ("a",)
    with pytest.raises(fm.errors.TargetError, match="'pair'"):
        fm.read(tmp_path / "s.npy", "pair", features=["a"])
