"""`construct` with several layers or targets, other activations and losses: what the library says, printed and written."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli.main import main
from fastminima.reporting.deep_segment import deep_segment

ROWS = 30


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, 3)).round(2)
    two = np.column_stack([X[:, 0] ** 2, X[:, 1] * X[:, 2]]).round(3)
    labels = rng.integers(0, 3, ROWS)
    (tmp_path / "t.csv").write_text(
        'x1,x2,x3,"a, b",b,two,three\n'
        + "".join(
            ",".join(map(str, [*x, *y, int(k > 0), k])) + "\n" for x, y, k in zip(X, two, labels, strict=True)
        )
    )
    return tmp_path


FEATURES = ["--features", "x1", "--features", "x2", "--features", "x3"]
BOTH = ["--target", "a, b", "--target", "b"]


def read(target):
    return fm.read("t.csv", target, features=["x1", "x2", "x3"])


def test_files_json_and_table_say_what_the_library_says(capsys, place):
    options = ["construct", "t.csv", *BOTH, *FEATURES, "--width", "5,4", "--activation", "elu:0.5"]
    options += ["--alpha", "4", "--gain", "6"]
    status, out, err = run(capsys, *options, "--out", "deep", "--json")
    assert (status, err) == (0, "")
    said = json.loads(out)
    low = fm.spurious_minimum(read(["a, b", "b"]), "elu:0.5", (5, 4), 4.0, gain=6.0)
    better = fm.better_point(low)
    assert said["minimum"]["status"] == str(low.status) == "spurious"
    assert said["minimum"]["widths"] == [5, 4]
    for key in ("loss", "excess", "radius", "radius_relative", "alpha", "gain"):
        assert said["minimum"][key] == getattr(low, key)
    for key in ("loss", "drop", "drop_certified", "certificate", "tried"):
        assert said["better"][key] == getattr(better, key)
    assert said["best_affine"]["rank"] == low.rank
    assert said["activation"] == {"name": "elu(alpha=0.5)"}
    assert (said["n_outputs"], said["m"], said["dx"]) == (2, ROWS, 3)
    assert fm.DeepNetwork.load("deep/minimum.npz") == low.network
    assert fm.DeepNetwork.load("deep/better.npz") == better.network
    assert sorted(os.listdir("deep")) == ["better.npz", "minimum.npz", "segment.png", "summary.json"]
    assert (place / "deep" / "segment.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((place / "deep" / "summary.json").read_text())
    assert written["minimum"] == said["minimum"]
    status, out, err = run(capsys, *options)
    table = " ".join(out.split())
    for words in (
        "spurious (widths 5-4)",
        f"{low.radius:.6g} of all hidden layers",
        f"{better.drop_certified:.6g} ({better.certificate} certificate)",
        "outputs dy",
    ):
        assert words in table
    assert (status, err) == (0, "")


def test_a_later_run_of_either_kind_replaces_the_other(capsys, place):
    one = ["construct", "t.csv", "--target=b", *FEATURES, "--out=o"]
    assert run(capsys, *one, "--width=3,3", "--prove")[0] == 0
    assert "proof.json" in os.listdir("o")
    assert run(capsys, *one)[0] == 0
    assert sorted(os.listdir("o")) == ["better.npz", "minimum.npz", "segment.png", "summary.json"]
    assert isinstance(fm.load_network("o/minimum.npz"), fm.OneHiddenLayer)
    assert run(capsys, *one, "--width=3,3")[0] == 0
    assert fm.DeepNetwork.load("o/minimum.npz").widths == (3, 3)


def test_the_certificate_is_accepted(capsys, place):
    options = ["t.csv", *BOTH, *FEATURES]
    assert run(capsys, "construct", *options, "--width=4,4", "--out=o", "--prove")[0] == 0
    status, out, _ = run(capsys, "check", "o/proof.json", *options)
    assert (status, out.splitlines()[-1][:8]) == (0, "accepted")


@pytest.mark.parametrize(
    ("options", "loss"),
    [
        (["--target=b", "--loss=huber"], "huber"),
        (["--target=b", "--loss=huber", "--delta=0.5"], fm.Huber(0.5)),
        (["--target=two", "--loss=logistic"], "logistic"),
        (["--target=three", "--loss=softmax"], "softmax"),
        (["--target=three", "--loss=softmax", "--label-smoothing=0.1"], "softmax"),
    ],
)
def test_other_losses(capsys, place, options, loss):
    status, out, err = run(capsys, "construct", "t.csv", *options, *FEATURES, "--width=4,4", "--json")
    smoothing = 0.1 if "--label-smoothing=0.1" in options else 0.0
    low = fm.spurious_minimum(
        read(options[0].partition("=")[2]), "relu", (4, 4), loss=loss, label_smoothing=smoothing
    )
    said = json.loads(out)
    assert said["loss"] == repr(low.objective)
    assert said["minimum"]["radius"] == low.radius
    assert said["minimum"]["loss"] == low.loss
    assert said["least_squares"] is None
    assert (status, err) == (int(not (low.status == "spurious" and fm.better_point(low))), "")
    assert run(capsys, "construct", "t.csv", *options, *FEATURES, "--width=4,4")[0] == status


def test_no_is_an_answer(capsys, place):
    base = ["construct", "t.csv", *BOTH, *FEATURES]
    status, out, _ = run(capsys, *base, "--width=5,1", "--out=o")
    assert status == 1
    assert "bottleneck" in out
    assert os.listdir("o") == ["summary.json"]
    status, out, _ = run(capsys, *base, "--activation=tanh", "--json")
    assert (status, json.loads(out)["minimum"]["status"]) == (1, "no_affine_segment")
    status, out, err = run(
        capsys,
        *base[:2],
        "--target=two",
        *FEATURES,
        "--loss=logistic",
        "--width=4,4",
        "--out=p",
        "--prove",
        "--json",
    )
    assert (status, err) == (0, "")
    assert json.loads(out)["proof"]["checked"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--width=4,4", "--method=kink"], "--method is for one hidden layer"),
        (["--width=4,4", "--sample=2", "--out=o"], "--sample is for one hidden layer"),
        (["--activation=elu", "--reach=paper"], "--reach is for one hidden layer"),
        (["--gain=2"], "--gain is for several layers"),
        (["--delta=2"], "--delta is that of --loss huber"),
        (["--label-smoothing=0.1", "--loss=huber"], "--label-smoothing is for --loss logistic"),
        (["--width=4,0"], "--width must be an integer >= 1, got 0"),
        (["--width=4,4", "--alpha=-1"], "--alpha must be"),
    ],
)
def test_what_says_nothing_is_refused(capsys, place, options, message):
    status, out, err = run(capsys, "construct", "t.csv", "--target=b", *FEATURES, *options)
    assert (status, out) == (2, "")
    assert message in err


LABELS = ["cat", "dog", "eel"]


@pytest.fixture
def named(place):
    """The same table with texts, truth values and labels that lack in some row."""
    rows = (place / "t.csv").read_text().splitlines()[1:]
    lines = [line.split(",") for line in rows]
    text = [[*cells[:3], LABELS[int(cells[6])], str(cells[5] == "1"), cells[4]] for cells in lines]
    text[4][3] = ""
    (place / "n.csv").write_text("x1,x2,x3,kind,truth,number\n" + "".join(",".join(cells) + "\n" for cells in text))
    return place


def test_classes_are_named_in_print_json_and_certificate(capsys, named):
    options = ["n.csv", "--target=kind", *FEATURES, "--missing=drop"]
    construct = ["construct", *options, "--loss=softmax", "--width=4,4"]
    status, out, err = run(capsys, *construct, "--out=o", "--prove")
    assert (status, "cat, dog, eel" in out, "softmax loss" in out) == (0, True, True), err
    assert json.loads((named / "o" / "proof.json").read_text())["setting"]["classes"] == LABELS
    assert json.loads((named / "o" / "summary.json").read_text())["classes"] == LABELS
    assert run(capsys, "check", "o/proof.json", *options)[0] == 0
    status, out, err = run(capsys, "check", "o/proof.json", *options[:-1])
    assert (status, "--missing drop leaves them out" in err) == (2, True)
    assert json.loads(run(capsys, *construct, "--json")[1])["classes"] == LABELS
    truth = ["n.csv", "--target=truth", *FEATURES]
    status, out, _ = run(capsys, "construct", *truth, "--loss=logistic", "--width=3", "--out=p", "--prove")
    assert (status, "False, True" in out) == (0, True)
    assert run(capsys, "check", "p/proof.json", *truth)[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target=kind"], "labels of classes are for --loss softmax, or of two classes --loss logistic"),
        (["--target=kind", "--loss=huber"], "labels of classes are for --loss softmax"),
        (["--target=kind", "--loss=softmax"], "column 'kind' has no value in data row 5"),
        (["--target=kind", "--loss=logistic", "--missing=drop"], "holds 3 classes ('cat', 'dog', 'eel'); logistic loss"),
        (["--target=number", "--loss=softmax"], "which is no class: labels are texts, whole numbers or bools"),
        (["--target=kind", "--target=truth", "--loss=softmax"], "labels of classes are for"),
    ],
)
def test_what_is_no_set_of_classes_is_told_in_options(capsys, named, options, message):
    status, out, err = run(capsys, "construct", "n.csv", *options, *FEATURES, "--width=4,4")
    assert (status, out) == (2, "")
    assert message in err
    assert "loss=" not in err
    (named / "one.csv").write_text("x1,kind\n1,cat\n2,cat\n")
    for loss in ("softmax", "logistic"):
        err = run(capsys, "construct", "one.csv", "--target=kind", f"--loss={loss}")[2]
        assert f"holds one class only, 'cat'; {loss} loss needs two or more" in err


def test_widths_are_whole_numbers(capsys, place):
    for text in ("4,x", "4,,4", ""):
        with pytest.raises(SystemExit):
            main(["construct", "t.csv", "--width", text])
        assert "must be a whole number, or several such as 16,16,16" in capsys.readouterr().err


def test_the_segment_has_the_losses_of_its_networks(place):
    low = fm.spurious_minimum(read(["a, b", "b"]), "relu", (4, 4))
    better = fm.better_point(low)
    line = deep_segment(better, 11)
    assert line.risk[0] == pytest.approx(low.loss, rel=1e-12)
    assert line.risk[-1] == pytest.approx(better.loss, rel=1e-12)
    assert line.level == pytest.approx(low.bound, rel=1e-12)
    # nothing within the certified radius is lower
    moves = [
        new - old
        for a, b in zip(low.network.layers[:-1], better.network.layers[:-1], strict=True)
        for old, new in zip(a, b, strict=True)
    ]
    length = float(np.sqrt(sum(np.sum(move**2) for move in moves)))
    near = deep_segment(better, 401)
    inside = near.t * length <= low.radius
    assert inside.sum() >= 2
    assert (near.risk[inside] >= low.bound * (1 - 1e-12)).all()
