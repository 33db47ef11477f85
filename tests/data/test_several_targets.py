"""Several targets in one dataset: every source gives the same exact Y, and what takes one target refuses more by name."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fastminima as fm
from fastminima.errors import DataError, FastMinimaError, ReadError, TargetError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(6, 3))
Y = RNG.normal(size=(6, 2))
NAMES = ("a", "b")


def exact_targets(data):
    """Y as rationals, by rows."""
    if data.exact is None:
        return [[Fraction(v) for v in row] for row in data.Y.tolist()]
    columns = range(data.n_features, data.n_features + data.n_targets)
    return [[data.exact.value(i, j) for j in columns] for i in range(data.n_samples)]


# --- what comes in --------------------------------------------------------------------------------------


def test_contiguous_targets_are_not_copied_and_not_modified():
    y = Y.copy()
    data = fm.Dataset(X, y)
    assert np.shares_memory(data.Y, y)
    assert (data.Y == Y).all()
    assert (data.n_targets, data.Y.shape, data.target_names) == (2, (6, 2), None)
    assert y.flags.writeable
    assert not data.Y.flags.writeable
    assert data.Y.flags.c_contiguous


@pytest.mark.parametrize(
    "column", [Y[:, 0], Y[:, :1], Y[:, :1].tolist(), pd.Series(Y[:, 0]), pd.DataFrame(Y[:, :1])]
)
def test_one_column_is_one_target_however_it_comes(column):
    data = fm.Dataset(X, column)
    assert (data.n_targets, data.Y.shape, data.y.shape) == (1, (6, 1), (6,))
    assert data.y.tolist() == data.Y[:, 0].tolist() == Y[:, 0].tolist()
    assert np.shares_memory(data.y, data.Y)
    assert not data.y.flags.writeable


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        (np.asfortranarray(Y), None),
        (Y[::-1].copy()[::-1], None),
        (Y.tolist(), None),
        (pd.DataFrame(Y), None),
        (pd.DataFrame(Y, columns=NAMES), NAMES),
        (pd.DataFrame(Y, columns=NAMES).convert_dtypes(dtype_backend="pyarrow"), NAMES),
        (pl.DataFrame(dict(zip(NAMES, Y.T, strict=True))), NAMES),
        (pa.table(dict(zip(NAMES, Y.T, strict=True))), NAMES),
        (np.array([tuple(row) for row in Y.tolist()], dtype=[("a", "f8"), ("b", "f8")]), NAMES),
    ],
)
def test_every_kind_of_table_gives_the_same_targets(targets, names):
    data = fm.Dataset(X, targets)
    assert data.Y.tolist() == Y.tolist()
    assert data.Y.flags.c_contiguous
    assert data.target_names == names
    assert fm.Dataset(X, targets, target_names=["u", "v"]).target_names == ("u", "v")


def test_each_target_is_exact():
    targets = [[Fraction(1, 3), 2], [5, 2**53 + 1], [Decimal("0.1"), -7]]
    data = fm.Dataset([[1], [2], [3]], targets, target_names=NAMES)
    assert data.meaning == "rational"
    assert exact_targets(data) == [[Fraction(v) for v in row] for row in targets]
    assert data.Y.tolist() == [[1 / 3, 2.0], [5.0, 2.0**53], [0.1, -7.0]]
    assert data.notes == (
        "y column 0 ('a'): 2 of 3 values are not float64 numbers, the view rounds them",
        "y column 1 ('b'): 1 of 3 values are not float64 numbers, the view rounds them",
    )
    assert len(data.exact.numerators) == 3
    # only the second is rounded in these rows, and it stays where it is
    part = data.take([1])
    assert exact_targets(part) == [[5, 2**53 + 1]]
    assert part.notes == ("y column 1 ('b'): 1 of 1 values are not float64 numbers, the view rounds them",)


def test_weights_drop_rows_of_all_targets():
    data = fm.Dataset(X, Y, sample_weight=[0, 1, 2, 0, 1, 1])
    assert data.Y.tolist() == Y[[1, 2, 4, 5]].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_name": "t"}, "target_name 't' names one target, y has 2; pass target_names"),
        ({"target_names": ["t"]}, "target_names has 1 names, but there are 2"),
        ({"target_names": "ab"}, "single string"),
        ({"target_name": "t", "target_names": NAMES}, "not both"),
    ],
)
def test_bad_target_names(options, message):
    with pytest.raises(DataError, match=message):
        fm.Dataset(X, Y, **options)


def test_the_first_bad_target_is_named():
    bad = Y.copy()
    bad[4, 1] = np.nan
    with pytest.raises(DataError, match=r"y column 1 is nan in row 4 \(counting from 0\)"):
        fm.Dataset(X, bad)
    with pytest.raises(DataError, match=r"y column 1 \('b'\) is nan in row 4"):
        fm.Dataset(X, pd.DataFrame(bad, columns=NAMES))
    with pytest.raises(DataError, match="X has 6 rows and y has 5"):
        fm.Dataset(X, Y[:5])


# --- the object -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("through", [lambda d: pickle.loads(pickle.dumps(d)), copy.deepcopy, copy.copy])
def test_pickles(through):
    data = fm.Dataset(X, [[Fraction(1, 3), 1]] * 6, target_names=NAMES)
    other = through(data)
    assert exact_targets(other) == exact_targets(data)
    assert (other.target_names, other.notes, repr(other)) == (NAMES, data.notes, repr(data))
    assert not other.Y.flags.writeable
    assert data != other


def test_repr_names_the_targets():
    assert repr(fm.Dataset(X, Y)) == "Dataset(6 samples x 3 features, 2 targets)"
    assert repr(fm.Dataset(X, Y, target_names=NAMES)) == "Dataset(6 samples x 3 features, targets 'a', 'b')"
    assert repr(fm.Dataset(X, Y[:, :1], target_names=["a"])) == "Dataset(6 samples x 3 features, target 'a')"


def test_blocks_hand_out_all_targets():
    data = fm.Dataset(X, Y)
    assert np.array_equal(np.concatenate([y for _, y, _ in data.blocks(4)]), Y)
    assert [y.shape for _, y, _ in fm.Dataset(X, Y[:, :1]).blocks(4)] == [(4,), (2,)]


def test_one_of_the_targets():
    data = fm.Dataset([[1], [2]], [[Fraction(1, 3), 1.5], [2, 4]], target_names=NAMES, sample_weight=[1, 2])
    first, second = data.one_target("a"), data.one_target(1)
    assert (first.target_name, second.target_name) == NAMES
    assert (first.y.tolist(), second.y.tolist()) == ([1 / 3, 2.0], [1.5, 4.0])
    assert exact_targets(first) == [[Fraction(1, 3)], [2]]
    assert first.notes == ("y ('a'): 1 of 2 values are not float64 numbers, the view rounds them",)
    # the second holds float64 numbers, so it is no longer more than its view
    assert (second.meaning, second.exact, second.notes) == ("binary", None, ())
    assert second.sample_weight.tolist() == [1.0, 2.0]
    assert data.one_target(-1).y.tolist() == data.one_target(np.int64(1)).y.tolist() == [1.5, 4.0]
    assert fm.least_squares(second).data is second
    for wrong in ("c", 2, -3, True, 0.5, None):
        with pytest.raises(TargetError, match=r"there is no target .*the data have 2 targets \('a', 'b'\)"):
            data.one_target(wrong)


# --- what takes one target ------------------------------------------------------------------------------

SEVERAL = fm.Dataset(X, Y, target_names=NAMES)
NETWORK = fm.OneHiddenLayer(np.ones((2, 3)), np.zeros(2), np.ones(2), 0.0, fm.relu)


@pytest.mark.parametrize(
    ("asker", "ask"),
    [
        ("y", lambda data: data.y),
        ("target_name", lambda data: data.target_name),
        ("least_squares", fm.least_squares),
        ("risk", NETWORK.risk),
        (
            "batched_risk",
            lambda data: fm.batched_risk(
                np.ones((1, 2, 3)), np.ones((1, 2)), np.ones((1, 2)), [0.0], data, "relu"
            ),
        ),
        (
            "batched_risk",
            lambda data: fm.batched_risk(
                np.ones((1, 2, 3)), np.ones((1, 2)), np.ones((1, 2)), [0.0], data, "tanh"
            ),
        ),
        ("excess_risk", lambda data: fm.excess_risk(NETWORK, NETWORK, data)),
        ("probe", lambda data: fm.probe(NETWORK, data, n=10)),
        ("a certificate of theorem 1", lambda data: fm.prove(NETWORK, data=data)),
        (
            "check of a Dataset",
            lambda data: fm.check(fm.prove(fm.spurious_minimum(data.one_target(0))), data),
        ),
        (
            "check of a Dataset",
            lambda data: fm.check(fm.prove(fm.spurious_minimum(data.one_target(0))), (data.X, data.Y)),
        ),
    ],
)
def test_what_takes_one_target_says_so(asker, ask):
    with pytest.raises(TargetError, match=rf"^{asker}.* (takes|is|that of) one target") as caught:
        ask(SEVERAL)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, FastMinimaError)
    if asker != "check of a Dataset":
        assert "the data have 2 targets ('a', 'b'): choose one, such as data.one_target('a')" in str(
            caught.value
        )


def test_a_scan_has_a_row_for_data_with_several_targets():
    low = fm.spurious_minimum(SEVERAL)
    frame = pd.DataFrame(np.hstack([X, Y]), columns=[*"xyz", *NAMES])
    for source, target in ((SEVERAL, None), ((X, Y), None), (frame, ["a", "b"])):
        (result,) = fm.scan([source], target=target)
        assert (result.status, result.row()["n_outputs"]) == (low.status, 2)
        assert (result.row()["loss"], result.row()["radius"]) == (low.loss, low.radius)
    (named,) = fm.scan([pd.DataFrame(np.hstack([X, Y]), columns=[*"xyz", *NAMES])], target=["a"])
    (plain,) = fm.scan([pd.DataFrame(np.hstack([X, Y]), columns=[*"xyz", *NAMES])], target="a")
    assert named.row() | {"seconds": 0} == plain.row() | {"seconds": 0}


def test_any_samples_with_a_table_of_targets_are_refused():
    class Samples:
        X, y, sample_weight = X, Y, None

    for activation in ("relu", "tanh"):
        with pytest.raises(TargetError, match=r"one target, y of shape \(m,\), got shape \(6, 2\)"):
            fm.batched_risk(
                np.ones((1, 2, 3)), np.ones((1, 2)), np.ones((1, 2)), [0.0], Samples(), activation
            )


def test_predictions_need_no_target():
    assert NETWORK.predict(SEVERAL).tolist() == NETWORK.predict(X).tolist()


# --- files ----------------------------------------------------------------------------------------------

COLUMNS = {"age": [1.5, 2.0, 3.0], "a": [0.1, 0.2, 0.3], "big": [1, 2**53 + 1, 3], "b": [4.0, 5.0, 6.0]}


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame(COLUMNS)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv.gz", index=False, sep="\t")
    pq.write_table(pa.table(COLUMNS), tmp_path / "t.parquet")
    np.save(tmp_path / "t.npy", frame.to_records(index=False))
    np.save(tmp_path / "plain.npy", np.column_stack([COLUMNS["age"], COLUMNS["a"], COLUMNS["b"]]))
    return tmp_path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv.gz", "t.parquet", "t.npy"])
@pytest.mark.parametrize("target", [["a", "big"], ("a", "2"), [1, -2], pd.Index(["a", "big"])])
def test_several_columns_are_read_at_once(table, name, target):
    data = fm.read(table / name, target)
    assert data.target_names == ("a", "big")
    assert data.feature_names == ("age", "b")
    assert exact_targets(data) == [
        [Fraction(v), w] for v, w in zip(COLUMNS["a"], COLUMNS["big"], strict=True)
    ]
    assert data.meaning == "rational"
    swapped = fm.read(table / name, ["big", "b"], features=["age"], sample_weight="a")
    assert (swapped.target_names, swapped.feature_names) == (("big", "b"), ("age",))
    assert swapped.sample_weight.tolist() == COLUMNS["a"]
    assert exact_targets(swapped) == [[v, w] for v, w in zip(COLUMNS["big"], COLUMNS["b"], strict=True)]


def test_a_list_of_one_column_is_one_target(table):
    data, plain = fm.read(table / "t.csv", ["a"]), fm.read(table / "t.csv", "a")
    assert (data.y.tolist(), data.target_name) == (plain.y.tolist(), plain.target_name)


def test_decimals_of_several_columns(table):
    data = fm.read(table / "t.csv", ["b", "a"], meaning="decimal")
    assert data.meaning == "decimal"
    assert exact_targets(data) == [[4, Fraction(1, 10)], [5, Fraction(1, 5)], [6, Fraction(3, 10)]]
    assert data.one_target("b").meaning == "decimal"


def test_an_array_without_names(table):
    data = fm.read(table / "plain.npy", [0, -1])
    assert data.Y.tolist() == [[1.5, 4.0], [2.0, 5.0], [3.0, 6.0]]
    assert data.target_names is None
    assert data.X.tolist() == [[0.1], [0.2], [0.3]]


def test_npz_files_hold_a_table_of_targets(tmp_path):
    np.savez(tmp_path / "lower.npz", X=X, y=Y)
    np.savez(tmp_path / "upper.npz", X=X, Y=Y)
    for name, called in (("lower.npz", "y"), ("upper.npz", "Y")):
        data = fm.read(tmp_path / name)
        assert (data.X.tolist(), data.Y.tolist()) == (X.tolist(), Y.tolist())
        assert fm.read(tmp_path / name, called).Y.tolist() == Y.tolist()
        with pytest.raises(TargetError, match=f"the target is {called}"):
            fm.read(tmp_path / name, [0, 1])


def test_scans_read_the_same_archives(tmp_path):
    np.savez(tmp_path / "one.npz", X=X, Y=Y[:, :1])
    np.savez(tmp_path / "two.npz", X=X, Y=Y)
    np.savez(tmp_path / "objects.npz", X=X, y=Y[:, 0], Y=np.array([{}]))
    np.savez(tmp_path / "bad.npz", X=X, Y=np.array([{}]))
    expected = fm.spurious_minimum(fm.read(tmp_path / "one.npz")).risk
    results = fm.scan([tmp_path / f"{name}.npz" for name in ("one", "objects", "two", "bad")])
    assert [result.minimum.risk for result in results[:2]] == [expected] * 2
    assert results[2].minimum == fm.spurious_minimum(fm.Dataset(X, Y))
    assert "'Y' holds Python objects" in str(results[3].error)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (["a", "c"], "has no target column 'c'"),
        (["a", "b", "a"], "target names a column twice: a, b, a"),
        (["a", 1], "target names a column twice: a, 1"),
        ([], "empty sequence"),
    ],
)
def test_targets_that_are_not_there(table, target, message):
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(TargetError, match=message):
            fm.read(table / name, target)


def test_no_column_is_two_things(table):
    with pytest.raises(TargetError, match="'b' is a target and cannot be a feature too"):
        fm.read(table / "t.csv", ["a", "b"], features=["age", "b"])
    with pytest.raises(ReadError, match="'b' cannot be both target and sample_weight"):
        fm.read(table / "t.csv", ["a", "b"], sample_weight="b")
