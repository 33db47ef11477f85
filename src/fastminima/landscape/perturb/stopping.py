"""An end when it is asked for: what asks, and what is raised then."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Stop", "Stopped"]

Stop = Callable[[], bool]
"""Asked between two short pieces of work; True asks for an end."""


class Stopped(Exception):
    """The caller asked for an end; there is no result."""
