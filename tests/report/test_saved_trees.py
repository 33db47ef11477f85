"""Brackets in files: with the tree of cells that proves them, if it is small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import ReadError
from fastminima.landscape.bracket.branch_and_bound import SearchTree
from fastminima.landscape.bracket.lower_bound import LowerBound
from fastminima.reporting.results import files, kinds


def test_a_bracket_by_cells_is_read_with_its_tree_and_proves_the_same(tmp_path):
    x = np.arange(-5.0, 6.0)
    b = fm.bracket((x[:, None], np.where(x > 0, 1.0, np.where(x == 0, 3.0, -1.0))), 1, n_starts=3)
    assert b.bound.tree is not None
    b.save(tmp_path / "b.npz")
    found = fm.load_result(tmp_path / "b.npz")
    assert found == b
    assert found.bound.tree == b.bound.tree
    assert fm.prove(found).content == fm.prove(b).content
    assert "no lower risk at width with these slopes" in [c["claim"] for c in fm.prove(found).claims]


def test_trees_that_are_none_are_refused_and_large_ones_left_out(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    b = fm.bracket((rng.normal(size=(12, 1)), rng.normal(size=12)), 1, n_starts=1)
    tree = b.bound.tree
    assert tree.fault() is None
    for unit, at, first in ((1, 0, None), (0, 5, None), (0, -1, None), (0, 0, 0), (0, 0, 10**6)):
        cut, after = tree.cuts[0] if 0 in tree.cuts else next(iter(tree.cuts.values()))
        number = next(k for k, (c, _) in tree.cuts.items() if c is cut)
        cuts = {**tree.cuts, number: (replace(cut, unit=unit, at=at, by_row=False), after if first is None else first)}
        wrong = replace(b, bound=replace(b.bound, tree=replace(tree, cuts=cuts)))
        monkeypatch.setattr(SearchTree, "fault", lambda self: None)
        wrong.save(tmp_path / "wrong.npz")
        monkeypatch.undo()
        with pytest.raises(ReadError):
            fm.load_result(tmp_path / "wrong.npz")
    monkeypatch.setattr(kinds, "_MOST_CELLS", 10)
    b.save(tmp_path / "large.npz")
    assert fm.load_result(tmp_path / "large.npz").bound.tree is None


def test_brackets_of_files_without_trees_and_notes_are_read(tmp_path, monkeypatch):
    """As they were written before there were any."""
    b = fm.bracket(([[0.0], [1.0], [2.0], [3.0]], [0.0, 2, 1, 3]), 1, n_starts=1)
    [kind] = [kind for kind in files.RESULTS.kinds.values() if kind.cls is LowerBound]
    taken = kind.take
    older = replace(kind, take=lambda one: {k: v for k, v in taken(one).items() if k not in ("tree", "notes")})
    hints = {k: v for k, v in kind.holds.items() if k not in ("tree", "notes")}
    monkeypatch.setitem(files.RESULTS.kinds, LowerBound, replace(older, hints=hints))
    b.save(tmp_path / "b.npz")
    monkeypatch.undo()
    found = fm.load_result(tmp_path / "b.npz")
    assert (found.bound.exact, found.bound.notes, found.bound.tree) == (b.bound.exact, (), None)
