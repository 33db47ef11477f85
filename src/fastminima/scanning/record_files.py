"""Files of records, each with a digest: what was torn off at the end is told from what was damaged.

(a) A record is a head (mark, length, digest of both), a body, and a digest of head and body.
(b) Digests are keyed: the first of a file by the scan and the file's name, each later one by the digest before it. A
    record of another scan, one that was moved, repeated or left out does not fit.
(c) A process that is killed while it writes leaves a beginning of a record, or zeros where the machine went down: such an
    end is left out. Anything else that does not fit is an error.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fastminima.errors import ReadError
from fastminima.system.files import reading

__all__ = ["Chain", "damaged", "key_of", "read_records"]

_MARK = b"record:\n"
_HEAD = len(_MARK) + 8 + 16
_TAIL = 32


def key_of(*parts: str) -> bytes:
    """The key of the first record of a file."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=32).digest()


class Chain:
    """Turns bodies into records, one after the other.

    Attributes
    ----------
    key : bytes
        Of the next record.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key

    def head(self, length: int) -> bytes:
        """Of the next record."""
        start = _MARK + length.to_bytes(8, "little")
        return start + hashlib.blake2b(start, digest_size=16, key=self.key).digest()

    def tail(self, head: bytes, body: bytes) -> bytes:
        """Of the next record, which makes it the last one."""
        digest = hashlib.blake2b(head, digest_size=_TAIL, key=self.key)
        digest.update(body)
        self.key = digest.digest()
        return self.key

    def record(self, body: bytes) -> bytes:
        """The next record."""
        head = self.head(len(body))
        return b"".join([head, body, self.tail(head, body)])


def damaged(path: Path, reason: object) -> ReadError:
    """The error of a file of a checkpoint."""
    return ReadError(
        f"the checkpoint file {path} is damaged, or belongs to another scan: {reason}; remove the folder "
        f"{path.parent} to scan anew"
    )


def read_records(path: Path, chain: Chain, skip: int = 0) -> Iterator[tuple[bytes, int]]:
    """(body, where its record ends) of every whole record of a file; `chain` is left ready for the next one.

    Raises
    ------
    ReadError
        The file cannot be read, or something but its end is damaged.
    """
    with reading(path, "cannot be read"):
        if not stat.S_ISREG(os.stat(path).st_mode):
            # anything else (a pipe, say) might be waited for
            raise damaged(path, "it is no file")
        with open(path, "rb") as stream:
            stream.seek(skip)
            number, at = 0, skip
            while head := stream.read(_HEAD):
                number += 1
                if len(head) < _HEAD:
                    return
                length = int.from_bytes(head[len(_MARK) : len(_MARK) + 8], "little")
                if head != chain.head(length):
                    if not any(block.strip(b"\0") for block in iter(partial(stream.read, 1 << 20), b"")):
                        return
                    raise damaged(path, f"the head of record {number} does not fit its digest")
                rest = stream.read(length + _TAIL)
                if len(rest) < length + _TAIL:
                    return
                body, tail, key = rest[:length], rest[length:], chain.key
                if tail != chain.tail(head, body):
                    chain.key = key
                    if not tail.strip(b"\0") and not stream.read(1):
                        return
                    raise damaged(path, f"record {number} does not fit its digest")
                at += _HEAD + length + _TAIL
                yield body, at
