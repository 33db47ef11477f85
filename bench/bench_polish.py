"""`polish` from trained networks, against the training that made them and against one gradient evaluation in NumPy.

Torch trains (float64, Adam, then L-BFGS with a strong Wolfe search, one thread), then `polish` walks to an exact local
minimum, everything included: the walk, the exact minimum of its face, the decision, what is proved of the rounded one. Times
are CPU time of one thread, the median of the runs; a gradient is the median of several evaluations beside them.

    OPENBLAS_NUM_THREADS=1 python bench/bench_polish.py [--quick] [--runs 3]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastminima as fm

# name, m, dx, d1, units of the network that made y, noise, steps of Adam, steps of L-BFGS
SHAPES = [
    ("m = 442, dx = 10, width 8", 442, 10, 8, 5, 0.5, 2000, 500),
    ("thin: 2000, 2, 4", 2000, 2, 4, 3, 0.3, 1000, 300),
    ("m = 1e5, dx = 10, width 16", 100_000, 10, 16, 8, 0.5, 400, 300),
    # 489 parameters for 500 samples: most of the time goes into exact numbers
    ("wide: 500, 60, 8", 500, 60, 8, 4, 0.5, 1000, 300),
]


def clock(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = run()
    return time.process_time() - start, found


def table(m: int, dx: int, units: int, noise: float) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(m, dx))
    W, b, a = rng.normal(size=(units, dx)), rng.normal(size=units), rng.normal(size=units)
    return X, np.maximum(X @ W.T + b, 0.0) @ a / np.sqrt(dx) + noise * rng.normal(size=m)


def trained(X: Any, y: Any, d1: int, adam: int, lbfgs: int) -> fm.OneHiddenLayer:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(1)
    layers = torch.nn.Linear(X.shape[1], d1), torch.nn.ReLU(), torch.nn.Linear(d1, 1)
    model = torch.nn.Sequential(*layers).double()
    inputs, targets = torch.tensor(X), torch.tensor(y)[:, None]
    optimiser: Any = torch.optim.Adam(model.parameters(), lr=1e-2)

    def closure() -> Any:
        optimiser.zero_grad()
        loss = ((model(inputs) - targets) ** 2).mean()
        loss.backward()
        return loss

    for _ in range(adam):
        closure()
        optimiser.step()
    optimiser = torch.optim.LBFGS(
        model.parameters(),
        max_iter=lbfgs,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
    )
    optimiser.step(closure)
    return fm.from_torch(model)


def gradient(network: fm.OneHiddenLayer, X: Any, y: Any) -> Any:
    """Of the risk by all parameters, as NumPy users write it."""
    z = X @ network.W1.T + network.b1
    h = np.maximum(z, 0.0)
    e = h @ network.W2 + network.b2 - y
    back = (e[:, None] * network.W2) * (z > 0.0)
    return back.T @ X, back.sum(axis=0), e @ h, e.sum()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the first two shapes")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    # what is imported at the first call is no part of a polish
    fm.polish(
        fm.OneHiddenLayer(np.eye(30), np.ones(30), np.ones(30), 0.0, fm.relu),
        fm.Dataset(np.eye(30), np.arange(30.0)),
    )
    print(
        "| network | polish s | / training | / gradient | steps | kinks | moved | status: risk before, after |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, m, dx, d1, units, noise, adam, lbfgs in SHAPES[: 2 if options.quick else None]:
        X, y = table(m, dx, units, noise)
        training, network = clock(lambda X=X, y=y, d1=d1, a=adam, b=lbfgs: trained(X, y, d1, a, b))
        data = fm.Dataset(X, y)
        runs = [clock(lambda n=network, d=data: fm.polish(n, d)) for _ in range(options.runs)]
        assert len({found.exact for _, found in runs}) == 1
        seconds, found = statistics.median(t for t, _ in runs), runs[0][1]
        one = statistics.median(clock(lambda n=network, X=X, y=y: gradient(n, X, y))[0] for _ in range(15))
        print(
            f"| {name} | {seconds:.2f} | {seconds / training:.2f} | {seconds / one:.0f} | {len(found.path) - 1} | "
            f"{len(found.decision.kinks)} | {found.moved:.2g} | "
            f"{found.status}: {found.path[0].risk:.9g}, {found.risk:.9g} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
