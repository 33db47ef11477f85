"""The set J of theorem 1, step 2, exactly as the rational numbers have it.

Sorted by fitted value, S_p = sum of w_i r_i up to position p; J = { p < m - 1 : S_p != 0 and
fitted[p] < fitted[p + 1] }. Almost everything is decided in double-double with its proved bound; only
neighbours closer than the bound and sums within it are decided by integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .affine import Columns, affine_numerators, common_numerators
from .dd import DoubleDouble, two_product, two_sum
from .dyadic import Floats, Ints, bit_span, power_of_two, to_integers
from .sums import prefix_sums

__all__ = ["ExactSplits", "find_splits"]


@dataclass(frozen=True)
class ExactSplits:
    """Samples in exact order of their fitted values, and J.

    Attributes
    ----------
    order : (m,) intp
        Samples by fitted value; equal ones by sample number.
    tie_group : (m,) intp
        By sorted position: 0, 1, ... ; equal numbers for equal fitted values.
    positions : (|J|,) intp
        J: 0-based sorted positions p < m - 1.
    """

    order: NDArray[np.intp]
    tie_group: NDArray[np.intp]
    positions: NDArray[np.intp]


def find_splits(
    columns: Columns,
    fitted_form: Sequence[Fraction],
    residual_form: Sequence[Fraction],
    values: tuple[DoubleDouble, DoubleDouble] | None,
    linearly_fittable: bool,
    groups: Callable[[], tuple[NDArray[np.intp], NDArray[np.intp]]],
) -> ExactSplits:
    """J of a fit.

    Parameters
    ----------
    columns : Columns
    fitted_form, residual_form : dx + 2 Fractions each
    values : fitted and residual in double-double on one exponent, or None to use integers throughout
    linearly_fittable : whether all residuals are known to be zero
    groups : gives (ids, first) of equal inputs, called when many fitted values are tied
    """
    if values is None:
        order, strict = _order_by_integers(columns, fitted_form)
    else:
        order, strict = _order_filtered(columns, fitted_form, values[0], groups)
    tie_group = np.zeros(columns.n_samples, dtype=np.intp)
    np.cumsum(strict, out=tie_group[1:])
    candidates = np.flatnonzero(strict)
    if linearly_fittable or not len(candidates):
        return ExactSplits(order, tie_group, candidates[:0])
    if values is None:
        numerators, _ = affine_numerators(columns, residual_form)
        weights, _ = columns.weight_integers()
        product: Ints = numerators if weights is None else numerators * weights
        member = np.add.accumulate(product[order])[candidates] != 0
        return ExactSplits(order, tie_group, candidates[member])
    certain = _sums_certainly_nonzero(values[1], columns.weight, order, candidates)
    unsure = candidates[~certain]
    member = certain.copy()
    if len(unsure):
        member[~certain] = _prefix_residuals(columns, residual_form, order, unsure) != 0
    return ExactSplits(order, tie_group, candidates[member])


def _order_by_integers(
    columns: Columns, form: Sequence[Fraction]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    numerators, _ = affine_numerators(columns, form)
    keys = numerators.tolist()
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.intp)
    ranked = numerators[order]
    return order, np.asarray(ranked[1:] != ranked[:-1], dtype=np.bool_)


def _order_filtered(
    columns: Columns,
    form: Sequence[Fraction],
    fitted: DoubleDouble,
    groups: Callable[[], tuple[NDArray[np.intp], NDArray[np.intp]]],
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Order by double-double; runs of neighbours the bound cannot separate are sorted by integers."""
    order: NDArray[np.intp] = np.lexsort((fitted.lo, fitted.hi))
    hi, lo = fitted.hi[order], fitted.lo[order]
    a = hi[1:] - hi[:-1]
    b = lo[1:] - lo[:-1]
    # the float difference errs by u|a| + u|b| + u|a + b| at most, |b| <= 2u max|hi|; each value by its bound
    doubt = 2.0**-51 * a + 2.0**-103 * np.abs(fitted.hi).max(initial=0.0) + 2.01 * fitted.bound
    strict = a + b > doubt
    if strict.all():
        return order, strict
    # a strict gap separates everything below it from everything above it, so runs can be sorted one by one
    run = np.concatenate(([0], np.cumsum(strict)))
    inside = np.bincount(run)[run] > 1
    where = np.flatnonzero(inside)
    samples = order[where]
    keys = _tied_keys(columns, form, samples, groups)
    bounds = [*np.flatnonzero(np.diff(run[where], prepend=-1)).tolist(), len(where)]
    names = samples.tolist()
    for begin, end in pairwise(bounds):
        ranked = sorted(zip(keys[begin:end], names[begin:end], strict=True))
        first = int(where[begin])
        order[first : first + end - begin] = [name for _, name in ranked]
        strict[first : first + end - begin - 1] = [p[0] != q[0] for p, q in pairwise(ranked)]
    return order, strict


