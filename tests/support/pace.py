"""Limits of time as multiples of a fixed piece of work that is timed beside them, since machines and their load differ."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def fixed_work(clock: Callable[[], float]) -> float:
    """Seconds of arithmetic with integers of some hundred digits: 0.01 s where these limits were first measured."""
    begin = clock()
    for _ in range(70):
        x, total = 3**400, 0
        for k in range(1, 500):
            total += x * k
            x = x * 3 // (2 * k % 7 + 1)
    return clock() - begin


@contextmanager
def at_most(times: float, clock: Callable[[], float] = time.process_time) -> Iterator[None]:
    """What stands inside takes no more than `times` the slower of two runs of the fixed work, one before and one after."""
    before = fixed_work(clock)
    begin = clock()
    yield
    took = clock() - begin
    limit = times * max(before, fixed_work(clock))
    assert took < limit, f"{took:.3f} s, where {limit:.3f} s are allowed"
