"""The scan as its user starts it, what it writes, and clusters that lose a worker."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from children import program
from fastminima.cli.main import main
from fastminima.errors import ClusterError, MissingDependencyError, OptionError, OutputError
from fastminima.scanning.dask import dask_executor
from fastminima.scanning.table import ScanTable
from fastminima.system.options import parse_bytes
from places import ROOT
from profiles import examples

TIMES = {"seconds"}


def run(capsys, *arguments):
    status = main(["scan", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def same(one, two):
    """Equal rows, the times apart; NaN equals NaN."""
    assert [r["dataset"] for r in one] == [r["dataset"] for r in two]
    for a, b in zip(one, two, strict=True):
        assert {k: repr(v) for k, v in a.items() if k not in TIMES} == {
            k: repr(v) for k, v in b.items() if k not in TIMES
        }


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Three tables that scan, one that does not."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(7)
    for name, m in (("first", 60), ("second", 40)):
        frame = pd.DataFrame(rng.normal(size=(m, 3)), columns=["size", "age", "price"])
        frame.insert(0, "street", [f"street {i % 5}" for i in range(m)])
        frame.to_csv(folder / f"{name}.csv", index=False)
    frame.drop(columns="street").to_parquet(folder / "third.parquet")
    (folder / "text.csv").write_text("size,price\n1,2\n2,cheap\n")
    return folder


# --- the table ------------------------------------------------------------------------------------------

cells = st.one_of(
    st.none(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 9), max_size=2),
)


@given(st.lists(st.fixed_dictionaries({"x": cells}, optional={"y": cells, "z": cells}), max_size=5))
@settings(max_examples=examples(60))
def test_every_form_of_the_table_holds_the_rows(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("written")
    table = ScanTable(rows)
    assert list(table) == rows
    for suffix in ("csv", "jsonl", "parquet"):
        table.write(folder / f"t.{suffix}")
    lines = (folder / "t.jsonl").read_text().splitlines()
    for row, line in zip(rows, lines, strict=True):
        back = json.loads(line)
        for key, value in row.items():
            shown = (
                {math.inf: "inf", -math.inf: "-inf"}.get(value, value) if isinstance(value, float) else value
            )
            assert back[key] == shown
    parquet = pd.read_parquet(folder / "t.parquet")
    assert parquet.shape == (len(rows), len(table.columns))
    for name in table.columns:
        for row, stored in zip(rows, parquet[name].tolist(), strict=True):
            value = row.get(name)
            if value is None:
                assert pd.isna(stored)
            elif isinstance(value, dict):
                assert json.loads(stored) == value
            else:
                assert stored in (value, str(value))
    if table.columns and rows:
        text = pd.read_csv(folder / "t.csv", dtype=str, keep_default_na=False, lineterminator="\n")
        assert tuple(text.columns) == table.columns
        assert len(text) == len(rows) or len(table.columns) == 1  # a blank line stands for one empty cell
        for name in table.columns if len(text) == len(rows) else ():
            for row, stored in zip(rows, text[name].tolist(), strict=True):
                value = row.get(name)
                if isinstance(value, float):
                    assert float(stored) == value
                elif isinstance(value, dict):
                    assert json.loads(stored) == value
                else:
                    assert stored == ("" if value is None else str(value))


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    table = ScanTable([{"a": 1.5, "b": math.nan}])
    with pytest.raises(OutputError, match=r"expected a name ending in .parquet, .csv, .jsonl"):
        table.write(tmp_path / "t.xlsx")
    with pytest.raises(OutputError, match="does not exist"):
        table.write(tmp_path / "nowhere" / "t.csv")
    table.write(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "a,b\n1.5,\n"
    (tmp_path / "t.jsonl").write_text("old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fastminima.system.files.os.replace", full)
    with pytest.raises(OutputError, match=r"cannot write .*t\.jsonl: No space left"):
        table.write(tmp_path / "t.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.jsonl"]
    assert (tmp_path / "t.jsonl").read_text() == "old"
    assert table.column("a") == [1.5]
    assert table.to_pandas()["a"].tolist() == [1.5]
    assert table[:1].columns == ("a", "b")


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"fastminima\[tables\]"):
        ScanTable([{"a": 1}]).write(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2GB", 2 * 10**9),
        ("512MiB", 2**29),
        (" 1.5 GiB ", 3 * 2**29),
        ("10kB", 10**4),
        ("7", 7),
        ("7B", 7),
        (1e9, 10**9),
    ],
)
def test_sizes(text, number):
    assert parse_bytes(text) == number


@pytest.mark.parametrize(
    "text", ["2G", "GB", "", "-1", "1e9", "2 GB/s", "0", 0, -5, True, None, math.nan, math.inf]
)
def test_sizes_that_are_none(text):
    with pytest.raises(OptionError, match="memory must be a number of bytes, or a size like '2GB'"):
        parse_bytes(text)


# --- the command ------------------------------------------------------------------------------------------


def test_a_folder_is_scanned_and_a_failure_is_a_row(capsys, tables, monkeypatch):
    monkeypatch.chdir(tables)
    status, out, err = run(capsys, ".", "--target", "price")
    assert status == 1
    for name in ("first.csv", "second.csv", "third.parquet", "text.csv"):
        assert name in out
    assert "4 datasets, 140 rows" in out
    assert "ReadError: text.csv: " in err
    assert "failed" in out
    assert "column 'price' begins with numbers but holds the text 'cheap' in data row 2" in err
    assert "first.csv: rejected columns: 'street' (text ('street 0' in data row 1))" in out.replace("\n", " ")
    low = fm.spurious_minimum(fm.read(tables / "first.csv", "price", features=["size", "age"]))
    assert f"{low.fit.risk:.6g}" in out
    assert f"{low.radius:.4g}" in out


def test_json_lines_and_exit_status(capsys, tables):
    status, out, err = run(capsys, tables, "demo:xor", "nothing.csv", "--target", "price", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (status, len(rows)) == (1, 6)
    assert [os.path.basename(row["dataset"]) for row in rows[:2]] == ["first.csv", "second.csv"]
    assert [row["error"] and row["error"].partition(":")[0] for row in rows[-2:]] == [
        "TargetError",
        "MissingFileError",
    ]
    assert err == ""
    status, out, _ = run(capsys, "demo:diabetes", "demo:parity4", "--json")
    diabetes, parity = map(json.loads, out.splitlines())
    assert (status, diabetes["status"], diabetes["case"], parity["case"]) == (0, "spurious", 1, 2)
    assert parity["relative_drop"] == pytest.approx(parity["drop"] / parity["risk"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--memory", "2G"], "OptionError: --memory must be a number of bytes"),
        (["--resume"], "OptionError: --resume needs the --out DIR"),
        (["--workers", "0"], "OptionError: --workers must be a whole number"),
        (["--s-plus", "0"], "ActivationError"),
        (["--out", ""], "OutputError: --out needs a folder name"),
        (["--distributed", "nonsense"], "ClusterError: no Dask scheduler answers at 'nonsense'"),
    ],
)
def test_scans_that_cannot_run(capsys, arguments, message):
    status, out, err = run(capsys, "demo:xor", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_out_holds_table_and_networks(capsys, tables, tmp_path, suffix):
    folder = tmp_path / "deep" / "results"
    status, out, _ = run(
        capsys, tables, tables / "first.csv", "--target", "price", "--out", folder, "--format", suffix
    )
    assert status == 1
    assert str(folder) in out.replace("\n", "")
    assert sorted(path.name for path in folder.iterdir()) == [
        "first.csv",
        "first.csv-2",
        "second.csv",
        f"table.{suffix}",
        "third.parquet",
    ]
    report = fm.scan(tables, target="price")
    for result in report:
        own = folder / os.path.basename(result.name)
        if result.error is not None:
            assert not own.exists()
            continue
        for kind, ours in (("minimum", result.minimum.network), ("better", result.better.network)):
            theirs = fm.OneHiddenLayer.load(own / f"{kind}.npz")
            for name in ("W1", "b1", "W2", "b2"):
                np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name))
    if suffix == "jsonl":
        rows = [json.loads(line) for line in (folder / "table.jsonl").read_text().splitlines()]
        assert [row.pop("folder") for row in rows] == [
            "first.csv",
            "second.csv",
            None,
            "third.parquet",
            "first.csv-2",
        ]
        same(rows[:4], [json.loads(json.dumps(row)) for row in report.table])


def test_a_dataset_called_as_the_table_is(capsys, tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.link(tables / "first.csv", "table.csv")
    os.link(tables / "second.csv", "checkpoint.csv")
    status, _, err = run(capsys, ".", "--target", "price", "--out", "out")
    assert (status, err) == (0, "")
    frame = pd.read_csv("out/table.csv")
    assert frame["folder"].tolist() == ["checkpoint.csv", "table.csv-2"]
    assert os.path.isfile("out/table.csv-2/minimum.npz")


def test_the_table_as_text(tables):
    text = str(
        fm.scan([tables / "first.csv", tables / "text.csv", "demo:xor"], target="price").table
    ).splitlines()
    assert [line.split()[0] for line in text] == [
        "dataset",
        str(tables / "first.csv"),
        str(tables / "text.csv"),
        "demo:xor",
    ]
    assert text[2].endswith("failed")
    assert len({len(line) for line in text}) == 1
    assert str(ScanTable([{"a": 1}])) == "ScanTable(1 rows: a)"


def test_options_reach_the_scan(capsys, tables):
    status, out, _ = run(
        capsys,
        tables / "first.csv",
        *(
            "--target",
            "price",
            "--features",
            "age, street",
            "--categories",
            "onehot",
            "--sample-weight",
            "size",
        ),
        *("--s-minus", "0.25", "--width", "3", "--json"),
    )
    # size is normal: weights below zero are named
    row = json.loads(out)
    assert (status, row["status"]) == (1, "error")
    assert "sample_weight is -" in row["error"]
    status, out, _ = run(
        capsys,
        tables / "first.csv",
        "--target",
        "price",
        "--features",
        "age, street",
        "--categories",
        "onehot",
        "--json",
    )
    row = json.loads(out)
    assert (status, row["features"], row["rank"]) == (0, 5, 6)
    assert row["notes"]["categories"] == {"street": [f"street {i}" for i in range(5)]}


def start(folder, paths, temporary):
    """The command in a process of its own, which may be killed."""
    command = [sys.executable, "-m", "fastminima", "scan", *map(str, paths), "--out", str(folder), "--json"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    return program(
        command,
        # a parent in the background ignores interrupts, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_a_killed_scan_goes_on(capsys, tmp_path):
    """Finished datasets come from the checkpoint, the others are scanned: the same rows, and a finished folder."""
    rng = np.random.default_rng(3)
    paths = []
    for number, m in enumerate((500, 700, 1_200_000, 900)):
        paths.append(tmp_path / f"{number}.npy")
        np.save(paths[-1], rng.normal(size=(m, 6)))
    folder = tmp_path / "out"
    with start(folder, paths, tmp_path) as process:
        first = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "table.csv").exists()
    status, out, err = run(capsys, *paths, "--out", folder)
    assert (status, out) == (2, "")
    assert "holds a scan that was stopped; go on with --resume" in err
    status, out, _ = run(capsys, *paths, "--out", folder, "--resume", "--json", "--s-minus", "0.5")
    assert status == 2
    status, out, err = run(capsys, *paths, "--out", folder, "--resume", "--json")
    assert (status, err) == (0, "")
    lines = out.splitlines(keepends=True)
    # the seconds of finished datasets are those of the first run: they were not scanned again
    assert lines[:2] == first
    rows = [json.loads(line) for line in lines]
    assert [row.pop("folder") for row in rows] == ["0.npy", "1.npy", "2.npy", "3.npy"]
    same(rows, [json.loads(json.dumps(r)) for r in fm.scan(paths).table])
    assert sorted(path.name for path in folder.iterdir()) == ["0.npy", "1.npy", "2.npy", "3.npy", "table.csv"]


def on_a_terminal(arguments):
    """(exit status, standard output, what standard error draws on a terminal)."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    with program(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal ends
            while block := os.read(ours, 65536):
                shown += block
        out = process.stdout.read()
    os.close(ours)
    return process.returncode, out, shown


