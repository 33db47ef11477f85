"""Comma- and tab-separated text to exact columns, chunk by chunk through pandas.

Two readings of the same text: "binary" takes the float64 nearest to each number (correctly rounded; columns
of integers stay integers), "decimal" takes the number as written.

What a column is, its first value decides: a column that begins with a text is one of texts, a text further down in a column
of numbers is an error that names the row.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ReadError
from fastminima.system.packages import import_optional
from fastminima.system.progress import Progress, bar

from .cleaning import EMPTY, LABEL_HINT, Cleaning
from .coerce import float_view
from .columns import Selection, listed
from .frames import FrameColumn, objects
from .text_form import BAD_STREAM, BLANKS, INTEGER, MISSING, NUMBER, TextForm, open_text, position, where

__all__ = ["Trouble", "binary", "chunks", "read_csv", "refuse_nameless", "text_refused"]

_CHUNK_ROWS = 65_536
# bytes read at a time
_PART = 1 << 18
# integers up to here are not changed by a detour through float64
_INTEGER_LIMIT = 2.0**53


class _Text(io.RawIOBase):
    """Bytes on their way to pandas, where two things would be read as something else without a word.

    A byte that is 0 ends a cell, so it is refused. After a blank line that ends in a carriage return alone, a separator
    is lost, and the cells of its line with it move to the left; that blank line gets a line feed.
    """

    def __init__(self, stream: IO[bytes], path: Path, separator: str) -> None:
        super().__init__()
        self._stream, self._path, self._ready, self._held = stream, path, b"", b""
        marks = b",\t" + (b"" if separator == BLANKS else re.escape(separator.encode()))
        self._blank = re.compile(rb"((?:\A|[\r\n])[ \t]*)\r([" + marks + rb"])")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._ready:
            part = self._stream.read(_PART)
            if not part and not self._held:
                return 0
            if b"\0" in part:
                raise ReadError(f"{self._path} is not a text file: it holds a byte that is 0")
            whole = self._blank.sub(rb"\1\n\2", self._held + part)
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


def binary(series: Any, column: int, form: TextForm | None = None) -> NDArray[Any]:
    """One column of a chunk whose types pandas has inferred."""
    absent = series.isna().to_numpy()
    if absent.any():
        raise Trouble(column, int(absent.argmax()), None)
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
        values: NDArray[Any] = series.to_numpy()
        return values
    texts = [str(value).strip() for value in series]
    if all(INTEGER.fullmatch(text) for text in texts):
        # beyond 64 bits; through Decimal, because int() refuses texts of more than 4300 digits
        return objects([int(Decimal(text)) for text in texts])
    return np.array([float(text) for text in _numbers(texts, column, form)])


def _numbers(texts: Sequence[str], column: int, form: TextForm | None) -> list[str]:
    numbers = []
    for row, text in enumerate(texts):
        number = form.number(text) if form is not None else text if NUMBER.fullmatch(text) else None
        if number is None:
            raise Trouble(column, row, text)
        numbers.append(number)
    return numbers


def chunks(
    pd: Any,
    path: Path,
    stream: IO[bytes],
    form: TextForm,
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
    if form.names is None:
        options["header"] = None
    try:
        with warnings.catch_warnings():
            # pandas warns and cuts when rows are longer than the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield from pd.read_csv(
                io.BufferedReader(_Text(stream, path, form.separator), _PART),
                sep=form.separator,
                decimal=form.decimal,
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
    except ReadError:
        raise
    except BAD_STREAM as error:
        raise ReadError(f"{path} is damaged or truncated: {error}") from error


def refuse_nameless(chunk: Any, count: int, path: Path) -> None:
    """Rows may end in separators; what follows them must be empty."""
    if chunk.shape[1] < count:
        raise ReadError(f"{path}: rows have {chunk.shape[1]} fields, the first line has {count} column names")
    rest = chunk.iloc[:, count:]
    if rest.shape[1]:
        held = ~rest.isin([np.nan, ""]).all(axis=0).to_numpy()
        if held.any():
            raise ReadError(
                f"{path}: column {count + int(held.argmax())} holds values but has no name in the first line"
            )


# --- a whole file -----------------------------------------------------------------------------------------


class _ReadAgainAsText(Exception):
    """Columns came as float64 or as numbers in some chunk, which lost how they were written."""

    def __init__(self, columns: frozenset[int]) -> None:
        super().__init__(columns)
        self.columns = columns


@dataclass
class _Column:
    """What has been read of a column."""

    kind: str | None = None
    first_text: str = ""
    first_row: int = 0
    parts: list[NDArray[Any]] = field(default_factory=list)
    absent: list[NDArray[np.bool_]] = field(default_factory=list)


class _Parse:
    """One pass over the text: values of every column that is wanted, and where there are none."""

    def __init__(
        self,
        path: Path,
        form: TextForm,
        wanted: Sequence[int],
        *,
        decimal: bool,
        texts: bool,
        labels: Sequence[int],
        progress: Progress,
    ) -> None:
        self.path, self.form, self.decimal, self.keep, self.progress = path, form, decimal, texts, progress
        self.wanted = tuple(dict.fromkeys(wanted))
        self.as_text: frozenset[int] = frozenset()
        # labels of classes are texts where one of them is, though it may not be the first
        self.labels, self.of_texts = frozenset(labels), set[int]()
        self._begin()

    def _begin(self) -> None:
        self.columns = {column: _Column("text" if column in self.of_texts else None) for column in self.wanted}
        self.rows = 0

    def run(self) -> None:
        """Read all rows; again where a column has to be taken as written."""
        pd = import_optional("pandas", extra="tables", purpose="reading CSV files")
        while True:
            try:
                self._run(pd)
                return
            except _ReadAgainAsText as again:
                self.as_text |= again.columns
                self._begin()

    def _run(self, pd: Any) -> None:
        path = self.path
        with (
            open_text(path) as stream,
            bar(f"reading {path.name}", path.stat().st_size, progress=self.progress) as show,
        ):
            for chunk in chunks(pd, path, stream, self.form, self.decimal, texts=self.as_text):
                refuse_nameless(chunk, self.form.n_columns, path)
                for column in self.wanted:
                    self._take(chunk.iloc[:, column], column)
                self.rows += len(chunk)
                show(position(stream))
        if self.rows == 0:
            what = "has column names but no data rows" if self.form.names is not None else "is empty"
            raise ReadError(f"{path} {what}")

    def _take(self, series: Any, column: int) -> None:
        """Append one chunk of a column."""
        known = self.columns[column]
        present, absent = self._present(series, column)
        known.absent.append(absent)
        values = None
        if known.kind != "text" and len(present):
            try:
                values = self._converted(present, column)
                known.kind = "number"
            except Trouble as trouble:
                row = self.rows + int(np.flatnonzero(~absent)[trouble.row])
                if (known.kind is not None or trouble.row) and column in self.labels:
                    self.of_texts.add(column)
                    raise _ReadAgainAsText(frozenset((column,))) from None
                if known.kind is not None or trouble.row:
                    raise _text_in_numbers(self.path, self.form, column, row, trouble.text or "") from None
                known.kind, known.first_text, known.first_row = "text", trouble.text or "", row
        if known.kind != "text":
            known.parts.append(np.empty(0) if values is None else values)
            return
        if not (self.keep or column in self.labels) or not len(present):
            known.parts.append(objects([]))
            return
        if isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
            raise _ReadAgainAsText(frozenset((column,)))
        known.parts.append(objects([str(text).strip() for text in present]))

    def _present(self, series: Any, column: int) -> tuple[Any, NDArray[np.bool_]]:
        """The cells that hold something, and where the others are."""
        if self.decimal:
            texts = series.str.strip()
            absent = texts.isin(MISSING).to_numpy() | series.isna().to_numpy()
            return texts[~absent], absent
        absent = series.isna().to_numpy()
        if not isinstance(series.dtype, np.dtype) or series.dtype.kind not in "biuf":
            # blanks in quotation marks are no text
            absent = absent | np.array([isinstance(v, str) and not v.strip() for v in series], dtype=bool)
        if not absent.any():
            return series, absent
        present = series[~absent].infer_objects()
        if series.dtype == np.float64 and (np.abs(present.to_numpy()) >= _INTEGER_LIMIT).any():
            # integers beside nothing come as floats, which round large ones
            raise _ReadAgainAsText(frozenset((column,)))
        return present, absent

    def _converted(self, present: Any, column: int) -> NDArray[Any]:
        if self.decimal:
            texts = present.to_numpy(dtype=object).tolist()
            return objects([Decimal(text) for text in _numbers(texts, column, self.form)])
        return binary(present, column, self.form)

    def column(self, column: int) -> FrameColumn:
        """What was read of a column."""
        known = self.columns[column]
        absent = np.concatenate(known.absent)
        gaps = absent if absent.any() else None
        if known.kind is None:
            return FrameColumn(EMPTY, "other", lambda: np.empty(0), gaps)
        if known.kind == "text":
            place = f"in data row {known.first_row + 1:,}"
            kind = f"text ({_short(known.first_text)!r} {place})"
            if not (self.keep or column in self.labels):
                return FrameColumn(
                    kind, "texts", lambda: objects([known.first_text] * len(absent)), gaps, kind
                )
            return FrameColumn(kind, "texts", lambda: _filled(known, absent), gaps, kind)
        values = _joined(known.parts, self.form.labels[column], self.path)
        return FrameColumn("number", "numbers", lambda: _spread(values, gaps), gaps)


def _text_in_numbers(
    path: Path, form: TextForm, column: int, row: int, text: str, hint: str = ""
) -> ReadError:
    name, place = form.labels[column], where(path, form, row)
    return ReadError(
        f"{path}: column {name!r} holds the text {_short(text)!r} in {place}; expected a number{_hint(text) or hint}"
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "..."


def _hint(text: str) -> str:
    plain = re.fullmatch(r"[+-]?\d*,\d+", text, re.ASCII)
    return "; a decimal comma is read with decimal=',' (--decimal ,)" if plain else ""


def _filled(known: _Column, absent: NDArray[np.bool_]) -> NDArray[Any]:
    result = np.full(len(absent), None, dtype=object)
    result[~absent] = np.concatenate([part.astype(object) for part in known.parts])
    return result


def _spread(values: NDArray[Any], absent: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Values at the rows that have one; the others are 0, and told apart by `absent`."""
    if absent is None:
        return values
    result = np.zeros(len(absent), dtype=values.dtype)
    result[~absent] = values
    return result


