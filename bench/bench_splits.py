"""The sorted partial-sum search against the same search on `numpy.argsort`.

Run as a script for one table of CPU times and ratios (one worker, process time, medians of alternated runs, and
`np.sort` of the keys alone beside them) and one of wall times for two workers, with the answers beside them; or
through pytest-benchmark:

    OPENBLAS_NUM_THREADS=1 python bench/bench_splits.py [m ...]
    OPENBLAS_NUM_THREADS=1 python -m pytest bench/bench_splits.py --benchmark-only
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastminima.kernels._splits import BEST_VARIANT, VARIANTS
from fastminima.theorems.theorem1.splits.search import best_split, split_set

Answer = tuple[int, float, int]


def on_argsort(f: Any, r: Any) -> Answer:
    """The peer: best position, drop and |J| (in plain float64, so |J| may differ where sums cancel)."""
    m = len(f)
    o = np.argsort(f)
    fs = f[o]
    S = np.cumsum(r[o])
    with np.errstate(over="ignore"):
        gap = np.diff(fs)
    S = S[:-1]
    u = np.clip(2 * S / m, -gap / 2, gap / 2)
    d = 2 * u * S - 0.5 * m * u * u
    d[(gap <= 0) | (S == 0)] = 0
    j = int(np.argmax(d))
    return j, float(d[j]), int(((gap > 0) & (S != 0)).sum())


def by_buckets(f: Any, r: Any, workers: int = 1) -> Answer:
    best = best_split(f, r, workers=workers)
    return (-1 if best.position is None else best.position), best.drop, best.n_splits


DATA: dict[str, Callable[[Any, int], Any]] = {
    "normal": lambda rng, m: rng.normal(size=m),
    "lognormal sigma 3": lambda rng, m: np.exp(3 * rng.normal(size=m)),
    "Cauchy": lambda rng, m: rng.standard_cauchy(m),
    "10**uniform(-300,300)": lambda rng, m: 10 ** rng.uniform(-300, 300, m),
    "integers 0..99": lambda rng, m: rng.integers(0, 100, m).astype(float),
    "integers 0..1e5": lambda rng, m: rng.integers(0, 100_001, m).astype(float),
    "constant": lambda rng, m: np.full(m, 3.0),
    "sorted": lambda rng, m: np.sort(rng.normal(size=m)),
    "reversed": lambda rng, m: np.sort(rng.normal(size=m))[::-1].copy(),
}


def make(kind: str, m: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    f, r = DATA[kind](rng, m), rng.normal(size=m)
    return f, r - r.mean()


def clocked(run: Callable[[], Any], clock: Callable[[], float]) -> tuple[float, Any]:
    start = clock()
    answer = run()
    return clock() - start, answer


def machine() -> str:
    """What the figures were measured on, and beside how much other work."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"NumPy {np.__version__}, kernel variant {VARIANTS[BEST_VARIANT]}, {name}, {os.cpu_count()} cores{load}"


def table(sizes: list[int]) -> None:
    print(machine())
    print("CPU ns a sample, medians of alternated runs; `sort` is np.sort of the keys alone")
    print(f"{'data':>22} {'m':>9} {'on argsort':>11} {'buckets':>8} {'sort':>6} {'ratio':>6} {'to sort':>8}")
    for m in sizes:
        runs = 5 if m >= 500_000 else 21
        for kind in DATA:
            f, r = make(kind, m)
            slow, fast, keys = [], [], []
            for _ in range(runs):
                t, a = clocked(lambda f=f, r=r: on_argsort(f, r), time.process_time)
                slow.append(t)
                t, b = clocked(lambda f=f, r=r: by_buckets(f, r), time.process_time)
                fast.append(t)
                t, _sorted = clocked(lambda f=f: np.sort(f), time.process_time)
                keys.append(t)
            x, y, z = (statistics.median(times) / m * 1e9 for times in (slow, fast, keys))
            print(
                f"{kind:>22} {m:>9} {x:>11.1f} {y:>8.1f} {z:>6.1f} {x / y:>6.1f} {y / z:>8.2f}   "
                f"({a[0]}, {a[1]:.9g}, {a[2]})  ({b[0]}, {b[1]:.9g}, {b[2]})",
                flush=True,
            )
    m = max(sizes)
    print(f"\nwall ms at m = {m}, one and two workers")
    for kind in DATA:
        f, r = make(kind, m)
        times: dict[int, list[float]] = {1: [], 2: []}
        answers: dict[int, Answer] = {}
        for _ in range(5):
            for workers, column in times.items():
                t, answers[workers] = clocked(
                    lambda f=f, r=r, w=workers: by_buckets(f, r, w), time.perf_counter
                )
                column.append(t)
        x, y = (statistics.median(times[w]) * 1e3 for w in (1, 2))
        same = "same answer" if answers[1] == answers[2] else "ANSWERS DIFFER"
        print(f"{kind:>22} {x:>9.1f} {y:>9.1f}  {x / y:>5.2f}x  {same}", flush=True)


@pytest.mark.parametrize("m", [100_000, 1_000_000])
@pytest.mark.parametrize("kind", list(DATA))
@pytest.mark.parametrize("search", [on_argsort, by_buckets])
def test_best_split(benchmark: Any, search: Callable[..., Answer], kind: str, m: int) -> None:
    benchmark.extra_info["answer"] = benchmark(search, *make(kind, m))


@pytest.mark.parametrize("m", [100_000, 1_000_000])
def test_split_set(benchmark: Any, m: int) -> None:
    benchmark.extra_info["size"] = int(benchmark(split_set, *make("normal", m)).size)


def main() -> None:
    table([int(float(a)) for a in sys.argv[1:]] or [100_000, 1_000_000, 10_000_000])


if __name__ == "__main__":
    main()
