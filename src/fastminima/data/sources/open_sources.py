"""What a scan is given, as a list of datasets: paths, globs, folders, arrays, frames, iterables, or lists of them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from fastminima.data.cleaning import Categories, Missing
from fastminima.data.columns import Column, Request, Targets, listed
from fastminima.data.dataset import Dataset
from fastminima.data.file_kind import EXCEL, SUFFIXES, TEXTS, file_kind
from fastminima.data.frames import is_frame, loaded
from fastminima.data.text_form import TextOptions
from fastminima.errors import (
    DataError,
    DataTypeError,
    FastMinimaError,
    MissingFileError,
    OptionError,
    ReadError,
    TargetError,
)

from .archives import array_source, npz_object, npz_source
from .arrays import npy_part
from .block_source import BlockSource
from .dask_collections import dask_source, is_dask
from .hdf5 import hdf5_object, hdf5_source
from .held import (
    held_arrays,
    held_dataset,
    held_mapping,
    held_table,
    is_array_like,
    is_held_mapping,
    refuse_range,
)
from .iterables import blocks_source
from .parquet import parquet_reader, same_columns
from .reader import Options, Reader
from .table_source import TableSource
from .tables_in_memory import excel_reader
from .text import text_reader
from .zarr_arrays import zarr_object, zarr_source

__all__ = ["ScanSource", "Unopened", "open_sources"]

_HDF5 = (".h5", ".hdf5")
_ZARR_FILES = ("zarr.json", ".zarray", ".zgroup")
_FILES = (*SUFFIXES, *EXCEL, *_HDF5)
_PARTITION = re.compile(r"([^=]+)=")


class _Frame(Protocol):
    """A frame of pandas, polars, pyarrow or Dask, as far as types go."""

    @property
    def columns(self) -> Any:
        """Its columns, or their names."""


_Blocks = Iterable[tuple[ArrayLike, ...]]
ScanSource = (
    str
    | os.PathLike[str]
    | Dataset
    | ArrayLike
    | tuple[ArrayLike, ...]
    | _Frame
    | BlockSource
    | _Blocks
    | Callable[[], _Blocks]
    | Mapping[str, Any]
    | Sequence[Any]
)


@dataclass(frozen=True)
class Unopened:
    """A dataset that could not be opened, and why."""

    name: str
    error: FastMinimaError


def open_sources(
    source: ScanSource,
    target: Targets = None,
    *,
    features: Sequence[Column] | None = None,
    sample_weight: Column | None = None,
    missing: Missing = "fail",
    categories: Categories = "reject",
    text: TextOptions | None = None,
    several: bool = False,
    labels: bool = False,
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
          tuple.
        - An open npz archive, HDF5 dataset, group or file, Zarr array or group: as its path. A dict that holds arrays X
          and y (and sample_weight), or a `Bunch` of scikit-learn with data and target: one dataset, as an npz file.
        - A Dask frame or two-dimensional array: partitions are computed one at a time and kept in a temporary file.
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
    text : TextOptions, optional
        Separator, decimal mark and first line of the text files among the sources.
    several : bool, default False
        `target` may name several columns, and y have several.
    labels : bool, default False
        A single target holds labels of classes, which may be texts.

    Returns
    -------
    list of TableSource or Unopened
        In the order given; files of globs and folders in sorted order.

    Raises
    ------
    OptionError
        `missing` or `categories` is none of its values; `text` says something, and no source is text.
    TargetError
        `target` names several columns.
    """
    wanted = Request(target, None, None).wanted
    if wanted is not None and len(wanted) > 1 and not several:
        raise TargetError(
            f"a scan takes one target, got {', '.join(map(repr, wanted))}; scan once for each of them"
        )
    options = Options(
        Request(
            wanted[0] if wanted is not None and len(wanted) == 1 else target, features, sample_weight, several
        ),
        missing,
        categories,
        TextOptions() if text is None else text,
        labels,
    )
    found: list[Any] = []
    texts = False
    for name, item in _datasets(source, "data"):
        if isinstance(item, FastMinimaError):
            found.append(Unopened(name, item))
            continue
        if _is_source(item):
            found.append(item)
            continue
        try:
            texts = texts or (
                isinstance(item, _Place) and item.paths[0].name.lower().endswith((*TEXTS, *EXCEL))
            )
            reader, request = _open(name, item, options)
            whole = isinstance(item, Dataset) and features is None
            found.append(TableSource(reader, replace(options, request=request), item if whole else None))
        except FastMinimaError as error:
            found.append(Unopened(name, error))
        except Exception as error:
            # of whatever it is made of: the other datasets are scanned
            reason = f"{name} cannot be opened: {type(error).__name__}: {error}"
            found.append(Unopened(name, _caused(ReadError(reason), error)))
    if options.text.given and not texts:
        raise OptionError(
            f"{options.text.given[0]} is for text files ({', '.join(TEXTS[:3])}); no source is one"
        )
    return found


