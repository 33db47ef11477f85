"""The safetensors format: a header that is held to every rule, and numbers.

A file is 8 bytes (the header's length, little-endian), the header (a JSON object: names to dtype, shape and data_offsets,
and `__metadata__`, texts to texts), and the data, in which the tensors lie one after another without gap. What breaks a
rule is refused; nothing is allocated by a number that the file's own size does not bear out.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastminima.errors import ReadError
from fastminima.system.files import reading

__all__ = ["StoredTensors", "read_safetensors"]

# bytes of a header: one hidden layer has four tensors, and room for much metadata
_LARGEST_HEADER = 1 << 20
# BF16 is the upper half of a float32
_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


@dataclass(frozen=True)
class StoredTensors:
    """What a file holds: tensors by name, as float64 numbers exactly, in the order of the header; and its metadata."""

    tensors: dict[str, NDArray[np.float64]]
    metadata: dict[str, str]


def read_safetensors(path: str | os.PathLike[str]) -> StoredTensors:
    """Read a whole file of float tensors.

    Raises
    ------
    MissingFileError
        There is no such file.
    ReadError
        It breaks a rule of the format, or holds other numbers than F64, F32, F16 and BF16.
    """
    with reading(path, "is no safetensors file"), open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        header, start = _header(stream, size)
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
            raise ValueError("__metadata__ must be an object of texts")
        entries = {name: _entry(name, words) for name, words in header.items()}
        _check_layout(entries, size - start)
        tensors = {}
        for name, (kind, shape, begin, end) in entries.items():
            stream.seek(start + begin)
            tensors[name] = _numbers(stream.read(end - begin), kind, shape)
    return StoredTensors(tensors, metadata)


Entry = tuple[str, tuple[int, ...], int, int]


def _header(stream: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header, and where the data begin."""
    length = int.from_bytes(stream.read(8), "little")
    if size < 10 or length > size - 8:
        raise ValueError(f"its header has {length} bytes, the file {size}")
    if length > _LARGEST_HEADER:
        raise ValueError(
            f"its header has {length} bytes; one hidden layer needs no more than {_LARGEST_HEADER}"
        )
    text = stream.read(length).decode("utf-8")
    if not text.startswith("{"):
        raise ValueError("its header does not begin with '{'")
    header = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return header, 8 + length


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the name {next(n for n in names if names.count(n) > 1)!r:.80} stands twice in its header"
        )
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _entry(name: str, words: Any) -> Entry:
    if not isinstance(words, dict) or set(words) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name!r:.80} must have dtype, shape and data_offsets, and nothing else")
    kind, shape, offsets = words["dtype"], words["shape"], words["data_offsets"]
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ReadError(f"{name!r:.80} is stored as {kind!r:.20}; expected {', '.join(_KINDS)}")
    for numbers in (shape, offsets):
        # exactly int: True is none
        if not isinstance(numbers, list) or not all(type(v) is int and 0 <= v < 2**63 for v in numbers):
            raise ValueError(f"shape and data_offsets of {name!r:.80} must be lists of whole numbers")
    if len(offsets) != 2 or len(shape) > 32:
        raise ValueError(f"{name!r:.80} has {len(offsets)} offsets and {len(shape)} dimensions")
    begin, end = offsets
    needed = np.dtype(_KINDS[kind]).itemsize
    for count in shape:
        needed *= count
    if end - begin != needed:
        raise ValueError(f"{name!r:.80} needs {needed} bytes, its offsets {begin} to {end} are {end - begin}")
    return kind, tuple(shape), begin, end


def _check_layout(entries: dict[str, Entry], size: int) -> None:
    """One after another from the first byte of the data to the last: no gap, no overlap, nothing outside."""
    at = 0
    for name, (_, _, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin != at:
            what = "overlaps another tensor" if begin < at else "leaves a gap before it"
            raise ValueError(
                f"{name!r:.80} begins at byte {begin} of the data and {what}, which ends at {at}"
            )
        at = end
    if at != size:
        raise ValueError(f"its tensors have {at} bytes, the file has {size} after the header")


def _numbers(raw: bytes, kind: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    values = np.frombuffer(raw, dtype=_KINDS[kind])
    if kind == "BF16":
        values = (values.astype("<u4") << np.uint32(16)).view("<f4")
    return values.astype(np.float64).reshape(shape)
