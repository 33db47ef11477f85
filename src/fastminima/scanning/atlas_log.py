"""Where an atlas stands, on disk: a log of the tables that are done, for a run that goes on where one was stopped.

A folder with `atlas`, which says what was asked for, and `charts`, a log of rows and certificates to which whole records are
appended and of which a torn end is ignored. Records are JSON with digests; nothing in them is executed.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastminima.errors import OptionError, OutputError
from fastminima.system.files import replacing, writing
from fastminima.system.options import spelled

from .chart_table import Chart
from .folder_lock import FolderLock
from .record_files import Chain, damaged, key_of, read_records

__all__ = ["AtlasLog"]

_VERSION = 1
_FIRST_LINE = b"fastminima atlas checkpoint %d\n" % _VERSION
# what a run may have left before it wrote which one it is
_BARE = ("lock", ".fastminima-")


class AtlasLog:
    """The folder of an atlas under way.

    Parameters
    ----------
    path : path
        Created when absent; its parent must exist.
    asked : mapping
        What the rows depend on beside the tables, as plain JSON.

    Attributes
    ----------
    charts : dict of str to Chart
        The tables that are done.

    Raises
    ------
    OptionError
        It belongs to another atlas; the first difference is named.
    OutputError
        It cannot be written, is no checkpoint of an atlas, or another run is using it.
    ReadError
        A file in it is damaged.
    """

    def __init__(self, path: str | os.PathLike[str], asked: Mapping[str, Any]) -> None:
        if not isinstance(path, str | os.PathLike) or not path or "\0" in os.fsdecode(path):
            raise OptionError(f"checkpoint must be the path of a folder, got {spelled(path)}")
        self.folder = Path(os.fsdecode(path))
        self.charts: dict[str, Chart] = {}
        self._file: io.FileIO | None = None
        header = self.folder / "atlas"
        with writing(str(self.folder.parent), "checkpoint"):
            if self.folder.exists() and not self.folder.is_dir():
                raise OutputError(f"{path} is a file, and no checkpoint of an atlas; name a folder")
            self.folder.mkdir(exist_ok=True)
            entries = [entry.name for entry in self.folder.iterdir()]
        if not header.is_file() and not all(name.startswith(_BARE) for name in entries):
            raise OutputError(
                f"{path} is no checkpoint of an atlas; name a folder that does not exist, or remove it"
            )
        self._lock = FolderLock(self.folder)
        try:
            self._open(header, json.loads(json.dumps(dict(asked))))
        except BaseException:
            self.close()
            raise

    def _open(self, header: Path, asked: dict[str, Any]) -> None:
        for name in self.folder.glob(".fastminima-*.tmp"):
            name.unlink(missing_ok=True)
        if header.is_file():
            old = self._header(header)
            for what, value in asked.items():
                if old.get(what) != value:
                    raise OptionError(
                        f"checkpoint {self.folder} belongs to an atlas with {what}={old.get(what)!r}, this one has "
                        f"{value!r}; remove it, or give the same"
                    )
            self._chain = Chain(key_of(str(old["key"]), "charts"))
            self._read()
        else:
            key = secrets.token_hex(16)
            self._chain = Chain(key_of(key, "charts"))
            with replacing(header) as stream:
                stream.write(_FIRST_LINE + Chain(key_of("atlas")).record(_packed({**asked, "key": key})))
                stream.flush()
                os.fsync(stream.fileno())

    def _header(self, path: Path) -> dict[str, Any]:
        with open(path, "rb") as stream:
            if stream.read(len(_FIRST_LINE)) != _FIRST_LINE:
                raise OptionError(
                    f"checkpoint {self.folder} was written by another version of fastminima; remove it to begin anew"
                )
        bodies = [body for body, _ in read_records(path, Chain(key_of("atlas")), len(_FIRST_LINE))]
        found = _unpacked(path, bodies[0]) if len(bodies) == 1 else None
        if not isinstance(found, dict) or "key" not in found:
            raise damaged(path, "it does not say which atlas it is of")
        return found

    def _read(self) -> None:
        path, good = self.folder / "charts", 0
        if not path.exists():
            return
        for body, end in read_records(path, self._chain):
            found = _unpacked(path, body)
            if (
                not isinstance(found, dict)
                or not isinstance(found.get("row"), dict)
                or "table" not in found["row"]
            ):
                raise damaged(path, "it has a record that is no row")
            chart = Chart(found["row"], dict(found["certificates"]))
            self.charts[chart.table] = chart
            good = end
        with writing(str(self.folder), "checkpoint"):
            os.truncate(path, good)

    def finished(self, chart: Chart) -> None:
        """Log the row of a table."""
        with writing(str(self.folder), "checkpoint"):
            if self._file is None:
                self._file = open(self.folder / "charts", "ab", buffering=0)  # noqa: SIM115  (closed in `close`)
            body = _packed({"row": chart.row, "certificates": chart.certificates})
            view = memoryview(self._chain.record(body))
            while view:
                view = view[self._file.write(view) :]

    def close(self) -> None:
        """Keep the folder."""
        if self._file is not None:
            self._file.close()
        self._lock.release()

    def remove(self) -> None:
        """The atlas is complete."""
        if self._file is not None:
            self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()


def _packed(value: Any) -> bytes:
    # NaN and infinities as Python writes them, so that they come back
    return json.dumps(value, separators=(",", ":")).encode()


def _unpacked(path: Path, body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise damaged(path, error) from error
