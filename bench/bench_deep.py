"""Bad minima of deep networks: what they cost beyond the least-squares fit, and their certificates.

`python bench/bench_deep.py [--quick]` prints CPU seconds (one BLAS thread), medians of one run, and checksums; for times
`pytest --benchmark-only` on this file. The peer is one forward and backward pass of the same network in NumPy: loss and
the gradient of all parameters, float64, the whole table at once. Of logistic and softmax loss: the logarithms of the
proof's probabilities by `decimal` to 60 digits, one at a time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

import fastminima as fm
from fastminima.theorems.theorem1.several_outputs import AffineFits


def clocked(run: Callable[[], Any], runs: int) -> tuple[float, Any]:
    found = []
    for _ in range(runs):
        start = time.process_time()
        answer = run()
        found.append(time.process_time() - start)
    return statistics.median(found), answer


def problem(m: int, dx: int) -> fm.Dataset:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, dx))
    return fm.Dataset(X, X.sum(axis=1) + rng.standard_normal(m))


def forward_and_backward(network: fm.DeepNetwork, data: fm.Dataset) -> float:
    """Loss, and the norm of its gradient, which has to be formed."""
    a, before = data.X, []
    for W, b in network.layers[:-1]:
        z = a @ W.T + b
        before.append((a, z))
        a = np.maximum(z, 0.0)
    W, b = network.layers[-1]
    r = a @ W.T + b - data.Y
    loss = 0.5 * float((r * r).sum())
    squares = float(((r.T @ a) ** 2).sum())
    g = r @ W
    for (W, _), (a, z) in zip(network.layers[-2::-1], before[::-1], strict=True):
        g = np.where(z > 0.0, g, 0.0)
        squares += float(((g.T @ a) ** 2).sum()) + float((g.sum(axis=0) ** 2).sum())
        g = g @ W
    return loss + 0.0 * squares


def classes(m: int, loss: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, 10))
    if loss == "logistic":
        return X, (X[:, 0] + 0.5 * X[:, 1] ** 2 + rng.standard_normal(m) > 0.3).astype(int)
    return X, np.argmax(0.7 * X[:, :5] + rng.gumbel(size=(m, 5)), axis=1)


def logarithms_by_decimal(low: Any) -> Decimal:
    """-sum p ln p of the probabilities that prove the bound."""
    context, total = Context(prec=60), Decimal(0)
    for point in low.fits.points:
        for row in point.rows():
            for p in row:
                number = context.divide(Decimal(p.numerator), Decimal(p.denominator))
                total = context.subtract(total, context.multiply(number, context.ln(number)))
    return total


def minimum(data: fm.Dataset, widths: tuple[int, ...]) -> Any:
    return fm.spurious_minimum(data, activation="relu", width=widths)


def certificate(low: Any) -> Any:
    better = fm.better_point(low)
    return fm.prove(low, better, verify=True)


@pytest.mark.parametrize("m", [10_000])
def test_deep_minimum(benchmark: Any, m: int) -> None:
    data = problem(m, 10)
    benchmark.extra_info["checksum"] = f"{benchmark(lambda: minimum(data, (64, 64, 64))).radius:.10g}"


@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_deep_classes(benchmark: Any, loss: str) -> None:
    data = classes(1_000, loss)
    low = benchmark(lambda: fm.spurious_minimum(data, activation="relu", width=(16, 16), loss=loss))
    benchmark.extra_info["checksum"] = f"{low.loss:.10g}"


@pytest.mark.parametrize("activation", ["relu", "elu"])
def test_deep_certificate(benchmark: Any, activation: str) -> None:
    low = fm.spurious_minimum(fm.load_demo("diabetes"), activation=activation, width=(16, 16, 16))
    benchmark.extra_info["checksum"] = len(benchmark.pedantic(lambda: certificate(low), rounds=1).text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    for m in (10_000,) if quick else (10_000, 100_000):
        data, widths, runs = problem(m, 10), (64, 64, 64), 3 if quick else 5
        fit, _ = clocked(lambda data=data: AffineFits.of(data).loss, runs)
        whole, low = clocked(lambda data=data, widths=widths: minimum(data, widths), runs)
        passed, loss = clocked(lambda low=low, data=data: forward_and_backward(low.network, data), runs)
        print(
            f"{m:,} x 10, widths 64-64-64: minimum {whole:.3f} s, of it the fit {fit:.3f} s; NumPy's forward and backward "
            f"pass {passed:.3f} s; (minimum - fit) / pass {(whole - fit) / passed:.2f}; radius {low.radius:.8g}, "
            f"loss {loss:.10g}"
        )
    for loss in ("logistic", "softmax"):
        m = 2_000 if quick else 20_000
        data, runs = classes(m, loss), 1 if quick else 3
        seconds, low = clocked(
            lambda data=data, loss=loss: fm.spurious_minimum(
                data, activation="relu", width=(16, 16), loss=loss
            ),
            runs,
        )
        slowly, _ = clocked(lambda low=low: logarithms_by_decimal(low), 1)
        print(
            f"{m:,} x 10, widths 16-16, {loss}: minimum {seconds:.2f} s; its logarithms by decimal {slowly:.2f} s; "
            f"ratio {seconds / slowly:.2f}; loss {low.loss:.13g}, excess {low.excess:.2g}, {low.status}"
        )
    for activation in ("relu", "leaky_relu", "hardtanh", "elu", "selu"):
        low = fm.spurious_minimum(fm.load_demo("diabetes"), activation=activation, width=(16, 16, 16))
        seconds, made = clocked(lambda low=low: certificate(low), 1 if quick else 3)
        checked, verdict = clocked(lambda low=low, made=made: fm.check(made, low.data), 1)
        print(
            f"diabetes, 10-16-16-16-1, {activation}: better point and certificate {seconds:.2f} s, of it the checker "
            f"{checked:.2f} s; {len(made.text):,} characters, {verdict.accepted}"
        )


if __name__ == "__main__":
    main()
