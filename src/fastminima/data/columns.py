"""Which columns of a file are inputs, target and weights; and what to say when one is not there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fastminima.errors import FastMinimaError, ReadError, TargetError

__all__ = ["Column", "Request", "Selection", "feature_positions", "listed"]

Column = str | int
_SHOWN = 20


def listed(names: Sequence[str]) -> str:
    """Names for a message, cut after the first twenty."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more


@dataclass(frozen=True)
class Selection:
    """Positions of columns in a file."""

    features: tuple[int, ...]
    target: int
    weight: int | None

    @property
    def columns(self) -> tuple[int, ...]:
        """Features, then the target, then the weight if there is one."""
        return (*self.features, self.target, *(() if self.weight is None else (self.weight,)))


@dataclass(frozen=True)
class Request:
    """What the caller asked to read, before the file's columns are known."""

    target: Column | None
    features: Sequence[Column] | None
    weight: Column | None

    def select(
        self, names: Sequence[str] | None, count: int, source: str, *, hidden: frozenset[int] = frozenset()
    ) -> Selection:
        """Find the columns.

        Parameters
        ----------
        names : sequence of str or None
            The file's column names; None when it has none (then columns are asked for by position, and the
            last one is the default target).
        count : int
            How many columns the file has.
        source : str
            What messages call the file.
        hidden : frozenset of int
            Columns that are not features unless asked for (a stored frame index).

        Raises
        ------
        TargetError
            No such target; the message names columns like it, or all when no target was given.
        ReadError
            No such feature or weight column.
        """
        if self.target is None:
            if names is not None:
                raise TargetError(
                    f"{source}: which column is the target? Pass target=...; columns: {listed(names)}"
                )
            target = count - 1
        else:
            target = _position(self.target, names, count, f"{source} has no target column", TargetError)
        weight = None
        if self.weight is not None:
            weight = _position(self.weight, names, count, f"{source} has no sample_weight column", ReadError)
            if weight == target:
                raise ReadError(f"{source}: column {self.weight!r} cannot be both target and sample_weight")
        if self.features is None:
            taken = hidden | {target, weight}
            return Selection(tuple(i for i in range(count) if i not in taken), target, weight)
        positions = feature_positions(self.features, names, count, source)
        for wanted, position in zip(self.features, positions, strict=True):
            if position == target:
                raise TargetError(f"{source}: column {wanted!r} is the target and cannot be a feature too")
        return Selection(positions, target, weight)


def feature_positions(
    features: Sequence[Column], names: Sequence[str] | None, count: int, source: str
) -> tuple[int, ...]:
    """Positions of the columns asked for as inputs; `ReadError` when one is not there."""
    if isinstance(features, (str, bytes)):
        raise ReadError(f"features must be a sequence of columns, got the string {features!r}")
    absent = f"{source} has no feature column"
    return tuple(_position(wanted, names, count, absent, ReadError) for wanted in features)


def _position(
    wanted: Column, names: Sequence[str] | None, count: int, absent: str, kind: type[FastMinimaError]
) -> int:
    """Position of a column asked for by name or index, or by an index as text; a name wins."""
    if names is not None and wanted in names:
        return list(names).index(str(wanted))
    text = str(wanted).strip()
    if not isinstance(wanted, bool) and re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII):
        index = int(text)
        if -count <= index < count:
            return index % count
        raise kind(f"{absent} {wanted!r}; the {count} columns have positions 0 to {count - 1}")
    if names is None:
        raise kind(f"{absent} {wanted!r}; its columns have no names, give a position: 0 to {count - 1}")
    lowered: dict[str, str] = {}
    for name in names:
        lowered.setdefault(name.lower(), name)
    near = [lowered[key] for key in difflib.get_close_matches(text.lower(), list(lowered), n=3, cutoff=0.5)]
    hint = f"did you mean {listed(near)}?" if near else f"columns: {listed(names)}"
    raise kind(f"{absent} {wanted!r}; {hint}")
