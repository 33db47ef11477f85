"""Theorem 1, step 2: a network of the same width that is strictly better than the spurious minimum.

Yun, Sra and Jadbabaie (2019), section 2 and appendix A2. Candidates come from closed forms in floating point; each
is rounded to float64 arrays and handed out only when its exact risk is proved below the exact least-squares risk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..activation import PiecewiseLinear
from ..errors import NetworkError
from ..landscape.kink import best_kinks
from ..least_squares import LeastSquares, to_float
from ..network import OneHiddenLayer
from ..proof.bounds import Drop, certify_drop
from .pair import kink_network, pair_network
from .split_evidence import find_splits
from .status import BetterStatus
from .theorem1 import SpuriousMinimum, check_width

__all__ = ["BetterPoint", "PushedSplit", "TiedSplit", "better_point"]

Array = NDArray[np.float64]

REACHES = {"limit": Fraction(1, 2), "paper": Fraction(1, 4)}
# A rounded network that is not better is moved: the same construction with smaller pushes.
_PUSHES = (Fraction(1), Fraction(1, 2), Fraction(1, 8), Fraction(1, 64), Fraction(1, 2**12))
# Positions of the exact J tried when float64 certifies none.
_EXACT_POSITIONS = 8


@dataclass(frozen=True)
class PushedSplit:
    """Case 1, in the units of the data.

    Attributes
    ----------
    position : int
        0-based position p in sorted order of the fitted values; the paper's j is p + 1.
    S : float
        S_j, the sum of (weighted) residuals up to it.
    gap, beta : float
        fitted_(j+1) - fitted_(j), and the midpoint.
    gamma, u : float
        The push: outputs move by -u below and +u above, u = kappa gamma.
    """

    position: int
    S: float
    gap: float
    beta: float
    gamma: float
    u: float


@dataclass(frozen=True)
class TiedSplit:
    """Case 2, in the units of the data.

    Attributes
    ----------
    tied_value : float
        y*, the smallest tied fitted value whose group hides nonzero residuals.
    tied : int
        Distinct inputs in that group, J*.
    j1, j2 : int
        Samples that span the cut.
    alpha, rho : float
        Size of the tilt alpha v and relative push, gamma = rho alpha.
    beta, gamma : float
    """

    tied_value: float
    tied: int
    j1: int
    j2: int
    alpha: float
    rho: float
    beta: float
    gamma: float


@dataclass(frozen=True, eq=False, repr=False)
class BetterPoint:
    """Outcome of `better_point`; falsy unless `status` is "better".

    Attributes
    ----------
    status : BetterStatus
    reason : str
    network : OneHiddenLayer or None
        None unless better.
    risk : float
        Risk of the network (l_LS minus `drop`); the risk of the minimum when there is none.
    drop : float
        Decrease of the risk by the closed form of the construction.
    drop_certified : float
        Proved lower bound on (exact least-squares risk) - (exact risk of `network`), > 0 when better.
    certificate : "float" or "exact" or None
        How the bound was proved: float64 with error bounds, or rational arithmetic.
    case : 1, 2 or None
        Which case of theorem 1 the data are in; None where no better point exists.
    method : "paper" or "kink"
        The construction of `network`; "kink" also where the paper's did not survive rounding (see `reason`).
    split : PushedSplit, TiedSplit or None
    low : SpuriousMinimum
    """

    status: BetterStatus
    reason: str
    low: SpuriousMinimum
    case: int | None
    method: str
    network: OneHiddenLayer | None = None
    risk: float = math.nan
    drop: float = 0.0
    drop_certified: float = 0.0
    certificate: str | None = None
    split: PushedSplit | TiedSplit | None = None
    tried: int = field(default=0)

    @property
    def relative_drop(self) -> float:
        """drop / least-squares risk; at risks beyond float64 the quotient is nan."""
        base = self.low.fit.risk
        return self.drop / base if base > 0.0 and math.isfinite(base) else math.nan

    def __bool__(self) -> bool:
        return self.status is BetterStatus.BETTER

    def __repr__(self) -> str:
        if not self:
            return f"BetterPoint(status={str(self.status)!r}, reason={self.reason!r})"
        return (
            f"BetterPoint(status='better', case={self.case}, method={self.method!r}, risk={self.risk:.10g}, "
            f"drop={self.drop:.6g})"
        )

    def __str__(self) -> str:
        if not self:
            return f"no better point: {self.status}\n  {self.reason}"
        lines = [
            f"strictly better point, case {self.case}, method {self.method}",
            f"  risk            {self.risk:.10g}",
            f"  drop            {self.drop:.6g}   ({self.relative_drop:.4g} of the least-squares risk)",
            f"  proved drop  >= {self.drop_certified:.6g}   ({self.certificate} certificate)",
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Candidate:
    """A network to be certified, with the closed form of its drop in the units of the data."""

    network: OneHiddenLayer | None
    drop: float
    split: PushedSplit | TiedSplit | None
    method: str


def better_point(
    low: SpuriousMinimum,
    method: str = "paper",
    *,
    reach: str = "limit",
    n_kinks: int = 1,
    directions: ArrayLike | None = None,
    n_directions: int = 64,
    random_state: int | np.random.Generator | None = 0,
) -> BetterPoint:
    """A network of the same width with strictly lower risk than the spurious minimum, proved.

    Parameters
    ----------
    low : SpuriousMinimum
        From `spurious_minimum`, width >= 2.
    method : {"paper", "kink"}
        "paper": the construction of theorem 1, step 2 (case 1 where J is not empty, else case 2). "kink": the best single
        kink along many directions, all linear coefficients refitted; its drop is usually far larger.
    reach : {"limit", "paper"}
        How far the paper's push may go: as far as its closed form holds (|gamma| <= gap/2 in case 1, |rho| <= v'(x_j1 - x_j2)/2 in
        case 2), or half of that, the bound in the paper's proof.
    n_kinks : int
        For "kink": hidden units beyond the first to use, added greedily, at most width - 1.
    directions : (k, n_features) array_like, optional
        For "kink": the directions to try.
    n_directions : int
        For "kink": random directions beside the coordinates, the fit and pairs of coordinates.
    random_state : int, Generator or None
        For "kink".

    Returns
    -------
    BetterPoint
        Where float64 rounding of the construction is not better than the exact least-squares risk, smaller pushes
        and then a kink are tried; status "undecided" says that none could be proved better.

    Raises
    ------
    NetworkError
        If the width is below 2, `method` or `reach` are unknown, or `n_kinks` does not fit the width.
    DataError
        If `directions` have the wrong shape.

    Notes
    -----
    Yun, Sra and Jadbabaie (2019), theorem 1, step 2 and appendix A2. With u = kappa gamma the drop of case 1 is
    2 u S_j - m u^2/2; of case 2, 2 kappa rho r_j1 alpha - alpha^2/2 sum_i (v'x_i - sigma_i kappa rho)^2.
    """
    if not isinstance(low, SpuriousMinimum):
        raise NetworkError(f"low must be a SpuriousMinimum (from spurious_minimum), got {type(low).__name__}")
    check_width(low.network.width, 2)
    if method not in ("paper", "kink"):
        raise NetworkError(f'method must be "paper" or "kink", got {method!r}')
    if reach not in REACHES:
        raise NetworkError(f'reach must be "limit" or "paper", got {reach!r}')
    if isinstance(n_kinks, bool) or not 1 <= n_kinks <= low.network.width - 1:
        raise NetworkError(
            f"n_kinks must be between 1 and width - 1 = {low.network.width - 1}, got {n_kinks!r}"
        )
    evidence = low.evidence
    assert evidence is not None
    if evidence.obstacle is not None:
        return BetterPoint(evidence.obstacle, evidence.reason, low, None, method, risk=low.risk)
    kinks = _kink_candidates(low, n_kinks, directions, n_directions, np.random.default_rng(random_state))
    if method == "kink":
        return _first_certified(low, evidence.case, method, kinks, ())
    paper = _case1(low, reach) if evidence.case == 1 else _case2(low, reach)
    return _first_certified(low, evidence.case, method, paper, kinks)


def _first_certified(
    low: SpuriousMinimum,
    case: int | None,
    method: str,
    candidates: Iterator[_Candidate],
    fallback: Iterator[_Candidate] | tuple[()],
) -> BetterPoint:
    tried = 0
    for kind, source in (("asked", candidates), ("fallback", fallback)):
        for candidate in source:
            tried += 1
            if candidate.network is None:
                continue
            drop = certify_drop(candidate.network, low.fit)
            if drop.better:
                return _handed_out(low, case, method, candidate, drop, kind == "fallback", tried)
    reason = (
        f"a strictly better network exists (case {case}), but none of {tried} float64 candidates has an exact risk "
        "below the exact least-squares risk: the improvement is below the resolution of float64 parameters"
    )
    return BetterPoint(BetterStatus.UNDECIDED, reason, low, case, method, risk=low.risk, tried=tried)


def _handed_out(
    low: SpuriousMinimum,
    case: int | None,
    method: str,
    candidate: _Candidate,
    proved: Drop,
    fell_back: bool,
    tried: int,
) -> BetterPoint:
    reason = f"exact risk proved below the exact least-squares risk ({proved.method} certificate)"
    if fell_back:
        reason = "the paper's construction does not survive float64 rounding on these data; a kink does: " + reason
    elif tried > 1:
        reason += f"; found as candidate {tried}, earlier ones were lost to rounding"
    # where rounding moved the network, the closed form is the claim and the enclosure the truth: never claim more
    drop = min(max(candidate.drop, proved.lower), proved.upper)
    return BetterPoint(
        status=BetterStatus.BETTER,
        reason=reason,
        low=low,
        case=case,
        method=candidate.method,
        network=candidate.network,
        risk=low.fit.risk - drop if math.isfinite(drop) else math.nan,
        drop=drop,
        drop_certified=proved.lower,
        certificate=proved.method,
        split=candidate.split,
        tried=tried,
    )


# ---- case 1: J is not empty ------------------------------------------------------------------------------


def _case1(low: SpuriousMinimum, reach: str) -> Iterator[_Candidate]:
    """W1 = [w; -w], b1 = [w_b - beta + gamma; -w_b + beta + gamma]: outputs fitted -+ kappa gamma."""
    fit, activation = low.fit, low.activation
    kappa = _kappa(activation)
    weight = _total_weight(fit)
    for position, S, lower, upper in _positions(low, reach):
        limit = REACHES[reach] * (upper - lower)
        best = max(-abs(kappa) * limit, min(abs(kappa) * limit, 2 * S / weight))
        for push in _PUSHES:
            u = best * push
            gamma, beta = u / kappa, (lower + upper) / 2
            network = pair_network(fit, *fit.affine, beta, gamma, activation, low.network.width)
            drop = 2 * u * S - weight * u * u / 2
            split = PushedSplit(position, *(to_float(v) for v in (S, upper - lower, beta, gamma, u)))
            yield _Candidate(network, to_float(drop), split, "paper")


def _positions(low: SpuriousMinimum, reach: str) -> Iterator[tuple[int, Fraction, Fraction, Fraction]]:
    """(position, S, lower, upper) to try, best first, as rationals in the units of the data."""
    fit, evidence = low.fit, low.evidence
    assert evidence is not None
    frame = fit.frame
    unit, centre = Fraction(2) ** frame.exponent_y, Fraction(frame.centre_y)
    best = evidence.best
    if best is not None and reach != "limit":
        best = find_splits(fit, low.activation, float(REACHES[reach]))
    if best is not None and best.position is not None:
        yield (
            best.position,
            Fraction(best.S) * unit,
            (Fraction(best.lower) + centre) * unit,
            (Fraction(best.upper) + centre) * unit,
        )
        return
    yield from _exact_positions(fit)


def _exact_positions(fit: LeastSquares) -> Iterator[tuple[int, Fraction, Fraction, Fraction]]:
    """The members of the exact J with the widest gaps and largest sums; float64 only ranks them."""
    splits = fit.exact.J()
    order, positions = splits.order, splits.positions
    fitted, fitted_scale = fit.exact.fitted_numerators()
    residual, residual_scale = fit.exact.residual_numerators()
    ranked = fitted[order]
    weights = fit.data.sample_weight
    terms = residual[order]
    if weights is not None:
        terms = terms * np.array([Fraction(w) for w in weights[order].tolist()], dtype=object)
    sums = np.add.accumulate(terms)
    gaps = [int(ranked[p + 1] - ranked[p]) for p in positions]
    totals = [abs(Fraction(sums[p])) for p in positions]
    merit = [float(np.log2(float(g)) if g < 2**1000 else g.bit_length()) + _log2(t) for g, t in zip(gaps, totals, strict=True)]
    for k in np.argsort(merit)[::-1][:_EXACT_POSITIONS].tolist():
        p = int(positions[k])
        yield (
            p,
            Fraction(sums[p]) * residual_scale,
            int(ranked[p]) * fitted_scale,
            int(ranked[p + 1]) * fitted_scale,
        )


def _log2(value: Fraction) -> float:
    return float(value.numerator.bit_length() - value.denominator.bit_length())


def _kappa(activation: PiecewiseLinear) -> Fraction:
    s_plus, s_minus = Fraction(activation.s_plus), Fraction(activation.s_minus)
    return (s_plus - s_minus) / (s_plus + s_minus)


def _total_weight(fit: LeastSquares) -> Fraction:
    weights = fit.data.sample_weight
    return Fraction(fit.data.n_samples) if weights is None else sum(map(Fraction, weights.tolist()), Fraction(0))


# ---- case 2: J is empty ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Merged:
    """Distinct inputs: representative rows, weights, group sums R_g, rank of their tied fitted value."""

    rows: NDArray[np.intp]
    weight: Array
    R: Array
    has_residual: NDArray[np.bool_]
    tie: NDArray[np.intp]
    tied_values: list[Fraction]


def _merge(fit: LeastSquares) -> _Merged:
    groups, splits = fit.exact.groups(), fit.exact.J()
    weights = np.ones(fit.data.n_samples) if fit.data.sample_weight is None else fit.data.sample_weight
    tie = np.empty(fit.data.n_samples, dtype=np.intp)
    tie[splits.order] = splits.tie_group
    leaders = splits.order[np.flatnonzero(np.diff(splits.tie_group, prepend=-1))]
    numerators, scale = fit.exact.fitted_numerators(leaders)
    return _Merged(
        rows=groups.first,
        weight=np.bincount(groups.ids, weights=weights),
        R=np.bincount(groups.ids, weights=weights * fit.residual_scaled),
        has_residual=groups.has_residual,
        tie=tie[groups.first],
        tied_values=[int(n) * scale for n in numerators],
    )


def _case2(low: SpuriousMinimum, reach: str) -> Iterator[_Candidate]:
    """Tilt the fit along v and push the halves of one tied group apart (theorem 1, step 2, case 2).

    Norms and inner products are the paper's first (origin of the inputs), then about the centre of the data, where
    an offset of the inputs no longer dwarfs v'x.
    """
    fit = low.fit
    merged = _merge(fit)
    points = fit.frame.gather(merged.rows)
    for origin in (fit.frame.centre, np.zeros(fit.data.n_features)):
        yield from _tilted(low, merged, points, origin, reach)


def _tilted(
    low: SpuriousMinimum, merged: _Merged, centred: Array, origin: Array, reach: str
) -> Iterator[_Candidate]:
    fit, activation, frame = low.fit, low.activation, low.fit.frame
    kappa = activation.kappa
    unit = Fraction(2) ** frame.exponent_y
    points = centred + origin
    star = int(merged.tie[merged.has_residual].min())
    group = np.flatnonzero(merged.tie == star)
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points))
    carriers = group[merged.has_residual[group]]
    j1 = int(carriers[np.argmax(lengths[carriers])])
    if lengths[j1] == 0.0:
        return
    along = points[group] @ points[j1]
    upper_part = (along >= lengths[j1] ** 2) | (group == j1)
    below = group[~upper_part]
    if not len(below):
        return
    j2 = int(below[np.argmax(along[~upper_part])])
    distinct = merged.tied_values
    if len(distinct) > 1:
        step = min(b - a for a, b in zip(distinct[:-1], distinct[1:], strict=True)) / unit
        g = to_float(step) / 4
    else:
        # no other fitted value to respect: any g > 0 will do, at the scale of the residuals
        g = 2.0 * float(np.abs(fit.residual_scaled).max())
    v = points[j1] * (g / (lengths.max() * lengths[j1]))
    push = float(v @ (points[j1] - points[j2])) * float(REACHES[reach])
    rho = math.copysign(push, kappa * merged.R[j1])
    on_L = merged.tie < star
    on_L[group[upper_part]] = True
    # R and the residuals are in scaled units, and so is v'x: the drop below is too
    moved = points @ v + np.where(on_L, kappa * rho, -kappa * rho)
    curvature = float(merged.weight @ (moved * moved))
    linear = 2.0 * kappa * rho * float(merged.R[j1])
    if not (linear > 0.0 and curvature > 0.0 and math.isfinite(curvature)):
        return
    best = linear / curvature if len(distinct) == 1 else min(1.0, linear / curvature)
    slopes, level = frame.to_frame(*fit.affine)
    tied = distinct[star] / unit - Fraction(frame.centre_y)
    for factor in _PUSHES:
        alpha = best * float(factor)
        tilt = [Fraction(alpha) * Fraction(s) for s in v.tolist()]
        # q = fit - alpha v'(x' + c - origin'), x' + c the scaled input; the shift is exact
        shift = sum((t * (Fraction(o)) for t, o in zip(tilt, origin.tolist(), strict=True)), Fraction(0))
        q, q0 = frame.from_frame([s - t for s, t in zip(slopes, tilt, strict=True)], level - shift)
        ends = [Fraction(a) + Fraction(b) for a, b in zip(points[j1].tolist(), points[j2].tolist(), strict=True)]
        middle = sum((t * e for t, e in zip(tilt, ends, strict=True)), Fraction(0)) / 2
        beta = (tied - middle + Fraction(frame.centre_y)) * unit
        gamma = Fraction(rho) * Fraction(alpha) * unit
        network = pair_network(fit, q, q0, beta, gamma, activation, low.network.width)
        drop = frame.risk_to_float(alpha * (linear - 0.5 * alpha * curvature))
        split = TiedSplit(
            to_float(distinct[star]),
            len(group),
            int(merged.rows[j1]),
            int(merged.rows[j2]),
            alpha,
            rho,
            to_float(beta),
            to_float(gamma),
        )
        yield _Candidate(network, drop, split, "paper")


# ---- beyond the paper ------------------------------------------------------------------------------------


def _kink_candidates(
    low: SpuriousMinimum,
    n_kinks: int,
    directions: ArrayLike | None,
    n_directions: int,
    rng: np.random.Generator,
) -> Iterator[_Candidate]:
    fit = low.fit
    models = list(
        best_kinks(fit, n_kinks=n_kinks, directions=directions, n_random=n_directions, rng=rng)
    )
    # more kinks first; fewer ones are the fallback should rounding spoil the last
    for model in reversed(models):
        network = kink_network(fit, model, low.activation, low.network.width)
        yield _Candidate(network, fit.frame.risk_to_float(model.drop), None, "kink")