def test_an_interrupted_scan_says_how_to_go_on(tmp_path):
    # the same rows under many names: seconds of work, so that a slow machine interrupts it too
    paths = [tmp_path / "small.npy", *(tmp_path / f"large{i}.npy" for i in range(20))]
    for path, m in zip(paths, (100, 1_000_000), strict=False):
        np.save(path, np.random.default_rng(0).normal(size=(m, 8)))
    for path in paths[2:]:
        path.hardlink_to(paths[1])
    with start(tmp_path / "out", paths, tmp_path) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
    assert process.returncode == 130
    assert f"stopped; the same command with --resume goes on from {tmp_path / 'out' / 'checkpoint'}" in err
    assert err.endswith("fastminima: interrupted\n")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("fastminima-")]


def test_progress_on_a_terminal(tmp_path):
    np.save(tmp_path / "big.npy", np.random.default_rng(0).normal(size=(500_000, 8)))
    paths = [str(tmp_path / "big.npy"), "demo:xor"]
    status, out, shown = on_a_terminal(["-m", "fastminima", "scan", *paths, "--json"])
    assert status == 0
    # a bar is drawn meanwhile, the lines still go where they belong
    assert [json.loads(line)["rows"] for line in out.splitlines()] == [500_000, 4]
    assert b"big.npy: " in shown


