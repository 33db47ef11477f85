"""The certified radius of a deep network whose units all stay inside one affine segment of the activation.

(a) The cell. While every preactivation of every sample lies inside the open segment, h(t) = kappa t + tau there, the
    network is an affine map of the inputs, and its loss is at least that of the best affine map (of the best of rank
    min_l d_l, if that is smaller).
(b) How far hidden layers may move. a_l = kappa z_l + tau; S_l(i) = |(a_{l-1}(x_i), 1)|; N_l >= |W_l|_2; n_lu = |row u of
    W_l|; M_lu(i) the distance of z_lu(x_i) from the ends. If for all l, u, i

        R^2 [S_l^2 + (n_lu + R)^2 T_l] < M_lu^2,    T_1 = 0, T_l = kappa^2 (S_{l-1}^2 + (N_{l-1} + R)^2 T_{l-1}),

    with N_1 in no term, then all networks whose hidden layers together move by at most R (Frobenius) stay in the cell,
    whatever their output layer. Proof: along the segment of parameters, up to the first exit, delta z_l = (W_l + delta W_l)
    kappa delta z_{l-1} + [delta W_l, delta b_l](a_{l-1}, 1), so |delta z_l| <= r_l S_l + (N_l + R) kappa |delta z_{l-1}|
    with sum r_l^2 <= R^2, the same for one row with n_lu for N_l; unroll, and Cauchy-Schwarz in (r_1, ..., r_l).
(c) Rigour. Inside the cell each z_lu is an affine function of x with rational coefficients. Its distances from the ends
    are evaluated by the filter of `exact.signs`, with a proved bound, and in integers where that bound is more than 2^-20 of
    the value. S is bounded from above the same way. N and n come from rational sums of squares (N also from row and column
    sums), rounded up. The left side has non-negative terms only; a factor covers its roundings, and no square underflows
    (R >= 2^-500, S >= 1). The last R is verified on all samples, whatever the search did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.affine import Columns, affine_numerators
from fastminima.exact.dyadic import round_down, sqrt_above
from fastminima.exact.matrix import RationalMatrix
from fastminima.exact.roundoff import U
from fastminima.exact.signs import filter_of, preactivation_blocks
from fastminima.networks.activations.affine_segment import AffineSegment

__all__ = ["CellForms", "cell_forms", "certified_radius"]

Floats = NDArray[np.float64]
Form = tuple[Fraction, ...]

# below this R squares of small numbers could underflow
_LEAST = 2.0**-500
_SMALLEST_NORMAL = 2.0**-1022
# a computed distance counts where its bound is below this share of it
_CLEAR = 2.0**-20
# samples that one step of the search adds
_ADDED = 256


@dataclass(frozen=True)
class CellForms:
    """A network inside its cell, as affine functions of (1, x).

    Attributes
    ----------
    hidden : list of RationalMatrix, (d_l, dx + 1)
        Preactivations of each hidden layer, the constant first.
    output : RationalMatrix, (dy, dx + 1)
    """

    hidden: list[RationalMatrix]
    output: RationalMatrix


def cell_forms(layers: tuple[tuple[Floats, Floats], ...], segment: AffineSegment) -> CellForms:
    """What the layers compute where all preactivations lie inside the segment."""
    (W, b), *rest = layers
    forms = [RationalMatrix.of_floats(np.hstack([b[:, None], W]))]
    for W, b in rest:
        z = forms[-1]
        active = z.times(segment.slope) + _constant(np.full(z.shape[0], 1.0), z.shape).times(segment.offset)
        forms.append(RationalMatrix.of_floats(W) @ active + _constant(b, (len(b), z.shape[1])))
    return CellForms(forms[:-1], forms[-1])


def _constant(values: Floats, shape: tuple[int, int]) -> RationalMatrix:
    table = np.zeros(shape)
    table[:, 0] = values
    return RationalMatrix.of_floats(table)


@dataclass(frozen=True)
class _Layer:
    """S_l^2 (m,) from above; M_lu (m, units) from below and n_lu (units,) from above; N_l from above."""

    size: Floats
    room: Floats
    rows: Floats
    norm: float


def certified_radius(
    layers: tuple[tuple[Floats, Floats], ...], forms: CellForms, segment: AffineSegment, data: Any
) -> float:
    """R of (b), from below; 0.0 where the samples are not proved to lie in the cell, inf where h is affine everywhere.

    Parameters
    ----------
    layers : pairs (W, b), the output layer last
    forms : CellForms
        Of the same layers.
    segment : AffineSegment
    data : dataset with one target
    """
    if segment.whole:
        return math.inf
    found = _layers(layers, forms, segment, Columns(data))
    if found is None or not all((layer.room > 0.0).all() for layer in found):
        return 0.0
    slope = math.nextafter(abs(float(segment.slope)), math.inf)
    return _largest(found, slope)


def _layers(
    layers: tuple[tuple[Floats, Floats], ...], forms: CellForms, segment: AffineSegment, columns: Columns
) -> list[_Layer] | None:
    """What the condition is about; None where float64 does not hold the forms."""
    with np.errstate(over="ignore"):
        # |x| of a rounded view is off by u of itself; dx + 1 squares and sums
        size = (1.0 + np.einsum("ij,ij->i", columns.X, columns.X)) * (1.0 + (columns.n_features + 8) * 2 * U)
    result = []
    for (W, _), z in zip(layers[:-1], forms.hidden, strict=True):
        rows, norm = _norms(W)
        room_forms, room_units, active, counts = _distinct(z, rows, segment)
        k = len(room_forms)
        values = _evaluated(columns, [*room_forms, *active], k)
        if values is None:
            return None
        lower, upper = values
        owner = sorted(set(room_units))
        room = np.full((len(size), len(owner)), math.inf)
        for j, unit in enumerate(room_units):
            at = owner.index(unit)
            room[:, at] = np.minimum(room[:, at], lower[:, j])
        result.append(_Layer(size, room, np.array([unit[1] for unit in owner]), norm))
        with np.errstate(over="ignore"):
            square = upper[:, k:] ** 2
            size = (1.0 + square @ np.array(counts, dtype=float)) * (1.0 + (len(counts) + 8) * 2 * U)
    return result


def _norms(W: Floats) -> tuple[list[float], float]:
    """Norms of the rows, and a bound on the spectral norm, from above."""
    exact = RationalMatrix.of_floats(W)
    size = abs(exact.numerators)
    squares = [int(v) for v in (size * size).sum(axis=1)]
    rows = [sqrt_above(v * exact.scale**2) for v in squares]
    sums = int(size.sum(axis=0).max(initial=0)) * int(size.sum(axis=1).max(initial=0))
    return rows, sqrt_above(min(sum(squares), sums) * exact.scale**2)


def _distinct(
    z: RationalMatrix, rows: list[float], segment: AffineSegment
) -> tuple[list[Form], list[tuple[int, float]], list[Form], list[int]]:
    """Distances from the ends, the unit each belongs to, activations and how many units have each; equal units once."""
    kinds: dict[Form, int] = {}
    counts: list[int] = []
    units: dict[tuple[int, float], Form] = {}
    for form, norm in zip(map(tuple, z.rows()), rows, strict=True):
        kind = kinds.setdefault(form, len(kinds))
        counts += [0] * (kind == len(counts))
        counts[kind] += 1
        units[kind, norm] = form
    room: list[Form] = []
    owner: list[tuple[int, float]] = []
    for unit, form in units.items():
        if segment.low is not None:
            room.append((form[0] - segment.low, *form[1:]))
            owner.append(unit)
        if segment.high is not None:
            room.append((segment.high - form[0], *(-v for v in form[1:])))
            owner.append(unit)
    active = [(segment.value(form[0]), *(segment.slope * v for v in form[1:])) for form in kinds]
    return room, owner, active, counts


def _evaluated(columns: Columns, forms: list[Form], sharp: int) -> tuple[Floats, Floats] | None:
    """Forms on all samples: from below, the first `sharp` of them closely, and their sizes from above, (m, forms)."""
    table = RationalMatrix.of(forms).rounded()
    exact_zero = np.array([[v == 0 for v in form] for form in forms])
    if not np.isfinite(table).all() or (~exact_zero & (np.abs(table) < _SMALLEST_NORMAL)).any():
        return None
    W, b = np.ascontiguousarray(table[:, 1:]), np.ascontiguousarray(table[:, 0])
    lower, upper = np.empty((columns.n_samples, len(forms))), np.empty((columns.n_samples, len(forms)))
    for block in preactivation_blocks(columns, filter_of(columns, W, b, rounded=True)):
        part = slice(block.begin, block.begin + len(block.z))
        lower[part] = np.nextafter(block.z - block.error, -math.inf)
        upper[part] = np.nextafter(np.abs(block.z) + block.error, math.inf)
    for j, form in enumerate(forms[:sharp]):
        # written so that a NaN is doubtful too
        doubtful = np.flatnonzero(~(upper[:, j] - lower[:, j] <= _CLEAR * upper[:, j]))
        if len(doubtful):
            numerators, scale = affine_numerators(columns, [*form, Fraction(0)], doubtful)
            lower[doubtful, j] = [round_down(int(v) * scale) for v in numerators]
    return lower, upper


def _holds(layers: list[_Layer], slope: float, R: float) -> NDArray[np.bool_]:
    """Does the condition hold, sample by sample?"""
    # at most 12 roundings a layer, each of a term that is not negative
    slack = 1.0 + (12 * len(layers) + 20) * 2 * U
    result = np.ones(len(layers[0].size), dtype=bool)
    # T_l, None where it is 0: norms of the first layer, which may be as large as can be, are in no term
    later: Floats | None = None
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in layers:
            moved = layer.size[:, None]
            if later is not None:
                moved = moved + (layer.rows + R) ** 2 * later[:, None]
            result &= (R * R * moved * slack < layer.room * layer.room * (1.0 - 4 * U)).all(axis=1)
            # a product overflows to inf, a power of Python's floats would raise
            reach = layer.norm + R
            later = slope * slope * (layer.size if later is None else layer.size + reach * reach * later)
    return result


def _largest(layers: list[_Layer], slope: float) -> float:
    """An R for which the condition holds on all samples, about the largest."""
    with np.errstate(over="ignore", invalid="ignore"):
        ratios = [layer.room.min(axis=1) / np.sqrt(layer.size) for layer in layers]
    most = float(min(np.nanmin(ratio) for ratio in ratios))
    if not _LEAST < most < math.inf:
        return 0.0
    active = np.unique([int(np.nanargmin(ratio)) for ratio in ratios])
    R = 0.0
    while True:
        chosen = [_Layer(a.size[active], a.room[active], a.rows, a.norm) for a in layers]
        R = _bisected(chosen, slope, most)
        if R < _LEAST:
            return 0.0
        failing = np.flatnonzero(~_holds(layers, slope, R))
        if not len(failing):
            return R
        most = R
        tightest = np.argsort(np.min([ratio[failing] for ratio in ratios], axis=0))[:_ADDED]
        active = np.union1d(active, failing[tightest])


def _bisected(layers: list[_Layer], slope: float, most: float) -> float:
    low, high = 0.0, most
    for _ in range(60):
        middle = 0.5 * (low + high)
        if _holds(layers, slope, middle).all():
            low = middle
        else:
            high = middle
        if high - low <= 2 * U * high:
            break
    return low
