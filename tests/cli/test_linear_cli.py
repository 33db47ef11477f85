"""`fastminima linear`: files in, verdict and pair out, every mistake named on one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli.main import main
from fastminima.errors import MissingFileError, NetworkError, ReadError
from fastminima.networks.linear_layers import as_chain, read_chain


@pytest.fixture
def table(tmp_path):
    """A saddle of squared loss in float64 (one of two directions learnt), its data as CSV, npy and npz."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    Y = X @ rng.normal(size=(3, 2)) + 0.1 * rng.normal(size=(60, 2))
    fit = np.linalg.lstsq(X, Y, rcond=None)[0].T
    U = np.linalg.svd(fit @ X.T, full_matrices=False)[0]
    weights = [np.vstack([U[:, :1].T @ fit, np.zeros((2, 3))]), np.diag([1.0, 0.0, 0.0]), np.zeros((2, 3))]
    weights[2][:, 0] = U[:, 0]
    names = ["a", "y1", "b", "c", "y2"]
    columns = np.column_stack([X[:, 0], Y[:, 0], X[:, 1], X[:, 2], Y[:, 1]])
    lines = [",".join(names), *(",".join(repr(float(v)) for v in row) for row in columns)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    np.save(tmp_path / "table.npy", columns)
    np.savez(tmp_path / "table.npz", X=X, Y=Y)
    np.savez(tmp_path / "weights.npz", **{f"W{j}": W for j, W in enumerate(weights, 1)})
    return tmp_path, weights, X, Y


def answer(capsys, *arguments):
    assert main(["linear", *map(str, arguments), "--json", "--full"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_way_to_name_the_data_gives_the_same_answer(table, capsys):
    folder, weights, X, Y = table
    given = [
        ("table.csv", "--targets", "y1,y2"),
        ("table.csv", "--targets", "y1,4"),
        ("table.csv", "--targets", "y1,y2", "--features", "a,b,c"),
        ("table.npy", "--targets", "1,-1"),
        ("table.npy", "--targets", "-4,-1"),
        ("table.npy", "--targets=-4,-1"),
        ("table.npz",),
    ]
    found = []
    for name, *options in given:
        result = answer(capsys, folder / "weights.npz", "--data", folder / name, *options, "--tol", "1e-9")
        result.pop("seconds")
        result.pop("source")
        found.append(result)
    assert all(result == found[0] for result in found)
    result = found[0]
    assert result["verdict"] == "saddle"
    assert result["certified"] is False
    assert result["widths"] == [3, 3, 3, 2]
    assert result["escape"]["confirmed"]
    assert result["hessian"] == {"negative": 0, "zero": 20, "positive": 4}
    R = weights[2] @ weights[1] @ weights[0]
    assert result["value"] == pytest.approx(fm.SquaredLoss(X, Y).value(R), rel=1e-12)


def test_a_table_is_read_once_for_all_targets(table, capsys, monkeypatch):
    import fastminima.data.read as reading

    opened = []
    kind = reading.file_kind
    monkeypatch.setattr(reading, "file_kind", lambda path: opened.append(path.name) or kind(path))
    folder = table[0]
    for name, targets in (("table.csv", "y1,y2"), ("table.npy", "1,-1")):
        for options in ([], ["--features", "0,2,3"]):
            arguments = [
                folder / "weights.npz",
                "--data",
                folder / name,
                "--targets",
                targets,
                "--tol",
                "1e-9",
            ]
            answer(capsys, *arguments, *options)
    assert opened == ["table.csv"] * 2 + ["table.npy"] * 2


def test_targets_of_different_kinds_are_exact(tmp_path, capsys):
    # one target float64 cannot hold beside one it can
    (tmp_path / "t.csv").write_text("x,y1,y2\n1,9007199254740993,0.5\n2,3,0.25\n3,5,1.5\n")
    np.savez(tmp_path / "w.npz", W1=np.zeros((2, 1)), W2=np.zeros((2, 2)))
    result = answer(capsys, tmp_path / "w.npz", "--data", tmp_path / "t.csv", "--targets", "y1,y2")
    assert result["certified"]
    assert result["verdict"] == "saddle"


def test_the_pair_written_is_the_pair_reported(table, capsys):
    folder, weights, X, Y = table
    out = folder / "results"
    result = answer(
        capsys,
        folder / "weights.npz",
        "--data",
        folder / "table.npz",
        "--tol",
        "1e-9",
        "--radius",
        "0.5",
        "--out",
        out,
    )
    assert [name.rsplit("/", 1)[-1] for name in result["files"]] == ["up.npz", "down.npz", "linear.json"]
    loss = fm.SquaredLoss(X, Y)
    values = []
    for chain in (read_chain(out / "up.npz"), weights, read_chain(out / "down.npz")):
        R = chain[2] @ chain[1] @ chain[0]
        values.append(loss.value(R))
        assert all(np.linalg.norm(P - W) <= 0.5 for P, W in zip(chain, weights, strict=True))
    up, down = (
        np.ldexp(result["escape"][side]["value"], result["escape"][side]["exponent"])
        for side in ("up", "down")
    )
    assert values[0] - values[1] == pytest.approx(up, rel=1e-9)
    assert values[1] - values[2] == pytest.approx(down, rel=1e-9)
    stored = json.loads((out / "linear.json").read_text())
    assert stored["verdict"] == "saddle"
    assert stored["files"] == ["up.npz", "down.npz", "linear.json"]


@pytest.mark.parametrize(
    ("demo", "verdict"), [("saddle", "saddle"), ("zero", "saddle"), ("minimum", "global_minimum")]
)
def test_the_demos_teach(demo, verdict, capsys):
    assert main(["linear", f"demo:{demo}", "--tol", "1e-9"]) == 0
    text = capsys.readouterr().out
    assert verdict in text
    assert "0 negative" in text
    if verdict == "saddle":
        assert "both confirmed" in text
        assert "no second derivative sees" in text


def test_exact_answers_say_what_squared_loss_has_learnt(tmp_path, capsys):
    result = answer(capsys, "demo:saddle")
    assert result["certified"]
    assert result["escape_order"] == 3
    assert (result["squared"]["indices"], result["squared"]["strict"]) == ([0], False)
    assert result["squared"]["eigenvalues"] == pytest.approx([72.0, 32.0])
    assert main(["linear", "demo:saddle"]) == 0
    text = capsys.readouterr().out
    assert "non-strict saddle: rank 1 of at most 2, learnt {0}" in text
    assert "to the power 3" in text
    # a point that is not critical: no curvature, nothing learnt
    np.savez(tmp_path / "w.npz", W1=np.eye(2), W2=np.eye(2))
    np.savez(tmp_path / "d.npz", X=np.eye(2), Y=np.ones((2, 2)))
    result = answer(capsys, tmp_path / "w.npz", "--data", tmp_path / "d.npz")
    assert result["verdict"] == "not_critical"
    assert result["hessian"] is result["squared"] is result["escape"] is None


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic", "softmax", "log-cosh", "quantile"])
def test_every_loss_runs(loss, tmp_path, capsys):
    rng = np.random.default_rng(1)
    classes = np.eye(2)[rng.integers(0, 2, 30)]
    classes[:20, 0], classes[:20, 1] = 1.0, 0.0
    np.savez(tmp_path / "data.npz", X=rng.normal(size=(30, 3)), Y=classes)
    np.savez(tmp_path / "weights.npz", np.zeros((4, 4)), np.zeros((2, 4)))
    result = answer(
        capsys,
        tmp_path / "weights.npz",
        "--data",
        tmp_path / "data.npz",
        "--loss",
        loss,
        "--bias",
        "--tol",
        "1e-6",
    )
    assert result["verdict"] == "saddle"
    assert result["escape"]["confirmed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "table.csv"], "which columns are the targets"),
        (["--data", "table.csv", "--targets", ","], "one or more columns"),
        (["--data", "table.csv", "--targets", "y1,y1"], "names a column twice"),
        (["--data", "table.npy", "--targets", "1,1"], "names a column twice"),
        (["--data", "table.csv", "--targets", "y1,y3"], "has no target column 'y3'"),
        (["--data", "table.csv", "--targets", "y1"], "the loss's data have 4 inputs and 1 targets"),
        (["--data", "table.npz", "--bias"], "the loss's data have 4 inputs and 2 targets"),
        (["--data", "none.csv", "--targets", "y1"], "there is no file"),
        ([], "which data"),
        (["--data", "table.npz", "--radius", "0"], "--radius must be a finite number above 0"),
        (["--data", "table.npz", "--radius", "nan"], "--radius must be a finite number above 0"),
        (["--data", "table.npz", "--tol", "2"], "tol must be between 0 and 1"),
        (["--data", "table.npz", "--loss", "huber", "--delta", "-1"], "delta must be finite and above 0"),
        (["--data", "table.npz", "--loss", "logistic"], "logistic loss needs targets 0 and 1"),
    ],
)
def test_mistakes_are_one_line(table, monkeypatch, capsys, options, message):
    monkeypatch.chdir(table[0])
    tol = [] if "--tol" in options else ["--tol", "1e-9"]
    assert main(["linear", "weights.npz", *options, *tol]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_demos_have_their_own_data(capsys):
    for options in (["--data", "x.csv"], ["--bias"], ["--loss", "softmax"]):
        assert main(["linear", "demo:saddle", *options, "--tol", "1e-9"]) == 2
        assert "has its own data" in capsys.readouterr().err
    assert main(["linear", "demo:nowhere", "--tol", "1e-9"]) == 2
    assert "demo:saddle, demo:zero, demo:minimum" in capsys.readouterr().err


def test_weights_are_read_in_order_from_every_usual_naming(tmp_path):
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=(3, 3)) for _ in range(11)]
    for names in (
        [f"W{j}" for j in range(1, 12)],
        [f"arr_{j}" for j in range(11)],
        [f"net.{2 * j}.weight" for j in range(11)],
        [f"block1.fc{j}.weight" for j in range(11)],
    ):
        shuffled = dict(sorted(zip(names, weights, strict=True)))
        np.savez(tmp_path / "w.npz", **shuffled)
        assert all(np.array_equal(a, b) for a, b in zip(read_chain(tmp_path / "w.npz"), weights, strict=True))


def test_weights_whose_order_is_not_clear_are_refused(tmp_path):
    A = np.eye(2)
    path = tmp_path / "w.npz"
    for arrays, message in (
        ({"W1": A, "W3": A}, "without gaps"),
        ({"W1": A, "W2": A, "scale": A}, "nothing else"),
        ({"0.weight": A, "0.bias": np.zeros(2)}, "without biases"),
        ({"encoder.weight": A, "decoder.weight": A}, "expected W1, W2"),
        ({"a1.weight": A, "b1.weight": A}, "do not order them"),
        ({}, "no arrays"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(ReadError, match=message):
            read_chain(path)
    np.save(tmp_path / "w.npy", A)
    with pytest.raises(ReadError, match="holds one array"):
        read_chain(tmp_path / "w.npy")
    path.write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(ReadError, match="not a file of weights"):
        read_chain(path)
    with pytest.raises(MissingFileError):
        read_chain(tmp_path / "none.npz")
    np.savez(path, np.eye(2), np.eye(3))
    with pytest.raises(NetworkError, match=r"w\.npz: W1 and W2 do not chain"):
        read_chain(path)


def test_bad_chains_are_named_by_layer():
    eye = np.eye(2)
    with pytest.raises(
        NetworkError, match=r"W2 and W3 do not chain: W2 has shape \(3, 2\) .* W3 has shape \(2, 2\)"
    ):
        as_chain([eye, np.zeros((3, 2)), eye])
    with pytest.raises(NetworkError, match="at least two layers"):
        as_chain([eye])
    with pytest.raises(NetworkError, match="must be a sequence"):
        as_chain("W1")
    for bad in (np.nan, np.inf):
        with pytest.raises(NetworkError, match=f"W2 column 1 is {bad} in row 0"):
            as_chain([eye, np.array([[1.0, bad], [0.0, 1.0]])])
    with pytest.raises(NetworkError, match=r"W1 has shape \(0, 2\): a layer of size 0"):
        as_chain([np.zeros((0, 2)), np.zeros((2, 0))])
    with pytest.raises(NetworkError, match=r"W2 must be 2-D \(outputs, inputs\), got shape \(2,\)"):
        as_chain([eye, np.zeros(2)])
    with pytest.raises(NetworkError, match="not float64 numbers"):
        as_chain([eye, [[2**60 + 1, 0], [0, 1]]])
    with pytest.raises(
        NetworkError, match=r"maps 2 inputs to 2 outputs, but the loss's data have 3 inputs and 1 targets"
    ):
        as_chain([eye, eye], (1, 3))
    strided = np.arange(16.0).reshape(4, 4)[::2, ::-2]
    chain = as_chain([strided, eye.astype(np.float32)])
    assert all(W.flags.c_contiguous and not W.flags.writeable for W in chain)
    assert np.array_equal(chain[0], strided)
