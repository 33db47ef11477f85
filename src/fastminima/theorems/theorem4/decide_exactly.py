"""Theorem 4 decided exactly: weights and data as the rationals they are, criticality, G = 0 and null spaces by integers.

No tolerance enters. The list of exact facts is the certificate of a saddle, for every radius.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.matrix import RationalMatrix
from fastminima.losses.base import Extremum, ProductLoss
from fastminima.losses.squared import SquaredLoss

from .bottleneck import decide_narrow
from .decision import Decision
from .hessian import curvature_signs
from .squared_loss import analyse_squared
from .zero_gradient import decide_stationary

__all__ = ["ExactFindings", "decide_exactly"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class ExactFindings:
    """What is exactly true of the weights.

    Attributes
    ----------
    verdict, part, reason : str
    gradients : list of RationalMatrix
        d ell / d W_j.
    G : RationalMatrix
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
    gradients: list[RationalMatrix]
    G: RationalMatrix
    ranks: dict[str, int] = field(default_factory=dict)
    case: int | None = None
    j_star: int | None = None
    transposed: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    certified: bool = True
    extremum: Extremum | None = None


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
    layers = [RationalMatrix.of_floats(W) for W in weights]
    before = [RationalMatrix.identity(weights[0].shape[1])]
    for W in layers:
        before.append(W @ before[-1])
    after = [RationalMatrix.identity(len(weights[-1]))]
    for W in reversed(layers):
        after.append(after[-1] @ W)
    after.reverse()
    G = loss.gradient_at(before[-1])
    gradients = [A.T @ G @ B.T for A, B in zip(after[1:], before[:-1], strict=True)]
    worst = next((j for j, gradient in enumerate(gradients, 1) if gradient.any()), None)
    if worst is not None:
        return ExactFindings(
            verdict="not_critical",
            part="definition of a critical point",
            reason=f"the gradient of W_{worst} is not 0, exactly (weights from training rarely are critical: pass tol)",
            gradients=gradients,
            G=G,
        )
    found = ExactFindings(
        verdict="undetermined",
        part="theorem 4, part 2",
        reason="",
        gradients=gradients,
        G=G,
        transposed=G.shape[0] > G.shape[1],
    )
    if not G.any():
        return _stationary(found, loss, before, after)
    width = min(len(W) for W in weights[:-1])
    narrow = ""
    if width < min(G.shape):
        narrow = f"a hidden layer of width {width} is narrower than min(dx, dy) = {min(G.shape)}"
    # without the width condition either side may have the vectors
    for transposed in (found.transposed, not found.transposed)[: 2 if narrow else 1]:
        chain = [W.T for W in reversed(layers)] if transposed else layers
        saddle = _saddle(replace(found, transposed=transposed), chain, G.T if transposed else G, narrow)
        if saddle is not None:
            return saddle
    return _told(found, _bottleneck(weights, loss, narrow))


def _stationary(
    found: ExactFindings, loss: ProductLoss, before: list[RationalMatrix], after: list[RationalMatrix]
) -> ExactFindings:
    """G = 0: parts 2 and 3."""
    count = len(before) - 1

    def part_3() -> int | None:
        return next(
            (
                j + 1
                for j in range(count)
                if after[j + 1].rank() == after[j + 1].shape[0] and before[j].rank() == before[j].shape[1]
            ),
            None,
        )

    extremum = loss.extremum(before[-1].rounded())
    decided = decide_stationary(extremum, loss.critical_is_global, "G = 0, exactly", part_3)
    ranks = {f"W_{{{count}:1}}": before[-1].rank()}
    return replace(_told(found, decided), ranks=ranks, extremum=extremum)


def _told(found: ExactFindings, decided: Decision) -> ExactFindings:
    """The findings with the decision in them."""
    return replace(found, **vars(decided))


def _bottleneck(weights: Sequence[Floats], loss: ProductLoss, narrow: str) -> Decision:
    """A hidden layer narrower than both ends, and full of what is learnt: by eigenvalues, or by the Hessian."""
    learnt = analyse_squared(weights, loss) if isinstance(loss, SquaredLoss) else None
    if learnt is not None:
        return decide_narrow(narrow, ("global_minimum" if learnt.optimal else "saddle", learnt.reason))
    signs = curvature_signs(weights, loss)
    if signs is not None and signs.negative and signs.positive:
        return Decision(
            "saddle",
            "second derivative of squared loss",
            f"{narrow}, but the Hessian has {signs.negative} negative and {signs.positive} positive directions",
        )
    return decide_narrow(narrow, None)


def _outside(basis: list[list[int]], M: RationalMatrix) -> list[int] | None:
    """A vector of the basis that M does not send to 0."""
    return next((v for v in basis if M.numerators.dot(np.array(v, dtype=object)).any()), None)


def _saddle(
    found: ExactFindings, chain: list[RationalMatrix], G: RationalMatrix, narrow: str
) -> ExactFindings | None:
    """Part 1, with the vectors of the escape; `chain` and G are transposed where dy > dx.

    The width condition is what makes these vectors exist at every critical point with G != 0. Below it (`narrow`) they may
    exist all the same, and prove as much; else None.
    """
    H, width = len(chain) - 1, chain[0].shape[0]
    from_two = {1: RationalMatrix.identity(width)}
    null: dict[int, list[list[int]]] = {1: []}
    for k in range(2, H + 2):
        from_two[k] = chain[k - 1] @ from_two[k - 1]
        null[k] = from_two[k].null_basis()
    ranks = {f"W_{{{k}:2}}": width - len(null[k]) for k in range(2, H + 2)}
    a, b = (int(v) for v in np.argwhere(G.numerators != 0)[0])
    facts: dict[str, Any] = {"a": a, "b": b, "transposed": found.transposed}
    v1 = _outside(null[H + 1], from_two[H])
    case, j_star = 1, None
    if v1 is None:
        case = 2
        j_star = next((j for j in range(H, 1, -1) if len(null[j]) != len(null[j - 1])), None)
        left = [from_two[k].T.null_basis() for k in range(j_star or H + 1, H + 1)]
        if j_star is None or not all(left):
            return None
        v1 = _outside(null[j_star], from_two[j_star - 1])
        facts |= {"j_star": j_star, "left_null_vectors": [basis[0] for basis in left]}
    facts |= {"case": case, "v1": v1}
    side = " of the transposed, reversed network" if found.transposed else ""
    return replace(
        found,
        verdict="saddle",
        part=f"theorem 4, part 1 (case {case}{'' if j_star is None else f', j* = {j_star}'}{side})",
        reason="critical, exactly, and G is not 0"
        + (f"; {narrow}, but the vectors that lead out exist all the same" if narrow else ""),
        ranks=ranks,
        case=case,
        j_star=j_star,
        facts=facts,
    )
