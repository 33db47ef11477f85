"""What a scan is given, as a list of datasets: paths, globs, folders, arrays, frames, iterables, or lists of them."""

from __future__ import annotations

import glob
import mmap
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastminima.data.columns import Column, Request, feature_positions
from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.file_kind import SUFFIXES, file_kind
from fastminima.data.frames import is_frame, loaded
from fastminima.errors import (
    DataError,
    DataTypeError,
    FastMinimaError,
    MissingFileError,
    ReadError,
    TargetError,
)

from .archives import (
    absent_zarr,
    array_source,
    hdf5_source,
    npz_source,
    side_by_side,
    zarr_part,
    zarr_source,
)
from .arrays import ArrayReader, FilePart, MemoryPart, npy_part
from .iterables import blocks_source
from .parquet import parquet_reader, same_columns
from .reader import Categories, Missing, Options, Reader, Refusal
from .table_source import TableSource
from .tables_in_memory import Table, table_of
from .text import text_reader

__all__ = ["Unopened", "open_sources"]

_HDF5 = (".h5", ".hdf5")
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")
_FILES = (*SUFFIXES, *_HDF5)
_PARTITION = re.compile(r"([^=]+)=")


@dataclass(frozen=True)
class Unopened:
    """A dataset that could not be opened, and why."""

    name: str
    error: FastMinimaError


def open_sources(
    source: Any,
    target: Column | None = None,
    *,
    features: Sequence[Column] | None = None,
    sample_weight: Column | None = None,
    missing: Missing = "fail",
    categories: Categories = "reject",
) -> list[Any]:
    """Find the datasets of a scan and read their headers; no rows yet.

    Parameters
    ----------
    source : path, array, frame, Dataset, iterable, or list or dict of those
        - ``.npy``, ``.npz``, ``.csv``, ``.tsv`` (also ``.gz``), ``.parquet``, ``.h5`` and ``.hdf5`` files, Zarr folders;
          "file.h5::group/array" names an array inside, "demo:diabetes" a built-in table.
        - A folder: every such file in it is a dataset; a folder of Parquet files with the same columns is one.
        - A glob ("runs/*.parquet"): every file is a dataset.
        - A 2-D or structured array, a frame (pandas, polars, pyarrow), a `Dataset`, arrays (X, y) or (X, y, weights) in a
          tuple, an open HDF5 dataset or Zarr array.
        - An iterable of blocks (X, y) or (X, y, weights), or a function that returns one. Blocks of an iterator,
          which come only once, are kept in a temporary file.
        - A list or a dict {name: source} of any of these.
    target : str or int, optional
        Column of y. Needed where columns have names; arrays default to their last column.
    features : sequence of str or int, optional
        Columns of X. Default: all others that are numeric; the rest are named in the notes.
    sample_weight : str or int, optional
        Column of the weights.
    missing : {"fail", "drop"}, default "fail"
        Rows with a missing value (NaN, null, an empty cell) in a column that is used are an error that names the
        first, or are left out and counted.
    categories : {"reject", "onehot"}, default "reject"
        Columns of text: no inputs, or one 0/1 column for every text but the first in sorted order. (The first is where
        all of them are 0: with the intercept, a column for it would add nothing but a lower rank.)

    Returns
    -------
    list of TableSource or Unopened
        In the order given; files of globs and folders in sorted order.

    Raises
    ------
    OptionError
        `missing` or `categories` is none of its values.
    TargetError
        `target` names several columns.
    """
    wanted = Request(target, None, None).wanted
    if wanted is not None and len(wanted) > 1:
        raise TargetError(
            f"a scan takes one target, got {', '.join(map(repr, wanted))}; scan once for each of them"
        )
    options = Options(
        Request(None if wanted is None else wanted[0], features, sample_weight), missing, categories
    )
    found: list[Any] = []
    for name, item in _datasets(source, "data"):
        if isinstance(item, FastMinimaError):
            found.append(Unopened(name, item))
            continue
        if _is_source(item):
            found.append(item)
            continue
        try:
            reader, request = _open(name, item, options.request)
            whole = isinstance(item, Dataset) and features is None
            found.append(TableSource(reader, replace(options, request=request), item if whole else None))
        except FastMinimaError as error:
            found.append(Unopened(name, error))
    return found


def _is_source(item: Any) -> bool:
    return not isinstance(item, Dataset) and hasattr(item, "blocks") and hasattr(item, "token")


# --- which datasets -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Something on disk: its paths (several files of one table), and what of it is meant."""

    paths: tuple[Path, ...]
    inner: str = ""
    kind: str = ""
    partitions: tuple[str, ...] = ()


