"""The exact fit, the groups of equal inputs and J agree with their definitions in rational arithmetic."""

import importlib.util
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import exact_reference as reference
from fastminima.exact import solve
from fastminima.exact.affine import Columns
from fastminima.exact.dd import evaluate
from fastminima.exact.fit import ExactFit, exact_affine_excess
from fastminima.exact.gram import gram_of
from fastminima.exact.groups import find_groups, group_ids
from fastminima.exact.splits import find_splits
from profiles import examples


@settings(max_examples=examples(150), deadline=None)
@given(reference.datasets(exact=True))
def test_fit_is_the_rational_least_squares_fit(data):
    fit = ExactFit.of(data)
    pivots, coefficients = reference.least_squares(data)
    assert [fit.intercept, *fit.coef] == coefficients
    assert list(fit.pivots) == pivots
    assert fit.rank == len(pivots)
    fitted, residual = reference.fitted_residual(data, coefficients)
    assert fit.risk == reference.risk(data, fitted)
    assert fit.linearly_fittable == (not any(residual))
    assert fit.n_samples == len(data.y)
    X, _, weight = reference.rows_of(data)
    assert fit.total_weight == sum(weight)
    # the normal equations themselves, independent of any elimination
    for column in ([1] * len(X), *zip(*X, strict=True)):
        assert sum(w * r * v for w, r, v in zip(weight, residual, column, strict=True)) == 0
    for method, expected in ((fit.fitted_numerators, fitted), (fit.residual_numerators, residual)):
        numerators, scale = method()
        assert scale > 0
        assert [n * scale for n in numerators] == expected
        index = np.arange(len(X))[::2]
        numerators, scale = method(index)
        assert [n * scale for n in numerators] == expected[::2]


@pytest.mark.skipif(importlib.util.find_spec("flint") is None, reason="python-flint is not installed")
@settings(max_examples=examples(60), deadline=None)
@given(reference.datasets(max_features=5))
def test_flint_and_integers_agree(data):
    gram = gram_of(data)
    assert solve.solve_normal_equations(gram, use_flint=True) == solve.solve_normal_equations(
        gram, use_flint=False
    )


def test_a_matrix_that_is_no_gram_matrix_is_refused():
    gram = gram_of(reference.dataset([[1.0], [2.0]], [1.0, 0.0]))
    gram.entries[1][1] = 0
    with pytest.raises(ValueError, match="semidefinite"):
        solve.solve_normal_equations(gram, use_flint=False)


def test_floats_of_the_fit_are_correctly_rounded():
    data = reference.dataset([[0.0], [1.0], [3.0]], [0.0, 1.0, 1.0])
    fit = ExactFit.of(data)
    assert fit.coef == [Fraction(2, 7)]
    assert fit.coef_float.tolist() == [2 / 7]
    assert fit.intercept_float == float(fit.intercept) == 2 / 7
    steep = ExactFit.of(reference.dataset([[0.0], [1e-300]], [0.0, -1e300]))
    assert steep.coef_float.tolist() == [-math.inf]


@settings(max_examples=examples(150), deadline=None)
@given(reference.datasets(exact=True))
def test_split_set_is_its_definition(data):
    fit = ExactFit.of(data)
    fitted, residual = reference.fitted_residual(data, [fit.intercept, *fit.coef])
    order, positions = reference.split_set(fitted, residual, reference.rows_of(data)[2])
    splits = fit.J()
    assert splits.order.tolist() == order
    assert splits.positions.tolist() == positions
    distinct = sorted(set(fitted))
    assert splits.tie_group.tolist() == [distinct.index(fitted[i]) for i in order]


def naive_groups(data, residual, weight):
    X, y, _ = reference.rows_of(data)
    members = {}
    for i, x in enumerate(X):
        members.setdefault(tuple(x), []).append(i)
    pure = Fraction(0)
    for group in members.values():
        total = sum(weight[i] for i in group)
        mean = sum(weight[i] * y[i] for i in group) / total
        pure += sum(weight[i] * (y[i] - mean) ** 2 for i in group) / 2
    return (
        list(members.values()),
        [sum(weight[i] * residual[i] for i in g) != 0 for g in members.values()],
        pure,
    )


