"""What a caller holds in memory: arrays, frames, X and y side by side, a `Dataset`."""

from __future__ import annotations

import mmap
import numbers
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fastminima.data.arrow_schema import index_columns, index_last, range_indices
from fastminima.data.coerce import check_names
from fastminima.data.columns import Request, feature_positions, listed, named_arrays
from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.frames import is_frame, is_series, loaded
from fastminima.errors import DataError, ReadError, TargetError

from .archives import side_by_side
from .arrays import ArrayReader, FilePart, MemoryPart, Part
from .dask_collections import refuse_dask
from .hdf5 import hdf5_part
from .reader import Reader, Refusal
from .tables_in_memory import Table, table_of
from .zarr_arrays import zarr_part

__all__ = [
    "held_arrays",
    "held_dataset",
    "held_mapping",
    "held_table",
    "is_array_like",
    "is_held_mapping",
    "refuse_range",
]


def held_dataset(name: str, data: Dataset, request: Request) -> tuple[Reader, Request]:
    if not request.several:
        check_one_target(data, "scan")
    own = None if data.target_names is None else data.target_names
    if request.target is not None and request.wanted != own:
        raise TargetError(f"{name} is a dataset with its own target; leave target out")
    if request.weight is not None and data.sample_weight is None:
        raise DataError(f"{name} is a dataset without sample weights; pass them to Dataset")
    w = None if data.sample_weight is None else MemoryPart(data.sample_weight)
    names = data.feature_names
    features = request.features
    if features is not None:
        features = feature_positions(features, names, data.n_features, name)
    if names is not None:
        called = own or (("y",) if data.n_targets == 1 else tuple(f"y{k}" for k in range(data.n_targets)))
        names = (*names, *called, *(() if w is None else ("sample_weight",)))
    about = {"data": list(data.notes)} if data.notes else {}
    y = MemoryPart(data.y if data.n_targets == 1 else data.Y)
    request = replace(request, features=features)
    return side_by_side(name, MemoryPart(data.X), y, w, request, names=names, of_file=False, about=about)


def is_held_mapping(item: Any) -> bool:
    """Is it one dataset by name: arrays X and y, or data and target as scikit-learn hands them out?"""
    return isinstance(item, Mapping) and (_is_bunch(item) or _pair(item) is not None)


def _is_bunch(item: Any) -> bool:
    utils = loaded("sklearn.utils")
    return utils is not None and isinstance(item, utils.Bunch)


def _pair(item: Mapping[Any, Any]) -> tuple[str, str] | None:
    """The names of inputs and target, where both are arrays and no sources of their own."""
    for X, y in (("X", "y"), ("X", "Y"), ("data", "target")):
        if X in item and y in item and is_array_like(item[X]) and (item[y] is None or is_array_like(item[y])):
            return X, y
    return None


def is_array_like(value: Any) -> bool:
    """An array, a frame, a column, or a list of numbers or rows; no path, no dataset, no several datasets."""
    if isinstance(value, list):
        first = value[0] if value else None
        return isinstance(first[0] if isinstance(first, list | tuple) and first else first, numbers.Number)
    return is_frame(value) or is_series(value) or hasattr(value, "__array__") or _is_sparse(value)


