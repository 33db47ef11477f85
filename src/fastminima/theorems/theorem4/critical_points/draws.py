"""What the makers of critical points share: the result, small integer matrices, unimodular changes of basis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.exact.matrix import RationalMatrix
from fastminima.losses.squared import SquaredLoss
from fastminima.system.results import Result
from fastminima.theorems.theorem4.classify import LinearReport, classify_linear

__all__ = [
    "CriticalPoint",
    "Kind",
    "Wanted",
    "floats_or_fractions",
    "hadamard",
    "integer_matrix",
    "squared_loss",
    "unimodular",
    "with_report",
]


Floats = NDArray[np.float64]
Ints = NDArray[Any]


Kind = Literal["minimum", "saddle", "case1", "case2"]


@dataclass(frozen=True)
class Wanted:
    """What kind of point is asked for; None where it is drawn.

    Attributes
    ----------
    widths : tuple of int, (dx, d_1, ..., d_H, dy)
    kind : "minimum", "saddle", "case1" or "case2"
    rank : int or None
        Of the product.
    indices : sequence of int or None
        The index set.
    j_star : int or None
        Of case 2.
    """

    widths: tuple[int, ...]
    kind: Kind = "saddle"
    rank: int | None = None
    indices: Sequence[int] | None = None
    j_star: int | None = None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CriticalPoint(Result):
    """A critical point of squared loss, and the verdict on it.

    Attributes
    ----------
    weights : list of float64 arrays, [W_1, ..., W_{H+1}]
        Integers and exactly critical, unless Y was given and something of it is learnt: then critical up to rounding.
    X, Y : arrays, (m, dx) and (m, dy)
        As given, else float64 where that holds the data exactly, or object arrays of Fractions.
    loss : SquaredLoss
    report : LinearReport
        `classify_linear(weights, loss)`, with tol = 2^-30 where the weights are rounded; it confirmed what was asked for.
    kind : "minimum", "case1", "case2", or "saddle" for rounded weights with a bottleneck
    j_star : int or None
        Of case 2, for the transposed, reversed network where dy > dx.
    rank : int
        Of the product.
    indices : tuple of int or None
        The index set asked for.

    Examples
    --------
    >>> import fastminima as fm
    >>> point = fm.critical_point(widths=(2, 2, 2), kind="minimum")
    >>> point.kind, str(point.report.verdict)
    ('minimum', 'global_minimum')
    """

    weights: list[Floats]
    X: NDArray[Any]
    Y: NDArray[Any]
    loss: SquaredLoss
    report: LinearReport
    kind: str
    j_star: int | None
    rank: int
    indices: tuple[int, ...] | None
    # the loss is that of X and Y
    _compared = ("weights", "X", "Y", "report", "kind", "j_star", "rank", "indices")

    def __repr__(self) -> str:
        widths = "-".join(map(str, [self.weights[0].shape[1], *(len(W) for W in self.weights)]))
        return f"CriticalPoint({self.kind}, widths {widths}, rank {self.rank}; {self.report.verdict.value})"


def unimodular(n: int, generator: np.random.Generator) -> tuple[Ints, Ints]:
    """An integer matrix of small entries and its integer inverse."""
    T, inverse = np.eye(n, dtype=int).astype(object), np.eye(n, dtype=int).astype(object)
    for _ in range(n):
        i, j = (int(v) for v in generator.integers(0, n, 2))
        if i != j:
            sign = int(generator.choice([-1, 1]))
            T[i] = T[i] + sign * T[j]
            inverse[:, j] = inverse[:, j] - sign * inverse[:, i]
    return T, inverse


def hadamard(n: int) -> Ints:
    """Sylvester's matrix of the first power of two above n."""
    M: Ints = np.ones((1, 1), dtype=int)
    while len(M) <= n:
        M = np.block([[M, M], [M, -M]])
    return M.astype(object)


def with_report(
    loss: SquaredLoss, layers: list[Ints], X: NDArray[Any], Y: NDArray[Any], **known: Any
) -> CriticalPoint:
    """The point of integer layers, with its exact report and what else is known of it."""
    weights = [W.astype(np.float64) for W in layers]
    report = classify_linear(weights, loss, exact=True)
    return CriticalPoint(weights=weights, X=X, Y=Y, loss=loss, report=report, **known)


def integer_matrix(M: Ints) -> RationalMatrix:
    """Integers as rationals."""
    return RationalMatrix(M, Fraction(1))


def floats_or_fractions(M: RationalMatrix) -> NDArray[Any]:
    """float64 numbers where these hold the matrix, else Fractions."""
    return M.rounded() if M.is_float64() else np.array(M.rows(), dtype=object)


def squared_loss(X: RationalMatrix, Y: RationalMatrix) -> tuple[SquaredLoss, NDArray[Any], NDArray[Any]]:
    """(the loss, X and Y as they are handed out)."""
    X_out, Y_out = floats_or_fractions(X), floats_or_fractions(Y)
    return SquaredLoss(X_out, Y_out), X_out, Y_out
