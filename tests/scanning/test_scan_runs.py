"""Scans on any executor, killed and resumed, without room on the disk: the same bits or one named error."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import DataError, OptionError, OutputError
from fastminima.scanning.dealer import Dealer

large = importlib.import_module("fastminima.scanning.large")
small = importlib.import_module("fastminima.scanning.small")
budget = importlib.import_module("fastminima.scanning.budget")

M, DX = 300_000, 6


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A file of four tasks and two million numbers."""
    rng = np.random.default_rng(11)
    X = rng.standard_normal((M, DX)) * [1, 5, 0.2, 3, 1, 1] + [0, 1e3, -5, 2, 8, 0]
    y = X @ [1.0, 0.2, -0.3, 0.4, 5.0, 0.0] + rng.standard_normal(M) + np.abs(X[:, 0])
    path = tmp_path_factory.mktemp("scan") / "table.npy"
    np.save(path, np.column_stack([X, y]))
    return path


@pytest.fixture(autouse=True)
def _own_tmpdir(tmp_path, monkeypatch):
    """Temporary files of a test in a folder of its own, empty at its end."""
    folder = tmp_path / "tmpdir"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield
    # pools of processes keep folders of their own there
    assert [name for name in os.listdir(folder) if name.startswith("fastminima")] == []


def bits(result):
    """Everything a result says, as bytes."""
    assert result.error is None, result.error
    row = result.row()
    row.pop("seconds")
    arrays = [result.fit.coef, result.fit.slopes, *result.minimum.network.parameters()]
    arrays += result.better.network.parameters()
    return repr(row), [np.asarray(a).tobytes() for a in arrays], result.fit.tau


class Inline:
    """An executor that runs tasks when they are submitted, through pickles as a distant one would."""

    def submit(self, fn, /, *args):
        future = Future()
        future.set_result(pickle.loads(pickle.dumps(fn(*pickle.loads(pickle.dumps(args))))))
        return future


class Dying:
    """An executor whose workers die at the first attempt of every third task, and refuse all after a while."""

    def __init__(self, refuses_after=10**9):
        self.count, self.refuses_after = 0, refuses_after

    def submit(self, fn, /, *args):
        self.count += 1
        if self.count > self.refuses_after:
            raise RuntimeError("cannot schedule new futures: the pool is broken")
        future = Future()
        if self.count % 3 == 1:
            future.set_exception(ConnectionError("a worker died"))
        else:
            future.set_result(fn(*args))
        return future


def test_the_same_bits_for_every_executor_number_of_workers_and_memory(table, monkeypatch):
    want = bits(fm.scan(table, target=DX)[0])
    assert bits(fm.scan(table, target=DX, workers=2)[0]) == want
    assert bits(fm.scan(table, target=DX, executor=Inline())[0]) == want
    assert bits(fm.scan(table, target=DX, executor=Dying())[0]) == want
    assert bits(fm.scan(table, target=DX, executor=Dying(refuses_after=3))[0]) == want
    held = budget.resident_bytes()
    assert bits(fm.scan(table, target=DX, memory=held + 50_000_000)[0]) == want
    with monkeypatch.context() as patch:
        # records go to files
        patch.setattr(budget.Budget, "in_memory", lambda self, records: False)
        assert bits(fm.scan(table, target=DX, workers=2)[0]) == want
    with ThreadPoolExecutor(3) as pool:
        assert bits(fm.scan(table, target=DX, executor=pool)[0]) == want
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert bits(fm.scan(table, target=DX, executor=pool)[0]) == want
        # rows in memory are sent to the workers that need them
        array = np.load(table)
        assert bits(fm.scan({"table": array}, target=DX, executor=pool)[0])[1:] == want[1:]


def test_memory_is_shared_out_and_too_little_is_an_error(table):
    held = budget.resident_bytes()
    dealer = Dealer(Inline(), 1)
    own = budget.Budget(held + 200_000_000, 100_000, 100_000, dealer)
    assert dealer.ahead == 3
    # what is held may have changed a little meanwhile
    assert 180_000_000 < own.free < 215_000_000
    assert own.in_memory(own.free - own.room)
    assert not own.in_memory(own.free - own.room + 1)
    # a cluster of many workers gets as many tasks as results fit
    many = Dealer(Inline(), 10_000)
    budget.Budget(held + 200_000_000, 100_000, 100_000, many)
    assert 1 < many.ahead < 1000
    result = fm.scan(table, target=DX, memory=1_000_000)[0]
    assert isinstance(result.error, OptionError)
    assert "is too little: the process holds" in str(result.error)


