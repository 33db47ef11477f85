"""The linear fit: digits against exact arithmetic and SciPy, and its proved bounds."""

from __future__ import annotations

import csv
import importlib
import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
import oracle
from fastminima.exact.fit import ExactFit
from oracle import digits
from places import NIST
from profiles import examples
from strategies import tables

module = importlib.import_module("fastminima.fit.least_squares")


@pytest.fixture
def float_route(monkeypatch):
    """Small data too take the float route."""
    monkeypatch.setattr(module, "EXACT_WORK", 0)


def problems():
    rng = np.random.default_rng(7)
    for m, n in ((60, 2), (400, 7), (3000, 15)):
        X = rng.normal(size=(m, n))
        y = X @ rng.normal(size=n) + rng.normal(size=m)
        yield f"normal-{m}-{n}", X, y
        yield f"offset-{m}-{n}", X + 1e5, y
        yield f"scaled-{m}-{n}", X * 10.0 ** rng.integers(-9, 9, n), y
        yield f"small-residual-{m}-{n}", X, X @ np.ones(n) + 1e-9 * rng.normal(size=m)
        yield f"sorted-{m}-{n}", X[np.argsort(X[:, 0])], y
    x = rng.uniform(0.0, 10.0, 2000)
    for degree in (3, 5, 8):
        yield f"powers-{degree}", np.vander(x, degree + 1)[:, :-1], np.sin(x)
    Z = rng.normal(size=(1500, 6))
    Z[:, 5] = Z[:, :5].sum(axis=1) + 1e-4 * rng.normal(size=1500)
    yield "collinear", Z, Z @ np.ones(6) + rng.normal(size=1500)


@pytest.mark.parametrize(
    ("X", "y"), [(X, y) for _, X, y in problems()], ids=[name for name, _, _ in problems()]
)
def test_never_fewer_digits_than_scipy(X, y, float_route):
    data = fm.Dataset(X, y)
    fit, exact = fm.least_squares(data), ExactFit.of(data)
    truth = [exact.intercept, *exact.coef]
    ours = digits([fit.intercept, *fit.coef], truth)
    theirs = digits(scipy.linalg.lstsq(np.column_stack([np.ones(len(y)), X]), y)[0], truth)
    # equal digits may differ in the last rounding of one coefficient: half a unit in the 16th digit
    assert ours >= min(theirs, 15.3)
    assert fit.risk == pytest.approx(float(exact.risk), rel=1e-9)
    assert fit.defect < 1e-14


@pytest.mark.parametrize(
    ("X", "y"), [(X, y) for _, X, y in problems()], ids=[name for name, _, _ in problems()]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_hold_on_larger_data(X, y, weighted, float_route):
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.2, 3.0, len(y)) if weighted else None
    check_bounds(fm.Dataset(X, y, sample_weight=weight))


@given(tables(max_rows=30, max_features=3))
@settings(max_examples=examples(120), deadline=None)
def test_bounds_hold_on_degenerate_data(table):
    X, y, weight = table
    old, module.EXACT_WORK = module.EXACT_WORK, 0
    try:
        check_bounds(fm.Dataset(X, y, sample_weight=weight))
    finally:
        module.EXACT_WORK = old


def check_bounds(data):
    """tau, the error of a fitted value, of a residual sum and of a residual, all against the exact fit."""
    fit = fm.least_squares(data)
    exact = ExactFit.of(data)
    unit = Fraction(2) ** fit.frame.exponent_y
    assert exact.excess(*fit.affine) * 2 <= (Fraction(fit.tau) * unit) ** 2
    assert fit.rank == exact.rank
    rows = np.unique(np.linspace(0, data.n_samples - 1, 40).astype(int))
    numerators, scale = exact.fitted_numerators(rows)
    slopes, intercept = fit.affine
    for i, n in zip(rows.tolist(), numerators, strict=True):
        view = (Fraction(float(fit.fitted_centred[i])) + Fraction(fit.frame.centre_y)) * unit
        assert abs(view - int(n) * scale) <= Fraction(fit.fitted_error) * unit
        own = intercept + sum(s * Fraction(v) for s, v in zip(slopes, data.X[i].tolist(), strict=True))
        own -= Fraction(float(data.y[i]))
        assert (
            abs(Fraction(float(fit.residual_scaled[i])) * unit - own) <= Fraction(fit.residual_error) * unit
        )
    weights = np.ones(data.n_samples) if data.sample_weight is None else data.sample_weight
    every, every_scale = exact.residual_numerators()
    total = approximate = Fraction(0)
    for i in range(min(data.n_samples, 200)):
        total += Fraction(float(weights[i])) * int(every[i]) * every_scale
        approximate += Fraction(float(weights[i])) * Fraction(float(fit.residual_scaled[i])) * unit
        bound = Fraction(fit.sum_error) + Fraction(fit.term_error) * (i + 1)
        assert abs(total - approximate) <= bound * unit


