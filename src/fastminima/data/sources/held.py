"""What a caller holds in memory: arrays, frames, X and y side by side, a `Dataset`."""

from __future__ import annotations

import mmap
from dataclasses import replace
from typing import Any

import numpy as np

from fastminima.data.columns import Request, feature_positions
from fastminima.data.dataset import Dataset, check_one_target
from fastminima.data.frames import is_frame
from fastminima.errors import DataError, ReadError, TargetError

from .archives import side_by_side
from .arrays import ArrayReader, FilePart, MemoryPart
from .reader import Reader, Refusal
from .tables_in_memory import Table, table_of

__all__ = ["held_arrays", "held_dataset", "held_table"]


def held_dataset(name: str, data: Dataset, request: Request) -> tuple[Reader, Request]:
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


def held_arrays(name: str, item: tuple[Any, ...], request: Request) -> tuple[Reader, Request]:
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


def held_table(name: str, item: Any, request: Request) -> tuple[Reader, Request]:
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
