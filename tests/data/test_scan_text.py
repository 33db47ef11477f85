"""Sources of a scan: text, parsed once."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

import fastminima as fm
from fastminima.data.cleaning import array_column
from fastminima.data.sources import tables_in_memory
from fastminima.data.sources import text as sources_text
from fastminima.data.text_form import TextOptions
from fastminima.errors import DataError, OptionError, ReadError, TargetError
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


# --- layouts ------------------------------------------------------------------------------------------------

ROWS = [(1.5, 2.0, 3.25), (2.5, 1.0, 0.0), (5.5, 5.0, 1.0), (7.0, 1.0, 2.0)]


def lines(mark, point=".", rows=ROWS):
    return "".join(mark.join(str(cell).replace(".", point) for cell in row) + "\n" for row in rows)


def test_a_first_line_is_never_lost(tmp_path):
    """Refused by name, or data where the caller says so."""
    path = tmp_path / "t.csv"
    for first in ("1.5,2,3", "4.5,red,3", "NA,2,3", "?,1,2", ",1,2", "1,inf,nan"):
        path.write_text(f"{first}\n{lines(',')}")
        with pytest.raises(ReadError, match=r"the first line holds numbers .*header=False"):
            opened(str(path))
    path.write_text(lines(","))
    prepared, X, y, _ = read_all(str(path), tmp_path, text=TextOptions(header=False))
    assert np.column_stack([X, y]).tolist() == [list(row) for row in ROWS]
    assert (prepared.feature_names, prepared.n_rows) == (None, 4)
    (row,) = fm.scan(str(path), header=False)
    assert row.fit.risk == fm.scan(np.array(ROWS))[0].fit.risk
    path.write_text("2019,2020,2021\n" + lines(","))
    prepared, X, y, _ = read_all(str(path), tmp_path, "2021", text=TextOptions(header=True))
    assert prepared.feature_names == ("2019", "2020")


@pytest.mark.parametrize("empty", [1, 2, 3, 7])
def test_empty_columns_at_the_right_are_none(tmp_path, empty):
    path = tmp_path / "t.csv"
    path.write_text("".join(line + "," * empty + "\n" for line in ("a,b,y\n" + lines(",")).splitlines()))
    prepared, _, y, _ = read_all(str(path), tmp_path, "y")
    assert (prepared.feature_names, y.tolist()) == (("a", "b"), [row[2] for row in ROWS])
    path.write_text(path.read_text() + "1,2,3" + "," * (empty - 1) + ",9\n")
    with pytest.raises(ReadError, match="holds values but has no name"):
        read_all(str(path), tmp_path, "y")


@pytest.mark.parametrize(
    ("name", "mark", "point", "options"),
    [
        ("t.csv", ";", ",", {}),
        ("t.csv", ";", ".", {"sep": ";"}),
        ("t.csv", "|", ".", {"sep": "|"}),
        ("t.tsv", "\t", ",", {"decimal": ","}),
        ("t.csv", "  ", ".", {"sep": "blanks"}),
        ("t.csv", ";", ",", {"sep": ";", "decimal": ","}),
    ],
)
def test_separators_and_decimal_marks(tmp_path, name, mark, point, options):
    path = tmp_path / name
    path.write_text(mark.join("aby") + "\n" + lines(mark, point))
    (row,) = fm.scan(str(path), "y", **options)
    want = fm.scan(pd.DataFrame(ROWS, columns=list("aby")), "y")[0]
    assert (row.error, row.fit and row.fit.risk) == (None, want.fit.risk)
    assert fm.read(path, "y", **options).y.tolist() == [cells[2] for cells in ROWS]
    token = opened(str(path), "y", text=TextOptions(**options)).token
    assert (token == opened(str(path), "y", text=TextOptions(header=True, **options)).token) is False


def test_text_without_a_line_of_names(tmp_path):
    path = tmp_path / "t.data"
    path.write_text(lines(" "))
    assert fm.scan(str(path))[0].fit.risk == fm.scan(np.array(ROWS))[0].fit.risk


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zip"])
def test_compressed_text(tmp_path, suffix):
    frame = pd.DataFrame(ROWS, columns=list("aby"))
    frame.to_csv(tmp_path / f"t.csv.{suffix}", index=False)
    path = str(tmp_path / f"t.csv.{suffix}")
    assert fm.scan(path, "y")[0].fit.risk == fm.scan(frame, "y")[0].fit.risk
    told = []
    opened(path, "y").prepare(str(tmp_path), lambda *what: told.append(what))
    assert told[-1][0] == 4
    content = (tmp_path / f"t.csv.{suffix}").read_bytes()
    (tmp_path / f"t.csv.{suffix}").write_bytes(content[: len(content) // 2])
    assert isinstance(fm.scan(path, "y")[0].error, ReadError)


def test_options_of_text_need_text(tmp_path):
    with pytest.raises(OptionError, match="sep is for text files"):
        fm.scan(np.array(ROWS), sep=";")
    with pytest.raises(OptionError, match="decimal must be"):
        fm.scan(np.array(ROWS), decimal="x")
    (tmp_path / "t.csv").write_text("a;y\n" + lines(";", rows=[(1, 2), (2, 1), (4, 4)]))
    assert [
        row.error for row in fm.scan({"array": np.array(ROWS), "text": str(tmp_path / "t.csv")}, 1, sep=";")
    ] == [
        None,
        None,
    ]


def test_excel_is_read_as_its_columns(tmp_path, monkeypatch):
    """The sheet itself is read by `read_excel`, which `read` has too."""
    columns = [array_column(np.array([row[i] for row in ROWS])) for i in range(2)]
    texts = array_column(np.array(["u", "v", "u", "w"]))
    read = lambda path, header: (("a", "y", "t"), [*columns, texts], 4, ("a note",))  # noqa: E731
    monkeypatch.setattr(tables_in_memory, "read_excel", read)
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
    (row,) = fm.scan(str(tmp_path / "t.xlsx"), "y")
    frame = pd.DataFrame(ROWS, columns=["a", "y", "c"])[["a", "y"]]
    assert row.fit.risk == fm.scan(frame, "y")[0].fit.risk
    assert row.notes == {"header": "a note", "rejected columns": {"t": "text"}}
