"""Where no lower point can be: the cone of a local minimum and the largest ball in it.

(a) At a local minimum theta* no point of
        K = {a_k a*_k >= 0;  z_gk z*_gk >= 0 where a*_k c G_g < 0 and z*_gk != 0;  a_k = 0 where a*_k = 0;  b2 free}
    has a lower risk, however far: l(theta) - l* >= sum_k a_k sum_g G_g h(z_gk), and each unit's share is at least
    a_k phi_k(u_k) >= 0, because h lies above (below) its lines where a_k c G_g > 0 (< 0) and equals them where the sign
    is kept. Only samples that push against the kink bound the region.
(b) A unit with phi_k = 0 everywhere may instead keep all its strict signs, with a_k of any sign.
(c) Hence the radius R = min_k R_k, R_k = min(|a_k|, min{|z_gk| / |x~_g| : a_k c G_g < 0}), for phi_k = 0 the larger of
    this and min{|z_gk| / |x~_g| : G_g != 0}. R^2 is rational; it is infinite where all G are 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import NetworkError
from fastminima.exact.affine import Columns, affine_numerators
from fastminima.exact.dyadic import sqrt_floor
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

from .sides import preactivations
from .stationarity import Stationarity

__all__ = ["Region", "region_of"]

# inputs whose distance float64 cannot tell from the least are compared exactly
_NEAR = 1.0 + 2.0**-20


@dataclass(frozen=True, eq=False, repr=False)
class Region:
    """The cone K of a local minimum.

    Attributes
    ----------
    network : RationalNetwork
        The minimum.
    radius_squared : Fraction or None
        R^2 in the Euclidean norm of all parameters; None where no point anywhere is lower.
    """

    network: RationalNetwork
    radius_squared: Fraction | None
    _columns: Columns
    _side: NDArray[np.int8]
    # (n_groups, d1): samples whose sign bounds the cone, and those with G != 0
    _against: NDArray[np.bool_]
    _counted: NDArray[np.bool_]
    _flat: NDArray[np.bool_]

    def __repr__(self) -> str:
        size = "everything" if self.radius_squared is None else f"R^2 = {float(self.radius_squared):.6g}"
        return f"Region({int(self._against.sum())} signs that bound it, {size})"

    def contains(self, other: OneHiddenLayer | RationalNetwork) -> bool:
        """Whether a network lies in the cone, decided exactly: then its risk is not lower.

        Raises
        ------
        NetworkError
            If the network has another width, number of inputs or activation.
        """
        theirs = RationalNetwork.of(other)
        mine = self.network
        if (theirs.width, theirs.n_features) != (
            mine.width,
            mine.n_features,
        ) or theirs.activation != mine.activation:
            raise NetworkError(
                f"the region is about networks of width {mine.width} with {mine.n_features} inputs and "
                f"{mine.activation!r}; got width {theirs.width}, {theirs.n_features} inputs, {theirs.activation!r}"
            )
        if self.radius_squared is None:
            return True
        side = preactivations(self._columns, theirs.rows).side
        for k, (a, old) in enumerate(zip(theirs.output, mine.output, strict=True)):
            turned = side[:, k] * self._side[:, k] < 0
            inside = (a == 0 if old == 0 else a * old >= 0) and not (turned & self._against[:, k]).any()
            if not inside and not (self._flat[k] and not (turned & self._counted[:, k]).any()):
                return False
        return True


def region_of(sums: Stationarity) -> Region:
    """The region of a network that is known to be a local minimum."""
    network, sides = sums.network, sums.sides
    flat = np.array([not inputs and not any(p) for inputs, p in zip(sums.boundary, sums.P, strict=True)])
    push = np.array([(a * sums.c > 0) - (a * sums.c < 0) for a in network.output], dtype=np.int8)
    G = sums.G_sides
    against = (G[:, None] * push < 0) & (sides != 0)
    counted = np.broadcast_to((G != 0)[:, None] & (sides != 0), sides.shape)
    columns = sums.columns.take(sums.first)
    radius: Fraction | None = None
    if not sums.all_zero:
        squares = []
        for k, a in enumerate(network.output):
            found = [a * a, _nearest_square(sums, columns, k, against[:, k])]
            square = min((v for v in found if v is not None), default=Fraction(0))
            if flat[k]:
                kept = _nearest_square(sums, columns, k, counted[:, k])
                if kept is None:
                    continue
                square = max(square, kept)
            squares.append(square)
        radius = min(squares, default=None)
    return Region(network, radius, columns, sides, against, np.array(counted), flat)


def _nearest_square(
    sums: Stationarity, columns: Columns, unit: int, mask: NDArray[np.bool_]
) -> Fraction | None:
    """min z^2 / |x~|^2 over some distinct inputs, exactly; None where there are none."""
    groups = np.flatnonzero(mask)
    if not len(groups):
        return None
    value, error = np.abs(sums.z.value[groups, unit]), sums.z.error[groups, unit]
    X = columns.X[groups]
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        norm = np.sqrt(np.einsum("ij,ij->i", X, X) + 1.0)
        lower, upper = np.maximum(value - error, 0.0) / norm / _NEAR, (value + error) / norm * _NEAR
    lower = np.where(np.isfinite(lower), lower, 0.0)
    upper = np.where(np.isfinite(upper), upper, math.inf)
    near = groups[lower <= upper.min()]
    row = sums.network.rows[unit]
    z, scale = affine_numerators(columns, [row[-1], *row[:-1], Fraction(0)], near)
    best = None
    for group, numerator in zip(near.tolist(), z.tolist(), strict=True):
        square = (numerator * scale) ** 2 / sum((v * v for v in sums.x(group)), Fraction(0))
        best = square if best is None else min(best, square)
    return best


def rounded_radius(square: Fraction | None) -> float:
    """sqrt(square) rounded down to float64; inf for None."""
    return math.inf if square is None else sqrt_floor(square)
