"""What a caller may pass: counts, widths, radii, choices, sizes, workers.

Each check says what was expected and what came.
"""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from fastminima.errors import FastMinimaError, NetworkError, OptionError

__all__ = [
    "as_count",
    "as_flag",
    "as_generator",
    "as_real",
    "check_choice",
    "check_count",
    "check_radius",
    "check_width",
    "count_workers",
    "one_of",
    "parse_bytes",
    "spelled",
]


def spelled(value: Any) -> str:
    """A value for a message, whatever it is: Python prints no integers of more than 4,300 digits, objects may refuse."""
    try:
        text = repr(value)
    except Exception:
        return f"an object of type {type(value).__name__}"
    return text if len(text) <= 400 else text[:400] + "..."


def as_count(
    value: Any,
    name: str,
    least: int = 0,
    most: int | None = None,
    *,
    wanted: str = "",
    error: type[FastMinimaError] = OptionError,
) -> int:
    """A whole number as an int: what every count, size and position of the library goes through.

    Parameters
    ----------
    value : int, NumPy integer, or integer array without dimensions
        A bool is no count, and neither is 3.0: what came out of a division may not be what was meant.
    name : str
        What the message calls it.
    least, most : int
        Both allowed.
    wanted : str, optional
        What the message says was expected. Default: a whole number in this range.
    error : type of error, default OptionError
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        span = f">= {least}" if most is None else f"from {least} to {most}"
        raise error(f"{name} must be {wanted or f'a whole number {span}'}, got {spelled(value)}")
    return number


def count_workers(workers: int) -> int:
    """Number of threads meant by `workers`: itself, or all usable cores for -1."""
    wanted = "a whole number >= 1, or -1 for all usable cores"
    if as_count(workers, "workers", -1, wanted=wanted) == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return as_count(workers, "workers", 1, wanted=wanted)


def as_real(value: Any) -> float:
    """A number of any real type (not bool) as a float; nan for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


_SIZE = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(|[kKMGT]i?B|B)\s*", re.ASCII)


def parse_bytes(size: int | float | str, option: str = "memory") -> int:
    """Bytes meant by a number, or by a text like "2GB" (2e9), "512MiB" (512 * 2**20) or "1.5 GiB".

    Raises
    ------
    OptionError
        Not a size, not finite, or less than one byte. "2G" is none: it means 2e9 to some programs, 2**31 to others.
    """
    wanted = f"{option} must be a number of bytes, or a size like '2GB' or '512MiB'; got {spelled(size)}"
    if isinstance(size, str):
        match = _SIZE.fullmatch(size)
        if match is None:
            raise OptionError(wanted)
        number, unit = float(match[1]), match[2].upper()
        base = 1024 if unit.endswith("IB") else 1000
        number *= float(base) ** ("KMGT".index(unit[0]) + 1 if unit[:1] in tuple("KMGT") else 0)
    else:
        number = as_real(size)
    if not (math.isfinite(number) and number >= 1.0):
        raise OptionError(wanted)
    return int(number)


def check_count(value: Any, name: str, stop: int) -> int:
    """`value` as an int of at least 0 and below `stop`, a power of two; OptionError for anything else."""
    wanted = f"a whole number >= 0 and < 2^{stop.bit_length() - 1}"
    return as_count(value, name, 0, stop - 1, wanted=wanted)


def check_radius(value: Any) -> float:
    """`value` as a finite float >= 0; OptionError for anything else."""
    try:
        number = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0.0):
        raise OptionError(f"radius must be a finite number >= 0 or a sequence of such, got {spelled(value)}")
    return number


def check_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """`value`, one of `choices`; OptionError for anything else."""
    if not (isinstance(value, str) and value in choices):
        listed = ", ".join(f'"{choice}"' for choice in choices)
        raise OptionError(f"{name} must be one of {listed}, got {spelled(value)}")
    return value


def as_flag(value: Any, name: str) -> bool:
    """`value`, which is true or false (0 and 1 count), as a bool; OptionError for anything else."""
    if (
        isinstance(value, bool)
        or type(value).__name__ in ("bool_", "bool")
        or (type(value) is int and value in (0, 1))
    ):
        return bool(value)
    raise OptionError(f"{name} must be True or False, got {spelled(value)}")


def as_generator(random_state: Any) -> np.random.Generator:
    """What numpy.random.default_rng makes of an int, a Generator or None; OptionError for what it does not take."""
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise OptionError(f"random_state must be what numpy.random.default_rng takes: {error}") from error


def one_of(value: Any, choices: Sequence[str]) -> bool:
    """Is `value` one of these words? Without comparing arrays, which compare entry by entry."""
    return isinstance(value, str) and value in choices


def check_width(width: int, smallest: int = 1) -> int:
    """`width` as an int; NetworkError where it is not an integer of at least `smallest`."""
    wanted = f"an integer >= {smallest}"
    return as_count(width, "width (hidden units d1)", smallest, wanted=wanted, error=NetworkError)