def _tied_keys(
    columns: Columns,
    form: Sequence[Fraction],
    samples: NDArray[np.intp],
    groups: Callable[[], tuple[NDArray[np.intp], NDArray[np.intp]]],
) -> list[int]:
    """Integers in the order of the exact fitted values; equal inputs are evaluated once."""
    if len(samples) < 256:
        return affine_numerators(columns, form, samples)[0].tolist()
    ids, first = groups()
    distinct, inverse = np.unique(ids[samples], return_inverse=True)
    numerators = affine_numerators(columns, form, first[distinct])[0].tolist()
    # one rank instead of a long integer per sample: the runs then compare small numbers
    rank = {value: i for i, value in enumerate(sorted(set(numerators)))}
    ranks = np.array([rank[value] for value in numerators], dtype=np.intp)
    return ranks[inverse].tolist()


def _sums_certainly_nonzero(
    residual: DoubleDouble, weight: Floats | None, order: NDArray[np.intp], positions: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Positions whose prefix sum of w r is nonzero beyond all errors; the others stay open.

    The weighted residuals are cut into three slices of 30 bits on one grid and summed exactly in int64 from
    both ends (the total is exactly zero, so the shorter end has the smaller error).
    """
    hi, lo = residual.hi[order], residual.lo[order]
    bound = residual.bound
    if weight is not None:
        # weights scaled to |w| <= 1: TwoProduct and lo w err by 3 u^2 |w r| + 2**-1070
        w = np.ldexp(weight, -int(np.frexp(weight.max())[1]))[order]
        hi, error = two_product(w, hi)
        error += w * lo
        hi, lo = two_sum(hi, error)
        bound += 2.0**-104 * float(np.abs(residual.hi).max(initial=0.0)) + 2.0**-1060
    peak = float(np.abs(hi).max(initial=0.0))
    if peak <= bound:
        # terms within their error bounds prove nothing, and scaling by their size could overflow
        return np.zeros(len(positions), dtype=np.bool_)
    top = int(np.frexp(peak)[1])
    sums = []
    high, low = np.ldexp(hi, 30 - top), np.ldexp(lo, 30 - top)
    for _ in range(3):
        head = np.rint(high)
        high -= head
        high, low = two_sum(high, low)
        high *= 2.0**30
        low *= 2.0**30
        sums.append(head.astype(np.int64).cumsum())
    # in units of 2**(top - 90): what the slices leave out is at most half a unit (and its rounding) per term
    per_term = 0.75 + np.ldexp(bound * (1 + 2.0**-40), 90 - top)
    total = [int(s[-1]) for s in sums]
    digits = [s[positions] for s in sums]
    forward = np.abs(_join(digits))
    backward = np.abs(_join([t - d for t, d in zip(total, digits, strict=True)]))
    count = positions + 1.0
    # _join is right to 2**-50 relative, plus the rounding of its lower digits
    margin = 1 - 2.0**-48
    ahead = forward * margin > count * per_term * (1 + 2.0**-48) + 2.0**12
    behind = backward * margin > (len(order) - count) * per_term * (1 + 2.0**-48) + 2.0**12
    return np.asarray(ahead | behind, dtype=np.bool_)


def _join(digits: list[NDArray[np.int64]]) -> Floats:
    """d0 2**60 + d1 2**30 + d2 in float64 after carries: error at most 2**-50 relative plus 2**10."""
    d0, d1, d2 = digits
    carry = d2 >> 30
    d2 = d2 - (carry << 30)
    d1 = d1 + carry
    carry = d1 >> 30
    d1 = d1 - (carry << 30)
    d0 = d0 + carry
    return d0 * 2.0**60 + (d1 * 2.0**30 + d2)


def _prefix_residuals(
    columns: Columns, form: Sequence[Fraction], order: NDArray[np.intp], positions: NDArray[np.intp]
) -> Ints:
    """Exact prefix sums of w r at sorted positions, as integers on a common positive scale.

    Linear in the columns: prefix sums of every column, then one combination per position instead of one long
    integer per sample.
    """
    weight = None if columns.weight is None else columns.weight[order]
    multipliers: list[Fraction] = []
    sums: list[Ints] = []
    for column in range(-1, columns.n_features + 1):
        if form[column + 1] == 0:
            continue
        values = np.ones(len(order)) if column < 0 else np.ascontiguousarray(columns.floats(column)[order])
        for part, exponent in _weighted_prefix(values, weight, positions):
            sums.append(part)
            multipliers.append(form[column + 1] * power_of_two(exponent))
    integers, _ = common_numerators(multipliers)
    result: Ints = np.full(len(positions), 0, dtype=object)
    for multiplier, part in zip(integers, sums, strict=True):
        result = result + part * multiplier
    return result


def _weighted_prefix(
    values: Floats, weight: Floats | None, positions: NDArray[np.intp]
) -> list[tuple[Ints, int]]:
    """Prefix sums of w v as parts (integers, exponent) to be added."""
    if weight is None:
        return [prefix_sums(values, positions)]
    low, top = bit_span(values)
    weight_low, weight_top = bit_span(weight)
    if top - low <= 480 and weight_top - weight_low <= 480:
        # scaled factors end above 2**-480 each, so TwoProduct loses nothing to underflow
        parts = two_product(np.ldexp(weight, -weight_top), np.ldexp(values, -top))
        shift = top + weight_top
        return [(s, e + shift) for s, e in (prefix_sums(part, positions) for part in parts)]
    n, e = to_integers(values)
    w, f = to_integers(weight)
    total: Ints = np.add.accumulate(n * w)
    return [(total[positions], e + f)]
