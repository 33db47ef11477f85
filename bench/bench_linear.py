"""Making, classifying and verifying exactly critical points of deep linear networks.

Every point is made by `critical_point` (dx, dy in 1..4, H = 1..5, all branches of the proof), classified anew from its
arrays, and the list of facts is verified in plain integers by code of its own. The peer is one Hessian in float64 with its
eigenvalues, the usual numerical test, which can tell neither exact criticality nor a degenerate saddle.

    OPENBLAS_NUM_THREADS=1 python bench/bench_linear.py [points]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np

import fastminima as fm

QUICK = ("100",)


def orders(count: int, seed: int = 0) -> Any:
    """Widths and kinds; every (H, case, j*) comes up."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        dx, dy, H = (int(v) for v in (*rng.integers(1, 5, 2), 1 + k % 5))
        n = min(dx, dy)
        widths = [dx, *(int(v) for v in rng.integers(n, n + 3, H)), dy]
        yield {"widths": widths, "kind": "minimum" if k % 7 == 0 else "saddle", "rng": k}


def verified(weights: list[Any], X: Any, Y: Any, report: Any) -> bool:
    """The facts of a saddle (or G = 0) from the arrays alone; integers and dyadic numbers, so object arrays are exact."""
    layers = [W.astype(object) for W in weights]
    X, Y = X.astype(object), Y.astype(object)
    R = layers[0]
    for W in layers[1:]:
        R = W.dot(R)
    # doubled until they are integers: Y is dyadic
    G = (X.dot(R.T) - Y).T.dot(X)
    if not G.any():
        return bool(report.verdict == "global_minimum")
    if report.verdict != "saddle":
        return False
    facts = report.facts
    chain = [W.T for W in reversed(layers)] if facts["transposed"] else layers
    G = G.T if facts["transposed"] else G
    above, tops = np.eye(len(chain[-1]), dtype=int).astype(object), []
    for W in reversed(chain):
        tops.append(above)
        above = above.dot(W)
    below = np.eye(chain[0].shape[1], dtype=int).astype(object)
    for W, top in zip(chain, reversed(tops), strict=True):
        if top.T.dot(G).dot(below.T).any():
            return False
        below = W.dot(below)
    v1, H = np.array(facts["v1"], dtype=object), len(chain) - 1
    images = [v1]
    for W in chain[1:]:
        images.append(W.dot(images[-1]))
    if facts["case"] == 1:
        dies = not images[H].any() and bool(images[H - 1].any())
    else:
        j = facts["j_star"]
        dies = not images[j - 1].any() and bool(images[j - 2].any())
        for k, left in zip(range(j, H + 1), facts["left_null_vectors"], strict=True):
            row = np.array(left, dtype=object)
            for W in reversed(chain[1:k]):
                row = row.dot(W)
            dies = dies and any(left) and not row.any()
    return dies and bool(G[facts["a"], facts["b"]])


def numerical_hessian(weights: list[Any], X: Any, Y: Any) -> int:
    """Negative eigenvalues of the float64 Hessian by the product rule, vectorised."""
    S, count = X.T @ X, len(weights)
    before = [np.eye(weights[0].shape[1])]
    for W in weights:
        before.append(W @ before[-1])
    after = [np.eye(len(weights[-1]))]
    for W in reversed(weights):
        after.append(after[-1] @ W)
    after = after[::-1][1:]
    G = before[-1] @ S - Y.T @ X
    sizes = [W.size for W in weights]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    H = np.empty((starts[-1], starts[-1]))
    for i in range(count):
        between = np.eye(weights[i].shape[1])
        for j in range(i, -1, -1):
            block = np.einsum("ac,bd->abcd", after[i].T @ after[j], before[i] @ S @ before[j].T)
            if j < i:
                block = block + np.einsum("ad,bc->abcd", after[i].T @ G @ before[j].T, between)
                between = between @ weights[j]
            flat = block.reshape(sizes[i], sizes[j])
            H[starts[i] : starts[i + 1], starts[j] : starts[j + 1]] = flat
            H[starts[j] : starts[j + 1], starts[i] : starts[i + 1]] = flat.T
    values = np.linalg.eigvalsh(H)
    return int((values < -1e-9 * np.abs(values).max(initial=1.0)).sum())


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    times: dict[str, list[float]] = {name: [] for name in ("make", "classify", "verify", "pair", "hessian")}
    verdicts: dict[str, int] = {}
    bad = 0
    for k, order in enumerate(orders(count)):
        marks = [time.process_time()]
        point = fm.critical_point(**order)
        marks.append(time.process_time())
        report = fm.classify_linear(point.weights, fm.SquaredLoss(point.X, point.Y))
        marks.append(time.process_time())
        bad += not verified(point.weights, point.X, point.Y, report)
        marks.append(time.process_time())
        for name, start, stop in zip(("make", "classify", "verify"), marks, marks[1:], strict=False):
            times[name].append(stop - start)
        if k % 20 == 0:
            start = time.process_time()
            bad += report.verdict == "saddle" and not report.escape.confirmed
            times["pair"].append(time.process_time() - start)
            start = time.process_time()
            numerical_hessian(point.weights, point.X, point.Y)
            times["hessian"].append(time.process_time() - start)
        key = f"{report.verdict.value} {point.kind}"
        verdicts[key] = verdicts.get(key, 0) + 1
    hessian = statistics.mean(times["hessian"])
    print(f"{count} points, {bad} not verified; {verdicts}")
    print("| work | mean ms | largest ms | float64 Hessians |")
    print("| --- | --- | --- | --- |")
    for name, seconds in times.items():
        mean = statistics.mean(seconds)
        print(f"| {name} | {1e3 * mean:.2f} | {1e3 * max(seconds):.1f} | {mean / hessian:.2f} |")
    both = statistics.mean(times["classify"]) + statistics.mean(times["verify"])
    print(f"classify and verify: {1e3 * both:.2f} ms a point")


if __name__ == "__main__":
    main()
