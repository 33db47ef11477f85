"""Warnings that point at the line of the caller's program, not of the library."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warned"]

_OWN = __name__.partition(".")[0]


def warned(text: str, category: type[Warning]) -> None:
    """Warn of something, in the name of the first caller outside the library."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _OWN:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
