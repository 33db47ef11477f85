"""A streamed scan against the exact truth, the construction in memory, and brute force on its parts."""

from __future__ import annotations

import importlib
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import fastminima as fm
from fastminima import Dataset
from fastminima.exact.fit import ExactFit
from fastminima.exact.margin import exact_margin
from fastminima.exact.risk import exact_network_risk
from fastminima.exact.stream import PassNetwork
from fastminima.fit.envelope import Envelope
from fastminima.fit.running_sums import Moments, Residuals
from fastminima.theorems.theorem1.certify_drop import certify_drop
from fastminima.theorems.theorem1.certify_split import certify_split
from fastminima.theorems.theorem1.splits.search import SplitRule, search_splits
from fastminima.theorems.theorem1.splits.sum_scale import CarriedSums
from oracle import digits
from places import NIST

large = importlib.import_module("fastminima.scanning.large")
small = importlib.import_module("fastminima.scanning.small")
ranges = importlib.import_module("fastminima.scanning.ranges")


@pytest.fixture(autouse=True)
def _small_tasks(monkeypatch):
    """Every dataset is large: tasks of 64 rows, many ranges, some of them cut again."""
    monkeypatch.setattr(small, "_SMALL", -1)
    monkeypatch.setattr(large, "TASK_ROWS", 64)
    monkeypatch.setattr(large, "_RANGE_RECORDS", 24)
    monkeypatch.setattr(large, "_SAMPLE_ROWS", 16)
    monkeypatch.setattr(ranges, "_PIECE", 16)


KINDS = (
    "normal",
    "grid",
    "offset",
    "repeated",
    "collinear",
    "scaled",
    "affine",
    "constant",
    "huge",
    "sorted",
)


def table(kind, seed, m, dx, weighted):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, dx))
    y = rng.standard_normal(m)
    if kind == "grid":
        X, y = rng.integers(0, 3, (m, dx)).astype(float), rng.integers(0, 4, m).astype(float)
    elif kind == "offset":
        X += 1e8
    elif kind == "repeated":
        X[::2] = X[0]
    elif kind == "collinear" and dx > 1:
        X[:, 1] = X[:, 0]
    elif kind == "scaled":
        X *= 10.0 ** rng.integers(-30, 30, dx)
    elif kind == "huge":
        X *= 10.0 ** rng.integers(-90, 90, dx)
    elif kind == "affine":
        X, y = np.round(8 * X), np.round(8 * X).sum(axis=1)
    elif kind == "constant":
        y[:] = 2.5
    elif kind == "sorted":
        X = np.sort(np.exp(6.0 * X), axis=0)
    w = None
    if weighted:
        w = rng.integers(1, 5, m).astype(float) if seed % 2 else rng.random(m) + 0.1
    return Dataset(X, y, sample_weight=w)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    m=st.integers(1, 200),
    dx=st.integers(0, 4),
    weighted=st.booleans(),
    rows=st.sampled_from([1, 7, 16]),
)
def test_every_claim_of_a_scan_is_exactly_true(kind, seed, m, dx, weighted, rows):
    data = table(kind, seed, m, dx, weighted)
    (result,) = fm.scan(data, block_rows=rows)
    assert result.error is None
    exact = ExactFit.of(data)
    fit, low = result.fit, result.minimum
    row = result.row()
    assert (row["rows"], row["features"], row["rank"]) == (m, dx, exact.rank)
    # tau bounds the distance to the exact fit
    unit = Fraction(4) ** fit.frame.exponent_y
    assert exact.excess(*fit.affine) <= Fraction(fit.tau) ** 2 / 2 * unit
    # the minimum: its excess and its radius
    assert 0 <= exact.excess(*low.affine) <= Fraction(low.excess)
    W1, b1, _, _ = low.network.parameters()
    margin = exact_margin(W1, b1, data)
    assert margin * (1 - 3e-6) <= low.radius <= margin * (1 + 1e-15)
    # the set J, and whether anything better exists
    J = exact.J()
    evidence = low.evidence
    assert evidence.n_certified <= len(J.positions)
    if evidence.case == 1:
        assert len(J.positions) <= evidence.n_certified + evidence.n_undecided
    exists = not exact.linearly_fittable and bool(exact.groups().has_residual.any())
    assert row["status"] == ("spurious" if exists else "global")
    assert bool(result.better) <= exists
    if result.better:
        risk = exact_network_risk(PassNetwork.of(result.better.network), data, exact.gram)
        assert exact.risk - risk >= Fraction(result.better.drop_certified)
        assert exact.risk > risk
    # what the construction in memory says
    there = fm.spurious_minimum(data)
    assert (there.status, there.evidence.case) == (low.status, evidence.case)
    if bool(result.better) and fm.better_point(there) and evidence.best and there.evidence.best:
        assert result.better.drop == pytest.approx(fm.better_point(there).drop, rel=1e-4)


