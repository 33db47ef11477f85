"""Named arrays in one file: npz archives, HDF5 files, Zarr groups."""

from __future__ import annotations

import hashlib
import math
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.columns import Request, feature_positions, listed, named_arrays
from fastminima.errors import DataError, ReadError
from fastminima.system.files import reading
from fastminima.system.packages import import_optional

from .arrays import ArrayReader, FilePart, Part, ReadRows, read_header
from .reader import Tell, file_token, fingerprint, silent
from .spill import copy_stream

__all__ = ["ZarrPart", "absent_zarr", "array_source", "hdf5_source", "npz_source", "zarr_source"]

Opened = tuple[ArrayReader, Request]
# rows of small chunks are fetched together, up to about this much
_WINDOW_BYTES = 1 << 20


def array_source(name: str, part: Part, request: Request, **options: Any) -> Opened:
    """One array by its columns; the last one is the default target, also where fields have names."""
    reader = ArrayReader(name, (part,), of_file=True, **options)
    if reader.n_columns == 0:
        raise ReadError(f"{name} holds an array of shape {part.shape}; a target column is needed")
    if request.target is None:
        request = replace(request, target=reader.n_columns - 1)
    return reader, request


def _grouped(
    name: str, arrays: Mapping[str, Part], request: Request, spelling: str, **options: Any
) -> Opened:
    """X, y and perhaps sample_weight, or one array alone."""
    found = named_arrays(list(arrays), request, name, spelling)
    if isinstance(found, str):
        return array_source(name, arrays[found], request, **options)
    weight = None if found.weight is None else arrays[found.weight]
    return side_by_side(name, arrays[found.X], arrays[found.y], weight, request.features, **options)


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
    reader, request = _grouped(str(path), arrays, request, "")
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


# --- arrays in chunks ---------------------------------------------------------------------------------------


