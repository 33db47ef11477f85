"""Files to datasets: CSV and TSV (also gzipped), npy, npz, Parquet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError, DataTypeError, ReadError, TargetError
from fastminima.system.files import open_npz, reading
from fastminima.system.packages import import_optional
from fastminima.system.progress import bar

from .columns import (
    Column,
    Request,
    Selection,
    Targets,
    feature_positions,
    hidden_columns,
    listed,
    named_arrays,
    refuse_repeated,
)
from .csv_text import read_csv
from .dataset import Accuracy, Dataset, described
from .file_kind import file_kind
from .frames import Columns, arrow_content, frame_columns

__all__ = ["read"]

_DAMAGED = "is damaged or holds Python objects"
# of an array: the names of many fields
_LONGEST_HEADER = 1 << 20
TEXT_SUFFIXES = (".csv", ".tsv")


def read(
    path: str | os.PathLike[str],
    target: Targets = None,
    *,
    features: Sequence[Column] | None = None,
    sample_weight: Column | None = None,
    meaning: Literal["binary", "decimal"] = "binary",
    accuracy: Accuracy = "auto",
    progress: bool = False,
) -> Dataset:
    """Read a dataset from a file; the suffix says which kind.

    Parameters
    ----------
    path : path-like
        ``.csv``, ``.tsv`` (with a header line; also ``.gz``), ``.npy`` (a 2-D or structured array), ``.npz``
        (arrays X, y and perhaps sample_weight, where y may be called Y, or one 2-D array), ``.parquet``.
    target : str or int, or sequence of those, optional
        Column of y, by name or position (also as text: "3", "-1"); a name wins over a position. Several columns
        become the columns of Y, in this order. Needed for tables with column names; arrays default to their last
        column.
    features : sequence of str or int, optional
        Columns of X, in this order. Default: all others.
    sample_weight : str or int, optional
        Column of the weights; in an npz file with X and y, the name of an array ("sample_weight" is used when
        it is there).
    meaning : {"binary", "decimal"}, default "binary"
        "binary": the data are the float64 nearest to each number (a column of integers stays exact).
        "decimal": the data are the numbers as written, 0.1 is one tenth; CSV and TSV only.
    accuracy : {"auto", "exact"}, default "auto"
        Passed to `Dataset`.
    progress : bool, default False
        Show a progress bar when standard error is a terminal.

    Raises
    ------
    MissingFileError
        There is no such file.
    ReadError
        The file is empty, damaged, of another kind than its suffix says, lacks values, or holds text where
        numbers belong; rows and columns are named.
    TargetError
        A target column is missing, was not given, or is named twice.
    MissingDependencyError
        CSV needs pandas, Parquet needs pyarrow.
    """
    source = Path(path)
    if meaning not in ("binary", "decimal"):
        raise ReadError(f"meaning must be 'binary' or 'decimal', got {meaning!r}")
    suffix = file_kind(source)
    request = Request(target, features, sample_weight)
    notes: tuple[str, ...] = ()
    if suffix.startswith(TEXT_SUFFIXES):
        separator = "," if suffix.startswith(".csv") else "\t"
        names, selection, arrays, notes = read_csv(
            source, request, separator=separator, decimal=meaning == "decimal", progress=progress
        )
        parts = _split(names, selection, arrays)
    elif meaning == "decimal":
        raise ReadError(f"{source}: meaning='decimal' is for numbers written as text (.csv, .tsv)")
    elif suffix == ".npy":
        parts = _from_array(_load_npy(source), request, source)
    elif suffix == ".npz":
        parts = _from_npz(source, request)
    else:
        parts = _from_parquet(source, request, progress)
    try:
        data = Dataset(accuracy=accuracy, **parts)
    except (DataError, DataTypeError) as error:
        raise ReadError(f"{source}: {error}") from error
    return described(data, "decimal" if meaning == "decimal" else data.meaning, notes)


def _split(names: Sequence[str] | None, selection: Selection, arrays: list[NDArray[Any]]) -> dict[str, Any]:
    """Arguments of `Dataset` from the columns in the order of ``selection.columns``."""
    dx = len(selection.features)
    chosen = None if names is None else tuple(names[column] for column in selection.features)
    targets = arrays[dx : dx + len(selection.targets)]
    called = None if names is None else tuple(names[column] for column in selection.targets)
    return {
        "X": Columns(chosen, arrays[:dx]) if dx else np.empty((len(arrays[0]), 0)),
        "y": targets[0] if len(targets) == 1 else Columns(called, targets),
        "target_names": called,
        "sample_weight": None if selection.weight is None else arrays[-1],
    }


# --- NumPy files ----------------------------------------------------------------------------------------


def _load_npy(path: Path) -> NDArray[Any]:
    with reading(path, _DAMAGED):
        array: NDArray[Any] = np.load(
            path, mmap_mode="r", allow_pickle=False, max_header_size=_LONGEST_HEADER
        )
    return array


def _from_array(array: NDArray[Any], request: Request, path: Path) -> dict[str, Any]:
    """Columns of a 2-D array, or fields of a structured one."""
    names = array.dtype.names
    if names is None and array.ndim != 2:
        raise ReadError(f"{path} holds an array of shape {array.shape}; expected 2-D (samples, columns)")
    if names is not None:
        if array.ndim != 1:
            raise ReadError(f"{path} holds a structured array of shape {array.shape}; expected 1-D")
        if request.target is None:
            request = Request(len(names) - 1, request.features, request.weight)
        selection = request.select(names, len(names), str(path))
        return _split(names, selection, [array[names[column]] for column in selection.columns])
    if array.shape[1] == 0:
        raise ReadError(f"{path} holds an array of shape {array.shape}; a target column is needed")
    selection = request.select(None, array.shape[1], str(path))
    return {
        "X": _taken(array, selection.features),
        "y": _taken(array, selection.targets),
        "sample_weight": None if selection.weight is None else array[:, selection.weight],
    }


def _taken(array: NDArray[Any], columns: tuple[int, ...]) -> NDArray[Any]:
    # a range of columns is a view, which is copied once into the dataset; a list would copy twice
    plain = bool(columns) and columns == tuple(range(columns[0], columns[0] + len(columns)))
    return array[:, columns[0] : columns[0] + len(columns)] if plain else array[:, list(columns)]


def _from_npz(path: Path, request: Request) -> dict[str, Any]:
    with open_npz(path, _DAMAGED, "; expected arrays X and y") as stored:
        found = named_arrays(list(stored.files), request, str(path))
        if isinstance(found, str):
            return _from_array(stored[found], request, path)
        X, y = stored[found.X], stored[found.y]
        weights = None if found.weight is None else stored[found.weight]
    if request.features is not None:
        if X.ndim != 2:
            raise ReadError(f"{path}: X has shape {X.shape}; expected 2-D (samples, features)")
        X = X[:, list(feature_positions(request.features, None, X.shape[1], str(path)))]
    return {"X": X, "y": y, "sample_weight": weights}


# --- Parquet --------------------------------------------------------------------------------------------


def _from_parquet(path: Path, request: Request, progress: bool) -> dict[str, Any]:
    parquet = import_optional("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
    pa = import_optional("pyarrow", extra="tables", purpose="reading Parquet files")
    with reading(path, "is damaged or truncated"), parquet.ParquetFile(path) as file:
        names = list(file.schema_arrow.names)
        refuse_repeated(names, str(path))
        selection = request.select(names, len(names), str(path), hidden=hidden_columns(names))
        _refuse_types(pa, file.schema_arrow, selection, names, path)
        wanted = [names[column] for column in selection.columns]
        once = list(dict.fromkeys(wanted))
        groups = []
        with bar(f"reading {path.name}", file.num_row_groups, enabled=progress) as show:
            for group in range(file.num_row_groups):
                groups.append(file.read_row_group(group, columns=once))
                show(group + 1)
        table = pa.concat_tables(groups) if groups else file.schema_arrow.empty_table()
    for name in once:
        column = table.column(name)
        if column.null_count:
            rows = np.flatnonzero(np.asarray(column.is_null())) + 1
            more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
            raise ReadError(
                f"{path}: column {name!r} has no value in data row{'s' if len(rows) > 1 else ''} "
                f"{', '.join(map(str, rows[:5]))}{more}; drop or fill rows with missing values first"
            )
    columns = frame_columns(table.select(once), str(path))
    assert isinstance(columns, Columns)
    by_name = dict(zip(once, columns.arrays, strict=True))
    return _split(names, selection, [by_name[name] for name in wanted])


def _refuse_types(pa: Any, schema: Any, selection: Selection, names: Sequence[str], path: Path) -> None:
    def numeric(column: int) -> bool:
        return arrow_content(pa, schema.field(column).type) == "numbers"

    for target in selection.targets:
        if not numeric(target):
            kind = schema.field(target).type
            raise TargetError(f"{path}: the target column {names[target]!r} is {kind}, not numeric")
    refused = [column for column in selection.columns if not numeric(column)]
    if refused:
        text = ", ".join(f"{names[column]!r} ({schema.field(column).type})" for column in refused)
        rest = [names[column] for column in selection.features if numeric(column)]
        raise ReadError(
            f"{path}: columns that are not numeric: {text}; choose the inputs with features=[...]"
            + (f", for example features=[{listed(rest)}]" if rest else "")
        )
