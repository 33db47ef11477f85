"""How a text file is laid out: no first line is lost, and separators and decimal marks are what they are said to be."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from fractions import Fraction

import pandas as pd
import pytest

from fastminima import read
from fastminima.errors import OptionError, ReadError


def write(folder, content, name="t.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


ROWS = "2.5,ash,1\n4,elm,3\n8,ash,2\n"
# a first line in which a number stands beside anything
FIRST = [
    "7,oak,5",
    "7.25,oak,5",
    "oak,7,5",
    "7,NA,5",
    "7,?,5",
    "7,,5",
    ",7,5",
    "7,nan,5",
    "7,inf,2",
    "-.5e3,x,y",
    "x,True,y",
]
FIRST += [
    "7,-inf,x",
    "NA,?,NA",
    "1999,2000,2001",
    "oak,2000,elm",
    '"7","oak","5"',
    "\ufeff7,oak,5",
    " 7 , oak , 5 ",
]


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
def test_a_first_line_that_could_be_data_is_refused_by_name(first, suffix, tmp_path):
    text = f"{first}\n{ROWS}".replace(",", "\t" if suffix == ".tsv" else ",").encode()
    path = write(tmp_path, gzip.compress(text) if suffix.endswith("gz") else text, f"t{suffix}")
    with pytest.raises(ReadError, match=r"first line holds numbers.*header=False.*--no-header.*header=True"):
        read(path, -1)


def test_header_says_what_the_first_line_is(tmp_path):
    path = write(tmp_path, "1999,2000,2001\n1,2,3\n4,5,7\n")
    names = read(path, "2001", header=True)
    assert (names.feature_names, names.target_name) == (("1999", "2000"), "2001")
    assert names.y.tolist() == [3.0, 7.0]
    data = read(path, header=False)  # the last column, as for arrays
    assert data.feature_names is None
    assert data.X.tolist() == [[1999, 2000], [1, 2], [4, 5]]
    assert data.y.tolist() == [2001, 3, 7]
    assert read(path, 0, header=False, features=["2"]).X.tolist() == [[2001], [3], [7]]
    named = write(tmp_path, "a,b\n1,2\n3,4\n", "n.csv")
    with pytest.raises(
        ReadError, match=r"column '1' holds the text 'b' in data row 1 \(line 1 of the file\)"
    ):
        read(named, 1, header=False, features=[0])


@pytest.mark.parametrize("header", [0, 1, "infer", "False", 2.0])
def test_header_is_true_or_false(header, tmp_path):
    with pytest.raises(OptionError, match="header must be True"):
        read(write(tmp_path, "a,b\n1,2\n"), 1, header=header)


def test_missing_cells_in_the_first_line_of_data(tmp_path):
    path = write(tmp_path, "1,,5\n2,3,6\n3,4,\n")
    data = read(path, header=False, missing="drop")
    assert (data.X.tolist(), data.y.tolist()) == ([[2, 3]], [6])
    with pytest.raises(ReadError, match=r"column '1' has no value in data row 1 \(line 1 of the file\)"):
        read(path, header=False)
    last = read(write(tmp_path, "1,2,\n2,3,6\n", "l.csv"), header=False, missing="drop")
    assert last.y.tolist() == [6]


@pytest.mark.parametrize("more", [1, 2, 3, 7])
@pytest.mark.parametrize("meaning", ["binary", "decimal"])
def test_empty_columns_at_the_right_are_left_out(more, meaning, tmp_path):
    lines = ["u,v,t", "1,0.5,3", "2,1,0", "5,5,1"]
    path = write(tmp_path, "".join(line + "," * more + "\n" for line in lines))
    data = read(path, "t", meaning=meaning)
    assert data.feature_names == ("u", "v")
    assert data.X.tolist() == [[1, 0.5], [2, 1], [5, 5]]
    assert (f"{more} empty columns at the right were left out" in data.notes) == (more > 1)
    bare = read(
        write(tmp_path, "".join(line + "," * more + "\n" for line in lines[1:]), "b.csv"), header=False
    )
    assert bare.X.tolist() == data.X.tolist()
    held = write(tmp_path, "u,t" + "," * more + "\n1,2" + "," * more + "9\n", "h.csv")
    with pytest.raises(ReadError, match=rf"column {1 + more} holds values but has no name"):
        read(held, "t", meaning=meaning)


# --- separators and decimal marks ---------------------------------------------------------------------------


@pytest.mark.parametrize("meaning", ["binary", "decimal"])
@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("a;t\n0,1;2\n3;-4,75\n", {"sep": ";", "decimal": ","}),
        ("a;t\n0.1;2\n3;-4.75\n", {"sep": ";"}),
        ("a t\n0.1  2\n 3 -4.75 \n", {"sep": "blanks"}),
        ("a \t t\n0,1\t \t2\n3 -4,75\n", {"sep": " ", "decimal": ","}),
        ("a|t\n0.1|2\n3|-4.75\n", {"sep": "|"}),
        ("a\tt\n0,1\t2\n3\t-4,75\n", {"sep": "tab", "decimal": ","}),
        ('a;t\n"0,1";2\n3;"-4,75"\n', {"sep": ";", "decimal": ","}),
        ("a,t\n0.1,2\n3,-4.75\n", {"sep": ",", "decimal": "."}),
    ],
)
def test_separators_and_decimal_commas(text, options, meaning, tmp_path):
    data = read(write(tmp_path, text), "t", meaning=meaning, **options)
    tenth = Fraction(1, 10) if meaning == "decimal" else Fraction(0.1)
    value = Fraction(data.X[0, 0]) if data.exact is None else data.exact.value(0, 0)
    assert value == tenth
    assert data.X[:, 0].tolist() == [0.1, 3.0]
    assert data.y.tolist() == [2.0, -4.75]


@pytest.mark.parametrize(
    "digits", ["0,1", "123456789,000000123", "1,7976931348623157e308", "5e-324", "2,5E-3", ",3"]
)
def test_decimal_commas_are_rounded_correctly(digits, tmp_path):
    text = f"a;t\n{digits};1\n0,5;2\n"
    data = read(write(tmp_path, text), "t", sep=";", decimal=",")
    assert data.X[0, 0] == float(digits.replace(",", "."))
    exact = read(write(tmp_path, text), "t", sep=";", decimal=",", meaning="decimal")
    value = Fraction(exact.X[0, 0]) if exact.exact is None else exact.exact.value(0, 0)
    assert value == Fraction(digits.replace(",", "."))


def test_decimal_marks_do_not_mix(tmp_path):
    path = write(tmp_path, "a;t\n0,5;1\n0.5;2\n")
    with pytest.raises(ReadError, match=r"column 'a' holds the text '0.5' in data row 2"):
        read(path, "t", sep=";", decimal=",")
    with pytest.raises(ReadError, match=r"'0,5' in data row 1.*decimal=','"):
        read(path, "t", sep=";", decimal=".", features=["a"])
    thousands = write(tmp_path, "a;t\n1,500;1\n2,250;2\n", "k.csv")
    with pytest.raises(ReadError, match=r"'1,500' is a decimal number or one with a separator of thousands"):
        read(thousands, "t", sep=";")
    assert read(thousands, "t", sep=";", decimal=",").X.tolist() == [[1.5], [2.25]]


def test_semicolons_with_decimal_commas_are_recognised_and_said(tmp_path):
    data = read(write(tmp_path, "a;t\n0,5;1\n2,25;2\n7;3\n"), "t")
    assert data.X.tolist() == [[0.5], [2.25], [7.0]]
    assert data.notes == ("the columns are separated by semicolons", "decimal commas were read as such")
    with pytest.raises(
        ReadError, match=r"one column, 'a;t'; a comma must separate the columns, or say what does"
    ):
        read(write(tmp_path, "a;t\n5;1\n2;2\n"), "t")


@pytest.mark.parametrize(
    "text",
    [
        "1.5 2\n2.5 1\n4 4\n",
        "1.5,2\n2.5,1\n4,4\n",
        "1.5\t2\n2.5\t1\n4\t4\n",
        "1,5;2\n2,5;1\n4;4\n",
        "  1.5   2\n2.5 1\n4 4",
    ],
)
def test_files_without_names_by_their_suffix(text, tmp_path):
    data = read(write(tmp_path, text, "values.data"))
    assert data.X.tolist() == [[1.5], [2.5], [4.0]]
    assert data.y.tolist() == [2.0, 1.0, 4.0]
    assert any("read as data" in note for note in data.notes)
    with pytest.raises(ReadError, match=r"holds no number: say which it is"):
        read(write(tmp_path, "a b\n1 2\n", "named.data"))
    assert read(write(tmp_path, "a b\n1 2\n", "named.data"), "b", header=True).feature_names == ("a",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sep": ";;"}, "sep must be one character"),
        ({"sep": ""}, "sep must be one character"),
        ({"sep": "e"}, "sep must be one character"),
        ({"sep": "."}, "sep must be one character"),
        ({"sep": '"'}, "sep must be one character"),
        ({"sep": 3}, "sep must be one character"),
        ({"sep": ",", "decimal": ","}, "both ','"),
        ({"decimal": ";"}, "decimal must be"),
        ({"decimal": 1}, "decimal must be"),
    ],
)
def test_wrong_separators(options, message, tmp_path):
    with pytest.raises(OptionError, match=message):
        read(write(tmp_path, "a,t\n1,2\n"), "t", **options)


def test_options_of_text_say_nothing_of_other_files(tmp_path):
    pd.DataFrame({"a": [1.0], "t": [2.0]}).to_parquet(tmp_path / "t.parquet")
    for options in ({"sep": ";"}, {"header": False}, {"decimal": ","}):
        with pytest.raises(OptionError, match=r"is for text files"):
            read(tmp_path / "t.parquet", "t", **options)


# --- compressed text and Excel --------------------------------------------------------------------------------


def zipped(*members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return stream.getvalue()


TEXT = b"a,t\n1,2\n3,4\n"
PACKED = {
    ".gz": gzip.compress(TEXT),
    ".bz2": bz2.compress(TEXT),
    ".xz": lzma.compress(TEXT),
    ".zip": zipped(("x.csv", TEXT)),
}


@pytest.mark.parametrize("suffix", PACKED)
def test_compressed_text(suffix, tmp_path):
    data = read(write(tmp_path, PACKED[suffix], f"t.csv{suffix}"), "t")
    assert (data.X.tolist(), data.y.tolist()) == ([[1], [3]], [2, 4])
    whole = PACKED[suffix]
    for size in (6, len(whole) // 2, len(whole) - 4):
        with pytest.raises(ReadError, match=r"damaged|truncated|as its suffix"):
            read(write(tmp_path, whole[:size], f"u.csv{suffix}"), "t")
    with pytest.raises(ReadError, match=rf"as its suffix .csv{suffix} says"):
        read(write(tmp_path, TEXT, f"plain.csv{suffix}"), "t")


def test_an_archive_holds_one_table(tmp_path):
    path = write(tmp_path, zipped(("x.csv", TEXT), ("y.csv", TEXT)), "t.csv.zip")
    with pytest.raises(ReadError, match=r"holds 2 files \('x.csv', 'y.csv'\); expected one"):
        read(path, "t")


def test_excel(tmp_path, monkeypatch):
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"a": [1.5, 2.0, None, 4.0], "c": ["u", "v", "u", "v"], "t": [1, 2, 3, 5]})
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    data = read(tmp_path / "t.xlsx", "t", missing="drop", categories="onehot")
    assert data.feature_names == ("a", "c=v")
    assert data.X.tolist() == [[1.5, 0], [2, 1], [4, 1]]
    assert data.y.tolist() == [1, 2, 5]
    with pytest.raises(ReadError, match=r"not numeric: 'c' \(text\)"):
        read(tmp_path / "t.xlsx", "t", missing="drop")
    frame[["a", "t"]].to_excel(tmp_path / "n.xlsx", index=False, header=False)
    with pytest.raises(ReadError, match="first line holds numbers"):
        read(tmp_path / "n.xlsx", 1)
    assert read(tmp_path / "n.xlsx", header=False, missing="drop").y.tolist() == [1, 2, 5]
    with pytest.raises(ReadError, match="damaged"):
        read(write(tmp_path, (tmp_path / "t.xlsx").read_bytes()[:900], "cut.xlsx"), "t")


def test_excel_without_its_package(tmp_path, monkeypatch):
    import sys

    from fastminima.errors import MissingDependencyError

    monkeypatch.setitem(sys.modules, "openpyxl", None)
    path = write(tmp_path, zipped(("[Content_Types].xml", b"")), "t.xlsx")
    with pytest.raises(MissingDependencyError, match=r"pip install 'fastminima\[excel\]'"):
        read(path, "t")
