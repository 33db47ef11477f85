"""What no deep minimum can be made of is refused by name, in Python and on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli.main import main
from fastminima.errors import (
    ActivationError,
    DataError,
    FastMinimaError,
    LossError,
    NetworkError,
    TargetError,
)

X = np.random.default_rng(0).standard_normal((12, 2)).round(2)
Y = np.column_stack([X[:, 0] ** 2, np.abs(X[:, 1])]).round(3)


@pytest.mark.parametrize("width", [(), [], 0, -1, (4, 0), (4, 2.5), (True, 3), "4", None, {4}])
@pytest.mark.parametrize("y", [Y, Y[:, 0]], ids=["several", "one"])
def test_widths(width, y):
    with pytest.raises(NetworkError, match=r"^width .*(empty|an integer >= 1, got)"):
        fm.spurious_minimum((X, y), "relu", width)
    with pytest.raises(NetworkError, match=r"^width "):
        fm.scan((X, y), width=width)


@pytest.mark.parametrize(
    "name", ["tanh", "sigmoid", "softsign", "log_sigmoid", "tanhshrink", "gelu", "silu", "mish", "softplus"]
)
def test_an_activation_without_an_affine_piece_is_a_status(name):
    low = fm.spurious_minimum((X, Y), name, (4, 3))
    assert (str(low.status), bool(low), low.network) == ("no_affine_segment", False, None)
    assert name.partition("_")[0] in low.reason
    better = fm.better_point(low)
    assert (str(better.status), bool(better)) == ("undecided", False)
    with pytest.raises(fm.errors.ProofError, match="nothing to prove"):
        fm.prove(low)


def test_modules_that_are_no_function_are_refused_by_name():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    for module, words in (
        (nn.Dropout(0.1), "Dropout"),
        (nn.BatchNorm1d(4), "BatchNorm1d"),
        (nn.RReLU(), "RReLU draws its slopes at random while it trains"),
        (nn.LayerNorm(4), "LayerNorm"),
        (nn.PReLU(2), "one a channel"),
    ):
        with pytest.raises(ActivationError, match=words):
            fm.spurious_minimum((X, Y), module, (4, 3))

    def chain(*between):
        return nn.Sequential(nn.Linear(2, 4), *between, nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1)).double()

    for module, words in (
        (
            chain(nn.ReLU(), nn.Dropout(0.1)),
            "'2' is Dropout in training mode, which is no function; call model.eval",
        ),
        (
            chain(nn.BatchNorm1d(4), nn.ReLU()),
            r"BatchNorm1d \('1'\) .*in training mode .*fuse_linear_bn_eval",
        ),
        (
            chain(nn.BatchNorm1d(4, affine=False), nn.ReLU()).eval(),
            "'1' is torch.nn.BatchNorm1d.*in eval mode",
        ),
        (chain(nn.RReLU()), "RReLU draws its slopes at random while it trains"),
        (chain(nn.LayerNorm(4), nn.ReLU()), "LayerNorm"),
    ):
        with pytest.raises(FastMinimaError, match=words):
            fm.DeepNetwork.from_torch(module)
    assert fm.DeepNetwork.from_torch(chain(nn.ReLU(), nn.Dropout(0.1)).eval()).widths == (4, 3)
    fused = nn.utils.fusion.fuse_linear_bn_eval(nn.Linear(2, 4).eval(), nn.BatchNorm1d(4).eval())
    model = nn.Sequential(fused, nn.ReLU(), nn.Linear(4, 1)).double()
    assert fm.DeepNetwork.from_torch(model).widths == (4,)


@pytest.mark.parametrize(
    ("y", "loss", "error", "words"),
    [
        (X[:, 0], "softmax", TargetError, "which is no class"),
        (X[:, 0], "logistic", TargetError, "which is no class"),
        (["a"] * 12, "softmax", TargetError, "y holds one class only, 'a'; softmax loss needs two or more"),
        (["a"] * 12, "logistic", TargetError, "y holds one class only, 'a'; logistic loss needs two or more"),
        ([1.0] * 12, "logistic", TargetError, "y holds one class only, 1;"),
        (list("abc") * 4, "logistic", TargetError, 'holds 3 classes .*use loss="softmax"'),
        (list(range(12)), "logistic", TargetError, "holds 12 classes"),
        (np.ones((12, 2)), "logistic", TargetError, "y column 0 holds one class"),
        (Y, "logistic", LossError, "logistic loss needs targets 0 and 1, or -1 and"),
        (-Y, "softmax", LossError, "row 0 of Y .* is not a row of probabilities"),
        (np.zeros((12, 2)), "softmax", LossError, "row 0 of Y .* is not a row of probabilities"),
        (np.zeros((12, 0)), "squared", DataError, "dy >= 1"),
        (np.zeros((12, 0)), "softmax", DataError, "dy >= 1"),
        (Y, "hinge", LossError, 'loss must be one of "squared", "huber", "logistic", "softmax"'),
        (Y, lambda residual: residual**4, LossError, "loss must be one of"),
        (Y, None, LossError, "loss must be one of"),
    ],
)  # fmt: skip
def test_targets_and_losses(y, loss, error, words):
    with pytest.raises(error, match=words):
        fm.spurious_minimum((X, y), "relu", (4, 3), loss=loss)


def test_measured_whole_numbers_are_no_classes():
    x = np.arange(200.0)[:, None]
    for loss in ("softmax", "logistic"):
        with pytest.raises(TargetError, match="100 different whole numbers in 200 rows: a measured quantity"):
            fm.spurious_minimum((x, np.arange(200) % 100), "relu", (4, 3), loss=loss)


def test_a_loss_that_is_not_convex_is_refused_as_such():
    class Wave:
        convex = False

    with pytest.raises(LossError, match="not known to be convex, and a local minimum needs that"):
        fm.spurious_minimum((X, Y), "relu", (4, 3), loss=Wave())


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--width=4,4", "--activation=tanh"], 1, "no_affine_segment"),
        (["--width=4,4", "--activation=gelu"], 1, "no_affine_segment"),
        (["--width=0"], 2, "--width must be an integer >= 1, got 0"),
        (["--width=4,0"], 2, "--width must be an integer >= 1, got 0"),
        (["--activation=dropout"], 2, "dropout"),
        (["--activation=rrelu"], 2, "rrelu"),
        (["--loss=softmax"], 2, "which is no class"),
        (["--width=4,4", "--alpha=0"], 2, "--alpha must be a finite number > 0"),
        (["--width=4,4", "--gain=nan"], 2, "--gain must be a finite number > 0"),
        (["--loss=huber", "--delta=0"], 2, "--delta must be finite and above 0"),
        (["--loss=softmax", "--label-smoothing=2"], 2, "which is no class|--label-smoothing must be"),
    ],
)
def test_the_command_says_so_in_options(tmp_path, capsys, monkeypatch, options, status, words):
    import re

    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(
        "a,b,y\n" + "".join(f"{a},{b},{c}\n" for (a, b), (c, _) in zip(X, Y, strict=True))
    )
    for command in ("construct", "scan"):
        code = main([command, "t.csv", "--target=y", *options])
        captured = capsys.readouterr()
        told = captured.out + captured.err
        # of a scan a dataset that fails is a row
        row = command == "scan" and words in ("no_affine_segment", "which is no class")
        assert code == (int("softmax" in str(options)) if row else status), told
        assert re.search(words, told), told
        assert "Traceback" not in told
    for text in ("", ",", "4,,4", "x"):
        with pytest.raises(SystemExit) as end:
            main(["construct", "t.csv", "--target=y", "--width", text])
        assert end.value.code == 2
        assert "must be a whole number, or several such as 16,16,16" in capsys.readouterr().err
    assert main(["construct", "t.csv", "--target=y", "--width=4,4", "--activation=tanh", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["minimum"]["status"] == "no_affine_segment"
