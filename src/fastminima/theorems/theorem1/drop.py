"""Proved bounds on how far a network's risk lies below least squares."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Drop"]


@dataclass(frozen=True)
class Drop:
    """l_LS - l(network), enclosed.

    Attributes
    ----------
    lower, upper : float
        Proved bounds, in the units of the data; the two float64 neighbours where `method` is "exact".
    method : "float" or "exact"
    """

    lower: float
    upper: float
    method: str

    @property
    def better(self) -> bool | None:
        """True or False where the sign is proved, None where it is open."""
        if self.method == "exact":  # a drop below float64's range lies between 0.0 and 5e-324
            return self.upper > 0.0
        return True if self.lower > 0.0 else False if self.upper <= 0.0 else None
