"""Zarr: arrays, and groups with X, y and perhaps weights."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.columns import Request
from fastminima.errors import ReadError
from fastminima.system.files import reading
from fastminima.system.packages import import_optional

from .archives import Opened, array_source, chosen, grouped, spelling
from .arrays import Part, ReadRows
from .attributes import decoded, encoding_of, told
from .chunks import absent, row_bytes, windowed
from .reader import file_token, fingerprint

__all__ = ["ZarrPart", "zarr_object", "zarr_part", "zarr_source"]


def _absent_zarr(arrays: Sequence[Any]) -> dict[str, Any]:
    """A note on the chunks of Zarr arrays that are not stored."""
    return absent(
        sum(array.nchunks for array in arrays),
        # of a sharded array all chunks of its shards count, also those beyond its end
        sum(min(array.nchunks_initialized, array.nchunks) for array in arrays),
    )


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

        yield windowed(fetch, self.chunk, row_bytes(self.shape, self.dtype), self.shape[0])


def _zarr() -> Any:
    return import_optional("zarr", extra="scan", purpose="reading Zarr arrays")


def _part(array: Any, path: str | None) -> ZarrPart:
    """A part of an open Zarr array; by its path where it has one."""
    codecs = (*(getattr(array, "filters", None) or ()), *(getattr(array, "compressors", None) or ()))
    if any(getattr(codec, "codec_id", "") == "pickle" for codec in codecs):
        raise ReadError(
            f"the Zarr array {path or ''}::{array.path} holds its chunks as pickles, which are never opened, because they "
            "may execute anything; save numbers"
        )
    shards = getattr(array, "shards", None)
    chunk = int((shards or array.chunks)[0]) if array.ndim else 1
    held = array if path is None else None
    return ZarrPart(path, str(array.path), tuple(array.shape), np.dtype(array.dtype), max(chunk, 1), held)


def zarr_source(path: str, inner: str, request: Request) -> Opened:
    """A Zarr array on disk, or the arrays of a group."""
    name = f"{path}::{inner}" if inner else path
    with reading(name, "is no Zarr array or group, or is damaged"):
        found = _zarr().open(path, path=inner or None, mode="r")
        return _read(name, path, found, request)


def zarr_object(name: str, item: Any, request: Request) -> Opened:
    """An open array or group, read as its path is; of one without files, from its store."""
    path = _root(item)
    if path is not None:
        inner = str(item.path)
        name = f"{path}::{inner}" if inner else path
    with reading(name, "cannot be read"):
        return _read(name, path, item, request)


def zarr_part(array: Any) -> tuple[Part, Mapping[str, Any]]:
    """An open array as X, y or weights, and what to say of it."""
    parts, about = _parts(_root(array), {str(array.basename or ""): array})
    return next(iter(parts.values())), about


def _root(item: Any) -> str | None:
    root = getattr(item.store, "root", None)
    return None if root is None else str(root)


def _read(name: str, path: str | None, found: Any, request: Request) -> Opened:
    if isinstance(found, _zarr().Array):
        parts, about = _parts(path, {str(found.basename or ""): found})
        return array_source(name, next(iter(parts.values())), request, about=about)
    stored = dict(sorted(found.arrays()))
    groups = sorted(found.group_keys())
    below = [str(array.path) for array in stored.values()]
    if groups:
        below = [f"{found.path}/{groups[0]}".strip("/")]
    hint = spelling(path, below, groups)
    used = chosen(list(stored), request, name, hint)
    arrays, about = _parts(path, {key: stored[key] for key in used})
    return grouped(name, arrays, request, hint, about=about)


def _parts(path: str | None, stored: Mapping[str, Any]) -> tuple[dict[str, Part], dict[str, Any]]:
    """Arrays as what their attributes say they are, and what to say of them."""
    encodings = {}
    for key, array in stored.items():
        dtype = np.dtype(array.dtype)
        fill = (
            np.asarray(array.fill_value).item()
            if dtype.kind in "iuf" and array.fill_value is not None
            else None
        )
        label = f"{path or 'the Zarr store'}::{array.path}"
        encodings[key] = encoding_of(label, dtype, array.attrs.asdict(), fill)
    parts = {key: decoded(_part(array, path), encodings[key]) for key, array in stored.items()}
    return parts, {**_absent_zarr(list(stored.values())), **told(encodings)}
