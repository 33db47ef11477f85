"""What the commands share: the data on the command line, the output folder, the printed table."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ._atomic import replacing
from .dataset import Dataset
from .errors import OutputError, TargetError

__all__ = [
    "OutputFolder",
    "add_column_arguments",
    "add_data_arguments",
    "add_network_arguments",
    "example_csv",
    "features_of",
    "join_positions",
    "load",
    "print_table",
    "write_text",
]


def add_data_arguments(
    parser: argparse.ArgumentParser, *, optional: bool = False, meaning: bool = True
) -> None:
    """Add DATA (perhaps optional) and the options that say how to read it."""
    parser.add_argument(
        "data",
        metavar="DATA",
        nargs="?" if optional else None,
        help=".csv, .tsv, .npy, .npz or .parquet file, or demo:diabetes, demo:xor, demo:parityN",
    )
    add_column_arguments(parser)
    if not meaning:
        return
    parser.add_argument(
        "--meaning",
        choices=("binary", "decimal"),
        default="binary",
        help="what a CSV number means: its float64, or the decimal as written",
    )


def add_column_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name columns."""
    parser.add_argument("--target", metavar="COLUMN", help="name or position of the target column")
    parser.add_argument("--features", metavar="A,B,...", help="use these columns only (comma-separated)")
    parser.add_argument("--sample-weight", metavar="COLUMN", help="column with sample weights")


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the width and the slopes of theorem 1's network."""
    parser.add_argument("--width", type=int, default=2, metavar="D1", help="hidden units (default 2)")
    parser.add_argument("--s-plus", type=float, default=1.0, metavar="S", help="slope for t > 0 (default 1)")
    parser.add_argument("--s-minus", type=float, default=0.0, metavar="S", help="slope for t < 0 (default 0)")


def features_of(arguments: argparse.Namespace) -> list[str] | None:
    """The columns that --features names."""
    return None if arguments.features is None else [name.strip() for name in arguments.features.split(",")]


def load(arguments: argparse.Namespace) -> Dataset:
    """The dataset that DATA and its options name."""
    if arguments.data.startswith("demo:"):
        from .demos import load_demo

        given = [
            name for name in ("target", "features", "sample_weight") if getattr(arguments, name) is not None
        ]
        if given:
            option = "--" + given[0].replace("_", "-")
            raise TargetError(f"{arguments.data} has its own target and features; {option} is for files")
        return load_demo(arguments.data.removeprefix("demo:"), accuracy=arguments.accuracy)
    from .readers import read

    return read(
        arguments.data,
        target=arguments.target,
        features=features_of(arguments),
        sample_weight=arguments.sample_weight,
        meaning=arguments.meaning,
        accuracy=arguments.accuracy,
        progress=True,
    )


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
        return
    view = Table(title=title, show_header=head is not None, title_justify="left")
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


def join_positions(argv: Sequence[str]) -> list[str]:
    """`--targets -2,-1` as `--targets=-2,-1`: argparse takes a list that begins with a minus for an option."""
    joined: list[str] = []
    for token in argv:
        if joined and re.fullmatch(r"--[a-z-]+", joined[-1]) and re.fullmatch(r"-\d+(,-?\d+)+", token):
            joined[-1] += f"={token}"
        else:
            joined.append(token)
    return joined
