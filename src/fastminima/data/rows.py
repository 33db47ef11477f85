"""Where the numbers of a dataset are: in memory, or (a scan's, see `scanning.streamed`) loaded when first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .coerce import sealed

__all__ = ["Rows", "RowsInMemory", "take_rows"]

Floats = NDArray[np.float64]


class Rows(Protocol):
    """What a `Dataset` asks of its rows."""

    @property
    def n_samples(self) -> int:
        """m."""

    @property
    def n_features(self) -> int:
        """dx."""

    @property
    def n_targets(self) -> int:
        """dy."""

    @property
    def X(self) -> Floats:
        """Inputs, (m, dx), read-only."""

    @property
    def Y(self) -> Floats:
        """Targets, (m, dy), read-only."""

    @property
    def sample_weight(self) -> Floats | None:
        """Weights, (m,), read-only."""


@dataclass(frozen=True, eq=False)
class RowsInMemory:
    """Arrays of all rows."""

    X: Floats
    Y: Floats
    sample_weight: Floats | None

    @property
    def n_samples(self) -> int:
        """m."""
        return self.X.shape[0]

    @property
    def n_features(self) -> int:
        """dx."""
        return self.X.shape[1]

    @property
    def n_targets(self) -> int:
        """dy."""
        return self.Y.shape[1]

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pickles do not carry the read-only flag
        for name, array in state.items():
            object.__setattr__(self, name, None if array is None else sealed(array))


def take_rows(rows: Rows, index: Any) -> RowsInMemory:
    """Some rows, by position, mask or slice, as new arrays."""
    weight = rows.sample_weight
    return RowsInMemory(
        sealed(np.ascontiguousarray(rows.X[index])),
        sealed(np.ascontiguousarray(rows.Y[index])),
        None if weight is None else sealed(np.ascontiguousarray(weight[index])),
    )
