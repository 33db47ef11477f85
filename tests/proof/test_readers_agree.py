"""One table of files through both readers, the library's and the checker's: the same rows of rationals, or both refuse."""

from __future__ import annotations

import io
import warnings
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastminima as fm
from fastminima.errors import FastMinimaError
from fastminima.proof import check as checker
from fastminima.proof.certificate import data_rows
from pace import at_most

Rows = list[tuple[F, ...]] | None
BIG = 2**53 + 1


def library(path: Path, columns: dict[str, Any]) -> tuple[Rows, bool]:
    features = columns.get("features")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 2's headers
            data = fm.read(
                path,
                target=columns.get("target", "-1"),
                features=None if features is None else features.split(","),
                sample_weight=columns.get("weight"),
                meaning=columns.get("meaning", "binary"),
                header=columns.get("header"),
            )
    except FastMinimaError:
        return None, False
    return [tuple(map(F, row)) for row in data_rows(data)], data.sample_weight is not None


def alone(path: Path, columns: dict[str, Any]) -> tuple[Rows, bool]:
    asked = columns.get("target", "-1"), columns.get("features"), columns.get("weight")
    try:
        source = checker.Source(
            str(path), columns.get("meaning", "binary"), False, *asked, bool(columns.get("header"))
        )
    except Exception:
        return None, False
    return [tuple(map(F, row)) for row in source.rows()], source.weighted


def both(path: Path, expected: Any, **columns: Any) -> None:
    with at_most(500):
        found = alone(path, columns)
    assert library(path, columns) == found
    assert found[0] == (None if expected is None else [tuple(map(F, row)) for row in expected])


