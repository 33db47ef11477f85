"""Theorem 2's counterexamples: witnesses from the table, certified anew, against the search that found them.

The peer is the same call without its table, which searches for both witnesses and certifies them by the same arithmetic.
CPU time, one thread, medians of interleaved rounds; zero risk, risk of the minimum and certified radius as checksums, equal
where both ways end at the same witnesses.

    python bench/bench_counterexample.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import fastminima as fm
from fastminima.theorems.theorem2 import counterexample as module

NAMES = ("tanh", "sigmoid", "arctan", "softplus", "gelu", "elu", "quadratic")
QUICK = ("1",)


@contextmanager
def without_table() -> Iterator[None]:
    known = module.known_witness
    module.known_witness = lambda h, form: None
    try:
        yield
    finally:
        module.known_witness = known


def clocked(name: str) -> tuple[float, Any]:
    start = time.process_time()
    found = fm.counterexample(name)
    return time.process_time() - start, found


def compare(name: str, rounds: int) -> str:
    ours, peer = [], []
    for _ in range(rounds):
        seconds, found = clocked(name)
        ours.append(seconds)
        with without_table():
            seconds, searched = clocked(name)
        peer.append(seconds)
    ratios = sorted(p / o for p, o in zip(peer, ours, strict=True))
    return (
        f"{name:10s} {1e3 * statistics.median(ours):9.1f} {statistics.median(ratios):9.1f} "
        f"{ratios[0]:8.1f} to {ratios[-1]:<8.1f} {found.radius:.6f} {searched.radius:.6f}"
    )


@pytest.mark.parametrize("name", NAMES[:3])
def test_counterexample(benchmark: Any, name: str) -> None:
    found = benchmark(fm.counterexample, name)
    benchmark.extra_info["radius"] = found.radius
    assert found.radius > 0


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    fm.counterexample("quadratic")  # what is imported at first use is not timed
    print("activation    CPU ms  ratio to the search (spread)   radius   radius searched")
    for name in NAMES:
        print(compare(name, rounds))


if __name__ == "__main__":
    main()
