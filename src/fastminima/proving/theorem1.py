"""Certificates of theorem 1: the exact least-squares fit, a minimum with its radius, a point with lower risk, and J.

Everything stated here was decided elsewhere in exact arithmetic; this module spells it out for the checker. On small data the
paper's own construction, in rational numbers, goes in beside the float64 networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..activation import PiecewiseLinear
from ..dataset import Dataset
from ..errors import DataError, NetworkError, ProofError
from ..exact.dyadic import round_fraction, round_up, sqrt_floor
from ..exact.fit import ExactFit
from ..exact.margin import exact_margin
from ..exact.risk import exact_network_risk
from ..least_squares import LeastSquares
from ..network import OneHiddenLayer
from ..proof.certificate import matrix_words, network_words, word

__all__ = ["Findings", "claims_of"]

# samples up to which every element of J is listed
_LIST_J = 1_000
# entries of the data up to which the paper's rational networks go in
_RATIONAL = 4_000
# samples up to which equal inputs are looked for without being asked
_DUPLICATES = 20_000


@dataclass(frozen=True)
class Findings:
    """The claims of a certificate, and what stayed open."""

    claims: list[dict[str, Any]]
    open: tuple[str, ...] = ()


def claims_of(
    data: Dataset, exact: ExactFit, minimum: OneHiddenLayer | None, better: OneHiddenLayer | None
) -> Findings:
    """Claims about a dataset and up to two networks.

    Parameters
    ----------
    data : Dataset
    exact : ExactFit
    minimum : OneHiddenLayer or None
        A network that is to have no lower risk near by: all its preactivations must be positive.
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
    if minimum is not None:
        claims.append(_minimum(data, exact, minimum))
    if better is not None:
        claims.append(_better(data, exact, better))
    if exact.linearly_fittable:
        claims.append({"claim": "linearly fittable"})
    claims += _duplicates(data, exact)
    if data.n_samples <= _LIST_J:
        claims.append({"claim": "set J", "positions": [int(p) + 1 for p in exact.J().positions]})
    elif better is not None and not exact.linearly_fittable and data.n_samples <= _DUPLICATES:
        positions = exact.J().positions
        if not len(positions):
            claims.append({"claim": "set J", "positions": []})
    if minimum is not None and data.n_samples * (data.n_features + 1) <= _RATIONAL:
        claims += _rational(data, exact, minimum)
    return Findings(claims)


def _slopes(network: OneHiddenLayer) -> tuple[Fraction, Fraction]:
    activation = network.activation
    if not isinstance(activation, PiecewiseLinear):
        raise ProofError(f"theorem 1 is about piecewise linear activations, got {activation}")
    return Fraction(activation.s_plus), Fraction(activation.s_minus)


def _risk(data: Dataset, exact: ExactFit, network: OneHiddenLayer) -> Fraction:
    return exact_network_risk(*network.parameters(), *_slopes(network), data, exact.gram)


def _minimum(data: Dataset, exact: ExactFit, network: OneHiddenLayer) -> dict[str, Any]:
    W1, b1, _, _ = network.parameters()
    radius = exact_margin(W1, b1, data)
    if not radius > 0.0:
        raise ProofError(
            "the network has a preactivation that is not above 0 by a float64 number, so theorem 1 says nothing about it"
        )
    excess = round_up(_risk(data, exact, network) - exact.risk)
    if not math.isfinite(excess):
        raise ProofError("the network's risk is beyond float64")
    return {
        "claim": "no lower risk within",
        "network": network_words(network),
        "radius": word(radius),
        "excess": word(excess),
    }


def _better(data: Dataset, exact: ExactFit, network: OneHiddenLayer) -> dict[str, Any]:
    drop = exact.risk - _risk(data, exact, network)
    if drop <= 0:
        raise ProofError("the network's exact risk is not below the exact least-squares risk")
    # a float64 below the drop; exactly the drop where that would be 0
    floor = round_fraction(drop)
    if Fraction(floor) > drop if math.isfinite(floor) else True:
        floor = math.nextafter(floor, 0.0)
    return {
        "claim": "lower risk",
        "network": network_words(network),
        "drop": word(floor if floor > 0.0 else drop),
    }


def _duplicates(data: Dataset, exact: ExactFit) -> list[dict[str, Any]]:
    """The floor no function can go below, where equal inputs make it worth stating."""
    if data.n_samples > _DUPLICATES:
        return []
    groups = exact.groups()
    if len(groups.first) == data.n_samples and groups.has_residual.any():
        return []
    return [{"claim": "pure error", "floor": word(groups.pure_error)}]


# ---- the paper's own point in rational numbers ---------------------------------------------------------------------


def _rational(data: Dataset, exact: ExactFit, minimum: OneHiddenLayer) -> list[dict[str, Any]]:
    """Theorem 1, step 1 and step 2 case 1, before any rounding: excess 0, and the paper's drop exactly."""
    s_plus, s_minus = _slopes(minimum)
    width = minimum.width
    fitted, scale = exact.fitted_numerators()
    values = [int(n) * scale for n in fitted]
    eta = min(Fraction(-1), 2 * min(values))
    zero = [Fraction(0)] * data.n_features
    # z/|(x, 1)| is at least radius where the smallest z and the largest norm meet
    norms = _largest_squared_norm(data)
    least = min(min(values) - eta, -eta) if width > 1 else min(values) - eta
    radius = Fraction(sqrt_floor(least * least / norms))
    claims: list[dict[str, Any]] = []
    if radius > 0:
        claims.append(
            {
                "claim": "no lower risk within",
                "network": {
                    "W1": matrix_words([exact.coef, *[zero] * (width - 1)]),
                    "b1": [word(exact.intercept - eta), *[word(-eta)] * (width - 1)],
                    "W2": [word(1 / s_plus), *["0"] * (width - 1)],
                    "b2": word(eta),
                },
                "radius": word(radius),
                "excess": "0",
            }
        )
    splits = exact.J()
    if width < 2 or not len(splits.positions):
        return claims
    residual, unit = exact.residual_numerators()
    weights = data.sample_weight
    terms = [
        int(residual[i]) * unit * (1 if weights is None else Fraction(float(weights[i]))) for i in splits.order.tolist()
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
    total = s_plus + s_minus
    rest = width - 2
    claims.append(
        {
            "claim": "lower risk",
            "network": {
                "W1": matrix_words([exact.coef, [-v for v in exact.coef], *[zero] * rest]),
                "b1": [word(exact.intercept - beta + gamma), word(-exact.intercept + beta + gamma), *["0"] * rest],
                "W2": [word(1 / total), word(-1 / total), *["0"] * rest],
                "b2": word(beta),
            },
            "drop": word(drop),
        }
    )
    return claims


def _largest_squared_norm(data: Dataset) -> Fraction:
    """max |(x, 1)|^2, exactly."""
    from ..proof.certificate import data_rows

    return max(1 + sum(Fraction(v) ** 2 for v in row[: data.n_features]) for row in data_rows(data))


def checked_fit(fit: LeastSquares | None, data: Dataset) -> ExactFit:
    """The exact fit of the dataset the networks belong to."""
    if fit is not None and fit.data is not data:
        raise DataError("the minimum was made for other data; leave data out, or give the networks")
    return fit.exact if fit is not None else ExactFit.of(data)


def same_activation(minimum: OneHiddenLayer | None, better: OneHiddenLayer | None) -> tuple[Fraction, Fraction]:
    """The slopes that both networks share."""
    found = {_slopes(network) for network in (minimum, better) if network is not None}
    if len(found) != 1:
        raise NetworkError("the networks of one certificate must have one activation")
    return found.pop()
