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
    atlas,
    bracket,
    certificates,
    completion,
    construct,
    counterexample,
    decide,
    linear,
    probe,
    report,
    scan,
)
from .arguments import join_positions
from .output import any_text, hush, say
from .wording import in_options

__all__ = ["main", "parser"]


_EPILOG = (
    construct.EXAMPLES
    + """
Exit status of every command: 0 done, 1 where the answer is no or something is not certified, 2 where it could not run.
Its own --help says what that means.
"""
)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = _Parser(
        prog="fastminima",
        description="Spurious local minima of ReLU-like networks on your data: constructed and proved.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fastminima {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    construct.add_parser(commands)
    decide.add_parsers(commands)
    bracket.add_parser(commands)
    probe.add_parser(commands)
    report.add_parser(commands)
    linear.add_parser(commands)
    counterexample.add_parser(commands)
    certificates.add_parsers(commands)
    scan.add_parser(commands)
    atlas.add_parser(commands)
    completion.add_parser(commands, parser)
    return parser


def _command_parser(whole: argparse.ArgumentParser, command: str) -> argparse.ArgumentParser:
    [commands] = [action for action in whole._actions if isinstance(action, argparse._SubParsersAction)]
    found: argparse.ArgumentParser = commands.choices[command]
    return found


class _Parser(argparse.ArgumentParser):
    """The parser, and those of the commands: what the user wrote is shown, and not obeyed, by the terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 (no, or not certified), or 2 with one line on stderr."""
    with any_text():
        return _main(sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    whole = parser()
    arguments = whole.parse_args(join_positions(argv))
    hush(arguments.quiet)
    try:
        status: int = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except FastMinimaError as error:
        own = _command_parser(whole, arguments.command)
        say(f"fastminima: {type(error).__name__}: {in_options(str(error), own, arguments)}", error=True)
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
