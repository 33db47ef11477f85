"""Directions of negative curvature at saddles, counted exactly, against a Hessian in 40 digits."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import TooLargeError
from fastminima.theorems.theorem4.hessian import hessian_inertia
from profiles import examples


def rational(M):
    return [[Fraction(float(v)) for v in row] for row in M]


def measured(weights, X, Y):
    """Eigenvalues of the Hessian by differences of the loss itself in 40 digits; it is a polynomial, h is tiny."""
    shapes = [W.shape for W in weights]
    start = [mp.mpf(float(v)) for W in weights for v in W.flat]
    n = len(start)
    inputs = mp.matrix(X.T.tolist())
    targets = mp.matrix(Y.T.tolist())

    def loss(theta):
        R, at = inputs, 0
        for rows, columns in shapes:
            W = mp.matrix(rows, columns)
            for a in range(rows):
                for b in range(columns):
                    W[a, b] = theta[at]
                    at += 1
            R = W * R
        return sum((R[i, j] - targets[i, j]) ** 2 for i in range(R.rows) for j in range(R.cols)) / 2

    with mp.workdps(60):
        h = mp.mpf(10) ** -18
        centre = loss(start)
        single = []
        for i in range(n):
            theta = list(start)
            theta[i] += h
            up = loss(theta)
            theta[i] -= 2 * h
            single.append((up, loss(theta)))
        H = mp.matrix(n, n)
        for i in range(n):
            H[i, i] = (single[i][0] - 2 * centre + single[i][1]) / h**2
            for j in range(i):
                theta = list(start)
                theta[i] += h
                theta[j] += h
                both = loss(theta)
                theta[i] -= 2 * h
                theta[j] -= 2 * h
                H[i, j] = H[j, i] = (both + loss(theta) + 2 * centre - sum(single[i]) - sum(single[j])) / (
                    2 * h**2
                )
        return [float(v) for v in mp.eigsy(H, eigvals_only=True)]


@st.composite
def saddles(draw):
    """Critical points of squared loss on the sign cube: the product is B on some singular directions, 0 on the others."""
    dx, dy, H = draw(st.sampled_from([(2, 2, 1), (2, 1, 2), (3, 2, 1), (2, 2, 2), (1, 2, 2), (2, 2, 3)]))
    X = np.array(np.meshgrid(*[[-1.0, 1.0]] * dx)).reshape(dx, -1).T
    r = min(dx, dy)
    strengths = [float(v) for v in draw(st.permutations([1, 2, 3]))[:r]]
    B = np.zeros((dy, dx))
    B[range(r), range(r)] = strengths
    kept = draw(st.lists(st.integers(0, r - 1), unique=True, max_size=r))
    width = r + draw(st.integers(0, 1))
    widths = [dx, *[width] * H, dy]
    weights = [np.zeros((b, a)) for a, b in pairwise(widths)]
    for k in kept:
        for W in weights:
            W[k, k] = 1.0
        weights[draw(st.integers(0, H))][k, k] = strengths[k]
    # units of their own that carry nothing, so that ranks of partial products differ
    for j in range(H - 1):
        if draw(st.booleans()):
            weights[j + 1][width - 1, width - 1] = weights[j + 1][width - 1, width - 1] or 2.0
    noise = np.prod(X, axis=1, keepdims=True) if dx > 1 else np.zeros((len(X), 1))
    return X, X @ B.T + noise, weights


@settings(max_examples=examples(12), deadline=None)
@given(problem=saddles())
def test_negative_directions_are_those_of_a_hessian_in_forty_digits(problem):
    X, Y, weights = problem
    loss = fm.SquaredLoss(X, Y)
    found = hessian_inertia([rational(W) for W in weights], loss)
    eigenvalues = np.array(measured(weights, X, Y))
    # entries are at most about 1e3 and differences of the quartic terms leave 1e-15
    assert found.negative == (eigenvalues < -1e-9).sum()
    assert found.positive == (eigenvalues > 1e-9).sum()
    assert found.zero == len(eigenvalues) - found.negative - found.positive


def test_strict_and_non_strict_saddles_differ_in_their_hessian():
    X = np.array([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])
    loss = fm.SquaredLoss(X, X * [3.0, 2.0])
    zero = [np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2))]
    assert hessian_inertia([rational(W) for W in zero], loss).negative == 0
    two = hessian_inertia([rational(W) for W in zero[:2]], loss)
    # ell = ell0(W2 W1) at 0: the Hessian pairs W2 and W1 through G, of rank 2, once for each of 2 hidden units
    assert (two.negative, two.zero, two.positive) == (4, 0, 4)
    # fitting the weaker direction only: swapping it for the stronger one is a direction of negative curvature
    weaker = [np.diag([0.0, 1.0]), np.diag([0.0, 1.0]), np.diag([0.0, 2.0])]
    assert hessian_inertia([rational(W) for W in weaker], loss).negative > 0
    stronger = [np.diag([1.0, 0.0]), np.diag([1.0, 0.0]), np.diag([3.0, 0.0])]
    assert hessian_inertia([rational(W) for W in stronger], loss).negative == 0
    best = [np.eye(2), np.eye(2), np.diag([3.0, 2.0])]
    assert hessian_inertia([rational(W) for W in best], loss).negative == 0


def test_large_hessians_are_refused():
    loss = fm.SquaredLoss(np.eye(11), np.eye(11))
    with pytest.raises(TooLargeError, match="200 parameters"):
        hessian_inertia([rational(np.eye(11)), rational(np.eye(11))], loss)
