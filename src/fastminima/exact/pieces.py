"""A one-hidden-layer network as exact affine functions, one per sign pattern of its hidden units.

On the samples of one sign pattern of the hidden units the network is one affine function with exact rational
coefficients c, so its share of the risk is c^T G c / 2 with the exact Gram matrix G of (1, x, y) over them:
no rational number per sample is formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from fastminima.errors import NetworkError

from .dyadic import Floats
from .gram import ExactGram
from .signs import unit_form, validated_rows

__all__ = ["NetworkMoments", "Pieces", "Slope"]

Slope = float | Fraction


@dataclass(frozen=True)
class NetworkMoments:
    """What the exact risk of a network needs to be known about the data.

    Attributes
    ----------
    patterns : list of tuple of int
        Signs (1 or -1) of the hidden units; 0 for units with output weight 0, which cannot bend the output.
        In ascending order.
    counts : list of int
        Samples of each pattern.
    forms : list of lists of dx + 2 Fractions
        f - y without output bias as a form (c_0, c_1, ..., c_dx, c_y) in (1, x, y), one per pattern.
    grams : list of ExactGram
    """

    patterns: list[tuple[int, ...]]
    counts: list[int]
    forms: list[list[Fraction]]
    grams: list[ExactGram]

    @property
    def pattern_counts(self) -> dict[tuple[int, ...], int]:
        """Samples per sign pattern."""
        return dict(zip(self.patterns, self.counts, strict=True))

    def risk(self, b2: float | Fraction) -> Fraction:
        """Exact risk, half the (weighted) sum of (f - y)**2, with this output bias."""
        shift = Fraction(b2)
        total = Fraction(0)
        for form, gram in zip(self.forms, self.grams, strict=True):
            total += gram.quadratic([form[0] + shift, *form[1:]])
        return total / 2


class Pieces:
    """The affine pieces of b2 + W2 h(W1 x + b1), without b2.

    Parameters
    ----------
    W1 : (d1, dx) float64
    b1 : (d1,) float64
    W2 : (d1,) float64 or Fractions
    s_plus, s_minus : float or Fraction
        Slopes of the activation.
    n_features : int

    Attributes
    ----------
    bending : list of int
        Units whose sign depends on the sample: output weight and row of W1 are not zero.

    Raises
    ------
    NetworkError
        If shapes do not fit the data or a parameter is not finite.
    """

    def __init__(
        self,
        W1: Any,
        b1: Any,
        W2: Floats | Sequence[Slope],
        s_plus: Slope,
        s_minus: Slope,
        n_features: int,
    ) -> None:
        self.W1, self.b1 = validated_rows(W1, b1, n_features)
        if len(W2) != len(self.b1):
            raise NetworkError(f"W2 must have one weight per hidden unit ({len(self.b1)}), got {len(W2)}")
        try:
            self._output = [Fraction(w) for w in (W2.tolist() if isinstance(W2, np.ndarray) else W2)]
        except (ValueError, OverflowError) as error:
            raise NetworkError("W2 must be finite") from error
        self._slopes = {1: Fraction(s_plus), -1: Fraction(s_minus)}
        self._n_features = n_features
        live = [k for k, w in enumerate(self._output) if w != 0]
        active = [bool(row.any()) for row in self.W1]
        # a zero row has one preactivation for all samples; it joins the constant of every piece
        self.bending = [k for k in live if active[k]]
        self._fixed = {k: 1 if self.b1[k] >= 0 else -1 for k in live if not active[k]}
        self._forms = {k: unit_form(self.W1, self.b1, k) for k in live}

    def pattern(self, positive: Sequence[bool]) -> tuple[int, ...]:
        """Signs of all units (0 where the output weight is 0), from those of the bending ones."""
        bent = zip(self.bending, (1 if p else -1 for p in positive), strict=True)
        sign = self._fixed | dict(bent)
        return tuple(sign.get(k, 0) for k in range(len(self._output)))

    def form(self, pattern: Sequence[int]) -> list[Fraction]:
        """f - y without output bias as a form (c_0, c_1, ..., c_dx, c_y) in (1, x, y)."""
        form = [Fraction(0)] * (self._n_features + 1) + [Fraction(-1)]
        for k, unit in self._forms.items():
            factor = self._output[k] * self._slopes[pattern[k]]
            if factor:
                form = [c + factor * v for c, v in zip(form, unit, strict=True)]
        return form
