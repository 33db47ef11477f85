"""Batched risks with smooth activations, against NumPy and torch.compile.

`python bench/bench_smooth.py [--quick] [--only W1,T2] [--dtype float32] [--names tanh,gelu]` prints ratios of CPU time,
one thread, medians of interleaved runs, with the sum of the risks as a checksum. NumPy: one network at a time, and all
networks in stacked products. torch.compile (left out where torch is missing): a library product and one compiled loop for
everything after it, and, for few weights, the products written out too; the faster of the two counts. Data of torch lie
prepared, blocks of samples and of networks are tried and the fastest taken, and compiling is not timed, as in bench_peers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

# one thread for NumPy's products; read when it is loaded
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from threadpoolctl import threadpool_limits

import bench_peers as peers
import fastminima as fm

# (m, dx, d1, K); a power of two of networks, so that no chunk of torch's is ragged
WORKLOADS = {
    "W1": (1_000, 8, 4, 16_384),
    "W2": (100_000, 16, 8, 128),
    "W4": (200, 64, 32, 2_048),
    "T2": (3, 2, 2, 65_536),
}
NAMES = ("tanh", "sigmoid", "gelu", "softplus", "quadratic")
Run = Callable[[], Any]


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
        out[cut] = 0.5 * np.square(e, dtype=np.float64).sum(axis=1)
    return out


def torch_steps(name: str, small: bool) -> list[Any]:
    """What torch.compile is given: risks of a chunk of networks on a block of samples."""
    torch = peers.torch
    function = torch.nn.functional
    h = {
        "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": function.gelu, "softplus": function.softplus,
        "quadratic": torch.square,
    }[name]  # fmt: skip

    def product(v: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
        z = h((v.reshape(-1, v.shape[2]) @ x).view(len(v), -1, len(y)))
        return ((w[:, :, None] * z).sum(1) + b[:, None] - y).square().sum(1)

    def written_out(v: Any, w: Any, b: Any, x: Any, y: Any) -> Any:
        f = b[:, None] - y
        for r in range(v.shape[1]):
            z = v[:, r, -1:] * x[-1]
            for j in range(v.shape[2] - 1):
                z = z + v[:, r, j, None] * x[j]
            f = f + w[:, r, None] * h(z)
        return f.square().sum(1)

    torch._dynamo.config.recompile_limit = 1000
    return [torch.compile(step, dynamic=False) for step in ((product, written_out) if small else (product,))]


def torch_runs(name: str, network: Any, data: Any, chunkings: int) -> list[Run]:
    """The compiled programs, each with the chunk sizes that are fastest for it."""
    parts = peers.augmented(network)
    found = []
    for step in torch_steps(name, network[0][0].size <= peers.MOST // 2):
        runs = []
        for rows, tuples in list(peers.chunkings("torch compile", network, len(data.y)))[:chunkings]:
            run = peers._torch_run(step, parts, *peers.blocks(data, parts[0].dtype, rows, ones=True), tuples)
            run()
            runs.append((min(peers.clocked(run)[0] for _ in range(2)), len(runs), run))
        found.append(min(runs)[2])
    return found


def measured(
    name: str, data: Any, parts: Any, repeats: int, chunkings: int
) -> tuple[dict[str, float], float]:
    """(how many times longer each peer takes, the sum of the risks)."""
    h, single = fm.activation(name), parts[0].dtype == np.float32
    X, y = data.X.astype(parts[0].dtype), data.y.astype(parts[0].dtype)
    runs: dict[str, Run] = {
        "ours": lambda: fm.batched_risk(*parts, data, h),
        "NumPy loop": lambda: loop(h, X, y, *parts),
        "NumPy stacked": lambda: batched(h, X, y, *parts),
    }
    if chunkings and "torch" not in peers.MISSING:
        for number, run in enumerate(torch_runs(name, parts, data, chunkings)):
            runs[f"torch.compile {number}"] = run
    seconds: dict[str, list[float]] = {key: [] for key in runs}
    sums = {}
    for _ in range(repeats):
        for key, run in runs.items():
            start = time.process_time()
            sums[key] = float(run().sum(dtype=np.float64))
            seconds[key].append(time.process_time() - start)
    for key, value in sums.items():
        # torch's softplus is t beyond 20
        assert abs(value - sums["ours"]) <= (1e-4 if single else 1e-8) * abs(sums["ours"]), (key, value, sums)
    median = {key: statistics.median(values) for key, values in seconds.items()}
    ratios = {key: median[key] / median["ours"] for key in ("NumPy loop", "NumPy stacked")}
    compiled = [median[key] for key in runs if key.startswith("torch")]
    if compiled:
        ratios["torch.compile"] = min(compiled) / median["ours"]
    return ratios, sums["ours"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer networks and rounds, tanh and GELU, no compiler"
    )
    parser.add_argument("--only", default=",".join(WORKLOADS), help="workloads, with commas")
    parser.add_argument("--names", default=",".join(NAMES), help="activations, with commas")
    parser.add_argument("--dtype", default="float64,float32", help="precisions, with commas")
    parser.add_argument(
        "--chunkings", type=int, default=2, help="block sizes that torch.compile may choose from"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    names = options.names.split(",")
    repeats = options.rounds
    if options.quick:
        names, repeats, options.chunkings = names[:3:2], 3, 0
    warnings.simplefilter("ignore")
    if "torch" in peers.MISSING or options.quick:
        print("torch.compile is left out:", peers.MISSING.get("torch", "compiling takes minutes"))
    rng = np.random.default_rng(0)
    print(f"load average {os.getloadavg()[0]:.1f}")
    print("workload  dtype    activation  NumPy loop  NumPy stacked  torch.compile   checksum")
    for label in options.only.split(","):
        m, dx, d1, K = WORKLOADS[label]
        K = K // 16 if options.quick else K
        data = fm.Dataset(rng.normal(size=(m, dx)), rng.normal(size=m))
        drawn = [rng.normal(size=shape) for shape in ((K, d1, dx), (K, d1), (K, d1), K)]
        for dtype in options.dtype.split(","):
            parts = [part.astype(dtype) for part in drawn]
            for name in names:
                with threadpool_limits(1, user_api="blas"):
                    ratios, total = measured(name, data, parts, repeats, options.chunkings)
                cells = [
                    f"{ratios[key]:.2f}" if key in ratios else "-"
                    for key in ("NumPy loop", "NumPy stacked", "torch.compile")
                ]
                print(
                    f"{label:9} {dtype} {name:11}{cells[0]:>11}{cells[1]:>15}{cells[2]:>15}   {total:.12g}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
