"""Claims about a float64 network, decided in float64 with proved error bounds; the exact route where they are weak.

For the float affine function W of a `LeastSquares` (residual r = W x~ - y, distance tau to the exact fit), a
network f and d_i = f(x_i) - W x~_i:

    l(W) - l(f) = D = -sum w_i d_i (r_i + d_i/2)          and          l(W) - l_LS <= tau^2/2,

so l_LS - l(f) >= D_low - tau^2/2, with no cancellation between two risks. D_low subtracts the rounding of every
step. When the sign stays open, both risks are computed exactly (fastminima.exact).
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .._passes import SLACK, Frame, U, gamma
from .._rounding import affine_error
from .._threads import single_threaded_blas
from ..exact.dyadic import round_fraction
from ..exact.margin import exact_margin
from ..exact.risk import exact_network_risk
from ..least_squares import LeastSquares
from ..network import OneHiddenLayer
from ..splits import Search
from .drop import Drop
from .split_bound import certify_split

__all__ = ["Drop", "Margin", "certify_drop", "certify_margin", "excess_bound", "positive_affine"]

Array = NDArray[np.float64]

# A radius proved in float64 keeps all but a millionth of the distance.
_TIGHT = 1e6


@dataclass(frozen=True)
class _Unit:
    """One hidden unit in the frame: z = x' @ slopes + level, rounded, with its bound and its output weight."""

    slopes: Array
    level: float
    weight: float
    error: float
    largest: float


def _unit(frame: Frame, column_max: Array, row: Array, bias: float, weight: float) -> _Unit | None:
    """The unit in scaled inputs; None where float64 cannot hold it."""
    with np.errstate(over="ignore", under="ignore"):
        slopes = np.ldexp(row, frame.exponents)
        if not np.isfinite(slopes).all() or not np.array_equal(np.ldexp(slopes, -frame.exponents), row):
            return None
    level = Fraction(bias)
    for s, c in zip(slopes.tolist(), frame.centre.tolist(), strict=True):
        if s:
            level += Fraction(s) * Fraction(c)
    rounded = round_fraction(level)
    try:
        scaled_weight = math.ldexp(weight, -frame.exponent_y)
    except OverflowError:
        return None
    if not math.isfinite(rounded) or math.ldexp(scaled_weight, frame.exponent_y) != weight:
        return None
    # the level is a rounded rational: one more relative error u, inside gamma_{n+4} of affine_error
    with np.errstate(over="ignore", invalid="ignore"):
        error = affine_error(frame, column_max, slopes, rounded)
        largest = (float(np.abs(slopes) @ column_max) + abs(rounded)) * SLACK + error
    return _Unit(slopes, rounded, scaled_weight, error, largest) if math.isfinite(largest) else None


def certify_drop(
    network: OneHiddenLayer, fit: LeastSquares, *, exact: bool = True, split: Search | None = None
) -> Drop:
    """Enclose l_LS - l(network); both risks exact on the exact data.

    Parameters
    ----------
    network : OneHiddenLayer
    fit : LeastSquares
    exact : bool, default True
        Go on in rational arithmetic when float64 leaves the sign open.
    split : Search, optional
        The certified split the network pushes apart: where its sums settle the sign, no pass over the data is made.
    """
    if split is not None:
        drop = certify_split(network, fit, split)
        if drop.better:
            return drop
    with single_threaded_blas():
        drop = _float_drop(network, fit)
        if drop.better is not None or not exact:
            return drop
        value = fit.exact.risk - exact_network_risk(
            *network.parameters(), *network.slopes, fit.data, fit.exact.gram
        )
    return Drop(_towards(value, -math.inf), _towards(value, math.inf), "exact")


def _towards(value: Fraction, side: float) -> float:
    """A float64 on the given side of the rational; 0 from above only where the rational is not positive."""
    number = round_fraction(value)
    if math.isinf(number) or (Fraction(number) > value if side < 0 else Fraction(number) < value):
        number = math.nextafter(number, side)
    return number


