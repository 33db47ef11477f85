"""What the readers of a scan have in common: the protocol, the options, numbers on their way to float64."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .._selection import Request
from .._validate import float_view, rounding
from ..errors import OptionError

__all__ = [
    "ROUNDED",
    "Categories",
    "Missing",
    "Options",
    "Piece",
    "Reader",
    "Refusal",
    "Tell",
    "as_floats",
    "fingerprint",
    "labels",
    "silent",
]

Missing = Literal["fail", "drop"]
Categories = Literal["reject", "onehot"]
Piece = Sequence[NDArray[Any]]
"""Columns side by side: one-dimensional arrays, or two-dimensional ones that stand for several columns."""
Tell = Callable[[int, "int | None"], None]
"""Is told of rows done, and of all rows as far as they are known or can be guessed."""

ROUNDED = "values rounded to float64"


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


def as_floats(values: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Values ready for assignment to float64, and how many integers and decimals are rounded by that.

    None and NaN among objects become NaN.
    """
    kind = values.dtype.kind
    if kind == "O":
        flat = values.reshape(-1)
        absent = np.array([value is None or value != value for value in flat.tolist()], dtype=bool)
        view = np.full(flat.shape, np.nan)
        present = flat[~absent]
        view[~absent] = float_view(present)
        return view.reshape(values.shape), rounding(present, view[~absent])[0]
    if kind not in "iu" or values.dtype.itemsize < 8 or not values.size:
        return values, 0
    if max(int(values.max()), -int(values.min())) <= 2**53:
        return values, 0
    view = values.astype(np.float64)
    # the float of an integer near the end of its type may lie beyond it
    beyond = view >= 2.0 ** (63 if kind == "i" else 64)
    back = np.where(beyond, 0.0, view).astype(values.dtype)
    return view, int((beyond | (back != values)).sum())


@dataclass(frozen=True)
class Options:
    """What to read and how, for any dataset of a scan."""

    request: Request
    missing: Missing = "fail"
    categories: Categories = "reject"

    def __post_init__(self) -> None:
        if self.missing not in ("fail", "drop"):
            raise OptionError(f"missing must be 'fail' or 'drop', got {self.missing!r}")
        if self.categories not in ("reject", "onehot"):
            raise OptionError(f"categories must be 'reject' or 'onehot', got {self.categories!r}")


def labels(reader: Reader) -> Callable[[int], str]:
    """How messages and notes call a column: its name, or its position."""
    return lambda column: f"column {column}" if reader.names is None else reader.names[column]