@settings(max_examples=examples(150), deadline=None)
@given(reference.datasets(exact=True))
def test_groups_of_equal_inputs(data):
    fit = ExactFit.of(data)
    _, residual = reference.fitted_residual(data, [fit.intercept, *fit.coef])
    members, has_residual, pure = naive_groups(data, residual, reference.rows_of(data)[2])
    groups = fit.groups()
    assert [np.flatnonzero(groups.ids == g).tolist() for g in range(groups.n_groups)] == members
    assert groups.first.tolist() == [g[0] for g in members]
    assert groups.size.tolist() == [len(g) for g in members]
    assert groups.has_residual.tolist() == has_residual
    assert groups.pure_error == pure
    # what all functions of x leave over is a lower bound, attained exactly when no group has a residual
    assert (fit.risk == pure) == (not any(has_residual))


def hash_before_second_column(value):
    key = np.atleast_1d(np.float64(value)).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return key ^ (key >> np.uint64(29))


def test_groups_survive_a_hash_collision():
    first, second = 1.5, 2.5
    difference = hash_before_second_column(first) ^ hash_before_second_column(second)
    a = np.array([1.0])
    b = (a.view(np.uint64) ^ difference).view(np.float64)
    assert np.isfinite(b).all()
    X = np.array([[first, a[0]], [second, b[0]]] * 3)
    # six rows with one hash: the sort by hash leaves them mixed
    ids, first_rows = group_ids(Columns(reference.dataset(X, np.zeros(6))))
    assert ids.tolist() == [0, 1] * 3
    assert first_rows.tolist() == [0, 1]


def double_double(data, fit):
    """Fitted values and residuals as the fit itself gets them."""
    return evaluate(Columns(data), [fit.fitted_form, fit.residual_form])


@settings(max_examples=examples(100), deadline=None)
@given(reference.datasets(exact=True))
def test_double_double_bounds_hold(data):
    fit = ExactFit.of(data)
    expected = reference.fitted_residual(data, [fit.intercept, *fit.coef])
    for values, truth in zip(double_double(data, fit), expected, strict=True):
        unit = Fraction(2) ** values.exponent
        for hi, lo, exact in zip(values.hi.tolist(), values.lo.tolist(), truth, strict=True):
            assert abs(exact / unit - Fraction(hi) - Fraction(lo)) <= Fraction(values.bound)
            assert hi + lo == hi


def test_double_double_bound_is_small():
    rng = np.random.default_rng(1)
    data = reference.dataset(
        rng.normal(size=(200, 10)) * 10.0 ** rng.integers(-5, 5, 10), rng.normal(size=200)
    )
    fit = ExactFit.of(data)
    size = abs(fit.intercept) + sum(
        abs(c) * Fraction(v) for c, v in zip(fit.coef, np.abs(data.X).max(axis=0).tolist(), strict=True)
    )
    for values in double_double(data, fit):
        assert 0 < Fraction(values.bound) * Fraction(2) ** values.exponent <= (size + 4) * Fraction(1, 2**95)


@pytest.mark.parametrize("kind", ["continuous", "integers", "weights", "shifted", "near ties", "mirrored"])
def test_filters_agree_with_integers_on_larger_data(kind):
    rng = np.random.default_rng(7)
    m = 1500
    X, y, weight = rng.normal(size=(m, 3)), rng.normal(size=m), None
    if kind in ("integers", "weights"):
        X, y = rng.integers(0, 5, (m, 3)).astype(float), rng.integers(0, 2, m).astype(float)
    if kind == "weights":
        weight = rng.choice([0.25, 1.0, 0.1, 1e-20], m)
    if kind == "shifted":
        X = np.round(X, 1) + 1e8
    if kind == "near ties":
        # the second column moves the fitted values by 1e-60, far below double-double
        X = np.column_stack([rng.integers(0, 3, m), rng.integers(0, 50, m)]).astype(float)
        X = np.vstack([X, X])
        y = np.concatenate([np.ones(m), -np.ones(m)])
        y[0] += 2.0**-52
        y = np.where(np.arange(2 * m) == 1, 1e-60, y)
    if kind == "mirrored":
        # symmetric about the centre: many prefix sums vanish or nearly do
        X = np.vstack([X, -X])
        y = np.concatenate([y, y])
        y[3] += 1e-16
    data = reference.dataset(X, y, weight)
    fit = ExactFit.of(data)
    columns = Columns(data)
    exact = find_splits(columns, fit.fitted_form, fit.residual_form, None, False, lambda: group_ids(columns))
    splits = fit.J()
    assert splits.order.tolist() == exact.order.tolist()
    assert splits.tie_group.tolist() == exact.tie_group.tolist()
    assert splits.positions.tolist() == exact.positions.tolist()
    groups = find_groups(columns, fit.residual_form, None, False, group_ids(columns))
    assert fit.groups().has_residual.tolist() == groups.has_residual.tolist()