def _is_sparse(value: Any) -> bool:
    sparse = loaded("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(value))


def held_mapping(name: str, item: Mapping[Any, Any], request: Request) -> tuple[Reader, Request]:
    """X, y and perhaps weights of a dict, by the rule of an npz file; data and target of scikit-learn are X and y.

    Raises
    ------
    ReadError
        A `Bunch` without data and target.
    """
    pair = _pair(item)
    if pair is None:
        raise ReadError(
            f"{name} is a Bunch that holds {listed(list(map(str, item)))}; expected arrays data and target, or X and y"
        )
    X, y = pair
    called = {X: "X", y: "Y" if y == "Y" else "y"}
    arrays = {called.get(key, key): value for key, value in item.items() if isinstance(key, str)}
    if request.target == y:
        request = replace(request, target=None)
    found = named_arrays(list(arrays), replace(request, target=None), name)
    assert not isinstance(found, str)
    held = (arrays[found.X], arrays[found.y], *(() if found.weight is None else (arrays[found.weight],)))
    names = None
    if X == "data" and not is_frame(held[0]) and item.get("feature_names") is not None:
        names = check_names(item["feature_names"], as_width(held[0]), f"{name}: feature_names")
    return held_arrays(name, held, replace(request, weight=None), names)


def as_width(array: Any) -> int:
    """Columns of an array; 1 of anything else."""
    shape = getattr(array, "shape", None) or np.shape(array)
    return int(shape[1]) if len(shape) == 2 else 1


def held_arrays(
    name: str, item: tuple[Any, ...], request: Request, feature_names: tuple[str, ...] | None = None
) -> tuple[Reader, Request]:
    """X, y and perhaps weights in a tuple; `feature_names` of an X that has none."""
    if len(item) not in (2, 3):
        raise DataError(f"{name}: a tuple is (X, y) or (X, y, sample_weight), got {len(item)} items")
    if request.weight is not None and len(item) == 2:
        raise DataError(f"{name}: sample_weight names a column; for arrays pass (X, y, weights)")
    item = tuple(_without_index(array) for array in item)
    tables = [_mapped(array, role) for array, role in zip(item, ("X", "y", "sample_weight"), strict=False)]
    if feature_names is not None and tables[0].names is None:
        tables[0] = replace(tables[0], names=feature_names)
    if request.target is not None and request.target not in ("y", *(tables[1].names or ())):
        raise TargetError(f"{name} is arrays (X, y): the target is y; leave target out")
    X, dx = tables[0], tables[0].width
    if len(X.parts) == 1 and len(X.parts[0].shape) != 2 and (X.names is None or feature_names is not None):
        raise DataError(f"{name}: X must be 2-D (samples, features), got shape {X.parts[0].shape}")
    for table, role in zip(tables[1:], ("y", "sample_weight"), strict=False):
        if table.width != 1 and not (role == "y" and request.several and table.width):
            hint = "; a scan takes one target" if role == "y" else ""
            raise DataError(f"{name}: {role} must have one column, got {table.width}{hint}")
    names, dy = None, tables[1].width
    if X.names is not None:
        names = (
            *X.names,
            *(tables[1].names or (("y",) if dy == 1 else tuple(f"y{k}" for k in range(dy)))),
            *("sample_weight",)[: len(item) - 2],
        )
    refusals: dict[int, Refusal] = {}
    at = 0
    for table in tables:
        refusals |= {at + column: refusal for column, refusal in table.refusals.items()}
        at += table.width
    chosen = None if request.features is None else feature_positions(request.features, X.names, dx, name)
    parts = tuple(part for table in tables for part in table.parts)
    about = {key: value for table in tables for key, value in table.about.items()}
    reader = ArrayReader(name, parts, names, refusals=refusals, about=about)
    targets = tuple(range(dx, dx + dy)) if dy > 1 else dx
    return reader, Request(targets, chosen, dx + dy if len(item) == 3 else None)


def held_table(name: str, item: Any, request: Request) -> tuple[Reader, Request]:
    """One array or frame by its columns."""
    item, hidden = arranged(name, item, request)
    table = _mapped(item, name)
    if table.names is None and len(table.parts) == 1 and len(table.parts[0].shape) != 2:
        raise DataError(f"{name} must be 2-D (samples, columns), got shape {table.parts[0].shape}")
    if not table.width:
        raise DataError(f"{name} has no columns; a target column is needed")
    if request.target is None and not is_frame(item):
        request = replace(request, target=table.width - 1)
    inside = frozenset(range(table.width - hidden, table.width))
    return ArrayReader(name, table.parts, table.names, refusals=table.refusals, hidden=inside), request


def arranged(name: str, item: Any, request: Request) -> tuple[Any, int]:
    """A frame with its index behind the other columns, and how many columns that has.

    An index of pandas is there when it is asked for by name; that of an Arrow table, which pandas made, is a column.
    """
    pd, pa = loaded("pandas"), loaded("pyarrow")
    if pa is not None and isinstance(item, pa.Table | pa.RecordBatch):
        index = index_columns(item.schema)
        refuse_range(name, range_indices(item.schema) - set(item.schema.names), request)
        return (item.select(index_last(item.num_columns, index)), len(index)) if index else (item, 0)
    if pd is None or not isinstance(item, pd.DataFrame):
        return item, 0
    own = [level for level in item.index.names if isinstance(level, str) and level not in item.columns]
    wanted = [level for level in own if level in asked(request)]
    if isinstance(item.index, pd.RangeIndex):
        refuse_range(name, frozenset(own), request)
    more = {level: item.index.get_level_values(level) for level in wanted}
    return (item.assign(**more), len(more)) if more else (item, 0)


def asked(request: Request) -> set[str]:
    """All names of columns that the caller has used."""
    features = () if request.features is None else request.features
    columns = (*(request.wanted or ()), *features, request.weight)
    return {column for column in columns if isinstance(column, str)}


def refuse_range(name: str, ranges: frozenset[str], request: Request) -> None:
    """Raise `ReadError` where a column is asked for that is the numbering of the rows, in no column."""
    found = sorted(ranges & asked(request))
    if found:
        raise ReadError(
            f"{name}: {found[0]!r} is the index of the frame, a range that is in no column; make it one with "
            "frame.reset_index()"
        )


def _without_index(item: Any) -> Any:
    """X, y or weights; of an Arrow table that pandas made without the columns of its index, as of the frame."""
    pa = loaded("pyarrow")
    if pa is None or not isinstance(item, pa.Table | pa.RecordBatch):
        return item
    index = index_columns(item.schema)
    return item.select([i for i in range(item.num_columns) if i not in index]) if index else item


def _mapped(item: Any, role: str) -> Table:
    """The columns of an array or frame; what lies in a file is read from there, which keeps it out of memory."""
    refuse_dask(item, role)
    part: Part | None = _memory_mapped(item)
    about: Mapping[str, Any] = {}
    h5py, zarr = loaded("h5py"), loaded("zarr")
    if h5py is not None and isinstance(item, h5py.Dataset):
        if not item:
            raise ReadError(f"{role} belongs to an HDF5 file that has been closed; pass its path")
        part, about = hdf5_part(item)
    elif zarr is not None and isinstance(item, zarr.Array):
        part, about = zarr_part(item)
    if part is None:
        return table_of(item, role)
    return Table(None, (part,), _refusals(part), about)


def _refusals(part: Part) -> dict[int, Refusal]:
    reader = ArrayReader("", (part,))
    found = {column: reader.refused(column) for column in range(reader.n_columns)}
    return {column: refusal for column, refusal in found.items() if refusal is not None}


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
