"""Decimal digits of mpmath, its numbers and its intervals, for one module of tests, given back after it.

`mpmath.mp.dps` (and `iv.dps`) is one number for the process: a module that sets it at import, or in a test, changes what
the tests after it compute, in an order that depends on the worker. `workdps` around a test, or this fixture around a module,
cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import mpmath
import pytest


def decimal_digits(n: int) -> Callable[..., Iterator[None]]:
    """A fixture by which every test of the module that holds it has `n` digits; its name there is free."""

    @pytest.fixture(autouse=True, scope="module")
    def digits() -> Iterator[None]:
        before = mpmath.iv.dps
        mpmath.iv.dps = n
        try:
            with mpmath.workdps(n):
                yield
        finally:
            mpmath.iv.dps = before

    return digits
