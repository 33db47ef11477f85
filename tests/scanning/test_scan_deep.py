"""Scans with several layers, targets, losses and activations: each record is what the library's functions say."""

from __future__ import annotations

import importlib
import json
import math
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import LossError, NetworkError, OptionError, TargetError, TooLargeError
from fastminima.scanning.results import DEEP_FIELDS, ROW_FIELDS
from fastminima.scanning.stored_objects import CODEC

scan_module = importlib.import_module("fastminima.scanning.scan")
RNG = np.random.default_rng(8)
M = 24
X = RNG.standard_normal((M, 3)).round(2)
Y = np.column_stack([X[:, 0] ** 2, np.abs(X[:, 1]), X[:, 2] + RNG.standard_normal(M).round(2)])
WEIGHT = RNG.integers(1, 4, M).astype(float)
KINDS = np.array(["cat", "dog", "eel"])[RNG.integers(0, 3, M)]

OPTIONS = [
    {"width": (4,), "loss": "squared", "activation": "elu"},
    {"width": (4, 3), "loss": "squared", "activation": "relu", "alpha": 4.0, "gain": 3.0},
    {"width": (4, 4, 3), "loss": "huber", "activation": "hardtanh:-2,2"},
    {"width": (3, 3), "loss": fm.Huber(0.5), "activation": "leaky_relu:0.2"},
    {"width": (4, 4), "loss": "softmax", "activation": "relu", "label_smoothing": 0.05},
    {"width": 5, "loss": "softmax", "activation": "relu"},
    {"width": (3, 3, 3), "loss": "logistic", "activation": "relu6"},
]


def name_of(options):
    return f"{options['loss']} {options['width']}".replace(" ", "")


def expected(data, options):
    options = dict(options)
    low = fm.spurious_minimum(data, options.pop("activation", fm.relu), options.pop("width", 2), **options)
    return low, fm.better_point(low) if low else None


def tables(loss):
    """Every kind of targets that a loss takes, with weights and without."""
    if loss == "softmax":
        return {"kinds": (X, KINDS), "weighted": (X, KINDS, WEIGHT)}
    if loss == "logistic":
        return {"truth": (X, KINDS == "cat"), "weighted": (X, np.where(KINDS == "cat", "yes", "no"), WEIGHT)}
    if loss == "huber":
        # its exact minimiser of several targets takes seconds
        return {"one": (X, Y[:, 0]), "weighted": (X, Y[:, 1], WEIGHT)}
    return {"one": (X, Y[:, 0]), "three": (X, Y), "weighted": (X, Y[:, :2], WEIGHT)}


def bits(report):
    """All that a report says but the time it took."""
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in report.table]
    networks = [[n.network for n in (r.minimum, r.better) if n] for r in report]
    arrays = [[a.tobytes() for n in found for layer in n.layers for a in layer] for found in networks]
    return repr(rows), arrays


