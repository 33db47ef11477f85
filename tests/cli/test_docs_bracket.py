"""The commands of docs/bracket.md print what stands there."""

from __future__ import annotations

import re
import shlex

import pytest

import fastminima as fm
from fastminima.cli.main import main
from places import ROOT

PAGE = ROOT / "docs" / "bracket.md"


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


def test_the_table_of_the_page_is_what_the_command_prints(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (data,) = blocks("python")
    exec(compile(data, str(PAGE), "exec"), {})
    (console,) = blocks("console")
    first, *shown = console.splitlines()
    assert main(shlex.split(first.removeprefix("$ "))[1:]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    for told, found in zip(shown, printed, strict=True):
        if told.startswith("time:"):
            continue
        # where a search ends may differ by the last bits of a machine; what is proved may not
        if re.match(r" \d", told):
            one, other = told.split(), found.split()
            assert one[:2] == other[:2]
            assert one[9:] == other[9:]
            assert float(other[2]) == pytest.approx(float(one[2]), rel=0.01)
        else:
            assert told == found
    # what the text says of the picture
    steps = fm.staircase(fm.bracket(fm.read("waves.csv", target="y"), 2, n_starts=1))
    text = " ".join(PAGE.read_text().split())
    assert f"{100 * (1 - steps.paper):.2f} % of the least-squares risk" in text
    assert f"one kink {100 * (1 - steps.kink):.1f} %" in text
