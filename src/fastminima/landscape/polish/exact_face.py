"""The minimum of the risk on a face, as rational numbers.

With the masked design's exact Gram matrix (`exact.masked_gram`) the risk on a face is a quadratic with rational
coefficients; held samples are linear constraints <q_k, x~_g> = 0. Rows are written over an integer basis of what the
constraints leave, about the float64 minimum: where the quadratic is flat the solution stays there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from fastminima.exact.affine import Columns, common_numerators
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.gram import ExactGram
from fastminima.exact.masked_gram import MaskedGram, Sides
from fastminima.exact.nullspace import null_space
from fastminima.exact.solve import solve_normal_equations
from fastminima.networks.rational_network import RationalNetwork

__all__ = ["minimum_on_face"]

Vector = tuple[Fraction, ...]


def minimum_on_face(
    columns: Columns, sides: Sides, held: Sequence[Sequence[Vector]], start: RationalNetwork
) -> RationalNetwork:
    """The exact minimum of the quadratic that the risk is on a face.

    Parameters
    ----------
    columns : Columns
        All samples.
    sides : (m, d1) int8
        1 or -1 for the slope that a sample has; 0 on held samples.
    held : d1 lists of x~ = (x, 1)
        Distinct inputs held on the boundary of each unit.
    start : RationalNetwork
        Near the minimum; its output weights stay, and its rows where the quadratic is flat.
    """
    s_plus, s_minus = start.slopes
    moments = MaskedGram(columns, sides, s_plus, s_minus)
    n = start.n_features + 1
    bases = [_basis(rows, n) if a else [] for rows, a in zip(held, start.output, strict=True)]
    near = [
        _nearest(basis, row) if a else row
        for basis, row, a in zip(bases, start.rows, start.output, strict=True)
    ]
    # columns of the reduced problem: the bias, then each unit's basis; last f - y at `near`
    ones = [Fraction(1)] * start.width
    zero = (Fraction(0),) * n
    forms = [moments.form([zero] * start.width, ones, Fraction(1))]
    forms[0][-1] = Fraction(0)
    for k, basis in enumerate(bases):
        forms += [[start.output[k] * v for v in moments.unit_form(k, tuple(map(Fraction, b)))] for b in basis]
    residual = moments.form(near, start.output, start.bias)
    solution = solve_normal_equations(
        _transformed(moments.gram, [*forms, [-v for v in residual]])
    ).coefficients
    rows, at = [], 1
    for basis, row in zip(bases, near, strict=True):
        moved = list(row)
        for vector in basis:
            moved = [a + solution[at] * b for a, b in zip(moved, vector, strict=True)]
            at += 1
        rows.append(tuple(moved))
    return replace(start, rows=tuple(rows), bias=start.bias + solution[0])


def _basis(held: Sequence[Vector], n: int) -> list[list[int]]:
    """An integer basis of the rows orthogonal to held inputs."""
    if not held:
        return [[int(i == j) for i in range(n)] for j in range(n)]
    return null_space([common_numerators(x)[0] for x in held], n)


def _nearest(basis: Sequence[Sequence[int]], row: Vector) -> Vector:
    """A row in the span of the basis near the one given."""
    if not basis:
        return tuple(Fraction(0) for _ in row)
    floats = np.array([[round_fraction(Fraction(v, max(map(abs, b)))) for v in b] for b in basis])
    target = np.array([round_fraction(v) for v in row])
    weights = np.linalg.lstsq(floats.T, target, rcond=None)[0]
    total = [Fraction(0)] * len(row)
    for weight, b in zip(weights.tolist(), basis, strict=True):
        share = Fraction(weight) / max(map(abs, b))
        total = [a + share * v for a, v in zip(total, b, strict=True)]
    return tuple(total)


def _transformed(gram: ExactGram, forms: Sequence[Sequence[Fraction]]) -> ExactGram:
    """The exact Gram matrix of linear combinations of columns; the first and the last are what a solver expects there."""
    integers, scales = [], []
    for form in forms:
        numbers, scale = common_numerators([c * s for c, s in zip(form, gram.scales, strict=True)])
        integers.append(numbers)
        scales.append(scale)
    half = [
        [sum(c * g for c, g in zip(numbers, column, strict=True) if c) for column in gram.entries]
        for numbers in integers
    ]
    entries = [
        [sum(a * c for a, c in zip(row, numbers, strict=True) if c) for numbers in integers] for row in half
    ]
    return ExactGram(entries, scales, gram.weight_scale, gram.n_samples)
