"""Candidates for a network of the same widths that beats the best affine map, any depth: floats propose only.

(a) A kink. One layer has a unit beside those that carry A x: it becomes h(e + s (t - c)), e an end of a segment, t = <u, x>
    or, behind a layer of rank A units, a combination of what they carry. c is the knot with the largest gain of a hinge,
    |v|^2 / (2 |phi_perp|^2) with v the sum of phi_i r_i, phi_perp orthogonal to (1, A x).
(b) A vertex. No unit to spare: a basis of the carried plane has a first member mu that is largest at one group of equal
    fitted values, which is moved beyond the end; the others hold the rest, orthogonal to the way nu it shall move.
(c) Both at once (`deep_reduced`): a kink in the first layer, and the best linear part beside it.
The output layer is refitted on what the last layer then computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.networks.activations.affine_segment import AffineSegment

from .affine_optimum import AffineOptimum
from .deep_frame import Frame, Plan, ends, frame_of, scales
from .deep_reduced import reduced_plans
from .float_fit import fitted

__all__ = ["deep_candidates"]

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]

_DIRECTIONS = 48
_FINALISTS = 6
# how far beyond an end a vertex is moved
_DEPTHS = (0.25, 1.0, 6.0, 32.0)


def deep_candidates(
    fits: AffineOptimum, segment: AffineSegment, h: Any, widths: tuple[int, ...], rng: np.random.Generator
) -> Iterator[tuple[Pair, ...]]:
    """Layers to be proved better, promising ones first."""
    with np.errstate(all="ignore"):
        frame = frame_of(fits)
        found = [
            plan
            for k in range(len(widths))
            if widths[k] > fits.rank
            for plan in _kinks(frame, segment, h, widths, k, rng)
        ]
        if fits.rank:
            found += _vertices(frame, segment, h, rng)
        found += reduced_plans(frame, segment, h, widths[0], rng)
        built = [_built(frame, segment, h, widths, plan) for plan in found]
        fitting = [one for one in built if one is not None]
        for _, layers in sorted(fitting, key=lambda one: one[0])[:_FINALISTS]:
            yield layers


def _kinks(
    frame: Frame, segment: AffineSegment, h: Any, widths: tuple[int, ...], k: int, rng: np.random.Generator
) -> list[Plan]:
    """Plans of (a) in layer k."""
    rank, dx = len(frame.P), frame.X.shape[1]
    before = min(widths[:k], default=dx)
    free = before >= min(rank + 1, dx)
    if free:
        directions = np.vstack([np.eye(dx), frame.P, rng.standard_normal((_DIRECTIONS, dx))])
    else:
        directions = rng.standard_normal((_DIRECTIONS if rank > 1 else 1, rank)) @ frame.P
    later = min(widths[k + 1 :], default=rank + 1)
    through = later < min(rank + 1, frame.loss.freedom)
    push = frame.push @ frame.Q if through else frame.push
    root = np.sqrt(frame.heft)[:, None]
    basis = np.linalg.qr(np.column_stack([np.ones(len(frame.X)), frame.X @ frame.P.T]) * root)[0]
    scored = []
    for u in np.vstack([directions, -directions]):
        t = frame.X @ u
        gain, knot = _best_knot(t, push, basis, root[:, 0])
        if gain > 0.0:
            scored.append((gain, knot, u))
    scored.sort(key=lambda item: -item[0])
    plans = []
    for _, knot, u in scored[:_FINALISTS]:
        carried, linear = _rows(frame, u, before >= dx, free)
        t = frame.X @ u
        way = np.linalg.lstsq(carried.T, u, rcond=None)[0]
        for end, side in ends(segment):
            # the hinge is the part in the segment, or the part beyond its end
            for turn in (-side, side):
                inside = float(t.max()) - knot if turn == -side else knot - float(t.min())
                for s in scales(segment, h, float(np.ptp(t)) or 1.0, inside):
                    plans.append(Plan(k, carried, linear, way * (turn * s), end - turn * s * knot))
    return plans


def _rows(frame: Frame, u: Floats, whole: bool, free: bool) -> tuple[Floats, Floats]:
    """What layers before hand on, and A x in it."""
    rank = len(frame.P)
    if whole:
        return np.eye(frame.X.shape[1]), frame.P
    if free:
        return np.vstack([frame.P, u]), np.eye(rank, rank + 1)
    return frame.P, np.eye(rank)


def _best_knot(t: Floats, pushes: Floats, basis: Floats, root: Floats) -> tuple[float, float]:
    """(gain, knot) of the hinge max(t - c, 0), over midpoints and values of t."""
    order = np.argsort(-t, kind="stable")
    ts, p, q = t[order], pushes[order], basis[order] * root[order][:, None]
    w = root[order] ** 2
    knots = 0.5 * (ts[:-1] + ts[1:])
    if not len(knots):
        return 0.0, 0.0
    c = knots[:, None]
    v = (np.cumsum(p * ts[:, None], axis=0)[:-1]) - c * np.cumsum(p, axis=0)[:-1]
    along = np.cumsum(q * ts[:, None], axis=0)[:-1] - c * np.cumsum(q, axis=0)[:-1]
    size = np.cumsum(w * ts * ts)[:-1] - 2 * knots * np.cumsum(w * ts)[:-1] + knots**2 * np.cumsum(w)[:-1]
    rest = size - (along * along).sum(axis=1)
    gain = 0.5 * (v * v).sum(axis=1) / rest
    gain[~(np.isfinite(gain) & (rest > 1e-10 * size) & (ts[:-1] > ts[1:]))] = 0.0
    best = int(gain.argmax())
    return float(gain[best]), float(knots[best])


def _vertices(frame: Frame, segment: AffineSegment, h: Any, rng: np.random.Generator) -> list[Plan]:
    """Plans of (b), in the first layer."""
    rank = len(frame.P)
    at = frame.X @ frame.P.T
    wanted = frame.residual @ frame.Q
    directions = np.vstack([at - at.mean(axis=0), wanted, -wanted])
    if len(directions) > 600:
        directions = directions[rng.choice(len(directions), 600, replace=False)]
    directions = np.vstack([directions, rng.standard_normal((100, rank))])
    scored = []
    for mu in directions[np.abs(directions).max(axis=1) > 0.0]:
        mu = mu / np.linalg.norm(mu)
        along = at @ mu
        top, tie = float(along.max()), 1e-12 * float(np.abs(along).max())
        members = along >= top - tie
        if np.ptp(at[members], axis=0).max() > 1e-9 * np.abs(at).max() or members.all():
            continue
        gap = top - float(along[~members].max())
        w = float(frame.weight[members].sum())
        r = frame.weight[members] @ wanted[members] / w
        for end, side in ends(segment):
            for depth in _depths(segment, along, gap):
                bend = _bend(segment, h, end, side, depth)
                for y in _ways(r, mu, bend * gap):
                    gain = 0.5 * w * (r @ r - (r - y) @ (r - y))
                    step = float(y @ mu) / bend
                    # a bounded segment holds all others; else the vertex goes to the chosen depth
                    s = depth / (gap if segment.low is not None and segment.high is not None else step)
                    scored.append((gain, mu, y, side * s, end - side * s * (top - step)))
    scored.sort(key=lambda item: -item[0])
    plans = []
    eye = np.eye(frame.X.shape[1])
    for _, mu, y, s, start in scored[: 4 * _FINALISTS]:
        others = np.linalg.svd(y[None, :])[2][1:]
        plans.append(Plan(0, eye, others @ frame.P, s * (mu @ frame.P), start))
    return plans


def _depths(segment: AffineSegment, along: Floats, gap: float) -> list[float]:
    if segment.low is None or segment.high is None:
        return list(_DEPTHS)
    spread = float(np.ptp(along))
    return [0.99 * float(segment.high - segment.low) * gap / spread]


def _bend(segment: AffineSegment, h: Any, end: float, side: int, depth: float) -> float:
    """What a unit that goes so far beyond the end falls short of its line, as a share of the way beyond."""
    z = end + side * depth
    off = float(np.asarray(h(np.array([z])))[0]) - float(segment.slope) * z - float(segment.offset)
    return -side * off / (float(segment.slope) * depth)


def _ways(r: Floats, mu: Floats, most: float) -> Iterator[Floats]:
    """The y nearest to r with <y, mu> between 0 and `most`, neither being 0; where 0 is nearest, two small shares."""
    if not abs(most) > 0.0:
        return
    along = float(r @ mu)
    share = min(along / most, 1.0)
    for used in (share,) if share > 1.0 / 16.0 else (1.0 / 16.0, 1.0 / 1024.0):
        yield np.asarray(r - mu * (along - used * most))


def _carry(
    rows: Floats, D: Floats, d: Floats, values: Floats, segment: AffineSegment
) -> tuple[Floats, Floats, Floats, Floats]:
    """(W, b) of units that carry rows of the quantities D a + d, and the (D, d) that give them back."""
    low, high = segment.low, segment.high
    if low is not None and high is not None:
        centre, room = float(low + high) / 2, float(high - low) / 4
    else:
        centre = float(low) + 2.0 if low is not None else float(high) - 2.0 if high is not None else 0.0
        room = 1.0
    t = values @ rows.T
    middle = 0.5 * (t.max(axis=0) + t.min(axis=0))
    half = 0.5 * np.ptp(t, axis=0)
    s = np.where(half > 0.0, room / np.where(half > 0.0, half, 1.0), 1.0)
    s = np.ldexp(1.0, np.frexp(s)[1] - 1)
    W, b = s[:, None] * (rows @ D), s * (rows @ d - middle) + centre
    slope, offset = float(segment.slope), float(segment.offset)
    return W, b, np.diag(1.0 / (slope * s)), middle - (offset / slope + centre) / s


def _padded(W: Floats, b: Floats, width: int, before: int, segment: AffineSegment) -> Pair:
    """The layer with idle units up to its width, and idle inputs."""
    idle = segment.low if segment.low is not None else segment.high if segment.high is not None else 0
    result, bias = np.zeros((width, before)), np.full(width, float(idle))
    result[: len(W), : W.shape[1]] = W
    bias[: len(b)] = b
    return result, bias


def _built(
    frame: Frame, segment: AffineSegment, h: Any, widths: tuple[int, ...], plan: Plan
) -> tuple[float, tuple[Pair, ...]] | None:
    """(loss, layers), None where they do not fit."""
    n = frame.X.shape[1]
    D, d, values = np.eye(n), np.zeros(n), frame.X
    sizes = (n, *widths)
    layers: list[Pair] = []
    a = frame.X
    for k in range(len(widths)):
        if k < plan.layer:
            rows = plan.carried if k == 0 else np.eye(len(D))
        elif k == plan.layer:
            rows = plan.linear
        else:
            rows = _read(frame, values, widths[k:])
        W, b, back, rest = _carry(rows, D, d, values, segment)
        values = values @ rows.T
        if k == plan.layer:
            W, b = np.vstack([W, plan.kink @ D]), np.append(b, plan.kink @ d + plan.at)
            q = len(rows)
            wide = np.zeros((q + 1, q + 1))
            wide[:q, :q], wide[q, q] = back, 1.0
            back, rest = wide, np.append(rest, 0.0)
        if len(W) > widths[k]:
            return None
        layers.append(_padded(W, b, widths[k], sizes[k], segment))
        a = np.asarray(h(a @ layers[-1][0].T + layers[-1][1]), dtype=np.float64)
        if k == plan.layer:
            values = np.column_stack([values, a[:, len(rows)]])
        D, d = np.zeros((len(back), widths[k])), rest
        D[:, : back.shape[1]] = back
    # from here on the inputs are the user's
    W, b = layers[0]
    W = W / frame.scale * frame.X.any(axis=0)
    layers[0] = (W, b - W @ frame.centre)
    return _with_output(frame, layers, values, D, d)


def _read(frame: Frame, values: Floats, widths: tuple[int, ...]) -> Floats:
    """What the layers that follow hand on: everything, or as many combinations as the output can use."""
    room = min(widths)
    if values.shape[1] <= room:
        return np.eye(values.shape[1])
    theta = _fitted(frame, values)[1:].T
    fitted = (values - values.mean(axis=0)) @ theta.T
    V = np.linalg.svd(np.sqrt(frame.weight)[:, None] * fitted, full_matrices=False)[2]
    return np.asarray(V[:room] @ theta)


def _fitted(frame: Frame, values: Floats) -> Floats:
    return fitted(frame.loss, np.column_stack([np.ones(len(values)), values]))


def _with_output(
    frame: Frame, layers: list[Pair], values: Floats, D: Floats, d: Floats
) -> tuple[float, tuple[Pair, ...]] | None:
    theta = _fitted(frame, values)
    W = theta[1:].T @ D
    b = theta[0] + theta[1:].T @ d
    whole = (*layers, (W, b))
    if not all(np.isfinite(V).all() and np.isfinite(c).all() for V, c in whole):
        return None
    return frame.loss.value(theta[0] + values @ theta[1:]), whole
