"""Files that appear whole or not at all, temporary ones that may not fit, and archives of arrays."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastminima.errors import FastMinimaError, MissingFileError, OutputError, ReadError

from .plain_text import printable

__all__ = ["open_npz", "reading", "replacing", "writing"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for writing; move it onto `path` when the block succeeds.

    When the block raises, the temporary file is removed and an older file at `path` stays as it was.

    Raises
    ------
    OutputError
        If the folder does not exist or cannot be written, `path` is a folder, or the disk refuses.
    """
    target = Path(path)
    folder = target.parent
    if "\0" in str(target):
        raise OutputError(f"cannot write {printable(str(target))}: a path has no character 0")
    try:
        if target.is_dir():
            raise OutputError(f"cannot write {target}: it is a folder; give a file name")
        if not folder.is_dir():
            state = "is not a folder" if folder.exists() else "does not exist"
            raise OutputError(f"cannot write {target}: {folder} {state}; create it first")
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    # Not tempfile.mkstemp: its files are private (mode 0600) and the finished file would stay so. The name
    # does not repeat the target's, which may already be as long as the file system allows.
    temporary = folder / f".fastminima-{os.getpid()}-{secrets.token_hex(6)}.tmp"
    try:
        stream = open(temporary, "xb")  # noqa: SIM115  (closed before the move, below)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        try:
            with stream:
                yield stream
            os.replace(temporary, target)
        except OSError as error:
            raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def writing(
    folder: str | os.PathLike[str], label: str, remedy: str = "set TMPDIR to a larger folder"
) -> Iterator[None]:
    """Turn an OSError of the block into `OutputError`, saying what room there is.

    Parameters
    ----------
    folder : path
        Where the block writes.
    label : str
        For what.
    remedy : str
        What helps, other than making room.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, FastMinimaError):
            raise
        advice = "set TMPDIR to a folder that can be written"
        if error.errno in _FULL:
            free = shutil.disk_usage(folder).free if os.path.isdir(folder) else 0
            advice = f"{free / 2**20:,.0f} MiB are free there; make room, {remedy}"
        raise OutputError(
            f"{label}: cannot write a temporary file in {folder}: {error.strerror or error}; {advice}"
        ) from error


@contextmanager
def reading(path: str | os.PathLike[str], complaint: str) -> Iterator[None]:
    """Turn whatever a library raises in the block into `ReadError` "`path` `complaint`: reason".

    Raises
    ------
    MissingFileError
        There is no such file.
    ReadError
        Anything else went wrong.
    """
    try:
        with warnings.catch_warnings():
            # files written by Python 2 are good files
            warnings.filterwarnings("ignore", message="Reading `.npy` or `.npz` file", category=UserWarning)
            yield
    except FastMinimaError:
        raise
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no file {path}") from error
    except Exception as error:
        # All of them: numpy sends a damaged header through Python's tokenizer, parser and a sort of its keys,
        # a damaged archive through zipfile and zlib; pyarrow decodes names. Each has its own exceptions.
        raise ReadError(f"{path} {complaint}: {error}") from error


@contextmanager
def open_npz(path: str | os.PathLike[str], complaint: str, instead: str) -> Iterator[Any]:
    """Open an npz file: a mapping of names (`files`) to arrays, which are read as they are asked for; never a pickle.

    Parameters
    ----------
    path : path
    complaint : str
        What a damaged file is, as in `reading` ("is not a network file").
    instead : str
        What follows "PATH holds one array" where the file is an npy file ("; weights are an npz file").

    Raises
    ------
    MissingFileError
        There is no such file.
    ReadError
        It is damaged, holds Python objects or one array, or the block cannot read it.
    """
    # opened here, because numpy leaves its own file open when the archive is damaged
    with reading(path, complaint), open(path, "rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        if not isinstance(stored, np.lib.npyio.NpzFile):
            raise ReadError(f"{path} holds one array{instead}")
        with stored:
            yield stored
