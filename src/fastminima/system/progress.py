"""Progress: a bar on a terminal and in a notebook, a function of the caller's, and nothing anywhere else.

A bar is drawn by rich, or by tqdm where rich is not installed; a notebook asks tqdm first. It is decoration: without either
there is none, and where standard error is piped there is none. In a notebook it is one output of the cell that is replaced
while the work goes on and is empty at the end: widgets would be kept in the file, as a bar at 0 % or a broken one.
"""

from __future__ import annotations

import importlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fastminima.errors import OptionError

from .first_use import first_use
from .options import as_flag, spelled
from .plain_text import printable

__all__ = ["Progress", "as_progress", "bar", "rows_bar"]

# seconds between two drawings in a notebook
_REDRAWN = 0.1
# an output that takes no room
_EMPTY = {"text/html": "", "text/plain": ""}

Progress = bool | Callable[[float], object]
"""True: a bar. A function: told the share that is done, from 0 to 1."""


def as_progress(value: Any, name: str = "progress") -> Progress:
    """True, False or a function of the share that is done.

    Raises
    ------
    OptionError
        Anything else.
    """
    if callable(value):
        return value
    try:
        return as_flag(value, name)
    except OptionError:
        raise OptionError(
            f"{name} must be True, False or a function that is told the share done (0 to 1), got {spelled(value)}"
        ) from None


@contextmanager
def bar(title: str, total: float, *, progress: Progress) -> Iterator[Callable[[float], None]]:
    """Yield a function that takes how much of `total` is done.

    A function of the caller's is told shares that do not fall, and 1 when the block ends well.
    """
    if callable(progress):
        with _told(progress, total) as tell:
            yield tell
        return
    drawer = _drawer() if progress else None
    if drawer is None:
        yield lambda completed: None
        return
    with (_tqdm_bar if drawer.__name__.startswith("tqdm") else _rich_bar)(title, total) as tell:
        yield tell


@contextmanager
def rows_bar(*, enabled: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Yield a function (title, rows done, rows in all or None) that shows rows per second and the time left.

    A title that changes starts the count anew. Draws only where `bar` would.
    """
    drawer = _drawer() if enabled else None
    if drawer is None:
        yield lambda title, done, total: None
        return
    with (_tqdm_rows if drawer.__name__.startswith("tqdm") else _rich_rows)() as tell:
        yield tell


# --- who draws ------------------------------------------------------------------------------------------------


def _in_notebook() -> bool:
    """Is this the kernel of a notebook? Nothing is imported to find out."""
    shell = sys.modules.get("IPython")
    ask = getattr(shell, "get_ipython", None)
    return ask is not None and type(ask()).__name__ == "ZMQInteractiveShell"


def _drawer() -> Any:
    """The module that draws; None where nothing is shown."""
    notebook = _in_notebook()
    if not (notebook or (sys.stderr is not None and sys.stderr.isatty())):
        return None
    names = ("tqdm.auto", "rich.progress") if notebook else ("rich.progress", "tqdm.auto")
    for name in names:
        # tqdm.auto warns of a notebook without widgets, where it draws text
        with suppress(ImportError), warnings.catch_warnings(), first_use():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    return None


@contextmanager
def _told(progress: Callable[[float], object], total: float) -> Iterator[Callable[[float], None]]:
    most = -1.0

    def tell(completed: float) -> None:
        nonlocal most
        share = min(max(completed / total, 0.0), 1.0) if total > 0 else 1.0
        if share >= most:
            most = share
            progress(share)

    yield tell
    if most < 1.0:
        progress(1.0)


# --- rich -----------------------------------------------------------------------------------------------------


@contextmanager
def _output_of(progress: Any) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Yield a function that makes a change to a bar of rich's, and shows it in the output of a notebook's cell."""
    from IPython.display import display

    def bundle() -> Any:
        # what rich shows in notebooks, without the widget of its live display
        return progress.make_tasks_table(progress.tasks)._repr_mimebundle_((), ())

    output, drawn = display(bundle(), raw=True, display_id=True), time.monotonic()

    def draw(change: Callable[[], None]) -> None:
        nonlocal drawn
        change()
        if time.monotonic() - drawn >= _REDRAWN:
            output.update(bundle(), raw=True)
            drawn = time.monotonic()

    try:
        yield draw
    finally:
        output.update(_EMPTY, raw=True)


@contextmanager
def _rich_bar(title: str, total: float) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns: Any = (
        TextColumn("{task.description}", markup=False),  # file names may hold brackets
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
    )
    columns = (*columns, TimeRemainingColumn())
    if _in_notebook():
        progress = Progress(*columns, auto_refresh=False)
        task = progress.add_task(printable(title), total=max(total, 1.0))
        with _output_of(progress) as draw:
            yield lambda completed: draw(lambda: progress.update(task, completed=completed))
        return
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(printable(title), total=max(total, 1.0))
        yield lambda completed: progress.update(task, completed=completed)


@contextmanager
def _rich_rows() -> Iterator[Callable[[str, int, int | None], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            # over all of the stage: rich's own speed needs more updates than a fast stage has
            elapsed, done = task.elapsed or 0.0, task.completed - task.fields.get("first", 0)
            return Text(f"{done / elapsed:,.0f} rows/s" if elapsed > 0.1 and done else "")

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), Speed(), TimeRemainingColumn())
    shown = ""

    def told(progress: Any, task: Any, title: str, done: int, total: int | None) -> None:
        nonlocal shown
        if title != shown:
            progress.reset(task, description=printable(title), total=total, completed=done, first=done)
            shown = title
        else:
            progress.update(task, completed=done, total=total)

    if _in_notebook():
        progress = Progress(*columns, auto_refresh=False)
        task = progress.add_task("", total=None)
        with _output_of(progress) as draw:
            yield lambda title, done, total: draw(lambda: told(progress, task, title, done, total))
        return
    # what is printed to a pipe while the bar is shown must not be drawn above it instead
    shared = sys.stdout.isatty()
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=shared,
        redirect_stderr=shared,
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda title, done, total: told(progress, task, title, done, total)


# --- tqdm -----------------------------------------------------------------------------------------------------


@contextmanager
def _tqdm(**options: Any) -> Iterator[Any]:
    """A bar of tqdm's that leaves nothing behind."""
    draw = _drawer().tqdm
    if not any(c.__module__ == "tqdm.notebook" for c in draw.__mro__):
        with draw(leave=False, **options) as shown:
            yield shown
        return
    from IPython.display import display

    with draw(leave=False, display=False, **options) as shown:
        output = display(shown.container, display_id=True)
        try:
            yield shown
        finally:
            output.update(_EMPTY, raw=True)


@contextmanager
def _tqdm_bar(title: str, total: float) -> Iterator[Callable[[float], None]]:
    form = "{desc}: {percentage:3.0f}%|{bar}| {remaining} left"
    with _tqdm(total=max(total, 1.0), desc=printable(title), bar_format=form) as shown:
        yield lambda completed: _moved(shown, completed)


@contextmanager
def _tqdm_rows() -> Iterator[Callable[[str, int, int | None], None]]:
    with _tqdm(total=None, unit=" rows", unit_scale=True) as shown:
        title = ""

        def tell(now: str, done: int, total: int | None) -> None:
            nonlocal title
            if now != title:
                title = now
                # the clock starts anew too, and 0 is drawn: from 0 on, not from where the last title began
                shown.initial = 0
                shown.reset(total=total)
                shown.initial = shown.n = done
                shown.set_description(printable(now))
            else:
                _moved(shown, done)

        yield tell


def _moved(shown: Any, completed: float) -> None:
    shown.update(completed - shown.n)
