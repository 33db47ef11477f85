"""Exact prefix sums of float64 numbers.

Prefix sums are cut into 30-bit slices on one power-of-two grid; each slice is summed with an int64 cumsum,
which cannot overflow below 2**32 terms, and the slices are joined only where an answer is asked for.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from .dyadic import Floats, Ints, bit_span, to_integers

__all__ = ["prefix_sums"]

_SLICE = 30
# beyond this many bits between the largest and the finest one, slices cost more than big integers and the
# scaled remainder would come near the subnormal range
_MAX_BITS = 900


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
