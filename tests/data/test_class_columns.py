"""Labels of classes as a target, from arrays, frames and files: numbers, names, and what is refused."""

from __future__ import annotations

import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataError, DataTypeError, OptionError, ReadError, TargetError

M = 12
KINDS = ("cat", "dog", "eel")
LABELS = [KINDS[k % 3] for k in range(M)]
X = np.random.default_rng(0).standard_normal((M, 2)).round(3)
NUMBERS = [float(k % 3) for k in range(M)]


def column(kind):
    if kind == "list":
        return LABELS
    if kind == "array":
        return np.array(LABELS)
    if kind == "objects":
        return np.array(LABELS, dtype=object)
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    return {
        "series": lambda: pandas.Series(LABELS, name="kind"),
        "category": lambda: pandas.Series(LABELS, name="kind", dtype="category"),
        "object series": lambda: pandas.Series(LABELS, name="kind", dtype=object),
        "frame": lambda: pandas.DataFrame({"kind": LABELS}),
        "polars": lambda: polars.Series("kind", LABELS),
        "polars categories": lambda: polars.Series("kind", LABELS, dtype=polars.Categorical),
        "arrow": lambda: pyarrow.table({"kind": LABELS}),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    ["list", "array", "objects", "series", "category", "object series", "frame", "polars", "polars categories", "arrow"],
)
def test_labels_in_memory(kind):
    y = column(kind)
    data = fm.Dataset(X, y, labels=True)
    assert (data.y.tolist(), data.classes) == (NUMBERS, KINDS)
    assert data.target_name == (None if kind in ("list", "array", "objects") else "kind")
    low = fm.spurious_minimum((X, y), "relu", (4, 3), loss="softmax", label_smoothing=0.1)
    again = fm.spurious_minimum(data, "relu", (4, 3), loss="softmax", label_smoothing=0.1)
    assert (low.classes, low.loss, low.radius) == (KINDS, again.loss, again.radius)


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (LABELS, KINDS),
        ([str(7 * (k % 3) - 3) for k in range(M)], (-3, 4, 11)),
        ([f"{k % 3}.0" for k in range(M)], (0, 1, 2)),
        (["true" if k % 2 else "False" for k in range(M)], (False, True)),
        (["1", "2", *["x"] * (M - 2)], ("1", "2", "x")),
        ([f'"{k % 2}, a"' for k in range(M)], ("0, a", "1, a")),
    ],
    ids=["texts", "integers", "floats", "truth", "texts that begin with numbers", "quoted"],
)
def test_labels_in_files_and_for_the_checker_alone(tmp_path, cells, classes):
    pytest.importorskip("pandas")
    from fastminima.proof import check as checker

    path = tmp_path / "t.csv"
    rows = "".join(f"{a},{label},{b}\n" for (a, b), label in zip(X.tolist(), cells, strict=True))
    path.write_text("a,kind,b\n" + rows)
    data = fm.read(path, "kind", labels=True)
    assert (data.classes, data.target_name, data.feature_names) == (classes, "kind", ("a", "b"))
    assert [type(v) for v in data.classes] == [type(v) for v in classes]
    low = fm.spurious_minimum(data, "relu", (3, 3), loss="softmax", label_smoothing=0.2)
    assert low.classes == classes
    proof = fm.prove(low)
    assert proof.content["setting"]["classes"] == list(classes)
    assert fm.check(proof, path, target="kind")
    proof.save(tmp_path / "proof.json")
    assert checker.main([str(tmp_path / "proof.json"), str(path), "--target", "kind"]) == 0
    # another class in one row
    first, *rest = rows.splitlines(keepends=True)
    (tmp_path / "u.csv").write_text("a,kind,b\n" + first.replace(cells[0], cells[1]) + "".join(rest))
    assert not fm.check(proof, tmp_path / "u.csv", target="kind")
    assert checker.main([str(tmp_path / "proof.json"), str(tmp_path / "u.csv"), "--target", "kind"]) == 1
    # and one that has no name
    (tmp_path / "u.csv").write_text("a,kind,b\n" + first.replace(cells[0], "77") + "".join(rest))
    assert not fm.check(proof, tmp_path / "u.csv", target="kind")
    # truth beside numbers is a text for the one reader, and no column for the other
    alone = checker.main([str(tmp_path / "proof.json"), str(tmp_path / "u.csv"), "--target", "kind"])
    assert alone == 1 + (classes == (False, True))


