"""The folder of a checkpoint: nothing in it is executed, no bit of it changes a result, one scan uses it at a time."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from children import program
from fastminima.errors import FastMinimaError, OptionError, OutputError, ReadError
from fastminima.scanning.plain_records import BadRecordError, Codec, Kind, UnstorableError
from fastminima.scanning.record_files import Chain, key_of, read_records
from fastminima.scanning.stored_objects import CODEC

checkpoint = importlib.import_module("fastminima.scanning.checkpoint")
large = importlib.import_module("fastminima.scanning.large")
small = importlib.import_module("fastminima.scanning.small")

ROWS, DX = 700, 3


@pytest.fixture
def tiny(monkeypatch):
    """Datasets of a few hundred rows go the way of large ones, in tasks of 64 rows and ranges of some 100 records."""
    monkeypatch.setattr(large, "TASK_ROWS", 64)
    monkeypatch.setattr(large, "_RANGE_RECORDS", 100)
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    monkeypatch.setattr(small, "_SMALL", 300)


def tables(folder):
    """A small dataset and a large one, as files."""
    rng = np.random.default_rng(20)
    np.save(folder / "few.npy", rng.standard_normal((30, 3)))
    A = rng.standard_normal((ROWS, DX + 1))
    A[:, DX] += np.abs(A[:, 0])
    np.save(folder / "many.npy", A)
    return [folder / "few.npy", folder / "many.npy"]


def run(paths, folder=None, **options):
    return fm.scan(paths, target=-1, block_rows=32, checkpoint=folder, **options)


def stopped(paths, folder, stage, at=1, **options):
    """A checkpoint as a scan leaves it that was stopped after task `at` of a stage."""
    seen = []

    def stop(name, now, done, total):
        seen.append(now)
        if seen.count(stage) == at and now == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(paths, folder, progress=stop, **options)
    return folder


def bits(report):
    """Everything a report says, but how long it took."""
    told = []
    for result in report:
        row = result.row()
        row.pop("seconds")
        arrays = []
        if result.fit is not None:
            arrays = [result.fit.coef, result.fit.slopes, *result.minimum.network.parameters()]
            arrays += result.better.network.parameters() if result.better else ()
        told.append((repr(row), [np.asarray(array).tobytes() for array in arrays]))
    return told


class Executes:
    """What a pickle can do when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


# --- nothing is executed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("name", ["scan", "results", "state", "lock", "records-1/records.f8"])
def test_no_file_of_a_checkpoint_is_executed(tiny, tmp_path, name, protocol):
    paths, mark = tables(tmp_path), tmp_path / "mark"
    want = bits(run(paths))
    code = pickle.dumps(Executes(mark), protocol=protocol)
    whole = stopped(paths, tmp_path / "whole", "residuals", 4)
    for alone in (True, False):
        folder = tmp_path / f"checkpoint-{alone}"
        if not alone:
            shutil.copytree(whole, folder)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(code)
        assert outcome(paths, folder) in (want, "OptionError", "OutputError", "ReadError")
        assert not mark.exists()


def test_a_checkpoint_of_before_is_refused_by_name_without_being_read(tiny, tmp_path):
    paths = tables(tmp_path)
    folder = tmp_path / "old"
    folder.mkdir()
    header = {"version": 2, "names": list(map(str, paths)), "tokens": ["", ""], "options": {}}
    (folder / "scan").write_bytes(pickle.dumps(header, protocol=5))
    with pytest.raises(
        OptionError, match=r"old was written by another version of fastminima, in a form that is not"
    ):
        run(paths, folder)
    assert sorted(os.listdir(folder)) == ["lock", "scan"]
    (folder / "scan").write_bytes(b"fastminima scan checkpoint 99\n")
    with pytest.raises(OptionError, match=r"old was written by another version of fastminima; remove it"):
        run(paths, folder)
    # the same form of records, of results with other fields
    folder = stopped(paths, tmp_path / "fields", "residuals")
    told = scan_of(folder) | {"forms": "of others"}
    record = Chain(key_of("scan")).record(CODEC.pack(told))
    (folder / "scan").write_bytes(checkpoint._FIRST_LINE + record)
    with pytest.raises(OptionError, match="another version of fastminima, whose results have other fields"):
        run(paths, folder)
    assert (
        Codec([Kind(fm.PiecewiseLinear)]).forms != Codec([Kind(fm.PiecewiseLinear, fields=("s_plus",))]).forms
    )


