"""Zarr: arrays, and groups with X, y and perhaps weights."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.columns import Request
from fastminima.system.files import reading
from fastminima.system.packages import import_optional

from .archives import Opened, array_source, grouped, spelling
from .arrays import Part, ReadRows
from .chunks import absent, row_bytes, windowed
from .reader import file_token, fingerprint

__all__ = ["ZarrPart", "absent_zarr", "zarr_part", "zarr_source"]


def absent_zarr(arrays: Sequence[Any]) -> dict[str, Any]:
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


def zarr_part(array: Any, path: str | None) -> ZarrPart:
    """A part of an open Zarr array."""
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
    return grouped(name, arrays, request, spelling(path, below), about=about)
