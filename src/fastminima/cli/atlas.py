"""The command `fastminima atlas`: theorem 1 and the brackets of the least risk, over the tables of installed packages."""

from __future__ import annotations

import argparse
import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fastminima.errors import MissingDependencyError, OptionError, OutputError
from fastminima.reporting.atlas_numbers import (
    MEDIANS,
    SUMMARY_HEAD,
    AtlasNumbers,
    atlas_numbers,
    medians,
    summary_rows,
)
from fastminima.reporting.atlas_page import atlas_page
from fastminima.reporting.atlas_plots import ATLAS_PICTURES, draw_atlas
from fastminima.reporting.figures import require_matplotlib, save_figure
from fastminima.reporting.plain_names import KEYS_VERSION
from fastminima.scanning.atlas import Atlas, AtlasPlan, atlas
from fastminima.scanning.chart_table import Chart
from fastminima.scanning.installed_tables import PACKAGES
from fastminima.system.options import parse_bytes
from fastminima.system.packages import import_optional

from .arguments import add_result_arguments, add_seed_argument, add_workers_argument
from .folder import OutputFolder
from .output import note, print_table, say
from .short_json import print_json
from .wording import exit_status, whole

__all__ = ["add_parser", "run"]

_EPILOG = """\
examples:
  fastminima atlas --packages sklearn --widths 2 4 8 --seconds 1 --out atlas
  fastminima atlas --most 200 --workers 2 --out atlas
  fastminima atlas --most 200 --workers 2 --out atlas --resume

Certificates, one for the minimum and a better point and one for each width, are checked before they are written.

""" + exit_status("where every table has its row", "where at least one row has an error")
_CHECKPOINT, _ASIDE, _CERTIFICATES = "checkpoint", "unfinished", "certificates"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add `atlas` to the subcommands made by `ArgumentParser.add_subparsers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "atlas",
        help="how far are bad minima from the best networks, on the tables of installed packages?",
        description="Theorem 1 and a bracket of the least risk for each width, over every usable table that installed "
        "packages carry inside: columns of numbers, the last one as target. A row each, certificates, a page with "
        "pictures, and a list of the tables left out with reasons.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--packages", nargs="+", choices=PACKAGES, default=list(PACKAGES), metavar="NAME",
        help=f"of {', '.join(PACKAGES)} (default: all of them)",
    )  # fmt: skip
    parser.add_argument(
        "--widths", "--width", nargs="+", type=whole, default=[2, 4, 8], metavar="D1",
        help="hidden units, one or more widths (default 2 4 8)",
    )  # fmt: skip
    parser.add_argument(
        "--seconds",
        type=float,
        default=1.0,
        metavar="T",
        help="time for the search of each width (default 1)",
    )
    parser.add_argument(
        "--most",
        type=whole,
        metavar="N",
        help="at most so many tables, drawn by a digest of their names (default: all)",
    )
    add_seed_argument(parser, "of the searches")
    parser.add_argument(
        "--no-proofs", action="store_true", help="make no certificates, which take up to half of the time"
    )
    add_result_arguments(
        parser,
        "the table, the list of tables left out, certificates, pictures and the page",
        "the summary as JSON: what was asked, statuses and medians",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on where an atlas with the same --out was stopped"
    )
    _add_limits(parser)
    parser.set_defaults(run=run)
    return parser


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """Who works, and what a table may take."""
    add_workers_argument(parser, "tables at once")
    parser.add_argument(
        "--distributed",
        metavar="ADDRESS",
        help="run on the Dask scheduler there (tcp://host:8786), or on N processes of a cluster of its own: local",
    )
    parser.add_argument(
        "--most-numbers", type=whole, default=100_000, metavar="N",
        help="leave out tables of more numbers, rows times columns (default 100000)",
    )  # fmt: skip
    parser.add_argument(
        "--table-seconds", type=float, default=60.0, metavar="T",
        help="begin no step of a table after this; its row says which are missing (default 60)",
    )  # fmt: skip
    parser.add_argument(
        "--memory",
        default="1GB",
        metavar="SIZE",
        help="for the work on one table, as 1GB or 512MiB (default 1GB)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima atlas`; returns the exit status."""
    parse_bytes(arguments.memory, "--memory")
    if arguments.out is None:
        raise OptionError("an atlas is a folder of results: say where with --out DIR")
    require_matplotlib()
    checkpoint = Path(arguments.out, _CHECKPOINT)
    if checkpoint.exists() and not arguments.resume:
        raise OutputError(
            f"{arguments.out} holds an atlas that was stopped; go on with --resume, or remove {checkpoint} to begin anew"
        )
    try:
        with OutputFolder(arguments.out, "atlas", aside=_ASIDE) as folder:
            return _run(arguments, folder)
    except KeyboardInterrupt:
        if checkpoint.exists():
            say(f"fastminima: stopped; the same command with --resume goes on from {checkpoint}", error=True)
        raise


def _run(arguments: argparse.Namespace, folder: OutputFolder) -> int:
    start, files = time.perf_counter(), _Certificates(folder)
    with ExitStack() as stack:
        executor = None
        if arguments.distributed is not None:
            from fastminima.scanning.dask import dask_executor

            executor = stack.enter_context(dask_executor(arguments.distributed, arguments.workers))
        made = atlas(
            arguments.packages,
            arguments.widths,
            seconds=arguments.seconds,
            most=arguments.most,
            most_numbers=arguments.most_numbers,
            table_seconds=arguments.table_seconds,
            memory=arguments.memory,
            prove=not arguments.no_proofs,
            random_state=arguments.seed,
            workers=arguments.workers,
            executor=executor,
            checkpoint=folder.path / _CHECKPOINT,
            progress=not arguments.quiet,
            on_plan=lambda plan: _say_plan(plan, arguments),
            on_chart=files.save,
        )
    numbers = atlas_numbers(made)
    _write(folder, made, numbers)
    seconds = time.perf_counter() - start
    summary = _summary(arguments, made, numbers, seconds)
    written = folder.finish_with(summary)
    if arguments.json:
        print_json(summary, written, full=True)
    else:
        title = f"fastminima atlas: {len(made)} tables, {len(made.left_out)} left out, {seconds:.3g} s"
        print_table(title, list(SUMMARY_HEAD), summary_rows(numbers))
        say(f"{MEDIANS}.")
        say(
            f"written: atlas.html, {_table_name()}, left-out.csv, pictures and certificates, in {folder.path}"
        )
    for chart in made.failed:
        say(f"{chart.table}: {chart.row['error']}", error=True)
    return 1 if made.failed else 0


def _say_plan(plan: AtlasPlan, arguments: argparse.Namespace) -> None:
    """What will be done, before it is begun; standard output is for the summary where that is JSON."""
    if arguments.json:
        return
    settings = plan.settings
    rest = len(plan.tables) - plan.known
    known = f", {plan.known:,} of them done before" if plan.known else ""
    say(f"{len(plan.tables):,} tables{known}; {len(plan.left_out):,} left out (left-out.csv says why)")
    search = settings.seconds * len(settings.widths)
    say(
        f"limits of a table: {arguments.most_numbers:,} numbers, {settings.memory / 1e6:,.0f} MB by its size, "
        f"{search:g} s of searches, no step begun after {settings.table_seconds:g} s"
    )
    say(
        f"the searches of {rest:,} tables take {rest * search / 60:,.3g} minutes of one worker; the rest may double that"
    )


class _Certificates:
    """Folders of certificates: a table's name is its path, as far as it can be."""

    def __init__(self, folder: OutputFolder) -> None:
        self._folder, self._used = folder, set[str]()

    def save(self, chart: Chart) -> None:
        """Write the certificates of a table; its row gets their paths."""
        if not chart.certificates:
            return
        parts = [_UNSAFE.sub("-", part).strip(".-") or "table" for part in chart.table.split("/")]
        plain, count = "/".join([_CERTIFICATES, *parts]), 1
        name = plain
        while name.lower() in self._used:
            count += 1
            name = f"{plain}-{count}"
        self._used.add(name.lower())
        for file, text in chart.certificates.items():
            self._folder.file(f"{name}/{file}").write_text(text, encoding="ascii")
        for column, value in chart.row.items():
            if column.startswith("certificate") and value in chart.certificates:
                chart.row[column] = f"{name}/{value}"


