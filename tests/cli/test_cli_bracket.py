"""`fastminima bracket` as its user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from children import program
from fastminima.cli import bracket as command
from fastminima.cli.main import main
from fastminima.landscape.bracket import bracket as library
from fastminima.landscape.bracket import fit_network, points_on_a_line

ROWS = [(-3, 0), (-2, 0), (-1, 2), (0, 3), (1, -3), (2, -2), (3, 2)]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in ROWS))
    return tmp_path


def run(capsys, *arguments):
    status = main([str(one) for one in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_row_for_each_width_with_both_ends_and_why(capsys, place):
    status, out, err = run(capsys, "bracket", "t.csv", "--target=y", "--width", "3", "2", "--starts", "4")
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    two, three = (next(line for line in lines if line[:1] == [width]) for width in "23")
    assert two[1:3] == ["3.37499", "3.37501"]  # rounded outward
    # 3.375 of 14.55357 is 23.190 %: the last digit of the lower end is the search's
    assert two[3:9] in [[low, "to", "23.20", "76.8", "to", high] for low, high in (("23.18", "76.82"), ("23.19", "76.81"))]
    assert " ".join(two[9:]) == "branch and bound all done 4"
    assert Fraction(three[2]) < Fraction(two[2])
    assert "14.55357143" in out  # the least-squares risk
    assert "interrupted" not in out


def test_what_would_not_fit_is_said_first_and_stands_in_the_summary(capsys, place, monkeypatch):
    monkeypatch.setattr(points_on_a_line, "MOST_JOINED", 6)
    searched = []
    monkeypatch.setattr(library, "searched", lambda *given: searched.append(capsys.readouterr().err) or search(*given))
    search = fit_network.searched
    status, out, _ = run(capsys, "bracket", "t.csv", "--target=y", "--width", "2", "--starts", "1", "--json")
    said = "width 2: joining pieces at kinks on a line of 7 points would take "
    assert status == 0
    assert searched[0].startswith("note: " + said)
    assert searched[0].rstrip().endswith("used instead: independent pieces, a lower bound that is proved as well but weaker")
    [told] = json.loads(out)["brackets"]
    assert told["notes"] == [searched[0].removeprefix("note: ").rstrip()]
    assert run(capsys, "bracket", "t.csv", "--target=y", "--width", "2", "--starts", "1", "--quiet")[2] == ""


def test_json_is_what_the_library_says_with_every_digit(capsys, place):
    status, out, _ = run(
        capsys, "bracket", "t.csv", "--target=y", "--width", "1", "2", "--starts=3", "--seed=5", "--s-minus=0.25",
        "--json",
        "--full",
    )  # fmt: skip
    said = json.loads(out)
    found = fm.bracket(
        fm.read("t.csv", target="y"), [1, 2], n_starts=3, random_state=5, activation=fm.leaky_relu(0.25)
    )
    assert status == 0
    assert (said["seed"], said["interrupted"], said["widths_not_reached"]) == (5, False, [])
    assert Fraction(said["exact_least_squares_risk"]) == found[0].linear_risk == Fraction(815, 56)
    assert said["activation"] == {"s_plus": 1.0, "s_minus": 0.25}
    for told, b in zip(said["brackets"], found, strict=True):
        assert Fraction(told["exact_lower"]) == b.bound.exact
        assert Fraction(told["exact_upper"]) == b.found.exact_risk
        assert (told["lower"], told["upper"], told["gap"]) == (b.lower, b.upper, list(b.gap))
        low, high = map(Fraction, told["share"])
        assert low * b.linear_risk <= b.bound.exact <= b.found.exact_risk <= high * b.linear_risk
        assert (told["width"], told["reason"], told["end"], told["starts"]) == (b.width, b.reason, b.end, 3)


def test_out_holds_the_networks_and_a_later_run_replaces_them(capsys, place):
    order = ["bracket", "t.csv", "--target=y", "--starts=2", "--out=b", "--width"]
    assert run(capsys, *order, "1", "2", "4")[0] == 0
    summary = json.loads((place / "b" / "bracket.json").read_text())
    assert sorted(summary["files"]) == sorted(os.listdir("b"))
    assert {"width-1.npz", "width-2.npz", "width-4.npz"} < set(os.listdir("b"))
    data = fm.read("t.csv", target="y")
    for told in summary["brackets"]:
        network = fm.OneHiddenLayer.load(place / "b" / told["file"])
        assert network.width == told["width"]
        assert fm.decide(network, data).exact_risk == Fraction(told["exact_upper"])
    assert run(capsys, *order, "2")[0] == 0
    assert "width-2.npz" in os.listdir("b")
    assert "width-4.npz" not in os.listdir("b")
    status, _, err = run(capsys, "decide", "b/width-2.npz", "t.csv", "--target=y", "--out", "c")
    verdict = json.loads((place / "c" / "decide.json").read_text())["verdict"]
    assert (status, err) == (int(verdict != "local_minimum"), "")


def test_numbers_out_of_range_are_refused_before_anything_is_read(capsys, place):
    for wrong in ("--width=0", "--seconds=0", "--seconds=nan", "--starts=0", "--seed=-1", "--workers=0"):
        name = wrong.partition("=")[0]
        status, out, err = run(capsys, "bracket", "t.csv", "--target=y", wrong, "--out", "b")
        assert (status, out, os.path.exists("b")) == (2, "", False)
        assert name.strip("-") in err


def test_a_risk_of_zero_has_no_shares(capsys, place):
    (place / "line.csv").write_text("x,y\n0,1\n1,3\n2,5\n")
    status, out, _ = run(capsys, "bracket", "line.csv", "--target=y", "--width=2", "--starts=1", "--json")
    (told,) = json.loads(out)["brackets"]
    assert (status, told["share"], told["gap"], told["lower"]) == (0, None, [0.0, 0.0], 0.0)
    assert run(capsys, "bracket", "line.csv", "--target=y", "--width=2", "--starts=1")[0] == 0


def test_an_interrupt_between_two_widths_keeps_the_first(capsys, place, monkeypatch):
    from fastminima.landscape.bracket import bracket as module

    real, calls = module.searched, []

    def searched(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(module, "searched", searched)
    status, out, _ = run(
        capsys, "bracket", "t.csv", "--target=y", "--width", "2", "4", "8", "--starts=2", "--out=b"
    )
    assert status == 130
    assert "interrupted: the best so far; no bracket of width 4, 8" in out
    summary = json.loads((place / "b" / "bracket.json").read_text())
    assert (summary["interrupted"], summary["widths_not_reached"]) == (True, [4, 8])
    assert [b["width"] for b in summary["brackets"]] == [2]
    assert sorted(summary["files"]) == sorted(os.listdir("b"))
    # before there is any, nothing is written
    monkeypatch.setattr(command, "bracket", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run(capsys, "bracket", "t.csv", "--target=y", "--out=c")[0] == 130
    assert not os.path.exists("c")


@pytest.mark.skipif(os.name == "nt", reason="a signal that Windows does not send")
def test_ctrl_c_ends_the_search_with_whole_files(place):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 4))
    np.save("t.npy", np.column_stack([X, np.sin(X[:, 0] * X[:, 1])]))
    order = ["bracket", "t.npy", "--target", "-1", "--width", "2", "4", "--seconds", "600", "--out", "b"]
    # a parent in the background ignores interrupts, and so would its children
    code = (
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from fastminima.cli.main import main\nfrom fastminima.landscape.bracket import bracket as module\n"
        "real = module.searched\n"
        "def searched(*given):\n    print('searching', file=sys.stderr, flush=True)\n    return real(*given)\n"
        f"module.searched = searched\nsys.exit(main({order!r}))"
    )
    with program(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert any("searching" in line for line in iter(process.stderr.readline, ""))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "interrupted: the best so far; no bracket of width 4" in out
    summary = json.loads((place / "b" / "bracket.json").read_text())
    assert sorted(summary["files"]) == sorted(os.listdir("b"))
    assert [b["end"] for b in summary["brackets"]] == ["interrupted"]


def test_prove_writes_a_certificate_of_each_width_that_check_accepts(capsys, place):
    status, out, err = run(
        capsys,
        "bracket",
        "t.csv",
        "--target",
        "y",
        "--width",
        "1",
        "2",
        "--starts",
        "1",
        "--prove",
        "--out",
        "found",
    )
    assert (status, err) == (0, "")
    assert out.count("proved: the checker accepts proof-") == 2
    for width in (1, 2):
        status, out, _ = run(capsys, "check", f"found/proof-{width}.json", "t.csv", "--target", "y")
        assert status == 0
        assert f"width {width}" in out
    status, _, err = run(capsys, "bracket", "t.csv", "--target", "y", "--prove")
    assert status == 2
    assert "--out" in err
