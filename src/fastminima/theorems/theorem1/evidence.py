"""Which case of theorem 1 holds for a dataset: the set J, decided in float64 where its bound allows, exactly else.

For the exact least-squares fit, S_j = sum_{i<=j} w_i r_(i) over sorted fitted values and
J = { j < m : S_j != 0 and fitted_(j) < fitted_(j+1) } (section 2 of the paper; weights as in a merged dataset).
One certified position settles that a better point exists, duplicates or not. Only when none is certified are the
group residual sums R_g of equal inputs computed exactly; a better point exists iff some R_g != 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import TooLargeError
from fastminima.exact.fit import ExactFit
from fastminima.exact.roundoff import gamma_n
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.theorems.theorem1.splits.search import SplitRule, SplitSearch, search_splits

from .status import BetterStatus, MinimumStatus

__all__ = ["SplitEvidence", "certified_splits", "split_evidence"]

Array = NDArray[np.float64]

# m (dx + 2) up to which the exact set J is worked out only to count it
_COUNT_WORK = 20_000_000
_DECIMAL_WORK = 200_000


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SplitEvidence:
    """What is known about J.

    Attributes
    ----------
    best : SplitSearch or None
        Best split among the positions certified in float64, in the scaled units of the fit.
    case : 1, 2 or None
        1: J is not empty; 2: it is, and a better point exists; None: no better point exists.
    n_certified, n_undecided : int
        Positions proved to lie in J, and those left open.
    obstacle : BetterStatus or None
        Why no better point is sought; None where one exists.
    """

    fit: LeastSquares
    reason: str
    case: int | None = None
    best: SplitSearch | None = None
    n_certified: int = 0
    n_undecided: int = 0
    obstacle: BetterStatus | None = None
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> MinimumStatus:
        if self.obstacle is BetterStatus.UNDECIDED:
            return MinimumStatus.UNDECIDED
        return MinimumStatus.SPURIOUS if self.obstacle is None else MinimumStatus.GLOBAL

    def __repr__(self) -> str:
        return f"SplitEvidence(case={self.case}, {self.n_certified} certified, {self.n_undecided} undecided)"

    def size(self) -> tuple[int, int]:
        """(certified members of J, positions left undecided); exact, with none left, where that is affordable."""
        if self.case != 1:
            return 0, 0
        if self.n_undecided == 0:
            return self.n_certified, 0
        work = self.fit.data.n_samples * (self.fit.data.n_features + 2)
        if work <= _COUNT_WORK:
            return len(self.fit.exact.J().positions), 0
        return self.n_certified, self.n_undecided


def split_evidence(fit: LeastSquares, activation: PiecewiseLinear) -> SplitEvidence:
    """Decide the case of theorem 1 for a fit; exact wherever float64 cannot."""
    found = certified_splits(fit, activation, 0.5)
    if found.n_certified:
        return SplitEvidence(
            fit=fit,
            reason="J is not empty (theorem 1, case 1): a strictly better network of width 2 exists",
            case=1,
            best=found,
            n_certified=found.n_certified,
            n_undecided=found.n_undecided,
            notes=_affine_notes(fit),
        )
    try:
        return _decided_exactly(fit)
    except TooLargeError as error:
        why = f"no split is certified in float64, and the exact way is closed: {error}"
        return SplitEvidence(
            fit=fit,
            reason=why,
            n_undecided=found.n_undecided,
            obstacle=BetterStatus.UNDECIDED,
            notes=_affine_notes(fit),
        )


def _decided_exactly(fit: LeastSquares) -> SplitEvidence:
    exact = fit.exact
    if exact.linearly_fittable:
        why = "the data are exactly affine (condition C1.1 fails): risk 0, the minimum is global"
        return SplitEvidence(fit=fit, reason=why, obstacle=BetterStatus.LINEARLY_FITTABLE)
    if not exact.groups().has_residual.any():
        why = (
            "every group of equal inputs has residual sum 0: the linear fit is optimal among all functions of x, "
            "so no better point exists for any model"
        )
        notes = _affine_notes(fit)
        return SplitEvidence(fit=fit, reason=why, obstacle=BetterStatus.NO_BETTER_POINT, notes=notes)
    positions = exact.J().positions
    notes = _affine_notes(fit)
    if len(positions):
        why = (
            "J is not empty (theorem 1, case 1; decided exactly): a strictly better network of width 2 exists"
        )
        return SplitEvidence(fit=fit, reason=why, case=1, n_certified=len(positions), notes=notes)
    why = (
        "J is empty (theorem 1, case 2): tied fitted values hide residuals, "
        "and a strictly better network of width 2 exists"
    )
    return SplitEvidence(fit=fit, reason=why, case=2, notes=notes)


def certified_splits(fit: LeastSquares, activation: PiecewiseLinear, reach: float) -> SplitSearch:
    """The certified search of the splits kernel on a fit, in its scaled units."""
    # twice a finite bound may be beyond float64
    bounds = (2.0 * fit.fitted_error, fit.sum_error, fit.term_error)
    if not all(map(math.isfinite, bounds)):
        m = fit.data.n_samples
        return SplitSearch(
            position=None,
            S=0.0,
            gap=0.0,
            lower=math.nan,
            upper=math.nan,
            drop=0.0,
            n_certified=0,
            n_undecided=m - 1,
        )
    rule = SplitRule(activation.kappa, reach, *bounds)

    def in_arrays(fitted: Array, residual: Array, weights: Array | None) -> SplitSearch:
        return search_splits(fitted, residual, weights, rule, positions=False)

    return fit.samples.search_splits(in_arrays, rule.kappa, rule.reach, rule.errors)


def _affine_notes(fit: LeastSquares) -> tuple[str, ...]:
    """What the reader should know of targets that are affine but for rounding."""
    return (*_rounding_note(fit), *_decimal_note(fit))


def _rounding_note(fit: LeastSquares) -> tuple[str, ...]:
    """Say so when the targets are an affine function of the inputs up to rounding.

    Targets computed in float64 as w x + b, in any order, with the roundings of the inputs and of the result, are off by
    e_i <= gamma_(dx+4) T_i, T_i = sum_j |w_j x_ij| + |b| + |y_i| (Higham 2002, section 3.1; dx + 1 terms, a rounding each of
    x, w, and y). Least squares is at least as close in the weighted 2-norm, so sum_i w_i r_i^2 <= W e^2 with W the sum
    of weights and e = gamma_(dx+4) max T_i. The residuals of the fit in hand are computed with a rounding of the same
    bound, hence the factor 2; w is read from the fit. Where columns cancel, T is so large that this says nothing: e must
    be far below the targets (2^-20 of them, a choice).
    """
    frame = fit.frame
    # in the frame: the offsets of inputs and targets take part in the rounding
    with np.errstate(over="ignore", invalid="ignore"):
        terms = float(np.abs(fit.slopes) @ (fit.column_max + np.abs(frame.centre)))
    size = fit.y_max + abs(frame.centre_y)
    bound = 2.0 * gamma_n(fit.data.n_features + 4) * (terms + abs(fit.value_at_centre) + size)
    root = math.sqrt(math.ldexp(frame.total_weight, -frame.exponent_w))
    residual = math.sqrt(fit.squared_norm)
    # a sample of little weight may lie anywhere: it has its share of the bound to keep too
    far = fit.sums.largest > math.sqrt(frame.n_samples) * bound
    if not (math.isfinite(root) and residual <= root * bound and bound <= 2.0**-20 * size) or far:
        return ()
    mean, most = (float(np.ldexp(v, frame.exponent_y)) for v in (residual / root, bound))
    return (
        "the targets are an affine function of the inputs up to rounding: in root mean square the residuals are "
        f"{mean:.2g}, and computing such targets in float64 may round by {most:.2g}",
    )


def _decimal_note(fit: LeastSquares) -> tuple[str, ...]:
    """Say so when the data, read as the decimals they print as, are affine although the float64 values are not."""
    data = fit.data
    if data.exact is not None or data.n_samples * (data.n_features + 1) > _DECIMAL_WORK:
        return ()
    largest = fit.sums.largest
    # decimals within half an ulp move a fitted value by at most a few ulps of its terms: only then look
    size = (
        float(np.abs(fit.slopes) @ (fit.column_max + np.abs(fit.frame.centre)))
        + abs(fit.value_at_centre)
        + abs(fit.frame.centre_y)
    )
    if largest > (data.n_features + 4) * 2.0**-50 * size:
        return ()
    X = np.array([[Fraction(Decimal(repr(v))) for v in row] for row in data.X.tolist()], dtype=object)
    y = np.array([Fraction(Decimal(repr(v))) for v in data.y.tolist()], dtype=object)
    decimal = Dataset(X.reshape(data.X.shape), y, sample_weight=data.sample_weight)
    if not ExactFit.of(decimal).linearly_fittable:
        return ()
    return (
        "read as decimals these data are exactly affine; the result is about the float64 values, which are not",
    )
