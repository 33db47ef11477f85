"""Theorem 1, step 1: the theorem's own inequalities, in rational arithmetic."""

from __future__ import annotations

import contextlib
import math
import pickle
import types
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
import oracle
from fastminima import errors
from fastminima.system.memory import available_bytes
from fastminima.theorems.theorem1 import minimum
from fastminima.theorems.theorem1.certify_drop import certify_drop
from fastminima.theorems.theorem1.evidence import certified_splits
from profiles import examples
from strategies import activations, tables


def dataset(table):
    X, y, weight = table
    return fm.Dataset(X, y, sample_weight=weight)


@given(tables(), activations, st.integers(1, 4), st.sampled_from([1.0, 0.3, 50.0]))
@settings(max_examples=examples(150), deadline=None)
def test_the_minimum_is_the_linear_fit_inside_an_all_positive_cone(table, activation, width, alpha):
    X, y, weight = table
    low = fm.spurious_minimum(dataset(table), activation, width=width, alpha=alpha)
    _, fitted, residual, risk, rank = oracle.least_squares(X, y, weight)
    assert low.fit.rank == rank
    # all preactivations of the float64 network are positive, exactly
    z = oracle.preactivations(low.network, X)
    assert all(v > 0 for row in z for v in row)
    # its exact risk is l_LS plus at most the excess claimed
    excess = oracle.network_risk(low.network, X, y, weight) - risk
    assert 0 <= excess <= Fraction(low.excess)
    # and the excess is rounding: second order in u against the size of the data
    size = (
        sum(Fraction(v) ** 2 for v in y.tolist())
        + sum(f * f for f in fitted)
        + Fraction(low.eta) ** 2 * len(y)
    )
    spread = sum(
        abs(Fraction(c)) * Fraction(v)
        for c, v in zip(low.fit.coef.tolist(), np.ptp(X, axis=0).tolist(), strict=True)
    )
    size += len(y) * spread**2
    assert excess <= Fraction(2) ** -90 * (weight.max() if weight is not None else 1) * size * (
        X.shape[1] + 1
    )
    # the certified radius is the distance to the nearest boundary, rounded down, and tight
    squared = min(
        v * v / (1 + sum(Fraction(t) ** 2 for t in x))
        for row, x in zip(z, X.tolist(), strict=True)
        for v in row
    )
    assert 0 < Fraction(low.radius) ** 2 <= squared
    assert low.radius >= math.sqrt(float(squared)) * (1 - 1e-6)
    # a strictly better network of width 2 exists iff some group of equal inputs has a residual sum that is not 0
    exists = any(v != 0 for v in oracle.group_sums(X, residual, weight).values())
    if width > 1 or not exists:
        assert low.status == ("spurious" if exists else "global")
    elif X.shape[1] == 1:
        # with one unit and one input it is decided which (test_width_one compares with a grid of knots)
        assert low.status in ("spurious", "global")


@given(tables(max_rows=8, max_features=2), activations, st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(60), deadline=None)
def test_no_perturbation_inside_the_radius_lowers_the_risk(table, activation, width, seed):
    """Exact risks of perturbed float64 networks whose hidden rows move by less than the radius, W2 and b2 freely."""
    X, y, weight = table
    low = fm.spurious_minimum(dataset(table), activation, width=width)
    risk = oracle.least_squares(X, y, weight)[3]
    rng = np.random.default_rng(seed)
    W1, b1, W2, b2 = low.network.parameters()
    for _ in range(4):
        move = rng.normal(size=(width, X.shape[1] + 1))
        move *= (low.radius * rng.uniform(0.9, 1.0) * 0.999 / np.linalg.norm(move, axis=1))[:, None]
        moved = fm.OneHiddenLayer(
            W1 + move[:, :-1],
            b1 + move[:, -1],
            W2 + rng.normal(size=width) * np.abs(W2).max(),
            b2 + rng.normal() * abs(b2),
            activation,
        )
        # the addition rounds: keep only moves that stay inside exactly
        squares = [
            sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip([*p, c], [*q, d], strict=True))
            for p, c, q, d in zip(moved.W1.tolist(), moved.b1.tolist(), W1.tolist(), b1.tolist(), strict=True)
        ]
        if max(squares) < Fraction(low.radius) ** 2:
            assert oracle.network_risk(moved, X, y, weight) >= risk


