"""Losses of one row: values, slopes, curvatures and their bounds against mpmath, signs exactly, and their weighted sums."""

from __future__ import annotations

import pickle
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import LossError
from fastminima.exact.matrix import RationalMatrix
from fastminima.losses.pointwise import (
    Huber,
    LogCosh,
    Logistic,
    SmoothedQuantile,
    Softmax,
    Squared,
)
from pointwise_cases import CASES, Case, U, number
from profiles import examples

DIGITS = 420


# where exponentials underflow, cancel or saturate, residuals vanish, and squares leave the range of float64
EXTREME = [
    0.0,
    -0.0,
    5e-324,
    1e-300,
    2.0**-27,
    1e-8,
    0.75,
    1.0,
    18.0,
    37.0,
    354.0,
    709.0,
    746.0,
    2e3,
    1e16,
    1e100,
]
numbers = st.one_of(
    st.sampled_from([s * v for v in EXTREME for s in (1.0, -1.0)]), st.floats(-50, 50), st.floats(-1e5, 1e5)
)


@st.composite
def rows(draw, case: Case):
    """(z, y) of one output: anything, close to each other, or a class."""
    z = draw(numbers)
    if case.classes:
        return z, draw(st.sampled_from([-1.0, 1.0]))
    near = st.sampled_from([0.0, 2.0**-52, 2.0**-30, 0.75, -0.75, 1e-200])
    return z, draw(st.one_of(numbers, near.map(lambda d: z * (1.0 + d)), near.map(lambda d: z + d)))


def one(v: float):
    return np.array([[v]])


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=examples(150), deadline=None)
@given(data=st.data())
def test_values_slopes_and_curvatures_are_those_of_mpmath(name, data):
    case = CASES[name]
    loss = case.loss
    z, y = data.draw(rows(case))
    assume(abs(z - y) < 1e150)
    value, slope = loss.values(one(z), one(y)).item(), loss.slopes(one(z), one(y)).item()
    curvature = loss.curvatures(one(z), one(y), one(1.0)).item()
    with mp.workdps(DIGITS):
        a, b = number(z), number(y)
        size = abs(a) + abs(b)
        truth = case.slope(a, b)
        # line (a): 16 units, and the slope at a point 4 units away
        assert (
            abs(slope - truth)
            <= loss.slope_units(1) * (abs(truth) + loss.slope_size)
            + loss.lipschitz * 4 * U * size
            + 2.0**-1070
        )
        true_value = case.value(a, b)
        steep = abs(truth) + loss.slope_size
        assert (
            abs(value - true_value)
            <= 16 * U * abs(true_value) + 4 * U * size * steep + 16 * U**2 * size**2 + 2.0**-1070
        )
        true_curvature = case.curvature(a, b)
        if mp.isinf(loss.kappa):
            # on its border either piece is right
            border = abs(abs(a - b) - loss.delta) <= 4 * U * (size + loss.delta)
            assert border or curvature == true_curvature
            return
        off = mp.exp(min(loss.kappa * 4 * U * size, 2000)) * (1 + 16 * mp.mpf(U)) - 1
        assert abs(curvature - true_curvature) <= off * true_curvature + 2.0**-1070 * (1 + loss.lipschitz)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=examples(150), deadline=None)
@given(data=st.data())
def test_lipschitz_constants_and_curvature_bounds_bound(name, data):
    case = CASES[name]
    z, y = data.draw(rows(case))
    step = data.draw(st.one_of(numbers, st.sampled_from([1e-12, -1e-3, 0.1])))
    assume(abs(z) + abs(step) < 1e100)
    with mp.workdps(DIGITS):
        a, b, t = number(z), number(y), number(step)
        L, kappa = mp.mpf(case.loss.lipschitz), mp.mpf(case.loss.kappa)
        tiny = mp.mpf(10) ** (-DIGITS + 120)
        assert abs(case.slope(a + t, b) - case.slope(a, b)) <= L * abs(t) + tiny
        here, there = case.curvature(a, b), case.curvature(a + t, b)
        assert here <= L
        if not mp.isinf(kappa) and kappa * abs(t) < 1e6:
            assert here * mp.exp(-kappa * abs(t)) <= there * (1 + tiny)
            assert there <= here * mp.exp(kappa * abs(t)) * (1 + tiny)


