"""Results in files: one archive of arrays (npz) with the words beside them (JSON); no pickle, nothing is executed.

An archive is a zip file whose members are stored as they are: "result.json" with format, version, class and words, and one
npy file for each array. A compressed member is refused, so no file is larger in memory than on disk by more than its numbers
take as objects.
"""

from __future__ import annotations

import io
import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastminima._version import __version__
from fastminima.data.file_kind import as_path, shown
from fastminima.errors import DataTypeError, ReadError
from fastminima.proof.certificate import Certificate
from fastminima.scanning.plain_records import BadRecordError, UnstorableError, array_kind
from fastminima.system.files import reading, replacing
from fastminima.system.results import Result

from .kinds import RESULTS
from .summaries import SUMMARIES, as_result

__all__ = ["load_result", "save_result"]

_FORMAT = "fastminima result"
_VERSION = 1
_WORDS = "result.json"
_COMPLAINT = "is no file of a result, or damaged"


def save_result(result: Result, path: str | os.PathLike[str]) -> None:
    """Write a result to one file, with its network and its data, every bit of them.

    Parameters
    ----------
    result : any result of the library
        `result.save(path)` is the same. A `Certificate` is written as the JSON that its checker reads.
    path : path
        The file appears whole or not at all; by custom its name ends in ".npz": `numpy.load` opens its arrays.

    Raises
    ------
    DataTypeError
        If it is no result, or holds what no file can: an activation that is a Python function without a formula.
    OutputError
        If the file cannot be written.
    TooLargeError
        For a scanned dataset whose rows are too many for memory, where an exact part of it is worked out.

    Notes
    -----
    The risk is that of Yun, Sra and Jadbabaie (2019), section 2. The rows of a dataset that a scan read block by block stay
    where they are.

    Examples
    --------
    >>> import fastminima as fm, os, tempfile
    >>> low = fm.spurious_minimum(fm.load_demo("xor"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fm.save_result(low, os.path.join(folder, "low.npz"))
    ...     fm.load_result(os.path.join(folder, "low.npz")) == low
    True
    """
    found, target = as_result(result, "save_result"), as_path(path)
    if isinstance(found, Certificate):
        found.save(target)
        return
    try:
        content, arrays = RESULTS.taken_apart(found)
    except UnstorableError as error:
        raise DataTypeError(f"this {type(found).__name__} cannot be kept in a file: {error}") from error
    head = {
        "format": _FORMAT,
        "version": _VERSION,
        "written_by": __version__,
        "class": type(found).__name__,
        "writeable": [bool(array.flags.writeable) for array, _ in arrays],
    }
    with replacing(target) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        # one date for all: equal results are equal files
        archive.writestr(zipfile.ZipInfo(_WORDS), json.dumps(head | content, allow_nan=False))
        for number, (array, _) in enumerate(arrays):
            with archive.open(zipfile.ZipInfo(_member(number)), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)


def load_result(path: str | os.PathLike[str]) -> Any:
    """Read a result that `save_result` or `result.save` wrote.

    Parameters
    ----------
    path : path
        Or the JSON file of a `Certificate`.

    Returns
    -------
    result
        Equal to the one that was saved. Nothing of the file is executed, and nothing is proved by reading it: a file says
        what its writer says. `decide`, `prove` and `check` say what is true.

    Raises
    ------
    MissingFileError
        There is no such file.
    ReadError
        It is no file of a result, cut short, changed, or of a newer version.
    CertificateError
        It is a damaged certificate.

    Notes
    -----
    As `save_result`. Evidence that follows from network and data is worked out again, at first use.

    Examples
    --------
    >>> import fastminima as fm, os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fm.least_squares(fm.load_demo("xor")).save(os.path.join(folder, "fit.npz"))
    ...     fm.load_result(os.path.join(folder, "fit.npz"))
    LeastSquares(4 x 2, rank 3, risk 0.5, defect 0.0e+00, exact)
    """
    source = as_path(path)
    name = shown(source)
    with reading(name, _COMPLAINT), open(source, "rb") as stream:
        if stream.read(1) == b"{":
            return Certificate.load(source)
        return _read(stream, source, name)


def _member(number: int) -> str:
    return f"array_{number}.npy"


def _read(stream: BinaryIO, source: Path, name: str) -> Any:
    with zipfile.ZipFile(stream) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) != len(archive.infolist()) or any(m.compress_type for m in members.values()):
            raise ReadError(f"{name} {_COMPLAINT}: its members are compressed, or have one name")
        if _WORDS not in members:
            what = (
                "it may be a network's: load_network reads that"
                if "format.npy" in members
                else f"it has no {_WORDS}"
            )
            raise ReadError(f"{name} is no file of a result; {what}")
        content = json.loads(archive.read(_WORDS))
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ReadError(f"{name} is no file of a result of fastminima")
        version = content.get("version")
        if version != _VERSION:
            newer = type(version) is int and version > _VERSION
            raise ReadError(
                f"{name} has version {version!r:.20} of the format; this fastminima reads {_VERSION}"
                + (": upgrade it" if newer else "")
            )
        flags = content["writeable"]
        if set(members) != {_WORDS, *map(_member, range(len(flags)))}:
            raise ReadError(f"{name} {_COMPLAINT}: it has other arrays than it lists")
        arrays = [_array(archive.read(_member(k)), flag is True) for k, flag in enumerate(flags)]
    try:
        result = RESULTS.put_together(content, arrays)
    except (BadRecordError, KeyError, TypeError) as error:
        writer = f"{content.get('written_by')!r:.20}"
        raise ReadError(
            f"{name} {_COMPLAINT}, or its fields are those of another version (written by {writer}, read by "
            f"{__version__!r}): {error}"
        ) from error
    if type(result) not in SUMMARIES or type(result).__name__ != content.get("class"):
        raise ReadError(f"{name} {_COMPLAINT}: it holds no result of the class it names")
    return result


def _array(member: bytes, writeable: bool) -> NDArray[Any]:
    """An array of an npy file, whose header must be true of what follows."""
    stream = io.BytesIO(member)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ReadError("an array of another format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if not array_kind(dtype):
        raise ReadError(f"an array of {dtype}")
    rest = member[stream.tell() :]
    if len(rest) != math.prod(shape) * dtype.itemsize:
        raise ReadError(f"an array of shape {shape} that has {len(rest)} bytes")
    entries = np.frombuffer(rest, dtype).copy()
    if dtype.kind == "b" and (entries.view(np.uint8) > 1).any():
        raise ReadError("a truth value that is neither 0 nor 1")
    array = entries.reshape(shape, order="F" if fortran else "C")
    array.flags.writeable = writeable
    return array
