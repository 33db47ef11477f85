"""`fastminima atlas` as its user starts it: what it says before it begins, what it writes, and a run that was killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys

import pytest

import fastminima as fm
from atlas_tables import HOSTILE, REASONS, USABLE, install
from children import program
from fastminima.cli import atlas as command
from fastminima.cli.main import main
from fastminima.scanning.installed_tables import load_table

pytest.importorskip("matplotlib")
QUICK = ["--widths", "3", "2", "--seconds", "0.02"]


@pytest.fixture
def made(monkeypatch):
    """The made tables as one of the packages that the command knows."""
    install(monkeypatch)
    monkeypatch.setattr(command, "PACKAGES", ("made",))


def run(capsys, *arguments):
    status = main(["atlas", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_an_atlas_is_written_whole(made, capsys, tmp_path):
    out = tmp_path / "out"
    status, said, err = run(capsys, *QUICK, "--most-numbers", 100, "--out", out)
    assert (status, err) == (0, "")
    first, limits, *rest = said.splitlines()
    assert first == f"{len(USABLE)} tables; {len(REASONS)} left out (left-out.csv says why)"
    assert limits.startswith(
        "limits of a table: 100 numbers, 1,000 MB by its size, 0.04 s of searches, no step begun after 60 s"
    )
    assert any(
        line.startswith(f"fastminima atlas: {len(USABLE)} tables, {len(REASONS)} left out") for line in rest
    )
    summary = json.loads((out / "atlas.json").read_text())
    assert summary["statuses"] == {"done": 6, "linearly fittable": 1}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == set(
        summary["files"]
    )
    left = csv.DictReader((out / "left-out.csv").read_text().splitlines())
    assert {row["table"] for row in left} == {f"made/{name}" for name in REASONS}
    # the paths in the table lead to certificates that are about these tables, and to nothing outside
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = parquet.read_table(out / "atlas.parquet").to_pylist()
    assert [row["table"] for row in rows] == [f"made/{name}" for name in USABLE]
    paths = [
        (row["table"], row[name])
        for row in rows
        for name in ("certificate", "certificate_2", "certificate_3")
        if row[name]
    ]
    assert len(paths) == len({path for _, path in paths}) >= 15
    for table, path in paths:
        assert (out / path).resolve().is_relative_to(out.resolve() / "certificates")
        verdict = fm.check(out / path, load_table(table))
        assert verdict, verdict.reason
    page = (out / "atlas.html").read_text()
    assert "<script>alert" not in page
    assert HOSTILE.split("/")[1][1:7] in page
    # the page is made again from the table
    fm.atlas_page(out / "atlas.parquet", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == page


def test_a_run_replaces_the_one_before_and_no_other(made, capsys, tmp_path):
    out = tmp_path / "out"
    quick = (*QUICK, "--most-numbers", 100, "--no-proofs", "--out", out)
    assert run(capsys, *quick, "--most", 3)[0] == 0
    assert run(capsys, *quick, "--most", 2)[0] == 0
    assert json.loads((out / "atlas.json").read_text())["tables"] == 2
    (out / "atlas.json").unlink()
    status, said, err = run(capsys, *quick)
    assert (status, said) == (2, "")
    assert "would be written over" in err
    (out / "checkpoint").mkdir()
    status, _, err = run(capsys, *quick)
    assert status == 2
    assert "holds an atlas that was stopped; go on with --resume" in err


def test_failed_tables_are_told_and_counted(made, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("fastminima.scanning.chart_table.better_point", lambda low, method: 1 / 0)
    status, said, err = run(capsys, *QUICK, "--most-numbers", 100, "--out", tmp_path / "out")
    assert status == 1
    assert len(err.splitlines()) == 6
    assert "made/wide: ZeroDivisionError: division by zero" in err
    assert "written: atlas.html" in said


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--widths", "0"], "a width must be"), (["--seconds", "nan"], "seconds must be"),
        (["--workers", "0"], "workers must be"), (["--most", "0"], "most must be"),
        (["--memory", "some"], "--memory must be"),
        (["--table-seconds", "0.01"], "table-seconds must be"),
    ],
)  # fmt: skip
def test_wrong_options_are_named_and_leave_nothing(made, wrong, message, capsys, tmp_path):
    status, said, err = run(capsys, *QUICK, *wrong, "--out", tmp_path / "out")
    assert (status, said) == (2, "")
    assert message in err
    assert not (tmp_path / "out").exists()


def test_packages_are_named(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["atlas", "--packages", "nothing", "--out", str(tmp_path / "out")])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


def test_a_killed_atlas_goes_on(capsys, tmp_path):
    out = tmp_path / "out"
    arguments = [
        "--packages",
        "sklearn",
        "--widths",
        "2",
        "--seconds",
        "0.5",
        "--no-proofs",
        "--out",
        str(out),
    ]
    with program(
        [sys.executable, "-m", "fastminima", "atlas", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stdout.readline().startswith("5 tables; 1 left out")
        charts = out / "checkpoint" / "charts"
        while process.poll() is None and not (charts.exists() and charts.stat().st_size):
            pass
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (out / "atlas.json").exists()
    assert run(capsys, *arguments)[0] == 2
    status, said, err = run(capsys, *arguments, "--resume", "--workers", "2")
    assert (status, err) == (0, "")
    assert int(said.partition(" of them done before")[0].rpartition(", ")[2]) >= 1
    assert json.loads((out / "atlas.json").read_text())["tables"] == 5
    assert not (out / "checkpoint").exists()
