"""Powers of two for sums that must neither overflow nor vanish, and the sums that one range of keys hands to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["CarriedSums", "extreme", "shift_of"]

# Residuals beyond 2^+-300 are scaled by a power of two, because squares of sums must neither overflow nor
# vanish: 2^30 samples of 2^300 have drops below 2^661.
PLAIN_EXPONENT = 300
# No shift is larger than this, so that 2.0**shift is a normal number.
MAX_SHIFT = 1000


def shift_of(largest: float) -> int:
    """The power of two that brings `largest` close to 1."""
    return max(-MAX_SHIFT, min(MAX_SHIFT, 1 - math.frexp(largest)[1])) if largest > 0.0 else 0


def extreme(largest: float) -> bool:
    """Whether values of this size are scaled although they have no weights."""
    return largest > 0.0 and abs(math.frexp(largest)[1]) > PLAIN_EXPONENT


@dataclass(frozen=True)
class CarriedSums:
    """Sums over all smaller keys, and the scale all ranges share: what one range of keys has to know of the others.

    Attributes
    ----------
    mass, value_shift, weight_shift : as of `SortedSums`, of all records
    totals : (hi, lo, errors) of the sum of the records before
    count : int
        Records before.
    lost : float
        Rounding of products and scalings before, in scaled units.
    additions : int
        That an error made before may have passed through.
    """

    mass: float
    value_shift: int = 0
    weight_shift: int = 0
    totals: tuple[float, float, float] = (0.0, 0.0, 0.0)
    count: int = 0
    lost: float = 0.0
    additions: int = 0

    @classmethod
    def nothing(cls, mass: float, largest: float, heaviest: float | None) -> CarriedSums:
        """At the start of records with this sum of weights and largest value and weight (None without weights)."""
        if heaviest is None:
            return cls(mass, shift_of(largest) if extreme(largest) else 0, 0)
        return cls(math.ldexp(mass, shift_of(heaviest)), shift_of(largest), shift_of(heaviest))
