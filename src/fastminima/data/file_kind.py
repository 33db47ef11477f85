"""What a file is, by its suffix and by its first bytes."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from fastminima.errors import MissingFileError, ReadError

from .columns import listed

__all__ = ["SUFFIXES", "file_kind"]

# (first bytes, what they mean, suffixes they go with)
_MAGIC: tuple[tuple[bytes, str, tuple[str, ...]], ...] = (
    (b"PAR1", "a Parquet file", (".parquet",)),
    (b"\x93NUMPY", "a NumPy array file (.npy)", (".npy",)),
    (b"PK\x03\x04", "a zip archive (.npz, .xlsx)", (".npz",)),
    (b"\x1f\x8b", "gzip data", (".csv.gz", ".tsv.gz")),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", (".h5", ".hdf5")),
    (b"\xff\xfe", "UTF-16 text", ()),
    (b"\xfe\xff", "UTF-16 text", ()),
)


SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".npy", ".npz", ".parquet")


def file_kind(path: Path, suffixes: Sequence[str] = SUFFIXES) -> str:
    """The suffix, once the file exists, is not empty and starts as the suffix says.

    Raises
    ------
    MissingFileError
        There is no such file; the message names files like it.
    ReadError
        A folder, an empty file, a suffix that is none of `suffixes`, or contents of another kind.
    """
    try:
        with open(path, "rb") as stream:
            head = stream.read(4096)
    except FileNotFoundError as error:
        raise _missing_file(path) from error
    except IsADirectoryError as error:
        raise ReadError(f"{path} is a folder; give a file in it") from error
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror or error}") from error
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


def _missing_file(path: Path) -> MissingFileError:
    try:
        names = sorted(entry.name for entry in os.scandir(path.parent))
    except OSError:
        return MissingFileError(f"there is no file {path}: the folder {path.parent} does not exist")
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    return MissingFileError(f"there is no file {path}" + (f"; did you mean {listed(near)}?" if near else ""))
