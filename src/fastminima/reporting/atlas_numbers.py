"""The rows of an atlas as numbers: read, its columns as arrays, and medians by number of inputs."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataTypeError, OptionError, ReadError
from fastminima.scanning.atlas import Atlas
from fastminima.system.files import reading
from fastminima.system.options import spelled
from fastminima.system.packages import import_optional

__all__ = ["MEDIANS", "SUMMARY_HEAD", "Array", "AtlasNumbers", "atlas_numbers", "medians", "summary_rows"]

Array = NDArray[np.float64]

_NUMBERS = {
    "m",
    "d",
    "n",
    "radius",
    "case",
    "unexplained",
    "pure_error",
    "paper_drop",
    "kink_drop",
    "interpolation_width",
}
_NUMBERS_OF_WIDTHS = {
    f"{name}_" for name in ("lower", "upper", "gap_least", "gap_most", "search_drop", "certified_lower")
}
_SUFFIXES = (".parquet", ".csv", ".jsonl")
# the groups of the summary, by number of inputs
_GROUPS = (("1", 1, 1), ("2", 2, 2), ("3 to 5", 3, 5), ("6 and more", 6, 10**9), ("all", 1, 10**9))
SUMMARY_HEAD = ("inputs", "width", "tables", "lower > 0", "> E", "gap >=", "gap <=", "bracket", "< .05")
MEDIANS = (
    "By number of inputs and width: tables with brackets; with a lower end above 0, and above the pure error E; medians "
    "of the least and the largest gap and of the bracket's length, in shares of the least-squares risk; brackets shorter "
    "than .05"
)


@dataclass(frozen=True, eq=False, repr=False)
class AtlasNumbers:
    """Rows of an atlas.

    Attributes
    ----------
    rows : tuple of dict
        All of them, failed ones too; by table.
    widths : tuple of int
    """

    rows: tuple[dict[str, Any], ...]
    widths: tuple[int, ...]

    @property
    def bracketed(self) -> tuple[dict[str, Any], ...]:
        """The rows that have a bracket at every width."""
        return tuple(r for r in self.rows if all(r.get(f"upper_{w}") is not None for w in self.widths))

    def column(self, name: str) -> Array:
        """A column of the rows with brackets; NaN where a row has none."""
        return np.array([np.nan if r.get(name) is None else r[name] for r in self.bracketed], np.float64)

    def __repr__(self) -> str:
        return f"AtlasNumbers({len(self.rows)} tables, widths {self.widths})"


def atlas_numbers(source: Atlas | AtlasNumbers | str | os.PathLike[str]) -> AtlasNumbers:
    """The rows of an atlas.

    Parameters
    ----------
    source : Atlas or path
        Of a table that an atlas wrote: .parquet, .csv or .jsonl.

    Raises
    ------
    DataTypeError, OptionError
        `source` is neither, or of another suffix.
    MissingFileError, ReadError
        The file is not there, or no table of an atlas.
    """
    if isinstance(source, AtlasNumbers):
        return source
    if isinstance(source, Atlas):
        rows: list[dict[str, Any]] = list(source.table)
        return AtlasNumbers(tuple(rows), source.widths)
    if not isinstance(source, str | os.PathLike) or not isinstance(os.fspath(source), str):
        raise DataTypeError(
            f"expected an Atlas (from atlas) or the path of the table that one wrote, got {spelled(source)}"
        )
    path = Path(source)
    if path.suffix not in _SUFFIXES:
        raise OptionError(f"{path}: the table of an atlas is one of {', '.join(_SUFFIXES)}")
    with reading(path, "is no table of an atlas"):
        rows = _read(path)
    columns = set().union(*(row.keys() for row in rows))
    widths = tuple(sorted(int(name[6:]) for name in columns if re.fullmatch(r"lower_[0-9]+", name)))
    if not rows or not widths or not {"table", "status", "m", "d", "n"} <= columns:
        raise ReadError(f"{path} is no table of an atlas: it has no rows, or not the columns of one")
    for row in rows:
        for name, value in row.items():
            if name in _NUMBERS or name.rstrip("0123456789") in _NUMBERS_OF_WIDTHS:
                _check_number(path, row, name, value)
    return AtlasNumbers(tuple(sorted(rows, key=lambda row: str(row["table"]))), widths)


def _check_number(path: Path, row: Mapping[str, Any], name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ReadError(
            f"{path} is no table of an atlas: {name} of {spelled(row.get('table'))} must be a number, got {spelled(value)}"
        )


def _read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        parquet = import_optional("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
        # opened here: the path of a file that is not there is a named error
        with open(path, "rb") as stream:
            found: list[dict[str, Any]] = parquet.read_table(stream).to_pylist()
        return found
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with open(path, encoding="utf-8", newline="") as stream:
        return [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(stream)]


def _value(text: str | None) -> Any:
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def medians(numbers: AtlasNumbers) -> list[dict[str, Any]]:
    """Counts and medians of the brackets by number of inputs and width, as `MEDIANS` says, one after the other."""
    d = numbers.column("d")
    found = []
    for name, least, most in _GROUPS:
        inside = (d >= least) & (d <= most)
        if not inside.any():
            continue
        pure = numbers.column("pure_error")[inside]
        for w in numbers.widths:
            lower = numbers.column(f"lower_{w}")[inside]
            low, high = (numbers.column(f"gap_{end}_{w}")[inside] for end in ("least", "most"))
            wide = high - low
            found.append(
                {
                    "inputs": name,
                    "width": w,
                    "tables": len(lower),
                    "lower_above_zero": int((lower > 0).sum()),
                    "lower_above_pure_error": int((lower > pure).sum()),
                    "gap_least": float(np.median(low)),
                    "gap_most": float(np.median(high)),
                    "bracket_length": float(np.median(wide)),
                    "shorter_than_5_percent": int((wide < 0.05).sum()),
                }
            )
    return found


def summary_rows(numbers: AtlasNumbers) -> list[list[str]]:
    """`medians` as text under `SUMMARY_HEAD`."""
    return [
        [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()] for row in medians(numbers)
    ]


def recovered(row: Mapping[str, Any], drop: str, width: int) -> float | None:
    """The share of the gap that a drop is, at least: over the largest gap that is possible; None without a gap."""
    most = row.get(f"gap_most_{width}")
    if not most:
        return None
    return min(1.0, (row.get(drop) or 0.0) / most)


def shares(numbers: AtlasNumbers, drop: str, width: int) -> Array:
    """`recovered` of all rows that have a gap, sorted."""
    found: Sequence[float | None] = [recovered(row, drop, width) for row in numbers.bracketed]
    return np.sort(np.array([v for v in found if v is not None], np.float64))
