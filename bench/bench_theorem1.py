"""Theorem 1 from arrays to a proved better point, against scikit-learn's LinearRegression().fit on the same arrays.

`python bench/bench_theorem1.py [--quick]` prints ratios of medians of interleaved runs, CPU time, one BLAS thread, and the
largest extra memory; for times `pytest --benchmark-only` on this file.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import fastminima as fm

SIZES = {
    "diabetes": (442, 10),
    "1e4 x 5": (10_000, 5),
    "1e5 x 10": (100_000, 10),
    "1e6 x 20": (1_000_000, 20),
}
# interleaved runs: those of the small table take milliseconds
RUNS, SMALL_RUNS = 5, 200


def problem(size: str, shift: float = 0.0) -> tuple[Any, Any]:
    if size == "diabetes":
        data = fm.load_demo("diabetes")
        return np.asarray(data.X) + shift, np.array(data.y)
    m, dx = SIZES[size]
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, dx))
    y = X @ rng.standard_normal(dx) + rng.standard_normal(m)
    X += shift
    return X, y


def theorem1(X: Any, y: Any) -> fm.BetterPoint:
    return fm.better_point(fm.spurious_minimum(fm.Dataset(X, y)))


def kink(X: Any, y: Any) -> fm.BetterPoint:
    return fm.better_point(fm.spurious_minimum(fm.Dataset(X, y)), "kink")


def regression(X: Any, y: Any) -> Any:
    return LinearRegression().fit(X, y)


@pytest.mark.parametrize("run", [theorem1, regression], ids=["fastminima", "scikit-learn"])
@pytest.mark.parametrize("size", SIZES)
def test_theorem1(benchmark: Any, size: str, run: Callable[..., Any]) -> None:
    X, y = problem(size)
    benchmark.extra_info["size"] = size
    benchmark.pedantic(run, args=(X, y), rounds=3, warmup_rounds=1)


def clocked(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    answer = run()
    return time.process_time() - start, answer


def extra_memory(run: Callable[[], Any]) -> float:
    """Largest memory taken beyond the arguments, in bytes (NumPy reports its arrays to tracemalloc)."""
    tracemalloc.start()
    run()
    largest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(largest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer runs, no 1e6 x 20")
    quick = parser.parse_args().quick
    print(
        "size        shift  fastminima/scikit-learn  (spread)     memory/X  checksum: risk, drop, certificate"
    )
    for size, (m, dx) in list(SIZES.items())[: 3 if quick else None]:
        for shift in (0.0, 1e8):
            X, y = problem(size, shift)
            pairs = []
            better = theorem1(X, y)
            for _ in range(SMALL_RUNS if m < 1_000 else 3 if quick else RUNS):
                ours, better = clocked(lambda X=X, y=y: theorem1(X, y))
                theirs, _ = clocked(lambda X=X, y=y: regression(X, y))
                pairs.append(ours / theirs)
            memory = extra_memory(lambda X=X, y=y: theorem1(X, y)) / (8 * m * dx)
            print(
                f"{size:10} {shift:6.0e} {statistics.median(pairs):24.2f}  "
                f"({min(pairs):.2f}..{max(pairs):.2f}) {memory:9.2f}  "
                f"{better.low.risk:.10g}, {better.drop:.6g}, {better.certificate}"
            )


if __name__ == "__main__":
    main()
