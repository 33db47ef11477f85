"""Along a line through the kinks of a piecewise quadratic: cross those beyond which it still falls, stop at the others.

Moving q by t delta changes preactivations at constant speed; sample i of unit k reaches its boundary at t = -z / dz. Between
such events l'(t) is linear. The events are sorted once; each costs O(1): the sample's own share of l' and l'' changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .face import Face

__all__ = ["Stop", "walk"]

F64 = NDArray[np.float64]

# a speed this small beside what its terms allow is rounding
_STILL = 1e-12


@dataclass(frozen=True)
class Stop:
    """Where a line search ended.

    Attributes
    ----------
    t : float
    crossed : list of (sample, unit)
    kink : (sample, unit) or None
        The boundary at which the risk turns up; None at a minimum between kinks.
    fell : float
        How much the risk fell, by the quadratic pieces.
    """

    t: float
    crossed: list[tuple[int, int]]
    kink: tuple[int, int] | None
    fell: float


def walk(face: Face, delta: F64, bias: float) -> Stop:
    """From a face along (delta, bias), a direction of descent."""
    x, w = face.samples.x, face.samples.w
    z, speed = face.z, x @ delta.T
    still = np.abs(speed) <= _STILL * np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(delta, axis=1)
    speed[still] = 0.0
    for k, rows in enumerate(face.held):
        speed[rows, k] = 0.0
    slope = face.slope()
    e, de = face.residual(z), (slope * speed).sum(axis=1) + bias
    first, second = float(w @ (e * de)), float(w @ (de * de))
    # only a sample that moves away from the side it counts with meets its boundary
    leaves = (speed != 0.0) & ((speed > 0.0) != face.up) & (face.sign != 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.where(leaves, np.maximum(-z / speed, 0.0), np.inf)
    events = np.flatnonzero(times.ravel() < np.inf)
    events = events[np.argsort(times.ravel()[events], kind="stable")]
    e_at, t, fell = e.copy(), 0.0, 0.0
    since = np.zeros(len(e))
    jump = face.slopes[0] - face.slopes[1]
    crossed: list[tuple[int, int]] = []
    d1 = z.shape[1]
    for event in events.tolist():
        i, k = divmod(event, d1)
        at = float(times[i, k])
        if second > 0.0 and first + second * (at - t) >= 0.0:
            break
        fell -= (at - t) * (first + 0.5 * second * (at - t))
        first += second * (at - t)
        t = at
        # this sample's output, and how it moves beyond the boundary: the slope changes with the direction of the move
        e_at[i] += de[i] * (t - since[i])
        since[i] = t
        turn = jump * face.sign[k] * abs(speed[i, k])
        new = de[i] + turn
        beyond = first + w[i] * e_at[i] * turn
        if beyond >= 0.0:
            return Stop(t, crossed, (i, k), fell)
        second += w[i] * (new * new - de[i] * de[i])
        first, de[i] = beyond, new
        crossed.append((i, k))
    step = -first / second if second > 0.0 else 0.0
    fell -= step * (first + 0.5 * second * step)
    return Stop(t + max(step, 0.0), crossed, None, fell)
