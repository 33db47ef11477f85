"""Layers whose units all stay inside the affine segment and compute the best affine map, rounded to float64.

Layer 1: unit j <= rho is z = c_1 + s_j (P_j x - middle), P the rows of A that span it; further units are constants c_1.
Layers l >= 2: z_l = c_l + t (z_{l-1} - c_{l-1}) unit by unit. The output is Q times what they carry, A = Q P, and the bias
is chosen for the rounded rest. On [lo, inf) c_l = lo + alpha t^(l-1), mirrored on (-inf, hi]; in a bounded segment c_l is
its middle and t = 1. s_j is a power of two that keeps the range of z_1 within a quarter of the room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy
from numpy.typing import NDArray

from fastminima.errors import NetworkError
from fastminima.exact.dyadic import bit_size, power_of_two, round_fraction
from fastminima.exact.matrix import RationalMatrix, Rationals, dot, solve
from fastminima.networks.activations.affine_segment import AffineSegment

from .affine_optimum import AffineOptimum, rank_of
from .certify_cell import cell_forms

__all__ = ["GAIN", "Scales", "layers_in_segment"]

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]

GAIN = 8.0
"""Of each layer over the one before, where nothing else is said."""


@dataclass(frozen=True)
class Scales:
    """Where the layers lie: alpha, the room of the first, and gain, by which each next one has more."""

    alpha: float
    gain: float


def layers_in_segment(
    fits: AffineOptimum, segment: AffineSegment, widths: tuple[int, ...], scales: Scales
) -> tuple[Pair, ...]:
    """Pairs (W, b) of all layers; widths are at least `fits.rank`.

    Raises
    ------
    NetworkError
        A parameter leaves the range of float64.
    """
    P, Q = _factors(fits.slopes, fits.rank, fits.data.X)
    centre, room, gain = _place(segment, scales)
    middles, factors = _spread(P, fits.data.X, room / 4)
    rank = fits.rank
    W = np.zeros((widths[0], fits.data.n_features))
    b = np.full(widths[0], round_fraction(centre(0)))
    for j, (row, middle, s) in enumerate(zip(P, middles, factors, strict=True)):
        W[j] = [round_fraction(s * v) for v in row]
        b[j] = round_fraction(centre(0) - s * middle)
    layers = [(W, b)]
    # what z_l carries of s_j (P_j x - middle), and where its middle lies, exactly
    carried, at = Fraction(1), centre(0)
    for k, (width, before) in enumerate(zip(widths[1:], widths, strict=False), 1):
        W, b = np.zeros((width, before)), np.full(width, round_fraction(centre(k)))
        weight = round_fraction(gain / segment.slope)
        W[range(rank), range(rank)] = weight
        carried *= Fraction(weight) * segment.slope
        b[:rank] = round_fraction(centre(k) - Fraction(weight) * segment.value(at))
        at = Fraction(weight) * segment.value(at) + Fraction(float(b[0])) if rank else centre(k)
        layers.append((W, b))
    W = np.zeros((len(fits.slopes), widths[-1]))
    for k, weights in enumerate(Q):
        W[k, :rank] = [
            round_fraction(q / (segment.slope * carried * s)) for q, s in zip(weights, factors, strict=True)
        ]
    layers.append((W, np.zeros(len(W))))
    if all(np.isfinite(W).all() and np.isfinite(b).all() for W, b in layers):
        result = with_output_bias(fits, tuple(layers), segment)
        if np.isfinite(result[-1][1]).all():
            return result
    raise NetworkError(
        "a parameter leaves the range of float64; take alpha and gain nearer to 1, or rescale columns and targets "
        "by powers of two"
    )


def _place(segment: AffineSegment, scales: Scales) -> tuple[Callable[[int], Fraction], Fraction, Fraction]:
    """The middle of each hidden layer (counted from 0), the room about the first, and the gain."""
    low, high = segment.low, segment.high
    if low is not None and high is not None:
        return lambda k: (low + high) / 2, (high - low) / 2, Fraction(1)
    alpha, gain = Fraction(scales.alpha), Fraction(scales.gain)
    if low is not None:
        return lambda k: low + alpha * gain**k, alpha, gain
    if high is not None:
        return lambda k: high - alpha * gain**k, alpha, gain
    return lambda k: Fraction(0), Fraction(4), Fraction(1)


def _factors(slopes: Rationals, rank: int, X: Floats) -> tuple[Rationals, Rationals]:
    """(P, Q) with A = Q P, P of `rank` rows of A; floats choose which, elimination decides whether they will do."""
    if not rank:
        return [], [[] for _ in slopes]
    if rank == len(slopes):
        return slopes, RationalMatrix.identity(rank).rows()
    with np.errstate(all="ignore"):
        table = np.nan_to_num(RationalMatrix.of(slopes).rounded() * X.std(axis=0), posinf=0.0, neginf=0.0)
    rows = _independent(slopes, rank, table)
    P = [slopes[k] for k in rows]
    columns = _independent([list(c) for c in zip(*P, strict=True)], rank, table[rows].T)
    square = RationalMatrix.of([[row[c] for row in P] for c in columns])
    solved = solve(square, RationalMatrix.of([[row[c] for row in slopes] for c in columns]))
    assert solved is not None  # the columns are independent
    return P, solved.T.rows()


def _independent(rows: Rationals, rank: int, table: Floats) -> list[int]:
    """So many independent rows, the largest first."""
    order = scipy.linalg.qr(table.T, mode="r", pivoting=True)[1].tolist()
    chosen: list[int] = []
    for k in order:
        if rank_of([rows[c] for c in [*chosen, k]]) > len(chosen):
            chosen.append(k)
        if len(chosen) == rank:
            break
    return chosen


def _spread(P: Rationals, X: Floats, range_wanted: Fraction) -> tuple[list[Fraction], list[Fraction]]:
    """The middle of each P_j x over the samples, and a power of two that brings its range to at most the wanted one."""
    middles, factors = [], []
    for row in P:
        exact = RationalMatrix.of([row])
        # the row by its size, so that no product overflows
        values, exponent = exact.normalised()
        at = X @ values[0]
        low, high = Fraction(float(at.min())), Fraction(float(at.max()))
        unit = power_of_two(exponent)
        middles.append((low + high) / 2 * unit)
        spread = (high - low) * unit
        factors.append(power_of_two(bit_size(range_wanted / spread) - 1) if spread else Fraction(1))
    return middles, factors


def with_output_bias(
    fits: AffineOptimum, layers: tuple[Pair, ...], segment: AffineSegment
) -> tuple[Pair, ...]:
    """The layers with the output bias that is right at the centre of the data, whatever was rounded before."""
    rest = cell_forms(layers, segment).output.rows()
    centre = [Fraction(1), *(Fraction(v) for v in fits.data.X.mean(axis=0).tolist())]
    bias = [
        round_fraction(dot([intercept, *slopes], centre) - dot(row, centre))
        for intercept, slopes, row in zip(fits.intercepts, fits.slopes, rest, strict=True)
    ]
    W, _ = layers[-1]
    return (*layers[:-1], (W, np.array(bias)))
