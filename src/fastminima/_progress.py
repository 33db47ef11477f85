"""A progress bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["bar"]


def _silent(completed: float) -> None:
    pass


@contextmanager
def bar(title: str, total: float, *, enabled: bool) -> Iterator[Callable[[float], None]]:
    """Yield a function that takes how much of `total` is done.

    It draws only when `enabled`, standard error is a terminal and rich is installed: progress is decoration,
    so its absence is not an error.
    """
    if not (enabled and sys.stderr.isatty()):
        yield _silent
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        yield _silent
        return
    columns = (
        TextColumn("{task.description}", markup=False),  # file names may hold brackets
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=max(total, 1.0))
        yield lambda completed: progress.update(task, completed=completed)
