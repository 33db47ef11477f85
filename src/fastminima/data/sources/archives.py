"""Named arrays in one place: which of them are read, and npz archives."""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from fastminima.data.columns import Request, feature_positions, listed, named_arrays
from fastminima.errors import DataError, ReadError
from fastminima.system.files import reading

from .arrays import ArrayReader, FilePart, MemoryPart, Part, ReadRows, read_header
from .reader import Tell, file_token, fingerprint, silent
from .spill import copy_stream

__all__ = [
    "Opened",
    "array_source",
    "chosen",
    "grouped",
    "npz_object",
    "npz_source",
    "side_by_side",
    "spelling",
]

Opened = tuple[ArrayReader, Request]
_Found = TypeVar("_Found")


def array_source(name: str, part: Part, request: Request, **options: Any) -> Opened:
    """One array by its columns; the last one is the default target, also where fields have names."""
    reader = ArrayReader(name, (part,), of_file=True, **options)
    if reader.n_columns == 0:
        raise ReadError(f"{name} holds an array of shape {part.shape}; a target column is needed")
    if request.target is None:
        request = replace(request, target=reader.n_columns - 1)
    return reader, request


def grouped(name: str, arrays: Mapping[str, Part], request: Request, spelling: str, **options: Any) -> Opened:
    """X, y and perhaps sample_weight, or one array alone."""
    found = named_arrays(list(arrays), request, name, spelling)
    if isinstance(found, str):
        return array_source(name, arrays[found], request, **options)
    weight = None if found.weight is None else arrays[found.weight]
    return side_by_side(name, arrays[found.X], arrays[found.y], weight, request, **options)


def chosen(names: Sequence[str], request: Request, source: str, spelling: str = "") -> list[str]:
    """The names of the arrays that `grouped` reads."""
    found = named_arrays(names, request, source, spelling)
    if isinstance(found, str):
        return [found]
    return [found.X, found.y, *(() if found.weight is None else (found.weight,))]


def spelling(path: str | None, names: Sequence[str], groups: Sequence[str] = ()) -> str:
    """What a message says of groups, and of how to name what is inside."""
    held = f"; it has the groups {listed(groups)}" if groups else ""
    if path is None:
        return f"{held}; pass one of its arrays or groups" if names else held
    return f"{held}; name one as '{path}::{names[0]}'" if names else held


def side_by_side(name: str, X: Part, y: Part, w: Part | None, request: Request, **options: Any) -> Opened:
    """Arrays X, y and perhaps weights as one reader; of the request the features count, and whether y may be several."""
    if len(X.shape) != 2:
        raise DataError(f"{name}: X must be 2-D (samples, features), got shape {X.shape}")
    for role, part in (("y", y), ("sample_weight", w)):
        if role == "y" and request.several and len(part.shape) == 2 and part.shape[1]:  # type: ignore[union-attr]
            continue
        if part is not None and not (len(part.shape) == 1 or part.shape[1:] == (1,)):
            raise DataError(f"{name}: {role} must have shape (m,) or (m, 1), got {part.shape}")
    options.setdefault("of_file", True)
    dx = X.shape[1]
    parts = (X, y) if w is None else (X, y, w)
    features, dy = request.features, 1 if len(y.shape) == 1 else y.shape[1]
    chosen = None if features is None else feature_positions(features, None, dx, name)
    targets = tuple(range(dx, dx + dy)) if dy > 1 else dx
    return ArrayReader(name, parts, **options), Request(targets, chosen, None if w is None else dx + dy)


# --- npz ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Member:
    """A compressed array of an archive: unpacked before the first pass, because only its start can be sought."""

    path: str
    member: str
    header: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def token(self) -> str:
        """Of the archive."""
        return fingerprint(file_token(self.path), self.member)

    @property
    def files(self) -> tuple[str, ...]:
        """The archive."""
        return (self.path,)

    def unpacked(self, folder: str) -> FilePart:
        """As a file of its own."""
        label = f"{self.path}::{self.member}"
        with (
            reading(label, "is damaged"),
            zipfile.ZipFile(self.path) as archive,
            archive.open(self.member) as stream,
        ):
            path = copy_stream(stream, folder, label)
        return FilePart(path, self.header, self.shape, self.dtype, self.fortran, label).check()

    @contextmanager
    def open(self) -> Iterator[ReadRows]:
        raise ReadError(f"{self.path}::{self.member} is compressed; prepare() unpacks it")
        yield  # a context manager is a generator