def test_progress_tells_speed_and_time_left():
    code = (
        "import time\nfrom fastminima.system.progress import rows_bar\n"
        "with rows_bar(enabled=True) as tell:\n"
        "    for done in range(6):\n"
        "        tell('a.csv: reading', done * 10**6, 10**7)\n"
        "        time.sleep(0.12)\n"
    )
    status, _, shown = on_a_terminal(["-c", code])
    assert status == 0
    assert b"a.csv: reading" in shown
    speeds = [float(text.replace(b",", b"")) for text in re.findall(rb"([\d,]+) rows/s", shown)]
    assert speeds
    assert all(1e4 < speed < 1.7e7 for speed in speeds)
    assert re.search(rb"0:00:0\d", shown)


# --- Dask ---------------------------------------------------------------------------------------------------


def worker_pids(executor):
    return list(executor._client.run(os.getpid).values())


def test_a_cluster_gives_the_same_bits_also_when_it_loses_a_worker(tmp_path, capsys):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(300_000, 5))
    table = np.column_stack([X, X @ rng.normal(size=5) + rng.normal(size=len(X))])
    np.save(tmp_path / "big.npy", table)
    pd.DataFrame(table[:2000], columns=list("abcdey")).to_csv(tmp_path / "t.csv", index=False)
    sources = [tmp_path / "big.npy", (X[:5000], table[:5000, 5])]
    here = fm.scan(sources)
    text = fm.scan(tmp_path / "t.csv", target="y")
    with dask_executor("local", 2) as executor:
        there = fm.scan(sources, executor=executor)
        same(here.table, there.table)
        same(text.table, fm.scan(tmp_path / "t.csv", target="y", executor=executor).table)
        status, out, err = run(
            capsys, tmp_path / "big.npy", "--distributed", executor._client.scheduler.address, "--json"
        )
        assert (status, err) == (0, "")
        same(here.table[:1], [{**here.table[0], **json.loads(out), "notes": here.table[0]["notes"]}])
        victim = worker_pids(executor)[0]
        killed = []

        def kill(name, stage, done, total):
            if done and not killed:
                killed.append(os.kill(victim, signal.SIGKILL))

        after = fm.scan(sources, executor=executor, progress=kill)
        assert killed
        same(here.table, after.table)
        for one, two, three in zip(here, there, after, strict=True):
            for name in ("W1", "b1", "W2", "b2"):
                bits = np.asarray(getattr(one.better.network, name)).tobytes()
                assert bits == np.asarray(getattr(two.better.network, name)).tobytes()
                assert bits == np.asarray(getattr(three.better.network, name)).tobytes()


def test_a_cluster_that_is_not_there(monkeypatch):
    with (
        pytest.raises(ClusterError, match="no Dask scheduler answers at 'nowhere'"),
        dask_executor("nowhere"),
    ):
        pass
    with pytest.raises(OptionError, match="workers must be"), dask_executor("local", 0):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(MissingDependencyError, match=r"needs distributed.*fastminima\[distributed\]"),
        dask_executor("local"),
    ):
        pass


def test_the_example_shows_equal_results():
    """Every bundled table and a generated one, in a process and on a cluster."""
    path = ROOT / "examples" / "scan_tables.py"
    run = subprocess.run(
        [sys.executable, path, "--rows", "20000"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "equal to the bit: every number, every parameter" in run.stdout
    for name in ("sklearn diabetes", "statsmodels longley", "generated, 20,000 rows"):
        assert name in run.stdout
