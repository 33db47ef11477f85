"""Theorem 4 decided exactly: weights and data as the rationals they are, criticality, G = 0 and null spaces by integers.

No tolerance enters. The list of exact facts is the certificate of a saddle, for every radius; a pair at one radius is
its demonstration, confirmed in rational arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima._product_loss import Change, Extremum, ProductLoss
from fastminima.exact.affine import common_numerators
from fastminima.exact.dyadic import power_of_two, round_fraction, to_integers
from fastminima.exact.matrix import Rationals
from fastminima.exact.nullspace import null_space
from fastminima.losses import SquaredLoss
from fastminima.theorems.linear_change import exact_change_of_product
from fastminima.theorems.linear_hessian import hessian_inertia
from fastminima.theorems.linear_squared import analyse_squared
from fastminima.theorems.linear_stationary import decide_stationary

__all__ = ["ExactFindings", "ExactPair", "decide_exactly", "escape_order", "exact_pair"]

Floats = NDArray[np.float64]
Ints = NDArray[Any]
# halvings of the last step; rational arithmetic needs as many as log2 of curvature over slope
_HALVINGS = 200
# the exact Hessian takes about a second at this size
_HESSIAN_PARAMETERS = 48


@dataclass(frozen=True, eq=False)
class ExactFindings:
    """What is exactly true of the weights.

    Attributes
    ----------
    verdict, part, reason : str
    gradients : list of rational matrices
        d ell / d W_j.
    G : rational matrix
        The gradient of ell0 at the product.
    ranks : dict of str to int
    case, j_star, transposed
        As in `ToleranceFindings`.
    facts : dict
        For saddles: integer vectors v_1, v_{j*} .. v_H and the entry (a, b) with G[a, b] != 0; entries are
        numbers and lists, ready for JSON.
    certified : bool
        False for undetermined ones, and where floating-point numbers decided what ell0 has at the product.
    extremum : Extremum or None
        Where G = 0: what ell0 has at the product.
    """

    verdict: str
    part: str
    reason: str
    gradients: list[Rationals]
    G: Rationals
    ranks: dict[str, int] = field(default_factory=dict)
    case: int | None = None
    j_star: int | None = None
    transposed: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    certified: bool = True
    extremum: Extremum | None = None


def _layers(weights: Sequence[Floats]) -> tuple[list[Ints], list[Fraction]]:
    """Integers and one power of two per layer."""
    layers, scales = [], []
    for W in weights:
        integers, power = to_integers(W.ravel())
        layers.append(integers.reshape(W.shape))
        scales.append(power_of_two(power))
    return layers, scales


def _eye(n: int) -> Ints:
    result = np.zeros((n, n), dtype=object)
    result[np.arange(n), np.arange(n)] = 1
    return result


def _scaled(M: Ints, scale: Fraction) -> Rationals:
    return [[int(v) * scale for v in row] for row in M.tolist()]


def decide_exactly(weights: Sequence[Floats], loss: ProductLoss) -> ExactFindings:
    """Theorem 4 and corollary 5 at float64 weights, for a loss with a rational gradient.

    Parameters
    ----------
    weights : sequence of float64 arrays, [W_1, ..., W_{H+1}]
    loss : ProductLoss, rational

    Returns
    -------
    ExactFindings

    Raises
    ------
    LossError
        The loss has no rational gradient.
    """
    layers, scales = _layers(weights)
    count = len(layers)
    before = [_eye(layers[0].shape[1])]
    for M in layers:
        before.append(M.dot(before[-1]))
    after = [_eye(len(layers[-1]))]
    for M in reversed(layers):
        after.append(after[-1].dot(M))
    after.reverse()
    whole = Fraction(1)
    for scale in scales:
        whole *= scale
    G = loss.exact_gradient(_scaled(before[-1], whole))
    flat, unit = common_numerators([v for row in G for v in row])
    integers = np.array(flat, dtype=object).reshape(len(G), len(G[0]))
    gradients = [
        _scaled(after[j + 1].T.dot(integers).dot(before[j].T), unit * whole / scales[j]) for j in range(count)
    ]
    worst = next((j for j in range(count) if any(v for row in gradients[j] for v in row)), None)
    if worst is not None:
        return ExactFindings(
            "not_critical",
            "definition of a critical point",
            f"the gradient of W_{worst + 1} is not 0, exactly (weights from training rarely are critical: pass tol)",
            gradients,
            G,
        )
    found = ExactFindings(
        "undetermined", "theorem 4, part 2", "", gradients, G, transposed=len(G) > len(G[0])
    )
    if not any(flat):
        product = np.array([[round_fraction(int(v) * whole) for v in row] for row in before[-1].tolist()])
        return _stationary(found, loss, before, after, product)
    smallest = min(W.shape[0] for W in weights[:-1])
    if smallest < min(integers.shape):
        return _bottleneck(found, weights, loss)
    chain = [M.T for M in reversed(layers)] if found.transposed else layers
    return _saddle(found, chain, integers.T if found.transposed else integers)


def _rank(M: Ints) -> int:
    return M.shape[1] - len(null_space(M.tolist(), M.shape[1]))


def _stationary(
    found: ExactFindings, loss: ProductLoss, before: list[Ints], after: list[Ints], product: Floats
) -> ExactFindings:
    """G = 0: parts 2 and 3."""
    count = len(before) - 1

    def part_3() -> int | None:
        return next(
            (
                j + 1
                for j in range(count)
                if _rank(after[j + 1]) == len(after[j + 1]) and _rank(before[j]) == before[j].shape[1]
            ),
            None,
        )

    extremum = loss.extremum(product)
    decided = decide_stationary(extremum, loss.critical_is_global, "G = 0, exactly", part_3)
    return replace(
        found,
        verdict=decided.verdict,
        part=decided.part,
        reason=decided.reason,
        certified=decided.certified,
        ranks={f"W_{{{count}:1}}": _rank(before[-1])},
        j_star=decided.j_star,
        extremum=extremum,
    )


def _bottleneck(found: ExactFindings, weights: Sequence[Floats], loss: ProductLoss) -> ExactFindings:
    """A hidden layer narrower than both ends: theorem 4 is silent, squared loss is not."""
    width = min(W.shape[0] for W in weights[:-1])
    narrow = (
        f"a hidden layer of width {width} is narrower than min(dx, dy) = {min(len(found.G), len(found.G[0]))}"
    )
    learnt = analyse_squared(weights, loss) if isinstance(loss, SquaredLoss) else None
    if learnt is not None:
        return replace(
            found,
            verdict="global_minimum" if learnt.optimal else "saddle",
            part="squared loss, matrices of bounded rank",
            reason=f"{narrow}; {learnt.reason}",
        )
    if isinstance(loss, SquaredLoss) and sum(W.size for W in weights) <= _HESSIAN_PARAMETERS:
        signs = hessian_inertia([[[Fraction(v) for v in row] for row in W.tolist()] for W in weights], loss)
        if signs.negative and signs.positive:
            return replace(
                found,
                verdict="saddle",
                part="second derivative of squared loss",
                reason=f"{narrow}, but the Hessian has {signs.negative} negative and {signs.positive} positive "
                "directions",
            )
    return replace(
        found,
        verdict="width_condition_fails",
        part="theorem 4",
        certified=False,
        reason=f"{narrow}: theorem 4 says nothing about a critical point with G != 0 there",
    )


def _outside(basis: list[list[int]], M: Ints) -> list[int] | None:
    """A vector of the basis that M does not send to 0."""
    return next((v for v in basis if M.dot(np.array(v, dtype=object)).any()), None)


def _saddle(found: ExactFindings, chain: list[Ints], G: Ints) -> ExactFindings:
    """Part 1, with the vectors of the escape; `chain` and G are transposed where dy > dx."""
    H = len(chain) - 1
    from_two = {1: _eye(len(chain[0]))}
    for k in range(2, H + 2):
        from_two[k] = chain[k - 1].dot(from_two[k - 1])
    width = len(chain[0])
    null = {k: null_space(M.tolist(), width) for k, M in from_two.items()}
    ranks = {f"W_{{{k}:2}}": width - len(null[k]) for k in range(2, H + 2)}
    a, b = (int(v) for v in np.argwhere(G != 0)[0])
    facts: dict[str, Any] = {"a": a, "b": b, "transposed": found.transposed}
    v1 = _outside(null[H + 1], from_two[H])
    case, j_star, left = 1, None, []
    if v1 is None:
        case = 2
        # at a critical point with G != 0 some W_{k:2} is not injective, so this ends (theorem 4, part 3)
        j_star = next(j for j in range(H, 1, -1) if len(null[j]) != len(null[j - 1]))
        v1 = _outside(null[j_star], from_two[j_star - 1])
        left = [null_space(from_two[k].T.tolist(), len(from_two[k]))[0] for k in range(j_star, H + 1)]
        facts |= {"j_star": j_star, "left_null_vectors": left}
    facts |= {"case": case, "v1": v1}
    side = " of the transposed, reversed network" if found.transposed else ""
    return replace(
        found,
        verdict="saddle",
        part=f"theorem 4, part 1 (case {case}{'' if j_star is None else f', j* = {j_star}'}{side})",
        reason="critical, exactly, and G is not 0",
        ranks=ranks,
        case=case,
        j_star=j_star,
        facts=facts,
    )


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
    flip = found.transposed
    start = [[[Fraction(v) for v in row] for row in W.tolist()] for W in weights]
    chain = [np.array(W, dtype=object).T if flip else np.array(W, dtype=object) for W in start]
    G = np.array(found.G, dtype=object)
    if flip:
        chain.reverse()
        G = G.T
    ball = Fraction(radius)
    top = _power_below(ball)
    zero = [[[Fraction(0)] * len(W[0]) for _ in W] for W in start]
    R = exact_change_of_product(zero, start)

    def tuple_at(added: list[Ints]) -> list[Rationals]:
        moved = [W + E for W, E in zip(chain, added, strict=True)]
        return [M.T.tolist() for M in reversed(moved)] if flip else [M.tolist() for M in moved]

    def change(moved: list[Rationals]) -> Fraction:
        return loss.exact_change(R, exact_change_of_product(start, moved))

    H = len(chain) - 1
    # Delta is a polynomial in gamma of degree at most H that is not 0, so one of H + 1 values makes it nonzero
    for halvings in range(H + 1):
        base, target, delta = _steps(chain, G, found.facts, top / 2**halvings)
        if delta.any():
            break
    direction = _dyadic(delta)
    ends = []
    for sign in (1, -1):
        eta, moved, difference = top, start, Fraction(0)
        # the first step that helps may sit where slope and curvature all but cancel; half of it is then near the best
        for _ in range(_HALVINGS):
            added = list(base)
            added[target] = sign * eta * direction
            trial = tuple_at(added)
            gained = change(trial)
            if sign * gained <= sign * difference and difference:
                break
            if sign * gained > 0:
                moved, difference = trial, gained
            eta /= 2
        ends.append((moved, difference))
    (exact_P, up), (exact_Q, down) = ends
    rounded = [
        [np.array([[round_fraction(v) for v in row] for row in M]) for M in moved]
        for moved in (exact_P, exact_Q)
    ]
    floats = [[[[Fraction(v) for v in row] for row in M.tolist()] for M in tuple_] for tuple_ in rounded]
    differences = [up, down]
    # steps are dyadic: where the weights have few bits nothing was rounded, and nothing need be shown twice
    fine = floats == [exact_P, exact_Q]
    if not fine and all(_inside(start, tuple_, ball) for tuple_ in floats):
        shown = [change(tuple_) for tuple_ in floats]
        if shown[0] > 0 > shown[1]:
            fine, differences = True, shown
    return ExactPair(
        rounded[0],
        rounded[1],
        exact_P,
        exact_Q,
        _as_change(differences[0]),
        _as_change(-differences[1]),
        radius,
        fine,
    )


def _power_below(value: Fraction) -> Fraction:
    """The largest power of two that is at most `value` > 0."""
    power = power_of_two(value.numerator.bit_length() - value.denominator.bit_length())
    return power if power <= value else power / 2


def _dyadic(M: Ints) -> Ints:
    """M rounded to eight bits of its largest entry, which stays, and scaled to a Frobenius norm of at most 1."""
    peak = max(abs(v) for v in M.ravel().tolist())
    rounded = np.array(
        [[Fraction(round(v / peak * 128), 128) for v in row] for row in M.tolist()], dtype=object
    )
    square = sum(v * v for v in rounded.ravel().tolist())
    scale = Fraction(1)
    while square * scale * scale > 1:
        scale /= 2
    return rounded * scale


def _steps(
    chain: list[Ints], G: Ints, facts: dict[str, Any], gamma: Fraction
) -> tuple[list[Ints], int, Ints]:
    """(additions V_k - W_k, index of the factor moved last, Delta)."""
    H = len(chain) - 1
    added = [np.zeros(W.shape, dtype=object) for W in chain]
    unit0 = [int(k == facts["b"]) for k in range(chain[0].shape[1])]
    ends = [int(k == facts["a"]) for k in range(len(chain[-1]))]
    added[0] = gamma * _outer(facts["v1"], unit0)
    target = H
    if facts["case"] == 2:
        target = facts["j_star"] - 1
        vectors = [*facts["left_null_vectors"], ends]
        for k in range(target + 1, H + 1):
            # Appendix A7, case 2:  V_k = W_k + gamma v_k v_{k-1}^T
            added[k] = gamma * _outer(vectors[k - target], vectors[k - target - 1])
    delta = G
    for k in range(H, target, -1):
        delta = (chain[k] + added[k]).T.dot(delta)
    right = chain[0] + added[0]
    for k in range(1, target):
        right = chain[k].dot(right)
    return added, target, delta.dot(right.T)


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
    layers, _ = _layers(weights)
    chain = [M.T for M in reversed(layers)] if found.transposed else layers
    flat, _ = common_numerators([v for row in found.G for v in row])
    G = np.array(flat, dtype=object).reshape(len(found.G), len(found.G[0]))
    G = G.T if found.transposed else G
    H, facts = len(chain) - 1, found.facts
    vectors = {0: [int(k == facts["b"]) for k in range(chain[0].shape[1])], 1: facts["v1"]}
    moved = {0: np.outer(np.array(vectors[1], dtype=object), np.array(vectors[0], dtype=object))}
    target = H
    if facts["case"] == 2:
        target = facts["j_star"] - 1
        ends = [int(k == facts["a"]) for k in range(len(chain[-1]))]
        left = [*facts["left_null_vectors"], ends]
        for k in range(target + 1, H + 1):
            moved[k] = np.outer(
                np.array(left[k - target], dtype=object), np.array(left[k - target - 1], dtype=object)
            )
    # polynomials in t: lists of coefficient matrices, lowest power first
    above = [_eye(len(chain[-1]))]
    for k in range(H, target, -1):
        above = _poly(above, [chain[k], moved[k]])
    below = [chain[0], moved[0]]
    for k in range(1, target):
        below = _poly([chain[k]], below)
    delta = _poly([M.T for M in above], _poly([G], [M.T for M in below]))
    d = _lowest(delta)
    e = _lowest(_poly(_poly(above, [delta[d]]), below))
    return max(1, d - 2 * e) + d


def _poly(A: list[Ints], B: list[Ints]) -> list[Ints]:
    """The product of two polynomials with matrix coefficients."""
    result = [A[0].dot(B[0]) * 0 for _ in range(len(A) + len(B) - 1)]
    for i, a in enumerate(A):
        for j, b in enumerate(B):
            result[i + j] = result[i + j] + a.dot(b)
    return result


def _lowest(coefficients: list[Ints]) -> int:
    return next(k for k, M in enumerate(coefficients) if M.any())


def _outer(x: list[int], y: list[int]) -> Ints:
    """x y^T scaled by a power of two to a Frobenius norm of at most 1."""
    square = sum(v * v for v in x) * sum(v * v for v in y)
    scale = power_of_two(-((square.bit_length() + 1) // 2))
    return np.outer(np.array(x, dtype=object), np.array(y, dtype=object)) * scale


def _inside(start: list[Rationals], moved: list[Rationals], ball: Fraction) -> bool:
    return all(
        sum((p - w) ** 2 for row, other in zip(W, P, strict=True) for w, p in zip(row, other, strict=True))
        <= ball * ball
        for W, P in zip(start, moved, strict=True)
    )


def _as_change(value: Fraction) -> Change:
    """A rational as a Change with the rounding of its float64 as error."""
    if not value:
        return Change(0.0, 0.0)
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    rounded = round_fraction(value * power_of_two(-exponent))
    return Change(rounded, abs(rounded) * 2.0**-53, exponent)
