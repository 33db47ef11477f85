"""Theorem 4 within a tolerance: verdicts at known critical points in floating point, and pairs rationals confirm."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import OptionError
from fastminima.exact.matrix import RationalMatrix
from fastminima.theorems.theorem4 import escape_float
from fastminima.theorems.theorem4.decide_within_tolerance import within_tolerance
from fastminima.theorems.theorem4.escape_float import escape_by_singular_vectors
from fastminima.theorems.theorem4.product_change import telescoped
from fastminima.theorems.theorem4.singular_values import Margin
from profiles import examples


def exact_change_of_product(weights, moved):
    chains = ([RationalMatrix.of(rows) for rows in chain] for chain in (weights, moved))
    return telescoped(*chains).rows()


def rational(M):
    return [[Fraction(float(v)) for v in row] for row in M]


def chained(weights):
    R = weights[0]
    for W in weights[1:]:
        R = W @ R
    return R


def rotated(weights, rng):
    """The same function in other bases of the hidden layers."""
    weights = [W.copy() for W in weights]
    for k in range(len(weights) - 1):
        Q = np.linalg.qr(rng.normal(size=(len(weights[k]),) * 2))[0]
        weights[k], weights[k + 1] = Q @ weights[k], weights[k + 1] @ Q.T
    return weights


def normal_form(X, Y, indices, H, width, tail):
    """A critical point of squared loss with the singular directions `indices` of the fit; `tail` top layers drop the rest.

    Hidden units beyond the fitted directions carry the identity in the layers below `tail`, so that null spaces change at a
    known place.
    """
    dx, dy = X.shape[1], Y.shape[1]
    B = np.linalg.lstsq(X, Y, rcond=None)[0].T
    U = np.linalg.svd(B @ X.T, full_matrices=False)[0][:, indices]
    r = len(indices)
    first = np.zeros((width, dx))
    first[:r] = U.T @ B
    last = np.zeros((dy, width))
    last[:, :r] = U
    middle = []
    for k in range(2, H + 1):
        D = np.zeros((width, width))
        D[range(r), range(r)] = 1.0
        if k <= H - tail:
            D[range(r, width), range(r, width)] = 0.5
        middle.append(D)
    return [first, *middle, last]


@st.composite
def critical(draw):
    dx, dy = draw(st.sampled_from([(4, 3), (3, 3), (3, 4), (2, 1), (1, 3), (5, 2)]))
    H = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X, Y = rng.normal(size=(40, dx)), rng.normal(size=(40, dy))
    r = min(dx, dy)
    indices = draw(st.lists(st.integers(0, r - 1), unique=True, max_size=r))
    width = max(dx, dy) + draw(st.integers(0, 2))
    tail = draw(st.integers(0, H - 1))
    return X, Y, indices, rotated(normal_form(X, Y, indices, H, width, tail), rng), tail


def exact_difference(loss, weights, moved):
    start = [rational(W) for W in weights]
    D = exact_change_of_product(start, [rational(P) for P in moved])
    zero = [[[Fraction(0)] * len(W[0]) for _ in W] for W in start]
    R = exact_change_of_product([*zero[:-1], zero[-1]], start)
    return loss.exact_change(R, D)


@settings(max_examples=examples(60), deadline=None)
@given(problem=critical())
def test_verdicts_at_known_critical_points_and_pairs_that_rationals_confirm(problem):
    X, Y, indices, weights, _ = problem
    loss = fm.SquaredLoss(X, Y)
    found = within_tolerance(weights, loss, 1e-9)
    if len(indices) == min(X.shape[1], Y.shape[1]):
        assert found.verdict == "global_minimum", found.reason
        assert found.part == "corollary 5"
        return
    assert found.verdict == "saddle", found.reason
    assert found.transposed == (Y.shape[1] > X.shape[1])
    assert found.product_gradient_norm > 1e-9 * found.unit
    assert max(found.gradient_norms) <= 1e-9 * found.unit
    assert all(m.clear for m in found.margins)
    pair = escape_by_singular_vectors(weights, loss, found, 0.1)
    assert pair.confirmed
    for moved in (pair.P, pair.Q):
        for W, P in zip(weights, moved, strict=True):
            square = sum(
                (a - b) ** 2
                for row, other in zip(rational(W), rational(P), strict=True)
                for a, b in zip(row, other, strict=True)
            )
            assert square <= Fraction(0.1) ** 2
    up, down = exact_difference(loss, weights, pair.P), -exact_difference(loss, weights, pair.Q)
    assert up > 0
    assert down > 0
    for change, truth in ((pair.up, up), (pair.down, down)):
        assert abs(truth / Fraction(2) ** change.exponent - Fraction(change.value)) <= Fraction(change.error)


@settings(max_examples=examples(40), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    H=st.integers(1, 5),
    tail=st.integers(0, 4),
    shape=st.sampled_from([(4, 2), (2, 4), (3, 3)]),
)
def test_the_case_is_decided_by_where_null_spaces_change(seed, H, tail, shape):
    dx, dy = shape
    tail = min(tail, H - 1)
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(40, dx)), rng.normal(size=(40, dy))
    weights = rotated(normal_form(X, Y, [0], H, max(dx, dy), tail), rng)
    found = within_tolerance(weights, fm.SquaredLoss(X, Y), 1e-9)
    assert found.verdict == "saddle"
    if found.transposed:
        # reversed: the layers that drop units come first, then nothing changes before the last factor drops them
        assert (found.case, found.j_star) == ((1, None) if tail == 0 else (2, 2))
    else:
        # W_{k:2} first has a null space at k = H - tail + 1; when that is the last factor it is case 1
        assert (found.case, found.j_star) == ((1, None) if tail == 0 else (2, H - tail + 1))


LOSSES = {
    "squared": fm.SquaredLoss,
    "huber": lambda X, Y: fm.HuberLoss(X, Y, 0.5),
    "logistic": lambda X, Y: fm.LogisticLoss(X, Y > 0),
    "softmax": lambda X, Y: fm.SoftmaxCrossEntropy(X, Y.argmax(axis=1), Y.shape[1]),
    "log-cosh": fm.LogCoshLoss,
    "quantile": lambda X, Y: fm.SmoothedQuantileLoss(X, Y, 0.3, 0.25),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(4, 2), (2, 4)])
def test_all_zero_weights_are_a_saddle_of_every_loss_up_to_eight_hidden_layers(name, shape):
    dx, dy = shape
    rng = np.random.default_rng(5)
    X, Y = rng.normal(size=(30, dx)), rng.normal(size=(30, dy))
    loss = LOSSES[name](X, Y)
    for H in (1, 2, 5, 8):
        widths = [dx, *[3 + k % 2 for k in range(H)], dy]
        weights = [np.zeros((b, a)) for a, b in pairwise(widths)]
        found = within_tolerance(weights, loss, 1e-6)
        assert found.verdict == "saddle"
        assert (found.case, found.j_star) == ((1, None) if H == 1 else (2, 2))
        pair = escape_by_singular_vectors(weights, loss, found, 0.1)
        assert pair.confirmed
        # every factor is used at full length: the change is |G| times their product, up to the second-order term
        assert float(pair.up) >= 0.9 * 0.1 ** (H + 1) * np.linalg.norm(found.gradient, 2)


def test_layers_of_zeros_among_others_and_targets_that_say_nothing_are_decided():
    rng = np.random.default_rng(9)
    X, Y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    for k in range(4):
        weights = [rng.normal(size=shape) for shape in ((4, 3), (3, 4), (5, 3), (2, 5))]
        weights[k] = np.zeros(weights[k].shape)
        weights[(k + 1) % 4] = np.zeros(weights[(k + 1) % 4].shape)
        loss = fm.SquaredLoss(X, Y)
        found = within_tolerance(weights, loss, 1e-9)
        assert found.verdict == "saddle", found.reason
        exact = fm.classify_linear(weights, loss)
        assert (found.case, found.j_star) == (exact.facts["case"], exact.j_star)
        assert escape_by_singular_vectors(weights, loss, found, 0.1).confirmed
        # targets orthogonal to the inputs, and none at all: weights of product 0 fit as well as any
        orthogonal = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
        for targets in (orthogonal, 0.0 * Y):
            found = within_tolerance(weights, fm.SquaredLoss(X, targets), 1e-9)
            assert found.verdict == "global_minimum", found.reason


def test_a_product_may_vanish_though_no_factor_does():
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
    loss = fm.SquaredLoss(X, Y)
    weights = [
        np.diag([1.0, 0.0, 0.0]),
        np.diag([0.0, 1.0, 0.0]),
        np.diag([0.0, 0.0, 1.0]),
        np.diag([1.0, 0.0, 0.0]),
    ]
    for W in (weights, rotated(weights, rng)):
        found = within_tolerance(W, loss, 1e-9)
        assert found.verdict == "saddle"
        assert escape_by_singular_vectors(W, loss, found, 0.1).confirmed


def test_weights_that_are_not_critical_name_the_layer():
    rng = np.random.default_rng(2)
    loss = fm.SquaredLoss(rng.normal(size=(20, 3)), rng.normal(size=(20, 2)))
    found = within_tolerance([rng.normal(size=(3, 3)), rng.normal(size=(2, 3))], loss, 1e-6)
    assert found.verdict == "not_critical"
    assert "gradient of W_" in found.reason


def test_gradients_of_the_layers_are_derivatives_of_the_loss():
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    loss = fm.LogCoshLoss(X, Y)
    weights = [rng.normal(size=(4, 3)), rng.normal(size=(5, 4)), rng.normal(size=(2, 5))]
    found = within_tolerance(weights, loss, 1e-6)
    for j, W in enumerate(weights):
        G = np.zeros(W.shape)
        for a, b in np.ndindex(*W.shape):
            ends = []
            for sign in (1, -1):
                moved = [M.copy() for M in weights]
                moved[j][a, b] += sign * 1e-6
                ends.append(loss.value(chained(moved)))
            G[a, b] = (ends[0] - ends[1]) / 2e-6
        assert found.gradient_norms[j] == pytest.approx(np.linalg.norm(G), rel=1e-6)


def test_a_decision_within_rounding_is_undetermined():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(30, 3))
    Y = rng.normal(size=(30, 3))
    weights = rotated(normal_form(X, Y, [0, 1, 2], 2, 3, 0), rng)
    # at a minimum found in floating point the gradients are rounding: a tolerance of that size decides nothing
    loss = fm.SquaredLoss(X, Y)
    size = (
        max(within_tolerance(weights, loss, 0.5).gradient_norms) / within_tolerance(weights, loss, 0.5).unit
    )
    assert 0.0 < size < 1e-13
    found = within_tolerance(weights, loss, size)
    assert found.verdict == "undetermined"
    assert "within rounding" in found.reason
    # a singular value on the threshold
    saddle = [np.diag([1.0, 0.0]), np.diag([1.0, 1e-9]), np.diag([1.0, 0.0])]
    data = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 3.0]])
    verdicts = [within_tolerance(saddle, fm.SquaredLoss(*data), tol).verdict for tol in (1e-10, 1e-9, 1e-8)]
    assert verdicts[1] == "undetermined"
    assert verdicts[0] == verdicts[2] == "saddle"
    assert not Margin("s", 1.0, 0.5, 0.75, 0.25, 1).clear
    assert Margin("s", 1.0, 0.5, 0.75, 0.2, 1).clear
    # a gradient beyond the range of float64
    beyond = within_tolerance([np.eye(1), np.eye(1)], fm.SquaredLoss([[1e300]], [[1e300]]), 1e-6)
    assert beyond.verdict == "undetermined"
    assert "range of float64" in beyond.reason


def test_what_the_theorem_does_not_cover_is_said():
    rng = np.random.default_rng(6)
    X, Y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    # narrower than both ends, the vectors of the proof exist at zero weights all the same
    narrow = [np.zeros((1, 3)), np.zeros((2, 1))]
    for loss in (fm.SquaredLoss(X, Y), fm.LogCoshLoss(X, Y)):
        report = fm.classify_linear(narrow, loss, tol=1e-6)
        assert report.verdict == "saddle"
        assert report.escape.confirmed
    # a full bottleneck: squared loss is decided by eigenvalues, others by name not at all
    huber = fm.HuberLoss(X, Y, 1e3)
    for k, verdict in ((0, "global_minimum"), (1, "saddle")):
        point = fm.critical_point(X, Y, [3, 1, 2], indices=[k], kind="minimum" if k == 0 else "saddle", rng=k)
        assert point.report.verdict == verdict
        assert "hidden layer 1 has width 1" in point.report.reason
        found = within_tolerance(point.weights, huber, 1e-6)
        assert found.verdict == "width_condition_fails"
        assert "hidden layer 1 has width 1" in found.reason
    quartic = fm.Loss(lambda R: float((R**4).sum()), lambda R: 4 * R**3)
    found = within_tolerance([np.zeros((2, 2)), np.zeros((2, 2))], quartic, 1e-6)
    assert found.verdict == "undetermined"
    assert "not declared convex" in found.reason


@st.composite
def narrow_points(draw):
    """Data, widths with a bottleneck, and which directions have gone through it."""
    dx, dy = draw(st.tuples(st.integers(2, 5), st.integers(2, 5)))
    n = min(dx, dy)
    H = draw(st.integers(1, 3))
    hidden = draw(st.lists(st.integers(1, n + 1), min_size=H, max_size=H))
    hidden[draw(st.integers(0, H - 1))] = draw(st.integers(1, n - 1))
    limit = min(hidden)
    indices = sorted(draw(st.lists(st.integers(0, n - 1), unique=True, max_size=limit)))
    return dx, dy, [dx, *hidden, dy], indices, draw(st.integers(0, 2**32 - 1))


@settings(max_examples=examples(60), deadline=None)
@given(problem=narrow_points())
def test_bottlenecks_are_decided_and_left(problem):
    dx, dy, widths, indices, seed = problem
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(30, dx)), rng.normal(size=(30, dy))
    best = indices == list(range(min(widths)))
    point = fm.critical_point(X, Y, widths, indices=indices, kind="minimum" if best else "saddle", rng=seed)
    report = point.report
    assert report.verdict == ("global_minimum" if best else "saddle"), report
    # Eckart and Young: the least loss of all maps of this rank
    K = np.linalg.cholesky(X.T @ X)
    values = np.linalg.svd(np.linalg.lstsq(X, Y, rcond=None)[0].T @ K)[1] ** 2
    here = point.loss.value(chained(point.weights))
    assert here == pytest.approx(0.5 * ((Y**2).sum() - values[indices].sum()), rel=1e-9)
    if best:
        assert report.escape is None
        return
    pair = report.escape
    assert pair.confirmed
    assert (
        exact_difference(point.loss, point.weights, pair.P)
        > 0
        > exact_difference(point.loss, point.weights, pair.Q)
    )
    for W, P, Q in zip(point.weights, pair.P, pair.Q, strict=True):
        assert (
            max(escape_float.frobenius_distance(W, P), escape_float.frobenius_distance(W, Q)) <= pair.radius
        )


@pytest.mark.parametrize("bounded", [False, True])
def test_losses_that_are_not_convex_are_judged_by_their_hessian(bounded):
    # sum of (r^2 - 1)^2: a maximum at 0, minima at +-1, neither where some entries are 0 and some are not
    def well(R):
        return float(((R**2 - 1) ** 2).sum())

    def slope(R):
        return 4 * R * (R**2 - 1)

    def remainder(R, D):
        return float((D**2 * (6 * R**2 - 2 + 4 * R * D + D**2)).sum())

    known = {"second_order": remainder, "accuracy": 1e-12} if bounded else {}
    loss = fm.Loss(well, slope, **known)
    eye = np.eye(2)
    assert fm.classify_linear([eye, np.ones((2, 2))], loss, tol=1e-9).verdict == "local_minimum"
    for weights in ([eye, 0 * eye], [0 * eye, 0 * eye]):
        assert fm.classify_linear(weights, loss, tol=1e-9).verdict == "local_maximum"
    for weights, j_star in (([eye, eye], 1), ([np.eye(2, 3), eye, np.eye(3, 2)[:2]], None)):
        report = fm.classify_linear(weights, loss, tol=1e-9)
        assert report.verdict == "saddle"
        assert report.part.startswith("theorem 4, part 3")
        assert j_star is None or report.j_star == j_star
        assert not report.certified
        pair = report.escape
        here = well(chained(weights))
        assert well(chained(pair.P)) > here > well(chained(pair.Q))
        assert pair.confirmed == bounded
        for W, P, Q in zip(weights, pair.P, pair.Q, strict=True):
            assert max(np.linalg.norm(P - W), np.linalg.norm(Q - W)) <= 0.1
    # part 3 does not speak where no layer reaches every product
    report = fm.classify_linear(
        [np.diag([1.0, 0.0]), np.diag([1.0, 0.0]), np.diag([1.0, 0.0])], loss, tol=1e-9
    )
    assert report.verdict == "undetermined"
    assert "part 3 do not hold" in report.reason
    # and a saddle of part 1 between
    half = np.sqrt(1 / 3) * eye
    assert fm.classify_linear([eye, half], loss, tol=1e-9).verdict == "not_critical"


def test_the_pair_says_when_it_is_not_confirmed():
    rng = np.random.default_rng(7)
    X, Y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    ours = fm.SquaredLoss(X, Y)
    weights = [np.zeros((2, 2)), np.zeros((2, 2))]
    # without a stated accuracy nothing about a user's loss is proved
    mine = fm.Loss(ours.value, ours.gradient, convex=True, second_order=100.0)
    found = within_tolerance(weights, mine, 1e-6)
    assert found.verdict == "saddle"
    assert not escape_by_singular_vectors(weights, mine, found, 0.1).confirmed
    stated = fm.Loss(ours.value, ours.gradient, convex=True, second_order=100.0, accuracy=1e-12)
    assert escape_by_singular_vectors(weights, stated, within_tolerance(weights, stated, 1e-6), 0.1).confirmed


def test_a_tiny_ball_around_large_weights_is_kept():
    rng = np.random.default_rng(8)
    X, Y = rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
    weights = rotated(normal_form(X, Y, [0], 1, 3, 0), rng)
    loss = fm.SquaredLoss(X, Y)
    found = within_tolerance(weights, loss, 1e-9)
    for radius in (1e-3, 1e-6, 1e-14, 1e-17):
        pair = escape_by_singular_vectors(weights, loss, found, radius)
        for moved in (pair.P, pair.Q):
            assert (
                max(escape_float.frobenius_distance(W, P) for W, P in zip(weights, moved, strict=True))
                <= radius
            )


def test_bad_options_are_named():
    loss = fm.SquaredLoss(np.eye(2), np.eye(2))
    weights = [np.zeros((2, 2)), np.zeros((2, 2))]
    for tol in (0.0, 1.0, -1e-3, float("nan"), "loose"):
        with pytest.raises(OptionError, match="tol must be between 0 and 1"):
            within_tolerance(weights, loss, tol)
    found = within_tolerance(weights, loss, 1e-6)
    for radius in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(OptionError, match="radius must be a finite number above 0"):
            escape_by_singular_vectors(weights, loss, found, radius)
    minimum = within_tolerance([np.eye(2), np.eye(2)], loss, 1e-6)
    assert minimum.verdict == "global_minimum"
    with pytest.raises(OptionError, match="nothing to escape from"):
        escape_by_singular_vectors(weights, loss, minimum, 0.1)
