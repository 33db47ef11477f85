"""Programs that a test starts, sends signals to and waits for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def program(args: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A started program, waited for at the end; a test that fails before it has sent its signal leaves none running."""
    with subprocess.Popen(args, **options) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
