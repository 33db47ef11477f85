"""HDF5: datasets, and groups with X, y and perhaps weights."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.columns import Request, listed
from fastminima.errors import ReadError
from fastminima.system.files import reading
from fastminima.system.packages import import_optional

from .archives import Opened, array_source, chosen, grouped, spelling
from .arrays import MemoryPart, Part, ReadRows
from .attributes import decoded, encoding_of, told
from .chunks import absent, row_bytes, windowed
from .reader import file_token, fingerprint

__all__ = ["hdf5_object", "hdf5_part", "hdf5_source"]

# drivers whose file is in memory, where nobody else can open it
_WITHOUT_FILE = ("core", "fileobj")


def _absent_hdf5(arrays: Sequence[Any]) -> dict[str, Any]:
    chunked = [array for array in arrays if array.chunks]
    chunks = sum(
        math.prod(-(-size // chunk) for size, chunk in zip(array.shape, array.chunks, strict=True))
        for array in chunked
    )
    written = sum(array.id.get_num_chunks() for array in chunked)
    # an array without chunks has one
    nowhere = _h5py().h5d.SPACE_STATUS_NOT_ALLOCATED
    empty = [array for array in arrays if not array.chunks and array.size and not array.external]
    bare = sum(not array.is_virtual and array.id.get_space_status() == nowhere for array in empty)
    return absent(chunks + bare, written)


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
                yield windowed(fetch, self.chunk, row_bytes(self.shape, self.dtype), self.shape[0])


def _h5py() -> Any:
    return import_optional("h5py", extra="scan", purpose="reading HDF5 files")


def hdf5_source(path: str, inner: str, request: Request) -> Opened:
    """A dataset of an HDF5 file, or the arrays of a group."""
    h5py = _h5py()
    with reading(path, "is damaged or not an HDF5 file"), h5py.File(path, "r") as file:
        found = file if not inner else file.get(inner)
        if found is None:
            raise ReadError(f"{path} holds no {inner!r}; it holds {listed(_tree(file))}")
        return _read(path, inner, found, request)


def hdf5_object(name: str, item: Any, request: Request) -> Opened:
    """An open dataset, group or file, read as its path is; one that has none, from what it holds in memory.

    Raises
    ------
    ReadError
        It is closed, or holds other arrays.
    """
    if not item:
        raise ReadError(f"{name} belongs to an HDF5 file that has been closed; pass its path")
    file = item.file
    path = os.fsdecode(file.filename)
    inner = str(item.name or "").strip("/")
    if file.driver in _WITHOUT_FILE or item.name is None:
        with reading(name, "cannot be read"):
            return _read(path, inner, item, request, held=True)
    if file.mode != "r":
        file.flush()  # what was written is in the file before that is opened again
    return hdf5_source(path, inner, request)


def hdf5_part(item: Any) -> tuple[Part, Mapping[str, Any]]:
    """An open dataset as X, y or weights, and what to say of it."""
    file = item.file
    held = file.driver in _WITHOUT_FILE or item.name is None
    if not held and file.mode != "r":
        file.flush()
    parts, about = _parts(os.fsdecode(file.filename), {str(item.name or "").rpartition("/")[2]: item}, held)
    return next(iter(parts.values())), about


def _read(path: str, inner: str, found: Any, request: Request, *, held: bool = False) -> Opened:
    h5py = _h5py()
    name = f"{path}::{inner}" if inner else path
    if isinstance(found, h5py.Dataset):
        parts, about = _parts(path, {inner.rpartition("/")[2]: found}, held)
        return array_source(name, next(iter(parts.values())), request, about=about)
    if not isinstance(found, h5py.Group):
        raise ReadError(f"{name} is a {type(found).__name__}; expected a dataset or a group")
    stored = {key: item for key, item in found.items() if isinstance(item, h5py.Dataset)}
    groups = [key for key, item in found.items() if isinstance(item, h5py.Group)]
    below = [f"{inner}/{key}".strip("/") for key in (_tree(found) if groups else stored)]
    hint = spelling(None if held else path, below, groups)
    used = chosen(list(stored), request, name, hint)
    arrays, about = _parts(path, {key: stored[key] for key in used}, held)
    return grouped(name, arrays, request, hint, about=about)


def _parts(path: str, stored: Mapping[str, Any], held: bool) -> tuple[dict[str, Part], dict[str, Any]]:
    """Datasets as what their attributes say they are, and what to say of them."""
    h5d = _h5py().h5d
    encodings = {}
    for key, item in stored.items():
        chosen_fill = item.id.get_create_plist().fill_value_defined() == h5d.FILL_VALUE_USER_DEFINED
        fill = item.fillvalue if chosen_fill and item.dtype.kind in "iuf" else None
        encodings[key] = encoding_of(f"{path}::{item.name}", item.dtype, item.attrs, fill)
    parts = {key: decoded(_part(item, held), encodings[key]) for key, item in stored.items()}
    return parts, {**_absent_hdf5(list(stored.values())), **told(encodings)}


def _part(stored: Any, held: bool) -> Part:
    if held:
        return MemoryPart(np.asarray(stored[()]))
    chunk = None if stored.chunks is None else int(stored.chunks[0])
    # a linked dataset is found again by its name where it lies
    path = os.fsdecode(stored.file.filename)
    beside = [name for name, *_ in stored.external or ()]
    beside += [part.file_name for part in stored.virtual_sources()] if stored.is_virtual else []
    home = os.path.dirname(path)
    places = {place for name in beside if name != "." for place in (name, os.path.join(home, name))}
    outside = tuple(sorted(place for place in places if os.path.exists(place)))
    return _Hdf5Part(path, stored.name, tuple(stored.shape or ()), stored.dtype, chunk, outside)


def _tree(group: Any) -> list[str]:
    """Names of all datasets below a group."""
    kind, names = _h5py().Dataset, list[str]()
    group.visititems(lambda name, item: names.append(name) if isinstance(item, kind) else None)
    return names
