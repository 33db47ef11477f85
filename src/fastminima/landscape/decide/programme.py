"""Is a point in a zonotope? Multipliers, or a direction that separates them; floats propose, rationals decide.

Find l with p = sum l_g x_g, |l_g| <= d_g, or v with <p, v> > sum d_g |<x_g, v>| (Farkas: exactly one exists).

(a) Independent x_g: l is unique, and v is the dual vector of a multiplier beyond its limit.
(b) Else HiGHS maximises the slack s in |l_g| <= d_g (1 - s), which also yields v as the dual of the equations. With slack
    to spare the multipliers off a basis are rounded and the rest solved for exactly; at a vertex those at a limit are
    put there.
(c) Where no proposal stands, the simplex method with Bland's rule in rationals decides: it ends, and one of the two stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.exact.dyadic import round_fraction
from fastminima.exact.matrix import dot

__all__ = ["Multipliers", "dual", "in_span", "multipliers"]

Vector = tuple[Fraction, ...]


@dataclass(frozen=True)
class Multipliers:
    """`values` l, or `v`; the other is empty or None."""

    values: Vector = ()
    v: Vector | None = None


def multipliers(p: Vector, inputs: Sequence[Vector], d: Sequence[Fraction]) -> Multipliers:
    """The multipliers of p in the zonotope of d_g x_g, or a direction along which p lies outside.

    Parameters
    ----------
    p : n Fractions
    inputs : vectors x_g of n Fractions
    d : their limits, all > 0
    """
    if not any(p):
        return Multipliers(tuple(Fraction(0) for _ in inputs))
    basis, values, v = in_span(p, inputs)
    if v is not None:
        return Multipliers(v=v)
    if len(basis) == len(inputs):
        beyond = next((g for g, (t, limit) in enumerate(zip(values, d, strict=True)) if abs(t) > limit), None)
        if beyond is None:
            return Multipliers(tuple(values))
        unit = dual(inputs, beyond)
        return Multipliers(v=unit if values[beyond] > 0 else tuple(-t for t in unit))
    return _proposed(p, inputs, d) or _simplex(p, inputs, d)


def outside(p: Vector, inputs: Sequence[Vector], d: Sequence[Fraction], v: Vector) -> bool:
    """Whether <p, v> > sum d_g |<x_g, v>|."""
    reach = sum((t * abs(dot(x, v)) for x, t in zip(inputs, d, strict=True)), Fraction(0))
    return dot(p, v) > reach


def in_span(
    p: Vector, inputs: Sequence[Vector], allowed: Sequence[int] | None = None
) -> tuple[list[int], list[Fraction], Vector | None]:
    """Positions of a basis, coefficients of p over all inputs (0 off the basis); or v orthogonal to all, <p, v> > 0."""
    n = len(p)
    order = list(range(len(inputs))) if allowed is None else list(allowed)
    # columns of the system [x_g ... | p], and an identity that remembers the row operations
    rows = [
        [inputs[g][i] for g in order] + [p[i]] + [Fraction(int(i == j)) for j in range(n)] for i in range(n)
    ]
    basis: list[int] = []
    for column in range(len(order)):
        k = len(basis)
        pivot = next((i for i in range(k, n) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[k], rows[pivot] = rows[pivot], rows[k]
        head = rows[k][column]
        rows[k] = [v / head for v in rows[k]]
        for i in range(n):
            if i != k and rows[i][column]:
                factor = rows[i][column]
                rows[i] = [a - factor * b if b else a for a, b in zip(rows[i], rows[k], strict=True)]
        basis.append(column)
    at = len(order)
    for row in rows[len(basis) :]:
        if row[at]:
            v = row[at + 1 :]
            return [], [], tuple(v) if row[at] > 0 else tuple(-t for t in v)
    values = [Fraction(0)] * len(inputs)
    for k, column in enumerate(basis):
        values[order[column]] = rows[k][at]
    return [order[column] for column in basis], values, None


def dual(inputs: Sequence[Vector], position: int) -> Vector:
    """v with <x_g, v> = 1 at one of independent inputs, 0 at the others."""
    others = [x for g, x in enumerate(inputs) if g != position]
    x = inputs[position]
    _, _, v = in_span(x, others)
    if v is None:
        raise AssertionError("the inputs are not independent")
    size = dot(x, v)
    return tuple(t / size for t in v)


def _proposed(p: Vector, inputs: Sequence[Vector], d: Sequence[Fraction]) -> Multipliers | None:
    """What a float linear programme proposes, if it stands in rationals."""
    from scipy.optimize import linprog

    x = np.array([[round_fraction(v) for v in row] for row in inputs])
    limit = np.array([round_fraction(t) for t in d])
    point = np.array([round_fraction(v) for v in p])
    # multipliers relative to their limits, columns of length 1, so that HiGHS's absolute tolerances mean something
    columns = (x * limit[:, None]).T
    scale = max(float(np.abs(point).max(initial=0.0)), float(np.abs(columns).max(initial=0.0)))
    if not (np.isfinite(columns).all() and np.isfinite(point).all() and scale > 0.0):
        return None
    k = len(inputs)
    answer = linprog(
        np.r_[np.zeros(k), -1.0],
        A_ub=np.block([[np.eye(k), np.ones((k, 1))], [-np.eye(k), np.ones((k, 1))]]),
        b_ub=np.ones(2 * k),
        A_eq=np.c_[columns / scale, np.zeros(len(p))],
        b_eq=point / scale,
        bounds=[(None, None)] * k + [(None, 1.0)],
        method="highs",
    )
    if answer.status != 0:
        return None
    relative, slack = answer.x[:-1], float(answer.x[-1])
    if slack < 0.0:
        dual = np.asarray(answer.eqlin.marginals, dtype=np.float64)
        for side in (dual, -dual):
            exact = tuple(map(Fraction, side.tolist()))
            if outside(p, inputs, d, exact):
                return Multipliers(v=exact)
        return None
    # the largest distances from a limit first: a basis among them leaves the others where rounding put them
    order = np.argsort(np.abs(relative), kind="stable").tolist()
    fixed = [Fraction(float(t)) * limit_ for t, limit_ in zip(relative, d, strict=True)]
    at_limit = [abs(abs(t) - 1.0) < 1e-9 for t in relative]
    fixed = [
        (limit_ if value > 0 else -limit_) if tied else value
        for value, limit_, tied in zip(fixed, d, at_limit, strict=True)
    ]
    basis, _, v = in_span(p, inputs, order)
    if v is not None:
        return None
    rest = list(p)
    for g, value in enumerate(fixed):
        if g not in basis:
            rest = [a - value * b for a, b in zip(rest, inputs[g], strict=True)]
    _, solved, v = in_span(tuple(rest), inputs, basis)
    if v is not None:
        return None
    values = tuple(solved[g] if g in basis else fixed[g] for g in range(k))
    if all(abs(t) <= limit_ for t, limit_ in zip(values, d, strict=True)):
        return Multipliers(values)
    return None


def _simplex(p: Vector, inputs: Sequence[Vector], d: Sequence[Fraction]) -> Multipliers:
    """The first phase of the simplex method in rationals, Bland's rule.

    Variables m_g = l_g + d_g >= 0 and t_g = 2 d_g - m_g >= 0, and an artificial one per equation; the prices of the
    equations sum m_g x_g = p + sum d_g x_g give v when some artificial variable cannot leave.
    """
    n, k = len(p), len(inputs)
    right = [p[i] + sum((t * x[i] for x, t in zip(inputs, d, strict=True)), Fraction(0)) for i in range(n)]
    table = []
    flip = [-1 if b < 0 else 1 for b in right]
    for i in range(n):
        row = [flip[i] * x[i] for x in inputs] + [Fraction(0)] * k + [Fraction(int(i == j)) for j in range(n)]
        table.append([*row, flip[i] * right[i]])
    for g in range(k):
        row = [Fraction(0)] * (2 * k + n)
        row[g] = row[k + g] = Fraction(1)
        table.append([*row, 2 * d[g]])
    basic = [2 * k + i for i in range(n)] + [k + g for g in range(k)]
    # reduced costs of "sum of the artificial variables"
    cost = [-sum((table[i][j] for i in range(n)), Fraction(0)) for j in range(2 * k + n + 1)]
    for i in range(n):
        cost[2 * k + i] += 1
    while True:
        enter = next((j for j in range(2 * k) if cost[j] < 0), None)
        if enter is None:
            break
        leave = min(
            (r for r in range(n + k) if table[r][enter] > 0),
            key=lambda r: (table[r][-1] / table[r][enter], basic[r]),
        )
        head = table[leave][enter]
        table[leave] = [v / head for v in table[leave]]
        for row in [*(table[r] for r in range(n + k) if r != leave), cost]:
            factor = row[enter]
            if factor:
                for j, v in enumerate(table[leave]):
                    if v:
                        row[j] -= factor * v
        basic[leave] = enter
    if cost[-1] == 0:
        values = [Fraction(0)] * (2 * k + n)
        for r, j in enumerate(basic):
            values[j] = table[r][-1]
        return Multipliers(tuple(values[g] - d[g] for g in range(k)))
    # 1 - reduced cost of an artificial variable is the price of its equation
    return Multipliers(v=tuple(flip[i] * (1 - cost[2 * k + i]) for i in range(n)))
