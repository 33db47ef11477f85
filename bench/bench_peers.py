"""Batched risks against the best that NumPy, numba, torch and jax can be made to do, in one run on one thread.

`python bench/bench_peers.py [--share S] [--rounds R] [--only W1,W3] [--peers ...]` prints a table; a peer
that is not installed, or that fails, is left out and the reason is printed.

What the peers are given, so that the ratio is not flattering:
 a. their data lie prepared (right precision, transposed, cut into contiguous blocks) before the clock starts,
    while the fused kernel validates, converts and packs inside it;
 b. the chunks of samples and of tuples are chosen for each peer and workload by trying several on the first
    20,000 samples, with hidden layers of 32 MB at most;
 c. the number of tuples is a power of two and the blocks divide the samples: no ragged chunk, no recompiling;
 d. compilation and a first run on the full problem come before the timed runs.
Times are CPU time, medians of runs interleaved over all peers; flops as in bench_forward. Every checksum (sum of
the risks) stands beside its rate, and a peer whose risks disagree with the kernel's is not counted.
"""

from __future__ import annotations

import os

# One thread for every library; these are read when the libraries are loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.setdefault("NPROC", "1")
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bench_forward as forward

F64 = NDArray[np.float64]
Run = Callable[[], F64]
Peer = Callable[[Any, Any, int, int], Run]
MISSING: dict[str, str] = {}
UP, SLOPE = forward.ACT.s_plus, forward.ACT.s_minus / forward.ACT.s_plus

try:
    import torch
except ImportError as error:
    MISSING["torch"] = str(error)
else:
    torch.set_num_threads(1)

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    MISSING["jax"] = str(error)
else:
    jax.config.update("jax_enable_x64", True)

if forward.numba is None:
    MISSING["numba"] = "No module named 'numba'"

# Products written out in one compiled loop; more of them compile for minutes.
MOST = 144

# Tuples at share 1, before rounding down to a power of two: the workloads as they are named. With fewer the kernel's
# packing shows, while the peers' data are prepared.
TUPLES = {"W1": 65_536, "W2": 1_024, "W3": 64, "W4": 8_192}


def problem(name: str, dtype: str, share: float = 1.0) -> tuple[Any, SimpleNamespace]:
    K = 1 << max(1, int(np.log2(max(2.0, TUPLES[name] * share))))
    return forward.problem(name, dtype, (K + 0.5) / forward.WORKLOADS[name][3])


def blocks(data: Any, kind: np.dtype[Any], rows: int, ones: bool = False) -> tuple[Any, Any]:
    """Samples as (blocks, dx, rows), each block contiguous; with `ones` a last row of ones carries the bias."""
    X = np.hstack([data.X, np.ones((len(data.X), 1))]) if ones else data.X
    cut = X.reshape(-1, rows, X.shape[1]).transpose(0, 2, 1)
    return np.ascontiguousarray(cut, dtype=kind), data.y.astype(kind).reshape(-1, rows)


def augmented(network: Any) -> tuple[Any, Any, Any]:
    """First-layer weights with the bias as a last column, output weights times the upper slope, output bias."""
    W1, b1, W2, b2 = network
    return np.concatenate([W1, b1[:, :, None]], axis=2), W2 * W1.dtype.type(UP), b2


# --- NumPy and numba ---------------------------------------------------------------------------------------


def numpy_each(network: Any, data: Any, rows: int, tuples: int) -> Run:
    return lambda: forward.twin(network, data)


def numpy_chunked(network: Any, data: Any, rows: int, tuples: int) -> Run:
    V, W2, b2 = augmented(network)
    K, d1, width = V.shape
    xs, ys = blocks(data, V.dtype, rows, ones=True)
    z, low = np.empty((2, tuples * d1, rows), V.dtype)
    slope = V.dtype.type(SLOPE)

    def run() -> F64:
        out = np.zeros(K)
        for x, y in zip(xs, ys, strict=True):
            for k in range(0, K, tuples):
                np.matmul(V[k : k + tuples].reshape(-1, width), x, out=z)
                np.multiply(z, slope, out=low)
                np.maximum(z, low, out=z)
                e = (W2[k : k + tuples, None, :] @ z.reshape(-1, d1, rows))[:, 0, :]
                e += b2[k : k + tuples, None]
                e -= y
                out[k : k + tuples] += np.einsum("ki,ki->k", e, e)
        return out / 2

    return run


