"""The probe as a user calls it, against the loop a user would write in NumPy.

`python bench/bench_probe.py [--quick]` prints microseconds a point, ratios and checksums: `fm.probe` direct and screened,
one worker and two, random points and tallies included; a sweep of radii against one call per radius; and the memory that
a probe of many points takes. The loop draws a direction, forms the perturbed network, evaluates its risk and subtracts
the base risk; it runs on a few points, and its results say why nobody should trust it at small radii. CPU time of one
worker, wall-clock time where two are compared with one, medians of interleaved runs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from numpy.typing import NDArray

import fastminima as fm

F64 = NDArray[np.float64]
# m, dx, d1, points direct, points screened, points of the loop
WORKLOADS = {
    "diabetes": (442, 10, 2, 100_000, 1_000_000, 20_000),
    "W1": (1_000, 8, 4, 100_000, 1_000_000, 10_000),
    "W2": (100_000, 16, 8, 500, 200_000, 20),
    "W3": (1_000_000, 32, 16, 32, 20_000, 2),
}


def problem(name: str) -> tuple[fm.OneHiddenLayer, fm.Dataset, float]:
    """A spurious minimum, its data and a radius inside the certified one."""
    m, dx, d1, *_ = WORKLOADS[name]
    if name == "diabetes":
        data = fm.load_demo("diabetes")
    else:
        rng = np.random.default_rng(7)
        data = fm.Dataset(rng.standard_normal((m, dx)), rng.standard_normal(m))
    low = fm.spurious_minimum(data, width=d1).sample(1, rng=1)[0]
    return low.network, data, 0.5 * low.radius


def loop(network: fm.OneHiddenLayer, data: fm.Dataset, radius: float, n: int, seed: int = 0) -> F64:
    """What one writes without the library."""
    rng = np.random.default_rng(seed)
    X, y = data.X, data.y
    W1, b1, W2, b2 = network.parameters()
    d1, dx = W1.shape

    def risk(A: F64, b: F64, v: F64, c: float) -> float:
        e = np.maximum(X @ A.T + b, 0.0) @ v + c - y
        return 0.5 * float(e @ e)

    base, out = risk(W1, b1, W2, b2), np.empty(n)
    for k in range(n):
        delta = rng.standard_normal(d1 * (dx + 2) + 1)
        delta *= radius / np.linalg.norm(delta)
        A, b, v = delta[: d1 * dx].reshape(d1, dx), delta[d1 * dx : -d1 - 1], delta[-d1 - 1 : -1]
        out[k] = risk(W1 + A, b1 + b, W2 + v, b2 + delta[-1]) - base
    return out


def medians(
    runs: dict[str, Callable[[], Any]], rounds: int
) -> tuple[dict[str, tuple[float, float]], dict[str, Any]]:
    """(CPU, wall-clock) seconds and the last result of each run."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    results = {}
    for _ in range(rounds):
        for name, run in runs.items():
            cpu, wall = time.process_time(), time.perf_counter()
            results[name] = run()
            times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {name: tuple(np.median(values, axis=0).tolist()) for name, values in times.items()}, results


def compare(name: str, share: float, rounds: int) -> None:
    network, data, radius = problem(name)
    direct, screened, few = (max(2, int(n * share)) for n in WORKLOADS[name][3:])

    def call(method: str, n: int, workers: int, at: Any = radius) -> Callable[[], Any]:
        return lambda: fm.probe(network, data, radius=at, n=n, method=method, workers=workers)

    counts = {
        "loop": few,
        "direct": direct,
        "direct, 2": direct,
        "screened": screened,
        "screened, 2": screened,
    }
    times, results = medians(
        {
            "loop": lambda: loop(network, data, radius, few),
            "direct": call("direct", direct, 1),
            "direct, 2": call("direct", direct, 2),
            "screened": call("screened", screened, 1),
            "screened, 2": call("screened", screened, 2),
        },
        rounds,
    )
    for one in ("direct", "screened"):
        if results[one].min_excess != results[f"{one}, 2"].min_excess:
            sys.exit("two workers changed the bits")
    each = {key: cpu / counts[key] for key, (cpu, _) in times.items()}
    print(f"{name}: m = {data.n_samples}, dx = {data.n_features}, d1 = {network.width}, radius {radius:.3g}")
    for key in counts:
        shown = ""
        if key != "loop":
            probe = results[key]
            shown = f"  min {probe.min_excess:.12e} at {probe.argmin}, {probe.n_negative} lower"
        if key.endswith("2"):
            print(f"    {key:12} {times[key[:-3]][1] / times[key][1]:11.2f} times one worker, wall clock")
            continue
        print(
            f"    {key:12} {each[key] * 1e6:11.3f} us a point x {counts[key]:7}"
            f"  loop / this {each['loop'] / each[key]:10.1f}{shown}"
        )
    radii = radius * np.logspace(-6, 0, 7)
    n = max(2, screened // 7)
    times, results = medians(
        {
            "sweep": call("screened", n, 1, radii),
            "apart": lambda: [call("screened", n, 1, float(r))() for r in radii],
        },
        rounds,
    )
    if results["sweep"].min_excess.tolist() != [p.min_excess for p in results["apart"]]:
        sys.exit("a sweep is not its probes one by one")
    print(
        f"    7 radii, {n} points: sweep {times['sweep'][0]:.3f} s, apart {times['apart'][0]:.3f} s"
        f" ({times['apart'][0] / times['sweep'][0]:.2f}x)"
    )
    tiny = [loop(network, data, r, max(2, few // 10)) for r in (1e-4 * radius, 1e-8 * radius)]
    wrong = ", ".join(f"{np.mean(values <= 0.0):.0%}" for values in tiny)
    print(f"    at 1e-4 and 1e-8 of the radius the loop calls {wrong} of the points no higher; none is")


@pytest.mark.parametrize("method", ["direct", "screened"])
@pytest.mark.parametrize("name", ["diabetes", "W1", "W2"])
def test_probe(benchmark: Any, name: str, method: str) -> None:
    network, data, radius = problem(name)
    n = WORKLOADS[name][3] // 50 if method == "direct" else WORKLOADS[name][4] // 20
    result = benchmark.pedantic(
        fm.probe, (network, data), {"radius": radius, "n": n, "method": method}, rounds=3
    )
    benchmark.extra_info["checksum"] = result.min_excess
    assert result.n_negative == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the points, without W3")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name in WORKLOADS:
        if not (options.quick and name == "W3"):
            compare(name, 0.1 if options.quick else 1.0, options.rounds)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"load average {load} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
