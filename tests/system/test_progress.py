"""Progress is a bar on a terminal and in a notebook, a function of the caller's, and silent when piped."""

from __future__ import annotations

import sys
import types
from contextlib import suppress

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import OptionError
from fastminima.system import progress as module
from fastminima.system.progress import as_progress, bar, rows_bar


class Tqdm:
    """What is used of tqdm."""

    made: list = []  # noqa: RUF012

    def __init__(self, total=None, **options):
        self.total, self.options, self.n, self.moves, self.titles = total, options, 0, [], []
        Tqdm.made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.closed = True

    def update(self, step):
        self.n += step
        self.moves.append(self.n)

    def reset(self, total=None):
        self.total, self.n = total, 0

    def set_description(self, title):
        self.titles.append(title)


class Terminal:
    def isatty(self):
        return True

    def write(self, text):
        return len(text)

    def flush(self):
        pass


@pytest.fixture
def tqdm(monkeypatch):
    """tqdm alone, as if it were installed and rich were not."""
    fake = types.ModuleType("tqdm.auto")
    fake.tqdm = Tqdm
    Tqdm.made = []
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", fake)
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    return Tqdm


def table(m=60):
    rng = np.random.default_rng(0)
    return rng.normal(size=(m, 2)), rng.normal(size=m)


def test_what_progress_may_be():
    assert as_progress(True) is True
    assert as_progress(0) is False
    assert as_progress(print) is print
    for wrong in (None, "yes", [], 2, 0.5):
        with pytest.raises(OptionError, match="True, False or a function"):
            as_progress(wrong)


def test_shares_do_not_fall_and_end_at_one():
    told = []
    with bar("x", 10, progress=told.append) as tell:
        for done in (1, 5, 3, 12):
            tell(done)
    assert told == [0.1, 0.5, 1.0]
    told.clear()
    with bar("x", 4, progress=told.append) as tell:
        tell(1)
    assert told == [0.25, 1.0]
    told.clear()
    with suppress(KeyError), bar("x", 4, progress=told.append) as tell:
        tell(1)
        raise KeyError
    assert told == [0.25]
    with bar("x", 0, progress=told.append):
        pass
    assert told == [0.25, 1.0]


def runs(tmp_path):
    """Every public function that takes progress, with what it is called with here."""
    X, y = table()
    data = fm.Dataset(X, y)
    lines = ["a,b,c", *(",".join(map(repr, row)) for row in np.column_stack([X, y]).tolist())]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    low = fm.spurious_minimum(data)
    found = {
        "read": lambda progress: fm.read(tmp_path / "t.csv", "c", progress=progress),
        "probe": lambda progress: low.probe(radius=0.1, n=2000, progress=progress),
        "fit_network": lambda progress: fm.fit_network(data, 2, n_starts=2, progress=progress),
        "bracket": lambda progress: fm.bracket(data, 2, n_starts=2, progress=progress),
        "scan": lambda progress: fm.scan([data, data], progress=progress),
    }
    return found


@pytest.mark.parametrize("name", ["read", "probe", "fit_network", "bracket", "scan"])
def test_a_function_is_told_shares_by_all_alike(name, tmp_path, capsys):
    call, told = runs(tmp_path)[name], []
    plain, found = call(False), call(told.append)
    assert told[-1] == 1.0
    assert all(0.0 <= share <= 1.0 for share in told)
    assert told == sorted(told)
    if name == "probe":
        assert found == plain
    # piped: nothing is drawn
    call(True)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
    for wrong in ("yes", 2, []):
        with pytest.raises(OptionError, match="progress must be"):
            call(wrong)


def test_every_public_function_with_progress_is_among_them(tmp_path):
    import inspect

    having = {
        name
        for name in fm.__all__
        if inspect.isfunction(getattr(fm, name))
        and "progress" in inspect.signature(getattr(fm, name)).parameters
    }
    # the benchmark needs PyTorch and the atlas time; both take it as the others do
    assert having == {*runs(tmp_path), "atlas", "escape_benchmark"}


def test_the_benchmark_takes_progress_as_the_others_do():
    with pytest.raises(OptionError, match="progress must be"):
        fm.escape_benchmark(table(), "adam", progress="yes")


def test_scan_tells_a_function_of_four_about_rows():
    X, y = table()
    told = []
    fm.scan({"a": (X, y)}, progress=lambda name, stage, done, total: told.append((name, stage, done, total)))
    assert told == [("a", "scanned", 60, 60)]


@pytest.mark.parametrize("name", ["read", "probe", "fit_network", "bracket", "scan"])
def test_tqdm_draws_where_rich_is_not_installed(name, tmp_path, tqdm, monkeypatch):
    call = runs(tmp_path)[name]
    monkeypatch.setattr(sys, "stderr", Terminal())
    call(True)
    assert tqdm.made
    assert tqdm.made[0].closed
    if name != "scan":
        assert tqdm.made[0].moves
        assert tqdm.made[0].n <= tqdm.made[0].total
    else:
        assert any("scanned" in title for title in tqdm.made[0].titles)


def test_a_notebook_asks_tqdm_first(tqdm, monkeypatch):
    Shell = type("ZMQInteractiveShell", (), {})
    notebook = types.ModuleType("IPython")
    notebook.get_ipython = Shell
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.delitem(sys.modules, "rich.progress")
    assert module._drawer().__name__ == "tqdm.auto"
    with bar("x", 4, progress=True) as tell:
        tell(3)
    assert tqdm.made[0].moves == [3]
    # another kind of shell has a terminal, or none
    notebook.get_ipython = type("TerminalInteractiveShell", (), {})
    assert module._drawer() is None


def test_without_rich_and_tqdm_nothing_is_drawn(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    with bar("x", 4, progress=True) as tell, rows_bar(enabled=True) as rows:
        tell(3)
        rows("a", 1, None)


def test_rows_are_counted_anew_under_a_new_title(tqdm, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with rows_bar(enabled=True) as tell:
        tell("a: reading", 10, 100)
        tell("a: reading", 40, 100)
        tell("b\x1b[31m: reading", 5, None)
    [shown] = tqdm.made
    assert shown.titles == ["a: reading", r"b\x1b[31m: reading"]
    assert shown.moves == [40]
    assert (shown.n, shown.total) == (5, None)
