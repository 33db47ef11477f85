"""Candidates with one kink in the first layer and a linear part of limited rank, chosen together: floats propose only.

With d_1 units, one of them phi(x) = h(e + s (<u, x> - c)), the others carry any d_1 - 1 linear functions of x:
f = a + B x + v phi with rank B <= d_1 - 1. For given (u, c) the best such f is a reduced-rank regression after 1 and phi are
taken out of x and of the targets, so candidates are compared by their best B, not by that of the affine fit. The loss is
replaced by its parabola with the largest curvature, which lies above it; of squared loss that is the loss itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.networks.activations.affine_segment import AffineSegment

from .deep_frame import Frame, Plan, ends, scales

__all__ = ["reduced_plans"]

Floats = NDArray[np.float64]

_DIRECTIONS = 32
_STARTS = 3
_CLIMBS = 24
_AT_ONCE = 8
_PLANS = 4
# rows that candidates are compared on
_ROWS = 1_000
# of the scales of a kink every other one
_SCALES = slice(None, None, 2)
# knots: so many samples from either end, and shares of all
_NEAR = (1, 2, 3, 5)
_SHARES = np.linspace(0.08, 0.92, 9)
_LITTLE = (1.0 / 1024.0, 1.0 / 256.0, 1.0 / 64.0, 1.0 / 8.0)


@dataclass(frozen=True)
class _Kink:
    """phi = h(end + turn s (<u, x> - knot))."""

    u: Floats
    knot: float
    end: float
    slope: float

    def form(self) -> tuple[Floats, float]:
        """The row of the unit and its constant."""
        return self.u * self.slope, self.end - self.slope * self.knot


@dataclass(frozen=True)
class _Moments:
    """Products of columns with 1 taken out, of weighted rows."""

    X: Floats
    Y: Floats
    root: Floats
    XX: Floats
    XY: Floats
    YY: Floats
    rank: int

    @classmethod
    def of(cls, frame: Frame, rank: int, rows: NDArray[np.intp]) -> _Moments:
        root = np.sqrt(frame.heft[rows])
        root = root / np.linalg.norm(root)
        target = frame.outputs[rows] - frame.residual[rows]
        X, Y = (_without(root, table * root[:, None]) for table in (frame.X[rows], target))
        return cls(X, Y, root, X.T @ X, X.T @ Y, Y.T @ Y, rank)

    def regressions(self, phi: Floats) -> tuple[Floats, Floats]:
        """For each column of phi: what is left of the squares (n,), and rows that carry the linear part (n, rank, dx)."""
        f = phi * self.root[:, None]
        whole = (f * f).sum(axis=0)
        f = f - np.outer(self.root, self.root @ f)
        size = (f * f).sum(axis=0)
        known = np.isfinite(size) & (size > 1e-14 * whole)
        f = np.where(known, f, 0.0)
        size = np.where(known, size, 1.0)
        x, y = (self.X.T @ f).T, (self.Y.T @ f).T
        XX = self.XX - x[:, :, None] * (x / size[:, None])[:, None, :]
        XY = self.XY - x[:, :, None] * (y / size[:, None])[:, None, :]
        YY = self.YY - y[:, :, None] * (y / size[:, None])[:, None, :]
        ridge = 1e-12 * max(float(np.trace(self.XX)), 1e-300) * np.eye(len(self.XX))
        B = np.linalg.solve(XX + ridge, XY).transpose(0, 2, 1)
        values, vectors = np.linalg.eigh(B @ XY)
        values, vectors = values[:, ::-1][:, : self.rank], vectors[:, :, ::-1][:, :, : self.rank]
        left = np.trace(YY, axis1=1, axis2=2) - np.maximum(values, 0.0).sum(axis=1)
        return np.where(known & np.isfinite(left), left, np.inf), vectors.transpose(0, 2, 1) @ B


def _without(root: Floats, table: Floats) -> Floats:
    return np.asarray(table - np.outer(root, root @ table))


def reduced_plans(
    frame: Frame, segment: AffineSegment, h: Any, width: int, rng: np.random.Generator
) -> list[Plan]:
    """Plans for a first layer of so many units, promising ones first."""
    m, dx = frame.X.shape
    if not dx:
        return []
    rank = min(width - 1, dx, frame.outputs.shape[1])
    rows = np.arange(m) if m <= _ROWS else np.sort(rng.choice(m, _ROWS, replace=False))
    search = _Search(_Moments.of(frame, rank, rows), frame.X[rows], h)
    scored: list[tuple[float, int, _Kink]] = []
    for u in _directions(frame, rng):
        kinks = list(_of_direction(search.X @ u, u, segment, h))
        values = search.scores(kinks)
        scored += [(float(v), len(scored), kink) for v, kink in zip(values, kinks, strict=True)]
    scored.sort(key=lambda item: item[:2])
    climbed = [search.climbed(value, kink, rng) for value, _, kink in scored[:_STARTS]]
    climbed.sort(key=lambda item: item[0])
    plans = []
    for kink in [*(k for _, k in climbed), *(k for *_, k in scored[:_PLANS])]:
        row, at = kink.form()
        plans.append(Plan(0, np.eye(dx), search.linear(kink), row, at))
    return plans


@dataclass(frozen=True)
class _Search:
    """Candidates compared on rows of x'."""

    moments: _Moments
    X: Floats
    h: Any

    def scores(self, kinks: list[_Kink]) -> Floats:
        """What each leaves of the squares."""
        return self.moments.regressions(self._phi(kinks))[0] if kinks else np.zeros(0)

    def linear(self, kink: _Kink) -> Floats:
        """The best linear part beside a kink."""
        return np.asarray(self.moments.regressions(self._phi([kink]))[1][0])

    def _phi(self, kinks: list[_Kink]) -> Floats:
        forms = [kink.form() for kink in kinks]
        z = self.X @ np.column_stack([row for row, _ in forms]) + np.array([at for _, at in forms])
        return np.asarray(self.h(z), dtype=np.float64)

    def climbed(self, value: float, kink: _Kink, rng: np.random.Generator) -> tuple[float, _Kink]:
        """Random steps of all sizes, as long as they lead down."""
        dx = len(kink.u)
        for _ in range(_CLIMBS):
            size, spread = float(np.linalg.norm(kink.u)), float(np.ptp(self.X @ kink.u))
            tried = []
            for step in 10.0 ** rng.uniform(-3.0, 0.0, _AT_ONCE):
                u = kink.u + step * size * rng.standard_normal(dx) / np.sqrt(dx)
                shift = float(self.X.mean(axis=0) @ (u - kink.u)) + 0.25 * step * spread * float(
                    rng.standard_normal()
                )
                tried.append(_Kink(u, kink.knot + shift, kink.end, kink.slope))
            values = self.scores(tried)
            best = int(values.argmin())
            if values[best] < value:
                value, kink = float(values[best]), tried[best]
        return value, kink


