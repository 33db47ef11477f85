"""An --out folder holds one run, whole; what is not that run's own stays or is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli import certificates, folder
from fastminima.cli.main import main


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with tables, weights and a network, in which commands run."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    np.save("two.npy", rng.normal(size=(30, 3)))
    np.save("three.npy", rng.normal(size=(30, 4)))
    np.save("line.npy", np.column_stack([np.arange(9.0), 2 * np.arange(9.0)]))
    fm.spurious_minimum((np.load("two.npy")[:, :2], np.load("two.npy")[:, 2])).network.save("net.npz")
    return tmp_path


def run(*words):
    return main([str(word) for word in words])


def names(place):
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def contents(place):
    return {name: (place / name).read_bytes() for name in names(place)}


# (a run that writes all files, one that writes fewer, what the second leaves)
PAIRS = {
    "construct": (
        ["two.npy", "--target=-1", "--prove"],
        ["line.npy", "--target=-1"],
        ["minimum.npz", "summary.json"],
    ),
    "probe": (
        ["net.npz", "two.npy", "--target=-1", "--n=50"],
        ["net.npz", "two.npy", "--target=-1", "--n=0"],
        ["probe.json"],
    ),
    "linear": (["demo:saddle"], ["demo:minimum"], ["linear.json"]),
    "prove": (["--counterexample", "tanh"], ["two.npy", "--target=-1"], ["proof.json", "prove.json"]),
    "counterexample": (["tanh"], ["exp", "--form", "paper"], ["counterexample.json"]),
    "scan": (
        ["two.npy", "three.npy", "--target=-1"],
        ["two.npy", "--target=-1", "--format=jsonl", "--width=1"],
        ["table.jsonl", "two.npy/minimum.npz"],
    ),
}


@pytest.mark.parametrize("command", PAIRS)
def test_a_later_run_replaces_an_earlier_one_whole(command, here, capsys):
    full, less, left = PAIRS[command]
    out = here / "out"
    assert run(command, *full, "--out", out) == 0
    before = contents(out)
    assert len(before) > len(left)
    (out / "notes.txt").write_text("mine")
    (out / "extra").mkdir()
    (out / "extra" / "better.npz").write_text("mine too")
    # a run that fails, late or early, leaves everything
    with pytest.MonkeyPatch.context() as patch:

        def full_disk(*_args):
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(folder.OutputFolder, "finish", full_disk)
        assert run(command, *less, "--out", out) == 2
    assert run(command, *full, "--out", out, *_broken(command)) == 2
    assert {name: content for name, content in contents(out).items() if name in before} == before
    assert run(command, *less, "--out", out) in (0, 1)
    assert names(out) == sorted([*left, "notes.txt", "extra/better.npz"])
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == sorted(
        {"extra", *(name.split("/")[0] for name in left if "/" in name)}
    )
    assert (out / "extra" / "better.npz").read_text() == "mine too"
    # and back
    assert run(command, *full, "--out", out) == 0
    assert set(names(out)) == {*before, "notes.txt", "extra/better.npz"}
    assert "Traceback" not in capsys.readouterr().err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Copies of a finished folder, made by one run a command."""
    made = {}

    def copy(command, out):
        if command not in made:
            made[command] = tmp_path_factory.mktemp("finished") / command
            assert run(command, *PAIRS[command][0], "--out", made[command]) == 0
        shutil.copytree(made[command], out)

    return copy


def _broken(command):
    """Options with which the command fails after it has looked at the folder."""
    return {
        "construct": ["--alpha=-1"],
        "probe": ["--radius=-1"],
        "linear": ["--radius=-1"],
        "prove": ["--weights=none.npz"],
        "counterexample": ["--param", "nothing=1"],
        "scan": ["--workers=0"],
    }[command]


@pytest.mark.parametrize("command", PAIRS)
@pytest.mark.parametrize("fails", range(1, 9))
def test_a_move_that_fails_is_undone(command, fails, here, finished, monkeypatch):
    less, out = PAIRS[command][1], here / "out"
    finished(command, out)
    before = contents(out)
    real, calls = os.replace, []

    class Replace:
        """`os` with a move between folders that is interrupted at the given one."""

        def __getattr__(self, name):
            return getattr(os, name)

        @staticmethod
        def replace(start, end):
            calls.append(start)
            if len(calls) == fails:
                raise KeyboardInterrupt
            real(start, end)

    monkeypatch.setattr(folder, "os", Replace())
    status = run(command, *less, "--out", out)
    assert status in ([130] if len(calls) >= fails else [0, 1])
    if status == 130:
        assert contents(out) == before
        assert not [p for p in out.iterdir() if p.name.endswith(".tmp") or p.name == "unfinished"]


