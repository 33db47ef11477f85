"""The slow, obvious twins of the kernels in `_digest`: hashlib, row by row. `variant` is taken and not used."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["blake2s_sums", "packed_rows"]

F64 = NDArray[np.float64]


def packed_rows(X: F64, y: F64, weight: F64, out: F64) -> None:
    """out[i] = x_i, y_i and, if `weight` is not empty, weight_i, with -0.0 as 0.0."""
    parts = [X, y[:, None], *([weight[:, None]] if weight.size else [])]
    out[:] = np.concatenate(parts, axis=1) + 0.0


def blake2s_sums(rows: F64, variant: int, sums_out: NDArray[np.uint64]) -> None:
    """sums_out[k] += word k (32 bits, little-endian) of the BLAKE2s digests of all rows."""
    for row in rows.astype("<f8"):
        words = np.frombuffer(hashlib.blake2s(row.tobytes()).digest(), dtype="<u4")
        sums_out += words.astype(np.uint64)
