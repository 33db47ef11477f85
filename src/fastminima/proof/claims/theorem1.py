"""Certificates of theorem 1: the exact least-squares fit, a minimum with its radius, a point with lower risk, and J.

Everything stated here was decided elsewhere in exact arithmetic; this module spells it out for the checker. On small
data the paper's own construction, in rational numbers, goes in beside the float64 networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastminima.data.dataset import Dataset
from fastminima.errors import DataError, NetworkError, ProofError
from fastminima.exact.dyadic import round_fraction, short_above, sqrt_floor
from fastminima.exact.fit import ExactFit
from fastminima.exact.solve import solve_normal_equations
from fastminima.exact.stream import ExactPass, NetworkNumbers, PassNetwork, PassResult
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.proof.certificate import data_rows, matrix_words, network_words, word

__all__ = [
    "Rows",
    "Solution",
    "affine_near",
    "claims_of",
    "dead_on",
    "networks",
    "same_activation",
    "streamed",
]

# samples up to which equal inputs and J are looked at exactly, samples up to which J is listed, and numbers in the data up
# to which the paper's rational networks go in: a certificate of more data has the size of its columns, whatever the rows
_SMALL, _LIST_J, _RATIONAL = 20_000, 200, 1_000


class Rows(Protocol):
    """Data of any size: what `prove` needs of them."""

    @property
    def n_features(self) -> int:
        """Inputs dx."""

    @property
    def weighted(self) -> bool:
        """Do blocks carry weights?"""

    def blocks(self) -> Iterator[tuple[Any, Any, Any]]:
        """(X (k, dx), y (k,), weights (k,) or None), finite float64; the same rows every time."""


class Solution(Protocol):
    """Exact least squares."""

    @property
    def coef(self) -> list[Fraction]: ...
    @property
    def intercept(self) -> Fraction: ...
    @property
    def risk(self) -> Fraction: ...


@dataclass(frozen=True)
class Solved:
    """Exact least squares of a stream, of which no row is kept."""

    coef: list[Fraction]
    intercept: Fraction
    risk: Fraction


def streamed(
    source: Rows, minimum: OneHiddenLayer | None, better: OneHiddenLayer | None
) -> tuple[PassResult, Solved]:
    """One pass over data of any size, and their exact least-squares fit."""
    state = None
    for X, y, weight in source.blocks():
        if not len(y):
            continue
        if state is None:
            given = networks(minimum, better, np.asarray(X)[0])
            state = ExactPass(source.n_features, given, source.weighted)
        state.update(X, y, weight)
    if state is None:
        raise DataError("the data have no rows; at least one is needed")
    numbers = state.result()
    solution = solve_normal_equations(numbers.gram)
    return numbers, Solved(solution.coefficients[1:], solution.coefficients[0], solution.risk)


def claims_of(
    data: Dataset | None,
    exact: Solution,
    numbers: PassResult,
    minimum: OneHiddenLayer | None,
    better: OneHiddenLayer | None,
) -> list[dict[str, Any]]:
    """Claims about a dataset and up to two networks.

    Parameters
    ----------
    data : Dataset or None
        None for a stream, about which no claims are made that need all rows at once.
    exact : ExactFit of `data`, or Solved
    numbers : PassResult
        Of `networks(minimum, better)` on the data.
    minimum : OneHiddenLayer or None
        A network that is to have no lower risk near by: the preactivations of each unit must be positive, or with s- = 0
        negative, on all samples.
    better : OneHiddenLayer or None
        A network that is to be below the least-squares risk.

    Raises
    ------
    ProofError
        A network does not have the property.
    """
    claims: list[dict[str, Any]] = [
        {
            "claim": "least squares",
            "coef": [word(v) for v in exact.coef],
            "intercept": word(exact.intercept),
            "risk": word(exact.risk),
        }
    ]
    measured = iter(numbers.networks)
    if minimum is not None:
        claims.append(_minimum(exact, minimum, next(measured)))
    if better is not None:
        claims.append(_better(exact, better, next(measured)))
    if exact.risk == 0:
        claims.append({"claim": "linearly fittable"})
    if data is None or not isinstance(exact, ExactFit) or data.n_samples > _SMALL:
        return claims
    groups, positions = exact.groups(), exact.J().positions
    if len(groups.first) < data.n_samples or not groups.has_residual.any():
        claims.append({"claim": "pure error", "floor": word(groups.pure_error)})
    if data.n_samples <= _LIST_J or not len(positions):
        claims.append({"claim": "set J", "positions": [int(p) + 1 for p in positions]})
    if minimum is not None and data.n_samples * (data.n_features + 1) <= _RATIONAL:
        claims += _rational(data, exact, minimum)
    return claims


def networks(
    minimum: OneHiddenLayer | None, better: OneHiddenLayer | None, row: NDArray[np.float64]
) -> list[PassNetwork]:
    """The networks as the exact pass wants them; the first is the one whose preactivations are to be positive.

    With s- = 0 a unit that is dead on `row`, the first sample, has to be so on all of them: it comes turned around and
    with output weight 0, which is the same function of the samples if, and only if, what the pass finds is positive.
    """
    found = []
    if minimum is not None:
        W1, b1, W2, b2 = minimum.parameters()
        dead = dead_on(minimum, row)
        W1, b1, W2 = np.where(dead[:, None], -W1, W1), np.where(dead, -b1, b1), np.where(dead, 0.0, W2)
        found.append(PassNetwork(W1, b1, W2, b2, *_slopes(minimum), positive=True))
    if better is not None:
        found.append(PassNetwork(*better.parameters(), *_slopes(better)))
    return found


def dead_on(network: OneHiddenLayer, row: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which units have s- = 0 and, as float64 has it, a negative preactivation on a sample."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray((network.W1 @ row + network.b1 < 0.0) & (_slopes(network)[1] == 0))


def _slopes(network: OneHiddenLayer) -> tuple[Fraction, Fraction]:
    activation = network.activation
    if not isinstance(activation, PiecewiseLinear):
        raise ProofError(f"theorem 1 is about piecewise linear activations, got {activation}")
    return Fraction(activation.s_plus), Fraction(activation.s_minus)


def affine_near(numbers: NetworkNumbers) -> bool:
    """Has every unit of the first of `networks` one sign on all samples, away from 0 by a float64 number?"""
    return bool(numbers.positive and numbers.radius)


def _minimum(exact: Solution, network: OneHiddenLayer, numbers: NetworkNumbers) -> dict[str, Any]:
    if not affine_near(numbers) or numbers.radius is None:
        raise ProofError(
            "the network has a preactivation that is not above 0 by a float64 number (nor below 0 on all samples), so "
            "theorem 1 says nothing about it"
        )
    return {
        "claim": "no lower risk within",
        "network": network_words(network),
        "radius": word(numbers.radius),
        "excess": word(short_above(numbers.risk - exact.risk)),
    }


def _better(exact: Solution, network: OneHiddenLayer, numbers: NetworkNumbers) -> dict[str, Any]:
    drop = exact.risk - numbers.risk
    if drop <= 0:
        raise ProofError("the network's exact risk is not below the exact least-squares risk")
    # a float64 below the drop is shorter; the drop itself where float64 ends
    floor = round_fraction(drop)
    while math.isfinite(floor) and Fraction(floor) > drop:
        floor = math.nextafter(floor, 0.0)
    short = 0.0 < floor < math.inf
    return {
        "claim": "lower risk",
        "network": network_words(network),
        "drop": word(floor if short else drop),
    }


# ---- the paper's own point in rational numbers ---------------------------------------------------------------------


def _rational(data: Dataset, exact: ExactFit, minimum: OneHiddenLayer) -> list[dict[str, Any]]:
    """Theorem 1, step 1 and step 2 case 1, before any rounding: excess 0, and the paper's drop exactly."""
    fitted, scale = exact.fitted_numerators()
    values = [int(n) * scale for n in fitted]
    claims = _rational_minimum(data, exact, minimum, values)
    if minimum.width >= 2 and len(exact.J().positions):
        claims.append(_rational_drop(data, exact, minimum, values))
    return claims


