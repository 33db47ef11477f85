"""Results as plain data, files and frames: what was saved is what is read, and a stranger's file is refused by name."""

from __future__ import annotations

import copy
import doctest
import io
import json
import pickle
import subprocess
import sys
import tempfile
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import DataTypeError, FastMinimaError, MissingFileError, OutputError, ReadError
from fastminima.reporting.plain_names import KEYS_VERSION, with_old_names
from fastminima.reporting.results import files, plain
from fastminima.reporting.results.summaries import SUMMARIES
from fastminima.scanning.results import ROW_FIELDS
from fastminima.system.plain_json import json_ready
from profiles import examples
from results import NAMES, TARGET, all_results, data
from strategies import tables

CLASSES = sorted(cls.__name__ for cls in SUMMARIES)


# --- plain data -------------------------------------------------------------------------------------------------


def test_every_result_has_plain_data():
    assert sorted(cls.__name__ for cls in plain.PLAIN) == CLASSES


@pytest.mark.parametrize("name", CLASSES)
def test_plain_data_are_json(name):
    for one in all_results()[name]:
        told = one.to_dict()
        assert told == fm.to_dict(one)
        assert (told["version"], told["class"]) == (KEYS_VERSION, name)
        assert json.loads(json.dumps(told, allow_nan=False)) == told
        assert not set(told) & {"m", "dx", "d1", "rows_", "drop_relative"}


def test_parameters_are_told_to_the_bit():
    low = all_results()["SpuriousMinimum"][0]
    told = json.loads(json.dumps(low.to_dict()["parameters"]))
    assert fm.OneHiddenLayer(told["W1"], told["b1"], told["W2"], told["b2"], fm.relu) == low.network
    decided = all_results()["Decision"][0]
    exact = decided.to_dict()
    assert exact["parameters"]["W1"] == [["2"]]
    assert exact["exact_risk"] == "13"


def test_a_thing_has_the_name_of_its_attribute():
    """Wherever a key is the name of an attribute, it tells that attribute."""
    same = 0
    for name, several in all_results().items():
        # a row of a scan is about the minimum as much as about the scan
        for one in several if name != "ScanResult" else ():
            for key, value in one.to_dict().items():
                known = getattr(one, key, None)
                if value is not None and isinstance(known, float | int | str):
                    expected = json_ready(float(known) if isinstance(known, np.floating) else known)
                    assert value == expected, (type(one).__name__, key)
                    same += 1
    assert same > 150


