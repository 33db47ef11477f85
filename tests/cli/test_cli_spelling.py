"""One spelling for one thing: activations, columns, numbers, folders, statuses, and messages that speak of options."""

from __future__ import annotations

import argparse
import json
import re
import sys
import types

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli.completion import with_files
from fastminima.cli.main import main, parser
from fastminima.cli.wording import in_options, names_in, whole
from fastminima.errors import OptionError

[_COMMANDS] = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
COMMANDS = _COMMANDS.choices


def run(capsys, *arguments):
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 4)).round(3)
    text = '"Price, EUR",size,"age, years",rooms\n' + "".join(
        ",".join(map(str, row)) + "\n" for row in rows.tolist()
    )
    (tmp_path / "houses.csv").write_text(text)
    return "houses.csv", rows


# --- one spelling ---------------------------------------------------------------------------------

SHARED = {
    "--activation": {
        "construct",
        "report",
        "decide",
        "polish",
        "bracket",
        "probe",
        "counterexample",
        "prove",
        "scan",
    },
    "--target": {
        "construct",
        "report",
        "decide",
        "polish",
        "bracket",
        "probe",
        "linear",
        "prove",
        "check",
        "scan",
    },
    "--features": {
        "construct",
        "report",
        "decide",
        "polish",
        "bracket",
        "probe",
        "linear",
        "prove",
        "check",
        "scan",
    },
    "--out": set(COMMANDS) - {"check", "completion"},
    "--json": set(COMMANDS) - {"completion"},
    "--full": {"construct", "decide", "polish", "bracket", "probe", "linear", "counterexample"},
    "--quiet": set(COMMANDS) - {"completion"},
    "--workers": {"atlas", "bracket", "probe", "scan"},
    "--seed": {"atlas", "construct", "report", "bracket", "probe"},
}


@pytest.mark.parametrize("option", SHARED)
def test_an_option_is_the_same_one_in_every_command(option):
    found = {
        name: action
        for name, command in COMMANDS.items()
        for action in command._actions
        if option in action.option_strings
    }
    assert set(found) == SHARED[option]
    assert len({(a.dest, type(a), a.type, a.metavar, a.nargs) for a in found.values()}) == 1


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_help_says_what_the_status_means(name):
    said = " ".join(COMMANDS[name].format_help().split())
    assert re.search(r"Exit status: 0 \w.*; 2 where it could not run", said), said
    # a whole number takes 1e6 wherever there is one
    assert not [a.dest for a in COMMANDS[name]._actions if a.type is int]


@pytest.mark.parametrize(
    ("words", "slopes"),
    [
        (["--activation", "leaky_relu:0.25"], (1.0, 0.25)),
        (["--activation=LeakyReLU:slope=0.25"], (1.0, 0.25)),
        (["--activation", "piecewise_linear:2,0.5"], (2.0, 0.5)),
        (["--s-plus", "2", "--s-minus", "0.5"], (2.0, 0.5)),
        ([], (1.0, 0.0)),
    ],
)
def test_activations(capsys, words, slopes):
    for command in ("construct", "bracket"):
        more = ["--width=2", "--starts=1"] if command == "bracket" else []
        status, out, err = run(capsys, command, "demo:xor", *more, *words, "--json")
        assert (status, err) == (0, "")
        assert json.loads(out)["activation"] == {"s_plus": slopes[0], "s_minus": slopes[1]}
    status, out, _ = run(capsys, "scan", "demo:xor", *words)
    assert status == 0