def test_blocks_of_one_row_and_other_sizes_give_the_same_numbers(table):
    A = np.load(table)[:30_000]
    small_limit = small._SMALL
    small._SMALL = -1
    try:
        reference = fm.scan(A, target=DX)[0]
        for rows in (1, 100, 5000):
            result = fm.scan(A, target=DX, block_rows=rows)[0]
            assert result.minimum.risk == pytest.approx(reference.minimum.risk, rel=1e-13)
            assert result.minimum.radius == pytest.approx(reference.minimum.radius, rel=1e-12)
            assert result.better.split.position == reference.better.split.position
        ones = ((A[i : i + 1, :DX], A[i : i + 1, DX]) for i in range(3000))
        fed = fm.scan(ones)[0]
        assert bits(fed)[1:] == bits(fm.scan(A[:3000], target=DX)[0])[1:]
    finally:
        small._SMALL = small_limit


def test_many_datasets_one_of_them_broken(table, tmp_path):
    rng = np.random.default_rng(5)
    sources = {}
    for k in range(12):
        A = rng.standard_normal((50 + k, 4))
        sources[f"small {k}"] = A
    sources["nan"] = np.full((5, 4), np.nan)
    sources["gone"] = tmp_path / "gone.npy"
    sources["big"] = table
    sources["last"] = rng.standard_normal((20, 4))
    seen = []
    report = fm.scan(sources, target=-1, on_result=lambda result: seen.append(result.name))
    assert seen == list(sources) == [r.name for r in report] == report.table.column("dataset")
    assert {r.name for r in report.failed} == {"nan", "gone"}
    assert "no value in" in report["nan"].row()["error"] or "NaN" in report["nan"].row()["error"]
    assert report["gone"].row()["error"].startswith("MissingFileError: ")
    for k in range(12):
        data = fm.Dataset(sources[f"small {k}"][:, :3], sources[f"small {k}"][:, 3])
        assert report[k].minimum.risk == fm.spurious_minimum(data).risk
        assert report[k].route == "memory"
    assert report["big"].route == "stream"
    two = fm.scan(sources, target=-1, workers=2)
    for a, b in zip(report, two, strict=True):
        one, other = a.row(), b.row()
        one.pop("seconds"), other.pop("seconds")
        assert repr(one) == repr(other)


def test_repeated_inputs_are_merged_and_told():
    # parity with every corner twice: J is empty (case 2), and inputs repeat
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    A = np.vstack([np.column_stack([corners, corners.sum(axis=1) % 2])] * 2)
    (result,) = fm.scan(A, target=2)
    row = result.row()
    assert row["notes"] == {"rows that repeat an input, merged": 4}
    assert (row["status"], row["case"], row["better"]) == ("spurious", 2, "better")
    # equal inputs of opposite residuals: no function of x does better
    B = np.array([[0.0, 1.0], [0.0, -1.0], [1.0, 2.0], [1.0, 0.0]])
    (result,) = fm.scan(B, target=1)
    assert result.row()["notes"] == {"rows that repeat an input, merged": 2}
    assert (result.status, result.row()["better"]) == ("global", "no_better_point")