@pytest.mark.parametrize("size", [5e-324, 1e-310, 1e-300, 1e-160, 1e-62, 1e62, 1e160, 1e307])
@pytest.mark.parametrize("rest", ["alike", "one", "opposite"])
@pytest.mark.parametrize("parity", [False, True])
def test_bounds_hold_for_weights_at_the_ends_of_float64(size, rest, parity, float_route):
    """Subnormal products of weights have no relative accuracy: nothing may be claimed from them in float64."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 2)), rng.normal(size=24)
    if parity:
        X = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]] * 6) + 0.1
        y = np.array([0.0, 1, 1, 0] * 6) + 0.3
    weight = size * rng.integers(1, 9, 24)
    if rest != "alike":
        weight[::2] = 1.0 if rest == "one" else min(1 / size, 1e307)
    data = fm.Dataset(X, y, sample_weight=weight)
    if size < 1e307:  # there the sum of the weights overflows, and with it the bounds
        check_bounds(data)
    low = fm.spurious_minimum(data, width=3)
    assert (low.evidence.case == 1) == (len(low.fit.exact.J().positions) > 0)
    best = oracle.least_squares(X, y, weight)[3]
    excess = oracle.network_risk(low.network, X, y, weight) - best
    assert math.isinf(low.excess) or excess <= Fraction(low.excess)
    for method in ("paper", "kink"):
        better = fm.better_point(low, method)
        if better:
            drop = best - oracle.network_risk(better.network, X, y, weight)
            assert drop > 0
            assert drop >= Fraction(better.drop_certified)


@given(tables(max_rows=10))
@settings(max_examples=examples(80), deadline=None)
def test_small_data_are_solved_exactly(table):
    X, y, weight = table
    fit = fm.least_squares(fm.Dataset(X, y, sample_weight=weight))
    _, fitted, residual, risk, rank = oracle.least_squares(X, y, weight)
    assert fit.rank == rank
    assert fit.exact.risk == risk
    assert fit.risk == float(risk)
    largest = max([abs(f) for f in fitted] + [abs(Fraction(v)) for v in y.tolist()])
    for a, b in zip(fit.fitted.tolist(), fitted, strict=True):
        assert abs(Fraction(a) - b) <= Fraction(fit.fitted_error) + largest * Fraction(2) ** -51
    for a, b in zip(fit.residual.tolist(), residual, strict=True):
        assert abs(Fraction(a) - b) <= Fraction(fit.fitted_error) + Fraction(fit.residual_error)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=examples(20), deadline=None)
def test_float_and_exact_route_agree(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(80, 3)), rng.normal(size=80)
    exact = fm.least_squares(fm.Dataset(X, y, accuracy="exact"))
    old, module.EXACT_WORK = module.EXACT_WORK, 0
    try:
        fast = fm.least_squares(fm.Dataset(X, y))
    finally:
        module.EXACT_WORK = old
    assert (exact.method, fast.method) == ("exact", "float")
    np.testing.assert_allclose(fast.coef, exact.coef, rtol=0, atol=1e-14 * np.abs(exact.coef).max())
    assert fast.exact.risk == exact.exact.risk


@pytest.mark.parametrize("n", [1, 4, 9, 14])
def test_few_columns_are_solved_exactly_and_many_with_bounds(n):
    """The elimination of many columns takes longer than everything else: there float64 decides, within proved bounds."""
    rng = np.random.default_rng(n)
    data = fm.Dataset(rng.normal(size=(60, n)), rng.normal(size=60))
    fit = fm.least_squares(data)
    assert fit.method == ("exact" if n < 9 else "float")
    check_bounds(data)
    low = fm.spurious_minimum(data)
    excess = fit.exact.excess(*low.affine)
    assert excess <= Fraction(low.excess) <= Fraction(fit.risk) * Fraction(2) ** -53
    better = fm.better_point(low)
    drop = fit.exact.risk - oracle.network_risk(better.network, data.X, data.y)
    assert drop >= Fraction(better.drop_certified) > 0


def test_rank_deficiency_is_exact_and_reported():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 8))
    X[:, 5] = 4.0 * X[:, 2]  # exactly dependent
    X[:, 7] = 3.0
    y = rng.normal(size=6000)
    fit = fm.least_squares(fm.Dataset(X, y))
    assert fit.method == "exact"
    assert fit.rank == 7
    assert fit.coef[5] == 0.0
    assert fit.coef[7] == 0.0
    reference = X[:, [0, 1, 2, 3, 4, 6]]
    residual = (
        y
        - np.column_stack([np.ones(6000), reference])
        @ np.linalg.lstsq(np.column_stack([np.ones(6000), reference]), y)[0]
    )
    assert fit.risk == pytest.approx(0.5 * residual @ residual, rel=1e-9)


def test_something_else_than_a_dataset_is_named():
    with pytest.raises(TypeError, match=r"Dataset, \(X, y\)"):
        fm.least_squares(np.ones((2, 1)))


def test_it_prints_and_freezes():
    fit = fm.least_squares(fm.load_demo("diabetes"))
    assert "442 x 10" in repr(fit)
    assert "rank 11" in repr(fit)
    with pytest.raises(ValueError, match="read-only"):
        fit.residual[0] = 1.0
    with pytest.raises(AttributeError):
        fit.tau = 0.0


@pytest.mark.parametrize(("name", "degree"), [("filip", 10), ("pontius", 2)])
def test_nist_polynomials_through_the_public_face(name, degree, tmp_path):
    """Powers of the decimals as written, as a user makes them: every printed digit a float64 can show."""
    with open(NIST / f"{name}.csv", newline="") as file:
        rows = [(Decimal(row["x"]), Decimal(row["y"])) for row in csv.DictReader(file)]
    x = [Fraction(value) for value, _ in rows]
    X = np.array([[value**k for k in range(1, degree + 1)] for value in x], dtype=object)
    data = fm.Dataset(X, np.array([value for _, value in rows], dtype=object), accuracy="exact")
    assert data.meaning == "rational"
    fit = fm.least_squares(data)
    certified = json.loads((NIST / "certified.json").read_text())[name]["coefficients"]
    for value, printed in zip([fit.intercept, *fit.coef], certified, strict=True):
        # 15 printed digits: half a unit of the last, and the rounding to float64
        unit = Decimal(1).scaleb(Decimal(printed).adjusted() - 14)
        assert abs(Decimal(float(value)) - Decimal(printed)) <= unit * Decimal("0.5") + abs(
            Decimal(printed)
        ).scaleb(-15)
    # a straight line in decimal meaning, read from the file itself
    line = fm.read(NIST / f"{name}.csv", target="y", meaning="decimal", accuracy="exact")
    assert line.meaning == "decimal"
    solution, _, _, risk, _ = oracle.least_squares(
        np.array([[v] for v in x], dtype=object), np.array([Fraction(v) for _, v in rows])
    )
    assert fm.least_squares(line).exact.risk == risk
    assert fm.least_squares(line).coef[0] == float(solution[1])


def test_longley_through_the_public_face():
    longley = pytest.importorskip("statsmodels.datasets").longley.load_pandas()
    fit = fm.least_squares(fm.Dataset(longley.exog, longley.endog, accuracy="exact"))
    certified = {
        "const": -3482258.63459582,
        "GNPDEFL": 15.0618722713733,
        "GNP": -0.358191792925910e-01,
        "UNEMP": -2.02022980381683,
        "ARMED": -1.03322686717359,
        "POP": -0.511041056535807e-01,
        "YEAR": 1829.15146461355,
    }
    assert fit.intercept == pytest.approx(certified.pop("const"), rel=1e-14)
    assert list(fit.data.feature_names) == list(certified)
    for value, printed in zip(fit.coef, certified.values(), strict=True):
        # the deflator's tenths are not float64 numbers: the binary reading differs in the 13th digit
        assert value == pytest.approx(printed, rel=1e-11)
