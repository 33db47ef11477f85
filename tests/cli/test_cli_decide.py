"""`fastminima decide` and `fastminima polish` as their user starts them."""

from __future__ import annotations

import dataclasses
import json
import os
from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli import decide as commands
from fastminima.cli.main import main
from fastminima.errors import ProofError
from fastminima.landscape.verdict import PolishStatus

ROWS = [(-3, 2), (-2, -3), (-1, -2), (0, -2), (1, -2), (2, 2), (3, 3)]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The example that is worked out by hand: a kink at x = 1, u = (31/13) (1, -1), risk 106/13, radius 1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in ROWS))
    fm.OneHiddenLayer([[2.4]], [-2.3], [1.0], -1.3, fm.relu).save(tmp_path / "near.npz")
    # at the tie of the other hand-worked example every number is a float64
    (tmp_path / "tie.csv").write_text("x,y\n-3,0\n-2,0\n-1,2\n0,3\n1,-3\n2,-2\n3,2\n")
    fm.OneHiddenLayer([[2.0]], [-4.0], [1.0], 0.0, fm.relu).save(tmp_path / "tie.npz")
    return tmp_path


def run(capsys, *arguments):
    status = main([str(one) for one in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def table(out):
    """Label to text of a printed table, whose texts may fold."""
    rows: dict[str, str] = {}
    label = ""
    for line in out.splitlines():
        if line.startswith("│"):
            name, text = (cell.strip() for cell in line.strip("│").split("│"))
            label = name or label
            rows[label] = f"{rows[label]} {text}" if not name else text
    return rows


def fractions(words):
    return [[Fraction(v) for v in row] for row in words]


def test_a_minimum_with_its_radius_and_its_kinks(capsys, place):
    status, out, err = run(capsys, "decide", "tie.npz", "tie.csv", "--target", "y")
    rows = table(out)
    assert (status, err) == (0, "")
    assert rows["verdict"] == "local minimum"
    assert rows["certified radius"] == "1"
    assert rows["kinks"] == "1 (1 exact ties); unit 0: 1"
    assert rows["units off"] == "none"
    assert rows["risk"].startswith("13 (")
    assert "next" not in rows


def test_what_is_no_minimum_has_a_way_down(capsys, place):
    status, out, _ = run(capsys, "decide", "near.npz", "t.csv", "--target", "y", "--ball", "0.001")
    rows = table(out)
    assert status == 1
    assert rows["verdict"] == "not a minimum"
    assert "sum of residuals not 0" in rows["why"]
    assert "a lower network, proved" in rows["escape"]
    assert "fastminima polish" in rows["next"]
    assert "certified radius" not in rows


def test_json_is_what_the_library_says_with_every_digit(capsys, place):
    status, out, _ = run(capsys, "decide", "tie.npz", "tie.csv", "--target=y", "--json", "--full")
    said = json.loads(out)
    v = fm.decide(fm.OneHiddenLayer.load("tie.npz"), fm.read("tie.csv", target="y"))
    assert status == 0
    assert (said["verdict"], said["radius"], said["radius_squared"]) == ("local_minimum", v.radius, "1")
    assert Fraction(said["exact_risk"]) == v.exact_risk == 13
    assert said["kinks"] == [{"unit": 0, "sample": 5, "limit": "1", "multiplier": "1"}]
    assert said["least_squares_risk"] == fm.least_squares(v.data).risk
    status, out, _ = run(capsys, "polish", "near.npz", "t.csv", "--target=y", "--json", "--full")
    said = json.loads(out)
    p = fm.polish(fm.OneHiddenLayer.load("near.npz"), fm.read("t.csv", target="y"))
    assert status == 0
    assert fractions(said["exact"]["W1"]) == [[Fraction(31, 13)]]
    assert said["exact"]["b1"] == ["-31/13"]
    assert said["exact"]["b2"] == "-17/13"
    assert said["exact_risk"] == "106/13"
    assert said["moved"] == p.moved
    assert (said["started_in_region"], said["started_within_radius"]) == (True, True)
    assert [step["risk"] for step in said["path"]] == [step.risk for step in p.path]
    assert said["polished"] == {"radius": p.radius, "distance": p.distance, "excess": p.excess}


def test_rationals_of_any_length_are_written(capsys, place, monkeypatch):
    long = Fraction(1, 3) + Fraction(1, 10**5000)
    real = commands.polish

    def polish(*given, **options):
        p = real(*given, **options)
        exact = dataclasses.replace(p.exact, bias=long)
        return dataclasses.replace(p, exact=exact)

    monkeypatch.setattr(commands, "polish", polish)
    status, out, _ = run(capsys, "polish", "near.npz", "t.csv", "--target=y", "--json", "--full")
    assert status == 0
    p, _, q = json.loads(out)["exact"]["b2"].partition("/")
    assert (p[-10:], len(q)) == ("0000000003", 5001)


def test_out_holds_networks_pictures_and_the_summary(capsys, place):
    status, out, _ = run(capsys, "polish", "near.npz", "t.csv", "--target=y", "--out", "p")
    assert status == 0
    names = ["descent.png", "polish.json", "polished.npz", "polished.png"]
    assert sorted(os.listdir("p")) == names
    assert "written" in table(out)
    summary = json.loads((place / "p" / "polish.json").read_text())
    assert sorted(summary["files"]) == names
    network = fm.OneHiddenLayer.load("p/polished.npz")
    assert network.b2 == -17 / 13
    for name in (names[0], names[3]):
        assert (place / "p" / name).read_bytes().startswith(b"\x89PNG")
    # what was polished may be decided beside it: a run reads what the other wrote
    status, _, err = run(capsys, "decide", "p/polished.npz", "t.csv", "--target=y", "--out", "p")
    assert (status < 2, err) == (True, "")
    assert run(capsys, "polish", "near.npz", "t.csv", "--target=y", "--out", "q")[0] == 0
    status, _, err = run(capsys, "decide", "near.npz", "t.csv", "--target=y", "--out", "q")
    assert status == 2
    assert "results of fastminima polish" in err
    status, _, _ = run(capsys, "decide", "near.npz", "t.csv", "--target=y", "--out", "d")
    assert sorted(os.listdir("d")) == ["decide.json", "decided.png", "escape.npz"]
    lower = fm.OneHiddenLayer.load("d/escape.npz")
    data = fm.read("t.csv", target="y")
    drop = Fraction(json.loads((place / "d" / "decide.json").read_text())["escape"]["exact_drop"])
    near = fm.OneHiddenLayer.load("near.npz")
    assert fm.decide(near, data).exact_risk - fm.decide(lower, data).exact_risk == drop > 0
    assert run(capsys, "decide", "tie.npz", "tie.csv", "--target=y", "--out", "d")[0] == 0
    assert sorted(os.listdir("d")) == ["decide.json", "decided.png"]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
def test_models_of_torch_are_read(capsys, place, suffix):
    name = f"model{suffix}"
    arrays = {
        "0.weight": np.array([[2.4]]), "0.bias": np.array([-2.3]), "2.weight": np.array([[1.0]]), "2.bias": np.array([-1.3])
    }  # fmt: skip
    if suffix == ".npz":
        np.savez(name, **arrays)
    elif suffix == ".pt":
        torch = pytest.importorskip("torch")
        torch.save({key: torch.tensor(value) for key, value in arrays.items()}, name)
    else:
        header, body = {}, b""
        for key, value in arrays.items():
            header[key] = {
                "dtype": "F64",
                "shape": value.shape,
                "data_offsets": [len(body), len(body) + value.nbytes],
            }
            body += value.tobytes()
        words = json.dumps(header).encode()
        (place / name).write_bytes(len(words).to_bytes(8, "little") + words + body)
    status, out, _ = run(capsys, "polish", name, "t.csv", "--target=y", "--activation", "relu", "--json", "--full")
    assert status == 0
    assert json.loads(out)["exact_risk"] == "106/13"
    status, _, err = run(capsys, "polish", name, "t.csv", "--target=y")
    assert status == 2
    assert "activation" in err


def test_an_interrupted_walk_is_printed_written_and_reported(capsys, place, monkeypatch):
    real = commands.polish

    def polish(*given, **options):
        # how the library hands back a walk that Ctrl-C stopped
        return dataclasses.replace(
            real(*given, **options), status=PolishStatus.INTERRUPTED, reason="stopped; the best point so far"
        )

    monkeypatch.setattr(commands, "polish", polish)
    status, out, _ = run(capsys, "polish", "near.npz", "t.csv", "--target=y", "--out", "p")
    rows = table(out)
    assert status == 130
    assert "interruption" in rows["ended at"]
    assert "best point so far" in rows["why"]
    assert "certified radius" not in rows
    assert json.loads((place / "p" / "polish.json").read_text())["status"] == "interrupted"


@pytest.mark.parametrize("command", ["decide", "polish"])
def test_a_certificate_that_there_is_none_of_is_said(capsys, place, monkeypatch, command):
    def prove(_result):
        raise ProofError("undetermined points have no certificate")

    monkeypatch.setattr(commands, "prove", prove)
    status, out, _ = run(capsys, command, "near.npz", "t.csv", "--target=y", "--prove", "--out", "o")
    assert status == 1
    assert table(out)["proof"] == "none: undetermined points have no certificate"
    assert json.loads((place / "o" / f"{command}.json").read_text())["proof"] is None
    assert not (place / "o" / "proof.json").exists()


@pytest.mark.parametrize("command", ["decide", "polish"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no.npz", "t.csv", "--target=y", "--out=o"], "no.npz"),
        (["t.csv", "t.csv", "--target=y", "--out=o"], "network"),
        (["near.npz", "t.csv", "--target=z", "--out=o"], "z"),
        (["near.npz", "demo:xor", "--out=o"], "1 inputs"),
        (["near.npz", "t.csv", "--target=y", "--prove"], "--out DIR"),
        (["near.npz", "t.csv", "--target=y", "--activation=tanh", "--out=o"], "ReLU"),
        (["near.npz", "t.csv", "--target=y", "--out=near.npz"], "near.npz"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(capsys, place, command, arguments, words):
    before = sorted(os.listdir(place))
    status, out, err = run(capsys, command, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("fastminima: ")
    assert words in err
    assert err.count("\n") == 1
    assert sorted(os.listdir(place)) == before


def test_data_are_read_as_everywhere(capsys, place):
    (place / "gaps.csv").write_text("x;y\n1,5;2\n;3\n-1;0\n2;1\n")
    options = ["--target=y", "--sep", ";", "--decimal", ",", "--missing", "drop"]
    status, out, _ = run(capsys, "decide", "near.npz", "gaps.csv", *options)
    rows = table(out)
    assert status == 1
    assert rows["samples m"] == "3"
    assert "1" in rows["note"]


def test_certificates_are_accepted(capsys, place):
    for command, network, table_, claims in (
        ("polish", "near.npz", "t.csv", {"local_minimum", "near_minimum"}),
        ("decide", "tie.npz", "tie.csv", {"local_minimum"}),
        ("decide", "near.npz", "t.csv", {"lower_point"}),
    ):
        status, out, _ = run(
            capsys, command, network, table_, "--target=y", "--out", "o", "--prove", "--json"
        )
        proof = json.loads(out)["proof"]
        assert (status, proof["checked"], proof["open"]) == (int("lower_point" in claims), True, [])
        status, out, _ = run(capsys, "check", "o/proof.json", table_, "--target=y")
        assert status == 0
        assert {line.split()[1] for line in out.splitlines() if line.startswith("holds")} == claims
        for name in os.listdir("o"):
            os.remove(f"o/{name}")