def _float_drop(network: OneHiddenLayer, fit: LeastSquares) -> Drop:
    nothing = Drop(-math.inf, math.inf, "float")
    frame, (s_plus, s_minus) = fit.frame, network.slopes
    if not frame.regular:
        return nothing
    W1, b1, W2, b2 = network.parameters()
    constant = Fraction(b2)
    units: list[_Unit] = []
    live = W2 != 0.0
    for row, bias, weight in zip(W1[live], b1[live].tolist(), W2[live].tolist(), strict=True):
        if not row.any():
            constant += Fraction(weight) * Fraction(bias) * Fraction(s_plus if bias > 0 else s_minus)
            continue
        unit = _unit(frame, fit.column_max, row, bias, weight)
        if unit is None:
            return nothing
        units.append(unit)
    offset = round_fraction(
        constant / Fraction(2) ** frame.exponent_y - Fraction(frame.centre_y) - Fraction(fit.level)
    )
    steepest = max(s_plus, s_minus)
    # rounding of d = sum_k v_k h(z_k) - x'w + offset, over all samples
    linear = float(np.abs(fit.slopes) @ fit.column_max)
    # h may underflow (by 2^-1074 a unit, before its weight), and so may weight * slope here
    lipschitz = [abs(unit.weight) * steepest + 2.0**-1074 for unit in units]
    outputs = sum(slope * unit.largest for slope, unit in zip(lipschitz, units, strict=True))
    error = sum(slope * unit.error for slope, unit in zip(lipschitz, units, strict=True))
    error += sum(abs(unit.weight) * 2.0**-1074 for unit in units)
    error += affine_error(frame, fit.column_max, fit.slopes, 0.0)
    error += gamma(len(units) + 6) * (outputs + linear + abs(offset))
    error *= SLACK
    if not math.isfinite(error):
        return nothing
    directions = np.stack([fit.slopes, *(unit.slopes for unit in units)], axis=1)
    levels = np.array([unit.level for unit in units])
    weights = np.array([unit.weight for unit in units])
    total = absolute = size_r = size_d = 0.0
    for rows, X, y, w in frame.blocks():
        Z = X @ directions
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # then the totals are not finite, and nothing is said
            hidden = Z[:, 1:] + levels
            hidden *= np.where(hidden > 0.0, s_plus, s_minus)
            d = hidden @ weights
            d -= Z[:, 0]
            d += offset
        r = fit.block_residual(rows, X, y)
        half = r + 0.5 * d
        wd = d if w is None else w * d
        total -= float(wd @ half)
        absolute += float(np.abs(wd) @ np.abs(half))
        size_d += float(np.abs(wd).sum())
        size_r += float(np.abs(r).sum() if w is None else w @ np.abs(r))
    lost = error * (size_r + 0.5 * size_d)
    lost += (size_d + frame.total_weight * error) * (fit.residual_error + 0.5 * error)
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


@dataclass(frozen=True)
class Margin:
    """min over units k and samples i of z_k(x_i)/||x~_i||: a proved lower bound (<= 0: not proved positive)."""

    radius: float
    method: str


def certify_margin(network: OneHiddenLayer, fit: LeastSquares) -> Margin:
    """Certified radius of theorem 1, step 1 for the float64 network: its distance to the nearest activation boundary."""
    with single_threaded_blas():
        radius = _envelope_margin(network, fit) if fit.envelope is not None else 0.0
        if radius > 0.0:
            return Margin(radius, "float")
        radius = _float_margin(network, fit)
        if radius > 0.0:
            return Margin(radius, "float")
        W1, b1, _, _ = network.parameters()
        exact = exact_margin(W1, b1, fit.data)
    return Margin(max(exact, 0.0), "exact")


def _float_margin(network: OneHiddenLayer, fit: LeastSquares) -> float:
    frame = fit.frame
    if frame.entry_error or frame.exponents.any():
        return 0.0  # row norms of the data as given are the exact route's business
    W1, b1, _, _ = network.parameters()
    active = W1.any(axis=1)
    dead = float(b1[~active].min()) if not active.all() else math.inf
    units = [
        _unit(frame, fit.column_max, row, bias, 0.0)
        for row, bias in zip(W1[active], b1[active].tolist(), strict=True)
    ]
    if any(unit is None for unit in units) or dead <= 0.0:
        return 0.0
    known = [unit for unit in units if unit is not None]
    directions = (
        np.stack([unit.slopes for unit in known], axis=1) if known else np.empty((frame.n_features, 0))
    )
    # lower end of each unit's enclosure, as one shift of its level
    levels = np.array([unit.level for unit in known])
    errors = np.array([unit.error for unit in known])
    smallest, largest_norm, loss = math.inf, 1.0, 0.0
    for rows, X, _, _ in frame.blocks():
        norms = frame.norms(rows, X)
        largest_norm = max(largest_norm, float(norms.max()))
        if known:
            Z = X @ directions + levels
            Z -= errors
            smallest = min(smallest, float((Z.min(axis=1) / norms).min()))
            loss = max(loss, float(errors.max() / norms.min()))
    if not math.isfinite(largest_norm):
        return 0.0
    # ||x~|| is a sum of n + 1 squares under a root: relative error below gamma_{n+4}; the quotient and the
    # subtraction of the error add three roundings
    shrink = (1.0 - gamma(frame.n_features + 8)) / SLACK
    radius = min(smallest, dead / largest_norm) * shrink
    # below the normal numbers rounding is not relative, and where the bound takes a share of the margin the radius
    # would not be tight: both are the exact route's business
    loose = smallest < loss * _TIGHT
    return radius if radius >= sys.float_info.min and not loose else 0.0