def test_activations_of_prove_and_counterexample(capsys, tmp_path):
    out = tmp_path / "proved"
    assert run(capsys, "prove", "demo:xor", "--activation=leaky_relu:0.25", "--out", out)[0] == 0
    assert '"1/4"' in (out / "proof.json").read_text()
    shown = [json.loads(run(capsys, "counterexample", *words, "--json")[1]) for words in (
        ["elu:0.5"], ["--activation", "elu:0.5"], ["elu", "--param", "alpha=0.5"],
    )]  # fmt: skip
    assert shown[0]["activation"] == {"name": "elu(alpha=0.5)"}
    assert len({json.dumps({**s, "seconds": 0}) for s in shown}) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["construct", "demo:xor", "--activation=relu", "--s-minus=0.1"], "leave --s-minus out"),
        (["construct", "demo:xor", "--activation=wobble"], "no activation is called 'wobble'"),
        (["bracket", "demo:xor", "--activation=tanh"], "bracket needs a PiecewiseLinear activation"),
        (["scan", "demo:xor", "--activation=wobble"], "no activation is called 'wobble'"),
        (["counterexample", "tanh", "--activation=tanh"], "leave --activation out"),
        (["linear", "w.npz", "d.npz", "--data=e.npz"], "leave --data out"),
        (["linear", "w.npz", "t.csv", "--target=a", "--targets=b"], "leave --targets out"),
        (["scan", "demo:xor", "--gain=2"], "--gain is for several layers"),
    ],
)
def test_two_spellings_of_one_thing_are_one_too_many(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    np.savez("w.npz", W1=np.ones((1, 1)), W2=np.ones((1, 1)))
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert message in err


# --- columns --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "features"),
    [
        (["--features", "size", "--features", "rooms"], ["size", "rooms"]),
        (["--features", "size,rooms"], ["size", "rooms"]),
        (["--features", "age, years", "--features", "size"], ["age, years", "size"]),
        (["--features", '"age, years",size'], ["age, years", "size"]),
        (["--features", '"age, years"'], ["age, years"]),
        (["--features", "1,3"], ["size", "rooms"]),
    ],
)
def test_columns_with_commas_in_their_names(capsys, table, words, features):
    target = ["--target", "Price, EUR"]
    status, out, err = run(capsys, "construct", table[0], *target, *words, "--json", "--full")
    assert (status, err) == (0, "")
    expected = fm.least_squares(fm.read(table[0], "Price, EUR", features=features))
    assert json.loads(out)["least_squares"]["coef"] == expected.coef.tolist()
    status, out, _ = run(capsys, "scan", table[0], *target, *words, "--json")
    assert (status, json.loads(out)["risk"]) == (0, pytest.approx(expected.risk))


def test_targets_of_linear_are_named_like_any_other(capsys, table):
    np.savez("w.npz", W1=np.ones((2, 2)), W2=np.ones((2, 2)))
    targets = ["--target", "Price, EUR", "--target", "rooms"]
    status, new, err = run(capsys, "linear", "w.npz", table[0], *targets, "--json")
    assert (status, err) == (0, "")
    _, old, _ = run(
        capsys, "linear", "w.npz", "--data", table[0], "--targets", '"Price, EUR",rooms', "--json"
    )
    first, second = ({**json.loads(text), "seconds": 0} for text in (new, old))
    assert first == second
    assert first["m"] == 12


def test_no_name_is_no_column():
    assert names_in(None, "--features") is None
    assert names_in(['a"b,c'], "--features") == ['a"b', "c"]
    for empty in ("", ",", " , "):
        with pytest.raises(OptionError, match="--features needs one or more columns, got none"):
            names_in([empty], "--features")


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"), [("1e6", 10**6), ("1_000", 1000), ("12", 12), ("-1", -1), ("2.5e1", 25), ("1.0", 1)]
)
def test_whole_numbers(text, number):
    assert whole(text) == number
    assert isinstance(whole(text), int)


@pytest.mark.parametrize("text", ["", "x", "1.5", "1e-3", "nan", "inf", "1e999999", "0x10"])
def test_what_is_no_whole_number(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"must be a whole number such as 1000 or 1e6"):
        whole(text)


def test_numbers_of_points_in_powers_of_ten(capsys, tmp_path):
    assert run(capsys, "construct", "demo:xor", "--out", tmp_path / "r")[0] == 0
    network = tmp_path / "r" / "minimum.npz"
    _, out, _ = run(capsys, "probe", network, "demo:xor", "--n", "1e2", "--json")
    assert json.loads(out)["n"] == 100
    with pytest.raises(SystemExit) as ended:
        main(["probe", str(network), "demo:xor", "--n", "1.5"])
    assert ended.value.code == 2
    assert "argument --n: must be a whole number such as 1000 or 1e6, got '1.5'" in capsys.readouterr().err


def test_short_json_and_bins(capsys, tmp_path):
    assert run(capsys, "construct", "demo:xor", "--out", tmp_path / "r")[0] == 0
    words = [
        "probe",
        tmp_path / "r" / "minimum.npz",
        "demo:xor",
        "--n",
        "50",
        "--out",
        tmp_path / "r",
        "--json",
    ]
    _, short, _ = run(capsys, *words)
    _, full, _ = run(capsys, *words, "--histogram")
    [p] = json.loads(full)["probes"]
    assert sum(p["histogram"]["counts"]) == 50
    assert len(short) < 1500
    assert run(capsys, *words, "--full")[1].count("counts") == 1
    del p["histogram"]
    assert json.loads(short)["probes"] == [p]
    [written] = json.loads((tmp_path / "r" / "probe.json").read_text())["probes"]
    assert sum(written["histogram"]["counts"]) == 50


LONG = re.compile(r'"\d+/\d+"|"\d{18,}')


