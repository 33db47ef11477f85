"""Which columns of a file are inputs, targets and weights; and what to say when one is not there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

from fastminima.errors import FastMinimaError, ReadError, TargetError

__all__ = [
    "Column",
    "NamedArrays",
    "NumberLabel",
    "Request",
    "Selection",
    "Targets",
    "feature_positions",
    "hidden_columns",
    "listed",
    "named_arrays",
    "refuse_repeated",
]

Column = str | int
Targets = Column | Sequence[Column] | None
"""One column, several, or none named."""
_SHOWN = 20
# pandas writes a frame's index as such a column
_STORED_INDEX = re.compile(r"__index_level_\d+__")


def listed(names: Sequence[str]) -> str:
    """Names for a message, cut after the first twenty."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more


def refuse_repeated(names: Sequence[str], source: str) -> None:
    """Raise `ReadError` where two columns have one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ReadError(f"{source} has more than one column called {listed(twice)}; rename them")


def hidden_columns(names: Sequence[str]) -> frozenset[int]:
    """Columns that are no inputs unless asked for: a stored frame index."""
    return frozenset(i for i, name in enumerate(names) if _STORED_INDEX.fullmatch(name))


class NumberLabel(str):
    """The name of a frame's column whose label is a number; the number is its `value`."""

    value: Any

    @classmethod
    def of(cls, label: Any) -> str:
        """The name of a column by its label."""
        if isinstance(label, bool) or not isinstance(label, Number):
            return str(label)
        name = cls(label)
        name.value = label
        return name


@dataclass(frozen=True)
class Selection:
    """Positions of columns in a file."""

    features: tuple[int, ...]
    targets: tuple[int, ...]
    weight: int | None

    @property
    def columns(self) -> tuple[int, ...]:
        """Features, then the targets, then the weight if there is one."""
        return (*self.features, *self.targets, *(() if self.weight is None else (self.weight,)))

    @property
    def target(self) -> int:
        """The target, for those who asked for one."""
        (target,) = self.targets
        return target