@dataclass(frozen=True, eq=False)
class _ArchiveReader(ArrayReader):
    def prepare(self, folder: str, columns: Sequence[int], texts: bool, tell: Tell = silent) -> ArrayReader:
        """Unpack what is compressed, once."""
        parts = tuple(part.unpacked(folder) if isinstance(part, _Member) else part for part in self.parts)
        return ArrayReader(self.name, parts, of_file=True, tag=self.token)


def npz_source(path: Path, request: Request) -> Opened:
    """An npz archive: stored members are read where they lie, compressed ones are unpacked to temporary files."""

    def part(info: zipfile.ZipInfo, stream: IO[bytes]) -> Part | None:
        shape, fortran, dtype = read_header(stream)
        header = stream.tell()
        if dtype.hasobject:
            return None
        if info.compress_type == zipfile.ZIP_STORED:
            start = _data_offset(path, info.header_offset)
            label = f"{path}::{info.filename.removesuffix('.npy')}"
            return FilePart(str(path), start + header, shape, dtype, fortran, label).check()
        return _Member(str(path), info.filename, header, shape, dtype, fortran)

    with reading(path, "is damaged"), zipfile.ZipFile(path) as archive:
        arrays = _numbers_of(archive, part, request, str(path))
    reader, request = grouped(str(path), arrays, request, "")
    if any(isinstance(part, _Member) for part in reader.parts):
        reader = _ArchiveReader(reader.name, reader.parts, of_file=True, seekable=False)
    return reader, request


def npz_object(name: str, opened: Any, request: Request) -> Opened:
    """What `numpy.load` has opened, read as its path is; without a path, from the stream it was opened with.

    Raises
    ------
    ReadError
        It is closed, or holds other arrays.
    """
    archive = opened.zip
    if archive is None:
        raise ReadError(f"{name} is an npz archive that has been closed; pass its path")
    path = _path_of(archive.fp)
    if path is not None:
        return npz_source(path, request)

    def part(info: zipfile.ZipInfo, stream: IO[bytes]) -> _Unread | None:
        # the header alone: what is not used is not read
        _, _, dtype = read_header(stream)
        return None if dtype.hasobject else _Unread(archive, info.filename)

    with reading(name, "is damaged"):
        unread = _numbers_of(archive, part, request, name)
        arrays = {key: unread[key].read() for key in chosen(list(unread), request, name)}
    return grouped(name, arrays, request, "")


@dataclass(frozen=True)
class _Unread:
    """An array of an open archive."""

    archive: zipfile.ZipFile
    member: str

    def read(self) -> MemoryPart:
        with self.archive.open(self.member) as stream:
            return MemoryPart(np.lib.format.read_array(stream, allow_pickle=False))


def _path_of(stream: Any) -> Path | None:
    """Where the file of a stream is, if it is still that file."""
    name = getattr(stream, "name", None)
    if not isinstance(name, str | os.PathLike):
        return None
    try:
        same = os.path.samestat(os.stat(name), os.fstat(stream.fileno()))
    except (OSError, ValueError):
        return None
    return Path(name) if same else None


def _numbers_of(
    archive: zipfile.ZipFile,
    part: Callable[[zipfile.ZipInfo, IO[bytes]], _Found | None],
    request: Request,
    name: str,
) -> dict[str, _Found]:
    """The arrays of an archive but for those that hold Python objects; what is not used may be anything."""
    arrays: dict[str, _Found] = {}
    objects: list[str] = []
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            continue
        key = info.filename.removesuffix(".npy")
        with archive.open(info) as stream:
            found = part(info, stream)
        if found is None:
            objects.append(key)
        else:
            arrays[key] = found
    used = {"X", "y" if "y" in arrays else "Y", "y", str(request.weight or "sample_weight")} & set(objects)
    if used or (objects and not arrays):
        raise ReadError(f"{name}: {listed(sorted(used) or objects)} holds Python objects; save numbers")
    return arrays


def _data_offset(path: Path, header: int) -> int:
    """Where a member's bytes start: its local header may be longer than the central one says."""
    with open(path, "rb") as stream:
        stream.seek(header)
        local = stream.read(30)
    name, extra = struct.unpack("<HH", local[26:30])
    return int(header + 30 + name + extra)
