"""Width 1: whether a network with one hidden unit has a lower risk than the linear fit.

Theorem 1 promises a better network of width 2. With one unit f(x) = b2 + a h(w x + b) is an affine function bent along one
hyperplane, its gradients on the two sides in the fixed ratio s+ : s-, and the linear fit may be the best of them.

(a) One input, decided exactly. With c = a|w| and, for w < 0, -c in place of c,

        f(x) = v + c g(x - t),    g(z) = s_R z for z > 0, s_L z for z < 0,    (s_L, s_R) = (s-, s+) or (s+, s-),

    with v, c and the knot t free. That is complete: w = 0 is c = 0, and a knot outside the samples gives the affine
    functions (s+ > 0) or constants. Let the distinct inputs be x_1 < ... < x_K and t in [x_k, x_(k+1)]. With s_i = s_L for
    x_i <= x_k, else s_R, and d = c t,

        f(x_i) = v + c s_i x_i - d s_i,

    linear in (v, c, d), where t in the interval says c x_k <= d <= c x_(k+1) or both reversed: a closed double wedge in
    the plane (c, d). A convex quadratic has its minimum on each closed wedge, either at its minimum over the whole
    space or on an edge. An edge is d = c x_k or d = c x_(k+1), a knot at a sample: least squares on (1, g(x - x_k)). If the
    free minimum is not unique it is a line along which (c, d) moves (the column of v is not 0), and no line stays within
    a pointed wedge: it meets an edge, which has the same risk. So the best risk of width 1 is the smallest of finitely
    many: for both orders of the slopes, a knot at each x_k, and between each two neighbours the free minimum where
    it is unique and its knot d/c lies between them.
    Several inputs on one line (rank 2) are one input: every column is an affine function of one of them.
(b) Comparison. With G and B sums of products about the weighted means, least squares on (1, g) lowers sum w (y - mean)^2
    by B_g^2/G_gg, on (1, p, q) by c B_p + d B_q with Cramer's c, d: compared with B_x^2/G_xx by multiplying out. All
    are integers, from running sums over the sorted inputs.
(c) Several inputs. Given the side of each sample, f is again linear in (v, p, d), z = p x - d: least squares, new sides
    from its z, and so on, from knots along the fit. Floating point only proposes here: a network that is proved better
    makes the minimum spurious, and without one the status is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import TooLargeError
from fastminima.exact.affine import Columns, common_numerators
from fastminima.exact.dyadic import round_fraction
from fastminima.exact.matrix import dot
from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer

from .certify_drop import certify_drop
from .rounded_networks import power_of_two_scale
from .status import MinimumStatus

__all__ = ["best_of_width_one", "better_knot"]

Array = NDArray[np.float64]
Sums = tuple[int, int, int, int, int]

# Distinct inputs up to which all knots are decided exactly (a second or two); rows that (c) looks at. Only choices.
_KNOTS, _ROWS = 30_000, 20_000
# Start knots along the fit, and repetitions of (c). Only choices.
_STARTS, _STEPS = 9, 12


def best_of_width_one(fit: LeastSquares, activation: PiecewiseLinear) -> tuple[MinimumStatus, str]:
    """Status and reason of the minimum with one hidden unit, for data of which theorem 1 holds.

    "spurious" where a network of width 1 is proved better than the linear fit, "global" where none is, by (a).
    """
    try:
        if fit.rank == 2:
            decided = _on_a_line(fit, activation)
            if decided is not None:
                return decided
        for network in _proposals(fit, activation):
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite proves nothing
                better = certify_drop(network, fit).better
            if better:
                return MinimumStatus.SPURIOUS, (
                    "a strictly better network of width 1 exists: one was found, its exact risk proved below the exact "
                    "least-squares risk"
                )
    except TooLargeError as error:
        return MinimumStatus.UNDECIDED, (
            "width 1: theorem 1 promises a better network of width 2 only, and the search for one of width 1 is closed: "
            f"{error}"
        )
    size = f"more than {_KNOTS:,} distinct inputs" if fit.rank == 2 else f"{fit.data.n_features} inputs"
    return MinimumStatus.UNDECIDED, (
        "width 1: theorem 1 promises a better network of width 2 only, none of width 1 was found, and with "
        f"{size} it is not decided whether one exists"
    )


def _on_a_line(fit: LeastSquares, activation: PiecewiseLinear) -> tuple[MinimumStatus, str] | None:
    """(a) along the one column that all others are affine functions of, None where there are too many knots."""
    columns, n = Columns(fit.data), fit.data.n_features
    column = 0 if n == 1 else fit.exact.pivots[1] - 1
    name = "x" if n == 1 else fit.data.feature_names[column] if fit.data.feature_names else f"x{column + 1}"
    (x, x_scale), (y, _) = columns.integers(column), columns.integers(n)
    weights, _ = columns.weight_integers()
    w = [1] * len(y) if weights is None else [int(v) for v in weights]
    sums: dict[int, list[int]] = {}
    for key, value, weight in zip(map(int, x), map(int, y), w, strict=True):
        known = sums.setdefault(key, [0, 0])
        known[0] += weight
        known[1] += weight * value
        if len(sums) > _KNOTS:
            return None
    knot = better_knot(sums, (Fraction(activation.s_plus), Fraction(activation.s_minus)))
    if knot is None:
        return MinimumStatus.GLOBAL, (
            "the linear fit is the best network of width 1: no bend at or between the inputs has a lower risk (every "
            "position decided exactly); a strictly better network of width 2 exists"
        )
    return MinimumStatus.SPURIOUS, (
        f"a strictly better network of width 1 exists: a bend at {name} = {round_fraction(knot * x_scale):.6g} has a lower "
        "risk (decided exactly)"
    )


def better_knot(sums: dict[int, list[int]], slopes: tuple[Fraction, Fraction]) -> Fraction | None:
    """A knot whose best function has a lower risk than the linear fit; None where none has, by (a) and (b).

    Parameters
    ----------
    sums : dict
        Distinct input to [sum w, sum w y] of its samples, integers.
    slopes : (s+, s-)
    """
    keys = sorted(sums)
    terms = [
        (w, w * x, w * x * x, wy, wy * x) for x, (w, wy) in ((x, (sums[x][0], sums[x][1])) for x in keys)
    ]
    running = list(accumulate(terms, _added))
    total = running[-1]
    gxx, bx = total[0] * total[2] - total[1] ** 2, total[0] * total[4] - total[1] * total[3]
    (plus, minus), _ = common_numerators(list(slopes))
    for k in range(len(keys) - 1):
        left = running[k]
        right: Sums = tuple(b - a for a, b in zip(left, total, strict=True))  # type: ignore[assignment]
        for sides in ((minus, plus), (plus, minus)):
            found = _better_between((keys[k], keys[k + 1]), (left, right), sides, (gxx, bx))
            if found is not None:
                return found
    return None


def _added(a: Sums, b: Sums) -> Sums:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4]


def _better_between(
    ends: tuple[int, int], parts: tuple[Sums, Sums], sides: tuple[int, int], linear: tuple[int, int]
) -> Fraction | None:
    """A knot of one interval, ends included, that beats the linear fit (gxx, bx) with these slopes left and right."""
    (l0, l1, l2, ly, lxy), (r0, r1, r2, ry, rxy) = parts
    (a, b), (gxx, bx) = sides, linear
    total, mean_y = l0 + r0, ly + ry
    u, e = a * l1 + b * r1, a * l0 + b * r0
    guu = total * (a * a * l2 + b * b * r2) - u * u
    gue = total * (a * a * l1 + b * b * r1) - u * e
    gee = total * (a * a * l0 + b * b * r0) - e * e
    bu, be = total * (a * lxy + b * rxy) - u * mean_y, total * (a * ly + b * ry) - e * mean_y
    for t in ends:
        size, along = guu - 2 * t * gue + t * t * gee, bu - t * be
        if size > 0 and along * along * gxx > bx * bx * size:
            return Fraction(t)
    det, c, minus_d = guu * gee - gue * gue, gee * bu - gue * be, guu * be - gue * bu
    if det > 0 and c and (c * bu + minus_d * be) * gxx > bx * bx * det:
        knot = Fraction(-minus_d, c)
        if ends[0] < knot < ends[1]:
            return knot
    return None


# ---- several inputs ------------------------------------------------------------------------------------------------


def _proposals(fit: LeastSquares, activation: PiecewiseLinear) -> Iterator[OneHiddenLayer]:
    """Networks of width 1 from (c), the lowest float64 risk first."""
    step = -(-fit.data.n_samples // _ROWS)
    rows = np.arange(0, fit.data.n_samples, step)
    X = fit.frame.gather(rows)
    y = (fit.fitted_centred - fit.residual_scaled)[rows]
    weights = fit.frame.weights
    root = np.ones(len(rows)) if weights is None else np.sqrt(weights[rows])
    slopes = (activation.s_plus, activation.s_minus)
    found: list[tuple[float, int, Array, float, float]] = []
    with np.errstate(all="ignore"):
        linear = float(np.square(fit.residual_scaled[rows] * root).sum())
        fitted = X @ fit.slopes
        for knot in np.quantile(fitted, np.arange(1, _STARTS + 1) / (_STARTS + 1)).tolist():
            for sign in (1, -1):
                for orientation in (1.0, -1.0):
                    z = orientation * (fitted - knot)
                    found += _descend((X, y, root), z, sign, slopes)
    found = sorted((item for item in found if item[0] < linear), key=lambda item: item[0])
    for _, sign, direction, offset, level in found[:_STARTS]:
        network = _rounded(fit, activation, sign, (direction, offset, level))
        if network is not None:
            yield network


def _descend(
    rows: tuple[Array, Array, Array], z: Array, sign: int, slopes: tuple[float, float]
) -> list[tuple[float, int, Array, float, float]]:
    """(risk, sign, p, d, v) of f = v + sign h(sign (p x - d)), from the sides of z."""
    X, y, root = rows
    best: list[tuple[float, int, Array, float, float]] = []
    for _ in range(_STEPS):
        side = np.where(sign * z > 0.0, *slopes)
        features = np.column_stack([np.ones(len(y)), side, X * side[:, None]]) * root[:, None]
        if not np.isfinite(features).all():
            break
        try:
            solution: Array = np.linalg.lstsq(features, y * root, rcond=None)[0].astype(
                np.float64, copy=False
            )
        except np.linalg.LinAlgError:
            break
        z = X @ solution[2:] + solution[1]
        values = solution[0] + z * np.where(sign * z > 0.0, *slopes)
        risk = float(np.square((values - y) * root).sum())
        if not np.isfinite(risk) or (best and risk >= best[0][0]):
            break
        best = [(risk, sign, solution[2:], -float(solution[1]), float(solution[0]))]
    return best


def _rounded(
    fit: LeastSquares, activation: PiecewiseLinear, sign: int, model: tuple[Array, float, float]
) -> OneHiddenLayer | None:
    """v + sign h(sign (p x' - d)) in the frame, as float64 parameters in the units of the data."""
    direction, offset, level = model
    if not np.isfinite([*direction, offset, level]).all():
        return None
    frame = fit.frame
    unit = Fraction(2) ** frame.exponent_y
    powers = [Fraction(2) ** int(e) for e in frame.exponents]
    centre = [Fraction(c) * p for c, p in zip(frame.centre.tolist(), powers, strict=True)]
    raw = [sign * Fraction(v) * unit / p for v, p in zip(direction.tolist(), powers, strict=True)]
    shift = sign * Fraction(offset) * unit
    scale = power_of_two_scale([*raw, shift], Fraction(1))
    if scale is None:
        return None
    row = [round_fraction(scale * v) for v in raw]
    if not np.isfinite(row).all():
        return None
    bias = round_fraction(-scale * shift - dot([Fraction(v) for v in row], centre))
    out = round_fraction(sign / scale)
    b2 = round_fraction((Fraction(level) + Fraction(frame.centre_y)) * unit)
    if not np.isfinite([bias, out, b2]).all():
        return None
    return OneHiddenLayer(np.array([row]), np.array([bias]), np.array([out]), b2, activation)
