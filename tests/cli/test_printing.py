"""What is printed: on terminals of any width and encoding, with and without rich, whatever names hold."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastminima as fm
from fastminima.cli import construct, counterexample, decide, linear, output, probe, scan
from fastminima.cli.main import main

HOSTILE = ["\x1b[2J\x1b[31mred", "a\nb\rc", "bell\x07\x9b", "\u202ecod.x", "[bold]x[/bold]", "x:cat:y"]


class Terminal(io.TextIOWrapper):
    """Standard output on a terminal, whose text can be read."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")

    def isatty(self):
        return True

    def text(self):
        self.flush()
        shown = self.buffer.getvalue().decode(self.encoding)
        return re.sub(r"\x1b\[[0-9;]*m", "", shown)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("printing")
    rng = np.random.default_rng(2)
    np.save(place / "a.npy", rng.normal(size=(20, 3)))
    np.save(place / "b.npy", rng.normal(size=(25, 4)))
    table = np.load(place / "a.npy")
    fm.spurious_minimum((table[:, :2], table[:, 2])).network.save(place / "net.npz")
    return place


COMMANDS = {
    "construct": ["construct", "a.npy", "--target=-1"],
    "decide": ["decide", "net.npz", "a.npy", "--target=-1"],
    "polish": ["polish", "net.npz", "a.npy", "--target=-1", "--leave-off-units"],
    "probe": ["probe", "net.npz", "a.npy", "--target=-1", "--n=20"],
    "sweep": ["probe", "net.npz", "a.npy", "--target=-1", "--n=20", "--radius", "0.001", "1"],
    "linear": ["linear", "demo:saddle"],
    "counterexample": ["counterexample", "tanh"],
    "scan": ["scan", "a.npy", "b.npy", "--target=-1"],
    "prove": ["prove", "a.npy", "--target=-1", "--out", "p.json"],
}


