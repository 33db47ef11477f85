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

from . import cli_counterexample, cli_linear, cli_probe, cli_prove, cli_scan
from ._atomic import replacing
from ._version import __version__
from .activation import PiecewiseLinear
from .cli_common import (
    OutputFolder,
    add_data_arguments,
    add_network_arguments,
    join_positions,
    load,
    print_table,
)
from .cli_prove import proof_row
from .errors import FastMinimaError, OptionError
from .least_squares import least_squares
from .proof.certificate import Certificate
from .proving.prove import prove
from .report.summary import json_ready, rows, summarise
from .theorems.theorem1 import SpuriousMinimum, spurious_minimum
from .theorems.theorem1_better import BetterPoint, better_point

__all__ = ["main"]

_EPILOG = """\
examples:
  fastminima construct demo:diabetes
  fastminima construct houses.csv --target price --out results
  fastminima construct table.npy --target -1 --s-minus 0.01 --method kink --json
  fastminima construct houses.csv --target price --out results --prove
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
    add_data_arguments(construct)
    add_network_arguments(construct)
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
        "--out", metavar="DIR", help="write minimum.npz, better.npz, summary.json, segment.png there"
    )
    construct.add_argument(
        "--prove", action="store_true", help="write proof.json too: a certificate anyone can check (needs --out)"
    )
    construct.add_argument("--json", action="store_true", help="print the summary as JSON")
    construct.set_defaults(run=_construct)
    cli_probe.add_parser(commands)
    cli_linear.add_parser(commands)
    cli_counterexample.add_parser(commands)
    cli_prove.add_parsers(commands)
    cli_scan.add_parser(commands)
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


def _construct(arguments: argparse.Namespace) -> int:
    if arguments.out is None:
        if arguments.prove:
            raise OptionError("--prove writes proof.json: say where with --out DIR")
        return _run(arguments, None)
    with OutputFolder(arguments.out, "summary.json") as folder:
        return _run(arguments, folder)


def _run(arguments: argparse.Namespace, folder: Path | None) -> int:
    activation = PiecewiseLinear(arguments.s_plus, arguments.s_minus)
    stage = _Stages()
    # the readers draw their own progress bars
    start = time.perf_counter()
    data = load(arguments)
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
            certificate.save(folder / "proof.json")
            summary["proof"] = {"file": "proof.json", "checked": certificate.checked, "open": list(certificate.open)}
        with stage("write"):
            files = _write(folder, low, better, summary, ["proof.json"] if certificate is not None else [])
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
    folder: Path, low: SpuriousMinimum, better: BetterPoint | None, summary: dict[str, Any], made: list[str]
) -> list[str]:
    names = [*made, "minimum.npz"]
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0, or 2 with one line on stderr; 1 see `scan`)."""
    arguments = _parser().parse_args(join_positions(sys.argv[1:] if argv is None else argv))
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
