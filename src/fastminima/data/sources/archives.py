"""Named arrays in one place: which of them are read, and npz archives."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastminima.data.columns import Request, feature_positions, listed, named_arrays
from fastminima.errors import DataError, ReadError
from fastminima.system.files import reading

from .arrays import ArrayReader, FilePart, Part, ReadRows, read_header
from .reader import Tell, file_token, fingerprint, silent
from .spill import copy_stream

__all__ = ["Opened", "array_source", "grouped", "npz_source", "side_by_side", "spelling"]

Opened = tuple[ArrayReader, Request]


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
    return side_by_side(name, arrays[found.X], arrays[found.y], weight, request.features, **options)


def spelling(path: str, names: Sequence[str]) -> str:
    return f"; name one as '{path}::{names[0]}'" if names else ""


def side_by_side(
    name: str, X: Part, y: Part, w: Part | None, features: Sequence[str | int] | None, **options: Any
) -> Opened:
    """Arrays X, y and perhaps weights as one reader."""
    if len(X.shape) != 2:
        raise DataError(f"{name}: X must be 2-D (samples, features), got shape {X.shape}")
    for role, part in (("y", y), ("sample_weight", w)):
        if part is not None and not (len(part.shape) == 1 or part.shape[1:] == (1,)):
            raise DataError(f"{name}: {role} must have shape (m,) or (m, 1), got {part.shape}")
    options.setdefault("of_file", True)
    dx = X.shape[1]
    parts = (X, y) if w is None else (X, y, w)
    chosen = None if features is None else feature_positions(features, None, dx, name)
    return ArrayReader(name, parts, **options), Request(dx, chosen, None if w is None else dx + 1)


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
    arrays: dict[str, Part] = {}
    objects: list[str] = []
    with reading(path, "is damaged"), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            with archive.open(info) as stream:
                shape, fortran, dtype = read_header(stream)
                header = stream.tell()
            key = info.filename.removesuffix(".npy")
            if dtype.hasobject:
                objects.append(key)
                continue
            label = f"{path}::{key}"
            part: Part = _Member(str(path), info.filename, header, shape, dtype, fortran)
            if info.compress_type == zipfile.ZIP_STORED:
                start = _data_offset(path, info.header_offset)
                part = FilePart(str(path), start + header, shape, dtype, fortran, label).check()
            arrays[key] = part
    # what is not used may be anything
    used = {"X", "y" if "y" in arrays else "Y", "y", str(request.weight or "sample_weight")} & set(objects)
    if used or (objects and not arrays):
        raise ReadError(f"{path}: {listed(sorted(used) or objects)} holds Python objects; save numbers")
    reader, request = grouped(str(path), arrays, request, "")
    if any(isinstance(part, _Member) for part in reader.parts):
        reader = _ArchiveReader(reader.name, reader.parts, of_file=True, seekable=False)
    return reader, request


def _data_offset(path: Path, header: int) -> int:
    """Where a member's bytes start: its local header may be longer than the central one says."""
    with open(path, "rb") as stream:
        stream.seek(header)
        local = stream.read(30)
    name, extra = struct.unpack("<HH", local[26:30])
    return int(header + 30 + name + extra)
