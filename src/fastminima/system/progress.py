"""A progress bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .plain_text import printable

__all__ = ["bar", "rows_bar"]


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
        task = progress.add_task(printable(title), total=max(total, 1.0))
        yield lambda completed: progress.update(task, completed=completed)


@contextmanager
def rows_bar(*, enabled: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Yield a function (title, rows done, rows in all or None) that shows rows per second and the time left.

    A title that changes starts the count anew. Draws only where `bar` would.
    """
    if not (enabled and sys.stderr.isatty()):
        yield lambda title, done, total: None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text
    except ImportError:
        yield lambda title, done, total: None
        return

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            # over all of the stage: rich's own speed needs more updates than a fast stage has
            elapsed, done = task.elapsed or 0.0, task.completed - task.fields.get("first", 0)
            return Text(f"{done / elapsed:,.0f} rows/s" if elapsed > 0.1 and done else "")

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), Speed(), TimeRemainingColumn())
    # what is printed to a pipe while the bar is shown must not be drawn above it instead
    shared = sys.stdout.isatty()
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=shared, redirect_stderr=shared
    ) as progress:
        task = progress.add_task("", total=None)
        shown = ""

        def tell(title: str, done: int, total: int | None) -> None:
            nonlocal shown
            if title != shown:
                progress.reset(task, description=printable(title), total=total, completed=done, first=done)
                shown = title
            else:
                progress.update(task, completed=done, total=total)

        yield tell
