"""Do optimisers leave a certified bad minimum, and where do they end?

    python examples/plot_escape.py                    # iris, 24 runs, some seconds; writes escape.png
    python examples/plot_escape.py --full             # diabetes, the larger table of docs/escape.md: minutes

Starts are members of theorem 1's family: every unit is live, no network within the certified radius is better, and better
networks of the same width exist. Noise of a known length is added, PyTorch's optimisers run, and exact arithmetic says where
each of them ended.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np

import fastminima as fm


def standardised(X: Any, y: Any) -> fm.Dataset:
    """Columns and target with mean 0 and variance 1, as people train."""
    X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
    return fm.Dataset((X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std())


def diabetes() -> fm.Dataset:
    """Disease progression from ten columns."""
    data = fm.load_demo("diabetes")
    return standardised(data.X, data.y)


def iris() -> fm.Dataset:
    """Petal width from the other three lengths."""
    from sklearn.datasets import load_iris

    table = load_iris().data
    return standardised(table[:, :3], table[:, 3])


def draw(found: fm.EscapeBenchmark, path: str, title: str) -> None:
    """Outcomes, and the risks at the longest noise, in one picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, height_ratios=[2, 3])
    found.plot(above)
    found.plot(below, noise=max(found.noise))
    figure.suptitle(title)
    figure.savefig(path, dpi=90)
    print(f"written: {path}")


def report(name: str, data: fm.Dataset, **options: Any) -> fm.EscapeBenchmark:
    """Run one benchmark and print its table."""
    start = time.perf_counter()
    found = fm.escape_benchmark(data, progress=True, **options)
    print(f"\n{name}: m = {data.n_samples}, dx = {data.n_features}, {time.perf_counter() - start:.0f} s")
    for one in found.starts:
        print(f"  {one!r}")
    print(found)
    print(f"  least noise at which half escape: {found.half}")
    return found


def main() -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="diabetes: the larger table of docs/escape.md")
    parser.add_argument("--out", default="escape.png", help="the picture (default escape.png)")
    arguments = parser.parse_args()
    if arguments.full:
        found = report("diabetes", diabetes(), noise=(0, 0.5, 2, 8, 32), starts=2, repeats=1, steps=1_000)
        draw(found, arguments.out, "diabetes, standardised, ReLU width 8")
        return 0
    found = report("iris", iris(), width=3, noise=(0.5, 8, 64), starts=1, steps=200)
    draw(found, arguments.out, "iris, standardised, ReLU width 3")
    return 0


if __name__ == "__main__":
    sys.exit(main())
