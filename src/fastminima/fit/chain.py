"""One start of the search: random or greedy, a descent, then units taken out and put back elsewhere.

(a) Random: rows and signs from a normal distribution. Greedy: the linear fit in one unit, then one hinge after another where
    it lowers the risk most, each followed by a short descent. Two units on few inputs: every third start is the best jump
    between two affine functions (`jumps`), which neither of the others is likely to meet.
(b) Swap: one or two random units are taken out and put back where the best hinge against what is left is found, among
    directions between two samples, random ones and the residual's gradient; a descent; kept if the risk fell. The
    start ends when so many swaps in a row have failed.
(c) Many rows: (a) and (b) on a random part of them, with a short descent on all between the two and a long one after; there
    the random starts come first, which are there sooner.
Which network a start ends at depends on its number and the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.kernels import _search

from .jumps import jumped
from .scaled_rows import Candidate, ScaledRows, Workspace

__all__ = ["Search", "linear_candidate"]

F64 = NDArray[np.float64]

# All of these are only choices: directions tried for a hinge, descents' lengths and tolerances, failures in a row.
_DIRECTIONS, _SHORT, _PART, _LONG, _LAST = 24, 10, 40, 200, 500
_ROUGH, _FINE, _FINEST = 1e-3, 1e-6, 1e-12
# a swap counts that lowers the risk by this share
_GAIN = 1e-6
# rows beyond which a start works on a part: this many, or so many per parameter
_ROWS, _ROWS_PER_PARAMETER = 4_000, 24
_FULL_STEPS, _PART_SWAPS = 2, 6
# inputs for which jumps lower the risk of two units more often than the time they take raises it (bench_search.md)
_JUMP_INPUTS = range(2, 5)


@dataclass(frozen=True)
class Search:
    """What all starts share.

    Attributes
    ----------
    rows : ScaledRows
    width : int
    seed : int
    expired : callable
        Whether to stop: asked between descents.
    report : callable
        Told every candidate of all rows that a start finds.
    """

    rows: ScaledRows
    width: int
    seed: int
    expired: Callable[[], bool]
    report: Callable[[int, Candidate], None]

    def run(self, number: int) -> None:
        """Start `number`, to its end or until `expired`."""
        draws = np.random.default_rng([self.seed, number])
        rows, part = self.rows, self._part(draws)
        room = Workspace(part.n_samples, part.X.shape[1], self.width)

        if part is not rows:
            self._on_a_part(number, part, draws, room)
            return
        begin = self._beginning(number)
        best = rows.descend(begin(number, rows, draws, room), room, _LONG, _FINE)
        self.report(number, best)
        best = self._after_swaps(number, rows, best, draws, room)
        self.report(number, rows.descend(best, room, _LAST, _FINEST))

    def _after_swaps(
        self, number: int, rows: ScaledRows, best: Candidate, draws: np.random.Generator, room: Workspace
    ) -> Candidate:
        """(b)."""
        whole = rows is self.rows
        steps, tolerance = (_LONG, _FINE) if whole else (_PART, _ROUGH)
        failed, most = 0, 2 * self.width + 2 if whole else _PART_SWAPS
        while failed < most and not self.expired():
            other = rows.descend(self._swapped(rows, best, draws, room), room, steps, tolerance)
            if other.risk < best.risk * (1.0 - _GAIN):
                best, failed = other, 0
                if whole:
                    self.report(number, best)
            else:
                failed += 1
        return best

    def _on_a_part(self, number: int, part: ScaledRows, draws: np.random.Generator, room: Workspace) -> None:
        """(c): what all rows cost is paid for few steps, and for what a part has shown to be good."""
        begin = self._greedy if number % 2 else self._random
        best = part.descend(begin(number, part, draws, room), room, _PART, _ROUGH)
        best = self._on_all(number, best, _ROUGH)
        if number > 0:  # the first start is there for an early answer
            best = part.descend(best, room, _SHORT, _ROUGH)
            best = self._after_swaps(number, part, best, draws, room)
            self._on_all(number, best, _FINE)

    def _on_all(self, number: int, best: Candidate, tolerance: float) -> Candidate:
        """The descent on all rows, a few steps at a time, until they lower the risk by no more than a share."""
        rows = self.rows
        room = Workspace(rows.n_samples, rows.X.shape[1], self.width)
        before = np.inf
        while True:
            best = rows.descend(best, room, _FULL_STEPS, tolerance)
            self.report(number, best)
            if self.expired() or best.risk > before * (1.0 - _FULL_STEPS * tolerance):
                return best
            before = best.risk

    def _part(self, draws: np.random.Generator) -> ScaledRows:
        size = max(_ROWS, _ROWS_PER_PARAMETER * (self.width * self.rows.X.shape[1] + 1))
        if self.rows.n_samples <= 2 * size:
            return self.rows
        return self.rows.take(np.sort(draws.choice(self.rows.n_samples, size, replace=False)))

    def _beginning(self, number: int) -> Callable[..., Candidate]:
        """(a)."""
        kinds = [self._greedy, self._random]
        if self.width == 2 and self.rows.X.shape[1] - 1 in _JUMP_INPUTS:
            kinds.append(self._jump)
        return kinds[number % len(kinds)]

    def _jump(self, number: int, rows: ScaledRows, draws: np.random.Generator, room: Workspace) -> Candidate:
        nothing = Candidate(np.inf, np.zeros(1 + 2 * rows.X.shape[1]), np.ones(2))
        return jumped(rows, nothing, (0, 1), self._directions(rows, rows.residuals(nothing), draws)[::2])

    def _random(
        self, number: int, rows: ScaledRows, draws: np.random.Generator, room: Workspace
    ) -> Candidate:
        n = rows.X.shape[1]
        sign = np.where(draws.random(self.width) < 0.5, -1.0, 1.0)
        parameters = np.concatenate([[0.0], 0.3 * draws.normal(size=self.width * n)])
        return Candidate(np.inf, parameters, sign)

    def _greedy(
        self, number: int, rows: ScaledRows, draws: np.random.Generator, room: Workspace
    ) -> Candidate:
        best = linear_candidate(rows, self.width)
        for unit in range(1, self.width):
            best = self._inserted(rows, best, unit, draws, room)
            if self.expired():
                break
            best = rows.descend(best, room, _SHORT, _ROUGH)
            if rows is self.rows:
                self.report(number, best)
        return best

    def _swapped(
        self, rows: ScaledRows, best: Candidate, draws: np.random.Generator, room: Workspace
    ) -> Candidate:
        out = draws.choice(self.width, size=min(self.width, 1 + int(draws.random() < 0.5)), replace=False)
        parameters = best.parameters.copy()
        other = Candidate(np.inf, parameters, best.sign.copy())
        other.rows[out] = 0.0
        for unit in out.tolist():
            other = self._inserted(rows, other, unit, draws, room)
        return other

    @staticmethod
    def _directions(rows: ScaledRows, residuals: F64, draws: np.random.Generator) -> F64:
        """Between two samples, random ones and the residual's gradient, of length 1."""
        directions = draws.normal(size=(_DIRECTIONS, rows.X.shape[1] - 1))
        pairs = draws.integers(0, rows.n_samples, size=(_DIRECTIONS // 2, 2))
        inputs = rows.X[pairs]
        inputs = inputs / inputs[:, :, -1:]
        directions[: _DIRECTIONS // 2] = (inputs[:, 0] - inputs[:, 1])[:, :-1]
        directions[-1] = residuals @ rows.X[:, :-1]
        with np.errstate(all="ignore"):
            directions /= np.linalg.norm(directions, axis=1)[:, None]
        return np.ascontiguousarray(directions[np.isfinite(directions).all(axis=1)])

    def _inserted(
        self, rows: ScaledRows, best: Candidate, unit: int, draws: np.random.Generator, room: Workspace
    ) -> Candidate:
        """The candidate with the best hinge among some directions at one unit, which is 0 before."""
        n = rows.X.shape[1]
        residuals = rows.residuals(best)
        directions = self._directions(rows, residuals, draws)
        flips = draws.random() < 0.5
        if n == 1:
            return best
        _search.best_hinge(rows.X, residuals, directions, room.work, room.counts, room.kinks, room.found)
        drop, which, knot, coefficient = room.found.tolist()
        if not drop > 0.0 or not np.isfinite([knot, coefficient]).all():
            return best
        # max(p - t, 0) and max(t - p, 0) differ by an affine function: either side may bend
        row = np.append(directions[int(which)], -knot) * abs(coefficient) * (-1.0 if flips else 1.0)
        parameters, sign = best.parameters.copy(), best.sign.copy()
        parameters[1 + unit * n : 1 + (unit + 1) * n] = row
        sign[unit] = 1.0 if coefficient > 0.0 else -1.0
        return Candidate(np.inf, parameters, sign)


def linear_candidate(rows: ScaledRows, width: int) -> Candidate:
    """The linear fit in one unit that is positive on all rows, the others 0."""
    n = rows.X.shape[1]
    solution: F64 = np.linalg.lstsq(rows.X, rows.y, rcond=None)[0].astype(np.float64, copy=False)
    inputs = rows.X[:, :-1] / rows.X[:, -1:]
    offset = float(np.abs(inputs @ solution[:-1] + solution[-1]).max()) + 4.0
    plus = rows.slopes[0]
    parameters = np.zeros(1 + width * n)
    parameters[1:n], parameters[n] = solution[:-1] / plus, (solution[-1] + offset) / plus
    parameters[0] = -offset
    candidate = Candidate(np.inf, parameters, np.ones(width))
    rest = rows.residuals(candidate)
    return Candidate(0.5 * float(rest @ rest), parameters, candidate.sign)