def test_commands_use_the_same_names_and_keep_the_old_ones_for_a_release(capsys):
    from fastminima.cli.main import main

    assert main(["construct", "demo:xor", "--json", "--full"]) == 0
    told = json.loads(capsys.readouterr().out)
    low = fm.spurious_minimum(fm.load_demo("xor"))
    better = fm.better_point(low)
    plain_low = low.to_dict()
    for key in (
        "version",
        "n_samples",
        "n_features",
        "rank",
        "J",
        "activation",
        "least_squares",
        "feature_names",
    ):
        assert told[key] == plain_low[key], key
    for key, value in told["minimum"].items():
        assert value == plain_low[key], key
    for key, value in told["better"].items():
        assert key == "drop_relative" or value == better.to_dict()[key], key
    assert (told["m"], told["dx"]) == (told["n_samples"], told["n_features"])
    assert told["better"]["drop_relative"] == told["better"]["relative_drop"] == better.relative_drop


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["counterexample", "tanh"], "CounterExample"),
        (["linear", "demo:saddle"], "LinearReport"),
        (["bracket", "demo:xor", "--width", "2", "--starts", "2"], "Bracket"),
    ],
)
def test_every_command_says_the_version_of_its_names(words, kind, capsys):
    from fastminima.cli.main import main

    assert main([*words, "--json", "--full"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == KEYS_VERSION
    if "n_samples" in told:
        assert told["m"] == told["n_samples"]
    keys = set(all_results()[kind][0].to_dict())
    inside = set(told) | set(told.get("brackets", [{}])[0])
    assert len(inside & keys) >= 10


def test_old_names_stand_beside_the_new_ones():
    told = with_old_names({"n_samples": 3, "width": 2, "better": {"relative_drop": 0.5}})
    assert told == {
        "version": KEYS_VERSION, "n_samples": 3, "width": 2, "m": 3, "d1": 2,
        "better": {"relative_drop": 0.5, "drop_relative": 0.5},
    }  # fmt: skip


def test_rows_of_scans_have_the_same_names():
    [report] = all_results()["ScanReport"]
    row, low = report.table[0], all_results()["SpuriousMinimum"][0]
    told = low.to_dict()
    for name in ("n_samples", "n_features", "rank", "radius", "radius_relative", "excess", "width", "case"):
        assert row[name] == told[name], name
    assert (row["J_certified"], row["J_undecided"]) == (told["J"]["certified"], told["J"]["undecided"])
    old = {
        "rows": "n_samples",
        "features": "n_features",
        "splits": "J_certified",
        "splits_undecided": "J_undecided",
    }
    assert all(row[before] == row[now] for before, now in old.items())
    assert set(row) == {*ROW_FIELDS, *old}
    assert set(report.to_dict()["datasets"][0]) == set(ROW_FIELDS)


# --- frames -------------------------------------------------------------------------------------------------------


def test_what_has_rows_is_a_frame():
    pytest.importorskip("pandas")
    [sweep] = all_results()["ProbeSweep"]
    frame = sweep.to_frame()
    assert frame["radius"].tolist() == sweep.radii.tolist()
    assert frame["min_excess"].tolist() == sweep.min_excess.tolist()
    assert frame["quantile_0.5"].tolist() == sweep.quantiles[0.5].tolist()
    [report] = all_results()["ScanReport"]
    assert report.to_frame()["dataset"].tolist() == [one.name for one in report]
    [brackets] = all_results()["Brackets"]
    frame = brackets.to_frame()
    assert frame["lower"].tolist() == [one.lower for one in brackets]
    assert brackets[0].to_frame().to_dict("records") == frame.iloc[:1].to_dict("records")
    [benchmark] = all_results()["EscapeBenchmark"]
    assert benchmark.to_frame()["outcome"].tolist() == ["returned", "escaped"]


def test_brackets_are_a_tuple():
    [brackets] = all_results()["Brackets"]
    assert isinstance(brackets, tuple)
    assert brackets == tuple(brackets)
    one, two = brackets
    assert (one.width, two.width) == (1, 2)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSES)
def test_what_was_saved_is_read(name, tmp_path):
    for one in all_results()[name]:
        path = tmp_path / "result.npz"
        one.save(path)
        found = fm.load_result(path)
        assert type(found) is type(one)
        assert found == one
        assert hash(found) == hash(one)
        assert type(one).load(path) == one
        if name != "Certificate":  # that one says whether it was checked in this process
            assert found.to_dict() == one.to_dict()
            assert found.summary() == one.summary()
            # what is exact about a decision is worked out again at first use: by now it has been
            assert repr(found) == repr(one)


@pytest.mark.parametrize("name", CLASSES)
def test_pickles_hold_the_same(name):
    for one in all_results()[name]:
        found = pickle.loads(pickle.dumps(one))
        assert found == one
        assert hash(found) == hash(one)
        assert copy.deepcopy(one) == one


def test_equal_results_are_equal_files(tmp_path):
    for path in (tmp_path / "a.npz", tmp_path / "b.npz"):
        fm.spurious_minimum(data()).save(path)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@given(tables(max_rows=8), st.booleans())
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_minima_of_all_kinds_of_data_are_read_as_they_were(table, exact):
    X, y, weight = table
    source = fm.Dataset(X, y, sample_weight=weight, accuracy="exact" if exact else "auto")
    low = fm.spurious_minimum(source)
    if exact:
        _ = low.fit.exact
    stream = io.BytesIO()
    content, arrays = files.RESULTS.taken_apart(low)
    stream.write(json.dumps(content).encode())
    found = files.RESULTS.put_together(json.loads(stream.getvalue()), [array.copy() for array, _ in arrays])
    assert found == low
    assert fm.better_point(found) == fm.better_point(low)


def test_exact_data_stay_exact(tmp_path):
    from decimal import Decimal
    from fractions import Fraction

    source = fm.Dataset([[Fraction(1, 3)], [Fraction(1, 2)], [2]], [Decimal("0.1"), 3, 10**30])
    low = fm.spurious_minimum(source)
    low.save(tmp_path / "low.npz")
    found = fm.load_result(tmp_path / "low.npz")
    assert found == low
    assert found.fit.exact.risk == low.fit.exact.risk


def test_numpy_and_the_standard_library_open_the_file(tmp_path):
    low = all_results()["SpuriousMinimum"][0]
    low.save(tmp_path / "low.npz")
    with np.load(tmp_path / "low.npz", allow_pickle=False) as arrays:
        held = [arrays[name] for name in arrays.files if name.startswith("array_")]
    assert any(np.array_equal(array, low.network.W1) for array in held)
    assert any(np.array_equal(array, low.data.X) for array in held)
    with zipfile.ZipFile(tmp_path / "low.npz") as archive:
        words = json.loads(archive.read("result.json"))
    assert (words["format"], words["version"], words["class"]) == ("fastminima result", 1, "SpuriousMinimum")


def test_a_result_is_read_where_nothing_has_been_imported(tmp_path):
    low = all_results()["SpuriousMinimum"][0]
    low.save(tmp_path / "low.npz")
    code = (
        f"import sys, fastminima as fm\nlow = fm.load_result({str(tmp_path / 'low.npz')!r})\n"
        "print(low.risk.hex(), low.better if hasattr(low, 'better') else '', low.data.target_name)\n"
        "print('pickle' in sys.modules and 'never used')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(low.risk.hex())
    assert TARGET in run.stdout


def test_results_of_a_scan_of_files_are_kept_without_their_rows(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "table.npy", rng.normal(size=(3000, 3)))
    report = fm.scan([tmp_path / "table.npy"], target=-1, memory="64MB", block_rows=500)
    report.save(tmp_path / "scan.npz")
    found = fm.load_result(tmp_path / "scan.npz")
    assert list(found.table) == list(report.table)
    assert found[0].minimum.network == report[0].minimum.network


def test_other_classes_and_missing_files_are_named(tmp_path):
    low = all_results()["SpuriousMinimum"][0]
    low.save(tmp_path / "low.npz")
    with pytest.raises(ReadError, match="holds a SpuriousMinimum, not a BetterPoint"):
        fm.BetterPoint.load(tmp_path / "low.npz")
    with pytest.raises(MissingFileError):
        fm.load_result(tmp_path / "none.npz")
    with pytest.raises(OutputError):
        low.save(tmp_path / "no" / "folder.npz")
    low.network.save(tmp_path / "network.npz")
    with pytest.raises(ReadError, match="load_network"):
        fm.load_result(tmp_path / "network.npz")
    for wrong in (None, [], [[]], 1.5):
        with pytest.raises(FastMinimaError):
            fm.load_result(wrong)
        with pytest.raises(DataTypeError, match="takes a result"):
            fm.save_result(wrong, tmp_path / "x.npz")
        with pytest.raises(DataTypeError, match="takes a result"):
            fm.to_dict(wrong)


@pytest.mark.parametrize("wrong", [None, [], [[]], 1.5, b"", "", "a\0b", object(), (x for x in "ab"), True])
def test_what_is_no_path_is_named(wrong, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    low, proof = all_results()["SpuriousMinimum"][0], all_results()["Certificate"][0]
    for one in (low, proof):
        with pytest.raises(FastMinimaError):
            fm.save_result(one, wrong)
    assert not list(tmp_path.iterdir())


def test_a_function_of_ones_own_has_no_file_and_that_is_said(tmp_path):
    h = fm.Smooth(np.sin, np.cos, lambda t: -np.sin(t), "mine")
    pair = fm.counterexample(h)
    with pytest.raises(DataTypeError, match="from_formula"):
        pair.save(tmp_path / "pair.npz")
    assert not (tmp_path / "pair.npz").exists()


# --- strangers' files -------------------------------------------------------------------------------------------------


def saved(name, number=0):
    with zipfile.ZipFile(io.BytesIO(), "w"):
        pass
    content, arrays = files.RESULTS.taken_apart(all_results()[name][number])
    return content, [array for array, _ in arrays]


def written(path, words, arrays, compress=zipfile.ZIP_STORED):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compress) as archive:
        warnings.simplefilter("ignore")
        archive.writestr("result.json", words if isinstance(words, str) else json.dumps(words))
        for number, array in enumerate(arrays):
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=True)
            archive.writestr(f"array_{number}.npy", stream.getvalue())
    return path


def headed(content, arrays, **other):
    head = {"format": "fastminima result", "version": 1, "written_by": "0", "class": "SpuriousMinimum"}
    return head | {"writeable": [False] * len(arrays)} | content | other


def test_an_archive_made_by_hand_is_read(tmp_path):
    content, arrays = saved("SpuriousMinimum")
    found = fm.load_result(written(tmp_path / "a.npz", headed(content, arrays), arrays))
    assert found == all_results()["SpuriousMinimum"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2 .* upgrade it"),
        ({"version": 0}, "version 0 .* reads 1$"),
        ({"version": None}, "version None"),
        ({"version": True}, "version True|holds no result|reads 1"),
        ({"format": "another"}, "no file of a result of fastminima"),
        ({"class": "BetterPoint"}, "no result of the class it names"),
        ({"value": ["object", 10**6]}, "damaged"),
        ({"value": ["object", "__class__"]}, "damaged"),
        ({"value": ["system", "rm"]}, "damaged"),
        ({"value": None}, "no result of the class"),
        ({"objects": [["os.system", {"command": "touch /tmp/x"}]]}, "damaged"),
        ({"objects": [["PiecewiseLinear", {"s_plus": ["float", "0x1p0"]}]]}, "has the fields"),
        ({"objects": None}, "damaged"),
        ({"writeable": [False]}, "other arrays than it lists"),
        ({"writeable": 5}, "damaged"),
    ],
)
def test_changed_words_are_refused(change, message, tmp_path):
    content, arrays = saved("SpuriousMinimum")
    path = written(tmp_path / "a.npz", headed(content, arrays, **change), arrays)
    if change == {"version": True}:
        # True == 1 in Python: it is read, or refused; it is never anything else
        with suppress(ReadError):
            assert fm.load_result(path) == all_results()["SpuriousMinimum"][0]
        return
    with pytest.raises(ReadError, match=message):
        fm.load_result(path)


