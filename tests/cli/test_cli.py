"""The command line as its user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
import oracle
from fastminima.cli.main import main


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    lines = [
        "size,age,price",
        *(f"{a!r},{b!r},{c!r}" for (a, b), c in zip(X.tolist(), y.tolist(), strict=True)),
    ]
    path = tmp_path / "houses.csv"
    path.write_text("\n".join(lines) + "\n")
    return path, X, y


def test_the_demo_prints_the_known_numbers(capsys):
    status, out, err = run(capsys, "construct", "demo:diabetes")
    assert (status, err) == (0, "")
    for word in (
        "442",
        "631992.8928",
        "spurious",
        "certified radius",
        "size of J",
        "case 1",
        "1241.17",
        "0.00196389",
        "time, least squares",
    ):
        assert word in out, word


@pytest.mark.parametrize(("demo", "case", "drop"), [("demo:xor", 2, 1 / 56), ("demo:parity4", 2, 1 / 480)])
def test_json_is_json(capsys, demo, case, drop):
    status, out, _ = run(capsys, "construct", demo, "--json")
    summary = json.loads(out)
    assert status == 0
    assert summary["better"]["case"] == case
    assert summary["better"]["drop"] == pytest.approx(drop)
    assert summary["J"] == {"certified": 0, "undecided": 0}
    assert summary["minimum"]["status"] == "spurious"
    assert set(summary["seconds"]) >= {"read", "least squares", "minimum", "better point"}


def test_out_writes_networks_summary_and_picture(capsys, table, tmp_path):
    path, X, y = table
    out_dir = tmp_path / "deep" / "results"
    status, out, _ = run(
        capsys,
        "construct",
        path,
        "--target",
        "price",
        "--out",
        out_dir,
        "--s-minus",
        "0.1",
        "--width",
        "3",
        "--alpha",
        "2",
    )
    assert status == 0
    assert sorted(p.name for p in out_dir.iterdir()) == [
        "better.npz",
        "minimum.npz",
        "segment.png",
        "summary.json",
    ]
    assert "segment.png" in out.replace("\n", "")
    low = fm.OneHiddenLayer.load(out_dir / "minimum.npz")
    better = fm.OneHiddenLayer.load(out_dir / "better.npz")
    assert low.width == better.width == 3
    assert low.activation == fm.leaky_relu(0.1)
    risk = oracle.least_squares(X, y)[3]
    assert oracle.network_risk(better, X, y) < risk <= oracle.network_risk(low, X, y)
    summary = json.loads((out_dir / "summary.json").read_text())
    assert summary["m"] == 40
    assert summary["files"] == ["minimum.npz", "better.npz", "segment.png", "summary.json"]
    assert Fraction(summary["better"]["drop_certified"]) <= risk - oracle.network_risk(better, X, y)
    picture = (out_dir / "segment.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_members_are_written_with_radii_of_their_own(capsys, table, tmp_path):
    path, *_ = table
    out_dir = tmp_path / "starts"
    more = ["--width", "4", "--sample", "3", "--seed", "5", "--out", out_dir]
    status, out, err = run(capsys, "construct", path, "--target", "price", *more)
    assert (status, err) == (0, "")
    assert "3, certified radii" in " ".join(out.split())
    summary = json.loads((out_dir / "summary.json").read_text())
    names = [f"member-{k}.npz" for k in (1, 2, 3)]
    assert [row["file"] for row in summary["members"]] == names
    assert summary["seed"] == 5
    assert set(names) <= set(summary["files"])
    data = fm.read(path, "price")
    for row, drawn in zip(summary["members"], fm.spurious_minimum(data, width=4).sample(3, 5), strict=True):
        member = fm.OneHiddenLayer.load(out_dir / row["file"])
        assert member == drawn.network
        assert (row["radius"], row["radius_relative"]) == (drawn.radius, drawn.radius_relative)
        assert (member.W2 != 0).all()
        found = fm.polish(member, data)
        # the radius holds of the exact minimum beside it
        assert found.decision
        assert found.started_in_region
        assert found.distance < 1e-9
        assert found.decision.radius >= row["radius"] * (1 - 1e-9)
    # a run with fewer members takes the others away, and a stranger's file of such a name stays
    run(capsys, "construct", path, "--target", "price", "--sample", "1", "--out", out_dir)
    assert sorted(p.name for p in out_dir.glob("member*")) == ["member-1.npz"]
    (out_dir / "member-9.npz").write_bytes(b"mine")
    status, _, err = run(capsys, "construct", path, "--target", "price", "--out", out_dir)
    assert status != 0
    assert "member-9.npz is not of an earlier run" in err
    assert (out_dir / "member-9.npz").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sample", "0", "--out", "o"], "--sample must be a whole number >= 1"),
        (["--sample", "2"], "say where with --out"),
        (["--seed", "2"], "give one of them"),
        (["--sample", "2", "--seed", "-1", "--out", "o"], "--seed must be a whole number >= 0"),
    ],
)
def test_what_cannot_be_sampled_is_refused_before_any_work(capsys, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "construct", "demo:xor", *options)
    assert status != 0
    assert not out
    assert message in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet", ".csv"])
def test_every_format_gives_the_same_numbers(capsys, table, tmp_path, suffix):
    import pandas

    path, X, y = table
    file = tmp_path / f"data{suffix}"
    target = "price"
    if suffix == ".npy":
        np.save(file, np.column_stack([X, y]))
        target = "-1"
    elif suffix == ".npz":
        np.savez(file, X=X, y=y)
        target = None
    elif suffix == ".parquet":
        pandas.DataFrame({"size": X[:, 0], "age": X[:, 1], "price": y}).to_parquet(file)
    else:
        file = path
    extra = [] if target is None else [f"--target={target}"]
    status, out, err = run(capsys, "construct", file, "--json", *extra)
    assert (status, err) == (0, "")
    better = fm.better_point(fm.spurious_minimum((X, y)))
    assert json.loads(out)["better"]["drop"] == better.drop


def test_statuses_are_answers_not_errors(capsys, tmp_path):
    path = tmp_path / "line.csv"
    path.write_text("x,y\n0,1\n1,3\n2,5\n")
    status, out, err = run(capsys, "construct", path, "--target", "y", "--out", tmp_path / "o")
    assert (status, err) == (1, "")
    assert "global" in out
    assert "affine" in out
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["minimum.npz", "summary.json"]
    status, out, _ = run(capsys, "construct", path, "--target", "y", "--width", "1", "--json")
    assert status == 1
    assert "better" not in json.loads(out)


def test_decimal_meaning_is_about_the_numbers_as_written(capsys, tmp_path):
    path = tmp_path / "tenths.csv"
    path.write_text("x,y\n0.1,0.3\n0.2,0.6\n0.3,0.9\n0.7,2.1\n")
    _, out, _ = run(capsys, "construct", path, "--target", "y", "--json", "--meaning", "decimal")
    assert json.loads(out)["better"]["status"] == "linearly_fittable"
    _, out, _ = run(capsys, "construct", path, "--target", "y", "--json")
    assert json.loads(out)["minimum"]["status"] == "spurious"
    assert any("decimals" in note for note in json.loads(out)["notes"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["construct", "no-such-file.csv", "--target", "y"], ["no-such-file.csv"]),
        (["construct", "demo:diabets"], ["diabetes"]),
        (["construct", "TABLE", "--target", "prise"], ["prise", "price"]),
        (["construct", "TABLE", "--target", "price", "--width", "0"], ["--width must be an integer >= 1"]),
        (["construct", "TABLE", "--target", "price", "--alpha", "-1"], ["--alpha must be finite and > 0"]),
        (["construct", "TABLE", "--target", "price", "--s-minus", "1"], ["slopes"]),
        (["construct", "TABLE", "--target", "price", "--s-plus", "0"], ["--s-plus must be > 0"]),
        (["construct", "TABLE", "--target", "price", "--features", "size,aeg"], ["aeg", "age"]),
    ],
)
def test_errors_are_one_clear_line(capsys, table, arguments, words):
    arguments = [str(table[0]) if a == "TABLE" else a for a in arguments]
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("fastminima: ")
    assert len(err.strip().splitlines()) == 1
    for word in words:
        assert word in err


def test_an_output_folder_that_cannot_be_written_is_named_before_any_work(capsys, table, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    status, out, err = run(capsys, "construct", table[0], "--target", "price", "--out", blocker)
    assert (status, out) == (2, "")
    assert "output folder" in err
    assert blocker.read_text() == "not a folder"
    status, _, err = run(capsys, "construct", table[0], "--target", "price", "--out", blocker / "deeper")
    assert status == 2
    assert "output folder" in err


def test_a_failed_run_leaves_nothing_half_written(capsys, table, tmp_path, monkeypatch):
    def broken(*_args, **_kwargs):
        raise fm.errors.OutputError("disk full")

    monkeypatch.setattr("fastminima.reporting.segment.plot_segment", broken)
    status, _, err = run(capsys, "construct", table[0], "--target", "price", "--out", tmp_path / "o")
    assert status == 2
    assert "disk full" in err
    assert "summary.json" not in os.listdir(tmp_path / "o")
    assert not [name for name in os.listdir(tmp_path / "o") if name.endswith(".tmp")]


def test_the_installed_command_and_the_module_run():
    for command in ([sys.executable, "-m", "fastminima"],):
        done = subprocess.run([*command, "construct", "demo:xor"], capture_output=True, text=True, check=True)
        assert "0.0178571" in done.stdout
        # piped: no spinner, no progress, no escape codes
        assert done.stderr == ""
        assert "\x1b" not in done.stdout
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert fm.__version__ in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("option", [[], ["--json"]])
def test_a_full_standard_output_is_one_line_on_stderr(option):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fastminima", "construct", "demo:xor", *option],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("fastminima: OutputError: cannot write the summary")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", [["--target", "y"], ["--features", "a"], ["--sample-weight", "w"]])
def test_options_for_files_are_refused_on_demos(option, capsys):
    assert main(["construct", "demo:xor", *option]) == 2
    assert option[0] in capsys.readouterr().err


def test_verbose_says_each_step_on_standard_error(capsys):
    status, _, err = run(capsys, "construct", "demo:xor", "--verbose")
    assert status == 0
    assert err.splitlines() == ["read ...", "least squares ...", "minimum ...", "better point ..."]
