"""The drop of a pushed split, enclosed from sums already known: no pass over the data.

The network of theorem 1, step 2, case 1 is a function of the fitted value, up to the rounding of its parameters. In the
frame let t(x') = slopes x' + level be the float fit W, and z_k the preactivation of a live unit, k = 1, 2. With
q_k = a_kj / slopes_j for the largest coefficient j,

    z_k = q_k t + h_k + e_k,   |e_k| <= E_k = sum_j |a_kj - q_k slopes_j| max|x'_j|       (all rational, exact)
    f   = F(t) + e,            F(t) = B + sum_k v_k h(q_k t + h_k),   |e| <= E = sum_k |v_k| max(s+, s-) E_k

F(t) - t is piecewise linear with two kinks, near the ends of the gap. So d_i = f(x_i) - t_i is d_L on all samples up to the
split and d_R above it, within eps: E, the slopes of the outer pieces of F - t (rounding again) over the range of t, and
the steepest slope times the overlap of the kinks with the samples. Then, with S = sum of w_i r_i up to the split, R = sum
of all w_i r_i, A = sum of w_i |r_i| and M = sum of w_i,

    l(W) - l(f) = -sum w_i d_i (r_i + d_i/2)
                = (d_R - d_L) S - d_R R - (d_L^2 M_L + d_R^2 M_R)/2 -+ eps (A + max|d| M + eps M/2)
"""

from __future__ import annotations

import math
from fractions import Fraction

from fastminima.exact.affine import common_numerators, common_products
from fastminima.exact.dyadic import next_above, next_below, power_of_two, round_fraction
from fastminima.exact.matrix import dot
from fastminima.exact.roundoff import SLACK, U
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.theorems.theorem1.splits.search import SplitSearch

from .drop import Drop

__all__ = ["certify_split"]


def certify_split(network: OneHiddenLayer, fit: LeastSquares, split: SplitSearch) -> Drop:
    """Enclose l_LS - l(network) for a network that pushes the two sides of a split apart.

    Parameters
    ----------
    network : OneHiddenLayer
        Two live units with nonzero rows at most; for others nothing is said (bounds -inf, inf).
    fit : LeastSquares
    split : SplitSearch
        A certified position, in the scaled units of the fit.

    Notes
    -----
    `method` is "float": all sums are float64 with their rounding subtracted, the coefficients exact.
    """
    nothing = Drop(-math.inf, math.inf, "float")
    frame, sums = fit.frame, fit.sums
    # beyond these sizes sums are scaled, and a scaled value may lose digits
    plain = 2.0**-290 <= sums.largest <= 2.0**290
    if split.position is None or not (frame.regular and plain and math.isfinite(split.S)):
        return nothing
    pieces = _pieces(network, fit)
    if pieces is None:
        return nothing
    F, kinks, outer, steepest, off = pieces
    lower, upper = Fraction(split.lower), Fraction(split.upper)
    left, right = F(lower) - lower, F(upper) - upper
    reach = 2 * (Fraction(max(sums.highest, -sums.lowest)) + Fraction(fit.dot_error))
    room = Fraction(fit.dot_error)
    over = max(Fraction(0), lower - min(kinks), max(kinks) - upper) if kinks else Fraction(0)
    eps = next_above(off + outer * reach + steepest * (room + over))
    high = max(abs(left), abs(right))
    d_max, jump = next_above(high), round_fraction(right - left)
    m, mass = fit.data.n_samples, frame.total_weight
    size = (sums.absolute * (1.0 + frame.summation) + mass * fit.residual_error) * SLACK
    total = abs(sums.gradient[0]) + (mass * fit.residual_error + frame.summation * size) * SLACK
    # S: its terms, the products with weights, the double-double sums (errors of at most 2m + 10^4 additions, each carried
    # through no more than 4m + 10^4 others), and its own rounding
    lost = fit.term_error * (split.position + 1) + 2.0 * U * size * frame.weighted
    lost += (4.0 * m + 1e4) * U * (2.0 * m + 1e4) * U * size + 2.0 * U * abs(split.S)
    gain = jump * split.S
    error = abs(jump) * lost + d_max * total + eps * (size + (d_max + 0.5 * eps) * mass)
    error = (error + 4.0 * U * abs(gain)) * SLACK
    lower_value = gain - error - 0.5 * d_max * d_max * mass * SLACK - 0.5 * fit.tau * fit.tau * SLACK
    low = max(next_below(min(abs(left), abs(right))), 0.0)
    upper_value = gain + error - 0.5 * low * low * (mass / SLACK / SLACK) / SLACK
    spread = (abs(gain) + error + d_max * d_max * mass + fit.tau * fit.tau) * 2.0**-50
    lower_value, upper_value = lower_value - spread, upper_value + spread
    if not (math.isfinite(lower_value) and math.isfinite(upper_value)):
        return nothing
    return Drop(frame.risk_bound(lower_value, -math.inf), frame.risk_bound(upper_value, math.inf), "float")


