"""CSV and TSV files (also gzipped): parsed once, from the first row to the last, into a temporary matrix.

What a column is, its first value decides; the whole file has to agree. A column that begins with a text is a column
of texts: it is no input unless categories are encoded. A column that begins with a number and holds a text further
down is an error that names the row: a footer, a broken line or a damaged cell would otherwise cost the column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.csv_text import Trouble, binary, chunks, refuse_nameless
from fastminima.data.frames import objects
from fastminima.data.text_form import (
    BLANKS,
    INTEGER,
    TextForm,
    TextOptions,
    open_text,
    position,
    text_form,
    where,
)
from fastminima.errors import ReadError
from fastminima.system.packages import import_optional

from .arrays import ArrayReader
from .parsed import ParsedReader
from .reader import Piece, Refusal, Tell, file_token, silent
from .spill import Spill
from .values import ROUNDED, as_floats

__all__ = ["TextReader", "text_reader"]

_TAIL_BYTES = 1 << 16
# cells a chunk holds, so that wide files do not take more memory than narrow ones
_CHUNK_CELLS = 1 << 21
_CHUNK_ROWS = 65_536
# integers up to here are not changed by a detour through float64
_INTEGER_LIMIT = 2.0**53
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


@dataclass(frozen=True)
class TextReader:
    """A text file of which only the header has been read."""

    name: str
    names: tuple[str, ...] | None
    path: Path
    form: TextForm
    about: Mapping[str, Any] = field(default_factory=dict)
    n_rows: int | None = None
    seekable: bool = False
    hidden: frozenset[int] = frozenset()
    levels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    labels: frozenset[int] = frozenset()
    """Columns of labels of classes: texts where one of them is, though it may not be the first."""

    @property
    def n_columns(self) -> int:
        """By the first line."""
        return self.form.n_columns

    @property
    def token(self) -> str:
        """Of the file."""
        return file_token(self.path)

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return self.path.stat().st_size

    @property
    def files(self) -> tuple[str, ...]:
        """The one."""
        return (str(self.path),)

    def refused(self, column: int) -> Refusal | None:
        """Not known before the pass."""
        return None

    def where(self, row: int) -> str:
        """Number and line."""
        return where(self.path, self.form, row)

    def pieces(self, columns: Sequence[int], start: int, stop: int | None, rows: int) -> Iterator[Piece]:
        """Only a prepared text file has them."""
        raise ReadError(f"{self.name} is text; prepare() parses it")

    def prepare(self, folder: str, columns: Sequence[int], texts: bool, tell: Tell = silent) -> ParsedReader:
        """Parse the columns into a matrix."""
        pass_ = _Parse(self, sorted(set(columns)), texts)
        while True:
            try:
                return pass_.run(folder, tell)
            except _ReadAgainAsText:
                pass_ = _Parse(self, pass_.columns, texts, pass_.as_text, pass_.of_texts)


def text_reader(path: Path, suffix: str, options: TextOptions | None = None) -> TextReader:
    """Read the first lines of a text file."""
    form = text_form(path, suffix, options)
    about = {"header": "; ".join(form.notes)} if form.notes else {}
    return TextReader(str(path), form.names, path, form, about)


class _ReadAgainAsText(Exception):
    """A column came as numbers in some chunk, which lost how they were written ("007", 9007199254740993)."""


class _Parse:
    """One pass over the text."""

    def __init__(
        self,
        reader: TextReader,
        columns: Sequence[int],
        texts: bool,
        as_text: frozenset[int] = frozenset(),
        of_texts: frozenset[int] = frozenset(),
    ) -> None:
        self.reader, self.columns, self.as_text, self.of_texts = reader, columns, as_text, of_texts
        self._encode = texts
        self._kind: dict[int, str] = dict.fromkeys(of_texts, "text")
        self._refusals: dict[int, Refusal] = dict.fromkeys(of_texts, Refusal("text", True))
        self._codes: dict[int, dict[str, int]] = {}
        self._rows = self._rounded = 0

    def run(self, folder: str, tell: Tell) -> ParsedReader:
        """Parse all rows."""
        reader, path = self.reader, self.reader.path
        pd = import_optional("pandas", extra="tables", purpose="reading CSV files")
        count = reader.n_columns
        with Spill(folder, reader.name, len(self.columns)) as spill, open_text(path) as raw:
            tail, size = _Tail(raw), path.stat().st_size
            rows = max(1024, min(_CHUNK_ROWS, _CHUNK_CELLS // count))
            stream: Any = tail
            for chunk in chunks(pd, path, stream, reader.form, False, texts=self.as_text, rows=rows):
                refuse_nameless(chunk, count, path)
                matrix = np.empty((len(chunk), len(self.columns)))
                for index, column in enumerate(self.columns):
                    matrix[:, index] = self._column(chunk.iloc[:, column], column)
                spill.write(matrix)
                self._rows += len(chunk)
                tell(self._rows, tail.guess(self._rows, size))
            if not self._rows:
                raise ReadError(f"{path} has column names but no data rows")
            tail.check(path, reader.form)
            part = spill.part()
        place = {column: index for index, column in enumerate(self.columns)}
        for column in self.columns:
            if column not in self._kind:
                self._refusals[column] = Refusal("empty in every row", False)
        levels = {column: tuple(codes) for column, codes in self._codes.items()}
        inner = ArrayReader(
            reader.name,
            (part,),
            of_file=True,
            levels={place[column]: texts for column, texts in levels.items()},
        )
        about = {**reader.about, **({ROUNDED: self._rounded} if self._rounded else {})}
        return ParsedReader(
            reader.name,
            reader.names,
            inner,
            place,
            self._refusals,
            levels,
            reader.token,
            about,
            count,
            (path, reader.form),
            truth=frozenset(column for column, kind in self._kind.items() if kind == "boolean"),
        )

    def _name(self, column: int) -> str:
        return self.reader.form.labels[column]

    def _column(self, series: Any, column: int) -> NDArray[Any] | float:
        """One column of a chunk as float64: numbers, codes of texts, NaN where there is no value."""
        kind = self._kind.get(column)
        if kind != "text" and isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf":
            values = series.to_numpy()
            if series.dtype.kind == "f" and np.isnan(values).all():
                return np.nan
            if series.dtype.kind == "f" and (np.abs(values) >= _INTEGER_LIMIT).any():
                # which of them were written as integers, and so are rounded, only the text tells
                self.as_text |= {column}
                raise _ReadAgainAsText
            return self._numbers(values, column)
        absent = series.isna().to_numpy()
        if absent.all():
            return np.nan
        present = np.flatnonzero(~absent)
        result = np.full(len(series), np.nan)
        if kind != "text":
            try:
                values = self._values(series.iloc[present], column)
            except Trouble as trouble:
                row = self._rows + int(present[trouble.row])
                later = kind is not None or trouble.row
                if later and column in self.reader.labels:
                    self.as_text |= {column}
                    self.of_texts |= {column}
                    raise _ReadAgainAsText from None
                if later:
                    raise self._turned(column, row, trouble.text) from None
                self._kind[column] = "text"
                self._refusals[column] = Refusal(
                    f"text ({_shown(trouble.text)} in data row {row + 1:,})", True
                )
            else:
                result[present] = self._numbers(values, column)
                return result
        if not (self._encode or column in self.reader.labels):
            return np.nan
        if series.dtype.kind in "biuf":
            self.as_text |= {column}
            raise _ReadAgainAsText
        codes = self._codes.setdefault(column, {})
        texts = (str(text).strip() for text in series.iloc[present])
        result[present] = [codes.setdefault(text, len(codes)) if text else np.nan for text in texts]
        return result

    def _values(self, series: Any, column: int) -> NDArray[Any]:
        """Numbers of cells that pandas has not taken for numbers; `Trouble` names the first that is none."""
        form = self.reader.form
        if column not in self.as_text:
            # a column of True, False and nothing comes as objects
            return binary(series.infer_objects(), column, form)
        numbers: list[Any] = []
        for row, cell in enumerate(series):
            text = str(cell).strip()
            number = text if _INFINITE.fullmatch(text) else form.number(text)
            if number is None:
                raise Trouble(column, row, text)
            # integers as they are written: through Decimal, because int() refuses texts of more than 4300 digits
            numbers.append(int(Decimal(text)) if INTEGER.fullmatch(text) else float(number))
        return objects(numbers)

    def _numbers(self, values: NDArray[Any], column: int) -> NDArray[Any]:
        kind = "boolean" if values.dtype.kind == "b" else "number"
        known = self._kind.setdefault(column, kind)
        if known != kind:
            raise ReadError(
                f"{self.reader.name}: column {self._name(column)!r} mixes True/False with numbers; write 1 and 0"
            )
        floats, rounded = as_floats(values)
        self._rounded += rounded
        return floats

    def _turned(self, column: int, row: int, text: str | None) -> ReadError:
        place = self.reader.where(row)
        return ReadError(
            f"{self.reader.name}: column {self._name(column)!r} begins with numbers but holds the text "
            f"{_shown(text)} in {place}; mend the file, or leave the column out with features=[...]"
        )


def _shown(text: str | None) -> str:
    text = text or ""
    return repr(text if len(text) <= 40 else text[:40] + "...")


class _Tail:
    """Passes a stream on and keeps its end, which tells whether the file was cut in the middle of a row."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._end = stream, b""

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        if block:
            self._end = (
                (self._end + block)[-_TAIL_BYTES:] if len(block) < _TAIL_BYTES else block[-_TAIL_BYTES:]
            )
        return block

    def __iter__(self) -> Iterator[bytes]:
        # pandas asks whether it may iterate, and then reads
        return iter(self._stream)

    def guess(self, rows: int, size: int) -> int:
        """Rows of the file, if the rest of its bytes holds as many as what was read."""
        return max(rows, round(rows * size / max(position(self._stream), 1)))

    def check(self, path: Path, form: TextForm) -> None:
        """Raise when the last line has no end and fewer fields than there are columns."""
        if self._end.endswith((b"\n", b"\r")):
            return
        line = self._end.rsplit(b"\n", 1)[-1].decode("utf-8", "replace")
        fields = len(line.split()) if form.separator == BLANKS else line.count(form.separator) + 1
        # separators inside quotes only make a line look longer
        if line.strip() and fields < form.n_columns:
            raise ReadError(
                f"{path} is cut short: its last line ends after {fields} of {form.n_columns} fields, without a line end"
            )