@pytest.mark.parametrize("options", OPTIONS, ids=name_of)
def test_a_record_is_what_the_functions_say(options):
    given_tables = tables(options["loss"])
    report = fm.scan(given_tables, **options)
    assert [result.name for result in report] == list(given_tables)
    for result, data in zip(report, given_tables.values(), strict=True):
        low, better = expected(data, options)
        assert result.error is None
        assert (result.minimum, result.better) == (low, better)
        row, plain = result.row(), low.to_dict()
        assert set(row) >= {*ROW_FIELDS, *DEEP_FIELDS}
        assert row["status"] == str(low.status)
        for key in (
            "n_samples",
            "n_features",
            "rank",
            "reason",
            "excess",
            "radius",
            "radius_relative",
            "bound",
            "loss",
        ):
            assert row[key] == plain[key], key
        for key in ("widths", "loss_function", "epsilon", "least_of_rank", "alpha", "gain", "classes"):
            assert row[key] == plain[key], key
        assert row["weighted"] == (len(data) == 3)
        assert row["better"] == str(better.status)
        told = better.to_dict()
        for key in ("drop", "drop_certified", "certificate", "tried"):
            assert row[key] == told[key], key
        assert row["better_loss"] == told["loss"]
        squared = options["loss"] == "squared"
        assert row["risk"] == (low.risk if squared else None)
        assert row["mean_squared_error"] == (plain["mean_squared_error"] if squared else None)
        assert row["relative_drop"] == better.drop / low.bound
        assert result.to_dict()["bound"] == low.bound


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "linnerud"])
def test_real_tables(name):
    datasets = pytest.importorskip("sklearn.datasets")
    table = getattr(datasets, f"load_{name}")()
    inputs = table.data[:, :2]
    if name in ("diabetes", "linnerud"):
        y, options = table.target, {"width": (5, 5)}
    else:
        smoothing = 0.1 if name == "iris" else 0.0
        y, options = (
            table.target_names[table.target],
            {"width": 4, "loss": "softmax", "label_smoothing": smoothing},
        )
    (result,) = fm.scan((inputs, y), **options)
    low, better = expected((inputs, y), options)
    assert (result.minimum, result.better) == (low, better)
    assert result.minimum.classes == low.classes
    assert result.status == "spurious"


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_made_tables(data):
    m = data.draw(st.integers(4, 10))
    cells = st.integers(-3, 3)
    inputs = np.array(
        data.draw(st.lists(st.lists(cells, min_size=2, max_size=2), min_size=m, max_size=m)), float
    )
    loss = data.draw(st.sampled_from(["squared", "huber", "logistic", "softmax"]))
    if loss in ("logistic", "softmax"):
        y = np.array(
            [k % 2 for k in range(m)]
            if data.draw(st.booleans())
            else [0, 1, *data.draw(st.lists(st.integers(0, 1), min_size=m - 2, max_size=m - 2))]
        )
    else:
        y = np.array(data.draw(st.lists(cells, min_size=m, max_size=m)), float)
    weight = np.array(data.draw(st.lists(st.integers(1, 3), min_size=m, max_size=m)), float)
    depth = data.draw(st.integers(1, 3))
    options = {
        "width": (3,) * depth,
        "loss": loss,
        "activation": data.draw(st.sampled_from(["relu", "hardtanh"])),
    }
    (result,) = fm.scan((inputs, y, weight), **options)
    low, better = expected((inputs, y, weight), options)
    assert result.error is None
    assert (result.minimum, result.better) == (low, better)


def test_workers_and_executors_change_no_bit():
    given_tables = {f"{k}": (X[k:], Y[k:, : 1 + k % 2]) for k in range(4)}
    options = {"width": (4, 3), "activation": "relu", "loss": "huber"}
    alone = bits(fm.scan(given_tables, **options))
    assert alone == bits(fm.scan(given_tables, workers=2, **options))
    with ThreadPoolExecutor(2) as threads:
        assert alone == bits(fm.scan(given_tables, executor=threads, **options))
    with ProcessPoolExecutor(1) as processes:
        assert alone == bits(fm.scan(given_tables, executor=processes, **options))


