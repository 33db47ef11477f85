"""How the command line spells things: whole numbers, names of columns, options in messages, and what a status says."""

from __future__ import annotations

import argparse
import csv
import re
from decimal import Decimal, InvalidOperation

from fastminima.errors import OptionError

__all__ = ["exit_status", "in_options", "names_in", "whole", "widths"]

# arguments of functions that commands call an option of another name
_ALIASES = {"n_starts": "--starts", "random_state": "--seed", "width (hidden units d1)": "--width"}
_VERBS = "must|needs|is|are|has|have|takes|holds|names|says|bounds|wants"


def exit_status(yes: str, no: str = "") -> str:
    """The sentence at the end of every command's help.

    Parameters
    ----------
    yes : str
        What is done when the status is 0.
    no : str
        When the answer is no, or something is not certified.
    """
    middle = f"1 {no}; " if no else ""
    return f"Exit status: 0 {yes}; {middle}2 where it could not run, with one line on standard error; 130 after Ctrl-C.\n"


def whole(text: str) -> int:
    """A whole number as people write it: 1000000, 1_000_000, 1e6.

    Raises
    ------
    argparse.ArgumentTypeError
        Not one, or one of more than 4,000 digits.
    """
    try:
        number = Decimal(text)
        if number == number.to_integral_value() and number.adjusted() < 4_000:
            return int(number)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise argparse.ArgumentTypeError(f"must be a whole number such as 1000 or 1e6, got {text!r:.60}")


def widths(text: str) -> int | tuple[int, ...]:
    """The width of one hidden layer, or of several, as 16,16,16.

    Raises
    ------
    argparse.ArgumentTypeError
        What is neither.
    """
    try:
        found = tuple(whole(part) for part in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"must be a whole number, or several such as 16,16,16, got {text!r:.60}"
        ) from None
    return found if len(found) > 1 else found[0]


def names_in(values: list[str] | None, option: str) -> list[str] | None:
    """The columns that an option names, given once for each of them.

    Given once it may name several with commas between them, as it had to at first; a name in double quotes is one name.

    Raises
    ------
    OptionError
        No name.
    """
    if values is None or len(values) > 1:
        return values
    try:
        [row] = csv.reader([values[0]], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        # quotes that are part of a name
        row = values[0].split(",")
    names = [name.strip() for name in row if name.strip()]
    if not names:
        raise OptionError(f"{option} needs one or more columns, got none")
    return names


def in_options(message: str, parser: argparse.ArgumentParser, given: argparse.Namespace) -> str:
    """A message of the library's, in which its arguments are the options that the user knows.

    Parameters
    ----------
    message : str
    parser : ArgumentParser
        Of the command.
    given : Namespace
        What was given; an option that is not shown in the help is named where it was.
    """
    flags: set[str] = set()
    options = {}
    for action in parser._actions:
        shown = action.help != argparse.SUPPRESS or getattr(given, action.dest, None) is not None
        if action.option_strings and shown:
            options[action.dest] = action.option_strings[0]
            if action.nargs == 0:
                flags.add(action.dest)
    known = set(options.values())
    options |= {name: option for name, option in _ALIASES.items() if option in known}
    names = "|".join(re.escape(name) for name in sorted(options, key=len, reverse=True))

    def assigned(found: re.Match[str]) -> str:
        name, value = found["name"], found["plain"] or found["quoted"] or ""
        option = options[name]
        if found["several"] is not None:
            return " ".join(f"{option} {one}" for one in re.findall(r"'([^']*)'", found["several"])) or option
        if value in ("True", "False") and name in flags:
            return option if value == "True" else f"--no-{option.removeprefix('--')}"
        return f"{option} {value}" if value and value != "..." else option

    value = r"""["'](?P<quoted>[^"']*)["']|\[(?P<several>[^\]]*)\]|(?P<plain>\.\.\.|[\w+-]+(?:\.\d+)?)?"""
    # not in names of files and folders, which may hold target=price
    message = re.sub(rf"""(?<![\w./\\'"-])(?P<name>{names})=(?:{value})""", assigned, message)
    # what named the option already
    message = re.sub(r"(--[a-z-]+(?: \S+)?) \(\1\)", r"\1", message)
    # the subject of the message, or of what follows the name of a file
    return re.sub(
        rf"^((?:[^\s:]+: )?)(?P<name>{names})(?= (?:{_VERBS})\b)",
        lambda found: found[1] + options[found["name"]],
        message,
    )
