"""The command `fastminima`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from fastminima._version import __version__
from fastminima.errors import FastMinimaError

from . import (
    certificates,
    counterexample,
    linear,
    probe,
    scan,
)
from .arguments import add_data_arguments, add_network_arguments, join_positions
from .construct import run_construct

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
        "--prove",
        action="store_true",
        help="write proof.json too: a certificate anyone can check (needs --out)",
    )
    construct.add_argument("--json", action="store_true", help="print the summary as JSON")
    construct.set_defaults(run=run_construct)
    probe.add_parser(commands)
    linear.add_parser(commands)
    counterexample.add_parser(commands)
    certificates.add_parsers(commands)
    scan.add_parser(commands)
    return parser


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
