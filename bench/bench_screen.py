"""Screened excess risks against the direct kernel, random numbers included on both sides, one thread.

`python bench/bench_screen.py [--quick] [--large]` prints ratios with checksums; for times `pytest --benchmark-only` on this
file. dx = 8, d1 = 4; perturbations uniform on a sphere whose radius puts the given share of samples within reach of the
largest change of one unit. Times are CPU time, medians of interleaved runs; the random numbers are those of
`kernels._perturb`, timed in the same run.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from numpy.typing import NDArray

import fastminima as fm
from fastminima.kernels import _perturb, _screen, reference_screen
from fastminima.landscape.perturb.base_point import BasePoint
from fastminima.landscape.perturb.direct import Direct
from fastminima.landscape.perturb.screen import Screen, choose

F64 = NDArray[np.float64]
DX, D1 = 8, 4
P = D1 * (DX + 2) + 1
GOALS = {(10**6, 0.0): 5_000, (10**7, 0.0): 50_000, 0.01: 150, 0.1: 15}


def problem(m: int) -> BasePoint:
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((m, DX)), rng.standard_normal(m)
    W1, b1, W2 = rng.standard_normal((D1, DX)), rng.standard_normal(D1), rng.standard_normal(D1)
    network = fm.OneHiddenLayer(W1, b1, W2, 0.1, fm.leaky_relu(0.1))
    return BasePoint(network, fm.Dataset(X, y))


def sphere(K: int) -> F64:
    unit = np.random.default_rng(5).standard_normal((K, P))
    return unit / np.sqrt(np.einsum("ij,ij->i", unit, unit))[:, None]


def largest_norm(delta: F64) -> float:
    rows = delta[:, : D1 * DX].reshape(-1, D1, DX)
    squares = np.einsum("kja,kja->kj", rows, rows) + delta[:, D1 * DX : D1 * (DX + 1)] ** 2
    return float(np.sqrt(squares.max()))


def radius_for(base: BasePoint, share: float, unit: F64) -> float:
    """Radius at which `share` of the samples are within reach of the largest norm in the batch."""
    if share == 0.0:
        return 1e-12
    X = base.data.X[:200_000]
    z = base.network.preactivations(X)
    margin = (np.abs(z) / np.sqrt(np.einsum("ij,ij->i", X, X) + 1.0)[:, None]).min(axis=1)
    return float(np.quantile(margin, share)) / largest_norm(unit)


def cpu(run: Any) -> tuple[float, Any]:
    start = time.process_time()
    value = run()
    return time.process_time() - start, value


def draw_seconds() -> float:
    """Seconds to draw one perturbation on the sphere and scale it."""
    out = np.empty((4096, P))

    def draw() -> None:
        _perturb.perturbations(7, 0, 0, 1.0, _perturb.BEST_VARIANT, out)
        np.multiply(out, 1e-3, out=out)

    draw()
    return float(np.median([cpu(draw)[0] for _ in range(9)])) / len(out)


def direct_seconds(base: BasePoint, delta: F64) -> float:
    """Seconds of the direct kernel for one perturbation."""
    return cpu(lambda: Direct(base).excess(delta))[0] / len(delta)


@pytest.fixture(scope="module")
def screen() -> Screen:
    return Screen(problem(100_000), 1e-3)


@pytest.mark.parametrize("variant", range(_screen.BEST_VARIANT + 1))
def test_screened(benchmark: Any, screen: Screen, variant: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_screen, "BEST_VARIANT", variant)
    excess, _ = benchmark(screen.excess, 1e-3 * sphere(1024))
    benchmark.extra_info["checksum"] = float(excess.sum())


def test_twin(benchmark: Any, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_screen, "screened_excess", reference_screen.screened_excess)
    excess, _ = benchmark.pedantic(screen.excess, args=(1e-3 * sphere(1024),), rounds=1)
    benchmark.extra_info["checksum"] = float(excess.sum())


def compare(m: int, rounds: int, minimum: bool = False) -> None:
    drawn = draw_seconds()
    base = problem(m)
    if minimum:
        base = BasePoint(fm.spurious_minimum(base.data, width=D1).network, base.data)
    unit = sphere(4096)
    print(f"\nm = {m:.0e}, {'a spurious minimum' if minimum else 'a random network'}")
    sums = cpu(lambda: BasePoint(base.network, base.data))[0]
    for share in (0.0,) if minimum else (0.0, 0.01, 0.1):
        radius = radius_for(base, share, unit)
        # a block as a probe draws it, in the second-level cache; without samples to walk it is passed many times
        K = 1024 if share == 0.0 else max(64, int(1e9 / m * 0.01 / share) // 8 * 8)
        repeats = 64 if share == 0.0 else 1
        delta = radius * unit[: min(K, 1024)]
        norm = radius * largest_norm(unit) * 1.0001
        setup, screen = cpu(lambda norm=norm: Screen(base, norm))
        screened, direct = [], []
        excess = changed = None
        for _ in range(rounds):
            seconds, results = cpu(lambda: [screen.excess(delta) for _ in range(repeats)])  # noqa: B023
            excess, changed = results[-1]
            screened.append(seconds / len(delta) / repeats)
            direct.append(direct_seconds(base, unit[:128] * radius))
        own, peer = float(np.median(screened)), float(np.median(direct))
        ratio = (peer + drawn) / (own + drawn)
        goal = GOALS.get((m, share), GOALS.get(share))
        model = choose(base, norm, 10**6)
        print(
            f"  {share:5.0%} unstable (listed {screen.near.n_samples / m:6.2%}): {own * 1e6:9.3f} us each "
            f"+ {drawn * 1e6:.2f} drawn, direct {peer * 1e6:9.1f} us, ratio {ratio:9.1f} (goal {goal}), "
            f"spread {min(screened) / own:.2f}..{max(screened) / own:.2f}, set-up {sums + setup:.3f} s "
            f"(sums {sums:.3f}), changed {changed.mean():.0f}, model {model.screened:.3g}/{model.direct:.3g} s "
            f"per 1e6, checksum {excess.sum():.12e}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="m = 1e5 only")
    parser.add_argument("--large", action="store_true", help="m = 1e7 too (2 GB)")
    arguments = parser.parse_args()
    print(f"variant {_screen.VARIANTS[-1]}")
    for m in (100_000,) if arguments.quick else (10**6, 10**7) if arguments.large else (10**4, 10**6):
        compare(m, 3 if arguments.quick else 5)
        compare(m, 3 if arguments.quick else 5, minimum=True)


if __name__ == "__main__":
    main()
