"""Arrays that lie in chunks: whole chunks are read, each once a pass, and rows of them handed out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import ReadRows

__all__ = ["absent", "row_bytes", "windowed"]

# rows of small chunks are fetched together, up to about this much
_WINDOW_BYTES = 1 << 20


def windowed(fetch: ReadRows, chunk: int, bytes_of_row: int, m: int) -> ReadRows:
    """Read whole chunks, each once a pass, and hand out rows of the ones at hand."""
    span = chunk * max(1, _WINDOW_BYTES // max(1, chunk * bytes_of_row))
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


def absent(chunks: int, written: int) -> dict[str, Any]:
    """Chunks that were never written, or are lost: both formats read them as the fill value and say nothing."""
    return {"chunks not in the file, read as their fill value": chunks - written} if chunks > written else {}


def row_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Of a row of an array of one or two dimensions."""
    return dtype.itemsize * (shape[1] if len(shape) == 2 else 1)
