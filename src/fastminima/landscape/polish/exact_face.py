"""The minimum of the risk on a face, as rational numbers.

With the masked design's exact Gram matrix (`exact.masked_gram`) the risk on a face is a quadratic with rational
coefficients; held samples are linear constraints <q_k, x~_g> = 0, q_k = a_k u_k. The minimum is the solution of one
symmetric system in integers,

    [ H  A' ] [ delta  ]   [ -gradient at the start ]
    [ A  0  ] [ lambda ] = [ -A q at the start      ],

one row of A per held sample. Eliminating the constraints instead would square numbers that are minors of the inputs.
Where the quadratic is flat, unknowns stay what they are at the start.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from fastminima.exact.affine import Columns, common_numerators
from fastminima.exact.dyadic import Ints
from fastminima.exact.masked_gram import MaskedGram, Sides
from fastminima.exact.modular import PRIME, echelon, solve_square
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.first_use import first_use

__all__ = ["minimum_of_quadratic", "minimum_on_face"]

Vector = tuple[Fraction, ...]
# (column of the Gram matrix, its share): a column of the design
Form = list[tuple[int, Fraction]]

# below this size the integers of the standard library take less time than loading FLINT
_FLINT_FROM = 24


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
    held, start
        As for `minimum_of_quadratic`.
    """
    return minimum_of_quadratic(MaskedGram(columns, sides, *start.slopes), held, start)


def minimum_of_quadratic(
    moments: MaskedGram, held: Sequence[Sequence[Vector]], start: RationalNetwork
) -> RationalNetwork:
    """The same, with the exact sums of the face's sides at hand.

    Parameters
    ----------
    moments : MaskedGram
        Held samples count with either slope, as they have no output there.
    held : d1 lists of x~ = (x, 1)
        Distinct inputs held on the boundary of each unit.
    start : RationalNetwork
        Near the minimum; its output weights stay, and its rows where the quadratic is flat.

    Returns
    -------
    RationalNetwork
        A proposal: whoever uses it has it decided.
    """
    n, units = moments.n, [k for k, a in enumerate(start.output) if a]
    forms = _forms(moments, units)
    gram, scales = _transformed(moments, forms)
    residual = moments.products(moments.form(start.rows, start.output, start.bias))
    # in units of the columns: H's entries are integers times the weights' scale
    weight = moments.gram.weight_scale
    right = [
        -sum((share * residual[c] for c, share in form), Fraction(0)) / (scale * weight)
        for form, scale in zip(forms, scales, strict=True)
    ]
    rows, low = _constraints(held, units, start, scales, n)
    numerators, common = common_numerators([*right, *low])
    matrix = _joined(gram, rows)
    solution = _solved(matrix, np.array(numerators, dtype=object))
    moved = [value * common / scale for value, scale in zip(solution, scales, strict=False)]
    exact = list(start.rows)
    for place, k in enumerate(units):
        part = moved[1 + place * n : 1 + (place + 1) * n]
        exact[k] = tuple(u + v / start.output[k] if v else u for u, v in zip(exact[k], part, strict=True))
    return replace(start, rows=tuple(exact), bias=start.bias + moved[0])


def _forms(moments: MaskedGram, units: Sequence[int]) -> list[Form]:
    """The design's columns (1, then s_k x~ of each unit) in those of the Gram matrix."""
    n, whole = moments.n, moments.s_minus != 0
    step, head = moments.s_plus - moments.s_minus, 1 + (n - 1 if whole else 0)
    forms: list[Form] = [[(0, Fraction(1))]]
    for k in units:
        for j in range(n):
            form = [(head + k * n + j, step)]
            if whole:
                form.append(((j + 1) if j < n - 1 else 0, moments.s_minus))
            forms.append(form)
    return forms


def _transformed(moments: MaskedGram, forms: Sequence[Form]) -> tuple[Ints, list[Fraction]]:
    """The Gram matrix of forms: integers, one scale a form, and the weights' scale."""
    entries: Ints = np.array(moments.gram.entries, dtype=object)
    integers, scales = [], []
    for form in forms:
        numbers, scale = common_numerators([share * moments.gram.scales[c] for c, share in form])
        integers.append([(c, number) for (c, _), number in zip(form, numbers, strict=True)])
        scales.append(scale)
    half: Ints = np.array([sum(number * entries[c] for c, number in form) for form in integers])
    return np.array([sum(number * half[:, c] for c, number in form) for form in integers]), scales


def _constraints(
    held: Sequence[Sequence[Vector]],
    units: Sequence[int],
    start: RationalNetwork,
    scales: list[Fraction],
    n: int,
) -> tuple[list[tuple[int, list[int]]], list[Fraction]]:
    """Rows of A as (first column, integers), and what they should give."""
    rows, right = [], []
    for place, k in enumerate(units):
        first = 1 + place * n
        for x in held[k]:
            numbers, unit = common_numerators(
                [v / scale for v, scale in zip(x, scales[first : first + n], strict=True)]
            )
            q = sum((v * u for v, u in zip(x, start.rows[k], strict=True)), Fraction(0)) * start.output[k]
            rows.append((first, numbers))
            right.append(-q / unit)
    return rows, right


def _joined(gram: Ints, rows: Sequence[tuple[int, list[int]]]) -> Ints:
    size = len(gram)
    matrix: Ints = np.zeros((size + len(rows), size + len(rows)), dtype=object)
    matrix[:size, :size] = gram
    for i, (first, numbers) in enumerate(rows, size):
        matrix[i, first : first + len(numbers)] = numbers
        matrix[first : first + len(numbers), i] = numbers
    return matrix


def _solved(matrix: Ints, right: Ints) -> list[Fraction]:
    """A solution of a symmetric system that has one; unknowns that depend on others are 0.

    The largest set of rows that are independent modulo p gives a regular principal submatrix, as the matrix is symmetric.
    """
    residues = np.array([[v % PRIME for v in row] for row in matrix.tolist()], dtype=np.int64)
    pivots = np.array(echelon(residues)[0], dtype=np.intp)
    square = matrix[np.ix_(pivots, pivots)]
    values = [Fraction(0)] * len(right)
    for place, value in zip(pivots.tolist(), _regular(square, right[pivots]), strict=True):
        values[place] = value
    return values


def _regular(matrix: Ints, right: Ints) -> list[Fraction]:
    """The solution of a regular system, by FLINT where it is installed and pays."""
    if len(matrix) >= _FLINT_FROM and importlib.util.find_spec("flint") is not None:
        with first_use():
            from flint import fmpz_mat

        solution = fmpz_mat(matrix.tolist()).solve(fmpz_mat([[v] for v in right.tolist()]))
        return [Fraction(int(solution[i, 0].p), int(solution[i, 0].q)) for i in range(len(matrix))]
    found = solve_square(matrix, right[:, None])
    if found is None:
        raise ArithmeticError(
            "a matrix that is regular modulo p has no inverse there: a fault of this program"
        )
    numerators, denominators = found
    d = denominators[0]
    return [Fraction(z // (c := math.gcd(z, d)), d // c) for z in numerators[:, 0].tolist()]
