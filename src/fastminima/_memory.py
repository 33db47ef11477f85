"""Memory is estimated before it is taken."""

from __future__ import annotations

import math
import os
import re

from .errors import OptionError, TooLargeError

__all__ = ["available_bytes", "parse_bytes", "require"]

_SIZE = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(|[kKMGT]i?B|B)\s*", re.ASCII)


def available_bytes() -> int:
    """Physical memory of the machine; a generous constant where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1 << 36


def require(n_bytes: int, what: str) -> None:
    """Raise TooLargeError when `what` needs more than the machine's memory."""
    limit = available_bytes()
    if n_bytes > limit:
        raise TooLargeError(
            f"{what} needs {n_bytes / 2**30:.3g} GiB, this machine has {limit / 2**30:.3g} GiB; ask for less"
        )


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
