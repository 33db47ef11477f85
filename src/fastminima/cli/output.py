"""What commands write: a folder checked before any work, small text files, the printed table."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from fastminima.data.dataset import Dataset
from fastminima.errors import OutputError
from fastminima.system.files import replacing

__all__ = ["OutputFolder", "example_csv", "print_table", "write_text"]

# under every printed table
_WORDS = "words: docs/glossary.md"


class OutputFolder:
    """An output folder that is checked before any work; one made here and left empty by a failure is taken back.

    Parameters
    ----------
    path : str
    summary : str
        The file that is written last: what marks the folder as finished.
    """

    def __init__(self, path: str, summary: str) -> None:
        if not path:
            raise OutputError("--out needs a folder name, got an empty one")
        self.path = Path(path)
        self._summary = summary
        self._made: list[Path] = []

    def __enter__(self) -> Path:
        missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot create the output folder {self.path}: {error.strerror or error}"
            ) from error
        self._made = missing
        try:
            # what cannot be written is better known before a long run than after
            trial = self.path / self._summary
            if not trial.exists():
                with replacing(trial) as stream:
                    stream.write(b"{}\n")
                trial.unlink()
        except BaseException:
            self._take_back()
            raise
        return self.path

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._take_back()

    def _take_back(self) -> None:
        for folder in self._made:
            # only empty folders go
            with suppress(OSError):
                folder.rmdir()


def write_text(path: Path, text: str) -> None:
    """Write a file; it appears whole or not at all."""
    with replacing(path) as stream:
        stream.write(text.encode())


def example_csv(data: Dataset) -> str:
    """The three samples of theorem 2 as CSV, every digit kept."""
    rows = [[*x, y] for x, y in zip(data.X.tolist(), data.y.tolist(), strict=True)]
    return "x1,x2,y\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows)


def print_table(
    title: str, head: list[str] | None, table: list[list[str]], *, named_rows: bool = False
) -> None:
    """Print rows of text, with a line of column names unless `head` is None; through rich where it is installed.

    `named_rows`: the first column holds names, which fold where the numbers beside them need the room.
    """
    try:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        lines = table if head is None else [head, *table]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        print(title)
        for line in lines:
            align = ["<" if head is None else ">"] * len(line)
            if named_rows:
                align[0] = "<"
            cells = zip(line, align, widths, strict=True)
            print("  " + "  ".join(f"{cell:{side}{width}}" for cell, side, width in cells).rstrip())
        print(_WORDS)
        return
    view = Table(
        title=title,
        caption=_WORDS,
        show_header=head is not None,
        title_justify="left",
        caption_justify="left",
    )
    if named_rows:
        view.box, view.pad_edge, view.padding = SIMPLE_HEAD, False, (0, 1, 0, 0)
    if head is None:
        view.add_column(style="bold", no_wrap=True)
        view.add_column(overflow="fold")
    else:
        for position, name in enumerate(head):
            if named_rows and not position:
                view.add_column(name, overflow="fold")
            else:
                view.add_column(name, justify="right", no_wrap=True)
    for line in table:
        view.add_row(*line)
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110)
    console.print(view)