def numba_loops(network: Any, data: Any, rows: int, tuples: int) -> Run:
    kind = network[0].dtype
    xt, y = np.ascontiguousarray(data.X.T, dtype=kind), data.y.astype(kind)
    f, z = np.empty((2, rows), kind)
    kernel, slopes = forward._numba_kernel(), (kind.type(UP), kind.type(UP * SLOPE))

    def run() -> F64:
        out = np.zeros(len(network[0]))
        kernel(*network, xt, y, *slopes, f, z, out)
        return out / 2

    return run


# --- torch -------------------------------------------------------------------------------------------------


def _torch_run(step: Callable[..., Any], parts: Any, xs: Any, ys: Any, tuples: int) -> Run:
    """Blocks of samples outside, chunks of tuples inside, sums of the blocks in double precision."""
    parts = [torch.from_numpy(np.ascontiguousarray(part)) for part in parts]
    chunks = list(zip(*(part.split(tuples) for part in parts), strict=True))
    pairs = list(zip(torch.from_numpy(xs), torch.from_numpy(ys), strict=True))

    def run() -> F64:
        out = torch.zeros(len(chunks), tuples, dtype=torch.float64)
        with torch.inference_mode():
            for x, y in pairs:
                for total, chunk in zip(out, chunks, strict=True):
                    total += step(*chunk, x, y)
        result: F64 = out.numpy().ravel() / 2
        return result

    return run


