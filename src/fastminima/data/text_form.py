"""How a text file is laid out: its separator, its decimal mark, and whether its first line is names or data.

A first line is never lost: where it could be data (a cell is a number), the file is refused by name unless the caller has
said which it is. A separator is the one of the suffix; another is taken where that one cannot be meant, and then a note
says so.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import itertools
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

from fastminima.errors import OptionError, ReadError
from fastminima.system.options import one_of, spelled

from .columns import listed, refuse_repeated

__all__ = [
    "BAD_STREAM",
    "BLANKS",
    "INTEGER",
    "MISSING",
    "NUMBER",
    "DecimalMark",
    "TextForm",
    "TextOptions",
    "header_notes",
    "is_data",
    "open_text",
    "position",
    "records",
    "text_form",
    "where",
    "without_empty",
]

DecimalMark = Literal[".", ","]
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_COMMA_NUMBER = re.compile(r"[+-]?(\d+|\d*,\d+)([eE][+-]?\d{1,9})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
# what pandas reads as a number or a truth value beside the above
_ALSO_VALUES = re.compile(r"[+-]?inf(inity)?|true|false", re.IGNORECASE)
BLANKS = r"\s+"
"""The separator that is any run of blanks and tabs."""
_SPELLINGS = {" ": BLANKS, "blanks": BLANKS, "tab": "\t", r"\t": "\t"}
_SHOWN = {BLANKS: "blanks", "\t": "tabs", ",": "commas", ";": "semicolons"}
# a character that no text holds: a line as one field
_NOWHERE = "\x1f"
# records that are looked at where a separator or a decimal mark is to be recognised
_SAMPLE = 200
MISSING = frozenset(
    (
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    )
)
"""What pandas takes for a missing value when it infers types; the decimal reading keeps to the same words."""
BAD_STREAM = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    csv.Error,
    UnicodeError,
)
"""What damaged or foreign text raises: of the system, of gzip, bz2, xz and zip, of csv."""


@dataclass(frozen=True)
class TextOptions:
    """What a caller says of a text file.

    Attributes
    ----------
    header : bool or None
        Is the first line names (True) or data (False)? None: names, and refused where it could be data.
    sep : str or None
        What separates the columns: one character, or "blanks" for runs of blanks and tabs. None: what the suffix says.
    decimal : str or None
        The decimal mark, "." or ",". None: the point, and the comma where that alone can be meant.
    """

    header: bool | None = None
    sep: str | None = None
    decimal: DecimalMark | None = None

    def __post_init__(self) -> None:
        if self.header is not None and not isinstance(self.header, bool):
            raise OptionError(
                "header must be True (the first line is names), False (it is data) or None (names, unless it could be "
                f"data), got {spelled(self.header)}"
            )
        if self.decimal is not None and not one_of(self.decimal, (".", ",")):
            raise OptionError(f"decimal must be '.' or ',', got {spelled(self.decimal)}")
        separator = self.separator
        if separator is None:
            return
        if isinstance(separator, str) and separator == BLANKS:
            return
        wrong = not isinstance(separator, str) or len(separator) != 1 or not separator.isascii()
        if wrong or separator.isalnum() or separator in "\"'\n\r\0+-.":
            raise OptionError(
                f"sep must be one character that stands in no number, or 'blanks' or 'tab', got {spelled(self.sep)}"
            )
        if separator == self.decimal:
            raise OptionError("sep and decimal are both ','; columns need another separator, such as ';'")

    @property
    def separator(self) -> str | None:
        """`sep`, spelt in one way."""
        return _SPELLINGS.get(self.sep, self.sep) if isinstance(self.sep, str) else self.sep

    @property
    def given(self) -> tuple[str, ...]:
        """The options that say something."""
        return tuple(name for name in ("header", "sep", "decimal") if getattr(self, name) is not None)


@dataclass(frozen=True)
class TextForm:
    """How a text file is read.

    Attributes
    ----------
    separator : str
        One character, or `BLANKS`.
    decimal : str
    names : tuple of str or None
        None where the first line is data.
    n_columns : int
        Columns that are read; empty ones at the right are left out.
    notes : tuple of str
        How the first line was read, what was recognised.
    """

    separator: str
    decimal: str
    names: tuple[str, ...] | None
    n_columns: int
    notes: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What messages call the columns."""
        return tuple(map(str, range(self.n_columns))) if self.names is None else self.names

    def number(self, text: str) -> str | None:
        """A number as Python writes it, or None for a text that is none."""
        if self.decimal == ",":
            if "." in text:
                return None
            text = text.replace(",", ".")
        return text if NUMBER.fullmatch(text) else None


