"""Equal inputs: groups, their residual sums, and the pure error no model can remove.

Theory: for a group g of equal inputs R_g = sum of w_i r_i over its members decides the scope of theorem 1
(some R_g != 0: a strictly better network exists; all zero: the linear fit is optimal among all functions).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.system.first_use import cached_property

from .affine import Columns, affine_numerators
from .dd import DoubleDouble
from .dyadic import Ints
from .roundoff import U

__all__ = ["Groups", "find_groups", "group_ids", "pure_error"]


def group_ids(columns: Columns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Groups of exactly equal inputs (-0.0 equals 0.0).

    Returns
    -------
    ids : (m,) intp
        Group of each sample, numbered by first appearance.
    first : (n_groups,) intp
        First sample of each group.
    """
    m, dx = columns.n_samples, columns.n_features
    if columns.exact is not None:
        rows = zip(*(columns.exact.numerators[j] for j in range(dx)), strict=True) if dx else iter([()] * m)
        seen: dict[tuple[int, ...], int] = {}
        ids = np.array([seen.setdefault(row, len(seen)) for row in rows], dtype=np.intp)
        first = np.unique(ids, return_index=True)[1].astype(np.intp)
        return ids, first
    key = np.zeros(m, dtype=np.uint64)
    for j in range(dx):
        key ^= _bits(columns, j)
        key *= np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    order = np.argsort(key, kind="stable")
    new = _changes(columns, order)
    same_key = key[order][1:] == key[order][:-1]
    if (same_key & new[1:]).any():
        # two different inputs share a hash: neighbours no longer tell all, so sort the columns themselves
        order = np.lexsort(tuple(_bits(columns, j) for j in range(dx)))
        new = _changes(columns, order)
    label = np.cumsum(new) - 1
    # both sorts are stable, so the first member of a run is the first sample of its group
    first = order[new]
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    ids = np.empty(m, dtype=np.intp)
    ids[order] = rank[label]
    return ids, np.sort(first)


def _bits(columns: Columns, j: int) -> NDArray[np.uint64]:
    """A feature with equal bits for equal numbers: adding 0.0 turns -0.0 into 0.0."""
    return (columns.X[:, j] + 0.0).view(np.uint64)


def _changes(columns: Columns, order: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Where a sorted row differs from the one before; the first always does."""
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = False
    for j in range(columns.n_features):
        values = _bits(columns, j)[order]
        new[1:] |= values[1:] != values[:-1]
    return new


@dataclass(frozen=True)
class Groups:
    """Equal inputs merged.

    Attributes
    ----------
    ids : (m,) intp
        Group of each sample, numbered by first appearance.
    first : (n_groups,) intp
        First sample of each group.
    size : (n_groups,) intp
    has_residual : (n_groups,) bool
        Whether R_g = sum of w_i r_i is not zero, exactly.
    """

    ids: NDArray[np.intp]
    first: NDArray[np.intp]
    size: NDArray[np.intp]
    has_residual: NDArray[np.bool_]
    _columns: Columns

    @property
    def n_groups(self) -> int:
        """Number of distinct inputs."""
        return len(self.first)

    @cached_property
    def pure_error(self) -> Fraction:
        """Half the weighted sum of squares of y about the means of its groups: risk every model leaves."""
        return pure_error(self._columns, self.ids, self.size)


def pure_error(columns: Columns, ids: NDArray[np.intp], size: NDArray[np.intp]) -> Fraction:
    """Half the weighted sum of squares of y about the means of its groups, `size` samples each."""
    rows = np.flatnonzero(size[ids] > 1)
    if not len(rows):
        return Fraction(0)
    rows = rows[np.argsort(ids[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(ids[rows], prepend=-1))
    y, scale = columns.integers(columns.n_features, rows)
    w, weight_scale = columns.weight_integers(rows)
    if w is None:
        w = np.full(len(rows), 1, dtype=object)
    weight = np.add.reduceat(w, starts)
    linear = np.add.reduceat(w * y, starts)
    square = np.add.reduceat(w * y * y, starts)
    # weight * square - linear**2 over weight; groups of one total weight share a denominator
    parts: dict[int, int] = {}
    for total, value in zip(weight.tolist(), (weight * square - linear * linear).tolist(), strict=True):
        if value:
            parts[total] = parts.get(total, 0) + value
    return _tree_sum([Fraction(v, t) for t, v in parts.items()]) * scale * scale * weight_scale / 2


def _tree_sum(terms: list[Fraction]) -> Fraction:
    """Sum in a balanced tree: the long denominators meet only near the root."""
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[2 * len(pairs) :]
    return terms[0] if terms else Fraction(0)


def find_groups(
    columns: Columns,
    form: Sequence[Fraction],
    residual: DoubleDouble | None,
    linearly_fittable: bool,
    found: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> Groups:
    """Groups of equal inputs and whether their residual sums vanish.

    Parameters
    ----------
    columns : Columns
    form : the residual as an affine form of dx + 2 Fractions
    residual : its double-double values with bound, or None to decide everything by integers
    linearly_fittable : whether all residuals are known to be zero
    found : (ids, first) from `group_ids`
    """
    ids, first = found
    size = np.bincount(ids, minlength=len(first)).astype(np.intp)
    has = np.zeros(len(first), dtype=np.bool_)
    if linearly_fittable:
        return Groups(ids, first, size, has, columns)
    open_groups = np.ones(len(first), dtype=np.bool_)
    if residual is not None:
        # R_g - sum fl(w r) comes from the bound on each r, the rounding of r to hi (u|hi|), of w r (u|w r|)
        # and of the sum ((size - 1) u sum|w r|): (size + 4) u covers them and the rounding of the slack
        w = np.ones(columns.n_samples) if columns.weight is None else columns.weight
        with np.errstate(over="ignore", invalid="ignore"):
            weighted = w * residual.hi
            total = np.bincount(ids, weights=weighted, minlength=len(first))
            size_sum = np.bincount(ids, weights=np.abs(weighted), minlength=len(first))
            weight_sum = np.bincount(ids, weights=w, minlength=len(first))
            slack = (size + 4) * U * size_sum
            slack += (1 + size * 2.0**-50) * weight_sum * residual.bound + size * 2.0**-1070
            has = np.isfinite(total) & (np.abs(total) > slack)
        open_groups = ~has
    rows = np.flatnonzero(open_groups[ids])
    if len(rows):
        numerators, _ = affine_numerators(columns, form, rows)
        weights, _ = columns.weight_integers(rows)
        product: Ints = numerators if weights is None else numerators * weights
        order = np.argsort(ids[rows], kind="stable")
        starts = np.flatnonzero(np.diff(ids[rows][order], prepend=-1))
        sums = np.add.reduceat(product[order], starts)
        has[ids[rows][order][starts]] = sums != 0
    return Groups(ids, first, size, has, columns)
