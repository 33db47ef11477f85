"""The command `fastminima`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from fastminima._version import __version__
from fastminima.errors import FastMinimaError
from fastminima.system.plain_text import printable

from . import (
    bracket,
    certificates,
    construct,
    counterexample,
    decide,
    linear,
    probe,
    scan,
)
from .arguments import join_positions
from .output import any_text, say

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fastminima",
        description="Spurious local minima of ReLU-like networks on your data: constructed and proved.",
        epilog=construct.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastminima {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    construct.add_parser(commands)
    decide.add_parsers(commands)
    bracket.add_parser(commands)
    probe.add_parser(commands)
    linear.add_parser(commands)
    counterexample.add_parser(commands)
    certificates.add_parsers(commands)
    scan.add_parser(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """The parser, and those of the commands: what the user wrote is shown, and not obeyed, by the terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (0, or 2 with one line on stderr; 1 see `scan`, `check`, `decide`)."""
    with any_text():
        return _main(sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(join_positions(argv))
    try:
        status: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except FastMinimaError as error:
        say(f"fastminima: {type(error).__name__}: {error}", error=True)
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
