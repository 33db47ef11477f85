"""What every result can do: say itself as a table, as plain data and as a file, and be compared with another.

The functions behind these methods know all results and live on a higher floor. So the methods call the library by its
public names, as a user would: `import fastminima` imports nothing, and a name is looked up when a method is called.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Self

import numpy as np

import fastminima
from fastminima.errors import ReadError

__all__ = ["Result", "same"]


class Result:
    """Methods of all results of the library.

    Two results are equal where they are of one class and say the same: parameters, data, numbers and reasons. What has
    been worked out of it since takes no part.
    """

    __slots__ = ()
    # what equal results agree in; None: all fields of the dataclass
    _compared: ClassVar[tuple[str, ...] | None] = None

    def summary(self) -> fastminima.Summary:
        """The result as a table, with the columns of the data, units, and the formula of the risk; see `Summary`."""
        return fastminima.summary(self)

    def to_dict(self) -> dict[str, Any]:
        """The result as numbers, texts, lists and dictionaries; see `fastminima.to_dict`."""
        return fastminima.to_dict(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole result to one file; see `fastminima.save_result`."""
        fastminima.save_result(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a result of this class from a file that `save` wrote; see `fastminima.load_result`.

        Raises
        ------
        MissingFileError, ReadError
            As `load_result`; and where the file holds a result of another class.
        """
        result = fastminima.load_result(path)
        if not isinstance(result, cls):
            raise ReadError(
                f"{os.fsdecode(path)} holds a {type(result).__name__}, not a {cls.__name__}; load_result reads any result"
            )
        return result

    def _repr_html_(self) -> str:
        return fastminima.summary(self).head().as_html()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Result):
            return NotImplemented
        return self is other or (type(self) is type(other) and same(_told(self), _told(other)))

    def __hash__(self) -> int:
        return hash((type(self).__name__, *(v for v in _told(self).values() if isinstance(v, str | int))))


def _told(result: Result) -> dict[str, Any]:
    names = result._compared
    if names is None:
        assert is_dataclass(result)
        names = tuple(field.name for field in fields(result) if field.compare)
    return {name: getattr(result, name) for name in names}


def same(one: Any, other: Any) -> bool:
    """Do two values say the same? Arrays and numbers by value (NaN is NaN), containers and dataclasses by what they hold."""
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        return False
    if issubclass(kind, float):
        return bool(one == other or (one != one and other != other))
    if issubclass(kind, np.ndarray):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        return same(one.tolist(), other.tolist()) if one.dtype == object else _same_entries(one, other)
    if issubclass(kind, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if issubclass(kind, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if issubclass(kind, BaseException):
        return same(one.args, other.args)
    if is_dataclass(one) and (kind.__dataclass_params__.eq or kind.__eq__ is object.__eq__):
        # its own comparison may know better, unless it holds arrays, of which Python asks one truth value
        with suppress(ValueError):
            if one == other:
                return True
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one) if f.compare)
    return bool(one == other)


def _same_entries(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
