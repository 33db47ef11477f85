"""Scan every table that scikit-learn and statsmodels ship, and a generated one, here and on a Dask cluster.

    python examples/scan_tables.py                  # 1e7 generated rows, about a minute
    python examples/scan_tables.py --rows 100000    # a quick look

The same datasets are scanned in this process and by the worker processes of a LocalCluster. The report is printed once,
and the two are compared: every number of every row, and every parameter of every network, to the bit.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

import fastminima as fm

# what depends on the clock
_TIMES = {"seconds", "rows_per_second"}


def sklearn_tables() -> Iterator[tuple[str, Any]]:
    """The bundled tables; classes count as numbers, several targets as several tables."""
    from sklearn import datasets

    for name in ("diabetes", "linnerud", "iris", "wine", "breast_cancer", "digits"):
        loaded = getattr(datasets, f"load_{name}")(as_frame=True)
        targets = loaded.target if loaded.target.ndim == 2 else loaded.target.to_frame()
        for column in targets:
            label = f"{name}: {column}" if targets.shape[1] > 1 else name
            yield f"sklearn {label}", (loaded.data, targets[column])


def statsmodels_tables() -> Iterator[tuple[str, Any]]:
    """(exog, endog) where a table has them; else its last numeric column against the others."""
    import statsmodels.datasets

    for module in pkgutil.iter_modules(statsmodels.datasets.__path__):
        if not module.ispkg:
            continue
        package = importlib.import_module(f"statsmodels.datasets.{module.name}")
        if not hasattr(package, "load_pandas"):
            continue
        loaded = package.load_pandas()
        name = f"statsmodels {module.name}"
        y, X = getattr(loaded, "endog", None), getattr(loaded, "exog", None)
        if y is not None and X is not None:
            y = y.iloc[:, 0] if y.ndim == 2 else y
            yield name, (X.to_frame() if X.ndim == 1 else X, y)
            continue
        table = loaded.data.dropna(axis="columns", how="all")
        numeric = table.select_dtypes("number")
        if numeric.shape[1] < 2:
            print(f"{name}: left out, a series without inputs")
            continue
        target = numeric.columns[-1]
        yield name, (table.drop(columns=target), table[target])


def generate(path: Path, rows: int, features: int = 10) -> None:
    """A table as a .npy file: a linear law, a kink, and noise."""
    rng = np.random.default_rng(2019)
    slopes = rng.normal(size=features)
    with open(path, "wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (rows, features + 1)}
        np.lib.format.write_array_header_1_0(stream, header)
        for start in range(0, rows, 100_000):
            X = rng.normal(size=(min(100_000, rows - start), features))
            y = X @ slopes + np.maximum(X[:, 0], 0.0) + 0.1 * rng.normal(size=len(X))
            np.column_stack([X, y]).tofile(stream)


def differences(one: fm.ScanReport, two: fm.ScanReport) -> list[str]:
    """Where two reports differ, the times apart."""
    found = []
    for a, b in zip(one.table, two.table, strict=True):
        found += [f"{a['dataset']}: {key}" for key in a if key not in _TIMES and repr(a[key]) != repr(b[key])]
    for a, b in zip(one, two, strict=True):
        for kind in ("minimum", "better"):
            networks = [getattr(getattr(result, kind), "network", None) for result in (a, b)]
            bits = [
                None if n is None else b"".join(np.asarray(p).tobytes() for p in (n.W1, n.b1, n.W2, n.b2))
                for n in networks
            ]
            if bits[0] != bits[1]:
                found.append(f"{a.name}: parameters of {kind}")
    return found


def main() -> int:
    """Run the example; returns 0 when both scans agree."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the generated table (default 1e7)")
    parser.add_argument("--workers", type=int, default=2, help="of the LocalCluster (default 2)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated.npy"
        generate(path, arguments.rows)
        sources: dict[str, Any] = {**dict(sklearn_tables()), **dict(statsmodels_tables())}
        sources[f"generated, {arguments.rows:,} rows"] = path
        start = time.perf_counter()
        here = fm.scan(sources, missing="drop")
        seconds = time.perf_counter() - start
        print(here.table)
        for row in here.table:
            if row["notes"] or row["error"]:
                print(f"{row['dataset']}: {row['error'] or row['notes']}")
        with (
            LocalCluster(
                n_workers=arguments.workers, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            start = time.perf_counter()
            there = fm.scan(sources, missing="drop", executor=client.get_executor(retries=3))
            print(
                f"\n{here}\nin this process: {seconds:.3g} s; {arguments.workers} workers of a LocalCluster: "
                f"{time.perf_counter() - start:.3g} s"
            )
    found = differences(here, there)
    print(f"{len(found)} differences" if found else "equal to the bit: every number, every parameter")
    for line in found:
        print("  " + line)
    return 1 if found or any(row["error"] for row in here.table) else 0


if __name__ == "__main__":
    sys.exit(main())
