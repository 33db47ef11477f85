"""A dataset that stays where it is: `Dataset` and `Frame` over a source, read block by block, loaded only when asked for.

Everything downstream of the fit takes these as it takes the ones in memory. What needs all rows at once (exact sets, the
search for kinks) loads them through `X`, and is told `TooLargeError` where that would not fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastminima.data.coerce import sealed
from fastminima.data.dataset import Dataset
from fastminima.data.sources.block_source import BlockSource
from fastminima.errors import DataError, TooLargeError
from fastminima.exact.affine import Columns
from fastminima.exact.roundoff import SLACK, gamma
from fastminima.fit.centred_data import Frame
from fastminima.fit.running_sums import Moments

__all__ = ["StreamedColumns", "StreamedDataset", "StreamedFrame", "block_rows_for", "regular", "row_norms"]

Array = NDArray[np.float64]

_BLOCK_BYTES = 16 << 20
_MOST_ROWS = 4096


def block_rows_for(n_features: int) -> int:
    """Rows of a block: few enough for the caches, and 16 MiB at most. It depends on the width alone."""
    return max(1, min(_MOST_ROWS, _BLOCK_BYTES // (8 * (n_features + 2))))


class StreamedDataset(Dataset):
    """The rows of a source as a `Dataset`; made by scans.

    Attributes
    ----------
    source : BlockSource
    """

    source: BlockSource

    def __init__(self, source: BlockSource, n_samples: int, limit: int) -> None:
        self._set(
            source=source,
            feature_names=source.feature_names,
            target_name=source.target_name,
            accuracy="auto",
            meaning="binary",
            notes=(),
            n_dropped=0,
            _rounded={},
            _m=n_samples,
            _n=source.n_features,
            _limit=limit,
            _loaded=None,
        )

    @property
    def n_samples(self) -> int:
        """m, the number of rows used."""
        return int(self.__dict__["_m"])

    @property
    def n_features(self) -> int:
        """dx."""
        return int(self.__dict__["_n"])

    @property
    def limit(self) -> int:
        """Bytes that the rows may take when they are loaded."""
        return int(self.__dict__["_limit"])

    @property
    def bytes_to_load(self) -> int:
        """Memory for all rows and for the exact arithmetic on them: some long integers a row."""
        return self.n_samples * (32 * (self.n_features + 2) + 400)

    def _all(self) -> tuple[Array, Array, Array | None]:
        loaded: tuple[Array, Array, Array | None] | None = self.__dict__["_loaded"]
        if loaded is None:
            needed, limit = self.bytes_to_load, self.limit
            if needed > limit:
                raise TooLargeError(
                    f"{self.source.name}: this needs its {self.n_samples:,} rows in memory (about {needed / 1e9:.3g} GB "
                    f"with what works on them), the limit is {limit / 1e9:.3g} GB; raise memory="
                )
            X, y = np.empty((self.n_samples, self.n_features)), np.empty(self.n_samples)
            w = np.empty(self.n_samples) if self.source.weighted else None
            at = 0
            for block_X, block_y, block_w in self.source.blocks(0, None, block_rows_for(self.n_features)):
                rows = slice(at, at + len(block_y))
                X[rows], y[rows] = block_X, block_y
                if w is not None and block_w is not None:
                    w[rows] = block_w
                at += len(block_y)
            loaded = (sealed(X), sealed(y), None if w is None else sealed(w))
            self._set(_loaded=loaded)
        return loaded

    @property
    def X(self) -> Array:
        """All rows, loaded when first asked for."""
        return self._all()[0]

    @property
    def y(self) -> Array:
        """All targets, loaded when first asked for."""
        return self._all()[1]

    @property
    def sample_weight(self) -> Array | None:
        """All weights, loaded when first asked for; None without weights."""
        return self._all()[2] if self.source.weighted else None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["_loaded"] = None
        state.pop("exact", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(**state)


class StreamedColumns:
    """The columns of a streamed dataset for the exact fit, loaded when one of them is asked for."""

    def __init__(self, data: StreamedDataset) -> None:
        self._data = data
        self._columns: Columns | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._columns is None:
            self._columns = Columns(self._data)
        return getattr(self._columns, name)


class StreamedFrame(Frame):
    """The centred frame over a source. Exponents are 0: other data are not streamed.

    Attributes
    ----------
    moments : Moments
        Of the first pass, which knows the weights.
    rows : int
        Of a block.
    """

    moments: Moments
    source: BlockSource
    rows: int

    def __init__(
        self, data: StreamedDataset, centre: Array, centre_y: float, moments: Moments, rows: int
    ) -> None:
        fields = {
            "data": data,
            "centre": centre,
            "centre_y": centre_y,
            "exponents": np.zeros(len(centre), dtype=np.int64),
            "exponent_y": 0,
            "entry_error": 0.0,
            "moments": moments,
            "source": data.source,
            "rows": rows,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def X(self) -> Array:
        """All rows; see `StreamedDataset.X`."""
        return self.data.X

    @property
    def y(self) -> Array:
        """All targets."""
        return self.data.y

    @property
    def n_samples(self) -> int:
        """m."""
        return self.data.n_samples

    @property
    def partition(self) -> tuple[int, int]:
        """(most samples of a block, number of blocks)."""
        total = self.source.n_rows or self.n_samples
        return min(self.rows, total), -(-total // self.rows)

    @property
    def weighted(self) -> bool:
        """Whether samples carry weights."""
        return self.source.weighted

    @property
    def weight_range(self) -> tuple[float, float]:
        """Smallest and largest weight."""
        return self.moments.weight_range

    @property
    def total_weight(self) -> float:
        """Sum of the weights, rounded up."""
        if not self.weighted:
            return float(self.n_samples)
        block, count = self.partition
        return float(self.moments.gram[0, 0]) * (1.0 + gamma(block + count)) * SLACK

    def raw_blocks(self) -> Iterator[tuple[slice, Array, Array, Array | None]]:
        """Yield (rows, X, y, weights) with one pass over the source."""
        at = 0
        for X, y, w in self.source.blocks(0, self.source.n_rows, self.rows):
            rows = slice(at, at + len(y))
            at += len(y)
            yield rows, X, y, w
        if at != self.n_samples:
            raise DataError(
                f"{self.source.name}: the first pass read {self.n_samples:,} rows, this one {at:,}; the data have changed"
            )

    def norms(self, rows: slice, X: Array) -> Array:
        """||(1, x_i)|| or a little more: x = x' + c was rounded twice, relative to x' and c."""
        slip = np.abs(X).sum(axis=1) + float(np.abs(self.centre).sum())
        norms: Array = row_norms(X + self.centre) + 2.0**-50 * slip
        return norms

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)


def row_norms(X: Array) -> Array:
    """||(1, x_i)|| of every row."""
    norms: Array = np.einsum("ij,ij->i", X, X)
    norms += 1.0
    return np.sqrt(norms, out=norms)


def regular(moments: Moments) -> bool:
    """Whether the sizes of data and weights need no scaling: 0, or within 2^±200."""
    sizes = [*moments.column_max.tolist(), moments.y_max, *moments.weight_range]
    return all(size == 0.0 or (2.0**-200 <= size <= 2.0**200 and math.isfinite(size)) for size in sizes)
