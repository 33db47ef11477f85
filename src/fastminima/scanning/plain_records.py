"""Objects as bytes and back, for records that lie in a folder: nothing in them is executed.

(a) A record is JSON, and behind it the entries of its arrays. JSON has the structure: whole numbers and floats as hex, so
    that any size and every bit come back; lists, tuples, dicts and fractions by their names.
(b) Objects stand in a table, once each, and are referred to by earlier numbers: what was one object is one object again,
    and no record can refer to itself.
(c) A reader makes objects of the kinds it was given and of no others. What a field may hold is what the annotations of the
    class say, checked when it is written and when it is read; a kind may check more (shapes that belong together).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from numbers import Integral
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from fastminima.system.first_use import cached_property

__all__ = ["BadRecordError", "Codec", "Kind", "Order", "UnstorableError", "array_kind", "fits"]

_LONG = f"long double {np.finfo(np.longdouble).nmant} bits"
# What arrays may hold. Entries of a long double are those of one kind of machine.
_DTYPES: dict[str, np.dtype[Any]] = {
    **{
        name: np.dtype(name)
        for name in ("<f8", "<f4", "<i8", "<i4", "<i2", "<i1", "<u8", "<u4", "<u2", "<u1", "|b1")
    },
    _LONG: np.dtype(np.longdouble),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()} | {np.dtype(np.longdouble): _LONG}
Order = Literal["C", "F"]
# What stands first where a value is neither a text nor a short number, and is read by the method of that name.
_WORDS = {
    *("int", "float", "list", "tuple", "dict", "fraction", "decimal", "enum"),
    *("array", "scalar", "object", "integers", "entries"),
}
# Whole numbers that JSON readers keep are written as such.
_SHORT = 2**53
# Arrays begin at multiples of this.
_ALIGNED = 16


def array_kind(dtype: np.dtype[Any]) -> bool:
    """Whether records hold arrays of this type."""
    return dtype in _NAMES


class UnstorableError(Exception):
    """A value that no record can hold."""


class BadRecordError(Exception):
    """A record that does not say what its reader expects."""


@dataclass(frozen=True)
class Kind:
    """A class whose objects may stand in a record.

    Attributes
    ----------
    cls : type
        Its name stands in the record; its annotations say what its fields hold.
    fields : tuple of str, optional
        Default: all of a dataclass.
    hints : mapping, optional
        What fields hold, where the class does not say.
    take : callable, optional
        The fields of an object; default: its attributes.
    make : callable, optional
        Makes an object of its fields, given what the reader was told; default: calls the class with them.
    check : callable, optional
        Says what is wrong with an object, as far as single fields do not tell.
    later : mapping, optional
        Fields that records of earlier versions do not have, and what they hold there.
    """

    cls: type
    fields: tuple[str, ...] = ()
    hints: Mapping[str, Any] | None = None
    take: Callable[[Any], dict[str, Any]] | None = None
    make: Callable[[dict[str, Any], Any], Any] | None = None
    check: Callable[[Any], str | None] | None = None
    later: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """In records."""
        return self.cls.__name__

    @cached_property
    def holds(self) -> dict[str, Any]:
        """What every field may hold."""
        if self.hints is not None:
            return dict(self.hints)
        found = get_type_hints(self.cls)
        names = self.fields or tuple(field.name for field in dataclasses.fields(self.cls))
        return {name: found[name] for name in names}

    def taken(self, value: Any) -> dict[str, Any]:
        """The fields of an object."""
        found = {name: getattr(value, name) for name in self.holds} if self.take is None else self.take(value)
        for name, hint in self.holds.items():
            if not fits(hint, found[name]):
                raise UnstorableError(
                    f"{self.name}.{name} holds {type(found[name]).__name__}, expected {hint}"
                )
        return found

    def made(self, found: Any, told: Any) -> Any:
        """An object of its fields."""
        found = {**self.later, **found} if isinstance(found, dict) else found
        if not isinstance(found, dict) or found.keys() != self.holds.keys():
            raise BadRecordError(f"a {self.name} has the fields {', '.join(self.holds)}")
        for name, hint in self.holds.items():
            if not fits(hint, found[name]):
                raise BadRecordError(f"{self.name}.{name} is {type(found[name]).__name__}, expected {hint}")
        value = self.cls(**found) if self.make is None else self.make(found, told)
        wrong = None if self.check is None else self.check(value)
        if wrong is not None:
            raise BadRecordError(f"{self.name}: {wrong}")
        return value


def fits(hint: Any, value: Any) -> bool:
    """Whether a value is what an annotation says."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hasattr(origin, "__value__"):  # a type statement's alias, as NDArray is one from NumPy 2.5 on
        return fits(origin.__value__[arguments], value)
    if hint is Any:
        return True
    if hint is None:
        return value is None
    if origin in (Union, types.UnionType):
        return any(fits(one, value) for one in arguments)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in arguments)
    if origin is np.ndarray:
        scalar = (*get_args(arguments[1]), Any)[0]
        return isinstance(value, np.ndarray) and (scalar is Any or np.issubdtype(value.dtype, scalar))
    if origin is not None:
        return _holds(origin, arguments, value)
    if hint is float:
        return isinstance(value, float | np.floating) or _whole(value)
    if hint is int:
        return _whole(value)
    return isinstance(hint, type) and isinstance(value, hint)


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _holds(origin: Any, arguments: tuple[Any, ...], value: Any) -> bool:
    """Whether a list, tuple or dict holds what it should."""
    if origin not in (list, tuple, dict) or not isinstance(value, origin):
        return False
    if origin is dict:
        key, item = arguments
        return all(fits(key, k) and fits(item, v) for k, v in value.items())
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return len(value) == len(arguments) and all(map(fits, arguments, value))
    return all(fits(arguments[0], item) for item in value)


