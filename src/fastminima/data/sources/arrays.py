"""Arrays whose rows are read at offsets: NumPy files, stored members of archives, HDF5, Zarr, memory.

A `Part` is one array. It is opened once a pass and then read by rows, with real reads rather than through a memory
map: pages of a map that were touched count as memory of the process, and a pass touches all of them.
"""

from __future__ import annotations

import ast
import hashlib
import math
import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fastminima.errors import DataError, ReadError
from fastminima.system.files import reading

from .reader import Piece, Refusal, Tell, file_token, fingerprint, silent
from .values import numeric_dtype, texts

__all__ = ["ArrayReader", "FilePart", "MemoryPart", "Part", "npy_part", "read_header"]

ReadRows = Callable[[int, int], NDArray[Any]]


class Part(Protocol):
    """One array with rows: shape (m,), (m, k), or (m,) with fields."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of the array."""

    @property
    def token(self) -> str:
        """Changes when the array does."""

    @property
    def files(self) -> tuple[str, ...]:
        """Where its bytes are, but in memory."""

    def open(self) -> AbstractContextManager[ReadRows]:
        """A function of (start, stop) that hands out rows, valid until it is called again."""


@dataclass(frozen=True, eq=False)
class MemoryPart:
    """An array in memory; of a slice, `rows` counts the whole and `first` is where the slice begins."""

    array: NDArray[Any]
    first: int = 0
    rows: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """As of the array, or of the one it is a slice of."""
        return (len(self.array) if self.rows is None else self.rows, *self.array.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of the array."""
        return self.array.dtype

    @property
    def token(self) -> str:
        """A digest of the contents."""
        digest = hashlib.blake2b(digest_size=16)
        for start in range(0, len(self.array), 65_536):
            block = self.array[start : start + 65_536]
            digest.update(repr(block.tolist()).encode() if block.dtype.hasobject else block.tobytes())
        return fingerprint(self.shape, self.dtype.descr, digest.hexdigest())

    @property
    def files(self) -> tuple[str, ...]:
        """None."""
        return ()

    @contextmanager
    def open(self) -> Iterator[ReadRows]:
        """Views of the array."""
        yield lambda start, stop: self.array[start - self.first : stop - self.first]

    def slice(self, start: int, stop: int) -> MemoryPart:
        """The rows from `start` to `stop` alone, under their own numbers."""
        rows = self.array[start - self.first : stop - self.first]
        return MemoryPart(rows, start, self.shape[0])


@dataclass(frozen=True)
class FilePart:
    """An array that lies uncompressed in a file.

    Attributes
    ----------
    path : str
    offset : int
        Where its first byte is.
    shape, dtype
    fortran : bool
        Column after column: then a read of rows is one read a column.
    label : str
        What messages call it.
    """

    path: str
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool = False
    label: str = ""

    @property
    def token(self) -> str:
        """Of the file, and where the array lies in it."""
        return fingerprint(file_token(self.path), self.offset, self.shape, self.dtype.descr, self.fortran)

    @property
    def files(self) -> tuple[str, ...]:
        """The one it is in."""
        return (self.path,)

    def check(self) -> FilePart:
        """Itself, when the file is long enough for its shape."""
        needed = self.offset + int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        size = os.path.getsize(self.path)
        if size < needed:
            raise ReadError(
                f"{self.label or self.path} is cut short: an array of shape {self.shape} ({self.dtype}) needs "
                f"{needed:,} bytes, the file has {size:,}"
            )
        return self

    @contextmanager
    def open(self) -> Iterator[ReadRows]:
        """Rows by unbuffered reads into one buffer: new memory for every block costs more than its copy."""
        with reading(self.path, "cannot be read"):
            stream = open(self.path, "rb", buffering=0)  # noqa: SIM115  (closed below)
        with stream:
            buffer = np.empty(0, dtype=np.uint8)

            def read(start: int, stop: int) -> NDArray[Any]:
                nonlocal buffer
                width = self.shape[1] if len(self.shape) == 2 else 1
                needed = (stop - start) * width * self.dtype.itemsize
                if len(buffer) < needed:
                    buffer = np.empty(needed, dtype=np.uint8)
                return self._read(stream, buffer[:needed], start, stop)

            yield read

    def _read(self, stream: IO[bytes], buffer: NDArray[np.uint8], start: int, stop: int) -> NDArray[Any]:
        m, k, item = self.shape[0], stop - start, self.dtype.itemsize
        if self.fortran and len(self.shape) == 2:
            for column in range(self.shape[1]):
                own = buffer[column * k * item : (column + 1) * k * item]
                self._fill(stream, own, self.offset + (column * m + start) * item)
            return buffer.view(self.dtype).reshape(self.shape[1], k).T
        self._fill(stream, buffer, self.offset + start * (len(buffer) // k if k else 0))
        return buffer.view(self.dtype).reshape(k, *self.shape[1:])

    def _fill(self, stream: IO[bytes], buffer: NDArray[np.uint8], offset: int) -> None:
        # not `reading`, whose guard against warnings costs as much as the read
        view = memoryview(buffer.data)
        try:
            stream.seek(offset)
            while view:
                got = stream.readinto(view)  # type: ignore[attr-defined]
                if not got:
                    raise ReadError(
                        f"{self.label or self.path} is cut short: it ends at byte {stream.tell():,}"
                    )
                view = view[got:]
        except OSError as error:
            reason = error.strerror or error
            raise ReadError(f"{self.label or self.path} cannot be read: {reason}") from error


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, Fortran order, dtype) from the start of an npy stream, which is left at the first entry."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    (length,) = struct.unpack("<I", stream.read(4))
    if version != (3, 0) or length > 1 << 20:
        raise ValueError(f"unknown version {version}, or a header of {length} bytes")
    header = ast.literal_eval(stream.read(length).decode("utf-8"))
    return header["shape"], header["fortran_order"], npy.descr_to_dtype(header["descr"])


def npy_part(path: Path) -> FilePart:
    """The array of an npy file."""
    with reading(path, "is damaged"), open(path, "rb") as stream:
        shape, fortran, dtype = read_header(stream)
        if dtype.hasobject:
            raise ReadError(f"{path} holds Python objects; save numbers")
        return FilePart(str(path), stream.tell(), shape, dtype, fortran, str(path)).check()


@dataclass(frozen=True, eq=False)
class ArrayReader:
    """Columns of one or several arrays side by side.

    Parameters
    ----------
    name : str
    parts : tuple of Part
        (m, k) arrays count k columns, (m,) arrays one, structured ones a column a field.
    names : tuple of str or None
        Of all columns; None takes the fields of structured arrays, else none.
    of_file : bool
        How messages count rows: "data row 1", or "row 0 (counting from 0)".
    levels : mapping of int to tuple of str
        Columns of codes, and the texts they stand for.
    refusals : mapping of int to Refusal, optional
        Columns that are not numeric; default: by dtype.
    tag : str
        Token of what the arrays were made from; default: of the arrays.
    """

    name: str
    parts: tuple[Part, ...]
    names: tuple[str, ...] | None = None
    of_file: bool = False
    seekable: bool = True
    hidden: frozenset[int] = frozenset()
    levels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    refusals: Mapping[int, Refusal] | None = None
    tag: str = ""

    def __post_init__(self) -> None:
        lengths = [part.shape[0] if part.shape else -1 for part in self.parts]
        for part in self.parts:
            if len(part.shape) not in (1, 2) or (part.dtype.names is not None and len(part.shape) != 1):
                raise DataError(
                    f"{self.name} holds an array of shape {part.shape}; expected 2-D (samples, columns), or 1-D "
                    "with named fields"
                )
        if len(set(lengths)) > 1:
            raise DataError(
                f"{self.name}: X, y and sample_weight have {lengths} rows; they must be the same samples"
            )
        if lengths[0] == 0:
            raise DataError(f"{self.name} has no rows; at least one sample is needed")
        if self.names is None and self.parts[0].dtype.names is not None:
            object.__setattr__(self, "names", tuple(self.parts[0].dtype.names))

    @property
    def n_rows(self) -> int:
        """m."""
        return int(self.parts[0].shape[0])

    @property
    def n_columns(self) -> int:
        """Of all parts."""
        return sum(len(fields) for fields in self._fields())

    def _fields(self) -> list[list[Any]]:
        return [
            list(part.dtype.names)
            if part.dtype.names
            else list(range(part.shape[1] if len(part.shape) == 2 else 1))
            for part in self.parts
        ]

    def _place(self, column: int) -> tuple[int, Any]:
        """(part, field or column in it)."""
        for index, fields in enumerate(self._fields()):
            if column < len(fields):
                return index, fields[column]
            column -= len(fields)
        raise IndexError(column)

    @property
    def token(self) -> str:
        """Of all parts."""
        return self.tag or fingerprint([part.token for part in self.parts])

    @property
    def files(self) -> tuple[str, ...]:
        """Of all parts."""
        return tuple(dict.fromkeys(file for part in self.parts for file in part.files))

    def refused(self, column: int) -> Refusal | None:
        """By dtype."""
        if self.refusals is not None:
            return self.refusals.get(column)
        if column in self.levels:
            return Refusal("text", True)
        index, where = self._place(column)
        dtype = self.parts[index].dtype
        if dtype.names is not None:
            dtype = dtype[where]
        if dtype.subdtype is not None:
            return Refusal(f"an array of shape {dtype.shape} a row", False)
        if numeric_dtype(dtype):
            return None
        # HDF5 has strings of any length, as objects
        text = dtype.kind in "UST" or dict(dtype.metadata or {}).get("vlen") in (str, bytes)
        return Refusal("text" if text else str(dtype), text)

    def prepare(self, folder: str, columns: Sequence[int], texts: bool, tell: Tell = silent) -> ArrayReader:
        """Nothing to settle."""
        return self

    @property
    def size_bytes(self) -> int | None:
        """Of arrays in files, unpacked; None in memory."""
        if self.in_memory:
            return None
        return sum(part.dtype.itemsize * math.prod(part.shape) for part in self.parts)

    @property
    def in_memory(self) -> bool:
        """Do all parts lie in memory?"""
        return all(isinstance(part, MemoryPart) for part in self.parts)

    def slice(self, start: int, stop: int) -> ArrayReader:
        """What is needed to read rows `start` to `stop`: of arrays in memory those rows, of files their names."""
        parts = tuple(p.slice(start, stop) if isinstance(p, MemoryPart) else p for p in self.parts)
        return replace(self, parts=parts, tag="a slice")

    def where(self, row: int) -> str:
        """By its number."""
        return f"data row {row + 1:,}" if self.of_file else f"row {row} (counting from 0)"

    def pieces(self, columns: Sequence[int], start: int, stop: int | None, rows: int) -> Iterator[Piece]:
        """Pieces of `rows` rows."""
        runs = self._runs(columns)
        stop = self.n_rows if stop is None else min(stop, self.n_rows)
        with ExitStack() as stack:
            read = {part: stack.enter_context(self.parts[part].open()) for part in {run.part for run in runs}}
            for at in range(start, stop, rows):
                blocks = {part: rows_of(at, min(at + rows, stop)) for part, rows_of in read.items()}
                yield [run.take(blocks[run.part]) for run in runs]

    def _runs(self, columns: Sequence[int]) -> list[_Run]:
        """Neighbouring columns of one array together, so that they are copied together."""
        runs: list[_Run] = []
        for column in columns:
            part, place = self._place(column)
            if column in self.levels:
                run = _Run(part, slice(place, place + 1), self.levels[column])
            elif isinstance(place, str):
                run = _Run(part, place)
            elif len(self.parts[part].shape) == 1:
                run = _Run(part, None)
            else:
                run = _Run(part, slice(place, place + 1))
                if runs and runs[-1].joins(run):
                    run = _Run(part, slice(runs.pop().place.start, place + 1))
            runs.append(run)
        return runs


@dataclass(frozen=True)
class _Run:
    """What to take of a block of one part: a field, all of it, or columns; levels turn codes into texts."""

    part: int
    place: Any
    levels: tuple[str, ...] | None = None

    def joins(self, other: _Run) -> bool:
        return (
            self.part == other.part
            and self.levels is None
            and isinstance(self.place, slice)
            and self.place.stop == other.place.start
        )

    def take(self, block: NDArray[Any]) -> NDArray[Any]:
        if self.place is None:
            return block
        if isinstance(self.place, str):
            values = block[self.place]
            return texts(values) if values.dtype.kind in "USTO" else values
        values = block[:, self.place]
        if self.levels is None:
            # all columns: the block itself, which need not be copied again
            return block if values.shape == block.shape else values
        table = np.array([*self.levels, None], dtype=object)
        codes = values[:, 0]
        return table[np.where(np.isnan(codes), -1, codes).astype(np.intp)]