def test_the_bounds_are_no_larger_than_they_must_be():
    # curvatures at the steepest places: L is attained, kappa is approached
    for name, case in CASES.items():
        with mp.workdps(60):
            y = mp.mpf(1) if case.classes else mp.mpf(0)
            top = case.curvature(mp.mpf(0), y)
            assert top <= case.loss.lipschitz <= top * (1 + mp.mpf(2) ** -50), name
            kappa = case.loss.kappa
            if 0.0 < kappa < np.inf:
                far = mp.mpf(40) / kappa
                rate = mp.log(case.curvature(far, y) / case.curvature(far + 1 / mp.mpf(kappa), y))
                assert rate == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=examples(120), deadline=None)
@given(data=st.data(), exponent=st.sampled_from([0, 0, 5, -40, -400]), exact=st.booleans())
def test_mean_curvatures_enclose_the_remainder_of_second_order(name, data, exponent, exact):
    case = CASES[name]
    z, y = data.draw(rows(case))
    d = data.draw(st.one_of(st.floats(-20, 20), st.sampled_from([0.0, 1.0, -1e-9, 1e3])))
    assume(abs(z) < 1e30)
    assume(abs(y) < 1e30)
    z_error, d_error = (0.0, 0.0) if exact else (2.0**-20 * (1 + abs(z)), 2.0**-24 * (1 + abs(d)))
    with np.errstate(over="ignore", under="ignore"):
        low, high = case.loss.mean_curvatures(one(z), one(y), one(d), one(z_error), one(d_error), exponent)
    share, other = data.draw(st.floats(-0.9, 0.9)), data.draw(st.floats(-0.9, 0.9))
    with mp.workdps(2 * DIGITS):
        a, b = number(z) + number(share) * z_error, number(y)
        t = (number(d) + number(other) * d_error) * mp.mpf(2) ** exponent
        truth = 2 * (case.value(a + t, b) - case.value(a, b) - case.slope(a, b) * t) / mp.mpf(4) ** exponent
        # digits lost in the difference of values, and squares that underflow
        slack = mp.mpf(10) ** (-2 * DIGITS + 320) + mp.mpf(2) ** -1068 * (1 + case.loss.lipschitz)
        assert low.item() - slack <= truth <= high.item() + slack
        assert high.item() <= case.loss.lipschitz * (abs(d) + d_error) ** 2 * (1 + 1e-12) + 1e-300


# ---- softmax: the outputs of a row are tied --------------------------------------------------------------------------


@st.composite
def softmax_rows(draw):
    """(z, y): equal outputs, extreme ones, hot and soft targets."""
    n = draw(st.integers(2, 5))
    z = draw(st.one_of(st.lists(numbers, min_size=n, max_size=n), numbers.map(lambda v: [v] * n)))
    if draw(st.booleans()):
        y = [0.0] * n
        y[draw(st.integers(0, n - 1))] = 1.0
    else:
        parts = draw(st.lists(st.integers(0, 16), min_size=n, max_size=n).filter(any))
        y = [p / sum(parts) for p in parts]
    return np.array([z]), np.array([y])


def _probabilities(z):
    top = max(z)
    terms = [mp.exp(v - top) for v in z]
    return [t / mp.fsum(terms) for t in terms], top + mp.log(mp.fsum(terms))


def _softmax_value(z, y):
    return _probabilities(z)[1] - mp.fsum(a * b for a, b in zip(z, y, strict=True))


