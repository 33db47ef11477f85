"""What the attributes of an array say its numbers stand for: fill values, and scaled integers.

The CF conventions, which netCDF files follow: `_FillValue` and `missing_value` stand for nothing, so do numbers outside
`valid_min`, `valid_max` or `valid_range`; what is stored is (value - add_offset) / scale_factor. Beside them, HDF5 and Zarr
have a fill value of their own, which is read where nothing was written: one that somebody chose (it is not 0) stands for
nothing too. All of it is applied and named in the notes; what cannot be applied is refused by name.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ReadError

from .arrays import MemoryPart, Part, ReadRows
from .reader import fingerprint

__all__ = ["Encoding", "decoded", "encoding_of", "told"]

_CF = ("_FillValue", "missing_value", "scale_factor", "add_offset", "valid_min", "valid_max", "valid_range")
_LARGEST_EXACT = 2**53


@dataclass(frozen=True)
class Encoding:
    """How stored numbers become those they stand for.

    Attributes
    ----------
    absent : tuple of numbers
        Stored numbers that stand for nothing.
    valid : (number or None, number or None)
        The least and the greatest stored number that stands for one.
    scale, offset : float or None
        value = stored * scale + offset.
    """

    absent: tuple[Any, ...] = ()
    valid: tuple[Any, Any] = (None, None)
    scale: float | None = None
    offset: float | None = None

    @property
    def scaled(self) -> bool:
        """Are numbers changed, not only left out?"""
        return self.scale is not None or self.offset is not None

    def apply(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Numbers, NaN (or None beside integers that float64 does not hold) where there is none."""
        gone = np.zeros(stored.shape, dtype=bool)
        for value in self.absent:
            gone |= stored == value
        least, most = self.valid
        if least is not None:
            gone |= stored < least
        if most is not None:
            gone |= stored > most
        if self.scaled:
            values = stored.astype(np.float64)
            values *= 1.0 if self.scale is None else self.scale
            values += 0.0 if self.offset is None else self.offset
        elif not gone.any():
            return stored
        elif stored.dtype.kind in "iu" and stored.dtype.itemsize == 8 and _beyond(stored[~gone]):
            objects = stored.astype(object)
            objects[gone] = None
            return objects
        else:
            values = stored.astype(np.float64)
        values[gone] = np.nan
        return values

    def __str__(self) -> str:
        said = [f"{value} is missing" for value in dict.fromkeys(map(str, self.absent))]
        least, most = self.valid
        said += [] if least is None else [f"below {least} is missing"]
        said += [] if most is None else [f"above {most} is missing"]
        said += [] if self.scale is None else [f"times {self.scale!r}"]
        said += [] if self.offset is None else [f"plus {self.offset!r}"]
        return ", ".join(said)


def _beyond(integers: NDArray[Any]) -> bool:
    return bool(integers.size) and max(int(integers.max()), -int(integers.min())) > _LARGEST_EXACT


