"""The command `fastminima completion`: what a shell needs to complete commands, options and files."""

from __future__ import annotations

import argparse
from typing import Any

from fastminima.system.packages import import_optional

from .wording import exit_status

__all__ = ["add_parser", "run"]

SHELLS = ("bash", "zsh")
_EPILOG = """\
examples:
  eval "$(fastminima completion bash)"                    # in ~/.bashrc
  fastminima completion zsh > ~/.zfunc/_fastminima        # with ~/.zfunc in fpath

""" + exit_status("when it is printed")


def add_parser(commands: Any, whole: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add `completion` to the subcommands made by `ArgumentParser.add_subparsers` of the whole parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "completion",
        help="print a script that lets bash or zsh complete commands and options",
        description="Print a completion script for a shell (needs the extra completion).",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run, quiet=False, whole=whole)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run `fastminima completion`; returns the exit status."""
    shtab = import_optional("shtab", extra="completion", purpose="completion in a shell")
    print(shtab.complete(with_files(arguments.whole, shtab.FILE), shell=arguments.shell))
    return 0


def with_files(whole: argparse.ArgumentParser, file: Any) -> argparse.ArgumentParser:
    """The parser, with files for what names files or folders.

    Parameters
    ----------
    whole : ArgumentParser
    file : object
        What stands for files in the package that writes the script.
    """
    [commands] = [action for action in whole._actions if isinstance(action, argparse._SubParsersAction)]
    for command in commands.choices.values():
        for action in command._actions:
            if action.metavar in (
                "DATA",
                "NETWORK",
                "PATH",
                "CERT",
                "DIR",
                "WEIGHTS.npz",
                "M.npz",
                "B.npz",
                "W.npz",
            ):
                action.complete = file
    return whole
