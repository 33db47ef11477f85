"""Who works: threads and processes of our own, or the executor of the caller."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from .dealer import Dealer, Submitter

__all__ = ["Pools"]

# Workers of an executor that does not tell.
_GUESS = 4


class Pools:
    """Threads and processes of our own, made when first needed; or the executor given, for everything.

    Parameters
    ----------
    executor : Submitter or None
    workers : int
    preload : str
        The module whose functions are dealt: processes of our own begin with it loaded.
    """

    def __init__(self, executor: Submitter | None, workers: int, preload: str) -> None:
        self._given, self.workers, self._preload = executor, workers, preload
        self._threads: ThreadPoolExecutor | None = None
        self._processes: ProcessPoolExecutor | None = None

    def __enter__(self) -> Pools:
        return self

    def __exit__(self, *error: object) -> None:
        for pool in (self._threads, self._processes):
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)

    def _count(self) -> int:
        """Workers of the executor given: pools of the standard library and Dask tell, for others a guess."""
        told = getattr(self._given, "_max_workers", None)
        client = getattr(self._given, "_client", None)
        if told is None and client is not None:
            told = sum(client.nthreads().values())
        return max(self.workers, told) if isinstance(told, int) else max(self.workers, _GUESS)

    def rows(self) -> Dealer:
        """For the rows of one dataset."""
        if self._given is not None:
            return Dealer(self._given, self._count())
        if self.workers == 1:
            return Dealer(None, 1)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="fastminima-scan")
        return Dealer(self._threads, self.workers)

    def whole(self, number: int, few: int) -> Dealer:
        """For this many whole datasets; so few are not worth processes of our own."""
        if self._given is not None:
            return Dealer(self._given, self._count())
        if self.workers == 1 or number <= few:
            return Dealer(None, 1)
        if self._processes is None:
            context = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
            if os.name != "nt":
                context.set_forkserver_preload([self._preload])
            self._processes = ProcessPoolExecutor(self.workers, mp_context=context)
        return Dealer(self._processes, self.workers)
