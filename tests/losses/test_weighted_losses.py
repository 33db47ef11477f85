"""Losses over rows with weights: enclosures, repeated rows, roundings."""

from __future__ import annotations

from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import LossError
from fastminima.losses.per_sample import RowLoss
from fastminima.losses.pointwise import (
    Huber,
    LogCosh,
    Logistic,
    SmoothedQuantile,
    Softmax,
    Squared,
)
from pointwise_cases import CASES, U, number
from profiles import examples

WEIGHTED = ("squared", "huber", "logistic", "log-cosh", "quantile")


@pytest.mark.parametrize("name", WEIGHTED)
@settings(max_examples=examples(25), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shift=st.sampled_from([0, -40]),
    scale=st.sampled_from([1.0, 2.0**-40, 1e6]),
    bias=st.booleans(),
)
def test_weighted_sums_enclose_the_truth(name, seed, shift, scale, bias):
    case = CASES[name]
    rng = np.random.default_rng(seed)
    m, dx, dy = int(rng.integers(1, 6)), 2, 2
    X, Y = rng.normal(size=(m, dx)), rng.normal(size=(m, dy))
    Y = np.where(Y > 0, 1.0, -1.0) if case.classes else Y
    w = rng.choice([0.0, 1.0, 0.3, 7.0], m) * scale
    w[0] = scale
    loss = RowLoss(case.loss, X, Y, w, bias=bias)
    R, D = rng.normal(size=(dy, dx + bias)), rng.normal(size=(dy, dx + bias))
    G, E = loss.gradient_enclosure(R)
    centre, radius = loss.gradient_ball(R)
    change = loss.change(R, D, exponent=shift)
    with mp.workdps(120):
        rows_of = [[[number(v) for v in row] for row in M] for M in (loss.X, loss.Y, R, D)]
        weights = [number(v) for v in w]
        unit = mp.mpf(2) ** shift

        def outputs(x, t):
            return [
                mp.fsum((r + t * d) * v for r, d, v in zip(row, step, x, strict=True))
                for row, step in zip(rows_of[2], rows_of[3], strict=True)
            ]

        def value(t):
            return mp.fsum(
                c * case.value(z, y)
                for c, x, target in zip(weights, rows_of[0], rows_of[1], strict=True)
                for z, y in zip(outputs(x, t), target, strict=True)
            )

        start = value(mp.mpf(0))
        assert abs(loss.value(R) - start) <= 1e-12 * (abs(start) + scale * (np.abs(Y).sum() + 1))
        truth = (value(unit) - start) / mp.mpf(2) ** change.exponent
        assert change.proved
        assert abs(truth - change.value) <= change.error
        assert change.error <= 1e-6 * scale * (1 + abs(truth) / scale) * m or shift == 0
        square = mp.mpf(0)
        for j in range(dy):
            for k in range(loss.X.shape[1]):
                slope = mp.fsum(
                    c * case.slope(outputs(x, 0)[j], target[j]) * x[k]
                    for c, x, target in zip(weights, rows_of[0], rows_of[1], strict=True)
                )
                assert abs(slope - G[j, k]) <= E[j, k] <= 1e-11 * scale * (1 + np.abs(X).max()) ** 3 * m
                square += (slope - centre[j, k]) ** 2
        assert mp.sqrt(square) <= radius


@settings(max_examples=examples(25), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), huber=st.booleans())
def test_whole_weights_are_repeated_rows_exactly(seed, huber):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(4, 2)), rng.normal(size=(4, 3))
    counts = rng.integers(0, 4, 4)
    counts[1] = 2
    phi = Huber(0.5) if huber else Squared()
    weighted, repeated = RowLoss(phi, X, Y, counts), RowLoss(phi, X.repeat(counts, 0), Y.repeat(counts, 0))
    R, D = ([[Fraction(v) for v in row] for row in rng.normal(size=(3, 2)).tolist()] for _ in range(2))
    assert weighted.rational
    assert weighted.exact_value(R) == repeated.exact_value(R)
    assert weighted.exact_gradient(R) == repeated.exact_gradient(R)
    assert weighted.exact_change(R, D) == repeated.exact_change(R, D)
    ours = fm.HuberLoss(X, Y, 0.5) if huber else fm.SquaredLoss(X, Y)
    assert RowLoss(phi, X, Y).exact_gradient(R) == ours.exact_gradient(R)
    assert weighted.slope_signs(R).tolist() == [
        [
            np.sign(sum(r * Fraction(v) for r, v in zip(row, x, strict=True)) - Fraction(t))
            for row, t in zip(R, y, strict=True)
        ]
        for x, y in zip(X.tolist(), Y.tolist(), strict=True)
    ]


def test_bad_weights_are_named():
    X, Y = np.eye(3), np.eye(3)
    with pytest.raises(LossError, match="X has 3 rows and there are 2 weights"):
        RowLoss(Squared(), X, Y, [1, 2])
    for bad in ([1, -1, 1], [0, 0, 0]):
        with pytest.raises(LossError, match="weights must be >= 0, one of them above 0"):
            RowLoss(Squared(), X, Y, bad)
    with pytest.raises(LossError, match="weights holds numbers that are not float64"):
        RowLoss(Squared(), X, Y, [Fraction(1, 3), 1, 1])
    with pytest.raises(LossError, match="no rational gradient"):
        RowLoss(LogCosh(), X, Y).exact_value([[Fraction(1)] * 3] * 3)


def test_every_class_beyond_eight_and_every_weight_is_one_rounding_more():
    assert [Softmax().slope_units(n) / U for n in (2, 8, 9, 100)] == [16, 16, 17, 108]
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(50, 3)), np.arange(50) % 100
    columns = np.linalg.norm(X, axis=0)
    for weights, units in ((None, 108), (np.full(50, 2.0), 2 * 109)):
        loss = RowLoss(Softmax(100), X, labels, weights)
        E = loss.gradient_enclosure(np.zeros((100, 3)))[1]
        assert (units * U * np.sqrt(50) * columns <= E).all()
        assert loss.gradient_ball(np.zeros((100, 3)))[1] >= units * U * np.sqrt(50 * 100) * np.linalg.norm(
            X, 2
        )


@pytest.mark.parametrize("weight", [5e-324, 1e-310, 0.3, 1e300])
def test_bounds_of_a_weighted_loss_are_rounded_up(weight):
    for phi in (Logistic(), Softmax(), SmoothedQuantile(0.3, 0.7), Squared()):
        Y = np.eye(2)
        loss = RowLoss(phi, np.eye(2), Y, [weight, 0.0])
        for found, bound in ((loss.lipschitz, phi.lipschitz), (loss.slope_size, phi.slope_size)):
            assert Fraction(found) >= Fraction(weight) * Fraction(bound)
            assert found <= weight * bound * (1 + 1e-15) + 1e-323
