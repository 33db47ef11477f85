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
    construct,
    counterexample,
    linear,
    probe,
    scan,
)
from .arguments import join_positions

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastminima",
        description="Spurious local minima of ReLU-like networks on your data: constructed and proved.",
        epilog=construct.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastminima {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    construct.add_parser(commands)
    probe.add_parser(commands)
    linear.add_parser(commands)
    counterexample.add_parser(commands)
    certificates.add_parsers(commands)
    scan.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0, or 2 with one line on stderr; 1 see `scan`)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files and columns may hold what cannot be encoded
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