@pytest.mark.parametrize("command", PAIRS)
def test_results_of_another_command_are_refused_before_any_work(command, here, finished, capsys, monkeypatch):
    other = "linear" if command != "linear" else "counterexample"
    out = here / "out"
    finished(other, out)
    before = contents(out)
    capsys.readouterr()
    for module in ("construct", "probe", "scan"):
        monkeypatch.setattr(f"fastminima.cli.{module}._run", _work)
    for module in ("linear", "counterexample"):
        monkeypatch.setattr(f"fastminima.cli.{module}._run", _work)
    assert run(command, *PAIRS[command][0], "--out", out) == 2
    said = capsys.readouterr().err
    assert f"holds results of fastminima {other}" in said
    assert said.count("\n") == 1
    assert contents(out) == before


def _work(*_args):
    raise AssertionError("work was done")


def test_a_probe_stays_with_the_network_it_is_of(here, capsys):
    out = here / "out"
    data = ("two.npy", "--target=-1")
    assert run("construct", *data, "--out", out) == 0
    assert run("probe", out / "minimum.npz", *data, "--n=20", "--out", out) == 0
    assert run("probe", out / "minimum.npz", *data, "--n=0", "--out", out) == 0
    assert names(out) == ["better.npz", "minimum.npz", "probe.json", "segment.png", "summary.json"]
    # a probe of a network that is no more goes with it
    assert run("construct", "line.npy", "--target=-1", "--out", out) == 1
    assert names(out) == ["minimum.npz", "summary.json"]
    # of another network: not beside this one
    assert run("probe", "net.npz", *data, "--n=0", "--out", out) == 2
    assert "holds results of fastminima construct" in capsys.readouterr().err


def test_what_is_read_is_not_replaced(here, capsys):
    out = here / "out"
    assert run("linear", "demo:saddle", "--out", out) == 0
    before = contents(out)
    np.save("table.npy", np.random.default_rng(1).normal(size=(12, 5)))
    words = ("linear", out / "down.npz", "--data", "table.npy", "--targets=-2,-1", "--tol=1e9")
    assert run(*words, "--out", out) == 2
    assert "down.npz is read by this run" in capsys.readouterr().err
    assert contents(out) == before


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("construct", "summary.json"),
        ("construct", "better.npz"),
        ("probe", "probe.png"),
        ("linear", "up.npz"),
        ("counterexample", "data.csv"),
        ("scan", "table.csv"),
    ],
)
def test_files_of_someone_else_are_never_written_over(command, name, here, capsys):
    out = here / "out"
    out.mkdir()
    for text in ("mine", "{}", "[1]", '{"files": ["minimum.npz"]}', "a,b\n1,2\n"):
        (out / name).write_text(text)
        assert run(command, *PAIRS[command][0], "--out", out) == 2
        assert f"{name} is not of an earlier run of fastminima {command}" in capsys.readouterr().err
        assert contents(out) == {name: text.encode()}


def test_a_summary_that_names_files_elsewhere_removes_none(here):
    out = here / "out"
    assert run("construct", "two.npy", "--target=-1", "--out", out) == 0
    (here / "precious.npz").write_text("mine")
    (out / "precious.npz").write_text("mine")
    summary = json.loads((out / "summary.json").read_text())
    summary["files"] += ["../precious.npz", "precious.npz", str(here / "precious.npz"), ".", ""]
    (out / "summary.json").write_text(json.dumps(summary))
    assert run("construct", "line.npy", "--target=-1", "--out", out) == 1
    assert names(out) == ["minimum.npz", "precious.npz", "summary.json"]
    assert (here / "precious.npz").read_text() == "mine"


def test_a_scan_leaves_folders_of_others(here):
    out = here / "out"
    (out / "two.npy").mkdir(parents=True)
    (out / "two.npy" / "minimum.npz").write_text("mine")
    assert run("scan", "two.npy", "--target=-1", "--out", out) == 0
    assert names(out) == ["table.csv", "two.npy-2/better.npz", "two.npy-2/minimum.npz", "two.npy/minimum.npz"]
    (out / "two.npy-2" / "notes").write_text("mine")
    table = (out / "table.csv").read_text().replace(",two.npy-2", ",../two.npy-2")
    (out / "table.csv").write_text(table)
    assert run("scan", "three.npy", "--target=-1", "--out", out) == 0
    assert (out / "two.npy" / "minimum.npz").read_text() == "mine"
    assert "two.npy-2/minimum.npz" in names(out)


