"""Reading binary files that may be damaged, hostile, or something else."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import FastMinimaError, MissingFileError, ReadError

__all__ = ["reading"]


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
