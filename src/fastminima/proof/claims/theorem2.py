"""Certificates of theorem 2: the minimum with the radius in which it is proved, and the point of risk 0.

The checker's own intervals decide, so that no ball arithmetic is needed to make one. Where they show less than the
radius that ball arithmetic found, the largest share of it that they show is stated.
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
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
        What the certificate says of the three samples.

    Raises
    ------
    ProofError
        A point is missing, or no radius is shown, or no fit of risk 0.
    """
    if pair.local_minimum is None or pair.global_minimum is None:
        raise ProofError(f"there is no counterexample to certify: {pair.reason}")
    table = checker.Table(lambda: data_rows(pair.data), words)
    statement = checker.Theorem2(table, formula_words(pair.activation))
    samples = statement.data()
    next(samples)
    for block in table.blocks():
        samples.send(block)
    next(samples, None)
    return [_minimum(statement, pair, pair.local_minimum), _zero(statement, pair, pair.global_minimum)]


def _risk(statement: Any, network: OneHiddenLayer) -> Fraction:
    *_, most = statement.network(network_words(network))
    return most


def _shown(check: Any, statement: Any, claim: dict[str, Any]) -> bool:
    statement.work = 0
    try:
        check(statement, **{name: value for name, value in claim.items() if name != "claim"})
    except checker.Reject:
        return False
    return True


def _minimum(statement: Any, pair: CounterExample, low: OneHiddenLayer) -> dict[str, Any]:
    claim = {
        "claim": "no lower risk within",
        "network": network_words(low),
        "radius": "0",
        "excess": word(round_up(max(_risk(statement, low) - statement.risk, Fraction(0)))),
    }
    start = pair.radius if pair.radius > 0.0 else pair.radius_estimate

    def shown(share: float) -> bool:
        return _shown(checker.Theorem2.local_minimum, statement, claim | {"radius": word(start * share)})

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


def _zero(statement: Any, pair: CounterExample, best: OneHiddenLayer) -> dict[str, Any]:
    claim: dict[str, Any] = {
        "claim": "zero risk",
        "network": network_words(best),
        "risk": word(round_up(_risk(statement, best))),
    }
    if _shown(checker.Theorem2.zero_risk, statement, claim):
        return claim
    raise ProofError(f"the checker's intervals show no network of risk 0 for {pair.activation}")