def test_a_killed_scan_is_cleared_away(here, capsys):
    out = here / "out"
    (out / "unfinished" / "new" / "old.npy").mkdir(parents=True)
    (out / "unfinished" / "new" / "old.npy" / "minimum.npz").write_text("half")
    assert run("scan", "two.npy", "--target=-1", "--out", out) == 0
    assert names(out) == ["table.csv", "two.npy/better.npz", "two.npy/minimum.npz"]
    (out / "unfinished").mkdir()
    (out / "unfinished" / "poem.txt").write_text("mine")
    assert run("scan", "two.npy", "--target=-1", "--out", out) == 2
    assert "is not empty" in capsys.readouterr().err
    (out / "unfinished" / "poem.txt").unlink()
    (out / "unfinished" / "old").mkdir()
    (out / "unfinished" / "old" / "table.csv").write_text("mine")
    assert run("scan", "two.npy", "--target=-1", "--out", out) == 2
    assert "killed run was replacing" in capsys.readouterr().err


# --- prove writes a file, and the data of an example beside it ------------------------------------------


def test_prove_takes_the_data_of_an_earlier_example_with_it(here):
    assert run("prove", "--counterexample", "tanh", "--out", "p.json") == 0
    assert (here / "p.csv").read_bytes() == certificates._EXAMPLE
    # fails, and leaves both
    assert run("prove", "two.npy", "--target", "nothing", "--out", "p.json") == 2
    assert (here / "p.csv").exists()
    assert run("prove", "two.npy", "--target=-1", "--out", "p.json") == 0
    assert not (here / "p.csv").exists()
    # not the example's, or not beside an example's certificate
    (here / "p.csv").write_bytes(certificates._EXAMPLE)
    assert run("prove", "two.npy", "--target=-1", "--out", "p.json") == 0
    assert (here / "p.csv").exists()


def test_prove_writes_over_nothing_it_reads_and_no_table_of_someone_else(here, capsys):
    (here / "houses.csv").write_text("a,y\n1,2\n2,4\n3,7\n")
    shutil.copy("net.npz", "copy.npz")
    for words, message in (
        (["houses.csv", "--target=y", "--out", "houses.csv"], "is read by this run"),
        (["two.npy", "--target=-1", "--minimum", "copy.npz", "--out", "./copy.npz"], "is read by this run"),
        (["--counterexample", "tanh", "--out", "houses.json"], "holds something else"),
        (["--counterexample", "tanh", "--out", "new.csv"], "the example's data go there"),
    ):
        before = contents(here)
        assert run("prove", *words) == 2
        assert message in capsys.readouterr().err
        assert contents(here) == before


# --- no matplotlib --------------------------------------------------------------------------------------


def test_a_missing_matplotlib_is_said_before_the_work(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for command in ("construct", "probe"):
        with monkeypatch.context() as patch:
            patch.setattr(f"fastminima.cli.{command}._run", _work)
            # the data do not exist: nothing has looked for them
            words = ["none.npz"] * (command == "probe") + ["none.csv"]
            assert run(command, *words, "--out", "out") == 2
            assert "fastminima[plot]" in capsys.readouterr().err
            assert not (here / "out").exists()
    # without a picture there is nothing to miss
    assert run("construct", "two.npy", "--target=-1", "--width=1", "--out", "narrow") == 0
    assert run("construct", "two.npy", "--target=-1") == 0
    assert run("probe", "net.npz", "two.npy", "--target=-1", "--n=0", "--out", "none") == 0
    capsys.readouterr()
    # the numbers of a counterexample do not wait for a picture, and its absence is said
    assert run("counterexample", "tanh", "--out", "tanh", "--json") == 0
    out, err = capsys.readouterr()
    assert "no slice.png" in err
    assert "fastminima[plot]" in err
    assert "slice.png" not in json.loads(out)["files"]
    assert "slice.png" not in names(here / "tanh")


def test_a_table_that_cannot_be_looked_into_is_not_passed_over(here, capsys, monkeypatch):
    assert run("scan", "two.npy", "--target=-1", "--out", "out", "--format=parquet") == 0
    before = contents(here / "out")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert run("scan", "three.npy", "--target=-1", "--out", "out") == 2
    assert "fastminima[tables]" in capsys.readouterr().err
    assert contents(here / "out") == before
