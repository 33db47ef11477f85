"""The exact risk of a network that differs in few sides from one whose exact sums stand already.

The sums' quadratic is the risk of the network as if every sample had the side that it has there; the samples on other
sides are put right one by one.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.exact.affine import Columns
from fastminima.exact.matrix import dot
from fastminima.landscape.decide.sides import preactivations
from fastminima.landscape.decide.stationarity import KnownSums, Stationarity
from fastminima.networks.rational_network import RationalNetwork

__all__ = ["risk_near"]

# samples on other sides beyond which new sums cost less
_MANY = 1000


def risk_near(network: RationalNetwork, data: Dataset, known: KnownSums | None) -> Fraction:
    """The exact risk 1/2 sum w (f - y)^2.

    Parameters
    ----------
    network : RationalNetwork
    data : Dataset
    known : KnownSums or None
        Sums over the same data for a network nearby.
    """
    if known is None:
        return Stationarity(network, data).risk
    columns = Columns(data)
    positive = preactivations(columns, network.rows).side > 0
    others = np.flatnonzero((positive != known.positive).any(axis=1))
    if len(others) > _MANY:
        return Stationarity(network, data).risk
    form = known.moments.form(network.rows, network.output, network.bias)
    total = known.moments.gram.quadratic(form)
    pairs = [columns.integers(j, others) for j in range(columns.n_features + 1)]
    weights, unit = columns.weight_integers(others)
    slopes = network.slopes
    for place, sample in enumerate(others.tolist()):
        *x, y = (int(numbers[place]) * scale for numbers, scale in pairs)
        weight = Fraction(1) if weights is None else int(weights[place]) * unit
        x.append(Fraction(1))
        z = [a * dot(row, x) for a, row in zip(network.output, network.rows, strict=True)]
        for sign, sides in ((1, positive[sample]), (-1, known.positive[sample])):
            f = network.bias + sum(
                (slopes[0 if up else 1] * t for up, t in zip(sides.tolist(), z, strict=True)), Fraction(0)
            )
            total += sign * weight * (f - y) ** 2
    return total / 2