@settings(max_examples=examples(150), deadline=None)
@given(row=softmax_rows(), seed=st.integers(0, 2**32 - 1))
def test_softmax_is_that_of_mpmath(row, seed):
    Z, Y = row
    loss = Softmax()
    n = Z.shape[1]
    d = np.random.default_rng(seed).normal(size=(1, n))
    assert np.array_equal(loss.targets(Y), Y)
    with mp.workdps(DIGITS):
        z, y, step = ([number(v) for v in row[0]] for row in (Z, Y, d))
        p, _ = _probabilities(z)
        size = mp.sqrt(mp.fsum(v * v for v in z))
        truth = [a - b for a, b in zip(p, y, strict=True)]
        for found, slope in zip(loss.slopes(Z, Y)[0], truth, strict=True):
            assert (
                abs(found - slope) <= loss.slope_units(n) * (abs(slope) + 1) + 4 * U * size * loss.lipschitz
            )
        spread = max(z) - min(z)
        value = _softmax_value(z, y)
        assert abs(loss.values(Z, Y).item() - value) <= (16 + n) * U * (abs(value) + spread) + n * U * size
        mean = mp.fsum(a * b for a, b in zip(p, step, strict=True))
        variance = mp.fsum(a * (b - mean) ** 2 for a, b in zip(p, step, strict=True))
        found = np.sqrt(loss.curvatures(Z, Y, d).item())
        off = mp.exp(8 * U * max(abs(v) for v in z)) * (1 + 32 * mp.mpf(U)) - 1 if size < 1e16 else mp.inf
        if off < 1:
            assert (
                abs(found - mp.sqrt(variance))
                <= off * mp.sqrt(variance) + (n + 10) * U * np.abs(d).max() + 1e-160
            )
        assert variance <= loss.lipschitz * mp.fsum(v * v for v in step)


@settings(max_examples=examples(100), deadline=None)
@given(row=softmax_rows(), seed=st.integers(0, 2**32 - 1), exponent=st.sampled_from([0, 3, -40, -400]))
def test_softmax_bounds_bound(row, seed, exponent):
    Z, Y = row
    assume(np.abs(Z).max() < 1e12)
    loss = Softmax()
    n = Z.shape[1]
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(1, n)) * rng.choice([1e-6, 1.0, 10.0])
    z_error, d_error = 2.0**-20 * rng.random((1, n)), 2.0**-24 * rng.random((1, n))
    low, high = loss.mean_curvatures(Z, Y, d, z_error, d_error, exponent)
    assert low.shape == high.shape == (1,)
    with mp.workdps(2 * DIGITS):
        unit = mp.mpf(2) ** exponent
        a = [
            number(v) + number(s) * e
            for v, s, e in zip(Z[0], rng.uniform(-0.9, 0.9, n), z_error[0], strict=True)
        ]
        t = [
            (number(v) + number(s) * e) * unit
            for v, s, e in zip(d[0], rng.uniform(-0.9, 0.9, n), d_error[0], strict=True)
        ]
        y = [number(v) for v in Y[0]]
        # probabilities that sum to 1 exactly: y's own sum does not enter a curvature
        p, start = _probabilities(a)
        moved, end = _probabilities([u + v for u, v in zip(a, t, strict=True)])
        linear = mp.fsum(u * v for u, v in zip(p, t, strict=True))
        truth = 2 * (end - start - linear) / unit**2
        slack = mp.mpf(10) ** (-2 * DIGITS + 320)
        assert low.item() - slack <= truth <= high.item() + slack
        # slopes are L-Lipschitz, and curvatures move by at most exp(kappa * range)
        gap = mp.sqrt(mp.fsum((u - v) ** 2 for u, v in zip(p, moved, strict=True)))
        assert gap <= loss.lipschitz * mp.sqrt(mp.fsum(v * v for v in t)) + slack
        assert len(y) == n

        def variance(weights):
            mean = mp.fsum(w * v for w, v in zip(weights, t, strict=True))
            return mp.fsum(w * (v - mean) ** 2 for w, v in zip(weights, t, strict=True))

        factor = mp.exp(loss.kappa * (max(t) - min(t)))
        assert variance(p) / factor <= variance(moved) * (1 + slack)
        assert variance(moved) <= variance(p) * factor * (1 + slack)


# ---- exact signs and exact values ------------------------------------------------------------------------------------


def matrix(v):
    return RationalMatrix.of([[v if isinstance(v, Fraction) else Fraction(v)]])


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=examples(80), deadline=None)
@given(data=st.data())
def test_signs_of_slopes_are_exact(name, data):
    case = CASES[name]
    z, y = data.draw(rows(case))
    sign = case.loss.slope_signs(matrix(z), matrix(y))[0, 0]
    with mp.workdps(DIGITS):
        assert sign == mp.sign(case.slope(number(z), number(y)))


