"""The kernels of the sorted partial sums: twins, borders of buckets, hard inputs."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastminima.kernels import _splits as compiled
from fastminima.kernels import reference_splits as twin
from fastminima.theorems.theorem1.splits import bucket_plan as bucket_plan
from fastminima.theorems.theorem1.splits import sorted_sums as sorted_sums
from fastminima.theorems.theorem1.splits.search import SplitRule, best_split, search_splits, split_set
from profiles import examples
from split_cases import ORDINARY, SHAPES, WIDE, shapes, sizes

SCRATCH = {("sort_buckets", 4), ("sort_buckets", 5), ("scatter_buckets", 7)}
VARIANTS = range(compiled.BEST_VARIANT + 1)


class Both:
    """Runs kernel and twin on every call and compares what they write and return."""

    PARTS = compiled.PARTS

    def __init__(self, variant: int = compiled.BEST_VARIANT) -> None:
        self.called: set[str] = set()
        self.BEST_VARIANT = variant

    def __getattr__(self, name: str) -> Any:
        def run(*args: Any) -> Any:
            self.called.add(name)
            copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
            result = getattr(compiled, name)(*args)
            assert result == getattr(twin, name)(*copies)
            for k, (a, b) in enumerate(zip(args, copies, strict=True)):
                if not isinstance(a, np.ndarray) or (name, k) in SCRATCH:
                    continue
                if (name, k) in (("exact_prefix", 5), ("exact_below", 5)):
                    np.testing.assert_allclose(a, b, rtol=2.0**-51, atol=5e-324)
                else:
                    np.testing.assert_array_equal(a, b, err_msg=f"{name}, argument {k}")
            return result

        return run


# buckets of a few records, and of so many that wider vectors sort them
WAYS = [
    (variant, *way)
    for variant in VARIANTS
    for way in ([(False, 24)] if variant < min(2, compiled.BEST_VARIANT) else [(True, 24), (False, 150)])
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("variant", "weighted", "bucket"), WAYS)
def test_kernels_agree_with_their_twins(
    variant: int, weighted: bool, bucket: int, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = 700
    f, rng = shapes(m)[shape], np.random.default_rng(2)
    both = Both(variant)
    monkeypatch.setattr(sorted_sums, "kernels", both)
    monkeypatch.setattr(bucket_plan, "kernels", both)
    # scratch for every bucket: only then are equal keys kept in order
    monkeypatch.setattr(sorted_sums, "_room", lambda size, largest_bucket, workers: max(largest_bucket, 1))
    w = rng.uniform(0.5, 2, m) if weighted else None
    with sizes(BUCKET=bucket, GROUP=64, THREADS_FROM=0, STREAM_FROM=0 if weighted else 1000):
        for r in (rng.normal(size=m), rng.integers(-1, 2, m) * 0.1, rng.normal(size=m) * 1e-310):
            best_split(f, r, 0.5, sample_weight=w)
            split_set(f, r, w)
            search_splits(f, r, w, SplitRule(0.5, 0.25, 1e-3, 1e-9, 1e-12), status=True)
    expected = {"is_ordered", "scatter_buckets", "sort_buckets", "prefix_buckets", "sweep_buckets"}
    if not np.all(f[1:] >= f[:-1]):
        expected.add("count_buckets")
    assert both.called >= expected | ({"product_errors"} if weighted else set())


def test_exact_sums_agree_with_their_twins() -> None:
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(2, 200)) * 10.0 ** rng.integers(-150, 150, (2, 200))
    both, positions = Both(), np.array([0, 3, 4, 100, 199])
    order = rng.permutation(200)
    for weights in (np.empty(0), y):
        for by in (order, np.empty(0, np.int64)):
            both.exact_prefix(x, weights, by, positions, 3, np.empty(5), np.empty(5, np.int8))
    keys = rng.normal(size=200)
    for weights in (np.empty(0), y):
        sums = np.empty(1), np.empty(1)
        sign = compiled.exact_below(keys, x, weights, 0.1, 3, sums[0])
        assert sign == twin.exact_below(keys, x, weights, 0.1, 3, sums[1]) != 0
        assert sums[0][0] == pytest.approx(sums[1][0], rel=2.0**-51, abs=0.0)
    for kernels in (compiled, twin):
        assert kernels.exact_below(keys, x, y, -9.0, 0, sums[0]) == 0


def test_every_kernel_has_a_twin() -> None:
    public = {
        name for name in dir(compiled) if not name.startswith("_") and callable(getattr(compiled, name))
    }
    assert public == set(twin.__all__)


def killer(n: int, room: int) -> np.ndarray:
    """Keys on which every cut of the large-bucket sort removes five records: values dealt while it runs."""
    ids, value, dealt = list(range(n)), [math.inf] * n, itertools.count()
    start, size = 0, n
    while size > room and size >= 9:
        q = size // 8
        places = [start + k * q for k in range(8)] + [start + size - 1]
        for place in places:
            if value[ids[place]] == math.inf:
                value[ids[place]] = float(next(dealt))
        looked = [value[ids[p]] for p in places]
        pivot = sorted(sorted(looked[k : k + 3])[1] for k in (0, 3, 6))[1]
        lt, gt, i = start, start + size, start
        while i < gt:
            v = value[ids[i]]
            if v < pivot:
                ids[lt], ids[i] = ids[i], ids[lt]
                lt, i = lt + 1, i + 1
            elif v > pivot:
                gt -= 1
                ids[i], ids[gt] = ids[gt], ids[i]
            else:
                i += 1
        start, size = gt, start + size - gt
    return np.array([float(next(dealt)) if v == math.inf else v for v in value])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("room", [1, 16, 64, 2000])
@pytest.mark.parametrize("kind", ["random", "ties", "killer", "sorted", "exponents", "constant"])
def test_one_bucket_with_any_scratch(room: int, kind: str, depth: int, variant: int) -> None:
    rng = np.random.default_rng(3)
    n = 2000
    keys = {
        "random": rng.normal(size=n),
        "ties": rng.integers(0, 5, n).astype(float),
        "killer": killer(n, room),
        "sorted": np.arange(n, dtype=float),
        "exponents": 10 ** rng.uniform(-300, 300, n),
        "constant": np.ones(n),
    }[kind]
    values = rng.permutation(n).astype(float)
    records, totals = np.column_stack([keys, values]), np.zeros((1, compiled.PARTS))
    compiled.sort_buckets(
        records,
        np.array([0, n]),
        0,
        1,
        np.empty((room, 2)),
        np.empty(11 * room + 512, np.uint32),
        depth,
        variant,
        totals,
    )
    assert np.array_equal(records[:, 0], np.sort(keys))
    assert np.array_equal(keys[np.argsort(values)][records[:, 1].astype(int)], records[:, 0])
    assert np.array_equal(np.sort(records[:, 1]), np.arange(n))
    assert totals[0, -3:].tolist() == [n * (n - 1) / 2, 0.0, 0.0]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("kind", ["clusters", "zeros", "a few each", "many each", "both signs", "ends"])
def test_hard_buckets_are_sorted_stably(kind: str, depth: int, variant: int) -> None:
    """Clusters that no map resolves end in the comparison sort; -0.0 and 0.0 stay in their order."""
    rng = np.random.default_rng(12)
    if kind == "clusters":
        close = 1 + rng.integers(0, 40, 90) * 2.0**-52
        keys = rng.permutation(np.concatenate([1 + 2.0 ** -np.arange(1, 46), close]))
    else:
        keys = {
            "zeros": rng.integers(0, 6, 200) * 5e-324 * rng.choice([-1.0, 1.0], 200),
            # 8 equal keys fill a cell beyond one network, 40 beyond its room
            "a few each": np.repeat(rng.normal(size=80), 20)[rng.permutation(1600)],
            "many each": np.repeat(rng.normal(size=40), 40)[rng.permutation(1600)],
            "both signs": 10 ** rng.uniform(-300, 300, 1000) * rng.choice([-1.0, 1.0], 1000),
            "ends": rng.permutation(np.concatenate([rng.normal(size=500), [1.7e308, -1.7e308, 0.0, -0.0]])),
        }[kind]
    n = keys.size
    records, totals = np.column_stack([keys, np.arange(n)]), np.zeros((2, 1, compiled.PARTS))
    expected, bounds = records.copy(), np.array([0, n])
    scratch = np.empty((n, 2)), np.empty(11 * n + 512, np.uint32)
    compiled.sort_buckets(records, bounds, 0, 1, *scratch, depth, variant, totals[0])
    twin.sort_buckets(expected, bounds, 0, 1, *scratch, depth, variant, totals[1])
    assert np.array_equal(records, expected)
    assert np.array_equal(totals[0], totals[1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_buckets_of_every_size(variant: int) -> None:
    """Every remainder of every width of vectors: sorting, sums before each stretch, and the sweep."""
    rng = np.random.default_rng(13)
    for n in [*range(1, 150), 255, 256, 257, 300, 511, 513, 1031]:
        keys = rng.integers(0, n, n + 3) / 8 if n % 3 else 10 ** rng.uniform(-5, 5, n + 3)
        keys[n:] = 1e6 + np.arange(3)
        records = np.column_stack([keys, rng.normal(size=n + 3)])
        both, bounds = Both(variant), np.array([0, n, n + 3])
        totals, before = np.zeros((2, compiled.PARTS)), np.zeros((3, 3))
        scratch = np.full((n, 2), np.nan), np.zeros(11 * n + 512, np.uint32)
        both.sort_buckets(records, bounds, 0, 2, *scratch, n % 2, variant, totals)
        both.prefix_buckets(totals, 0, 2, before)
        for eps_gap, base, marks in [(0.0, 0.0, 0), (0.0, 1.0, n + 3), (0.2, 0.1, 0), (0.2, 0.1, n + 3)]:
            rule = np.array([eps_gap, base, 1e-3, 1e-15, 2.0 / n, n / 2, 0.5])
            status, best, count = np.zeros(marks, np.uint8), np.empty(2), np.empty(3, np.int64)
            both.sweep_buckets(records, bounds, before, totals, 0, 2, rule, variant, status, best, count)
            assert count[1] + count[2] > 0 or n < 4


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_map_to_buckets(shape: str, variant: int) -> None:
    """Linear, by bits and by splitters: twins agree for every remainder, and buckets are ordered like keys."""
    f, both = shapes(3000)[shape], Both(variant)
    sample, ids = np.sort(f[::3]), np.empty(3000, np.uint16)
    if sample[0] == sample[-1]:
        return
    plans = [bucket_plan.Plan._linear(sample, 20), bucket_plan.Plan._by_bits(sample, 20)]
    for plan in [*filter(None, plans), bucket_plan.Plan._tree(sample, 20)]:
        for n in [*range(10), 255, 263, 3000]:
            counts = np.zeros(plan.n_buckets, np.int64)
            both.count_buckets(
                f[:n], plan.lo, plan.scale, plan.floor, plan.first, plan.shift, plan.table, plan.tree, plan.levels,
                variant, ids[:n], counts,
            )  # fmt: skip
        assert np.all(np.diff(ids[np.argsort(f, kind="stable")].astype(int)) >= 0)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 100, 1001])
def test_records_past_the_caches(n: int) -> None:
    """Lines that two calls share, buckets with less than a line, and memory that begins elsewhere."""
    rng = np.random.default_rng(n)
    keys, values, weights = rng.normal(size=(3, n))
    ids = rng.integers(0, 12, n).astype(np.uint16)
    counts = np.bincount(ids, minlength=12)
    starts = np.cumsum(counts) - counts
    half = n // 2
    first = np.bincount(ids[:half], minlength=12)
    for shift in (0, 1):
        memory = np.full(2 * n + 16, np.nan)
        skip = -memory.ctypes.data % 64 // 8 + 2 * shift
        records, expected = memory[skip : skip + 2 * n].reshape(n, 2), np.empty((n, 2))
        for w in (np.empty(0), weights):
            for rows, at in ((slice(half, n), starts + first), (slice(0, half), starts)):
                others = w[rows] if w.size else w
                arguments = keys[rows], values[rows], others, ids[rows], 0.5, 2.0
                if keys[rows].size:
                    compiled.scatter_buckets(*arguments, at.copy(), np.empty(17 * 12 + 8), records)
                    twin.scatter_buckets(*arguments, at.copy(), np.empty(0), expected)
            assert np.array_equal(records, expected)
        rest = np.delete(memory, np.arange(skip, skip + 2 * n))
        assert np.all(np.isnan(rest))


@given(st.lists(st.tuples(WIDE, st.one_of(WIDE, ORDINARY)), min_size=1, max_size=30), st.booleans())
@settings(max_examples=examples(200), deadline=None)
def test_exact_prefix_is_exact(pairs: list[tuple[float, float]], weighted: bool) -> None:
    x = np.array([p[0] for p in pairs] + [-p[0] for p in pairs])
    y = np.array([p[1] for p in pairs] * 2) if weighted else np.ones(x.size)
    shift = 1200 if weighted else 200
    signs, sums = np.empty(x.size, np.int8), np.empty(x.size)
    others, order = (y if weighted else np.empty(0)), np.empty(0, np.int64)
    compiled.exact_prefix(x, others, order, np.arange(x.size), shift, sums, signs)
    terms = (Fraction(a) * Fraction(b) for a, b in zip(x.tolist(), y.tolist(), strict=True))
    exact = list(itertools.accumulate(terms))
    assert signs.tolist() == [(s > 0) - (s < 0) for s in exact]
    assert signs[-1] == 0
    for found, s in zip(sums.tolist(), exact, strict=True):
        view = s / Fraction(2) ** shift
        assert abs(Fraction(found) - view) <= max(abs(view) / 2**51, Fraction(5e-324))
