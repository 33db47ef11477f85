"""A reader over the temporary matrix that stands for something readable only once, or only from its start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastminima.data.text_form import TextForm, where

from .arrays import ArrayReader
from .reader import Piece, Refusal, Tell, silent

__all__ = ["ParsedReader"]


@dataclass(frozen=True)
class ParsedReader:
    """A temporary matrix that stands for columns of something that can be read only once, or from its start.

    Columns keep the positions they had there. `text` is the path and form of a text file, `truth` are its columns of True
    and False.
    """

    name: str
    names: tuple[str, ...] | None
    inner: ArrayReader
    place: Mapping[int, int]
    refusals: Mapping[int, Refusal]
    levels: Mapping[int, tuple[str, ...]]
    token: str
    about: Mapping[str, Any]
    n_columns: int
    text: tuple[Path, TextForm] | None = None
    seekable: bool = True
    hidden: frozenset[int] = frozenset()
    files: tuple[str, ...] = ()
    truth: frozenset[int] = frozenset()

    @property
    def n_rows(self) -> int:
        """All of them."""
        return self.inner.n_rows

    @property
    def size_bytes(self) -> int | None:
        """Of the temporary matrix."""
        return self.inner.size_bytes

    def refused(self, column: int) -> Refusal | None:
        """As the pass found."""
        return self.refusals.get(column)

    def prepare(self, folder: str, columns: Sequence[int], texts: bool, tell: Tell = silent) -> ParsedReader:
        """Nothing left to settle."""
        return self

    def pieces(self, columns: Sequence[int], start: int, stop: int | None, rows: int) -> Iterator[Piece]:
        """From the temporary matrix."""
        return self.inner.pieces([self.place[column] for column in columns], start, stop, rows)

    def where(self, row: int) -> str:
        """Number and line; the text is read again, as only failures need it."""
        return f"row {row} (counting from 0)" if self.text is None else where(*self.text, row)
