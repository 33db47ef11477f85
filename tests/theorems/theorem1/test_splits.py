"""The set J and its best split (theorem 1, step 2, case 1) against their definitions in exact arithmetic."""

from __future__ import annotations

import contextlib
import itertools
import math
import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.errors import ActivationError, DataError, DataTypeError
from fastminima.theorems.theorem1.splits import sorted_sums as sorted_sums
from fastminima.theorems.theorem1.splits.search import Split, SplitRule, best_split, search_splits, split_set
from profiles import examples
from split_cases import ORDINARY, SHAPES, WIDE, shapes, sizes


def small(bucket: int = 4) -> contextlib.AbstractContextManager[None]:
    return sizes(BUCKET=bucket, GROUP=4 * bucket, THREADS_FROM=0)


def definition(f: Any, r: Any, w: Any = None) -> tuple[list[int], list[Fraction], list[float]]:
    """J, all S_p and the sorted fitted values, in rational arithmetic."""
    f = [float(x) for x in f]
    order = sorted(range(len(f)), key=lambda i: f[i])
    terms = [Fraction(float(r[i])) * (1 if w is None else Fraction(float(w[i]))) for i in order]
    sums = list(itertools.accumulate(terms))
    keys = [f[i] for i in order]
    return [p for p in range(len(f) - 1) if sums[p] != 0 and keys[p] < keys[p + 1]], sums, keys


def drop_at(total: Fraction, gap: Fraction, mass: Fraction, bound: Fraction) -> Fraction:
    u = min(2 * abs(total) / mass, bound * gap)
    return 2 * u * abs(total) - mass * u * u / 2


TIED = st.integers(-2, 2).map(float)
ODD_WEIGHT = st.sampled_from([5e-324, 1e-300, 1e308, 0.1])
WEIGHT = st.one_of(st.integers(1, 4).map(float), st.floats(0.001, 10), ODD_WEIGHT)


@st.composite
def samples(draw: Any, max_size: int, weighted: bool = False) -> tuple[Any, Any, Any]:
    """Fitted, residual, weights; half of the residuals are drawn to cancel."""
    keys = draw(st.sampled_from([TIED, ORDINARY, WIDE]))
    values = draw(st.sampled_from([TIED, ORDINARY, WIDE]))
    f = draw(st.lists(keys, max_size=max_size))
    r = draw(st.lists(values, min_size=len(f), max_size=len(f)))
    if draw(st.booleans()):
        for i in range(0, len(r) - 1, 2):
            r[i + 1] = -r[i]
        if draw(st.booleans()):
            f = sorted(f)
    w = np.array(draw(st.lists(WEIGHT, min_size=len(f), max_size=len(f)))) if weighted else None
    return np.array(f, dtype=float), np.array(r, dtype=float), w


@given(samples(40), st.sampled_from([1, 2, 3]), st.booleans())
@settings(max_examples=examples(300), deadline=None)
def test_j_is_its_definition(data: Any, workers: int, tiny: bool) -> None:
    f, r, _ = data
    with small() if tiny else contextlib.nullcontext():
        found = split_set(f, r, workers=workers)
        best = best_split(f, r, workers=workers)
    exact = definition(f, r)[0]
    assert found.dtype == np.int64
    assert found.tolist() == exact
    assert best.n_splits == len(exact)
    assert best.position in exact if exact else best.position is None


@given(samples(25, weighted=True), st.sampled_from([1, 2]))
@settings(max_examples=examples(200), deadline=None)
def test_j_is_its_definition_with_weights(data: Any, workers: int) -> None:
    f, r, w = data
    with small():
        found = split_set(f, r, w, workers=workers)
        best = best_split(f, r, sample_weight=w, workers=workers)
    exact, sums, _keys = definition(f, r, w)
    assert found.tolist() == exact
    assert best.n_splits == len(exact)
    if exact:
        assert best.position in exact
        total = sums[best.position]
        if abs(total) < Fraction(2) ** 1023:
            assert abs(Fraction(best.S) - total) <= max(abs(total) / 2**50, Fraction(5e-324))