def open_text(path: Path) -> IO[bytes]:
    """The bytes of a text file, compression undone: .gz, .bz2, .xz, or .zip with one file in it."""
    name = path.name.lower()
    if name.endswith(".gz"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    if name.endswith(".bz2"):
        return cast(IO[bytes], bz2.open(path, "rb"))
    if name.endswith(".xz"):
        return cast(IO[bytes], lzma.open(path, "rb"))
    if not name.endswith(".zip"):
        return open(path, "rb")
    with zipfile.ZipFile(path) as archive:
        inside = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(inside) != 1:
            held = listed([entry.filename for entry in inside]) or "none"
            raise ReadError(f"{path} holds {len(inside)} files ({held}); expected one table")
        try:
            return archive.open(inside[0])
        except (
            RuntimeError,
            NotImplementedError,
        ) as error:  # a password, or a compression Python does not know
            raise ReadError(f"{path} cannot be unpacked: {error}") from error


def records(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(file line where it starts, fields) of every record that is not blank."""
    blanks = separator == BLANKS
    with open_text(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        last = ""

        def kept() -> Iterator[str]:
            nonlocal last
            for last in text:
                yield last.replace("\t", " ").rstrip(" ") if blanks else last

        reader = csv.reader(kept(), delimiter=" " if blanks else separator, skipinitialspace=True)
        line = 1
        for fields in reader:
            if blanks and len(fields) > 1 and not fields[-1]:
                fields.pop()  # a blank before the end of the line
            # a line of blanks is none for pandas; one that holds an empty name or cell in quotation marks is
            if len(fields) > 1 or (fields and last.strip(" \t\r\n")):
                yield line, fields
            line = reader.line_num + 1


def where(path: Path, form: TextForm, row: int) -> str:
    """A data row (0-based) as a reader finds it: number and line. Read again, as only failures need it."""
    line = None
    try:
        for index, (start, _) in enumerate(records(path, form.separator)):
            if index == row + (form.names is not None):
                line = start
                break
    except BAD_STREAM:
        pass
    return f"data row {row + 1}" + ("" if line is None else f" (line {line} of the file)")


def text_form(path: Path, suffix: str, options: TextOptions | None = None) -> TextForm:
    """How a text file is read, by its suffix, its first lines and what the caller says.

    Parameters
    ----------
    path : Path
    suffix : str
        As `file_kind` gives it: ".csv", ".tsv", ".data", perhaps with that of a compression.
    options : TextOptions, optional

    Raises
    ------
    ReadError
        The file is empty, damaged or no UTF-8; its first line could be data and nobody says that it is or is not;
        columns have one name; or something else separates the columns.
    """
    asked = TextOptions() if options is None else options
    try:
        return _form(path, suffix, asked)
    except UnicodeError as error:
        raise ReadError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    except ReadError:
        raise
    except BAD_STREAM as error:
        raise ReadError(f"{path} is damaged: {error}") from error


def _form(path: Path, suffix: str, asked: TextOptions) -> TextForm:
    bare = suffix.startswith(".data")
    usual = "\t" if suffix.startswith(".tsv") else ","
    separator, notes = asked.separator, list[str]()
    if separator is None:
        separator = _guessed(path, bare, usual, asked)
        if separator != usual:
            notes.append(f"the columns are separated by {_SHOWN[separator]}")
    decimal = asked.decimal
    if decimal is None:
        decimal = "," if separator in (";", BLANKS) and _decimal_commas(path, separator) else "."
        if decimal == ",":
            notes.append("decimal commas were read as such")
    first = next(records(path, separator), None)
    if first is None:
        raise ReadError(f"{path} is empty")
    cells = [cell.strip() for cell in first[1]]
    if is_data(path, cells, decimal, asked.header, bare):
        if asked.header is None:
            notes.append("the first line holds numbers and was read as data: the columns have no names")
        return TextForm(separator, decimal, None, _width(path, separator, len(cells)), tuple(notes))
    names = without_empty(cells)
    if len(cells) - len(names) > 1:
        notes.append(f"{len(cells) - len(names)} empty columns at the right were left out")
    if asked.separator is None and len(names) == 1 and any(other in names[0] for other in ";\t|,"):
        kind = "comma" if separator == "," else "tab" if separator == "\t" else "blank"
        raise ReadError(
            f"{path} has one column, {names[0]!r}; a {kind} must separate the columns, or say what does: sep=... (--sep)"
        )
    refuse_repeated(names, str(path))
    return TextForm(separator, decimal, tuple(names), len(names), (*notes, *header_notes(names)))


def header_notes(names: Sequence[str]) -> Iterator[str]:
    """What a caller should know of a line of names."""
    if any(map(INTEGER.fullmatch, names)):
        yield f"the first line, {listed(names)}, was read as column names"
    if "" in names:
        yield (
            f"column {names.index('')} has no name (a stored row index?); choose the inputs with features=[...] to "
            "leave it out"
        )


def without_empty(cells: Sequence[str]) -> list[str]:
    """Names without the empty ones at the right; what stands below those must be empty too."""
    names = list(cells)
    while len(names) > 1 and not names[-1]:
        names.pop()
    return names


def _width(path: Path, separator: str, width: int) -> int:
    """Columns of a file without names: those that are empty in every line, at the right, are none."""
    least = width
    for _, fields in records(path, separator):
        least = min(least, max(width - len(without_empty([cell.strip() for cell in fields])), 0))
        if not least:
            break
    return width - least


def is_data(path: Path, cells: Sequence[str], decimal: str, header: bool | None, bare: bool) -> bool:
    """Is the first line data? `ReadError` where it could be and nobody says so."""
    if header is not None:
        return not header
    form = TextForm("", decimal, None, len(cells))
    numbers = [cell for cell in cells if form.number(cell) is not None or _ALSO_VALUES.fullmatch(cell)]
    if bare:
        if numbers:
            return True
        raise ReadError(
            f"{path}: files .data have no column names as a rule, and the first line ({listed(cells)}) holds no number: "
            "say which it is, header=True (names; --header) or header=False (data; --no-header)"
        )
    absent = [cell for cell in cells if cell in MISSING or cell == "?"]
    if numbers or (len(absent) == len(cells) and any(absent)):
        raise ReadError(
            f"{path}: the first line holds numbers ({listed(numbers or cells)}), not column names; add a header line, or "
            "say which it is: header=False (data, columns go by position; --no-header) or header=True (names; --header)"
        )
    return False


def _guessed(path: Path, bare: bool, usual: str, asked: TextOptions) -> str:
    """The separator where none was given: the suffix's own, or another where that one cannot be meant."""
    first = next(records(path, _NOWHERE), None)
    line = "" if first is None else "".join(first[1])
    if bare:
        found = [mark for mark in (";", ",", "\t") if mark in line and mark != asked.decimal]
        return found[0] if found and found[0] != "\t" else BLANKS
    one = usual == "," and ";" in line and len(without_empty(next(records(path, ","))[1])) == 1
    # a table of Excel in Europe: the commas stand inside the numbers
    return ";" if one and (asked.decimal == "," or _decimal_commas(path, ";")) else usual


def _decimal_commas(path: Path, separator: str) -> bool:
    """Are numbers written with a decimal comma, and never with a point?"""
    cells = [
        cell.strip()
        for _, fields in itertools.islice(records(path, separator), 1 + _SAMPLE)
        for cell in fields
    ]
    commas = [cell for cell in cells if "," in cell and _COMMA_NUMBER.fullmatch(cell)]
    points = [cell for cell in cells if "." in cell and NUMBER.fullmatch(cell)]
    if not commas or points:
        return False
    if all(map(_THOUSANDS.fullmatch, commas)):
        raise ReadError(
            f"{path}: {commas[0]!r} is a decimal number or one with a separator of thousands; say decimal=',' "
            "(--decimal ,) for the first, or write thousands without a mark"
        )
    return True


def position(stream: Any) -> int:
    """How far the bytes on disk have been read, for a progress bar."""
    if isinstance(stream, gzip.GzipFile):
        stream = stream.fileobj
    return 0 if stream is None else int(stream.tell())