TWO = [("1", "2"), ("3", "4")]
# (the bytes after the header "a,y", what they are, or None for no data)
CELLS: list[tuple[str, Any]] = [
    ("1,2\n3,4\n", TWO),
    ("1,2\n3,4", TWO),
    ("1,2\r\n3,4\r\n", TWO),
    ("1,2\r3,4\r", TWO),
    ("1,2\n\n3,4\n\n\n", TWO),
    ("1,2\n  \n3,4\n \t ", TWO),
    ("\r1,2\r \r3,4\r", TWO),
    ("1,2\n\x0b\n3,4\n", None),
    (" 1, 2\n\t3,  4 \n", TWO),
    ('"1","2"\n"3", "4"\n', TWO),
    ('"1"\t,2\n3,4\n', TWO),
    ('1,\t"2"\n3,4\n', None),
    ('"1"0,2\n"3""",4\n', None),
    ('"1"0,2\n3,4\n', [("10", "2"), ("3", "4")]),
    ('1,2\n3,"4\n', None),
    ('1,2\n3,"4\n5,6\n', None),
    ('"1\n",2\n3,"\n4"\n', TWO),
    ('1,2\n"3\r\n",4\n', TWO),
    ('1,"2,5"\n3,4\n', None),
    ("1,2,5\n3,4,5\n", None),
    ("1,2\n3,4,5\n", None),
    ("1,2,\n3,4,\n", TWO),
    ("1,2,\n3,4\n", TWO),
    ("1,2,NA\n3,4,\n", TWO),
    ("1,2\n3,4,\n", None),
    ("1,2,,\n3,4,,\n", None),
    ("1,2,\n3,4,5\n", None),
    ("1\n3,4\n", None),
    ("1,2\n3\n", None),
    ("1,\n3,4\n", None),
    (",2\n3,4\n", None),
    ("1,2\n,\n", None),
    ("\r,1\r2,3\r", None),
    ('1,2\n"",4\n', None),
    ("", None),
    ("\n\n", None),
    ("1,nan\n3,4\n", None),
    ("1,NA\n3,4\n", None),
    ("1,None\n3,4\n", None),
    ("1,?\n3,4\n", None),
    ("1,inf\n3,4\n", None),
    ("1,-Infinity\n3,4\n", None),
    ("1,0x10\n3,4\n", None),
    ("1,0x1p3\n3,4\n", None),
    ("1,1_000\n3,4\n", None),
    ("1,1d2\n3,4\n", None),
    ("1,1e\n3,4\n", None),
    ("1,e5\n3,4\n", None),
    ("1,.\n3,4\n", None),
    ("1,2 3\n3,4\n", None),
    ("1,--2\n3,4\n", None),
    ("1,1/3\n3,4\n", None),
    ("1,\N{ARABIC-INDIC DIGIT THREE}\n3,4\n", None),
    ("1,\N{FULLWIDTH DIGIT ONE}\n3,4\n", None),
    ("1,2\N{NO-BREAK SPACE}\n3,4\n", TWO),
    ("1,\N{MINUS SIGN}2\n3,4\n", None),
    ("+1,2\n3,+4.\n", TWO),
    ("-1,.5\n-.25,4E+2\n", [("-1", "1/2"), ("-1/4", "400")]),
    ("007,-0\n-0.0,1e00002\n", [("7", "0"), ("0", "100")]),
    ("1e400,2\n3,4\n", None),
    ("1e-400,2\n3,4\n", [("0", "2"), ("3", "4")]),
    ("1e999999999,2\n3,4\n", None),
    ("1e-999999999,2\n3,4\n", [("0", "2"), ("3", "4")]),
    ("0e999999999,2\n3,4\n", [("0", "2"), ("3", "4")]),
    ("1e" + "9" * 50 + ",2\n3,4\n", None),
    ("1.7976931348623159e308,2\n3,4\n", None),
    ("1.7976931348623157e308,2\n3,4\n", [(F(1.7976931348623157e308), 2), (3, 4)]),
    ("5e-324,2\n3,4\n", [(F(5e-324), 2), (3, 4)]),
    ("0." + "0" * 400 + "1,2\n3,4\n", [("0", "2"), ("3", "4")]),
    (f"{BIG},2\n3,4\n", [(BIG, 2), (3, 4)]),
    (f"{BIG},2\n0.5,4\n", [(2**53, 2), ("1/2", 4)]),
    (f"0.5,{BIG}\n3,4\n", [("1/2", BIG), (3, 4)]),
    (f"{2**64 + 1},2\n-3,4\n", [(2**64 + 1, 2), (-3, 4)]),
    (f"{2**63},2\n-1,4\n", [(2**63, 2), (-1, 4)]),
    (f"{10**400},2\n3,4\n", [(10**400, 2), (3, 4)]),
    (f"{10**400},2\n3.5,4\n", None),
    ("9" * 5000 + ",2\n3,4\n", [(10**5000 - 1, 2), (3, 4)]),
    ("True,2\nFalse,4\n", [(1, 2), (0, 4)]),
    ("true,TRUE\nFALSE,false\n", [(1, 1), (0, 0)]),
    ("True,2\n0,4\n", None),
    ("True,2\n,4\n", None),
    ('" True",2\nFalse,4\n', None),
    ("True ,2\nFalse,4\n", None),
    ("yes,2\nno,4\n", None),
    ("tRUE,2\nfALSE,4\n", [(1, 2), (0, 4)]),
    ("1,2\n#3,4\n", None),
    ("1;2\n3;4\n", None),
    ("1,2\n3,4\x00\n", None),
    ("1,2\n" * 3000 + "3,\x004\n", None),
    ("1,2\n3,4\x1a\n", None),
]
HEADERS: list[tuple[str, Any]] = [
    ("a,y\n1,2\n3,4\n", TWO),
    ("\ufeffa,y\n1,2\n3,4\n", TWO),
    ('\ufeff"a","y"\n1,2\n3,4\n', TWO),
    ("\n \n a , y \n1,2\n3,4\n", TWO),
    ("a,y,\n1,2,\n3,4,\n", TWO),
    ("a,y,\n1,2\n3,4\n", TWO),
    ("a,y,\n1,2,5\n3,4,6\n", None),
    ("a,y,,\n1,2,,\n3,4,,\n", TWO),
    ("a,y,,,\n1,2,,,\n3,4,NA,,\n", TWO),
    ("a,y,,\n1,2,,\n3,4,,5\n", None),
    ('"a\nb","y"\n1,2\n3,4\n', TWO),
    ('"a,b",y\n1,2\n3,4\n', TWO),
    ('"a""b",y\n1,2\n3,4\n', TWO),
    ('"a,y\n1,2\n3,4\n', None),
    ("a,a\n1,2\n3,4\n", None),
    ("a, a \n1,2\n3,4\n", None),
    (",y\n1,2\n3,4\n", TWO),
    ("\r,y\r1,2\r3,4", TWO),
    (",\n1,2\n3,4\n", None),
    ("1.5,2\n3,4\n1,2\n", None),
    ("1.5,y\n1,2\n3,4\n", None),
    ("1,1\n1,2\n3,4\n", None),
    ("1,\n1,2\n3,4\n", None),
    ("1,NA\n1,2\n3,4\n", None),
    ("1,?\n1,2\n3,4\n", None),
    ("1990,1991\n1,2\n3,4\n", None),
    ("true,y\n1,2\n3,4\n", None),
    ("inf,y\n1,2\n3,4\n", None),
    ("NA,?\n1,2\n3,4\n", None),
    ("site,1991\n1,2\n3,4\n", None),
    ("y\n2\n4\n", [("2",), ("4",)]),
    ("y\n2\n\n4", [("2",), ("4",)]),
    ('y\n2\n""\n4\n', None),
    ('""\ny\n2\n4\n', None),
    ("a;y\n1;2\n3;4\n", None),
    ("a\ty\n1\t2\n3\t4\n", None),
    ("a,y\n", None),
    ("\n", None),
    ("PAR1,y\n1,2\n", None),
    ("\N{LATIN SMALL LETTER E WITH ACUTE}t\N{LATIN SMALL LETTER E WITH ACUTE},y\n1,2\n3,4\n", TWO),
]


