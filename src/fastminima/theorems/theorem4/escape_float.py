"""The escape pair of theorem 4 from singular vectors: one tuple up, one tuple down, both differences bounded.

The vectors are rounded, so the product changes a little where theory says that it does not; the differences are those
of the float64 tuples handed out, all of that included, and they are confirmed or the pair says that they are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import NetworkError, OptionError
from fastminima.exact.dd import two_sum
from fastminima.exact.roundoff import gamma_n
from fastminima.losses.base import Change, ProductLoss
from fastminima.losses.squared import SquaredLoss
from fastminima.system.first_use import cached_property
from fastminima.system.options import as_real, spelled

from .bottleneck import learnt_spectrum
from .decide_within_tolerance import ToleranceFindings
from .local_inverse import local_inverse
from .product_change import loss_change

__all__ = ["EscapePair", "escape_by_product", "escape_by_rotation", "escape_by_singular_vectors"]

Floats = NDArray[np.float64]
# halvings of the common step, and of the last one: a power 2**-24 of the radius is as far as rounding lets it help
_SCALES = 12
_STEPS = 24
_Steps = Callable[[float], tuple[Floats, Floats]]


@dataclass(frozen=True, eq=False)
class EscapePair:
    """Two tuples near saddle weights.

    Attributes
    ----------
    P, Q : list of float64 arrays
        ell(P) > ell(W) > ell(Q) where `confirmed`; every layer within `radius` of W's in the Frobenius norm.
    up, down : Change
        ell(P) - ell(W) and ell(W) - ell(Q), with bounds.
    radius, gamma : float
        The ball asked for, and the size of the steps off the saddle's flat directions.
    confirmed : bool
        Are both differences above their bounds?
    """

    P: list[Floats]
    Q: list[Floats]
    up: Change
    down: Change
    radius: float
    gamma: float

    @property
    def confirmed(self) -> bool:
        """Are both differences proved positive?"""
        return self.up.positive and self.down.positive

    @property
    def shown(self) -> bool:
        """Are both differences above their bounds, proved or not?"""
        return self.up.rises and self.down.rises


def _unit(A: Floats) -> Floats:
    """A scaled by a power of two to entries below 1."""
    return np.ldexp(A, -int(np.frexp(np.abs(A).max(initial=0.0))[1]))


def frobenius_distance(W: Floats, P: Floats) -> float:
    """|P - W|_F, rounded up."""
    high, low = two_sum(P, -W)
    size = np.abs(high) + np.abs(low)
    top = float(size.max(initial=0.0))
    if top == 0.0:
        return 0.0
    return float(np.linalg.norm(size / top)) * top * (1.0 + gamma_n(size.size + 8))


def _moved(W: Floats, E: Floats, radius: float) -> Floats:
    """W + E in float64, inside the ball: a step that rounding carries out of it is shortened."""
    for back in (0.0, 2.0**-50, 2.0**-40, 2.0**-20, 0.5):
        P = W + (1.0 - back) * E
        if frobenius_distance(W, P) <= radius:
            return P
    return W.copy()


def escape_by_singular_vectors(
    weights: Sequence[Floats], loss: ProductLoss, findings: ToleranceFindings, radius: float
) -> EscapePair:
    """The pair of theorem 4 at a saddle that `within_tolerance` found.

    Parameters
    ----------
    weights : sequence of float64 arrays, [W_1, ..., W_{H+1}]
    loss : ProductLoss
    findings : ToleranceFindings
        With verdict "saddle".
    radius : float
        Of the ball around each W_j, Frobenius norm; > 0.

    Returns
    -------
    EscapePair

    Raises
    ------
    OptionError
        radius is not a finite number above 0, or the findings are not those of a saddle.
    """
    given, radius = radius, as_real(radius)
    if not 0.0 < radius < math.inf:
        raise OptionError(f"radius must be a finite number above 0, got {spelled(given)}")
    if findings.case is None or findings.gradient is None:
        raise OptionError(f"there is nothing to escape from: the verdict is {findings.verdict}")
    saddle = _Saddle(weights, loss, radius, findings.transposed)
    G = findings.gradient.T if findings.transposed else findings.gradient
    u, _, vt = np.linalg.svd(_unit(G), full_matrices=False)
    result: EscapePair | None = None
    for halvings in range(_SCALES):
        step = radius * 0.5**halvings
        pair = _along(saddle, _move(saddle.chain, G, findings, (u[:, 0], vt[0]), step), step)
        if result is None or pair.shown:
            result = pair
        if pair.shown:
            break
    assert result is not None  # _SCALES is at least 1
    return result


@dataclass(frozen=True, eq=False)
class _Move:
    """Where the tuples of a pair lie.

    Attributes
    ----------
    added : list of arrays
        What the factors move by along the flat directions.
    target : int
        The factor moved last, from 0.
    direction : array
        Of that move, of norm 1.
    """

    added: list[Floats]
    target: int
    direction: Floats


@dataclass(frozen=True, eq=False)
class _Saddle:
    """Saddle weights, and the ball around them; `transposed`: on which side the vectors of the escape stand."""

    weights: Sequence[Floats]
    loss: ProductLoss
    radius: float
    transposed: bool

    @cached_property
    def chain(self) -> list[Floats]:
        """The weights on that side."""
        return [W.T for W in reversed(self.weights)] if self.transposed else list(self.weights)

    def tuple_at(self, move: _Move, eta: float) -> list[Floats]:
        """The weights moved, inside the ball, as the network came."""
        moved = [_moved(W, E, self.radius) for W, E in zip(self.chain, move.added, strict=True)]
        moved[move.target] = _moved(self.chain[move.target], eta * move.direction, self.radius)
        return [np.ascontiguousarray(P.T) for P in reversed(moved)] if self.transposed else moved

    def change(self, P: list[Floats]) -> Change:
        """ell at P minus ell at the weights."""
        return loss_change(self.weights, self.loss, P)


def _move(
    chain: list[Floats], G: Floats, findings: ToleranceFindings, ends_of_G: tuple[Floats, Floats], step: float
) -> _Move:
    """Flat steps of this size, and the direction in which G then sees the last factor; ends_of_G: its top singular pair."""
    u, v0 = ends_of_G
    last = len(chain) - 1
    added = [np.zeros(W.shape) for W in chain]
    v = findings.directions
    added[0] = step * np.outer(v[0], v0)
    target = last
    if findings.j_star is not None:
        # Appendix A7, case 2:  V_k = W_k + gamma v_k v_{k-1}^T for k = j*+1 .. H+1, v_{H+1} = u
        target = findings.j_star - 1
        ends = [*v[1:], u]
        for k, (right, left) in enumerate(pairwise(ends), target + 1):
            added[k] = step * np.outer(left, right)
    # Delta = (V_{H+1:j+1})^T G V_1^T (W_{j-1:2})^T; only its direction is used, so every factor may be scaled
    delta = _unit(G)
    for k in range(last, target, -1):
        delta = _unit((chain[k] + added[k]).T @ delta)
    right = _unit(chain[0] + added[0])
    for k in range(1, target):
        right = _unit(chain[k] @ right)
    delta = _unit(delta @ right.T)
    norm = float(np.linalg.norm(delta))
    return _Move(added, target, delta / norm if norm else delta)


def _along(saddle: _Saddle, move: _Move, step: float) -> EscapePair:
    """Both signs along the direction, with steps short enough for both differences."""
    P = saddle.tuple_at(move, step)
    up = saddle.change(P)
    eta = step
    Q = saddle.tuple_at(move, -eta)
    down = -saddle.change(Q)
    for _ in range(_STEPS):
        if up.rises and down.rises:
            break
        # with up = a eta + b eta^2 and down = a eta - b eta^2 the best step down is a / 2b
        total = up.value - math.ldexp(down.value, down.exponent - up.exponent)
        gain = up.value + math.ldexp(down.value, down.exponent - up.exponent)
        # what cancels between them says nothing once it is below their errors
        noise = up.error + math.ldexp(down.error, down.exponent - up.exponent)
        share = 0.5 if total <= 0.0 else gain / (2.0 * total) if gain > noise else 0.0
        eta *= min(max(share, 2.0**-20), 0.5)
        if not up.rises:
            P = saddle.tuple_at(move, eta)
            up = saddle.change(P)
        if not down.rises:
            Q = saddle.tuple_at(move, -eta)
            down = -saddle.change(Q)
    return EscapePair(P, Q, up, down, saddle.radius, step)


def escape_by_product(
    weights: Sequence[Floats], loss: ProductLoss, j_star: int, up: Floats, down: Floats, radius: float
) -> EscapePair | None:
    """The pair of part 3: ell0 rises and falls around the product, and factor j* alone follows it (lemma A.6).

    Parameters
    ----------
    weights : sequence of float64 arrays, [W_1, ..., W_{H+1}]
    loss : ProductLoss
    j_star : int
        Counting from 1.
    up, down : (dy, dx)
        Changes of the product along which ell0 rises and falls.
    radius : float

    Returns
    -------
    EscapePair or None
        None where the product map has no local inverse in float64.
    """
    try:
        inverse = local_inverse(weights, j_star)
    except NetworkError:
        return None

    def moved_along(change: Floats) -> Callable[[float], list[Floats]]:
        step = inverse.step(change)
        step = step / float(np.linalg.norm(step))

        def moved(length: float) -> list[Floats]:
            P = list(weights)
            P[j_star - 1] = _moved(weights[j_star - 1], length * step, radius)
            return P

        return moved

    P, gain = longest_shown_step(weights, loss, moved_along(up), radius, 1.0)
    Q, drop = longest_shown_step(weights, loss, moved_along(down), radius, -1.0)
    return EscapePair(P, Q, gain, drop, radius, radius)


def escape_by_rotation(weights: Sequence[Floats], loss: SquaredLoss, radius: float) -> EscapePair | None:
    """The pair at a saddle whose rank is used up; None where float64 sees no larger eigenvalue missing.

    Parameters
    ----------
    weights : sequence of float64 arrays, [W_1, ..., W_{H+1}]
    loss : SquaredLoss
    radius : float > 0
    """
    A = reduce(lambda P, W: W @ P, weights[2:], weights[1])
    R = A @ weights[0]
    rank = min(min(W.shape) for W in weights)
    found = learnt_spectrum(R, loss, rank)
    if found is None or not len(found.v) or not found.missing[0] > found.learnt[-1]:
        return None
    u, v = found.u, found.v
    # A has the rank of the bottleneck; what is beyond it is rounding
    left, values, right = np.linalg.svd(A, full_matrices=False)
    if not values[rank - 1] > max(A.shape) * 2.0**-50 * values[0]:
        return None
    A_inverse = (right[:rank].T / values[:rank]) @ left[:, :rank].T

    def rotated(t: float) -> tuple[Floats, Floats]:
        # Rot - 1, without cancellation at small angles
        turn = np.sin(t) * (np.outer(v, u) - np.outer(u, v))
        turn -= 2.0 * np.sin(0.5 * t) ** 2 * (np.outer(u, u) + np.outer(v, v))
        return A_inverse @ (turn.T @ found.fit), turn @ weights[-1]

    def stretched(t: float) -> tuple[Floats, Floats]:
        return np.zeros(weights[0].shape), t * weights[-1]

    def longest(steps: _Steps, sign: float) -> tuple[list[Floats], Change]:
        tiny = 2.0**-20
        size = max(float(np.linalg.norm(E)) for E in steps(tiny)) / tiny

        def moved(length: float) -> list[Floats]:
            E, F = steps(length)
            P = list(weights)
            P[0], P[-1] = _moved(weights[0], E, radius), _moved(weights[-1], F, radius)
            return P

        return longest_shown_step(weights, loss, moved, min(1.0, radius / size), sign)

    (P, up), (Q, down) = longest(stretched, 1.0), longest(rotated, -1.0)
    return EscapePair(P, Q, up, down, radius, radius)


def longest_shown_step(
    weights: Sequence[Floats],
    loss: ProductLoss,
    moved: Callable[[float], list[Floats]],
    longest: float,
    sign: float,
) -> tuple[list[Floats], Change]:
    """The first of the tuples moved(longest), moved(longest / 2), ... whose change shows its sign, with that change.

    Parameters
    ----------
    weights : sequence of float64 arrays, [W_1, ..., W_{H+1}]
    loss : ProductLoss
    moved : callable, length -> tuple
    longest : float
    sign : 1.0 or -1.0
        Is the loss to rise or to fall? The change is told times the sign.

    Returns
    -------
    tuple, Change
        The longest ones where none of a few shows the sign.
    """
    tried: tuple[list[Floats], Change] | None = None
    for halvings in range(_STEPS):
        P = moved(longest * 0.5**halvings)
        change = loss_change(weights, loss, P)
        found = P, change if sign > 0.0 else -change
        tried = tried or found
        if found[1].rises:
            return found
    assert tried is not None  # _STEPS is at least 1
    return tried
