"""Is a loss's gradient its value's? Difference quotients decide, within bounds of their own."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from fastminima.errors import LossError
from fastminima.exact.dyadic import round_fraction

from .base import Floats, ProductLoss

__all__ = ["check_gradient"]

# a value is trusted to ten bits less than float64 has: sums of thousands of terms in some order
_VALUE_ACCURACY = 2.0**-43
# entries that are checked one by one; larger gradients are checked along random directions
_ENTRIES = 64
_DIRECTIONS = 8
# exact and float64 gradients agree to this share of the largest entry, or one of the two functions is wrong
_AGREEMENT = 2.0**-20


def check_gradient(loss: ProductLoss, R: ArrayLike, *, seed: int = 0) -> None:
    """Compare a gradient with difference quotients of the value, at R and at a point near it.

    Parameters
    ----------
    loss : ProductLoss
    R : (dy, dx)
        At a critical point a wrong factor does not show, so a second point is looked at too.
    seed : int
        Of the directions.

    Raises
    ------
    LossError
        A directional derivative that lies outside the difference quotient's own error (the entry is named), or an exact
        gradient that is not the float64 one.

    Notes
    -----
    q(h) = (ell0(R + hV) - ell0(R - hV)) / 2h misses the derivative by a h^2 + b h^4 + ... plus the values' rounding,
    2**-43 / 2h of the largest value met. |q(2h) - q(h)| is three times the first term once h is small
    enough for it to lead, so the tolerance is that difference plus twice the rounding at both steps. A gradient is
    called wrong where it is outside the tolerance at both of the two steps with the smallest ones: a correct one fails
    only when the value is not smooth at the scale of these, or less accurate than 43 bits.
    """
    R = loss.matrix(R, "R")
    rng = np.random.default_rng(seed)
    scale = max(float(np.abs(R).max(initial=0.0)), 1.0)
    near = R + 0.25 * scale * rng.standard_normal(R.shape)
    peak = max(abs(loss.value(point)) for point in (R, near, np.zeros(R.shape)))
    gradients = [loss.gradient(point) for point in (R, near)]
    size = max(float(np.abs(G).max()) for G in gradients)
    for point, G in zip((R, near), gradients, strict=True):
        check = _Check(loss, point, G, scale, peak)
        for V in _directions(R.shape, check.gradient, rng):
            found = check.disagreement(V)
            if found is not None:
                raise LossError(check.message(V, *found))
        if loss.rational:
            _compare_exact(loss, point, G, _AGREEMENT * size)


def _compare_exact(loss: ProductLoss, point: Floats, G: Floats, limit: float) -> None:
    rows = loss.exact_gradient([[Fraction(v) for v in row] for row in point.tolist()])
    exact = np.array([[round_fraction(v) for v in row] for row in rows])
    off = np.abs(exact - G)
    if not (off <= limit).all():
        j, k = divmod(int(off.argmax()), off.shape[1])
        raise LossError(
            f"exact_gradient disagrees with gradient: entry [{j}, {k}] is {exact[j, k]:.6g}, gradient gives {G[j, k]:.6g}; "
            "correct one of the two functions"
        )


def _directions(shape: tuple[int, ...], G: Floats, rng: np.random.Generator) -> list[Floats]:
    size = int(np.prod(shape))
    if size <= _ENTRIES:
        return [row.reshape(shape) for row in np.eye(size)]
    random = [rng.standard_normal(shape) for _ in range(_DIRECTIONS)]
    # along the stated gradient a wrong length shows, whatever the random ones see
    return [V / np.linalg.norm(V) for V in ([*random, G] if G.any() else random)]


@dataclass(frozen=True)
class _Check:
    """Stated against measured derivatives at one point."""

    loss: ProductLoss
    point: Floats
    gradient: Floats
    scale: float
    peak: float

    def disagreement(self, V: Floats) -> tuple[float, float] | None:
        """(stated, measured) derivative along V when they differ, else None."""
        stated = float(np.sum(self.gradient * V))
        rounding = 2.0**-40 * float(np.abs(self.gradient).max()) * float(np.linalg.norm(V))
        trials = []
        for power in (-6, -10, -14):
            h = 2.0**power * self.scale
            quotients, noise = [], 0.0
            for step in (h, 2.0 * h):
                above = self.loss.value(self.point + step * V)
                below = self.loss.value(self.point - step * V)
                quotients.append((above - below) / (2.0 * step))
                noise += _VALUE_ACCURACY * max(abs(above) + abs(below), self.peak) / step
            trials.append((abs(quotients[1] - quotients[0]) + noise + rounding, quotients[0]))
        trials.sort()
        if any(abs(stated - measured) <= tolerance for tolerance, measured in trials[:2]):
            return None
        return stated, trials[0][1]

    def message(self, V: Floats, stated: float, measured: float) -> str:
        """Names an entry: V is cut in halves as long as one of them disagrees on its own."""
        entries = np.flatnonzero(V)
        while len(entries) > 1:
            for half in np.array_split(entries, 2):
                part = np.zeros(V.size)
                part[half] = np.sign(V.flat[half])
                found = self.disagreement(part.reshape(V.shape))
                if found is not None:
                    entries, (stated, measured) = half, found
                    break
            else:
                break
        where = f"along {len(entries)} entries its derivative"
        if len(entries) == 1:
            j, k = divmod(int(entries[0]), V.shape[1])
            where = f"entry [{j}, {k}]"
            unit = np.zeros(V.shape)
            unit[j, k] = 1.0
            stated, measured = self.disagreement(unit) or (stated, measured)
        return (
            f"the gradient disagrees with the value: {where} is {stated:.6g}, difference quotients of the value "
            f"give {measured:.6g}; correct one of the two functions"
        )
