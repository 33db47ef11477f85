"""Two networks of one's own: what is true of them beside theorem 1, or where theorem 1 says nothing about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from fastminima.data.dataset import Dataset
from fastminima.errors import ProofError
from fastminima.exact.stream import PassResult
from fastminima.landscape.decide.decision import decide
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.networks.rational_network import RationalNetwork

from .decided import exact_risk, local_minimum, lower_point
from .theorem1 import affine_near, dead_on

__all__ = ["Beside", "beside"]


@dataclass(frozen=True)
class Beside:
    """What is left to theorem 1, and what is claimed beside it.

    Attributes
    ----------
    numbers : PassResult
        Of the networks that theorem 1 makes claims about.
    minimum, better : OneHiddenLayer or None
        These networks.
    claims : list of claims
    open : tuple of str
        What was asked for and is not claimed.
    """

    numbers: PassResult
    minimum: OneHiddenLayer | None
    better: OneHiddenLayer | None
    claims: list[dict[str, Any]]
    open: tuple[str, ...]


def beside(
    data: Dataset,
    linear_risk: Fraction,
    numbers: PassResult,
    minimum: OneHiddenLayer | None,
    better: OneHiddenLayer | None,
) -> Beside:
    """What can be claimed of two networks, either of which may be missing.

    Parameters
    ----------
    data : Dataset
    linear_risk : Fraction
        Exact least-squares risk.
    numbers : PassResult
        Of `theorem1.networks(minimum, better, data.X[0])`.
    minimum, better : OneHiddenLayer or None

    Raises
    ------
    ProofError
        Nothing is true of the first network, and there is no second one.
    """
    claims: list[dict[str, Any]] = []
    opened: tuple[str, ...] = ()
    kept = list(numbers.networks)
    low, high = minimum, better
    if minimum is not None:
        near = affine_near(kept[0])
        # with dead units the risk may lie far above least squares, and a local minimum is then what is wanted
        if not near or dead_on(minimum, data.X[0]).any():
            decision = decide(minimum, data)
            if decision:
                claims.append(local_minimum(decision))
            if decision or not near:
                low, kept = None, kept[1:]
            if not decision and not near:
                if better is None:
                    raise ProofError(
                        "the network has a preactivation that is not above 0 (nor below 0 on all samples), so theorem 1 "
                        f"says nothing about it, and it is at no proved local minimum ({decision.reason}); "
                        "prove(decide(network, data)) certifies what lies lower, polish(network, data) finds a minimum"
                    )
                opened = (f"the first network is at no proved local minimum: {decision.reason}",)
    if (
        minimum is not None
        and better is not None
        and (low is None or numbers.networks[-1].risk >= linear_risk)
    ):
        first, second = RationalNetwork.of(minimum), RationalNetwork.of(better)
        drop = exact_risk(first, data) - exact_risk(second, data)
        if drop > 0:
            claims.append(lower_point(first, second, drop))
            if numbers.networks[-1].risk >= linear_risk:
                high, kept = None, kept[:-1]
    return Beside(replace(numbers, networks=tuple(kept)), low, high, claims, opened)
