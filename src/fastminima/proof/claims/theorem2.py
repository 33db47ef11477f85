"""Certificates of theorem 2: the minimum with the radius in which it is proved, and the point of risk 0.

The checker's own intervals decide, so that no ball arithmetic is needed to make one. Where they show less than the
radius that ball arithmetic found, the largest share of it that they show is stated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

from fastminima.errors import ProofError
from fastminima.exact.dyadic import round_up
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.proof import check as checker
from fastminima.proof.certificate import data_rows, network_words, word
from fastminima.theorems.theorem2.counterexample import CounterExample

__all__ = ["claims_of", "formula_words"]

# the smallest share of the radius tried, and halvings of the gap to the next larger one
_SMALLEST, _HALVINGS = 1e-3, 8


def formula_words(activation: Any) -> Any:
    """The activation's formula as JSON.

    Raises
    ------
    ProofError
        It has none: a function that can only be called leaves nothing to prove.
    """
    formula = getattr(activation, "formula", None)
    if formula is None:
        raise ProofError(
            f"{activation} has no formula, so nothing about it can be proved; build it with Smooth.from_formula"
        )
    words = json.loads(json.dumps(formula))
    if len(json.dumps(words)) > checker.LONGEST_FORMULA:
        raise ProofError(
            f"the formula of {activation} is longer than the {checker.LONGEST_FORMULA} characters a certificate takes"
        )
    return words


def claims_of(pair: CounterExample, words: dict[str, Any]) -> list[dict[str, Any]]:
    """Claims about both points, each accepted by the checker.

    Parameters
    ----------
    pair : CounterExample
    words : dict
        The certificate that the claims go into; it has none yet.

    Raises
    ------
    ProofError
        A point is missing, or no radius is shown, or no fit of risk 0.
    """
    if pair.local_minimum is None or pair.global_minimum is None:
        raise ProofError(f"there is no counterexample to certify: {pair.reason}")
    asked = partial(checker.shown, words, rows=list(data_rows(pair.data)))
    return [_minimum(asked, pair, pair.local_minimum), _zero(asked, pair, pair.global_minimum)]


Asked = Callable[[dict[str, Any]], checker.Finding]


def _risk(asked: Asked, claim: dict[str, Any]) -> Fraction:
    """What the checker finds the risk of the claim's network to be at most."""
    finding = asked(claim)
    if finding.risk is None:
        raise ProofError(f"the checker does not take the network of {claim['claim']!r}: {finding.reason}")
    return Fraction(finding.risk)


def _minimum(asked: Asked, pair: CounterExample, low: OneHiddenLayer) -> dict[str, Any]:
    claim = {"claim": "no lower risk within", "network": network_words(low), "radius": "0", "excess": "0"}
    # no radius is 0, so the checker stops once it has the risk
    excess = _risk(asked, claim) - _least_squares_risk(pair)
    claim["excess"] = word(round_up(max(excess, Fraction(0))))
    start = pair.radius if pair.radius > 0.0 else pair.radius_estimate

    def shown(share: float) -> bool:
        return bool(asked(claim | {"radius": word(start * share)}))

    above = share = 1.0
    while not (math.isfinite(start) and start > 0.0 and shown(share)):
        above, share = share, share * (0.97 if share > 0.9 else 0.8)
        if share < _SMALLEST or not start > 0.0:
            raise ProofError(f"the checker's intervals show no radius for {pair.activation}: {pair.reason}")
    # a mixed form takes the checker a second
    for _ in range((_HALVINGS if pair.case == "convex" else 2) if above > share else 0):
        middle = (share + above) / 2
        share, above = (middle, above) if shown(middle) else (share, middle)
    return claim | {"radius": word(start * share)}


def _least_squares_risk(pair: CounterExample) -> Fraction:
    """k^2/3, for targets o, o, o + k."""
    o, _, top = pair.data.y.tolist()
    return (Fraction(top) - Fraction(o)) ** 2 / 3


def _zero(asked: Asked, pair: CounterExample, best: OneHiddenLayer) -> dict[str, Any]:
    claim: dict[str, Any] = {"claim": "zero risk", "network": network_words(best), "risk": "0"}
    claim["risk"] = word(round_up(_risk(asked, claim)))
    if asked(claim):
        return claim
    raise ProofError(f"the checker's intervals show no network of risk 0 for {pair.activation}")