def _directions(frame: Frame, rng: np.random.Generator) -> Floats:
    dx = frame.X.shape[1]
    found = [np.eye(dx), frame.P, rng.standard_normal((_DIRECTIONS, dx))]
    if len(frame.P):
        at = frame.X @ frame.P.T
        chosen = rng.choice(len(at), min(len(at), _DIRECTIONS), replace=False)
        found.append((at[chosen] - at.mean(axis=0)) @ frame.P)
    rows = np.vstack(found)
    return rows[np.abs(rows).max(axis=1) > 0.0]


def _of_direction(t: Floats, u: Floats, segment: AffineSegment, h: Any) -> Iterator[_Kink]:
    values = np.unique(t)
    if len(values) < 2:
        return
    last = len(values) - 2
    places = [(k - 1, 0.5) for k in _NEAR] + [(last + 1 - k, 0.5) for k in _NEAR]
    places += [(int(share * (last + 1)), 0.5) for share in _SHARES]
    # near an end a little may be best
    places += [(0, share) for share in _LITTLE] + [(last, 1.0 - share) for share in _LITTLE]
    for place, share in sorted({p for p in places if 0 <= p[0] <= last}):
        knot = float(values[place] + share * (values[place + 1] - values[place]))
        for end, side in ends(segment):
            for turn in (-side, side):
                inside = float(t.max()) - knot if turn == -side else knot - float(t.min())
                for s in scales(segment, h, float(np.ptp(t)), inside)[_SCALES]:
                    yield _Kink(u, knot, end, turn * s)
