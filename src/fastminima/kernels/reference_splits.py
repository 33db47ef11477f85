"""The slow, obvious twins of the kernels in `_splits`: same names, same signatures, NumPy and fractions.

Results agree bit for bit, in every variant, with two exceptions: a bucket larger than the scratch is sorted by an
unstable method in the kernel, so equal keys may come in another order, and `exact_prefix` and `exact_below` round
their float views differently.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "count_buckets",
    "exact_below",
    "exact_prefix",
    "is_ordered",
    "prefix_buckets",
    "product_errors",
    "scatter_buckets",
    "sort_buckets",
    "sweep_buckets",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# stretches of a bucket that are summed side by side
_LANES = 8


def _largest(values: Floats) -> float:
    # NaN and infinities are the caller's signal, so they must come through
    return float(np.max(np.abs(values), initial=0.0))


def is_ordered(keys: Floats) -> bool:
    """Whether keys never fall, NaN counting as a fall."""
    return bool(np.all(keys[:-1] <= keys[1:]))


def count_buckets(
    keys: Floats,
    lo: float,
    scale: float,
    floor: int,
    first: int,
    shift: int,
    table: NDArray[np.uint16],
    tree: Floats,
    levels: int,
    variant: int,
    ids_out: NDArray[np.uint16],
    counts_out: Ints,
) -> float:
    """Bucket of each key: the number of splitters <= key, table[(key - lo) scale], or by the bits of |key|."""
    last = table.size - 1
    if levels:
        cuts = np.sort(tree[1:])
        ids_out[:] = np.searchsorted(cuts, keys, side="right")
    elif shift >= 0:
        place = np.maximum(np.abs(keys).view(np.int64) - floor, 0) >> shift
        ids_out[:] = table[np.clip(np.where(keys < 0.0, ~place, place) - first, 0, last)]
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            at = np.nan_to_num(np.clip((keys - lo) * scale, 0.0, last))
        ids_out[:] = table[at.astype(np.int64)]
    counts_out += np.bincount(ids_out, minlength=counts_out.size)
    return _largest(keys)


def scatter_buckets(
    keys: Floats,
    values: Floats,
    weights: Floats,
    ids: NDArray[np.uint16],
    value_scale: float,
    weight_scale: float,
    at: Ints,
    lines: Floats,
    records_out: Floats,
) -> float:
    """Records of one bucket after the other, each in input order, from `at` on."""
    ids = ids if ids.size else np.zeros(keys.size, np.uint16)
    scaled = values * value_scale
    if weights.size:
        scaled = scaled * (weights * weight_scale)
    for b in np.unique(ids).tolist():
        mine = np.flatnonzero(ids == b)
        rows = slice(int(at[b]), int(at[b]) + mine.size)
        records_out[rows, 0] = keys[mine]
        records_out[rows, 1] = scaled[mine]
        at[b] += mine.size
    return _largest(values)


def _running(values: Floats, start: Floats) -> tuple[Floats, Floats, Floats]:
    """hi, lo and errors after each value, from the state `start` (TwoSum of Knuth, errors summed apart)."""
    hi = np.cumsum(np.concatenate([start[:1], values]))
    old, new = hi[:-1], hi[1:]
    part = new - old
    error = (old - (new - part)) + (values - part)
    lo = np.cumsum(np.concatenate([start[1:2], error]))[1:]
    errors = np.cumsum(np.concatenate([start[2:], np.abs(error)]))[1:]
    return new, lo, errors


def _after(values: Floats, start: Floats) -> Floats:
    """The state after all values."""
    return np.array([part[-1] for part in _running(values, start)]) if values.size else start


def _joined(a: Floats, b: Floats) -> Floats:
    """The state of two sums added up."""
    return _after(b[:1], a + np.array([0.0, b[1], b[2]]))


def _stretches(n: int) -> list[slice]:
    """Eight stretches of one length and what is left, at least the last record."""
    length = max(n - 1, 0) // _LANES
    return [slice(k * length, (k + 1) * length) for k in range(_LANES)] + [slice(_LANES * length, n)]


def sort_buckets(
    records: Floats,
    starts: Ints,
    first: int,
    last: int,
    scratch: Floats,
    cells: NDArray[np.uint32],
    depth: int,
    variant: int,
    totals_out: Floats,
) -> None:
    """Stable sort of each bucket by key; (hi, lo, errors) before each part of `_stretches` and of the whole bucket."""
    for b in range(first, last):
        bucket = records[starts[b] : starts[b + 1]]
        bucket[:] = bucket[np.argsort(bucket[:, 0], kind="stable")]
        *stretches, rest = _stretches(len(bucket))
        states = [np.zeros(3)]
        for part in stretches:
            states.append(_joined(states[-1], _after(bucket[part, 1], np.zeros(3))))
        states.append(_after(bucket[rest, 1], states[-1]))
        totals_out[b] = np.concatenate(states)


def prefix_buckets(totals: Floats, first: int, last: int, before_out: Floats) -> None:
    """Sum before each bucket, added up in bucket order."""
    for b in range(first, last):
        before_out[b + 1] = _joined(before_out[b], totals[b, -3:])


def sweep_buckets(
    records: Floats,
    starts: Ints,
    before: Floats,
    totals: Floats,
    first: int,
    last: int,
    rule: Floats,
    variant: int,
    status_out: NDArray[np.uint8],
    best_out: Floats,
    count_out: Ints,
) -> None:
    """Verdict on each position of the buckets, and the certified one with the largest drop."""
    eps_gap, base, rate, growth, slope, half_mass, reach = rule.tolist()
    best_out[:] = [-1.0, 0.0]
    count_out[:] = [-1, 0, 0]
    for b in range(first, last):
        a, z = int(starts[b]), min(int(starts[b + 1]), len(records) - 1)
        if a >= z:
            continue
        bucket = records[a : starts[b + 1]]
        parts = [
            _running(bucket[part, 1], _joined(before[b], totals[b, 3 * k : 3 * k + 3]))
            for k, part in enumerate(_stretches(len(bucket)))
        ]
        hi, lo, errors = (np.concatenate(column)[: z - a] for column in zip(*parts, strict=True))
        total = hi + lo
        size = np.abs(total)
        with np.errstate(over="ignore"):
            gap = records[a + 1 : z + 1, 0] - records[a:z, 0]
            limit = growth * errors + (base + rate * np.arange(a + 1, z + 1, dtype=np.float64))
            u = np.minimum(slope * size, reach * gap)
        is_open = gap > eps_gap
        certified = is_open & (size > limit)
        undecided = (is_open & ~certified & (limit > 0.0)) | (~is_open & (eps_gap > 0.0))
        if status_out.size:
            status_out[a:z] = certified + 2 * undecided
        count_out[1] += np.count_nonzero(certified)
        count_out[2] += np.count_nonzero(undecided)
        drop = np.where(certified, u * (2.0 * size - half_mass * u), -1.0)
        p = int(np.argmax(drop))
        if drop[p] > best_out[0]:
            best_out[:] = [drop[p], total[p]]
            count_out[0] = a + p


def exact_prefix(
    values: Floats,
    weights: Floats,
    order: Ints,
    positions: Ints,
    shift: int,
    sums_out: Floats,
    signs_out: NDArray[np.int8],
) -> None:
    """Partial sums in rational arithmetic."""
    total, done = Fraction(0), 0
    for k, p in enumerate(positions.tolist()):
        for i in order[done : p + 1].tolist() if order.size else range(done, p + 1):
            weight = Fraction(float(weights[i])) if weights.size else 1
            total += Fraction(float(values[i])) * weight
        done = p + 1
        signs_out[k], sums_out[k] = _view(total, shift)


def exact_below(
    keys: Floats, values: Floats, weights: Floats, threshold: float, shift: int, sum_out: Floats
) -> int:
    """The sum over the keys <= threshold in rational arithmetic."""
    mine = keys <= threshold
    weight = weights[mine].tolist() if weights.size else [1] * int(mine.sum())
    pairs = zip(values[mine].tolist(), weight, strict=True)
    total = sum((Fraction(x) * Fraction(y) for x, y in pairs), Fraction(0))
    sign, sum_out[0] = _view(total, shift)
    return sign


def _view(total: Fraction, shift: int) -> tuple[int, float]:
    """Sign of `total`, and 2^-shift total in float64."""
    sign = (total > 0) - (total < 0)
    try:
        return sign, float(total * Fraction(2) ** -shift)
    except OverflowError:
        return sign, sign * math.inf


def product_errors(
    values: Floats, weights: Floats, value_scale: float, weight_scale: float, out: Floats
) -> None:
    """Sum of |value weight - fl(value weight)| after scaling, and how many are too small to tell."""
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        x, y = value * value_scale, weight * weight_scale
        if value != 0.0 and min(abs(x), y) < 2.0**-400:
            out[1] += 1.0
        else:
            out[0] += abs(float(Fraction(x) * Fraction(y) - Fraction(x * y)))