@pytest.mark.parametrize("path", [5, b"bytes\0", "null\0byte", object(), ["list"]])
def test_a_checkpoint_is_the_path_of_a_folder(path):
    with pytest.raises(OptionError, match="checkpoint must be the path of a folder"):
        fm.scan(np.eye(3), checkpoint=path)


# --- damage -------------------------------------------------------------------------------------------------


def outcome(paths, folder):
    """Bits of a scan that goes on, or the error that names the folder or the dataset."""
    kinds = (OptionError, OutputError, ReadError)
    try:
        return bits(run(paths, folder))
    except kinds as error:
        named = str(folder) in str(error)
        return type(error).__name__ if named else f"an error that does not name the folder: {error}"


def scan_of(folder):
    """What a checkpoint says it is of."""
    (body,) = (
        body for body, _ in read_records(folder / "scan", Chain(key_of("scan")), len(checkpoint._FIRST_LINE))
    )
    return CODEC.unpack(body)


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_every_flipped_bit_gives_the_same_bits_or_a_named_error(tiny, tmp_path):
    """Every bit by the digests alone, some by a scan that goes on."""
    paths = tables(tmp_path)
    want = bits(run(paths))
    whole = stopped(paths, tmp_path / "whole", "residuals", 4)
    key, first = scan_of(whole)["key"], len(checkpoint._FIRST_LINE)
    sizes = {str(path.relative_to(whole)): path.stat().st_size for path in whole.rglob("*") if path.is_file()}
    assert set(sizes) == {"scan", "results", "state", "lock", "records-1/records.f8"}
    for name, start, skip in (
        ("scan", key_of("scan"), first),
        ("results", key_of(key, "results"), 0),
        ("state", key_of(key, "state"), 0),
    ):
        path = whole / name
        content = path.read_bytes()
        assert len(list(read_records(path, Chain(start), skip))) == 1
        with open(path, "r+b", buffering=0) as stream:
            for bit in range(8 * skip, 8 * len(content), 1 if len(content) < 2000 else 31):
                at = bit // 8
                os.pwrite(stream.fileno(), bytes([content[at] ^ 1 << bit % 8]), at)
                with pytest.raises(ReadError, match="is damaged, or belongs to another scan"):
                    list(read_records(path, Chain(start), skip))
                os.pwrite(stream.fileno(), content[at : at + 1], at)
    rng = np.random.default_rng(3)
    folder = tmp_path / "flipped"
    for name, size in sizes.items():
        for bit in [
            *rng.integers(8 * size, size=10).tolist(),
            *(range(0, 8 * first, 3) if name == "scan" else ()),
        ]:
            shutil.copytree(whole, folder)
            flip(folder / name, bit)
            expected = {
                "scan": ("OptionError", "ReadError"),
                "results": ("ReadError",),
                "state": ("ReadError",),
            }
            assert outcome(paths, folder) in expected.get(name, (want,))
            shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", ["scan", "results", "state", "lock", "records-1/records.f8"])
