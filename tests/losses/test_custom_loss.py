"""Losses of a user's own, and gradients beside their values."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import DataError, LossError
from fastminima.losses.gradient_check import check_gradient
from loss_cases import LOSSES, problems, rational
from profiles import examples


def quartic(scale=1.0):
    """sum of fourth powers: convex, not one of ours."""
    return (lambda R: float((R**4).sum())), (lambda R: scale * 4 * R**3)


def test_a_gradient_that_disagrees_with_its_value_is_named():
    value, gradient = quartic()
    R = np.array([[0.5, -1.0, 2.0], [0.1, 0.0, 3.0]])
    check_gradient(fm.Loss(value, gradient, convex=True), R)
    # a critical point hides a wrong factor; a second point shows it
    check_gradient(fm.Loss(value, gradient), np.zeros((2, 3)))
    with pytest.raises(LossError, match="disagrees with the value: entry"):
        check_gradient(fm.Loss(value, quartic(1.001)[1]), np.zeros((2, 3)))

    def swapped(R):
        G = gradient(R)
        G[1, 2] *= -1.0
        return G

    with pytest.raises(
        LossError, match=r"entry \[1, 2\] is -108, difference quotients of the value give 108"
    ):
        check_gradient(fm.Loss(value, swapped), R)
    # larger gradients are looked at along directions, and the entry is still found
    wide = np.random.default_rng(0).normal(size=(9, 11))
    check_gradient(fm.Loss(value, gradient), wide)

    def off(R):
        G = gradient(R)
        G[4, 7] += 1.0
        return G

    with pytest.raises(LossError, match=r"entry \[4, 7\]"):
        check_gradient(fm.Loss(value, off), wide)


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=examples(8), deadline=None)
@given(problem=problems())
def test_gradients_of_the_house_pass_the_check(name, problem):
    X, Y, R, _ = problem
    check_gradient(LOSSES[name][0](X, Y), R)


@settings(max_examples=examples(25), deadline=None)
@given(problem=problems(), shift=st.sampled_from([0, -30]))
def test_a_users_change_is_proved_only_with_a_stated_accuracy(problem, shift):
    X, Y, R, D = problem
    ours = fm.SquaredLoss(X, Y)
    S = X.T @ X
    lipschitz = float(np.linalg.norm(S)) * 1.001
    exact = Fraction(2) ** shift
    truth = ours.exact_change(rational(R), [[d * exact for d in row] for row in rational(D)])
    G = ours.gradient(R)
    stated = 1e-9
    fair = (ours.gradient_enclosure(R)[1] <= stated * np.abs(G).max()).all()
    for second in (lipschitz, lambda R, D: 0.5 * float(np.sum((D @ S) * D)), None):
        bare = fm.Loss(ours.value, ours.gradient, convex=True, second_order=second)
        assert not bare.change(R, D, exponent=shift).proved
        loss = fm.Loss(ours.value, ours.gradient, convex=True, second_order=second, accuracy=stated)
        change = loss.change(R, D, exponent=shift)
        assert change.proved == (second is not None)
        if fair and change.proved:
            assert abs(truth / Fraction(2) ** change.exponent - Fraction(change.value)) <= Fraction(
                change.error
            )


def test_exact_functions_of_a_users_loss_are_checked():
    def rows(R):
        return [[4 * v**3 for v in row] for row in R]

    value, gradient = quartic()
    R = np.array([[0.5, -1.0], [2.0, 0.25]])

    def own(exact_gradient, exact_change=lambda R, D: 0):
        return fm.Loss(value, gradient, exact_gradient=exact_gradient, exact_change=exact_change)

    check_gradient(own(rows), R)
    with pytest.raises(LossError, match="exact_gradient disagrees with gradient: entry"):
        check_gradient(own(lambda R: [[3 * v**3 for v in row] for row in R]), R)
    with pytest.raises(LossError, match="rows of int or Fraction: got float"):
        check_gradient(own(lambda R: [[float(v) for v in row] for row in R]), R)
    with pytest.raises(LossError, match="must return 2 rows of 2 numbers"):
        check_gradient(own(lambda R: rows(R)[:1]), R)
    with pytest.raises(LossError, match="exact_change must return an int or a Fraction"):
        own(rows, lambda R, D: 0.5).exact_change(rational(R), rational(R))
    with pytest.raises(LossError, match="gradient must return an array of numbers"):
        fm.Loss(value, lambda R: "steep").gradient(R)
    with pytest.raises(LossError, match="second_order must return one number"):
        fm.Loss(value, gradient, second_order=lambda R, D: R).change(R, R)


def test_bad_losses_are_named():
    X, Y = np.eye(3), np.eye(3)[:, :2]
    with pytest.raises(DataError, match="X has 3 rows and Y has 2"):
        fm.SquaredLoss(X, Y[:2])
    with pytest.raises(DataError, match="row 1"):
        fm.SquaredLoss(X, [[0.0], [np.nan], [1.0]])
    with pytest.raises(DataError, match="no columns"):
        fm.SquaredLoss(np.empty((3, 0)), Y)
    with pytest.raises(DataError, match="no columns"):
        fm.SquaredLoss(X, np.empty((3, 0)))
    assert fm.SquaredLoss(np.empty((3, 0)), Y, bias=True).shape == (2, 1)
    assert fm.SquaredLoss(X, [1, 2, 3]).shape == (1, 3)
    with pytest.raises(LossError, match=r"shape \(2, 3\), got \(3, 2\)"):
        fm.SquaredLoss(X, Y).value(np.zeros((3, 2)))
    for bad in (0, -1.0, float("nan"), float("inf"), "wide"):
        with pytest.raises(LossError, match="delta"):
            fm.HuberLoss(X, Y, bad)
    with pytest.raises(LossError, match="tau"):
        fm.SmoothedQuantileLoss(X, Y, 1.0)
    with pytest.raises(LossError, match=r"Y holds 0, 1, 2"):
        fm.LogisticLoss(X, [0, 1, 2])
    with pytest.raises(LossError, match=r"row 0 of Y .* not a row of probabilities"):
        fm.SoftmaxCrossEntropy(X, Y + 0.5)
    with pytest.raises(LossError, match="class numbers"):
        fm.SoftmaxCrossEntropy(X, [0.5, 1, 2])
    with pytest.raises(LossError, match="n_classes is 2, but Y holds class 2"):
        fm.SoftmaxCrossEntropy(X, [0, 1, 2], 2)
    for parts, weights in (
        ((), None),
        ((3,), None),
        ((fm.SquaredLoss(X, Y),), [1, 2]),
        ((fm.SquaredLoss(X, Y),), [np.inf]),
    ):
        with pytest.raises(LossError):
            fm.WeightedSum(parts, weights)
    with pytest.raises(LossError, match="different shapes"):
        fm.WeightedSum([fm.SquaredLoss(X, Y), fm.SquaredLoss(X, X)])
    with pytest.raises(LossError, match="value must be a function"):
        fm.Loss(3, abs)
    with pytest.raises(LossError, match="accuracy must be"):
        fm.Loss(abs, abs, accuracy=-1.0)
    with pytest.raises(LossError, match="value returned nan"):
        fm.Loss(lambda R: float("nan"), lambda R: R).value(np.zeros((1, 1)))
    with pytest.raises(LossError, match=r"shape \(1, 2\), got \(2,\)"):
        fm.Loss(np.sum, lambda R: R[0]).gradient(np.zeros((1, 2)))
    with pytest.raises(LossError, match=r"inf at entry \[0, 1\]"):
        fm.Loss(np.sum, lambda R: np.array([[1.0, np.inf]])).gradient(np.zeros((1, 2)))
