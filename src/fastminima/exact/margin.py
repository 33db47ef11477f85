"""The certified radius: the distance of a float64 network from its next activation boundary, rounded down."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import Columns, affine_numerators, common_numerators
from fastminima.exact.dyadic import Floats, Ints, sqrt_floor
from fastminima.exact.groups import group_ids
from fastminima.exact.signs import preactivation_blocks, unit_form, validated_rows

__all__ = ["exact_margin"]


def exact_margin(W1: Floats, b1: Floats, data: Any) -> float:
    """Largest float64 not above min over samples i and units k of z_k(x_i) / |(x_i, 1)|.

    For a network whose preactivations are all positive this is the distance to the nearest point where some
    preactivation vanishes.

    Parameters
    ----------
    W1 : (d1, dx) float64
    b1 : (d1,) float64
    data : dataset

    Returns
    -------
    float
        > 0 if all exact preactivations are positive (0.0 if the minimum is below the smallest float64);
        0.0 if some exact preactivation is <= 0; inf without hidden units.

    Notes
    -----
    Float64 intervals, as in `preactivation_blocks`, leave the pairs (i, k) that may attain the minimum;
    integers decide among them.
    """
    columns = Columns(data)
    W1, b1 = validated_rows(W1, b1, columns)
    if not len(b1):
        return float("inf")
    best = np.inf
    samples: list[NDArray[np.intp]] = []
    units: list[NDArray[np.intp]] = []
    lowest: list[Floats] = []
    # norm: dx + 1 squares and sums, one root, and the float view of exact data: (dx + 6) u in all
    slack = (columns.n_features + 8) * 2.0**-53
    for block in preactivation_blocks(columns, W1, b1):
        X = columns.X[block.begin : block.begin + len(block.z)]
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            norm = np.sqrt(np.einsum("ij,ij->i", X, X) + 1.0)[:, None]
            lower = (block.z - block.error) / norm
            lower -= np.abs(lower) * slack + 2.0**-1070
            upper = (block.z + block.error) / norm
            upper += np.abs(upper) * slack + 2.0**-1070
        # beyond the range of float64: no statement, integers decide
        lost = ~(np.isfinite(norm) & np.isfinite(lower) & np.isfinite(upper))
        lower[lost], upper[lost] = -np.inf, np.inf
        best = min(best, float(upper.min()))
        i, k = np.nonzero(lower <= best)
        samples.append(i + block.begin)
        units.append(k)
        lowest.append(lower[i, k])
    low = np.concatenate(lowest)
    keep = low <= best
    sample, unit = np.concatenate(samples)[keep], np.concatenate(units)[keep]
    return _exact_minimum(columns, W1, b1, sample, unit)


def _exact_minimum(
    columns: Columns, W1: Floats, b1: Floats, sample: NDArray[np.intp], unit: NDArray[np.intp]
) -> float:
    """Minimum over the pairs, rounded down."""
    if len(sample) > 1000:
        # equal inputs give equal quotients: symmetric data tie by the thousand
        ids, first = group_ids(columns)
        sample = first[ids[sample]]
    smallest: Fraction | None = None
    for k in np.unique(unit).tolist():
        rows = np.unique(sample[unit == k])
        z, z_scale = affine_numerators(columns, unit_form(W1, b1, k), rows)
        if any(v <= 0 for v in z.tolist()):
            return 0.0
        norms, norm_scale = _squared_norms(columns, rows)
        squares = [v * v for v in z.tolist()]
        p, q = squares[0], norms[0]
        for a, b in zip(squares[1:], norms[1:], strict=True):
            if a * q < p * b:
                p, q = a, b
        quotient = Fraction(p, q) * z_scale * z_scale / norm_scale
        if smallest is None or quotient < smallest:
            smallest = quotient
    assert smallest is not None  # the pair that set the upper bound is always among the candidates
    return sqrt_floor(smallest)


def _squared_norms(columns: Columns, rows: NDArray[np.intp]) -> tuple[list[int], Fraction]:
    """1 + |x|^2 on the rows as integers on one scale."""
    pairs = [columns.integers(j, rows) for j in range(columns.n_features)]
    # one unit of which 1 and every column's scale are multiples
    unit = common_numerators([Fraction(1), *(scale for _, scale in pairs)])[1]
    total: Ints = np.full(len(rows), int(1 / unit) ** 2, dtype=object)
    for numerators, scale in pairs:
        total = total + (numerators * int(scale / unit)) ** 2
    return total.tolist(), unit * unit
