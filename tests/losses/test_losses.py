"""Losses of a product: values, gradients and changes against 60 digits, exact rationals and autodiff."""

from __future__ import annotations

from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima.errors import LossError
from fastminima.losses import squared
from fastminima.losses import weighted_sum as losses
from fastminima.losses.base import ScaledMatrix
from loss_cases import LOSSES, problems, rational
from profiles import examples


def flat(rows):
    return [v for row in rows for v in row]


def reference(name, X, Y, R):
    """ell0(R) in 60 digits (400 for tiny changes, set by the caller); R a list of rows of mpf."""
    phi = LOSSES[name][1]
    total = mp.mpf(0)
    for x, y in zip(X.tolist(), Y.tolist(), strict=True):
        z = [mp.fsum(r * v for r, v in zip(row, x, strict=True)) for row in R]
        if name == "softmax":
            hot = [0.0] * len(y)
            hot[int(np.argmax(y))] = 1.0
            total += phi(z, hot)
        else:
            total += mp.fsum(phi(a, b) for a, b in zip(z, y, strict=True))
    return total


def exactly(M):
    return [[mp.mpf(float(v)) for v in row] for row in M]


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=examples(25), deadline=None)
@given(problem=problems(), shift=st.sampled_from([0, 0, -40, -400]))
def test_a_change_encloses_the_truth_at_any_scale(name, problem, shift):
    X, Y, R, D = problem
    loss = LOSSES[name][0](X, Y)
    change = loss.change(R, D, exponent=shift)
    with mp.workdps(60 if shift > -100 else 420):
        unit = mp.mpf(2) ** shift
        moved = [
            [a + b * unit for a, b in zip(row, other, strict=True)]
            for row, other in zip(exactly(R), exactly(D), strict=True)
        ]
        truth = (reference(name, X, Y, moved) - reference(name, X, Y, exactly(R))) / mp.mpf(
            2
        ) ** change.exponent
        assert abs(truth - change.value) <= change.error
        assert change.proved
        # a bound that says nothing is no bound: 1e-9 of the size of the terms, or the curvature's part where d is large
        if shift < 0:
            terms = (
                np.abs(X).sum()
                * max(np.abs(Y).max() + (np.abs(X) @ np.abs(R).T).max(), 1.0)
                * np.abs(D).max()
            )
            curved = (np.abs(X).max() * np.abs(D).max()) ** 3 * X.size * 4**3 * 2.0**shift
            assert change.error <= 1e-9 * terms + 100 * curved + 1e-300


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=examples(15), deadline=None)
@given(problem=problems())
def test_gradients_are_derivatives_of_the_value(name, problem):
    X, Y, R, _ = problem
    loss = LOSSES[name][0](X, Y)
    G, E = loss.gradient_enclosure(R)
    assert np.array_equal(G, loss.gradient(R))
    with mp.workdps(60):
        exact = exactly(R)
        value = reference(name, X, Y, exact)
        assert abs(loss.value(R) - value) <= 1e-12 * (1 + abs(value) + np.abs(Y).sum())
        for j in range(R.shape[0]):
            for k in range(R.shape[1]):

                def along(t, j=j, k=k):
                    moved = [list(row) for row in exact]
                    moved[j][k] += t
                    return reference(name, X, Y, moved)

                h = mp.mpf(10) ** -18
                slope = (along(h) - along(-h)) / (2 * h)
                # the quotient's own error: third derivatives are at most 2 / 0.25**2 here; Huber's kink costs h
                own = mp.mpf(10) ** -14 * (1 + np.abs(X).max() ** 3) * len(X)
                assert abs(slope - G[j, k]) <= E[j, k] + own


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=examples(15), deadline=None)
@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_enclosures_hold_for_every_product_and_step_they_speak_of(name, problem, seed):
    X, Y, R, D = problem
    loss = LOSSES[name][0](X, Y)
    rng = np.random.default_rng(seed)
    R_error, D_error = (
        2.0**-20 * np.abs(rng.normal(size=R.shape)),
        2.0**-24 * np.abs(rng.normal(size=R.shape)),
    )
    true_R, true_D = (
        R + R_error * rng.uniform(-0.9, 0.9, R.shape),
        D + D_error * rng.uniform(-0.9, 0.9, R.shape),
    )
    G, E = loss.gradient_enclosure(R, R_error)
    inner, inner_error = loss.gradient_enclosure(true_R)
    assert (np.abs(G - inner) <= E + inner_error).all()
    change = loss.change(R, D, R_error, D_error)
    with mp.workdps(60):
        moved = [
            [a + b for a, b in zip(row, other, strict=True)]
            for row, other in zip(exactly(true_R), exactly(true_D), strict=True)
        ]
        truth = reference(name, X, Y, moved) - reference(name, X, Y, exactly(true_R))
        assert abs(truth - change.value) <= change.error


