"""The difference of two risks in balls: its sign, or its value to all digits of a float64."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.errors import ActivationError, NetworkError
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

from .ball_risk import PRECISION, BallRisk
from .problem import Problem
from .vector import vector_of

__all__ = ["BallExcess"]

# precisions that are tried: beyond 2^-4096 balls become no numbers
_SIGN_BITS = (PRECISION, 2 * PRECISION, 4 * PRECISION)
_VALUE_BITS = tuple(PRECISION << k for k in range(6))
# relative width of an enclosure whose midpoint is a float64's worth of digits
_SHARP = Fraction(1, 2**60)
# a difference of risks that no float64 tells from 0
_NOTHING = Fraction(1, 2**1000)


class BallExcess:
    """risk(other) - risk(network) on one dataset, for any other network.

    Parameters
    ----------
    network : OneHiddenLayer or RationalNetwork
    data : Dataset

    Raises
    ------
    NetworkError
        An activation without a formula.
    MissingDependencyError
        Without python-flint (the extra `proof`).
    """

    def __init__(self, network: OneHiddenLayer | RationalNetwork, data: Dataset) -> None:
        self._problem = Problem.of(network, data, Fraction(0))
        self._data = data
        self._before: dict[int, list[Any]] = {}

    def sign(self, other: RationalNetwork) -> int | None:
        """-1 where the other risk is proved lower, 1 where it is proved higher, None where neither is."""
        risk = self._risk_of(other)
        for bits in _SIGN_BITS:
            found = self._enclosed(risk, other, bits)
            if found < 0 or found > 0:
                return -1 if found < 0 else 1
        return None

    def value(self, other: RationalNetwork) -> Fraction:
        """The difference within 2^-60, relative; 0 where it is below 2^-1000 and its sign is not known.

        Raises
        ------
        NetworkError
            Where there is no narrow enclosure: outputs beyond 2^4096, or a sample where the activation jumps.
        """
        risk = self._risk_of(other)
        for bits in _VALUE_BITS:
            found = self._enclosed(risk, other, bits)
            try:
                # edges are rounded to the precision that is set
                with risk.precisely(bits):
                    low, high = risk.edges(found)
            except ActivationError:
                continue
            if high - low <= _SHARP * max(abs(low), abs(high)):
                return (low + high) / 2
            if bits == _VALUE_BITS[-1] and max(abs(low), abs(high)) <= _NOTHING:
                return Fraction(0)
        raise NetworkError(
            "the difference of the two risks has no narrow enclosure: outputs overflow, or a sample lies where the "
            "activation jumps"
        )

    def _risk_of(self, other: RationalNetwork) -> BallRisk:
        problem = self._problem
        if other.width == problem.network.width and other.activation == problem.network.activation:
            return problem.risk
        return Problem.about(
            Problem.of(other, self._data, Fraction(0)).network, problem.data, problem.samples, Fraction(0)
        ).risk

    def _enclosed(self, risk: BallRisk, other: RationalNetwork, bits: int) -> Any:
        """sum w (r' - r)(r' + r) / 2 with r and r' the residuals of the two."""
        own = self._problem
        if bits not in self._before:
            with own.risk.precisely(bits):
                self._before[bits] = own.risk.residuals(own.risk.point(vector_of(own.network)))
        with risk.precisely(bits):
            after = risk.residuals(risk.point(vector_of(other)))
            weights = (w for block in risk.held.blocks for w in block.w)
            terms = (
                w * (b - a) * (b + a) for w, a, b in zip(weights, self._before[bits], after, strict=True)
            )
            return sum(terms, risk.flint.arb(0)) / 2
