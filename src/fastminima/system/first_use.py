"""First uses that a fork may interrupt: modules are imported, and values computed once, and no child waits for either.

A forked child has the forking thread alone, and every lock as it was. A lock that another thread held (on a module it was
importing, on a value it was computing) is never released there, and the child waits for ever. So a fork waits until
imports at a first use are over, and values that are computed once are computed without a lock.
"""

from __future__ import annotations

# These two take locks of their own at a fork. Registered first they are asked after ours, which so waits with nothing in
# its hands; registered while a fork waits here, they would be asked to open what they had not closed.
import concurrent.futures.thread  # noqa: F401
import functools
import logging  # noqa: F401
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

__all__ = ["cached_property", "first_use"]

# Seconds a fork waits, longer than imports take: an end where whoever imports waits for the forking thread in its turn.
PATIENCE = 60.0


class _Gate:
    """An RLock that `os.fork` takes as well, so that no child starts while another thread holds it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def close(self) -> None:
        self.lock.acquire(timeout=PATIENCE)

    def open(self) -> None:
        # a fork that lost patience holds nothing, and an RLock says so
        with suppress(RuntimeError):
            self.lock.release()

    def renew(self) -> None:
        # in the child: open, whoever held it in the parent
        self.lock = threading.RLock()


_GATE = _Gate()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_GATE.close, after_in_parent=_GATE.open, after_in_child=_GATE.renew)


@contextmanager
def first_use() -> Iterator[None]:
    """No other thread forks while this block runs; the block's own thread may."""
    with _GATE.lock:
        yield


if TYPE_CHECKING:
    from functools import cached_property as cached_property
else:

    class cached_property(functools.cached_property):
        """`functools.cached_property` as it is from Python 3.12 on: without a lock.

        In Python 3.11 one lock per attribute, shared by all instances, is held while a value is computed. Here threads
        that ask at the same moment may compute a value twice, and all get the one that was stored first.
        """

        def __init__(self, func: Callable[[Any], Any]) -> None:
            super().__init__(func)
            self.lock = None

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            values = instance.__dict__
            try:
                return values[self.attrname]
            except KeyError:
                return values.setdefault(self.attrname, self.func(instance))
