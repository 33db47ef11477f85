"""The example of deep escapes runs at a small size, and its table stands in the documentation."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

import fastminima as fm

ROOT = Path(__file__).parents[2]


@pytest.fixture
def example():
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    spec = importlib.util.spec_from_file_location("escape_deep", ROOT / "examples" / "escape_deep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_runs(example, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["escape_deep.py", "--steps", "20"])
    assert example.main() == 0
    out = capsys.readouterr().out
    assert "wine softmax ReLU 8-8: spurious, loss 94.098464" in out
    rows = [line for line in out.splitlines() if re.match(r"\| (sgd|adam|lbfgs)", line)]
    assert len(rows) == 5
    for line in rows:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert len(cells) == 5
        # no noise, or less than the radius: nothing is lower
        assert cells[1].startswith("0 (0) / 1.0")
        assert cells[2].startswith("0 (0) / 1.0")


def test_its_cases_are_those_of_the_page(example):
    page = (ROOT / "docs" / "escape.md").read_text(encoding="utf-8")
    assert "python examples/escape_deep.py --full --steps 1000" in page
    for name, data, known in example.cases():
        low = fm.spurious_minimum(data, known["activation"], known["width"], loss=known.get("loss", "squared"))
        assert f"{name}: {low.status}, loss {low.loss:.6f}, radius {low.radius:.3f}" in page, name
