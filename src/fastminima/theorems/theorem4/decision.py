"""A verdict, the part of theorem 4 that gives it, and why: what both ways of deciding hand on."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Decision"]


@dataclass(frozen=True)
class Decision:
    """What the weights are.

    Attributes
    ----------
    verdict, part, reason : str
    certified : bool
        False where the weights stay undecided, or floating-point numbers decided.
    j_star : int or None
        Of part 3, where its ranks were asked for and hold.
    """

    verdict: str
    part: str
    reason: str
    certified: bool = True
    j_star: int | None = None
