"""One pass over some rows of a source: what a worker does, wherever it runs.

A task is picklable and carries its source, its rows and what the pass needs to know; it returns a small state (and, in the
pass over residuals, the fitted values and residuals of its rows, sorted into ranges). Every task makes its own blocks
of the same rows, so a state depends on the rows alone.
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.sources.block_source import Block, BlockSource
from fastminima.errors import ReadError
from fastminima.exact.gram import GramState
from fastminima.fit.envelope import Envelope
from fastminima.fit.running_sums import ExtendedGradient, Moments, Residuals
from fastminima.system.threads import single_threaded_blas
from fastminima.theorems.theorem1.splits.bucket_plan import Plan

__all__ = [
    "Evaluation",
    "Failure",
    "Pass",
    "extended_pass",
    "gram_pass",
    "moments_pass",
    "piece_rows",
    "residuals_pass",
    "run_task",
    "unchanged",
    "uncounted",
]

Array = NDArray[np.float64]

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Failure:
    """An exception raised by the data, not by the machinery that runs tasks."""

    error: Exception


@dataclass(frozen=True)
class Pass:
    """What every task of a pass knows.

    Attributes
    ----------
    source : BlockSource
    rows : int
        Of a block.
    centre : (n_features,) float64, centre_y : float
    slopes : (n_features,) float64, value_at_centre : float
        Coefficients to evaluate, in the frame; empty and 0 where there are none yet.
    plan : Plan
        Ranges of fitted values.
    envelope : Envelope or None
        An outline to begin with.
    """

    source: BlockSource
    rows: int
    centre: Array
    centre_y: float
    slopes: Array
    value_at_centre: float
    plan: Plan
    envelope: Envelope | None = None

    def of(self, start: int, stop: int, *, elsewhere: bool) -> Pass:
        """The same for a worker in another process: of rows in memory it takes its own."""
        return replace(self, source=self.source.slice(start, stop)) if elsewhere else self


@dataclass
class Evaluation:
    """Result of `residuals_pass`: states, and the records (fitted, residual[, weight]) by range of fitted values.

    Attributes
    ----------
    records : (k, 2) or (k, 3) float64
    counts : (n_ranges,) int64
    """

    sums: Residuals
    envelope: Envelope
    records: Array
    counts: NDArray[np.int64]


def uncounted(source: BlockSource) -> BlockSource:
    """A copy that counts for itself: threads share a source, and a count is that of one task."""
    own = copy.copy(source)
    own.counts = {}
    return own


@contextmanager
def unchanged(source: BlockSource) -> Iterator[None]:
    """Raise ReadError where a file of the source changes while the block runs, whatever else comes of that.

    Sources that others made need not know; they have to be the same in every pass.
    """
    check = getattr(source, "check_unchanged", lambda: None)
    try:
        yield
    except Exception as error:
        try:
            check()
        except ReadError as changed:
            told = str(error)
            raise ReadError(told if told.startswith(str(changed)) else f"{changed}: {told}") from error
        raise
    check()


def run_task(kind: Any, given: Pass, start: int, stop: int) -> tuple[Any, dict[str, int]]:
    """The state of rows [start, stop) of the source, and what the source counted on the way.

    An exception of the data comes back as a `Failure`: whatever a worker raises itself is then the machinery's.
    """
    source = uncounted(given.source)
    given = replace(given, source=source)
    try:
        # sums that overflow become inf, and inf is looked for
        with single_threaded_blas(), np.errstate(over="ignore", invalid="ignore"):
            state = kind(given, start, stop)
    except Exception as error:
        return Failure(error), {}
    return state, source.counts


def piece_rows(rows: int, n_features: int) -> int:
    """Rows read at once for blocks of `rows`: two blocks, where both stay in a second-level cache.

    What reading costs whatever the number of rows, much of it under the interpreter's lock, is then paid half as often.
    """
    return 2 * rows if 16 * rows * (n_features + 2) <= _PIECE_BYTES else rows


def _blocks(given: Pass, start: int, stop: int) -> Iterator[Block]:
    """The blocks of some rows, cut from pieces that depend on the source alone."""
    source, rows = given.source, given.rows
    for X, y, w in source.blocks(start, stop, piece_rows(rows, source.n_features)):
        for begin in range(0, len(y), rows):
            part = slice(begin, begin + rows)
            yield X[part], y[part], None if w is None else w[part]


def moments_pass(given: Pass, start: int, stop: int) -> Moments:
    """Counts, maxima, Gram matrix."""
    state, centre = Moments.zero(len(given.centre)), (given.centre, given.centre_y)
    for X, y, w in _blocks(given, start, stop):
        state.update(X, y, w, centre)
    return state


def residuals_pass(given: Pass, start: int, stop: int) -> Evaluation:
    """Fitted values, residuals, gradient, and the samples that can be nearest to an activation boundary."""
    sums, centre = Residuals.zero(len(given.centre)), (given.centre, given.centre_y)
    envelope = Envelope() if given.envelope is None else given.envelope.outline()
    columns = _scratch("columns", 3 if given.source.weighted else 2, stop - start)
    affine, held = (given.slopes, given.value_at_centre), _scratch("norms", given.rows)
    at = 0
    for X, y, w in _blocks(given, start, stop):
        rows, norms = slice(at, at + len(y)), held[: len(y)]
        values = columns[0, rows]
        known = sums.update(X, y, w, centre, affine, (values, columns[1, rows], norms), envelope.lines)
        envelope.update(values, norms, known)
        if w is not None:
            columns[2, rows] = w
        at += len(y)
    envelope.settle()
    ids = _scratch("ids", -(-at // 4)).view(np.uint16)[:at]
    records, counts = given.plan.sorted_into(
        columns if at == columns.shape[1] else columns[:, :at].copy(), ids
    )
    return Evaluation(sums, envelope, records, counts)


class _Local(threading.local):
    """Memory a worker uses in task after task: handed back to the system it would be zeroed anew each time."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}


_local = _Local()


def _scratch(name: str, *shape: int) -> Array:
    size = math.prod(shape)
    held = _local.arrays.get(name)
    if held is None or held.size < size:
        held = _local.arrays[name] = np.empty(size)
    return held[:size].reshape(shape)


def extended_pass(given: Pass, start: int, stop: int) -> ExtendedGradient:
    """The gradient in extended precision."""
    state, centre = ExtendedGradient.zero(len(given.centre)), (given.centre, given.centre_y)
    for X, y, w in given.source.blocks(start, stop, given.rows):
        state.update(X, y, w, centre, given.slopes, given.value_at_centre)
    return state


def gram_pass(given: Pass, start: int, stop: int) -> GramState:
    """The exact Gram matrix of (1, x, y)."""
    state = GramState(len(given.centre), given.source.weighted)
    for X, y, w in given.source.blocks(start, stop, given.rows):
        state.update(np.require(X, None, ["C", "A"]), y, w)
    return state
