"""Theorem 1 on one dataset that stays on disk: as few passes as the accuracy allows, each over blocks dealt to workers.

(a) First pass: counts, maxima, Gram matrix about a centre guessed from a few rows.
(b) Second pass, with the solution: fitted values, residuals, gradient (hence tau, the proved distance to the exact fit),
    the samples nearest to an activation boundary, and the records (fitted, residual) in ranges.
(c) Where the gradient is well above its rounding, (b) again with a corrected solution; where the columns are correlated,
    once more after a pass in extended precision; where they are collinear up to rounding, the exact Gram matrix decides.
(d) No pass: the search over the ranges, the minimum with its radius, and the pushed split, certified from sums at hand.

The rows are cut into tasks that depend on the source alone, and the states merged in their order: the same bits for every
executor, number of workers, and limit of memory.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.data.sources.block_source import BlockSource
from fastminima.errors import DataError, TooLargeError
from fastminima.exact.fit import ExactFit
from fastminima.exact.gram import GramState
from fastminima.exact.roundoff import gamma_n
from fastminima.fit.bounds import NormalEquations, column_norms
from fastminima.fit.envelope import Envelope
from fastminima.fit.least_squares import (
    LeastSquares,
    exact_fit,
    float_fit,
    least_squares,
    rounded_fit,
)
from fastminima.fit.refinement import gradient_rounding, refine
from fastminima.fit.running_sums import ExtendedGradient, Moments, Residuals
from fastminima.system.threads import single_threaded_blas
from fastminima.theorems.theorem1.better_point import better_point
from fastminima.theorems.theorem1.minimum import spurious_minimum
from fastminima.theorems.theorem1.splits.bucket_plan import Plan
from fastminima.theorems.theorem1.splits.search import SplitSearch
from fastminima.theorems.theorem1.splits.sum_scale import CarriedSums

from .budget import Budget
from .checkpoint import Stages
from .dealer import Dealer
from .options import Progress, Settings
from .passes import (
    Evaluation,
    Failure,
    Pass,
    extended_pass,
    gram_pass,
    moments_pass,
    piece_rows,
    residuals_pass,
    run_task,
    unchanged,
    uncounted,
)
from .ranges import Kept, KeptEvaluation, Ranges, plan_of
from .results import ScanResult
from .streamed import (
    CentredStream,
    RowsOnDemand,
    StreamedSamples,
    block_rows_for,
    regular,
    row_norms,
)

__all__ = ["Resources", "scan_large"]

Array = NDArray[np.float64]

# Rows of a task; fixed, because states are merged task by task.
TASK_ROWS = 1 << 17
# Refinement stops when the gradient is this many times its rounding bound: tau is at most so much larger than it could be.
_NEAR = 16.0
# Rows looked at first, at each of three places: they guess the centre, cut the ranges, and outline the envelope.
_SAMPLE_ROWS = 8192
# Ranges this long are searched in memory that the allocator has at hand, and read in not too many pieces.
_RANGE_RECORDS = 1 << 18
_MOST_RANGES = 512
# How far, in standard deviations, a guessed centre may lie from the mean before the first pass is made again.
_OFF_CENTRE = 8.0


@dataclass(frozen=True)
class Resources:
    """What a scan works with; the result does not depend on it.

    Attributes
    ----------
    dealer : Dealer
    workers : int
        Threads of the search.
    memory : int
        Bytes.
    folder : str
        For temporary files.
    progress : callable
    """

    dealer: Dealer
    workers: int
    memory: int
    folder: str
    progress: Progress


class _Scan:
    """One dataset, stage by stage."""

    def __init__(self, source: BlockSource, settings: Settings, resources: Resources, stages: Stages) -> None:
        assert source.n_rows is not None
        self.source, self.settings, self.resources, self.stages = source, settings, resources, stages
        self.total: int = source.n_rows
        n = self.n = source.n_features
        self.rows = settings.block_rows or block_rows_for(n)
        self.task_rows = self.rows * max(1, TASK_ROWS // self.rows)
        self.width = 3 if source.weighted else 2
        self.passes = 0
        self.route: Literal["memory", "stream"] = "stream"
        block = 8 * piece_rows(self.rows, n) * (n + 2)
        result = 8 * min(self.task_rows, self.total) * self.width
        self.budget = Budget(resources.memory, block, result, resources.dealer)
        self.ranges: Ranges | None = None
        self.samples: StreamedSamples | None = None

    # ---- passes ------------------------------------------------------------------------------------------

    def _pass(self, kind: Any, given: Pass, label: str, state: Any, merge: Callable[[Any, Any], None]) -> Any:
        """The states of all tasks merged in order, from where a checkpoint has them."""
        self.passes += 1
        counting = self.passes == 1
        finished, found = self.stages.begin(self._kept(state))
        if counting:
            self.source.add_counts(self.stages.counts)
        if finished:
            return self._finished(found, state)
        first, state = self._resumed(found, state)
        with unchanged(self.source):
            for number, result, counts in self._results(kind, given, first):
                if counting:
                    self.source.add_counts(counts)
                    self.stages.count(counts)
                merge(state, result)
                done = min(number * self.task_rows, self.total)
                self.resources.progress(self.source.name, label, done, self.total)
                if self.stages.due():
                    self.stages.save(number, self._kept(state))
        self.stages.finish(self._kept(state))
        return state

    def _results(self, kind: Any, given: Pass, first: int) -> Iterator[tuple[int, Any, dict[str, int]]]:
        """(tasks done, result, what was counted) of every task from `first` on, in their order."""
        starts = range(0, self.total, self.task_rows)
        elsewhere = self.resources.dealer.elsewhere
        tasks = (
            (kind, given.of(start, stop, elsewhere=elsewhere), start, stop)
            for start, stop in ((a, min(a + self.task_rows, self.total)) for a in starts[first:])
        )
        for number, (result, counts) in enumerate(
            self.resources.dealer.map(run_task, tasks), start=first + 1
        ):
            if isinstance(result, Failure):
                raise result.error
            yield number, result, counts

    def _kept(self, state: Any) -> Any:
        """A state as a checkpoint holds it: of records on disk only what tells them."""
        if isinstance(state, _Evaluated) and self.stages.folder is not None:
            return KeptEvaluation(state.sums, state.envelope, state.ranges.state())
        return state

    def _finished(self, found: Any, new: Any) -> Any:
        """The state of a pass that another process finished; `new` is the one it began with."""
        if isinstance(found, KeptEvaluation):
            return _Evaluated(found.sums, found.envelope, new.ranges, found.records)
        return found

    def _resumed(self, found: tuple[int, Any] | None, new: Any) -> tuple[int, Any]:
        """(first task, state) of a pass that another process began, or that is `new`."""
        if not isinstance(new, _Evaluated) or self.stages.folder is None:
            return (0, new) if found is None else found
        if found is not None:
            first, kept = found
            # the file may be longer than the state knows, because a killed scan wrote on
            if len(kept.records.portions) == first and new.ranges.restore(kept.records):
                return first, _Evaluated(kept.sums, kept.envelope, new.ranges)
        # or it is not what was written: then the pass is made again
        new.ranges.forget()
        return 0, new

    def _centre(self) -> tuple[Array, float, Array]:
        """Means of a few rows at the start, in the middle and at the end, and these rows."""
        parts, targets = [], []
        zero = np.zeros(self.n)
        last = max(0, self.total - _SAMPLE_ROWS)
        for start in sorted({0, last // 2, last}):
            stop = min(start + _SAMPLE_ROWS, self.total)
            for X, y, _ in uncounted(self.source).blocks(start, stop, self.rows):
                parts.append(X.copy())
                targets.append(y.copy())
        if not parts:
            return zero, 0.0, np.empty((0, self.n))
        X, y = np.concatenate(parts), np.concatenate(targets)
        return X.mean(axis=0), float(y.mean()), X

    # ---- the fit -----------------------------------------------------------------------------------------

    def fit(self) -> LeastSquares:
        """Passes (a) to (c)."""
        with np.errstate(over="ignore", invalid="ignore"):
            centre, centre_y, self.sample = self._centre()
        if not (np.isfinite(centre).all() and math.isfinite(centre_y)):
            centre, centre_y = np.zeros(self.n), 0.0
        given = Pass(self.source, self.rows, centre, centre_y, np.empty(0), 0.0, Plan.single())
        moments = self._moments(given)
        off = _off_centre(moments, centre)
        if off is not None:
            given = replace(given, centre=centre + off)
            moments = self._moments(given)
        # what is read again is not counted again
        stream = RowsOnDemand(uncounted(self.source), moments.count, self.resources.memory)
        if not regular(moments):
            # sizes beyond 2^±200 are scaled column by column, which only the fit in memory does
            return self._in_memory(stream.dataset())
        self.given, self.moments = given, moments
        frame = self.frame = CentredStream.of(stream, given.centre, centre_y, moments, self.rows)
        normal = NormalEquations.of(moments, frame)
        if not normal.safe:
            return self._exact(frame)
        affine, found = refine(self, frame, moments, normal, least_steps=0, tolerance=_NEAR)
        samples = self._streamed_samples(frame, affine, found)
        return float_fit(frame, moments, normal, affine, found.sums, samples)

    def _in_memory(self, data: Dataset) -> LeastSquares:
        self.route = "memory"
        return least_squares(
            Dataset(
                data.X,
                data.y,
                sample_weight=data.sample_weight,
                feature_names=data.feature_names,
                target_name=data.target_name,
            )
        )

    def _moments(self, given: Pass) -> Moments:
        moments: Moments = self._pass(moments_pass, given, "moments", Moments.zero(self.n), Moments.merge)
        if not moments.count:
            raise DataError(f"{self.source.name}: no row is left; each lacks a value, or has weight 0")
        return moments

    def evaluate(self, slopes: Array, value_at_centre: float, *, keep: bool = True) -> _Evaluated:
        """One pass with these coefficients, which keeps its records until the next one."""
        given, moments = self.given, self.moments
        if self.ranges is not None:
            self.ranges.remove()
        record = 8 * self.width
        on_disk = self.stages.folder is not None or not self.budget.in_memory(moments.count * record)
        # of the number of records alone: their sums are made range by range
        n_ranges = max(1, min(_MOST_RANGES, -(-moments.count // _RANGE_RECORDS)))
        folder = None
        if on_disk:
            base = self.stages.folder or self.resources.folder
            folder = os.path.join(base, f"records-{self.passes}")
        # the rows looked at first tell how fitted values spread, and which samples may be nearest to a boundary
        fitted, envelope = (self.sample - given.centre) @ slopes + value_at_centre, Envelope()
        plan = plan_of(fitted, n_ranges)
        if len(fitted):
            envelope.update(fitted, row_norms(self.sample))
            envelope.settle()
        room = self.budget.room // (self.resources.workers + 1)
        outlives = self.stages.folder is not None
        self.ranges = Ranges(plan.n_buckets, self.width, folder, self.source.name, room, outlives=outlives)
        state = _Evaluated(Residuals.zero(self.n), envelope, self.ranges)
        given = self.evaluating = replace(
            given,
            slopes=slopes,
            value_at_centre=value_at_centre,
            plan=plan,
            envelope=envelope.outline(),
        )
        result: _Evaluated = self._pass(residuals_pass, given, "residuals", state, _merge_evaluation)
        if result.sums.count != moments.count:
            raise DataError(
                f"{self.source.name}: the first pass read {moments.count:,} rows, this one {result.sums.count:,}; the data "
                "have changed meanwhile"
            )
        self._check_gradient(result.sums, moments.gram @ np.append(value_at_centre, slopes) - moments.rhs)
        return result

    def _check_gradient(self, sums: Residuals, expected: Array) -> None:
        """Raise where a pass has not the gradient that an earlier one foretells: they have read other numbers.

        What is foretold is off by the rounding of the Gram matrix and the right-hand side, gamma N_k N_j an entry, and of
        their products with the coefficients; N_y <= ||r|| + sum_j |w_j| N_j.
        """
        frame, sizes = self.frame, self.moments.sizes()
        affine = self.evaluating.slopes, self.evaluating.value_at_centre
        norms = column_norms(frame, sizes)
        size = 2.0 * float(np.abs(np.append(affine[1], affine[0])) @ norms) + math.sqrt(sums.squared_norm)
        foretold = (frame.summation + gamma_n(self.n + 3)) * norms * size
        # twice, because norms and ||r|| are themselves sums of this pass and the first
        bound = 2.0 * (gradient_rounding(frame, sizes, affine, sums) + foretold)
        if (np.abs(sums.gradient - expected) > bound).any():
            raise DataError(
                f"{self.source.name}: two passes have read other numbers; the data have changed while they were scanned"
            )

    def _evaluate_again(self, ranges: Ranges, records: Kept) -> None:
        """The records of a finished pass anew: a scan killed at its end had deleted them, or they were damaged since."""
        ranges.forget()
        for number, result, _ in self._results(residuals_pass, self.evaluating, 0):
            ranges.append(result.records, result.counts)
            done = min(number * self.task_rows, self.total)
            self.resources.progress(self.source.name, "residuals, anew", done, self.total)
        if ranges.kept.digests != records.digests:
            raise DataError(
                f"{self.source.name}: the residuals are not what they were; the data have changed meanwhile"
            )

    def extended_gradient(self, slopes: Array, value_at_centre: float) -> Array:
        """One pass in extended precision."""
        given = replace(self.given, slopes=slopes, value_at_centre=value_at_centre)
        state: ExtendedGradient = self._pass(
            extended_pass, given, "refinement", ExtendedGradient.zero(self.n), ExtendedGradient.merge
        )
        return state.gradient.astype(np.float64)

    def _exact(self, frame: CentredStream) -> LeastSquares:
        """Collinear up to rounding: solve with the exact Gram matrix."""
        state: GramState = self._pass(
            gram_pass, self.given, "exact Gram", GramState(self.n, self.source.weighted), GramState.merge
        )
        exact = ExactFit.of(frame.data, state.result())
        affine = rounded_fit(frame, exact)
        found = self.evaluate(*affine)
        # of the exact solution it is 0
        self._check_gradient(found.sums, np.zeros(self.n + 1))
        samples = self._streamed_samples(frame, affine, found)
        return exact_fit(frame, exact, self.moments.sizes(), affine, found.sums, samples)

    def _streamed_samples(
        self, frame: CentredStream, affine: tuple[Array, float], found: _Evaluated
    ) -> StreamedSamples:
        """How the fit searches its splits without arrays of all samples."""
        heaviest = self.moments.weight_range[1] if self.source.weighted else None
        before = CarriedSums.nothing(float(self.moments.gram[0, 0]), found.sums.largest, heaviest)
        ranges, records = found.ranges, found.records
        if records is not None and not ranges.restore(records):
            self._evaluate_again(ranges, records)

        def search(kappa: float, reach: float, errors: tuple[float, float, float]) -> SplitSearch:
            self.resources.progress(self.source.name, "splits", self.total, self.total)
            return ranges.search(kappa, reach, errors, before, self.resources.workers)

        self.samples = StreamedSamples(frame, affine, found.sums, found.envelope, search)
        return self.samples

    def forget(self) -> None:
        """Remove the records: who asks again gets them computed in memory."""
        if self.ranges is not None:
            self.ranges.remove()
        if self.samples is not None:
            self.samples.forget_records()


@dataclass
class _Evaluated:
    """Merged results of `residuals_pass`; `records` tells what the ranges held when another process finished it."""

    sums: Residuals
    envelope: Envelope
    ranges: Ranges
    records: Kept | None = None


def _merge_evaluation(state: _Evaluated, other: Evaluation) -> None:
    state.sums.merge(other.sums)
    state.envelope.merge(other.envelope)
    state.ranges.append(other.records, other.counts)


def _off_centre(moments: Moments, centre: Array) -> Array | None:
    """How far the means lie from the centre, where that is much further than the spread; else None."""
    total = float(moments.gram[0, 0])
    mean = moments.gram[0, 1:] / total
    variance = np.maximum(np.diag(moments.gram)[1:] / total - mean * mean, 0.0)
    # a column without spread is off by the rounding of its centre, which another pass would not mend
    far = (mean * mean > _OFF_CENTRE**2 * variance) & (np.abs(mean) > 2.0**-40 * np.abs(centre))
    return mean if far.any() else None


def scan_large(source: BlockSource, settings: Settings, resources: Resources, stages: Stages) -> ScanResult:
    """Scan one prepared source.

    Raises
    ------
    FastMinimaError
        The data, or the disk. Where neither float64 decides nor the rows fit in memory, the result is undecided.
    """
    start = time.perf_counter()
    scan = _Scan(source, settings, resources, stages)
    fit = low = better = None
    reason, stopped = "", True
    try:
        # held here too: limits that threads set and take back on their own would undo each other
        with unchanged(source), single_threaded_blas():
            fit = scan.fit()
            low = spurious_minimum(fit, settings.activation, cast(int, settings.width), settings.alpha)
            better = better_point(low) if low.network.width > 1 else None
            _ = better and better.risk  # while the rows are there
        stopped = False
    except Exception as error:
        stopped = False
        if not isinstance(error, TooLargeError):
            raise
        reason = str(error)
    finally:
        # an interrupted scan goes on with its records from the checkpoint
        if not (stopped and stages.folder is not None):
            scan.forget()
    notes = dict(source.notes)
    if low is not None and low.notes:
        notes["construction"] = list(low.notes)
    return ScanResult(
        source.name,
        low,
        better,
        fit,
        scan.route,
        scan.passes,
        time.perf_counter() - start,
        notes,
        None,
        reason,
    )