class Codec:
    """Writes and reads records of some kinds of objects.

    Parameters
    ----------
    kinds : sequence of Kind
        An object is of the kind of its class, not of one above it.
    enums : sequence of type
    """

    def __init__(self, kinds: Sequence[Kind] = (), enums: Sequence[type[Enum]] = ()) -> None:
        self.kinds = {kind.cls: kind for kind in kinds}
        self.by_name = {kind.name: kind for kind in kinds}
        self.enums = {enum.__name__: enum for enum in enums}

    @property
    def forms(self) -> str:
        """A digest of the names of all kinds and fields: records of other forms are those of another version."""
        told = sorted(f"{name}: {' '.join(kind.holds)}" for name, kind in self.by_name.items())
        return hashlib.blake2b("\n".join(told).encode(), digest_size=16).hexdigest()

    def pack(self, value: Any) -> bytes:
        """A value as bytes.

        Raises
        ------
        UnstorableError
            Something in it is of no kind that records hold.
        """
        content, arrays = self.taken_apart(value)
        heads = [[_NAMES[a.dtype], list(a.shape), order, a.flags.writeable] for a, order in arrays]
        text = json.dumps({"arrays": heads, **content}, separators=(",", ":")).encode()
        parts = [len(text).to_bytes(8, "little"), text]
        size = 8 + len(text)
        for array, order in arrays:
            parts.append(bytes(-size % _ALIGNED))
            parts.append(array.tobytes(order))
            size += len(parts[-2]) + len(parts[-1])
        return b"".join(parts)

    def taken_apart(self, value: Any) -> tuple[dict[str, Any], list[tuple[NDArray[Any], Order]]]:
        """A value as JSON ("objects" and "value"), and the arrays to which that refers by their number, each with its order.

        Raises
        ------
        UnstorableError
            As `pack`.
        """
        writer = _Writer(self)
        top = writer.plain(value)
        return {"objects": writer.objects, "value": top}, writer.arrays

    def unpack(self, record: bytes, told: Any = None) -> Any:
        """The value of a record.

        Parameters
        ----------
        told : object, optional
            What `Kind.make` gets beside the fields.

        Raises
        ------
        BadRecordError
            Or whatever else Python raises on the way: it is no record.
        """
        length = int.from_bytes(record[:8], "little")
        content = json.loads(record[8 : 8 + length])
        arrays, at = [], 8 + length
        for name, shape, order, writeable in content["arrays"]:
            at += -at % _ALIGNED
            array, at = _array(record, at, name, shape, order)
            array.flags.writeable = bool(writeable)
            arrays.append(array)
        if at != len(record):
            raise BadRecordError(f"it has {len(record)} bytes where {at} are told")
        return self.put_together(content, arrays, told)

    def put_together(self, content: Any, arrays: list[NDArray[Any]], told: Any = None) -> Any:
        """What `taken_apart` took apart; errors as `unpack`."""
        reader = _Reader(self, arrays, told)
        for name, fields in content["objects"]:
            kind = self.by_name[name]
            values = {field: reader.value(plain) for field, plain in fields.items()}
            reader.objects.append(kind.made(values, told))
        return reader.value(content["value"])


def _array(record: bytes, at: int, name: str, shape: list[int], order: str) -> tuple[NDArray[Any], int]:
    """An array of a record, and where the next one may begin."""
    dtype = _DTYPES[name]
    if order not in ("C", "F") or not all(type(size) is int and size >= 0 for size in shape):
        raise BadRecordError(f"an array of shape {shape}")
    count = math.prod(shape)
    if at + count * dtype.itemsize > len(record):
        raise BadRecordError(f"an array of shape {shape} is cut short")
    # a copy: its address is aligned, and the record can go
    entries = np.frombuffer(record, dtype, count, at).copy()
    if dtype.kind == "b" and (entries.view(np.uint8) > 1).any():
        raise BadRecordError("a truth value that is neither 0 nor 1")
    return entries.reshape(shape, order=order), at + count * dtype.itemsize  # type: ignore[call-overload]


