"""Sources of a scan: text, parsed once."""

from __future__ import annotations

import os

import pytest

from fastminima.data.sources import text as sources_text
from fastminima.errors import DataError, ReadError, TargetError
from scan_tables import opened, read_all


@pytest.mark.parametrize("rows", [10, 3000])
def test_a_column_that_turns_into_text(tmp_path, rows):
    path = tmp_path / "t.csv"
    lines = [f"{i},{i / 7!r},{i % 5}" for i in range(rows)]
    lines[rows - 2] = f"{rows},oops,1"
    path.write_text("\n".join(["a,b,y", *lines]) + "\n")
    message = rf"column 'b' begins with numbers but holds the text 'oops' in data row {rows - 1} \(line {rows} of the file\)"
    for options in ({}, {"categories": "onehot"}, {"features": ["b"]}):
        with pytest.raises(ReadError, match=message):
            opened(str(path), "y", **options).prepare(str(tmp_path))
    assert [name for name in os.listdir(tmp_path) if name != "t.csv"] == []
    prepared, X, _, _ = read_all(str(path), tmp_path, "y", features=["a"])
    assert (len(X), prepared.notes) == (rows, {})


def test_a_column_of_text_is_rejected_and_named(tmp_path, monkeypatch):
    """Whatever follows its first value: tickets that look like numbers are tickets."""
    monkeypatch.setattr(sources_text, "_CHUNK_CELLS", 1)
    path = tmp_path / "t.csv"
    cells = ["A1", "22"] + ["7"] * 3000 + ["B2"]
    path.write_text("a,b,e,y\n" + "".join(f"{i},{cell},,{i % 3}\n" for i, cell in enumerate(cells)))
    prepared, X, _, _ = read_all(str(path), tmp_path, "y")
    assert prepared.feature_names == ("a",)
    assert prepared.notes == {
        "rejected columns": {"b": "text ('A1' in data row 1)", "e": "empty in every row"}
    }
    assert X[:, 0].tolist() == list(range(3003))
    with pytest.raises(ReadError, match=r"features that are not numeric: 'b' \(text"):
        opened(str(path), "y", features=["a", "b"]).prepare(str(tmp_path))
    with pytest.raises(TargetError, match="target column 'b' is text"):
        opened(str(path), "b").prepare(str(tmp_path))
    # as categories the texts are what the file says, also where a whole chunk looked like numbers
    prepared, X, _, _ = read_all(str(path), tmp_path, "y", features=["b"], categories="onehot")
    assert prepared.feature_names == ("b=7", "b=A1", "b=B2")
    assert X.sum(axis=0).tolist() == [3000, 1, 1]


def test_text_with_quotes_blank_lines_booleans_and_gaps(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text('a,"b, c",flag,y\n1, "2",True,3\n\n4,,False,6\n7,8,,9\n10,11,True,12')
    prepared, X, y, _ = read_all(str(path), tmp_path, "y", missing="drop")
    assert prepared.feature_names == ("a", "b, c", "flag")
    assert (X.tolist(), y.tolist()) == ([[1, 2, 1], [10, 11, 1]], [3, 12])
    with pytest.raises(DataError, match=r"column 'b, c' has no value in data row 2 \(line 4 of the file\)"):
        read_all(str(path), tmp_path, "y")
    path.write_text("a,y\nTrue,1\n2,2\n")
    with pytest.raises(ReadError, match=r"not numeric: 'a' \(text \('True' in data row 1\)\)"):
        read_all(str(path), tmp_path, "y", features=["a"])
    monkeypatch.setattr(sources_text, "_CHUNK_CELLS", 1)
    path.write_text("a,y\n" + "True,1\n" * 1024 + "2,2\n")
    with pytest.raises(ReadError, match="column 'a' mixes True/False with numbers"):
        read_all(str(path), tmp_path, "y")


def test_progress_is_told_while_text_is_parsed(files, tmp_path, monkeypatch):
    monkeypatch.setattr(sources_text, "_CHUNK_CELLS", 1)
    (tmp_path / "t.csv").write_text("y\n" + "1\n" * 5000)
    told = []
    opened(str(tmp_path / "t.csv"), "y").prepare(str(tmp_path), lambda *what: told.append(what))
    assert [done for done, _ in told] == [1024, 2048, 3072, 4096, 5000]
    assert all(done <= total for done, total in told)
    assert told[-1] == (5000, 5000)
