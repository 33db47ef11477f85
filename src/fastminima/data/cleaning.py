"""Which columns and rows of a table are numbers: missing values and categories, by one set of rules for all who read.

Columns are chosen first. One that is not numeric is refused by name; categories="reject" leaves it out and says so, unless
it was asked for by name; categories="onehot" makes a 0/1 column of every text but the first in sorted order. A row that
lacks a value in a column that is used is an error (missing="fail") or left out and counted (missing="drop").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import DataError, DataTypeError, FastMinimaError, ReadError, TargetError
from fastminima.system.options import check_choice

from .coerce import as_array, rational_column
from .columns import listed
from .frames import EXACT_KINDS, Columns, FrameColumn, frame_parts, objects

__all__ = [
    "EMPTY",
    "FEW_LEVELS",
    "LABEL_HINT",
    "MANY_LEVELS",
    "Categories",
    "Cleaned",
    "Cleaning",
    "Levels",
    "Missing",
    "RawTable",
    "array_column",
    "clean",
    "cleaned_arrays",
    "held_arrays",
    "level_limit",
    "raw_columns",
    "resolved",
    "settled_levels",
]

Missing = Literal["fail", "drop"]
Categories = Literal["reject", "onehot"]
# Levels of one category that are encoded without being asked for by name: an identifier is not a category.
FEW_LEVELS = 256
# A named column may have more; beyond this its one-hot columns are no regression any more.
MANY_LEVELS = 65_536
EMPTY = "empty in every row"
"""Why a column without any value is left out."""
Levels = tuple[str, ...]
LABEL_HINT = (
    '; labels of classes are for loss="softmax" (--loss softmax), or of two classes loss="logistic" (--loss logistic)'
)
"""What a message says of a target that holds texts."""


@dataclass(frozen=True)
class Cleaning:
    """What happens to missing values and to texts; `OptionError` for other words.

    Attributes
    ----------
    missing : {"fail", "drop"}
    categories : {"reject", "onehot"} or None
        None refuses columns that are not numeric, "reject" leaves them out.
    labels : bool
        The target may hold texts: they are labels of classes.
    """

    missing: Missing = "fail"
    categories: Categories | None = None
    labels: bool = False

    def __post_init__(self) -> None:
        check_choice(self.missing, "missing", ("fail", "drop"))
        if self.categories is not None:
            check_choice(self.categories, "categories", ("reject", "onehot"))

    @property
    def plain(self) -> bool:
        """Is nothing to be done but to refuse?"""
        return self.missing == "fail" and self.categories is None

    @property
    def drop(self) -> bool:
        """Are rows without a value left out?"""
        return self.missing == "drop"

    @property
    def encode(self) -> bool:
        """Do texts become 0/1 columns?"""
        return self.categories == "onehot"


def level_limit(named: bool) -> int:
    """How many texts a column may hold and be a category; more if the caller has asked for it by name."""
    return MANY_LEVELS if named else FEW_LEVELS


def settled_levels(
    found: Mapping[int, set[str]], n_rows: int | None, named: bool
) -> tuple[dict[int, Levels], dict[int, str]]:
    """Sorted levels of the columns of texts that are categories, and why the others are none.

    Parameters
    ----------
    found : mapping of int to set of str
        The texts of each column; a collection may stop one beyond the limit.
    n_rows : int or None
    named : bool
        The caller has asked for these columns.
    """
    limit = level_limit(named)
    reasons = {c: f"more than {limit:,} different texts" for c, texts in found.items() if len(texts) > limit}
    reasons |= {c: "no text in any row" for c, texts in found.items() if not texts}
    # what is constant has no column of its own: the intercept is there
    reasons |= {c: "the same text in every row" for c, texts in found.items() if len(texts) == 1}
    if not named:
        # names of the rows: with a column for each, any target would be fitted
        reasons |= {c: "a different text in every row" for c, texts in found.items() if len(texts) == n_rows}
    return {c: tuple(sorted(texts)) for c, texts in found.items() if c not in reasons}, reasons


# --- columns as they are --------------------------------------------------------------------------------


def raw_columns(data: Any, role: str) -> tuple[tuple[str, ...] | None, list[FrameColumn], int]:
    """(names, columns, rows) of a frame, a series or an array of one or two dimensions."""
    parts = frame_parts(data, role)
    if parts is not None:
        if parts.block is not None:
            return parts.names, _of_array(parts.block), parts.n_rows
        return parts.names, list(parts.columns), parts.n_rows
    array, _ = as_array(data, role)
    if array.dtype.names is not None and array.ndim == 1:
        return array.dtype.names, [array_column(array[name]) for name in array.dtype.names], len(array)
    if array.ndim not in (1, 2):
        raise DataError(f"{role} must be 2-D (samples, columns), got shape {array.shape}")
    return None, _of_array(array), len(array)


def _of_array(array: NDArray[Any]) -> list[FrameColumn]:
    columns = array.reshape(-1, 1) if array.ndim == 1 else array
    return [array_column(columns[:, i]) for i in range(columns.shape[1])]


def array_column(values: NDArray[Any]) -> FrameColumn:
    """A column of a NumPy array."""
    kind = str(values.dtype)
    if values.ndim != 1:
        return FrameColumn(f"an array of shape {values.shape[1:]} a row", "other", lambda: values)
    if values.dtype.kind in EXACT_KINDS and values.dtype.type is not np.longdouble:
        return FrameColumn(kind, "numbers", lambda: values)
    if values.dtype.kind in "UST":
        texts = objects(
            [
                (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)) or None
                for value in values.tolist()
            ]
        )
        absent = np.array([value is None for value in texts.tolist()], dtype=bool)
        return FrameColumn(kind, "texts", lambda: texts, absent if absent.any() else None)
    return FrameColumn(kind, "objects" if values.dtype.kind == "O" else "other", lambda: values)


def resolved(column: FrameColumn, drop: bool) -> FrameColumn:
    """A column of which it is settled whether it holds numbers, texts or neither, and where a value is missing.

    Parameters
    ----------
    column : FrameColumn
    drop : bool
        NaN is a missing value. (Elsewhere NaN is an error of its own.)
    """
    if column.content == "other":
        return column
    values = column.values()
    if column.content == "objects":
        return _resolved_objects(values, column.absent, drop)
    if column.content == "texts":
        absent = np.array([value is None or value == "" for value in values.tolist()], dtype=bool)
    elif values.dtype.kind == "O":
        return _resolved_objects(values, column.absent, drop)
    elif values.dtype.kind == "f" and drop:
        absent = np.isnan(values)
    else:
        absent = np.zeros(len(values), dtype=bool)
    if column.absent is not None:
        absent = absent | column.absent
    if len(values) and absent.all():
        return FrameColumn(EMPTY, "other", lambda: values, absent)
    return FrameColumn(
        column.kind, column.content, lambda: values, absent if absent.any() else None, column.what
    )


def _resolved_objects(values: NDArray[Any], absent: NDArray[np.bool_] | None, drop: bool) -> FrameColumn:
    """int, Fraction, Decimal and float are numbers, str is text, and nothing else is."""
    entries = values.tolist()
    gone = np.array([_nothing(entry) for entry in entries], dtype=bool)
    if absent is not None:
        gone = gone | absent
    present = [entry for entry, missing in zip(entries, gone.tolist(), strict=True) if not missing]
    result = np.zeros(len(values), dtype=object)
    gaps = gone if gone.any() else None
    if not present:
        return FrameColumn(EMPTY, "other", lambda: values, gaps)
    if all(isinstance(entry, str) for entry in present):
        result[:] = None
        result[~gone] = present
        return FrameColumn("text", "texts", lambda: result, gaps)
    numbers, offence = rational_column(objects(present), "a column", allow_float=True)
    if numbers is None:
        assert offence is not None
        kind = f"objects ({offence[1]!r:.40} in row {np.flatnonzero(~gone)[offence[0]]})"
        return FrameColumn(kind, "other", lambda: values, gaps)
    result[~gone] = numbers
    return FrameColumn("objects", "numbers", lambda: result, gaps)


def _nothing(entry: Any) -> bool:
    """Is an entry of an object column a missing value: None, NaN, NaT, an empty text?"""
    if entry is None or entry == "" or type(entry).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(entry, (float, np.floating, Decimal)) and bool(entry != entry)


# --- tables ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RawTable:
    """The columns that were chosen, as they are.

    Attributes
    ----------
    source : str
        What messages call the table.
    n_rows : int
    features, targets : sequence of (name, FrameColumn)
    weight : (name, FrameColumn) or None
    named : bool
        The features were asked for one by one.
    where : callable
        How a user finds a row (0-based).
    """

    source: str
    n_rows: int
    features: Sequence[tuple[str, FrameColumn]]
    targets: Sequence[tuple[str, FrameColumn]]
    weight: tuple[str, FrameColumn] | None
    named: bool
    where: Callable[[int], str] = lambda row: f"row {row} (counting from 0)"


@dataclass(frozen=True)
class Cleaned:
    """Numbers alone.

    Attributes
    ----------
    names : tuple of str
        Of the features; encoded categories are called "column=level".
    features, targets : list of ndarray
    weight : ndarray or None
    n_missing : int
        Rows that were left out.
    notes : tuple of str
        What was done.
    encoded : bool
        Are there columns of categories?
    """

    names: tuple[str, ...]
    features: list[NDArray[Any]]
    targets: list[NDArray[Any]]
    weight: NDArray[Any] | None
    n_missing: int
    notes: tuple[str, ...]
    encoded: bool


def clean(table: RawTable, how: Cleaning) -> Cleaned:
    """The numbers of a table.

    Raises
    ------
    TargetError
        A target is not numeric.
    ReadError, DataError
        The weight or a feature asked for by name is not numeric; a value is missing (missing="fail"); no row is left.
    """
    table = _settled(table, how.drop)
    _check_others(table, how.labels)
    kept, rejected = _kept(table, how)
    levels, reasons = _levels(table, kept) if how.encode else ({}, {})
    rejected |= {table.features[c][0]: f"{reason}, no category" for c, reason in reasons.items()}
    kept = [c for c in kept if c not in reasons]
    used = [table.features[c] for c in kept] + [*table.targets, *([table.weight] if table.weight else [])]
    gone = _missing_rows(table, used, how)
    rows = slice(None) if gone is None else ~gone
    names, features = [], []
    for c in kept:
        name, column = table.features[c]
        values = column.values()[rows]
        if c not in levels:
            names.append(name)
            features.append(values)
            continue
        for level in levels[c][1:]:
            names.append(f"{name}={level}")
            features.append(np.array([value == level for value in values], dtype=np.float64))
    n_missing = 0 if gone is None else int(gone.sum())
    notes = _notes(rejected, {table.features[c][0]: texts for c, texts in levels.items()}, n_missing)
    weight = None if table.weight is None else table.weight[1].values()[rows]
    targets = [column.values()[rows] for _, column in table.targets]
    return Cleaned(tuple(names), features, targets, weight, n_missing, notes, bool(levels))


def held_arrays(held: Any) -> tuple[Any, Any, Any, Any]:
    """(X, y, sample_weight or None, feature names or None) of a dict of arrays; `DataTypeError` for anything else."""
    if isinstance(held, Mapping):
        for inputs, target in (("X", "y"), ("X", "Y"), ("data", "target")):
            if held.get(inputs) is not None and held.get(target) is not None:
                names = None if frame_parts(held[inputs], inputs) is not None else held.get("feature_names")
                return held[inputs], held[target], held.get("sample_weight"), names
    raise DataTypeError(
        f"y is missing: expected X and y, or a dict that holds X and y or data and target; got {type(held).__name__}"
    )


def cleaned_arrays(X: Any, y: Any, weight: Any, how: Cleaning) -> tuple[Columns, Columns, Any, Cleaned]:
    """X, y and weights of `Dataset` by the rules for missing values and texts; errors as `clean`."""
    names, columns, m = raw_columns(X, "X")
    own, targets, m_y = raw_columns(y, "y")
    _, weights, m_w = (None, [], m) if weight is None else raw_columns(weight, "sample_weight")
    if not m == m_y == m_w:
        what = f"y has {m_y}" if m != m_y else f"sample_weight has {m_w}"
        raise DataError(f"X has {m} rows and {what}; they must be the same samples")
    if len(weights) > 1:
        raise DataError(f"sample_weight must have one column, got {len(weights)}")
    table = RawTable(
        "the data",
        m,
        [(str(i) if names is None else names[i], column) for i, column in enumerate(columns)],
        [("y" if own is None else own[i], column) for i, column in enumerate(targets)],
        ("sample_weight", weights[0]) if weights else None,
        named=False,
    )
    found = clean(table, how)
    inputs = Columns(found.names if names is not None or found.encoded else None, found.features)
    if not found.features:
        inputs = Columns(None, [np.empty((len(found.targets[0]), 0))])
    return inputs, Columns(own, found.targets), found.weight, found


def _settled(table: RawTable, drop: bool) -> RawTable:
    weight = table.weight
    return replace(
        table,
        features=[(name, resolved(column, drop)) for name, column in table.features],
        targets=[(name, resolved(column, drop)) for name, column in table.targets],
        weight=None if weight is None else (weight[0], resolved(weight[1], drop)),
    )


def _check_others(table: RawTable, labels: bool) -> None:
    """The targets are numbers, or labels where these are wanted, and the weight is one."""
    if labels and len(table.targets) > 1:
        raise TargetError(
            f"{table.source}: labels of classes are one column, got {listed([name for name, _ in table.targets])}"
        )
    weights = [] if table.weight is None else [table.weight]
    kinds: list[tuple[str, type[FastMinimaError], Sequence[tuple[str, FrameColumn]]]] = [
        ("target", TargetError, table.targets),
        ("sample_weight", ReadError, weights),
    ]
    for role, kind, columns in kinds:
        for name, column in columns:
            if column.content == "numbers" or (labels and role == "target" and column.content == "texts"):
                continue
            if labels and role == "target":
                raise kind(
                    f"{table.source}: the {role} column {name!r} is {column.reason}; labels of classes are "
                    "texts, whole numbers or bools"
                )
            hint = LABEL_HINT if role == "target" and column.content == "texts" else ""
            raise kind(f"{table.source}: the {role} column {name!r} is {column.reason}, not numeric{hint}")


def _kept(table: RawTable, how: Cleaning) -> tuple[list[int], dict[str, str]]:
    """Positions of the features that are numbers or will be, and why others are none."""
    kept, rejected, wrong = [], dict[str, str](), []
    for c, (name, column) in enumerate(table.features):
        encodable = column.content == "texts"
        if column.content == "numbers" or (encodable and how.encode):
            kept.append(c)
        elif table.named:
            wrong.append((name, column, encodable))
        else:
            rejected[name] = column.reason
    if how.categories is None and not table.named:
        _refuse(table, {n: r for n, r in rejected.items() if not (how.drop and r == EMPTY)}, kept)
    if wrong:
        text = ", ".join(f"{name!r} ({column.reason})" for name, column, _ in wrong)
        hint = "; categories='onehot' (--categories onehot) encodes text" if any(e for *_, e in wrong) else ""
        raise ReadError(f"{table.source}: features that are not numeric: {text}{hint}")
    return kept, rejected


def _refuse(table: RawTable, rejected: Mapping[str, str], kept: Sequence[int]) -> None:
    if not rejected:
        return
    told = ", ".join(f"{name!r} ({reason})" for name, reason in list(rejected.items())[:8])
    more = f" and {len(rejected) - 8} more" if len(rejected) > 8 else ""
    rest = [table.features[c][0] for c in kept]
    raise ReadError(
        f"{table.source}: columns that are not numeric: {told}{more}; choose the inputs with features=[...]"
        + (f", for example features=[{listed(rest)}]" if rest else "")
        + ", or say categories='reject' (leave them out) or categories='onehot' (encode texts)"
    )


def _levels(table: RawTable, kept: Sequence[int]) -> tuple[dict[int, Levels], dict[int, str]]:
    found = {
        c: set(table.features[c][1].values().tolist()) - {None}
        for c in kept
        if table.features[c][1].content == "texts"
    }
    levels, reasons = settled_levels(found, table.n_rows, table.named)
    if table.named:
        for c, reason in reasons.items():
            if reason != "the same text in every row":
                raise ReadError(
                    f"{table.source}: column {table.features[c][0]!r} holds {reason}; leave it out, or encode it yourself"
                )
    return levels, reasons


def _missing_rows(
    table: RawTable, used: Sequence[tuple[str, FrameColumn]], how: Cleaning
) -> NDArray[np.bool_] | None:
    """Rows that lack a value in a column that is used; None where there are none."""
    gaps = [(name, column.absent) for name, column in used if column.absent is not None]
    if not gaps:
        return None
    gone = np.zeros(table.n_rows, dtype=bool)
    for _, absent in gaps:
        gone |= absent
    if not gone.any():
        return None
    if not how.drop:
        row = int(gone.argmax())
        name = next(name for name, absent in gaps if absent[row])
        raise ReadError(
            f"{table.source}: column {name!r} has no value in {table.where(row)}; drop or fill rows with missing values "
            "first: missing='drop' (--missing drop) leaves them out"
        )
    if gone.all():
        raise DataError(f"{table.source}: no row is left; each lacks a value")
    return gone


def _notes(rejected: Mapping[str, str], levels: Mapping[str, Levels], n_missing: int) -> tuple[str, ...]:
    """In the words of a scan."""
    notes = []
    if rejected:
        told = ", ".join(f"{name!r} ({reason})" for name, reason in rejected.items())
        notes.append(f"rejected columns: {told}")
    if levels:
        told = ", ".join(f"{name!r} ({_few(texts)})" for name, texts in levels.items())
        notes.append(f"categories: {told}")
    if n_missing:
        notes.append(f"rows with missing values left out: {n_missing:,}")
    return tuple(notes)


def _few(texts: Levels) -> str:
    return ", ".join(texts[:8]) + (f" and {len(texts) - 8} more" if len(texts) > 8 else "")