def _caused(error: ReadError, cause: Exception) -> ReadError:
    error.__cause__ = cause
    return error


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
        yield from _paths(os.fsdecode(source))
    elif isinstance(source, list):
        if not source:
            raise DataError("an empty list holds no dataset to scan")
        for position, item in enumerate(source):
            yield from _datasets(item, f"{name}[{position}]")
    elif _is_container(source):
        yield name, source
    elif isinstance(source, Mapping) and not is_frame(source):
        if not source:
            raise DataError("an empty dict holds no dataset to scan")
        if all(is_array_like(item) and np.ndim(item) == 1 for item in source.values()):
            keys = listed(list(map(str, source)))
            yield (
                name,
                DataTypeError(
                    f"{name} is a dict of columns {keys}; expected arrays X and y, or sources by name; "
                    "a table of columns is pandas.DataFrame(...)"
                ),
            )
            return
        for key, item in source.items():
            inner = list(_datasets(item, str(key)))
            yield from [(str(key), inner[0][1])] if len(inner) == 1 else inner
    else:
        yield name, source


def _is_container(source: Any) -> bool:
    """Is it arrays that belong together, of which `_open` makes one dataset?"""
    opened = isinstance(source, np.lib.npyio.NpzFile) or _is_hdf5(source) or _is_open_zarr(source)
    return opened or is_held_mapping(source)


def _is_hdf5(item: Any) -> bool:
    h5py = loaded("h5py")
    return h5py is not None and isinstance(item, h5py.Dataset | h5py.Group)


def _is_open_zarr(item: Any) -> bool:
    zarr = loaded("zarr")
    return zarr is not None and isinstance(item, zarr.Array | zarr.Group)


def _paths(text: str) -> Iterator[tuple[str, Any]]:
    if text.startswith("demo:"):
        yield text, text
        return
    try:
        if not text:
            raise ReadError("the path of a source is empty")
        whole = Path(text)
        if "::" in text and os.path.lexists(whole):
            yield from _path(text, whole, "")  # a file may be called so
            return
        outer, _, inner = text.partition("::")
        path = Path(outer)
        if inner or not (glob.has_magic(outer) and not os.path.lexists(path)):
            yield from _path(text, path, inner)
            return
        matches = sorted(glob.glob(outer, recursive=True))
        if not matches:
            raise MissingFileError(f"no file matches {outer}")
        for match in matches:
            yield from _path(match, Path(match), "")
    except FastMinimaError as error:
        yield text, error
    except (OSError, ValueError) as error:
        # a name that is too long, or holds what no name may
        reason = getattr(error, "strerror", None) or error
        yield text, _caused(ReadError(f"cannot read {text!r:.200}: {reason}"), error)


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


def _open(name: str, item: Any, options: Options) -> tuple[Reader, Request]:
    request = options.request
    if isinstance(item, str):
        from fastminima.data.demos import load_demo

        return held_dataset(name, load_demo(item.removeprefix("demo:")), request)
    if isinstance(item, _Place):
        return _file(name, item, options)
    if isinstance(item, Dataset):
        return held_dataset(name, item, request)
    if isinstance(item, tuple):
        return held_arrays(name, item, request)
    if isinstance(item, np.lib.npyio.NpzFile):
        return npz_object(name, item, request)
    if _is_hdf5(item):
        return hdf5_object(name, item, request)
    if _is_open_zarr(item):
        return zarr_object(name, item, request)
    if is_held_mapping(item):
        return held_mapping(name, item, request)
    if is_dask(item):
        return dask_source(name, item, request)
    sparse, pl = loaded("scipy.sparse"), loaded("polars")
    if pl is not None and isinstance(item, pl.LazyFrame):
        raise DataTypeError(
            f"{name} is a polars LazyFrame; call .collect() first, or give the path of its file"
        )
    if hasattr(item, "columns") and not is_frame(item) and not isinstance(item, np.ndarray):
        raise DataTypeError(
            f"{name} is a frame of another kind ({type(item).__module__}.{type(item).__name__}), whose columns would lose "
            "their names; convert it to pandas, polars or pyarrow first (.to_pandas(), .compute())"
        )
    if isinstance(item, np.ndarray) or is_frame(item) or hasattr(item, "__array__"):
        return held_table(name, item, request)
    if sparse is not None and sparse.issparse(item):
        return held_table(name, item, request)  # which refuses it
    if callable(item) or hasattr(item, "__iter__"):
        return blocks_source(name, item, request)
    raise DataTypeError(
        f"{name}: cannot scan {type(item).__name__}; expected a path, an array, a frame, a Dataset, a tuple (X, y), or "
        "an iterable of blocks (X, y)" + ("; a list holds several datasets" if name.endswith("]") else "")
    )


def _file(name: str, place: _Place, options: Options) -> tuple[Reader, Request]:
    path, request = place.paths[0], options.request
    if place.kind == "zarr":
        return zarr_source(str(path), place.inner, request)
    if place.kind == "parquet":
        reader = parquet_reader(name, place.paths)
        refuse_range(name, reader.ranges, request)
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
        reader = parquet_reader(name, (path,))
        refuse_range(name, reader.ranges, request)
        return reader, request
    if suffix in EXCEL:
        return excel_reader(path, options.text.header), request
    return text_reader(path, suffix, options.text), request