@pytest.mark.parametrize("number", range(len(CELLS)))
@pytest.mark.parametrize("suffix", [".csv", ".TSV"])
def test_cells_are_read_alike(number, suffix, tmp_path):
    text, expected = CELLS[number]
    if suffix == ".TSV":
        if "\t" in text or '"2,5"' in text or ";" in text:
            pytest.skip("a tab separates here, and a comma does not")
        text = text.replace(",", "\t")
    path = tmp_path / f"Data{suffix}"
    path.write_bytes((("a,y\n" if suffix == ".csv" else "a\ty\n") + text).encode())
    both(path, expected)


@pytest.mark.parametrize("number", range(len(HEADERS)))
def test_first_lines_are_read_alike(number, tmp_path):
    text, expected = HEADERS[number]
    (tmp_path / "data.CSV").write_bytes(text.encode())
    both(tmp_path / "data.CSV", expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1990,1991\n1,2\n3,4\n", TWO),
        ("site,1991\n1,2\n3,4\n", TWO),
        ("1.5,y\n1,2\n3,4\n", TWO),
        ("true,inf\n1,2\n3,4\n", TWO),
        ("NA,?,,\n1,2,,\n3,4,,\n", TWO),
        ("1,1\n1,2\n3,4\n", None),
        ("1,2,\n1,2,3\n", None),
    ],
)
def test_names_that_are_numbers_are_said_to_be_names(text, expected, tmp_path):
    (tmp_path / "data.csv").write_text(text)
    both(tmp_path / "data.csv", expected, header=True)


# (two cells of a column that is meant as written, and their values or None)
DECIMALS: list[tuple[str, str, Any]] = [
    ("0.1", "2", ("1/10", 2)),
    (" 1e-3 ", "+.5", ("1/1000", "1/2")),
    ("1e400", "2", (10**400, 2)),
    ("1e-400", "2", (F(1, 10**400), 2)),
    ("1e9999", "2", (10**9999, 2)),
    ("1e10001", "2", None),
    ("12e10000", "2", None),
    ("0.01e-9999", "2", None),
    ("1e999999999", "2", None),
    ("1e-999999999", "2", None),
    ("0e999999999", "2", (0, 2)),
    ("0e-999999999", "2", (0, 2)),
    ("0e+0000000001", "2", None),
    ("0e9999999999", "2", None),
    ("1e" + "9" * 30, "2", None),
    (str(BIG), "0.5", (BIG, "1/2")),
    ("True", "False", None),
    ("nan", "2", None),
    ("", "2", None),
    ("inf", "2", None),
    ("1_0", "2", None),
]


@pytest.mark.parametrize("number", range(len(DECIMALS)))
def test_decimals_are_read_alike(number, tmp_path):
    one, two, values = DECIMALS[number]
    (tmp_path / "data.csv").write_text(f"a,y\n{one},7\n{two},0.3\n")
    expected = None if values is None else [(values[0], 7), (values[1], "3/10")]
    both(tmp_path / "data.csv", expected, meaning="decimal")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a,y,\n0.1,7,\n", [("1/10", 7)]), ("a,y\n0.1,7,\n", None), ("a,y,\n0.1,7,NA\n", None)],
)
def test_commas_at_the_end_of_decimals(text, expected, tmp_path):
    (tmp_path / "data.csv").write_text(text)
    both(tmp_path / "data.csv", expected, meaning="decimal")


