"""The construct command: a spurious minimum, a better point, and everything that goes with them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from fastminima.errors import OptionError
from fastminima.fit.least_squares import least_squares
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.proof.certificate import Certificate
from fastminima.proof.prove import prove
from fastminima.report.figures import require_matplotlib
from fastminima.report.summary import rows, summarise
from fastminima.system.plain_json import json_ready
from fastminima.theorems.theorem1.better_point import BetterPoint, better_point
from fastminima.theorems.theorem1.minimum import SpuriousMinimum, spurious_minimum

from .arguments import add_data_arguments, add_network_arguments, load
from .certificates import proof_row
from .folder import OUT_RULE, OutputFolder
from .output import print_table

__all__ = ["EXAMPLES", "add_parser", "run"]

EXAMPLES = """\
examples:
  fastminima construct demo:diabetes
  fastminima construct houses.csv --target price --out results
  fastminima construct table.npy --target -1 --s-minus 0.01 --method kink --json
  fastminima construct houses.csv --target price --out results --prove
"""


def add_parser(commands: Any) -> argparse.ArgumentParser:
    """Add `construct` to the subcommands made by `ArgumentParser.add_subparsers`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "construct",
        help="theorem 1: a spurious local minimum and a strictly better point",
        description="Theorem 1: construct a spurious local minimum and a strictly better point for a dataset.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_data_arguments(parser)
    add_network_arguments(parser)
    parser.add_argument(
        "--alpha", type=float, default=1.0, metavar="A", help="scale of the hidden layer (default 1)"
    )
    parser.add_argument(
        "--method", choices=("paper", "kink"), default="paper", help="construction of the better point"
    )
    parser.add_argument(
        "--reach",
        choices=("limit", "paper"),
        default="limit",
        help="how far the push goes: as far as its formula holds, or the paper's half of that",
    )
    parser.add_argument(
        "--accuracy",
        choices=("auto", "exact"),
        default="auto",
        help="exact: rational least squares in any case",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="write minimum.npz, better.npz, summary.json, segment.png there" + OUT_RULE,
    )
    parser.add_argument(
        "--prove",
        action="store_true",
        help="write proof.json too: a certificate anyone can check (needs --out)",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--verbose", action="store_true", help="a line on standard error for each step")
    parser.set_defaults(run=run)
    return parser


class _Stages:
    """Times the stages; shows the one at work on a terminal, nothing when piped, or if asked for a line for each."""

    def __init__(self, lines: bool) -> None:
        self.seconds: dict[str, float] = {}
        self._lines = lines

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        if self._lines:
            print(f"{name} ...", file=sys.stderr, flush=True)
        with nullcontext() if self._lines else _spinner(name):
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


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima construct`; returns the exit status."""
    if arguments.out is None:
        if arguments.prove:
            raise OptionError("--prove writes proof.json: say where with --out DIR")
        return _run(arguments, None)
    if arguments.width >= 2:
        # as a rule there is a better point, and then a picture
        require_matplotlib()
    with OutputFolder(arguments.out, "construct", [arguments.data]) as folder:
        return _run(arguments, folder)


def _run(arguments: argparse.Namespace, folder: OutputFolder | None) -> int:
    activation = PiecewiseLinear(arguments.s_plus, arguments.s_minus)
    stage = _Stages(arguments.verbose)
    if arguments.verbose:
        print(f"reading {arguments.data} ...", file=sys.stderr, flush=True)
    # the readers draw their own progress bars
    start = time.perf_counter()
    data = load(arguments, tell=False)  # the table has the notes
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
    certificate: Certificate | None = None
    if folder is not None:
        if arguments.prove:
            with stage("prove"):
                certificate = prove(low, better)
            certificate.save(folder.file("proof.json"))
            summary["proof"] = {
                "file": "proof.json",
                "checked": certificate.checked,
                "open": list(certificate.open),
            }
        with stage("write"):
            files = _write(folder, low, better, summary)
        summary |= {"files": files, "seconds": stage.seconds}
    if arguments.json:
        print(json.dumps(json_ready(summary), indent=2, allow_nan=False))
    else:
        table = [list(row) for row in rows(summary)]
        if certificate is not None:
            table += [["open", reason] for reason in certificate.open]
            table.append(["proof", proof_row(certificate, "proof.json")])
        written = [Path(name) for name in summary.get("files", [])]
        if written:
            table.append(["written", f"{', '.join(file.name for file in written)} in {written[0].parent}"])
        print_table(f"fastminima construct {arguments.data}", None, table)
    return 0


def _write(
    folder: OutputFolder, low: SpuriousMinimum, better: BetterPoint | None, summary: dict[str, Any]
) -> list[str]:
    low.network.save(folder.file("minimum.npz"))
    if better is not None and better.network is not None:
        better.network.save(folder.file("better.npz"))
        from fastminima.report.segment import plot_segment

        # a dollar sign in a name begins no formula
        name = Path(str(summary["source"])).name.replace("$", r"\$")
        title = f"{name}: m = {summary['m']:,}, dx = {summary['dx']}, {low.activation}, {better.method}"
        plot_segment(low, better, folder.file("segment.png"), title)
    return folder.finish_with(summary)
