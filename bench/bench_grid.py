"""Batched risk on a grid of shapes, against the best of NumPy, torch, torch.compile and jax.

`python bench/bench_grid.py [--quick] [--dtype float32] [--cells 2x8,512x512] [--peers ...]` prints, for dx inputs and d1
units, how many times longer the best peer takes, and which it is: CPU time, one thread, medians of interleaved runs on
10,000 samples, leaky ReLU, the sum of the risks as a checksum. The peers and what they are given are those of bench_peers
(data prepared before the clock starts, blocks of samples and networks tried and the fastest taken, compiling not timed);
one that is not installed is left out and named. jax (`pip install jax`) and torch are optional.
"""

from __future__ import annotations

import argparse
import os
import statistics
import warnings
from types import SimpleNamespace
from typing import Any

# one thread for NumPy's products; read when it is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import bench_forward as forward
import bench_peers as peers

SIZES = (2, 8, 32, 128, 512, 1024)
SAMPLES = 10_000
# hidden units of all networks of a call, as the workloads of bench_peers and bench_forward have at least; and flops, where
# these are more networks
UNITS = 1024
FLOPS = 4e8
MOST_NETWORKS = 4096
PEERS = ("numpy chunked", "torch matmul", "torch compile", "torch unrolled", "jax vmap", "jax unrolled")


def problem(dx: int, d1: int, options: argparse.Namespace) -> tuple[Any, SimpleNamespace]:
    """Networks, a power of two of them, and data."""
    K = max(2, options.units // d1, min(MOST_NETWORKS, int(options.flops / (2.0 * SAMPLES * d1 * (dx + 1)))))
    K = 1 << (K.bit_length() - 1)
    rng = np.random.default_rng(7)
    shapes = ((K, d1, dx), (K, d1), (K, d1), (K,))
    W1, b1, W2, b2 = (rng.standard_normal(shape) for shape in shapes)
    network = tuple(part.astype(options.dtype) for part in (W1 / np.sqrt(dx), b1, W2 / np.sqrt(d1), b2))
    X, y = rng.standard_normal((SAMPLES, dx)), rng.standard_normal(SAMPLES)
    return network, SimpleNamespace(X=X, y=y, sample_weight=None)


def possible(peer: str, dx: int, d1: int) -> bool:
    """Not written out where that compiles for minutes, and not one product a network where all go in one."""
    return "unrolled" not in peer or d1 * (dx + 1) <= peers.MOST // 2


def best_chunks(peer: str, network: Any, data: Any, most: int) -> peers.Run:
    """The peer with the fastest of `most` ways to cut the work."""
    tried = []
    for pair in list(peers.chunkings(peer, network, SAMPLES))[:most]:
        run = peers.PEERS[peer](network, data, *pair)
        run()
        tried.append((peers.clocked(run)[0], len(tried), run))
    return min(tried)[2]


def cell(dx: int, d1: int, options: argparse.Namespace) -> tuple[float, str, str]:
    """(time of the best peer over ours, its name, a line about all of them)."""
    network, data = problem(dx, d1, options)
    runs: dict[str, peers.Run] = {"ours": lambda: forward.fused(network, data)}
    for peer in options.peers.split(","):
        if peer.split()[0] in peers.MISSING or not possible(peer, dx, d1):
            continue
        try:
            runs[peer] = best_chunks(peer, network, data, options.chunkings)
        except Exception as error:  # whatever a peer throws, the others are still compared
            print(f"    {peer} left out: {peers.reason(error)}")
    times: dict[str, list[float]] = {key: [] for key in runs}
    sums = {}
    for _ in range(options.rounds):
        for key, run in runs.items():
            seconds, risks = peers.clocked(run)
            times[key].append(seconds)
            sums[key] = float(risks.sum())
    wrong = [
        key
        for key in runs
        if abs(sums[key] / sums["ours"] - 1) > (1e-11 if options.dtype == "float64" else 1e-4)
    ]
    assert not wrong, (wrong, sums)
    median = {key: statistics.median(values) for key, values in times.items()}
    ours = median.pop("ours")
    best = min(median, key=lambda key: median[key])
    rate = 2e-9 * SAMPLES * len(network[0]) * d1 * (dx + 1) / ours
    line = ", ".join(f"{key} {value / ours:.2f}" for key, value in median.items())
    return (
        median[best] / ours,
        best,
        f"{rate:.1f} GFLOP/s, K = {len(network[0])}: {line}; checksum {sums['ours']:.12g}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="four cells, NumPy alone, a twentieth of the work"
    )
    parser.add_argument("--dtype", default="float64", choices=("float64", "float32"))
    parser.add_argument(
        "--cells", default=",".join(f"{dx}x{d1}" for dx in SIZES for d1 in SIZES), help="dx x d1, with commas"
    )
    parser.add_argument("--peers", default=",".join(PEERS), help="with commas")
    parser.add_argument(
        "--chunkings", type=int, default=3, help="ways to cut the work that each peer may choose from"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--flops", type=float, default=FLOPS, help="of one call, where that is more networks")
    parser.add_argument(
        "--units", type=int, default=UNITS, help="hidden units of all networks of a call, at least"
    )
    options = parser.parse_args()
    if options.quick:
        options.cells, options.peers, options.rounds = "2x2,8x32,128x128,512x512", PEERS[0], 3
        options.flops, options.units = FLOPS / 20, 2
    warnings.simplefilter("ignore")
    for family, why in peers.MISSING.items():
        print(f"{family} is left out: {why}")
    print(
        f"{options.dtype}, load average {os.getloadavg()[0]:.1f}, FMA peak {forward.peak(options.dtype) / 1e9:.0f} GFLOP/s"
    )
    ratios = {}
    for shape in options.cells.split(","):
        dx, d1 = (int(size) for size in shape.split("x"))
        ratios[dx, d1], best, line = cell(dx, d1, options)
        print(f"dx {dx:5} d1 {d1:5} {ratios[dx, d1]:6.2f} over {best:14} {line}", flush=True)
    print("dx \\ d1 " + "".join(f"{d1:8}" for d1 in SIZES))
    for dx in SIZES:
        cells = (f"{ratios[dx, d1]:8.2f}" if (dx, d1) in ratios else "       -" for d1 in SIZES)
        print(f"{dx:7} " + "".join(cells))
    below = sum(ratio < 1.1 for ratio in ratios.values())
    print(
        f"median {statistics.median(ratios.values()):.2f}, least {min(ratios.values()):.2f}, {below} cells below 1.1"
    )


if __name__ == "__main__":
    main()