def test_labels_in_parquet_npz_and_structured_arrays(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    truth, numbers = [k % 2 == 0 for k in range(M)], [k % 3 + 5 for k in range(M)]
    for name, y in {"text": LABELS, "truth": truth, "number": numbers}.items():
        path = tmp_path / f"{name}.parquet"
        pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": y}).to_parquet(path)
        assert fm.read(path, "kind", labels=True).classes == tuple(sorted(set(y)))
    frame = pandas.DataFrame({"a": X[:, 0], "kind": pandas.Categorical(LABELS)})
    frame.to_parquet(tmp_path / "c.parquet")
    assert fm.read(tmp_path / "c.parquet", "kind", labels=True).classes == KINDS
    np.savez(tmp_path / "t.npz", X=X, y=np.array(LABELS))
    assert fm.read(tmp_path / "t.npz", labels=True).classes == KINDS
    table = np.array([(a, b, k) for (a, b), k in zip(X.tolist(), LABELS, strict=True)], "f8,f8,U3")
    np.save(tmp_path / "t.npy", table)
    assert fm.read(tmp_path / "t.npy", "f2", labels=True).classes == KINDS


def test_exact_whole_numbers_are_labels():
    for y in ([Fraction(2), Fraction(5)], [Decimal(2), Decimal("5.0")], [2, 5]):
        assert fm.Dataset([[0.0], [1.0]], y, labels=True).classes == (2, 5)


def test_rows_that_go_take_their_class_with_them():
    weight = np.array([0.0 if label == "dog" else 1.0 for label in LABELS])
    data = fm.Dataset(X, LABELS, labels=True, sample_weight=weight)
    assert (data.classes, set(data.y.tolist())) == (("cat", "eel"), {0.0, 1.0})
    whole = fm.Dataset(X, LABELS, labels=True)
    few = whole.take(whole.y != 1.0)
    low = fm.spurious_minimum(few, "relu", (3, 3), loss="logistic", label_smoothing=0.1)
    assert low.classes == low.data.classes == ("cat", "eel")
    assert set(low.data.y.tolist()) == {0.0, 1.0}
    gone = fm.Dataset(X, [None, *LABELS[1:]], labels=True, missing="drop")
    assert (gone.n_missing, gone.classes) == (1, KINDS)


def test_classes_are_kept():
    data = fm.Dataset(X, LABELS, labels=True)
    assert "3 classes" in repr(data)
    assert pickle.loads(pickle.dumps(data)).classes == data.one_target(0).classes == KINDS


@pytest.mark.parametrize(
    ("y", "error", "words"),
    [
        ([None, *LABELS[1:]], DataError, "no label in row 0"),
        (["", *LABELS[1:]], DataError, "no label in row 0"),
        ([1, *LABELS[1:]], TargetError, "mixes int and str"),
        ([True, *[0] * (M - 1)], TargetError, "mixes bool and int"),
        ([1.5, *range(M - 1)], TargetError, '1.5 in row 0 .* which is no class: .* loss="squared"'),
        ([float("nan"), *range(M - 1)], DataError, "no label in row 0"),
        (np.array(["2020-01-01"] * M, "M8[D]"), TargetError, "labels are texts, whole numbers or bools"),
        (np.array([LABELS, LABELS]).T, DataError, "one column of labels, got 2"),
    ],
)
def test_what_is_no_set_of_classes_is_refused(y, error, words):
    with pytest.raises(error, match=words):
        fm.Dataset(X, y, labels=True)
    if np.ndim(y) == 1:
        with pytest.raises(error, match=words):
            fm.spurious_minimum((X, y), "relu", (3, 3), loss="softmax")


def test_labels_under_other_losses_are_refused(tmp_path):
    data = fm.Dataset(X, LABELS, labels=True, target_name="kind")
    for loss in ("squared", "huber"):
        for width in (3, (3, 3)):
            with pytest.raises(TargetError, match=r"y \('kind'\) holds labels of classes"):
                fm.spurious_minimum(data, "relu", width, loss=loss)
        with pytest.raises(DataTypeError, match='labels of classes are for loss="softmax"'):
            fm.spurious_minimum((X, LABELS), "relu", 3, loss=loss)
    pytest.importorskip("pandas")
    (tmp_path / "t.csv").write_text("a,kind\n" + "".join(f"{k},{label}\n" for k, label in enumerate(LABELS)))
    with pytest.raises(ReadError, match=r'the text .cat. .* labels of classes are for loss="softmax"'):
        fm.read(tmp_path / "t.csv", "kind")
    with pytest.raises(OptionError, match="labels must be True or False"):
        fm.read(tmp_path / "t.csv", "kind", labels="yes")
    with pytest.raises(TargetError, match=r"t.csv: .*one column"):
        fm.read(tmp_path / "t.csv", ["kind", "a"], labels=True)


def test_a_certificate_holds_for_its_own_classes_alone():
    low = fm.spurious_minimum((X, LABELS), "relu", (3, 3), loss="softmax", label_smoothing=0.1)
    proof = fm.prove(low)
    for accepted in ((X, LABELS), low.data, (X, NUMBERS), fm.Dataset(X, NUMBERS)):
        assert fm.check(proof, accepted)
    other = fm.check(proof, (X, [label.upper() for label in LABELS]))
    assert (other.accepted, other.reason[:32]) == (False, "the classes of the certificate a")
    moved = fm.spurious_minimum((X, [k + 4 for k in NUMBERS]), "relu", (3, 3), loss="softmax", label_smoothing=0.1)
    proof = fm.prove(moved)
    assert fm.check(proof, fm.Dataset(X, [k + 4 for k in NUMBERS]))
    assert "classes of the certificate are 4, 5, 6" in fm.check(proof, (X, NUMBERS)).reason
