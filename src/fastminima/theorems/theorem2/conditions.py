"""One condition of a theorem at a witness: its name, what it says, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Condition"]


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