@pytest.mark.parametrize("tiny", [1e-40, 1e-300, 1e-310, 4e-323])
def test_fits_that_only_a_tiny_number_keeps_from_being_exact(tiny):
    # residuals are +-tiny/4, out of reach of double-double at the scale of the fitted values
    data = reference.dataset([[0, 0], [0, 1], [1, 0], [1, 1]], [tiny, 0, 1, 1])
    fit = ExactFit.of(data)
    assert fit.coef[1] == -Fraction(tiny) / 2
    fitted, residual = reference.fitted_residual(data, [fit.intercept, *fit.coef])
    assert {abs(r) for r in residual} == {Fraction(tiny) / 4}
    order, positions = reference.split_set(fitted, residual, [1] * 4)
    assert fit.J().order.tolist() == order == [1, 0, 3, 2]
    assert fit.J().positions.tolist() == positions == [0, 2]


def test_double_double_is_normalised_where_the_low_word_rounds_up():
    # just below the middle of two neighbours: lo rounds to half a unit and hi + lo would round to even
    value = Fraction(1 + 2.0**-52) + Fraction(2) ** -53 - Fraction(2) ** -200
    data = reference.exact_dataset([[Fraction(0), Fraction(1)], [Fraction(0), value]])
    fitted, _ = double_double(data, ExactFit.of(data))
    assert (fitted.hi + fitted.lo).tolist() == fitted.hi.tolist()
    unit = Fraction(2) ** fitted.exponent
    assert abs(Fraction(fitted.hi[1]) + Fraction(fitted.lo[1]) - value / unit) <= Fraction(fitted.bound)


@pytest.mark.parametrize("values", [(0.0, 1.0), (-1.0, 1.0)])
@pytest.mark.parametrize("n", [2, 3, 6, 10])
def test_parity_has_no_split(n, values):
    fit = ExactFit.of(reference.parity(n, values))
    assert fit.coef == [0] * n
    assert fit.intercept == Fraction(1, 2)
    assert fit.risk == Fraction(2**n, 8)
    splits = fit.J()
    assert not len(splits.positions)
    assert not splits.tie_group.any()
    assert fit.groups().has_residual.all()


def test_two_way_tables():
    X = np.array([[a, b] for a in (0, 1, 3) for b in (0, 1, 3)], dtype=float)
    # rows and columns of the table sum to zero: pure interaction, orthogonal to every additive model
    interaction = np.outer([2, -3, 1], [2, -3, 1]).astype(float).ravel()
    alone = ExactFit.of(reference.dataset(X, interaction))
    assert alone.coef == [0, 0]
    assert not len(alone.J().positions)
    with_main_effects = ExactFit.of(reference.dataset(X, interaction + X.sum(axis=1)))
    assert with_main_effects.coef == [1, 1]
    splits = with_main_effects.J()
    # fitted values 0, 1 1, 2, 3 3, 4 4, 6; their residual sums -4, 12, -9, -4, 6, -1 reach 0 at the end only
    assert splits.tie_group.tolist() == [0, 1, 1, 2, 3, 3, 4, 4, 5]
    assert splits.positions.tolist() == [0, 2, 3, 5, 7]


@settings(max_examples=examples(80), deadline=None)
@given(reference.datasets(), st.data())
def test_affine_excess(data, draws):
    fit = ExactFit.of(data)
    coefficients = draws.draw(
        st.lists(reference.ORDINARY, min_size=data.X.shape[1] + 1, max_size=data.X.shape[1] + 1)
    )
    outputs, _ = reference.fitted_residual(data, [Fraction(c) for c in coefficients])
    excess = exact_affine_excess(fit, np.array(coefficients[1:]), coefficients[0])
    assert excess == reference.risk(data, outputs) - fit.risk
    assert excess == fit.excess(coefficients[1:], Fraction(coefficients[0]))
    assert excess >= 0
    assert fit.excess(fit.coef, fit.intercept) == 0
