"""What a question about a smooth network is about, checked: point, samples, and the risk in balls and in floats."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.errors import DataError, NetworkError, OptionError
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork
from fastminima.system.options import as_real, spelled

from .ball_risk import BallRisk
from .float_risk import FloatRisk
from .samples import Samples

__all__ = ["Problem", "as_weight_decay"]


def as_weight_decay(value: float) -> Fraction:
    """lambda, exactly.

    Raises
    ------
    OptionError
        Not a finite number >= 0.
    """
    if isinstance(value, Fraction) and value >= 0:
        return value
    if not 0.0 <= as_real(value) < math.inf:
        raise OptionError(f"weight_decay must be a finite number >= 0, got {spelled(value)}")
    return Fraction(float(value) if isinstance(value, np.floating) else value)


@dataclass(frozen=True, eq=False)
class Problem:
    """One network on one dataset.

    Attributes
    ----------
    network : RationalNetwork
    data : Dataset
    samples : Samples
    risk : BallRisk
    floats : FloatRisk
    weight_decay : Fraction
    """

    network: RationalNetwork
    data: Dataset
    samples: Samples
    risk: BallRisk
    floats: FloatRisk
    weight_decay: Fraction

    @classmethod
    def of(cls, network: OneHiddenLayer | RationalNetwork, data: Dataset, weight_decay: Fraction) -> Problem:
        """Raises
        ------
        NetworkError
            If nothing can be proved of the activation: a function without a formula.
        DataError
            If the network takes another number of inputs.
        MissingDependencyError
            Without python-flint (the extra `proof`).
        """
        exact = RationalNetwork.of(network)
        if exact.activation.formula is None:
            raise NetworkError(
                f"nothing can be proved of {exact.activation!r}: it has values and derivatives on your word, and no "
                "formula; use Smooth.from_formula"
            )
        if exact.n_features != data.n_features:
            raise DataError(f"X has {data.n_features} columns; the network takes {exact.n_features} inputs")
        return cls.about(exact, data, Samples(data), weight_decay)

    @classmethod
    def about(
        cls, network: RationalNetwork, data: Dataset, samples: Samples, weight_decay: Fraction
    ) -> Problem:
        """The same samples with another network."""
        return cls(
            network, data, samples, BallRisk(samples, network, weight_decay),
            FloatRisk(samples, network, weight_decay), weight_decay,
        )  # fmt: skip