@given(
    st.lists(st.integers(-30, 30).map(lambda k: k / 8), min_size=1, max_size=40),
    st.integers(0, 10**6),
    st.sampled_from([1.0, -0.5, 1 / 3]),
    st.sampled_from(["limit", "paper"]),
    st.booleans(),
    st.sampled_from([0, -700, 700]),
)
@settings(max_examples=examples(200), deadline=None)
def test_best_split_lowers_the_risk_most(
    f: list[float], seed: int, kappa: float, reach: Any, weighted: bool, power: int
) -> None:
    """The drop is the largest of all splits, and the outputs' risk falls by exactly the formula."""
    rng = np.random.default_rng(seed)
    m = len(f)
    r = rng.integers(-4, 5, m).astype(float)
    w = rng.integers(1, 4, m).astype(float) if weighted else np.ones(m)
    # the theorem's premise is a linear fit: weighted residuals sum to 0
    w[-1] = 1.0
    r[-1] -= float(w @ r)
    scale = 2.0**power
    with small():
        best = best_split(
            np.array(f) * scale, r * scale, kappa, sample_weight=w if weighted else None, reach=reach
        )
    j, sums, keys = definition(f, r, w)
    assert best.n_splits == len(j)
    assert best.n_undecided == 0, "sums of integers carry no error"
    if best.position is None:
        assert not j
        assert not best
        assert best.drop == best.S == best.u == 0.0
        return
    p, mass = best.position, Fraction(float(w.sum()))
    bound = abs(Fraction(kappa)) * (Fraction(1, 2) if reach == "limit" else Fraction(1, 4))
    drops = {q: drop_at(sums[q], Fraction(keys[q + 1]) - Fraction(keys[q]), mass, bound) for q in j}
    assert p in drops
    assert drops[p] >= max(drops.values()) * (1 - Fraction(1, 10**12))
    assert float(sums[p]) * scale == best.S
    assert (best.lower, best.upper) == (keys[p] * scale, keys[p + 1] * scale)
    if power == 0:
        assert best.drop == pytest.approx(float(drops[p]), rel=1e-12)
    else:
        assert best.drop == (0.0 if power < 0 else math.inf)
    assert 0 < abs(best.gamma) <= best.gap * (0.5 if reach == "limit" else 0.25)
    assert best.u == pytest.approx(kappa * best.gamma, rel=1e-15, abs=0.0)
    assert best.lower <= best.beta <= best.upper
    # outputs are fitted - u on the lower side and fitted + u on the upper one
    u = Fraction(best.u) / Fraction(2) ** power
    change = Fraction(0)
    for fi, ri, wi in zip(f, r.tolist(), w.tolist(), strict=True):
        after = Fraction(ri) - u if fi <= keys[p] else Fraction(ri) + u
        change += Fraction(wi) * (Fraction(ri) ** 2 - after**2) / 2
    assert change > 0
    assert change == 2 * u * sums[p] - mass * u * u / 2


def test_ties_go_to_the_smallest_position() -> None:
    best = best_split([0.0, 1.0, 2.0, 3.0], [1.0, -2.0, 2.0, -1.0])
    assert (best.position, best.n_splits) == (0, 3)
    assert best.drop == 0.5  # u = 1/2, S = 1, m = 4: 2 u S - 2 u^2
    # equal drops in many groups of buckets
    with small():
        for workers in (1, 2):
            best = best_split(np.arange(200.0), np.tile([1.0, -1.0], 100), workers=workers)
            assert (best.position, best.n_splits) == (0, 100)


@pytest.mark.parametrize("bucket", [4, 16])
def test_every_size_around_every_border(bucket: int) -> None:
    rng = np.random.default_rng(0)
    for m in [*range(71), *(k * bucket + d for k in (8, 16, 31) for d in (-1, 0, 1))]:
        for f in (rng.normal(size=m), rng.integers(0, 9, m).astype(float), np.exp(rng.normal(size=m) * 20)):
            r = rng.integers(-1, 2, m).astype(float)
            with small(bucket):
                assert split_set(f, r).tolist() == definition(f, r)[0], m


@pytest.mark.parametrize("m", [2 * 4096 - 1, 2 * 4096, 2 * 4096 + 1, 3 * 4096 + 17])
def test_real_borders(m: int) -> None:
    rng = np.random.default_rng(m)
    f, r = rng.normal(size=m), rng.integers(-1, 2, m).astype(float)
    order = np.argsort(f)
    assert split_set(f, r).tolist() == np.flatnonzero(np.cumsum(r[order])[:-1] != 0).tolist()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bucket", [4, 4096])
