"""The exact proof of theorem 1 in one pass, beside the float construction and a NumPy dgemm of the same flops.

`python bench/bench_proof.py [--quick] [--large]` prints CPU seconds (one BLAS thread) and ratios of one run, the largest
memory of the streamed row, and checksums; for times `pytest --benchmark-only` on this file.

The pass: exact Gram matrices per sign pattern, exact risks of the minimum and the better point, exact positivity and
radius of the minimum, SHA-256 and order-free digest of the data, exact least-squares solution. `dgemm` is the time NumPy
takes for m L (L + 1) flops, L = 3 (dx + 1) + 1 digits a row, on panels of 4,096 rows.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

import fastminima as fm
from fastminima.exact.digest import Digests
from fastminima.exact.gram import GramState
from fastminima.exact.solve import solve_normal_equations
from fastminima.exact.stream import ExactPass, PassNetwork, exact_moments
from fastminima.theorems.theorem1.certify_drop import certify_drop

PANEL = 4096
STREAM_BLOCK = 65536


def clocked(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    answer = run()
    return time.process_time() - start, answer


def problem(m: int, dx: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, dx))
    y = rng.standard_normal(m)
    for begin in range(0, m, STREAM_BLOCK):
        y[begin : begin + STREAM_BLOCK] += X[begin : begin + STREAM_BLOCK].sum(axis=1)
    return X, y


def blocks(m: int, dx: int) -> Iterator[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    for begin in range(0, m, STREAM_BLOCK):
        X = rng.standard_normal((min(STREAM_BLOCK, m - begin), dx))
        yield X, X.sum(axis=1) + rng.standard_normal(len(X))


def pass_network(network: fm.OneHiddenLayer, positive: bool) -> PassNetwork:
    return PassNetwork(*network.parameters(), *network.slopes, positive)


def stream_networks(dx: int) -> list[PassNetwork]:
    """A minimum-like and a kinked network that need no fit; 1e8 sums of two normals stay below 40."""
    w = np.ones(dx)
    low = PassNetwork(
        np.stack([w, 0 * w]), np.array([40.0, 1.0]), np.array([1.0, 0.0]), -40.0, 1.0, 0.0, True
    )
    return [low, PassNetwork(np.stack([w, -w]), np.array([0.1, -0.1]), np.array([1.0, -1.0]), 0.0, 1.0, 0.0)]


def dgemm_seconds(m: int, dx: int) -> float:
    labels = 3 * (dx + 1) + 1
    rng = np.random.default_rng(1)
    A, B = rng.standard_normal((labels, PANEL)), rng.standard_normal((PANEL, labels))
    out = np.empty((labels, labels))
    repeats = max(int(3e9 / (2 * labels * labels * PANEL)), 3)
    seconds, _ = clocked(lambda: [np.matmul(A, B, out=out) for _ in range(repeats)])
    return seconds / repeats / (2 * labels * labels * PANEL) * m * labels * (labels + 1)


def prove(data: fm.Dataset, networks: list[PassNetwork]) -> Any:
    result = exact_moments(data, networks)
    return result, solve_normal_equations(result.gram)


def checksum(result: Any, solution: Any) -> str:
    low, better = result.networks
    return (
        f"{low.radius:.10g}, {float(solution.risk - better.risk):.10g}, {result.digests.unordered[:8]}, "
        f"{result.digests.sha256[:8]}"
    )


def parts(data: fm.Dataset) -> str:
    gram, _ = clocked(lambda: GramState(data.n_features).update(data.X, data.y))
    digest, _ = clocked(lambda: Digests().update(data.X, data.y))
    return f"Gram {gram:.2f}, digests {digest:.2f}"


@pytest.mark.parametrize("size", [(100_000, 10), (100_000, 30)], ids=["1e5 x 10", "1e5 x 30"])
def test_proof(benchmark: Any, size: tuple[int, int]) -> None:
    data = fm.Dataset(*problem(*size))
    low = fm.spurious_minimum(data)
    better = fm.better_point(low)
    networks = [pass_network(low.network, True), pass_network(better.network, False)]
    benchmark.extra_info["checksum"] = checksum(*benchmark(lambda: prove(data, networks)))


def streamed(m: int, dx: int) -> None:
    seconds, everything = 0.0, time.process_time()
    state = ExactPass(dx, stream_networks(dx))
    for X, y in blocks(m, dx):
        start = time.process_time()
        state.update(X, y)
        seconds += time.process_time() - start
    last, (result, solution) = clocked(
        lambda: ((result := state.result()), solve_normal_equations(result.gram))
    )
    everything = time.process_time() - everything
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    dgemm = dgemm_seconds(m, dx)
    print(
        f"{m:.0e} x {dx:<3} streamed: proof {seconds + last:.2f} s ({everything:.2f} s with making the blocks), "
        f"dgemm {dgemm:.2f} s, proof / dgemm {(seconds + last) / dgemm:.1f}, largest memory {memory:.2f} GiB, "
        f"checksum {checksum(result, solution)}"
    )


def in_memory(m: int, dx: int, runs: int) -> None:
    data = fm.Dataset(*problem(m, dx))
    rows = []
    for _ in range(runs):
        construction, better = clocked(lambda: fm.better_point(fm.spurious_minimum(data)))
        networks = [pass_network(better.low.network, True), pass_network(better.network, False)]
        proof, answer = clocked(lambda n=networks: prove(data, n))
        drop, _ = clocked(lambda b=better: certify_drop(b.network, b.low.fit))
        rows.append((construction, proof, drop, dgemm_seconds(m, dx)))
    construction, proof, drop, dgemm = (statistics.median(column) for column in zip(*rows, strict=True))
    ratios = [row[1] / row[3] for row in rows]
    print(
        f"{m:.0e} x {dx:<3} in memory: proof {proof:.2f} s ({parts(data)}), float construction {construction:.2f} s, "
        f"dgemm {dgemm:.2f} s, proof / construction {proof / construction:.2f}, proof / dgemm {proof / dgemm:.1f} "
        f"({min(ratios):.1f}..{max(ratios):.1f}), float proof of the drop "
        f"{drop / m / dx * 1e7:.3f} us per row and 10 columns, checksum {checksum(*answer)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--large", action="store_true", help="1e7 rows by 10 and 30 columns too (4 GiB)")
    options = parser.parse_args()
    scale = 10 if options.quick else 1
    # first, so that its memory is the largest so far
    streamed(10**8 // scale if options.large or options.quick else 10**7, 2)
    in_memory(10**6 // scale, 10, 5)
    if options.large:
        in_memory(10**7 // scale, 10, 1)
        in_memory(10**7 // scale, 30, 1)


if __name__ == "__main__":
    main()
