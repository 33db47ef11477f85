"""Do optimisers leave certified bad minima of deep networks? Noise of many radii, two batch sizes, three data sets.

    python examples/escape_deep.py              # one case, few steps: half a minute
    python examples/escape_deep.py --full       # all cases, 6 directions, 4,000 steps: an hour and more
    python examples/escape_deep.py --full --steps 1000      # the table of docs/escape.md

Standardised columns, float64, mean loss. Plain gradient descent (all samples, and batches of 32) steps by 1/curvature of
the start, Adam by 1e-3, L-BFGS has a strong Wolfe line search. A cell: runs that were lower than the minimum, by more than
1e-9 of it, at some record; in brackets those whose end is proved lower; the loss of the end over the minimum's, median.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

import fastminima as fm

NOISE = (0.0, 0.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
# (optimiser, batch size, share of the steps)
OPTIMISERS = (
    ("sgd", None, 1.0),
    ("sgd", 32, 1.0),
    ("adam", None, 1.0),
    ("adam", 32, 1.0),
    ("lbfgs", None, 0.15),
)


def standardised(A: Any) -> Any:
    """Columns with mean 0 and variance 1."""
    A = np.asarray(A, dtype=float)
    return (A - A.mean(axis=0)) / A.std(axis=0)


def cases() -> Iterator[tuple[str, tuple[Any, Any], dict[str, Any]]]:
    """(name, data, what is trained)."""
    from sklearn.datasets import load_diabetes, load_iris, load_wine

    X, y = load_diabetes(return_X_y=True)
    diabetes = (standardised(X), standardised(y))
    wine, iris = load_wine(), load_iris()
    yield "diabetes ReLU 16", diabetes, {"activation": "relu", "width": (16,)}
    yield "diabetes hard tanh 16", diabetes, {"activation": "hardtanh", "width": (16,)}
    two = (standardised(wine.data[:, :2]), wine.target)
    yield "wine softmax ReLU 8-8", two, {"activation": "relu", "width": (8, 8), "loss": "softmax"}
    pair = (standardised(iris.data[50:]), iris.target[50:])
    yield "iris logistic ELU 8-8", pair, {"activation": "elu", "width": (8, 8), "loss": "logistic"}


def row(found: fm.EscapeBenchmark, label: str) -> str:
    """A line of the table: of each noise how many runs escaped, and the loss at the end."""
    parts = []
    for one in found.rows:
        lower, proved = (round(one[key] * one["runs"]) for key in ("lower", "escaped"))
        parts.append(f"{lower} ({proved}) / {one['final']:.3f}")
    return f"| {label} | " + " | ".join(parts) + " |"


def report(
    name: str, data: Any, known: dict[str, Any], noise: tuple[float, ...], directions: int, steps: int
) -> None:
    """Run a case and print its part of the table."""
    low = fm.spurious_minimum(data, known["activation"], known["width"], loss=known.get("loss", "squared"))
    better = fm.better_point(low)
    print(f"\n{name}: {low.status}, loss {low.loss:.6f}, radius {low.radius:.3f}, ", end="")
    printed = False
    for optimiser, batch, share in OPTIMISERS:
        found = fm.escape_benchmark(
            data, optimiser, starts=[low], noise=noise, repeats=directions, fresh=directions,
            steps=max(1, int(share * steps)), batch_size=batch,
        )  # fmt: skip
        if not printed:
            print(
                f"curvature {found.starts[0].curvature:.0f}, better point {better.loss / low.loss:.3f} of it"
            )
            print("| optimiser | " + " | ".join([*(f"{v:g}" for v in noise), "default init"]) + " |")
            printed = True
        print(row(found, optimiser + (f" {batch}" if batch else "")), flush=True)


def main() -> int:
    """Run the example."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="all cases: an hour and more")
    parser.add_argument(
        "--steps", type=int, help="gradient evaluations a run (default 60, with --full 4,000)"
    )
    arguments = parser.parse_args()
    start, shown = time.perf_counter(), list(cases())
    if not arguments.full:
        shown = shown[2:3]
    noise = NOISE if arguments.full else (0.0, 0.5, 16.0)
    for name, data, known in shown:
        report(
            name,
            data,
            known,
            noise,
            6 if arguments.full else 1,
            arguments.steps or (4_000 if arguments.full else 60),
        )
    print(f"\n{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
