"""What functions that take data are given: a Dataset, a pair (X, y), or (X, y, weights)."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import ArrayLike

from fastminima.errors import DataTypeError

from .dataset import Dataset

__all__ = ["DataLike", "HasData", "as_dataset"]


# a Dataset, (X, y) or (X, y, sample_weight)
DataLike = Dataset | tuple[ArrayLike, ...]


class HasData(Protocol):
    """A result that knows its data."""

    @property
    def data(self) -> Dataset:
        """Of the result."""


def as_dataset(value: Any, asker: str) -> Dataset:
    """A dataset from whatever holds one sample a row.

    Parameters
    ----------
    value : Dataset, or tuple (X, y) or (X, y, sample_weight)
        The parts as `Dataset` takes them: arrays, lists, frames.
    asker : str
        What takes data, as the subject of the message ("decide").

    Raises
    ------
    DataTypeError
        Anything else.
    DataError, DataTypeError
        As `Dataset`.
    """
    if isinstance(value, Dataset):
        return value
    if isinstance(value, tuple) and len(value) in (2, 3):
        X, y, *weight = value
        return Dataset(X, y, sample_weight=weight[0] if weight else None)
    came = f"a tuple of {len(value)}" if isinstance(value, tuple) else type(value).__name__
    raise DataTypeError(f"{asker} takes a Dataset, (X, y) or (X, y, sample_weight) as data, got {came}")