def _windowed(fetch: ReadRows, chunk: int, row_bytes: int, m: int) -> ReadRows:
    """Read whole chunks, each once a pass, and hand out rows of the ones at hand."""
    span = chunk * max(1, _WINDOW_BYTES // max(1, chunk * row_bytes))
    first, last = 0, 0
    window: NDArray[Any] = np.empty(0)

    def read(start: int, stop: int) -> NDArray[Any]:
        nonlocal first, last, window
        pieces = []
        while start < stop:
            if not first <= start < last:
                first = start - start % chunk
                last = min(first + span, m)
                window = fetch(first, last)
            end = min(stop, last)
            pieces.append(window[start - first : end - first])
            start = end
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    return read


def _absent(chunks: int, written: int) -> dict[str, Any]:
    """Chunks that were never written, or are lost: both formats read them as the fill value and say nothing."""
    return {"chunks not in the file, read as their fill value": chunks - written} if chunks > written else {}


def _absent_hdf5(arrays: Sequence[Any]) -> dict[str, Any]:
    chunked = [array for array in arrays if array.chunks]
    chunks = sum(
        math.prod(-(-size // chunk) for size, chunk in zip(array.shape, array.chunks, strict=True))
        for array in chunked
    )
    return _absent(chunks, sum(array.id.get_num_chunks() for array in chunked))


def absent_zarr(arrays: Sequence[Any]) -> dict[str, Any]:
    """A note on the chunks of Zarr arrays that are not stored."""
    return _absent(
        sum(array.nchunks for array in arrays),
        # of a sharded array all chunks of its shards count, also those beyond its end
        sum(min(array.nchunks_initialized, array.nchunks) for array in arrays),
    )


def _row_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return dtype.itemsize * (shape[1] if len(shape) == 2 else 1)


@dataclass(frozen=True)
class _Hdf5Part:
    """A dataset of an HDF5 file, opened anew for every pass."""

    path: str
    inner: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk: int | None
    # files beside `path` that hold its bytes: of links, of external storage, of virtual datasets
    beside: tuple[str, ...] = ()

    @property
    def token(self) -> str:
        """Of the file."""
        return fingerprint(file_token(self.path), self.inner, self.shape)

    @property
    def files(self) -> tuple[str, ...]:
        """The one it is in, and others it leads to."""
        return (self.path, *self.beside)

    @contextmanager
    def open(self) -> Iterator[ReadRows]:
        """Rows, whole chunks at a time."""
        h5py = _h5py()
        label = f"{self.path}::{self.inner}"
        with reading(label, "is damaged or truncated"):
            file = h5py.File(self.path, "r")
        with file:
            with reading(label, "is damaged or truncated"):
                stored = file[self.inner]

            def fetch(start: int, stop: int) -> NDArray[Any]:
                with reading(label, "is damaged or truncated"):
                    rows: NDArray[Any] = stored[start:stop]
                return rows

            if self.chunk is None:
                yield fetch
            else:
                yield _windowed(fetch, self.chunk, _row_bytes(self.shape, self.dtype), self.shape[0])


def _h5py() -> Any:
    return import_optional("h5py", extra="scan", purpose="reading HDF5 files")


def hdf5_source(path: str, inner: str, request: Request) -> Opened:
    """A dataset of an HDF5 file, or the arrays of a group."""
    h5py = _h5py()
    name = f"{path}::{inner}" if inner else path
    with reading(path, "is damaged or not an HDF5 file"), h5py.File(path, "r") as file:
        found = file if not inner else file.get(inner)
        if found is None:
            raise ReadError(f"{path} holds no {inner!r}; it holds {listed(_tree(file, h5py.Dataset))}")
        if isinstance(found, h5py.Dataset):
            return array_source(name, _hdf5_part(path, found), request, about=_absent_hdf5([found]))
        stored = [item for item in found.values() if isinstance(item, h5py.Dataset)]
        arrays: dict[str, Part] = {item.name.rpartition("/")[2]: _hdf5_part(path, item) for item in stored}
        inside = _tree(file, h5py.Dataset)
        about = _absent_hdf5(stored)
        return _grouped(name, arrays, request, _spelling(path, inside), about=about)


def _hdf5_part(path: str, stored: Any) -> _Hdf5Part:
    chunk = None if stored.chunks is None else int(stored.chunks[0])
    # a linked dataset is found again by its name where it lies
    path, home = stored.file.filename, os.path.dirname(stored.file.filename)
    beside = [name for name, *_ in stored.external or ()]
    beside += [part.file_name for part in stored.virtual_sources()] if stored.is_virtual else []
    places = {place for name in beside if name != "." for place in (name, os.path.join(home, name))}
    outside = tuple(sorted(place for place in places if os.path.exists(place)))
    return _Hdf5Part(path, stored.name, tuple(stored.shape or ()), stored.dtype, chunk, outside)


def _tree(group: Any, kind: type) -> list[str]:
    names: list[str] = []
    group.visititems(lambda name, item: names.append(name) if isinstance(item, kind) else None)
    return names


def _spelling(path: str, names: Sequence[str]) -> str:
    return f"; name one as '{path}::{names[0]}'" if names else ""


@dataclass(frozen=True, eq=False)
class ZarrPart:
    """A Zarr array; by its place where it lies in files, as the array itself otherwise."""

    path: str | None
    inner: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk: int
    array: Any = field(default=None)

    @property
    def token(self) -> str:
        """Of every file of the array, or of its contents."""
        if self.path is None:
            digest = hashlib.blake2b(digest_size=16)
            with self.open() as read:
                for start in range(0, self.shape[0], self.chunk):
                    digest.update(
                        np.ascontiguousarray(read(start, min(start + self.chunk, self.shape[0]))).tobytes()
                    )
            return fingerprint(self.shape, digest.hexdigest())
        if os.path.isfile(self.path):
            return fingerprint(file_token(self.path), self.inner)
        count = size = latest = 0
        for folder, _, files in os.walk(os.path.join(self.path, self.inner)):
            for file in files:
                state = os.stat(os.path.join(folder, file))
                count, size, latest = count + 1, size + state.st_size, max(latest, state.st_mtime_ns)
        return fingerprint(os.path.abspath(self.path), self.inner, self.shape, count, size, latest)

    @property
    def files(self) -> tuple[str, ...]:
        """The file it is in, or the folder with its chunks."""
        if self.path is None:
            return ()
        return (self.path if os.path.isfile(self.path) else os.path.join(self.path, self.inner),)

    @contextmanager
    def open(self) -> Iterator[ReadRows]:
        """Rows, whole chunks at a time."""
        label = "the Zarr array" if self.path is None else f"{self.path}::{self.inner}"
        array = self.array
        if self.path is not None:
            with reading(label, "is damaged or truncated"):
                array = _zarr().open_array(self.path, path=self.inner or None, mode="r")

        def fetch(start: int, stop: int) -> NDArray[Any]:
            with reading(label, "is damaged or truncated"):
                return np.asarray(array[start:stop])

        yield _windowed(fetch, self.chunk, _row_bytes(self.shape, self.dtype), self.shape[0])


def _zarr() -> Any:
    return import_optional("zarr", extra="scan", purpose="reading Zarr arrays")


def zarr_part(array: Any, path: str | None) -> ZarrPart:
    """A part of an open Zarr array."""
    codecs = (*(getattr(array, "filters", None) or ()), *(getattr(array, "compressors", None) or ()))
    if any(getattr(codec, "codec_id", "") == "pickle" for codec in codecs):
        raise ReadError(
            f"the Zarr array {path or ''}::{array.path} holds its chunks as pickles, which are never opened, because they "
            "may execute anything; save numbers"
        )
    shards = getattr(array, "shards", None)
    chunk = int((shards or array.chunks)[0]) if array.ndim else 1
    inner = str(array.path)
    held = array if path is None else None
    return ZarrPart(path, inner, tuple(array.shape), np.dtype(array.dtype), max(chunk, 1), held)


def zarr_source(path: str, inner: str, request: Request) -> Opened:
    """A Zarr array on disk, or the arrays of a group."""
    zarr = _zarr()
    name = f"{path}::{inner}" if inner else path
    with reading(name, "is no Zarr array or group, or is damaged"):
        found = zarr.open(path, path=inner or None, mode="r")
    if isinstance(found, zarr.Array):
        return array_source(name, zarr_part(found, path), request, about=absent_zarr([found]))
    members = dict(found.arrays())
    arrays: dict[str, Part] = {key: zarr_part(array, path) for key, array in members.items()}
    below = [str(array.path) for array in members.values()]
    about = absent_zarr(list(members.values()))
    return _grouped(name, arrays, request, _spelling(path, below), about=about)
