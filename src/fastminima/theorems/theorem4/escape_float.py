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
from fastminima.system.options import as_real

from .bottleneck import learnt_spectrum
from .decide_within_tolerance import ToleranceFindings
from .local_inverse import local_inverse
from .product_change import loss_change

__all__ = ["EscapePair", "escape_by_product", "escape_by_rotation", "escape_by_singular_vectors"]

Floats = NDArray[np.float64]
# halvings of the common step, and of the last one: a power 2**-24 of the radius is as far as rounding lets it help
_SCALES = 12
_STEPS = 24


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
        raise OptionError(f"radius must be a finite number above 0, got {given!r}")
    if findings.case is None or findings.gradient is None:
        raise OptionError(f"there is nothing to escape from: the verdict is {findings.verdict}")
    flip = findings.transposed
    chain = [W.T for W in reversed(weights)] if flip else list(weights)
    G = findings.gradient.T if flip else findings.gradient
    u, _, vt = np.linalg.svd(_unit(G), full_matrices=False)
    result: EscapePair | None = None
    for halvings in range(_SCALES):
        step = radius * 0.5**halvings
        base, target, direction = _base(chain, G, findings, u[:, 0], vt[0], step)
        pair = _along(weights, loss, chain, base, target, direction, step, radius, flip)
        if result is None or pair.shown:
            result = pair
        if pair.shown:
            break
    assert result is not None  # _SCALES is at least 1
    return result


def _base(
    chain: list[Floats], G: Floats, findings: ToleranceFindings, u: Floats, v0: Floats, step: float
) -> tuple[list[Floats], int, Floats]:
    """(additions to the factors, index of the factor moved last, unit direction of that move)."""
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
    return added, target, delta / norm if norm else delta


def _along(
    weights: Sequence[Floats],
    loss: ProductLoss,
    chain: list[Floats],
    added: list[Floats],
    target: int,
    direction: Floats,
    step: float,
    radius: float,
    flip: bool,
) -> EscapePair:
    """Both signs along the direction, with steps short enough for both differences."""

    def tuple_at(eta: float) -> list[Floats]:
        moved = [_moved(W, E, radius) for W, E in zip(chain, added, strict=True)]
        moved[target] = _moved(chain[target], eta * direction, radius)
        return [np.ascontiguousarray(P.T) for P in reversed(moved)] if flip else moved

    def change(P: list[Floats]) -> Change:
        return loss_change(weights, loss, P)

    P = tuple_at(step)
    up = change(P)
    eta = step
    Q = tuple_at(-eta)
    down = -change(Q)
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
            P = tuple_at(eta)
            up = change(P)
        if not down.rises:
            Q = tuple_at(-eta)
            down = -change(Q)
    return EscapePair(P, Q, up, down, radius, step)


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

    def walked(direction: Floats, sign: float) -> tuple[list[Floats], Change]:
        step = inverse.step(direction)
        step = step / float(np.linalg.norm(step))
        first: tuple[list[Floats], Change] | None = None
        for halvings in range(_STEPS):
            moved = list(weights)
            moved[j_star - 1] = _moved(weights[j_star - 1], radius * 0.5**halvings * step, radius)
            change = loss_change(weights, loss, moved)
            found = moved, change if sign > 0.0 else -change
            first = first or found
            if found[1].rises:
                return found
        assert first is not None  # _STEPS is at least 1
        return first

    (P, gain), (Q, drop) = walked(up, 1.0), walked(down, -1.0)
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

    P, up = _walked(weights, loss, stretched, 1.0, radius)
    Q, down = _walked(weights, loss, rotated, -1.0, radius)
    return EscapePair(P, Q, up, down, radius, radius)


def _walked(
    weights: Sequence[Floats],
    loss: SquaredLoss,
    steps: Callable[[float], tuple[Floats, Floats]],
    sign: float,
    radius: float,
) -> tuple[list[Floats], Change]:
    """The longest of a few steps of the outer layers that shows the sign, inside the ball, with its change."""
    tried: tuple[list[Floats], Change] | None = None
    tiny = 2.0**-20
    size = max(float(np.linalg.norm(E)) for E in steps(tiny)) / tiny
    longest = min(1.0, radius / size)
    for halvings in range(_STEPS):
        E, F = steps(longest * 0.5**halvings)
        moved = list(weights)
        moved[0], moved[-1] = _moved(weights[0], E, radius), _moved(weights[-1], F, radius)
        change = loss_change(weights, loss, moved)
        found = moved, change if sign > 0.0 else -change
        tried = tried or found
        if found[1].rises:
            return found
    assert tried is not None  # _STEPS is at least 1
    return tried