def _joined(parts: list[NDArray[Any]], name: str, path: Path) -> NDArray[Any]:
    """The chunks of one column, without a detour of large integers through float64."""
    parts = [part for part in parts if len(part)]
    kinds = {part.dtype.kind for part in parts}
    if "b" in kinds and len(kinds) > 1:
        raise ReadError(f"{path}: column {name!r} mixes True/False with numbers; write 1 and 0")
    if "f" in kinds:
        # a column with a fraction anywhere is a float64 column, wherever the chunks were cut
        parts = [float_view(part) if part.dtype.kind == "O" else part for part in parts]
    elif len(kinds) > 1 and "O" not in kinds:
        parts = [part.astype(object) for part in parts]  # int64 beside uint64 would become float64
    return np.concatenate(parts)


def read_csv(
    path: Path,
    form: TextForm,
    wanted: Sequence[int],
    *,
    decimal: bool,
    texts: bool,
    labels: Sequence[int] = (),
    progress: Progress,
) -> tuple[int, dict[int, FrameColumn]]:
    """Read columns of a text file.

    Parameters
    ----------
    path : Path
    form : TextForm
        How the file is laid out.
    wanted : sequence of int
        The columns.
    decimal : bool
        Take numbers as written, not as the nearest float64.
    texts : bool
        Keep texts, for categories.
    labels : sequence of int
        Columns of labels of classes.
    progress : bool or callable

    Returns
    -------
    rows : int
    columns : dict of int to FrameColumn
        Numbers, texts, or nothing in any row; `absent` says where a value is missing.

    Raises
    ------
    ReadError, MissingDependencyError
    """
    parse = _Parse(path, form, wanted, decimal=decimal, texts=texts, labels=labels, progress=progress)
    parse.run()
    return parse.rows, {column: parse.column(column) for column in parse.wanted}


