"""Every public function and class shows an example in its docstring, and what it prints is what the docstring says."""

from __future__ import annotations

import doctest
import inspect

import pytest

import fastminima as fm

NAMES = [n for n in fm.__all__ if inspect.isfunction(getattr(fm, n)) or inspect.isclass(getattr(fm, n))]
# examples that need an optional package; without it they are left out
NEEDS = {
    name: "torch"
    for name in ("EscapeBenchmark", "escape_benchmark", "to_torch", "from_torch", "load_network")
}
NEEDS |= {name: "matplotlib" for name in NAMES if name.startswith("plot_") or name == "Display"}
NEEDS |= {name: "sklearn" for name in ("Atlas", "atlas", "atlas_page")}
NEEDS |= {name: "flint" for name in ("CounterExample", "CounterStatus", "counterexample")}
NEEDS |= {name: "flint" for name in ("SmoothDecision", "SmoothMinimum", "SmoothPolish")}


def test_there_are_names():
    assert len(NAMES) > 80


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs(name, monkeypatch):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    monkeypatch.setenv("MPLBACKEND", "Agg")
    text = inspect.getdoc(getattr(fm, name))
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert example.examples, f"{name} has no example"
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert not result.failed, "".join(report)