def test_radius_is_not_exceeded_by_the_boundary_it_names():
    """Just outside the radius a preactivation does change sign: the radius is not merely safe."""
    data = fm.load_demo("diabetes")
    low = fm.spurious_minimum(data)
    z = low.network.preactivations(data.X)
    norms = np.sqrt(1.0 + (data.X**2).sum(axis=1))
    i, k = np.unravel_index(np.argmin(z / norms[:, None]), z.shape)
    x = np.append(data.X[i], 1.0)
    step = -x / norms[i] * low.radius * (1 + 1e-9)
    assert z[i, k] + step @ x < 0


@given(tables(max_rows=10), activations, st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(80), deadline=None)
def test_sampled_members_of_the_family_are_minima_of_the_same_risk(table, activation, width, seed):
    X, y, weight = table
    low = fm.spurious_minimum(dataset(table), activation, width=width)
    risk = oracle.least_squares(X, y, weight)[3]
    for member in low.sample(2, rng=seed):
        z = oracle.preactivations(member.network, X)
        assert all(v > 0 for row in z for v in row)
        assert 0 <= oracle.network_risk(member.network, X, y, weight) - risk <= Fraction(member.excess)
        squared = min(
            v * v / (1 + sum(Fraction(t) ** 2 for t in x))
            for row, x in zip(z, X.tolist(), strict=True)
            for v in row
        )
        assert 0 < Fraction(member.radius) ** 2 <= squared
        assert member.network.width == width
        assert member.status == low.status


