"""How the memory a scan may take is shared out."""

from __future__ import annotations

import os
import resource
import sys

from fastminima.errors import OptionError

from .dealer import Dealer

__all__ = ["Budget", "resident_bytes"]

# Under way for each worker: blocks, buffers, and what the allocator keeps of them.
_BLOCKS = 4
# The smallest share the search over ranges works with.
_LEAST = 16 << 20
# Ranges of usual length, one for each of a few workers.
_SEARCH = 64 << 20


def resident_bytes() -> int:
    """Memory this process holds now; where the system does not tell, the most it has held."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class Budget:
    """Bytes for the records of one dataset.

    Parameters
    ----------
    limit : int
        What the process may hold in all.
    block_bytes : int
        One block of rows.
    result_bytes : int
        What one task returns.
    dealer : Dealer
        Told how many results may wait: a quarter of what is free at most, and one.
    """

    def __init__(self, limit: int, block_bytes: int, result_bytes: int, dealer: Dealer) -> None:
        held = resident_bytes()
        each = _BLOCKS * block_bytes + 3 * result_bytes
        dealer.cap(max(limit - held, 0) // (4 * each))
        under_way = dealer.ahead * each
        self.free = limit - held - under_way
        if self.free < _LEAST:
            raise OptionError(
                f"memory={limit / 1e6:,.0f} MB is too little: the process holds {held / 1e6:,.0f} MB, and the blocks under "
                f"way take {under_way / 1e6:,.0f} MB; allow {(limit - self.free + _LEAST) / 1e6:,.0f} MB or more"
            )

    @property
    def room(self) -> int:
        """For the search: an eighth of what is free, but as much as its ranges need where memory is short."""
        return min(self.free // 3, max(self.free // 8, _SEARCH))

    def in_memory(self, records: int) -> bool:
        """Whether records of this many bytes may be kept beside the search."""
        return records <= self.free - self.room
