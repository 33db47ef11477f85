"""All parameters of a network as one vector, and back: u_1, ..., u_d1 with u_k = (w_k, b_k), then a, then b2."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fastminima.networks.rational_network import RationalNetwork

__all__ = ["network_of", "vector_of"]


def vector_of(network: RationalNetwork) -> list[Fraction]:
    """Its d1 (dx + 2) + 1 parameters."""
    return [*(v for row in network.rows for v in row), *network.output, network.bias]


def network_of(vector: Sequence[Fraction], like: RationalNetwork) -> RationalNetwork:
    """The network with these parameters, of the shape and with the activation of another one."""
    n, d1 = like.n_features + 1, like.width
    rows = tuple(tuple(vector[k * n : (k + 1) * n]) for k in range(d1))
    output = tuple(vector[d1 * n : d1 * n + d1])
    return RationalNetwork(rows, output, vector[-1], like.activation, like.feature_names)