@dataclass(frozen=True)
class Request:
    """What the caller asked to read, before the file's columns are known.

    Attributes
    ----------
    target : str, int, sequence of those, or None
        One column, several, or what the kind of file says.
    features : sequence of str or int, or None
    weight : str, int or None
    several : bool
        X and Y side by side may have several columns of Y.
    """

    target: Targets
    features: Sequence[Column] | None
    weight: Column | None
    several: bool = False

    def __post_init__(self) -> None:
        if self.features is not None and not isinstance(self.features, (str, bytes)):
            try:
                features = tuple(self.features)
            except (TypeError, ValueError) as error:
                raise ReadError(
                    f"features must be a sequence of columns, got {type(self.features).__name__}"
                ) from error
            for column in features:
                _check_column(column, "a feature", ReadError)
            object.__setattr__(self, "features", features)
        if self.weight is not None:
            _check_column(self.weight, "sample_weight", ReadError)
        for column in self.wanted or ():
            _check_column(column, "target", TargetError)
        if self.target is not None and not isinstance(self.target, (str, Number)):
            object.__setattr__(self, "target", self.wanted)

    @property
    def wanted(self) -> tuple[Column, ...] | None:
        """The targets asked for; None where the file has to say.

        Raises
        ------
        TargetError
            An empty sequence.
        """
        if self.target is None:
            return None
        if isinstance(self.target, str):
            return (self.target,)
        try:
            wanted = tuple(self.target)  # type: ignore[arg-type]
        except (TypeError, ValueError):  # a closed file raises the latter
            return (self.target,)  # type: ignore[return-value]
        if not wanted:
            raise TargetError("target is an empty sequence; name one or more columns")
        return wanted

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
            No such target; the message names columns like it, or all when no target was given. A column that is
            named twice, or is a feature too.
        ReadError
            No such feature or weight column.
        """
        targets = self._targets(names, count, source)
        weight = None
        if self.weight is not None:
            weight = _position(self.weight, names, count, f"{source} has no sample_weight column", ReadError)
            if weight in targets:
                raise ReadError(f"{source}: column {self.weight!r} cannot be both target and sample_weight")
        if self.features is None:
            taken = hidden | {*targets, weight}
            return Selection(tuple(i for i in range(count) if i not in taken), targets, weight)
        positions = feature_positions(self.features, names, count, source)
        for wanted, position in zip(self.features, positions, strict=True):
            if position in targets:
                which = "the target" if len(targets) == 1 else "a target"
                raise TargetError(f"{source}: column {wanted!r} is {which} and cannot be a feature too")
        if weight in positions:
            raise ReadError(f"{source}: column {self.weight!r} is sample_weight and cannot be a feature too")
        return Selection(positions, targets, weight)

    def _targets(self, names: Sequence[str] | None, count: int, source: str) -> tuple[int, ...]:
        wanted = self.wanted
        if wanted is None:
            if names is not None:
                raise TargetError(
                    f"{source}: which column is the target? Pass target=...; columns: {listed(names)}"
                )
            return (count - 1,)
        absent = f"{source} has no target column"
        targets = tuple(_position(column, names, count, absent, TargetError) for column in wanted)
        if len(set(targets)) < len(targets):
            raise TargetError(f"{source}: target names a column twice: {', '.join(map(str, wanted))}")
        return targets


def _check_column(column: Any, role: str, kind: type[FastMinimaError]) -> None:
    """A column is named by a text or a number."""
    if not isinstance(column, (str, Number)) or isinstance(column, bool):
        raise kind(f"{role} must be the name or the position of a column, got {type(column).__name__}")


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
    """Position of a column asked for by name or index, or by an index as text; a name wins.

    Numbers that label the columns of a frame are names: there, a number is never a position.
    """
    text = str(wanted).strip()
    number = not isinstance(wanted, bool) and re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII) is not None
    if names is not None:
        found = [i for i, name in enumerate(names) if _called(name, wanted)]
        if len(found) > 1:
            raise kind(f"{absent} {wanted!r} alone: {len(found)} columns are called so; rename them")
        if found:
            return found[0]
        if number and any(isinstance(name, NumberLabel) for name in names):
            raise kind(
                f"{absent} {wanted!r}; numbers label its columns, so {text} is taken for a name, not for a position; "
                f"columns: {listed(names)}"
            )
    if number:
        index = int(text)
        if -count <= index < count:
            return index % count
        if names is not None and text in names:
            return list(names).index(text)
        raise kind(f"{absent} {wanted!r}; the {count} columns have positions 0 to {count - 1}")
    if names is None:
        raise kind(f"{absent} {wanted!r:.80}; its columns have no names, give a position: 0 to {count - 1}")
    lowered: dict[str, str] = {}
    for name in names:
        lowered.setdefault(name.lower(), name)
    near = [lowered[key] for key in difflib.get_close_matches(text.lower(), list(lowered), n=3, cutoff=0.5)]
    hint = f"did you mean {listed(near)}?" if near else f"columns: {listed(names)}"
    raise kind(f"{absent} {wanted!r:.80}; {hint}")


def _called(name: str, wanted: Column) -> bool:
    """Is this the column that is asked for by its name?"""
    if isinstance(wanted, str):
        return name == wanted
    if not isinstance(name, NumberLabel) or isinstance(wanted, bool) or not isinstance(wanted, Number):
        return False
    return bool(name.value == wanted)


@dataclass(frozen=True)
class NamedArrays:
    """Which arrays of an archive are X, y and the weights, by their names."""

    X: str
    y: str
    weight: str | None


def named_arrays(
    names: Sequence[str], request: Request, source: str, spelling: str = ""
) -> NamedArrays | str:
    """The arrays of an archive that are read: X, y (or Y) and perhaps sample_weight, or the name of one array alone.

    Parameters
    ----------
    names : sequence of str
        Of all arrays.
    request : Request
    source : str
        What messages call the archive.
    spelling : str
        What messages say of how else to name an array.

    Raises
    ------
    ReadError
        Other arrays; no weights of the name asked for.
    TargetError
        Another target than y.
    """
    y = "y" if "y" in names else "Y"
    if "X" not in names or y not in names:
        if len(names) == 1:
            return names[0]
        held = f"the arrays {listed(names)}" if names else "no arrays"
        raise ReadError(f"{source} holds {held}; expected X and y, or one array alone{spelling}")
    if request.wanted not in (None, (y,)):
        raise TargetError(f"{source} holds arrays X and {y}: the target is {y}; leave target out")
    weight = "sample_weight" if request.weight is None else str(request.weight)
    if weight in names:
        return NamedArrays("X", y, weight)
    if request.weight is not None:
        raise ReadError(f"{source} has no array {weight!r} for sample_weight; arrays: {listed(names)}")
    return NamedArrays("X", y, None)