def test_a_regular_dataset_takes_two_passes_and_equals_the_construction_in_memory():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((3000, 4)) * [1.0, 50.0, 0.01, 3.0] + [0.0, 1e3, -5.0, 2.0]
    data = Dataset(X, X @ [1.0, 0.2, 30.0, 0.4] + rng.standard_normal(3000) + np.abs(X[:, 0]))
    (result,) = fm.scan(data)
    assert (result.passes, result.route, result.fit.method) == (2, "stream", "float")
    low = fm.spurious_minimum(data)
    better = fm.better_point(low)
    assert result.minimum.risk == pytest.approx(low.risk, rel=1e-14)
    assert result.minimum.radius == pytest.approx(low.radius, rel=1e-13)
    assert result.minimum.evidence.n_certified == low.evidence.n_certified
    assert result.better.split.position == better.split.position
    assert result.better.drop == pytest.approx(better.drop, rel=1e-11)
    np.testing.assert_allclose(result.fit.coef, low.fit.coef, rtol=1e-14)
    # what a scan does not keep is there when asked for
    np.testing.assert_allclose(result.fit.fitted, low.fit.fitted, rtol=1e-13)
    np.testing.assert_allclose(result.fit.residual, low.fit.residual, rtol=0, atol=1e-12)
    assert fm.better_point(result.minimum, method="kink").drop > better.drop


def filip():
    y, x = np.loadtxt(NIST / "filip.csv", delimiter=",", skiprows=1).T[:2]
    return np.column_stack([x**k for k in range(1, 11)]), y


def longley():
    from statsmodels.datasets import longley

    data = longley.load_pandas().data
    return data.drop(columns="TOTEMP").to_numpy(float), data["TOTEMP"].to_numpy(float)


def ill_conditioned():
    rng = np.random.default_rng(8)
    t = np.linspace(0.0, 1.0, 600)
    yield "vandermonde 6", np.vander(t, 7)[:, :6], np.sin(9.0 * t) + 0.01 * rng.standard_normal(600)
    yield "vandermonde 11", np.vander(t, 12)[:, :11], np.sin(9.0 * t) + 0.01 * rng.standard_normal(600)
    X = rng.standard_normal((600, 3))
    yield "offset 1e8", X + 1e8, X @ [1.0, 2.0, 3.0] + rng.standard_normal(600)
    yield "offset 1e8, different scales", X * [1e-3, 1.0, 1e4] + 1e8, X.sum(axis=1) + rng.standard_normal(600)
    Z = X + 1e-3 * rng.standard_normal((600, 1))
    yield "correlated", np.column_stack([Z, Z.sum(axis=1) + 1e-2 * rng.standard_normal(600)]), X[:, 0] + 1.0
    drift = np.linspace(0.0, 1e6, 600)
    yield "drift", np.column_stack([drift, X]), drift + X[:, 0]
    late = np.where(np.arange(600) < 550, 0.0, 1e9)
    yield "late", np.column_stack([late + X[:, 0], X[:, 1]]), X[:, 1] + 0.5 * rng.standard_normal(600)


CASES = [*ill_conditioned(), ("Filip", *filip()), ("Longley", *longley())]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_a_streamed_fit_has_no_fewer_digits_than_lstsq(case):
    _, X, y = case
    (result,) = fm.scan(Dataset(X, y))
    assert result.route == "stream"
    exact = ExactFit.of(Dataset(X, y))
    truth = [exact.intercept, *exact.coef]
    ours = digits([result.fit.intercept, *result.fit.coef], truth)
    theirs = digits(scipy.linalg.lstsq(np.column_stack([np.ones(len(y)), X]), y)[0], truth)
    # equal digits may differ in the last rounding of one coefficient: half a unit in the 16th digit
    assert ours >= min(theirs, 15.3)


def test_data_too_large_for_the_exact_way_are_undecided_and_say_why(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (1200, 3)).astype(float)
    data = Dataset(X, X.sum(axis=1))  # exactly affine: float64 certifies nothing
    stream = importlib.import_module("fastminima.scanning.streamed")
    monkeypatch.setattr(stream.RowsOnDemand, "bytes_to_load", property(lambda self: 10**15))
    (result,) = fm.scan(data)
    row = result.row()
    assert row["status"] == "undecided"
    assert row["radius"] > 0
    assert "no split is certified in float64" in row["reason"]
    assert "raise memory=" in row["reason"]
    assert not result.better
    assert result.better.status == "undecided"


