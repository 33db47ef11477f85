"""`fastminima probe` as its user starts it."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import fastminima as fm
from children import program
from fastminima.cli import probe as cli_probe
from fastminima.errors import FastMinimaError, MissingDependencyError
from fastminima.landscape.probe import probe
from fastminima.reporting.probe_plot import plot_probe
from pace import at_most

# the subcommand alone, with the error handling of the whole command
MAIN = """
import argparse, sys
from fastminima.cli import probe
from fastminima.errors import FastMinimaError
parser = argparse.ArgumentParser(prog="fastminima")
probe.add_parser(parser.add_subparsers(dest="command", required=True))
arguments = parser.parse_args()
try:
    sys.exit(arguments.run(arguments))
except FastMinimaError as error:
    print(f"fastminima: {type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(2)
except KeyboardInterrupt:
    print("fastminima: interrupted", file=sys.stderr)
    sys.exit(130)
"""


def run(capsys, *arguments):
    parser = argparse.ArgumentParser(prog="fastminima")
    cli_probe.add_parser(parser.add_subparsers(dest="command", required=True))
    parsed = parser.parse_args(["probe", *map(str, arguments)])
    status = parsed.run(parsed)
    captured = capsys.readouterr()
    assert captured.err == ""
    return status, captured.out


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 2)), rng.normal(size=40)
    lines = [
        "size,age,price",
        *(f"{a!r},{b!r},{c!r}" for (a, b), c in zip(X.tolist(), y.tolist(), strict=True)),
    ]
    table = tmp_path / "houses.csv"
    table.write_text("\n".join(lines) + "\n")
    low = fm.spurious_minimum((X, y))
    low.network.save(tmp_path / "minimum.npz")
    return tmp_path / "minimum.npz", table, low


def test_the_table_says_what_was_sampled_and_no_more(capsys, files):
    network, table, low = files
    status, out = run(capsys, network, table, "--target", "price", "--radius", 0.5 * low.radius, "--n", 1000)
    assert status == 0
    for word in ("none of 1,000 sampled points", "sphere", "smallest excess", "quantile 0.5", "time, probe"):
        assert word in out, word
    assert "\x1b" not in out


def test_json_holds_the_same_numbers_as_the_library(capsys, files):
    network, table, low = files
    options = ["--radius", 0.1, 2.0, "--n", 500, "--seed", 7, "--distribution", "ball", "--workers", 2]
    status, out = run(capsys, network, table, "--target", "price", "--json", *options)
    summary = json.loads(out)
    assert status == 0
    data = fm.read(table, target="price")
    sweep = probe(low.network, data, radius=[0.1, 2.0], n=500, seed=7, distribution="ball")
    for said, result in zip(summary["probes"], sweep, strict=True):
        assert said["min_excess"] == result.min_excess
        assert said["argmin"] == result.argmin
        assert said["n_negative"] == result.n_negative
        assert list(said["quantiles"].values()) == list(result.quantiles.values())
        assert "histogram" not in said
        assert f"of {result.n} sampled points" in said["finding"]
    assert summary["m"] == 40
    assert set(summary["seconds"]) == {"read", "probe"}


@pytest.mark.parametrize("radii", [[0.1], [1e-6, 1e-3, 1.0, 100.0]])
def test_out_writes_numbers_and_a_picture(capsys, files, radii):
    network, table, _ = files
    folder = network.parent / "deep" / "results"
    status, out = run(
        capsys, network, table, "--target=price", "--n=300", "--out", folder, "--radius", *radii
    )
    assert status == 0
    assert "probe.png" in out
    assert sorted(path.name for path in folder.iterdir()) == ["probe.json", "probe.png"]
    assert len(json.loads((folder / "probe.json").read_text())["probes"]) == len(radii)
    picture = (folder / "probe.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_no_points_and_overflow_are_answers(capsys, files):
    network, table, _ = files
    folder = network.parent / "o"
    status, out = run(capsys, network, table, "--target=price", "--n=0", "--out", folder, "--json")
    assert (status, json.loads(out)["probes"][0]["min_excess"]) == (0, None)
    assert [path.name for path in folder.iterdir()] == ["probe.json"]
    status, out = run(capsys, network, table, "--target=price", "--n=20", "--radius=1e300", "--json")
    said = json.loads(out)["probes"][0]
    assert (status, said["n_overflow"], said["min_excess"]) == (0, 20, "inf")
    assert "20" in run(capsys, network, table, "--target=price", "--n=20", "--radius=1e300")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such.npz", "TABLE", "--target", "price"], ["no-such.npz"]),
        (["TABLE", "TABLE", "--target", "price"], ["houses.csv", "network"]),
        (["NETWORK", "TABLE", "--target", "prise"], ["price"]),
        (["NETWORK", "demo:diabetes"], ["2 inputs", "10 features"]),
        (["NETWORK", "TABLE", "--target", "price", "--radius", "-1"], ["radius"]),
        (["NETWORK", "TABLE", "--target", "price", "--radius", "nan"], ["radius"]),
        (["NETWORK", "TABLE", "--target", "price", "--n", "-1"], ["n must be"]),
        (["NETWORK", "TABLE", "--target", "price", "--workers", "0"], ["workers"]),
        (["NETWORK", "TABLE", "--target", "price", "--out", "TABLE"], ["output folder"]),
    ],
)
def test_bad_input_is_named_and_leaves_nothing_behind(capsys, files, tmp_path, arguments, words):
    names = {"NETWORK": str(files[0]), "TABLE": str(files[1])}
    arguments = [names.get(a, a) for a in arguments]
    if "--out" not in arguments:
        arguments += ["--out", str(tmp_path / "a" / "b")]
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(FastMinimaError) as caught:
        run(capsys, *arguments)
    for word in words:
        assert word in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_stops_within_a_second_and_leaves_nothing_behind(files, tmp_path, workers):
    network, table, _ = files
    folder = tmp_path / "o"
    command = [
        sys.executable,
        "-c",
        MAIN,
        "probe",
        str(network),
        str(table),
        "--target=price",
        "--n",
        str(10**12),
    ]
    command += ["--out", str(folder), "--workers", str(workers)]
    # its own group, as a shell makes it; SIGINT may be ignored in what a background job inherits
    with program(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        deadline = time.monotonic() + 20
        while not folder.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(1.0)
        # a second, and what a busy machine adds to the interpreter's own end
        with at_most(200, time.perf_counter):
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "fastminima: interrupted\n")
    assert sorted(os.listdir(tmp_path)) == ["houses.csv", "minimum.npz"]


def test_the_plain_table_without_rich(capsys, files, monkeypatch):
    network, table, _ = files
    for name in ("rich", "rich.console", "rich.table"):
        monkeypatch.setitem(sys.modules, name, None)
    for radii in ([0.1], [0.1, 1.0]):
        status, out = run(capsys, network, table, "--target=price", "--n=50", "--radius", *radii)
        assert status == 0
        assert "50 sampled points" in out


# ---- pictures


@pytest.mark.parametrize("radius", [0.0, 1e-12, 1e200, [1e-3], [0.0, 1e-9, 1.0], [1e-3, 1e200]])
def test_any_probe_can_be_drawn(files, tmp_path, radius):
    *_, low = files
    better = fm.better_point(low)
    for network in (low.network, better.network):
        result = probe(network, low.data, radius=radius, n=60)
        if radius == 1e200:
            with pytest.raises(FastMinimaError, match="nothing to draw"):
                plot_probe(result, tmp_path / "p.png")
            continue
        plot_probe(result, tmp_path / "p.png", title="a title")
        assert (tmp_path / "p.png").stat().st_size > 5_000


def test_a_picture_needs_matplotlib_and_says_so(files, tmp_path, monkeypatch):
    *_, low = files
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r"fastminima\[plot\]"):
        plot_probe(probe(low.network, low.data, n=10), tmp_path / "p.png")


def test_a_number_on_an_axis_reads_well():
    from fastminima.reporting.probe_plot import number_text, round_ticks

    assert [number_text(v) for v in (0.0, 0.01, 2000.0, -5.0)] == ["0", "0.01", "2000", "\N{MINUS SIGN}5"]
    assert number_text(-1e-9) == "$-10^{-9}$"
    assert number_text(3e12) == r"$3\cdot 10^{12}$"
    for low, high in ((1.1e-5, 1.9e-5), (1e-300, 1e300), (2.0, 2000.0)):
        ticks = round_ticks(low, high, 7)
        assert 1 < len(ticks) <= 8
        assert all(low <= v <= high and math.isfinite(v) for v in ticks)
