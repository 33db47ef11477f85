"""The least risk that the hidden rows of a cell leave on the rows that it decides, in rational arithmetic.

(a) Rows and cells are integers: x~ times one number, boxes times a power of two. A row is kept if the interval of its
    preactivations over the box does not hold both signs in its interior, for every unit, or if the cell says its sign.
(b) On the kept rows f is linear in beta = (b, q_1, ..., q_w), and the risk is at least its minimum over C beta >= 0, the
    inequalities of the cell. With some of them, A, as equations the minimum solves H beta - A'lambda = g, A beta = 0; if
    lambda >= 0 it is the minimum over A beta >= 0, so that it bounds that over C beta >= 0 from below. Any solution does:
    the value is (|y|^2 - <g, beta>)/2.
(c) Floating point says which inequalities to take (`_cones.multipliers`); if some exact lambda is negative, it is left
    out and the system solved again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import common_numerators
from fastminima.exact.dyadic import Ints, bit_size, round_fraction
from fastminima.exact.nullspace import reduced
from fastminima.kernels import _cones

from .direction_boxes import Cell
from .lines import DistinctInputs
from .scaled_inputs import ScaledInputs

__all__ = ["ExactInputs", "LeafBound", "Limit"]

# an inequality: (unit, side j, 0 for low and 1 for high), or (unit, number of the cell's row, 2)
Limit = tuple[int, int, int]
# low and high of the box of each unit, as integers
Boxes = tuple[list[list[int]], list[list[int]]]

# squares of targets are rounded down to so many bits below the largest
_BITS = 160


@dataclass(frozen=True)
class LeafBound:
    """No network of the cell has a lower risk, beyond the pure error; and the inequalities that show it.

    Attributes
    ----------
    value : Fraction
    limits : tuple of Limit
    """

    value: Fraction
    limits: tuple[Limit, ...]


class ExactInputs:
    """Distinct inputs in the units of `ScaledInputs`, as integers.

    Parameters
    ----------
    inputs : DistinctInputs
    scaled : ScaledInputs
    slopes : (Fraction, Fraction)
    """

    def __init__(
        self, inputs: DistinctInputs, scaled: ScaledInputs, slopes: tuple[Fraction, Fraction]
    ) -> None:
        table = list(zip(*scaled.exact, strict=True))
        flat, _ = common_numerators([Fraction(1), *(v for column in table for v in column)])
        n, d = len(inputs), len(table)
        X = np.empty((n, d + 1), dtype=object)
        X[:, d] = flat[0]
        for j in range(d):
            X[:, j] = flat[1 + j * n : 1 + (j + 1) * n]
        self.X: Ints = X
        self.slopes = np.array(common_numerators(slopes)[0], dtype=object)
        means = [v - scaled.level for v in inputs.means]
        weights, self.w_unit = common_numerators(inputs.weights)
        sums, self.wy_unit = common_numerators([w * v for w, v in zip(inputs.weights, means, strict=True)])
        squares = [w * v * v for w, v in zip(inputs.weights, means, strict=True)]
        exponent = _BITS - max((bit_size(v) for v in squares if v), default=0)
        self.yy_unit = Fraction(1, 1 << exponent) if exponent >= 0 else Fraction(1 << -exponent)
        self.w, self.wy = np.array(weights, dtype=object), np.array(sums, dtype=object)
        floors = [(v / self.yy_unit).__floor__() for v in squares]
        pairs = list(combinations_with_replacement(range(d + 1), 2))
        self._pairs = pairs
        # w x_a x_b, w y x_a, w y, w y^2 by columns
        parts = [self.w * X[:, a] * X[:, b] for a, b in pairs]
        parts += [self.wy * X[:, a] for a in range(d + 1)]
        self._moments = np.column_stack([*parts, self.w, self.wy, np.array(floors, dtype=object)])

    def signs(self, cell: Cell) -> NDArray[np.int8]:
        """(w, n): 1, -1, or 0 where the cell does not decide."""
        low, high = _integers(cell)
        found = np.empty((len(low), len(self.X)), dtype=np.int8)
        for k, (least, most) in enumerate(zip(low, high, strict=True)):
            a, b = self.X * least, self.X * most
            up, down = np.minimum(a, b).sum(axis=1) >= 0, np.maximum(a, b).sum(axis=1) <= 0
            found[k] = np.where(up, 1, np.where(down, -1, 0))
        for k, i, sign in cell.rows:
            found[k, i] = sign
        return found

    def bound(self, cell: Cell) -> LeafBound:
        """A lower bound of the risk; 0 without inequalities where none is found."""
        H, g, yy = self._normal_equations(cell)
        limits, boxes = _limits(cell), _integers(cell)
        table = [self._row(cell, boxes, limit) for limit in limits]
        # in the units of H and g
        size = round_fraction(yy * self.yy_unit * self.w_unit / self.wy_unit**2)
        taken = _choice(H, g, size, table)
        while taken is not None:
            solution = _solved(H, g, [table[i] for i in taken])
            if solution is None:
                break
            numerators, denominator = solution
            multipliers = [v * (1 if denominator > 0 else -1) for v in numerators[len(g) :]]
            if min(multipliers, default=0) >= 0:
                fitted = Fraction(sum(a * b for a, b in zip(g, numerators, strict=False)), denominator)
                value = yy * self.yy_unit - fitted * self.wy_unit**2 / self.w_unit
                return LeafBound(max(value, Fraction(0)) / 2, tuple(limits[i] for i in taken))
            worst = min(range(len(taken)), key=multipliers.__getitem__)
            taken = taken[:worst] + taken[worst + 1 :]
        return LeafBound(Fraction(0), ())

    def _normal_equations(self, cell: Cell) -> tuple[list[list[int]], list[int], int]:
        """H and g of beta, and the sum of squares, over the kept rows: sums by pattern, then products of their slopes."""
        signs = self.signs(cell)
        width, d1 = len(signs), self.X.shape[1]
        kept = np.flatnonzero((signs != 0).all(axis=0))
        code = (signs[:, kept].T > 0) @ (1 << np.arange(width))
        size, count = 1 + width * d1, len(self._pairs)
        H, g, yy = np.zeros((size, size), dtype=object), np.zeros(size, dtype=object), 0
        for pattern in np.unique(code).tolist():
            sums = self._moments[kept[code == pattern]].sum(axis=0)
            square = np.zeros((d1, d1), dtype=object)
            for (a, b), v in zip(self._pairs, sums, strict=False):
                square[a, b] = square[b, a] = v
            slopes = [s[0] * self.slopes[0 if pattern >> k & 1 else 1] for k, s in enumerate(cell.starts)]
            # every product with the last coordinate, which is constant, holds it as a factor
            constant, target = square[:, -1] // self.X[0, -1], sums[count : count + d1]
            H[0, 0] += sums[-3]
            g[0] += sums[-2]
            yy += sums[-1]
            for k, one in enumerate(slopes):
                at = slice(1 + k * d1, 1 + (k + 1) * d1)
                H[0, at] += one * constant
                H[at, 0] += one * constant
                g[at] += one * target
                for m, other in enumerate(slopes):
                    H[at, 1 + m * d1 : 1 + (m + 1) * d1] += one * other * square
        return H.tolist(), g.tolist(), int(yy)

    def _row(self, cell: Cell, boxes: Boxes, limit: Limit) -> list[int]:
        """An inequality <c, beta> >= 0 as integers."""
        k, at, kind = limit
        d1 = self.X.shape[1]
        row = [0] * (1 + len(cell.starts) * d1)
        begin = 1 + k * d1
        if kind == 2:
            _, i, sign = cell.rows[at]
            row[begin : begin + d1] = [sign * int(v) for v in self.X[i]]
            return row
        _, face, side = cell.starts[k]
        sign = 1 if kind == 0 else -1
        row[begin + at] = sign * abs(boxes[kind][k][face])
        row[begin + face] = -sign * side * boxes[kind][k][at]
        return row


def _integers(cell: Cell) -> Boxes:
    """Boxes of each unit times a power of two, 1 on the face becoming that power."""
    low, high = [], []
    for a, b in zip(cell.low.tolist(), cell.high.tolist(), strict=True):
        unit = max(v.as_integer_ratio()[1] for v in (*a, *b))
        low.append([int(v * unit) for v in a])
        high.append([int(v * unit) for v in b])
    return low, high


def _limits(cell: Cell) -> list[Limit]:
    found = [
        (k, j, kind)
        for k, (_, face, _) in enumerate(cell.starts)
        for j in range(cell.low.shape[1])
        if j != face
        for kind in (0, 1)
    ]
    return found + [(k, number, 2) for number, (k, _, _) in enumerate(cell.rows)]


def _choice(H: list[list[int]], g: list[int], yy: float, limits: Sequence[list[int]]) -> list[int] | None:
    """Inequalities that are equations at the minimum, in floating point; None beyond it."""
    try:
        matrix, goal, rows = np.array(H, float), np.array(g, float), np.array(limits, float)
    except OverflowError:
        return None
    found = np.zeros(len(limits))
    if len(limits):
        rows /= np.abs(rows).max(axis=1)[:, None]
        with np.errstate(all="ignore"):
            _cones.multipliers(matrix, goal, yy, rows, found)
    if not np.isfinite(found).all():
        return None
    return np.flatnonzero(found > 1e-9 * found.max(initial=0.0)).tolist()


def _solved(H: list[list[int]], g: list[int], limits: Sequence[list[int]]) -> tuple[list[int], int] | None:
    """(beta, lambda) of H beta - A'lambda = g, A beta = 0 over one denominator; None without a solution."""
    size, more = len(g), len(limits)
    rows = [[*H[a], *(-c[a] for c in limits), g[a]] for a in range(size)]
    rows += [[*c, *[0] * more, 0] for c in limits]
    rows, pivots, diagonal = reduced(rows, size + more)
    if any(row[-1] for row in rows[len(pivots) :]):
        return None
    solution = [0] * (size + more)
    for row, column in zip(rows, pivots, strict=False):
        solution[column] = row[-1]
    return solution, diagonal