def test_a_cut_file_gives_the_same_bits_or_a_named_error(tiny, tmp_path, name):
    paths = tables(tmp_path)
    want = bits(run(paths))
    whole = stopped(paths, tmp_path / "whole", "residuals", 4)
    size = (whole / name).stat().st_size
    for length in sorted({0, 1, 20, size // 3, size // 2, size - 40, size - 1}):
        for end in (b"", bytes(size - length), b"more than there was" + bytes(size)):
            folder = tmp_path / "cut"
            shutil.copytree(whole, folder)
            (folder / name).write_bytes((whole / name).read_bytes()[: max(length, 0)] + end)
            assert outcome(paths, folder) in (want, "OptionError", "OutputError", "ReadError")
            shutil.rmtree(folder, ignore_errors=True)


def test_a_torn_last_record_is_left_out_and_a_damaged_one_before_it_is_named(tiny, tmp_path):
    """A log of three results: cut anywhere in the last one, or filled with zeros there, two of them are known."""
    rng = np.random.default_rng(1)
    paths = []
    for k in range(3):
        paths.append(tmp_path / f"{k}.npy")
        np.save(paths[-1], rng.standard_normal((12, 2)))
    paths += [tables(tmp_path)[1]]
    want = bits(run(paths))
    whole = stopped(paths, tmp_path / "whole", "moments")
    log = (whole / "results").read_bytes()
    key = scan_of(whole)["key"]
    ends = [end for _, end in read_records(whole / "results", Chain(key_of(key, "results")))]
    assert len(ends) == 3
    assert ends[-1] == len(log)
    folder = tmp_path / "torn"

    def goes_on(content):
        shutil.copytree(whole, folder)
        (folder / "results").write_bytes(content)
        scanned = []
        report = run(
            paths,
            folder,
            progress=lambda name, stage, *_: scanned.append(name) if stage == "scanned" else None,
        )
        return bits(report), len(scanned)

    for at in (ends[1], ends[1] + 1, ends[1] + 31, ends[1] + 50, (ends[1] + ends[2]) // 2, len(log) - 1):
        assert goes_on(log[:at]) == (want, 1)
        if at < len(log) - 32:
            assert goes_on(log[:at] + bytes(len(log) - at)) == (want, 1)
    assert goes_on(log) == (want, 0)
    # what is torn is not written behind: a scan stopped again goes on from a log without the rest
    shutil.copytree(whole, folder)
    (folder / "results").write_bytes(log[:-5])
    stopped(paths, folder, "moments", 3)
    assert goes_on((folder / "results").read_bytes()) if not folder.exists() else True
    scanned = []
    report = run(paths, folder, progress=lambda name, stage, *_: scanned.append(stage))
    assert bits(report) == want
    assert "scanned" not in scanned
    # moved, repeated, left out, of another scan: each is named
    first, second, third = log[: ends[0]], log[ends[0] : ends[1]], log[ends[1] :]
    other = stopped(paths, tmp_path / "other", "residuals")
    foreign = (other / "results").read_bytes()
    for content in (
        second + first + third,
        first + first,
        first + third,
        foreign,
        first + foreign[ends[0] :],
    ):
        with pytest.raises(
            ReadError, match=r"results is damaged, or belongs to another scan: the head of record"
        ):
            goes_on(content)
        shutil.rmtree(folder)
    shutil.copytree(whole, folder)
    shutil.copy(other / "state", folder / "state")
    with pytest.raises(ReadError, match="state is damaged, or belongs to another scan"):
        run(paths, folder)


def test_records_that_are_gone_or_damaged_are_computed_again(tiny, tmp_path):
    """Also those of a finished pass: a scan that is killed at its very end has deleted them."""
    paths = tables(tmp_path)
    want = bits(run(paths))
    for stage, at in (("residuals", 4), ("splits", 1)):
        whole = stopped(paths, tmp_path / stage, stage, at)
        records = (
            next(whole.glob("records-*/records.f8"))
            if stage == "residuals"
            else whole / "records-1/records.f8"
        )
        # an exception has deleted them already where all are there, a signal would not have
        for damage in ("flip", "cut", "none", "grown"):
            folder = tmp_path / "again"
            shutil.copytree(whole, folder)
            path = folder / records.relative_to(whole)
            path.parent.mkdir(exist_ok=True)
            content = bytearray(path.read_bytes()) if path.exists() else bytearray(16 * ROWS)
            content[len(content) // 3] ^= 4
            if damage == "none":
                shutil.rmtree(path.parent)
            else:
                path.write_bytes({"flip": content, "cut": content[:40], "grown": content * 2}[damage])
            told = []
            report = run(paths, folder, progress=lambda name, now, *_, told=told: told.append(now))
            assert bits(report) == want
            assert "moments" not in told
            assert ("residuals" if stage == "residuals" else "residuals, anew") in told


def test_what_was_counted_before_a_kill_is_told_after_it(tiny, tmp_path):
    paths = tables(tmp_path)
    A = np.load(paths[1])
    A[::7, 1] = np.nan
    np.save(paths[1], A)
    want = run(paths, missing="drop")
    assert want[1].row()["notes"] == {"rows with missing values left out": ROWS // 7}
    for stage, at in (("moments", 5), ("residuals", 2), ("splits", 1)):
        folder = stopped(paths, tmp_path / "checkpoint", stage, at, missing="drop")
        assert bits(run(paths, folder, missing="drop")) == bits(want)


def test_a_file_of_the_same_size_and_time_is_another_file(tiny, tmp_path):
    """States are of the file that was read; what stands in its place is scanned from its start."""
    paths = tables(tmp_path)
    before = os.stat(paths[1])
    folder = stopped(paths, tmp_path / "checkpoint", "residuals", 3)
    other = tmp_path / "other.npy"
    np.save(other, np.load(paths[1])[::-1] * 2.0)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(other, paths[1])
    assert os.stat(paths[1]).st_mtime_ns == before.st_mtime_ns
    told = []
    report = run(paths, folder, progress=lambda name, now, *_: told.append(now))
    assert "moments" in told
    assert bits(report) == bits(run(paths))


# --- one scan at a time ---------------------------------------------------------------------------------------

HOLDS = """
import importlib, sys, time
import fastminima as fm
importlib.import_module("fastminima.scanning.small")._SMALL = 300
def hold(*told):
    print("begun", flush=True)
    time.sleep(60)
fm.scan(sys.argv[2:], target=-1, block_rows=32, checkpoint=sys.argv[1], progress=hold)
"""


def test_two_scans_on_one_checkpoint_are_told_apart(tiny, tmp_path):
    paths, folder = tables(tmp_path), tmp_path / "checkpoint"
    want = bits(run(paths))
    inner = []

    def another(name, stage, done, total):
        if not inner:
            with pytest.raises(OutputError) as caught:
                run(paths, folder)
            inner.append(str(caught.value))

    # in the same process
    assert bits(run(paths, folder, progress=another)) == want
    assert f"checkpoint {folder} is in use by another scan (process {os.getpid()} on " in inner[0]
    # in another one, which is then killed: its lock goes with it
    command = [sys.executable, "-c", HOLDS, str(folder), *map(str, paths)]
    with program(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as child:
        assert child.stdout.readline() == "begun\n"
        with pytest.raises(
            OutputError, match=rf"in use by another scan \(process {child.pid} on .*, since 20"
        ):
            run(paths, folder)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert (folder / "lock").read_text().startswith(f"process {child.pid} on ")
    assert bits(run(paths, folder)) == want
    assert not folder.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_that_outlives_its_scan_holds_no_lock(tiny, tmp_path):
    paths, folder = tables(tmp_path), tmp_path / "checkpoint"
    code = (
        "import os, sys, time, signal\nimport fastminima as fm\n"
        "def leave(*told):\n"
        "    child = os.fork()\n"
        # the child speaks: what it does at its start is done then
        "    if not child:\n        print(os.getpid(), flush=True)\n        time.sleep(60)\n        os._exit(0)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "fm.scan(sys.argv[2:], target=-1, block_rows=32, checkpoint=sys.argv[1], progress=leave)\n"
    )
    command = [sys.executable, "-c", code, str(folder), *map(str, paths)]
    with program(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as one:
        child = int(one.stdout.readline())
        one.wait()
        try:
            os.kill(child, 0)  # it lives
            assert len(run(paths, folder)) == 2
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_scan_killed_before_it_said_which_one_it_is_leaves_a_folder_that_can_be_used(tiny, tmp_path):
    paths, folder = tables(tmp_path), tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "lock").write_text("process 1 on nowhere")
    (folder / ".fastminima-1-abc.tmp").write_bytes(b"half")
    assert bits(run(paths, folder)) == bits(run(paths))
    # but no other folder is, and nothing is put into it
    for name in ("notes.txt", "results"):
        mine = tmp_path / f"mine-{name}"
        mine.mkdir()
        (mine / name).write_text("mine")
        with pytest.raises(OutputError, match="is no checkpoint of a scan"):
            run(paths, mine)
        assert os.listdir(mine) == [name]
    with pytest.raises(OutputError, match="is no checkpoint of a scan"):
        run(paths, paths[0])


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tiny, tmp_path):
    paths = tables(tmp_path)
    for name in ("results", "state"):
        folder = stopped(paths, tmp_path / name, "residuals", 2)
        (folder / name).unlink()
        os.mkfifo(folder / name)
        begun = time.monotonic()
        with pytest.raises(ReadError, match="it is no file"):
            run(paths, folder)
        assert time.monotonic() - begun < 10


# --- records ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        [True, False, "text", "lone \ud800", ""],
        [0, -1, 2**53, -(2**53), 10**5000, -(7**3000)],
        [0.0, -0.0, 5e-324, -1.7976931348623157e308, float("inf"), 0.1],
        (1, (2, [3.5])),
        {"a": {1: (2,)}, 3: None},
        [Fraction(-1, 3), Fraction(10**400, 7), Decimal("1.10"), Decimal("1E-999")],
        [np.float64(0.1), np.int64(-3), np.bool_(True), np.longdouble("0.1")],
    ],
)
def test_plain_values_come_back_as_they_went(value):
    again = Codec().unpack(Codec().pack(value))
    assert again == value
    if isinstance(value, list | tuple):
        assert list(map(type, again)) == list(map(type, value))
        assert [str(v) for v in again if isinstance(v, float)] == [
            str(v) for v in value if isinstance(v, float)
        ]


def test_arrays_come_back_bit_for_bit_and_shared_ones_shared():
    rng = np.random.default_rng(0)
    nan = np.array([np.nan, -np.nan, 1.0])
    nan.view(np.uint64)[0] |= 5
    exact = np.array([[2**200, -3], [0, 1]], dtype=object)
    fractions = np.array([Fraction(1, 3), 2, Decimal("0.5")], dtype=object)
    arrays = [
        rng.standard_normal((3, 4)),
        np.asfortranarray(rng.standard_normal((3, 4))),
        rng.standard_normal((6, 8))[::2, 1::3],
        np.empty((0, 3)),
        np.array(1.5),
        nan,
        np.arange(5, dtype=np.uint8),
        np.array([True, False]),
        np.arange(3, dtype=np.longdouble) / 7,
        exact,
        fractions,
    ]
    arrays[0].flags.writeable = False
    again = Codec().unpack(Codec().pack([*arrays, arrays[0]]))
    assert again[-1] is again[0]
    for old, new in zip(arrays, again, strict=False):
        assert (old.shape, old.dtype) == (new.shape, new.dtype)
        assert old.flags.writeable == new.flags.writeable
        assert new.ctypes.data % 8 == 0
        assert (
            old.tolist() == new.tolist()
            if old.dtype == object
            else (old.tobytes() == new.tobytes() or old is nan)
        )
        if old.size and (old.flags.c_contiguous or old.flags.f_contiguous):
            assert old.strides == new.strides
    assert again[5].view(np.uint64).tolist() == nan.view(np.uint64).tolist()


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        np.array(["text"]),
        np.array([object()]),
        1j,
        {1, 2},
        b"bytes",
        ValueError("x"),
        np.eye(2)[0:1].view(np.matrix),
    ],
)
def test_what_is_no_plain_value_is_not_written(value):
    with pytest.raises(UnstorableError):
        Codec().pack(["before", value] if not isinstance(value, np.matrix) else ["before", object()])


def test_a_reader_makes_nothing_but_what_it_knows_with_what_it_may_hold():
    """Forged records with good digests: every one is refused, and refused by its reader."""
    state = importlib.import_module("fastminima.fit.running_sums").Moments.zero(2)
    good = CODEC.pack(state)

    def forged(change):
        length = int.from_bytes(good[:8], "little")
        content = json.loads(good[8 : 8 + length])
        change(content)
        text = json.dumps(content, separators=(",", ":")).encode()
        pad = -(8 + length) % 16
        return (
            len(text).to_bytes(8, "little") + text + bytes(-(8 + len(text)) % 16) + good[8 + length + pad :]
        )

    assert CODEC.unpack(forged(lambda content: None)).count == 0

    def fields(**changes):
        return lambda content: content["objects"][0][1].update(changes)

    for change in (
        lambda content: content["objects"][0].__setitem__(0, "Popen"),
        lambda content: content["objects"][0].__setitem__(0, "BlockSource"),
        fields(count="many"),
        fields(count=["float", "0x1p3"]),
        fields(count=True),
        fields(y_max=None),
        fields(gram=["array", 1]),
        fields(gram=["array", 99]),
        fields(gram=["array", -9]),
        fields(gram=["object", 0]),
        fields(gram=["eval", "1"]),
        fields(gram=["_class__", "1"]),
        fields(gram={"__reduce__": 1}),
        fields(more=1),
        fields(weight_range=["tuple", [["float", "nan"]]]),
        lambda content: content["objects"][0][1].pop("rhs"),
        lambda content: content["arrays"][0].__setitem__(0, "|O8"),
        lambda content: content["arrays"][0].__setitem__(0, "<f4"),
        lambda content: content["arrays"][0].__setitem__(1, [3, -3]),
        lambda content: content["arrays"][0].__setitem__(1, [2**40, 2**40]),
        lambda content: content["arrays"][0].__setitem__(1, [9]),
        lambda content: content["arrays"][0].__setitem__(2, "K"),
        lambda content: content.pop("objects"),
        lambda content: content.__setitem__("value", ["fraction", "1", "0"]),
        lambda content: content.__setitem__("value", ["enum", "Moments", 1]),
        lambda content: content.__setitem__("value", 0.5),
    ):
        with pytest.raises(
            (BadRecordError, FastMinimaError, LookupError, ValueError, TypeError, ArithmeticError)
        ):
            CODEC.unpack(forged(change))
    for cut in range(0, len(good), 7):
        with pytest.raises((BadRecordError, LookupError, ValueError, TypeError)):
            CODEC.unpack(good[:cut])


def test_a_forged_checkpoint_is_a_named_error(tiny, tmp_path):
    """Whoever knows the form can make digests that fit; then the contents are looked at."""
    paths = tables(tmp_path)
    whole = stopped(paths, tmp_path / "whole", "residuals", 4)
    key = scan_of(whole)["key"]
    (body,) = [body for body, _ in read_records(whole / "state", Chain(key_of(key, "state")))]
    state = CODEC.unpack(body)
    (body,) = [body for body, _ in read_records(whole / "results", Chain(key_of(key, "results")))]
    result = CODEC.unpack(body[8:])
    for name, bad in (
        ("state", b"no record"),
        ("state", CODEC.pack(["nothing"])),
        ("state", CODEC.pack({**state, "done": None})),
        ("state", CODEC.pack({**state, "counts": {"rows": "many"}})),
        ("results", (1).to_bytes(8, "little") + CODEC.pack(result)),
        ("results", (9).to_bytes(8, "little") + CODEC.pack(result)),
        ("results", (0).to_bytes(8, "little") + CODEC.pack(state)),
        ("results", (0).to_bytes(8, "little") + CODEC.pack(result.minimum)),
        ("results", b"short"),
    ):
        folder = tmp_path / "forged"
        shutil.copytree(whole, folder)
        (folder / name).write_bytes(Chain(key_of(key, name)).record(bad))
        with pytest.raises(ReadError, match=f"{name} is damaged, or belongs to another scan"):
            run(paths, folder)
        shutil.rmtree(folder)
    shutil.copytree(whole, tmp_path / "passes")
    wide = {**state, "done": [importlib.import_module("fastminima.fit.running_sums").Moments.zero(9)]}
    (tmp_path / "passes" / "state").write_bytes(Chain(key_of(key, "state")).record(CODEC.pack(wide)))
    error = run(paths, tmp_path / "passes")[1].error
    assert isinstance(error, ReadError)
    assert "has the states of other passes" in str(error)


def test_results_of_every_route_come_back_whole(tiny, tmp_path):
    rng = np.random.default_rng(4)
    A = rng.standard_normal((400, 4))
    B = A.copy()
    B[:, 2] = 2.0 * B[:, 1]
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    exact = fm.Dataset(np.array([[Fraction(1, 3)], [2], [Fraction(5, 7)]], dtype=object), [1.0, 0.0, 4.0])
    sources = {
        "large": A,
        "collinear": B,
        "weights": (A[:, :3], A[:, 3], np.abs(A[:, 0])),
        "small": A[:40],
        "parity": np.vstack([np.column_stack([corners, corners.sum(axis=1) % 2])] * 2),
        "rationals": exact,
        "line": np.column_stack([np.arange(5.0), 2.0 * np.arange(5.0)]),
        "nan": np.full((4, 2), np.nan),
        "gone": tmp_path / "gone.npy",
    }
    for result in fm.scan(sources, block_rows=32):
        again = CODEC.unpack(CODEC.pack(result))
        assert bits([again]) == bits([result])
        assert type(again.error) is type(result.error)
        if result.fit is None:
            continue
        assert again.better is None or again.better.low is again.minimum
        assert again.minimum.fit is again.fit
        assert again.fit.data.feature_names == result.fit.data.feature_names
        assert again.fit.frame.summation == result.fit.frame.summation
        assert again.fit.tau == result.fit.tau
        if result.route == "memory":
            assert again.fit.fitted.tobytes() == result.fit.fitted.tobytes()
            assert repr(fm.better_point(again.minimum)) == repr(fm.better_point(result.minimum))
            assert again.fit.exact.risk == result.fit.exact.risk
            assert not again.fit.data.X.flags.writeable


def test_a_restored_result_reads_its_rows_where_its_source_can(tiny, tmp_path):
    paths = tables(tmp_path)
    third = tmp_path / "later.npy"
    np.save(third, np.load(paths[1]))
    want = run([*paths, third])
    folder = tmp_path / "checkpoint"
    seen = []

    def stop(name, stage, done, total):
        seen.append(name)
        if name == str(third) and stage == "residuals":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([*paths, third], folder, progress=stop)
    report = run([*paths, third], folder)
    assert bits(report) == bits(want)
    assert report[1].fit.fitted.tobytes() == want[1].fit.fitted.tobytes()
    assert report[1].fit.data.X.tobytes() == want[1].fit.data.X.tobytes()


def test_every_kind_holds_all_that_its_class_has():
    """A field that is added to a class is in its records too, or left out on purpose."""
    left_out = {("ExactFit", "_columns"), ("ScanResult", "")}
    for kind in CODEC.kinds.values():
        if kind.hints is None and kind.cls.__name__ not in ("RestoredSource",):
            missing = {(kind.name, name) for name in getattr(kind.cls, "__dataclass_fields__", {})} - {
                (kind.name, name) for name in kind.holds
            }
            assert missing <= left_out
    assert isinstance(CODEC.by_name["Moments"], Kind)
