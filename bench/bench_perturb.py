"""Random perturbations, and their excess risks against the rate of the batched risk.

`python bench/bench_perturb.py [--quick]` prints nanoseconds a normal, then perturbations x samples a second of the
whole probe (generation, scaling, excess) as a share of what `batched_risk` reaches on stored parameters in the same
run, and the same share for `fm.probe(method="direct")` as it is called, its set-up, linear term and tallies included.
CPU time, one thread, medians of interleaved runs, a checksum beside each.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from numpy.typing import NDArray

import fastminima as fm
from fastminima.kernels import _perturb, _screen, reference_perturb
from fastminima.landscape.perturb import points as sampling
from fastminima.networks import batched_risk as batched
from fastminima.networks.activations.piecewise_linear import leaky_relu
from fastminima.networks.batched_risk import batched_risk

F64 = NDArray[np.float64]
ACT = leaky_relu(0.1)
WORKLOADS = {
    "W1": (1_000, 8, 4, 100_000),
    "W2": (100_000, 16, 8, 1_000),
    "W3": (1_000_000, 32, 16, 64),
    "W4": (200, 64, 32, 10_000),
}
# the perturbations of one call, as in a probe: large against packing the samples again, in the second-level cache
CHUNK_BYTES = 1 << 20


def problem(name: str, share: float = 1.0) -> tuple[Any, SimpleNamespace, int]:
    m, dx, d1, K = WORKLOADS[name]
    rng = np.random.default_rng(7)
    network = tuple(rng.standard_normal(shape) for shape in ((d1, dx), d1, d1, ()))
    data = SimpleNamespace(X=rng.standard_normal((m, dx)), y=rng.standard_normal(m), sample_weight=None)
    W1, b1, W2, b2 = network
    z = data.X @ W1.T + b1
    # the base point's residuals are made once for any number of perturbations
    data.e = np.where(z > 0, ACT.s_plus, ACT.s_minus) * z @ W2 + b2 - data.y
    return network, data, max(2, int(K * share))


def probe(
    network: Any, data: Any, K: int, radius: float, dtype: str, variant: int = _perturb.BEST_VARIANT
) -> tuple[F64, int]:
    """quadratic + change of K perturbations on the sphere, and all sign changes."""
    W1, b1, W2, _ = network
    d1, dx = W1.shape
    P = d1 * (dx + 2) + 1
    item = np.dtype(dtype).itemsize
    kernel: Callable[..., None] = _perturb.excess_f32 if item == 4 else _perturb.excess_f64
    workspace = np.empty(_perturb.workspace_items(variant, item, d1, dx), dtype)
    step = max(1, min(K, CHUNK_BYTES // (8 * P)))
    delta, none = np.empty((step, P)), np.empty(0)
    quadratic, change, flips = np.zeros(K), np.zeros(K), np.zeros(K, np.int64)
    for k in range(0, K, step):
        cut = slice(k, min(k + step, K))
        rows = delta[: cut.stop - k]
        _perturb.perturbations(1, k, 0, radius, variant, rows)
        kernel(
            W1, b1, W2, data.X, none, b1, data.e, none, ACT.s_plus, ACT.s_minus, rows, rows, variant, k > 0,
            workspace, quadratic[cut], change[cut], flips[cut],
        )  # fmt: skip
    return quadratic + change, int(flips.sum())


def stored(network: Any, K: int, dtype: str) -> Any:
    """K networks of the workload's shape, for `batched_risk`."""
    rng = np.random.default_rng(8)
    return tuple(rng.standard_normal((K, *np.shape(a))).astype(dtype) for a in network)


def clock(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


@pytest.mark.parametrize("distribution", [0, 1, 2], ids=["sphere", "ball", "normal"])
@pytest.mark.parametrize("variant", range(_perturb.BEST_VARIANT + 1))
def test_perturbations(benchmark: Any, variant: int, distribution: int) -> None:
    out, expected = np.empty((2048, 41)), np.empty((8, 41))
    benchmark(_perturb.perturbations, 1, 0, distribution, 1.0, variant, out)
    benchmark.extra_info["ns_per_number"] = benchmark.stats.stats.median / out.size * 1e9
    reference_perturb.perturbations(1, 0, distribution, 1.0, variant, expected)
    assert (out[:8] == expected).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_probe(benchmark: Any, name: str, dtype: str) -> None:
    network, data, K = problem(name, 0.04)
    excess, _ = benchmark.pedantic(probe, (network, data, K, 1e-6, dtype), rounds=3)
    benchmark.extra_info["checksum"] = float(excess.sum())
    benchmark.extra_info["rate"] = len(data.y) * K / benchmark.stats.stats.median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the perturbations")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--variant", choices=_perturb.VARIANTS, default=_perturb.VARIANTS[-1])
    options = parser.parse_args()
    chosen = _perturb.VARIANTS.index(options.variant)
    # peer and probe get the same instructions
    batched._VARIANT = _perturb.BEST_VARIANT = _screen.BEST_VARIANT = sampling.BEST_VARIANT = chosen
    print(
        "ns a number            "
        + "".join(f"{name:>12}" for name in ("sphere", "ball", "normal"))
        + "  checksum"
    )
    for P in (41, 145, 545, 2113):
        out = np.empty((CHUNK_BYTES // (8 * P), P))
        sums = set()
        for variant, label in enumerate(_perturb.VARIANTS):
            line, total = f"P = {P:4} {label:14}", 0.0
            for distribution in (0, 1, 2):
                times = [
                    clock(
                        lambda v=variant, d=distribution, o=out: _perturb.perturbations(1, 0, d, 1.0, v, o)
                    )[0]
                    for _ in range(9)
                ]
                line += f"{np.median(times) / out.size * 1e9:12.2f}"
                total += float(out.sum())
            sums.add(total)
            print(line, f" {total:.17g}")
        if len(sums) > 1:
            sys.exit("two variants drew different perturbations")
    print(f"\nvariant {options.variant}; 1e9 perturbations x samples a second")
    print(
        "workload dtype    radius    probe  spread | batched risk  of it  as called | sign changes  checksum"
    )
    for name in WORKLOADS:
        network, data, K = problem(name, 0.1 if options.quick else 1.0)
        work = len(data.y) * K / 1e9
        base = fm.OneHiddenLayer(*network[:3], float(network[3]), ACT), fm.Dataset(data.X, data.y)
        for dtype in ("float64", "float32"):
            others = stored(network, K, dtype)
            for radius in (1e-6, 1e-2):
                peers: list[float] = []
                own: list[float] = []
                called: list[float] = []
                for _ in range(options.rounds):
                    peers.append(clock(lambda n=others, d=data: batched_risk(*n, d, ACT))[0])
                    seconds, (excess, flips) = clock(
                        lambda n=network, d=data, k=K, r=radius, t=dtype: probe(n, d, k, r, t, chosen)
                    )
                    own.append(seconds)
                    called.append(
                        clock(
                            lambda b=base, r=radius, k=K, t=dtype: fm.probe(
                                *b, r, k, dtype=t, method="direct"
                            )
                        )[0]
                    )
                rate, peer = work / float(np.median(own)), work / float(np.median(peers))
                print(
                    f"{name:8} {dtype} {radius:7.0e} {rate:8.3f} {min(own) / max(own):6.0%}  |"
                    f" {peer:10.3f} {rate / peer:9.0%} {np.median(peers) / np.median(called):9.0%} |"
                    f" {flips / (work * 1e9):10.2e}  {excess.sum():.15g}"
                )


if __name__ == "__main__":
    main()