def test_data_that_change_between_passes_are_an_error(table, tmp_path):
    path = tmp_path / "table.npy"
    A = np.load(table)
    np.save(path, A)

    def cut(name, stage, done, total):
        if stage == "residuals":
            with open(path, "r+b") as stream:
                stream.truncate(8 * DX * M // 2)

    (result,) = fm.scan(path, target=DX, progress=cut)
    assert "cut short" in str(result.error)
    assert result.row()["status"] == "error"


def test_an_interrupt_leaves_nothing_behind(table, monkeypatch):
    def interrupt(name, stage, done, total):
        if stage == "residuals":
            raise KeyboardInterrupt

    monkeypatch.setattr(budget.Budget, "in_memory", lambda self, records: False)
    with pytest.raises(KeyboardInterrupt):
        fm.scan(table, target=DX, workers=2, progress=interrupt)


CHILD = """
import importlib, json, os, signal, sys
import fastminima as fm
path, folder, stage, at = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
importlib.import_module("fastminima.scanning.checkpoint").INTERVAL = 0.0
count = 0
def progress(name, now, done, total):
    global count
    count += now == stage
    if count == at and now == stage:
        os.kill(os.getpid(), signal.SIGKILL)
fm.scan([sys.argv[5], path], target=-1, checkpoint=folder, progress=progress)
"""


@pytest.mark.parametrize(("stage", "at"), [("moments", 2), ("residuals", 1), ("residuals", 3), ("splits", 1)])
def test_a_scan_killed_by_signal_9_resumes_to_the_same_bits(table, tmp_path, stage, at):
    first = tmp_path / "first.npy"
    np.save(first, np.random.default_rng(2).standard_normal((40, 3)))
    want = fm.scan([first, table], target=-1)
    folder = tmp_path / "checkpoint"
    arguments = [sys.executable, "-c", CHILD, str(table), str(folder), stage, str(at), str(first)]
    code = subprocess.run(arguments, check=False, env={**os.environ, "TMPDIR": str(tmp_path)}).returncode
    assert code == -signal.SIGKILL
    assert (folder / "results").exists()  # of the first dataset
    told = []
    report = fm.scan(
        [first, table], target=-1, checkpoint=folder, progress=lambda *a: told.append(a), workers=2
    )
    assert bits(report[1]) == bits(want[1])
    assert bits(report[0])[1:] == bits(want[0])[1:]
    # it went on where it was: tasks done before are not done again
    begun = {}
    for name, now, done, _ in told:
        if name == report[1].name:
            begun.setdefault(now, done)
    task = 4096 * (large.TASK_ROWS // 4096)
    if stage == "moments":
        # progress comes before the state is written, so at least the task before is in it
        assert begun["moments"] == min(at * task, M)
    else:
        assert "moments" not in begun
    if stage == "residuals" and at > 1:
        assert begun["residuals"] == min(at * task, M)
    assert not folder.exists()


def test_a_checkpoint_of_another_scan_is_refused(table, tmp_path):
    folder = tmp_path / "checkpoint"

    def stop(name, stage, done, total):
        if stage == "residuals":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fm.scan(table, target=DX, checkpoint=folder, progress=stop)
    assert folder.exists()
    with pytest.raises(OptionError, match="belongs to a scan with width=2, this one has 3"):
        fm.scan(table, target=DX, width=3, checkpoint=folder)
    with pytest.raises(OptionError, match=r"table\.npy' has changed since"):
        fm.scan(table, target=0, checkpoint=folder)
    with pytest.raises(OptionError, match="belongs to a scan of 1 datasets, this one has 2"):
        fm.scan([table, np.eye(3)], target=DX, checkpoint=folder)
    with pytest.raises(OutputError, match="is no checkpoint of a scan"):
        fm.scan(table, target=DX, checkpoint=table.parent)
    assert bits(fm.scan(table, target=DX, checkpoint=folder)[0]) == bits(fm.scan(table, target=DX)[0])


def test_a_full_disk_is_one_named_error_and_leaves_nothing(table, tmp_path):
    code = textwrap.dedent(
        """
        import importlib, os, resource, signal, sys
        import fastminima as fm
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        budget = importlib.import_module("fastminima.scanning.budget")
        budget.Budget.in_memory = lambda self, records: False
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        result = fm.scan(sys.argv[1], target=-1)[0]
        print(type(result.error).__name__, result.error)
        print(os.listdir(os.environ["TMPDIR"]))
        """
    )
    folder = tmp_path / "full"
    folder.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", code, str(table)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    first, second = run.stdout.splitlines()
    assert first.startswith("OutputError ")
    assert "cannot write a temporary file in" in first
    assert "MiB are free there; make room, set TMPDIR to a larger folder, or raise memory=" in first
    assert second == "[]"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak is read from /proc")
def test_memory_stays_under_the_limit(tmp_path):
    """Twice the rows, no more memory: blocks are read, records are in files."""
    path = tmp_path / "long.npy"
    rows, block = 2_000_000, np.random.default_rng(0).standard_normal((250_000, 5))
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(rows, 5))
    for start in range(0, rows, len(block)):
        out[start : start + len(block)] = block
        out[start : start + len(block), 4] += np.sin(start + np.arange(len(block)))
    del out
    code = textwrap.dedent(
        """
        import re, sys
        import fastminima as fm
        limit = 140_000_000
        result = fm.scan(sys.argv[1], target=-1, memory=limit)[0]
        assert result.error is None, result.error
        # not ru_maxrss, which a process inherits from the one that started it
        with open("/proc/self/status") as stream:
            peak = 1024 * int(re.search("VmHWM:[^0-9]*([0-9]+)", stream.read())[1])
        print(result.status, peak, limit)
        """
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    status, peak, limit = run.stdout.split()
    assert status == "spurious"
    assert int(peak) <= int(limit)


def test_bad_options_are_named(table):
    for options, message in (
        ({"workers": 0}, "workers must be a whole number"),
        ({"block_rows": 0}, "block_rows must be a whole number"),
        ({"memory": "2 bananas"}, "memory must be"),
        ({"executor": object()}, "executor must have the submit"),
    ):
        with pytest.raises(OptionError, match=message):
            fm.scan(table, target=DX, **options)


def test_no_row_left_is_an_error():
    A = np.full((70, 3), np.nan)
    (result,) = fm.scan(A, target=2, missing="drop")
    assert isinstance(result.error, DataError)
    assert "no row is left" in str(result.error)


def test_a_scan_counts_what_it_left_out(table):
    A = np.load(table)
    A[::1000, 1] = np.nan
    one, two = (fm.scan(A, target=DX, missing="drop", workers=k)[0] for k in (1, 2))
    assert one.row()["notes"] == two.row()["notes"] == {"rows with missing values left out": M // 1000}
    assert one.row()["rows"] == M - M // 1000
    assert bits(one) == bits(two)
    kept = fm.Dataset(A[~np.isnan(A).any(axis=1), :DX], A[~np.isnan(A).any(axis=1), DX])
    assert one.minimum.risk == pytest.approx(fm.spurious_minimum(kept).risk, rel=1e-13)