def _envelope_margin(network: OneHiddenLayer, fit: LeastSquares) -> float:
    """The margin of a network whose one live row is a multiple of the fit, from the samples that can attain it.

    Row z = a x' + b is c (t + h) + e with t the fit, c = a_j / slopes_j at its largest coefficient, h = b/c - level, and
    |e| <= sum_j |a_j - c slopes_j| max|x'_j|.
    """
    frame, envelope = fit.frame, fit.envelope
    W1, b1, _, _ = network.parameters()
    active = np.flatnonzero(W1.any(axis=1))
    unknown = envelope is None or not (envelope.t.size and envelope.t_max < math.inf)
    if envelope is None or unknown or frame.entry_error or frame.exponents.any() or len(active) > 1:
        return 0.0
    fixed = b1[~W1.any(axis=1)]
    dead = float(fixed.min()) if len(fixed) else math.inf
    if dead <= 0.0:
        return 0.0
    smallest = math.inf
    for k in active.tolist():
        a, slopes = [Fraction(v) for v in W1[k].tolist()], [Fraction(v) for v in fit.slopes.tolist()]
        j = int(np.abs(fit.slopes * fit.column_max).argmax())
        if not slopes[j] or a[j] / slopes[j] <= 0:
            return 0.0
        c = a[j] / slopes[j]
        level = Fraction(float(b1[k])) + sum(
            (s * Fraction(v) for s, v in zip(a, frame.centre.tolist(), strict=True)), Fraction(0)
        )
        h = round_fraction(level / c - Fraction(fit.level))
        off = sum(
            (
                abs(s - c * w) * Fraction(x)
                for s, w, x in zip(a, slopes, fit.column_max.tolist(), strict=True)
            ),
            Fraction(0),
        )
        # rounding of t and h, what the envelope leaves out, and e
        slip = (fit.dot_error + 4.0 * U * abs(h) + envelope.slack(h) + round_fraction(off / c)) * SLACK
        room = envelope.t + h
        nearest = int(((room - slip) / envelope.norm).argmin())
        # where the bound takes a share of the margin the radius would not be tight
        if room[nearest] < slip * _TIGHT:
            return 0.0
        smallest = float((room[nearest] - slip) / envelope.norm[nearest]) * round_fraction(c)
    if not math.isfinite(envelope.largest_norm):
        return 0.0
    shrink = (1.0 - gamma(frame.n_features + 12)) / SLACK
    radius = min(smallest, dead / envelope.largest_norm) * shrink
    return radius if radius >= sys.float_info.min else 0.0


def positive_affine(network: OneHiddenLayer) -> tuple[list[Fraction], Fraction]:
    """The affine function of a network all of whose preactivations are positive: exact slopes and intercept."""
    W1, b1, W2, b2 = network.parameters()
    s_plus = Fraction(network.slopes[0])
    slopes = [Fraction(0)] * W1.shape[1]
    intercept = Fraction(b2)
    # dead units are many where the width is large
    live = W2 != 0.0
    for row, bias, weight in zip(W1[live].tolist(), b1[live].tolist(), W2[live].tolist(), strict=True):
        factor = s_plus * Fraction(weight)
        intercept += factor * Fraction(bias)
        slopes = [total + factor * Fraction(v) if v else total for total, v in zip(slopes, row, strict=True)]
    return slopes, intercept


def excess_bound(affine: tuple[list[Fraction], Fraction], fit: LeastSquares) -> float:
    """Proved upper bound on the risk of an affine function minus l_LS, in the units of the data.

    Exact where the fit is; else 1/2 (sum_k |delta_k| N_k + tau)^2, delta the difference to the float fit and
    N_k the column norms (triangle inequality).
    """
    if fit.method == "exact":
        return _towards(fit.exact.excess(*affine), math.inf)
    slopes, level = fit.frame.to_frame(*affine)
    delta = [
        level - Fraction(fit.level),
        *(a - Fraction(b) for a, b in zip(slopes, fit.slopes.tolist(), strict=True)),
    ]
    length = sum(abs(round_fraction(d)) * float(n) for d, n in zip(delta, fit.column_norm, strict=True))
    length += fit.tau
    return fit.frame.risk_bound(0.5 * length * length * SLACK, math.inf)