TABLE = "a,b,w,note,y\n1,2,1,x,5\n3,4,0,,6\n7,8,0.5,z,9\n"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"features": "a,b", "target": "y"}, [(1, 2, 5), (3, 4, 6), (7, 8, 9)]),
        ({"features": "b,0", "target": "4"}, [(2, 1, 5), (4, 3, 6), (8, 7, 9)]),
        ({"features": "a,a", "target": "y"}, [(1, 1, 5), (3, 3, 6), (7, 7, 9)]),
        ({"features": "a", "target": "y", "weight": "w"}, [(1, 5, 1), (7, 9, "1/2")]),
        ({"features": "a", "target": "-1", "weight": "-3"}, [(1, 5, 1), (7, 9, "1/2")]),
        ({"features": "a,y", "target": "y"}, None),
        ({"features": "a,w", "target": "y", "weight": "w"}, None),
        ({"features": "a", "target": "w", "weight": "w"}, None),
        ({"features": "a,note", "target": "y"}, None),
        ({"target": "y"}, None),
        ({"features": "a", "target": "Y"}, None),
        ({"features": "a", "target": "5"}, None),
        ({"features": "a", "target": "-6"}, None),
        ({"features": "a,", "target": "y"}, None),
        ({"features": "", "target": "y"}, None),
        ({"features": "a", "target": "y", "weight": "b"}, [(1, 5, 2), (3, 6, 4), (7, 9, 8)]),
        ({"features": "a", "target": "a,b"}, None),
    ],
)
def test_columns_have_one_role_each(columns, expected, tmp_path):
    (tmp_path / "data.csv").write_text(TABLE)
    both(tmp_path / "data.csv", expected, **columns)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("1 1 1", [(1, 5), (2, 6), (3, 7)]),  # as good as none
        ("1 0 1", [(1, 5, 1), (3, 7, 1)]),
        ("True True False", [(1, 5, 1), (2, 6, 1)]),
        ("0 0 0", None),
        ("1 -1 1", None),
        (f"1 {BIG} 1", None),
        ("0.1 2 3", [(1, 5, F(0.1)), (2, 6, 2), (3, 7, 3)]),
        ("1 nan 1", None),
        ("1 1e400 1", None),
    ],
)
def test_weights_are_read_alike(weights, expected, tmp_path):
    lines = [f"{i},{w},{i + 4}\n" for i, w in enumerate(weights.split(), 1)]
    (tmp_path / "data.csv").write_text("a,w,y\n" + "".join(lines))
    both(tmp_path / "data.csv", expected, weight="w")
    if weights.startswith("0.1"):  # a tenth is no float64 number
        both(tmp_path / "data.csv", None, weight="w", meaning="decimal")


@pytest.mark.parametrize("name", ["data.txt", "data", "data.csv.gz", "data.npz"])
def test_other_suffixes_are_refused_alone(name, tmp_path):
    (tmp_path / name).write_text("a,y\n1,2\n")
    assert alone(tmp_path / name, {})[0] is None


# ---- arrays --------------------------------------------------------------------------------------------------------

M = np.array([[1.5, 2, 3], [2, 1, 0], [5, 5, 1], [7, 1, 2]])
M_ROWS = [tuple(row) for row in M.tolist()]
HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }"


