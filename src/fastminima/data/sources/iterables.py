"""Iterables and functions that hand out blocks (X, y) or (X, y, sample_weight)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.columns import Request, feature_positions
from fastminima.errors import DataError, TargetError

from .arrays import ArrayReader
from .parsed import ParsedReader
from .reader import Piece, Refusal, Tell, fingerprint, labels, silent
from .spill import Spill
from .tables_in_memory import Table, table_of
from .values import ROUNDED, as_floats

__all__ = ["BlocksReader", "blocks_source"]


@dataclass(frozen=True, eq=False)
class BlocksReader:
    """Blocks from an iterable, a function that returns one, or an iterator that runs once.

    Attributes
    ----------
    blocks : callable
        Returns the blocks, from the first one.
    tables : callable
        Takes a block apart into tables whose columns stand side by side.
    what : str
        How messages call a block.
    """

    name: str
    names: tuple[str, ...] | None
    n_columns: int
    refusals: Mapping[int, Refusal]
    blocks: Callable[[], Iterable[Any]]
    token: str
    n_rows: int | None = None
    seekable: bool = False
    hidden: frozenset[int] = frozenset()
    levels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    size_bytes: int | None = None
    tables: Callable[[Any, str], list[Table]] = field(default_factory=lambda: _tables)
    what: str = "block"
    files: tuple[str, ...] = ()

    def refused(self, column: int) -> Refusal | None:
        """By the first block."""
        return self.refusals.get(column)

    def where(self, row: int) -> str:
        """By its number."""
        return f"row {row} (counting from 0)"

    def pieces(self, columns: Sequence[int], start: int, stop: int | None, rows: int) -> Iterator[Piece]:
        """The blocks, as they come."""
        at = 0
        for number, block in enumerate(self.blocks()):
            arrays = self._arrays(block, number, columns)
            length = len(arrays[0])
            low = max(start - at, 0)
            high = length if stop is None else min(stop - at, length)
            at += length
            if low < high:
                yield [array[low:high] for array in arrays]
            if stop is not None and at >= stop:
                return

    def _arrays(self, block: Any, number: int, columns: Sequence[int]) -> list[NDArray[Any]]:
        """Columns of a block, which have to be what they were in the first one."""
        tables = self.tables(block, f"{self.name}: {self.what} {number}")
        arrays: list[NDArray[Any]] = []
        refusals: dict[int, Refusal] = {}
        for table in tables:
            refusals |= {len(arrays) + column: refusal for column, refusal in table.refusals.items()}
            for array in table.arrays:
                arrays += [array] if array.ndim == 1 else [array[:, i] for i in range(array.shape[1])]
        if len(arrays) != self.n_columns:
            raise DataError(
                f"{self.name}: {self.what} {number} has {len(arrays)} columns, the first {self.what} had {self.n_columns}"
            )
        for column in columns:
            found, known = (
                kinds[column].reason if column in kinds else "numeric" for kinds in (refusals, self.refusals)
            )
            if found == known:
                continue
            if all(value is None or value != value for value in arrays[column].tolist()):
                # nothing in it says what it is
                arrays[column] = np.full(len(arrays[column]), None, dtype=object)
                continue
            raise DataError(
                f"{self.name}: column {labels(self)(column)!r} of {self.what} {number} is {found}, in the first "
                f"{self.what} it was {known}"
            )
        return [arrays[column] for column in columns]

    def prepare(self, folder: str, columns: Sequence[int], texts: bool, tell: Tell = silent) -> ParsedReader:
        """Keep the rows in a temporary file: then they need not come again, nor in order."""
        columns = sorted(set(columns))
        place = {column: index for index, column in enumerate(columns)}
        codes: dict[int, dict[str, int]] = {c: {} for c in columns if c in self.refusals}
        digest, rounded, done = hashlib.blake2b(digest_size=16), 0, 0
        with Spill(folder, self.name, len(columns)) as spill:
            for piece in self.pieces(columns, 0, None, 0):
                matrix = np.empty((len(piece[0]), len(columns)))
                for index, (column, values) in enumerate(zip(columns, piece, strict=True)):
                    if column in codes:
                        seen = codes[column]
                        matrix[:, index] = [
                            np.nan if v is None else seen.setdefault(v, len(seen)) for v in values.tolist()
                        ]
                        continue
                    matrix[:, index], count = as_floats(values)
                    rounded += count
                digest.update(matrix.tobytes())
                spill.write(matrix)
                done += len(matrix)
                tell(done, None)
            part = spill.part()
        levels = {column: tuple(seen) for column, seen in codes.items()}
        inner = ArrayReader(
            self.name, (part,), levels={place[column]: texts for column, texts in levels.items()}
        )
        about = {**self.about, **({ROUNDED: rounded} if rounded else {})}
        token = fingerprint(self.token, digest.hexdigest(), levels)
        return ParsedReader(
            self.name, self.names, inner, place, self.refusals, levels, token, about, self.n_columns
        )


def _tables(block: Any, label: str) -> list[Table]:
    """X, y and perhaps weights of a block by columns."""
    if not isinstance(block, tuple | list) or len(block) not in (2, 3):
        raise DataError(f"{label} is {type(block).__name__}; expected (X, y) or (X, y, sample_weight)")
    tables = [table_of(part, role) for part, role in zip(block, ("X", "y", "sample_weight"), strict=False)]
    shape = tables[0].parts[0].shape if tables[0].parts else (0,)
    if tables[0].names is None and len(tables[0].parts) == 1 and len(shape) != 2:
        raise DataError(f"{label}: X must be 2-D (samples, features), got shape {shape}")
    for table, role in zip(tables[1:], ("y", "sample_weight"), strict=False):
        if table.width != 1:
            raise DataError(f"{label}: {role} must have one column, got {table.width}")
    lengths = [len(table.arrays[0]) for table in tables if table.parts]
    if len(set(lengths)) > 1:
        raise DataError(f"{label}: X, y and sample_weight have {lengths} rows; they must be the same samples")
    return tables


@dataclass(frozen=True)
class _Given:
    """Blocks of an object that can be iterated over again; a class, because functions do not pickle."""

    source: Any

    def __call__(self) -> Iterable[Any]:
        blocks: Iterable[Any] = self.source() if callable(self.source) else self.source
        return blocks


def blocks_source(name: str, source: Any, request: Request) -> tuple[BlocksReader, Request]:
    """Look at the first block, which says how many columns there are and what they are called.

    Raises
    ------
    DataError
        No blocks, or not of the form (X, y) or (X, y, sample_weight).
    """
    give: Callable[[], Iterable[Any]] = _Given(source)
    made = give()
    blocks = iter(made)
    first = next(blocks, None)
    if first is None:
        raise DataError(f"{name} has no blocks; at least one sample is needed")
    if blocks is made and not callable(source):
        # an iterator: its first block does not come again
        give = _Given(chain([first], blocks))
    tables = _tables(first, f"{name}: block 0")
    dx = tables[0].width
    if request.target is not None and request.target not in ("y", tables[1].names and tables[1].names[0]):
        raise TargetError(f"{name} hands out blocks (X, y): the target is y; leave target out")
    if request.weight is not None and len(tables) < 3:
        raise DataError(f"{name} hands out blocks (X, y) without weights; hand out (X, y, sample_weight)")
    names: tuple[str, ...] | None = None
    refusals: dict[int, Refusal] = {}
    place = 0
    if tables[0].names is not None:
        names = (*tables[0].names, *("y", "sample_weight")[: len(tables) - 1])
    for table in tables:
        refusals |= {place + column: refusal for column, refusal in table.refusals.items()}
        place += table.width
    chosen = (
        None if request.features is None else feature_positions(request.features, tables[0].names, dx, name)
    )
    token = fingerprint(name, place, [part.token for table in tables for part in table.parts])
    reader = BlocksReader(name, names, place, refusals, give, token)
    return reader, Request(dx, chosen, dx + 1 if len(tables) == 3 else None)