def test_numbers_that_float64_cannot_hold_are_scanned_as_they_are():
    big = 2**53
    X = np.array([[big + k] for k in (0, 1, 2, 3, 5, 8)], dtype=np.int64)
    data = Dataset(X, [1.0, 2.0, 3.0, 4.0, 6.0, 9.0])
    assert data.meaning == "rational"
    (result,) = fm.scan(data)
    # exactly affine as integers, not as float64 numbers
    assert (result.route, result.status) == ("memory", "global")
    assert result.fit.risk == 0.0


# ---- the parts ---------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    blocks=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    kind=st.sampled_from(["normal", "heavy", "grid", "constant", "curve", "equal norms"]),
    seeded=st.booleans(),
    told=st.booleans(),
)
def test_the_envelope_keeps_what_can_attain_the_minimum(seed, blocks, kind, seeded, told):
    rng = np.random.default_rng(seed)
    m = sum(blocks)
    t = rng.standard_normal(m)
    norm = np.sqrt(1.0 + rng.standard_normal(m) ** 2)
    if kind == "heavy":
        t, norm = t * np.exp(3 * t), np.exp(3 * np.abs(rng.standard_normal(m)))
    elif kind == "grid":
        t, norm = np.round(2 * t), np.sqrt(1.0 + rng.integers(0, 4, m) ** 2)
    elif kind == "constant":
        t[:] = 0.25
    elif kind == "curve":
        # every sample is on the envelope
        angle = np.linspace(0.05, 1.5, m)
        t, norm = 5.0 - 4.0 * np.sin(angle), 5.0 - 4.0 * np.cos(angle)
    elif kind == "equal norms":
        norm[:] = 2.0
    parts, at = [], 0
    first = Envelope()
    if seeded:
        first.update(t[:5], norm[:5])
        first.settle()
    whole = Envelope(first.t, first.norm, first.t_max)
    for length in blocks:
        part = first.outline() if seeded else Envelope()
        ours = t[at : at + length], norm[at : at + length]
        known = float(np.abs(ours[0]).max()), (part.lines @ np.stack(ours)).min(axis=1)
        part.update(*ours, known if told else None)
        part.settle()
        parts.append(part)
        at += length
    for part in parts:
        whole.merge(part)
    for shift in (-t.min() + np.array([0.0, 1e-9, 0.1, 1.0, 3.0, 1e3, 1e9])).tolist():
        true = float(((t + shift) / norm).min())
        kept = float(((whole.t + shift) / whole.norm).min())
        assert true <= kept + 1e-300
        assert float(((whole.t + shift - whole.slack(shift)) / whole.norm).min()) <= true + 1e-15 * abs(true)
        # and it is tight
        assert kept <= true + 1e-10 * (1.0 + abs(shift))
    if kind == "normal" and m > 100:
        assert len(whole.t) < m / 2


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_an_envelope_of_values_beyond_float64_says_nothing(value):
    envelope, other = Envelope(), Envelope()
    envelope.update(np.array([1.0, value]), np.array([1.0, 2.0]))
    other.update(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    for state in (envelope, other):
        state.settle()
    other.merge(envelope)
    assert envelope.slack(1.0) == other.slack(1.0) == math.inf


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    m=st.integers(2, 400),
    n_ranges=st.integers(1, 20),
    weighted=st.booleans(),
    kind=st.sampled_from(["normal", "ties", "heavy tie", "constant", "tiny", "two values"]),
    on_disk=st.booleans(),
)
def test_the_search_over_ranges_is_the_search_over_all(
    tmp_path_factory, seed, m, n_ranges, weighted, kind, on_disk
):
    rng = np.random.default_rng(seed)
    keys, values = rng.standard_normal(m), rng.standard_normal(m)
    if kind == "ties":
        keys = np.round(keys)
    elif kind == "heavy tie":
        keys[rng.random(m) < 0.9] = 0.5
    elif kind == "constant":
        keys[:] = -1.0
    elif kind == "tiny":
        values *= 1e-200
    elif kind == "two values":
        keys = np.where(rng.random(m) < 0.97, 1.0, 1.0 + 2.0**-52)
    weights = rng.random(m) + 0.5 if weighted else None
    errors = (1e-12, 1e-9, 1e-12) if kind != "tiny" else (0.0, 0.0, 0.0)
    plan = ranges.plan_of(keys[: m // 3 + 1], n_ranges)
    folder = str(tmp_path_factory.mktemp("ranges") / "r") if on_disk else None
    store = ranges.Ranges(plan.n_buckets, 3 if weighted else 2, folder, "test", 0)
    columns = np.array([keys, values] if weights is None else [keys, values, weights])
    for start in range(0, m, 50):
        store.append(*plan.sorted_into(np.ascontiguousarray(columns[:, start : start + 50])))
    mass = float(m) if weights is None else float(weights.sum())
    largest = float(np.abs(values).max())
    before = CarriedSums.nothing(mass, largest, None if weights is None else float(weights.max()))
    found = store.search(0.7, 0.5, errors, before, 1)
    store.remove()
    truth = search_splits(keys, values, weights, SplitRule(0.7, 0.5, *errors), positions=False)
    assert (found.n_certified, found.n_undecided) == (truth.n_certified, truth.n_undecided)
    assert (found.position is None) == (truth.position is None)
    if found.position is not None:
        assert found.drop == pytest.approx(truth.drop, rel=1e-12)
        assert (found.lower, found.upper) == (truth.lower, truth.upper)
        assert pytest.approx(truth.S, rel=1e-12) == found.S


@settings(max_examples=80)
@given(
    seed=st.integers(0, 10**6),
    m=st.integers(3, 120),
    dx=st.integers(1, 4),
    weighted=st.booleans(),
    kind=st.sampled_from(["normal", "offset", "scaled", "grid"]),
    slopes=st.sampled_from([(1.0, 0.0), (1.0, 0.5), (0.3, 2.0)]),
)
def test_a_split_is_certified_without_a_pass_and_soundly(seed, m, dx, weighted, kind, slopes):
    data = table(kind, seed, m, dx, weighted)
    low = fm.spurious_minimum(data, fm.PiecewiseLinear(*slopes))
    best = low.evidence.best if low.evidence else None
    if best is None or best.position is None:
        return
    better = fm.better_point(low)
    if not better:
        return
    exact = ExactFit.of(data)
    for network in (better.network, low.network):
        truth = exact.risk - exact_network_risk(PassNetwork.of(network), data, exact.gram)
        drop = certify_split(network, low.fit, best)
        assert drop.lower == -math.inf or Fraction(drop.lower) <= truth
        assert drop.upper == math.inf or truth <= Fraction(drop.upper)
    # as tight as the pass over the data, where both say anything
    drop, full = (
        certify_split(better.network, low.fit, best),
        certify_drop(better.network, low.fit, exact=False),
    )
    if full.better and drop.better:
        assert drop.lower >= full.lower - 1e-3 * abs(full.upper)


@pytest.mark.parametrize("n", [0, 3, 20])
def test_states_merge_to_the_sums_of_all_blocks(n):
    rng = np.random.default_rng(1)
    X, y, w = (rng.integers(-8, 8, shape).astype(float) for shape in ((90, n), 90, 90))
    w = np.abs(w) + 1.0
    slopes, centre = rng.integers(-4, 4, n) / 2.0, (rng.integers(-3, 3, n).astype(float), 2.0)
    for weights in (None, w):
        whole, step, fitted = Moments.zero(n), Residuals.zero(n), np.empty((3, 90))
        whole.update(X, y, weights, centre)
        lines = np.array([[1.0, 0.0], [-1.0, 0.0]])
        largest, lowest = step.update(X, y, weights, centre, (slopes, 0.25), tuple(fitted), lines)
        assert largest == np.abs(fitted[0]).max()
        assert lowest.tolist() == [fitted[0].min(), -fitted[0].max()]
        merged, stepped = Moments.zero(n), Residuals.zero(n)
        for rows in (slice(0, 1), slice(1, 40), slice(40, 90)):
            part, piece = Moments.zero(n), Residuals.zero(n)
            own = None if weights is None else weights[rows]
            part.update(X[rows], y[rows], own, centre)
            piece.update(X[rows], y[rows], own, centre, (slopes, 0.25), tuple(fitted[:, rows]))
            merged.merge(part)
            stepped.merge(piece)
        # integers and quarters: every order of summation is exact
        v = np.column_stack([np.ones(90), X - centre[0], y - centre[1]])
        products = v.T @ (v if weights is None else v * w[:, None])
        np.testing.assert_array_equal(merged.gram, products[:-1, :-1])
        np.testing.assert_array_equal(merged.rhs, products[:-1, -1])
        np.testing.assert_array_equal(merged.column_max, np.abs(v[:, 1:-1]).max(axis=0))
        assert merged.y_max == whole.y_max == np.abs(v[:, -1]).max()
        assert (merged.count, merged.weight_range) == (whole.count, whole.weight_range)
        values = v[:, 1:-1] @ slopes + 0.25
        residual = values - v[:, -1]
        weighted = residual if weights is None else w * residual
        np.testing.assert_array_equal(fitted[0], values)
        np.testing.assert_array_equal(fitted[1], residual)
        np.testing.assert_array_equal(stepped.gradient, v[:, :-1].T @ weighted)
        np.testing.assert_array_equal(step.gradient, stepped.gradient)
        assert (stepped.lowest, stepped.highest) == (values.min(), values.max())
        assert (stepped.absolute, stepped.largest) == (np.abs(weighted).sum(), np.abs(residual).max())
        assert stepped.count == 90