@settings(max_examples=examples(40), deadline=None)
@given(problem=problems(), name=st.sampled_from(["squared", "huber", "sum"]))
def test_exact_methods_are_the_definition_in_rationals(problem, name):
    X, Y, R, D = problem
    squared, huber = fm.SquaredLoss(X, Y), fm.HuberLoss(X, Y, 0.75)
    loss = {"squared": squared, "huber": huber, "sum": fm.WeightedSum([squared, huber], [Fraction(1, 3), 2])}[
        name
    ]
    assert loss.rational
    delta = Fraction(3, 4)

    def phi(e, kind):
        if kind == "squared" or abs(e) <= delta:
            return e * e / 2
        return delta * (abs(e) - delta / 2)

    def value(R):
        total = {"squared": Fraction(0), "huber": Fraction(0)}
        for x, y in zip(rational(X), rational(Y), strict=True):
            for row, t in zip(R, y, strict=True):
                e = sum(a * b for a, b in zip(row, x, strict=True)) - t
                for kind in total:
                    total[kind] += phi(e, kind)
        return total.get(name, total["squared"] / 3 + 2 * total["huber"])

    start, step = rational(R), rational(D)
    moved = [[a + b for a, b in zip(row, other, strict=True)] for row, other in zip(start, step, strict=True)]
    assert loss.exact_value(start) == value(start)
    assert loss.exact_change(start, step) == value(moved) - value(start)
    G = loss.exact_gradient(start)
    rounded, E = loss.gradient_enclosure(R)
    assert all(
        abs(Fraction(float(g)) - t) <= Fraction(float(e))
        for g, t, e in zip(rounded.flat, flat(G), E.flat, strict=True)
    )
    # <G, D> is the derivative of the exact change: both are quadratic where no residual crosses +-delta
    tiny = Fraction(1, 10**40)
    slope = sum(g * d for row, other in zip(G, step, strict=True) for g, d in zip(row, other, strict=True))
    short = [[d * tiny for d in row] for row in step]
    assert abs(loss.exact_change(start, short) / tiny - slope) <= Fraction(1, 10**30)


@settings(max_examples=examples(60), deadline=None)
@given(
    problem=problems(),
    scales=st.tuples(*[st.sampled_from([1.0, 2.0**-520, 2.0**-560, 2.0**-600, 2.0**300])] * 3),
    shift=st.sampled_from([0, -60, -1100, 500]),
    huber=st.booleans(),
)
def test_enclosures_hold_where_squares_underflow(problem, scales, shift, huber):
    X, Y, R, D = problem
    X, Y, R = X * scales[0], Y * scales[1], R * scales[2]
    loss = fm.HuberLoss(X, Y, 0.75) if huber else fm.SquaredLoss(X, Y)
    G, E = loss.gradient_enclosure(R)
    centre, radius = loss.gradient_ball(R)
    true = loss.exact_gradient(rational(R))
    gaps = [
        abs(Fraction(float(g)) - t)
        for g, t, e in zip(G.flat, flat(true), E.flat, strict=True)
        if np.isfinite(e)
    ]
    assert all(
        not np.isfinite(e) or abs(Fraction(float(g)) - t) <= Fraction(float(e))
        for g, t, e in zip(G.flat, flat(true), E.flat, strict=True)
    )
    if np.isfinite(radius):
        assert np.array_equal(G, centre)
        assert sum(g * g for g in gaps) <= Fraction(radius) ** 2
    change = loss.change(R, D, exponent=shift)
    if change.proved:
        unit = Fraction(2) ** shift
        truth = loss.exact_change(rational(R), [[d * unit for d in row] for row in rational(D)])
        assert abs(truth / Fraction(2) ** change.exponent - Fraction(change.value)) <= Fraction(change.error)


