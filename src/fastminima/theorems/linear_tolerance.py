"""Theorem 4 within a tolerance, for weights that come from training: singular values with margins, nothing certified.

(a) Everything is measured in one unit, g = max(|G(0)|, |G(R)|) in the Frobenius norm, G the gradient of ell0 and R the
    product: critical means |d ell / d W_j| <= tol g for every j; "G = 0" means |G| <= tol g.
(b) A singular value of W_{i:j} is dropped when it is at most tol times the product of the factors' spectral norms: a
    product may vanish though no factor does, so its own largest singular value says nothing.
(c) Every comparison carries the rounding error of its left side. Where the threshold lies within it the answer is
    `undetermined`.
(d) Layers are scaled by powers of two to entries below 1 first, which changes no null space and avoids underflow.
(e) Cost: one pass over the samples for G, one for G(0); products and SVDs of single layers after that, and only for saddles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima._product_loss import ProductLoss, gamma
from fastminima.errors import OptionError
from fastminima.theorems.linear_change import product

__all__ = ["Margin", "ToleranceFindings", "within_tolerance"]

Floats = NDArray[np.float64]
# backward error of LAPACK's singular values in units of u |A|: a modest multiple of the dimension
_SVD_UNITS = 8


@dataclass(frozen=True)
class Margin:
    """One decision by singular values or norms.

    Attributes
    ----------
    name : str
        What was measured.
    kept : float
        The smallest value above the threshold; inf if there is none.
    dropped : float
        The largest value at or below it; 0 if there is none.
    threshold, error : float
        The threshold, and how far rounding may have moved the values.
    rank : int
        How many values were kept.
    """

    name: str
    kept: float
    dropped: float
    threshold: float
    error: float
    rank: int

    @property
    def clear(self) -> bool:
        """Does no value lie within its rounding error of the threshold?"""
        return self.kept - self.error > self.threshold and self.dropped + self.error <= self.threshold

    def __str__(self) -> str:
        kept = "none" if math.isinf(self.kept) else f"{self.kept:.3g}"
        limit = f"threshold {self.threshold:.3g} ± {self.error:.1g}"
        return f"{self.name}: kept from {kept}, dropped up to {self.dropped:.3g}, {limit}"


@dataclass(frozen=True, eq=False)
class ToleranceFindings:
    """What singular values say about weights near a critical point. Nothing here is certified.

    Attributes
    ----------
    verdict : str
        not_critical, saddle, global_minimum, undetermined or width_condition_fails.
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
    """

    verdict: str
    part: str
    reason: str
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


class _Products:
    """Products W_{i:j} of scaled layers, SVDs of them, and their errors; layers counted from 1."""

    def __init__(self, weights: Sequence[Floats], tol: float) -> None:
        self.weights = [np.ldexp(W, -int(np.frexp(np.abs(W).max(initial=0.0))[1])) for W in weights]
        self.tol = tol
        self.norms = [float(np.linalg.norm(W, 2)) if W.any() else 0.0 for W in self.weights]
        self.frobenius = [float(np.linalg.norm(W)) for W in self.weights]
        self._from_two: dict[int, Floats] = {1: np.eye(self.weights[0].shape[0])}
        self._svd: dict[int, tuple[Floats, Floats, Floats]] = {}

    def from_two(self, k: int) -> Floats:
        """W_{k:2}; the identity for k = 1."""
        if k not in self._from_two:
            self._from_two[k] = self.weights[k - 1] @ self.from_two(k - 1)
        return self._from_two[k]

    def svd(self, k: int) -> tuple[Floats, Floats, Floats]:
        """Full SVD of W_{k:2}."""
        if k not in self._svd:
            self._svd[k] = np.linalg.svd(self.from_two(k))
        return self._svd[k]

    def error(self, k: int) -> float:
        """How far a singular value of W_{k:2} may be off: rounding of the products, then of the SVD."""
        if k == 1:
            return 0.0
        n = sum(W.shape[1] for W in self.weights[1:k])
        size = math.prod(self.frobenius[1:k])
        return (gamma(n) + gamma(_SVD_UNITS * max(self.from_two(k).shape))) * size

    def threshold(self, k: int) -> float:
        return self.tol * math.prod(self.norms[1:k])

    def rank(self, k: int) -> Margin:
        return _margin(f"W_{{{k}:2}}", self.svd(k)[1], self.threshold(k), self.error(k))

    def null(self, k: int) -> Floats:
        """Columns that span null(W_{k:2}) within tolerance."""
        if k == 1:
            return np.zeros((len(self.from_two(1)), 0))
        return np.asarray(self.svd(k)[2][self.rank(k).rank :].T)

    def reach(self, k: int, below: int) -> tuple[Margin, Floats]:
        """W_{below:2} on null(W_{k:2}): is it 0 there, and the vector it stretches most."""
        basis = self.null(k)
        name = f"W_{{{below}:2}} on the null space of W_{{{k}:2}}"
        # a rotation of the null space by error / gap moves the image by the same share of its size
        gap = self.rank(k).kept
        tilt = 0.0 if math.isinf(gap) or gap == 0.0 else self.error(k) / gap
        error = self.error(below) + tilt * math.prod(self.frobenius[1:below])
        if not basis.shape[1]:
            return Margin(name, math.inf, 0.0, self.threshold(below), error, 0), basis
        _, s, Vt = np.linalg.svd(self.from_two(below) @ basis, full_matrices=False)
        return _margin(name, s, self.threshold(below), error), basis @ Vt[0]


def _margin(name: str, s: Floats, threshold: float, error: float) -> Margin:
    kept, dropped = s[s > threshold], s[s <= threshold]
    return Margin(
        name,
        float(kept.min()) if len(kept) else math.inf,
        float(dropped.max()) if len(dropped) else 0.0,
        threshold,
        error,
        len(kept),
    )


def _layer_gradients(
    weights: Sequence[Floats], G: Floats, G_error: Floats
) -> tuple[list[float], list[float]]:
    """|d ell / d W_j|_F and bounds on their errors, for every layer."""
    # powers of two apart: the products of many small layers would underflow before G multiplies them
    powers = [int(np.frexp(np.abs(W).max(initial=0.0))[1]) for W in weights]
    scaled = [np.ldexp(W, -p) for W, p in zip(weights, powers, strict=True)]
    sizes = [float(np.linalg.norm(W)) for W in scaled]
    before = [np.eye(weights[0].shape[1])]
    for W in scaled[:-1]:
        before.append(W @ before[-1])
    norms, errors = [0.0] * len(weights), [0.0] * len(weights)
    after = G
    size, off = float(np.linalg.norm(G)), float(np.linalg.norm(G_error))
    steps = sum(W.shape[0] + W.shape[1] for W in weights)
    for j in range(len(weights) - 1, -1, -1):
        # d ell / d W_j = (W_{H+1:j+1})^T G (W_{j-1:1})^T, the sums running from both ends
        others = math.prod(sizes[:j]) * math.prod(sizes[j + 1 :])
        exponent = sum(powers) - powers[j]
        norm = float(np.linalg.norm(after @ before[j].T))
        error = (off + gamma(2 * steps) * size) * others * (1.0 + gamma(steps))
        with np.errstate(over="ignore", under="ignore"):
            norms[j] = float(np.ldexp(norm, exponent))
            errors[j] = float(np.ldexp(error, exponent)) + (2.0**-1074 if error else 0.0)
        after = scaled[j].T @ after
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
    if not isinstance(tol, (int, float)) or not 0.0 < tol < 1.0:
        raise OptionError(f"tol must be between 0 and 1, got {tol!r}")
    R, R_error = product(weights).unscaled()
    G, G_error = loss.gradient_enclosure(R, R_error)
    zero, zero_error = loss.gradient_enclosure(np.zeros(R.shape))
    size, off = float(np.linalg.norm(G)), float(np.linalg.norm(G_error))
    first, first_off = float(np.linalg.norm(zero)), float(np.linalg.norm(zero_error))
    unit, unit_off = max(size, first), max(off, first_off)
    norms, errors = _layer_gradients(weights, G, G_error)
    found = ToleranceFindings(
        "undetermined",
        "theorem 4",
        "",
        float(tol),
        unit,
        tuple(norms),
        size,
        gradient=G,
        transposed=R.shape[0] > R.shape[1],
    )
    if not math.isfinite(unit) or not math.isfinite(off):
        return _with(found, reason="the gradient of ell0, or the error of it, is beyond the range of float64")
    limit, blur = tol * unit, tol * unit_off
    gradients = [
        Margin(f"gradient of W_{j}", *_sides(norm, limit), limit, error + blur, int(norm > limit))
        for j, (norm, error) in enumerate(zip(norms, errors, strict=True), 1)
    ]
    found = _with(found, margins=tuple(gradients))
    # not critical needs one layer that is clearly above; critical needs all clearly below
    above = [m for m in gradients if m.rank and m.clear]
    if above:
        worst = max(above, key=lambda m: m.kept)
        return _with(
            found,
            verdict="not_critical",
            part="definition of a critical point",
            reason=f"the {worst.name} has norm {worst.kept:.6g}, above tol * {unit:.4g} = {limit:.4g}",
        )
    vague = [m for m in gradients if not m.clear]
    if vague:
        return _with(found, reason=f"whether the weights are critical would flip within rounding: {vague[0]}")
    whole = Margin("G, the gradient of ell0", *_sides(size, limit), limit, off + blur, int(size > limit))
    found = _with(found, margins=(*found.margins, whole))
    if not whole.clear:
        return _with(found, reason=f"whether G = 0 would flip within rounding: {whole}")
    if not whole.rank:
        if loss.critical_is_global:
            return _with(
                found,
                verdict="global_minimum",
                part="corollary 5",
                reason=f"G = 0 within tol, and {loss.reason}",
            )
        return _with(found, part="theorem 4, part 2", reason=f"G = 0 within tol, and {loss.reason}")
    return _saddle(found, weights, G)


def _sides(value: float, threshold: float) -> tuple[float, float]:
    return (value, 0.0) if value > threshold else (math.inf, value)


def _with(found: ToleranceFindings, **fields: Any) -> ToleranceFindings:
    return ToleranceFindings(**{**found.__dict__, **fields})


def _saddle(found: ToleranceFindings, weights: Sequence[Floats], G: Floats) -> ToleranceFindings:
    """Part 1 of theorem 4: G != 0. Which case of the escape, and its vectors."""
    smallest = min(min(G.shape), min(W.shape[0] for W in weights[:-1]))
    if smallest < min(G.shape):
        k = next(j for j, W in enumerate(weights[:-1], 1) if W.shape[0] < min(G.shape))
        return _with(
            found,
            verdict="width_condition_fails",
            part="theorem 4",
            reason=f"hidden layer {k} has width {weights[k - 1].shape[0]}, below min(dx, dy) = {min(G.shape)}: theorem 4 "
            "says nothing about a critical point with G != 0 there",
        )
    chain = [W.T for W in reversed(weights)] if found.transposed else list(weights)
    H = len(chain) - 1
    p = _Products(chain, found.tol)
    margins = [p.rank(H + 1)]
    reach, v1 = p.reach(H + 1, H)
    margins.append(reach)
    case, j_star, directions = 1, None, (v1,)
    if reach.clear and not reach.rank:
        case, directions = 2, ()
        for j in range(H, 1, -1):
            margins.append(p.rank(j))
            reach, v1 = p.reach(j, j - 1)
            margins.append(reach)
            if not reach.clear or reach.rank:
                j_star = j
                break
        if j_star is None:
            # every W_{k:2} is injective, so G = 0 by part 3: the gradients were called 0 and G was not
            return _with(
                found,
                margins=(*found.margins, *margins),
                reason="G is above tol, yet the ranks are full, which forces G = 0 at a critical point: the weights are "
                "too far from critical for this tol",
            )
        left = []
        for k in range(j_star, H + 1):
            U = p.svd(k)[0]
            rank = p.rank(k).rank
            if rank == len(U):
                return _with(
                    found,
                    margins=(*found.margins, *margins),
                    reason=f"W_{{{k}:2}} has full row rank within tol, which forces G = 0 at a critical point: the "
                    "weights are too far from critical for this tol",
                )
            left.append(U[:, -1])
        directions = (v1, *left)
    ranks = {f"W_{{{k}:2}}": p.rank(k).rank for k in sorted(p._svd)}
    found = _with(found, margins=(*found.margins, *margins), ranks=ranks)
    vague = [m for m in margins if not m.clear]
    side = " of the transposed, reversed network" if found.transposed else ""
    part = f"theorem 4, part 1 (case {case}{'' if j_star is None else f', j* = {j_star}'}{side})"
    if vague:
        return _with(found, part=part, reason=f"a null space would change within rounding: {vague[0]}")
    return _with(
        found,
        verdict="saddle",
        part=part,
        reason=f"critical within tol, but |G| = {found.product_gradient_norm:.6g} is above tol * {found.unit:.4g}",
        case=case,
        j_star=j_star,
        directions=directions,
    )
