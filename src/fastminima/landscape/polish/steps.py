"""The steps of a walk."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Step"]


@dataclass(frozen=True)
class Step:
    """One step of the walk.

    Attributes
    ----------
    risk : float
    n_held : int
        Samples held on boundaries.
    n_crossed : int
        Samples that changed sides in the step.
    kind : "start" | "minimum" | "held" | "released" | "exact" | "escape" | "left"
    """

    risk: float
    n_held: int
    n_crossed: int
    kind: str
