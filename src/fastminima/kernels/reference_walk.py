"""NumPy twins of `_walk`."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["cross", "meet", "near"]


def near(
    columns: Any, norm: Any, q: Any, radius: Any, variant: int, sample_out: Any, unit_out: Any
) -> int:
    """Pairs with |z_ik| <= radius_k norm_i, in any order."""
    z = columns.T @ q.T
    sample, unit = np.nonzero((np.abs(z) <= radius * norm[:, None]) & (radius >= 0.0))
    room = min(len(sample), len(sample_out))
    sample_out[:room], unit_out[:room] = sample[:room], unit[:room]
    return len(sample)


def meet(
    x: Any, norm: Any, q: Any, delta: Any, up: Any, sample: Any, unit: Any, begin: float, end: float, still: Any,
    reach: Any, event_out: Any, time_out: Any, touching_out: Any,
) -> int:  # fmt: skip
    """Which pairs of a list meet their boundary, and when."""
    z = np.einsum("pj,pj->p", x[sample], q[unit])
    speed = np.einsum("pj,pj->p", x[sample], delta[unit])
    size = norm[sample]
    touching_out[:] = np.bincount(unit[np.abs(z) <= reach[unit] * size], minlength=len(q))
    moving = (np.abs(speed) > still[unit] * size) & ((speed > 0.0) != (up[sample, unit] != 0))
    time = np.full(len(z), np.inf)
    time[moving] = np.maximum(-z[moving] / speed[moving], 0.0)
    events = np.flatnonzero(moving & (time > begin) & (time <= end))
    event_out[: len(events)], time_out[: len(events)] = events, time[events]
    return len(events)


def cross(
    x: Any, y: Any, w: Any, q: Any, delta: Any, bias: Any, sign: Any, slopes: Any, sample: Any, unit: Any, event: Any,
    time: Any, end: float, state_out: Any, up_out: Any, heap_out: Any, crossed_out: Any,
) -> tuple[int, int]:  # fmt: skip
    """Through the meetings in the order of (time, place) until the risk turns up."""
    t, first, second, fell = state_out.tolist()
    done, at = 0, -2
    for p in np.argsort(time, kind="stable").tolist():
        i, k, now = int(sample[event[p]]), int(unit[event[p]]), float(time[p])
        if second > 0.0 and first + second * (now - t) >= 0.0:
            at = -1
            break
        step = max(now - t, 0.0)
        fell -= step * (first + 0.5 * second * step)
        first += second * step
        t += step
        slope = np.where(up_out[i] != 0, slopes[0], slopes[1]) * sign
        z, speed = q @ x[i], delta @ x[i]
        e = slope @ (z + t * speed) + bias[0] + t * bias[1] - y[i]
        de = slope @ speed + bias[1]
        turn = (slopes[0] - slopes[1]) * sign[k] * abs(speed[k])
        beyond = first + w[i] * e * turn
        if beyond >= 0.0:
            at = p
            break
        second += w[i] * ((de + turn) ** 2 - de * de)
        first = beyond
        up_out[i, k] ^= 1
        crossed_out[done] = p
        done += 1
    if at == -2 and second > 0.0 and first + second * (end - t) >= 0.0:
        at = -1
    state_out[:] = t, first, second, fell
    return done, at