class _Writer:
    """Collects the arrays and objects of one record."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.arrays: list[tuple[NDArray[Any], Order]] = []
        self.objects: list[list[Any]] = []
        self._known: dict[int, list[Any] | None] = {}
        # an address means its object only while the object lives
        self._held: list[Any] = []

    def plain(self, value: Any) -> Any:
        """A value as JSON has it."""
        if value is None or type(value) in (bool, str):
            return value
        kind = type(value)
        if kind is int:
            return value if abs(value) < _SHORT else ["int", f"{value:x}"]
        if kind is float:
            return ["float", value.hex()]
        if kind in (list, tuple):
            return [kind.__name__, [self.plain(item) for item in value]]
        if kind is dict:
            return ["dict", [[self.plain(key), self.plain(item)] for key, item in value.items()]]
        if kind is Fraction:
            return ["fraction", f"{value.numerator:x}", f"{value.denominator:x}"]
        if kind is Decimal:
            return ["decimal", str(value)]
        if isinstance(value, Enum) and self._codec.enums.get(kind.__name__) is kind:
            return ["enum", kind.__name__, value.value]
        if isinstance(value, np.generic):
            return ["scalar", self._array(np.array(value))]
        if kind in self._codec.kinds or isinstance(value, np.ndarray):
            return self._once(value)
        raise UnstorableError(f"a record cannot hold {kind.__name__}")

    def _once(self, value: Any) -> list[Any]:
        """An array or object by its number."""
        if id(value) in self._known:
            known = self._known[id(value)]
            if known is None:
                raise UnstorableError(f"{type(value).__name__} holds itself")
            return known
        self._known[id(value)] = None
        self._held.append(value)
        if isinstance(value, np.ndarray):
            plain = self._integers(value) if value.dtype.hasobject else ["array", self._array(value)]
        else:
            kind = self._codec.kinds[type(value)]
            fields = {name: self.plain(item) for name, item in kind.taken(value).items()}
            self.objects.append([kind.name, fields])
            plain = ["object", len(self.objects) - 1]
        self._known[id(value)] = plain
        return plain

    def _array(self, array: NDArray[Any]) -> int:
        array = array if type(array) is np.ndarray else np.asarray(array)
        if array.dtype not in _NAMES:
            raise UnstorableError(f"a record cannot hold arrays of {array.dtype}")
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        self.arrays.append((array, "F" if fortran else "C"))
        return len(self.arrays) - 1

    def _integers(self, array: NDArray[Any]) -> list[Any]:
        """An array of exact numbers."""
        if array.dtype != object:
            raise UnstorableError(f"a record cannot hold arrays of {array.dtype}")
        entries, shape = array.ravel().tolist(), list(array.shape)
        if all(type(entry) is int for entry in entries):
            return ["integers", shape, " ".join(f"{entry:x}" for entry in entries), array.flags.writeable]
        return ["entries", shape, [self.plain(entry) for entry in entries], array.flags.writeable]


class _Reader:
    """Values of one record."""

    def __init__(self, codec: Codec, arrays: list[NDArray[Any]], told: Any) -> None:
        self._codec, self._arrays, self._told = codec, arrays, told
        self.objects: list[Any] = []

    def value(self, plain: Any) -> Any:
        """A value of what JSON has of it."""
        if plain is None or type(plain) in (bool, str, int):
            return plain
        if type(plain) is not list or not plain or plain[0] not in _WORDS:
            raise BadRecordError(f"{type(plain).__name__} where a value was expected")
        return getattr(self, f"_{plain[0]}")(*plain[1:])

    def _int(self, digits: str) -> int:
        return int(digits, 16)

    def _float(self, digits: str) -> float:
        return float.fromhex(digits)

    def _list(self, items: list[Any]) -> list[Any]:
        return [self.value(item) for item in items]

    def _tuple(self, items: list[Any]) -> tuple[Any, ...]:
        return tuple(self.value(item) for item in items)

    def _dict(self, items: list[Any]) -> dict[Any, Any]:
        return {self.value(key): self.value(item) for key, item in items}

    def _fraction(self, above: str, below: str) -> Fraction:
        return Fraction(int(above, 16), int(below, 16))

    def _decimal(self, text: str) -> Decimal:
        return Decimal(text)

    def _enum(self, name: str, value: Any) -> Enum:
        return self._codec.enums[name](value)

    def _array(self, number: int) -> NDArray[Any]:
        return self._arrays[number]

    def _scalar(self, number: int) -> Any:
        return self._arrays[number][()]

    def _object(self, number: int) -> Any:
        return self.objects[number]

    def _integers(self, shape: list[int], digits: str, writeable: bool) -> NDArray[Any]:
        return self._entries(shape, [int(entry, 16) for entry in digits.split()], writeable, plain=False)

    def _entries(
        self, shape: list[int], entries: list[Any], writeable: bool, *, plain: bool = True
    ) -> NDArray[Any]:
        array = np.empty(len(entries), dtype=object)
        array[:] = [self.value(entry) for entry in entries] if plain else entries
        array = array.reshape(shape)
        array.flags.writeable = bool(writeable)
        return array
