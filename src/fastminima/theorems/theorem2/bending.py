"""Where an activation bends up and where down, in float64: what a search for witnesses looks at, and proves nothing from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.networks.activations.activation_protocol import Activation
from fastminima.networks.activations.formula_shape import curvature, pieces

from .conditions import Condition

__all__ = ["FAR", "SPAN", "Bending"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Curve = Callable[[Floats], Any]

SPAN = 3.0
"""Witnesses are looked for within |v| <= SPAN."""
FAR = 14.2
"""Farther than sqrt 2 times the largest radius from there nothing is looked at."""
# a grid whose points are no round numbers, where kinks are
_STEP = 1.0 / 256
_GRID = np.arange(-SPAN - FAR, SPAN + FAR, _STEP) + _STEP / 3
_MOST_JUMPS = 64
# of the largest h'': what a strict search takes for 0
_NEAR = 2.0**-20


class Bending:
    """What stops h, or -h, from being convex around a point.

    Parameters
    ----------
    h : Activation
    strict : bool, default False
        h'' must not come near 0 either: where it touches 0, no enclosure shows that it does not cross.

    Attributes
    ----------
    kinks : ndarray
        Points at which h may not be twice differentiable: where pieces of the formula meet, and where the value or the
        slope changes by more between two points of a grid than its derivative explains.
    straight : bool
        h'' is 0 and no kink was found, wherever it was looked at.
    """

    def __init__(self, h: Activation, strict: bool = False) -> None:
        self._h = h
        value, first, second = (_at(part, _GRID) for part in (h.value, h.first, h.second))
        near = np.abs(second[np.isfinite(second) & (np.abs(_GRID) <= SPAN)]).max(initial=0.0)
        self._least = _NEAR * near if strict else 0.0
        parts = pieces(h.formula) if h.formula is not None else None
        breaks = np.array([float(x) for x in parts[0]] if parts else [], dtype=np.float64)
        self.kinks = np.unique(
            np.concatenate([breaks, _jumps(h.value, value, first), _jumps(h.first, first, second)])
        )
        self.straight = not len(self.kinks) and not second.any()
        joints = self._joints()
        self._walls = {}
        for sign in (1, -1):
            walls = np.concatenate([self._turns(sign), self.kinks[(joints == -sign) | np.isnan(joints)]])
            self._walls[sign] = np.sort(walls)

    def evidence(self) -> Condition:
        """What was seen of an h that is straight."""
        text = "0 by its formula" if self._h.formula is not None and curvature(self._h.formula) == 0 else "0"
        seen = f"{text} at {len(_GRID)} points of [{_GRID[0]:.3g}, {_GRID[-1]:.3g}]"
        return Condition("C2.6", "h'' is not 0 everywhere", seen, False)

    def convex_radius(self, v: Floats, sign: int) -> Floats:
        """How far around each v sign h is convex, at most FAR; 0 where it is not at v."""
        walls = np.concatenate([[-np.inf], self._walls[sign], [np.inf]])
        place = np.searchsorted(walls, v)
        near = np.minimum(v - walls[place - 1], walls[place] - v)
        return np.where(self._against(v, sign), 0.0, np.minimum(near, FAR))

    def middles(self, sign: int) -> Floats:
        """The points of [-SPAN, SPAN] that are farthest from where sign h stops being convex, one between any two."""
        walls = self._walls[sign]
        return np.clip((walls[1:] + walls[:-1]) / 2, -SPAN, SPAN)

    def clear(self, v: Floats) -> Floats:
        """Distance from the nearest kink, at most FAR."""
        return np.abs(v[:, None] - self.kinks).min(axis=1, initial=FAR)

    def _against(self, t: Floats, sign: int) -> Bools:
        return ~(_at(self._h.second, t) * sign >= self._least)

    def _turns(self, sign: int) -> Floats:
        """Where sign h'' changes between what is allowed and what is not, to the last bits."""
        against = self._against(_GRID, sign)
        at = np.flatnonzero(against[1:] != against[:-1])
        left, right, before = _GRID[at], _GRID[at + 1], against[at]
        for _ in range(50):
            middle = (left + right) / 2
            same = self._against(middle, sign) == before
            left, right = np.where(same, middle, left), np.where(same, right, middle)
        return (left + right) / 2

    def _joints(self) -> Floats:
        """At each kink: the sign of the jump of h', 0 where there is none, NaN where h itself jumps."""
        near = 2.0**-24 * np.maximum(1.0, np.abs(self.kinks))
        ends = (self.kinks - near, self.kinks + near)
        (v0, v1), (s0, s1), (c0, c1) = (
            [_at(part, t) for t in ends] for part in (self._h.value, self._h.first, self._h.second)
        )
        rise, turn = v1 - v0, s1 - s0
        broken = ~(np.abs(rise) <= _explained(2 * near, v0, v1, s0, s1))
        flat = np.abs(turn) <= _explained(2 * near, s0, s1, c0, c1)
        return np.where(broken, np.nan, np.where(flat, 0.0, np.sign(turn)))


def _at(curve: Curve, t: Floats) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(curve(t), dtype=np.float64)


def _explained(width: Any, f0: Floats, f1: Floats, slope0: Floats, slope1: Floats) -> Floats:
    """How much f may change over this width: four times its steeper slope at the ends, and rounding."""
    with np.errstate(all="ignore"):
        return 4 * width * np.maximum(np.abs(slope0), np.abs(slope1)) + 2.0**-40 * np.maximum(
            np.abs(f0), np.abs(f1)
        )


def _jumps(curve: Curve, values: Floats, slopes: Floats) -> Floats:
    """Where f jumps: cells over which it changes by more than its slope explains, halved towards the larger change."""
    with np.errstate(all="ignore"):
        change = np.abs(values[1:] - values[:-1])
        unexplained = change > _explained(_STEP, values[1:], values[:-1], slopes[1:], slopes[:-1])
    at = np.flatnonzero(unexplained)[:_MOST_JUMPS]
    left, right = _GRID[at], _GRID[at + 1]
    for _ in range(50):
        middle = (left + right) / 2
        a, b, c = (_at(curve, t) for t in (left, middle, right))
        first = np.abs(b - a) > np.abs(c - b)
        left, right = np.where(first, left, middle), np.where(first, middle, right)
    # an exact kink comes out with the rounding of its last halves
    return np.round((left + right) / 2 * 2.0**40) / 2.0**40