@pytest.mark.parametrize("loss", ["squared", "softmax"])
def test_a_stopped_scan_goes_on_to_the_same_bits(tmp_path, monkeypatch, loss):
    given_tables = {f"{k}": (X[k:], KINDS[k:] if loss == "softmax" else Y[k:]) for k in range(3)}
    options = {"width": (4, 4), "activation": "leaky_relu:0.5", "loss": loss}
    whole = fm.scan(given_tables, **options)
    monkeypatch.setattr(scan_module, "_BATCH", 1)

    def stop(result):
        if result.name == "1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fm.scan(given_tables, checkpoint=tmp_path / "kept", on_result=stop, **options)
    done, small = [], scan_module.scan_small
    monkeypatch.setattr(
        scan_module,
        "scan_small",
        lambda sources, how: done.extend(s.name for s in sources) or small(sources, how),
    )
    again = fm.scan(given_tables, checkpoint=tmp_path / "kept", **options)
    assert done == ["2"]
    assert bits(again) == bits(whole)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"loss": "huber"}, "loss="),
        ({"width": (4, 5)}, "width="),
        ({"activation": "elu:0.25"}, "activation="),
        ({"alpha": 3.0}, "alpha="),
        ({"gain": 3.0}, "gain="),
    ],
)
def test_another_scan_does_not_go_on_with_a_checkpoint(tmp_path, change, what):
    options = {"width": (4, 4), "activation": "elu:0.5", "loss": "squared"}

    def stop(result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fm.scan((X, Y[:, 0]), checkpoint=tmp_path / "kept", on_result=stop, **options)
    with pytest.raises(OptionError, match=what):
        fm.scan((X, Y[:, 0]), checkpoint=tmp_path / "kept", **options | change)


def test_records_come_back_from_bytes():
    for options in (OPTIONS[1], OPTIONS[4]):
        for result in fm.scan(tables(options["loss"]), **options):
            again = CODEC.unpack(CODEC.pack(result))
            assert (again.minimum, again.better) == (result.minimum, result.better)
            assert again.row() == result.row()
            assert again.minimum.data.classes == result.minimum.data.classes


def test_statuses_without_a_network():
    line = np.arange(6.0)[:, None]
    cases = {
        "bottleneck": ((X, Y), {"width": (4, 1)}),
        "separable": ((line, list("aaabbb")), {"width": (4, 4), "loss": "softmax"}),
        "no_affine_segment": ((X, Y), {"width": (4, 4), "activation": "tanh"}),
        "global": ((line, 2 * line[:, 0]), {"width": (4, 4)}),
        "near_minimum": ((X, Y[:, 0]), {"width": 4, "activation": "gelu"}),
    }
    for status, (data, options) in cases.items():
        report = fm.scan(data, **options)
        row = report[0].row()
        assert (report[0].status, row["status"]) == (status, status)
        built = status in ("global", "near_minimum")
        assert (row["radius"] is not None) == (row["loss"] is not None) == built
        assert (report[0].better is not None) == built
        assert json.loads(json.dumps(report.to_dict()))["datasets"][0]["status"] == status
        assert status.replace("_", " ") in str(report[0].summary()).replace("_", " ")
        assert status in str(report.table)
    low = fm.scan((X, Y), width=(4, 1))[0].minimum
    assert fm.scan((X, Y), width=(4, 1))[0].row()["least_of_rank"] == list(low.least_of_rank)


def files(folder):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {**{f"x{k}": X[:, k] for k in range(3)}, "y1": Y[:, 0], "y2": Y[:, 1], "w": WEIGHT, "kind": KINDS}
    )
    frame["truth"] = frame["kind"] == "cat"
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_parquet(folder / "t.parquet")
    return frame


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("target", "loss", "classes"),
    [
        (["y1", "y2"], "squared", None),
        ("kind", "softmax", ("cat", "dog", "eel")),
        ("truth", "logistic", (False, True)),
    ],
)
def test_files_are_read_as_read_does(tmp_path, suffix, target, loss, classes):
    frame = files(tmp_path)
    features = ["x0", "x1", "x2"]
    path = tmp_path / f"t.{suffix}"
    report = fm.scan([path, frame], target, features=features, sample_weight="w", width=(4, 4), loss=loss)
    data = fm.read(path, target, features=features, sample_weight="w", labels=classes is not None)
    low, better = expected(data, {"width": (4, 4), "loss": loss})
    for result in report:
        assert result.error is None
        assert (result.minimum.classes, result.minimum.network) == (classes, low.network)
        assert (result.minimum.radius, result.better.drop_certified) == (low.radius, better.drop_certified)
        assert result.minimum.data.feature_names == ("x0", "x1", "x2")
        names = (target,) if isinstance(target, str) else tuple(target)
        assert result.minimum.data.target_names == names


