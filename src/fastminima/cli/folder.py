"""The folder that --out names: one run in it, whole, and the one before until then."""

from __future__ import annotations

import fnmatch
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastminima.errors import OutputError
from fastminima.system.files import replacing
from fastminima.system.plain_json import json_ready
from fastminima.system.plain_text import printable

from .earlier_runs import COMMANDS, earlier_run, names_inside

__all__ = ["OUT_RULE", "OutputFolder"]

# one rule for all commands, in the help of each
OUT_RULE = (
    "; an earlier run of this command there is replaced once this one has succeeded, and stays whole until then; "
    "a folder with another command's results, unless this run reads them, or with files that no summary lists under "
    "names of this command's is refused before any work"
)


def names_a_file(out: str) -> bool:
    """Is what --out names one file, a certificate or a page, and not a folder?"""
    path = Path(out)
    return bool(path.suffix) and not path.is_dir() and not out.endswith(("/", os.sep))


class OutputFolder:
    """An output folder that is looked at before any work and changed once all files of the run are written.

    Files are written aside. `finish` takes those of the earlier run away, and puts the new ones in their place, the
    summary last; whatever goes wrong before or meanwhile, the earlier run is there as it was. A folder made here is
    taken back when nothing was written.

    Parameters
    ----------
    path : str
    command : str
        Whose folder it is.
    reads : iterable of str
        What the run reads, as the user named it.
    summary : str, optional
        The file that marks the folder as finished, where the command has several.
    aside : str, optional
        Name of the folder in which files are written until the run has succeeded; by default one that no other
        process uses.

    Attributes
    ----------
    path : Path
    earlier : tuple of str
        The files of the earlier run, relative to `path`.
    """

    def __init__(
        self,
        path: str,
        command: str,
        reads: Iterable[str] = (),
        *,
        summary: str | None = None,
        aside: str | None = None,
    ) -> None:
        if not path:
            raise OutputError("--out needs a folder name, got an empty one")
        self.path = Path(path)
        self.earlier: tuple[str, ...] = ()
        self._command, self._layout = command, COMMANDS[command]
        self._reads = [name for name in reads if not name.startswith("demo:")]
        self._summary = summary or self._layout.summaries[0]
        own = f".fastminima-{os.getpid()}-{secrets.token_hex(6)}.tmp"
        self._aside = self.path / (aside or own)
        self._names: list[str] = []
        self._made: list[Path] = []
        self._finished = False

    def __enter__(self) -> OutputFolder:
        self.earlier = self._replaced()
        missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot create the output folder {self.path}: {error.strerror or error}"
            ) from error
        self._made = missing
        try:
            # what cannot be written is better known before a long run than after
            trial = self.path / f".fastminima-{secrets.token_hex(6)}.trial"
            try:
                with replacing(trial) as stream:
                    stream.write(b"{}\n")
            finally:
                trial.unlink(missing_ok=True)
            self._clear()
        except BaseException:
            self._take_back()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        begun = self._aside.exists()
        shutil.rmtree(self._aside / "new", ignore_errors=True)
        if self._finished:
            # an interrupt may have come before the last of it was gone
            shutil.rmtree(self._aside / "old", ignore_errors=True)
        with suppress(OSError):
            self._aside.rmdir()
        if kind is not None and not begun:
            self._take_back()
        if isinstance(error, OutputError) and str(self._aside / "new") in str(error):
            # where it would have been: that is what the user asked for
            raise OutputError(str(error).replace(str(self._aside / "new"), str(self.path))) from error

    def _take_back(self) -> None:
        for folder in self._made:
            # only empty folders go
            with suppress(OSError):
                folder.rmdir()

    def _clear(self) -> None:
        """Take away what a run that was killed left aside."""
        if any((self._aside / "old").rglob("*.*")):
            raise OutputError(
                f"{self._aside / 'old'} holds results that a killed run was replacing: move them to where you want "
                "them, or remove them"
            )
        if self._aside.exists():
            shutil.rmtree(self._aside / "new", ignore_errors=True)
            shutil.rmtree(self._aside / "old", ignore_errors=True)
            try:
                self._aside.rmdir()
            except OSError as error:
                raise OutputError(
                    f"{self._aside} is where this run would write until it is done, and is not empty: move it, or give "
                    "another --out"
                ) from error

    # --- what is there already ---

    def _replaced(self) -> tuple[str, ...]:
        """The files that go when this run has succeeded; raises where the folder is not this run's to write to."""
        own = earlier_run(self.path, self._command)
        listed = () if own is None else own.files
        read = names_inside(self.path, self._reads)
        for name in listed:
            if name in read:
                raise OutputError(
                    f"{self._shown(name)} is read by this run and belongs to the run it would replace: give another --out"
                )
        replaced = [*listed]
        for command in COMMANDS:
            other = None if command == self._command else earlier_run(self.path, command)
            if other is None:
                continue
            if names_inside(self.path, other.sources) & set(listed):
                # made from what is replaced, and true of that alone
                replaced += other.files
            elif not any(pattern == "." or fnmatch.filter(other.files, pattern) for pattern in read):
                raise OutputError(
                    f"{self._shown()} holds results of fastminima {command} ({other.summary}): give {self._command} "
                    f"another --out, such as {self._shown(self._command)}, or remove them"
                )
        here = os.listdir(self.path) if self.path.is_dir() else []
        numbered = sorted(name for name in here if self._layout.is_numbered(name))
        for name in (self._summary, *self._layout.files, *numbered):
            if name not in replaced and os.path.lexists(self.path / name):
                raise OutputError(
                    f"{self._shown(name)} is not of an earlier run of fastminima {self._command}, by the word of a "
                    f"{self._summary} there, and would be written over: move it, or give another --out"
                )
        return tuple(replaced)

    def _shown(self, name: str = "") -> str:
        return printable(str(self.path / name))

    # --- what this run writes ---

    def file(self, name: str) -> Path:
        """Where to write a file of this name for now."""
        place = self._aside / "new" / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot create the folder {place.parent}: {error.strerror or error}"
            ) from error
        if name not in self._names:
            self._names.append(name)
        return place

    def finish_with(self, summary: dict[str, Any]) -> list[str]:
        """Write the summary, with the names of all files under "files", and `finish`; returns the paths of all files."""
        names = [*self._names, self._summary]
        with replacing(self.file(self._summary)) as stream:
            text = json.dumps(json_ready({**summary, "files": names}), indent=2, allow_nan=False)
            stream.write(text.encode() + b"\n")
        self.finish()
        return [str(self.path / name) for name in names]

    def finish(self) -> None:
        """Put the files of this run in the place of those of the earlier one, the summary last; all or none."""
        new, old = self._aside / "new", self._aside / "old"
        undo: list[Callable[[], None]] = []

        def move(start: Path, end: Path) -> None:
            end.parent.mkdir(parents=True, exist_ok=True)
            # an interrupt may come between the two: moving back what did not move is harmless
            undo.append(lambda: os.replace(end, start) if end.exists() and not start.exists() else None)
            os.replace(start, end)

        try:
            # the summary goes first and comes last: a folder with one is a finished one
            for name in reversed(self.earlier):
                move(self.path / name, old / name)
            for name in (*(n for n in self._names if n != self._summary), self._summary):
                move(new / name, self.path / name)
        except BaseException as error:
            for step in reversed(undo):
                with suppress(OSError):
                    step()
            shutil.rmtree(new, ignore_errors=True)
            _drop_empty(old)
            self._drop_empty_folders(self._names)
            if isinstance(error, OSError):
                raise OutputError(
                    f"cannot write to {self._shown()}: {error.strerror or error}; what was there is as it was"
                ) from error
            raise
        self._finished = True
        shutil.rmtree(old, ignore_errors=True)
        self._drop_empty_folders(self.earlier)

    def _drop_empty_folders(self, names: Iterable[str]) -> None:
        for folder in {(self.path / name).parent for name in names if "/" in name}:
            with suppress(OSError):
                folder.rmdir()


def _drop_empty(folder: Path) -> None:
    """Remove a folder and those in it, unless there is a file."""
    for path in (*sorted(folder.rglob("*"), reverse=True), folder):
        with suppress(OSError):
            path.rmdir()
