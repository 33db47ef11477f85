"""Scans against the least they could cost: reading the file, a peer's fit and sort, the functions they wrap.

    python bench/bench_scan.py large [m ...]     files of m rows, dx = 10 (default 1e6 3e6 1e7; 1e8 takes 8.8 GB of disk)
    python bench/bench_scan.py cold [m ...]      the same, the file out of the page cache when reading and scan begin
    python bench/bench_scan.py memory            2e6 x 20 in memory against scikit-learn and argsort
    python bench/bench_scan.py small             300 small tables
    python bench/bench_scan.py digits            streamed fits of ill-conditioned data against scipy.linalg.lstsq

Files are written to $TMPDIR/fastminima-bench and removed. Every time is beside a checksum of the answer. CPU seconds are
those of the process, which a busy machine distorts less than the wall clock.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg

import fastminima as fm
from fastminima.exact.fit import ExactFit
from fastminima.system.threads import single_threaded_blas

DX = 10
QUICK = ("large", "1e5")
READ_ROWS = 65_536


def write(path: Path, m: int) -> None:
    """Rows of (X, y): independent inputs on an offset, a linear part, a kink and noise."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal(DX)
    with open(path, "wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (m, DX + 1)}
        np.lib.format.write_array_header_1_0(stream, header)  # type: ignore[attr-defined]
        for start in range(0, m, 1 << 18):
            block = rng.standard_normal((min(1 << 18, m - start), DX + 1))
            block[:, DX] += block[:, :DX] @ w + 0.3 * np.abs(block[:, 0])
            block[:, 1] += 100.0
            block.tofile(stream)


def block_sums(path: Path) -> float:
    """Read the file once, adding its numbers up block by block."""
    total = 0.0
    with open(path, "rb", buffering=0) as stream:
        np.lib.format.read_magic(stream)
        shape, _, _ = np.lib.format.read_array_header_1_0(stream)  # type: ignore[attr-defined]
        for start in range(0, shape[0], READ_ROWS):
            count = min(READ_ROWS, shape[0] - start) * shape[1]
            total += float(np.fromfile(stream, np.float64, count).sum())
    return total


class Clock:
    """Wall and CPU seconds, and the highest memory of the process meanwhile (sampled: VmHWM cannot be reset everywhere)."""

    def __enter__(self) -> Clock:
        self.peak, self._done = 0, threading.Event()
        self._resident = importlib.import_module("fastminima.scanning.budget").resident_bytes
        self._watch = threading.Thread(target=self._sample)
        self._watch.start()
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def _sample(self) -> None:
        while not self._done.wait(0.02):
            self.peak = max(self.peak, self._resident())

    def __exit__(self, *error: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        self._done.set()
        self._watch.join()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fastminima-bench-") as name:
        yield Path(name)


def forget(path: Path) -> None:
    """Take a file out of the page cache."""
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def large(sizes: list[int], limit: str = "2GB", cold: bool = False) -> None:
    names = ("m", "workers", "read twice s", "scan s", "ratio", "CPU ratio", "ns/row", "peak MB")
    widths = (11, 7, 12, 8, 6, 9, 7, 8)
    print(*(f"{name:>{width}}" for name, width in zip(names, widths, strict=True)), " answer")
    for m in sizes:
        with folder() as here:
            path = here / "rows.npy"
            write(path, m)
            runs = 1 if m > 20_000_000 else 3
            for workers in (1, 2):
                walls, cpus, scans, works, peak = [], [], [], [], 0
                for _ in range(runs):
                    if cold:
                        forget(path)
                    with Clock() as reading:
                        sums = block_sums(path) + block_sums(path)
                    if cold:
                        forget(path)
                    with Clock() as scanning:
                        (result,) = fm.scan(path, target=DX, workers=workers, memory=limit)
                    walls.append(reading.wall), cpus.append(reading.cpu)
                    scans.append(scanning.wall), works.append(scanning.cpu)
                    peak = max(peak, scanning.peak)
                row = result.row()
                wall, scan = statistics.median(walls), statistics.median(scans)
                ratio, cpu = scan / wall, statistics.median(works) / statistics.median(cpus)
                print(
                    f"{m:>11,} {workers:>7} {wall:>12.2f} {scan:>8.2f} {ratio:>6.2f} {cpu:>9.2f} {scan / m * 1e9:>7.1f} "
                    f"{peak / 1e6:>8.0f}  risk {row['risk']:.12g}, J {row['splits']:,} (+{row['splits_undecided']:,}?), "
                    f"drop {row['drop']:.9g}, passes {row['passes']}, sum {sums:.6g}",
                    flush=True,
                )


def memory() -> None:
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(1)
    X = rng.standard_normal((2_000_000, 20))
    y = X @ rng.standard_normal(20) + 0.3 * np.abs(X[:, 0]) + rng.standard_normal(2_000_000)

    def peer() -> float:
        model = LinearRegression().fit(X, y)
        order = np.argsort(model.predict(X))
        return float(model.coef_.sum()) + 0.0 * float(order[0])

    def ours(workers: int) -> float:
        (result,) = fm.scan(fm.Dataset(X, y), workers=workers, memory="4GB")
        assert result.better, result.row()
        return float(result.fit.coef.sum())

    runs: dict[str, Callable[[], float]] = {
        "scikit-learn and argsort": peer,
        "scan, 1 worker": lambda: ours(1),
        "scan, 2 workers": lambda: ours(2),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    answers: dict[str, float] = {}
    for _ in range(5):
        for name, run in runs.items():
            start = time.perf_counter()
            answers[name] = run()
            times[name].append(time.perf_counter() - start)
    base = statistics.median(times["scikit-learn and argsort"])
    print("2e6 x 20 in memory: median seconds, ratio to the peer, sum of the coefficients")
    for name, seconds in times.items():
        middle = statistics.median(seconds)
        print(f"  {name:<26} {middle:>7.3f} {middle / base:>6.2f}  {answers[name]:.12g}")


def small() -> None:
    rng = np.random.default_rng(2)
    tables = {}
    for k in range(300):
        m, dx = int(rng.integers(100, 2000)), int(rng.integers(2, 12))
        X = rng.standard_normal((m, dx))
        y = X.sum(axis=1) + np.abs(X[:, 0]) + rng.standard_normal(m)
        tables[f"table {k}"] = np.column_stack([X, y])

    def bare() -> float:
        total = 0.0
        for A in tables.values():
            low = fm.spurious_minimum(fm.Dataset(A[:, :-1], A[:, -1]))
            total += fm.better_point(low).drop
        return total

    def scanned(executor: Any = None) -> float:
        return sum(result.better.drop for result in fm.scan(tables, target=-1, executor=executor))

    scans, bares, one, two = [], [], [], []
    works: tuple[list[float], list[float]] = [], []
    with ProcessPoolExecutor(1) as single, ProcessPoolExecutor(2) as pair:
        runs = (
            (bares, bare),
            (scans, scanned),
            (one, lambda: scanned(single)),
            (two, lambda: scanned(pair)),
        )
        for _ in range(4):
            for times, run in runs:
                start, cpu = time.perf_counter(), time.process_time()
                answer = run()
                times.append(time.perf_counter() - start)
                if times is bares or times is scans:
                    works[times is scans].append(time.process_time() - cpu)
    # the first run of each pool starts its processes
    seconds = [statistics.median(times[1:]) for times in (bares, scans, one, two)]
    print(f"300 small tables (checksum {answer:.12g})")
    extra = statistics.median(b - a for a, b in zip(*works, strict=True)) / len(tables) * 1e3
    print(
        f"  the functions alone {seconds[0]:.2f} s, a scan {seconds[1]:.2f} s; CPU beyond them {extra:.2f} ms a table"
    )
    print(
        f"  one process {seconds[2]:.2f} s, two {seconds[3]:.2f} s: {seconds[2] / seconds[3]:.2f} times as fast"
    )


def digits(found: Any, exact: list[Fraction]) -> float:
    worst = 17.0
    for value, truth in zip(found, exact, strict=True):
        if truth:
            error = float(abs((Fraction(float(value)) - truth) / truth))
            worst = min(worst, -math.log10(max(error, 1e-17)))
    return worst


def problems() -> Iterator[tuple[str, Any, Any]]:
    nist = Path(__file__).parent.parent / "tests" / "support" / "nist" / "filip.csv"
    y, x = np.loadtxt(nist, delimiter=",", skiprows=1).T[:2]
    yield "Filip", np.column_stack([x**k for k in range(1, 11)]), y
    from statsmodels.datasets import longley

    data = longley.load_pandas().data
    yield "Longley", data.drop(columns="TOTEMP").to_numpy(float), data["TOTEMP"].to_numpy(float)
    rng = np.random.default_rng(3)
    t = np.linspace(0.0, 1.0, 20_000)
    for degree in (4, 6, 8, 12):
        y = np.sin(9.0 * t) + 0.01 * rng.standard_normal(len(t))
        yield f"Vandermonde {degree}", np.vander(t, degree + 1)[:, :degree], y
    X = rng.standard_normal((20_000, 5))
    for offset in (1e4, 1e8, 1e12):
        yield f"offset {offset:.0e}", X + offset, X.sum(axis=1) + rng.standard_normal(len(X))
    for noise in (1e-2, 1e-4, 1e-6):
        Z = X[:, :1] + noise * X
        yield f"correlated {noise:.0e}", Z, X.sum(axis=1) + rng.standard_normal(len(X))


def accuracy() -> None:
    importlib.import_module("fastminima.scanning.small")._SMALL = -1  # stream them all
    print(f"{'data':>18} {'scan':>6} {'lstsq':>6}  correct digits of the worst coefficient; route, passes")
    for name, X, y in problems():
        data = fm.Dataset(X, y)
        (result,) = fm.scan(data)
        exact = ExactFit.of(data)
        truth = [exact.intercept, *exact.coef]
        ours = digits([result.fit.intercept, *result.fit.coef], truth)
        with single_threaded_blas():
            theirs = digits(scipy.linalg.lstsq(np.column_stack([np.ones(len(y)), X]), y)[0], truth)
        mark = "" if ours >= min(theirs, 15.3) else "  FEWER"
        print(
            f"{name:>18} {ours:>6.1f} {theirs:>6.1f}  {result.fit.method}, {result.passes}{mark}", flush=True
        )


def main() -> None:
    what = sys.argv[1] if len(sys.argv) > 1 else "all"
    sizes = [int(float(a)) for a in sys.argv[2:]] or [1_000_000, 3_000_000, 10_000_000]
    if what in ("large", "all"):
        large(sizes)
    if what == "cold":
        large(sizes, cold=True)
    if what in ("memory", "all"):
        memory()
    if what in ("small", "all"):
        small()
    if what in ("digits", "all"):
        accuracy()


if __name__ == "__main__":
    main()