def _datasets(source: Any, name: str) -> Iterator[tuple[str, Any]]:
    """(name, what to open) of every dataset; errors instead of what cannot be found."""
    if isinstance(source, (str, os.PathLike)):
        yield from _paths(os.fspath(source))
    elif isinstance(source, list):
        if not source:
            raise DataError("an empty list holds no dataset to scan")
        for position, item in enumerate(source):
            yield from _datasets(item, f"{name}[{position}]")
    elif isinstance(source, Mapping) and not is_frame(source):
        if not source:
            raise DataError("an empty dict holds no dataset to scan")
        for key, item in source.items():
            inner = list(_datasets(item, str(key)))
            yield from [(str(key), inner[0][1])] if len(inner) == 1 else inner
    else:
        yield name, source


def _paths(text: str) -> Iterator[tuple[str, Any]]:
    if text.startswith("demo:"):
        yield text, text
        return
    outer, _, inner = text.partition("::")
    path = Path(outer)
    try:
        if inner or not (glob.has_magic(outer) and not path.exists()):
            yield from _path(text, path, inner)
            return
        matches = sorted(glob.glob(outer, recursive=True))
        if not matches:
            raise MissingFileError(f"no file matches {outer}")
        for match in matches:
            yield from _path(match, Path(match), "")
    except FastMinimaError as error:
        yield text, error


def _path(name: str, path: Path, inner: str) -> Iterator[tuple[str, Any]]:
    if _is_zarr(path):
        yield name, _Place((path,), inner, "zarr")
    elif path.is_dir():
        yield from _folder(name, path)
    else:
        yield name, _Place((path,), inner)


def _is_zarr(path: Path) -> bool:
    return path.name.lower().endswith(".zarr.zip") or any((path / file).is_file() for file in _ZARR_FILES)


def _folder(name: str, folder: Path) -> Iterator[tuple[str, Any]]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "_")))
    except OSError as error:
        raise ReadError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    known = [
        entry
        for entry in entries
        if _is_zarr(entry) or (entry.is_file() and entry.name.lower().endswith(_FILES))
    ]
    if all(entry.name.lower().endswith(".parquet") for entry in known):
        # Spark and Dask write one table as files of a folder, perhaps with folders in it
        parts = sorted(
            path
            for path in folder.rglob("*.parquet")
            if path.is_file() and not any(p.startswith((".", "_")) for p in path.relative_to(folder).parts)
        )
        if not parts:
            raise ReadError(
                f"the folder {folder} holds no file to scan; expected {', '.join(_FILES)} or .zarr"
            )
        if same_columns(parts):
            keys = {
                match.group(1)
                for path in parts
                for part in path.relative_to(folder).parts[:-1]
                if (match := _PARTITION.match(part))
            }
            yield name, _Place(tuple(parts), kind="parquet", partitions=tuple(sorted(keys)))
            return
        known = parts
    for entry in known:
        yield str(entry), _Place((entry,), kind="zarr" if _is_zarr(entry) else "")


# --- one dataset ----------------------------------------------------------------------------------------


def _open(name: str, item: Any, request: Request) -> tuple[Reader, Request]:
    if isinstance(item, str):
        from fastminima.data.demos import load_demo

        return _dataset(name, load_demo(item.removeprefix("demo:")), request)
    if isinstance(item, _Place):
        return _file(name, item, request)
    if isinstance(item, Dataset):
        return _dataset(name, item, request)
    if isinstance(item, tuple):
        return _arrays(name, item, request)
    h5py, zarr = loaded("h5py"), loaded("zarr")
    if h5py is not None and isinstance(item, h5py.Dataset):
        return hdf5_source(item.file.filename, item.name, request)
    if zarr is not None and isinstance(item, zarr.Array):
        root = getattr(item.store, "root", None)
        part = zarr_part(item, None if root is None else str(root))
        return array_source(name, part, request, about=absent_zarr([item]))
    sparse, pl = loaded("scipy.sparse"), loaded("polars")
    if pl is not None and isinstance(item, pl.LazyFrame):
        raise DataTypeError(
            f"{name} is a polars LazyFrame; call .collect() first, or give the path of its file"
        )
    if isinstance(item, np.ndarray) or is_frame(item) or hasattr(item, "__array__"):
        return _table(name, item, request)
    if sparse is not None and sparse.issparse(item):
        return _table(name, item, request)  # which refuses it
    if callable(item) or hasattr(item, "__iter__"):
        return blocks_source(name, item, request)
    raise DataTypeError(
        f"{name}: cannot scan {type(item).__name__}; expected a path, an array, a frame, a Dataset, a tuple (X, y), or "
        "an iterable of blocks (X, y)" + ("; a list holds several datasets" if name.endswith("]") else "")
    )


def _file(name: str, place: _Place, request: Request) -> tuple[Reader, Request]:
    path = place.paths[0]
    if place.kind == "zarr":
        return zarr_source(str(path), place.inner, request)
    if place.kind == "parquet":
        reader = parquet_reader(name, place.paths)
        if place.partitions:
            left_out = {"partition columns left out": list(place.partitions)}
            reader = replace(reader, about={**reader.about, **left_out})
        return reader, request
    suffix = file_kind(path, _FILES)
    if suffix in _HDF5:
        return hdf5_source(str(path), place.inner, request)
    if place.inner:
        raise ReadError(
            f"{name}: only HDF5 files and Zarr folders have arrays inside; leave out '::{place.inner}'"
        )
    if suffix == ".npy":
        return array_source(name, npy_part(path), request)
    if suffix == ".npz":
        return npz_source(path, request)
    if suffix == ".parquet":
        return parquet_reader(name, (path,)), request
    return text_reader(path, suffix), request


