"""Is the loss of a deep network proved to lie below a bound? Float64 with bounds, then rationals or balls.

(a) Float64, for activations made of lines: each layer's values carry a bound on their error,
    |W| times the bound before plus the roundings of the products, so the outputs are enclosed, and `losses.row_sum` bounds
    the loss there. All sums are of non-negative terms.
(b) Rationals, for the same, where (a) leaves the sign open: the outputs are rational numbers, and the loss of them is one
    or is enclosed.
(c) Balls, for every other activation; the precision is raised while the sign is open.
Units that nothing reads are left out first: they change no output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ActivationError, TooLargeError
from fastminima.exact.dyadic import round_down, round_up
from fastminima.exact.matrix import RationalMatrix
from fastminima.exact.roundoff import SLACK, U, gamma_n
from fastminima.exact.tables import exact_inputs
from fastminima.losses.pointwise import Squared
from fastminima.losses.row_sum import RowSum
from fastminima.networks.activations.in_balls import Balls
from fastminima.networks.activations.lines import Lines, lines_of
from fastminima.system.packages import import_optional

from .drop import Drop

__all__ = ["certify_deep_drop", "used_units"]

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]

# products of an exact evaluation, and of one in balls: minutes
_EXACT_WORK = 2**26
_BALL_WORK = 2**25
_BITS = (106, 212, 424)
_ROWS = 4_096


def used_units(layers: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """The layers without units whose outgoing weights are all 0; one unit stays in each layer."""
    found = [layers[-1]]
    for W, b in reversed(layers[:-1]):
        V, c = found[0]
        read = np.flatnonzero(V.any(axis=0))
        read = read if len(read) else np.array([0])
        found[0] = (V[:, read], c)
        found.insert(0, (W[read], b[read]))
    return tuple(found)


def certify_deep_drop(
    layers: tuple[Pair, ...], activation: Any, data: Any, best: Fraction, loss: RowSum | None = None
) -> Drop:
    """How far the loss of a network lies below `best`, enclosed.

    Parameters
    ----------
    layers : pairs (W, b), the output layer last
    activation : PiecewiseLinear or Smooth, with a formula
    data : dataset with any number of targets
    best : Fraction
        What the loss is compared with.
    loss : RowSum, optional
        Default half the squared errors.

    Raises
    ------
    TooLargeError
        Float64 leaves the sign open, and the exact way would take minutes.
    MissingDependencyError
        Without python-flint (the extra `proof`), for activations that are not made of lines.
    """
    kept = used_units(layers)
    lines = lines_of(activation)
    loss = RowSum(Squared(), data) if loss is None else loss
    work = data.n_samples * sum(W.size + 4 * len(b) for W, b in kept)
    if lines is not None:
        above = _float_bound(kept, lines, data, loss)
        if math.isfinite(above):
            lower = round_down(best - Fraction(above))
            if lower > 0.0:
                return Drop(lower, round_up(best), "float")
        _check_work(work, _EXACT_WORK)
        outputs = _exact_outputs(kept, lines, data)
        if outputs is None:
            # a sample lies at a jump of the activation
            return Drop(-math.inf, math.inf, "float")
        least, most = loss.exactly(outputs)
        return Drop(round_down(best - most), round_up(best - least), "exact")
    _check_work(work, _BALL_WORK)
    drop = Drop(-math.inf, math.inf, "float")
    for bits in _BITS:
        low, high = _ball_loss(kept, activation, data, loss, bits)
        if low is None or high is None:
            continue
        drop = Drop(round_down(best - high), round_up(best - low), "balls")
        if drop.better is not None:
            break
    return drop


def _check_work(work: int, most: int) -> None:
    if work > most:
        raise TooLargeError(
            f"{work:.1e} products of long numbers would take minutes; the budget is {most:.1e}: take fewer units or rows"
        )


def _float_bound(layers: tuple[Pair, ...], lines: Lines, data: Any, loss: RowSum) -> float:
    """An upper bound on the loss; inf where float64 gives none."""
    total = 0.0
    # the sum of so many terms that are not negative
    rounding = 1.0 + gamma_n(data.n_samples + loss.n_outputs + 8) * 2
    given = data.exact is not None
    with np.errstate(all="ignore"):
        for start in range(0, data.n_samples, _ROWS):
            part = slice(start, start + _ROWS)
            a = data.X[part]
            error = np.abs(a) * (U * SLACK) + 2.0**-1074 if given else np.zeros_like(a)
            a, error = _float_outputs(layers, lines, a, error)
            rows = loss.rows_above(a, error, part)
            total += float(rows.sum() if data.sample_weight is None else data.sample_weight[part] @ rows)
    bound = total * rounding * SLACK
    return bound if bound >= 0.0 else math.inf


def _float_outputs(layers: tuple[Pair, ...], lines: Lines, a: Floats, error: Floats) -> tuple[Floats, Floats]:
    """Outputs and bounds on their errors."""
    for k, (W, b) in enumerate(layers):
        size = np.abs(W).T
        n = W.shape[1] + 2
        # products that underflow lose less than 2^-1074 each
        error = (error @ size + gamma_n(n) * (np.abs(a) @ size + np.abs(b))) * SLACK + n * 2.0**-1073
        a = a @ W.T + b
        if k < len(layers) - 1:
            a, error = lines.in_floats(a, error)
    return a, error


def _exact_outputs(layers: tuple[Pair, ...], lines: Lines, data: Any) -> RationalMatrix | None:
    a: RationalMatrix | None = exact_inputs(data)
    for k, (W, b) in enumerate(layers):
        assert a is not None
        ones = np.ones((a.shape[0], 1), dtype=int).astype(object)
        z = a @ RationalMatrix.of_floats(W).T + RationalMatrix(ones, Fraction(1)) @ RationalMatrix.of_floats(
            b[None, :]
        )
        a = lines.exactly(z) if k < len(layers) - 1 else z
        if a is None:
            return None
    return a


def _ball_loss(
    layers: tuple[Pair, ...], activation: Any, data: Any, loss: RowSum, bits: int
) -> tuple[Fraction | None, Fraction | None]:
    """Bounds on the loss; None where the enclosure has none."""
    balls = Balls(activation.formula, bits)
    arb = import_optional("flint", extra="proof", purpose="ball arithmetic").arb
    with balls.precisely():
        total = arb(0)
        weights = None if loss.weights is None else [Fraction(v) for v in loss.weights]
        for k, z in enumerate(_ball_rows(layers, balls, data)):
            value = loss.in_balls(z, k, balls.constant)
            total += value if weights is None else value * balls.constant(weights[k])
        try:
            return balls.edges(total)
        except ActivationError:
            return None, None


def _ball_rows(layers: tuple[Pair, ...], balls: Balls, data: Any) -> Iterator[list[Any]]:
    """Outputs of each sample."""
    flint = import_optional("flint", extra="proof", purpose="ball arithmetic")
    parameters = [(flint.arb_mat(W.T.tolist()), b.tolist()) for W, b in layers]
    given = data.exact is not None
    X = exact_inputs(data).rows() if given else data.X.tolist()
    ball = balls.constant if given else flint.arb
    for start in range(0, len(X), 256):
        a = flint.arb_mat([[ball(v) for v in row] for row in X[start : start + 256]]) if X[0] else None
        count = len(X[start : start + 256])
        for k, (W, b) in enumerate(parameters):
            z = (a * W).tolist() if a is not None else [[flint.arb(0)] * len(b) for _ in range(count)]
            rows = [[v + c for v, c in zip(row, b, strict=True)] for row in z]
            if k < len(parameters) - 1:
                rows = [[balls.over(v) for v in row] for row in rows]
            a = flint.arb_mat(rows)
        yield from rows