def test_squared_moments_are_the_products_of_the_data_and_take_rationals_as_they_are():
    X = np.array([[Fraction(1, 3), 2], [Fraction(-5, 7), Fraction(1, 2)], [4, 0]], dtype=object)
    Y = np.array([[1, Fraction(2, 9)], [0, 3], [Fraction(1, 11), -1]], dtype=object)
    loss = fm.SquaredLoss(X, Y)
    moments = loss.moments
    exact = [
        [
            [sum(a * b for a, b in zip(A[:, i], B[:, j], strict=True)) for j in range(B.shape[1])]
            for i in range(A.shape[1])
        ]
        for A, B in ((X, X), (Y, X), (Y, Y))
    ]
    assert [moments.sxx, moments.syx, moments.syy] == exact
    # rounded views of such data are covered by the bounds
    R = np.array([[0.5, -1.0], [2.0, 0.25]])
    G, E = loss.gradient_enclosure(R)
    true = loss.exact_gradient(rational(R))
    assert all(
        abs(Fraction(float(g)) - t) <= Fraction(float(e))
        for g, t, e in zip(G.flat, flat(true), E.flat, strict=True)
    )
    with_bias = fm.SquaredLoss(X, Y, bias=True)
    assert with_bias.shape == (2, 3)
    assert with_bias.moments.sxx[2] == [sum(X[:, 0]), sum(X[:, 1]), 3]


@settings(max_examples=examples(20), deadline=None)
@given(problem=problems(), scale=st.sampled_from([1.0, 2.0**-600, 2.0**500]))
def test_both_ways_to_the_moments_agree(problem, scale):
    X, Y, _, _ = problem
    short, long = fm.SquaredLoss(X * scale, Y), fm.SquaredLoss(X * scale, Y)
    kept = squared.SMALL
    squared.SMALL = 0
    try:
        assert long.moments == short._small_moments()
    finally:
        squared.SMALL = kept
    assert short.moments == long.moments


def test_losses_say_whether_critical_points_are_global():
    X, Y = np.eye(2), np.array([[1.0, 0.0], [0.0, 1.0]])
    for make, _ in LOSSES.values():
        loss = make(X, Y)
        assert loss.convex
        assert loss.critical_is_global
        assert "convex" in loss.reason
    squared = fm.SquaredLoss(X, Y)
    assert fm.WeightedSum([squared, fm.HuberLoss(X, Y)], [1, 0.5]).critical_is_global
    difference = fm.WeightedSum([squared, fm.HuberLoss(X, Y)], [1, -0.5])
    assert not difference.critical_is_global
    assert "not known" in difference.reason
    assert fm.WeightedSum([squared, fm.HuberLoss(X, Y)], [-1, -0.5]).concave
    assert fm.WeightedSum([fm.WeightedSum([squared], [-1])], [-3]).convex
    assert fm.Loss(abs, abs, concave=True).extremum(np.zeros((1, 1))).kind == "maximum"
    assert fm.WeightedSum([squared, fm.LogCoshLoss(X, Y)], [1, 0]).rational
    assert not fm.WeightedSum([squared, fm.LogCoshLoss(X, Y)]).rational
    with pytest.raises(LossError, match="no rational gradient"):
        fm.LogCoshLoss(X, Y).exact_gradient(rational(np.eye(2)))


@settings(max_examples=examples(20), deadline=None)
@given(problem=problems())
def test_a_weighted_sum_is_the_sum(problem):
    X, Y, R, D = problem
    parts = [fm.SquaredLoss(X, Y), fm.LogCoshLoss(X, Y), fm.SmoothedQuantileLoss(X, Y, 0.9, 0.5)]
    weights = [0.5, 3, Fraction(1, 7)]
    loss = fm.WeightedSum(parts, weights)
    change = loss.change(R, D)
    G, E = loss.gradient_enclosure(R)
    singles = [p.change(R, D) for p in parts]
    total = sum(Fraction(w) * Fraction(c.value) for w, c in zip(weights, singles, strict=True))
    slack = sum(Fraction(w) * Fraction(c.error) for w, c in zip(weights, singles, strict=True))
    assert abs(total - Fraction(change.value)) + slack <= Fraction(change.error) * (
        1 + Fraction(1, 2**40)
    ) + Fraction(1, 2**1000)
    for g, e, *terms in zip(G.flat, E.flat, *(p.gradient(R).flat for p in parts), strict=True):
        assert abs(
            Fraction(float(g))
            - sum(Fraction(w) * Fraction(float(t)) for w, t in zip(weights, terms, strict=True))
        ) <= Fraction(float(e))