def test_skew_and_any_number_of_workers(shape: str, bucket: int) -> None:
    """Sorted right whatever the keys, and the same bits from 1, 2 and 3 workers."""
    m = 3000 if bucket == 4 else 40_000
    f = shapes(m)[shape]
    rng = np.random.default_rng(1)
    whole, real = rng.integers(-2, 3, m).astype(float), rng.normal(size=m)
    order = np.argsort(f, kind="stable")
    keys, sums = f[order], np.cumsum(whole[order])
    expected = np.flatnonzero((keys[1:] > keys[:-1]) & (sums[:-1] != 0))
    with small(bucket):
        answers = set()
        for workers in (1, 2, 3):
            assert np.array_equal(split_set(f, whole, workers=workers), expected)
            answers.add(repr((best_split(f, real, workers=workers), search_splits(f, real, workers=workers))))
        assert len(answers) == 1
        state = sorted_sums.SortedSums(f, real, None, 3)
        state.sweep(1.0, 0.5)
    assert np.array_equal(state.records[:, 0], keys)
    # each key still carries its own residuals
    found = state.records[np.lexsort((state.records[:, 1], keys)), 1]
    assert np.array_equal(found, real[order][np.lexsort((real[order], keys))])


def test_undecided_zeros_are_resolved() -> None:
    """Two groups whose residuals cancel exactly while no float64 sum of them does."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=300) * 10.0 ** rng.integers(-12, 12, 300)
    r = np.concatenate([x, -rng.permutation(x), rng.normal(size=50)])
    f = np.concatenate([np.zeros(300), np.ones(300), np.arange(2.0, 52.0)])
    exact = definition(f, r)[0]
    assert 599 not in exact
    assert split_set(f, r).tolist() == exact
    best = best_split(f, r)
    assert (best.n_undecided, best.n_splits) == (1, len(exact))
    assert "1 positions decided exactly" in str(best)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_sum_far_below_its_rounding_is_found(weighted: bool) -> None:
    """J = {2} through a partial sum of 2^-200 left by terms of size 1e16."""
    f, r = [0.0, 0.0, 0.0, 1.0], [1e16, 2.0**-200, -1e16, -(2.0**-200)]
    best = best_split(f, r, sample_weight=[1.1] * 4 if weighted else None)
    assert (best.position, best.n_splits) == (2, 1)
    assert math.isclose(best.S, 2.0**-200 * (1.1 if weighted else 1.0), rel_tol=1e-15)
    assert 0 < best.gamma <= 0.5


@given(
    st.lists(st.tuples(st.integers(-6, 6), st.integers(-3, 3)), min_size=2, max_size=30),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.01, 0.3]),
    st.sampled_from([0.0, 0.01]),
    st.sampled_from([0.0, 0.02]),
)
@settings(max_examples=examples(200), deadline=None)
def test_certified_positions_lie_in_the_exact_set(
    pairs: list[tuple[int, int]], seed: int, eps_gap: float, rate: float, base: float
) -> None:
    """Inputs off by at most the bounds: what is certified holds for the exact data."""
    rng = np.random.default_rng(seed)
    exact_f, exact_r = np.array(pairs, dtype=float).T / 8
    # a little inside the bounds, so that rounding in this test cannot leave them
    f = exact_f + rng.uniform(-0.499, 0.499, len(pairs)) * eps_gap
    r = exact_r + rng.uniform(-0.99, 0.99, len(pairs)) * rate
    r[np.argmin(f)] += 0.99 * base
    with small():
        found = search_splits(f, r, None, SplitRule(0.5, 0.5, eps_gap, base, rate), status=True)
    assert found.status is not None
    assert (found.n_certified, found.n_undecided) == (found.certified.size, found.undecided.size)
    assert np.array_equal(found.undecided, np.flatnonzero(found.status == 2))
    assert found.status[-1] == 0
    keys, drops = np.sort(f), {}
    for p in range(len(f) - 1):
        below = f <= keys[p]
        total = exact_r[below].sum()
        if found.status[p] == 1:
            assert exact_f[below].max() < exact_f[~below].min()
            assert total != 0
            size = Fraction(math.fsum(r[below]))
            drops[p] = float(drop_at(size, Fraction(keys[p + 1] - keys[p]), Fraction(len(f)), Fraction(1, 4)))
        elif found.status[p] == 0:
            assert keys[p] == keys[p + 1] or total == 0
        elif eps_gap == rate == base == 0:
            pytest.fail("integers need no exact resolution")
    if found.position is None:
        assert not drops
        assert found.drop == 0.0
    else:
        assert found.drop == pytest.approx(max(drops.values()), rel=1e-9)
        assert drops[found.position] == pytest.approx(found.drop, rel=1e-9)


def test_bounds_are_sharp() -> None:
    """|S| = 1 and gap 1 against bounds just below 1, which certify the position, and exactly 1."""
    f, r = np.array([0.0, 1.0]), np.array([1.0, -1.0])
    below = 1 - 2.0**-40
    for name in ("eps_sum_base", "eps_sum_rate", "eps_gap"):
        assert search_splits(f, r, rule=SplitRule(**{name: below})).n_certified == 1, name
        at = search_splits(f, r, rule=SplitRule(**{name: 1.0}))
        assert (at.n_certified, at.n_undecided, at.undecided.tolist()) == (0, 1, [0]), name
        with pytest.raises(ValueError, match="not negative"):
            SplitRule(**{name: -1.0})
    with pytest.raises(ValueError, match="status=True"):
        _ = search_splits(f, r).certified


def test_the_rounding_bound_holds_and_is_not_idle() -> None:
    """|S - (hi + lo)| stays below growth * errors on sums that cancel, where a plain sum is far off."""
    rng = np.random.default_rng(10)
    r = rng.normal(size=4000) * 10.0 ** rng.uniform(-10, 10, 4000)
    r[2000:] = -r[:2000] * (1 + 1e-13 * rng.normal(size=2000))
    f = rng.normal(size=4000)
    with small(64):
        state = sorted_sums.SortedSums(f, r, None, 1)
        state.sweep(1.0, 0.5)
    exact = definition(f, r)[1]
    starts = state.starts[1:-1]
    worst = 0.0
    for b, start in enumerate(starts.tolist()):
        if start:
            hi, lo, errors = state._before[b + 1].tolist()
            off = abs(Fraction(hi) + Fraction(lo) - exact[start - 1])
            assert off <= Fraction(state.growth) * Fraction(errors)
            worst = max(worst, float(off / (Fraction(state.growth) * Fraction(errors))))
    assert worst > 0


@pytest.mark.parametrize("power", [-1074, -1000, -500, 0, 500, 1017])
def test_extreme_scales(power: int) -> None:
    rng = np.random.default_rng(4)
    f, r = rng.normal(size=200), rng.integers(-9, 10, 200).astype(float)
    plain, moved = best_split(f, r), best_split(f, r * 2.0**power)
    assert moved.n_splits == plain.n_splits
    assert abs(moved.gamma) <= moved.gap / 2
    assert math.isfinite(moved.S)
    same = best_split(f * 2.0**500, r * 2.0**500)
    assert (same.position, same.S, same.u) == (plain.position, plain.S * 2.0**500, plain.u * 2.0**500)


def test_overflow_prone_input() -> None:
    best = best_split([-1.7e308, 1.7e308, 1.7e308], [1.7e308, 1.7e308, 1.7e308])
    assert (best.position, best.n_splits, best.beta) == (0, 1, 0.0)
    assert (best.gap, best.drop) == (math.inf, math.inf)
    assert 0 < best.gamma <= 1.7e308
    # the sum 5.1e308 has no float64; J does not care
    assert split_set([0.0, 1.0, 2.0, 3.0], [1.7e308, 1.7e308, 1.7e308, -1.7e308]).tolist() == [0, 1, 2]
    # scaling 1e308 down must not lose the subnormal beside it
    assert split_set([0.0, 1.0, 2.0, 3.0], [1e308, -1e308, 5e-324, 1.0]).tolist() == [0, 2]


def test_diabetes_values_of_the_theory() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    X, y = datasets.load_diabetes(return_X_y=True)
    A = np.column_stack([X, np.ones(len(X))])
    coef = np.linalg.lstsq(A, y, rcond=None)[0]
    r = A @ coef - y
    risk = 0.5 * float(r @ r)
    assert best_split(A @ coef, r, reach="paper").drop == pytest.approx(662.9682, abs=6e-5)
    assert best_split(A @ coef, r).drop / risk == pytest.approx(0.0019639, abs=6e-8)


@pytest.mark.parametrize("m", [0, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_too_few_samples_for_a_split(m: int, weighted: bool) -> None:
    weights = np.ones(m) if weighted else None
    assert split_set([1.0] * m, [2.0] * m, weights).tolist() == []
    best = best_split([1.0] * m, [2.0] * m, sample_weight=weights)
    assert (best.position, best.n_splits, best.drop) == (None, 0, 0.0)
    assert math.isnan(best.beta)
    assert "J is empty" in str(best)
    assert search_splits(np.ones(m), np.ones(m), weights).position is None


def test_minus_zero_is_zero_and_inputs_are_left_alone() -> None:
    f, r = np.array([0.0, -0.0, 1.0]), np.array([1.0, 1.0, -2.0])
    f.flags.writeable = r.flags.writeable = False
    assert split_set(f, r).tolist() == [1]
    assert split_set(f[::-1], r[::-1]).tolist() == [1]
    assert split_set(f.astype(">f8"), r.astype(np.float32)).tolist() == [1]
    assert split_set(np.array([0, 0, 1]), [[True], [True], [False]]).tolist() == [1]
    assert "position 1" in str(best_split(f, r))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["fitted", "residual", "sample_weight"])
@pytest.mark.parametrize("m", [5, 20_000])
def test_non_finite_values_are_named(bad: float, name: str, m: int) -> None:
    for place in (0, m // 2, m - 1):
        columns = {"fitted": np.linspace(0, 1, m), "residual": np.ones(m), "sample_weight": np.ones(m)}
        columns[name][[place, m - 1]] = bad
        if name != "sample_weight":
            del columns["sample_weight"]
        for call in (split_set, best_split):
            with pytest.raises(DataError, match=f"{name} must be finite.*index {place};"):
                call(**columns)


def test_other_bad_input() -> None:
    with pytest.raises(DataError, match="residual must have one value for each of the 2"):
        split_set([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="sample_weight must have one value"):
        split_set([1.0, 2.0], [1.0, 2.0], [1.0])
    with pytest.raises(DataError, match=r"sample_weight must be positive.*index 1"):
        split_set([1.0, 2.0], [1.0, 2.0], [1.0, 0.0])
    with pytest.raises(DataError, match="one-dimensional"):
        split_set(np.ones((2, 2)), np.ones(4))
    for values in (["a", "b"], [1j, 2.0], np.ones(2, np.longdouble), np.ma.masked_equal([1.0, 2.0], 1.0)):
        with pytest.raises(DataTypeError):
            split_set(values, [1.0, 2.0])
    with pytest.raises(DataError, match="no float64"):
        split_set(np.array([2**53 + 1, 0]), [1.0, 2.0])
    for kappa in (0.0, math.nan, 1.5):
        with pytest.raises(ActivationError, match="kappa"):
            best_split([1.0], [1.0], kappa)
    bad_reach: Any = "far"
    with pytest.raises(ValueError, match="reach"):
        best_split([1.0], [1.0], reach=bad_reach)
    for workers in (0, -2):
        with pytest.raises(ValueError, match="workers"):
            split_set([1.0], [1.0], workers=workers)
    assert split_set([0.0, 1.0], [1.0, -1.0], workers=-1).tolist() == [0]


@pytest.mark.parametrize("call", [split_set, best_split])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "weighted", "weighted zeros"])
def test_memory_beyond_the_inputs(call: Any, workers: int, kind: str) -> None:
    """NumPy reports its buffers to tracemalloc: at most 24 bytes a sample, the result included."""
    m = 500_000
    rng = np.random.default_rng(6)
    f, r = rng.normal(size=m), rng.normal(size=m)
    w = rng.uniform(1, 2, m) if kind != "plain" else None
    if kind == "weighted zeros":
        # pairs of equal keys with opposite residuals: rounded products hide all zeros
        half = m // 2
        f[half:], r[half:], w = f[:half], -r[:half], np.full(m, 1.1)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = call(f, r, sample_weight=w, workers=workers)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak <= 24 * m
    expected = 0 if kind == "weighted zeros" else m - 1
    assert (result.n_splits if isinstance(result, Split) else result.size) == expected
