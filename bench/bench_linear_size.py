"""Classifying a wide deep linear network within a tolerance, against one forward and backward pass.

Both work on the same arrays in row blocks of 4,096, one thread. The point is a saddle of squared loss found in
floating point: the product keeps half of the singular directions of the least-squares fit, every layer is rotated. Timed are
`within_tolerance` (verdict, ranks, margins) and `escape_by_singular_vectors` (both tuples, both differences confirmed).

    OPENBLAS_NUM_THREADS=1 python bench/bench_linear_size.py [samples] [width] [hidden layers]
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

import fastminima as fm
from fastminima.theorems.theorem4.decide_within_tolerance import within_tolerance
from fastminima.theorems.theorem4.escape_float import escape_by_singular_vectors

ROWS = 4096
QUICK = ("10000", "64", "3")


def saddle(m: int, width: int, H: int, seed: int = 0) -> tuple[Any, Any, list[Any]]:
    """(X, Y, weights): exactly half of the fit's directions, up to rounding."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, width))
    B = rng.standard_normal((width, width)) / np.sqrt(width)
    Y = X @ B.T
    Y += 0.1 * rng.standard_normal((m, width))
    S = X.T @ X
    fit = np.linalg.solve(S, X.T @ Y).T
    U = np.linalg.eigh(fit @ S @ fit.T)[1][:, ::-1]
    r = width // 2
    keep = np.zeros((width, width))
    keep[range(r), range(r)] = 1.0
    weights = [keep @ U.T @ fit, *[keep.copy() for _ in range(H - 1)], U @ keep]
    for k in range(H):
        Q = np.linalg.qr(rng.standard_normal((width, width)))[0]
        weights[k], weights[k + 1] = Q @ weights[k], weights[k + 1] @ Q.T
    return X, Y, weights


def forward_backward(X: Any, Y: Any, weights: list[Any]) -> tuple[float, list[Any]]:
    """The peer: risk and gradients of all layers, as a training step computes them."""
    gradients = [np.zeros(W.shape) for W in weights]
    risk = 0.0
    for start in range(0, len(X), ROWS):
        layers = [X[start : start + ROWS]]
        for W in weights:
            layers.append(layers[-1] @ W.T)
        E = layers[-1] - Y[start : start + ROWS]
        risk += 0.5 * float(np.einsum("ij,ij->", E, E))
        for k in range(len(weights) - 1, -1, -1):
            gradients[k] += E.T @ layers[k]
            if k:
                E = E @ weights[k]
    return risk, gradients


def main() -> None:
    m, width, H = (int(v) for v in (sys.argv[1:] + ["100000", "512", "5"][len(sys.argv) - 1 :])[:3])
    X, Y, weights = saddle(m, width, H)
    print(f"m = {m:,}, width {width}, H = {H}, one thread")
    start = time.process_time()
    risk, gradients = forward_backward(X, Y, weights)
    peer = time.process_time() - start
    loss = fm.SquaredLoss(X, Y)
    start = time.process_time()
    found = within_tolerance(weights, loss, 1e-8)
    verdict = time.process_time() - start
    start = time.process_time()
    pair = escape_by_singular_vectors(weights, loss, found, 0.1)
    walk = time.process_time() - start
    print(f"forward and backward pass  {peer:8.2f} s   risk {risk:.10g}")
    print(
        f"within_tolerance           {verdict:8.2f} s   {verdict / peer:.2f}x   {found.verdict}: {found.part}"
    )
    whole = verdict + walk
    print(f"with the escape pair       {whole:8.2f} s   {whole / peer:.2f}x   up {pair.up}, down {pair.down}")
    ours = found.gradient_norms
    scale = float(np.linalg.norm(loss.gradient(np.zeros(found.gradient.shape))))
    off = max(abs(float(np.linalg.norm(g)) - n) for g, n in zip(gradients, ours, strict=True)) / scale
    print(
        f"checksum: gradient norms of the layers differ by {off:.1e} of the gradient at 0; confirmed: {pair.confirmed}"
    )


if __name__ == "__main__":
    main()
