"""Signs of excess risks in balls, where float64 estimates leave them open: of the lowest point, and of those near 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import MissingDependencyError, NetworkError
from fastminima.landscape.perturb.tally import Block
from fastminima.landscape.smooth.excess import BallExcess
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

__all__ = ["SignsInBalls", "with_signs"]

F64 = NDArray[np.float64]
Delta = tuple[F64, F64, F64, float]

# evaluations of an activation in balls at each radius: some seconds
_WORK = 2_000_000


@dataclass(frozen=True)
class SignsInBalls:
    """Is the risk at theta + delta proved lower, or proved higher, than at theta?

    Attributes
    ----------
    theta : RationalNetwork
    balls : BallExcess
    most : int
        How many points of a radius are looked at.
    """

    theta: RationalNetwork
    balls: BallExcess
    most: int

    @classmethod
    def of(cls, network: OneHiddenLayer, data: Dataset) -> SignsInBalls | None:
        """None where nothing can be decided: no formula, no python-flint, or too many samples."""
        most = _WORK // (data.n_samples * network.width)
        if not most:
            return None
        try:
            return cls(RationalNetwork.of(network), BallExcess(network, data), most)
        except (NetworkError, MissingDependencyError):
            return None

    def decided(self, state: Block, delta: Callable[[int], Delta]) -> tuple[Block, bool | None]:
        """The counts with the signs that are proved, and whether the lowest point is proved lower (None: not negative).

        Parameters
        ----------
        state : Block
        delta : callable
            The k-th perturbation, unrounded.
        """
        signs = [self._sign(delta(k)) for k in state.near[: self.most - 1]]
        lower = signs.count(-1)
        counted = replace(
            state,
            n_near=state.n_near - lower - signs.count(1),
            n_negative=state.n_negative + lower,
        )
        lowest = state.n > state.n_overflow and state.smallest < 0.0
        return counted, self._sign(delta(state.argmin)) == -1 if lowest else None

    def _sign(self, delta: Delta) -> int | None:
        W1, b1, W2, b2 = delta
        theta = self.theta
        moves = (map(Fraction, [*w, b]) for w, b in zip(W1.tolist(), b1.tolist(), strict=True))
        moved = replace(
            theta,
            rows=tuple(
                tuple(a + d for a, d in zip(row, move, strict=True))
                for row, move in zip(theta.rows, moves, strict=True)
            ),
            output=tuple(a + Fraction(d) for a, d in zip(theta.output, W2.tolist(), strict=True)),
            bias=theta.bias + Fraction(b2),
        )
        return self.balls.sign(moved)


def with_signs(probes: tuple[Any, ...], network: OneHiddenLayer, data: Dataset) -> tuple[Any, ...]:
    """Probes of one network, with signs from balls: of the lowest point, and of the first that are too close to call.

    Parameters
    ----------
    probes : tuple of Probe
    network : OneHiddenLayer
    data : Dataset
    """
    signs = SignsInBalls.of(network, data)
    if signs is None:
        return probes
    found = (signs.decided(p._state, p.delta) for p in probes)
    return tuple(
        replace(p, _state=state, lowest_proved=proved)
        for p, (state, proved) in zip(probes, found, strict=True)
    )
