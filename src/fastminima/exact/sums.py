"""Exact signs of sums and of prefix sums of float64 numbers.

Prefix sums are cut into 30-bit slices on one power-of-two grid; each slice is summed with an int64 cumsum,
which cannot overflow below 2**32 terms, and the slices are joined only where an answer is asked for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastminima.exact.dyadic import Floats, Ints, bit_span, to_integers

__all__ = ["prefix_sum_is_zero", "prefix_sums", "sign_of_sum"]

_SLICE = 30
# beyond this many bits between the largest and the finest one, slices cost more than big integers and the
# scaled remainder would come near the subnormal range
_MAX_BITS = 900


def sign_of_sum(values: ArrayLike) -> int:
    """Sign (-1, 0, 1) of the exact sum of finite float64 numbers, whatever their order or range."""
    array = np.asarray(values, dtype=np.float64).ravel()
    try:
        # fsum is correctly rounded, so its sign is the sign of the exact sum
        total: float | int = math.fsum(array.tolist())
    except OverflowError:
        total = sum(to_integers(array)[0].tolist())
    return (total > 0) - (total < 0)


def _slice_sums(values: Floats, low: int, top: int, positions: NDArray[np.intp]) -> NDArray[np.int64]:
    """Prefix sums of every slice at the positions: (slices, k); slice s has unit 2**(top - 30 (s + 1))."""
    count = max(1, -(-(top - low) // _SLICE))
    out = np.empty((count, len(positions)), dtype=np.int64)
    rest = np.ldexp(values, -top)
    for s in range(count):
        rest *= 2.0**_SLICE
        head = np.trunc(rest)
        rest -= head
        out[s] = np.cumsum(head.astype(np.int64))[positions]
    return out


def prefix_sums(values: Floats, positions: NDArray[np.intp]) -> tuple[Ints, int]:
    """Exact sums of values[: p + 1] for every p in `positions`.

    Parameters
    ----------
    values : (m,) float64, finite
    positions : (k,) intp

    Returns
    -------
    sums : (k,) object array of Python int
    exponent : int; the sum is sums * 2**exponent
    """
    low, top = bit_span(values)
    if top - low > _MAX_BITS:
        integers, exponent = to_integers(values)
        sums: Ints = np.empty(len(values), dtype=object)
        sums[:] = list(itertools.accumulate(integers.tolist()))
        return sums[positions], exponent
    slices = _slice_sums(values, low, top, positions)
    total = slices[0].astype(object)
    for row in slices[1:]:
        total = total * (1 << _SLICE) + row.astype(object)
    return total, top - _SLICE * len(slices)


def prefix_sum_is_zero(values: ArrayLike, positions: ArrayLike | Sequence[int]) -> NDArray[np.bool_]:
    """Whether sum(values[: p + 1]) is exactly zero, for every p in `positions`.

    Parameters
    ----------
    values : (m,) float64, finite, any exponent range
    positions : (k,) integers in [0, m)

    Returns
    -------
    (k,) bool
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    index = np.asarray(positions, dtype=np.intp)
    low, top = bit_span(array)
    if top - low > _MAX_BITS:
        return np.asarray(prefix_sums(array, index)[0] == 0, dtype=np.bool_)
    slices = _slice_sums(array, low, top, index)
    # carry propagation from the finest slice: the sum is zero iff every digit and the last carry are
    carry = np.zeros(len(index), dtype=np.int64)
    zero = np.ones(len(index), dtype=np.bool_)
    for row in slices[::-1]:
        row = row + carry
        zero &= (row & ((1 << _SLICE) - 1)) == 0
        carry = row >> _SLICE
    return zero & (carry == 0)
