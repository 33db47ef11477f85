"""Where every activation is rational: residuals and the gradient of the risk as rational numbers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fastminima.exact.matrix import dot
from fastminima.networks.activations.in_rationals import exact_jet
from fastminima.networks.rational_network import RationalNetwork

from .samples import Samples
from .vector import vector_of

__all__ = ["ExactPoint", "exact_point"]


class ExactPoint:
    """f(x_g) - ybar_g and the gradient of F at a network, exactly.

    Attributes
    ----------
    residuals : list of Fractions
    gradient : list of Fractions
    """

    def __init__(self, residuals: list[Fraction], gradient: list[Fraction]) -> None:
        self.residuals, self.gradient = residuals, gradient


def exact_point(samples: Samples, network: RationalNetwork, weight_decay: Fraction) -> ExactPoint | None:
    """None where h or h' is not rational somewhere, as tanh is at all points but 0."""
    jets: dict[Fraction, tuple[Fraction, Fraction, Fraction]] = {}

    def jet(z: Fraction) -> tuple[Fraction, Fraction, Fraction] | None:
        if z not in jets:
            found = exact_jet(network.activation.formula, z)
            if found is None:
                return None
            jets[z] = found
        return jets[z]

    gradient = [weight_decay * v for v in vector_of(network)]
    residuals = []
    n, d1 = network.n_features + 1, network.width
    for x, y, weight in zip(samples.rows, samples.target, samples.weight, strict=True):
        layer = [jet(dot(row, x)) for row in network.rows]
        if any(one is None for one in layer):
            return None
        known = [one for one in layer if one is not None]
        residual = network.bias + dot(network.output, [one[0] for one in known]) - y
        residuals.append(residual)
        _add(gradient, weight * residual, known, network.output, x, n * d1)
    return ExactPoint(residuals, gradient)


def _add(
    gradient: list[Fraction],
    G: Fraction,
    layer: Sequence[tuple[Fraction, Fraction, Fraction]],
    output: Sequence[Fraction],
    x: Sequence[Fraction],
    weights: int,
) -> None:
    """One sample's part of the gradient."""
    n = len(x)
    for k, ((value, slope, _), a) in enumerate(zip(layer, output, strict=True)):
        pushed = G * a * slope
        for j, v in enumerate(x):
            gradient[k * n + j] += pushed * v
        gradient[weights + k] += G * value
    gradient[-1] += G
