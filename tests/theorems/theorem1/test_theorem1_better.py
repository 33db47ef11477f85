"""Theorem 1, step 2: a strictly better network, proved against the exact least-squares risk."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
import oracle
from fastminima import errors
from fastminima.fit.kinks import candidate_directions
from fastminima.reporting.summary import summarise
from profiles import examples
from strategies import SLOPES, activations, tables


def dataset(table):
    X, y, weight = table
    return fm.Dataset(X, y, sample_weight=weight)


def parity(n, low=0):
    X = np.array(list(itertools.product((low, 1), repeat=n)), dtype=float)
    return X, (X == 1).sum(axis=1) % 2.0


@given(
    tables(),
    activations,
    st.sampled_from(["paper", "kink"]),
    st.sampled_from(["limit", "paper"]),
    st.integers(2, 4),
)
@settings(max_examples=examples(200), deadline=None)
def test_better_points_are_better_and_missing_ones_do_not_exist(table, activation, method, reach, width):
    X, y, weight = table
    low = fm.spurious_minimum(dataset(table), activation, width=width)
    better = fm.better_point(low, method, reach=reach, n_directions=8)
    _, fitted, residual, risk, _ = oracle.least_squares(X, y, weight)
    exists = any(v != 0 for v in oracle.group_sums(X, residual, weight).values())
    if not exists:
        assert better.status == ("linearly_fittable" if risk == 0 else "no_better_point")
        assert better.network is None
        return
    J = oracle.split_set(fitted, residual, None if weight is None else weight.tolist())
    assert better.case == (1 if J else 2)
    assert low.evidence.size() == (len(J), 0)
    assert better.status in ("better", "undecided")
    if better:
        drop = risk - oracle.network_risk(better.network, X, y, weight)
        assert drop >= Fraction(better.drop_certified) > 0
        assert better.drop >= better.drop_certified
        assert better.network.width == width
    else:
        # only where float64 has no room: rounding the fit itself costs a share of the risk (columns collinear up to
        # rounding, or a risk at the resolution of the targets)
        assert Fraction(low.excess) > risk * Fraction(2) ** -50
        assert "float64" in better.reason


@given(tables(max_rows=12), st.sampled_from(SLOPES), st.sampled_from(["limit", "paper"]))
@settings(max_examples=examples(120), deadline=None)
def test_the_drop_is_the_closed_form_and_the_network_realises_it(table, slopes, reach):
    X, y, weight = table
    low = fm.spurious_minimum(dataset(table), fm.PiecewiseLinear(*slopes))
    better = fm.better_point(low, reach=reach)
    if not better or better.method != "paper" or better.case != 1:
        return
    _, fitted, residual, risk, _ = oracle.least_squares(X, y, weight)
    w = [1.0] * len(y) if weight is None else weight.tolist()
    order = sorted(range(len(y)), key=lambda i: fitted[i])
    p = better.split.position
    S = sum(Fraction(w[i]) * residual[i] for i in order[: p + 1])
    gap = fitted[order[p + 1]] - fitted[order[p]]
    assert gap > 0
    assert S != 0
    u = Fraction(better.split.u)
    formula = 2 * u * S - sum(map(Fraction, w)) * u * u / 2
    # the biases are rounded, so the kinks and the push sit within an ulp of them, in the units of y
    _, b1, W2, _ = better.network.parameters()
    coarse = float(np.abs(b1).max() * np.abs(W2).max() * sum(slopes)) * 2.0**-51
    tolerance = Fraction(1, 10**6) + Fraction(coarse) / abs(Fraction(better.split.gamma))
    size = risk + sum(Fraction(v) ** 2 for v in y.tolist()) * Fraction(2) ** -80
    assert abs(Fraction(better.drop) - formula) <= 4 * tolerance * formula + size * Fraction(2) ** -45
    limit = Fraction(1, 2) if reach == "limit" else Fraction(1, 4)
    assert abs(Fraction(better.split.gamma)) <= gap * limit * (1 + tolerance)


@pytest.mark.parametrize("slopes", SLOPES)
@pytest.mark.parametrize("low_value", [0, -1])
@pytest.mark.parametrize("n", range(2, 11))
def test_parity_lands_in_case_2(n, low_value, slopes):
    X, y = parity(n, low_value)
    low = fm.spurious_minimum((X, y), fm.PiecewiseLinear(*slopes))
    better = fm.better_point(low)
    assert (better.status, better.case, better.method) == ("better", 2, "paper")
    assert low.risk == 2**n / 8
    assert low.evidence.size() == (0, 0)
    if n <= 4:
        assert (
            Fraction(2**n, 8) - oracle.network_risk(better.network, X, y)
            >= Fraction(better.drop_certified)
            > 0
        )


@pytest.mark.parametrize(
    ("n", "low_value", "alpha", "drop"),
    [
        (2, 0, Fraction(1, 7), Fraction(1, 56)),
        (2, -1, Fraction(1, 10), Fraction(1, 40)),
        (3, 0, None, Fraction(1, 256)),
        (4, 0, None, Fraction(1, 480)),
    ],
)
def test_known_drops_of_case_2(n, low_value, alpha, drop):
    X, y = parity(n, low_value)
    better = fm.better_point(fm.spurious_minimum((X, y)))
    assert better.drop == pytest.approx(float(drop), rel=1e-12)
    assert float(Fraction(2**n, 8) - oracle.network_risk(better.network, X, y)) == pytest.approx(
        float(drop), rel=1e-12
    )
    if alpha is not None:
        assert better.split.alpha == pytest.approx(float(alpha), rel=1e-12)


@pytest.mark.parametrize("slopes", SLOPES)
@pytest.mark.parametrize("shape", [(2, 2), (3, 4), (5, 3)])
def test_interaction_only_tables_land_in_case_2(shape, slopes):
    """Two factors in dummy columns, responses that are pure interaction: all fitted values tie, group sums vanish."""
    a, b = shape
    rng = np.random.default_rng(a * 10 + b)
    table = rng.integers(-5, 6, shape).astype(float) * (a * b)
    table -= table.mean(axis=0) + table.mean(axis=1)[:, None] - table.mean()
    table = np.round(table)
    rows = [(i, j) for i in range(a) for j in range(b)]
    X = np.array([[*(float(i == k) for k in range(a)), *(float(j == k) for k in range(b))] for i, j in rows])
    y = np.array([table[i, j] for i, j in rows]) + 4.0
    low = fm.spurious_minimum((X, y), fm.PiecewiseLinear(*slopes))
    better = fm.better_point(low)
    risk = oracle.least_squares(X, y)[3]
    assert low.fit.rank == a + b - 1
    assert (better.status, better.case) == ("better", 2)
    assert risk - oracle.network_risk(better.network, X, y) >= Fraction(better.drop_certified) > 0


@pytest.mark.parametrize("slopes", SLOPES)
def test_tied_fitted_values_with_other_levels_land_in_case_2(slopes):
    """Three fitted levels, residuals hidden inside the middle one."""
    X = np.array([[0, 0], [1, 0], [1, 1], [1, -1], [1, 2], [1, -2], [2, 0.0]])
    r = np.array([0, 0, 1, 1, -1, -1, 0.0])
    y = 3 * X[:, 0] + 1 - r
    _, fitted, residual, risk, _ = oracle.least_squares(X, y)
    assert oracle.split_set(fitted, residual) == []
    better = fm.better_point(fm.spurious_minimum((X, y), fm.PiecewiseLinear(*slopes)))
    assert (better.status, better.case) == ("better", 2)
    assert risk - oracle.network_risk(better.network, X, y) >= Fraction(better.drop_certified) > 0


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("where", ["X", "y", "both"])
def test_data_shifted_by_1e8_are_decided_right(seed, where):
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(6, 40)), int(rng.integers(1, 5))
    X, y = rng.normal(size=(m, n)), rng.normal(size=m)
    X = X + 1e8 if where != "y" else X
    y = y + 1e8 if where != "X" else y
    low = fm.spurious_minimum((X, y))
    better = fm.better_point(low)
    assert better
    risk = oracle.least_squares(X, y)[3]
    assert risk - oracle.network_risk(better.network, X, y) >= Fraction(better.drop_certified) > 0


@pytest.mark.parametrize("low_value", [0, -1])
@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_parity_shifted_by_1e8_still_has_a_better_point(n, low_value):
    X, y = parity(n, low_value)
    for slopes in SLOPES:
        low = fm.spurious_minimum((X + 1e8, y + 1e8), fm.PiecewiseLinear(*slopes))
        better = fm.better_point(low)
        assert (better.status, better.case) == ("better", 2)
        if n <= 3:
            risk = oracle.least_squares(X + 1e8, y + 1e8)[3]
            assert risk - oracle.network_risk(better.network, X + 1e8, y + 1e8) > 0


def test_diabetes_has_the_known_drops():
    low = fm.spurious_minimum(fm.load_demo("diabetes"))
    assert round(fm.better_point(low, reach="paper").drop, 4) == 662.9682
    assert round(fm.better_point(low).relative_drop, 7) == 0.0019639
    coordinates = fm.better_point(low, "kink", directions=np.eye(10))
    assert round(coordinates.relative_drop, 4) == 0.0250
    many = fm.better_point(low, "kink", n_directions=500)
    assert many.relative_drop > 0.06


def test_xor_has_a_perfect_kink():
    low = fm.spurious_minimum(fm.load_demo("xor"), fm.PiecewiseLinear(1.0000001, 1.0))
    paper, kink = fm.better_point(low), fm.better_point(low, "kink", directions=[[1.0, 1.0]])
    assert paper.drop == pytest.approx(5.2e-17, rel=0.01)
    assert kink.drop == pytest.approx(0.5, rel=1e-9)
    assert kink.risk < 1e-9
    assert oracle.network_risk(kink.network, low.data.X, low.data.y) < Fraction(1, 10**9)


@given(tables(max_rows=12, max_features=3), st.integers(1, 3))
@settings(max_examples=examples(60), deadline=None)
def test_the_kinks_closed_form_is_a_refit_of_all_linear_coefficients(table, n_kinks):
    """drop = 1/2 <r, phi>^2 / ||phi_perp||^2 against the exact least squares on (1, X, kinks)."""
    X, y, weight = table
    low = fm.spurious_minimum(dataset(table), width=n_kinks + 1)
    better = fm.better_point(low, "kink", n_kinks=n_kinks, n_directions=4)
    if not better:
        return
    z = oracle.preactivations(better.network, X)
    columns = [
        [*map(Fraction, x), *(max(v, Fraction(0)) for v in row[1:])]
        for x, row in zip(X.tolist(), z, strict=True)
    ]
    refit = oracle.least_squares(np.array(columns, dtype=object), y, weight)[3]
    risk = oracle.network_risk(better.network, X, y, weight)
    assert refit <= risk
    # parameters sit within an ulp of the inputs, whatever those spread over: compare where that is fine enough
    spread = np.ptp(X, axis=0)
    coarse = (np.abs(X).max(axis=0) * 2.0**-50 / np.where(spread > 0.0, spread, np.inf)).max(initial=0.0)
    if coarse < 1e-12:
        assert risk <= refit + oracle.least_squares(X, y, weight)[3] / 10**6


def test_more_kinks_lower_the_risk_further():
    low = fm.spurious_minimum(fm.load_demo("diabetes"), width=6)
    risks = [fm.better_point(low, "kink", n_kinks=k).risk for k in (1, 2, 5)]
    assert risks[0] > risks[1] > risks[2]


def test_kinks_on_many_rows_are_ranked_on_a_subset():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 3))
    y = X @ [1.0, 2.0, 3.0] + 4 * np.maximum(X[:, 1] - 0.5, 0.0) + 0.1 * rng.normal(size=30_000)
    low = fm.spurious_minimum((X, y))
    better = fm.better_point(low, "kink")
    assert better.relative_drop > 0.9
    assert better.network.risk(low.data) == pytest.approx(better.risk, rel=1e-9)
    # the direction and the knot that made the data
    row = better.network.W1[1]
    assert abs(row[1]) > 50 * max(abs(row[0]), abs(row[2]))
    assert -better.network.b1[1] / row[1] == pytest.approx(0.5, abs=0.02)


def test_candidate_directions_are_validated_and_scaled():
    low = fm.spurious_minimum(fm.load_demo("diabetes"))
    rng = np.random.default_rng(0)
    found = candidate_directions(low.fit, None, 7, rng)
    assert found.shape == (10 + 1 + 2 * 45 + 7, 10)
    spread = np.sqrt(np.square(found * low.fit.column_norm[1:]).sum(axis=1))
    np.testing.assert_allclose(spread, 1.0)
    given = np.array([[1e300] + [0.0] * 9, [1e-320] + [0.0] * 9])
    np.testing.assert_allclose(*candidate_directions(low.fit, given, 7, rng))
    with pytest.raises(errors.TooLargeError, match="directions"):
        fm.better_point(low, "kink", n_directions=10**12)
    wrongs = (
        np.ones((2, 3)),
        np.full((1, 10), np.nan),
        np.zeros((1, 10)),
        np.empty((0, 10)),
        "x",
        [[1j] * 10],
    )
    for wrong in wrongs:
        with pytest.raises(errors.DataError, match="direction"):
            fm.better_point(low, "kink", directions=wrong)


def test_duplicates_and_weights_are_one_theorem():
    """A sample with weight 3 and the same sample three times give the same risks and the same case."""
    rng = np.random.default_rng(2)
    X, y = rng.integers(0, 3, (12, 2)).astype(float), rng.integers(0, 5, 12).astype(float)
    weight = rng.integers(1, 4, 12).astype(float)
    repeat = weight.astype(int)
    weighted = fm.spurious_minimum(fm.Dataset(X, y, sample_weight=weight))
    repeated = fm.spurious_minimum(fm.Dataset(np.repeat(X, repeat, axis=0), np.repeat(y, repeat)))
    assert weighted.risk == pytest.approx(repeated.risk, rel=1e-14)
    one, other = fm.better_point(weighted), fm.better_point(repeated)
    assert (one.status, one.case) == (other.status, other.case) == ("better", 1)
    assert one.drop == pytest.approx(other.drop, rel=1e-9)


def test_equal_inputs_hidden_in_one_tie_need_merging():
    """Case 2 with duplicates: the group with R_g = 0 is not split, though single residuals in it are not 0."""
    X = np.array([[0, 0], [0, 0], [0, 1], [1, 0], [1, 1], [1, 1.0]])
    y = np.array([1, -1, 1, 1, -2, 2.0]) * 1.0
    weight = np.array([1, 1, 2, 2, 1, 1.0])
    _, fitted, residual, risk, _ = oracle.least_squares(X, y, weight)
    low = fm.spurious_minimum(fm.Dataset(X, y, sample_weight=weight))
    better = fm.better_point(low)
    assert (better.status, better.case) == (
        "better",
        1 if oracle.split_set(fitted, residual, weight.tolist()) else 2,
    )
    assert oracle.network_risk(better.network, X, y, weight) < risk


def test_rational_data_are_decided_as_rationals():
    thirds = np.array([[Fraction(i, 3)] for i in range(6)], dtype=object)
    affine = np.array([Fraction(i, 7) + 1 for i in range(6)], dtype=object)
    assert fm.spurious_minimum(fm.Dataset(thirds, affine)).reason.startswith("the data are exactly affine")
    bent = affine.copy()
    bent[3] += Fraction(1, 10**9)
    better = fm.better_point(fm.spurious_minimum(fm.Dataset(thirds, bent)))
    assert better
    assert better.drop_certified > 0


@pytest.mark.parametrize(
    ("call", "word"),
    [
        ({"method": "papers"}, "method"),
        ({"reach": 0.25}, "reach"),
        ({"method": "kink", "n_kinks": 2}, "n_kinks"),
        ({"n_kinks": 0}, "n_kinks"),
        ({"n_kinks": 1.0}, "n_kinks"),
        ({"n_kinks": None}, "n_kinks"),
        ({"n_directions": -1}, "n_directions"),
        ({"n_directions": "many"}, "n_directions"),
    ],
)
def test_bad_arguments_are_named(call, word):
    low = fm.spurious_minimum(fm.load_demo("xor"))
    with pytest.raises(ValueError, match=word):
        fm.better_point(low, **call)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("method", ["paper", "kink"])
def test_a_drop_is_at_most_the_risk(seed, method):
    # three or four samples far apart in size: a kink takes the risk to about 0
    rng = np.random.default_rng(seed)
    m = 3 + seed % 2
    x = np.sort(rng.integers(1, 10, m) * 10.0 ** rng.integers(1, 6, m))
    data = fm.Dataset(x[:, None], rng.integers(1, 10**6, m).astype(float))
    low = fm.spurious_minimum(data)
    better = fm.better_point(low, method)
    if better:
        assert 0.0 < better.drop <= low.fit.risk
        assert better.drop_certified <= better.drop
        assert better.relative_drop <= 1.0
        assert summarise(low, better, {})["better"]["drop_relative"] <= 1.0


def test_width_one_has_a_minimum_but_no_better_point_of_its_width():
    low = fm.spurious_minimum(fm.load_demo("xor"), width=1)
    assert low.radius > 0
    with pytest.raises(errors.NetworkError, match="width"):
        fm.better_point(low)
    with pytest.raises(errors.NetworkError, match="SpuriousMinimum"):
        fm.better_point(low.network)


def test_what_float64_cannot_express_is_undecided_by_name():
    """One target an ulp off an affine table: the exact risk is about 1e-33, below what two rounded units can gain."""
    x = np.arange(1.0, 8.0)
    y = 0.5 + 0.25 * x
    y[3] = np.nextafter(y[3], 9)
    low = fm.spurious_minimum((x[:, None] * 0.1, y))
    better = fm.better_point(low)
    risk = oracle.least_squares(x[:, None] * 0.1, y)[3]
    assert low.status == "spurious"
    if better:
        assert oracle.network_risk(better.network, x[:, None] * 0.1, y) < risk
    else:
        assert better.status == "undecided"
        assert "float64" in better.reason
        assert "undecided" in str(better)


def test_slopes_beyond_any_use_are_left_out_without_a_warning():
    """Columns that differ by 1e-400 in one row: the exact fit has slopes of 1e400, a kink on one of them is better."""
    tiny = Fraction(1, 10**400)
    X = np.array([[k, k + (tiny if k == 1 else 0)] for k in map(Fraction, (0, 1, 2, 3, 5))], dtype=object)
    y = np.array([Fraction(v) for v in (0, 1, 0, 3, 1)], dtype=object)
    low = fm.spurious_minimum(fm.Dataset(X, y))
    assert any("collinear" in note for note in low.notes)
    better = fm.better_point(low)
    assert (bool(better), better.method) == (True, "kink")
    rows = [[Fraction(v) for v in row] for row in better.network.W1.tolist()]
    units = list(
        zip(
            rows,
            map(Fraction, better.network.b1.tolist()),
            map(Fraction, better.network.W2.tolist()),
            strict=True,
        )
    )
    risk = Fraction(0)
    for x, target in zip(X.tolist(), y.tolist(), strict=True):
        f = Fraction(better.network.b2)
        for row, bias, out in units:
            f += out * max(sum((a * b for a, b in zip(row, x, strict=True)), bias), Fraction(0))
        risk += (f - target) ** 2 / 2
    assert risk + Fraction(better.drop_certified) <= low.fit.exact.risk


@pytest.mark.parametrize("source", ["diabetes", "xor"])
def test_the_summary_and_the_row_of_a_scan_say_the_same_under_their_own_names(source):
    low = fm.spurious_minimum(fm.load_demo(source), width=3)
    better = fm.better_point(low)
    told = summarise(low, better, {}, source)
    row = fm.ScanResult("x", low, better, low.fit).row()
    assert (row["rows"], row["features"], row["rank"]) == (told["m"], told["dx"], told["rank"])
    assert (row["risk"], row["method"]) == (told["least_squares"]["risk"], told["least_squares"]["method"])
    for name in ("status", "reason", "excess", "radius"):
        assert row[name] == told["minimum"][name] == getattr(low, name)
    better_names = {"better": "status", "better_risk": "risk", "relative_drop": "drop_relative"}
    for name in ("better", "better_risk", "drop", "drop_certified", "relative_drop", "certificate", "case"):
        assert row[name] == told["better"][better_names.get(name, name)]
    assert told["better"]["drop_relative"] == better.relative_drop
    # "drop_relative" is the name before this release, kept beside the new one
    assert told["better"]["relative_drop"] == told["better"]["drop_relative"]
    assert set(told["better"]) == {
        "status", "reason", "case", "method", "risk", "drop", "relative_drop", "drop_relative", "drop_certified",
        "certificate", "split",
    }  # fmt: skip
    split = told["better"]["split"]
    assert {name: row[name] for name in ("position", "beta", "gamma")} == {
        name: split.get(name) for name in ("position", "beta", "gamma")
    }
    assert (row["position"] is None) == (better.case == 2)
