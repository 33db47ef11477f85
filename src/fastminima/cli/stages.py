"""What a command is at: its stages, timed, and shown on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Stages"]


class Stages:
    """Times the stages; shows the one at work on a terminal, nothing when piped or quiet, or `lines`: one for each."""

    def __init__(self, *, lines: bool = False, quiet: bool = False) -> None:
        self.seconds: dict[str, float] = {}
        self._lines, self._quiet = lines and not quiet, quiet

    @contextmanager
    def __call__(self, name: str, *, shown: bool = True) -> Iterator[None]:
        """One stage; not `shown` where it draws its own progress."""
        start = time.perf_counter()
        if self._lines:
            print(f"{name} ...", file=sys.stderr, flush=True)
        with _spinner(name if shown and not self._lines and not self._quiet else None):
            yield
        self.seconds[name] = time.perf_counter() - start


@contextmanager
def _spinner(name: str | None) -> Iterator[None]:
    if name is None or not sys.stderr.isatty():
        yield
        return
    try:
        from rich.console import Console
    except ImportError:
        yield
        return
    with Console(stderr=True).status(f"{name} ..."):
        yield