@given(tables(max_rows=8), activations, st.integers(1, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(30), deadline=None)
def test_the_relative_radius_is_rounded_down(table, activation, width, seed):
    low = fm.spurious_minimum(dataset(table), activation, width=width)
    for one in [low, *low.sample(1, rng=seed)]:
        W1, b1, W2, b2 = one.network.parameters()
        square = sum(Fraction(v) ** 2 for v in [*W1.ravel().tolist(), *b1.tolist(), *W2.tolist(), b2])
        share = Fraction(one.radius) ** 2 / square
        assert 0 < Fraction(one.radius_relative) ** 2 <= share < 1
        assert one.radius_relative == pytest.approx(math.sqrt(share), rel=1e-14)


def test_sampling_is_reproducible_spreads_and_uses_every_unit():
    low = fm.spurious_minimum(fm.load_demo("diabetes"), width=5)
    first, again = low.sample(3, rng=1), low.sample(3, rng=1)
    assert [a.network == b.network for a, b in zip(first, again, strict=True)] == [True] * 3
    assert first[0].network != first[1].network
    assert (first[0].network.W2 != 0).all()
    assert first[0].network.W1.any(axis=1).all()
    for member in first:
        assert member.network.risk(low.data) == pytest.approx(low.fit.risk, rel=1e-12)
        assert member.excess < 1e-20 * low.fit.risk
    assert low.sample(0) == []
    with pytest.raises(errors.NetworkError, match="n must be"):
        low.sample(-1)


def test_radius_grows_linearly_with_alpha():
    data = fm.load_demo("diabetes")
    one, big = fm.spurious_minimum(data), fm.spurious_minimum(data, alpha=1024.0)
    assert big.radius == pytest.approx(1024 * one.radius, rel=1e-12)
    assert np.array_equal(big.network.W1, 1024 * one.network.W1)


def test_parameters_are_the_papers():
    data = fm.load_demo("diabetes")
    low = fm.spurious_minimum(data, fm.PiecewiseLinear(2.0, 0.5), width=3, alpha=4.0)
    eta = min(-1.0, 2 * low.fit.fitted.min())
    assert low.eta == pytest.approx(eta, rel=1e-14)
    assert low.network.b2 == pytest.approx(eta, rel=1e-12)
    np.testing.assert_allclose(low.network.W1[0], 4 * low.fit.coef, rtol=1e-14)
    assert not low.network.W1[1:].any()
    np.testing.assert_allclose(
        low.network.b1, [4 * (low.fit.intercept - eta), -4 * eta, -4 * eta], rtol=1e-13
    )
    np.testing.assert_allclose(low.network.W2, [1 / 8, 0, 0])
    np.testing.assert_allclose(low.network.predict(data.X), low.fit.fitted, rtol=1e-12)


def test_diabetes_has_the_known_least_squares_risk():
    low = fm.spurious_minimum(fm.load_demo("diabetes"))
    assert round(low.risk, 4) == 631992.8928
    assert low.status == "spurious"


@pytest.mark.parametrize(
    ("X", "y", "status", "word"),
    [
        ([[1.0, 2.0]], [3.0], "global", "affine"),
        ([[0.0], [1.0]], [5.0, 7.0], "global", "affine"),
        ([[0.0], [1.0], [2.0]], [4.0, 4.0, 4.0], "global", "affine"),
        (np.empty((3, 0)), [1.0, 2.0, 4.0], "global", "all functions"),
        ([[2.0], [2.0], [2.0]], [1.0, 2.0, 4.0], "global", "all functions"),
        ([[0.0], [0.0], [1.0], [1.0]], [0.0, 1.0, 2.0, 3.0], "global", "all functions"),
        ([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0], "spurious", "better"),
    ],
)
def test_status_says_whether_a_better_network_exists(X, y, status, word):
    low = fm.spurious_minimum((np.asarray(X), np.asarray(y)))
    assert low.status == status
    assert word in low.reason
    better = fm.better_point(low)
    if status == "global":
        assert better.status == ("linearly_fittable" if word == "affine" else "no_better_point")
        assert better.network is None
        assert not better
        assert better.reason == low.reason


def test_affine_up_to_an_ulp_is_an_ordinary_dataset_whose_decimal_reading_is_affine():
    x = np.array([0.1, 0.2, 0.3, 0.4, 0.7])
    y = np.array([0.3, 0.6, 0.9, 1.2, 2.1])  # 3x as decimals, not as float64
    low = fm.spurious_minimum((x[:, None], y))
    assert low.status == "spurious"
    assert any("decimals" in note for note in low.notes)
    assert fm.spurious_minimum((x[:, None], np.sin(y))).notes == ()


def _up_to_rounding(low):
    return any("affine function of the inputs up to rounding" in note for note in low.notes)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("m", [15, 3000])
def test_targets_computed_as_affine_are_said_to_be_so(seed, offset, m):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1.0, 2.0, (m, 3)) + offset
    w = rng.normal(size=3)
    y = X[:, 0] * w[0] + X[:, 1] * w[1] + X[:, 2] * w[2] + 0.7
    weight = rng.integers(1, 9, m) / 4 if seed % 2 else None
    low = fm.spurious_minimum(fm.Dataset(X, y, sample_weight=weight))
    assert low.fit.exact.risk > 0
    assert _up_to_rounding(low)
    # a millionth of the targets is no rounding, and one sample apart is not either
    assert not _up_to_rounding(fm.spurious_minimum(fm.Dataset(X, y * (1.0 + 1e-6 * rng.normal(size=m)))))
    y = y.copy()
    y[3] += 1e-6 * np.abs(y).max()
    assert not _up_to_rounding(fm.spurious_minimum(fm.Dataset(X, y)))


def test_a_constant_up_to_rounding_is_affine_and_cancelling_columns_are_not():
    y = np.array([0.3, 0.1 + 0.2, 0.3, 0.6 - 0.3, 0.1 + 0.2])
    assert _up_to_rounding(fm.spurious_minimum((np.array([[1.0], [2.0], [4.0], [5.0], [9.0]]), y)))
    rng = np.random.default_rng(1)
    x = rng.uniform(1.0, 300.0, 12)
    low = fm.spurious_minimum((np.stack([x, 1.3 * x], axis=1), rng.integers(0, 9, 12) * 1.0))
    assert low.fit.tau > 0
    assert not _up_to_rounding(low)
    # exactly affine is another word
    assert not _up_to_rounding(fm.spurious_minimum((x[:, None], 2.0 * x)))


