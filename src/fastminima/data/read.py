"""Files to datasets: text (CSV, TSV, .data; also compressed), Excel, npy, npz, Parquet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError, DataTypeError, OptionError, ReadError, TargetError
from fastminima.system.files import open_npz, reading
from fastminima.system.options import as_flag, check_choice, one_of, spelled
from fastminima.system.packages import import_optional
from fastminima.system.progress import Progress, as_progress, bar

from .arrow_schema import index_columns, index_last
from .cleaning import LABEL_HINT, Categories, Cleaning, Missing, RawTable, array_column, clean
from .columns import (
    Column,
    Request,
    Selection,
    Targets,
    feature_positions,
    listed,
    named_arrays,
    refuse_repeated,
)
from .csv_text import read_csv, text_refused
from .dataset import Accuracy, Dataset, described
from .excel import read_excel
from .file_kind import EXCEL, TEXTS, as_path, file_kind
from .frames import Columns, FrameColumn, arrow_content, frame_parts
from .text_form import DecimalMark, TextOptions, text_form, where

__all__ = ["read"]

_DAMAGED = "is damaged or holds Python objects"
# of an array: the names of many fields
_LONGEST_HEADER = 1 << 20


@dataclass(frozen=True)
class _Reading:
    """What a caller asks of a file, beside its columns."""

    meaning: Literal["binary", "decimal"]
    accuracy: Accuracy
    progress: Progress
    cleaning: Cleaning
    text: TextOptions

    @property
    def decimal(self) -> bool:
        """Are numbers taken as written?"""
        return self.meaning == "decimal"

    def refuse_text_options(self, path: Path, *, header: bool = False) -> None:
        """The options of text say nothing of other files; `header` says something of Excel."""
        given = [name for name in self.text.given if not (header and name == "header")]
        if given:
            raise OptionError(f"{path}: {given[0]} is for text files ({', '.join(TEXTS[:3])})")
        if self.decimal:
            raise ReadError(f"{path}: meaning='decimal' is for numbers written as text (.csv, .tsv)")


def read(
    path: str | os.PathLike[str],
    target: Targets = None,
    *,
    features: Sequence[Column] | None = None,
    sample_weight: Column | None = None,
    missing: Missing = "fail",
    categories: Categories | None = None,
    header: bool | None = None,
    sep: str | None = None,
    decimal: DecimalMark | None = None,
    meaning: Literal["binary", "decimal"] = "binary",
    accuracy: Accuracy = "auto",
    labels: bool = False,
    progress: Progress = False,
) -> Dataset:
    """Read a dataset from a file; the suffix says which kind.

    Parameters
    ----------
    path : path-like
        ``.csv``, ``.tsv`` (a line of column names, then rows), ``.data`` (no such line), all three also ``.gz``, ``.bz2``,
        ``.xz`` or ``.zip``; ``.npy`` (a 2-D or structured array), ``.npz`` (arrays X, y and perhaps sample_weight, where
        y may be called Y, or one 2-D array), ``.parquet``, ``.xlsx`` (its first sheet).
    target : str or int, or sequence of those, optional
        Column of y, by name or position (also as text: "3", "-1"); a name wins over a position. Several columns
        become the columns of Y, in this order. Needed for tables with column names; arrays default to their last
        column.
    features : sequence of str or int, optional
        Columns of X, in this order. Default: all others.
    sample_weight : str or int, optional
        Column of the weights; in an npz file with X and y, the name of an array ("sample_weight" is used when
        it is there).
    missing : {"fail", "drop"}, default "fail"
        A row without a value (NaN, null, an empty cell, NA) in a column that is used is an error that names it, or is
        left out and counted, as in `scan`.
    categories : {"reject", "onehot"}, optional
        Columns that are not numeric: left out and named in the notes, or (texts) one 0/1 column for every text but the
        first in sorted order, as in `scan`. Default: they are refused by name.
    header : bool, optional
        Of text and Excel: the first line is column names (True) or data (False; columns go by position). Default: names,
        and refused by name where it could be data, because a cell is a number.
    sep : str, optional
        Of text: what separates the columns, one character, or "blanks" for runs of blanks and tabs. Default: what the
        suffix says; semicolons where numbers have decimal commas; in ``.data`` what the first line shows.
    decimal : {".", ","}, optional
        Of text: the decimal mark. Default: the point; the comma where semicolons or blanks separate and only it is used.
    meaning : {"binary", "decimal"}, default "binary"
        "binary": the data are the float64 nearest to each number (a column of integers stays exact).
        "decimal": the data are the numbers as written, 0.1 is one tenth; text only.
    accuracy : {"auto", "exact"}, default "auto"
        Passed to `Dataset`.
    labels : bool, default False
        The target holds labels of classes, texts, whole numbers or bools, as in `Dataset`.
    progress : bool or callable, default False
        A bar on a terminal or in a notebook, or a function that is told the share that is done.

    Raises
    ------
    MissingFileError
        There is no such file.
    ReadError
        The file is empty, damaged, of another kind than its suffix says, lacks values, or holds text where
        numbers belong; rows and columns are named. Its first line could be data.
    TargetError
        A target column is missing, was not given, or is named twice; with `labels`: it holds what is no class.
    OptionError
        An option is none of its values, or says nothing of such a file.
    DataTypeError
        `path` is no path.
    MissingDependencyError
        Text needs pandas, Parquet needs pyarrow, Excel needs openpyxl.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import fastminima as fm
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "houses.csv")
    ...     _ = path.write_text("rooms,age,price\\n3,10,200\\n4,2,310\\n5,30,280\\n")
    ...     data = fm.read(path, "price")

    >>> data.feature_names, data.y.tolist()
    (('rooms', 'age'), [200.0, 310.0, 280.0])
    """
    if not one_of(meaning, ("binary", "decimal")):
        raise ReadError(f"meaning must be 'binary' or 'decimal', got {spelled(meaning)}")
    check_choice(accuracy, "accuracy", ("auto", "exact"))
    asked = _Reading(
        meaning,
        accuracy,
        as_progress(progress),
        Cleaning(missing, categories, as_flag(labels, "labels")),
        TextOptions(header, sep, decimal),
    )
    source = as_path(path)
    return _read(source, file_kind(source), Request(target, features, sample_weight), asked)


def _read(path: Path, suffix: str, request: Request, asked: _Reading) -> Dataset:
    try:
        if suffix in TEXTS:
            made = _from_text(path, suffix, request, asked)
        else:
            asked.refuse_text_options(path, header=suffix in EXCEL)
            if suffix in EXCEL:
                made = _from_excel(path, request, asked)
            elif suffix == ".npy":
                made = _from_array(_load_npy(path), request, path, asked)
            elif suffix == ".npz":
                made = _from_npz(path, request, asked)
            else:
                made = _from_parquet(path, request, asked)
        data = Dataset(accuracy=asked.accuracy, labels=asked.cleaning.labels, **made.arguments)
    except TargetError as error:
        text = str(error)
        raise TargetError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    except (DataError, DataTypeError) as error:
        text = str(error)
        raise ReadError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    return described(data, "decimal" if asked.decimal else data.meaning, made.notes, made.n_missing)


@dataclass(frozen=True)
class _Made:
    """Arguments of `Dataset`, and what was done on the way."""

    arguments: dict[str, Any]
    notes: tuple[str, ...] = ()
    n_missing: int = 0


def _cleaned(
    path: Path,
    names: Sequence[str] | None,
    selection: Selection,
    columns: dict[int, FrameColumn],
    table: dict[str, Any],
    asked: _Reading,
) -> _Made:
    """Columns that were chosen, by the rules for missing values and texts."""

    def part(column: int) -> tuple[str, FrameColumn]:
        return str(column) if names is None else names[column], columns[column]

    found = clean(
        RawTable(
            str(path),
            features=[part(c) for c in selection.features],
            targets=[part(c) for c in selection.targets],
            weight=None if selection.weight is None else part(selection.weight),
            **table,
        ),
        asked.cleaning,
    )
    called = None if names is None else tuple(names[column] for column in selection.targets)
    inputs = found.names if names is not None or found.encoded else None
    arguments = {
        "X": Columns(inputs, found.features) if found.features else np.empty((len(found.targets[0]), 0)),
        "y": found.targets[0] if len(found.targets) == 1 else Columns(called, found.targets),
        "target_names": called,
        "sample_weight": found.weight,
    }
    return _Made(arguments, found.notes, found.n_missing)


# --- text and Excel -------------------------------------------------------------------------------------


def _from_text(path: Path, suffix: str, request: Request, asked: _Reading) -> _Made:
    import_optional("pandas", extra="tables", purpose="reading CSV files")
    form = text_form(path, suffix, asked.text)
    selection = request.select(form.names, form.n_columns, str(path))
    rows, columns = read_csv(
        path,
        form,
        selection.columns,
        decimal=asked.decimal,
        texts=asked.cleaning.encode,
        labels=selection.targets if asked.cleaning.labels else (),
        progress=asked.progress,
    )
    text_refused(path, form, selection, columns, asked.cleaning, named=request.features is not None)
    table = {
        "n_rows": rows,
        "named": request.features is not None,
        "where": lambda row: where(path, form, row),
    }
    made = _cleaned(path, form.names, selection, columns, table, asked)
    return _Made(made.arguments, (*form.notes, *made.notes), made.n_missing)


def _from_excel(path: Path, request: Request, asked: _Reading) -> _Made:
    names, columns, rows, notes = read_excel(path, asked.text.header)
    selection = request.select(names, len(columns), str(path))
    table = {
        "n_rows": rows,
        "named": request.features is not None,
        "where": lambda row: f"data row {row + 1}",
    }
    made = _cleaned(path, names, selection, dict(enumerate(columns)), table, asked)
    return _Made(made.arguments, (*notes, *made.notes), made.n_missing)


# --- NumPy files ----------------------------------------------------------------------------------------


def _load_npy(path: Path) -> NDArray[Any]:
    with reading(path, _DAMAGED):
        array: NDArray[Any] = np.load(
            path, mmap_mode="r", allow_pickle=False, max_header_size=_LONGEST_HEADER
        )
    return array


def _from_array(array: NDArray[Any], request: Request, path: Path, asked: _Reading) -> _Made:
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
        columns = {c: array_column(array[names[c]]) for c in selection.columns}
        return _cleaned(path, names, selection, columns, _plain_rows(array, request), asked)
    if array.shape[1] == 0:
        raise ReadError(f"{path} holds an array of shape {array.shape}; a target column is needed")
    selection = request.select(None, array.shape[1], str(path))
    if not asked.cleaning.plain:
        columns = {c: array_column(array[:, c]) for c in selection.columns}
        return _cleaned(path, None, selection, columns, _plain_rows(array, request), asked)
    return _Made(
        {
            "X": _taken(array, selection.features),
            "y": _taken(array, selection.targets),
            "sample_weight": None if selection.weight is None else array[:, selection.weight],
        }
    )


def _plain_rows(array: NDArray[Any], request: Request) -> dict[str, Any]:
    return {"n_rows": len(array), "named": request.features is not None}


def _taken(array: NDArray[Any], columns: tuple[int, ...]) -> NDArray[Any]:
    # a range of columns is a view, which is copied once into the dataset; a list would copy twice
    plain = bool(columns) and columns == tuple(range(columns[0], columns[0] + len(columns)))
    return array[:, columns[0] : columns[0] + len(columns)] if plain else array[:, list(columns)]


def _from_npz(path: Path, request: Request, asked: _Reading) -> _Made:
    with open_npz(path, _DAMAGED, "; expected arrays X and y") as stored:
        found = named_arrays(list(stored.files), request, str(path))
        if isinstance(found, str):
            return _from_array(stored[found], request, path, asked)
        X, y = stored[found.X], stored[found.y]
        weights = None if found.weight is None else stored[found.weight]
    if request.features is not None:
        if X.ndim != 2:
            raise ReadError(f"{path}: X has shape {X.shape}; expected 2-D (samples, features)")
        X = X[:, list(feature_positions(request.features, None, X.shape[1], str(path)))]
    options = {"missing": asked.cleaning.missing, "categories": asked.cleaning.categories}
    return _Made({"X": X, "y": y, "sample_weight": weights, **options})


# --- Parquet --------------------------------------------------------------------------------------------


def _from_parquet(path: Path, request: Request, asked: _Reading) -> _Made:
    parquet = import_optional("pyarrow.parquet", extra="tables", purpose="reading Parquet files")
    pa = import_optional("pyarrow", extra="tables", purpose="reading Parquet files")
    with reading(path, "is damaged or truncated"), parquet.ParquetFile(path) as file:
        # a stored index stands behind the other columns and is found by name alone, as in the frame
        index = index_columns(file.schema_arrow)
        schema = pa.schema([file.schema_arrow.field(i) for i in index_last(len(file.schema_arrow), index)])
        names = list(schema.names)
        refuse_repeated(names, str(path))
        selection = request.select(names, len(names) - len(index), str(path))
        if asked.cleaning.categories is None:
            _refuse_types(pa, schema, selection, names, path, asked.cleaning.labels)
        wanted = [names[column] for column in selection.columns]
        once = list(dict.fromkeys(wanted))
        groups = []
        with bar(f"reading {path.name}", file.num_row_groups, progress=asked.progress) as show:
            for group in range(file.num_row_groups):
                groups.append(file.read_row_group(group, columns=once))
                show(group + 1)
        table = pa.concat_tables(groups) if groups else file.schema_arrow.empty_table()
    if not asked.cleaning.drop:
        _refuse_gaps(path, table, once)
    parts = frame_parts(table.select(once), str(path))
    assert parts is not None
    by_name = dict(zip(once, parts.columns, strict=True))
    columns = {column: by_name[names[column]] for column in selection.columns}
    rows = {
        "n_rows": table.num_rows,
        "named": request.features is not None,
        "where": lambda row: f"data row {row + 1}",
    }
    return _cleaned(path, names, selection, columns, rows, asked)


def _refuse_gaps(path: Path, table: Any, names: Sequence[str]) -> None:
    for name in names:
        column = table.column(name)
        if column.null_count and column.null_count < len(column):
            rows = np.flatnonzero(np.asarray(column.is_null())) + 1
            more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
            raise ReadError(
                f"{path}: column {name!r} has no value in data row{'s' if len(rows) > 1 else ''} "
                f"{', '.join(map(str, rows[:5]))}{more}; drop or fill rows with missing values first: missing='drop' "
                "(--missing drop) leaves them out"
            )


def _refuse_types(
    pa: Any, schema: Any, selection: Selection, names: Sequence[str], path: Path, labels: bool
) -> None:
    def numeric(column: int) -> bool:
        content = arrow_content(pa, schema.field(column).type)
        return content == "numbers" or (labels and column in selection.targets and content == "texts")

    for target in selection.targets:
        if not numeric(target):
            kind = schema.field(target).type
            hint = LABEL_HINT if arrow_content(pa, kind) == "texts" else ""
            raise TargetError(f"{path}: the target column {names[target]!r} is {kind}, not numeric{hint}")
    refused = [column for column in selection.columns if not numeric(column)]
    if refused:
        text = ", ".join(f"{names[column]!r} ({schema.field(column).type})" for column in refused)
        rest = [names[column] for column in selection.features if numeric(column)]
        raise ReadError(
            f"{path}: columns that are not numeric: {text}; choose the inputs with features=[...]"
            + (f", for example features=[{listed(rest)}]" if rest else "")
            + ", or say categories='reject' (leave them out) or categories='onehot' (encode texts)"
        )
