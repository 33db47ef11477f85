"""Theorem 4 within a tolerance, for weights that come from training: singular values with margins, nothing certified.

(a) Everything is measured in one unit, g = max(scale, |G(R)|) in the Frobenius norm, G the gradient of ell0, R the
    product and scale the loss's own, at least |G(0)|: for a sum over rows |slopes at 0| |X|, which does not vanish where
    the targets are orthogonal to the inputs. Critical means |d ell / d W_j| <= tol g for every j; "G = 0" means
    |G| <= tol g.
(b) A singular value of W_{i:j} is dropped when it is at most tol times the product of the factors' spectral norms: a
    product may vanish though no factor does, so its own largest singular value says nothing.
(c) Every comparison carries the rounding error of its left side. Where the threshold lies within it the answer is
    `undetermined`.
(d) Layers are scaled by powers of two to entries below 1 first, which changes no null space and avoids underflow.
(e) Cost: one pass over the samples for G; products and SVDs of single layers after that, and only for saddles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import OptionError
from fastminima.exact.roundoff import gamma_n
from fastminima.losses.base import Extremum, ProductLoss
from fastminima.losses.squared import SquaredLoss
from fastminima.system.options import as_real, spelled

from .bottleneck import decide_at_full_rank, decide_narrow
from .decision import Decision
from .singular_values import Margin, Products, ScaledChain, span
from .zero_gradient import decide_stationary

__all__ = ["ToleranceFindings", "within_tolerance"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class ToleranceFindings:
    """What singular values say about weights near a critical point. Nothing here is certified.

    Attributes
    ----------
    verdict : str
        A value of `LinearVerdict`.
    part : str
        The part of theorem 4 or corollary 5 that decides.
    reason : str
    tol, unit : float
        A gradient counts as 0 up to tol * unit.
    gradient_norms : tuple of float
        Frobenius norms of d ell / d W_j, j = 1..H+1.
    product_gradient_norm : float
        Of G.
    ranks : dict of str to int
    margins : tuple of Margin
    case : int or None
        1 or 2, the case of the escape.
    j_star : int or None
        Of case 2 (counting from 1, in the transposed network if `transposed`).
    transposed : bool
        dy > dx: the roles of the two ends are exchanged.
    directions : tuple of arrays
        v_1 and, in case 2, v_{j*}, ..., v_H of the escape.
    gradient : array
        G.
    extremum : Extremum or None
        Where G = 0: what ell0 has at the product.
    """

    verdict: str = "undetermined"
    part: str = "theorem 4"
    reason: str = ""
    tol: float
    unit: float
    gradient_norms: tuple[float, ...]
    product_gradient_norm: float
    ranks: dict[str, int] = field(default_factory=dict)
    margins: tuple[Margin, ...] = ()
    case: int | None = None
    j_star: int | None = None
    transposed: bool = False
    directions: tuple[Floats, ...] = ()
    gradient: Floats | None = None
    extremum: Extremum | None = None


def _layer_gradients(chain: ScaledChain, G: Floats, G_error: float) -> tuple[list[float], list[float]]:
    """|d ell / d W_j|_F and bounds on their errors, for every layer."""
    count = len(chain.weights)
    before = [(np.eye(chain.weights[0].shape[1]), 0.0)]
    for k in range(count - 1):
        before.append(chain.times(k, *before[-1]))
    norms, errors = [0.0] * count, [0.0] * count
    after, off = G, G_error
    for j in range(count - 1, -1, -1):
        # d ell / d W_j = (W_{H+1:j+1})^T G (W_{j-1:1})^T, the products growing from both ends
        B, b_error = before[j]
        size, width = float(np.linalg.norm(after)), float(np.linalg.norm(B))
        norm = float(np.linalg.norm(after @ B.T))
        # |B|_2 is at most the product of the layers' norms, and 1 for the identity
        error = (
            off * (math.prod(chain.norms[:j]) + b_error)
            + size * b_error
            + gamma_n(B.shape[1] + 2) * size * width
        )
        error = error * (1.0 + gamma_n(after.size + B.size)) + gamma_n(after.size + 4) * norm
        exponent = sum(chain.powers) - chain.powers[j]
        with np.errstate(over="ignore", under="ignore"):
            norms[j] = float(np.ldexp(norm, exponent))
            errors[j] = float(np.ldexp(error, exponent)) + (2.0**-1074 if error else 0.0)
        after, off = chain.transposed_times(j, after, off)
    return norms, errors


def within_tolerance(weights: Sequence[Floats], loss: ProductLoss, tol: float) -> ToleranceFindings:
    """Classify weights as critical within `tol`, from norms and singular values.

    Parameters
    ----------
    weights : sequence of float64 arrays, [W_1, ..., W_{H+1}], (d_j, d_{j-1})
    loss : ProductLoss
    tol : float
        Relative, 0 < tol < 1; see the module's lines (a) and (b).

    Returns
    -------
    ToleranceFindings

    Raises
    ------
    OptionError
        tol is not between 0 and 1.
    """
    given, tol = tol, as_real(tol)
    if not 0.0 < tol < 1.0:
        raise OptionError(f"tol must be between 0 and 1, got {spelled(given)}")
    chain = ScaledChain(weights)
    R, distance = _product(chain)
    G, off = loss.gradient_ball(R, distance)
    size = float(np.linalg.norm(G))
    unit = max(size, loss.gradient_scale((R.shape[0], R.shape[1])))
    norms, errors = _layer_gradients(chain, G, off)
    found = ToleranceFindings(
        tol=tol,
        unit=unit,
        gradient_norms=tuple(norms),
        product_gradient_norm=size,
        gradient=G,
        transposed=R.shape[0] > R.shape[1],
    )
    if not math.isfinite(unit) or not math.isfinite(sum(errors)) or not math.isfinite(off):
        return replace(
            found, reason="the gradient of ell0, or the error of it, is beyond the range of float64"
        )
    # the error of G is one of the unit's, too
    limit, blur = tol * unit, tol * off
    gradients = tuple(
        _against(f"gradient of W_{j}", norm, limit, error + blur)
        for j, (norm, error) in enumerate(zip(norms, errors, strict=True), 1)
    )
    found = replace(found, margins=gradients)
    decided = _not_critical(found, limit)
    if decided is not None:
        return _told(found, decided)
    whole = _against("G, the gradient of ell0", size, limit, off + blur)
    found = replace(found, margins=(*gradients, whole))
    if not whole.clear:
        return replace(found, reason=f"whether G = 0 would flip within rounding: {whole}")
    if not whole.rank:
        return _stationary(found, chain, loss.extremum(R), loss.critical_is_global)
    return _saddle(found, weights, G, loss)


def _product(chain: ScaledChain) -> tuple[Floats, float]:
    """The product of the layers as they came, and how far it may be off."""
    R, distance = chain.weights[0], 0.0
    for k in range(1, len(chain.weights)):
        R, distance = chain.times(k, R, distance)
    with np.errstate(over="ignore", under="ignore"):
        R, distance = np.ldexp(R, sum(chain.powers)), float(np.ldexp(distance, sum(chain.powers)))
    return R, distance + (R.size * 2.0**-1074 if distance else 0.0)


def _against(name: str, value: float, threshold: float, error: float) -> Margin:
    """One value against a threshold."""
    above = value > threshold
    kept, dropped = (value, 0.0) if above else (math.inf, value)
    return Margin(name, kept, dropped, threshold, error, int(above))


def _not_critical(found: ToleranceFindings, limit: float) -> Decision | None:
    """Not critical needs one layer that is clearly above the limit; critical, None, needs all clearly below."""
    above = [m for m in found.margins if m.rank and m.clear]
    if above:
        worst = max(above, key=lambda m: m.kept)
        return Decision(
            "not_critical",
            "definition of a critical point",
            f"the {worst.name} has norm {worst.kept:.6g}, above tol * {found.unit:.4g} = {limit:.4g}",
        )
    vague = [m for m in found.margins if not m.clear]
    if vague:
        reason = f"whether the weights are critical would flip within rounding: {vague[0]}"
        return Decision("undetermined", "theorem 4", reason)
    return None


def _told(found: ToleranceFindings, decided: Decision) -> ToleranceFindings:
    """The findings with the decision in them: nothing here is certified."""
    return replace(
        found, verdict=decided.verdict, part=decided.part, reason=decided.reason, j_star=decided.j_star
    )


def _full_ranks(chain: ScaledChain, j: int, tol: float) -> list[Margin] | None:
    """Part 3 at layer j (from 1): margins of W_{H+1:j+1} and W_{j-1:1} where these have full ranks, else None."""
    weights, margins = chain.weights, []
    spans = []
    if j < len(weights):
        spans.append((j + 1, len(weights), len(weights[-1])))
    if j > 1:
        spans.append((1, j - 1, weights[0].shape[1]))
    for low, high, full in spans:
        margin = span(chain, low, high, tol)
        if margin.rank < full or not margin.clear:
            return None
        margins.append(margin)
    return margins


def _stationary(
    found: ToleranceFindings, chain: ScaledChain, extremum: Extremum, corollary: bool
) -> ToleranceFindings:
    """G = 0: parts 2 and 3 of theorem 4."""
    margins: list[Margin] = []

    def part_3() -> int | None:
        for j in range(1, len(chain.weights) + 1):
            pair = _full_ranks(chain, j, found.tol)
            if pair is not None:
                margins.extend(pair)
                return j
        return None

    decided = decide_stationary(extremum, corollary, "G = 0 within tol", part_3)
    return replace(_told(found, decided), margins=(*found.margins, *margins), extremum=extremum)


def _bottleneck(weights: Sequence[Floats], loss: ProductLoss, tol: float) -> Decision:
    """A hidden layer narrower than both ends, and full, by name."""
    outer = min(len(weights[-1]), weights[0].shape[1])
    k = next(j for j, W in enumerate(weights[:-1], 1) if len(W) < outer)
    narrow = f"hidden layer {k} has width {len(weights[k - 1])}, below min(dx, dy) = {outer}"
    at_full_rank = decide_at_full_rank(weights, loss, tol) if isinstance(loss, SquaredLoss) else None
    return decide_narrow(narrow, at_full_rank)


def _saddle(
    found: ToleranceFindings, weights: Sequence[Floats], G: Floats, loss: ProductLoss
) -> ToleranceFindings:
    """G != 0: part 1 of theorem 4, or what can be said of a hidden layer narrower than both ends."""
    if min(len(W) for W in weights[:-1]) >= min(G.shape):
        return _part_1(found, weights)
    # without the width condition the vectors of the escape need not exist, on either side; where they do they prove as much
    for transposed in (found.transposed, not found.transposed):
        tried = _part_1(replace(found, transposed=transposed), weights)
        if tried.verdict == "saddle":
            return tried
    return _told(found, _bottleneck(weights, loss, found.tol))


@dataclass(frozen=True, eq=False)
class _Escape:
    """Case, j* and vectors of the escape, with what was decided on the way; `obstacle`: why there are none."""

    margins: list[Margin]
    case: int = 1
    j_star: int | None = None
    directions: tuple[Floats, ...] = ()
    obstacle: str = ""


def _vectors(p: Products, H: int) -> _Escape:
    """v_1 and, in case 2, v_{j*}, ..., v_H."""
    margins = [p.rank(H + 1)]
    image, v1 = p.image_of_null_space(H + 1, H)
    margins.append(image)
    if not image.clear or image.rank:
        return _Escape(margins, directions=(v1,))
    j_star = None
    for j in range(H, 1, -1):
        margins.append(p.rank(j))
        image, v1 = p.image_of_null_space(j, j - 1)
        margins.append(image)
        if not image.clear or image.rank:
            j_star = j
            break
    if j_star is None:
        # every W_{k:2} is injective, so G = 0 by part 3: the gradients were called 0 and G was not
        return _Escape(margins, obstacle="G is above tol, yet the ranks are full, which")
    left = []
    for k in range(j_star, H + 1):
        U = p.svd(k)[0]
        if p.rank(k).rank == len(U):
            return _Escape(margins, obstacle=f"W_{{{k}:2}} has full row rank within tol, which")
        left.append(U[:, -1])
    return _Escape(margins, 2, j_star, (v1, *left))


def _part_1(found: ToleranceFindings, weights: Sequence[Floats]) -> ToleranceFindings:
    """Which case of the escape, and its vectors."""
    chain = [W.T for W in reversed(weights)] if found.transposed else list(weights)
    p = Products(ScaledChain(chain), found.tol)
    way = _vectors(p, len(chain) - 1)
    found = replace(found, margins=(*found.margins, *way.margins))
    if way.obstacle:
        return replace(
            found,
            reason=f"{way.obstacle} forces G = 0 at a critical point: the weights are too far from critical for this tol",
        )
    found = replace(found, ranks={f"W_{{{k}:2}}": p.rank(k).rank for k in p.decomposed})
    side = " of the transposed, reversed network" if found.transposed else ""
    j_star = "" if way.j_star is None else f", j* = {way.j_star}"
    part = f"theorem 4, part 1 (case {way.case}{j_star}{side})"
    vague = [m for m in way.margins if not m.clear]
    if vague:
        return replace(found, part=part, reason=f"a null space would change within rounding: {vague[0]}")
    return replace(
        found,
        verdict="saddle",
        part=part,
        reason=f"critical within tol, but |G| = {found.product_gradient_norm:.6g} is above tol * {found.unit:.4g}",
        case=way.case,
        j_star=way.j_star,
        directions=way.directions,
    )
