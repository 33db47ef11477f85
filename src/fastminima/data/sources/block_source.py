"""What a scan reads: rows of one dataset, handed out in blocks, from anywhere and as often as asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset

__all__ = ["Block", "BlockSource"]

Array = NDArray[np.float64]
Block = tuple[Array, Array, "Array | None"]


class BlockSource(Protocol):
    """One dataset. Picklable: every worker opens its own copy and reads its own rows.

    Attributes
    ----------
    name : str
        What the report calls it.
    feature_names : tuple of str or None
    target_name : str or None
    n_features : int
        dx, categories encoded.
    weighted : bool
        Whether blocks carry weights.
    n_rows : int or None
        Rows of the source before any is left out; None when only a pass can tell. An int after `prepare`.
    seekable : bool
        Whether `blocks` starts anywhere cheaply. True after `prepare`.
    token : str
        Changes when the data or what is read of them changes (path, size, time, selection): a checkpoint of another
        token is refused. The same before and after `prepare`.
    stamp : str
        Of the files as they were when they were opened; "" where there are none.
    in_memory : bool
        Whether the rows are in memory already.
    exact : bool
        Whether it is a `Dataset` of numbers that float64 cannot hold; such a one is scanned in memory, as it is.
    size_bytes : int or None
        Of its files, where it has some.
    notes : dict
        What was done to the data (rejected columns, categories, rows left out, numbers rounded).
    counts : dict of str to int
        What only a pass can tell, of the rows this copy has read. A worker returns them with its state, and
        `add_counts` of the parent's copy adds them: the same for any executor.
    """

    counts: dict[str, int]

    @property
    def name(self) -> str: ...
    @property
    def feature_names(self) -> tuple[str, ...] | None: ...
    @property
    def target_name(self) -> str | None: ...
    @property
    def n_features(self) -> int: ...
    @property
    def weighted(self) -> bool: ...
    @property
    def n_rows(self) -> int | None: ...
    @property
    def seekable(self) -> bool: ...
    @property
    def token(self) -> str: ...
    @property
    def stamp(self) -> str: ...
    @property
    def notes(self) -> dict[str, Any]: ...

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Add what another copy counted while it read other rows."""

    def check_unchanged(self) -> None:
        """Raise ReadError where a file is not what it was when it was opened."""

    @property
    def in_memory(self) -> bool: ...
    @property
    def size_bytes(self) -> int | None: ...
    @property
    def exact(self) -> bool: ...

    def dataset(self) -> Dataset:
        """All rows as a `Dataset`."""

    def slice(self, start: int, stop: int) -> BlockSource:
        """What another process needs to read these rows: itself, or of rows in memory only those (same row numbers)."""

    def prepare(self, folder: str, tell: Callable[[int, int | None], None] = ...) -> BlockSource:
        """The same rows with n_rows known, seekable, and every block decided by its rows alone.

        Called once, in the parent, before the first pass. What can be read only from its start (text, compressed
        members, iterables) is parsed here, once, into a file under `folder`; for the rest this is free. `tell` hears of
        (rows done, rows in all or None).
        """

    def blocks(self, start: int = 0, stop: int | None = None, rows: int = 4096) -> Iterator[Block]:
        """Iterate over (X (k, dx), y (k,), w (k,) or None): float64, finite, weights positive; any strides.

        Parameters
        ----------
        start, stop : int
            Rows of the source before any is left out.
        rows : int
            A block holds what is left of `rows` rows of the source: block k covers rows
            [start + k rows, start + (k + 1) rows), whatever the source's own chunks are. Blocks of which nothing is
            left are skipped. Arrays are valid until the next block is asked for, and may be read-only views.

        Raises
        ------
        DataError, ReadError
            Named by dataset, row and column.
        """
