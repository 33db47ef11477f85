"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import OutputError

__all__ = ["replacing"]


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
