"""The exact layer against what it replaces, CPU time, checksum beside the time.

    python bench/bench_exact.py

prints one table, and the Gram matrix once more as a ratio to plain float64 dgemm (not exact) and to
`fractions.Fraction` code (run on the first 50 rows and scaled up). Under pytest-benchmark each row is one
benchmark. Set OPENBLAS_NUM_THREADS=1: CPU time is what is compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastminima.exact.fit import ExactFit
from fastminima.exact.gram import gram_of
from fastminima.exact.margin import exact_margin
from fastminima.exact.risk import exact_network_risk
from fastminima.exact.solve import solve_normal_equations
from fastminima.exact.stream import PassNetwork


def data_of(X: Any, y: Any, weight: Any = None) -> SimpleNamespace:
    return SimpleNamespace(X=X, y=y, sample_weight=weight, exact=None)


def normal(m: int, dx: int, weight: str = "none") -> SimpleNamespace:
    rng = np.random.default_rng(m + dx)
    w = {"none": None, "float": rng.random(m) + 0.5, "integer": rng.integers(1, 6, m) * 1.0}[weight]
    return data_of(rng.normal(size=(m, dx)), rng.normal(size=m), w)


def parity(n: int) -> SimpleNamespace:
    X = np.array(list(product([0.0, 1.0], repeat=n)))
    return data_of(X, X.sum(axis=1) % 2)


def network(data: Any, fit: ExactFit) -> PassNetwork:
    """A two-unit network that splits the data at its median."""
    w = fit.coef_float
    middle = float(np.median(data.X @ w))
    return PassNetwork(np.stack([w, -w]), np.array([-middle, middle]), np.array([1.0, -1.0]), 0.0, 1.0, 0.0)


def lifted(data: Any, fit: ExactFit) -> tuple[Any, ...]:
    w = fit.coef_float
    return np.stack([w, 0 * w]), np.array([1.0 - (data.X @ w).min(), 1.0]), data


def rational_gram(data: Any, rows: int = 50) -> float:
    """Seconds for the Gram matrix in Fractions, scaled up from the first rows."""
    start = time.process_time()
    V = [
        [Fraction(1), *map(Fraction, x), Fraction(t)]
        for x, t in zip(data.X[:rows].tolist(), data.y[:rows].tolist(), strict=True)
    ]
    n = len(V[0])
    for a in range(n):
        for b in range(a, n):
            sum(v[a] * v[b] for v in V)
    return (time.process_time() - start) / min(rows, len(data.y)) * len(data.y)


def float_gram(data: Any) -> Any:
    V = np.column_stack([np.ones(len(data.y)), data.X, data.y])
    return V.T @ V if data.sample_weight is None else (V.T * data.sample_weight) @ V


def gram_case(data: Any) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    return lambda: gram_of(data), lambda g: float(g.value(1, 1))


def cases(large: bool) -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """Name -> (what is timed, checksum of its answer)."""
    table: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {}
    small = normal(442, 10)
    table["Gram 442 x 10"] = gram_case(small)
    table["Gram 1e5 x 10"] = gram_case(normal(10**5, 10))
    if large:
        table["Gram 1e6 x 10"] = gram_case(normal(10**6, 10))
        table["Gram 1e6 x 10, integer weights"] = gram_case(normal(10**6, 10, "integer"))
        table["Gram 1e6 x 10, float weights"] = gram_case(normal(10**6, 10, "float"))
    wide = gram_of(normal(500, 20))
    for flint in (False, True):
        name = f"solve 21 columns, {'FLINT' if flint else 'integers'}"
        table[name] = (
            lambda flint=flint: solve_normal_equations(wide, use_flint=flint),
            lambda s: float(s.risk),
        )
    for name, data in (("1e5 x 10", normal(10**5, 10)), ("parity 10", parity(10))):
        gram = gram_of(data)
        table[f"fit {name}"] = (lambda data=data: ExactFit.of(data), lambda f: float(f.risk))
        table[f"J {name}"] = (
            lambda data=data, gram=gram: ExactFit.of(data, gram).J(),
            lambda s: len(s.positions),
        )
        table[f"groups {name}"] = (
            lambda data=data, gram=gram: ExactFit.of(data, gram).groups(),
            lambda g: g.n_groups,
        )
    for m in (10**5, 10**6) if large else (10**5,):
        data = normal(m, 10)
        fit = ExactFit.of(data)
        better, low = network(data, fit), lifted(data, fit)
        table[f"risk of a network, {m:.0e} x 10"] = (
            lambda a=better, d=data: exact_network_risk(a, d),
            float,
        )
        table[f"the same, Gram of all data known, {m:.0e} x 10"] = (
            lambda a=better, d=data, g=fit.gram: exact_network_risk(a, d, g),
            float,
        )
        table[f"margin, {m:.0e} x 10"] = (lambda a=low: exact_margin(*a), float)
    return table


@pytest.mark.parametrize("name", list(cases(large=False)))
def test_exact(benchmark: Any, name: str) -> None:
    run, checksum = cases(large=False)[name]
    benchmark.extra_info["checksum"] = checksum(benchmark(run))


def main() -> None:
    print(f"{'':46}{'CPU ms':>10}   checksum")
    for name, (run, checksum) in cases(large=True).items():
        times = []
        while len(times) < 3 or (sum(times) < 0.3 and len(times) < 50):
            start = time.process_time()
            answer = run()
            times.append(time.process_time() - start)
        print(f"{name:46}{statistics.median(times) * 1e3:10.2f}   {checksum(answer)!r}")
    data = normal(10**5, 10)
    start = time.process_time()
    float_gram(data)
    plain = time.process_time() - start
    start = time.process_time()
    gram_of(data)
    exact = time.process_time() - start
    fractions = rational_gram(data)
    print(f"Gram 1e5 x 10: exact / float64 {exact / plain:.1f}, Fractions / exact {fractions / exact:.0f}")


if __name__ == "__main__":
    main()