@pytest.mark.parametrize("width", [0, -3, 2.5, True, "4", None])
def test_bad_width_is_named(width):
    with pytest.raises(errors.NetworkError, match="width"):
        fm.spurious_minimum(([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0]), width=width)


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf, "a", None])
def test_bad_alpha_is_named(alpha):
    with pytest.raises(errors.NetworkError, match="alpha"):
        fm.spurious_minimum(([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0]), alpha=alpha)


def test_enormous_width_fails_before_memory_is_taken():
    with pytest.raises(MemoryError, match="width"):
        fm.spurious_minimum(([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.0]), width=10**15)


def test_a_large_width_counts_what_is_held_for_each_unit():
    with pytest.raises(errors.TooLargeError, match="width"):
        fm.spurious_minimum((np.eye(3)[:, :1], np.eye(3)[0]), width=available_bytes() // 200)


def test_wrong_types_are_named():
    with pytest.raises(TypeError, match="Dataset"):
        fm.spurious_minimum(np.eye(3))
    with pytest.raises(TypeError, match="PiecewiseLinear"):
        fm.spurious_minimum(([[0.0], [1.0]], [0.0, 1.0]), activation=3)


@pytest.mark.parametrize("slope", [(5e-324, 0.0), (1e308, 1.7e308), (1e-200, 1e-300), (1e300, 0.0)])
def test_slopes_at_the_ends_of_float64_are_valid(slope):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 2)), rng.normal(size=12)
    low = fm.spurious_minimum((X, y), fm.PiecewiseLinear(*slope))
    risk = oracle.least_squares(X, y)[3]
    assert 0 <= oracle.network_risk(low.network, X, y) - risk <= Fraction(low.excess)
    assert Fraction(low.excess) < risk * Fraction(2) ** -80
    better = fm.better_point(low)
    assert better
    assert oracle.network_risk(better.network, X, y) < risk


@pytest.mark.parametrize(
    "slope", [(5e-324, 0.0), (1e-305, 0.0), (1e305, 1e-300), (1.0, 1.7e308), (1e-300, 1e-310)]
)
@pytest.mark.parametrize("scale", [1e-200, 1e-50, 1.0, 1e50, 1e200])
def test_extreme_slopes_on_scaled_targets_are_refused_or_true(slope, scale):
    """h underflows or overflows in float64 here; no claim may rest on that, and no warning may escape."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 2)), rng.normal(size=12) * scale
    low = fm.spurious_minimum((X, y), fm.PiecewiseLinear(*slope), width=3)
    risk = oracle.least_squares(X, y)[3]
    for member in [low, *low.sample(2, 0)]:
        excess = oracle.network_risk(member.network, X, y) - risk
        assert excess >= 0
        assert math.isinf(member.excess) or excess <= Fraction(member.excess)
        assert all(v > 0 for row in oracle.preactivations(member.network, X) for v in row)
    for method in ("paper", "kink"):
        better = fm.better_point(low, method)
        assert better
        drop = risk - oracle.network_risk(better.network, X, y)
        assert drop > 0
        assert drop >= Fraction(better.drop_certified)
        enclosure = certify_drop(better.network, low.fit, exact=False)
        assert enclosure.lower <= enclosure.upper
        assert enclosure.lower == -math.inf or Fraction(enclosure.lower) <= drop
        assert enclosure.upper == math.inf or drop <= Fraction(enclosure.upper)


@pytest.mark.parametrize("gap", [1e-100, 1e-170, 1e-300])
@pytest.mark.parametrize("scale", [1.0, 1e150])
@pytest.mark.parametrize("rational", [False, True])
def test_columns_apart_by_next_to_nothing_are_answered_by_name(gap, scale, rational):
    """Slopes of 1e100 to 1e450: bounds become inf, and the answer is a status or a NetworkError."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 2)), rng.normal(size=12) * scale
    if rational:
        rows = [[Fraction(a), Fraction(a) + Fraction(b) * Fraction(gap) / 10**100] for a, b in X.tolist()]
        X = np.array(rows, dtype=object)
    else:
        X[:, 1] = X[:, 0]
        X[:6] = 0.0
        X[:6, 1] = gap * rng.normal(size=6)
    data = fm.Dataset(X, y)
    assert fm.least_squares(data).rank == 3
    with contextlib.suppress(errors.NetworkError):
        low = fm.spurious_minimum(data, width=3)
        assert low.status == "spurious"
        for method in ("paper", "kink"):
            assert fm.better_point(low, method).status in ("better", "undecided")


