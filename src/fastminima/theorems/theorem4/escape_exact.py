"""The escape pair of theorem 4 in rational arithmetic: one tuple up, one down, for any radius, and its order.

With V the weights moved along the flat directions of appendix A7 the product is still R, so a step eta of the last
factor along a direction Delta changes the product by eta D, D = V_{H+1:j+1} Delta V_{j-1:1}, exactly, and ell by
ell0(R + eta D) - ell0(R). Steps are powers of two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import power_of_two, round_fraction
from fastminima.exact.matrix import RationalMatrix, Rationals
from fastminima.exact.roundoff import U
from fastminima.losses.base import Change, ProductLoss

from .decide_exactly import ExactFindings
from .product_change import telescoped

__all__ = ["ExactPair", "escape_order", "exact_pair"]

Floats = NDArray[np.float64]
Chain = list[RationalMatrix]
# halvings of a step: beyond this a loss that is not differentiable would never end
_HALVINGS = 1 << 14


@dataclass(frozen=True, eq=False)
class ExactPair:
    """Two tuples near a saddle, their differences confirmed in rational arithmetic.

    Attributes
    ----------
    P, Q : list of float64 arrays
        The tuples rounded to float64; they are what `up` and `down` speak of where `float_confirmed`.
    exact_P, exact_Q : list of rational matrices
        The tuples themselves, each layer within `radius` of W's.
    up, down : Change
        ell(P) - ell(W) and ell(W) - ell(Q), of the float64 tuples where `float_confirmed`, else of the rational ones.
    radius : float
    float_confirmed : bool
        Do the float64 tuples show both signs and stay in the ball, exactly?
    """

    P: list[Floats]
    Q: list[Floats]
    exact_P: list[Rationals]
    exact_Q: list[Rationals]
    up: Change
    down: Change
    radius: float
    float_confirmed: bool


def exact_pair(
    weights: Sequence[Floats], loss: ProductLoss, found: ExactFindings, radius: float
) -> ExactPair:
    """The escape of theorem 4 with dyadic steps.

    Parameters
    ----------
    weights : sequence of float64 arrays
    loss : ProductLoss, rational
    found : ExactFindings with `case` 1 or 2
    radius : float > 0
    """
    start = [RationalMatrix.of_floats(W) for W in weights]
    R = reduce(lambda product, W: W @ product, start)
    chain = _turned(start) if found.transposed else start
    ball = Fraction(radius)
    top = _power_below(ball)
    added, target = _flat_steps(chain, found)
    # Delta is a polynomial in gamma of degree at most H that is not 0, so one of H + 1 values makes it nonzero
    for halvings in range(len(chain)):
        moved = [
            W if E is None else W + E.times(top / 2**halvings) for W, E in zip(chain, added, strict=True)
        ]
        above, below, delta = _around(moved, found, target)
        if delta.any():
            break
    direction = _dyadic(delta)
    D = above @ direction @ below
    change = _along(loss, R, D.T if found.transposed else D, found)
    tuples, differences = [], []
    for sign in (1, -1):
        eta = _best_step(change, sign, top)
        moved[target] = chain[target] + direction.times(sign * eta)
        tuples.append(_turned(moved) if found.transposed else list(moved))
        differences.append(change(sign * eta))
    rounded = [[M.rounded() for M in tuple_] for tuple_ in tuples]
    # steps are dyadic: where the weights have few bits nothing was rounded, and nothing need be shown twice
    fine = all(M.is_float64() for tuple_ in tuples for M in tuple_)
    if not fine:
        shown = [_shown(start, tuple_, ball, loss, R) for tuple_ in rounded]
        fine = shown[0] > 0 > shown[1]
        differences = shown if fine else differences
    up, down = differences
    return ExactPair(
        rounded[0],
        rounded[1],
        [M.rows() for M in tuples[0]],
        [M.rows() for M in tuples[1]],
        _as_change(up),
        _as_change(-down),
        radius,
        fine and up > 0 > down,
    )


def _turned(chain: Sequence[RationalMatrix]) -> Chain:
    """The transposed, reversed network."""
    return [M.T for M in reversed(chain)]


def _power_below(value: Fraction) -> Fraction:
    """The largest power of two that is at most `value` > 0."""
    power = power_of_two(value.numerator.bit_length() - value.denominator.bit_length())
    return power if power <= value else power / 2


def _flat_steps(chain: Chain, found: ExactFindings) -> tuple[list[RationalMatrix | None], int]:
    """(V_k - W_k at gamma = 1, of Frobenius norm at most 1, None for layers that stay; the factor moved last, from 0)."""
    facts, H = found.facts, len(chain) - 1
    added: list[RationalMatrix | None] = [None] * (H + 1)
    added[0] = _outer(facts["v1"], [int(k == facts["b"]) for k in range(chain[0].shape[1])])
    if facts["case"] == 1:
        return added, H
    target = facts["j_star"] - 1
    vectors = [*facts["left_null_vectors"], [int(k == facts["a"]) for k in range(chain[-1].shape[0])]]
    for k, (right, left) in enumerate(pairwise(vectors), target + 1):
        # Appendix A7, case 2:  V_k = W_k + gamma v_k v_{k-1}^T
        added[k] = _outer(left, right)
    return added, target


def _around(
    moved: Chain, found: ExactFindings, target: int
) -> tuple[RationalMatrix, RationalMatrix, RationalMatrix]:
    """(V_{H+1:j+1}, V_{j-1:1}, Delta = (V_{H+1:j+1})^T G (V_{j-1:1})^T), j the factor moved last."""
    G = found.G.T if found.transposed else found.G
    above = reduce(
        lambda product, V: product @ V, reversed(moved[target + 1 :]), RationalMatrix.identity(G.shape[0])
    )
    below = reduce(lambda product, V: V @ product, moved[:target], RationalMatrix.identity(G.shape[1]))
    return above, below, above.T @ G @ below.T


def _along(
    loss: ProductLoss, R: RationalMatrix, D: RationalMatrix, found: ExactFindings
) -> Callable[[Fraction], Fraction]:
    """eta -> ell0(R + eta D) - ell0(R)."""
    form = loss.exact_curvature()
    if form is None:
        return lambda eta: loss.change_at(R, D.times(eta))
    slope, bend = found.G.inner(D), (D @ RationalMatrix.of(form)).inner(D) / 2
    return lambda eta: eta * slope + eta * eta * bend


def _best_step(change: Callable[[Fraction], Fraction], sign: int, top: Fraction) -> Fraction:
    """A step top / 2**k that gains in the direction of `sign`, near the best; 0 if there is none.

    The first that gains may sit where slope and curvature all but cancel; the next ones are then better.
    """

    def gain(halvings: int) -> Fraction:
        return sign * change(sign * top / 2**halvings)

    failing, k = -1, 0
    while gain(k) <= 0:
        if k >= _HALVINGS:
            return Fraction(0)
        failing, k = k, 2 * k + 1
    while k - failing > 1:
        middle = (k + failing) // 2
        failing, k = (failing, middle) if gain(middle) > 0 else (middle, k)
    best = gain(k)
    while (following := gain(k + 1)) > best:
        best, k = following, k + 1
    return top / 2**k


def _dyadic(M: RationalMatrix) -> RationalMatrix:
    """M rounded to eight bits of its largest entry, which stays, and scaled to a Frobenius norm of at most 1."""
    peak = max(abs(v) for v in M.numerators.ravel().tolist())
    rounded = np.array(
        [[(256 * v + peak) // (2 * peak) for v in row] for row in M.numerators.tolist()], dtype=object
    )
    return _shortened(rounded)


def _shortened(M: NDArray[np.object_]) -> RationalMatrix:
    """An integer matrix scaled by a power of two to a Frobenius norm of at most 1, above 1/2."""
    square = int((M * M).sum())
    return RationalMatrix(M, power_of_two(-(((square - 1).bit_length() + 1) // 2)))


def _outer(x: list[int], y: list[int]) -> RationalMatrix:
    return _shortened(np.outer(np.array(x, dtype=object), np.array(y, dtype=object)))


def _shown(
    start: Chain, rounded: list[Floats], ball: Fraction, loss: ProductLoss, R: RationalMatrix
) -> Fraction:
    """ell at a float64 tuple minus ell at the weights, exactly; 0 where the tuple has left the ball."""
    if not all(np.isfinite(P).all() for P in rounded):
        return Fraction(0)
    moved = [RationalMatrix.of_floats(P) for P in rounded]
    steps = [P - W for W, P in zip(start, moved, strict=True)]
    if any(E.inner(E) > ball * ball for E in steps):
        return Fraction(0)
    return loss.change_at(R, telescoped(start, moved))


def _as_change(value: Fraction) -> Change:
    """A rational as a Change with the rounding of its float64 as error."""
    if not value:
        return Change(0.0, 0.0)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    rounded = round_fraction(value * power_of_two(-exponent))
    return Change(rounded, abs(rounded) * U, exponent)


def escape_order(weights: Sequence[Floats], found: ExactFindings) -> int:
    """The power of the radius with which ell(W) - ell(Q) shrinks; ell(P) - ell(W) shrinks no faster.

    Parameters
    ----------
    weights : sequence of float64 arrays
    found : ExactFindings with `case` 1 or 2

    Notes
    -----
    With gamma = epsilon = t the slope <G, D> of a step s in the direction Delta is s t^d and the second-order term
    s^2 t^2e, d and e the lowest powers of t in Delta and in the product's change by Delta. The best step is s = t^p with p
    the least of 1, 2, ... for which the slope wins, p + d <= 2p + 2e, so the difference is of order p + d. All powers come
    from exact polynomial coefficients. At all-zero weights the order is H + 1, the number of factors.
    """
    start = [RationalMatrix.of_floats(W) for W in weights]
    chain, G = (_turned(start), found.G.T) if found.transposed else (start, found.G)
    added, target = _flat_steps(chain, found)
    # polynomials in t: lists of coefficient matrices, lowest power first
    factors = [[W] if E is None else [W, E] for W, E in zip(chain, added, strict=True)]
    above = reduce(_poly, reversed(factors[target + 1 :]), [RationalMatrix.identity(G.shape[0])])
    below = reduce(lambda product, factor: _poly(factor, product), factors[1:target], factors[0])
    delta = _poly([M.T for M in above], _poly([G], [M.T for M in below]))
    d = _lowest(delta)
    e = _lowest(_poly(_poly(above, [delta[d]]), below))
    return max(1, d - 2 * e) + d


def _poly(A: Chain, B: Chain) -> Chain:
    """The product of two polynomials with matrix coefficients."""
    result: list[RationalMatrix | None] = [None] * (len(A) + len(B) - 1)
    for i, a in enumerate(A):
        for j, b in enumerate(B):
            known = result[i + j]
            result[i + j] = a @ b if known is None else known + a @ b
    return [M for M in result if M is not None]


def _lowest(coefficients: Chain) -> int:
    return next(k for k, M in enumerate(coefficients) if M.any())
