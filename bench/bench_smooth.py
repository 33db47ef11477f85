"""Batched risks with smooth activations, against NumPy: one network at a time, and all networks in one product.

CPU time, one thread, medians of interleaved runs; the sum of the risks as a checksum.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from threadpoolctl import threadpool_limits

import fastminima as fm

WORKLOADS = {
    "W1": (1_000, 8, 4, 20_000),
    "W2": (100_000, 16, 8, 100),
    "W4": (200, 64, 32, 2_000),
    "T2": (3, 2, 2, 100_000),
}
NAMES = ("tanh", "sigmoid", "gelu", "quadratic")


def loop(h, X, y, W1, b1, W2, b2):
    out = np.empty(len(W1))
    for k in range(len(W1)):
        e = h(X @ W1[k].T + b1[k]) @ W2[k] + b2[k] - y
        out[k] = 0.5 * e @ e
    return out


def batched(h, X, y, W1, b1, W2, b2, numbers=2_000_000):
    step = max(1, numbers // (len(X) * W1.shape[1]))
    out = np.empty(len(W1))
    for k in range(0, len(W1), step):
        cut = slice(k, k + step)
        z = np.matmul(X, W1[cut].transpose(0, 2, 1)) + b1[cut, None, :]
        e = np.matmul(h(z), W2[cut, :, None])[:, :, 0] + b2[cut, None] - y
        out[cut] = 0.5 * np.square(e).sum(axis=1)
    return out


def measured(name, repeats, X, y, parts):
    """(how many times longer the loop and the batch take, the sum of the risks)."""
    h, data = fm.activation(name).value, fm.Dataset(X, y)
    runs = {
        "ours": lambda: fm.batched_risk(*parts, data, name),
        "loop": lambda: loop(h, X, y, *parts),
        "batched": lambda: batched(h, X, y, *parts),
    }
    seconds, sums = {key: [] for key in runs}, {}
    for _ in range(repeats):
        for key, run in runs.items():
            start = time.process_time()
            sums[key] = float(run().sum())
            seconds[key].append(time.process_time() - start)
    assert all(abs(value - sums["ours"]) <= 1e-9 * abs(sums["ours"]) for value in sums.values())
    ours = statistics.median(seconds["ours"])
    return [statistics.median(seconds[key]) / ours for key in ("loop", "batched")], sums["ours"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the networks, fewer rounds")
    quick = parser.parse_args().quick
    repeats = 3 if quick else 5
    rng = np.random.default_rng(0)
    print("workload  activation   NumPy loop / ours   NumPy batched / ours   checksum")
    for label, (m, dx, d1, K) in WORKLOADS.items():
        K = K // 20 if quick else K
        X, y = rng.normal(size=(m, dx)), rng.normal(size=m)
        parts = [rng.normal(size=shape) for shape in ((K, d1, dx), (K, d1), (K, d1), K)]
        with threadpool_limits(1, user_api="blas"):
            for name in NAMES:
                ratios, total = measured(name, repeats, X, y, parts)
                print(f"{label:9} {name:12} {ratios[0]:17.2f} {ratios[1]:22.2f}   {total:.12g}")


if __name__ == "__main__":
    main()
