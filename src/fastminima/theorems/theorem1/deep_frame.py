"""What candidates for a better deep network are made from: the data in floats, and plans of layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.losses.row_sum import RowSum
from fastminima.networks.activations.affine_segment import AffineSegment
from fastminima.networks.activations.lines import lines_of

from .affine_optimum import AffineOptimum

__all__ = ["Frame", "Plan", "ends", "frame_of", "scales"]

Floats = NDArray[np.float64]

# how far beyond an end, in units of the spread of t, the samples of a curved activation reach
_REACHES = (0.5, 2.0, 8.0, 64.0)


@dataclass(frozen=True)
class Frame:
    """The data centred and scaled, outputs and residuals of the best map, and A x = Q P x' with orthonormal columns Q.

    `push` are weighted slopes of the loss, `heft` bounds on weighted curvatures. `residual` are slopes over the largest
    curvature: of squared loss f - y, else how far a step goes that is safe.
    """

    X: Floats
    centre: Floats
    scale: Floats
    loss: RowSum
    weight: Floats
    outputs: Floats
    residual: Floats
    push: Floats
    heft: Floats
    P: Floats
    Q: Floats


@dataclass(frozen=True)
class Plan:
    """Up to `layer`: `carried` rows of x'; there: `linear` rows of those, and one unit z = <kink, carried> + at."""

    layer: int
    carried: Floats
    linear: Floats
    kink: Floats
    at: float


def frame_of(fits: AffineOptimum) -> Frame:
    """The best affine map and its data in floats."""
    data = fits.data
    # a constant column stays out of all units: its x' is 0
    constant = np.ptp(data.X, axis=0) == 0.0
    centre = np.where(constant, data.X[0], data.X.mean(axis=0))
    spread = np.abs(data.X - centre).max(axis=0, initial=0.0)
    # powers of two round nothing
    scale = np.where(constant, 1.0, np.ldexp(1.0, np.frexp(spread)[1]))
    X = (data.X - centre) / scale
    weight = np.ones(len(X)) if data.sample_weight is None else data.sample_weight
    loss = fits.loss_sum
    slopes = np.array([[float(c) for c in row] for row in fits.slopes]).reshape(loss.n_outputs, -1)
    level = np.array([float(c) for c in fits.intercepts]) + slopes @ centre
    slopes = slopes * scale
    U, S, V = np.linalg.svd(slopes, full_matrices=False)
    r = fits.rank
    Z = X @ slopes.T + level
    push, most = loss.phi.slopes(Z, loss.floats), loss.phi.lipschitz
    heft = weight * most
    P = S[:r, None] * V[:r]
    return Frame(X, centre, scale, loss, weight, Z, push / most, push * weight[:, None], heft, P, U[:, :r])


def ends(segment: AffineSegment) -> list[tuple[float, int]]:
    """Ends of the segment, and the side on which it is left; the corner where the end is none."""
    if segment.corner is not None:
        return [(float(segment.corner), -1)]
    found = [(float(segment.low), -1)] if segment.low is not None else []
    return found + ([(float(segment.high), 1)] if segment.high is not None else [])


def scales(segment: AffineSegment, h: Any, spread: float, inside: float) -> list[float]:
    """Scales of a kink's preactivation; `inside` is how far t reaches on the side that stays in the segment."""
    lines = lines_of(h)
    if lines is not None and len(lines.breaks) == 1:
        # one kink, at any scale
        return [1.0 / spread]
    found = [reach / spread for reach in _REACHES]
    if segment.low is not None and segment.high is not None:
        # samples on that side stay in the segment: the unit is a hinge
        found.append(0.99 * float(segment.high - segment.low) / inside if inside > 0.0 else 1.0 / spread)
    return found