@pytest.mark.parametrize(
    ("words", "numbers", "left_out"),
    [
        (["construct", "demo:diabetes"], {"least_squares": {"risk": 0}, "minimum": {"radius": 0}}, "coef"),
        (["decide", "net.npz", "demo:diabetes"], {"risk": 0, "radius": 0, "n_kinks": 0, "n_off_units": 0}, "exact_risk"),
        (["polish", "net.npz", "demo:diabetes"], {"risk": 0, "radius": 0, "steps": 0, "n_kinks": 0, "ties": 0}, "path"),
        (
            ["polish", "net.npz", "demo:diabetes", "--weight-decay", "1"],
            {"risk": 0, "steps": 0, "weight_decay": 0, "n_folds": 0},
            "path",
        ),
        (["bracket", "demo:diabetes", "--width", "1", "2", "--starts", "2"], {"least_squares_risk": 0}, "trace"),
        (["linear", "demo:saddle"], {"value": 0, "escape": {"up": {"change": 0}, "down": {"change": 0}}}, "facts"),
        (["counterexample", "tanh"], {"radius": 0, "least_squares_risk": 0, "witness": {"zero": {"v1": 0}}}, "conditions"),
        (["probe", "net.npz", "demo:diabetes", "--n", "50"], {"risk": 0, "n": 0}, "histogram"),
    ],
)  # fmt: skip
def test_json_is_short_and_full_has_all(capsys, tmp_path, monkeypatch, words, numbers, left_out):
    """Short: no number as text, nothing that grows with the data. --full: what --out writes."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    fm.OneHiddenLayer(rng.normal(size=(4, 10)), rng.normal(size=4), rng.normal(size=4), 150.0, fm.relu).save("net.npz")
    _, short, err = run(capsys, *words, "--json", "--quiet")
    assert err == ""
    assert len(short) < 2600, len(short)
    assert not LONG.search(short)
    assert f'"{left_out}"' not in short

    def look(told, wanted):
        for key, inner in wanted.items():
            if isinstance(inner, dict):
                look(told[key], inner)
            else:
                assert type(told[key]) in (int, float), key

    look(json.loads(short), numbers)
    full = json.loads(run(capsys, *words, "--json", "--full", "--quiet", "--out", "o")[1])
    assert f'"{left_out}"' in json.dumps(full)
    [summary] = [name for name in full["files"] if name.endswith(".json")]
    written = json.loads((tmp_path / summary).read_text())
    assert {**full, "seconds": 0, "files": 0} == {**written, "seconds": 0, "files": 0}


# --- quiet ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["construct", "gaps.csv", "--target=y", "--missing=drop"],
        ["bracket", "gaps.csv", "--target=y", "--missing=drop", "--width=1", "--starts=1"],
        ["scan", "gaps.csv", "--target=y", "--missing=drop"],
        ["linear", "demo:saddle"],
        ["counterexample", "exp"],
        ["prove", "gaps.csv", "--target=y", "--missing=drop", "--out=p"],
    ],
)
def test_quiet_says_nothing_and_does_everything(capsys, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gaps.csv").write_text("x,y\n0,1\n1,0\n2,\n3,2\n4,0\n")
    assert run(capsys, *words, "--quiet") == (0, "", "")
    status, out, err = run(capsys, *words, "--json", "--quiet")
    assert (status, err) == (0, "")
    assert json.loads(out.splitlines()[0] if words[0] == "scan" else out)
    # and the next command of the same program speaks again
    assert run(capsys, *words)[1] != ""
    status, out, err = run(capsys, "construct", "none.csv", "--quiet")
    assert (status, out) == (2, "")
    assert "there is no file" in err


# --- statuses -------------------------------------------------------------------------------------


def test_statuses(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.csv").write_text("x,y\n0,1\n1,3\n2,5\n")
    (tmp_path / "t.csv").write_text("x,y\n0,1\n1,0\n2,2\n3,0\n")
    line, bent = ("line.csv", "--target=y"), ("t.csv", "--target=y")
    assert run(capsys, "construct", *bent, "--out=r")[0] == 0
    assert run(capsys, "construct", *line)[0] == 1
    assert run(capsys, "polish", "r/minimum.npz", *bent, "--out=p")[0] == 0
    assert run(capsys, "decide", "p/polished.npz", *bent)[0] in (0, 1)
    assert run(capsys, "decide", "r/better.npz", *bent)[0] == 1
    assert run(capsys, "counterexample", "tanh")[0] == 0
    assert run(capsys, "counterexample", "identity")[0] == 1
    assert run(capsys, "prove", *bent, "--out=q")[0] == 0
    assert run(capsys, "check", "q/proof.json", *bent)[0] == 0
    assert run(capsys, "check", "q/proof.json", *line)[0] == 1
    # the minimum is not below itself: no certificate
    status, out, err = run(capsys, "prove", *bent, "--better=r/minimum.npz", "--out=no")
    assert (status, out) == (1, "")
    assert err.startswith("fastminima: ProofError: ")
    assert not (tmp_path / "no").exists()


def test_prove_writes_a_folder(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = run(capsys, "prove", "--counterexample", "exp", "--out", "p", "--json")
    said = json.loads(out)
    assert status == 0
    assert said["files"] == [f"p/{name}" for name in ("proof.json", "data.csv", "prove.json")]
    assert json.loads((tmp_path / "p" / "prove.json").read_text())["theorem"] == 2
    assert run(capsys, "check", "p/proof.json", "p/data.csv", "--target", "y")[0] == 0
    # a later certificate of other data takes the place of this one whole
    assert run(capsys, "prove", "demo:xor", "--out", "p")[0] == 0
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["proof.json", "prove.json"]


# --- messages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "message", "said"),
    [
        ("construct", "alpha must be finite", "--alpha must be finite"),
        (
            "construct",
            "width (hidden units d1) must be an integer >= 1, got 0",
            "--width must be an integer >= 1, got 0",
        ),
        ("construct", "t.csv: header is for text files", "t.csv: --header is for text files"),
        (
            "construct",
            "drop them with missing='drop', or fill them",
            "drop them with --missing drop, or fill them",
        ),
        ("construct", "pass header=True or header=False", "pass --header or --no-header"),
        ("construct", 'say so with decimal=","', "say so with --decimal ,"),
        ("construct", "leave the columns out with features=[...]", "leave the columns out with --features"),
        (
            "construct",
            "read it with features=['a', 'b'] alone",
            "read it with --features a --features b alone",
        ),
        ("construct", "cannot read runs/target=x/t.csv", "cannot read runs/target=x/t.csv"),
        (
            "construct",
            "a target is a column; the width is a number",
            "a target is a column; the width is a number",
        ),
        ("construct", "s_plus must be > 0, got 0", "s_plus must be > 0, got 0"),
        ("bracket", "n_starts must be a whole number >= 1", "--starts must be a whole number >= 1"),
        ("bracket", "random_state must be what", "--seed must be what"),
        ("decide", "weight_decay must be a finite number", "--weight-decay must be a finite number"),
        ("decide", "give activation='relu'", "give --activation relu"),
        ("counterexample", "width must be 2", "width must be 2"),
        ("linear", "pass tol= or nothing", "pass --tol or nothing"),
    ],
)
def test_messages_speak_of_options(command, message, said):
    given = argparse.Namespace(s_plus=None)
    assert in_options(message, COMMANDS[command], given) == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["construct", "demo:xor", "--width", "0"], "--width must be an integer >= 1, got 0"),
        (["construct", "demo:xor", "--s-plus", "0"], "--s-plus must be > 0, got 0.0"),
        (["bracket", "demo:xor", "--workers", "0"], "--workers must be a whole number"),
        (["bracket", "demo:xor", "--seconds", "-1"], "--seconds must be a positive number"),
        (["decide", "net.npz", "demo:xor", "--ball", "-1"], "--ball must be a positive number"),
        (["probe", "net.npz", "demo:xor", "--seed", "-1"], "--seed must be a whole number"),
        (["linear", "demo:saddle", "--radius", "-1"], "--radius must be a finite number above 0"),
        (["scan", "demo:xor", "--width", "0"], "--width must be an integer >= 1"),
    ],
)
def test_errors_of_the_library_name_options(capsys, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    fm.spurious_minimum(fm.load_demo("xor")).network.save("net.npz")
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert said in err


# --- completion -----------------------------------------------------------------------------------


def test_completion_without_its_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    status, out, err = run(capsys, "completion", "bash")
    assert (status, out) == (2, "")
    assert "fastminima[completion]" in err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_of_all_commands_with_files_where_files_go(capsys, monkeypatch, shell):
    seen = []
    files = {"bash": "_shtab_greeter_compgen_files", "zsh": "_files"}
    package = types.SimpleNamespace(
        FILE=files, complete=lambda made, shell: seen.append((made, shell)) or "script"
    )
    monkeypatch.setitem(sys.modules, "shtab", package)
    assert run(capsys, "completion", shell) == (0, "script\n", "")
    [(made, asked)] = seen
    assert asked == shell
    [commands] = [a for a in made._actions if isinstance(a, argparse._SubParsersAction)]
    assert set(commands.choices) == set(COMMANDS)
    for name, command in commands.choices.items():
        files_of = {a.dest for a in command._actions if getattr(a, "complete", None) is files}
        assert ("out" in files_of) == ("--out" in command.format_help()), name


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_by_the_package_itself(capsys, shell):
    shtab = pytest.importorskip("shtab")
    status, out, _ = run(capsys, "completion", shell)
    assert status == 0
    for word in ("construct", "--activation", "--histogram", "paper"):
        assert word in out
    assert out.strip() == shtab.complete(with_files(parser(), shtab.FILE), shell=shell).strip()
