"""What an Arrow schema says beside the types of its columns: which are an index, and which are categories.

Files and tables in memory are read by the same words: pandas writes into the schema what its frame was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .columns import hidden_columns

__all__ = ["category_columns", "index_columns", "index_last", "range_indices"]


def _pandas(schema: Any) -> Mapping[str, Any]:
    """What pandas wrote; nothing where it did not, or where somebody has written something else in its place."""
    try:
        said = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _index(schema: Any) -> list[Any]:
    entries = _pandas(schema).get("index_columns")
    return entries if isinstance(entries, list) else []


def index_columns(schema: Any) -> frozenset[int]:
    """Columns that are the index of a frame: no inputs unless asked for."""
    names = list(schema.names)
    stored = {entry for entry in _index(schema) if isinstance(entry, str)}
    return hidden_columns(names) | frozenset(i for i, name in enumerate(names) if name in stored)


def index_last(count: int, index: frozenset[int]) -> list[int]:
    """All columns, those of an index behind the others: as in a frame, a position counts the others alone."""
    return [i for i in range(count) if i not in index] + sorted(index)


def range_indices(schema: Any) -> frozenset[str]:
    """Names of an index that is a range, which has no column."""
    entries = [entry for entry in _index(schema) if isinstance(entry, dict)]
    return frozenset(str(entry["name"]) for entry in entries if entry.get("name") is not None)


def category_columns(schema: Any) -> frozenset[int]:
    """Columns that were categories of a frame of pandas, whatever they are stored as.

    A dictionary of Arrow alone is a way to store its values, which Parquet forgets where they are numbers.
    """
    names = {
        column.get("field_name", column.get("name"))
        for column in _pandas(schema).get("columns") or ()
        if isinstance(column, dict) and column.get("pandas_type") == "categorical"
    }
    return frozenset(i for i, name in enumerate(schema.names) if name in names)
