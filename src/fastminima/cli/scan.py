"""The command `fastminima scan`: one line for each of many datasets, or for one that is larger than memory."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fastminima.errors import OptionError, OutputError
from fastminima.scanning.options import takes_activation
from fastminima.scanning.scan import scan
from fastminima.scanning.table import ScanTable, cells, head_of, json_line
from fastminima.system.options import parse_bytes
from fastminima.system.plain_text import printable
from fastminima.system.progress import rows_bar

from .arguments import (
    activation_of,
    add_cleaning_arguments,
    add_column_arguments,
    add_result_arguments,
    add_text_arguments,
    add_workers_argument,
    features_of,
    reading_of,
    target_of,
)
from .folder import OutputFolder
from .network_options import add_network_arguments, asked_of, refuse_deep_options
from .output import print_table, say
from .wording import exit_status

__all__ = ["add_parser", "print_report", "run"]

_EPILOG = """\
examples:
  fastminima scan runs/*.parquet --target price
  fastminima scan big.npy --target -1 --workers 2 --memory 2GB --out results
  fastminima scan big.npy --target -1 --workers 2 --memory 2GB --out results --resume
  fastminima scan tables/ --target y --missing drop --categories onehot --json
  fastminima scan store.h5::runs/first demo:diabetes --distributed local
  fastminima scan runs/*.csv --target species --loss softmax --width 8,8 --activation elu

""" + exit_status("where every dataset was scanned", "where at least one has an error in its row")
_CHECKPOINT = "checkpoint"
# where networks are until the table is
_ASIDE = "unfinished"
_FORMATS = ("csv", "parquet", "jsonl")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_LENGTH = 80


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add `scan` to the subcommands made by `ArgumentParser.add_subparsers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "scan",
        help="theorem 1 on many datasets, or on one larger than memory",
        description="Least squares, the spurious minimum with its certified radius, the set J and a better point, for "
        "every dataset named. A dataset that fails is a row with its error; the others are scanned. Several layers or "
        "targets, other losses and activations that are not made of two slopes need all rows of a dataset in memory.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help=".csv, .tsv (also .gz), .npy, .npz, .parquet, .h5 files, Zarr folders, 'file.h5::dataset'; a folder (every "
        "such file in it; Parquet files with the same columns are one table), a glob, or demo:NAME",
    )
    add_column_arguments(parser)
    add_cleaning_arguments(parser, "reject")
    add_text_arguments(parser)
    add_network_arguments(parser)
    _add_resources_arguments(parser)
    _add_output_arguments(parser)
    parser.set_defaults(run=run)
    return parser


def _add_resources_arguments(parser: argparse.ArgumentParser) -> None:
    """Who works, where, and in how much memory."""
    add_workers_argument(parser, "how many work at once")
    parser.add_argument(
        "--memory",
        default="2GB",
        metavar="SIZE",
        help="how much memory to use, as 2GB or 512MiB (default 2GB)",
    )
    parser.add_argument(
        "--distributed",
        metavar="ADDRESS",
        help="run on the Dask scheduler there (tcp://host:8786), or on N processes of a cluster of its own: local",
    )


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """What is written and printed."""
    add_result_arguments(
        parser,
        "the table, and minimum.npz and better.npz of every dataset",
        "one line of JSON for every dataset as it is done",
    )
    parser.add_argument(
        "--format",
        choices=("csv", "parquet", "jsonl"),
        default="csv",
        help="of the table in DIR (default csv)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on where a scan with the same --out was stopped"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima scan`; returns the exit status."""
    parse_bytes(arguments.memory, "--memory")
    refuse_deep_options(arguments)
    takes_activation(activation_of(arguments))
    if arguments.out is None:
        if arguments.resume:
            raise OptionError("--resume needs the --out DIR of the scan to go on with")
        return _run(arguments, None)
    checkpoint = Path(arguments.out, _CHECKPOINT)
    if checkpoint.exists() and not arguments.resume:
        raise OutputError(
            f"{arguments.out} holds a scan that was stopped; go on with --resume, or remove {checkpoint} to begin anew"
        )
    try:
        table = f"table.{arguments.format}"
        with OutputFolder(arguments.out, "scan", arguments.paths, summary=table, aside=_ASIDE) as folder:
            return _run(arguments, folder)
    except KeyboardInterrupt:
        if checkpoint.exists():
            say(f"fastminima: stopped; the same command with --resume goes on from {checkpoint}", error=True)
        raise


def _run(arguments: argparse.Namespace, folder: OutputFolder | None) -> int:
    files, rows = _Files(folder), list[dict[str, Any]]()
    start = time.perf_counter()
    with ExitStack() as stack:
        executor = None
        if arguments.distributed is not None:
            from fastminima.scanning.dask import dask_executor

            executor = stack.enter_context(dask_executor(arguments.distributed, arguments.workers))
        show = stack.enter_context(rows_bar(enabled=not arguments.quiet))

        def tell(name: str, stage: str, done: int, total: int | None) -> None:
            before = f"{len(rows):,} done, " if rows else ""
            show(f"{before}{_short(printable(name), 40)}: {stage}", done, total)

        def done(result: Any) -> None:
            rows.append(result.row() | files.save(result))
            if arguments.json:
                print(json_line(rows[-1]), flush=True)

        scan(
            arguments.paths,
            target=target_of(arguments),
            features=features_of(arguments),
            sample_weight=arguments.sample_weight,
            **reading_of(arguments),
            activation=activation_of(arguments),
            width=arguments.width,
            **asked_of(arguments),
            workers=arguments.workers,
            executor=executor,
            memory=arguments.memory,
            checkpoint=None if folder is None else folder.path / _CHECKPOINT,
            progress=tell,
            on_result=done,
        )
    seconds = time.perf_counter() - start
    table = ScanTable(rows)
    if folder is not None:
        table.write(folder.file(f"table.{arguments.format}"))
        folder.finish()
    if not arguments.json:
        print_report(table, seconds)
        if folder is not None:
            say(
                f"written: table.{arguments.format} and a folder for every dataset with its networks, in {folder.path}"
            )
    return 1 if any(row["error"] for row in table) else 0


class _Files:
    """The folders of the datasets; two of the same name get numbers."""

    def __init__(self, folder: OutputFolder | None) -> None:
        self._folder, self._used = folder, {_CHECKPOINT, _ASIDE, *(f"table.{suffix}" for suffix in _FORMATS)}
        if folder is not None:
            # what is no dataset of the scan that this one replaces keeps its name for itself
            ours = {name.partition("/")[0] for name in folder.earlier}
            self._used |= {path.name for path in folder.path.iterdir()} - ours

    def save(self, result: Any) -> dict[str, str | None]:
        """Write the networks of a result; returns what its row says of them."""
        if self._folder is None:
            return {}
        if result.minimum is None or result.minimum.network is None:
            return {"folder": None}
        name = self._name(result.name)
        result.minimum.network.save(self._folder.file(f"{name}/minimum.npz"))
        better = result.better
        if better is not None and better.network is not None:
            better.network.save(self._folder.file(f"{name}/better.npz"))
        return {"folder": name}

    def _name(self, dataset: str) -> str:
        plain = _UNSAFE.sub("-", Path(dataset).name).strip("-.") or "data"
        name, count = plain[:_NAME_LENGTH], 1
        while name in self._used:
            count += 1
            name = f"{plain[:_NAME_LENGTH]}-{count}"
        self._used.add(name)
        return name


# --- what is printed ------------------------------------------------------------------------------------


def _short(text: str, length: int) -> str:
    """The end of a name says more than its beginning."""
    return text if len(text) <= length else "..." + text[3 - length :]


def print_report(table: Sequence[Mapping[str, Any]], seconds: float) -> None:
    """Print the rows of a report, what was done to the data, and on stderr why datasets failed."""
    failed = [row for row in table if row["error"]]
    rows = sum(row["n_samples"] or 0 for row in table)
    title = f"fastminima scan: {len(table)} dataset{'s' if len(table) != 1 else ''}, {rows:,} rows, {seconds:.3g} s"
    head = head_of(table)
    print_table(title, list(head), [cells(row, head) for row in table], named_rows=True)
    if any(row["J_undecided"] for row in table):
        say("J+: at least so many; float64 does not decide the other positions")
    for line in _remarks(table):
        say(line)
    for row in failed:
        # most messages begin with the name already
        named = row["dataset"] in row["error"]
        say(row["error"] if named else f"{row['dataset']}: {row['error']}", error=True)


def _remarks(table: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What was done to the data, dataset by dataset."""
    for row in table:
        for what, value in (row["notes"] or {}).items():
            yield f"{row['dataset']}: {what}: {_told(value)}"


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key!r} ({_told(item)})" for key, item in value.items())
    if isinstance(value, list | tuple):
        shown = ", ".join(map(str, value[:8]))
        return shown + (f" and {len(value) - 8} more" if len(value) > 8 else "")
    return f"{value:,}" if isinstance(value, int) else str(value)
