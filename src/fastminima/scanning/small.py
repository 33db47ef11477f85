"""Theorem 1 on datasets that fit in memory many times over: the functions of the library, one dataset a task."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence

from fastminima.data.sources.block_source import BlockSource
from fastminima.exact.affine import Columns
from fastminima.exact.groups import group_ids
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.theorems.theorem1.better_point import better_point
from fastminima.theorems.theorem1.minimum import spurious_minimum

from .passes import unchanged
from .results import ScanResult

__all__ = ["checked", "failed", "is_small", "scan_small"]

# Numbers of a dataset that is read at once: the passes over it cost milliseconds.
_SMALL = 1 << 21
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


def _scan_one(source: BlockSource, activation: PiecewiseLinear, width: int) -> ScanResult:
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
            low = spurious_minimum(data, activation, width)
            better = better_point(low) if width > 1 else None
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


def checked(source: BlockSource, result: ScanResult) -> ScanResult:
    """The result, unless a file of the source has changed since it was opened."""
    try:
        with unchanged(source):
            if result.error is not None:
                raise result.error
    except Exception as error:
        return result if error is result.error else failed(source.name, error, result.seconds)
    return result


def scan_small(sources: Sequence[BlockSource], activation: PiecewiseLinear, width: int) -> list[ScanResult]:
    """Scan several sources, one after the other; a failing one is a result with its error."""
    return [_scan_one(source, activation, width) for source in sources]
