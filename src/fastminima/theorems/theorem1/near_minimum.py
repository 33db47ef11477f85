"""Minima up to an epsilon that no float64 sees: activations that are affine nowhere, and nearly so far out.

With h(t) = t + d(t), 0 <= |d(t)| <= eta for all t >= T:

    softplus  log(1 + e^t) - t = log(1 + e^-t) <= e^-T
    SiLU      t - t / (1 + e^-t) = t / (1 + e^t) <= T e^-T       (falls from t = 1.28 on)
    GELU      t - t Phi(t) = t Phi(-t) <= .4 e^(-T^2 / 2)        (Mills)
    Mish      t - t tanh log(1 + e^t) = 2 t / ((1 + e^t)^2 + 1) <= 2 T e^(-2 T)

a network of one hidden layer whose preactivations are all >= T is an affine map plus e, |e_k(x_i)| <= eta |v_k|_1, v_k the
output weights. Where these move by at most R (Frobenius), |v_k|_1 grows by at most sqrt(d_1) R. So all networks whose
parameters together move by at most R, and whose output biases are any, have

    squared loss        L >= (sqrt(2 L*) - E)^2 / 2 >= L* - sqrt(2 L*) E,   E^2 = sum_i w_i sum_k |e_k|^2
    Lipschitz losses    L >= L* - l sum_i w_i sum_k |e_k|,   l = 1 (logistic, softmax), delta (Huber)

where (L of softmax) sum_k |p_k - t_k| |e_k| <= sum_k |e_k|. The first holds where sqrt(2 L*) >= E, and L >= 0 else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.dyadic import round_up, sqrt_above
from fastminima.losses.pointwise import Huber, Squared
from fastminima.networks.activations.affine_segment import AffineSegment, affine_segment
from fastminima.networks.activations.named import activation as named
from fastminima.networks.activations.smooth import Smooth

from .affine_optimum import AffineOptimum

__all__ = ["NearLine", "near_line", "segment_for"]

Floats = NDArray[np.float64]

# below e
_E = Fraction(27182818, 10**7)
_NEAR = {
    "softplus": (64, 1 / _E**64),
    "silu": (64, 64 / _E**64),
    "gelu": (16, Fraction(2, 5) / _E**128),
    "mish": (64, 128 / _E**128),
}


@dataclass(frozen=True)
class NearLine:
    """h(t) is within eta of t for t >= low.

    Attributes
    ----------
    segment : AffineSegment
        [low, inf), slope 1.
    eta : Fraction
    """

    segment: AffineSegment
    eta: Fraction

    def epsilon(self, fits: AffineOptimum, W: Floats, radius: float) -> float:
        """How far below the least loss of an affine map networks within the radius may lie, rounded up."""
        weights = fits.loss_sum.weights
        mass = Fraction(fits.data.n_samples) if weights is None else sum(map(Fraction, weights), Fraction(0))
        reach = Fraction(math.nextafter(math.sqrt(W.shape[1]), math.inf)) * Fraction(radius)
        sizes = [self.eta * (sum((abs(Fraction(v)) for v in row), Fraction(0)) + reach) for row in W.tolist()]
        phi = fits.loss_sum.phi
        if isinstance(phi, Squared):
            error = Fraction(sqrt_above(mass * sum(s * s for s in sizes)))
            return round_up(Fraction(sqrt_above(2 * fits.loss)) * error)
        lipschitz = Fraction(phi.delta) if isinstance(phi, Huber) else Fraction(1)
        return round_up(lipschitz * mass * sum(sizes))

    def excess(self, fits: AffineOptimum, W: Floats, affine: Fraction) -> Fraction:
        """Loss of the network minus the least one, from above, where its affine part has the excess `affine`."""
        weights = fits.loss_sum.weights
        mass = Fraction(fits.data.n_samples) if weights is None else sum(map(Fraction, weights), Fraction(0))
        sizes = [self.eta * sum((abs(Fraction(v)) for v in row), Fraction(0)) for row in W.tolist()]
        phi = fits.loss_sum.phi
        if isinstance(phi, Squared):
            error = Fraction(sqrt_above(mass * sum(s * s for s in sizes)))
            return affine + Fraction(sqrt_above(2 * (fits.loss + affine))) * error + error * error / 2
        lipschitz = Fraction(phi.delta) if isinstance(phi, Huber) else Fraction(1)
        return affine + lipschitz * mass * sum(sizes)


def near_line(activation: Any) -> NearLine | None:
    """Where an activation of this kind is nearly a line; None for all others."""
    if not isinstance(activation, Smooth) or activation.name not in _NEAR:
        return None
    # another function may have the name
    if activation != named(activation.name):
        return None
    T, eta = _NEAR[activation.name]
    segment = AffineSegment(Fraction(T), None, Fraction(1), Fraction(0), corner=Fraction(0))
    return NearLine(segment, eta)


def segment_for(activation: Any, depth: int) -> tuple[AffineSegment | None, NearLine | None]:
    """Where the units of so many hidden layers lie, and what is known where that is nearly a line only."""
    segment = affine_segment(activation)
    near = near_line(activation) if segment is None and depth == 1 else None
    return (segment if near is None else near.segment), near