def stored(array: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def by_hand(
    old: str = "", new: str = "", version: tuple[int, int] = (1, 0), magic: bytes = b"\x93NUMPY", pad: int = 0
) -> bytes:
    header = HEADER.replace(old, new).encode() + b" " * pad + b"\n"
    size = len(header).to_bytes(2 if version[0] == 1 else 4, "little")
    return magic + bytes(version) + size + header + M.tobytes()


def records(*kinds: Any, align: bool = False) -> Any:
    array = np.zeros(4, dtype=np.dtype(list(kinds), align=align))
    for j, name in enumerate("aby"):
        array[name] = M[:, j]
    return array


ARRAYS: dict[str, tuple[bytes, Any]] = {
    "plain": (stored(M), M_ROWS),
    "columns first": (stored(np.asfortranarray(M)), M_ROWS),
    "the other byte order": (stored(M.astype(">f8")), M_ROWS),
    "half": (stored(M.astype("f2")), M_ROWS),
    "half, the other order, columns first": (stored(np.asfortranarray(M.astype(">f2"))), M_ROWS),
    "single": (stored(M.astype(">f4")), M_ROWS),
    "bytes after it": (stored(M) + b"more", M_ROWS),
    "one byte short": (stored(M)[:-1], None),
    "only a header": (stored(M)[:128], None),
    "half a header": (stored(M)[:40], None),
    "eight bytes": (stored(M)[:8], None),
    "nothing": (b"", None),
    "long integers": (
        stored(np.array([[BIG, 1], [-BIG, 2]])),
        [(BIG, 1), (-BIG, 2)],
    ),
    "unsigned": (stored(np.array([[2**64 - 1, 1]], dtype=">u8")), [(2**64 - 1, 1)]),
    "small integers": (stored(np.array([[-128, 1]], dtype="i1")), [(-128, 1)]),
    "truth": (stored(np.array([[True, False]])), [(1, 0)]),
    "version 2": (stored(M, version=(2, 0)), M_ROWS),
    "version 3": (stored(M, version=(3, 0)), M_ROWS),
    "version 4": (by_hand(version=(4, 0)), None),
    "version 1.1": (by_hand(version=(1, 1)), None),
    "version 0": (by_hand(version=(0, 0)), None),
    "another magic": (by_hand(magic=b"\x93NUMPX"), None),
    "no magic": (by_hand(magic=b"NUMPY!"), None),
    "by hand": (by_hand(), M_ROWS),
    "a long header": (by_hand(pad=20_000), M_ROWS),
    "too long a header": (by_hand(pad=1 << 20, version=(2, 0)), None),
    "Python 2": (by_hand("(4, 3)", "(4L, 3L)"), M_ROWS),
    "order 1": (by_hand("False", "1"), None),
    "order F": (by_hand("False", "'F'"), None),
    "order None": (by_hand("False", "None"), None),
    "columns first by hand": (
        by_hand("False", "True"),
        [tuple(row) for row in M.ravel().reshape(3, 4).T.tolist()],
    ),
    "blanks of another kind in the header": (by_hand("}", "}\x0b "), None),
    "a field more": (by_hand("}", "'x': 1}"), None),
    "a field less": (by_hand("'fortran_order': False, ", ""), None),
    "a call": (by_hand("(4, 3)", "len('abcd')"), None),
    "negative": (by_hand("(4, 3)", "(-4, -3)"), None),
    "a list": (by_hand("(4, 3)", "[4, 3]"), None),
    "huge": (by_hand("(4, 3)", "(4000000000000, 3)"), None),
    "no order of bytes": (by_hand("<f8", "f8"), M_ROWS),
    "three bytes": (by_hand("<f8", "<i3"), None),
    "objects": (by_hand("<f8", "|O"), None),
    "no rows": (stored(M[:0]), None),
    "no columns": (stored(M[:, :0]), None),
    "one axis": (stored(M.ravel()), None),
    "three axes": (stored(M[:, :, None]), None),
    "a number": (stored(np.array(1.0)), None),
    "nan": (stored(np.where(M == 7, np.nan, M)), None),
    "inf": (stored(np.where(M == 7, -np.inf, M)), None),
    "long double": (stored(M.astype("g")), None),
    "complex": (stored(M.astype("c16")), None),
    "text": (stored(M.astype("U4")), None),
    "times": (stored(M.astype("m8[s]")), None),
    "records": (
        stored(records(("a", "<f8"), ("b", ">i2"), ("y", "<f4"))),
        M_ROWS,
    ),
    "aligned records": (stored(records(("a", "f4"), ("b", "f8"), ("y", "i1"), align=True)), M_ROWS),
    "records with text": (stored(records(("a", "f8"), ("t", "U3"), ("b", "f8"), ("y", "f8"))), None),
    "two axes of records": (stored(records(("a", "f8"), ("b", "f8"), ("y", "f8"))[:, None]), None),
    "a name twice": (
        by_hand("'<f8'", "[('a', '<f8'), ('a', '<f8'), ('y', '<f8')]").replace(b"(4, 3)", b"(4,)  "),
        None,
    ),
    "padding": (
        by_hand("'<f8'", "[('a', '<f8'), ('', '|V8'), ('y', '<f8')]").replace(b"(4, 3)", b"(4,)  "),
        [(a, y) for a, _, y in M_ROWS],
    ),
    "titles": (
        by_hand("'<f8'", "[(('A', 'a'), '<f8'), ('b', '<f8'), ('y', '<f8')]").replace(b"(4, 3)", b"(4,)  "),
        M_ROWS,
    ),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read_alike(name, tmp_path):
    content, expected = ARRAYS[name]
    (tmp_path / "data.NPY").write_bytes(content)
    both(tmp_path / "data.NPY", expected)
    both(tmp_path / "data.NPY", None, meaning="decimal")


def test_fields_between_those_that_are_asked_for(tmp_path):
    inner = [("p", "f8"), ("q", "i2")]
    kinds = [("t", "U3"), ("a", "f8"), ("inner", inner), ("when", "M8[s]"), ("b", ">f4"), ("y", "f8")]
    (tmp_path / "data.npy").write_bytes(stored(records(*kinds)))
    both(tmp_path / "data.npy", M_ROWS, features="a,b")
    both(tmp_path / "data.npy", [row[1:] for row in M_ROWS], features="4", target="y")
    both(tmp_path / "data.npy", None, features="inner")
    both(tmp_path / "data.npy", None, features="when")
