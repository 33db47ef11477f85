"""What commands print, and small text files."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastminima.data.dataset import Dataset
from fastminima.system.files import replacing
from fastminima.system.plain_text import printable

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["any_text", "example_csv", "hush", "note", "print_table", "say", "write_text"]

# under every printed table
_WORDS = "words: docs/glossary.md"
# columns in which text that folds can still be read; a choice
_FOLDED = 20


def write_text(path: Path, text: str) -> None:
    """Write a file; it appears whole or not at all."""
    with replacing(path) as stream:
        stream.write(text.encode())


def example_csv(data: Dataset) -> str:
    """The three samples of theorem 2 as CSV, every digit kept."""
    rows = [[*x, y] for x, y in zip(data.X.tolist(), data.y.tolist(), strict=True)]
    return "x1,x2,y\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows)


# of --quiet: what a program has one of, as it has one standard output
_HUSHED = [False]


def hush(quiet: bool) -> None:
    """From now on tables, lines and notes are printed, or (quiet) not; what went wrong is said in any case."""
    _HUSHED[0] = quiet


def note(text: str) -> None:
    """A line on standard error that is no error."""
    if not _HUSHED[0]:
        print(text, file=sys.stderr)


def say(text: str, *, error: bool = False) -> None:
    """Print one line that shows text from outside: what a terminal would obey is escaped."""
    if _HUSHED[0] and not error:
        return
    print(printable(text), file=sys.stderr if error else sys.stdout)


@contextmanager
def any_text() -> Iterator[None]:
    """Let standard output and error take every character: what their encoding lacks is escaped, not an exception."""
    changed: list[tuple[io.TextIOWrapper, str | None]] = []
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            changed.append((stream, stream.errors))
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        for stream, errors in changed:
            # closed by now where the reader of a pipe went away
            with suppress(ValueError, OSError):
                stream.reconfigure(errors=errors)


@dataclass(frozen=True)
class _Table:
    """Rows of text as they are shown.

    Attributes
    ----------
    title : str
    head : tuple of str or None
        Names of columns; without them a row is a label and a text.
    rows : tuple of tuples of str
    named_rows : bool
        The first column holds names, which fold where the numbers beside them need the room.
    """

    title: str
    head: tuple[str, ...] | None
    rows: tuple[tuple[str, ...], ...]
    named_rows: bool

    def widths(self) -> list[int]:
        """Of the columns, when nothing folds."""
        lines = self.rows if self.head is None else (self.head, *self.rows)
        return [max(map(_cells, column)) for column in zip(*lines, strict=True)]

    def narrowest(self, gap: int, edges: int) -> int:
        """Columns of a terminal in which labels, names of columns and numbers are whole and what folds can be read."""
        widths = self.widths()
        folds = 1 if self.head is None else 0 if self.named_rows else None
        if folds is not None:
            widths[folds] = min(widths[folds], _FOLDED)
        return sum(widths) + gap * (len(widths) - 1) + edges


def print_table(
    title: str, head: list[str] | None, table: list[list[str]], *, named_rows: bool = False
) -> None:
    """Print rows of text, with a line of column names unless `head` is None; through rich where it is installed.

    A terminal too narrow for the columns gets every row as a block of lines: nothing is left out.

    `named_rows`: the first column holds names, which fold where the numbers beside them need the room.
    """
    if _HUSHED[0]:
        return
    shown = _Table(
        _encodable(title),
        None if head is None else tuple(map(_encodable, head)),
        tuple(tuple(map(_encodable, row)) for row in table),
        named_rows,
    )
    try:
        from rich.console import Console
    except ImportError:
        room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        if room is not None and shown.narrowest(gap=2, edges=2) > room:
            _print_blocks(shown, room)
        else:
            _print_plain(shown, room)
        return
    # names are no markup: [red] in one is no colour, and :cat: no picture
    console = Console(highlight=False, soft_wrap=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110, markup=False, emoji=False)
    gap, edges = (2, 2) if named_rows else (3, 4)
    if shown.narrowest(gap, edges) > console.width:
        _print_blocks(shown, console.width)
    else:
        _print_rich(shown, console)


def _encodable(text: str) -> str:
    """The text as standard output can write it, so that columns are as wide as what is written."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return printable(text).encode(encoding, "backslashreplace").decode(encoding)


def _cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def _print_blocks(table: _Table, room: int) -> None:
    """Every row as lines of its own: its label or name whole, then what belongs to it, wrapped and indented."""

    def indented(text: str) -> None:
        for line in textwrap.wrap(text, max(room - 2, 8), break_on_hyphens=False) or [""]:
            print(f"  {line}".rstrip())

    print(table.title)
    for row in table.rows:
        if table.head is None and _cells(f"{row[0]}: {row[1]}") <= room:
            print(f"{row[0]}: {row[1]}")
            continue
        # not wrapped: the terminal does it, and a name copied from there is whole
        print(row[0])
        for name, text in zip((table.head or ("", ""))[1:], row[1:], strict=True):
            if text or not name:
                indented(f"{name}: {text}" if name else text)
    print(_WORDS)


def _print_plain(table: _Table, room: int | None) -> None:
    widths = table.widths()
    print(table.title)
    for row in table.rows if table.head is None else (table.head, *table.rows):
        if table.head is None:
            first = 4 + widths[0]
            label = f"  {row[0]}{' ' * (widths[0] - _cells(row[0]))}  "
            lines = [row[1]] if room is None else textwrap.wrap(row[1], max(room - first, 8)) or [""]
            print(label + lines[0] if lines[0] else label.rstrip())
            for line in lines[1:]:
                print(" " * first + line)
            continue
        cells = []
        for position, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - _cells(cell))
            cells.append(cell + space if table.named_rows and not position else space + cell)
        print("  " + "  ".join(cells).rstrip())
    print(_WORDS)


def _print_rich(table: _Table, console: Console) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    view = Table(
        title=table.title,
        caption=_WORDS,
        show_header=table.head is not None,
        title_justify="left",
        caption_justify="left",
    )
    if table.named_rows:
        view.box, view.pad_edge, view.padding = SIMPLE_HEAD, False, (0, 1, 0, 0)
    if table.head is None:
        view.add_column(style="bold", no_wrap=True)
        view.add_column(overflow="fold")
    else:
        for position, name in enumerate(table.head):
            if table.named_rows and not position:
                view.add_column(name, overflow="fold")
            else:
                view.add_column(name, justify="right", no_wrap=True)
    for row in table.rows:
        view.add_row(*row)
    console.print(view)
