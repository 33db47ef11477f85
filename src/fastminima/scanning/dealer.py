"""Dealing tasks to anything with the interface of `concurrent.futures`, and taking the results in order.

Results come back in the order of the tasks, however they were run, so states are always merged in the same order. What a
task raises itself is returned by it as a `Failure`; whatever else a future raises is the machinery's (a worker that
died, a pool that broke), and the task is run again: elsewhere first, and at last here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

__all__ = ["Dealer", "Submitter"]

_ATTEMPTS = 3


class Submitter(Protocol):
    """What of an executor is used."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        """A future."""


class Dealer:
    """Deals tasks to an executor, a few more than it has workers at once.

    Parameters
    ----------
    executor : Executor or None
        None runs everything here.
    workers : int
        How many results may wait, with as many running.
    """

    def __init__(self, executor: Submitter | None, workers: int) -> None:
        self._executor, self._ahead = executor, 2 * workers + 1

    @property
    def elsewhere(self) -> bool:
        """Whether tasks leave this process."""
        return self._executor is not None and not isinstance(self._executor, ThreadPoolExecutor)

    @property
    def ahead(self) -> int:
        """How many tasks are under way or waiting to be taken."""
        return self._ahead if self._executor is not None else 1

    def cap(self, most: int) -> None:
        """Let no more results wait than `most`, but one."""
        self._ahead = max(1, min(self._ahead, most))

    def map(self, fn: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Results of fn(*task), in the order of the tasks."""
        if self._executor is None:
            for task in tasks:
                yield fn(*task)
            return
        waiting: deque[tuple[tuple[Any, ...], Future[Any] | None]] = deque()
        source: Iterator[tuple[Any, ...] | None] = iter(tasks)
        try:
            while True:
                while len(waiting) < self._ahead:
                    following = next(source, None)
                    if following is None:
                        break
                    waiting.append((following, self._submit(fn, following)))
                if not waiting:
                    return
                task, future = waiting.popleft()
                yield self._result(fn, task, future)
        finally:
            # an error or an interrupt leaves tasks behind that nobody will ask for
            for _, future in waiting:
                if future is not None:
                    with suppress(Exception):
                        future.cancel()

    def _submit(self, fn: Callable[..., Any], task: tuple[Any, ...]) -> Future[Any] | None:
        assert self._executor is not None
        try:
            future: Future[Any] = self._executor.submit(fn, *task)
        except Exception:
            return None
        return future

    def _result(self, fn: Callable[..., Any], task: tuple[Any, ...], future: Future[Any] | None) -> Any:
        for _ in range(_ATTEMPTS):
            if future is None:
                break
            try:
                return future.result()
            except Exception:
                # only the machinery raises here, see above; CancelledError is one of its ways
                future = self._submit(fn, task)
        return fn(*task)