def test_labels_that_begin_with_numbers_lack_or_are_numbers(tmp_path):
    pytest.importorskip("pandas")
    labels = ["1", "2", *KINDS[2:]]
    labels[5] = ""
    rows = "".join(f"{a},{b},{k}\n" for (a, b, _), k in zip(X.tolist(), labels, strict=True))
    (tmp_path / "t.csv").write_text("a,b,kind\n" + rows)
    options = {"width": (4, 4), "loss": "softmax", "label_smoothing": 0.1}
    (failed,) = fm.scan(tmp_path / "t.csv", "kind", **options)
    assert "the target column 'kind' has no value in data row 6" in str(failed.error)
    (result,) = fm.scan(tmp_path / "t.csv", "kind", missing="drop", **options)
    data = fm.read(tmp_path / "t.csv", "kind", missing="drop", labels=True)
    assert result.minimum.classes == data.classes == ("1", "2", "cat", "dog", "eel")
    assert result.minimum.data.y.tolist() == data.y.tolist()
    (tmp_path / "n.csv").write_text("a,k\n1,2\n2,1.5\n3,2\n")
    (wrong,) = fm.scan(tmp_path / "n.csv", "k", **options)
    assert isinstance(wrong.error, TargetError)
    assert "1.5 in data row 2" in str(wrong.error)
    (tmp_path / "s.csv").write_text("a,kind\n1,cat\n2,dog\n3,cat\n")
    (text,) = fm.scan(tmp_path / "s.csv", "kind")
    assert "labels of classes are for" in str(text.error)


def test_held_data(tmp_path):
    data = fm.Dataset(X, Y, feature_names=("a", "b", "c"), target_names=("p", "q", "r"))
    classes = fm.Dataset(X, KINDS, labels=True)
    np.savez(tmp_path / "t.npz", X=X, Y=Y)
    np.save(tmp_path / "t.npy", np.column_stack([X, Y]))
    low, better = expected(data, {"width": (4, 4)})
    report = fm.scan([data, (X, Y), {"X": X, "Y": Y}, tmp_path / "t.npz"], width=(4, 4))
    report = [*report, *fm.scan(tmp_path / "t.npy", [3, 4, 5], width=(4, 4))]
    assert [r.minimum.network == low.network for r in report] == [True] * 5
    assert all(r.better.drop == better.drop for r in report)
    # several targets are deep, whatever the options say
    assert fm.scan((X, Y))[0].status == "bottleneck"
    (result,) = fm.scan(classes, width=(4, 4), loss="softmax")
    assert result.minimum.classes == classes.classes
    (refused,) = fm.scan(classes, width=(4, 4))
    assert "holds labels of classes" in str(refused.error)
    few = fm.scan(data, features=["a", "c"], width=(4, 4))[0].minimum
    assert few.network == fm.spurious_minimum((X[:, [0, 2]], Y), "relu", (4, 4)).network


def test_what_does_not_fit_is_a_row_that_says_what_to_do(tmp_path):
    np.save(tmp_path / "t.npy", np.column_stack([X, Y[:, 0]]))
    for source, options, what in (
        (tmp_path / "t.npy", {"width": (4, 4)}, "several layers"),
        ((X, KINDS), {"loss": "softmax"}, "other losses"),
        ((X, Y), {}, "several targets need"),
    ):
        (result,) = fm.scan(source, memory="10kB", **options)
        assert isinstance(result.error, TooLargeError)
        for words in (what, "all 24 rows in memory", "raise memory=", "which streams"):
            assert words in str(result.error)
        assert fm.scan(source, memory="1MB", **options)[0].error is None


def test_one_hidden_layer_streams_as_before_with_its_alpha(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module("fastminima.scanning.small"), "_SMALL", 50)
    np.save(tmp_path / "t.npy", np.column_stack([X, Y[:, 0]]))
    for alpha in (1.0, 4.0):
        (result,) = fm.scan(tmp_path / "t.npy", alpha=alpha)
        low = fm.spurious_minimum((X, Y[:, 0]), alpha=alpha)
        assert result.route == "stream"
        assert result.minimum.radius == pytest.approx(low.radius, rel=1e-9)
        assert result.minimum.alpha == alpha


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"gain": 3.0}, OptionError, "gain is for several layers"),
        ({"width": (4, 4), "block_rows": 8}, OptionError, "block_rows is for one hidden layer"),
        ({"label_smoothing": 0.1}, LossError, "label_smoothing is of logistic and softmax loss"),
        ({"width": ()}, NetworkError, "width is empty"),
        ({"width": (4, 0)}, NetworkError, "got 0"),
        ({"width": "4,4"}, NetworkError, "'4,4'"),
        ({"width": (4, 4), "alpha": 0.0}, NetworkError, "alpha must be"),
        ({"width": (4, 4), "gain": math.nan}, NetworkError, "gain must be"),
        ({"alpha": "large"}, NetworkError, "alpha must be"),
        ({"loss": "hinge"}, LossError, "loss must be one of"),
        ({"loss": lambda r: r}, LossError, "loss must be one of"),
        ({"activation": 3}, NetworkError, "got 3"),
        ({"activation": "reluu"}, fm.errors.ActivationError, "reluu"),
        ({"target": []}, TargetError, "empty sequence"),
    ],
)
def test_options_that_say_nothing_or_are_not_usable_are_refused_by_name(options, error, words):
    with pytest.raises(error, match=words):
        fm.scan((X, Y[:, 0]), **options)


