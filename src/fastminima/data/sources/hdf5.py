"""HDF5: datasets, and groups with X, y and perhaps weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.columns import Request, listed
from fastminima.errors import ReadError
from fastminima.system.files import reading
from fastminima.system.packages import import_optional

from .archives import Opened, array_source, grouped, spelling
from .arrays import Part, ReadRows
from .chunks import absent, row_bytes, windowed
from .reader import file_token, fingerprint

__all__ = ["hdf5_source"]


def _absent_hdf5(arrays: Sequence[Any]) -> dict[str, Any]:
    chunked = [array for array in arrays if array.chunks]
    chunks = sum(
        math.prod(-(-size // chunk) for size, chunk in zip(array.shape, array.chunks, strict=True))
        for array in chunked
    )
    return absent(chunks, sum(array.id.get_num_chunks() for array in chunked))


@dataclass(frozen=True)
class _Hdf5Part:
    """A dataset of an HDF5 file, opened anew for every pass."""

    path: str
    inner: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk: int | None

    @property
    def token(self) -> str:
        """Of the file."""
        return fingerprint(file_token(self.path), self.inner, self.shape)

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
        return grouped(name, arrays, request, spelling(path, inside), about=about)


def _hdf5_part(path: str, stored: Any) -> _Hdf5Part:
    chunk = None if stored.chunks is None else int(stored.chunks[0])
    return _Hdf5Part(path, stored.name, tuple(stored.shape or ()), stored.dtype, chunk)


def _tree(group: Any, kind: type) -> list[str]:
    names: list[str] = []
    group.visititems(lambda name, item: names.append(name) if isinstance(item, kind) else None)
    return names
