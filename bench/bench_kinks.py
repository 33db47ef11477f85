"""Kinks: the best of many directions and knots, over the paper's construction on the same table.

`better_point(method="kink")` with its default directions (the ten coordinates, the fit, 90 pairs, 64 random ones) against
`spurious_minimum` and `better_point(method="paper")` together, which is what a user of the paper's point
waits for; and greedy kinks at width 5. CPU time, one BLAS thread, medians of interleaved rounds; the drop as a checksum.

    python bench/bench_kinks.py [--quick]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fastminima as fm

SHAPES = ((10_000, 10, 1), (100_000, 10, 1), (1_000_000, 10, 1), (20_000, 7, 4))
ROUNDS = 5


def table(m: int, n: int) -> fm.Dataset:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, n))
    bend = np.maximum(X @ rng.standard_normal(n), 0.0)
    return fm.Dataset(X, np.sin(2.0 * X[:, 0]) + bend + rng.standard_normal(m))


def clocked(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def row(m: int, n: int, n_kinks: int, rounds: int) -> str:
    data, paper, kink, drop = table(m, n), [], [], 0.0
    for _ in range(rounds):
        fresh = fm.Dataset(data.X, data.y)
        seconds, low = clocked(lambda fresh=fresh: fm.spurious_minimum(fresh, width=n_kinks + 1))
        more, _ = clocked(lambda low=low: fm.better_point(low))
        paper.append(seconds + more)
        low = fm.spurious_minimum(fm.Dataset(data.X, data.y), width=n_kinks + 1)
        seconds, better = clocked(lambda low=low: fm.better_point(low, method="kink", n_kinks=n_kinks))
        kink.append(seconds)
        drop = better.drop
    ratios = sorted(k / p for k, p in zip(kink, paper, strict=True))
    return (
        f"| {m:,} x {n} | {n_kinks} | {1e3 * statistics.median(kink):.0f} | {statistics.median(ratios):.1f} "
        f"| {ratios[0]:.1f} to {ratios[-1]:.1f} | {drop:.6f} |"
    )


@pytest.mark.parametrize("n_kinks", [1, 4])
def test_kinks(benchmark: Any, n_kinks: int) -> None:
    low = fm.spurious_minimum(table(10_000, 7), width=5)
    better = benchmark(fm.better_point, low, "kink", n_kinks=n_kinks)
    benchmark.extra_info["drop"] = better.drop
    assert better.status == "better"


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    print("| samples x inputs | kinks | CPU ms | times the paper's point | spread | drop |")
    print("| --- | --- | --- | --- | --- | --- |")
    with threadpool_limits(1):
        for m, n, n_kinks in SHAPES[:1] if quick else SHAPES:
            print(row(m, n, n_kinks, 2 if quick else ROUNDS), flush=True)


if __name__ == "__main__":
    main()