def torch_matmul(network: Any, data: Any, rows: int, tuples: int) -> Run:
    """One product for all the tuples of a chunk, into a work array used again."""
    V, W2, b2 = augmented(network)
    z = torch.empty(tuples * V.shape[1], rows, dtype=torch.from_numpy(V).dtype)

    def step(v: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
        torch.mm(v.view(-1, v.shape[2]), x, out=z)
        torch.nn.functional.leaky_relu_(z, SLOPE)
        e = torch.bmm(w[:, None, :], z.view(len(v), -1, rows))[:, 0]
        e += b[:, None]
        e -= y
        return e.square_().sum(1)

    return _torch_run(step, (V, W2, b2), *blocks(data, V.dtype, rows, ones=True), tuples)


def torch_bmm(network: Any, data: Any, rows: int, tuples: int) -> Run:
    """Batched products with the biases as what is added to."""
    W1, b1, W2, b2 = network

    def step(v: Any, c: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
        z = torch.baddbmm(c[:, :, None], v, x.expand(len(v), -1, -1))
        torch.nn.functional.leaky_relu_(z, SLOPE)
        e = torch.baddbmm((b[:, None] - y)[:, None], w[:, None, :], z)
        return torch.bmm(e, e.mT)[:, 0, 0]

    return _torch_run(step, (W1, b1, W2 * W1.dtype.type(UP), b2), *blocks(data, W1.dtype, rows), tuples)


def _torch_one(v: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    z = torch.nn.functional.leaky_relu(v @ x, SLOPE)
    return (w @ z + b - y).square().sum()


def torch_vmap(network: Any, data: Any, rows: int, tuples: int) -> Run:
    """The program of one tuple, batched by torch.func.vmap."""
    step = torch.func.vmap(_torch_one, in_dims=(0, 0, 0, None, None))
    parts = augmented(network)
    return _torch_run(step, parts, *blocks(data, parts[0].dtype, rows, ones=True), tuples)


def _torch_batch(v: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    z = torch.nn.functional.leaky_relu((v.reshape(-1, v.shape[2]) @ x).view(len(v), -1, len(y)), SLOPE)
    return ((w[:, :, None] * z).sum(1) + b[:, None] - y).square().sum(1)


def _torch_units(f: Any, v: Any, w: Any, x: Any) -> Any:
    for r in range(v.shape[1]):
        z = v[:, r, -1:] * x[-1]
        for j in range(v.shape[2] - 1):
            z = z + v[:, r, j, None] * x[j]
        f = f + w[:, r, None] * torch.nn.functional.leaky_relu(z, SLOPE)
    return f


def _torch_loops(v: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    return _torch_units(b[:, None] - y, v, w, x).square().sum(1)


@cache
def _torch_compiled(step: Callable[..., Any]) -> Any:
    torch._dynamo.config.recompile_limit = 1000  # else the ninth shape silently runs uncompiled
    return torch.compile(step, dynamic=False)


def torch_compile(network: Any, data: Any, rows: int, tuples: int) -> Run:
    """A library product, and one compiled loop for everything after it."""
    parts = augmented(network)
    xs, ys = blocks(data, parts[0].dtype, rows, ones=True)
    return _torch_run(_torch_compiled(_torch_batch), parts, xs, ys, tuples)


def torch_unrolled(network: Any, data: Any, rows: int, tuples: int) -> Run:
    """Compiled without a library product: multiply-adds written out and fused, all of them or unit groups in turn."""
    parts = augmented(network)
    xs, ys = blocks(data, parts[0].dtype, rows, ones=True)
    group = max(1, MOST // parts[0].shape[2])
    if group >= parts[0].shape[1]:
        return _torch_run(_torch_compiled(_torch_loops), parts, xs, ys, tuples)
    units = _torch_compiled(_torch_units)

    def step(v: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
        f = b[:, None] - y
        for r in range(0, v.shape[1], group):
            f = units(f, v[:, r : r + group].contiguous(), w[:, r : r + group].contiguous(), x)
        return f.square_().sum(1)

    return _torch_run(step, parts, xs, ys, tuples)


# --- jax ---------------------------------------------------------------------------------------------------


def _jax_one(v: Any, c: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    z = v @ x + c[:, None]
    e = w @ jnp.maximum(z, SLOPE * z) + (b - y)
    return (e * e).sum()


def _jax_loops(v: Any, c: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
    f = b - y
    for r in range(v.shape[0]):
        z = c[r]
        for j in range(v.shape[1]):
            z = z + v[r, j] * x[j]
        f = f + w[r] * jnp.maximum(z, SLOPE * z)
    return (f * f).sum()


def _jax_run(network: Any, data: Any, rows: int, whole: Callable[..., Any]) -> Run:
    """`whole(step, parts)` gives the risks of all tuples on one block; a scan adds the blocks in double."""
    W1, b1, W2, b2 = network
    parts = [jnp.asarray(part) for part in (W1, b1, W2 * W1.dtype.type(UP), b2)]
    pairs = [jnp.asarray(part) for part in blocks(data, W1.dtype, rows)]

    @jax.jit
    def total(parts: Any, pairs: Any) -> Any:
        def add(out: Any, pair: Any) -> Any:
            return out + whole(parts, pair), None

        return jax.lax.scan(add, jnp.zeros(len(W1), jnp.float64), pairs)[0]

    return lambda: np.asarray(total(parts, pairs)) / 2


def _vmapped(one: Callable[..., Any], tuples: int) -> Callable[..., Any]:
    def whole(parts: Any, pair: Any) -> Any:
        batched = jax.vmap(lambda *part: one(*part, *pair))
        cut = [part.reshape(-1, tuples, *part.shape[1:]) for part in parts]
        return jax.lax.map(lambda part: batched(*part), cut).ravel()

    return whole


def jax_vmap(network: Any, data: Any, rows: int, tuples: int) -> Run:
    """The program of one tuple, batched by vmap over chunks."""
    return _jax_run(network, data, rows, _vmapped(_jax_one, tuples))


def jax_map(network: Any, data: Any, rows: int, tuples: int) -> Run:
    """One tuple after another by lax.map."""

    def whole(parts: Any, pair: Any) -> Any:
        return jax.lax.map(lambda part: _jax_one(*part, *pair), parts)

    return _jax_run(network, data, rows, whole)


def jax_unrolled(network: Any, data: Any, rows: int, tuples: int) -> Run:
    """Without a library product: every multiply-add written out for XLA to fuse."""
    if network[0][0].size > MOST:
        raise NotImplementedError(f"{network[0][0].size} products to write out: not compiled")
    return _jax_run(network, data, rows, _vmapped(_jax_loops, tuples))


# --- the comparison ----------------------------------------------------------------------------------------

PEERS: dict[str, Peer] = {
    "numpy each": numpy_each,
    "numpy chunked": numpy_chunked,
    "numba": numba_loops,
    "torch matmul": torch_matmul,
    "torch bmm": torch_bmm,
    "torch vmap": torch_vmap,
    "torch compile": torch_compile,
    "torch unrolled": torch_unrolled,
    "jax vmap": jax_vmap,
    "jax map": jax_map,
    "jax unrolled": jax_unrolled,
}


def chunkings(peer: str, network: Any, m: int) -> Iterator[tuple[int, int]]:
    """(samples, tuples) of a block: hidden layers of 256 KB, 4 MB and 32 MB, the last on more samples."""
    K, d1, _ = network[0].shape
    if peer == "numpy each":
        yield m, K
    elif peer == "numba":
        for rows in (128, 256, 1000):
            yield min(rows, m), K
    else:
        seen = set()
        for rows, budget in ((1000, 256 << 10), (1000, 4 << 20), (10_000, 32 << 20)):
            rows = min(rows, m)
            fit = max(1, budget // (network[0].itemsize * rows * d1))
            pair = rows, K if peer == "jax map" else min(K, 1 << (fit.bit_length() - 1))
            if pair not in seen:
                seen.add(pair)
                yield pair


def clocked(run: Run) -> tuple[float, F64]:
    start = time.process_time()
    risks = run()
    return time.process_time() - start, risks


def tuned(peer: str, network: Any, data: Any) -> tuple[Run, tuple[int, int]]:
    """The peer on the whole problem, with the chunking that was fastest on its first samples."""
    m = len(data.y)
    some = SimpleNamespace(X=data.X, y=data.y, sample_weight=None)
    if m > (part := 20_000):
        some.X, some.y = data.X[:part], data.y[:part]
    options = list(chunkings(peer, network, m))
    times = []
    for pair in options:
        run = PEERS[peer](network, some, *pair)
        if len(options) > 1:
            run()
            times.append((min(clocked(run)[0] for _ in range(2)), pair))
    pair = min(times)[1] if times else options[0]
    run = PEERS[peer](network, data, *pair)
    if peer != "numpy each":  # nothing to warm up, and it is slow
        run()
    return run, pair


def reason(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0][:100]}"


def compare(name: str, dtype: str, share: float, rounds: int, peers: list[str]) -> tuple[float, float, str]:
    """Prints one cell of the table; returns the best peer's time over the kernel's and over the peak's, and its name."""
    network, data = problem(name, dtype, share)
    work = forward.flops(name, len(network[0]))
    truth = forward.fused(network, data)
    print(f"{name} {dtype}, K = {len(network[0])}, fused checksum {truth.sum():.15g}")
    runs: dict[str, Run] = {"fused": lambda: forward.fused(network, data)}
    pairs = {"fused": ""}
    for peer in peers:
        if peer.split()[0] in MISSING:
            continue
        try:
            runs[peer], pair = tuned(peer, network, data)
            pairs[peer] = f"{pair[0]} x {pair[1]}"
        except Exception as error:  # whatever a peer throws, the others are still compared
            print(f"    {peer:15} left out: {reason(error)}")
    times: dict[str, list[float]] = {key: [] for key in runs}
    risks: dict[str, F64] = {}
    peaks = []
    for _ in range(rounds):
        peaks.append(forward.peak(dtype))
        for key, run in runs.items():
            seconds, risks[key] = clocked(run)
            times[key].append(seconds)
    median = {key: float(np.median(values)) for key, values in times.items()}
    peak = float(np.median(peaks)) / 1e9
    best = ""
    for key in runs:
        rate, spread = work / median[key] / 1e9, (max(times[key]) - min(times[key])) / median[key]
        wrong = float(np.max(np.abs(risks[key] / truth - 1)))
        agrees = wrong < (1e-12 if dtype == "float64" else 1e-4)
        if key != "fused" and agrees and (not best or median[key] < median[best]):
            best = key
        print(
            f"    {key:15} {rate:6.1f} GFLOP/s ({rate / peak:4.0%} of peak, spread {spread:4.0%})"
            f" fused {median[key] / median['fused']:6.2f}x  checksum {risks[key].sum():.15g}  {pairs[key]}"
            + ("" if agrees else f"  DISAGREES by {wrong:.1e}: not counted")
        )
    if not best:
        return float("nan"), float("nan"), "no peer"
    return median[best] / median["fused"], median[best] * peak * 1e9 / work, best


def ceiling(rounds: int) -> float:
    """What two threads gain over one at this moment on arithmetic in registers alone."""

    def probe() -> None:
        forward._forward.fma_peak(forward._forward.BEST_VARIANT, 8, 8_000_000, np.array([0.5]))

    gains = []
    for _ in range(rounds):
        start = time.perf_counter()
        probe()
        probe()
        middle = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: probe(), range(2)))
        gains.append((middle - start) / (time.perf_counter() - middle))
    return float(np.median(gains))


def two_workers(share: float, rounds: int) -> None:
    print("two workers over one, wall clock, medians of interleaved runs:")
    for name in ("W2", "W3"):
        for dtype in ("float64", "float32"):
            network, data = forward.problem(name, dtype, min(1.0, share))
            times: dict[int, list[float]] = {1: [], 2: []}
            sums = {}
            gain = ceiling(rounds)
            for _ in range(rounds):
                for workers, values in times.items():
                    start = time.perf_counter()
                    sums[workers] = float(forward.fused(network, data, workers=workers).sum())
                    values.append(time.perf_counter() - start)
            if sums[1] != sums[2]:
                sys.exit("two workers changed the bits")
            ratio = np.median(times[1]) / np.median(times[2])
            load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
            print(
                f"    {name} {dtype} K = {len(network[0])}: {ratio:.2f}x (the FMA probe gains {gain:.2f}x),"
                f" checksum {sums[2]:.15g}; load average {load} on {os.cpu_count()} cores"
            )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["W1"])  # compiling for one takes seconds
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.filterwarnings("ignore")  # the compilers' own deprecations are not ours
def test_peer(benchmark: Any, peer: str, name: str, dtype: str) -> None:
    if peer.split()[0] in MISSING:
        pytest.skip(MISSING[peer.split()[0]])
    network, data = problem(name, dtype, 0.01)
    pair = next(iter(chunkings(peer, network, len(data.y))))
    try:
        run = PEERS[peer](network, data, *pair)
        run()
    except Exception as error:
        pytest.skip(reason(error))
    risks = benchmark.pedantic(run, rounds=3)
    benchmark.extra_info["checksum"] = float(risks.sum())
    np.testing.assert_allclose(
        risks, forward.fused(network, data), rtol=1e-12 if dtype == "float64" else 1e-4
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the tuples (default 1)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default=",".join(PEERS), help="some of them, with commas")
    parser.add_argument("--only", default=",".join(forward.WORKLOADS), help="workloads, with commas")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for family, why in MISSING.items():
        print(f"{family} is left out: {why}")
    began = time.perf_counter()
    ratios = {
        (name, dtype): compare(name, dtype, options.share, options.rounds, options.peers.split(","))
        for dtype in ("float64", "float32")
        for name in options.only.split(",")
    }
    print("fused over the best peer (and what the multiply-add peak itself would be over it):")
    for (name, dtype), (ratio, most, best) in ratios.items():
        print(f"    {name} {dtype} {ratio:6.2f}x ({most:5.2f}x)  {best}")
    two_workers(options.share, options.rounds)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
