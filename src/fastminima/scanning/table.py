"""One row a dataset: written as Parquet, CSV or JSON lines, and shown."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from fastminima.errors import OutputError
from fastminima.system.files import replacing
from fastminima.system.packages import import_optional
from fastminima.system.plain_json import json_ready

__all__ = ["HEAD", "ScanTable", "cells", "head_of", "json_line"]

_SUFFIXES = (".parquet", ".csv", ".jsonl")
_INTEGER_LIMIT = 2**63


HEAD = ("dataset", "rows", "dx", "rank", "l_LS", "radius", "J", "case", "rel. drop", "minimum")
# of several layers or targets, other losses and activations
_DEEP_HEAD = ("dataset", "rows", "dx", "dy", "rank", "least loss", "radius", "rel. drop", "minimum")


def head_of(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What is shown of the rows of a scan: `HEAD`, or what there is of several layers or targets and other losses."""
    return _DEEP_HEAD if any(row.get("loss_function") is not None for row in rows) else HEAD


def cells(row: Mapping[str, Any], head: Sequence[str] = HEAD) -> list[str]:
    """What of a row of a scan is shown, under `head`; "J+" is a lower bound: float64 does not decide the rest."""
    if row["error"]:
        return [row["dataset"], *[""] * (len(head) - 2), "failed"]

    def number(key: str, digits: int) -> str:
        return "" if row[key] is None else f"{row[key]:.{digits}g}"

    size = "" if row["J_certified"] is None else f"{row['J_certified']:,}" + ("+" if row["J_undecided"] else "")
    loss = row.get("bound")
    shown = {
        "dataset": row["dataset"],
        "rows": f"{row['n_samples']:,}",
        "dx": f"{row['n_features']:,}",
        "dy": f"{row.get('n_outputs') or 1:,}",
        "rank": f"{row['rank']:,}",
        "l_LS": number("risk", 6),
        "least loss": number("risk", 6) if loss is None else f"{loss:.6g}",
        "radius": number("radius", 4),
        "J": size,
        "case": "" if row["case"] is None else str(row["case"]),
        "rel. drop": number("relative_drop", 4),
        "minimum": row["status"],
    }
    return [shown[name] for name in head]


def _suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of a table's file; `OutputError` when it is none of those that can be written."""
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise OutputError(f"cannot write {path}: expected a name ending in {', '.join(_SUFFIXES)}")
    return suffix


def json_line(row: Mapping[str, Any]) -> str:
    """A row as one line of JSON; NaN is null, infinities are the strings "inf" and "-inf"."""
    return json.dumps(json_ready(dict(row)), allow_nan=False, default=str)


class ScanTable(Sequence[dict[str, Any]]):
    """Rows of a scan, in the order of its datasets.

    Parameters
    ----------
    rows : iterable of mappings
        Values are numbers, texts, None, or nested data (notes), which files without nesting hold as JSON.

    Attributes
    ----------
    columns : tuple of str
        In the order in which rows first name them.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._rows = [dict(row) for row in rows]
        self.columns = tuple(dict.fromkeys(name for row in self._rows for name in row))

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> ScanTable: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | ScanTable:
        if isinstance(index, slice):
            return ScanTable(self._rows[index])
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"ScanTable({len(self)} rows: {', '.join(self.columns)})"

    def __str__(self) -> str:
        """The columns of `HEAD` as text; rows that are not of a scan as their repr."""
        if not {"dataset", "status", "error", "J_certified"} <= set(self.columns):
            return repr(self)
        head = head_of(self)
        lines = [list(head), *(cells(row, head) for row in self)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        return "\n".join(
            "  ".join(f"{cell:{'<' if i == 0 else '>'}{widths[i]}}" for i, cell in enumerate(line)).rstrip()
            for line in lines
        )

    def column(self, name: str) -> list[Any]:
        """The values of a column, None where a row has none."""
        return [row.get(name) for row in self._rows]

    def to_pandas(self) -> Any:
        """As a DataFrame; needs pandas."""
        pd = import_optional("pandas", extra="tables", purpose="a DataFrame")
        return pd.DataFrame(self._rows, columns=list(self.columns))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write all rows; the suffix says how: .parquet, .csv or .jsonl.

        The file appears whole or not at all, and replaces an older one.

        Raises
        ------
        OutputError
            Another suffix, or the file cannot be written.
        MissingDependencyError
            Parquet needs pyarrow.
        """
        suffix = _suffix(path)
        if suffix == ".parquet":
            content = self._parquet()
        elif suffix == ".csv":
            content = self._csv()
        else:
            content = "".join(json_line(row) + "\n" for row in self._rows).encode()
        with replacing(path) as stream:
            stream.write(content)

    def _csv(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_cell(row.get(name)) for name in self.columns] for row in self._rows)
        # a byte of a file name that is not UTF-8 is a lone surrogate here
        return text.getvalue().encode("utf-8", "backslashreplace")

    def _parquet(self) -> bytes:
        pa = import_optional("pyarrow", extra="tables", purpose="writing Parquet files")
        parquet = import_optional("pyarrow.parquet", extra="tables", purpose="writing Parquet files")
        arrays = {name: _uniform([_flat(value) for value in self.column(name)]) for name in self.columns}
        table = pa.table({name: pa.array(values) for name, values in arrays.items()})
        sink = io.BytesIO()
        parquet.write_table(table, sink)
        return sink.getvalue()


def _flat(value: Any) -> Any:
    """Nested data as JSON."""
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(json_ready(value), allow_nan=False, default=str)
    return value


def _cell(value: Any) -> Any:
    value = _flat(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else value


def _uniform(values: list[Any]) -> list[Any]:
    """One type a column: integers become floats beside floats, everything becomes text beside text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float, bool}:
        large = any(isinstance(value, int) and abs(value) >= _INTEGER_LIMIT for value in values)
        if len(kinds) > 1 or large:
            return [None if value is None else float(value) for value in values]
        return values
    return [
        None if value is None else str(value).encode("utf-8", "backslashreplace").decode() for value in values
    ]
