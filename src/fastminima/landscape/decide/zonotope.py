"""Is one zonotope inside another? The condition at a unit with samples on its boundary, decided in rational numbers.

The rate a_k phi_k(v) = <p, v> + sum d_g |<x_g, v>|, p = a_k P_k, is nowhere negative if and only if

    Z(p; |d_g| x_g, d_g < 0)  is inside  Z(d_g x_g, d_g > 0),      Z(p_1, p_2, ...) = {sum t_j p_j : |t_j| <= 1}.

(a) One point p in Z(d_g x_g): multipliers p = sum l_g x_g, |l_g| <= d_g; by Farkas's lemma either those exist or a v
    with <p, v> > sum d_g |<x_g, v>|. Independent x_g: the multipliers are unique. Else a float linear programme
    (HiGHS) proposes and rationals verify; where its proposal does not stand, an exact simplex method decides.
(b) Kinks with d_g < 0 (concave): every vertex p + sum +-|d_g| x_g must lie inside, 2^q programmes, or the sign of the
    rate on the lines of the arrangement {x_g}, whichever is cheaper. Beyond a budget the answer is that it is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from math import comb

import numpy as np

from fastminima.exact.affine import common_numerators
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.matrix import dot
from fastminima.exact.nullspace import null_space

from .programme import dual, in_span, multipliers

__all__ = ["Contained", "Escaping", "Unknown", "decide_unit"]

Vector = tuple[Fraction, ...]

# linear programmes or lines that are tried for concave kinks
BUDGET = 4096
# lines that are drawn at random before any programme is solved, and how many of the best are looked at in rationals
_DRAWS = 512
_VERIFIED = 8


@dataclass(frozen=True)
class Contained:
    """The rate is nowhere negative.

    Attributes
    ----------
    kind : "zero" | "multipliers" | "vertices" | "lines"
    multipliers : tuple of vectors
        One l per point that had to lie in the zonotope, over the convex kinks in the order given; a single one
        unless there are concave kinks. Empty for "zero" and "lines".
    """

    kind: str
    multipliers: tuple[Vector, ...] = ()


@dataclass(frozen=True)
class Escaping:
    """The rate is negative along v."""

    v: Vector


@dataclass(frozen=True)
class Unknown:
    """Neither was shown within the budget."""

    n_concave: int
    n_boundary: int
    rank: int


def decide_unit(p: Vector, inputs: Sequence[Vector], d: Sequence[Fraction]) -> Contained | Escaping | Unknown:
    """Whether <p, v> + sum d_g |<x_g, v>| >= 0 for all v.

    Parameters
    ----------
    p : n Fractions
    inputs : p vectors x_g of n Fractions, pairwise not parallel
    d : their d_g, none of them 0
    """
    if not inputs:
        return Escaping(tuple(-v for v in p)) if any(p) else Contained("zero")
    # the condition is homogeneous in (p, d): integers spare every later step the largest denominators
    numbers, unit = common_numerators([*p, *d])
    whole = [Fraction(v) for v in numbers]
    found = _decide(tuple(whole[: len(p)]), inputs, whole[len(p) :])
    if isinstance(found, Contained):
        return Contained(found.kind, tuple(tuple(unit * v for v in values) for values in found.multipliers))
    return found


def _decide(p: Vector, inputs: Sequence[Vector], d: Sequence[Fraction]) -> Contained | Escaping | Unknown:
    convex = [(x, t) for x, t in zip(inputs, d, strict=True) if t > 0]
    concave = [(x, -t) for x, t in zip(inputs, d, strict=True) if t < 0]
    basis = in_span((Fraction(0),) * len(p), inputs)[0]
    rank = len(basis)
    if concave and rank == len(inputs):
        # independent: some v meets one concave kink and no other input
        return Escaping(_downhill(p, dual(inputs, inputs.index(concave[0][0]))))
    inside = [x for x, _ in convex], [t for _, t in convex]
    if not concave:
        found = multipliers(p, *inside)
        if found.v is not None:
            return Escaping(tuple(-v for v in found.v))
        return Contained("multipliers", (found.values,))
    for x, t in concave:
        found = multipliers(tuple(t * v for v in x), *inside)
        if found.v is not None:
            return Escaping(_downhill(p, found.v))
    guess = _by_chance(p, inputs, d, rank)
    if guess is not None:
        return Escaping(guess)
    lines = comb(len(inputs), rank - 1) if in_span(p, inputs)[2] is None else None
    vertices = 2 ** len(concave)
    if lines is not None and 2 * lines <= min(vertices, BUDGET):
        return _by_lines(p, inputs, d, basis)
    if vertices <= BUDGET:
        return _by_vertices(p, concave, inside)
    if lines is not None and 2 * lines <= BUDGET:
        return _by_lines(p, inputs, d, basis)
    return Unknown(len(concave), len(inputs), rank)


def _downhill(p: Vector, v: Vector) -> Vector:
    """v or -v, whichever does not climb along p."""
    return tuple(-t for t in v) if dot(p, v) > 0 else v


def _by_vertices(
    p: Vector, concave: list[tuple[Vector, Fraction]], inside: tuple[list[Vector], list[Fraction]]
) -> Contained | Escaping:
    found = []
    for signs in product((1, -1), repeat=len(concave)):
        point = list(p)
        for sign, (x, t) in zip(signs, concave, strict=True):
            point = [a + sign * t * b for a, b in zip(point, x, strict=True)]
        answer = multipliers(tuple(point), *inside)
        if answer.v is not None:
            return Escaping(tuple(-t for t in answer.v))
        found.append(answer.values)
    return Contained("vertices", tuple(found))


def _by_chance(p: Vector, inputs: Sequence[Vector], d: Sequence[Fraction], rank: int) -> Vector | None:
    """A line of the arrangement, out of many drawn, along which the rate is negative; floats propose, rationals decide."""
    x = np.array([[round_fraction(v) for v in row] for row in inputs])
    limits, point = np.array([round_fraction(t) for t in d]), np.array([round_fraction(v) for v in p])
    if not (np.isfinite(x).all() and np.isfinite(limits).all() and np.isfinite(point).all()):
        return None
    # coordinates in the span of the inputs
    basis = np.linalg.svd(x, full_matrices=False)[2][:rank]
    inside = x @ basis.T
    rng = np.random.default_rng(0)
    chosen = rng.random((_DRAWS, len(x))).argpartition(min(rank - 1, len(x) - 1), axis=1)[:, : rank - 1]
    lines = np.linalg.svd(inside[chosen])[2][:, -1, :] if rank > 1 else np.ones((1, 1))
    v = lines @ basis
    v = np.concatenate([v, -v])
    rate = v @ point + np.abs(v @ x.T) @ limits
    for at in np.argsort(rate, kind="stable")[:_VERIFIED].tolist():
        if rate[at] >= 0.0:
            break
        exact = tuple(map(Fraction, v[at].tolist()))
        kinks = sum((t * abs(dot(one, exact)) for one, t in zip(inputs, d, strict=True)), Fraction(0))
        if dot(p, exact) + kinks < 0:
            return exact
    return None


def _by_lines(
    p: Vector, inputs: Sequence[Vector], d: Sequence[Fraction], basis: Sequence[int]
) -> Contained | Escaping:
    """The rate is linear on the cones of the arrangement in the span of the inputs: its lines decide its sign."""
    rank = len(basis)
    # v = sum t_j x_j over a basis of the span; <x_g, v> = sum t_j <x_g, x_j>
    table = [[dot(x, inputs[j]) for j in basis] for x in inputs]
    for chosen in combinations(range(len(inputs)), rank - 1):
        kernel = null_space([common_numerators(table[g])[0] for g in chosen], rank)
        if len(kernel) != 1:
            continue
        v = tuple(
            sum((t * inputs[j][i] for t, j in zip(kernel[0], basis, strict=True)), Fraction(0))
            for i in range(len(p))
        )
        kinks = sum((t * abs(dot(x, v)) for x, t in zip(inputs, d, strict=True)), Fraction(0))
        slope = dot(p, v)
        if abs(slope) > kinks:
            return Escaping(_downhill(p, v))
    return Contained("lines")