def text_refused(
    path: Path,
    form: TextForm,
    selection: Selection,
    columns: Mapping[int, FrameColumn],
    how: Cleaning,
    *,
    named: bool,
) -> None:
    """Raise `ReadError` for columns of texts, or without any value, that `clean` would refuse too; rows are named here."""
    others = [*selection.targets, *(() if selection.weight is None else (selection.weight,))]
    refused = [*others, *(selection.features if named and not how.encode else ())]
    for column in refused:
        if how.labels and column in selection.targets:
            continue
        if columns[column].content == "texts":
            text = next(value for value in columns[column].values().tolist() if value is not None)
            absent = columns[column].absent
            row = 0 if absent is None else int((~absent).argmax())
            hint = LABEL_HINT if column in selection.targets else ""
            raise _text_in_numbers(path, form, column, row, text, hint)
    plain = how.categories is None
    for column in (*others, *(selection.features if named or (plain and not how.drop) else ())):
        if columns[column].kind == EMPTY:
            raise ReadError(
                f"{path}: column {form.labels[column]!r} has no value in {where(path, form, 0)}, nor in any other row; "
                "leave it out"
            )
    if not plain or named:
        return
    text = [form.labels[column] for column in selection.features if columns[column].content == "texts"]
    if text:
        rest = [form.labels[column] for column in selection.features if form.labels[column] not in text]
        raise ReadError(
            f"{path}: columns {listed(text)} hold text, not numbers; choose the inputs with features=[...]"
            + (f", for example features=[{listed(rest)}]" if rest else "")
            + ", or say categories='reject' (leave them out; --categories reject) or categories='onehot' (encode them)"
        )
