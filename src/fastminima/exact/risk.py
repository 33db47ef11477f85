"""Exact risks of float64 networks on a dataset in memory, from one pass of `stream`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .gram import ExactGram
from .pieces import NetworkMoments
from .stream import PassNetwork, exact_moments

__all__ = ["exact_network_risk", "network_moments"]


def network_moments(network: PassNetwork, data: Any, gram: ExactGram | None = None) -> NetworkMoments:
    """Sign patterns, affine pieces and exact Gram matrices of a network on a dataset.

    Parameters
    ----------
    network : PassNetwork
        Its output bias plays no part: `NetworkMoments.risk` takes any.
    data : dataset
    gram : ExactGram, optional
        Of all data. One large pattern then costs nothing: its Gram matrix is what the others leave.

    Raises
    ------
    NetworkError
        If shapes do not fit the data or a parameter is not finite.
    """
    return exact_moments(data, [network], digests=False, total=gram).networks[0].moments


def exact_network_risk(network: PassNetwork, data: Any, gram: ExactGram | None = None) -> Fraction:
    """Exact risk of the network b2 + W2 h(W1 x + b1), half the (weighted) sum of (f - y)**2.

    Parameters as in `network_moments`, which also gives the sign patterns and their counts.
    """
    return network_moments(network, data, gram).risk(network.b2)
