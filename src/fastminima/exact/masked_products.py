"""Exact sums of products of inputs over the samples that masks let through: what masked Gram matrices are made of.

(a) For masks k, k' and columns a, b of v = (x_1, ..., x_dx, 1, y): S = sum_i w_i m_ki m_k'i v_ia v_ib. A pair of columns is
    multiplied once for all masks (the kernel `_masked`); 2 m (pairs of masks) (digits) flops.
(b) A column is scaled by a power of two to |v| <= 1; a product of two is cut into as many digits as their last bits ask
    for, of as many bits as a block of samples may add up below 2^53.
(c) None where that does not fit: weights that are no integers of few bits after a scale, columns spread too far, integers
    that float64 cannot hold. Whoever asks has another way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastminima.kernels import _masked
from fastminima.system.threads import single_threaded_blas

from .affine import Columns, common_numerators
from .digits import Ends, ends_of
from .dyadic import Floats, Ints, bit_span, power_of_two
from .gram import PAD, ExactGram, into_columns

__all__ = ["MaskedProducts", "masked_products"]

_ROWS = 4096
# digits multiplied with the masks at a time: their rows stay near the processor
_MOST_DIGITS = 1024
# two scaled numbers and the error of their product stay above 2**-1000
_SPAN = 450
# bits of weights, at most: the more, the fewer are left for digits
_WEIGHT_BITS = 20
# a block's sums stay below 2**53: B 2**w (1.5 unit + 1)
_ROOM = 53 - 1 - (_masked.BLOCK - 1).bit_length()


@dataclass(frozen=True)
class MaskedProducts:
    """Sums S for some pairs of masks and every pair of columns.

    Attributes
    ----------
    entries : (pairs of masks, pairs of columns) object array of Python integers
    row : dict of (k, k') to the row of a pair, k <= k'; mask 0 lets everything through
    column : (n + 1, n + 1) intp
        The column of a pair, symmetric.
    scales : n + 1 Fractions
        S = entries * scales[a] * scales[b] * weight_scale.
    weight_scale : Fraction
    n_samples : int
    """

    entries: Ints
    row: dict[tuple[int, int], int]
    column: NDArray[np.intp]
    scales: list[Fraction]
    weight_scale: Fraction
    n_samples: int

    def quadratic(self, mask: int, v: Sequence[Fraction]) -> Fraction:
        """sum w m <v, (x, 1)>^2."""
        n = len(v)
        integers, unit = common_numerators([c * s for c, s in zip(v, self.scales, strict=False)])
        numbers = np.array(integers, dtype=object)
        entries = self.entries[self.row[0, mask]][self.column[:n, :n]]
        return int(numbers @ entries @ numbers) * unit * unit * self.weight_scale

    def gram(self, masks: NDArray[np.intp], inputs: NDArray[np.intp]) -> ExactGram:
        """The Gram matrix of the columns inputs[c] masked by masks[c]; from pairs (0, 0) and 1 <= k <= k'."""
        table = np.zeros((int(masks.max()) + 1,) * 2, dtype=np.intp)
        for (k, other), row in self.row.items():
            table[k, other] = table[other, k] = row
            if k == other:
                # a mask is its own square
                table[0, k] = table[k, 0] = row
        entries = self.entries[table[np.ix_(masks, masks)], self.column[np.ix_(inputs, inputs)]]
        scales = [self.scales[j] for j in inputs.tolist()]
        return ExactGram(entries.tolist(), scales, self.weight_scale, self.n_samples)


def masked_products(
    columns: Columns, positive: NDArray[np.bool_], pairs: Sequence[tuple[int, int]]
) -> MaskedProducts | None:
    """Sums over the samples of pairs of masks; None where the numbers do not fit.

    Parameters
    ----------
    columns : Columns
    positive : (m, d1) bool
        Masks 1, ..., d1.
    pairs : list of (k, k') with k <= k'
    """
    found = _floats(columns)
    weight = np.ones(columns.n_samples) if columns.weight is None else columns.weight
    low, top = bit_span(weight)
    if found is None or top - low > _WEIGHT_BITS or not columns.n_samples:
        return None
    X, y, factors = found
    ends = _ends(X, y)
    if not bool(((ends.top - ends.low)[ends.live] <= _SPAN).all()):
        return None
    # weights are integers below 2**(top - low), equal ones are 1
    bits = _ROOM - (top - low if top - low > 1 else 0)
    n = len(ends.top)
    a, b = np.triu_indices(n)
    span = np.where(ends.live, ends.top - ends.low, 0)
    places = np.where(ends.live[a] & ends.live[b], -(-(span[a] + span[b]) // bits), 0)
    data = _Scaled(X, y, np.ldexp(weight, -low), positive, ends.top)
    sums = _sums(data, pairs, (a, b, places), bits)
    entries = _joined(sums, places, bits, span[a] + span[b])
    index = np.zeros((n, n), dtype=np.intp)
    index[a, b] = index[b, a] = np.arange(len(a))
    scales = [
        power_of_two(int(e)) * f for e, f in zip(np.where(ends.live, ends.low, 0), factors, strict=True)
    ]
    rows = {pair: i for i, pair in enumerate(pairs)}
    return MaskedProducts(entries, rows, index, scales, power_of_two(low), columns.n_samples)


def _floats(columns: Columns) -> tuple[Floats, Floats, list[Fraction]] | None:
    """X, y and the scales of x_1, ..., x_dx, 1, y; None where float64 cannot hold the integers of exact data."""
    n = columns.n_features + 1
    if columns.exact is None:
        return columns.X, columns.y, [Fraction(1)] * (n + 1)
    pairs = [columns.integers(j) for j in range(n)]
    if any(max(map(abs, c.tolist()), default=0) > 2**53 for c, _ in pairs):
        return None
    floats = [c.astype(np.float64) for c, _ in pairs]
    X = np.stack(floats[:-1], axis=1) if n > 1 else np.empty((columns.n_samples, 0))
    scales = [scale for _, scale in pairs]
    return X, floats[-1], [*scales[:-1], Fraction(1), scales[-1]]


def _blocks(X: Floats, y: Floats) -> Any:
    """The columns x_1, ..., x_dx, 1, y of a few rows at a time."""
    block = np.empty((X.shape[1] + 2, min(_ROWS, len(y)) + PAD))
    order = [*range(1, X.shape[1] + 1), 0, X.shape[1] + 1]
    for begin in range(0, len(y), _ROWS):
        rows = slice(begin, begin + _ROWS)
        into_columns(X[rows], y[rows], None, block)
        count = len(y[rows])
        yield rows, block[order, :count]


def _ends(X: Floats, y: Floats) -> Ends:
    n = X.shape[1] + 2
    top, low = np.full(n, -(2**20)), np.full(n, 2**20)
    live = np.zeros(n, dtype=np.bool_)
    for _, block in _blocks(X, y):
        ends = ends_of(block, 0, block.shape[1], n, _masked.BEST_VARIANT)
        top[ends.live] = np.maximum(top, ends.top)[ends.live]
        low[ends.live] = np.minimum(low, ends.low)[ends.live]
        live |= ends.live
    return Ends(np.where(live, top, 0), np.where(live, low, 0), live)


class _Scaled(NamedTuple):
    """Inputs, y and weights as float64; columns are multiplied by 2**-top, weights are integers."""

    X: Floats
    y: Floats
    weight: Floats
    positive: NDArray[np.bool_]
    top: NDArray[np.int64]


def _sums(
    data: _Scaled,
    pairs: Sequence[tuple[int, int]],
    products: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    bits: int,
) -> Ints:
    """(pairs of masks, digits) Python integers."""
    a, b, places = (np.asarray(v, dtype=np.int32) for v in products)
    first, second = (np.array([p[i] for p in pairs], dtype=np.int32) for i in range(2))
    starts = np.concatenate([[0], np.cumsum(places)])
    high = np.zeros((len(pairs), int(starts[-1])), dtype=np.int64)
    low = np.zeros_like(high)
    # few enough pairs of columns at a time
    parts = np.flatnonzero(np.diff(starts[:-1] // _MOST_DIGITS, prepend=-1))
    for begin, end in zip(parts.tolist(), [*parts[1:].tolist(), len(a)], strict=True):
        part = slice(begin, end)
        digits = int(starts[end] - starts[begin])
        into = [np.zeros((len(pairs), digits), dtype=np.int64) for _ in range(2)]
        work = np.empty(_masked.workspace_items(len(pairs), digits))
        masks = np.empty((data.positive.shape[1] + 1, _ROWS))
        with single_threaded_blas():
            for rows, block in _blocks(data.X, data.y):
                count = block.shape[1]
                masks[0, :count] = data.weight[rows]
                masks[1:, :count] = data.positive[rows].T
                _masked.masked_products(
                    np.ldexp(block, -data.top[:, None].astype(np.intc)), masks, count, first, second,
                    a[part], b[part], places[part], 2.0**bits, _masked.BEST_VARIANT, work, *into,
                )  # fmt: skip
        high[:, starts[begin] : starts[end]], low[:, starts[begin] : starts[end]] = into
    total: Ints = (high.astype(object) << _masked.LOW_BITS) + low
    return total


def _joined(sums: Ints, places: NDArray[Any], bits: int, span: NDArray[np.int64]) -> Ints:
    """Digits of every pair of columns together, as integers in units of the columns' last bits."""
    starts = np.concatenate([[0], np.cumsum(places)])[:-1]
    out = np.zeros((len(sums), len(places)), dtype=object)
    for place in range(int(places.max(initial=0))):
        has = np.flatnonzero(places > place)
        out[:, has] = (out[:, has] << bits) + sums[:, starts[has] + place]
    # what the last place reaches beyond the last bits is 0; pairs with a column of zeros have no places
    return out >> np.where(places > 0, places * bits - span, 0).astype(object)