class _Piecewise:
    """F(t) = constant + sum_k v_k h(q_k t + h_k), exactly."""

    def __init__(
        self, constant: Fraction, units: list[tuple[Fraction, Fraction, Fraction]], s: tuple[float, float]
    ):
        self.constant, self.units = constant, units
        self.s_plus, self.s_minus = Fraction(s[0]), Fraction(s[1])
        self._slopes = [v * q for v, q, _ in units]

    def __call__(self, t: Fraction) -> Fraction:
        total = self.constant
        for v, q, h in self.units:
            z = q * t + h
            total += v * (self.s_plus if z > 0 else self.s_minus) * z
        return total

    def slope(self, side: int) -> Fraction:
        """Of the outermost piece: -1 for t -> -inf, 1 for t -> inf."""
        s = [self.s_plus if q * side > 0 else self.s_minus for _, q, _ in self.units]
        return dot(self._slopes, s)

    def steepest(self) -> Fraction:
        """A bound on |F' - 1|."""
        s = max(self.s_plus, self.s_minus)
        return 1 + s * sum(abs(v) for v in self._slopes)

    def kinks(self) -> list[Fraction]:
        return [-h / q for _, q, h in self.units if q]


def _pieces(
    network: OneHiddenLayer, fit: LeastSquares
) -> tuple[_Piecewise, list[Fraction], Fraction, Fraction, Fraction] | None:
    """F, its kinks, the largest outer slope of F - t, a bound on all its slopes, and E."""
    frame, n = fit.frame, fit.data.n_features
    W1, b1, W2, b2 = network.parameters()
    live = [k for k in range(len(W2)) if W2[k]]
    if len(live) > 2 or not n or not fit.slopes.any():
        return None
    unit = power_of_two(frame.exponent_y)
    # integers over one scale a vector: the sums below are those of the module's text, without a fraction a term
    slopes, slope_unit = common_numerators(fit.slopes.tolist())
    sizes, size_unit = common_numerators(fit.column_max.tolist())
    centre, centre_unit = common_numerators(frame.centre.tolist())
    j = max(range(n), key=lambda k: abs(slopes[k]) * sizes[k])
    if not slopes[j]:
        return None
    scales = [power_of_two(e) for e in frame.exponents.tolist()]
    units, off = [], Fraction(0)
    steep = Fraction(max(network.slopes))
    for k in live:
        a, a_unit = common_products(W1[k].tolist(), scales)
        level = (
            Fraction(float(b1[k])) + sum(x * c for x, c in zip(a, centre, strict=True)) * a_unit * centre_unit
        )
        q = Fraction(a[j], slopes[j]) * a_unit / slope_unit
        # a_i - q slopes_i = (a_i slopes_j - a_j slopes_i) / slopes_j
        apart = sum(abs(x * slopes[j] - a[j] * s) * size for x, s, size in zip(a, slopes, sizes, strict=True))
        rest = Fraction(apart, abs(slopes[j])) * a_unit * size_unit * Fraction(SLACK)
        v = Fraction(float(W2[k])) / unit
        off += abs(v) * steep * rest
        units.append((v, q, level - q * Fraction(fit.value_at_centre)))
    F = _Piecewise(Fraction(b2) / unit - Fraction(frame.centre_y), units, network.slopes)
    outer = max(abs(F.slope(-1) - 1), abs(F.slope(1) - 1))
    return F, F.kinks(), outer, F.steepest(), off
