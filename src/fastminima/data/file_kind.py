"""What a file is, by its suffix and by its first bytes."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastminima.errors import DataTypeError, MissingFileError, ReadError

from .columns import listed

__all__ = ["EXCEL", "SUFFIXES", "TEXTS", "as_path", "file_kind", "shown"]

_TEXTS = (".csv", ".tsv", ".data")
_PACKED = ("", ".gz", ".bz2", ".xz", ".zip")
TEXTS = tuple(text + packed for packed in _PACKED for text in _TEXTS)
"""Text, also compressed; .data is text without a line of names, as UCI saves it."""
EXCEL = (".xlsx", ".xlsm")

# (first bytes, what they mean, suffixes they go with)
_MAGIC: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (b"PAR1", "a Parquet file", (".parquet",)),
    (b"\x93NUMPY", "a NumPy array file (.npy)", (".npy",)),
    (b"PK\x03\x04", "a zip archive (.npz, .xlsx)", (".npz", *EXCEL, *(text + ".zip" for text in _TEXTS))),
    (b"\x1f\x8b", "gzip data", tuple(text + ".gz" for text in _TEXTS)),
    (b"BZh", "bzip2 data", tuple(text + ".bz2" for text in _TEXTS)),
    (b"\xfd7zXZ\0", "xz data", tuple(text + ".xz" for text in _TEXTS)),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls)", ()),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", (".h5", ".hdf5")),
    (b"\xff\xfe", "UTF-16 text", ()),
    (b"\xfe\xff", "UTF-16 text", ()),
)


SUFFIXES = (".csv", ".tsv", *TEXTS[2:], ".npy", ".npz", ".parquet")
"""Of files whose numbers every command reads; `read` takes Excel too."""


def file_kind(path: Path, suffixes: Sequence[str] = (*SUFFIXES, *EXCEL)) -> str:
    """The suffix, once the file exists, is not empty and starts as the suffix says.

    Raises
    ------
    MissingFileError
        There is no such file; the message names files like it.
    ReadError
        A folder, an empty file, a suffix that is none of `suffixes`, or contents of another kind.
    """
    head = _first_bytes(path)
    name = path.name.lower()
    suffix = next((known for known in sorted(suffixes, key=len, reverse=True) if name.endswith(known)), None)
    if suffix is None:
        raise ReadError(f"{path}: unknown suffix; expected one of {', '.join(suffixes)}")
    if not head:
        raise ReadError(f"{path} is empty")
    found = next(((kind, fits) for magic, kind, fits in _MAGIC if head.startswith(magic)), None)
    expected = next((kind for _, kind, fits in _MAGIC if suffix in fits), "text")
    if found is None and expected == "text" and b"\0" in head:
        raise ReadError(f"{path} is not a text file as its suffix {suffix} says: it holds binary data")
    if (found is None and expected != "text") or (found is not None and suffix not in found[1]):
        what = "something else" if found is None else found[0]
        raise ReadError(f"{path} is not {expected} as its suffix {suffix} says, but {what}")
    return suffix


def _first_bytes(path: Path) -> bytes:
    """What a regular file begins with; errors for everything else that a path can name."""
    try:
        kind = os.stat(path).st_mode
        if stat.S_ISDIR(kind):
            raise ReadError(f"{shown(path)} is a folder; give a file in it")
        if not stat.S_ISREG(kind):
            # a pipe would be waited for, and a device has no end
            raise ReadError(f"{shown(path)} is a device or a pipe; give a file")
        with open(path, "rb") as stream:
            return stream.read(4096)
    except FileNotFoundError as error:
        raise _missing_file(path) from error
    except OSError as error:
        raise ReadError(f"cannot read {shown(path)}: {error.strerror or error}") from error
    except ValueError as error:  # a character that no path may hold
        raise ReadError(f"there is no file {shown(path)}: {error}") from error


def as_path(path: Any) -> Path:
    """What a caller names a file by, as a path.

    Raises
    ------
    DataTypeError
        No path.
    ReadError
        An empty one.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise DataTypeError(
            f"expected the path of a file, got {type(path).__name__}; arrays and frames go to Dataset"
        )
    try:
        text = os.fspath(path)
    except Exception as error:
        raise DataTypeError(f"expected the path of a file, got {type(path).__name__}: {error}") from error
    if not isinstance(text, str):
        text = os.fsdecode(text)
    if not text:
        raise ReadError("the path of the file is empty")
    return Path(text)


def shown(path: Path, longest: int = 200) -> str:
    """A path for a message: cut where it is too long, without characters that cannot be shown."""
    text = str(path)
    text = text if len(text) <= longest else text[:80] + "..." + text[-80:]
    return text if text.isprintable() else repr(text)


def _missing_file(path: Path) -> MissingFileError:
    try:
        names = sorted(entry.name for entry in os.scandir(path.parent))
    except OSError:
        return MissingFileError(
            f"there is no file {shown(path)}: the folder {shown(path.parent)} does not exist"
        )
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    return MissingFileError(
        f"there is no file {shown(path)}" + (f"; did you mean {listed(near)}?" if near else "")
    )
