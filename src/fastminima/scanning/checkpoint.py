"""Where a scan stands, on disk: results of finished datasets, and the states of the one under way.

A checkpoint is a folder. `scan` says which scan it belongs to (tokens of the sources, options); `results` is a log of
finished datasets, to which whole records are appended and of which a torn end is ignored; `state` holds the states of the
dataset under way, written to another name, flushed, and renamed. A resumed scan runs the same stages: finished ones
answer at once, the one under way goes on after the last task in its state, so every sum has the same bits.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastminima.errors import OptionError, OutputError
from fastminima.system.files import replacing, writing

__all__ = ["Checkpoint", "Stages"]

# Seconds between two writings of the state: what a killed scan may have to repeat.
INTERVAL = 5.0
_VERSION = 2


class Checkpoint:
    """The folder of a scan.

    Parameters
    ----------
    path : path
        Created when absent; its parent must exist.
    names, tokens : sequences of str
        Of the datasets.
    options : mapping
        What else the results depend on.

    Raises
    ------
    OptionError
        The folder belongs to another scan; the first difference is named.
    OutputError
        It cannot be written, or is no checkpoint.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        names: Sequence[str],
        tokens: Sequence[str],
        options: Mapping[str, Any],
    ) -> None:
        self.folder = Path(path)
        self.results: dict[int, Any] = {}
        own = {"version": _VERSION, "names": list(names), "tokens": list(tokens), "options": dict(options)}
        header = self.folder / "scan"
        if self.folder.exists():
            if not header.is_file():
                raise OutputError(
                    f"{path} is no checkpoint of a scan; name a folder that does not exist, or remove it"
                )
            try:
                old = pickle.loads(header.read_bytes())
            except (ImportError, AttributeError):
                # the classes it holds have moved
                old = {"version": None}
            self._compare(old, own)
            self._read_results()
        else:
            with writing(str(self.folder.parent), "checkpoint"):
                self.folder.mkdir()
            self._replace("scan", own)
        self._log: io.BufferedWriter | None = None

    def _compare(self, old: dict[str, Any], own: dict[str, Any]) -> None:
        if old["version"] != own["version"]:
            raise OptionError(f"checkpoint {self.folder} was written by another version; remove it")
        for name, other, token, before in zip(
            own["names"], old["names"], own["tokens"], old["tokens"], strict=False
        ):
            if name != other:
                raise OptionError(
                    f"checkpoint {self.folder} belongs to another scan: it has dataset {other!r} where this one has "
                    f"{name!r}; remove it, or name another folder"
                )
            if token != before:
                raise OptionError(
                    f"checkpoint {self.folder} belongs to other data: {name!r} has changed since (its size, time, contents "
                    "or selection of columns); remove the checkpoint to scan anew"
                )
        if len(own["names"]) != len(old["names"]):
            raise OptionError(
                f"checkpoint {self.folder} belongs to a scan of {len(old['names'])} datasets, this one has "
                f"{len(own['names'])}; remove it, or name another folder"
            )
        for what, value in own["options"].items():
            if old["options"].get(what) != value:
                raise OptionError(
                    f"checkpoint {self.folder} belongs to a scan with {what}={old['options'].get(what)!r}, this one has "
                    f"{value!r}; remove it, or give the same"
                )

    def _replace(self, name: str, value: Any) -> None:
        with replacing(self.folder / name) as stream:
            pickle.dump(value, stream, protocol=5)
            stream.flush()
            os.fsync(stream.fileno())

    # ---- finished datasets ---------------------------------------------------------------------------------

    def _read_results(self) -> None:
        log = self.folder / "results"
        if not log.exists():
            return
        good = 0
        with open(log, "rb") as stream:
            while True:
                try:
                    index, result = pickle.load(stream)
                except (EOFError, pickle.UnpicklingError, AttributeError, IndexError, ValueError):
                    break
                self.results[index] = result
                good = stream.tell()
        with open(log, "r+b") as stream:
            stream.truncate(good)

    def finished(self, index: int, result: Any) -> None:
        """Log the result of a dataset."""
        with writing(str(self.folder), "checkpoint"):
            if self._log is None:
                self._log = open(self.folder / "results", "ab")  # noqa: SIM115  (closed in `close`)
            self._log.write(pickle.dumps((index, result), protocol=5))
            self._log.flush()

    # ---- the dataset under way -----------------------------------------------------------------------------

    def stages(self, index: int) -> Stages:
        """The stages of a dataset, as far as they were when the state was written."""
        path = self.folder / "state"
        if path.exists():
            state = pickle.loads(path.read_bytes())
            if state["index"] == index:
                return Stages(self, index, state["done"], state["partial"])
        return Stages(self, index, [], None)

    def close(self) -> None:
        """Keep the folder."""
        if self._log is not None:
            self._log.close()

    def remove(self) -> None:
        """The scan is complete."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Stages:
    """States of the stages (passes) of one dataset; without a checkpoint nothing is written.

    Attributes
    ----------
    done : list
        Results of finished stages.
    """

    def __init__(
        self, checkpoint: Checkpoint | None, index: int, done: list[Any], partial: tuple[int, Any] | None
    ) -> None:
        self._checkpoint, self._index, self.done, self._partial = checkpoint, index, done, partial
        self._at, self._written = 0, time.monotonic()

    @property
    def folder(self) -> str | None:
        """Where files of this dataset may be kept for a resumed scan."""
        return None if self._checkpoint is None else str(self._checkpoint.folder)

    def begin(self) -> tuple[bool, Any]:
        """(finished before, its result), or (False, (next task, state) or None) of the next stage."""
        at, self._at = self._at, self._at + 1
        if at < len(self.done):
            return True, self.done[at]
        partial, self._partial = self._partial, None
        return False, partial

    def due(self) -> bool:
        """Whether it is time to write."""
        return self._checkpoint is not None and time.monotonic() - self._written >= INTERVAL

    def save(self, following: int, state: Any) -> None:
        """The stage under way has merged all tasks before `following` into `state`."""
        self._write((following, state))

    def finish(self, result: Any) -> None:
        """The stage is finished."""
        self.done.append(result)
        self._write(None)

    def _write(self, partial: tuple[int, Any] | None) -> None:
        if self._checkpoint is not None:
            self._checkpoint._replace("state", {"index": self._index, "done": self.done, "partial": partial})
            self._written = time.monotonic()