def encoding_of(
    label: str, dtype: np.dtype[Any], attributes: Mapping[str, Any], fill: Any
) -> Encoding | None:
    """What the attributes of an array and its own fill value say; None where that is nothing.

    Parameters
    ----------
    label : str
        What messages call the array.
    dtype : dtype
        Of the stored numbers.
    attributes : mapping
    fill : number or None
        Read where nothing was written, as far as somebody has chosen it.

    Raises
    ------
    ReadError
        An attribute that is no number, or belongs to something that holds several columns.
    """
    said = {name: attributes[name] for name in _CF if name in attributes}
    unsigned = attributes.get("_Unsigned")
    if unsigned is not None and str(_plain(unsigned)).lower() in ("true", "1") and dtype.kind == "i":
        raise ReadError(
            f"{label}: its attribute _Unsigned says that integers wrap around; convert them first"
        )
    if dtype.names is not None:
        if said:
            raise ReadError(
                f"{label} has named fields and the attributes {', '.join(said)}, which do not say which field they are "
                "of; apply them first"
            )
        return None
    if dtype.kind not in "iuf":
        return None
    numbers = {name: _numbers(f"{label}: its attribute {name}", value, dtype) for name, value in said.items()}
    absent = [*numbers.get("_FillValue", ()), *numbers.get("missing_value", ())]
    if fill is not None and fill != 0:
        absent.append(fill)
    # what was written as a longer number is compared as one that can be stored
    stored = [value for one in absent for value in (one, _as_stored(one, dtype)) if value == value]
    valid = numbers.get("valid_range", (None, None))
    if len(valid) != 2:
        raise ReadError(f"{label}: its attribute valid_range must be two numbers, got {len(valid)}")
    single = {}
    for name in ("scale_factor", "add_offset", "valid_min", "valid_max"):
        found = numbers.get(name, (None,))
        if len(found) != 1:
            raise ReadError(f"{label}: its attribute {name} must be one number, got {len(found)}")
        single[name] = found[0]
    encoding = Encoding(
        tuple(dict.fromkeys(stored)),
        (
            valid[0] if single["valid_min"] is None else single["valid_min"],
            valid[1] if single["valid_max"] is None else single["valid_max"],
        ),
        None if single["scale_factor"] is None else float(single["scale_factor"]),
        None if single["add_offset"] is None else float(single["add_offset"]),
    )
    if encoding.scaled and not np.isfinite([encoding.scale or 0.0, encoding.offset or 0.0]).all():
        raise ReadError(f"{label}: its attributes scale_factor and add_offset must be finite")
    return None if encoding == Encoding() else encoding


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _numbers(what: str, value: Any, dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """An attribute as numbers; xarray writes a float for Zarr as the base64 text of its bytes."""
    value = _plain(value)
    if isinstance(value, str) and dtype.kind == "f":
        try:
            (number,) = struct.unpack("<d", base64.b64decode(value, validate=True))
        except (ValueError, struct.error):
            pass
        else:
            return (number,)
        if value.lower() == "nan":
            return (float("nan"),)
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise ReadError(f"{what} is {value!r}, which is no number; mend or remove it")
    return tuple(array.reshape(-1).tolist())


def _as_stored(value: Any, dtype: np.dtype[Any]) -> Any:
    """A number as one of the array's type: 1e20 as the float32 nearest to it."""
    if dtype.kind != "f":
        return value
    with np.errstate(over="ignore"):
        return float(np.asarray(value).astype(dtype))


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A part whose stored numbers are decoded as they are read."""

    stored: Part
    encoding: Encoding

    @property
    def shape(self) -> tuple[int, ...]:
        """As stored."""
        return self.stored.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of numbers that are not missing."""
        return np.dtype(np.float64) if self.encoding.scaled else self.stored.dtype

    @property
    def token(self) -> str:
        """Of what is stored and how it is read."""
        return fingerprint(self.stored.token, self.encoding)

    @property
    def files(self) -> tuple[str, ...]:
        """Of what is stored."""
        return self.stored.files

    @contextmanager
    def open(self) -> Iterator[ReadRows]:
        """Rows, decoded."""
        with self.stored.open() as read:
            yield lambda start, stop: self.encoding.apply(read(start, stop))


def decoded(part: Part, encoding: Encoding | None) -> Part:
    """A part that hands out what its numbers stand for."""
    if encoding is None:
        return part
    if isinstance(part, MemoryPart):
        values = encoding.apply(part.array)
        if values.dtype.kind != "O":
            return MemoryPart(values)
    return _Decoded(part, encoding)


def told(encodings: Mapping[str, Encoding | None]) -> dict[str, Any]:
    """A note on arrays whose attributes were applied."""
    said = {name: str(encoding) for name, encoding in encodings.items() if encoding is not None}
    return {"read by their attributes": said} if said else {}
