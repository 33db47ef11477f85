"""Threads: how many are meant by `workers`, and BLAS held to one while the library's own loops run.

Panels of a few thousand rows are too small for a multi-threaded BLAS: on a busy machine its spinning workers
make them a hundred times slower. NumPy and SciPy wheels carry separate OpenBLAS copies; both are limited.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from .first_use import first_use

__all__ = ["single_threaded_blas"]


@cache
def _libraries() -> list[Any]:
    # finding the loaded libraries takes milliseconds, setting a limit microseconds: look once.
    # SciPy's copy is loaded by its own modules, so it has to be imported before the look.
    with first_use():
        import scipy.linalg.cython_blas  # noqa: F401

        libraries: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
        return libraries


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit every BLAS in this process to one thread inside the block.

    A block inside another, or beside one in another thread, finds one thread already, changes nothing and restores nothing.
    """
    changed = [(library, before) for library in _libraries() if (before := library.num_threads) != 1]
    for library, _ in changed:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, before in changed:
            library.set_num_threads(before)
