"""Step 2 by a search over all networks of the width: what lies far below the paper's push and one kink, as a rule.

The search is that of `fastminima.fit.chain`. Its length is counted, not timed, so that the same numbers come out on any
machine. It knows nothing of the linear fit's digits: whoever uses the candidate certifies it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from fastminima.fit.chain import Search
from fastminima.fit.scaled_rows import Candidate as Found
from fastminima.fit.scaled_rows import ScaledRows
from fastminima.networks.one_hidden_layer import OneHiddenLayer
from fastminima.system.memory import require_memory
from fastminima.system.threads import single_threaded_blas

from .candidate import Candidate
from .minimum import SpuriousMinimum

__all__ = ["searched_candidates"]

# Starts, and how often each may ask whether to stop: once a descent. Only choices.
_STARTS, _DESCENTS = 4, 24


class _Budget:
    """So many descents."""

    def __init__(self) -> None:
        self._left = _DESCENTS

    def expired(self) -> bool:
        """Asked before each."""
        self._left -= 1
        return self._left < 0


def searched_candidates(low: SpuriousMinimum, rng: np.random.Generator) -> Iterator[Candidate]:
    """The best networks of the starts, lowest first.

    Raises
    ------
    TooLargeError
        If the search does not fit in memory.
    """
    data, h, width = low.data, low.activation, low.network.width
    require_memory(
        8 * data.n_samples * (7 * width + 3 * data.n_features + 16), "a search for better networks"
    )
    found: dict[int, Found] = {}

    def report(number: int, candidate: Found) -> None:
        if number not in found or candidate.risk < found[number].risk:
            found[number] = candidate

    seed = int(rng.integers(2**62))
    with single_threaded_blas(), np.errstate(all="ignore"):
        rows = ScaledRows.of(data, (h.s_plus, h.s_minus))
        for number in range(_STARTS):
            Search(rows, width, seed, _Budget().expired, report).run(number)
    for candidate in sorted(found.values(), key=lambda one: one.risk):
        parameters = rows.outside(candidate)
        if parameters is not None:
            network = OneHiddenLayer(*parameters, h)
            # what it gains is for the certificate to say: no closed form is behind it
            yield Candidate(network=network, drop=-math.inf, method="search")
