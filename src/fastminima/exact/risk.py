"""Exact risks of float64 networks on a dataset in memory, from one pass of `stream`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from .dyadic import Floats
from .gram import ExactGram
from .pieces import NetworkMoments, Slope
from .stream import PassNetwork, exact_moments

__all__ = ["exact_network_risk", "network_moments"]


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
        Of all data. One large pattern then costs nothing: its Gram matrix is what the others leave.

    Raises
    ------
    NetworkError
        If shapes do not fit the data or a parameter is not finite.
    """
    network = PassNetwork(W1, b1, W2, 0, s_plus, s_minus)
    return exact_moments(data, [network], digests=False, total=gram).networks[0].moments


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
