"""The command `fastminima`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ._atomic import replacing
from ._version import __version__
from .activation import PiecewiseLinear
from .dataset import Dataset
from .errors import FastMinimaError, OutputError, TargetError
from .least_squares import least_squares
from .report.summary import json_ready, rows, summarise
from .theorems.theorem1 import SpuriousMinimum, spurious_minimum
from .theorems.theorem1_better import BetterPoint, better_point

__all__ = ["main"]

_EPILOG = """\
examples:
  fastminima construct demo:diabetes
  fastminima construct houses.csv --target price --out results
  fastminima construct table.npy --target -1 --s-minus 0.01 --method kink --json
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastminima",
        description="Spurious local minima of ReLU-like networks on your data: constructed and proved.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastminima {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    construct = commands.add_parser(
        "construct",
        help="theorem 1: a spurious local minimum and a strictly better point",
        description="Theorem 1: construct a spurious local minimum and a strictly better point for a dataset.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    construct.add_argument(
        "data",
        metavar="DATA",
        help=".csv, .tsv, .npy, .npz or .parquet file, or demo:diabetes, demo:xor, demo:parityN",
    )
    construct.add_argument("--target", metavar="COLUMN", help="name or index of the target column")
    construct.add_argument("--features", metavar="A,B,...", help="use these columns only (comma-separated)")
    construct.add_argument("--sample-weight", metavar="COLUMN", help="column with sample weights")
    construct.add_argument("--width", type=int, default=2, metavar="D1", help="hidden units (default 2)")
    construct.add_argument(
        "--s-plus", type=float, default=1.0, metavar="S", help="slope for t > 0 (default 1)"
    )
    construct.add_argument(
        "--s-minus", type=float, default=0.0, metavar="S", help="slope for t < 0 (default 0)"
    )
    construct.add_argument(
        "--alpha", type=float, default=1.0, metavar="A", help="scale of the hidden layer (default 1)"
    )
    construct.add_argument(
        "--method", choices=("paper", "kink"), default="paper", help="construction of the better point"
    )
    construct.add_argument(
        "--reach",
        choices=("limit", "paper"),
        default="limit",
        help="how far the push goes: as far as its formula holds, or the paper's half of that",
    )
    construct.add_argument(
        "--accuracy",
        choices=("auto", "exact"),
        default="auto",
        help="exact: rational least squares in any case",
    )
    construct.add_argument(
        "--meaning",
        choices=("binary", "decimal"),
        default="binary",
        help="what a CSV number means: its float64, or the decimal as written",
    )
    construct.add_argument(
        "--out", metavar="DIR", help="write minimum.npz, better.npz, summary.json, segment.png there"
    )
    construct.add_argument("--json", action="store_true", help="print the summary as JSON")
    construct.set_defaults(run=_construct)
    return parser


class _Stages:
    """Times the stages; shows the one at work on a terminal, nothing when piped."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        with _spinner(name):
            yield
        self.seconds[name] = time.perf_counter() - start


@contextmanager
def _spinner(name: str) -> Iterator[None]:
    if not sys.stderr.isatty():
        yield
        return
    try:
        from rich.console import Console
    except ImportError:
        yield
        return
    with Console(stderr=True).status(f"{name} ..."):
        yield


def _load(arguments: argparse.Namespace) -> Dataset:
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

    features = None if arguments.features is None else [f.strip() for f in arguments.features.split(",")]
    return read(
        arguments.data,
        target=arguments.target,
        features=features,
        sample_weight=arguments.sample_weight,
        meaning=arguments.meaning,
        accuracy=arguments.accuracy,
        progress=True,
    )


def _folder(path: str) -> Path:
    """Create the output folder and make sure that it can be written, before anything is computed."""
    if not path:
        raise OutputError("--out needs a folder name, got an empty one")
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the output folder {folder}: {error.strerror or error}") from error
    probe = folder / "summary.json"
    existed = probe.exists()
    if not existed:
        with replacing(probe) as stream:
            stream.write(b"{}\n")
        probe.unlink()
    return folder


def _construct(arguments: argparse.Namespace) -> int:
    activation = PiecewiseLinear(arguments.s_plus, arguments.s_minus)
    folder = None if arguments.out is None else _folder(arguments.out)
    stage = _Stages()
    # the readers draw their own progress bars
    start = time.perf_counter()
    data = _load(arguments)
    stage.seconds["read"] = time.perf_counter() - start
    with stage("least squares"):
        fit = least_squares(data)
    with stage("minimum"):
        low = spurious_minimum(fit, activation, width=arguments.width, alpha=arguments.alpha)
    better: BetterPoint | None = None
    if arguments.width >= 2:
        with stage("better point"):
            better = better_point(low, method=arguments.method, reach=arguments.reach)
    summary = summarise(low, better, stage.seconds, arguments.data)
    if folder is not None:
        with stage("write"):
            files = _write(folder, low, better, summary)
        summary |= {"files": files, "seconds": stage.seconds}
    if arguments.json:
        print(json.dumps(json_ready(summary), indent=2, allow_nan=False))
    else:
        _print_table(arguments.data, list(rows(summary)), summary.get("files", []))
    return 0


def _write(
    folder: Path, low: SpuriousMinimum, better: BetterPoint | None, summary: dict[str, Any]
) -> list[str]:
    names = ["minimum.npz"]
    low.network.save(folder / "minimum.npz")
    if better is not None and better.network is not None:
        better.network.save(folder / "better.npz")
        names.append("better.npz")
        from .report.segment import plot_segment

        name = Path(str(summary["source"])).name
        title = f"{name}: m = {summary['m']:,}, dx = {summary['dx']}, {low.activation}, {better.method}"
        plot_segment(low, better, folder / "segment.png", title)
        names.append("segment.png")
    names.append("summary.json")
    # last: a folder with summary.json is a finished one
    with replacing(folder / "summary.json") as stream:
        stream.write(
            json.dumps(json_ready({**summary, "files": names}), indent=2, allow_nan=False).encode() + b"\n"
        )
    return [str(folder / name) for name in names]


def _print_table(title: str, table: list[tuple[str, str]], files: list[str]) -> None:
    if files:
        folder = str(Path(files[0]).parent)
        table = [*table, ("written", f"{', '.join(Path(name).name for name in files)} in {folder}")]
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        width = max(len(label) for label, _ in table)
        print(f"fastminima construct {title}")
        for label, text in table:
            print(f"  {label:<{width}}  {text}")
        return
    view = Table(title=f"fastminima construct {title}", show_header=False, title_justify="left")
    view.add_column(style="bold", no_wrap=True)
    view.add_column(overflow="fold")
    for label, text in table:
        view.add_row(label, text)
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=110)
    console.print(view)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0, or 2 with one line on stderr)."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except FastMinimaError as error:
        print(f"fastminima: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("fastminima: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:
        # files are OutputErrors by now: this is standard output, on a full disk for one
        print(
            f"fastminima: OutputError: cannot write the summary: {error.strerror or error}", file=sys.stderr
        )
        # what is still buffered would be tried again, and fail again, at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 2
    return status