def _dataset(name: str, data: Dataset, request: Request) -> tuple[Reader, Request]:
    check_one_target(data, "scan")
    if request.target is not None and request.target != data.target_name:
        raise TargetError(f"{name} is a dataset with its own target; leave target out")
    if request.weight is not None and data.sample_weight is None:
        raise DataError(f"{name} is a dataset without sample weights; pass them to Dataset")
    w = None if data.sample_weight is None else MemoryPart(data.sample_weight)
    names = data.feature_names
    features = request.features
    if features is not None:
        features = feature_positions(features, names, data.n_features, name)
    if names is not None:
        names = (*names, data.target_name or "y", *(() if w is None else ("sample_weight",)))
    about = {"data": list(data.notes)} if data.notes else {}
    return side_by_side(
        name, MemoryPart(data.X), MemoryPart(data.y), w, features, names=names, of_file=False, about=about
    )


def _arrays(name: str, item: tuple[Any, ...], request: Request) -> tuple[Reader, Request]:
    """X, y and perhaps weights in a tuple."""
    if len(item) not in (2, 3):
        raise DataError(f"{name}: a tuple is (X, y) or (X, y, sample_weight), got {len(item)} items")
    if request.weight is not None and len(item) == 2:
        raise DataError(f"{name}: sample_weight names a column; for arrays pass (X, y, weights)")
    tables = [_mapped(array, role) for array, role in zip(item, ("X", "y", "sample_weight"), strict=False)]
    if request.target is not None and request.target not in ("y", *(tables[1].names or ())):
        raise TargetError(f"{name} is arrays (X, y): the target is y; leave target out")
    X, dx = tables[0], tables[0].width
    if X.names is None and len(X.parts) == 1 and len(X.parts[0].shape) != 2:
        raise DataError(f"{name}: X must be 2-D (samples, features), got shape {X.parts[0].shape}")
    for table, role in zip(tables[1:], ("y", "sample_weight"), strict=False):
        if table.width != 1:
            hint = "; a scan takes one target" if role == "y" else ""
            raise DataError(f"{name}: {role} must have one column, got {table.width}{hint}")
    names = None
    if X.names is not None:
        names = (
            *X.names,
            tables[1].names[0] if tables[1].names else "y",
            *("sample_weight",)[: len(item) - 2],
        )
    refusals: dict[int, Refusal] = {}
    at = 0
    for table in tables:
        refusals |= {at + column: refusal for column, refusal in table.refusals.items()}
        at += table.width
    chosen = None if request.features is None else feature_positions(request.features, X.names, dx, name)
    parts = tuple(part for table in tables for part in table.parts)
    reader = ArrayReader(name, parts, names, refusals=refusals)
    return reader, Request(dx, chosen, dx + 1 if len(item) == 3 else None)


def _table(name: str, item: Any, request: Request) -> tuple[Reader, Request]:
    """One array or frame by its columns."""
    table = _mapped(item, name)
    if table.names is None and len(table.parts) == 1 and len(table.parts[0].shape) != 2:
        raise DataError(f"{name} must be 2-D (samples, columns), got shape {table.parts[0].shape}")
    if not table.width:
        raise DataError(f"{name} has no columns; a target column is needed")
    if request.target is None and not is_frame(item):
        request = replace(request, target=table.width - 1)
    return ArrayReader(name, table.parts, table.names, refusals=table.refusals), request


def _mapped(item: Any, role: str) -> Table:
    """The columns of an array or frame; a memory map is read from its file, which keeps its pages out of memory."""
    part = _memory_mapped(item)
    if part is None:
        return table_of(item, role)
    return Table(None, (part,))  # type: ignore[arg-type]


def _memory_mapped(array: Any) -> FilePart | None:
    if not isinstance(array, np.memmap) or array.mode == "c" or array.filename is None:
        return None
    mapped = getattr(array, "_mmap", None)
    numeric = (
        array.dtype.kind in "biuf" and array.dtype.names is None and array.dtype.type is not np.longdouble
    )
    fortran = array.ndim == 2 and array.flags.f_contiguous and not array.flags.c_contiguous
    if mapped is None or not numeric or array.ndim not in (1, 2) or not (array.flags.c_contiguous or fortran):
        return None
    begin = np.frombuffer(mapped, dtype=np.uint8).__array_interface__["data"][0]
    # a view remembers the offset of the map it was taken from; maps begin at pages
    offset = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    offset += array.__array_interface__["data"][0] - begin
    part = FilePart(str(array.filename), offset, array.shape, array.dtype, fortran)
    try:
        return part.check()
    except (OSError, ReadError):
        return None  # the file is gone; the map still holds it
