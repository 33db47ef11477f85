"""Candidates for a better point, from the closed forms of theorem 1, step 2, rounded to float64 arrays.

Floating point chooses here and decides nothing: every candidate is certified before it is handed out.
Yun, Sra and Jadbabaie (2019), section 2 and appendix A2, cases 1 and 2; the kinks go beyond the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.theorems.theorem1.splits.search import SplitSearch

__all__ = ["PUSHES", "REACHES", "Candidate", "PushedSplit", "TiedSplit"]

Array = NDArray[np.float64]

REACHES = {"limit": Fraction(1, 2), "paper": Fraction(1, 4)}
# A rounded network that is not better is moved: the same construction with smaller pushes.
PUSHES = (Fraction(1), Fraction(1, 2), Fraction(1, 8), Fraction(1, 64), Fraction(1, 2**12))


@dataclass(frozen=True, kw_only=True)
class PushedSplit:
    """Case 1, in the units of the data.

    Attributes
    ----------
    position : int
        0-based position p in sorted order of the fitted values; the paper's j is p + 1.
    S : float
        S_j, the sum of (weighted) residuals up to it.
    gap, beta : float
        fitted_(j+1) - fitted_(j), and the midpoint.
    gamma, u : float
        The push: outputs move by -u below and +u above, u = kappa gamma.
    """

    position: int
    S: float
    gap: float
    beta: float
    gamma: float
    u: float


@dataclass(frozen=True, kw_only=True)
class TiedSplit:
    """Case 2, in the units of the data.

    Attributes
    ----------
    tied_value : float
        y*, the smallest tied fitted value whose group hides nonzero residuals.
    tied : int
        Distinct inputs in that group, J*.
    j1, j2 : int
        Samples that span the cut.
    alpha, rho : float
        Size of the tilt alpha v and relative push, gamma = rho alpha.
    beta, gamma : float
    """

    tied_value: float
    tied: int
    j1: int
    j2: int
    alpha: float
    rho: float
    beta: float
    gamma: float


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network to be certified, with the closed form of its drop in the units of the data.

    `found` is the certified split the network pushes apart, where there is one.
    """

    network: OneHiddenLayer | None
    drop: float
    method: str
    split: PushedSplit | TiedSplit | None = None
    found: SplitSearch | None = None
