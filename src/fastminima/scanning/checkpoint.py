"""Where a scan stands, on disk: results of finished datasets, and the states of the one under way.

A checkpoint is a folder. `scan` says which scan it belongs to (tokens of the sources, options); `results` is a log of
finished datasets, to which whole records are appended and of which a torn end is ignored; `state` holds the states of the
dataset under way, written to another name, flushed, and renamed. A resumed scan runs the same stages: finished ones
answer at once, the one under way goes on after the last task in its state, so every sum has the same bits.

A folder may come from anywhere. Nothing in it is executed, every record has a digest, and `lock` keeps other scans out.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastminima.errors import OptionError, OutputError, ReadError
from fastminima.system.files import replacing, writing
from fastminima.system.options import spelled

from .folder_lock import FolderLock
from .plain_records import UnstorableError, fits
from .record_files import Chain, damaged, key_of, read_records
from .results import ScanResult
from .stored_objects import CODEC, alike

__all__ = ["Checkpoint", "Stages"]

# Seconds between two writings of the state: what a killed scan may have to repeat.
INTERVAL = 5.0
_VERSION = 3
_NAME = b"fastminima scan checkpoint "
_FIRST_LINE = _NAME + b"%d\n" % _VERSION
# What a scan may have left before it wrote which one it is.
_BARE = ("lock", ".fastminima-")


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
    source_of : callable
        The source of a dataset by its number: results are put together around it.

    Raises
    ------
    OptionError
        The folder belongs to another scan; the first difference is named.
    OutputError
        It cannot be written, is no checkpoint, or another scan is using it.
    ReadError
        A file in it is damaged, or belongs to another scan.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        names: Sequence[str],
        tokens: Sequence[str],
        options: Mapping[str, Any],
        source_of: Callable[[int], Any] = lambda index: None,
    ) -> None:
        if not isinstance(path, str | os.PathLike) or "\0" in os.fsdecode(path):
            raise OptionError(f"checkpoint must be the path of a folder, got {spelled(path)}")
        self.folder = Path(os.fsdecode(path))
        self.results: dict[int, Any] = {}
        self._names, self._source_of = list(names), source_of
        self._log: io.FileIO | None = None
        self._state: dict[str, Any] | None = None
        own = {"names": list(names), "tokens": list(tokens), "options": dict(options)}
        header, entries = self.folder / "scan", ["a file"]
        with writing(str(self.folder.parent), "checkpoint"):
            if self.folder.is_dir() or not self.folder.exists():
                self.folder.mkdir(exist_ok=True)
                entries = [entry.name for entry in self.folder.iterdir()]
        if not header.is_file() and not all(name.startswith(_BARE) for name in entries):
            raise OutputError(
                f"{path} is no checkpoint of a scan; name a folder that does not exist, or remove it"
            )
        self._lock = FolderLock(self.folder)
        try:
            self._open(header, own)
        except BaseException:
            self.close()
            raise

    def _open(self, header: Path, own: dict[str, Any]) -> None:
        for name in self.folder.glob(".fastminima-*.tmp"):
            # of a scan that was killed while it wrote
            with suppress(OSError):
                name.unlink()
        if header.is_file():
            old = self._header(header)
            self._compare(old, own)
            self._key = str(old["key"])
            self._chain = Chain(key_of(self._key, "results"))
            self._read_results()
            self._read_state()
        else:
            self._key = secrets.token_hex(16)
            self._chain = Chain(key_of(self._key, "results"))
            record = Chain(key_of("scan")).record(CODEC.pack(own | {"key": self._key, "forms": CODEC.forms}))
            self._replace("scan", _FIRST_LINE + record)

    def _header(self, path: Path) -> dict[str, Any]:
        """Which scan the folder belongs to."""
        with open(path, "rb") as stream:
            line = stream.read(len(_FIRST_LINE))
        other = f"checkpoint {self.folder} was written by another version of fastminima"
        if line != _FIRST_LINE:
            how = "" if line.startswith(_NAME) else ", in a form that is not opened any more"
            raise OptionError(f"{other}{how}; remove it to scan anew")
        bodies = [body for body, _ in read_records(path, Chain(key_of("scan")), len(_FIRST_LINE))]
        if len(bodies) != 1:
            raise damaged(path, "it is cut short")
        old: Any = _unpacked(path, bodies[0])
        whole = isinstance(old, dict) and old.keys() == _SCAN.keys()
        if not whole or not all(fits(hint, old[name]) for name, hint in _SCAN.items()):
            raise damaged(path, "it does not say which scan it is of")
        if old["forms"] != CODEC.forms:
            raise OptionError(f"{other}, whose results have other fields; remove it to scan anew")
        return dict(old)

    def _compare(self, old: dict[str, Any], own: dict[str, Any]) -> None:
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

    def _replace(self, name: str, record: bytes) -> None:
        with replacing(self.folder / name) as stream:
            stream.write(record)
            stream.flush()
            os.fsync(stream.fileno())

    # ---- finished datasets ---------------------------------------------------------------------------------

    def _read_results(self) -> None:
        log = self.folder / "results"
        if not log.exists():
            return
        good = 0
        for body, end in read_records(log, self._chain):
            # the number stands apart, because it says whose source the result gets
            index = int.from_bytes(body[:8], "little")
            if index >= len(self._names) or index in self.results:
                raise damaged(log, f"it has a result of dataset {index}")
            result = _unpacked(log, body[8:], self._source_of(index))
            if not isinstance(result, ScanResult) or result.name != self._names[index]:
                raise damaged(log, f"it has no result of dataset {self._names[index]!r} where it should")
            self.results[index] = result
            good = end
        with writing(str(self.folder), "checkpoint"):
            os.truncate(log, good)

    def finished(self, index: int, result: ScanResult) -> None:
        """Log the result of a dataset."""
        try:
            body = index.to_bytes(8, "little") + CODEC.pack(result)
        except UnstorableError:
            # an error that is not ours, say: a scan that goes on will meet it again
            return
        with writing(str(self.folder), "checkpoint"):
            if self._log is None:
                self._log = open(self.folder / "results", "ab", buffering=0)  # noqa: SIM115  (closed in `close`)
            view = memoryview(self._chain.record(body))
            while view:
                view = view[self._log.write(view) :]

    # ---- the dataset under way -----------------------------------------------------------------------------

    def _read_state(self) -> None:
        path = self.folder / "state"
        if not path.exists():
            return
        bodies = [body for body, _ in read_records(path, Chain(key_of(self._key, "state")))]
        if len(bodies) != 1:
            raise damaged(path, "it is cut short")
        state = _unpacked(path, bodies[0])
        whole = isinstance(state, dict) and state.keys() == _STATE.keys()
        if not whole or not all(fits(hint, state[name]) for name, hint in _STATE.items()):
            raise damaged(path, "it holds no states")
        self._state = state

    def stages(self, index: int, stamp: str = "") -> Stages:
        """The stages of a dataset, as far as they were when the state was written.

        Parameters
        ----------
        stamp : str
            Which files of the dataset are meant. States of others, though they have the same size and time, are not used.
        """
        state, self._state = self._state, None
        if state is None or state["index"] != index or state["stamp"] != stamp:
            return Stages(self, index, [], None, stamp)
        partial = (state["following"], state["partial"]) if state["following"] else None
        return Stages(self, index, state["done"], partial, stamp, state["counts"])

    def write_state(self, state: dict[str, Any]) -> None:
        """Write the states of the dataset under way."""
        self._replace("state", Chain(key_of(self._key, "state")).record(CODEC.pack(state)))

    def close(self) -> None:
        """Keep the folder."""
        if self._log is not None:
            self._log.close()
        self._lock.release()

    def remove(self) -> None:
        """The scan is complete."""
        if self._log is not None:
            self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()


# What `scan` and `state` say.
_SCAN = {"names": list[str], "tokens": list[str], "options": dict[str, Any], "key": str, "forms": str}
_STATE = {
    "index": int,
    "stamp": str,
    "counts": dict[str, int],
    "done": list[Any],
    "following": int,
    "partial": Any,
}


def _unpacked(path: Path, body: bytes, told: Any = None) -> Any:
    """What a record says; whatever it is that makes it say nothing is the same error."""
    try:
        return CODEC.unpack(body, told)
    except Exception as error:
        raise damaged(path, error) from error


class Stages:
    """States of the stages (passes) of one dataset; without a checkpoint nothing is written.

    Attributes
    ----------
    done : list
        Results of finished stages.
    counts : dict of str to int
        What the source counted in the tasks that are done.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | None,
        index: int,
        done: list[Any],
        partial: tuple[int, Any] | None,
        stamp: str = "",
        counts: Mapping[str, int] | None = None,
    ) -> None:
        self._checkpoint, self._index, self.done, self._partial = checkpoint, index, done, partial
        self._stamp, self.counts = stamp, dict(counts or {})
        self._at, self._written = 0, time.monotonic()

    @property
    def folder(self) -> str | None:
        """Where files of this dataset may be kept for a resumed scan."""
        return None if self._checkpoint is None else str(self._checkpoint.folder)

    def begin(self, new: Any) -> tuple[bool, Any]:
        """(finished before, its result), or (False, (next task, state) or None) of the next stage.

        Parameters
        ----------
        new : object
            The state the stage begins with otherwise.
        """
        at, self._at = self._at, self._at + 1
        if at < len(self.done):
            return True, self._checked(new, self.done[at])
        partial, self._partial = self._partial, None
        return False, None if partial is None else (partial[0], self._checked(new, partial[1]))

    def _checked(self, new: Any, found: Any) -> Any:
        if not alike(new, found):
            raise ReadError(
                f"the checkpoint {self.folder} has the states of other passes than this scan makes; remove it to scan anew"
            )
        return found

    def due(self) -> bool:
        """Whether it is time to write."""
        return self._checkpoint is not None and time.monotonic() - self._written >= INTERVAL

    def save(self, following: int, state: Any) -> None:
        """The stage under way has merged all tasks before `following` into `state`."""
        self._write(following, state)

    def finish(self, result: Any) -> None:
        """The stage is finished."""
        self.done.append(result)
        self._write(0, None)

    def count(self, counts: Mapping[str, int]) -> None:
        """Add what the source counted."""
        for what, number in counts.items():
            self.counts[what] = self.counts.get(what, 0) + number

    def _write(self, following: int, partial: Any) -> None:
        if self._checkpoint is None:
            return
        self._checkpoint.write_state(
            {
                "index": self._index,
                "stamp": self._stamp,
                "counts": self.counts,
                "done": self.done,
                "following": following,
                "partial": partial,
            }
        )
        self._written = time.monotonic()
