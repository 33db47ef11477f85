"""docs/decide.md is true: its Python runs, and its commands print what stands there."""

from __future__ import annotations

import doctest
import os
import re
import shlex

import pytest

from fastminima.cli.main import main
from places import ROOT

PAGE = ROOT / "docs" / "decide.md"


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def commands(block):
    """(words, lines printed) of every command of a console block."""
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        line, *printed = part.splitlines()
        yield shlex.split(line)[1:], printed


def rows(out):
    """The table that a pipe gets, folded texts in one."""
    found: list[list[str]] = []
    for line in out.splitlines():
        if line.startswith("│"):
            name, text = (cell.strip() for cell in line.strip("│").split("│"))
            if name:
                found.append([name, text])
            else:
                found[-1][1] += f" {text}"
    return {name: text for name, text in found}


def matches(shown, text):
    return re.fullmatch(".*?".join(map(re.escape, shown.split("..."))), text) is not None


def check(block, capsys):
    for words, printed in commands(block):
        assert main(words) == 0
        table = rows(capsys.readouterr().out)
        for line in printed:
            name, text = line[:20].strip(), line[20:].strip()
            assert matches(text, table[name]), (name, text, table[name])


def test_the_python_of_the_page_runs():
    for block in blocks("pycon"):
        assert ">>>" in block
    # one after the other: names go on
    session = doctest.DocTestParser().get_doctest("".join(blocks("pycon")), {}, "decide.md", str(PAGE), 0)
    assert doctest.DocTestRunner().run(session).failed == 0


def test_the_commands_on_theorem_1_print_what_stands_there(capsys, tmp_path, monkeypatch):
    datasets = pytest.importorskip("sklearn.datasets")
    monkeypatch.chdir(tmp_path)
    table = datasets.load_diabetes(as_frame=True).frame[["bmi", "s5", "target"]]
    ((table - table.mean()) / table.std(ddof=0)).to_csv("diabetes.csv", index=False)
    (block,) = (one for one in blocks("console") if "built" in one)
    check(block, capsys)


@pytest.mark.skipif("FASTMINIMA_VERIFY" not in os.environ, reason="trains for ten seconds (make verify)")
def test_the_training_ends_where_the_page_says(capsys, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (training,) = blocks("python")
    exec(compile(training, str(PAGE), "exec"), {})
    for block in blocks("console"):
        if "built" not in block:
            check(block, capsys)
    assert {"descent.png", "polished.png"} <= set(os.listdir("polished"))