def _table_name() -> str:
    try:
        import_optional("pyarrow", extra="tables", purpose="writing Parquet files")
    except MissingDependencyError:
        return "atlas.csv"
    return "atlas.parquet"


def _write(folder: OutputFolder, made: Atlas, numbers: AtlasNumbers) -> None:
    """The table (CSV where pyarrow is absent), the tables left out, the pictures and the page."""
    name = _table_name()
    made.table.write(folder.file(name))
    if name == "atlas.csv":
        note("pyarrow is not installed: the table is atlas.csv instead of atlas.parquet")
    made.left_out.write(folder.file("left-out.csv"))
    if numbers.bracketed:
        for kind in ATLAS_PICTURES:
            save_figure(draw_atlas(numbers, kind), folder.file(f"{kind}.png"))
    atlas_page(made, folder.file("atlas.html"))


def _summary(
    arguments: argparse.Namespace, made: Atlas, numbers: AtlasNumbers, seconds: float
) -> dict[str, Any]:
    statuses: dict[str, int] = {}
    for row in made.table:
        statuses[row["status"]] = statuses.get(row["status"], 0) + 1
    return {
        "version": KEYS_VERSION,
        "packages": arguments.packages,
        "widths": list(made.widths),
        "search_seconds": arguments.seconds,
        "seed": arguments.seed,
        "tables": len(made),
        "tables_left_out": len(made.left_out),
        "statuses": statuses,
        "medians": medians(numbers),
        "seconds": {"atlas": seconds},
    }
