"""Are the shares of classes in groups of equal inputs the probabilities of an affine map? Decided in integers.

(a) At the minimum p* is constant on a group of equal inputs, and R_g = W_g (p*_g - s_g), W_g the weight of the group, s_g
    the weighted mean of its targets. So all R_g are 0 if and only if s > 0 and ln(s_gj / s_gK) is affine in x for every
    class j: such a map has G = 0, and the loss is convex.
(b) Write the integers that the s_g are proportional to as products of powers of pairwise coprime numbers b > 1 (found by
    greatest common divisors). Their logarithms are linearly independent over the rationals, as no product of powers
    of them is 1. A linear relation sum_g l_g (1, x_g) = 0 with rational l is passed on by ln(s_gj / s_gK) = sum_b e_gjb ln b
    if and only if sum_g l_g e_gjb = 0 for every b: the columns e of exponents are combinations of those of (1, x).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.matrix import RationalMatrix
from fastminima.exact.modular import echelon, integer_residues, solve_square

__all__ = ["coprime_base", "logits_are_affine"]

# distinct integers whose common divisors are sought; more of them take minutes
_MOST = 2_000


def coprime_base(numbers: Iterable[int]) -> list[int]:
    """Pairwise coprime integers above 1 of whose powers all numbers are products, sorted."""
    base: list[int] = []
    waiting = sorted(set(numbers))
    while waiting:
        a = waiting.pop()
        if a == 1:
            continue
        for k, b in enumerate(base):
            common = math.gcd(a, b)
            if common > 1:
                # the product of what is left falls with every turn
                del base[k]
                waiting += [a // common, common, b // common]
                break
        else:
            base.append(a)
    return sorted(base)


def logits_are_affine(shares: RationalMatrix, table: RationalMatrix) -> bool | None:
    """Is ln(s_gj / s_gK) an affine function, for every class? None where there are too many numbers to decide it.

    Parameters
    ----------
    shares : RationalMatrix, (groups, K)
        Each above 0.
    table : RationalMatrix, (groups, d)
        Independent columns, the constant among those they span.
    """
    rows = [[v // math.gcd(*row) for v in row] for row in shares.numerators.tolist()]
    numbers = {v for row in rows for v in row}
    if len(numbers) > _MOST:
        return None
    base = coprime_base(numbers)
    powers = {v: [_power(v, b) for b in base] for v in numbers}
    exponents = [
        [p - q for v in row[:-1] for p, q in zip(powers[v], powers[row[-1]], strict=True)] for row in rows
    ]
    E = np.array(exponents, dtype=object).reshape(len(rows), -1)
    if not E.size:
        return True
    chosen = _independent(table)
    if chosen is None:
        return None
    found = solve_square(table.numerators[chosen], E[chosen])
    if found is None:
        return None
    Z, denominators = found
    return not (table.numerators.dot(Z) - E * np.array(denominators, dtype=object)[None, :]).any()


def _power(value: int, b: int) -> int:
    count = 0
    while value % b == 0:
        value //= b
        count += 1
    return count


def _independent(table: RationalMatrix) -> NDArray[np.intp] | None:
    """So many independent rows as there are columns."""
    residues = integer_residues(table.numerators.ravel()).reshape(table.shape)
    pivots, rows = echelon(residues)
    return np.array(rows, dtype=np.intp) if len(pivots) == table.shape[1] else None
