"""Batched risks against NumPy and numba, and against the multiply-add peak of one core.

`python bench/bench_forward.py [--quick]` prints ratios; for times `pytest --benchmark-only` on this file.
Flops are 2 m K d1 (dx + 1): one multiply-add for every first-layer and every output weight; the biases, being
start values, and the squares are not counted. Times are CPU time, medians of interleaved runs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from numpy.typing import NDArray

from fastminima.kernels import _forward, reference_forward
from fastminima.networks.activations.piecewise_linear import PiecewiseLinear, leaky_relu, relu
from fastminima.networks.batched_risk import batched_risk

try:
    import numba
except ImportError:
    numba = None

F64 = NDArray[np.float64]
Risks = Callable[..., F64]
ACT = leaky_relu(0.1)
WORKLOADS = {
    "W1": (1_000, 8, 4, 100_000),
    "W2": (100_000, 16, 8, 1_000),
    "W3": (1_000_000, 32, 16, 64),
    "W4": (200, 64, 32, 10_000),
    # wide networks: inputs in slices
    "V1": (5_000, 784, 512, 4),
    "V2": (2_000, 784, 1_024, 4),
    "V3": (5_000, 256, 256, 8),
}


def problem(name: str, dtype: str, share: float = 1.0) -> tuple[Any, SimpleNamespace]:
    m, dx, d1, K = WORKLOADS[name]
    K = max(2, int(K * share))
    rng = np.random.default_rng(7)
    shapes = ((K, d1, dx), (K, d1), (K, d1), (K,))
    network = tuple(rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return network, SimpleNamespace(
        X=rng.standard_normal((m, dx)), y=rng.standard_normal(m), sample_weight=None
    )


def flops(name: str, K: int) -> float:
    m, dx, d1, _ = WORKLOADS[name]
    return 2.0 * m * K * d1 * (dx + 1)


def fused(network: Any, data: Any, act: PiecewiseLinear = ACT, workers: int = 1) -> F64:
    return batched_risk(*network, data, act, workers=workers)


def twin(network: Any, data: Any, act: PiecewiseLinear = ACT) -> F64:
    """One NumPy product after another."""
    sums = reference_forward.sums_f32 if network[0].dtype == np.float32 else reference_forward.sums_f64
    out = np.empty(len(network[0]))
    sums(
        *network, data.X, data.y, np.empty(0), act.s_plus, act.s_minus, 0, np.empty(0, network[0].dtype), out
    )
    return out / 2


def chunked(network: Any, data: Any, act: PiecewiseLinear = ACT) -> F64:
    """NumPy with one product for many tuples, blocks sized for the second-level cache, work arrays reused."""
    W1, b1, W2, b2 = network
    K, d1, dx = W1.shape
    kind = W1.dtype
    xt, y = np.ascontiguousarray(data.X.T, dtype=kind), data.y.astype(kind)
    rows = min(1024, len(y))
    tuples = max(1, min(K, (256 << 10) // (kind.itemsize * rows * d1)))
    out = np.zeros(K)
    z, low = np.empty(tuples * d1 * rows, kind), np.empty(tuples * d1 * rows, kind)
    slope, scale = kind.type(act.s_minus / act.s_plus), W2 * kind.type(act.s_plus)
    for first in range(0, len(y), rows):
        x, target = xt[:, first : first + rows], y[first : first + rows]
        n = len(target)
        for k in range(0, K, tuples):
            w = W1[k : k + tuples].reshape(-1, dx)
            zz, ll = (a[: len(w) * n].reshape(len(w), n) for a in (z, low))
            np.matmul(w, x, out=zz)
            zz += b1[k : k + tuples].reshape(-1, 1)
            if slope:
                np.multiply(zz, slope, out=ll)
                np.maximum(zz, ll, out=zz)
            else:
                np.maximum(zz, 0, out=zz)
            e = (scale[k : k + tuples, None, :] @ zz.reshape(-1, d1, n))[:, 0, :]
            e += b2[k : k + tuples, None]
            e -= target
            out[k : k + tuples] += np.einsum("ki,ki->k", e, e)
    return out / 2


@cache
def _numba_kernel() -> Any:
    @numba.njit(fastmath=True, nogil=True)
    def kernel(W1, b1, W2, b2, xt, y, up, down, f, z, out):  # type: ignore[no-untyped-def]
        K, d1, dx = W1.shape
        m, size = len(y), len(f)
        for first in range(0, m, size):
            n = min(size, m - first)
            for k in range(K):
                f[:n] = b2[k] - y[first : first + n]
                for r in range(d1):
                    z[:n] = b1[k, r]
                    for j in range(dx):
                        w = W1[k, r, j]
                        x = xt[j, first : first + n]
                        for i in range(n):
                            z[i] += w * x[i]
                    v = W2[k, r]
                    for i in range(n):
                        f[i] += v * (up if z[i] > 0 else down) * z[i]
                s = f[0] * f[0]
                for i in range(1, n):
                    s += f[i] * f[i]
                out[k] += s

    return kernel


def jitted(network: Any, data: Any, act: PiecewiseLinear = ACT) -> F64:
    """numba: fast-math loops over transposed samples in blocks of the first-level cache."""
    kind = network[0].dtype
    out = np.zeros(len(network[0]))
    f, z = np.empty(256, kind), np.empty(256, kind)
    xt = np.ascontiguousarray(data.X.T, dtype=kind)
    slopes = kind.type(act.s_plus), kind.type(act.s_minus)
    _numba_kernel()(*network, xt, data.y.astype(kind), *slopes, f, z, out)
    return out / 2


PEERS: dict[str, Risks] = {"fused": fused, "numpy": twin, "chunked": chunked}
if numba is not None:
    PEERS["numba"] = jitted


def peak(dtype: str, rounds: int = 4_000_000) -> float:
    """Flop/s of the probe."""
    item, variant, cell = np.dtype(dtype).itemsize, _forward.BEST_VARIANT, np.array([0.5])
    lanes = _forward.layout(variant, item)[0] // 3
    start = time.process_time()
    _forward.fma_peak(variant, item, rounds, cell)
    return 24.0 * lanes * rounds / (time.process_time() - start)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("peer", PEERS)
def test_batched_risk(benchmark: Any, peer: str, name: str, dtype: str) -> None:
    network, data = problem(name, dtype, 0.04)
    PEERS[peer](network, data)
    risks = benchmark.pedantic(PEERS[peer], (network, data), rounds=3)
    benchmark.extra_info["checksum"] = float(risks.sum())
    benchmark.extra_info["gflops"] = flops(name, len(risks)) / benchmark.stats.stats.median / 1e9
    np.testing.assert_allclose(risks, fused(network, data), rtol=1e-12 if dtype == "float64" else 1e-4)


def bandwidth() -> float:
    """Bytes a second that one core reads from memory: the best of five sums over 256 MiB."""
    values = np.ones(1 << 25)
    best = min(_cpu_seconds(values.sum) for _ in range(5))
    return values.nbytes / best


def _cpu_seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the tuples")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(WORKLOADS), help="workloads, with commas")
    options = parser.parse_args()
    share = 0.1 if options.quick else 1.0
    print(f"memory read by one core: {bandwidth() / 1e9:.1f} GB/s")
    print(f"variant {_forward.VARIANTS[-1]}; GFLOP/s of CPU time; the twin runs on a hundredth of the tuples")
    print("workload dtype   fused (of peak)       ReLU two wkrs*  chunked  numba  numpy | of best | checksum")
    for dtype in ("float64", "float32"):
        for name in options.only.split(","):
            network, data = problem(name, dtype, share)
            few = tuple(a[: max(2, len(a) // 100)] for a in network)
            K = len(network[0])
            runs: dict[str, Callable[[], F64]] = {
                "fused": lambda n=network, d=data: fused(n, d),
                "relu": lambda n=network, d=data: fused(n, d, relu),
                "two": lambda n=network, d=data: fused(n, d, workers=2),
                "chunked": lambda n=network, d=data: chunked(n, d),
                "numpy": lambda n=few, d=data: twin(n, d),
            }
            if numba is not None:
                runs["numba"] = lambda n=network, d=data: jitted(n, d)
                jitted(few, data)
            rates: dict[str, list[float]] = {key: [] for key in (*runs, "peak")}
            sums: dict[str, float] = {}
            for _ in range(options.rounds):
                rates["peak"].append(peak(dtype))
                for key, run in runs.items():
                    clock = time.perf_counter if key == "two" else time.process_time
                    start = clock()
                    risks = run()
                    count = len(few[0]) if key == "numpy" else K
                    rates[key].append(flops(name, count) / (clock() - start))
                    sums[key] = float(risks.sum())
            if sums["two"] != sums["fused"]:
                sys.exit("two workers changed the bits")
            for key in ("chunked", "numba"):
                if key in sums and abs(sums[key] / sums["fused"] - 1) > (
                    1e-12 if dtype == "float64" else 1e-5
                ):
                    sys.exit(f"{key} disagrees: {sums[key]!r} against {sums['fused']!r}")
            rate = {key: float(np.median(values)) / 1e9 for key, values in rates.items() if values}
            best = max(rate.get("chunked", 0), rate.get("numba", 0), rate["numpy"])
            print(
                f"{name:8} {dtype} {rate['fused']:6.1f}"
                f" ({rate['fused'] / rate['peak']:4.0%} of {rate['peak']:5.1f})"
                f" {rate['relu']:6.1f} {rate['two']:9.1f} {rate['chunked']:9.1f} {rate.get('numba', 0):6.1f}"
                f" {rate['numpy']:6.1f} | {rate['fused'] / best:6.2f}x | {sums['fused']:.15g}"
            )
    print("* wall-clock, two threads")


if __name__ == "__main__":
    main()
