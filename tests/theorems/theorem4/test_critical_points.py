"""Critical points made to order: exactly critical, of the kind asked for, and what squared loss says about them."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from functools import reduce
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import DataError, NetworkError, OptionError
from fastminima.exact.inertia import inertia
from fastminima.theorems.theorem4.hessian import hessian_inertia
from profiles import examples


def exact(M):
    return np.array([[Fraction(v) for v in row] for row in M.tolist()], dtype=object)


def layer_gradients(point):
    """The formula of section 4, in rationals and without the library."""
    weights = [exact(W) for W in point.weights]
    X, Y = exact(point.X), exact(point.Y)
    R = reduce(lambda P, W: W.dot(P), weights)
    G = (X.dot(R.T) - Y).T.dot(X)
    result = []
    for j, W in enumerate(weights):
        below = reduce(
            lambda P, V: V.dot(P), weights[:j], np.eye(weights[0].shape[1], dtype=int).astype(object)
        )
        above = reduce(lambda P, V: V.dot(P), weights[j + 1 :], np.eye(len(W), dtype=int).astype(object))
        result.append(above.T.dot(G).dot(below.T))
    return G, R, result


@st.composite
def orders(draw):
    """widths and what is asked for, all four branches."""
    dx, dy = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    H, n = draw(st.integers(1, 5)), min(dx, dy)
    widths = [dx, *draw(st.lists(st.integers(n, n + 2), min_size=H, max_size=H)), dy]
    kind = draw(
        st.sampled_from(["minimum", "saddle", "case1", "case2"] if H > 1 else ["minimum", "saddle", "case1"])
    )
    order = {"widths": widths, "kind": kind, "rng": draw(st.integers(0, 2**32 - 1))}
    if kind == "case2" and draw(st.booleans()):
        order["j_star"] = draw(st.integers(2, H))
    return order


@settings(max_examples=examples(120), deadline=None)
@given(order=orders())
def test_points_are_exactly_critical_and_of_the_kind_asked_for(order):
    point = fm.critical_point(**order)
    G, R, gradients = layer_gradients(point)
    assert not any(g.any() for g in gradients)
    assert np.linalg.matrix_rank(R.astype(float)) == point.rank
    report = point.report
    assert report.certified
    if order["kind"] == "minimum":
        assert not G.any()
        assert report.verdict == "global_minimum"
        return
    assert G.any()
    assert report.verdict == "saddle"
    assert point.kind in ("case1", "case2")
    assert order["kind"] in ("saddle", point.kind)
    assert report.j_star == point.j_star == order.get("j_star", point.j_star)
    # the slope is of order 1 in case 1 and at most H - j* + 2 in case 2; curvature that does not vanish doubles it
    H = len(order["widths"]) - 2
    slope = 1 if point.j_star is None else H - point.j_star + 2
    assert 2 <= report.escape_order <= 2 * slope


@pytest.mark.parametrize("ends", [(3, 2), (2, 3)], ids=["dx>dy", "dy>dx"])
def test_every_branch_of_the_proof_can_be_had(ends):
    for H in range(1, 6):
        widths = [ends[0], *[3] * H, ends[1]]
        assert fm.critical_point(widths=widths, kind="case1", rng=H).report.facts["transposed"] == (
            ends[1] > ends[0]
        )
        for j_star in range(2, H + 1):
            point = fm.critical_point(widths=widths, kind="case2", j_star=j_star, rng=H)
            assert point.report.j_star == j_star
            for rank in range(2):
                assert (
                    fm.critical_point(widths=widths, kind="case2", j_star=j_star, rank=rank, rng=H).rank
                    == rank
                )


@st.composite
def index_sets(draw):
    """widths, bottlenecks included, and an index set that fits."""
    dx, dy = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    H = draw(st.integers(1, 3))
    widths = [dx, *draw(st.lists(st.integers(1, 4), min_size=H, max_size=H)), dy]
    limit, n = min(widths), min(dx, dy)
    sets = [s for k in range(limit + 1) for s in combinations(range(n), k)]
    chosen = draw(st.sampled_from(sets))
    kind = "minimum" if chosen == tuple(range(limit)) else "saddle"
    return {"widths": widths, "indices": chosen, "kind": kind, "rng": draw(st.integers(0, 2**32 - 1))}


@settings(max_examples=examples(80), deadline=None)
@given(order=index_sets())
def test_squared_loss_tells_what_was_learnt_and_how_strict_the_saddle_is(order):
    point = fm.critical_point(**order)
    _, R, gradients = layer_gradients(point)
    assert not any(g.any() for g in gradients)
    findings = point.report.squared
    assert findings.simple
    assert findings.indices == order["indices"]
    assert findings.rank == len(order["indices"])
    # the critical value, by its definition and by the eigenvalues
    X, Y = exact(point.X), exact(point.Y)
    residual = X.dot(R.T) - Y
    assert findings.critical_value == (residual * residual).sum() / 2
    learnt = sum(findings.eigenvalues[list(order["indices"])])
    assert float(findings.critical_value) == pytest.approx(
        (float((Y * Y).sum()) - learnt) / 2, rel=1e-9, abs=1e-9
    )
    assert findings.optimal == (order["kind"] == "minimum")
    # the Hessian has the last word
    signs = hessian_inertia([exact(W).tolist() for W in point.weights], point.loss)
    assert findings.strict == (signs.negative > 0)
    assert point.report.verdict == ("global_minimum" if order["kind"] == "minimum" else "saddle")


@settings(max_examples=examples(40), deadline=None)
@given(order=orders())
def test_saddles_without_simple_eigenvalues_claim_no_strictness_that_the_hessian_denies(order):
    point = fm.critical_point(**order)
    findings = point.report.squared
    if findings is None:
        return
    if sum(W.size for W in point.weights) <= 60 and findings.strict is not None:
        signs = hessian_inertia([exact(W).tolist() for W in point.weights], point.loss)
        assert findings.strict == (signs.negative > 0)
    if point.kind == "case1":
        # its escape is of second order
        assert findings.strict is not False


@settings(max_examples=examples(25), deadline=None)
@given(order=orders())
def test_the_escape_shrinks_with_its_order(order):
    point = fm.critical_point(**order)
    if point.kind == "minimum":
        assert point.report.escape_order is None
        return

    def log2_of_differences(radius):
        # of the tuples before float64 rounds steps off beside large weights, by the loss itself
        pair = fm.escape(point.weights, point.loss, radius)
        X, Y = exact(point.X), exact(point.Y)

        def loss(weights):
            residual = (
                X.dot(reduce(lambda P, W: W.dot(P), [np.array(W, dtype=object) for W in weights]).T) - Y
            )
            return (residual * residual).sum() / 2

        here = loss([exact(W) for W in point.weights])
        differences = loss(pair.exact_P) - here, here - loss(pair.exact_Q)
        assert min(differences) > 0
        return [math.log2(d.numerator) - math.log2(d.denominator) for d in differences]

    (up, down), (up_tiny, down_tiny) = log2_of_differences(2.0**-20), log2_of_differences(2.0**-40)
    # one order is 20 bits; constants may depend on which powers of two the steps end at
    assert round((down - down_tiny) / 20) == point.report.escape_order
    # upward the curvature of a convex loss helps too
    assert 2 <= round((up - up_tiny) / 20) <= point.report.escape_order


def test_points_of_every_kind_classify_exactly_by_the_thousand():
    # 1e5 of them in `make verify`
    count = 100_000 if os.environ.get("FASTMINIMA_VERIFY") else 300
    rng, seen = np.random.default_rng(0), set()
    for k in range(count):
        dx, dy, H = (int(v) for v in (*rng.integers(1, 5, 2), 1 + k % 5))
        widths = [dx, *(int(v) for v in rng.integers(min(dx, dy), min(dx, dy) + 3, H)), dy]
        point = fm.critical_point(widths=widths, kind="minimum" if k % 7 == 0 else "saddle", rng=k)
        assert not any(g.any() for g in layer_gradients(point)[2])
        report = fm.classify_linear(point.weights, fm.SquaredLoss(point.X, point.Y))
        assert report.certified
        assert report.verdict == ("global_minimum" if k % 7 == 0 else "saddle")
        seen.add((H, point.kind, point.j_star, dy > dx))
    # minima; case 1 for every H; case 2 for every j* from 2 to H; each on both sides
    for H in range(1, 6):
        for flipped in (False, True):
            assert {(H, "minimum", None, flipped), (H, "case1", None, flipped)} <= seen
            assert all((H, "case2", j, flipped) in seen for j in range(2, H + 1))


def test_zero_weights_are_left_with_the_order_of_all_factors():
    X = np.eye(2)
    for H in range(1, 9):
        weights = [np.zeros((2, 2))] * (H + 1)
        report = fm.classify_linear(weights, fm.SquaredLoss(X, np.diag([2.0, 1.0])))
        assert report.escape_order == H + 1
        assert report.squared.strict == (H == 1)


def test_targets_are_made_for_the_inputs_given():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9, 3))
    point = fm.critical_point(X, widths=[3, 3, 2], rng=1)
    assert np.array_equal(point.X, X)
    assert point.Y.dtype == object
    assert not any(g.any() for g in layer_gradients(point)[2])
    assert point.report.verdict == "saddle"


def test_data_as_they_come_have_critical_points_too():
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(40, 4)), rng.normal(size=(40, 3))
    seen = set()
    for seed in range(30):
        H = 1 + seed % 4
        point = fm.critical_point(X, Y, [4, *([4, 5, 3, 6][:H]), 3], rng=seed)
        assert point.report.verdict == "saddle"
        assert point.report.escape.confirmed
        assert np.linalg.matrix_rank(reduce(lambda P, W: W @ P, point.weights), tol=1e-9) == point.rank
        # weights of product 0 are integers, and exact
        assert point.report.certified == (point.rank == 0)
        assert point.report.certified == all((np.round(W) == W).all() for W in point.weights)
        seen.add((point.rank, point.kind))
    assert {rank for rank, _ in seen} == {0, 1, 2}
    assert {kind for _, kind in seen} == {"case1", "case2"}
    assert fm.critical_point(X, Y, [4, 4, 3], kind="minimum", rng=0).report.verdict == "global_minimum"
    assert fm.critical_point(X, Y, [4, 4, 3], rank=1, rng=0).indices == (0,)
    assert fm.critical_point(X, Y, [4, 4, 3], indices=[1, 2], rng=0).indices == (1, 2)


def test_a_bottleneck_is_decided_where_squared_loss_allows():
    best = fm.critical_point(widths=[3, 1, 3], indices=[0], kind="minimum", rng=0).report
    assert best.verdict == "global_minimum"
    assert best.product_gradient_norm > 0
    worse = fm.critical_point(widths=[3, 1, 3], indices=[2], rng=0).report
    assert worse.verdict == "saddle"
    assert worse.certified
    assert worse.squared.strict
    assert worse.escape.confirmed
    # rank to spare: the vectors of the proof exist, whatever the loss
    spare = fm.critical_point(widths=[3, 2, 3], indices=[0], rng=0)
    for loss in (spare.loss, fm.HuberLoss(spare.X, spare.Y, 2.0**20)):
        report = fm.classify_linear(spare.weights, loss)
        assert report.verdict == "saddle"
        assert report.part.startswith("theorem 4, part 1")
        assert "narrower than min(dx, dy)" in report.reason
        assert report.facts["v1"]
        assert report.escape.confirmed
    # inputs that depend on each other leave the map open, so nothing is claimed about it
    X = np.array([[1.0, 1.0], [2.0, 2.0]])
    report = fm.classify_linear([np.zeros((1, 2)), np.zeros((2, 1))], fm.SquaredLoss(X, X))
    assert report.squared is None


@pytest.mark.parametrize(
    ("error", "text", "order"),
    [
        (NetworkError, "at least three", {"widths": [3, 2]}),
        (NetworkError, "whole numbers", {"widths": [3, 2.5, 2]}),
        (NetworkError, "whole numbers", {"widths": [3, 0, 2]}),
        (OptionError, "kind must be", {"widths": [3, 3, 2], "kind": "maximum"}),
        (OptionError, "Y goes with X", {"widths": [3, 3, 2], "Y": [[1.0]]}),
        (OptionError, "hidden widths of at least", {"widths": [3, 1, 2]}),
        (OptionError, "rank must be", {"widths": [3, 3, 2], "rank": 2}),
        (OptionError, "at least two hidden", {"widths": [3, 3, 2], "kind": "case2"}),
        (OptionError, "j_star is for", {"widths": [3, 3, 3, 2], "kind": "case2", "j_star": 3}),
        (OptionError, "indices must be distinct", {"widths": [3, 3, 2], "indices": [2]}),
        (OptionError, "do not fit", {"widths": [3, 1, 2], "indices": [0, 1]}),
        (OptionError, "contradicts", {"widths": [3, 3, 2], "indices": [1], "rank": 2}),
        (OptionError, "global minimum of these widths", {"widths": [3, 3, 2], "indices": [0, 1]}),
        (OptionError, "learns the 2 largest", {"widths": [3, 3, 2], "indices": [0], "kind": "minimum"}),
        (OptionError, "leave out X", {"widths": [3, 3, 2], "indices": [0], "j_star": 2}),
        (DataError, "end with dy = 2", {"X": np.eye(3), "Y": np.eye(3), "widths": [3, 3, 2]}),
        (
            DataError,
            "full column rank",
            {"X": np.ones((4, 2)), "Y": np.ones(4), "widths": [2, 2, 1], "kind": "minimum"},
        ),
        (
            OptionError,
            "0 within rounding",
            {"X": np.eye(2), "Y": np.diag([1.0, 0.0]), "widths": [2, 2, 2], "indices": [1]},
        ),
        (OptionError, "rank must be", {"X": np.eye(2), "Y": np.eye(2), "widths": [2, 2, 2], "rank": 2}),
        (DataError, "not float64 numbers", {"X": [[2**60 + 1]], "widths": [1, 1, 1]}),
        (DataError, "widths start with dx = 3", {"X": np.eye(2), "widths": [3, 3, 2]}),
        (DataError, "full column rank", {"X": np.ones((4, 2)), "widths": [2, 3, 2]}),
    ],
)
def test_requests_that_cannot_be_met_are_named(error, text, order):
    with pytest.raises(error, match=text):
        fm.critical_point(**order)


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_inertia_counts_the_signs_of_eigenvalues(n, seed):
    rng = np.random.default_rng(seed)
    B = rng.integers(-2, 3, (n, n))
    signs = rng.integers(-1, 2, n)
    # congruent to diag(signs) when B is invertible
    M = B.T @ np.diag(signs) @ B
    found = inertia(M.astype(object)) if n else inertia(np.empty((0, 0), dtype=object))
    assert found.negative + found.zero + found.positive == n
    if round(np.linalg.det(B)) if n else True:
        assert (found.negative, found.zero) == (int((signs < 0).sum()), int((signs == 0).sum()))
