"""docs/torch.md runs as it stands."""

from __future__ import annotations

import re

import pytest

import fastminima as fm
from places import ROOT


def test_every_line_of_the_document_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "torch.md").read_text()
    code = "\n".join(re.findall(r"^    (.*)$|^$", text, re.M))
    names = {}
    exec(compile(code, "docs/torch.md", "exec"), names)
    decided, polished = (line for line in capsys.readouterr().out.splitlines() if "(" in line)
    assert decided.startswith("Decision(not_a_minimum")
    assert polished.startswith("Polish(local_minimum")
    assert names["found"].risk <= names["net"].risk(names["data"])
    assert fm.from_torch(names["back"]) == names["found"].network
