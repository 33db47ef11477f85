"""The risk on a plane, as numbers: what `risk_slice` returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .planes import Plane

__all__ = ["RiskSlice"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class RiskSlice:
    """Risks on a plane: theta(s, t) = centre + s first + t second.

    Attributes
    ----------
    s, t : ndarrays of shapes (n,), (n',)
    risk : ndarray of shape (n', n)
        risk[i, j] at s[j], t[i].
    excess : ndarray of shape (n', n)
        Over the network in the middle; for piecewise linear activations without cancellation.
    distance : ndarray of shape (n', n)
        Euclidean distance from the middle in all parameters; for theorem 2's pair the output bias is left out, as in its
        radius.
    plane : Plane
        Where the points lie: `centre`, `first`, `second`, `marks`, `path`, `explained`.
    """

    s: Array
    t: Array
    risk: Array
    excess: Array
    distance: Array
    plane: Plane

    @property
    def direction(self) -> Array:
        """The second axis, in the order W1, b1, W2, b2."""
        return self.plane.second

    def __repr__(self) -> str:
        low, high = float(self.excess.min()), float(self.excess.max())
        return f"RiskSlice({len(self.t)} x {len(self.s)} points, excess from {low:.6g} to {high:.6g})"
