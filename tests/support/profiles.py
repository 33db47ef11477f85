"""How many examples a property test draws: its own number in the suite, twenty times as many in `make verify`."""

from __future__ import annotations

import os


def examples(n: int) -> int:
    """`n`, or 20 n when FASTMINIMA_VERIFY is set."""
    return 20 * n if os.environ.get("FASTMINIMA_VERIFY") else n
