"""Making a certificate of theorem 1 beside checking it with the standard library: `python bench/bench_check.py [--quick]`.

Prints CPU seconds and ratios of one run, one BLAS thread: the construction, the exact proof without and with the checker
that `prove` runs before it returns, and the checker alone (`check`), with the size of the certificate and a checksum.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import fastminima as fm


def clocked(run: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        answer = run()
        times.append(time.process_time() - start)
    return statistics.median(times), answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="no more than 1e4 rows")
    quick = parser.parse_args().quick
    print(
        "m x dx        construct   prove, unchecked   prove, checked   check / prove   us a row   bytes   checksum"
    )
    for m, dx in [
        (1_000, 2),
        (1_000, 10),
        (10_000, 10),
        (1_000, 30),
        *([] if quick else [(100_000, 10), (100_000, 2)]),
    ]:
        rng = np.random.default_rng(m + dx)
        X = rng.standard_normal((m, dx))
        data = fm.Dataset(X, X.sum(axis=1) + rng.standard_normal(m))
        repeats = 5 if m <= 10_000 else 3
        construct, (low, better) = clocked(lambda d=data: _constructed(d), repeats)
        unchecked, proof = clocked(lambda a=low, b=better: fm.prove(a, b, verify=False), repeats)
        checked, _ = clocked(lambda a=low, b=better: fm.prove(a, b, verify=True), repeats)
        alone, verdict = clocked(lambda p=proof, d=data: fm.check(p, d), repeats)
        assert verdict
        drop = next(claim["drop"] for claim in proof.claims if claim["claim"] == "lower risk")
        print(
            f"{m:>7} x {dx:<3} {construct:9.4f} s {unchecked:14.4f} s {checked:14.4f} s {alone / checked:13.2f} "
            f"{1e6 * alone / m:12.1f} {len(proof.text):8} {proof.content['data']['unordered'][:8]} {drop[:12]}"
        )


def _constructed(data: fm.Dataset) -> tuple[Any, Any]:
    low = fm.spurious_minimum(data)
    return low, fm.better_point(low)


if __name__ == "__main__":
    main()
