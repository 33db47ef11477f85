"""Claims about a float64 network, decided in float64 with proved error bounds; the exact route where they are weak.

For the float affine function W of a `LeastSquares` (residual r = W x~ - y, distance tau to the exact fit), a
network f and d_i = f(x_i) - W x~_i:

    l(W) - l(f) = D = -sum w_i d_i (r_i + d_i/2)          and          l(W) - l_LS <= tau^2/2,

so l_LS - l(f) >= D_low - tau^2/2, with no cancellation between two risks. D_low subtracts the rounding of every
step. When the sign stays open, both risks are computed exactly (fastminima.exact).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import round_down, round_fraction, round_up
from fastminima.exact.risk import exact_network_risk
from fastminima.exact.roundoff import SLACK, gamma_n
from fastminima.exact.stream import PassNetwork
from fastminima.fit.bounds import affine_error
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.threads import single_threaded_blas
from fastminima.theorems.theorem1.splits.search import SplitSearch

from .certify_split import certify_split
from .drop import Drop
from .unit_in_frame import UnitInFrame, unit_in_frame

__all__ = ["certify_drop", "float_drop"]

Array = NDArray[np.float64]


def certify_drop(
    network: OneHiddenLayer, fit: LeastSquares, *, exact: bool = True, split: SplitSearch | None = None
) -> Drop:
    """Enclose l_LS - l(network); both risks exact on the exact data.

    Parameters
    ----------
    network : OneHiddenLayer
    fit : LeastSquares
    exact : bool, default True
        Go on in rational arithmetic when float64 leaves the sign open.
    split : SplitSearch, optional
        The certified split the network pushes apart: where its sums settle the sign, no pass over the data is made.
    """
    if split is not None:
        drop = certify_split(network, fit, split)
        if drop.better:
            return drop
    with single_threaded_blas():
        drop = float_drop(network, fit)
        if drop.better is not None or not exact:
            return drop
        value = fit.exact.risk - exact_network_risk(PassNetwork.of(network), fit.data, fit.exact.gram)
    return Drop(round_down(value), round_up(value), "exact")


@dataclass(frozen=True)
class _Form:
    """d = f(x) - W x~ = sum_k v_k h(z_k) - x' slopes + offset, in the frame; `error` bounds its rounding on any sample."""

    units: list[UnitInFrame]
    offset: float
    error: float


def _form_of(network: OneHiddenLayer, fit: LeastSquares) -> _Form | None:
    """None where float64 cannot hold a unit or bound the rounding."""
    frame, (s_plus, s_minus) = fit.frame, network.slopes
    W1, b1, W2, b2 = network.parameters()
    constant = Fraction(b2)
    units: list[UnitInFrame] = []
    live = W2 != 0.0
    for row, bias, weight in zip(W1[live], b1[live].tolist(), W2[live].tolist(), strict=True):
        if not row.any():
            constant += Fraction(weight) * Fraction(bias) * Fraction(s_plus if bias > 0 else s_minus)
            continue
        unit = unit_in_frame(frame, fit.column_max, row, bias, weight)
        if unit is None:
            return None
        units.append(unit)
    offset = round_fraction(
        constant / Fraction(2) ** frame.exponent_y - Fraction(frame.centre_y) - Fraction(fit.value_at_centre)
    )
    steepest = max(s_plus, s_minus)
    linear = float(np.abs(fit.slopes) @ fit.column_max)
    # h may underflow (by 2^-1074 a unit, before its weight), and so may weight * slope here
    lipschitz = [abs(unit.weight) * steepest + 2.0**-1074 for unit in units]
    outputs = sum(slope * unit.largest for slope, unit in zip(lipschitz, units, strict=True))
    error = sum(slope * unit.error for slope, unit in zip(lipschitz, units, strict=True))
    error += sum(abs(unit.weight) * 2.0**-1074 for unit in units)
    error += affine_error(frame, fit.column_max, fit.slopes, 0.0)
    error += gamma_n(len(units) + 6) * SLACK * (outputs + linear + abs(offset))
    error *= SLACK
    return _Form(units, offset, error) if math.isfinite(error) else None


def float_drop(network: OneHiddenLayer, fit: LeastSquares) -> Drop:
    """Enclose l_LS - l(network) in float64, in one pass over the samples; -inf and inf where nothing can be said."""
    nothing = Drop(-math.inf, math.inf, "float")
    frame, (s_plus, s_minus) = fit.frame, network.slopes
    form = _form_of(network, fit) if frame.regular else None
    if form is None:
        return nothing
    directions = np.stack([fit.slopes, *(unit.slopes for unit in form.units)], axis=1)
    levels = np.array([unit.level for unit in form.units])
    weights = np.array([unit.weight for unit in form.units])
    total = absolute = size_r = size_d = 0.0
    for rows, X, y, w in frame.blocks():
        with np.errstate(over="ignore", invalid="ignore"):
            # then the totals are not finite, and nothing is said
            Z = X @ directions
            hidden = Z[:, 1:] + levels
            hidden *= np.where(hidden > 0.0, s_plus, s_minus)
            d = hidden @ weights
            d -= Z[:, 0]
            d += form.offset
            r = fit.block_residual(rows, X, y)
            half = r + 0.5 * d
            wd = d if w is None else w * d
            total -= float(wd @ half)
            absolute += float(np.abs(wd) @ np.abs(half))
            size_d += float(np.abs(wd).sum())
            size_r += float(np.abs(r).sum() if w is None else w @ np.abs(r))
    lost = form.error * (size_r + 0.5 * size_d)
    lost += (size_d + frame.total_weight * form.error) * (fit.residual_error + 0.5 * form.error)
    lost += frame.summation * absolute
    lost *= SLACK
    # outward: the few roundings of these two lines, whatever the sign
    upper = total + lost + (abs(total) + lost) * 2.0**-50
    upper += abs(upper) * (SLACK - 1.0)
    lower = total - lost - 0.5 * fit.tau * fit.tau * SLACK
    lower -= (abs(total) + lost) * 2.0**-50 + abs(lower) * (SLACK - 1.0)
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return nothing
    return Drop(frame.risk_bound(lower, -math.inf), frame.risk_bound(upper, math.inf), "float")
