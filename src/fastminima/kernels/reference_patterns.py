"""The slow, obvious twins of the kernels in `_patterns`: NumPy. `variant` and `table` are taken and not used."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["equal_keys", "grouped_columns", "preactivations", "quotients", "sign_keys"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]


def preactivations(
    columns: F64,
    count: int,
    W1: F64,
    b1: F64,
    factor: float,
    tiny: F64,
    variant: int,
    z_out: F64,
    error_out: F64,
) -> None:
    """z_out[k, i] and error_out[k, i] for rows i < count; `columns` holds 1, x_1, ..., x_dx first."""
    with np.errstate(all="ignore"):
        for k, (row, bias) in enumerate(zip(W1, b1, strict=True)):
            z = np.full(count, bias)
            size = np.abs(z)
            # column by column, in the kernel's order
            for w, x in zip(row, columns[1:, :count], strict=False):
                z = z + w * x
                size = size + np.abs(w) * np.abs(x)
            error = size * factor + tiny[k]
            fine = np.isfinite(error) & np.isfinite(z)
            z_out[k, :count] = np.where(fine, z, 0.0)
            error_out[k, :count] = np.where(fine, error, np.inf)


def quotients(
    columns: F64,
    count: int,
    dx: int,
    z: F64,
    error: F64,
    begin: int,
    end: int,
    slack: float,
    variant: int,
    lower_out: F64,
    upper_out: F64,
) -> None:
    """Bounds of min_k z_k / |(x, 1)| over the units begin <= k < end, for rows i < count."""
    with np.errstate(all="ignore"):
        norm = np.ones(count)
        for x in columns[1 : dx + 1, :count]:
            norm = norm + x * x
        norm = np.sqrt(norm)
        lower = (z[begin:end, :count] - error[begin:end, :count]).min(axis=0) / norm
        upper = (z[begin:end, :count] + error[begin:end, :count]).min(axis=0) / norm
        lower = lower - (np.abs(lower) * slack + 2.0**-1070)
        upper = upper + (np.abs(upper) * slack + 2.0**-1070)
        fine = np.isfinite(norm) & np.isfinite(lower) & np.isfinite(upper)
        lower_out[:count] = np.where(fine, lower, -np.inf)
        upper_out[:count] = np.where(fine, upper, np.inf)


def sign_keys(
    z: F64, error: F64, count: int, units: I64, keys_out: NDArray[np.uint64], doubtful_out: NDArray[np.uint8]
) -> None:
    """Bit k % 64 of keys_out[k // 64, i] = (z[units[k], i] >= 0); doubtful_out[i] = some |z| <= error."""
    keys_out[:, :count] = 0
    for k, unit in enumerate(units.tolist()):
        keys_out[k // 64, :count] |= (z[unit, :count] >= 0).astype(np.uint64) << np.uint64(k % 64)
    doubtful_out[:count] = (np.abs(z[units, :count]) <= error[units, :count]).any(axis=0)


def equal_keys(
    keys: NDArray[np.uint64], count: int, table: I32, ids_out: I32, first_out: I64, counts_out: I64
) -> int:
    """ids_out[i] = group of row i, by first appearance; first_out, counts_out per group. Returns the number."""
    seen: dict[tuple[int, ...], int] = {}
    for i, key in enumerate(map(tuple, keys[:, :count].T.tolist())):
        if key not in seen:
            first_out[len(seen)], counts_out[len(seen)] = i, 0
        ids_out[i] = seen.setdefault(key, len(seen))
        counts_out[ids_out[i]] += 1
    return len(seen)


def grouped_columns(
    columns: F64, count: int, ids: I32, counts: I64, n_groups: int, end_out: I64, order_out: I32, out: F64
) -> None:
    """out[:, i] = columns[:, order_out[i]], rows of a group side by side; end_out[g] = its last row + 1."""
    end_out[:n_groups] = np.cumsum(counts[:n_groups])
    order_out[:count] = np.argsort(ids[:count], kind="stable")
    out[:, :count] = columns[:, order_out[:count]]