class Evil:
    """What a pickle would run."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was run')",))


def test_no_pickle_is_run(tmp_path):
    content, arrays = saved("SpuriousMinimum")
    evil = np.array([Evil()], dtype=object)
    path = written(tmp_path / "a.npz", headed(content, arrays), [evil, *arrays[1:]])
    with pytest.raises(ReadError, match="array of object"):
        fm.load_result(path)
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ReadError, match="no file of a result"):
        fm.load_result(tmp_path / "b.npz")


def test_compressed_archives_and_false_shapes_are_refused(tmp_path):
    content, arrays = saved("SpuriousMinimum")
    path = written(tmp_path / "a.npz", headed(content, arrays), arrays, zipfile.ZIP_DEFLATED)
    with pytest.raises(ReadError, match="compressed"):
        fm.load_result(path)
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 10**6)}
    )
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("result.json", json.dumps(headed(content, [0])))
        archive.writestr("array_0.npy", stream.getvalue() + bytes(80))
    with pytest.raises(ReadError, match="80 bytes"):
        fm.load_result(tmp_path / "b.npz")


@pytest.mark.parametrize(
    "name", ["SpuriousMinimum", "Polish", "LinearReport", "CounterExample", "EscapeBenchmark"]
)
def test_damaged_files_give_named_errors(name, tmp_path):
    path = tmp_path / "a.npz"
    all_results()[name][0].save(path)
    raw, rng = path.read_bytes(), np.random.default_rng(1)
    for size in {0, 1, 3, 4, 30, 100, len(raw) // 2, len(raw) - 1, len(raw) - 30}:
        path.write_bytes(raw[:size])
        with pytest.raises(FastMinimaError):
            fm.load_result(path)
    for _ in range(examples(60)):
        changed = bytearray(raw)
        changed[int(rng.integers(len(raw)))] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        # a date of a member may be any
        with suppress(FastMinimaError):
            assert fm.load_result(path) == all_results()[name][0]


@given(st.data())
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_words_that_are_changed_give_named_errors_or_a_result(picked):
    name = picked.draw(st.sampled_from(["SpuriousMinimum", "Decision", "Polish", "Brackets", "LinearReport"]))
    content, arrays = saved(name)
    content = json.loads(json.dumps(content))
    places = list(_places(content))
    for _ in range(picked.draw(st.integers(1, 3))):
        holder, key = picked.draw(st.sampled_from(places))
        if isinstance(holder, list) and key >= len(holder):
            continue
        holder[key] = picked.draw(
            st.sampled_from(
                [None, True, -1, 10**20, "", "x", [], {}, ["float", "nan"], ["object", 0], ["array", 0]]
            )
        )
    stream = io.BytesIO()
    written(stream, headed(content, arrays, **{"class": name}), arrays)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.npz")
        path.write_bytes(stream.getvalue())
        with suppress(FastMinimaError):
            assert type(fm.load_result(path)).__name__ == name


def _places(plain):
    """(list or dict, key) of everything in it."""
    for key, value in plain.items() if isinstance(plain, dict) else enumerate(plain):
        yield plain, key
        if isinstance(value, list | dict):
            yield from _places(value)


def test_names_that_would_be_markup_come_back(tmp_path):
    low = all_results()["SpuriousMinimum"][0]
    low.save(tmp_path / "a.npz")
    assert fm.load_result(tmp_path / "a.npz").data.feature_names == NAMES


def test_the_examples_run():
    for module in (plain, files):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed


def test_data_of_a_file_without_names_of_classes_are_read(tmp_path):
    """The field is newer than the format."""
    low = fm.spurious_minimum(fm.load_demo("xor"))
    low.save(tmp_path / "low.npz")
    with zipfile.ZipFile(tmp_path / "low.npz") as old, zipfile.ZipFile(tmp_path / "older.npz", "w") as older:
        for member in old.infolist():
            held = old.read(member)
            if member.filename == "result.json":
                content = json.loads(held)
                (fields,) = [of for name, of in content["objects"] if name == "Dataset"]
                del fields["classes"]
                held = json.dumps(content).encode()
            older.writestr(member, held)
    assert fm.load_result(tmp_path / "older.npz") == low
