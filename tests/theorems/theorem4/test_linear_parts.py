"""What both ways of deciding theorem 4 share: signs of the Hessian, bottlenecks, longest steps, words for verdicts."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import LossError
from fastminima.exact.inertia import Inertia
from fastminima.exact.matrix import RationalMatrix
from fastminima.losses.custom import Stated
from fastminima.theorems.theorem4.bottleneck import decide_narrow
from fastminima.theorems.theorem4.escape_float import frobenius_distance, longest_shown_step
from fastminima.theorems.theorem4.hessian import curvature_signs, hessian_inertia
from fastminima.theorems.theorem4.product_change import loss_change
from profiles import examples


def rational(M):
    return [[Fraction(v) for v in row] for row in M.tolist()]


@settings(max_examples=examples(30), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), H=st.integers(1, 3))
def test_signs_of_the_hessian_are_exact_or_within_a_tolerance_of_the_largest(seed, H):
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 4, H + 2)
    X, Y = rng.normal(size=(12, widths[0])), rng.normal(size=(12, widths[-1]))
    weights = [rng.integers(-1, 2, (b, a)).astype(float) for a, b in pairwise(widths)]
    loss = fm.SquaredLoss(X, Y)
    signs = curvature_signs(weights, loss)
    assert signs == hessian_inertia([rational(W) for W in weights], loss)
    assert signs.negative + signs.zero + signs.positive == sum(W.size for W in weights)
    # an eigenvalue may lie within the tolerance without being 0; none changes its sign
    near = curvature_signs(weights, loss, 1e-9)
    assert near.negative <= signs.negative
    assert near.positive <= signs.positive
    all_small = curvature_signs(weights, loss, 1.0)
    assert all_small == Inertia(0, sum(W.size for W in weights), 0)


def test_signs_of_the_hessian_are_not_asked_for_where_they_are_dear_or_unknown():
    X, Y = np.eye(4), np.eye(4)
    small = [np.eye(4), np.eye(4)]
    assert curvature_signs(small, fm.SquaredLoss(X, Y)) is not None
    assert curvature_signs(small, fm.HuberLoss(X, Y)) is None
    assert curvature_signs([np.eye(4)] * 4, fm.SquaredLoss(X, Y)) is None
    huge = fm.SquaredLoss(1e200 * X, Y)
    assert curvature_signs(small, huge) is not None
    assert curvature_signs(small, huge, 1e-9) is None


def test_bottlenecks_are_told_alike_by_both_ways_of_deciding():
    silent = decide_narrow("hidden layer 1 has width 1", None)
    assert (silent.verdict, silent.certified) == ("width_condition_fails", False)
    assert silent.reason.startswith("hidden layer 1 has width 1: theorem 4 says nothing")
    known = decide_narrow("narrow", ("saddle", "an eigenvalue is missing"))
    assert (known.verdict, known.reason) == ("saddle", "narrow; an eigenvalue is missing")
    assert known.certified
    X = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    weights = [np.array([[1.0, 0.0]]), np.array([[2.0], [0.0]])]
    for loss, part in (
        (fm.SquaredLoss(X, X * [2.0, 3.0]), "squared loss, matrices of bounded rank"),
        (fm.HuberLoss(X, X * [2.0, 3.0], 100.0), "theorem 4"),
    ):
        exact, loose = fm.classify_linear(weights, loss), fm.classify_linear(weights, loss, tol=1e-9)
        assert exact.part == loose.part == part
        assert exact.verdict == loose.verdict


def test_the_longest_step_that_shows_its_sign_is_taken():
    # ell(t) = (t - 1)^2 / 2 along one weight: it falls up to t = 2, and rises beyond or below 0
    loss = fm.SquaredLoss([[1.0]], [[1.0]])
    weights = [np.array([[0.0]]), np.array([[1.0]])]

    def moved(t):
        return [np.array([[t]]), weights[1]]

    P, change = longest_shown_step(weights, loss, moved, 16.0, -1.0)
    assert P[0].item() == 1.0
    assert float(change) == pytest.approx(0.5)
    assert change.positive
    P, change = longest_shown_step(weights, loss, moved, 16.0, 1.0)
    assert P[0].item() == 16.0
    assert float(change) == pytest.approx(15.0**2 / 2 - 0.5)
    # where none shows it the longest comes back, and says so
    P, change = longest_shown_step(weights, loss, lambda t: moved(-t), 1.0, -1.0)
    assert P[0].item() == -1.0
    assert not change.rises
    assert float(change) == -float(loss_change(weights, loss, P))


@settings(max_examples=examples(30), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1.0, 1e-200, 1e150]))
def test_distances_are_rounded_up(seed, scale):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(2, 3)) * scale
    P = W * (1.0 + rng.choice([0.0, 1e-16, 0.1], W.shape))
    square = sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(P.flat, W.flat, strict=True))
    found = Fraction(frobenius_distance(W, P))
    assert square <= found**2 <= square * (1 + Fraction(1, 2**40))


@settings(max_examples=examples(40), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 5), width=st.integers(1, 5), rank=st.integers(1, 4)
)
def test_null_spaces_of_rational_matrices(seed, rows, width, rank):
    rng = np.random.default_rng(seed)
    product = rng.integers(-4, 5, (rows, rank)) @ rng.integers(-4, 5, (rank, width))
    M = RationalMatrix(product.astype(object), Fraction(2, 7))
    basis = M.null_basis()
    assert len(basis) == width - np.linalg.matrix_rank(product) == width - M.rank()
    for v in basis:
        assert not (M @ RationalMatrix.of([[Fraction(c)] for c in v])).any()


def test_every_verdict_says_what_it_means_in_one_place():
    meanings = [verdict.meaning for verdict in fm.LinearVerdict]
    assert len(set(meanings)) == len(meanings) == 8
    assert all(text[0].islower() and not text.endswith(".") for text in meanings)
    assert fm.LinearVerdict("saddle") is fm.LinearVerdict.SADDLE
    assert fm.LinearVerdict.SADDLE == "saddle"
    assert f"{fm.LinearVerdict.SADDLE}" == "saddle"
    with pytest.raises(ValueError, match="not a valid LinearVerdict"):
        fm.LinearVerdict("neither a minimum nor a maximum")


def test_what_a_user_states_is_one_object():
    loss = fm.Loss(np.sum, np.ones_like, convex=1, shape=(np.int64(2), 3), second_order=2, accuracy=0.0)
    assert loss.stated == Stated(np.sum, np.ones_like, True, second_order=2, shape=(2, 3), accuracy=0.0)
    assert loss.stated.lipschitz == 2.0
    assert loss.convex is loss.critical_is_global is True
    assert Stated(np.sum, np.ones_like, second_order=lambda R, D: 0.0).lipschitz == np.inf
    with pytest.raises(AttributeError):
        loss.stated.convex = False
    with pytest.raises(LossError, match="second_order must be"):
        Stated(np.sum, np.ones_like, second_order=-1.0)
