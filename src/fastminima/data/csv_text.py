"""Comma- and tab-separated text to exact columns, chunk by chunk through pandas.

Two readings of the same text: "binary" takes the float64 nearest to each number (correctly rounded; columns
of integers stay integers), "decimal" takes the number as written.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ReadError
from fastminima.system.packages import import_optional
from fastminima.system.progress import bar

from .coerce import float_view
from .columns import Request, Selection, listed, refuse_repeated
from .frames import objects

__all__ = ["Trouble", "binary", "chunks", "header", "open_text", "read_csv", "refuse_nameless", "where"]

_CHUNK_ROWS = 65_536
# bytes read at a time
_PART = 1 << 18
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
# what pandas takes for a missing value when it infers types; the decimal reading keeps to the same words
_MISSING = frozenset(
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
BAD_STREAM = (OSError, EOFError, zlib.error, csv.Error, UnicodeError)


def open_text(path: Path) -> IO[bytes]:
    """The bytes of a text file, gzip undone."""
    if path.name.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.open(path, "rb"))
    return open(path, "rb")


def _records(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(file line where it starts, fields) of every record that is not blank."""
    with open_text(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        last = ""

        def kept() -> Iterator[str]:
            nonlocal last
            for last in text:  # noqa: UP028
                yield last

        reader = csv.reader(kept(), delimiter=separator, skipinitialspace=True)
        line = 1
        for fields in reader:
            # a line of blanks is none for pandas; one that holds an empty name or cell in quotation marks is
            if len(fields) > 1 or (fields and last.strip(" \t\r\n")):
                yield line, fields
            line = reader.line_num + 1


def _first_record(path: Path, separator: str) -> tuple[list[str], tuple[str, ...]]:
    """Column names, and notes on how the first line was read."""
    record = next(_records(path, separator), None)
    if record is None:
        raise ReadError(f"{path} is empty")
    names = [name.strip() for name in record[1]]
    if len(names) > 1 and not names[-1]:
        names.pop()  # a comma at the end of every line; what follows it must be empty, see read_csv
    numbers = [name for name in names if _NUMBER.fullmatch(name)]
    note: tuple[str, ...] = ()
    if numbers:
        # integers may be names, as years are; a fraction is none, nor a number in a line of numbers and missing values
        sample = len(numbers) < len(names) and all(n in numbers or n in _MISSING or n == "?" for n in names)
        if sample or not all(map(_INTEGER.fullmatch, numbers)) or len(set(numbers)) < len(numbers):
            raise ReadError(
                f"{path}: the first line holds numbers ({listed(numbers)}), not column names; add a header line"
            )
        note = (f"the first line, {listed(names)}, was read as column names",)
    refuse_repeated(names, str(path))
    if "" in names:
        position = names.index("")
        return names, (
            *note,
            f"column {position} has no name (a stored row index?); choose the inputs with features=[...] to "
            "leave it out",
        )
    return names, note


def header(path: Path, separator: str) -> tuple[list[str], tuple[str, ...]]:
    """Column names of a text file, and notes on how its first line was read; `ReadError` when it has none."""
    try:
        names, notes = _first_record(path, separator)
    except UnicodeError as error:
        raise ReadError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    except BAD_STREAM as error:
        raise ReadError(f"{path} is damaged: {error}") from error
    if len(names) == 1 and any(other in names[0] for other in ";\t|,"):
        kind = "comma" if separator == "," else "tab"
        raise ReadError(f"{path} has one column, {names[0]!r}; a {kind} must separate the columns")
    return names, notes


def where(path: Path, separator: str, row: int) -> str:
    """A data row (0-based) as a reader finds it: number and line. Read again, as only failures need it."""
    line = None
    try:
        for index, (start, _) in enumerate(_records(path, separator)):
            if index == row + 1:
                line = start
                break
    except BAD_STREAM:
        pass
    return f"data row {row + 1}" + ("" if line is None else f" (line {line} of the file)")


class _Text(io.RawIOBase):
    """Bytes on their way to pandas, where two things would be read as something else without a word.

    A byte that is 0 ends a cell, so it is refused. After a blank line that ends in a carriage return alone, a separator
    is lost, and the cells of its line with it move to the left; that blank line gets a line feed.
    """

    _BLANK = re.compile(rb"((?:\A|[\r\n])[ \t]*)\r([,\t])")

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        super().__init__()
        self._stream, self._path, self._ready, self._held = stream, path, b"", b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready:
            part = self._stream.read(_PART)
            if not part and not self._held:
                return 0
            if b"\0" in part:
                raise ReadError(f"{self._path} is not a text file: it holds a byte that is 0")
            whole = self._BLANK.sub(rb"\1\n\2", self._held + part)
            # what a blank line is shows in what follows
            end = len(whole.rstrip(b"\r\n \t")) if part else len(whole)
            self._ready, self._held = whole[:end], whole[end:]
        part, self._ready = self._ready[: len(target)], self._ready[len(target) :]
        target[: len(part)] = part
        return len(part)


class Trouble(Exception):
    """A cell that is no number: (column position, row in the chunk, text or None when missing)."""

    def __init__(self, column: int, row: int, text: str | None) -> None:
        super().__init__(column, row, text)
        self.column, self.row, self.text = column, row, text


def binary(series: Any, column: int) -> NDArray[Any]:
    """One column of a chunk whose types pandas has inferred."""
    absent = series.isna().to_numpy()
    if absent.any():
        raise Trouble(column, int(absent.argmax()), None)
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        values: NDArray[Any] = series.to_numpy()
        return values
    texts = [str(value).strip() for value in series]
    if all(_INTEGER.fullmatch(text) for text in texts):
        # beyond 64 bits; through Decimal, because int() refuses texts of more than 4300 digits
        return objects([int(Decimal(text)) for text in texts])
    for row, text in enumerate(texts):
        if not _NUMBER.fullmatch(text):
            raise Trouble(column, row, text)
    return np.array([float(text) for text in texts])


def _decimal(series: Any, column: int) -> NDArray[Any]:
    """One column of a chunk read as text."""
    numbers = []
    for row, cell in enumerate(series.to_numpy(dtype=object)):
        text = cell.strip() if isinstance(cell, str) else ""
        if not _NUMBER.fullmatch(text):
            raise Trouble(column, row, None if text in _MISSING else text)
        numbers.append(Decimal(text))
    return objects(numbers)


def _wholly_text(series: Any) -> bool:
    """Does no cell of the chunk hold a number, while some hold text?"""
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        return False
    text = False
    for cell in series:
        if isinstance(cell, int):
            return False  # integers beyond 64 bits arrive as objects
        if isinstance(cell, str) and cell.strip() not in _MISSING:
            if _NUMBER.fullmatch(cell.strip()):
                return False
            text = True
    return text


def _joined(parts: list[NDArray[Any]], name: str, path: Path) -> NDArray[Any]:
    """The chunks of one column, without a detour of large integers through float64."""
    kinds = {part.dtype.kind for part in parts}
    if "b" in kinds and len(kinds) > 1:
        raise ReadError(f"{path}: column {name!r} mixes True/False with numbers; write 1 and 0")
    if "f" in kinds:
        # a column with a fraction anywhere is a float64 column, wherever the chunks were cut
        parts = [float_view(part) if part.dtype.kind == "O" else part for part in parts]
    elif len(kinds) > 1 and "O" not in kinds:
        parts = [part.astype(object) for part in parts]  # int64 beside uint64 would become float64
    return np.concatenate(parts)


def chunks(
    pd: Any,
    path: Path,
    stream: IO[bytes],
    separator: str,
    decimal: bool,
    *,
    texts: frozenset[int] = frozenset(),
    rows: int | None = None,
) -> Iterator[Any]:
    """Frames of `rows` rows of the file; columns in `texts` are not inferred but kept as written."""
    options: dict[str, Any] = {"dtype": str, "keep_default_na": False} if decimal else {"low_memory": False}
    if texts:
        options["dtype"] = dict.fromkeys(texts, str)
    if not decimal and tuple(int(part) for part in pd.__version__.split(".")[:2]) < (3, 1):
        options["float_precision"] = "round_trip"  # later versions always round correctly
    try:
        with warnings.catch_warnings():
            # pandas warns and cuts when rows are longer than the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield from pd.read_csv(
                io.BufferedReader(_Text(stream, path), _PART),
                sep=separator,
                index_col=False,
                chunksize=rows or _CHUNK_ROWS,
                skipinitialspace=True,
                encoding="utf-8-sig",
                **options,
            )
    except pd.errors.ParserWarning as error:
        raise ReadError(f"{path}: rows have more fields than the first line has column names") from error
    except pd.errors.EmptyDataError as error:
        raise ReadError(f"{path} is empty") from error
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise ReadError(f"{path} is damaged or truncated: {reason}") from error
    except UnicodeError as error:
        raise ReadError(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from error
    except BAD_STREAM as error:
        raise ReadError(f"{path} is damaged or truncated: {error}") from error


def read_csv(
    path: Path, request: Request, *, separator: str, decimal: bool, progress: bool
) -> tuple[list[str], Selection, list[NDArray[Any]], tuple[str, ...]]:
    """Read the selected columns of a text file.

    Returns
    -------
    names : list of str
        All column names of the file.
    selection : Selection
    arrays : list of ndarray
        The columns in the order of ``selection.columns``.
    notes : tuple of str

    Raises
    ------
    ReadError, TargetError, MissingDependencyError
    """
    pd = import_optional("pandas", extra="tables", purpose="reading CSV files")
    names, notes = header(path, separator)
    selection = request.select(names, len(names), str(path))
    convert = _decimal if decimal else binary
    parts: dict[int, list[NDArray[Any]]] = {column: [] for column in selection.columns}
    rows = 0
    with (
        open_text(path) as stream,
        bar(f"reading {path.name}", path.stat().st_size, enabled=progress) as show,
    ):
        # compressed files: how far the compressed bytes have been read
        position = stream.fileobj if isinstance(stream, gzip.GzipFile) else stream
        for chunk in chunks(pd, path, stream, separator, decimal):
            if rows == 0:
                _refuse_text(chunk, selection, names, path)
            refuse_nameless(chunk, len(names), path)
            try:
                for column in parts:
                    parts[column].append(convert(chunk.iloc[:, column], column))
            except Trouble as trouble:
                raise _explain(trouble, path, separator, rows, names) from None
            rows += len(chunk)
            show(position.tell() if position is not None else 0)
    if rows == 0:
        raise ReadError(f"{path} has column names but no data rows")
    joined = {column: _joined(parts.pop(column), names[column], path) for column in list(parts)}
    return names, selection, [joined[column] for column in selection.columns], notes


def refuse_nameless(chunk: Any, count: int, path: Path) -> None:
    """Rows may end in a separator; what follows it must be empty."""
    if chunk.shape[1] < count:
        raise ReadError(f"{path}: rows have {chunk.shape[1]} fields, the first line has {count} column names")
    if chunk.shape[1] > count and not chunk.iloc[:, count:].isin([np.nan, ""]).all(axis=None):
        raise ReadError(f"{path}: column {count} holds values but has no name in the first line")


def _refuse_text(chunk: Any, selection: Selection, names: list[str], path: Path) -> None:
    text = [names[column] for column in selection.features if _wholly_text(chunk.iloc[:, column])]
    if text:
        rest = [names[column] for column in selection.features if names[column] not in text]
        raise ReadError(
            f"{path}: columns {listed(text)} hold text, not numbers; choose the inputs with features=[...]"
            + (f", for example features=[{listed(rest)}]" if rest else "")
        )


def _explain(trouble: Trouble, path: Path, separator: str, rows: int, names: list[str]) -> ReadError:
    place = where(path, separator, rows + trouble.row)
    name = names[trouble.column]
    if trouble.text is None:
        return ReadError(
            f"{path}: column {name!r} has no value in {place}; drop or fill rows with missing values first"
        )
    text = trouble.text if len(trouble.text) <= 40 else trouble.text[:40] + "..."
    return ReadError(f"{path}: column {name!r} holds the text {text!r} in {place}; expected a number")