@settings(max_examples=examples(60), deadline=None)
@given(tau=st.floats(0.001, 0.999), s=st.floats(1e-3, 1e3), digits=st.integers(15, 60), above=st.booleans())
def test_log_odds_are_told_from_rationals_however_near(tau, s, digits, above):
    loss = SmoothedQuantile(tau, s)
    if tau == 0.5:
        assert loss.slope_signs(matrix(1.0), matrix(1.0))[0, 0] == 0
        return
    with mp.workdps(100):
        odds = mp.log(mp.mpf(tau) / (1 - mp.mpf(tau)))
        near = Fraction(int(mp.floor(odds * 10**digits)) + above, 10**digits)
    z = near * Fraction(s)
    assert loss.slope_signs(matrix(z), matrix(0))[0, 0] == (1 if above else -1)


@settings(max_examples=examples(80), deadline=None)
@given(row=softmax_rows())
def test_signs_of_softmax_slopes_are_exact(row):
    Z, Y = row
    signs = Softmax().slope_signs(RationalMatrix.of_floats(Z), RationalMatrix.of_floats(Y))
    with mp.workdps(DIGITS):
        z, y = ([number(v) for v in row[0]] for row in (Z, Y))
        p, _ = _probabilities(z)
        for found, a, b in zip(signs[0], p, y, strict=True):
            if b in (0, 1) and len(set(z)) > 1:
                # p is below 1 and above 0, also where 420 digits do not show it
                assert found == (1 if b == 0 else -1)
            else:
                assert found == (0 if abs(a - b) < mp.mpf(10) ** -400 else mp.sign(a - b))


def test_a_softmax_slope_vanishes_only_where_outputs_are_equal():
    third = Fraction(1, 3)
    level = RationalMatrix.of([[Fraction(7)] * 3])
    assert Softmax().slope_signs(level, RationalMatrix.of([[third] * 3])).tolist() == [[0, 0, 0]]
    tilted = RationalMatrix.of([[Fraction(7), Fraction(7), 7 + Fraction(1, 10**80)]])
    assert Softmax().slope_signs(tilted, RationalMatrix.of([[third] * 3])).tolist() == [[-1, -1, 1]]
    # one class alone: p = 1
    assert Softmax().slope_signs(matrix(5), matrix(1)).tolist() == [[0]]


@settings(max_examples=examples(60), deadline=None)
@given(z=numbers, y=numbers, delta=st.sampled_from([0.75, 1e-200, 1e10]))
def test_rational_losses_are_their_definition_in_rationals(z, y, delta):
    e = Fraction(z) - Fraction(y)
    for loss in (Squared(), Huber(delta)):
        d = Fraction(delta) if isinstance(loss, Huber) else abs(e)
        value = e * e / 2 if abs(e) <= d else d * (abs(e) - d / 2)
        assert loss.exact_values(matrix(z), matrix(y)).rows() == [[value]]
        assert loss.exact_slopes(matrix(z), matrix(y)).rows() == [[max(min(e, d), -d)]]
    for loss in (Logistic(), LogCosh(), Softmax(), SmoothedQuantile()):
        assert not loss.rational
        for exact in (loss.exact_values, loss.exact_slopes):
            with pytest.raises(LossError, match=r"no rational values and slopes; .*slope_signs"):
                exact(matrix(z), matrix(y))


def test_a_pointwise_loss_is_a_value():
    for loss in [case.loss for case in CASES.values()] + [Softmax(3)]:
        assert pickle.loads(pickle.dumps(loss)) == loss
        assert hash(loss) == hash(pickle.loads(pickle.dumps(loss)))
    assert SmoothedQuantile(0.3, 0.25) != SmoothedQuantile(0.3, 0.5)
    assert fm.HuberLoss(np.eye(2), np.eye(2), 0.5).pointwise == Huber(0.5)
    for bad in (0, -1.0, float("nan"), "wide"):
        with pytest.raises(LossError, match="delta must be"):
            Huber(bad)
        with pytest.raises(LossError, match="smoothing must be"):
            SmoothedQuantile(0.5, bad)
    with pytest.raises(LossError, match="tau must be between 0 and 1"):
        SmoothedQuantile(1.0)
    labels = np.array([[0.0], [2.0]])
    assert Softmax().targets(labels).tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    assert Softmax(4).targets(labels).shape == (2, 4)
    assert Logistic().targets(np.array([[0.0], [1.0]])).tolist() == [[-1.0], [1.0]]


# ---- weighted sums over rows -----------------------------------------------------------------------------------------
