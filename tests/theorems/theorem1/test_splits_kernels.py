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
from fastminima.theorems.theorem1.splits import sorted_sums as sorted_sums
from fastminima.theorems.theorem1.splits.search import SplitRule, best_split, search_splits, split_set
from profiles import examples
from split_cases import ORDINARY, SHAPES, WIDE, shapes, sizes


class Both:
    """Runs kernel and twin on every call and compares what they write and return."""

    def __init__(self) -> None:
        self.called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        def run(*args: Any) -> Any:
            self.called.add(name)
            copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
            result = getattr(compiled, name)(*args)
            assert result == getattr(twin, name)(*copies)
            for k, (a, b) in enumerate(zip(args, copies, strict=True)):
                if not isinstance(a, np.ndarray) or (name == "sort_buckets" and k in (4, 5)):
                    continue
                if (name, k) in (("exact_prefix", 5), ("exact_below", 5)):
                    np.testing.assert_allclose(a, b, rtol=2.0**-51, atol=5e-324)
                else:
                    np.testing.assert_array_equal(a, b, err_msg=f"{name}, argument {k}")
            return result

        return run


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_kernels_agree_with_their_twins(shape: str, weighted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    m = 700
    f, rng = shapes(m)[shape], np.random.default_rng(2)
    both = Both()
    monkeypatch.setattr(sorted_sums, "kernels", both)
    # scratch for every bucket: only then are equal keys kept in order
    monkeypatch.setattr(sorted_sums.SortedSums, "_room", lambda self: self.size)
    w = rng.uniform(0.5, 2, m) if weighted else None
    with sizes(BUCKET=24, GROUP=64, THREADS_FROM=0):
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


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("room", [1, 16, 64, 2000])
@pytest.mark.parametrize("kind", ["random", "ties", "killer", "sorted", "exponents", "constant"])
def test_one_bucket_with_any_scratch(room: int, kind: str, depth: int) -> None:
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
    records, totals = np.column_stack([keys, values]), np.zeros((1, 3))
    compiled.sort_buckets(
        records,
        np.array([0, n]),
        0,
        1,
        np.empty((room, 2)),
        np.empty(10 * room + 5, np.uint32),
        depth,
        totals,
    )
    assert np.array_equal(records[:, 0], np.sort(keys))
    assert np.array_equal(keys[np.argsort(values)][records[:, 1].astype(int)], records[:, 0])
    assert np.array_equal(np.sort(records[:, 1]), np.arange(n))
    assert totals[0].tolist() == [n * (n - 1) / 2, 0.0, 0.0]


@pytest.mark.parametrize("kind", ["clusters", "zeros"])
def test_hard_buckets_are_sorted_stably(kind: str) -> None:
    """Clusters that no map resolves end in the comparison sort; -0.0 and 0.0 stay in their order."""
    rng = np.random.default_rng(12)
    if kind == "clusters":
        close = 1 + rng.integers(0, 40, 90) * 2.0**-52
        keys = rng.permutation(np.concatenate([1 + 2.0 ** -np.arange(1, 46), close]))
    else:
        keys = rng.integers(0, 6, 200) * 5e-324 * rng.choice([-1.0, 1.0], 200)
    n = keys.size
    records, totals = np.column_stack([keys, np.arange(n)]), np.zeros((1, 3))
    expected, bounds = records.copy(), np.array([0, n])
    scratch = np.empty((n, 2)), np.empty(10 * n + 5, np.uint32)
    compiled.sort_buckets(records, bounds, 0, 1, *scratch, 0, totals)
    twin.sort_buckets(expected, bounds, 0, 1, *scratch, 0, totals)
    assert np.array_equal(records, expected)


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
