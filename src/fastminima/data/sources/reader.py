"""What the readers of a scan have in common: the protocol, the options, numbers on their way to float64."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from fastminima.data.cleaning import Categories, Missing
from fastminima.data.columns import Request
from fastminima.data.text_form import TextOptions
from fastminima.errors import OptionError, ReadError
from fastminima.system.options import one_of, spelled

__all__ = [
    "Options",
    "Piece",
    "Reader",
    "Refusal",
    "Tell",
    "file_token",
    "fingerprint",
    "labels",
    "silent",
    "stamp_of",
]

Piece = Sequence[NDArray[Any]]
"""Columns side by side: one-dimensional arrays, or two-dimensional ones that stand for several columns."""
Tell = Callable[[int, "int | None"], None]
"""Is told of rows done, and of all rows as far as they are known or can be guessed."""


def silent(done: int, total: int | None) -> None:
    """Tell nobody."""


class Refusal(NamedTuple):
    """Why a column is not numeric, and whether its values are texts that can be encoded as categories."""

    reason: str
    encodable: bool


class Reader(Protocol):
    """Rows of one dataset before any column is chosen. Picklable, and usable from several threads at once."""

    @property
    def name(self) -> str:
        """What the report calls the dataset."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Of the columns; None where they have none."""

    @property
    def n_columns(self) -> int:
        """All of them."""

    @property
    def n_rows(self) -> int | None:
        """None when only a pass can tell."""

    @property
    def seekable(self) -> bool:
        """Can `pieces` start anywhere cheaply?"""

    @property
    def hidden(self) -> frozenset[int]:
        """Columns that are no inputs unless asked for."""

    @property
    def levels(self) -> Mapping[int, tuple[str, ...]]:
        """Texts of columns whose texts are known."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What the report should say."""

    @property
    def token(self) -> str:
        """Changes when the data change; may cost a pass over data in memory."""

    @property
    def files(self) -> tuple[str, ...]:
        """Files, and folders of files, whose bytes are read; none in memory."""

    @property
    def size_bytes(self) -> int | None:
        """Of the files, as far as they are known; None in memory."""

    def refused(self, column: int) -> Refusal | None:
        """None for a numeric column."""

    def prepare(self, folder: str, columns: Sequence[int], texts: bool, tell: Tell = silent) -> Reader:
        """What a pass over the columns has to settle; texts: columns of text will be encoded."""

    def pieces(self, columns: Sequence[int], start: int, stop: int | None, rows: int) -> Iterator[Piece]:
        """The columns in this order: numbers of any real dtype (NaN where missing), or objects str and None.

        A piece is valid until the next one is asked for.
        """

    def where(self, row: int) -> str:
        """How a user finds a row (0-based)."""


def fingerprint(*parts: object) -> str:
    """A short digest of the parts' reprs."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Options:
    """What to read and how, for any dataset of a scan."""

    request: Request
    missing: Missing = "fail"
    categories: Categories = "reject"
    text: TextOptions = field(default_factory=TextOptions)
    labels: bool = False

    def __post_init__(self) -> None:
        if not one_of(self.missing, ("fail", "drop")):
            raise OptionError(f"missing must be 'fail' or 'drop', got {spelled(self.missing)}")
        if not one_of(self.categories, ("reject", "onehot")):
            raise OptionError(f"categories must be 'reject' or 'onehot', got {spelled(self.categories)}")


def labels(reader: Reader) -> Callable[[int], str]:
    """How messages and notes call a column: its name, or its position."""
    return lambda column: f"column {column}" if reader.names is None else reader.names[column]


def file_token(path: str | os.PathLike[str]) -> str:
    """Where a file is, how large, and when it was written."""
    try:
        state = os.stat(path)
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror or error}") from error
    return fingerprint(os.path.abspath(path), state.st_size, state.st_mtime_ns)


def stamp_of(paths: Sequence[str]) -> str:
    """Which files these are and in what state: changes with whatever is written to them, or put in their place.

    The time of the last change of the inode is in it too: the time of the last write can be set back, and tools that copy do
    it. Not for another machine, where the same bytes may lie in another place: that is `file_token`.
    """
    found: list[object] = []
    for path in paths:
        inside = [
            os.path.join(folder, name) for folder, _, names in os.walk(path) for name in (*names, os.curdir)
        ]
        for file in sorted(inside) or [path]:
            try:
                state = os.stat(file)
            except OSError as error:
                found.append((file, error.errno))
                continue
            found.append((file, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino))
    return fingerprint(found) if found else ""