def test_tables_pictures_and_files(tmp_path):
    pytest.importorskip("matplotlib")
    pandas = pytest.importorskip("pandas")
    given_tables = {"a": (X, Y), "b": (X[:20], Y[:20]), "wrong": (X, Y[:5])}
    report = fm.scan(given_tables, width=(4, 4), activation="elu")
    assert [r.status for r in report] == ["spurious", "spurious", "error"]
    text = str(report.table).splitlines()
    assert text[0].split() == [
        "dataset",
        "rows",
        "dx",
        "dy",
        "rank",
        "least",
        "loss",
        "radius",
        "rel.",
        "drop",
        "minimum",
    ]
    assert text[3].split() == ["wrong", "failed"]
    frame = report.to_frame()
    assert list(frame["loss"][:2]) == [r.minimum.loss for r in report[:2]]
    assert math.isnan(frame["loss"][2])
    for suffix in ("csv", "parquet", "jsonl"):
        pytest.importorskip("pyarrow")
        report.write(tmp_path / f"t.{suffix}")
    assert list(pandas.read_csv(tmp_path / "t.csv")["n_outputs"][:2]) == [3, 3]
    display = fm.plot_scan(report, tmp_path / "t.png")
    assert display.numbers.rows.tolist()[:2] == [24, 20]
    report.save(tmp_path / "report.npz")
    again = fm.load_result(tmp_path / "report.npz")
    assert bits(again) == bits(report)
    said = fm.report(report[:2], tmp_path / "page.html")
    assert said is None or said


def test_the_command(tmp_path, capsys, monkeypatch):
    from fastminima.cli.main import main

    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    columns = ["--features=x0", "--features=x1", "--features=x2"]
    options = [
        "scan",
        "t.csv",
        "t.parquet",
        *columns,
        "--target=kind",
        "--loss=softmax",
        "--width=4,4",
        "--activation=elu",
    ]
    assert main([*options, "--label-smoothing=0.1", "--out=o", "--quiet"]) == 0
    assert fm.DeepNetwork.load("o/t.csv/minimum.npz").widths == (4, 4)
    capsys.readouterr()
    assert main([*options, "--label-smoothing=0.1", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    data = fm.read("t.csv", "kind", features=["x0", "x1", "x2"], labels=True)
    low = fm.spurious_minimum(data, "elu", (4, 4), loss="softmax", label_smoothing=0.1)
    for line in lines:
        assert (line["classes"], line["radius"], line["loss"]) == (
            ["cat", "dog", "eel"],
            low.radius,
            low.loss,
        )
    assert main([*options, "--label-smoothing=0.1"]) == 0
    out = capsys.readouterr().out
    assert "least loss" in out
    both = ["scan", "t.csv", *columns, "--target=y1", "--target=y2", "--width=4"]
    assert main([*both, "--gain=3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_outputs"] == 2
    for wrong, words in (
        (["--gain=3"], "--gain is for several layers"),
        (["--delta=3"], "--delta is that of --loss huber"),
        (["--label-smoothing=0.1"], "--label-smoothing is for --loss logistic"),
        (["--width=4,0"], "--width must be an integer >= 1, got 0"),
        (["--activation=reluu"], "reluu"),
    ):
        assert main(["scan", "t.csv", *columns, "--target=y1", *wrong]) == 2
        assert words in capsys.readouterr().err
    assert main(["scan", "t.csv", *columns, "--target=kind"]) == 1
    assert "--loss softmax" in capsys.readouterr().err
