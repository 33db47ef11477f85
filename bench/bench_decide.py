"""`fm.decide` against one full-batch gradient of the risk in NumPy, at shapes that users have.

The peer is the gradient with respect to all parameters as a careful NumPy user writes it: two matrix products, the hidden
layer overwritten by what is sent back through it. `decide` of a float64 network that is no minimum (what training gives) is
one pass with proved bounds; its gradient is held against the peer's. "exact" is the same verdict by exact sums alone (the
network given as rational numbers), and "escape" the strictly better network, both risks exact. CPU time, one thread,
medians of alternated runs.

    OPENBLAS_NUM_THREADS=1 python bench/bench_decide.py [--quick]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes
from threadpoolctl import threadpool_limits

import fastminima as fm
from fastminima.landscape.decide.first_order import first_order
from fastminima.networks.rational_network import RationalNetwork

# m, dx, d1
SHAPES = [(442, 10, 8), (10_000, 5, 8), (100_000, 10, 16), (2_000, 200, 32)]


def problem(m: int, dx: int, d1: int) -> tuple[fm.OneHiddenLayer, fm.Dataset]:
    """A network as initialised, on data it does not fit."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, dx))
    y = np.sin(X[:, 0]) + 0.3 * rng.standard_normal(m)
    W1, b1, W2 = (
        rng.standard_normal((d1, dx)) / dx**0.5,
        0.3 * rng.standard_normal(d1),
        rng.standard_normal(d1),
    )
    return fm.OneHiddenLayer(W1, b1, W2 / d1**0.5, 0.1, fm.relu), fm.Dataset(X, y)


def gradient(network: fm.OneHiddenLayer, data: fm.Dataset) -> tuple[Any, ...]:
    """d risk / d (W1, b1, W2, b2)."""
    X, W2 = data.X, network.W2
    hidden = X @ network.W1.T
    hidden += network.b1
    np.maximum(hidden, 0.0, out=hidden)
    e = hidden @ W2
    e += network.b2
    e -= data.y
    by_output = e @ hidden
    np.multiply(hidden > 0.0, e[:, None], out=hidden)
    return (hidden.T @ X) * W2[:, None], hidden.sum(axis=0) * W2, by_output, float(e.sum())


def cpu(run: Callable[[], Any]) -> float:
    begin = time.process_time()
    run()
    return time.process_time() - begin


def row(m: int, dx: int, d1: int) -> str:
    """A line of the table."""
    network, data = problem(m, dx, d1)
    point = RationalNetwork.of(network)
    repeats = max(5, min(200, 4_000_000 // (m * d1)))
    pairs = [
        (cpu(lambda: gradient(network, data)), cpu(lambda: fm.decide(network, data))) for _ in range(repeats)
    ]
    peer, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
    rates, theirs = first_order(network, data).gradient[:-1] * network.W2[:, None], gradient(network, data)
    size = float(np.abs(theirs[0]).max())
    # both are the same gradient
    np.testing.assert_allclose(rates[:, :-1], theirs[0], rtol=0, atol=1e-9 * size)
    exact = statistics.median(cpu(lambda: fm.decide(point, data)) for _ in range(3))
    v = fm.decide(network, data)
    escape = cpu(lambda: v.escape)
    assert v.escape is not None
    return (
        f"| {m:,} x {dx} x {d1} | {1e3 * peer:.3g} | {ours / peer:.2f} | {exact:.2g} | {escape:.2g} "
        f"| {size:.10g}, {float(v.escape.drop):.10g} |"
    )


def minimum() -> str:
    """The verdict at a certified minimum: diabetes, from where the theory's walk starts."""
    X, y = load_diabetes(return_X_y=True)
    W1 = np.cos(1.0 + 11 * np.arange(4)[:, None] + np.arange(10))
    start = fm.OneHiddenLayer(W1, np.cos(11.0 + 11 * np.arange(4)), [1.0, -1.0, 1.0, -1.0], 0.0, fm.relu)
    p = fm.polish(start, fm.Dataset(X, y))
    times = [cpu(lambda: fm.decide(p.exact, p.data)) for _ in range(3)]
    v = p.decision
    return (
        f"diabetes, width 4, exact minimum: {statistics.median(times):.2g} s; {v.verdict}, risk {v.risk:.12g}, "
        f"radius {v.radius:.9g}, {len(v.kinks)} kinks"
    )


def main() -> None:
    quick = "--quick" in sys.argv[1:]
    print("| m x dx x d1 | gradient, ms | decide / gradient | exact, s | escape, s | largest rate, drop |")
    print("| --- | --- | --- | --- | --- | --- |")
    for m, dx, d1 in SHAPES[: 2 if quick else None]:
        print(row(m, dx, d1), flush=True)
    print(minimum())


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
