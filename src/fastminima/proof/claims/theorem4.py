"""Certificates of theorem 4: a saddle by its vectors and one pair around it, or a global minimum by its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from fastminima.errors import ProofError
from fastminima.losses.squared import SquaredLoss
from fastminima.proof.certificate import matrix_words, word
from fastminima.theorems.theorem4.classify import LinearReport, LinearVerdict

__all__ = ["claims_of", "loss_rows"]


def loss_rows(loss: SquaredLoss) -> Iterator[list[Fraction] | list[float]]:
    """The rows (x, y) of the loss as exact numbers, without the constant input of a bias."""
    columns = loss.X.shape[1] - loss.bias
    exact = loss.exact_columns()
    if exact is None:
        for x, y in zip(loss.X.tolist(), loss.Y.tolist(), strict=True):
            yield [*x[:columns], *y]
        return
    kept = [*range(columns), *range(loss.X.shape[1], loss.X.shape[1] + loss.Y.shape[1])]
    for i in range(len(loss.X)):
        yield [int(exact.numerators[k][i]) * exact.scales[k] for k in kept]


def claims_of(report: LinearReport) -> list[dict[str, Any]]:
    """Claims about the weights of a report.

    Raises
    ------
    ProofError
        The report was not decided exactly, or its verdict has no certificate.
    """
    if not report.certified:
        raise ProofError(
            f"{report.verdict.value} was not decided exactly (tol={report.tol}); a certificate needs classify_linear "
            "without tol"
        )
    if report.verdict is LinearVerdict.GLOBAL_MINIMUM and report.product_gradient_norm == 0.0:
        return [{"claim": "global minimum"}]
    facts, found = report.facts, report.escape
    if report.verdict is not LinearVerdict.SADDLE or not facts or found is None:
        raise ProofError(
            f"no certificate for {report.verdict.value} by {report.part}: certificates state saddles by the vectors of "
            "theorem 4, and global minima by a gradient of 0"
        )
    saddle = {
        "claim": "saddle",
        "transposed": facts["transposed"],
        "a": facts["a"],
        "b": facts["b"],
        "j": facts.get("j_star", len(report.weights)),
        "v1": [word(v) for v in facts["v1"]],
        "left": matrix_words(facts.get("left_null_vectors", [])),
    }
    up, down = (found.P, found.Q) if found.confirmed else (found.exact_P, found.exact_Q)
    assert up is not None
    assert down is not None
    pair = {"claim": "escape", "up": _layers(up), "down": _layers(down), "radius": word(found.radius)}
    return [saddle, pair]


def _layers(weights: Any) -> list[list[list[str]]]:
    return [matrix_words(W if isinstance(W, list) else W.tolist()) for W in weights]
