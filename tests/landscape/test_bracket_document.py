"""docs/bracket.md says what the library prints."""

from __future__ import annotations

import re

import fastminima as fm
from places import ROOT


def test_the_page_runs_and_prints_what_it_shows(capsys):
    text = (ROOT / "docs" / "bracket.md").read_text()
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.M)
    code = "\n".join(line[4:] for block in blocks for line in block.splitlines() if not line.startswith("    Bracket("))
    names: dict[str, object] = {}
    exec(compile(code, "docs/bracket.md", "exec"), names)
    assert capsys.readouterr().out.strip() in text
    assert fm.interpolation_width((names["x"], names["y"])).width == 6
