"""One condition of a theorem at a witness: its name, what it says, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Context

__all__ = ["Condition", "rounded_down"]


@dataclass(frozen=True)
class Condition:
    """One condition of theorem 2 at the witness.

    Attributes
    ----------
    name : str
        As in the paper, or the bias form's.
    statement : str
    enclosure : str
        The ball, or the float64 number, that the left side minus the right side lies in.
    proved : bool
    """

    name: str
    statement: str
    enclosure: str
    proved: bool


def rounded_down(radius: float, digits: int) -> str:
    """A radius in a few digits, none of which claims more than is proved."""
    return f"{Context(prec=digits, rounding=ROUND_DOWN).create_decimal(radius).normalize():f}"
