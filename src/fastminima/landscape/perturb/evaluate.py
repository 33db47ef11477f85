"""Evaluate points on threads.

Results come in order, depend on neither blocks nor threads, and the run can be stopped.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.progress import bar

from .options import ProbeOptions
from .points import directions, n_parameters
from .stopping import Stopped
from .tally import Block, Tally

__all__ = ["RadiusPlan", "evaluate_points"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Evaluate = Callable[[F64], tuple[F64, NDArray[np.integer], "NDArray[np.bool_] | None"]]
"""Excesses of perturbations, how many pairs of each change sides, and which have no sign (None: all have one)."""

# A block is what one thread does between two reports: at most this many points and about so many multiply-adds (a few
# seconds). It goes through them by as many perturbations as fit in these bytes, of the second-level cache; either has at
# least so many hidden units that packing the samples for them is a few per cent.
_BLOCK_POINTS = 4_096
_BLOCK_WORK = 1 << 37
_PART_BYTES = 1 << 20
_MIN_UNITS = 256
# A call of the screen is what cannot be interrupted; its length is steered to this many seconds. Direct
# evaluation asks between segments of samples whether to go on.
_CALL_SECONDS = 0.05
_FIRST_CALL = 8
_WAIT_SECONDS = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class RadiusPlan:
    """One radius: how its points are evaluated, and the excesses if they are kept."""

    radius: float
    method: str
    evaluate: Evaluate
    kept: F64 | None


class _Pace:
    """Points per call, steered so that no call lasts long. It moves no bit: points do not know their block."""

    def __init__(self, start: int, most: int) -> None:
        self.points, self._most = min(start, most), most

    def done(self, points: int, seconds: float) -> None:
        if seconds > 2.0 * _CALL_SECONDS:
            self.points = max(1, points // 2)
        elif seconds < 0.5 * _CALL_SECONDS:
            self.points = min(self._most, max(self.points, 2 * points))


def _result(future: Future[list[Block]]) -> list[Block]:
    """The result of a future. The wait is cut in pieces: not every system lets a signal end a longer one."""
    while not future.done():
        wait([future], timeout=_WAIT_SECONDS)
    return future.result()


def _in_order(
    work: Callable[[int], list[Block]], starts: range, threads: int, stop: threading.Event
) -> Iterator[list[Block]]:
    """work(start) for every start, in order; at most a few results wait. Nothing runs on after an exception."""
    if threads == 1:
        for start in starts:
            yield work(start)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[list[Block]]] = deque()
    try:
        for start in starts:
            waiting.append(pool.submit(work, start))
            if len(waiting) > 2 * threads:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _sizes(network: OneHiddenLayer, data: Dataset, options: ProbeOptions, direct: bool) -> tuple[int, int]:
    """Points per block, and of them at a time. No result depends on it."""
    d1, dx = network.W1.shape
    n, threads = options.n, options.threads
    least = -(-_MIN_UNITS // d1)
    points = _BLOCK_POINTS
    if direct:
        points = min(points, max(_BLOCK_WORK // (data.n_samples * d1 * (dx + 2)), least))
    # enough blocks to share out evenly, and for all threads to end together
    shared = -(-n // (4 * threads)) if threads > 1 else n
    points = max(1, min(points, max(shared, min(least, -(-n // threads)))))
    at_once = max(_PART_BYTES // (8 * n_parameters(d1, dx)), least)
    # in equal parts: a last one of a few points would pack all samples for itself
    points = -(-n // -(-n // points))
    return points, -(-points // -(-points // at_once))


class _PointBlocks:
    """Blocks of points, evaluated at every radius; any thread may call it for one."""

    def __init__(
        self, plans: list[RadiusPlan], options: ProbeOptions, shape: tuple[int, int], stop: threading.Event
    ) -> None:
        self._plans, self._options, self._shape, self._stop = plans, options, shape, stop
        self._paces = [_Pace(shape[0] if p.method == "direct" else _FIRST_CALL, shape[0]) for p in plans]
        # one radius has its points drawn there; several share the directions
        self._sweep = len(plans) > 1
        self._scale = 1.0 if self._sweep else plans[0].radius
        self._spare: list[tuple[F64, F64]] = []

    def evaluated(self, first: int, last: int) -> list[Block]:
        """What the points first, ..., last - 1 have to say, for each radius."""
        plans, at_once = self._plans, self._shape[0]
        try:
            unit, delta = self._spare.pop()
        except IndexError:
            unit, delta = np.empty(self._shape), np.empty(self._shape if self._sweep else 0)
        excess, changed = np.empty((len(plans), last - first)), np.empty((len(plans), last - first), np.int64)
        near = np.zeros((len(plans), last - first), bool)
        with np.errstate(all="ignore"):  # a thread does not inherit its caller's
            for k in range(first, last, at_once):
                moves = drawn = unit[: last - k]
                directions(self._options.seed, k, self._options.distribution, self._scale, drawn)
                cut = slice(k - first, k - first + len(drawn))
                for i, (plan, pace) in enumerate(zip(plans, self._paces, strict=True)):
                    if self._sweep:
                        moves = np.multiply(drawn, plan.radius, out=delta[: len(drawn)])
                    self._evaluate(plan, pace, moves, (excess[i, cut], changed[i, cut], near[i, cut]))
        self._spare.append((unit, delta))
        return [_summary(*results, first) for results in zip(plans, excess, changed, near, strict=True)]

    def _evaluate(
        self, plan: RadiusPlan, pace: _Pace, moves: F64, out: tuple[F64, I64, NDArray[np.bool_]]
    ) -> None:
        excess, changed, near = out
        start = 0
        while start < len(moves):
            if self._stop.is_set():
                raise Stopped
            rows = slice(start, min(start + pace.points, len(moves)))
            began = time.perf_counter()
            excess[rows], changed[rows], unsigned = plan.evaluate(moves[rows])
            if unsigned is not None:
                near[rows] = unsigned
            if plan.method != "direct":
                pace.done(rows.stop - start, time.perf_counter() - began)
            start = rows.stop


def _summary(plan: RadiusPlan, excess: F64, changed: I64, near: NDArray[np.bool_], first: int) -> Block:
    result = Block.of(excess, changed, first, near)
    if plan.kept is not None:
        plan.kept[first : first + len(excess)] = excess
    return result


def evaluate_points(
    network: OneHiddenLayer,
    data: Dataset,
    plans: list[RadiusPlan],
    options: ProbeOptions,
    stop: threading.Event,
) -> list[Tally]:
    """Counts of the excesses of all points, for each radius.

    Parameters
    ----------
    network : OneHiddenLayer
    data : Dataset
    plans : list of RadiusPlan
        One per radius; their `kept` are filled.
    options : ProbeOptions
        With at least one point.
    stop : threading.Event
        Set when something goes wrong, so that no thread works on.
    """
    n, threads = options.n, options.threads
    points, at_once = _sizes(network, data, options, any(plan.method == "direct" for plan in plans))
    blocks = _PointBlocks(plans, options, (at_once, n_parameters(*network.W1.shape)), stop)

    def work(first: int) -> list[Block]:
        return blocks.evaluated(first, min(first + points, n))

    tallies = [Tally() for _ in plans]
    done = 0
    with bar("probing", n, progress=options.progress) as advance:
        for some in _in_order(work, range(0, n, points), threads, stop):
            for tally, block in zip(tallies, some, strict=True):
                tally.update(block)
            done += some[0].n
            advance(done)
    return tallies
