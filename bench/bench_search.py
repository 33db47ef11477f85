"""The search for the best network of a width against PyTorch's optimisers with restarts, at the same wall time.

    OPENBLAS_NUM_THREADS=1 python bench/bench_search.py             # ten tables, three widths, 1 and 5 seconds: 10 minutes
    OPENBLAS_NUM_THREADS=1 python bench/bench_search.py second      # the same at 1 second only: 3 to 5 minutes
    OPENBLAS_NUM_THREADS=1 python bench/bench_search.py large       # 1e5 x 10, width 16, against L-BFGS over time
    OPENBLAS_NUM_THREADS=1 python bench/bench_search.py cpu large   # the same by the clock of the processor
    OPENBLAS_NUM_THREADS=1 python bench/bench_search.py bounds      # lower bounds: seconds a table

One thread each, turn by turn. The peers train in float64 on standardised data, full batch, from PyTorch's own initial
weights, again and again until the time is up: Adam with a cosine schedule, its learning rate swept over four values, and its
step compiled (the time of compiling is not counted); L-BFGS with the strong Wolfe line search. All risks are shares of the
least-squares risk, ours the exact one rounded.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

import fastminima as fm
from fastminima.landscape.bracket import fit_network
from fastminima.landscape.bracket.lower_bound import lower_bounds

Curve = list[tuple[float, float]]
TIMES = (1.0, 5.0)
WIDTHS = (2, 4, 8)
STATSMODELS = ("anes96", "ccard", "engel", "fair", "heart", "macrodata", "star98")


# of the peers
CLOCK = [time.perf_counter]


def cpu() -> None:
    """From here on seconds are those of the processor, for both: one thread each, as if nothing else ran."""
    CLOCK[0] = time.process_time
    fit_network.time = SimpleNamespace(perf_counter=time.process_time)  # type: ignore[assignment]


def tables() -> Iterator[tuple[str, Any, Any]]:
    """Ten tables that come with scikit-learn and statsmodels: numeric columns, the last one the target."""
    import statsmodels.api as sm
    from sklearn import datasets

    for name in ("diabetes", "breast_cancer", "wine"):
        bunch = getattr(datasets, f"load_{name}")()
        yield name, bunch.data.astype(float), bunch.target.astype(float)
    for name in STATSMODELS:
        frame = getattr(sm.datasets, name).load_pandas().data.select_dtypes("number").dropna()
        yield name, frame.iloc[:, :-1].to_numpy(float), frame.iloc[:, -1].to_numpy(float)


def standardised(X: Any, y: Any) -> tuple[Any, Any, float]:
    """Arrays as a careful user would train on, and the least-squares risk in their units."""
    scale = X.std(axis=0)
    scale[scale == 0.0] = 1.0
    Z, t = (X - X.mean(axis=0)) / scale, (y - y.mean()) / y.std()
    design = np.column_stack([np.ones(len(t)), Z])
    rest = design @ np.linalg.lstsq(design, t, rcond=None)[0] - t
    return Z, t, 0.5 * float(rest @ rest)


class Torch:
    """A peer: restarts until the time is up; the curve of the least risk seen."""

    def __init__(self, X: Any, y: Any, width: int, seconds: float, seed: int = 0) -> None:
        import torch

        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        self.torch, self.width, self.seconds, self.seed = torch, width, seconds, seed
        Z, t, self.linear = standardised(X, y)
        self.X, self.y = torch.tensor(Z), torch.tensor(t)
        self.curve: Curve = []
        self.began = CLOCK[0]()

    def network(self, number: int) -> Any:
        torch = self.torch
        torch.manual_seed(1000 * self.seed + number)
        hidden = torch.nn.Linear(self.X.shape[1], self.width)
        return torch.nn.Sequential(hidden, torch.nn.ReLU(), torch.nn.Linear(self.width, 1))

    def risk(self, network: Any) -> Any:
        return 0.5 * ((network(self.X)[:, 0] - self.y) ** 2).sum()

    def seen(self, risk: float) -> bool:
        """Record a risk; whether the time is up."""
        now = CLOCK[0]() - self.began
        if not self.curve or risk < self.curve[-1][1] * self.linear:
            self.curve.append((now, risk / self.linear))
        return now >= self.seconds

    def adam(self, compiled: bool = False) -> Curve:
        torch = self.torch
        network = self.network(0)
        loss = torch.compile(self.risk, dynamic=False) if compiled else self.risk
        loss(network).backward()  # compiles
        torch.optim.Adam(network.parameters()).step()  # loads what PyTorch loads at its first optimiser
        self.began, number = CLOCK[0](), 0
        while True:
            fresh = self.network(number)
            network.load_state_dict(fresh.state_dict())
            optimiser = torch.optim.Adam(network.parameters(), lr=(0.003, 0.01, 0.03, 0.1)[number % 4])
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 2000)
            number += 1
            for _ in range(2000):
                optimiser.zero_grad()
                risk = loss(network)
                (risk / len(self.y)).backward()
                optimiser.step()
                schedule.step()
                if self.seen(risk.item()):
                    return self.curve

    def lbfgs(self) -> Curve:
        class Expired(Exception):
            pass

        torch, number = self.torch, 0
        torch.optim.LBFGS(self.network(0).parameters())  # loads what PyTorch loads at its first optimiser
        self.began = CLOCK[0]()
        while True:
            network = self.network(number)
            number += 1
            optimiser = torch.optim.LBFGS(
                network.parameters(), max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-10,
                tolerance_change=1e-13,
            )  # fmt: skip

            def closure(network: Any = network, optimiser: Any = optimiser) -> Any:
                optimiser.zero_grad()
                risk = self.risk(network)
                risk.backward()
                if self.seen(risk.item()):
                    raise Expired
                return risk

            try:
                optimiser.step(closure)
            except Expired:
                return self.curve


def at(curve: Curve, seconds: float) -> float:
    """The least risk by a time; inf before the first."""
    return min((risk for when, risk in curve if when <= seconds), default=float("inf"))


def ours(X: Any, y: Any, width: int, seconds: float) -> Curve:
    found = fm.fit_network((X, y), width, seconds=seconds)
    linear = fm.least_squares(fm.Dataset(X, y)).risk
    return [(when, risk / linear) for when, risk in found.history]


def small(times: tuple[float, ...] = TIMES) -> None:
    """Ten tables, three widths."""
    print("table, m x dx, width: ours / best peer at each time (adam, adam compiled, lbfgs)")
    seconds = max(times)
    compare(
        (
            (
                f"{name}, {X.shape[0]} x {X.shape[1]}, {width}",
                ours(X, y, width, seconds),
                [
                    Torch(X, y, width, seconds).adam(),
                    Torch(X, y, width, seconds).adam(compiled=True),
                    Torch(X, y, width, seconds).lbfgs(),
                ],
            )
            for name, X, y in tables()
            for width in WIDTHS
        ),
        times,
    )


def compare(cells: Iterable[tuple[str, Curve, list[Curve]]], times: tuple[float, ...]) -> None:
    """A line for each cell, (what it is, our curve, those of the peers), and how the ratios to the best peer lie."""
    ratios: dict[float, list[float]] = {t: [] for t in times}
    for cell, mine, peers in cells:
        words = []
        for t in times:
            best = [at(curve, t) for curve in peers]
            # below rounding nobody is better
            ratios[t].append(max(at(mine, t), 1e-12) / max(min(best), 1e-12))
            shown = ", ".join(f"{v:.4f}" for v in best)
            words.append(f"{t:g} s: {at(mine, t):.4f} ({shown}) ratio {ratios[t][-1]:.3f}")
        print(f"{cell}: {'; '.join(words)}", flush=True)
    for t in times:
        found = ratios[t]
        print(
            f"{t:g} s: at or below the best peer in {sum(r <= 1 + 1e-9 for r in found)} of {len(found)}, "
            f"median ratio {statistics.median(found):.3f}, worst {max(found):.3f}"
        )


def second() -> None:
    """Ten tables, three widths, one second."""
    small(TIMES[:1])


def large(seconds: float = 12.0) -> None:
    """1e5 x 10, width 16: the least risk by each second."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100_000, 10))
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + np.abs(X[:, 3]) + 0.3 * rng.normal(size=100_000)
    mine, peer = ours(X, y, 16, seconds), Torch(X, y, 16, seconds).lbfgs()
    for t in (1, 2, 3, 4, 6, 8, 10, 12):
        print(
            f"{t:3d} s: ours {at(mine, t):.5f}, L-BFGS {at(peer, t):.5f}, ratio {at(mine, t) / at(peer, t):.3f}"
        )


def bounds() -> None:
    """Lower bounds for widths 1, 2, 4, 8 of every table: seconds of CPU beside the fit."""
    total = 0.0
    for name, X, y in tables():
        data = fm.Dataset(X, y)
        fit = fm.least_squares(data)
        began = time.process_time()
        found = lower_bounds(data, (1, *WIDTHS), fit)
        took = time.process_time() - began
        total += took
        shown = ", ".join(f"{b.value / fit.risk:.4f} ({b.fact})" for b in found.values())
        print(f"{name}, {X.shape[0]} x {X.shape[1]}: {took:.3f} s: {shown}", flush=True)
    print(f"all: {total:.2f} s")


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["small"]
    for word in chosen:
        {"small": small, "second": second, "large": large, "bounds": bounds, "cpu": cpu}[word]()
