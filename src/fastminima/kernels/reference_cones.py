"""The twin of `_cones`: the same numbers by NumPy's solvers, without a proof."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
REPORT = 5
_FLOOR = 2.0**-30


@dataclass
class _Unit:
    """A unit that bends, or several of one pattern."""

    k: int
    low: F64
    high: F64
    free: bool = False
    merged: bool = False
    columns: F64 = field(default_factory=lambda: np.empty((0, 0)))


def _face(low: F64, high: F64) -> int:
    return int(np.argmax((low == high) & (np.abs(low) == 1.0)))


def _signs(x: F64, low: F64, high: F64, forced: NDArray[np.int32]) -> NDArray[np.int8]:
    a, b = x[None] * low[:, None], x[None] * high[:, None]
    margin = (x.shape[1] + 4) * 2.0**-53 * np.maximum(np.abs(a), np.abs(b)).sum(axis=2)
    up, down = np.minimum(a, b).sum(axis=2) >= margin, np.maximum(a, b).sum(axis=2) <= -margin
    sign = np.where(up, 1, np.where(down, -1, 0)).astype(np.int8)
    for k, i, s in forced.tolist():
        sign[k, i] = s
    return sign


def _units(
    sign: NDArray[np.int8], slopes: tuple[float, float], sigma: F64, low: F64, high: F64
) -> tuple[bool, list[_Unit]]:
    """Whether there is a free affine function, and the units that bend."""
    affine, units = False, list[_Unit]()
    for k, row in enumerate(sign):
        if (row > 0).all() or not (row > 0).any():
            affine |= (slopes[0] if len(row) and row[0] > 0 else slopes[1]) != 0.0
            continue
        same = next((u for u in units if (sign[u.k] == row).all()), None)
        if same is None:
            units.append(_Unit(k, low[k].copy(), high[k].copy()))
            continue
        same.merged = True
        face = _face(low[k], high[k])
        one_face = same.low[face] == same.high[face] == low[k, face] == high[k, face]
        same.free |= not (one_face and sigma[k] == sigma[same.k])
        same.low, same.high = np.minimum(same.low, low[k]), np.maximum(same.high, high[k])
    return affine, units


def _limits(units: list[_Unit], base: int, x: F64, forced: NDArray[np.int32]) -> F64:
    d1, rows = x.shape[1], []
    for g, unit in enumerate(units):
        face, at = _face(unit.low, unit.high), base + g * d1
        for j in range(d1):
            for sign, end in ((1.0, unit.low), (-1.0, unit.high)):
                row = np.zeros(base + len(units) * d1)
                row[at + j], row[at + face] = sign, -sign * end[j] * unit.low[face]
                if j != face and not unit.free:
                    rows.append(row)
        for k, i, sign in forced.tolist():
            row = np.zeros(base + len(units) * d1)
            row[at : at + d1] = sign * x[i]
            if k == unit.k and not unit.free and not unit.merged:
                rows.append(row)
    return np.array(rows).reshape(len(rows), base + len(units) * d1)


def _active_set(sides: F64, goal: F64, gain: float) -> F64:
    """lambda >= 0 with the least |sides lambda + goal|; columns of norm 1 (Lawson and Hanson)."""
    found, active = np.zeros(sides.shape[1]), list[int]()
    for _ in range(200):
        slack = sides.T @ (sides @ found + goal)
        slack[found > 0.0] = 0.0
        worst = int(np.argmin(slack))
        if slack[worst] >= -np.sqrt(2.0 * gain) or len(active) == len(goal):
            break
        active.append(worst)
        while active:
            part = sides[:, active]
            step = np.linalg.solve(part.T @ part + 2.0**-46 * np.eye(len(active)), -part.T @ goal)
            if (step > 0.0).all():
                found[active] = step
                break
            now = found[active]
            ratio = np.where(step <= 0.0, now / np.maximum(now - step, 1e-300), 1.0)
            found[active] = now + ratio.min() * (step - now)
            gone = [i for i, r in zip(active, ratio, strict=True) if r == ratio.min()]
            found[gone] = 0.0
            active = [i for i in active if found[i] > 0.0]
    return found


def _ridge(matrix: F64) -> tuple[float, float]:
    """What is added to the diagonal, and what one more inequality has to be worth."""
    sound = float(np.linalg.eigvalsh(matrix)[0]) > 1.1 * _FLOOR
    return (0.0, 1e-10) if sound else (2.0**-34, 1e-16)


def multipliers(H: F64, g: F64, yy: float, limits: F64, out: F64) -> None:
    """As `_cones.multipliers`."""
    scale = np.sqrt(H.diagonal())
    scale[scale == 0.0] = 1.0
    matrix = H / scale / scale[:, None]
    ridge, gain = _ridge(matrix)
    root = np.linalg.cholesky(matrix + ridge * np.eye(len(g)))
    sides = np.linalg.solve(root, (limits / scale).T)
    size = np.linalg.norm(sides, axis=0)
    size[size == 0.0] = np.inf
    out[:] = _active_set(sides / size, np.linalg.solve(root, g / scale), gain * yy) / size


def _solved(F: F64, y: F64, limits: F64) -> tuple[float, F64, bool]:
    """The least sum of squares within the limits, where it is, and whether that is the only place."""
    scale = np.linalg.norm(F, axis=0)
    whole = bool((scale > 0.0).all())
    scale[scale == 0.0] = 1.0
    F, limits = F / scale, limits / scale
    H, g = F.T @ F, F.T @ y
    ridge, _ = _ridge(H)
    whole = whole and not ridge
    found = np.zeros(len(limits))
    if len(limits):
        multipliers(H, g, float(y @ y), limits, found)
    goal = g + limits.T @ found
    beta = np.linalg.solve(H + ridge * np.eye(len(g)), goal)
    return float(y @ y - beta @ goal), beta / scale, whole


@dataclass
class _Cell:
    """The table and the cell, as `node_bound` is given them."""

    x: F64
    y: F64
    w: F64
    slopes: tuple[float, float]
    sigma: F64
    low: F64
    high: F64
    forced: NDArray[np.int32]

    def least(
        self, sign: NDArray[np.int8], rows: NDArray[np.intp]
    ) -> tuple[float, F64, bool, bool, list[_Unit]]:
        """The least sum of squares on some rows, where, whether only there; a free affine function, units that bend."""
        x, root = self.x[rows], np.sqrt(self.w[rows])
        affine, units = _units(sign, self.slopes, self.sigma, self.low, self.high)
        parts = [x if affine else np.ones((len(rows), 1))]
        parts += [(self.sigma[u.k] * np.where(sign[u.k] > 0, *self.slopes))[:, None] * x for u in units]
        limits = _limits(units, parts[0].shape[1], self.x, self.forced)
        found = _solved(np.column_stack(parts) * root[:, None], self.y[rows] * root, limits)
        return *found, affine, units


def node_bound(
    x: F64, y: F64, w: F64, plus: float, minus: float, sigma: F64, low: F64, high: F64,
    forced: NDArray[np.int32], sign_out: NDArray[np.int8], kept: NDArray[np.int32], out: F64,
) -> None:  # fmt: skip
    """As `_cones.node_bound`; out[1] is the estimate of the rows whose minimum is at one place."""
    width, d1 = low.shape
    sign_out[:] = _signs(x, low, high, forced)
    rows = np.flatnonzero((sign_out != 0).all(axis=0))
    cell = _Cell(x, y, w, (plus, minus), sigma, low, high, forced)
    twice, beta, whole, affine, units = cell.least(sign_out[:, rows], rows)
    bound, base = max(twice, 0.0) / 2, d1 if affine else 1
    while not whole:
        code = (sign_out[:, rows] > 0).T @ (1 << np.arange(width))
        size = np.bincount(code, minlength=1 << width)
        rows = rows[code != np.argmin(np.where(size > 0, size, len(y) + 1))]
        bound, whole = 0.0, not len(rows)
        if len(rows):
            of_fewer, _, whole, _, _ = cell.least(sign_out[:, rows], rows)
            bound = max(of_fewer, 0.0) / 2
    kept[: len(rows)] = rows
    out[:] = 0.0
    out[:5] = twice / 2, bound, 0.0, len(rows), affine
    affine_part, q = (
        out[REPORT : REPORT + d1],
        out[REPORT + d1 : REPORT + d1 * (1 + width)].reshape(width, d1),
    )
    affine_part[d1 - base :] = beta[:base]
    for g, unit in enumerate(units):
        q[unit.k] = beta[base + g * d1 : base + (g + 1) * d1]
    z = x @ q.T
    error = w * (x @ affine_part + (np.where(z > 0.0, plus, minus) * z) @ sigma - y) ** 2
    out[2] = error.sum() / 2
    report = out[-4 * width :].reshape(width, 4)
    for k in range(width):
        still = np.flatnonzero(sign_out[k] == 0)
        counts = error[still] + 1e-9 * w[still]
        spread = (high[k] - low[k]) * (np.abs(x[still]) * counts[:, None]).sum(axis=0)
        worst = int(still[np.argmax(counts)]) if len(still) else 0
        report[k] = len(still), counts.sum(), int(np.argmax(spread)), worst
