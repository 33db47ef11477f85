"""Temporary files for what can be read only once, or only from its start."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fastminima.system.files import writing

from .arrays import FilePart

__all__ = ["Spill", "copy_stream"]

_COPY_BYTES = 1 << 20


class Spill:
    """A matrix of float64 written row by row; used as a context manager, removed when its block raises.

    Parameters
    ----------
    folder : str
        Where the file goes.
    label : str
        The dataset it belongs to, for messages.
    width : int
        Columns.
    """

    def __init__(self, folder: str, label: str, width: int) -> None:
        self._folder, self._label, self._width, self._rows = folder, label, width, 0
        with writing(folder, label):
            descriptor, self.path = tempfile.mkstemp(prefix="fastminima-", suffix=".rows", dir=folder)
            self._stream: IO[bytes] = os.fdopen(descriptor, "wb", buffering=_COPY_BYTES)

    def __enter__(self) -> Spill:
        return self

    def write(self, rows: NDArray[np.float64]) -> None:
        """Append rows, shape (k, width)."""
        with writing(self._folder, self._label):
            self._stream.write(np.ascontiguousarray(rows, dtype=np.float64).data)
        self._rows += len(rows)

    def part(self) -> FilePart:
        """The finished file as an array."""
        with writing(self._folder, self._label):
            self._stream.close()
        return FilePart(self.path, 0, (self._rows, self._width), np.dtype(np.float64), False, self._label)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(OSError):  # what is still buffered has no room either
                self._stream.close()
            os.unlink(self.path)


def copy_stream(source: IO[bytes], folder: str, label: str) -> str:
    """Copy a stream to a temporary file; returns its path."""
    with writing(folder, label):
        descriptor, path = tempfile.mkstemp(prefix="fastminima-", suffix=".array", dir=folder)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            while block := source.read(_COPY_BYTES):
                with writing(folder, label):
                    stream.write(block)
    except BaseException:
        os.unlink(path)
        raise
    return path
