"""Threads: how many are meant by `workers`, and BLAS held to one while the library's own loops run.

Panels of a few thousand rows are too small for a multi-threaded BLAS: on a busy machine its spinning workers
make them a hundred times slower. NumPy and SciPy wheels carry separate OpenBLAS copies; both are limited.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

from .errors import OptionError

__all__ = ["count_workers", "single_threaded_blas"]


def count_workers(workers: int) -> int:
    """Number of threads meant by `workers`: itself, or all usable cores for -1."""
    try:
        count = operator.index(workers)
    except TypeError:
        count = 0
    if count == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(workers, bool) or count < 1:
        raise OptionError(f"workers must be a whole number >= 1, or -1 for all usable cores, got {workers!r}")
    return count


@cache
def _controller() -> ThreadpoolController:
    # finding the loaded libraries takes milliseconds, setting a limit microseconds: look once.
    # SciPy's copy is loaded by its own modules, so it has to be imported before the look.
    import scipy.linalg.cython_blas  # noqa: F401

    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit every BLAS in this process to one thread inside the block."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
