"""Memory is estimated before it is taken."""

from __future__ import annotations

import os

from fastminima.errors import TooLargeError

__all__ = ["available_bytes", "require_memory"]


def available_bytes() -> int:
    """Physical memory of the machine; a generous constant where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 1 << 36


def require_memory(n_bytes: int, what: str) -> None:
    """Raise TooLargeError when `what` needs more than the machine's memory."""
    limit = available_bytes()
    if n_bytes > limit:
        raise TooLargeError(
            f"{what} needs {min(n_bytes, 10**300) / 2**30:.3g} GiB, this machine has {limit / 2**30:.3g} GiB; ask for less"
        )
