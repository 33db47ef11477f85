"""Exact risks of float64 networks.

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
from numpy.typing import NDArray

from fastminima.errors import NetworkError
from fastminima.exact.affine import Columns
from fastminima.exact.dyadic import Floats
from fastminima.exact.gram import ExactGram, gram_of
from fastminima.exact.signs import signs, unit_form, validated_rows

__all__ = ["NetworkMoments", "exact_network_risk", "network_moments"]

Slope = float | Fraction


@dataclass(frozen=True)
class NetworkMoments:
    """What the exact risk of a network needs to be known about the data.

    Attributes
    ----------
    patterns : list of tuple of int
        Signs (1 or -1) of the hidden units; 0 for units with output weight 0, which cannot bend the output.
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

    def optimal_bias(self) -> Fraction:
        """The exact b2 of least risk: minus the weighted mean of f - y without bias."""
        total = sum(
            (gram.times(form)[0] for form, gram in zip(self.forms, self.grams, strict=True)), Fraction(0)
        )
        return -total / sum((gram.total_weight for gram in self.grams), Fraction(0))


def _pattern_rows(sign: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], list[NDArray[np.intp]]]:
    """Distinct rows of a (m, k) sign matrix and the samples of each."""
    m, k = sign.shape
    packed = np.packbits(sign, axis=1)
    if k <= 64:
        wide = np.zeros((m, 8), dtype=np.uint8)
        wide[:, : packed.shape[1]] = packed
        key: NDArray[Any] = wide.view(np.uint64).ravel()
    else:
        key = np.ascontiguousarray(packed).view(f"V{packed.shape[1]}").ravel()
        key = np.unique(key, return_inverse=True)[1].ravel()
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.concatenate(([True], key[order][1:] != key[order][:-1])))
    parts = np.split(order, starts[1:])
    return sign[order[starts]], parts


def network_moments(
    W1: Floats,
    b1: Floats,
    W2: Floats | Sequence[Slope],
    s_plus: Slope,
    s_minus: Slope,
    data: Any,
    gram: ExactGram | None = None,
) -> NetworkMoments:
    """Sign patterns, affine pieces and exact Gram matrices of a network on a dataset.

    Parameters
    ----------
    W1 : (d1, dx) float64
    b1 : (d1,) float64
    W2 : (d1,) float64 or Fractions
    s_plus, s_minus : float or Fraction
        Slopes of the activation.
    data : dataset
    gram : ExactGram, optional
        Of all data. The largest pattern then costs nothing: its Gram matrix is what the others leave.

    Raises
    ------
    NetworkError
        If shapes do not fit the data or a parameter is not finite.
    """
    columns = Columns(data)
    W1, b1 = validated_rows(W1, b1, columns)
    if len(W2) != len(b1):
        raise NetworkError(f"W2 must have one weight per hidden unit ({len(b1)}), got {len(W2)}")
    try:
        output = [Fraction(w) for w in (W2.tolist() if isinstance(W2, np.ndarray) else W2)]
    except (ValueError, OverflowError) as error:
        raise NetworkError("W2 must be finite") from error
    slopes = {1: Fraction(s_plus), -1: Fraction(s_minus)}

    live = [k for k, w in enumerate(output) if w != 0]
    # a zero row has one preactivation for all samples; it joins the constant of every piece
    bending = [k for k in live if W1[k].any()]
    fixed = {k: 1 if b1[k] >= 0 else -1 for k in live if not W1[k].any()}
    if bending:
        kinds, parts = _pattern_rows(signs(columns, W1[bending], b1[bending]))
    else:
        kinds, parts = np.empty((1, 0), dtype=np.bool_), [np.arange(columns.n_samples)]
    units = {k: unit_form(W1, b1, k) for k in live}

    patterns, forms = [], []
    for kind in kinds:
        sign = dict(fixed) | {k: 1 if s else -1 for k, s in zip(bending, kind.tolist(), strict=True)}
        form = [Fraction(0)] * (columns.n_features + 1) + [Fraction(-1)]
        for k in live:
            factor = output[k] * slopes[sign[k]]
            if factor:
                form = [c + factor * v for c, v in zip(form, units[k], strict=True)]
        patterns.append(tuple(sign.get(k, 0) for k in range(len(output))))
        forms.append(form)
    return NetworkMoments(patterns, [len(p) for p in parts], forms, _grams(columns, parts, gram))


def _grams(columns: Columns, parts: list[NDArray[np.intp]], total: ExactGram | None) -> list[ExactGram]:
    if len(parts) == 1:
        return [gram_of(columns) if total is None else total]
    if total is None:
        return [gram_of(columns, part) for part in parts]
    largest = max(range(len(parts)), key=lambda i: len(parts[i]))
    grams: list[ExactGram] = []
    rest = total
    for i, part in enumerate(parts):
        # the place of the largest is held, and filled when the others are known
        grams.append(total if i == largest else gram_of(columns, part))
        if i != largest:
            rest = rest - grams[i]
    grams[largest] = rest
    return grams


def exact_network_risk(
    W1: Floats,
    b1: Floats,
    W2: Floats | Sequence[Slope],
    b2: float | Fraction,
    s_plus: Slope,
    s_minus: Slope,
    data: Any,
    gram: ExactGram | None = None,
) -> Fraction:
    """Exact risk of the network b2 + W2 h(W1 x + b1), half the (weighted) sum of (f - y)**2.

    Parameters as in `network_moments`, which also gives the sign patterns and their counts.
    """
    return network_moments(W1, b1, W2, s_plus, s_minus, data, gram).risk(b2)