def _rational_minimum(
    data: Dataset, exact: ExactFit, minimum: OneHiddenLayer, values: list[Fraction]
) -> list[dict[str, Any]]:
    """Step 1, where its radius is not rounded to 0."""
    width, zero = minimum.width, [Fraction(0)] * data.n_features
    eta = min(Fraction(-1), 2 * min(values))
    # z/|(x, 1)| is at least radius where the smallest z and the largest norm meet
    norms = _largest_squared_norm(data)
    least = min(min(values) - eta, -eta) if width > 1 else min(values) - eta
    radius = Fraction(sqrt_floor(least * least / norms))
    if radius <= 0:
        return []
    network = {
        "W1": matrix_words([exact.coef, *[zero] * (width - 1)]),
        "b1": [word(exact.intercept - eta), *[word(-eta)] * (width - 1)],
        "W2": [word(1 / _slopes(minimum)[0]), *["0"] * (width - 1)],
        "b2": word(eta),
    }
    return [{"claim": "no lower risk within", "network": network, "radius": word(radius), "excess": "0"}]


def _rational_drop(
    data: Dataset, exact: ExactFit, minimum: OneHiddenLayer, values: list[Fraction]
) -> dict[str, Any]:
    """Step 2, case 1, at the member of J with the largest drop of its closed form."""
    s_plus, s_minus = _slopes(minimum)
    splits = exact.J()
    residual, unit = exact.residual_numerators()
    weights = data.sample_weight
    terms = [
        int(residual[i]) * unit * (1 if weights is None else Fraction(float(weights[i])))
        for i in splits.order.tolist()
    ]
    kappa, m = (s_plus - s_minus) / (s_plus + s_minus), exact.total_weight
    best: tuple[Fraction, Fraction, Fraction] | None = None
    running, members = Fraction(0), set(splits.positions.tolist())
    ordered = [values[i] for i in splits.order.tolist()]
    for p, term in enumerate(terms):
        running += term
        if p not in members:
            continue
        gap = ordered[p + 1] - ordered[p]
        u = max(-abs(kappa) * gap / 4, min(abs(kappa) * gap / 4, 2 * running / m))
        drop = 2 * u * running - m * u * u / 2
        if best is None or drop > best[0]:
            best = drop, u / kappa, (ordered[p] + ordered[p + 1]) / 2
    assert best is not None
    drop, gamma, beta = best
    total, rest = s_plus + s_minus, minimum.width - 2
    zero = [Fraction(0)] * data.n_features
    network = {
        "W1": matrix_words([exact.coef, [-v for v in exact.coef], *[zero] * rest]),
        "b1": [word(exact.intercept - beta + gamma), word(-exact.intercept + beta + gamma), *["0"] * rest],
        "W2": [word(1 / total), word(-1 / total), *["0"] * rest],
        "b2": word(beta),
    }
    return {"claim": "lower risk", "network": network, "drop": word(drop)}


def _largest_squared_norm(data: Dataset) -> Fraction:
    """max |(x, 1)|^2, exactly."""
    return max(
        sum((Fraction(v) ** 2 for v in row[: data.n_features]), Fraction(1)) for row in data_rows(data)
    )


def same_activation(
    minimum: OneHiddenLayer | None, better: OneHiddenLayer | None
) -> tuple[Fraction, Fraction]:
    """The slopes that both networks share."""
    found = {_slopes(network) for network in (minimum, better) if network is not None}
    if len(found) != 1:
        raise NetworkError("the networks of one certificate must have one activation")
    return found.pop()
