"""Lower bounds of few kinks: kernel against twin, and against rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.kernels import _pieces, reference_pieces
from profiles import examples


def _points(rng, n, spread=1.0):
    t = np.sort(rng.choice(np.arange(-512, 512), size=n, replace=False)) / 1024.0 * spread
    return t, np.zeros(n), rng.integers(1, 9, n) / 8.0, rng.integers(-64, 65, n) / 64.0


def independent(module, t, low, w, r, pieces, ceiling=math.inf):
    best = np.full((pieces, len(t) + 1), np.nan)
    work, last = np.full(8 * (len(t) + 1), np.nan), np.full(pieces, len(t) + 9, np.intp)
    module.independent(t, low, w, r, ceiling, np.empty((len(t) + 1, 12)), work, last, best)
    return best


def joined(module, t, low, w, r, kinks, variant=0, ceiling=math.inf):
    n = len(t)
    best = np.full(kinks + 1, np.nan)
    work = np.full((7 + kinks) * (n * (n + 1) // 2) + n, np.nan)
    module.joined(t, low, w, r, ceiling, np.empty((n + 1, 12)), work, variant, best)
    return best


# 64 lanes of the minimum: one below, at and above, and every small remainder
SIZES = [1, 2, 3, 4, 5, 7, 9, 17, 63, 64, 65, 66]


@pytest.mark.parametrize("n", SIZES)
def test_joined_equals_its_twin_in_every_variant(n):
    rng = np.random.default_rng(n)
    points = _points(rng, n)
    twin = joined(reference_pieces, *points, 3)
    plain = joined(_pieces, *points, 3)
    assert np.all(plain <= twin + 1e-15)
    assert np.allclose(plain, twin, rtol=1e-11, atol=1e-13)
    for variant in range(1, _pieces.BEST_VARIANT + 1):
        assert np.array_equal(joined(_pieces, *points, 3, variant), plain)


@pytest.mark.parametrize("n", SIZES)
def test_independent_equals_its_twin(n):
    points = _points(np.random.default_rng(n), n)
    twin = independent(reference_pieces, *points, 4)
    found = independent(_pieces, *points, 4)
    assert np.all(found <= twin + 1e-15)
    assert np.allclose(found, twin, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("n", [90, 400])
def test_what_the_estimates_pass_over_changes_nothing(n):
    """Long enough that most pieces are not looked at: against the recursion over the kernel's own costs of all of them."""
    rng = np.random.default_rng(n)
    t = np.cumsum(rng.integers(1, 5, n)) / (5.0 * n)
    w, r = rng.integers(1, 9, n) / 8.0, np.cumsum(rng.integers(-3, 4, n)) / (3.0 * n)
    low, down = np.zeros(n), 1.0 - 2.0**-50
    found = independent(_pieces, t, low, w, r, 5)
    cost = np.full((n + 1, n + 1), np.inf)
    for i in range(n):
        cost[i, i + 1 :] = independent(_pieces, t[i:], low[i:], w[i:], r[i:], 1)[0, 1:]
    best = found[0]
    for p in range(1, 5):
        best = np.minimum(best, ((best[:, None] + cost) * down).min(axis=0))
        # running sums that begin elsewhere round otherwise
        assert found[p] == pytest.approx(best, rel=1e-12, abs=1e-18)


@pytest.mark.parametrize("function", [independent, joined])
def test_nothing_is_above_the_ceiling_and_nothing_below_it_changes(function):
    points = _points(np.random.default_rng(5), 40)
    free = function(_pieces, *points, 4)[-1]
    last = free[-1] if free.ndim else free
    for ceiling in (last * 0.5, last * 1.5):
        found = function(_pieces, *points, 4, ceiling=ceiling)[-1]
        value = found[-1] if found.ndim else found
        assert value <= ceiling
        assert value == pytest.approx(min(last, ceiling), rel=1e-12)