@pytest.mark.parametrize("columns", [20, 30, 40, 60])
@pytest.mark.parametrize("rich", [True, False], ids=["rich", "plain"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_width_drops_a_label_or_a_value(command, rich, columns, folder, monkeypatch):
    monkeypatch.chdir(folder)
    if not rich:
        for name in ("rich", "rich.console", "rich.table", "rich.box"):
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    printed = []

    def record(title, head, table, **options):
        printed.append((head, table))
        output.print_table(title, head, table, **options)

    for module in (
        construct,
        counterexample,
        decide,
        linear,
        probe,
        scan,
        sys.modules["fastminima.cli.certificates"],
    ):
        monkeypatch.setattr(module, "print_table", record)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(COMMANDS[command]) in (0, 1)
    shown = terminal.text()
    monkeypatch.undo()
    ((head, table),) = printed
    lines = shown.splitlines()
    joined = re.sub(r"[\s│|┃]+", "", shown)
    blocks = head is not None and not any(line.split()[:1] == [head[0]] for line in lines)
    for row in table:
        # labels and keys are whole, on one line
        assert any(row[0] in line for line in lines), row[0]
        for cell in row[1:]:
            for word in re.findall(r"\S+", cell):
                assert word in joined or len(word) > columns - 24, (row[0], word)
    if head is not None:
        for name in head[1:] if blocks else ():
            assert any(line.strip().startswith(f"{name}:") for line in lines), name
    if columns <= 30:
        assert max(len(line) for line in lines if line.startswith("  ")) <= columns


@pytest.mark.parametrize("rich", [True, False], ids=["rich", "plain"])
@pytest.mark.parametrize("columns", [20, 40, 80])
def test_a_long_name_is_there_to_the_last_letter(rich, columns, monkeypatch):
    if not rich:
        for name in ("rich", "rich.console"):
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    name = "/data/" + "long-name/" * 12 + "end.csv"
    output.print_table(
        "title", ["dataset", "rows", "risk"], [[name, "12", "0.5"], ["b", "", "x"]], named_rows=True
    )
    shown = terminal.text()
    assert name in re.sub(r"\s+(12\s+0\.5)?", "", shown)
    assert "0.5" in shown
    assert re.search(r"^b", shown, re.MULTILINE) or re.search(r"^ *b ", shown, re.MULTILINE)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("columns", [20, 100])
@pytest.mark.parametrize("rich", [True, False], ids=["rich", "plain"])
def test_names_are_shown_and_not_obeyed(rich, columns, encoding, monkeypatch):
    if not rich:
        for name in ("rich", "rich.console"):
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    for name in (*HOSTILE, "caf\udce9", "été 価格"):
        terminal = Terminal(encoding)
        monkeypatch.setattr(sys, "stdout", terminal)
        output.print_table(name, None, [[name, f"value of {name}"]])
        output.print_table(name, ["key", "n"], [[name, "1"]], named_rows=True)
        with output.any_text():
            output.say(f"line {name}")
        shown = terminal.text()
        assert not set(shown) & set("\x1b\x07\x9b\r\u202e"), name
        escaped = output._encodable(name)
        assert escaped in re.sub(r"\n\s*", "", shown)
        assert f"line {escaped}\n" in shown
        escaped.encode(encoding)


def shell(words, place, **environment):
    """(exit status, standard output, standard error) as bytes, in an environment of its own."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "OPENBLAS_NUM_THREADS") if name in os.environ}
    # the package under test, also where it is not the installed one
    keep["PYTHONPATH"] = str(Path(fm.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "fastminima", *words],
        cwd=place,
        env={**keep, **environment},
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C", "COLUMNS": "20"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "C.UTF-8"},
    ],
)
def test_hostile_files_in_any_locale(environment, tmp_path):
    rng = np.random.default_rng(4)
    rows = "\n".join(",".join(map(repr, row)) for row in rng.normal(size=(12, 3)).tolist())
    name = os.fsdecode(b"prix-\xe9\x1b[31m\xc3\xa9.csv")
    try:
        (tmp_path / name).write_text(f"größe,\x1b[2Jage,价格\n{rows}\n", encoding="utf-8")
    except (OSError, UnicodeError):
        pytest.skip("the file system takes no such name")
    raw = os.fsencode(name)
    forbidden = (b"\x1b", b"\r", b"\x07", b"Traceback", b"UnicodeEncodeError")
    commands = [
        ["construct", raw, "--target", "2", "--out", "o"],
        ["construct", raw, "--target", "2", "--json"],
        ["scan", raw, "--target", "2", "--out", "s"],
        ["construct", raw, "--target", "\x1b[2Jnothing"],
        ["scan", raw, "--target", "\x1b[2Jnothing\nelse"],
        ["construct", b"none-" + raw],
        ["construct", "a.csv", "--no\x1b[31m"],
        ["counterexample", "--list"],
    ]
    for words in commands:
        status, out, err = shell(words, tmp_path, **environment)
        for bad in forbidden:
            assert bad not in out + err, (words, out, err)
        assert status in (0, 1, 2)
        if "ascii" in environment.get("PYTHONIOENCODING", ""):
            (out + err).decode("ascii")
        if "--json" in words and status == 0:
            json.loads(out)
        if words[-1] in ("o", "s", "--list"):
            assert status == 0, err
    assert len(list((tmp_path / "s").iterdir())) == 2


@pytest.mark.parametrize("rich", [True, False], ids=["rich", "plain"])
def test_every_cell_is_whole_at_every_width(rich, monkeypatch):
    if not rich:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("TERM", "xterm")
    tables = (
        (
            ["dataset", "rows", "rel. drop", "minimum"],
            [["a.csv", "1,234", "0.001964", "spurious"], ["bb", "", "", "failed"]],
            True,
        ),
        (["radius", "lower risk", "sides change"], [["1e-06", "12", "3,456"], ["1", "0", "1"]], False),
        (None, [["gradient of ell0", "16"], ["so", "a saddle"]], False),
    )
    for columns in range(8, 90):
        monkeypatch.setenv("COLUMNS", str(columns))
        for head, rows, named in tables:
            terminal = Terminal()
            monkeypatch.setattr(sys, "stdout", terminal)
            output.print_table("t", head, rows, named_rows=named)
            shown = re.sub(r"\s+", " ", terminal.text())
            for cell in (*(head or ())[1:], *(cell for row in rows for cell in row)):
                assert cell in shown or max(map(len, cell.split())) > columns - 2, (columns, cell)
