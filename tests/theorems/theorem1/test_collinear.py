"""Columns collinear up to rounding: the minimum in two rows, its risk, and kinks that survive rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastminima as fm
import oracle
from fastminima.theorems.theorem1.exact_kinks import rounding_costs
from fastminima.theorems.theorem1.minimum import COSTLY_EXCESS


def collinear(seed, m, n, *, weighted=False):
    """The last column a rounded combination of the others; targets small whole numbers."""
    rng = np.random.default_rng(seed)
    X = rng.integers(1, 3000, (m, n)) / 8
    X[:, -1] = X[:, :-1] @ rng.uniform(0.5, 2.0, n - 1)
    y = rng.integers(0, 10, m).astype(float)
    return fm.Dataset(X, y, sample_weight=rng.integers(1, 5, m) / 2 if weighted else None)


CASES = [(1, 12, 2, False), (2, 20, 3, False), (3, 15, 2, True), (4, 30, 5, False)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("activation", [fm.relu, fm.leaky_relu(0.3), fm.PiecewiseLinear(0.7, 1.3)], ids=str)
@pytest.mark.parametrize(("width", "alpha"), [(2, 1.0), (4, 0.3)])
def test_two_rows_carry_what_one_row_rounds_away(case, activation, width, alpha):
    seed, m, n, weighted = case
    data = collinear(seed, m, n, weighted=weighted)
    one = fm.spurious_minimum(data, activation, width=1, alpha=alpha)
    assert one.excess > COSTLY_EXCESS * one.fit.risk
    assert any("rounding the parameters" in note for note in one.notes)
    low = fm.spurious_minimum(data, activation, width=width, alpha=alpha)
    assert low.excess < 1e-20 * low.fit.risk
    assert np.count_nonzero(low.network.W2) == 2
    # the second row is what rounding the first one left
    assert (np.abs(low.network.W1[1]) <= 2.0**-52 * np.abs(low.network.W1[0])).all()
    # a member of the family: s+ W2 W1 = w, and every preactivation is positive on every sample
    s_plus = Fraction(activation.s_plus)
    slopes = [
        s_plus * sum(Fraction(v) * Fraction(r) for v, r in zip(low.network.W2.tolist(), column, strict=True))
        for column in low.network.W1.T.tolist()
    ]
    for slope, best in zip(slopes, low.fit.exact.coef, strict=True):
        assert abs(slope - best) <= abs(best) * Fraction(2) ** -100
    for row in data.X.tolist():
        z = [
            sum((Fraction(a) * Fraction(x) for a, x in zip(w, row, strict=True)), Fraction(b))
            for w, b in zip(low.network.W1.tolist(), low.network.b1.tolist(), strict=True)
        ]
        norm = 1 + sum(Fraction(x) ** 2 for x in row)
        assert all(v > 0 and v * v >= Fraction(low.radius) ** 2 * norm for v in z)
    assert fm.probe(low.network, data, radius=0.9 * low.radius, n=3000).n_negative == 0
    for member in low.sample(2, rng=1):
        assert member.excess <= COSTLY_EXCESS * member.fit.risk


@pytest.mark.parametrize("case", CASES)
def test_the_risk_is_the_risk_where_rounding_shows(case):
    seed, m, n, weighted = case
    data = collinear(seed, m, n, weighted=weighted)
    for width in (1, 2):
        low = fm.spurious_minimum(data, width=width)
        exact = oracle.network_risk(low.network, data.X, data.y, data.sample_weight)
        assert low.risk == float(exact)
        assert exact - low.fit.exact.risk <= Fraction(low.excess)


def test_a_risk_far_above_the_fit_by_its_bound_is_evaluated():
    # enough rows for the float route, targets affine but for a few ulps: the bound of the excess is far above it
    x = np.linspace(1.0, 2.0, 60_000)
    X = np.stack([x, x * x, x**3], axis=1)
    y = X @ [3.0, -2.0, 0.5] + 1e6
    low = fm.spurious_minimum(fm.Dataset(X, y), width=1)
    assert low.fit.method == "float"
    assert low.risk == float(low.fit.exact.risk + low.fit.exact.excess(*low.affine))
    assert low.risk < 2 * low.fit.risk


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("activation", [fm.relu, fm.leaky_relu(0.3)], ids=str)
def test_kinks_survive_where_float64_holds_no_slopes(case, activation):
    seed, m, n, weighted = case
    data = collinear(seed, m, n, weighted=weighted)
    low = fm.spurious_minimum(data, activation, width=3)
    assert rounding_costs(low.fit)
    better = fm.better_point(low, "kink", n_directions=8)
    assert better.status == "better"
    true = low.fit.exact.risk - oracle.network_risk(better.network, data.X, data.y, data.sample_weight)
    assert true >= Fraction(better.drop_certified)
    assert better.relative_drop > 0.01
    # a second kink gains more
    two = fm.better_point(low, "kink", n_kinks=2, n_directions=8)
    assert two.drop > better.drop
    paper = fm.better_point(low, n_directions=8)
    assert paper.status == "better"


def test_the_certificate_of_a_minimum_in_two_rows_is_accepted():
    data = collinear(7, 14, 2)
    low = fm.spurious_minimum(data)
    certificate = fm.prove(low, fm.better_point(low, "kink"))
    assert certificate.checked


def test_ordinary_data_stay_in_one_row():
    rng = np.random.default_rng(3)
    data = fm.Dataset(rng.normal(size=(30, 3)), rng.normal(size=30))
    low = fm.spurious_minimum(data, width=3)
    assert np.count_nonzero(low.network.W2) == 1
    assert not rounding_costs(low.fit)
    assert low.risk == low.fit.risk
