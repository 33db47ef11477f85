"""Along a line through the kinks of a piecewise quadratic: cross those beyond which it still falls, stop at the others.

Moving theta by t delta changes preactivations at constant speed; sample i of unit k reaches its boundary at t = -z / dz.
Between such meetings l'(t) is linear; each costs O(n d1): the sample's own share of l' and l'' changes. Most steps are
short, and only samples near boundaries can meet them: a list of these serves many searches (`kernels._walk`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.kernels import _walk

from .face import Face

__all__ = ["LineSearch", "Stop"]

F64 = NDArray[np.float64]

# a speed this small beside what its terms allow is rounding
_STILL = 1e-12
# what a list holds: so many pairs, or this share of all; a choice of speed, about 0.3 ms a search
_PAIRS, _SHARE = 8192, 1.0 / 256.0
# tries at that length
_TRIES = 4
# a list that reaches less far than this share of a fresh one is made anew, and so is one this many times too long
_SPENT, _TOO_LONG = 0.25, 3.0
# how much farther a search looks when it comes to the end of the list, and beyond which t it looks at everything
_FARTHER, _LAST = 8.0, 64.0


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


class LineSearch:
    """Line searches among one face's samples, with the list of those near boundaries.

    Attributes
    ----------
    touching : (d1,) intp
        How many samples stood on the boundary of each unit where the last search began.
    """

    def __init__(self, face: Face) -> None:
        samples, d1 = face.samples, len(face.sign)
        self._face = face
        self._columns = np.ascontiguousarray(samples.x.T)
        self._norm = np.linalg.norm(samples.x, axis=1)
        self.touching = np.zeros(d1, dtype=np.intp)
        self._room = np.empty((2, 0), dtype=np.intp)
        self._sample, self._unit = self._room
        self._event, self._heap, self._crossed = np.empty((3, 0), dtype=np.intp)
        self._time = np.empty(0)
        # the list holds what lies within `radius` of a boundary at `centre`
        self._centre, self._radius = face.q.copy(), np.full(d1, -1.0)
        self._fresh = 0.0

    def walk(self, delta: F64) -> Stop:
        """From the face along delta, a direction of descent."""
        face = self._face
        q, rows = face.q, np.ascontiguousarray(delta[:-1].reshape(len(face.sign), -1))
        length = np.linalg.norm(rows, axis=1)
        first = float(face.gradient @ delta)
        second = max(float(delta @ (face.quadratic.hessian @ delta)), 0.0)
        state = np.array([0.0, first, second, 0.0])
        up = face.up.view(np.uint8)
        bias, slopes = np.array([face.theta[-1], delta[-1]]), np.array(face.slopes)
        crossed: list[tuple[int, int]] = []
        if (
            self._room_left.min(initial=np.inf) <= _SPENT * self._fresh
            or len(self._sample) > _TOO_LONG * self._wanted
        ):
            self._renew(q)
        begin, end = -1.0, self._reach(length)
        while True:
            samples = face.samples
            event, time = self._event, self._time
            count = _walk.meet(
                samples.x, self._norm, q, rows, up, self._sample, self._unit, begin, end, _STILL * length, face.reach,
                event, time, self.touching,
            )  # fmt: skip
            done, at = _walk.cross(
                samples.x, samples.y, samples.w, q, rows, bias, face.sign, slopes, self._sample, self._unit,
                event[:count], time[:count], end, state, up, self._heap, self._crossed,
            )  # fmt: skip
            found = event[self._crossed[:done]]
            crossed += zip(self._sample[found].tolist(), self._unit[found].tolist(), strict=True)
            if at != -2 or end == np.inf:
                break
            begin, end = end, self._extend(q, length, end)
        # sides change together with the quadratic
        for sample, unit in crossed:
            up[sample, unit] ^= 1
        return self._stop(state, crossed, int(event[at]) if at >= 0 else None)

    def _stop(self, state: F64, crossed: list[tuple[int, int]], pair: int | None) -> Stop:
        t, first, second, fell = state.tolist()
        kink = None
        if pair is not None:
            kink = int(self._sample[pair]), int(self._unit[pair])
        elif second > 0.0 and first < 0.0:
            step = -first / second
            fell -= step * (first + 0.5 * second * step)
            t += step
        return Stop(t, crossed, kink, fell)

    @property
    def _wanted(self) -> float:
        """Pairs that a list should hold."""
        return max(_PAIRS, _SHARE * self._face.up.size)

    @property
    def _room_left(self) -> F64:
        """(d1,) how far each row can move until samples that are not in the list can be met; inf for idle units."""
        moved = np.linalg.norm(self._face.q - self._centre, axis=1)
        # rounding of q and z is far below this margin
        return np.where(self._face.sign != 0.0, (1.0 - 1e-6) * self._radius - moved, np.inf)

    def _reach(self, length: F64) -> float:
        """The t up to which all that can be met is in the list."""
        going = length > 0.0
        return float((self._room_left[going] / length[going]).min(initial=np.inf))

    def _renew(self, q: F64) -> None:
        """A list of about the wanted length; its reach comes from the last one's."""
        live = self._face.sign != 0.0
        if self._fresh == 0.0:
            # sizes of z before anything is known
            self._fresh = (
                float(np.linalg.norm(q, axis=1).max(initial=0.0)) * self._wanted / self._face.up.size
            )
        for _ in range(_TRIES):
            self._fill(q, np.where(live, np.maximum(self._fresh, 4.0 * self._face.reach), -1.0))
            share = len(self._sample) / self._wanted
            if 0.5 < share < 2.0 or len(self._sample) == live.sum() * len(self._norm):
                break
            self._fresh /= min(max(share, 0.1), 10.0)

    def _extend(self, q: F64, length: F64, end: float) -> float:
        """A list for a search that goes on beyond `end`; how far this one reaches."""
        live = self._face.sign != 0.0
        longest = float(length.max(initial=0.0))
        farther = _FARTHER * max(end, self._fresh / longest) if longest else np.inf
        if not end < farther <= _LAST:
            self._fill(q, np.where(live, np.inf, -1.0))
            return np.inf
        self._fill(q, np.where(live, np.maximum(self._fresh, 1.001 * farther * length), -1.0))
        return farther

    def _fill(self, q: F64, radius: F64) -> None:
        while True:
            sample, unit = self._room
            count = _walk.near(self._columns, self._norm, q, radius, _walk.BEST_VARIANT, sample, unit)
            if count <= len(sample):
                break
            self._room = np.empty((2, count + count // 2), dtype=np.intp)
        self._sample, self._unit = sample[:count], unit[:count]
        if len(self._time) < count:
            size = self._room.shape[1]
            self._event, self._heap, self._crossed = np.empty((3, size), dtype=np.intp)
            self._time = np.empty(size)
        self._centre, self._radius = q.copy(), radius
