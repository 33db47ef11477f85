"""Files to datasets: CSV and TSV (also gzipped), npy, npz, Parquet."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ._csv import read_csv
from ._frames import Columns, from_arrow
from ._optional import require
from ._progress import bar
from ._reading import reading
from ._selection import Column, Request, Selection, feature_positions, listed
from .dataset import Accuracy, Dataset
from .errors import DataError, DataTypeError, MissingFileError, ReadError, TargetError

__all__ = ["STORED_INDEX", "SUFFIXES", "file_kind", "read"]

# (first bytes, what they mean, suffixes they go with)
_MAGIC: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (b"PAR1", "a Parquet file", (".parquet",)),
    (b"\x93NUMPY", "a NumPy array file (.npy)", (".npy",)),
    (b"PK\x03\x04", "a zip archive (.npz, .xlsx)", (".npz",)),
    (b"\x1f\x8b", "gzip data", (".csv.gz", ".tsv.gz")),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", (".h5", ".hdf5")),
    (b"\xff\xfe", "UTF-16 text", ()),
    (b"\xfe\xff", "UTF-16 text", ()),
)
SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".npy", ".npz", ".parquet")
_DAMAGED = "is damaged or holds Python objects"
TEXT_SUFFIXES = (".csv", ".tsv")
# pandas writes a frame's index as such a column
STORED_INDEX = re.compile(r"__index_level_\d+__")


def read(
    path: str | os.PathLike[str],
    target: Column | None = None,
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
        (arrays X, y and perhaps sample_weight, or one 2-D array), ``.parquet``.
    target : str or int, optional
        Column of y, by name or position (also as text: "3", "-1"); a name wins over a position. Needed for
        tables with column names; arrays default to their last column.
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
        The target column is missing or was not given.
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
    return data._described(meaning="decimal" if meaning == "decimal" else None, notes=notes)


def file_kind(path: Path, suffixes: Sequence[str] = SUFFIXES) -> str:
    """The suffix, once the file exists, is not empty and starts as the suffix says.

    Raises
    ------
    MissingFileError
        There is no such file; the message names files like it.
    ReadError
        A folder, an empty file, a suffix that is none of `suffixes`, or contents of another kind.
    """
    try:
        with open(path, "rb") as stream:
            head = stream.read(4096)
    except FileNotFoundError as error:
        raise _missing_file(path) from error
    except IsADirectoryError as error:
        raise ReadError(f"{path} is a folder; give a file in it") from error
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror or error}") from error
    name = path.name.lower()
    suffix = next((known for known in sorted(suffixes, key=len, reverse=True) if name.endswith(known)), None)
    if suffix is None:
        raise ReadError(f"{path}: unknown suffix; expected one of {', '.join(suffixes)}")
    if not head:
        raise ReadError(f"{path} is empty")
    found = next(((kind, fits) for magic, kind, fits in _MAGIC if head.startswith(magic)), None)
    expected = next((kind for _, kind, fits in _MAGIC if suffix in fits), "text")
    if found is None and expected == "text" and b"\0" in head:
        raise ReadError(f"{path} is not a text file as its suffix {suffix} says: it holds binary data")
    if (found is None and expected != "text") or (found is not None and suffix not in found[1]):
        what = "something else" if found is None else found[0]
        raise ReadError(f"{path} is not {expected} as its suffix {suffix} says, but {what}")
    return suffix


def _missing_file(path: Path) -> MissingFileError:
    try:
        names = sorted(entry.name for entry in os.scandir(path.parent))
    except OSError:
        return MissingFileError(f"there is no file {path}: the folder {path.parent} does not exist")
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    return MissingFileError(f"there is no file {path}" + (f"; did you mean {listed(near)}?" if near else ""))


def _split(names: Sequence[str] | None, selection: Selection, arrays: list[NDArray[Any]]) -> dict[str, Any]:
    """Arguments of `Dataset` from the columns in the order of ``selection.columns``."""
    dx = len(selection.features)
    chosen = None if names is None else tuple(names[column] for column in selection.features)
    return {
        "X": Columns(chosen, arrays[:dx]) if dx else np.empty((len(arrays[0]), 0)),
        "y": arrays[dx],
        "target_name": None if names is None else names[selection.target],
        "sample_weight": None if selection.weight is None else arrays[dx + 1],
    }


# --- NumPy files ----------------------------------------------------------------------------------------


def _load_npy(path: Path) -> NDArray[Any]:
    with reading(path, _DAMAGED):
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
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
    inputs = selection.features
    # a range of columns is a view, which is copied once into the dataset; a list would copy twice
    plain = bool(inputs) and inputs == tuple(range(inputs[0], inputs[0] + len(inputs)))
    return {
        "X": array[:, inputs[0] : inputs[0] + len(inputs)] if plain else array[:, list(inputs)],
        "y": array[:, selection.target],
        "sample_weight": None if selection.weight is None else array[:, selection.weight],
    }


def _from_npz(path: Path, request: Request) -> dict[str, Any]:
    # opened here, because numpy leaves its own file open when the archive is damaged
    with reading(path, _DAMAGED), open(path, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
        names = list(stored.files)
        if "X" not in names or "y" not in names:
            if len(names) != 1:
                raise ReadError(
                    f"{path} holds the arrays {listed(names)}; expected X and y, or one array alone"
                )
            return _from_array(stored[names[0]], request, path)
        if request.target not in (None, "y"):
            raise TargetError(f"{path} holds arrays X and y: the target is y; leave target out")
        weight = request.weight if request.weight is not None else "sample_weight"
        if request.weight is not None and weight not in names:
            raise ReadError(f"{path} has no array {weight!r} for sample_weight; arrays: {listed(names)}")
        X, y = stored["X"], stored["y"]
        weights = stored[str(weight)] if weight in names else None
    if request.features is not None:
        if X.ndim != 2:
            raise ReadError(f"{path}: X has shape {X.shape}; expected 2-D (samples, features)")
        X = X[:, list(feature_positions(request.features, None, X.shape[1], str(path)))]
    return {"X": X, "y": y, "sample_weight": weights}


# --- Parquet --------------------------------------------------------------------------------------------


def _from_parquet(path: Path, request: Request, progress: bool) -> dict[str, Any]:
    parquet = require("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
    pa = require("pyarrow", extra="tables", purpose="reading Parquet files")
    with reading(path, "is damaged or truncated"), parquet.ParquetFile(path) as file:
        names = list(file.schema_arrow.names)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ReadError(f"{path} has more than one column called {listed(twice)}; rename them")
        hidden = frozenset(i for i, name in enumerate(names) if STORED_INDEX.fullmatch(name))
        selection = request.select(names, len(names), str(path), hidden=hidden)
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
    columns = from_arrow(pa, table.select(once), str(path))
    by_name = dict(zip(columns.names or (), columns.arrays, strict=True))
    return _split(names, selection, [by_name[name] for name in wanted])


def _refuse_types(pa: Any, schema: Any, selection: Selection, names: Sequence[str], path: Path) -> None:
    def numeric(column: int) -> bool:
        kind = schema.field(column).type
        tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
        return any(test(kind) for test in tests)

    if not numeric(selection.target):
        kind = schema.field(selection.target).type
        raise TargetError(f"{path}: the target column {names[selection.target]!r} is {kind}, not numeric")
    refused = [column for column in selection.columns if not numeric(column)]
    if refused:
        text = ", ".join(f"{names[column]!r} ({schema.field(column).type})" for column in refused)
        rest = [names[column] for column in selection.features if numeric(column)]
        raise ReadError(
            f"{path}: columns that are not numeric: {text}; choose the inputs with features=[...]"
            + (f", for example features=[{listed(rest)}]" if rest else "")
        )
