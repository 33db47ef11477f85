"""The telescoped change of a product and the local inverse of the product map, against exact rationals."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import NetworkError
from fastminima.exact.matrix import RationalMatrix
from fastminima.theorems.theorem4 import product_change as linear_change
from fastminima.theorems.theorem4.local_inverse import local_inverse
from fastminima.theorems.theorem4.product_change import change_of_product, loss_change, product, telescoped
from profiles import examples


def exact_change_of_product(weights, moved):
    chains = ([RationalMatrix.of(rows) for rows in chain] for chain in (weights, moved))
    return telescoped(*chains).rows()


def rational(M):
    return [[Fraction(float(v)) for v in row] for row in M]


def times(A, B):
    return [
        [sum(a * b for a, b in zip(row, column, strict=True)) for column in zip(*B, strict=True)] for row in A
    ]


def exact_product(weights):
    return reduce(lambda total, W: times(W, total), weights[1:], weights[0])


@st.composite
def chains(draw):
    """(weights, moved): H = 1..8, widths that differ, zero layers, tiny and huge scales, integers and reals."""
    H = draw(st.integers(1, 8))
    widths = [draw(st.integers(1, 4)) for _ in range(H + 2)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights, moved = [], []
    for below, above in pairwise(widths):
        integers = draw(st.booleans())
        W = rng.integers(-3, 4, (above, below)).astype(float) if integers else rng.normal(size=(above, below))
        W *= draw(st.sampled_from([0.0, 1.0, 1.0, 2.0**-130, 2.0**100]))
        E = rng.integers(-1, 2, (above, below)).astype(float) if integers else rng.normal(size=(above, below))
        E *= draw(st.sampled_from([0.0, 1.0, 2.0**-4, 1e-3, 2.0**-140]))
        weights.append(W)
        moved.append(W + E)
    return weights, moved


def assert_encloses(found, exact):
    unit = Fraction(2) ** found.exponent
    for value, error, truth in zip(
        found.values.flat, found.error.flat, [v for row in exact for v in row], strict=True
    ):
        assert abs(truth / unit - Fraction(float(value))) <= Fraction(float(error))


@pytest.mark.parametrize("work", [linear_change.EXACT_WORK, 0])
@settings(max_examples=examples(60), deadline=None)
@given(chain=chains())
def test_products_and_their_changes_are_enclosed(work, chain):
    weights, moved = chain
    start, end = [rational(W) for W in weights], [rational(P) for P in moved]
    whole, after = exact_product(start), exact_product(end)
    change = [
        [b - a for a, b in zip(row, other, strict=True)] for row, other in zip(whole, after, strict=True)
    ]
    assert exact_change_of_product(start, end) == change
    kept = linear_change.EXACT_WORK
    linear_change.EXACT_WORK = work
    try:
        assert_encloses(product(weights), whole)
        found = change_of_product(weights, moved)
    finally:
        linear_change.EXACT_WORK = kept
    assert_encloses(found, change)
    if work:
        # rounded once from integers: half a unit of the last place, or of the smallest number beside the largest
        assert (found.error <= np.abs(found.values) * 2.0**-53 + 2.0**-1074).all()


@settings(max_examples=examples(30), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), H=st.integers(1, 8))
def test_few_bits_are_not_rounded_in_float64_either(seed, H):
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-1, 2, (3, 3)).astype(float) for _ in range(H + 1)]
    moved = [W + 2.0**-7 * rng.integers(-1, 2, W.shape) for W in weights[:2]] + weights[2:]
    kept = linear_change.EXACT_WORK
    linear_change.EXACT_WORK = 0
    try:
        found = change_of_product(weights, moved)
    finally:
        linear_change.EXACT_WORK = kept
    assert not found.error.any()
    assert_encloses(
        found, exact_change_of_product([rational(W) for W in weights], [rational(P) for P in moved])
    )


@pytest.mark.parametrize("work", [linear_change.EXACT_WORK, 0])
@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e-40])
def test_all_zero_weights_with_eight_hidden_layers_are_left_in_both_directions(monkeypatch, work, scale):
    monkeypatch.setattr(linear_change, "EXACT_WORK", work)
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    loss = fm.SquaredLoss(X, Y)
    weights = [np.zeros((3, 3))] * 8 + [np.zeros((2, 3))]
    G = loss.gradient(np.zeros((2, 3)))
    P = [np.zeros(W.shape) for W in weights]
    for step in P:
        step[0, 0] = 0.1 * scale
    P[-1][0, 0] *= np.sign(G[0, 0])
    Q = [*P[:-1], -P[-1]]
    up, down = loss_change(weights, loss, P), loss_change(weights, loss, Q)
    assert up.positive
    assert not up.negative
    assert down.negative
    exact = loss.exact_change(
        rational(np.zeros((2, 3))),
        exact_change_of_product([rational(W) for W in weights], [rational(W) for W in P]),
    )
    assert exact > 0
    assert abs(exact / Fraction(2) ** up.exponent - Fraction(up.value)) <= Fraction(up.error)
    # 0.1**9 is met as 1e-9, 1e-45 and 1e-369: the last is no float64
    assert (float(up) == 0.0) == (scale == 1e-40)
    assert str(up).startswith(
        f"{float(exact * Fraction(10) ** 400):.3e}"[:3] if scale == 1e-40 else f"{float(exact):.3e}"[:3]
    )


@settings(max_examples=examples(40), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), H=st.integers(1, 5), extra=st.integers(0, 3))
def test_the_local_inverse_hits_its_target_within_its_norm_bound(seed, H, extra):
    rng = np.random.default_rng(seed)
    dx, dy = rng.integers(1, 4, 2)
    widths = [dx, *(max(dx, dy) + rng.integers(0, extra + 1, H)), dy]
    weights = [rng.normal(size=(b, a)) for a, b in pairwise(widths)]
    # lemma A.6 asks for full rank on both sides of j*; generic weights have it everywhere
    for j_star in (None, *range(1, H + 2)):
        inverse = local_inverse(weights, j_star)
        R = inverse.product
        target = R + rng.normal(size=R.shape) * 10.0 ** rng.uniform(-6, 1)
        moved = inverse(target)
        changed = [
            k for k, (W, P) in enumerate(zip(weights, moved, strict=True), 1) if not np.array_equal(W, P)
        ]
        assert set(changed) <= {inverse.j_star}
        distance = np.linalg.norm(moved[inverse.j_star - 1] - weights[inverse.j_star - 1])
        scale = np.prod([np.linalg.norm(W) for W in weights])
        assert distance <= inverse.norm_bound * np.linalg.norm(target - R) * (1 + 1e-9) + 1e-12
        exact = exact_product([rational(P) for P in moved])
        off = max(
            abs(float(e - Fraction(float(t))))
            for e, t in zip([v for r in exact for v in r], target.flat, strict=True)
        )
        reach = np.linalg.norm(target - R) * inverse.norm_bound
        assert off <= 1e-12 * (1 + scale) * (1 + reach) * (1 + inverse.norm_bound)
        if j_star is not None:
            assert local_inverse(weights).norm_bound <= inverse.norm_bound * (1 + 1e-9)


def test_the_norm_bound_is_attained_in_the_worst_direction():
    weights = [np.diag([2.0, 0.5]), np.eye(2), np.diag([0.25, 4.0])]
    inverse = local_inverse(weights, 2)
    assert inverse.norm_bound == pytest.approx(1 / 0.25 / 0.5)
    target = inverse.product.copy()
    target[0, 1] += 1e-3
    moved = inverse(target)
    assert np.linalg.norm(moved[1] - weights[1]) == pytest.approx(inverse.norm_bound * 1e-3, rel=1e-9)


def test_where_ranks_are_not_full_there_is_no_local_inverse():
    weights = [np.ones((2, 2)), np.eye(2), np.ones((2, 2))]
    with pytest.raises(NetworkError, match="no factor"):
        local_inverse(weights)
    with pytest.raises(NetworkError, match="factor 2 does not have"):
        local_inverse(weights, 2)
    with pytest.raises(NetworkError, match="between 1 and 3"):
        local_inverse(weights, 4)
    full = [np.eye(2), np.eye(2)]
    with pytest.raises(NetworkError, match=r"shape \(2, 2\), got \(3, 2\)"):
        local_inverse(full)(np.zeros((3, 2)))