def _exact_cost(t, w, r):
    def mean(values):
        return sum(a * b for a, b in zip(w, values, strict=True)) / sum(w)

    mt, mr = mean(t), mean(r)
    tt = mean([(b - mt) ** 2 for b in t])
    tr = mean([(b - mt) * (c - mr) for b, c in zip(t, r, strict=True)])
    rr = mean([(c - mr) ** 2 for c in r])
    return sum(w) * (rr - tr * tr / tt if tt else rr) / 2


def exact_independent(t, w, r, pieces):
    n = len(t)
    best = [_exact_cost(t[:j], w[:j], r[:j]) if j else Fraction(0) for j in range(n + 1)]
    for _ in range(pieces - 1):
        best = [
            min([best[j]] + [best[i] + _exact_cost(t[i:j], w[i:j], r[i:j]) for i in range(1, j)])
            for j in range(n + 1)
        ]
    return best[n]


@st.composite
def cases(draw):
    n = draw(st.integers(1, 7))
    near = draw(st.booleans())
    unit = draw(st.sampled_from([2.0**-20, 2.0**-52, 2.0**-80])) if near else 2.0**-9
    steps = draw(st.lists(st.integers(1, 100), min_size=n, max_size=n))
    positions = np.cumsum(steps)
    high = positions * unit
    low = np.zeros(n)
    if draw(st.booleans()):  # far from 0: a second word is needed
        low, high = high, np.full(n, 0.5)
        high, low = high + low, low - ((high + low) - high)
    w = draw(st.lists(st.sampled_from([1.0, 0.5, 2.0**-30, 0.7]), min_size=n, max_size=n))
    r = draw(st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.3, 2.0**-40, -0.9]), min_size=n, max_size=n))
    return high, low, np.array(w), np.array(r)


@settings(max_examples=examples(150), deadline=None)
@given(cases())
def test_never_above_the_exact_least_risk(case):
    high, low, w, r = case
    t = [Fraction(a) + Fraction(b) for a, b in zip(high.tolist(), low.tolist(), strict=True)]
    weights, values = [Fraction(v) for v in w.tolist()], [Fraction(v) for v in r.tolist()]
    found = independent(_pieces, high, low, w, r, 3)[:, -1]
    bounds = joined(_pieces, high, low, w, r, 2)
    assert bounds[0] == pytest.approx(found[0], rel=1e-9, abs=1e-15)
    for pieces in (1, 2, 3):
        exact = exact_independent(t, weights, values, pieces)
        assert 0 <= Fraction(found[pieces - 1]) <= exact
        # k kinks can do all that (k // 2 + 1) independent pieces can
        if pieces < 3:
            assert Fraction(bounds[2 * pieces - 2]) <= exact
        assert bounds[pieces - 1] >= found[pieces - 1] * (1 - 1e-9) - 1e-15


def test_one_kink_is_the_scan_over_knots():
    """With one kink the bound is the least risk itself: knots at the points, and free ones between them."""
    rng = np.random.default_rng(0)
    for n in (6, 15, 40):
        t, low, w, r = _points(rng, n)
        root = np.sqrt(w)
        best = math.inf
        for i in range(n - 1):
            for knot in (t[i], t[i + 1]):
                table = np.column_stack([np.ones(n), t, np.maximum(t - knot, 0.0)]) * root[:, None]
                rest = table @ np.linalg.lstsq(table, r * root, rcond=None)[0] - r * root
                best = min(best, 0.5 * float(rest @ rest))
            left = np.arange(n) <= i
            table = np.column_stack([left, left * t, ~left, ~left * t]) * root[:, None]
            c = np.linalg.lstsq(table, r * root, rcond=None)[0]
            if c[1] != c[3] and t[i] <= (c[2] - c[0]) / (c[1] - c[3]) <= t[i + 1]:
                rest = table @ c - r * root
                best = min(best, 0.5 * float(rest @ rest))
        assert joined(_pieces, t, low, w, r, 1)[1] == pytest.approx(best, rel=1e-10)
