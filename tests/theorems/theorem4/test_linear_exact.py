"""Theorem 4 decided exactly: integer critical points of every case, verdicts, certificates and pairs in rationals."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import LossError, NetworkError, OptionError, TooLargeError
from fastminima.exact.matrix import RationalMatrix
from fastminima.exact.nullspace import null_space
from fastminima.theorems.theorem4.hessian import hessian_inertia
from fastminima.theorems.theorem4.product_change import telescoped
from profiles import examples


def exact_change_of_product(weights, moved):
    chains = ([RationalMatrix.of(rows) for rows in chain] for chain in (weights, moved))
    return telescoped(*chains).rows()


def rational(M):
    return [[Fraction(float(v)) for v in row] for row in M]


def fractions(M):
    return [[Fraction(v) for v in row] for row in (M.tolist() if isinstance(M, np.ndarray) else M)]


def chained(weights):
    R = weights[0]
    for W in weights[1:]:
        R = W @ R
    return R


def cube(n):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def unimodular(n, rng):
    """An integer matrix and its integer inverse."""
    T, inverse = np.eye(n), np.eye(n)
    for _ in range(n):
        i, j = rng.integers(0, n, 2)
        if i != j:
            E = np.eye(n)
            E[i, j] = rng.choice([-1.0, 1.0])
            T, inverse = E @ T, inverse @ (2 * np.eye(n) - E)
    return T, inverse


@st.composite
def critical(draw):
    """(loss, weights, strengths, kept, first): exactly critical integer weights; `first`: where null spaces first change."""
    dx, dy = draw(st.sampled_from([(2, 2), (3, 2), (2, 3), (3, 1), (1, 3), (3, 3)]))
    H = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = cube(dx)
    r = min(dx, dy)
    strengths = [float(v) for v in draw(st.permutations([1, 2, 3]))[:r]]
    B = np.zeros((dy, dx))
    B[range(r), range(r)] = strengths
    loss = fm.SquaredLoss(X, X @ B.T)
    kept = draw(st.lists(st.integers(0, r - 1), unique=True, max_size=r))
    widths = [dx, *(max(dx, dy) + draw(st.integers(0, 1)) for _ in range(H)), dy]
    weights = [np.zeros((b, a)) for a, b in pairwise(widths)]
    for k in kept:
        for W in weights:
            W[k, k] = 1.0
        weights[draw(st.integers(0, H))][k, k] = strengths[k]
    # middle layers below `tail` from the top pass everything on
    tail = draw(st.integers(0, H - 1))
    for W in weights[1 : H - tail]:
        n = min(W.shape)
        W[range(n), range(n)] = np.where(np.diag(W)[:n] == 0.0, 1.0, np.diag(W)[:n])
    for k in range(H):
        T, inverse = unimodular(widths[k + 1], rng)
        weights[k], weights[k + 1] = T @ weights[k], weights[k + 1] @ inverse
    return loss, weights, strengths, kept


@settings(max_examples=examples(80), deadline=None)
@given(problem=critical())
def test_verdicts_and_pairs_at_exactly_critical_points(problem):
    loss, weights, strengths, kept = problem
    report = fm.classify_linear(weights, loss)
    assert report.certified
    assert report.gradient_norms == (0.0,) * len(weights)
    G = loss.gradient(chained(weights))
    assert report.product_gradient_norm == pytest.approx(np.linalg.norm(G), rel=1e-12)
    if len(kept) == len(strengths):
        assert report.verdict == fm.LinearVerdict.GLOBAL_MINIMUM
        assert report.escape is None
        return
    assert report.verdict == fm.LinearVerdict.SADDLE
    pair = report.escape
    assert pair.confirmed
    start = [rational(W) for W in weights]
    R = rational(chained(weights))
    for moved, exact, change, sign in (
        (pair.P, pair.exact_P, pair.up, 1),
        (pair.Q, pair.exact_Q, pair.down, -1),
    ):
        floats = [rational(W) for W in moved]
        truth = sign * loss.exact_change(R, exact_change_of_product(start, floats))
        assert truth > 0
        assert sign * loss.exact_change(R, exact_change_of_product(start, exact)) > 0
        assert abs(truth / Fraction(2) ** change.exponent - Fraction(change.value)) <= Fraction(change.error)
        for W, P in zip(start, floats, strict=True):
            square = sum((p - w) ** 2 for a, b in zip(W, P, strict=True) for w, p in zip(a, b, strict=True))
            assert square <= Fraction(0.1) ** 2


@settings(max_examples=examples(60), deadline=None)
@given(problem=critical())
def test_the_certificate_is_a_list_of_facts_anybody_can_check(problem):
    loss, weights, _, _ = problem
    report = fm.classify_linear(weights, loss)
    if report.verdict != fm.LinearVerdict.SADDLE:
        assert report.facts == {}
        return
    facts = json.loads(json.dumps(report.facts))
    chain = [W.T for W in reversed(weights)] if facts["transposed"] else weights
    G = loss.gradient(chained(weights))
    G = G.T if facts["transposed"] else G
    assert facts["transposed"] == (G.shape != loss.shape or G.shape[0] > G.shape[1])
    assert G[facts["a"], facts["b"]] != 0.0

    def from_two(k):
        product = np.eye(len(chain[0]))
        for W in chain[1:k]:
            product = W @ product
        return product

    H, v1 = len(chain) - 1, np.array(facts["v1"], dtype=float)
    # every entry is a small integer, so these products are exact
    if facts["case"] == 1:
        assert not (from_two(H + 1) @ v1).any()
        assert (from_two(H) @ v1).any()
        assert report.j_star is None
    else:
        j_star = facts["j_star"]
        assert 2 <= j_star == report.j_star <= H
        assert np.linalg.matrix_rank(from_two(H)) == np.linalg.matrix_rank(from_two(H + 1))
        assert not (from_two(j_star) @ v1).any()
        assert (from_two(j_star - 1) @ v1).any()
        for k, v in zip(range(j_star, H + 1), facts["left_null_vectors"], strict=True):
            assert any(v)
            assert not (np.array(v, dtype=float) @ from_two(k)).any()


@settings(max_examples=examples(25), deadline=None)
@given(problem=critical(), entry=st.integers(0, 2**16), bits=st.integers(20, 50))
def test_one_bit_off_is_not_critical_unless_nothing_flows_there(problem, entry, bits):
    loss, weights, _, _ = problem
    moved = [W.copy() for W in weights]
    layer = entry % len(moved)
    moved[layer].flat[entry % moved[layer].size] += 2.0**-bits
    report = fm.classify_linear(moved, loss)
    assert report.certified or report.verdict == fm.LinearVerdict.UNDETERMINED
    # the definition, in rationals
    chain = [rational(W) for W in moved]
    R = chain[0]
    for W in chain[1:]:
        R = (np.array(W, dtype=object) @ np.array(R, dtype=object)).tolist()
    G = np.array(loss.exact_gradient(R), dtype=object)
    zero = True
    for j in range(len(chain)):
        left, right = np.eye(len(G), dtype=object), np.eye(len(G[0]), dtype=object)
        for W in reversed(chain[j + 1 :]):
            left = left @ np.array(W, dtype=object)
        for W in chain[:j]:
            right = np.array(W, dtype=object) @ right
        zero &= not (left.T @ G @ right.T).any()
    assert (report.verdict == fm.LinearVerdict.NOT_CRITICAL) == (not zero)


@settings(max_examples=examples(40), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 5), width=st.integers(1, 5), rank=st.integers(0, 4)
)
def test_null_spaces_are_null_spaces(seed, rows, width, rank):
    rng = np.random.default_rng(seed)
    M = rng.integers(-4, 5, (rows, rank)).astype(int) @ rng.integers(-4, 5, (rank, width)).astype(int)
    basis = null_space([[int(v) for v in row] for row in M], width)
    assert len(basis) == width - (np.linalg.matrix_rank(M) if M.size else 0)
    for v in basis:
        assert not (M @ np.array(v)).any()
        assert np.gcd.reduce(v) == 1
    if basis:
        assert np.linalg.matrix_rank(np.array(basis, dtype=float)) == len(basis)


@pytest.mark.parametrize("H", range(1, 9))
@pytest.mark.parametrize("shape", [(3, 2), (2, 3)])
def test_all_zero_weights(H, shape):
    dx, dy = shape
    X = cube(dx)
    Y = np.column_stack([X[:, 0] * (k + 1) for k in range(dy)])
    for loss in (
        fm.SquaredLoss(X, Y),
        fm.HuberLoss(X, Y, 0.5),
        fm.WeightedSum([fm.SquaredLoss(X, Y), fm.HuberLoss(X, Y)]),
    ):
        widths = [dx, *[3 + k % 2 for k in range(H)], dy]
        report = fm.classify_linear([np.zeros((b, a)) for a, b in pairwise(widths)], loss)
        assert report.verdict == fm.LinearVerdict.SADDLE
        assert report.certified
        assert report.escape.confirmed
        assert report.j_star == (None if H == 1 else 2)


def test_a_product_may_vanish_though_no_factor_does_and_huge_and_tiny_scales_are_exact():
    X = cube(3)
    weights = [
        np.diag([1.0, 0.0, 0.0]),
        np.diag([0.0, 1.0, 0.0]),
        np.diag([0.0, 0.0, 1.0]),
        np.diag([1.0, 0.0, 0.0]),
    ]
    report = fm.classify_linear(weights, fm.SquaredLoss(X, X))
    assert report.verdict == fm.LinearVerdict.SADDLE
    assert report.escape.confirmed
    scales = [2.0**-300, 2.0**200, 2.0**-400, 2.0**300]
    report = fm.classify_linear(
        [W * s for W, s in zip(weights, scales, strict=True)], fm.SquaredLoss(X, X), radius=2.0**-350
    )
    assert report.verdict == fm.LinearVerdict.SADDLE
    assert report.certified


def test_bottlenecks_are_analysed_where_squared_loss_allows():
    X = cube(2)
    loss = fm.SquaredLoss(X, X * [2.0, 3.0])
    weaker = [np.array([[1.0, 0.0]]), np.array([[2.0], [0.0]])]
    report = fm.classify_linear(weaker, loss)
    assert report.verdict == fm.LinearVerdict.SADDLE
    assert "width 1 is narrower" in report.reason
    assert hessian_inertia([rational(W) for W in weaker], loss).negative > 0
    stronger = [np.array([[0.0, 1.0]]), np.array([[0.0], [3.0]])]
    report = fm.classify_linear(stronger, loss)
    assert report.verdict == fm.LinearVerdict.GLOBAL_MINIMUM
    assert report.squared.optimal
    assert report.certified
    # Huber loss equals it here, but nothing is known of its other products of rank one
    report = fm.classify_linear(stronger, fm.HuberLoss(X, X * [2.0, 3.0], 100.0))
    assert report.verdict == fm.LinearVerdict.WIDTH_CONDITION_FAILS
    assert not report.certified


def test_where_convexity_is_not_known_part_3_says_what_it_can():
    def own(**options):
        return fm.Loss(
            lambda R: float((R**4).sum()),
            lambda R: 4 * R**3,
            exact_gradient=lambda R: [[4 * v**3 for v in row] for row in R],
            exact_change=lambda R, D: sum(
                (r + d) ** 4 - r**4
                for row, other in zip(R, D, strict=True)
                for r, d in zip(row, other, strict=True)
            ),
            **options,
        )

    zero = [np.zeros((2, 2)), np.eye(2)]
    # a Hessian of zeros leaves open what the quartic has at 0
    report = fm.classify_linear(zero, own())
    assert report.verdict == fm.LinearVerdict.UNDETERMINED
    assert report.part == "theorem 4, part 3 (j* = 1)"
    assert fm.classify_linear([np.zeros((2, 2))] * 2, own()).part == "theorem 4, part 2"
    assert fm.classify_linear(zero, own(convex=True)).verdict == fm.LinearVerdict.GLOBAL_MINIMUM
    wrong = fm.Loss(lambda R: float((R**4).sum()), lambda R: 3 * R**3, convex=True)
    with pytest.raises(LossError, match="disagrees with the value"):
        fm.classify_linear(zero, wrong, tol=1e-6)


def test_maxima_and_saddles_of_sums_that_are_not_convex():
    X = cube(2)
    loss = fm.SquaredLoss(X, X * [2.0, 3.0])
    fit = [np.eye(2), np.diag([2.0, 3.0])]
    hill = fm.WeightedSum([loss], [-2])
    assert hill.concave
    for tol in (None, 1e-9):
        report = fm.classify_linear(fit, hill, tol=tol)
        assert report.verdict == fm.LinearVerdict.GLOBAL_MAXIMUM
        assert report.part == "theorem 4, part 2(b)"
        report = fm.classify_linear([np.zeros((2, 2))] * 3, hill, tol=tol)
        assert report.verdict == fm.LinearVerdict.SADDLE
        assert report.escape.confirmed
        # signs of the parts do not say it, the sum of their curvatures does
        assert (
            fm.classify_linear(fit, fm.WeightedSum([loss, loss], [1, -2]), tol=tol).verdict
            == "global_maximum"
        )
        assert (
            fm.classify_linear(fit, fm.WeightedSum([loss, loss], [2, -1]), tol=tol).verdict
            == "global_minimum"
        )
    pass_over = fm.WeightedSum(
        [fm.SquaredLoss(X * [1, 2], 0 * X), fm.SquaredLoss(X * [2, 1], 0 * X)], [1, -1]
    )
    report = fm.classify_linear([np.zeros((2, 2)), np.eye(2)], pass_over)
    assert report.verdict == fm.LinearVerdict.SADDLE
    assert report.certified
    assert report.part == "theorem 4, part 3 (j* = 1)"
    start = [rational(W) for W in [np.zeros((2, 2)), np.eye(2)]]
    assert report.escape.confirmed
    for moved, sign in ((report.escape.P, 1), (report.escape.Q, -1)):
        change = exact_change_of_product(start, [rational(W) for W in moved])
        assert sign * pass_over.exact_change(rational(np.zeros((2, 2))), change) > 0
    report = fm.classify_linear([np.zeros((2, 2))] * 2, pass_over)
    assert report.verdict == fm.LinearVerdict.UNDETERMINED
    assert not report.certified


@pytest.mark.parametrize("power", [-1000, -500, -300, 300, 480])
def test_a_pair_is_found_however_small_the_slope_beside_the_curvature(power):
    # ell(Q) is lower only for steps below 2^power of the others
    X = cube(2)
    loss = fm.SquaredLoss(X, np.column_stack([X[:, 0], X[:, 1]]) * 2.0**power)
    weights = [np.zeros((3, 2)), np.eye(3), np.zeros((2, 3))]
    pair = fm.escape(weights, loss, 0.5)
    assert pair.up.positive
    assert pair.down.positive
    assert pair.confirmed
    zero, start = rational(np.zeros((2, 2))), [rational(W) for W in weights]
    for moved, change, sign in ((pair.P, pair.up, 1), (pair.Q, pair.down, -1)):
        D = exact_change_of_product(start, [fractions(W) for W in moved])
        truth = sign * loss.exact_change(zero, D)
        assert truth > 0
        assert abs(truth / Fraction(2) ** change.exponent - Fraction(change.value)) <= Fraction(change.error)
    # beside weights of size 1 float64 has no room for such a step: the rational tuples show it
    beside = fm.escape([W + np.ones(W.shape) * (k == 1) for k, W in enumerate(weights)], loss, 0.5)
    assert beside.down.positive
    # float64 vectors leave rounding in the product, and that is said
    loose = fm.escape(weights, loss, 0.5, 1e-9)
    assert loose is None or loose.confirmed == (power > 0)


def test_weights_come_in_any_form_and_steps_as_any_real_number():
    point = fm.critical_point(widths=[3, 4, 3, 2], kind="case2", rng=1)
    wanted = fm.classify_linear(point.weights, point.loss)
    for form in (
        lambda W: W.tolist(),
        lambda W: W.astype(int),
        lambda W: W.astype(np.float32),
        lambda W: W.astype(">f8"),
        lambda W: W.astype(int).astype(object),
        np.asfortranarray,
        lambda W: np.repeat(np.repeat(W, 2, 0), 3, 1)[::2, ::3],
    ):
        given = [form(W) for W in point.weights]
        kept = [np.array(W, dtype=object) for W in given]
        report = fm.classify_linear(given, point.loss)
        assert (report.verdict, report.part, report.facts) == (wanted.verdict, wanted.part, wanted.facts)
        assert all(np.array_equal(np.array(a, dtype=object), b) for a, b in zip(given, kept, strict=True))
    for radius in (np.float32(0.5), np.int64(1), Fraction(1, 3)):
        assert fm.escape(point.weights, point.loss, radius).confirmed
    assert fm.classify_linear(point.weights, point.loss, tol=np.float32(1e-6)).verdict == "saddle"
    for bad in (True, "0.1", None, 1j):
        with pytest.raises(OptionError, match="radius must be"):
            fm.escape(point.weights, point.loss, bad)


def test_tolerance_and_exact_answers_meet_in_one_report():
    X = cube(3)
    loss = fm.SquaredLoss(X, np.column_stack([3 * X[:, 0] + X.prod(axis=1), 2 * X[:, 1]]))
    one = np.diag([1.0, 0.0, 0.0])
    weights = [one, one, np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 0.0]])]
    exact, loose = fm.classify_linear(weights, loss), fm.classify_linear(weights, loss, tol=1e-9)
    assert (exact.verdict, exact.part, exact.ranks) == (loose.verdict, loose.part, loose.ranks)
    assert exact.certified
    assert not loose.certified
    assert "within tol = 1e-09" in str(loose)
    assert "exactly" in str(exact)
    pair = fm.escape(weights, loss, 0.01)
    assert pair.radius == 0.01
    assert pair.confirmed
    assert (
        fm.escape([np.eye(3), np.eye(3), chained(weights) * 0 + [[3, 0, 0], [0, 2, 0]]], loss, 0.01) is None
    )


def test_bad_input_is_named():
    loss = fm.SquaredLoss(np.eye(2), np.eye(2))
    eye = [np.eye(2), np.eye(2)]
    with pytest.raises(NetworkError, match="W1 and W2 do not chain"):
        fm.classify_linear([np.eye(2), np.eye(3)], loss)
    for radius in (0, -1.0, float("nan"), float("inf"), "wide"):
        with pytest.raises(OptionError, match="radius must be a finite number above 0"):
            fm.escape(eye, loss, radius)
    with pytest.raises(OptionError, match="not both"):
        fm.classify_linear(eye, loss, tol=1e-6, exact=True)
    with pytest.raises(LossError, match="pass tol="):
        fm.classify_linear(eye, fm.LogCoshLoss(np.eye(2), np.eye(2)))
    with pytest.raises(LossError, match="must be one of fastminima's losses"):
        fm.classify_linear(eye, "squared")
    wide = np.zeros((200, 200))
    with pytest.raises(TooLargeError, match="pass exact=True"):
        fm.classify_linear([wide, wide], fm.SquaredLoss(np.eye(200), np.eye(200)))
