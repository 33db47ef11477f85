"""One scan at a time in a folder: a lock that ends with its process, however that ends."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

from fastminima.errors import OutputError
from fastminima.system.files import writing

__all__ = ["FolderLock"]

_NAME = "lock"
_SHOWN = 200
# Locks of this process. A child that was forked closes its copies: it may outlive the scan, and must not hold its lock.
_held: dict[int, FolderLock] = {}


class FolderLock:
    """The lock of a folder, held by one scan of one process.

    The operating system keeps it with the open file and drops it when the process ends, by any signal: no lock is stale.
    What stands in the file only says whom to ask.

    Raises
    ------
    OutputError
        Another scan holds it, or the file system has no locks.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        while True:
            with writing(folder, "checkpoint"):
                self._descriptor = os.open(
                    self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666
                )
            _held[self._descriptor] = self
            try:
                self._take(folder)
                # whoever held it may have deleted the folder with it, when its scan was complete
                if self._is_there():
                    break
            except BaseException:
                self.release()
                raise
            self.release()
            with writing(folder.parent, "checkpoint"):
                folder.mkdir(exist_ok=True)
        with writing(folder, "checkpoint"):
            os.ftruncate(self._descriptor, 0)
            told = f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}\n"
            os.write(self._descriptor, told.encode())

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def _take(self, folder: Path) -> None:
        try:
            _lock(self._descriptor)
        except BlockingIOError as error:
            raise OutputError(
                f"checkpoint {folder} is in use by another scan ({self._owner()}); wait for it, or name another folder"
            ) from error
        except OSError as error:
            raise OutputError(
                f"checkpoint {folder} cannot be locked ({error.strerror or error}); name a folder elsewhere"
            ) from error

    def _owner(self) -> str:
        told = os.read(self._descriptor, _SHOWN).decode("utf-8", "replace").strip()
        return "".join(c if c.isprintable() else "?" for c in told) or "its process is not told"

    def release(self) -> None:
        """Let others in."""
        if _held.pop(self._descriptor, None) is not None:
            os.close(self._descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # behind what says who holds it, which others may read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(str(error)) from error
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _leave() -> None:
        for descriptor in list(_held):
            os.close(descriptor)
        _held.clear()

    os.register_at_fork(after_in_child=_leave)