@pytest.mark.parametrize("scale_x", [1e-300, 1e-150, 1.0, 1e150, 1e300])
@pytest.mark.parametrize("scale_y", [1e-300, 1e-109, 1.0, 1e150, 1e300])
def test_extreme_scales_take_the_same_path(scale_x, scale_y):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(9, 2)) * scale_x, rng.normal(size=9) * scale_y
    risk = oracle.least_squares(X, y)[3]
    if abs(math.log10(scale_y) - math.log10(scale_x)) > 299:
        # the slopes are near 1e±300 or beyond: either a named refusal or a true result
        with contextlib.suppress(errors.NetworkError):
            low = fm.spurious_minimum((X, y))
            assert oracle.network_risk(low.network, X, y) >= risk
        return
    low = fm.spurious_minimum((X, y))
    assert low.status == "spurious"
    assert all(v > 0 for row in oracle.preactivations(low.network, X) for v in row)
    excess = oracle.network_risk(low.network, X, y) - risk
    assert excess >= 0
    assert math.isinf(low.excess) or excess <= Fraction(low.excess)
    better = fm.better_point(low)
    assert better.status in ("better", "undecided")
    if better:
        assert oracle.network_risk(better.network, X, y) < risk
    assert better or abs(math.log10(scale_y) - math.log10(scale_x)) > 250


def test_results_are_frozen_pickle_and_print():
    low = fm.spurious_minimum(fm.load_demo("xor"))
    better = fm.better_point(low)
    for result in (low, better):
        with pytest.raises(AttributeError):
            result.risk = 0.0
        copy = pickle.loads(pickle.dumps(result))
        assert copy.network == result.network
        assert copy.risk == result.risk
    assert "spurious local minimum" in str(low)
    assert "certified radius" in str(low)
    assert "case 2" in str(better)
    assert "0.0178571" in repr(better)


def test_a_fit_is_reused():
    fit = fm.least_squares(fm.load_demo("diabetes"))
    one, two = fm.spurious_minimum(fit), fm.spurious_minimum(fit, fm.leaky_relu(), width=7)
    assert one.fit is fit
    assert two.fit is fit
    assert one.risk == two.risk


def test_same_bits_for_every_layout():
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(300, 4)), rng.normal(size=300)
    want = fm.better_point(fm.spurious_minimum((X, y))).network
    wide = np.empty((600, 8))
    wide[::2, ::2] = X
    for view in (np.asfortranarray(X), wide[::2, ::2], X[::-1].copy()[::-1], X.astype(">f8")):
        assert fm.better_point(fm.spurious_minimum((view, y))).network == want


def test_no_minimum_is_built_before_its_numbers_are_known(monkeypatch):
    built = []

    class Spy(minimum.SpuriousMinimum):
        def __init__(self, **fields):
            built.append(fields)
            super().__init__(**fields)

    monkeypatch.setattr(minimum, "SpuriousMinimum", Spy)
    low = fm.spurious_minimum(fm.load_demo("xor"))
    members = low.sample(2, rng=1)
    assert len(built) == 3
    for fields in built:
        assert all(math.isfinite(fields[name]) for name in ("risk", "excess", "radius", "alpha", "eta"))
        assert fields["evidence"] is low.evidence
    # what a construction is planned with goes into all that is drawn from it
    assert {(m.status, m.reason, m.alpha, m.eta, m.notes) for m in members} == {
        (low.status, low.reason, low.alpha, low.eta, low.notes)
    }
    without = {name: value for name, value in built[0].items() if name != "evidence"}
    with pytest.raises(TypeError, match="evidence"):
        minimum.SpuriousMinimum(**without)


def test_a_bound_that_is_finite_until_it_is_doubled_certifies_nothing():
    data = fm.Dataset([[0.0], [1.0], [3.0]], [0.0, 2.0, 1.0])
    fit = types.SimpleNamespace(fitted_error=1e308, sum_error=1.0, term_error=1.0, data=data)
    found = certified_splits(fit, fm.relu, 0.5)
    assert (found.n_certified, found.n_undecided, found.position) == (0, 2, None)
