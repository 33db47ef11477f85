"""Theorem 1 on datasets that fit in memory many times over: the functions of the library, one dataset a task."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence

from fastminima.data.sources.block_source import BlockSource
from fastminima.errors import TooLargeError
from fastminima.exact.affine import Columns
from fastminima.exact.groups import group_ids
from fastminima.theorems.theorem1.better_point import better_point
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.minimum import spurious_minimum

from .options import Settings
from .passes import unchanged
from .results import ScanResult

__all__ = ["checked", "failed", "fits_in_memory", "is_small", "needs_all_rows", "scan_small", "too_large"]

# Numbers of a dataset that is read at once: the passes over it cost milliseconds.
_SMALL = 1 << 21
# Bytes for each number of a dataset whose rows are all used at once, as float64 and as Python's integers.
_NUMBER = 300
# Text shrinks by less than this.
_COMPRESSION = 20
_PACKED = (".gz", ".bz2", ".xz", ".zip")


def is_short(source: BlockSource) -> bool:
    """Whether a source whose rows are not known yet has few numbers all the same: a number takes two bytes or more."""
    size = source.size_bytes
    if source.n_rows is not None or size is None:
        return False
    return size * (_COMPRESSION if source.name.lower().endswith(_PACKED) else 1) <= 2 * _SMALL


def is_small(source: BlockSource, memory: int) -> bool:
    """Whether a source is scanned in memory: it has few numbers, or numbers that only a `Dataset` holds."""
    if source.exact:
        return True
    if source.n_rows is None:
        return is_short(source)
    numbers = source.n_rows * (source.n_features + 2)
    return numbers <= _SMALL and 64 * numbers <= memory


def failed(name: str, error: Exception, seconds: float = 0.0) -> ScanResult:
    """The result of a dataset that cannot be scanned."""
    return ScanResult(name, error=error, seconds=seconds)


def needs_all_rows(source: BlockSource, settings: Settings) -> bool:
    """Can a source be scanned only with all its rows in memory?"""
    return settings.deep or getattr(source, "n_targets", 1) > 1


def _bytes_needed(source: BlockSource) -> int:
    """Memory for all rows and for the exact arithmetic on them: integers of some hundred bits for each number."""
    numbers = source.n_features + getattr(source, "n_targets", 1) + 2
    return (source.n_rows or 0) * (_NUMBER * numbers + 400)


def fits_in_memory(source: BlockSource, memory: int) -> bool:
    """Do all rows of a source fit, with what works on them?"""
    return source.n_rows is None or _bytes_needed(source) <= memory


def too_large(source: BlockSource, settings: Settings, memory: int) -> TooLargeError:
    """The error of a source that does not fit."""
    what = "several layers, other losses and activations that are not made of two slopes need"
    if not settings.deep:
        what = "several targets need"
    return TooLargeError(
        f"{source.name}: {what} all {source.n_rows or 0:,} rows in memory (about {_bytes_needed(source) / 1e9:.3g} GB with "
        f"what works on them), the limit is {memory / 1e9:.3g} GB; raise memory=, scan a sample of the rows, or ask for one "
        "hidden layer with one target, squared loss and a piecewise linear activation, which streams"
    )


def _scan_one(source: BlockSource, settings: Settings) -> ScanResult:
    start = time.perf_counter()
    # against itself: this may be another machine than the one that opened the files
    source = getattr(source, "stamped", lambda: source)()
    try:
        with unchanged(source):
            if source.n_rows is None:
                with tempfile.TemporaryDirectory(prefix="fastminima-") as folder:
                    source = source.prepare(folder)
                    data = source.dataset()
            else:
                data = source.dataset()
            low = spurious_minimum(
                data,
                settings.activation,
                settings.width,
                settings.alpha,
                loss=settings.loss,
                gain=settings.gain,
            )
            if isinstance(low, DeepMinimum):
                return _deep_result(source, low, start)
            better = better_point(low) if low.network.width > 1 else None
            _ = better and better.risk  # while the rows are there
    except Exception as error:
        # whatever it is, it is about this dataset: the scan goes on, and the row says what happened
        return failed(source.name, error, time.perf_counter() - start)
    notes = dict(source.notes)
    repeated = data.n_samples - len(group_ids(Columns(data))[1])
    if repeated:
        # theorem 1 asks for distinct inputs: equal ones are merged where the construction needs that (case 2)
        notes["rows that repeat an input, merged"] = repeated
    if low.notes:
        notes["construction"] = list(low.notes)
    seconds = time.perf_counter() - start
    return ScanResult(source.name, low, better, low.fit, "memory", 1, seconds, notes)


def _deep_result(source: BlockSource, low: DeepMinimum, start: float) -> ScanResult:
    """The result of one dataset whose network has several layers, targets, or another loss or activation."""
    better = better_point(low) if low else None
    # worked out here, where the rows and another core are
    _ = low.loss, low.radius_relative, low.rank
    notes, data = dict(source.notes), low.data
    if data.notes:
        notes["data"] = list(data.notes)
    repeated = data.n_samples - len(set(low.fits.by_input.tolist()))
    if repeated:
        notes["rows that repeat an input"] = repeated
    seconds = time.perf_counter() - start
    return ScanResult(source.name, low, better, None, "memory", 1, seconds, notes)


def checked(source: BlockSource, result: ScanResult) -> ScanResult:
    """The result, unless a file of the source has changed since it was opened."""
    try:
        with unchanged(source):
            if result.error is not None:
                raise result.error
    except Exception as error:
        return result if error is result.error else failed(source.name, error, result.seconds)
    return result


def scan_small(sources: Sequence[BlockSource], settings: Settings) -> list[ScanResult]:
    """Scan several sources, one after the other; a failing one is a result with its error."""
    return [_scan_one(source, settings) for source in sources]
