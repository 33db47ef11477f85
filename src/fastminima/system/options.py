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

from fastminima.errors import NetworkError, OptionError

__all__ = [
    "as_real",
    "check_choice",
    "check_count",
    "check_radius",
    "check_width",
    "count_workers",
    "parse_bytes",
]


def count_workers(workers: int) -> int:
    """Number of threads meant by `workers`: itself, or all usable cores for -1."""
    try:
        count = operator.index(workers)
    except TypeError:
        count = 0
    if count == -1:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(workers, bool) or count < 1:
        raise OptionError(f"workers must be a whole number >= 1, or -1 for all usable cores, got {workers!r}")
    return count


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
    wanted = f"{option} must be a number of bytes, or a size like '2GB' or '512MiB'; got {size!r}"
    if isinstance(size, str):
        match = _SIZE.fullmatch(size)
        if match is None:
            raise OptionError(wanted)
        number, unit = float(match[1]), match[2].upper()
        base = 1024 if unit.endswith("IB") else 1000
        number *= float(base) ** ("KMGT".index(unit[0]) + 1 if unit[:1] in tuple("KMGT") else 0)
    elif isinstance(size, bool) or not isinstance(size, int | float):
        raise OptionError(wanted)
    else:
        number = float(size)
    if not (math.isfinite(number) and number >= 1.0):
        raise OptionError(wanted)
    return int(number)


def check_count(value: Any, name: str, stop: int) -> int:
    """`value` as an int of at least 0 and below `stop`, a power of two; OptionError for anything else."""
    try:
        number = -1 if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number < stop:
        raise OptionError(
            f"{name} must be a whole number >= 0 and < 2^{stop.bit_length() - 1}, got {value!r}"
        )
    return number


def check_radius(value: Any) -> float:
    """`value` as a finite float >= 0; OptionError for anything else."""
    try:
        number = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0.0):
        raise OptionError(f"radius must be a finite number >= 0 or a sequence of such, got {value!r}")
    return number


def check_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """`value`, one of `choices`; OptionError for anything else."""
    if not (isinstance(value, str) and value in choices):
        listed = ", ".join(f'"{choice}"' for choice in choices)
        raise OptionError(f"{name} must be one of {listed}, got {value!r}")
    return value


def check_width(width: int, smallest: int = 1) -> int:
    """`width` as an int; NetworkError where it is not an integer of at least `smallest`."""
    if isinstance(width, bool) or not isinstance(width, int | np.integer) or width < smallest:
        raise NetworkError(f"width (hidden units d1) must be an integer >= {smallest}, got {width!r}")
    return int(width)