def test_changes_are_told_in_decimal_digits():
    for value, exponent, text in (
        (0.99999999, 0, "1.000000e+00"),
        (1e-10 * (1 - 1e-12), 0, "1.000000e-10"),
        (0.5, -1996, "6.967848e-602"),
        (-3.0, 0, "-3.000000e+00"),
    ):
        assert str(losses.Change(value, 0.0, exponent)).startswith(text + " ")


def test_data_beyond_the_range_of_float64_prove_nothing_and_do_not_warn():
    loss = fm.SquaredLoss(np.full((2, 1), 1e300), np.ones((2, 1)))
    change = loss.change(np.ones((1, 1)), np.ones((1, 1)))
    assert not change.proved
    assert not change.positive
    assert loss.exact_change([[Fraction(1)]], [[Fraction(1)]]) > 0


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_of_layers_agree_with_autodiff(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    X, Y = rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    loss = LOSSES[name][0](X, Y)
    layers = [torch.nn.Linear(a, b, bias=False, dtype=torch.float64) for a, b in ((5, 4), (4, 6), (6, 3))]
    Z = torch.nn.Sequential(*layers)(torch.tensor(X))
    torch_value(torch, name, Z, torch.tensor(Y)).backward()
    report = fm.classify_linear([layer.weight for layer in layers], loss, tol=1e-9)
    assert report.verdict == "not_critical"
    for layer, norm in zip(layers, report.gradient_norms, strict=True):
        assert norm == pytest.approx(float(layer.weight.grad.norm()), rel=1e-11)


def torch_value(torch, name, Z, T):
    """ell0 by torch's own losses."""
    F = torch.nn.functional
    return {
        "squared": lambda: 0.5 * F.mse_loss(Z, T, reduction="sum"),
        "huber": lambda: F.huber_loss(Z, T, reduction="sum", delta=0.75),
        "logistic": lambda: F.binary_cross_entropy_with_logits(Z, (T > 0).double(), reduction="sum"),
        "softmax": lambda: F.cross_entropy(Z, T.argmax(dim=1), reduction="sum"),
        "log-cosh": lambda: torch.log(torch.cosh(Z - T)).sum(),
        "quantile": lambda: (0.3 * (T - Z) + 0.25 * F.softplus(-(T - Z) / 0.25, threshold=1e3)).sum(),
    }[name]()


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_agree_with_autodiff(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    X, Y, R = rng.normal(size=(40, 5)), rng.normal(size=(40, 3)), rng.normal(size=(3, 5))
    loss = LOSSES[name][0](X, Y)
    P = torch.tensor(R, dtype=torch.float64, requires_grad=True)
    value = torch_value(torch, name, torch.tensor(X) @ P.T, torch.tensor(Y))
    value.backward()
    assert loss.value(R) == pytest.approx(value.item(), rel=1e-13)
    np.testing.assert_allclose(loss.gradient(R), P.grad.numpy(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_a_change_takes_numbers_or_enclosures_and_names_what_has_another_shape(name):
    rng = np.random.default_rng(1)
    X, Y, R, D = rng.normal(size=(9, 3)), rng.normal(size=(9, 2)), rng.normal(size=(2, 3)), np.ones((2, 3))
    E = np.full((2, 3), 1e-9)
    for loss in (LOSSES[name][0](X, Y), fm.WeightedSum([LOSSES[name][0](X, Y)])):
        assert loss.change(R, D, E, 2 * E, -7) == loss.change_by(
            ScaledMatrix(R, E), ScaledMatrix(D, 2 * E, -7)
        )
        for bad in ((R.T, D), (R, D.T), (R, D, E.T), (R, D, E, E.T)):
            with pytest.raises(LossError, match=r"(R|D)(_error)? must have shape \(2, 3\), got \(3, 2\)"):
                loss.change(*bad)


def test_what_leaves_the_range_of_float64_goes_into_the_error():
    tiny = ScaledMatrix(np.array([[3.0]]), np.array([[0.25]]), -1075).unscaled()
    assert tiny.exponent == 0
    for truth in (2.75, 3.25):
        assert abs(Fraction(truth) / 2**1075 - Fraction(tiny.values.item())) <= Fraction(tiny.error.item())
