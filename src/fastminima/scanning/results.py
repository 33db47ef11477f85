"""What a scan hands back: a result for every dataset, and the table of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fastminima.fit.least_squares import LeastSquares
from fastminima.networks.next_steps import Drawn
from fastminima.system.results import Result
from fastminima.theorems.theorem1.better_point import BetterPoint
from fastminima.theorems.theorem1.deep_better_point import DeepBetterPoint
from fastminima.theorems.theorem1.deep_minimum import DeepMinimum
from fastminima.theorems.theorem1.minimum import SpuriousMinimum
from fastminima.theorems.theorem1.plain_values import (
    better_values,
    deep_better_values,
    deep_values,
    fit_values,
    minimum_values,
    renamed,
)

from .table import ScanTable

__all__ = ["DEEP_FIELDS", "ROW_FIELDS", "ScanReport", "ScanResult"]

# of rows: raised when a name changes or goes
_VERSION = 1

ROW_FIELDS = (
    "version",
    "dataset",
    "status",
    "n_samples",
    "n_features",
    "weighted",
    "rank",
    "risk",
    "mean_squared_error",
    "excess",
    "radius",
    "radius_relative",
    "width",
    "case",
    "J_certified",
    "J_undecided",
    "better",
    "better_risk",
    "drop",
    "drop_certified",
    "relative_drop",
    "certificate",
    "position",
    "beta",
    "gamma",
    "route",
    "method",
    "passes",
    "seconds",
    "reason",
    "notes",
    "error",
)
# of networks of several layers or targets, with other losses and activations: behind those above, where there are some
DEEP_FIELDS = (
    "n_outputs",
    "widths",
    "activation",
    "loss_function",
    "loss",
    "bound",
    "epsilon",
    "least_of_rank",
    "alpha",
    "gain",
    "classes",
    "better_loss",
    "tried",
)
# what columns were called before: they stay for one release
_OLD = {
    "rows": "n_samples",
    "features": "n_features",
    "splits": "J_certified",
    "splits_undecided": "J_undecided",
}


# the names of a row for the values of a construction
_OF_FIT = {
    name: name
    for name in ("n_samples", "n_features", "weighted", "rank", "risk", "mean_squared_error", "method")
}
_OF_MINIMUM = {name: name for name in ("excess", "radius", "radius_relative", "width", "reason")}
_OF_BETTER = {
    "risk": "better_risk",
    "drop": "drop",
    "drop_certified": "drop_certified",
    "relative_drop": "relative_drop",
    "certificate": "certificate",
}


@dataclass(frozen=True, eq=False, repr=False)
class ScanResult(Result):
    """One dataset of a scan.

    Attributes
    ----------
    name : str
    minimum : SpuriousMinimum, DeepMinimum or None
        As `spurious_minimum` gives it; None where the dataset failed.
    better : BetterPoint, DeepBetterPoint or None
        As `better_point` gives it; None also for width 1, and where a `DeepMinimum` has no network.
    fit : LeastSquares or None
        Of a `SpuriousMinimum`; the best affine map of a `DeepMinimum` is `minimum.fits`.
    route : {"memory", "stream"}
        Whether all rows were in memory at once.
    passes : int
        Passes over the rows of a streamed dataset; 1 where they were read into memory.
    seconds : float
    notes : dict
        What was done to the data, and to the construction.
    error : Exception or None
    reason : str
        Why nothing is decided, or failed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> X = np.arange(8.0)[:, None]
    >>> result = fm.scan({"square": (X, X[:, 0] ** 2)})[0]
    >>> result.route, result.minimum.radius > 0
    ('memory', True)
    """

    name: str
    minimum: SpuriousMinimum | DeepMinimum | None = None
    better: BetterPoint | DeepBetterPoint | None = None
    fit: LeastSquares | None = None
    route: Literal["memory", "stream"] = "memory"
    passes: int = 0
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None
    reason: str = ""

    @property
    def status(self) -> str:
        """That of the minimum, as text ("spurious", "global", "undecided" ...), or "error"."""
        if self.error is not None:
            return "error"
        return "undecided" if self.minimum is None else str(self.minimum.status)

    def row(self, *, old_names: bool = True) -> dict[str, Any]:
        """The result as one flat row; None where there is nothing to tell.

        `old_names`: with the columns `rows`, `features`, `splits` and `splits_undecided` of before, which go with the next
        release: they say what `n_samples`, `n_features`, `J_certified` and `J_undecided` say.
        """
        row: dict[str, Any] = dict.fromkeys(ROW_FIELDS)
        row |= {"version": _VERSION, "dataset": self.name, "status": self.status, "seconds": self.seconds}
        row |= {"notes": self.notes or None, "reason": self.reason or None}
        if self.error is not None:
            row["error"] = f"{type(self.error).__name__}: {self.error}"
        fit, low, better = self.fit, self.minimum, self.better
        if fit is not None:
            row |= renamed(fit_values(fit), _OF_FIT) | {"route": self.route, "passes": self.passes}
        if isinstance(low, DeepMinimum):
            row |= (
                dict.fromkeys(DEEP_FIELDS) | deep_values(low) | {"route": self.route, "passes": self.passes}
            )
            if isinstance(better, DeepBetterPoint):
                row |= deep_better_values(better)
                row["reason"] = row["reason"] if better or low.status != "spurious" else better.reason
        elif low is not None:
            row |= renamed(minimum_values(low), _OF_MINIMUM)
            row |= {"case": low.evidence.case, "J_certified": low.evidence.n_certified}
            row["J_undecided"] = low.evidence.n_undecided
        if isinstance(better, BetterPoint):
            values = better_values(better)
            row["better"] = values["status"]
            if better:
                row |= renamed(values, _OF_BETTER)
                if math.isnan(better.relative_drop):
                    row["relative_drop"] = None
            elif self.status == "spurious":
                row["reason"] = better.reason
            split = values["split"] or {}
            row |= {name: split[name] for name in ("position", "beta", "gamma") if name in split}
        return row | {old: row[new] for old, new in _OLD.items()} if old_names else row

    def __repr__(self) -> str:
        held = self.fit if self.fit is not None else self.minimum
        name = "fit" if self.fit is not None else "minimum"
        told = f"error={type(self.error).__name__}" if self.error is not None else f"{name}={held!r}"
        return f"ScanResult({self.name!r}, {self.status!r}, {told})"


class ScanReport(Result, Drawn, Sequence[ScanResult]):
    """Results of a scan, in the order of its datasets.

    Attributes
    ----------
    table : ScanTable
        One row a dataset (see `ROW_FIELDS`); written with ``table.write("x.parquet")``, ".csv" or ".jsonl".

    Examples
    --------
    >>> import numpy as np
    >>> import fastminima as fm
    >>> X = np.arange(8.0)[:, None]
    >>> report = fm.scan({"square": (X, X[:, 0] ** 2)})
    >>> len(report), report[0].name, bool(report[0].better)
    (1, 'square', True)
    """

    _picture = "plot_scan"
    _compared = ("_results",)

    def __init__(self, results: Sequence[ScanResult]) -> None:
        self._results = list(results)
        self.table = ScanTable([result.row() for result in self._results])

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[ScanResult]:
        return iter(self._results)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ScanReport(self._results[index])
        if isinstance(index, str):
            for result in self._results:
                if result.name == index:
                    return result
            raise KeyError(index)
        return self._results[index]

    @property
    def failed(self) -> list[ScanResult]:
        """The results with an error."""
        return [result for result in self._results if result.error is not None]

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame: one row a dataset.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed (extra `tables`).
        """
        return self.table.to_pandas()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the table; see `ScanTable.write`."""
        self.table.write(path)

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for result in self._results:
            counts[result.status] = counts.get(result.status, 0) + 1
        return f"ScanReport({len(self)} datasets: {', '.join(f'{n} {s}' for s, n in counts.items())})"
